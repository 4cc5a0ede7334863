/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_row_pattern.c - which tables have rows that are told apart.
 */
#include "base/err.h"
#include "conf/row_pattern.h"
#include "tests/unit/test.h"

static struct row_key_patterns patterns_of(const char *text)
{
    struct row_key_patterns patterns;
    const char *why = "";

    assert_int_equal(row_key_patterns_read(&patterns, slice_of(text), &why), 0);
    return patterns;
}

TEST(row_patterns_are_read)
{
    struct row_key_patterns p = patterns_of(" %options.option_name ,s_%_x.Key$1\t");

    assert_int_equal(p.n, 2);
    assert_true(slice_eq(p.items[0].table, SLICE("%options")));
    assert_true(slice_eq(p.items[1].table, SLICE("s_%_x")));
    assert_true(slice_eq(p.items[1].column, SLICE("Key$1")));
    assert_int_equal(patterns_of("").n, 0);
    assert_int_equal(patterns_of("  ").n, 0);
}

TEST(row_patterns_that_are_wrong_are_refused)
{
    static const char *const wrong[] = {
        "a",          ".",
        "a.",         ".b",
        "a.b,",       ",a.b",
        "a.b,,c.d",   "a.b.c",
        "a.%",        "a b.c",
        "a.b c",      "`a`.b",
        "a.\xc3\xa9", "a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a,a.a",
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct row_key_patterns p;
        const char *why = NULL;

        if (row_key_patterns_read(&p, slice_of(wrong[i]), &why) != ERR_CONFIG || why == NULL) {
            fail_msg("%s", wrong[i]);
        }
    }
}

TEST(row_patterns_fit_as_like_does)
{
    static const struct {
        const char *pattern, *table;
        bool fits;
    } rows[] = {
        {"%options", "wp_options", true},
        {"%options", "options", true},
        {"%options", "WP_2_OPTIONS", true},
        {"%options", "options_x", false},
        {"%", "x", true},
        {"a%b%c", "aXbYbc", true},
        {"a%b%c", "ac", false},
        {"ab", "ab", true},
        {"ab", "abc", false},
        {"a%", "b", false},
        {"a_c", "abc", false},
        {"%%", "", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[40];
        struct row_key_patterns p;

        (void)snprintf(text, sizeof(text), "%s.c", rows[i].pattern);
        p = patterns_of(text);
        if ((row_key_pattern_find(&p, slice_of(rows[i].table)) != NULL) != rows[i].fits) {
            fail_msg("%s, %s", rows[i].pattern, rows[i].table);
        }
    }
}
