/* SPDX-License-Identifier: Apache-2.0 */
/*
 * causal.h - which tables were written when, and how often: what reads must follow, and what a
 * cached answer depends on.
 *
 * One table of slots for the whole process. A slot stands for the hash of a table (any write of
 * it), of the writes of a table that cannot be told to rows, of a row (row_key.h), or of a schema.
 * Two names in one slot cost a read on the writer or an answer that is asked for again; nothing is
 * ever missed. No lock; any thread.
 *
 * A write raises the versions of its slots before its first byte is sent and again when its answer
 * is here, before the client has a byte of it. A read takes the versions before it is sent; its
 * answer may be kept as long as none of them has moved.
 *
 * A name that may be written in several ways (not ASCII, or with a quote) stands for its schema.
 */
#ifndef ROUTER_CAUSAL_H
#define ROUTER_CAUSAL_H

#include <stdatomic.h>

#include "router/facts.h"
#include "router/row_key.h"

#define CAUSAL_SLOTS       262144
#define CAUSAL_DEPS_MAX    16
#define CAUSAL_MARKS_MAX   32 /* slots of one transaction remembered; more: schemas as a whole */
#define CAUSAL_SCHEMAS_MAX 33 /* slots of such schemas, and one of all; more: everything */
#define CAUSAL_THE_WRITER  UINT64_MAX
#define CAUSAL_EVER        (UINT64_MAX / 2) /* a window without an end */

/* Of a time of writing, and of several. */
#define CAUSAL_FOREIGN UINT64_C(1) /* that write was seen in a node's binary log */
#define CAUSAL_STRAY   UINT64_C(2) /* one did not run on the writer; see causal_has_strays() */
#define CAUSAL_OVER    UINT64_C(4) /* all are older than the window */

struct causal_slot {
    _Atomic uint64_t version;
    /* clock_now_us() when the last write of it began or ended, rounded up to a multiple of 4, and
       CAUSAL_* flags; 0 = never */
    _Atomic uint64_t written_us;
};

struct causal {
    struct causal_slot slots[CAUSAL_SLOTS + 1];      /* the last one: everything */
    _Atomic uint64_t unsettled_us[CAUSAL_SLOTS + 1]; /* until when a write of it is in doubt */
    _Atomic uint64_t doubt_us;                       /* the latest of these; 0 = none */
    _Atomic uint64_t stray_us;  /* of the last write that did not run on the writer; 0 = never */
    _Atomic uint64_t missed_us; /* when writes may have been missed last; 0 = never */
};

/* What a read depends on: slots, and their versions when it was about to be sent. */
struct causal_deps {
    unsigned n;
    uint32_t slot[CAUSAL_DEPS_MAX];
    uint64_t version[CAUSAL_DEPS_MAX];
};

/* What a transaction wrote: it counts again when the transaction ends. Zero is empty. */
struct causal_marks {
    unsigned n;
    unsigned n_schemas;
    bool everything;
    bool is_stray; /* some of it did not run on the writer */
    uint32_t slot[CAUSAL_MARKS_MAX];
    uint32_t schema[CAUSAL_SCHEMAS_MAX];
};

/* A write. */
struct causal_write {
    const struct facts *facts;
    struct slice schema;         /* the session's: of names without one */
    const struct row_keys *rows; /* NULL or empty: not bound to rows */
    bool is_stray;               /* it does not run on the writer, where the session cannot go */
    bool reaches;                /* it may write to schemas that it does not name: by a trigger */
    uint32_t account;            /* whose it is; 0 = nobody's */
};

/* A read, and who asks. */
struct causal_read {
    const struct facts *facts;
    struct slice schema; /* the session's */
    bool is_broad; /* what its tables show is not known from writes that name them (views, triggers,
                      cascading keys): any write of their schemas counts */
    uint64_t bloom;     /* what the session wrote */
    uint64_t now_us;    /* when it came; clock_now_us() */
    uint64_t window_us; /* 0 = only what the session wrote counts */
    bool
        is_opaque; /* with is_broad: by a view, or who knows, it may show any schema: any write of its account counts */
    uint32_t account; /* who asks; 0 = nobody */
};

/*
 * causal_mark - this write begins or ended: its slots get a new version and the time of now. *bloom
 * (64 bits of the session) gets its tables too.
 */
void causal_mark(struct causal *causal, uint64_t *bloom, const struct causal_write *write);

/* causal_mark_schema - some table of the schema may have been written. */
void causal_mark_schema(struct causal *causal, uint64_t *bloom, struct slice schema, bool is_stray);

/*
 * causal_mark_foreign - a write that did not pass through here, from a node's binary log. table
 * empty: of the whole schema; rows NULL: rows not known.
 */
void causal_mark_foreign(struct causal *causal, struct slice schema, struct slice table,
                         const struct row_keys *rows);

/*
 * causal_mark_missed - writes that did not pass through here may have been missed: no answer that
 * is kept is good any more. Reads need not follow.
 */
void causal_mark_missed(struct causal *causal);

/*
 * causal_remember - the write is part of a transaction. causal_remember_schema - so are all tables
 * of the schema. causal_mark_again - what is remembered begins to count, or may.
 */
void causal_remember(struct causal_marks *marks, const struct causal_write *write);
void causal_remember_schema(struct causal_marks *marks, struct slice schema);
void causal_mark_again(struct causal *causal, const struct causal_marks *marks);

/*
 * causal_doubt - it is not known whether these were done, or will be until until_us
 * (clock_now_us()): so long nothing of it is kept, and reads of it go to the writer.
 */
void causal_doubt(struct causal *causal, const struct causal_marks *marks, uint64_t until_us);

/*
 * causal_follow_us - where a read of these facts may go: 0 = to any node; CAUSAL_THE_WRITER = where
 * the writes go, as the session wrote it itself; else clock_now_us() of the newest write: to
 * a node that has applied all that was acknowledged by then, or the writer.
 *
 * *flags: CAUSAL_OVER when that write is older than window_us: a node of which it cannot be known
 * what it has applied may serve, one that is known to be behind may not. CAUSAL_STRAY when one of
 * these writes did not run on the writer, which then needs the same proof as others (the answer is
 * a time, not later than now_us). CAUSAL_FOREIGN when one of them was seen in a binary log.
 */
uint64_t causal_follow_us(const struct causal *causal, const struct causal_read *read,
                          uint8_t *flags);

/*
 * causal_has_strays - did any write of the last minute not run on the writer? After that it has
 * applied them, or it is the writer no more.
 */
bool causal_has_strays(const struct causal *causal, uint64_t now_us);

/*
 * causal_deps_of - what a read depends on, as of now. is_broad, account: as above. rows: what it is
 * bound to, or NULL. Returns false when its answer must not be kept: its tables are not sure or too
 * many, or a write of them is in doubt.
 */
bool causal_deps_of(const struct causal *causal, const struct facts *facts, struct slice schema,
                    bool is_broad, const struct row_keys *rows, uint32_t account,
                    struct causal_deps *out);

/*
 * causal_schema_version - raised by each write that may concern any table of the schema: DDL, and
 * what cannot be told to tables.
 */
uint64_t causal_schema_version(const struct causal *causal, struct slice schema);

/*
 * causal_made_version - raised by DDL in the schema, and by what may be some: a procedure, dynamic
 * SQL.
 */
uint64_t causal_made_version(const struct causal *causal, struct slice schema);

/* causal_deps_hold - none of it was written since, nor is a write of it in doubt. */
bool causal_deps_hold(const struct causal *causal, const struct causal_deps *deps);

/*
 * causal_deps_written_us - clock_now_us() of the newest write of it, 0 = never: only a node that
 * has applied all that was acknowledged by then answers as the writer would. *foreign: it was seen
 * in a node's binary log.
 */
uint64_t causal_deps_written_us(const struct causal *causal, const struct causal_deps *deps,
                                bool *foreign);

#endif
