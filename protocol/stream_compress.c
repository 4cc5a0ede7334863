/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_compress.c - what compression adds to a stream: above TLS, below the owner. See stream.h
 * and compress.h.
 *
 *   socket --> [TLS] --> packed chunk of the loop --unpack--> reading chunk of the loop --> owner
 *   owner --> blocks --compress_encode--> [TLS] --> socket
 *
 * What was read and is not unpacked when the owner stops, or has had its share of a turn of the
 * loop, waits in `waiting`; the pump goes on with it in a later turn, and the socket is not read
 * meanwhile. Nothing else is kept between two packets.
 *
 * The numbers: a client's packets begin with 0 at each command and our answer counts on, also when
 * more commands were read ahead (stream_command says when one begins to be answered). To a node we
 * are the client: it wants each command in a packet of its own, with number 0, and what belongs to
 * a dialog under way with the next number; which of both it is tells the number inside.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/stat.h"
#include "protocol/compress.h"
#include "protocol/packet.h"
#include "protocol/stream_inside.h"
#include "protocol/tls.h"

#define CHUNKS_A_TURN 8 /* unpacked ones for one stream, then others have their turn */
#define PIECES_MAX    16

struct stream_pack {
    uv_idle_t pump;
    struct stream *stream;
    struct stream_chunk *waiting; /* owned: start is at what comes next */
    struct stream_chunk *waiting_tail;
    struct unpack in;
    struct packet_walk in_walk, out_walk;
    int8_t level;
    uint8_t peer;       /* enum stream_peer */
    uint8_t in_next;    /* number of the next packet that is read, unless a command begins */
    uint8_t out_next;   /* number of the next one that is written */
    uint8_t inner_next; /* node: number behind the last packet inside that was written */
    uint32_t n_ahead;   /* client: commands that were read and are not answered yet */
    bool read_last;     /* the last packet was read, not written */
    bool is_broken;     /* nothing more is read */
};

/* --- what a loop has for all its streams ------------------------------------------------------ */

static struct inflater *inflater_take(struct stream_loop *loop)
{
    struct inflater *i = loop->free_inflater;

    loop->free_inflater = NULL;
    return i != NULL ? i : inflater_new();
}

static void inflater_give(struct stream_loop *loop, struct unpack *u)
{
    if (loop->free_inflater == NULL) {
        loop->free_inflater = u->inflater;
    } else {
        inflater_free(u->inflater);
    }
    u->inflater = NULL;
}

void stream_pack_loop_fini(struct stream_loop *loop)
{
    mem_free(MEM_BUFFER, loop->packed_in);
    mem_free(MEM_BUFFER, loop->packed_out);
    inflater_free(loop->free_inflater);
    deflater_free(loop->deflater);
}

static void count(struct stream *s, enum stat_id of_client, enum stat_id of_node, size_t n)
{
    if (s->loop->stats != NULL) {
        stat_add(s->loop->stats, s->pack->peer == STREAM_CLIENT ? of_client : of_node, n);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Is the packet of this number due? 0 or ERR_SEQUENCE. */
static int take_number(struct stream_pack *p)
{
    uint8_t number = p->in.sequence;
    bool is_between = packet_walk_is_between(&p->in_walk);
    bool is_next = number == p->in_next;

    if (p->peer == STREAM_NODE) { /* the answers to commands that went ahead begin anew */
        if (!is_next && !is_between) {
            return ERR_SEQUENCE;
        }
    } else if (number == 0 && is_between && !(is_next && p->read_last)) { /* not 0 behind 255 */
        p->n_ahead++;
    } else if (p->n_ahead == 0 && (is_next || number == p->out_next)) { /* of a dialog */
        p->out_next = (uint8_t)(number + 1);
    } else if (!is_next) {
        return ERR_SEQUENCE;
    }
    p->in_next = (uint8_t)(number + 1);
    p->read_last = true;
    return 0;
}

static int open_packet(struct stream *s)
{
    struct stream_pack *p = s->pack;
    struct inflater *inflater;
    int rc = take_number(p);

    if (rc != 0 || !p->in.is_deflated) {
        return rc;
    }
    inflater = inflater_take(s->loop);
    if (inflater == NULL) {
        return UV_ENOMEM;
    }
    unpack_lend(&p->in, inflater);
    return 0;
}

/* Packed bytes on their way. */
struct packed {
    const uint8_t *data;
    size_t len, at;
};

static bool has_more(const struct stream_pack *p, const struct packed *from)
{
    return from->at < from->len || (p->in.is_open && p->in.in_left == 0);
}

/* Unpack as much as fits. Returns the bytes put to out; *rc: what is wrong behind them. */
static size_t unpack(struct stream *s, struct packed *from, uint8_t *out, size_t cap, int *rc)
{
    struct stream_pack *p = s->pack;
    size_t got = 0, used;

    *rc = 0;
    while (*rc == 0 && got < cap && has_more(p, from)) {
        int64_t n;

        if (!p->in.is_open) {
            int header = unpack_header(&p->in, from->data + from->at, from->len - from->at, &used);

            from->at += used;
            *rc = header == 1 ? open_packet(s) : header;
            continue;
        }
        n = unpack_body(&p->in, from->data + from->at, from->len - from->at, &used, out + got,
                        cap - got);
        from->at += used;
        if (n < 0) {
            *rc = (int)n;
            continue;
        }
        packet_walk(&p->in_walk, out + got, (size_t)n);
        got += (size_t)n;
        if (!p->in.is_open && p->in.inflater != NULL) {
            inflater_give(s->loop, &p->in);
        }
    }
    count(s, STAT_UNPACKED_FROM_CLIENTS, STAT_UNPACKED_FROM_NODES, got);
    return got;
}

static void drop_waiting(struct stream *s, struct stream_pack *p)
{
    while (p->waiting != NULL) {
        struct stream_chunk *chunk = p->waiting;

        p->waiting = chunk->next;
        stream_chunk_free(s->loop, chunk);
    }
    p->waiting_tail = NULL;
}

static void broken(struct stream *s, int rc)
{
    struct stream_pack *p = s->pack;

    stream_read_stop(s);
    p->is_broken = true;
    p->out_next = (uint8_t)(p->in.sequence + 1); /* where the answer is awaited */
    drop_waiting(s, p);
    if (s->loop->stats != NULL && (rc == ERR_UNCOMPRESS || rc == ERR_SEQUENCE)) {
        stat_add(s->loop->stats, STAT_PACKED_MALFORMED, 1);
    }
    s->events->on_end(s, rc);
}

/* To the owner, for as long as he reads and his share lasts. False: it is closed, or broken. */
static bool give_all(struct stream *s, struct packed *from)
{
    struct stream_pack *p = s->pack;

    for (unsigned n = 0; n < CHUNKS_A_TURN && s->is_reading && has_more(p, from); n++) {
        struct stream_loop *loop = s->loop;
        uint8_t *out;
        size_t got;
        int rc;

        if (loop->reading == NULL) {
            loop->reading = stream_chunk_new(loop);
        }
        if (loop->reading == NULL) {
            broken(s, UV_ENOMEM);
            return false;
        }
        out = loop->reading->data + STREAM_CHUNK_HEADROOM;
        got = unpack(s, from, out, STREAM_CHUNK_BYTES, &rc);
        if (got > 0) {
            stream_give_bytes(s, out, got);
        }
        if (s->is_closing || s->is_ended || s->pack != p) {
            return false;
        }
        if (rc != 0) {
            broken(s, rc);
            return false;
        }
    }
    return true;
}

static void pump_cb(uv_idle_t *pump);

/* Takes the chunk, before or behind the others, until the pump has its turn. */
static void wait(struct stream *s, struct stream_chunk *chunk, bool is_first)
{
    struct stream_pack *p = s->pack;

    if (p->waiting == NULL) {
        chunk->next = NULL;
        p->waiting = p->waiting_tail = chunk;
    } else if (is_first) {
        chunk->next = p->waiting;
        p->waiting = chunk;
    } else {
        chunk->next = NULL;
        p->waiting_tail->next = chunk;
        p->waiting_tail = chunk;
    }
    (void)uv_read_stop(&s->u.uv);
    if (s->is_reading) {
        CHECK(uv_idle_start(&p->pump, pump_cb) == 0);
    }
}

void stream_pack_read(struct stream *s, const uint8_t *data, size_t n)
{
    struct stream_loop *loop = s->loop;
    struct stream_pack *p = s->pack;
    struct packed from = {.data = data, .len = n};
    struct stream_chunk *chunk = loop->packed_in;

    if (p->is_broken) {
        return;
    }
    count(s, STAT_PACKED_FROM_CLIENTS, STAT_PACKED_FROM_NODES, n);
    if (p->waiting == NULL && (!give_all(s, &from) || !has_more(p, &from))) {
        return;
    }
    loop->packed_in = NULL;
    chunk->start = (size_t)(data - chunk->data) + from.at;
    chunk->end = (size_t)(data - chunk->data) + n;
    wait(s, chunk, false);
}

int stream_unread(struct stream *s, const uint8_t *data, size_t len)
{
    CHECK(s->pack != NULL);
    count(s, STAT_PACKED_FROM_CLIENTS, STAT_PACKED_FROM_NODES, len);
    while (len > 0) {
        struct stream_chunk *chunk = stream_chunk_new(s->loop);
        size_t n = MIN(len, sizeof(chunk->data));

        if (chunk == NULL) {
            return UV_ENOMEM;
        }
        memcpy(chunk->data, data, n);
        chunk->end = n;
        wait(s, chunk, false);
        data += n;
        len -= n;
    }
    return 0;
}

static void pump_cb(uv_idle_t *pump)
{
    struct stream_pack *p = CONTAINER_OF(pump, struct stream_pack, pump);
    struct stream *s = p->stream;
    struct stream_chunk *chunk = p->waiting;
    struct packed from;
    bool goes_on;
    int rc;

    s->loop->n_reads++;
    p->waiting = chunk->next; /* ours while the owner is told: he may close the stream */
    from = (struct packed){.data = chunk->data + chunk->start, .len = chunk->end - chunk->start};
    goes_on = give_all(s, &from);
    if (goes_on && has_more(p, &from)) {
        chunk->start += from.at;
        wait(s, chunk, true);
        return;
    }
    stream_chunk_free(s->loop, chunk);
    if (!goes_on || p->waiting != NULL) {
        return;
    }
    (void)uv_idle_stop(pump);
    if (s->is_reading) {
        (void)uv_read_stop(&s->u.uv); /* the owner may have started it again meanwhile */
        rc = stream_read_on(s);
        if (rc != 0) {
            broken(s, rc);
        }
    }
}

bool stream_pack_resume(struct stream *s)
{
    if (s->pack->is_broken) {
        return true;
    }
    if (s->pack->waiting == NULL) {
        return false;
    }
    CHECK(uv_idle_start(&s->pack->pump, pump_cb) == 0);
    return true;
}

void stream_pack_pause(struct stream *s)
{
    (void)uv_idle_stop(&s->pack->pump);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* A packet that is being gathered. */
struct block {
    struct slice pieces[PIECES_MAX];
    unsigned n;
    size_t len;
};

static int flush(struct stream *s, struct block *b)
{
    struct stream_loop *loop = s->loop;
    struct stream_pack *p = s->pack;
    uint8_t *out = loop->packed_out->data;
    size_t len;

    if (b->len == 0) {
        return 0;
    }
    len = compress_encode(loop->deflater, p->level, b->pieces, b->n, p->out_next++, out);
    count(s, STAT_PACKED_TO_CLIENTS, STAT_PACKED_TO_NODES, len);
    count(s, STAT_UNPACKED_TO_CLIENTS, STAT_UNPACKED_TO_NODES, b->len);
    b->n = 0;
    b->len = 0;
    p->read_last = false;
    return s->tls != NULL ? tls_seal(s->tls, out, len) : stream_out_put(loop, out, len);
}

static int add(struct stream *s, struct block *b, const uint8_t *data, size_t len)
{
    int rc = 0;

    while (len > 0 && rc == 0) {
        size_t n = MIN(len, COMPRESS_BLOCK - b->len);

        if (b->n > 0 &&
            (const uint8_t *)b->pieces[b->n - 1].data + b->pieces[b->n - 1].len == data) {
            b->pieces[b->n - 1].len += n;
        } else {
            b->pieces[b->n++] = (struct slice){(const char *)data, n};
        }
        b->len += n;
        data += n;
        len -= n;
        if (b->n == PIECES_MAX || b->len == COMPRESS_BLOCK) {
            rc = flush(s, b);
        }
    }
    return rc;
}

/*
 * A packet to a node begins; header NULL: it is cut, so no command begins. Number 0 begins one,
 * unless it only follows 255: within a file, where nothing was read in between. Another than the
 * next one leaves room for what the node says before it (the answer to an authentication switch
 * that is sent along with COM_CHANGE_USER).
 */
static int begin_inner(struct stream *s, struct block *b, const uint8_t *header)
{
    struct stream_pack *p = s->pack;
    uint8_t number = header != NULL ? packet_sequence(header) : p->inner_next;
    bool is_cut = header == NULL;
    int rc;

    if (number == p->inner_next && !p->read_last) {
        return 0;
    }
    rc = flush(s, b);
    if (number == 0 && !is_cut) {
        p->out_next = 0;
    } else if (p->read_last) {
        p->out_next = p->in_next;
    } else {
        p->out_next = (uint8_t)(p->out_next + number - p->inner_next);
    }
    p->read_last = false;
    return rc;
}

static int add_to_node(struct stream *s, struct block *b, const uint8_t *data, size_t len)
{
    struct stream_pack *p = s->pack;
    struct packet_walk *w = &p->out_walk;
    int rc = 0;

    for (size_t at = 0; at < len && rc == 0;) {
        bool in_header = w->left == 0;
        size_t n;

        if (packet_walk_is_between(w)) {
            rc = begin_inner(s, b, len - at >= PACKET_HEADER ? data + at : NULL);
        }
        n = in_header ? (size_t)(PACKET_HEADER - w->header_len) : w->left;
        n = MIN(n, len - at);
        packet_walk(w, data + at, n);
        at += n;
        if (in_header && w->header_len == 0) { /* its last byte is the number */
            p->inner_next = (uint8_t)(data[at - 1] + 1);
        }
        rc = rc == 0 ? add(s, b, data + at - n, n) : rc;
    }
    return rc;
}

static bool make_ready(struct stream_loop *loop)
{
    if (loop->deflater == NULL) {
        loop->deflater = deflater_new();
    }
    if (loop->packed_out == NULL) {
        loop->packed_out = stream_chunk_new(loop);
    }
    return loop->deflater != NULL && loop->packed_out != NULL;
}

int stream_pack_write(struct stream *s, const uv_buf_t *bufs, unsigned n)
{
    bool to_node = s->pack->peer == STREAM_NODE;
    struct block b = {.n = 0};
    int rc = make_ready(s->loop) ? 0 : UV_ENOMEM;

    for (unsigned i = 0; i < n && rc == 0; i++) {
        const uint8_t *data = (const uint8_t *)bufs[i].base;

        rc = to_node ? add_to_node(s, &b, data, bufs[i].len) : add(s, &b, data, bufs[i].len);
    }
    if (rc == 0) {
        rc = flush(s, &b);
    }
    if (rc != 0) {
        stream_out_drop(s->loop);
        return rc;
    }
    return stream_out_send(s);
}

void stream_pack_command(struct stream *s)
{
    struct stream_pack *p = s->pack;

    if (p->n_ahead >
        0) { /* else it shares the packet of the one before: as on a node, it counts on */
        p->n_ahead--;
        p->out_next = p->n_ahead == 0 ? p->in_next : 1;
    }
}

/* --- life ------------------------------------------------------------------------------------- */

int stream_compress(struct stream *s, enum stream_peer peer, int level)
{
    struct stream_pack *p = mem_try(MEM_BUFFER, sizeof(*p));

    CHECK(s->pack == NULL);
    if (p == NULL) {
        return UV_ENOMEM;
    }
    *p = (struct stream_pack){.stream = s, .peer = (uint8_t)peer, .level = (int8_t)level};
    CHECK(uv_idle_init(s->loop->uv, &p->pump) == 0); /* cannot fail */
    s->pack = p;
    if (s->loop->stats != NULL) {
        stat_add(s->loop->stats, peer == STREAM_CLIENT ? STAT_PACKED_CLIENTS : STAT_PACKED_SERVERS,
                 1);
    }
    return 0;
}

static void pump_closed_cb(uv_handle_t *handle)
{
    mem_free(MEM_BUFFER, CONTAINER_OF(handle, struct stream_pack, pump));
}

void stream_pack_close(struct stream *s)
{
    struct stream_pack *p = s->pack;

    drop_waiting(s, p);
    if (p->in.inflater != NULL) {
        inflater_give(s->loop, &p->in);
    }
    if (s->loop->stats != NULL) {
        stat_sub(s->loop->stats,
                 p->peer == STREAM_CLIENT ? STAT_PACKED_CLIENTS : STAT_PACKED_SERVERS, 1);
    }
    s->pack = NULL;
    uv_close((uv_handle_t *)&p->pump, pump_closed_cb);
}
