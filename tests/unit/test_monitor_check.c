/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_monitor_check.c - the answer of a node as a report.
 */
#include <mysqld_error.h>

#include "pool/monitor_check.h"
#include "tests/unit/test.h"

static const char *const synced[][2] = {{"wsrep_last_committed", "42"},
                                        {"wsrep_local_recv_queue", "7"},
                                        {"wsrep_flow_control_paused_ns", "123456"},
                                        {"wsrep_local_state", "4"},
                                        {"wsrep_cluster_conf_id", "3"},
                                        {"wsrep_cluster_size", "3"},
                                        {"wsrep_cluster_state_uuid", "7a84-11f1"},
                                        {"wsrep_cluster_status", "Primary"},
                                        {"wsrep_connected", "ON"},
                                        {"wsrep_local_index", "2"},
                                        {"wsrep_provider_name", "Galera"},
                                        {"wsrep_ready", "ON"},
                                        {"max_connections", "1000"},
                                        {"read_only", "OFF"},
                                        {"version", "10.11.19-MariaDB"},
                                        {"wsrep_desync", "OFF"},
                                        {"wsrep_on", "ON"},
                                        {"wsrep_reject_queries", "NONE"},
                                        {"wsrep_sst_donor_rejects_queries", "OFF"}};

static struct node_report figures_of(const char *const rows[][2], size_t n)
{
    struct node_report r;

    check_begin(&r);
    for (size_t i = 0; i < n; i++) {
        check_figure(&r, rows[i][0], rows[i][1]);
    }
    return r;
}

TEST(monitor_check_reads_all_figures)
{
    struct node_report r = figures_of(synced, ARRAY_SIZE(synced));

    assert_true(r.is_galera && r.ready && r.connected && r.primary);
    assert_false(r.desync || r.rejects || r.donor_rejects || r.read_only);
    assert_int_equal(r.local_state, WSREP_SYNCED);
    assert_int_equal(r.local_index, 2);
    assert_int_equal(r.cluster_size, 3);
    assert_int_equal(r.conf_id, 3);
    assert_string_equal(r.state_uuid, "7a84-11f1");
    assert_int_equal(r.recv_queue, 7);
    assert_int_equal(r.flow_paused_ns, 123456);
    assert_int_equal(r.last_committed, 42);
    assert_int_equal(r.max_connections, 1000);
    assert_string_equal(r.version, "10.11.19-MariaDB");
}

TEST(monitor_check_asks_for_all_figures_it_reads)
{
    for (size_t i = 0; i < ARRAY_SIZE(synced); i++) {
        assert_non_null(strstr(check_sql, synced[i][0]));
    }
}

TEST(monitor_check_sees_what_is_wrong)
{
    static const char *const rows[][2] = {{"wsrep_cluster_status", "non-Primary"},
                                          {"wsrep_cluster_conf_id", "18446744073709551615"},
                                          {"wsrep_provider_name", "Galera"},
                                          {"wsrep_ready", "OFF"},
                                          {"WSREP_DESYNC", "ON"},
                                          {"wsrep_reject_queries", "ALL_KILL"},
                                          {"wsrep_on", "ON"},
                                          {"wsrep_sst_donor_rejects_queries", "ON"},
                                          {"read_only", "ON"}};
    struct node_report r = figures_of(rows, ARRAY_SIZE(rows));

    assert_true(r.is_galera && r.desync && r.rejects && r.donor_rejects && r.read_only);
    assert_false(r.primary || r.ready || r.connected);
    assert_true(r.conf_id == UINT64_MAX);
}

TEST(monitor_check_without_a_provider_is_no_galera)
{
    static const char *const off[][2] = {{"wsrep_provider_name", "Galera"}, {"wsrep_on", "OFF"}};
    static const char *const none[][2] = {{"wsrep_provider_name", ""}, {"wsrep_on", "ON"}};
    static const char *const mysql[][2] = {{"read_only", "ON"}, {"version", "8.0"}};
    struct node_report r = figures_of(mysql, ARRAY_SIZE(mysql));

    assert_false(figures_of(off, ARRAY_SIZE(off)).is_galera);
    assert_false(figures_of(none, ARRAY_SIZE(none)).is_galera);
    assert_false(r.is_galera);
    assert_true(r.read_only);
}

TEST(monitor_check_survives_nonsense)
{
    static const char *const rows[][2] = {{"wsrep_local_state", "-1"},
                                          {"wsrep_cluster_size", "many"},
                                          {"wsrep_local_index", "99999999999999999999999"},
                                          {"max_connections", "5000000000"},
                                          {"wsrep_cluster_conf_id", ""},
                                          {NULL, "x"},
                                          {"version", NULL}};
    struct node_report r = figures_of(rows, ARRAY_SIZE(rows));
    char text[300];

    assert_int_equal(r.local_state, 0);
    assert_int_equal(r.cluster_size, 0);
    assert_int_equal(r.max_connections, UINT32_MAX);
    assert_true(r.conf_id == UINT64_MAX);
    memset(text, 'v', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    check_figure(&r, "version", text);
    check_figure(&r, "wsrep_cluster_state_uuid", text);
    assert_int_equal(strlen(r.version), sizeof(r.version) - 1);
    assert_int_equal(strlen(r.state_uuid), sizeof(r.state_uuid) - 1);
}

TEST(monitor_check_keeps_the_figures_when_a_check_fails)
{
    struct node_report r = {0};
    struct node_report figures = figures_of(synced, ARRAY_SIZE(synced));
    struct sql_result good = {.kind = REPORT_OK, .took_us = 900};
    struct sql_result bad = {.kind = REPORT_TIMEOUT, .text = "no answer within 800 ms"};

    check_end(&r, &figures, &good, 1000);
    check_end(&r, &figures, &bad, 2000);
    check_end(&r, &figures, &bad, 3000);
    assert_int_equal(r.kind, REPORT_TIMEOUT);
    assert_int_equal(r.n_timeouts, 2);
    assert_int_equal(r.at_ms, 3000);
    assert_int_equal(r.answered_ms, 1000);
    assert_int_equal(r.cluster_size, 3);
    assert_string_equal(r.error_text, "no answer within 800 ms");
    check_end(&r, &figures, &good, 4000);
    assert_int_equal(r.n_timeouts, 0);
    assert_int_equal(r.error, 0);
    assert_string_equal(r.error_text, "");
}

TEST(monitor_check_remembers_since_when_a_view_is_seen)
{
    struct node_report r = {0};
    struct node_report figures = figures_of(synced, ARRAY_SIZE(synced));
    struct sql_result good = {.kind = REPORT_OK};

    check_end(&r, &figures, &good, 1000);
    check_end(&r, &figures, &good, 2000);
    assert_int_equal(r.view_ms, 1000);
    figures.conf_id++;
    check_end(&r, &figures, &good, 3000);
    assert_int_equal(r.view_ms, 3000);
}

TEST(monitor_check_a_node_that_says_it_is_not_prepared_has_answered)
{
    struct node_report r = {.ready = true};
    struct node_report figures = {0};
    struct sql_result refused = {.kind = REPORT_DENIED, .error = ER_UNKNOWN_COM_ERROR};

    check_end(&r, &figures, &refused, 1000);
    assert_int_equal(r.kind, REPORT_OK);
    assert_false(r.ready);
    assert_true(r.is_galera);
}

TEST(monitor_check_an_answer_without_read_only_makes_nobody_write)
{
    struct node_report r = figures_of(NULL, 0);

    assert_true(r.read_only);
    check_figure(&r, "read_only", "OFF");
    assert_false(r.read_only);
}

TEST(monitor_check_what_a_node_says_is_a_line_of_text)
{
    struct sql_result result = {
        .kind = REPORT_DENIED, .error = 1040, .text = "full\n2026 node 1 is out\x1b[2J"};
    struct node_report r = {0};
    struct node_report figures;

    check_begin(&figures);
    check_figure(&figures, "version", "10\r\n11");
    check_figure(&figures, "wsrep_cluster_state_uuid", "a\tb");
    assert_string_equal(figures.version, "10??11");
    assert_string_equal(figures.state_uuid, "a?b");
    check_end(&r, &figures, &result, 1000);
    assert_string_equal(r.error_text, "full?2026 node 1 is out?[2J");
}
