/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.h - a doubly linked list inside the objects, that knows its length.
 *
 * A zeroed node is in no list. A list must be initialised with list_init.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/base.h"

struct list_node {
    struct list_node *next; /* NULL = in no list */
    struct list_node *prev;
};

struct list {
    struct list_node head; /* a ring */
    size_t count;
};

static inline void list_init(struct list *list)
{
    list->head.next = list->head.prev = &list->head;
    list->count = 0;
}

static inline bool list_is_linked(const struct list_node *node)
{
    return node->next != NULL;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->count == 0;
}

static inline void list_insert_between(struct list *list, struct list_node *node,
                                       struct list_node *prev, struct list_node *next)
{
    CHECK(!list_is_linked(node));
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
    list->count++;
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_between(list, node, &list->head, list->head.next);
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_between(list, node, list->head.prev, &list->head);
}

static inline void list_remove(struct list *list, struct list_node *node)
{
    CHECK(list_is_linked(node) && list->count > 0);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
    list->count--;
}

/* list_front, list_back, list_pop_front - NULL when the list is empty. */
static inline struct list_node *list_front(const struct list *list)
{
    return list->count == 0 ? NULL : list->head.next;
}

static inline struct list_node *list_back(const struct list *list)
{
    return list->count == 0 ? NULL : list->head.prev;
}

static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list_front(list);

    if (node != NULL) {
        list_remove(list, node);
    }
    return node;
}

/* LIST_FOREACH - the body may not unlink `it`; LIST_FOREACH_SAFE's body may. */
#define LIST_FOREACH(it, list) \
    for (struct list_node *it = (list)->head.next; (it) != &(list)->head; (it) = (it)->next)
#define LIST_FOREACH_SAFE(it, tmp, list)                                                     \
    for (struct list_node *it = (list)->head.next, *tmp = (it)->next; (it) != &(list)->head; \
         (it) = (tmp), (tmp) = (tmp)->next)

#endif
