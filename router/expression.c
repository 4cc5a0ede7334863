/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expression.c - evaluates what MailPoet and others write behind SET.
 *
 * Only what is certain: integers compare as integers, texts are concatenated and replaced byte by
 * byte (MariaDB's REPLACE heeds case). Mixed types, decimals and comparisons of texts are left to
 * a node.
 */
#include "router/expression.h"

#include "router/words.h"

void expression_init(struct expression *e, struct lexer *lexer, struct token *token, set_get_fn get,
                     void *owner)
{
    memset(e, 0, offsetof(struct expression, memory));
    e->lexer = lexer;
    e->token = token;
    e->get = get;
    e->owner = owner;
}

/* take - go on to the next token; comments inside are not ours. */
static bool take(struct expression *e)
{
    e->end = e->token->end;
    lexer_next(e->lexer, e->token);
    return true;
}

static bool inside(struct expression *e)
{
    return (e->token->flags & TOKEN_COMMENT) == 0 && e->token->kind != TOKEN_END;
}

static bool take_punct(struct expression *e, char punct)
{
    return inside(e) && token_is_punct(e->token, punct) && take(e);
}

/* is_integer - the way MariaDB writes one, and short enough to compare. */
static bool is_integer(struct slice text)
{
    size_t i = text.len > 0 && text.data[0] == '-' ? 1 : 0;
    size_t digits = text.len - i;

    if (digits == 0 || digits > 18 || (text.data[i] == '0' && text.len > 1)) {
        return false;
    }
    for (; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return true;
}

static int64_t integer(struct slice text)
{
    bool negative = text.data[0] == '-';
    int64_t n = 0;

    for (size_t i = negative ? 1 : 0; i < text.len; i++) {
        n = n * 10 + (text.data[i] - '0');
    }
    return negative ? -n : n;
}

static bool literal(struct expression *e, struct operand *result)
{
    result->is_number = e->token->kind == TOKEN_NUMBER;
    result->text = token_inner(e->token);
    if (result->is_number) {
        return is_integer(result->text) && take(e);
    }
    return (e->token->flags & TOKEN_PLAIN) != 0 &&
           (result->text.len == 0 || memchr(result->text.data, '\\', result->text.len) == NULL) &&
           take(e);
}

static bool negative(struct expression *e, struct operand *result)
{
    const char *start = e->token->start;

    if (!take(e) || e->token->kind != TOKEN_NUMBER || e->token->flags != 0) {
        return false;
    }
    result->is_number = true;
    result->text = (struct slice){start, (size_t)(e->token->end - start)};
    return is_integer(result->text) && take(e);
}

/* name_behind - a name that stands directly behind @@ or a dot. */
static bool name_behind(struct expression *e, struct slice *name)
{
    if (!inside(e) || !token_is_name(e->token) || (e->token->flags & TOKEN_GAP) != 0) {
        return false;
    }
    *name = token_inner(e->token);
    return take(e);
}

/*
 * variable - its type is that of SELECT @@name. Switches are left out: tracking says ON where
 * SELECT says 1.
 */
static bool variable(struct expression *e, struct operand *result)
{
    struct slice name;
    int id;

    if (!take(e) || !name_behind(e, &name)) {
        return false;
    }
    if (take_punct(e, '.')) {
        uint16_t scope = word_find(name.data, name.len).id;

        if ((scope != W_SESSION && scope != W_LOCAL) || !name_behind(e, &name)) {
            return false;
        }
    }
    id = variable_find(name);
    if (id == VARIABLE_NONE || variable_kind(id) == VALUE_WORD) {
        return false;
    }
    result->is_number = variable_kind(id) == VALUE_NUMBER;
    result->text = (struct slice){"", 0};
    if (e->get != NULL) {
        result->text = e->get(e->owner, id);
        return result->text.data != NULL && (!variable_empty_is_null(id) || result->text.len > 0) &&
               (!result->is_number || is_integer(result->text));
    }
    return true;
}

static bool keep(struct expression *e, const char *text, size_t len)
{
    if (len > EXPRESSION_MEMORY - e->used) {
        return false;
    }
    if (len > 0) {
        memcpy(e->memory + e->used, text, len);
        e->used += (uint32_t)len;
    }
    return true;
}

static bool concat(struct expression *e, const struct operand *in, size_t n, struct operand *result)
{
    uint32_t start = e->used;

    for (size_t i = 0; i < n; i++) {
        if (!keep(e, in[i].text.data, in[i].text.len)) {
            return false;
        }
    }
    *result = (struct operand){{e->memory + start, e->used - start}, false};
    return true;
}

static bool replace(struct expression *e, const struct operand *in, struct operand *result)
{
    struct slice text = in[0].text;
    struct slice from = in[1].text;
    uint32_t start = e->used;
    size_t i = 0;

    while (i < text.len) {
        bool same = from.len > 0 && text.len - i >= from.len &&
                    memcmp(text.data + i, from.data, from.len) == 0;

        if (!(same ? keep(e, in[2].text.data, in[2].text.len) : keep(e, text.data + i, 1))) {
            return false;
        }
        i += same ? from.len : 1;
    }
    *result = (struct operand){{e->memory + start, e->used - start}, false};
    return true;
}

static bool choose(const struct operand *in, size_t n, bool greatest, struct operand *result)
{
    *result = in[0];
    for (size_t i = 1; i < n; i++) {
        int64_t a = integer(in[i].text);
        int64_t b = integer(result->text);

        if (greatest ? a > b : a < b) {
            *result = in[i];
        }
    }
    return true;
}

/* same_type - all texts or all integers. */
static bool same_type(const struct operand *in, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (in[i].is_number != in[0].is_number) {
            return false;
        }
    }
    return n > 0;
}

static bool call(struct expression *e, uint16_t word, const struct operand *in, size_t n,
                 struct operand *result)
{
    bool known = e->get != NULL;

    *result = (struct operand){{"", 0}, false};
    switch (word) {
    case W_CONCAT: return n > 0 && (!known || concat(e, in, n, result));
    case W_REPLACE:
        return n == 3 && same_type(in, n) && !in[0].is_number && (!known || replace(e, in, result));
    case W_GREATEST:
    case W_LEAST:
        if (n < 2 || !same_type(in, n) || !in[0].is_number) {
            return false;
        }
        result->is_number = true;
        return !known || choose(in, n, word == W_GREATEST, result);
    case W_IFNULL:
    case W_COALESCE:
        if (!same_type(in, n) || (word == W_IFNULL && n != 2)) {
            return false;
        }
        *result = in[0]; /* nothing here is NULL */
        return true;
    default: return false;
    }
}

static bool function(struct expression *e, struct operand *result)
{
    struct operand in[8];
    size_t n = 0;
    uint16_t word = e->token->word;

    if (!take(e) || !take_punct(e, '(')) {
        return false;
    }
    do {
        if (n == ARRAY_SIZE(in) || !expression_operand(e, &in[n])) {
            return false;
        }
        n++;
    } while (take_punct(e, ','));
    return take_punct(e, ')') && call(e, word, in, n, result);
}

bool expression_operand(struct expression *e, struct operand *result)
{
    bool ok = false;

    if (!inside(e) || e->depth == EXPRESSION_DEPTH) {
        return false;
    }
    e->depth++;
    if (e->token->kind == TOKEN_STRING || e->token->kind == TOKEN_NUMBER) {
        ok = literal(e, result);
    } else if (e->token->kind == TOKEN_SYSTEM_VARIABLE) {
        ok = variable(e, result);
    } else if (e->token->kind == TOKEN_WORD) {
        ok = function(e, result);
    } else if (token_is_punct(e->token, '-')) {
        ok = negative(e, result);
    }
    e->depth--;
    return ok;
}
