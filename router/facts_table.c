/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts_table.c - the names of tables: [schema .] name, where one is expected.
 *
 * A name too many costs a little; a name that is missing costs a stale read. What cannot be told
 * sets FACT_TABLES_UNKNOWN.
 */
#include "router/scan.h"

bool facts_is_system_schema(struct slice schema)
{
    return slice_eq_nocase(schema, SLICE("information_schema")) ||
           slice_eq_nocase(schema, SLICE("performance_schema")) ||
           slice_eq_nocase(schema, SLICE("mysql")) || slice_eq_nocase(schema, SLICE("sys"));
}

/*
 * is_cte - a name that WITH gave, in the query behind it. Inside of WITH x AS (...) it is
 * still a table.
 */
static bool is_cte(const struct scan *s)
{
    if (s->name.schema.len > 0 || (s->levels[0] & LEVEL_WITH) != 0) {
        return false;
    }
    for (size_t i = 0; i < s->n_ctes; i++) {
        if (slice_eq_nocase(s->ctes[i], s->name.name)) {
            return true;
        }
    }
    return false;
}

static void add_table(struct scan *s)
{
    struct facts *f = s->facts;

    if (s->name.schema.len > 0 && facts_is_system_schema(s->name.schema)) {
        f->flags |= FACT_VOLATILE;
    }
    for (size_t i = 0; i < f->n_tables; i++) {
        if (slice_eq(f->tables[i].name, s->name.name) &&
            slice_eq(f->tables[i].schema, s->name.schema)) {
            return;
        }
    }
    if (f->n_tables == FACTS_MAX_TABLES) {
        f->flags |= FACT_TABLES_UNKNOWN;
        return;
    }
    f->tables[f->n_tables++] = s->name;
}

void scan_name_end(struct scan *s)
{
    if (s->expect == EXPECT_CTE_END) {
        s->behind = BEHIND_CTE;
    } else {
        s->behind = BEHIND_TABLE;
        if (!is_cte(s)) {
            add_table(s);
        }
    }
    s->expect = EXPECT_NOTHING;
}

static void start_name(struct scan *s)
{
    s->name = (struct table_name){.name = token_inner(s->token)};
    s->expect = EXPECT_DOT;
}

static void add_cte(struct scan *s)
{
    if (s->depth == 0 && s->n_ctes < SCAN_CTES) {
        s->ctes[s->n_ctes++] = token_inner(s->token);
    }
    s->expect = EXPECT_CTE_END;
}

/* is_modifier - keywords between a verb and its table. */
static bool is_modifier(const struct scan *s)
{
    switch (s->token->word) {
    case W_LOW_PRIORITY:
    case W_HIGH_PRIORITY:
    case W_DELAYED:
    case W_IGNORE:
    case W_TABLE:
    case W_IF:
    case W_NOT:
    case W_EXISTS: return true;
    case W_INTO: return s->verb == VERB_INSERT || s->verb == VERB_REPLACE;
    case W_TO:
    case W_AS: return s->verb == VERB_ALTER || s->verb == VERB_RENAME;
    case W_QUICK: return s->verb == VERB_DELETE && s->prev->word == W_DELETE;
    case W_OJ: return token_is_punct(s->prev, '{');
    default: return false;
    }
}

/* give_up - a keyword where a table's name was expected; is it one that explains itself? */
static void give_up(struct scan *s)
{
    s->expect = EXPECT_NOTHING;
    switch (s->token->word) {
    case W_SELECT: /* derived tables */
    case W_VALUES:
    case W_WITH: /* and FLUSH TABLES WITH READ LOCK */
    case W_FROM: /* DELETE FROM */
    case W_FOR:
    case W_COLUMN: /* ALTER TABLE ... RENAME COLUMN */
    case W_INDEX:
    case W_KEY: break;
    default: scan_flag(s, FACT_TABLES_UNKNOWN); break;
    }
}

/* is_json_table - the function; a table may have this name, too. */
static bool is_json_table(const struct scan *s)
{
    struct lexer lexer = s->lexer;
    struct token token;

    if (s->token->word != W_JSON_TABLE) {
        return false;
    }
    lexer_next(&lexer, &token);
    return token_is_punct(&token, '(');
}

static bool expected_table(struct scan *s)
{
    if (is_modifier(s)) {
        return true;
    }
    if (s->token->word == W_DUAL || is_json_table(s)) {
        s->expect = EXPECT_NOTHING;
        return true;
    }
    if ((s->token->word_flags & WORD_RESERVED) != 0) {
        give_up(s);
        return false;
    }
    start_name(s);
    return true;
}

static void expected_schema(struct scan *s)
{
    struct facts *f = s->facts;

    if (is_modifier(s)) {
        return;
    }
    s->expect = EXPECT_NOTHING;
    if (f->n_tables < FACTS_MAX_TABLES) {
        f->tables[f->n_tables++] = (struct table_name){.schema = token_inner(s->token)};
    } else {
        f->flags |= FACT_TABLES_UNKNOWN;
    }
}

bool scan_expected_word(struct scan *s)
{
    switch ((enum scan_expect)s->expect) {
    case EXPECT_TABLE: return expected_table(s);
    case EXPECT_NAME:
        s->name.schema = s->name.name;
        s->name.name = token_inner(s->token);
        s->expect = EXPECT_DOT;
        return true;
    case EXPECT_SCHEMA: expected_schema(s); return true;
    case EXPECT_CTE:
        if (s->token->word != W_RECURSIVE) {
            add_cte(s);
        }
        return true;
    case EXPECT_NOTHING:
    case EXPECT_DOT:
    case EXPECT_CTE_END: break;
    }
    return false;
}

bool scan_expected_other(struct scan *s)
{
    char punct = s->token->punct;

    if (s->expect == EXPECT_NAME) {
        /* DELETE t.* FROM t: the name is complete. A space behind the dot ends it for us. */
        if (punct != '*') {
            scan_flag(s, FACT_TABLES_UNKNOWN);
        }
        scan_name_end(s);
        return punct == '*';
    }
    if (s->expect == EXPECT_TABLE) {
        if (punct == '(') {
            return false;
        }
        if (punct == '{' || punct == '.' || (punct == '=' && s->verb == VERB_ALTER)) {
            return true;
        }
        if (punct == ';' && s->verb == VERB_FLUSH) {
            s->expect = EXPECT_NOTHING;
            return false;
        }
    }
    s->expect = EXPECT_NOTHING;
    scan_flag(s, FACT_TABLES_UNKNOWN);
    return false;
}
