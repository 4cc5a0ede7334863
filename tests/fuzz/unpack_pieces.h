/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack_pieces.h - read compressed packets that come in pieces into room of a given size.
 */
#ifndef TESTS_FUZZ_UNPACK_PIECES_H
#define TESTS_FUZZ_UNPACK_PIECES_H

#include "base/err.h"
#include "protocol/compress.h"

struct unpacked {
    uint8_t *bytes; /* the caller's, of cap bytes */
    size_t cap;
    size_t len;
    size_t n_packets; /* headers seen */
    int rc;           /* ERR_UNCOMPRESS when that was found */
    bool is_inside;   /* the input ended within a packet */
};

/* One step; false: no more of data can be read, or out is full. */
static inline bool unpack_step(struct unpack *u, struct inflater *inflater, const uint8_t *data,
                               size_t len, size_t *at, size_t room, struct unpacked *out)
{
    size_t used = 0;
    int64_t n = 0;

    if (!u->is_open) {
        int rc = unpack_header(u, data + *at, len - *at, &used);

        CHECK(used <= len - *at && used <= COMPRESS_HEADER);
        *at += used;
        out->rc = rc < 0 ? rc : 0;
        out->n_packets += rc == 1 ? 1 : 0;
        if (rc == 1 && u->is_deflated) {
            unpack_lend(u, inflater);
        }
        return rc == 1;
    }
    n = unpack_body(u, data + *at, len - *at, &used, out->bytes + out->len,
                    MIN(room, out->cap - out->len));
    CHECK(used <= len - *at && n <= (int64_t)room);
    *at += used;
    out->rc = n < 0 ? (int)n : 0;
    out->len += n > 0 ? (size_t)n : 0;
    return n >= 0 && (used > 0 || n > 0) && out->len < out->cap;
}

/*
 * All of data, piece bytes at a time, with room bytes for what it becomes; out->bytes and cap set.
 */
static inline void unpack_pieces(struct unpacked *out, const uint8_t *data, size_t size,
                                 size_t piece, size_t room)
{
    struct inflater *inflater = inflater_new();
    struct unpack u = {.is_open = false};
    size_t given = 0, at = 0;

    CHECK(inflater != NULL);
    out->len = out->n_packets = 0;
    out->rc = 0;
    do {
        given = MIN(size, given + piece);
        while (out->rc == 0 && out->len < out->cap &&
               unpack_step(&u, inflater, data, given, &at, room, out)) {
        }
    } while (out->rc == 0 && given < size && out->len < out->cap);
    out->is_inside = u.is_open || u.header_len > 0;
    inflater_free(inflater);
}

#endif
