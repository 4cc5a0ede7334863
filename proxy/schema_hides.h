/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_hides.h - what may a statement leave in its session that no node tells?
 *
 * User variables of SELECT .. INTO or :=, locks, variables that are set as @@name: by a trigger, or
 * by a function that a view calls. Session tracking says nothing of these (10.11), and the
 * statement's text neither. They are found with the look at the schema (schema_look.h).
 */
#ifndef PROXY_SCHEMA_HIDES_H
#define PROXY_SCHEMA_HIDES_H

#include "pool/schema.h"

struct client;

/*
 * schemas_hide - the most of what the client's task may leave, and has it looked up for what fires
 * triggers.
 *
 * Where nobody has looked, a read is taken to leave nothing, and a write what cannot be seen. What
 * is called or fired in another schema is not seen, nor a view that its user is not shown (SHOW
 * VIEW).
 * *reaches: may triggers that it fires write to other schemas? Where nobody has looked yet: yes;
 * where nobody can, by its name: no. Thread: the worker's.
 */
enum schema_hides schemas_hide(const struct client *c, bool *reaches);

#endif
