/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench - what the modes of the load generator share: options, counters, one answer for all.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <signal.h>

#include "tests/bench/loadgen/client.h"
#include "tests/bench/loadgen/counter.h"
#include "tests/bench/loadgen/stats.h"

struct options {
    const char *mode;
    unsigned port;
    unsigned clients; /* busy at the same time; for hold: connections to hold */
    unsigned sites;   /* users site_1 .. site_<sites>, each with the schema of its name */
    unsigned seconds; /* 0: no limit */
    uint64_t count;   /* operations; 0: no limit */
    uint64_t seed;
    unsigned rows;          /* big: rows of 1000 bytes; point: rows of the table */
    unsigned rate_mb;       /* big: MB read per second; 0 = as fast as it comes */
    unsigned pause_ms;      /* big: read nothing for so long after the first MB */
    unsigned per_conn;      /* many: statements per connection; 0 = one long connection per user */
    unsigned write_percent; /* page: pages that write and read back, twice */
    unsigned probe_percent; /* page: pages that also ask for user, schema and session settings */
    unsigned wide;          /* point: rows of 64 KB */
    unsigned bare;          /* hold: log in and do nothing else */
};

struct bench {
    struct options options;
    struct loop loop;
    struct rng rng;
    struct stats stats;           /* latencies of operations */
    uint64_t n_statements;        /* commands answered */
    uint64_t n_wrong;             /* wrong answers, errors and lost connections */
    struct counter_tally counted; /* page: values written and read; a stale one is not wrong */
    uint64_t begun_ns;
    uint64_t ended_ns;    /* the last operation's end */
    uint64_t progress_ns; /* when something was last answered */
};

/* Set by SIGINT and SIGTERM. */
extern volatile sig_atomic_t bench_interrupted;

/* bench_wrong - count a wrong answer and print it (the first 20). */
void bench_wrong(struct bench *bench, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* bench_stale - print a stale value (the first 20); the tally has counted it. */
void bench_stale(struct bench *bench, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* bench_begin - the clock starts here; what was counted before is forgotten, the wrong ones not. */
void bench_begin(struct bench *bench);

/* bench_done - one operation that began at begun_ns is over. */
void bench_done(struct bench *bench, uint64_t begun_ns);

/* bench_goes_on - whether one more operation may start. */
bool bench_goes_on(const struct bench *bench);

/* bench_run_until_closed - turn the loop until no client is open, or nothing moves any more. */
void bench_run_until_closed(struct bench *bench);

/* bench_is_stuck - nothing was answered for so long that an answer must be missing. */
bool bench_is_stuck(const struct bench *bench);

/* The modes. Each runs its load to the end and closes what it opened. */
void page_run(struct bench *bench);
void point_run(struct bench *bench);
void hold_run(struct bench *bench);
void big_run(struct bench *bench);
void many_run(struct bench *bench);

#endif
