/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admin_store_load.c - LOAD and SAVE: the layers, all or nothing, history, differences, files.
 */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/admin_store.h"
#include "tests/unit/test.h"

TEST(admin_store_load_servers_users_and_variables_to_runtime)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "INSERT INTO mysql_servers (hostgroup_id, hostname, port, weight) "
                "VALUES (20, '127.0.0.1', 3310, 7)");
    assert_int_equal(desk_running(&d)->n_servers, 1);
    desk_ok(&d, "LOAD MYSQL SERVERS TO RUNTIME");
    assert_int_equal(desk_running(&d)->n_servers, 2);
    assert_int_equal(desk_running(&d)->servers[1].weight, 7);
    desk_is(&d, "SELECT COUNT(*) FROM runtime_mysql_servers", "2");
    desk_is(&d, "SELECT version FROM runtime_checksums_values WHERE name='mysql_servers'", "2");
    desk_ok(&d, "insert into mysql_users (username, password, default_hostgroup, comment) values "
                "('new', 'p\"w\\', 20, 'line\none\ttab \x01')");
    desk_ok(&d, "load mysql users to run;");
    assert_non_null(conf_user_find(desk_running(&d), SLICE("new")));
    assert_string_equal(conf_user_find(desk_running(&d), SLICE("new"))->password, "p\"w\\");
    assert_string_equal(conf_user_find(desk_running(&d), SLICE("new"))->comment,
                        "line\none\ttab \x01");
    desk_ok(&d, "SET mysql-max_connections=1234");
    assert_int_equal(desk_running(&d)->vars.mysql_max_connections, 10000);
    desk_ok(&d, "LOAD  MYSQL\n VARIABLES /* now */ FROM MEMORY");
    assert_int_equal(desk_running(&d)->vars.mysql_max_connections, 1234);
    assert_int_equal(desk_running(&d)->vars.mysql_threads, 2);
    desk_ok(&d, "UPDATE global_variables SET variable_value='TRUE' WHERE "
                "variable_name='mysql-multiplexing'");
    desk_is(&d,
            "SELECT @@version_comment FROM global_variables WHERE "
            "variable_name='mysql-multiplexing' AND variable_value='true'",
            "Galeway admin console");
    desk_close(&d);
}

TEST(admin_store_load_is_all_or_nothing)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "INSERT INTO mysql_users (username, default_hostgroup) VALUES ('a', 77), ('b', 0), "
                "('c', 10)");
    desk_error(
        &d, "LOAD MYSQL USERS TO RUNTIME", 1231,
        "mysql_users (username='a', backend=1): default_hostgroup 77 of \"a\" has no server");
    assert_non_null(strstr(d.reply.message, "mysql_users (username='b', backend=1)"));
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 2);
    assert_string_equal(desk_cell(&d, 1, 0), "Error");
    assert_int_equal(desk_running(&d)->n_users, 1);
    desk_is(&d, "SELECT COUNT(*) FROM runtime_mysql_users", "1");
    assert_int_equal(desk_rows(&d, "LOAD MYSQL USERS TO RUNTIME DRY RUN"), 2);
    desk_ok(&d, "DELETE FROM mysql_users WHERE default_hostgroup<>10");
    assert_int_equal(desk_rows(&d, "LOAD MYSQL USERS TO RUNTIME DRY RUN"), 1);
    assert_string_equal(desk_cell(&d, 0, 1), "It would be applied.");
    assert_int_equal(desk_running(&d)->n_users, 1);
    desk_ok(&d, "LOAD MYSQL USERS TO RUNTIME");
    assert_int_equal(desk_running(&d)->n_users, 2);
    /* what another module says counts too: nothing may point to servers that leave */
    desk_ok(&d, "DELETE FROM mysql_servers");
    desk_error(&d, "LOAD MYSQL SERVERS TO RUNTIME", 1231, "mysql_users (username='c', backend=1)");
    assert_int_equal(desk_running(&d)->n_servers, 1);
    /* two rows of one user: the other row is named, too */
    desk_ok(&d, "SAVE MYSQL SERVERS FROM RUNTIME");
    desk_ok(&d, "INSERT INTO mysql_servers (hostgroup_id, hostname) VALUES (10, '127.0.0.1 ')");
    desk_error(&d, "LOAD MYSQL SERVERS TO RUNTIME", 1231,
               "mysql_servers (hostgroup_id=10, hostname='127.0.0.1 ', port=3306): ");
    desk_close(&d);
}

TEST(admin_store_load_and_save_go_the_right_way)
{
    static const struct {
        const char *command;
        char from, to;
    } moves[] = {
        {"LOAD MYSQL QUERY RULES TO RUNTIME", 'm', 'r'},
        {"LOAD MYSQL QUERY RULES TO RUN", 'm', 'r'},
        {"LOAD MYSQL QUERY RULES FROM MEMORY", 'm', 'r'},
        {"LOAD MYSQL QUERY RULES FROM MEM", 'm', 'r'},
        {"SAVE MYSQL QUERY RULES TO MEMORY", 'r', 'm'},
        {"SAVE MYSQL QUERY RULES TO MEM", 'r', 'm'},
        {"SAVE MYSQL QUERY RULES FROM RUNTIME", 'r', 'm'},
        {"SAVE MYSQL QUERY RULES FROM RUN", 'r', 'm'},
        {"LOAD MYSQL QUERY RULES TO MEMORY", 'd', 'm'},
        {"LOAD MYSQL QUERY RULES TO MEM", 'd', 'm'},
        {"LOAD MYSQL QUERY RULES FROM DISK", 'd', 'm'},
        {"SAVE MYSQL QUERY RULES TO DISK", 'm', 'd'},
        {"SAVE MYSQL QUERY RULES FROM MEMORY", 'm', 'd'},
        {"SAVE MYSQL QUERY RULES FROM MEM", 'm', 'd'},
    };
    struct desk d;

    desk_open(&d, DESK_SMALL);
    for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
        const char *name = moves[i].to == 'm'   ? "mysql_query_rules"
                           : moves[i].to == 'r' ? "runtime_mysql_query_rules"
                                                : "disk.mysql_query_rules";
        char sql[128], want[2] = {moves[i].from, '\0'};

        /* each layer gets a row of its own */
        desk_ok(&d, "DELETE FROM mysql_query_rules");
        desk_ok(&d, "INSERT INTO mysql_query_rules (rule_id, comment) VALUES (1, 'r')");
        desk_ok(&d, "LOAD MYSQL QUERY RULES TO RUNTIME");
        desk_ok(&d, "UPDATE mysql_query_rules SET comment='d'");
        desk_ok(&d, "SAVE MYSQL QUERY RULES TO DISK");
        desk_ok(&d, "UPDATE mysql_query_rules SET comment='m'");
        desk_ok(&d, moves[i].command);
        (void)snprintf(sql, sizeof(sql), "SELECT comment FROM %s", name);
        desk_is(&d, sql, want);
    }
    desk_error(&d, "LOAD MYSQL USERS FROM RUNTIME", 1064, "FROM RUNTIME");
    desk_error(&d, "SAVE MYSQL USERS TO RUNTIME", 1064, "expected: TO MEMORY");
    desk_error(&d, "LOAD MYSQL USER TO RUNTIME", 1064, "a username");
    desk_error(&d, "LOAD MYSQL USERS TO RUNTIME NOW", 1064, "NOW");
    desk_error(&d, "LOAD", 1064, "not complete");
    desk_ok(&d, "LOAD MYSQL QUERY RULES FROM CONFIG");
    desk_is(&d, "SELECT COUNT(*) FROM mysql_query_rules", "1");
    desk_close(&d);
}

TEST(admin_store_load_every_module_has_its_tables)
{
    static const char *const modules[] = {
        "MYSQL SERVERS",  "MYSQL USERS",     "MYSQL QUERY RULES", "MYSQL VARIABLES",
        "MYSQL FIREWALL", "ADMIN VARIABLES", "SCHEDULER",         "PROXYSQL SERVERS",
    };
    struct desk d;
    char sql[128];

    desk_open(&d, DESK_SMALL);
    for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
        (void)snprintf(sql, sizeof(sql), "LOAD %s TO RUNTIME", modules[i]);
        desk_ok(&d, sql);
        (void)snprintf(sql, sizeof(sql), "SAVE %s TO DISK", modules[i]);
        desk_ok(&d, sql);
        (void)snprintf(sql, sizeof(sql), "CHECKSUM DISK %s", modules[i]);
        assert_true(desk_rows(&d, sql) >= 1);
    }
    assert_int_equal(desk_rows(&d, "SHOW CONFIG DIFF"), 0);
    desk_close(&d);
}

TEST(admin_store_load_disk_is_there_after_a_new_start)
{
    struct desk d;
    struct stat st;
    char path[128];

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "UPDATE mysql_users SET password='other'");
    desk_ok(&d, "SET mysql-max_connections=77");
    desk_ok(&d, "SAVE CONFIG TO DISK");
    (void)snprintf(path, sizeof(path), "%s/galeway.db", d.folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    desk_again(&d);
    desk_is(&d, "SELECT password FROM runtime_mysql_users", "other");
    assert_string_equal(conf_user_find(desk_running(&d), SLICE("wp"))->password, "other");
    assert_int_equal(desk_running(&d)->vars.mysql_max_connections, 77);
    desk_ok(&d, "LOAD MYSQL USERS FROM CONFIG");
    desk_is(&d, "SELECT password FROM mysql_users", "secret");
    desk_close(&d);
}

TEST(admin_store_load_a_bad_disk_leaves_the_file_running)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "UPDATE mysql_users SET default_hostgroup=99");
    desk_ok(&d, "SAVE MYSQL USERS TO DISK");
    desk_again(&d);
    assert_int_equal(conf_user_find(desk_running(&d), SLICE("wp"))->default_hostgroup, 10);
    desk_is(&d, "SELECT default_hostgroup FROM runtime_mysql_users", "10");
    desk_is(&d, "SELECT default_hostgroup FROM mysql_users", "99");
    desk_close(&d);
}

TEST(admin_store_load_what_was_never_saved_is_told_alike)
{
    struct desk d;
    size_t n;

    desk_open(&d, DESK_SMALL);
    n = desk_rows(&d, "SHOW CONFIG DIFF");
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(desk_cell(&d, i, 3), "(rows)");
        assert_string_equal(desk_cell(&d, i, 4), desk_cell(&d, i, 5));
        assert_string_equal(desk_cell(&d, i, 6), "never saved");
    }
    desk_close(&d);
}

TEST(admin_store_load_diff_and_history)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "SAVE CONFIG TO DISK");
    assert_int_equal(desk_rows(&d, "SHOW CONFIG DIFF"), 0);
    desk_ok(&d, "UPDATE mysql_users SET default_schema='s'");
    desk_ok(&d, "INSERT INTO mysql_servers (hostgroup_id, hostname) VALUES (11, '127.0.0.9')");
    desk_ok(&d, "SET mysql-max_connections=99");
    assert_int_equal(desk_rows(&d, "SHOW CONFIG DIFF"), 3);
    assert_string_equal(desk_cell(&d, 0, 2), "variable_name=mysql-max_connections");
    assert_string_equal(desk_cell(&d, 0, 4), "99");
    assert_string_equal(desk_cell(&d, 0, 5), "10000");
    assert_string_equal(desk_cell(&d, 1, 3), "(row)");
    assert_string_equal(desk_cell(&d, 1, 5), "missing");
    assert_string_equal(desk_cell(&d, 2, 3), "default_schema");
    desk_ok(&d, "LOAD MYSQL USERS TO RUNTIME");
    desk_ok(&d, "LOAD MYSQL VARIABLES TO RUNTIME");
    desk_ok(&d, "LOAD MYSQL VARIABLES TO RUNTIME"); /* the same state is kept once */
    assert_int_equal(desk_rows(&d, "SHOW CONFIG HISTORY"), 3);
    assert_string_equal(desk_cell(&d, 0, 2), "admin");
    assert_string_equal(desk_cell(&d, 0, 3), "MYSQL VARIABLES");
    assert_string_equal(desk_cell(&d, 2, 0), "1");
    assert_string_equal(desk_cell(&d, 2, 2), "");
    assert_string_equal(desk_cell(&d, 2, 3), "(start)");
    desk_error(&d, "LOAD CONFIG FROM HISTORY 99", 1032, "99");
    desk_ok(&d, "LOAD CONFIG FROM HISTORY 1");
    desk_is(&d,
            "SELECT variable_value FROM global_variables WHERE "
            "variable_name='mysql-max_connections'",
            "10000");
    desk_is(&d, "SELECT COUNT(*) FROM mysql_servers", "1");
    assert_int_equal(desk_running(&d)->vars.mysql_max_connections, 99);
    desk_ok(&d, "LOAD CONFIG FROM HISTORY 1 TO RUNTIME"); /* the first mistake is undone */
    assert_int_equal(desk_running(&d)->vars.mysql_max_connections, 10000);
    desk_is(&d, "SELECT default_schema FROM runtime_mysql_users", "");
    for (int i = 0; i < 25; i++) {
        char sql[64];

        (void)snprintf(sql, sizeof(sql), "SET mysql-max_connections=%d", 100 + i);
        desk_ok(&d, sql);
        desk_ok(&d, "LOAD MYSQL VARIABLES TO RUNTIME");
    }
    assert_int_equal(desk_rows(&d, "SHOW CONFIG HISTORY"), 20);
    desk_again(&d); /* it is in galeway.db */
    assert_int_equal(desk_rows(&d, "SHOW CONFIG HISTORY"), 20);
    store_tick(d.store);
    desk_is(&d, "SELECT COUNT(*) FROM disk.galeway_history", "20");
    desk_close(&d);
}

TEST(admin_store_load_a_written_file_is_the_same_state)
{
    struct desk d;
    char sql[160], first[32];
    const char *before;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "INSERT INTO mysql_query_rules (active, match_pattern, replace_pattern, comment) "
                "VALUES (1, '^\"a\\d+\\\"', '\\1', NULL), (0, 'b', NULL, 'ü')");
    desk_ok(&d, "INSERT INTO scheduler (interval_ms, filename, arg1) VALUES (1000, '/x', '5')");
    desk_ok(&d, "SET mysql-max_connections=55");
    desk_ok(&d, "LOAD MYSQL VARIABLES TO RUNTIME");
    (void)desk_rows(&d, "SELECT CONFIG FILE");
    before = desk_cell(&d, 0, 0);
    assert_non_null(strstr(before, "max_connections=55"));
    (void)desk_rows(&d, "CHECKSUM MEMORY MYSQL QUERY RULES");
    (void)snprintf(first, sizeof(first), "%s", desk_cell(&d, 0, 1));
    (void)snprintf(sql, sizeof(sql), "SAVE CONFIG TO FILE %s", d.file);
    desk_ok(&d, sql);
    (void)snprintf(sql, sizeof(sql), "SELECT CONFIG INTO OUTFILE '%s';", d.file);
    desk_ok(&d, sql);
    desk_ok(&d, "DELETE FROM mysql_query_rules");
    desk_ok(&d, "DELETE FROM scheduler");
    desk_ok(&d, "LOAD CONFIG FROM CONFIG");
    (void)desk_rows(&d, "CHECKSUM MEM MYSQL QUERY RULES");
    assert_string_equal(desk_cell(&d, 0, 1), first);
    desk_is(&d, "SELECT arg1 FROM scheduler", "5");
    desk_error(&d, "SAVE CONFIG TO FILE /nowhere/at/all", 29, "/nowhere/at/all");
    desk_error(&d, "SAVE CONFIG TO FILE", 1064, "path");
    desk_ok(&d, "SAVE CONFIG TO FILE saved.cnf"); /* below the data directory, and it is said */
    (void)snprintf(sql, sizeof(sql), "File %s/saved.cnf is written", d.folder);
    assert_string_equal(d.reply.info, sql);
    (void)snprintf(sql, sizeof(sql), "%s/saved.cnf", d.folder);
    assert_int_equal(access(sql, R_OK), 0);
    desk_close(&d);
}

TEST(admin_store_load_variables_say_what_is_allowed)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_error(&d, "SET mysql-threads=1000", 1231,
               "mysql-threads: \"1000\" is out of range; allowed: 0 to 255");
    desk_error(&d,
               "UPDATE global_variables SET variable_value='x' WHERE variable_name='mysql-threads'",
               1231, "allowed: 0 to 255");
    desk_error(&d, "INSERT INTO global_variables VALUES ('mysql-nope', '1')", 1193, "mysql-nope");
    desk_ok(&d, "UPDATE global_variables SET variable_value='1' WHERE variable_name='mysql-nope'");
    assert_int_equal(d.reply.affected, 0);
    desk_ok(&d, "SET mysql-servers_stats='false'");
    assert_int_equal(d.reply.warnings, 1);
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 1);
    assert_non_null(strstr(desk_cell(&d, 0, 2), "mysql-servers_stats is accepted"));
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 1);
    desk_ok(&d, "SET mysql-servers_stats=true");
    assert_int_equal(d.reply.warnings, 0);
    desk_ok(&d, "SET mysql-server_version = '8.0.11', admin-refresh_interval=500");
    desk_is(&d,
            "SELECT variable_value FROM global_variables WHERE "
            "variable_name='mysql-server_version'",
            "8.0.11");
    assert_true(desk_rows(&d, "SHOW MYSQL VARIABLES LIKE 'mysql-max_conn%'") >= 1);
    assert_int_equal(desk_rows(&d, "SHOW ADMIN VARIABLES WHERE Variable_name = "
                                   "'admin-refresh_interval'"),
                     1);
    desk_is(&d,
            "SELECT status FROM variables WHERE variable_name='mysql-threads' AND min=0 AND "
            "max=255 AND takes_effect='restart'",
            "acted on");
    desk_ok(&d, "PROXYSQL READONLY");
    desk_error(&d, "SET mysql-max_connections=5", 1290, "READWRITE");
    desk_error(&d, "DELETE FROM mysql_users", 1290, "READWRITE");
    desk_error(&d, "LOAD MYSQL USERS TO RUNTIME", 1290, "READWRITE");
    desk_ok(&d, "GALEWAY READWRITE");
    desk_ok(&d, "DELETE FROM mysql_users");
    desk_close(&d);
}

TEST(admin_store_load_a_folder_that_cannot_be_written_is_said)
{
    struct desk d;
    char sql[256];

    desk_open(&d, "");
    (void)snprintf(sql, sizeof(sql), "rm %s/galeway.db && mkdir %s/galeway.db", d.folder, d.folder);
    assert_int_equal(system(sql), 0); /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
    desk_again(&d);
    desk_error(&d, "SAVE MYSQL USERS TO DISK", 29, "galeway.db");
    desk_error(&d, "LOAD MYSQL USERS FROM DISK", 29, "galeway.db");
    desk_error(&d, "INSERT INTO disk.mysql_users (username) VALUES ('x')", 1290, "galeway.db");
    desk_error(&d, "PROXYSQL FLUSH CONFIGDB", 29, "galeway.db");
    (void)snprintf(sql, sizeof(sql), "rmdir %s/galeway.db", d.folder);
    assert_int_equal(system(sql), 0); /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
    desk_ok(&d, "PROXYSQL FLUSH CONFIGDB");
    desk_ok(&d, "SAVE MYSQL USERS TO DISK");
    desk_close(&d);
}

/* Another process holds the file. */
TEST(admin_store_load_a_locked_file_is_an_error)
{
    struct desk d;
    sqlite3 *other;
    char path[128];

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "SAVE MYSQL USERS TO DISK");
    (void)snprintf(path, sizeof(path), "%s/galeway.db", d.folder);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    desk_error(&d, "SAVE MYSQL USERS TO DISK", 1205, "locked");
    desk_error(&d, "LOAD MYSQL USERS FROM DISK", 1205, "locked");
    desk_is(&d, "SELECT COUNT(*) FROM mysql_users", "1");
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    desk_ok(&d, "SAVE MYSQL USERS TO DISK");
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    desk_close(&d);
}

/* The system lets files grow no further: what was saved stays whole. */
TEST(admin_store_load_a_full_disk_leaves_the_old_rows)
{
    struct rlimit limit;
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "SAVE MYSQL USERS TO DISK");
    desk_ok(&d, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000) "
                "INSERT INTO mysql_users (username, comment) SELECT 'u' || i, HEX(ZEROBLOB(50)) "
                "FROM n");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){300000, limit.rlim_max}), 0);
    desk_run(&d, &d.admin, "SAVE MYSQL USERS TO DISK");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(d.reply.kind, REPLY_ERROR);
    if (d.reply.number != 1021 && d.reply.number != 1026) {
        fail_msg("%u %s", d.reply.number, d.reply.message);
    }
    desk_is(&d, "SELECT GROUP_CONCAT(username) FROM disk.mysql_users", "wp");
    desk_ok(&d, "SAVE MYSQL USERS TO DISK");
    desk_is(&d, "SELECT COUNT(*) FROM disk.mysql_users", "20001");
    desk_close(&d);
}

TEST(admin_store_load_columns_of_an_older_file_get_their_defaults)
{
    struct desk d;
    sqlite3 *other;
    char path[128];

    desk_open(&d, DESK_SMALL);
    (void)snprintf(path, sizeof(path), "%s/galeway.db", d.folder);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "DROP TABLE mysql_servers; CREATE TABLE mysql_servers "
                                  "(hostname, hostgroup_id, gone);"
                                  "INSERT INTO mysql_servers VALUES ('127.0.0.8', 10, 'x')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    desk_again(&d);
    desk_is(&d, "SELECT port FROM disk.mysql_servers WHERE hostname='127.0.0.8'", "3306");
    desk_is(&d, "SELECT weight FROM runtime_mysql_servers WHERE hostname='127.0.0.8'", "1");
    desk_close(&d);
}

TEST(admin_store_load_says_what_needs_a_restart)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "SET mysql-threads=4");
    assert_int_equal(desk_rows(&d, "LOAD MYSQL VARIABLES TO RUNTIME DRY RUN"), 2);
    assert_string_equal(desk_cell(&d, 0, 0), "Warning");
    assert_non_null(strstr(desk_cell(&d, 0, 1), "mysql-threads counts after a restart"));
    for (int i = 0; i < 2; i++) { /* as long as it waits */
        desk_ok(&d, "LOAD MYSQL VARIABLES TO RUNTIME");
        assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 1);
        assert_string_equal(desk_cell(&d, 0, 0), "Warning");
        assert_non_null(strstr(desk_cell(&d, 0, 2), "mysql-threads counts after a restart"));
    }
    desk_ok(&d, "LOAD MYSQL USERS TO RUNTIME");
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 0);
    desk_ok(&d, "SET mysql-threads=2"); /* what it was started with */
    desk_ok(&d, "LOAD MYSQL VARIABLES TO RUNTIME");
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 0);
    desk_close(&d);
}

TEST(admin_store_load_changes_the_length_of_the_queue)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "SET mysql-queue_max_length=17");
    desk_ok(&d, "LOAD MYSQL VARIABLES TO RUNTIME");
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 0);
    assert_int_equal(d.galeway.queue.max_waiting, 17);
    desk_close(&d);
}

/* A farm of sites: some 5000 users and their routes, at once. */
TEST(admin_store_load_many_rows)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5000) "
                "INSERT INTO mysql_users (username, password, default_hostgroup) "
                "SELECT 'u' || i, 'p', 10 FROM n");
    desk_ok(&d, "LOAD MYSQL USERS TO RUNTIME");
    assert_int_equal(desk_running(&d)->n_users, 5001);
    desk_ok(&d, "UPDATE mysql_users SET default_hostgroup=11 WHERE username='u4000'");
    desk_error(&d, "LOAD MYSQL USERS TO RUNTIME", 1231,
               "mysql_users (username='u4000', backend=1)");
    desk_ok(&d, "SAVE CONFIG TO DISK");
    assert_int_equal(desk_rows(&d, "SHOW CONFIG DIFF"), 1);
    desk_close(&d);
}
