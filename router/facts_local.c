/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts_local.c - the few forms that a session answers itself, recognised exactly.
 *
 * The column's name is what MariaDB 10.11 makes of it: the bytes of the expression as written, or
 * the alias. Comments inside, aliases with quotes or other bytes than ASCII, modifiers, FROM
 * DUAL: not ours.
 */
#include "pool/variable.h"
#include "router/scan.h"

#define ALIAS_LONGEST 64

struct local {
    struct lexer lexer;
    struct token token;
    uint8_t form; /* enum local_form of all items so far */
    uint8_t n_items;
    bool failed;
    struct slice name; /* of the last item */
};

static void next(struct local *l)
{
    lexer_next(&l->lexer, &l->token);
    if ((l->token.flags & TOKEN_COMMENT) != 0) {
        l->failed = true;
    }
}

static bool take(struct local *l, char punct)
{
    if (!token_is_punct(&l->token, punct)) {
        return false;
    }
    next(l);
    return true;
}

/* variable - behind @@: [SESSION.|LOCAL.]name; the end of the expression is stored. */
static uint8_t variable(struct local *l, const char **end)
{
    struct slice name;
    uint16_t id;

    if (!token_is_name(&l->token) || (l->token.flags & TOKEN_GAP) != 0) {
        return LOCAL_NONE;
    }
    name = token_inner(&l->token);
    *end = l->token.end;
    next(l);
    id = word_find(name.data, name.len).id;
    if (take(l, '.')) {
        if ((id != W_SESSION && id != W_LOCAL) || !token_is_name(&l->token)) {
            return LOCAL_NONE;
        }
        name = token_inner(&l->token);
        *end = l->token.end;
        next(l);
        id = word_find(name.data, name.len).id;
    }
    if (id == W_LAST_INSERT_ID || id == W_IDENTITY) {
        return LOCAL_LAST_INSERT_ID;
    }
    return variable_is_constant(name) ? LOCAL_VARIABLES : LOCAL_NONE;
}

static uint8_t function(struct local *l, const char **end)
{
    uint8_t form;

    switch (l->token.word) {
    case W_FOUND_ROWS: form = LOCAL_FOUND_ROWS; break;
    case W_LAST_INSERT_ID: form = LOCAL_LAST_INSERT_ID; break;
    case W_ROW_COUNT: form = LOCAL_ROW_COUNT; break;
    case W_CONNECTION_ID: form = LOCAL_CONNECTION_ID; break;
    case W_VERSION: form = LOCAL_VARIABLES; break;
    default: return LOCAL_NONE;
    }
    next(l);
    if (!take(l, '(')) {
        return LOCAL_NONE;
    }
    *end = l->token.end;
    return take(l, ')') ? form : LOCAL_NONE;
}

/* is_alias - bytes that come back as they are, whatever the charset. */
static bool is_alias(const struct token *token)
{
    struct slice alias = token_inner(token);

    if (token->kind == TOKEN_WORD) {
        if ((token->word_flags & WORD_RESERVED) != 0) {
            return false;
        }
    } else if ((token->flags & TOKEN_PLAIN) == 0) {
        return false;
    }
    if (alias.len == 0 || alias.len > ALIAS_LONGEST || alias.data[0] == ' ' ||
        alias.data[alias.len - 1] == ' ') {
        return false;
    }
    for (size_t i = 0; i < alias.len; i++) {
        unsigned char c = (unsigned char)alias.data[i];

        if (c < 0x20 || c >= 0x7f) {
            return false;
        }
    }
    return true;
}

static void alias(struct local *l)
{
    bool is_name = token_is_name(&l->token) || l->token.kind == TOKEN_STRING;

    if (l->token.word == W_AS) {
        next(l);
        is_name = token_is_name(&l->token) || l->token.kind == TOKEN_STRING;
    } else if (!is_name || l->token.word == W_LIMIT) {
        return;
    }
    if (!is_name || !is_alias(&l->token)) {
        l->failed = true;
        return;
    }
    l->name = token_inner(&l->token);
    next(l);
    if (token_is_punct(&l->token, '.')) {
        l->failed = true;
    }
}

static void item(struct local *l)
{
    const char *start = l->token.start;
    const char *end = start;
    uint8_t form;

    if (l->token.kind == TOKEN_SYSTEM_VARIABLE) {
        next(l);
        form = variable(l, &end);
    } else {
        form = function(l, &end);
    }
    if (form == LOCAL_NONE || (l->n_items > 0 && form != l->form)) {
        l->failed = true;
        return;
    }
    l->form = form;
    l->n_items = (uint8_t)MIN(l->n_items + 1, UINT8_MAX);
    l->name = (struct slice){start, (size_t)(end - start)};
    alias(l);
}

static void select_list(struct local *l, struct facts *f)
{
    do {
        item(l);
    } while (!l->failed && take(l, ','));
    if (l->form == LOCAL_VARIABLES && l->token.word == W_LIMIT) {
        next(l);
        if (l->token.kind != TOKEN_NUMBER) {
            return;
        }
        next(l);
    }
    if (l->failed || l->token.kind != TOKEN_END) {
        return;
    }
    if (l->form == LOCAL_VARIABLES) {
        f->local = l->form;
    } else if (l->n_items == 1) {
        f->local = l->form;
        f->column_name = l->name;
    }
}

/* show_status - behind SHOW. No wildcard but _, which stands for itself in these names. */
static void show_status(struct local *l, struct facts *f)
{
    static const struct slice names[] = {
        {"Ssl_cipher", 10}, {"Ssl_version", 11}, {"Compression", 11}};

    if (l->token.word == W_SESSION || l->token.word == W_LOCAL) {
        next(l);
    }
    if (l->token.word != W_STATUS) {
        return;
    }
    next(l);
    if (l->token.word != W_LIKE) {
        return;
    }
    next(l);
    if (l->token.kind != TOKEN_STRING || (l->token.flags & TOKEN_PLAIN) == 0) {
        return;
    }
    l->name = token_inner(&l->token);
    next(l);
    if (l->failed || l->token.kind != TOKEN_END) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (slice_eq_nocase(l->name, names[i])) {
            f->local = LOCAL_LINK_STATUS;
            f->column_name = names[i];
        }
    }
}

void scan_local(struct facts *f, uint32_t mode)
{
    const uint32_t never = FACT_MULTI | FACT_EXECUTABLE_COMMENT | FACT_UNTERMINATED;
    struct local l = {.form = LOCAL_NONE};

    if ((f->flags & never) != 0 || f->n_tables > 0) {
        return;
    }
    lexer_init(&l.lexer, f->body, mode);
    next(&l);
    if (f->verb == VERB_SELECT && l.token.word == W_SELECT) {
        next(&l);
        select_list(&l, f);
    } else if (f->verb == VERB_SHOW && l.token.word == W_SHOW) {
        next(&l);
        show_status(&l, f);
    } else if (f->verb == VERB_DO) {
        next(&l);
        if (l.token.kind == TOKEN_NUMBER && !l.failed) {
            next(&l);
            f->local = l.token.kind == TOKEN_END && !l.failed ? LOCAL_DO : LOCAL_NONE;
        }
    }
}
