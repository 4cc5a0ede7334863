/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_keys.c - see follower_keys.h.
 */
#include "pool/follower_keys.h"

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && s.data[0] == ' ') {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && s.data[s.len - 1] == ' ') {
        s.len--;
    }
    return s;
}

static void read_one(struct row_patterns *out, struct slice text)
{
    const char *dot = text.len == 0 ? NULL : memchr(text.data, '.', text.len);
    size_t before = dot == NULL ? 0 : (size_t)(dot - text.data);

    if (before == 0 || before + 1 == text.len || out->n == ROW_PATTERNS_MAX) {
        return;
    }
    out->items[out->n].table = (struct slice){text.data, before};
    out->items[out->n].column = (struct slice){dot + 1, text.len - before - 1};
    out->n++;
}

void row_patterns_read(struct row_patterns *out, struct slice text)
{
    out->n = 0;
    while (text.len > 0) {
        const char *comma = memchr(text.data, ',', text.len);
        size_t len = comma == NULL ? text.len : (size_t)(comma - text.data);

        read_one(out, trim((struct slice){text.data, len}));
        len += comma == NULL ? 0 : 1;
        text = (struct slice){text.data + len, text.len - len};
    }
}

/* The last % that was met takes one byte more whenever what follows it does not fit. */
bool row_pattern_matches(const struct row_pattern *pattern, struct slice table)
{
    struct slice p = pattern->table;
    size_t i = 0, k = 0, behind = SIZE_MAX, from = 0;

    while (i < table.len) {
        if (k < p.len && p.data[k] == '%') {
            behind = ++k;
            from = i;
        } else if (k < p.len && lower(p.data[k]) == lower(table.data[i])) {
            k++;
            i++;
        } else if (behind != SIZE_MAX) {
            k = behind;
            i = ++from;
        } else {
            return false;
        }
    }
    while (k < p.len && p.data[k] == '%') {
        k++;
    }
    return k == p.len;
}

static bool is_plain(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || (c != '\0' && strchr("_-.:/@ ", c) != NULL);
}

bool row_key_plain(char out[ROW_KEY_MAX], size_t *len, struct slice value)
{
    while (value.len > 0 && value.data[value.len - 1] == ' ') {
        value.len--;
    }
    if (value.len == 0 || value.len > ROW_KEY_MAX ||
        (!is_letter(value.data[0]) && value.data[0] != '_')) {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (!is_plain(value.data[i])) {
            return false;
        }
        out[i] = lower(value.data[i]);
    }
    *len = value.len;
    return true;
}
