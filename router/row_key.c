/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_key.c - patterns and values; what statements are bound to: row_keys_of() in row_text.c.
 */
#include "router/row_key.h"

#include <xxhash.h>

#include "base/err.h"

/* --- patterns --------------------------------------------------------------------------------- */

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

static const char *read_pattern(struct row_pattern *out, struct slice text)
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

int row_patterns_read(struct row_patterns *out, struct slice text, const char **why)
{
    out->n = 0;
    text = trim(text);
    while (text.len > 0) {
        const char *comma = memchr(text.data, ',', text.len);
        size_t len = comma == NULL ? text.len : (size_t)(comma - text.data);

        if (out->n == ROW_PATTERNS_MAX) {
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

const struct row_pattern *row_pattern_find(const struct row_patterns *patterns, struct slice table)
{
    for (unsigned i = 0; i < patterns->n; i++) {
        if (fits(patterns->items[i].table, table)) {
            return &patterns->items[i];
        }
    }
    return NULL;
}

/* --- values ----------------------------------------------------------------------------------- */

/*
 * Values that some collation takes for equal become one: any case (_ci), spaces at the end (PAD
 * SPACE), and what was found equal among these characters by trying all collations of MariaDB
 * 10.11: i and j (roman), i and y, c and ch (lithuanian), u and v (roman), m and n (macce). @ is a
 * letter in swe7. The others are different in each. Returns the length; 0: it is none of these.
 */
static size_t canonical(struct slice value, char out[ROW_KEY_LONGEST])
{
    static const char folded[] = "abcdefghiiklnnopqrstuuuxiz";
    size_t len = 0;

    while (value.len > 0 && value.data[value.len - 1] == ' ') {
        value.len--;
    }
    if (value.len == 0 || value.len > ROW_KEY_LONGEST) {
        return 0;
    }
    for (size_t i = 0; i < value.len; i++) {
        char c = lower(value.data[i]);

        if (c >= 'a' && c <= 'z') {
            if (c != 'h' || len == 0 || out[len - 1] != 'c') {
                out[len++] = folded[c - 'a'];
            }
        } else if (c == '_' || (i > 0 && ((c >= '0' && c <= '9') || c == '-' || c == '.' ||
                                          c == ':' || c == '/' || c == ' '))) {
            out[len++] = c;
        } else {
            return 0;
        }
    }
    return len;
}

static uint64_t column_hash(struct slice column)
{
    char name[ROW_KEY_LONGEST];
    size_t len = MIN(column.len, sizeof(name));

    for (size_t i = 0; i < len; i++) {
        name[i] = lower(column.data[i]);
    }
    return XXH3_64bits(name, len);
}

bool row_keys_add(struct row_keys *keys, struct slice column, struct slice value)
{
    char text[ROW_KEY_LONGEST];
    size_t len = canonical(value, text);
    uint64_t hash;

    if (len == 0) {
        return false;
    }
    hash = XXH3_64bits_withSeed(text, len, column_hash(column));
    for (unsigned i = 0; i < keys->n; i++) {
        if (keys->hash[i] == hash) {
            return true;
        }
    }
    if (keys->n == ROW_KEYS_MAX) {
        return false;
    }
    keys->hash[keys->n++] = hash;
    return true;
}
