/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_translate.c - what MySQL's clients write and SQLite does not read.
 *
 * Bytes in quotes pass untouched: backslashes are plain characters, as in ProxySQL's console.
 */
#include <stdio.h>

#include "admin/store_sql.h"
#include "admin/variables.h"
#include "base/mem.h"

#define CALL_BEGIN "sysvar('"
#define CALL_END   "')"

struct translation {
    const char *at, *end;
    char *out;
    bool in_versioned; /* inside a versioned comment, whose text counts */
};

static void put(struct translation *t, const char *data, size_t n)
{
    memcpy(t->out, data, n);
    t->out += n;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '$';
}

/* A doubled quote is two strings without a gap: it needs no care. */
static void pass_quoted(struct translation *t)
{
    const char *close = memchr(t->at + 1, *t->at, (size_t)(t->end - t->at - 1));
    const char *stop = close == NULL ? t->end : close + 1;

    put(t, t->at, (size_t)(stop - t->at));
    t->at = stop;
}

static void drop_line(struct translation *t)
{
    const char *newline = memchr(t->at, '\n', (size_t)(t->end - t->at));

    t->at = newline == NULL ? t->end : newline;
}

static void read_comment(struct translation *t)
{
    const char *at = t->at + 2;

    if (at < t->end && (*at == '!' || (*at == 'M' && at + 1 < t->end && at[1] == '!'))) {
        at += *at == '!' ? 1 : 2;
        while (at < t->end && *at >= '0' && *at <= '9') {
            at++;
        }
        t->in_versioned = true;
        t->at = at;
        put(t, " ", 1);
        return;
    }
    while (at + 1 < t->end && !(at[0] == '*' && at[1] == '/')) {
        at++;
    }
    t->at = at + 1 < t->end ? at + 2 : t->end;
    put(t, " ", 1);
}

/* Ours have a dash behind mysql or admin; elsewhere it is a minus. */
static bool is_our_dash(const char *name, const char *at)
{
    struct slice prefix = sysvar_plain_name((struct slice){name, (size_t)(at - name)});

    return slice_eq_nocase(prefix, SLICE("mysql")) || slice_eq_nocase(prefix, SLICE("admin"));
}

static void read_variable(struct translation *t)
{
    const char *name = t->at + 2;
    const char *stop = name;

    while (stop < t->end && (is_name(*stop) || (*stop == '-' && is_our_dash(name, stop)))) {
        stop++;
    }
    put(t, CALL_BEGIN, sizeof(CALL_BEGIN) - 1);
    put(t, name, (size_t)(stop - name));
    put(t, CALL_END, sizeof(CALL_END) - 1);
    t->at = stop;
}

/* What SQLite has no word for, and dumps say: there is no cache to leave alone. */
static void pass_word(struct translation *t)
{
    const char *stop = t->at;
    struct slice word;

    while (stop < t->end && is_name(*stop)) {
        stop++;
    }
    word = (struct slice){t->at, (size_t)(stop - t->at)};
    if (slice_eq_nocase(word, SLICE("SQL_NO_CACHE"))) {
        put(t, " ", 1);
    } else {
        put(t, word.data, word.len);
    }
    t->at = stop;
}

static void step(struct translation *t)
{
    char c = *t->at;
    char next = t->at + 1 < t->end ? t->at[1] : '\0';

    if (c == '\'' || c == '"' || c == '`') {
        pass_quoted(t);
    } else if (c == '#' || (c == '-' && next == '-')) {
        drop_line(t);
    } else if (c == '/' && next == '*') {
        read_comment(t);
    } else if (c == '*' && next == '/' && t->in_versioned) {
        t->in_versioned = false;
        t->at += 2;
        put(t, " ", 1);
    } else if (c == '@' && next == '@') {
        read_variable(t);
    } else if (is_name(c)) {
        pass_word(t);
    } else {
        put(t, t->at++, 1);
    }
}

/* Blanks, semicolons and a \G at the end. */
static struct slice trim(struct slice sql)
{
    for (;;) {
        char last = sql.len > 0 ? sql.data[sql.len - 1] : 'x';

        if (last == ' ' || last == '\t' || last == '\r' || last == '\n' || last == ';' ||
            last == '\0') {
            sql.len--;
        } else if (sql.len >= 2 && sql.data[sql.len - 2] == '\\' && (last == 'G' || last == 'g')) {
            sql.len -= 2;
        } else {
            return sql;
        }
    }
}

char *sql_translate(struct slice sql)
{
    struct translation t = {0};
    size_t room;
    char *out;

    sql = trim(sql);
    room = sql.len + 1;
    for (size_t i = 0; i + 1 < sql.len; i++) {
        room += sql.data[i] == '@' && sql.data[i + 1] == '@' ? sizeof(CALL_BEGIN CALL_END) : 0;
    }
    out = mem_try(MEM_ADMIN, room);
    if (out == NULL) {
        return NULL;
    }
    t.at = sql.data;
    t.end = sql.data + sql.len;
    t.out = out;
    while (t.at < t.end && *t.at != '\0') {
        step(&t);
    }
    *t.out = '\0';
    return out;
}

const char *sql_column_name(const char *name, char *out, size_t cap)
{
    size_t len = 0;

    if (strstr(name, CALL_BEGIN) == NULL) {
        return name;
    }
    while (*name != '\0' && len + 3 < cap) {
        const char *stop;

        if (strncmp(name, CALL_BEGIN, sizeof(CALL_BEGIN) - 1) != 0 ||
            (stop = strstr(name, CALL_END)) == NULL) {
            out[len++] = *name++;
            continue;
        }
        name += sizeof(CALL_BEGIN) - 1;
        out[len++] = '@';
        out[len++] = '@';
        while (name < stop && len + 3 < cap) {
            out[len++] = *name++;
        }
        name = stop + sizeof(CALL_END) - 1;
    }
    out[len] = '\0';
    return out;
}
