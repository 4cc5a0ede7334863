/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_figures_stats.c - the tables of the schema "stats".
 */
#include <stdio.h>

#include "admin/stats.h"
#include "base/clock.h"
#include "tests/unit/figures_workers.h"
#include "tests/unit/test.h"

struct seen {
    struct one_worker one;
    sqlite3 *db;
    char value[512];
};

static void begin(struct seen *s)
{
    one_worker_make(&s->one);
    assert_int_equal(sqlite3_open(":memory:", &s->db), SQLITE_OK);
    assert_int_equal(stats_create(&s->one.galeway, s->db), 0);
}

static void end(struct seen *s)
{
    assert_int_equal(sqlite3_close(s->db), SQLITE_OK);
    one_worker_end(&s->one, true);
}

/* As the console's: store_guard.c. */
static int note(void *ctx, int action, const char *table, const char *column, const char *schema,
                const char *by)
{
    (void)column;
    (void)schema;
    (void)by;
    if (action == SQLITE_READ || action == SQLITE_DELETE) {
        stats_note(ctx, table, action == SQLITE_DELETE);
    }
    return SQLITE_OK;
}

/* A statement that waits to be run, after the tables it names were filled. */
static sqlite3_stmt *prepare(struct seen *s, const char *sql, unsigned missing)
{
    struct stats_named named = {0};
    sqlite3_stmt *stmt = NULL;

    assert_int_equal(sqlite3_set_authorizer(s->db, note, &named), SQLITE_OK);
    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(s->db));
    }
    assert_int_equal(sqlite3_set_authorizer(s->db, NULL, NULL), SQLITE_OK);
    assert_int_equal(stats_refresh(&s->one.galeway, s->db, &named), missing);
    return stmt;
}

static void run(struct seen *s, const char *sql)
{
    sqlite3_stmt *stmt = prepare(s, sql, 0);

    while (sqlite3_step(stmt) == SQLITE_ROW) {
    }
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
}

/* The first row of a statement, its columns joined with '|'. */
static const char *row(struct seen *s, const char *sql)
{
    sqlite3_stmt *stmt = prepare(s, sql, 0);
    size_t n = 0;

    s->value[0] = '\0';
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt) && n < sizeof(s->value); i++) {
            n += (size_t)snprintf(s->value + n, sizeof(s->value) - n, "%s%s", i == 0 ? "" : "|",
                                  (const char *)sqlite3_column_text(stmt, i));
        }
    }
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    return s->value;
}

TEST(stats_digests_are_counted_and_reset)
{
    struct seen s;

    begin(&s);
    one_worker_count(&s.one, "SELECT a FROM t WHERE b=5", 100);
    one_worker_count(&s.one, "SELECT a FROM t WHERE b=6", 300);
    one_worker_run(&s.one);
    assert_string_equal(
        row(&s, "SELECT hostgroup,schemaname,username,client_address,digest_text,count_star,"
                "sum_time,min_time,max_time,sum_rows_affected,sum_rows_sent "
                "FROM stats.stats_mysql_query_digest"),
        "10|wp_1|wp||SELECT a FROM t WHERE b=?|2|400|100|300|0|4");
    assert_string_equal(row(&s, "SELECT length(digest),substr(digest,1,2),"
                                "first_seen>1600000000,last_seen>=first_seen "
                                "FROM stats_mysql_query_digest"),
                        "18|0x|1|1");
    assert_string_equal(row(&s, "SELECT count(*) FROM stats.stats_mysql_query_digest_reset"), "1");
    assert_string_equal(row(&s, "SELECT count(*) FROM stats.stats_mysql_query_digest"), "0");
    end(&s);
}

TEST(stats_truncate_of_digests_reaches_the_workers)
{
    struct seen s;

    begin(&s);
    one_worker_count(&s.one, "SELECT 1", 100);
    one_worker_run(&s.one);
    run(&s, "DELETE FROM stats.stats_mysql_query_digest");
    assert_string_equal(row(&s, "SELECT count(*) FROM stats_mysql_query_digest"), "0");
    end(&s);
}

TEST(stats_sum_up_commands_and_sites)
{
    struct seen s;

    begin(&s);
    for (unsigned i = 0; i < 99; i++) {
        one_worker_count(&s.one, "SELECT 1", 7);
    }
    one_worker_count(&s.one, "UPDATE t SET a=1", 30000);
    one_worker_run(&s.one);
    assert_string_equal(row(&s, "SELECT * FROM stats_mysql_commands_counters WHERE Total_cnt>0 "
                                "ORDER BY Command DESC LIMIT 1"),
                        "UPDATE|30000|1|0|0|0|0|0|1|0|0|0|0|0|0");
    assert_string_equal(row(&s, "SELECT Total_Time_us,cnt_100us FROM stats_mysql_commands_counters "
                                "WHERE Command='SELECT'"),
                        "693|99");
    assert_string_equal(row(&s, "SELECT count(*) FROM stats_mysql_commands_counters"), "54");
    assert_string_equal(row(&s, "SELECT user,schema,statements,p50_us,p99_us,waiting,errors "
                                "FROM stats_sites"),
                        "wp|wp_1|100|7|7|0|0");
    end(&s);
}

TEST(stats_errors_merge_and_reset)
{
    struct seen s;
    struct figures_statement failed = {.hostgroup = 10, .address = SLICE("10.0.0.9")};

    begin(&s);
    failed.account = s.one.account;
    failed.ended_us = clock_now_us();
    figures_failed(&s.one.worker->figures, &failed, s.one.galeway.nodes.items[0], 1146,
                   SLICE("Table 'x' doesn't exist"));
    one_worker_run(&s.one);
    assert_string_equal(row(&s, "SELECT hostgroup,hostname,port,username,client_address,"
                                "schemaname,errno,count_star,last_error FROM stats_mysql_errors"),
                        "10|127.0.0.1|9|wp|10.0.0.9||1146|1|Table 'x' doesn't exist");
    assert_string_equal(row(&s, "SELECT count(*) FROM stats_mysql_errors_reset"), "1");
    assert_string_equal(row(&s, "SELECT count(*) FROM stats_mysql_errors"), "0");
    end(&s);
}

TEST(stats_pins_add_what_is_still_in_force)
{
    struct seen s;
    struct figures *f;

    begin(&s);
    f = &s.one.worker->figures;
    figures_pinned(f, s.one.account, PIN_TRANSACTION, 0xab, s.one.worker->now_ms - 500);
    figures_unpinned(f, s.one.account, PIN_TRANSACTION, 0xab, s.one.worker->now_ms - 500);
    figures_pinned(f, s.one.account, PIN_TRANSACTION, 0xab, s.one.worker->now_ms - 1000);
    one_worker_run(&s.one);
    assert_string_equal(row(&s, "SELECT user,reason,digest,count,total_ms BETWEEN 1500 AND 9000,"
                                "now FROM stats_pins"),
                        "wp|transaction|0x00000000000000AB|2|1|1");
    end(&s);
}

TEST(stats_connection_pool_has_readers_and_writers)
{
    struct seen s;
    struct traffic *t;

    begin(&s);
    t = pool_traffic(&s.one.worker->pool, s.one.galeway.nodes.items[1], 20);
    t->statements = 5;
    t->bytes_sent = 17;
    t->max_used = 3;
    one_worker_run(&s.one);
    assert_string_equal(row(&s, "SELECT group_concat(hostgroup||' '||srv_host||' '||status) FROM "
                                "(SELECT * FROM stats_mysql_connection_pool "
                                "ORDER BY hostgroup,srv_host)"),
                        "10 127.0.0.1 ONLINE,10 127.0.0.2 ONLINE,20 127.0.0.1 ONLINE,"
                        "20 127.0.0.2 ONLINE");
    assert_string_equal(row(&s, "SELECT Queries,Bytes_data_sent,MaxConnUsed,ConnUsed FROM "
                                "stats_mysql_connection_pool_reset WHERE srv_host='127.0.0.2' "
                                "AND hostgroup=20"),
                        "5|17|3|0");
    assert_string_equal(row(&s, "SELECT sum(Queries),sum(MaxConnUsed) FROM "
                                "stats_mysql_connection_pool"),
                        "0|0");
    end(&s);
}

TEST(stats_users_queue_and_memory_have_their_bounds)
{
    struct seen s;

    begin(&s);
    figures_waited(&s.one.worker->figures, 10, 90);
    one_worker_run(&s.one);
    assert_string_equal(row(&s, "SELECT * FROM stats_mysql_users"), "wp|0|77");
    assert_string_equal(row(&s, "SELECT * FROM stats_queue"), "10|0|90");
    assert_string_equal(row(&s, "SELECT Variable_Value FROM stats_memory_metrics "
                                "WHERE Variable_Name='query_digests_max'"),
                        "10000");
    assert_string_equal(row(&s, "SELECT count(*) FROM stats_mysql_processlist p "
                                "JOIN stats_mysql_free_connections f ON f.hostgroup=p.hostgroup"),
                        "0");
    assert_string_equal(row(&s, "SELECT count(*) FROM stats_mysql_prepared_statements_info"), "0");
    end(&s);
}

/* What dashboards for ProxySQL ask for. */
static const char *const global_names[] = {
    "ProxySQL_Uptime",
    "Questions",
    "Slow_queries",
    "Active_Transactions",
    "Client_Connections_aborted",
    "Client_Connections_connected",
    "Client_Connections_created",
    "Client_Connections_non_idle",
    "Client_Connections_hostgroup_locked",
    "Server_Connections_aborted",
    "Server_Connections_connected",
    "Server_Connections_created",
    "Server_Connections_delayed",
    "Queries_backends_bytes_recv",
    "Queries_backends_bytes_sent",
    "Queries_frontends_bytes_recv",
    "Queries_frontends_bytes_sent",
    "Query_Processor_time_nsec",
    "Backend_query_time_nsec",
    "ConnPool_get_conn_immediate",
    "ConnPool_get_conn_success",
    "ConnPool_get_conn_failure",
    "ConnPool_get_conn_latency_awareness",
    "Com_autocommit",
    "Com_commit",
    "Com_rollback",
    "Com_commit_filtered",
    "Com_backend_change_user",
    "Com_backend_init_db",
    "Com_backend_set_names",
    "Com_backend_stmt_prepare",
    "Com_backend_stmt_execute",
    "Com_backend_stmt_close",
    "Com_frontend_init_db",
    "Com_frontend_set_names",
    "Com_frontend_stmt_prepare",
    "Com_frontend_stmt_execute",
    "Com_frontend_stmt_close",
    "MyHGM_myconnpoll_get",
    "MyHGM_myconnpoll_get_ok",
    "MyHGM_myconnpoll_push",
    "MyHGM_myconnpoll_reset",
    "MyHGM_myconnpoll_destroy",
    "MySQL_Monitor_connect_check_OK",
    "MySQL_Monitor_ping_check_ERR",
    "Query_Cache_Memory_bytes",
    "Stmt_Client_Active_Total",
    "Stmt_Server_Active_Unique",
    "Stmt_Max_Stmt_id",
    "Stmt_Cached",
    "Access_Denied_Wrong_Password",
    "Access_Denied_Max_Connections",
    "Access_Denied_Max_User_Connections",
    "max_connect_timeouts",
    "backend_lagging_during_query",
    "backend_offline_during_query",
    "hostgroup_locked_set_cmds",
    "generated_error_packets",
    "mysql_frontend_buffers_bytes",
    "mysql_session_internal_bytes",
};

TEST(stats_global_has_the_names_of_dashboards)
{
    struct seen s;
    char sql[256];

    begin(&s);
    one_worker_run(&s.one);
    for (size_t i = 0; i < ARRAY_SIZE(global_names); i++) {
        (void)snprintf(sql, sizeof(sql),
                       "SELECT Variable_Name FROM %s WHERE Variable_Name='%s' "
                       "AND Variable_Value+0>=0",
                       i == 0 ? "stats.stats_mysql_global" : "main.seen", global_names[i]);
        assert_string_equal(row(&s, sql), global_names[i]);
        if (i == 0) { /* the rest is looked up in a copy */
            assert_int_equal(sqlite3_exec(s.db,
                                          "CREATE TABLE main.seen AS "
                                          "SELECT * FROM stats.stats_mysql_global",
                                          NULL, NULL, NULL),
                             SQLITE_OK);
        }
    }
    end(&s);
}

TEST(stats_tables_are_filled_only_when_they_are_named)
{
    struct seen s;

    begin(&s);
    one_worker_count(&s.one, "SELECT 1", 100);
    one_worker_run(&s.one);
    run(&s, "CREATE TABLE main.seen (a)");
    run(&s, "DELETE FROM main.seen WHERE a IN (SELECT hostgroup FROM stats_mysql_query_digest)");
    run(&s, "SELECT 'a stats_mysql_query_digest_reset b', 'it''s stats_mysql_query_digest_reset'");
    run(&s, "SELECT a AS \"stats_mysql_query_digest_reset\" FROM seen -- it's _reset");
    assert_string_equal(row(&s, "SELECT \"it's\", (SELECT count(*) FROM sqlite_master WHERE "
                                "name='seen'), count(*) FROM `STATS_MYSQL_QUERY_DIGEST`"),
                        "it's|1|1");
    end(&s);
}

TEST(stats_say_how_many_workers_are_missing)
{
    struct seen s;

    begin(&s);
    assert_int_equal(sqlite3_finalize(prepare(&s, "SELECT * FROM stats.stats_mysql_global", 1)),
                     SQLITE_OK);
    one_worker_run(&s.one);
    assert_string_equal(row(&s, "SELECT Variable_Value FROM stats_mysql_global "
                                "WHERE Variable_Name='Workers_missing'"),
                        "0");
    end(&s);
}
