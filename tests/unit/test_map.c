/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_map.c - the hash map, against a plain array as the reference.
 */
#include <stdio.h>

#include "base/err.h"
#include "base/map.h"
#include "tests/unit/test.h"

#define N_KEYS 2000

struct entry {
    char text[16];
    struct slice key;
    bool in_map; /* what the reference says */
    bool seen;
};

static struct entry entries[N_KEYS];

static void name_entries(void)
{
    for (int i = 0; i < N_KEYS; i++) {
        int n = snprintf(entries[i].text, sizeof(entries[i].text), "key%d", i * 7919);

        entries[i].key = (struct slice){entries[i].text, (size_t)n};
        entries[i].in_map = false;
    }
}

/* Every key, and a whole walk, say what the reference says. */
static void compare(const struct map *map)
{
    size_t pos = 0;
    size_t count = 0;
    struct entry *entry;

    for (int i = 0; i < N_KEYS; i++) {
        entries[i].seen = false;
        assert_ptr_equal(map_get(map, entries[i].key), entries[i].in_map ? &entries[i] : NULL);
    }
    while ((entry = map_next(map, &pos)) != NULL) {
        assert_true(entry->in_map);
        assert_false(entry->seen);
        entry->seen = true;
        count++;
    }
    assert_null(map_next(map, &pos));
    for (int i = 0; i < N_KEYS; i++) {
        assert_int_equal(entries[i].seen, entries[i].in_map);
    }
    assert_int_equal(count, map->count);
}

TEST(map_empty_has_nothing)
{
    struct map map;
    size_t pos = 0;

    map_init(&map, MEM_OTHER, 10);
    assert_null(map_get(&map, SLICE("a")));
    assert_null(map_remove(&map, SLICE("a")));
    assert_null(map_next(&map, &pos));
    assert_int_equal(mem_blocks(MEM_OTHER), 0);
    map_fini(&map);
    map_fini(&map);
}

TEST(map_put_replaces_value_and_key)
{
    struct map map;
    char first[] = "site";
    char second[] = "site";
    int one = 1;
    int two = 2;

    map_init(&map, MEM_OTHER, 10);
    assert_int_equal(map_put(&map, slice_of(first), &one), 0);
    assert_int_equal(map_put(&map, slice_of(second), &two), 0);
    first[0] = 'x'; /* these bytes are no longer the map's business */
    assert_ptr_equal(map_get(&map, SLICE("site")), &two);
    assert_int_equal(map.count, 1);
    assert_ptr_equal(map_remove(&map, SLICE("site")), &two);
    assert_null(map_get(&map, SLICE("site")));
    map_fini(&map);
}

TEST(map_keys_are_bytes)
{
    struct map map;
    int values[3];

    map_init(&map, MEM_OTHER, 10);
    assert_int_equal(map_put(&map, SLICE("a\0b"), &values[0]), 0);
    assert_int_equal(map_put(&map, SLICE("a"), &values[1]), 0);
    assert_int_equal(map_put(&map, SLICE(""), &values[2]), 0);
    assert_ptr_equal(map_get(&map, SLICE("a\0b")), &values[0]);
    assert_ptr_equal(map_get(&map, SLICE("a")), &values[1]);
    assert_ptr_equal(map_get(&map, (struct slice){NULL, 0}), &values[2]);
    map_fini(&map);
}

TEST(map_put_beyond_the_cap_is_refused)
{
    struct map map;
    int values[4];
    uint64_t refused;

    map_init(&map, MEM_OTHER, 2);
    assert_int_equal(map_put(&map, SLICE("a"), &values[0]), 0);
    assert_int_equal(map_put(&map, SLICE("b"), &values[1]), 0);
    refused = mem_failures();
    assert_int_equal(map_put(&map, SLICE("c"), &values[2]), ERR_LIMIT);
    assert_int_equal(mem_failures(), refused + 1);
    assert_int_equal(map_put(&map, SLICE("b"), &values[3]), 0);
    assert_ptr_equal(map_get(&map, SLICE("b")), &values[3]);
    assert_ptr_equal(map_remove(&map, SLICE("a")), &values[0]);
    assert_int_equal(map_put(&map, SLICE("c"), &values[2]), 0);
    map_fini(&map);
}

TEST(map_without_memory_stays_as_it_was)
{
    struct map map;
    unsigned failed = 0;

    name_entries();
    map_init(&map, MEM_OTHER, N_KEYS);
    for (int i = 0; i < 100; i++) {
        int rc;

        mem_fail_at(1);
        rc = map_put(&map, entries[i].key, &entries[i]);
        mem_fail_at(0);
        failed += rc == ERR_MEMORY;
        entries[i].in_map = rc == 0;
        if (rc != 0) {
            compare(&map);
            assert_int_equal(map_put(&map, entries[i].key, &entries[i]), 0);
            entries[i].in_map = true;
        }
    }
    compare(&map);
    assert_int_equal(failed, 6); /* the tables of 8, 16, ... 256 slots */
    map_fini(&map);
    assert_int_equal(mem_blocks(MEM_OTHER), 0);
}

TEST(map_grows_and_shrinks_like_the_reference)
{
    struct map map;
    uint64_t random = 88172645463325252;

    name_entries();
    map_init(&map, MEM_OTHER, N_KEYS);
    /* Phases lean to putting, then to removing, so the map is full, empty and all between. */
    for (int step = 0; step < 60000; step++) {
        struct entry *entry = &entries[test_random(&random) % N_KEYS];
        bool put = test_random(&random) % 100 < (step / 10000 % 2 == 0 ? 70 : 30);

        if (put) {
            assert_int_equal(map_put(&map, entry->key, entry), 0);
        } else {
            assert_ptr_equal(map_remove(&map, entry->key), entry->in_map ? entry : NULL);
        }
        entry->in_map = put;
        if (step % 1000 == 0) {
            compare(&map);
        }
    }
    compare(&map);
    map_fini(&map);
}

TEST(map_walk_may_remove_what_it_returned)
{
    uint64_t random = 7;

    name_entries();
    for (int round = 0; round < 300; round++) {
        struct map map;
        size_t pos = 0;
        size_t n_seen = 0;
        size_t n = 1 + test_random(&random) % 96; /* up to the fullest table of 128 slots */
        struct entry *entry;

        map_init(&map, MEM_OTHER, N_KEYS);
        for (size_t i = 0; i < n; i++) {
            struct entry *one = &entries[(i + (size_t)round * 17) % N_KEYS];

            assert_int_equal(map_put(&map, one->key, one), 0);
        }
        while ((entry = map_next(&map, &pos)) != NULL) {
            n_seen++;
            if (test_random(&random) % 4 != 0) {
                assert_ptr_equal(map_remove(&map, entry->key), entry);
            }
        }
        assert_int_equal(n_seen, n);
        map_fini(&map);
    }
}
