/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.c - where clients connect: TCP ports (a socket of its own for each worker, SO_REUSEPORT)
 * and unix sockets (worker 0 makes it; the others listen on duplicates of its descriptor).
 */
#include <errno.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/iface.h"
#include "proxy/bind.h"
#include "proxy/worker.h"

#define BACKLOG  4096
#define AGAIN_MS 200 /* how long ports are closed when there are no descriptors */

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

/*
 * EMFILE and the like. libuv would call again and again for as long as it lasts, or (without memory
 * for a client) never again: only a closed listener ends that, and leaves the worker to its
 * clients.
 */
static void starve(struct worker *w, int rc)
{
    stat_add(&w->stats, STAT_ACCEPT_FAILED, 1);
    log_error(NULL, "cannot accept: %s: worker %u closes its ports for %d ms", err_text(rc),
              w->index, AGAIN_MS);
    listeners_close(w);
    w->listen_again_ms = w->now_ms + AGAIN_MS;
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *l = CONTAINER_OF(stream, struct listener, u.stream);

    status = status != 0 ? status : client_accept(l->worker, stream);
    if (status != 0) {
        starve(l->worker, status);
    }
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(MEM_OTHER, CONTAINER_OF(handle, struct listener, u.handle));
}

/* Other workers look for the descriptors of unix sockets. */
static void lock(const struct worker *w)
{
    CHECK(pthread_mutex_lock(&w->galeway->listeners_lock) == 0);
}

static void unlock(const struct worker *w)
{
    CHECK(pthread_mutex_unlock(&w->galeway->listeners_lock) == 0);
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
    lock(l->worker);
    l->next = l->worker->listeners;
    l->worker->listeners = l;
    unlock(l->worker);
    rc = l->is_unix ? uv_pipe_open(&l->u.pipe, fd) : uv_tcp_open(&l->u.tcp, fd);
    return rc != 0 ? rc : uv_listen(&l->u.stream, BACKLOG, on_connection);
}

/* The unix socket of another worker, to listen on as well. */
static int find_unix_fd(const struct worker *w, const char *path)
{
    int copy = -ENOENT;

    lock(w);
    for (struct listener *l = w->listeners; l != NULL; l = l->next) {
        uv_os_fd_t fd;

        if (l->is_unix && strcmp(l->path, path) == 0 && uv_fileno(&l->u.handle, &fd) == 0) {
            copy = dup(fd);
            copy = copy < 0 ? -errno : copy;
            break;
        }
    }
    unlock(w);
    return copy;
}

/* is_again: other workers may have the ports already. */
static int open_one(struct worker *w, const struct iface *iface, bool is_again)
{
    struct listener *l = mem_new(MEM_OTHER, sizeof(*l));
    int fd;

    l->worker = w;
    l->is_unix = iface->is_unix;
    if (iface->is_unix) {
        (void)snprintf(l->path, sizeof(l->path), "%.*s", SLICE_ARGS(iface->host));
        fd = w->index == 0 ? bind_iface(iface, worker_vars(w), BIND_FIRST_SHARED)
                           : find_unix_fd(w->galeway->workers[0], l->path);
    } else {
        fd = bind_iface(iface, worker_vars(w),
                        w->index == 0 && !is_again ? BIND_FIRST_SHARED : BIND_JOIN_SHARED);
    }
    if (fd < 0) {
        mem_free(MEM_OTHER, l);
        return fd;
    }
    return listener_start(l, fd);
}

static int open_all(struct worker *w, bool is_again)
{
    struct slice rest = slice_of(worker_vars(w)->mysql_interfaces);
    struct iface iface;
    const char *why;
    int more;

    while ((more = iface_next(&rest, &iface, &why)) == 1) {
        int rc = open_one(w, &iface, is_again);

        if (rc != 0) {
            bind_log_failed(&iface, "mysql-interfaces", rc);
            return rc;
        }
    }
    return more;
}

int listeners_open(struct worker *w)
{
    return open_all(w, false);
}

void listeners_close(struct worker *w)
{
    lock(w);
    while (w->listeners != NULL) {
        struct listener *l = w->listeners;

        w->listeners = l->next;
        if (l->is_unix && w->index == 0) {
            (void)unlink(l->path);
        }
        uv_close(&l->u.handle, on_closed);
    }
    unlock(w);
}

void listeners_tick(struct worker *w)
{
    if (LIKELY(w->listen_again_ms == 0) || w->now_ms < w->listen_again_ms) {
        return;
    }
    w->listen_again_ms = 0;
    if (w->listeners != NULL || w->is_draining || atomic_load(&w->galeway->is_paused)) {
        return;
    }
    if (open_all(w, true) != 0) {
        listeners_close(w);
        w->listen_again_ms = w->now_ms + AGAIN_MS;
    }
}
