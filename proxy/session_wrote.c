/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_wrote.c - what a session writes, told to causal.h.
 *
 * Marked before it is sent (or a read that was sent after it might be kept as if before it), and
 * when it is answered, before the client has a byte of the answer: the client may tell others at
 * once, and they may be served by another thread.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "protocol/command.h"
#include "proxy/client_stmt.h"
#include "proxy/session.h"
#include "router/named.h"

/*
 * A locking read or GET_LOCK writes nothing, but marking its tables is harmless: one read on the
 * writer.
 */
static bool may_write(const struct task *task)
{
    const struct facts *f = &task->facts;

    if (!task_is_statement(task)) {
        return false;
    }
    switch (f->verb) {
    case VERB_SET:
    case VERB_USE:
    case VERB_BEGIN:
    case VERB_COMMIT:
    case VERB_ROLLBACK:
    case VERB_SAVEPOINT:
    case VERB_RELEASE_SAVEPOINT:
    case VERB_LOCK_TABLES:
    case VERB_UNLOCK_TABLES:
    case VERB_DEALLOCATE:
    case VERB_KILL:
    case VERB_EMPTY:
        return f->sets_back || task->is_unseen || (f->flags & (FACT_MULTI | FACT_RUNS_UNSEEN)) != 0;
    default: return (f->flags & FACT_READ) == 0;
    }
}

/*
 * A transaction ends with COMMIT, but also with BEGIN, SET autocommit, DDL, LOCK TABLES, ... Wider
 * than task_may_commit(): ROLLBACK ends it, too, and what is not seen is taken for the worst.
 */
static bool may_end_transaction(const struct task *task)
{
    const struct facts *f = &task->facts;

    if (!task_is_statement(task)) {
        return false;
    }
    if (f->sets_back || task->is_unseen || (f->flags & (FACT_MULTI | FACT_RUNS_UNSEEN)) != 0) {
        return true;
    }
    switch (f->verb) {
    case VERB_SELECT:
    case VERB_INSERT:
    case VERB_REPLACE:
    case VERB_UPDATE:
    case VERB_DELETE: return false;
    default: return (f->flags & FACT_READ) == 0;
    }
}

/* An error undoes what one such statement did, but for tables that know no transactions. */
static bool is_undone(const struct task *task)
{
    return !may_end_transaction(task) && task->facts.verb != VERB_SELECT;
}

static struct causal_write write_of(const struct session *s, const struct task *task)
{
    return (struct causal_write){
        .facts = &task->facts,
        .schema = client_stmt_schema(s, task),
        .rows = &task->rows,
        .is_stray = task->is_stray,
        .reaches = task->reaches,
        .account = s->account == NULL ? 0 : s->account->id,
    };
}

/*
 * --- schemas that are named, where the tables are not sure -------------------------------------
 */

struct named {
    struct session *session;
    struct causal *causal;      /* marked here, or */
    struct causal_marks *marks; /* remembered here */
    bool is_stray;
};

static void on_name(void *arg, struct slice name)
{
    const struct named *n = arg;

    if (n->marks != NULL) {
        causal_remember_schema(n->marks, name);
    } else {
        causal_mark_schema(n->causal, &n->session->written, name, n->is_stray);
    }
}

/* CALL other.p(), or USE other; UPDATE t: the session's schema is not all that may be written. */
static void look_for_schemas(struct named *named, const struct task *task)
{
    if ((task->facts.flags & (FACT_MULTI | FACT_TABLES_UNKNOWN)) != 0) {
        named_schemas(task_text(task), session_sql_mode(named->session), task_is_dynamic(task),
                      on_name, named);
    }
}

static void mark(struct session *s, struct causal *causal, const struct task *task)
{
    struct causal_write write = write_of(s, task);
    struct named named = {.session = s, .causal = causal, .is_stray = task->is_stray};

    causal_mark(causal, &s->written, &write);
    look_for_schemas(&named, task);
}

static void remember(struct session *s, struct causal_marks *marks, const struct task *task)
{
    struct causal_write write = write_of(s, task);
    struct named named = {.session = s, .marks = marks};

    causal_remember(marks, &write);
    look_for_schemas(&named, task);
}

/* --- WSREP_LAST_WRITTEN_GTID() ---------------------------------------------------------------- */

/* A node counted a write: not one that changed nothing, nor of what no other node gets. */
static bool is_counted_write(const struct session *s, const struct task *task,
                             const struct follow *f)
{
    if ((task->facts.flags & (FACT_MULTI | FACT_CREATES_TEMPORARY)) != 0) {
        return false;
    }
    switch (task->facts.verb) {
    case VERB_UPDATE: return f->affected > 0 && (s->caps & CAP_FOUND_ROWS) == 0;
    case VERB_INSERT:
    case VERB_REPLACE:
    case VERB_DELETE:
    case VERB_LOAD: return f->affected > 0;
    default: return (task->facts.flags & FACT_DDL) != 0 && !f->has_warnings;
    }
}

void session_wrote_gtid(struct session *s, const struct task *task, const struct follow *f,
                        uint64_t server_id)
{
    bool is_temporary = (s->pins & BIT(PIN_TEMPORARY_TABLE)) != 0;

    if (f->is_error || !task_is_statement(task)) {
        return;
    }
    if (task->facts.verb == VERB_ROLLBACK) {
        s->gtid_awaits_commit = false; /* to a savepoint: it may have been all */
    } else if (!is_temporary && is_counted_write(s, task, f)) {
        s->gtid_awaits_commit = true;
    } else if (task->facts.verb != VERB_COMMIT) {
        return;
    }
    if (s->gtid_awaits_commit && (s->status & STATUS_IN_TRANS) == 0) {
        s->gtid_server = server_id;
        s->gtid_awaits_commit = false;
    }
}

/* --- a write ---------------------------------------------------------------------------------- */

static struct causal_marks *transaction_of(struct session *s)
{
    struct session_pins *d = s->pin_details;
    bool has_any = d != NULL && (d->written.n > 0 || d->written.n_schemas > 0);

    return has_any ? &d->written : NULL;
}

void session_writes(struct session *s, struct causal *causal,
                    const struct row_key_patterns *patterns, struct task *task, uint64_t now_ms)
{
    task->is_marked = false;
    if (may_write(task)) {
        if (task->command == COM_QUERY && !task->is_streaming) { /* a parameter is not seen */
            (void)row_keys_of(&task->facts, task_text(task), session_sql_mode(s), patterns,
                              &task->rows);
        }
        mark(s, causal, task);
        s->written_ms = now_ms;
    }
}

void session_answers(struct session *s, struct causal *causal, struct task *task)
{
    struct causal_marks *marks = transaction_of(s);

    if (may_write(task)) {
        mark(s, causal, task);
    }
    if (marks != NULL) {
        marks->is_stray |= task->is_stray; /* its COMMIT may be, though its writes were not */
    }
    if (marks != NULL && may_end_transaction(task)) {
        causal_mark_again(causal, marks);
    }
    task->is_marked = true;
}

void session_wrote(struct session *s, struct causal *causal, struct task *task, bool is_error,
                   uint64_t now_ms)
{
    struct causal_marks *marks = transaction_of(s);
    bool is_again = task->is_marked && may_end_transaction(task);

    if (!task->is_marked) {
        session_answers(s, causal, task);
    }
    if (may_write(task) || marks != NULL) {
        s->written_ms = now_ms;
    }
    if ((s->status & STATUS_IN_TRANS) == 0) {
        if (marks != NULL && !is_again) {
            causal_mark_again(causal, marks);
        }
        if (marks != NULL) {
            *marks = (struct causal_marks){.n = 0};
        }
    } else if (may_write(task) && !(is_error && is_undone(task))) {
        remember(s, &session_details(s)->written, task);
    }
}

void session_wrote_in_doubt(struct session *s, struct causal *causal, const struct task *task)
{
    struct causal_marks *marks = transaction_of(s);
    uint64_t until_us = clock_now_us() + (uint64_t)SESSION_DOUBT_MS * 1000;
    bool is_sent = task != NULL && task->sent;
    struct causal_marks doubt = {.n = 0};

    if (is_sent && may_write(task)) {
        mark(s, causal, task);
        if ((s->status & STATUS_IN_TRANS) == 0 || may_end_transaction(task)) {
            remember(s, &doubt, task);
            causal_doubt(causal, &doubt, until_us);
        }
    }
    if (marks != NULL) {
        if (is_sent && may_end_transaction(task)) {
            causal_doubt(causal, marks, until_us);
        } else { /* it is rolled back, but not what knows no transactions */
            causal_mark_again(causal, marks);
        }
        *marks = (struct causal_marks){.n = 0};
    }
}

uint64_t session_written(const struct session *s, uint64_t now_ms, uint64_t life_ms)
{
    bool is_old = life_ms != 0 && now_ms > s->written_ms + life_ms;

    return is_old && (s->status & STATUS_IN_TRANS) == 0 ? 0 : s->written;
}

uint64_t session_window_us(const struct account *account, int64_t rule_ms, int64_t default_ms)
{
    int64_t user_ms = atomic_load_explicit(&account->causal_window_ms, memory_order_relaxed);
    int64_t window_ms = rule_ms >= 0 ? rule_ms : user_ms >= 0 ? user_ms : default_ms;

    return (uint64_t)window_ms * 1000;
}
