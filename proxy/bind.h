/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bind.h - listening sockets: bound descriptors for the traffic's listeners and the console's.
 */
#ifndef PROXY_BIND_H
#define PROXY_BIND_H

#include "base/base.h"
#include "conf/iface.h"
#include "conf/keys.h"

enum bind_mode {
    BIND_ALONE,        /* nobody else may have the port, in this process neither */
    BIND_FIRST_SHARED, /* fails when another process has it; others of this one may join */
    BIND_JOIN_SHARED   /* joins */
};

/*
 * bind_iface - a bound socket, not blocking, with the options that accepted ones inherit. Of a unix
 * socket the path of a process that did not end well is removed first.
 *
 * Returns the descriptor, which the caller owns, or a negative errno.
 */
int bind_iface(const struct iface *iface, const struct conf_vars *vars,
               enum bind_mode mode) MUST_CHECK;

/* bind_log_failed - the line for the administrator: which interface of which variable, and why. */
void bind_log_failed(const struct iface *iface, const char *variable, int rc);

#endif
