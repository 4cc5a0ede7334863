/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_audit.c - lines of the audit log; what of the console's statements is in them.
 */
#include <jansson.h>
#include <stdlib.h>

#include "admin/console_audit.h"
#include "proxy/audit.h"
#include "tests/unit/test.h"

static json_t *line_of(const struct audit_event *e)
{
    size_t room = audit_room(e);
    char *out = malloc(room);
    json_t *object;
    size_t len;

    assert_non_null(out);
    len = audit_format(e, out, room);
    assert_true(len <= room);
    assert_int_equal(out[len - 1], '\n');
    assert_null(memchr(out, '\n', len - 1));
    object = json_loadb(out, len, JSON_ALLOW_NUL, NULL);
    assert_non_null(object);
    free(out);
    return object;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

TEST(audit_line_has_the_fields_that_proxysql_has)
{
    json_t *line = line_of(&(struct audit_event){
        .event = "MySQL_Client_Close",
        .thread_id = 7,
        .username = SLICE("u"),
        .schemaname = SLICE("s"),
        .client_addr = SLICE("10.0.0.1:4711"),
        .balancer = SLICE("10.1.1.1:80"),
        .proxy_addr = SLICE("0.0.0.0:6033"),
        .now_us = 2000500,
        .age_us = 1234567,
        .has_age = true,
        .extra_info = SLICE("why"),
    });

    assert_string_equal(text_of(line, "event"), "MySQL_Client_Close");
    assert_string_equal(text_of(line, "username"), "u");
    assert_string_equal(text_of(line, "schemaname"), "s");
    assert_string_equal(text_of(line, "client_addr"), "10.0.0.1:4711");
    assert_string_equal(text_of(line, "balancer_addr"), "10.1.1.1:80");
    assert_string_equal(text_of(line, "proxy_addr"), "0.0.0.0:6033");
    assert_string_equal(text_of(line, "duration"), "1234.567ms");
    assert_string_equal(text_of(line, "extra_info"), "why");
    assert_int_equal(json_integer_value(json_object_get(line, "timestamp")), 2000);
    assert_int_equal(json_integer_value(json_object_get(line, "thread_id")), 7);
    assert_true(json_is_false(json_object_get(line, "ssl")));
    assert_null(json_object_get(line, "statement"));
    assert_null(json_object_get(line, "error"));
    json_decref(line);
}

TEST(audit_line_is_json_whatever_a_client_says)
{
    char all[256];
    json_t *line;

    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (char)i;
    }
    line = line_of(&(struct audit_event){.event = "MySQL_Client_Connect_ERR",
                                         .username = {all, sizeof(all)},
                                         .schemaname = SLICE("a\"b\\c\nd\xff\xc3\xa4"),
                                         .extra_info = {all, sizeof(all)}});
    assert_string_equal(text_of(line, "schemaname"), "a\"b\\c\nd\xc3\xbf\xc3\xa4");
    json_decref(line);
}

static void check_kept(const char *sql, const char *kept)
{
    char out[CONSOLE_AUDIT_STATEMENT_MAX];
    size_t len = console_audit_statement(slice_of(sql), out);

    assert_int_equal(len, strlen(kept));
    assert_memory_equal(out, kept, len);
}

TEST(audit_keeps_no_value_of_a_statement)
{
    check_kept("LOAD MYSQL USERS TO RUNTIME", "LOAD MYSQL USERS TO RUNTIME");
    check_kept("DELETE FROM mysql_servers WHERE hostname='10.0.0.1' AND port=3306",
               "DELETE FROM mysql_servers WHERE hostname=? AND port=?");
    check_kept("SET mysql-threads=4", "SET mysql-threads=...");
    check_kept("SET mysql-monitor_password='hush'", "SET mysql-monitor_password...");
    check_kept("SET mysql-monitor_pasword=hush", "SET mysql-monitor_pasword=...");
    check_kept("set admin-admin_credentials=admin:hush", "set admin-admin_credentials...");
    check_kept("INSERT INTO mysql_users (username,password) VALUES ('u','hush')",
               "INSERT INTO mysql_users...");
    check_kept("UPDATE runtime_mysql_users SET password=hush", "UPDATE runtime_mysql_users...");
    check_kept("UPDATE global_variables SET variable_value='hush' WHERE variable_name='x'",
               "UPDATE global_variables SET variable_value=? WHERE variable_name=?");
    check_kept("SELECT 1 /* hush */", "SELECT ?");
    check_kept("", "");
}

/* Whatever it is cut to, what was between quotes does not come out. */
TEST(audit_keeps_no_value_of_a_broken_statement)
{
    static const char *const all[] = {
        "UPDATE t SET a='hush",
        "UPDATE t SET a=\"hush",
        "UPDATE t SET a='it''s hush', b='\\', c='hush'",
        "INSERT INTO t VALUES ('hush'), (x'68757368'), (\"hush\"",
        "SELECT 1 /* hush",
        "SELECT 1 -- hush",
        "EXPLAIN ROUTE FOR 'hush' 'SELECT ''hush'''",
    };
    char out[CONSOLE_AUDIT_STATEMENT_MAX + 1];

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        for (size_t cut = 0; cut <= strlen(all[i]); cut++) {
            size_t len = console_audit_statement((struct slice){all[i], cut}, out);

            out[len] = '\0';
            assert_null(strstr(out, "hush"));
        }
    }
}

TEST(audit_cuts_a_long_statement)
{
    static char sql[20000] = "SELECT a";
    char out[CONSOLE_AUDIT_STATEMENT_MAX];

    while (strlen(sql) + 4 < sizeof(sql)) {
        memcpy(sql + strlen(sql), ",abc", 5);
    }
    assert_int_equal(console_audit_statement(slice_of(sql), out), sizeof(out));
    assert_memory_equal(out + sizeof(out) - 3, "...", 3);
}
