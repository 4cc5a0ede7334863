/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_figures.c - what the query cache counts: sites, and rows of (site, digest).
 *
 * Sites are only ever added, without a lock. A row is in one of eight places; when all are taken,
 * the one that nothing refers to and that was asked for least recently gives its place, and its
 * numbers go to the site's row of all others. So no number is lost.
 */
#include <xxhash.h>

#include "router/cache_inside.h"

static const char *const count_names[CACHE_COUNTS_N] = {
#define X(id, name, help) [id] = (name),
    CACHE_COUNTS(X)
#undef X
};

const char *cache_count_name(enum cache_count count)
{
    CHECK(count < CACHE_COUNTS_N);
    return count_names[count];
}

void cache_figures_init(struct cache *cache)
{
    for (unsigned i = 0; i < STRIPES; i++) {
        CHECK(pthread_mutex_init(&cache->stripes[i].lock, NULL) == 0);
    }
    cache->nobody.others.site = &cache->nobody;
    cache->nobody.others.refs = 1;
}

void cache_figures_fini(struct cache *cache)
{
    for (unsigned i = 0; i < STRIPES; i++) {
        for (unsigned r = 0; r < ROW_SETS * ROW_WAYS; r++) {
            mem_free(MEM_CACHE, cache->stripes[i].rows[r]);
        }
        (void)pthread_mutex_destroy(&cache->stripes[i].lock);
    }
    for (unsigned i = 0; i < SITE_SLOTS; i++) {
        mem_free(MEM_CACHE, atomic_load(&cache->sites[i]));
    }
}

/* --- sites ------------------------------------------------------------------------------------ */

static size_t site_size(const struct cache_key *key)
{
    return sizeof(struct cache_site) + key->account_name.len + key->schema.len;
}

static struct cache_site *new_site(struct cache *cache, const struct cache_key *key, uint64_t hash)
{
    size_t n = key->account_name.len;
    struct cache_site *site;
    char *names;

    if (atomic_load(&cache->n_sites) >= SITES_MAX) {
        return NULL;
    }
    site = cache_small(cache, site_size(key));
    if (site == NULL) {
        return NULL;
    }
    names = (char *)(site + 1);
    if (n > 0) {
        memcpy(names, key->account_name.data, n);
    }
    if (key->schema.len > 0) {
        memcpy(names + n, key->schema.data, key->schema.len);
    }
    site->hash = hash;
    site->account_name = (struct slice){names, n};
    site->schema = (struct slice){names + n, key->schema.len};
    site->others.site = site;
    site->others.refs = 1;
    return site;
}

static struct cache_site *site_of(struct cache *cache, const struct cache_key *key)
{
    uint64_t hash =
        XXH3_64bits_withSeed(key->schema.data, key->schema.len,
                             XXH3_64bits(key->account_name.data, key->account_name.len));
    struct cache_site *site = NULL;

    /* Half of the places stay free, so this ends. */
    for (size_t i = hash % SITE_SLOTS;; i = (i + 1) % SITE_SLOTS) {
        struct cache_site *there = atomic_load_explicit(&cache->sites[i], memory_order_acquire);

        if (there == NULL && site == NULL) {
            site = new_site(cache, key, hash);
            if (site == NULL) {
                return &cache->nobody;
            }
        }
        if (there == NULL && atomic_compare_exchange_strong(&cache->sites[i], &there, site)) {
            atomic_fetch_add(&cache->n_sites, 1);
            return site;
        }
        if (there->hash == hash && slice_eq(there->account_name, key->account_name) &&
            slice_eq(there->schema, key->schema)) {
            if (site != NULL) { /* another thread was faster */
                cache_small_free(cache, site, site_size(key));
            }
            return there;
        }
    }
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Add the numbers of one row to another, and set them to 0. */
static void move_counts(struct cache_row *from, struct cache_row *to)
{
    for (unsigned i = 0; i < CACHE_COUNTS_N; i++) {
        atomic_fetch_add(&to->counts[i], atomic_exchange(&from->counts[i], 0));
    }
}

/* The place for a new row: free, or of the row that may go best. NULL: all are in use. */
static struct cache_row **place_of(struct cache_row **set)
{
    struct cache_row **best = NULL;

    for (unsigned i = 0; i < ROW_WAYS; i++) {
        if (set[i] == NULL) {
            return &set[i];
        }
        if (atomic_load(&set[i]->refs) == 0 &&
            (best == NULL || set[i]->used_us < (*best)->used_us)) {
            best = &set[i];
        }
    }
    return best;
}

static struct cache_row *row_in(struct cache *cache, struct cache_row **set,
                                struct cache_site *site, uint64_t digest)
{
    struct cache_row **place;

    for (unsigned i = 0; i < ROW_WAYS && set[i] != NULL; i++) {
        if (set[i]->site == site && set[i]->digest == digest) {
            return set[i];
        }
    }
    place = place_of(set);
    if (place == NULL) {
        return &site->others;
    }
    if (*place == NULL) {
        *place = cache_small(cache, sizeof(**place));
        if (*place == NULL) {
            return &site->others;
        }
    } else {
        move_counts(*place, &(*place)->site->others);
    }
    (*place)->site = site;
    (*place)->digest = digest;
    atomic_store(&(*place)->waits_in_vain, false);
    return *place;
}

struct cache_row *cache_row_of(struct cache *cache, const struct cache_key *key, uint64_t now_us)
{
    struct cache_site *site = site_of(cache, key);
    uint64_t hash = site->hash ^ key->digest * UINT64_C(0x9e3779b97f4a7c15);
    struct cache_stripe *stripe = &cache->stripes[hash >> 60];
    struct cache_row **set = &stripe->rows[(hash >> 32) % ROW_SETS * ROW_WAYS];
    struct cache_row *row;

    if (site == &cache->nobody) {
        row = &site->others;
        atomic_fetch_add(&row->refs, 1);
        return row;
    }
    cache_lock(&stripe->lock);
    row = row_in(cache, set, site, key->digest);
    atomic_fetch_add(&row->refs, 1);
    if (row != &site->others) {
        row->used_us = now_us;
    }
    cache_unlock(&stripe->lock);
    return row;
}

void cache_row_unref(struct cache_row *row)
{
    atomic_fetch_sub_explicit(&row->refs, 1, memory_order_release);
}

/* --- reading ---------------------------------------------------------------------------------- */

static struct cache_figures figures_of(const struct cache_row *row)
{
    struct cache_figures f = {
        .account_name = row->site->account_name,
        .schema = row->site->schema,
        .digest = row->digest,
        .entries = atomic_load(&row->entries),
        .bytes = atomic_load(&row->bytes),
    };

    for (unsigned i = 0; i < CACHE_COUNTS_N; i++) {
        f.counts[i] = atomic_load(&row->counts[i]);
    }
    return f;
}

static bool says_nothing(const struct cache_figures *f)
{
    uint64_t all = f->entries;

    for (unsigned i = 0; i < CACHE_COUNTS_N; i++) {
        all |= f->counts[i];
    }
    return all == 0;
}

static void say(const struct cache_figures *figures,
                void (*row)(void *, const struct cache_figures *), void *arg)
{
    if (!says_nothing(figures)) {
        row(arg, figures);
    }
}

static void read_set(struct cache_stripe *stripe, unsigned first,
                     void (*row)(void *, const struct cache_figures *), void *arg)
{
    struct cache_figures figures[ROW_WAYS];
    unsigned n = 0;

    cache_lock(&stripe->lock);
    for (unsigned i = 0; i < ROW_WAYS && stripe->rows[first + i] != NULL; i++) {
        figures[n++] = figures_of(stripe->rows[first + i]);
    }
    cache_unlock(&stripe->lock);
    for (unsigned i = 0; i < n; i++) {
        say(&figures[i], row, arg);
    }
}

void cache_read_figures(struct cache *cache,
                        void (*row)(void *arg, const struct cache_figures *figures), void *arg)
{
    struct cache_figures f = figures_of(&cache->nobody.others);

    for (unsigned i = 0; i < STRIPES; i++) {
        for (unsigned set = 0; set < ROW_SETS; set++) {
            read_set(&cache->stripes[i], set * ROW_WAYS, row, arg);
        }
    }
    say(&f, row, arg);
    for (unsigned i = 0; i < SITE_SLOTS; i++) {
        const struct cache_site *site = atomic_load(&cache->sites[i]);

        if (site != NULL) {
            f = figures_of(&site->others);
            say(&f, row, arg);
        }
    }
}

static void add(void *arg, const struct cache_figures *figures)
{
    struct cache_figures *sum = arg;

    sum->entries += figures->entries;
    for (unsigned i = 0; i < CACHE_COUNTS_N; i++) {
        sum->counts[i] += figures->counts[i];
    }
}

void cache_sum_figures(struct cache *cache, struct cache_figures *sum)
{
    *sum = (struct cache_figures){0};
    cache_read_figures(cache, add, sum);
    sum->bytes = cache_bytes(cache);
}
