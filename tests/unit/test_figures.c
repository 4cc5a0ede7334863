/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_figures.c - what a worker counts of statements, errors and pins.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "proxy/figures.h"
#include "tests/unit/facts_rows.h"

struct counted {
    struct stat_set stats; /* first: it starts a cache line */
    struct schema *schema;
    uint64_t now_ms;
    struct schemas schemas;
    struct account account;
    struct conf_vars vars;
    struct figures figures;
};

static void begin(struct counted *c)
{
    *c = (struct counted){.account = {.id = 1, .name = NULL}, .now_ms = 5000};
    clock_set_us(5000000);
    conf_vars_init(&c->vars);
    schemas_init(&c->schemas);
    c->schema = schema_get(&c->schemas, &c->account, SLICE("wp_1"));
    figures_init(&c->figures, 100, &c->now_ms, &c->stats);
}

static void end(struct counted *c)
{
    figures_fini(&c->figures);
    schemas_fini(&c->schemas);
    conf_vars_fini(&c->vars);
    assert_int_equal(mem_blocks(MEM_FIGURES), 0);
}

static struct figures_statement statement(const struct counted *c, const char *sql, uint64_t us)
{
    struct facts facts = facts_of(sql);

    return (struct figures_statement){.account = &c->account,
                                      .schema = c->schema,
                                      .sql = slice_of(sql),
                                      .digest = facts.digest,
                                      .command = figures_command_of(&facts),
                                      .hostgroup = 10,
                                      .began_us = 5000000,
                                      .ended_us = 5000000 + us};
}

static void count(struct counted *c, const char *sql, uint64_t us)
{
    struct figures_statement s = statement(c, sql, us);

    figures_count(&c->figures, &s, &c->vars);
}

static const struct figures_digest *digest_at(const struct counted *c, size_t i)
{
    assert_true(i < c->figures.digests.count);
    return figures_table_at(&c->figures.digests, i);
}

TEST(figures_count_adds_up_a_digest)
{
    struct counted c;
    const struct figures_digest *d;
    struct figures_statement s;

    begin(&c);
    count(&c, "SELECT a FROM t WHERE b = 1", 300);
    count(&c, "SELECT a FROM t WHERE b = 'x'", 100);
    s = statement(&c, "SELECT a FROM t WHERE b = 7", 200);
    s.rows_sent = 5;
    s.rows_affected = 2;
    s.began_us += 3000000;
    s.ended_us += 3000000;
    figures_count(&c.figures, &s, &c.vars);
    assert_int_equal(c.figures.digests.count, 1);
    d = digest_at(&c, 0);
    assert_string_equal(d->text->bytes, "SELECT a FROM t WHERE b = ?");
    assert_int_equal(d->count, 3);
    assert_int_equal(d->sum_us, 600);
    assert_int_equal(d->min_us, 100);
    assert_int_equal(d->max_us, 300);
    assert_int_equal(d->rows_sent, 5);
    assert_int_equal(d->rows_affected, 2);
    assert_int_equal(d->hostgroup, 10);
    assert_int_equal(d->last_us - d->first_us, 3000000);
    assert_true(d->first_us > UINT64_C(1600000000000000)); /* since 1970 */
    assert_int_equal(c.figures.nodes_us, 600);
    end(&c);
}

TEST(figures_count_tells_digests_apart_by_their_whole_key)
{
    struct counted c;
    struct account other = {.id = 2};
    struct figures_statement s;

    begin(&c);
    for (unsigned i = 0; i < 2; i++) { /* the second round finds what the first made */
        s = statement(&c, "SELECT 1", 10);
        figures_count(&c.figures, &s, &c.vars);
        s.hostgroup = FIGURES_HERE;
        figures_count(&c.figures, &s, &c.vars);
        s.hostgroup = 10;
        s.schema = NULL;
        figures_count(&c.figures, &s, &c.vars);
        s.account = &other;
        figures_count(&c.figures, &s, &c.vars);
        s.address = SLICE("10.0.0.1");
        figures_count(&c.figures, &s, &c.vars);
        s.address = SLICE("10.0.0.2");
        figures_count(&c.figures, &s, &c.vars);
        s = statement(&c, "SELECT a", 10);
        figures_count(&c.figures, &s, &c.vars);
        assert_int_equal(c.figures.digests.count, 7);
    }
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(digest_at(&c, i)->count, 2);
    }
    assert_string_equal(digest_at(&c, 4)->address->bytes, "10.0.0.1");
    assert_int_equal(c.figures.nodes_us, 120);
    end(&c);
}

TEST(figures_count_has_room_for_so_many_digests)
{
    struct counted c;
    char sql[64];

    begin(&c);
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(sql, sizeof(sql), "SELECT column_%u FROM t", i);
        count(&c, sql, 1);
    }
    assert_int_equal(c.figures.digests.count, 100);
    assert_int_equal(c.figures.digests.evicted, 900);
    end(&c);
}

TEST(figures_count_obeys_the_variables)
{
    struct counted c;

    begin(&c);
    c.vars.mysql_query_digests = false;
    count(&c, "SELECT 1", 10);
    assert_int_equal(c.figures.digests.count, 0);
    assert_int_equal(c.figures.commands[FIGURES_SELECT].count, 1);
    c.vars.mysql_query_digests = true;
    c.vars.mysql_commands_stats = false;
    c.vars.mysql_query_digests_max_digest_length = 20;
    count(&c, "SELECT something_long FROM t", 10);
    assert_int_equal(c.figures.commands[FIGURES_SELECT].count, 1);
    assert_string_equal(digest_at(&c, 0)->text->bytes, "SELECT something_lon");
    end(&c);
}

TEST(figures_count_survives_without_memory)
{
    struct counted c;

    begin(&c);
    mem_fail_at(1);
    count(&c, "SELECT 1", 10); /* the site's steps */
    mem_fail_at(1);
    count(&c, "SELECT 2 + a", 10); /* the digest's text */
    mem_fail_at(0);
    count(&c, "SELECT 2 + a", 10);
    assert_null(digest_at(&c, 1)->text);
    assert_int_equal(digest_at(&c, 1)->count, 2);
    assert_int_equal(((struct figures_site *)figures_table_at(&c.figures.sites, 0))->statements, 3);
    end(&c);
}

TEST(figures_count_sorts_commands_by_time)
{
    static const uint64_t limits[] = {100,    500,    1000,    5000,    10000,   50000,
                                      100000, 500000, 1000000, 5000000, 10000000};
    struct counted c;
    const struct figures_counter *counter;

    begin(&c);
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        count(&c, "UPDATE t SET a=1", limits[i]);
        count(&c, "UPDATE t SET a=1", limits[i] + 1);
    }
    counter = &c.figures.commands[FIGURES_UPDATE];
    assert_int_equal(counter->count, 22);
    assert_int_equal(counter->buckets[0], 1);
    for (size_t i = 1; i < FIGURES_BUCKETS - 1; i++) {
        assert_int_equal(counter->buckets[i], 2);
        assert_int_equal(figures_bucket_us(i), limits[i]);
    }
    assert_int_equal(counter->buckets[FIGURES_BUCKETS - 1], 1);
    end(&c);
}

TEST(figures_commands_have_the_names_of_proxysql)
{
    static const char *const rows[][2] = {
        {"SELECT 1", "SELECT"},
        {"SELECT a FROM t FOR UPDATE", "SELECT_FOR_UPDATE"},
        {"(SELECT 1) UNION (SELECT 2)", "SELECT"},
        {"WITH a AS (SELECT 1) SELECT * FROM a", "SELECT"},
        {"insert into t values (1)", "INSERT"},
        {"REPLACE INTO t VALUES (1)", "REPLACE"},
        {"UPDATE t SET a=1", "UPDATE"},
        {"DELETE FROM t", "DELETE"},
        {"BEGIN", "BEGIN"},
        {"START TRANSACTION", "START_TRANSACTION"},
        {"START TRANSACTION READ ONLY", "START_TRANSACTION"},
        {"COMMIT", "COMMIT"},
        {"ROLLBACK", "ROLLBACK"},
        {"ROLLBACK TO SAVEPOINT a", "ROLLBACK_SAVEPOINT"},
        {"SAVEPOINT a", "SAVEPOINT"},
        {"RELEASE SAVEPOINT a", "RELEASE_SAVEPOINT"},
        {"SET NAMES utf8mb4", "SET"},
        {"SHOW TABLES", "SHOW"},
        {"SHOW TABLE STATUS LIKE 'a'", "SHOW_TABLE_STATUS"},
        {"USE wp_1", "USE"},
        {"CREATE TABLE t (a INT)", "CREATE_TABLE"},
        {"CREATE OR REPLACE TABLE t (a INT)", "CREATE_TABLE"},
        {"CREATE TEMPORARY TABLE t (a INT)", "CREATE_TEMPORARY"},
        {"CREATE UNIQUE INDEX i ON t (a)", "CREATE_INDEX"},
        {"CREATE DATABASE d", "CREATE_DATABASE"},
        {"CREATE DEFINER=`a`@`b` VIEW v AS SELECT 1", "CREATE_VIEW"},
        {"CREATE USER a", "CREATE_USER"},
        {"DROP TABLE t", "DROP_TABLE"},
        {"DROP TEMPORARY TABLE IF EXISTS t", "DROP_TABLE"},
        {"DROP SCHEMA d", "DROP_DATABASE"},
        {"DROP INDEX i ON t", "DROP_INDEX"},
        {"ALTER ONLINE TABLE t ADD a INT", "ALTER_TABLE"},
        {"ALTER USER a IDENTIFIED BY 'b'", "UNKNOWN"},
        {"TRUNCATE TABLE t", "TRUNCATE_TABLE"},
        {"RENAME TABLE a TO b", "RENAME_TABLE"},
        {"LOCK TABLES t READ", "LOCK_TABLE"},
        {"UNLOCK TABLES", "UNLOCK_TABLES"},
        {"GRANT ALL ON *.* TO a", "GRANT"},
        {"CALL p()", "CALL"},
        {"EXPLAIN SELECT 1", "EXPLAIN"},
        {"DESCRIBE t", "DESCRIBE"},
        {"KILL 5", "KILL"},
        {"PREPARE a FROM 'SELECT 1'", "PREPARE"},
        {"EXECUTE a", "EXECUTE"},
        {"DEALLOCATE PREPARE a", "DEALLOCATE"},
        {"PURGE BINARY LOGS TO 'a'", "PURGE"},
        {"CHANGE MASTER TO MASTER_PORT=1", "CHANGE_MASTER"},
        {"RESET SLAVE", "RESET_SLAVE"},
        {"no statement at all", "UNKNOWN"},
        {"", "UNKNOWN"},
        {"CREATE ;", "UNKNOWN"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct facts facts = facts_of(rows[i][0]);
        const char *name = figures_command_name(figures_command_of(&facts));

        if (strcmp(name, rows[i][1]) != 0) {
            fail_msg("%s is counted as %s, not %s", rows[i][0], name, rows[i][1]);
        }
    }
}

TEST(figures_steps_are_a_sixteenth_exact)
{
    uint64_t steps[FIGURES_STEPS];
    size_t before = 0;

    for (uint64_t us = 0; us < 10000000; us += 1 + us / 50) {
        uint64_t seen;

        assert_true(figures_step(us) >= before && figures_step(us) < FIGURES_STEPS);
        before = figures_step(us);
        memset(steps, 0, sizeof(steps));
        steps[before] = 1;
        seen = figures_percentile(steps, 50);
        assert_true((seen > us ? seen - us : us - seen) <= us / 16 + 1);
    }
    assert_int_equal(figures_step(UINT64_MAX), FIGURES_STEPS - 1);
}

TEST(figures_percentiles_are_those_of_the_counts)
{
    uint64_t steps[FIGURES_STEPS] = {0};

    assert_int_equal(figures_percentile(steps, 99), 0);
    steps[1] = 94;
    steps[2] = 4;
    steps[3] = 2;
    assert_int_equal(figures_percentile(steps, 50), 1);
    assert_int_equal(figures_percentile(steps, 94), 1);
    assert_int_equal(figures_percentile(steps, 95), 2);
    assert_int_equal(figures_percentile(steps, 99), 3);
}

TEST(figures_errors_are_counted_by_kind)
{
    struct counted c;
    struct figures_statement s;
    struct node node = {.port = 3306};
    const struct figures_error *e;

    begin(&c);
    s = statement(&c, "SELECT nothing", 10);
    s.address = SLICE("127.0.0.1");
    figures_failed(&c.figures, &s, &node, 1054, SLICE("Unknown column 'a'"));
    figures_failed(&c.figures, &s, &node, 1054, SLICE("Unknown column 'nothing'"));
    figures_failed(&c.figures, &s, &node, 1146, SLICE("no table"));
    figures_failed(&c.figures, &s, NULL, 1146, SLICE("no table"));
    s.address = SLICE("127.0.0.2");
    figures_failed(&c.figures, &s, &node, 1054, SLICE("Unknown column"));
    assert_int_equal(c.figures.errors.count, 4);
    e = figures_table_at(&c.figures.errors, 0);
    assert_int_equal(e->count, 2);
    assert_int_equal(e->number, 1054);
    assert_string_equal(e->last, "Unknown column 'nothing'");
    assert_string_equal(e->address, "127.0.0.1");
    end(&c);
}

TEST(figures_pins_know_how_long_and_how_many)
{
    struct counted c;
    const struct figures_pin *p;

    begin(&c);
    figures_pinned(&c.figures, &c.account, PIN_TRANSACTION, 77, 1000);
    figures_pinned(&c.figures, &c.account, PIN_TRANSACTION, 77, 2000);
    figures_pinned(&c.figures, &c.account, PIN_USER_LOCK, 77, 2000);
    assert_int_equal(c.figures.pins.count, 2);
    p = figures_table_at(&c.figures.pins, 0);
    assert_int_equal(p->count, 2);
    assert_int_equal(p->now, 2);
    figures_unpinned(&c.figures, &c.account, PIN_TRANSACTION, 77, 1000);
    assert_int_equal(p->now, 1);
    assert_int_equal(p->ended_ms, 4000);
    assert_int_equal(p->began_ms, 2000);
    c.now_ms = 6000;
    figures_unpinned(&c.figures, &c.account, PIN_TRANSACTION, 77, 2000);
    assert_int_equal(p->ended_ms, 8000);
    assert_int_equal(p->count, 2);
    assert_int_equal(stat_sum((struct stat_set *[]){&c.stats}, 1, STAT_PINS), 3);
    end(&c);
}

TEST(figures_pins_that_find_no_room_are_left_out)
{
    struct counted c;

    begin(&c);
    for (uint64_t digest = 0; digest < FIGURES_PINS_MAX; digest++) {
        figures_pinned(&c.figures, &c.account, PIN_CURSOR, digest, 5000);
    }
    figures_pinned(&c.figures, &c.account, PIN_CURSOR, 1000000, 5000);
    figures_unpinned(&c.figures, &c.account, PIN_CURSOR, 1000000, 5000);
    assert_int_equal(c.figures.pins.refused, 1);
    figures_unpinned(&c.figures, &c.account, PIN_CURSOR, 5, 5000);
    figures_pinned(&c.figures, &c.account, PIN_CURSOR, 1000000, 5000);
    assert_int_equal(c.figures.pins.evicted, 1);
    assert_int_equal(c.figures.pins.count, FIGURES_PINS_MAX);
    end(&c);
}

TEST(figures_waits_keep_the_longest)
{
    struct counted c;

    begin(&c);
    figures_waited(&c.figures, 10, 5);
    figures_waited(&c.figures, 20, 7);
    figures_waited(&c.figures, 10, 50);
    figures_waited(&c.figures, 10, 20);
    assert_int_equal(c.figures.n_waits, 2);
    assert_int_equal(c.figures.waits[0].longest_ms, 50);
    assert_int_equal(c.figures.waits[1].longest_ms, 7);
    for (int hostgroup = 0; hostgroup < 1000; hostgroup++) {
        figures_waited(&c.figures, hostgroup, 1);
    }
    assert_int_equal(c.figures.n_waits, FIGURES_HOSTGROUPS_MAX);
    figures_queued(&c.figures, &c.account, c.schema, 30);
    figures_queued(&c.figures, &c.account, c.schema, 12);
    assert_int_equal(((struct figures_site *)figures_table_at(&c.figures.sites, 0))->queued_ms, 42);
    end(&c);
}
