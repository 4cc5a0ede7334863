/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_store.h - a store on a process without workers, in a folder of its own, for tests.
 */
#ifndef TESTS_UNIT_ADMIN_STORE_H
#define TESTS_UNIT_ADMIN_STORE_H

#include "admin/reply.h"
#include "admin/store.h"
#include "proxy/galeway.h"

struct desk {
    char folder[64];
    char file[96];
    struct galeway galeway;
    struct store *store;
    struct store_session admin, guest; /* guest: a statistics user */
    struct reply reply;                /* of the last statement */
};

/* desk_open - writes the file (what is more than datadir) and opens the store. */
void desk_open(struct desk *d, const char *config);

/* DESK_SMALL - one node, one user, two workers. */
#define DESK_SMALL                                                                               \
    "mysql_variables={ threads=2; interfaces=\"127.0.0.1:6033\" }\n"                             \
    "mysql_servers=( { address=\"127.0.0.1\"; port=3306; hostgroup=10; max_connections=50 } )\n" \
    "mysql_users=( { username=\"wp\"; password=\"secret\"; default_hostgroup=10 } )\n"

/* desk_running - what the workers would see. */
static inline const struct conf *desk_running(const struct desk *d)
{
    return d->galeway.snapshot->conf;
}

/* desk_again - as after a new start of the process; the file and galeway.db stay. */
void desk_again(struct desk *d);

void desk_close(struct desk *d);

/* ok, rows, error: run a statement as the administrator and check what kind of answer it is. */
void desk_ok(struct desk *d, const char *sql);
size_t desk_rows(struct desk *d, const char *sql);
void desk_error(struct desk *d, const char *sql, uint16_t number, const char *says);

/* desk_run - as anybody; the reply stays in d->reply. */
void desk_run(struct desk *d, struct store_session *who, const char *sql);

/* desk_cell - of the last reply, "" for NULL. */
const char *desk_cell(const struct desk *d, size_t row, size_t column);

/* desk_is - the statement gives one row whose first value is this. */
void desk_is(struct desk *d, const char *sql, const char *value);

#endif
