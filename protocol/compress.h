/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress.h - packets of the compressed protocol (CLIENT_COMPRESS): seven bytes of header, then
 * bytes of the usual packets, deflated by zlib or as they are.
 *
 *   length (3) | sequence (1) | length before it was deflated (3), 0 = it was not | length bytes
 *
 * What is inside has no borders of its own: half a packet, one, or many. Seen with MariaDB 10.11:
 * the numbers of these packets count on in both directions and begin with 0 at each command, which
 * begins a packet of its own; the numbers of the packets inside are looked at by nobody, and a node
 * counts them from the number of the compressed packet whenever it has flushed.
 *
 * A deflater or inflater keeps nothing between two packets: those of a thread serve all its
 * connections in turn. An inflater is lent for the time that one packet takes.
 */
#ifndef PROTOCOL_COMPRESS_H
#define PROTOCOL_COMPRESS_H

#include "base/base.h"

#define COMPRESS_HEADER    7
#define COMPRESS_MAX       0xffffffu /* both lengths */
#define COMPRESS_MIN       50        /* what is shorter goes as it is, as from MariaDB */
#define COMPRESS_BLOCK     61440     /* bytes that we put into one packet */
#define COMPRESS_LEVEL_MIN (-1)      /* zlib's own default */
#define COMPRESS_LEVEL_MAX 9

struct deflater;
struct inflater;

/* NULL = no memory; NULL may be freed. */
struct deflater *deflater_new(void) MUST_CHECK;
void deflater_free(struct deflater *d);
struct inflater *inflater_new(void) MUST_CHECK;
void inflater_free(struct inflater *i);

/*
 * compress_encode - one packet of n pieces, which have 1 to COMPRESS_BLOCK bytes in all.
 *
 * out: room for COMPRESS_HEADER and as many bytes as there are.
 * Returns the bytes put there; what does not become shorter is not deflated.
 */
size_t compress_encode(struct deflater *d, int level, const struct slice *pieces, unsigned n,
                       uint8_t sequence, uint8_t *out);

/* A packet that is being read. */
struct unpack {
    uint8_t header[COMPRESS_HEADER];
    uint8_t header_len;
    uint8_t sequence;
    bool is_open;    /* its header is there, its end is not */
    bool holds_last; /* last is known, and given when the packet's end has proved the rest */
    uint8_t last;
    bool is_deflated;          /* then it wants an inflater */
    uint32_t in_left;          /* bytes of it that were not given yet */
    uint32_t out_left;         /* bytes that they must become */
    struct inflater *inflater; /* borrowed, while it is open */
};

/*
 * unpack_header - the header of the next packet, in pieces of any size. used: bytes taken.
 *
 * Returns 1 (it is there: is_open, and inflater is to be set when is_deflated), 0 (more bytes are
 * needed) or ERR_UNCOMPRESS (an empty packet).
 */
int unpack_header(struct unpack *u, const uint8_t *data, size_t len, size_t *used) MUST_CHECK;

/*
 * unpack_lend - the inflater for this packet, made ready.
 */
void unpack_lend(struct unpack *u, struct inflater *inflater);

/*
 * unpack_body - go on with the packet that is open. used: bytes taken; cap: room in out.
 *
 * Returns the bytes put to out, ERR_UNCOMPRESS (not zlib's, not as long as was announced, or not
 * ended with the packet) or ERR_MEMORY. Neither taken nor put: more bytes are needed.
 * With in_left 0 and still open it has more to give: call it again, len may be 0. Its last byte
 * comes when zlib's checksum was right: no command is whole before.
 */
int64_t unpack_body(struct unpack *u, const uint8_t *data, size_t len, size_t *used, uint8_t *out,
                    size_t cap) MUST_CHECK;

/* Where one packet inside ends and the next begins. */
struct packet_walk {
    uint8_t header[4];
    uint8_t header_len; /* of the header that is incomplete */
    uint32_t left;      /* payload to come */
};

/* packet_walk - step over len bytes. */
void packet_walk(struct packet_walk *w, const uint8_t *data, size_t len);

static inline bool packet_walk_is_between(const struct packet_walk *w)
{
    return w->left == 0 && w->header_len == 0;
}

#endif
