/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mirror.h - copies of statements that run in another hostgroup, for nobody: their results are
 * dropped.
 *
 * They run on connections of their own, outside of the pool, so that no client ever waits for one.
 * At most mysql-mirror_max_concurrency of each worker run at a time, mysql-mirror_max_queue_length
 * wait; what is more is dropped and counted. Each is a statement by itself: transactions of the
 * client are not mirrored as such.
 *
 * Thread: the worker's.
 */
#ifndef PROXY_MIRROR_H
#define PROXY_MIRROR_H

#include "base/list.h"
#include "pool/server.h"

#define MIRROR_BYTES_MAX ((size_t)64 << 20) /* of statements of one worker that wait or run */
#define MIRROR_IDLE_MS   10000              /* a connection without work is closed after this */

struct worker;

struct mirror {
    struct list waiting; /* of struct mirrored */
    struct list running;
    struct list idle;           /* of struct mirror_server: connections without work */
    unsigned n_idle[NODES_MAX]; /* of them, by node: they are no load */
    size_t n_bytes;
};

/* A copy as it is asked for. */
struct mirror_input {
    struct account *account;
    struct schema *schema;
    struct profile *profile;
    uint64_t caps; /* of CAPS_OF_IDENTITY */
    bool multi_statements;
    uint32_t site;         /* as for the route */
    uint32_t sql_mode;     /* FACTS_* */
    int default_hostgroup; /* of the user */
    int hostgroup;         /* RULES_UNSET: the split decides, as for the user */
    struct slice text;
};

void mirror_init(struct mirror *m);

/* mirror_send - a copy of the statement runs soon, or is dropped. */
void mirror_send(struct worker *w, const struct mirror_input *in);

/* mirror_tick - closes what is idle. Called a few times a second. */
void mirror_tick(struct worker *w);

/* mirror_close - drop everything; when the worker ends, before its pool is closed. */
void mirror_close(struct worker *w);

#endif
