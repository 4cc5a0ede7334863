/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.c - OK, ERR, EOF and text result sets.
 */
#include "protocol/reply.h"

#include "base/err.h"
#include "protocol/caps.h"
#include "protocol/packet.h"

/* FIRST_EOF also begins the OK that ends rows. */
enum { FIRST_OK = 0x00, FIRST_NULL = 0xfb, FIRST_EOF = 0xfe, FIRST_ERR = 0xff };

#define SQLSTATE_LEN      5
#define COLUMN_FIXED_PART 0x0c /* length of the numbers behind a column's names */

/* The bit is only there with a block of session changes behind it. */
static uint16_t status_to_send(uint16_t status)
{
    return (uint16_t)(status & ~STATUS_SESSION_STATE_CHANGED);
}

static uint8_t finish(struct writer *w, size_t at, uint8_t sequence)
{
    packet_end(w, at, sequence);
    return (uint8_t)(sequence + 1);
}

uint8_t ok_encode(struct writer *w, const struct ok *ok, uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_u8(w, ok->ends_rows ? FIRST_EOF : FIRST_OK);
    put_lenenc(w, ok->affected);
    put_lenenc(w, ok->last_insert_id);
    put_u16(w, ok->track.data != NULL ? ok->status | STATUS_SESSION_STATE_CHANGED
                                      : status_to_send(ok->status));
    put_u16(w, ok->warnings);
    if (ok->message.len > 0 || ok->track.data != NULL) {
        put_lenenc_slice(w, ok->message);
    }
    if (ok->track.data != NULL) {
        put_lenenc_slice(w, ok->track);
    }
    return finish(w, at, sequence);
}

uint8_t err_encode(struct writer *w, uint16_t number, const char *sqlstate, struct slice message,
                   uint8_t sequence)
{
    size_t at = packet_begin(w);

    CHECK(strlen(sqlstate) == SQLSTATE_LEN);
    put_u8(w, FIRST_ERR);
    put_u16(w, number);
    put_u8(w, '#');
    put_bytes(w, sqlstate, SQLSTATE_LEN);
    put_slice(w, message);
    return finish(w, at, sequence);
}

uint8_t err_encode_early(struct writer *w, uint16_t number, struct slice message, uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_u8(w, FIRST_ERR);
    put_u16(w, number);
    put_slice(w, message);
    return finish(w, at, sequence);
}

static uint8_t eof_encode(struct writer *w, uint16_t warnings, uint16_t status, uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_u8(w, FIRST_EOF);
    put_u16(w, warnings);
    put_u16(w, status_to_send(status));
    return finish(w, at, sequence);
}

uint8_t columns_end_encode(struct writer *w, uint64_t caps, uint16_t status, uint8_t sequence)
{
    return (caps & CAP_DEPRECATE_EOF) != 0 ? sequence : eof_encode(w, 0, status, sequence);
}

uint8_t rows_end_encode(struct writer *w, uint64_t caps, uint16_t warnings, uint16_t status,
                        uint8_t sequence)
{
    const struct ok ok = {.ends_rows = true, .status = status, .warnings = warnings};

    return (caps & CAP_DEPRECATE_EOF) != 0 ? ok_encode(w, &ok, sequence)
                                           : eof_encode(w, warnings, status, sequence);
}

uint8_t column_encode(struct writer *w, uint64_t caps, const struct column *c, uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_lenenc_slice(w, SLICE("def")); /* the catalog; there is only this one */
    put_lenenc_slice(w, c->schema);
    put_lenenc_slice(w, c->table);
    put_lenenc_slice(w, c->org_table);
    put_lenenc_slice(w, c->name);
    put_lenenc_slice(w, c->org_name);
    if ((caps & CAP_EXTENDED_METADATA) != 0) {
        put_lenenc(w, 0);
    }
    put_u8(w, COLUMN_FIXED_PART);
    put_u16(w, c->charset);
    put_u32(w, c->length);
    put_u8(w, c->type);
    put_u16(w, c->flags);
    put_u8(w, c->decimals);
    put_u16(w, 0);
    return finish(w, at, sequence);
}

uint8_t result_begin(struct writer *w, uint64_t n_columns, uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_lenenc(w, n_columns);
    return finish(w, at, sequence);
}

uint8_t row_encode(struct writer *w, const struct slice *fields, size_t n, uint8_t sequence)
{
    size_t at = packet_begin(w);

    for (size_t i = 0; i < n; i++) {
        if (fields[i].data == NULL) {
            put_u8(w, FIRST_NULL);
        } else {
            put_lenenc_slice(w, fields[i]);
        }
    }
    return finish(w, at, sequence);
}

int ok_decode(struct ok *ok, bool session_track, const uint8_t *payload, size_t len)
{
    struct reader r = reader_of(payload, len);
    uint8_t first = get_u8(&r);

    *ok = (struct ok){.ends_rows = first == FIRST_EOF};
    ok->affected = get_lenenc(&r);
    ok->last_insert_id = get_lenenc(&r);
    ok->status = get_u16(&r);
    ok->warnings = get_u16(&r);
    if (session_track && (ok->status & STATUS_SESSION_STATE_CHANGED) != 0) {
        ok->message = get_lenenc_bytes(&r);
        ok->track = get_lenenc_bytes(&r);
    } else if (reader_left(&r) > 0) {
        ok->message = get_lenenc_bytes(&r);
    }
    if (r.failed || (first != FIRST_OK && first != FIRST_EOF) || reader_left(&r) > 0 ||
        ok->affected == LENENC_NULL || ok->last_insert_id == LENENC_NULL) {
        *ok = (struct ok){0};
        return ERR_MALFORMED;
    }
    return 0;
}

/* Digits and capital letters, all five: what else a peer sends is not passed on as one. */
static bool is_sqlstate(struct slice s)
{
    size_t n = 0;

    while (n < s.len &&
           ((s.data[n] >= '0' && s.data[n] <= '9') || (s.data[n] >= 'A' && s.data[n] <= 'Z'))) {
        n++;
    }
    return n == SQLSTATE_LEN;
}

int err_decode(struct err *err, const uint8_t *payload, size_t len)
{
    struct reader r = reader_of(payload, len);
    struct slice state = SLICE("HY000");
    uint8_t first = get_u8(&r);

    *err = (struct err){.number = get_u16(&r)};
    if (reader_left(&r) > SQLSTATE_LEN && r.pos[0] == '#') {
        (void)get_u8(&r);
        state = get_bytes(&r, SQLSTATE_LEN);
        state = is_sqlstate(state) ? state : SLICE("HY000");
    }
    memcpy(err->sqlstate, state.data, SQLSTATE_LEN);
    err->message = get_rest(&r);
    return r.failed || first != FIRST_ERR ? ERR_MALFORMED : 0;
}

int column_decode(struct column *c, uint64_t caps, const uint8_t *payload, size_t len)
{
    struct reader r = reader_of(payload, len);
    struct slice catalog = get_lenenc_bytes(&r);
    uint64_t fixed;

    *c = (struct column){0};
    c->schema = get_lenenc_bytes(&r);
    c->table = get_lenenc_bytes(&r);
    c->org_table = get_lenenc_bytes(&r);
    c->name = get_lenenc_bytes(&r);
    c->org_name = get_lenenc_bytes(&r);
    if ((caps & CAP_EXTENDED_METADATA) != 0) {
        (void)get_lenenc_bytes(&r);
    }
    fixed = get_lenenc(&r);
    c->charset = get_u16(&r);
    c->length = get_u32(&r);
    c->type = get_u8(&r);
    c->flags = get_u16(&r);
    c->decimals = get_u8(&r);
    (void)get_u16(&r);
    /* COM_FIELD_LIST puts a default value behind it: that is not looked at. */
    if (r.failed || !slice_eq(catalog, SLICE("def")) || fixed != COLUMN_FIXED_PART) {
        *c = (struct column){0};
        return ERR_MALFORMED;
    }
    return 0;
}

struct slice row_next(struct reader *r, bool *is_null)
{
    *is_null = !r->failed && reader_left(r) > 0 && r->pos[0] == FIRST_NULL;
    if (*is_null) {
        (void)get_u8(r);
        return (struct slice){NULL, 0};
    }
    return get_lenenc_bytes(r);
}

int64_t ok_strip_track(uint8_t *packet, size_t len)
{
    struct ok ok;
    struct reader r;
    size_t status_at, length;

    if (len < PACKET_HEADER || packet_length(packet) != len - PACKET_HEADER ||
        ok_decode(&ok, true, packet + PACKET_HEADER, len - PACKET_HEADER) != 0) {
        return ERR_MALFORMED;
    }
    if ((ok.status & STATUS_SESSION_STATE_CHANGED) == 0) {
        return (int64_t)len;
    }
    r = reader_of(packet, len);
    (void)get_bytes(&r, PACKET_HEADER + 1);
    (void)get_lenenc(&r);
    (void)get_lenenc(&r);
    status_at = (size_t)(r.pos - packet);
    packet[status_at + 1] &= (uint8_t) ~(STATUS_SESSION_STATE_CHANGED >> 8);
    length = status_at + 4;
    if (ok.message.len > 0) { /* stays where it is, with its length in front */
        length = (size_t)((const uint8_t *)ok.message.data + ok.message.len - packet);
    }
    packet_write_header(packet, (uint32_t)(length - PACKET_HEADER), packet_sequence(packet));
    return (int64_t)length;
}
