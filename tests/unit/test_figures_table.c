/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_figures_table.c - the table of fixed size: what it finds, who leaves when it is full.
 */
#include "base/mem.h"
#include "proxy/figures_table.h"
#include "tests/unit/test.h"

struct row {
    struct figure head;
    uint64_t key;
    uint64_t value;
    bool stays;
};

static unsigned released;

static bool row_is_of(const void *record, const void *key)
{
    return ((const struct row *)record)->key == *(const uint64_t *)key;
}

static bool row_may_leave(const void *record)
{
    return !((const struct row *)record)->stays;
}

static void row_release(void *record)
{
    (void)record;
    released++;
}

static const struct figures_kind kind = {.size = sizeof(struct row),
                                         .is_of = row_is_of,
                                         .may_leave = row_may_leave,
                                         .release = row_release};

/* Few different hashes: keys run into each other. */
static uint64_t hash_of(uint64_t key)
{
    return key % 7;
}

static struct row *get(struct figures_table *t, uint64_t key, bool *is_new)
{
    struct row *row = figures_table_get(t, hash_of(key), &key, is_new);

    if (row != NULL && *is_new) {
        assert_int_equal(row->value, 0);
        row->key = key;
    }
    return row;
}

TEST(figures_table_finds_what_was_put)
{
    struct figures_table t;
    bool is_new;

    figures_table_init(&t, &kind, 50);
    for (uint64_t key = 0; key < 50; key++) {
        get(&t, key, &is_new)->value = key * 3 + 1;
        assert_true(is_new);
    }
    for (uint64_t key = 0; key < 50; key++) {
        assert_int_equal(get(&t, key, &is_new)->value, key * 3 + 1);
        assert_false(is_new);
        assert_int_equal(((struct row *)figures_table_find(&t, hash_of(key), &key))->key, key);
    }
    assert_int_equal(t.count, 50);
    assert_int_equal(t.evicted, 0);
    figures_table_fini(&t);
    assert_int_equal(released, 50);
    assert_int_equal(mem_blocks(MEM_FIGURES), 0);
}

TEST(figures_table_lets_the_unseen_leave_first)
{
    struct figures_table t;
    uint64_t key;
    bool is_new;

    figures_table_init(&t, &kind, 4);
    for (key = 0; key < 4; key++) {
        (void)get(&t, key, &is_new);
    }
    (void)get(&t, 0, &is_new);
    (void)get(&t, 2, &is_new);
    (void)get(&t, 10, &is_new);
    (void)get(&t, 11, &is_new);
    for (key = 0; key < 3; key += 2) { /* seen twice: they stay */
        assert_non_null(figures_table_find(&t, hash_of(key), &key));
    }
    for (key = 1; key < 4; key += 2) {
        assert_null(figures_table_find(&t, hash_of(key), &key));
    }
    assert_int_equal(t.evicted, 2);
    assert_int_equal(released, 2);
    figures_table_fini(&t);
}

TEST(figures_table_refuses_when_none_may_leave)
{
    struct figures_table t;
    bool is_new;

    figures_table_init(&t, &kind, 3);
    for (uint64_t key = 0; key < 3; key++) {
        get(&t, key, &is_new)->stays = true;
    }
    assert_null(get(&t, 9, &is_new));
    assert_int_equal(t.refused, 1);
    get(&t, 1, &is_new)->stays = false;
    assert_non_null(get(&t, 9, &is_new));
    assert_int_equal(t.evicted, 1);
    figures_table_fini(&t);
}

/* Against a plain array: after any number of evictions each slot still leads to its record. */
TEST(figures_table_is_consistent_after_many_evictions)
{
    struct figures_table t;
    uint64_t random = 7;

    figures_table_init(&t, &kind, 37);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t key = test_random(&random) % 90;
        bool is_new;
        struct row *row = get(&t, key, &is_new);

        row->value++;
        assert_int_equal(row->key, key);
        assert_ptr_equal(figures_table_find(&t, hash_of(key), &key), row);
    }
    for (size_t i = 0; i < t.count; i++) {
        struct row *row = figures_table_at(&t, i);

        assert_ptr_equal(figures_table_find(&t, row->head.hash, &row->key), row);
    }
    assert_int_equal(t.count, 37);
    assert_int_equal(released, t.evicted);
    figures_table_fini(&t);
}

TEST(figures_table_take_gives_the_records_and_is_empty)
{
    struct figures_table t;
    struct row *rows;
    uint64_t key = 1;
    size_t n;
    bool is_new;

    figures_table_init(&t, &kind, 8);
    (void)get(&t, 1, &is_new);
    (void)get(&t, 2, &is_new);
    rows = figures_table_take(&t, &n);
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].key, 1);
    assert_null(figures_table_find(&t, hash_of(1), &key));
    (void)get(&t, 3, &is_new);
    figures_table_clear(&t);
    assert_int_equal(t.count, 0);
    assert_int_equal(released, 1);
    mem_free(MEM_FIGURES, rows);
    figures_table_fini(&t);
}
