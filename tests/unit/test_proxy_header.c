/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_proxy_header.c - the header of the PROXY protocol.
 */
#include "base/err.h"
#include "protocol/proxy_header.h"
#include "tests/unit/cuts.h"

#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static const char line4[] = "PROXY TCP4 192.0.2.10 10.1.1.1 56324 3306\r\n";
static const char line6[] = "PROXY TCP6 2001:db8::7 ::1 1 65535\r\n";
static const char binary4[] = V2_SIGNATURE "\x21\x11\x00\x0c"
                                           "\xc0\x00\x02\x0a\x0a\x01\x01\x01\xdc\x04\x0c\xea";
static const char with_tlv[] = V2_SIGNATURE "\x21\x11\x00\x13"
                                            "\xc0\x00\x02\x0a\x0a\x01\x01\x01\xdc\x04\x0c\xea"
                                            "\x04\x00\x04wxyz";
static const char binary6[] = V2_SIGNATURE "\x21\x21\x00\x24"
                                           "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
                                           "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
                                           "\x00\x01\xff\xff";
static const char local[] = V2_SIGNATURE "\x20\x00\x00\x00";

#define LEN(literal) (sizeof(literal) - 1)

static int decode(const uint8_t *data, size_t len)
{
    struct proxy_header h;
    int rc = proxy_header_decode(&h, data, len);

    if (rc == 0) {
        assert_true(h.len <= len && h.len <= PROXY_HEADER_MAX);
    }
    return rc;
}

TEST(proxy_header_every_cut)
{
    cuts_check(decode, line4, LEN(line4), LEN(line4));
    cuts_check(decode, line6, LEN(line6), LEN(line6));
    cuts_check(decode, binary4, LEN(binary4), LEN(binary4));
    cuts_check(decode, with_tlv, LEN(with_tlv), LEN(with_tlv));
    cuts_check(decode, binary6, LEN(binary6), LEN(binary6));
    cuts_check(decode, local, LEN(local), LEN(local));
}

/* Whoever sends a header byte by byte is waited for until it is whole. */
static void check_cuts_are_incomplete(const char *header, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(cuts_run(decode, header, i), ERR_INCOMPLETE);
    }
}

TEST(proxy_header_that_is_not_whole)
{
    check_cuts_are_incomplete(line4, LEN(line4));
    check_cuts_are_incomplete(with_tlv, LEN(with_tlv));
    check_cuts_are_incomplete(local, LEN(local));
}

static void check_fields(const char *header, size_t len, const char *client, uint16_t port,
                         const char *reached, uint16_t reached_port)
{
    uint8_t data[256];
    struct proxy_header h;
    char text[ADDRESS_TEXT_MAX];

    memset(data, 'x', sizeof(data));
    memcpy(data, header, len);
    assert_int_equal(proxy_header_decode(&h, data, len + 4), 0);
    assert_int_equal(h.len, len);
    assert_false(h.is_own);
    assert_string_equal(address_text(&h.client, text), client);
    assert_int_equal(h.client.port, port);
    assert_string_equal(address_text(&h.reached, text), reached);
    assert_int_equal(h.reached.port, reached_port);
}

TEST(proxy_header_gives_the_addresses)
{
    check_fields(line4, LEN(line4), "192.0.2.10", 56324, "10.1.1.1", 3306);
    check_fields(line6, LEN(line6), "2001:db8::7", 1, "::1", 65535);
    check_fields(binary4, LEN(binary4), "192.0.2.10", 56324, "10.1.1.1", 3306);
    check_fields(with_tlv, LEN(with_tlv), "192.0.2.10", 56324, "10.1.1.1", 3306);
    check_fields(binary6, LEN(binary6), "2001:db8::7", 1, "::1", 65535);
}

TEST(proxy_header_of_the_balancer_itself)
{
    static const char unknown[] = "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n";
    static const char no_family[] = V2_SIGNATURE "\x21\x00\x00\x00";
    static const char local_with_address[] =
        V2_SIGNATURE "\x20\x11\x00\x0c"
                     "\xc0\x00\x02\x0a\x0a\x01\x01\x01\xdc\x04\x0c\xea";
    const struct slice all[] = {SLICE(unknown), SLICE("PROXY UNKNOWN\r\n"), SLICE(local),
                                SLICE(no_family), SLICE(local_with_address)};
    struct proxy_header h;

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        assert_int_equal(proxy_header_decode(&h, (const uint8_t *)all[i].data, all[i].len), 0);
        assert_true(h.is_own);
        assert_int_equal(h.len, all[i].len);
        assert_int_equal(h.client.family, ADDRESS_NONE);
    }
}

TEST(proxy_header_from_a_unix_socket)
{
    uint8_t data[16 + 216] = V2_SIGNATURE "\x21\x31\x00\xd8/run/balancer.sock";
    struct proxy_header h;

    assert_int_equal(proxy_header_decode(&h, data, sizeof(data)), 0);
    assert_int_equal(h.len, sizeof(data));
    assert_true(h.is_own);
    assert_int_equal(h.client.family, ADDRESS_NONE);
}

TEST(proxy_header_that_is_malformed)
{
    const struct slice bad[] = {
        SLICE("PROXY TCP4 192.0.2.10 10.1.1.1 56324 3306\n"),
        SLICE("PROXY TCP4 192.0.2.10 10.1.1.1 56324\r\n"),
        SLICE("PROXY TCP4 192.0.2.10 10.1.1.1 56324 3306 7\r\n"),
        SLICE("PROXY TCP4 192.0.2.10 10.1.1.1 65536 3306\r\n"),
        SLICE("PROXY TCP4 192.0.2.10 10.1.1.1 0123 3306\r\n"),
        SLICE("PROXY TCP4  192.0.2.10 10.1.1.1 56324 3306\r\n"),
        SLICE("PROXY TCP4 ::1 ::1 56324 3306\r\n"),
        SLICE("PROXY TCP6 192.0.2.10 10.1.1.1 56324 3306\r\n"),
        SLICE("PROXY TCP5 192.0.2.10 10.1.1.1 56324 3306\r\n"),
        SLICE("PROXY \r\n"),
        SLICE(V2_SIGNATURE "\x11\x11\x00\x0c"), /* version */
        SLICE(V2_SIGNATURE "\x22\x11\x00\x0c"), /* command */
        SLICE(V2_SIGNATURE "\x21\x41\x00\x0c"), /* family */
        SLICE(V2_SIGNATURE "\x21\x13\x00\x0c"), /* protocol */
        SLICE(V2_SIGNATURE "\x21\x12\x00\x00"), /* datagrams */
        SLICE(V2_SIGNATURE "\x21\x11\x00\x04wxyz"),
        SLICE(V2_SIGNATURE "\x21\x21\x00\x0cwxyzwxyzwxyz"),
        SLICE(V2_SIGNATURE "\x21\x31\x00\x04wxyz"),
        SLICE(V2_SIGNATURE "\x21\x11\xff\xff"), /* longer than anybody sends */
    };
    uint8_t endless[200] = "PROXY ";

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(cuts_run(decode, bad[i].data, bad[i].len), ERR_MALFORMED);
    }
    memset(endless + 6, 'x', sizeof(endless) - 6);
    assert_int_equal(cuts_run(decode, endless, 106), ERR_INCOMPLETE);
    assert_int_equal(cuts_run(decode, endless, 107), ERR_MALFORMED);
    assert_int_equal(cuts_run(decode, endless, sizeof(endless)), ERR_MALFORMED);
}

/* The first packet of a login, and other things that come instead. */
TEST(proxy_header_is_not_there)
{
    const struct slice other[] = {SLICE("P\0\0\x01"), SLICE("\r\0\0\x01"), SLICE("proxy "),
                                  SLICE("GET / HTTP/1.1"), SLICE("PROXZ ")};

    for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
        assert_int_equal(cuts_run(decode, other[i].data, other[i].len), ERR_NOT_FOUND);
    }
}
