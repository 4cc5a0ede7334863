/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_text.c - row_keys_of() of row_key.h: the rows that a text is bound to.
 *
 * It knows a few forms of statements, whole, and gives up at the first token that does not belong
 * to one of them:
 *
 *   SELECT ... FROM t [[AS] x] WHERE c [AND c].. [ORDER, GROUP, HAVING, LIMIT ...]
 *   UPDATE [LOW_PRIORITY] [IGNORE] t [[AS] x] SET a = ... [, ...] WHERE c [AND c].. [ORDER, LIMIT]
 *   DELETE [LOW_PRIORITY] [QUICK] [IGNORE] FROM t WHERE c [AND c].. [ORDER, LIMIT ...]
 *   INSERT|REPLACE [...] [INTO] t (a, ...) VALUES (...) [, ...] [ON DUPLICATE KEY UPDATE a = ...]
 *
 * c: name = literal, name IN (literals), name < literal, name LIKE string, name IS NULL, 1 = 1. No
 * other condition: in BETWEEN, CASE or INTERVAL an AND would not be what it seems.
 */
#include "router/row_key.h"
#include "router/token.h"
#include "router/words.h"

/* --- tokens ----------------------------------------------------------------------------------- */

struct reader {
    struct lexer lexer;
    struct token token;
    struct slice column; /* the key */
    struct row_keys *keys;
};

static void next(struct reader *r)
{
    lexer_next(&r->lexer, &r->token);
}

static bool at_word(const struct reader *r, uint16_t word)
{
    return r->token.kind == TOKEN_WORD && r->token.word == word;
}

static bool take_word(struct reader *r, uint16_t word)
{
    bool is_it = at_word(r, word);

    if (is_it) {
        next(r);
    }
    return is_it;
}

static bool take_punct(struct reader *r, char punct)
{
    bool is_it = token_is_punct(&r->token, punct);

    if (is_it) {
        next(r);
    }
    return is_it;
}

static void take_modifiers(struct reader *r)
{
    while (at_word(r, W_LOW_PRIORITY) || at_word(r, W_HIGH_PRIORITY) || at_word(r, W_IGNORE) ||
           at_word(r, W_QUICK)) {
        next(r);
    }
}

/* A name that is not a keyword; dotted ones never are. */
static bool at_name(const struct reader *r)
{
    return r->token.kind == TOKEN_QUOTED ||
           (r->token.kind == TOKEN_WORD && (r->token.word_flags & WORD_RESERVED) == 0);
}

/*
 * What it is compared with is ASCII; whether another character counts as one of these, who knows.
 */
static bool is_ascii(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.data[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

/* name [. name [. name]]: the last of them. */
static bool take_name(struct reader *r, struct slice *last)
{
    for (unsigned parts = 0; parts < 3; parts++) {
        *last = token_inner(&r->token);
        if (!at_name(r) || !is_ascii(*last)) {
            return false;
        }
        next(r);
        if (!take_punct(r, '.')) {
            return true;
        }
    }
    return false;
}

static bool take_table(struct reader *r, bool has_alias)
{
    struct slice name;

    if (!take_name(r, &name)) {
        return false;
    }
    if (has_alias && (take_word(r, W_AS) || at_name(r))) {
        if (!at_name(r)) {
            return false;
        }
        next(r);
    }
    return true;
}

static bool is_key(const struct reader *r, struct slice name)
{
    return slice_eq_nocase(name, r->column);
}

static bool at_end(const struct reader *r)
{
    struct reader behind = *r;

    if (r->token.kind == TOKEN_PUNCT && r->token.punct == ';') {
        next(&behind);
    }
    return behind.token.kind == TOKEN_END;
}

static bool at_literal(const struct reader *r)
{
    return r->token.kind == TOKEN_STRING || r->token.kind == TOKEN_NUMBER;
}

/*
 * What another query begins with, or reads. A parenthesis that closes nothing ends the expression
 * for the caller.
 */
static bool is_foreign(const struct token *token)
{
    switch (token->word) {
    case W_SELECT:
    case W_UNION:
    case W_EXCEPT:
    case W_INTERSECT:
    case W_INTO:
    case W_PROCEDURE:
    case W_WITH:
    case W_RETURNING: return true;
    default: return token_is_punct(token, '{') || token_is_punct(token, '?');
    }
}

/*
 * skip_expression - up to a comma, a closing parenthesis, the word or a semicolon outside of
 * parentheses, or the end. Returns false when something is in it that is not understood, or it is
 * empty.
 */
static bool skip_expression(struct reader *r, uint16_t word)
{
    unsigned depth = 0;
    bool is_empty = true;

    for (; r->token.kind != TOKEN_END; next(r)) {
        char punct = r->token.kind == TOKEN_PUNCT ? r->token.punct : '\0';

        if (depth == 0 &&
            (punct == ',' || punct == ')' || punct == ';' || (word != 0 && at_word(r, word)))) {
            return !is_empty;
        }
        if (is_foreign(&r->token)) {
            return false;
        }
        depth += punct == '(' ? 1 : 0;
        depth -= punct == ')' ? 1 : 0;
        is_empty = false;
    }
    return depth == 0 && !is_empty;
}

/* --- conditions ------------------------------------------------------------------------------- */

/* A plain string, with nothing between its quotes that would mean something else. */
static bool add_literal(const struct reader *r, struct row_keys *keys)
{
    return r->token.kind == TOKEN_STRING && (r->token.flags & TOKEN_PLAIN) != 0 &&
           row_keys_add(keys, r->column, token_inner(&r->token));
}

/* Its rows are those of one condition: the first that names any. */
static void keep(struct reader *r, const struct row_keys *keys, bool is_bound)
{
    if (is_bound && r->keys->n == 0) {
        *r->keys = *keys;
    }
}

static bool take_equals(struct reader *r, bool is_of_key)
{
    struct row_keys keys = {.n = 0};

    if (!at_literal(r)) {
        return false;
    }
    keep(r, &keys, is_of_key && add_literal(r, &keys));
    next(r);
    return true;
}

static bool take_list(struct reader *r, bool is_of_key)
{
    struct row_keys keys = {.n = 0};
    bool is_bound = is_of_key;

    if (!take_punct(r, '(')) {
        return false;
    }
    do {
        if (!at_literal(r)) {
            return false;
        }
        is_bound = is_bound && add_literal(r, &keys);
        next(r);
    } while (take_punct(r, ','));
    keep(r, &keys, is_bound);
    return take_punct(r, ')');
}

/* < <= > >= <> and != */
static bool take_comparison(struct reader *r)
{
    if (take_punct(r, '!')) {
        return take_punct(r, '=');
    }
    if (take_punct(r, '<')) {
        (void)(take_punct(r, '=') || take_punct(r, '>'));
        return true;
    }
    if (take_punct(r, '>')) {
        (void)take_punct(r, '=');
        return true;
    }
    return false;
}

static bool take_literal(struct reader *r)
{
    bool is_it = at_literal(r);

    if (is_it) {
        next(r);
    }
    return is_it;
}

static bool take_condition(struct reader *r)
{
    struct slice name;
    bool is_of_key;

    if (r->token.kind == TOKEN_NUMBER) { /* 1 = 1 */
        next(r);
        return take_punct(r, '=') && take_literal(r);
    }
    if (!take_name(r, &name)) {
        return false;
    }
    is_of_key = is_key(r, name);
    if (take_punct(r, '=')) {
        return take_equals(r, is_of_key);
    }
    if (take_word(r, W_IN)) {
        return take_list(r, is_of_key);
    }
    if (at_word(r, W_NOT) || at_word(r, W_LIKE)) {
        (void)take_word(r, W_NOT);
        return take_word(r, W_LIKE) && take_literal(r);
    }
    if (r->token.kind == TOKEN_WORD && slice_eq_nocase(token_text(&r->token), SLICE("is"))) {
        next(r);
        (void)take_word(r, W_NOT);
        return take_word(r, W_NULL);
    }
    return take_comparison(r) && take_literal(r);
}

static bool is_and(const struct token *token)
{
    return token->kind == TOKEN_WORD && (token->flags & TOKEN_DOTTED) == 0 &&
           slice_eq_nocase(token_text(token), SLICE("and"));
}

/* All of it must hold, and one of it is the key. */
static bool take_where(struct reader *r)
{
    if (!take_word(r, W_WHERE)) {
        return false;
    }
    for (;;) {
        if (!take_condition(r)) {
            return false;
        }
        if (!is_and(&r->token)) {
            return r->keys->n > 0;
        }
        next(r);
    }
}

/* What only orders, groups, or leaves rows out. */
static bool take_tail(struct reader *r, bool is_select)
{
    if (at_end(r)) {
        return true;
    }
    if (!at_word(r, W_ORDER) && !at_word(r, W_LIMIT) &&
        !(is_select && (at_word(r, W_GROUP) || at_word(r, W_HAVING)))) {
        return false;
    }
    while (skip_expression(r, 0)) {
        if (!take_punct(r, ',')) {
            return at_end(r);
        }
    }
    return false;
}

/* --- statements ------------------------------------------------------------------------------- */

static bool read_select(struct reader *r)
{
    while (skip_expression(r, W_FROM)) {
        if (!take_punct(r, ',')) {
            break;
        }
    }
    return take_word(r, W_FROM) && take_table(r, true) && take_where(r) && take_tail(r, true);
}

static bool read_delete(struct reader *r)
{
    take_modifiers(r);
    return take_word(r, W_FROM) && take_table(r, false) && take_where(r) && take_tail(r, false);
}

/* VALUES(key), of the row that was to be inserted: the key stays what it is. */
static bool take_same_key(struct reader *r)
{
    struct slice name;

    return (take_word(r, W_VALUES) || take_word(r, W_VALUE)) && take_punct(r, '(') &&
           take_name(r, &name) && is_key(r, name) && take_punct(r, ')') &&
           (token_is_punct(&r->token, ',') || at_end(r));
}

/* a = ... [, ...], up to the word or the end; the key is not set to another value. */
static bool take_assignments(struct reader *r, uint16_t word, bool is_of_insert)
{
    struct slice name;

    do {
        if (!take_name(r, &name) || !take_punct(r, '=')) {
            return false;
        }
        if (is_key(r, name) ? !is_of_insert || !take_same_key(r) : !skip_expression(r, word)) {
            return false;
        }
    } while (take_punct(r, ','));
    return true;
}

static bool read_update(struct reader *r)
{
    take_modifiers(r);
    return take_table(r, true) && take_word(r, W_SET) && take_assignments(r, W_WHERE, false) &&
           take_where(r) && take_tail(r, false);
}

/* (a, b, ...): where the key stands; whether a column is named that may be the other unique key. */
static bool take_columns(struct reader *r, unsigned *key, bool *has_id)
{
    bool has_key = false;
    struct slice name;
    unsigned n = 0;

    if (!take_punct(r, '(')) {
        return false;
    }
    do {
        if (!take_name(r, &name)) {
            return false;
        }
        if (is_key(r, name)) {
            if (has_key) {
                return false;
            }
            has_key = true;
            *key = n;
        }
        *has_id |= name.len >= 2 &&
                   slice_eq_nocase((struct slice){name.data + name.len - 2, 2}, SLICE("id"));
        n++;
    } while (take_punct(r, ','));
    return has_key && take_punct(r, ')');
}

/* (..., 'value', ...) */
static bool take_row(struct reader *r, unsigned key)
{
    unsigned n = 0;

    if (!take_punct(r, '(')) {
        return false;
    }
    do {
        bool is_of_key = n++ == key;

        if (is_of_key && !add_literal(r, r->keys)) {
            return false;
        }
        if (is_of_key) {
            next(r);
            if (!token_is_punct(&r->token, ',') && !token_is_punct(&r->token, ')')) {
                return false;
            }
        } else if (!skip_expression(r, 0)) {
            return false;
        }
    } while (take_punct(r, ','));
    return n > key && take_punct(r, ')');
}

static bool take_on_duplicate(struct reader *r)
{
    if (!take_word(r, W_ON) || r->token.kind != TOKEN_WORD ||
        !slice_eq_nocase(token_text(&r->token), SLICE("duplicate"))) {
        return false;
    }
    next(r);
    return take_word(r, W_KEY) && take_word(r, W_UPDATE) && take_assignments(r, 0, true);
}

static bool read_insert(struct reader *r, bool is_replace)
{
    unsigned key = 0;
    bool has_id = false;

    take_modifiers(r);
    (void)take_word(r, W_INTO);
    if (!take_table(r, false) || !take_columns(r, &key, &has_id) ||
        !(take_word(r, W_VALUES) || take_word(r, W_VALUE))) {
        return false;
    }
    do {
        if (!take_row(r, key)) {
            return false;
        }
    } while (take_punct(r, ','));
    if (is_replace && has_id) {
        return false;
    }
    return at_end(r) || (!is_replace && !has_id && take_on_duplicate(r) && at_end(r));
}

static bool read_statement(struct reader *r, uint8_t verb)
{
    switch (verb) {
    case VERB_SELECT: return take_word(r, W_SELECT) && read_select(r);
    case VERB_INSERT: return take_word(r, W_INSERT) && read_insert(r, false);
    case VERB_REPLACE: return take_word(r, W_REPLACE) && read_insert(r, true);
    case VERB_UPDATE: return take_word(r, W_UPDATE) && read_update(r);
    case VERB_DELETE: return take_word(r, W_DELETE) && read_delete(r);
    default: return false;
    }
}

bool row_keys_of(const struct facts *facts, struct slice text, uint32_t mode,
                 const struct row_key_patterns *patterns, struct row_keys *keys)
{
    const uint32_t never = FACT_MULTI | FACT_EXECUTABLE_COMMENT | FACT_UNTERMINATED |
                           FACT_RUNS_UNSEEN | FACT_TABLES_UNKNOWN | FACT_DDL | FACT_USER_VARIABLE;
    const struct row_key_pattern *pattern;
    struct reader r;

    keys->n = 0;
    if (facts->n_tables != 1 || (facts->flags & never) != 0 || facts->sets_back ||
        facts->verb != facts->runs) {
        return false;
    }
    pattern = row_key_pattern_find(patterns, facts->tables[0].name);
    if (pattern == NULL) {
        return false;
    }
    r = (struct reader){.column = pattern->column, .keys = keys};
    lexer_init(&r.lexer, text, mode);
    next(&r);
    if (!read_statement(&r, facts->verb) || r.lexer.flags != 0) {
        keys->n = 0;
    }
    return keys->n > 0;
}
