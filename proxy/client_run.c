/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_run.c - a task on its way: route, connection, fit, send; its reply; what happens when the node is lost.
 *
 *   client_run --> (connection free) --> fit --> send --> on_bytes ... --> on_done --> client_task_end
 *              --> (none free) --> queue --> client_serve | client_retry | client_queue_timeout
 *   on_lost: nothing of the reply was sent and it is a read (or no byte was sent) --> client_run again; else ERR
 */
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_stmt.h"
#include "proxy/local.h"
#include "proxy/worker.h"

#define PREFIX_BYTES 16384
#define SCHEMA_KNOWN_MS 10000 /* a schema is asked for again after this */

/* The session has no warnings, but the connection may have another's: only a statement with a table clears them. */
#define CLEAR_DIAGNOSTICS "SELECT 1 FROM information_schema.ENGINES LIMIT 0"

static const char question_found_rows[] = "\x14\0\0\0\x03SELECT FOUND_ROWS()";
static const char question_last_id[] = "\x18\0\0\0\x03SELECT LAST_INSERT_ID()"
                                       "\x15\0\0\0\x03SET last_insert_id=0";

static void on_ready(struct server *s);

/* --- what the session needs ------------------------------------------------------------------ */

/* A statement behind a semicolon, even an empty one, is answered by a reply of its own. */
static bool may_be_multi(const struct task *task)
{
    return (task->facts.flags & FACT_MULTI) != 0 || task->is_unseen ||
           (task->command == COM_QUERY && memchr(task->bytes, ';', task->len) != NULL);
}

static struct want want_of(const struct client *c)
{
    const struct session *s = &c->session;
    const struct task *task = c->task;

    return (struct want){
        .account = s->account,
        .schema = task->is_fit_only ? task->new_schema : s->schema,
        .profile = s->profile,
        .caps = s->caps & CAPS_OF_IDENTITY,
        .multi_statements = (s->caps & CAP_MULTI_STATEMENTS) != 0 && may_be_multi(task),
        .fresh = s->profile->wants_fresh || (task->facts.flags & FACT_SYNC_WAIT) != 0 ||
                 (s->caps & CAP_IGNORE_SPACE) != 0, /* a reset takes sql_mode's IGNORE_SPACE away */
    };
}

static unsigned load_of(const void *owner, const struct node *node)
{
    const struct pool *pool = owner;

    return pool->per_node[node->index].n_lent;
}

static bool must_follow(const struct client *c)
{
    const struct session *s = &c->session;
    const struct conf_vars *vars = worker_vars(c->worker);

    return (c->task->facts.flags & FACT_READ) != 0 &&
           causal_must_follow(&c->worker->galeway->causal, s->written, &c->task->facts, session_schema_name(s),
                              c->worker->now_ms, (uint64_t)vars->mysql_causal_window_ms);
}

/* False: the user's hostgroup has no servers in this configuration (or the user is gone from it). */
static bool choose(struct client *c)
{
    struct worker *w = c->worker;
    struct session *s = &c->session;
    const struct conf_user *user = conf_user_find(w->snapshot->conf, slice_of(s->account->name));
    struct route_input in = {
        .facts = &c->task->facts,
        .in_transaction = session_in_transaction(s) || s->pins != 0,
        .must_follow = must_follow(c),
        .site = s->account->id * 2654435761u ^ (s->schema == NULL ? 0 : s->schema->hash),
        .now_ms = w->now_ms,
        .load = load_of,
        .owner = &w->pool,
    };

    in.roles = user == NULL ? NULL : topology_roles(w->snapshot->topology, user->default_hostgroup);
    if (in.roles == NULL) {
        return false;
    }
    route_choose(&c->task->route, &in);
    if (in.must_follow) {
        stat_add(&w->stats, STAT_CAUSAL_READS, 1);
    }
    return true;
}

/* --- the end of a task ----------------------------------------------------------------------- */

/* What the session had on its connection is wiped before another gets it; nothing is asked, nothing is kept. */
void client_give_server(struct client *c)
{
    struct server *s = c->server;

    if (s != NULL) {
        c->server = NULL;
        s->must_reset |= (c->session.pins & pins_that_reset()) != 0 || c->session.last_id_server == s->id;
        pool_give(&c->worker->pool, s);
    }
    c->session.last_id_server = 0;
}

/*
 * LAST_INSERT_ID() is asked for before the connection goes: the OK's number may be one the client gave itself. A free
 * connection always has 0, so that what a session finds there is its own.
 */
static bool ask_last_id(struct client *c)
{
    struct server *s = c->server;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)question_last_id, sizeof(question_last_id) - 1);

    if (c->session.last_id_server != s->id || (!c->session.last_id_unknown && c->session.last_insert_id == 0)) {
        c->session.last_id_server = 0;
        return false;
    }
    c->session.last_id_server = 0;
    server_expect(s, EXPECT_NUMBER, FOLLOW_RESULT);
    server_expect(s, EXPECT_SET, FOLLOW_RESULT);
    if (server_write(s, &buf, 1) < 0) {
        server_lost(s, ERR_NODE_LOST, NULL);
    }
    return true;
}

static void release_if_free(struct client *c)
{
    if (c->server != NULL && c->server->n_expects == 0 && !session_is_pinned(&c->session) && !ask_last_id(c)) {
        client_give_server(c);
    }
}

void client_task_end(struct client *c)
{
    if (c->task != NULL) {
        task_free(&c->worker->tasks, c->task);
        c->task = NULL;
    }
    if (c->state != CLIENT_CLOSING && c->state != CLIENT_IDLE) {
        client_to(c, CLIENT_IDLE);
    }
    release_if_free(c);
    if (c->state == CLIENT_IDLE && c->in_len > 0) {
        client_input(c);
    }
}

static void end_with_error(struct client *c, uint16_t number, const char *sqlstate, struct slice text)
{
    struct err err = {.number = number, .message = text};

    if (c->login != NULL) { /* the schema of a login */
        memcpy(err.sqlstate, sqlstate, sizeof(err.sqlstate));
        client_login_verified(c, &err);
        return;
    }
    if (client_error(c, number, sqlstate, text)) {
        client_task_end(c);
    }
}

void client_task_failed(struct client *c, int rc)
{
    end_with_error(c, err_number(rc), err_sqlstate(rc), slice_of(err_text(rc)));
}

/* --- schema ---------------------------------------------------------------------------------- */

static void schema_accepted(struct client *c, struct schema *schema)
{
    schema->known_until_ms = c->worker->now_ms + SCHEMA_KNOWN_MS;
    schema->known_epoch = atomic_load(&c->worker->galeway->schema_epoch);
    c->session.schema = schema;
    c->session.row_count = 0;
    if (c->login != NULL) {
        if (c->task != NULL) {
            task_free(&c->worker->tasks, c->task);
            c->task = NULL;
        }
        client_login_verified(c, NULL);
        release_if_free(c);
        if (c->state == CLIENT_IDLE) {
            client_input(c);
        }
        return;
    }
    if (client_ok(c)) {
        client_task_end(c);
    }
}

static bool is_known(const struct client *c, const struct schema *schema)
{
    return c->worker->now_ms < schema->known_until_ms &&
           schema->known_epoch == atomic_load(&c->worker->galeway->schema_epoch);
}

void client_use_schema(struct client *c, struct slice name)
{
    struct worker *w = c->worker;
    struct schema *schema = schema_get(&w->pool.schemas, c->session.account, name);

    if (schema == NULL) {
        if (c->login != NULL) {
            end_with_error(c, 1049, "42000", SLICE("Unknown database"));
        } else if (name.len == 0) {
            (void)client_error(c, 1046, "3D000", SLICE("No database selected"));
        } else {
            (void)client_errorf(c, ERR_NO_SCHEMA, "Incorrect database name '%.*s'", (int)MIN(name.len, 256u), name.data);
        }
        return;
    }
    if (is_known(c, schema) && (c->session.pins & ~BIT(PIN_WARNINGS)) == 0 && worker_vars(w)->mysql_learn_answers) {
        stat_add(&w->stats, STAT_ANSWERED_HERE, 1);
        session_unpin(&c->session, PIN_WARNINGS);
        schema_accepted(c, schema);
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

/* --- waiting --------------------------------------------------------------------------------- */

static void ask_other_workers(struct client *c)
{
    struct galeway *g = c->worker->galeway;

    for (unsigned i = 0; i < g->n_workers; i++) {
        for (unsigned n = 0; i != c->worker->index && n < atomic_load(&g->nodes.count); n++) {
            if ((c->task->route.mask & UINT64_C(1) << n) != 0 &&
                atomic_load(&g->pools[i]->per_node[n].n_free_shared) > 0) {
                worker_post(g->workers[i], mail_new(MAIL_SERVE));
                break;
            }
        }
    }
}

static void wait_in_queue(struct client *c)
{
    struct worker *w = c->worker;
    int rc;

    if (c->task->queued_ms == 0) {
        c->task->queued_ms = w->now_ms;
        stat_add(&w->stats, STAT_POOL_WAITS, 1);
    }
    c->waiter.nodes = c->task->route.mask;
    c->waiter.since_ms = c->task->queued_ms;
    rc = queue_push(&w->galeway->queue, &c->waiter, c->session.account);
    if (rc != 0) {
        (void)client_errorf(c, rc, "Too many statements wait for a server connection: %zu (mysql-queue_max_length)",
                            atomic_load(&w->galeway->queue.n_waiting));
        if (c->state != CLIENT_CLOSING) {
            client_task_end(c);
        }
        return;
    }
    client_to(c, CLIENT_WAITING);
    list_push_back(&w->waiting, &c->in_waiting);
    ask_other_workers(c);
}

static void stop_waiting(struct client *c)
{
    if (list_is_linked(&c->in_waiting)) {
        list_remove(&c->worker->waiting, &c->in_waiting);
        stat_add(&c->worker->stats, STAT_POOL_WAIT_US, (c->worker->now_ms - c->waiter.since_ms) * 1000);
    }
}

void client_queue_timeout(struct client *c)
{
    struct worker *w = c->worker;
    const struct task *task = c->task;
    char text[400];

    if (!queue_remove(&w->galeway->queue, &c->waiter)) {
        return; /* a connection is on its way: it will be served */
    }
    stop_waiting(c);
    stat_add(&w->stats, STAT_POOL_WAIT_TIMEOUTS, 1);
    (void)snprintf(text, sizeof(text),
                   "No server connection for user '%s' in hostgroup %d after %llu ms (mysql-connect_timeout_server_max): "
                   "%zu node(s) up, %d connections of the user, %zu statements wait",
                   c->session.account->name, task->route.hostgroup, (unsigned long long)(w->now_ms - task->queued_ms),
                   task->route.n, atomic_load(&c->session.account->n_servers),
                   atomic_load(&w->galeway->queue.n_waiting));
    log_warn(NULL, "%s", text);
    end_with_error(c, err_number(ERR_POOL_TIMEOUT), err_sqlstate(ERR_POOL_TIMEOUT), slice_of(text));
}

/* --- sending --------------------------------------------------------------------------------- */

static void write_question(struct writer *w, const char *text, size_t len)
{
    size_t at = packet_begin(w);

    put_u8(w, COM_QUERY);
    put_bytes(w, text, len);
    packet_end(w, at, 0);
}

/* Reads LAST_INSERT_ID() or may set it. */
static bool concerns_last_id(const struct task *task)
{
    const struct facts *f = &task->facts;

    return (f->flags & (FACT_LAST_INSERT_ID | FACT_SETS_INSERT_ID | FACT_MULTI)) != 0 || f->verb == VERB_INSERT ||
           f->verb == VERB_REPLACE || f->verb == VERB_LOAD || f->verb == VERB_CALL || f->verb == VERB_EXECUTE ||
           task->is_unseen;
}

/* What the statement asks of the connection beyond variables: LAST_INSERT_ID() of the session, no foreign warnings. */
static void write_preparation(struct client *c, struct server *s, struct writer *w)
{
    struct session *session = &c->session;
    uint32_t flags = c->task->facts.flags;
    char text[64];
    int n;

    if (session->last_id_server != s->id && concerns_last_id(c->task)) {
        if (session->last_insert_id != 0) {
            n = snprintf(text, sizeof(text), "SET last_insert_id=%llu", (unsigned long long)session->last_insert_id);
            write_question(w, text, (size_t)n);
            server_expect(s, EXPECT_SET, FOLLOW_RESULT);
        }
        session->last_id_server = s->id;
    }
    if ((flags & FACT_DIAGNOSTICS) != 0 && (session->pins & BIT(PIN_WARNINGS)) == 0) {
        write_question(w, CLEAR_DIAGNOSTICS, sizeof(CLEAR_DIAGNOSTICS) - 1);
        server_expect(s, EXPECT_SET, FOLLOW_RESULT);
    }
}

static bool asks_found_rows(const struct task *task)
{
    const struct facts *f = &task->facts;
    bool counts = (f->flags & (FACT_CALC_FOUND_ROWS | FACT_MULTI)) != 0 || f->verb == VERB_CALL ||
                  f->verb == VERB_EXECUTE || (f->n_tables > 1 && (f->verb == VERB_INSERT || f->verb == VERB_REPLACE));

    return counts && task->follow == FOLLOW_RESULT && !task->is_streaming && !task->is_unseen;
}

static bool has_reply(const struct task *task)
{
    return task->command != COM_STMT_SEND_LONG_DATA && task->command != COM_STMT_CLOSE;
}

static void after_send(struct client *c, struct server *s)
{
    struct task *task = c->task;

    s->statements++;
    task->sent = true;
    stat_add(&c->worker->stats, task->route.is_writer ? STAT_TO_WRITER : STAT_TO_READER, 1);
    if (task->is_streaming) {
        client_upload_begin(c, task->upload_left, task->payload == PACKET_MAX);
    } else if (!has_reply(task)) {
        client_task_end(c);
    } else {
        client_to(c, CLIENT_RUNNING);
    }
}

static void send_task(struct client *c, struct server *s, struct writer *prefix)
{
    struct task *task = c->task;
    uv_buf_t bufs[3];
    unsigned n = 0;
    int rc;

    session_wrote(&c->session, &c->worker->galeway->causal, task, c->worker->now_ms);
    write_preparation(c, s, prefix);
    bufs[1] = uv_buf_init((char *)task->bytes, (unsigned)task->len);
    rc = task->stmt != NULL ? client_stmt_bytes(c, s, &bufs[1]) : 0;
    if (rc != 0 || prefix->failed) {
        client_task_failed(c, rc != 0 ? rc : ERR_LIMIT);
        return;
    }
    if (prefix->len > 0) {
        bufs[n++] = uv_buf_init((char *)prefix->base, (unsigned)prefix->len);
    }
    bufs[n] = bufs[1];
    n++;
    if (has_reply(task)) {
        server_expect(s, EXPECT_REPLY, (enum follow_kind)task->follow);
    }
    if (asks_found_rows(task)) {
        bufs[n++] = uv_buf_init((char *)(uintptr_t)question_found_rows, sizeof(question_found_rows) - 1);
        server_expect(s, EXPECT_NUMBER, FOLLOW_RESULT);
    }
    rc = server_write(s, bufs, n);
    if (rc < 0) {
        task->sent = true; /* some of it may have left */
        server_lost(s, ERR_NODE_LOST, NULL);
        return;
    }
    after_send(c, s);
}

/* The connection is there: bring it to what is wanted, then send. */
static void fit_and_send(struct client *c)
{
    uint8_t bytes[PREFIX_BYTES];
    struct writer prefix = writer_of(bytes, sizeof(bytes));
    struct server *s = c->server;
    struct want want = want_of(c);
    bool must_prepare;
    int rc;

    if (s->state != SERVER_LENT || s->n_expects > 0) { /* connecting, or a question of ours is not answered yet */
        client_to(c, CLIENT_FITTING);
        return;
    }
    must_prepare = !client_stmt_is_ready(c, s);
    if (must_prepare) { /* as it was when the client prepared it; then as the session is now */
        want.schema = c->task->stmt->schema;
        want.profile = c->task->stmt->profile;
    }
    rc = server_fit(s, &want, &prefix);
    if (rc == 0 && must_prepare) {
        rc = client_stmt_prepare_again(c, s, &prefix);
        if (rc < 0) {
            server_lost(s, rc, NULL);
            return;
        }
        rc = 1;
    }
    if (rc == 1) {
        client_to(c, CLIENT_FITTING);
        return;
    }
    if (rc < 0) {
        c->server = NULL;
        client_task_failed(c, rc);
        return;
    }
    if (c->task->is_fit_only) {
        struct schema *schema = c->task->new_schema;

        if (prefix.len > 0) { /* its replies are on their way: the connection is kept until they are in */
            uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)prefix.len);

            if (server_write(s, &buf, 1) < 0) {
                server_lost(s, ERR_NODE_LOST, NULL);
                return;
            }
        }
        schema_accepted(c, schema);
        return;
    }
    send_task(c, s, &prefix);
}

/* A statement with tables clears the diagnostics (10.11), so it may go elsewhere; others go where the warnings are. */
static void let_warnings_go(struct client *c)
{
    if ((c->session.pins & BIT(PIN_WARNINGS)) == 0 || (c->task->facts.flags & FACT_DIAGNOSTICS) != 0 ||
        c->task->facts.n_tables == 0) {
        return;
    }
    session_unpin(&c->session, PIN_WARNINGS);
    if (c->server != NULL && c->server->n_expects == 0 && c->session.pins == 0 && !ask_last_id(c)) {
        client_give_server(c);
    }
}

void client_run(struct client *c)
{
    struct worker *w = c->worker;
    struct want want;
    int rc;

    let_warnings_go(c);
    if (c->server != NULL) {
        c->task->route.is_writer = true;
        fit_and_send(c);
        return;
    }
    if (!choose(c)) {
        (void)client_errorf(c, ERR_NO_NODE, "User '%s' has no default hostgroup with servers", c->session.account->name);
        if (c->state != CLIENT_CLOSING) {
            client_task_end(c);
        }
        return;
    }
    if (queue_has_waiters(&w->galeway->queue) && c->task->queued_ms == 0 && c->task->route.n > 0) {
        pool_serve_waiters(&w->pool); /* first come, first served: who waits already goes before */
    }
    want = want_of(c);
    rc = pool_acquire(&w->pool, &want, c->task->route.nodes, c->task->route.n, c, &client_server_events, &c->server);
    if (rc != 0) {
        wait_in_queue(c);
        return;
    }
    fit_and_send(c);
}

void client_serve(struct client *c, struct server *s)
{
    stop_waiting(c);
    pool_lend(s, c, &client_server_events);
    c->server = s;
    client_to(c, CLIENT_FITTING);
    fit_and_send(c);
}

/* It waits, and something changed: a node came back, a connection was closed. */
void client_retry(struct client *c)
{
    struct worker *w = c->worker;

    if (c->state != CLIENT_WAITING) {
        return;
    }
    (void)queue_remove(&w->galeway->queue, &c->waiter);
    stop_waiting(c);
    client_to(c, CLIENT_FITTING);
    client_run(c);
}

/* --- what the connection tells ---------------------------------------------------------------- */

static void on_ready(struct server *s)
{
    struct client *c = s->owner;

    if (c->task == NULL) { /* a question of ours was answered */
        release_if_free(c);
    } else {
        fit_and_send(c);
    }
}

static void on_unfit(struct server *s, const struct err *err)
{
    struct client *c = s->owner;

    if (c->task->is_fit_only) {
        c->task->new_schema->known_until_ms = 0;
    } else if (c->session.schema != NULL) {
        c->session.schema->known_until_ms = 0;
    }
    end_with_error(c, err->number, err->sqlstate, err->message);
}

static void peek(struct task *task, const uv_buf_t *bufs, unsigned n)
{
    for (unsigned i = 0; i < n && task->peek_len < TASK_PEEK_BYTES; i++) {
        size_t len = MIN(bufs[i].len, TASK_PEEK_BYTES - task->peek_len);

        memcpy(task->peek + task->peek_len, bufs[i].base, len);
        task->peek_len += len;
    }
}

static bool wants_peek(const struct task *task)
{
    return task->facts.local == LOCAL_VARIABLES ||
           (task->facts.flags & (FACT_GET_LOCK | FACT_RELEASE_LOCK)) != 0;
}

static void on_bytes(struct server *s, const uv_buf_t *bufs, unsigned n)
{
    struct client *c = s->owner;
    struct task *task = c->task;
    int rc;

    task->reply_begun = true;
    if (wants_peek(task)) {
        peek(task, bufs, n);
    }
    for (unsigned i = 0; i < n; i++) {
        stat_add(&c->worker->stats, STAT_BYTES_TO_CLIENTS, bufs[i].len);
    }
    rc = stream_write(&c->stream, bufs, n);
    if (rc < 0) {
        client_close(c, CLOSE_RESET, rc);
    } else if (rc == 1) {
        stream_read_stop(&s->stream); /* the client is slower: the node waits */
    }
}

static void on_track(struct server *s, const struct ok *ok)
{
    struct client *c = s->owner;

    session_track(&c->session, s->pool, c->task, ok);
}

static void on_prepared(struct server *s, uint8_t *payload, size_t len)
{
    client_stmt_prepared(s->owner, payload, len);
}

static bool on_infile(struct server *s)
{
    struct client *c = s->owner;

    if (!worker_vars(c->worker)->mysql_enable_load_data_local_infile || (c->session.caps & CAP_LOCAL_FILES) == 0) {
        return false;
    }
    client_upload_file(c);
    return true;
}

/* A procedure without a result set has most likely counted nothing: the number is another session's. */
static bool counted_rows(const struct task *task, const struct follow *outcome)
{
    return outcome->has_result || task->facts.verb == VERB_INSERT || task->facts.verb == VERB_REPLACE;
}

static void on_number(struct server *s, uint64_t number)
{
    struct client *c = s->owner;

    if (c->task != NULL && asks_found_rows(c->task)) {
        if (!s->outcome.is_error && counted_rows(c->task, &s->outcome)) {
            c->session.found_rows = number;
            c->session.found_rows_known = true;
        }
    } else {
        c->session.last_insert_id = number;
        c->session.last_id_unknown = false;
    }
}

/* The connection now has what the session has. */
static void server_follows_session(struct client *c, struct server *s)
{
    if (s->profile != c->session.profile) {
        profile_unref(&s->pool->profiles, s->profile);
        s->profile = profile_ref(c->session.profile);
    }
    s->schema = c->session.schema;
}

static void forget_schemas(struct client *c)
{
    if ((c->task->facts.flags & FACT_DROPS_SCHEMA) != 0 || c->task->facts.verb == VERB_GRANT ||
        c->task->facts.verb == VERB_REVOKE || c->task->facts.verb == VERB_DROP) {
        atomic_fetch_add(&c->worker->galeway->schema_epoch, 1);
    }
}

static void on_done(struct server *s)
{
    struct client *c = s->owner;
    struct task *task = c->task;
    struct profile *before = profile_ref(c->session.profile);

    session_after(&c->session, s, task, &s->outcome);
    if (task->stmt != NULL) {
        client_stmt_after(c, &s->outcome);
    }
    server_follows_session(c, s);
    if (c->state == CLIENT_UPLOADING) { /* answered before all of it was sent: the rest would be taken for commands */
        profile_unref(&c->worker->pool.profiles, before);
        c->server = NULL;
        c->upload_discards = true;
        server_close(s, "it answered before a long command had ended", 0);
        return;
    }
    session_wrote(&c->session, &c->worker->galeway->causal, task, c->worker->now_ms);
    forget_schemas(c);
    if (!worker_vars(c->worker)->mysql_multiplexing) {
        session_pin(&c->session, PIN_NO_MULTIPLEXING, task->facts.digest, c->worker->now_ms);
    }
    local_learn(c, before);
    profile_unref(&c->worker->pool.profiles, before);
    client_task_end(c);
}

/* --- loss ------------------------------------------------------------------------------------- */

/* What is lost with the connection, beyond its transaction: the client cannot go on as if nothing had happened. */
static bool lost_state(const struct session *s)
{
    return (s->pins & ~(BIT(PIN_TRANSACTION) | BIT(PIN_WARNINGS) | BIT(PIN_NO_MULTIPLEXING))) != 0;
}

static void transaction_is_gone(struct client *c)
{
    c->session.pins &= ~(BIT(PIN_TRANSACTION) | BIT(PIN_WARNINGS) | BIT(PIN_NO_MULTIPLEXING));
    c->session.status &= (uint16_t)~(STATUS_IN_TRANS | STATUS_IN_TRANS_READONLY);
    c->session.last_id_unknown = false;
}

static bool may_repeat(const struct client *c)
{
    const struct task *task = c->task;

    if (task->reply_begun || task->is_streaming || session_is_pinned(&c->session) || task->stmt != NULL) {
        return false;
    }
    return !task->sent || ((task->facts.flags & FACT_READ) != 0 &&
                           task->retries < (unsigned)worker_vars(c->worker)->mysql_query_retries_on_failure + 1);
}

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

static void fail_lost(struct client *c, int rc, const struct err *err, bool close_after)
{
    if (err != NULL && !c->task->sent) {
        end_with_error(c, err->number, err->sqlstate, err->message);
    } else {
        end_with_error(c, err_number(rc), err_sqlstate(rc), slice_of(err_text(rc)));
    }
    if (close_after && c->state != CLIENT_CLOSING) {
        client_close_after_write(c, CLOSE_NODE);
    }
}

static bool is_release(const struct task *task)
{
    struct slice body = task->facts.body;

    return task->command == COM_QUERY && task->sent &&
           (task->facts.verb == VERB_COMMIT || task->facts.verb == VERB_ROLLBACK) && body.len > 8 &&
           slice_eq_nocase((struct slice){body.data + body.len - 7, 7}, SLICE("release"));
}

static void on_lost(struct server *s, int rc, const struct err *err)
{
    struct client *c = s->owner;
    struct task *task = c->task;
    bool close_after = lost_state(&c->session);

    c->server = NULL;
    if (task != NULL && is_release(task)) {
        client_close(c, CLOSE_GONE, 0); /* COMMIT RELEASE: the node closes without a reply */
        return;
    }
    if (task == NULL) {
        idle_server_lost(c);
        return;
    }
    if (!task->sent && is_capacity_error(err) && !session_is_pinned(&c->session)) {
        wait_in_queue(c); /* the node is full for this user: no fault of the node */
        return;
    }
    if (err == NULL && may_repeat(c)) {
        task->retries++;
        task->sent = false;
        stat_add(&c->worker->stats, STAT_RETRIES, 1);
        client_to(c, CLIENT_FITTING);
        client_run(c);
        return;
    }
    transaction_is_gone(c);
    if (c->state == CLIENT_UPLOADING || (task->reply_begun && s->follow.skip > 0)) {
        client_close(c, CLOSE_NODE, rc); /* in the middle of a packet there is no way to say more */
        return;
    }
    if (task->reply_begun) {
        c->sequence = s->follow.next_sequence;
    }
    fail_lost(c, rc, err, close_after);
}

static void on_drained(struct server *s)
{
    struct client *c = s->owner;

    if (c->state == CLIENT_UPLOADING && stream_read_start(&c->stream) != 0) {
        client_close(c, CLOSE_RESET, UV_EPIPE);
    }
}

const struct server_events client_server_events = {
    .on_ready = on_ready,
    .on_unfit = on_unfit,
    .on_bytes = on_bytes,
    .on_track = on_track,
    .on_prepared = on_prepared,
    .on_infile = on_infile,
    .on_number = on_number,
    .on_done = on_done,
    .on_lost = on_lost,
    .on_drained = on_drained,
};
