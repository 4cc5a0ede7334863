/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_login.c - who is it, and may it: admin-admin_credentials, then admin-stats_credentials.
 *
 *   FIRST --> RESPONSE --> (right plugin) check --> accepted
 *                      --> (other plugin) switch --> SWITCHED --> check --> accepted
 *   caching_sha2_password: fast path right --> accepted; else FULL --> (clear over a unix socket)
 *                      --> KEY (public key asked for) --> accepted
 */
#include <stdio.h>

#include "admin/console_client.h"
#include "base/err.h"
#include "base/mem.h"
#include "conf/credential.h"
#include "protocol/auth.h"
#include "protocol/caps.h"
#include "protocol/reply.h"

/* As on the port for traffic, but no files. */
#define OFFERED_CAPS                                                                   \
    (CAP_FOUND_ROWS | CAP_LONG_FLAG | CAP_CONNECT_WITH_DB | CAP_NO_SCHEMA | CAP_ODBC | \
     CAP_IGNORE_SPACE | CAP_PROTOCOL_41 | CAP_INTERACTIVE | CAP_IGNORE_SIGPIPE |       \
     CAP_TRANSACTIONS | CAP_RESERVED | CAP_SECURE_CONNECTION | CAP_MULTI_STATEMENTS |  \
     CAP_MULTI_RESULTS | CAP_PS_MULTI_RESULTS | CAP_PLUGIN_AUTH | CAP_CONNECT_ATTRS |  \
     CAP_PLUGIN_AUTH_LENENC)

#define USER_MAX 256

enum step { STEP_FIRST, STEP_RESPONSE, STEP_SWITCHED, STEP_FULL, STEP_KEY };

struct console_login {
    uint8_t salt[SALT_LEN];
    uint8_t step;       /* enum step */
    const char *plugin; /* static: the one that was asked for last; NULL = one we do not know */
    char user[USER_MAX + 1];
    char schema[STORE_NAME_MAX + 1];
};

void console_login_free(struct console_client *c)
{
    mem_free(MEM_ADMIN, c->login);
    c->login = NULL;
}

static bool login_new(struct console_client *c, enum step step)
{
    c->login = mem_try(MEM_ADMIN, sizeof(*c->login));
    if (c->login == NULL) {
        console_close(c, "no memory");
        return false;
    }
    *c->login = (struct console_login){.step = (uint8_t)step};
    return true;
}

static void greet(struct console_client *c)
{
    const struct conf_vars *vars = console_vars(c->core);
    char version[VERSION_TEXT_MAX];
    uint8_t bytes[256];
    struct writer out = writer_of(bytes, sizeof(bytes));
    struct greeting g = {.thread_id = c->id,
                         .caps = OFFERED_CAPS,
                         .status = STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES,
                         .plugin = slice_of(vars->mysql_default_authentication_plugin)};

    auth_random_salt(c->login->salt);
    memcpy(g.salt, c->login->salt, SALT_LEN);
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
    } else if (login_new(c, STEP_FIRST)) {
        greet(c);
    }
}

/* --- the outcome ------------------------------------------------------------------------------ */

static void denied(struct console_client *c, bool with_password)
{
    struct log_who who = console_client_who(c);
    char text[USER_MAX + 128];

    (void)snprintf(text, sizeof(text), "Access denied for user '%s'@'%s' (using password: %s)",
                   c->login->user, c->peer, with_password ? "YES" : "NO");
    log_info(&who, "%s", text);
    console_errorf(c, err_number(ERR_ACCESS_DENIED), err_sqlstate(ERR_ACCESS_DENIED), "%s", text);
    console_close_when_sent(c, NULL);
}

/* The schema that was named at login. An error of it is the login's. */
static bool use_schema(struct console_client *c)
{
    struct reply reply = {.kind = REPLY_OK};
    char text[2 * STORE_NAME_MAX + 16];
    size_t n = 0;

    if (c->login->schema[0] == '\0') {
        return true;
    }
    n = (size_t)snprintf(text, sizeof(text), "USE `");
    for (const char *p = c->login->schema; *p != '\0'; p++) {
        if (*p == '`') {
            text[n++] = '`';
        }
        text[n++] = *p;
    }
    text[n++] = '`';
    c->core->engine.run(c->core->engine.store, &c->session, (struct slice){text, n}, &reply);
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
    who = console_client_who(c);
    log_debug(&who, "logged in");
    if (use_schema(c)) {
        console_login_free(c);
        console_client_to(c, CONSOLE_IDLE);
        console_ok(c);
    }
}

/* --- plugins ---------------------------------------------------------------------------------- */

static void ask_switch(struct console_client *c, const char *plugin)
{
    uint8_t bytes[128];
    struct writer w = writer_of(bytes, sizeof(bytes));

    c->login->plugin = plugin;
    c->login->step = STEP_SWITCHED;
    auth_random_salt(c->login->salt);
    auth_switch_encode(&w, slice_of(plugin), c->login->salt, c->sequence++);
    (void)!console_write(c, bytes, w.len);
}

static bool send_more(struct console_client *c, struct slice data)
{
    uint8_t bytes[2048];
    struct writer w = writer_of(bytes, sizeof(bytes));

    auth_more_encode(&w, data, c->sequence++);
    return !w.failed && console_write(c, bytes, w.len);
}

static void decide(struct console_client *c, bool is_right, bool is_admin, bool with_password)
{
    if (is_right) {
        accepted(c, is_admin);
    } else {
        denied(c, with_password);
    }
}

static void check_native(struct console_client *c, const struct secret *secret, bool is_admin,
                         struct slice response)
{
    uint8_t stage1[SHA1_LEN];
    bool is_right = secret->is_empty
                        ? response.len == 0
                        : native_check(stage1, secret->stage2, c->login->salt, response);

    decide(c, is_right, is_admin, response.len > 0);
}

/* A clear text password always has the fast path; a stored $A$ form has only the full one. */
static void check_sha2(struct console_client *c, const struct secret *secret, bool is_admin,
                       struct slice response)
{
    bool with_password = response.len > 1;

    if (secret->is_empty || !with_password) {
        decide(c, secret->is_empty && !with_password, is_admin, with_password);
    } else if (!secret->has_sha2_fast) {
        c->login->step = STEP_FULL;
        (void)!send_more(c, SLICE("\x04"));
    } else if (!sha2_check_fast(secret->sha2_fast, c->login->salt, response)) {
        denied(c, true);
    } else if (send_more(c, SLICE("\x03"))) {
        accepted(c, is_admin);
    }
}

static void check_clear(struct console_client *c, const struct secret *secret, bool is_admin,
                        struct slice clear)
{
    if (clear.len > 0 && clear.data[clear.len - 1] == '\0') {
        clear.len--;
    }
    decide(c, secret->has_sha2 && sha2_check_full(secret->sha2, clear), is_admin, true);
}

static void full_path(struct console_client *c, const struct secret *secret, bool is_admin,
                      struct slice data)
{
    const struct rsa_key *rsa = c->core->galeway->rsa;
    uint8_t clear[RSA_BLOCK_MAX];
    size_t len = sizeof(clear);

    if (c->login->step == STEP_FULL && c->stream.u.handle.type == UV_NAMED_PIPE) {
        check_clear(c, secret, is_admin, data);
    } else if (rsa != NULL && c->login->step == STEP_FULL && data.len == 1 && data.data[0] == 2) {
        c->login->step = STEP_KEY;
        (void)!send_more(c, rsa_key_pem(rsa));
    } else if (rsa == NULL || rsa_decrypt(rsa, data, clear, &len) != 0) {
        denied(c, true); /* clear text on an open line is refused too */
    } else {
        sha2_unmask(clear, len, c->login->salt);
        check_clear(c, secret, is_admin, (struct slice){(const char *)clear, len});
        memset(clear, 0, sizeof(clear));
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

    log_warn(&who, "refused: 'admin' with its default password, from another machine");
    console_errorf(c, err_number(ERR_TOO_MANY_CONNECTIONS), "42000",
                   "User 'admin' with its default password may log in from this machine only; "
                   "set another one in admin-admin_credentials first");
    console_close_when_sent(c, NULL);
}

static void check_with(struct console_client *c, const struct secret *secret, bool is_admin,
                       struct slice response)
{
    const char *plugin = c->login->plugin;
    bool is_native = secret->has_stage2 || secret->is_empty;

    if (c->login->step >= STEP_FULL) {
        full_path(c, secret, is_admin, response);
    } else if (plugin != NULL && strcmp(plugin, PLUGIN_NATIVE) == 0 && is_native) {
        check_native(c, secret, is_admin, response);
    } else if (plugin != NULL && strcmp(plugin, PLUGIN_SHA2) == 0 &&
               (secret->has_clear || secret->has_sha2 || secret->is_empty)) {
        check_sha2(c, secret, is_admin, response);
    } else if (c->login->step == STEP_RESPONSE) {
        ask_switch(c, is_native ? PLUGIN_NATIVE : PLUGIN_SHA2);
    } else {
        denied(c, true);
    }
}

static void check_response(struct console_client *c, struct slice response)
{
    struct credential credential;
    struct secret secret;
    bool is_admin;

    if (!find_user(c, &credential, &is_admin) || secret_parse(&secret, credential.password) != 0) {
        denied(c, response.len > 0);
        return;
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
    k->plugin = NULL;
    if (l->plugin.len == 0 || slice_eq(l->plugin, SLICE(PLUGIN_NATIVE))) {
        k->plugin = PLUGIN_NATIVE;
    } else if (slice_eq(l->plugin, SLICE(PLUGIN_SHA2))) {
        k->plugin = PLUGIN_SHA2;
    }
}

static void first_message(struct console_client *c, const uint8_t *payload, size_t len)
{
    struct login l;

    if (len >= 2 && (peek_u16(payload) & CAP_PROTOCOL_41) == 0) {
        bool is_old = login_old_decode(&l, payload, len) == 0;

        refuse_early(c, is_old ? ERR_OLD_CLIENT : ERR_HANDSHAKE, "not a login we understand");
        return;
    }
    if (login_decode(&l, payload, len) != 0 || (l.caps & CAP_SSL) != 0) {
        console_refuse(c, ERR_HANDSHAKE, "not a login we understand");
        return;
    }
    keep_login(c->login, &l);
    c->caps = l.caps & OFFERED_CAPS;
    c->multi_statements = (c->caps & CAP_MULTI_STATEMENTS) != 0;
    c->login->step = STEP_RESPONSE;
    check_response(c, l.response);
}

void console_login_packet(struct console_client *c, const uint8_t *payload, size_t len)
{
    if (c->login->step == STEP_FIRST) {
        first_message(c, payload, len);
    } else {
        check_response(c, (struct slice){(const char *)payload, len});
    }
}

/* What was sent along is not looked at: a fresh salt is to be answered. Who is refused is closed. */
void console_change_user(struct console_client *c, const uint8_t *payload, size_t len)
{
    struct login l;

    if (change_user_decode(&l, c->caps, payload, len) != 0) {
        console_refuse(c, ERR_MALFORMED, "a malformed COM_CHANGE_USER");
        return;
    }
    if (!login_new(c, STEP_RESPONSE)) {
        return;
    }
    keep_login(c->login, &l);
    console_client_to(c, CONSOLE_LOGIN);
    ask_switch(c, c->login->plugin != NULL ? c->login->plugin : PLUGIN_NATIVE);
}
