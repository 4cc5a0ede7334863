/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_inside.h - what stream.c and stream_tls.c share.
 */
#ifndef PROTOCOL_STREAM_INSIDE_H
#define PROTOCOL_STREAM_INSIDE_H

#include "protocol/stream.h"

/*
 * Bytes read or queued, with the request that writes them. Owned by the loop (reading, sealed, free)
 * or a stream.
 */
struct stream_chunk {
    struct stream_chunk *next;
    struct stream *stream; /* while queued */
    uv_write_t request;
    size_t start, end; /* queued bytes: data[start..end) */
    bool is_lent;      /* the loop's reading chunk: a stream took it into its queue */
    uint8_t data[STREAM_CHUNK_HEADROOM + STREAM_CHUNK_BYTES];
};

/* stream_chunk_new - NULL = no memory. */
struct stream_chunk *stream_chunk_new(struct stream_loop *loop) MUST_CHECK;
void stream_chunk_free(struct stream_loop *loop, struct stream_chunk *chunk);

/* stream_queue_push - written when its turn comes; owned by the stream from now on. */
void stream_queue_push(struct stream *s, struct stream_chunk *chunk);

/* stream_give_bytes - n bytes of the loop's reading chunk to the owner. */
void stream_give_bytes(struct stream *s, uint8_t *data, size_t n);

/* stream_tls.c: encrypted bytes that were read; the end of the connection; what is written. */
void stream_tls_alloc(struct stream *s, uv_buf_t *buf);
void stream_tls_read(struct stream *s, uint8_t *data, size_t n);
void stream_tls_end(struct stream *s, int rc);
int stream_tls_write(struct stream *s, const uv_buf_t *bufs, unsigned n) MUST_CHECK;
void stream_tls_close(struct stream *s);

#endif
