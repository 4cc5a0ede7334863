/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_denied.c - see client_denied.h.
 */
#include "proxy/client_denied.h"

#include <stdio.h>

#include "base/err.h"
#include "proxy/audit.h"
#include "proxy/client_admit.h"
#include "proxy/client_peer.h"
#include "proxy/client_run.h"
#include "proxy/client_stmt.h"
#include "proxy/client_user.h"
#include "proxy/warnings.h"
#include "proxy/worker.h"

#define DENIED_TEXT_MAX 700

/* What it was given already goes back. */
static void restore_user(struct client *c)
{
    struct session_user *before = &c->login->before;
    struct session *s = &c->session;

    if (before->account == NULL) {
        return;
    }
    if (before->account != s->account) {
        (void)atomic_fetch_sub(&s->account->n_clients, 1);
    }
    s->account = before->account;
    s->schema = before->schema;
    s->caps = before->caps;
    s->default_hostgroup = before->default_hostgroup;
    s->charset = before->charset;
    s->must_set_password = before->must_set_password;
    before->account = NULL;
}

/*
 * A refused COM_CHANGE_USER leaves the connection to its old user, without what the session had
 * (10.11).
 */
void client_login_refused(struct client *c, enum close_reason reason)
{
    struct session *s = &c->session;
    struct profile *fresh;

    if (!c->login->is_change_user) {
        client_close_after_write(c, reason);
        return;
    }
    if (reason == CLOSE_DENIED && c->n_changes_failed < UINT8_MAX) {
        c->n_changes_failed++;
    }
    client_give_server(c);
    restore_user(c);
    fresh = profile_of_charset(&c->worker->pool.profiles, s->charset);
    if (fresh == NULL) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return;
    }
    client_stmts_drop(c);
    session_reset(s, &c->worker->pool.profiles, fresh, client_fresh_status(c));
    warnings_drop(c);
    audit_client(c, AUDIT_CHANGE_USER_ERR, slice_of(reason == CLOSE_DENIED ? "denied" : ""));
    client_login_free(c);
    client_task_end(c);
}

static void denied_text(const struct client *c, char *out, size_t cap)
{
    char peer[ADDRESS_TEXT_MAX];

    (void)snprintf(out, cap, "Access denied for user '%s'@'%s' (using password: %s)",
                   c->login->user, client_peer_name(c, peer),
                   c->login->with_password ? "YES" : "NO");
}

void client_login_denied(struct client *c)
{
    bool is_old = (c->login->caps & CAP_PROTOCOL_41) == 0;
    char text[DENIED_TEXT_MAX];

    denied_text(c, text, sizeof(text));
    if (is_old ? client_error_early(c, ERR_ACCESS_DENIED, text)
               : client_error(c, err_number(ERR_ACCESS_DENIED), err_sqlstate(ERR_ACCESS_DENIED),
                              slice_of(text))) {
        client_login_refused(c, CLOSE_DENIED);
    }
}

/* Counted and logged at once, told later. */
void client_login_deny(struct client *c, bool with_password)
{
    uint64_t delay = (uint64_t)worker_vars(c->worker)->mysql_failed_login_delay_ms;
    struct log_who who = client_who(c, "logging in");
    char text[DENIED_TEXT_MAX];

    c->login->with_password = with_password;
    denied_text(c, text, sizeof(text));
    log_info(&who, "%s", text);
    stat_add(&c->worker->stats, STAT_LOGIN_FAILED, 1);
    client_admit_failed(c);
    client_to(c, CLIENT_DENIED);
    if (delay == 0 || alarm_set(&c->worker->alarms, &c->alarm, c->worker->now_ms + delay) != 0) {
        client_login_denied(c);
    }
}

void client_login_deny_line(struct client *c, const struct login_user *user, bool with_password)
{
    char peer[ADDRESS_TEXT_MAX], text[700];
    struct log_who who = client_who(c, "logging in");

    stat_add(&c->worker->stats, STAT_TLS_REFUSED, 1);
    (void)snprintf(text, sizeof(text),
                   "Access denied for user '%s'@'%s': this user may not log in without %s",
                   c->login->user, client_peer_name(c, peer), user->lacks);
    log_info(&who, "%s", text);
    if (user->source == USER_FOLLOWED) {
        client_login_deny(c, with_password);
        return;
    }
    if (client_error(c, err_number(ERR_ACCESS_DENIED), err_sqlstate(ERR_ACCESS_DENIED),
                     slice_of(text))) {
        client_login_refused(c, CLOSE_DENIED);
    }
}

void client_login_refuse(struct client *c, int rc, const char *text)
{
    struct log_who who = client_who(c, "logging in");

    stat_add(&c->worker->stats, STAT_LOGIN_FAILED, 1);
    log_info(&who, "%s", text);
    if (client_error(c, err_number(rc), err_sqlstate(rc), slice_of(text))) {
        client_login_refused(c, CLOSE_DENIED);
    }
}

void client_login_refuse_plugin(struct client *c, const struct login_user *user)
{
    char peer[ADDRESS_TEXT_MAX], text[800];

    (void)snprintf(text, sizeof(text),
                   "Access denied for user '%s'@'%s': the plugin '%s' of the account on the nodes "
                   "is not served by Galeway",
                   c->login->user, client_peer_name(c, peer), user->found.unserved);
    client_login_refuse(c, ERR_ACCESS_DENIED, text);
}

/* Who has proved himself, but nothing that a node would take from us. */
void client_login_refuse_unusable(struct client *c)
{
    char peer[ADDRESS_TEXT_MAX], text[900];

    (void)snprintf(text, sizeof(text),
                   "Access denied for user '%s'@'%s': a login by ed25519 does not show the "
                   "password, which Galeway needs for the nodes; log in once over a private "
                   "line (TLS, its unix socket), or give the user a row in mysql_users",
                   c->login->user, client_peer_name(c, peer));
    client_login_refuse(c, ERR_ACCESS_DENIED, text);
}
