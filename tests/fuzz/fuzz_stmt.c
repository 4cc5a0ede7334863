/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_stmt.c - prepared statement packets; an EXECUTE with another id and types decodes again.
 *
 * Input: number of parameters(2), then the payload.
 */
#include <stdlib.h>

#include "protocol/stmt.h"

#define STMT_ROOM (1u << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t stmt_room[STMT_ROOM];

static void stmt_execute(uint16_t n_params, const uint8_t *data, size_t size, struct slice types)
{
    struct writer w = writer_of(stmt_room, STMT_ROOM);
    struct execute e, again;

    if (execute_decode(&e, n_params, data, size) != 0) {
        return;
    }
    CHECK(e.nulls.len + e.types.len + e.values.len <= size);
    execute_encode(&w, &e, 77, types);
    if (!w.failed) {
        CHECK(execute_decode(&again, n_params, stmt_room, w.len) == 0);
        CHECK(again.stmt_id == 77 && again.cursor == e.cursor && again.types_at == e.types_at);
        CHECK(slice_eq(e.nulls, again.nulls) && slice_eq(e.values, again.values));
        CHECK(n_params == 0 || slice_eq(again.types, types.len > 0 ? types : e.types));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prepare_ok p;
    uint16_t n_params;
    char *types;
    uint32_t id;

    if (size < 2) {
        return 0;
    }
    n_params = peek_u16(data);
    data += 2;
    size -= 2;
    if (stmt_id_get(&id, data, size) == 0 && prepare_ok_decode(&p, data, size) == 0) {
        CHECK(p.stmt_id == id);
    }
    types = calloc(2, n_params + (size_t)1);
    CHECK(types != NULL);
    stmt_execute(n_params, data, size, (struct slice){NULL, 0});
    stmt_execute(n_params, data, size, (struct slice){types, 2 * (size_t)n_params});
    free(types);
    return 0;
}
