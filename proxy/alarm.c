/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alarm.c - see alarm.h.
 */
#include "proxy/alarm.h"

#include "base/err.h"
#include "base/mem.h"

#define ROOM_FIRST 64

static void put(struct alarms *a, size_t at, struct alarm *alarm)
{
    a->heap[at] = alarm;
    alarm->place = at + 1;
}

static void up(struct alarms *a, size_t at)
{
    struct alarm *alarm = a->heap[at];

    while (at > 0 && a->heap[(at - 1) / 2]->at_ms > alarm->at_ms) {
        put(a, at, a->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(a, at, alarm);
}

static void down(struct alarms *a, size_t at)
{
    struct alarm *alarm = a->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < a->n && a->heap[child + 1]->at_ms < a->heap[child]->at_ms) {
            child++;
        }
        if (child >= a->n || a->heap[child]->at_ms >= alarm->at_ms) {
            break;
        }
        put(a, at, a->heap[child]);
        at = child;
    }
    put(a, at, alarm);
}

static void take(struct alarms *a, struct alarm *alarm)
{
    size_t at = alarm->place - 1;
    struct alarm *last = a->heap[--a->n];

    alarm->place = 0;
    if (last != alarm) {
        put(a, at, last);
        up(a, at);
        down(a, last->place - 1);
    }
}

static void on_timer(uv_timer_t *timer);

static void start_timer(struct alarms *a)
{
    uint64_t now = uv_now(a->timer.loop);

    if (a->n == 0) {
        (void)uv_timer_stop(&a->timer);
        return;
    }
    CHECK(uv_timer_start(&a->timer, on_timer, a->heap[0]->at_ms > now ? a->heap[0]->at_ms - now : 0,
                         0) == 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct alarms *a = CONTAINER_OF(timer, struct alarms, timer);
    size_t due = a->n; /* one that is set again at once comes in the next turn */

    while (due-- > 0 && a->n > 0 && a->heap[0]->at_ms <= uv_now(timer->loop)) {
        struct alarm *alarm = a->heap[0];

        take(a, alarm);
        a->on_alarm(a, alarm);
    }
    if (!uv_is_closing((const uv_handle_t *)timer)) {
        start_timer(a);
    }
}

void alarms_init(struct alarms *alarms, uv_loop_t *loop,
                 void (*on_alarm)(struct alarms *alarms, struct alarm *alarm))
{
    *alarms = (struct alarms){.on_alarm = on_alarm};
    CHECK(uv_timer_init(loop, &alarms->timer) == 0);
}

void alarms_close(struct alarms *alarms)
{
    CHECK(alarms->n == 0);
    uv_close((uv_handle_t *)&alarms->timer, NULL);
}

void alarms_fini(struct alarms *alarms)
{
    mem_free(MEM_OTHER, alarms->heap);
    alarms->heap = NULL;
    alarms->room = 0;
}

static int reserve(struct alarms *a)
{
    size_t room = a->room == 0 ? ROOM_FIRST : 2 * a->room;
    struct alarm **grown;

    if (a->n < a->room) {
        return 0;
    }
    grown = mem_try_grow(MEM_OTHER, a->heap, room * sizeof(void *));
    if (grown == NULL) {
        return ERR_MEMORY;
    }
    a->heap = grown;
    a->room = room;
    return 0;
}

int alarm_set(struct alarms *alarms, struct alarm *alarm, uint64_t at_ms)
{
    alarm_clear(alarms, alarm);
    if (reserve(alarms) != 0) {
        return ERR_MEMORY;
    }
    alarm->at_ms = at_ms;
    put(alarms, alarms->n++, alarm);
    up(alarms, alarms->n - 1);
    if (alarms->heap[0] == alarm) {
        start_timer(alarms);
    }
    return 0;
}

void alarm_clear(struct alarms *alarms, struct alarm *alarm)
{
    bool was_first = alarm->place == 1;

    if (alarm->place == 0) {
        return;
    }
    take(alarms, alarm);
    if (was_first) {
        start_timer(alarms);
    }
}
