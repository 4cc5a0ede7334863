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
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_again.h"
#include "proxy/client_cache.h"
#include "proxy/client_confirm.h"
#include "proxy/client_run.h"
#include "proxy/figures_client.h"
#include "proxy/rights.h"
#include "proxy/rules_apply.h"
#include "proxy/worker.h"

/* What the session has on its connection. */
static uint32_t pins_there(const struct client *c)
{
    const struct task *task = c->task;

    return task->opens && !task->sent ? c->session.pins & ~(BIT(PIN_CURSOR) | BIT(PIN_LONG_DATA))
                                      : c->session.pins;
}

static enum ledger_decision decide_lost(const struct client *c)
{
    const struct task *task = c->task;
    const struct session *s = &c->session;
    uint32_t pins = pins_there(c);

    if (task->reply_begun) {
        return LEDGER_REPLY_CUT;
    }
    if (session_in_transaction(s) && !client_lost_state(s) && task_is_plain_rollback(task) &&
        (s->status & STATUS_AUTOCOMMIT) != 0) {
        return LEDGER_ROLLED_BACK;
    }
    if ((pins & ~BIT(PIN_WARNINGS)) != 0 ||
        (pins != 0 && (task->facts.flags & FACT_DIAGNOSTICS) != 0)) {
        return session_in_transaction(s) ? LEDGER_TRANSACTION : LEDGER_PINNED;
    }
    if (!task->sent) {
        return task->unsent_ms != 0 && client_is_over(c, task->unsent_ms) ? LEDGER_NO_RETRIES
                                                                          : LEDGER_NOT_SENT;
    }
    if (task->timed_out || !client_is_whole(c) || c->state == CLIENT_UPLOADING) {
        return LEDGER_IN_DOUBT; /* of a file, too: only its client can send that again */
    }
    if (client_is_harmless(task)) {
        return client_is_over(c, task->since_ms) ? LEDGER_NO_RETRIES : LEDGER_HARMLESS;
    }
    if ((task->facts.flags & FACT_READ) == 0) {
        return LEDGER_IN_DOUBT;
    }
    return client_has_retries(c, true) ? LEDGER_READ : LEDGER_NO_RETRIES;
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

/* --- the connection broke --------------------------------------------------------------------- */

static bool is_capacity_error(const struct err *err)
{
    return err != NULL && (err->number == 1040 || err->number == 1203 || err->number == 1226);
}

void client_lost_idle(struct client *c)
{
    session_wrote_in_doubt(&c->session, &c->worker->galeway->causal, NULL);
    if (!session_is_pinned(&c->session) || c->session.pins == BIT(PIN_WARNINGS)) {
        client_transaction_is_gone(c);
    } else if (client_lost_state(&c->session)) {
        client_close(c, CLOSE_NODE, ERR_NODE_LOST);
    } else {
        client_transaction_is_gone(c);
        c->session_lost = true;
    }
}

static bool may_have_committed(const struct client *c)
{
    const struct task *task = c->task;
    bool is_part = c->state == CLIENT_UPLOADING && !c->upload_is_file;

    return task->sent && !is_part &&
           (task_may_commit(task) ||
            (task->is_unseen && (c->session.caps & CAP_MULTI_STATEMENTS) != 0));
}

/* What became of the statement, and of the transaction it ran in: before that is forgotten. */
static const char *consequence(const struct client *c, enum ledger_decision decision)
{
    const struct task *task = c->task;

    if (session_in_transaction(&c->session)) {
        return may_have_committed(c) ? ": the transaction may have been committed"
                                     : ": the transaction is rolled back";
    }
    if (c->state == CLIENT_UPLOADING && !c->upload_is_file) {
        return ": the node had not received all of the statement, it did not run";
    }
    if (decision == LEDGER_IN_DOUBT ||
        (task->sent && task_is_statement(task) && !client_is_harmless(task) &&
         (task->facts.flags & FACT_READ) == 0)) {
        return ": the statement was sent and may have run";
    }
    return "";
}

/* What a PHP host finds in its log: which node, and whether the statement may have run. */
static void say_lost(struct client *c, const struct server *s, int rc, const char *what_became)
{
    bool is_uploading = c->state == CLIENT_UPLOADING;
    int code = rc > ERR_FIRST ? ERR_NODE_LOST
                              : rc; /* libuv's: that the connection broke, in other words */
    char text[300];

    (void)snprintf(text, sizeof(text), "%s (node %s)%s", err_text(code), s->node->text,
                   what_became);
    if (!is_uploading) {
        client_end_with_error(c, err_number(code), err_sqlstate(code), slice_of(text));
    } else if (!client_upload_fail(c, err_number(code), err_sqlstate(code), slice_of(text))) {
        client_close(c, CLOSE_NODE, rc);
    }
}

/*
 * In the middle of a packet, or of one that is continued by others, there is no way to say more;
 * while it sends, a client does not read.
 */
static bool can_say(const struct client *c, const struct server *s, bool close_after)
{
    if (c->task->said_no_file) {
        return false; /* its answer is over, though not its node's */
    }
    if (c->state != CLIENT_UPLOADING) {
        return !c->task->reply_begun || (s->follow.skip == 0 && !s->follow.continued);
    }
    return !close_after && task_has_reply(c->task) && (c->upload_is_file || !c->task->reply_begun);
}

/* What it has sent besides may be of this command, or of the file. */
static bool has_rest_to_come(const struct client *c)
{
    return c->state == CLIENT_UPLOADING || (c->task->is_streaming && !c->task->reads_rest);
}

static void fail_lost(struct client *c, const struct server *s, int rc, const struct err *err,
                      enum ledger_decision decision)
{
    bool in_transaction = session_in_transaction(&c->session);
    bool has_rest = has_rest_to_come(c);
    bool close_after =
        client_lost_state(&c->session) || (in_transaction && !has_rest && client_sent_ahead(c));
    const char *what_became = consequence(c, decision);

    session_wrote_in_doubt(&c->session, &c->worker->galeway->causal, c->task);
    rights_in_doubt(c);
    client_transaction_is_gone(c);
    if (!can_say(c, s, close_after)) {
        client_close(c, CLOSE_NODE, rc);
        return;
    }
    if (c->task->reply_begun) {
        c->sequence = s->follow.next_sequence;
    }
    c->loses_ahead = in_transaction && has_rest && !close_after;
    c->close_when_drained = close_after; /* what it sent ahead counts on what is lost */
    if (err != NULL && !c->task->sent) {
        client_end_with_error(c, err->number, err->sqlstate, err->message);
    } else {
        say_lost(c, s, rc, what_became);
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
    if (!client_says_not_ready(err) || decide_lost(c) != LEDGER_NOT_SENT) {
        return false;
    }
    client_note(c, node, LEDGER_NOT_READY, err->number);
    nodes_poke(&c->worker->galeway->nodes, node);
    client_leave_node(c, node);
    client_begin_again(c, LEDGER_NOT_READY);
    return true;
}

/*
 * Without a login nothing was sent: where it failed by what the node says, or by what it lacks of
 * what the client was offered, one that has not failed so serves it, if there is one. Else the
 * client is told what is wrong.
 */
static bool may_pass_by(struct client *c, const struct server *s, int rc)
{
    struct task *task = c->task;
    struct route route;

    if (rc != ERR_NODE_TLS && rc != ERR_NODE_CAPS && rc != ERR_NODE_PROTOCOL) {
        return false;
    }
    task->lost_nodes |= UINT64_C(1) << s->node->index;
    if (!client_choose(c, &route)) {
        return false;
    }
    for (size_t i = 0; i < route.n; i++) {
        if ((task->lost_nodes & UINT64_C(1) << route.nodes[i]->index) == 0) {
            return true;
        }
    }
    return false;
}

static void statement_lost(struct client *c, struct server *s, int rc, const struct err *err)
{
    enum ledger_decision decision = decide_lost(c);

    if (!c->task->sent && is_capacity_error(err) && pins_there(c) == 0) {
        client_wait_in_queue(c); /* the node is full for this user: no fault of the node */
        return;
    }
    if (err != NULL && client_left_unready(c, s->node, err)) {
        return;
    }
    client_note(c, s->node, decision, err == NULL ? 0 : err->number);
    if (decision == LEDGER_NOT_SENT && may_pass_by(c, s, rc)) {
        client_begin_again(c, decision);
    } else if (err == NULL && ledger_ran_again(decision)) {
        c->task->lost_nodes |= UINT64_C(1) << s->node->index;
        client_begin_again(c, decision);
    } else if (decision == LEDGER_ROLLED_BACK) {
        client_rolled_back(c);
    } else {
        fail_lost(c, s, rc, err, decision);
    }
}

/* Its client has the whole answer: only questions of ours had none. */
static bool has_answered(const struct task *task, const struct server *s)
{
    return task != NULL && !task->is_capture && task->refused == 0 && task->sent &&
           s->statement_sent && s->has_replied;
}

/*
 * A statement that a rule delays, or that waits for the same one of another client, has nothing on
 * the connection: it goes on elsewhere, unless the session had something there. Then it is told so.
 */
static bool is_held_back(struct client *c)
{
    const struct session *s = &c->session;

    if (c->state != CLIENT_DELAYED && c->state != CLIENT_JOINED) {
        return false;
    }
    if (!session_is_pinned(s) || s->pins == BIT(PIN_WARNINGS)) {
        return true;
    }
    rules_delay_end(c);
    client_cache_leave(c);
    return false;
}

/* The client has its whole answer; only what we asked behind its statement has none yet. */
static bool is_answered(const struct client *c, const struct server *s)
{
    if (!s->statement_sent || !c->task->reply_begun) {
        return false;
    }
    for (unsigned i = 0; i < s->n_expects; i++) {
        if (s->expects[(s->first_expect + i) % SERVER_MAX_EXPECTS].what == EXPECT_REPLY) {
            return false;
        }
    }
    return true;
}

static void lost(struct client *c, struct server *s, int rc, const struct err *err)
{
    struct task *task = c->task;

    if (has_answered(task, s)) {
        client_after_reply(c, s);
        c->server = NULL;
        c->session.found_rows_known &= !client_asks_found_rows(task);
        client_lost_idle(c);
        if (c->state != CLIENT_CLOSING) {
            client_task_end(c);
        }
        return;
    }
    c->server = NULL;
    if (is_held_back(c) || client_drops_rest(c)) {
        client_lost_idle(c);
        return;
    }
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
    if (task != NULL && !task->is_capture && is_answered(c, s)) {
        client_close(c, CLOSE_NODE, rc); /* an error would be a second answer */
        return;
    }
    if (task != NULL && !task->is_capture) {
        statement_lost(c, s, rc, err);
        return;
    }
    client_lost_idle(c);
    if (task != NULL && c->state != CLIENT_CLOSING) {
        client_task_end(c); /* behind its warnings another may have waited, which begins now */
    } else if (c->state == CLIENT_IDLE && c->in_len > 0) {
        client_wait_turn(
            c); /* what waited until the node had taken all; a caller may be in a task */
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

void client_lost_between(struct client *c)
{
    struct task *task = c->task;

    c->task = NULL;
    server_lost(c->server, ERR_NODE_LOST, NULL);
    CHECK(c->task == NULL);
    c->task = task; /* with the client it goes, too */
}

void client_leave_broken(struct client *c)
{
    struct server *s = c->server;

    nodes_poke(&c->worker->galeway->nodes, s->node);
    session_wrote_in_doubt(&c->session, &c->worker->galeway->causal, NULL);
    client_transaction_is_gone(c);
    c->server = NULL;
    server_close(s, "lost", ERR_NODE_LOST);
}
