/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_cache.c - any sequence of what happens to the query cache, beside a model of it.
 *
 * Two bytes are one event. What must hold: an answer that is given was asked for after the last
 * write of its table and is not too old; each waiter is woken once or has left; the cap holds;
 * nothing leaks.
 */
#include <stdio.h>

#include "base/mem.h"
#include "router/cache.h"

#define KEYS    16
#define TABLES  4
#define SLOTS   8 /* flights and waiters that are held at once */
#define CAP     ((size_t)1 << 20)
#define TTL_US  50
#define SOFT_US 30

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct answer {
    unsigned key;
    uint64_t version; /* of its table, when it was asked for */
    uint64_t since_us;
    char filling[3000];
};

struct waiting {
    struct cache_waiter waiter;
    struct cache_flight *flight; /* NULL = free */
    unsigned key, woken;
    uint64_t version;
};

struct leading {
    struct cache_flight *flight; /* NULL = free */
    unsigned key;
    uint64_t version;
};

struct world {
    struct cache *cache;
    struct causal *causal;
    uint64_t now_us;
    uint64_t version[TABLES];
    struct leading leading[SLOTS];
    struct waiting waiting[SLOTS];
};

static void woken(struct cache_waiter *waiter, struct cache_flight *flight)
{
    struct waiting *w = CONTAINER_OF(waiter, struct waiting, waiter);

    CHECK(w->flight == flight && w->woken == 0);
    w->woken++;
}

static void end(struct world *w, struct leading *l, unsigned how)
{
    struct answer answer = {.key = l->key, .version = l->version, .since_us = w->now_us};
    const struct iovec parts[] = {{&answer, offsetof(struct answer, filling)},
                                  {answer.filling, (how >> 3) * 90}};
    const struct cache_result result = {
        .parts = how % 8 == 1 ? NULL : parts,
        .n_parts = 2,
        .len = parts[0].iov_len + parts[1].iov_len,
        .ttl_us = TTL_US,
        .soft_us = how % 8 == 2 ? SOFT_US : 0,
        .is_error = how % 8 == 3,
    };

    cache_end(w->cache, l->flight, how % 8 == 0 ? NULL : &result, w->now_us);
    l->flight = NULL;
}

/* from: the version of the table when this reader asked. */
static void check(struct world *w, struct cache_entry *entry, unsigned key, uint64_t from)
{
    struct slice bytes = cache_entry_bytes(entry);
    struct answer answer;

    CHECK(bytes.len >= offsetof(struct answer, filling));
    memcpy(&answer, bytes.data, offsetof(struct answer, filling));
    CHECK(answer.key == key && answer.version >= from);
    CHECK(answer.since_us + TTL_US > w->now_us);
    cache_entry_unref(w->cache, entry);
}

static void settle(struct world *w, struct waiting *waiting)
{
    struct cache_entry *entry;

    cache_leave(w->cache, waiting->flight, &waiting->waiter);
    entry = waiting->woken > 0 ? cache_flight_entry(waiting->flight) : NULL;
    if (entry != NULL) {
        struct slice bytes = cache_entry_bytes(entry);
        struct answer answer;

        memcpy(&answer, bytes.data, offsetof(struct answer, filling));
        CHECK(answer.key == waiting->key && answer.version >= waiting->version);
        cache_entry_unref(w->cache, entry);
    }
    cache_flight_unref(w->cache, waiting->flight);
    *waiting = (struct waiting){0};
}

static void find(struct world *w, unsigned n, bool waits)
{
    struct leading *l = &w->leading[n % SLOTS];
    struct waiting *wait = &w->waiting[n / 4 % SLOTS];
    unsigned id = n % KEYS, table = id % TABLES;
    char text[16], name[8];
    struct cache_key key = {.bytes = {text, sizeof(text)},
                            .hash = id % 5 * 0x123456789abcdefULL,
                            .account_name = {name, 1},
                            .schema = {name, 1},
                            .digest = id};
    struct table_name tables = {.name = {name, 2}};
    struct facts facts = {.n_tables = 1, .tables = {tables}};
    struct causal_deps deps;
    struct cache_look look;
    enum cache_found found;

    (void)snprintf(text, sizeof(text), "%-15u", id);
    (void)snprintf(name, sizeof(name), "%c%c", 'a' + (int)(id % 3), 't' + (int)table);
    facts.tables[0].name = (struct slice){name + 1, 1};
    CHECK(causal_deps_of(w->causal, &facts, SLICE("s"), false, NULL, 0, &deps));
    waits = waits && wait->flight == NULL;
    if (waits) {
        *wait = (struct waiting){.waiter = {.wake = woken}, .key = id};
        wait->version = w->version[table];
    }
    found = cache_find(w->cache, &key, w->causal, &deps, w->now_us, waits ? &wait->waiter : NULL,
                       &look);
    if (look.entry != NULL) {
        check(w, look.entry, id, w->version[table]);
    }
    if (found == CACHE_WAIT) {
        CHECK(waits);
        wait->flight = look.flight;
    } else if (look.flight != NULL) {
        struct leading mine = {look.flight, id, w->version[table]};

        if (l->flight != NULL) {
            end(w, l, n);
        }
        *l = mine;
    }
}

static void write_table(struct world *w, unsigned table)
{
    const char name = (char)('t' + (int)table);

    w->version[table]++;
    causal_mark_foreign(w->causal, SLICE("s"), (struct slice){&name, 1}, NULL);
}

static void happen(struct world *w, uint8_t what, uint8_t n)
{
    const struct cache_limits limits = {
        .max_bytes = n % 4 == 0 ? 0 : CAP / (n % 4), .max_entry_bytes = 2000, .wait_us = n};
    const struct cache_filter filter = {.has_digest = true, .digest = n % KEYS};

    if (what % 16 < 6) {
        find(w, n, what % 2 == 0);
    } else if (what % 16 < 10 && w->leading[what % SLOTS].flight != NULL) {
        end(w, &w->leading[what % SLOTS], n);
    } else if (what % 16 == 10) {
        write_table(w, n % TABLES);
    } else if (what % 16 == 11) {
        w->now_us += n % 16;
    } else if (what % 16 == 12) {
        (void)cache_flush(w->cache, n % 8 == 0 ? NULL : &filter);
    } else if (what % 16 == 13) {
        cache_limit(w->cache, &limits);
    } else if (w->waiting[n % SLOTS].flight != NULL) {
        settle(w, &w->waiting[n % SLOTS]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct causal causal; /* versions go on from one input to the next */
    const struct cache_limits limits = {.max_bytes = CAP, .max_entry_bytes = 2000};
    struct world w = {.cache = cache_new(&limits), .causal = &causal, .now_us = 1000};

    for (size_t i = 0; i + 1 < size && i < 2000; i += 2) {
        happen(&w, data[i], data[i + 1]);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        if (w.leading[i].flight != NULL) {
            end(&w, &w.leading[i], i);
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        if (w.waiting[i].flight != NULL) {
            CHECK(w.waiting[i].woken == 1);
            settle(&w, &w.waiting[i]);
        }
    }
    CHECK(cache_bytes(w.cache) <= CAP);
    cache_free(w.cache);
    CHECK(mem_bytes(MEM_CACHE) == 0);
    return 0;
}
