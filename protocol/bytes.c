/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes.c - the variable-length gets and puts.
 */
#include "protocol/bytes.h"

enum { LENENC_FIRST_NULL = 0xfb, LENENC_FIRST_16 = 0xfc, LENENC_FIRST_24 = 0xfd };
enum { LENENC_FIRST_64 = 0xfe, LENENC_FIRST_BAD = 0xff };

uint64_t get_lenenc(struct reader *r)
{
    uint8_t first = get_u8(r);

    switch (first) {
    case LENENC_FIRST_NULL: return LENENC_NULL;
    case LENENC_FIRST_16: return get_u16(r);
    case LENENC_FIRST_24: return get_u24(r);
    case LENENC_FIRST_64: return get_u64(r);
    case LENENC_FIRST_BAD: r->failed = true; return 0;
    default: return first;
    }
}

struct slice get_bytes(struct reader *r, size_t n)
{
    const uint8_t *p;

    if (n == 0) {
        return (struct slice){r->failed ? NULL : (const char *)r->pos, 0};
    }
    p = reader_take(r, n);
    return (struct slice){(const char *)p, p == NULL ? 0 : n};
}

static size_t bytes_before_zero(const struct reader *r)
{
    size_t left = reader_left(r);
    const uint8_t *zero = left == 0 ? NULL : memchr(r->pos, 0, left);

    return zero == NULL ? left : (size_t)(zero - r->pos);
}

struct slice get_zero(struct reader *r)
{
    size_t n = bytes_before_zero(r);
    struct slice s;

    if (n == reader_left(r)) {
        r->failed = true;
    }
    s = get_bytes(r, n);
    (void)get_u8(r);
    return s;
}

struct slice get_zero_or_rest(struct reader *r)
{
    struct slice s = get_bytes(r, r->failed ? 0 : bytes_before_zero(r));

    if (reader_left(r) > 0) {
        (void)get_u8(r);
    }
    return s;
}

struct slice get_lenenc_bytes(struct reader *r)
{
    uint64_t n = get_lenenc(r);

    if (n > reader_left(r)) { /* LENENC_NULL too */
        r->failed = true;
    }
    return get_bytes(r, r->failed ? 0 : (size_t)n);
}

struct slice get_rest(struct reader *r)
{
    return get_bytes(r, r->failed ? 0 : reader_left(r));
}

void put_u64(struct writer *w, uint64_t value)
{
    uint8_t *p = writer_take(w, 8);

    for (unsigned i = 0; p != NULL && i < 8; i++) {
        p[i] = (uint8_t)(value >> 8 * i);
    }
}

void put_lenenc(struct writer *w, uint64_t value)
{
    CHECK(value != LENENC_NULL);
    if (value < LENENC_FIRST_NULL) {
        put_u8(w, (uint8_t)value);
    } else if (value <= UINT16_MAX) {
        put_u8(w, LENENC_FIRST_16);
        put_u16(w, (uint16_t)value);
    } else if (value <= 0xffffff) {
        put_u8(w, LENENC_FIRST_24);
        put_u24(w, (uint32_t)value);
    } else {
        put_u8(w, LENENC_FIRST_64);
        put_u64(w, value);
    }
}

void put_bytes(struct writer *w, const void *data, size_t n)
{
    uint8_t *p;

    if (n == 0) { /* data may be NULL, which memcpy does not allow */
        return;
    }
    p = writer_take(w, n);
    if (p != NULL) {
        memcpy(p, data, n);
    }
}

void put_slice(struct writer *w, struct slice s)
{
    put_bytes(w, s.data, s.len);
}

void put_zero(struct writer *w, struct slice s)
{
    put_slice(w, s);
    put_u8(w, 0);
}

void put_lenenc_slice(struct writer *w, struct slice s)
{
    put_lenenc(w, s.len);
    put_slice(w, s);
}

void put_fill(struct writer *w, uint8_t byte, size_t n)
{
    uint8_t *p;

    if (n == 0) {
        return;
    }
    p = writer_take(w, n);
    if (p != NULL) {
        memset(p, byte, n);
    }
}
