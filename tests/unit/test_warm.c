/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_warm.c - a node that comes back gets a few connections, like those that were used last.
 *
 * The nodes are listening sockets that say nothing: the connections stay in their logins.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "pool/warm.h"
#include "tests/unit/test.h"

#define N_NODES    3
#define N_ACCOUNTS 4

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): ordered by meaning */
struct fixture {
    uv_loop_t loop;
    struct stream_loop streams;
    struct stat_set stats;
    struct nodes nodes;
    struct wait_queue queue;
    struct conf *conf;
    struct topology *topology;
    struct accounts accounts;
    struct account *account[N_ACCOUNTS];
    atomic_uint schema_changes;
    struct pool pool;
    int listeners[N_NODES];
};

static uint16_t listen_on_any(int *fd)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);

    *fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(*fd, 32), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&in, &len), 0);
    return ntohs(in.sin_port);
}

/* limit: of connections to the last node. */
static void load(struct fixture *f, unsigned min_idle, unsigned limit)
{
    struct faults faults = {0};
    char text[2000];
    int n = snprintf(text, sizeof(text), "mysql_variables={min_idle_per_node=%u}\nmysql_users=(",
                     min_idle);

    for (unsigned i = 0; i < N_ACCOUNTS; i++) {
        n += snprintf(text + n, sizeof(text) - (size_t)n,
                      "%s{username=\"u%u\";password=\"p\";default_hostgroup=10}", i == 0 ? "" : ",",
                      i);
    }
    n += snprintf(text + n, sizeof(text) - (size_t)n, ")\nmysql_servers=(");
    for (unsigned i = 0; i < N_NODES; i++) {
        n += snprintf(text + n, sizeof(text) - (size_t)n,
                      "%s{address=\"127.0.0.1\";port=%u;hostgroup=10;max_connections=%u}",
                      i == 0 ? "" : ",", listen_on_any(&f->listeners[i]),
                      i == N_NODES - 1 ? limit : 100);
    }
    (void)snprintf(text + n, sizeof(text) - (size_t)n, ")\n");
    assert_int_equal(conf_load_text(&f->conf, "test", slice_of(text), &faults), 0);
    f->topology = topology_new(&f->nodes, f->conf, &faults);
    assert_non_null(f->topology);
    topology_use(&f->nodes, f->topology);
    faults_fini(&faults);
}

static void begin(struct fixture *f, unsigned min_idle, unsigned limit)
{
    *f = (struct fixture){0};
    atomic_store(&log_level_now, LOG_ERROR);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    stream_loop_init(&f->streams, &f->loop);
    nodes_init(&f->nodes);
    queue_init(&f->queue, 10, 1000);
    accounts_init(&f->accounts);
    load(f, min_idle, limit);
    assert_int_equal(accounts_load(&f->accounts, f->conf), 0);
    pool_init(&f->pool, 0);
    f->pool.streams = &f->streams;
    f->pool.stats = &f->stats;
    f->pool.conf = f->conf;
    f->pool.nodes = &f->nodes;
    f->pool.queue = &f->queue;
    f->pool.schema_changes = &f->schema_changes;
    for (unsigned i = 0; i < N_ACCOUNTS; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "u%u", i);
        f->account[i] = account_find(&f->accounts, slice_of(name));
        assert_non_null(f->account[i]);
    }
}

static void end(struct fixture *f)
{
    pool_close(&f->pool);
    while (!pool_is_empty(&f->pool)) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    pool_fini(&f->pool);
    stream_loop_fini(&f->streams);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    queue_fini(&f->queue);
    accounts_fini(&f->accounts);
    topology_free(f->topology);
    nodes_fini(&f->nodes);
    conf_unref(f->conf);
    for (unsigned i = 0; i < N_NODES; i++) {
        (void)close(f->listeners[i]);
    }
}

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

    begin(&f, 2, 100);
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
    end(&f);
}

TEST(warm_a_node_that_gets_a_role_again_is_one_that_comes_back)
{
    struct fixture f;

    begin(&f, 1, 100);
    use_others(&f);
    set_role_drain(&f, 2, DRAIN_SOFT);
    set_health(&f, 2, HEALTH_DOWN);
    set_health(&f, 2, HEALTH_UP); /* it joins: nothing is sent to it yet */
    assert_int_equal(n_open(&f, 2, -1), 0);
    set_role_drain(&f, 2, DRAIN_NONE);
    assert_int_equal(n_open(&f, 2, 3), 1);
    assert_int_equal(n_open(&f, 2, -1), 1);
    end(&f);
}

TEST(warm_one_that_was_only_suspected_has_its_connections)
{
    struct fixture f;

    begin(&f, 2, 100);
    use_others(&f);
    pool_warm_returned(&f.pool); /* the first look only looks */
    set_health(&f, 2, HEALTH_SUSPECT);
    set_health(&f, 2, HEALTH_UP);
    assert_int_equal(n_open(&f, 2, -1), 0);
    end(&f);
}

TEST(warm_never_beyond_the_limits)
{
    struct fixture f;

    begin(&f, 4, 2);
    use_others(&f);
    set_health(&f, 2, HEALTH_DOWN);
    set_health(&f, 2, HEALTH_UP);
    assert_int_equal(n_open(&f, 2, -1), 2); /* max_connections */
    assert_int_equal(atomic_load(&f.nodes.items[2]->shared.n_connections), 2);
    use(&f, 0, 0, 500); /* this one has connections: only what is missing to the minimum comes */
    set_health(&f, 0, HEALTH_DOWN);
    set_health(&f, 0, HEALTH_UP);
    assert_int_equal(n_open(&f, 0, -1), 4);
    end(&f);
}

TEST(warm_nothing_without_a_minimum_or_without_others)
{
    struct fixture f;

    begin(&f, 0, 100);
    use_others(&f);
    set_health(&f, 2, HEALTH_DOWN);
    set_health(&f, 2, HEALTH_UP);
    assert_int_equal(n_open(&f, 2, -1), 0);
    end(&f);
    begin(&f, 2, 100);
    set_health(&f, 2, HEALTH_DOWN);
    set_health(&f, 2, HEALTH_UP);
    assert_int_equal(n_open(&f, 2, -1), 0);
    end(&f);
}
