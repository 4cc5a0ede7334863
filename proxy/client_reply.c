/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_reply.c - what the server connection tells its client: bytes, session changes, the end.
 * Its loss: client_lost.c.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_again.h"
#include "proxy/client_cache.h"
#include "proxy/client_causal.h"
#include "proxy/client_confirm.h"
#include "proxy/client_homes.h"
#include "proxy/client_lost.h"
#include "proxy/client_run.h"
#include "proxy/client_stmt.h"
#include "proxy/client_track.h"
#include "proxy/client_user.h"
#include "proxy/figures_client.h"
#include "proxy/local.h"
#include "proxy/rights.h"
#include "proxy/rules_apply.h"
#include "proxy/warnings.h"

#define ERR_PACKET_MAX 256 /* bytes of an ERR that ends a reply: a node's, and ours instead */

/* --- what the connection tells ---------------------------------------------------------------- */

/* By a rule's delay, or by the same read of another client: it goes on when that is over. */
static bool is_held_back(const struct client *c)
{
    return c->state == CLIENT_DELAYED || c->state == CLIENT_JOINED;
}

static void on_ready(struct server *s)
{
    struct client *c = s->owner;

    if (c->task == NULL) { /* a question of ours was answered */
        client_release_if_free(c);
        if (c->state == CLIENT_IDLE) {
            client_input(c); /* what waited until the node had taken all */
        }
    } else if (c->state == CLIENT_UPLOADING) {
        /* COM_STMT_SEND_LONG_DATA, which has no reply: what went ahead of it was answered; or its
         * command is over, and only its rest is still read */
    } else if (c->task->waits_for_id) {
        c->task->waits_for_id = false;
        client_run(c);
    } else if (!client_is_confirming(c->task) && !is_held_back(c)) {
        client_fit_and_send(c);
    }
}

static void on_unfit(struct server *s, const struct err *err)
{
    struct client *c = s->owner;

    if (client_drops_rest(c) || client_left_unready(c, s->node, err)) {
        return;
    }
    if (c->task->is_fit_only) {
        c->task->new_schema->known_until_ms = 0;
    } else if (c->session.schema != NULL) {
        c->session.schema->known_until_ms = 0;
    }
    client_end_with_error(c, err->number, err->sqlstate, err->message);
}

/* In front of its statement that is its answer. Behind it, it has one: the next command is told. */
static bool on_aborted(struct server *s, const struct err *err)
{
    struct client *c = s->owner;

    if (!session_in_transaction(&c->session) && (s->status & STATUS_IN_TRANS) == 0) {
        return false;
    }
    if (c->task == NULL || c->task->is_capture || c->task->sent) {
        c->is_aborted = true;
        return false;
    }
    client_transaction_aborted(c);
    client_end_with_error(c, err->number, err->sqlstate, err->message);
    return true;
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

/* The reply is an error: its text goes into the figures. */
static bool is_error(const struct task *task, const uv_buf_t *bufs)
{
    return !task->reply_begun && bufs[0].len > PACKET_HEADER &&
           (uint8_t)bufs[0].base[PACKET_HEADER] == 0xff;
}

/* Returns false when the client is lost. */
static bool pass_on(struct server *s, struct client *c, const uv_buf_t *bufs, unsigned n)
{
    struct task *task = c->task;
    int rc;

    if (task->refused != 0) {
        return true;
    }
    if (wants_peek(task) || is_error(task, bufs)) {
        peek(task, bufs, n);
    }
    if (UNLIKELY(is_error(task, bufs)) && client_is_refused(c, s, bufs, n)) {
        return true;
    }
    task->reply_begun = true;
    if (task->gathered != NULL) {
        client_cache_bytes(c, bufs, n);
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
    return rc >= 0;
}

/*
 * The ERR packet of an interrupted statement that the bytes end with, perhaps behind columns; its
 * offset, or len.
 */
static size_t find_interrupted(const uint8_t *bytes, size_t len)
{
    size_t from = len > ERR_PACKET_MAX ? len - ERR_PACKET_MAX : 0;
    struct err err;

    for (size_t at = from; at + PACKET_HEADER < len; at++) {
        if (packet_length(bytes + at) == len - at - PACKET_HEADER &&
            err_decode(&err, bytes + at + PACKET_HEADER, len - at - PACKET_HEADER) == 0 &&
            err.number == err_number(ERR_INTERRUPTED) &&
            strcmp(err.sqlstate, err_sqlstate(ERR_INTERRUPTED)) == 0) {
            return at;
        }
    }
    return len;
}

/* A node says no more than that a statement was interrupted: who waited for it is told by what. */
static void tell_timeout(struct server *s, struct client *c, const uv_buf_t *bufs, unsigned n)
{
    uv_buf_t last = bufs[n - 1];
    size_t at = find_interrupted((const uint8_t *)last.base, last.len);
    uint8_t bytes[ERR_PACKET_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    char text[160];
    uv_buf_t told;

    if (at == last.len) {
        (void)pass_on(s, c, bufs, n);
        return;
    }
    rules_timeout_text(c->task, text, sizeof(text));
    (void)err_encode(&w, err_number(ERR_INTERRUPTED), err_sqlstate(ERR_INTERRUPTED), slice_of(text),
                     (uint8_t)last.base[at + 3]);
    told = uv_buf_init((char *)bytes, (unsigned)w.len);
    last.len = at;
    if ((n == 1 || pass_on(s, c, bufs, n - 1)) && (at == 0 || pass_on(s, c, &last, 1))) {
        (void)pass_on(s, c, &told, 1);
    }
}

/*
 * A file that its client does not read was empty for the node: what it says of that is no answer.
 */
static void tell_no_file(struct server *s, struct client *c, const uv_buf_t *bufs, unsigned n)
{
    uint8_t bytes[ERR_PACKET_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    uv_buf_t told;

    if (c->task->said_no_file) {
        return;
    }
    if (c->task->reply_begun || is_error(c->task, bufs)) {
        (void)pass_on(s, c, bufs, n);
        return;
    }
    c->task->said_no_file = true;
    (void)err_encode(&w, err_number(ERR_LOCAL_INFILE), err_sqlstate(ERR_LOCAL_INFILE),
                     slice_of(err_text(ERR_LOCAL_INFILE)), (uint8_t)bufs[0].base[3]);
    told = uv_buf_init((char *)bytes, (unsigned)w.len);
    (void)pass_on(s, c, &told, 1);
}

/* Of a command of which it has a part it can say no more than why it does not take it. */
static bool is_too_early(const struct client *c, const uv_buf_t *bufs)
{
    return c->state == CLIENT_UPLOADING && !c->upload_is_file && !c->task->reply_begun &&
           !is_error(c->task, bufs);
}

static void on_bytes(struct server *s, const uv_buf_t *bufs, unsigned n)
{
    struct client *c = s->owner;

    if (c->task->is_capture) {
        warnings_add(c, bufs, n);
        return;
    }
    if (UNLIKELY(is_too_early(c, bufs))) {
        server_lost(s, ERR_NODE_PROTOCOL, NULL);
        return;
    }
    client_homes_answers(c, s);
    c->task->is_stray |= client_is_stray(c, s);
    session_answers(&c->session, &c->worker->galeway->causal, c->task);
    rights_answers(c, bufs);
    if ((c->task->facts.flags & FACT_READ) == 0) {
        nodes_wrote(&c->worker->galeway->nodes, clock_now_us());
    }
    if (UNLIKELY(c->task->timed_out)) {
        tell_timeout(s, c, bufs, n);
    } else if (UNLIKELY(c->task->lacks_file)) {
        tell_no_file(s, c, bufs, n);
    } else {
        (void)pass_on(s, c, bufs, n);
    }
    if (UNLIKELY(c->state == CLIENT_UPLOADING && c->upload_is_file)) {
        client_upload_kept(c); /* of the file, which a client may send before it is asked for it */
    }
}

static void on_prepared(struct server *s, uint8_t *payload, size_t len)
{
    client_stmt_prepared(s->owner, payload, len);
}

/* A node does not get a file of a client for a statement that asks for none. */
static bool may_want_file(const struct task *task)
{
    return (task->facts.flags & (FACT_LOCAL_INFILE | FACT_MULTI)) != 0 || task->is_unseen ||
           ((task->facts.flags & FACT_RUNS_UNSEEN) != 0 && (task->facts.flags & FACT_READ) == 0);
}

/*
 * It is LOAD DATA LOCAL, if its node wants a file for it, and nothing else that could run behind
 * it.
 */
static bool only_loads(const struct task *task, const struct server *s)
{
    return task_is_dynamic(task) && (task->facts.flags & FACT_MULTI) == 0 && !task->is_unseen &&
           s->follow.results == 0;
}

/*
 * The connection of a client that reads no files may serve one that does, so its node asks where
 * it would have refused. An empty file is loaded and called an error; but in front of other
 * statements, the node would go on with those.
 */
static enum server_file on_infile(struct server *s)
{
    struct client *c = s->owner;

    if (may_want_file(c->task) && client_may_load_files(c)) {
        client_upload_file(c);
        return SERVER_FILE_PASSED;
    }
    if (!only_loads(c->task, s)) {
        return SERVER_FILE_REFUSED;
    }
    c->task->lacks_file = true;
    return SERVER_FILE_EMPTY;
}

/* The id may be asked for when the next task is there already. */
static void on_number(struct server *s, enum expect_what what, uint64_t number)
{
    struct client *c = s->owner;

    if (what == EXPECT_FOUND_ROWS) {
        if (!c->session.found_rows_known || /* asked for in front of the next statement */
            session_counted_rows(c->task, &s->outcome)) {
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
    const struct facts *f = &c->task->facts;
    struct galeway *g = c->worker->galeway;
    if ((f->flags & FACT_CHANGES_SCHEMA) != 0 || f->verb == VERB_DROP) {
        atomic_fetch_add(&g->schema_epoch, 1);
    }
    /* Not DROP: who is left in a schema that is gone goes on there, as on a node. */
    if ((f->flags & FACT_CHANGES_SCHEMA) != 0 && f->runs != VERB_DROP) {
        atomic_fetch_add(&g->schema_changes, 1);
    }
}

/*
 * What a node in trouble says. One such error is nothing; the monitor finds out, and asks no more
 * than it must.
 */
static void notice_error(const struct client *c, const struct server *s)
{
    enum { ER_LOCK_WAIT = 1205, ER_SHUTDOWN = 1053 };

    if (s->outcome.error == ER_LOCK_WAIT || s->outcome.error == ER_SHUTDOWN) {
        nodes_poke(&c->worker->galeway->nodes, s->node);
    }
}

/*
 * Answered before all of it was sent: the rest would be taken for commands. A node that refuses a
 * packet that is too large for it ends the connection, and with it what the session had there.
 */
static void leave_uploading(struct client *c, struct server *s, uint32_t pins)
{
    c->server = NULL;
    c->upload_discards = true;
    server_close(s, "it answered before a long command had ended", 0);
    session_unpin_all(&c->session, ~pins); /* what the command itself may have left is gone, too */
    if (client_lost_state(&c->session)) {
        client_close_after_write(c, CLOSE_NODE);
    } else if (stream_read_start(&c->stream) != 0) { /* it stopped when the node was too slow */
        client_close(c, CLOSE_RESET, UV_EPIPE);
    } else {
        client_lost_idle(c);
    }
}

void client_after_reply(struct client *c, struct server *s)
{
    struct task *task = c->task;
    struct profile *before = profile_ref(s->profile); /* with which it was sent */

    figures_done(c, s);
    if (UNLIKELY(s->outcome.is_error)) {
        notice_error(c, s);
    }
    session_after(&c->session, s, task, &s->outcome);
    if ((c->warnings != NULL || c->said != NULL) &&
        (s->outcome.is_error || s->outcome.has_warnings || task->facts.n_tables > 0)) {
        warnings_drop(c);
    }
    if (task->stmt != NULL) {
        client_stmt_after(c, &s->outcome);
    }
    server_follows_session(c, s);
    client_track_done(c, s);
    if (c->state == CLIENT_UPLOADING) {
        profile_unref(&c->worker->pool.profiles, before);
        return;
    }
    session_wrote(&c->session, &c->worker->galeway->causal, task, s->outcome.is_error,
                  c->worker->now_ms);
    if ((task->facts.flags & FACT_READ) == 0) {
        client_homes_wrote(c, s);
    }
    forget_schemas(c);
    if (!s->outcome.is_error) {
        client_user_after(c);
    }
    rules_after(c, s);
    local_learn(c, before);
    if (task->gathered != NULL) {
        client_cache_done(c, s);
    }
    profile_unref(&c->worker->pool.profiles, before);
}

/*
 * It ended as its client was told; for its node it did not, which counts otherwise and has no
 * warning.
 */
static void after_no_file(struct client *c, struct server *s)
{
    s->outcome.is_error = true;
    s->outcome.error = err_number(ERR_LOCAL_INFILE);
    client_after_reply(c, s);
    c->session.numbers_server = 0;
    warnings_said(c, err_number(ERR_LOCAL_INFILE), err_sqlstate(ERR_LOCAL_INFILE),
                  slice_of(err_text(ERR_LOCAL_INFILE)));
}

/*
 * What the session's status is, the reply does not tell: SELECT FOUND_ROWS() does, and gives its
 * number. True: on_done comes again.
 */
static bool asks_status(struct client *c, struct server *s)
{
    struct task *task = c->task;

    if (LIKELY(!session_doubts_status(&c->session, task, &s->outcome)) || s->status_is_late ||
        c->state != CLIENT_RUNNING || s->kill_pending /* it would hit the question */) {
        return false;
    }
    if (task->status_asked || client_ask_found_rows(s) < 0) {
        s->statement_sent = true; /* its client has the whole answer */
        server_lost(s, ERR_NODE_LOST, NULL);
        return true;
    }
    task->status_asked = true;
    task->is_open_ended = task->hides_found_rows = false;
    return true;
}

static void on_done(struct server *s)
{
    struct client *c = s->owner;
    struct task *task = c->task;
    uint32_t pins = c->session.pins;
    bool closes;

    if (task->is_capture) {
        warnings_fetched(c, s->outcome.is_error);
        client_task_end(c);
        return;
    }
    if (task->refused != 0) {
        client_run_again(c);
        return;
    }
    if (asks_status(c, s)) {
        return;
    }
    if (UNLIKELY(task->said_no_file)) {
        after_no_file(c, s);
    } else {
        client_after_reply(c, s);
    }
    if (c->state == CLIENT_UPLOADING) {
        leave_uploading(c, s, pins);
        return;
    }
    closes = UNLIKELY(task->not_ready) && client_not_ready(c, s) && task->sent_ahead;
    c->close_when_drained |= closes; /* what it sent ahead counts on what is gone */
    client_task_end(c);
    if (UNLIKELY(closes) && c->state != CLIENT_CLOSING) {
        client_close_after_write(c, CLOSE_NODE);
    }
}

/* --- the table ------------------------------------------------------------------------------- */

static void on_drained(struct server *s)
{
    struct client *c = s->owner;

    if (c->state == CLIENT_UPLOADING && stream_read_start(&c->stream) != 0) {
        client_close(c, CLOSE_RESET, UV_EPIPE);
    } else if (c->state == CLIENT_IDLE) {
        client_input(c);
    }
}

const struct server_events client_server_events = {
    .on_ready = on_ready,
    .on_unfit = on_unfit,
    .on_aborted = on_aborted,
    .on_bytes = on_bytes,
    .on_track = client_on_track,
    .on_tracking = client_on_tracking,
    .on_settled = client_on_settled,
    .on_prepared = on_prepared,
    .on_infile = on_infile,
    .on_number = on_number,
    .on_done = on_done,
    .on_lost = client_on_lost,
    .on_drained = on_drained,
};
