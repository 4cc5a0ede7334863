/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_track.c - session changes as MariaDB 10.11 reported them.
 */
#include "base/err.h"
#include "protocol/track.h"
#include "tests/unit/cuts.h"

/* SET NAMES utf8mb4 (shortened), USE wp_1, BEGIN: put together in one block. */
static const char block[] = "\x00\x1d\x14"
                            "character_set_client"
                            "\x07"
                            "utf8mb4"
                            "\x00\x0e\x01"
                            "a"
                            "\x01"
                            "b"
                            "\x04"
                            "name"
                            "\x04"
                            "text"
                            "\x01\x05\x04"
                            "wp_1"
                            "\x02\x02\x01"
                            "1"
                            "\x04\x01\x00"
                            "\x05\x09\x08"
                            "T_______"
                            "\x03\x02\x00\x07"
                            "\x63\x03xyz";

/* The walk ends, never gives more than there is, and everything points into the input. */
static int walk_all(const uint8_t *data, size_t len)
{
    struct track_walk walk = track_walk_of((struct slice){(const char *)data, len});
    struct track_item item;
    size_t n = 0;

    while (track_next(&walk, &item)) {
        cuts_assert_inside(item.name, data, len);
        cuts_assert_inside(item.value, data, len);
        cuts_assert_inside(item.raw, data, len);
        assert_true(++n <= len);
    }
    assert_false(track_next(&walk, &item)); /* stays at the end */
    return walk.failed ? ERR_MALFORMED : 0;
}

TEST(track_every_cut)
{
    cuts_check(walk_all, block, sizeof(block) - 1, 0);
}

TEST(track_cut_inside_an_entry_fails)
{
    const size_t ends[] = {0, 31, 47, 54, 58, 61, 72, 76, 81};
    size_t next = 0;

    assert_int_equal(sizeof(block) - 1, ends[ARRAY_SIZE(ends) - 1]);
    for (size_t i = 0; i < sizeof(block); i++) {
        bool is_end = next < ARRAY_SIZE(ends) && ends[next] == i;

        assert_int_equal(cuts_run(walk_all, block, i), is_end ? 0 : ERR_MALFORMED);
        next += is_end;
    }
}

TEST(track_gives_each_change)
{
    const struct {
        uint8_t type;
        const char *name, *value;
    } expect[] = {{TRACK_SYSTEM_VARIABLE, "character_set_client", "utf8mb4"},
                  {TRACK_SYSTEM_VARIABLE, "a", "b"},
                  {TRACK_SYSTEM_VARIABLE, "name", "text"},
                  {TRACK_SCHEMA, "", "wp_1"},
                  {TRACK_STATE_CHANGE, "", "1"},
                  {TRACK_TRANSACTION_CHARACTERISTICS, "", ""},
                  {TRACK_TRANSACTION_STATE, "", "T_______"},
                  {TRACK_GTIDS, "", ""},
                  {0x63, "", ""}};
    struct track_walk walk = track_walk_of(SLICE(block));
    struct track_item item;

    for (size_t i = 0; i < ARRAY_SIZE(expect); i++) {
        assert_true(track_next(&walk, &item));
        assert_int_equal(item.type, expect[i].type);
        assert_slice_equal(item.name, expect[i].name);
        assert_slice_equal(item.value, expect[i].value);
    }
    assert_slice_equal(item.raw, "xyz");
    assert_false(track_next(&walk, &item));
    assert_false(walk.failed);
}

TEST(track_empty_blocks)
{
    struct track_walk walk = track_walk_of((struct slice){NULL, 0});
    struct track_item item;

    assert_false(track_next(&walk, &item));
    assert_false(walk.failed);
    walk = track_walk_of(SLICE("\x00\x00\x00\x00\x01\x02\x01"
                               "d")); /* entries without a pair */
    assert_true(track_next(&walk, &item));
    assert_int_equal(item.type, TRACK_SCHEMA);
    assert_false(track_next(&walk, &item));
    assert_false(walk.failed);
}

TEST(track_malformed_entries_fail)
{
    const struct slice blocks[] = {
        SLICE("\x00\x02\x01"
              "a"),                /* name without a value */
        SLICE("\x00\x02\x00\x00"), /* no name */
        SLICE("\x00\x03\x01"
              "a"
              "\xfb"), /* NULL */
        SLICE("\x01\x03\x01"
              "ab"),       /* more than the value */
        SLICE("\x01\x00"), /* no value */
        SLICE("\x02\x02\x02"
              "1"), /* value longer than its entry */
        SLICE("\x02\xfe\xff\xff\xff\xff\xff\xff\xff\xff"),
    };

    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
        assert_int_equal(cuts_run(walk_all, blocks[i].data, blocks[i].len), ERR_MALFORMED);
    }
}
