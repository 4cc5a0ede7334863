/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_check.h - what is asked of a node in a check, and its answer as a report. Pure.
 *
 * Two SHOW statements in one packet: one round trip, and allowed on every node in every state
 * (non-Primary, rejecting queries, read locked, without Galera). 1.2 ms on a MariaDB 10.11 node;
 * information_schema and @@variables would take 0.8 ms, but are refused by others.
 */
#ifndef POOL_MONITOR_CHECK_H
#define POOL_MONITOR_CHECK_H

#include "pool/monitor_sql.h"
#include "pool/report.h"

extern const char *const check_sql;

/*
 * A read that ends when the node has applied all that its cluster had committed. On a connection
 * never reset.
 */
extern const char *const check_catch_up_sql;

/* Its wsrep_last_committed alone; and the same after such a read. */
extern const char *const check_number_sql;
extern const char *const check_proof_sql;

/* check_begin - no figures yet. */
void check_begin(struct node_report *figures);

/* check_figure - one line of the answer. */
void check_figure(struct node_report *figures, const char *name, const char *value);

/*
 * check_end - the report after a check: figures of the answer, or those of before and why there are
 * no new ones. A node that answers "not prepared" (1047) has answered.
 */
void check_end(struct node_report *report, const struct node_report *figures,
               const struct sql_result *result, uint64_t now_ms);

#endif
