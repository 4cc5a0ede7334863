/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_lost.c - see client_lost.h.
 *
 * A read runs again on another node as long as its client has had nothing of the reply. Anything
 * else only when it did not run: no byte of it was sent, or the node said so. A write in doubt gets
 * an ERR packet on an open connection: were it closed, mysqlnd would report 2006 and WordPress run
 * the write again.
 */
#include "proxy/client_lost.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "protocol/bytes.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_confirm.h"
#include "proxy/client_run.h"
#include "proxy/figures_client.h"
#include "proxy/worker.h"

#define ER_NOT_READY \
    1047 /* "WSREP has not yet prepared node for application use" (MariaDB 10.11) */
#define ER_DEADLOCK 1213
#define ER_COMMIT   1180
#define LEFT_TEXT   "Not connected to Primary Component"
#define LEAVE_MS \
    1000 /* less than evs.suspect_timeout: sent to a node that was cut off already, or leaves in order */
#define QUICK_MS \
    200 /* a write that was refused so soon was not on its way to other nodes: no group is lost so fast */
#define REFUSAL_TEXT "WSREP" /* 1047 is "Unknown command" too */
#define REFUSAL_MAX  600
#define NOT_DECIDED  LEDGER_DECISION_COUNT

#define PINS_WITHOUT_STATE \
    (BIT(PIN_TRANSACTION) | BIT(PIN_WARNINGS) | BIT(PIN_NO_MULTIPLEXING) | BIT(PIN_STICKY))

/*
 * What is lost with the connection, beyond its transaction: the client cannot go on as if nothing
 * had happened.
 */
static bool lost_state(const struct session *s)
{
    return (s->pins & ~PINS_WITHOUT_STATE) != 0;
}

static void transaction_is_gone(struct client *c)
{
    session_unpin_all(&c->session, PINS_WITHOUT_STATE);
    c->session.status &= (uint16_t) ~(STATUS_IN_TRANS | STATUS_IN_TRANS_READONLY);
    c->session.last_id_unknown = false;
}

/* --- decisions -------------------------------------------------------------------------------- */

/*
 * How often a statement that has run may run again: as the rule says, or
 * mysql-query_retries_on_failure. A read may come to one more connection of a node that is just
 * dying.
 */
static bool has_retries(const struct client *c, bool is_read)
{
    int64_t most = c->task->verdict.retries;

    if (most < 0) {
        most = worker_vars(c->worker)->mysql_query_retries_on_failure;
        most += is_read && most > 0 ? 1 : 0;
    }
    return (int64_t)c->task->reruns < most;
}

/* The bytes are all here, and nothing of it is on the connection that is lost. */
static bool is_whole(const struct client *c)
{
    const struct task *task = c->task;

    return !task->is_streaming &&
           (task->stmt == NULL || (c->n_cursors == 0 && c->n_long_data == 0));
}

/*
 * Outside of a transaction: BEGIN and a prepare change nothing that outlives their connection,
 * COMMIT has nothing to end.
 */
static bool is_harmless(const struct task *task)
{
    uint8_t verb = task->facts.verb;
    bool is_edge = verb == VERB_BEGIN || verb == VERB_COMMIT || verb == VERB_ROLLBACK;

    return task->command == COM_STMT_PREPARE || (is_edge && (task->facts.flags & FACT_MULTI) == 0);
}

/* What goes wrong for as long as statements may wait is told. */
static bool is_over(const struct client *c, uint64_t since_ms)
{
    uint64_t limit = (uint64_t)worker_vars(c->worker)->mysql_connect_timeout_server_max;

    return c->worker->now_ms - since_ms > limit;
}

static enum ledger_decision decide_lost(const struct client *c)
{
    const struct task *task = c->task;
    const struct session *s = &c->session;

    if (task->reply_begun) {
        return LEDGER_REPLY_CUT;
    }
    if (session_in_transaction(s) && !lost_state(s) && task_is_plain_rollback(task) &&
        (s->status & STATUS_AUTOCOMMIT) != 0) {
        return LEDGER_ROLLED_BACK;
    }
    if ((s->pins & ~BIT(PIN_WARNINGS)) != 0 ||
        (s->pins != 0 && (task->facts.flags & FACT_DIAGNOSTICS) != 0)) {
        return session_in_transaction(s) ? LEDGER_TRANSACTION : LEDGER_PINNED;
    }
    if (!task->sent) {
        return task->unsent_ms != 0 && is_over(c, task->unsent_ms) ? LEDGER_NO_RETRIES
                                                                   : LEDGER_NOT_SENT;
    }
    if (task->timed_out || !is_whole(c)) {
        return LEDGER_IN_DOUBT;
    }
    if (is_harmless(task)) {
        return is_over(c, task->since_ms) ? LEDGER_NO_RETRIES : LEDGER_HARMLESS;
    }
    if ((task->facts.flags & FACT_READ) == 0) {
        return LEDGER_IN_DOUBT;
    }
    return has_retries(c, true) ? LEDGER_READ : LEDGER_NO_RETRIES;
}

static void note(struct client *c, const struct node *node, enum ledger_decision decision,
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
    s->is_untracked = false;
    s->last_id_unknown = false;
    c->task->schema_asked = false;
}

/*
 * As it came from the client: nothing of what was learnt of its reply is left. The time it ran is
 * no time it waited. Without a connection it goes on in the next turn of the loop: many that are
 * dead, one after the other, take no stack then.
 */
static void begin_again(struct client *c, enum ledger_decision decision)
{
    struct task *task = c->task;

    task->retries++;
    task->reruns += decision == LEDGER_READ || decision == LEDGER_DEADLOCK ? 1 : 0;
    task->unsent_ms = task->sent ? 0 : task->unsent_ms != 0 ? task->unsent_ms : c->worker->now_ms;
    if (task->sent && task->queued_ms != 0) {
        task->queued_ms += c->worker->now_ms - task->sent_ms;
    }
    task->sent = task->reply_begun = task->is_error_counted = false;
    task->state_changed = task->tracked_known = task->tracked_other = false;
    task->tracked_charset = task->tracked_profiling = false;
    task->tracked[0] = task->tracked[1] = 0;
    task->peek_len = 0;
    task->refused = 0;
    task->confirms = CONFIRM_NOTHING;
    task->confirm_since_us = 0;
    task->not_ready = false;
    alarm_clear(&c->worker->alarms, &c->alarm);
    stat_add(&c->worker->stats, STAT_RETRIES, 1);
    client_to(c, CLIENT_FITTING);
    if (c->server != NULL) {
        client_run(c);
        return;
    }
    forget_connection(c);
    task->runs_again = true;
    if (alarm_set(&c->worker->alarms, &c->alarm, c->worker->now_ms) != 0) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
    }
}

void client_go_again(struct client *c)
{
    c->task->runs_again = false;
    client_run(c);
}

bool client_may_move(const struct client *c, const struct server *s)
{
    struct route route;

    if (c->task == NULL || c->task->is_capture || c->task->is_wipe || c->server != s ||
        (c->state != CLIENT_RUNNING && c->state != CLIENT_FITTING) ||
        !ledger_ran_again(decide_lost(c)) || !client_choose(c, &route)) {
        return false;
    }
    return route.n > 0 && route.nodes[0] != s->node;
}

/* --- the node says that it did not run -------------------------------------------------------- */

/* A single statement of its own transaction, without anything that a rollback leaves behind. */
static bool is_rolled_back(const struct task *task)
{
    const struct facts *f = &task->facts;

    return (f->verb == VERB_INSERT || f->verb == VERB_UPDATE || f->verb == VERB_DELETE ||
            f->verb == VERB_REPLACE || f->verb == VERB_SELECT) &&
           (f->flags & (FACT_MULTI | FACT_USER_VARIABLE | FACT_GET_LOCK | FACT_RELEASE_LOCK |
                        FACT_SETS_INSERT_ID | FACT_RUNS_UNSEEN)) == 0;
}

static bool has_text(const struct err *err, const char *text)
{
    return memmem(err->message.data, err->message.len, text, strlen(text)) != NULL;
}

static bool says_not_ready(const struct err *err)
{
    return err->number == ER_NOT_READY && has_text(err, REFUSAL_TEXT);
}

/*
 * 1047 comes before a statement is looked at. But a node that loses its group may run a statement a
 * second time on its own account (wsrep_retry_autocommit) and refuse only that: so not of a write
 * that took long. And what a procedure runs is refused one by one, behind others that may be
 * committed.
 */
static enum ledger_decision decide_not_ready(const struct client *c, bool is_pinned)
{
    const struct task *task = c->task;
    bool is_sure = (task->facts.flags & FACT_READ) != 0 || is_harmless(task) ||
                   ((task->facts.flags & FACT_RUNS_UNSEEN) == 0 &&
                    c->worker->now_ms - task->sent_ms < QUICK_MS);

    if (is_pinned) {
        return LEDGER_TRANSACTION;
    }
    return !is_sure                                     ? LEDGER_IN_DOUBT
           : is_whole(c) && !is_over(c, task->since_ms) ? LEDGER_NOT_READY
                                                        : LEDGER_NO_RETRIES;
}

/*
 * What the node says, if it may mean that the statement did not run; task->confirms is set when
 * that is to be made sure of.
 */
static enum ledger_decision decide_refused(struct client *c, const struct err *err)
{
    struct task *task = c->task;
    const struct session *s = &c->session;
    bool is_pinned = session_in_transaction(s) || lost_state(s);

    if (says_not_ready(err)) {
        return session_in_transaction(s) && !lost_state(s) && task_is_plain_rollback(task)
                   ? LEDGER_ROLLED_BACK
                   : decide_not_ready(c, is_pinned);
    }
    if (is_pinned || !is_whole(c) || !is_rolled_back(task)) {
        return NOT_DECIDED;
    }
    if (err->number == ER_DEADLOCK) {
        if (task->view == 0) { /* nobody watches its node: it could not be made sure of */
            return NOT_DECIDED;
        }
        task->confirms = CONFIRM_VIEW;
        return has_retries(c, false) ? LEDGER_DEADLOCK : LEDGER_NO_RETRIES;
    }
    if (!has_text(err, LEFT_TEXT) || c->worker->now_ms - task->sent_ms >= LEAVE_MS) {
        return NOT_DECIDED;
    }
    task->confirms = CONFIRM_SHUTDOWN;
    return LEDGER_NOT_READY;
}

/* An error packet is short and comes in one piece; one that does not is handed on. */
static bool read_error(const uv_buf_t *bufs, unsigned n, uint8_t *copy, struct err *err)
{
    size_t len = 0;

    for (unsigned i = 0; i < n && len < REFUSAL_MAX; i++) {
        size_t part = MIN(bufs[i].len, REFUSAL_MAX - len);

        memcpy(copy + len, bufs[i].base, part);
        len += part;
    }
    return len > PACKET_HEADER + 3 && packet_length(copy) + (size_t)PACKET_HEADER <= len &&
           err_decode(err, copy + PACKET_HEADER, packet_length(copy)) == 0;
}

static bool is_refusal(uint16_t number)
{
    return number == ER_NOT_READY || number == ER_DEADLOCK || number == ER_COMMIT;
}

bool client_is_refused(struct client *c, struct server *s, const uv_buf_t *bufs, unsigned n)
{
    uint8_t copy[REFUSAL_MAX];
    struct task *task = c->task;
    struct err err;
    enum ledger_decision decision;

    if (!read_error(bufs, n, copy, &err) || !is_refusal(err.number)) {
        return false;
    }
    decision = task->timed_out || task->is_killed || s->kill_pending ? NOT_DECIDED
                                                                     : decide_refused(c, &err);
    if (decision == NOT_DECIDED) {
        return false;
    }
    if (says_not_ready(&err)) {
        task->not_ready = true;
        nodes_poke(&c->worker->galeway->nodes, s->node);
    }
    if (!ledger_ran_again(decision) && decision != LEDGER_ROLLED_BACK) {
        task->confirms = CONFIRM_NOTHING;
        note(c, s->node, decision, err.number);
        return false;
    }
    task->refused = err.number;
    task->refused_by = s->node;
    task->decision = (uint8_t)decision;
    return true;
}

/*
 * It is out for a moment, whatever the monitor knows already, so that the statement does not come
 * back to it.
 */
static void leave_node(struct client *c, struct node *node)
{
    const struct conf_vars *vars = worker_vars(c->worker);
    struct server *s = c->server;

    node_failed(node, c->worker->now_ms, (uint64_t)vars->mysql_shun_recovery_time_sec * 1000);
    if (s != NULL) {
        c->server = NULL;
        server_close(s, "its node is not ready", 0);
    }
}

/* What was rolled back may have left its LAST_INSERT_ID() on the connection. */
static void doubt_last_id(struct client *c)
{
    c->session.last_id_unknown |= c->server != NULL && c->session.last_id_server == c->server->id;
}

/* It runs again wherever it is to run now; only what keeps the session there keeps it. */
static void leave_attempt(struct client *c)
{
    if (session_is_pinned(&c->session)) {
        doubt_last_id(c);
    } else {
        c->session.last_id_unknown = false;
        client_give_server(c);
    }
}

void client_confirmed(struct client *c)
{
    struct task *task = c->task;

    note(c, task->refused_by, (enum ledger_decision)task->decision, task->refused);
    if (task->refused != ER_DEADLOCK) {
        leave_node(c, task->refused_by);
    }
    if (task->decision == LEDGER_ROLLED_BACK) {
        transaction_is_gone(c);
        if (client_ok(c)) {
            client_answered(c);
        }
        return;
    }
    leave_attempt(c);
    begin_again(c, (enum ledger_decision)task->decision);
}

/* The error packet was kept as it came. */
void client_refuted(struct client *c)
{
    struct task *task = c->task;
    struct err err;

    note(c, task->refused_by, LEDGER_IN_DOUBT, task->refused);
    doubt_last_id(c);
    alarm_clear(&c->worker->alarms, &c->alarm);
    task->refused = 0;
    task->confirms = CONFIRM_NOTHING;
    task->confirm_since_us = 0;
    CHECK(err_decode(&err, task->peek + PACKET_HEADER, task->peek_len - PACKET_HEADER) == 0);
    client_end_with_error(c, err.number, err.sqlstate, err.message);
}

void client_run_again(struct client *c)
{
    if (c->task->confirms == CONFIRM_NOTHING) {
        client_confirmed(c);
    } else {
        client_confirm_begin(c);
    }
}

bool client_not_ready(struct client *c, struct server *s)
{
    if (!session_in_transaction(&c->session) || lost_state(&c->session)) {
        return false; /* what else it has is still there, and the node may come back */
    }
    transaction_is_gone(c);
    leave_node(c, s->node);
    return true;
}

/* --- the connection broke --------------------------------------------------------------------- */

static bool is_capacity_error(const struct err *err)
{
    return err != NULL && (err->number == 1040 || err->number == 1203 || err->number == 1226);
}

static void idle_server_lost(struct client *c)
{
    if (!session_is_pinned(&c->session) || c->session.pins == BIT(PIN_WARNINGS)) {
        transaction_is_gone(c);
    } else if (lost_state(&c->session)) {
        client_close(c, CLOSE_NODE, ERR_NODE_LOST);
    } else {
        transaction_is_gone(c);
        c->session_lost = true;
    }
}

/* What a PHP host finds in its log: which node, and whether the statement may have run. */
static void say_lost(struct client *c, const struct server *s, int rc,
                     enum ledger_decision decision)
{
    bool is_commit = c->task->facts.verb == VERB_COMMIT;
    const char *consequence = "";
    int code = rc > ERR_FIRST ? ERR_NODE_LOST
                              : rc; /* libuv's: that the connection broke, in other words */
    char text[300];

    if (decision == LEDGER_IN_DOUBT || (decision == LEDGER_TRANSACTION && is_commit)) {
        consequence = is_commit ? ": the transaction may have been committed"
                                : ": the statement was sent and may have run";
    } else if (decision == LEDGER_TRANSACTION) {
        consequence = ": the transaction is rolled back";
    }
    (void)snprintf(text, sizeof(text), "%s (node %s)%s", err_text(code), s->node->text,
                   consequence);
    client_end_with_error(c, err_number(code), err_sqlstate(code), slice_of(text));
}

static void fail_lost(struct client *c, const struct server *s, int rc, const struct err *err,
                      enum ledger_decision decision)
{
    bool close_after = lost_state(&c->session);

    transaction_is_gone(c);
    if (c->state == CLIENT_UPLOADING || (c->task->reply_begun && s->follow.skip > 0)) {
        client_close(c, CLOSE_NODE, rc); /* in the middle of a packet there is no way to say more */
        return;
    }
    if (c->task->reply_begun) {
        c->sequence = s->follow.next_sequence;
    }
    if (err != NULL && !c->task->sent) {
        client_end_with_error(c, err->number, err->sqlstate, err->message);
    } else {
        say_lost(c, s, rc, decision);
    }
    if (close_after && c->state != CLIENT_CLOSING) {
        client_close_after_write(c, CLOSE_NODE);
    }
}

/*
 * COMMIT RELEASE, or COMMIT with such a completion_type, as the last of its statements: the node
 * closes without a reply. Elsewhere (in a program, before another statement) it cannot be told from
 * a node that fails.
 */
static bool is_release(const struct client *c)
{
    const struct task *task = c->task;
    const struct session *s = &c->session;
    uint8_t last = task->facts.runs;

    return task->command != COM_STMT_PREPARE && task->sent &&
           (last == VERB_COMMIT || last == VERB_ROLLBACK) &&
           (slice_eq(s->profile->values[VAR_COMPLETION_TYPE], SLICE("RELEASE")) ||
            s->completion_unknown || task_sets_completion(task) || task_ends_with_release(task));
}

bool client_left_unready(struct client *c, struct node *node, const struct err *err)
{
    if (!says_not_ready(err) || decide_lost(c) != LEDGER_NOT_SENT) {
        return false;
    }
    note(c, node, LEDGER_NOT_READY, err->number);
    nodes_poke(&c->worker->galeway->nodes, node);
    leave_node(c, node);
    begin_again(c, LEDGER_NOT_READY);
    return true;
}

static void statement_lost(struct client *c, struct server *s, int rc, const struct err *err)
{
    enum ledger_decision decision = decide_lost(c);

    if (!c->task->sent && is_capacity_error(err) && !session_is_pinned(&c->session)) {
        client_wait_in_queue(c); /* the node is full for this user: no fault of the node */
        return;
    }
    if (err != NULL && client_left_unready(c, s->node, err)) {
        return;
    }
    note(c, s->node, decision, err == NULL ? 0 : err->number);
    if (err == NULL && ledger_ran_again(decision)) {
        begin_again(c, decision);
    } else if (decision == LEDGER_ROLLED_BACK) {
        transaction_is_gone(c);
        if (client_ok(c)) {
            client_answered(c);
        }
    } else {
        fail_lost(c, s, rc, err, decision);
    }
}

static void lost(struct client *c, struct server *s, int rc, const struct err *err)
{
    struct task *task = c->task;

    c->server = NULL;
    if (task != NULL && client_is_confirming(task)) {
        return; /* it is being found out whether it ran */
    }
    if (task != NULL &&
        task->refused != 0) { /* its node had answered; only a question of ours had no answer yet */
        client_run_again(c);
        return;
    }
    if (task != NULL && is_release(c)) {
        client_close(c, CLOSE_GONE, 0); /* COMMIT RELEASE: the node closes without a reply */
        return;
    }
    if (task != NULL) {
        figures_lost(c, s, rc, err);
    }
    if (task != NULL && task->is_wipe) { /* gone is wiped too */
        client_wiped(c);
        return;
    }
    if (task != NULL && !task->is_capture) {
        statement_lost(c, s, rc, err);
        return;
    }
    idle_server_lost(c);
    if (task != NULL && c->state != CLIENT_CLOSING) {
        client_task_end(c); /* behind its warnings another may have waited, which begins now */
    }
}

void client_on_lost(struct server *s, int rc, const struct err *err)
{
    lost(s->owner, s, rc, err);
}

/* What broke here would break again elsewhere. */
void client_lost_unsent(struct client *c, struct server *s, int rc)
{
    struct err err = {.number = err_number(rc), .message = slice_of(err_text(rc))};

    memcpy(err.sqlstate, err_sqlstate(rc), sizeof(err.sqlstate));
    lost(c, s, rc, rc > ERR_FIRST ? NULL : &err);
}
