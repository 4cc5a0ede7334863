/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet.c - frame one packet in a writer.
 */
#include "protocol/packet.h"

size_t packet_begin(struct writer *w)
{
    size_t at = w->len;

    put_fill(w, 0, PACKET_HEADER);
    return at;
}

void packet_end(struct writer *w, size_t at, uint8_t sequence)
{
    size_t length;

    if (w->failed) {
        return;
    }
    CHECK(at + PACKET_HEADER <= w->len);
    length = w->len - at - PACKET_HEADER;
    if (length >= PACKET_MAX) { /* would need a second packet: nothing made here is that long */
        w->failed = true;
        return;
    }
    packet_write_header(w->base + at, (uint32_t)length, sequence);
}
