/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_apply.c - see follower_apply.h.
 */
#include "pool/follower_apply.h"

#include <xxhash.h>

#include "base/err.h"
#include "base/mem.h"

#define EVENT_KEYS_MAX 256          /* of one event; with more all of the table counts */
#define TOLD_RESERVE   (128u << 10) /* what one event may need */
#define TABLES_BYTES   (UINT32_C(64) << 10)

/* A table as a TABLE_MAP event named it, with the event's bytes behind it. */
struct apply_table {
    struct binlog_table table;
    char bytes[];
};

/* --- what was told ---------------------------------------------------------------------------- */

/* schema, table, column, key */
struct write {
    struct slice parts[4];
};

static bool told_is_empty(const struct apply_told *t)
{
    return t->len == 0 && !t->has_gap;
}

static void told_clear(struct apply_told *t)
{
    if (t->len > 0) {
        memset(t->seen, 0, sizeof(t->seen));
    }
    t->len = 0;
    t->has_gap = false;
    t->waits_longer = false;
    t->since_us = 0;
}

/* Was this hash there? If not, it is now, when there is a place for it. */
static bool was_seen(struct apply_told *t, uint64_t hash)
{
    hash = hash == 0 ? 1 : hash;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t *slot = &t->seen[(hash + i) % APPLY_SEEN];

        if (*slot == hash) {
            return true;
        }
        if (*slot == 0) {
            *slot = hash;
            return false;
        }
    }
    return false;
}

static size_t write_len(const struct write *w)
{
    size_t len = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(w->parts); i++) {
        len += 2 + w->parts[i].len;
    }
    return len;
}

static void told_add(struct apply_told *t, const struct write *w)
{
    struct writer out;
    size_t len = write_len(w);

    if (t->bytes == NULL) {
        t->bytes = mem_new(MEM_POOL, APPLY_TOLD_MAX);
    }
    if (t->len + len > APPLY_TOLD_MAX) {
        t->has_gap = true; /* everything is told again, then */
        return;
    }
    out = writer_of(t->bytes + t->len, len);
    for (unsigned i = 0; i < ARRAY_SIZE(w->parts); i++) {
        put_u16(&out, (uint16_t)w->parts[i].len);
        put_slice(&out, w->parts[i]);
    }
    if (!was_seen(t, XXH3_64bits(t->bytes + t->len, len))) {
        t->len += len;
    }
}

static void call(const struct apply *a, const struct write *w)
{
    a->events.on_write(a->events.arg, w->parts[0], w->parts[1], w->parts[2], w->parts[3]);
}

static void tell(struct apply *a, const struct write *w)
{
    struct apply_told *t = &a->open;

    call(a, w);
    a->counts.writes++;
    a->counts.row_keys += w->parts[3].data != NULL ? 1 : 0;
    t->since_us = told_is_empty(t) ? a->now_us : t->since_us;
    told_add(t, w);
}

static void tell_again(const struct apply *a, const struct apply_told *t)
{
    struct reader r = reader_of(t->bytes, t->len);

    if (t->has_gap) {
        a->events.on_gap(a->events.arg);
        return;
    }
    while (reader_left(&r) > 0) {
        struct write w;

        for (unsigned i = 0; i < ARRAY_SIZE(w.parts); i++) {
            unsigned len = get_u16(&r);

            w.parts[i] = len == 0 ? (struct slice){NULL, 0} : get_bytes(&r, len);
        }
        CHECK(!r.failed);
        call(a, &w);
    }
}

void apply_gap(struct apply *a, uint64_t now_us)
{
    struct apply_told *t = &a->open;

    a->events.on_gap(a->events.arg);
    a->counts.gaps++;
    t->since_us = told_is_empty(t) ? now_us : t->since_us;
    t->has_gap = true;
    t->waits_longer = true;
}

static void close_open(struct apply *a)
{
    struct apply_told old = a->closed;

    a->closed = a->open;
    a->closed.seqno = a->seqno;
    a->closed.waits_longer = false;
    a->open = old;
    told_clear(&a->open);
}

void apply_settle(struct apply *a, uint64_t committed)
{
    if (a->is_in_group) {
        return; /* its number comes with its end */
    }
    if (!told_is_empty(&a->closed) && committed >= a->closed.seqno) {
        tell_again(a, &a->closed);
        told_clear(&a->closed);
    }
    if (!told_is_empty(&a->closed) || told_is_empty(&a->open)) {
        return;
    }
    if (committed >= a->seqno && !a->open.waits_longer) {
        tell_again(a, &a->open);
        told_clear(&a->open);
    } else {
        close_open(a);
    }
}

void apply_settle_all(struct apply *a)
{
    tell_again(a, &a->closed);
    told_clear(&a->closed);
    if (!a->is_in_group) {
        tell_again(a, &a->open);
        told_clear(&a->open);
    }
}

uint64_t apply_waits_us(const struct apply *a)
{
    return !told_is_empty(&a->closed) ? a->closed.since_us : a->open.since_us;
}

bool apply_is_full(const struct apply *a)
{
    return !a->is_in_group && a->open.len + TOLD_RESERVE > APPLY_TOLD_MAX;
}

/* --- tables ----------------------------------------------------------------------------------- */

static void forget_tables(struct apply *a)
{
    while (a->n_tables > 0) {
        mem_free(MEM_POOL, a->tables[--a->n_tables]);
    }
}

static const struct binlog_table *find_table(const struct apply *a, uint64_t id)
{
    for (unsigned i = a->n_tables; i-- > 0;) {
        if (a->tables[i]->table.id == id) {
            return &a->tables[i]->table;
        }
    }
    return NULL;
}

/* A table too many, or without memory for it, is not found when its rows come: a gap. */
static int map_table(struct apply *a, struct slice body)
{
    struct binlog_table table;
    struct apply_table *t;

    if (binlog_table_decode(&table, body) != 0) {
        return ERR_MALFORMED;
    }
    if (a->n_tables == APPLY_TABLES_MAX || body.len > TABLES_BYTES) {
        mem_refused();
        return 0;
    }
    t = mem_try(MEM_POOL, sizeof(*t) + body.len);
    if (t == NULL) {
        return 0;
    }
    memcpy(t->bytes, body.data, body.len);
    body.data = t->bytes;
    CHECK(binlog_table_decode(&t->table, body) == 0);
    a->tables[a->n_tables++] = t;
    return 0;
}

/* --- rows ------------------------------------------------------------------------------------- */

static bool any_pattern(const struct apply *a, struct slice table)
{
    for (unsigned i = 0; i < a->patterns.n; i++) {
        if (row_key_pattern_fits(&a->patterns.items[i], table)) {
            return true;
        }
    }
    return false;
}

static void tell_key(struct apply *a, const struct binlog_table *table, struct slice key)
{
    for (unsigned i = 0; i < a->patterns.n; i++) {
        const struct row_key_pattern *p = &a->patterns.items[i];

        if (row_key_pattern_fits(p, table->name)) {
            struct write w = {{table->schema, table->name, p->column, key}};

            tell(a, &w);
        }
    }
}

/*
 * Which of the character columns is the one that a pattern means is not known here: all of them
 * are taken. One key too many costs an answer of a cache.
 */
static bool image_has_keys(const struct binlog_image *image, bool is_after)
{
    char key[ROW_KEY_MAX];
    size_t len;

    /* What an update left out behind it, it did not change. */
    if (image->is_cut || (!image->is_whole && !is_after)) {
        return false;
    }
    for (unsigned i = 0; i < image->n; i++) {
        if (!row_key_plain(key, &len, image->strings[i])) {
            return false;
        }
    }
    return true;
}

/* May the rows be told by their keys? Nothing is told before all of them are known to be good. */
static bool rows_have_keys(const struct binlog_rows *rows, const struct binlog_table *table)
{
    struct reader r = reader_of(rows->data.data, rows->data.len);
    struct binlog_image image;
    unsigned nth = 0, n_keys = 0;

    while (reader_left(&r) > 0) {
        bool is_after = rows->is_update && nth % 2 == 1;

        if (binlog_image_decode(&image, &r, rows, table, nth) != 0 ||
            !image_has_keys(&image, is_after)) {
            return false;
        }
        n_keys += image.n;
        nth++;
        if (n_keys > EVENT_KEYS_MAX) {
            return false;
        }
    }
    return n_keys > 0 && (!rows->is_update || nth % 2 == 0);
}

static void tell_keys(struct apply *a, const struct binlog_rows *rows,
                      const struct binlog_table *table)
{
    struct reader r = reader_of(rows->data.data, rows->data.len);
    struct binlog_image image;

    for (unsigned nth = 0; reader_left(&r) > 0; nth++) {
        CHECK(binlog_image_decode(&image, &r, rows, table, nth) == 0);
        for (unsigned i = 0; i < image.n; i++) {
            char key[ROW_KEY_MAX];
            size_t len;

            CHECK(row_key_plain(key, &len, image.strings[i]));
            tell_key(a, table, (struct slice){key, len});
        }
    }
}

static void tell_rows(struct apply *a, const struct binlog_rows *rows,
                      const struct binlog_table *table)
{
    struct write whole = {{table->schema, table->name, {NULL, 0}, {NULL, 0}}};

    if (any_pattern(a, table->name) && rows_have_keys(rows, table)) {
        tell_keys(a, rows, table);
    } else {
        tell(a, &whole);
    }
}

/* What a packed part is unpacked to; NULL = it cannot be. */
static void *unpack(struct slice packed, struct slice *out)
{
    size_t len = binlog_unpacked_len(packed);
    void *bytes;

    if (len == 0 || len > APPLY_UNPACKED_MAX) {
        return NULL;
    }
    bytes = mem_try(MEM_POOL, len);
    if (bytes != NULL && binlog_unpack(bytes, len, packed) != 0) {
        mem_free(MEM_POOL, bytes);
        return NULL;
    }
    *out = (struct slice){bytes, len};
    return bytes;
}

static int apply_rows(struct apply *a, const struct binlog_event *e)
{
    const struct binlog_table *table;
    struct binlog_rows rows;
    void *unpacked = NULL;

    if (binlog_rows_decode(&rows, e->type, e->body) != 0) {
        return ERR_MALFORMED;
    }
    table = find_table(a, rows.table_id);
    if (table == NULL && rows.data.len > 0) {
        apply_gap(a, a->now_us);
    } else if (table != NULL) {
        if (rows.is_packed) {
            unpacked = unpack(rows.data, &rows.data);
            rows.data.len = unpacked == NULL ? 0 : rows.data.len; /* then all of the table */
        }
        tell_rows(a, &rows, table);
        mem_free(MEM_POOL, unpacked);
    }
    if (rows.ends_statement) {
        forget_tables(a);
    }
    return 0;
}

/* --- groups ----------------------------------------------------------------------------------- */

static void end_group(struct apply *a)
{
    if (!a->is_in_group) {
        return;
    }
    a->is_in_group = false;
    a->counts.groups++;
    a->n_elsewhere += a->group.domain != a->domain ? 1 : 0;
    a->is_position_lost |= !binlog_gtids_put(&a->position, &a->group);
    forget_tables(a);
}

static int begin_group(struct apply *a, const struct binlog_event *e)
{
    uint8_t flags;

    end_group(a);
    if (binlog_gtid_decode(&a->group, &flags, e) != 0) {
        return ERR_MALFORMED;
    }
    a->is_in_group = true;
    a->is_standalone = (flags & BINLOG_GTID_STANDALONE) != 0;
    return 0;
}

static int apply_xid(struct apply *a, const struct binlog_event *e)
{
    struct reader r = reader_of(e->body.data, e->body.len);

    a->seqno = get_u64(&r);
    end_group(a);
    return r.failed ? ERR_MALFORMED : 0;
}

static void apply_text(struct apply *a, const struct binlog_query *query)
{
    struct binlog_schemas schemas;
    enum binlog_does does = binlog_query_does(query, &schemas);

    if (does == BINLOG_DOES_ANYTHING || (does == BINLOG_DOES_WRITE && schemas.n == 0)) {
        apply_gap(a, a->now_us);
    } else if (does == BINLOG_DOES_WRITE) {
        for (unsigned i = 0; i < schemas.n; i++) {
            struct write w = {{schemas.items[i], {NULL, 0}, {NULL, 0}, {NULL, 0}}};

            tell(a, &w);
        }
        a->open.waits_longer =
            true; /* it has no number: when it can be seen is not known exactly */
    }
    if (a->events.on_rights != NULL && binlog_query_changes_rights(query)) {
        a->events.on_rights(a->events.arg);
    }
    if (does == BINLOG_DOES_COMMIT || a->is_standalone) {
        end_group(a);
    }
}

static int apply_query(struct apply *a, const struct binlog_event *e)
{
    struct binlog_query query;
    void *unpacked = NULL;

    if (binlog_query_decode(&query, e->body) != 0) {
        return ERR_MALFORMED;
    }
    if (e->type == BINLOG_QUERY_PACKED) {
        unpacked = unpack(query.text, &query.text);
        if (unpacked == NULL) {
            apply_gap(a, a->now_us);
            return 0;
        }
    }
    apply_text(a, &query);
    mem_free(MEM_POOL, unpacked);
    return 0;
}

/* Known, and nothing is written by it. */
static bool is_quiet(const struct binlog_event *e)
{
    switch ((enum binlog_type)e->type) {
    case BINLOG_STOP:
    case BINLOG_ROTATE:
    case BINLOG_INTVAR:
    case BINLOG_RAND:
    case BINLOG_USER_VAR:
    case BINLOG_BEGIN_LOAD:
    case BINLOG_APPEND_BLOCK:
    case BINLOG_DELETE_FILE:
    case BINLOG_HEARTBEAT:
    case BINLOG_ANNOTATE:
    case BINLOG_CHECKPOINT:
    case BINLOG_GTID_LIST:
    case BINLOG_START_ENCRYPTION: return true;
    case BINLOG_QUERY:
    case BINLOG_FORMAT:
    case BINLOG_XID:
    case BINLOG_EXECUTE_LOAD:
    case BINLOG_TABLE_MAP:
    case BINLOG_WRITE_ROWS_V1:
    case BINLOG_UPDATE_ROWS_V1:
    case BINLOG_DELETE_ROWS_V1:
    case BINLOG_INCIDENT:
    case BINLOG_WRITE_ROWS:
    case BINLOG_UPDATE_ROWS:
    case BINLOG_DELETE_ROWS:
    case BINLOG_GTID:
    case BINLOG_QUERY_PACKED:
    case BINLOG_WRITE_ROWS_V1_PACKED:
    case BINLOG_UPDATE_ROWS_V1_PACKED:
    case BINLOG_DELETE_ROWS_V1_PACKED:
    case BINLOG_WRITE_ROWS_PACKED:
    case BINLOG_UPDATE_ROWS_PACKED:
    case BINLOG_DELETE_ROWS_PACKED: return false;
    }
    return (e->flags & BINLOG_FLAG_IGNORABLE) != 0;
}

int apply_event(struct apply *a, const void *data, size_t len, uint64_t now_us)
{
    struct binlog_event e;

    a->now_us = now_us;
    if (binlog_event_decode(&e, data, len, a->has_checksum) != 0) {
        return ERR_MALFORMED;
    }
    a->counts.events++;
    if (binlog_is_rows(e.type)) {
        return apply_rows(a, &e);
    }
    switch (e.type) {
    case BINLOG_FORMAT: return binlog_format_decode(&a->has_checksum, e.body);
    case BINLOG_GTID: return begin_group(a, &e);
    case BINLOG_TABLE_MAP: return map_table(a, e.body);
    case BINLOG_XID: return apply_xid(a, &e);
    case BINLOG_QUERY:
    case BINLOG_QUERY_PACKED: return apply_query(a, &e);
    default: break;
    }
    if (!is_quiet(&e)) {
        apply_gap(a, now_us); /* INCIDENT, a file that was loaded, what is not known */
    }
    return 0;
}

bool apply_is_heartbeat(struct slice event)
{
    return event.len >= BINLOG_HEADER_LEN && (uint8_t)event.data[4] == BINLOG_HEARTBEAT;
}

/* --- life ------------------------------------------------------------------------------------- */

void apply_init(struct apply *a, const struct follower_events *events)
{
    *a = (struct apply){.events = *events};
}

void apply_fini(struct apply *a)
{
    forget_tables(a);
    mem_free(MEM_POOL, a->open.bytes);
    mem_free(MEM_POOL, a->closed.bytes);
    a->open.bytes = a->closed.bytes = NULL;
}

void apply_begin(struct apply *a, const struct binlog_gtids *position, bool has_gap,
                 uint64_t now_us)
{
    forget_tables(a);
    a->has_checksum = false; /* until the first FORMAT event */
    a->is_in_group = false;
    a->position = *position;
    a->is_position_lost = false;
    if (has_gap) {
        told_clear(&a->open);
        told_clear(&a->closed);
        a->seqno = 0;
        a->n_elsewhere = 0;
        apply_gap(a, now_us);
    }
}
