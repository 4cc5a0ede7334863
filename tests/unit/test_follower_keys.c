/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_follower_keys.c - plain values of the columns that rows are looked up by.
 */
#include "pool/follower_keys.h"
#include "tests/unit/cuts.h"

static const char *plain(const char *value)
{
    static char out[ROW_KEY_MAX + 1];
    size_t len = 0;

    if (!row_key_plain(out, &len, slice_of(value))) {
        return NULL;
    }
    out[len] = '\0';
    return out;
}

TEST(row_key_plain_is_lower_and_without_spaces_at_its_end)
{
    assert_string_equal(plain("SiteURL  "), "siteurl");
    assert_string_equal(plain("_transient_timeout_a-b.c:d/e@f 1"),
                        "_transient_timeout_a-b.c:d/e@f 1");
    assert_null(plain(""));
    assert_null(plain("   "));
    assert_null(plain("1x"));
    assert_null(plain("-x"));
    assert_null(plain(" x"));
    assert_null(plain("a'b"));
    assert_null(plain("a\tb"));
    assert_null(plain("\xc3\xa4"));
    assert_null(plain("a%b"));
}

TEST(row_key_plain_has_a_longest)
{
    char text[ROW_KEY_MAX + 2];

    memset(text, 'a', sizeof(text));
    text[ROW_KEY_MAX] = '\0';
    assert_non_null(plain(text));
    text[ROW_KEY_MAX] = 'a';
    text[ROW_KEY_MAX + 1] = '\0';
    assert_null(plain(text));
}
