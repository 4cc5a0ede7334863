/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures_table.h - a table of fixed size for figures that have a key: open addressing, CLOCK
 * eviction.
 *
 * Each record begins with a struct figure. A record stays where it is until it is evicted. Thread:
 * its owner's.
 */
#ifndef PROXY_FIGURES_TABLE_H
#define PROXY_FIGURES_TABLE_H

#include "base/base.h"

/* The head of each record. */
struct figure {
    uint64_t hash;
    bool is_referenced; /* looked at since the hand passed */
};

/* What the records of a table are. */
struct figures_kind {
    size_t size;                                        /* of a record */
    bool (*is_of)(const void *record, const void *key); /* the hashes are equal: so are the keys? */
    bool (*may_leave)(const void *record);              /* NULL: any may */
    void (*release)(void *record);                      /* frees what it owns; NULL: nothing */
};

struct figures_table {
    const struct figures_kind *kind;
    uint32_t *slots;  /* owned: 0 = free, else 1 + index of a record */
    uint8_t *records; /* owned */
    uint32_t n_slots; /* a power of two, at least twice max */
    uint32_t max, count, hand;
    uint64_t evicted; /* since the start */
    uint64_t refused; /* no record could leave */
};

/* figures_table_init - allocates all it will ever need. max: at least 1. */
void figures_table_init(struct figures_table *t, const struct figures_kind *kind, size_t max);
void figures_table_fini(struct figures_table *t);

/* figures_table_find - NULL when it is not there. */
void *figures_table_find(struct figures_table *t, uint64_t hash, const void *key);

/*
 * figures_table_get - the record of a key; is_new: it is zeroed but for its head, and maybe another
 * one had to leave for it. NULL when the table is full of records that may not leave.
 */
void *figures_table_get(struct figures_table *t, uint64_t hash, const void *key, bool *is_new);

static inline void *figures_table_at(const struct figures_table *t, size_t index)
{
    return t->records + index * t->kind->size;
}

/* figures_table_clear - all records leave. */
void figures_table_clear(struct figures_table *t);

/*
 * figures_table_take - the records themselves; the table is empty after it. Free them with
 * mem_free(MEM_FIGURES) after releasing each. n: how many.
 */
void *figures_table_take(struct figures_table *t, size_t *n);

#endif
