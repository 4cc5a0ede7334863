/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_client.c - life of a console client: accept, read, close. See console_client.h.
 */
#include "admin/console_client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

#include "admin/console_audit.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sm.h"
#include "protocol/packet.h"
#include "proxy/worker.h"

#define IN_FIRST         512 /* bytes of the first buffer for an incomplete packet */
#define LOGIN_PACKET_MAX 65536

static const struct sm_state states[CONSOLE_STATE_COUNT] = {
    [CONSOLE_LOGIN] = {"login", BIT(CONSOLE_IDLE) | BIT(CONSOLE_CLOSING)},
    [CONSOLE_IDLE] = {"idle", BIT(CONSOLE_LOGIN) | BIT(CONSOLE_ANSWERING) | BIT(CONSOLE_CLOSING)},
    [CONSOLE_ANSWERING] = {"answering", BIT(CONSOLE_IDLE) | BIT(CONSOLE_CLOSING)},
    [CONSOLE_CLOSING] = {"closing", 0},
};

void console_client_to(struct console_client *c, enum console_client_state next)
{
    c->since_ms = uv_now(c->core->streams.uv);
    if (c->state != next) {
        SM_MOVE(states, &c->state, next);
    }
}

struct log_who console_client_who(const struct console_client *c)
{
    return (struct log_who){.client_id = c->id,
                            .user = c->has_session ? c->session.user : NULL,
                            .peer = c->peer,
                            .doing = "console"};
}

/* --- the core --------------------------------------------------------------------------------- */

void console_core_init(struct console_core *core, struct galeway *g, uv_loop_t *loop,
                       const struct console_engine *engine)
{
    *core =
        (struct console_core){.galeway = g, .engine = *engine, .answers_max = CONSOLE_ANSWERS_MAX};
    stream_loop_init(&core->streams, loop);
    list_init(&core->clients);
    core->snapshot_number = atomic_load(&g->snapshot_number);
    core->snapshot = galeway_snapshot(g);
}

void console_core_fini(struct console_core *core)
{
    CHECK(list_is_empty(&core->clients) && core->listeners == NULL);
    stream_loop_fini(&core->streams);
    tls_context_unref(core->tls);
    core->tls = NULL;
    snapshot_unref(core->snapshot);
    core->snapshot = NULL;
}

const struct conf_vars *console_vars(struct console_core *core)
{
    unsigned number = atomic_load(&core->galeway->snapshot_number);

    if (number != core->snapshot_number) {
        struct snapshot *old = core->snapshot;

        core->snapshot_number = number;
        core->snapshot = galeway_snapshot(core->galeway);
        snapshot_unref(old);
    }
    return &core->snapshot->conf->vars;
}

bool console_is_waited(void *ctx)
{
    struct console_core *core = ctx;

    LIST_FOREACH (it, &core->clients) {
        const struct console_client *c = CONTAINER_OF(it, struct console_client, in_core);

        if (c != core->running && c->state != CONSOLE_CLOSING &&
            console_descriptor_is_ready(&c->stream.u.handle)) {
            return true;
        }
    }
    return console_listen_is_waited(core);
}

void console_core_tick(struct console_core *core)
{
    const struct conf_vars *vars = console_vars(core);
    uint64_t now = uv_now(core->streams.uv);

    LIST_FOREACH_SAFE (it, next, &core->clients) {
        struct console_client *c = CONTAINER_OF(it, struct console_client, in_core);
        uint64_t since = now - c->since_ms;

        console_login_tick(c, since);
        if (c->state == CONSOLE_LOGIN && since > (uint64_t)vars->mysql_connect_timeout_client) {
            console_close(c, "the login took too long");
        } else if (c->state != CONSOLE_CLOSING && since > (uint64_t)vars->mysql_wait_timeout) {
            console_close(c, c->state == CONSOLE_IDLE ? "idle for mysql-wait_timeout"
                                                      : "it does not read its answer");
        }
    }
}

void console_core_close(struct console_core *core)
{
    LIST_FOREACH_SAFE (it, next, &core->clients) {
        console_close(CONTAINER_OF(it, struct console_client, in_core), NULL);
    }
}

/* --- closing ---------------------------------------------------------------------------------- */

void console_close(struct console_client *c, const char *reason)
{
    struct log_who who = console_client_who(c);

    if (c->state == CONSOLE_CLOSING) {
        return;
    }
    if (reason != NULL) {
        log_info(&who, "closing: %s", reason);
    } else {
        log_debug(&who, "closing");
    }
    if (c->has_session) {
        console_audit(c, CONSOLE_AUDIT_CLOSE, NULL, reason);
    }
    console_client_to(c, CONSOLE_CLOSING);
    c->core->n_served -= c->is_served ? 1 : 0;
    console_job_leave(c);
    console_stmt_drop_all(c);
    console_login_free(c);
    wire_fini(&c->wire);
    if (c->has_session) {
        c->core->engine.end(&c->session);
        c->has_session = false;
    }
    mem_free(MEM_ADMIN, c->text);
    mem_free(MEM_BUFFER, c->in);
    c->text = NULL;
    c->in = NULL;
    stream_close(&c->stream);
}

void console_close_when_sent(struct console_client *c, const char *reason)
{
    if (c->state == CONSOLE_CLOSING) {
        return;
    }
    if (stream_is_drained(&c->stream)) {
        console_close(c, reason);
        return;
    }
    c->close_when_drained = true;
    c->close_reason = reason;
    stream_read_stop(&c->stream);
}

void console_refuse(struct console_client *c, int rc, const char *reason)
{
    console_error(c, rc);
    console_close_when_sent(c, reason);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool takes_packets(const struct console_client *c)
{
    return (c->state == CONSOLE_IDLE || c->state == CONSOLE_LOGIN) && !c->close_when_drained &&
           !c->is_denied;
}

/* A packet that is continued would be a statement of 16 MiB: none is that long. */
static bool is_header_good(struct console_client *c, const uint8_t *packet)
{
    bool is_login = c->state == CONSOLE_LOGIN;
    uint8_t due = is_login ? c->sequence : 0;
    uint32_t limit = is_login ? LOGIN_PACKET_MAX : PACKET_MAX - 1;
    int rc = packet_sequence(packet) != due            ? ERR_SEQUENCE
             : packet_length(packet) > limit           ? ERR_PACKET_TOO_LARGE
             : packet_length(packet) == 0 && !is_login ? ERR_MALFORMED
                                                       : 0;

    if (rc != 0) {
        c->sequence = (uint8_t)(due + 1);
        console_refuse(c, rc, err_text(rc));
    }
    return rc == 0;
}

/* The packets in data, as long as each is answered at once. Returns the bytes dealt with. */
static size_t take_packets(struct console_client *c, const uint8_t *data, size_t len)
{
    size_t at = 0;

    while (len - at >= PACKET_HEADER && takes_packets(c)) {
        size_t payload = packet_length(data + at);

        if (!is_header_good(c, data + at)) {
            return len;
        }
        if (len - at < PACKET_HEADER + payload) {
            break;
        }
        c->sequence = (uint8_t)(packet_sequence(data + at) + 1);
        at += PACKET_HEADER;
        if (c->state == CONSOLE_LOGIN) {
            console_login_packet(c, data + at, payload);
            if (c->wants_tls) {
                console_login_secure(c, data + at + payload, len - at - payload);
                return len;
            }
        } else {
            console_command(c, data + at, payload);
        }
        at += payload;
    }
    return c->state == CONSOLE_CLOSING || c->close_when_drained || c->is_denied ? len : at;
}

static bool keep(struct console_client *c, const uint8_t *data, size_t len)
{
    size_t cap = MAX(c->in_cap, (size_t)IN_FIRST);

    while (cap < c->in_len + len) {
        cap *= 2;
    }
    if (c->in == NULL || cap > c->in_cap) {
        uint8_t *grown = mem_try_grow(MEM_BUFFER, c->in, cap);

        if (grown == NULL) {
            console_close(c, "no memory");
            return false;
        }
        c->in = grown;
        c->in_cap = cap;
    }
    memcpy(c->in + c->in_len, data, len);
    c->in_len += len;
    return true;
}

/* Deal with what was kept; called whenever the client can take packets again. */
void console_input(struct console_client *c)
{
    uint8_t *data = c->in;
    size_t len = c->in_len, cap = c->in_cap, used;

    if (data != NULL) {
        c->in = NULL; /* nobody may free it meanwhile */
        c->in_len = c->in_cap = 0;
        used = take_packets(c, data, len);
        if (used == len) {
            mem_free(MEM_BUFFER, data);
        } else {
            if (used > 0) {
                memmove(data, data + used, len - used);
            }
            c->in = data;
            c->in_len = len - used;
            c->in_cap = cap;
        }
    }
    if (takes_packets(c) && stream_read_start(&c->stream) != 0) {
        console_close(c, "it cannot be read");
    }
}

static void on_bytes(struct stream *stream, uint8_t *data, size_t len)
{
    struct console_client *c = CONTAINER_OF(stream, struct console_client, stream);
    size_t used = 0;

    if (c->close_when_drained || c->is_denied) {
        return;
    }
    if (c->in != NULL) {
        if (keep(c, data, len)) {
            console_input(c);
        }
    } else {
        used = take_packets(c, data, len);
        if (used < len) {
            (void)keep(c, data + used, len - used);
        }
    }
    if (c->state == CONSOLE_ANSWERING) {
        stream_read_stop(stream);
    }
}

static void on_end(struct stream *stream, int rc)
{
    struct console_client *c = CONTAINER_OF(stream, struct console_client, stream);

    console_close(c, rc == UV_EOF ? NULL : err_text(rc));
}

static void on_drained(struct stream *stream)
{
    struct console_client *c = CONTAINER_OF(stream, struct console_client, stream);

    if (c->close_when_drained) {
        console_close(c, c->close_reason);
        return;
    }
    if (c->state == CONSOLE_ANSWERING && c->job == NULL) {
        c->since_ms = uv_now(c->core->streams.uv); /* slow, but it reads */
        console_send(c);
    }
    if (c->state == CONSOLE_IDLE) {
        console_input(c);
    }
}

static void on_secured(struct stream *stream, int rc)
{
    console_login_secured(CONTAINER_OF(stream, struct console_client, stream), rc);
}

static void on_closed(struct stream *stream)
{
    struct console_client *c = CONTAINER_OF(stream, struct console_client, stream);

    list_remove(&c->core->clients, &c->in_core);
    mem_free(MEM_ADMIN, c);
}

static const struct stream_events events = {
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_secured = on_secured,
    .on_closed = on_closed,
};

/* --- accepting -------------------------------------------------------------------------------- */

bool console_address_is_local(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

    if (address->sa_family == AF_INET) {
        return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
    }
    return address->sa_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
            (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127));
}

static void learn_peer(struct console_client *c)
{
    struct sockaddr_storage address;
    int len = sizeof(address);
    struct sockaddr *a = (struct sockaddr *)(void *)&address;

    (void)snprintf(c->peer, sizeof(c->peer), "localhost");
    c->is_local = true;
    if (c->stream.u.handle.type != UV_TCP || uv_tcp_getpeername(&c->stream.u.tcp, a, &len) != 0) {
        return; /* over a unix socket, or gone already */
    }
    c->is_local = console_address_is_local(a);
    if (address.ss_family == AF_INET) {
        (void)uv_ip4_name((struct sockaddr_in *)(void *)&address, c->peer, sizeof(c->peer));
    } else {
        (void)uv_ip6_name((struct sockaddr_in6 *)(void *)&address, c->peer, sizeof(c->peer));
    }
}

static struct console_client *client_new(struct console_core *core)
{
    struct console_client *c = mem_try(MEM_ADMIN, sizeof(*c));

    if (c == NULL) {
        log_warn(NULL, "no memory for another client of the console");
        return NULL;
    }
    *c = (struct console_client){.core = core, .since_ms = uv_now(core->streams.uv)};
    c->created_ms = c->since_ms;
    /*
     * Workers' clients have the number of their worker there: no id is given twice, but with 64
     * workers.
     */
    c->id = (uint32_t)(++core->last_id << WORKER_BITS | (WORKERS_MAX - 1));
    c->is_served = core->n_served < CONSOLE_CLIENTS_MAX;
    core->n_served += c->is_served ? 1 : 0;
    list_init(&c->stmts);
    list_push_back(&core->clients, &c->in_core);
    return c;
}

/* Returns the error of a connection that was not taken. */
static int begin(struct console_client *c, int rc)
{
    if (rc == 0) {
        rc = stream_read_start(&c->stream);
    }
    if (rc == 0) {
        learn_peer(c);
        console_login_begin(c);
    } else if (c->stream.is_open) {
        console_close(c, err_text(rc));
    } else { /* no handle: nothing to wait for */
        c->core->n_served -= c->is_served ? 1 : 0;
        list_remove(&c->core->clients, &c->in_core);
        mem_free(MEM_ADMIN, c);
        return rc;
    }
    return 0;
}

int console_accept(struct console_core *core, uv_stream_t *listener)
{
    struct console_client *c = client_new(core);

    return c == NULL ? ERR_MEMORY
                     : begin(c, stream_accept(&c->stream, &core->streams, &events, listener));
}

void console_open(struct console_core *core, int fd)
{
    struct console_client *c = client_new(core);

    if (c == NULL) {
        (void)close(fd);
        return;
    }
    (void)begin(c, stream_open(&c->stream, &core->streams, &events, fd));
}
