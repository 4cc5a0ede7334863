/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local.c - see local.h. Forms and flags as MariaDB 10.11.19 sends them.
 */
#include "proxy/local.h"

#include <stdio.h>

#include "base/err.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_run.h"
#include "proxy/client_track.h"
#include "proxy/link_status.h"
#include "proxy/rules_apply.h"
#include "proxy/warnings.h"

#define ANSWER_BYTES         2048
#define NUMBER_LENGTH        21 /* of a BIGINT column, as MariaDB declares it */
#define CONNECTION_ID_LENGTH 10
#define CHARSET_BINARY       63
#define FLAG_UNSIGNED        0x0020

static struct slice format_number(char *out, size_t cap, int64_t value, bool is_unsigned)
{
    int n = is_unsigned ? snprintf(out, cap, "%llu", (unsigned long long)value)
                        : snprintf(out, cap, "%lld", (long long)value);

    return (struct slice){out, (size_t)n};
}

static uint8_t binary_row(struct writer *w, int64_t number, uint8_t type, uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_u8(w, 0);
    put_u8(w, 0); /* no column is NULL */
    if (type == TYPE_LONG) {
        put_u32(w, (uint32_t)number);
    } else {
        put_u64(w, (uint64_t)number);
    }
    packet_end(w, at, sequence);
    return (uint8_t)(sequence + 1);
}

/* A result of one column and one row with a number in it. */
static bool write_number(struct client *c, const struct facts *f, int64_t number, uint32_t length,
                         uint16_t flags, bool is_binary)
{
    char text[24];
    struct slice value = format_number(text, sizeof(text), number, (flags & FLAG_UNSIGNED) != 0);
    uint8_t bytes[ANSWER_BYTES];
    struct writer w = writer_of(bytes, sizeof(bytes));
    /* CONNECTION_ID() alone has no 64 bits (10.11) */
    uint8_t type = f->local == LOCAL_CONNECTION_ID ? TYPE_LONG : TYPE_LONGLONG;
    struct column column = {.name = f->column_name,
                            .charset = CHARSET_BINARY,
                            .length = length,
                            .type = type,
                            .flags = flags};
    uint64_t caps = c->session.caps;
    uint8_t n = result_begin(&w, 1, c->sequence);

    n = column_encode(&w, caps, &column, n);
    n = columns_end_encode(&w, caps, c->session.status, n);
    n = is_binary ? binary_row(&w, number, type, n) : row_encode(&w, &value, 1, n);
    c->sequence = rows_end_encode(&w, caps, 0, c->session.status, n);
    if (w.failed) { /* a column name longer than any identifier: a node may answer that */
        return false;
    }
    (void)!client_write(c, bytes, w.len);
    return true;
}

/* @@last_insert_id and @@identity are declared without NOT NULL. */
static uint16_t last_id_flags(const struct facts *f)
{
    bool is_variable = memchr(f->body.data, '@', f->body.len) != NULL;

    return (uint16_t)(FLAG_BINARY | FLAG_UNSIGNED | (is_variable ? 0 : FLAG_NOT_NULL));
}

/* Their results are not made here; but who a client is only we know. */
static bool has_wide_results(const struct session *s)
{
    static const char *const charsets[] = {"ucs2", "utf16", "utf16le", "utf32"};
    struct slice charset = s->profile->values[VAR_CHARACTER_SET_RESULTS];
    bool is_wide = false;

    for (size_t i = 0; charset.data != NULL && i < ARRAY_SIZE(charsets); i++) {
        is_wide |= slice_eq_nocase(charset, slice_of(charsets[i]));
    }
    return is_wide;
}

static bool answer_number(struct client *c, const struct facts *f, bool is_binary)
{
    const struct session *s = &c->session;
    const uint16_t flags = FLAG_NOT_NULL | FLAG_BINARY;

    if (UNLIKELY(has_wide_results(s)) && f->local != LOCAL_CONNECTION_ID) {
        return false;
    }
    switch (f->local) {
    case LOCAL_FOUND_ROWS:
        return s->found_rows_known &&
               write_number(c, f, (int64_t)s->found_rows, NUMBER_LENGTH, flags, is_binary);
    case LOCAL_ROW_COUNT: return write_number(c, f, s->row_count, NUMBER_LENGTH, flags, is_binary);
    case LOCAL_LAST_INSERT_ID:
        return !s->last_id_unknown && !s->last_id_lost &&
               write_number(c, f, (int64_t)s->last_insert_id, NUMBER_LENGTH, last_id_flags(f),
                            is_binary);
    case LOCAL_CONNECTION_ID:
        return write_number(c, f, (int64_t)c->id, CONNECTION_ID_LENGTH, flags | FLAG_UNSIGNED,
                            is_binary);
    default: return false;
    }
}

static bool only_warnings_pin(const struct session *s)
{
    return (s->pins & ~BIT(PIN_WARNINGS)) == 0;
}

static bool answer_variables(struct client *c, const struct facts *f)
{
    const struct learnt_answer *answer;
    uint8_t bytes[LEARN_ANSWER_MAX];

    if (!only_warnings_pin(&c->session)) {
        return false;
    }
    answer = learnt_answer_find(&c->worker->learnt, client_default_hostgroup(c), c->session.caps,
                                c->session.profile, f->body, c->worker->now_ms);
    if (answer == NULL) {
        return false;
    }
    memcpy(bytes, answer->bytes, answer->len);
    for (unsigned i = 0; i < answer->n_status; i++) {
        bytes[answer->status_at[i]] = (uint8_t)c->session.status;
        bytes[answer->status_at[i] + 1] = (uint8_t)(c->session.status >> 8);
    }
    (void)!client_write(c, bytes, answer->len);
    return true;
}

static bool answer_set(struct client *c, const struct facts *f)
{
    struct session *s = &c->session;
    struct profiles *profiles = &c->worker->pool.profiles;
    const struct learnt_set *learnt;
    struct profile *to;

    if (!only_warnings_pin(s) || (f->flags & (FACT_MULTI | FACT_USER_VARIABLE)) != 0) {
        return false;
    }
    learnt =
        learnt_set_find(&c->worker->learnt, s->account, s->profile, f->body, c->worker->now_ms);
    if (learnt == NULL || (client_wish(c) != NULL && !learnt->said.is_known)) {
        return false;
    }
    to = profile_ref(learnt->to);
    profile_unref(profiles, s->profile);
    s->profile = to;
    if (to->has_sql_mode) {
        s->status = (uint16_t)((s->status & ~(STATUS_NO_BACKSLASH_ESCAPES | STATUS_ANSI_QUOTES)) |
                               to->status);
    }
    session_said(s, 0, false);
    (void)client_ok_changes(c, learnt->said.changes, learnt->said.is_told);
    return true;
}

static bool is_result(uint8_t local)
{
    return local != LOCAL_NONE && local != LOCAL_DO;
}

/*
 * A login with these begins with other values: sql_mode with IGNORE_SPACE, wait_timeout as
 * interactive_timeout.
 */
static bool may_learn(const struct client *c)
{
    return worker_vars(c->worker)->mysql_learn_answers && (c->session.caps & CAPS_UNTIL_RESET) == 0;
}

static bool try_answer(struct client *c, const struct facts *f)
{
    if (f->verb == VERB_SET) {
        return may_learn(c) && answer_set(c, f);
    }
    if (f->local == LOCAL_VARIABLES) {
        return may_learn(c) && answer_variables(c, f);
    }
    if (f->local == LOCAL_DO) {
        session_said(&c->session, 0, false);
        (void)client_ok(c);
        return true;
    }
    if (f->local == LOCAL_LINK_STATUS) {
        return link_status_answer(c, f);
    }
    return answer_number(c, f, false);
}

static void answered(struct client *c, bool result)
{
    stat_add(&c->worker->stats, STAT_ANSWERED_HERE, 1);
    if (c->state == CLIENT_CLOSING) {
        return;
    }
    rules_log(c);
    if (result) {
        session_said(&c->session, -1, true);
    }
    client_task_end(
        c); /* what the diagnostics hold stays: only statements with tables clear it (10.11) */
}

bool local_answer(struct client *c)
{
    struct task *task = c->task;
    bool result = is_result(task->facts.local);

    if ((task->facts.flags & FACT_DIAGNOSTICS) != 0 && warnings_answer(c, &task->facts)) {
        session_said(&c->session, -1, false);
        answered(c, false);
        return true;
    }
    if ((task->facts.local == LOCAL_NONE && task->facts.verb != VERB_SET) ||
        !try_answer(c, &task->facts)) {
        return false;
    }
    answered(c, result);
    return true;
}

bool local_answer_binary(struct client *c)
{
    if (!answer_number(c, &c->task->facts, true)) {
        return false;
    }
    answered(c, true);
    return true;
}

/* --- learning -------------------------------------------------------------------------------- */

static void learn_set(struct client *c, struct profile *before)
{
    const struct task *task = c->task;
    struct set_statement set;
    struct set_said said;

    set_parse(&set, task->facts.body, session_sql_mode(&c->session));
    if (set.form != SET_VARIABLES || c->session.pins != 0 || task->tracked_other ||
        (task->facts.flags & (FACT_MULTI | FACT_USER_VARIABLE)) != 0) {
        return;
    }
    for (unsigned i = 0; i < set.n;
         i++) { /* what depends on more than the profile is asked for each time */
        if (set.assignments[i].variable == VARIABLE_NONE) {
            return;
        }
    }
    said = (struct set_said){
        .changes = {task->is_tracked ? (const char *)task->peek : NULL, task->peek_len},
        .is_known = task->peek_len < TASK_PEEK_BYTES,
        .is_told = task->is_lent_values};
    learnt_set_keep(&c->worker->learnt, c->session.account, before, task->facts.body,
                    c->session.profile, said, c->worker->now_ms);
}

void local_learn(struct client *c, struct profile *before)
{
    const struct task *task = c->task;
    const struct follow *f = &c->server->outcome;

    if (!may_learn(c) || task->command != COM_QUERY || f->is_error || f->warnings != 0 ||
        f->state_changed) {
        return;
    }
    if (task->facts.verb == VERB_SET) {
        learn_set(c, before);
    } else if (task->facts.local == LOCAL_VARIABLES && c->session.pins == 0 &&
               task->peek_len < TASK_PEEK_BYTES) {
        learnt_answer_keep(&c->worker->learnt, client_default_hostgroup(c), c->session.caps,
                           c->session.profile, task->facts.body,
                           (struct slice){(const char *)task->peek, task->peek_len},
                           c->worker->now_ms);
    }
}

/* --- commands -------------------------------------------------------------------------------- */

void local_ping(struct client *c)
{
    session_said(&c->session, 0, false);
    stat_add(&c->worker->stats, STAT_ANSWERED_HERE, 1);
    (void)client_ok(c);
}

void local_statistics(struct client *c)
{
    uint8_t bytes[512];
    char text[400];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct galeway *g = c->worker->galeway;
    struct stat_set *sets[WORKERS_MAX];
    uint64_t uptime = (c->worker->now_ms - g->started_ms) / 1000;
    uint64_t questions, slow;
    size_t at = packet_begin(&w);

    for (unsigned i = 0; i < g->n_workers; i++) {
        sets[i] = &g->workers[i]->stats;
    }
    questions = stat_sum(sets, g->n_workers, STAT_QUESTIONS);
    slow = stat_sum(sets, g->n_workers, STAT_SLOW);
    (void)snprintf(
        text, sizeof(text),
        "Uptime: %llu  Threads: %d  Questions: %llu  Slow queries: %llu  Opens: 0  Open tables: "
        "0  "
        "Queries per second avg: %.3f",
        (unsigned long long)uptime, atomic_load(&g->n_clients), (unsigned long long)questions,
        (unsigned long long)slow, (double)questions / (double)(uptime == 0 ? 1 : uptime));
    put_slice(&w, slice_of(text));
    packet_end(&w, at, c->sequence);
    (void)!client_write(c, bytes, w.len);
}

/* Multi-statements on or off: a security switch, honoured both ways. */
void local_set_option(struct client *c, const uint8_t *payload, size_t len)
{
    uint8_t bytes[16];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct session *s = &c->session;

    if (len >= 3 && (payload[1] > 1 || payload[2] != 0)) {
        (void)client_error_rc(c, ERR_UNKNOWN_COMMAND);
        return;
    }
    if (len < 3 || payload[1] == 0) { /* too short: as a node reads it (10.11) */
        s->caps |= CAP_MULTI_STATEMENTS;
    } else {
        s->caps &= ~CAP_MULTI_STATEMENTS;
    }
    session_said(s, -1, false);
    c->sequence = rows_end_encode(&w, s->caps, 0, s->status, c->sequence);
    (void)!client_write(c, bytes, w.len);
}
