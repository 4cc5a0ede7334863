/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admin_cluster.c - the console's commands for clusters without a monitor: how they are read,
 * who may run them.
 */
#include "tests/unit/admin_store.h"
#include "tests/unit/test.h"

static const char two_clusters[] =
    "mysql_servers=({address=\"127.0.0.1\",port=11,hostgroup=10,weight=5},"
    "{address=\"127.0.0.1\",port=12,hostgroup=10,status=\"OFFLINE_SOFT\"},"
    "{address=\"127.0.0.1\",port=12,hostgroup=30},"
    "{address=\"127.0.0.1\",port=13,hostgroup=60})\n"
    "mysql_galera_hostgroups=("
    "{writer_hostgroup=10,backup_writer_hostgroup=11,reader_hostgroup=12,offline_hostgroup=13},"
    "{writer_hostgroup=30,backup_writer_hostgroup=31,reader_hostgroup=32,offline_hostgroup=33})\n"
    "mysql_replication_hostgroups=({writer_hostgroup=60,reader_hostgroup=61})\n";

TEST(admin_show_cluster_has_a_row_for_each_node)
{
    struct desk d;

    desk_open(&d, two_clusters);
    assert_int_equal(desk_rows(&d, "SHOW CLUSTER"), 4);
    assert_string_equal(desk_cell(&d, 0, 0), "10");
    assert_string_equal(desk_cell(&d, 0, 1), "127.0.0.1:11");
    assert_string_equal(desk_cell(&d, 0, 2), "configured");
    assert_string_equal(desk_cell(&d, 0, 3), "unchecked");
    assert_string_equal(desk_cell(&d, 1, 5), "OFFLINE_SOFT");
    assert_string_equal(desk_cell(&d, 3, 0), "60");
    assert_int_equal(desk_rows(&d, "show cluster 10;"), 2);
    assert_int_equal(desk_rows(&d, "SHOW CLUSTER 11"), 0);
    assert_int_equal(desk_rows(&d, "SHOW CLUSTER NODES 30"), 1);
    desk_is(&d, "SELECT weight FROM stats_galera_nodes WHERE srv_port=11", "5");
    desk_is(&d, "SELECT check_age_ms FROM stats_galera_nodes WHERE srv_port=13", "-1");
    desk_error(&d, "SHOW CLUSTER nowhere", 1064, "nowhere");
    desk_error(&d, "SHOW CLUSTER 10 11", 1064, "writer hostgroup");
    desk_run(&d, &d.guest, "SHOW CLUSTER");
    assert_int_equal(d.reply.kind, REPLY_ROWS);
    desk_close(&d);
}

TEST(admin_switch_writer_is_read)
{
    struct desk d;

    desk_open(&d, two_clusters);
    desk_error(&d, "SWITCH WRITER TO", 1064, "not complete");
    desk_error(&d, "SWITCH WRITER TO ''", 1064, "'host':port");
    desk_error(&d, "SWITCH WRITER TO '127.0.0.1':", 1064, "a port");
    desk_error(&d, "SWITCH WRITER TO '127.0.0.1':x", 1064, "a port");
    desk_error(&d, "SWITCH WRITER TO '127.0.0.1':70000", 1064, "a port");
    desk_error(&d, "SWITCH WRITER TO '127.0.0.1':11 NOW", 1064, "DRAIN");
    desk_error(&d, "SWITCH WRITER TO '127.0.0.1':11 DRAIN", 1064, "600000");
    desk_error(&d, "SWITCH WRITER TO '127.0.0.1':11 DRAIN 600001", 1064, "600000");
    desk_error(&d, "SWITCH WRITER TO '127.0.0.1':11 HOSTGROUP -1", 1064, "writer hostgroup");
    desk_error(&d, "SWITCH WRITER TO '127.0.0.1':14", 1105, "no server of a cluster");
    desk_error(&d, "SWITCH WRITER TO '127.0.0.1'", 1105, "127.0.0.1:3306 is no server");
    desk_error(&d, "SWITCH WRITER TO '127.0.0.1':12", 1105, "in 2 clusters");
    desk_error(&d, "SWITCH WRITER TO 127.0.0.1:12 HOSTGROUP 10 DRAIN 0;", 1105, "does not run");
    desk_run(&d, &d.guest, "SWITCH WRITER TO '127.0.0.1':11");
    assert_int_equal(d.reply.number, 1227);
    desk_ok(&d, "PROXYSQL READONLY");
    desk_error(&d, "SWITCH WRITER TO '127.0.0.1':11", 1290, "read only");
    desk_close(&d);
}

TEST(admin_a_join_that_is_not_asked_about_is_guarded)
{
    struct desk d;

    desk_open(&d, two_clusters);
    desk_is(&d,
            "SELECT COUNT(*) FROM (SELECT '127.0.0.1' AS hostname) JOIN runtime_mysql_servers "
            "USING (hostname)",
            "4");
    desk_run(
        &d, &d.guest,
        "SELECT COUNT(*) FROM (SELECT 'a' AS username) JOIN main.mysql_users USING (username)");
    assert_int_equal(d.reply.number, 1227);
    desk_run(&d, &d.guest, "SELECT 1 FROM (SELECT 'a' AS hostname) NATURAL JOIN \"mysql_servers\"");
    assert_int_equal(d.reply.number, 1227);
    desk_run(
        &d, &d.guest,
        "SELECT 1 FROM (SELECT 0 AS digest) JOIN stats_mysql_query_digest_reset USING(digest)");
    assert_int_equal(d.reply.number, 1227);
    desk_run(&d, &d.guest, "SELECT 1 FROM stats_mysql_users JOIN stats_pins");
    assert_int_equal(d.reply.kind, REPLY_ROWS);
    desk_run(&d, &d.guest,
             "SELECT 1 FROM (SELECT 'a' AS username) JOIN stats_mysql_users USING (username)");
    assert_int_equal(d.reply.kind, REPLY_ROWS);
    desk_close(&d);
}

TEST(admin_save_brings_back_what_was_loaded)
{
    struct desk d;

    desk_open(&d, two_clusters);
    desk_is(&d, "SELECT status FROM runtime_mysql_servers WHERE hostgroup_id=10 AND port=12",
            "OFFLINE_SOFT");
    desk_is(&d, "SELECT COUNT(*) FROM main.runtime_mysql_servers", "4");
    desk_ok(&d, "DELETE FROM mysql_servers");
    desk_ok(&d, "SAVE MYSQL SERVERS TO MEMORY");
    desk_is(&d, "SELECT COUNT(*) FROM mysql_servers", "4");
    for (size_t i = 0, n = desk_rows(&d, "SHOW CONFIG DIFF"); i < n; i++) {
        assert_string_equal(desk_cell(&d, i, 4), desk_cell(&d, i, 5));
    }
    desk_error(&d, "UPDATE runtime_mysql_servers SET weight=1", 1290, "LOAD ... TO RUNTIME");
    desk_error(&d, "DELETE FROM _loaded_mysql_servers", 1290, "filled by Galeway");
    desk_close(&d);
}
