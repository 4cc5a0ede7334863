/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.c - where clients connect: TCP ports (a socket of its own for each worker, SO_REUSEPORT) and unix sockets
 * (worker 0 makes it; the others listen on duplicates of its descriptor).
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/iface.h"
#include "proxy/worker.h"

#define BACKLOG 4096

struct listener {
    struct listener *next;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct worker *worker;
    bool is_unix;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *l = CONTAINER_OF(stream, struct listener, u.stream);

    if (status != 0) { /* EMFILE and the like: clients wait in the backlog */
        log_warn(NULL, "cannot accept: %s", err_text(status));
        return;
    }
    client_accept(l->worker, stream);
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(MEM_OTHER, CONTAINER_OF(handle, struct listener, u.handle));
}

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
 * The first worker binds without SO_REUSEPORT: it fails when another process has the port, even another Galeway. The
 * option set afterwards lets the other workers in.
 */
static int bind_shared(int fd, const struct addrinfo *to, bool is_first)
{
    int rc = is_first ? 0 : set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);

    if (rc == 0 && bind(fd, to->ai_addr, to->ai_addrlen) != 0) {
        rc = -errno;
    }
    return rc == 0 && is_first ? set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) : rc;
}

static int bind_tcp(const struct conf_vars *vars, const char *host, const char *port, bool is_first)
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
    rc = rc != 0 ? rc : bind_shared(fd, found, is_first);
    freeaddrinfo(found);
    if (rc != 0 && fd >= 0) {
        (void)close(fd);
    }
    return rc != 0 ? rc : fd;
}

/* The socket of a process that did not end well is in the way; one that somebody listens on is his. */
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

static int bind_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc;

    if (fd < 0) {
        return -errno;
    }
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    rc = remove_dead_socket(fd, &address);
    if (rc == 0 && (bind(fd, (struct sockaddr *)(void *)&address, sizeof(address)) != 0 ||
                    chmod(path, 0777) != 0)) {
        rc = -errno;
    }
    if (rc != 0) {
        (void)close(fd);
    }
    return rc != 0 ? rc : fd;
}

static int listener_start(struct listener *l, int fd)
{
    int rc = l->is_unix ? uv_pipe_init(&l->worker->loop, &l->u.pipe, 0)
                        : uv_tcp_init(&l->worker->loop, &l->u.tcp);

    if (rc != 0) {
        (void)close(fd);
        mem_free(MEM_OTHER, l);
        return rc;
    }
    l->next = l->worker->listeners;
    l->worker->listeners = l;
    rc = l->is_unix ? uv_pipe_open(&l->u.pipe, fd) : uv_tcp_open(&l->u.tcp, fd);
    return rc != 0 ? rc : uv_listen(&l->u.stream, BACKLOG, on_connection);
}

/* The unix socket of another worker, to listen on as well. */
static int find_unix_fd(const struct worker *w, const char *path)
{
    for (struct listener *l = w->listeners; l != NULL; l = l->next) {
        uv_os_fd_t fd;

        if (l->is_unix && strcmp(l->path, path) == 0 && uv_fileno(&l->u.handle, &fd) == 0) {
            int copy = dup(fd);

            return copy < 0 ? -errno : copy;
        }
    }
    return -ENOENT;
}

static int open_one(struct worker *w, const struct iface *iface)
{
    struct listener *l = mem_new(MEM_OTHER, sizeof(*l));
    int fd;

    l->worker = w;
    l->is_unix = iface->is_unix;
    if (iface->is_unix) {
        (void)snprintf(l->path, sizeof(l->path), "%.*s", SLICE_ARGS(iface->host));
        fd = w->index == 0 ? bind_unix(l->path) : find_unix_fd(w->galeway->workers[0], l->path);
    } else {
        char host[256], port[8];

        (void)snprintf(host, sizeof(host), "%.*s", SLICE_ARGS(iface->host));
        (void)snprintf(port, sizeof(port), "%u", iface->port);
        fd = bind_tcp(worker_vars(w), host, port, w->index == 0);
    }
    if (fd < 0) {
        mem_free(MEM_OTHER, l);
        return fd;
    }
    return listener_start(l, fd);
}

static void say_failed(const struct iface *iface, int rc)
{
    char port[8] = "";

    if (!iface->is_unix) {
        (void)snprintf(port, sizeof(port), ":%u", iface->port);
    }
    log_error(NULL, "cannot listen on %.*s%s (mysql-interfaces): %s", SLICE_ARGS(iface->host), port,
              err_text(rc));
}

int listeners_open(struct worker *w)
{
    struct slice rest = slice_of(worker_vars(w)->mysql_interfaces);
    struct iface iface;
    const char *why;
    int more;

    while ((more = iface_next(&rest, &iface, &why)) == 1) {
        int rc = open_one(w, &iface);

        if (rc != 0) {
            say_failed(&iface, rc);
            return rc;
        }
    }
    return more;
}

void listeners_close(struct worker *w)
{
    while (w->listeners != NULL) {
        struct listener *l = w->listeners;

        w->listeners = l->next;
        if (l->is_unix && w->index == 0) {
            (void)unlink(l->path);
        }
        uv_close(&l->u.handle, on_closed);
    }
}
