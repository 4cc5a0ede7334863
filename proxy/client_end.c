/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_end.c - a task is over: its connection goes back or stays; the schema of a session.
 */
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/audit.h"
#include "proxy/client_lost.h"
#include "proxy/client_run.h"
#include "proxy/client_stmt.h"
#include "proxy/client_track.h"
#include "proxy/figures_client.h"
#include "proxy/local.h"
#include "proxy/schema_look.h"
#include "proxy/warnings.h"
#include "proxy/worker.h"

#define SCHEMA_KNOWN_MS 10000 /* a schema is asked for again after this */

static const char question_last_id[] = "\x18\0\0\0\x03SELECT LAST_INSERT_ID()"
                                       "\x15\0\0\0\x03SET last_insert_id=0";

/* --- the end of a task ----------------------------------------------------------------------- */

/*
 * What the session had on its connection is wiped before another gets it; nothing is asked, nothing
 * is kept.
 */
void client_give_server(struct client *c)
{
    struct server *s = c->server;

    if (s != NULL) {
        c->server = NULL;
        s->must_reset |=
            (c->session.pins & pins_that_reset()) != 0 || c->session.last_id_server == s->id;
        if (!schema_look_through(c, s)) {
            pool_give(&c->worker->pool, s);
        }
    }
    c->session.last_id_server = c->session.gtid_server = 0;
}

/*
 * LAST_INSERT_ID() is asked for before the connection goes: the OK's number may be one the client
 * gave itself. A free connection always has 0, so that what a session finds there is its own.
 */
bool client_ask_last_id(struct client *c)
{
    struct server *s = c->server;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)question_last_id, sizeof(question_last_id) - 1);

    if (c->session.last_id_server != s->id ||
        (!c->session.last_id_unknown && c->session.last_insert_id == 0)) {
        c->session.last_id_server = 0;
        return false;
    }
    c->session.last_id_server = 0;
    server_expect(s, EXPECT_LAST_ID, FOLLOW_RESULT);
    server_expect(s, EXPECT_SET, FOLLOW_RESULT);
    if (server_write(s, &buf, 1) < 0) {
        client_leave_broken(c); /* c->task, if there is one, has nothing on it: it goes on */
        return false;
    }
    return true;
}

void client_release_if_free(struct client *c)
{
    if (c->server != NULL && c->server->n_expects == 0 && !session_is_pinned(&c->session) &&
        !client_ask_last_id(c)) {
        client_give_server(c);
    }
}

/* A long command is over whose rest was not read yet: it would be taken for commands. */
static bool drop_rest(struct client *c)
{
    const struct task *task = c->task;

    if (LIKELY(task == NULL || !task->is_streaming || task->reads_rest) ||
        c->state == CLIENT_CLOSING) {
        return false;
    }
    if (c->state != CLIENT_IDLE) {
        client_to(c, CLIENT_IDLE);
    }
    c->upload_discards = true;
    client_upload_begin(c, task->upload_left, task->payload == PACKET_MAX);
    return true;
}

void client_task_end(struct client *c)
{
    if (drop_rest(c)) {
        return;
    }
    if (UNLIKELY(c->session.lacks_memory)) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return;
    }
    figures_ended(c);
    alarm_clear(&c->worker->alarms, &c->alarm);
    if (c->task != NULL) {
        client_stmt_unsent(c);
        client_track_unsent(c);
        task_free(&c->worker->tasks, c->task);
        c->task = NULL;
    }
    if (c->state != CLIENT_CLOSING && c->state != CLIENT_IDLE) {
        client_to(c, CLIENT_IDLE);
    }
    client_release_if_free(c);
    if (c->held != NULL && c->state == CLIENT_IDLE) {
        c->task = c->held;
        c->held = NULL;
        client_run(c);
        return;
    }
    warnings_watch(c);
    if (c->state == CLIENT_IDLE && c->in_len > 0) {
        client_input(c);
    }
}

/*
 * Its client sends more packets, and expects its answer to have the number behind the last of them.
 * Or what comes behind its rest counts on what is lost: when it is told before that is read, what
 * it says to that cannot be told from what it had sent ahead.
 */
static bool counts_on(const struct client *c)
{
    const struct task *task = c->task;

    return task != NULL && task->is_streaming && !task->reads_rest &&
           (task->payload == PACKET_MAX || c->loses_ahead) &&
           task->command != COM_STMT_SEND_LONG_DATA;
}

void client_end_with_error(struct client *c, uint16_t number, const char *sqlstate,
                           struct slice text)
{
    struct err err = {.number = number, .message = text};

    if (c->task != NULL && c->task->is_capture) { /* no command of the client: it is told nothing */
        warnings_fetched(c, true);
        client_task_end(c);
        return;
    }
    if (c->login != NULL) { /* the schema of a login */
        memcpy(err.sqlstate, sqlstate, sizeof(err.sqlstate));
        client_login_verified(c, &err);
        return;
    }
    if (counts_on(c)) {
        if (client_upload_fail(c, number, sqlstate, text)) {
            client_task_end(c);
        } else {
            client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        }
        return;
    }
    if (!client_error(c, number, sqlstate, text)) {
        return;
    }
    if (c->task != NULL && c->task->command == COM_STMT_SEND_LONG_DATA) {
        client_close_after_write(c,
                                 CLOSE_NODE); /* it has no reply, and its statement is not whole */
        return;
    }
    client_task_end(c);
}

void client_task_failed(struct client *c, int rc)
{
    client_end_with_error(c, err_number(rc), err_sqlstate(rc), slice_of(err_text(rc)));
}

/* --- schema ---------------------------------------------------------------------------------- */

void client_schema_accepted(struct client *c, struct schema *schema)
{
    schema->known_until_ms = c->worker->now_ms + SCHEMA_KNOWN_MS;
    schema->known_epoch = atomic_load(&c->worker->galeway->schema_epoch);
    c->session.schema = schema;
    c->session.rights_us = atomic_load(&c->worker->galeway->rights_us); /* a node looks again */
    session_said(&c->session, 0, false);
    if (c->login != NULL) {
        if (c->task != NULL) {
            task_free(&c->worker->tasks, c->task);
            c->task = NULL;
        }
        client_login_verified(c, NULL);
        client_release_if_free(c);
        if (c->state == CLIENT_IDLE) {
            client_input(c);
        }
        return;
    }
    audit_client(c, AUDIT_INIT_DB, (struct slice){"", 0});
    if (client_ok_schema(c)) {
        client_task_end(c);
    }
}

static bool is_known(const struct client *c, const struct schema *schema)
{
    return c->worker->now_ms < schema->known_until_ms &&
           schema->known_epoch == atomic_load(&c->worker->galeway->schema_epoch);
}

/*
 * No name, or one that no schema has: as a node says it, which cuts what is longer than 100 bytes.
 * Or one that cannot be kept (schema_get).
 */
static void refuse_schema(struct client *c, struct slice name)
{
    char text[160];

    if (name.len == 0) {
        client_task_failed(c, ERR_NO_SCHEMA_CHOSEN);
        return;
    }
    if (name.len <= SCHEMA_NAME_MAX) {
        client_task_failed(c, ERR_SCHEMAS_FULL);
        return;
    }
    (void)snprintf(text, sizeof(text), "Incorrect database name '%.*s...'", 97, name.data);
    client_end_with_error(c, err_number(ERR_NO_SCHEMA), err_sqlstate(ERR_NO_SCHEMA),
                          slice_of(text));
}

void client_use_schema(struct client *c, struct slice name)
{
    struct worker *w = c->worker;
    struct schema *schema = schema_get(&w->pool.schemas, c->session.account, name);

    if (schema == NULL) {
        refuse_schema(c, name);
        return;
    }
    if (is_known(c, schema) && (c->session.pins & ~BIT(PIN_WARNINGS)) == 0 &&
        worker_vars(w)->mysql_learn_answers) {
        stat_add(&w->stats, STAT_ANSWERED_HERE, 1);
        client_schema_accepted(c, schema);
        return;
    }
    c->task = task_new(&w->tasks, 0);
    if (c->task == NULL) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return;
    }
    facts_scan(&c->task->facts, SLICE("USE"), 0);
    c->task->facts.flags = FACT_READ; /* every node knows its schemas */
    c->task->command = COM_INIT_DB;
    c->task->is_fit_only = true;
    c->task->new_schema = schema;
    c->task->since_ms = w->now_ms;
    client_run(c);
}
