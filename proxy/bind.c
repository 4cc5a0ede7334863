/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bind.c - see bind.h.
 */
#include "proxy/bind.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

/* Options of the listening socket are those of each accepted one: no system calls per client. */
static int set_options(int fd, const struct conf_vars *vars)
{
    int rc = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

    rc = rc != 0 ? rc : set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (rc == 0 && vars->mysql_use_tcp_keepalive) {
        rc = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        if (rc == 0 && vars->mysql_tcp_keepalive_time > 0) {
            rc = set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, vars->mysql_tcp_keepalive_time);
        }
    }
    return rc;
}

/*
 * The first worker binds without SO_REUSEPORT: it fails when another process has the port, even
 * another Galeway. The option set afterwards lets the other workers in.
 */
static int bind_port(int fd, const struct addrinfo *to, enum bind_mode mode)
{
    int rc = mode == BIND_JOIN_SHARED ? set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) : 0;

    if (rc == 0 && bind(fd, to->ai_addr, to->ai_addrlen) != 0) {
        rc = -errno;
    }
    return rc == 0 && mode == BIND_FIRST_SHARED ? set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) : rc;
}

static int bind_tcp(const struct conf_vars *vars, const char *host, const char *port,
                    enum bind_mode mode)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int fd, rc;

    if (getaddrinfo(host, port, &hints, &found) != 0 || found == NULL) {
        return -EADDRNOTAVAIL;
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rc = fd < 0 ? -errno : set_options(fd, vars);
    rc = rc != 0 ? rc : bind_port(fd, found, mode);
    freeaddrinfo(found);
    if (rc != 0 && fd >= 0) {
        (void)close(fd);
    }
    return rc != 0 ? rc : fd;
}

/*
 * The socket of a process that did not end well is in the way; one that somebody listens on is his.
 */
static int remove_dead_socket(int fd, const struct sockaddr_un *address)
{
    struct stat st;

    if (lstat(address->sun_path, &st) != 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return -EEXIST;
    }
    if (connect(fd, (const struct sockaddr *)(const void *)address, sizeof(*address)) == 0 ||
        errno != ECONNREFUSED) {
        return -EADDRINUSE;
    }
    return unlink(address->sun_path) == 0 ? 0 : -errno;
}

static int bind_unix(struct slice path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc;

    if (fd < 0) {
        return -errno;
    }
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.*s", SLICE_ARGS(path));
    rc = remove_dead_socket(fd, &address);
    if (rc == 0 && (bind(fd, (struct sockaddr *)(void *)&address, sizeof(address)) != 0 ||
                    chmod(address.sun_path, 0777) != 0)) {
        rc = -errno;
    }
    if (rc != 0) {
        (void)close(fd);
    }
    return rc != 0 ? rc : fd;
}

int bind_iface(const struct iface *iface, const struct conf_vars *vars, enum bind_mode mode)
{
    char host[256], port[8];

    if (iface->is_unix) {
        return bind_unix(iface->host);
    }
    (void)snprintf(host, sizeof(host), "%.*s", SLICE_ARGS(iface->host));
    (void)snprintf(port, sizeof(port), "%u", iface->port);
    return bind_tcp(vars, host, port, mode);
}

void bind_log_failed(const struct iface *iface, const char *variable, int rc)
{
    char port[8] = "";

    if (!iface->is_unix) {
        (void)snprintf(port, sizeof(port), ":%u", iface->port);
    }
    log_error(NULL, "cannot listen on %.*s%s (%s): %s", SLICE_ARGS(iface->host), port, variable,
              err_text(rc));
}
