/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c - life of a server connection and the reading of its replies. See server.h.
 *
 * Making it fit is in server_fit.c, the login dialog in server_login.c.
 */
#include "pool/server.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sm.h"
#include "pool/pool.h"
#include "pool/server_stmt.h"
#include "protocol/command.h"
#include "protocol/packet.h"

#define CARRY_MAX (PACKET_MAX + PACKET_HEADER) /* a control packet can be no longer */
#define MAX_BUFS  8

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

void server_to(struct server *s, enum server_state next)
{
    struct pool_node *pn = &s->pool->per_node[s->node->index];

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

static void on_stream_bytes(struct stream *stream, uint8_t *data, size_t len);

static void on_stream_end(struct stream *stream, int rc)
{
    server_lost(CONTAINER_OF(stream, struct server, stream), rc == UV_EOF ? ERR_NODE_LOST : rc,
                NULL);
}

static void on_stream_drained(struct stream *stream)
{
    struct server *s = CONTAINER_OF(stream, struct server, stream);

    if (s->state == SERVER_LENT && s->events != NULL) {
        s->events->on_drained(s);
    }
}

static void connecting_ended(struct server *s)
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
        server_lost(s, ERR_NODE_REFUSED, NULL);
        return;
    }
    server_to(s, SERVER_LOGIN);
    server_expect(s, EXPECT_GREETING, FOLLOW_ONE);
}

static void on_stream_closed(struct stream *stream)
{
    struct server *s = CONTAINER_OF(stream, struct server, stream);

    profile_unref(&s->pool->profiles, s->profile);
    mem_free(MEM_BUFFER, s->carry);
    pool_forget(s->pool, s);
}

static const struct stream_events server_stream_events = {
    .on_bytes = on_stream_bytes,
    .on_end = on_stream_end,
    .on_drained = on_stream_drained,
    .on_connected = on_stream_connected,
    .on_closed = on_stream_closed,
};

static struct server *server_new(struct pool *pool, struct node *node, struct account *account,
                                 uint32_t caps)
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

struct server *server_open(struct pool *pool, struct node *node, const struct want *want,
                           void *owner, const struct server_events *events)
{
    struct server *s;
    int rc;

    if (!want->is_side && !node_reserve(node)) {
        return NULL;
    }
    s = server_new(pool, node, want->account, want->caps);
    if (s == NULL) {
        if (!want->is_side) {
            node_unreserve(node);
        }
        return NULL;
    }
    s->is_side = want->is_side;
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
    struct server *s = server_new(pool, move->node, move->account, move->caps);

    if (s == NULL) {
        node_unreserve(move->node);
        (void)close(move->fd);
        return NULL;
    }
    s->thread_id = move->thread_id;
    s->created_ms = move->created_ms;
    s->multi_statements = move->multi_statements;
    memcpy(s->salt, move->salt, SALT_LEN);
    if (stream_open(&s->stream, pool->streams, &server_stream_events, move->fd) != 0 ||
        stream_read_start(&s->stream) != 0) {
        if (!s->stream.is_open) {
            (void)close(move->fd);
        }
        server_drop(s);
        node_unreserve(move->node);
        return NULL;
    }
    s->is_counted = true;
    s->must_reset = true; /* which variables it has set is known to the other worker only */
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
    connecting_ended(s);
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
    if (s->is_counted) {
        s->is_counted = false;
        node_unreserve(s->node);
    }
    stream_close(&s->stream);
    pool_room(s->pool, s->node);
}

void server_leave(struct server *s)
{
    s->is_counted = false;
    server_close(s, "handed to another worker", 0);
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
    /* Only a login that gets no answer speaks against the node: a client can have its own connection closed. */
    if (err == NULL && was_new) {
        node_failed(s->node, s->pool->now_ms,
                    (uint64_t)s->pool->conf->vars.mysql_shun_recovery_time_sec * 1000);
    }
    if (was_asked && events != NULL && s->owner != NULL) {
        events->on_lost(s, rc, err); /* looks at the server before it is taken apart */
    }
    server_close(s, was_free ? "the node closed an idle connection" : "lost", was_free ? 0 : rc);
}

/* --- replies -------------------------------------------------------------------------------- */

void server_expect(struct server *s, enum expect_what what, enum follow_kind follow)
{
    unsigned at = (s->first_expect + s->n_expects) % SERVER_MAX_EXPECTS;

    CHECK(s->n_expects < SERVER_MAX_EXPECTS);
    s->expects[at] = (struct expect){(uint8_t)what, (uint8_t)follow};
    s->statement_sent |= what == EXPECT_REPLY;
    s->n_commands++;
    if (s->n_expects++ == 0) {
        follow_begin(&s->follow, follow);
    }
}

static void expect_pop(struct server *s)
{
    s->first_expect = (uint8_t)((s->first_expect + 1) % SERVER_MAX_EXPECTS);
    s->n_expects--;
    if (s->n_expects > 0) {
        follow_begin(&s->follow, s->expects[s->first_expect].follow);
    }
}

int server_write(struct server *s, const uv_buf_t *bufs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        stat_add(s->pool->stats, STAT_BYTES_TO_NODES, bufs[i].len);
    }
    return stream_write(&s->stream, bufs, n);
}

/* Runs of bytes on their way to the owner, written together. */
struct gather {
    uv_buf_t bufs[MAX_BUFS];
    unsigned n;
};

static void gather_flush(struct server *s, struct gather *g)
{
    if (g->n > 0 && s->events != NULL && s->state == SERVER_LENT) {
        s->events->on_bytes(s, g->bufs, g->n);
    }
    g->n = 0;
}

static void gather_add(struct server *s, struct gather *g, uint8_t *data, size_t len)
{
    if (len == 0) {
        return;
    }
    if (g->n == MAX_BUFS) {
        gather_flush(s, g);
    }
    g->bufs[g->n++] = uv_buf_init((char *)data, (unsigned)len);
}

static bool is_lent(const struct server *s)
{
    return s->state == SERVER_LENT && s->events != NULL;
}

static int handle_track(struct server *s, uint8_t *packet, size_t len)
{
    struct ok ok;
    int rc = ok_decode(&ok, true, packet + PACKET_HEADER, len - PACKET_HEADER);

    if (rc == 0 && is_lent(s)) {
        s->events->on_track(s, &ok);
    }
    return rc;
}

static int refuse_infile(struct server *s)
{
    uint8_t empty[PACKET_HEADER];
    uv_buf_t buf = uv_buf_init((char *)empty, sizeof(empty));

    packet_write_header(empty, 0, s->follow.next_sequence);
    return server_write(s, &buf, 1) < 0 ? ERR_NODE_LOST : 0;
}

/* A packet handed out by follow_feed: look at it, pass on what the client is to see. */
static int handle_packet(struct server *s, struct gather *g, enum follow_event event,
                         uint8_t *packet, size_t len)
{
    bool pass = s->expects[s->first_expect].what == EXPECT_REPLY;

    if (event == FOLLOW_OK_TRACK) {
        int64_t stripped;
        int rc = pass ? handle_track(s, packet, len) : 0;

        stripped = rc != 0 ? rc : ok_strip_track(packet, len);
        if (stripped < 0) {
            return ERR_NODE_PROTOCOL;
        }
        if (pass) {
            gather_add(s, g, packet, (size_t)stripped);
        }
        return 0;
    }
    if (event == FOLLOW_PREPARED) {
        if (!pass) {
            return server_stmt_prepared(s, packet + PACKET_HEADER, len - PACKET_HEADER);
        }
        if (is_lent(s)) {
            s->events->on_prepared(s, packet + PACKET_HEADER, len - PACKET_HEADER);
            gather_add(s, g, packet, len);
        }
        return 0;
    }
    if (pass && is_lent(s) && s->events->on_infile(s)) {
        gather_add(s, g, packet, len);
        return 0;
    }
    return refuse_infile(s);
}

/* A reply of ours is complete: what did it say? False: the server was closed, or lost, or is no longer ours to read. */
static bool own_reply_done(struct server *s, enum expect_what what, const struct err *err);

/* The packets of our own short dialogs are looked at whole. Returns bytes used, 0 = more needed, < 0 malformed. */
static int64_t feed_dialog(struct server *s, uint8_t *data, size_t len)
{
    uint32_t payload;

    if (len < PACKET_HEADER) {
        return 0;
    }
    payload = packet_length(data);
    if (payload > 65536) {
        return ERR_NODE_PROTOCOL;
    }
    if (len < PACKET_HEADER + (size_t)payload) {
        return 0;
    }
    server_on_login_packet(s, data + PACKET_HEADER, payload, packet_sequence(data));
    return (int64_t)PACKET_HEADER + payload;
}

static bool is_dialog(enum expect_what what)
{
    return what == EXPECT_GREETING || what == EXPECT_LOGIN || what == EXPECT_CHANGE_USER;
}

/* The number in a result of one row and one column: column count, column, EOF, row, EOF. */
static uint64_t read_number(const uint8_t *data, size_t len)
{
    struct slice field = {NULL, 0};
    uint64_t number = 0;
    size_t at = 0;

    for (unsigned i = 0; i < 4 && at + PACKET_HEADER <= len; i++) {
        struct reader r = reader_of(data + at + PACKET_HEADER,
                                    MIN(packet_length(data + at), len - at - PACKET_HEADER));

        if (i == 3) {
            field = get_lenenc_bytes(&r);
        }
        at += PACKET_HEADER + packet_length(data + at);
    }
    for (size_t i = 0; i < field.len && field.data[i] >= '0' && field.data[i] <= '9'; i++) {
        number = number * 10 + (uint64_t)(field.data[i] - '0');
    }
    return number;
}

/* Replies to our own commands are short: decoded whole, for their error. */
static int64_t feed_own(struct server *s, enum expect_what what, uint8_t *data, size_t len)
{
    struct err err = {0};
    size_t at = 0;

    for (;;) { /* walk packets until the reply is complete */
        size_t used = 0, packet_len = 0;
        struct follow before = s->follow;
        enum follow_event event = follow_feed(&s->follow, data + at, len - at, &used, &packet_len);

        if (s->follow.is_error && !before.is_error && used >= PACKET_HEADER + 1 &&
            data[at + PACKET_HEADER] == 0xff) {
            (void)!err_decode(&err, data + at + PACKET_HEADER, used - PACKET_HEADER);
        }
        if (what == EXPECT_NUMBER && event == FOLLOW_MORE) {
            follow_begin(&s->follow,
                         FOLLOW_RESULT); /* it is small: looked at again when it is whole */
            return 0;
        }
        if (what == EXPECT_NUMBER && event == FOLLOW_DONE && !s->follow.is_error) {
            s->number = read_number(data, at + used);
        }
        at += used;
        if (event == FOLLOW_OK_TRACK || event == FOLLOW_PREPARED || event == FOLLOW_INFILE) {
            struct gather none = {.n = 0};

            if (handle_packet(s, &none, event, data + at, packet_len) != 0) {
                return ERR_NODE_PROTOCOL;
            }
            at += packet_len;
            event = follow_skip_packet(&s->follow);
        }
        if (event == FOLLOW_MALFORMED) {
            return ERR_NODE_PROTOCOL;
        }
        if (event == FOLLOW_DONE) {
            enum expect_what done = what;

            if (!own_reply_done(s, done, s->follow.is_error ? &err : NULL)) {
                return (int64_t)len;
            }
            return (int64_t)at;
        }
        if (used == 0 && packet_len == 0) { /* FOLLOW_MORE */
            return (int64_t)at;
        }
    }
}

/* The reply to the client's command: pass it on. */
static int64_t feed_reply(struct server *s, struct gather *g, uint8_t *data, size_t len,
                          bool *is_done)
{
    size_t at = 0;

    *is_done = false;
    for (;;) {
        size_t used = 0, packet_len = 0;
        enum follow_event event = follow_feed(&s->follow, data + at, len - at, &used, &packet_len);

        gather_add(s, g, data + at, used);
        at += used;
        if (event == FOLLOW_OK_TRACK || event == FOLLOW_PREPARED || event == FOLLOW_INFILE) {
            int rc = handle_packet(s, g, event, data + at, packet_len);

            if (rc != 0) {
                return rc;
            }
            at += packet_len;
            event = follow_skip_packet(&s->follow);
        }
        if (event == FOLLOW_MALFORMED) {
            return ERR_NODE_PROTOCOL;
        }
        if (event == FOLLOW_DONE) {
            *is_done = true;
            s->status = s->follow.status != 0 ? s->follow.status : s->status;
            s->outcome = s->follow;
            return (int64_t)at;
        }
        if (at == len || (used == 0 && packet_len == 0)) {
            return (int64_t)at;
        }
    }
}

/* All replies are in. */
static void all_done(struct server *s)
{
    s->statement_sent = false;
    if (s->state == SERVER_DRAINING) {
        if (!s->kill_pending) {
            server_reset(s);
        }
    } else if (is_lent(s)) {
        s->events->on_done(s);
    }
}

/* Take bytes apart; returns how many are dealt with (the rest is an incomplete packet), or < 0. */
static int64_t process(struct server *s, uint8_t *data, size_t len)
{
    struct gather g = {.n = 0};
    size_t at = 0;

    while (at < len && s->state != SERVER_CLOSING) {
        enum expect_what what;
        int64_t n;
        bool is_done = false;

        if (s->n_expects == 0) {
            return ERR_NODE_PROTOCOL; /* said without being asked: it shuts down, or timed us out */
        }
        what = (enum expect_what)s->expects[s->first_expect].what;
        if (is_dialog(what)) {
            n = feed_dialog(s, data + at, len - at);
        } else if (what == EXPECT_REPLY) {
            n = feed_reply(s, &g, data + at, len - at, &is_done);
        } else {
            n = feed_own(s, what, data + at, len - at);
        }
        if (n < 0) {
            return n;
        }
        at += (size_t)n;
        if (is_done) {
            expect_pop(s);
            gather_flush(s, &g);
            if (s->n_expects == 0) {
                all_done(s);
            }
        } else if (n == 0) {
            break;
        }
    }
    gather_flush(s, &g);
    return (int64_t)at;
}

static int carry_reserve(struct server *s, size_t need)
{
    uint8_t *grown;
    size_t cap = MAX(need, 256);

    if (need <= s->carry_cap) {
        return 0;
    }
    if (need > CARRY_MAX + STREAM_CHUNK_BYTES) {
        return ERR_NODE_PROTOCOL;
    }
    grown = mem_try_grow(MEM_BUFFER, s->carry, cap);
    if (grown == NULL) {
        return ERR_MEMORY;
    }
    s->carry = grown;
    s->carry_cap = cap;
    return 0;
}

static void carry_keep(struct server *s, const uint8_t *data, size_t len)
{
    if (len == 0) {
        s->carry_len = 0;
        if (s->carry_cap > 4096) { /* was for one big packet */
            mem_free(MEM_BUFFER, s->carry);
            s->carry = NULL;
            s->carry_cap = 0;
        }
        return;
    }
    if (carry_reserve(s, len) != 0) {
        server_lost(s, ERR_MEMORY, NULL);
        return;
    }
    memmove(s->carry, data, len);
    s->carry_len = len;
}

static void on_stream_bytes(struct stream *stream, uint8_t *data, size_t len)
{
    struct server *s = CONTAINER_OF(stream, struct server, stream);
    int64_t used;

    stat_add(s->pool->stats, STAT_BYTES_FROM_NODES, len);
    if (s->carry_len > 0 && s->carry_len <= STREAM_CHUNK_HEADROOM) {
        data -= s->carry_len; /* the loop's buffer has room before what was read */
        len += s->carry_len;
        memcpy(data, s->carry, s->carry_len);
    } else if (s->carry_len > 0) {
        if (carry_reserve(s, s->carry_len + len) != 0) {
            server_lost(s, ERR_MEMORY, NULL);
            return;
        }
        memcpy(s->carry + s->carry_len, data, len);
        data = s->carry;
        len += s->carry_len;
    }
    s->carry_len = 0;
    used = process(s, data, len);
    if (s->state == SERVER_CLOSING) {
        return;
    }
    if (used < 0) {
        struct err err;
        bool told =
            len > PACKET_HEADER && err_decode(&err, data + PACKET_HEADER, len - PACKET_HEADER) == 0;

        server_lost(s, (int)used, s->n_expects == 0 && told ? &err : NULL);
        return;
    }
    carry_keep(s, data + used, len - (size_t)used);
}

static bool own_reply_done(struct server *s, enum expect_what what, const struct err *err)
{
    expect_pop(s);
    if (what == EXPECT_NUMBER) {
        if (is_lent(s)) {
            s->events->on_number(s, err == NULL ? s->number : 0);
        }
    } else if (what == EXPECT_PREPARE) {
        server_stmt_prepare_done(s, err);
        if (err != NULL && is_lent(s)) {
            s->events->on_unfit(s, err);
            return s->state != SERVER_CLOSING;
        }
    } else if (err != NULL && what == EXPECT_INIT_DB && is_lent(s)) {
        s->schema = s->schema_before;
        s->events->on_unfit(s, err);
        return s->state != SERVER_CLOSING;
    } else if (err != NULL && what != EXPECT_PRIME) {
        /* What the node had accepted before it now refuses: nothing on this connection can be trusted. */
        struct log_who who = server_who(s, "making it fit");

        log_warn(&who, "refused: %u %.*s", err->number, SLICE_ARGS(err->message));
        server_lost(s, ERR_NODE_PROTOCOL, err);
        return false;
    }
    return server_dialog_done(s);
}

/* A reply of ours was the last one outstanding (or not): go on with what the connection is for. */
bool server_dialog_done(struct server *s)
{
    if (s->n_expects > 0) {
        return true;
    }
    if (s->state == SERVER_LOGIN) {
        connecting_ended(s);
        node_answered(s->node);
        server_to(s, SERVER_LENT);
        if (s->events != NULL) {
            s->events->on_ready(s);
        } else {
            pool_put(s->pool, s);
        }
    } else if (s->state == SERVER_RESETTING) {
        pool_put(s->pool, s);
    } else if (s->statement_sent) {
        all_done(s);
    } else if (is_lent(s)) {
        s->events->on_ready(s);
    } else if (s->state == SERVER_DRAINING) {
        all_done(s);
    }
    return s->state != SERVER_CLOSING;
}
