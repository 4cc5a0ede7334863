/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_collation.c - collation numbers of a login.
 */
#include "protocol/collation.h"
#include "tests/unit/test.h"

static void check(uint8_t id, const char *charset, const char *name, bool is_default)
{
    const struct collation *c = collation_by_id(id);

    assert_non_null(c);
    assert_string_equal(c->charset, charset);
    assert_string_equal(c->name, name);
    assert_int_equal(c->is_default, is_default);
}

TEST(collation_numbers_that_clients_send_are_known)
{
    check(8, "latin1", "latin1_swedish_ci", true);
    check(33, "utf8mb3", "utf8mb3_general_ci", true); /* mysqlnd's utf8 */
    check(45, "utf8mb4", "utf8mb4_general_ci", true);
    check(46, "utf8mb4", "utf8mb4_bin", false);
    check(63, "binary", "binary", true);
    check(224, "utf8mb4", "utf8mb4_unicode_ci", false);
    check(246, "utf8mb4", "utf8mb4_unicode_520_ci", false);
}

TEST(collation_numbers_of_other_servers_are_not)
{
    static const uint8_t unknown[] = {0, 17, 76, 100, 125, 127, 152, 255}; /* 255: MySQL 8's */

    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
        assert_null(collation_by_id(unknown[i]));
    }
}

/* A name starts with its charset; a charset has one default; a name stands once. */
TEST(collation_table_is_consistent)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 256; i++) {
        const struct collation *c = collation_by_id((uint8_t)i);
        unsigned defaults = 0;

        if (c == NULL) {
            continue;
        }
        n++;
        assert_memory_equal(c->name, c->charset, strlen(c->charset));
        for (unsigned j = 0; j < 256; j++) {
            const struct collation *other = collation_by_id((uint8_t)j);

            if (other == NULL) {
                continue;
            }
            assert_true(i == j || strcmp(c->name, other->name) != 0);
            if (strcmp(c->charset, other->charset) == 0) {
                defaults += other->is_default ? 1 : 0;
            }
        }
        assert_int_equal(defaults, 1);
    }
    assert_true(n > 200);
}
