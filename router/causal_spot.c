/* SPDX-License-Identifier: Apache-2.0 */
/*
 * causal_spot.c - see causal_spot.h.
 */
#include "router/causal_spot.h"

#include <xxhash.h>

#define NAME_BYTES 256

/* --- hashes ---------------------------------------------------------------------------------- */

static uint64_t lower_hash(struct slice text, uint64_t seed)
{
    char lower[NAME_BYTES] = {0};
    size_t n = text.len < NAME_BYTES ? text.len : NAME_BYTES;

    for (size_t i = 0; i < n; i++) {
        char c = text.data[i];

        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return XXH3_64bits_withSeed(lower, n, seed);
}

bool spot_is_plain(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '$' || c == '.' || c == ' ')) {
            return false;
        }
    }
    return name.len <= 64;
}

static struct slice plain(struct slice name)
{
    return spot_is_plain(name) ? name : SLICE("?");
}

/*
 * Seeds far from each other: XXH3 of a few bytes adds the seed to them, more or less, and with
 * seeds 2 and 3 "wp2" of one kind was "wp1" of the other.
 */
uint64_t spot_schema_hash(struct slice schema, enum spot_kind kind)
{
    return lower_hash(plain(schema), kind * UINT64_C(0x9e3779b97f4a7c15));
}

uint64_t spot_table_hash(struct slice schema, struct slice table, enum spot_kind kind)
{
    return lower_hash(plain(table), spot_schema_hash(schema, kind));
}

uint64_t spot_row_hash(struct slice schema, struct slice table, uint64_t key)
{
    return XXH3_64bits_withSeed(&key, sizeof(key), spot_table_hash(schema, table, SPOT_ROW));
}

uint64_t spot_catalog_hash(void)
{
    return spot_schema_hash((struct slice){"", 0}, SPOT_CATALOG);
}

uint64_t spot_account_hash(uint32_t account, enum spot_kind kind)
{
    return XXH3_64bits_withSeed(&account, sizeof(account), kind * UINT64_C(0x9e3779b97f4a7c15));
}

struct slice spot_schema_of(const struct table_name *table, struct slice schema)
{
    return table->schema.len > 0 ? table->schema : schema;
}

/* --- what a write is about ------------------------------------------------------------------- */

static void add(struct spots *spots, uint64_t hash, enum spot_kind kind)
{
    CHECK(spots->n < SPOTS_MAX);
    spots->items[spots->n].hash = (uint32_t)hash;
    spots->items[spots->n].kind = (uint8_t)kind;
    spots->n++;
}

void spots_add_schema(struct spots *spots, struct slice schema)
{
    add(spots, spot_schema_hash(schema, SPOT_SCHEMA), SPOT_SCHEMA);
    add(spots, spot_schema_hash(schema, SPOT_SOME), SPOT_SOME);
    add(spots, spot_catalog_hash(), SPOT_CATALOG);
}

void spots_add_table(struct spots *spots, struct slice schema, struct slice table)
{
    add(spots, spot_table_hash(schema, table, SPOT_TABLE), SPOT_TABLE);
    add(spots, spot_schema_hash(schema, SPOT_SOME), SPOT_SOME);
}

void spots_add_rows(struct spots *spots, struct slice schema, struct slice table,
                    const struct row_keys *rows)
{
    if (rows == NULL || rows->n == 0) {
        add(spots, spot_table_hash(schema, table, SPOT_REST), SPOT_REST);
        return;
    }
    for (unsigned i = 0; i < rows->n; i++) {
        add(spots, spot_row_hash(schema, table, rows->hash[i]), SPOT_ROW);
    }
}

void spots_add_made(struct spots *spots, struct slice schema)
{
    add(spots, spot_schema_hash(schema, SPOT_MADE), SPOT_MADE);
}

/*
 * A temporary table hides others, and TRUNCATE empties them: neither has triggers that were not
 * there.
 */
static bool may_make(const struct facts *f)
{
    bool is_ddl =
        (f->flags & (FACT_DDL | FACT_CREATES_TEMPORARY)) == FACT_DDL && f->verb != VERB_TRUNCATE;

    return is_ddl || (f->flags & FACT_RUNS_UNSEEN) != 0 ||
           (f->flags & (FACT_MULTI | FACT_DDL)) == (FACT_MULTI | FACT_DDL);
}

void spots_of(struct spots *spots, const struct causal_write *write)
{
    bool makes = may_make(write->facts);

    const struct facts *facts = write->facts;
    bool is_broad = (facts->flags & (FACT_TABLES_UNKNOWN | FACT_DDL)) != 0;
    const struct row_keys *rows = facts->n_tables == 1 && !is_broad ? write->rows : NULL;

    spots->n = 0;
    if (write->account != 0) {
        add(spots, spot_account_hash(write->account, SPOT_ACCOUNT), SPOT_ACCOUNT);
    }
    if (write->account != 0 && (write->reaches || (facts->flags & FACT_RUNS_UNSEEN) != 0)) {
        add(spots, spot_account_hash(write->account, SPOT_UNSEEN), SPOT_UNSEEN);
    }
    if (is_broad || facts->n_tables == 0) {
        spots_add_schema(spots, write->schema);
    }
    if (makes) {
        spots_add_made(spots, write->schema);
    }
    for (unsigned i = 0; i < facts->n_tables; i++) {
        const struct table_name *t = &facts->tables[i];
        struct slice schema = spot_schema_of(t, write->schema);

        spots_add_table(spots, schema, t->name);
        spots_add_rows(spots, schema, t->name, rows);
        if (makes && t->schema.len > 0) {
            spots_add_made(spots, schema);
        }
        if (is_broad || !spot_is_sure(t->name)) { /* which one it is, is not sure */
            add(spots, spot_schema_hash(schema, SPOT_SCHEMA), SPOT_SCHEMA);
        }
    }
}

bool spots_may_change_rights(const struct causal_write *write)
{
    const struct facts *f = write->facts;
    bool names_nothing = f->n_tables == 0 && (f->flags & FACT_CHANGES_SCHEMA) == 0;

    if (f->verb == VERB_GRANT || f->verb == VERB_REVOKE || f->verb == VERB_FLUSH ||
        f->verb == VERB_RENAME /* a user, or a table */ ||
        ((f->flags & FACT_DDL) != 0 && (names_nothing || (f->flags & FACT_MULTI) != 0))) {
        return true;
    }
    for (unsigned i = 0; i < f->n_tables; i++) {
        if (slice_eq_nocase(spot_schema_of(&f->tables[i], write->schema), SLICE("mysql"))) {
            return true;
        }
    }
    return false;
}
