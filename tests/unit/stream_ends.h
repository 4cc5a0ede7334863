/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_ends.h - streams on a real loop that remember what they were told.
 */
#ifndef TESTS_UNIT_STREAM_ENDS_H
#define TESTS_UNIT_STREAM_ENDS_H

#include "protocol/stream.h"
#include "tests/unit/test.h"

/* A stream and all that it told. */
struct end {
    struct stream stream;
    uint8_t *got; /* owned: what was read */
    size_t n_got;
    struct end *sink;      /* where on_bytes writes what it gets; NULL = only kept */
    struct end *second;    /* and there as well */
    bool close_after_sink; /* close the sink right after a write to it */
    unsigned n_bytes, n_drained, n_end, n_connected, n_secured, n_closed;
    int end_rc, connected_rc, secured_rc;
};

struct ends_loop {
    uv_loop_t uv;
    struct stream_loop loop;
};

extern const struct stream_events ends_events;

/* ends_make, ends_done - a loop; at its end nothing is queued, open or allocated. */
void ends_make(struct ends_loop *f);
void ends_done(struct ends_loop *f);

/*
 * ends_open_pair - the two ends of one connection. ends_close - close it, wait for that, free what
 * it got.
 */
void ends_open_pair(struct ends_loop *f, struct end *a, struct end *b);
void ends_run_until_closed(struct ends_loop *f, struct end *e);
void ends_close(struct ends_loop *f, struct end *e);

/* ends_pattern - bytes that tell their place; free() them. */
uint8_t *ends_pattern(size_t len);

/*
 * ends_write - stream_write of one buffer. ends_read_until - read until e has exactly n bytes in
 * all.
 */
int ends_write(struct end *e, const uint8_t *bytes, size_t len);
void ends_read_until(struct ends_loop *f, struct end *e, size_t n);

#endif
