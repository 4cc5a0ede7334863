/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - an answer of the store as packets, piece by piece.
 *
 *   OK and errors are one packet; rows are: count, columns, EOF, rows, EOF (or as CAP_DEPRECATE_EOF
 *   wants it).
 *
 * No I/O: the caller brings a buffer, sends it, and comes back when the client has taken it. So an
 * answer of any size needs one buffer besides its values. Every column is text (VAR_STRING,
 * utf8mb4), as in ProxySQL.
 */
#ifndef ADMIN_WIRE_H
#define ADMIN_WIRE_H

#include "admin/reply.h"
#include "protocol/bytes.h"

#define WIRE_BUFFER_BYTES ((size_t)64 << 10) /* enough for anything but a long row */
#define WIRE_NAME_MAX     1024               /* bytes of a column's name; the rest is cut */

enum wire_form {
    WIRE_TEXT,   /* answer of COM_QUERY */
    WIRE_BINARY, /* answer of COM_STMT_EXECUTE */
    WIRE_FIELDS  /* answer of COM_FIELD_LIST: columns and EOF only */
};

struct wire {
    struct reply reply; /* owned */
    uint8_t form;       /* enum wire_form */
    uint8_t phase;      /* enum in wire.c; 0 = done */
    uint8_t sequence;   /* of the next packet */
    uint16_t status;    /* STATUS_* of the last packet */
    uint64_t caps;      /* CAPS_OF_FORM of who reads it: 0, until the caller says otherwise */
    size_t next;        /* column or row */
};

/*
 * wire_init - begin an answer. Takes over what the reply owns; the reply is empty afterwards. A
 * reply that was too large becomes an error.
 */
void wire_init(struct wire *w, struct reply *reply, enum wire_form form, uint16_t status,
               uint8_t sequence);

/* wire_fini - frees what is left of it; a zeroed one is fine. */
void wire_fini(struct wire *w);

/* wire_need - bytes that the next piece takes; 0 = all is done. */
size_t wire_need(const struct wire *w);

/*
 * wire_fill - appends whole packets, as many as fit; at least one when out has wire_need() bytes
 * left.
 */
void wire_fill(struct wire *w, struct writer *out);

#endif
