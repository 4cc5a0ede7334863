/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.h - the answer to one statement of the console: OK, an error, or rows of text.
 *
 * Filled by what runs statements, written to the wire by the console. Values are copied in; the
 * reply owns them until reply_fini(). Used on the control thread only.
 */
#ifndef ADMIN_REPLY_H
#define ADMIN_REPLY_H

#include <stdatomic.h>

#include "base/base.h"

#define REPLY_BYTES_MAX ((size_t)256 << 20) /* of all values; more is an error of the statement */

enum reply_kind { REPLY_OK, REPLY_ERROR, REPLY_ROWS };

struct reply;

/* An answer that takes its time: made on another thread, while the console serves others. */
struct reply_job {
    void (*run)(struct reply_job *job, struct reply *out); /* once; may block for some seconds */
    void (*free)(struct reply_job *job);
    atomic_bool is_abandoned; /* nobody waits for it any more: end soon */
};

struct reply {
    enum reply_kind kind;
    /* OK */
    uint64_t affected;
    uint16_t warnings; /* also behind rows */
    char *info;        /* or NULL */
    /* ERROR */
    uint16_t number;
    char sqlstate[6]; /* terminated */
    char *message;
    /* ROWS: n_columns names, then values row by row; a value with data NULL is SQL NULL */
    size_t n_columns;
    char **columns;
    size_t n_values;
    size_t room;
    struct slice *values; /* data owned */
    size_t bytes;
    bool too_large;        /* values were dropped: the caller makes an error of it */
    struct reply_job *job; /* owned; not NULL: the answer is still to be made by it */
};

/* reply_fini - frees what it owns; a zeroed reply is an empty OK. */
void reply_fini(struct reply *r);

/* reply_error - becomes an error; what it held before is freed. sqlstate: five characters. */
void reply_error(struct reply *r, uint16_t number, const char *sqlstate, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* reply_info - becomes an OK with this text (NULL = none). */
void reply_info(struct reply *r, uint64_t affected, const char *format, ...) PRINTF_LIKE(3, 4);

/* reply_later - becomes what the job will make. Takes it over. */
void reply_later(struct reply *r, struct reply_job *job);

/* reply_columns - becomes rows with these columns and no row yet. */
void reply_columns(struct reply *r, size_t n, const char *const *names);

/* reply_value - the next value of the row being made; n_columns of them make a row. */
void reply_value(struct reply *r, struct slice value);
void reply_text(struct reply *r, const char *text); /* NULL = SQL NULL */
void reply_number(struct reply *r, int64_t number);

static inline size_t reply_rows(const struct reply *r)
{
    return r->n_columns == 0 ? 0 : r->n_values / r->n_columns;
}

#endif
