/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_out.c - bytes that are made here, encrypted or compressed, on their way to the socket:
 * what a call makes is gathered in chunks of the loop, and written or queued before it returns.
 */
#include "protocol/stream_inside.h"

#define WRITE_BUFS_MAX 16

int stream_out_put(void *arg, const uint8_t *data, size_t len)
{
    struct stream_loop *loop = arg;

    while (len > 0) {
        struct stream_chunk *tail = loop->out_tail;
        size_t n;

        if (tail == NULL || tail->end == sizeof(tail->data)) {
            tail = stream_chunk_new(loop);
            if (tail == NULL) {
                return UV_ENOMEM;
            }
            if (loop->out == NULL) {
                loop->out = tail;
            } else {
                loop->out_tail->next = tail;
            }
            loop->out_tail = tail;
        }
        n = MIN(len, sizeof(tail->data) - tail->end);
        memcpy(tail->data + tail->end, data, n);
        tail->end += n;
        data += n;
        len -= n;
    }
    return 0;
}

static struct stream_chunk *take(struct stream_loop *loop)
{
    struct stream_chunk *chunk = loop->out;

    loop->out = chunk->next;
    if (chunk->next == NULL) {
        loop->out_tail = NULL;
    }
    return chunk;
}

void stream_out_drop(struct stream_loop *loop)
{
    while (loop->out != NULL) {
        stream_chunk_free(loop, take(loop));
    }
}

int stream_out_try(struct stream *s)
{
    struct stream_loop *loop = s->loop;

    while (loop->out != NULL) {
        uv_buf_t bufs[WRITE_BUFS_MAX];
        unsigned n = 0;
        size_t written;
        int rc;

        for (struct stream_chunk *c = loop->out; c != NULL && n < WRITE_BUFS_MAX; c = c->next) {
            bufs[n++] = uv_buf_init((char *)c->data + c->start, (unsigned)(c->end - c->start));
        }
        rc = uv_try_write(&s->u.uv, bufs, n);
        if (rc < 0) {
            return rc == UV_EAGAIN ? 0 : rc;
        }
        written = (size_t)rc;
        for (unsigned i = 0; i < n && written >= bufs[i].len; i++) {
            written -= bufs[i].len;
            stream_chunk_free(loop, take(loop));
        }
        if (loop->out != NULL && written > 0) {
            loop->out->start += written;
            return 0;
        }
    }
    return 0;
}

int stream_out_send(struct stream *s)
{
    struct stream_loop *loop = s->loop;
    int rc = 0;

    if (loop->out == NULL) {
        return s->queue != NULL ? 1 : 0;
    }
    if (s->queue == NULL) {
        rc = stream_out_try(s);
    }
    if (rc < 0) {
        stream_out_drop(loop);
        return rc;
    }
    while (loop->out != NULL) {
        stream_queue_push(s, take(loop));
    }
    return s->queue != NULL ? 1 : 0;
}
