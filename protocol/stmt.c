/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stmt.c - prepared statement packets.
 *
 *   prepare reply: 00 id(4) columns(2) params(2) 00 warnings(2)
 *   execute:       17 id(4) cursor(1) iterations(4) [nulls((n+7)/8) bound(1) [types(2n)] values]
 *   bulk execute:  fa id(4) flags(2) [types(2n)] for each row and parameter: indicator(1) [value]
 *
 * What is in brackets is sent only when the statement has parameters; of a bulk execute types with
 * BULK_TYPES, and a value when the indicator is 0 (1 = NULL, 2 = DEFAULT, 3 = leave it as it is).
 */
#include "protocol/stmt.h"

#include "base/err.h"
#include "protocol/command.h"

#define EXECUTE_HEAD 10

int prepare_ok_decode(struct prepare_ok *p, const uint8_t *payload, size_t len)
{
    struct reader r = reader_of(payload, len);
    uint8_t first = get_u8(&r);

    *p = (struct prepare_ok){0};
    p->stmt_id = get_u32(&r);
    p->n_columns = get_u16(&r);
    p->n_params = get_u16(&r);
    (void)get_u8(&r);
    p->warnings = get_u16(&r);
    return r.failed || first != 0 ? ERR_MALFORMED : 0;
}

int stmt_id_get(uint32_t *id, const uint8_t *payload, size_t len)
{
    if (len < 5) {
        *id = 0;
        return ERR_MALFORMED;
    }
    *id = peek_u32(payload + 1);
    return 0;
}

void stmt_id_put(uint8_t *payload, uint32_t id)
{
    struct writer w = writer_of(payload + 1, 4);

    put_u32(&w, id);
}

static void get_execute(struct execute *e, uint16_t n_params, struct reader *r)
{
    uint8_t bound;

    e->cursor = get_u8(r);
    (void)get_u32(r); /* iterations: always 1 */
    if (n_params > 0) {
        e->nulls = get_bytes(r, (n_params + 7u) / 8u);
        e->types_at = EXECUTE_HEAD + e->nulls.len;
        bound = get_u8(r);
        if (bound > 1) { /* no client sends it; the server would misread what follows */
            r->failed = true;
        }
        e->has_types = bound == 1;
    }
}

int execute_decode(struct execute *e, uint16_t n_params, const uint8_t *payload, size_t len)
{
    struct reader r = reader_of(payload, len);
    uint8_t command = get_u8(&r);

    *e = (struct execute){.is_bulk = command == COM_STMT_BULK_EXECUTE, .stmt_id = get_u32(&r)};
    if (e->is_bulk) {
        e->flags = get_u16(&r);
        e->has_types = (e->flags & BULK_TYPES) != 0;
    } else if (command == COM_STMT_EXECUTE) {
        get_execute(e, n_params, &r);
    } else {
        r.failed = true;
    }
    if (e->has_types) {
        e->types = get_bytes(&r, 2u * (size_t)n_params);
    }
    e->values = get_rest(&r);
    if (r.failed) {
        *e = (struct execute){0};
        return ERR_MALFORMED;
    }
    return 0;
}

void execute_encode(struct writer *w, const struct execute *e, uint32_t stmt_id, struct slice types)
{
    struct slice bound = types.len > 0 ? types : e->types;

    put_u8(w, e->is_bulk ? COM_STMT_BULK_EXECUTE : COM_STMT_EXECUTE);
    put_u32(w, stmt_id);
    if (e->is_bulk) {
        put_u16(w, (uint16_t)(bound.len > 0 ? e->flags | BULK_TYPES : e->flags));
        put_slice(w, bound);
        put_slice(w, e->values);
        return;
    }
    put_u8(w, e->cursor);
    put_u32(w, 1);
    if (e->types_at > 0) {
        put_slice(w, e->nulls);
        put_u8(w, bound.len > 0);
        put_slice(w, bound);
    }
    put_slice(w, e->values);
}
