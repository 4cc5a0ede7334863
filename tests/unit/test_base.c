/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_base.c - slices, CHECK, errors, the clock, state tables, counters.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sm.h"
#include "base/stat.h"
#include "tests/unit/test.h"

TEST(slice_eq_compares_length_and_bytes)
{
    struct slice empty = {NULL, 0};

    assert_true(slice_eq(SLICE("abc"), slice_of("abc")));
    assert_false(slice_eq(SLICE("abc"), SLICE("abd")));
    assert_false(slice_eq(SLICE("abc"), SLICE("ab")));
    assert_true(slice_eq(SLICE(""), empty));
    assert_true(slice_eq(slice_of(NULL), empty));
    assert_true(slice_eq(SLICE("a\0b"), SLICE("a\0b")));
    assert_false(slice_eq(SLICE("a\0b"), SLICE("a\0c")));
}

TEST(slice_behind_nocase_gives_what_follows_the_first_place)
{
    const struct slice s = SLICE("show GET_LOCK, get_lock");

    assert_true(slice_eq(slice_behind_nocase(s, SLICE("get_Lock")), SLICE(", get_lock")));
    assert_true(slice_eq(slice_behind_nocase(s, SLICE("SHOW")), SLICE(" GET_LOCK, get_lock")));
    assert_null(slice_behind_nocase(s, SLICE("get_locks")).data);
    assert_null(slice_behind_nocase(SLICE("lock"), SLICE("locks")).data);
    assert_null(slice_behind_nocase((struct slice){NULL, 0}, SLICE("a")).data);
    /* at the end: it is there, and nothing follows */
    assert_non_null(slice_behind_nocase(SLICE("a lock"), SLICE("LOCK")).data);
    assert_int_equal(slice_behind_nocase(SLICE("a lock"), SLICE("LOCK")).len, 0);
}

TEST(slice_eq_nocase_folds_ascii_letters_only)
{
    assert_true(slice_eq_nocase(SLICE("SeLeCt"), SLICE("sElEcT")));
    assert_true(slice_eq_nocase(SLICE(""), (struct slice){NULL, 0}));
    assert_false(slice_eq_nocase(SLICE("select"), SLICE("selec")));
    /* Neighbours of the letters, and bytes with the high bit, differ by 0x20 too. */
    assert_false(slice_eq_nocase(SLICE("@"), SLICE("`")));
    assert_false(slice_eq_nocase(SLICE("["), SLICE("{")));
    assert_false(slice_eq_nocase(SLICE("\xc4"), SLICE("\xe4")));
}

static void check_one_is_two(void *arg)
{
    int one = *(int *)arg;

    CHECK(one == 2);
}

TEST(check_failed_says_expression_and_place)
{
    int one = 1;
    const char *text = test_abort_text(check_one_is_two, &one);

    assert_non_null(strstr(text, "one == 2"));
    assert_non_null(strstr(text, "check_one_is_two()"));
    assert_non_null(strstr(text, "test_base.c:"));
}

TEST(container_of_finds_the_object)
{
    struct {
        int before;
        int member;
    } object = {1, 2};
    int *member = &object.member;

    assert_ptr_equal(CONTAINER_OF(member, __typeof__(object), member), &object);
}

TEST(err_codes_start_at_minus_10000_and_go_down)
{
    assert_int_equal(ERR_MEMORY, -10000);
    assert_int_equal(ERR_LIMIT, -10001);
    assert_int_equal(ERR_INCOMPLETE, -10000 - (ERR_COUNT - 1));
}

TEST(err_table_rows_are_what_the_look_ups_give)
{
#define X(code, number, sqlstate, message)               \
    assert_string_equal(err_name(code), #code);          \
    assert_string_equal(err_text(code), (message));      \
    assert_int_equal(err_number(code), (number));        \
    assert_string_equal(err_sqlstate(code), (sqlstate)); \
    assert_int_equal(strlen(err_sqlstate(code)), 5);
    ERR_TABLE(X)
#undef X
}

TEST(err_of_others_is_never_null)
{
    static const int others[] = {0,     1,   INT32_MAX, INT32_MIN, -9999, -10000 - ERR_COUNT,
                                 -4094, -200};

    assert_string_equal(err_text(0), "Success");
    assert_string_equal(err_name(-ECONNRESET), "ECONNRESET");
    assert_string_equal(err_text(-ECONNREFUSED), "Connection refused");
    assert_string_equal(err_name(-4095), "EOF");
    assert_string_equal(err_text(-3008), "Name lookup failed");
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        assert_non_null(err_text(others[i]));
        assert_non_null(err_name(others[i]));
        assert_int_equal(err_number(others[i]), 1105);
        assert_string_equal(err_sqlstate(others[i]), "HY000");
    }
}

TEST(clock_moves_forward_unless_a_test_holds_it)
{
    uint64_t before = clock_now_us();

    assert_true(clock_now_us() >= before);
    clock_set_us(5000123);
    assert_int_equal(clock_now_us(), 5000123);
    assert_int_equal(clock_now_ms(), 5000);
    clock_set_us(0);
    assert_true(clock_now_us() >= before);
    assert_true(clock_unix_us() > UINT64_C(1700000000000000));
}

enum door { DOOR_OPEN, DOOR_SHUT, DOOR_LOCKED };

static const struct sm_state door_states[] = {
    [DOOR_OPEN] = {"open", BIT(DOOR_SHUT)},
    [DOOR_SHUT] = {"shut", BIT(DOOR_OPEN) | BIT(DOOR_LOCKED)},
    [DOOR_LOCKED] = {"locked", BIT(DOOR_SHUT)},
};

static void lock_open_door(void *arg)
{
    SM_MOVE(door_states, (uint8_t *)arg, DOOR_LOCKED);
}

static void move_out_of_the_table(void *arg)
{
    SM_MOVE(door_states, (uint8_t *)arg, 3);
}

TEST(sm_move_follows_the_table)
{
    uint8_t door = DOOR_OPEN;

    SM_MOVE(door_states, &door, DOOR_SHUT);
    assert_int_equal(door, DOOR_SHUT);
    SM_MOVE(door_states, &door, DOOR_LOCKED);
    SM_MOVE(door_states, &door, DOOR_SHUT);
    SM_MOVE(door_states, &door, DOOR_OPEN);
    assert_int_equal(door, DOOR_OPEN);
}

TEST(sm_move_the_table_does_not_have_aborts_with_both_names)
{
    uint8_t door = DOOR_OPEN;
    const char *text = test_abort_text(lock_open_door, &door);

    assert_non_null(strstr(text, "from state open to locked"));
    assert_int_equal(door, DOOR_OPEN);
    (void)test_abort_text(move_out_of_the_table, &door);
}

TEST(stat_sum_adds_the_sets)
{
    static struct stat_set one;
    static struct stat_set two;
    struct stat_set *const sets[] = {&one, &two};

    stat_add(&one, STAT_QUESTIONS, 40);
    stat_add(&two, STAT_QUESTIONS, 2);
    /* A gauge that goes up in one worker and down in another wraps, and the sum is right again. */
    stat_add(&one, STAT_SERVERS_CONNECTED, 3);
    stat_sub(&two, STAT_SERVERS_CONNECTED, 1);
    assert_int_equal(stat_sum(sets, 2, STAT_QUESTIONS), 42);
    assert_int_equal(stat_sum(sets, 2, STAT_SERVERS_CONNECTED), 2);
    assert_int_equal(stat_sum(sets, 2, STAT_PINS), 0);
    assert_int_equal(stat_sum(NULL, 0, STAT_PINS), 0);
}

TEST(stat_names_are_there_and_differ)
{
    for (enum stat_id a = 0; a < STAT_COUNT; a++) {
        assert_true(strlen(stat_name(a)) > 0);
        assert_true(strlen(stat_help(a)) > 0);
        for (enum stat_id b = 0; b < a; b++) {
            assert_string_not_equal(stat_name(a), stat_name(b));
        }
    }
}

TEST(stat_sets_share_no_cache_line)
{
    assert_int_equal(sizeof(struct stat_set) % CACHE_LINE, 0);
}
