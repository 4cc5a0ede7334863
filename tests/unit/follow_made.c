/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_made.c - see follow_made.h.
 */
#include "tests/unit/follow_made.h"

void make_begin(struct made *m, uint64_t caps)
{
    m->caps = caps;
    m->w = writer_of(m->data, sizeof(m->data));
    m->sequence = 1;
}

void make_bytes(struct made *m, const void *payload, size_t len)
{
    size_t at = packet_begin(&m->w);

    put_bytes(&m->w, payload, len);
    packet_end(&m->w, at, m->sequence++);
}

void make_ok(struct made *m, uint16_t status)
{
    m->sequence = ok_encode(&m->w,
                            &(struct ok){.affected = 3,
                                         .last_insert_id = 7,
                                         .status = status,
                                         .warnings = 2,
                                         .message = SLICE("Records: 3")},
                            m->sequence);
}

void make_ok_track(struct made *m, uint16_t status)
{
    uint8_t payload[] = {0, 0, 0, (uint8_t)status, 0x40, 0, 0, 0, 5, 1, 3, 2, 'd', 'b'};

    make_bytes(m, payload, sizeof(payload));
}

void make_err(struct made *m)
{
    m->sequence = err_encode(&m->w, 1064, "42000", SLICE("You have an error"), m->sequence);
}

void make_eof(struct made *m, unsigned status)
{
    uint8_t payload[] = {0xfe, 1, 0, (uint8_t)status, (uint8_t)(status >> 8)};

    make_bytes(m, payload, sizeof(payload));
}

void make_columns_end(struct made *m, unsigned status)
{
    if ((m->caps & CAP_DEPRECATE_EOF) == 0) {
        make_eof(m, status);
    }
}

void make_rows_end(struct made *m, unsigned status)
{
    uint8_t payload[] = {0xfe, 0, 0, (uint8_t)status, (uint8_t)(status >> 8), 1, 0};

    if ((m->caps & CAP_DEPRECATE_EOF) == 0) {
        make_eof(m, status);
    } else {
        make_bytes(m, payload, sizeof(payload));
    }
}

void make_columns(struct made *m, unsigned n)
{
    while (n-- > 0) {
        struct column c = {.name = SLICE("name"), .charset = 45, .type = TYPE_VAR_STRING};

        m->sequence = column_encode(&m->w, m->caps, &c, m->sequence);
    }
}

void make_head(struct made *m, unsigned n_columns)
{
    m->sequence = result_begin(&m->w, n_columns, m->sequence);
    make_columns(m, n_columns);
    make_columns_end(m, STATUS_AUTOCOMMIT);
}

void make_rows(struct made *m, unsigned n)
{
    static const struct slice rows[][2] = {
        {{"one", 3}, {"1", 1}}, {{NULL, 0}, {"", 0}}, {{"", 0}, {NULL, 0}}, {{"x", 1}, {"y", 1}}};

    for (unsigned i = 0; i < n; i++) {
        m->sequence = row_encode(&m->w, rows[i % ARRAY_SIZE(rows)], 2, m->sequence);
    }
}

void follow_compare(struct trace *whole, struct trace *pieces, size_t at)
{
    const char *difference = trace_difference(whole, pieces);

    if (difference != NULL) {
        fail_msg("cut at %zu: %s differ", at, difference);
    }
    trace_free(pieces);
}

struct trace *follow_made(struct made *m, enum follow_kind kind, const char *events)
{
    bool ok = (m->caps & CAP_DEPRECATE_EOF) != 0;
    size_t len = m->w.len;
    struct trace *whole;

    assert_false(m->w.failed);
    put_bytes(&m->w, "\x07\x00\x00\x01\x00\x00", 6); /* the next reply has begun to come */
    assert_false(m->w.failed);
    whole = trace_run(kind, m->data, m->w.len, (struct trace_cuts){0, m->w.len, 0, ok});
    assert_string_equal(trace_events(whole), events);
    if (strchr(events, 'M') == NULL) {
        assert_int_equal(whole->n_passed, len);
    }
    for (size_t i = 1; i < m->w.len; i++) {
        follow_compare(
            whole, trace_run(kind, m->data, m->w.len, (struct trace_cuts){i, m->w.len, 0, ok}), i);
    }
    follow_compare(whole, trace_run(kind, m->data, m->w.len, (struct trace_cuts){0, 1, 0, ok}), 0);
    for (uint64_t seed = 1; seed < 20; seed++) {
        follow_compare(
            whole, trace_run(kind, m->data, m->w.len, (struct trace_cuts){0, 9, seed, ok}), seed);
    }
    return whole;
}

void follow_bad(struct made *m, enum follow_kind kind, const char *events, size_t bad_at)
{
    struct trace *t = follow_made(m, kind, events);

    assert_int_equal(t->n_passed, bad_at);
    trace_free(t);
}

void follow_unchanged(const struct made *m, const struct trace *t)
{
    assert_memory_equal(m->data, t->passed, t->n_passed);
}

void make_prepare(struct made *m, uint64_t caps, uint8_t n_params, uint8_t n_columns)
{
    uint8_t ok[] = {0, 9, 0, 0, 0, n_columns, 0, n_params, 0, 0, 1, 0};

    make_begin(m, caps);
    make_bytes(m, ok, sizeof(ok));
    make_columns(m, n_params);
    if (n_params > 0) {
        make_columns_end(m, STATUS_AUTOCOMMIT | STATUS_MORE_RESULTS);
    }
    make_columns(m, n_columns);
    if (n_columns > 0) {
        make_columns_end(m, STATUS_AUTOCOMMIT | STATUS_CURSOR_EXISTS);
    }
}
