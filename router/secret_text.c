/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_text.c - see secret_text.h.
 */
#include "router/secret_text.h"

#include "router/digest.h"

#define LOOK_MAX     65536 /* bytes: no statement with a password is as long */
#define SYNTAX_ERROR 1064

static bool has(struct slice text, struct slice word)
{
    return slice_behind_nocase(text, word).data != NULL;
}

/* Rows of a table, and what has no literals: a column called password is the application's. */
static bool is_of_data(const struct facts *f)
{
    switch (f->verb) {
    case VERB_EMPTY:
    case VERB_SELECT:
    case VERB_SHOW:
    case VERB_DESCRIBE:
    case VERB_WITH:
    case VERB_VALUES:
    case VERB_TABLE_EXPR:
    case VERB_INSERT:
    case VERB_REPLACE:
    case VERB_UPDATE:
    case VERB_DELETE:
    case VERB_HANDLER: return (f->flags & FACT_MULTI) == 0;
    default: return false;
    }
}

/* Of those with nothing but the word "user": what follows it may be spelt wrongly. */
static bool makes_users(const struct facts *f)
{
    return f->verb == VERB_CREATE || f->verb == VERB_ALTER || f->verb == VERB_UNKNOWN ||
           (f->flags & FACT_MULTI) != 0;
}

bool secret_is_in(struct slice sql, uint32_t mode)
{
    struct slice head = {sql.data, MIN(sql.len, (size_t)LOOK_MAX)};
    bool is_named = has(head, SLICE("passw")) || has(head, SLICE("identif"));
    struct facts facts;

    if (!is_named && !has(head, SLICE("user"))) {
        return false;
    }
    if (head.len < sql.len) {
        facts_scan_head(&facts, head, mode);
    } else {
        facts_scan(&facts, head, mode);
    }
    return !is_of_data(&facts) && (is_named || makes_users(&facts));
}

/*
 * Whatever stands in quotes counts as a literal: with ANSI_QUOTES a name may go, and no password
 * stays.
 */
struct slice secret_hide(struct slice sql, uint32_t mode, char buf[SECRET_TEXT_MAX])
{
    struct slice head = {sql.data, MIN(sql.len, (size_t)LOOK_MAX)};

    if (!secret_is_in(sql, mode)) {
        return sql;
    }
    return (struct slice){
        buf, digest_text(head, mode & FACTS_NO_BACKSLASH_ESCAPES, buf, SECRET_TEXT_MAX, NULL)};
}

struct slice secret_hide_error(struct slice sql, uint32_t mode, uint16_t number, struct slice text)
{
    const char *quote = text.len == 0 ? NULL : memchr(text.data, '\'', text.len);

    if (number == SYNTAX_ERROR && quote != NULL && secret_is_in(sql, mode)) {
        text.len = (size_t)(quote - text.data);
    }
    return text;
}
