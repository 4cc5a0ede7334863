/* SPDX-License-Identifier: Apache-2.0 */
/*
 * binlog_query.c - see binlog.h: statements of a replication stream (DDL, and what was not written
 * as rows).
 *
 * The text is not parsed: a schema too many costs some answers of a cache, one too few would leave
 * wrong ones in it. Every word before a dot counts as a schema, whatever it is; a table or an alias
 * there does no harm.
 */
#include "base/err.h"
#include "protocol/binlog.h"

#define WORDS_LOOKED_AT 16 /* of CREATE OR REPLACE DATABASE IF NOT EXISTS x */

int binlog_query_decode(struct binlog_query *out, struct slice body)
{
    struct reader r = reader_of(body.data, body.len);
    unsigned schema_len, vars_len;

    (void)get_u32(&r); /* thread */
    (void)get_u32(&r); /* seconds */
    schema_len = get_u8(&r);
    (void)get_u16(&r); /* error */
    vars_len = get_u16(&r);
    (void)get_bytes(&r, vars_len);
    out->schema = get_bytes(&r, schema_len);
    if (get_u8(&r) != 0) {
        return ERR_MALFORMED;
    }
    out->text = get_rest(&r);
    return r.failed ? ERR_MALFORMED : 0;
}

/* --- words ------------------------------------------------------------------------------------ */

struct scan {
    const char *at;
    const char *end;
};

struct word {
    struct slice text; /* of a name without its quotes */
    bool is_name;      /* could be one: a word, or in backticks or double quotes */
    bool
        has_escape; /* a quote is doubled in it, or a backslash stands in it: not as it was meant */
    bool is_unsure; /* where it ends depends on NO_BACKSLASH_ESCAPES */
};

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

static bool looking_at(const struct scan *s, const char *text)
{
    size_t len = strlen(text);

    return (size_t)(s->end - s->at) >= len && memcmp(s->at, text, len) == 0;
}

static void skip_behind(struct scan *s, const char *text)
{
    while (s->at < s->end && !looking_at(s, text)) {
        s->at++;
    }
    s->at += s->at < s->end ? (ptrdiff_t)strlen(text) : 0;
}

/* Spaces and comments. What stands in a comment that is executed is read as if it stood outside. */
static void skip_space(struct scan *s)
{
    for (;;) {
        if (looking_at(s, "/*!") || looking_at(s, "/*M!")) {
            skip_behind(s, "!");
            while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
                s->at++;
            }
        } else if (looking_at(s, "*/")) {
            s->at += 2;
        } else if (looking_at(s, "/*")) {
            s->at += 2;
            skip_behind(s, "*/");
        } else if (looking_at(s, "#") || looking_at(s, "-- ") || looking_at(s, "--\n")) {
            skip_behind(s, "\n");
        } else if (s->at < s->end && (*s->at == ' ' || (*s->at >= '\t' && *s->at <= '\r'))) {
            s->at++;
        } else {
            return;
        }
    }
}

/* Up to the closing quote; a doubled one is one of the text. */
static void read_quoted(struct scan *s, struct word *out)
{
    char quote = *s->at++;

    out->text.data = s->at;
    while (s->at < s->end) {
        if (*s->at == quote) {
            if (s->at + 1 == s->end || s->at[1] != quote) {
                break;
            }
            out->has_escape = true;
            s->at++;
        } else if (*s->at == '\\' && quote != '`') {
            out->has_escape = true;
            s->at += s->at + 1 < s->end ? 1 : 0;
            out->is_unsure |= *s->at == quote;
        }
        s->at++;
    }
    s->at = MIN(s->at, s->end);
    out->text.len = (size_t)(s->at - out->text.data);
    s->at += s->at < s->end ? 1 : 0;
    out->is_name = quote != '\'';
}

/* false = the text has ended. */
static bool next_word(struct scan *s, struct word *out)
{
    *out = (struct word){.text = {NULL, 0}};
    skip_space(s);
    if (s->at >= s->end) {
        return false;
    }
    if (*s->at == '`' || *s->at == '"' || *s->at == '\'') {
        read_quoted(s, out);
        return true;
    }
    out->text.data = s->at;
    out->is_name = is_word_byte(*s->at);
    do {
        s->at++;
    } while (out->is_name && s->at < s->end && is_word_byte(*s->at));
    out->text.len = (size_t)(s->at - out->text.data);
    return true;
}

static bool is_word(const struct word *w, const char *text)
{
    return w->is_name && slice_eq_nocase(w->text, slice_of(text));
}

/* --- what it does ----------------------------------------------------------------------------- */

static bool add_schema(struct binlog_schemas *out, struct slice schema)
{
    for (unsigned i = 0; i < out->n; i++) {
        if (slice_eq(out->items[i], schema)) {
            return true;
        }
    }
    if (out->n == BINLOG_SCHEMAS_MAX) {
        return false;
    }
    out->items[out->n++] = schema;
    return true;
}

static bool add_word(struct binlog_schemas *out, const struct word *w)
{
    if (w->has_escape) {
        return false;
    }
    return add_schema(out, w->text);
}

/* Each word before a dot. false = they are not all known. */
static bool add_qualified(struct binlog_schemas *out, struct slice text)
{
    struct scan s = {text.data, text.data + text.len};
    struct word w, before = {.is_name = false};

    while (next_word(&s, &w)) {
        bool is_dot = !w.is_name && slice_eq(w.text, SLICE("."));

        if (w.is_unsure || (is_dot && before.is_name && !add_word(out, &before))) {
            return false;
        }
        before = w;
    }
    return true;
}

/* CREATE, ALTER or DROP DATABASE: the name follows, behind IF [NOT] EXISTS. */
static bool add_database(struct binlog_schemas *out, struct slice text)
{
    struct scan s = {text.data, text.data + text.len};
    bool behind = false;
    struct word w;

    for (unsigned i = 0; i < WORDS_LOOKED_AT && next_word(&s, &w); i++) {
        if (behind && !is_word(&w, "if") && !is_word(&w, "not") && !is_word(&w, "exists")) {
            return add_word(out, &w);
        }
        behind |= is_word(&w, "database") || is_word(&w, "schema");
    }
    return true;
}

static bool begins_with(const struct word *w, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_word(w, words[i])) {
            return true;
        }
    }
    return false;
}

/* What takes rights away is not left out: an answer may be one that its user may not see now. */
static bool gives_rights(const struct word *first, const struct word *second)
{
    return is_word(first, "grant") ||
           (is_word(first, "create") && (is_word(second, "user") || is_word(second, "role")));
}

enum binlog_does binlog_query_does(const struct binlog_query *query, struct binlog_schemas *out)
{
    static const char *const nothing[] = {"begin",   "start",    "savepoint",
                                          "release", "optimize", "flush"};
    static const char *const ends[] = {"commit", "rollback"};
    static const char *const shapes[] = {"create", "alter", "drop"};
    struct scan s = {query->text.data, query->text.data + query->text.len};
    struct word first, second;

    out->n = 0;
    if (query->text.len == 0 || !next_word(&s, &first)) {
        return BINLOG_DOES_NOTHING;
    }
    (void)next_word(&s, &second);
    if (begins_with(&first, nothing, ARRAY_SIZE(nothing)) || gives_rights(&first, &second) ||
        (is_word(&first, "analyze") && is_word(&second, "table"))) {
        return BINLOG_DOES_NOTHING;
    }
    if (begins_with(&first, ends, ARRAY_SIZE(ends))) {
        return BINLOG_DOES_COMMIT;
    }
    if (is_word(&first, "xa") || (query->schema.len > 0 && !add_schema(out, query->schema)) ||
        (begins_with(&first, shapes, ARRAY_SIZE(shapes)) && !add_database(out, query->text)) ||
        !add_qualified(out, query->text)) {
        return BINLOG_DOES_ANYTHING;
    }
    return BINLOG_DOES_WRITE;
}

/* CREATE [OR REPLACE], ALTER, DROP, RENAME USER or ROLE; s is behind the second word. */
static bool changes_users(struct scan *s, const struct word *first, const struct word *second)
{
    static const char *const shapes[] = {"create", "alter", "drop", "rename"};
    static const char *const whose[] = {"user", "role"};
    struct word w = *second;
    bool is_there = true;

    for (unsigned i = 0; i < 2 && is_there && is_word(second, "or"); i++) { /* REPLACE, USER */
        is_there = next_word(s, &w);
    }
    return is_there && begins_with(first, shapes, ARRAY_SIZE(shapes)) &&
           begins_with(&w, whose, ARRAY_SIZE(whose));
}

bool binlog_query_changes_rights(const struct binlog_query *query)
{
    static const char *const rights[] = {"grant", "revoke"};
    struct scan s = {query->text.data, query->text.data + query->text.len};
    struct word first, second;

    if (query->text.len == 0 || !next_word(&s, &first)) {
        return false;
    }
    if (begins_with(&first, rights, ARRAY_SIZE(rights))) {
        return true;
    }
    if (!next_word(&s, &second)) {
        return false;
    }
    return changes_users(&s, &first, &second) ||
           (is_word(&first, "set") &&
            (is_word(&second, "password") || is_word(&second, "default"))) ||
           (is_word(&first, "flush") && is_word(&second, "privileges"));
}
