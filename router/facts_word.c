/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts_word.c - keywords in the body of a statement: where lists of tables begin and end, and
 * what makes a read a write.
 */
#include "router/scan.h"

/* on_sequence - NEXT VALUE FOR s, and of sql_mode=ORACLE s.NEXTVAL. */
static void on_sequence(struct scan *s)
{
    s->not_read = true;
    scan_flag(s, FACT_TABLES_UNKNOWN | FACT_VOLATILE | FACT_RUNS_UNSEEN);
}

/* on_plain_word - not a keyword, or only an ordinary function. */
static void on_plain_word(struct scan *s)
{
    if (UNLIKELY(token_is_punct(s->prev, '%'))) {
        if (slice_eq_nocase(token_inner(s->token), SLICE("rowcount"))) {
            scan_flag(s, FACT_ROW_COUNT | FACT_VOLATILE); /* SQL%ROWCOUNT of sql_mode=ORACLE */
        }
        return;
    }
    if (token_is_punct(s->prev, '.')) {
        struct slice name = token_inner(s->token);

        if (slice_eq_nocase(name, SLICE("nextval")) || slice_eq_nocase(name, SLICE("currval"))) {
            on_sequence(s);
        }
    }
}

/*
 * on_from - FROM is also EXTRACT's, TRIM's, SUBSTRING's; those have no SELECT in their
 * parentheses.
 */
static void on_from(struct scan *s, uint8_t *level)
{
    if (s->show_from != SHOW_NOTHING && s->depth == 0) {
        if (s->show_from == SHOW_TABLE) {
            s->expect = EXPECT_TABLE;
            s->show_from = SHOW_SCHEMA;
        } else {
            s->expect = EXPECT_SCHEMA;
            s->show_from = SHOW_NOTHING;
            scan_flag(s, FACT_TABLES_UNKNOWN);
        }
    } else if ((*level & LEVEL_QUERY) != 0) {
        *level |= LEVEL_LIST;
        s->expect = EXPECT_TABLE;
    }
}

/*
 * on_dml - INSERT, UPDATE, DELETE, REPLACE in the middle: behind WITH, or ON DUPLICATE KEY
 * UPDATE.
 */
static void on_dml(struct scan *s, uint8_t *level)
{
    if (s->token->word == W_UPDATE && s->prev->word == W_FOR) {
        scan_flag(s, FACT_LOCKING_READ);
        return;
    }
    if ((*level & LEVEL_WITH) != 0 && s->depth == 0) {
        *level = 0;
        s->verb_fixed = true;
        scan_verb(s);
        return;
    }
    if (s->token->word == W_UPDATE) {
        *level &= (uint8_t)~LEVEL_LIST;
    }
}

static void on_into(struct scan *s, uint8_t *level)
{
    *level &= (uint8_t)~LEVEL_LIST;
    s->saw_into = true;
    if (s->verb != VERB_LOAD) {
        scan_flag(s, FACT_INTO);
    }
}

static void on_for(struct scan *s)
{
    if (s->set_statement && s->depth == 0) {
        s->verb_fixed = true;
        s->set_statement = false;
        s->stage = STAGE_VERB;
    }
}

/*
 * on_query_word - words that open and close the lists of tables. Returns false when it is
 * another.
 */
static bool on_query_word(struct scan *s, uint8_t *level)
{
    switch (s->token->word) {
    case W_SELECT:
        *level = LEVEL_QUERY;
        s->saw_select = s->facts->has_select = true;
        return true;
    case W_FROM: on_from(s, level); return true;
    case W_JOIN:
    case W_STRAIGHT_JOIN:
        if ((*level & LEVEL_LIST) != 0 && s->prev->word != W_FOR) {
            s->expect = EXPECT_TABLE;
        }
        return true;
    case W_GROUP:
    case W_ORDER:
        if (s->prev->word != W_FOR) { /* USE INDEX FOR ORDER BY (...) */
            *level &= (uint8_t) ~(LEVEL_LIST | LEVEL_WITH);
        }
        return true;
    case W_WHERE:
        s->show_from = SHOW_NOTHING;
        *level &= (uint8_t)~LEVEL_LIST;
        return true;
    case W_RETURNING:
        s->saw_returning = true;
        *level &= (uint8_t)~LEVEL_LIST;
        return true;
    case W_HAVING:
    case W_LIMIT:
    case W_UNION:
    case W_EXCEPT:
    case W_INTERSECT:
    case W_VALUES:
    case W_PROCEDURE:
    case W_FETCH:
    case W_SET: *level &= (uint8_t) ~(LEVEL_LIST | LEVEL_WITH); return true;
    case W_WITH:
        if (token_is_punct(s->prev, '(')) {
            *level |= LEVEL_WITH;
            s->expect = EXPECT_CTE;
        }
        return true;
    case W_CYCLE:
        if ((*level & LEVEL_WITH) != 0 && token_is_punct(s->prev, ')')) {
            *level = LEVEL_CYCLE;
        }
        return true;
    case W_RESTRICT:
        if ((*level & LEVEL_CYCLE) != 0) {
            *level = LEVEL_WITH;
        }
        return true;
    case W_INTO: on_into(s, level); return true;
    case W_UPDATE:
    case W_INSERT:
    case W_DELETE:
    case W_REPLACE: on_dml(s, level); return true;
    default: return false;
    }
}

/* on_object_word - words that lead to a table in statements that are not queries. */
static void on_object_word(struct scan *s, const uint8_t *level)
{
    switch (s->token->word) {
    case W_USING:
        if (s->verb == VERB_DELETE && s->depth == 0 && (*level & LEVEL_LIST) != 0) {
            s->expect = EXPECT_TABLE;
        }
        break;
    case W_ON:
        if (s->index) {
            s->index = false;
            s->expect = EXPECT_TABLE;
        }
        break;
    case W_TO:
        if (s->verb == VERB_RENAME) {
            s->expect = EXPECT_TABLE;
        }
        break;
    case W_RENAME:
        if (s->verb == VERB_ALTER) {
            s->expect = EXPECT_TABLE;
        }
        break;
    case W_TABLE:
        if (s->verb == VERB_ALTER || s->verb == VERB_LOAD) {
            s->expect = EXPECT_TABLE;
        }
        break;
    case W_LIKE:
        if (s->verb == VERB_CREATE && !s->saw_select &&
            (s->behind == BEHIND_TABLE || token_is_punct(s->prev, '('))) {
            s->expect = EXPECT_TABLE;
        }
        s->show_from = SHOW_NOTHING;
        break;
    case W_IN:
        if (s->show_from != SHOW_NOTHING) {
            on_from(s, scan_level(s));
        }
        break;
    default: break;
    }
}

/* NOWAIT and WAIT n set lock_wait_timeout for the time of the statement (10.11). */
static bool may_wait(const struct scan *s)
{
    switch (s->verb) {
    case VERB_SELECT: return (s->facts->flags & FACT_LOCKING_READ) != 0;
    case VERB_DROP:
    case VERB_TRUNCATE:
    case VERB_RENAME:
    case VERB_ALTER:
    case VERB_CREATE:
    case VERB_OPTIMIZE:
    case VERB_LOCK_TABLES: return true;
    default: return false;
    }
}

/* on_set_user - ROLE or PASSWORD in SET, which may also be a variable's value. */
static void on_set_user(struct scan *s)
{
    bool is_first = s->prev->word == W_SET || token_is_punct(s->prev, ',');
    bool is_role = s->token->word == W_ROLE;

    if (is_role && is_first) { /* SET ROLE x, sql_mode='': the report of the one hides the other */
        scan_flag(s, FACT_UNTRACKED_SET);
    }
    if (is_role ? s->prev->word == W_DEFAULT : is_first) {
        s->facts->changes_rights = true;
    }
}

static void on_other_word(struct scan *s)
{
    switch (s->token->word) {
    case W_SHARE:
        if (s->prev->word == W_IN || s->prev->word == W_FOR) {
            scan_flag(s, FACT_LOCKING_READ);
        }
        break;
    case W_NOWAIT:
    case W_WAIT:
        if (may_wait(s)) {
            s->facts->sets_back = true;
        }
        break;
    case W_VALUE:
        if (s->prev->word == W_NEXT || s->prev->word == W_PREVIOUS) {
            on_sequence(s);
        }
        break;
    case W_NEXTVAL:
    case W_CURRVAL:
        if (token_is_punct(s->prev, '.')) { /* with a space between them */
            on_sequence(s);
        }
        break;
    case W_SQL_CALC_FOUND_ROWS: scan_flag(s, FACT_CALC_FOUND_ROWS); break;
    case W_FOR: on_for(s); break;
    case W_LOCAL:
        if (s->verb == VERB_LOAD && !s->saw_into) {
            scan_flag(s, FACT_LOCAL_INFILE);
        }
        break;
    case W_LOCK:
    case W_EXPORT:
        if (s->verb == VERB_FLUSH) {
            scan_flag(s, FACT_HOLDS_LOCK);
        }
        break;
    case W_WSREP_SYNC_WAIT:
    case W_WSREP_CAUSAL_READS: scan_flag(s, FACT_SYNC_WAIT); break;
    case W_SESSION_TRACK_SCHEMA:
    case W_SESSION_TRACK_STATE_CHANGE:
    case W_SESSION_TRACK_SYSTEM_VARIABLES: scan_flag(s, FACT_TRACKING_VARIABLE); break;
    case W_ROLE:
    case W_PASSWORD:
        if (s->verb == VERB_SET) {
            on_set_user(s);
        }
        break;
    case W_LAST_INSERT_ID:
    case W_IDENTITY:
        if (s->verb == VERB_SET && !token_is_punct(s->prev, '(')) {
            scan_flag(s, FACT_SETS_INSERT_ID); /* SET last_insert_id = 5 */
        }
        break;
    default: break;
    }
}

/* on_system_variable - a name behind @@. */
static void on_system_variable(struct scan *s)
{
    struct slice name = token_inner(s->token);
    uint16_t id = word_find(name.data, name.len).id;

    if (id == W_SESSION || id == W_LOCAL || id == W_GLOBAL) {
        s->assigns_variable = false;
        return; /* a dot and the name follow */
    }
    if (s->assigns_variable) {
        s->assigns_variable = false;
        scan_flag(s, FACT_UNTRACKED_SET);
    }
    switch (id) {
    case W_SESSION_TRACK_SCHEMA:
    case W_SESSION_TRACK_STATE_CHANGE:
    case W_SESSION_TRACK_SYSTEM_VARIABLES: scan_flag(s, FACT_TRACKING_VARIABLE); break;
    case W_WARNING_COUNT:
    case W_ERROR_COUNT: scan_flag(s, FACT_DIAGNOSTICS); break;
    case W_LAST_INSERT_ID:
    case W_IDENTITY:
        scan_flag(s, FACT_LAST_INSERT_ID | (s->verb == VERB_SET ? FACT_SETS_INSERT_ID : 0));
        break;
    case W_PSEUDO_THREAD_ID: scan_flag(s, FACT_CONNECTION_ID); break;
    case W_WSREP_SYNC_WAIT:
    case W_WSREP_CAUSAL_READS: scan_flag(s, FACT_SYNC_WAIT); break;
    default: break;
    }
    s->system_variable = false;
}

void scan_word(struct scan *s)
{
    const struct token *t = s->token;

    if (s->system_variable) {
        on_system_variable(s);
        return;
    }
    if (s->stage == STAGE_VERB) {
        scan_verb(s);
        return;
    }
    if (s->expect != EXPECT_NOTHING && scan_expected_word(s)) {
        return;
    }
    if (s->stage == STAGE_HEAD && scan_head_word(s)) {
        return;
    }
    if (t->word == WORD_NONE) {
        on_plain_word(s);
        return;
    }
    if ((t->word_flags & WORD_VOLATILE_BARE) != 0) {
        scan_flag(s, FACT_VOLATILE);
    }
    if (t->word == WORD_PLAIN || s->stage == STAGE_OPAQUE) {
        return;
    }
    if (!on_query_word(s, scan_level(s))) {
        on_object_word(s, scan_level(s));
        on_other_word(s);
    }
}
