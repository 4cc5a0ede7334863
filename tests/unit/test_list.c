/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_list.c - the intrusive list.
 */
#include "base/list.h"
#include "tests/unit/test.h"

struct item {
    int number;
    struct list_node node;
};

static int number_of(struct list_node *node)
{
    return node == NULL ? -1 : CONTAINER_OF(node, struct item, node)->number;
}

TEST(list_empty_gives_null)
{
    struct list list;

    list_init(&list);
    assert_true(list_is_empty(&list));
    assert_null(list_front(&list));
    assert_null(list_back(&list));
    assert_null(list_pop_front(&list));
}

TEST(list_push_and_pop_keep_the_order)
{
    struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct list list;
    int expected = 0;

    list_init(&list);
    list_push_back(&list, &items[1].node);
    list_push_back(&list, &items[2].node);
    list_push_front(&list, &items[0].node);
    assert_int_equal(list.count, 3);
    assert_int_equal(number_of(list_front(&list)), 0);
    assert_int_equal(number_of(list_back(&list)), 2);
    LIST_FOREACH (it, &list) {
        assert_int_equal(number_of(it), expected++);
    }
    assert_int_equal(expected, 3);
    for (expected = 0; expected < 3; expected++) {
        assert_int_equal(number_of(list_pop_front(&list)), expected);
        assert_false(list_is_linked(&items[expected].node));
    }
    assert_true(list_is_empty(&list));
}

TEST(list_foreach_safe_may_unlink)
{
    struct item items[10] = {{.number = 0}};
    struct list list;

    list_init(&list);
    for (int i = 0; i < 10; i++) {
        items[i].number = i;
        list_push_back(&list, &items[i].node);
    }
    LIST_FOREACH_SAFE (it, next, &list) {
        if (number_of(it) % 2 == 0) {
            list_remove(&list, it);
        }
    }
    assert_int_equal(list.count, 5);
    LIST_FOREACH (it, &list) {
        assert_int_equal(number_of(it) % 2, 1);
    }
}

static void push_twice(void *arg)
{
    struct item item = {.number = 0};

    list_push_back(arg, &item.node);
    list_push_back(arg, &item.node);
}

static void remove_unlinked(void *arg)
{
    struct item item = {.number = 0};

    list_remove(arg, &item.node);
}

static void remove_from_another(void *arg)
{
    struct item item = {.number = 0};
    struct list another;

    list_init(&another);
    list_push_back(arg, &item.node);
    list_remove(&another, &item.node);
}

TEST(list_misuse_aborts)
{
    struct list list;

    list_init(&list);
    (void)test_abort_text(push_twice, &list);
    (void)test_abort_text(remove_unlinked, &list);
    (void)test_abort_text(remove_from_another, &list);
}
