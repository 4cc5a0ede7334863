/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_user_host.c - hosts of accounts: the order in which MariaDB 10.11.19 took them when all
 * fitted 127.0.0.1 (each login with a password of its own; the account that won was dropped).
 */
#include "pool/user_host.h"
#include "tests/unit/test.h"

static const char *const seen[] = {
    "127.0.0.1/255.255.255.255",
    "127.0.0.1",
    "127.0.0.0/255.255.255.0",
    "127.0.0.0/255.0.0.0",
    "127.0.0._",
    "___.0.0.1",
    "127.0.0.1%",
    "1%2%7%.0.0.1",
    "127.0.0.%",
    "%7.0.0.1",
    "127.%.1",
    "127.%",
    "%.1",
    "%_",
    "%",
};

static const char *const seen_too[] = {
    "_27.0.0.1", "127.0.0._", "%27.0.0.1", "12%.0.0.1", "127.0.0.%", "127.0._%", "127.0.%_", "%",
};

static void check_order(const char *const *texts, size_t n)
{
    struct user_host a, b;

    for (size_t i = 0; i < n; i++) {
        user_host_read(&a, texts[i]);
        assert_true(user_host_fits(&a, "127.0.0.1", false));
        assert_int_equal(user_host_compare(&a, &a), 0);
        for (size_t j = i + 1; j < n; j++) {
            user_host_read(&b, texts[j]);
            if (user_host_compare(&a, &b) >= 0 || user_host_compare(&b, &a) <= 0) {
                fail_msg("%s comes before %s", texts[i], texts[j]);
            }
        }
    }
}

TEST(user_host_order_is_the_nodes)
{
    check_order(seen, ARRAY_SIZE(seen));
    check_order(seen_too, ARRAY_SIZE(seen_too));
}

TEST(user_host_fits_whom_it_names)
{
    static const struct {
        const char *host, *peer;
        bool is_resolved, fits;
    } cases[] = {
        {"%", "10.1.2.3", false, true},
        {"", "10.1.2.3", false, true},
        {"%", "localhost", false, true},
        {"10.1.%", "10.1.2.3", false, true},
        {"10.1.%", "10.11.2.3", false, false},
        {"10.1.2._", "10.1.2.3", false, true},
        {"10.1.2._", "10.1.2.33", false, false},
        {"10.1.2._", "10.1.2.", false, false},
        {"10.1.%.3", "10.1.2.3.3.3", false, true},
        {"%%", "", false, true},
        {"%a", "", false, false},
        {"a\\_b", "a_b", false, true},
        {"a\\_b", "axb", false, false},
        {"a\\%", "a%", false, true},
        {"a\\%", "ab", false, false},
        {"LocalHost", "localhost", false, true},
        {"localhost", "127.0.0.1", false, false},
        {"localhost", "127.0.0.1", true, true},
        {"localhost", "::1", true, true},
        {"localhost", "127.0.0.2", true, false},
        {"10.0.0.0/255.255.0.0", "10.0.7.8", false, true},
        {"10.0.0.0/255.255.0.0", "10.1.7.8", false, false},
        {"10.0.0.1/255.255.0.0", "10.0.0.1", false, false}, /* a bit that the mask takes away */
        {"10.0.0.0/255.255.0.0", "localhost", false, false},
        {"10.0.0.0/255.255.0.0", "::ffff:10.0.7.8", false, true},
        {"10.0.0.0/16", "10.0.7.8", false, false}, /* 10.11 does not know this form */
        {"0.0.0.0/0.0.0.0", "10.0.7.8", false, false},
        {"10.0.7.8", "::ffff:10.0.7.8", false, true},
        {"fe80::%", "fe80::1", false, true},
    };
    struct user_host host;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        user_host_read(&host, cases[i].host);
        if (user_host_fits(&host, cases[i].peer, cases[i].is_resolved) != cases[i].fits) {
            fail_msg("'%s' and %s", cases[i].host, cases[i].peer);
        }
    }
}

TEST(user_host_of_any_bytes_ends)
{
    char text[USER_HOST_MAX + 1], peer[USER_HOST_MAX + 1];
    struct user_host host;
    unsigned seed = 1;

    for (int i = 0; i < 20000; i++) {
        size_t n = 1 + (size_t)i % 40;

        for (size_t j = 0; j < n; j++) {
            seed = seed * 1103515245u + 12345u;
            text[j] = "%_\\ab./1"[seed >> 16 & 7];
            peer[j] = "ab./1aab"[seed >> 20 & 7];
        }
        text[n] = peer[n] = '\0';
        user_host_read(&host, text);
        if (!user_host_fits(&host, peer, true)) {
            assert_string_not_equal(text, "%");
        }
    }
    memset(text, '%', USER_HOST_MAX); /* and does not take forever */
    for (size_t j = 0; j < USER_HOST_MAX; j += 2) {
        text[j] = 'a';
    }
    text[USER_HOST_MAX] = '\0';
    memset(peer, 'a', USER_HOST_MAX);
    peer[USER_HOST_MAX] = '\0';
    user_host_read(&host, text);
    assert_true(user_host_fits(&host, peer, false));
    peer[USER_HOST_MAX - 1] = 'b';
    assert_false(user_host_fits(&host, peer, false));
}
