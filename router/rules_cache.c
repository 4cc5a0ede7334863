/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_cache.c - for each kind of statement, the few rules that it can meet.
 *
 * The key is a hash of 128 bits over digest, user, schema, flag, and the addresses if some rule
 * looks at them; with a seed of its own, so that nobody can make two keys alike. Sets of four
 * entries; the one that was not used for longest makes room. Lists of rules are kept once each in a
 * pool; when that is full, all is forgotten.
 */
#include <sys/random.h>
#include <xxhash.h>

#include "base/mem.h"
#include "router/rules_inside.h"
#include "router/rules_key.h"

#define WAYS      4
#define SETS      4096 /* a power of two */
#define POOL_ROOM (1 << 18)
#define LISTS_MAX 4096 /* a power of two */
#define LIST_MAX  4096 /* longer lists are not kept */
#define REACH_MAX 64

/* A list in the pool, found by its content. */
struct pooled {
    uint64_t hash;
    uint32_t at, n;
    bool is_used;
};

struct rules_cache {
    uint64_t owner; /* serial of the rules that it is about */
    uint64_t seed;
    uint32_t now; /* counts finds: what was used when */
    uint32_t pool_used;
    uint32_t n_lists;
    struct regex_scratch *scratch; /* owned */
    char *room;                    /* owned: for the digest's text */
    size_t room_size;
    struct stat_set *stats; /* the worker's */
    struct regex_sieve sieve;
    uint32_t building[LIST_MAX];
    uint32_t pool[POOL_ROOM];
    struct pooled lists[LISTS_MAX];
    struct rules_entry entries[SETS][WAYS];
};

struct rules_cache *rules_cache_new(struct stat_set *stats)
{
    struct rules_cache *cache = mem_new(MEM_ROUTER, sizeof(*cache));

    if (getrandom(&cache->seed, sizeof(cache->seed), GRND_NONBLOCK) != sizeof(cache->seed)) {
        cache->seed = (uint64_t)(uintptr_t)cache; /* at boot; better than none */
    }
    cache->stats = stats;
    cache->scratch = regex_scratch_new();
    return cache;
}

void rules_cache_free(struct rules_cache *cache)
{
    if (cache != NULL) {
        regex_scratch_free(cache->scratch);
        mem_free(MEM_ROUTER, cache->room);
        mem_free(MEM_ROUTER, cache);
    }
}

static void forget(struct rules_cache *cache)
{
    memset(cache->entries, 0, sizeof(cache->entries));
    memset(cache->lists, 0, sizeof(cache->lists));
    cache->n_lists = 0;
    cache->pool_used = 0;
    cache->owner = 0;
    stat_add(cache->stats, STAT_RULES_CACHE_FLUSHES, 1);
}

struct stat_set *rules_cache_stats(struct rules_cache *cache)
{
    return cache->stats;
}

struct regex_scratch *rules_cache_scratch(struct rules_cache *cache)
{
    return cache->scratch;
}

struct regex_sieve *rules_cache_sieve(struct rules_cache *cache)
{
    return &cache->sieve;
}

char **rules_cache_room(struct rules_cache *cache, size_t **size)
{
    *size = &cache->room_size;
    return &cache->room;
}

/* --- keys ------------------------------------------------------------------------------------ */

/* False: names that are too long to be worth it. */
static bool make_key(const struct rules_cache *cache, const struct rules *rules,
                     const struct rules_input *in, uint64_t out[2])
{
    struct rules_key key;
    XXH128_hash_t hash;

    rules_key_begin(&key);
    rules_key_add(&key, &in->digest, sizeof(in->digest));
    rules_key_add(&key, &in->flag_in, sizeof(in->flag_in));
    rules_key_add_text(&key, in->username);
    rules_key_add_text(&key, in->schemaname);
    if (rules->any_client_addr) {
        rules_key_add_text(&key, in->client_addr);
    }
    if (rules->any_proxy_addr) {
        rules_key_add_text(&key, in->proxy_addr);
        rules_key_add(&key, &in->proxy_port, sizeof(in->proxy_port));
    }
    if (key.is_too_long) {
        return false;
    }
    hash = XXH3_128bits_withSeed(key.bytes, key.len, cache->seed);
    out[0] = hash.low64;
    out[1] = hash.high64;
    return true;
}

/* --- lists ----------------------------------------------------------------------------------- */

/* The flags that the statement may have when a rule is looked at. */
struct reach {
    int flags[REACH_MAX];
    size_t n;
    bool is_all;
};

static bool reaches(const struct reach *reach, int flag)
{
    for (size_t i = 0; i < reach->n; i++) {
        if (reach->flags[i] == flag) {
            return true;
        }
    }
    return reach->is_all;
}

static void add_flag(struct reach *reach, int flag)
{
    if (flag == CONF_UNSET || reaches(reach, flag)) {
        return;
    }
    if (reach->n == REACH_MAX) {
        reach->is_all = true;
        return;
    }
    reach->flags[reach->n++] = flag;
}

static void add_flags(struct reach *reach, const struct rule *rule)
{
    if (rule->n_weights == 0) {
        add_flag(reach, rule->flag_out);
    }
    for (uint32_t i = 0; i < rule->n_weights; i++) {
        add_flag(reach, rule->weights[i].flag);
    }
}

/*
 * The rules that all but the flag and match_pattern let through, of those that may be reached at
 * all. When the walk may begin anew, a flag that a later rule sets counts for an earlier one: then
 * all flags do. False: too many, or no memory to tell.
 */
static bool collect(struct rules_cache *cache, struct rules_walk *walk, uint32_t *n)
{
    const struct rules *rules = walk->rules;
    struct reach reach = {.flags = {walk->in->flag_in}, .n = 1, .is_all = rules->iterations > 0};

    *n = 0;
    for (size_t i = 0; i < rules->n; i++) {
        const struct rule *rule = &rules->items[i];

        if (!reaches(&reach, rule->flag_in) || !rules_meets(rule, walk->in)) {
            continue;
        }
        if (!rules_digest_matches(walk, rule)) {
            if (walk->no_room) {
                return false;
            }
            continue;
        }
        if (*n == LIST_MAX) {
            return false;
        }
        cache->building[(*n)++] = (uint32_t)i;
        add_flags(&reach, rule);
        if (rule->apply && rule->match_pattern == NULL && reach.n == 1 && !reach.is_all) {
            return true; /* nothing behind it can be met */
        }
    }
    return true;
}

/* The place of a list with this content, put there if it is new; false when there is no room. */
static bool pool_list(struct rules_cache *cache, uint32_t n, uint32_t *at)
{
    uint64_t hash = XXH3_64bits(cache->building, n * sizeof(uint32_t));
    struct pooled *slot;

    for (uint32_t i = (uint32_t)hash;; i++) {
        slot = &cache->lists[i % LISTS_MAX];
        if (!slot->is_used) {
            break;
        }
        if (slot->hash == hash && slot->n == n &&
            memcmp(&cache->pool[slot->at], cache->building, n * sizeof(uint32_t)) == 0) {
            *at = slot->at;
            return true;
        }
    }
    if (cache->n_lists >= LISTS_MAX / 2 || n > POOL_ROOM - cache->pool_used) {
        return false;
    }
    *slot = (struct pooled){.hash = hash, .at = cache->pool_used, .n = n, .is_used = true};
    memcpy(&cache->pool[slot->at], cache->building, n * sizeof(uint32_t));
    cache->pool_used += n;
    cache->n_lists++;
    *at = slot->at;
    return true;
}

/* --- entries --------------------------------------------------------------------------------- */

static struct rules_entry *make_room(struct rules_cache *cache, struct rules_entry *set)
{
    struct rules_entry *oldest = &set[0];

    for (int i = 0; i < WAYS; i++) {
        if (!set[i].is_used) {
            return &set[i];
        }
        if (cache->now - set[i].stamp > cache->now - oldest->stamp) {
            oldest = &set[i];
        }
    }
    stat_add(cache->stats, STAT_RULES_CACHE_EVICTIONS, 1);
    return oldest;
}

static struct rules_entry *add_entry(struct rules_cache *cache, struct rules_walk *walk,
                                     const uint64_t key[2])
{
    struct rules_entry *entry;
    uint32_t at, n;

    if (!collect(cache, walk, &n)) {
        return NULL;
    }
    if (!pool_list(cache, n, &at)) {
        uint64_t owner = cache->owner;

        forget(cache);
        cache->owner = owner;
        CHECK(pool_list(cache, n, &at));
    }
    entry = make_room(cache, cache->entries[key[0] % SETS]);
    *entry = (struct rules_entry){
        .key = {key[0], key[1]}, .list = at, .n = n, .stamp = cache->now, .is_used = true};
    return entry;
}

struct rules_entry *rules_cache_find(struct rules_cache *cache, struct rules_walk *walk,
                                     const uint32_t **list)
{
    struct rules_entry *set, *entry = NULL;
    uint64_t key[2];

    if (cache->owner != walk->rules->serial) {
        forget(cache);
        cache->owner = walk->rules->serial;
    }
    if (!make_key(cache, walk->rules, walk->in, key)) {
        return NULL;
    }
    cache->now++;
    set = cache->entries[key[0] % SETS];
    for (int i = 0; i < WAYS; i++) {
        if (set[i].is_used && set[i].key[0] == key[0] && set[i].key[1] == key[1]) {
            entry = &set[i];
            entry->stamp = cache->now;
            stat_add(cache->stats, STAT_RULES_CACHE_HITS, 1);
            break;
        }
    }
    if (entry == NULL) {
        stat_add(cache->stats, STAT_RULES_CACHE_MISSES, 1);
        entry = add_entry(cache, walk, key);
    }
    *list = entry == NULL ? NULL : &cache->pool[entry->list];
    return entry;
}
