/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_log.c - see monitor_log.h.
 */
#include "pool/monitor_log.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct monitor_log {
    pthread_mutex_t lock;
    uint64_t n_events; /* since the start; the newest stand in the ring */
    uint64_t n_checks;
    uint64_t n_dropped;
    uint64_t keep_us;             /* 0 = all */
    uint64_t n_hooked;            /* events that monitor_log_next() gave */
    struct monitor_counts counts; /* of checks */
    struct monitor_event events[MONITOR_EVENTS_MAX];
    struct monitor_check checks[MONITOR_CHECKS_MAX];
};

struct monitor_log *monitor_log_new(void)
{
    struct monitor_log *log = mem_new(MEM_LOG, sizeof(*log));

    CHECK(pthread_mutex_init(&log->lock, NULL) == 0);
    return log;
}

void monitor_log_free(struct monitor_log *log)
{
    if (log != NULL) {
        (void)pthread_mutex_destroy(&log->lock);
        mem_free(MEM_LOG, log);
    }
}

const char *monitor_event_word(enum monitor_event_kind kind)
{
    static const char *const words[] = {
#define X(code, word, text) word,
        MONITOR_EVENTS(X)
#undef X
    };

    CHECK(kind < ARRAY_SIZE(words));
    return words[kind];
}

static const char *text_of(enum monitor_event_kind kind)
{
    static const char *const texts[] = {
#define X(code, word, text) text,
        MONITOR_EVENTS(X)
#undef X
    };

    CHECK(kind < ARRAY_SIZE(texts));
    return texts[kind];
}

static bool is_good(enum monitor_event_kind kind)
{
    return kind == EVENT_NODE_UP || kind == EVENT_NODE_ONLINE || kind == EVENT_WRITER ||
           kind == EVENT_SWITCH || kind == EVENT_VIEW || kind == EVENT_FOLLOWED;
}

/* "hostgroup 10: node 10.0.0.2:3306 is out: 3 checks in a row ..." */
static void write_line(const struct monitor_event *e)
{
    enum monitor_event_kind kind = (enum monitor_event_kind)e->kind;
    char where[32] = "";
    char node[MONITOR_EVENT_ADDRESS + 16] = "";

    if (e->hostgroup >= 0) {
        (void)snprintf(where, sizeof(where), "hostgroup %d: ", e->hostgroup);
    }
    if (e->address[0] != '\0' && e->port != 0) {
        (void)snprintf(node, sizeof(node), "node %s:%u ", e->address, e->port);
    } else if (e->address[0] != '\0') {
        (void)snprintf(node, sizeof(node), "node %s ", e->address);
    }
    if (is_good(kind)) {
        log_info(NULL, "%s%s%s: %s", where, node, text_of(kind), e->cause);
    } else {
        log_warn(NULL, "%s%s%s: %s", where, node, text_of(kind), e->cause);
    }
}

static void lock(struct monitor_log *log)
{
    CHECK(pthread_mutex_lock(&log->lock) == 0);
}

static void unlock(struct monitor_log *log)
{
    CHECK(pthread_mutex_unlock(&log->lock) == 0);
}

void monitor_log_event(struct monitor_log *log, struct monitor_event *event)
{
    event->time_us = clock_unix_us();
    lock(log);
    event->number = log->n_events + 1;
    log->n_dropped += log->n_events >= MONITOR_EVENTS_MAX;
    log->events[log->n_events++ % MONITOR_EVENTS_MAX] = *event;
    unlock(log);
    write_line(event);
}

bool monitor_log_next(struct monitor_log *log, struct monitor_event *out)
{
    bool found;

    lock(log);
    if (log->n_events > MONITOR_EVENTS_MAX) {
        log->n_hooked = MAX(log->n_hooked, log->n_events - MONITOR_EVENTS_MAX);
    }
    found = log->n_hooked < log->n_events;
    if (found) {
        *out = log->events[log->n_hooked++ % MONITOR_EVENTS_MAX];
    }
    unlock(log);
    return found;
}

static void count_check(struct monitor_counts *counts, const struct monitor_check *check)
{
    bool good = check->report.kind == REPORT_OK;

    (good ? counts->good : counts->failed)[check->kind]++;
    if (check->kind != CHECK_CONNECT) {
        (good ? counts->good : counts->failed)[CHECK_PING]++;
        counts->timeouts += check->report.kind == REPORT_TIMEOUT ? 1 : 0;
    }
}

void monitor_log_check(struct monitor_log *log, const struct monitor_check *check)
{
    lock(log);
    count_check(&log->counts, check);
    log->n_dropped += log->n_checks >= MONITOR_CHECKS_MAX;
    log->checks[log->n_checks++ % MONITOR_CHECKS_MAX] = *check;
    unlock(log);
}

void monitor_log_events(struct monitor_log *log,
                        void (*fn)(void *arg, const struct monitor_event *event), void *arg)
{
    lock(log);
    for (uint64_t i = log->n_events - MIN(log->n_events, (uint64_t)MONITOR_EVENTS_MAX);
         i < log->n_events; i++) {
        fn(arg, &log->events[i % MONITOR_EVENTS_MAX]);
    }
    unlock(log);
}

void monitor_log_keep(struct monitor_log *log, uint64_t history_ms)
{
    lock(log);
    log->keep_us = history_ms * 1000;
    unlock(log);
}

/* A check is a ping, too. */
static bool is_of_kind(const struct monitor_check *check, enum monitor_check_kind kind)
{
    return check->kind == kind || (kind == CHECK_PING && check->kind != CHECK_CONNECT);
}

void monitor_log_checks(struct monitor_log *log, enum monitor_check_kind kind,
                        void (*fn)(void *arg, const struct monitor_check *check), void *arg)
{
    uint64_t oldest;

    lock(log);
    oldest = log->keep_us == 0 ? 0 : clock_unix_us() - log->keep_us;
    for (uint64_t i = log->n_checks - MIN(log->n_checks, (uint64_t)MONITOR_CHECKS_MAX);
         i < log->n_checks; i++) {
        const struct monitor_check *check = &log->checks[i % MONITOR_CHECKS_MAX];

        if (is_of_kind(check, kind) && check->time_us >= oldest) {
            fn(arg, check);
        }
    }
    unlock(log);
}

uint64_t monitor_log_dropped(struct monitor_log *log)
{
    uint64_t n;

    lock(log);
    n = log->n_dropped;
    unlock(log);
    return n;
}

void monitor_log_counts(struct monitor_log *log, struct monitor_counts *out)
{
    lock(log);
    *out = log->counts;
    out->events = log->n_events;
    out->dropped = log->n_dropped;
    unlock(log);
}
