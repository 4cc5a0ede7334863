/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.c - malloc with counters by kind.
 *
 * What a block counts is malloc_usable_size(), so no header is needed in front of it and the sum is
 * what the process really holds. Counters are relaxed atomics: statistics, not synchronisation.
 */
#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"

#define LARGE_BLOCK (1 << 20)

struct mem_counter {
    _Alignas(CACHE_LINE) _Atomic uint64_t bytes;
    _Atomic uint64_t blocks;
};

static struct mem_counter counters[MEM_KIND_COUNT];
static _Atomic uint64_t failures;
static _Atomic unsigned fail_countdown;

static const char *const kind_names[MEM_KIND_COUNT] = {
#define X(name, text) [name] = (text),
    MEM_KINDS(X)
#undef X
};

static void count(enum mem_kind kind, uint64_t bytes, uint64_t blocks)
{
    atomic_fetch_add_explicit(&counters[kind].bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters[kind].blocks, blocks, memory_order_relaxed);
}

static void uncount(enum mem_kind kind, uint64_t bytes, uint64_t blocks)
{
    atomic_fetch_sub_explicit(&counters[kind].bytes, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&counters[kind].blocks, blocks, memory_order_relaxed);
}

/* Is this the call that a test wants to fail? */
static bool told_to_fail(void)
{
    unsigned left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

    while (left != 0) {
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1)) {
            return left == 1;
        }
    }
    return false;
}

static void *failed(void)
{
    atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
    return NULL;
}

void mem_begin(void)
{
    /* Each setting ends the adjusting of both; the factor of two is glibc's own. */
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): before there is another thread */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the same */
    (void)mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BLOCK);
}

void *mem_new(enum mem_kind kind, size_t size)
{
    void *ptr = calloc(1, MAX(size, 1));

    if (ptr == NULL) {
        log_fatal("out of memory: %zu bytes for %s", size, mem_kind_name(kind));
    }
    count(kind, malloc_usable_size(ptr), 1);
    return ptr;
}

void *mem_try(enum mem_kind kind, size_t size)
{
    return mem_try_grow(kind, NULL, size);
}

void *mem_try_grow(enum mem_kind kind, void *old, size_t size)
{
    /* Read before realloc(): afterwards the old block may be gone. */
    size_t old_bytes = old == NULL ? 0 : malloc_usable_size(old);
    void *ptr;

    if (told_to_fail()) {
        return failed();
    }
    ptr = realloc(old, MAX(size, 1));
    if (ptr == NULL) {
        return failed();
    }
    uncount(kind, old_bytes, old == NULL ? 0 : 1);
    count(kind, malloc_usable_size(ptr), 1);
    return ptr;
}

void mem_free(enum mem_kind kind, void *ptr)
{
    if (ptr != NULL) {
        uncount(kind, malloc_usable_size(ptr), 1);
        free(ptr);
    }
}

char *mem_copy(enum mem_kind kind, struct slice text)
{
    char *copy = mem_new(kind, text.len + 1);

    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    return copy;
}

const char *mem_kind_name(enum mem_kind kind)
{
    CHECK(kind < MEM_KIND_COUNT);
    return kind_names[kind];
}

uint64_t mem_bytes(enum mem_kind kind)
{
    return atomic_load_explicit(&counters[kind].bytes, memory_order_relaxed);
}

uint64_t mem_blocks(enum mem_kind kind)
{
    return atomic_load_explicit(&counters[kind].blocks, memory_order_relaxed);
}

void mem_refused(void)
{
    atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
}

uint64_t mem_failures(void)
{
    return atomic_load_explicit(&failures, memory_order_relaxed);
}

void mem_fail_at(unsigned n)
{
    atomic_store(&fail_countdown, n);
}
