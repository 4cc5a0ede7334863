/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.c - see wire.h.
 */
#include "admin/wire.h"

#include "base/err.h"
#include "protocol/caps.h"
#include "protocol/packet.h"
#include "protocol/reply.h"

#define CHARSET_UTF8MB4   45
#define COLUMN_CHARS      16383 /* what a VARCHAR of utf8mb4 holds: nothing is shown longer */
#define COLUMN_BYTES      (4 * COLUMN_CHARS)
#define SMALL_BYTES       64   /* of EOF, OK without text, ERR without text, a column count */
#define COLUMN_EXTRA      64   /* of a column definition besides its name */
#define NULL_TEXT         0xfb /* SQL NULL in a text row; also "no default" of a field list */
#define BINARY_NULLS_FROM 2    /* bits in front of the first column's */

enum phase { PHASE_DONE, PHASE_HEAD, PHASE_COLUMNS, PHASE_COLUMNS_END, PHASE_ROWS, PHASE_ROWS_END };

void wire_init(struct wire *w, struct reply *reply, enum wire_form form, uint16_t status,
               uint8_t sequence)
{
    if (reply->too_large) {
        reply_error(reply, err_number(ERR_LIMIT), err_sqlstate(ERR_LIMIT),
                    "The result is larger than %zu MiB: ask for less of it, by WHERE or LIMIT",
                    REPLY_BYTES_MAX >> 20);
    }
    *w = (struct wire){.reply = *reply,
                       .form = (uint8_t)form,
                       .phase = PHASE_HEAD,
                       .sequence = sequence,
                       .status = status};
    *reply = (struct reply){0};
    if (w->reply.kind == REPLY_ROWS && w->reply.n_columns == 0) {
        w->reply.kind = REPLY_OK; /* no packet could say it */
    } else if (w->reply.kind == REPLY_ROWS && form == WIRE_FIELDS) {
        w->phase = PHASE_COLUMNS;
    }
}

void wire_fini(struct wire *w)
{
    reply_fini(&w->reply);
    *w = (struct wire){0};
}

/* --- sizes ----------------------------------------------------------------------------------- */

static size_t lenenc_bytes(size_t n)
{
    return n < 251 ? 1 : n < 0x10000 ? 3 : n < 0x1000000 ? 4 : 9;
}

static const struct slice *row_values(const struct wire *w)
{
    return w->reply.values + w->next * w->reply.n_columns;
}

static size_t null_bytes(const struct wire *w)
{
    return (w->reply.n_columns + BINARY_NULLS_FROM + 7) / 8;
}

static size_t row_payload(const struct wire *w)
{
    const struct slice *values = row_values(w);
    size_t bytes = w->form == WIRE_BINARY ? 1 + null_bytes(w) : 0;

    for (size_t i = 0; i < w->reply.n_columns; i++) {
        if (values[i].data != NULL) {
            bytes += lenenc_bytes(values[i].len) + values[i].len;
        } else if (w->form != WIRE_BINARY) {
            bytes++;
        }
    }
    return bytes;
}

static size_t text_bytes(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

/* A row of PACKET_MAX bytes or more goes in several packets, the last of them shorter than that. */
static size_t row_packets(size_t payload)
{
    return payload / PACKET_MAX + 1;
}

size_t wire_need(const struct wire *w)
{
    size_t payload;

    switch ((enum phase)w->phase) {
    case PHASE_DONE: return 0;
    case PHASE_HEAD:
        return SMALL_BYTES + MAX(text_bytes(w->reply.info), text_bytes(w->reply.message));
    case PHASE_COLUMNS: return COLUMN_EXTRA + WIRE_NAME_MAX;
    case PHASE_COLUMNS_END:
    case PHASE_ROWS_END: return SMALL_BYTES;
    case PHASE_ROWS:
        payload = row_payload(w);
        return payload + row_packets(payload) * PACKET_HEADER;
    }
    UNREACHABLE();
}

/* --- packets --------------------------------------------------------------------------------- */

/* As many whole characters of a name as may be sent. */
static struct slice name_of(const char *text)
{
    struct slice name = slice_of(text);

    if (name.len > WIRE_NAME_MAX) {
        name.len = WIRE_NAME_MAX;
        while (name.len > 0 && ((unsigned char)name.data[name.len] & 0xc0) == 0x80) {
            name.len--;
        }
    }
    return name;
}

static void put_column(struct wire *w, struct writer *out)
{
    struct column column = {.name = name_of(w->reply.columns[w->next]),
                            .charset = CHARSET_UTF8MB4,
                            .length = COLUMN_BYTES,
                            .type = TYPE_VAR_STRING};
    size_t at = out->len;

    w->sequence = column_encode(out, w->caps, &column, w->sequence);
    if (w->form == WIRE_FIELDS) { /* a default value stands behind it */
        put_u8(out, NULL_TEXT);
        packet_end(out, at, (uint8_t)(w->sequence - 1));
    }
}

static void put_head(struct wire *w, struct writer *out)
{
    const struct reply *r = &w->reply;
    struct ok ok = {.affected = r->affected,
                    .status = w->status,
                    .warnings = r->warnings,
                    .message = slice_of(r->info)};

    switch (r->kind) {
    case REPLY_ERROR:
        w->sequence = err_encode(out, r->number, r->sqlstate, slice_of(r->message), w->sequence);
        w->phase = PHASE_DONE;
        return;
    case REPLY_OK:
        w->sequence = ok_encode(out, &ok, w->sequence);
        w->phase = PHASE_DONE;
        return;
    case REPLY_ROWS:
        w->sequence = result_begin(out, r->n_columns, w->sequence);
        w->phase = PHASE_COLUMNS;
        return;
    }
}

static void put_values(const struct wire *w, struct writer *out)
{
    const struct slice *values = row_values(w);
    bool is_binary = w->form == WIRE_BINARY;
    size_t nulls_at;

    if (is_binary) {
        put_u8(out, 0);
        nulls_at = out->len;
        put_fill(out, 0, null_bytes(w));
    } else {
        nulls_at = 0;
    }
    for (size_t i = 0; i < w->reply.n_columns; i++) {
        size_t bit = i + BINARY_NULLS_FROM;

        if (values[i].data != NULL) {
            put_lenenc_slice(out, values[i]);
        } else if (!is_binary) {
            put_u8(out, NULL_TEXT);
        } else {
            out->base[nulls_at + bit / 8] |= (uint8_t)(1u << bit % 8);
        }
    }
}

/* The payload stands behind one header; make room for the others, the last part first. */
static void split_row(struct wire *w, uint8_t *packet, size_t payload)
{
    size_t n = row_packets(payload);

    for (size_t i = n; i-- > 0;) {
        size_t len = i + 1 < n ? PACKET_MAX : payload % PACKET_MAX;
        uint8_t *header = packet + i * (PACKET_MAX + (size_t)PACKET_HEADER);

        memmove(header + PACKET_HEADER, packet + PACKET_HEADER + i * (size_t)PACKET_MAX, len);
        packet_write_header(header, (uint32_t)len, (uint8_t)(w->sequence + i));
    }
    w->sequence = (uint8_t)(w->sequence + n);
}

static void put_row(struct wire *w, struct writer *out)
{
    size_t at = packet_begin(out);
    size_t payload = row_payload(w);

    put_values(w, out);
    (void)writer_take(out, (row_packets(payload) - 1) * PACKET_HEADER);
    CHECK(!out->failed);
    split_row(w, out->base + at, payload);
}

static void put_end(struct wire *w, struct writer *out)
{
    w->sequence = rows_end_encode(out, w->caps, w->reply.warnings, w->status, w->sequence);
}

/* What comes behind n of them. */
static void step(struct wire *w, size_t n, enum phase then)
{
    w->next++;
    if (w->next >= n) {
        w->next = 0;
        w->phase = (uint8_t)then;
    }
}

static void put_piece(struct wire *w, struct writer *out)
{
    size_t n_rows = reply_rows(&w->reply);

    switch ((enum phase)w->phase) {
    case PHASE_DONE: break;
    case PHASE_HEAD: put_head(w, out); break;
    case PHASE_COLUMNS:
        put_column(w, out);
        step(w, w->reply.n_columns, w->form == WIRE_FIELDS ? PHASE_ROWS_END : PHASE_COLUMNS_END);
        break;
    case PHASE_COLUMNS_END:
        w->sequence = columns_end_encode(out, w->caps, w->status, w->sequence);
        w->phase = n_rows > 0 ? PHASE_ROWS : PHASE_ROWS_END;
        break;
    case PHASE_ROWS:
        put_row(w, out);
        step(w, n_rows, PHASE_ROWS_END);
        break;
    case PHASE_ROWS_END:
        put_end(w, out);
        w->phase = PHASE_DONE;
        break;
    }
    CHECK(!out->failed);
}

void wire_fill(struct wire *w, struct writer *out)
{
    while (w->phase != PHASE_DONE && wire_need(w) <= out->cap - out->len) {
        put_piece(w, out);
    }
}
