/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_keys.c - the registry of variables, suggestions, interfaces.
 */
#include "base/err.h"
#include "base/mem.h"
#include "conf/iface.h"
#include "conf/keys.h"
#include "conf/near.h"
#include "tests/unit/test.h"

static int set(struct conf_vars *vars, const char *name, const char *text, char why[512])
{
    const struct key *key = key_find(slice_of(name));

    assert_non_null(key);
    why[0] = '\0';
    return key_set(vars, key, slice_of(text), why, 512);
}

TEST(keys_defaults_are_valid_and_freed)
{
    struct conf_vars vars;
    uint64_t before = mem_blocks(MEM_CONF);

    conf_vars_init(&vars);
    assert_int_equal(vars.mysql_threads, 0);
    assert_string_equal(vars.mysql_interfaces, "0.0.0.0:6033");
    assert_int_equal(vars.mysql_max_connections, 10000);
    assert_string_equal(vars.mysql_server_version, "");
    assert_true(vars.mysql_multiplexing);
    assert_int_equal(vars.mysql_max_allowed_packet, 67108864);
    assert_int_equal(vars.mysql_connection_max_age_ms, 3600000);
    assert_int_equal(vars.mysql_monitor_galera_healthcheck_interval, 1000);
    assert_string_equal(vars.admin_mysql_ifaces, "127.0.0.1:6032");
    conf_vars_fini(&vars);
    conf_vars_fini(&vars); /* zeroed is fine */
    assert_int_equal(mem_blocks(MEM_CONF), before);
}

TEST(keys_every_row_is_complete)
{
    size_t mysql = 0, admin = 0;

    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct key *key = key_at((enum key_id)i);
        bool is_mysql = strcmp(key->group, "mysql") == 0;

        assert_int_equal(key_id(key), i);
        assert_ptr_equal(key_find(slice_of(key->name)), key); /* so no name is there twice */
        assert_ptr_equal(key_find_in(key->group, slice_of(key->short_name)), key);
        assert_true(key->min <= key->max);
        assert_true(strlen(key->help) > 5);
        assert_int_equal(key->help[strlen(key->help) - 1] == '.' || strchr(key->help, ';') != NULL,
                         true);
        assert_non_null(key_reload_text(key));
        mysql += is_mysql && key->use != KEY_OURS ? 1 : 0;
        admin += is_mysql ? 0 : 1;
    }
    /* What ProxySQL 2.7 has, and names of older releases. */
    assert_true(mysql >= 161);
    assert_true(admin >= 49);
}

TEST(keys_default_survives_format_and_parse)
{
    struct conf_vars vars;
    char text[8192], why[512];

    conf_vars_init(&vars);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct key *key = key_at((enum key_id)i);
        size_t n = key_format(&vars, key, text, sizeof(text));

        assert_string_equal(text, key->preset);
        assert_int_equal(key_set(&vars, key, (struct slice){text, n}, why, sizeof(why)), 0);
    }
    conf_vars_fini(&vars);
}

TEST(keys_find_ignores_case_and_knows_groups)
{
    assert_non_null(key_find(SLICE("MYSQL-Threads")));
    assert_null(key_find(SLICE("threads")));
    assert_null(key_find(SLICE("")));
    assert_null(key_find_in("admin", SLICE("threads")));
    assert_string_equal(key_find_in("mysql", SLICE("threads"))->name, "mysql-threads");
    assert_true(key_is_acted_on(key_find(SLICE("mysql-threads"))));
    assert_true(key_is_acted_on(key_find(SLICE("mysql-causal_window_ms"))));
    assert_false(key_is_acted_on(key_find(SLICE("mysql-servers_stats"))));
}

TEST(keys_bounds_are_checked_and_named)
{
    struct conf_vars vars;
    char why[512];

    conf_vars_init(&vars);
    assert_int_equal(set(&vars, "mysql-threads", "255", why), 0);
    assert_int_equal(vars.mysql_threads, 255);
    assert_int_equal(set(&vars, "mysql-threads", "256", why), ERR_CONFIG);
    assert_string_equal(why, "mysql-threads: \"256\" is out of range; allowed: 0 to 255 threads");
    assert_int_equal(set(&vars, "mysql-threads", "-1", why), ERR_CONFIG);
    assert_int_equal(vars.mysql_threads, 255);
    assert_int_equal(set(&vars, "mysql-max_allowed_packet", "1073741824", why), 0);
    assert_int_equal(vars.mysql_max_allowed_packet, 1073741824);
    conf_vars_fini(&vars);
}

TEST(keys_numbers_are_whole_and_nothing_else)
{
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "1.5",
                                      "0x10",
                                      "ten",
                                      "1;",
                                      "+",
                                      "-",
                                      "99999999999999999999",
                                      "1234567890123456789012345678901234"};
    struct conf_vars vars;
    char why[512];

    conf_vars_init(&vars);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(set(&vars, "mysql-threads", bad[i], why), ERR_CONFIG);
        assert_non_null(strstr(why, "mysql-threads: "));
    }
    assert_int_equal(vars.mysql_threads, 0);
    conf_vars_fini(&vars);
}

TEST(keys_booleans_and_choices)
{
    static const char *const yes[] = {"true", "TRUE", "1", "on", "yes"};
    static const char *const no[] = {"false", "0", "Off", "no"};
    struct conf_vars vars;
    char why[512];

    conf_vars_init(&vars);
    for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
        assert_int_equal(set(&vars, "mysql-multiplexing", no[i], why), 0);
        assert_false(vars.mysql_multiplexing);
        assert_int_equal(set(&vars, "mysql-multiplexing", yes[i], why), 0);
        assert_true(vars.mysql_multiplexing);
    }
    assert_int_equal(set(&vars, "mysql-multiplexing", "2", why), ERR_CONFIG);
    assert_true(vars.mysql_multiplexing); /* unchanged */
    assert_non_null(strstr(why, "allowed: true or false"));
    assert_int_equal(set(&vars, "mysql-log_level", "DEBUG", why), 0);
    assert_string_equal(vars.mysql_log_level, "debug");
    assert_int_equal(set(&vars, "mysql-log_level", "err", why), ERR_CONFIG);
    assert_non_null(strstr(why, "allowed: error|warn|info|debug"));
    conf_vars_fini(&vars);
}

TEST(keys_strings_have_limits_and_secrets_stay_secret)
{
    struct conf_vars vars;
    char why[512], longest[300];

    conf_vars_init(&vars);
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(set(&vars, "mysql-monitor_password", longest, why), ERR_CONFIG);
    assert_null(strstr(why, "xxx"));
    assert_int_equal(set(&vars, "mysql-interfaces", "", why), ERR_CONFIG);
    assert_int_equal(key_set(&vars, key_find(SLICE("mysql-log_file")), SLICE("a\0b"), why, 512),
                     ERR_CONFIG);
    assert_int_equal(key_set(&vars, key_find(SLICE("mysql-threads")), SLICE("x"), NULL, 0),
                     ERR_CONFIG);
    conf_vars_fini(&vars);
}

TEST(near_finds_what_was_meant)
{
    assert_string_equal(key_nearest("mysql", SLICE("thread"))->short_name, "threads");
    assert_string_equal(key_nearest("mysql", SLICE("max_conections"))->short_name,
                        "max_connections");
    assert_string_equal(key_nearest("mysql", SLICE("mutliplexing"))->short_name, "multiplexing");
    assert_string_equal(key_nearest("admin", SLICE("Admin_Credential"))->short_name,
                        "admin_credentials");
    assert_null(key_nearest("mysql", SLICE("completely_different_thing")));
    assert_null(key_nearest("mysql", SLICE("")));
    assert_null(key_nearest("nobody", SLICE("threads")));
}

static int count_ifaces(const char *text, struct iface *last, size_t *n)
{
    struct slice list = slice_of(text);
    const char *why = "";
    struct iface iface;
    int rc;

    *n = 0;
    while ((rc = iface_next(&list, &iface, &why)) == 1) {
        *last = iface;
        (*n)++;
    }
    return rc;
}

TEST(iface_lists_are_taken_apart)
{
    struct iface last;
    size_t n;

    assert_int_equal(count_ifaces("0.0.0.0:6033; [::1]:3307 ;/run/g.sock", &last, &n), 0);
    assert_int_equal(n, 3);
    assert_true(last.is_unix && slice_eq(last.host, SLICE("/run/g.sock")));
    assert_int_equal(count_ifaces("[fe80::1%eth0]:65535;", &last, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(last.port, 65535);
    assert_true(!last.is_unix && slice_eq(last.host, SLICE("fe80::1%eth0")));
    assert_int_equal(count_ifaces("", &last, &n), 0);
    assert_int_equal(n, 0);
}

TEST(iface_mistakes_are_refused)
{
    static const char *const bad[] = {
        "localhost", "localhost:", "localhost:0", "localhost:65536", ":6033",
        "::1:6033",  "[::1:6033",  "[]:6033",     "a b:1",           "a:1x",
        "a:1;;b:2",  "[::1]6033",  "a:-1",        "a:000001",
    };
    char path[IFACE_PATH_MAX + 2];
    struct iface last;
    size_t n;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(count_ifaces(bad[i], &last, &n), ERR_CONFIG);
    }
    memset(path, 'p', IFACE_PATH_MAX + 1);
    path[0] = '/';
    path[IFACE_PATH_MAX + 1] = '\0';
    assert_int_equal(count_ifaces(path, &last, &n), ERR_CONFIG);
    path[IFACE_PATH_MAX] = '\0';
    assert_int_equal(count_ifaces(path, &last, &n), 0);
}
