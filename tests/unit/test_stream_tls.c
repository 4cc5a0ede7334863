/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stream_tls.c - streams with TLS: the same promises as without.
 */
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "tests/unit/stream_ends.h"
#include "tests/unit/tls_scene.h"

#define LARGE (3 * 1024 * 1024 + 17)

struct secured {
    struct ends_loop f;
    struct tls_files files;
    struct tls_context *server, *client;
    struct end a; /* the client's end */
    struct end b; /* the server's */
};

static void begin(struct secured *s)
{
    struct tls_settings server, client;

    tls_files_make(&s->files);
    server = tls_server_settings(&s->files);
    client = tls_client_settings(&s->files);
    s->server = tls_must(&server);
    s->client = tls_must(&client);
    ends_make(&s->f);
    ends_open_pair(&s->f, &s->a, &s->b);
}

static void end_all(struct secured *s)
{
    ends_close(&s->f, &s->a);
    ends_close(&s->f, &s->b);
    ends_done(&s->f);
    tls_context_unref(s->server);
    tls_context_unref(s->client);
    tls_files_remove(&s->files);
    assert_int_equal(mem_blocks(MEM_TLS), 0);
}

static void secure_both(struct secured *s)
{
    stream_secure(&s->b.stream, tls_new(s->server, ""), NULL, 0);
    stream_secure(&s->a.stream, tls_new(s->client, ""), NULL, 0);
    while (s->a.n_secured == 0 || s->b.n_secured == 0) {
        (void)uv_run(&s->f.uv, UV_RUN_ONCE);
    }
    assert_int_equal(s->a.secured_rc, 0);
    assert_int_equal(s->b.secured_rc, 0);
    assert_true(s->a.stream.is_secured && s->b.stream.is_secured);
}

TEST(stream_tls_carries_bytes_both_ways)
{
    struct secured s;
    uint8_t *bytes = ends_pattern(LARGE);

    begin(&s);
    secure_both(&s);
    assert_int_equal(ends_write(&s.a, bytes, LARGE), 1);
    ends_read_until(&s.f, &s.b, LARGE);
    assert_memory_equal(s.b.got, bytes, LARGE);
    while (s.a.n_drained == 0) {
        (void)uv_run(&s.f.uv, UV_RUN_ONCE);
    }
    assert_int_equal(ends_write(&s.b, bytes, 1000), 0);
    ends_read_until(&s.f, &s.a, 1000);
    assert_memory_equal(s.a.got, bytes, 1000);
    free(bytes);
    end_all(&s);
}

TEST(stream_tls_pieces_of_all_sizes_keep_their_order)
{
    static const size_t sizes[] = {1, 5, 16383, 16384, 16385, 40000, 0, 3, 70000, 16000};
    struct secured s;
    uint8_t *bytes = ends_pattern(LARGE);
    uv_buf_t bufs[ARRAY_SIZE(sizes)];
    size_t at = 0;

    begin(&s);
    secure_both(&s);
    for (unsigned round = 0; round < 5; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            bufs[i] = uv_buf_init((char *)bytes + at, (unsigned)sizes[i]);
            at += sizes[i];
        }
        assert_true(stream_write(&s.a.stream, bufs, ARRAY_SIZE(sizes)) >= 0);
        ends_read_until(&s.f, &s.b, at);
    }
    assert_memory_equal(s.b.got, bytes, at);
    free(bytes);
    end_all(&s);
}

/* From a to d by way of b and c, with TLS on both connections; c's peer is slow. */
TEST(stream_tls_relay_with_back_pressure_keeps_all_bytes)
{
    struct secured s;
    struct end c;
    struct end d;
    uint8_t *bytes = ends_pattern(LARGE);

    begin(&s);
    secure_both(&s);
    ends_open_pair(&s.f, &c, &d);
    stream_secure(&c.stream, tls_new(s.server, ""), NULL, 0);
    stream_secure(&d.stream, tls_new(s.client, ""), NULL, 0);
    while (c.n_secured == 0 || d.n_secured == 0) {
        (void)uv_run(&s.f.uv, UV_RUN_ONCE);
    }
    stream_read_stop(&d.stream);
    s.b.sink = &c;
    assert_int_equal(ends_write(&s.a, bytes, LARGE), 1);
    while (stream_is_drained(&c.stream)) {
        (void)uv_run(&s.f.uv, UV_RUN_ONCE);
    }
    assert_false(s.b.stream.is_reading);
    assert_int_equal(stream_read_start(&d.stream), 0);
    while (d.n_got < LARGE) {
        (void)uv_run(&s.f.uv, UV_RUN_ONCE);
        assert_true(c.stream.queued_bytes <= 2 * STREAM_CHUNK_BYTES);
        if (stream_is_drained(&c.stream)) {
            assert_int_equal(stream_read_start(&s.b.stream), 0);
        }
    }
    assert_memory_equal(d.got, bytes, LARGE);
    free(bytes);
    ends_close(&s.f, &c);
    ends_close(&s.f, &d);
    end_all(&s);
}

/* What was encrypted must come in one piece or in many: a plain relay cuts it as it likes. */
TEST(stream_tls_handshake_and_bytes_one_at_a_time)
{
    struct secured s;
    struct end c; /* a <-> b is cut: a writes to b (plain relay), c is what the server has */
    struct end d;
    const uint8_t text[] = "SELECT 1";

    begin(&s);
    ends_open_pair(&s.f, &c, &d);
    stream_secure(&d.stream, tls_new(s.server, ""), NULL, 0);
    stream_secure(&s.a.stream, tls_new(s.client, ""), NULL, 0);
    assert_int_equal(stream_read_start(&s.b.stream), 0);
    assert_int_equal(stream_read_start(&c.stream), 0);
    for (size_t b_at = 0, c_at = 0; d.n_got < sizeof(text);) {
        (void)uv_run(&s.f.uv, UV_RUN_NOWAIT);
        if (b_at < s.b.n_got) {
            assert_int_equal(ends_write(&c, s.b.got + b_at++, 1), 0);
        }
        if (c_at < c.n_got) {
            assert_int_equal(ends_write(&s.b, c.got + c_at++, 1), 0);
        }
        if (s.a.n_secured == 1 && d.n_secured == 1) {
            assert_int_equal(ends_write(&s.a, text, sizeof(text)), 0);
            s.a.n_secured++; /* once */
        }
    }
    assert_memory_equal(d.got, text, sizeof(text));
    ends_close(&s.f, &c);
    ends_close(&s.f, &d);
    end_all(&s);
}

TEST(stream_tls_first_bytes_may_have_been_read_before)
{
    struct secured s;

    begin(&s);
    stream_secure(&s.a.stream, tls_new(s.client, ""), NULL, 0);
    assert_int_equal(stream_read_start(&s.b.stream), 0);
    while (s.b.n_got == 0) {
        (void)uv_run(&s.f.uv, UV_RUN_ONCE);
    }
    stream_secure(&s.b.stream, tls_new(s.server, ""), s.b.got, s.b.n_got);
    while (s.a.n_secured == 0 || s.b.n_secured == 0) {
        (void)uv_run(&s.f.uv, UV_RUN_ONCE);
    }
    assert_int_equal(s.a.secured_rc, 0);
    assert_int_equal(s.b.secured_rc, 0);
    end_all(&s);
}

TEST(stream_tls_garbage_ends_the_handshake_once)
{
    struct secured s;
    uint8_t *bytes = ends_pattern(5000);

    begin(&s);
    stream_secure(&s.b.stream, tls_new(s.server, ""), NULL, 0);
    assert_int_equal(ends_write(&s.a, bytes, 5000), 0);
    while (s.b.n_secured == 0) {
        (void)uv_run(&s.f.uv, UV_RUN_ONCE);
    }
    assert_int_equal(s.b.secured_rc, ERR_TLS);
    assert_int_equal(ends_write(&s.b, bytes, 1), UV_EPIPE);
    assert_int_equal(s.b.n_secured, 1);
    assert_int_equal(s.b.n_end, 0);
    assert_int_equal(s.b.n_got, 0);
    free(bytes);
    end_all(&s);
}

TEST(stream_tls_peer_that_leaves_in_the_handshake_is_told)
{
    struct secured s;

    begin(&s);
    stream_secure(&s.b.stream, tls_new(s.server, ""), NULL, 0);
    assert_int_equal(ends_write(&s.b, (const uint8_t *)"x", 1), UV_ENOTCONN);
    assert_int_equal(ends_write(&s.a, (const uint8_t *)"\x16\x03\x01", 3), 0);
    ends_close(&s.f, &s.a);
    s.a.got = NULL;
    while (s.b.n_secured == 0) {
        (void)uv_run(&s.f.uv, UV_RUN_ONCE);
    }
    assert_int_equal(s.b.secured_rc, UV_EOF);
    ends_close(&s.f, &s.b);
    ends_done(&s.f);
    tls_context_unref(s.server);
    tls_context_unref(s.client);
    tls_files_remove(&s.files);
}

TEST(stream_tls_close_says_goodbye_behind_the_last_bytes)
{
    struct secured s;

    begin(&s);
    secure_both(&s);
    assert_int_equal(ends_write(&s.a, (const uint8_t *)"bye", 3), 0);
    stream_close(&s.a.stream);
    while (s.b.n_end == 0) {
        (void)uv_run(&s.f.uv, UV_RUN_ONCE);
    }
    assert_int_equal(s.b.end_rc, UV_EOF);
    assert_int_equal(s.b.n_got, 3);
    end_all(&s);
}

TEST(stream_tls_without_memory_fails)
{
    struct secured s;
    uint8_t *bytes = ends_pattern(LARGE);

    begin(&s);
    secure_both(&s);
    mem_fail_at(1);
    for (unsigned i = 0; i < 20; i++) { /* until the chunks that were kept are used up */
        int rc = ends_write(&s.a, bytes, LARGE);

        if (rc < 0) {
            assert_int_equal(rc, UV_ENOMEM);
            break;
        }
        assert_true(i < 19);
    }
    mem_fail_at(0);
    assert_null(s.f.loop.out);
    free(bytes);
    end_all(&s);
}

TEST(stream_tls_moves_with_the_descriptor)
{
    struct secured s;
    struct end c = {.n_got = 0};
    struct tls *tls;
    int fd;

    begin(&s);
    secure_both(&s);
    assert_int_equal(ends_write(&s.a, (const uint8_t *)"one", 3), 0);
    ends_read_until(&s.f, &s.b, 3);
    fd = stream_detach_fd(&s.b.stream);
    assert_true(fd >= 0);
    tls = stream_release_tls(&s.b.stream);
    assert_non_null(tls);
    stream_close(&s.b.stream);
    ends_run_until_closed(&s.f, &s.b);
    assert_int_equal(s.a.n_end, 0); /* no goodbye */
    assert_int_equal(stream_open(&c.stream, &s.f.loop, &ends_events, fd), 0);
    stream_adopt_tls(&c.stream, tls);
    assert_int_equal(ends_write(&s.a, (const uint8_t *)"two", 3), 0);
    ends_read_until(&s.f, &c, 3);
    assert_memory_equal(c.got, "two", 3);
    assert_int_equal(ends_write(&c, (const uint8_t *)"three", 5), 0);
    ends_read_until(&s.f, &s.a, 5);
    ends_close(&s.f, &c);
    end_all(&s);
}

/*
 * --- a peer that only asks ---------------------------------------------------------------------
 */

/* A client of OpenSSL's own on the other end of a socket, which the caller closes. */
static SSL *ask_for_tls(struct secured *s, SSL_CTX *context, int fds[2])
{
    SSL *ssl = SSL_new(context);

    assert_non_null(ssl);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    ends_close(&s->f, &s->b);
    s->b = (struct end){.n_got = 0};
    assert_int_equal(stream_open(&s->b.stream, &s->f.loop, &ends_events, fds[0]), 0);
    stream_secure(&s->b.stream, tls_new(s->server, ""), NULL, 0);
    assert_int_equal(SSL_set_fd(ssl, fds[1]), 1);
    SSL_set_connect_state(ssl);
    while (SSL_do_handshake(ssl) != 1 || s->b.n_secured == 0) {
        (void)uv_run(&s->f.uv, UV_RUN_NOWAIT);
    }
    assert_string_equal(SSL_get_version(ssl), "TLSv1.3");
    return ssl;
}

TEST(stream_tls_peer_that_asks_for_keys_and_does_not_read)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    struct secured s;
    int fds[2];
    SSL *ssl;

    assert_non_null(context);
    begin(&s);
    ssl = ask_for_tls(&s, context, fds);
    for (unsigned i = 0; i < 20000 && s.b.n_end == 0; i++) {
        assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        (void)SSL_do_handshake(ssl);
        (void)uv_run(&s.f.uv, UV_RUN_NOWAIT);
        assert_true(mem_bytes(MEM_BUFFER) < (2u << 20));
    }
    assert_int_equal(s.b.n_end, 1);
    assert_int_equal(s.b.end_rc, ERR_LIMIT);
    SSL_free(ssl);
    SSL_CTX_free(context);
    (void)close(fds[1]);
    end_all(&s);
}

TEST(stream_tls_peer_that_asks_for_keys_and_reads_goes_on)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    struct secured s;
    char byte[1];
    int fds[2];
    SSL *ssl;

    assert_non_null(context);
    begin(&s);
    ssl = ask_for_tls(&s, context, fds);
    for (unsigned i = 0; i < 2000; i++) {
        assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_write(ssl, "x", 1), 1);
        ends_read_until(&s.f, &s.b, i + 1);
        assert_int_equal(SSL_read(ssl, byte, 1), -1);
    }
    assert_int_equal(ends_write(&s.b, (const uint8_t *)"y", 1), 0);
    assert_int_equal(SSL_read(ssl, byte, 1), 1);
    assert_int_equal(s.b.n_end, 0);
    SSL_free(ssl);
    SSL_CTX_free(context);
    (void)close(fds[1]);
    end_all(&s);
}
