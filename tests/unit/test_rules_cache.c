/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_rules_cache.c - what is remembered is what would be decided anew: random rules, random
 * statements, full caches.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "router/facts.h"
#include "tests/unit/rules_made.h"

static uint64_t counted(const struct rules_made *made, enum stat_id id)
{
    return made->stats.values[id];
}

TEST(rules_cache_knows_a_kind_of_statement)
{
    struct rules_made made;

    rules_make(&made, RULES("{rule_id=1; active=1; match_digest=\"^SELECT\";"
                            " destination_hostgroup=1; apply=1}"));
    (void)rules_ask(&made, "SELECT 1"); /* twice with the cache */
    assert_int_equal(counted(&made, STAT_RULES_CACHE_MISSES), 1);
    assert_int_equal(counted(&made, STAT_RULES_CACHE_HITS), 1);
    (void)rules_ask(&made, "SELECT 2");
    assert_int_equal(counted(&made, STAT_RULES_CACHE_HITS), 3);
    made.in.client_addr = SLICE("10.0.0.9"); /* no rule looks at it */
    made.in.proxy_port = 6034;
    (void)rules_ask(&made, "SELECT 2");
    assert_int_equal(counted(&made, STAT_RULES_CACHE_MISSES), 1);
    made.in.schemaname = SLICE("z");
    (void)rules_ask(&made, "SELECT 2");
    assert_int_equal(counted(&made, STAT_RULES_CACHE_MISSES), 2);
    made.in.username = SLICE("v");
    (void)rules_ask(&made, "SELECT 2");
    (void)rules_ask(&made, "SELECT 2, 3");
    made.in.flag_in = 8;
    (void)rules_ask(&made, "SELECT 2, 3");
    assert_int_equal(counted(&made, STAT_RULES_CACHE_MISSES), 5);
    rules_unmake(&made);
}

TEST(rules_cache_tells_addresses_apart_when_rules_do)
{
    struct rules_made made;

    rules_make(&made, RULES("{rule_id=1; active=1; client_addr=\"10.0.0.7\"; apply=1;"
                            " destination_hostgroup=1},\n"
                            "{rule_id=2; active=1; proxy_port=6034; destination_hostgroup=2}"));
    assert_int_equal(rules_ask(&made, "SELECT 1")->hostgroup, 1);
    made.in.client_addr = SLICE("10.0.0.8");
    assert_int_equal(rules_ask(&made, "SELECT 1")->hostgroup, RULES_UNSET);
    made.in.proxy_port = 6034;
    assert_int_equal(rules_ask(&made, "SELECT 1")->hostgroup, 2);
    assert_int_equal(counted(&made, STAT_RULES_CACHE_MISSES), 3);
    rules_unmake(&made);
}

TEST(rules_cache_asks_raw_text_each_time)
{
    struct rules_made made;

    rules_make(&made, RULES("{rule_id=1; active=1; match_digest=\"^SELECT\"; flagOUT=1},\n"
                            "{rule_id=2; active=1; flagIN=1; match_pattern=\"red\";"
                            " destination_hostgroup=1; apply=1},\n"
                            "{rule_id=3; active=1; flagIN=1; match_pattern=\"blue\"; flagOUT=2},\n"
                            "{rule_id=4; active=1; flagIN=2; destination_hostgroup=2}"));
    assert_int_equal(rules_ask(&made, "SELECT 'red'")->hostgroup, 1);
    assert_int_equal(rules_ask(&made, "SELECT 'blue'")->hostgroup, 2);
    assert_int_equal(rules_ask(&made, "SELECT 'grey'")->hostgroup, RULES_UNSET);
    assert_int_equal(rules_ask(&made, "SELECT 'RED'")->hostgroup, 1);
    assert_int_equal(counted(&made, STAT_RULES_CACHE_MISSES), 1);
    rules_unmake(&made);
}

TEST(rules_cache_forgets_other_rules)
{
    struct rules_made one, two;

    rules_make(&one, RULES("{rule_id=1; active=1; destination_hostgroup=1}"));
    rules_make(&two, RULES("{rule_id=1; active=1; destination_hostgroup=2}"));
    assert_int_equal(rules_ask(&one, "SELECT 1")->hostgroup, 1);
    rules_cache_free(two.cache);
    two.cache = one.cache;
    assert_int_equal(rules_ask(&two, "SELECT 1")->hostgroup, 2);
    assert_int_equal(rules_ask(&one, "SELECT 1")->hostgroup, 1);
    assert_int_equal(counted(&one, STAT_RULES_CACHE_MISSES), 3);
    assert_int_equal(counted(&two, STAT_RULES_CACHE_MISSES), 0);
    assert_int_equal(counted(&one, STAT_RULES_CACHE_FLUSHES), 3);
    rules_free(two.rules);
    conf_unref(two.conf);
    rules_unmake(&one);
}

TEST(rules_cache_evicts_what_was_not_used)
{
    struct rules_made made;
    char sql[64];

    rules_make(&made, RULES("{rule_id=1; active=1; match_digest=\"7$\"; destination_hostgroup=1}"));
    for (int i = 0; i < 30000; i++) {
        (void)snprintf(sql, sizeof(sql), "SELECT a%d", i);
        assert_int_equal(rules_ask(&made, sql)->hostgroup, i % 10 == 7 ? 1 : RULES_UNSET);
    }
    assert_int_equal(counted(&made, STAT_RULES_CACHE_MISSES), 30000);
    assert_true(counted(&made, STAT_RULES_CACHE_EVICTIONS) > 13000 &&
                counted(&made, STAT_RULES_CACHE_EVICTIONS) < 20000);
    assert_int_equal(counted(&made, STAT_RULES_CACHE_FLUSHES),
                     1); /* when it got to know the rules */
    rules_unmake(&made);
}

/* Rules that each statement meets others of: the lists of the cache get no end. */
TEST(rules_cache_without_room_for_lists_begins_anew)
{
    size_t size = 1 << 18, n;
    char *file = malloc(size);
    struct rules_made made;
    char sql[64];

    assert_non_null(file);
    n = (size_t)snprintf(file, size, "%smysql_query_rules=(", RULES_SERVERS);
    for (int i = 0; i < 16; i++) {
        n += (size_t)snprintf(file + n, size - n,
                              "%s{rule_id=%d; active=1; match_digest=\"x%c\";"
                              " destination_hostgroup=%d}",
                              i == 0 ? "" : ",", i + 1, 'a' + i, i % 3 + 1);
    }
    (void)snprintf(file + n, size - n, ")\n");
    rules_make(&made, file);
    free(file);
    for (unsigned i = 0; i < 6000; i++) {
        unsigned bits = i * 7919 % 65536;
        size_t len = (size_t)snprintf(sql, sizeof(sql), "SELECT ");

        for (int bit = 0; bit < 16; bit++) {
            if ((bits >> bit & 1) != 0) {
                len += (size_t)snprintf(sql + len, sizeof(sql) - len, "x%c", 'a' + bit);
            }
        }
        (void)rules_ask(&made, sql);
        assert_int_equal(made.out.n_hits, __builtin_popcount(bits));
    }
    assert_true(counted(&made, STAT_RULES_CACHE_FLUSHES) >= 3);
    rules_unmake(&made);
}

static const char *choose(uint64_t *random, const char *const *from, size_t n)
{
    return from[test_random(random) % n];
}

#define CHOOSE(random, list) choose((random), (list), ARRAY_SIZE(list))

static const char two_flags[] =
    "attributes=\"{\\\"flagOUTs\\\":[{\\\"id\\\":1,\\\"weight\\\":1},{\\\"id\\\":2,"
    "\\\"weight\\\":1}]}\"";

static size_t random_rule(uint64_t *random, char *out, size_t size, int id)
{
    static const char *const conditions[] = {
        "",
        "",
        "",
        "username=\"u\"; ",
        "username=\"v\"; ",
        "schemaname=\"s\"; ",
        "client_addr=\"10.%\"; ",
        "client_addr=\"11.%\"; ",
        "proxy_port=6033; ",
        "match_digest=\"^SELECT\"; ",
        "match_digest=\"a\"; negate_match_pattern=1; ",
        "match_digest=\"from b\"; ",
        "match_pattern=\"5\"; ",
        "match_pattern=\"select 5\"; negate_match_pattern=1; ",
        "match_pattern=\"5\"; replace_pattern=\"6\"; ",
        "match_pattern=\"a\"; replace_pattern=\"a5\"; re_modifiers=\"GLOBAL\"; ",
    };
    static const char *const actions[] = {
        "destination_hostgroup=1",
        "destination_hostgroup=2",
        "timeout=5",
        "delay=1; apply=1",
        "apply=1",
        "flagOUT=1",
        "flagOUT=2",
        "flagOUT=0",
        "destination_hostgroup=3; flagOUT=1",
        two_flags,
        "error_msg=\"x\"",
    };

    return (size_t)snprintf(out, size, "%s{rule_id=%d; active=1; flagIN=%d; %s%s}",
                            id == 1 ? "" : ",", id,
                            id < 4 ? id - 1 : (int)(test_random(random) % 3),
                            CHOOSE(random, conditions), CHOOSE(random, actions));
}

TEST(rules_cache_decides_as_without_it)
{
    static const char *const users[] = {"u", "v", "w"};
    static const char *const statements[] = {"SELECT 5", "SELECT 6",         "SELECT a FROM b",
                                             "DELETE",   "UPDATE t SET a=5", "SELECT a, 5 FROM b"};
    uint64_t random = 4711;

    for (int round = 0; round < 300; round++) {
        struct rules_made made;
        char file[8192];
        size_t n = (size_t)snprintf(file, sizeof(file),
                                    "mysql_variables={query_processor_iterations=%d}\n%s"
                                    "mysql_query_rules=(",
                                    (int)(test_random(&random) % 3), RULES_SERVERS);

        for (int id = 1; id < 12; id++) {
            n += random_rule(&random, file + n, sizeof(file) - n, id);
        }
        (void)snprintf(file + n, sizeof(file) - n, ")\n");
        rules_make(&made, file);
        for (int i = 0; i < 60; i++) {
            made.in.username = slice_of(CHOOSE(&random, users));
            made.in.chance = (uint32_t)test_random(&random);
            made.in.flag_in = (int)(test_random(&random) % 4);
            made.in.client_addr = test_random(&random) % 2 == 0 ? SLICE("10.1") : SLICE("11.1");
            (void)rules_ask(&made, CHOOSE(&random, statements)); /* compares */
        }
        rules_unmake(&made);
    }
}

TEST(rules_cache_without_memory_for_a_text_does_not_match_it)
{
    struct rules_made made;
    struct rules_result out;

    rules_make(&made, RULES("{rule_id=1; active=1; match_digest=\"^SELECT\";"
                            " destination_hostgroup=1}"));
    made.in.text = SLICE("SELECT 1");
    made.in.digest = 1;
    mem_fail_at(1);
    rules_match(made.rules, made.cache, &made.in, &out, NULL, 0, NULL);
    assert_int_equal(out.hostgroup, RULES_UNSET);
    rules_match(made.rules, made.cache, &made.in, &out, NULL, 0, NULL);
    assert_int_equal(out.hostgroup, 1); /* what was not known then is not remembered */
    rules_unmake(&made);
}

TEST(rules_regex_limits_are_counted)
{
    struct rules_made made;
    size_t n = 60000;
    char *sql = malloc(n + 1);

    assert_non_null(sql);
    memset(sql, 'a', n);
    sql[n] = '\0';
    rules_make(&made, RULES("{rule_id=1; active=1; match_pattern=\"(a+)+$\";"
                            " destination_hostgroup=1},\n"
                            "{rule_id=2; active=1; match_pattern=\"(a|aa)+$\";"
                            " negate_match_pattern=1; destination_hostgroup=2},\n"
                            "{rule_id=3; active=1; match_pattern=\"a\"; timeout=1}"));
    sql[n - 1] = '!';
    made.in.text = slice_of(sql);
    rules_match(made.rules, made.cache, &made.in, &made.out, NULL, 0, NULL);
    assert_int_equal(made.out.hostgroup, RULES_UNSET); /* negated or not: no match */
    assert_int_equal(made.out.timeout_ms, 1);
    assert_true(counted(&made, STAT_RULE_REGEX_LIMITS) >= 1);
    free(sql);
    rules_unmake(&made);
}

TEST(rules_of_five_thousand_digests_cost_one_lookup)
{
    size_t size = 1 << 20, n;
    char *file = malloc(size);
    struct rules_made made;

    assert_non_null(file);
    n = (size_t)snprintf(file, size, "%smysql_query_rules=(", RULES_SERVERS);
    for (int i = 0; i < 5000; i++) {
        n += (size_t)snprintf(file + n, size - n,
                              "%s{rule_id=%d; active=1; match_digest=\"^SELECT a%d FROM\";"
                              " destination_hostgroup=%d; apply=1}",
                              i == 0 ? "" : ",", i + 1, i, i % 3 + 1);
    }
    (void)snprintf(file + n, size - n, ")\n");
    rules_make(&made, file);
    free(file);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rules_ask(&made, "SELECT a4998 FROM t WHERE b = 7")->hostgroup, 1);
        assert_int_equal(rules_ask(&made, "SELECT a FROM t")->hostgroup, RULES_UNSET);
    }
    assert_int_equal(counted(&made, STAT_RULES_CACHE_MISSES), 2);
    assert_int_equal(counted(&made, STAT_RULES_CACHE_HITS), 38);
    rules_unmake(&made);
}
