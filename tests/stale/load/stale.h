/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stale - what the files of the consistency checker's clients share.
 *
 * A site is a schema with the tables that setup.sql makes. What may be written in it is cut into
 * registers: a row that has one number or is not there. One client at a time writes a register,
 * each time another number; anybody reads it, in many ways. What was asked and answered, and when,
 * goes into the record; judge.py says what may not have been.
 */
#ifndef STALE_H
#define STALE_H

#include <stdio.h>

#include "tests/bench/loadgen/client.h"
#include "tests/bench/loadgen/stats.h"

#define MAX_SITES    16u
#define MAX_VISITORS 500u
#define OPTIONS      8u   /* wp_options: k_0 to k_7 */
#define POSTS        8u   /* wp_posts and wp_postmeta: 1 to 8 */
#define FOREIGN      2u   /* options x_0 and x_1, posts 101 and 102: written on a node itself */
#define FOREIGN_POST 101u /* their first id */

enum register_kind {
    REGISTER_OPTION,
    REGISTER_POST,
    REGISTER_META,
    REGISTER_FLIP, /* the table that DDL changes */
    REGISTER_FOREIGN_OPTION,
    REGISTER_FOREIGN_POST,
    REGISTER_KINDS,
};

/* Those of a site, in the order of the kinds. */
#define REGISTERS (OPTIONS + POSTS + POSTS + 1u + FOREIGN + FOREIGN)

#define ABSENT   (-1) /* there is no row */
#define NOT_SEEN (-2)

/*
 * How far a write of a site may reach, by the number of the site: what reaches further hides
 * whether a proxy keeps apart what it should.
 */
enum reach {
    REACH_SCHEMA, /* sites 3, 6, ...: CALL, DDL, stored functions, too */
    REACH_ROW,    /* sites 1, 4, ...: each write of an option names it by a plain text */
    REACH_TABLE,  /* sites 2, 5, ...: anything that names its tables */
    REACHES,
};

static inline enum reach reach_of(unsigned site)
{
    return (enum reach)(site % REACHES);
}

struct reg {
    enum register_kind kind;
    unsigned site;
    unsigned number;
    bool is_claimed; /* somebody writes it */
    bool is_there;   /* for certain: the last write was acknowledged and left a row */
};

enum outcome {
    OUTCOME_OK,
    OUTCOME_DOUBT,  /* nobody knows whether the write holds */
    OUTCOME_UNDONE, /* it was rolled back, or its COMMIT was never sent */
};

/* What the rows of an answer say. */
enum shape {
    SHAPE_NONE,
    SHAPE_VALUE,   /* the number of the operation's first register */
    SHAPE_BINARY,  /* the same of a prepared statement */
    SHAPE_OPTIONS, /* name, number: all options */
    SHAPE_POSTS,   /* id, number: the posts asked for */
    SHAPE_FIRST,   /* id, number: the first FIRST_POSTS by id */
    SHAPE_JOIN,    /* id, number of the post, number of the meta: all of both */
    SHAPE_COUNT,   /* how many posts there are */
};

#define FIRST_POSTS 3u

struct step {
    enum wire_command command;
    enum shape shape;
    size_t len;
    char text[600];
};

#define MAX_STEPS 5u

struct operation {
    const char *kind; /* in the record */
    bool is_write;
    struct step steps[MAX_STEPS];
    unsigned n_steps;
    unsigned at;
    unsigned holds;    /* write: the step that makes it hold; read: the one that counts */
    bool is_undone;    /* write: ends with a ROLLBACK */
    bool must_affect;  /* write: if a row was there, the step changes it */
    bool is_row_there; /* write: what it leaves */
    struct reg *regs[2];
    unsigned n_regs;
    int64_t value;     /* write: ABSENT or the number */
    uint64_t begun_us; /* when the step that counts was sent; 0: not yet */
    uint64_t ended_us; /* when that one was answered */
    int64_t seen[REGISTERS];
    int64_t own; /* what the transaction read of its own register */
    int64_t n_found;
    unsigned n_rows;
};

enum phase {
    PHASE_CLOSED,
    PHASE_OPENING,
    PHASE_IDLE,
    PHASE_BUSY,
};

struct visitor {
    struct client client;
    /* identity */
    unsigned number;
    char user[16]; /* and its schema */
    /* state */
    enum phase phase;
    uint64_t due_us;            /* closed or idle: when it goes on */
    unsigned home;              /* the site whose schema the connection has */
    uint32_t read_id, write_id; /* prepared statements of this connection; 0: none yet */
    struct operation operation;
    /* borrowed */
    struct load *load;
};

struct load {
    struct loop loop;
    struct rng rng;
    FILE *record;
    unsigned sites;
    unsigned write_percent;
    unsigned cross_percent; /* operations on the tables of another site */
    unsigned think_us;
    bool is_foreign; /* writes the foreign registers, and reads nothing */
    bool views;      /* reads through views, too */
    bool stopping;
    int64_t value; /* the last one written */
    uint64_t n_records;
    struct reg regs[MAX_SITES + 1][REGISTERS];
    struct visitor visitors[MAX_VISITORS];
};

/* load_now_us - the monotonic clock, which other processes share. */
uint64_t load_now_us(void);

/* register_first - where a kind begins among a site's registers. */
unsigned register_first(enum register_kind kind);

/* register_at - the register of an option's name or of a post's id; NULL if it is none. */
struct reg *register_of_option(struct load *load, unsigned site, const char *name, size_t len);
struct reg *register_of_post(struct load *load, unsigned site, uint64_t id);
struct reg *register_of_meta(struct load *load, unsigned site, uint64_t id);

void registers_init(struct load *load);

/* plan_write - an operation that writes; false if what it would write is being written. */
bool plan_write(struct visitor *visitor, unsigned site);

void plan_read(struct visitor *visitor, unsigned site);

/* step_add - one more statement of the operation; text as of printf. */
struct step *step_add(struct operation *operation, enum shape shape, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* step_add_execute - a prepared statement with texts for parameters. */
void step_add_execute(struct operation *operation, enum shape shape, uint32_t id,
                      const char *const *texts, unsigned n);

/*
 * spell_option - a way to write the name of an option in SQL; all of them mean the same row.
 *
 * plain: as one text.
 */
void spell_option(struct visitor *visitor, const struct reg *reg, bool plain, char *out,
                  size_t cap);

/* spell_table - a table's name in some way, with its schema where that is not the connection's. */
const char *spell_table(struct visitor *visitor, unsigned site, const char *table, char *out,
                        size_t cap);

/* rows_expect - before a read's step: what the rows may speak of is absent until one says so. */
void rows_expect(struct visitor *visitor, const struct step *step);

void rows_take(struct visitor *visitor, const uint8_t *packet, size_t len);

/* rows_end - all rows have come. */
void rows_end(struct visitor *visitor, const struct step *step);

/* record_* - lines of the record; see judge.py. */
void record_operation(struct visitor *visitor, enum outcome outcome);
void record_error(struct visitor *visitor, unsigned code, const char *text);

#endif
