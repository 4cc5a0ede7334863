/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_ends.c - see stream_ends.h.
 */
#include "tests/unit/stream_ends.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/mem.h"

static void on_bytes(struct stream *s, uint8_t *data, size_t len)
{
    struct end *e = CONTAINER_OF(s, struct end, stream);
    uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);

    e->n_bytes++;
    if (e->sink == NULL) {
        e->got = realloc(e->got, e->n_got + len);
        assert_non_null(e->got);
        memcpy(e->got + e->n_got, data, len);
        e->n_got += len;
        return;
    }
    if (stream_write(&e->sink->stream, &buf, 1) == 1) {
        stream_read_stop(s);
    }
    if (e->second != NULL) {
        assert_true(stream_write(&e->second->stream, &buf, 1) >= 0);
    }
    if (e->close_after_sink) {
        stream_close(&e->sink->stream);
    }
}

static void on_end(struct stream *s, int rc)
{
    struct end *e = CONTAINER_OF(s, struct end, stream);

    e->n_end++;
    e->end_rc = rc;
}

static void on_drained(struct stream *s)
{
    CONTAINER_OF(s, struct end, stream)->n_drained++;
    assert_true(stream_is_drained(s));
}

static void on_connected(struct stream *s, int rc)
{
    struct end *e = CONTAINER_OF(s, struct end, stream);

    e->n_connected++;
    e->connected_rc = rc;
}

static void on_secured(struct stream *s, int rc)
{
    struct end *e = CONTAINER_OF(s, struct end, stream);

    e->n_secured++;
    e->secured_rc = rc;
}

static void on_closed(struct stream *s)
{
    CONTAINER_OF(s, struct end, stream)->n_closed++;
}

const struct stream_events ends_events = {.on_bytes = on_bytes,
                                          .on_end = on_end,
                                          .on_drained = on_drained,
                                          .on_connected = on_connected,
                                          .on_secured = on_secured,
                                          .on_closed = on_closed};

void ends_make(struct ends_loop *f)
{
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&f->uv), 0);
    stream_loop_init(&f->loop, &f->uv);
}

void ends_run_until_closed(struct ends_loop *f, struct end *e)
{
    while (e->n_closed == 0) {
        (void)uv_run(&f->uv, UV_RUN_ONCE);
    }
}

void ends_close(struct ends_loop *f, struct end *e)
{
    if (e->n_closed == 0) {
        stream_close(&e->stream);
        ends_run_until_closed(f, e);
    }
    assert_int_equal(e->n_closed, 1);
    assert_false(e->stream.is_open);
    free(e->got);
}

void ends_done(struct ends_loop *f)
{
    assert_int_equal(f->loop.queued_bytes, 0);
    stream_loop_fini(&f->loop);
    assert_int_equal(uv_loop_close(&f->uv), 0);
    assert_int_equal(mem_blocks(MEM_BUFFER), 0);
}

void ends_open_pair(struct ends_loop *f, struct end *a, struct end *b)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    *a = *b = (struct end){.n_got = 0};
    assert_int_equal(stream_open(&a->stream, &f->loop, &ends_events, fds[0]), 0);
    assert_int_equal(stream_open(&b->stream, &f->loop, &ends_events, fds[1]), 0);
}

/* Bytes that tell their place. */
uint8_t *ends_pattern(size_t len)
{
    uint8_t *bytes = malloc(len);

    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
    }
    return bytes;
}

void ends_read_until(struct ends_loop *f, struct end *e, size_t n)
{
    assert_int_equal(stream_read_start(&e->stream), 0);
    while (e->n_got < n) {
        (void)uv_run(&f->uv, UV_RUN_ONCE);
    }
    assert_int_equal(e->n_got, n);
}

int ends_write(struct end *e, const uint8_t *bytes, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)len);

    return stream_write(&e->stream, &buf, 1);
}
