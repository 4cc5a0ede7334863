/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iface.h - where to listen: "0.0.0.0:6033;[::1]:6033;/run/galeway.sock" taken apart.
 */
#ifndef CONF_IFACE_H
#define CONF_IFACE_H

#include "base/base.h"

#define IFACE_PATH_MAX 107 /* sun_path of a unix socket, without its final zero */

struct iface {
    struct slice host; /* borrowed from the list; without the brackets; of a socket, its path */
    uint16_t port;     /* 0 for a unix socket */
    bool is_unix;
};

/*
 * iface_next - take the first interface off the list.
 *
 * why: on an error, a static text that says what is wrong.
 * Returns 1 with *out, 0 at the end, ERR_CONFIG. The list goes on behind the interface in all
 * cases, so that all mistakes can be found.
 */
int iface_next(struct slice *list, struct iface *out, const char **why) MUST_CHECK;

#endif
