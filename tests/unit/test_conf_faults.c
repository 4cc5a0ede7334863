/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conf_faults.c - each kind of fault: said, with its line.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "tests/unit/test.h"

/* The text loads or not, and a fault of that kind on that line has this in its text. */
static void expect(bool is_error, const char *text, int line, const char *says)
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    uint64_t before = mem_blocks(MEM_CONF);
    int rc = conf_load_text(&conf, "t.cnf", slice_of(text), &faults);
    bool found = false;

    assert_int_equal(rc, is_error ? ERR_CONFIG : 0);
    for (size_t i = 0; i < faults.count; i++) {
        const struct fault *fault = &faults.items[i];

        found |= fault->is_error == is_error && fault->line == line &&
                 strcmp(fault->file, "t.cnf") == 0 && strstr(fault->text, says) != NULL;
    }
    if (!found) {
        for (size_t i = 0; i < faults.count; i++) {
            print_message("%s:%d: %s\n", faults.items[i].file, faults.items[i].line,
                          faults.items[i].text);
        }
        fail_msg("line %d: no fault says: %s", line, says);
    }
    conf_unref(conf);
    faults_fini(&faults);
    assert_int_equal(mem_blocks(MEM_CONF), before);
}

#define ERROR(text, line, says)   expect(true, text, line, says)
#define WARNING(text, line, says) expect(false, text, line, says)

TEST(conf_syntax_errors_have_lines)
{
    ERROR("mysql_variables=\n{\n threads=\n}\n", 4, "syntax error");
    ERROR("datadir=\"a\"\ndatadir=\"b\"\n", 2, "duplicate");
    ERROR("\n@include \"x\"\n", 2, "cannot be included here");
    ERROR("a = \"\n", 2, "syntax error");
}

TEST(conf_unknown_names_are_errors_with_a_suggestion)
{
    ERROR("\nmysql_varibles={}\n", 2,
          "unknown section \"mysql_varibles\"; did you mean "
          "\"mysql_variables\"?");
    ERROR("nonsense=1\n", 1, "unknown section \"nonsense\"");
    ERROR("mysql_variables={\n\nthraeds=1}\n", 3,
          "unknown variable \"thraeds\"; did you mean \"threads\"?");
    ERROR("admin_variables={ threads=1 }\n", 1, "admin_variables: unknown variable \"threads\"");
    ERROR("mysql_servers=(\n{address=\"a\";\nwieght=1})\n", 3,
          "unknown column \"wieght\"; did you mean \"weight\"?");
    ERROR("mysql_query_rules=(\n{flagin=1})\n", 2, "did you mean \"flagIN\"?");
    ERROR("mysql_users=({username=\"u\"; zzzzzzzz=1})\n", 1, "unknown column \"zzzzzzzz\"");
}

TEST(conf_values_of_the_wrong_type_are_errors)
{
    ERROR("mysql_variables=1\n", 1, "mysql_variables: is a number, but must be a group");
    ERROR("mysql_servers={}\n", 1, "mysql_servers: is a group { }, but must be a list");
    ERROR("mysql_servers=(\n1)\n", 2, "an element is a number");
    ERROR("mysql_variables={\ninterfaces=6033\n}\n", 2,
          "mysql-interfaces: is a number; allowed: host:port;...");
    ERROR("mysql_variables={\nthreads=1.5\n}\n", 2, "is a number with a fraction");
    ERROR("mysql_variables={\nthreads={}\n}\n", 2, "is a group");
    ERROR("mysql_variables={\nthreads=true\n}\n", 2, "is not a whole number");
    ERROR("mysql_variables={\nmultiplexing=2\n}\n", 2, "neither true nor false");
    ERROR("mysql_servers=({address=10; hostgroup=1})\n", 1, "address: bad value (a number)");
    ERROR("mysql_servers=({address=\"a\"; status=\"UP\"})\n", 1, "allowed: one of ONLINE SHUNNED");
    ERROR("mysql_query_rules=(\n{rule_id=1; log=[1]})\n", 2, "log: bad value (an array [ ])");
    ERROR("datadir=5\n", 1, "datadir: must be a path");
}

TEST(conf_values_out_of_range_are_errors)
{
    ERROR("mysql_variables={\nthreads=1000\n}\n", 2, "\"1000\" is out of range; allowed: 0 to 255");
    ERROR("mysql_variables={\nthreads=9999999999\n}\n", 2, "out of range");
    ERROR("mysql_variables={\nquery_cache_row_keys=\"a.b,options\"\n}\n", 2,
          "mysql-query_cache_row_keys: \"a.b,options\": no. 2 is not table.column");
    ERROR("mysql_servers=({address=\"a\";\nport=65536})\n", 2, "port: bad value");
    ERROR("mysql_servers=({address=\"a\";\nhostgroup=-1})\n", 2, "allowed: 0 to 2147483647");
    ERROR("mysql_servers=({address=\"a\";\nuse_ssl=2})\n", 2, "0, 1, true or false");
    ERROR("mysql_galera_hostgroups=({writer_hostgroup=1; backup_writer_hostgroup=2;\n"
          "reader_hostgroup=3; offline_hostgroup=4;\nwriter_is_also_reader=3})\n",
          3, "writer_is_also_reader: bad value");
    ERROR("mysql_users=({username=\"\"})\n", 1, "username: bad value");
}

TEST(conf_rows_miss_or_repeat_columns)
{
    ERROR("mysql_servers=(\n{port=1})\n", 2, "a row has no address");
    ERROR("mysql_servers=(\n{address=\"a\";\nhostname=\"b\"})\n", 3, "under two names");
    ERROR("mysql_users=(\n{password=\"\"})\n", 2, "a row has no username");
    ERROR("mysql_galera_hostgroups=(\n{writer_hostgroup=1})\n", 2, "has no reader_hostgroup");
}

TEST(conf_servers_are_checked_as_a_whole)
{
    ERROR("mysql_servers=(\n{address=\"a\"; hostgroup=1},\n{hostname=\"a\"; hostgroup_id=1})\n", 3,
          "a:3306 is in hostgroup 1 twice; first at t.cnf:2");
    ERROR("mysql_servers=(\n{address=\"a\"; port=0})\n", 2, "the port must be 1 to 65535");
    ERROR("mysql_servers=(\n{address=\"/s\"; port=3307})\n", 2, "its port must be 0");
    ERROR("mysql_servers=(\n{address=\"a b\"})\n", 2, "no name, no address and no path");
    ERROR("mysql_servers=(\n{address=\"a\"; max_connections=1000000},\n"
          "{address=\"b\"; max_connections=1})\n",
          2, "max_connections of all nodes is 1000001");
    WARNING("mysql_servers=(\n{address=\"a\"; hostgroup=1; max_connections=5},\n"
            "{address=\"a\"; hostgroup=2; max_connections=6})\n",
            3, "a:3306: max_connections=6 here and 5 at t.cnf:2");
    WARNING("mysql_servers=(\n{address=\"a\"; hostgroup=1; max_connections=5},\n"
            "{address=\"a\"; hostgroup=2; max_connections=600; status=\"OFFLINE_HARD\"})\n",
            3, "the highest of its rows that are not OFFLINE_HARD: 5");
    WARNING("mysql_servers=(\n{address=\"a\"; max_connections=0})\n", 2, "is never used");
    WARNING("mysql_servers=(\n{address=\"a\"; hostgroup=1; use_ssl=1},\n"
            "{address=\"a\"; hostgroup=2})\n",
            3, "so all are encrypted");
    WARNING("mysql_servers=({address=\"a\"})\nmysql_servers_ssl_params=(\n"
            "{hostname=\"b\"; username=\"u\"})\n",
            3, "b:3306 is no server of mysql_servers");
    WARNING("mysql_servers=()\n", 0, "there are no servers");
}

#define SERVER "mysql_servers=({address=\"a\"; hostgroup=1})\n"

TEST(conf_users_are_checked_as_a_whole)
{
    ERROR(SERVER "mysql_users=(\n{username=\"u\"; default_hostgroup=1},\n"
                 "{username=\"u\"; default_hostgroup=1})\n",
          4, "\"u\" is there twice; first at t.cnf:3");
    ERROR(SERVER "mysql_users=(\n{username=\"u\"; default_hostgroup=2})\n", 3,
          "default_hostgroup 2 of \"u\" has no server");
    WARNING(SERVER "mysql_users=(\n{username=\"u\"; default_hostgroup=2; active=0},\n"
                   "{username=\"v\"; default_hostgroup=1; frontend=0; backend=0})\n",
            4, "never used");
    WARNING(SERVER "mysql_variables={have_ssl=false}\nmysql_users=(\n"
                   "{username=\"u\"; default_hostgroup=1; backend=0; use_ssl=1},\n"
                   "{username=\"u\"; default_hostgroup=1; frontend=0; use_ssl=1})\n",
            4, "\"u\" has use_ssl=1, but clients are not offered TLS");
    WARNING(SERVER "mysql_users=(\n{username=\"u\"; default_hostgroup=1},\n"
                   "{username=\"v\"; default_hostgroup=1; transaction_persistent=0})\n",
            4, "transaction_persistent=0 of \"v\" acts as 1");
}

TEST(conf_password_hashes_are_checked_and_never_shown)
{
    static const char *const bad[] = {
        "*94BDCEBE",
        "*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC2X",
        "*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC290",
        "$A$005$short",
        "$A$005$01234567890123456789012345678901234567890123456789012345678901!",
        "$A$0x5$012345678901234567890123456789012345678901234567890123456789012"};
    char text[512];

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct faults faults = {0};
        struct conf *conf = NULL;

        (void)snprintf(text, sizeof(text),
                       SERVER "mysql_users=(\n{username=\"u\"; default_hostgroup=1;\n"
                              "password=\"%s\"})\n",
                       bad[i]);
        assert_int_equal(conf_load_text(&conf, "t.cnf", slice_of(text), &faults), ERR_CONFIG);
        assert_int_equal(faults.count, 1);
        assert_int_equal(faults.items[0].line, 3);
        assert_non_null(strstr(faults.items[0].text, "the password of \"u\" begins with"));
        assert_null(strstr(faults.items[0].text, bad[i] + 4));
        faults_fini(&faults);
    }
    WARNING(SERVER "mysql_query_rules=({rule_id=1; reconnect=1})\nmysql_users=({username=\"u\"; "
                   "default_hostgroup=1; "
                   "password=\"$A$005$012345678901234567890123456789012345678901234567890123456789"
                   "012\"},\n"
                   "{username=\"v\"; default_hostgroup=1; "
                   "password=\"*94bdcebe19083ce2a1f959fd02f964c7af4cfc29\"},\n"
                   "{username=\"w\"; default_hostgroup=1; password=\"a*b$A$\"})\n",
            2, "mysql_query_rules: reconnect: accepted");
}

#define ROW(w, b, r, o, more)                                                        \
    "{writer_hostgroup=" #w "; backup_writer_hostgroup=" #b "; reader_hostgroup=" #r \
    "; offline_hostgroup=" #o "; " more "}"

TEST(conf_galera_rows_are_checked_as_a_whole)
{
    ERROR(SERVER "mysql_galera_hostgroups=(\n" ROW(1, 2, 1, 4, "") ")\n", 3,
          "reader_hostgroup 1 is writer_hostgroup of the row at t.cnf:3 too");
    ERROR(SERVER
          "mysql_galera_hostgroups=(\n" ROW(1, 2, 3, 4, "") ",\n" ROW(5, 6, 7, 2, "active=0") ")\n",
          4, "offline_hostgroup 2 is backup_writer_hostgroup of the row at t.cnf:3 too");
    ERROR(SERVER "mysql_galera_hostgroups=(\n" ROW(2, 3, 4, 5, "") ")\n", 3,
          "writer_hostgroup 2 has no server");
    ERROR(SERVER "mysql_galera_hostgroups=(\n" ROW(1, 2, 3, 4, "max_writers=0") ")\n", 3,
          "max_writers is 0");
}

TEST(conf_variables_are_checked_as_a_whole)
{
    ERROR("mysql_variables={\ninterfaces=\"0.0.0.0:6033;x\"}\n", 2, "no. 2 has no port");
    ERROR("mysql_variables={\ninterfaces=\"a:1;b:1;a:1\"}\n", 2, "no. 3 is the same as no. 1");
    ERROR("mysql_variables={\ninterfaces=\" \"}\n", 2, "names no interface");
    ERROR("mysql_variables={ min_idle_per_node=5;\nmax_idle_per_node=3}\n", 2,
          "3 is less than mysql-min_idle_per_node, 5");
    WARNING(SERVER "mysql_variables={\nconnect_timeout_server=20000}\n", 3, "no second attempt");
}

TEST(conf_networks_of_balancers_are_checked)
{
    ERROR("mysql_variables={\nproxy_protocol_networks=\"10.0.0.0/8, 10.0.0.0/33\"\n}\n", 2,
          "mysql-proxy_protocol_networks: no. 2 is no network");
    WARNING("mysql_variables={\nproxy_protocol_networks=\"*\"\n}\n", 2,
            "and refuses who says none (mysql-proxy_protocol_required): name the load balancers");
    WARNING("mysql_variables={\nproxy_protocol_networks=\"*\"\nproxy_protocol_required=false\n}\n",
            2, "which address it has: name the load balancers");
}

TEST(conf_what_is_accepted_only_is_a_warning_when_it_would_matter)
{
    WARNING("mysql_variables={\nservers_stats=true}\n", 0, "or are empty: 1");
    WARNING("mysql_variables={\nservers_stats=true; default_net_write_timeout=60}\n"
            "pgsql_users=()\nscheduler=()\nmysql_hostgroup_attributes=({hostgroup_id=1; "
            "multiplex=true; servers_defaults=\"\"})\n",
            0, "or are empty: 4");
    WARNING("mysql_variables={\nservers_stats=false}\n", 2, "mysql-servers_stats: accepted");
    WARNING("mysql_variables={\ndefault_net_write_timeout=61}\n", 2, "accepted");
    WARNING("\nscheduler=({id=1; interval_ms=1000; filename=\"/x\"})\n", 2, "scheduler: accepted");
    WARNING("mysql_servers=(\n{address=\"a\"; gtid_port=1},\n"
            "{address=\"b\"; max_replication_lag=1},\n{address=\"c\"; gtid_port=1})\n",
            4, "mysql_servers: gtid_port: accepted");
    WARNING(SERVER "mysql_users=({username=\"u\"; default_hostgroup=1;\nfast_forward=1})\n", 3,
            "mysql_users: fast_forward: accepted");
    WARNING(SERVER "mysql_users=({username=\"u\"; default_hostgroup=1;\nschema_locked=1})\n", 3,
            "mysql_users: schema_locked: accepted");
    WARNING("pgsql_servers=({hostname=\"a\"})\n", 1, "pgsql_servers: accepted");
    WARNING("proxysql_servers=()\nerrorlog=\"x\"\n", 2, "errorlog: accepted");
}

TEST(conf_all_faults_are_collected)
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    const char *text = "mysql_variables={\nthreads=-1\nx=1\nlog_level=\"loud\"\n}\n"
                       "mysql_servers=({address=\"a\"; port=0})\nmysql_user=()\n"
                       "mysql_users=({username=\"u\"; default_hostgroup=9; password=\"*1\"})\n";

    assert_int_equal(conf_load_text(&conf, "t.cnf", slice_of(text), &faults), ERR_CONFIG);
    assert_int_equal(faults.errors, 7);
    faults_fini(&faults);
}

TEST(conf_too_many_rows_are_refused)
{
    size_t room = 32 * (CONF_SERVERS_MAX + 2), n = 0;
    char *text = calloc(1, room);

    assert_non_null(text);
    n += (size_t)snprintf(text, room, "mysql_servers=(");
    for (size_t i = 0; i <= CONF_SERVERS_MAX; i++) {
        n += (size_t)snprintf(text + n, room - n, "%s{address=\"a%zu\"}", i == 0 ? "" : ",", i);
    }
    (void)snprintf(text + n, room - n, ")\n");
    ERROR(text, 1, "mysql_servers: 4097 rows are more than 4096");
    free(text);
}
