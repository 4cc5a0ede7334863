/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures_client.c - see figures_client.h.
 */
#include "proxy/figures_client.h"

#include "base/clock.h"
#include "base/err.h"
#include "pool/server_stmt.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_peer.h"
#include "proxy/client_stmt.h"
#include "proxy/worker.h"
#include "router/secret_text.h"

struct slice figures_sql(const struct task *task)
{
    if (task->command == COM_QUERY && task->len > PACKET_HEADER + 1) {
        return (struct slice){(const char *)task->bytes + PACKET_HEADER + 1,
                              task->len - PACKET_HEADER - 1};
    }
    return task->stmt == NULL ? (struct slice){"", 0}
                              : (struct slice){task->stmt->text->text, task->stmt->text->len};
}

static bool is_countable(const struct task *task)
{
    return task != NULL && !task->is_counted && task->began_us != 0 && !task->is_wipe &&
           !task->is_fit_only &&
           (task->command == COM_QUERY || (task_executes(task) && task->stmt != NULL));
}

static void describe(const struct client *c, struct figures_statement *s)
{
    const struct task *task = c->task;

    *s = (struct figures_statement){
        .account = c->session.account->shown,
        .schema = c->session.schema,
        .sql = figures_sql(task),
        .mode = client_mode(c),
        .digest = task->facts.digest,
        .command = figures_command_of(&task->facts),
        .hostgroup = task->route.hostgroup,
        .began_us = task->began_us,
        .ended_us = clock_now_us(),
    };
}

static void count(struct client *c, struct figures_statement *s)
{
    struct worker *w = c->worker;
    char address[FIGURES_ADDRESS_MAX];

    if (worker_vars(w)->mysql_query_digests_track_hostname) {
        s->address = slice_of(client_peer_name(c, address));
    }
    figures_count(&w->figures, s, worker_vars(w));
    if (s->ended_us - s->began_us > (uint64_t)worker_vars(w)->mysql_long_query_time * 1000) {
        stat_add(&w->stats, STAT_SLOW, 1);
    }
    c->task->is_counted = true;
}

static void count_error(struct client *c, struct figures_statement *s, const struct node *node,
                        uint16_t number, struct slice text)
{
    char address[FIGURES_ADDRESS_MAX];
    struct slice before = s->address;

    s->address = slice_of(client_peer_name(c, address));
    text = secret_hide_error(s->sql, s->mode, number, text);
    figures_failed(&c->worker->figures, s, node, number, text);
    s->address = before;
    c->task->is_error_counted = true;
}

void figures_done(struct client *c, const struct server *s)
{
    const struct follow *outcome = &s->outcome;
    struct figures_statement statement;

    if (!is_countable(c->task)) {
        return;
    }
    describe(c, &statement);
    statement.is_error = outcome->is_error;
    statement.rows_affected = outcome->affected;
    statement.rows_sent = outcome->rows;
    if (outcome->is_error) { /* its text was kept, unless rows came before it */
        struct err err = {.number = 0};

        if (err_decode(&err, c->task->peek + PACKET_HEADER,
                       c->task->peek_len - MIN(c->task->peek_len, (size_t)PACKET_HEADER)) != 0) {
            err.message = (struct slice){"", 0};
        }
        count_error(c, &statement, s->node, outcome->error, err.message);
    }
    count(c, &statement);
}

void figures_refused(struct client *c, uint16_t number, struct slice text)
{
    struct figures_statement statement;

    if (!is_countable(c->task)) {
        return;
    }
    describe(c, &statement);
    statement.is_error = true;
    if (!c->task->is_error_counted) {
        /*
         * A connection that the session keeps has nothing to do with it before the statement is
         * routed.
         */
        bool by_node = c->server != NULL && statement.hostgroup != FIGURES_HERE;

        count_error(c, &statement, by_node ? c->server->node : NULL, number, text);
    }
    count(c, &statement);
}

void figures_lost(struct client *c, const struct server *s, int rc, const struct err *err)
{
    struct figures_statement statement;

    if (c->session.account == NULL || c->task->is_capture || c->task->is_wipe) {
        return;
    }
    describe(c, &statement);
    count_error(c, &statement, s->node, err != NULL ? err->number : err_number(rc),
                err != NULL ? err->message : slice_of(err_text(rc)));
}

void figures_ended(struct client *c)
{
    struct figures_statement statement;

    if (is_countable(c->task)) {
        describe(c, &statement);
        statement.hostgroup = FIGURES_HERE;
        count(c, &statement);
    }
}

void figures_stop_waiting(struct client *c)
{
    struct worker *w = c->worker;
    uint64_t ms = w->now_ms - c->since_ms; /* WAITING: who tries again and fails waits anew */

    if (!list_is_linked(&c->in_waiting)) {
        return;
    }
    list_remove(&w->waiting, &c->in_waiting);
    stat_add(&w->stats, STAT_POOL_WAIT_US, ms * 1000);
    figures_queued(&w->figures, c->session.account->shown, c->session.schema, ms);
    figures_waited(&w->figures, c->task->route.hostgroup, w->now_ms - c->task->queued_ms);
}
