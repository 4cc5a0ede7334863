/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.h - the schema "stats": ProxySQL's statistics tables and ours, filled when they are read.
 *
 * Control thread only.
 */
#ifndef ADMIN_STATS_H
#define ADMIN_STATS_H

#include <sqlite3.h>

#include "proxy/galeway.h"

/*
 * stats_create - attach "stats" (in memory) if it is not there, and make its tables. 0, or ERR_LIMIT when SQLite
 * refuses.
 */
int stats_create(struct galeway *g, sqlite3 *db) MUST_CHECK;

/*
 * stats_refresh - before a statement runs: fill anew each table whose name it has, from what the workers say now. A
 * name that ends with _reset makes them start from zero, and so does TRUNCATE or DELETE of a table that has such a twin.
 *
 * Returns how many workers did not answer in time: their part is missing. Waits a second at most.
 */
unsigned stats_refresh(struct galeway *g, sqlite3 *db, struct slice sql);

/* stats_can_be_emptied - the table has a _reset twin: TRUNCATE makes the workers start from zero. */
bool stats_can_be_emptied(const char *table);

#endif
