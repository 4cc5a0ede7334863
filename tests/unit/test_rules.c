/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_rules.c - what each column of mysql_query_rules looks at and does; chains.
 */
#include "router/facts.h"
#include "tests/unit/rules_made.h"

TEST(rules_none_decide_nothing)
{
    struct rules_made made;
    const struct rules_result *out;

    rules_make(&made, RULES("{rule_id=1; match_digest=\".\"; destination_hostgroup=1}"));
    assert_true(rules_is_empty(made.rules)); /* active=0 is the default */
    out = rules_ask(&made, "SELECT 1");
    assert_int_equal(out->hostgroup, RULES_UNSET);
    assert_int_equal(out->multiplex, RULES_UNSET);
    assert_false(out->applied);
    assert_null(out->error_msg);
    assert_null(out->ok_msg);
    assert_int_equal(out->n_hits, 0);
    rules_unmake(&made);
}

TEST(rules_read_write_split_as_it_is_mostly_written)
{
    struct rules_made made;

    rules_make(&made, RULES("{rule_id=200; active=1; match_digest=\"^SELECT\";"
                            " destination_hostgroup=20; apply=1},\n"
                            "{rule_id=100; active=1; match_digest=\"^SELECT.*FOR UPDATE$\";"
                            " destination_hostgroup=10; apply=1}"));
    assert_int_equal(rules_ask(&made, "SELECT a FROM t WHERE b = 'FOR UPDATE'")->hostgroup, 20);
    assert_int_equal(rules_ask(&made, "select a from t for update")->hostgroup, 10);
    assert_int_equal(rules_ask(&made, "UPDATE t SET a = 1")->hostgroup, RULES_UNSET);
    assert_int_equal(rules_count(made.rules), 2);
    assert_int_equal(rules_id(made.rules, 0), 100);
    assert_int_equal(rules_hits(made.rules, 0), 1);
    assert_int_equal(rules_hits(made.rules, 1), 1);
    rules_unmake(&made);
}

/* One rule, and which of some inputs it lets through. */
#define ONE(conditions) \
    RULES("{rule_id=1; active=1; " conditions "; destination_hostgroup=2; apply=1}")

static void assert_matches(struct rules_made *made, const char *sql, bool matches)
{
    assert_int_equal(rules_ask(made, sql)->hostgroup, matches ? 2 : RULES_UNSET);
}

TEST(rules_look_at_user_schema_and_addresses)
{
    static const struct {
        const char *file;
        bool matches;
    } rows[] = {
        {ONE("username=\"u\""), true},
        {ONE("username=\"v\""), false},
        {ONE("username=\"U\""), false},
        {ONE("username=\"\""), true},
        {ONE("schemaname=\"s\""), true},
        {ONE("schemaname=\"ss\""), false},
        {ONE("client_addr=\"10.0.0.7\""), true},
        {ONE("client_addr=\"10.0.0.70\""), false},
        {ONE("client_addr=\"10.0.%\""), true},
        {ONE("client_addr=\"%\""), true},
        {ONE("client_addr=\"10.1.%\""), false},
        {ONE("client_addr=\"10.0.0.7%\""), true},
        {ONE("client_addr=\"10.0.0.78%\""), false},
        {ONE("proxy_addr=\"127.0.0.1\""), true},
        {ONE("proxy_addr=\"127.0.0.2\""), false},
        {ONE("proxy_port=6033"), true},
        {ONE("proxy_port=6034"), false},
        {ONE("flagIN=5"), false},
        {ONE("username=\"u\"; schemaname=\"s\"; client_addr=\"10%\"; proxy_port=6033"), true},
        {ONE("username=\"u\"; schemaname=\"s\"; client_addr=\"10%\"; proxy_port=1"), false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rules_made made;

        rules_make(&made, rows[i].file);
        assert_matches(&made, "SELECT 1", rows[i].matches);
        rules_unmake(&made);
    }
}

TEST(rules_look_at_digest_text_and_raw_text)
{
    struct rules_made made;

    rules_make(&made, ONE("match_digest=\"a=\\\\?\""));
    assert_matches(&made, "SELECT 1 FROM t WHERE a=5", true);
    assert_matches(&made, "SELECT 1 FROM t WHERE A='x'", true);
    assert_matches(&made, "SELECT 'a=?'", false);
    rules_unmake(&made);
    rules_make(&made, ONE("match_pattern=\"a=5\""));
    assert_matches(&made, "SELECT 1 FROM t WHERE A=5", true);
    assert_matches(&made, "SELECT 1 FROM t WHERE a=6", false);
    assert_matches(&made, "SELECT 'a=5'", true);
    rules_unmake(&made);
    rules_make(&made, ONE("match_pattern=\"a=5\"; re_modifiers=\"GLOBAL\""));
    assert_matches(&made, "SELECT 1 FROM t WHERE A=5", false);
    assert_matches(&made, "SELECT 1 FROM t WHERE a=5", true);
    rules_unmake(&made);
    rules_make(&made, ONE("match_pattern=\"a=5\"; negate_match_pattern=1"));
    assert_matches(&made, "SELECT 1 FROM t WHERE a=5", false);
    assert_matches(&made, "SELECT 1 FROM t WHERE a=6", true);
    rules_unmake(&made);
    rules_make(&made, ONE("match_digest=\"^SELECT\"; negate_match_pattern=1"));
    assert_matches(&made, "SELECT 1", false);
    assert_matches(&made, "INSERT INTO t VALUES (1)", true);
    rules_unmake(&made);
    rules_make(&made, ONE("match_digest=\"^SELECT\"; match_pattern=\"x\""));
    assert_matches(&made, "SELECT 'x'", true);
    assert_matches(&made, "SELECT 'y'", false);
    assert_matches(&made, "DELETE FROM x", false);
    rules_unmake(&made);
}

TEST(rules_look_at_the_digest)
{
    struct rules_made made;
    struct facts facts;
    char file[1024];

    facts_scan(&facts, SLICE("SELECT a FROM t WHERE id=1"), 0);
    (void)snprintf(file, sizeof(file),
                   RULES_SERVERS "mysql_query_rules=({rule_id=1; active=1; digest=\"0x%016llX\"; "
                                 "destination_hostgroup=2; apply=1})\n",
                   (unsigned long long)facts.digest);
    rules_make(&made, file);
    assert_matches(&made, "SELECT a FROM t WHERE id=77", true);
    assert_matches(&made, "SELECT b FROM t WHERE id=77", false);
    rules_unmake(&made);
}

TEST(rules_a_later_rule_overrides_what_it_sets)
{
    struct rules_made made;
    const struct rules_result *out;

    rules_make(&made, RULES("{rule_id=1; active=1; destination_hostgroup=1; timeout=5; retries=2;"
                            " delay=7; multiplex=0; log=1; error_msg=\"no\"; cache_ttl=9},\n"
                            "{rule_id=2; active=1; username=\"v\"; timeout=1},\n"
                            "{rule_id=3; active=1; destination_hostgroup=2; retries=0; apply=1;"
                            " OK_msg=\"\"; mirror_hostgroup=3; next_query_flagIN=0;"
                            " mirror_flagOUT=4; sticky_conn=1; cache_empty_result=0},\n"
                            "{rule_id=4; active=1; destination_hostgroup=3}"));
    out = rules_ask(&made, "SELECT 1");
    assert_int_equal(out->hostgroup, 2);
    assert_int_equal(out->timeout_ms, 5);
    assert_int_equal(out->retries, 0);
    assert_int_equal(out->delay_ms, 7);
    assert_int_equal(out->multiplex, 0);
    assert_int_equal(out->log, 1);
    assert_int_equal(out->cache_ttl_ms, 9);
    assert_int_equal(out->cache_empty_result, 0);
    assert_int_equal(out->mirror_hostgroup, 3);
    assert_int_equal(out->mirror_flag_out, 4);
    assert_int_equal(out->next_flag_in, 0);
    assert_int_equal(out->sticky_conn, 1);
    assert_string_equal(out->error_msg, "no");
    assert_string_equal(out->ok_msg, "");
    assert_true(out->applied);
    assert_int_equal(out->n_hits, 2);
    assert_int_equal(rules_id(made.rules, out->hits[1]), 3);
    rules_unmake(&made);
}

TEST(rules_chains_go_on_behind_the_rule)
{
    struct rules_made made;

    rules_make(&made, RULES("{rule_id=1; active=1; flagIN=7; destination_hostgroup=1},\n"
                            "{rule_id=2; active=1; match_digest=\"^SELECT\"; flagOUT=7},\n"
                            "{rule_id=3; active=1; destination_hostgroup=3},\n"
                            "{rule_id=4; active=1; flagIN=7; schemaname=\"s\";"
                            " destination_hostgroup=2}"));
    assert_int_equal(rules_ask(&made, "SELECT 1")->hostgroup, 2);
    assert_int_equal(rules_ask(&made, "DELETE FROM t")->hostgroup, 3);
    made.in.flag_in = 7; /* of next_query_flagIN */
    assert_int_equal(rules_ask(&made, "DELETE FROM t")->hostgroup, 2);
    made.in.schemaname = SLICE("z");
    assert_int_equal(rules_ask(&made, "DELETE FROM t")->hostgroup, 1);
    rules_unmake(&made);
}

TEST(rules_chains_begin_anew_as_often_as_told)
{
    static const char rules[] = RULES("{rule_id=1; active=1; flagIN=7; destination_hostgroup=1},\n"
                                      "{rule_id=2; active=1; flagOUT=7}");
    struct rules_made made;
    char file[1024];

    rules_make(&made, rules);
    assert_int_equal(rules_ask(&made, "SELECT 1")->hostgroup, RULES_UNSET);
    rules_unmake(&made);
    (void)snprintf(file, sizeof(file), "mysql_variables={query_processor_iterations=1}\n%s", rules);
    rules_make(&made, file);
    assert_int_equal(rules_ask(&made, "SELECT 1")->hostgroup, 1);
    rules_unmake(&made);
}

TEST(rules_endless_chains_end)
{
    struct rules_made made;

    rules_make(&made, "mysql_variables={query_processor_iterations=1000000}\n" RULES(
                          "{rule_id=1; active=1; flagOUT=1; destination_hostgroup=1},\n"
                          "{rule_id=2; active=1; flagIN=1; flagOUT=0; destination_hostgroup=2}"));
    assert_int_equal(rules_ask(&made, "SELECT 1")->hostgroup, RULES_UNSET);
    assert_int_equal(made.out.n_hits, 0);
    assert_int_equal(made.stats.values[STAT_RULE_CHAIN_LIMITS], 2); /* twice with the cache */
    rules_unmake(&made);
}

TEST(rules_weights_choose_a_flag)
{
    struct rules_made made;
    uint64_t random = 99;
    int count[4] = {0};

    rules_make(&made, RULES("{rule_id=1; active=1; attributes=\"{\\\"x\\\":[{}], \\\"flagOUTs\\\":"
                            "[{\\\"id\\\":5,\\\"weight\\\":3},{\\\"weight\\\":1,\\\"id\\\":6},"
                            "{\\\"id\\\":7,\\\"weight\\\":0}]}\"},\n"
                            "{rule_id=2; active=1; flagIN=5; destination_hostgroup=1},\n"
                            "{rule_id=3; active=1; flagIN=6; destination_hostgroup=2},\n"
                            "{rule_id=4; active=1; flagIN=7; destination_hostgroup=3}"));
    for (int i = 0; i < 4000; i++) {
        made.in.chance = (uint32_t)test_random(&random);
        count[rules_ask(&made, "SELECT 1")->hostgroup]++;
    }
    assert_true(count[1] > 2800 && count[1] < 3200);
    assert_int_equal(count[1] + count[2], 4000);
    rules_unmake(&made);
}

TEST(rules_give_a_causal_window)
{
    struct rules_made made;

    rules_make(&made, RULES("{rule_id=1; active=1; match_digest=\"one\"; "
                            "attributes=\"{\\\"causal_window_ms\\\": 0}\"},"
                            "{rule_id=2; active=1; match_digest=\"two\"; "
                            "attributes=\"{\\\"causal_window_ms\\\": 5000}\"},"
                            "{rule_id=3; active=1; match_digest=\"o\"; attributes=\"{}\"}"));
    assert_int_equal(rules_ask(&made, "SELECT one")->causal_window_ms, 0);
    assert_int_equal(rules_ask(&made, "SELECT two")->causal_window_ms, 5000);
    assert_int_equal(rules_ask(&made, "SELECT one, two")->causal_window_ms, 5000);
    assert_int_equal(rules_ask(&made, "SELECT o")->causal_window_ms, RULES_UNSET);
    assert_int_equal(rules_ask(&made, "SELECT x")->causal_window_ms, RULES_UNSET);
    rules_unmake(&made);
}
