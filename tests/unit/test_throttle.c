/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_throttle.c - new server connections a second.
 */
#include "pool/throttle.h"
#include "tests/unit/test.h"

TEST(throttle_counts_each_hostgroup_by_the_second)
{
    struct throttle t;

    throttle_init(&t);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(throttle_pass(&t, 10, 3, 5000 + i));
        assert_true(throttle_pass(&t, 0, 3, 5000 + i));
    }
    assert_false(throttle_pass(&t, 10, 3, 5999));
    assert_false(throttle_pass(&t, 0, 3, 4999)); /* a late clock */
    assert_true(throttle_pass(&t, 20, 3, 5999));
    assert_true(throttle_pass(&t, 10, 3, 6000));
    throttle_fini(&t);
}

TEST(throttle_has_room_for_as_many_hostgroups_as_come)
{
    struct throttle t;

    throttle_init(&t);
    for (int hostgroup = 1; hostgroup <= 10 * THROTTLE_HOSTGROUPS_MAX; hostgroup++) {
        assert_true(throttle_pass(&t, hostgroup, 1, 1000 * (uint64_t)hostgroup));
        assert_false(throttle_pass(&t, hostgroup, 1, 1000 * (uint64_t)hostgroup));
    }
    throttle_fini(&t);
}

TEST(throttle_limit_is_the_least_that_is_configured)
{
    struct conf_hostgroup rows[] = {{.hostgroup = 10, .throttle_connections_per_sec = 7},
                                    {.hostgroup = 20, .throttle_connections_per_sec = 1000000}};
    struct conf conf = {.hostgroups = rows, .n_hostgroups = 2};

    conf.vars.mysql_throttle_connections_per_sec_to_hostgroup = 1000000;
    assert_int_equal(throttle_limit(&conf, 10), 7);
    assert_int_equal(throttle_limit(&conf, 20), 0);
    conf.vars.mysql_throttle_connections_per_sec_to_hostgroup = 5;
    assert_int_equal(throttle_limit(&conf, 10), 5);
    assert_int_equal(throttle_limit(&conf, 30), 5);
}
