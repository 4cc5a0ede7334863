/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats_global.c - counters of the process under the names that dashboards for ProxySQL ask for,
 * and memory.
 */
#include <stdio.h>

#include "admin/stats_table.h"
#include "base/clock.h"
#include "base/mem.h"
#include "proxy/worker.h"

/* The totals of all workers. */
static struct figures_totals totals_of(const struct stats_fill *f)
{
    struct figures_totals sum = {0};

    COPIES(f, copy)
    {
        const struct figures_totals *t = &copy->totals;

        sum.clients_busy += t->clients_busy;
        sum.transactions += t->transactions;
        sum.pinned += t->pinned;
        sum.waiting += t->waiting;
        sum.stmts_of_clients += t->stmts_of_clients;
        sum.stmts_on_servers += t->stmts_on_servers;
        sum.stmt_texts += t->stmt_texts;
        sum.stmt_last_id = MAX(sum.stmt_last_id, t->stmt_last_id);
        sum.digests += t->digests;
        sum.digests_evicted += t->digests_evicted;
        sum.digests_max += t->digests_max;
        sum.sites += t->sites;
        sum.sites_evicted += t->sites_evicted;
        sum.errors += t->errors;
        sum.errors_evicted += t->errors_evicted;
        sum.pins += t->pins;
        sum.pins_evicted += t->pins_evicted;
        sum.nodes_us += t->nodes_us;
        sum.profiles += t->profiles;
        sum.schemas += t->schemas;
    }
    return sum;
}

static uint64_t commands(const struct stats_fill *f, enum figures_command command)
{
    uint64_t sum = 0;

    COPIES(f, copy)
    {
        sum += copy->commands[command].count;
    }
    return sum;
}

/* Names of ProxySQL for what does not exist here, or not yet: dashboards find a number. */
static const char *const absent[] = {
    "Client_Connections_hostgroup_locked",
    "Com_autocommit",
    "Com_autocommit_filtered",
    "Com_backend_init_db",
    "Com_backend_set_names",
    "Com_backend_stmt_close",
    "Com_commit_filtered",
    "Com_rollback_filtered",
    "ConnPool_get_conn_latency_awareness",
    "GTID_consistent_queries",
    "MyHGM_myconnpoll_destroy",
    "MySQL_Monitor_Workers",
    "MySQL_Monitor_replication_lag_check_ERR",
    "MySQL_Monitor_replication_lag_check_OK",
    "Query_Processor_time_nsec",
    "backend_lagging_during_query",
    "hostgroup_locked_queries",
    "hostgroup_locked_set_cmds",
};

static void add_counters(struct stats_fill *f)
{
    for (unsigned id = 0; id < STAT_COUNT; id++) {
        fill_named(f, stat_name((enum stat_id)id), fill_sum(f, (enum stat_id)id));
    }
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
        fill_named(f, absent[i], 0);
    }
}

static void add_pool(struct stats_fill *f)
{
    uint64_t at_once = fill_sum(f, STAT_POOL_FIT_EXACT) + fill_sum(f, STAT_POOL_FIT_SET) +
                       fill_sum(f, STAT_POOL_FIT_CHANGE_USER);
    uint64_t lent = at_once + fill_sum(f, STAT_POOL_FIT_NEW);
    uint64_t timeouts = fill_sum(f, STAT_POOL_WAIT_TIMEOUTS);

    fill_named(f, "ConnPool_get_conn_immediate", at_once);
    fill_named(f, "ConnPool_get_conn_success", lent);
    fill_named(f, "ConnPool_get_conn_failure", timeouts);
    fill_named(f, "MyHGM_myconnpoll_get", lent + fill_sum(f, STAT_POOL_WAITS));
    fill_named(f, "MyHGM_myconnpoll_get_ok", lent);
    fill_named(f, "MyHGM_myconnpoll_push", lent);
    fill_named(f, "MyHGM_myconnpoll_reset", fill_sum(f, STAT_POOL_RESETS));
    fill_named(f, "Server_Connections_delayed", fill_sum(f, STAT_POOL_WAITS));
    fill_named(f, "max_connect_timeouts", timeouts);
    fill_named(f, "backend_offline_during_query", fill_sum(f, STAT_RETRIES));
}

static void add_statements(struct stats_fill *f, const struct figures_totals *t)
{
    uint64_t prepared = fill_sum(f, STAT_STMT_PREPARED);
    uint64_t executed = fill_sum(f, STAT_STMT_EXECUTED);

    fill_named(f, "Active_Transactions", t->transactions);
    fill_named(f, "Client_Connections_non_idle", t->clients_busy);
    fill_named(f, "Backend_query_time_nsec", t->nodes_us * 1000);
    fill_named(f, "Com_commit", commands(f, FIGURES_COMMIT));
    fill_named(f, "Com_rollback", commands(f, FIGURES_ROLLBACK));
    fill_named(f, "Com_frontend_init_db", 0);
    fill_named(f, "Com_frontend_use_db", commands(f, FIGURES_USE));
    fill_named(f, "Com_frontend_set_names", commands(f, FIGURES_SET));
    fill_named(f, "Com_frontend_stmt_prepare", prepared);
    fill_named(f, "Com_frontend_stmt_execute", executed);
    fill_named(f, "Com_frontend_stmt_close", 0);
    fill_named(f, "Com_backend_change_user", fill_sum(f, STAT_POOL_FIT_CHANGE_USER));
    fill_named(f, "Com_backend_stmt_prepare", prepared + fill_sum(f, STAT_STMT_REPREPARED));
    fill_named(f, "Com_backend_stmt_execute", executed);
    fill_named(f, "Stmt_Client_Active_Total", t->stmts_of_clients);
    fill_named(f, "Stmt_Client_Active_Unique", t->stmt_texts);
    fill_named(f, "Stmt_Server_Active_Total", t->stmts_on_servers);
    fill_named(f, "Stmt_Server_Active_Unique", t->stmt_texts);
    fill_named(f, "Stmt_Max_Stmt_id", t->stmt_last_id);
    fill_named(f, "Stmt_Cached", t->stmt_texts);
    fill_named(f, "Clients_pinned", t->pinned);
    fill_named(f, "Clients_waiting", t->waiting);
    fill_named(f, "Query_digests", t->digests);
    fill_named(f, "Query_digests_evicted", t->digests_evicted);
    fill_named(f, "Sites_evicted", t->sites_evicted);
    fill_named(f, "Errors_evicted", t->errors_evicted);
    fill_named(f, "Pins_evicted", t->pins_evicted);
}

void stats_fill_global(struct stats_fill *f)
{
    struct figures_totals t = totals_of(f);

    fill_named(f, "ProxySQL_Uptime", (clock_now_ms() - f->g->started_ms) / 1000);
    fill_named(f, "MySQL_Thread_Workers", f->g->n_workers);
    fill_named(f, "Workers_missing", f->report->n_missing);
    fill_named(f, "mysql_backend_buffers_bytes", mem_bytes(MEM_SERVER));
    fill_named(f, "mysql_frontend_buffers_bytes", mem_bytes(MEM_BUFFER));
    fill_named(f, "mysql_session_internal_bytes", mem_bytes(MEM_CLIENT) + mem_bytes(MEM_PENDING));
    fill_named(f, "SQLite3_memory_bytes", (uint64_t)sqlite3_memory_used());
    add_counters(f);
    add_pool(f);
    add_statements(f, &t);
    stats_add_query_cache(f);
    stats_add_monitor(f);
}

/* --- memory ---------------------------------------------------------------------------------- */

static void add_name(struct stats_fill *f, const char *name, const char *what, uint64_t value)
{
    char text[96];

    (void)snprintf(text, sizeof(text), "%s_%s", name, what);
    fill_named(f, text, value);
}

/* What is in use of something that has a bound, and the bound. */
static void add_bounded(struct stats_fill *f, const char *name, uint64_t used, uint64_t max)
{
    add_name(f, name, "used", used);
    add_name(f, name, "max", max);
}

void stats_fill_memory(struct stats_fill *f)
{
    const struct conf_vars *vars = &f->snapshot->conf->vars;
    struct figures_totals t = totals_of(f);
    uint64_t n = f->report->n_workers - f->report->n_missing;

    for (unsigned kind = 0; kind < MEM_KIND_COUNT; kind++) {
        add_name(f, mem_kind_name((enum mem_kind)kind), "bytes", mem_bytes((enum mem_kind)kind));
        add_name(f, mem_kind_name((enum mem_kind)kind), "blocks", mem_blocks((enum mem_kind)kind));
    }
    fill_named(f, "refused_allocations", mem_failures());
    fill_named(f, "SQLite3_memory_bytes", (uint64_t)sqlite3_memory_used());
    fill_named(f, "query_digest_memory", mem_bytes(MEM_FIGURES));
    fill_named(f, "prepare_statement_metadata_memory", mem_bytes(MEM_STMT));
    fill_named(f, "mysql_query_rules_memory", mem_bytes(MEM_ROUTER));
    add_bounded(f, "clients_connected", (uint64_t)atomic_load(&f->g->n_clients),
                (uint64_t)vars->mysql_max_connections);
    add_bounded(f, "client_addresses", hosts_count(&f->g->hosts), HOSTS_MAX);
    add_bounded(f, "queue_waiting", atomic_load(&f->g->queue.n_waiting), f->g->queue.max_waiting);
    add_bounded(f, "queue_waiting_bytes", atomic_load(&f->g->queue.n_bytes),
                atomic_load(&f->g->queue.max_bytes));
    if (f->g->cache != NULL) {
        add_bounded(f, "query_cache_memory", cache_bytes(f->g->cache),
                    cache_max_bytes(f->g->cache));
    }
    add_bounded(f, "users", f->snapshot->conf->n_users, CONF_USERS_MAX);
    add_bounded(f, "nodes", atomic_load(&f->g->nodes.count), NODES_MAX);
    add_bounded(f, "query_digests", t.digests, t.digests_max);
    add_bounded(f, "sites", t.sites, n * FIGURES_SITES_MAX);
    add_bounded(f, "errors", t.errors, n * FIGURES_ERRORS_MAX);
    add_bounded(f, "pins", t.pins, n * FIGURES_PINS_MAX);
    add_bounded(f, "profiles_interned", t.profiles, n * PROFILES_MAX);
    add_bounded(f, "schemas_interned", t.schemas, n * SCHEMAS_MAX);
}
