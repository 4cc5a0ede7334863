/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.c - see notify.h.
 */
#include "proxy/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#define SOCKET_VARIABLE "NOTIFY_SOCKET"
#define END_SPARE_MS    10000 /* after the last client: connections and threads are ended */

/* The path of a socket, or a name that begins with @ and is in no folder. */
static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    int fd;

    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(address.sun_path)) {
        return -EINVAL;
    }
    memcpy(address.sun_path, name, len);
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, size) != 0) {
        int failed = errno;

        (void)close(fd);
        return -failed;
    }
    return fd >= 0 ? fd : -errno;
}

/* NOLINTBEGIN(concurrency-mt-unsafe): there is no other thread yet */
static uint64_t read_watchdog(void)
{
    const char *limit = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");

    if (limit == NULL || (whose != NULL && strtol(whose, NULL, 10) != (long)getpid())) {
        return 0;
    }
    return strtoull(limit, NULL, 10);
}

/* A descriptor, or -1. */
static int connect_if_named(const char *name)
{
    bool is_named = name != NULL && name[0] != '\0';
    int fd = is_named ? connect_to(name) : -1;

    if (is_named && fd < 0) {
        log_warn(NULL, SOCKET_VARIABLE "=%s cannot be written to: %s", name, err_text(fd));
    }
    return fd < 0 ? -1 : fd;
}

void notify_open(struct notify *n)
{
    *n = (struct notify){.fd = connect_if_named(getenv(SOCKET_VARIABLE))};
    if (n->fd >= 0) {
        n->watchdog_us = read_watchdog();
    }
    (void)unsetenv(SOCKET_VARIABLE);
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}
/* NOLINTEND(concurrency-mt-unsafe) */

void notify_close(struct notify *n)
{
    if (n->fd >= 0) {
        (void)close(n->fd);
    }
    n->fd = -1;
}

void notify_tell(const struct notify *n, const char *what)
{
    if (n->fd >= 0 &&
        send(n->fd, what, strlen(what), MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)strlen(what)) {
        log_warn(NULL, "the service manager cannot be told: %s", err_text(-errno));
    }
}

void notify_ready(const struct notify *n, const char *status)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", status);
    notify_tell(n, text);
}

void notify_reloading(const struct notify *n)
{
    char text[128];

    (void)snprintf(text, sizeof(text),
                   "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reading the configuration again",
                   (unsigned long long)clock_now_us());
    notify_tell(n, text);
}

void notify_stopping(const struct notify *n, uint64_t limit_ms)
{
    char text[128];

    (void)snprintf(text, sizeof(text),
                   "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\nSTATUS=draining: what runs may end",
                   (unsigned long long)(limit_ms + END_SPARE_MS) * 1000);
    notify_tell(n, text);
}
