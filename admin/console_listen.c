/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_listen.c - the sockets of admin-mysql_ifaces, opened and closed as the variable changes.
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "admin/console_client.h"
#include "base/err.h"
#include "base/mem.h"
#include "conf/iface.h"
#include "proxy/bind.h"

#define VARIABLE "admin-mysql_ifaces"
#define BACKLOG  128

struct console_listener {
    struct console_listener *next;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct console_core *core;
    struct iface iface; /* its host is the text below */
    bool is_wanted;     /* while the list is compared with what is open */
    char host[256];
};

static void on_closed(uv_handle_t *handle)
{
    mem_free(MEM_ADMIN, CONTAINER_OF(handle, struct console_listener, u.handle));
}

/* Not wanted any more, or the end. */
static void close_one(struct console_listener *l)
{
    log_info(NULL, "the console no longer listens on %s%s%.0u", l->host,
             l->iface.is_unix ? "" : ":", (unsigned)l->iface.port);
    if (l->iface.is_unix) {
        (void)unlink(l->host);
    }
    uv_close(&l->u.handle, on_closed);
}

static void close_all(struct console_core *core)
{
    while (core->listeners != NULL) {
        struct console_listener *l = core->listeners;

        core->listeners = l->next;
        close_one(l);
    }
}

/*
 * No descriptor, or no memory for a client. libuv would call again and again, or never again:
 * closed until console_listen_again().
 */
static void starve(struct console_core *core, int rc)
{
    log_error(NULL, "the console cannot accept: %s: its ports are closed for a moment",
              err_text(rc));
    close_all(core);
    core->is_starved = true;
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct console_listener *l = CONTAINER_OF(stream, struct console_listener, u.stream);

    status = status != 0 ? status : console_accept(l->core, stream);
    if (status != 0) {
        starve(l->core, status);
    }
}

/* Takes fd. */
static int start(struct console_listener *l, int fd)
{
    uv_loop_t *loop = l->core->streams.uv;
    int rc = l->iface.is_unix ? uv_pipe_init(loop, &l->u.pipe, 0) : uv_tcp_init(loop, &l->u.tcp);

    if (rc != 0) {
        (void)close(fd);
        mem_free(MEM_ADMIN, l);
        return rc;
    }
    rc = l->iface.is_unix ? uv_pipe_open(&l->u.pipe, fd) : uv_tcp_open(&l->u.tcp, fd);
    if (rc != 0) {
        (void)close(fd);
    } else {
        rc = uv_listen(&l->u.stream, BACKLOG, on_connection);
    }
    if (rc != 0) {
        uv_close(&l->u.handle, on_closed);
        return rc;
    }
    l->next = l->core->listeners;
    l->core->listeners = l;
    return 0;
}

static int open_one(struct console_core *core, const struct iface *iface)
{
    int fd = bind_iface(iface, console_vars(core), BIND_ALONE);
    struct console_listener *l;
    int rc = fd;

    if (fd >= 0) {
        l = mem_new(MEM_ADMIN, sizeof(*l));
        l->core = core;
        l->iface = *iface;
        (void)snprintf(l->host, sizeof(l->host), "%.*s", SLICE_ARGS(iface->host));
        l->iface.host = slice_of(l->host);
        rc = start(l, fd);
    }
    if (rc != 0) {
        bind_log_failed(iface, VARIABLE, rc);
    } else {
        log_info(NULL, "the console listens on %.*s%s%.0u", SLICE_ARGS(iface->host),
                 iface->is_unix ? "" : ":", (unsigned)iface->port);
    }
    return rc;
}

static struct console_listener *find(struct console_core *core, const struct iface *iface)
{
    for (struct console_listener *l = core->listeners; l != NULL; l = l->next) {
        if (l->iface.port == iface->port && slice_eq(l->iface.host, iface->host)) {
            return l;
        }
    }
    return NULL;
}

/* Opens what the list names and is not open yet. The first error, after trying all. */
static int open_all(struct console_core *core, struct slice list)
{
    struct iface iface;
    const char *why = "";
    int more, rc = 0;

    while ((more = iface_next(&list, &iface, &why)) != 0) {
        if (more > 0 && find(core, &iface) == NULL) {
            int failed = open_one(core, &iface);

            rc = rc != 0 ? rc : failed;
        }
    }
    return rc;
}

static void close_unwanted(struct console_core *core)
{
    struct console_listener **at = &core->listeners;

    while (*at != NULL) {
        struct console_listener *l = *at;

        if (l->is_wanted) {
            at = &l->next;
        } else {
            *at = l->next;
            close_one(l);
        }
    }
}

static void mark_wanted(struct console_core *core, struct slice list)
{
    struct iface iface;
    const char *why = "";
    int more;

    for (struct console_listener *l = core->listeners; l != NULL; l = l->next) {
        l->is_wanted = false;
    }
    while ((more = iface_next(&list, &iface, &why)) != 0) {
        struct console_listener *l = more < 0 ? NULL : find(core, &iface);

        if (l != NULL) {
            l->is_wanted = true;
        }
    }
}

int console_listen(struct console_core *core)
{
    core->ifaces = mem_copy(MEM_ADMIN, slice_of(console_vars(core)->admin_mysql_ifaces));
    return open_all(core, slice_of(core->ifaces));
}

/*
 * What is not named any more is closed first: 0.0.0.0:6032 cannot be bound while 127.0.0.1:6032 is
 * open. When nothing of the new list can be opened, the administrator must not be locked out: the
 * old one is opened again.
 */
void console_listen_again(struct console_core *core)
{
    const char *wanted = console_vars(core)->admin_mysql_ifaces;
    char *old;

    if (core->is_starved) {
        core->is_starved = core->ifaces != NULL && open_all(core, slice_of(core->ifaces)) != 0;
    }
    if (core->ifaces != NULL && strcmp(core->ifaces, wanted) == 0) {
        return;
    }
    old = core->ifaces;
    core->ifaces = mem_copy(MEM_ADMIN, slice_of(wanted));
    mark_wanted(core, slice_of(wanted));
    close_unwanted(core);
    if (open_all(core, slice_of(wanted)) != 0 && core->listeners == NULL && old != NULL) {
        log_error(NULL, "nothing of " VARIABLE " can be opened: the console stays on %s", old);
        (void)!open_all(core, slice_of(old));
    }
    mem_free(MEM_ADMIN, old);
}

void console_listen_close(struct console_core *core)
{
    close_all(core);
    mem_free(MEM_ADMIN, core->ifaces);
    core->ifaces = NULL;
}

bool console_descriptor_is_ready(const uv_handle_t *handle)
{
    struct pollfd p = {.events = POLLIN | POLLRDHUP};

    return uv_fileno(handle, &p.fd) == 0 && poll(&p, 1, 0) == 1 && p.revents == POLLIN;
}

bool console_listen_is_waited(const struct console_core *core)
{
    for (const struct console_listener *l = core->listeners; l != NULL; l = l->next) {
        if (console_descriptor_is_ready(&l->u.handle)) {
            return true;
        }
    }
    return false;
}
