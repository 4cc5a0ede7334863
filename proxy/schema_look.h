/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_look.h - is what the tables of a schema show known from the writes that name them?
 *
 * It is not where a view shows other tables, a trigger writes to others, or a foreign key changes
 * rows of another table (CASCADE, SET NULL, SET DEFAULT): a statement's text tells nothing of
 * these, and the binary log nothing of the last. In such a schema, and in one that nobody has
 * looked at, any write may concern any read (router/causal.h: is_broad). The writer is asked, as
 * the user whose schema it is, on a connection of the pool; all workers share what came of it. A
 * user who may not write all tables of the schema is not shown all, and sees none that is plain.
 */
#ifndef PROXY_SCHEMA_LOOK_H
#define PROXY_SCHEMA_LOOK_H

#include <pthread.h>

#include "base/map.h"
#include "pool/schema.h"

#define SCHEMA_LOOK_MS 60000 /* DDL that does not pass through here is seen after this */

struct client;
struct server;

/* What is known, for all workers. Owner: struct galeway. */
struct schema_looks {
    pthread_mutex_t lock;
    struct map by_key; /* -> struct schema_known; owned; the keys are theirs */
};

void schema_looks_init(struct schema_looks *looks);
void schema_looks_fini(struct schema_looks *looks);

/*
 * schemas_are_plain - all schemas that the client's task names were seen to be plain lately, and no
 * DDL came since. Thread: the worker's.
 */
bool schemas_are_plain(const struct client *c);

/*
 * schemas_are_seen - all that the tables of these schemas show is of these schemas, and changes
 * with writes there: they were looked at lately, and have no views, no columns that are made of
 * clocks and the like when they are read, no foreign keys that another schema's rows change. A
 * trigger of another schema is not seen.
 */
bool schemas_are_seen(const struct client *c);

/* schemas_are_opaque - one of them was seen to be another. Neither: nobody has looked yet. */
bool schemas_are_opaque(const struct client *c);

/* schema_of_name - of one of the task's tables; NULL: of none, or too many are known. */
struct schema *schema_of_name(const struct client *c, struct slice name);

/* schema_can_be_looked_at - is its name one that can be asked for, whatever the charset? */
bool schema_can_be_looked_at(const struct schema *schema);

/*
 * schema_look_at - have one of them looked at, if that is not known, or was too long ago. schema
 * may be NULL.
 */
void schema_look_at(const struct client *c, struct schema *schema);

/*
 * schema_look_through - the client gives s back, and its schema could not be asked for because no
 * connection was free: it is asked for over this one, which goes back to the pool after that. False
 * = there is nothing to ask.
 */
bool schema_look_through(const struct client *c, struct server *s);

/* schemas_look - have those looked at of which that is not known, or was too long ago. */
void schemas_look(struct client *c);

#endif
