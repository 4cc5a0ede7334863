/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_reply.c - OK, ERR, columns, rows; what decodes is encoded and decodes to the same again.
 *
 * Input: which decoder(1), then the payload.
 */
#include <stdlib.h>

#include "protocol/caps.h"
#include "protocol/packet.h"
#include "protocol/reply.h"

#define REPLY_ROOM (1u << 17)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t reply_room[REPLY_ROOM];

static void reply_ok(const uint8_t *data, size_t size, bool session_track)
{
    struct writer w = writer_of(reply_room, REPLY_ROOM);
    struct ok ok, again;

    if (ok_decode(&ok, session_track, data, size) != 0) {
        return;
    }
    CHECK(ok.message.len + ok.track.len <= size);
    (void)ok_encode(&w, &ok, 1);
    if (!w.failed) {
        CHECK(ok_decode(&again, session_track, reply_room + PACKET_HEADER, w.len - PACKET_HEADER) ==
              0);
        CHECK(ok.affected == again.affected && ok.last_insert_id == again.last_insert_id);
        CHECK(ok.ends_rows == again.ends_rows);
        CHECK(ok.warnings == again.warnings && slice_eq(ok.message, again.message));
        CHECK(slice_eq(ok.track, again.track));
        CHECK((ok.track.data != NULL ? ok.status : ok.status & ~STATUS_SESSION_STATE_CHANGED) ==
              again.status);
    }
}

/* What is left after taking the changes out is what an OK without them says. */
static void reply_strip(const uint8_t *data, size_t size)
{
    uint8_t *packet;
    struct ok ok, again;
    int64_t n;

    if (size >= PACKET_MAX) {
        return;
    }
    packet = malloc(size + PACKET_HEADER);
    CHECK(packet != NULL);
    packet_write_header(packet, (uint32_t)size, 1);
    if (size > 0) {
        memcpy(packet + PACKET_HEADER, data, size);
    }
    n = ok_strip_track(packet, size + PACKET_HEADER);
    CHECK((n < 0) == (ok_decode(&ok, true, data, size) != 0));
    if (n >= 0) {
        CHECK((size_t)n <= size + PACKET_HEADER && packet_length(packet) == n - PACKET_HEADER);
        CHECK(ok_decode(&again, false, packet + PACKET_HEADER, (size_t)n - PACKET_HEADER) == 0);
        CHECK(slice_eq(ok.message, again.message) && ok.affected == again.affected);
        CHECK((again.status & STATUS_SESSION_STATE_CHANGED) == 0);
    }
    free(packet);
}

static void reply_err(const uint8_t *data, size_t size)
{
    struct writer w = writer_of(reply_room, REPLY_ROOM);
    struct err err, again;

    if (err_decode(&err, data, size) != 0) {
        return;
    }
    if (strlen(err.sqlstate) == 5) { /* a peer may have put a zero in */
        (void)err_encode(&w, err.number, err.sqlstate, err.message, 1);
        CHECK(w.failed ||
              err_decode(&again, reply_room + PACKET_HEADER, w.len - PACKET_HEADER) == 0);
        CHECK(w.failed || (slice_eq(err.message, again.message) && err.number == again.number));
    }
}

static void reply_column(const uint8_t *data, size_t size, uint64_t caps)
{
    struct writer w = writer_of(reply_room, REPLY_ROOM);
    struct column c, again;

    if (column_decode(&c, caps, data, size) != 0) {
        return;
    }
    (void)column_encode(&w, caps, &c, 1);
    if (!w.failed) {
        CHECK(column_decode(&again, caps, reply_room + PACKET_HEADER, w.len - PACKET_HEADER) == 0);
        CHECK(slice_eq(c.name, again.name) && slice_eq(c.org_name, again.org_name));
        CHECK(c.length == again.length && c.type == again.type && c.flags == again.flags);
    }
}

static void reply_row(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(data, size);
    size_t bytes = 0;
    bool is_null;

    while (reader_left(&r) > 0 && !r.failed) {
        struct slice field = row_next(&r, &is_null);

        CHECK(!is_null || field.data == NULL);
        bytes += field.len;
    }
    CHECK(bytes <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    switch (data[0] % 6) {
    case 0: reply_ok(data + 1, size - 1, true); break;
    case 1: reply_ok(data + 1, size - 1, false); break;
    case 2: reply_err(data + 1, size - 1); break;
    case 3:
        reply_column(data + 1, size - 1, 0);
        reply_column(data + 1, size - 1, CAP_EXTENDED_METADATA);
        break;
    case 4: reply_row(data + 1, size - 1); break;
    default: reply_strip(data + 1, size - 1); break;
    }
    return 0;
}
