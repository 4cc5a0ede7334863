/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stream.c - streams over real sockets: order and content, back-pressure, the end.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "tests/unit/stream_ends.h"

#define LARGE ((size_t)4 << 20) /* more than any socket takes at once */

/* Write until some of it is queued. Returns how many bytes that were. */
static size_t fill(struct end *e)
{
    uint8_t *bytes = ends_pattern(LARGE);

    assert_int_equal(ends_write(e, bytes, LARGE), 1);
    assert_false(stream_is_drained(&e->stream));
    free(bytes);
    return LARGE;
}

/* --- writing ---------------------------------------------------------------------------------- */

TEST(stream_small_write_goes_out_at_once)
{
    struct ends_loop f;
    struct end a;
    struct end b;
    char one[] = "one ";
    char two[] = "two";
    uv_buf_t bufs[3] = {uv_buf_init(one, 4), uv_buf_init(NULL, 0), uv_buf_init(two, 3)};

    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    assert_int_equal(stream_write(&a.stream, bufs, 3), 0);
    assert_true(stream_is_drained(&a.stream));
    ends_read_until(&f, &b, 7);
    assert_memory_equal(b.got, "one two", 7);
    assert_int_equal(a.n_drained, 0); /* nothing was queued */
    ends_close(&f, &a);
    ends_close(&f, &b);
    ends_done(&f);
}

TEST(stream_large_write_is_queued_and_drained_once)
{
    uint8_t *bytes = ends_pattern(LARGE);
    uint8_t *copy = malloc(LARGE);
    struct ends_loop f;
    struct end a;
    struct end b;

    assert_non_null(copy);
    memcpy(copy, bytes, LARGE);
    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    assert_int_equal(ends_write(&a, copy, LARGE), 1);
    memset(copy, 0, LARGE); /* what is queued is the stream's own */
    free(copy);
    assert_true(a.stream.queued_bytes > 0 && a.stream.queued_bytes < LARGE);
    assert_int_equal(f.loop.queued_bytes, a.stream.queued_bytes);
    ends_read_until(&f, &b, LARGE);
    while (a.n_drained == 0) {
        (void)uv_run(&f.uv, UV_RUN_ONCE);
    }
    assert_memory_equal(b.got, bytes, LARGE);
    assert_int_equal(a.n_drained, 1);
    assert_int_equal(a.stream.queued_bytes, 0);
    assert_int_equal(ends_write(&a, bytes, 10), 0); /* at once again */
    ends_read_until(&f, &b, LARGE + 10);
    assert_int_equal(a.n_drained, 1);
    free(bytes);
    ends_close(&f, &a);
    ends_close(&f, &b);
    ends_done(&f);
}

TEST(stream_many_writes_keep_their_order)
{
    const size_t total = LARGE;
    uint8_t *bytes = ends_pattern(total);
    struct ends_loop f;
    struct end a;
    struct end b;
    uint64_t random = 9;
    size_t at = 0;

    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    while (at < total) {
        uv_buf_t bufs[4];

        for (unsigned i = 0; i < 4; i++) {
            size_t n = MIN((size_t)(test_random(&random) % 100000), total - at);

            bufs[i] = uv_buf_init((char *)bytes + at, (unsigned)n);
            at += n;
        }
        assert_true(stream_write(&a.stream, bufs, 4) >= 0);
        if (test_random(&random) % 4 == 0) { /* the other end reads now and then */
            assert_int_equal(stream_read_start(&b.stream), 0);
            (void)uv_run(&f.uv, UV_RUN_NOWAIT);
            stream_read_stop(&b.stream);
        }
    }
    ends_read_until(&f, &b, total);
    assert_memory_equal(b.got, bytes, total);
    free(bytes);
    ends_close(&f, &a);
    ends_close(&f, &b);
    ends_done(&f);
}

TEST(stream_write_without_memory_fails)
{
    struct ends_loop f;
    struct end a;
    struct end b;
    uint8_t *bytes = ends_pattern(LARGE);

    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    mem_fail_at(1);
    assert_int_equal(ends_write(&a, bytes, LARGE), UV_ENOMEM);
    mem_fail_at(0);
    free(bytes);
    ends_close(&f, &a);
    ends_close(&f, &b);
    ends_done(&f);
}

/* --- relaying --------------------------------------------------------------------------------- */

/* From a to d by way of b and c, where c is slower: what was read is lent to its queue. */
TEST(stream_relay_with_back_pressure_keeps_all_bytes)
{
    uint8_t *bytes = ends_pattern(LARGE);
    struct ends_loop f;
    struct end a;
    struct end b;
    struct end c;
    struct end d;

    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    ends_open_pair(&f, &c, &d);
    b.sink = &c;
    assert_int_equal(ends_write(&a, bytes, LARGE), 1);
    assert_int_equal(stream_read_start(&b.stream), 0);
    while (stream_is_drained(&c.stream)) { /* until the sink is full */
        (void)uv_run(&f.uv, UV_RUN_ONCE);
    }
    assert_false(b.stream.is_reading);
    assert_int_equal(stream_read_start(&d.stream), 0);
    while (d.n_got < LARGE) {
        (void)uv_run(&f.uv, UV_RUN_ONCE);
        assert_true(c.stream.queued_bytes <= STREAM_CHUNK_BYTES);
        if (stream_is_drained(&c.stream)) {
            assert_int_equal(stream_read_start(&b.stream), 0);
        }
    }
    assert_memory_equal(d.got, bytes, LARGE);
    assert_true(c.n_drained > 0);
    free(bytes);
    ends_close(&f, &a);
    ends_close(&f, &b);
    ends_close(&f, &c);
    ends_close(&f, &d);
    ends_done(&f);
}

TEST(stream_same_bytes_to_two_slow_streams)
{
    uint8_t *bytes = ends_pattern(50000);
    struct ends_loop f;
    struct end a;
    struct end b;
    struct end c[2];
    struct end d[2];
    size_t filled[2];

    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    for (unsigned i = 0; i < 2; i++) {
        ends_open_pair(&f, &c[i], &d[i]);
        filled[i] = fill(&c[i]);
    }
    b.sink = &c[0];
    b.second = &c[1];
    assert_int_equal(ends_write(&a, bytes, 50000), 0);
    assert_int_equal(stream_read_start(&b.stream), 0);
    while (b.n_bytes == 0) {
        (void)uv_run(&f.uv, UV_RUN_ONCE);
    }
    assert_int_equal(ends_write(&a, bytes, 50000), 0); /* read into the same place as before? */
    while (b.n_bytes == 1) {
        assert_int_equal(stream_read_start(&b.stream), 0);
        (void)uv_run(&f.uv, UV_RUN_ONCE);
    }
    for (unsigned i = 0; i < 2; i++) {
        ends_read_until(&f, &d[i], filled[i] + 100000);
        assert_memory_equal(d[i].got + filled[i], bytes, 50000);
        assert_memory_equal(d[i].got + filled[i] + 50000, bytes, 50000);
        ends_close(&f, &c[i]);
        ends_close(&f, &d[i]);
    }
    free(bytes);
    ends_close(&f, &a);
    ends_close(&f, &b);
    ends_done(&f);
}

TEST(stream_sink_closed_while_it_has_the_bytes_that_were_read)
{
    uint8_t *bytes = ends_pattern(50000);
    struct ends_loop f;
    struct end a;
    struct end b;
    struct end c;
    struct end d;

    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    ends_open_pair(&f, &c, &d);
    (void)fill(&c);
    b.sink = &c;
    b.close_after_sink = true;
    assert_int_equal(ends_write(&a, bytes, 50000), 0);
    assert_int_equal(stream_read_start(&b.stream), 0);
    ends_run_until_closed(&f, &c);
    assert_int_equal(c.n_drained, 0);
    assert_int_equal(f.loop.queued_bytes, 0);
    b.sink = NULL; /* the loop reads on */
    assert_int_equal(ends_write(&a, bytes, 1000), 0);
    ends_read_until(&f, &b, 1000);
    assert_memory_equal(b.got, bytes, 1000);
    free(bytes);
    ends_close(&f, &a);
    ends_close(&f, &b);
    ends_close(&f, &c);
    ends_close(&f, &d);
    ends_done(&f);
}

/* --- reading ---------------------------------------------------------------------------------- */

TEST(stream_paused_gets_nothing_until_it_is_started)
{
    struct ends_loop f;
    struct end a;
    struct end b;

    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    assert_int_equal(stream_read_start(&b.stream), 0);
    assert_int_equal(stream_read_start(&b.stream), 0);
    stream_read_stop(&b.stream);
    stream_read_stop(&b.stream);
    assert_int_equal(ends_write(&a, (const uint8_t *)"abc", 3), 0);
    (void)uv_run(&f.uv, UV_RUN_NOWAIT);
    assert_int_equal(b.n_bytes, 0);
    ends_read_until(&f, &b, 3);
    ends_close(&f, &a);
    ends_close(&f, &b);
    ends_done(&f);
}

TEST(stream_end_is_told_once)
{
    struct ends_loop f;
    struct end a;
    struct end b;

    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    assert_int_equal(ends_write(&a, (const uint8_t *)"bye", 3), 0);
    ends_close(&f, &a);
    assert_int_equal(stream_read_start(&b.stream), 0);
    while (b.n_end == 0) {
        (void)uv_run(&f.uv, UV_RUN_ONCE);
    }
    assert_int_equal(b.end_rc, UV_EOF);
    assert_int_equal(b.n_got, 3);
    assert_int_equal(stream_read_start(&b.stream), 0); /* nothing more comes */
    (void)uv_run(&f.uv, UV_RUN_NOWAIT);
    assert_int_equal(b.n_end, 1);
    assert_int_equal(ends_write(&b, (const uint8_t *)"x", 1), UV_EPIPE);
    ends_close(&f, &b);
    ends_done(&f);
}

TEST(stream_read_without_memory_ends_it)
{
    struct ends_loop f;
    struct end a;
    struct end b;

    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    assert_int_equal(ends_write(&a, (const uint8_t *)"abc", 3), 0);
    assert_int_equal(stream_read_start(&b.stream), 0);
    mem_fail_at(1);
    while (b.n_end == 0) {
        (void)uv_run(&f.uv, UV_RUN_ONCE);
    }
    mem_fail_at(0);
    assert_true(b.end_rc < 0);
    assert_int_equal(b.n_bytes, 0);
    ends_close(&f, &a);
    ends_close(&f, &b);
    ends_done(&f);
}

/* --- closing ---------------------------------------------------------------------------------- */

TEST(stream_close_drops_what_is_queued)
{
    struct ends_loop f;
    struct end a;
    struct end b;

    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    (void)fill(&a);
    stream_close(&a.stream);
    stream_close(&a.stream);
    assert_int_equal(a.n_closed, 0); /* later, from the loop */
    assert_int_equal(ends_write(&a, (const uint8_t *)"x", 1), UV_EPIPE);
    assert_int_equal(stream_read_start(&a.stream), 0);
    ends_run_until_closed(&f, &a);
    assert_int_equal(a.n_drained, 0);
    assert_int_equal(a.n_end, 0);
    assert_int_equal(f.loop.queued_bytes, 0);
    ends_close(&f, &a);
    ends_close(&f, &b);
    ends_done(&f);
}

TEST(stream_peer_that_leaves_while_bytes_are_queued_is_told_once)
{
    struct ends_loop f;
    struct end a;
    struct end b;

    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    assert_int_equal(stream_read_start(&a.stream), 0);
    (void)fill(&a);
    ends_close(&f, &b);
    while (a.n_end == 0) {
        (void)uv_run(&f.uv, UV_RUN_ONCE);
    }
    for (unsigned i = 0; i < 3; i++) {
        (void)uv_run(&f.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(a.n_end, 1);
    assert_int_equal(a.n_drained, 0);
    ends_close(&f, &a);
    ends_done(&f);
}

static void close_what_was_never_open(void *arg)
{
    stream_close(arg);
}

TEST(stream_close_of_none_aborts)
{
    struct stream s = {.is_open = false};

    (void)test_abort_text(close_what_was_never_open, &s);
}

TEST(stream_detached_descriptor_lives_on)
{
    struct ends_loop f;
    struct end a;
    struct end b;
    struct end c = {.n_got = 0};
    int fd;

    ends_make(&f);
    ends_open_pair(&f, &a, &b);
    fd = stream_detach_fd(&b.stream);
    assert_true(fd >= 0);
    ends_close(&f, &b);
    assert_int_equal(ends_write(&a, (const uint8_t *)"after", 5), 0);
    assert_int_equal(stream_open(&c.stream, &f.loop, &ends_events, fd), 0);
    ends_read_until(&f, &c, 5);
    assert_memory_equal(c.got, "after", 5);
    assert_int_equal(a.n_end, 0);
    ends_close(&f, &c);
    assert_int_equal(stream_read_start(&a.stream), 0);
    while (a.n_end == 0) { /* no copy of it is left open */
        (void)uv_run(&f.uv, UV_RUN_ONCE);
    }
    assert_int_equal(a.end_rc, UV_EOF);
    ends_close(&f, &a);
    ends_done(&f);
}
