/* SPDX-License-Identifier: Apache-2.0 */
/*
 * networks.h - a list of networks taken apart: mysql-proxy_protocol_networks.
 */
#ifndef CONF_NETWORKS_H
#define CONF_NETWORKS_H

#include "base/address.h"

#define NETWORKS_MAX 64

struct networks {
    unsigned n;
    bool is_any; /* the list is "*" */
    struct network at[NETWORKS_MAX];
};

/*
 * networks_read - "10.0.0.0/8, 192.168.1.7, fd00::/8", or "*", or nothing.
 *
 * why: on an error, a static text that says what is wrong with the item behind the first out->n.
 * Returns 0 or ERR_CONFIG.
 */
int networks_read(struct networks *out, struct slice text, const char **why) MUST_CHECK;

/* networks_have - is it in one of them? An address that is NONE is in none. */
bool networks_have(const struct networks *networks, const struct address *a);

#endif
