/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_causal.c - reads of what was written go where the write went, for a while.
 */
#include "base/mem.h"
#include "router/causal.h"
#include "tests/unit/test.h"

#define WINDOW 2000

static struct causal *causal_new(void)
{
    return mem_new(MEM_ROUTER, sizeof(struct causal));
}

static struct facts facts_of_text(const char *sql)
{
    struct facts f;

    facts_scan(&f, slice_of(sql), 0);
    return f;
}

static void write_at(struct causal *c, uint64_t *bloom, const char *sql, const char *schema,
                     uint64_t now_ms)
{
    struct facts f = facts_of_text(sql);

    causal_mark(c, bloom, &f, slice_of(schema), now_ms);
}

/* Must this read of another session (bloom 0) or of the same one follow? */
static bool follows(const struct causal *c, uint64_t bloom, const char *sql, const char *schema,
                    uint64_t now_ms)
{
    struct facts f = facts_of_text(sql);

    return causal_follow_us(c, bloom, &f, slice_of(schema), now_ms * 1000, WINDOW * 1000) != 0;
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

    read.flags |= FACT_TABLES_UNKNOWN;
    read.n_tables = 0;
    assert_true(causal_follow_us(c, 0, &read, SLICE("s"), 1000000, WINDOW * 1000) == 0);
    write_at(c, &mine, "INSERT INTO z VALUES (1)", "s", 1000);
    assert_true(causal_follow_us(c, mine, &read, SLICE("s"), 100000000, WINDOW * 1000) ==
                UINT64_MAX);
    mem_free(MEM_ROUTER, c);
}

TEST(causal_mark_hash_is_the_same_as_the_write)
{
    struct causal *c = causal_new();

    causal_mark_hash(c, causal_hash(SLICE("S"), SLICE("T")), 1000);
    assert_true(follows(c, 0, "SELECT a FROM t", "s", 1500));
    causal_mark_hash(c, causal_hash_schema(SLICE("S2")), 1000);
    assert_true(follows(c, 0, "SELECT a FROM t", "s2", 1500));
    mem_free(MEM_ROUTER, c);
}

TEST(causal_names_longer_than_any_do_not_overrun)
{
    char name[1000];
    struct slice longer = {name, sizeof(name)};
    struct slice other = {name, sizeof(name) - 1};

    memset(name, 'A', sizeof(name));
    assert_int_equal(causal_hash(longer, longer),
                     causal_hash(other, other)); /* cut: one more read */
    assert_int_not_equal(causal_hash(longer, SLICE("a")), causal_hash(longer, SLICE("b")));
}

TEST(causal_name_and_schema_are_not_run_together)
{
    assert_int_not_equal(causal_hash(SLICE("ab"), SLICE("c")),
                         causal_hash(SLICE("a"), SLICE("bc")));
    assert_int_not_equal(causal_hash_schema(SLICE("a")), causal_hash(SLICE("a"), SLICE("")));
}

/* 32 bits of milliseconds end after 49 days. */
TEST(causal_window_holds_when_the_clock_wraps)
{
    struct causal *c = causal_new();
    uint64_t mine = 0;
    uint64_t now = UINT64_C(0x1ffffff00);

    write_at(c, &mine, "INSERT INTO t VALUES (1)", "s", now);
    assert_true(follows(c, 0, "SELECT a FROM t", "s", now + 0x200));
    assert_false(follows(c, 0, "SELECT a FROM t", "s", now + WINDOW + 1));
    mem_free(MEM_ROUTER, c);
}
