/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_reply.c - what comes from the node: which outstanding reply the bytes belong to, and where
 * they go.
 *
 * The reply to a client's command is handed on in runs of bytes; replies to our own commands are
 * looked at here.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "pool/pool.h"
#include "pool/server.h"
#include "pool/server_stmt.h"
#include "protocol/packet.h"
#include "protocol/track.h"

#define CARRY_MAX (PACKET_MAX + PACKET_HEADER) /* a control packet can be no longer */
#define MAX_BUFS  8

#define ER_LOCK_DEADLOCK 1213

#define NUMBER_REPLY_MAX 8192         /* bytes of a result that is one number */
#define ROW_REPLY_MAX    (128 * 1024) /* of one that is a row of variables */

static void expect_pop(struct server *s)
{
    s->first_expect = (uint8_t)((s->first_expect + 1) % SERVER_MAX_EXPECTS);
    s->n_expects--;
    if (s->n_expects > 0) {
        server_follow_next(s);
    }
}

int server_write(struct server *s, const uv_buf_t *bufs, unsigned n)
{
    if (UNLIKELY(s->said_more)) {
        return ERR_NODE_PROTOCOL;
    }
    for (unsigned i = 0; i < n; i++) {
        stat_add(s->pool->stats, STAT_BYTES_TO_NODES, bufs[i].len);
        s->traffic->bytes_sent += bufs[i].len;
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
    if (g->n > 0 && s->events != NULL && s->state == SERVER_LENT && s->events->on_bytes != NULL) {
        s->is_passing = true;
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

/*
 * An OK that reports changes: the owner takes them over and says what the client is told. The new
 * length of the packet, or ERR_MALFORMED.
 */
static int64_t handle_track(struct server *s, enum expect_what what, uint8_t *packet, size_t len)
{
    const struct track_wish *wish = NULL;
    struct ok ok;
    int rc = ok_decode(&ok, true, packet + PACKET_HEADER, len - PACKET_HEADER);

    s->owes_changes = false;
    if (rc != 0) {
        return rc;
    }
    if (what == EXPECT_REPLY && is_lent(s) && s->events->on_track != NULL) {
        wish = s->events->on_track(s, &ok);
    } else if (what == EXPECT_SETTLED && is_lent(s) && s->events->on_settled != NULL) {
        s->events->on_settled(s, &ok);
    }
    return ok_rewrite_track(packet, len, wish);
}

/* Whoever waits for the reply does not see the request: for him the numbers go on without it. */
static int give_empty_file(struct server *s)
{
    uint8_t empty[PACKET_HEADER];
    uv_buf_t buf = uv_buf_init((char *)empty, sizeof(empty));

    packet_write_header(empty, 0, s->follow.next_sequence);
    follow_renumber(&s->follow, (uint8_t)(s->follow.next_sequence - 1));
    return server_write(s, &buf, 1) < 0 ? ERR_NODE_LOST : 0;
}

/* A packet handed out by follow_feed: look at it, pass on what the client is to see. */
static int handle_packet(struct server *s, struct gather *g, enum follow_event event,
                         uint8_t *packet, size_t len)
{
    enum expect_what what = (enum expect_what)s->expects[s->first_expect].what;
    bool pass = what == EXPECT_REPLY;
    enum server_file file;

    if (event == FOLLOW_OK_TRACK) {
        int64_t told = handle_track(s, what, packet, len);

        if (told < 0) {
            return ERR_NODE_PROTOCOL;
        }
        if (pass) {
            gather_add(s, g, packet, (size_t)told);
        }
        return 0;
    }
    if (event == FOLLOW_PREPARED) {
        if (!pass) {
            return server_stmt_prepared(s, packet + PACKET_HEADER, len - PACKET_HEADER);
        }
        if (is_lent(s) && s->events->on_prepared != NULL) {
            s->events->on_prepared(s, packet + PACKET_HEADER, len - PACKET_HEADER);
            gather_add(s, g, packet, len);
        }
        return 0;
    }
    file = pass && is_lent(s) && s->events->on_infile != NULL ? s->events->on_infile(s)
                                                              : SERVER_FILE_EMPTY;
    if (file == SERVER_FILE_PASSED) {
        s->is_passing = true; /* the owner waits for a file: its client must hear of it */
        gather_add(s, g, packet, len);
        return 0;
    }
    if (file == SERVER_FILE_REFUSED) {
        s->follow.next_sequence--; /* who waits for the reply does not see the request */
        return ERR_NODE_LOST;
    }
    return give_empty_file(s);
}

/*
 * A reply of ours is complete: what did it say? False: the server was closed, or lost, or is no
 * longer ours to read.
 */
static bool own_reply_done(struct server *s, enum expect_what what, const struct err *err);

/*
 * The packets of our own short dialogs are looked at whole. Returns bytes used, 0 = more needed, <
 * 0 malformed.
 */
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
    server_on_login_packet(s, data + PACKET_HEADER, payload, packet_sequence(data),
                           len == PACKET_HEADER + (size_t)payload);
    return (int64_t)PACKET_HEADER + payload;
}

static bool is_dialog(enum expect_what what)
{
    return what == EXPECT_GREETING || what == EXPECT_LOGIN || what == EXPECT_CHANGE_USER;
}

/* The row of a whole result of one row: column count, columns, [EOF], row, end. */
static struct slice read_row(const struct server *s, const uint8_t *data, size_t len)
{
    size_t before = (s->caps & CAP_DEPRECATE_EOF) != 0 ? 1 : 2, at = 0;
    size_t row_at = len > PACKET_HEADER ? data[PACKET_HEADER] + before : 0;

    for (size_t i = 0; at + PACKET_HEADER <= len; i++) {
        size_t length = MIN(packet_length(data + at), len - at - PACKET_HEADER);

        if (i == row_at) {
            return (struct slice){(const char *)data + at + PACKET_HEADER, length};
        }
        at += PACKET_HEADER + length;
    }
    return (struct slice){NULL, 0};
}

/*
 * The number in a result of one row and one column: its digits, between which are zeros where the
 * session's results are utf16 and the like.
 */
static uint64_t read_number(const struct server *s, const uint8_t *data, size_t len)
{
    struct slice row = read_row(s, data, len);
    struct reader r = reader_of(row.data, row.len);
    struct slice field = get_lenenc_bytes(&r);
    uint64_t number = 0;

    for (size_t i = 0; i < field.len; i++) {
        char digit = field.data[i];

        if (digit >= '0' && digit <= '9') {
            number = number * 10 + (uint64_t)(digit - '0');
        } else if (digit != '\0') {
            break;
        }
    }
    return number;
}

/* Replies to our own commands are short: decoded whole, for their error. */
static void note_error(struct server *s, struct err *err, const uint8_t *packet, size_t len)
{
    if (s->follow.is_error && err->number == 0 && len > PACKET_HEADER &&
        packet[PACKET_HEADER] == 0xff) {
        (void)!err_decode(err, packet + PACKET_HEADER, len - PACKET_HEADER);
    }
}

/* A packet of one of our own replies was handed out: look at it; gives what comes next. */
static enum follow_event skip_own(struct server *s, enum follow_event event, uint8_t *packet,
                                  size_t len)
{
    struct gather none = {.n = 0};

    if (event != FOLLOW_OK_TRACK && event != FOLLOW_PREPARED && event != FOLLOW_INFILE) {
        return event;
    }
    if (handle_packet(s, &none, event, packet, len) != 0) {
        return FOLLOW_MALFORMED;
    }
    return follow_skip_packet(&s->follow);
}

static bool is_number(enum expect_what what)
{
    return what == EXPECT_FOUND_ROWS || what == EXPECT_LAST_ID;
}

/* Its answer is a result of one row, which is read. */
static bool is_row(enum expect_what what)
{
    return is_number(what) || what == EXPECT_TRACKING;
}

static size_t row_reply_max(enum expect_what what)
{
    return is_number(what) ? NUMBER_REPLY_MAX : ROW_REPLY_MAX;
}

static void note_row(struct server *s, enum expect_what what, enum follow_event event,
                     const uint8_t *data, size_t len)
{
    if (!is_row(what) || event != FOLLOW_DONE || s->follow.is_error) {
        return;
    }
    if (is_number(what)) {
        s->number = read_number(s, data, len);
    } else if (is_lent(s) && s->events->on_tracking != NULL) {
        s->events->on_tracking(s, read_row(s, data, len));
    }
}

/* Bytes behind the last reply that it owes: what goes out next cannot have been answered. */
static bool is_too_much(const struct server *s, enum follow_event event, size_t len_behind)
{
    return event == FOLLOW_DONE && s->n_expects == 1 && len_behind > 0;
}

static int64_t feed_own(struct server *s, enum expect_what what, uint8_t *data, size_t len)
{
    struct err err = {.sqlstate = "HY000", .message = SLICE("")}; /* behind rows not looked at */
    size_t at = 0;

    for (;;) { /* walk packets until the reply is complete */
        size_t used = 0, packet_len = 0;
        enum follow_event event = follow_feed(&s->follow, data + at, len - at, &used, &packet_len);

        note_error(s, &err, data + at, used);
        if (is_row(what) && event == FOLLOW_MORE) {
            server_follow_next(s); /* small: looked at again when it is whole */
            return len > row_reply_max(what) ? ERR_NODE_PROTOCOL : 0;
        }
        at += used;
        note_row(s, what, event, data, at);
        event = skip_own(s, event, data + at, packet_len);
        at += packet_len;
        if (event == FOLLOW_MALFORMED || is_too_much(s, event, len - at)) {
            return ERR_NODE_PROTOCOL;
        }
        if (event == FOLLOW_DONE) {
            err.number = err.number == 0 ? s->follow.error : err.number;
            return own_reply_done(s, what, s->follow.is_error ? &err : NULL) ? (int64_t)at
                                                                             : (int64_t)len;
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
            s->owes_changes |= s->follow.state_changed && s->follow.ends_with_rows;
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
    const void *owner;

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
            if (s->is_passing) {
                gather_flush(s, &g); /* an error goes behind whole packets */
            }
            return n;
        }
        at += (size_t)n;
        if (is_done) {
            expect_pop(s);
            s->has_replied = true;
            s->said_more = s->n_expects == 0 && at < len;
            owner = s->owner;
            gather_flush(s, &g);
            /* It may have left by that, and another have it: the reply was none of his. */
            if (s->n_expects == 0 && s->owner == owner) {
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

void server_on_bytes(struct stream *stream, uint8_t *data, size_t len)
{
    struct server *s = CONTAINER_OF(stream, struct server, stream);
    int64_t used;

    stat_add(s->pool->stats, STAT_BYTES_FROM_NODES, len);
    s->traffic->bytes_received += len;
    s->pool->per_node[s->node->index].heard_ms = s->pool->now_ms;
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

/* Galera tells the next command, whatever it is, and goes on outside of the transaction (10.11). */
static bool is_abort(enum expect_what what, const struct err *err)
{
    return err != NULL && (what == EXPECT_TRANSACTION ||
                           (err->number == ER_LOCK_DEADLOCK &&
                            (is_row(what) || what == EXPECT_PRIME || what == EXPECT_SETTLED)));
}

static bool own_reply_done(struct server *s, enum expect_what what, const struct err *err)
{
    if (is_number(what) && s->follow.results > 0) {
        s->status = s->follow.status;
        s->status_is_late = true;
    }
    expect_pop(s);
    if (UNLIKELY(is_abort(what, err)) && is_lent(s) && s->events->on_aborted != NULL &&
        s->events->on_aborted(s, err)) {
        return s->state != SERVER_CLOSING;
    }
    if (is_number(what)) {
        if (is_lent(s) && s->events->on_number != NULL) {
            s->events->on_number(s, what, err == NULL ? s->number : 0);
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
    } else if (err != NULL && what != EXPECT_PRIME && what != EXPECT_RAISED &&
               what != EXPECT_SETTLED && what != EXPECT_TRACKING && what != EXPECT_TRANSACTION) {
        /*
         * What the node had accepted before it now refuses: nothing on this connection can be
         * trusted.
         */
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
        server_connecting_ended(s);
        node_answered(s->node);
        if (!s->is_side) {
            s->traffic->opened++;
            s->traffic->login_us = clock_now_us() - s->opened_us;
        }
        server_to(s, SERVER_LENT);
        if (s->events != NULL) {
            s->events->on_ready(s);
        } else {
            pool_put(s->pool, s);
        }
    } else if (s->state == SERVER_RESETTING) {
        pool_put(s->pool, s);
    } else if (s->statement_sent || s->state == SERVER_DRAINING) {
        all_done(s);
    } else if (is_lent(s)) {
        s->events->on_ready(s);
    }
    return s->state != SERVER_CLOSING;
}
