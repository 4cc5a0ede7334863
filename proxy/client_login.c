/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_login.c - who is it, and may it: greeting, login, authentication switch, COM_CHANGE_USER.
 */
#include <openssl/crypto.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/caps.h"
#include "protocol/collation.h"
#include "protocol/packet.h"
#include "protocol/tls.h"
#include "proxy/audit.h"
#include "proxy/client_admit.h"
#include "proxy/client_denied.h"
#include "proxy/client_peer.h"
#include "proxy/client_run.h"
#include "proxy/client_stmt.h"
#include "proxy/client_track.h"
#include "proxy/client_user.h"
#include "proxy/warnings.h"
#include "proxy/worker.h"

#define USER_NAME_CHARS    128 /* MariaDB looks at no more of them */
#define CHANGES_FAILED_MAX 3   /* of a connection (10.11) */

/* Without SQLSTATE: in place of the greeting, and to clients of before 4.1. */
bool client_error_early(struct client *c, int rc, const char *text)
{
    uint8_t bytes[800];
    struct writer w = writer_of(bytes, sizeof(bytes));

    c->sequence = err_encode_early(&w, err_number(rc), slice_of(text), c->sequence);
    return client_write(c, bytes, w.len);
}

static void copy_version(struct worker *w)
{
    unsigned changes = atomic_load(&w->galeway->node_facts.changes);

    if (changes != w->version_changes || w->version[0] == '\0') {
        galeway_version(w->galeway, w->snapshot->conf, w->version, &w->charset);
        w->version_changes = changes;
    }
}

/* The user and the schema of a login that names none yet. Never written. */
static char unnamed[] = "";

static bool login_new(struct client *c, enum auth_step step, bool is_change_user)
{
    c->login = mem_try(MEM_CLIENT, sizeof(*c->login));
    if (c->login == NULL) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return false;
    }
    *c->login = (struct client_login){.auth.step = (uint8_t)step,
                                      .is_change_user = is_change_user,
                                      .caps = c->session.caps & ~CAPS_UNTIL_RESET,
                                      .user = unnamed,
                                      .schema = unnamed};
    memcpy(c->login->auth.salt, c->salt, SALT_LEN);
    return true;
}

/* Once for each connection: COM_CHANGE_USER may begin with a greeting, too. */
static bool offers_tls(const struct client *c)
{
    struct worker *w = c->worker;

    certificates_refresh(&w->galeway->certificates, &w->tls, &w->tls_changes);
    return w->tls != NULL && c->stream.tls == NULL && !c->login->is_change_user;
}

static void response_free(struct client_login *login)
{
    if (login->response != NULL) {
        OPENSSL_cleanse(login->response, login->response_len);
        mem_free(MEM_CLIENT, login->response);
        login->response = NULL;
    }
}

static void names_free(struct client_login *login)
{
    if (login->user != unnamed) {
        mem_free(MEM_CLIENT, login->user);
        login->user = login->schema = unnamed;
    }
}

void client_login_free(struct client *c)
{
    if (c->login != NULL) {
        struct account *before = c->login->before.account;

        if (before != NULL && before != c->session.account) {
            (void)atomic_fetch_sub(&before->n_clients, 1);
        }
        response_free(c->login);
        names_free(c->login);
        OPENSSL_cleanse(c->login, sizeof(*c->login));
        mem_free(MEM_CLIENT, c->login);
        c->login = NULL;
    }
}

static void greet(struct client *c)
{
    struct worker *w = c->worker;
    uint8_t bytes[256];
    struct writer out = writer_of(bytes, sizeof(bytes));
    struct greeting g = {.thread_id = (uint32_t)c->id,
                         .status = STATUS_AUTOCOMMIT | nodes_mode(&w->galeway->nodes, NULL)};

    auth_check_salt(&c->login->auth);
    memcpy(c->salt, c->login->auth.salt, SALT_LEN);
    copy_version(w);
    c->login->offered =
        CAPS_SERVED | CAP_LOCAL_FILES | CAP_SESSION_TRACK | nodes_caps(&w->galeway->nodes);
    if (worker_vars(w)->mysql_have_compress && !c->login->is_change_user) {
        c->login->offered |= CAP_COMPRESS;
    }
    g.caps = c->login->offered | (offers_tls(c) ? CAP_SSL : 0);
    g.version = slice_of(w->version);
    g.charset = w->charset;
    g.plugin = slice_of(worker_vars(w)->mysql_default_authentication_plugin);
    memcpy(g.salt, c->login->auth.salt, SALT_LEN);
    greeting_encode(&out, &g, c->sequence++);
    CHECK(!out.failed);
    (void)!client_write(c, bytes, out.len);
}

void client_login_begin(struct client *c)
{
    if (client_admit_any(c) && login_new(c, AUTH_GREETED, false) &&
        (c->awaits_header || client_admit(c)) && client_admit_rate(c)) {
        greet(c);
    }
}

/* --- the outcome ----------------------------------------------------------------------------- */

/* For who asked for it, behind the OK, as MariaDB: once for each connection. */
static bool begin_compression(struct client *c)
{
    if ((c->session.caps & CAP_COMPRESS) == 0 || stream_is_compressed(&c->stream)) {
        return true;
    }
    if (stream_compress(&c->stream, STREAM_CLIENT,
                        worker_vars(c->worker)->mysql_protocol_compression_level) != 0) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return false;
    }
    client_unread_kept(c);
    return c->state != CLIENT_CLOSING;
}

static void finish_login(struct client *c)
{
    audit_client(c, c->login->is_change_user ? AUDIT_CHANGE_USER_OK : AUDIT_CONNECT_OK,
                 (struct slice){"", 0});
    c->is_logged_in = true;
    client_login_free(c);
    kill_register(c);
    if (client_ok_login(c) && begin_compression(c)) {
        client_to(c, CLIENT_IDLE);
    }
}

/* The schema was accepted by a node, or refused: err is its answer. */
void client_login_verified(struct client *c, const struct err *err)
{
    struct log_who who = client_who(c, "logging in");

    if (err == NULL) {
        finish_login(c);
        return;
    }
    log_info(&who, "%.*s", SLICE_ARGS(err->message));
    if (client_error(c, err->number, err->sqlstate, err->message)) {
        client_login_refused(c, CLOSE_DENIED);
    }
}

/* Counted and compared in one step, so that who is refused takes no place from who is not. */
static bool count_client(struct account *account, const struct conf_user *user)
{
    int n = atomic_load(&account->n_clients);

    do {
        if (user->max_connections != 0 && n >= (int)user->max_connections) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&account->n_clients, &n, n + 1));
    return true;
}

static void refuse_user_limit(struct client *c, const char *name, long max)
{
    struct log_who who = client_who(c, "logging in");

    stat_add(&c->worker->stats, STAT_REFUSED_USER_LIMIT, 1);
    log_info(&who,
             "refused: it has %ld connections, and may not have more (max_connections of "
             "mysql_users, max_user_connections of a node)",
             MAX(max, 0L));
    if (client_errorf(
            c, ERR_USER_LIMIT,
            "User '%s' has exceeded the 'max_user_connections' resource (current value: %ld)", name,
            max)) {
        client_close_because(c, CLOSE_LIMIT, ERR_USER_LIMIT);
    }
}

/* A fresh session of this account, as right after a login to a node. */
static bool begin_session(struct client *c, struct account *account, const struct conf_user *user)
{
    struct session *s = &c->session;
    struct profiles *profiles = &c->worker->pool.profiles;
    struct profile *profile = profile_of_charset(profiles, c->login->charset);

    if (profile == NULL) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return false;
    }
    if (s->account != account && !count_client(account, user)) {
        profile_unref(profiles, profile);
        refuse_user_limit(c, user->username, (long)user->max_connections);
        return false;
    }
    c->login->before = (struct session_user){.account = s->account,
                                             .schema = s->schema,
                                             .caps = s->caps,
                                             .default_hostgroup = s->default_hostgroup,
                                             .charset = s->charset,
                                             .must_set_password = s->must_set_password};
    client_stmts_drop(c);
    session_reset(s, profiles, profile, 0); /* its status below: it is its account's */
    warnings_drop(c);
    s->account = account;
    s->rights_us = atomic_load(&c->worker->galeway->rights_us);
    s->schema = NULL;
    s->caps = c->login->caps;
    s->charset = c->login->charset;
    s->default_hostgroup = user->default_hostgroup;
    s->status |= client_fresh_status(c);
    return true;
}

/* The password was right. */
static void accepted(struct client *c, const struct login_user *user)
{
    struct slice schema = slice_of(c->login->schema);

    client_admit_succeeded(c);
    client_give_server(c); /* COM_CHANGE_USER: the old session is over */
    if (!begin_session(c, user->account, &user->row)) {
        return;
    }
    c->session.must_set_password = user->source == USER_FOLLOWED && user->found.is_expired;
    if (schema.len == 0) {
        schema = slice_of(user->row.default_schema);
    }
    if (schema.len == 0 || c->session.must_set_password) { /* a node would refuse to look at it */
        finish_login(c);
        return;
    }
    client_to(c, CLIENT_VERIFY);
    client_use_schema(c, schema);
}

/* --- messages -------------------------------------------------------------------------------- */

/* Private: nobody else can read it. */
static struct auth_line line_of(const struct client *c)
{
    return (struct auth_line){.is_private =
                                  c->stream.u.handle.type == UV_NAMED_PIPE || c->stream.tls != NULL,
                              .rsa = c->worker->galeway->rsa};
}

static void proven(struct client *c, struct login_user *user, const struct auth_learnt *learnt)
{
    int rc = client_user_accept(user, learnt);

    if (rc == 0) {
        accepted(c, user);
    } else if (rc == ERR_ACCESS_DENIED) {
        client_login_deny_line(c, user, learnt->with_password);
    } else if (rc == ERR_USER_LIMIT) {
        refuse_user_limit(c, c->login->user, -1);
    } else if (rc == ERR_NODE_LOGIN) {
        client_login_refuse_unusable(c);
    } else {
        client_login_refuse(c, rc, err_text(rc));
    }
}

/*
 * A node is asked about the user, and the response is looked at (again) when it has answered. False
 * = it is not asked.
 */
static bool ask_and_wait(struct client *c, struct slice response)
{
    struct client_login *login = c->login;

    if (response.len > LOGIN_RESPONSE_MAX || client_user_ask(c) != USERS_ASK_WAIT) {
        return false;
    }
    login->response = mem_try(MEM_CLIENT, response.len + 1);
    if (login->response == NULL) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return true;
    }
    if (response.len > 0) {
        memcpy(login->response, response.data, response.len);
    }
    login->response_len = (uint16_t)response.len;
    client_to(c, CLIENT_LOOKUP);
    return true;
}

static bool is_nobody(const struct login_user *user)
{
    return user->source == USER_NONE || user->source == USER_UNKNOWN;
}

static void check_answer(struct client *c, struct login_user *user, struct slice response)
{
    const struct auth_line line = line_of(c);
    uint8_t bytes[AUTH_SENT_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct auth_learnt learnt = {0};
    enum auth_verdict verdict;

    verdict = auth_check_answer(&c->login->auth, &user->secret, &line, response, &w, &c->sequence,
                                &learnt);
    if (verdict == AUTH_WRONG || (verdict == AUTH_RIGHT && is_nobody(user))) {
        /* Of a user of the nodes: perhaps it was changed there a moment ago. */
        if (user->source != USER_FOLLOWED || !ask_and_wait(c, response)) {
            client_login_deny(c, learnt.with_password);
        }
    } else if ((w.len == 0 || client_write(c, bytes, w.len)) && verdict == AUTH_RIGHT) {
        proven(c, user, &learnt);
    }
    auth_learnt_wipe(&learnt);
}

static void check_response(struct client *c, struct slice response)
{
    struct login_user user;

    if (!client_admit_login(c)) {
        return;
    }
    client_user_find(c, &user);
    if (user.source == USER_UNKNOWN && ask_and_wait(c, response)) {
        return;
    }
    if (is_nobody(&user)) {
        secret_of_nobody(&user.secret);
    }
    if (user.source == USER_FOLLOWED && !user.found.is_served) {
        client_login_refuse_plugin(c, &user);
    } else {
        check_answer(c, &user, response);
    }
    login_user_wipe(&user);
}

void client_login_asked(struct client *c, bool is_known)
{
    uint8_t response[LOGIN_RESPONSE_MAX];
    struct login_user user;
    size_t len;

    if (c == NULL || c->state != CLIENT_LOOKUP) {
        return;
    }
    len = c->login->response_len;
    memcpy(response, c->login->response, len);
    response_free(c->login);
    client_to(c, CLIENT_LOGIN);
    client_user_find(c, &user);
    if (user.source == USER_UNKNOWN && !is_known) {
        client_login_refuse(c, ERR_USERS_UNREADABLE, err_text(ERR_USERS_UNREADABLE));
    } else {
        check_response(c, (struct slice){(const char *)response, len});
    }
    login_user_wipe(&user);
    OPENSSL_cleanse(response, sizeof(response));
    if (c->state == CLIENT_IDLE || c->state == CLIENT_LOGIN) {
        client_input(c); /* what came meanwhile */
    }
}

/* Bytes of the first n characters. */
static size_t clip(struct slice text, size_t n)
{
    size_t len = 0;

    while (len < text.len && (n > 0 || ((unsigned char)text.data[len] & 0xc0) == 0x80)) {
        n -= ((unsigned char)text.data[len++] & 0xc0) != 0x80;
    }
    return len;
}

/* 'app' in quotes is app, but not in COM_CHANGE_USER (10.11). */
static struct slice unquoted(struct slice name)
{
    bool is_quoted = name.len > 1 && name.data[0] == '\'' && name.data[name.len - 1] == '\'';

    return is_quoted ? (struct slice){name.data + 1, name.len - 2} : name;
}

/*
 * Just the bytes of the names: thousands of clients that log in at once leave holes of the size of
 * a login between what lives as long as they. False = no memory, it is closed.
 */
static bool keep_login(struct client *c, const struct login *l)
{
    struct client_login *k = c->login;
    struct slice user = k->is_change_user ? l->user : unquoted(l->user);
    size_t user_len = MIN(clip(user, USER_NAME_CHARS), 4 * USER_NAME_CHARS); /* no UTF-8: bytes */
    size_t schema_len = MIN(l->schema.len, SCHEMA_NAME_MAX);

    names_free(k);
    k->user = mem_try(MEM_CLIENT, user_len + 1 + schema_len + 1);
    if (k->user == NULL) {
        k->user = unnamed;
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return false;
    }
    k->schema = k->user + user_len + 1;
    (void)snprintf(k->user, user_len + 1, "%.*s", (int)user_len, user.data);
    (void)snprintf(k->schema, schema_len + 1, "%.*s", (int)schema_len, l->schema.data);
    k->charset = l->charset;
    auth_check_named(&k->auth, l->plugin);
    return true;
}

/* A client of before 4.1: there is no password that it and we could agree on. */
static void old_client(struct client *c, const uint8_t *payload, size_t len)
{
    struct login l;
    int rc = login_old_decode(&l, payload, len);

    if (rc == 0 && !keep_login(c, &l)) {
        return;
    }
    if (rc == 0 && l.response.len == 0) {
        client_login_deny(c, false);
        return;
    }
    rc = rc == 0 ? ERR_OLD_CLIENT : rc;
    if (client_error_early(c, rc, err_text(rc))) {
        client_close_because(c, CLOSE_PROTOCOL, rc);
    }
}

/* A node looks at the charset before the password. */
static bool charset_refused(struct client *c)
{
    const struct collation *collation = collation_by_id(c->login->charset);
    struct log_who who = client_who(c, "logging in");

    if (collation == NULL || !collation_is_wide(collation)) {
        return false;
    }
    log_info(&who, "character set %s cannot be a client's", collation->charset);
    if (client_errorf(c, ERR_CONFIG,
                      "Variable 'character_set_client' can't be set to the value of '%s'",
                      collation->charset)) {
        client_login_refused(c, CLOSE_DENIED);
    }
    return true;
}

/*
 * A login that says CAP_SSL comes behind the handshake; a request for TLS before it, when it was
 * offered.
 */
static bool takes_login(const struct client *c, const struct login *l, size_t len)
{
    bool is_request = len == TLS_REQUEST_LENGTH;

    return (l->caps & CAP_SSL) == 0 || (is_request ? offers_tls(c) : c->stream.tls != NULL);
}

static void first_message(struct client *c, const uint8_t *payload, size_t len)
{
    struct login l;

    if (!client_admit(c)) {
        return;
    }
    if (len >= 2 && (peek_u16(payload) & CAP_PROTOCOL_41) == 0) {
        old_client(c, payload, len);
        return;
    }
    if (login_decode(&l, payload, len) != 0 || !takes_login(c, &l, len)) {
        client_refuse(c, ERR_HANDSHAKE, CLOSE_PROTOCOL);
        return;
    }
    if (len == TLS_REQUEST_LENGTH && (l.caps & CAP_SSL) != 0) {
        c->login->wants_tls = true;
        return;
    }
    if (!keep_login(c, &l)) {
        return;
    }
    c->login->caps = l.caps & c->login->offered;
    c->login->auth.step = AUTH_RESPONSE;
    if (!charset_refused(c)) {
        check_response(c, l.response);
    }
}

void client_login_packet(struct client *c, const uint8_t *payload, size_t len)
{
    if (c->login->auth.step == AUTH_GREETED) {
        first_message(c, payload, len);
    } else {
        check_response(c, (struct slice){(const char *)payload, len});
    }
}

void client_login_secure(struct client *c, const uint8_t *data, size_t len)
{
    struct tls *tls = tls_new(c->worker->tls, "");

    c->login->wants_tls = false;
    if (tls == NULL) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return;
    }
    stream_secure(&c->stream, tls, data, len);
}

void client_login_secured(struct client *c, int rc)
{
    struct stat_set *stats = &c->worker->stats;
    struct log_who who = client_who(c, "logging in");

    if (rc == 0) {
        stat_add(stats, STAT_TLS_HANDSHAKES, 1);
        stat_add(stats, STAT_TLS_RESUMED, tls_was_resumed(c->stream.tls) ? 1 : 0);
        return;
    }
    stat_add(stats, STAT_TLS_FAILED, 1);
    log_info(&who, "no TLS handshake: %s", rc == ERR_TLS ? tls_why(c->stream.tls) : err_text(rc));
    client_close(c, CLOSE_TLS, rc);
}

/* As MariaDB: such a connection is done with changing, else it would be one to guess by. */
static bool has_guessed(struct client *c)
{
    if (c->n_changes_failed < CHANGES_FAILED_MAX) {
        return false;
    }
    client_login_refuse(c, ERR_UNKNOWN_COMMAND, err_text(ERR_UNKNOWN_COMMAND));
    return true;
}

void client_change_user(struct client *c, const uint8_t *payload, size_t len)
{
    struct log_who who = client_who(c, "reading a command");
    const struct auth_line line = line_of(c);
    struct login l;

    if (len == 1) { /* as MariaDB: it begins with a greeting again */
        if (login_new(c, AUTH_GREETED, true)) {
            client_to(c, CLIENT_LOGIN);
            if (!has_guessed(c)) {
                greet(c);
            }
        }
        return;
    }
    if (change_user_decode(&l, c->session.caps, payload, len) != 0) {
        stat_add(&c->worker->stats, STAT_PROTOCOL_ERRORS, 1);
        log_info(&who, "a malformed COM_CHANGE_USER");
        (void)client_error_rc(c, ERR_UNKNOWN_COMMAND);
        return;
    }
    if (!login_new(c, AUTH_RESPONSE, true) || !keep_login(c, &l)) {
        return;
    }
    client_to(c, CLIENT_LOGIN);
    /* as MariaDB: what was sent along is not looked at, the salt is to be answered again */
    if (!has_guessed(c) && !charset_refused(c)) {
        uint8_t bytes[AUTH_SENT_MAX];
        struct writer w = writer_of(bytes, sizeof(bytes));

        auth_check_switch(&c->login->auth, NULL, &line, &w, &c->sequence);
        (void)!client_write(c, bytes, w.len);
    }
}
