/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_judge.h - from the checks of a node to its health, and to its share of the load. Pure.
 *
 *   UNCHECKED --answered--> UP --late, or a timeout--> SUSPECT --max_timeouts in a row--> DOWN
 *                           UP --lost--> SUSPECT --JUDGE_LOST_MAX in a row--> DOWN
 *                           any --refused or broken--> DOWN; any --answered--> UP
 *
 * Who refuses our login answers: it is not silent, but nothing more is known of it. A connection
 * that is lost may have been killed alone: the node is asked again over a new one at once, and who
 * has ended refuses that.
 */
#ifndef POOL_MONITOR_JUDGE_H
#define POOL_MONITOR_JUDGE_H

#include "base/base.h"
#include "pool/node.h"
#include "pool/report.h"

#define JUDGE_SUSPECT_MS    300 /* a check that is not answered after this makes its node suspect */
#define JUDGE_LOST_MAX      3   /* so many connections lost in a row are the node's fault */
#define JUDGE_LOST_MS       10  /* to the check after a lost one */
#define JUDGE_FIRST_DOWN_MS 100 /* to the next check of a node that is out; doubles */
#define JUDGE_LOAD_ONE      1024u
#define JUDGE_LOAD_MAX      8192u

enum judge_event {
    JUDGE_ANSWERED,
    JUDGE_LATE,
    JUDGE_TIMED_OUT,
    JUDGE_LOST,
    JUDGE_BROKEN,
    JUDGE_DENIED
};

struct judge_state {
    enum node_health health;
    bool has_answered;   /* its figures were read at least once */
    unsigned n_timeouts; /* in a row */
    unsigned n_lost;     /* in a row */
    unsigned n_down;     /* checks since it is out */
};

/* judge_next - the state after an event. */
struct judge_state judge_next(struct judge_state s, enum judge_event event, unsigned max_timeouts);

/* judge_event_of - what the end of a check means. */
enum judge_event judge_event_of(enum report_kind kind);

/*
 * judge_delay_ms - from the end of a check to the next one. interval_ms:
 * mysql-monitor_galera_healthcheck_interval.
 */
uint64_t judge_delay_ms(const struct judge_state *s, enum judge_event last, uint64_t interval_ms);

/* judge_latency_us - smoothed; before is 0 when nothing is known. */
unsigned judge_latency_us(unsigned before, uint64_t took_us);

/*
 * judge_load - 1024 = its share; more = busier than it looks: queue of write sets, time paused by
 * flow control between two reports, and how long ago (ms) it came back (UINT64_MAX = it was never
 * away).
 */
unsigned judge_load(const struct node_report *before, const struct node_report *now,
                    uint64_t back_since_ms, uint64_t slow_start_ms);

const char *judge_health_word(enum node_health health); /* static: "unchecked", "up", ... */

#endif
