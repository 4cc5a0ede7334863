/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_again.c - see client_again.h.
 */
#include "proxy/client_again.h"

#include "base/clock.h"
#include "base/err.h"
#include "protocol/command.h"
#include "proxy/client_cache.h"
#include "proxy/client_confirm.h"
#include "proxy/client_lost.h"
#include "proxy/client_run.h"
#include "proxy/client_track.h"
#include "proxy/worker.h"

#define ER_NOT_READY \
    1047 /* "WSREP has not yet prepared node for application use" (MariaDB 10.11) */
#define REFUSAL_TEXT "WSREP" /* 1047 is "Unknown command" too */

#define AGAIN_AT_ONCE 8  /* times that it runs again without a pause */
#define AGAIN_STEP_MS 10 /* then each pause is so much longer */
#define AGAIN_MOST_MS 50

#define PINS_WITHOUT_STATE \
    (BIT(PIN_TRANSACTION) | BIT(PIN_WARNINGS) | BIT(PIN_NO_MULTIPLEXING) | BIT(PIN_STICKY))

bool client_lost_state(const struct session *s)
{
    return (s->pins & ~PINS_WITHOUT_STATE) != 0;
}

void client_transaction_is_gone(struct client *c)
{
    session_unpin_all(&c->session, PINS_WITHOUT_STATE);
    c->session.status &= (uint16_t) ~(STATUS_IN_TRANS | STATUS_IN_TRANS_READONLY);
    session_loses_last_id(&c->session);
    c->session.is_untracked = c->session.is_tracking_unknown = false;
}

void client_transaction_aborted(struct client *c)
{
    session_unpin(&c->session, PIN_TRANSACTION);
    c->session.status &= (uint16_t) ~(STATUS_IN_TRANS | STATUS_IN_TRANS_READONLY);
}

bool client_has_retries(const struct client *c, bool is_read)
{
    int64_t most = c->task->verdict.retries;

    if (most < 0) {
        most = worker_vars(c->worker)->mysql_query_retries_on_failure;
        most += is_read && most > 0 ? 1 : 0;
    }
    return (int64_t)c->task->reruns < most;
}

bool client_is_whole(const struct client *c)
{
    const struct task *task = c->task;

    return !task->is_streaming &&
           (task->stmt == NULL || (c->n_cursors == 0 && c->n_long_data == 0));
}

bool client_is_harmless(const struct task *task)
{
    uint8_t verb = task->facts.verb;
    bool is_edge = verb == VERB_BEGIN || verb == VERB_COMMIT || verb == VERB_ROLLBACK;

    return task->command == COM_STMT_PREPARE || (is_edge && (task->facts.flags & FACT_MULTI) == 0);
}

bool client_is_over(const struct client *c, uint64_t since_ms)
{
    uint64_t limit = (uint64_t)worker_vars(c->worker)->mysql_connect_timeout_server_max;

    return c->worker->now_ms - since_ms > limit;
}

void client_note(struct client *c, const struct node *node, enum ledger_decision decision,
                 uint16_t error)
{
    const struct task *task = c->task;
    struct ledger_entry entry = {
        .digest = task->facts.digest,
        .node = node,
        .account = c->session.account,
        .client_id = c->id,
        .ran_us = task->began_us == 0 ? 0 : clock_now_us() - task->began_us,
        .bytes_sent = task->sent ? (uint32_t)MIN(task->len, UINT32_MAX) : 0,
        .hostgroup = task->route.hostgroup,
        .error = error,
        .decision = (uint8_t)decision,
        .retries = (uint8_t)MIN(task->retries, UINT8_MAX),
    };

    ledger_add(&c->worker->ledger, &entry);
}

/*
 * It goes to another connection, which knows nothing of what the old one was told for the session.
 */
static void forget_connection(struct client *c)
{
    struct session *s = &c->session;

    session_unpin(s, PIN_WARNINGS); /* the new one may have another's */
    s->is_untracked = s->is_tracking_unknown = false;
    session_loses_last_id(s);
    c->task->schema_asked = false;
}

/*
 * A node that takes connections and breaks each of them is not to be asked as fast as it can break
 * them, for as long as the statement may wait.
 */
static uint64_t pause_before(const struct task *task)
{
    unsigned n = task->retries > AGAIN_AT_ONCE ? task->retries - AGAIN_AT_ONCE : 0;

    return MIN((uint64_t)n * AGAIN_STEP_MS, (uint64_t)AGAIN_MOST_MS);
}

void client_begin_again(struct client *c, enum ledger_decision decision)
{
    struct task *task = c->task;

    task->retries++;
    task->reruns += decision == LEDGER_READ || decision == LEDGER_DEADLOCK ? 1 : 0;
    task->unsent_ms = task->sent ? 0 : task->unsent_ms != 0 ? task->unsent_ms : c->worker->now_ms;
    if (task->sent && task->queued_ms != 0) {
        task->queued_ms += c->worker->now_ms - task->sent_ms;
    }
    task->sent = task->reply_begun = task->is_error_counted = task->lacks_file = false;
    task->state_changed = task->tracked_known = task->tracked_other = false;
    task->tracked_charset = task->tracked_profiling = false;
    task->tracked[0] = task->tracked[1] = 0;
    task->is_tracked = false;
    task->peek_len = 0;
    task->refused = 0;
    task->is_ready = false;
    task->confirms = CONFIRM_NOTHING;
    task->confirm_since_us = 0;
    task->not_ready = task->waits_for_id = false;
    client_cache_again(task);
    alarm_clear(&c->worker->alarms, &c->alarm);
    stat_add(&c->worker->stats, STAT_RETRIES, 1);
    client_to(c, CLIENT_FITTING);
    if (c->server != NULL) {
        client_run(c);
        return;
    }
    forget_connection(c);
    task->runs_again = true;
    if (alarm_set(&c->worker->alarms, &c->alarm, c->worker->now_ms + pause_before(task)) != 0) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
    }
}

void client_go_again(struct client *c)
{
    c->task->runs_again = false;
    client_run(c);
}

void client_leave_node(struct client *c, struct node *node)
{
    const struct conf_vars *vars = worker_vars(c->worker);
    struct server *s = c->server;

    node_failed(node, c->worker->now_ms, (uint64_t)vars->mysql_shun_recovery_time_sec * 1000);
    if (s != NULL) {
        c->server = NULL;
        server_close(s, "its node is not ready", 0);
    }
}

void client_rolled_back(struct client *c)
{
    client_transaction_is_gone(c);
    if (client_ok_rolled_back(c)) {
        client_task_end(c);
    }
}

bool client_says_not_ready(const struct err *err)
{
    return err->number == ER_NOT_READY && memmem(err->message.data, err->message.len, REFUSAL_TEXT,
                                                 sizeof(REFUSAL_TEXT) - 1) != NULL;
}
