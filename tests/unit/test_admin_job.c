/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admin_job.c - answers that are made on another thread while the console serves others.
 */
#include "tests/unit/console_ends.h"

TEST(console_serves_others_while_an_answer_is_made)
{
    struct console_fix f;
    struct console_end one, two;
    uint16_t status;

    console_make(&f, "");
    atomic_store(&later_may_end, false);
    end_open(&f, &one);
    end_open(&f, &two);
    end_query(&one, "LATER");
    end_query(&one, "SET behind");
    end_query(&two, "SELECT 1");
    end_expect_ok(&two);
    assert_int_equal(seen.n, 2); /* what came behind waits */
    atomic_store(&later_may_end, true);
    assert_int_equal(end_rows(&one, &status), 1);
    end_expect_ok(&one);
    assert_string_equal(seen_sql(2), "SET behind");
    end_close(&one);
    end_close(&two);
    console_done(&f);
}

TEST(console_late_answers_keep_their_place_among_several)
{
    struct console_fix f;
    struct console_end e;
    uint16_t status;

    console_make(&f, "");
    atomic_store(&later_may_end, true);
    end_open(&f, &e);
    end_query(&e, "LATER; ROWS 2 1; LATER; LATER");
    assert_int_equal(end_rows(&e, &status), 1);
    assert_true((status & STATUS_MORE_RESULTS) != 0);
    assert_int_equal(end_rows(&e, &status), 2);
    assert_int_equal(end_rows(&e, &status), 1);
    assert_true((status & STATUS_MORE_RESULTS) != 0);
    assert_int_equal(end_rows(&e, &status), 1);
    assert_true((status & STATUS_MORE_RESULTS) == 0);
    end_query(&e, "SELECT 1");
    end_expect_ok(&e);
    end_close(&e);
    console_done(&f);
}

TEST(console_ends_while_an_answer_is_made)
{
    struct console_fix f;
    struct console_end e;

    console_make(&f, "");
    atomic_store(&later_may_end, false);
    end_open(&f, &e);
    end_query(&e, "LATER");
    console_core_close(&f.core); /* the job is told, and gives up */
    end_expect_closed(&e);
    end_close(&e);
    console_done(&f);
}
