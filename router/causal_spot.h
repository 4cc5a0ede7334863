/* SPDX-License-Identifier: Apache-2.0 */
/*
 * causal_spot.h - what causal.c keeps versions of: spots, each the hash of a table, a schema or a
 * row, and the slot it falls into.
 *
 *   write of ...                     raises            read of ...               depends on
 *   rows of a table that are known   TABLE, ROW        rows that are known       REST, ROW
 *   a table                          TABLE, REST       a table                   TABLE
 *   tables that are not known        SCHEMA, CATALOG   tables not known          (is not kept)
 *
 * Reads of a system schema follow CATALOG as well; no answer depends on it.
 *
 * Each write raises SOME of its schemas as well, each read depends on SCHEMA of its tables' schemas
 * and of the session's, and on the one slot that stands for everything.
 *
 * Thread: any.
 */
#ifndef ROUTER_CAUSAL_SPOT_H
#define ROUTER_CAUSAL_SPOT_H

#include "router/causal.h"

#define SPOT_EVERYTHING CAUSAL_SLOTS /* the slot of it */
#define SPOTS_MAX       (5 * FACTS_MAX_TABLES + ROW_KEYS_MAX + 6)

/* Seeds of hashes: what a slot stands for. */
enum spot_kind {
    SPOT_TABLE = 1, /* any write of a table */
    SPOT_SCHEMA,    /* a write of a schema that cannot be told to tables */
    SPOT_SOME,      /* any write of a schema */
    SPOT_REST,      /* a write of a table that cannot be told to rows */
    SPOT_ROW,
    SPOT_CATALOG, /* DDL, or what may be some, in any schema */
    SPOT_MADE, /* DDL in a schema, or what may be some: triggers, routines and views may be others */
    SPOT_ACCOUNT, /* any write of an account */
    SPOT_UNSEEN /* one that may be to schemas that it does not name: a procedure, EXECUTE, a trigger */
};

/* The hashes that one write is about. */
struct spots {
    unsigned n;
    struct {
        uint32_t hash;
        uint8_t kind;
    } items[SPOTS_MAX];
};

static inline uint64_t spot_bloom_bit(uint64_t hash)
{
    return UINT64_C(1) << ((uint32_t)hash >> 26);
}

static inline uint32_t spot_slot(uint64_t hash)
{
    return (uint32_t)hash % CAUSAL_SLOTS;
}

/* spot_schema_of - the schema a table is in: its own, or the session's. */
struct slice spot_schema_of(const struct table_name *table, struct slice schema);

/*
 * spot_is_plain - can the name be written in one way only, but for the case of letters? Not so one
 * with bytes that depend on the client's character set, and one with a quote (it is doubled or not,
 * as it stands in quotes of its kind or not). MariaDB has no names of more than 64 characters.
 */
bool spot_is_plain(struct slice name);

/* spot_is_sure - is it known which table it is? Without a name it is any of its schema. */
static inline bool spot_is_sure(struct slice name)
{
    return name.len > 0 && spot_is_plain(name);
}

uint64_t spot_schema_hash(struct slice schema, enum spot_kind kind);
uint64_t spot_table_hash(struct slice schema, struct slice table, enum spot_kind kind);
uint64_t spot_catalog_hash(void);
uint64_t spot_account_hash(uint32_t account, enum spot_kind kind);
uint64_t spot_row_hash(struct slice schema, struct slice table, uint64_t key);

/* spots_add_... - a write is about it. */
void spots_add_made(struct spots *spots, struct slice schema);
void spots_add_schema(struct spots *spots, struct slice schema);
void spots_add_table(struct spots *spots, struct slice schema, struct slice table);
void spots_add_rows(struct spots *spots, struct slice schema, struct slice table,
                    const struct row_keys *rows);

/* spots_of - all that a write is about. */
void spots_of(struct spots *spots, const struct causal_write *write);

/*
 * spots_may_change_rights - GRANT, DROP USER, FLUSH PRIVILEGES, a table of mysql: who may read what
 * may be another thing now, in any schema.
 */
bool spots_may_change_rights(const struct causal_write *write);

#endif
