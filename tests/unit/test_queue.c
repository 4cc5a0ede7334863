/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_queue.c - who waits for a server connection, and whose turn it is.
 */
#include "base/err.h"
#include "base/mem.h"
#include "pool/account.h"
#include "pool/queue.h"
#include "tests/unit/test.h"

#define ANY UINT64_MAX

static struct account accounts[3] = {{.id = 1}, {.id = 2}, {.id = 3}};

static struct waiter waiter_of(uint64_t id, uint64_t nodes)
{
    return (struct waiter){.client_id = id, .nodes = nodes, .since_ms = 1000, .worker = 5};
}

/* The client whose turn it is for a node; 0 = nobody's. */
static uint64_t pop(struct wait_queue *q, unsigned node)
{
    struct waiter out;

    return queue_pop(q, node, 1000, &out) ? out.client_id : 0;
}

TEST(queue_empty_has_nobody)
{
    struct wait_queue q;
    struct waiter w = waiter_of(1, ANY);

    queue_init(&q, 10, 1000);
    assert_false(queue_has_waiters(&q));
    assert_int_equal(pop(&q, 0), 0);
    assert_false(queue_remove(&q, &w)); /* it never waited */
    queue_fini(&q);
}

TEST(queue_one_site_is_served_in_order)
{
    struct waiter w[4];
    struct wait_queue q;

    queue_init(&q, 10, 1000);
    for (unsigned i = 0; i < 4; i++) {
        w[i] = waiter_of(i + 1, ANY);
        assert_int_equal(queue_push(&q, &w[i], &accounts[0]), 0);
    }
    assert_true(queue_has_waiters(&q));
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pop(&q, 0), i + 1);
    }
    assert_false(queue_has_waiters(&q));
    assert_int_equal(pop(&q, 0), 0);
    queue_fini(&q);
}

TEST(queue_sites_take_turns)
{
    static const struct {
        uint64_t client;
        unsigned account;
    } pushed[] = {{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 1}, {6, 1}, {7, 2}};
    static const uint64_t order[] = {1, 5, 7, 2, 6, 3, 4};
    struct waiter w[ARRAY_SIZE(pushed)];
    struct wait_queue q;

    queue_init(&q, 10, 1000);
    for (size_t i = 0; i < ARRAY_SIZE(pushed); i++) {
        w[i] = waiter_of(pushed[i].client, ANY);
        assert_int_equal(queue_push(&q, &w[i], &accounts[pushed[i].account]), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        assert_int_equal(pop(&q, 3), order[i]);
    }
    queue_fini(&q);
}

TEST(queue_node_serves_only_who_can_use_it)
{
    struct waiter first = waiter_of(1, UINT64_C(1) << 2);
    struct waiter second = waiter_of(2, UINT64_C(1) << 63);
    struct waiter other = waiter_of(3, UINT64_C(1) << 2 | UINT64_C(1) << 63);
    struct wait_queue q;

    queue_init(&q, 10, 1000);
    assert_int_equal(queue_push(&q, &first, &accounts[0]), 0);
    assert_int_equal(queue_push(&q, &second, &accounts[0]), 0);
    assert_int_equal(queue_push(&q, &other, &accounts[1]), 0);
    assert_int_equal(pop(&q, 0), 0);
    assert_int_equal(queue_remove(&q, &other), true);
    assert_int_equal(pop(&q, 63), 2); /* in front of it somebody waits for another node */
    assert_int_equal(pop(&q, 63), 0);
    assert_int_equal(pop(&q, 2), 1);
    queue_fini(&q);
}

TEST(queue_site_that_cannot_use_the_node_keeps_its_turn)
{
    struct waiter a = waiter_of(1, UINT64_C(1) << 0);
    struct waiter b1 = waiter_of(2, ANY);
    struct waiter b2 = waiter_of(3, ANY);
    struct wait_queue q;

    queue_init(&q, 10, 1000);
    assert_int_equal(queue_push(&q, &a, &accounts[0]), 0);
    assert_int_equal(queue_push(&q, &b1, &accounts[1]), 0);
    assert_int_equal(queue_push(&q, &b2, &accounts[1]), 0);
    assert_int_equal(pop(&q, 1), 2);
    assert_int_equal(pop(&q, 0), 1);
    assert_int_equal(pop(&q, 0), 3);
    queue_fini(&q);
}

TEST(queue_full_refuses_and_does_not_keep_the_waiter)
{
    struct waiter w[3] = {waiter_of(1, ANY), waiter_of(2, ANY), waiter_of(3, ANY)};
    struct wait_queue q;

    queue_init(&q, 2, 1000);
    assert_int_equal(queue_push(&q, &w[0], &accounts[0]), 0);
    assert_int_equal(queue_push(&q, &w[1], &accounts[1]), 0);
    assert_int_equal(queue_push(&q, &w[2], &accounts[2]), ERR_POOL_FULL);
    assert_false(queue_remove(&q, &w[2]));
    assert_int_equal(pop(&q, 0), 1);
    assert_int_equal(queue_push(&q, &w[2], &accounts[2]), 0); /* room again */
    assert_int_equal(pop(&q, 0), 2);
    assert_int_equal(pop(&q, 0), 3);
    queue_fini(&q);
}

TEST(queue_removed_waiter_is_never_served)
{
    struct waiter w[3] = {waiter_of(1, ANY), waiter_of(2, ANY), waiter_of(3, ANY)};
    struct wait_queue q;

    queue_init(&q, 10, 1000);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(queue_push(&q, &w[i], &accounts[0]), 0);
    }
    assert_true(queue_remove(&q, &w[1]));
    assert_false(queue_remove(&q, &w[1]));
    assert_int_equal(pop(&q, 0), 1);
    assert_false(queue_remove(&q, &w[0])); /* served meanwhile */
    assert_int_equal(pop(&q, 0), 3);
    assert_int_equal(pop(&q, 0), 0);
    assert_int_equal(queue_push(&q, &w[1], &accounts[0]), 0); /* and may wait again */
    assert_int_equal(pop(&q, 0), 2);
    queue_fini(&q);
    assert_int_equal(mem_blocks(MEM_POOL), 0);
}

TEST(queue_pop_tells_who_and_how_long)
{
    struct waiter w[2] = {waiter_of(77, UINT64_C(1) << 4), waiter_of(78, ANY)};
    struct waiter out;
    struct wait_queue q;

    queue_init(&q, 10, 1000);
    assert_int_equal(queue_push(&q, &w[0], &accounts[0]), 0);
    assert_int_equal(queue_push(&q, &w[1], &accounts[0]), 0);
    assert_true(queue_pop(&q, 4, 1250, &out));
    assert_int_equal(out.client_id, 77);
    assert_int_equal(out.worker, 5);
    assert_int_equal(out.since_ms, 1000);
    assert_int_equal(atomic_load(&q.longest_ms), 250);
    assert_true(queue_pop(&q, 4, 1100, &out));
    assert_int_equal(atomic_load(&q.longest_ms), 250); /* the longest since start */
    queue_fini(&q);
}

static void push_twice(void *arg)
{
    struct waiter w = waiter_of(1, ANY);

    (void)!queue_push(arg, &w, &accounts[0]);
    (void)!queue_push(arg, &w, &accounts[0]);
}

TEST(queue_waiting_twice_aborts)
{
    struct wait_queue q;

    queue_init(&q, 10, 1000);
    (void)test_abort_text(push_twice, &q);
    queue_fini(&q);
}

/* --- threads ---------------------------------------------------------------------------------- */

#define ROUNDS 2000
#define MINE   8

struct pusher {
    pthread_t thread;
    struct wait_queue *queue;
    unsigned number;
    uint64_t pushed, removed; /* sums of client ids */
};

static atomic_uint n_pushing;

static void *push_and_remove(void *arg)
{
    struct pusher *p = arg;
    struct waiter w[MINE] = {{.client_id = 0}};

    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct waiter *mine = &w[i % MINE];

        if (queue_remove(p->queue, mine)) {
            p->removed += mine->client_id;
        }
        *mine = waiter_of(p->number * ROUNDS + i + 1, ANY);
        if (queue_push(p->queue, mine, &accounts[p->number]) == 0) {
            p->pushed += mine->client_id;
        }
    }
    for (unsigned i = 0; i < MINE; i++) {
        if (queue_remove(p->queue, &w[i])) {
            p->removed += w[i].client_id;
        }
    }
    atomic_fetch_sub(&n_pushing, 1);
    return NULL;
}

TEST(queue_of_several_threads_loses_and_doubles_nobody)
{
    struct pusher pushers[2];
    struct wait_queue q;
    uint64_t popped = 0;
    uint64_t left = 0;

    queue_init(&q, 12, 1000);
    atomic_store(&n_pushing, 2);
    for (unsigned i = 0; i < 2; i++) {
        pushers[i] = (struct pusher){.queue = &q, .number = i};
        assert_int_equal(pthread_create(&pushers[i].thread, NULL, push_and_remove, &pushers[i]), 0);
    }
    while (atomic_load(&n_pushing) > 0) {
        popped += pop(&q, 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(pushers[i].thread, NULL), 0);
        left += pushers[i].pushed - pushers[i].removed;
    }
    assert_int_equal(popped, left);
    assert_false(queue_has_waiters(&q));
    queue_fini(&q);
}

TEST(queue_is_bounded_in_bytes)
{
    struct wait_queue q;
    struct account *account = (struct account *)&q; /* only its address counts */
    struct waiter big = {.nodes = 1, .bytes = 900}, small = {.nodes = 1, .bytes = 101}, out;

    queue_init(&q, 10, 1000);
    assert_int_equal(queue_push(&q, &big, account), 0);
    assert_int_equal(queue_push(&q, &small, account), ERR_POOL_FULL);
    assert_int_equal(atomic_load(&q.n_bytes), 900);
    assert_true(queue_pop(&q, 0, 0, &out));
    assert_int_equal(atomic_load(&q.n_bytes), 0);
    assert_int_equal(queue_push(&q, &small, account), 0);
    assert_true(queue_remove(&q, &small));
    assert_int_equal(atomic_load(&q.n_bytes), 0);
    queue_fini(&q);
}
