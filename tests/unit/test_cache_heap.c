/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cache_heap.c - the heap of cached answers: blocks keep what is in them, what is free becomes
 * one again, and its pages stay under the cap whatever comes.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "router/cache_heap.h"
#include "tests/unit/test.h"

#define MIB ((size_t)1024 * 1024)

#define BLOCKS 4000

struct ward {
    struct cache_heap heap;
    char *at[BLOCKS];
    size_t size[BLOCKS];
    uint64_t random;
};

static struct ward *ward_new(size_t max_bytes)
{
    struct ward *w = mem_new(MEM_OTHER, sizeof(*w));

    heap_init(&w->heap);
    heap_limit(&w->heap, max_bytes);
    w->random = 1;
    return w;
}

static void ward_free(struct ward *w)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (w->at[i] != NULL) {
            heap_free(&w->heap, w->at[i]);
        }
    }
    assert_int_equal(heap_live(&w->heap), 0);
    assert_int_equal(w->heap.top, 0); /* all became one, and it was the last */
    assert_int_equal(w->heap.classes, 0);
    assert_int_equal(w->heap.idle + w->heap.released, 0);
    heap_trim(&w->heap);
    assert_int_equal(heap_resident(&w->heap), 0);
    heap_fini(&w->heap);
    mem_free(MEM_OTHER, w);
}

/* A block of its own pattern: its first and last bytes and some between. */
static bool take(struct ward *w, unsigned i, size_t size)
{
    w->at[i] = heap_alloc(&w->heap, size);
    w->size[i] = size;
    if (w->at[i] != NULL) {
        memset(w->at[i], (int)(i % 251), size);
    }
    return w->at[i] != NULL;
}

static void give(struct ward *w, unsigned i)
{
    for (size_t n = 0; n < w->size[i]; n += 1 + w->size[i] / 64) {
        assert_int_equal((unsigned char)w->at[i][n], i % 251);
    }
    assert_int_equal((unsigned char)w->at[i][w->size[i] - 1], i % 251);
    heap_free(&w->heap, w->at[i]);
    w->at[i] = NULL;
}

/* Most are small, a few are large. */
static size_t any_size(struct ward *w)
{
    uint64_t r = test_random(&w->random);

    return 1 + (r % 100 < 80 ? (r >> 8) % 2000 : r % 100 < 98 ? (r >> 8) % 20000 : (r >> 8) % MIB);
}

TEST(cache_heap_blocks_keep_what_is_in_them)
{
    struct ward *w = ward_new(64 * MIB);

    for (unsigned round = 0; round < 20000; round++) {
        unsigned i = (unsigned)(test_random(&w->random) % BLOCKS);

        if (w->at[i] != NULL) {
            give(w, i);
        } else {
            (void)take(w, i, any_size(w));
        }
        assert_true(heap_resident(&w->heap) <= 64 * MIB);
    }
    ward_free(w);
}

/* Small ones, then large ones in their place, and back: what one leaves is of use to the other. */
TEST(cache_heap_goes_from_small_to_large_and_back)
{
    struct ward *w = ward_new(8 * MIB);
    unsigned small = 0, large = 0;

    for (unsigned turn = 0; turn < 3; turn++) {
        for (small = 0; small < BLOCKS && take(w, small, 3000); small++) {
        }
        assert_in_range(small, 2400, 2800);
        for (unsigned i = 0; i < small; i++) {
            give(w, i);
        }
        for (large = 0; large < BLOCKS && take(w, large, MIB / 2); large++) {
        }
        assert_in_range(large, 14, 16);
        for (unsigned i = 0; i < large; i++) {
            give(w, i);
        }
    }
    ward_free(w);
}

/* Every other one goes: no two of what is left are neighbours, their pages make room for others. */
TEST(cache_heap_gives_pages_of_holes_to_others)
{
    struct ward *w = ward_new(8 * MIB);
    unsigned n = 0, more = 0;

    while (take(w, n, 30000)) {
        n++;
    }
    for (unsigned i = 0; i < n; i += 2) {
        give(w, i);
    }
    for (unsigned i = 0; i < n; i += 2) {
        more += take(w, i, 60000) ? 1 : 0;
        assert_true(heap_resident(&w->heap) <= 8 * MIB);
    }
    assert_in_range(more, n / 6, n / 4);
    ward_free(w);
}

TEST(cache_heap_lower_limit_needs_free_pages)
{
    struct ward *w = ward_new(16 * MIB);
    unsigned n = 0;

    while (n < 3000 && take(w, n, 4000)) {
        n++;
    }
    heap_limit(&w->heap, MIB);
    assert_false(take(w, n, 100000));
    for (unsigned i = 100; i < n; i++) {
        give(w, i);
    }
    assert_true(take(w, n, 100000));
    heap_trim(&w->heap);
    assert_true(heap_resident(&w->heap) <= MIB);
    ward_free(w);
}

TEST(cache_heap_refuses_what_is_too_large)
{
    struct ward *w = ward_new(MIB);

    assert_null(heap_alloc(&w->heap, SIZE_MAX));
    assert_null(heap_alloc(&w->heap, SIZE_MAX / 2));
    assert_null(heap_alloc(&w->heap, 2 * MIB));
    assert_true(take(w, 0, MIB / 2));
    heap_limit(&w->heap, 0);
    assert_null(heap_alloc(&w->heap, MIB));
    ward_free(w);
}

#ifndef SANITIZED /* they have pages of their own */
static size_t process_pages(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long all = 0, n = 0;

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &all, &n), 2); /* NOLINT(cert-err34-c) */
    assert_int_equal(fclose(f), 0);
    return n * (size_t)sysconf(_SC_PAGESIZE);
}

/* What it says of pages is what the system says of the process. */
TEST(cache_heap_counts_the_pages_that_the_system_counts)
{
    struct ward *w = ward_new(32 * MIB);
    size_t before = process_pages();

    for (unsigned round = 0; round < 40000; round++) {
        unsigned i = (unsigned)(test_random(&w->random) % BLOCKS);

        if (w->at[i] != NULL) {
            give(w, i);
        } else {
            (void)take(w, i, any_size(w));
        }
    }
    assert_true(heap_live(&w->heap) > 20 * MIB);
    assert_true(process_pages() - before <= 33 * MIB);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (w->at[i] != NULL && i % 16 != 0) {
            give(w, i);
        }
    }
    heap_trim(&w->heap);
    assert_true(process_pages() - before <= heap_resident(&w->heap) + MIB);
    assert_true(heap_resident(&w->heap) < 8 * MIB);
    ward_free(w);
}
#endif
