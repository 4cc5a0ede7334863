/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_compress.c - packets of the compressed protocol: in pieces they give what they give at once,
 * and no more than they announce; what came out is packed and comes out again.
 *
 * Input: one byte for the size of the pieces, one for the room, then the packets.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/unpack_pieces.h"

#define OUT_MAX (256 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pack_again(const struct unpacked *out, struct unpacked *again)
{
    struct deflater *d = deflater_new();
    uint8_t *packed = malloc(out->len + (out->len / 1000 + 1) * COMPRESS_HEADER);
    size_t len = 0;

    CHECK(d != NULL && packed != NULL);
    for (size_t at = 0; at < out->len;) {
        size_t n = MIN(out->len - at, 1000 + at % 7000), half = n / 2;
        struct slice pieces[2] = {{(const char *)out->bytes + at, half},
                                  {(const char *)out->bytes + at + half, n - half}};

        len += compress_encode(d, (int)(n % 11) - 1, pieces, 2, (uint8_t)at, packed + len);
        at += n;
    }
    unpack_pieces(again, packed, len, len, OUT_MAX);
    CHECK(again->rc == 0 && !again->is_inside && again->len == out->len);
    CHECK(memcmp(again->bytes, out->bytes, out->len) == 0);
    free(packed);
    deflater_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct unpacked whole = {.cap = OUT_MAX}, cut = {.cap = OUT_MAX};
    struct packet_walk at_once = {.left = 0}, in_two = {.left = 0};

    if (size < 2) {
        return 0;
    }
    whole.bytes = malloc(OUT_MAX);
    cut.bytes = malloc(OUT_MAX);
    CHECK(whole.bytes != NULL && cut.bytes != NULL);
    unpack_pieces(&whole, data + 2, size - 2, size, OUT_MAX);
    unpack_pieces(&cut, data + 2, size - 2, data[0] + 1u, data[1] * 16u + 1u);
    CHECK(whole.rc == 0 || whole.rc == ERR_UNCOMPRESS);
    if (whole.len < OUT_MAX &&
        cut.len < OUT_MAX) { /* of an error, more or less is seen before it */
        CHECK(whole.rc == cut.rc && whole.n_packets == cut.n_packets);
        CHECK(whole.rc != 0 || (whole.len == cut.len && whole.is_inside == cut.is_inside));
    }
    CHECK(memcmp(whole.bytes, cut.bytes, MIN(whole.len, cut.len)) == 0);
    packet_walk(&at_once, whole.bytes, whole.len);
    packet_walk(&in_two, whole.bytes, whole.len / 3);
    packet_walk(&in_two, whole.bytes + whole.len / 3, whole.len - whole.len / 3);
    CHECK(at_once.left == in_two.left && at_once.header_len == in_two.header_len);
    if (whole.len > 0) {
        pack_again(&whole, &cut);
    }
    free(whole.bytes);
    free(cut.bytes);
    return 0;
}
