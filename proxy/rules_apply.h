/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_apply.h - what the query rules, the firewall and hints say about a client's statement,
 * acted on.
 *
 * Decided once, before anything is answered here or sent; what must wait until the statement is on
 * its way (hostgroup, timeout, ...) is in the task's verdict. A prepared statement is decided when
 * it is prepared, and again when it is executed if the configuration has changed, the statement
 * before set another flag, or a lot was drawn. Thread: the worker's.
 */
#ifndef PROXY_RULES_APPLY_H
#define PROXY_RULES_APPLY_H

#include "proxy/worker.h"

struct client_stmt;

/* What rules look at besides the statement; asked of the system once, when rules want to know. */
struct client_place {
    char client_addr[64]; /* terminated; "" = a unix socket */
    char proxy_addr[128]; /* the path, if it is a unix socket */
    uint16_t proxy_port;
};

/*
 * rules_concern - must rules_apply be asked about this text? Without rules only when it may have a
 * hint.
 */
static inline bool rules_concern(const struct client *c, struct slice text)
{
    return c->worker->has_rules || UNLIKELY(rules_has_hint(text));
}

/*
 * rules_apply - c->task is a COM_QUERY or COM_STMT_PREPARE whose facts are known; text is its
 * statement. True: the client has its answer (or is closing) and the task is over. Else the task
 * has its verdict; its bytes and facts may be those of a rewritten statement.
 */
bool rules_apply(struct client *c, struct slice text);

/* rules_apply_execute - the same for a COM_STMT_EXECUTE of stmt. */
bool rules_apply_execute(struct client *c, struct client_stmt *stmt);

/* rules_apply_long_data - a parameter goes ahead to where its statement will run. */
void rules_apply_long_data(struct client *c, const struct client_stmt *stmt);

/* rules_verdict - the part of a result that a statement takes along. */
struct verdict rules_verdict(const struct rules *rules, const struct rules_result *r);

/*
 * rules_pin - a statement with this verdict is complete: multiplex, sticky_conn,
 * mysql-multiplexing.
 */
void rules_pin(struct session *s, const struct verdict *v, bool multiplexing, uint64_t digest,
               uint64_t now_ms);

/*
 * rules_after - the statement is complete: connections to keep or let go as the verdict says, the
 * event to log.
 */
void rules_after(struct client *c, const struct server *s);

/* rules_log - the statement was answered here: the event to log. */
void rules_log(struct client *c);

/*
 * rules_delay - let the task wait as its verdict (or mysql-default_query_delay) says. True: it
 * waits (client_go_on follows), or was refused. rules_delay_end - it waits no more: gone, killed,
 * or going on.
 */
bool rules_delay(struct client *c);
void rules_delay_end(struct client *c);

/* rules_on_alarm - the client's delay is over, or its statement has run too long. */
void rules_on_alarm(struct client *c);

/*
 * rules_timeout_text - why a statement that was timed out was interrupted: which rule, how many ms.
 */
void rules_timeout_text(const struct task *task, char *out, size_t cap);

/* rules_timed_out - its statement runs too long: kill it; later its connection is given up. */
void rules_timed_out(struct client *c);

/* rules_new_snapshot - the worker has another configuration. */
void rules_new_snapshot(struct worker *w);
void rules_worker_fini(struct worker *w);

#endif
