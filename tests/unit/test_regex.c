/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_regex.c - regexes of rules: bounds, the sieve, replacing.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "router/literal.h"
#include "router/regex.h"
#include "tests/unit/test.h"

static void assert_literal(const char *pattern, const char *expected)
{
    char out[LITERAL_MAX];
    size_t n = literal_of(pattern, out);

    if (n != strlen(expected) || memcmp(out, expected, n) != 0) {
        fail_msg("%s: \"%.*s\" is not \"%s\"", pattern, (int)n, out, expected);
    }
}

TEST(literal_is_the_longest_run_that_must_be_there)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"secret", "secret"},
        {"^SELECT .* FOR UPDATE$", " FOR UPDATE"},
        {"ab+cde", "cde"},
        {"abc*d", "ab"},
        {"abc?de", "ab"},
        {"abc{0}de", "ab"},
        {"ab{2,5}cdef", "cdef"},
        {"a{2}", ""},
        {"x(abc)?yz", "yz"},
        {"a|bcd", ""},
        {"(a|bcd)efg", "efg"},
        {"(?:abc)de", "de"},
        {"(?i)abc", ""},
        {"abc(?x) d e", ""},
        {"(?#abc)de", ""},
        {"(*UTF)abc", ""},
        {"a\\.b\\(c", "a.b(c"},
        {"\\babc\\b", "abc"},
        {"\\Qa*b\\E", ""},
        {"\\x41bc", ""},
        {"(a)\\1bc", ""},
        {"[abc]def", "def"},
        {"[]abc]def", "def"},
        {"[^]x]de", "de"},
        {"[[:alpha:]]def", ""},
        {"[a\\]b]cd", "cd"},
        {"(a[)]b)cd", "cd"},
        {"((?#[)a)|b((]x))yyy", ""},
        {"((?x)a#)ccc(\n)", ""},
        {"(\\c)yyy(?:\\c()z)?", ""},
        {"[\\c]x]yyy", ""},
        {"a{b", ""},
        {"a(b", ""},
        {"ab\\", ""},
        {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
         "abcdefghijklmnopqrstuvwxyzabcdef"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_literal(rows[i][0], rows[i][1]);
    }
}

static struct regex *must_compile(const char *pattern, bool caseless)
{
    char why[REGEX_WHY] = "";
    struct regex *regex = regex_new(pattern, caseless, why);

    if (regex == NULL) {
        fail_msg("%s: %s", pattern, why);
    }
    return regex;
}

/* With the sieve and without. */
static void assert_match(const char *pattern, bool caseless, const char *text, bool expected)
{
    struct regex_scratch *scratch = regex_scratch_new();
    struct regex *regex = must_compile(pattern, caseless);
    struct regex_sieve sieve;

    regex_sieve_fill(&sieve, slice_of(text));
    assert_int_equal(regex_match(regex, scratch, slice_of(text)), expected ? REGEX_YES : REGEX_NO);
    assert_true(!expected || regex_may_match(regex, &sieve));
    regex_free(regex);
    regex_scratch_free(scratch);
    assert_int_equal(mem_blocks(MEM_ROUTER), 0);
}

TEST(regex_matches_bytes_with_or_without_case)
{
    assert_match("abc", true, "xABCx", true);
    assert_match("abc", false, "xABCx", false);
    assert_match("ABC", true, "xabcx", true);
    assert_match("a.c", false, "a\nc", false);
    assert_match("^$", false, "", true);
    assert_match("", false, "x", true);
    assert_match("\xc3\xa4", false, "x\xc3\xa4", true);
    assert_match("x{3}", false, "xxx", true);
}

TEST(regex_sieve_sorts_out_texts)
{
    struct regex *regex = must_compile("^SELECT .* password", true);
    struct regex_sieve sieve;

    regex_sieve_fill(&sieve, SLICE("SELECT a FROM t WHERE b = 5"));
    assert_false(regex_may_match(regex, &sieve));
    regex_sieve_fill(&sieve, SLICE("SELECT a FROM t WHERE PASSWORD = 5"));
    assert_true(regex_may_match(regex, &sieve));
    regex_sieve_fill(&sieve, (struct slice){NULL, 0});
    assert_false(regex_may_match(regex, &sieve));
    regex_free(regex);
}

/* Patterns and texts that take for ever elsewhere: said within moments that it cannot be said. */
TEST(regex_gives_up_in_time)
{
    static const char *const hostile[] = {
        "(a+)+$",          "(a|aa)+$",  "a*a*a*a*a*a*b", "(.*)*=",
        "^(a?){30}a{60}b", ".*.*.*=.*", "(a|a?)+b",      "a*?a*?a*?c",
    };
    struct regex_scratch *scratch = regex_scratch_new();
    size_t n = (size_t)4 << 20;
    char *text = malloc(n);

    assert_non_null(text);
    memset(text, 'a', n);
    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        struct regex *regex = must_compile(hostile[i], true);
        static const size_t lengths[] = {30, 300, 3000, 60000, (size_t)4 << 20};

        for (size_t j = 0; j < ARRAY_SIZE(lengths); j++) {
            uint64_t before = clock_now_us();
            struct slice part = {text, lengths[j]};

            text[lengths[j] - 1] = '!';
            assert_int_not_equal(regex_match(regex, scratch, part), REGEX_YES);
            text[lengths[j] - 1] = 'a';
            if (clock_now_us() - before > 3000000) {
                fail_msg("%s: %zu bytes took %llu us", hostile[i], lengths[j],
                         (unsigned long long)(clock_now_us() - before));
            }
        }
        regex_free(regex);
    }
    free(text);
    regex_scratch_free(scratch);
}

static void put(char *to, struct slice text)
{
    memcpy(to, text.data, text.len);
}

TEST(regex_looks_at_the_first_bytes_of_a_long_text)
{
    struct regex_scratch *scratch = regex_scratch_new();
    struct regex *head = must_compile("^INSERT", true);
    struct regex *tail = must_compile("END$", true);
    size_t n = (size_t)REGEX_TEXT_MAX + 3;
    char *text = malloc(n);
    struct slice whole = {text, n};

    assert_non_null(text);
    memset(text, 'x', n);
    put(text, SLICE("INSERT"));
    put(text + REGEX_TEXT_MAX - 3, SLICE("END"));
    assert_int_equal(regex_match(head, scratch, whole), REGEX_YES);
    assert_int_equal(regex_match(tail, scratch, whole), REGEX_NO); /* it does not end there */
    whole.len = REGEX_TEXT_MAX;
    assert_int_equal(regex_match(tail, scratch, whole), REGEX_YES);
    free(text);
    regex_free(head);
    regex_free(tail);
    regex_scratch_free(scratch);
}

TEST(regex_without_memory_gives_up)
{
    struct regex *regex = must_compile("abc", true);
    unsigned limits = 0;

    for (unsigned n = 1; n < 6; n++) {
        struct regex_scratch *scratch;

        mem_fail_at(n);
        scratch = regex_scratch_new();
        limits += regex_match(regex, scratch, SLICE("abc")) == REGEX_LIMIT ? 1 : 0;
        mem_fail_at(0);
        regex_scratch_free(scratch);
    }
    assert_true(limits >= 2);
    for (unsigned n = 1; n < 4; n++) {
        char why[REGEX_WHY];

        mem_fail_at(n);
        regex_free(regex_new("(a)bc", true, why));
        mem_fail_at(0);
    }
    regex_free(regex);
    assert_int_equal(mem_blocks(MEM_ROUTER), 0);
}

TEST(regex_errors_have_a_place)
{
    char why[REGEX_WHY];

    assert_null(regex_new("ab(c", true, why));
    assert_non_null(strstr(why, "at offset 4: missing closing parenthesis"));
    assert_null(regex_new("\\C", true, why));
    assert_null(regex_new("(*UTF)a", true, why));
}

static void assert_replaced(const char *pattern, const char *text, const char *with, bool global,
                            const char *expected)
{
    struct regex_scratch *scratch = regex_scratch_new();
    struct regex *regex = must_compile(pattern, true);
    enum regex_result result;
    char out[256];
    struct regex_edit edit = {with, global, out, sizeof(out)};
    size_t n;

    assert_null(regex_check_replacement(regex, with));
    n = regex_replace(regex, scratch, slice_of(text), &edit, &result);
    assert_int_equal(result, expected == NULL ? REGEX_NO : REGEX_YES);
    if (expected != NULL && (n != strlen(expected) || memcmp(out, expected, n) != 0)) {
        fail_msg("%s: \"%.*s\" is not \"%s\"", pattern, (int)n, out, expected);
    }
    regex_free(regex);
    regex_scratch_free(scratch);
}

TEST(regex_replaces_with_groups)
{
    assert_replaced("b", "abc", "x", false, "axc");
    assert_replaced("z", "abc", "x", false, NULL);
    assert_replaced("(a)(b)?(c)", "ac", "\\3\\2\\1\\0\\\\", false, "caac\\");
    assert_replaced("[ab]", "abcab", "-", true, "--c--");
    assert_replaced("x*", "axb", "-", true, "-a--b-");
    assert_replaced("^", "ab", "x", true, "xab");
    assert_replaced("$", "ab", "x", true, "abx");
    assert_replaced("a", "a", "", true, "");
    assert_replaced("a", "", "x", true, NULL);
    assert_replaced("", "", "x", true, "x");
    assert_replaced("((((((((((a))))))))))", "a", "\\9", true, "a");
}
