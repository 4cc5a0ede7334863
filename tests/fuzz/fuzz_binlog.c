/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_binlog.c - a replication stream: decoders, and what is told of it. Everything told is told
 * again before the end, and nothing else is.
 *
 * Input: events, each with its length before it (2 bytes, low first). The length in an event's
 * header is made to fit, so that a change of the input need not change both.
 */
#include <stdlib.h>

#include "pool/follower_apply.h"

#define EVENT_ROOM (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct binlog_told {
    uint64_t n_writes, n_gaps;
};

static void binlog_on_write(void *arg, struct slice schema, struct slice table, struct slice column,
                            struct slice key)
{
    struct binlog_told *told = arg;
    volatile char last = 0;

    last = schema.len > 0 ? schema.data[schema.len - 1] : last;
    last = table.len > 0 ? table.data[table.len - 1] : last;
    CHECK((column.data == NULL) == (key.data == NULL));
    CHECK(key.data == NULL || (key.len > 0 && key.len <= ROW_KEY_MAX && table.len > 0));
    (void)last;
    told->n_writes++;
}

static void binlog_on_gap(void *arg)
{
    struct binlog_told *told = arg;

    told->n_gaps++;
}

/* A copy of exactly its bytes, so that a sanitizer sees each one too far. */
static int binlog_one(struct apply *a, const uint8_t *data, size_t len)
{
    uint8_t *event = malloc(len == 0 ? 1 : len);
    int rc;

    CHECK(event != NULL);
    if (len > 0) {
        memcpy(event, data, len);
    }
    for (unsigned i = 0; i < 4 && len >= BINLOG_HEADER_LEN; i++) {
        event[9 + i] = (uint8_t)(len >> 8 * i);
    }
    rc = apply_event(a, event, len, 1);
    free(event);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct binlog_told told = {0};
    struct follower_events events = {&told, binlog_on_write, binlog_on_gap, NULL};
    struct binlog_gtids position = {0}, again;
    struct apply *a = calloc(1, sizeof(*a));
    struct reader r = reader_of(data, size);
    char text[BINLOG_GTIDS_TEXT];
    const char *why;
    int rc = 0;

    CHECK(a != NULL);
    apply_init(a, &events);
    CHECK(row_key_patterns_read(&a->patterns, SLICE("%options.option_name"), &why) == 0);
    apply_begin(a, &position, false, 1);
    while (rc == 0 && reader_left(&r) > 2) {
        size_t len = get_u16(&r);
        struct slice event = get_bytes(&r, MIN(len, reader_left(&r)));

        rc = binlog_one(a, (const uint8_t *)event.data, event.len);
        if (event.len > 0 && event.data[event.len - 1] % 8 == 0) {
            apply_settle(a, a->seqno);
        }
    }
    CHECK(told.n_writes >= a->counts.writes && told.n_gaps >= a->counts.gaps);
    binlog_gtids_format(&a->position, text);
    CHECK(binlog_gtids_parse(&again, slice_of(text)) == 0 && again.n == a->position.n);
    a->is_in_group = false;
    apply_settle_all(a);
    CHECK(apply_waits_us(a) == 0 && !apply_is_full(a));
    CHECK(told.n_gaps > 0 || (told.n_writes > 0) == (a->counts.writes > 0));
    apply_fini(a);
    free(a);
    return 0;
}
