/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_pattern.c - see row_pattern.h.
 */
#include "conf/row_pattern.h"

#include "base/err.h"

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool is_name_char(char c)
{
    char l = lower(c);

    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '$';
}

static bool is_name(struct slice name, bool is_pattern)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!is_name_char(name.data[i]) && !(is_pattern && name.data[i] == '%')) {
            return false;
        }
    }
    return name.len > 0;
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

static const char *read_pattern(struct row_key_pattern *out, struct slice text)
{
    const char *dot = text.len == 0 ? NULL : memchr(text.data, '.', text.len);

    if (dot == NULL) {
        return "is not table.column";
    }
    out->table = (struct slice){text.data, (size_t)(dot - text.data)};
    out->column = (struct slice){dot + 1, text.len - out->table.len - 1};
    if (!is_name(out->table, true)) {
        return "names a table by other characters than letters, digits, _ - $ and %";
    }
    return is_name(out->column, false)
               ? NULL
               : "names a column by other characters than letters, digits, _ - and $";
}

int row_key_patterns_read(struct row_key_patterns *out, struct slice text, const char **why)
{
    out->n = 0;
    text = trim(text);
    while (text.len > 0) {
        const char *comma = memchr(text.data, ',', text.len);
        size_t len = comma == NULL ? text.len : (size_t)(comma - text.data);

        if (out->n == ROW_KEY_PATTERNS_MAX) {
            *why = "are more than 16";
            return ERR_CONFIG;
        }
        *why = read_pattern(&out->items[out->n], trim((struct slice){text.data, len}));
        if (*why != NULL) {
            return ERR_CONFIG;
        }
        out->n++;
        if (comma == NULL) {
            break;
        }
        text.data += len + 1;
        text.len -= len + 1;
        if (text.len == 0) {
            *why = "end with a comma";
            return ERR_CONFIG;
        }
    }
    return 0;
}

/* fits - the pattern's % stands for any characters; tried again at its last one. */
static bool fits(struct slice pattern, struct slice name)
{
    size_t p = 0, n = 0, again_p = 0, again_n = 0;
    bool has_percent = false;

    while (n < name.len) {
        if (p < pattern.len && pattern.data[p] == '%') {
            has_percent = true;
            again_p = ++p;
            again_n = n;
        } else if (p < pattern.len && lower(pattern.data[p]) == lower(name.data[n])) {
            p++;
            n++;
        } else if (has_percent) {
            p = again_p;
            n = ++again_n;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '%') {
        p++;
    }
    return p == pattern.len;
}

bool row_key_pattern_fits(const struct row_key_pattern *pattern, struct slice table)
{
    return fits(pattern->table, table);
}

const struct row_key_pattern *row_key_pattern_find(const struct row_key_patterns *patterns,
                                                   struct slice table)
{
    for (unsigned i = 0; i < patterns->n; i++) {
        if (row_key_pattern_fits(&patterns->items[i], table)) {
            return &patterns->items[i];
        }
    }
    return NULL;
}
