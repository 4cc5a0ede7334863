/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower.h - writes that do not pass through this Galeway: for each Galera cluster the binary log
 * of one node is followed, and each write in it is told.
 *
 *   CONNECTING --> BEHIND <--> CURRENT     any --> BROKEN --> CONNECTING
 *   CONNECTING --> NO_LOG, DENIED          any --> OFF
 *
 * A thread for each cluster. What is told comes from it, twice (follower_apply.h): once when it
 * stands in the log, again when the node has committed it.
 *
 * Current means: all that was committed on any node at most mysql-query_cache_follow_max_lag_ms ago
 * is told. All nodes are asked for what they have committed (wsrep_last_committed), and one that is
 * silent counts as if it had committed more until the group has voted it out; the log says
 * which of it is in there (the number of an XID event is that of wsrep), and its heartbeats that
 * nothing is left.
 *
 * After a lost connection it goes on with the same node where it was, if the node was not started
 * again; with another one, if both have wsrep_gtid_mode, so that the positions mean the same. Else
 * it begins at the end of the log, and tells a gap.
 *
 * Where no node has a log that can be followed, nothing can be told, and workers are not kept
 * from the cache for it: it is as without a follower.
 */
#ifndef POOL_FOLLOWER_H
#define POOL_FOLLOWER_H

#include <stdatomic.h>

#include "conf/conf.h"
#include "pool/follower_apply.h"
#include "pool/follower_link.h"
#include "pool/monitor_log.h"
#include "pool/node.h"

#define FOLLOW_CLUSTERS_MAX 8 /* with more of them the cache is not to be used */
#define FOLLOW_NODE_MAX     288

/* code, word for tables, may the cache be used?, text */
#define FOLLOW_STATES(X)                                                               \
    X(FOLLOW_OFF, "off", true, "not followed: off, or not in the configuration")       \
    X(FOLLOW_CONNECTING, "connecting", false, "looks for a node that can be followed") \
    X(FOLLOW_NO_LOG, "no_log", true, "no node has a log that can be followed")         \
    X(FOLLOW_DENIED, "denied", true, "the monitor's user may not follow")              \
    X(FOLLOW_BEHIND, "behind", false, "follows, and is older than is allowed")         \
    X(FOLLOW_CURRENT, "current", true, "follows")                                      \
    X(FOLLOW_BROKEN, "broken", false, "was followed, and is not now")

enum follow_state {
#define X(code, word, usable, text) code,
    FOLLOW_STATES(X)
#undef X
        FOLLOW_STATE_COUNT
};

struct follower;

/*
 * follower_start - begin to follow as conf says. Never waits for a node.
 *
 * nodes: as long as the process. conf: a reference is taken. row_keys: mysql-query_cache_row_keys
 * (follower_keys.h); copied. log: gets an event for each change between current and not; NULL =
 * none. events: called from the follower's threads, of which there may be several at once.
 */
void follower_start(struct follower **out, struct nodes *nodes, struct conf *conf,
                    const char *row_keys, struct monitor_log *log,
                    const struct follower_events *events);

/* follower_stop - waits for the threads (each is woken), frees. NULL is fine. */
void follower_stop(struct follower *f);

/* follower_configure - another configuration is in use. One thread at a time (the console's). */
void follower_configure(struct follower *f, struct conf *conf, const char *row_keys);

/*
 * follower_is_current - is all told that was written until now -
 * mysql-query_cache_follow_max_lag_ms? true where nothing is followed (OFF, NO_LOG, DENIED). One
 * atomic read for each cluster; any thread.
 */
bool follower_is_current(const struct follower *f, uint64_t now_us);

/* What is known of one cluster: a copy. */
struct follower_view {
    int writer_hostgroup;
    uint8_t state;              /* enum follow_state */
    uint64_t since_ms;          /* clock_now_ms() */
    char node[FOLLOW_NODE_MAX]; /* "10.0.0.2:3306"; "" = none */
    char position[BINLOG_GTIDS_TEXT];
    uint64_t lag_ms; /* all that was committed so long ago is told */
    struct apply_counts counts;
    uint64_t connects;            /* streams that were begun */
    char error[FOLLOW_ERROR_MAX]; /* the last one; "" = none */
};

/*
 * follower_view - the i-th cluster (0, 1, ...); false = there is none. f may be NULL. Any thread.
 */
bool follower_view(struct follower *f, unsigned i, struct follower_view *out);

const char *follow_state_word(enum follow_state state); /* static */
const char *follow_state_text(enum follow_state state); /* static */

#endif
