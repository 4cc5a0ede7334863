/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_hosts.c - addresses of clients: how many, how often, how many failed logins.
 */
#include <stdlib.h>

#include "base/err.h"
#include "proxy/hosts.h"
#include "tests/unit/test.h"

static struct address address_number(unsigned n)
{
    const uint8_t bytes[4] = {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

    return address_of_bytes(ADDRESS_V4, bytes, (uint16_t)n);
}

/* The result of one more client; out may be NULL when it is not let in. */
static int enter(struct hosts *hosts, unsigned n, const struct hosts_limits *limits,
                 uint64_t now_ms, struct host **out)
{
    struct address a = address_number(n);
    struct host *h;
    int rc = hosts_enter(hosts, &a, limits, now_ms, &h);

    assert_true((rc == 0) == (h != NULL));
    if (out != NULL) {
        *out = h;
    }
    return rc;
}

static struct host *entered(struct hosts *hosts, unsigned n, uint64_t now_ms)
{
    const struct hosts_limits none = {.clients = 0};
    struct host *h;

    assert_int_equal(enter(hosts, n, &none, now_ms, &h), 0);
    return h;
}

static unsigned errors_of(struct hosts *hosts, unsigned n)
{
    struct address a = address_number(n);
    unsigned found = 0;
    size_t count;
    struct host_errors *rows = hosts_errors(hosts, false, &count);

    for (size_t i = 0; i < count; i++) {
        if (address_is_same(&rows[i].address, &a)) {
            found = rows[i].n;
        }
    }
    mem_free(MEM_OTHER, rows);
    return found;
}

TEST(hosts_limit_clients_of_an_address)
{
    const struct hosts_limits two = {.clients = 2};
    struct hosts hosts;
    struct host *a, *b, *other;

    hosts_init(&hosts);
    assert_int_equal(enter(&hosts, 1, &two, 0, &a), 0);
    assert_int_equal(enter(&hosts, 1, &two, 0, &b), 0);
    assert_ptr_equal(a, b);
    assert_int_equal(enter(&hosts, 1, &two, 0, NULL), ERR_HOST_CLIENTS);
    assert_int_equal(enter(&hosts, 2, &two, 0, &other), 0);
    hosts_leave(&hosts, a, 0);
    assert_int_equal(enter(&hosts, 1, &two, 0, &a), 0);
    hosts_leave(&hosts, a, 0);
    hosts_leave(&hosts, b, 0);
    hosts_leave(&hosts, other, 0);
    hosts_fini(&hosts);
}

TEST(hosts_limit_connects_a_second)
{
    const struct hosts_limits three = {.connects_per_sec = 3};
    struct hosts hosts;

    hosts_init(&hosts);
    for (unsigned i = 0; i < 3; i++) {
        struct host *h;

        assert_int_equal(enter(&hosts, 1, &three, 5000 + i, &h), 0);
        hosts_leave(&hosts, h, 5000 + i);
    }
    assert_int_equal(enter(&hosts, 1, &three, 5999, NULL), ERR_HOST_RATE);
    assert_int_equal(enter(&hosts, 1, &three, 4999, NULL), ERR_HOST_RATE); /* a late clock */
    hosts_leave(&hosts, entered(&hosts, 2, 5999), 5999);
    for (unsigned i = 0; i < 3; i++) {
        struct host *h;

        assert_int_equal(enter(&hosts, 1, &three, 6000, &h), 0);
        hosts_leave(&hosts, h, 6000);
    }
    for (unsigned i = 0; i < 5; i++) {
        assert_true(hosts_connect(&hosts, 5, 7000 + i));
        assert_true(hosts_connect(&hosts, 0, 7000 + i));
    }
    assert_false(hosts_connect(&hosts, 5, 7999));
    assert_true(hosts_connect(&hosts, 5, 8000));
    hosts_fini(&hosts);
}

TEST(hosts_block_after_failed_logins)
{
    const struct hosts_limits limits = {.errors = 2, .block_ms = 1000};
    const struct hosts_limits forever = {.errors = 2};
    struct hosts hosts;
    struct host *h;

    hosts_init(&hosts);
    h = entered(&hosts, 1, 0);
    hosts_failed(&hosts, h, 10, 100);
    assert_int_equal(enter(&hosts, 1, &limits, 100, NULL), 0);
    hosts_failed(&hosts, h, 10, 200);
    assert_int_equal(enter(&hosts, 1, &limits, 1199, NULL), ERR_HOST_BLOCKED);
    assert_int_equal(enter(&hosts, 1, &limits, 150, NULL), ERR_HOST_BLOCKED); /* a late clock */
    assert_int_equal(enter(&hosts, 1, &forever, 999999, NULL), ERR_HOST_BLOCKED);
    assert_int_equal(errors_of(&hosts, 1), 2);
    assert_int_equal(enter(&hosts, 1, &limits, 1200, NULL), 0);
    assert_int_equal(errors_of(&hosts, 1), 0); /* it begins anew */
    hosts_failed(&hosts, h, 10, 1300);
    hosts_succeeded(&hosts, h);
    assert_int_equal(errors_of(&hosts, 1), 0);
    hosts_failed(&hosts, h, 10, 1400);
    hosts_failed(&hosts, h, 10, 1400);
    hosts_flush(&hosts);
    assert_int_equal(enter(&hosts, 1, &forever, 1400, NULL), 0);
    for (unsigned i = 0; i < 4; i++) {
        hosts_leave(&hosts, h, 1500);
    }
    hosts_fini(&hosts);
}

TEST(hosts_with_errors_are_bounded)
{
    struct hosts hosts;
    size_t n;

    hosts_init(&hosts);
    for (unsigned i = 0; i < 100; i++) {
        struct host *h = entered(&hosts, i, i);

        hosts_failed(&hosts, h, 10, i);
        hosts_leave(&hosts, h, i);
    }
    mem_free(MEM_OTHER, hosts_errors(&hosts, false, &n));
    assert_int_equal(n, 10);
    assert_int_equal(errors_of(&hosts, 89), 0); /* the oldest go */
    assert_int_equal(errors_of(&hosts, 90), 1);
    hosts_tick(&hosts, 5000);
    assert_int_equal(hosts_count(&hosts), 10);
    hosts_failed(&hosts, entered(&hosts, 99, 5000), 3, 5000); /* a smaller limit */
    mem_free(MEM_OTHER, hosts_errors(&hosts, true, &n));
    assert_int_equal(n, 3);
    mem_free(MEM_OTHER, hosts_errors(&hosts, false, &n));
    assert_int_equal(n, 0);
    hosts_leave(&hosts, entered(&hosts, 99, 5000), 5000);
    hosts_leave(&hosts, entered(&hosts, 99, 5000), 5000);
    hosts_tick(&hosts, 7000);
    assert_int_equal(hosts_count(&hosts), 1); /* it has a client */
    {
        struct host *h = entered(&hosts, 99, 7000);

        hosts_failed(&hosts, h, 0, 7000); /* none are remembered */
        assert_int_equal(errors_of(&hosts, 99), 0);
        hosts_leave(&hosts, h, 7000);
        hosts_leave(&hosts, h, 7000);
    }
    hosts_fini(&hosts);
}

TEST(hosts_are_forgotten_when_they_have_left)
{
    struct hosts hosts;

    hosts_init(&hosts);
    for (unsigned i = 0; i < 1000; i++) {
        hosts_leave(&hosts, entered(&hosts, i, 1), 1);
    }
    assert_int_equal(hosts_count(&hosts), 1000);
    hosts_tick(&hosts, 1000);
    assert_int_equal(hosts_count(&hosts), 1000);
    hosts_tick(&hosts, 1001);
    assert_int_equal(hosts_count(&hosts), 0);
    hosts_fini(&hosts);
}

TEST(hosts_without_memory)
{
    const struct hosts_limits none = {.clients = 0};
    struct hosts hosts;

    hosts_init(&hosts);
    for (unsigned at = 1; at <= 2; at++) { /* the entry, its place in the map */
        mem_fail_at(at);
        assert_int_equal(enter(&hosts, 1, &none, 0, NULL), ERR_MEMORY);
        mem_fail_at(0);
        assert_int_equal(hosts_count(&hosts), 0);
    }
    hosts_fini(&hosts);
}

/* One more client of an IPv6 address that ends with these bytes. */
static struct host *enter_v6(struct hosts *hosts, uint8_t seventh, uint8_t eighth, uint8_t last,
                             const struct hosts_limits *limits)
{
    const uint8_t bytes[16] = {0x20, 1, 0xd, 0xb8, 0, 0, seventh, eighth,
                               0,    0, 0,   0,    0, 0, 0,       last};
    struct address a = address_of_bytes(ADDRESS_V6, bytes, 1);
    struct host *h;

    (void)!hosts_enter(hosts, &a, limits, 1000, &h);
    return h;
}

TEST(hosts_of_one_ipv6_network_are_one)
{
    struct hosts_limits one = {.clients = 1, .v6_bits = 64};
    struct host_errors *rows;
    struct hosts hosts;
    struct host *a, *b, *c;
    size_t n;

    hosts_init(&hosts);
    a = enter_v6(&hosts, 0, 1, 1, &one);
    assert_non_null(a);
    assert_null(enter_v6(&hosts, 0, 1, 2, &one));
    b = enter_v6(&hosts, 0, 2, 1, &one);
    assert_non_null(b);
    hosts_failed(&hosts, b, 10, 1000);
    rows = hosts_errors(&hosts, false, &n);
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].bits, 64);
    assert_int_equal(rows[0].address.bytes[7], 2);
    assert_int_equal(rows[0].address.bytes[15], 0);
    mem_free(MEM_OTHER, rows);
    one.v6_bits = 60; /* within a byte: 0x2_ */
    c = enter_v6(&hosts, 0, 0x21, 1, &one);
    assert_non_null(c);
    assert_null(enter_v6(&hosts, 0, 0x2f, 9, &one));
    hosts_leave(&hosts, c, 1000);
    one.v6_bits = 128;
    c = enter_v6(&hosts, 0, 1, 2, &one);
    assert_non_null(c);
    assert_null(enter_v6(&hosts, 0, 1, 2, &one));
    hosts_leave(&hosts, a, 1000);
    hosts_leave(&hosts, b, 1000);
    hosts_leave(&hosts, c, 1000);
    hosts_fini(&hosts);
}
