/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c - life of a server connection. See server.h.
 *
 * Its replies are read in server_reply.c; making it fit is in server_fit.c, the login dialog in
 * server_login.c.
 */
#include "pool/server.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sm.h"
#include "pool/node_tls.h"
#include "pool/pool.h"
#include "pool/server_stmt.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "protocol/tls.h"

static const struct sm_state server_states[SERVER_STATE_COUNT] = {
    [SERVER_CONNECTING] = {"connecting", BIT(SERVER_LOGIN) | BIT(SERVER_CLOSING)},
    [SERVER_LOGIN] = {"login", BIT(SERVER_LENT) | BIT(SERVER_FREE) | BIT(SERVER_CLOSING)},
    [SERVER_FREE] = {"free", BIT(SERVER_LENT) | BIT(SERVER_RESETTING) | BIT(SERVER_CLOSING)},
    [SERVER_LENT] = {"lent", BIT(SERVER_FREE) | BIT(SERVER_DRAINING) | BIT(SERVER_RESETTING) |
                                 BIT(SERVER_CLOSING)},
    [SERVER_DRAINING] = {"draining",
                         BIT(SERVER_FREE) | BIT(SERVER_RESETTING) | BIT(SERVER_CLOSING)},
    [SERVER_RESETTING] = {"resetting", BIT(SERVER_FREE) | BIT(SERVER_LENT) | BIT(SERVER_CLOSING)},
    [SERVER_CLOSING] = {"closing", 0},
};

static void count_used(struct server *s)
{
    struct traffic *t = s->traffic;

    t->used++;
    t->max_used = MAX(t->max_used, t->used);
}

void server_serves(struct server *s, int hostgroup)
{
    bool is_used = s->state == SERVER_LENT && !s->is_side;

    if (s->traffic->hostgroup == hostgroup) {
        return;
    }
    s->traffic->used -= is_used ? 1 : 0;
    s->traffic = pool_traffic(s->pool, s->node, hostgroup);
    if (is_used) {
        count_used(s);
    }
}

void server_to(struct server *s, enum server_state next)
{
    struct pool_node *pn = &s->pool->per_node[s->node->index];

    if (!s->is_side && s->state == SERVER_LENT) {
        s->traffic->used--;
    }
    if (!s->is_side && next == SERVER_LENT) {
        count_used(s);
    }

    pn->n_lent -= s->state == SERVER_LENT ? 1 : 0;
    pn->n_lent += next == SERVER_LENT ? 1 : 0;
    SM_MOVE(server_states, &s->state, next);
    s->since_ms = s->pool->now_ms;
}

struct log_who server_who(const struct server *s, const char *doing)
{
    return (struct log_who){
        .server_id = s->id, .node = s->node->text, .user = s->account->name, .doing = doing};
}

/* --- open and close ------------------------------------------------------------------------- */

/* The socket goes, and with it the place in the node's count. */
static void end(struct server *s)
{
    s->is_quitting = false;
    if (s->is_counted) {
        s->is_counted = false;
        node_unreserve(s->node);
    }
    stream_close(&s->stream);
    pool_room(s->pool, s->node);
}

static void on_stream_end(struct stream *stream, int rc)
{
    struct server *s = CONTAINER_OF(stream, struct server, stream);

    if (s->is_quitting) {
        end(s);
    } else if (rc == ERR_UNCOMPRESS || rc == ERR_SEQUENCE) {
        struct log_who who = server_who(s, "reading a compressed packet");

        log_warn(&who, "%s", err_text(rc));
        server_lost(s, ERR_NODE_PROTOCOL, NULL);
    } else if (rc == ERR_TLS && s->state == SERVER_LOGIN) {
        server_secured(s, rc); /* TLS 1.3: it looks at our certificate when we are done */
    } else {
        server_lost(s, rc == UV_EOF || rc == ERR_TLS ? ERR_NODE_LOST : rc, NULL);
    }
}

static void on_stream_drained(struct stream *stream)
{
    struct server *s = CONTAINER_OF(stream, struct server, stream);

    if (s->state == SERVER_LENT && s->events != NULL && s->events->on_drained != NULL) {
        s->events->on_drained(s);
    }
}

void server_connecting_ended(struct server *s)
{
    if (s->is_connecting) {
        s->is_connecting = false;
        CHECK(atomic_fetch_sub(&s->node->shared.n_connecting, 1) > 0);
    }
}

static void on_stream_connected(struct stream *stream, int rc)
{
    struct server *s = CONTAINER_OF(stream, struct server, stream);

    if (rc == 0) {
        rc = stream_read_start(&s->stream);
    }
    if (rc != 0) {
        server_lost(s, rc == UV_ECONNREFUSED ? ERR_NODE_REFUSED : ERR_NODE_UNREACHABLE, NULL);
        return;
    }
    server_to(s, SERVER_LOGIN);
    server_expect(s, EXPECT_GREETING, FOLLOW_ONE);
}

static void on_stream_secured(struct stream *stream, int rc)
{
    server_secured(CONTAINER_OF(stream, struct server, stream), rc);
}

static void on_stream_closed(struct stream *stream)
{
    struct server *s = CONTAINER_OF(stream, struct server, stream);

    profile_unref(&s->pool->profiles, s->profile);
    mem_free(MEM_BUFFER, s->carry);
    pool_forget(s->pool, s);
}

static const struct stream_events server_stream_events = {
    .on_bytes = server_on_bytes,
    .on_end = on_stream_end,
    .on_drained = on_stream_drained,
    .on_connected = on_stream_connected,
    .on_secured = on_stream_secured,
    .on_closed = on_stream_closed,
};

static struct server *server_new(struct pool *pool, struct node *node, struct account *account,
                                 uint64_t caps, int hostgroup)
{
    struct server *s = mem_try(MEM_SERVER, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    *s = (struct server){
        .id = (pool->next_server_id++ << 8) | pool->worker,
        .node = node,
        .account = account,
        .caps = caps & CAPS_OF_IDENTITY,
        .pool = pool,
        .traffic = pool_traffic(pool, node, hostgroup),
        .created_ms = pool->now_ms,
        .since_ms = pool->now_ms,
        .profile = profile_ref(pool->base_profile),
    };
    list_init(&s->stmts);
    list_push_back(&pool->all, &s->in_all);
    atomic_fetch_add(&account->n_servers, 1);
    stat_add(pool->stats, STAT_SERVERS_CONNECTED, 1);
    return s;
}

/* Never opened (or open failed before libuv knew it): there is no close callback to wait for. */
static void server_drop(struct server *s)
{
    s->is_counted = false;
    if (s->stream.is_open) {
        server_to(s, SERVER_CLOSING);
        stream_close(&s->stream);
        return;
    }
    profile_unref(&s->pool->profiles, s->profile);
    pool_forget(s->pool, s);
}

/* The statement waits on; it is tried again, or gets a connection that becomes free. */
static bool is_throttled(struct pool *pool, const struct want *want)
{
    unsigned limit = throttle_limit(pool->conf, want->hostgroup);

    if (LIKELY(limit == 0) || want->is_side ||
        throttle_pass(&pool->nodes->throttle, want->hostgroup, limit, pool->now_ms)) {
        return false;
    }
    stat_add(pool->stats, STAT_CONNECTS_THROTTLED, 1);
    log_info(NULL, "hostgroup %d: %u connections were opened in this second, another one waits",
             want->hostgroup, limit);
    return true;
}

struct server *server_open(struct pool *pool, struct node *node, const struct want *want,
                           void *owner, const struct server_events *events)
{
    struct server *s;
    int rc;

    if (!want->is_side && !node_reserve(node)) {
        return NULL;
    }
    if (is_throttled(pool, want)) {
        node_unreserve(node);
        return NULL;
    }
    s = server_new(pool, node, want->account, want->caps, want->hostgroup);
    if (s == NULL) {
        if (!want->is_side) {
            node_unreserve(node);
        }
        return NULL;
    }
    s->is_side = want->is_side;
    s->opened_us = clock_now_us();
    s->tls_changes = atomic_load(&node->shared.tls_changes);
    s->has_own_tls = node_tls_is_own(node, want->account->name);
    s->owner = owner;
    s->events = events;
    rc = stream_connect(&s->stream, pool->streams, &server_stream_events,
                        (const struct sockaddr *)(const void *)&node->sockaddr, &s->connect);
    if (rc != 0) {
        log_warn(NULL, "cannot begin to connect to %s: %s", node->text, err_text(rc));
        if (!s->is_side) {
            node_unreserve(node);
        }
        server_drop(s);
        return NULL;
    }
    s->is_counted = !s->is_side;
    s->is_connecting = true;
    atomic_fetch_add(&node->shared.n_connecting, 1);
    stat_add(pool->stats, STAT_SERVERS_CREATED, 1);
    return s;
}

struct server *server_adopt(struct pool *pool, const struct server_move *move)
{
    struct server *s = server_new(pool, move->node, move->account, move->caps, move->hostgroup);

    if (s == NULL) {
        node_unreserve(move->node);
        server_move_drop(move);
        return NULL;
    }
    s->thread_id = move->thread_id;
    s->created_ms = move->created_ms;
    s->multi_statements = move->multi_statements;
    s->offers_files = move->offers_files;
    memcpy(s->salt, move->salt, SALT_LEN);
    s->tls_changes = move->tls_changes;
    s->has_own_tls = move->has_own_tls;
    if (stream_open(&s->stream, pool->streams, &server_stream_events, move->fd) != 0) {
        if (!s->stream.is_open) {
            (void)close(move->fd);
        }
        tls_free(move->tls);
        server_drop(s);
        node_unreserve(move->node);
        return NULL;
    }
    stream_adopt_tls(&s->stream, move->tls);
    if ((move->is_compressed &&
         stream_compress(&s->stream, STREAM_NODE,
                         pool->conf->vars.mysql_protocol_compression_level) != 0) ||
        stream_read_start(&s->stream) != 0) {
        server_drop(s);
        node_unreserve(move->node);
        return NULL;
    }
    s->is_counted = true;
    s->must_reset = true; /* which variables it has set is known to the other worker only */
    s->ran_unseen = move->must_reset;
    server_to(s, SERVER_LOGIN);
    server_to(s, SERVER_LENT);
    return s;
}

void server_close(struct server *s, const char *reason, int rc)
{
    struct log_who who = server_who(s, NULL);

    if (s->state == SERVER_CLOSING) {
        return;
    }
    if (s->state == SERVER_FREE) {
        pool_unlink_free(s->pool, s);
    }
    server_connecting_ended(s);
    if (rc != 0) {
        stat_add(s->pool->stats, STAT_SERVERS_ABORTED, 1);
        log_warn(&who, "closing: %s (%s, age %llus, %llu statements)", reason, err_text(rc),
                 (unsigned long long)((s->pool->now_ms - s->created_ms) / 1000),
                 (unsigned long long)s->statements);
    } else {
        log_debug(&who, "closing: %s", reason);
    }
    server_to(s, SERVER_CLOSING);
    s->owner = NULL;
    s->events = NULL;
    server_stmts_drop(s);
    end(s);
}

void server_quit(struct server *s, const char *reason)
{
    static const uint8_t quit[] = {1, 0, 0, 0, COM_QUIT};
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)quit, sizeof(quit));
    struct log_who who = server_who(s, NULL);

    if (s->state != SERVER_FREE || server_write(s, &buf, 1) != 0 || s->pool->is_closing) {
        server_close(s, reason, 0);
        return;
    }
    log_debug(&who, "quitting: %s", reason);
    pool_unlink_free(s->pool, s);
    server_to(s, SERVER_CLOSING);
    server_stmts_drop(s);
    s->is_quitting = true;
}

void server_quit_timeout(struct server *s)
{
    if (s->is_quitting) {
        end(s);
    }
}

int server_depart(struct server *s, struct server_move *move)
{
    int fd = stream_detach_fd(&s->stream);

    if (fd < 0) {
        return fd;
    }
    *move = (struct server_move){.node = s->node,
                                 .account = s->account,
                                 .thread_id = s->thread_id,
                                 .caps = s->caps,
                                 .multi_statements = s->multi_statements,
                                 .offers_files = s->offers_files,
                                 .must_reset = s->must_reset,
                                 .created_ms = s->created_ms,
                                 .hostgroup = s->traffic->hostgroup,
                                 .fd = fd,
                                 .is_compressed = stream_is_compressed(&s->stream),
                                 .tls = stream_release_tls(&s->stream),
                                 .tls_changes = s->tls_changes,
                                 .has_own_tls = s->has_own_tls};
    memcpy(move->salt, s->salt, SALT_LEN);
    s->is_counted = false;
    server_close(s, "handed to another worker", 0);
    return 0;
}

void server_move_drop(const struct server_move *move)
{
    tls_free(move->tls);
    (void)close(move->fd);
}

void server_lost(struct server *s, int rc, const struct err *err)
{
    const struct server_events *events = s->events;
    bool was_asked =
        s->state == SERVER_LENT || s->state == SERVER_CONNECTING || s->state == SERVER_LOGIN;
    bool was_free = s->state == SERVER_FREE;
    bool was_new = s->state == SERVER_CONNECTING || s->state == SERVER_LOGIN;

    if (s->state == SERVER_CLOSING) {
        return;
    }
    /*
     * Only a login that gets no answer speaks against the node: a client can have its own
     * connection closed.
     */
    if (was_new && !s->is_side) {
        s->traffic->failed++;
    }
    if (err == NULL && !s->kill_pending) {
        nodes_poke(s->pool->nodes, s->node);
    }
    if (err == NULL && was_new) {
        node_failed(s->node, s->pool->now_ms,
                    (uint64_t)s->pool->conf->vars.mysql_shun_recovery_time_sec * 1000);
    }
    stream_abandon(&s->stream); /* a statement in doubt must not run when its node comes back */
    if (was_asked && events != NULL && s->owner != NULL) {
        events->on_lost(s, rc, err); /* looks at the server before it is taken apart */
    }
    server_close(s, was_free ? "the node closed an idle connection" : "lost", was_free ? 0 : rc);
}
