/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cluster.c - clusters: which nodes belong to one, and the roles that all threads see.
 */
#include "base/mem.h"
#include "pool/cluster.h"
#include "pool/roles.h"
#include "tests/unit/conf_made.h"
#include "tests/unit/test.h"

/* Sockets as addresses: nothing is asked of a name server. */
static struct topology *topology_of(struct nodes *nodes, const struct conf *conf)
{
    struct faults faults = {0};
    struct topology *t = topology_new(nodes, conf, &faults);

    assert_non_null(t);
    assert_int_equal(faults.count, 0);
    faults_fini(&faults);
    return t;
}

/* node is NULL when it is not in the group. */
static struct member member_of(const struct hostgroup *group, const char *address)
{
    for (size_t i = 0; i < group->n; i++) {
        if (strcmp(group->members[i].node->address, address) == 0) {
            return group->members[i];
        }
    }
    return (struct member){.node = NULL};
}

/* --- roles that are published ----------------------------------------------------------------- */

TEST(cluster_get_gives_each_writer_hostgroup_its_own_for_good)
{
    struct nodes nodes;
    const struct cluster *ten, *twenty;

    nodes_init(&nodes);
    ten = cluster_get(&nodes, 10);
    twenty = cluster_get(&nodes, 20);
    assert_non_null(ten);
    assert_ptr_not_equal(ten, twenty);
    assert_ptr_equal(cluster_get(&nodes, 10), ten);
    assert_int_equal(ten->writer_hostgroup, 10);
    assert_false(atomic_load(&ten->shared.is_decided));
    assert_int_equal(atomic_load(&nodes.n_clusters), 2);
    nodes_fini(&nodes);
}

TEST(cluster_get_beyond_the_limit_is_null)
{
    struct nodes nodes;

    nodes_init(&nodes);
    for (int i = 0; i < CLUSTERS_MAX; i++) {
        assert_non_null(cluster_get(&nodes, i));
    }
    assert_null(cluster_get(&nodes, CLUSTERS_MAX));
    assert_non_null(cluster_get(&nodes, CLUSTERS_MAX - 1));
    nodes_fini(&nodes);
}

TEST(cluster_publish_shows_the_roles_and_counts_changes)
{
    const struct roles roles = {.writers = 1, .backups = 6, .readers = 7, .offline = 8};
    struct cluster c = {.writer_hostgroup = 10};

    cluster_publish(&c, &roles, false);
    assert_true(atomic_load(&c.shared.is_decided));
    assert_int_equal(atomic_load(&c.shared.writers), 1);
    assert_int_equal(atomic_load(&c.shared.backups), 6);
    assert_int_equal(atomic_load(&c.shared.readers), 7);
    assert_int_equal(atomic_load(&c.shared.offline), 8);
    assert_int_equal(atomic_load(&c.shared.version), 1);
    cluster_publish(&c, &roles, false);
    assert_int_equal(atomic_load(&c.shared.version), 1); /* nothing new */
    cluster_publish(&c, &roles, true);
    assert_int_equal(atomic_load(&c.shared.version), 2);
    assert_int_equal(atomic_load(&c.shared.writers), 0); /* nobody writes during a switch */
    assert_int_equal(atomic_load(&c.shared.readers), 7);
    cluster_unpublish(&c);
    assert_false(atomic_load(&c.shared.is_decided));
    assert_int_equal(atomic_load(&c.shared.version), 3);
    cluster_unpublish(&c);
    assert_int_equal(atomic_load(&c.shared.version), 3);
    cluster_publish(&c, &roles, true); /* the same masks, but they count again */
    assert_int_equal(atomic_load(&c.shared.version), 4);
}

TEST(cluster_with_no_node_left_is_decided)
{
    const struct roles roles = {.offline = 7};
    struct cluster c = {.writer_hostgroup = 10};

    cluster_publish(&c, &roles, false);
    assert_true(atomic_load(&c.shared.is_decided));
    assert_int_equal(atomic_load(&c.shared.version), 1);
}

/* --- whose nodes ------------------------------------------------------------------------------ */

#define GALERA                                                                                \
    {                                                                                         \
        .writer_hostgroup = 10, .backup_writer_hostgroup = 11, .reader_hostgroup = 12,        \
        .offline_hostgroup = 13, .active = true, .max_writers = 2, .writer_is_also_reader = 1 \
    }

TEST(cluster_of_galera_has_the_nodes_of_all_four_hostgroups)
{
    struct conf_server *servers = (struct conf_server[]){
        server_of(12, "/a", 1),  server_of(10, "/a", 900), server_of(11, "/b", 50),
        server_of(13, "/c", 60), server_of(12, "/d", 70),  server_of(99, "/e", 80)};
    struct conf_galera galera[] = {GALERA};
    const struct conf conf = {.servers = servers, .n_servers = 6, .galera = galera, .n_galera = 1};
    struct nodes nodes;
    struct topology *t;
    const struct role_set *roles;

    nodes_init(&nodes);
    t = topology_of(&nodes, &conf);
    roles = topology_roles(t, 10);
    assert_ptr_equal(roles->cluster, cluster_get(&nodes, 10));
    assert_int_equal(roles->part, PART_WHOLE);
    assert_int_equal(roles->to_write->n, 4);
    assert_int_equal(roles->to_read->n, 4);
    assert_int_equal(member_of(roles->to_write, "/a").weight, 900); /* where it is listed first */
    assert_int_equal(member_of(roles->to_read, "/a").weight, 1);
    assert_int_equal(member_of(roles->to_write, "/c").weight, 60);
    assert_int_equal(member_of(roles->to_read, "/b").weight, 50);
    assert_null(member_of(roles->to_write, "/e").node);
    for (size_t i = 1; i < 4; i++) {
        assert_true(roles->to_read->members[i - 1].weight >= roles->to_read->members[i].weight);
    }
    assert_int_equal(roles->writers->n, 1); /* as configured */
    assert_int_equal(roles->readers->n, 2);
    assert_null(topology_roles(t, 99)->cluster);
    topology_free(t);
    nodes_fini(&nodes);
    assert_int_equal(mem_blocks(MEM_POOL), 0);
}

TEST(cluster_is_followed_by_users_of_its_readers_and_of_its_backups)
{
    struct conf_server *servers =
        (struct conf_server[]){server_of(10, "/a", 1), server_of(12, "/b", 1)};
    struct conf_galera galera[] = {GALERA};
    const struct conf conf = {.servers = servers, .n_servers = 2, .galera = galera, .n_galera = 1};
    struct nodes nodes;
    struct topology *t;
    const struct role_set *roles;

    nodes_init(&nodes);
    t = topology_of(&nodes, &conf);
    roles = topology_roles(t, 12);
    assert_int_equal(roles->part, PART_READERS);
    assert_ptr_equal(roles->cluster, cluster_get(&nodes, 10));
    assert_int_equal(roles->reader_hostgroup, 12);
    assert_int_equal(roles->writers->n, 1); /* as configured */
    assert_int_equal(roles->to_write->n, 2);
    roles = topology_roles(t, 11); /* has no servers of its own */
    assert_int_equal(roles->part, PART_BACKUPS);
    assert_ptr_equal(roles->cluster, cluster_get(&nodes, 10));
    assert_null(topology_roles(t, 13));
    topology_free(t);
    nodes_fini(&nodes);
}

TEST(cluster_without_servers_in_its_writer_hostgroup_is_one)
{
    struct conf_server *servers =
        (struct conf_server[]){server_of(12, "/a", 1), server_of(12, "/b", 1)};
    struct conf_galera galera[] = {GALERA};
    const struct conf conf = {.servers = servers, .n_servers = 2, .galera = galera, .n_galera = 1};
    struct nodes nodes;
    struct topology *t;
    const struct role_set *roles;

    nodes_init(&nodes);
    t = topology_of(&nodes, &conf);
    roles = topology_roles(t, 10);
    assert_non_null(roles);
    assert_null(roles->writers);
    assert_int_equal(roles->readers->n, 2);
    assert_int_equal(roles->to_write->n, 2);
    topology_free(t);
    nodes_fini(&nodes);
}

TEST(cluster_of_replication)
{
    struct conf_server *servers =
        (struct conf_server[]){server_of(1, "/a", 1), server_of(2, "/b", 1)};
    struct conf_replication rows[] = {{.writer_hostgroup = 1, .reader_hostgroup = 2},
                                      {.writer_hostgroup = 7, .reader_hostgroup = 8}};
    struct conf conf = {
        .servers = servers, .n_servers = 2, .replications = rows, .n_replications = 2};
    struct nodes nodes;
    struct topology *t;
    const struct role_set *roles;
    bool reads;

    nodes_init(&nodes);
    t = topology_of(&nodes, &conf);
    roles = topology_roles(t, 1);
    assert_ptr_equal(roles->cluster, cluster_get(&nodes, 1));
    assert_int_equal(roles->reader_hostgroup, 2);
    assert_int_equal(roles->readers->n, 1);
    assert_int_equal(roles->to_read->n, 2);
    assert_int_equal(roles->max_writers, UINT32_MAX);
    assert_int_equal(roles->writer_is_also_reader, 0);
    assert_int_equal(topology_roles(t, 2)->part, PART_READERS);
    assert_ptr_equal(topology_named(t, 2, &reads), roles);
    assert_true(reads);
    assert_null(topology_roles(t, 7)); /* nobody is in it */
    topology_free(t);
    conf.vars.mysql_monitor_writer_is_also_reader = true;
    t = topology_of(&nodes, &conf);
    assert_int_equal(topology_roles(t, 1)->writer_is_also_reader, 1);
    topology_free(t);
    nodes_fini(&nodes);
    assert_int_equal(mem_blocks(MEM_POOL), 0);
}

TEST(cluster_of_two_rows_is_that_of_the_first)
{
    struct conf_server *servers =
        (struct conf_server[]){server_of(10, "/a", 1), server_of(20, "/b", 1)};
    struct conf_galera galera[] = {GALERA};
    struct conf_replication rows[] = {{.writer_hostgroup = 10, .reader_hostgroup = 20},
                                      {.writer_hostgroup = 21, .reader_hostgroup = 12}};
    const struct conf conf = {.servers = servers,
                              .n_servers = 2,
                              .galera = galera,
                              .n_galera = 1,
                              .replications = rows,
                              .n_replications = 2};
    struct nodes nodes;
    struct topology *t;

    nodes_init(&nodes);
    t = topology_of(&nodes, &conf);
    assert_int_equal(topology_roles(t, 10)->reader_hostgroup, 12);
    assert_null(topology_roles(t, 20)->cluster);
    assert_ptr_equal(topology_roles(t, 12)->cluster, cluster_get(&nodes, 10));
    topology_free(t);
    nodes_fini(&nodes);
    assert_int_equal(mem_blocks(MEM_POOL), 0);
}

TEST(cluster_beyond_the_limit_stays_as_configured_and_warns)
{
    struct conf_server *servers =
        (struct conf_server[]){server_of(999, "/a", 1), server_of(998, "/b", 1)};
    struct conf_galera galera[] = {GALERA};
    const struct conf conf = {.servers = servers, .n_servers = 2, .galera = galera, .n_galera = 1};
    struct faults faults = {0};
    struct nodes nodes;
    struct topology *t;

    galera[0].writer_hostgroup = 999;
    galera[0].reader_hostgroup = 998;
    nodes_init(&nodes);
    for (int i = 0; i < CLUSTERS_MAX; i++) {
        assert_non_null(cluster_get(&nodes, i));
    }
    t = topology_new(&nodes, &conf, &faults);
    assert_non_null(t);
    assert_int_equal(faults.count, 1);
    assert_int_equal(faults.errors, 0);
    assert_null(topology_roles(t, 999)->cluster);
    assert_int_equal(topology_roles(t, 999)->readers->n, 1);
    faults_fini(&faults);
    topology_free(t);
    nodes_fini(&nodes);
    assert_int_equal(mem_blocks(MEM_POOL), 0);
}

TEST(cluster_member_has_its_own_latency_limit_or_the_default)
{
    struct conf_server *servers =
        (struct conf_server[]){server_of(10, "/a", 1), server_of(10, "/b", 1)};
    struct conf conf = {.servers = servers, .n_servers = 2};
    struct nodes nodes;
    struct topology *t;

    conf.vars.mysql_default_max_latency_ms = 700;
    servers[1].max_latency_ms = 20;
    nodes_init(&nodes);
    t = topology_of(&nodes, &conf);
    assert_int_equal(member_of(topology_roles(t, 10)->writers, "/a").max_latency_ms, 700);
    assert_int_equal(member_of(topology_roles(t, 10)->writers, "/b").max_latency_ms, 20);
    topology_free(t);
    nodes_fini(&nodes);
}
