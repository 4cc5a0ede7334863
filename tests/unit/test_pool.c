/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pool.c - the end of a pool: who has a connection is told.
 */
#include "base/err.h"
#include "tests/unit/pool_scene.h"

/* What owns a connection and lives no longer than it: freed when it is told. */
struct holder {
    unsigned *n_told;
};

static void on_lost(struct server *s, int rc, const struct err *err)
{
    struct holder *holder = s->owner;

    assert_int_equal(rc, ERR_SHUTDOWN);
    assert_null(err);
    (*holder->n_told)++;
    mem_free(MEM_OTHER, holder);
}

static const struct server_events holder_events = {.on_lost = on_lost};

static struct server *hold(struct fixture *f, bool is_side, unsigned *n_told)
{
    struct want want = {.hostgroup = 10, .account = f->account[0], .is_side = is_side};
    struct holder *holder = mem_new(MEM_OTHER, sizeof(*holder));
    struct server *s;

    holder->n_told = n_told;
    s = server_open(&f->pool, f->nodes.items[0], &want, holder, &holder_events);
    assert_non_null(s);
    return s;
}

TEST(pool_close_tells_who_has_a_connection_that_is_no_clients)
{
    struct fixture f;
    unsigned n_told = 0;
    struct server *s;

    pool_scene_begin(&f, 0, 100);
    (void)hold(&f, false, &n_told); /* connecting */
    s = hold(&f, false, &n_told);
    server_connecting_ended(s);
    server_to(s, SERVER_LOGIN);
    s = hold(&f, false, &n_told);
    server_connecting_ended(s);
    server_to(s, SERVER_LOGIN);
    server_to(s, SERVER_LENT);
    (void)hold(&f, true, &n_told);
    pool_scene_end(&f);
    assert_int_equal(n_told, 4);
}

/* What a login with IGNORE_SPACE gave to sql_mode, SET sql_mode=DEFAULT takes away. */
TEST(pool_login_values_that_another_changed_are_gone)
{
    struct fixture f;
    unsigned n_told = 0;
    struct profile *ansi;
    struct want want;
    struct server *s;

    pool_scene_begin(&f, 0, 100);
    ansi = profile_with(&f.pool.profiles, f.pool.base_profile, VAR_SQL_MODE, SLICE("ANSI"));
    assert_non_null(ansi);
    s = hold(&f, false, &n_told);
    want = (struct want){.account = f.account[0], .profile = f.pool.base_profile, .fresh = true};
    s->caps = want.caps = CAP_IGNORE_SPACE;
    assert_true(pool_suits(s, &want));
    profile_unref(&f.pool.profiles, s->profile);
    s->profile = profile_ref(ansi);
    assert_false(pool_suits(s, &want));
    want.profile = ansi;
    assert_true(pool_suits(s, &want));
    want.profile = f.pool.base_profile;
    s->caps = want.caps = 0; /* a client without it */
    assert_true(pool_suits(s, &want));
    profile_unref(&f.pool.profiles, ansi);
    pool_scene_end(&f);
    assert_int_equal(n_told, 1);
}

/* Who came after a change of rights gets a connection that knows it, who was there keeps his. */
TEST(pool_login_that_is_older_than_a_change_of_rights_is_made_again)
{
    struct fixture f;
    unsigned n_told = 0;
    struct want want, later;
    struct server *s;
    void *holder, *owner = &n_told;

    pool_scene_begin(&f, 0, 100);
    want = (struct want){.account = f.account[0], .profile = f.pool.base_profile};
    later = want;
    s = hold(&f, false, &n_told);
    holder = s->owner;
    server_connecting_ended(s);
    server_to(s, SERVER_LOGIN);
    server_to(s, SERVER_LENT);
    s->n_expects = 0; /* as after its login */
    s->rights_us = 1000;
    later.rights_us = 1000;
    s->owner = NULL;
    pool_lend(s, &later, owner, &holder_events); /* it has them */
    assert_false(s->must_reset);
    later.rights_us = 1001;
    s->owner = NULL;
    pool_lend(s, &want, owner, &holder_events); /* its session began before */
    assert_false(s->must_reset);
    later.fresh = true;
    assert_false(pool_suits(s, &later));
    later.fresh = false;
    assert_true(pool_suits(s, &later));
    s->owner = NULL;
    pool_lend(s, &later, owner, &holder_events);
    assert_true(s->must_reset);
    s->owner = holder;
    pool_scene_end(&f);
    assert_int_equal(n_told, 1);
}

static unsigned n_served, depth, deepest;

static void give_back(struct pool *pool, struct server *s, uint64_t client_id)
{
    n_served++;
    depth++;
    deepest = MAX(deepest, depth);
    assert_int_equal(client_id, n_served);
    assert_int_equal(s->state, SERVER_LENT);
    pool_put(pool, s);
    depth--;
}

/* Within one another, each would take its part of the stack. */
TEST(pool_serves_who_waits_one_after_the_other)
{
    enum { WAITERS = 10 };

    struct fixture f;
    struct waiter waiters[WAITERS];
    unsigned n_told = 0;
    struct server *s;
    void *holder;

    n_served = depth = deepest = 0;
    pool_scene_begin(&f, 0, 100);
    f.pool.serve = give_back;
    s = hold(&f, false, &n_told);
    holder = s->owner;
    server_connecting_ended(s);
    server_to(s, SERVER_LOGIN);
    server_to(s, SERVER_LENT);
    s->n_expects = 0; /* as after its login */
    for (unsigned i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){.client_id = i + 1, .nodes = 1};
        assert_int_equal(queue_push(&f.queue, &waiters[i], f.account[0]), 0);
    }
    pool_put(&f.pool, s);
    assert_int_equal(n_served, WAITERS);
    assert_int_equal(deepest, 1);
    assert_int_equal(s->state, SERVER_FREE);
    mem_free(MEM_OTHER, holder);
    pool_scene_end(&f);
}
