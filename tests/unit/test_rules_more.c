/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_rules_more.c - rewriting, hints, fast routing, the firewall; what is wrong with rules.
 */
#include "base/mem.h"
#include "router/facts.h"
#include "tests/unit/rules_made.h"

static void assert_rewritten(struct rules_made *made, const char *sql, const char *text)
{
    const struct rules_result *out = rules_ask(made, sql);

    if (text == NULL) {
        assert_false(out->is_rewritten);
        return;
    }
    assert_true(out->is_rewritten);
    assert_int_equal(out->rewritten.len, strlen(text));
    assert_memory_equal(out->rewritten.data, text, strlen(text));
}

TEST(rules_rewrite_what_matched)
{
    struct rules_made made;

    rules_make(&made, RULES("{rule_id=1; active=1; match_pattern=\"from\\\\s+old_(\\\\w+)\";"
                            " replace_pattern=\"FROM new_\\\\1 /* \\\\0 \\\\\\\\ */\"}"));
    assert_rewritten(&made, "SELECT a FROM old_t WHERE b FROM old_u",
                     "SELECT a FROM new_t /* FROM old_t \\ */ WHERE b FROM old_u");
    assert_rewritten(&made, "SELECT a FROM t", NULL);
    rules_unmake(&made);
    rules_make(&made, RULES("{rule_id=1; active=1; match_pattern=\"a*\"; replace_pattern=\"-\";"
                            " re_modifiers=\"caseless , GLOBAL\"}"));
    assert_rewritten(&made, "bAac", "-b--c-");
    rules_unmake(&made);
    rules_make(&made,
               RULES("{rule_id=1; active=1; match_pattern=\"a|(b)\"; replace_pattern=\"\\\\1\";"
                     " re_modifiers=\"GLOBAL\"}"));
    assert_rewritten(&made, "xaby", "xby");
    rules_unmake(&made);
}

TEST(rules_rewrite_what_was_rewritten)
{
    struct rules_made made;

    rules_make(&made,
               RULES("{rule_id=1; active=1; match_pattern=\"one\"; replace_pattern=\"two\"},\n"
                     "{rule_id=2; active=1; match_pattern=\"two\"; replace_pattern=\"three\"},\n"
                     "{rule_id=3; active=1; match_pattern=\"one\"; destination_hostgroup=1},\n"
                     "{rule_id=4; active=1; match_pattern=\"three\"; destination_hostgroup=2}"));
    assert_rewritten(&made, "SELECT one, one", "SELECT three, one");
    assert_int_equal(made.out.hostgroup, 2);
    assert_int_equal(made.out.n_hits, 4);
    assert_rewritten(&made, "SELECT two", "SELECT three");
    assert_rewritten(&made, "SELECT four", NULL);
    rules_unmake(&made);
}

TEST(rules_rewrite_only_what_fits)
{
    struct rules_made made;
    struct rules_result out;
    char text[16];

    rules_make(&made, RULES("{rule_id=1; active=1; match_pattern=\"a\"; replace_pattern=\"bb\";"
                            " destination_hostgroup=1},\n"
                            "{rule_id=2; active=1; match_pattern=\"b\"; replace_pattern=\"cccccc\";"
                            " re_modifiers=\"GLOBAL\"}"));
    made.in.text = SLICE("xxxxxxxxxxxa");
    for (size_t cap = 0; cap <= sizeof(text); cap++) {
        char *exact = malloc(MAX(cap, 1));

        rules_match(made.rules, NULL, &made.in, &out, exact, cap, NULL);
        assert_int_equal(out.hostgroup, 1);
        assert_int_equal(out.is_rewritten, cap >= 13);
        if (out.is_rewritten) {
            assert_memory_equal(out.rewritten.data, "xxxxxxxxxxxbb", 13);
            assert_int_equal(out.rewritten.len, 13);
        }
        free(exact);
    }
    rules_match(made.rules, NULL, &made.in, &out, NULL, 100, NULL);
    assert_false(out.is_rewritten);
    rules_match(made.rules, made.cache, &made.in, &out, text, 14, NULL);
    assert_int_equal(made.stats.values[STAT_RULE_REWRITE_LIMITS], 1);
    rules_unmake(&made);
}

TEST(rules_hints_are_not_for_copies)
{
    struct rules_made made;

    rules_make(&made, RULES("{rule_id=1; active=1; destination_hostgroup=1}"));
    assert_int_equal(rules_ask(&made, "/* hostgroup=2 */ SELECT 1")->hostgroup, 2);
    made.in.is_copy = true;
    assert_int_equal(rules_ask(&made, "/* hostgroup=2 */ SELECT 1")->hostgroup, 1);
    rules_unmake(&made);
    rules_make(&made, RULES_SERVERS);
    assert_int_equal(rules_ask(&made, "/* hostgroup=2 */ SELECT 1")->hostgroup, 2);
    made.in.is_copy = true;
    assert_int_equal(rules_ask(&made, "/* hostgroup=2 */ SELECT 1")->hostgroup, RULES_UNSET);
    rules_unmake(&made);
}

TEST(rules_say_what_they_depended_on)
{
    struct rules_made made;

    rules_make(&made, RULES("{rule_id=1; active=1; flagIN=4; attributes=\"{\\\"flagOUTs\\\":"
                            "[{\\\"id\\\":5,\\\"weight\\\":1}]}\"},\n"
                            "{rule_id=2; active=1; flagIN=5; destination_hostgroup=1}"));
    assert_false(rules_ask(&made, "SELECT 1")->is_by_lot);
    assert_int_equal(made.out.flag_in, 0);
    made.in.flag_in = 4;
    assert_true(rules_ask(&made, "SELECT 1")->is_by_lot);
    assert_int_equal(made.out.flag_in, 4);
    assert_int_equal(made.out.hostgroup, 1);
    rules_unmake(&made);
}

TEST(rules_hints_have_the_last_word)
{
    struct rules_made made;
    const struct rules_result *out;

    rules_make(&made, RULES("{rule_id=1; active=1; destination_hostgroup=1; timeout=5; apply=1}"));
    out = rules_ask(&made, "/* hostgroup=20;query_timeout=100 */ SELECT 1");
    assert_int_equal(out->hostgroup, 20);
    assert_int_equal(out->timeout_ms, 100);
    out = rules_ask(&made, "SELECT /* HostGroup = 3 ; query_delay=7;query_retries=2; cache_ttl=50;"
                           "mirror=2;create_new_connection=1; x */ 1");
    assert_int_equal(out->hostgroup, 3);
    assert_int_equal(out->timeout_ms, 5);
    assert_int_equal(out->delay_ms, 7);
    assert_int_equal(out->retries, 2);
    assert_int_equal(out->cache_ttl_ms, 50);
    assert_int_equal(out->mirror_hostgroup, 2);
    assert_true(out->new_connection);
    rules_unmake(&made);
}

TEST(rules_hints_that_are_none_do_nothing)
{
    static const char *const none[] = {
        "/* hostgroup=x */ SELECT 1",
        "/* hostgroup=-1 */ SELECT 1",
        "/* hostgroup=99999999999 */ SELECT 1",
        "/* hostgroup= */ SELECT 1",
        "/* hostgroup */ SELECT 1",
        "/* =20 */ SELECT 1",
        "/*! hostgroup=20 */ SELECT 1",
        "/*M! hostgroup=20 */ SELECT 1",
        "/* x */ /* hostgroup=20 */ SELECT 1",
        "SELECT 1 /* hostgroup=20 */",
        "SELECT '/* hostgroup=20 */'",
        "/* hostgroup=20 ",
        "-- hostgroup=20\nSELECT 1",
        "/*/ hostgroup=20",
        "/*",
        "",
    };
    struct rules_made made;

    rules_make(&made, RULES_SERVERS); /* hints need no rule */
    assert_int_equal(rules_ask(&made, "/*hostgroup=20*/SELECT 1")->hostgroup, 20);
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        if (rules_ask(&made, none[i])->hostgroup != RULES_UNSET) {
            fail_msg("%s", none[i]);
        }
    }
    assert_true(rules_has_hint(SLICE("/* x */")));
    assert_true(rules_has_hint(SLICE(" SELECT/* x */")));
    assert_false(rules_has_hint(SLICE("SELECT 1 /* x */")));
    rules_unmake(&made);
}

#define FAST                                                                       \
    "mysql_query_rules_fast_routing=(\n"                                           \
    "{username=\"u\"; schemaname=\"s\"; destination_hostgroup=1; comment=\"\"},\n" \
    "{username=\"\"; schemaname=\"s\"; destination_hostgroup=2; comment=\"\"},\n"  \
    "{username=\"u\"; schemaname=\"s\"; flagIN=9; destination_hostgroup=3; comment=\"\"})\n"

TEST(rules_fast_routing_comes_behind_the_rules)
{
    struct rules_made made;

    rules_make(&made, RULES("{rule_id=1; active=1; match_digest=\"^SELECT 9\"; apply=1;"
                            " destination_hostgroup=10},\n"
                            "{rule_id=2; active=1; match_digest=\"^UPDATE\";"
                            " destination_hostgroup=20},\n"
                            "{rule_id=3; active=1; match_digest=\"^DELETE\"; flagOUT=9},\n"
                            "{rule_id=4; active=1; match_pattern=\"secret\"; apply=1}") FAST);
    assert_int_equal(rules_ask(&made, "INSERT INTO t VALUES (1)")->hostgroup, 1);
    assert_int_equal(rules_ask(&made, "UPDATE t SET a = 1")->hostgroup, 1);
    assert_int_equal(rules_ask(&made, "DELETE FROM t")->hostgroup, 3);
    assert_int_equal(rules_ask(&made, "SELECT 'secret'")->hostgroup, RULES_UNSET);
    made.in.username = SLICE("v");
    assert_int_equal(rules_ask(&made, "INSERT INTO t VALUES (1)")->hostgroup, 2);
    assert_int_equal(rules_ask(&made, "UPDATE t SET a = 1")->hostgroup, 2);
    made.in.schemaname = SLICE("z");
    assert_int_equal(rules_ask(&made, "UPDATE t SET a = 1")->hostgroup, 20);
    made.in.schemaname = (struct slice){NULL, 0};
    assert_int_equal(rules_ask(&made, "INSERT INTO t VALUES (1)")->hostgroup, RULES_UNSET);
    rules_unmake(&made);
}

/* A firewall on for three users: one protected for an address, one watched, one free. */
static void make_firewall(struct rules_made *made, const char *variables)
{
    struct facts facts;
    char file[2048];

    facts_scan(&facts, SLICE("SELECT a FROM t WHERE id=1"), 0);
    (void)snprintf(
        file, sizeof(file),
        "%s" RULES_SERVERS "mysql_firewall_whitelist_users=("
        "{username=\"u\"; client_address=\"10.0.0.7\"; mode=\"PROTECTING\"},\n"
        "{username=\"w\"; client_address=\"\"; mode=\"detecting\"},\n"
        "{username=\"f\"; client_address=\"\"},\n"
        "{username=\"g\"; client_address=\"\"; active=0})\n"
        "mysql_firewall_whitelist_rules=("
        "{username=\"u\"; client_address=\"10.0.0.7\"; schemaname=\"s\"; digest=\"0x%llx\"},\n"
        "{username=\"w\"; client_address=\"\"; schemaname=\"s\"; digest=\"0x%016llX\"})\n",
        variables, (unsigned long long)facts.digest, (unsigned long long)facts.digest);
    rules_make(made, file);
}

TEST(rules_firewall_passes_what_is_on_the_list)
{
    static const char known[] = "SELECT a FROM t WHERE id=77", other[] = "SELECT b FROM t";
    struct rules_made made;

    make_firewall(&made, "mysql_variables={firewall_whitelist_enabled=true;"
                         "firewall_whitelist_errormsg=\"go away\"}\n");
    assert_null(rules_ask(&made, known)->firewall_text);
    assert_string_equal(rules_ask(&made, other)->firewall_text, "go away");
    made.in.schemaname = SLICE("z");
    assert_non_null(rules_ask(&made, known)->firewall_text);
    made.in.schemaname = SLICE("s");
    made.in.client_addr = SLICE("10.0.0.8"); /* no row of the user's: protected */
    assert_non_null(rules_ask(&made, known)->firewall_text);
    made.in.username = SLICE("g");
    assert_non_null(rules_ask(&made, known)->firewall_text);
    made.in.username = SLICE("w");
    assert_null(rules_ask(&made, other)->firewall_text);
    assert_true(made.out.firewall_detected);
    assert_false(rules_ask(&made, known)->firewall_detected);
    made.in.username = SLICE("f");
    assert_null(rules_ask(&made, other)->firewall_text);
    assert_false(made.out.firewall_detected);
    rules_unmake(&made);
    make_firewall(&made, "");
    assert_true(rules_is_empty(made.rules));
    assert_null(rules_ask(&made, other)->firewall_text);
    rules_unmake(&made);
}

TEST(rules_faults_are_said)
{
    rules_refused(RULES("{rule_id=1; active=1; match_digest=\"a(b\"}"), 3,
                  "rule_id 1: match_digest \"a(b\": at offset 3: missing closing parenthesis");
    rules_refused(RULES("\n{rule_id=1; active=1; match_pattern=\"[\"}"), 4,
                  "match_pattern \"[\": at offset 1: missing terminating ]");
    rules_refused(RULES("{rule_id=1; active=1; destination_hostgroup=77}"), 3,
                  "destination_hostgroup 77 has no server");
    rules_refused(RULES("{rule_id=1; active=1; mirror_hostgroup=77}"), 3,
                  "mirror_hostgroup 77 has no server");
    rules_refused(RULES("{rule_id=1; active=1; flagOUT=5}"), 3,
                  "flagOUT 5 is the flagIN of no active rule");
    rules_refused(RULES("{rule_id=1; active=1; match_pattern=\"(a)\"; replace_pattern=\"\\\\2\"}"),
                  3, "names a group that match_pattern does not have");
    rules_refused(RULES("{rule_id=1; active=1; match_pattern=\"(a)\"; replace_pattern=\"\\\\x\"}"),
                  3, "has a backslash in front of neither");
    rules_refused(RULES("{rule_id=1; active=1; attributes=\"{\\\"flagOUTs\\\":5}\"}"), 3,
                  "attributes are not as in");
    rules_refused(RULES("{rule_id=1; active=1; attributes=\"{\\\"flagOUTs\\\":[]}\"}"), 3,
                  "attributes are not as in");
    rules_refused(RULES("{rule_id=1; active=1; attributes=\"{\\\"flagOUTs\\\":[{\\\"id\\\":4,"
                        "\\\"weight\\\":1}]}\"}"),
                  3, "flagOUT 4 is the flagIN of no active rule");
    rules_refused(RULES_SERVERS "mysql_query_rules_fast_routing=(\n{username=\"u\";"
                                "schemaname=\"s\"; destination_hostgroup=5})\n",
                  3, "destination_hostgroup 5 of username \"u\"");
    rules_warned(RULES("{rule_id=1; active=1; next_query_flagIN=5}"), 3,
                 "next_query_flagIN 5 is the flagIN of no active rule");
}

TEST(rules_that_are_not_active_may_be_wrong)
{
    struct rules_made made;

    rules_make(&made, RULES("{rule_id=1; match_digest=\"a(b\"; destination_hostgroup=77;"
                            " flagOUT=99},\n"
                            "{rule_id=2; active=1; flagOUT=99; apply=1; destination_hostgroup=1}"));
    assert_int_equal(rules_ask(&made, "SELECT 1")->hostgroup, 1);
    rules_unmake(&made);
}

/* The line of a rule, in a trace of what SELECT 1 meets. */
static void assert_traced(const char *file, size_t index, bool matched, const char *says)
{
    struct rules_made made;
    struct rules_trace trace = {0};

    rules_make(&made, file);
    made.in.text = SLICE("/* hostgroup=2 */ SELECT 1");
    rules_match(made.rules, made.cache, &made.in, &made.out, NULL, 0, &trace);
    assert_true(trace.n > index);
    assert_int_equal(trace.lines[index].matched, matched);
    if (strstr(trace.lines[index].why, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", trace.lines[index].why, says);
    }
    rules_trace_fini(&trace);
    rules_unmake(&made);
}

TEST(rules_traces_say_why)
{
    static const char no_users[] =
        "mysql_variables={firewall_whitelist_enabled=true}\n" RULES_SERVERS;

    assert_traced(RULES("{rule_id=1; active=1; username=\"a\"}"), 0, false,
                  "username: 'u' is not 'a'");
    assert_traced(RULES("{rule_id=1; active=1; schemaname=\"a\"}"), 0, false, "schemaname: 's'");
    assert_traced(RULES("{rule_id=1; active=1; client_addr=\"9%\"}"), 0, false,
                  "client_addr: '10.0.0.7' is not '9%'");
    assert_traced(RULES("{rule_id=1; active=1; proxy_addr=\"a\"}"), 0, false, "proxy_addr:");
    assert_traced(RULES("{rule_id=1; active=1; proxy_port=5}"), 0, false, "proxy_port: 6033");
    assert_traced(RULES("{rule_id=1; active=1; digest=\"0x5\"}"), 0, false, "0x0000000000000005");
    assert_traced(RULES("{rule_id=1; active=1; flagIN=3}"), 0, false, "flagIN: 0 is not 3");
    assert_traced(RULES("{rule_id=1; active=1; match_digest=\"^U\"}"), 0, false,
                  "match_digest: ^U does not match");
    assert_traced(RULES("{rule_id=1; active=1; match_pattern=\"SELECT\"; negate_match_pattern=1}"),
                  0, false, "match_pattern: SELECT matches (negate");
    assert_traced(RULES("{rule_id=1; active=1},\n{rule_id=2; active=1; destination_hostgroup=1;"
                        " apply=1}"),
                  1, true, "matches, destination_hostgroup=1, apply");
    assert_traced(RULES("{rule_id=1; active=1}"), 1, true, "hint: hostgroup=2");
    assert_traced(RULES("{rule_id=1; active=1}") FAST, 1, true, "fast routing: ");
    assert_traced(no_users, 1, true, "firewall: not on the list: refused");
}
