/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h - schemas that an account has been seen to use, interned for each worker: a pointer
 * stands for (account, name).
 *
 * Entries stay until the worker ends; their number is capped. is_known tells that a node accepted
 * the schema for the account lately: then USE and COM_INIT_DB are answered here.
 */
#ifndef POOL_SCHEMA_H
#define POOL_SCHEMA_H

#include "base/base.h"
#include "base/map.h"

#define SCHEMAS_MAX 200000
#define SCHEMAS_OF_ONE \
    20000 /* of an account, in all workers: names it made up are none of others' */
#define SCHEMA_KEY_HEAD sizeof(uintptr_t) /* bytes of a key before the name: the account */
#define SCHEMA_NAME_MAX 256               /* bytes; MariaDB allows 64 characters */

struct account;
struct node;

/* Is what its tables show known from the writes that name them? proxy/schema_look.h. */
enum schema_look {
    SCHEMA_NOT_KNOWN,
    SCHEMA_ASKED,
    SCHEMA_PLAIN,
    SCHEMA_NOT_PLAIN,
    SCHEMA_OPAQUE /* nor from all writes of its own: they may show anything */
};

/*
 * What its triggers (or views) may leave in the session that runs them, of which no node tells:
 * user variables of SELECT .. INTO, locks, variables set as @@name. proxy/schema_hides.h.
 */
enum schema_hides {
    HIDES_NOT_LOOKED,
    HIDES_NOTHING,
    HIDES_UNSEEN, /* its user may not read them */
    HIDES_STATE
};

/* What a look at its triggers, routines and views found. */
struct schema_hidden {
    uint8_t triggers, views; /* enum schema_hides */
    bool reaches;            /* its triggers may write to other schemas */
    uint64_t made; /* causal_made_version() when it was asked; it holds while it is asked again */
};

struct schema {
    struct account *account; /* borrowed */
    struct slice name;       /* owned */
    uint32_t hash;           /* of the name, the same in all workers */
    uint64_t known_until_ms; /* 0 = ask a node */
    unsigned
        known_epoch; /* of the process's schemas when a node accepted it: a DROP since makes it unknown */
    uint8_t look;          /* enum schema_look */
    uint64_t looked_ms;    /* when that was known last */
    uint64_t look_version; /* of the schema (router/causal.h) when it was asked */
    const struct node
        *look_waits_for; /* borrowed; no connection there was free to ask; NULL = none is needed */
    struct schema_hidden hidden;
    char key[]; /* account pointer, name */
};

struct schemas {
    struct map by_key;
};

void schemas_init(struct schemas *t);
void schemas_fini(struct schemas *t); /* while its accounts live */

/* schema_hash - of a schema's name, the same everywhere, whatever the case of ASCII; 0 of none. */
uint32_t schema_hash(struct slice name);

/*
 * schema_get - the entry, made when it is new; NULL when the name is too long, the account has
 * named too many, or the table is full. Any thread, of tables of its own.
 */
struct schema *schema_get(struct schemas *t, struct account *account, struct slice name) MUST_CHECK;

#endif
