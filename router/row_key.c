/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_key.c - values; what statements are bound to: row_keys_of() in row_text.c.
 */
#include "router/row_key.h"

#include <xxhash.h>

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

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
