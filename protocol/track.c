/* SPDX-License-Identifier: Apache-2.0 */
/*
 * track.c - walk over the block of session changes.
 *
 *   block: (type 1, length, data)*      data of a system variable: (name, value)*
 *                                       of schema, transaction: value with its length
 *                                       of a state change: value
 */
#include "protocol/track.h"

struct track_walk track_walk_of(struct slice block)
{
    struct track_walk walk = {.all = reader_of(block.data, block.len)};

    return walk;
}

static bool stop(struct track_walk *walk, bool failed)
{
    walk->failed = walk->failed || failed;
    walk->all.pos = walk->all.end;
    walk->entry = (struct reader){0};
    return false;
}

/* The next pair of the system variable entry being walked. */
static bool next_pair(struct track_walk *walk, struct track_item *item)
{
    const uint8_t *start = walk->entry.pos;

    *item = (struct track_item){.type = TRACK_SYSTEM_VARIABLE};
    item->name = get_lenenc_bytes(&walk->entry);
    item->value = get_lenenc_bytes(&walk->entry);
    if (walk->entry.failed || item->name.len == 0) {
        return stop(walk, true);
    }
    item->raw = (struct slice){(const char *)start, (size_t)(walk->entry.pos - start)};
    return true;
}

bool track_next(struct track_walk *walk, struct track_item *item)
{
    struct slice data;
    uint8_t type;

    while (reader_left(&walk->entry) == 0) {
        if (reader_left(&walk->all) == 0) {
            return stop(walk, false);
        }
        type = get_u8(&walk->all);
        data = get_lenenc_bytes(&walk->all);
        if (walk->all.failed) {
            return stop(walk, true);
        }
        walk->entry = reader_of(data.data, data.len);
        if (type == TRACK_SYSTEM_VARIABLE) {
            continue;
        }
        *item = (struct track_item){.type = type, .raw = data};
        if (type == TRACK_STATE_CHANGE) {
            item->value = data; /* without a length of its own */
        } else if (type == TRACK_SCHEMA || type == TRACK_TRANSACTION_CHARACTERISTICS ||
                   type == TRACK_TRANSACTION_STATE) {
            item->value = get_lenenc_bytes(&walk->entry);
            if (walk->entry.failed || reader_left(&walk->entry) != 0) {
                return stop(walk, true);
            }
        }
        walk->entry = (struct reader){0};
        return true;
    }
    return next_pair(walk, item);
}
