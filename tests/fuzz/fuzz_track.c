/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_track.c - the walk over session changes ends, and stays inside the block.
 */
#include "protocol/track.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void track_check_inside(struct slice s, const uint8_t *data, size_t size)
{
    const char *start = (const char *)data;

    CHECK(s.len == 0 || (s.data >= start && s.len <= size && s.data + s.len <= start + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
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
    return 0;
}
