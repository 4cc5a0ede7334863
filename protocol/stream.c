/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - see stream.h; what TLS adds is in stream_tls.c, what compression adds in
 * stream_compress.c. Only these, the listener and the worker's loop touch libuv handles.
 */
#include "protocol/stream.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "protocol/stream_inside.h"
#include "protocol/tls.h"

struct stream_chunk *stream_chunk_new(struct stream_loop *loop)
{
    struct stream_chunk *chunk = loop->free_chunks;

    if (chunk != NULL) {
        loop->free_chunks = chunk->next;
        loop->n_free--;
    } else {
        chunk = mem_try(MEM_BUFFER, sizeof(*chunk));
    }
    if (chunk != NULL) {
        chunk->next = NULL;
        chunk->stream = NULL;
        chunk->start = chunk->end = 0;
        chunk->is_lent = false;
    }
    return chunk;
}

void stream_chunk_free(struct stream_loop *loop, struct stream_chunk *chunk)
{
    if (loop->n_free < STREAM_FREE_CHUNKS) {
        chunk->next = loop->free_chunks;
        loop->free_chunks = chunk;
        loop->n_free++;
    } else {
        mem_free(MEM_BUFFER, chunk);
    }
}

void stream_loop_init(struct stream_loop *loop, uv_loop_t *uv)
{
    *loop = (struct stream_loop){.uv = uv};
}

void stream_loop_fini(struct stream_loop *loop)
{
    mem_free(MEM_BUFFER, loop->reading);
    mem_free(MEM_BUFFER, loop->sealed_in);
    stream_pack_loop_fini(loop);
    while (loop->free_chunks != NULL) {
        struct stream_chunk *chunk = loop->free_chunks;

        loop->free_chunks = chunk->next;
        mem_free(MEM_BUFFER, chunk);
    }
    *loop = (struct stream_loop){0};
}

static void stream_init(struct stream *s, struct stream_loop *loop,
                        const struct stream_events *events)
{
    *s = (struct stream){.events = events, .loop = loop};
}

/* A descriptor of either family behind one handle type: libuv's pipes serve unix sockets. */
static int init_handle(struct stream *s, bool is_unix)
{
    int rc =
        is_unix ? uv_pipe_init(s->loop->uv, &s->u.pipe, 0) : uv_tcp_init(s->loop->uv, &s->u.tcp);

    s->is_open = rc == 0;
    return rc;
}

int stream_accept(struct stream *s, struct stream_loop *loop, const struct stream_events *events,
                  uv_stream_t *listener)
{
    int rc;

    stream_init(s, loop, events);
    rc = init_handle(s, listener->type == UV_NAMED_PIPE);
    if (rc == 0) {
        rc = uv_accept(listener, &s->u.uv);
    }
    return rc; /* options such as TCP_NODELAY are the listener's, inherited */
}

int stream_open(struct stream *s, struct stream_loop *loop, const struct stream_events *events,
                int fd)
{
    bool is_unix = uv_guess_handle(fd) == UV_NAMED_PIPE;
    int rc;

    stream_init(s, loop, events);
    rc = init_handle(s, is_unix);
    if (rc != 0) {
        return rc;
    }
    return is_unix ? uv_pipe_open(&s->u.pipe, fd) : uv_tcp_open(&s->u.tcp, fd);
}

static void connected_cb(uv_connect_t *request, int status)
{
    struct stream *s = CONTAINER_OF(request->handle, struct stream, u.uv);

    if (status != UV_ECANCELED && !s->is_closing) {
        s->events->on_connected(s, status);
    }
}

int stream_connect(struct stream *s, struct stream_loop *loop, const struct stream_events *events,
                   const struct sockaddr *address, uv_connect_t *request)
{
    bool is_unix = address->sa_family == AF_UNIX;
    int rc;

    stream_init(s, loop, events);
    rc = init_handle(s, is_unix);
    if (rc != 0) {
        return rc;
    }
    if (is_unix) {
        uv_pipe_connect(request, &s->u.pipe,
                        ((const struct sockaddr_un *)(const void *)address)->sun_path,
                        connected_cb);
        return 0;
    }
    rc = uv_tcp_nodelay(&s->u.tcp, 1);
    return rc != 0 ? rc : uv_tcp_connect(request, &s->u.tcp, address, connected_cb);
}

struct stream_chunk *stream_chunk_read(struct stream *s)
{
    struct stream_chunk **chunk = s->pack == NULL ? &s->loop->reading : &s->loop->packed_in;

    if (*chunk == NULL) {
        *chunk = stream_chunk_new(s->loop);
    }
    return *chunk;
}

static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct stream *s = CONTAINER_OF(handle, struct stream, u.handle);
    struct stream_chunk *chunk;

    (void)suggested;
    if (s->tls != NULL) {
        stream_tls_alloc(s, buf);
        return;
    }
    chunk = stream_chunk_read(s);
    if (chunk == NULL) {
        *buf = uv_buf_init(NULL, 0); /* libuv reports UV_ENOBUFS to read_cb: the connection ends */
        return;
    }
    *buf = uv_buf_init((char *)chunk->data + STREAM_CHUNK_HEADROOM, STREAM_CHUNK_BYTES);
}

static void end(struct stream *s, int rc)
{
    if (s->tls != NULL) {
        stream_tls_end(s, rc);
    } else if (!s->is_ended && !s->is_closing) {
        s->is_ended = true;
        stream_read_stop(s);
        s->events->on_end(s, rc);
    }
}

void stream_give_bytes(struct stream *s, uint8_t *data, size_t n)
{
    struct stream_loop *loop = s->loop;

    s->events->on_bytes(s, data, n);
    if (loop->reading != NULL && loop->reading->is_lent) {
        loop->reading = NULL; /* a stream's queue owns it now */
    }
}

void stream_read_bytes(struct stream *s, uint8_t *data, size_t n)
{
    if (UNLIKELY(s->pack != NULL)) {
        stream_pack_read(s, data, n);
    } else {
        stream_give_bytes(s, data, n);
    }
}

static void read_cb(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = CONTAINER_OF(handle, struct stream, u.uv);

    if (n > 0) {
        s->loop->n_reads++;
        if (s->tls == NULL) {
            stream_read_bytes(s, (uint8_t *)buf->base, (size_t)n);
        } else {
            stream_tls_read(s, (uint8_t *)buf->base, (size_t)n);
        }
    } else if (n < 0) {
        (void)uv_read_stop(handle);
        s->is_reading = false;
        end(s, (int)n);
    }
}

int stream_read_on(struct stream *s)
{
    return uv_read_start(&s->u.uv, alloc_cb, read_cb);
}

int stream_read_start(struct stream *s)
{
    int rc;

    if (s->is_reading || s->is_closing || s->is_ended) {
        return 0;
    }
    if (UNLIKELY(s->pack != NULL) && stream_pack_resume(s)) {
        s->is_reading = true;
        return 0;
    }
    rc = stream_read_on(s);
    s->is_reading = rc == 0;
    return rc;
}

void stream_read_stop(struct stream *s)
{
    if (s->is_reading) {
        (void)uv_read_stop(&s->u.uv); /* documented to return 0 always */
        s->is_reading = false;
        if (UNLIKELY(s->pack != NULL)) {
            stream_pack_pause(s);
        }
    }
}

static void write_next(struct stream *s);

static void written_cb(uv_write_t *request, int status)
{
    struct stream_chunk *chunk = CONTAINER_OF(request, struct stream_chunk, request);
    struct stream *s = chunk->stream;
    size_t n = chunk->end - chunk->start;

    CHECK(s->queue == chunk);
    s->queue = chunk->next;
    if (s->queue == NULL) {
        s->queue_tail = NULL;
    }
    s->queued_bytes -= n;
    s->loop->queued_bytes -= n;
    stream_chunk_free(s->loop, chunk);
    if (s->is_closing) {
        return;
    }
    if (status != 0) {
        end(s, status);
    } else if (s->queue != NULL) {
        write_next(s);
    } else {
        s->events->on_drained(s);
    }
}

static void write_next(struct stream *s)
{
    struct stream_chunk *chunk = s->queue;
    uv_buf_t buf =
        uv_buf_init((char *)chunk->data + chunk->start, (unsigned)(chunk->end - chunk->start));
    int rc = uv_write(&chunk->request, &s->u.uv, &buf, 1, written_cb);

    CHECK(rc == 0); /* fails only for handles that are not open or for descriptors sent along */
}

void stream_queue_push(struct stream *s, struct stream_chunk *chunk)
{
    size_t n = chunk->end - chunk->start;

    chunk->stream = s;
    chunk->next = NULL;
    s->queued_bytes += n;
    s->loop->queued_bytes += n;
    if (s->queue_tail != NULL) {
        s->queue_tail->next = chunk;
        s->queue_tail = chunk;
    } else {
        s->queue = s->queue_tail = chunk;
        write_next(s);
    }
}

static bool lies_in(const struct stream_chunk *chunk, const uint8_t *data)
{
    return chunk != NULL && data >= chunk->data && data < chunk->data + sizeof(chunk->data);
}

/* Own data that could not be written: take the chunk it was read into, or copy it. */
static int enqueue(struct stream *s, const uint8_t *data, size_t len)
{
    struct stream_loop *loop = s->loop;

    if (lies_in(loop->reading, data) && !loop->reading->is_lent && len > 4096) {
        struct stream_chunk *chunk = loop->reading;

        chunk->is_lent = true;
        chunk->start = (size_t)(data - chunk->data);
        chunk->end = chunk->start + len;
        stream_queue_push(s, chunk);
        return 0;
    }
    while (len > 0) {
        struct stream_chunk *chunk = stream_chunk_new(loop);
        size_t n = MIN(len, (size_t)STREAM_CHUNK_BYTES);

        if (chunk == NULL) {
            return UV_ENOMEM;
        }
        memcpy(chunk->data, data, n);
        chunk->end = n;
        stream_queue_push(s, chunk);
        data += n;
        len -= n;
    }
    return 0;
}

int stream_write(struct stream *s, const uv_buf_t *bufs, unsigned n)
{
    size_t written = 0;
    int rc = 0;

    if (s->is_closing || s->is_ended) {
        return UV_EPIPE;
    }
    if (UNLIKELY(s->pack != NULL)) {
        return stream_pack_write(s, bufs, n);
    }
    if (s->tls != NULL) {
        return stream_tls_write(s, bufs, n);
    }
    if (s->queue == NULL) {
        rc = uv_try_write(&s->u.uv, bufs, n);
        if (rc < 0 && rc != UV_EAGAIN) {
            return rc;
        }
        written = rc < 0 ? 0 : (size_t)rc;
    }
    for (unsigned i = 0; i < n; i++) {
        if (written >= bufs[i].len) {
            written -= bufs[i].len;
            continue;
        }
        rc = enqueue(s, (const uint8_t *)bufs[i].base + written, bufs[i].len - written);
        if (rc != 0) {
            return rc;
        }
        written = 0;
    }
    return s->queue != NULL ? 1 : 0;
}

int stream_detach_fd(struct stream *s)
{
    uv_os_fd_t fd;
    int rc = uv_fileno(&s->u.handle, &fd);

    if (rc != 0) {
        return rc;
    }
    rc = dup(fd);
    return rc < 0 ? -errno : rc;
}

bool stream_has_unread(const struct stream *s)
{
    uv_os_fd_t fd;
    int n = 0;

    return uv_fileno(&s->u.handle, &fd) == 0 && ioctl(fd, FIONREAD, &n) == 0 && n > 0;
}

static void closed_cb(uv_handle_t *handle)
{
    struct stream *s = CONTAINER_OF(handle, struct stream, u.handle);

    /* The chunk in flight was given back by written_cb (UV_ECANCELED), which libuv runs before. */
    while (s->queue != NULL) {
        struct stream_chunk *chunk = s->queue;

        s->queue = chunk->next;
        s->loop->queued_bytes -= chunk->end - chunk->start;
        stream_chunk_free(s->loop, chunk);
    }
    s->queue_tail = NULL;
    s->queued_bytes = 0;
    s->is_open = false;
    tls_free(s->tls);
    s->tls = NULL;
    s->events->on_closed(s);
}

void stream_abandon(struct stream *s)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    uv_os_fd_t fd;

    if (s->is_open && !s->is_closing && uv_fileno(&s->u.handle, &fd) == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    }
}

void stream_close(struct stream *s)
{
    CHECK(s->is_open);
    if (!s->is_closing) {
        if (s->tls != NULL) {
            stream_tls_close(s);
        }
        if (s->pack != NULL) {
            stream_pack_close(s);
        }
        s->is_closing = true;
        s->is_reading = false;
        uv_close(&s->u.handle, closed_cb);
    }
}
