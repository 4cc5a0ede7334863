/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_node.c - nodes, hostgroups and roles made of a configuration; limits and failures of a node.
 */
#include <stdio.h>

#include "base/mem.h"
#include "pool/node.h"
#include "protocol/caps.h"
#include "tests/unit/conf_made.h"
#include "tests/unit/test.h"

/* Sockets as addresses: nothing is asked of a name server. */
static struct topology *topology_of(struct nodes *nodes, struct conf_server *servers, size_t n,
                                    struct conf_galera *galera, size_t n_galera)
{
    struct conf conf = {.servers = servers, .n_servers = n, .galera = galera, .n_galera = n_galera};
    struct faults faults = {0};
    struct topology *t = topology_new(nodes, &conf, &faults);

    assert_non_null(t);
    assert_int_equal(faults.count, 0);
    faults_fini(&faults);
    return t;
}

static void assert_members(const struct hostgroup *group, const char *const *addresses, size_t n)
{
    assert_non_null(group);
    assert_int_equal(group->n, n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(group->members[i].node->address, addresses[i]);
    }
}

TEST(node_hostgroup_without_galera_has_no_split)
{
    struct conf_server *servers =
        (struct conf_server[]){server_of(1, "/a", 1), server_of(1, "/b", 1)};
    struct nodes nodes;
    struct topology *t;
    const struct role_set *roles;

    nodes_init(&nodes);
    t = topology_of(&nodes, servers, 2, NULL, 0);
    roles = topology_roles(t, 1);
    assert_non_null(roles);
    assert_int_equal(roles->writer_hostgroup, 1);
    assert_int_equal(roles->reader_hostgroup, 1);
    assert_null(roles->readers);
    assert_members(roles->writers, (const char *const[]){"/a", "/b"}, 2);
    assert_true(roles->max_writers >= 2);
    assert_null(topology_roles(t, 2));
    topology_free(t);
    nodes_fini(&nodes);
    assert_int_equal(mem_blocks(MEM_POOL), 0);
}

TEST(node_galera_row_gives_writers_and_readers)
{
    struct conf_server *servers =
        (struct conf_server[]){server_of(10, "/a", 1), server_of(12, "/b", 1),
                               server_of(12, "/a", 1), server_of(20, "/c", 1)};
    struct conf_galera galera[] = {
        {.writer_hostgroup = 10,
         .reader_hostgroup = 12,
         .active = true,
         .max_writers = 2,
         .writer_is_also_reader = 1},
        {.writer_hostgroup = 20, .reader_hostgroup = 22, .max_writers = 1}};
    struct nodes nodes;
    struct topology *t;
    const struct role_set *roles;
    bool reads;

    nodes_init(&nodes);
    t = topology_of(&nodes, servers, 4, galera, 2);
    roles = topology_roles(t, 10);
    assert_int_equal(roles->reader_hostgroup, 12);
    assert_int_equal(roles->max_writers, 2);
    assert_int_equal(roles->writer_is_also_reader, 1);
    assert_members(roles->writers, (const char *const[]){"/a"}, 1);
    assert_members(roles->readers, (const char *const[]){"/b", "/a"}, 2); /* as in the file */
    assert_ptr_equal(roles->writers->members[0].node, roles->readers->members[1].node);
    assert_int_equal(atomic_load(&nodes.count), 3); /* a stands in two hostgroups */
    roles = topology_roles(t, 20);                  /* its row is not active */
    assert_int_equal(roles->reader_hostgroup, 20);
    assert_null(roles->readers);
    roles = topology_roles(t, 12); /* a user of the readers alone */
    assert_int_equal(roles->reader_hostgroup, 12);
    assert_int_equal(roles->writers->n, 2);
    assert_ptr_equal(topology_named(t, 12, &reads), topology_roles(t, 10)); /* a rule's word */
    assert_true(reads);
    assert_ptr_equal(topology_named(t, 20, &reads), topology_roles(t, 20));
    assert_false(reads);
    assert_null(topology_named(t, 22, &reads));
    topology_free(t);
    nodes_fini(&nodes);
}

TEST(node_reader_hostgroup_without_servers_is_null)
{
    struct conf_server *servers = (struct conf_server[]){server_of(10, "/a", 1)};
    struct conf_galera galera[] = {
        {.writer_hostgroup = 10, .reader_hostgroup = 12, .active = true, .max_writers = 1}};
    struct nodes nodes;
    struct topology *t;
    bool reads;

    nodes_init(&nodes);
    t = topology_of(&nodes, servers, 1, galera, 1);
    assert_null(topology_roles(t, 10)->readers);
    assert_int_equal(topology_roles(t, 10)->reader_hostgroup, 12);
    assert_ptr_equal(topology_named(t, 12, &reads), topology_roles(t, 10)); /* all the same */
    assert_true(reads);
    topology_free(t);
    nodes_fini(&nodes);
}

TEST(node_members_stand_by_weight_then_as_in_the_file)
{
    struct conf_server *servers = (struct conf_server[]){
        server_of(1, "/low", 1), server_of(1, "/first", 100), server_of(1, "/high", 1000),
        server_of(1, "/second", 100), server_of(1, "/third", 100)};
    struct nodes nodes;
    struct topology *t;

    nodes_init(&nodes);
    t = topology_of(&nodes, servers, 5, NULL, 0);
    assert_members(topology_roles(t, 1)->writers,
                   (const char *const[]){"/high", "/first", "/second", "/third", "/low"}, 5);
    topology_free(t);
    nodes_fini(&nodes);
}

TEST(node_lives_on_over_configurations)
{
    struct conf_server *first =
        (struct conf_server[]){server_of(1, "/a", 1), server_of(1, "/b", 1)};
    struct conf_server *second =
        (struct conf_server[]){server_of(1, "/c", 1), server_of(2, "/b", 7)};
    struct nodes nodes;
    struct topology *t;
    struct node *b;

    nodes_init(&nodes);
    t = topology_of(&nodes, first, 2, NULL, 0);
    b = topology_roles(t, 1)->writers->members[1].node;
    assert_false(node_reserve(
        b)); /* a configuration that is not in use limits nothing, and allows nothing */
    topology_use(&nodes, t);
    assert_true(node_reserve(b));
    topology_free(t);
    second[1].max_connections = 1;
    second[1].status = SERVER_OFFLINE_SOFT;
    t = topology_of(&nodes, second, 2, NULL, 0);
    assert_ptr_equal(topology_roles(t, 2)->writers->members[0].node, b);
    assert_int_equal(topology_roles(t, 2)->writers->members[0].weight, 7);
    assert_int_equal(topology_roles(t, 2)->writers->members[0].status, SERVER_OFFLINE_SOFT);
    assert_int_equal(b->index, 1);
    assert_int_equal(atomic_load(&b->shared.max_connections), 100);
    topology_use(&nodes, t);
    assert_false(node_reserve(b)); /* the new limit, the old count */
    node_unreserve(b);
    topology_free(t);
    nodes_fini(&nodes);
}

TEST(node_limit_is_the_highest_of_its_rows)
{
    struct conf_server *servers = (struct conf_server[]){
        server_of(1, "/a", 1), server_of(2, "/a", 1), server_of(3, "/a", 1), server_of(3, "/b", 1)};
    struct nodes nodes;
    struct topology *t;

    nodes_init(&nodes);
    servers[0].max_connections = 50;
    servers[1].max_connections = 2000;
    servers[1].status = SERVER_OFFLINE_HARD;
    servers[2].max_connections = 7;
    servers[3].status = SERVER_OFFLINE_HARD;
    t = topology_of(&nodes, servers, 4, NULL, 0);
    topology_use(&nodes, t);
    assert_int_equal(atomic_load(&nodes.items[0]->shared.max_connections), 50);
    assert_int_equal(atomic_load(&nodes.items[1]->shared.max_connections), 0);
    topology_free(t);
    nodes_fini(&nodes);
}

TEST(node_text_and_port_tell_nodes_apart)
{
    struct conf_server *servers =
        (struct conf_server[]){server_of(1, "127.0.0.1", 1), server_of(1, "127.0.0.1", 1),
                               server_of(1, "/run/db.sock", 1)};
    struct nodes nodes;
    struct topology *t;
    const struct member *m;

    servers[0].port = 3306;
    servers[1].port = 3307;
    nodes_init(&nodes);
    t = topology_of(&nodes, servers, 3, NULL, 0);
    m = topology_roles(t, 1)->writers->members;
    assert_string_equal(m[0].node->text, "127.0.0.1:3306");
    assert_string_equal(m[1].node->text, "127.0.0.1:3307");
    assert_string_equal(m[2].node->text, "/run/db.sock");
    assert_ptr_not_equal(m[0].node, m[1].node);
    assert_int_equal(m[0].node->sockaddr.ss_family, AF_INET);
    assert_int_equal(m[2].node->sockaddr.ss_family, AF_UNIX);
    topology_free(t);
    nodes_fini(&nodes);
}

TEST(node_that_cannot_be_resolved_warns_and_gets_no_traffic)
{
    char address[200];
    struct conf_server *servers = (struct conf_server[]){server_of(1, address, 1)};
    struct conf conf = {.servers = servers, .n_servers = 1};
    struct faults faults = {0};
    struct nodes nodes;
    struct topology *t;

    memset(address, '/', sizeof(address) - 1); /* longer than a socket's path may be */
    address[sizeof(address) - 1] = '\0';
    nodes_init(&nodes);
    t = topology_new(&nodes, &conf, &faults);
    assert_non_null(t);
    assert_int_equal(faults.count, 1);
    assert_int_equal(faults.errors, 0);
    assert_false(node_is_up(topology_roles(t, 1)->writers->members[0].node, 1000));
    faults_fini(&faults);
    topology_free(t);
    nodes_fini(&nodes);
}

TEST(node_number_is_limited)
{
    char addresses[NODES_MAX + 1][16];
    struct conf_server *servers = mem_new(MEM_OTHER, (NODES_MAX + 1) * sizeof(*servers));
    struct conf conf = {.servers = servers, .n_servers = NODES_MAX + 1};
    struct faults faults = {0};
    struct nodes nodes;
    struct topology *t;

    for (int i = 0; i <= NODES_MAX; i++) {
        (void)snprintf(addresses[i], sizeof(addresses[i]), "/node%d", i);
        servers[i] = server_of(1, addresses[i], 1);
    }
    nodes_init(&nodes);
    assert_null(topology_new(&nodes, &conf, &faults));
    assert_int_equal(faults.errors, 1);
    faults_fini(&faults);
    t = topology_of(&nodes, servers, NODES_MAX, NULL, 0); /* those that had room are known */
    assert_int_equal(topology_roles(t, 1)->writers->members[NODES_MAX - 1].node->index,
                     NODES_MAX - 1);
    topology_free(t);
    topology_free(NULL);
    nodes_fini(&nodes);
    mem_free(MEM_OTHER, servers);
    assert_int_equal(mem_blocks(MEM_POOL), 0);
}

/* --- up and down ------------------------------------------------------------------------------ */

TEST(node_failure_keeps_it_out_for_a_while_that_doubles)
{
    struct node node = {.is_resolved = true};
    uint64_t now = 5000;
    uint64_t before = 0;

    assert_true(node_is_up(&node, now));
    for (unsigned i = 0; i < 4; i++) {
        uint64_t out_ms = 0;

        node_failed(&node, now, 60000);
        while (!node_is_up(&node, now + out_ms)) {
            out_ms++;
        }
        assert_true(i == 0 ? out_ms > 0 : out_ms == 2 * before);
        before = out_ms;
        now += out_ms;
    }
}

TEST(node_failures_never_keep_it_out_longer_than_configured)
{
    struct node node = {.is_resolved = true};

    for (unsigned i = 0; i < 100; i++) { /* no shift beyond the width */
        node_failed(&node, 1000, 10000);
        assert_true(node_is_up(&node, 11000));
        assert_false(node_is_up(&node, 1000));
    }
    node_failed(&node, 20000, 0);
    assert_true(node_is_up(&node, 20000));
}

TEST(node_answer_ends_the_failure)
{
    struct node node = {.is_resolved = true};

    for (unsigned i = 0; i < 20; i++) {
        node_failed(&node, 1000, 10000);
    }
    node_answered(&node);
    assert_true(node_is_up(&node, 1000));
    node_failed(&node, 1000, 10000);
    assert_true(node_is_up(&node, 2000)); /* counted from the start again */
}

/* --- the limit of connections ----------------------------------------------------------------- */

TEST(node_reserve_stops_at_the_limit)
{
    struct node node = {.is_resolved = true};

    assert_false(node_reserve(&node));
    atomic_store(&node.shared.max_connections, 2);
    assert_true(node_reserve(&node));
    assert_true(node_reserve(&node));
    assert_false(node_reserve(&node));
    atomic_store(&node.shared.max_connections, 1); /* a new configuration allows less */
    node_unreserve(&node);
    assert_false(node_reserve(&node));
    node_unreserve(&node);
    assert_true(node_reserve(&node));
    node_unreserve(&node);
}

static void unreserve(void *node)
{
    node_unreserve(node);
}

TEST(node_unreserve_of_nothing_aborts)
{
    struct node node = {.is_resolved = true};

    (void)test_abort_text(unreserve, &node);
}

#define THREADS 4
#define LIMIT   3
#define ROUNDS  20000

static atomic_int n_held;
static atomic_bool is_beyond;

static void *reserve_and_give_back(void *arg)
{
    struct node *node = arg;
    uintptr_t got = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (node_reserve(node)) {
            if (atomic_fetch_add(&n_held, 1) >= LIMIT) {
                atomic_store(&is_beyond, true);
            }
            got++;
            atomic_fetch_sub(&n_held, 1);
            node_unreserve(node);
        }
    }
    return (void *)got; /* NOLINT(performance-no-int-to-ptr) */
}

TEST(node_limit_is_exact_over_threads)
{
    struct node node = {.is_resolved = true};
    pthread_t threads[THREADS];
    uintptr_t got = 0;

    atomic_store(&node.shared.max_connections, LIMIT);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, reserve_and_give_back, &node), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *result;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        got += (uintptr_t)result;
    }
    assert_false(atomic_load(&is_beyond));
    assert_true(got > 0);
    assert_int_equal(atomic_load(&node.shared.n_connections), 0);
}

TEST(node_writes_are_noted_now_and_then)
{
    struct nodes nodes;

    nodes_init(&nodes);
    nodes_wrote(&nodes, 1000000);
    nodes_wrote(&nodes, 1000000 + NODES_WROTE_US);
    assert_int_equal(atomic_load(&nodes.written_us), 1000000);
    nodes_wrote(&nodes, 900000); /* the clock of another thread */
    assert_int_equal(atomic_load(&nodes.written_us), 1000000);
    nodes_wrote(&nodes, 1000001 + NODES_WROTE_US);
    assert_int_equal(atomic_load(&nodes.written_us), 1000001 + NODES_WROTE_US);
    nodes_fini(&nodes);
}

TEST(node_caps_are_what_all_that_were_seen_offer)
{
    struct conf_server servers[] = {server_of(1, "/a", 1), server_of(1, "/b", 1),
                                    server_of(1, "/c", 1)};
    struct nodes nodes;
    struct topology *t;

    nodes_init(&nodes);
    t = topology_of(&nodes, servers, 3, NULL, 0);
    topology_use(&nodes, t);
    assert_true(nodes_caps(&nodes) == 0);
    node_offers(nodes.items[0], CAPS_OF_NODES | CAPS_SERVED);
    assert_true(nodes_caps(&nodes) == CAPS_OF_NODES);
    node_offers(nodes.items[1], CAPS_OF_NODES & ~CAP_STMT_BULK);
    assert_true(nodes_caps(&nodes) == (CAPS_OF_NODES & ~CAP_STMT_BULK));
    node_offers(nodes.items[1], 0); /* a check on an open connection */
    assert_true(nodes_caps(&nodes) == (CAPS_OF_NODES & ~CAP_STMT_BULK));
    node_offers(nodes.items[2], CAP_LONG_PASSWORD);
    assert_true(nodes_caps(&nodes) == 0);
    servers[2].status = SERVER_OFFLINE_SOFT; /* it takes no statements */
    topology_free(t);
    t = topology_of(&nodes, servers, 3, NULL, 0);
    topology_use(&nodes, t);
    assert_true(nodes_caps(&nodes) == (CAPS_OF_NODES & ~CAP_STMT_BULK));
    topology_free(t);
    t = topology_of(&nodes, servers, 1, NULL, 0);
    topology_use(&nodes, t);
    assert_true(nodes_caps(&nodes) == CAPS_OF_NODES);
    topology_free(t);
    nodes_fini(&nodes);
    assert_int_equal(mem_blocks(MEM_POOL), 0);
}
