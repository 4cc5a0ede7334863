/* SPDX-License-Identifier: Apache-2.0 */
/*
 * track_rewrite.c - leave in an OK packet what its client wants to be told.
 *
 *   packet: header, 0x00, affected, id, status, warnings, message, length, block
 *
 * Entries are moved to the block's start, then the block to its length, which may have become
 * shorter. Each is written at or before where it was read, so nothing is overwritten that is still
 * to be read.
 */
#include "base/err.h"
#include "protocol/caps.h"
#include "protocol/packet.h"
#include "protocol/reply.h"
#include "protocol/track.h"

#define LENENC_MAX 9 /* bytes of a length */

#define VARIABLES_DEFAULT                                       \
    "autocommit,character_set_client,character_set_connection," \
    "character_set_results,time_zone"

const struct track_wish track_wish_default = {
    .schema = true,
    .variables = {VARIABLES_DEFAULT, sizeof(VARIABLES_DEFAULT) - 1},
};

const struct track_wish track_wish_everything = {.everything = true};

bool track_wants_variable(const struct track_wish *wish, struct slice name)
{
    struct slice list = wish->variables;
    size_t start = 0;

    if (wish->everything || slice_eq(list, SLICE("*"))) {
        return true;
    }
    for (size_t i = 0; i <= list.len; i++) {
        if (i == list.len || list.data[i] == ',') {
            if (i > start && slice_eq_nocase((struct slice){list.data + start, i - start}, name)) {
                return true;
            }
            start = i + 1;
        }
    }
    return false;
}

/* The next name and value; false at the end, or when the pairs are malformed (r->failed). */
static bool next_pair(struct reader *r, struct slice *name, struct slice *pair)
{
    const uint8_t *start = r->pos;

    if (reader_left(r) == 0) {
        return false;
    }
    *name = get_lenenc_bytes(r);
    (void)get_lenenc_bytes(r);
    r->failed = r->failed || name->len == 0;
    *pair = (struct slice){(const char *)start, (size_t)(r->pos - start)};
    return !r->failed;
}

static uint8_t *put_raw(uint8_t *out, struct slice raw)
{
    memmove(out, raw.data, raw.len);
    return out + raw.len;
}

static uint8_t *put_length(uint8_t *out, size_t len)
{
    struct writer w = writer_of(out, LENENC_MAX);

    put_lenenc(&w, len);
    return out + w.len;
}

/* An entry of variables, less those that are not wanted. NULL = malformed. */
static uint8_t *keep_variables(uint8_t *out, struct slice data, const struct track_wish *wish)
{
    struct reader r = reader_of(data.data, data.len);
    struct slice name, pair;
    size_t kept = 0;

    while (next_pair(&r, &name, &pair)) {
        kept += track_wants_variable(wish, name) ? pair.len : 0;
    }
    if (r.failed || kept == 0) {
        return r.failed ? NULL : out;
    }
    *out++ = TRACK_SYSTEM_VARIABLE;
    out = put_length(out, kept);
    r = reader_of(data.data, data.len);
    while (next_pair(&r, &name, &pair)) {
        if (track_wants_variable(wish, name)) {
            out = put_raw(out, pair);
        }
    }
    return out;
}

static bool is_wanted(uint8_t type, const struct track_wish *wish)
{
    return type == TRACK_SCHEMA         ? wish->schema
           : type == TRACK_STATE_CHANGE ? wish->state_change
                                        : true;
}

/*
 * Setting session_track_transaction_info raises the bit, be there anything to report or not
 * (10.11). Then an empty block is left.
 */
static bool raises_bit(const struct ok *ok)
{
    struct track_walk walk = track_walk_of(ok->track);
    struct track_item item;

    while (track_next(&walk, &item)) {
        if (item.type == TRACK_SYSTEM_VARIABLE &&
            slice_eq(item.name, SLICE("session_track_transaction_info")) &&
            !slice_eq(item.value, SLICE("OFF"))) {
            return true;
        }
    }
    return false;
}

/* Moves the entries that are wanted to the block's start; the new length, or ERR_MALFORMED. */
static int64_t keep_entries(struct slice block, const struct track_wish *wish)
{
    uint8_t *start = (uint8_t *)(uintptr_t)block.data;
    struct reader r = reader_of(block.data, block.len);
    uint8_t *out = start;

    while (reader_left(&r) > 0) {
        const uint8_t *entry = r.pos;
        uint8_t type = get_u8(&r);
        struct slice data = get_lenenc_bytes(&r);

        if (r.failed) {
            return ERR_MALFORMED;
        }
        if (type == TRACK_SYSTEM_VARIABLE) {
            out = keep_variables(out, data, wish);
        } else if (is_wanted(type, wish)) {
            out = put_raw(out, (struct slice){(const char *)entry, (size_t)(r.pos - entry)});
        }
        if (out == NULL) {
            return ERR_MALFORMED;
        }
    }
    return out - start;
}

int64_t ok_rewrite_track(uint8_t *packet, size_t len, const struct track_wish *wish)
{
    uint8_t *at;
    struct ok ok;
    int64_t kept;

    if (wish == NULL || len < PACKET_HEADER || packet_length(packet) != len - PACKET_HEADER ||
        ok_decode(&ok, true, packet + PACKET_HEADER, len - PACKET_HEADER) != 0) {
        return ok_strip_track(packet, len);
    }
    if (ok.track.len == 0 || wish->everything) {
        /*
         * The bit with an empty block: SET TRANSACTION under session_track_transaction_info=STATE
         * (10.11), so it is meant for this client.
         */
        return (int64_t)len;
    }
    kept = keep_entries(ok.track, wish);
    if (kept < 0) {
        return ERR_MALFORMED;
    }
    if (kept == 0 && !raises_bit(&ok)) { /* nothing was moved */
        return ok_strip_track(packet, len);
    }
    at = put_length((uint8_t *)(uintptr_t)(ok.message.data + ok.message.len), (size_t)kept);
    at = put_raw(at, (struct slice){ok.track.data, (size_t)kept});
    packet_write_header(packet, (uint32_t)(at - packet) - PACKET_HEADER, packet_sequence(packet));
    return at - packet;
}
