/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.c - the list of tables, and which of them a statement needs.
 */
#include "admin/stats.h"

#include <stdio.h>

#include "admin/stats_table.h"
#include "base/err.h"
#include "base/log.h"
#include "proxy/worker.h"

#define COLUMNS_MAX 48
#define SQL_MAX     4096

struct stats_table {
    const char *name;
    const char *columns; /* of CREATE TABLE */
    const char *merge;   /* what the parts of two workers make together; NULL: rows of their own */
    void (*fill)(
        struct stats_fill *f); /* NULL: what it is about does not exist here: always empty */
    uint32_t parts;            /* asked of the workers */
    uint32_t reset;            /* of these, what starts from zero */
};

#define CONNECTION_POOL                                                                     \
    "hostgroup INT,srv_host VARCHAR,srv_port INT,status VARCHAR,ConnUsed INT,ConnFree INT," \
    "ConnOK INT,ConnERR INT,MaxConnUsed INT,Queries INT,Queries_GTID_sync INT,"             \
    "Bytes_data_sent INT,Bytes_data_recv INT,Latency_us INT,"                               \
    "PRIMARY KEY (hostgroup,srv_host,srv_port)"
#define CONNECTION_POOL_MERGE                                                        \
    "ConnUsed=ConnUsed+excluded.ConnUsed,ConnFree=ConnFree+excluded.ConnFree,"       \
    "ConnOK=ConnOK+excluded.ConnOK,ConnERR=ConnERR+excluded.ConnERR,"                \
    "MaxConnUsed=MaxConnUsed+excluded.MaxConnUsed,Queries=Queries+excluded.Queries," \
    "Bytes_data_sent=Bytes_data_sent+excluded.Bytes_data_sent,"                      \
    "Bytes_data_recv=Bytes_data_recv+excluded.Bytes_data_recv,"                      \
    "Latency_us=max(Latency_us,excluded.Latency_us)"
#define QUERY_DIGEST                                                                        \
    "hostgroup INT,schemaname VARCHAR NOT NULL,username VARCHAR NOT NULL,"                  \
    "client_address VARCHAR NOT NULL,digest VARCHAR NOT NULL,digest_text VARCHAR NOT NULL," \
    "count_star INTEGER NOT NULL,first_seen INTEGER NOT NULL,last_seen INTEGER NOT NULL,"   \
    "sum_time INTEGER NOT NULL,min_time INTEGER NOT NULL,max_time INTEGER NOT NULL,"        \
    "sum_rows_affected INTEGER NOT NULL,sum_rows_sent INTEGER NOT NULL,"                    \
    "PRIMARY KEY (hostgroup,schemaname,username,client_address,digest)"
#define QUERY_DIGEST_MERGE                                                                      \
    "count_star=count_star+excluded.count_star,first_seen=min(first_seen,excluded.first_seen)," \
    "last_seen=max(last_seen,excluded.last_seen),sum_time=sum_time+excluded.sum_time,"          \
    "min_time=min(min_time,excluded.min_time),max_time=max(max_time,excluded.max_time),"        \
    "sum_rows_affected=sum_rows_affected+excluded.sum_rows_affected,"                           \
    "sum_rows_sent=sum_rows_sent+excluded.sum_rows_sent"
#define ERRORS                                                                               \
    "hostgroup INT NOT NULL,hostname VARCHAR NOT NULL,port INT NOT NULL,"                    \
    "username VARCHAR NOT NULL,client_address VARCHAR NOT NULL,schemaname VARCHAR NOT NULL," \
    "errno INT NOT NULL,count_star INTEGER NOT NULL,first_seen INTEGER NOT NULL,"            \
    "last_seen INTEGER NOT NULL,last_error VARCHAR NOT NULL DEFAULT '',"                     \
    "PRIMARY KEY (hostgroup,hostname,port,username,client_address,schemaname,errno)"
#define ERRORS_MERGE                                                                            \
    "last_error=iif(excluded.last_seen>=last_seen,excluded.last_error,last_error),"             \
    "count_star=count_star+excluded.count_star,first_seen=min(first_seen,excluded.first_seen)," \
    "last_seen=max(last_seen,excluded.last_seen)"
#define GALERA_NODES                                                                             \
    "hostgroup INT NOT NULL,srv_host VARCHAR NOT NULL,srv_port INT NOT NULL,"                    \
    "node VARCHAR NOT NULL,role VARCHAR NOT NULL,reads INT NOT NULL,why VARCHAR NOT NULL,"       \
    "why_text VARCHAR NOT NULL,since_s INT NOT NULL,status VARCHAR NOT NULL,"                    \
    "health VARCHAR NOT NULL,health_since_s INT NOT NULL,check_age_ms INT NOT NULL,"             \
    "check_us INT NOT NULL,check_error VARCHAR NOT NULL,local_state VARCHAR NOT NULL,"           \
    "cluster_status VARCHAR NOT NULL,cluster_size INT NOT NULL,conf_id INT NOT NULL,"            \
    "state_uuid VARCHAR NOT NULL,local_index INT NOT NULL,recv_queue INT NOT NULL,"              \
    "last_committed INT NOT NULL,ready INT NOT NULL,connected INT NOT NULL,desync INT NOT NULL," \
    "rejects INT NOT NULL,donor_rejects INT NOT NULL,read_only INT NOT NULL,"                    \
    "max_connections INT NOT NULL,version VARCHAR NOT NULL,paused_percent INT NOT NULL,"         \
    "weight INT NOT NULL,home_percent INT NOT NULL,load_percent INT NOT NULL,"                   \
    "connections INT NOT NULL,"                                                                  \
    "conn_used INT NOT NULL,conn_free INT NOT NULL,in_flight INT NOT NULL,"                      \
    "PRIMARY KEY (hostgroup,srv_host,srv_port)"
#define QUERY_CACHE_COUNT(id, name, help) "," name " INTEGER NOT NULL"
#define QUERY_CACHE                                                          \
    "user VARCHAR NOT NULL,schema VARCHAR NOT NULL,digest VARCHAR NOT NULL," \
    "entries INTEGER NOT NULL,bytes INTEGER NOT NULL" CACHE_COUNTS(QUERY_CACHE_COUNT)
#define CLIENT_HOSTS \
    "client_address VARCHAR NOT NULL,error_count INT NOT NULL,last_updated BIGINT NOT NULL"
#define RESET_ELSEWHERE BIT(31) /* reading it resets what no worker has */
#define CHECKED                                                 \
    "hostname VARCHAR NOT NULL,port INT NOT NULL DEFAULT 3306," \
    "time_start_us INT NOT NULL DEFAULT 0,"
#define CHECKED_KEY "PRIMARY KEY (hostname,port,time_start_us)"

/* clang-format off */
static const struct stats_table tables[] = {
    {"stats_mysql_global",
     "Variable_Name VARCHAR NOT NULL PRIMARY KEY,Variable_Value VARCHAR NOT NULL", NULL,
     stats_fill_global, READ_TOTALS | READ_COMMANDS, 0},
    {"stats_mysql_connection_pool", CONNECTION_POOL, CONNECTION_POOL_MERGE,
     stats_fill_connection_pool, READ_TRAFFIC, 0},
    {"stats_mysql_connection_pool_reset", CONNECTION_POOL, CONNECTION_POOL_MERGE,
     stats_fill_connection_pool, READ_TRAFFIC, READ_TRAFFIC},
    {"stats_mysql_query_digest", QUERY_DIGEST, QUERY_DIGEST_MERGE,
     stats_fill_digests, READ_DIGESTS, 0},
    {"stats_mysql_query_digest_reset", QUERY_DIGEST, QUERY_DIGEST_MERGE,
     stats_fill_digests, READ_DIGESTS, READ_DIGESTS},
    {"stats_mysql_errors", ERRORS, ERRORS_MERGE, stats_fill_errors, READ_ERRORS, 0},
    {"stats_mysql_errors_reset", ERRORS, ERRORS_MERGE,
     stats_fill_errors, READ_ERRORS, READ_ERRORS},
    {"stats_mysql_processlist",
     "ThreadID INT NOT NULL,SessionID INTEGER PRIMARY KEY,user VARCHAR,db VARCHAR,cli_host VARCHAR,"
     "cli_port INT,hostgroup INT,l_srv_host VARCHAR,l_srv_port INT,srv_host VARCHAR,srv_port INT,"
     "command VARCHAR,time_ms INT NOT NULL,info VARCHAR,status_flags INT,extended_info VARCHAR",
     NULL, stats_fill_processlist, READ_CLIENTS, 0},
    {"stats_mysql_commands_counters",
     "Command VARCHAR NOT NULL PRIMARY KEY,Total_Time_us INT NOT NULL,Total_cnt INT NOT NULL,"
     "cnt_100us INT NOT NULL,cnt_500us INT NOT NULL,cnt_1ms INT NOT NULL,cnt_5ms INT NOT NULL,"
     "cnt_10ms INT NOT NULL,cnt_50ms INT NOT NULL,cnt_100ms INT NOT NULL,cnt_500ms INT NOT NULL,"
     "cnt_1s INT NOT NULL,cnt_5s INT NOT NULL,cnt_10s INT NOT NULL,cnt_INFs INT NOT NULL",
     NULL, stats_fill_commands, READ_COMMANDS, 0},
    {"stats_mysql_query_rules", "rule_id INTEGER PRIMARY KEY,hits INT NOT NULL", NULL,
     stats_fill_rules, 0, 0},
    {"stats_mysql_users",
     "username VARCHAR PRIMARY KEY,frontend_connections INT NOT NULL,"
     "frontend_max_connections INT NOT NULL", NULL, stats_fill_users, 0, 0},
    {"stats_mysql_free_connections",
     "fd INT NOT NULL,hostgroup INT NOT NULL,srv_host VARCHAR NOT NULL,srv_port INT NOT NULL,"
     "user VARCHAR NOT NULL,schema VARCHAR,init_connect VARCHAR,time_zone VARCHAR,"
     "sql_mode VARCHAR,autocommit VARCHAR,idle_ms INT,statistics VARCHAR,mysql_info VARCHAR",
     NULL, stats_fill_free_connections, READ_SERVERS, 0},
    {"stats_mysql_prepared_statements_info",
     "global_stmt_id INT NOT NULL PRIMARY KEY,schemaname VARCHAR NOT NULL,"
     "username VARCHAR NOT NULL,digest VARCHAR NOT NULL,ref_count_client INT NOT NULL,"
     "ref_count_server INT NOT NULL,num_columns INT NOT NULL,num_params INT NOT NULL,"
     "query VARCHAR NOT NULL",
     "ref_count_client=ref_count_client+excluded.ref_count_client,"
     "ref_count_server=ref_count_server+excluded.ref_count_server,"
     "num_columns=max(num_columns,excluded.num_columns),"
     "num_params=max(num_params,excluded.num_params)",
     stats_fill_prepared, READ_STMTS, 0},
    {"stats_memory_metrics",
     "Variable_Name VARCHAR NOT NULL PRIMARY KEY,Variable_Value VARCHAR NOT NULL", NULL,
     stats_fill_memory, READ_TOTALS, 0},
    {"stats_pins",
     "user VARCHAR NOT NULL,reason VARCHAR NOT NULL,digest VARCHAR NOT NULL,"
     "count INTEGER NOT NULL,total_ms INTEGER NOT NULL,now INTEGER NOT NULL,"
     "PRIMARY KEY (user,reason,digest)",
     "count=count+excluded.count,total_ms=total_ms+excluded.total_ms,now=now+excluded.now",
     stats_fill_pins, READ_PINS, 0},
    {"stats_sites",
     "user VARCHAR NOT NULL,schema VARCHAR NOT NULL,statements INTEGER NOT NULL,"
     "p50_us INTEGER NOT NULL,p95_us INTEGER NOT NULL,p99_us INTEGER NOT NULL,"
     "waiting INTEGER NOT NULL,queued_ms INTEGER NOT NULL,server_connections INTEGER NOT NULL,"
     "pinned INTEGER NOT NULL,cache_hits INTEGER NOT NULL,errors INTEGER NOT NULL,"
     "home VARCHAR NOT NULL,"
     "PRIMARY KEY (user,schema)", NULL, stats_fill_sites, READ_SITES, 0},
    {"stats_query_cache", QUERY_CACHE, NULL, stats_fill_query_cache, 0, 0},
    {"stats_mysql_gtid_executed",
     "hostname VARCHAR NOT NULL,port INT NOT NULL,gtid_executed VARCHAR,events INT NOT NULL", NULL,
     NULL, 0, 0},
    {"stats_mysql_client_host_cache", CLIENT_HOSTS, NULL, stats_fill_hosts, 0, 0},
    {"stats_mysql_client_host_cache_reset", CLIENT_HOSTS, NULL, stats_fill_hosts_reset, 0,
     RESET_ELSEWHERE},
    {"stats_proxysql_servers_checksums",
     "hostname VARCHAR NOT NULL,port INT NOT NULL,name VARCHAR NOT NULL,version INT NOT NULL,"
     "epoch INT NOT NULL,checksum VARCHAR NOT NULL,changed_at INT NOT NULL,"
     "updated_at INT NOT NULL,diff_check INT NOT NULL,PRIMARY KEY (hostname,port,name)", NULL,
     NULL, 0, 0},
    {"stats_proxysql_servers_metrics",
     "hostname VARCHAR NOT NULL,port INT NOT NULL,weight INT NOT NULL,comment VARCHAR NOT NULL,"
     "response_time_ms INT NOT NULL,Uptime_s INT NOT NULL,last_check_ms INT NOT NULL,"
     "Queries INT NOT NULL,Client_Connections_connected INT NOT NULL,"
     "Client_Connections_created INT NOT NULL,PRIMARY KEY (hostname,port)", NULL,
     NULL, 0, 0},
    {"stats_queue",
     "hostgroup INTEGER PRIMARY KEY,waiting INTEGER NOT NULL,longest_wait_ms INTEGER NOT NULL",
     "waiting=waiting+excluded.waiting,"
     "longest_wait_ms=max(longest_wait_ms,excluded.longest_wait_ms)",
     stats_fill_queue, READ_QUEUE, 0},
    {"stats_galera_nodes", GALERA_NODES, NULL, stats_fill_cluster, READ_TRAFFIC, 0},
    {"stats_galera_events",
     "number INTEGER PRIMARY KEY,time_us INTEGER NOT NULL,event VARCHAR NOT NULL,"
     "hostgroup INT NOT NULL,srv_host VARCHAR NOT NULL,srv_port INT NOT NULL,"
     "cause VARCHAR NOT NULL", NULL, stats_fill_events, 0, 0},
    {"stats_query_cache_follower",
     "hostgroup INT NOT NULL PRIMARY KEY,state VARCHAR NOT NULL,state_ms INTEGER NOT NULL,"
     "node VARCHAR NOT NULL,lag_ms INTEGER NOT NULL,position VARCHAR NOT NULL,"
     "events INTEGER NOT NULL,transactions INTEGER NOT NULL,writes INTEGER NOT NULL,"
     "row_keys INTEGER NOT NULL,gaps INTEGER NOT NULL,connects INTEGER NOT NULL,"
     "error VARCHAR NOT NULL", NULL, stats_fill_follower, 0, 0},
    {"stats_users_follow",
     "hostgroup INT NOT NULL PRIMARY KEY,state VARCHAR NOT NULL,state_ms INTEGER NOT NULL,"
     "node VARCHAR NOT NULL,users INTEGER NOT NULL,accounts INTEGER NOT NULL,"
     "malformed INTEGER NOT NULL,age_ms INTEGER NOT NULL,readings INTEGER NOT NULL,"
     "lookups INTEGER NOT NULL,lookup_names INTEGER NOT NULL,lookups_refused INTEGER NOT NULL,"
     "waiting INTEGER NOT NULL,error VARCHAR NOT NULL", NULL, stats_fill_users_follow, 0, 0},
    {"stats_retries",
     "worker INT NOT NULL,number INTEGER NOT NULL,time_us INTEGER NOT NULL,"
     "digest VARCHAR NOT NULL,user VARCHAR NOT NULL,hostgroup INT NOT NULL,"
     "srv_host VARCHAR NOT NULL,srv_port INT NOT NULL,SessionID INTEGER NOT NULL,"
     "bytes_sent INTEGER NOT NULL,error INT NOT NULL,ran_us INTEGER NOT NULL,"
     "retries INT NOT NULL,decision VARCHAR NOT NULL,text VARCHAR NOT NULL,"
     "PRIMARY KEY (worker,number)", NULL, stats_fill_retries, READ_LEDGER, 0},
    {"runtime_mysql_servers",
     "hostgroup_id INT NOT NULL DEFAULT 0,hostname VARCHAR NOT NULL,"
     "port INT NOT NULL DEFAULT 3306,gtid_port INT NOT NULL DEFAULT 0,"
     "status VARCHAR NOT NULL DEFAULT 'ONLINE',weight INT NOT NULL DEFAULT 1,"
     "compression INT NOT NULL DEFAULT 0,max_connections INT NOT NULL DEFAULT 1000,"
     "max_replication_lag INT NOT NULL DEFAULT 0,use_ssl INT NOT NULL DEFAULT 0,"
     "max_latency_ms INT UNSIGNED NOT NULL DEFAULT 0,comment VARCHAR NOT NULL DEFAULT '',"
     "PRIMARY KEY (hostgroup_id,hostname,port)",
     NULL, stats_fill_runtime_servers, 0, 0},
    {"runtime_mysql_users",
     "username VARCHAR NOT NULL,password VARCHAR,active INT NOT NULL DEFAULT 1,"
     "use_ssl INT NOT NULL DEFAULT 0,default_hostgroup INT NOT NULL DEFAULT 0,"
     "default_schema VARCHAR,schema_locked INT NOT NULL DEFAULT 0,"
     "transaction_persistent INT NOT NULL DEFAULT 1,fast_forward INT NOT NULL DEFAULT 0,"
     "backend INT NOT NULL DEFAULT 1,frontend INT NOT NULL DEFAULT 1,"
     "max_connections INT NOT NULL DEFAULT 10000,attributes VARCHAR NOT NULL DEFAULT '',"
     "comment VARCHAR NOT NULL DEFAULT '',PRIMARY KEY (username,backend),"
     "UNIQUE (username,frontend)",
     NULL, stats_fill_runtime_users, 0, 0},
    {"mysql_server_connect_log",
     CHECKED "connect_success_time_us INT DEFAULT 0,connect_error VARCHAR," CHECKED_KEY, NULL,
     stats_fill_connect_log, 0, 0},
    {"mysql_server_ping_log",
     CHECKED "ping_success_time_us INT DEFAULT 0,ping_error VARCHAR," CHECKED_KEY, NULL,
     stats_fill_ping_log, 0, 0},
    {"mysql_server_read_only_log",
     CHECKED "success_time_us INT DEFAULT 0,read_only INT DEFAULT 1,error VARCHAR," CHECKED_KEY,
     NULL, stats_fill_read_only_log, 0, 0},
    {"mysql_server_galera_log",
     CHECKED "success_time_us INT DEFAULT 0,primary_partition VARCHAR NOT NULL DEFAULT 'NO',"
     "read_only VARCHAR NOT NULL DEFAULT 'YES',wsrep_local_recv_queue INT DEFAULT 0,"
     "wsrep_local_state INT DEFAULT 0,wsrep_desync VARCHAR NOT NULL DEFAULT 'NO',"
     "wsrep_reject_queries VARCHAR NOT NULL DEFAULT 'NO',"
     "wsrep_sst_donor_rejects_queries VARCHAR NOT NULL DEFAULT 'NO',error VARCHAR," CHECKED_KEY,
     NULL, stats_fill_galera_log, 0, 0},
};
/* clang-format on */

/* --- rows ------------------------------------------------------------------------------------ */

void fill_slice(struct stats_fill *f, struct slice text)
{
    (void)sqlite3_bind_text64(f->insert, ++f->column, text.data == NULL ? "" : text.data, text.len,
                              SQLITE_TRANSIENT, SQLITE_UTF8);
}

void fill_text(struct stats_fill *f, const char *text)
{
    fill_slice(f, slice_of(text));
}

void fill_signed(struct stats_fill *f, int64_t number)
{
    (void)sqlite3_bind_int64(f->insert, ++f->column, number);
}

void fill_number(struct stats_fill *f, uint64_t number)
{
    fill_signed(f, (int64_t)MIN(number, (uint64_t)INT64_MAX));
}

void fill_digest(struct stats_fill *f, uint64_t digest)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "0x%016llX", (unsigned long long)digest);
    fill_text(f, text);
}

void fill_user(struct stats_fill *f, const struct account *account)
{
    fill_text(f, account == NULL ? "" : account->name);
}

void fill_schema(struct stats_fill *f, const struct schema *schema)
{
    fill_slice(f, schema == NULL ? (struct slice){"", 0} : schema->name);
}

void fill_node(struct stats_fill *f, const struct node *node)
{
    fill_text(f, node == NULL ? "" : node->address);
    fill_number(f, node == NULL ? 0 : node->port);
}

/* A row that SQLite refuses (no memory) is left out, and said once a second at most. */
void fill_row(struct stats_fill *f)
{
    if (sqlite3_step(f->insert) != SQLITE_DONE) {
        log_warn(NULL, "a row of statistics is left out: %s",
                 sqlite3_errmsg(sqlite3_db_handle(f->insert)));
    }
    (void)sqlite3_reset(f->insert);
    f->column = 0;
}

void fill_named(struct stats_fill *f, const char *name, uint64_t value)
{
    fill_text(f, name);
    fill_number(f, value);
    fill_row(f);
}

uint64_t fill_sum(const struct stats_fill *f, enum stat_id id)
{
    struct stat_set *sets[WORKERS_MAX];

    for (unsigned i = 0; i < f->g->n_workers; i++) {
        sets[i] = &f->g->workers[i]->stats;
    }
    return stat_sum(sets, f->g->n_workers, id);
}

/* --- tables ---------------------------------------------------------------------------------- */

static int run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        log_error(NULL, "statistics: %s: %s", sqlite3_errmsg(db), sql);
        return ERR_LIMIT;
    }
    return 0;
}

static bool is_attached(sqlite3 *db, const char *schema)
{
    return sqlite3_db_readonly(db, schema) != -1;
}

/*
 * The logs of the monitor, and what is filled beside the configuration tables, have ProxySQL's
 * names and places.
 */
static const char *schema_of(const struct stats_table *table)
{
    return strncmp(table->name, "mysql_server_", 13) == 0 ? "monitor"
           : strncmp(table->name, "runtime_", 8) == 0     ? "main"
                                                          : "stats";
}

int stats_create(struct galeway *g, sqlite3 *db)
{
    int rc = is_attached(db, "stats") ? 0 : run(db, "ATTACH ':memory:' AS stats");

    if (rc == 0 && !is_attached(db, "monitor")) {
        rc = run(db, "ATTACH ':memory:' AS monitor");
    }

    (void)g;
    for (size_t i = 0; i < ARRAY_SIZE(tables) && rc == 0; i++) {
        char sql[SQL_MAX];

        (void)snprintf(sql, sizeof(sql), "CREATE TABLE %s.%s (%s)", schema_of(&tables[i]),
                       tables[i].name, tables[i].columns);
        rc = run(db, sql);
    }
    return rc;
}

/* INSERT of one row; NULL when SQLite refuses. */
static sqlite3_stmt *prepare_insert(sqlite3 *db, const struct stats_table *table)
{
    char sql[SQL_MAX];
    sqlite3_stmt *stmt = NULL;
    int columns, n;

    (void)snprintf(sql, sizeof(sql), "SELECT * FROM %s.%s", schema_of(table), table->name);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        return NULL;
    }
    columns = sqlite3_column_count(stmt);
    (void)sqlite3_finalize(stmt);
    CHECK(columns > 0 && columns < COLUMNS_MAX);
    n = snprintf(sql, sizeof(sql), "INSERT INTO %s.%s VALUES (?", schema_of(table), table->name);
    for (int i = 1; i < columns; i++) {
        n += snprintf(sql + n, sizeof(sql) - (size_t)n, ",?");
    }
    (void)snprintf(sql + n, sizeof(sql) - (size_t)n, ")%s%s",
                   table->merge == NULL ? "" : " ON CONFLICT DO UPDATE SET ",
                   table->merge == NULL ? "" : table->merge);
    stmt = NULL;
    return sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK ? stmt : NULL;
}

static void fill_table(struct galeway *g, sqlite3 *db, const struct stats_table *table,
                       const struct figures_report *report)
{
    struct stats_fill fill = {.g = g, .report = report};
    struct snapshot *snapshot;
    char sql[SQL_MAX];

    (void)snprintf(sql, sizeof(sql), "DELETE FROM %s.%s", schema_of(table), table->name);
    if (run(db, sql) != 0) {
        return;
    }
    fill.insert = prepare_insert(db, table);
    if (fill.insert == NULL) {
        log_error(NULL, "statistics: %s: %s", table->name, sqlite3_errmsg(db));
        return;
    }
    snapshot = galeway_snapshot(g);
    fill.snapshot = snapshot;
    table->fill(&fill);
    snapshot_unref(snapshot);
    (void)sqlite3_finalize(fill.insert);
}

/* --- what a statement needs ------------------------------------------------------------------ */

_Static_assert(ARRAY_SIZE(tables) <= 64, "a bit for each");

/* NULL: not one of ours. */
static const struct stats_table *find_table(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        if (slice_eq_nocase(slice_of(name), slice_of(tables[i].name))) {
            return &tables[i];
        }
    }
    return NULL;
}

void stats_note(struct stats_named *named, const char *table, bool is_emptied)
{
    const struct stats_table *found = find_table(table);
    uint64_t bit = found == NULL ? 0 : UINT64_C(1) << (found - tables);

    *(is_emptied ? &named->emptied : &named->read) |= bit;
}

size_t stats_count(void)
{
    return ARRAY_SIZE(tables);
}

const char *stats_name(size_t i)
{
    return tables[i].name;
}

/* Its twin, if there is one, says what has to start from zero. */
static uint32_t reset_of(const struct stats_table *table)
{
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        if (tables[i].fill == table->fill && tables[i].reset != 0) {
            return tables[i].reset;
        }
    }
    return 0;
}

bool stats_can_be_emptied(const char *table)
{
    const struct stats_table *found = find_table(table);

    return found != NULL && reset_of(found) != 0;
}

bool stats_resets(const char *table)
{
    const struct stats_table *found = find_table(table);

    return found != NULL && found->reset != 0;
}

unsigned stats_refresh(struct galeway *g, sqlite3 *db, const struct stats_named *named)
{
    const uint64_t all = named->read | named->emptied;
    struct figures_report report = {0};
    uint32_t parts = 0, reset = 0;
    unsigned missing;

    if (all == 0) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        parts |= (all >> i & 1) != 0 ? tables[i].parts : 0;
        reset |= (named->read >> i & 1) != 0 ? tables[i].reset : 0;
        reset |= (named->emptied >> i & 1) != 0 ? reset_of(&tables[i]) : 0;
    }
    if (parts != 0) {
        figures_read(g, parts, reset & ~RESET_ELSEWHERE, &report);
    }
    (void)run(db, "SAVEPOINT stats_refresh");
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        if ((all >> i & 1) != 0 && tables[i].fill != NULL) {
            fill_table(g, db, &tables[i], &report);
        }
    }
    (void)run(db, "RELEASE stats_refresh");
    missing = report.n_missing;
    figures_report_fini(&report);
    return missing;
}
