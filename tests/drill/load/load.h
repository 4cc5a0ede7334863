/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load - what the files of the drills' load client share: its visitors, and the record.
 *
 * A visitor is one connection with one role. It asks, checks the answer, writes a line into the
 * record, thinks, and asks again, on the same connection for as long as that stays open.
 */
#ifndef DRILL_LOAD_H
#define DRILL_LOAD_H

#include <stdio.h>

#include "tests/bench/loadgen/client.h"
#include "tests/bench/loadgen/stats.h"

#define POINTS     1000u    /* rows of drill.points, with id 1 to POINTS and v = 'v<id>;' */
#define IDS_A_LIFE 10000000 /* ids one visitor may use */

enum role {
    ROLE_READ,    /* SELECT of a row that never changes */
    ROLE_INSERT,  /* autocommit INSERT into drill.log */
    ROLE_COUNT,   /* autocommit UPDATE ... n = n + 1 of its own row of drill.counters */
    ROLE_TRX,     /* BEGIN; two INSERTs into drill.pairs; COMMIT */
    ROLE_RYW,     /* INSERT into drill.log, then it must read the row back */
    ROLE_CONNECT, /* a new connection, one SELECT, COM_QUIT */
    ROLES,
};

enum outcome {
    OUTCOME_OK,
    OUTCOME_ERROR,      /* an error packet */
    OUTCOME_LOST,       /* the connection is gone */
    OUTCOME_WRONG,      /* an answer that is not this statement's */
    OUTCOME_STALE,      /* its own write was not there */
    OUTCOME_UNANSWERED, /* nothing came until the end */
};

enum phase {
    PHASE_CLOSED,
    PHASE_OPENING,
    PHASE_IDLE,
    PHASE_BUSY,
};

struct load;

struct visitor {
    struct client client;
    /* identity */
    enum role role;
    unsigned number; /* unique over all processes of a drill */
    char user[24];
    /* state */
    enum phase phase;
    uint64_t due_us; /* closed or idle: when it goes on */
    /* the operation under way */
    int64_t id;
    unsigned step;
    uint64_t begun_us;
    bool matches; /* the row that came is the one that was asked for */
    unsigned point;
    /* borrowed */
    struct load *load;
};

struct load {
    struct loop loop;
    struct rng rng;
    FILE *record;
    unsigned think_us;
    bool stopping; /* operations under way end, no other begins */
    uint64_t n_records;
};

/* load_now_us - the monotonic clock, which other processes share. */
uint64_t load_now_us(void);

/*
 * record_write - one line: begun_us,ended_us,visitor,kind,id,step,outcome,code,text
 *
 * text may be NULL; what would break the line is replaced.
 */
void record_write(struct visitor *visitor, const char *kind, enum outcome outcome, unsigned code,
                  const char *text);

/* role_by_name - ROLES if there is none of that name. */
enum role role_by_name(const char *name, size_t len);

/* role_begin - the next operation of a visitor that is idle, or closed and connects. */
void role_begin(struct visitor *visitor);

/* role_give_up - record what is under way, if anything, as unanswered, and close. */
void role_give_up(struct visitor *visitor);

#endif
