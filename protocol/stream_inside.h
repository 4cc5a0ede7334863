/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_inside.h - what the files of a stream share.
 */
#ifndef PROTOCOL_STREAM_INSIDE_H
#define PROTOCOL_STREAM_INSIDE_H

#include "protocol/stream.h"

/*
 * Bytes read or queued, with the request that writes them. Owned by the loop (reading, sealed,
 * free) or a stream.
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

/*
 * stream_chunk_read - where what is read of s goes, behind its headroom: the loop's reading chunk,
 * or when it is compressed the packed one. NULL = no memory.
 */
struct stream_chunk *stream_chunk_read(struct stream *s) MUST_CHECK;

/* stream_read_bytes - n bytes in that chunk, decrypted, came from the peer. */
void stream_read_bytes(struct stream *s, uint8_t *data, size_t n);

/* stream_give_bytes - n bytes of the loop's reading chunk to the owner. */
void stream_give_bytes(struct stream *s, uint8_t *data, size_t n);

/* stream_read_on - read from the socket, which is open; stream_read_off - do not. */
int stream_read_on(struct stream *s) MUST_CHECK;

/*
 * stream_out_put - gather bytes for the socket; arg: the loop. 0 or UV_ENOMEM.
 * stream_out_send - write what was gathered, queue the rest. As stream_write.
 * stream_out_try - only write what the socket takes. stream_out_drop - forget what is left of it.
 */
int stream_out_put(void *arg, const uint8_t *data, size_t len) MUST_CHECK;
int stream_out_send(struct stream *s) MUST_CHECK;
int stream_out_try(struct stream *s) MUST_CHECK;
void stream_out_drop(struct stream_loop *loop);

/* stream_tls.c: encrypted bytes that were read; the end of the connection; what is written. */
void stream_tls_alloc(struct stream *s, uv_buf_t *buf);
void stream_tls_read(struct stream *s, uint8_t *data, size_t n);
void stream_tls_end(struct stream *s, int rc);
int stream_tls_write(struct stream *s, const uv_buf_t *bufs, unsigned n) MUST_CHECK;
void stream_tls_close(struct stream *s);

/*
 * stream_compress.c: packed bytes that were read; the owner reads again: true = bytes wait for it,
 * and will be given; it stops; what is written; the end.
 */
void stream_pack_read(struct stream *s, const uint8_t *data, size_t n);
bool stream_pack_resume(struct stream *s) MUST_CHECK;
void stream_pack_pause(struct stream *s);
int stream_pack_write(struct stream *s, const uv_buf_t *bufs, unsigned n) MUST_CHECK;
void stream_pack_close(struct stream *s);
void stream_pack_loop_fini(struct stream_loop *loop);

#endif
