/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alarm.h - points in time: one timer for each worker over a heap, whatever their number.
 *
 * For the few that need a millisecond's precision and may be cancelled; what may be late is looked
 * at in the worker's tick. Thread: the loop's.
 */
#ifndef PROXY_ALARM_H
#define PROXY_ALARM_H

#include <uv.h>

#include "base/base.h"

/* Embedded in what is to be called; zeroed = not set. */
struct alarm {
    uint64_t at_ms; /* of the loop's time */
    size_t place;   /* in the heap, from 1; 0 = not set */
};

struct alarms {
    uv_timer_t timer;
    void (*on_alarm)(struct alarms *alarms, struct alarm *alarm);
    struct alarm **heap; /* owned; heap[0] is the next one */
    size_t n, room;
};

/* alarms_init - on_alarm is called for each alarm that is due; it is not set any more then. */
void alarms_init(struct alarms *alarms, uv_loop_t *loop,
                 void (*on_alarm)(struct alarms *alarms, struct alarm *alarm));
/* alarms_close - no alarm may be set any more; the loop must run once more before alarms_fini. */
void alarms_close(struct alarms *alarms);
void alarms_fini(struct alarms *alarms);

/* alarm_set - set it, or move it. Returns 0 or ERR_MEMORY (it is not set then). */
int alarm_set(struct alarms *alarms, struct alarm *alarm, uint64_t at_ms) MUST_CHECK;
void alarm_clear(struct alarms *alarms, struct alarm *alarm); /* idempotent */

static inline bool alarm_is_set(const struct alarm *alarm)
{
    return alarm->place != 0;
}

#endif
