/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_ran.h - a session and the statements it ran, without a client and without a node.
 */
#ifndef TESTS_UNIT_SESSION_RAN_H
#define TESTS_UNIT_SESSION_RAN_H

#include "pool/pool.h"
#include "proxy/session.h"
#include "tests/unit/test.h"

struct ran {
    struct account account;
    struct pool *pool;
    struct server server;
    struct session session;
    struct tasks tasks;
    uint8_t track[4096]; /* session changes that the node reports with the next OK */
    struct writer tracked;
    uint16_t status; /* that the node answers with */
    /* of the next statement only */
    uint8_t command; /* enum command; 0 = COM_QUERY */
    bool is_unseen;
    bool is_error;      /* it is answered with ERR */
    bool state_changed; /* STATUS_SESSION_STATE_CHANGED in the EOF behind the rows */
    bool told_early;    /* the changes come behind rows, and more results behind them */
    uint16_t warnings;
    uint64_t affected;
    unsigned rows;     /* of one column; 0 = no result set */
    const char *value; /* in each row; NULL = SQL NULL */
};

/* ran_make - schema "s", nothing set, autocommit. ran_done - nothing is left. */
void ran_make(struct ran *r);
void ran_done(struct ran *r);

/* What the node reports with the next statement. */
void ran_track_variable(struct ran *r, const char *name, const char *value);
void ran_track_schema(struct ran *r, const char *name);
void ran_track_state(struct ran *r);

/*
 * ran - the statement was sent and its reply is complete. ran_value - with one row of one column.
 * ran_error - the node refused it. ran_warned - it was done, with a warning.
 */
void ran(struct ran *r, const char *sql);
void ran_value(struct ran *r, const char *sql, const char *value);
void ran_error(struct ran *r, const char *sql);
void ran_warned(struct ran *r, const char *sql);

static inline bool ran_has(const struct ran *r, enum pin pin)
{
    return (r->session.pins & BIT(pin)) != 0;
}

#endif
