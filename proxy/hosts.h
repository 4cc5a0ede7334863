/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hosts.h - the addresses that clients come from: how many clients each has, how often it connects,
 * and how many of its logins failed.
 *
 * One table for all workers behind one lock, taken when a client comes, leaves or fails to log in.
 * Of IPv6 whole networks are counted: who has one address has them all. An address is kept while it
 * has clients or errors, and for a second after that where connections a second are limited. Any
 * thread.
 */
#ifndef PROXY_HOSTS_H
#define PROXY_HOSTS_H

#include <pthread.h>

#include "base/address.h"
#include "base/list.h"
#include "base/map.h"

#define HOSTS_MAX ((size_t)1 << 20) /* addresses; one more is refused for want of memory */

struct host;

struct hosts {
    pthread_mutex_t lock;
    struct map by_address;
    struct list idle;   /* without clients and errors, the one longest so first */
    struct list errors; /* with errors, the oldest error first */
    uint64_t second;    /* of all clients: when, and how many came in it */
    unsigned n_came;
};

/* Of each, 0 = no limit. */
struct hosts_limits {
    unsigned clients;          /* of one address */
    unsigned connects_per_sec; /* of one address */
    unsigned errors;           /* failed logins; from then on it is refused */
    uint64_t block_ms;         /* ... for so long after the last of them; 0 = until hosts_flush */
    unsigned v6_bits; /* IPv6 addresses that have so many bits in common are one; 0 = all 128 */
};

/* One address with failed logins. */
struct host_errors {
    struct address address;
    unsigned bits; /* of it that count; 0 = all */
    unsigned n;
    uint64_t last_s; /* since 1970 */
};

void hosts_init(struct hosts *hosts);
void hosts_fini(struct hosts *hosts); /* no client may be left */

/*
 * hosts_connect - one more client, of whatever address: false when max (0 = no limit) have come
 * within this second.
 */
bool hosts_connect(struct hosts *hosts, unsigned max, uint64_t now_ms);

/*
 * hosts_enter - a client of this address, which is not NONE. Returns 0 with *out, a reference until
 * hosts_leave; ERR_HOST_BLOCKED, ERR_HOST_CLIENTS, ERR_HOST_RATE, ERR_MEMORY.
 */
int hosts_enter(struct hosts *hosts, const struct address *address,
                const struct hosts_limits *limits, uint64_t now_ms, struct host **out) MUST_CHECK;
void hosts_leave(struct hosts *hosts, struct host *host, uint64_t now_ms);

/*
 * hosts_blocks - are logins of it refused by now? They may have failed on connections that it
 * opened at once.
 */
bool hosts_blocks(struct hosts *hosts, const struct host *host, const struct hosts_limits *limits,
                  uint64_t now_ms);

/* hosts_failed - a login failed; max_hosts: as many addresses with errors are remembered. */
void hosts_failed(struct hosts *hosts, struct host *host, size_t max_hosts, uint64_t now_ms);

/* hosts_succeeded - a login was right: its errors are forgotten. */
void hosts_succeeded(struct hosts *hosts, struct host *host);

/* hosts_tick - forget what no longer counts; once a second or so. */
void hosts_tick(struct hosts *hosts, uint64_t now_ms);

/* hosts_flush - forget all errors. */
void hosts_flush(struct hosts *hosts);

/*
 * hosts_errors - a copy of all addresses with errors; is_flush: which are forgotten then.
 * mem_free(MEM_OTHER) by the caller; NULL when there are none or no memory.
 */
struct host_errors *hosts_errors(struct hosts *hosts, bool is_flush, size_t *n);

/* host_address - without port; of IPv6 the first of those that are counted as one. */
struct address host_address(const struct host *host);

size_t hosts_count(struct hosts *hosts);

#endif
