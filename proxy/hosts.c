/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hosts.c - see hosts.h.
 */
#include "proxy/hosts.h"

#include <stddef.h>

#include "base/clock.h"
#include "base/err.h"

#define RATE_MS 1000 /* how long an address counts that has left */

struct host {
    struct address address;
    unsigned bits; /* of it that count; 0 = all */
    unsigned n_clients;
    unsigned n_errors;
    uint64_t error_ms, error_s; /* the last one: monotonic, since 1970 */
    uint64_t second;            /* when the last client came, and how many did in that second */
    unsigned n_came;
    uint64_t left_ms;
    struct list_node in_idle, in_errors;
};

static struct slice key_of(const struct address *a)
{
    _Static_assert(offsetof(struct address, bytes) == offsetof(struct address, family) + 1,
                   "family and bytes are one key");
    return (struct slice){(const char *)&a->family, 1 + sizeof(a->bytes)};
}

static void lock(struct hosts *hosts)
{
    CHECK(pthread_mutex_lock(&hosts->lock) == 0);
}

static void unlock(struct hosts *hosts)
{
    CHECK(pthread_mutex_unlock(&hosts->lock) == 0);
}

void hosts_init(struct hosts *hosts)
{
    *hosts = (struct hosts){.n_came = 0};
    CHECK(pthread_mutex_init(&hosts->lock, NULL) == 0);
    map_init(&hosts->by_address, MEM_OTHER, HOSTS_MAX);
    list_init(&hosts->idle);
    list_init(&hosts->errors);
}

static void forget(struct hosts *hosts, struct host *h)
{
    if (list_is_linked(&h->in_idle)) {
        list_remove(&hosts->idle, &h->in_idle);
    }
    CHECK(map_remove(&hosts->by_address, key_of(&h->address)) == h);
    mem_free(MEM_OTHER, h);
}

/* Nothing is said of it any more but that it came a moment ago. */
static void settle(struct hosts *hosts, struct host *h, uint64_t now_ms)
{
    if (h->n_clients == 0 && h->n_errors == 0 && !list_is_linked(&h->in_idle)) {
        h->left_ms = now_ms;
        list_push_back(&hosts->idle, &h->in_idle);
    }
}

static void drop_errors(struct hosts *hosts, struct host *h, uint64_t now_ms)
{
    if (h->n_errors > 0) {
        h->n_errors = 0;
        list_remove(&hosts->errors, &h->in_errors);
        settle(hosts, h, now_ms);
    }
}

static void sweep(struct hosts *hosts, uint64_t now_ms, unsigned n)
{
    while (n-- > 0 && !list_is_empty(&hosts->idle)) {
        struct host *h = CONTAINER_OF(list_front(&hosts->idle), struct host, in_idle);

        if (now_ms < h->left_ms + RATE_MS) {
            break;
        }
        forget(hosts, h);
    }
}

void hosts_fini(struct hosts *hosts)
{
    hosts_flush(hosts);
    sweep(hosts, UINT64_MAX, UINT32_MAX);
    CHECK(hosts->by_address.count == 0);
    map_fini(&hosts->by_address);
    (void)pthread_mutex_destroy(&hosts->lock);
}

/* One more in this second: false when max have come already. */
static bool count_one(uint64_t *second, unsigned *n_came, unsigned max, uint64_t now_ms)
{
    uint64_t now = now_ms / 1000;

    if (now > *second) { /* a worker's clock may be a turn of its loop late */
        *second = now;
        *n_came = 0;
    }
    if (max != 0 && *n_came >= max) {
        return false;
    }
    ++*n_came;
    return true;
}

bool hosts_connect(struct hosts *hosts, unsigned max, uint64_t now_ms)
{
    bool may;

    if (max == 0) {
        return true;
    }
    lock(hosts);
    may = count_one(&hosts->second, &hosts->n_came, max, now_ms);
    unlock(hosts);
    return may;
}

/* --- clients ---------------------------------------------------------------------------------- */

/* The first address of its network. */
static struct address network_of(const struct address *address, unsigned bits)
{
    struct address a = *address;

    for (unsigned i = bits / 8; i < sizeof(a.bytes); i++) {
        a.bytes[i] &= (uint8_t)(i == bits / 8 ? 0xff00 >> bits % 8 : 0);
    }
    return a;
}

static struct host *find_or_add(struct hosts *hosts, const struct address *address, unsigned bits)
{
    struct host *h = map_get(&hosts->by_address, key_of(address));

    if (h != NULL) {
        return h;
    }
    h = mem_try(MEM_OTHER, sizeof(*h));
    if (h == NULL) {
        return NULL;
    }
    *h = (struct host){.address = *address, .bits = bits};
    h->address.port = 0;
    if (map_put(&hosts->by_address, key_of(&h->address), h) != 0) {
        mem_free(MEM_OTHER, h);
        return NULL;
    }
    return h;
}

static bool is_blocked(const struct host *h, const struct hosts_limits *limits, uint64_t now_ms)
{
    return limits->errors != 0 && h->n_errors >= limits->errors &&
           (limits->block_ms == 0 || now_ms < h->error_ms + limits->block_ms);
}

static int judge(struct host *h, const struct hosts_limits *limits, uint64_t now_ms)
{
    if (is_blocked(h, limits, now_ms)) {
        return ERR_HOST_BLOCKED;
    }
    if (limits->clients != 0 && h->n_clients >= limits->clients) {
        return ERR_HOST_CLIENTS;
    }
    return count_one(&h->second, &h->n_came, limits->connects_per_sec, now_ms) ? 0 : ERR_HOST_RATE;
}

static bool is_over(const struct host *h, const struct hosts_limits *limits, uint64_t now_ms)
{
    return h->n_errors > 0 && limits->block_ms != 0 && now_ms >= h->error_ms + limits->block_ms;
}

int hosts_enter(struct hosts *hosts, const struct address *address,
                const struct hosts_limits *limits, uint64_t now_ms, struct host **out)
{
    unsigned bits = address->family == ADDRESS_V6 && limits->v6_bits < 128 ? limits->v6_bits : 0;
    struct address key = bits == 0 ? *address : network_of(address, bits);
    struct host *h;
    int rc = ERR_MEMORY;

    CHECK(address->family != ADDRESS_NONE);
    *out = NULL;
    lock(hosts);
    sweep(hosts, now_ms, 2);
    h = find_or_add(hosts, &key, bits);
    if (h != NULL) {
        if (is_over(h, limits, now_ms)) {
            drop_errors(hosts, h, now_ms);
        }
        rc = judge(h, limits, now_ms);
        if (rc == 0) {
            h->n_clients++;
            *out = h;
        }
        if (rc == 0 && list_is_linked(&h->in_idle)) {
            list_remove(&hosts->idle, &h->in_idle);
        }
        settle(hosts, h, now_ms);
    }
    unlock(hosts);
    return rc;
}

void hosts_leave(struct hosts *hosts, struct host *host, uint64_t now_ms)
{
    lock(hosts);
    CHECK(host->n_clients > 0);
    host->n_clients--;
    settle(hosts, host, now_ms);
    unlock(hosts);
}

bool hosts_blocks(struct hosts *hosts, const struct host *host, const struct hosts_limits *limits,
                  uint64_t now_ms)
{
    bool blocks;

    lock(hosts);
    blocks = is_blocked(host, limits, now_ms);
    unlock(hosts);
    return blocks;
}

/* --- failed logins ---------------------------------------------------------------------------- */

void hosts_failed(struct hosts *hosts, struct host *host, size_t max_hosts, uint64_t now_ms)
{
    lock(hosts);
    if (max_hosts > 0) {
        if (host->n_errors > 0) {
            list_remove(&hosts->errors, &host->in_errors);
        }
        host->n_errors++;
        host->error_ms = now_ms;
        host->error_s = clock_unix_us() / 1000000;
        list_push_back(&hosts->errors, &host->in_errors);
    }
    while (hosts->errors.count > max_hosts) { /* the limit may have become smaller */
        drop_errors(hosts, CONTAINER_OF(list_front(&hosts->errors), struct host, in_errors),
                    now_ms);
    }
    unlock(hosts);
}

void hosts_succeeded(struct hosts *hosts, struct host *host)
{
    lock(hosts);
    drop_errors(hosts, host, 0);
    unlock(hosts);
}

static void flush(struct hosts *hosts)
{
    while (!list_is_empty(&hosts->errors)) {
        drop_errors(hosts, CONTAINER_OF(list_front(&hosts->errors), struct host, in_errors), 0);
    }
}

void hosts_flush(struct hosts *hosts)
{
    lock(hosts);
    flush(hosts);
    unlock(hosts);
}

struct host_errors *hosts_errors(struct hosts *hosts, bool is_flush, size_t *n)
{
    struct host_errors *rows = NULL;

    *n = 0;
    lock(hosts);
    if (!list_is_empty(&hosts->errors)) {
        rows = mem_try(MEM_OTHER, hosts->errors.count * sizeof(*rows));
    }
    if (rows != NULL) {
        LIST_FOREACH (it, &hosts->errors) {
            const struct host *h = CONTAINER_OF(it, struct host, in_errors);

            rows[(*n)++] = (struct host_errors){h->address, h->bits, h->n_errors, h->error_s};
        }
        if (is_flush) {
            flush(hosts);
        }
    }
    unlock(hosts);
    return rows;
}

void hosts_tick(struct hosts *hosts, uint64_t now_ms)
{
    lock(hosts);
    sweep(hosts, now_ms, 10000);
    unlock(hosts);
}

struct address host_address(const struct host *host)
{
    return host->address;
}

size_t hosts_count(struct hosts *hosts)
{
    size_t n;

    lock(hosts);
    n = hosts->by_address.count;
    unlock(hosts);
    return n;
}
