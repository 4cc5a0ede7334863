/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wp - a visitor of a WordPress site: what it sends for one page, and what must come back.
 *
 * Site i is user site_i with schema site_i. Every value setup.sh puts into it begins with "s<i>;",
 * and the number of its published posts differs from site to site: another site's answer shows.
 */
#ifndef BENCH_WP_H
#define BENCH_WP_H

#include "tests/bench/loadgen/bench.h"
#include "tests/bench/loadgen/counter.h"

/* The first statements of a page, until the session is as WordPress wants it. */
#define WP_SESSION_STEPS 5u

enum wp_step {
    WP_OPTIONS = WP_SESSION_STEPS, /* the first one that reads the site's tables */
    WP_WRITE = 18,                 /* only in pages that write: both counters, */
    WP_WRITE_POST = 19,
    WP_READ = 20, /* and both read back */
    WP_READ_POST = 21,
    WP_PROBE = 22, /* only if asked for */
    WP_STEPS = 23,
};

struct visitor {
    struct client client;
    /* state */
    unsigned site;
    unsigned step;            /* under way */
    bool wrong;               /* this answer has been found wrong already */
    uint64_t begun_ns;        /* of the operation that is measured */
    uint64_t asked_ns;        /* of the statement */
    unsigned left;            /* many: statements left on this connection */
    bool writes, probes;      /* page: which of the optional steps it takes */
    enum counter_place place; /* page: where it stands to the site's last write */
    uint64_t least[COUNTERS]; /* what this statement must see at least */
    /* derived from the site */
    char name[16]; /* user and schema */
    char password[20];
    char mark[16]; /* every value begins with it */
    size_t mark_len;
    unsigned published; /* posts */
    /* borrowed */
    struct bench *bench;
    struct counter *counters; /* COUNTERS of its site; NULL: they are not looked at */
};

/*
 * wp_open - connect as the user of a site.
 *
 * The visitor's client is closed or zeroed. Returns false (and has counted it) if that failed at
 * once.
 */
bool wp_open(struct visitor *visitor, struct bench *bench, unsigned site,
             const struct client_events *events);

/* wp_ask - send one step; false (and counted) if that failed. */
bool wp_ask(struct visitor *visitor, unsigned step);

/* wp_on_row - compare a row of the step under way. For client_events. */
void wp_on_row(struct client *client, const uint8_t *packet, size_t len);

/* wp_check - compare the end of the answer to the step under way. */
void wp_check(struct visitor *visitor, const struct wire_reply *reply);

/* wp_lost - count a connection that failed. */
void wp_lost(struct visitor *visitor, const char *why);

#endif
