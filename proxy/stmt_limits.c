/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stmt_limits.c - see stmt_limits.h.
 */
#include "proxy/stmt_limits.h"

#include "base/err.h"
#include "pool/server_stmt.h"
#include "proxy/client.h"
#include "proxy/worker.h"

void stmt_limits_took(struct account *account, size_t len)
{
    (void)atomic_fetch_add(&account->n_stmts, 1);
    (void)atomic_fetch_add(&account->stmt_bytes, len);
}

void stmt_limits_gave(struct account *account, size_t len)
{
    (void)atomic_fetch_sub(&account->n_stmts, 1);
    (void)atomic_fetch_sub(&account->stmt_bytes, len);
}

/* Which limit stands against it; NULL = none. */
static const char *limit_of(const struct client *c, struct slice text)
{
    const struct conf_vars *vars = worker_vars(c->worker);
    const struct account *account = c->session.account;
    size_t count = c->session.stmts == NULL ? 0 : c->session.stmts->count;

    if (count >= (size_t)vars->mysql_stmts_per_client) {
        return "mysql-stmts_per_client";
    }
    if (atomic_load(&account->n_stmts) >= (unsigned)vars->mysql_stmts_per_user) {
        return "mysql-stmts_per_user";
    }
    if (atomic_load(&account->stmt_bytes) + text.len >
        (unsigned long long)vars->mysql_stmt_bytes_per_user) {
        return "mysql-stmt_bytes_per_user";
    }
    return stmt_text_has_room(&c->worker->pool, text) ? NULL
                                                      : "the texts of all clients are too many";
}

bool stmt_limits_allow(struct client *c, struct slice text)
{
    const char *limit = limit_of(c, text);
    const struct account *account = c->session.account;
    struct log_who who;

    if (LIKELY(limit == NULL)) {
        return true;
    }
    who = client_who(c, "preparing a statement");
    stat_add(&c->worker->stats, STAT_STMTS_REFUSED, 1);
    log_info(&who, "no more prepared statements (%s): it has %zu, its user %u of %llu bytes", limit,
             c->session.stmts == NULL ? 0 : c->session.stmts->count, atomic_load(&account->n_stmts),
             atomic_load(&account->stmt_bytes));
    if (client_errorf(c, ERR_TOO_MANY_STMTS, "%s (%s)", err_text(ERR_TOO_MANY_STMTS), limit)) {
        client_task_end(c);
    }
    return false;
}
