/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_track.c - see client_track.h.
 */
#include "proxy/client_track.h"

#include "base/err.h"
#include "pool/pool.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/worker.h"

#define BLOCK_MAX 1200 /* bytes of the changes in an OK made here: a schema's name is the longest */

/* Ours, as server_setup_text() has them. */
#define OURS \
    "SET session_track_system_variables='*',session_track_state_change=1,session_track_schema=1"

/* Binary: not to be converted to character_set_results. */
#define VALUES                                                                    \
    "SELECT CAST(CONCAT(@@session_track_schema+0,@@session_track_state_change+0," \
    "@@session_track_system_variables) AS BINARY)"

#define OWED "SET session_track_schema=1" /* is reported, and with it what is owed */

static bool is_told(const struct client *c)
{
    return (c->session.caps & CAP_SESSION_TRACK) != 0;
}

const struct track_wish *client_wish(const struct client *c)
{
    if (!is_told(c)) {
        return NULL;
    }
    return c->session.is_untracked || (c->task != NULL && c->task->is_lent_values)
               ? &track_wish_everything
               : &c->session.profile->wish;
}

/* --- statements that name the variables ------------------------------------------------------ */

static bool shows(const struct facts *f, struct slice what)
{
    return f->verb == VERB_SHOW && slice_behind_nocase(f->body, what).data != NULL;
}

/* EXECUTE IMMEDIATE 'SET session_track_schema=0' */
static bool runs_text_of_it(const struct facts *f)
{
    return (f->verb == VERB_EXECUTE || f->verb == VERB_PREPARE || f->runs == VERB_EXECUTE) &&
           slice_behind_nocase(f->body, SLICE("session_track_")).data != NULL;
}

static bool concerns_tracking(const struct facts *f)
{
    return (f->flags & FACT_TRACKING_VARIABLE) != 0 || shows(f, SLICE("session_track")) ||
           runs_text_of_it(f) ||
           (shows(f, SLICE("variables")) && !shows(f, SLICE("like")) && !shows(f, SLICE("where")));
}

/* What it sets is known by name, and can be asked for. */
static bool is_known_set(const struct task *task, const struct set_statement *set)
{
    for (unsigned i = 0; i < set->n; i++) {
        if (set->assignments[i].variable == VARIABLE_NONE) {
            return false;
        }
    }
    return set->form == SET_VARIABLES && (task->facts.flags & FACT_USER_VARIABLE) == 0;
}

/* Nothing else can happen behind the back of our own tracking. */
static bool may_lend_values(const struct client *c)
{
    const struct task *task = c->task;
    const struct facts *f = &task->facts;
    struct set_statement set;

    if (task->command != COM_QUERY || task->is_unseen || f->sets_back ||
        (f->flags & (FACT_MULTI | FACT_RUNS_UNSEEN | FACT_UNTRACKED_SET | FACT_UNTERMINATED)) !=
            0) {
        return false;
    }
    if (f->verb != VERB_SET) {
        return (f->flags & FACT_READ) != 0;
    }
    set_parse(&set, f->body, session_sql_mode(&c->session));
    return is_known_set(task, &set);
}

static void write_question(struct server *s, struct writer *w, struct slice text,
                           enum expect_what what)
{
    size_t at = packet_begin(w);

    put_u8(w, COM_QUERY);
    put_slice(w, text);
    packet_end(w, at, 0);
    server_expect(s, what, FOLLOW_RESULT);
}

static void lend_values(struct client *c, struct server *s, struct writer *w)
{
    size_t at = packet_begin(w);

    put_u8(w, COM_QUERY);
    profile_write_tracking(w, c->session.profile);
    packet_end(w, at, 0);
    server_expect(s, EXPECT_SET, FOLLOW_RESULT);
    c->task->is_lent_values = may_lend_values(c);
    c->session.is_untracked = !c->task->is_lent_values; /* then it is pinned from here on */
}

/* SET STATEMENT .. FOR alone: all that it sets is named. */
static bool is_set_statement(const struct facts *f)
{
    return f->sets_back && f->verb == VERB_SET && (f->flags & FACT_MULTI) == 0;
}

/*
 * Is there something in an EOF of the reply that the client would see as well? What is owed behind
 * it is not known before the next OK.
 */
static bool shows_changes(const struct client *c)
{
    const struct track_wish *wish = client_wish(c);
    struct slice transaction = c->session.profile->values[VAR_SESSION_TRACK_TRANSACTION_INFO];
    struct slice body = c->task->facts.body, list;
    size_t len;

    if (wish == NULL || wish->everything || wish->state_change ||
        (transaction.data != NULL && !slice_eq_nocase(transaction, SLICE("OFF")) &&
         (session_in_transaction(&c->session) || (c->task->facts.flags & FACT_MULTI) != 0))) {
        return wish != NULL;
    }
    if (slice_eq(wish->variables, SLICE("*")) ||
        (c->task->facts.flags & FACT_RUNS_UNSEEN) != 0) { /* a function may set any of them */
        return wish->variables.len > 0;
    }
    if (!is_set_statement(&c->task->facts) && /* FOR UPDATE NOWAIT sets, and sets back */
        (track_wants_variable(wish, SLICE("lock_wait_timeout")) ||
         track_wants_variable(wish, SLICE("innodb_lock_wait_timeout")))) {
        return true;
    }
    if (!c->task->facts.sets_back) {
        return false;
    }
    for (list = wish->variables; list.len > 0; list.data += len, list.len -= len) {
        const char *comma = memchr(list.data, ',', list.len);

        len = comma == NULL ? list.len : (size_t)(comma - list.data);
        if (slice_behind_nocase(body, (struct slice){list.data, len}).data != NULL) {
            return true;
        }
        len += comma == NULL ? 0 : 1;
    }
    return false;
}

void client_track_prepare(struct client *c, struct server *s, struct writer *w)
{
    c->task->is_lent_values = false;
    if (concerns_tracking(&c->task->facts) && !c->session.is_untracked) {
        lend_values(c, s, w);
    } else if (s->owes_changes && is_told(c) && (c->session.pins & ~BIT(PIN_WARNINGS)) == 0) {
        write_question(s, w, SLICE(OWED), EXPECT_SET);
        s->owes_changes = false;
    }
    s->shows_changes = shows_changes(c);
}

/*
 * SET a=@@a,b=@@b: reported as SET reports it. Charsets are taken from the statement (session.h).
 */
static void write_settle(struct server *s, struct writer *w, const struct set_statement *set)
{
    size_t at = packet_begin(w);
    bool first = true;

    put_u8(w, COM_QUERY);
    for (unsigned i = 0; i < set->n; i++) {
        int variable = set->assignments[i].variable;

        if (!variable_is_virtual(variable) && !session_is_charset(variable)) {
            put_slice(w, first ? SLICE("SET ") : SLICE(","));
            put_slice(w, slice_of(variable_name(variable)));
            put_slice(w, SLICE("=@@"));
            put_slice(w, slice_of(variable_name(variable)));
            first = false;
        }
    }
    if (first) {
        w->len = at;
        return;
    }
    packet_end(w, at, 0);
    server_expect(s, EXPECT_SETTLED, FOLLOW_RESULT);
}

/* The connection has the client's own values, and there may be others behind the statement. */
static bool may_change_own(const struct client *c)
{
    const struct facts *f = &c->task->facts;

    return c->session.is_untracked && task_has_reply(c->task) &&
           (concerns_tracking(f) || (f->flags & FACT_RUNS_UNSEEN) != 0);
}

void client_track_settle(struct client *c, struct server *s, struct writer *w)
{
    const struct task *task = c->task;
    bool is_set = task->is_lent_values && task->facts.verb == VERB_SET;
    struct set_statement set;

    if (is_set || may_change_own(c)) {
        if (task->is_open_ended) {
            c->session.is_tracking_unknown = true;
        } else {
            write_question(s, w, SLICE(VALUES), EXPECT_TRACKING);
        }
    }
    if (!task->is_lent_values) {
        return;
    }
    write_question(s, w, SLICE(OURS), EXPECT_SET);
    if (is_set) {
        set_parse(&set, task->facts.body, session_sql_mode(&c->session));
        write_settle(s, w, &set);
    }
}

void client_track_ask(struct client *c, struct server *s, struct writer *w)
{
    if (c->session.is_tracking_unknown) {
        write_question(s, w, SLICE(VALUES), EXPECT_TRACKING);
        c->session.is_tracking_unknown = false;
    }
}

void client_track_unsent(struct client *c)
{
    if (UNLIKELY(c->task->is_lent_values) && !c->task->sent && c->server != NULL) {
        c->session.is_untracked = true;
        c->server->must_reset = true;
        session_pin(&c->session, PIN_VARIABLE, c->task->facts.digest, c->worker->now_ms);
    }
}

void client_track_done(const struct client *c, struct server *s)
{
    s->owes_changes |= c->task->facts.sets_back; /* what it set is set back */
}

/* --- what the connection tells --------------------------------------------------------------- */

/* Of a statement that is no SET: DROP TABLE t NOWAIT sets lock_wait_timeout, and sets it back. */
static bool reports_variables(const struct ok *ok)
{
    return ok->track.len > 0 && ok->track.data[0] == TRACK_SYSTEM_VARIABLE;
}

const struct track_wish *client_on_track(struct server *s, const struct ok *ok)
{
    struct client *c = s->owner;
    struct task *task = c->task;

    task->is_tracked = true;
    if (!task->is_lent_values) {
        session_track(&c->session, s->pool, task, ok);
        s->owes_changes = task->facts.verb != VERB_SET && reports_variables(ok);
    }
    if (task->facts.verb == VERB_SET) { /* for who is answered here the next time */
        task->peek_len = MIN(ok->track.len, sizeof(task->peek)); /* full = perhaps cut: local.c */
        memcpy(task->peek, ok->track.data, task->peek_len);
    }
    return client_wish(c);
}

void client_on_tracking(struct server *s, struct slice row)
{
    struct client *c = s->owner;
    struct reader r = reader_of(row.data, row.len);
    struct slice value = get_lenenc_bytes(&r);

    /* A SET that failed has set nothing; else they are as they are. */
    if ((c->session.is_untracked || !s->outcome.is_error) && !r.failed && value.len >= 2) {
        session_tracking(&c->session, s->pool, c->task, value);
    }
}

void client_on_settled(struct server *s, const struct ok *ok)
{
    struct client *c = s->owner;

    if (!s->outcome.is_error) {
        session_settled(&c->session, s->pool, c->task, ok);
    }
}

/* --- answers made here ----------------------------------------------------------------------- */

bool client_ok_changes(struct client *c, struct slice block, bool is_told_all)
{
    uint8_t bytes[BLOCK_MAX + 64];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct ok ok = {.status = c->session.status, .track = block};
    int64_t len;

    if (!is_told(c) || block.data == NULL) {
        return client_ok(c);
    }
    c->sequence = ok_encode(&w, &ok, c->sequence);
    CHECK(!w.failed);
    len = ok_rewrite_track(bytes, w.len,
                           is_told_all ? &track_wish_everything : &c->session.profile->wish);
    CHECK(len > 0);
    return client_write(c, bytes, (size_t)len);
}

/* TRACK_SCHEMA or of a transaction. */
static void put_change(struct writer *w, enum track_type type, struct slice value)
{
    put_u8(w, (uint8_t)type);
    put_lenenc(w, value.len + (value.len < 0xfb ? 1 : 3));
    put_lenenc_slice(w, value);
}

static bool ok_with(struct client *c, const struct writer *w)
{
    const char *block = w->len == 0 ? NULL : (const char *)w->base;

    CHECK(!w->failed);
    return client_ok_changes(c, (struct slice){block, w->len}, false);
}

/* Whatever case it was asked for by. */
static struct slice reported_name(const struct schema *schema)
{
    return slice_eq_nocase(schema->name, SLICE("information_schema")) ? SLICE("information_schema")
                                                                      : schema->name;
}

static bool ok_schema(struct client *c, bool says_changed)
{
    uint8_t bytes[BLOCK_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));

    if (c->session.schema != NULL) {
        put_change(&w, TRACK_SCHEMA, reported_name(c->session.schema));
    }
    if (says_changed) {
        put_u8(&w, TRACK_STATE_CHANGE);
        put_lenenc_slice(&w, SLICE("1"));
    }
    return ok_with(c, &w);
}

bool client_ok_schema(struct client *c)
{
    return ok_schema(c, true);
}

bool client_ok_login(struct client *c)
{
    return ok_schema(c, false);
}

bool client_ok_rolled_back(struct client *c)
{
    struct slice info = c->session.profile->values[VAR_SESSION_TRACK_TRANSACTION_INFO];
    uint8_t bytes[BLOCK_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));

    if (info.data != NULL && !slice_eq_nocase(info, SLICE("OFF"))) {
        put_change(&w, TRACK_TRANSACTION_STATE, SLICE("________"));
    }
    if (slice_eq_nocase(info, SLICE("CHARACTERISTICS"))) {
        put_change(&w, TRACK_TRANSACTION_CHARACTERISTICS, SLICE(""));
    }
    return ok_with(c, &w);
}
