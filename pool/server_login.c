/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_login.c - the dialogs in which a node asks who we are: login and COM_CHANGE_USER.
 *
 *   greeting --> [TLS request --> handshake] --> login --> [switch --> response] --> [more data ...] --> OK --> session tracking on --> ready
 *   [SET ROLE NONE +] COM_CHANGE_USER + response --> switch --> OK --> session tracking on --> ready
 *   [SET ROLE NONE +] COM_CHANGE_USER --> switch --> response --> [switch --> response ...] --> OK --> session tracking on --> ready
 *
 * MariaDB answers COM_CHANGE_USER with a request to switch that carries the connection's own salt
 * again (seen with 10.11.19), so the response to it can be sent along and one round trip is saved.
 * When a node gives another salt after all, it refuses what we sent and the connection is closed.
 * Stepwise, where that cannot be: ed25519 signs a nonce of the switch, and an account with several
 * plugins (IDENTIFIED VIA a OR b) is asked by all in the node's order until one is satisfied. What
 * cannot be answered is answered with nothing, so that the next one is asked for.
 */
#include <openssl/crypto.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "pool/node_tls.h"
#include "pool/pool.h"
#include "pool/server.h"
#include "protocol/auth.h"
#include "protocol/command.h"
#include "protocol/greet.h"
#include "protocol/packet.h"
#include "protocol/tls.h"

#define DIALOG_BYTES   2048
#define DIALOG_MAX     32 /* packets of the node until it has decided; one for each plugin it asks by */
#define RIGHTS_LATE_US 10000000 /* so late a node may have a change of rights */
#define LOGIN_CHARSET  45       /* utf8mb4_general_ci; the base of all profiles, see pool_init */

static const char unserved_text[] =
    "the node asks for an authentication plugin that the account's password cannot serve";

#define LOGIN_CAPS                                                                \
    (CAP_LONG_FLAG | CAP_PROTOCOL_41 | CAP_TRANSACTIONS | CAP_SECURE_CONNECTION | \
     CAP_PLUGIN_AUTH | CAP_SESSION_TRACK)

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
    char told[SERVER_ERROR_MAX];
    struct err err = {.number = err_number(rc)};

    (void)snprintf(told, sizeof(told), "%s (node %s)", text, s->node->text);
    err.message = slice_of(told);
    memcpy(err.sqlstate, err_sqlstate(rc), sizeof(err.sqlstate));
    log_warn(&who, "%s", text);
    server_lost(s, rc, &err);
}

/*
 * The answer to a plugin's challenge. Returns its length, or -1 when the account cannot answer it;
 * *may_go_on: it can answer another one.
 */
static int challenge_response(struct account *account, struct slice plugin, struct slice challenge,
                              uint8_t out[RESPONSE_MAX], bool *may_go_on)
{
    const uint8_t *salt = (const uint8_t *)challenge.data;
    struct secret secret;
    int len = -1;

    account_secret(account, &secret);
    if (secret.is_empty) {
        len = 0;
    } else if (slice_eq(plugin, SLICE(PLUGIN_ED25519)) && secret.has_clear &&
               challenge.len == ED25519_NONCE_LEN) {
        secret_learn_ed25519(&secret, slice_of(secret.clear));
    }
    if (len == 0 || challenge.len < SALT_LEN) {
        /* nothing to answer, or nothing to answer to */
    } else if (slice_eq(plugin, SLICE(PLUGIN_NATIVE)) && secret.has_stage1) {
        native_response(out, secret.stage1, salt);
        len = SHA1_LEN;
    } else if (slice_eq(plugin, SLICE(PLUGIN_SHA2)) && secret.has_clear) {
        sha2_response(out, slice_of(secret.clear), salt);
        len = SHA256_LEN;
    } else if (slice_eq(plugin, SLICE(PLUGIN_ED25519)) && secret.has_ed25519_hash &&
               challenge.len == ED25519_NONCE_LEN) {
        ed25519_sign(out, secret.ed25519_hash, salt);
        len = ED25519_SIGNATURE_LEN;
    }
    *may_go_on = secret.has_stage1 || secret.has_ed25519_hash;
    secret_wipe(&secret);
    return len;
}

static struct slice salt_of(const struct server *s)
{
    return (struct slice){(const char *)s->salt, SALT_LEN};
}

static uint64_t login_caps(const struct server *s)
{
    uint64_t caps = LOGIN_CAPS | s->caps | (s->stream.is_secured ? CAP_SSL : 0) |
                    (s->asks_compression ? CAP_COMPRESS : 0);

    caps |= (s->caps & CAPS_EXTENDED) == 0 ? CAP_LONG_PASSWORD : 0;
    return s->pool->conf->vars.mysql_enable_load_data_local_infile ? caps | CAP_LOCAL_FILES : caps;
}

static void send_login(struct server *s)
{
    uint8_t bytes[DIALOG_BYTES], response[RESPONSE_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct login login = {.charset = LOGIN_CHARSET, .max_packet = 1u << 30, .caps = login_caps(s)};
    bool may_go_on;
    int n;

    login.plugin = s->login_by_sha2 ? SLICE(PLUGIN_SHA2) : SLICE(PLUGIN_NATIVE);
    n = challenge_response(s->account, login.plugin, salt_of(s), response, &may_go_on);
    if (n < 0 && !may_go_on) {
        fail(s, ERR_NODE_LOGIN,
             "the password of the account is not known in a form that this node's plugin needs");
        return;
    }
    s->offers_files = (login.caps & CAP_LOCAL_FILES) != 0;
    login.user = slice_of(s->account->name);
    login.response = (struct slice){(const char *)response, (size_t)MAX(n, 0)};
    login_encode(&w, &login, s->login_sequence++);
    expect_replace(s, EXPECT_LOGIN);
    write_dialog(s, &w);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void begin_tls(struct server *s, const struct node_tls *node_tls, uint64_t offered)
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

/* mysql_servers.compression, where the node has it. */
static bool may_compress(struct server *s, uint64_t offered)
{
    struct node *node = s->node;

    if (!atomic_load_explicit(&node->shared.compression, memory_order_relaxed)) {
        return false;
    }
    if ((offered & CAP_COMPRESS) == 0 && !atomic_exchange(&node->shared.told_plain, true)) {
        log_warn(
            NULL,
            "node %s does not offer compression (mysql_servers has compression=1): connections "
            "to it are not compressed",
            node->text);
    }
    return (offered & CAP_COMPRESS) != 0;
}

/*
 * A login gets the rights that its node has applied: a reader may have a GRANT later than the
 * writer that acknowledged it. Where nobody knows what it has applied, a while must be enough.
 */
static void note_login(struct server *s, const struct account *account)
{
    uint64_t now = clock_now_us();

    s->login_version = atomic_load(&account->followed_version);
    s->login_us = now;
    s->rights_us = atomic_load_explicit(&s->node->shared.is_numbered, memory_order_relaxed)
                       ? atomic_load_explicit(&s->node->shared.applied_us, memory_order_acquire)
                       : now - MIN(now, (uint64_t)RIGHTS_LATE_US);
}

static void on_greeting(struct server *s, const uint8_t *payload, size_t len)
{
    struct greeting g;
    struct node_tls *tls;

    if (greeting_decode(&g, payload, len) != 0) {
        fail(s, ERR_NODE_PROTOCOL, "the node's greeting is malformed");
        return;
    }
    node_offers(s->node, g.caps);
    node_says_mode(s->node, g.status);
    if ((s->caps & CAPS_OF_NODES & ~g.caps) != 0) {
        fail(s, ERR_NODE_CAPS, err_text(ERR_NODE_CAPS));
        return;
    }
    s->thread_id = g.thread_id;
    memcpy(s->salt, g.salt, SALT_LEN);
    note_login(s, s->account);
    s->pool->learn_version(s->pool, g.version, g.charset);
    s->login_by_sha2 = slice_eq(g.plugin, SLICE(PLUGIN_SHA2));
    s->asks_compression = may_compress(s, g.caps);
    tls = node_tls_get(s->node, s->account->name);
    if (tls == NULL) {
        send_login(s);
    } else {
        begin_tls(s, tls, g.caps);
        node_tls_unref(tls);
    }
}

/* --- the rest of the dialog ------------------------------------------------------------------- */

static void send_response(struct server *s, const uint8_t *data, size_t len)
{
    uint8_t bytes[DIALOG_BYTES];
    struct writer w = writer_of(bytes, sizeof(bytes));
    size_t at = packet_begin(&w);

    put_bytes(&w, data, len);
    packet_end(&w, at, s->login_sequence++);
    write_dialog(s, &w);
}

/* Is the switch the one that was answered before it came? */
static void compare_sent_along(struct server *s, struct slice plugin, struct slice salt)
{
    struct log_who who = server_who(s, "logging in");

    if (!slice_eq(plugin, SLICE(PLUGIN_NATIVE)) || salt.len < SALT_LEN ||
        memcmp(salt.data, s->salt, SALT_LEN) != 0) {
        log_info(&who, "the node asks for another authentication than the one sent along");
        server_lost(s, ERR_NODE_LOST, NULL); /* nothing of the client's was sent: it tries again */
    } else {
        s->login_sequence++;
    }
}

static void on_switch(struct server *s, const uint8_t *payload, size_t len)
{
    uint8_t response[RESPONSE_MAX];
    struct slice plugin, data;
    bool may_go_on;
    int n;

    if (auth_switch_decode(&plugin, &data, payload, len) != 0) {
        fail(s, ERR_NODE_PROTOCOL, "the node's request for another authentication is malformed");
        return;
    }
    s->login_by_sha2 = slice_eq(plugin, SLICE(PLUGIN_SHA2));
    if (!slice_eq(plugin, SLICE(PLUGIN_NATIVE))) {
        atomic_store(&s->account->asks_otherwise, true);
    }
    if (s->expects[s->first_expect].what == EXPECT_CHANGE_USER && !s->is_stepwise) {
        compare_sent_along(s, plugin, data);
        return;
    }
    if (data.len >= SALT_LEN && !slice_eq(plugin, SLICE(PLUGIN_ED25519))) {
        memcpy(s->salt, data.data, SALT_LEN);
    }
    n = challenge_response(s->account, plugin, data, response, &may_go_on);
    if (n < 0 && !may_go_on) {
        fail(s, ERR_NODE_LOGIN, unserved_text);
        return;
    }
    s->was_unserved |= n < 0;
    send_response(s, response, (size_t)MAX(n, 0));
}

/*
 * caching_sha2_password: 3 = the fast path was right, 4 = send the password, else a public key. No
 * other plugin may ask for the password.
 */
static void on_more(struct server *s, const uint8_t *payload, size_t len)
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

        send_response(s, &ask_for_key, 1);
        return;
    }
    account_secret(s->account, &secret);
    clear_len = strlen(secret.clear) + 1;
    memcpy(clear, secret.clear, clear_len);
    secret_wipe(&secret);
    if (len == 2 && payload[1] == 4) { /* nobody else can read it */
        send_response(s, clear, clear_len);
        OPENSSL_cleanse(clear, sizeof(clear));
        return;
    }
    sha2_unmask(clear, clear_len, s->salt);
    rc = rsa_encrypt((struct slice){(const char *)payload + 1, len - 1},
                     (struct slice){(const char *)clear, clear_len}, block, sizeof(block), &n);
    OPENSSL_cleanse(clear, sizeof(clear)); /* masked by a salt that everybody has seen */
    if (rc != 0) {
        fail(s, ERR_NODE_PROTOCOL, "the node's public key cannot be used");
        return;
    }
    send_response(s, block, n);
}

static void dialog_pop(struct server *s)
{
    s->first_expect = (uint8_t)((s->first_expect + 1) % SERVER_MAX_EXPECTS);
    if (--s->n_expects > 0) {
        server_follow_next(s);
    }
}

/* The node's OK was the last that is not compressed. False: the server is lost. */
static bool begin_compression(struct server *s)
{
    if (s->expects[s->first_expect].what == EXPECT_LOGIN && s->asks_compression &&
        stream_compress(&s->stream, STREAM_NODE,
                        s->pool->conf->vars.mysql_protocol_compression_level) != 0) {
        server_lost(s, ERR_MEMORY, NULL);
        return false;
    }
    return true;
}

static void on_logged_in(struct server *s)
{
    bool is_last = s->expects[s->first_expect].what == EXPECT_LOGIN || s->is_stepwise;
    uint8_t bytes[256];
    struct writer w = writer_of(bytes, sizeof(bytes));

    s->is_stepwise = s->was_unserved = false;
    if (!begin_compression(s)) {
        return;
    }
    dialog_pop(s);
    if (is_last) { /* nothing was sent along */
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
    if (s->was_unserved) {
        fail(s, ERR_NODE_LOGIN, unserved_text);
        return;
    }
    server_lost(s, ERR_NODE_LOGIN, &err);
}

/*
 * Of an error neither number nor company is looked at: a node that shuts down says so at any time.
 */
static const char *dialog_fault(const struct server *s, const uint8_t *payload, size_t len,
                                uint8_t sequence, bool is_last)
{
    enum expect_what what = (enum expect_what)s->expects[s->first_expect].what;

    if (len == 0) {
        return "the node sent an empty packet";
    }
    if (payload[0] == 0xff) {
        return NULL;
    }
    if (sequence != s->login_sequence && !stream_is_compressed(&s->stream)) {
        return "the node's packets are out of order during the login";
    }
    if (s->login_packets > DIALOG_MAX) {
        return "the node's login does not end";
    }
    if (!is_last && (what == EXPECT_GREETING || (payload[0] == 0x00 && s->n_expects == 1))) {
        return "the node said more than it was asked during the login";
    }
    return NULL;
}

void server_on_login_packet(struct server *s, const uint8_t *payload, size_t len, uint8_t sequence,
                            bool is_last)
{
    const char *fault = dialog_fault(s, payload, len, sequence, is_last);

    s->login_sequence = (uint8_t)(sequence + 1);
    s->login_packets++;
    if (fault != NULL) {
        fail(s, ERR_NODE_PROTOCOL, fault);
    } else if (s->stream.tls != NULL && !s->stream.is_secured) {
        fail(s, ERR_NODE_PROTOCOL, "the node sent more than its greeting before the handshake");
    } else if (payload[0] == 0xff) {
        on_refused(s, payload, len);
    } else if (s->expects[s->first_expect].what == EXPECT_GREETING) {
        on_greeting(s, payload, len);
    } else if (payload[0] == 0x00) {
        on_logged_in(s);
    } else if (payload[0] == 0xfe) {
        on_switch(s, payload, len);
    } else if (payload[0] == 0x01 && len >= 2 && s->login_by_sha2) {
        on_more(s, payload, len);
    } else {
        fail(s, ERR_NODE_PROTOCOL, "the node sent an unknown packet during the login");
    }
}

enum change { CHANGE_ALONG, CHANGE_STEPWISE, CHANGE_NOT };

/* Is the account asked by one plugin, whose answer can be sent along? */
static enum change change_of(struct account *account)
{
    enum change change = CHANGE_NOT;
    struct secret secret;

    account_secret(account, &secret);
    if (secret.is_empty ||
        (secret.has_stage1 && !secret.is_either && !atomic_load(&account->asks_otherwise))) {
        change = CHANGE_ALONG;
    } else if (secret.has_stage1 || secret.has_ed25519_hash) {
        change = CHANGE_STEPWISE;
    }
    secret_wipe(&secret);
    return change;
}

/* Appends what answers the switch, and what is asked once the login is over. */
static int send_along(struct server *s, struct account *account, struct writer *w)
{
    uint8_t response[RESPONSE_MAX];
    bool may_go_on;
    int n = challenge_response(account, SLICE(PLUGIN_NATIVE), salt_of(s), response, &may_go_on);
    size_t at = packet_begin(w);

    if (n < 0) { /* the password changed a moment ago */
        return ERR_NODE_LOGIN;
    }
    put_bytes(w, response, (size_t)n);
    packet_end(w, at, 2);
    return server_setup_text(w);
}

/*
 * COM_CHANGE_USER leaves the role in, whoever the user is then, unless he has a default role that
 * he may have (10.11). A server without roles refuses this: no harm.
 */
static void leave_role(struct server *s, struct writer *w)
{
    size_t at = packet_begin(w);

    put_u8(w, COM_QUERY);
    put_slice(w, SLICE("SET ROLE NONE"));
    packet_end(w, at, 0);
    server_expect(s, EXPECT_PRIME, FOLLOW_RESULT);
}

int server_change_user(struct server *s, const struct want *want)
{
    uint8_t bytes[DIALOG_BYTES];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct login login = {
        .caps = LOGIN_CAPS, .charset = LOGIN_CHARSET, .plugin = SLICE(PLUGIN_NATIVE)};
    enum change change = change_of(want->account);
    uv_buf_t buf;
    int rc = 0;

    if (change == CHANGE_NOT) {
        return ERR_NODE_LOGIN;
    }
    s->is_stepwise = change == CHANGE_STEPWISE;
    s->login_sequence = 1; /* behind the command */
    s->login_packets = 0;
    s->login_by_sha2 = false;
    note_login(s, want->account);
    login.user = slice_of(want->account->name);
    login.schema = want->schema == NULL ? (struct slice){NULL, 0} : want->schema->name;
    leave_role(s, &w);
    change_user_encode(&w, &login);
    if (!s->is_stepwise) {
        rc = send_along(s, want->account, &w);
    }
    if (rc != 0 || w.failed) {
        return rc != 0 ? rc : ERR_LIMIT;
    }
    server_expect(s, EXPECT_CHANGE_USER, FOLLOW_ONE);
    if (!s->is_stepwise) {
        server_expect(s, EXPECT_SETUP, FOLLOW_RESULT);
    }
    buf = uv_buf_init((char *)bytes, (unsigned)w.len);
    rc = server_write(s, &buf, 1);
    return rc < 0 ? rc : 0;
}
