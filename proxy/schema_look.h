/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_look.h - is what the tables of a schema show known from the writes that name them?
 *
 * It is not where a view shows other tables, a trigger writes to others, or a foreign key changes or
 * deletes rows of another table (CASCADE, SET NULL, SET DEFAULT): a statement's text tells nothing of
 * these, and the binlog nothing of the last. Answers from such schemas are kept only where a rule
 * says so. The writer is asked, as the user whose schema it is, on a connection of the pool.
 * Thread: the worker's.
 */
#ifndef PROXY_SCHEMA_LOOK_H
#define PROXY_SCHEMA_LOOK_H

#include "base/base.h"

struct client;

/*
 * schema_is_plain - true: the schema of the client's session was seen to be plain lately, and no DDL
 * came since. False: it is not, or nobody knows; then it is being asked, unless it was just now.
 */
bool schema_is_plain(struct client *c);

#endif
