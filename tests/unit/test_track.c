/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_track.c - session changes as MariaDB 10.11 reported them.
 */
#include <stdlib.h>

#include "base/err.h"
#include "protocol/caps.h"
#include "protocol/packet.h"
#include "protocol/reply.h"
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
                            "\x02\x01"
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
    const size_t ends[] = {0, 31, 47, 54, 57, 60, 71, 75, 80};
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
        SLICE("\x04\x02\x02"
              "1"), /* value longer than its entry */
        SLICE("\x02\xfe\xff\xff\xff\xff\xff\xff\xff\xff"),
    };

    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
        assert_int_equal(cuts_run(walk_all, blocks[i].data, blocks[i].len), ERR_MALFORMED);
    }
}

/* --- an OK rewritten ------------------------------------------------------------------------- */

/* What a client is told of changes; block empty = an OK without any, and without the bit. */
static void told(struct slice changes, const struct track_wish *wish, struct slice expect)
{
    static const char *const messages[] = {"", "Rows matched: 1"};

    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        const struct ok ok = {.affected = 300,
                              .status = STATUS_AUTOCOMMIT,
                              .warnings = 2,
                              .message = slice_of(messages[i]),
                              .track = changes};
        uint8_t bytes[1024];
        struct writer w = writer_of(bytes, sizeof(bytes));
        struct ok seen;
        int64_t len;

        assert_int_equal(ok_encode(&w, &ok, 7), 8);
        len = ok_rewrite_track(bytes, w.len, wish);
        assert_true(len > PACKET_HEADER && (size_t)len <= w.len);
        assert_int_equal(packet_length(bytes), len - PACKET_HEADER);
        assert_int_equal(packet_sequence(bytes), 7);
        assert_int_equal(
            ok_decode(&seen, expect.len > 0, bytes + PACKET_HEADER, (size_t)len - PACKET_HEADER),
            0);
        assert_int_equal(seen.affected, 300);
        assert_int_equal(seen.warnings, 2);
        assert_int_equal(seen.status,
                         STATUS_AUTOCOMMIT | (expect.len > 0 ? STATUS_SESSION_STATE_CHANGED : 0));
        assert_true(slice_eq(seen.message, ok.message));
        assert_int_equal(seen.track.len, expect.len);
        assert_memory_equal(seen.track.data, expect.data, expect.len);
    }
}

#define NAME_TEXT \
    "\x04"        \
    "name"        \
    "\x04"        \
    "text"
#define SCHEMA  "\x01\x05\x04wp_1"
#define CHANGED "\x02\x01\x31"
#define THE_REST                       \
    "\x04\x01\x00\x05\x09\x08T_______" \
    "\x03\x02\x00\x07\x63\x03xyz"

TEST(track_rewritten_ok_has_what_is_wanted)
{
    struct track_wish wish = track_wish_default;

    told(SLICE(block), &wish,
         SLICE("\x00\x1d\x14"
               "character_set_client"
               "\x07"
               "utf8mb4" SCHEMA THE_REST));
    wish = (struct track_wish){.state_change = true, .variables = SLICE("NAME,nonsense")};
    told(SLICE(block), &wish, SLICE("\x00\x0a" NAME_TEXT CHANGED THE_REST));
    wish = (struct track_wish){.schema = true, .variables = SLICE("names,nam,,ame")};
    told(SLICE(block), &wish, SLICE(SCHEMA THE_REST));
    wish = (struct track_wish){.schema = true, .state_change = true, .variables = SLICE("*")};
    told(SLICE(block), &wish, SLICE(block));
    told(SLICE(block), &track_wish_everything, SLICE(block));
    told(SLICE(block), NULL, SLICE(""));
}

TEST(track_rewritten_ok_with_nothing_left_has_no_bit)
{
    const struct track_wish nothing = {.variables = SLICE("")};

    told(SLICE(SCHEMA CHANGED "\x00\x0a" NAME_TEXT), &nothing, SLICE(""));
    told(SLICE("\x00\x0a" NAME_TEXT), &track_wish_default, SLICE(""));
    told((struct slice){NULL, 0}, &track_wish_default, SLICE(""));
}

/* SET TRANSACTION under session_track_transaction_info=STATE. */
TEST(track_bit_with_an_empty_block_stays)
{
    const uint8_t sent[] = "\x09\0\0\x01\0\0\0\x02\x40\0\0\0\0";
    uint8_t bytes[13];

    memcpy(bytes, sent, sizeof(bytes));
    assert_int_equal(ok_rewrite_track(bytes, sizeof(bytes), &track_wish_default), sizeof(bytes));
    assert_memory_equal(bytes, sent, sizeof(bytes));
    assert_int_equal(ok_rewrite_track(bytes, sizeof(bytes), NULL), 11);
}

/* The block's length needs three bytes before, and one after. */
TEST(track_rewritten_ok_may_have_a_shorter_length)
{
    static const char longer[] = "\x00\xfc\x2f\x01\x01"
                                 "x\xfc\x2a\x01";
    char changes[sizeof(longer) - 1 + 298 + sizeof(SCHEMA) - 1];

    memcpy(changes, longer, sizeof(longer) - 1);
    memset(changes + sizeof(longer) - 1, 'y', 298);
    memcpy(changes + sizeof(longer) - 1 + 298, SCHEMA, sizeof(SCHEMA) - 1);
    told((struct slice){changes, sizeof(changes)}, &track_wish_default, SLICE(SCHEMA));
}

static int rewrite(const uint8_t *data, size_t len)
{
    const struct track_wish wish = {.schema = true, .variables = SLICE("name,a")};
    uint8_t *bytes = malloc(len == 0 ? 1 : len);
    int64_t n;

    assert_non_null(bytes);
    if (len > 0) {
        memcpy(bytes, data, len);
    }
    n = ok_rewrite_track(bytes, len, &wish);
    assert_true(n < 0 || (size_t)n <= len);
    free(bytes);
    return n < 0 ? (int)n : 0;
}

TEST(track_rewrite_every_cut)
{
    const struct ok ok = {.message = SLICE("m"), .track = SLICE(block)};
    uint8_t bytes[256];
    struct writer w = writer_of(bytes, sizeof(bytes));

    (void)ok_encode(&w, &ok, 0);
    cuts_check(rewrite, bytes, w.len, w.len);
}
