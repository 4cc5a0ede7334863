/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counter - what each site has written, and whether a read is older than it may be.
 *
 * Each site has two counters: the value of an option, and comment_count of its newest post. They
 * only grow, and one page of a site writes at a time. A read that begins when the write of a value
 * has been acknowledged must see this value or a later one, on whatever connection.
 */
#ifndef BENCH_COUNTER_H
#define BENCH_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

enum counter_name { COUNTER_OPTION, COUNTER_POST, COUNTERS };

/* Where a page that reads stands to the last write of its site. */
enum counter_place {
    COUNTER_OTHER, /* some page */
    COUNTER_SAME,  /* the page that wrote, on its connection */
    COUNTER_NEW,   /* the page after it, on a new connection */
    COUNTER_PLACES,
};

struct counter {
    uint64_t sent;         /* the highest value sent */
    uint64_t acknowledged; /* the highest value whose write was answered with OK */
    bool claimed;          /* of the first of a site: a page is about to write */
};

struct counter_tally {
    uint64_t n_writes; /* acknowledged */
    uint64_t n_reads;  /* values looked at */
    uint64_t n_stale[COUNTER_PLACES];
};

/* counter_init - n of them. What earlier runs have written is below all that this one writes. */
void counter_init(struct counter *counters, unsigned n);

/* counter_next - the value to write now. */
uint64_t counter_next(struct counter *counter);

/* counter_written - the write of the last value was acknowledged. */
void counter_written(struct counter *counter, struct counter_tally *tally);

enum counter_verdict { COUNTER_RIGHT, COUNTER_STALE, COUNTER_UNKNOWN };

/*
 * counter_seen - judge a value that a read saw.
 *
 * least: what had been acknowledged when the read began. COUNTER_UNKNOWN: nobody has written it.
 */
enum counter_verdict counter_seen(const struct counter *counter, uint64_t value, uint64_t least,
                                  enum counter_place place, struct counter_tally *tally);

#endif
