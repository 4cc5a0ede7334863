/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admin_store.c - SQL on the configuration tables: rights, checks, errors, what clients send.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/unit/admin_store.h"
#include "tests/unit/test.h"

static const char small[] =
    "mysql_variables={ threads=2; interfaces=\"127.0.0.1:6033\" }\n"
    "mysql_servers=( { address=\"127.0.0.1\"; port=3306; hostgroup=10; max_connections=50 },\n"
    "  { hostname=\"127.0.0.2\"; hostgroup_id=10; comment=\"a \\\"second\\\" one\" } )\n"
    "mysql_users=( { username=\"wp\"; password=\"secret\"; default_hostgroup=10; active=true } )\n"
    "mysql_query_rules=( { rule_id=1; active=1; match_digest=\"^SELECT\"; apply=1;\n"
    "  destination_hostgroup=10 } )\n";

TEST(admin_store_shows_what_the_file_says)
{
    struct desk d;
    uint64_t before = mem_blocks(MEM_ADMIN);

    desk_open(&d, small);
    desk_is(&d, "SELECT COUNT(*) FROM mysql_servers", "2");
    desk_is(&d, "SELECT max_connections FROM mysql_servers WHERE hostname='127.0.0.1'", "50");
    desk_is(&d, "SELECT comment FROM runtime_mysql_servers WHERE port=3306 AND hostname LIKE '%.2'",
            "a \"second\" one");
    desk_is(&d, "SELECT active FROM main.mysql_users", "1");
    desk_is(&d, "select match_digest from runtime_mysql_query_rules", "^SELECT");
    desk_is(&d, "SELECT variable_value FROM global_variables WHERE variable_name='mysql-threads'",
            "2");
    desk_is(&d, "SELECT value FROM variables WHERE variable_name='mysql-max_connections'", "10000");
    desk_is(&d, "SELECT COUNT(*) FROM disk.mysql_servers", "0");
    desk_is(&d, "SELECT COUNT(*) FROM runtime_checksums_values WHERE version=1", "8");
    desk_close(&d);
    assert_int_equal(mem_blocks(MEM_ADMIN), before);
}

TEST(admin_store_takes_what_scripts_write)
{
    struct desk d;

    desk_open(&d, small);
    desk_ok(&d, "INSERT INTO mysql_servers(hostgroup_id,hostname,port) VALUES (20,'db3',3306), "
                "(20, \"db4\", 3307);");
    assert_int_equal(d.reply.affected, 2);
    desk_ok(&d, "UPDATE mysql_servers SET weight=100 WHERE hostgroup_id=20");
    assert_int_equal(d.reply.affected, 2);
    desk_ok(&d, "REPLACE INTO `mysql_users` (username,password) VALUES ('a','it''s \\n')");
    desk_is(&d, "SELECT password FROM mysql_users WHERE username='a'", "it's \\n");
    desk_is(&d,
            "SELECT frontend+backend+transaction_persistent FROM mysql_users "
            "WHERE username='a'",
            "3");
    desk_ok(&d, "  /* a comment */ delete from mysql_users where username='a' -- and one\n ; ");
    desk_ok(&d, "INSERT INTO mysql_query_rules (active, match_digest, apply) VALUES (1,'x',1)");
    desk_is(&d, "SELECT MAX(rule_id) FROM mysql_query_rules", "2");
    desk_ok(&d, "TRUNCATE TABLE mysql_query_rules");
    desk_is(&d, "SELECT COUNT(*) FROM mysql_query_rules # all gone", "0");
    desk_is(&d,
            "SELECT s.hostname FROM mysql_servers s JOIN runtime_mysql_servers r USING "
            "(hostname) WHERE s.max_connections=50",
            "127.0.0.1");
    desk_close(&d);
}

static void desk_run_bytes(struct desk *d, const char *bytes, size_t len)
{
    reply_fini(&d->reply);
    store_run(d->store, &d->admin, (struct slice){bytes, len}, &d->reply);
}

TEST(admin_store_errors_name_what_is_wrong)
{
    struct desk d;

    desk_open(&d, small);
    desk_error(&d, "INSERT INTO mysql_servers (hostname, status) VALUES ('x', 'UP')", 3819,
               "mysql_servers: a value is not allowed; this must be true: UPPER(status) IN "
               "('ONLINE'");
    desk_error(&d, "UPDATE mysql_servers SET port=70000", 3819, "port <= 65535");
    desk_error(&d, "INSERT INTO mysql_servers (hostgroup_id,hostname) VALUES (10,'127.0.0.2')",
               1062, "mysql_servers.hostgroup_id, mysql_servers.hostname, mysql_servers.port");
    desk_error(&d, "INSERT INTO mysql_servers (port) VALUES (1)", 1048, "mysql_servers.hostname");
    desk_error(&d, "SELECT * FROM nowhere", 1146, "nowhere");
    desk_error(&d, "SELECT nope FROM mysql_users", 1054, "nope");
    desk_error(&d, "INSERT INTO mysql_users (nope) VALUES (1)", 1054, "nope");
    desk_error(&d, "SELEC 1", 1064, "SELEC");
    desk_error(&d, "SELECT 1; SELECT 2", 1064, "SELECT 2");
    desk_error(&d, "SELECT 'open", 1064, "'open");
    desk_error(&d, "", 1065, "empty");
    desk_error(&d, " ;; -- nothing", 1065, "empty: it is a comment");
    desk_error(&d, " /* SELECT 1", 1065, "begins with /* has no end");
    desk_run_bytes(&d, "SELECT\0\1\2", 9);
    assert_int_equal(d.reply.number, 1064);
    assert_string_equal(d.reply.message, "The statement is no text: byte 7 is a zero");
    desk_error(&d, "SELECT nofunction(1)", 1305, "nofunction");
    desk_error(&d, "UPDATE mysql_query_rules SET rule_id='abc'", 1366, "number");
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 1);
    assert_string_equal(desk_cell(&d, 0, 0), "Error");
    assert_string_equal(desk_cell(&d, 0, 1), "1366");
    desk_close(&d);
}

/* SET with n assignments, the last one of value. */
static const char *long_set(char *sql, size_t cap, int n, int value)
{
    size_t len = (size_t)snprintf(sql, cap, "SET mysql-max_connections=13");

    for (int i = 1; i < n; i++) {
        len += (size_t)snprintf(sql + len, cap - len, ", mysql-max_connections=%d",
                                i == n - 1 ? value : 13);
    }
    assert_true(len < cap);
    return sql;
}

TEST(admin_store_sets_all_or_nothing)
{
    static const char max[] = "SELECT variable_value FROM global_variables WHERE variable_name="
                              "'mysql-max_connections'";
    char sql[4096];
    struct desk d;

    desk_open(&d, small);
    desk_ok(&d, "SET mysql-max_connections=11, mysql-threads=3, sql_mode=''");
    assert_int_equal(d.reply.affected, 2);
    desk_is(&d, max, "11");
    desk_error(&d, "SET mysql-max_connections=12, mysql-threads=1000", 1231, "mysql-threads");
    desk_is(&d, max, "11");
    desk_error(&d, "SET mysql-max_connections=12, nope=1", 1193, "nope");
    desk_is(&d, max, "11");
    desk_ok(&d, long_set(sql, sizeof(sql), 60, 14));
    desk_is(&d, max, "14");
    desk_error(&d, long_set(sql, sizeof(sql), 70, 15), 1064, "more than 256 words");
    desk_is(&d, max, "14");
    desk_close(&d);
}

TEST(admin_store_answers_variables_by_name)
{
    struct desk d;

    desk_open(&d, small);
    desk_is(&d, "SELECT @@mysql-threads", "2");
    assert_string_equal(d.reply.columns[0], "@@mysql-threads");
    desk_is(&d, "SELECT @@mysql-max_connections - 1", "9999");
    desk_is(&d, "SELECT 3-@@global.read_only-1", "2");
    desk_is(&d, "SELECT @@mysql-default_schema", "");
    desk_is(&d, "SELECT COUNT(*) FROM dual WHERE @@admin-version = VERSION()", "1");
    desk_ok(&d, "SET mysql-max_connections=11");
    desk_is(&d, "SELECT @@global.mysql-max_connections", "11");
    desk_error(&d, "SELECT @@mysql-nope", 1193, "mysql-nope");
    desk_run(&d, &d.guest, "SELECT @@admin-admin_credentials");
    assert_int_equal(d.reply.kind, REPLY_ERROR);
    desk_error(&d, "SET admin-version='9'", 1231, "read only");
    desk_error(&d,
               "UPDATE global_variables SET variable_value='9' WHERE variable_name='admin-version'",
               1231, "read only");
    desk_close(&d);
}

TEST(admin_store_says_what_may_be_meant)
{
    struct desk d;

    desk_open(&d, small);
    desk_error(&d, "SELECT * FROM mysql_server", 1146, "; did you mean 'mysql_servers'?");
    desk_error(&d, "SELECT * FROM stats.stats_mysql_glbal", 1146,
               "did you mean 'stats_mysql_global'?");
    desk_error(&d, "SELECT hostnam FROM mysql_servers", 1054, "did you mean 'hostname'?");
    desk_error(&d, "INSERT INTO mysql_servers (hostgroup) VALUES (1)", 1054,
               "did you mean 'hostgroup_id'?");
    desk_error(&d, "SELCT 1", 1064, "did you mean 'SELECT'?");
    desk_error(&d, "SELEC 1", 1064, "did you mean 'SELECT'?");
    desk_error(&d, "SHOW TABELS", 1064, "did you mean 'SHOW TABLES'?");
    desk_error(&d, "LAOD MYSQL USERS TO RUNTIME", 1064, "did you mean 'LOAD'?");
    desk_error(&d, "LOAD MYSQL USERS NOW", 1064, "NOW");
    assert_null(strstr(d.reply.message, "mean"));
    desk_error(&d, "DESC mysql_user", 1146, "did you mean 'mysql_users'?");
    desk_error(&d, "SELECT 1 FRM mysql_users", 1064, "syntax error");
    assert_null(strstr(d.reply.message, "mean"));
    desk_error(&d, "SELECT * FROM qqqqqqqq", 1146, "qqqqqqqq");
    assert_null(strstr(d.reply.message, "mean"));
    desk_close(&d);
}

TEST(admin_store_has_an_information_schema)
{
    struct desk d;

    desk_open(&d, small);
    desk_is(&d,
            "SELECT TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES WHERE table_schema='main' AND "
            "TABLE_NAME='mysql_users'",
            "BASE TABLE");
    desk_is(&d,
            "SELECT COUNT(*) FROM information_schema.schemata WHERE SCHEMA_NAME IN ('main', "
            "'disk', 'stats')",
            "3");
    desk_is(&d,
            "SELECT COLUMN_KEY FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='main' AND "
            "TABLE_NAME='mysql_users' AND COLUMN_NAME='username'",
            "PRI");
    desk_is(&d, "SELECT COUNT(*) FROM information_schema.FILES", "0");
    desk_is(&d, "SELECT /*!40001 SQL_NO_CACHE */ `active` FROM `mysql_users`", "1");
    desk_is(&d, "SELECT 'SQL_NO_CACHE'", "SQL_NO_CACHE");
    desk_error(&d, "DELETE FROM information_schema.TABLES", 1290, "only be read");
    desk_run(&d, &d.guest, "SELECT COUNT(*) FROM information_schema.TABLES");
    assert_int_equal(d.reply.kind, REPLY_ROWS);
    desk_is(&d, "SHOW VARIABLES WHERE variable_value='2' AND variable_name LIKE 'mysql-thr%'",
            "mysql-threads");
    assert_int_equal(d.reply.n_columns, 2);
    assert_int_equal(desk_rows(&d, "CHECKSUM DISK MYSQL GALERA HOSTGROUPS"), 1);
    assert_string_equal(desk_cell(&d, 0, 0), "mysql_galera_hostgroups");
    desk_error(&d, "CHECKSUM MEM MYSQL NOTHING", 1064, "a table");
    desk_close(&d);
}

TEST(admin_store_lets_nobody_out)
{
    static const char *const closed[] = {
        "ATTACH '/tmp/x' AS x",
        "DETACH disk",
        "PRAGMA journal_mode=OFF",
        "PRAGMA temp_store_directory='/tmp'",
        "CREATE TABLE x (a)",
        "CREATE TEMP TABLE x (a)",
        "DROP TABLE mysql_users",
        "ALTER TABLE mysql_users ADD COLUMN x",
        "CREATE TRIGGER x AFTER INSERT ON mysql_users BEGIN SELECT 1; END",
        "VACUUM INTO '/tmp/x'",
        "SELECT load_extension('x')",
        "UPDATE runtime_mysql_servers SET weight=1",
        "DELETE FROM runtime_global_variables",
        "DELETE FROM disk.galeway_history",
        "DELETE FROM sqlite_master",
        "INSERT INTO dual VALUES (1)",
        "UPDATE mysql_collations SET Id=1",
        "SAVEPOINT x",
        "REINDEX",
        "ANALYZE",
    };
    struct desk d;

    desk_open(&d, small);
    for (size_t i = 0; i < ARRAY_SIZE(closed); i++) {
        desk_run(&d, &d.admin, closed[i]);
        if (d.reply.kind != REPLY_ERROR || (d.reply.number != 1290 && d.reply.number != 1105)) {
            fail_msg("%s: %u %s", closed[i], d.reply.number, d.reply.message);
        }
    }
    desk_error(&d, "UPDATE runtime_mysql_users SET active=0", 1290, "LOAD ... TO RUNTIME");
    desk_is(&d, "SELECT COUNT(*) FROM mysql_users", "1");
    desk_close(&d);
}

TEST(admin_store_a_statistics_user_only_reads_statistics)
{
    static const char *const closed[] = {
        "SELECT * FROM mysql_users",
        "SELECT password FROM runtime_mysql_users",
        "SELECT * FROM disk.mysql_users",
        "SELECT * FROM variables",
        "SELECT (SELECT password FROM mysql_users)",
        "WITH x AS (SELECT * FROM main.global_variables) SELECT * FROM x",
        "WITH galeway_updated AS (SELECT * FROM global_variables) SELECT * FROM galeway_updated",
        "SELECT * FROM (SELECT password FROM mysql_users) AS galeway_x",
        "SELECT COUNT(*) FROM mysql_users",
        "SELECT 1 FROM runtime_mysql_servers",
        "SELECT COUNT(*) FROM disk.mysql_users",
        "SELECT COUNT(*) FROM _history",
        "SELECT COUNT(*) FROM galeway_history",
        "SELECT COUNT(*) FROM variables",
        "SELECT file FROM pragma_database_list",
        "SELECT * FROM stats_mysql_query_digest_reset",
        "SELECT 1 FROM stats.stats_mysql_errors_reset",
        "INSERT INTO mysql_servers (hostname) VALUES ('x')",
        "DELETE FROM mysql_users",
        "SET mysql-max_connections=5",
        "SET admin-admin_credentials='x:y'",
        "LOAD MYSQL USERS TO RUNTIME",
        "SAVE MYSQL USERS TO DISK",
        "SAVE CONFIG TO FILE /tmp/x",
        "SELECT CONFIG FILE",
        "SHOW MYSQL USERS",
        "SHOW ADMIN VARIABLES",
        "SHOW VARIABLES WHERE Value=(SELECT password FROM mysql_users)",
        "SHOW TABLES WHERE tables=(SELECT password FROM mysql_users)",
        "SHOW DATABASES WHERE name=(SELECT password FROM mysql_users)",
        "SHOW CREATE TABLE mysql_users",
        "SHOW CONFIG DIFF",
        "PROXYSQL SHUTDOWN",
        "PROXYSQL READONLY",
        "KILL 5",
        "TRUNCATE mysql_users",
        "PRAGMA table_info(mysql_users)",
        "CHECKSUM MEMORY MYSQL USERS",
    };
    struct desk d;

    desk_open(&d, small);
    for (size_t i = 0; i < ARRAY_SIZE(closed); i++) {
        desk_run(&d, &d.guest, closed[i]);
        if (d.reply.kind != REPLY_ERROR) {
            fail_msg("%s is allowed", closed[i]);
        }
    }
    desk_run(&d, &d.guest, "SELECT * FROM mysql_users");
    assert_int_equal(d.reply.number, 1227);
    assert_non_null(strstr(d.reply.message, "statistics user"));
    desk_run(&d, &d.guest, "SELECT 1+1, @@version_comment, DATABASE() FROM dual");
    assert_int_equal(reply_rows(&d.reply), 1);
    desk_run(&d, &d.guest, "SHOW DATABASES");
    if (d.reply.kind != REPLY_ROWS) {
        fail_msg("%s", d.reply.message);
    }
    assert_true(reply_rows(&d.reply) >= 4);
    desk_run(&d, &d.guest, "SHOW VARIABLES LIKE 'max_allowed%'");
    assert_int_equal(reply_rows(&d.reply), 1);
    desk_close(&d);
}

/* A second goes by whenever this thread has its turn. */
static void *hurry(void *arg)
{
    atomic_bool *stop = arg;
    uint64_t now = clock_now_us();

    while (!atomic_load(stop)) {
        clock_set_us(now += 1000000);
        (void)sched_yield();
    }
    return NULL;
}

static bool is_waited(void *ctx)
{
    assert_null(ctx);
    return true;
}

TEST(admin_store_statements_are_bounded)
{
    struct desk d;
    atomic_bool stop = false;
    pthread_t thread;

    desk_open(&d, small);
    desk_error(&d, "SELECT LENGTH(ZEROBLOB(100000000))", 1153, "too");
    assert_int_equal(pthread_create(&thread, NULL, hurry, &stop), 0);
    desk_error(&d,
               "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) "
               "SELECT COUNT(*) FROM n",
               3024, "10 seconds");
    store_share(d.store, is_waited, NULL);
    desk_error(&d,
               "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) "
               "SELECT COUNT(*) FROM n",
               3024, "2 seconds while another client");
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    clock_set_us(0);
    desk_is(&d, "SELECT 1", "1");
    desk_close(&d);
}

TEST(admin_store_answers_what_clients_ask_on_connect)
{
    static const char *const asked[] = {
        "select @@version_comment limit 1",
        "SELECT @@session.auto_increment_increment AS a, @@character_set_client AS b",
        "/* mysql-connector-java-8.0 */SELECT @@session.tx_isolation",
        "SELECT USER(), CURRENT_USER(), VERSION(), CONNECTION_ID(), NOW()",
        "SHOW WARNINGS",
        "SHOW SESSION VARIABLES LIKE 'lower_case_table_names'",
        "SHOW VARIABLES WHERE Variable_name ='language' OR Variable_name = 'net_write_timeout'",
        "SHOW COLLATION",
        "SHOW CHARACTER SET LIKE 'utf8mb4'",
        "SHOW ENGINES",
        "SHOW FULL TABLES FROM `main` LIKE 'mysql\\_users'",
        "SHOW COLUMNS FROM mysql_users",
        "DESC main.mysql_users",
        "SELECT CONCAT('a', 1), IF(1, 'x', 'y'), UNIX_TIMESTAMP(), FROM_UNIXTIME(0)",
    };
    static const char *const set[] = {
        "SET NAMES utf8mb4",
        "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci'",
        "set autocommit=1",
        "SET character_set_results = NULL",
        "SET sql_mode='STRICT_TRANS_TABLES', sql_select_limit=DEFAULT",
        "SET @@session.sql_mode=CONCAT(@@sql_mode, ',ANSI'), @x := 5",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "/*!40101 SET NAMES utf8 */",
        "/*!40014 SET @OLD=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "START TRANSACTION",
        "USE stats",
        "USE `main`",
    };
    struct desk d;

    desk_open(&d, small);
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        (void)desk_rows(&d, asked[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(set); i++) {
        desk_ok(&d, set[i]);
    }
    assert_int_equal(desk_rows(&d, "select @@version_comment, @@session.wait_timeout"), 1);
    assert_string_equal(d.reply.columns[0], "@@version_comment");
    assert_string_equal(d.reply.columns[1], "@@session.wait_timeout");
    desk_is(&d, "SELECT CONNECTION_ID()", "7");
    desk_is(&d, "SELECT hostname FROM mysql_servers WHERE hostname REGEXP '0\\.2$'", "127.0.0.2");
    desk_is(&d, "SELECT COUNT(*) FROM mysql_servers WHERE comment NOT REGEXP 'SECOND'", "1");
    desk_is(&d, "SELECT REPLACE(HEX(ZEROBLOB(50)), '0', 'a') || 'b' REGEXP '^(a+)+$'", "0");
    desk_error(&d, "SELECT 'a' REGEXP '('", 1105, "parenthesis");
    desk_ok(&d, "USE disk");
    desk_is(&d, "SELECT DATABASE()", "disk");
    desk_error(&d, "USE nowhere", 1049, "nowhere");
    desk_error(&d, "SELECT @@nope", 1193, "nope");
    desk_error(&d, "SET max_conections=5", 1193, "did you mean 'mysql-max_connections'");
    desk_error(&d, "SET mysql-max_conections=5", 1193, "did you mean 'mysql-max_connections'");
    desk_close(&d);
}
