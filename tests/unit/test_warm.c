/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_warm.c - a node that comes back gets a few connections, like those that were used last.
 */
#include "pool/warm.h"
#include "tests/unit/pool_scene.h"

/* A connection that was used at this time, as if its login had ended. */
static void use(struct fixture *f, unsigned node, unsigned account, uint64_t at_ms)
{
    struct want want = {.hostgroup = 10, .account = f->account[account]};
    struct server *s = server_open(&f->pool, f->nodes.items[node], &want, NULL, NULL);

    assert_non_null(s);
    server_connecting_ended(s);
    server_to(s, SERVER_LOGIN);
    f->pool.now_ms = at_ms;
    server_to(s, SERVER_LENT);
}

static unsigned n_open(const struct fixture *f, unsigned node, int account)
{
    unsigned n = 0;

    LIST_FOREACH (it, &f->pool.all) {
        const struct server *s = CONTAINER_OF(it, struct server, in_all);

        n += s->node->index == node && (account < 0 || s->account == f->account[account]) ? 1 : 0;
    }
    return n;
}

static void set_health(struct fixture *f, unsigned node, enum node_health health)
{
    atomic_store(&f->nodes.items[node]->shared.health, (unsigned)health);
    pool_warm_returned(&f->pool);
}

static void set_role_drain(struct fixture *f, unsigned node, enum node_drain drain)
{
    atomic_store(&f->nodes.items[node]->shared.role_drain, (unsigned)drain);
    pool_warm_returned(&f->pool);
}

/* Node 2 has none, the others have of all accounts: those of 3 and 1 were used last. */
static void use_others(struct fixture *f)
{
    use(f, 0, 0, 100);
    use(f, 1, 1, 300);
    use(f, 0, 2, 200);
    use(f, 1, 3, 400);
}

TEST(warm_a_node_that_comes_back_gets_what_was_used_last_elsewhere)
{
    struct fixture f;

    pool_scene_begin(&f, 2, 100);
    use_others(&f);
    set_health(&f, 2, HEALTH_DOWN);
    assert_int_equal(n_open(&f, 2, -1), 0);
    set_health(&f, 2, HEALTH_UP);
    assert_int_equal(n_open(&f, 2, -1), 2);
    assert_int_equal(n_open(&f, 2, 3), 1);
    assert_int_equal(n_open(&f, 2, 1), 1);
    pool_warm_returned(&f.pool); /* once */
    assert_int_equal(n_open(&f, 2, -1), 2);
    assert_int_equal(n_open(&f, 0, -1) + n_open(&f, 1, -1), 4);
    pool_scene_end(&f);
}

TEST(warm_a_node_that_gets_a_role_again_is_one_that_comes_back)
{
    struct fixture f;

    pool_scene_begin(&f, 1, 100);
    use_others(&f);
    set_role_drain(&f, 2, DRAIN_SOFT);
    set_health(&f, 2, HEALTH_DOWN);
    set_health(&f, 2, HEALTH_UP); /* it joins: nothing is sent to it yet */
    assert_int_equal(n_open(&f, 2, -1), 0);
    set_role_drain(&f, 2, DRAIN_NONE);
    assert_int_equal(n_open(&f, 2, 3), 1);
    assert_int_equal(n_open(&f, 2, -1), 1);
    pool_scene_end(&f);
}

TEST(warm_one_that_was_only_suspected_has_its_connections)
{
    struct fixture f;

    pool_scene_begin(&f, 2, 100);
    use_others(&f);
    pool_warm_returned(&f.pool); /* the first look only looks */
    set_health(&f, 2, HEALTH_SUSPECT);
    set_health(&f, 2, HEALTH_UP);
    assert_int_equal(n_open(&f, 2, -1), 0);
    pool_scene_end(&f);
}

TEST(warm_never_beyond_the_limits)
{
    struct fixture f;

    pool_scene_begin(&f, 4, 2);
    use_others(&f);
    set_health(&f, 2, HEALTH_DOWN);
    set_health(&f, 2, HEALTH_UP);
    assert_int_equal(n_open(&f, 2, -1), 2); /* max_connections */
    assert_int_equal(atomic_load(&f.nodes.items[2]->shared.n_connections), 2);
    use(&f, 0, 0, 500); /* this one has connections: only what is missing to the minimum comes */
    set_health(&f, 0, HEALTH_DOWN);
    set_health(&f, 0, HEALTH_UP);
    assert_int_equal(n_open(&f, 0, -1), 4);
    pool_scene_end(&f);
}

TEST(warm_nothing_without_a_minimum_or_without_others)
{
    struct fixture f;

    pool_scene_begin(&f, 0, 100);
    use_others(&f);
    set_health(&f, 2, HEALTH_DOWN);
    set_health(&f, 2, HEALTH_UP);
    assert_int_equal(n_open(&f, 2, -1), 0);
    pool_scene_end(&f);
    pool_scene_begin(&f, 2, 100);
    set_health(&f, 2, HEALTH_DOWN);
    set_health(&f, 2, HEALTH_UP);
    assert_int_equal(n_open(&f, 2, -1), 0);
    pool_scene_end(&f);
}
