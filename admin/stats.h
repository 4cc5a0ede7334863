/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.h - the schemas "stats" and "monitor": ProxySQL's tables and ours, filled when they are
 * read.
 *
 * Control thread only.
 */
#ifndef ADMIN_STATS_H
#define ADMIN_STATS_H

#include <sqlite3.h>

#include "proxy/galeway.h"

/*
 * stats_create - attach both (in memory) if they are not there, and make their tables. 0, or
 * ERR_LIMIT when SQLite refuses.
 */
int stats_create(struct galeway *g, sqlite3 *db) MUST_CHECK;

/* The tables that a statement names, a bit for each; zeroed before SQLite compiles it. */
struct stats_named {
    uint64_t read;
    uint64_t emptied; /* by TRUNCATE or DELETE */
};

/*
 * stats_note - for the authorizer: the statement reads this table, or empties it. Other tables are
 * passed over.
 */
void stats_note(struct stats_named *named, const char *table, bool is_emptied);

/*
 * stats_refresh - before the statement runs: fill anew each table that it names, from what the
 * workers say now. One whose name ends with _reset makes them start from zero, and so does emptying
 * a table that has such a twin.
 *
 * Returns how many workers did not answer in time: their part is missing. Waits a second at most.
 */
unsigned stats_refresh(struct galeway *g, sqlite3 *db, const struct stats_named *named);

/* stats_count, stats_name - all tables. Static. */
size_t stats_count(void);
const char *stats_name(size_t i);

/* stats_resets - reading the table makes the workers start from zero. */
bool stats_resets(const char *table);

/*
 * stats_can_be_emptied - the table has a _reset twin: TRUNCATE makes the workers start from zero.
 */
bool stats_can_be_emptied(const char *table);

#endif
