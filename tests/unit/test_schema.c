/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_schema.c - interned schemas of accounts.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "pool/account.h"
#include "pool/schema.h"
#include "tests/unit/test.h"

TEST(schema_one_entry_for_account_and_name)
{
    struct account a = {.id = 1};
    struct account b = {.id = 2};
    struct schemas t;
    struct schema *x;

    schemas_init(&t);
    x = schema_get(&t, &a, SLICE("wp_1"));
    assert_non_null(x);
    assert_ptr_equal(x->account, &a);
    assert_true(slice_eq(x->name, SLICE("wp_1")));
    assert_int_equal(x->known_until_ms, 0); /* no node was asked yet */
    assert_ptr_equal(schema_get(&t, &a, SLICE("wp_1")), x);
    assert_ptr_not_equal(schema_get(&t, &b, SLICE("wp_1")), x);
    assert_ptr_not_equal(schema_get(&t, &a, SLICE("WP_1")), x); /* the node's case rules differ */
    assert_ptr_not_equal(schema_get(&t, &a, SLICE("wp_")), x);
    assert_ptr_not_equal(schema_get(&t, &a, SLICE("wp_1\0")), x);
    assert_int_equal(t.by_key.count, 5);
    schemas_fini(&t);
}

TEST(schema_name_is_copied)
{
    struct account a = {.id = 1};
    struct slice abc = SLICE("abc");
    char *name = malloc(abc.len); /* not terminated */
    struct schemas t;
    struct schema *x;

    assert_non_null(name);
    memcpy(name, abc.data, abc.len);
    schemas_init(&t);
    x = schema_get(&t, &a, (struct slice){name, 3});
    memset(name, 'x', 3);
    free(name);
    assert_true(slice_eq(x->name, SLICE("abc")));
    assert_string_equal(x->name.data, "abc"); /* terminated, for log lines */
    schemas_fini(&t);
}

TEST(schema_hash_is_the_same_in_all_workers)
{
    struct account a = {.id = 1};
    struct account b = {.id = 2};
    struct schemas one;
    struct schemas two;
    uint32_t hash;

    schemas_init(&one);
    schemas_init(&two);
    hash = schema_get(&one, &a, SLICE("shop"))->hash;
    assert_int_equal(schema_get(&two, &a, SLICE("shop"))->hash, hash);
    assert_int_equal(schema_get(&two, &b, SLICE("shop"))->hash, hash); /* of the name only */
    assert_int_not_equal(schema_get(&two, &a, SLICE("shop2"))->hash, hash);
    schemas_fini(&one);
    schemas_fini(&two);
}

TEST(schema_name_beyond_the_limit_is_refused)
{
    struct account a = {.id = 1};
    char *name = malloc(SCHEMA_NAME_MAX + 1);
    struct schemas t;

    assert_non_null(name);
    memset(name, 's', SCHEMA_NAME_MAX + 1);
    schemas_init(&t);
    assert_null(schema_get(&t, &a, (struct slice){name, SCHEMA_NAME_MAX + 1}));
    assert_null(schema_get(&t, &a, SLICE("")));
    assert_int_equal(t.by_key.count, 0);
    assert_non_null(schema_get(&t, &a, (struct slice){name, SCHEMA_NAME_MAX}));
    schemas_fini(&t);
    free(name);
}

TEST(schema_without_memory_is_refused_and_found_later)
{
    struct account a = {.id = 1};
    struct schema *x = NULL;
    struct schemas t;
    unsigned n = 0;

    schemas_init(&t);
    while (x == NULL) {
        mem_fail_at(++n);
        x = schema_get(&t, &a, SLICE("wp_1"));
        mem_fail_at(0);
        assert_int_equal(t.by_key.count, x == NULL ? 0 : 1);
    }
    assert_true(n > 1);
    schemas_fini(&t);
    assert_int_equal(mem_blocks(MEM_POOL), 0);
}

TEST(schema_names_of_one_account_are_not_at_the_cost_of_others)
{
    struct account greedy = {.id = 1};
    struct account other = {.id = 2};
    struct schemas t;
    char name[16];

    schemas_init(&t);
    for (unsigned i = 0; i < SCHEMAS_OF_ONE; i++) {
        (void)snprintf(name, sizeof(name), "x%u", i);
        assert_non_null(schema_get(&t, &greedy, slice_of(name)));
    }
    assert_null(schema_get(&t, &greedy, SLICE("one_more")));
    assert_non_null(schema_get(&t, &greedy, SLICE("x7")));
    assert_non_null(schema_get(&t, &other, SLICE("one_more")));
    schemas_fini(&t);
    assert_int_equal(atomic_load(&greedy.n_schemas) + atomic_load(&other.n_schemas), 0);
}
