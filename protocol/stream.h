/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h - a byte stream on a libuv handle: reads into a shared buffer, writes at once, queues
 * the rest.
 *
 * Nothing is buffered while nothing is in flight: bytes are read into one buffer of the loop
 * (struct stream_loop) and lent to on_bytes; what stream_write cannot write at once stays in the
 * buffer it came in, which the stream then owns and the loop replaces.
 *
 *   open --> reading <--> paused --> closing --> closed (on_closed: the memory may go)
 *
 * With TLS (stream_secure) the same calls hold: what is read is decrypted into the loop's buffer,
 * what is written is encrypted first. A peer that is slow stops its source as without.
 *
 * Compressed (stream_compress) they hold, too: above is seen what is inside of the packets, in
 * pieces of the loop's buffer. While the owner does not read, at most one such buffer of packed
 * bytes waits inside, and what zlib needs for the packet that has begun.
 *
 * Thread: all functions belong to the loop's thread.
 */
#ifndef PROTOCOL_STREAM_H
#define PROTOCOL_STREAM_H

#include <sys/un.h>
#include <uv.h>

#include "base/base.h"

#define STREAM_CHUNK_BYTES    (64 * 1024)
#define STREAM_CHUNK_HEADROOM 64 /* free bytes before a read, for what was carried over */
#define STREAM_FREE_CHUNKS    16 /* kept for reuse by each loop */

struct stream;
struct stream_chunk;
struct stream_pack;
struct deflater;
struct inflater;
struct stat_set;
struct tls;

/*
 * on_end's rc tells ERR_UNCOMPRESS or ERR_SEQUENCE of compressed packets: then the owner may write
 * still.
 */
struct stream_events {
    void (*on_bytes)(struct stream *s, uint8_t *data,
                     size_t len); /* data is lent for the call; may be changed */
    void (*on_end)(struct stream *s,
                   int rc); /* UV_EOF or an error; nothing more will be read; close it */
    void (*on_drained)(struct stream *s); /* all that was queued is written */
    void (*on_connected)(struct stream *s, int rc);
    /* The handshake has ended: 0, or why it failed (UV_EOF: the peer left): close it. */
    void (*on_secured)(struct stream *s, int rc);
    void (*on_closed)(struct stream *s);
};

/* What the streams of one loop share. */
struct stream_loop {
    uv_loop_t *uv;                    /* borrowed */
    struct stream_chunk *reading;     /* owned: where the next read goes */
    struct stream_chunk *free_chunks; /* owned */
    struct stream_chunk *sealed_in;   /* owned: where encrypted bytes are read */
    struct stream_chunk *packed_in;   /* owned: where compressed bytes are read, or decrypted to */
    struct stream_chunk *packed_out;  /* owned: one packet that is made */
    struct stream_chunk *out;         /* owned, while a call writes what was made here */
    struct stream_chunk *out_tail;
    struct deflater *deflater;      /* owned: NULL until something is compressed */
    struct inflater *free_inflater; /* owned: one for reuse */
    struct stat_set *stats;         /* borrowed; NULL = compression is not counted */
    unsigned n_free;
    size_t queued_bytes; /* in all streams of the loop */
    uint64_t n_reads;    /* since the start */
};

struct stream {
    union {
        uv_handle_t handle;
        uv_stream_t uv;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    const struct stream_events *events; /* borrowed */
    struct stream_loop *loop;           /* borrowed */
    struct stream_chunk *queue;         /* owned: the head is being written */
    struct stream_chunk *queue_tail;
    size_t queued_bytes;
    struct tls *tls;          /* owned; NULL = plain */
    struct stream_pack *pack; /* owned; NULL = not compressed */
    bool is_secured;          /* the handshake is done */
    uint8_t n_told;           /* answers of TLS itself that were queued behind others */
    bool is_open;
    bool is_reading;
    bool is_closing;
    bool is_ended; /* on_end was called */
};

/* stream_unsent - of what is queued: it changes whenever the peer takes some of it. */
static inline size_t stream_unsent(const struct stream *s)
{
    return s->queued_bytes + uv_stream_get_write_queue_size(&s->u.uv);
}

void stream_loop_init(struct stream_loop *loop, uv_loop_t *uv);
void stream_loop_fini(struct stream_loop *loop);

/*
 * stream_accept - take the next connection of a listening handle. stream_open - take a connected
 * descriptor.
 * stream_connect - begin to connect; on_connected is called once, later, unless closed before.
 * All: 0 or a negative errno; after an error the stream must still be closed when is_open is set,
 * else its memory may go at once.
 */
int stream_accept(struct stream *s, struct stream_loop *loop, const struct stream_events *events,
                  uv_stream_t *listener) MUST_CHECK;
int stream_open(struct stream *s, struct stream_loop *loop, const struct stream_events *events,
                int fd) MUST_CHECK;
int stream_connect(struct stream *s, struct stream_loop *loop, const struct stream_events *events,
                   const struct sockaddr *address, uv_connect_t *request) MUST_CHECK;

/* stream_read_start, stream_read_stop - cheap, idempotent; no system call by themselves. */
int stream_read_start(struct stream *s) MUST_CHECK;
void stream_read_stop(struct stream *s);

/*
 * stream_write - write now what the socket takes, queue the rest (the bytes are then owned by the
 * stream).
 *
 * Returns 0 (all written), 1 (some queued: on_drained follows; stop the source), or a negative
 * errno (the connection is broken: close it; no on_end comes for it).
 */
int stream_write(struct stream *s, const uv_buf_t *bufs, unsigned n) MUST_CHECK;

/* stream_has_unread - has the peer sent more than was read? One system call. */
bool stream_has_unread(const struct stream *s) MUST_CHECK;

static inline bool stream_is_drained(const struct stream *s)
{
    return s->queue == NULL;
}

/*
 * stream_secure - from now on with TLS: the handshake begins, on_secured follows, once, later or
 * before it returns. Takes tls, which has had no byte yet. data: what was already read of the
 * peer's part of it. Until on_secured nothing may be written. Begins to read.
 */
void stream_secure(struct stream *s, struct tls *tls, const uint8_t *data, size_t len);

/*
 * stream_release_tls - for another stream with the descriptor of this one: NULL when it is plain.
 * This one can only be closed then. stream_adopt_tls - the other end of it, before anything is read
 * or written.
 */
struct tls *stream_release_tls(struct stream *s) MUST_CHECK;
void stream_adopt_tls(struct stream *s, struct tls *tls);

/* Whose end of the compressed protocol the peer has. */
enum stream_peer { STREAM_CLIENT, STREAM_NODE };

/*
 * stream_compress - from now on compressed, both ways: what is written next, and what is read but
 * not yet given. level: zlib's. 0 or UV_ENOMEM (nothing changed).
 *
 * To a node each command becomes a packet of its own, so a header of its first packet may not be
 * cut between two writes.
 */
int stream_compress(struct stream *s, enum stream_peer peer, int level) MUST_CHECK;

/*
 * stream_unread - bytes that were given before it was compressed, and are: they are read again,
 * later. What is read next comes behind them. They are copied. 0 or UV_ENOMEM (close it).
 */
int stream_unread(struct stream *s, const uint8_t *data, size_t len) MUST_CHECK;

static inline bool stream_is_compressed(const struct stream *s)
{
    return s->pack != NULL;
}

/* stream_command - what is written next answers the next command of a client. */
void stream_pack_command(struct stream *s);

static inline void stream_command(struct stream *s)
{
    if (UNLIKELY(s->pack != NULL)) {
        stream_pack_command(s);
    }
}

/*
 * stream_detach_fd - a duplicate of the descriptor, for another loop; the stream must then be
 * closed.
 */
int stream_detach_fd(struct stream *s) MUST_CHECK;

/*
 * stream_abandon - when it is closed, the kernel discards what the peer has not acknowledged, and
 * resets the connection: a peer that cannot be reached now is not to get it later.
 */
void stream_abandon(struct stream *s);

/* stream_close - idempotent; drops what is queued. on_closed is called once, later. */
void stream_close(struct stream *s);

#endif
