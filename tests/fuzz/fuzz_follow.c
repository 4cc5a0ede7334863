/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_follow.c - a reply in pieces leaves the same trace as at once.
 *
 * Input: kind(1; high bit: number the packets as a server does; 0x40: DEPRECATE_EOF) piece(1)
 * seed(2), then the reply.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/follow_trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Compare and free a trace of pieces. */
static void follow_compare(const struct trace *whole, struct trace *pieces)
{
    const char *difference = trace_difference(whole, pieces);

    if (difference != NULL) {
        (void)fprintf(stderr, "pieces and whole: %s differ\n", difference);
        abort();
    }
    trace_free(pieces);
}

/* Sequence numbers that fit, or most of what is tried would end at a wrong one. */
static void follow_number(uint8_t *data, size_t size)
{
    uint8_t sequence = 1;
    size_t at = 0;

    while (size - at >= PACKET_HEADER) {
        data[at + 3] = sequence++;
        at += PACKET_HEADER + MIN(packet_length(data + at), size - at - PACKET_HEADER);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum follow_kind kind;
    struct trace_cuts cuts;
    struct trace *whole;
    bool deprecate_eof;
    uint8_t *reply;

    if (size < 4) {
        return 0;
    }
    kind = (enum follow_kind)((data[0] & 0x3f) % (FOLLOW_ONE + 1));
    deprecate_eof = (data[0] & 0x40) != 0;
    cuts = (struct trace_cuts){0, data[1] + (size_t)1, 1 + (uint64_t)data[2] + 256u * data[3],
                               deprecate_eof};
    size -= 4;
    reply = malloc(size + 1);
    CHECK(reply != NULL);
    memcpy(reply, data + 4, size);
    if ((data[0] & 0x80) != 0) {
        follow_number(reply, size);
    }
    whole = trace_run(kind, reply, size, (struct trace_cuts){0, size + 1, 0, deprecate_eof});
    CHECK(!whole->is_stuck && whole->n_passed <= size);
    follow_compare(whole, trace_run(kind, reply, size, cuts));
    follow_compare(whole,
                   trace_run(kind, reply, size, (struct trace_cuts){0, 1, 0, deprecate_eof}));
    trace_free(whole);
    free(reply);
    return 0;
}
