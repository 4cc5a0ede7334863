/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_address.c - addresses, networks, and lists of them.
 */
#include <arpa/inet.h>

#include "base/address.h"
#include "base/err.h"
#include "conf/networks.h"
#include "tests/unit/test.h"

static struct address parsed(const char *text)
{
    struct address a;

    assert_int_equal(address_parse(&a, slice_of(text)), 0);
    return a;
}

static struct network network_of(const char *text)
{
    struct network n;

    assert_int_equal(network_parse(&n, slice_of(text)), 0);
    return n;
}

TEST(address_is_read_and_written)
{
    static const char *const same[] = {"10.0.0.7", "255.255.255.255", "::1", "fd00::17"};
    static const char *const bad[] = {"", "10.0.0", "10.0.0.256", "::g", "localhost", "1.2.3.4 "};
    char text[ADDRESS_TEXT_MAX];
    struct address a;

    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        a = parsed(same[i]);
        assert_string_equal(address_text(&a, text), same[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(address_parse(&a, slice_of(bad[i])), ERR_MALFORMED);
    }
    assert_int_equal(address_parse(&a, (struct slice){"1.2.3.4\0x", 9}), ERR_MALFORMED);
}

TEST(address_that_is_mapped_is_ipv4)
{
    struct address mapped = parsed("::ffff:10.1.2.3"), plain = parsed("10.1.2.3");
    char text[ADDRESS_TEXT_MAX];

    assert_true(address_is_same(&mapped, &plain));
    assert_string_equal(address_text(&mapped, text), "10.1.2.3");
}

TEST(address_of_a_socket)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(4711)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    struct sockaddr other = {.sa_family = AF_UNIX};
    char text[ADDRESS_TEXT_MAX];
    struct address a;

    in.sin_addr.s_addr = htonl(0x0a000007);
    a = address_of((const struct sockaddr *)&in);
    assert_string_equal(address_text(&a, text), "10.0.0.7");
    assert_int_equal(a.port, 4711);
    in6.sin6_addr.s6_addr[15] = 9;
    a = address_of((const struct sockaddr *)&in6);
    assert_string_equal(address_text(&a, text), "::9");
    assert_int_equal(a.port, 80);
    a = address_of(&other);
    assert_int_equal(a.family, ADDRESS_NONE);
    assert_string_equal(address_text(&a, text), "localhost");
}

static bool is_in(const char *network, const char *address)
{
    struct network n = network_of(network);
    struct address a = parsed(address);

    return network_has(&n, &a);
}

TEST(address_in_a_network)
{
    static const char *const bad[] = {"10.0.0.0/33", "10.0.0.0/",    "10.0.0.0/a", "/8",
                                      "::/129",      "10.0.0.0/8/8", "",           "::ffff:0:0/95"};
    struct network n;

    assert_true(is_in("10.0.0.0/8", "10.255.0.1"));
    assert_false(is_in("10.0.0.0/8", "11.0.0.1"));
    assert_true(is_in("192.168.4.0/22", "192.168.7.255"));
    assert_false(is_in("192.168.4.0/22", "192.168.8.0"));
    assert_true(is_in("10.0.0.7", "10.0.0.7"));
    assert_false(is_in("10.0.0.7", "10.0.0.6"));
    assert_true(is_in("0.0.0.0/0", "1.2.3.4"));
    assert_false(is_in("0.0.0.0/0", "::1"));
    assert_true(is_in("fd00::/8", "fd12::1"));
    assert_false(is_in("fd00::/9", "fd80::1"));
    assert_true(is_in("::ffff:10.0.0.0/104", "10.9.9.9"));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(network_parse(&n, slice_of(bad[i])), ERR_MALFORMED);
    }
}

TEST(address_in_a_list_of_networks)
{
    struct address a = parsed("10.0.0.7"), b = parsed("fd00::1"), none = {.family = ADDRESS_NONE};
    struct networks list;
    const char *why = "";
    char many[NETWORKS_MAX * 8 + 16] = "";

    assert_int_equal(networks_read(&list, SLICE("10.0.0.0/24, fd00::/8"), &why), 0);
    assert_true(networks_have(&list, &a) && networks_have(&list, &b));
    assert_int_equal(networks_read(&list, SLICE(""), &why), 0);
    assert_false(networks_have(&list, &a));
    assert_int_equal(networks_read(&list, SLICE(" * "), &why), 0);
    assert_true(networks_have(&list, &a) && networks_have(&list, &b));
    assert_false(networks_have(&list, &none));
    assert_int_equal(networks_read(&list, SLICE("10.0.0.0/8,*"), &why), ERR_CONFIG);
    assert_int_equal(list.n, 1);
    assert_int_equal(networks_read(&list, SLICE("10.0.0.0/8,,::1"), &why), ERR_CONFIG);
    for (unsigned i = 0; i <= NETWORKS_MAX; i++) {
        memcpy(many + strlen(many), "1.2.3.4,", 9);
        assert_int_equal(networks_read(&list, slice_of(many), &why),
                         i < NETWORKS_MAX ? 0 : ERR_CONFIG);
    }
}
