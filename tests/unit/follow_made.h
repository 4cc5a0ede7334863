/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_made.h - replies that are made for the tests of follow.h, and followed in all pieces.
 */
#ifndef TESTS_UNIT_FOLLOW_MADE_H
#define TESTS_UNIT_FOLLOW_MADE_H

#include "protocol/caps.h"
#include "protocol/follow.h"
#include "protocol/reply.h"
#include "tests/fuzz/follow_trace.h"
#include "tests/unit/test.h"

#define REPLY_MAX 4096

/* A reply being made. */
struct made {
    uint8_t data[REPLY_MAX];
    struct writer w;
    uint8_t sequence;
    uint64_t caps; /* of the connection */
};

void make_begin(struct made *m, uint64_t caps);

/* One packet with this payload. */
void make_bytes(struct made *m, const void *payload, size_t len);

#define MAKE(m, literal) make_bytes((m), (literal), sizeof(literal) - 1)

void make_ok(struct made *m, uint16_t status);
void make_ok_track(struct made *m, uint16_t status);
void make_err(struct made *m);

/*
 * make_columns_end, make_rows_end - an EOF, or what stands there with CAP_DEPRECATE_EOF; with one
 * warning behind rows. make_eof: an EOF, whatever the connection.
 */
void make_eof(struct made *m, unsigned status);
void make_columns_end(struct made *m, unsigned status);
void make_rows_end(struct made *m, unsigned status);

void make_columns(struct made *m, unsigned n);
void make_head(struct made *m, unsigned n_columns); /* count, columns and their end */
void make_rows(struct made *m, unsigned n);         /* of two columns */
void make_prepare(struct made *m, uint64_t caps, uint8_t n_params, uint8_t n_columns);

/*
 * follow_made - feed the reply in all ways; events must be as told, and end behind the last byte
 * made. The trace of the whole is the caller's.
 * follow_bad - the same for a reply that is malformed from the packet at bad_at on.
 */
struct trace *follow_made(struct made *m, enum follow_kind kind, const char *events);
void follow_bad(struct made *m, enum follow_kind kind, const char *events, size_t bad_at);

/* follow_compare - the trace of pieces, which is freed, is that of the whole. */
void follow_compare(struct trace *whole, struct trace *pieces, size_t at);

/* follow_unchanged - nothing was changed on the way. */
void follow_unchanged(const struct made *m, const struct trace *t);

#endif
