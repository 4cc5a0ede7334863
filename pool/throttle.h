/* SPDX-License-Identifier: Apache-2.0 */
/*
 * throttle.h - new server connections a second for a hostgroup, counted over all workers.
 *
 * mysql-throttle_connections_per_sec_to_hostgroup, or what mysql_hostgroup_attributes says of the
 * hostgroup if that is less. Any thread.
 */
#ifndef POOL_THROTTLE_H
#define POOL_THROTTLE_H

#include <pthread.h>

#include "conf/conf.h"

#define THROTTLE_HOSTGROUPS_MAX 64 /* that are counted at a time; the one longest idle gives way */

struct throttle {
    pthread_mutex_t lock;
    struct {
        int hostgroup;
        unsigned n; /* opened in that second */
        uint64_t second;
    } slots[THROTTLE_HOSTGROUPS_MAX];
};

void throttle_init(struct throttle *t);
void throttle_fini(struct throttle *t);

/* throttle_limit - what the configuration allows; 0 = as many as there may be. */
unsigned throttle_limit(const struct conf *conf, int hostgroup);

/* throttle_pass - count one more; false when max (not 0) were opened in this second. */
bool throttle_pass(struct throttle *t, int hostgroup, unsigned max, uint64_t now_ms);

#endif
