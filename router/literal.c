/* SPDX-License-Identifier: Apache-2.0 */
/*
 * literal.c - reads a pattern from left to right and keeps runs of plain characters.
 *
 * A run ends at whatever is not a plain character. Nothing inside of parentheses counts (they may
 * be optional), an alternative outside of them ends it all, and so does anything that changes the
 * meaning of what follows.
 */
#include "router/literal.h"

struct reader {
    const char *pos;
    char run[LITERAL_MAX]; /* the run being read */
    size_t len;
    char *best;
    size_t best_len;
};

static void end_run(struct reader *reader)
{
    if (reader->len > reader->best_len) {
        memcpy(reader->best, reader->run, reader->len);
        reader->best_len = reader->len;
    }
    reader->len = 0;
}

/* A character that may be there no time at all is not part of the run. */
static void add(struct reader *reader, char c)
{
    char next = *reader->pos;

    if (next == '*' || next == '?' || next == '{') {
        end_run(reader);
        return;
    }
    if (reader->len == LITERAL_MAX) {
        end_run(reader);
    }
    reader->run[reader->len++] = c;
    if (next == '+') {
        end_run(reader);
    }
}

/* Behind the opening bracket. Returns false when the class does not end. */
static bool skip_class(struct reader *reader)
{
    const char *p = reader->pos;

    p += *p == '^' ? 1 : 0;
    p += *p == ']' ? 1 : 0; /* the first one is itself */
    for (; *p != ']'; p++) {
        if (*p == '\0' || (*p == '[' && (p[1] == ':' || p[1] == '.' || p[1] == '='))) {
            return false; /* [[:alpha:]]: not worth it */
        }
        if (*p == '\\' && p[1] == 'c') {
            return false; /* [\c]]: the bracket is part of a character */
        }
        p += *p == '\\' && p[1] != '\0' ? 1 : 0;
    }
    reader->pos = p + 1;
    return true;
}

/*
 * Behind an opening parenthesis: not with an option, a comment or a verb at its start, which may
 * change what follows, or how it is to be read: (?i), (?x), (?#, (*UTF).
 */
static bool is_plain_group(const char *pos)
{
    return *pos != '*' && (*pos != '?' || (pos[1] != '\0' && strchr(":=!<", pos[1]) != NULL));
}

/* Behind the opening parenthesis. Returns false for what is not understood. */
static bool skip_group(struct reader *reader)
{
    unsigned depth = 1;

    if (!is_plain_group(reader->pos)) {
        return false;
    }
    while (depth > 0) {
        char c = *reader->pos++;

        switch (c) {
        case '\0': return false;
        case '\\':
            if (*reader->pos == '\0' || strchr("QEc", *reader->pos) != NULL) {
                return false;
            }
            reader->pos++;
            break;
        case '(':
            depth++;
            if (!is_plain_group(reader->pos)) {
                return false;
            }
            break;
        case ')': depth--; break;
        case '[':
            if (!skip_class(reader)) {
                return false;
            }
            break;
        default: break;
        }
    }
    return true;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Behind a backslash. */
static bool read_escape(struct reader *reader)
{
    char c = *reader->pos;

    if (c == '\0') {
        return false;
    }
    reader->pos++;
    if (!is_alnum(c)) {
        add(reader, c); /* \( \. \* */
        return true;
    }
    end_run(reader);
    /* Those that have nothing behind them; \x41, \Q, \1, \p{...} do or mean something far away. */
    return strchr("sSdDwWbBnrtvVhHRAzZG", c) != NULL;
}

/* Behind an opening brace: {2} {2,} {2,5}. Anything else is not understood. */
static bool skip_bounds(struct reader *reader)
{
    size_t low = strspn(reader->pos, "0123456789");
    const char *p = reader->pos + low;

    if (*p == ',') {
        p++;
        p += strspn(p, "0123456789");
    }
    reader->pos = p + 1;
    return low > 0 && *p == '}';
}

static bool read_one(struct reader *reader)
{
    char c = *reader->pos++;

    switch (c) {
    case '|':
    case ')': return false;
    case '\\': return read_escape(reader);
    case '(': end_run(reader); return skip_group(reader);
    case '[': end_run(reader); return skip_class(reader);
    case '{': end_run(reader); return skip_bounds(reader);
    case '.':
    case '^':
    case '$':
    case '*':
    case '+':
    case '?': end_run(reader); return true;
    default: add(reader, c); return true;
    }
}

size_t literal_of(const char *pattern, char out[LITERAL_MAX])
{
    struct reader reader = {.pos = pattern};

    reader.best = out;
    while (*reader.pos != '\0') {
        if (!read_one(&reader)) {
            return 0;
        }
    }
    end_run(&reader);
    return reader.best_len;
}
