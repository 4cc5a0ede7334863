/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_homes.c - which node is the home of a schema, and what was written elsewhere.
 */
#include "pool/cluster.h"
#include "pool/homes.h"
#include "pool/node.h"
#include "pool/roles.h"
#include "pool/schema.h"
#include "tests/unit/test.h"

static struct homes_node nodes[4];

static void make(uint32_t a, uint32_t b, uint32_t c)
{
    static const char *const names[] = {"10.0.0.1:3306", "10.0.0.2:3306", "10.0.0.3:3306"};
    const uint32_t weights[] = {a, b, c};

    for (size_t i = 0; i < 3; i++) {
        nodes[i] = (struct homes_node){homes_seed(names[i]), weights[i]};
    }
}

static void count(size_t n, unsigned counts[4])
{
    memset(counts, 0, 4 * sizeof(*counts));
    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        counts[homes_choose(b, nodes, n)]++;
    }
}

TEST(homes_equal_weights_have_equal_shares)
{
    unsigned counts[4];

    make(100, 100, 100);
    count(3, counts);
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(counts[i], HOMES_BUCKETS / 3 - 150, HOMES_BUCKETS / 3 + 150);
    }
}

TEST(homes_shares_follow_weights)
{
    unsigned counts[4];

    make(1, 2, 5);
    count(3, counts);
    assert_in_range(counts[0], 512 - 90, 512 + 90);
    assert_in_range(counts[1], 1024 - 120, 1024 + 120);
    assert_in_range(counts[2], 2560 - 150, 2560 + 150);
    make(10000000, 10000000, 1);
    count(3, counts);
    assert_in_range(counts[2], 0, 2);
}

TEST(homes_of_weight_0_only_without_others)
{
    unsigned counts[4];

    make(0, 1, 0);
    count(3, counts);
    assert_int_equal(counts[1], HOMES_BUCKETS);
    make(0, 0, 0);
    count(3, counts);
    assert_true(counts[0] > 1000 && counts[1] > 1000 && counts[2] > 1000);
    assert_int_equal(homes_choose(7, nodes, 0), 0);
}

TEST(homes_a_lost_node_moves_its_own_buckets_only)
{
    unsigned moved = 0;

    make(3, 2, 4);
    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        size_t of_three = homes_choose(b, nodes, 3);
        size_t of_two = homes_choose(b, nodes, 2);

        assert_true(of_three == 2 || of_three == of_two);
        moved += of_three == 2;
    }
    assert_in_range(moved, 1500, 2100);
}

TEST(homes_the_order_of_nodes_does_not_matter)
{
    make(3, 2, 4);
    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        struct homes_node turned[3] = {nodes[2], nodes[0], nodes[1]};
        size_t at = homes_choose(b, nodes, 3);

        assert_int_equal(homes_choose(b, turned, 3), (at + 1) % 3);
    }
}

TEST(homes_names_that_differ_in_case_have_one_home)
{
    assert_int_equal(schema_hash(SLICE("Shop_1")), schema_hash(SLICE("shop_1")));
    assert_int_not_equal(schema_hash(SLICE("shop_1")), schema_hash(SLICE("shop_2")));
    assert_int_equal(homes_bucket(schema_hash(SLICE(""))), homes_bucket(0));
}

/* Nodes 0 and 1 are of the cluster with homes, node 2 is not. */
static struct homes *begin(struct nodes *all)
{
    const struct roles roles = {.writers = 3};
    struct cluster *cluster;
    struct homes *homes;

    nodes_init(all);
    cluster = cluster_get(all, 10);
    assert_null(homes_of(cluster));
    assert_null(homes_of(NULL));
    homes = homes_make(cluster);
    assert_ptr_equal(homes_make(cluster), homes);
    assert_null(homes_of(cluster)); /* not on */
    assert_false(homes_are_on(all));
    atomic_store(&homes->is_on, true);
    assert_ptr_equal(homes_of(cluster), homes);
    cluster_publish(cluster, &roles, false);
    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        assert_int_equal(homes_at(homes, b), HOME_NONE);
        assert_true(homes_set(homes, b, b % 2));
    }
    assert_false(homes_set(homes, 4, 0));
    return homes;
}

TEST(homes_what_is_written_elsewhere_is_a_stray)
{
    struct nodes all;
    struct homes *homes = begin(&all);

    assert_true(homes_are_on(&all));
    homes_wrote(&all, 0, 4, 1000);
    assert_int_equal(atomic_load(&homes->stray_us[4]), 0); /* at home */
    assert_int_equal(atomic_load(&homes->wrote_us[4]), 1000);
    homes_wrote(&all, 1, 4, 2000);
    assert_int_equal(atomic_load(&homes->stray_us[4]), 2000);
    homes_wrote(&all, 1, 4, 1500); /* the later one stays */
    assert_int_equal(atomic_load(&homes->stray_us[4]), 2000);
    homes_wrote(&all, 2, 6, 3000); /* another cluster's node */
    assert_int_equal(atomic_load(&homes->stray_us[6]), 0);
    assert_false(homes_is_held(&all, 4));
    (void)homes_set(homes, 4, HOME_NONE);
    assert_true(homes_is_held(&all, 4));
    homes_wrote(&all, 0, 4, 5000); /* while it moves, the old home is none */
    assert_int_equal(atomic_load(&homes->stray_us[4]), 5000);
    nodes_fini(&all);
}

TEST(homes_needed_is_what_others_wrote)
{
    struct nodes all;
    struct homes *homes = begin(&all);
    struct homes_also also = {0};

    homes_also_add(&also, 4);
    homes_also_add(&also, 5);
    homes_also_add(&also, 4);
    assert_int_equal(also.n, 2);
    homes_wrote(&all, 0, 4, 1000); /* each at home */
    homes_wrote(&all, 1, 5, 2000);
    assert_int_equal(homes_needed_us(homes, 0, 4, &also), 2000);
    assert_int_equal(homes_needed_us(homes, 1, 4, &also), 1000);
    assert_int_equal(homes_needed_us(homes, HOME_NONE, 4, &also), 2000);
    homes_wrote(&all, 1, 4, 3000);
    assert_int_equal(homes_needed_us(homes, 0, 4, &also), 3000);
    assert_int_equal(homes_needed_us(homes, 1, 4, &also), 3000);
    (void)homes_set(homes, 5, HOME_NONE);
    homes_wrote(&all, 1, 5, 4000);
    assert_int_equal(homes_needed_us(homes, 1, 4, &also), 4000);
    for (unsigned b = 100; b < 100 + HOMES_ALSO_MAX; b++) {
        homes_also_add(&also, b);
    }
    assert_int_equal(also.n, HOMES_ALSO_MAX + 1);
    assert_int_equal(homes_needed_us(homes, 0, 4, &also), UINT64_MAX);
    nodes_fini(&all);
}
