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
        task->tracked_known = task->tracked_charset = true; /* see session_after_set */
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

static bool apply_names(struct session *s, struct profiles *profiles, const struct assignment *a)
{
    char names[256];
    bool with_collation = a[3].value != SET_DEFAULT;
    size_t len = a[0].text.len + (with_collation ? 1 + a[3].text.len : 0);
    const struct slice none = {NULL, 0};

    if (len > sizeof(names)) {
        return false;
    }
    memcpy(names, a[0].text.data, a[0].text.len);
    if (with_collation) {
        names[a[0].text.len] = ' ';
        memcpy(names + a[0].text.len + 1, a[3].text.data, a[3].text.len);
    }
    return session_apply(s, profiles, VAR_CHARACTER_SET_CLIENT, none) &&
           session_apply(s, profiles, VAR_CHARACTER_SET_CONNECTION, none) &&
           session_apply(s, profiles, VAR_CHARACTER_SET_RESULTS, none) &&
           session_apply(s, profiles, VAR_COLLATION_CONNECTION, none) &&
           session_apply(s, profiles, PROFILE_NAMES, (struct slice){names, len});
}

static bool apply_charset(struct session *s, struct profiles *profiles, const struct assignment *a)
{
    struct slice value = a->value == SET_NULL ? (struct slice){"", 0} : a->text;

    if (a->value != SET_TEXT && a->value != SET_WORD && a->value != SET_NULL) {
        return false;
    }
    if (a->variable == VAR_CHARACTER_SET_CONNECTION &&
        !session_apply(s, profiles, VAR_COLLATION_CONNECTION, (struct slice){NULL, 0})) {
        return false;
    }
    return session_apply(s, profiles, a->variable, value);
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
            (task->tracked[variable / 64] & UINT64_C(1) << variable % 64) == 0) {
            return false;
        }
    }
    return true;
}

/* Charsets are taken from the statement: the node does not report collations (seen with 10.11). */
void session_after_set(struct session *s, struct pool *pool, struct task *task)
{
    struct set_statement set;
    bool carried = true;

    set_parse(&set, task->facts.body, session_sql_mode(s));
    if (task->facts.verb != VERB_SET || set.form != SET_VARIABLES ||
        (task->facts.flags & FACT_MULTI) != 0) {
        task->tracked_other |= task->tracked_charset; /* SET CHARACTER SET, a procedure */
        return;
    }
    for (unsigned i = 0; i < set.n && carried; i++) {
        if (is_names(&set, i)) {
            carried = apply_names(s, &pool->profiles, &set.assignments[i]);
            i += 3;
        } else if (session_is_charset(set.assignments[i].variable)) {
            carried = apply_charset(s, &pool->profiles, &set.assignments[i]);
        }
    }
    task->tracked_other |= !carried || !is_reported(task, &set);
}
