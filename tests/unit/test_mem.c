/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_mem.c - counted memory and the allocation that fails on demand.
 */
#include "base/mem.h"
#include "tests/unit/test.h"

TEST(mem_new_is_zero_and_counted)
{
    unsigned char *block = mem_new(MEM_POOL, 100);

    for (int i = 0; i < 100; i++) {
        assert_int_equal(block[i], 0);
    }
    assert_true(mem_bytes(MEM_POOL) >= 100);
    assert_int_equal(mem_blocks(MEM_POOL), 1);
    assert_int_equal(mem_bytes(MEM_CLIENT), 0);
    mem_free(MEM_POOL, block);
    assert_int_equal(mem_bytes(MEM_POOL), 0);
    assert_int_equal(mem_blocks(MEM_POOL), 0);
}

TEST(mem_of_size_zero_is_a_block)
{
    void *a = mem_new(MEM_OTHER, 0);
    void *b = mem_try(MEM_OTHER, 0);

    assert_non_null(a);
    assert_non_null(b);
    mem_free(MEM_OTHER, a);
    mem_free(MEM_OTHER, b);
    mem_free(MEM_OTHER, NULL);
    assert_int_equal(mem_blocks(MEM_OTHER), 0);
}

TEST(mem_try_grow_keeps_bytes_and_counts)
{
    char *block = mem_try_grow(MEM_BUFFER, NULL, 10);
    uint64_t small;

    assert_non_null(block);
    memcpy(block, "123456789", 10);
    small = mem_bytes(MEM_BUFFER);
    block = mem_try_grow(MEM_BUFFER, block, 100000);
    assert_non_null(block);
    assert_string_equal(block, "123456789");
    assert_true(mem_bytes(MEM_BUFFER) >= 100000);
    assert_int_equal(mem_blocks(MEM_BUFFER), 1);
    block = mem_try_grow(MEM_BUFFER, block, 10);
    assert_non_null(block);
    assert_true(mem_bytes(MEM_BUFFER) < 1000 + small);
    mem_free(MEM_BUFFER, block);
    assert_int_equal(mem_bytes(MEM_BUFFER), 0);
}

TEST(mem_fail_at_fails_the_nth_try_once)
{
    void *block;

    mem_fail_at(2);
    block = mem_try(MEM_STMT, 10);
    assert_non_null(block);
    assert_null(mem_try_grow(MEM_STMT, block, 20));
    assert_int_equal(mem_failures(), 1);
    assert_int_equal(mem_blocks(MEM_STMT), 1);
    block = mem_try_grow(MEM_STMT, block, 20);
    assert_non_null(block);
    mem_free(MEM_STMT, block);

    mem_fail_at(1);
    assert_null(mem_try(MEM_STMT, 10));
    mem_fail_at(1);
    mem_fail_at(0);
    block = mem_try(MEM_STMT, 10);
    assert_non_null(block);
    mem_free(MEM_STMT, block);
    assert_int_equal(mem_failures(), 2);
}

TEST(mem_new_does_not_count_as_a_try)
{
    void *a;
    void *b;

    mem_fail_at(1);
    a = mem_new(MEM_CONF, 10);
    assert_null(mem_try(MEM_CONF, 10));
    b = mem_try(MEM_CONF, 10);
    mem_free(MEM_CONF, a);
    mem_free(MEM_CONF, b);
}

TEST(mem_copy_ends_with_zero)
{
    char *copy = mem_copy(MEM_CONF, (struct slice){"abcdef", 3});
    char *empty = mem_copy(MEM_CONF, (struct slice){NULL, 0});

    assert_string_equal(copy, "abc");
    assert_string_equal(empty, "");
    mem_free(MEM_CONF, copy);
    mem_free(MEM_CONF, empty);
}

TEST(mem_kinds_have_names)
{
    assert_string_equal(mem_kind_name(MEM_SERVER), "server_connections");
    for (enum mem_kind kind = 0; kind < MEM_KIND_COUNT; kind++) {
        assert_true(strlen(mem_kind_name(kind)) > 0);
    }
}

#ifndef SANITIZED /* there, such a size is an error of its own */
static void ask_for_too_much(void *arg)
{
    mem_free(MEM_CONF, mem_new(MEM_CONF, *(size_t *)arg));
}

TEST(mem_new_out_of_memory_ends_the_process)
{
    size_t size = SIZE_MAX / 4;
    const char *text = test_abort_text(ask_for_too_much, &size);

    assert_non_null(strstr(text, "out of memory"));
    assert_non_null(strstr(text, "configuration"));
    assert_null(mem_try(MEM_CONF, size));
    assert_int_equal(mem_failures(), 1);
}
#endif
