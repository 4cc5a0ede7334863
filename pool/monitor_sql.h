/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_sql.h - one connection of the monitor to a node, by the client library's calls that do
 * not block. One question at a time; opened when it is needed, kept open, never reset.
 *
 *   CLOSED --ask--> CONNECTING --> ASKING <--> READING --> OPEN --ask--> ASKING ...
 *   any --error, deadline--> CLOSED; OPEN --the node closes it--> on_lost, CLOSED
 *
 * A kept connection that turns out to be broken is opened again at once for the same question. A
 * deadline that comes late because this thread was late is given again once, and what lies in the
 * socket is read before anybody is judged. Callbacks come from the loop, never from inside
 * sql_link_ask().
 */
#ifndef POOL_MONITOR_SQL_H
#define POOL_MONITOR_SQL_H

#include <uv.h>

#include "base/base.h"
#include "pool/node.h"
#include "pool/report.h"

struct sql_link;

/* How it ended. */
struct sql_result {
    enum report_kind kind; /* never REPORT_NONE */
    unsigned error;        /* of the client library or the node; 0 = none */
    char text[REPORT_ERROR_MAX];
    uint64_t took_us;    /* from the first byte of the question to the last of the answer */
    uint64_t connect_us; /* 0 = the connection was open */
    uint64_t caps;   /* CAP_* that the node offered; 0 = the connection was open, or none came */
    uint16_t status; /* with caps: of the session that began */
};

struct sql_target {
    const struct node *node; /* as long as the process */
    const char *user;        /* copied */
    const char *password;    /* copied */
    const char *sql;         /* static; several statements may be in it */
    unsigned connect_ms;
    unsigned answer_ms;
};

struct sql_handler {
    void (*on_begin)(void *arg); /* what came before is void: the question is sent (again) */
    /* n columns, terminated or NULL; borrowed */
    void (*on_row)(void *arg, char *const *columns, unsigned n);
    void (*on_done)(void *arg, const struct sql_result *result); /* once for each question */
    void (*on_lost)(void *arg); /* while nothing was asked: the node closed the connection */
};

/* sql_link_new - loop and handler are borrowed for its life. */
struct sql_link *sql_link_new(uv_loop_t *loop, const struct sql_handler *handler, void *arg);

/* sql_link_close - no more callbacks; the memory goes from the loop. NULL is fine. */
void sql_link_close(struct sql_link *link);

/* sql_link_ask - not while it is busy. on_done comes later. */
void sql_link_ask(struct sql_link *link, const struct sql_target *target);

/*
 * sql_link_drop - close the connection (other account or address); the next question opens one. Not
 * while it is busy.
 */
void sql_link_drop(struct sql_link *link);

bool sql_link_is_busy(const struct sql_link *link);

/* sql_link_has_input - something came that was not read yet: who waits for it is not silent. */
bool sql_link_has_input(const struct sql_link *link);

/* sql_kind_of - what an error of the library or of a node says of the node. */
enum report_kind sql_kind_of(unsigned error);

#endif
