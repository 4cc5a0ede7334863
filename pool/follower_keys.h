/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_keys.h - which tables are looked up by one column (mysql-query_cache_row_keys), and
 * which values of it can be told from each other whatever the collation is. Pure.
 */
#ifndef POOL_FOLLOWER_KEYS_H
#define POOL_FOLLOWER_KEYS_H

#include "base/base.h"

#define ROW_PATTERNS_MAX 16
#define ROW_KEY_MAX      191 /* bytes of a value; a longer one is not plain */

struct row_pattern {
    struct slice table;  /* % = any bytes, as in LIKE; case does not count */
    struct slice column; /* a CHAR or VARCHAR */
};

struct row_patterns {
    unsigned n;
    struct row_pattern items[ROW_PATTERNS_MAX];
};

/*
 * row_patterns_read - of "%options.option_name, ...". What is no pattern, and what is beyond
 * ROW_PATTERNS_MAX, is left out: then writes of such a table count for all of it. Borrows text.
 */
void row_patterns_read(struct row_patterns *out, struct slice text);

/* row_pattern_matches - case of ASCII letters does not count. */
bool row_pattern_matches(const struct row_pattern *pattern, struct slice table);

/*
 * row_key_plain - the value as keys are compared: letters made lower, spaces at the end cut. False
 * = not plain: other characters than ASCII letters, digits, _ - . : / @ and space, or it begins
 * with something else than a letter or _, so that it may be equal to another text.
 * out: room for ROW_KEY_MAX bytes.
 */
bool row_key_plain(char out[ROW_KEY_MAX], size_t *len, struct slice value);

#endif
