/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats_table.h - how a table of the schema "stats" is filled: shared by the stats_*.c.
 */
#ifndef ADMIN_STATS_TABLE_H
#define ADMIN_STATS_TABLE_H

#include <sqlite3.h>

#include "proxy/figures_read.h"
#include "proxy/galeway.h"

/* A table that is being filled. */
struct stats_fill {
    struct galeway *g;
    const struct snapshot *snapshot;     /* the current one */
    const struct figures_report *report; /* what the workers said */
    sqlite3_stmt *insert;                /* one row */
    int column;                          /* bound so far */
};

/* One value of the row being made; fill_row ends it. Texts are copied. */
void fill_text(struct stats_fill *f, const char *text); /* NULL = "" */
void fill_slice(struct stats_fill *f, struct slice text);
void fill_number(struct stats_fill *f, uint64_t number);
void fill_signed(struct stats_fill *f, int64_t number);
void fill_digest(struct stats_fill *f, uint64_t digest); /* 0x and 16 digits */
void fill_user(struct stats_fill *f, const struct account *account);
void fill_schema(struct stats_fill *f, const struct schema *schema);
void fill_node(struct stats_fill *f, const struct node *node); /* two values: host and port */
void fill_row(struct stats_fill *f);

/* fill_named - a row of a name and a number. */
void fill_named(struct stats_fill *f, const char *name, uint64_t value);

/* fill_sum - one counter over all workers. */
uint64_t fill_sum(const struct stats_fill *f, enum stat_id id);

/* COPIES - the parts of the workers that answered. */
#define COPIES(f, copy)                                                                 \
    for (unsigned i_ = 0; i_ < (f)->report->n_workers; i_++)                            \
        for (const struct figures_copy *copy = (f)->report->copies[i_]; (copy) != NULL; \
             (copy) = NULL)

/* ROWS - all rows of one of their lists, as const type *row: struct figures_copy names the type. */
#define ROWS(f, copy, list, type, row)             \
    COPIES(f, copy)                                \
    for (size_t n_ = 0; n_ < (copy)->list.n; n_++) \
        for (const type *row = (const type *)(copy)->list.items + n_; (row) != NULL; (row) = NULL)

/* The tables: stats_pool.c, stats_statements.c, stats_clients.c, stats_global.c. */
void stats_fill_connection_pool(struct stats_fill *f);
void stats_fill_free_connections(struct stats_fill *f);
void stats_fill_queue(struct stats_fill *f);
void stats_fill_digests(struct stats_fill *f);
void stats_fill_commands(struct stats_fill *f);
void stats_fill_rules(struct stats_fill *f);
void stats_fill_errors(struct stats_fill *f);
void stats_fill_prepared(struct stats_fill *f);
void stats_fill_processlist(struct stats_fill *f);
void stats_fill_users(struct stats_fill *f);
void stats_fill_pins(struct stats_fill *f);
void stats_fill_sites(struct stats_fill *f);
void stats_fill_global(struct stats_fill *f);
void stats_fill_memory(struct stats_fill *f);
void stats_fill_query_cache(struct stats_fill *f); /* stats_cache.c */
void stats_add_query_cache(struct stats_fill *f);  /* rows of stats_mysql_global */
void stats_fill_cluster(struct stats_fill *f);     /* cluster_table.c */

void stats_fill_hosts(struct stats_fill *f); /* stats_hosts.c */
void stats_fill_hosts_reset(struct stats_fill *f);

void stats_fill_follower(struct stats_fill *f); /* follower_table.c */

void stats_fill_runtime_servers(struct stats_fill *f); /* runtime_servers.c */

/* users_table.c; stats_add_followed_users: rows of stats_mysql_users */
void stats_fill_runtime_users(struct stats_fill *f);
void stats_fill_users_follow(struct stats_fill *f);
void stats_add_followed_users(struct stats_fill *f);

/* monitor_tables.c; stats_add_monitor: rows of stats_mysql_global */
void stats_fill_events(struct stats_fill *f);
void stats_fill_connect_log(struct stats_fill *f);
void stats_fill_ping_log(struct stats_fill *f);
void stats_fill_galera_log(struct stats_fill *f);
void stats_fill_read_only_log(struct stats_fill *f);
void stats_fill_retries(struct stats_fill *f);
void stats_add_monitor(struct stats_fill *f);

#endif
