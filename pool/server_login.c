/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_login.c - the dialogs in which a node asks who we are: login and COM_CHANGE_USER.
 *
 *   greeting --> [TLS request --> handshake] --> login --> [switch --> response] --> [more data ...] --> OK --> session tracking on --> ready
 *   COM_CHANGE_USER + response --> switch --> OK --> session tracking on --> ready
 *
 * MariaDB answers COM_CHANGE_USER with a request to switch that carries the connection's own salt
 * again (seen with 10.11.19), so the response to it can be sent along and one round trip is saved.
 * When a node gives another salt after all, it refuses what we sent and the connection is closed.
 */
#include <openssl/crypto.h>
#include <stdio.h>

#include "base/err.h"
#include "pool/node_tls.h"
#include "pool/pool.h"
#include "pool/server.h"
#include "protocol/auth.h"
#include "protocol/command.h"
#include "protocol/greet.h"
#include "protocol/packet.h"
#include "protocol/tls.h"

#define DIALOG_BYTES  2048
#define LOGIN_CHARSET 45 /* utf8mb4_general_ci; the base of all profiles, see pool_init */

#define LOGIN_CAPS                                                            \
    (CAP_LONG_PASSWORD | CAP_LONG_FLAG | CAP_PROTOCOL_41 | CAP_TRANSACTIONS | \
     CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH | CAP_SESSION_TRACK)

static void write_dialog(struct server *s, struct writer *w)
{
    uv_buf_t buf = uv_buf_init((char *)w->base, (unsigned)w->len);

    CHECK(!w->failed);
    if (server_write(s, &buf, 1) < 0) {
        server_lost(s, ERR_NODE_LOST, NULL);
    }
}

static void expect_replace(struct server *s, enum expect_what what)
{
    s->expects[s->first_expect].what = (uint8_t)what;
}

static void fail(struct server *s, int rc, const char *text)
{
    struct log_who who = server_who(s, "logging in");
    struct err err = {.number = err_number(rc), .message = slice_of(text)};

    memcpy(err.sqlstate, err_sqlstate(rc), sizeof(err.sqlstate));
    log_warn(&who, "%s", text);
    server_lost(s, rc, &err);
}

/*
 * The answer to a plugin's challenge. Returns its length, or -1 when the account cannot answer it.
 */
static int challenge_response(struct server *s, struct slice plugin, const uint8_t salt[SALT_LEN],
                              uint8_t out[SHA256_LEN])
{
    struct secret secret;
    int len = -1;

    account_secret(s->account, &secret);
    if (secret.is_empty) {
        len = 0;
    } else if (slice_eq(plugin, SLICE(PLUGIN_NATIVE)) && secret.has_stage1) {
        native_response(out, secret.stage1, salt);
        len = SHA1_LEN;
    } else if (slice_eq(plugin, SLICE(PLUGIN_SHA2)) && secret.has_clear) {
        sha2_response(out, slice_of(secret.clear), salt);
        len = SHA256_LEN;
    }
    secret_wipe(&secret);
    return len;
}

static uint32_t login_caps(const struct server *s)
{
    uint32_t caps = LOGIN_CAPS | s->caps | (s->stream.is_secured ? CAP_SSL : 0);

    return s->pool->conf->vars.mysql_enable_load_data_local_infile ? caps | CAP_LOCAL_FILES : caps;
}

static void send_login(struct server *s)
{
    uint8_t bytes[DIALOG_BYTES], response[SHA256_LEN];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct login login = {.charset = LOGIN_CHARSET, .max_packet = 1u << 30, .caps = login_caps(s)};
    int n;

    login.plugin = s->login_by_sha2 ? SLICE(PLUGIN_SHA2) : SLICE(PLUGIN_NATIVE);
    n = challenge_response(s, login.plugin, s->salt, response);
    if (n < 0) {
        fail(s, ERR_NODE_LOGIN,
             "the password of the account is not known in a form that this node's plugin needs");
        return;
    }
    login.user = slice_of(s->account->name);
    login.response = (struct slice){(const char *)response, (size_t)n};
    login_encode(&w, &login, s->login_sequence);
    expect_replace(s, EXPECT_LOGIN);
    write_dialog(s, &w);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void begin_tls(struct server *s, const struct node_tls *node_tls, uint32_t offered)
{
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct login login = {.charset = LOGIN_CHARSET, .max_packet = 1u << 30, .caps = login_caps(s)};
    struct tls *tls;

    if ((offered & CAP_SSL) == 0) {
        stat_add(s->pool->stats, STAT_TLS_NODE_FAILED, 1);
        fail(s, ERR_NODE_TLS, "mysql_servers has use_ssl=1, but the node does not offer TLS");
        return;
    }
    tls = tls_new(node_tls->context, s->node->port == 0 ? "" : s->node->address);
    if (tls == NULL) {
        server_lost(s, ERR_MEMORY, NULL);
        return;
    }
    tls_request_encode(&w, &login, s->login_sequence++);
    write_dialog(s, &w);
    if (s->state == SERVER_CLOSING) {
        tls_free(tls);
        return;
    }
    stream_secure(&s->stream, tls, NULL, 0);
}

void server_secured(struct server *s, int rc)
{
    char text[SERVER_ERROR_MAX];

    if (rc == 0 && s->carry_len > 0) { /* sent before: anybody could have */
        fail(s, ERR_NODE_PROTOCOL, "the node sent more than its greeting before the handshake");
        return;
    }
    if (rc == 0) {
        stat_add(s->pool->stats, STAT_TLS_NODE_HANDSHAKES, 1);
        send_login(s);
        return;
    }
    stat_add(s->pool->stats, STAT_TLS_NODE_FAILED, 1);
    atomic_fetch_add(&s->node->shared.tls_failures, 1); /* the monitor makes a handshake, too */
    nodes_poke(s->pool->nodes, s->node);
    (void)snprintf(text, sizeof(text), "TLS with node %s failed: %s", s->node->text,
                   rc == ERR_TLS  ? tls_why(s->stream.tls)
                   : rc == UV_EOF ? "it closed the connection"
                                  : err_text(rc));
    fail(s, ERR_NODE_TLS, text);
}

static void on_greeting(struct server *s, const uint8_t *payload, size_t len, uint8_t sequence)
{
    struct greeting g;
    struct node_tls *tls;

    if (greeting_decode(&g, payload, len) != 0) {
        fail(s, ERR_NODE_PROTOCOL, "the node's greeting is malformed");
        return;
    }
    s->thread_id = g.thread_id;
    memcpy(s->salt, g.salt, SALT_LEN);
    s->pool->learn_version(s->pool, g.version, g.charset);
    s->login_by_sha2 = slice_eq(g.plugin, SLICE(PLUGIN_SHA2));
    s->login_sequence = (uint8_t)(sequence + 1);
    tls = node_tls_get(s->node);
    if (tls == NULL) {
        send_login(s);
    } else {
        begin_tls(s, tls, g.caps);
        node_tls_unref(tls);
    }
}

/* --- the rest of the dialog ------------------------------------------------------------------- */

static void send_response(struct server *s, const uint8_t *data, size_t len, uint8_t sequence)
{
    uint8_t bytes[DIALOG_BYTES];
    struct writer w = writer_of(bytes, sizeof(bytes));
    size_t at = packet_begin(&w);

    put_bytes(&w, data, len);
    packet_end(&w, at, sequence);
    write_dialog(s, &w);
}

static void on_switch(struct server *s, const uint8_t *payload, size_t len, uint8_t sequence)
{
    uint8_t response[SHA256_LEN];
    struct slice plugin, data;
    int n;

    if (auth_switch_decode(&plugin, &data, payload, len) != 0 || data.len < SALT_LEN) {
        fail(s, ERR_NODE_PROTOCOL, "the node's request for another authentication is malformed");
        return;
    }
    if (s->expects[s->first_expect].what == EXPECT_CHANGE_USER) {
        if (memcmp(data.data, s->salt, SALT_LEN) != 0 || !slice_eq(plugin, SLICE(PLUGIN_NATIVE))) {
            fail(s, ERR_NODE_LOST,
                 "the node asks for another authentication than the one sent along");
        }
        return; /* what was sent along answers it */
    }
    memcpy(s->salt, data.data, SALT_LEN);
    n = challenge_response(s, plugin, s->salt, response);
    if (n < 0) {
        fail(s, ERR_NODE_LOGIN,
             "the node asks for an authentication plugin that the account's password cannot serve");
        return;
    }
    send_response(s, response, (size_t)n, (uint8_t)(sequence + 1));
}

/* caching_sha2_password: 3 = the fast path was right, 4 = send the password, else a public key. */
static void on_more(struct server *s, const uint8_t *payload, size_t len, uint8_t sequence)
{
    struct secret secret;
    uint8_t block[512], clear[sizeof(secret.clear) + 1];
    size_t n = 0, clear_len;
    int rc;

    if (len == 2 && payload[1] == 3) {
        return;
    }
    if (len == 2 && payload[1] == 4 && !s->stream.is_secured) {
        const uint8_t ask_for_key = 2;

        send_response(s, &ask_for_key, 1, (uint8_t)(sequence + 1));
        return;
    }
    account_secret(s->account, &secret);
    clear_len = strlen(secret.clear) + 1;
    memcpy(clear, secret.clear, clear_len);
    secret_wipe(&secret);
    if (len == 2 && payload[1] == 4) { /* nobody else can read it */
        send_response(s, clear, clear_len, (uint8_t)(sequence + 1));
        OPENSSL_cleanse(clear, sizeof(clear));
        return;
    }
    sha2_unmask(clear, clear_len, s->salt);
    rc = rsa_encrypt((struct slice){(const char *)payload + 1, len - 1},
                     (struct slice){(const char *)clear, clear_len}, block, sizeof(block), &n);
    if (rc != 0) {
        fail(s, ERR_NODE_PROTOCOL, "the node's public key cannot be used");
        return;
    }
    send_response(s, block, n, (uint8_t)(sequence + 1));
}

static void dialog_pop(struct server *s)
{
    s->first_expect = (uint8_t)((s->first_expect + 1) % SERVER_MAX_EXPECTS);
    if (--s->n_expects > 0) {
        follow_begin(&s->follow, s->expects[s->first_expect].follow);
    }
}

static void on_logged_in(struct server *s)
{
    bool was_login = s->expects[s->first_expect].what == EXPECT_LOGIN;
    uint8_t bytes[256];
    struct writer w = writer_of(bytes, sizeof(bytes));

    dialog_pop(s);
    if (was_login) {
        CHECK(server_setup_text(&w) == 0);
        server_expect(s, EXPECT_SETUP, FOLLOW_RESULT);
        write_dialog(s, &w);
    }
}

static void on_refused(struct server *s, const uint8_t *payload, size_t len)
{
    struct log_who who = server_who(s, "logging in");
    struct err err;

    if (err_decode(&err, payload, len) != 0) {
        server_lost(s, ERR_NODE_PROTOCOL, NULL);
        return;
    }
    log_warn(&who, "the node refuses: %u %.*s", err.number, SLICE_ARGS(err.message));
    server_lost(s, ERR_NODE_LOGIN, &err);
}

void server_on_login_packet(struct server *s, const uint8_t *payload, size_t len, uint8_t sequence)
{
    if (len == 0) {
        fail(s, ERR_NODE_PROTOCOL, "the node sent an empty packet");
    } else if (s->stream.tls != NULL && !s->stream.is_secured) {
        fail(s, ERR_NODE_PROTOCOL, "the node sent more than its greeting before the handshake");
    } else if (payload[0] == 0xff) {
        on_refused(s, payload, len);
    } else if (s->expects[s->first_expect].what == EXPECT_GREETING) {
        on_greeting(s, payload, len, sequence);
    } else if (payload[0] == 0x00) {
        on_logged_in(s);
    } else if (payload[0] == 0xfe) {
        on_switch(s, payload, len, sequence);
    } else if (payload[0] == 0x01 && len >= 2) {
        on_more(s, payload, len, sequence);
    } else {
        fail(s, ERR_NODE_PROTOCOL, "the node sent an unknown packet during the login");
    }
}

int server_change_user(struct server *s, const struct want *want)
{
    uint8_t bytes[DIALOG_BYTES], response[SHA256_LEN];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct account *before = s->account;
    struct login login = {
        .caps = LOGIN_CAPS, .charset = LOGIN_CHARSET, .plugin = SLICE(PLUGIN_NATIVE)};
    uv_buf_t buf;
    size_t at;
    int n;

    s->account = want->account;
    n = challenge_response(s, login.plugin, s->salt, response);
    s->account = before;
    if (n < 0) {
        return ERR_NODE_LOGIN;
    }
    login.user = slice_of(want->account->name);
    login.schema = want->schema == NULL ? (struct slice){NULL, 0} : want->schema->name;
    change_user_encode(&w, &login);
    at = packet_begin(&w);
    put_bytes(&w, response, (size_t)n);
    packet_end(&w, at, 2);
    if (server_setup_text(&w) != 0 || w.failed) {
        return ERR_LIMIT;
    }
    server_expect(s, EXPECT_CHANGE_USER, FOLLOW_ONE);
    server_expect(s, EXPECT_SETUP, FOLLOW_RESULT);
    buf = uv_buf_init((char *)bytes, (unsigned)w.len);
    n = server_write(s, &buf, 1);
    return n < 0 ? n : 0;
}
