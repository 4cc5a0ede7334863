/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_log.h - what the monitor saw and did, in rings of fixed size: the checks
 * (monitor.mysql_server_*_log) and the events (stats_galera_events). Written by the monitor, read
 * by the console; one lock.
 */
#ifndef POOL_MONITOR_LOG_H
#define POOL_MONITOR_LOG_H

#include <pthread.h>

#include "base/base.h"
#include "pool/report.h"

#define MONITOR_EVENTS_MAX    1000
#define MONITOR_CHECKS_MAX    8192 /* of all nodes; mysql-monitor_history is how old they may be */
#define MONITOR_EVENT_TEXT    400
#define MONITOR_EVENT_ADDRESS 256

/* What happened: code, word for tables, the log and the hook. */
#define MONITOR_EVENTS(X)                                            \
    X(EVENT_NODE_UP, "node_up", "answers")                           \
    X(EVENT_NODE_SUSPECT, "node_suspect", "is suspect")              \
    X(EVENT_NODE_DOWN, "node_down", "is out")                        \
    X(EVENT_NODE_OFFLINE, "node_offline", "takes no new statements") \
    X(EVENT_NODE_ONLINE, "node_online", "takes statements again")    \
    X(EVENT_WRITER, "new_writer", "writes now")                      \
    X(EVENT_NO_WRITER, "no_writer", "nobody may write")              \
    X(EVENT_NO_READER, "no_reader", "no reader is left")             \
    X(EVENT_SWITCH, "switch", "an admin moves the writer")           \
    X(EVENT_DENIED, "denied", "the monitor may not log in")          \
    X(EVENT_VIEW, "view", "the view of the cluster changed")         \
    X(EVENT_FOLLOWED, "followed", "tells what passes by Galeway")    \
    X(EVENT_NOT_FOLLOWED, "not_followed", "does not tell what passes by, the query cache rests")

enum monitor_event_kind {
#define X(code, word, text) code,
    MONITOR_EVENTS(X)
#undef X
        MONITOR_EVENT_COUNT
};

struct monitor_event {
    uint64_t number;  /* 1, 2, ... */
    uint64_t time_us; /* since the epoch */
    uint8_t kind;     /* enum monitor_event_kind */
    int hostgroup;    /* writer hostgroup of the cluster; -1 = no cluster */
    char address[MONITOR_EVENT_ADDRESS];
    uint16_t port;
    char cause[MONITOR_EVENT_TEXT]; /* one line: cause and evidence */
};

enum monitor_check_kind {
    CHECK_CONNECT,
    CHECK_PING,
    CHECK_GALERA,
    CHECK_READ_ONLY,
    CHECK_KIND_COUNT
};

struct monitor_check {
    uint64_t time_us; /* since the epoch: when it began */
    uint8_t kind;     /* enum monitor_check_kind */
    char address[MONITOR_EVENT_ADDRESS];
    uint16_t port;
    struct node_report report;
};

struct monitor_log;

struct monitor_log *monitor_log_new(void);
void monitor_log_free(struct monitor_log *log);

/*
 * monitor_log_event - add it, write its line to the process's log, and remember it for the hook.
 * Sets number and time.
 */
void monitor_log_event(struct monitor_log *log, struct monitor_event *event);
void monitor_log_check(struct monitor_log *log, const struct monitor_check *check);

/*
 * monitor_log_keep - mysql-monitor_history: monitor_log_checks() leaves out what is older; 0 =
 * nothing. Any thread.
 */
void monitor_log_keep(struct monitor_log *log, uint64_t history_ms);

/*
 * monitor_log_next - the oldest event that the hook has not been run for; false = none. Each is
 * given once.
 */
bool monitor_log_next(struct monitor_log *log, struct monitor_event *out);

/*
 * monitor_log_events, monitor_log_checks - call fn for each entry, oldest first, under the lock (fn
 * must be quick). A check counts as CHECK_PING, too. Any thread.
 */
void monitor_log_events(struct monitor_log *log,
                        void (*fn)(void *arg, const struct monitor_event *event), void *arg);
void monitor_log_checks(struct monitor_log *log, enum monitor_check_kind kind,
                        void (*fn)(void *arg, const struct monitor_check *check), void *arg);

/* How many were dropped because a ring was full. */
uint64_t monitor_log_dropped(struct monitor_log *log);

/* Since the start. A check of a node is counted as itself and as a ping. */
struct monitor_counts {
    uint64_t good[CHECK_KIND_COUNT], failed[CHECK_KIND_COUNT];
    uint64_t timeouts; /* checks that were not answered in time */
    uint64_t events;
    uint64_t dropped; /* events and checks that are no longer in the rings */
};

/* monitor_log_counts - any thread. */
void monitor_log_counts(struct monitor_log *log, struct monitor_counts *out);

const char *monitor_event_word(enum monitor_event_kind kind); /* static */

#endif
