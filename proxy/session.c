/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - see session.h.
 */
#include "proxy/session.h"

#include <xxhash.h>

#include "base/mem.h"
#include "pool/pool.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_stmt.h"
#include "proxy/figures.h"

/* --- pins ------------------------------------------------------------------------------------ */

struct session_pins *session_details(struct session *s)
{
    static _Thread_local struct session_pins forgotten;

    if (s->pin_details == NULL) {
        s->pin_details = mem_try(MEM_CLIENT, sizeof(*s->pin_details));
        if (s->pin_details == NULL) {
            s->lacks_memory = true;
            memset(&forgotten, 0, sizeof(forgotten));
            return &forgotten;
        }
        memset(s->pin_details, 0, sizeof(*s->pin_details));
    }
    return s->pin_details;
}

void session_pin(struct session *s, enum pin pin, uint64_t digest, uint64_t now_ms)
{
    if ((s->pins & BIT(pin)) == 0) {
        s->pins |= BIT(pin);
        session_details(s)->origins[pin] = (struct pin_origin){digest, now_ms};
        if (s->figures != NULL) {
            figures_pinned(s->figures, s->account->shown, pin, digest, now_ms);
        }
    }
}

void session_unpin(struct session *s, enum pin pin)
{
    if ((s->pins & BIT(pin)) == 0) {
        return;
    }
    s->pins &= ~BIT(pin);
    if (s->figures != NULL) {
        const struct pin_origin *origin = &session_details(s)->origins[pin];

        figures_unpinned(s->figures, s->account->shown, pin, origin->digest, origin->since_ms);
    }
}

void session_unpin_all(struct session *s, uint32_t pins)
{
    for (unsigned pin = 0; pin < PIN_COUNT && (s->pins & pins) != 0; pin++) {
        if ((pins & BIT(pin)) != 0) {
            session_unpin(s, (enum pin)pin);
        }
    }
}

static void set_pin(struct session *s, bool on, enum pin pin, uint64_t digest, uint64_t now_ms)
{
    if (on) {
        session_pin(s, pin, digest, now_ms);
    } else {
        session_unpin(s, pin);
    }
}

void session_said(struct session *s, int64_t row_count, bool rows)
{
    s->row_count = row_count;
    if (rows || s->found_rows_known) { /* else it is the one to be asked */
        s->numbers_server = 0;
    }
    if (rows) {
        s->found_rows = 1;
        s->found_rows_known = true;
    }
}

void session_reset(struct session *s, struct profiles *profiles, struct profile *profile,
                   uint16_t status)
{
    session_unpin_all(s, s->pins);
    profile_unref(profiles, s->profile);
    mem_free(MEM_CLIENT, s->pin_details);
    s->profile = profile;
    s->pin_details = NULL;
    s->last_insert_id = 0;
    s->found_rows_known = true; /* and survives COM_RESET_CONNECTION and COM_CHANGE_USER (10.11) */
    s->row_count = 0;
    s->written = s->written_ms = 0;
    s->last_id_server = 0;
    s->numbers_server = 0;
    s->gtid_server = 0;
    s->gtid_awaits_commit = false;
    s->is_untracked = s->is_tracking_unknown = false;
    s->completion_unknown = false;
    s->last_id_unknown = s->last_id_lost = false;
    s->multiplex_off = s->multiplex_on = false;
    s->flag_in = 0;
    s->caps &= ~CAPS_UNTIL_RESET;
    s->status = (uint16_t)(status | (profile != NULL ? profile->status : 0));
}

/* --- after a statement ----------------------------------------------------------------------- */

/* Is "something changed" explained by what the statement is? */
static bool change_is_known(const struct task *task)
{
    const struct facts *f = &task->facts;

    if ((f->flags & FACT_MULTI) != 0 || task->may_hide) {
        return false; /* of which of them? by whom? */
    }
    if (f->sets_back) { /* what it sets is set back; the rest are pins of their own */
        return (f->flags & FACT_RUNS_UNSEEN) == 0;
    }
    if (f->verb == VERB_SET && task->tracked_known) {
        return true;
    }
    return task->command == COM_INIT_DB || f->verb == VERB_USE || f->verb == VERB_PREPARE ||
           f->verb == VERB_DEALLOCATE ||
           (f->flags & (FACT_CREATES_TEMPORARY | FACT_DROPS_TABLE | FACT_USER_VARIABLE)) != 0;
}

/* Of the very bytes: x and X may be two tables. One too many is only kept for longer. */
static uint64_t temporary_hash(const struct session *s, const struct task *task,
                               const struct table_name *t)
{
    struct slice schema = t->schema.len > 0 ? t->schema : client_stmt_schema(s, task);

    return XXH3_64bits_withSeed(t->name.data, t->name.len, XXH3_64bits(schema.data, schema.len));
}

static void after_create_temporary(struct session *s, const struct task *task)
{
    struct session_pins *d = session_details(s);

    if (task->facts.n_tables == 0 || d->n_temporary == SESSION_TEMPORARY_MAX ||
        (task->facts.flags & FACT_MULTI) != 0) {
        d->temporary_unknown = true;
    } else {
        uint64_t hash = temporary_hash(s, task, &task->facts.tables[0]);

        for (unsigned i = 0; i < d->n_temporary; i++) {
            if (d->temporary[i] == hash) {
                return; /* OR REPLACE, IF NOT EXISTS */
            }
        }
        d->temporary[d->n_temporary++] = hash;
    }
}

static void after_drop(struct session *s, const struct task *task)
{
    struct session_pins *d = s->pin_details;

    for (unsigned t = 0; d != NULL && t < task->facts.n_tables; t++) {
        uint64_t hash = temporary_hash(s, task, &task->facts.tables[t]);

        for (unsigned i = 0; i < d->n_temporary; i++) {
            if (d->temporary[i] == hash) {
                d->temporary[i] = d->temporary[--d->n_temporary];
                break;
            }
        }
    }
}

static void after_temporary(struct session *s, const struct task *task, bool failed,
                            uint64_t now_ms)
{
    /* A failed one may have been made all the same. */
    if ((task->facts.flags & FACT_CREATES_TEMPORARY) != 0) {
        session_pin(s, PIN_TEMPORARY_TABLE, task->facts.digest, now_ms);
        after_create_temporary(s, task);
    } else if ((task->facts.runs == VERB_RENAME || task->facts.runs == VERB_ALTER) &&
               (s->pins & BIT(PIN_TEMPORARY_TABLE)) != 0) {
        session_details(s)->temporary_unknown = true; /* one may have another name now */
    } else if ((task->facts.flags & (FACT_DROPS_TABLE | FACT_MULTI)) == FACT_DROPS_TABLE &&
               !failed && s->pin_details != NULL) { /* the tables of several statements are mixed */
        after_drop(s, task);
        if (s->pin_details->n_temporary == 0 && !s->pin_details->temporary_unknown) {
            session_unpin(s, PIN_TEMPORARY_TABLE);
        }
    }
}

/*
 * A packet of a row of one value, which is 1, in one byte or (utf16 and the like) with zeros around
 * it.
 */
static bool is_one(const uint8_t *packet, size_t len)
{
    size_t value = packet[PACKET_HEADER], ones = 0, zeros = 0;

    for (size_t i = 0; i < value && PACKET_HEADER + 1 + i < len; i++) {
        ones += packet[PACKET_HEADER + 1 + i] == '1';
        zeros += packet[PACKET_HEADER + 1 + i] == 0;
    }
    return packet[0] == value + 1 && ones == 1 && zeros == value - 1;
}

/*
 * The first value of a one-column, one-row text result: "1" means that a lock was taken or
 * released.
 */
static bool peeked_one(const struct session *s, const struct task *task)
{
    unsigned before = (s->caps & CAP_DEPRECATE_EOF) != 0 ? 2 : 3; /* count, column, EOF */
    size_t at = 0;

    for (unsigned packet = 0; packet < before && at + 4 < task->peek_len; packet++) {
        at += 4 + ((size_t)task->peek[at] | (size_t)task->peek[at + 1] << 8 |
                   (size_t)task->peek[at + 2] << 16);
    }
    return at + 6 <= task->peek_len && is_one(task->peek + at, task->peek_len - at);
}

/*
 * Exactly SELECT name(...): then its one value tells what happened. In any other place (an
 * expression, a condition, DO, a prepared statement) the call may have taken a lock that the reply
 * does not show.
 */
static bool is_plain_call(const struct task *task, struct slice name)
{
    struct slice body = task->facts.body;
    size_t at = 7 + name.len;
    unsigned depth = 0;
    char quote = 0;

    if (task->command != COM_QUERY || body.len <= at || (task->facts.flags & FACT_MULTI) != 0 ||
        !slice_eq_nocase((struct slice){body.data, 7}, SLICE("SELECT ")) ||
        !slice_eq_nocase((struct slice){body.data + 7, name.len}, name) || body.data[at] != '(') {
        return false;
    }
    for (; at < body.len; at++) {
        char c = body.data[at];

        if (c == '\\') {
            return false; /* whether it escapes depends on sql_mode: not worth the doubt */
        }
        if (quote != 0) {
            quote = c == quote ? 0 : quote;
        } else if (c == '\'' || c == '"' || c == '`') {
            quote = c;
        } else if (c == '(') {
            depth++;
        } else if (c == ')' && --depth == 0) {
            return at + 1 == body.len;
        }
    }
    return false;
}

/* GET_LOCK('a', (SELECT GET_LOCK('b', 0))) */
static bool is_nested(struct slice body)
{
    const struct slice name = SLICE("get_lock");

    return slice_behind_nocase(slice_behind_nocase(body, name), name).data != NULL;
}

static void after_user_locks(struct session *s, const struct task *task, bool failed,
                             uint64_t now_ms)
{
    uint32_t flags =
        task->facts.flags & (FACT_GET_LOCK | FACT_RELEASE_LOCK | FACT_RELEASE_ALL_LOCKS);
    struct session_pins *d;

    if (flags == 0) {
        return;
    }
    d = session_details(s);
    if (flags == FACT_GET_LOCK && is_plain_call(task, SLICE("GET_LOCK")) &&
        !is_nested(task->facts.body)) {
        d->n_user_locks += !failed && peeked_one(s, task) ? 1 : 0;
    } else if (flags == FACT_RELEASE_LOCK && is_plain_call(task, SLICE("RELEASE_LOCK"))) {
        d->n_user_locks -= !failed && peeked_one(s, task) && d->n_user_locks > 0 ? 1 : 0;
    } else if (flags == FACT_RELEASE_ALL_LOCKS && !failed &&
               is_plain_call(task, SLICE("RELEASE_ALL_LOCKS"))) {
        d->n_user_locks = 0;
        d->locks_unknown = false;
    } else if ((flags & FACT_GET_LOCK) != 0) {
        d->locks_unknown = true;
    }
    set_pin(s, d->n_user_locks > 0 || d->locks_unknown, PIN_USER_LOCK, task->facts.digest, now_ms);
}

/*
 * No verb that is known, but a node ran it, or it failed in the middle: a program with a label, new
 * grammar.
 */
static bool is_program(const struct facts *f, bool failed)
{
    return !failed || (f->flags & FACT_MULTI) != 0;
}

static void after_verb(struct session *s, const struct task *task, bool failed, uint64_t now_ms)
{
    const struct facts *f = &task->facts;

    if ((f->flags & FACT_USER_VARIABLE) != 0 && task->verdict.multiplex != 2) {
        session_pin(s, PIN_USER_VARIABLE, f->digest, now_ms);
    }
    /* It may take locks, name a variable @@so, or turn tracking off: no node tells. */
    if ((f->flags & FACT_RUNS_UNSEEN) != 0 || (f->verb == VERB_UNKNOWN && is_program(f, failed))) {
        session_pin(s, PIN_ROUTINE, f->digest, now_ms);
    }
    if (f->verb == VERB_PREPARE) {
        session_pin(s, PIN_SQL_PREPARE, f->digest, now_ms);
    }
    if ((f->flags & FACT_HOLDS_LOCK) != 0) {
        session_pin(s, PIN_TABLE_LOCK, f->digest, now_ms);
    } else if (f->verb == VERB_UNLOCK_TABLES && !failed) {
        session_unpin(s, PIN_TABLE_LOCK);
    }
    /* Of several one may have failed behind it. */
    if ((f->flags & FACT_NEXT_TRANSACTION) != 0 && (!failed || (f->flags & FACT_MULTI) != 0)) {
        session_pin(s, PIN_NEXT_TRANSACTION, f->digest, now_ms);
    } else if (task->was_in_transaction && (s->status & STATUS_IN_TRANS) == 0) {
        /* Not behind any other statement: only what comes to an engine takes it away (10.11). */
        session_unpin(s, PIN_NEXT_TRANSACTION);
    }
    after_temporary(s, task, failed, now_ms);
    after_user_locks(s, task, failed, now_ms);
}

static bool inserts(uint8_t verb)
{
    return verb == VERB_INSERT || verb == VERB_REPLACE;
}

bool session_counted_rows(const struct task *task, const struct follow *outcome)
{
    if (outcome->is_error) { /* those in front of the one that failed */
        return (task->facts.flags & FACT_MULTI) != 0 && outcome->has_result;
    }
    return outcome->has_result || task->had_numbers || inserts(task->facts.verb) ||
           inserts(task->facts.runs) || (task->facts.flags & FACT_INTO) != 0;
}

static bool is_query(uint8_t verb)
{
    return verb == VERB_SELECT || verb == VERB_WITH || verb == VERB_VALUES;
}

/*
 * FOUND_ROWS() behind this statement; false = the statement leaves it alone. Measured with 10.11.
 */
static bool after_found_rows(struct session *s, const struct task *task, const struct follow *f)
{
    uint32_t flags = task->facts.flags;

    if (!f->is_error && task->hides_found_rows) {
        if (!session_counted_rows(task, f)) {
            return false;
        }
        s->found_rows_known = false; /* only the connection knows, and it is pinned */
        return true;
    }
    if (task->command == COM_STMT_RESET || task->command == COM_STMT_FETCH) {
        return false;
    }
    if (!f->is_error && ((flags & FACT_MULTI) != 0 || task->follow == FOLLOW_CURSOR)) {
        return session_counted_rows(task, f); /* asked for behind the last of them */
    }
    if (f->is_error || task->command == COM_FIELD_LIST ||
        (flags & (FACT_CALC_FOUND_ROWS | FACT_DIAGNOSTICS)) != 0) {
        return !f->is_error &&
               (flags & FACT_CALC_FOUND_ROWS) != 0; /* asked for behind the statement */
    }
    /*
     * Asked for: VALUES (1),(2) counts 1 or 0; SELECT ... INTO counts 0 without a table, else 1;
     * EXPLAIN mostly 0 (10.11).
     */
    if ((task->facts.verb == VERB_ANALYZE && is_query(task->facts.runs)) ||
        task->facts.verb == VERB_EXPLAIN || task->facts.runs == VERB_VALUES ||
        (flags & FACT_INTO) != 0) {
        return true;
    }
    switch (task->facts.sets_back ? task->facts.runs : task->facts.verb) {
    case VERB_SELECT:
    case VERB_WITH:
    case VERB_TABLE_EXPR:
    case VERB_SHOW:
    case VERB_DESCRIBE:
        s->found_rows = f->rows;
        s->found_rows_known = true;
        return true;
    default: return false;
    }
}

/* It may have made an id that no OK packet tells: INSERT ... RETURNING has none. */
static bool hides_last_id(const struct task *task, const struct follow *f)
{
    uint8_t verb = task->facts.runs;

    return (task->facts.flags & FACT_RUNS_UNSEEN) != 0 || (f->has_result && inserts(verb)) ||
           (task->facts.flags & (FACT_SETS_INSERT_ID | FACT_MULTI)) != 0;
}

/*
 * Does the connection now have the session's numbers? It may have had another's FOUND_ROWS()
 * before.
 */
static void note_numbers(struct session *s, const struct task *task, uint64_t server_id,
                         bool counted)
{
    s->numbers_server = counted || task->had_numbers ? server_id : 0;
    s->numbers_at = task->numbers_at;
}

/* ROW_COUNT() and LAST_INSERT_ID() as the next statement would see them. */
static void after_numbers(struct session *s, const struct task *task, const struct follow *f,
                          uint64_t server_id)
{
    if (task->command == COM_STMT_PREPARE && !f->is_error) {
        note_numbers(s, task, server_id, false);
        return;
    }
    if (task->facts.runs != VERB_GET_DIAGNOSTICS || f->is_error || f->has_warnings) {
        bool is_none = f->is_error || f->ends_with_rows || task->command == COM_FIELD_LIST ||
                       task->facts.runs == VERB_GET_DIAGNOSTICS;

        s->row_count = is_none ? -1 : (int64_t)f->affected;
    }
    note_numbers(s, task, server_id, after_found_rows(s, task, f));
    /*
     * The OK's id may be one the statement gave itself, which LAST_INSERT_ID() does not return; a
     * failed statement may have made one all the same.
     */
    if (s->last_id_server == server_id &&
        (f->last_insert_id != 0 || f->is_error || task->is_unseen || hides_last_id(task, f))) {
        s->last_id_unknown = true;
        if (f->last_insert_id != 0) { /* most likely, should nobody be left to ask */
            s->last_insert_id = f->last_insert_id;
        }
    }
    if (!f->is_error &&
        (f->last_insert_id != 0 || (task->facts.flags & FACT_SETS_INSERT_ID) != 0)) {
        s->last_id_lost = false;
    }
}

#define STATUS_OF_MODE (STATUS_NO_BACKSLASH_ESCAPES | STATUS_ANSI_QUOTES)

/*
 * Is it still in its transaction? FLUSH says so, and ends it behind its answer; what commits first
 * may fail then, and an ERR tells nothing; a deadlock has rolled all of it back (10.11).
 */
static bool doubts_transaction(const struct session *s, const struct task *task,
                               const struct follow *f)
{
    enum { ER_LOCK_DEADLOCK = 1213 };

    if ((s->status & STATUS_IN_TRANS) == 0 && (f->status & STATUS_IN_TRANS) == 0) {
        return false;
    }
    return task->facts.runs == VERB_FLUSH ||
           (f->is_error && (f->error == ER_LOCK_DEADLOCK || task_may_commit(task)));
}

bool session_doubts_status(const struct session *s, const struct task *task, const struct follow *f)
{
    const struct facts *facts = &task->facts;
    bool is_unseen = (facts->flags & FACT_RUNS_UNSEEN) != 0 || task->is_unseen ||
                     (facts->verb == VERB_UNKNOWN && is_program(facts, f->is_error));

    if (UNLIKELY(doubts_transaction(s, task, f))) {
        return true;
    }
    if (facts->sets_back) { /* something else may set them for good */
        return is_unseen || (facts->flags & FACT_MULTI) != 0 || facts->runs == VERB_SET;
    }
    return is_unseen && (f->is_error || ((f->status ^ s->status) & STATUS_OF_MODE) != 0);
}

static void take_status(struct session *s, const struct server *server, const struct task *task,
                        const struct follow *f)
{
    uint16_t status = f->status;

    if (server->status_is_late) {
        status = server->status;
    } else if (f->results == 0 || (f->is_error && f->status == 0)) {
        return;                         /* ERR may come before any status */
    } else if (task->facts.sets_back) { /* the bits of its own time */
        status = (uint16_t)((status & ~STATUS_OF_MODE) | (s->status & STATUS_OF_MODE));
    }
    s->status = (uint16_t)(status & STATUS_OF_SESSION);
}

/*
 * SHOW PROFILES shows statements: the list survives COM_RESET_CONNECTION and COM_CHANGE_USER
 * (10.11). In a program or a routine the name is not seen.
 */
static bool is_profiled(const struct task *task)
{
    return task->tracked_profiling ||
           (task->facts.runs == VERB_SET &&
            slice_behind_nocase(task->facts.body, SLICE("profiling")).data != NULL);
}

/* SET STATEMENT max_join_size=... sets sql_big_selects, too, and does not set that back (10.11). */
static bool sets_big_selects(const struct task *task)
{
    return UNLIKELY(task->facts.sets_back) &&
           slice_behind_nocase(task_text(task), SLICE("max_join_size")).data != NULL;
}

/*
 * A role outlives COM_RESET_CONNECTION and COM_CHANGE_USER (10.11.19), and its user may have one by
 * default.
 */
void session_leaves(struct server *server, const struct task *task)
{
    const struct facts *f = &task->facts;

    server->must_close |= is_profiled(task) || (f->flags & FACT_UNTRACKED_SET) != 0;
    server->ran_unseen |=
        (f->flags & FACT_RUNS_UNSEEN) != 0 || task->is_unseen || task->hides >= HIDES_UNSEEN;
}

void session_after(struct session *s, struct server *server, struct task *task,
                   const struct follow *f)
{
    uint64_t now_ms = server->pool->now_ms;
    uint64_t digest = task->facts.digest;

    task->was_in_transaction = (s->status & STATUS_IN_TRANS) != 0;
    take_status(s, server, task, f);
    if ((task->facts.verb == VERB_SET && !f->is_error) || task->tracked_charset) {
        session_after_set(s, server->pool, task);
    }
    set_pin(s, (s->status & STATUS_IN_TRANS) != 0, PIN_TRANSACTION, digest, now_ms);
    set_pin(s, (s->status & STATUS_AUTOCOMMIT) == 0, PIN_AUTOCOMMIT, digest, now_ms);
    if (f->has_warnings || f->is_error) {
        session_pin(s, PIN_WARNINGS, digest, now_ms);
    } else if (task->facts.n_tables > 0 &&
               (task->facts.flags & FACT_MULTI) ==
                   0) { /* others leave the diagnostics as they are (10.11) */
        session_unpin(s, PIN_WARNINGS);
    }
    session_leaves(server, task);
    if (server->must_close || task->tracked_other || s->is_untracked || sets_big_selects(task)) {
        session_pin(s, PIN_VARIABLE, digest, now_ms);
    }
    s->completion_unknown |= task_sets_completion(task);
    if ((task->state_changed ||
         (f->state_changed && (task->facts.verb != VERB_SET || task->facts.sets_back))) &&
        !change_is_known(task)) {
        session_pin(s, PIN_UNKNOWN_STATE, digest, now_ms);
    }
    if (task->is_unseen) {
        session_pin(s, PIN_UNSEEN_TEXT, digest, now_ms);
    }
    if (task->hides == HIDES_STATE) {
        session_pin(s, PIN_TRIGGER, digest, now_ms);
    }
    after_verb(s, task, f->is_error, now_ms);
    server->ran_unseen |= (s->pins & (BIT(PIN_ROUTINE) | BIT(PIN_UNKNOWN_STATE))) != 0;
    after_numbers(s, task, f, server->id);
    session_wrote_gtid(s, task, f, server->id);
}
