/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_profile.c - interned sets of session variables, and the SET that leads from one to another.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "pool/profile.h"
#include "protocol/caps.h"
#include "router/set.h"
#include "tests/unit/test.h"

/* A profile with one more variable; p's reference goes over to the result. */
static struct profile *plus(struct profiles *t, struct profile *p, int variable, const char *value)
{
    struct profile *next = profile_with(t, p, variable, slice_of(value));

    assert_non_null(next);
    profile_unref(t, p);
    return next;
}

static struct profile *empty_of(struct profiles *t)
{
    return profile_ref(t->empty);
}

/* The text that leads from one profile to the other. Overwritten by the next call. */
static const char *set_text(const struct profile *from, const struct profile *to)
{
    static char text[16384];
    struct writer w = writer_of((uint8_t *)text, sizeof(text) - 1);

    profile_write_set(&w, from, to);
    assert_false(w.failed);
    text[w.len] = '\0';
    return text;
}

TEST(profile_equal_sets_are_one_pointer)
{
    struct profiles t;
    struct profile *a;
    struct profile *b;

    profiles_init(&t);
    a = plus(&t, empty_of(&t), VAR_TIME_ZONE, "+00:00");
    a = plus(&t, a, VAR_SQL_MODE, "ANSI");
    b = plus(&t, empty_of(&t), VAR_SQL_MODE, "ANSI");
    assert_ptr_not_equal(a, b);
    b = plus(&t, b, VAR_TIME_ZONE, "+00:00"); /* the other way round */
    assert_ptr_equal(a, b);
    b = plus(&t, b, VAR_TIME_ZONE, "+01:00");
    assert_ptr_not_equal(a, b);
    assert_int_not_equal(a->id, b->id);
    b = plus(&t, b, VAR_TIME_ZONE, NULL);
    b = plus(&t, b, VAR_SQL_MODE, NULL);
    assert_ptr_equal(b, t.empty); /* all back to the defaults */
    profile_unref(&t, a);
    profile_unref(&t, b);
    profiles_fini(&t);
}

TEST(profile_value_is_copied)
{
    struct profiles t;
    struct profile *p;
    char *value;

    profiles_init(&t);
    value = malloc(3); /* not terminated */
    assert_non_null(value);
    memcpy(value, "UTC", 3);
    p = profile_with(&t, t.empty, VAR_TIME_ZONE, (struct slice){value, 3});
    memset(value, 'x', 3);
    free(value);
    assert_true(slice_eq(p->values[VAR_TIME_ZONE], SLICE("UTC")));
    profile_unref(&t, p);
    profiles_fini(&t);
}

TEST(profile_last_unref_gives_the_memory_back)
{
    struct profiles t;
    struct profile *p;
    uint64_t blocks;

    profiles_init(&t);
    p = plus(&t, empty_of(&t), VAR_TIME_ZONE, "UTC"); /* the table has grown */
    profile_unref(&t, p);
    blocks = mem_blocks(MEM_PROFILE);
    p = plus(&t, empty_of(&t), VAR_TIME_ZONE, "SYSTEM");
    assert_ptr_equal(profile_ref(p), p);
    profile_unref(&t, p);
    assert_true(slice_eq(p->values[VAR_TIME_ZONE], SLICE("SYSTEM"))); /* one reference is left */
    assert_true(mem_blocks(MEM_PROFILE) > blocks);
    profile_unref(&t, p);
    assert_int_equal(mem_blocks(MEM_PROFILE), blocks);
    profile_unref(&t, NULL);
    profiles_fini(&t);
    assert_int_equal(mem_blocks(MEM_PROFILE), 0);
}

static void fini_with_a_user(void *arg)
{
    profiles_fini(arg);
}

TEST(profile_fini_while_one_is_used_aborts)
{
    struct profiles t;
    struct profile *p;

    profiles_init(&t);
    p = plus(&t, empty_of(&t), VAR_TIME_ZONE, "UTC");
    (void)test_abort_text(fini_with_a_user, &t);
    profile_unref(&t, p);
    profiles_fini(&t);
}

TEST(profile_value_that_is_not_carried_is_refused)
{
    struct profiles t;
    char *value = malloc(PROFILE_VALUE_MAX + 1);
    struct profile *p;

    assert_non_null(value);
    memset(value, 'v', PROFILE_VALUE_MAX + 1);
    profiles_init(&t);
    assert_null(
        profile_with(&t, t.empty, VAR_SQL_MODE, (struct slice){value, PROFILE_VALUE_MAX + 1}));
    p = profile_with(&t, t.empty, VAR_SQL_MODE, (struct slice){value, PROFILE_VALUE_MAX});
    assert_non_null(p);
    assert_int_equal(p->values[VAR_SQL_MODE].len, PROFILE_VALUE_MAX);
    profile_unref(&t, p);
    assert_null(profile_with(&t, t.empty, VAR_TIME_ZONE, SLICE("a\\'b"))); /* reads two ways */
    assert_int_equal(t.by_key.count, 1);
    profiles_fini(&t);
    free(value);
}

TEST(profile_empty_value_is_not_the_default)
{
    struct profiles t;
    struct profile *p;

    profiles_init(&t);
    p = plus(&t, empty_of(&t), VAR_SQL_MODE, "");
    assert_ptr_not_equal(p, t.empty);
    assert_non_null(p->values[VAR_SQL_MODE].data);
    assert_true(p->has_sql_mode);
    assert_false(t.empty->has_sql_mode);
    assert_string_equal(set_text(t.empty, p), "SET sql_mode=''");
    assert_string_equal(set_text(p, t.empty), "SET sql_mode=DEFAULT");
    profile_unref(&t, p);
    profiles_fini(&t);
}

TEST(profile_sql_mode_gives_the_status_bits)
{
    static const struct {
        const char *mode;
        unsigned status;
    } rows[] = {
        {"", 0},
        {"STRICT_TRANS_TABLES", 0},
        {"NO_BACKSLASH_ESCAPES", STATUS_NO_BACKSLASH_ESCAPES},
        {"no_backslash_escapes", STATUS_NO_BACKSLASH_ESCAPES},
        {"ANSI_QUOTES,STRICT_ALL_TABLES", STATUS_ANSI_QUOTES},
        {"REAL_AS_FLOAT,ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
         STATUS_ANSI_QUOTES | STATUS_NO_BACKSLASH_ESCAPES},
        {"NO_BACKSLASH_ESCAPES2,XANSI_QUOTES", 0},
        {"ANSI_QUOTE", 0},
    };
    struct profiles t;

    profiles_init(&t);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct profile *p = plus(&t, empty_of(&t), VAR_SQL_MODE, rows[i].mode);

        assert_true(p->has_sql_mode);
        assert_int_equal(p->status, rows[i].status);
        profile_unref(&t, p);
    }
    profiles_fini(&t);
}

TEST(profile_sync_wait_wants_a_fresh_connection)
{
    struct profiles t;
    struct profile *p;

    profiles_init(&t);
    assert_false(t.empty->wants_fresh);
    p = plus(&t, empty_of(&t), VAR_WSREP_SYNC_WAIT, "1");
    assert_true(p->wants_fresh);
    p = plus(&t, p, VAR_WSREP_SYNC_WAIT, "0");
    assert_false(p->wants_fresh);
    profile_unref(&t, p);
    profiles_fini(&t);
}

TEST(profile_of_charset_is_what_set_names_gives)
{
    struct profiles t;
    struct profile *p;
    struct profile *q;

    profiles_init(&t);
    p = profile_of_charset(&t, 45);
    assert_string_equal(set_text(t.empty, p), "SET NAMES 'utf8mb4'");
    q = plus(&t, empty_of(&t), PROFILE_NAMES, "utf8mb4");
    assert_ptr_equal(p, q);
    profile_unref(&t, q);
    q = profile_of_charset(&t, 224);
    assert_string_equal(set_text(p, q), "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci'");
    profile_unref(&t, q);
    q = profile_of_charset(&t, 0); /* no such collation */
    assert_ptr_equal(q, t.empty);
    profile_unref(&t, q);
    profile_unref(&t, p);
    profiles_fini(&t);
}

TEST(profile_set_has_only_what_differs)
{
    struct profiles t;
    struct profile *a;
    struct profile *b;

    profiles_init(&t);
    a = plus(&t, empty_of(&t), VAR_TIME_ZONE, "UTC");
    a = plus(&t, a, VAR_SQL_MODE, "ANSI");
    a = plus(&t, a, VAR_WAIT_TIMEOUT, "28800");
    b = plus(&t, empty_of(&t), VAR_SQL_MODE, "ANSI");
    b = plus(&t, b, VAR_FOREIGN_KEY_CHECKS, "OFF");
    b = plus(&t, b, VAR_WAIT_TIMEOUT, "100");
    assert_string_equal(set_text(a, a), "");
    assert_string_equal(set_text(t.empty, t.empty), "");
    assert_string_equal(set_text(a, b),
                        "SET time_zone=DEFAULT,foreign_key_checks='OFF',wait_timeout=100");
    assert_string_equal(set_text(b, a),
                        "SET time_zone='UTC',foreign_key_checks=DEFAULT,wait_timeout=28800");
    assert_string_equal(set_text(b, t.empty),
                        "SET sql_mode=DEFAULT,foreign_key_checks=DEFAULT,wait_timeout=DEFAULT");
    profile_unref(&t, a);
    profile_unref(&t, b);
    profiles_fini(&t);
}

TEST(profile_set_cannot_be_left_by_a_value)
{
    static const struct {
        int variable;
        const char *value, *text;
    } rows[] = {
        {VAR_TIME_ZONE, "a'b", "SET time_zone='a''b'"},
        {VAR_TIME_ZONE, "'", "SET time_zone=''''"},
        {VAR_MAX_STATEMENT_TIME, "5.000000", "SET max_statement_time=5.000000"},
        {VAR_MAX_STATEMENT_TIME, "-1", "SET max_statement_time=-1"},
        {VAR_WAIT_TIMEOUT, "1,sql_log_bin=0", "SET wait_timeout='1,sql_log_bin=0'"},
        {VAR_WAIT_TIMEOUT, "1-1", "SET wait_timeout='1-1'"},
        {VAR_WAIT_TIMEOUT, "-", "SET wait_timeout='-'"},
        {VAR_WAIT_TIMEOUT, "", "SET wait_timeout=''"},
    };
    struct profiles t;

    profiles_init(&t);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct profile *p = plus(&t, empty_of(&t), rows[i].variable, rows[i].value);

        assert_string_equal(set_text(t.empty, p), rows[i].text);
        profile_unref(&t, p);
    }
    profiles_fini(&t);
}

TEST(profile_charsets_are_written_in_an_order_that_holds)
{
    struct profiles t;
    struct profile *names;
    struct profile *p;

    profiles_init(&t);
    names = plus(&t, empty_of(&t), PROFILE_NAMES, "utf8mb4 utf8mb4_bin");
    assert_string_equal(set_text(t.empty, names), "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'");
    p = plus(&t, profile_ref(names), VAR_CHARACTER_SET_RESULTS, "");
    assert_string_equal(
        set_text(t.empty, p),
        "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin',character_set_results=NULL"); /* on top */
    assert_string_equal(set_text(p, names), set_text(t.empty, names)); /* NAMES sets the three */
    p = plus(&t, p, VAR_CHARACTER_SET_CONNECTION, "latin1");
    assert_non_null(strstr(set_text(names, p), ",character_set_connection='latin1'"));
    p = plus(&t, p, VAR_COLLATION_CONNECTION, "latin1_bin");
    assert_non_null(strstr(set_text(names, p), ",collation_connection='latin1_bin'"));
    assert_null(strstr(set_text(names, p), "character_set_connection")); /* it would reset it */
    profile_unref(&t, p);
    p = plus(&t, empty_of(&t), VAR_SQL_MODE, "ANSI");
    assert_string_equal(set_text(names, p),
                        "SET character_set_client=DEFAULT,character_set_results=DEFAULT,"
                        "collation_connection=DEFAULT,sql_mode='ANSI'");
    profile_unref(&t, p);
    profile_unref(&t, names);
    profiles_fini(&t);
}

TEST(profile_set_into_each_shorter_buffer_fails)
{
    struct profiles t;
    struct profile *p;
    size_t len;

    profiles_init(&t);
    p = plus(&t, empty_of(&t), PROFILE_NAMES, "utf8mb4 utf8mb4_bin");
    p = plus(&t, p, VAR_TIME_ZONE, "it's");
    p = plus(&t, p, VAR_WAIT_TIMEOUT, "7");
    len = strlen(set_text(t.empty, p));
    for (size_t cap = 1; cap <= len; cap++) {
        uint8_t *bytes = malloc(cap);
        struct writer w;

        assert_non_null(bytes);
        w = writer_of(bytes, cap);
        profile_write_set(&w, t.empty, p);
        assert_int_equal(w.failed, cap < len);
        assert_true(w.len <= cap);
        free(bytes);
    }
    profile_unref(&t, p);
    profiles_fini(&t);
}

/* The second is what the first makes it, unless it has a value of its own. */
TEST(profile_max_join_size_takes_sql_big_selects_along)
{
    struct profiles t;
    struct profile *one, *other;

    profiles_init(&t);
    one = plus(&t, empty_of(&t), VAR_SQL_BIG_SELECTS, "ON");
    assert_string_equal(set_text(t.empty, one), "SET sql_big_selects='ON'");
    assert_string_equal(set_text(one, t.empty), "SET max_join_size=DEFAULT");
    one = plus(&t, one, VAR_MAX_JOIN_SIZE, "1000");
    assert_string_equal(set_text(t.empty, one), "SET max_join_size=1000,sql_big_selects='ON'");
    assert_string_equal(set_text(one, t.empty), "SET max_join_size=DEFAULT");
    other = plus(&t, profile_ref(one), VAR_MAX_JOIN_SIZE, "2000");
    assert_string_equal(set_text(one, other), "SET max_join_size=2000,sql_big_selects='ON'");
    other = plus(&t, other, VAR_MAX_JOIN_SIZE, "1000");
    other = plus(&t, other, VAR_SQL_BIG_SELECTS, "OFF");
    assert_string_equal(set_text(one, other), "SET sql_big_selects='OFF'");
    profile_unref(&t, one);
    profile_unref(&t, other);
    profiles_fini(&t);
}

TEST(profile_without_memory_is_refused_and_nothing_changes)
{
    struct profiles t;
    struct profile *p = NULL;
    unsigned n = 0;

    profiles_init(&t);
    while (p == NULL) {
        mem_fail_at(++n);
        p = profile_with(&t, t.empty, VAR_TIME_ZONE, SLICE("UTC"));
        mem_fail_at(0);
        assert_int_equal(t.by_key.count, p == NULL ? 1 : 2);
        assert_int_equal(t.empty->refs, 1);
    }
    assert_true(n > 2); /* the key and the profile */
    profile_unref(&t, p);
    profiles_fini(&t);
}

/* What the SET does to a model of the session; the profile it leads to is the one asked for. */
static struct profile *obey(struct profiles *t, struct profile *p, const char *text)
{
    struct set_statement set;

    set_parse(&set, slice_of(text), 0);
    assert_int_equal(set.form, SET_VARIABLES);
    for (unsigned i = 0; i < set.n; i++) {
        const struct assignment *a = &set.assignments[i];
        struct profile *next;

        assert_int_not_equal(a->variable, VARIABLE_NONE);
        next = profile_with(t, p, a->variable,
                            a->value == SET_DEFAULT ? (struct slice){NULL, 0} : a->text);
        assert_non_null(next);
        profile_unref(t, p);
        p = next;
    }
    return p;
}

TEST(profile_set_leads_from_any_to_any)
{
    static const struct {
        int variable;
        const char *values[3];
    } pick[] = {
        {VAR_SQL_MODE, {"", "ANSI", "STRICT_TRANS_TABLES,NO_ZERO_DATE"}},
        {VAR_TIME_ZONE, {"SYSTEM", "+02:00", "Europe/Vienna"}},
        {VAR_WAIT_TIMEOUT, {"1", "10", "100"}},
        {VAR_MAX_STATEMENT_TIME, {"1.000000", "0.500000", "2"}},
        {VAR_UNIQUE_CHECKS, {"ON", "OFF", "on"}},
    };
    struct profile *seen[64];
    struct profiles t;
    uint64_t random = 1;

    profiles_init(&t);
    for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
        seen[i] = empty_of(&t);
        for (size_t v = 0; v < ARRAY_SIZE(pick); v++) {
            unsigned choice = (unsigned)(test_random(&random) % 4);

            if (choice < 3) {
                seen[i] = plus(&t, seen[i], pick[v].variable, pick[v].values[choice]);
            }
        }
    }
    for (size_t i = 0; i < 1000; i++) {
        struct profile *from = seen[test_random(&random) % ARRAY_SIZE(seen)];
        struct profile *to = seen[test_random(&random) % ARRAY_SIZE(seen)];
        const char *text = set_text(from, to);

        assert_int_equal(text[0] == '\0', from == to);
        if (from != to) {
            struct profile *got = obey(&t, profile_ref(from), text);

            assert_ptr_equal(got, to);
            profile_unref(&t, got);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
        profile_unref(&t, seen[i]);
    }
    profiles_fini(&t);
}
