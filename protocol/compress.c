/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress.c - see compress.h.
 */
#include "protocol/compress.h"

#include <zlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/packet.h"

struct deflater {
    z_stream z;
    int level;
};

struct inflater {
    z_stream z;
};

static voidpf allocate(voidpf opaque, uInt items, uInt size)
{
    (void)opaque;
    return mem_try(MEM_BUFFER, (size_t)items * size);
}

static void release(voidpf opaque, voidpf block)
{
    (void)opaque;
    mem_free(MEM_BUFFER, block);
}

struct deflater *deflater_new(void)
{
    struct deflater *d = mem_try(MEM_BUFFER, sizeof(*d));

    if (d == NULL) {
        return NULL;
    }
    *d = (struct deflater){.z = {.zalloc = allocate, .zfree = release},
                           .level = Z_DEFAULT_COMPRESSION};
    if (deflateInit(&d->z, d->level) != Z_OK) {
        mem_free(MEM_BUFFER, d);
        return NULL;
    }
    return d;
}

void deflater_free(struct deflater *d)
{
    if (d != NULL) {
        (void)deflateEnd(&d->z);
        mem_free(MEM_BUFFER, d);
    }
}

struct inflater *inflater_new(void)
{
    struct inflater *i = mem_try(MEM_BUFFER, sizeof(*i));

    if (i == NULL) {
        return NULL;
    }
    *i = (struct inflater){.z = {.zalloc = allocate, .zfree = release}};
    if (inflateInit(&i->z) != Z_OK) {
        mem_free(MEM_BUFFER, i);
        return NULL;
    }
    return i;
}

void inflater_free(struct inflater *i)
{
    if (i != NULL) {
        (void)inflateEnd(&i->z);
        mem_free(MEM_BUFFER, i);
    }
}

/* --- making ----------------------------------------------------------------------------------- */

/* Bytes put to out, or 0: they are no fewer than before. */
static size_t deflate_pieces(struct deflater *d, int level, const struct slice *pieces, unsigned n,
                             uint8_t *out, size_t before)
{
    z_stream *z = &d->z;
    int rc = deflateReset(z);

    CHECK(rc == Z_OK);
    if (d->level != level) {
        rc = deflateParams(z, level, Z_DEFAULT_STRATEGY);
        CHECK(rc ==
              Z_OK); /* the bounds of the variable are zlib's; nothing is in it to be flushed */
        d->level = level;
    }
    z->next_out = out;
    z->avail_out = (uInt)before - 1;
    for (unsigned i = 0; i < n; i++) {
        z->next_in = (Bytef *)(uintptr_t)pieces[i].data;
        z->avail_in = (uInt)pieces[i].len;
        rc = deflate(z, i + 1 < n ? Z_NO_FLUSH : Z_FINISH);
        if (z->avail_in > 0) {
            return 0;
        }
    }
    return rc == Z_STREAM_END ? before - 1 - z->avail_out : 0;
}

static void write_u24(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)value;
    out[1] = (uint8_t)(value >> 8);
    out[2] = (uint8_t)(value >> 16);
}

size_t compress_encode(struct deflater *d, int level, const struct slice *pieces, unsigned n,
                       uint8_t sequence, uint8_t *out)
{
    size_t before = 0, len = 0;

    for (unsigned i = 0; i < n; i++) {
        before += pieces[i].len;
    }
    CHECK(before > 0 && before <= COMPRESS_BLOCK);
    if (before >= COMPRESS_MIN) {
        len = deflate_pieces(d, level, pieces, n, out + COMPRESS_HEADER, before);
    }
    write_u24(out + 4, len == 0 ? 0 : (uint32_t)before);
    if (len == 0) {
        for (unsigned i = 0; i < n; i++) {
            memcpy(out + COMPRESS_HEADER + len, pieces[i].data, pieces[i].len);
            len += pieces[i].len;
        }
    }
    packet_write_header(out, (uint32_t)len, sequence);
    return COMPRESS_HEADER + len;
}

/* --- reading ---------------------------------------------------------------------------------- */

int unpack_header(struct unpack *u, const uint8_t *data, size_t len, size_t *used)
{
    uint32_t before;

    CHECK(!u->is_open);
    *used = MIN(len, (size_t)(COMPRESS_HEADER - u->header_len));
    if (*used > 0) {
        memcpy(u->header + u->header_len, data, *used);
        u->header_len = (uint8_t)(u->header_len + *used);
    }
    if (u->header_len < COMPRESS_HEADER) {
        return 0;
    }
    u->header_len = 0;
    before = packet_length(u->header + 4);
    u->sequence = packet_sequence(u->header);
    u->in_left = packet_length(u->header);
    u->is_deflated = before != 0;
    u->out_left = before != 0 ? before : u->in_left;
    u->inflater = NULL;
    u->holds_last = false;
    u->is_open = u->in_left > 0;
    return u->is_open ? 1 : ERR_UNCOMPRESS;
}

void unpack_lend(struct unpack *u, struct inflater *inflater)
{
    CHECK(inflateReset(&inflater->z) == Z_OK);
    u->inflater = inflater;
}

static int64_t copy_body(struct unpack *u, const uint8_t *data, size_t len, size_t *used,
                         uint8_t *out, size_t cap)
{
    size_t n = MIN(MIN(len, cap), (size_t)u->in_left);

    if (n > 0) {
        memcpy(out, data, n);
    }
    *used = n;
    u->in_left -= (uint32_t)n;
    u->out_left -= (uint32_t)n;
    u->is_open = u->in_left > 0;
    return (int64_t)n;
}

int64_t unpack_body(struct unpack *u, const uint8_t *data, size_t len, size_t *used, uint8_t *out,
                    size_t cap)
{
    size_t in = MIN(len, (size_t)u->in_left), room = MIN(cap, (size_t)u->out_left);
    uint8_t none; /* zlib wants addresses, of nothing too */
    size_t got;
    z_stream *z;
    int rc;

    CHECK(u->is_open && cap > 0);
    if (!u->is_deflated) {
        return copy_body(u, data, len, used, out, cap);
    }
    z = &u->inflater->z;
    z->next_in = (Bytef *)(uintptr_t)(in > 0 ? data : &none);
    z->avail_in = (uInt)in;
    z->next_out = room > 0 ? out : &none;
    z->avail_out = (uInt)room;
    rc = inflate(z, Z_NO_FLUSH);
    *used = in - z->avail_in;
    u->in_left -= (uint32_t)*used;
    got = room - z->avail_out;
    u->out_left -= (uint32_t)got;
    if (rc == Z_STREAM_END) {
        u->is_open = false;
        if (u->holds_last) { /* so nothing came now */
            out[got++] = u->last;
        }
        return u->in_left == 0 && u->out_left == 0 ? (int64_t)got : ERR_UNCOMPRESS;
    }
    if (rc != Z_OK && rc != Z_BUF_ERROR) {
        return rc == Z_MEM_ERROR ? ERR_MEMORY : ERR_UNCOMPRESS;
    }
    if (u->in_left == 0 && z->avail_out > 0) { /* it had all, and has not ended */
        return ERR_UNCOMPRESS;
    }
    if (u->out_left == 0 && (z->avail_in > 0 || u->in_left == 0)) { /* it would be longer */
        return ERR_UNCOMPRESS;
    }
    if (u->out_left == 0 && got > 0) {
        u->holds_last = true;
        u->last = out[--got];
    }
    return (int64_t)got;
}

void packet_walk(struct packet_walk *w, const uint8_t *data, size_t len)
{
    size_t at = 0;

    while (at < len) {
        if (w->left > 0) {
            size_t n = MIN(len - at, (size_t)w->left);

            w->left -= (uint32_t)n;
            at += n;
        } else if (w->header_len == 0 && len - at >= PACKET_HEADER) {
            w->left = packet_length(data + at);
            at += PACKET_HEADER;
        } else {
            w->header[w->header_len++] = data[at++];
            if (w->header_len == PACKET_HEADER) {
                w->header_len = 0;
                w->left = packet_length(w->header);
            }
        }
    }
}
