/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_explain.c - EXPLAIN ROUTE: what it says of a statement. There are no workers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/explain.h"
#include "base/clock.h"
#include "base/mem.h"
#include "pool/cluster.h"
#include "pool/roles.h"
#include "proxy/galeway.h"
#include "router/route.h"
#include "router/rules.h"
#include "tests/unit/test.h"

#define USER "mysql_users=({username=\"u\"; password=\"p\"; default_hostgroup=10})\n"
#define SERVERS                                                                  \
    "mysql_servers=({address=\"/one\"; port=0; hostgroup=10; weight=1000},"      \
    " {address=\"/two\"; port=0; hostgroup=10; weight=900},"                     \
    " {address=\"/three\"; port=0; hostgroup=50})\n"                             \
    "mysql_galera_hostgroups=({writer_hostgroup=10; backup_writer_hostgroup=30;" \
    " reader_hostgroup=20; offline_hostgroup=40; active=1; max_writers=1;"       \
    " writer_is_also_reader=2})\n"

static struct galeway *make(const char *rules)
{
    struct galeway *g =
        aligned_alloc(CACHE_LINE, (sizeof(*g) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    struct faults faults = {0};
    struct conf *conf = NULL;
    char text[4096];

    assert_non_null(g);
    memset(g, 0, sizeof(*g));
    nodes_init(&g->nodes);
    accounts_init(&g->accounts);
    assert_int_equal(pthread_mutex_init(&g->snapshot_lock, NULL), 0);
    (void)snprintf(text, sizeof(text), "%s%s%s", SERVERS, USER, rules);
    assert_int_equal(conf_load_text(&conf, "t.cnf", slice_of(text), &faults), 0);
    assert_int_equal(galeway_apply(g, conf, &faults), 0);
    faults_fini(&faults);
    return g;
}

static void unmake(struct galeway *g)
{
    snapshot_unref(g->snapshot);
    accounts_fini(&g->accounts);
    nodes_fini(&g->nodes);
    (void)pthread_mutex_destroy(&g->snapshot_lock);
    free(g);
    assert_int_equal(mem_blocks(MEM_ADMIN) + mem_blocks(MEM_ROUTER) + mem_blocks(MEM_CONF), 0);
    assert_int_equal(mem_blocks(MEM_PENDING) + mem_blocks(MEM_CLIENT) + mem_blocks(MEM_POOL), 0);
}

static struct reply explain(struct galeway *g, const char *sql)
{
    struct reply r = {.kind = REPLY_OK};

    explain_route(g, SLICE("u"), SLICE("s"), slice_of(sql), &r);
    return r;
}

/* The row of this step and thing whose value has this in it. */
static bool says(const struct reply *r, const char *step, const char *what, const char *value)
{
    for (size_t i = 0; r->kind == REPLY_ROWS && i < reply_rows(r); i++) {
        const struct slice *row = r->values + 3 * i;

        if (slice_eq(row[0], slice_of(step)) && slice_eq(row[1], slice_of(what)) &&
            memmem(row[2].data, row[2].len, value, strlen(value)) != NULL) {
            return true;
        }
    }
    return false;
}

static bool has_step(const struct reply *r, const char *step)
{
    for (size_t i = 0; i < reply_rows(r); i++) {
        if (slice_eq(r->values[3 * i], slice_of(step))) {
            return true;
        }
    }
    return false;
}

TEST(explain_tells_a_read_from_a_write)
{
    struct galeway *g = make("");
    struct reply r = explain(g, "SELECT a FROM db.t WHERE b=17");

    assert_true(says(&r, "statement", "digest_text", "SELECT a FROM db.t WHERE b=?"));
    assert_true(says(&r, "statement", "digest", "0x"));
    assert_true(says(&r, "statement", "verb", "SELECT"));
    assert_true(says(&r, "statement", "fact", "read"));
    assert_true(says(&r, "statement", "table", "db.t"));
    assert_true(says(&r, "route", "hostgroup", "20"));
    assert_true(says(&r, "route", "reason", route_reason_text(ROUTE_READ)));
    assert_true(says(&r, "node", "/two", "candidate 1"));
    assert_true(
        says(&r, "node", "/one", "not used: up, but it does not read; role: as configured"));
    assert_true(says(&r, "answer", "made here", "no"));
    assert_false(has_step(&r, "pin"));
    reply_fini(&r);
    r = explain(g, "UPDATE t SET a = 1");
    assert_true(says(&r, "route", "hostgroup", "10"));
    assert_true(says(&r, "route", "reason", route_reason_text(ROUTE_WRITE)));
    assert_true(says(&r, "node", "/one", "candidate 1"));
    assert_true(says(&r, "node", "/two", "another node has the role"));
    reply_fini(&r);
    unmake(g);
}

TEST(explain_shows_roles_and_health)
{
    struct galeway *g = make("");
    const struct roles roles = {.writers = 2, .offline = 1};
    struct cluster *c = cluster_get(&g->nodes, 10);
    struct reply r;

    cluster_publish(c, &roles, false);
    atomic_store(&g->nodes.items[1]->shared.health, HEALTH_UP);
    atomic_store(&g->nodes.items[1]->shared.latency_us, 345);
    r = explain(g, "SELECT 1 FROM t");
    assert_true(says(&r, "route", "reason", route_reason_text(ROUTE_NO_READER)));
    assert_true(says(&r, "node", "/two", "candidate 1: role: writer, health: up"));
    assert_true(says(&r, "node", "/two", "latency 345 us"));
    assert_true(says(&r, "node", "/one", "role: offline, health: not checked"));
    assert_true(says(&r, "node", "/one", "why: not known")); /* there is no monitor */
    reply_fini(&r);
    atomic_store(&g->nodes.items[1]->shared.health, HEALTH_DOWN);
    r = explain(g, "UPDATE t SET a = 1");
    assert_true(says(&r, "route", "waits", "no node may serve it"));
    assert_true(says(&r, "node", "/two", "not used: down: the monitor"));
    assert_true(says(&r, "node", "/one", "not used: up, but another node has the role"));
    reply_fini(&r);
    unmake(g);
}

TEST(explain_shows_each_rule_and_what_comes_of_it)
{
    struct galeway *g =
        make("mysql_query_rules=("
             "{rule_id=1; active=1; username=\"other\"; destination_hostgroup=10},"
             "{rule_id=2; active=1; match_digest=\"named\"; destination_hostgroup=50; timeout=70;"
             " retries=3; delay=5; multiplex=0; apply=1},"
             "{rule_id=3; active=1; match_digest=\"forbidden\"; error_msg=\"no\"; apply=1},"
             "{rule_id=4; active=1; match_pattern=\"old\"; replace_pattern=\"new\"; apply=1})\n");
    struct reply r = explain(g, "SELECT named FROM t");

    assert_true(says(&r, "rules", "rule 1", "does not match"));
    assert_true(says(&r, "rules", "rule 2", "matches"));
    assert_false(says(&r, "rules", "rule 3", "")); /* apply */
    assert_true(says(&r, "result", "destination_hostgroup", "50"));
    assert_true(says(&r, "result", "timeout", "70"));
    assert_true(says(&r, "result", "retries", "3"));
    assert_true(says(&r, "result", "delay", "5"));
    assert_true(says(&r, "route", "reason", route_reason_text(ROUTE_NAMED)));
    assert_true(says(&r, "node", "/three", "candidate 1"));
    assert_true(says(&r, "pin", "multiplexing is off", ""));
    reply_fini(&r);
    r = explain(g, "SELECT forbidden");
    assert_true(says(&r, "result", "error_msg", "no"));
    assert_true(says(&r, "answer", "made here", "1148"));
    assert_false(has_step(&r, "route"));
    reply_fini(&r);
    r = explain(g, "UPDATE old SET a = 1");
    assert_true(says(&r, "result", "rewritten", "UPDATE new SET a = 1"));
    assert_true(says(&r, "rewritten", "table", "new"));
    reply_fini(&r);
    for (size_t i = 0; i < rules_count(g->snapshot->rules); i++) {
        assert_int_equal(rules_hits(g->snapshot->rules, i), 0); /* nothing is counted */
    }
    unmake(g);
}

TEST(explain_knows_the_pins)
{
    static const struct {
        const char *sql;
        const char *pin; /* NULL = none */
    } rows[] = {
        {"BEGIN", "transaction"},
        {"SET autocommit=0", "autocommit=0"},
        {"SELECT GET_LOCK('a', 1)", "get_lock"},
        {"SET @a = 1", "user variable"},
        {"CREATE TEMPORARY TABLE t (a INT)", "temporary table"},
        {"LOCK TABLES t WRITE", "lock tables"},
        {"PREPARE p FROM 'SELECT 1'", "prepare"},
        {"SET NAMES utf8mb4", NULL},
        {"SET SESSION sql_mode=''", NULL},
        {"SELECT 1", NULL},
        {"INSERT INTO t VALUES (1)", NULL},
        {"COMMIT", NULL},
    };
    struct galeway *g = make("");

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reply r = explain(g, rows[i].sql);

        print_message("%s\n", rows[i].sql);
        assert_int_equal(has_step(&r, "pin"), rows[i].pin != NULL);
        assert_true(rows[i].pin == NULL || says(&r, "pin", rows[i].pin, ""));
        reply_fini(&r);
    }
    unmake(g);
}

TEST(explain_says_what_cannot_be_served)
{
    struct galeway *g = make("");
    struct reply r = explain(g, "/* hostgroup=77 */ SELECT 1");

    assert_true(says(&r, "rules", "hint", "77"));
    assert_true(says(&r, "route", "error", "77"));
    reply_fini(&r);
    atomic_store(&g->nodes.items[1]->shared.down_until_ms, clock_now_ms() + 60000);
    r = explain(g, "/* hostgroup=20 */ SELECT 1"); /* the writer does not stand in for readers */
    assert_true(says(&r, "node", "/two", "down"));
    assert_true(says(&r, "route", "waits", "no node may serve it"));
    reply_fini(&r);
    explain_route(g, SLICE("nobody"), SLICE(""), SLICE("SELECT 1"), &r);
    assert_int_equal(r.kind, REPLY_ERROR);
    assert_non_null(strstr(r.message, "'nobody'"));
    reply_fini(&r);
    explain_route(g, SLICE("u"), SLICE(""), SLICE(""), &r); /* nothing at all */
    assert_true(says(&r, "statement", "verb", ""));
    reply_fini(&r);
    unmake(g);
}
