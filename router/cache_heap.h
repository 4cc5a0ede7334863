/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_heap.h - the memory of cached answers, whose resident pages have a hard cap.
 *
 * malloc() has an arena for each thread, and what answers of all sizes leave behind in one is of no
 * use to another: a flood of them through 256 MB made the process 480 MB large (measured). This is
 * one heap for all threads: free blocks by size, the best class first, merged with their
 * neighbours. What counts are pages; those inside of free blocks are given back to the system when
 * that makes room. A range of addresses is reserved at the start, its pages come when they are
 * written.
 *
 * Any thread; one lock, under which no other is taken.
 */
#ifndef ROUTER_CACHE_HEAP_H
#define ROUTER_CACHE_HEAP_H

#include <pthread.h>

#include "base/base.h"

#define HEAP_CLASSES 48 /* powers of two */
#define HEAP_PARTS   16 /* of each */

struct heap_block;

struct cache_heap {
    pthread_mutex_t lock;
    size_t max_bytes; /* of resident pages */
    /* offsets into the range */
    char *base;      /* NULL = nothing reserved */
    size_t reserved; /* bytes of addresses */
    size_t usable;   /* up to here they may be written */
    size_t top;      /* end of the last block */
    size_t written;  /* up to here pages may be resident, but for the released ones */
    size_t last;     /* size of the last block */
    /* sums */
    size_t released; /* bytes of pages inside of free blocks, given back */
    size_t idle;     /* the same, not given back */
    size_t live;     /* bytes of blocks in use */
    /* free blocks */
    uint64_t classes;             /* a bit for each that has any */
    uint16_t parts[HEAP_CLASSES]; /* the same of its parts */
    struct heap_block *free[HEAP_CLASSES][HEAP_PARTS];
};

void heap_init(struct cache_heap *heap);

/* heap_fini - no block may be in use. */
void heap_fini(struct cache_heap *heap);

/*
 * heap_limit - the cap; at most half of the addresses that the first call reserved, which are four
 * times its cap and at least 4 GB. What is resident beyond it stays until blocks are freed.
 */
void heap_limit(struct cache_heap *heap, size_t max_bytes);

/*
 * heap_alloc - a block of at least size bytes, not set to zero. NULL: it does not fit. Free it with
 * heap_free().
 */
void *heap_alloc(struct cache_heap *heap, size_t size) MUST_CHECK;
void heap_free(struct cache_heap *heap, void *ptr);

/* heap_round - what a block of that many bytes takes. */
size_t heap_round(size_t size);

/* heap_trim - give all pages back that can be. */
void heap_trim(struct cache_heap *heap);

/* heap_resident, heap_live - bytes of pages; of blocks in use. */
size_t heap_resident(struct cache_heap *heap);
size_t heap_live(struct cache_heap *heap);

#endif
