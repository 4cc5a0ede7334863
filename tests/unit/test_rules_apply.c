/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_rules_apply.c - what a verdict leaves behind in a session; the rest is tested on real nodes.
 */
#include "base/mem.h"
#include "proxy/rules_apply.h"
#include "tests/unit/test.h"

static bool is_kept(struct session *s, int multiplex, int sticky_conn, bool multiplexing)
{
    struct verdict v = VERDICT_NONE;

    v.multiplex = multiplex;
    v.sticky_conn = sticky_conn;
    rules_pin(s, &v, multiplexing, 7, 1000);
    return session_is_pinned(s);
}

TEST(rules_pin_multiplex_holds_until_a_rule_says_otherwise)
{
    struct session s = {.pins = 0};

    assert_false(is_kept(&s, RULES_UNSET, RULES_UNSET, true));
    assert_false(is_kept(&s, 2, RULES_UNSET, true));
    assert_true(is_kept(&s, 0, RULES_UNSET, true));
    assert_int_equal(s.pins, BIT(PIN_NO_MULTIPLEXING));
    assert_true(is_kept(&s, RULES_UNSET, RULES_UNSET, true));
    assert_true(is_kept(&s, 2, RULES_UNSET, true));
    session_unpin(&s, PIN_NO_MULTIPLEXING); /* its connection was lost: the next one is kept, too */
    assert_true(is_kept(&s, RULES_UNSET, RULES_UNSET, true));
    assert_false(is_kept(&s, 1, RULES_UNSET, true));
    assert_false(is_kept(&s, RULES_UNSET, RULES_UNSET, true));
    mem_free(MEM_CLIENT, s.pin_details);
}

TEST(rules_pin_multiplex_is_stronger_than_the_variable)
{
    struct session s = {.pins = 0};

    assert_true(is_kept(&s, RULES_UNSET, RULES_UNSET, false));
    assert_false(is_kept(&s, 1, RULES_UNSET, false));
    assert_false(is_kept(&s, RULES_UNSET, RULES_UNSET, false));
    assert_true(is_kept(&s, 0, RULES_UNSET, false));
    mem_free(MEM_CLIENT, s.pin_details);
}

TEST(rules_pin_sticky_is_a_pin_of_its_own)
{
    struct session s = {.pins = 0};

    assert_true(is_kept(&s, RULES_UNSET, 1, true));
    assert_int_equal(s.pins, BIT(PIN_STICKY));
    assert_true(is_kept(&s, 1, RULES_UNSET, true)); /* multiplex=1 does not let it go */
    assert_false(is_kept(&s, RULES_UNSET, 0, true));
    mem_free(MEM_CLIENT, s.pin_details);
}

TEST(rules_pin_is_forgotten_with_the_session)
{
    struct profiles profiles;
    struct session s = {.pins = 0};

    profiles_init(&profiles);
    s.flag_in = 9;
    assert_true(is_kept(&s, 0, 1, true));
    session_reset(&s, &profiles, profile_ref(profiles.empty), 0);
    assert_int_equal(s.flag_in, 0);
    assert_false(is_kept(&s, RULES_UNSET, RULES_UNSET, true));
    session_reset(&s, &profiles, NULL, 0);
    profiles_fini(&profiles);
    assert_int_equal(mem_blocks(MEM_CLIENT), 0);
}
