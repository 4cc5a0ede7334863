/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admin_store_judge.c - what LOAD and SAVE say of a configuration, and which rows they take.
 */
#include "tests/unit/admin_store.h"
#include "tests/unit/test.h"

TEST(admin_store_load_saving_says_what_a_start_would_refuse)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "INSERT INTO mysql_servers (hostgroup_id, hostname) VALUES (20, '127.0.0.1')");
    desk_ok(&d, "UPDATE mysql_users SET default_hostgroup=20");
    desk_ok(&d, "LOAD MYSQL SERVERS TO RUNTIME");
    desk_ok(&d, "LOAD MYSQL USERS TO RUNTIME");
    desk_ok(&d, "SAVE MYSQL USERS TO DISK"); /* its hostgroup is in RUNTIME, but not saved */
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 2);
    assert_non_null(strstr(desk_cell(&d, 0, 2), "would apply nothing of DISK"));
    assert_non_null(strstr(desk_cell(&d, 0, 2), d.file));
    assert_non_null(strstr(desk_cell(&d, 1, 2), "mysql_users (username='wp', backend=1): default"));
    desk_is(&d, "SELECT default_hostgroup FROM disk.mysql_users", "20");
    desk_is(&d, "SELECT COUNT(*) FROM mysql_servers", "2"); /* MEMORY is as it was */
    desk_ok(&d, "SAVE MYSQL SERVERS TO DISK");
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 0);
    desk_ok(&d,
            "INSERT INTO mysql_query_rules (rule_id, active, match_pattern) VALUES (1, 1, '(')");
    desk_ok(&d, "SAVE CONFIG TO DISK");
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 2);
    assert_non_null(strstr(desk_cell(&d, 1, 2), "match_pattern"));
    desk_ok(&d, "DELETE FROM mysql_query_rules");
    desk_ok(&d, "SAVE CONFIG TO DISK");
    desk_again(&d);
    assert_int_equal(desk_running(&d)->n_servers, 2);
    desk_ok(&d, "DELETE FROM mysql_users"); /* that there are none is saved, too */
    desk_ok(&d, "SAVE MYSQL USERS TO DISK");
    desk_again(&d);
    assert_int_equal(desk_running(&d)->n_users, 0);
    desk_close(&d);
}

TEST(admin_store_load_one_user)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d,
            "INSERT INTO mysql_users (username, default_hostgroup) VALUES ('a', 10), ('b', 77)");
    desk_ok(&d, "UPDATE mysql_users SET password='changed' WHERE username='wp'");
    desk_ok(&d, "LOAD MYSQL USER a TO RUNTIME");
    assert_int_equal(desk_running(&d)->n_users, 2);
    assert_string_equal(conf_user_find(desk_running(&d), SLICE("wp"))->password, "secret");
    desk_is(&d, "SELECT password FROM runtime_mysql_users WHERE username='wp'", "secret");
    desk_is(&d, "SELECT password FROM mysql_users WHERE username='wp'", "changed");
    desk_error(&d, "LOAD MYSQL USER 'b' TO RUNTIME", 1231, "mysql_users (username='b', backend=1)");
    assert_int_equal(desk_rows(&d, "LOAD MYSQL USER b TO RUNTIME DRY RUN"), 1);
    desk_is(&d, "SELECT COUNT(*) FROM mysql_users", "3");
    desk_ok(&d, "DELETE FROM mysql_users WHERE username='a'");
    desk_ok(&d, "LOAD MYSQL USER a FROM MEMORY");
    assert_null(conf_user_find(desk_running(&d), SLICE("a")));
    desk_error(&d, "LOAD MYSQL USER a TO DISK", 1064, "username and TO RUNTIME");
    desk_close(&d);
}

TEST(admin_store_load_from_the_file_adds_to_memory)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "INSERT INTO mysql_users (username, default_hostgroup) VALUES ('mine', 10)");
    desk_ok(&d, "UPDATE mysql_users SET password='changed' WHERE username='wp'");
    desk_ok(&d, "SET mysql-max_connections=9");
    desk_ok(&d, "LOAD MYSQL USERS FROM CONFIG");
    desk_is(&d, "SELECT COUNT(*) FROM mysql_users", "2");
    desk_is(&d, "SELECT password FROM mysql_users WHERE username='wp'", "secret");
    desk_ok(&d, "LOAD MYSQL VARIABLES FROM CONFIG"); /* the file does not name it */
    desk_is(&d, "SELECT @@mysql-max_connections", "9");
    desk_close(&d);
}

TEST(admin_store_load_names_all_faults_at_once)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d,
            "INSERT INTO mysql_query_rules (rule_id, active, match_pattern) VALUES (1, 1, '(')");
    desk_ok(&d, "INSERT INTO mysql_query_rules (rule_id, active, digest, destination_hostgroup) "
                "VALUES (902, 1, 'nonsense', 77)");
    assert_int_equal(desk_rows(&d, "LOAD MYSQL QUERY RULES TO RUNTIME DRY RUN"), 3);
    desk_error(&d, "LOAD MYSQL QUERY RULES TO RUNTIME", 1231, "3 faults");
    assert_non_null(
        strstr(d.reply.message, "mysql_query_rules (rule_id=902): digest: bad value \"nonsense\""));
    assert_non_null(strstr(d.reply.message, "(rule_id=1): match_pattern \"(\": "));
    assert_non_null(strstr(d.reply.message, "(rule_id=902): destination_hostgroup 77"));
    assert_null(strstr(d.reply.message, "rule_id 902"));
    desk_close(&d);
}

TEST(admin_store_load_warns_of_its_own_module_only)
{
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "UPDATE mysql_users SET transaction_persistent=0");
    desk_ok(&d, "LOAD MYSQL USERS TO RUNTIME");
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 1);
    desk_ok(&d, "LOAD MYSQL SERVERS TO RUNTIME");
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 0);
    assert_int_equal(desk_rows(&d, "LOAD MYSQL SERVERS TO RUNTIME DRY RUN"), 1);
    desk_ok(&d, "SET mysql-connect_timeout_server=20000");
    desk_ok(&d, "LOAD MYSQL VARIABLES TO RUNTIME");
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 1);
    desk_ok(&d, "LOAD MYSQL QUERY RULES TO RUNTIME");
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 0);
    desk_ok(&d, "LOAD CONFIG TO RUNTIME");
    assert_int_equal(desk_rows(&d, "SHOW WARNINGS"), 2);
    desk_close(&d);
}

TEST(admin_store_load_what_a_signal_read_is_in_the_history)
{
    struct faults faults = {0};
    struct desk d;

    desk_open(&d, DESK_SMALL);
    desk_ok(&d, "SET mysql-max_connections=99");
    desk_ok(&d, "INSERT INTO mysql_users (username, default_hostgroup) VALUES ('mine', 10)");
    desk_ok(&d, "LOAD CONFIG TO RUNTIME");
    assert_int_equal(galeway_load(&d.galeway, d.file, &faults), 0); /* as SIGHUP does */
    faults_fini(&faults);
    assert_int_equal(desk_rows(&d, "SHOW CONFIG HISTORY"), 3);
    assert_string_equal(desk_cell(&d, 0, 3), "(file)");
    desk_is(&d, "SELECT COUNT(*) FROM mysql_users", "1"); /* the file as a whole */
    desk_ok(&d, "LOAD CONFIG FROM HISTORY 2 TO RUNTIME");
    assert_int_equal(desk_running(&d)->vars.mysql_max_connections, 99);
    desk_close(&d);
}
