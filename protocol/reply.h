/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.h - OK, ERR, EOF and small text result sets: encode and decode.
 *
 * Encoders append whole packets with headers to w and return the next sequence number. caps are
 * those of who reads them, of which CAPS_OF_FORM count: with CAP_DEPRECATE_EOF nothing follows
 * definitions, and an OK with 0xfe as its first byte ends rows; with CAP_EXTENDED_METADATA a column
 * definition has one more string, which is empty in what is made here.
 * Decoders take one payload. Bytes as MariaDB 10.11 sends them to a client with PROTOCOL_41: an OK
 * without a message ends after the warning count; a message is
 * length-encoded; with SESSION_TRACK and STATUS_SESSION_STATE_CHANGED the message (possibly empty)
 * is always there and is followed by the length-encoded block of changes.
 */
#ifndef PROTOCOL_REPLY_H
#define PROTOCOL_REPLY_H

#include "protocol/bytes.h"

struct ok {
    uint64_t affected;
    uint64_t last_insert_id;
    uint16_t status;
    uint16_t warnings;
    struct slice message; /* empty = none */
    struct slice track;   /* block of session changes (track.h); data NULL = none, and no bit */
    bool ends_rows; /* the first byte is 0xfe: DEPRECATE_EOF, the last packet of a result set */
};

struct err {
    uint16_t number;
    char sqlstate
        [6]; /* terminated, five characters; "HY000" when the packet had none (before login),
                         or what is none */
    struct slice message;
};

/* One column of a text result as MariaDB describes it. */
struct column {
    struct slice schema, table, org_table, name, org_name;
    uint16_t charset;
    uint32_t length;
    uint8_t type;
    uint16_t flags;
    uint8_t decimals;
};

#define TYPE_LONG       0x03
#define TYPE_LONGLONG   0x08
#define TYPE_VAR_STRING 0xfd
#define FLAG_NOT_NULL   0x0001
#define FLAG_BINARY     0x0080
#define FLAG_NO_DEFAULT 0x1000

uint8_t ok_encode(struct writer *w, const struct ok *ok, uint8_t sequence);
uint8_t err_encode(struct writer *w, uint16_t number, const char *sqlstate, struct slice message,
                   uint8_t sequence);
/* err_encode_early - before login is known to speak 4.1: no SQLSTATE in the packet. */
uint8_t err_encode_early(struct writer *w, uint16_t number, struct slice message, uint8_t sequence);
/*
 * columns_end_encode, rows_end_encode - what stands behind the definitions of columns (or of
 * parameters), and behind rows or alone (COM_SET_OPTION). The former may be nothing.
 */
uint8_t columns_end_encode(struct writer *w, uint64_t caps, uint16_t status, uint8_t sequence);
uint8_t rows_end_encode(struct writer *w, uint64_t caps, uint16_t warnings, uint16_t status,
                        uint8_t sequence);
uint8_t column_encode(struct writer *w, uint64_t caps, const struct column *c, uint8_t sequence);
/* result_begin - column count packet. row_encode - n text fields, {NULL,0} data = SQL NULL. */
uint8_t result_begin(struct writer *w, uint64_t n_columns, uint8_t sequence);
uint8_t row_encode(struct writer *w, const struct slice *fields, size_t n, uint8_t sequence);

/* ok_decode - session_track: the connection has CAP_SESSION_TRACK. ERR_MALFORMED when cut. */
int ok_decode(struct ok *ok, bool session_track, const uint8_t *payload, size_t len) MUST_CHECK;
int err_decode(struct err *err, const uint8_t *payload, size_t len) MUST_CHECK;
int column_decode(struct column *c, uint64_t caps, const uint8_t *payload, size_t len) MUST_CHECK;

/*
 * row_next - the next text field of a row; *is_null tells NULL. Fails r when cut.
 */
struct slice row_next(struct reader *r, bool *is_null);

/*
 * ok_strip_track - turn one whole OK packet with header, as sent to a connection with
 * SESSION_TRACK, into what MariaDB sends to one without: no block of changes, no empty message, no
 * 0x4000 bit. Of either first byte, which stays. In place. Returns the new length with header (<=
 * len), or ERR_MALFORMED.
 */
int64_t ok_strip_track(uint8_t *packet, size_t len) MUST_CHECK;

#endif
