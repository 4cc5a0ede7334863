/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_refused.c - see client_lost.h: the node answered, and says that it did not run the
 * statement.
 */
#include "base/err.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_again.h"
#include "proxy/client_confirm.h"
#include "proxy/client_lost.h"
#include "proxy/client_run.h"
#include "proxy/worker.h"

#define ER_NOT_READY 1047
#define ER_DEADLOCK  1213
#define ER_COMMIT    1180
#define LEFT_TEXT    "Not connected to Primary Component"
#define REFUSAL_MAX  600
#define NOT_DECIDED  LEDGER_DECISION_COUNT

/* A write that was refused so soon was not on its way to others: no group is lost so fast. */
#define QUICK_MS 200

/*
 * A single statement of its own transaction, without anything that a rollback leaves behind. A bulk
 * execute of UPDATE or DELETE is a transaction for each row (10.11).
 */
static bool is_rolled_back(const struct task *task)
{
    const struct facts *f = &task->facts;

    return task->command != COM_STMT_BULK_EXECUTE &&
           (f->verb == VERB_INSERT || f->verb == VERB_UPDATE || f->verb == VERB_DELETE ||
            f->verb == VERB_REPLACE || f->verb == VERB_SELECT) &&
           (f->flags & (FACT_MULTI | FACT_USER_VARIABLE | FACT_GET_LOCK | FACT_RELEASE_LOCK |
                        FACT_SETS_INSERT_ID | FACT_RUNS_UNSEEN)) == 0;
}

static bool has_text(const struct err *err, const char *text)
{
    return memmem(err->message.data, err->message.len, text, strlen(text)) != NULL;
}

/*
 * 1047 comes before a statement is looked at. But a node that loses its group may run a statement a
 * second time on its own account (wsrep_retry_autocommit) and refuse only that: so not of a write
 * that took long. And what a procedure runs, or a bulk execute, is refused one by one, behind
 * others that may be committed.
 */
static enum ledger_decision decide_not_ready(const struct client *c, bool is_pinned)
{
    const struct task *task = c->task;
    bool is_sure =
        (task->facts.flags & FACT_READ) != 0 || client_is_harmless(task) ||
        ((task->facts.flags & FACT_RUNS_UNSEEN) == 0 && task->command != COM_STMT_BULK_EXECUTE &&
         c->worker->now_ms - task->sent_ms < QUICK_MS);

    if (is_pinned) {
        return LEDGER_TRANSACTION;
    }
    return !is_sure                                                   ? LEDGER_IN_DOUBT
           : client_is_whole(c) && !client_is_over(c, task->since_ms) ? LEDGER_NOT_READY
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
    bool is_pinned = session_in_transaction(s) || client_lost_state(s);

    if (client_says_not_ready(err)) {
        return session_in_transaction(s) && !client_lost_state(s) && task_is_plain_rollback(task)
                   ? LEDGER_ROLLED_BACK
                   : decide_not_ready(c, is_pinned);
    }
    if (is_pinned || !client_is_whole(c) || !is_rolled_back(task)) {
        return NOT_DECIDED;
    }
    if (err->number == ER_DEADLOCK) {
        if (task->view == 0) { /* nobody watches its node: it could not be made sure of */
            return NOT_DECIDED;
        }
        task->confirms = CONFIRM_VIEW;
        return client_has_retries(c, false) ? LEDGER_DEADLOCK : LEDGER_NO_RETRIES;
    }
    if (!has_text(err, LEFT_TEXT) || c->worker->now_ms - task->sent_ms >= CONFIRM_LEAVE_MS) {
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
    if (client_says_not_ready(&err)) {
        task->not_ready = true;
        task->sent_ahead = client_sent_ahead(c); /* before it is told */
        nodes_poke(&c->worker->galeway->nodes, s->node);
    }
    if (!ledger_ran_again(decision) && decision != LEDGER_ROLLED_BACK) {
        task->confirms = CONFIRM_NOTHING;
        client_note(c, s->node, decision, err.number);
        if (decision == LEDGER_IN_DOUBT) {
            session_wrote_in_doubt(&c->session, &c->worker->galeway->causal, task);
        }
        return false;
    }
    task->refused = err.number;
    task->refused_by = s->node;
    task->decision = (uint8_t)decision;
    return true;
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

    client_note(c, task->refused_by, (enum ledger_decision)task->decision, task->refused);
    if (task->refused != ER_DEADLOCK) {
        client_leave_node(c, task->refused_by);
    }
    if (task->decision == LEDGER_ROLLED_BACK) {
        client_rolled_back(c);
        return;
    }
    leave_attempt(c);
    client_begin_again(c, (enum ledger_decision)task->decision);
}

/* The error packet was kept as it came, and was looked at then; what is behind it is not of it. */
static bool kept_error(const struct task *task, struct err *err)
{
    return task->peek_len > PACKET_HEADER &&
           packet_length(task->peek) + (size_t)PACKET_HEADER <= task->peek_len &&
           err_decode(err, task->peek + PACKET_HEADER, packet_length(task->peek)) == 0;
}

void client_refuted(struct client *c)
{
    struct task *task = c->task;
    struct err err;

    client_note(c, task->refused_by, LEDGER_IN_DOUBT, task->refused);
    session_wrote_in_doubt(&c->session, &c->worker->galeway->causal, task);
    doubt_last_id(c);
    alarm_clear(&c->worker->alarms, &c->alarm);
    task->refused = 0;
    task->confirms = CONFIRM_NOTHING;
    task->confirm_since_us = 0;
    if (!kept_error(task, &err)) {
        client_task_failed(c, ERR_NODE_LOST);
        return;
    }
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
    if (!session_in_transaction(&c->session) || client_lost_state(&c->session)) {
        return false; /* what else it has is still there, and the node may come back */
    }
    client_transaction_is_gone(c);
    client_leave_node(c, s->node);
    return true;
}
