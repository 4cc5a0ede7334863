/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_login.c - who is it, and may it: admin-admin_credentials, then admin-stats_credentials.
 */
#include <stdio.h>

#include "admin/console_audit.h"
#include "base/err.h"
#include "base/mem.h"
#include "conf/credential.h"
#include "protocol/auth_check.h"
#include "protocol/caps.h"
#include "protocol/reply.h"

#define USER_MAX     256
#define CONSOLE_CAPS (CAPS_SERVED | CAP_DEPRECATE_EOF)

struct console_login {
    struct auth_check auth;
    bool with_password; /* of a denied one */
    char user[USER_MAX + 1];
    char schema[STORE_NAME_MAX + 1];
};

void console_login_free(struct console_client *c)
{
    mem_free(MEM_ADMIN, c->login);
    c->login = NULL;
}

static bool login_new(struct console_client *c, enum auth_step step)
{
    c->login = mem_try(MEM_ADMIN, sizeof(*c->login));
    if (c->login == NULL) {
        console_close(c, "no memory");
        return false;
    }
    *c->login = (struct console_login){.auth.step = (uint8_t)step};
    memcpy(c->login->auth.salt, c->salt, SALT_LEN);
    return true;
}

/* With the certificates that clients of the traffic ports are offered. */
static bool offers_tls(struct console_client *c)
{
    struct console_core *core = c->core;

    certificates_refresh(&core->galeway->certificates, &core->tls, &core->tls_changes);
    return core->tls != NULL && c->stream.tls == NULL;
}

static void greet(struct console_client *c)
{
    const struct conf_vars *vars = console_vars(c->core);
    char version[VERSION_TEXT_MAX];
    uint8_t bytes[256];
    struct writer out = writer_of(bytes, sizeof(bytes));
    struct greeting g = {.thread_id = c->id,
                         .caps = CONSOLE_CAPS,
                         .status = STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES,
                         .plugin = slice_of(vars->mysql_default_authentication_plugin)};

    auth_check_salt(&c->login->auth);
    memcpy(c->salt, c->login->auth.salt, SALT_LEN);
    g.caps |= offers_tls(c) ? CAP_SSL : 0;
    memcpy(g.salt, c->login->auth.salt, SALT_LEN);
    galeway_version(c->core->galeway, c->core->snapshot->conf, version, &g.charset);
    g.version = slice_of(version);
    greeting_encode(&out, &g, c->sequence++);
    CHECK(!out.failed);
    (void)!console_write(c, bytes, out.len);
}

/* Without SQLSTATE: in place of the greeting, and to clients of before 4.1. */
static void refuse_early(struct console_client *c, int rc, const char *reason)
{
    uint8_t bytes[512];
    struct writer w = writer_of(bytes, sizeof(bytes));

    c->sequence = err_encode_early(&w, err_number(rc), slice_of(err_text(rc)), c->sequence);
    if (console_write(c, bytes, w.len)) {
        console_close_when_sent(c, reason);
    }
}

void console_login_begin(struct console_client *c)
{
    if (!c->is_served) {
        refuse_early(c, ERR_TOO_MANY_CONNECTIONS, "there are as many clients as may be");
    } else if (login_new(c, AUTH_GREETED)) {
        greet(c);
    }
}

/* --- the outcome ------------------------------------------------------------------------------ */

static uint64_t denied_delay(struct console_client *c)
{
    return (uint64_t)console_vars(c->core)->mysql_failed_login_delay_ms;
}

static void denied_text(const struct console_client *c, char *out, size_t cap)
{
    (void)snprintf(out, cap, "Access denied for user '%s'@'%s' (using password: %s)",
                   c->login->user, c->peer, c->login->with_password ? "YES" : "NO");
}

static void tell_denied(struct console_client *c)
{
    char text[USER_MAX + 128];

    denied_text(c, text, sizeof(text));
    console_errorf(c, err_number(ERR_ACCESS_DENIED), err_sqlstate(ERR_ACCESS_DENIED), "%s", text);
    console_close_when_sent(c, NULL);
}

/* Logged at once, told later: as many guesses a second as the limit of clients, and no more. */
static void denied(struct console_client *c, bool with_password)
{
    struct log_who who = console_client_who(c);
    char text[USER_MAX + 128];

    c->login->with_password = with_password;
    denied_text(c, text, sizeof(text));
    log_info(&who, "%s", text);
    console_audit(c, CONSOLE_AUDIT_CONNECT_ERR, c->login->user, "access denied");
    if (denied_delay(c) == 0) {
        tell_denied(c);
        return;
    }
    c->is_denied = true;
    console_client_to(c, CONSOLE_LOGIN); /* since now; who leaves is seen */
}

void console_login_tick(struct console_client *c, uint64_t since_ms)
{
    if (c->is_denied && !c->close_when_drained && since_ms >= denied_delay(c)) {
        tell_denied(c);
    }
}

/* The schema that was named at login. An error of it is the login's. */
static bool use_schema(struct console_client *c)
{
    struct reply reply = {.kind = REPLY_OK};
    char quoted[CONSOLE_QUOTED_MAX], text[CONSOLE_QUOTED_MAX + 8];
    int n;

    if (c->login->schema[0] == '\0') {
        return true;
    }
    _Static_assert(sizeof(c->login->schema) <= CONSOLE_NAME_MAX, "so it can be quoted");
    CHECK(console_quote_name(quoted, slice_of(c->login->schema)));
    n = snprintf(text, sizeof(text), "USE %s", quoted);
    console_engine_run(c, (struct slice){text, (size_t)n}, &reply);
    if (reply.kind != REPLY_ERROR) {
        reply_fini(&reply);
        return true;
    }
    console_answer(c, &reply, WIRE_TEXT);
    console_close_when_sent(c, "the schema it named is refused");
    return false;
}

static void end_session(struct console_client *c)
{
    if (c->has_session) {
        console_stmt_drop_all(c);
        c->core->engine.end(&c->session);
        c->has_session = false;
    }
}

static void accepted(struct console_client *c, bool is_admin)
{
    struct log_who who;

    end_session(c); /* COM_CHANGE_USER */
    c->core->engine.begin(&c->session, c->login->user, is_admin);
    c->session.id = c->id;
    c->has_session = true;
    console_audit(c, CONSOLE_AUDIT_CONNECT_OK, NULL, NULL);
    who = console_client_who(c);
    log_debug(&who, "logged in");
    if (use_schema(c)) {
        console_login_free(c);
        console_client_to(c, CONSOLE_IDLE);
        console_ok(c);
    }
}

/* --- messages --------------------------------------------------------------------------------- */

static bool find_user(struct console_client *c, struct credential *found, bool *is_admin)
{
    const struct conf_vars *vars = console_vars(c->core);
    struct slice user = slice_of(c->login->user);

    *is_admin = credential_find(slice_of(vars->admin_admin_credentials), user, found);
    return *is_admin || credential_find(slice_of(vars->admin_stats_credentials), user, found);
}

/* Whoever can reach the port knows this password. */
static bool is_default_admin(const struct credential *credential)
{
    return slice_eq(credential->user, SLICE("admin")) &&
           slice_eq(credential->password, SLICE("admin"));
}

static void refuse_remote(struct console_client *c)
{
    struct log_who who = console_client_who(c);

    console_audit(c, CONSOLE_AUDIT_CONNECT_ERR, c->login->user, "default password");
    log_warn(&who, "refused: 'admin' with its default password, from another machine");
    console_errorf(c, err_number(ERR_TOO_MANY_CONNECTIONS), "42000",
                   "User 'admin' with its default password may log in from this machine only; "
                   "set another one in admin-admin_credentials first");
    console_close_when_sent(c, NULL);
}

static struct auth_line line_of(const struct console_client *c)
{
    return (struct auth_line){c->stream.u.handle.type == UV_NAMED_PIPE || c->stream.tls != NULL,
                              c->core->galeway->rsa};
}

static void check_with(struct console_client *c, const struct secret *secret, bool is_admin,
                       struct slice response)
{
    const struct auth_line line = line_of(c);
    uint8_t bytes[AUTH_SENT_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct auth_learnt learnt = {0};
    enum auth_verdict verdict;

    verdict =
        auth_check_answer(&c->login->auth, secret, &line, response, &w, &c->sequence, &learnt);
    if (verdict == AUTH_WRONG) {
        denied(c, learnt.with_password);
    } else if ((w.len == 0 || console_write(c, bytes, w.len)) && verdict == AUTH_RIGHT) {
        accepted(c, is_admin);
    }
    auth_learnt_wipe(&learnt);
}

static void check_response(struct console_client *c, struct slice response)
{
    struct credential credential;
    struct secret secret;
    bool is_admin;

    if (!find_user(c, &credential, &is_admin) || secret_parse(&secret, credential.password) != 0) {
        secret_of_nobody(&secret);
        is_admin = false; /* and is never accepted */
    }
    if (is_admin && !c->is_local && is_default_admin(&credential)) {
        refuse_remote(c);
    } else {
        check_with(c, &secret, is_admin, response);
    }
    secret_wipe(&secret);
}

static void keep_login(struct console_login *k, const struct login *l)
{
    (void)snprintf(k->user, sizeof(k->user), "%.*s", SLICE_ARGS(l->user));
    (void)snprintf(k->schema, sizeof(k->schema), "%.*s", SLICE_ARGS(l->schema));
    auth_check_named(&k->auth, l->plugin);
}

/*
 * A login that says CAP_SSL comes behind the handshake; a request for TLS before it, when it was
 * offered.
 */
static bool takes_login(struct console_client *c, const struct login *l, bool is_request)
{
    return (l->caps & CAP_SSL) == 0 || (is_request ? offers_tls(c) : c->stream.tls != NULL);
}

/* Nobody can listen to a unix socket. */
static bool is_too_open(struct console_client *c)
{
    return console_vars(c->core)->admin_require_ssl && !line_of(c).is_private;
}

static void refuse_plain(struct console_client *c)
{
    struct log_who who = console_client_who(c);

    log_info(&who, "refused: it came without TLS (admin-require_ssl)");
    console_audit(c, CONSOLE_AUDIT_CONNECT_ERR, c->login->user, "without TLS");
    console_errorf(c, err_number(ERR_NEEDS_TLS), err_sqlstate(ERR_NEEDS_TLS), "%s",
                   err_text(ERR_NEEDS_TLS));
    console_close_when_sent(c, NULL);
}

static void first_message(struct console_client *c, const uint8_t *payload, size_t len)
{
    const bool is_request = len == TLS_REQUEST_LENGTH;
    struct login l;

    if (len >= 2 && (peek_u16(payload) & CAP_PROTOCOL_41) == 0) {
        bool is_old = login_old_decode(&l, payload, len) == 0;

        refuse_early(c, is_old ? ERR_OLD_CLIENT : ERR_HANDSHAKE, "not a login we understand");
        return;
    }
    if (login_decode(&l, payload, len) != 0 || !takes_login(c, &l, is_request)) {
        console_refuse(c, ERR_HANDSHAKE, "not a login we understand");
        return;
    }
    if (is_request && (l.caps & CAP_SSL) != 0) {
        c->wants_tls = true;
        return;
    }
    keep_login(c->login, &l);
    if (is_too_open(c)) {
        refuse_plain(c);
        return;
    }
    c->caps = l.caps & CONSOLE_CAPS;
    c->multi_statements = (c->caps & CAP_MULTI_STATEMENTS) != 0;
    c->login->auth.step = AUTH_RESPONSE;
    check_response(c, l.response);
}

void console_login_packet(struct console_client *c, const uint8_t *payload, size_t len)
{
    if (c->login->auth.step == AUTH_GREETED) {
        first_message(c, payload, len);
    } else {
        check_response(c, (struct slice){(const char *)payload, len});
    }
}

void console_login_secure(struct console_client *c, const uint8_t *data, size_t len)
{
    struct tls *tls = tls_new(c->core->tls, "");

    c->wants_tls = false;
    if (tls == NULL) {
        console_close(c, "no memory");
    } else {
        stream_secure(&c->stream, tls, data, len);
    }
}

void console_login_secured(struct console_client *c, int rc)
{
    struct log_who who = console_client_who(c);

    if (rc != 0) {
        log_info(&who, "no TLS handshake: %s",
                 rc == ERR_TLS ? tls_why(c->stream.tls) : err_text(rc));
        console_close(c, NULL);
    }
}

/*
 * What was sent along is not looked at: the salt of the greeting is to be answered again, as on the
 * traffic ports. Who is refused is closed.
 */
void console_change_user(struct console_client *c, const uint8_t *payload, size_t len)
{
    uint8_t bytes[AUTH_SENT_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    const struct auth_line line = line_of(c);
    struct login l;

    if (change_user_decode(&l, c->caps, payload, len) != 0) {
        console_refuse(c, ERR_MALFORMED, "a malformed COM_CHANGE_USER");
        return;
    }
    if (!login_new(c, AUTH_RESPONSE)) {
        return;
    }
    keep_login(c->login, &l);
    console_client_to(c, CONSOLE_LOGIN);
    auth_check_switch(&c->login->auth, NULL, &line, &w, &c->sequence);
    (void)!console_write(c, bytes, w.len);
}
