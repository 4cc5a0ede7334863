/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_pattern.h - mysql-query_cache_row_keys: which tables have rows that are looked up by a
 * column.
 */
#ifndef CONF_ROW_PATTERN_H
#define CONF_ROW_PATTERN_H

#include "base/base.h"

#define ROW_KEY_PATTERNS_MAX 16

struct row_key_pattern {
    struct slice table; /* % stands for any characters */
    struct slice column;
};

struct row_key_patterns {
    unsigned n;
    struct row_key_pattern
        items[ROW_KEY_PATTERNS_MAX]; /* borrowed from the text they were read from */
};

/*
 * row_key_patterns_read - "table.column, table.column": what mysql-query_cache_row_keys says.
 * Returns 0 or ERR_CONFIG, *why then says what is wrong (static text).
 */
int row_key_patterns_read(struct row_key_patterns *out, struct slice text,
                          const char **why) MUST_CHECK;

/* row_key_pattern_fits - % is as in LIKE; case of ASCII letters does not count. */
bool row_key_pattern_fits(const struct row_key_pattern *pattern, struct slice table);

/* row_key_pattern_find - the first pattern that a table's name fits, or NULL. Borrowed. */
const struct row_key_pattern *row_key_pattern_find(const struct row_key_patterns *patterns,
                                                   struct slice table);

#endif
