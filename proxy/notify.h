/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.h - tell the service manager how the process is: ready, reading its configuration again,
 * about to end, alive. The protocol is sd_notify(3)'s: lines in a datagram to $NOTIFY_SOCKET.
 *
 * Without that variable nothing is sent, and nothing is an error: a service manager that does not
 * listen hinders nobody.
 */
#ifndef PROXY_NOTIFY_H
#define PROXY_NOTIFY_H

#include "base/base.h"

struct notify {
    int fd;               /* owned; -1 = nobody wants to know */
    uint64_t watchdog_us; /* a sign of life is due within this time; 0 = none is wanted */
};

/*
 * notify_open - as the environment says, from which the variables are then taken: they are not
 * meant for the programs that are started from here. Before there are other threads.
 */
void notify_open(struct notify *n);
void notify_close(struct notify *n);

/* notify_tell - what: lines as sd_notify(3) has them. Does not wait. Any thread. */
void notify_tell(const struct notify *n, const char *what);

/* notify_ready - also after a reload; status: one line for `systemctl status`. Any thread. */
void notify_ready(const struct notify *n, const char *status);

/* notify_reloading - notify_ready must follow. Any thread. */
void notify_reloading(const struct notify *n);

/* notify_stopping - it may take limit_ms, and the service manager is asked for that time. */
void notify_stopping(const struct notify *n, uint64_t limit_ms);

#endif
