/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stmt.h - binary protocol packets that carry statement ids: decode what routing needs, rewrite
 * ids.
 *
 * Payloads without header (MariaDB documentation, "3-binary-protocol").
 */
#ifndef PROTOCOL_STMT_H
#define PROTOCOL_STMT_H

#include "protocol/bytes.h"

#define STMT_ID_LAST \
    0xffffffffu /* MariaDB >= 10.2: "the statement prepared last on this connection" */

#define CURSOR_READ_ONLY 0x01

#define EXECUTE_CURSOR_AT 5 /* offset in the payload of a COM_STMT_EXECUTE */

#define BULK_FLAGS_AT 5      /* offset in the payload of a COM_STMT_BULK_EXECUTE */
#define BULK_TYPES    0x0080 /* flag of COM_STMT_BULK_EXECUTE: types follow */

struct prepare_ok {
    uint32_t stmt_id;
    uint16_t n_columns;
    uint16_t n_params;
    uint16_t warnings;
};

int prepare_ok_decode(struct prepare_ok *p, const uint8_t *payload, size_t len) MUST_CHECK;

/*
 * stmt_id_get/put - bytes 1..4 of any COM_STMT_* request (and of a prepare reply). len checked by
 * get.
 */
int stmt_id_get(uint32_t *id, const uint8_t *payload, size_t len) MUST_CHECK;
void stmt_id_put(uint8_t *payload, uint32_t id);

/* A COM_STMT_EXECUTE or COM_STMT_BULK_EXECUTE. */
struct execute {
    uint32_t stmt_id;
    bool is_bulk;
    uint8_t cursor;      /* CURSOR_* bits; never of a bulk execute */
    uint16_t flags;      /* of a bulk execute */
    bool has_types;      /* new-params-bound flag, or BULK_TYPES, is set: types follows */
    struct slice nulls;  /* null bitmap */
    size_t types_at;     /* offset in the payload of the new-params-bound byte; 0 = it has none */
    struct slice types;  /* 2 bytes a parameter; empty when !has_types */
    struct slice values; /* the rest */
};

/*
 * execute_decode - n_params is from the prepare reply. ERR_MALFORMED when cut. Values are not
 * parsed.
 */
int execute_decode(struct execute *e, uint16_t n_params, const uint8_t *payload,
                   size_t len) MUST_CHECK;

/*
 * execute_encode - the same command with another id and, when types is not empty, with these types
 * bound; appends payload only (the caller frames it).
 */
void execute_encode(struct writer *w, const struct execute *e, uint32_t stmt_id,
                    struct slice types);

#endif
