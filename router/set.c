/* SPDX-License-Identifier: Apache-2.0 */
/*
 * set.c - SET and USE.
 *
 *   SET item [, item]...
 *   item: [SESSION|LOCAL] name = value | @@[SESSION.|LOCAL.]name = value
 *         | NAMES charset [COLLATE collation]
 *   SET SESSION|LOCAL TRANSACTION characteristic [, characteristic]
 *
 * Everything else is SET_OPAQUE. So are values of a type that the variable does not take: a node
 * refuses them, and its error is the client's.
 */
#include "router/set.h"

#include "router/expression.h"
#include "router/facts.h"
#include "router/words.h"

struct parser {
    struct lexer lexer;
    struct token token;
    struct set_statement *set;
};

static void next(struct parser *p)
{
    lexer_next(&p->lexer, &p->token);
}

static bool take_word(struct parser *p, uint16_t word)
{
    if (p->token.word != word) {
        return false;
    }
    next(p);
    return true;
}

static bool take_punct(struct parser *p, char punct)
{
    if (!token_is_punct(&p->token, punct)) {
        return false;
    }
    next(p);
    return true;
}

static bool is_end(const struct parser *p)
{
    return p->token.kind == TOKEN_END;
}

static struct assignment *add(struct parser *p, int variable, enum set_value value,
                              struct slice text)
{
    struct assignment *a;

    if (p->set->n == SET_MAX_ASSIGNMENTS) {
        return NULL;
    }
    a = &p->set->assignments[p->set->n++];
    *a = (struct assignment){.variable = variable, .value = (uint8_t)value, .text = text};
    a->name = slice_of(variable_name(variable));
    return a;
}

/* fits - may this variable be given a value of this type? */
static bool fits(int variable, enum set_value value, struct slice text)
{
    if (variable == VARIABLE_NONE) {
        return value != SET_FUNCTION;
    }
    switch (variable_kind(variable)) {
    case VALUE_NUMBER: return value == SET_NUMBER || value == SET_DEFAULT;
    case VALUE_TEXT:
        return value != SET_NUMBER && (value != SET_NULL || variable_empty_is_null(variable));
    case VALUE_WORD: break;
    }
    if (value == SET_TEXT) {
        return text.len > 0 && (text.data[0] < '0' || text.data[0] > '9');
    }
    return value != SET_FUNCTION && (value != SET_NULL || variable_empty_is_null(variable));
}

/* is_plain_text - without a backslash as well: what that means changes with sql_mode. */
static bool is_plain_text(const struct token *token)
{
    struct slice inner = token_inner(token);

    return (token->flags & TOKEN_PLAIN) != 0 &&
           (inner.len == 0 || memchr(inner.data, '\\', inner.len) == NULL);
}

static bool value_number(struct parser *p, struct assignment *a)
{
    const char *start = NULL;

    if (token_is_punct(&p->token, '-')) {
        start = p->token.start;
        next(p);
        if (p->token.flags != 0) {
            return false; /* - 5: the text would not be one piece */
        }
    } else {
        (void)take_punct(p, '+');
    }
    if (p->token.kind != TOKEN_NUMBER) {
        return false;
    }
    a->value = SET_NUMBER;
    a->text = token_text(&p->token);
    for (size_t i = 0; i < a->text.len; i++) {
        if (a->text.data[i] != '.' && (a->text.data[i] < '0' || a->text.data[i] > '9')) {
            return false; /* 1e3, 0x10 */
        }
    }
    if (start != NULL) {
        a->text = (struct slice){start, (size_t)(p->token.end - start)};
    }
    next(p);
    return true;
}

static bool value_function(struct parser *p, struct assignment *a)
{
    struct expression e;
    struct operand result;
    const char *start = p->token.start;

    expression_init(&e, &p->lexer, &p->token, NULL, NULL);
    if (!expression_operand(&e, &result) || a->variable == VARIABLE_NONE ||
        result.is_number != (variable_kind(a->variable) == VALUE_NUMBER)) {
        return false;
    }
    a->value = SET_FUNCTION;
    a->text = (struct slice){start, (size_t)(e.end - start)};
    return true;
}

/* is_word_value - MariaDB takes a bare name as text, but not keywords; CURRENT_USER is a call. */
static bool is_word_value(const struct token *token)
{
    if ((token->word_flags & WORD_VOLATILE_BARE) != 0) {
        return false;
    }
    return (token->word_flags & WORD_RESERVED) == 0 || token->word == W_ON ||
           token->word == W_ALL || token->word == W_BINARY;
}

/* value_word - DEFAULT, NULL, ON, a name. */
static bool value_word(struct parser *p, struct assignment *a)
{
    uint16_t word = p->token.word;

    a->text = token_inner(&p->token);
    a->value = SET_WORD;
    if (p->token.kind == TOKEN_QUOTED) {
        next(p);
        return a->text.len > 0;
    }
    if (word == W_DEFAULT || word == W_NULL) {
        a->value = word == W_DEFAULT ? SET_DEFAULT : SET_NULL;
        a->text = SLICE("");
    } else if (word == W_TRUE || word == W_FALSE) {
        a->value = SET_NUMBER;
        a->text = word == W_TRUE ? SLICE("1") : SLICE("0");
    } else if (!is_word_value(&p->token)) {
        return false;
    }
    next(p);
    return true;
}

/* is_call - a word and a parenthesis; the lexer is copied to look one token ahead. */
static bool is_call(const struct parser *p)
{
    struct lexer lexer = p->lexer;
    struct token token;

    lexer_next(&lexer, &token);
    return token_is_punct(&token, '(');
}

static bool value(struct parser *p, struct assignment *a)
{
    bool ok;

    switch (p->token.kind) {
    case TOKEN_STRING:
        a->value = SET_TEXT;
        a->text = token_inner(&p->token);
        ok = is_plain_text(&p->token);
        next(p);
        break;
    case TOKEN_NUMBER:
    case TOKEN_PUNCT: ok = value_number(p, a); break;
    case TOKEN_SYSTEM_VARIABLE: return value_function(p, a);
    case TOKEN_WORD:
        if (is_call(p)) {
            return value_function(p, a);
        }
        ok = value_word(p, a);
        break;
    case TOKEN_QUOTED: ok = is_plain_text(&p->token) && value_word(p, a); break;
    default: return false;
    }
    return ok && fits(a->variable, (enum set_value)a->value, a->text);
}

/* name - a variable's name, no keyword and not structured. */
static bool name(struct parser *p, struct slice *out)
{
    if (!token_is_name(&p->token) || (p->token.word_flags & WORD_RESERVED) != 0 ||
        (p->token.kind == TOKEN_QUOTED && !is_plain_text(&p->token))) {
        return false;
    }
    *out = token_inner(&p->token);
    next(p);
    return out->len > 0;
}

static bool equals(struct parser *p)
{
    if (take_punct(p, ':') && (p->token.flags & TOKEN_GAP) != 0) {
        return false;
    }
    return take_punct(p, '=');
}

static bool assign(struct parser *p, struct slice variable)
{
    struct assignment *a;
    int id = variable_find(variable);

    if (!equals(p)) {
        return false;
    }
    a = add(p, id, SET_DEFAULT, SLICE(""));
    if (a == NULL) {
        return false;
    }
    a->name = variable;
    return value(p, a);
}

/* system_variable - behind @@. */
static bool system_variable(struct parser *p)
{
    struct slice first;
    uint16_t scope;

    if ((p->token.flags & TOKEN_GAP) != 0 || !name(p, &first)) {
        return false;
    }
    scope = word_find(first.data, first.len).id;
    if (take_punct(p, '.')) {
        return (scope == W_SESSION || scope == W_LOCAL) && name(p, &first) && assign(p, first);
    }
    return assign(p, first);
}

static bool charset_name(struct parser *p, uint8_t *value, struct slice *text)
{
    bool word = token_is_name(&p->token) &&
                ((p->token.word_flags & WORD_RESERVED) == 0 || p->token.word == W_BINARY);

    if (!word && p->token.kind != TOKEN_STRING) {
        return false;
    }
    if (p->token.kind != TOKEN_WORD && !is_plain_text(&p->token)) {
        return false;
    }
    *value = p->token.kind == TOKEN_STRING ? SET_TEXT : SET_WORD;
    *text = token_inner(&p->token);
    next(p);
    return text->len > 0;
}

static bool names(struct parser *p)
{
    static const int charsets[] = {VAR_CHARACTER_SET_CLIENT, VAR_CHARACTER_SET_CONNECTION,
                                   VAR_CHARACTER_SET_RESULTS};
    uint8_t kind;
    struct slice text;

    if (!charset_name(p, &kind, &text)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(charsets); i++) {
        if (add(p, charsets[i], (enum set_value)kind, text) == NULL) {
            return false;
        }
    }
    if (!take_word(p, W_COLLATE)) {
        return add(p, VAR_COLLATION_CONNECTION, SET_DEFAULT, SLICE("")) != NULL;
    }
    return charset_name(p, &kind, &text) &&
           add(p, VAR_COLLATION_CONNECTION, (enum set_value)kind, text) != NULL;
}

static bool item(struct parser *p)
{
    struct slice variable;

    if (p->token.kind == TOKEN_SYSTEM_VARIABLE) {
        next(p);
        return system_variable(p);
    }
    if (p->token.word == W_NAMES) {
        next(p);
        return names(p);
    }
    if (p->token.word == W_SESSION || p->token.word == W_LOCAL) {
        next(p);
    }
    switch (p->token.word) {
    case W_GLOBAL:
    case W_SESSION:
    case W_LOCAL:
    case W_NAMES:
    case W_PASSWORD:
    case W_CHARSET: return false;
    default: return name(p, &variable) && assign(p, variable);
    }
}

static bool isolation_level(struct parser *p, struct slice *level)
{
    if (take_word(p, W_READ)) {
        if (take_word(p, W_COMMITTED)) {
            *level = SLICE("READ-COMMITTED");
            return true;
        }
        *level = SLICE("READ-UNCOMMITTED");
        return take_word(p, W_UNCOMMITTED);
    }
    if (take_word(p, W_REPEATABLE)) {
        *level = SLICE("REPEATABLE-READ");
        return take_word(p, W_READ);
    }
    *level = SLICE("SERIALIZABLE");
    return take_word(p, W_SERIALIZABLE);
}

/* transaction - behind SET SESSION TRANSACTION: each characteristic at most once. */
static bool transaction(struct parser *p)
{
    bool has_isolation = false;
    bool has_access = false;

    do {
        struct slice text;

        if (!has_isolation && take_word(p, W_ISOLATION)) {
            has_isolation = true;
            if (!take_word(p, W_LEVEL) || !isolation_level(p, &text) ||
                add(p, VAR_TX_ISOLATION, SET_TEXT, text) == NULL) {
                return false;
            }
        } else if (!has_access && take_word(p, W_READ)) {
            has_access = true;
            text = p->token.word == W_ONLY ? SLICE("ON") : SLICE("OFF");
            if (!(take_word(p, W_ONLY) || take_word(p, W_WRITE)) ||
                add(p, VAR_TX_READ_ONLY, SET_WORD, text) == NULL) {
                return false;
            }
        } else {
            return false;
        }
    } while (take_punct(p, ','));
    return true;
}

static bool is_transaction(const struct parser *p)
{
    struct lexer lexer = p->lexer;
    struct token token;

    lexer_next(&lexer, &token);
    return (p->token.word == W_SESSION || p->token.word == W_LOCAL) && token.word == W_TRANSACTION;
}

static bool statement(struct parser *p, uint8_t *form)
{
    if (!take_word(p, W_SET)) {
        return false;
    }
    if (is_transaction(p)) {
        next(p);
        next(p);
        *form = SET_TRANSACTION_SESSION;
        return transaction(p);
    }
    *form = SET_VARIABLES;
    do {
        if (!item(p)) {
            return false;
        }
    } while (take_punct(p, ','));
    return true;
}

void set_parse(struct set_statement *s, struct slice sql, uint32_t mode)
{
    const uint8_t odd = LEXER_CONDITIONAL | LEXER_UNTERMINATED | LEXER_BAD_BYTES;
    struct parser p;
    uint8_t form = SET_OPAQUE;
    bool ok;

    s->form = SET_OPAQUE;
    s->n = 0;
    p.set = s;
    lexer_init(&p.lexer, sql, mode);
    next(&p);
    ok = statement(&p, &form);
    if (ok) {
        (void)take_punct(&p, ';');
    }
    if (ok && is_end(&p) && (p.lexer.flags & odd) == 0) {
        s->form = form;
    } else {
        s->n = 0;
    }
}

int set_evaluate(struct slice expression, set_get_fn get, void *owner, char *out, size_t cap)
{
    struct expression e;
    struct operand result;
    struct lexer lexer;
    struct token token;

    lexer_init(&lexer, expression, 0);
    lexer_next(&lexer, &token);
    expression_init(&e, &lexer, &token, get, owner);
    if (!expression_operand(&e, &result) || token.kind != TOKEN_END || result.text.len > cap) {
        return -1;
    }
    if (result.text.len > 0) {
        memcpy(out, result.text.data, result.text.len);
    }
    return (int)result.text.len;
}

struct slice use_parse(struct slice body)
{
    const struct slice none = {NULL, 0};
    struct lexer lexer;
    struct token token;
    struct slice schema;

    lexer_init(&lexer, body, 0);
    lexer_next(&lexer, &token);
    if (token.word != W_USE) {
        return none;
    }
    lexer_next(&lexer, &token);
    if (!token_is_name(&token) || (token.word_flags & WORD_RESERVED) != 0 ||
        (token.kind == TOKEN_QUOTED && (token.flags & TOKEN_PLAIN) == 0)) {
        return none;
    }
    schema = token_inner(&token);
    lexer_next(&lexer, &token);
    if (token_is_punct(&token, ';')) {
        lexer_next(&lexer, &token);
    }
    return token.kind == TOKEN_END && lexer.flags == 0 ? schema : none;
}
