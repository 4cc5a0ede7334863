/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_send.c - bring a server connection to what the task wants, and send the task.
 *
 * What makes it fit is pipelined in front of the statement where that cannot fail (server_fit.c);
 * questions whose answers only this connection knows follow behind it.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_cache.h"
#include "proxy/client_causal.h"
#include "proxy/client_lost.h"
#include "proxy/client_run.h"
#include "proxy/client_stmt.h"
#include "proxy/client_track.h"
#include "proxy/local.h"
#include "proxy/numbers.h"
#include "proxy/schema_hides.h"
#include "proxy/schema_look.h"
#include "proxy/warnings.h"
#include "proxy/worker.h"

#define PREFIX_BYTES 16384
#define SETTLE_BYTES 2048 /* SET_MAX_ASSIGNMENTS names, twice */

/*
 * The session has no warnings, but the connection may have another's: only a statement with a table
 * clears them.
 */
#define CLEAR_DIAGNOSTICS "SELECT 1 FROM information_schema.ENGINES LIMIT 0"

static const char question_found_rows[] = "\x14\0\0\0\x03SELECT FOUND_ROWS()";

/* --- what the session needs ------------------------------------------------------------------ */

/* A statement behind a semicolon, even an empty one, is answered by a reply of its own. */
static bool may_be_multi(const struct task *task)
{
    return (task->facts.flags & FACT_MULTI) != 0 || task->is_unseen ||
           (task->command == COM_QUERY && memchr(task->bytes, ';', task->len) != NULL);
}

/* In a transaction it is not taken back for a statement that has no need of it. */
static bool stays_multi(const struct client *c)
{
    return session_in_transaction(&c->session) && c->server != NULL && c->server->multi_statements;
}

struct want client_want(const struct client *c)
{
    const struct session *s = &c->session;
    const struct task *task = c->task;

    return (struct want){
        .hostgroup = task->route.hostgroup,
        .account = s->account,
        .schema = task->is_fit_only ? task->new_schema : s->schema,
        .ask_schema = task->is_fit_only && !task->schema_asked,
        .profile = s->profile,
        .caps = s->caps & CAPS_OF_IDENTITY,
        .multi_statements =
            (s->caps & CAP_MULTI_STATEMENTS) != 0 && (may_be_multi(task) || stays_multi(c)),
        .is_new = task->verdict.new_connection,
        .fresh = s->profile->wants_fresh || (task->facts.flags & FACT_SYNC_WAIT) != 0 ||
                 (s->caps & CAPS_UNTIL_RESET) != 0,
        .rights_us = s->rights_us,
    };
}

/* --- sending --------------------------------------------------------------------------------- */

static void write_question(struct writer *w, const char *text, size_t len)
{
    size_t at = packet_begin(w);

    put_u8(w, COM_QUERY);
    put_bytes(w, text, len);
    packet_end(w, at, 0);
}

static bool makes_ids(uint8_t verb)
{
    return verb == VERB_INSERT || verb == VERB_REPLACE || verb == VERB_LOAD || verb == VERB_CALL ||
           verb == VERB_EXECUTE || verb == VERB_CREATE /* ... SELECT */;
}

static bool shows(const struct facts *f, struct slice what)
{
    return f->verb == VERB_SHOW && slice_behind_nocase(f->body, what).data != NULL;
}

/* SHOW VARIABLES, whatever the pattern; the table behind it. */
static bool shows_variables(const struct facts *f)
{
    for (unsigned i = 0; i < f->n_tables; i++) {
        if (slice_eq_nocase(f->tables[i].name, SLICE("session_variables"))) {
            return true;
        }
    }
    return shows(f, SLICE("variables"));
}

/* Reads LAST_INSERT_ID() or may set it. */
static bool concerns_last_id(const struct task *task)
{
    const struct facts *f = &task->facts;

    return (f->flags &
            (FACT_LAST_INSERT_ID | FACT_SETS_INSERT_ID | FACT_MULTI | FACT_RUNS_UNSEEN)) != 0 ||
           makes_ids(f->verb) || makes_ids(f->runs) || shows_variables(f) || task->is_unseen ||
           f->verb == VERB_BEGIN; /* what comes behind it would wait for that */
}

/* A view of its tables may show it, a trigger may use it. */
static bool may_show_last_id(struct client *c)
{
    const struct facts *f = &c->task->facts;

    if (c->session.last_insert_id == 0 || f->n_tables == 0) {
        return false;
    }
    schemas_look(c);
    return (f->flags & FACT_READ) != 0 ? !schemas_are_seen(c) : !schemas_are_plain(c);
}

/*
 * What runs unseen may look at them too: EXECUTE IMMEDIATE 'SHOW WARNINGS'. With a table it clears
 * them itself.
 */
static bool looks_at_diagnostics(const struct facts *f)
{
    return (f->flags & FACT_DIAGNOSTICS) != 0 ||
           ((f->flags & FACT_RUNS_UNSEEN) != 0 && f->n_tables == 0);
}

/*
 * What the statement asks of the connection beyond variables: LAST_INSERT_ID() of the session, no
 * foreign warnings.
 */
static void write_preparation(struct client *c, struct server *s, struct writer *w)
{
    struct session *session = &c->session;
    char text[64];
    int n;

    if (!task_has_reply(c->task)) { /* COM_STMT_EXECUTE follows, and runs it */
        return;
    }
    if (session->last_id_server != s->id && (concerns_last_id(c->task) || may_show_last_id(c))) {
        if (session->last_insert_id != 0) {
            n = snprintf(text, sizeof(text), "SET last_insert_id=%llu",
                         (unsigned long long)session->last_insert_id);
            write_question(w, text, (size_t)n);
            server_expect(s, EXPECT_SET, FOLLOW_RESULT);
        }
        session->last_id_server = s->id;
    }
    client_track_prepare(c, s, w);
    if (looks_at_diagnostics(&c->task->facts) && (session->pins & BIT(PIN_WARNINGS)) == 0 &&
        !warnings_raise(c, s, w)) {
        write_question(w, CLEAR_DIAGNOSTICS, sizeof(CLEAR_DIAGNOSTICS) - 1);
        server_expect(s, EXPECT_SET, FOLLOW_RESULT);
    }
    numbers_prime(c, s, w);
}

bool client_counts_rows(const struct facts *f)
{
    return (f->flags & (FACT_CALC_FOUND_ROWS | FACT_MULTI | FACT_INTO)) != 0 ||
           f->runs == VERB_CALL || f->runs == VERB_EXECUTE || f->runs == VERB_VALUES ||
           f->verb == VERB_ANALYZE || f->verb == VERB_EXPLAIN ||
           ((f->n_tables > 1 || f->has_select) &&
            (f->runs == VERB_INSERT || f->runs == VERB_REPLACE));
}

/* Of a cursor's rows none came yet, but they are counted. */
static bool counts_rows(const struct task *task)
{
    return task->follow == FOLLOW_CURSOR ||
           (task->follow == FOLLOW_RESULT && client_counts_rows(&task->facts));
}

bool client_asks_found_rows(const struct task *task)
{
    return counts_rows(task) && !task->is_open_ended && task_has_reply(task);
}

/* The clock of a statement's own timeout begins when it is sent. */
static bool set_timeout(struct client *c)
{
    struct worker *w = c->worker;
    int64_t timeout = c->task->verdict.timeout_ms;

    if (LIKELY(timeout <= 0) || !task_has_reply(c->task) ||
        alarm_set(&w->alarms, &c->alarm, w->now_ms + (uint64_t)timeout) == 0) {
        return true;
    }
    client_close(c, CLOSE_MEMORY, ERR_MEMORY);
    return false;
}

static void after_send(struct client *c, struct server *s)
{
    struct task *task = c->task;

    if (!set_timeout(c)) {
        return;
    }
    client_cache_sent(c, s);
    s->statements++;
    s->traffic->statements++;
    task->sent = true;
    task->sent_ms = c->worker->now_ms;
    task->view = atomic_load_explicit(&s->node->shared.view, memory_order_relaxed);
    stat_add(&c->worker->stats, task->route.is_writer ? STAT_TO_WRITER : STAT_TO_READER, 1);
    if (task->is_streaming) {
        client_upload_begin(c, task->upload_left, task->payload == PACKET_MAX);
    } else if (!task_has_reply(task)) {
        client_task_end(c);
    } else {
        client_to(c, CLIENT_RUNNING);
    }
}

/*
 * Does it change something of the session itself, and name tables that may be views, or have
 * triggers, which change more? The node only says that something changed.
 */
static bool may_hide(struct client *c)
{
    const struct facts *f = &c->task->facts;
    bool changes = f->sets_back || f->verb == VERB_SET || (f->flags & FACT_CREATES_TEMPORARY) != 0;
    bool shows_all = (f->flags & FACT_CREATES_TEMPORARY) != 0 && f->n_tables == 1 &&
                     slice_behind_nocase(f->body, SLICE("select")).data == NULL;

    if (!changes || shows_all || (f->n_tables == 0 && (f->flags & FACT_TABLES_UNKNOWN) == 0)) {
        return false;
    }
    schemas_look(c);
    return (f->flags & FACT_TABLES_UNKNOWN) != 0 || !schemas_are_plain(c);
}

/*
 * What runs unseen may be LOAD DATA LOCAL as well (EXECUTE can run it since 10.6), for which its
 * node asks every client where we offer that.
 */
static bool is_open_ended(const struct task *task, const struct server *s)
{
    return task->is_streaming || task->is_unseen || (task->facts.flags & FACT_LOCAL_INFILE) != 0 ||
           ((task->facts.flags & FACT_RUNS_UNSEEN) != 0 && s->offers_files);
}

/* A node that only prepares it runs none of it. A rule may say that it leaves nothing. */
static void note_hidden(const struct client *c)
{
    struct task *task = c->task;

    task->hides = HIDES_NOTHING;
    task->reaches = false;
    if (task->command != COM_STMT_PREPARE) {
        enum schema_hides hides = schemas_hide(c, &task->reaches);

        task->hides = task->verdict.multiplex == 2 ? (uint8_t)HIDES_NOTHING : (uint8_t)hides;
    }
}

/*
 * In a transaction what goes ahead of the statement is answered before that is sent. Galera may
 * have aborted it: the next command is told so, whatever it is, and what is behind that runs
 * outside of the transaction. A COM_PING is the one that has nothing to lose by it.
 */
static void send_ahead(struct client *c, struct server *s, const struct writer *prefix)
{
    static const char ping[] = "\x01\0\0\0\x0e";
    uv_buf_t bufs[2] = {uv_buf_init((char *)(uintptr_t)ping, sizeof(ping) - 1),
                        uv_buf_init((char *)prefix->base, (unsigned)prefix->len)};

    server_expect_first(s, EXPECT_TRANSACTION, FOLLOW_ONE);
    client_to(c, CLIENT_FITTING);
    if (server_write(s, bufs, 2) < 0) {
        server_lost(s, ERR_NODE_LOST, NULL);
    }
}

/*
 * What the statement needs of the connection: written to prefix. False = something of it was sent,
 * whose answer comes first, or the client is lost.
 */
static bool make_ready(struct client *c, struct server *s, struct writer *prefix, uv_buf_t *body)
{
    struct task *task = c->task;
    int rc = 0;

    *body = uv_buf_init((char *)task->bytes, (unsigned)task->len);
    if (!task->is_ready) {
        write_preparation(c, s, prefix);
        rc = task->stmt != NULL ? client_stmt_bytes(c, s, prefix, body) : 0;
    }
    if (rc != 0 || prefix->failed) {
        /* Replies are expected to what was never sent: it serves nobody any more. */
        server_close(s, "a statement could not be made ready", rc != 0 ? rc : ERR_LIMIT);
        client_lost_unsent(c, s, rc != 0 ? rc : ERR_LIMIT);
        return false;
    }
    if (LIKELY(prefix->len == 0 || !session_in_transaction(&c->session))) {
        return true;
    }
    task->is_ready = true;
    send_ahead(c, s, prefix);
    return false;
}

static void send_task(struct client *c, struct server *s, struct writer *prefix)
{
    struct task *task = c->task;
    uint8_t behind[SETTLE_BYTES];
    struct writer suffix = writer_of(behind, sizeof(behind));
    uv_buf_t bufs[4];
    unsigned n = 0;
    int rc;

    if (!make_ready(c, s, prefix, &bufs[1])) {
        return;
    }
    task->is_open_ended = is_open_ended(task, s);
    task->hides_found_rows = task->is_open_ended && counts_rows(task);
    task->is_stray = client_is_stray(c, s);
    task->may_hide = may_hide(c);
    note_hidden(c);
    session_leaves(s, task);
    session_writes(&c->session, &c->worker->galeway->causal, &c->worker->snapshot->row_patterns,
                   task, c->worker->now_ms);
    if ((task->facts.flags & FACT_READ) == 0) {
        nodes_wrote(&c->worker->galeway->nodes, clock_now_us());
    }
    if (prefix->len > 0) {
        bufs[n++] = uv_buf_init((char *)prefix->base, (unsigned)prefix->len);
    }
    bufs[n] = bufs[1];
    n++;
    if (task_has_reply(task)) {
        server_expect(s, EXPECT_REPLY, (enum follow_kind)task->follow);
    }
    task->numbers_at = s->n_commands;
    if (client_asks_found_rows(task)) {
        bufs[n++] =
            uv_buf_init((char *)(uintptr_t)question_found_rows, sizeof(question_found_rows) - 1);
        server_expect(s, EXPECT_FOUND_ROWS, FOLLOW_RESULT);
    }
    client_track_settle(c, s, &suffix);
    CHECK(!suffix.failed);
    if (suffix.len > 0) {
        bufs[n++] = uv_buf_init((char *)behind, (unsigned)suffix.len);
    }
    rc = server_write(s, bufs, n);
    if (rc < 0) {
        task->sent = rc == UV_ENOMEM; /* some of it may have left; of other errors nothing has */
        task->sent_ms = task->sent ? c->worker->now_ms : task->sent_ms;
        server_lost(s, ERR_NODE_LOST, NULL);
        return;
    }
    after_send(c, s);
}

/* The client hears of it when it is done: nobody may see its locks after that. */
static void wipe(struct client *c, struct server *s)
{
    if (c->task->sent) {
        client_wiped(c);
        return;
    }
    c->task->sent = true;
    client_to(c, CLIENT_FITTING);
    if (server_wipe(s) < 0) {
        server_lost(s, ERR_NODE_LOST, NULL);
    }
}

/*
 * What could not be asked behind the last statement (task->is_open_ended) is asked in front of this
 * one. True = this one waits for it.
 */
static bool asks_first(struct client *c, struct server *s)
{
    const struct session *session = &c->session;
    uint8_t bytes[SETTLE_BYTES];
    struct writer w = writer_of(bytes, sizeof(bytes));
    uv_buf_t buf;

    if (LIKELY(session->found_rows_known && !session->is_tracking_unknown)) {
        return false;
    }
    if (!session->found_rows_known && session->numbers_server == s->id &&
        session->numbers_at == s->n_commands && c->task->facts.local != LOCAL_FOUND_ROWS) {
        put_bytes(&w, question_found_rows, sizeof(question_found_rows) - 1);
        server_expect(s, EXPECT_FOUND_ROWS, FOLLOW_RESULT);
    }
    client_track_ask(c, s, &w);
    CHECK(!w.failed);
    if (w.len == 0) {
        return false;
    }
    client_to(c, CLIENT_FITTING);
    buf = uv_buf_init((char *)bytes, (unsigned)w.len);
    if (server_write(s, &buf, 1) < 0) {
        server_lost(s, ERR_NODE_LOST, NULL);
    }
    return true;
}

/*
 * It asks for what only a connection knew which is gone, or another's now: the session's older one
 * is no answer.
 */
static bool asks_what_is_lost(struct client *c, const struct server *s)
{
    const struct session *session = &c->session;
    uint32_t flags = c->task->facts.flags;
    const char *what = NULL;
    char text[160];

    if (UNLIKELY(c->task->facts.asks_gtid) && task_is_statement(c->task) &&
        session->gtid_server != s->id) {
        client_task_failed(c, ERR_NO_WRITTEN_GTID);
        return true;
    }
    if (LIKELY((flags & (FACT_LAST_INSERT_ID | FACT_FOUND_ROWS)) == 0) ||
        !task_is_statement(c->task)) {
        return false;
    }
    if ((flags & FACT_LAST_INSERT_ID) != 0 && session->last_id_lost) {
        what = "LAST_INSERT_ID()";
    } else if ((flags & FACT_FOUND_ROWS) != 0 && !session->found_rows_known &&
               (session->numbers_server != s->id || session->numbers_at != s->n_commands)) {
        what = "FOUND_ROWS()";
    } else {
        return false;
    }
    (void)snprintf(text, sizeof(text), "%s: only that connection knew %s", err_text(ERR_NODE_LOST),
                   what);
    client_end_with_error(c, err_number(ERR_NODE_LOST), err_sqlstate(ERR_NODE_LOST),
                          slice_of(text));
    return true;
}

/*
 * On its connection are some that no profile has: a change there and back would not bring them
 * back.
 */
static bool has_unknown_variables(const struct session *s)
{
    return s->is_untracked ||
           (s->pins & (BIT(PIN_VARIABLE) | BIT(PIN_ROUTINE) | BIT(PIN_UNKNOWN_STATE))) != 0;
}

/*
 * Is the task's statement (if any) prepared on s? 0 = yes. 1 = it is to be, with the schema and
 * variables that are in want now: as its client did, as far as that ends nothing that the session
 * has on s, since nothing takes a connection its schema away but a change of user. -1 = it cannot
 * be; the client has the error.
 */
static int place_statement(struct client *c, struct server *s, struct want *want)
{
    struct client_stmt *stmt = c->task->stmt;

    if (LIKELY(client_stmt_is_ready(c, s))) {
        return 0;
    }
    if (stmt->schema == NULL && session_is_pinned(&c->session)) {
        stmt->schema = want->schema; /* its tables name theirs: without, it had failed */
    }
    if (stmt->profile != want->profile && has_unknown_variables(&c->session)) {
        profile_unref(&c->worker->pool.profiles, stmt->profile);
        stmt->profile = profile_ref(want->profile);
    }
    if (client_stmt_is_ready(c, s)) {
        return 0;
    }
    if (stmt->schema != NULL && want->schema == NULL) {
        client_task_failed(c, ERR_NO_SCHEMA_CHOSEN);
        return -1;
    }
    want->schema = stmt->schema;
    want->profile = stmt->profile;
    return 1;
}

int client_ask_found_rows(struct server *s)
{
    uv_buf_t buf =
        uv_buf_init((char *)(uintptr_t)question_found_rows, sizeof(question_found_rows) - 1);

    s->statement_sent = true;
    server_expect(s, EXPECT_FOUND_ROWS, FOLLOW_RESULT);
    return server_write(s, &buf, 1);
}

/* The connection is there: bring it to what is wanted, then send. */
void client_fit_and_send(struct client *c)
{
    uint8_t bytes[PREFIX_BYTES];
    struct writer prefix = writer_of(bytes, sizeof(bytes));
    struct server *s = c->server;
    struct want want = client_want(c);
    bool must_prepare;
    int rc;

    server_serves(s, c->task->route.hostgroup);
    if (s->state != SERVER_LENT || s->n_expects > 0 || s->kill_pending) {
        client_to(
            c,
            CLIENT_FITTING); /* it connects, or owes an answer to us, or KILL would hit the wrong statement */
        return;
    }
    if (c->task->is_wipe) {
        wipe(c, s);
        return;
    }
    if (c->task->is_killed) {
        client_task_failed(c, ERR_INTERRUPTED);
        return;
    }
    if (asks_first(c, s) || asks_what_is_lost(c, s)) {
        return;
    }
    rc = place_statement(c, s, &want);
    if (rc < 0) {
        return;
    }
    must_prepare = rc == 1;
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
        c->task->schema_asked = server_asks_schema(s);
        client_to(c, CLIENT_FITTING);
        return;
    }
    if (rc < 0) {
        client_lost_unsent(c, s, rc);
        return;
    }
    if (c->task->is_fit_only) {
        struct schema *schema = c->task->new_schema;

        if (prefix.len >
            0) { /* its replies are on their way: the connection is kept until they are in */
            uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)prefix.len);

            if (server_write(s, &buf, 1) < 0) {
                server_lost(s, ERR_NODE_LOST, NULL);
                return;
            }
        }
        client_schema_accepted(c, schema);
        return;
    }
    send_task(c, s, &prefix);
}
