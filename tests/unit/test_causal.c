/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_causal.c - reads of what was written go where the write went, for a while.
 */
#include <pthread.h>
#include <sched.h>

#include "router/causal_spot.h"
#include "tests/unit/causal_scene.h"

static bool is_keepable(const struct causal *c, const char *sql, const char *schema)
{
    struct facts f = facts_of_text(sql);
    struct causal_deps deps;

    return causal_deps_of(c, &f, slice_of(schema), false, NULL, 0, &deps);
}

/* Is an answer to the read void when the write was made behind it? */
static bool voids(const char *write, const struct row_keys *written, const char *read,
                  const struct row_keys *rows)
{
    struct causal *c = causal_new();
    struct causal_deps deps = deps_of(c, read, "s", rows);
    uint64_t mine = 0;
    bool holds;

    write_rows_at(c, &mine, write, "s", written, 1000);
    holds = causal_deps_hold(c, &deps);
    mem_free(MEM_ROUTER, c);
    return !holds;
}

TEST(causal_nothing_written_nothing_follows)
{
    struct causal *c = causal_new();

    assert_false(follows(c, 0, "SELECT a FROM t", "s", 1));
    assert_false(follows(c, 0, "SELECT 1", "s", WINDOW - 1));
    assert_false(follows(c, 0, "SELECT a FROM t", "", 1));
    mem_free(MEM_ROUTER, c);
}

TEST(causal_reads_of_the_table_follow_within_the_window)
{
    struct causal *c = causal_new();
    uint64_t mine = 0;

    write_at(c, &mine, "INSERT INTO t VALUES (1)", "s", 10000);
    assert_true(follows(c, 0, "SELECT a FROM t", "s", 10000));
    assert_true(follows(c, 0, "SELECT a FROM t", "s", 10000 + WINDOW));
    assert_false(follows(c, 0, "SELECT a FROM t", "s", 10000 + WINDOW + 1));
    assert_false(follows(c, 0, "SELECT a FROM u", "s", 10001));
    assert_false(follows(c, 0, "SELECT a FROM t", "other", 10001));
    assert_true(follows(c, 0, "SELECT a FROM u JOIN t ON u.a = t.a", "s", 10001));
    assert_true(follows(c, 0, "SELECT a FROM s.t", "other", 10001));
    assert_false(follows(c, 0, "SELECT a FROM other.t", "s", 10001));
    mem_free(MEM_ROUTER, c);
}

TEST(causal_session_follows_its_own_write_always)
{
    struct causal *c = causal_new();
    uint64_t mine = 0;

    write_at(c, &mine, "UPDATE t SET a = 1", "s", 1000);
    assert_true(follows(c, mine, "SELECT a FROM t", "s", 1000 + 100 * WINDOW));
    assert_false(follows(c, mine, "SELECT a FROM u", "s", 1000 + 100 * WINDOW));
    mem_free(MEM_ROUTER, c);
}

TEST(causal_case_of_names_does_not_count)
{
    struct causal *c = causal_new();
    uint64_t mine = 0;

    write_at(c, &mine, "INSERT INTO `My_Table` VALUES (1)", "Shop", 1000);
    assert_true(follows(c, 0, "SELECT a FROM my_table", "shop", 1001));
    assert_true(follows(c, 0, "SELECT a FROM SHOP.MY_TABLE", "x", 1001));
    mem_free(MEM_ROUTER, c);
}

TEST(causal_write_of_several_tables_counts_for_each)
{
    struct causal *c = causal_new();
    uint64_t mine = 0;

    write_at(c, &mine, "UPDATE a, x.b SET a.i = 1", "s", 1000);
    assert_true(follows(c, 0, "SELECT 1 FROM a", "s", 1001));
    assert_true(follows(c, 0, "SELECT 1 FROM b", "x", 1001));
    assert_false(follows(c, 0, "SELECT 1 FROM b", "s", 1001));
    mem_free(MEM_ROUTER, c);
}

TEST(causal_write_without_a_known_table_counts_for_the_schema)
{
    static const char *const writes[] = {"CALL p()", "EXECUTE stmt", "CREATE TABLE t (a INT)"};

    for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
        struct causal *c = causal_new();
        uint64_t mine = 0;

        write_at(c, &mine, writes[i], "s", 1000);
        assert_true(follows(c, 0, "SELECT a FROM anything", "s", 1001));
        assert_true(follows(c, 0, "SELECT a FROM s.anything", "other", 1001));
        assert_false(follows(c, 0, "SELECT a FROM anything", "other", 1001));
        assert_false(follows(c, 0, "SELECT a FROM anything", "s", 1001 + WINDOW));
        mem_free(MEM_ROUTER, c);
    }
}

TEST(causal_read_without_a_known_table_follows_what_the_session_wrote)
{
    struct causal *c = causal_new();
    struct facts read = facts_of_text("SELECT a FROM t");
    uint64_t mine = 0;
    uint8_t flags;

    read.flags |= FACT_TABLES_UNKNOWN;
    read.n_tables = 0;
    assert_int_equal(causal_follow_us(c,
                                      &(struct causal_read){&read, SLICE("s"), false, 0, 1000000,
                                                            WINDOW * 1000, false, 0},
                                      &flags),
                     0);
    write_at(c, &mine, "INSERT INTO z VALUES (1)", "s", 1000);
    assert_int_equal(causal_follow_us(c,
                                      &(struct causal_read){&read, SLICE("s"), false, 0, 1000000,
                                                            WINDOW * 1000, false, 0},
                                      &flags),
                     1000000);
    assert_true(causal_follow_us(c,
                                 &(struct causal_read){&read, SLICE("s"), false, mine, 100000000,
                                                       WINDOW * 1000, false, 0},
                                 &flags) == CAUSAL_THE_WRITER);
    mem_free(MEM_ROUTER, c);
}

TEST(causal_names_longer_than_any_do_not_overrun)
{
    char name[1000];
    struct slice longer = {name, sizeof(name)};
    struct slice other = {name, sizeof(name) - 1};

    memset(name, 'A', sizeof(name));
    assert_true(spot_table_hash(longer, longer, SPOT_TABLE) ==
                spot_table_hash(other, other, SPOT_TABLE)); /* cut: one more read */
    assert_true(spot_table_hash(longer, SLICE("a"), SPOT_TABLE) !=
                spot_table_hash(longer, SLICE("b"), SPOT_TABLE));
}

TEST(causal_name_and_schema_are_not_run_together)
{
    assert_true(spot_table_hash(SLICE("ab"), SLICE("c"), SPOT_TABLE) !=
                spot_table_hash(SLICE("a"), SLICE("bc"), SPOT_TABLE));
}

TEST(causal_a_session_that_wrote_follows_what_may_show_it)
{
    struct causal *c = causal_new();
    struct facts read = facts_of_text("SELECT a FROM v");
    struct causal_read view = {&read, SLICE("s"), true, 0, 1001000, 0, false, 0};
    uint64_t mine = 0;
    uint8_t flags;

    write_at(c, &mine, "UPDATE t SET a=1", "other", 1000);
    assert_int_equal(causal_follow_us(c, &view, &flags), 0);
    view.bloom = mine;
    assert_true(causal_follow_us(c, &view, &flags) == CAUSAL_THE_WRITER);
    view.is_broad = false;
    assert_int_equal(causal_follow_us(c, &view, &flags), 0);
    mem_free(MEM_ROUTER, c);
}

/* --- where a read may go ---------------------------------------------------------------------- */

TEST(causal_follow_is_the_time_of_the_newest_write)
{
    struct causal *c = causal_new();
    uint64_t mine = 0;

    write_at(c, &mine, "INSERT INTO t VALUES (1)", "s", 5000);
    write_at(c, &mine, "INSERT INTO u VALUES (1)", "s", 6000);
    assert_int_equal(follow_us(c, 0, "SELECT a FROM t", "s", 6100), 5000000);
    assert_int_equal(follow_us(c, 0, "SELECT a FROM t, u", "s", 6100), 6000000);
    assert_int_equal(follow_us(c, 0, "SELECT a FROM t, u", "s", 6000 + WINDOW + 1), 0);
    assert_true(follow_us(c, mine, "SELECT a FROM t", "s", 6100) == CAUSAL_THE_WRITER);
    mem_free(MEM_ROUTER, c);
}

/* A thread that read the clock earlier may come later; a window of 0 is off. */
TEST(causal_time_of_a_write_never_goes_back)
{
    struct causal *c = causal_new();
    struct facts f = facts_of_text("SELECT a FROM t");
    uint64_t mine = 0;
    uint8_t flags;

    write_at(c, &mine, "INSERT INTO t VALUES (1)", "s", 5000);
    write_at(c, &mine, "INSERT INTO t VALUES (1)", "s", 4000);
    assert_int_equal(follow_us(c, 0, "SELECT a FROM t", "s", 5000), 5000000);
    assert_int_equal(follow_us(c, 0, "SELECT a FROM t", "s", 4999), 5000000);
    assert_int_equal(
        causal_follow_us(c, &(struct causal_read){&f, SLICE("s"), false, 0, 5000000, 0, false, 0},
                         &flags),
        0);
    mem_free(MEM_ROUTER, c);
}

/* --- what an answer depends on ---------------------------------------------------------------- */

TEST(causal_deps_move_with_a_write_of_a_table_they_name)
{
    static const struct {
        const char *write, *read;
        bool is_void;
    } rows[] = {
        {"INSERT INTO t VALUES (1)", "SELECT a FROM t", true},
        {"INSERT INTO s.t VALUES (1)", "SELECT a FROM T", true},
        {"INSERT INTO `T` VALUES (1)", "SELECT a FROM u JOIN s.t USING (a)", true},
        {"DELETE FROM u", "SELECT a FROM t", false},
        {"DELETE FROM x.t", "SELECT a FROM t", false},
        {"DELETE FROM x.t", "SELECT a FROM x.t", true},
        {"DELETE FROM t", "SELECT 1", false},
        {"CALL p()", "SELECT a FROM t", true},
        {"CALL p()", "SELECT a FROM x.t", true}, /* the session's schema is among its own */
        {"ALTER TABLE x.u ADD b INT", "SELECT a FROM x.t", true},
        {"ALTER TABLE x.u ADD b INT", "SELECT a FROM y.t", true},
        {"DROP DATABASE x", "SELECT a FROM x.t", true},
        {"TRUNCATE t", "SELECT a FROM t", true},
        {"EXECUTE st", "SELECT a FROM t", true},
        {"INSERT INTO t SELECT a FROM u", "SELECT a FROM t", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (voids(rows[i].write, NULL, rows[i].read, NULL) != rows[i].is_void) {
            fail_msg("%s and %s", rows[i].write, rows[i].read);
        }
    }
}

/* Another client may write the same name in other bytes: it counts for the schema. */
TEST(causal_names_that_may_be_written_otherwise_are_all_tables)
{
    static const char *const names[] = {"`t\xc3\xa4`", "`t\xe4`", "`a``b`", "`a\"b`",
                                        "`#mysql50#t`"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct causal *c = causal_new();
        uint64_t mine = 0;
        char sql[60];

        (void)snprintf(sql, sizeof(sql), "UPDATE %s SET a = 1", names[i]);
        assert_true(voids(sql, NULL, "SELECT a FROM t", NULL));
        (void)snprintf(sql, sizeof(sql), "SELECT a FROM %s", names[i]);
        assert_false(is_keepable(c, sql, "s"));
        write_at(c, &mine, "UPDATE t SET a = 1", "s", 1000);
        assert_true(follows(c, 0, sql, "s", 1000));
        assert_false(follows(c, 0, sql, "x", 1000));
        mem_free(MEM_ROUTER, c);
    }
    assert_false(voids("UPDATE `t-1` SET a = 1", NULL, "SELECT a FROM `t-2`", NULL));
    assert_true(voids("UPDATE `t-1` SET a = 1", NULL, "SELECT a FROM `T-1`", NULL));
}

TEST(causal_deps_are_not_known_of_tables_that_are_not)
{
    struct causal *c = causal_new();

    assert_false(is_keepable(c, "CALL p()", "s"));
    assert_false(is_keepable(c, "SELECT f(a) FROM t", "s"));
    assert_false(
        is_keepable(c, "SELECT 1 FROM a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p", "s"));
    assert_true(is_keepable(c, "SELECT 1 FROM a, b, c, d, e, f, g, h, i, j, k, l, m, n", "s"));
    mem_free(MEM_ROUTER, c);
}

TEST(causal_deps_of_rows_move_with_their_rows_and_what_cannot_be_told_to_rows)
{
    const struct row_keys one = {1, {11}}, two = {1, {22}}, both = {2, {11, 22}}, none = {0};
    const char *write = "UPDATE t SET b = 1 WHERE a = 'x'";
    const char *read = "SELECT b FROM t WHERE a = 'x'";

    assert_true(voids(write, &one, read, &one));
    assert_false(voids(write, &one, read, &two));
    assert_true(voids(write, &both, read, &two));
    assert_true(voids(write, &one, read, &both));
    assert_true(voids(write, NULL, read, &one));
    assert_true(voids(write, &none, read, &one));
    assert_true(voids(write, &one, read, NULL));
    assert_true(voids(write, &one, read, &none));
    assert_true(voids("TRUNCATE t", &one, read, &two));
    assert_true(voids("CALL p()", &one, read, &two));
    assert_true(voids("UPDATE t, u SET t.b = 1", &one, read, &two));
    assert_false(voids("UPDATE u SET b = 1", &one, read, &one));
}

TEST(causal_follow_does_not_ask_for_rows)
{
    const struct row_keys one = {1, {11}};
    struct causal *c = causal_new();
    uint64_t mine = 0;

    write_rows_at(c, &mine, "UPDATE t SET b = 1 WHERE a = 'x'", "s", &one, 5000);
    assert_int_equal(follow_us(c, 0, "SELECT b FROM t WHERE a = 'y'", "s", 5000), 5000000);
    mem_free(MEM_ROUTER, c);
}

TEST(causal_deps_know_the_newest_write)
{
    const struct row_keys one = {1, {11}}, two = {1, {22}};
    struct causal *c = causal_new();
    struct causal_deps deps = deps_of(c, "SELECT b FROM t WHERE a = 'x'", "s", &one);
    uint64_t mine = 0;
    bool foreign = true;

    assert_int_equal(causal_deps_written_us(c, &deps, &foreign), 0);
    assert_false(foreign);
    write_rows_at(c, &mine, "UPDATE t SET b = 1", "s", &two, 5000);
    assert_int_equal(causal_deps_written_us(c, &deps, &foreign), 0);
    write_rows_at(c, &mine, "UPDATE t SET b = 1", "s", &one, 6000);
    assert_int_equal(causal_deps_written_us(c, &deps, &foreign), 6000000);
    assert_false(foreign);
    mem_free(MEM_ROUTER, c);
}

TEST(causal_foreign_writes_are_told_apart)
{
    const struct row_keys one = {1, {11}}, two = {1, {22}};
    struct causal *c = causal_new();
    struct causal_deps row = deps_of(c, "SELECT b FROM t WHERE a = 'x'", "s", &one);
    struct causal_deps table = deps_of(c, "SELECT b FROM t", "s", NULL);
    bool foreign = false;

    clock_set_us(7000001);
    causal_mark_foreign(c, SLICE("S"), SLICE("T"), &two);
    assert_true(causal_deps_hold(c, &row));
    assert_false(causal_deps_hold(c, &table));
    causal_mark_foreign(c, SLICE("s"), SLICE("t"), NULL);
    assert_false(causal_deps_hold(c, &row));
    assert_int_equal(causal_deps_written_us(c, &row, &foreign), 7000004); /* not before it */
    assert_true(foreign);
    assert_int_equal(follow_us(c, 0, "SELECT b FROM t", "s", 7000), 7000004);
    row = deps_of(c, "SELECT b FROM t WHERE a = 'x'", "s", &one);
    causal_mark_foreign(c, SLICE("s"), SLICE(""), NULL);
    assert_false(causal_deps_hold(c, &row));
    clock_set_us(0);
    mem_free(MEM_ROUTER, c);
}

TEST(causal_writes_that_were_missed_void_everything)
{
    struct causal *c = causal_new();
    struct causal_deps deps = deps_of(c, "SELECT b FROM t", "s", NULL);
    struct causal_deps none = deps_of(c, "SELECT 1", "", NULL);
    bool foreign = false;

    clock_set_us(7000000);
    causal_mark_missed(c);
    clock_set_us(0);
    assert_false(causal_deps_hold(c, &deps));
    assert_false(causal_deps_hold(c, &none));
    assert_int_equal(follow_us(c, 0, "SELECT b FROM any.t", "s", 7000), 0);
    deps = deps_of(c, "SELECT b FROM t", "s", NULL);
    assert_int_equal(causal_deps_written_us(c, &deps, &foreign), 7000000);
    assert_true(foreign);
    mem_free(MEM_ROUTER, c);
}

/* --- transactions, doubt ---------------------------------------------------------------------- */

static void remember(struct causal_marks *marks, const char *sql)
{
    struct facts f = facts_of_text(sql);
    struct causal_write write = {&f, SLICE("s"), NULL, false, false, 0};

    causal_remember(marks, &write);
}

TEST(causal_marks_count_when_they_are_made_again)
{
    struct causal *c = causal_new();
    struct causal_marks marks = {.n = 0};
    struct causal_deps t = deps_of(c, "SELECT b FROM t", "s", NULL);
    struct causal_deps z = deps_of(c, "SELECT b FROM z", "s", NULL);

    remember(&marks, "UPDATE t SET a = 1");
    remember(&marks, "UPDATE t SET a = 2");
    assert_int_equal(marks.n, 3);
    assert_true(causal_deps_hold(c, &t));
    causal_mark_again(c, &marks);
    assert_false(causal_deps_hold(c, &t));
    assert_true(causal_deps_hold(c, &z));
    mem_free(MEM_ROUTER, c);
}

TEST(causal_marks_of_many_schemas_become_everything)
{
    struct causal *c = causal_new();
    struct causal_marks marks = {.n = 0};
    struct causal_deps other = deps_of(c, "SELECT b FROM t", "other", NULL);
    char sql[] = "UPDATE a.t SET a = 1";

    for (unsigned i = 0; i < 26; i++) {
        sql[7] = (char)('a' + i);
        remember(&marks, sql);
    }
    assert_false(marks.everything); /* 32 slots are of tables, the rest are schemas */
    causal_mark_again(c, &marks);
    assert_true(causal_deps_hold(c, &other));
    for (unsigned i = 0; i < 26; i++) {
        struct causal_deps deps;

        sql[7] = (char)('a' + i);
        deps = deps_of(c, "SELECT b FROM t", (const char[]){sql[7], '\0'}, NULL);
        causal_mark_again(c, &marks);
        assert_false(causal_deps_hold(c, &deps));
    }
    for (unsigned i = 0; i < 10; i++) {
        char more[] = "UPDATE z0.t SET a = 1";

        more[8] = (char)('0' + i);
        remember(&marks, more);
    }
    assert_true(marks.everything);
    causal_mark_again(c, &marks);
    assert_false(causal_deps_hold(c, &other));
    mem_free(MEM_ROUTER, c);
}

TEST(causal_doubt_keeps_nothing_until_its_time)
{
    struct causal *c = causal_new();
    struct causal_marks marks = {.n = 0};
    struct causal_deps before = deps_of(c, "SELECT b FROM t", "s", NULL), after;

    clock_set_us(1000000);
    remember(&marks, "UPDATE t SET a = 1");
    causal_doubt(c, &marks, 61000000);
    assert_false(causal_deps_hold(c, &before));
    assert_false(is_keepable(c, "SELECT b FROM t", "s"));
    assert_true(is_keepable(c, "SELECT b FROM u", "s"));
    assert_int_equal(follow_us(c, 0, "SELECT b FROM t", "s", 1000), 61000000);
    clock_set_us(60999999);
    assert_false(is_keepable(c, "SELECT b FROM t", "s"));
    clock_set_us(61000000);
    after = deps_of(c, "SELECT b FROM t", "s", NULL);
    assert_false(causal_deps_hold(c, &before));
    clock_set_us(62000000);
    causal_doubt(c, &marks, 63000000); /* what was kept before the doubt is not kept behind it */
    clock_set_us(64000000);
    assert_false(causal_deps_hold(c, &after));
    clock_set_us(0);
    mem_free(MEM_ROUTER, c);
}

/* --- threads ---------------------------------------------------------------------------------- */

#define ROUNDS 8000

struct race {
    struct causal *causal;
    atomic_uint stored; /* what the node has */
    atomic_uint acked;  /* what a client was told */
    atomic_uint turns;  /* of the reader */
};

static void *race_write(void *arg)
{
    struct race *race = arg;
    struct facts f = facts_of_text("UPDATE t SET a = 1");
    struct causal_write write = {&f, SLICE("s"), NULL, false, false, 0};
    uint64_t mine = 0;

    for (unsigned n = 1; n <= ROUNDS; n++) {
        causal_mark(race->causal, &mine, &write);
        atomic_store(&race->stored, n);
        causal_mark(race->causal, &mine, &write);
        atomic_store(&race->acked, n);
        if (n < ROUNDS) { /* until the reader has looked at what it kept */
            unsigned turn = atomic_load(&race->turns);

            while (atomic_load(&race->turns) - turn < 2) {
                (void)sched_yield();
            }
        }
    }
    return NULL;
}

/* An answer that is kept is never older than the last write that somebody was told of. */
TEST(causal_an_answer_that_holds_is_not_older_than_an_acknowledged_write)
{
    struct race race = {.causal = causal_new()};
    struct facts f = facts_of_text("SELECT a FROM t");
    struct causal_deps kept = {.n = 0};
    unsigned value = 0, acked = 0;
    bool is_kept = false, is_old = false;
    pthread_t writer;

    assert_int_equal(pthread_create(&writer, NULL, race_write, &race), 0);
    while (acked < ROUNDS) {
        acked = atomic_load(&race.acked);
        if (is_kept && causal_deps_hold(race.causal, &kept)) {
            is_old |= value < acked;
        } else {
            is_kept = causal_deps_of(race.causal, &f, SLICE("s"), false, NULL, 0, &kept);
            value = atomic_load(&race.stored);
            is_kept = is_kept && causal_deps_hold(race.causal, &kept);
        }
        if (atomic_fetch_add(&race.turns, 1) % 64 == 0) {
            (void)sched_yield(); /* perhaps both have but one core */
        }
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_false(is_old);
    assert_true(causal_deps_of(race.causal, &f, SLICE("s"), false, NULL, 0, &kept));
    assert_true(causal_deps_hold(race.causal, &kept));
    mem_free(MEM_ROUTER, race.causal);
}
