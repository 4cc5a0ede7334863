/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stream_connect.c - streams that connect and are accepted.
 */
#include "tests/unit/stream_ends.h"

struct listener {
    uv_tcp_t tcp;
    struct ends_loop *f;
    struct end accepted;
    bool is_accepted;
    struct sockaddr_storage address;
};

static void on_connection(uv_stream_t *server, int status)
{
    struct listener *l = CONTAINER_OF(server, struct listener, tcp);

    assert_int_equal(status, 0);
    assert_int_equal(stream_accept(&l->accepted.stream, &l->f->loop, &ends_events, server), 0);
    l->is_accepted = true;
}

static void listen_on(struct ends_loop *f, struct listener *l)
{
    struct sockaddr_in any;
    int len = sizeof(l->address);

    *l = (struct listener){.f = f};
    assert_int_equal(uv_tcp_init(&f->uv, &l->tcp), 0);
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &any), 0);
    assert_int_equal(uv_tcp_bind(&l->tcp, (const struct sockaddr *)&any, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&l->tcp, 10, on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&l->address, &len), 0);
}

TEST(stream_connects_and_is_accepted)
{
    struct ends_loop f;
    struct listener l;
    struct end a = {.n_got = 0};
    uv_connect_t request;

    ends_make(&f);
    listen_on(&f, &l);
    assert_int_equal(stream_connect(&a.stream, &f.loop, &ends_events,
                                    (const struct sockaddr *)&l.address, &request),
                     0);
    assert_int_equal(a.n_connected, 0); /* later, from the loop */
    while (a.n_connected == 0 || !l.is_accepted) {
        (void)uv_run(&f.uv, UV_RUN_ONCE);
    }
    assert_int_equal(a.n_connected, 1);
    assert_int_equal(a.connected_rc, 0);
    assert_int_equal(ends_write(&a, (const uint8_t *)"hello", 5), 0);
    ends_read_until(&f, &l.accepted, 5);
    uv_close((uv_handle_t *)&l.tcp, NULL);
    ends_close(&f, &a);
    ends_close(&f, &l.accepted);
    ends_done(&f);
}

TEST(stream_connect_that_is_refused_is_told)
{
    struct ends_loop f;
    struct listener l;
    struct end a = {.n_got = 0};
    struct end b = {.n_got = 0};
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/galeway.sock"};
    uv_connect_t requests[2];

    ends_make(&f);
    listen_on(&f, &l);
    uv_close((uv_handle_t *)&l.tcp, NULL); /* nobody listens there any more */
    (void)uv_run(&f.uv, UV_RUN_NOWAIT);
    assert_int_equal(stream_connect(&a.stream, &f.loop, &ends_events,
                                    (const struct sockaddr *)&l.address, &requests[0]),
                     0);
    assert_int_equal(stream_connect(&b.stream, &f.loop, &ends_events,
                                    (const struct sockaddr *)&path, &requests[1]),
                     0);
    while (a.n_connected == 0 || b.n_connected == 0) {
        (void)uv_run(&f.uv, UV_RUN_ONCE);
    }
    assert_int_equal(a.connected_rc, UV_ECONNREFUSED);
    assert_int_equal(b.connected_rc, UV_ENOENT);
    ends_close(&f, &a);
    ends_close(&f, &b);
    assert_int_equal(a.n_connected + b.n_connected, 2);
    ends_done(&f);
}

TEST(stream_closed_while_it_connects_is_not_told)
{
    struct ends_loop f;
    struct listener l;
    struct end a = {.n_got = 0};
    uv_connect_t request;

    ends_make(&f);
    listen_on(&f, &l);
    assert_int_equal(stream_connect(&a.stream, &f.loop, &ends_events,
                                    (const struct sockaddr *)&l.address, &request),
                     0);
    ends_close(&f, &a);
    assert_int_equal(a.n_connected, 0);
    uv_close((uv_handle_t *)&l.tcp, NULL);
    (void)uv_run(&f.uv, UV_RUN_NOWAIT);
    if (l.is_accepted) {
        ends_close(&f, &l.accepted);
    }
    ends_done(&f);
}
