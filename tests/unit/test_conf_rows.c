/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conf_rows.c - the tables of rules and around them: each column is read, each fault is said.
 */
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/attributes.h"
#include "conf/conf.h"
#include "tests/unit/test.h"

static struct conf *load(const char *text, struct faults *faults)
{
    struct conf *conf = NULL;

    int rc = conf_load_text(&conf, "t.cnf", slice_of(text), faults);

    assert_int_equal(rc == 0, conf != NULL);
    return conf;
}

static struct conf *must_load(const char *text)
{
    struct faults faults = {0};
    struct conf *conf = load(text, &faults);

    for (size_t i = 0; i < faults.count; i++) {
        print_message("%d: %s\n", faults.items[i].line, faults.items[i].text);
    }
    assert_non_null(conf);
    faults_fini(&faults);
    return conf;
}

/* The text has one fault of that kind, on that line, which says so. */
static void expect(bool is_error, const char *text, int line, const char *says)
{
    struct faults faults = {0};
    uint64_t before = mem_blocks(MEM_CONF);
    struct conf *conf = load(text, &faults);
    bool found = false;

    assert_int_equal(conf == NULL, is_error);
    for (size_t i = 0; i < faults.count; i++) {
        found |= faults.items[i].is_error == is_error && faults.items[i].line == line &&
                 strstr(faults.items[i].text, says) != NULL;
    }
    if (!found) {
        for (size_t i = 0; i < faults.count; i++) {
            print_message("%d: %s\n", faults.items[i].line, faults.items[i].text);
        }
        fail_msg("line %d: no fault says: %s", line, says);
    }
    conf_unref(conf);
    faults_fini(&faults);
    assert_int_equal(mem_blocks(MEM_CONF), before);
}

TEST(conf_rows_rule_with_all_columns)
{
    struct conf *conf = must_load(
        "mysql_query_rules=({rule_id=7; active=true; username=\"u\"; schemaname=\"s\"; flagIN=1;"
        "client_addr=\"10.%\"; proxy_addr=\"1.2.3.4\"; proxy_port=6033;"
        "digest=\"0xABCdef0123456789\"; match_digest=\"d\"; match_pattern=\"p\";"
        "negate_match_pattern=1; re_modifiers=\" global,CASELESS \"; flagOUT=2;"
        "replace_pattern=\"\"; destination_hostgroup=3; cache_ttl=4; cache_empty_result=false;"
        "cache_timeout=5; reconnect=1; timeout=6; retries=7; delay=8; next_query_flagIN=9;"
        "mirror_flagOUT=10; mirror_hostgroup=11; error_msg=\"e\"; OK_msg=\"o\"; sticky_conn=1;"
        "multiplex=2; gtid_from_hostgroup=12; log=0; apply=\"1\"; attributes=\"{}\";"
        "comment=\"c\"})\n");
    const struct conf_rule *r = &conf->rules[0];

    assert_int_equal(r->rule_id, 7);
    assert_true(r->active && r->negate_match_pattern && r->apply);
    assert_string_equal(r->username, "u");
    assert_string_equal(r->schemaname, "s");
    assert_string_equal(r->client_addr, "10.%");
    assert_string_equal(r->proxy_addr, "1.2.3.4");
    assert_string_equal(r->match_digest, "d");
    assert_string_equal(r->match_pattern, "p");
    assert_string_equal(r->replace_pattern, "");
    assert_string_equal(r->error_msg, "e");
    assert_string_equal(r->ok_msg, "o");
    assert_string_equal(r->attributes, "{}");
    assert_string_equal(r->comment, "c");
    assert_int_equal(r->proxy_port, 6033);
    assert_true(r->digest == UINT64_C(0xABCDEF0123456789));
    assert_int_equal(r->re_modifiers, CONF_RE_GLOBAL | CONF_RE_CASELESS);
    assert_int_equal(r->flag_in * 100 + r->flag_out * 10 + r->destination_hostgroup, 123);
    assert_int_equal(r->cache_ttl_ms, 4);
    assert_int_equal(r->cache_empty_result, 0);
    assert_int_equal(r->cache_timeout * 10 + r->reconnect, 51);
    assert_int_equal(r->timeout_ms * 100 + r->retries * 10 + r->delay_ms, 678);
    assert_int_equal(r->next_query_flag_in + r->mirror_flag_out + r->mirror_hostgroup, 30);
    assert_int_equal(r->sticky_conn * 100 + r->multiplex * 10 + r->log, 120);
    assert_int_equal(r->gtid_from_hostgroup, 12);
    conf_unref(conf);
}

TEST(conf_rows_rule_with_defaults)
{
    struct conf *conf = must_load("mysql_query_rules=({rule_id=1})\n");
    const struct conf_rule *r = &conf->rules[0];

    assert_false(r->active || r->negate_match_pattern || r->apply);
    assert_null(r->username);
    assert_null(r->schemaname);
    assert_null(r->client_addr);
    assert_null(r->match_digest);
    assert_null(r->match_pattern);
    assert_null(r->replace_pattern);
    assert_null(r->error_msg);
    assert_null(r->ok_msg);
    assert_true(r->digest == 0);
    assert_int_equal(r->re_modifiers, CONF_RE_CASELESS);
    assert_int_equal(r->flag_in, 0);
    assert_int_equal(r->flag_out, CONF_UNSET);
    assert_int_equal(r->destination_hostgroup, CONF_UNSET);
    assert_int_equal(r->timeout_ms, CONF_UNSET);
    assert_int_equal(r->multiplex, CONF_UNSET);
    assert_int_equal(r->proxy_port, CONF_UNSET);
    assert_string_equal(r->attributes, "");
    assert_string_equal(r->comment, "");
    conf_unref(conf);
}

/* Nothing is said of the text, which is about this value. */
static void expect_none(const char *text, const char *value)
{
    struct faults faults = {0};
    struct conf *conf = load(text, &faults);

    for (size_t i = 0; i < faults.count; i++) {
        if (strstr(faults.items[i].text, "client_addr") != NULL) {
            fail_msg("%s: %s", value, faults.items[i].text);
        }
    }
    assert_non_null(conf);
    conf_unref(conf);
    faults_fini(&faults);
}

#define RULE(columns) "mysql_query_rules=(\n{rule_id=1;\n" columns "})\n"

TEST(conf_rows_rule_faults)
{
    static const struct {
        const char *text;
        int line;
        const char *says;
    } rows[] = {
        {"mysql_query_rules=(\n{active=1})\n", 2, "a row has no rule_id"},
        {RULE("active=2"), 3, "active: bad value 2; allowed: 0, 1, true or false"},
        {RULE("flagIN=-1"), 3, "flagIN: bad value"},
        {RULE("proxy_port=65536"), 3, "allowed: 0 to 65535"},
        {RULE("digest=5"), 3, "\"0x\" and 1 to 16 hex digits"},
        {RULE("digest=\"0x\""), 3, "digest: bad value"},
        {RULE("digest=\"0x0\""), 3, "digest: bad value"},
        {RULE("digest=\"0xg\""), 3, "digest: bad value"},
        {RULE("digest=\"12345\""), 3, "digest: bad value \"12345\"; allowed: "},
        {RULE("digest=\"0x12345678901234567\""), 3, "digest: bad value"},
        {RULE("re_modifiers=\"CASELES\""), 3, "allowed: CASELESS and GLOBAL"},
        {RULE("retries=1001"), 3, "allowed: 0 to 1000"},
        {RULE("multiplex=3"), 3, "allowed: 0 to 2"},
        {RULE("cache_ttl=0"), 3, "cache_ttl: bad value"},
        {RULE("log=\"x\""), 3, "log: bad value"},
        {RULE("match_digest=7"), 3, "match_digest: bad value"},
        {RULE("client_addr=\"1%2\""), 2, "\"1%2\" has a % that is not its last character"},
        {RULE("replace_pattern=\"x\""), 2, "a replace_pattern and no match_pattern"},
        {RULE("attributes=\"{\""), 2, "attributes: is not JSON"},
        {"mysql_query_rules=(\n{rule_id=1},\n{rule_id=2},\n{rule_id=1})\n", 4,
         "rule_id 1 is there twice; first at t.cnf:2"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        expect(true, rows[i].text, rows[i].line, rows[i].says);
    }
}

TEST(conf_rows_columns_without_effect_are_warned_of)
{
    expect(false, RULE("reconnect=0"), 3, "mysql_query_rules: reconnect: accepted, but not");
    expect(false, RULE("cache_timeout=0"), 3, "cache_timeout: accepted");
    expect(false, RULE("gtid_from_hostgroup=1"), 3, "gtid_from_hostgroup: accepted");
    expect(false, "mysql_hostgroup_attributes=({hostgroup_id=1;\nmultiplex=false})\n", 2,
           "multiplex: accepted");
    expect(false, "mysql_collations=({Id=5; Collation=\"a\"; Charset=\"b\"})\n", 1,
           "mysql_collations: accepted");
}

TEST(conf_rows_addresses_that_fit_no_client_are_warned_of)
{
    static const char *const good[] = {"10.%", "%",         "10.0.0.25%", "2001:db8::%",
                                       "::1",  "localhost", "10.0.0.9"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        char text[160];

        (void)snprintf(text, sizeof(text),
                       "mysql_query_rules=({rule_id=1; active=1; "
                       "client_addr=\"%s\"})\n",
                       good[i]);
        expect_none(text, good[i]);
    }
    expect(false, RULE("active=1; client_addr=\"10.0.0.999\""), 2,
           "client_addr: \"10.0.0.999\" is no address");
    expect(false, RULE("active=1; client_addr=\"10.0.999%\""), 2, "fits no client");
    expect(false, RULE("active=1; client_addr=\"web1\""), 2, "fits no client");
    expect(false,
           "mysql_firewall_whitelist_users=({username=\"u\";\nclient_address=\"10.0.0\"; "
           "active=1; mode=\"OFF\"})\n",
           1, "mysql_firewall_whitelist_users: client_address: \"10.0.0\" is no address");
}

TEST(conf_rows_of_the_other_tables)
{
    struct conf *conf = must_load(
        "mysql_query_rules_fast_routing=({username=\"u\"; schemaname=\"s\";"
        " destination_hostgroup=5})\n"
        "mysql_firewall_whitelist_users=({username=\"u\"; client_address=\"\"; "
        "mode=\"Protecting\"})\n"
        "mysql_firewall_whitelist_rules=({username=\"u\"; client_address=\"\"; schemaname=\"s\";"
        " flagIN=2; digest=\"0x1F\"})\n"
        "mysql_firewall_whitelist_sqli_fingerprints=({fingerprint=\"s&1\"; active=0})\n"
        "mysql_hostgroup_attributes=({hostgroup_id=3; multiplex=true; hostgroup_settings=\"{}\";"
        " comment=\"x\"})\n"
        "mysql_replication_hostgroups=({writer_hostgroup=1; reader_hostgroup=2;"
        " check_type=\"read_only&innodb_read_only\"})\n"
        "mysql_servers_ssl_params=({hostname=\"a\"; ssl_ca=\"/x\"})\n"
        "mysql_collations=({Id=5; Collation=\"a\"; Charset=\"b\"; Default=\"Yes\"})\n"
        "scheduler=({id=1; interval_ms=1000; filename=\"/x\"; arg1=\"-v\"})\n"
        "proxysql_servers=({hostname=\"p\"}, {hostname=\"p\"; port=1})\n");

    assert_int_equal(conf->fast_routes[0].destination_hostgroup, 5);
    assert_int_equal(conf->firewall_users[0].mode, FIREWALL_PROTECTING);
    assert_int_equal(conf->firewall_rules[0].digest, 0x1f);
    assert_int_equal(conf->firewall_rules[0].flag_in, 2);
    assert_false(conf->fingerprints[0].active);
    assert_int_equal(conf->hostgroups[0].autocommit, -1);
    assert_true(conf->hostgroups[0].multiplex);
    assert_int_equal(conf->replications[0].check_type, 4);
    assert_int_equal(conf->ssl_params[0].port, 3306);
    assert_string_equal(conf->ssl_params[0].ssl_ca, "/x");
    assert_string_equal(conf->collations[0].is_default, "Yes");
    assert_string_equal(conf->schedulers[0].arg1, "-v");
    assert_null(conf->schedulers[0].arg2);
    assert_int_equal(conf->n_proxies, 2);
    assert_int_equal(conf->proxies[0].port, 6032);
    conf_unref(conf);
}

#define TWICE(table, row) table "=(\n{" row "},\n{" row "})\n"

TEST(conf_rows_that_are_there_twice)
{
    expect(true,
           TWICE("mysql_query_rules_fast_routing",
                 "username=\"u\"; schemaname=\"s\"; flagIN=3; destination_hostgroup=1"),
           3, "username \"u\", schemaname \"s\", flagIN 3 is there twice; first at t.cnf:2");
    expect(true,
           TWICE("mysql_firewall_whitelist_users", "username=\"u\"; client_address=\"1.2.3.4\""), 3,
           "client_address \"1.2.3.4\" is there twice");
    expect(true,
           TWICE("mysql_firewall_whitelist_rules",
                 "username=\"u\"; client_address=\"\"; schemaname=\"s\"; digest=\"0x5\""),
           3, "digest 0x0000000000000005 is there twice");
    expect(true, TWICE("mysql_firewall_whitelist_sqli_fingerprints", "fingerprint=\"f\""), 3,
           "fingerprint \"f\" is there twice");
    expect(true, TWICE("mysql_hostgroup_attributes", "hostgroup_id=1"), 3, "hostgroup_id 1 is");
    expect(true, TWICE("mysql_servers_ssl_params", "hostname=\"h\""), 3, "h:3306, username \"\"");
    expect(true, TWICE("mysql_collations", "Id=1; Collation=\"a\"; Charset=\"b\""), 3, "Id 1 is");
    expect(true, TWICE("scheduler", "id=1; interval_ms=100; filename=\"/x\""), 3, "id 1 is there");
    expect(true, TWICE("proxysql_servers", "hostname=\"h\""), 3, "h:6032 is there twice");
    expect(true,
           "mysql_replication_hostgroups=(\n{writer_hostgroup=1; reader_hostgroup=2},\n"
           "{writer_hostgroup=3; reader_hostgroup=2})\n",
           3, "reader_hostgroup 2 is there twice");
    expect(true, TWICE("mysql_replication_hostgroups", "writer_hostgroup=1; reader_hostgroup=2"), 3,
           "writer_hostgroup 1 is there twice");
}

TEST(conf_rows_faults_of_the_other_tables)
{
    expect(true, "mysql_replication_hostgroups=(\n{writer_hostgroup=1; reader_hostgroup=1})\n", 2,
           "are both 1");
    expect(true,
           "mysql_replication_hostgroups=(\n{writer_hostgroup=1; reader_hostgroup=2;\n"
           "check_type=\"x\"})\n",
           3, "allowed: one of read_only innodb_read_only");
    expect(true, "mysql_hostgroup_attributes=(\n{hostgroup_id=1; servers_defaults=\"[\"})\n", 2,
           "servers_defaults: is not JSON");
    expect(true, "mysql_hostgroup_attributes=(\n{hostgroup_id=1;\nfree_connections_pct=101})\n", 3,
           "allowed: 0 to 100");
    expect(true, "scheduler=(\n{id=1;\ninterval_ms=99; filename=\"x\"})\n", 3,
           "allowed: 100 to 100000000");
    expect(true, "mysql_query_rules_fast_routing=(\n{username=\"u\"; destination_hostgroup=1})\n",
           2, "a row has no schemaname");
    expect(true,
           "mysql_firewall_whitelist_users=({username=\"u\"; client_address=\"\";\n"
           "mode=\"ON\"})\n",
           2, "allowed: one of OFF DETECTING PROTECTING");
    expect(true, "mysql_users=(\n{username=\"u\"; active=0; attributes=\"x\"})\n", 2,
           "attributes: is not JSON");
    expect(true, "mysql_query_rulez=()\n", 1, "did you mean \"mysql_query_rules\"?");
}

TEST(conf_rows_hostgroups_with_servers_are_known)
{
    struct conf *conf =
        must_load("mysql_servers=({address=\"a\"; hostgroup=10}, {address=\"a\"; hostgroup=30})\n"
                  "mysql_galera_hostgroups=({writer_hostgroup=10; backup_writer_hostgroup=11;"
                  " reader_hostgroup=12; offline_hostgroup=13})\n"
                  "mysql_replication_hostgroups=({writer_hostgroup=31; reader_hostgroup=30},"
                  "{writer_hostgroup=41; reader_hostgroup=40})\n");
    static const int served[] = {10, 11, 12, 30, 31}, empty[] = {0, 13, 40, 41, -1};

    for (size_t i = 0; i < 5; i++) {
        assert_true(conf_is_served(conf, served[i]));
        assert_false(conf_is_served(conf, empty[i]));
    }
    assert_true(conf_has_servers(conf, 30));
    assert_false(conf_has_servers(conf, 12));
    conf_unref(conf);
}

/* The attributes of a user, with what libconfig wants escaped. */
static void expect_json(const char *attributes, bool is_good)
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    char file[8192] = "mysql_users=({username=\"u\"; active=0; attributes=\"";
    size_t n = strlen(file);
    int rc;

    for (const char *p = attributes; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            file[n++] = '\\';
        }
        file[n++] = *p;
    }
    (void)snprintf(file + n, sizeof(file) - n, "\"})\n");
    rc = conf_load_text(&conf, "t.cnf", slice_of(file), &faults);
    if ((rc == 0) != is_good) {
        fail_msg("%s: %s", attributes, is_good ? "is JSON" : "is not JSON");
    }
    if (is_good) {
        assert_string_equal(conf->users[0].attributes, attributes);
    } else {
        assert_int_equal(faults.errors, 1);
        assert_non_null(strstr(faults.items[faults.count - 1].text, "is not JSON (at byte "));
    }
    conf_unref(conf);
    faults_fini(&faults);
}

TEST(conf_attributes_are_json_or_nothing)
{
    static const char *const good[] = {
        "",       "{}",
        "[]",     " { } ",
        "1",      "-0.5e+10",
        "\"\"",   "\"a\\u00e4\\n\\\"\"",
        "true",   "false",
        "null",   "{\"a\":[1,2,{\"b\":null}],\"c\":\"d\"}",
        "[[[]]]", "\t[1 , 2]\r\n",
        "0",
    };
    static const char *const bad[] = {
        "{",          "}",     "[",       "]",           "[1,]",   "{\"a\"}", "{\"a\":}",
        "{\"a\":1,}", "{a:1}", "01",      "1.",          "1e",     "-",       "+1",
        ".5",         "\"",    "\"\\x\"", "\"\\u12g4\"", "\"\n\"", "tru",     "nul",
        "[1 2]",      "1 2",   "{}{}",    "[}",          "{]",     "'a'",     "{\"a\":1 \"b\":2}",
        "{,}",        "[,]",
    };

    char deep[4001];

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        expect_json(good[i], true);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        expect_json(bad[i], false);
    }
    memset(deep, '[', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    expect_json(deep, false);
    memset(deep + 2000, ']', 2000);
    expect_json(deep, true);
}

/* How long reads of a user, or of what a rule matches, follow the writes of a site. */
TEST(conf_attributes_have_a_causal_window)
{
    static const struct {
        const char *json;
        int64_t window_ms;
        bool is_good;
    } rows[] = {
        {"", CONF_UNSET, true},
        {"{}", CONF_UNSET, true},
        {"[1]", CONF_UNSET, true},
        {"{\"x\":{\"causal_window_ms\":1}}", CONF_UNSET, true},
        {"{\"causal_window_ms\":0}", 0, true},
        {"{\"causal_window_ms\":3600000,\"x\":1}", 3600000, true},
        {"{\"causal_window_ms\":3600001}", CONF_UNSET, false},
        {"{\"causal_window_ms\":-1}", CONF_UNSET, false},
        {"{\"causal_window_ms\":\"1\"}", CONF_UNSET, false},
        {"{\"causal_window_ms\":1.5}", CONF_UNSET, false},
        {"{\"causal_window_ms\":null}", CONF_UNSET, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t window_ms = 7;

        assert_int_equal(attributes_causal_window(rows[i].json, &window_ms), rows[i].is_good);
        assert_int_equal(window_ms, rows[i].window_ms);
    }
}

TEST(conf_attributes_of_a_wrong_causal_window_are_refused)
{
    expect(true,
           "mysql_users=(\n{username=\"u\"; attributes=\"{\\\"causal_window_ms\\\":true}\"})\n", 2,
           "mysql_users: attributes: causal_window_ms is not a whole number");
    expect(true,
           "mysql_query_rules=(\n{rule_id=1; active=0; "
           "attributes=\"{\\\"causal_window_ms\\\":-5}\"})\n",
           2, "mysql_query_rules: attributes: causal_window_ms is not a whole number");
}

TEST(conf_attributes_say_what_tls_a_user_needs)
{
    static const struct {
        const char *json;
        bool is_good, tls, certificate;
        const char *subject;
    } rows[] = {
        {"", true, false, false, ""},
        {"{\"causal_window_ms\":1}", true, false, false, ""},
        {"{\"require_x509\":false}", true, false, false, ""},
        {"{\"require_x509\":true}", true, true, true, ""},
        {"{\"x509_subject\":\"/CN=a\"}", true, true, true, "/CN=a"},
        {"{\"x509_issuer\":\"/CN=i\"}", true, true, true, ""},
        {"{\"ssl_cipher\":\"X\"}", true, true, false, ""},
        /* What cannot be understood is not taken for nothing. */
        {"{\"require_x509\":1}", false, true, true, ""},
        {"{\"x509_subject\":null}", false, true, true, "?"},
        {"{\"x509_subject\":[\"/CN=a\"]}", false, true, true, "?"},
    };
    static char longest[2000];
    struct tls_need need;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(attributes_tls_need(rows[i].json, &need), rows[i].is_good);
        assert_int_equal(need.tls, rows[i].tls);
        assert_int_equal(need.certificate, rows[i].certificate);
        assert_string_equal(need.subject, rows[i].subject);
    }
    (void)snprintf(longest, sizeof(longest), "{\"x509_subject\":\"%01024d\"}", 7);
    assert_false(attributes_tls_need(longest, &need));
    assert_string_equal(need.subject, "?");
    (void)snprintf(longest, sizeof(longest), "{\"x509_subject\":\"%01023d\"}", 7);
    assert_true(attributes_tls_need(longest, &need));
}
