/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_key.h - to which rows of one table a statement is bound: WHERE option_name = 'siteurl'.
 *
 * Pure. Only what is proven from the text counts: a write that is bound to rows which are not all
 * it touches would leave a stale answer. Which tables, and by which column, the operator declares
 * (mysql-query_cache_row_keys); everything else is "not bound".
 */
#ifndef ROUTER_ROW_KEY_H
#define ROUTER_ROW_KEY_H

#include "conf/row_pattern.h"
#include "router/facts.h"

#define ROW_KEYS_MAX    8  /* rows one statement may be bound to */
#define ROW_KEY_LONGEST 64 /* bytes of a value; longer ones might be cut by the column */

/* Column and value of each row, hashed: two that share a hash only cost. */
struct row_keys {
    unsigned n; /* 0 = not bound */
    uint64_t hash[ROW_KEYS_MAX];
};

/*
 * row_keys_of - the rows of its one table that a SELECT, INSERT, REPLACE, UPDATE or DELETE is bound
 * to: it reads and changes no other row of it, and nothing else.
 *
 * text: the whole statement that facts are of; mode: as for facts_scan(). Returns false, and
 * keys->n is 0, when that is not proven.
 */
bool row_keys_of(const struct facts *facts, struct slice text, uint32_t mode,
                 const struct row_key_patterns *patterns, struct row_keys *keys);

/*
 * row_keys_add - a row with this value in the column of its pattern, as a node's binary log has it.
 * Returns false when no statement could be bound to it or keys are full: then the whole table
 * counts.
 */
bool row_keys_add(struct row_keys *keys, struct slice column, struct slice value);

#endif
