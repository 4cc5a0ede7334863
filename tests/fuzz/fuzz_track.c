/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_track.c - the walk over session changes ends, and stays inside the block; an OK with it is
 * rewritten to what a plain copy of the wanted entries makes.
 *
 * Input: the block.
 */
#include <stdlib.h>

#include "protocol/packet.h"
#include "protocol/reply.h"
#include "protocol/track.h"

#define TRACK_ROOM (1u << 17)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t track_packet[TRACK_ROOM], track_copy[TRACK_ROOM], track_pairs[TRACK_ROOM];

static void track_check_inside(struct slice s, const uint8_t *data, size_t size)
{
    const char *start = (const char *)data;

    CHECK(s.len == 0 || (s.data >= start && s.len <= size && s.data + s.len <= start + size));
}

static void track_walk_through(const uint8_t *data, size_t size)
{
    struct track_walk walk = track_walk_of((struct slice){(const char *)data, size});
    struct track_item item;
    size_t n = 0;

    while (track_next(&walk, &item)) {
        track_check_inside(item.raw, data, size);
        track_check_inside(item.name, data, size);
        track_check_inside(item.value, data, size);
        CHECK(++n <= size);
    }
    CHECK(!track_next(&walk, &item));
    CHECK(walk.failed || reader_left(&walk.all) == 0);
}

/* The wanted pairs of an entry, or all of it; false = malformed. */
static bool track_wanted(uint8_t type, struct slice data, const struct track_wish *wish,
                         struct slice *wanted, bool *is_kept)
{
    struct reader r = reader_of(data.data, data.len);
    struct writer w = writer_of(track_pairs, TRACK_ROOM);

    *wanted = data;
    *is_kept =
        type == TRACK_SCHEMA ? wish->schema : type != TRACK_STATE_CHANGE || wish->state_change;
    if (type != TRACK_SYSTEM_VARIABLE) {
        return true;
    }
    while (reader_left(&r) > 0) {
        struct slice name = get_lenenc_bytes(&r);
        struct slice value = get_lenenc_bytes(&r);

        if (r.failed || name.len == 0) {
            return false;
        }
        if (track_wants_variable(wish, name)) {
            put_lenenc_slice(&w, name);
            put_lenenc_slice(&w, value);
        }
    }
    *wanted = (struct slice){(const char *)track_pairs, w.len};
    *is_kept = w.len > 0;
    return true;
}

/* Setting this one raises the bit, whatever else is left of the block. */
static bool track_raises_bit(const uint8_t *data, size_t size)
{
    struct track_walk walk = track_walk_of((struct slice){(const char *)data, size});
    struct track_item item;

    while (track_next(&walk, &item)) {
        if (slice_eq(item.name, SLICE("session_track_transaction_info")) &&
            !slice_eq(item.value, SLICE("OFF"))) {
            return true;
        }
    }
    return false;
}

/* Lengths may be written longer than they need be: those are copied as they are, by nobody. */
static bool track_is_canonical(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] >= 0xfb) {
            return false;
        }
    }
    return true;
}

static void track_rewrite(const uint8_t *data, size_t size, const struct track_wish *wish)
{
    struct slice block = {(const char *)data, size};
    struct ok ok = {.message = SLICE("text"), .track = block}, again;
    struct writer w = writer_of(track_packet, TRACK_ROOM);
    struct writer copy = writer_of(track_copy, TRACK_ROOM);
    struct reader r = reader_of(data, size);
    bool failed = false;
    int64_t n;

    (void)ok_encode(&w, &ok, 1);
    n = ok_rewrite_track(track_packet, w.len, wish);
    while (reader_left(&r) > 0 && !failed) {
        uint8_t type = get_u8(&r);
        struct slice entry = get_lenenc_bytes(&r), wanted;
        bool is_kept;

        failed = r.failed || !track_wanted(type, entry, wish, &wanted, &is_kept);
        if (!failed && is_kept) {
            put_u8(&copy, type);
            put_lenenc_slice(&copy, wanted);
        }
    }
    CHECK((n < 0) == failed);
    if (failed) {
        return;
    }
    CHECK((size_t)n <= w.len && packet_length(track_packet) == (size_t)n - PACKET_HEADER);
    CHECK(ok_decode(&again, copy.len > 0 || track_raises_bit(data, size),
                    track_packet + PACKET_HEADER, (size_t)n - PACKET_HEADER) == 0);
    CHECK(slice_eq(again.message, ok.message));
    CHECK(!track_is_canonical(data, size) ||
          slice_eq(again.track, (struct slice){(const char *)track_copy, copy.len}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct track_wish some = {.state_change = true, .variables = SLICE("a,time_zone")};
    const struct track_wish all = {.schema = true, .variables = SLICE("*")};

    track_walk_through(data, size);
    if (size > 0 && size < PACKET_MAX / 256) {
        track_rewrite(data, size, &track_wish_default);
        track_rewrite(data, size, &some);
        track_rewrite(data, size, &all);
    }
    return 0;
}
