/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_inside.h - what the follower's files share.
 *
 *   follower.c         the threads, their mail, what others may ask
 *   follower_thread.c  one cluster: which node, its states, what comes of a stream that ends
 *   follower_stream.c  one stream: what the node must be, where to begin, how old it is
 */
#ifndef POOL_FOLLOWER_INSIDE_H
#define POOL_FOLLOWER_INSIDE_H

#include <pthread.h>

#include "base/sm.h"
#include "pool/follower.h"

#define FOLLOW_UUID_MAX  40
#define FOLLOW_FILE_MAX  512
#define FOLLOW_MARKS_MAX 16

#define FOLLOW_CONNECT_MS    1000
#define FOLLOW_ANSWER_MS     1000
#define FOLLOW_SILENCE_MS    1000 /* no event and no heartbeat: the node is given up */
#define FOLLOW_SEEK_MS       60000 /* the same while it looks for the position: it reads a whole file */
#define FOLLOW_PEER_MS       300 /* another node's answer */
#define FOLLOW_PEER_AGAIN_MS 500
#define FOLLOW_VOTE_MS       60000 /* who was silent for so long is voted out, or only silent to us */
#define FOLLOW_SETTLE_MS     2000 /* what the node does not commit for so long is told again anyway */
#define FOLLOW_AGAIN_MIN     50u /* ms before a node that failed is tried again: doubled each time */
#define FOLLOW_AGAIN_MAX     2000u
#define FOLLOW_REFUSED_MS    30000 /* a node without a log, or that denies, is asked again */
#define FOLLOW_IDLE_MS       50    /* no node can be tried */
#define FOLLOW_OFF_MS        5000

/* What a node said of itself. */
struct follow_facts {
    bool is_wsrep, has_log, has_updates, has_filter, has_gtid_mode;
    uint32_t gtid_domain; /* of wsrep */
    struct binlog_gtids position;
    bool is_position_good;
    char file[FOLLOW_FILE_MAX]; /* the end of its log */
    uint64_t offset;
    /* asked again and again */
    char uuid[FOLLOW_UUID_MAX]; /* of the cluster's state */
    uint64_t uptime_s;
    uint64_t view; /* of the group: a number that grows; 0 = it is in none that is primary */
    uint64_t committed;
    uint64_t recv_queue;
    unsigned local_state;
};

/* Whom the position in apply is of. */
struct follow_place {
    const struct node *node; /* NULL = there is none */
    bool has_gtid_mode;
    uint32_t gtid_domain;
    char uuid[FOLLOW_UUID_MAX];
    uint64_t started_s; /* since the epoch: the node's start */
};

/* All that any node had committed at asked_us is in the log when this number is. */
struct follow_mark {
    uint64_t asked_us;
    uint64_t seqno;
};

/* A node of the cluster, as it answered last; of the one that is followed, too. */
struct follow_peer {
    struct follow_link *link; /* owned; NULL = closed */
    uint64_t again_ms;        /* not asked before */
    uint64_t answered_ms;
    uint64_t view; /* that it was in; 0 = it never answered, or was in none */
};

struct follow_cluster {
    struct follower *follower;
    pthread_t thread;
    int writer_hostgroup;
    int wake_fd;
    /* the thread's */
    struct conf *conf;   /* a reference */
    char *row_keys;      /* owned */
    struct apply *apply; /* owned */
    struct follow_place place;
    struct follow_facts facts;
    struct follow_link *stream, *side; /* owned; NULL = closed */
    const struct node *node;           /* they are connected to; NULL = none */
    struct follow_peer peers[NODES_MAX];
    struct follow_mark marks[FOLLOW_MARKS_MAX]; /* not reached yet, oldest first */
    unsigned n_marks;
    const struct node *missing; /* is silent, and may have committed more; NULL = none */
    unsigned n_settled;         /* questions that were answered since the stream began */
    unsigned n_failures;        /* in a row */
    unsigned n_stuck;           /* streams in a row that were lost where they had begun */
    uint8_t state;              /* enum follow_state */
    bool is_on;
    bool has_begun; /* the node has come to the position */
    bool was_current;
    uint64_t asked_ms, heard_ms;
    uint64_t told_us; /* all that was committed then is told; 0 = not known */
    uint64_t n_connects;
    uint64_t since_ms;                 /* of state */
    uint64_t again_ms[NODES_MAX];      /* a node is not tried before */
    uint8_t refused[NODES_MAX];        /* enum follow_end of one that cannot be followed; or 0 */
    char error[FOLLOW_ERROR_MAX];      /* why it is in its state */
    char last_error[FOLLOW_ERROR_MAX]; /* of a node that was tried */
    /* for all */
    atomic_ullong current_until_us;
    /* mail; behind follower->lock */
    struct conf *next_conf;
    char *next_row_keys;
    bool next_is_on;
    bool is_stopping;
    struct follower_view view;
};

struct follower {
    struct nodes *nodes;
    struct monitor_log *log;
    struct follower_events events;
    uint32_t server_id;
    atomic_bool is_overfull; /* more clusters than FOLLOW_CLUSTERS_MAX */
    atomic_uint n_clusters;
    struct follow_cluster *clusters[FOLLOW_CLUSTERS_MAX];
    pthread_mutex_t lock;
};

/* --- follower.c */
bool follow_take_mail(struct follow_cluster *c); /* false = stop */
bool follow_has_mail(struct follow_cluster *c);

/* --- follower_thread.c */
void *follow_run(void *arg);
void follow_publish(struct follow_cluster *c); /* the view */
void follow_judge(struct follow_cluster *c);   /* is it current? */
bool follow_serves(const struct follow_cluster *c, const struct node *node);
struct follow_target follow_target_of(const struct follow_cluster *c, const struct node *node);
unsigned follow_max_lag_ms(const struct follow_cluster *c);

/* --- follower_stream.c */
enum follow_end {
    FOLLOW_END_ASKED = 1, /* stopped, or configured anew */
    FOLLOW_END_LOST,      /* try again */
    FOLLOW_END_REFUSED,   /* the node cannot be followed: without a log, or not as we want it */
    FOLLOW_END_DENIED,
    FOLLOW_END_PASSED /* where we were cannot be gone on from: begin at the end of the log */
};

/* follow_stream - connect to the node and follow it until something ends it; error says what. */
enum follow_end follow_stream(struct follow_cluster *c, const struct node *node,
                              struct follow_error *error);

#endif
