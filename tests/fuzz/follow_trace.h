/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_trace.h - feed a reply to follow_feed in pieces, as a relay does, and note what it said.
 *
 * Shared by the unit test and the fuzzer: a reply fed in any pieces must leave the same trace as
 * fed at once. Each call gets a copy of exactly the bytes it may read, so a sanitizer sees
 * overreads.
 */
#ifndef TESTS_FUZZ_FOLLOW_TRACE_H
#define TESTS_FUZZ_FOLLOW_TRACE_H

#include <stdlib.h>

#include "protocol/follow.h"
#include "protocol/packet.h"

#define TRACE_EVENTS 512

struct trace_event {
    char what;     /* T = OK_TRACK, P = PREPARED, I = INFILE, D = DONE, M = MALFORMED */
    size_t at;     /* offset in the stream */
    size_t length; /* of a packet handed out */
};

struct trace {
    struct follow follow;
    struct trace_event events[TRACE_EVENTS];
    size_t n_events;
    uint8_t *passed; /* owned: bytes to pass on, packets handed out included */
    size_t n_passed;
    size_t carry_max; /* the most bytes that had to be given again */
    bool is_over;     /* done or malformed */
    bool is_stuck;    /* a rule of follow.h was broken */
};

/*
 * How to cut: first_piece bytes, then pieces of 1..piece bytes chosen by seed (0: always piece);
 * and of what connection the bytes are.
 */
struct trace_cuts {
    size_t first_piece;
    size_t piece;
    uint64_t seed;
    bool deprecate_eof;
};

static inline void trace_free(struct trace *t)
{
    free(t->passed);
    free(t);
}

static inline void trace_note(struct trace *t, char what, size_t at, size_t length)
{
    if (t->n_events < TRACE_EVENTS) {
        t->events[t->n_events++] = (struct trace_event){what, at, length};
    } else {
        t->is_over = true;
    }
}

static inline void trace_pass(struct trace *t, const uint8_t *data, size_t n)
{
    if (n > 0) {
        memcpy(t->passed + t->n_passed, data, n);
        t->n_passed += n;
    }
}

/* A packet was handed out; how far to step over it. */
static inline size_t trace_hand_out(struct trace *t, char what, const uint8_t *packet, size_t n)
{
    trace_note(t, what, t->n_passed, n);
    trace_pass(t, packet, n);
    if (follow_skip_packet(&t->follow) == FOLLOW_DONE) {
        trace_note(t, 'D', t->n_passed, 0);
        t->is_over = true;
    }
    return n;
}

/* Feed n bytes; how many of them are used up. */
static inline size_t trace_step(struct trace *t, uint8_t *data, size_t n, bool *wants_more)
{
    size_t used, packet_len;
    enum follow_event event = follow_feed(&t->follow, data, n, &used, &packet_len);

    if (used > n || packet_len > n - used) {
        t->is_stuck = true;
        return 0;
    }
    trace_pass(t, data, used);
    switch (event) {
    case FOLLOW_MORE: *wants_more = true; return used;
    case FOLLOW_OK_TRACK: return used + trace_hand_out(t, 'T', data + used, packet_len);
    case FOLLOW_PREPARED: return used + trace_hand_out(t, 'P', data + used, packet_len);
    case FOLLOW_INFILE: return used + trace_hand_out(t, 'I', data + used, packet_len);
    case FOLLOW_DONE:
    case FOLLOW_MALFORMED:
        trace_note(t, event == FOLLOW_DONE ? 'D' : 'M', t->n_passed, 0);
        t->is_over = true;
        return used;
    }
    t->is_stuck = true;
    return 0;
}

/* Feed what is pending until it wants more; gives how many bytes it did not use. */
static inline size_t trace_feed(struct trace *t, const uint8_t *data, size_t n)
{
    bool wants_more = false;

    while (!wants_more && !t->is_over && !t->is_stuck) {
        uint8_t *copy = malloc(n == 0 ? 1 : n);
        size_t used;

        CHECK(copy != NULL);
        if (n > 0) {
            memcpy(copy, data, n);
        }
        used = trace_step(t, copy, n, &wants_more);
        free(copy);
        data += used;
        n -= used;
    }
    if (wants_more && n > t->carry_max) {
        t->carry_max = n;
    }
    return n;
}

static inline size_t trace_next_piece(struct trace_cuts *cuts, bool is_first)
{
    if (is_first && cuts->first_piece > 0) {
        return cuts->first_piece;
    }
    if (cuts->seed == 0) {
        return cuts->piece;
    }
    cuts->seed = cuts->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return 1 + (size_t)(cuts->seed >> 33) % cuts->piece;
}

static inline struct trace *trace_run(enum follow_kind kind, const uint8_t *data, size_t len,
                                      struct trace_cuts cuts)
{
    struct trace *t = calloc(1, sizeof(*t));
    size_t given = 0;
    size_t carry = 0;

    CHECK(t != NULL);
    t->passed = malloc(len + 1);
    CHECK(t->passed != NULL);
    follow_begin(&t->follow, kind, cuts.deprecate_eof);
    while (given < len && !t->is_over && !t->is_stuck) {
        size_t n = trace_next_piece(&cuts, given == 0);

        n = MIN(n, len - given);
        carry = trace_feed(t, data + given - carry, n + carry);
        given += n;
    }
    return t;
}

/* trace_events - the events as letters; overwritten by the next call. */
static inline const char *trace_events(const struct trace *t)
{
    static char text[TRACE_EVENTS + 1];
    size_t i;

    for (i = 0; i < t->n_events; i++) {
        text[i] = t->events[i].what;
    }
    text[i] = '\0';
    return text;
}

/* trace_difference - NULL, or in what the traces of one reply differ. */
static inline const char *trace_difference(const struct trace *a, const struct trace *b)
{
    const struct follow *f = &a->follow;
    const struct follow *g = &b->follow;

    if (a->is_stuck || b->is_stuck) {
        return "broke a rule";
    }
    if (a->n_events != b->n_events) {
        return "number of events";
    }
    for (size_t i = 0; i < a->n_events; i++) {
        if (a->events[i].what != b->events[i].what || a->events[i].at != b->events[i].at ||
            a->events[i].length != b->events[i].length) {
            return "events";
        }
    }
    if (a->n_passed != b->n_passed || memcmp(a->passed, b->passed, a->n_passed) != 0) {
        return "bytes passed on";
    }
    if (f->phase != g->phase || f->is_touched != g->is_touched || f->skip != g->skip ||
        f->continued != g->continued || f->columns_left != g->columns_left) {
        return "state";
    }
    if (f->is_error != g->is_error || f->error != g->error || f->status != g->status ||
        f->warnings != g->warnings || f->state_changed != g->state_changed ||
        f->is_tracked != g->is_tracked) {
        return "status";
    }
    if (f->has_result != g->has_result || f->results != g->results || f->rows != g->rows ||
        f->affected != g->affected || f->last_insert_id != g->last_insert_id ||
        f->n_params != g->n_params || f->n_columns != g->n_columns ||
        f->next_sequence != g->next_sequence) {
        return "counts";
    }
    return NULL;
}

#endif
