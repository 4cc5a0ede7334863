/* SPDX-License-Identifier: Apache-2.0 */
/*
 * causal.c - see causal.h.
 */
#include "router/causal.h"

#include "base/clock.h"
#include "router/causal_spot.h"

#define FLAGS    (CAUSAL_FOREIGN | CAUSAL_STRAY)
#define STRAY_US UINT64_C(60000000)

/* --- marks ----------------------------------------------------------------------------------- */

static void raise(_Atomic uint64_t *at, uint64_t to)
{
    uint64_t was = atomic_load_explicit(at, memory_order_relaxed);

    while (was < to && !atomic_compare_exchange_weak(at, &was, to)) {
    }
}

bool causal_has_strays(const struct causal *causal, uint64_t now_us)
{
    uint64_t us = atomic_load_explicit(&causal->stray_us, memory_order_relaxed);

    return us != 0 && us + STRAY_US >= now_us;
}

/* A newer write does not hide a stray one: the writer has to be seen to have applied that, too. */
static void raise_written(_Atomic uint64_t *at, uint64_t to, bool keeps_stray)
{
    uint64_t was = atomic_load_explicit(at, memory_order_relaxed);
    uint64_t want;

    do {
        want = MAX(was, to) & ~CAUSAL_STRAY;
        want |= (to | (keeps_stray ? was : 0)) & CAUSAL_STRAY;
    } while (want != was && !atomic_compare_exchange_weak(at, &was, want));
}

/*
 * The time first: who sees the version sees it, too. It never goes back, whichever thread comes
 * last.
 */
static void mark(struct causal *causal, uint32_t slot, uint64_t written_us)
{
    raise_written(&causal->slots[slot].written_us, written_us,
                  causal_has_strays(causal, written_us));
    atomic_fetch_add(&causal->slots[slot].version, 1);
}

static uint64_t stamp_of(uint64_t us)
{
    return (us + FLAGS) & ~FLAGS;
}

/* Read when the mark is made: the time of a loop's turn is older than the commit it stands for. */
static uint64_t stamp(void)
{
    return stamp_of(clock_now_us());
}

static uint64_t stamp_write(struct causal *causal, bool is_stray)
{
    uint64_t us = stamp();

    if (is_stray) {
        raise(&causal->stray_us, us);
    }
    return is_stray ? us | CAUSAL_STRAY : us;
}

/*
 * What a session wrote itself: its rows are known by their tables, its unseen writes by their
 * connection.
 */
static bool has_bloom(uint8_t kind)
{
    return kind != SPOT_REST && kind != SPOT_ROW && kind != SPOT_ACCOUNT && kind != SPOT_UNSEEN &&
           kind != SPOT_MADE;
}

static void mark_spots(struct causal *causal, uint64_t *bloom, const struct spots *spots,
                       uint64_t written_us)
{
    for (unsigned i = 0; i < spots->n; i++) {
        uint8_t kind = spots->items[i].kind;

        mark(causal, spot_slot(spots->items[i].hash), written_us);
        if (bloom != NULL && has_bloom(kind)) {
            *bloom |= spot_bloom_bit(spots->items[i].hash);
        }
    }
}

void causal_mark(struct causal *causal, uint64_t *bloom, const struct causal_write *write)
{
    uint64_t written_us = stamp_write(causal, write->is_stray);
    struct spots spots;

    spots_of(&spots, write);
    mark_spots(causal, bloom, &spots, written_us);
    if (spots_may_change_rights(write)) {
        mark(causal, SPOT_EVERYTHING, written_us);
    }
}

void causal_mark_schema(struct causal *causal, uint64_t *bloom, struct slice schema, bool is_stray)
{
    struct spots spots = {.n = 0};

    spots_add_schema(&spots, schema);
    spots_add_made(&spots, schema);
    mark_spots(causal, bloom, &spots, stamp_write(causal, is_stray));
}

void causal_mark_foreign(struct causal *causal, struct slice schema, struct slice table,
                         const struct row_keys *rows)
{
    struct spots spots = {.n = 0};

    if (table.len == 0) {
        spots_add_schema(&spots, schema);
        spots_add_made(&spots, schema);
    } else {
        spots_add_table(&spots, schema, table);
        spots_add_rows(&spots, schema, table, rows);
    }
    mark_spots(causal, NULL, &spots, stamp() | CAUSAL_FOREIGN);
}

void causal_mark_missed(struct causal *causal)
{
    raise(&causal->missed_us, stamp() | CAUSAL_FOREIGN);
    atomic_fetch_add(&causal->slots[SPOT_EVERYTHING].version, 1);
}

/* --- transactions ---------------------------------------------------------------------------- */

static bool has(const uint32_t *slots, unsigned n, uint32_t slot)
{
    for (unsigned i = 0; i < n; i++) {
        if (slots[i] == slot) {
            return true;
        }
    }
    return false;
}

static bool remember_slot(struct causal_marks *marks, uint32_t slot)
{
    if (has(marks->slot, marks->n, slot)) {
        return true;
    }
    if (marks->n == CAUSAL_MARKS_MAX) {
        return false;
    }
    marks->slot[marks->n++] = slot;
    return true;
}

static void remember_wide(struct causal_marks *marks, uint64_t hash)
{
    uint32_t slot = spot_slot(hash);

    if (has(marks->schema, marks->n_schemas, slot)) {
        return;
    }
    if (marks->n_schemas == CAUSAL_SCHEMAS_MAX) {
        marks->everything = true;
        return;
    }
    marks->schema[marks->n_schemas++] = slot;
}

void causal_remember_schema(struct causal_marks *marks, struct slice schema)
{
    remember_wide(marks, spot_schema_hash(schema, SPOT_SCHEMA));
    remember_wide(marks, spot_schema_hash(schema, SPOT_SOME));
    remember_wide(marks, spot_catalog_hash());
}

void causal_remember(struct causal_marks *marks, const struct causal_write *write)
{
    struct spots spots;
    bool fits = true;

    marks->is_stray |= write->is_stray;
    marks->everything |= spots_may_change_rights(write);
    spots_of(&spots, write);
    for (unsigned i = 0; i < spots.n && fits; i++) {
        fits = remember_slot(marks, spot_slot(spots.items[i].hash));
    }
    if (fits) {
        return;
    }
    for (unsigned i = 0; i < spots.n; i++) {
        uint8_t kind = spots.items[i].kind;

        if (kind == SPOT_ACCOUNT || kind == SPOT_UNSEEN || kind == SPOT_MADE) {
            remember_wide(marks, spots.items[i].hash);
        }
    }
    for (unsigned i = 0; i < write->facts->n_tables; i++) {
        causal_remember_schema(marks, spot_schema_of(&write->facts->tables[i], write->schema));
    }
    if (write->facts->n_tables == 0 || (write->facts->flags & FACT_TABLES_UNKNOWN) != 0) {
        causal_remember_schema(marks, write->schema);
    }
}

void causal_mark_again(struct causal *causal, const struct causal_marks *marks)
{
    uint64_t written_us = stamp_write(causal, marks->is_stray);

    for (unsigned i = 0; i < marks->n; i++) {
        mark(causal, marks->slot[i], written_us);
    }
    for (unsigned i = 0; i < marks->n_schemas; i++) {
        mark(causal, marks->schema[i], written_us);
    }
    if (marks->everything) {
        mark(causal, SPOT_EVERYTHING, written_us);
    }
}

/* --- doubt ----------------------------------------------------------------------------------- */

/*
 * It may be done at any time until then: that is the time of the write. doubt_us last: who does
 * not see it yet sees the old version, and then another one.
 */
static void doubt(struct causal *causal, uint32_t slot, uint64_t until_us)
{
    raise(&causal->unsettled_us[slot], until_us);
    raise(&causal->doubt_us, until_us);
    mark(causal, slot, stamp_of(until_us));
}

void causal_doubt(struct causal *causal, const struct causal_marks *marks, uint64_t until_us)
{
    for (unsigned i = 0; i < marks->n; i++) {
        doubt(causal, marks->slot[i], until_us);
    }
    for (unsigned i = 0; i < marks->n_schemas; i++) {
        doubt(causal, marks->schema[i], until_us);
    }
    if (marks->everything) {
        doubt(causal, SPOT_EVERYTHING, until_us);
    }
}

static bool is_unsettled(const struct causal *causal, const uint32_t *slots, unsigned n)
{
    uint64_t doubt_us = atomic_load(&causal->doubt_us);
    uint64_t now_us;

    if (LIKELY(doubt_us == 0)) {
        return false;
    }
    now_us = clock_now_us();
    for (unsigned i = 0; now_us < doubt_us && i < n; i++) {
        if (now_us < atomic_load(&causal->unsettled_us[slots[i]])) {
            return true;
        }
    }
    return false;
}

/* --- reads that follow ----------------------------------------------------------------------- */

struct follow_check {
    const struct causal *causal;
    uint64_t bloom;
    uint64_t now_us, window_us;
    uint64_t newest_us;
    bool is_own, is_new;
    uint8_t flags; /* of the writes */
};

static void look_at_slot(struct follow_check *check, uint32_t slot, bool is_own)
{
    uint64_t written =
        atomic_load_explicit(&check->causal->slots[slot].written_us, memory_order_acquire);
    uint64_t us = written & ~FLAGS;

    if (us == 0 || (check->window_us == 0 && !is_own)) {
        return;
    }
    check->newest_us = MAX(check->newest_us, us);
    check->flags |= (uint8_t)(written & FLAGS);
    check->is_own |= is_own;
    /* Another thread's clock may be ahead of now_us; a write in doubt is. */
    check->is_new |= us + check->window_us >= check->now_us;
}

static void look_at(struct follow_check *check, uint64_t hash)
{
    look_at_slot(check, spot_slot(hash), (check->bloom & spot_bloom_bit(hash)) != 0);
}

static void look_at_tables(struct follow_check *check, const struct facts *facts,
                           struct slice schema, bool is_broad)
{
    for (unsigned i = 0; i < facts->n_tables; i++) {
        const struct table_name *t = &facts->tables[i];

        look_at(check, spot_is_sure(t->name) && !is_broad
                           ? spot_table_hash(spot_schema_of(t, schema), t->name, SPOT_TABLE)
                           : spot_schema_hash(spot_schema_of(t, schema), SPOT_SOME));
        if (t->schema.len > 0) {
            look_at(check, spot_schema_hash(t->schema, SPOT_SCHEMA));
        }
    }
}

/*
 * Tables of a system schema, and SHOW DATABASES: they show what DDL in any schema made, and what
 * the session wrote.
 */
static bool shows_catalog(const struct facts *f, struct slice schema)
{
    if (f->n_tables == 0) {
        return f->verb == VERB_SHOW && (f->flags & FACT_TABLES_UNKNOWN) != 0;
    }
    for (unsigned i = 0; i < f->n_tables; i++) {
        if (facts_is_system_schema(spot_schema_of(&f->tables[i], schema))) {
            return true;
        }
    }
    return false;
}

/* What its account wrote that may be anywhere; all that it wrote, where any of it may be shown. */
static void look_at_account(struct follow_check *check, const struct causal_read *read,
                            bool is_broad)
{
    bool shows_any =
        (is_broad && read->is_opaque) || (read->facts->flags & FACT_TABLES_UNKNOWN) != 0;

    if (read->account != 0) {
        look_at_slot(check, spot_slot(spot_account_hash(read->account, SPOT_UNSEEN)), false);
    }
    if (read->account != 0 && shows_any) {
        look_at_slot(check, spot_slot(spot_account_hash(read->account, SPOT_ACCOUNT)), false);
    }
}

uint64_t causal_follow_us(const struct causal *causal, const struct causal_read *read,
                          uint8_t *flags)
{
    bool is_catalog = shows_catalog(read->facts, read->schema);
    bool is_broad = read->is_broad || is_catalog || (read->facts->flags & FACT_TABLES_UNKNOWN) != 0;
    struct follow_check check = {.causal = causal,
                                 .bloom = read->bloom,
                                 .now_us = read->now_us,
                                 .window_us = read->window_us};

    look_at_slot(&check, SPOT_EVERYTHING, false);
    look_at(&check, spot_schema_hash(read->schema, SPOT_SCHEMA));
    if (is_broad) {
        look_at_slot(&check, spot_slot(spot_schema_hash(read->schema, SPOT_SOME)),
                     read->bloom != 0);
        if (read->bloom != 0) { /* a view may show what it wrote elsewhere, which may be of now */
            check.is_own = true;
            check.newest_us = MAX(check.newest_us, read->now_us);
        }
    }
    if (is_catalog) {
        look_at(&check, spot_catalog_hash());
    }
    look_at_account(&check, read, is_broad);
    look_at_tables(&check, read->facts, read->schema, is_broad);
    if (!causal_has_strays(causal, read->now_us)) {
        check.flags &= (uint8_t)~CAUSAL_STRAY;
    }
    if (check.newest_us != 0 && !check.is_own && !check.is_new) {
        check.flags |= (uint8_t)CAUSAL_OVER;
    }
    *flags = check.flags;
    if ((check.flags & CAUSAL_STRAY) != 0) {
        return MIN(check.newest_us, read->now_us);
    }
    return check.is_own ? CAUSAL_THE_WRITER : check.newest_us;
}

/* --- what an answer depends on --------------------------------------------------------------- */

static bool depend(struct causal_deps *deps, uint32_t slot)
{
    if (has(deps->slot, deps->n, slot)) {
        return true;
    }
    if (deps->n == CAUSAL_DEPS_MAX) {
        return false;
    }
    deps->slot[deps->n++] = slot;
    return true;
}

static bool depend_on_rows(struct causal_deps *deps, const struct table_name *table,
                           struct slice schema, const struct row_keys *rows)
{
    bool fits = depend(deps, spot_slot(spot_table_hash(schema, table->name, SPOT_REST)));

    for (unsigned i = 0; i < rows->n; i++) {
        fits = fits && depend(deps, spot_slot(spot_row_hash(schema, table->name, rows->hash[i])));
    }
    return fits;
}

static bool depend_on_tables(struct causal_deps *deps, const struct facts *facts,
                             struct slice schema, const struct row_keys *rows)
{
    bool is_bound = rows != NULL && rows->n > 0 && facts->n_tables == 1;
    bool fits = true;

    for (unsigned i = 0; i < facts->n_tables && fits; i++) {
        const struct table_name *t = &facts->tables[i];
        struct slice s = spot_schema_of(t, schema);

        if (!spot_is_sure(t->name)) {
            return false;
        }
        fits = is_bound ? depend_on_rows(deps, t, s, rows)
                        : depend(deps, spot_slot(spot_table_hash(s, t->name, SPOT_TABLE)));
        fits = fits && depend(deps, spot_slot(spot_schema_hash(s, SPOT_SCHEMA)));
    }
    return fits;
}

static bool depend_on_schemas(struct causal_deps *deps, const struct facts *facts,
                              struct slice schema)
{
    bool fits = depend(deps, spot_slot(spot_schema_hash(schema, SPOT_SOME)));

    for (unsigned i = 0; i < facts->n_tables && fits; i++) {
        struct slice s = spot_schema_of(&facts->tables[i], schema);

        fits = depend(deps, spot_slot(spot_schema_hash(s, SPOT_SOME))) &&
               depend(deps, spot_slot(spot_schema_hash(s, SPOT_SCHEMA)));
    }
    return fits;
}

bool causal_deps_of(const struct causal *causal, const struct facts *facts, struct slice schema,
                    bool is_broad, const struct row_keys *rows, uint32_t account,
                    struct causal_deps *out)
{
    out->n = 0;
    if ((facts->flags & FACT_TABLES_UNKNOWN) != 0) {
        return false;
    }
    (void)depend(out, SPOT_EVERYTHING);
    (void)depend(out, spot_slot(spot_schema_hash(schema, SPOT_SCHEMA)));
    if (account != 0) {
        (void)depend(out, spot_slot(spot_account_hash(account, SPOT_UNSEEN)));
    }
    if (!(is_broad ? depend_on_schemas(out, facts, schema)
                   : depend_on_tables(out, facts, schema, rows))) {
        out->n = 0;
        return false;
    }
    for (unsigned i = 0; i < out->n; i++) {
        out->version[i] = atomic_load(&causal->slots[out->slot[i]].version);
    }
    return !is_unsettled(causal, out->slot, out->n);
}

uint64_t causal_made_version(const struct causal *causal, struct slice schema)
{
    return atomic_load(&causal->slots[spot_slot(spot_schema_hash(schema, SPOT_MADE))].version);
}

uint64_t causal_schema_version(const struct causal *causal, struct slice schema)
{
    return atomic_load(&causal->slots[spot_slot(spot_schema_hash(schema, SPOT_SCHEMA))].version) +
           atomic_load(&causal->slots[SPOT_EVERYTHING].version);
}

bool causal_deps_hold(const struct causal *causal, const struct causal_deps *deps)
{
    for (unsigned i = 0; i < deps->n; i++) {
        if (atomic_load(&causal->slots[deps->slot[i]].version) != deps->version[i]) {
            return false;
        }
    }
    return !is_unsettled(causal, deps->slot, deps->n);
}

uint64_t causal_deps_written_us(const struct causal *causal, const struct causal_deps *deps,
                                bool *foreign)
{
    uint64_t newest = atomic_load(&causal->missed_us);

    for (unsigned i = 0; i < deps->n; i++) {
        uint64_t written = atomic_load(&causal->slots[deps->slot[i]].written_us);

        newest = MAX(newest, written);
    }
    *foreign = (newest & CAUSAL_FOREIGN) != 0;
    return newest & ~FLAGS;
}
