/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_judge.c - see monitor_judge.h.
 */
#include "pool/monitor_judge.h"

#define LATENCY_SHARE 8 /* of a new value in the smoothed one: 1/8 */
#define QUEUE_DOUBLES \
    128 /* write sets in wsrep_local_recv_queue that make a node count as twice as busy */
#define PAUSED_WEIGHT 4 /* a node that was paused all the time counts as five times as busy */
#define LATENCY_MAX   600000000u

/*
 * It answers, so it is there; a node that was out is used as configured until its figures are
 * known.
 */
static enum node_health after_denied(const struct judge_state *s)
{
    if (s->health == HEALTH_DOWN || !s->has_answered) {
        return HEALTH_UNCHECKED;
    }
    return HEALTH_UP;
}

/* A failure that another check may contradict. */
static struct judge_state after_failure(struct judge_state s, bool is_enough)
{
    if (s.health == HEALTH_DOWN) {
        s.n_down++;
    } else {
        s.health = is_enough ? HEALTH_DOWN : HEALTH_SUSPECT;
    }
    return s;
}

struct judge_state judge_next(struct judge_state s, enum judge_event event, unsigned max_timeouts)
{
    switch (event) {
    case JUDGE_ANSWERED: s = (struct judge_state){.health = HEALTH_UP, .has_answered = true}; break;
    case JUDGE_DENIED:
        s.health = after_denied(&s);
        s.n_timeouts = s.n_lost = 0;
        s.n_down = 0;
        break;
    case JUDGE_LATE: s.health = s.health == HEALTH_DOWN ? HEALTH_DOWN : HEALTH_SUSPECT; break;
    case JUDGE_TIMED_OUT:
        s.n_timeouts++;
        s = after_failure(s, s.n_timeouts >= max_timeouts);
        break;
    case JUDGE_LOST:
        s.n_lost++;
        s = after_failure(s, s.n_lost >= JUDGE_LOST_MAX);
        break;
    case JUDGE_BROKEN:
        s.n_down += s.health == HEALTH_DOWN;
        s.health = HEALTH_DOWN;
        s.n_timeouts = s.n_lost = 0;
        break;
    }
    return s;
}

enum judge_event judge_event_of(enum report_kind kind)
{
    switch (kind) {
    case REPORT_OK: return JUDGE_ANSWERED;
    case REPORT_DENIED: return JUDGE_DENIED;
    case REPORT_TIMEOUT: return JUDGE_TIMED_OUT;
    case REPORT_LOST: return JUDGE_LOST;
    case REPORT_BROKEN: return JUDGE_BROKEN;
    case REPORT_NONE: break;
    }
    UNREACHABLE();
}

uint64_t judge_delay_ms(const struct judge_state *s, enum judge_event last, uint64_t interval_ms)
{
    if (s->health == HEALTH_DOWN) {
        return MIN(interval_ms, (uint64_t)JUDGE_FIRST_DOWN_MS << MIN(s->n_down, 20u));
    }
    if (last == JUDGE_LOST) {
        return MIN(interval_ms, (uint64_t)JUDGE_LOST_MS);
    }
    return last == JUDGE_TIMED_OUT ? 0 : interval_ms;
}

unsigned judge_latency_us(unsigned before, uint64_t took_us)
{
    unsigned took = (unsigned)MIN(took_us, (uint64_t)LATENCY_MAX);

    if (before == 0) {
        return MAX(took, 1u);
    }
    return MAX((unsigned)(((uint64_t)before * (LATENCY_SHARE - 1) + took) / LATENCY_SHARE), 1u);
}

static uint64_t load_of_pauses(const struct node_report *before, const struct node_report *now)
{
    uint64_t paused_us, passed_us;

    if (before->answered_ms == 0 || now->answered_ms <= before->answered_ms ||
        now->flow_paused_ns <= before->flow_paused_ns) {
        return 0; /* the first report, or the node was started again */
    }
    paused_us = (now->flow_paused_ns - before->flow_paused_ns) / 1000;
    passed_us = (now->answered_ms - before->answered_ms) * 1000;
    return JUDGE_LOAD_ONE * PAUSED_WEIGHT * MIN(paused_us, passed_us) / passed_us;
}

unsigned judge_load(const struct node_report *before, const struct node_report *now,
                    uint64_t back_since_ms, uint64_t slow_start_ms)
{
    uint64_t load = JUDGE_LOAD_ONE;
    uint64_t slow = JUDGE_LOAD_ONE;

    if (now->is_galera) {
        load += MIN(now->recv_queue, UINT64_C(1) << 20) * JUDGE_LOAD_ONE / QUEUE_DOUBLES;
        load += load_of_pauses(before, now);
    }
    if (back_since_ms < slow_start_ms) {
        slow = JUDGE_LOAD_MAX - (JUDGE_LOAD_MAX - JUDGE_LOAD_ONE) * back_since_ms / slow_start_ms;
    }
    return (unsigned)MIN(MAX(load, slow), (uint64_t)JUDGE_LOAD_MAX);
}

const char *judge_health_word(enum node_health health)
{
    switch (health) {
    case HEALTH_UNCHECKED: return "unchecked";
    case HEALTH_UP: return "up";
    case HEALTH_SUSPECT: return "suspect";
    case HEALTH_DOWN: return "down";
    }
    UNREACHABLE();
}
