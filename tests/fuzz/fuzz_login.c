/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_login.c - the dialogue of a client that logs in: PROXY header, TLS, each plugin, switches,
 * COM_CHANGE_USER. Beside what frame/frame.h says must hold: nobody is let in without a right
 * answer.
 *
 * Input: when memory is not to be had (1; below 128: never), then steps: what (1), and what it
 * needs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "protocol/auth.h"
#include "protocol/caps.h"
#include "protocol/command.h"
#include "protocol/greet.h"
#include "protocol/tls.h"
#include "tests/fuzz/frame/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 60
#define PASSWORD  "pass"

/* One client at a time. */
struct dialogue {
    struct frame *f;
    struct frame_client *c; /* NULL = none */
    struct tls *tls;        /* owned, or NULL */
    bool has_shaken;
    uint8_t plain[FRAME_BYTES]; /* what came, decrypted; not dealt with */
    size_t n_plain;
    uint8_t sequence; /* of the next packet */
    uint8_t salt[ED25519_NONCE_LEN];
    char plugin[64]; /* asked for last */
    char pem[1024];
    bool is_empty;  /* the user that was named has no password */
    bool is_proven; /* a right answer was sent */
    bool is_in;
};

static const char *const users[] = {"u0", "u2", "native", "tls", "off", "nobody", "", "u1"};
static const char *const plugins[] = {PLUGIN_NATIVE, PLUGIN_SHA2, PLUGIN_ED25519,
                                      PLUGIN_CLEAR,  "",          "no_such_plugin"};

/* --- bytes out -------------------------------------------------------------------------------- */

static int to_socket(void *arg, const uint8_t *data, size_t len)
{
    struct dialogue *d = arg;

    frame_client_send(d->f, d->c, data, len);
    return 0;
}

static void send_bytes(struct dialogue *d, const uint8_t *data, size_t len)
{
    if (d->tls != NULL && d->has_shaken) {
        (void)!tls_seal(d->tls, data, len);
    } else {
        frame_client_send(d->f, d->c, data, len);
    }
}

static void send_payload(struct dialogue *d, const uint8_t *data, size_t len)
{
    uint8_t bytes[1024];
    struct writer w = writer_of(bytes, sizeof(bytes));
    size_t at = packet_begin(&w);

    put_bytes(&w, data, len);
    packet_end(&w, at, d->sequence++);
    send_bytes(d, bytes, w.len);
}

/* --- bytes in --------------------------------------------------------------------------------- */

static void greeted(struct dialogue *d, const uint8_t *payload, size_t len)
{
    struct greeting g;

    if (len > 0 && payload[0] == 10 && greeting_decode(&g, payload, len) == 0) {
        memcpy(d->salt, g.salt, SALT_LEN);
        (void)snprintf(d->plugin, sizeof(d->plugin), "%.*s", (int)g.plugin.len, g.plugin.data);
    }
}

static void switched(struct dialogue *d, const uint8_t *payload, size_t len)
{
    struct slice plugin, data;

    if (auth_switch_decode(&plugin, &data, payload, len) == 0) {
        memcpy(d->salt, data.data, MIN(data.len, sizeof(d->salt)));
        (void)snprintf(d->plugin, sizeof(d->plugin), "%.*s", SLICE_ARGS(plugin));
    }
}

static void packet_came(struct dialogue *d, const uint8_t *payload, size_t len, uint8_t sequence)
{
    d->sequence = (uint8_t)(sequence + 1);
    if (sequence == 0) {
        greeted(d, payload, len);
    } else if (len > 0 && payload[0] == 0xfe) {
        switched(d, payload, len);
    } else if (len > 2 && payload[0] == 1) {
        (void)snprintf(d->pem, sizeof(d->pem), "%.*s", (int)len - 1, (const char *)payload + 1);
    } else if (len > 0 && payload[0] == 0 && !d->is_in) {
        if (!d->is_proven && !d->is_empty) {
            (void)fprintf(stderr, "let in without a right answer\n");
            abort();
        }
        d->is_in = true;
    }
}

static void take_packets(struct dialogue *d)
{
    size_t at = 0;

    while (d->n_plain - at >= PACKET_HEADER) {
        size_t len = packet_length(d->plain + at);

        if (d->n_plain - at < PACKET_HEADER + len) {
            break;
        }
        packet_came(d, d->plain + at + PACKET_HEADER, len, packet_sequence(d->plain + at));
        at += PACKET_HEADER + len;
    }
    memmove(d->plain, d->plain + at, d->n_plain - at);
    d->n_plain -= at;
}

static void decrypt(struct dialogue *d)
{
    int64_t n;

    tls_give(d->tls, d->c->in, d->c->n_in);
    if (!d->has_shaken) {
        d->has_shaken = tls_shake(d->tls) == 0;
    }
    while (d->has_shaken && d->n_plain < sizeof(d->plain) &&
           (n = tls_open(d->tls, d->plain + d->n_plain, sizeof(d->plain) - d->n_plain)) > 0) {
        d->n_plain += (size_t)n;
    }
    tls_drop_input(d->tls);
}

/* Runs until nothing moves, both ends. */
static void settle(struct dialogue *d)
{
    frame_run(d->f);
    while (d->c != NULL && d->c->n_in > 0) {
        if (d->tls != NULL) {
            decrypt(d);
        } else {
            size_t n = MIN(d->c->n_in, sizeof(d->plain) - d->n_plain);

            memcpy(d->plain + d->n_plain, d->c->in, n);
            d->n_plain += n;
        }
        d->c->n_in = 0;
        take_packets(d);
        frame_run(d->f);
    }
}

/* --- steps ------------------------------------------------------------------------------------ */

static void leave(struct dialogue *d)
{
    if (d->c != NULL) {
        frame_client_close(d->f, d->c);
    }
    tls_free(d->tls);
    *d = (struct dialogue){.f = d->f};
}

static void come(struct dialogue *d, struct script *s)
{
    bool by_tcp = (script_u8(s) & 1) != 0;

    leave(d);
    d->c = frame_client_connect(d->f, by_tcp);
    d->sequence = 1;
}

/* A right answer to what was asked for last. */
static size_t right_answer(struct dialogue *d, uint8_t *out)
{
    struct secret secret;

    CHECK(secret_parse(&secret, SLICE(PASSWORD)) == 0);
    d->is_proven = true;
    if (strcmp(d->plugin, PLUGIN_SHA2) == 0) {
        sha2_response(out, SLICE(PASSWORD), d->salt);
        return SHA256_LEN;
    }
    if (strcmp(d->plugin, PLUGIN_ED25519) == 0) {
        uint8_t hash[ED25519_HASH_LEN];

        ed25519_expand(hash, SLICE(PASSWORD));
        ed25519_sign(out, hash, d->salt);
        return ED25519_SIGNATURE_LEN;
    }
    if (strcmp(d->plugin, PLUGIN_CLEAR) == 0) {
        memcpy(out, PASSWORD, sizeof(PASSWORD));
        return sizeof(PASSWORD);
    }
    native_response(out, secret.stage1, d->salt);
    return SHA1_LEN;
}

/* The password, encrypted with the key that was asked for. */
static size_t sealed_password(struct dialogue *d, uint8_t *out, size_t cap)
{
    uint8_t clear[sizeof(PASSWORD)];
    size_t n = 0;

    memcpy(clear, PASSWORD, sizeof(clear));
    sha2_unmask(clear, sizeof(clear), d->salt);
    d->is_proven = true;
    if (rsa_encrypt(slice_of(d->pem), (struct slice){(const char *)clear, sizeof(clear)}, out, cap,
                    &n) != 0) {
        return 0;
    }
    return n;
}

static size_t make_response(struct dialogue *d, struct script *s, uint8_t *out, size_t cap)
{
    switch (script_u8(s) % 6) {
    case 0:
    case 1: return right_answer(d, out);
    case 2: out[0] = 2; return 1; /* the key, please */
    case 3: return sealed_password(d, out, cap);
    case 4: return 0;
    default: return script_bytes(s, out, script_u8(s) % 128);
    }
}

static void send_response(struct dialogue *d, struct script *s)
{
    uint8_t response[512];
    size_t n = make_response(d, s, response, sizeof(response));

    send_payload(d, response, n);
}

static void send_login(struct dialogue *d, struct script *s)
{
    static const char *const schemas[] = {"", "s1", "a_schema_that_is_not_there", "s2"};
    uint8_t bytes[1024], response[512], attrs[64];
    struct writer w = writer_of(bytes, sizeof(bytes));
    uint8_t how = script_u8(s);
    struct login login = {.charset = (how & 0x80) != 0 ? script_u8(s) : 45, .max_packet = 1u << 24};

    login.caps = CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH;
    login.caps ^= (how & 0x40) != 0 ? (uint32_t)script_u16(s) << (how & 16) : 0;
    login.user = slice_of(users[how & 7]);
    d->is_empty |= strcmp(users[how & 7], "u0") == 0 || strcmp(users[how & 7], "u1") == 0;
    login.schema = slice_of(schemas[how >> 3 & 3]);
    login.caps |= login.schema.len > 0 ? CAP_CONNECT_WITH_DB : 0;
    login.plugin = slice_of(plugins[script_u8(s) % 6]);
    (void)snprintf(d->plugin, sizeof(d->plugin), "%.*s", SLICE_ARGS(login.plugin));
    login.response.len = make_response(d, s, response, 250);
    login.response.data = (const char *)response;
    login.attrs.len = script_bytes(s, attrs, script_u8(s) % sizeof(attrs));
    login.attrs.data = (const char *)attrs;
    login.caps |= login.attrs.len > 0 ? CAP_CONNECT_ATTRS : 0;
    login.caps |= d->tls != NULL ? CAP_SSL : 0;
    login_encode(&w, &login, d->sequence);
    if (!w.failed) {
        d->sequence++;
        send_bytes(d, bytes, w.len);
    }
}

static void change_user(struct dialogue *d, struct script *s)
{
    uint8_t bytes[512];
    struct writer w = writer_of(bytes, sizeof(bytes));
    uint8_t how = script_u8(s);
    struct login login = {.caps = CAP_PROTOCOL_41 | CAP_PLUGIN_AUTH | CAP_SECURE_CONNECTION,
                          .charset = 45,
                          .user = slice_of(users[how & 7]),
                          .plugin = slice_of(plugins[(how >> 3) % 6])};

    change_user_encode(&w, &login);
    d->is_in = d->is_proven = false;
    d->is_empty = strcmp(users[how & 7], "u0") == 0 || strcmp(users[how & 7], "u1") == 0;
    send_bytes(d, bytes, w.len);
}

static void ask_for_tls(struct dialogue *d)
{
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct login login = {.caps = CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH,
                          .charset = 45,
                          .max_packet = 1u << 24};

    tls_request_encode(&w, &login, d->sequence++);
    send_bytes(d, bytes, w.len);
}

static void begin_tls(struct dialogue *d)
{
    if (d->tls == NULL) {
        d->tls = tls_new(d->f->tls, "");
        if (d->tls == NULL) { /* the memory that is not to be had was ours */
            return;
        }
        tls_use_sink(d->tls, to_socket, d);
        d->n_plain = 0;
        (void)!tls_shake(d->tls);
    }
}

static void send_header(struct dialogue *d, struct script *s)
{
    static const char *const headers[] = {
        "PROXY TCP4 10.1.2.3 10.0.0.1 56324 443\r\n", "PROXY UNKNOWN\r\n",
        "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "PROXY TCP4 10.1.2.3 10.0.0.1 99999 443\r\n"};
    static const uint8_t second[] =
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\1\2\3\x0a\0\0\1\4\1\0\x50";
    uint8_t how = script_u8(s);

    if ((how & 7) < 4) {
        size_t n = strlen(headers[how & 3]);

        frame_client_send(d->f, d->c, (const uint8_t *)headers[how & 3],
                          (how & 0x80) != 0 ? (how >> 3) % n : n);
    } else {
        frame_client_send(d->f, d->c, second,
                          (how & 0x80) != 0 ? (how >> 2) % sizeof(second) : sizeof(second) - 1);
    }
}

static void send_raw(struct dialogue *d, struct script *s)
{
    uint8_t bytes[256];
    size_t n = script_bytes(s, bytes, script_u8(s));

    send_bytes(d, bytes, n);
}

static void node_does(struct dialogue *d, struct script *s)
{
    uint8_t how = script_u8(s);
    struct answer a;

    if ((how & 1) != 0) {
        frame_node_down(d->f, how >> 1 & 1);
    } else {
        a = frame_answer_read(s);
        a.flags |= ANSWER_FOR_ANY;
        frame_plan(d->f, how >> 1 & 1, &a);
    }
}

static void pass(struct dialogue *d, struct script *s)
{
    static const uint64_t times[] = {50, 150, 1100, 5000, 20000, 400000, 50, 150};

    frame_pass(d->f, times[script_u8(s) & 7]);
}

static void step(struct dialogue *d, struct script *s)
{
    uint8_t what = script_u8(s) & 0x0f;

    if (d->c == NULL || what == 0) {
        come(d, s);
    } else if (what < 4) {
        send_login(d, s);
    } else if (what < 7) {
        send_response(d, s);
    } else {
        switch (what) {
        case 7: ask_for_tls(d); break;
        case 8: begin_tls(d); break;
        case 9: send_header(d, s); break;
        case 10: send_raw(d, s); break;
        case 11: d->sequence = script_u8(s); break;
        case 12: change_user(d, s); break;
        case 13: pass(d, s); break;
        case 14: node_does(d, s); break;
        default: (void)shutdown(d->c->fd, SHUT_WR); break;
        }
    }
    settle(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dialogue d;
    struct script s = {data, data + size};
    unsigned fail_at;

    fail_at = script_u8(&s);
    d = (struct dialogue){.f = frame_begin(FRAME_LOGINS, fail_at < 128 ? 0 : fail_at - 127u)};
    for (unsigned i = 0; i < STEPS_MAX && !script_is_over(&s); i++) {
        step(&d, &s);
    }
    leave(&d);
    frame_end(d.f);
    return 0;
}
