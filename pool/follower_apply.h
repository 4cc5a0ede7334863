/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_apply.h - from the events of a replication stream to writes that are told. No I/O.
 *
 * A write is told twice. The node puts a transaction into its log before its rows can be seen: who
 * is told then and reads at once may still read the old rows. So everything told is kept, and told
 * again when the node says that it has committed it (apply_settle). Between the two an answer of
 * the old rows may be kept for a moment; after the second none is.
 */
#ifndef POOL_FOLLOWER_APPLY_H
#define POOL_FOLLOWER_APPLY_H

#include "base/base.h"
#include "conf/row_pattern.h"
#include "pool/follower_keys.h"
#include "protocol/binlog.h"

#define APPLY_TABLES_MAX   256
#define APPLY_TOLD_MAX     (256u << 10) /* bytes of names that wait to be told again */
#define APPLY_SEEN         4096         /* a power of two */
#define APPLY_UNPACKED_MAX (64u << 20)  /* bytes of an event that was packed */

/* Who is told: follower.h. Called by the thread that follows. */
struct follower_events {
    void *arg;
    /*
     * schema, table, or rows of it were written; table {NULL, 0} = all of the schema. column and
     * key: only the row with this value of that column, as row_key_plain() gives it; {NULL, 0} =
     * any rows. The slices are valid during the call.
     */
    void (*on_write)(void *arg, struct slice schema, struct slice table, struct slice column,
                     struct slice key);
    void (*on_gap)(void *arg);    /* writes may have been missed: everything is void */
    void (*on_rights)(void *arg); /* users or rights were changed; NULL = is not to be told */
};

/* What was told and is to be told again. */
struct apply_told {
    char *bytes; /* owned: four slices each, APPLY_TOLD_MAX; NULL = empty */
    size_t len;
    bool has_gap;
    bool waits_longer;         /* some have no number: one question more to the node, then */
    uint64_t seqno;            /* wsrep: the newest of them */
    uint64_t since_us;         /* when the first was told; 0 = none */
    uint64_t seen[APPLY_SEEN]; /* hashes of those in bytes, so that each is there once */
};

struct apply_counts {
    uint64_t events;   /* of the stream */
    uint64_t groups;   /* transactions */
    uint64_t writes;   /* told, each once */
    uint64_t row_keys; /* of these, with a key */
    uint64_t gaps;
};

struct apply {
    struct follower_events events;
    struct row_key_patterns patterns;
    /* of the stream */
    bool has_checksum;
    unsigned n_tables;
    struct apply_table *tables[APPLY_TABLES_MAX]; /* owned: mapped in this statement */
    /* position */
    bool is_in_group;
    bool is_standalone;
    struct binlog_gtid group;     /* that began */
    struct binlog_gtids position; /* of those that have ended */
    bool is_position_lost;        /* more domains than can be kept */
    uint32_t domain;              /* of the cluster; the caller's */
    uint64_t n_elsewhere;         /* groups of other domains since the last gap */
    uint64_t seqno;               /* of the newest that ended, as wsrep counts; 0 = none yet */
    /* told */
    uint64_t now_us;
    struct apply_told open, closed;
    struct apply_counts counts;
};

void apply_init(struct apply *a, const struct follower_events *events);
void apply_fini(struct apply *a);

/*
 * apply_begin - a new stream, from this position on. has_gap: it does not go on where the last one
 * ended, which is told; else what waits to be told again still does.
 */
void apply_begin(struct apply *a, const struct binlog_gtids *position, bool has_gap,
                 uint64_t now_us);

/*
 * apply_event - one event as it came. now_us: clock_now_us(). Returns 0, or ERR_MALFORMED: then
 * nothing that follows can be understood (the caller tells a gap and begins anew).
 */
int apply_event(struct apply *a, const void *data, size_t len, uint64_t now_us) MUST_CHECK;

/* apply_is_heartbeat - an event as it came: the node has sent all that its log has. */
bool apply_is_heartbeat(struct slice event);

/* apply_gap - tell that something may have been missed. */
void apply_gap(struct apply *a, uint64_t now_us);

/*
 * apply_settle - the node has committed all up to this seqno (said after everything that
 * apply_event() was given until now had come): tell again what it has.
 */
void apply_settle(struct apply *a, uint64_t committed);

/* apply_settle_all - it does not say, or what it says cannot be right: tell all of it again. */
void apply_settle_all(struct apply *a);

/* apply_waits_us - since when something waits to be told again; 0 = nothing does. */
uint64_t apply_waits_us(const struct apply *a);

/* apply_is_full - there is little room left: settle before the next event. */
bool apply_is_full(const struct apply *a);

#endif
