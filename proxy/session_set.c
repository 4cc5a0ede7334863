/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_set.c - the variables of a session: what the node reports, what a SET statement says.
 */
#include "pool/pool.h"
#include "protocol/track.h"
#include "proxy/session.h"

/* --- what the node reports -------------------------------------------------------------------- */

/*
 * Variables that SET can change but that no other connection could be given. Virtual ones: our own
 * tracking was changed where we could not see it, by a routine.
 */
static bool is_carried(int variable)
{
    return variable != VARIABLE_NONE && variable != VAR_AUTOCOMMIT &&
           !variable_is_virtual(variable);
}

bool session_apply(struct session *s, struct profiles *profiles, int variable, struct slice value)
{
    struct profile *next = profile_with(profiles, s->profile, variable, value);

    if (next == NULL) {
        return false;
    }
    profile_unref(profiles, s->profile);
    s->profile = next;
    if (variable == VAR_SQL_MODE && next->has_sql_mode) {
        s->status = (uint16_t)((s->status & ~(STATUS_NO_BACKSLASH_ESCAPES | STATUS_ANSI_QUOTES)) |
                               next->status);
    }
    return true;
}

bool session_is_charset(int variable)
{
    return variable == VAR_CHARACTER_SET_CLIENT || variable == VAR_CHARACTER_SET_CONNECTION ||
           variable == VAR_CHARACTER_SET_RESULTS || variable == VAR_COLLATION_CONNECTION;
}

static bool is_off(struct slice value)
{
    return slice_eq_nocase(value, SLICE("OFF")) || slice_eq(value, SLICE("0"));
}

/* Two variables are one thing: SET of the one changes the other. */
static uint8_t charset_bit(int variable)
{
    return (uint8_t)BIT(variable == VAR_COLLATION_CONNECTION ? VAR_CHARACTER_SET_CONNECTION
                                                             : variable);
}

static void track_charset(struct task *task, int variable, struct slice value)
{
    struct slice head = {value.data, MIN(value.len, strlen("utf8mb3"))};

    task->tracked_known = task->tracked_charset = true; /* see session_after_set */
    task->tracked_mb3 |= slice_eq(head, SLICE("utf8mb3")) ? charset_bit(variable) : 0;
    task->tracked_mb4 |= slice_eq(head, SLICE("utf8mb4")) ? charset_bit(variable) : 0;
}

static void track_variable(struct session *s, struct pool *pool, struct task *task,
                           const struct track_item *item)
{
    int variable = variable_find(item->name);

    task->tracked_profiling |= slice_eq(item->name, SLICE("profiling"));
    if (task->facts.sets_back) {
        /*
         * It is as it was again behind the statement, which no node reports (10.11). What else the
         * statement sets cannot be told from that.
         */
        task->tracked_known = true;
        task->tracked_other |=
            task->facts.runs == VERB_SET || (task->facts.flags & FACT_MULTI) != 0;
        return;
    }
    if (variable != VARIABLE_NONE) {
        task->tracked[variable / 64] |= UINT64_C(1) << variable % 64;
    }
    if (variable == VAR_AUTOCOMMIT) { /* the status bits tell */
        task->tracked_known = true;
        return;
    }
    if (session_is_charset(variable)) {
        track_charset(task, variable, item->value);
        return;
    }
    if (variable == VAR_SQL_AUTO_IS_NULL && !is_off(item->value)) {
        task->tracked_other =
            true; /* a read of IS NULL then depends on the last insert: it stays where that was */
        return;
    }
    if (!is_carried(variable) || !session_apply(s, &pool->profiles, variable, item->value)) {
        task->tracked_other = true;
        return;
    }
    task->tracked_known = true;
}

static void track_schema(struct session *s, struct pool *pool, struct task *task, struct slice name)
{
    struct schema *schema;

    if (name.len == 0) {
        s->schema = NULL; /* it was dropped */
        return;
    }
    schema = schema_get(&pool->schemas, s->account, name);
    if (schema != NULL) {
        s->schema = schema;
    } else {
        task->tracked_other = true;
    }
}

/*
 * SET max_join_size sets sql_big_selects as well, and that is not reported unless it is named
 * (10.11).
 */
static void track_big_selects(struct session *s, struct pool *pool, struct task *task,
                              const struct ok *ok)
{
    struct track_walk walk = track_walk_of(ok->track);
    struct track_item item;
    struct slice size = {NULL, 0}, big_selects;

    while (track_next(&walk, &item)) {
        int variable =
            item.type == TRACK_SYSTEM_VARIABLE ? variable_find(item.name) : VARIABLE_NONE;

        if (variable == VAR_SQL_BIG_SELECTS) {
            return;
        }
        size = variable == VAR_MAX_JOIN_SIZE ? item.value : size;
    }
    if (size.data != NULL) {
        big_selects = slice_eq(size, SLICE("18446744073709551615")) ? SLICE("ON") : SLICE("OFF");
        task->tracked_other |= !session_apply(s, &pool->profiles, VAR_SQL_BIG_SELECTS, big_selects);
    }
}

static bool has_tracked(const struct task *task, int variable)
{
    return (task->tracked[variable / 64] & UINT64_C(1) << variable % 64) != 0;
}

void session_track(struct session *s, struct pool *pool, struct task *task, const struct ok *ok)
{
    struct track_walk walk = track_walk_of(ok->track);
    struct track_item item;

    /*
     * A procedure's SET sql_mode, say, which is set back at its end; of that nothing is told
     * (10.11).
     */
    if (ok->ends_rows && (ok->status & STATUS_MORE_RESULTS) != 0) {
        task->tracked_other = true;
        return;
    }
    while (track_next(&walk, &item)) {
        if (item.type == TRACK_SYSTEM_VARIABLE) {
            track_variable(s, pool, task, &item);
        } else if (item.type == TRACK_SCHEMA) {
            track_schema(s, pool, task, item.value);
        } else if (item.type == TRACK_STATE_CHANGE) {
            task->state_changed = true;
        }
    }
    if (UNLIKELY(has_tracked(task, VAR_MAX_JOIN_SIZE))) {
        track_big_selects(s, pool, task, ok);
    }
}

static void tracked(struct task *task, int variable)
{
    task->tracked[variable / 64] |= UINT64_C(1) << variable % 64;
}

/* values as EXPECT_TRACKING has them. */
static void apply_virtual(struct session *s, struct pool *pool, struct task *task, int variable,
                          struct slice values)
{
    struct slice value = {values.data + 2, values.len - 2};

    if (variable != VAR_SESSION_TRACK_SYSTEM_VARIABLES) {
        bool is_on = values.data[variable == VAR_SESSION_TRACK_SCHEMA ? 0 : 1] == '1';

        value = is_on ? SLICE("ON") : SLICE("OFF");
    }
    task->tracked_other |= !session_apply(s, &pool->profiles, variable, value);
    tracked(task, variable);
}

void session_tracking(struct session *s, struct pool *pool, struct task *task, struct slice values)
{
    struct set_statement set;

    for (int i = 0; s->is_untracked && i < VARIABLE_COUNT; i++) {
        if (variable_is_virtual(i)) { /* whatever it did to them */
            apply_virtual(s, pool, task, i, values);
        }
    }
    set_parse(&set, task->facts.body, session_sql_mode(s));
    for (unsigned i = 0; !s->is_untracked && i < set.n; i++) {
        int variable = set.assignments[i].variable;

        if (session_is_charset(variable)) {
            task->tracked_charset = true;
            tracked(task, variable);
        } else if (variable_is_virtual(variable)) {
            apply_virtual(s, pool, task, variable, values);
        }
    }
    task->tracked_known = true;
}

void session_settled(struct session *s, struct pool *pool, struct task *task, const struct ok *ok)
{
    struct track_walk walk = track_walk_of(ok->track);
    struct track_item item;

    while (track_next(&walk, &item)) {
        if (item.type == TRACK_SYSTEM_VARIABLE && !variable_is_virtual(variable_find(item.name))) {
            track_variable(s, pool, task, &item);
        }
    }
    track_big_selects(s, pool, task, ok);
}

/* --- what the statement says ------------------------------------------------------------------ */

/* NAMES is taken apart into client, connection, results and a collation, in this order (set.h). */
static bool is_names(const struct set_statement *set, unsigned at)
{
    return at + 3 < set->n && set->assignments[at].variable == VAR_CHARACTER_SET_CLIENT &&
           set->assignments[at + 1].variable == VAR_CHARACTER_SET_CONNECTION &&
           set->assignments[at + 2].variable == VAR_CHARACTER_SET_RESULTS &&
           set->assignments[at + 3].variable == VAR_COLLATION_CONNECTION &&
           set->assignments[at].text.data == set->assignments[at + 2].text.data;
}

/* utf8 and utf8_unicode_ci: which of two they are is a matter of old_mode. */
static bool is_ambiguous(struct slice name)
{
    const struct slice utf8 = SLICE("utf8");

    return name.len >= utf8.len && slice_eq_nocase((struct slice){name.data, utf8.len}, utf8) &&
           (name.len == utf8.len || name.data[utf8.len] == '_');
}

/*
 * What utf8 was taken for: the old_mode from before the SET holds for all of it, and the node
 * reports what the variables are behind it, so the last assignment to one tells. Empty = it was not
 * said.
 */
static struct slice meaning_of_utf8(const struct task *task, const struct set_statement *set)
{
    uint8_t seen = 0;

    for (unsigned i = set->n; i-- > 0;) {
        const struct assignment *a = &set->assignments[i];
        uint8_t bit = session_is_charset(a->variable) ? charset_bit(a->variable) : 0;

        if ((seen & bit) != 0 || a->value == SET_DEFAULT) {
            continue; /* of NAMES: the one in front of it tells */
        }
        seen |= bit;
        if (is_ambiguous(a->text) && ((task->tracked_mb3 | task->tracked_mb4) & bit) != 0) {
            return (task->tracked_mb3 & bit) != 0 ? SLICE("utf8mb3") : SLICE("utf8mb4");
        }
    }
    return (struct slice){NULL, 0};
}

static void put_definite(struct writer *w, struct slice name, struct slice utf8)
{
    if (is_ambiguous(name)) {
        w->failed |= utf8.len == 0;
        put_slice(w, utf8);
        name = (struct slice){name.data + strlen("utf8"), name.len - strlen("utf8")};
    }
    put_slice(w, name);
}

static bool apply_names(struct session *s, struct profiles *profiles, const struct assignment *a,
                        struct slice utf8)
{
    char names[256];
    struct writer w = writer_of(names, sizeof(names));
    const struct slice none = {NULL, 0};

    put_definite(&w, a[0].text, utf8);
    if (a[3].value != SET_DEFAULT) {
        put_u8(&w, ' ');
        put_definite(&w, a[3].text, utf8);
    }
    return !w.failed && session_apply(s, profiles, VAR_CHARACTER_SET_CLIENT, none) &&
           session_apply(s, profiles, VAR_CHARACTER_SET_CONNECTION, none) &&
           session_apply(s, profiles, VAR_CHARACTER_SET_RESULTS, none) &&
           session_apply(s, profiles, VAR_COLLATION_CONNECTION, none) &&
           session_apply(s, profiles, PROFILE_NAMES, (struct slice){names, w.len});
}

static bool apply_charset(struct session *s, struct profiles *profiles, const struct assignment *a,
                          struct slice utf8)
{
    char name[256];
    struct writer w = writer_of(name, sizeof(name));

    if (a->value != SET_TEXT && a->value != SET_WORD && a->value != SET_NULL) {
        return false;
    }
    put_definite(&w, a->value == SET_NULL ? (struct slice){"", 0} : a->text, utf8);
    if (w.failed) {
        return false;
    }
    if (a->variable == VAR_CHARACTER_SET_CONNECTION &&
        !session_apply(s, profiles, VAR_COLLATION_CONNECTION, (struct slice){NULL, 0})) {
        return false;
    }
    return session_apply(s, profiles, a->variable, (struct slice){name, w.len});
}

_Static_assert(VARIABLE_COUNT <= 8 * sizeof(((struct task *)0)->tracked), "a bit each");

/*
 * A node reports each variable that SET names, changed or not (10.11), but for the collation. When
 * it does not, tracking was turned off where we could not see it (a trigger): the connection is the
 * session's until it is reset.
 */
static bool is_reported(const struct task *task, const struct set_statement *set)
{
    for (unsigned i = 0; i < set->n; i++) {
        int variable = set->assignments[i].variable;

        if (variable != VARIABLE_NONE && variable != VAR_COLLATION_CONNECTION &&
            !has_tracked(task, variable)) {
            return false;
        }
    }
    return true;
}

/*
 * Charsets are taken from the statement: the node does not report the collation of NAMES (seen with
 * 10.11). But what utf8 is there it tells.
 */
void session_after_set(struct session *s, struct pool *pool, struct task *task)
{
    struct set_statement set;
    struct slice utf8;
    bool carried = true;

    set_parse(&set, task->facts.body, session_sql_mode(s));
    if (task->facts.verb != VERB_SET || set.form != SET_VARIABLES ||
        (task->facts.flags & FACT_MULTI) != 0) {
        task->tracked_other |= task->tracked_charset; /* SET CHARACTER SET, a procedure */
        return;
    }
    utf8 = meaning_of_utf8(task, &set);
    for (unsigned i = 0; i < set.n && carried; i++) {
        if (is_names(&set, i)) {
            carried = apply_names(s, &pool->profiles, &set.assignments[i], utf8);
            i += 3;
        } else if (session_is_charset(set.assignments[i].variable)) {
            carried = apply_charset(s, &pool->profiles, &set.assignments[i], utf8);
        }
    }
    task->tracked_other |= !carried || !is_reported(task, &set);
}
