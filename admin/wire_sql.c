/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire_sql.c - see wire_sql.h.
 */
#include "admin/wire_sql.h"

#include <math.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/stmt.h"

/* --- pieces of a text ------------------------------------------------------------------------- */

enum piece { PIECE_BYTE, PIECE_QUOTED, PIECE_GAP };

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool starts(struct slice s, size_t at, const char *two)
{
    return s.len - at >= 2 && s.data[at] == two[0] && s.data[at + 1] == two[1];
}

/* Behind the first `end` from at on, or the end of the text. */
static size_t behind(struct slice s, size_t at, const char *end, size_t end_len)
{
    const char *hit = at >= s.len ? NULL : memmem(s.data + at, s.len - at, end, end_len);

    return hit == NULL ? s.len : (size_t)(hit - s.data) + end_len;
}

/* The piece at a place before the end; gives where the next one begins. */
static size_t next_piece(struct slice s, size_t at, enum piece *kind)
{
    char c = s.data[at];

    *kind = PIECE_GAP;
    if (c == '#' || starts(s, at, "--")) {
        return behind(s, at, "\n", 1);
    }
    if (starts(s, at, "/*")) {
        if (s.len - at >= 3 && s.data[at + 2] == '!') { /* MySQL executes what is in it */
            *kind = PIECE_QUOTED;
        }
        return behind(s, at + 2, "*/", 2);
    }
    if (c == '\'' || c == '"' ||
        c == '`') { /* a doubled quote is two pieces, one behind the other */
        *kind = PIECE_QUOTED;
        return behind(s, at + 1, &c, 1);
    }
    *kind = is_space(c) ? PIECE_GAP : PIECE_BYTE;
    return at + 1;
}

struct slice sql_next(struct slice *rest)
{
    struct slice s = *rest;
    size_t at = 0, start = 0, end = 0;
    bool any = false;

    while (at < s.len) {
        enum piece kind;
        size_t next = next_piece(s, at, &kind);

        if (kind == PIECE_BYTE && s.data[at] == ';') {
            at = next;
            if (any) {
                break;
            }
            continue;
        }
        if (kind != PIECE_GAP) {
            start = any ? start : at;
            end = next;
            any = true;
        }
        at = next;
    }
    *rest = at < s.len ? (struct slice){s.data + at, s.len - at} : (struct slice){NULL, 0};
    return any ? (struct slice){s.data + start, end - start} : (struct slice){NULL, 0};
}

/* The next parameter's place from at on, or the text's length. */
static size_t find_param(struct slice sql, size_t at)
{
    while (at < sql.len) {
        enum piece kind;
        size_t next = next_piece(sql, at, &kind);

        if (kind == PIECE_BYTE && sql.data[at] == '?') {
            break;
        }
        at = next;
    }
    return at;
}

const char *sql_empty_reason(struct slice text)
{
    for (size_t at = 0; at < text.len;) {
        enum piece kind;
        bool is_comment = starts(text, at, "/*");
        size_t next = next_piece(text, at, &kind);

        if (is_comment && (next - at < 4 || !starts(text, next - 2, "*/"))) {
            return "Query was empty: a comment that begins with /* has no end";
        }
        if (is_comment || text.data[at] == '#' || starts(text, at, "--")) {
            return "Query was empty: it is a comment";
        }
        at = next;
    }
    return "Query was empty";
}

size_t sql_params(struct slice sql)
{
    size_t n = 0;

    for (size_t at = find_param(sql, 0); at < sql.len; at = find_param(sql, at + 1)) {
        n++;
    }
    return n;
}

/* --- values of a binary packet ---------------------------------------------------------------- */

/* The types of MySQL's protocol that a parameter may have. */
enum type {
    TYPE_DECIMAL = 0,
    TYPE_TINY = 1,
    TYPE_SHORT = 2,
    TYPE_INT = 3,
    TYPE_FLOAT = 4,
    TYPE_DOUBLE = 5,
    TYPE_NULL = 6,
    TYPE_TIMESTAMP = 7,
    TYPE_BIGINT = 8,
    TYPE_INT24 = 9,
    TYPE_DATE = 10,
    TYPE_TIME = 11,
    TYPE_DATETIME = 12,
    TYPE_YEAR = 13,
    TYPE_VARCHAR = 15,
    TYPE_BIT = 16,
    TYPE_JSON = 245,
    TYPE_NEWDECIMAL = 246,
    TYPE_ENUM = 247,
    TYPE_SET = 248,
    TYPE_TINY_BLOB = 249,
    TYPE_MEDIUM_BLOB = 250,
    TYPE_LONG_BLOB = 251,
    TYPE_BLOB = 252,
    TYPE_TEXT = 253,
    TYPE_STRING = 254,
    TYPE_GEOMETRY = 255
};

static uint8_t type_of(const struct sql_param *p)
{
    return (uint8_t)p->type;
}

/*
 * Bytes of the value; SIZE_MAX: a length stands in front (one byte for times, length-encoded for
 * the rest).
 */
static size_t fixed_bytes(uint8_t type)
{
    switch (type) {
    case TYPE_NULL: return 0;
    case TYPE_TINY: return 1;
    case TYPE_SHORT:
    case TYPE_YEAR: return 2;
    case TYPE_INT:
    case TYPE_INT24:
    case TYPE_FLOAT: return 4;
    case TYPE_BIGINT:
    case TYPE_DOUBLE: return 8;
    default: return SIZE_MAX;
    }
}

static bool is_time(uint8_t type)
{
    return type == TYPE_DATE || type == TYPE_DATETIME || type == TYPE_TIMESTAMP ||
           type == TYPE_TIME;
}

static bool is_text(uint8_t type)
{
    return type == TYPE_DECIMAL || type == TYPE_VARCHAR || type == TYPE_BIT || type >= TYPE_JSON;
}

static bool is_time_length(uint8_t type, size_t n)
{
    return type == TYPE_TIME ? n == 0 || n == 8 || n == 12 : n == 0 || n == 4 || n == 7 || n == 11;
}

int sql_param_read(struct sql_param *p, struct reader *r)
{
    uint8_t type = type_of(p);
    size_t fixed = fixed_bytes(type);

    if (p->is_null || p->is_long_data) {
        return 0;
    }
    if (fixed != SIZE_MAX) {
        p->bytes = get_bytes(r, fixed);
    } else if (is_time(type)) {
        p->bytes = get_bytes(r, get_u8(r));
        r->failed |= !is_time_length(type, p->bytes.len);
    } else if (is_text(type)) {
        p->bytes = get_lenenc_bytes(r);
    } else {
        r->failed = true;
    }
    return r->failed ? ERR_MALFORMED : 0;
}

/* --- values as text --------------------------------------------------------------------------- */

struct text {
    char *data; /* owned */
    size_t len, cap, max;
    int rc; /* sticky: ERR_PACKET_TOO_LARGE, ERR_MEMORY */
};

static char *text_take(struct text *t, size_t n)
{
    size_t cap = MAX(t->cap * 2, (size_t)256);
    char *grown;

    if (t->rc != 0 || n > t->max - t->len) {
        t->rc = t->rc != 0 ? t->rc : ERR_PACKET_TOO_LARGE;
        return NULL;
    }
    if (n > t->cap - t->len) {
        cap = MAX(cap, t->len + n);
        grown = mem_try_grow(MEM_ADMIN, t->data, cap);
        if (grown == NULL) {
            t->rc = ERR_MEMORY;
            return NULL;
        }
        t->data = grown;
        t->cap = cap;
    }
    t->len += n;
    return t->data + t->len - n;
}

static void text_put(struct text *t, const char *data, size_t n)
{
    char *to = n == 0 ? NULL : text_take(t, n);

    if (to != NULL) {
        memcpy(to, data, n);
    }
}

static void text_puts(struct text *t, const char *text)
{
    text_put(t, text, strlen(text));
}

static void put_quoted(struct text *t, struct slice s)
{
    text_puts(t, "'");
    while (s.len > 0) {
        const char *quote = memchr(s.data, '\'', s.len);
        size_t n = quote == NULL ? s.len : (size_t)(quote - s.data) + 1;

        text_put(t, s.data, n);
        if (quote != NULL) {
            text_puts(t, "'");
        }
        s = (struct slice){s.data + n, s.len - n};
    }
    text_puts(t, "'");
}

/* SQLite's text of a statement ends at a zero byte: such a value goes in hex. */
static void put_hex(struct text *t, struct slice s)
{
    static const char digits[] = "0123456789abcdef";

    text_puts(t, "CAST(x'");
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        char two[2] = {digits[c >> 4], digits[c & 15]};

        text_put(t, two, sizeof(two));
    }
    text_puts(t, "' AS TEXT)");
}

static void put_string(struct text *t, struct slice s)
{
    if (s.len > 0 && memchr(s.data, '\0', s.len) != NULL) {
        put_hex(t, s);
    } else {
        put_quoted(t, s);
    }
}

static void put_integer(struct text *t, const struct sql_param *p)
{
    const uint8_t *bytes = (const uint8_t *)p->bytes.data;
    bool is_unsigned = (p->type & SQL_UNSIGNED) != 0;
    size_t n = p->bytes.len;
    uint64_t value = 0;
    char text[32];

    for (size_t i = n; i-- > 0;) {
        value = value << 8 | bytes[i];
    }
    if (!is_unsigned && n > 0 && n < 8 && (value >> (8 * n - 1)) != 0) {
        value |= UINT64_MAX << 8 * n; /* the sign */
    }
    if (is_unsigned) {
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    } else {
        (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    }
    text_puts(t, text);
}

/*
 * Whole numbers without a fraction: JavaScript sends all its numbers as doubles, and LIMIT 10.0 is
 * no limit.
 */
static void put_double(struct text *t, const struct sql_param *p)
{
    double value = 0;
    float small = 0;
    char text[40];

    if (p->bytes.len == sizeof(small)) {
        memcpy(&small, p->bytes.data, sizeof(small));
        value = (double)small;
    } else {
        memcpy(&value, p->bytes.data, sizeof(value));
    }
    if (isnan(value)) {
        text_puts(t, "NULL");
        return;
    }
    if (isinf(value)) {
        text_puts(t, value < 0 ? "-9e999" : "9e999");
        return;
    }
    if (fabs(value) < 1e15 && value == trunc(value)) {
        (void)snprintf(text, sizeof(text), "%.0f", value);
    } else {
        (void)snprintf(text, sizeof(text), "%.*g", p->bytes.len == sizeof(small) ? 9 : 17, value);
    }
    text_puts(t, text);
}

static void put_date(struct text *t, const struct sql_param *p)
{
    struct reader r = reader_of(p->bytes.data, p->bytes.len);
    unsigned year = 0, part[5] = {0}, us = 0;
    char text[96];
    int n;

    if (p->bytes.len >= 4) {
        year = get_u16(&r);
        part[0] = get_u8(&r);
        part[1] = get_u8(&r);
    }
    for (size_t i = 2; p->bytes.len >= 7 && i < 5; i++) {
        part[i] = get_u8(&r);
    }
    if (p->bytes.len >= 11) {
        us = get_u32(&r);
    }
    n = snprintf(text, sizeof(text), "'%04u-%02u-%02u", year, part[0], part[1]);
    if (type_of(p) != TYPE_DATE) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, " %02u:%02u:%02u", part[2], part[3],
                      part[4]);
    }
    if (us != 0) {
        (void)snprintf(text + n, sizeof(text) - (size_t)n, ".%06u", us);
    }
    text_puts(t, text);
    text_puts(t, "'");
}

static void put_time(struct text *t, const struct sql_param *p)
{
    struct reader r = reader_of(p->bytes.data, p->bytes.len);
    bool is_negative = p->bytes.len >= 8 && get_u8(&r) != 0;
    uint64_t days = p->bytes.len >= 8 ? get_u32(&r) : 0;
    unsigned hours = get_u8(&r), minutes = get_u8(&r), seconds = get_u8(&r);
    unsigned us = p->bytes.len >= 12 ? get_u32(&r) : 0;
    char text[96];
    int n = snprintf(text, sizeof(text), "'%s%02llu:%02u:%02u", is_negative ? "-" : "",
                     (unsigned long long)(days * 24 + hours), minutes, seconds);

    if (us != 0) {
        (void)snprintf(text + n, sizeof(text) - (size_t)n, ".%06u", us);
    }
    text_puts(t, text);
    text_puts(t, "'");
}

static void put_param(struct text *t, const struct sql_param *p)
{
    uint8_t type = type_of(p);

    if (p->is_null || (type == TYPE_NULL && !p->is_long_data)) {
        text_puts(t, "NULL");
    } else if (p->is_long_data || is_text(type)) {
        put_string(t, p->bytes);
    } else if (type == TYPE_FLOAT || type == TYPE_DOUBLE) {
        put_double(t, p);
    } else if (type == TYPE_TIME) {
        put_time(t, p);
    } else if (is_time(type)) {
        put_date(t, p);
    } else {
        put_integer(t, p);
    }
}

int sql_bind(char **out, size_t *out_len, struct slice sql, const struct sql_param *params,
             size_t max)
{
    struct text t = {.max = max};
    size_t from = 0;

    while (from < sql.len) {
        size_t at = find_param(sql, from);

        text_put(&t, sql.data + from, at - from);
        if (at < sql.len) {
            /* Between spaces: `1-?` with a negative value would begin a comment. */
            text_puts(&t, " ");
            put_param(&t, params++);
            text_puts(&t, " ");
        }
        from = at + 1;
    }
    if (t.rc != 0) {
        mem_free(MEM_ADMIN, t.data);
        return t.rc;
    }
    *out = t.data;
    *out_len = t.len;
    return 0;
}
