/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain.h - EXPLAIN ROUTE: what would become of a statement, told by the functions that decide
 * it.
 */
#ifndef ADMIN_EXPLAIN_H
#define ADMIN_EXPLAIN_H

#include "admin/reply.h"
#include "proxy/galeway.h"

/*
 * explain_route - rows (step, what, value): the statement's facts, each rule looked at and why it
 * did or did not match, what the rules say, hostgroup and nodes (best first), whether it may be
 * answered here, pins that it would set.
 *
 * As for a session that has just logged in as user with this schema (empty: none) from an unknown
 * address; nothing is counted and nothing sent. An unknown user, or a hostgroup without servers, is
 * an error of the reply or a row that says so. Control thread; touches of the workers only what is
 * shared.
 */
void explain_route(struct galeway *g, struct slice user, struct slice schema, struct slice sql,
                   struct reply *out);

#endif
