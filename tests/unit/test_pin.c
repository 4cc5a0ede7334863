/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pin.c - the codes of pins.
 */
#include "base/base.h"
#include "proxy/pin.h"
#include "tests/unit/test.h"

TEST(pin_names_are_there_and_differ)
{
    for (int i = 0; i < PIN_COUNT; i++) {
        assert_true(strlen(pin_name((enum pin)i)) > 0);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(pin_name((enum pin)i), pin_name((enum pin)j));
        }
    }
}

TEST(pin_codes_fit_the_session)
{
    assert_true(PIN_COUNT <= 32);
}

TEST(pin_state_that_others_would_see_needs_a_reset)
{
    uint32_t reset = pins_that_reset();
    static const enum pin must[] = {
        PIN_TRANSACTION,     PIN_AUTOCOMMIT,    PIN_NEXT_TRANSACTION, PIN_TABLE_LOCK, PIN_USER_LOCK,
        PIN_TEMPORARY_TABLE, PIN_USER_VARIABLE, PIN_SQL_PREPARE,      PIN_CURSOR,     PIN_LONG_DATA,
        PIN_VARIABLE,        PIN_UNKNOWN_STATE, PIN_UNSEEN_TEXT,
    };

    for (size_t i = 0; i < ARRAY_SIZE(must); i++) {
        assert_true((reset & BIT(must[i])) != 0);
    }
    assert_int_equal(reset & BIT(PIN_WARNINGS), 0); /* the next statement clears them */
    assert_true(PIN_COUNT == 32 || reset >> PIN_COUNT == 0);
}
