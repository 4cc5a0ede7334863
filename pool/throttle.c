/* SPDX-License-Identifier: Apache-2.0 */
/*
 * throttle.c - see throttle.h.
 */
#include "pool/throttle.h"

#define NO_LIMIT 1000000 /* ProxySQL's default of both: off */

void throttle_init(struct throttle *t)
{
    *t = (struct throttle){.slots = {{0}}};
    CHECK(pthread_mutex_init(&t->lock, NULL) == 0);
}

void throttle_fini(struct throttle *t)
{
    (void)pthread_mutex_destroy(&t->lock);
}

unsigned throttle_limit(const struct conf *conf, int hostgroup)
{
    unsigned limit = (unsigned)conf->vars.mysql_throttle_connections_per_sec_to_hostgroup;

    for (size_t i = 0; i < conf->n_hostgroups; i++) {
        if (conf->hostgroups[i].hostgroup == hostgroup) {
            limit = MIN(limit, conf->hostgroups[i].throttle_connections_per_sec);
        }
    }
    return limit >= NO_LIMIT ? 0 : limit;
}

/* Its slot, or the one that was not used for longest. */
static size_t find_slot(const struct throttle *t, int hostgroup)
{
    size_t oldest = 0;

    for (size_t i = 0; i < THROTTLE_HOSTGROUPS_MAX; i++) {
        if (t->slots[i].hostgroup == hostgroup) {
            return i;
        }
        oldest = t->slots[i].second < t->slots[oldest].second ? i : oldest;
    }
    return oldest;
}

bool throttle_pass(struct throttle *t, int hostgroup, unsigned max, uint64_t now_ms)
{
    uint64_t now = now_ms / 1000;
    bool may;
    size_t i;

    CHECK(pthread_mutex_lock(&t->lock) == 0);
    i = find_slot(t, hostgroup);
    if (t->slots[i].hostgroup != hostgroup || now > t->slots[i].second) {
        t->slots[i].hostgroup = hostgroup;
        t->slots[i].second = now;
        t->slots[i].n = 0;
    }
    may = t->slots[i].n < max;
    t->slots[i].n += may ? 1 : 0;
    CHECK(pthread_mutex_unlock(&t->lock) == 0);
    return may;
}
