/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_tls.c - what TLS adds to a stream. See stream.h and tls.h.
 *
 * Encrypted bytes are read into a buffer of the loop, all of what they hold is decrypted into the
 * loop's usual one and given in one piece: so little is read at a time that it fits, a record of
 * which the beginning was read before included. Hence nothing waits inside when a stream is paused.
 */
#include "base/err.h"
#include "base/mem.h"
#include "protocol/stream_inside.h"
#include "protocol/tls.h"

#define SEALED_READ_BYTES   (STREAM_CHUNK_BYTES - TLS_SEALED_MAX)
#define HANDSHAKE_QUEUE_MAX (64 * 1024) /* bytes for a peer that only asks */
#define TOLD_MAX            16 /* answers, likewise, behind the handshake; each has a chunk */

/* --- writing ---------------------------------------------------------------------------------- */

/* Short pieces become one record: each costs as much as a kilobyte. */
static int seal_all(struct tls *tls, const uv_buf_t *bufs, unsigned n)
{
    uint8_t record[TLS_RECORD_MAX];
    size_t len = 0;
    int rc = 0;

    for (unsigned i = 0; i < n && rc == 0; i++) {
        const uint8_t *data = (const uint8_t *)bufs[i].base;

        if (len > 0 && len + bufs[i].len > sizeof(record)) {
            rc = tls_seal(tls, record, len);
            len = 0;
        }
        if (rc == 0 && bufs[i].len > sizeof(record)) {
            rc = tls_seal(tls, data, bufs[i].len);
        } else if (rc == 0) {
            memcpy(record + len, data, bufs[i].len);
            len += bufs[i].len;
        }
    }
    return rc == 0 && len > 0 ? tls_seal(tls, record, len) : rc;
}

int stream_tls_write(struct stream *s, const uv_buf_t *bufs, unsigned n)
{
    int rc;

    if (!s->is_secured) {
        return UV_ENOTCONN;
    }
    rc = n == 1 ? tls_seal(s->tls, (const uint8_t *)bufs[0].base, bufs[0].len)
                : seal_all(s->tls, bufs, n);
    if (rc != 0) {
        stream_out_drop(s->loop);
        return rc;
    }
    return stream_out_send(s);
}

void stream_tls_close(struct stream *s)
{
    if (s->is_secured && !s->is_ended && s->queue == NULL) {
        tls_goodbye(s->tls);
        (void)!stream_out_try(s);
        stream_out_drop(s->loop);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

void stream_tls_end(struct stream *s, int rc)
{
    stream_read_stop(s);
    if (s->is_ended || s->is_closing) {
        return;
    }
    s->is_ended = true;
    if (s->is_secured) {
        s->events->on_end(s, rc);
    } else {
        s->events->on_secured(s, rc);
    }
}

void stream_tls_alloc(struct stream *s, uv_buf_t *buf)
{
    struct stream_loop *loop = s->loop;

    if (loop->sealed_in == NULL) {
        loop->sealed_in = stream_chunk_new(loop);
    }
    *buf = loop->sealed_in == NULL
               ? uv_buf_init(NULL, 0) /* libuv reports UV_ENOBUFS: the connection ends */
               : uv_buf_init((char *)loop->sealed_in->data, SEALED_READ_BYTES);
}

static void shake(struct stream *s)
{
    int rc = tls_shake(s->tls);
    int sent = stream_out_send(s); /* an alert, too */

    if (rc == 1 && sent >= 0 && s->queued_bytes <= HANDSHAKE_QUEUE_MAX) {
        return;
    }
    if (rc != 0 || sent < 0) {
        stream_tls_end(s, rc < 0 ? rc : sent < 0 ? sent : ERR_LIMIT);
        return;
    }
    s->is_secured = true;
    s->events->on_secured(s, 0);
}

/*
 * Alerts, and what TLS itself answers: a peer that asks for new keys, again and again, and reads
 * nothing, is not to fill the queue.
 */
static int send_told(struct stream *s)
{
    bool is_told = s->loop->out != NULL;
    int rc = stream_out_send(s);

    if (rc == 0) {
        s->n_told = 0;
    } else if (rc == 1 && is_told && ++s->n_told > TOLD_MAX) {
        return ERR_LIMIT;
    }
    return rc;
}

static void open_all(struct stream *s)
{
    int64_t n;

    do {
        struct stream_chunk *chunk;
        size_t got = 0;
        uint8_t *data;
        int sent;

        chunk = stream_chunk_read(s);
        if (chunk == NULL) {
            stream_tls_end(s, UV_ENOMEM);
            return;
        }
        data = chunk->data + STREAM_CHUNK_HEADROOM;
        do {
            n = tls_open(s->tls, data + got, STREAM_CHUNK_BYTES - got);
            got += n > 0 ? (size_t)n : 0;
        } while (n > 0 && got < STREAM_CHUNK_BYTES);
        sent = send_told(s);
        if (got > 0) {
            stream_read_bytes(s, data, got);
        }
        if (s->is_closing || s->is_ended || s->tls == NULL) {
            return;
        }
        n = sent < 0 ? sent : n;
    } while (n > 0);
    if (n < 0) {
        stream_tls_end(s, n == TLS_END ? UV_EOF : (int)n);
    }
}

void stream_tls_read(struct stream *s, uint8_t *data, size_t n)
{
    tls_give(s->tls, data, n);
    if (!s->is_secured) {
        shake(s);
    }
    if (s->is_secured && !s->is_closing && !s->is_ended && tls_has_input(s->tls)) {
        open_all(s);
    }
    if (s->tls != NULL) {
        tls_drop_input(s->tls);
    }
}

/* --- beginning -------------------------------------------------------------------------------- */

void stream_secure(struct stream *s, struct tls *tls, const uint8_t *data, size_t len)
{
    int rc;

    CHECK(s->tls == NULL);
    s->tls = tls;
    tls_use_sink(tls, stream_out_put, s->loop);
    rc = stream_read_start(s);
    if (rc != 0) {
        stream_tls_end(s, rc);
        return;
    }
    tls_give(tls, data, len);
    shake(s);
    tls_drop_input(tls); /* all is taken: no handshake ends with the peer's first message */
}

struct tls *stream_release_tls(struct stream *s)
{
    struct tls *tls = s->tls;

    s->tls = NULL;
    if (tls != NULL) {
        tls_drop_input(tls);
    }
    return tls;
}

void stream_adopt_tls(struct stream *s, struct tls *tls)
{
    s->tls = tls;
    s->is_secured = tls != NULL;
    if (tls != NULL) {
        tls_use_sink(tls, stream_out_put, s->loop);
    }
}
