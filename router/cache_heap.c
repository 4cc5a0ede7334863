/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_heap.c - see cache_heap.h.
 *
 * Blocks lie one behind the other up to `top`, each with a header that knows its size and that of
 * the one before. Two free blocks are never neighbours, and the last block is in use.
 *
 * Of a free block, the whole pages behind its header are either idle (resident) or released.
 */
#include "router/cache_heap.h"

#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n)   ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

#define PAGE          ((size_t)4096)
#define UNIT          ((size_t)16)
#define BLOCK_MIN     ((size_t)64)
#define STEP          ((size_t)4 << 20) /* made usable at once */
#define RESERVED_MIN  ((size_t)4 << 30)
#define PART_BITS     4    /* of HEAP_PARTS */
#define PAGE_CLASS    12   /* of the smallest blocks with a page inside */
#define RELEASES_MAX  1024 /* free blocks that are looked at for pages, at once */
#define SIZE_MAX_HERE ((size_t)1 << (HEAP_CLASSES - 1))

struct heap_block {
    size_t word;   /* its size with this header, a multiple of 16, and two flags */
    size_t before; /* size of the block before; 0 = this is the first */
    /* of free blocks only: the payload begins here */
    struct heap_block *next;
    struct heap_block *prev;
};

#define HEADER      offsetof(struct heap_block, next)
#define IS_USED     ((size_t)1)
#define IS_RELEASED ((size_t)2)
#define FLAGS       (UNIT - 1)

static size_t size_of(const struct heap_block *block)
{
    return block->word & ~FLAGS;
}

static bool has(const struct heap_block *block, size_t flag)
{
    return (block->word & flag) != 0;
}

static size_t up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static struct heap_block *at(const struct cache_heap *heap, size_t offset)
{
    return (struct heap_block *)(void *)(heap->base + offset);
}

static size_t offset_of(const struct cache_heap *heap, const struct heap_block *block)
{
    return (size_t)((const char *)block - heap->base);
}

/* --- pages ------------------------------------------------------------------------------------ */

/* The whole pages of a free block; the header's page stays. */
static size_t pages_of(const struct cache_heap *heap, const struct heap_block *block, size_t *from)
{
    size_t start = offset_of(heap, block);
    size_t end = (start + size_of(block)) / PAGE * PAGE;

    *from = up(start + sizeof(*block), PAGE);
    return end > *from ? end - *from : 0;
}

/* What lies above the last block. */
static size_t pages_above(const struct cache_heap *heap)
{
    size_t from = up(heap->top, PAGE);

    return heap->written > from ? heap->written - from : 0;
}

static size_t resident(const struct cache_heap *heap)
{
    return heap->written - heap->released;
}

static void give_back(struct cache_heap *heap, size_t from, size_t n)
{
    (void)madvise(heap->base + from, n, MADV_DONTNEED);
}

static void release(struct cache_heap *heap, struct heap_block *block)
{
    size_t from;
    size_t n = pages_of(heap, block, &from);

    if (n > 0 && !has(block, IS_RELEASED)) {
        give_back(heap, from, n);
        block->word |= IS_RELEASED;
        heap->idle -= n;
        heap->released += n;
    }
}

static void release_above(struct cache_heap *heap)
{
    if (pages_above(heap) > 0) {
        give_back(heap, up(heap->top, PAGE), pages_above(heap));
        heap->written = up(heap->top, PAGE);
    }
}

/* Returns how many more blocks may be looked at; 0 = it is done. */
static unsigned release_list(struct cache_heap *heap, struct heap_block *first, size_t bytes,
                             unsigned blocks)
{
    for (struct heap_block *b = first; b != NULL && blocks > 0; b = b->next) {
        if (resident(heap) <= bytes) {
            return 0;
        }
        release(heap, b);
        blocks--;
    }
    return blocks;
}

/* Until that many bytes are resident; the largest blocks first. */
static void release_down_to(struct cache_heap *heap, size_t bytes, unsigned blocks)
{
    release_above(heap);
    for (unsigned c = HEAP_CLASSES; c-- > PAGE_CLASS && blocks > 0;) {
        for (unsigned part = 0; part < HEAP_PARTS && (heap->classes >> c & 1) != 0; part++) {
            blocks = release_list(heap, heap->free[c][part], bytes, blocks);
        }
    }
}

/*
 * Is there room for n more resident bytes? Pages of free blocks are given back for it, some more
 * than needed and only when there are some: small holes are better used again than emptied.
 */
static bool make_pages(struct cache_heap *heap, size_t n)
{
    size_t max = heap->max_bytes, free_pages = heap->idle + pages_above(heap);

    if (resident(heap) + n <= max) {
        return true;
    }
    if (resident(heap) + n - max > free_pages || free_pages < max / 32) {
        return false;
    }
    release_down_to(heap, max - MIN(max, n + max / 64), RELEASES_MAX);
    return resident(heap) + n <= max;
}

/* --- free blocks ------------------------------------------------------------------------------ */

static unsigned class_of(size_t size)
{
    return (unsigned)(63 - __builtin_clzl(size));
}

static unsigned part_of(size_t size)
{
    return (unsigned)(size >> (class_of(size) - PART_BITS)) & (HEAP_PARTS - 1);
}

static void put_free(struct cache_heap *heap, struct heap_block *block)
{
    unsigned c = class_of(size_of(block)), part = part_of(size_of(block));
    size_t from;

    block->word &= ~IS_USED;
    block->prev = NULL;
    block->next = heap->free[c][part];
    if (block->next != NULL) {
        block->next->prev = block;
    }
    heap->free[c][part] = block;
    heap->parts[c] = (uint16_t)(heap->parts[c] | 1u << part);
    heap->classes |= UINT64_C(1) << c;
    *(has(block, IS_RELEASED) ? &heap->released : &heap->idle) += pages_of(heap, block, &from);
}

static void take_free(struct cache_heap *heap, struct heap_block *block)
{
    unsigned c = class_of(size_of(block)), part = part_of(size_of(block));
    size_t from;

    *(has(block, IS_RELEASED) ? &heap->released : &heap->idle) -= pages_of(heap, block, &from);
    if (block->next != NULL) {
        block->next->prev = block->prev;
    }
    if (block->prev != NULL) {
        block->prev->next = block->next;
        return;
    }
    heap->free[c][part] = block->next;
    if (block->next == NULL) {
        heap->parts[c] = (uint16_t)(heap->parts[c] & ~(1u << part));
        heap->classes &= ~((uint64_t)(heap->parts[c] == 0) << c);
    }
}

/* The first of the smallest part that all fit into; size is rounded to one. */
static struct heap_block *find_free(const struct cache_heap *heap, size_t size)
{
    unsigned c = class_of(size);
    unsigned parts = heap->parts[c] & ~0u << part_of(size);

    if (parts == 0) {
        uint64_t larger = heap->classes & ~UINT64_C(0) << c << 1;

        if (larger == 0) {
            return NULL;
        }
        c = (unsigned)__builtin_ctzl(larger);
        parts = heap->parts[c];
    }
    return heap->free[c][__builtin_ctz(parts)];
}

/* --- blocks ----------------------------------------------------------------------------------- */

/* So many sizes that what one leaves is what another needs; 3 % too much on average. */
size_t heap_round(size_t size)
{
    size_t n = MAX(up(size + HEADER, UNIT), BLOCK_MIN);

    return up(up(n, (size_t)1 << (class_of(n) - PART_BITS)), UNIT);
}

static void set_size(struct cache_heap *heap, struct heap_block *block, size_t size)
{
    size_t end = offset_of(heap, block) + size;

    block->word = size | (block->word & FLAGS);
    if (end < heap->top) {
        at(heap, end)->before = size;
    } else {
        heap->last = size;
    }
}

/* What is not needed of a block becomes a free one. It was in no list. */
static void split(struct cache_heap *heap, struct heap_block *block, size_t size)
{
    size_t rest = size_of(block) - size;
    size_t was_released = block->word & IS_RELEASED;
    struct heap_block *other;

    block->word &= ~IS_RELEASED;
    if (rest < BLOCK_MIN) {
        return;
    }
    other = at(heap, offset_of(heap, block) + size);
    ASAN_UNPOISON_MEMORY_REGION(other, sizeof(*other));
    *other = (struct heap_block){.word = was_released};
    set_size(heap, other, rest);
    set_size(heap, block, size);
    put_free(heap, other);
}

static void *from_free(struct cache_heap *heap, struct heap_block *block, size_t size)
{
    size_t from, n = pages_of(heap, block, &from);
    size_t end = up(offset_of(heap, block) + size + sizeof(*block), PAGE);

    /* Of a released one, the pages under the new block and the next header come back. */
    if (has(block, IS_RELEASED) && n > 0 && end > from && !make_pages(heap, MIN(end - from, n))) {
        return NULL;
    }
    take_free(heap, block);
    split(heap, block, size);
    return block;
}

static void *from_top(struct cache_heap *heap, size_t size)
{
    size_t end = heap->top + size;
    size_t written = MAX(heap->written, up(end, PAGE));
    struct heap_block *block;

    if (end > heap->reserved || !make_pages(heap, written - heap->written)) {
        return NULL;
    }
    /* That may have lowered it. */
    written = MAX(heap->written, up(end, PAGE));
    if (resident(heap) + written - heap->written > heap->max_bytes) {
        return NULL;
    }
    if (end > heap->usable) {
        size_t more = MIN(up(end, STEP), heap->reserved) - heap->usable;

        if (mprotect(heap->base + heap->usable, more, PROT_READ | PROT_WRITE) != 0) {
            return NULL;
        }
        heap->usable += more;
    }
    block = at(heap, heap->top);
    ASAN_UNPOISON_MEMORY_REGION(block, sizeof(*block));
    *block = (struct heap_block){.before = heap->last};
    heap->top = end;
    heap->written = written;
    set_size(heap, block, size);
    return block;
}

void *heap_alloc(struct cache_heap *heap, size_t size)
{
    struct heap_block *block, *found = NULL;

    if (size >= SIZE_MAX_HERE / 2) {
        return NULL;
    }
    size = heap_round(size);
    CHECK(pthread_mutex_lock(&heap->lock) == 0);
    block = find_free(heap, size);
    found = block != NULL ? from_free(heap, block, size) : NULL;
    if (found == NULL) {
        found = from_top(heap, size);
    }
    if (found != NULL) {
        found->word |= IS_USED;
        heap->live += size_of(found);
        ASAN_UNPOISON_MEMORY_REGION(&found->next, size_of(found) - HEADER);
    }
    CHECK(pthread_mutex_unlock(&heap->lock) == 0);
    return found == NULL ? NULL : (void *)&found->next;
}

static struct heap_block *block_of(const void *ptr)
{
    return (struct heap_block *)((uintptr_t)ptr - HEADER);
}

/* Both are next to each other and in no list; the first becomes one with the second. */
static void merge(struct cache_heap *heap, struct heap_block *first, struct heap_block *second)
{
    size_t size = size_of(first) + size_of(second);

    first->word &= ~IS_RELEASED; /* in part: the rest counts as resident again */
    set_size(heap, first, size);
    ASAN_POISON_MEMORY_REGION(second, sizeof(*second));
}

void heap_free(struct cache_heap *heap, void *ptr)
{
    struct heap_block *block = block_of(ptr), *other;
    size_t offset;

    CHECK(pthread_mutex_lock(&heap->lock) == 0);
    CHECK(has(block, IS_USED));
    heap->live -= size_of(block);
    ASAN_POISON_MEMORY_REGION(ptr, size_of(block) - HEADER);
    ASAN_UNPOISON_MEMORY_REGION(ptr, sizeof(*block) - HEADER);
    offset = offset_of(heap, block);
    other = offset + size_of(block) < heap->top ? at(heap, offset + size_of(block)) : NULL;
    if (other != NULL && !has(other, IS_USED)) {
        take_free(heap, other);
        merge(heap, block, other);
    }
    other = block->before > 0 ? at(heap, offset - block->before) : NULL;
    if (other != NULL && !has(other, IS_USED)) {
        take_free(heap, other);
        merge(heap, other, block);
        block = other;
    }
    offset = offset_of(heap, block);
    if (offset + size_of(block) == heap->top) {
        heap->top = offset;
        heap->last = block->before;
    } else {
        block->word &= ~IS_RELEASED;
        put_free(heap, block);
    }
    CHECK(pthread_mutex_unlock(&heap->lock) == 0);
}

/* --- the whole -------------------------------------------------------------------------------- */

void heap_init(struct cache_heap *heap)
{
    *heap = (struct cache_heap){0};
    CHECK(pthread_mutex_init(&heap->lock, NULL) == 0);
}

void heap_fini(struct cache_heap *heap)
{
    CHECK(heap->live == 0);
    if (heap->base != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(heap->base, heap->usable);
        (void)munmap(heap->base, heap->reserved);
    }
    (void)pthread_mutex_destroy(&heap->lock);
}

void heap_limit(struct cache_heap *heap, size_t max_bytes)
{
    CHECK(pthread_mutex_lock(&heap->lock) == 0);
    if (heap->base == NULL && max_bytes > 0) {
        size_t n = up(MAX(max_bytes * 4, RESERVED_MIN), PAGE);
        void *base = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (base != MAP_FAILED) {
            (void)madvise(base, n, MADV_NOHUGEPAGE); /* they would fill what was given back */
        }
        heap->base = base == MAP_FAILED ? NULL : base;
        heap->reserved = base == MAP_FAILED ? 0 : n;
    }
    heap->max_bytes = MIN(max_bytes, heap->reserved / 2);
    CHECK(pthread_mutex_unlock(&heap->lock) == 0);
}

void heap_trim(struct cache_heap *heap)
{
    CHECK(pthread_mutex_lock(&heap->lock) == 0);
    release_down_to(heap, 0, UINT32_MAX);
    CHECK(pthread_mutex_unlock(&heap->lock) == 0);
}

size_t heap_resident(struct cache_heap *heap)
{
    size_t n;

    CHECK(pthread_mutex_lock(&heap->lock) == 0);
    n = resident(heap);
    CHECK(pthread_mutex_unlock(&heap->lock) == 0);
    return n;
}

size_t heap_live(struct cache_heap *heap)
{
    size_t n;

    CHECK(pthread_mutex_lock(&heap->lock) == 0);
    n = heap->live;
    CHECK(pthread_mutex_unlock(&heap->lock) == 0);
    return n;
}
