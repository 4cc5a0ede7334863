/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures_table.c - see figures_table.h.
 *
 * A record is only removed when another one takes its place, so there are no tombstones: the slots
 * behind a freed one are moved up (linear probing).
 */
#include "proxy/figures_table.h"

#include "base/mem.h"

static uint32_t slots_for(size_t max)
{
    uint32_t n = 16;

    while (n < 2 * max) {
        n *= 2;
    }
    return n;
}

void figures_table_init(struct figures_table *t, const struct figures_kind *kind, size_t max)
{
    CHECK(max >= 1 && max < UINT32_MAX / 4);
    *t = (struct figures_table){.kind = kind, .max = (uint32_t)max, .n_slots = slots_for(max)};
    t->slots = mem_new(MEM_FIGURES, t->n_slots * sizeof(*t->slots));
    t->records = mem_new(MEM_FIGURES, max * kind->size);
}

static void release_all(struct figures_table *t)
{
    for (size_t i = 0; i < t->count && t->kind->release != NULL; i++) {
        t->kind->release(figures_table_at(t, i));
    }
}

void figures_table_fini(struct figures_table *t)
{
    if (t->kind == NULL) {
        return;
    }
    release_all(t);
    mem_free(MEM_FIGURES, t->slots);
    mem_free(MEM_FIGURES, t->records);
    *t = (struct figures_table){0};
}

static struct figure *head_at(const struct figures_table *t, uint32_t slot)
{
    return figures_table_at(t, t->slots[slot] - 1);
}

static uint32_t home_of(const struct figures_table *t, uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32) & (t->n_slots - 1);
}

/* The slot of the key, or the free one where it would go. */
static uint32_t slot_of(const struct figures_table *t, uint64_t hash, const void *key)
{
    uint32_t slot = home_of(t, hash);

    while (t->slots[slot] != 0) {
        const struct figure *head = head_at(t, slot);

        if (head->hash == hash && t->kind->is_of(head, key)) {
            break;
        }
        slot = (slot + 1) & (t->n_slots - 1);
    }
    return slot;
}

void *figures_table_find(struct figures_table *t, uint64_t hash, const void *key)
{
    uint32_t slot = slot_of(t, hash, key);
    struct figure *head;

    if (t->slots[slot] == 0) {
        return NULL;
    }
    head = head_at(t, slot);
    head->is_referenced = true;
    return head;
}

/* Frees the slot of a record; whoever had to step aside for it moves up. */
static void unlink_record(struct figures_table *t, uint32_t index)
{
    uint32_t mask = t->n_slots - 1;
    uint32_t hole = home_of(t, ((struct figure *)figures_table_at(t, index))->hash);

    while (t->slots[hole] != index + 1) {
        hole = (hole + 1) & mask;
    }
    t->slots[hole] = 0;
    for (uint32_t at = (hole + 1) & mask; t->slots[at] != 0; at = (at + 1) & mask) {
        uint32_t home = home_of(t, head_at(t, at)->hash);

        if (((at - home) & mask) >= ((at - hole) & mask)) {
            t->slots[hole] = t->slots[at];
            t->slots[at] = 0;
            hole = at;
        }
    }
}

/* The index of a record that has left, or t->max when none may. */
static uint32_t evict(struct figures_table *t)
{
    for (uint64_t steps = 0; steps < 2 * (uint64_t)t->max; steps++) {
        uint32_t index = t->hand;
        struct figure *head = figures_table_at(t, index);

        t->hand = (t->hand + 1) % t->max;
        if (t->kind->may_leave != NULL && !t->kind->may_leave(head)) {
            continue;
        }
        if (head->is_referenced) {
            head->is_referenced = false;
            continue;
        }
        unlink_record(t, index);
        if (t->kind->release != NULL) {
            t->kind->release(head);
        }
        t->evicted++;
        return index;
    }
    return t->max;
}

void *figures_table_get(struct figures_table *t, uint64_t hash, const void *key, bool *is_new)
{
    uint32_t slot = slot_of(t, hash, key);
    uint32_t index;
    struct figure *head;

    *is_new = t->slots[slot] == 0;
    if (!*is_new) {
        head = head_at(t, slot);
        head->is_referenced = true;
        return head;
    }
    index = t->count < t->max ? t->count++ : evict(t);
    if (index == t->max) {
        t->refused++;
        return NULL;
    }
    slot = slot_of(t, hash, key); /* slots may have moved */
    t->slots[slot] = index + 1;
    head = figures_table_at(t, index);
    memset(head, 0, t->kind->size);
    head->hash = hash;
    return head; /* not referenced yet: what is seen once leaves before what is seen again */
}

void figures_table_clear(struct figures_table *t)
{
    release_all(t);
    memset(t->slots, 0, t->n_slots * sizeof(*t->slots));
    t->count = t->hand = 0;
}

void *figures_table_take(struct figures_table *t, size_t *n)
{
    void *records = t->records, *fresh = mem_try(MEM_FIGURES, t->max * t->kind->size);

    *n = 0;
    if (fresh == NULL) {
        return NULL;
    }
    *n = t->count;
    t->records = fresh;
    t->count = 0;
    memset(t->slots, 0, t->n_slots * sizeof(*t->slots));
    t->hand = 0;
    return records;
}
