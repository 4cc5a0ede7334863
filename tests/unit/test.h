/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test.h - what a unit test file includes: TEST() and cmocka's asserts.
 *
 *     TEST(map_put_beyond_the_cap_is_refused)
 *     {
 *         assert_int_equal(map_put(...), ERR_LIMIT);
 *     }
 *
 * A test registers itself. Each runs in a child process with a time limit, so it may crash, hang,
 * leak or set global state without hurting another. cmocka's asserts print both values.
 */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

/* cmocka.h wants the others before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "base/base.h"

struct test {
    const char *name;
    const char *file;
    int line;
    void (*run)(void **state);
    struct test *next;
};

void test_register(struct test *test);

/* TEST - the body that follows is a test; name is module_situation_expectation. */
#define TEST(test_name)                                                 \
    static void run_##test_name(void **state);                          \
    __attribute__((constructor)) static void register_##test_name(void) \
    {                                                                   \
        static struct test test = {                                     \
            .name = #test_name,                                         \
            .file = __FILE__,                                           \
            .line = __LINE__,                                           \
            .run = run_##test_name,                                     \
        };                                                              \
        test_register(&test);                                           \
    }                                                                   \
    static void run_##test_name(void **state __attribute__((unused)))

/*
 * test_abort_text - run fn(arg) in a child that must abort; what it wrote to stderr (cut at some
 * kilobytes). Fails the test when the child ends in any other way. Overwritten by the next call.
 */
const char *test_abort_text(void (*fn)(void *arg), void *arg);

/*
 * test_random - the same sequence in every run: xorshift from *state, which is not 0.
 */
static inline uint64_t test_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
