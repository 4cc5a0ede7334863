/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes.h - bounded reading and writing of wire integers and strings, with sticky failure.
 *
 * A message is a straight list of gets or puts with one test of `failed` at the end. After a
 * failure gets return 0 or the empty slice and puts write nothing. Little endian throughout
 * (MariaDB documentation, "Protocol data types"). The fixed-size ones are inline: they are the
 * inside of every decoder.
 */
#ifndef PROTOCOL_BYTES_H
#define PROTOCOL_BYTES_H

#include "base/base.h"

#define LENENC_NULL UINT64_MAX /* what get_lenenc gives for the byte 0xfb */
#define LENENC_MAX  9          /* bytes that put_lenenc may need */

struct reader {
    const uint8_t *pos;
    const uint8_t *end;
    bool failed;
};

struct writer {
    uint8_t *base;
    size_t len;
    size_t cap;
    bool failed; /* something did not fit */
};

static inline struct reader reader_of(const void *data, size_t len)
{
    const uint8_t *pos = data;

    /* NULL + 0 is undefined in C, and the empty slice is {NULL, 0}. */
    return (struct reader){pos, len == 0 ? pos : pos + len, false};
}

static inline struct writer writer_of(void *base, size_t cap)
{
    return (struct writer){base, 0, cap, false};
}

static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->pos);
}

/* reader_take - n bytes, stepped over; NULL and failed when there are fewer. For n > 0. */
static inline const uint8_t *reader_take(struct reader *r, size_t n)
{
    const uint8_t *at = r->pos;

    if (UNLIKELY(r->failed || reader_left(r) < n)) {
        r->failed = true;
        return NULL;
    }
    r->pos += n;
    return at;
}

/* writer_take - room for n bytes, counted as written; NULL and failed when it does not fit. */
static inline uint8_t *writer_take(struct writer *w, size_t n)
{
    uint8_t *at;

    if (UNLIKELY(w->failed || w->cap - w->len < n)) {
        w->failed = true;
        return NULL;
    }
    at = w->base + w->len;
    w->len += n;
    return at;
}

/* The same integers where the bounds are already known. */
static inline uint16_t peek_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t peek_u24(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static inline uint32_t peek_u32(const uint8_t *p)
{
    return peek_u24(p) | (uint32_t)p[3] << 24;
}

static inline uint64_t peek_u64(const uint8_t *p)
{
    return (uint64_t)peek_u32(p) | (uint64_t)peek_u32(p + 4) << 32;
}

static inline uint8_t get_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);

    return p == NULL ? 0 : p[0];
}

static inline uint16_t get_u16(struct reader *r)
{
    const uint8_t *p = reader_take(r, 2);

    return p == NULL ? 0 : peek_u16(p);
}

static inline uint32_t get_u24(struct reader *r)
{
    const uint8_t *p = reader_take(r, 3);

    return p == NULL ? 0 : peek_u24(p);
}

static inline uint32_t get_u32(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);

    return p == NULL ? 0 : peek_u32(p);
}

static inline uint64_t get_u64(struct reader *r)
{
    const uint8_t *p = reader_take(r, 8);

    return p == NULL ? 0 : peek_u64(p);
}

uint64_t get_lenenc(struct reader *r); /* 0xff as first byte fails */
struct slice get_bytes(struct reader *r, size_t n);
struct slice get_zero(struct reader *r);         /* up to a zero byte, which must be there */
struct slice get_zero_or_rest(struct reader *r); /* up to a zero byte or the end of the message */
struct slice get_lenenc_bytes(struct reader *r); /* length, then bytes; NULL (0xfb) fails */
struct slice get_rest(struct reader *r);

static inline void put_u8(struct writer *w, uint8_t value)
{
    uint8_t *p = writer_take(w, 1);

    if (p != NULL) {
        p[0] = value;
    }
}

static inline void put_u16(struct writer *w, uint16_t value)
{
    uint8_t *p = writer_take(w, 2);

    if (p != NULL) {
        p[0] = (uint8_t)value;
        p[1] = (uint8_t)(value >> 8);
    }
}

static inline void put_u24(struct writer *w, uint32_t value)
{
    uint8_t *p = writer_take(w, 3);

    if (p != NULL) {
        p[0] = (uint8_t)value;
        p[1] = (uint8_t)(value >> 8);
        p[2] = (uint8_t)(value >> 16);
    }
}

static inline void put_u32(struct writer *w, uint32_t value)
{
    uint8_t *p = writer_take(w, 4);

    if (p != NULL) {
        p[0] = (uint8_t)value;
        p[1] = (uint8_t)(value >> 8);
        p[2] = (uint8_t)(value >> 16);
        p[3] = (uint8_t)(value >> 24);
    }
}

void put_u64(struct writer *w, uint64_t value);
void put_lenenc(struct writer *w, uint64_t value); /* any value but LENENC_NULL */
void put_bytes(struct writer *w, const void *data, size_t n);
void put_slice(struct writer *w, struct slice s);
void put_zero(struct writer *w, struct slice s);         /* the bytes and a zero */
void put_lenenc_slice(struct writer *w, struct slice s); /* length, then bytes */
void put_fill(struct writer *w, uint8_t byte, size_t n);

#endif
