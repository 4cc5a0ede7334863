/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_follower_keys.c - patterns of tables that are looked up by a column, and plain values.
 */
#include "pool/follower_keys.h"
#include "tests/unit/cuts.h"

TEST(row_patterns_are_read_and_what_is_none_left_out)
{
    struct row_patterns p;

    row_patterns_read(&p, SLICE("%options.option_name"));
    assert_int_equal(p.n, 1);
    assert_slice_equal(p.items[0].table, "%options");
    assert_slice_equal(p.items[0].column, "option_name");
    row_patterns_read(&p, SLICE(" a.b , ,c, .d, e. ,f.g "));
    assert_int_equal(p.n, 2);
    assert_slice_equal(p.items[1].table, "f");
    assert_slice_equal(p.items[1].column, "g");
    row_patterns_read(&p, SLICE(""));
    assert_int_equal(p.n, 0);
    row_patterns_read(&p, SLICE("a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,"
                                "a.a,a.a"));
    assert_int_equal(p.n, ROW_PATTERNS_MAX);
}

static bool matches(const char *pattern, const char *table)
{
    struct row_pattern p = {slice_of(pattern), SLICE("c")};

    return row_pattern_matches(&p, slice_of(table));
}

TEST(row_pattern_matches_with_percent_signs)
{
    assert_true(matches("%options", "wp_options"));
    assert_true(matches("%options", "wp_2_OPTIONS"));
    assert_true(matches("%options", "options"));
    assert_false(matches("%options", "wp_options_old"));
    assert_true(matches("wp%opt%s", "wp_2_options"));
    assert_true(matches("%", ""));
    assert_true(matches("%%a%", "xxaxx"));
    assert_true(matches("a%ab", "aabaab"));
    assert_false(matches("a%ab", "aabaaba"));
    assert_false(matches("", "x"));
    assert_false(matches("wp_options", "wpxoptions"));
}

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
