/* SPDX-License-Identifier: Apache-2.0 */
/*
 * applied.h - up to when has a node applied all that its cluster had acknowledged? Pure: from what
 * the nodes say, and when they were asked.
 *
 * A node that is asked at a time says a sequence number (wsrep_last_committed) that is not below
 * that of anything it had acknowledged before. So when every node that may have acknowledged
 * something was asked after a time, a node that has committed the highest number they said has
 * applied all that was acknowledged before that time, by whomever.
 *
 * It takes all of them: what a node acknowledged before it was lost may still lie in the queues of
 * those that are left, and none of their numbers tells. Nor does the number of a node that was
 * started again. Then a proof has to come first: a read with wsrep_sync_wait on a connection that
 * was never reset, after which its node had applied all that was acknowledged before the read
 * began.
 *
 * Numbers of different wsrep_cluster_state_uuid are not compared. Times are clock_now_us().
 * Thread: the owner's.
 */
#ifndef POOL_APPLIED_H
#define POOL_APPLIED_H

#include "pool/node.h"
#include "pool/report.h"

struct applied_node {
    /* said */
    bool may_commit;            /* statements may be sent to it, or may have been */
    bool is_in;                 /* Primary and Synced, or a donor: what it said counts */
    char uuid[REPORT_UUID_MAX]; /* the last that it named; "" = none yet, or it is no Galera node */
    uint64_t named_us;          /* since when it names this uuid */
    uint64_t asked_us;          /* when the question began that it answered last; 0 = none */
    uint64_t said_us;           /* when the newest answer came */
    uint64_t committed;         /* the highest number it said */
    uint64_t broke_us;          /* what it acknowledged before then needs a proof; 0 = nothing */
    uint64_t proved_us;         /* when its last proof began; 0 = none */
    uint64_t proved_committed;  /* its number after it: all that was acknowledged before has less */
    /* known */
    uint64_t target_us; /* what it has to reach next; 0 = nothing is known */
    uint64_t target_committed;
    uint64_t applied_us; /* 0 = not known */
};

struct applied {
    uint64_t left_us; /* when the last one left that had acknowledged something: needs a proof */
    struct applied_node nodes[NODES_MAX];
};

/* applied_join - statements may be sent to the node from now on. */
void applied_join(struct applied *a, unsigned node);

/* applied_leave - it has no connections any more, and gets none. */
void applied_leave(struct applied *a, unsigned node, uint64_t now_us);

/*
 * applied_broke - it did not answer, or its connection was lost: nothing is known of it for now,
 * and it may not be the process any more that it was.
 */
void applied_broke(struct applied *a, unsigned node, uint64_t now_us);

/*
 * applied_checked - a check that began at asked_us was answered with these figures.
 * applied_answered - it was only asked for its number. applied_proved - a read with wsrep_sync_wait
 * that began at asked_us has ended, and then it said this number.
 */
void applied_checked(struct applied *a, unsigned node, const struct node_report *figures,
                     uint64_t asked_us, uint64_t now_us);
void applied_answered(struct applied *a, unsigned node, uint64_t committed, uint64_t asked_us,
                      uint64_t now_us);
void applied_proved(struct applied *a, unsigned node, uint64_t committed, uint64_t asked_us,
                    uint64_t now_us);

/*
 * applied_needs_proof - do the numbers that the nodes of its cluster say not tell what was
 * acknowledged before since_us? False when it is in none.
 */
bool applied_needs_proof(const struct applied *a, unsigned node, uint64_t since_us);

/* applied_is_behind - it has not reached what others had when they were asked. */
bool applied_is_behind(const struct applied *a, unsigned node);

/*
 * applied_us - all that was acknowledged before is visible on this node; 0 = not known, or it is
 * not in a primary component.
 */
uint64_t applied_us(const struct applied *a, unsigned node);

#endif
