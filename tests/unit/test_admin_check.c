/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admin_check.c - CHECK CLUSTER: what is said of what the nodes said.
 */
#include <stdio.h>

#include "admin/cluster_check.h"
#include "tests/unit/test.h"

#define N 3

struct scene {
    struct check_facts facts[N];
    struct check_user users[N][2];
    struct conf_user conf_users[2];
    struct conf conf;
    struct check_input in;
    struct reply reply;
};

static void begin(struct scene *s)
{
    static const char *const names[] = {"a:1", "b:2", "c:3"};

    *s = (struct scene){
        .conf_users = {{.username = (char *)(uintptr_t) "app", .active = true, .backend = true},
                       {.username = (char *)(uintptr_t) "gone"}}};
    s->conf.users = s->conf_users;
    s->conf.n_users = 2;
    s->in = (struct check_input){
        .hostgroup = 10, .is_galera = true, .n = N, .facts = s->facts, .conf = &s->conf};
    for (size_t i = 0; i < N; i++) {
        struct check_facts *f = &s->facts[i];

        *f = (struct check_facts){.node = names[i],
                                  .is_writer = i == 0,
                                  .max_connections = 151,
                                  .pool_limit = 100,
                                  .users = s->users[i],
                                  .n_users = 2,
                                  .has_probe = true,
                                  .account = "'m'@'%'"};
        s->users[i][0] = (struct check_user){(char *)(uintptr_t) "app", (char *)(uintptr_t) "1"};
        s->users[i][1] = (struct check_user){(char *)(uintptr_t) "other", (char *)(uintptr_t) "2"};
        (void)snprintf(f->values[VALUE_ENGINE], CHECK_TEXT_MAX, "InnoDB");
        (void)snprintf(f->values[VALUE_AUTOINC], CHECK_TEXT_MAX, "2");
        (void)snprintf(f->values[VALUE_BINLOG], CHECK_TEXT_MAX, "ROW");
        (void)snprintf(f->values[VALUE_AUTO_CONTROL], CHECK_TEXT_MAX, "ON");
        (void)snprintf(f->values[VALUE_ON], CHECK_TEXT_MAX, "ON");
    }
}

static const char *cell(const struct scene *s, size_t row, size_t column)
{
    return s->reply.values[row * s->reply.n_columns + column].data;
}

/* The detail of a check, which must have this result. */
static const char *detail(struct scene *s, const char *check, const char *result)
{
    static const char *const columns[] = {"hostgroup", "check", "result", "detail"};

    reply_columns(&s->reply, ARRAY_SIZE(columns), columns);
    check_judge(&s->in, &s->reply);
    for (size_t i = 0; i < reply_rows(&s->reply); i++) {
        if (strcmp(cell(s, i, 1), check) == 0) {
            assert_string_equal(cell(s, i, 2), result);
            return cell(s, i, 3);
        }
    }
    fail_msg("there is no row %s", check);
    return NULL;
}

static void says(struct scene *s, const char *check, const char *result, const char *text)
{
    const char *found = detail(s, check, result);

    if (strstr(found, text) == NULL) {
        fail_msg("%s: %s", check, found);
    }
    reply_fini(&s->reply);
}

TEST(check_all_is_well)
{
    static const char *const columns[] = {"hostgroup", "check", "result", "detail"};
    struct scene s;

    begin(&s);
    reply_columns(&s.reply, ARRAY_SIZE(columns), columns);
    check_judge(&s.in, &s.reply);
    assert_int_equal(reply_rows(&s.reply), CHECK_VALUE_COUNT + 5);
    for (size_t i = 0; i < reply_rows(&s.reply); i++) {
        assert_string_equal(cell(&s, i, 0), "10");
        assert_string_equal(cell(&s, i, 2), "ok");
    }
    reply_fini(&s.reply);
    says(&s, "users", "ok", "1 users");
    says(&s, "write and read", "ok", "a:1 wrote after 0 ms, b:2 had it");
}

TEST(check_values_that_differ_or_are_wrong)
{
    struct scene s;

    begin(&s);
    (void)snprintf(s.facts[1].values[VALUE_SQL_MODE], CHECK_TEXT_MAX, "ANSI");
    says(&s, "sql_mode", "error", "b:2: 'ANSI', c:3: ''; it must be the same");
    (void)snprintf(s.facts[2].values[VALUE_VERSION], CHECK_TEXT_MAX, "10.6");
    says(&s, "version", "warning", "c:3: '10.6'");
    for (size_t i = 0; i < N; i++) {
        (void)snprintf(s.facts[i].values[VALUE_BINLOG], CHECK_TEXT_MAX, "MIXED");
    }
    says(&s, "binlog_format", "error", "it must be ROW");
    s.in.is_galera = false;
    says(&s, "sql_mode", "error", "ANSI");
}

TEST(check_limits_and_clocks)
{
    struct scene s;

    begin(&s);
    s.facts[1].pool_limit = 142;
    says(&s, "max_connections", "warning", "a:1: 100 of 151, b:2: 142 of 151");
    s.facts[0].pool_limit = 152;
    says(&s, "max_connections", "error", "a:1: 152 of 151, b:2: 142 of 151, c:3");
    s.facts[1].skew_ms = -900;
    s.facts[2].skew_ms = 200;
    says(&s, "clocks", "warning", "1100 ms between two nodes");
    s.facts[2].skew_ms = 20000;
    says(&s, "clocks", "error", "-900 to 20000 ms");
}

TEST(check_users)
{
    struct scene s;

    begin(&s);
    s.users[2][0].what = (char *)(uintptr_t) "another password";
    says(&s, "users", "error", "1 of 1 users: 'app' differs");
    s.facts[1].users = &s.users[1][1];
    s.facts[1].n_users = 1;
    says(&s, "users", "error", "'app' is not on b:2");
    s.facts[1].n_users = 0;
    says(&s, "users", "error", "'app' is not on b:2");
    (void)snprintf(s.facts[2].users_fault, CHECK_TEXT_MAX, "error 1142: no");
    says(&s, "users", "warning", "GRANT SELECT ON mysql.global_priv TO 'm'@'%'");
}

TEST(check_probe_and_nodes_that_do_not_answer)
{
    struct scene s;

    begin(&s);
    (void)snprintf(s.facts[1].fault, CHECK_TEXT_MAX, "error 2003: nobody");
    says(&s, "nodes", "error", "b:2: error 2003: nobody");
    says(&s, "users", "ok", "1 users"); /* of those that answer */
    s.facts[0].is_writer = false;
    says(&s, "write and read", "error", "no writer");
    s.facts[0].is_writer = true;
    (void)snprintf(s.facts[2].probe_fault, CHECK_TEXT_MAX, "not read");
    says(&s, "write and read", "error", "c:3: not read");
    s.facts[2].probe_is_right = true;
    says(&s, "write and read", "warning", "ON galeway_probe.* TO 'm'@'%'");
    for (size_t i = 0; i < N; i++) {
        (void)snprintf(s.facts[i].fault, CHECK_TEXT_MAX, "silent");
    }
    says(&s, "nodes", "error", "a:1: silent, b:2: silent, c:3: silent");
}
