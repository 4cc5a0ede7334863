/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_follower_apply.c - from the events of a stream to what is told. The streams are those that
 * MariaDB 10.11 sent (tests/fuzz/corpus/binlog).
 */
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "pool/follower_apply.h"
#include "tests/unit/test.h"

static char told[1 << 14]; /* a line each */

static void add_part(struct slice s, char before)
{
    size_t len = strlen(told);

    if (s.data != NULL) {
        (void)snprintf(told + len, sizeof(told) - len, "%c%.*s", before, SLICE_ARGS(s));
    }
}

static void on_write(void *arg, struct slice schema, struct slice table, struct slice column,
                     struct slice key)
{
    (void)arg;
    add_part(schema, '\n');
    add_part(table, '.');
    add_part(column, ' ');
    add_part(key, '=');
}

static void on_gap(void *arg)
{
    (void)arg;
    add_part(SLICE("gap"), '\n');
}

static void on_rights(void *arg)
{
    (void)arg;
    add_part(SLICE("rights"), '\n');
}

static struct apply *new_apply(void)
{
    static const struct follower_events events = {NULL, on_write, on_gap, on_rights};
    static const struct binlog_gtids nowhere;
    struct apply *a = mem_new(MEM_POOL, sizeof(*a));
    const char *why;

    apply_init(a, &events);
    CHECK(row_key_patterns_read(&a->patterns, SLICE("%options.option_name"), &why) == 0);
    apply_begin(a, &nowhere, false, 1);
    told[0] = '\0';
    return a;
}

static void free_apply(struct apply *a)
{
    apply_fini(a);
    mem_free(MEM_POOL, a);
    assert_int_equal(mem_blocks(MEM_POOL), 0);
}

/* An event as a node without checksums sends it. */
static int send(struct apply *a, uint8_t type, const void *body, size_t len)
{
    static uint8_t room[1 << 16];
    struct writer w = writer_of(room, sizeof(room));

    put_u32(&w, 1700000000);
    put_u8(&w, type);
    put_u32(&w, 1);
    put_u32(&w, (uint32_t)(BINLOG_HEADER_LEN + len));
    put_u32(&w, 0);
    put_u16(&w, 0);
    put_bytes(&w, body, len);
    assert_false(w.failed);
    return apply_event(a, room, w.len, 5);
}

static void send_gtid(struct apply *a, uint64_t sequence, uint8_t flags)
{
    uint8_t body[19] = {0};
    struct writer w = writer_of(body, sizeof(body));

    put_u64(&w, sequence);
    put_u32(&w, 7);
    put_u8(&w, flags);
    assert_int_equal(send(a, BINLOG_GTID, body, sizeof(body)), 0);
}

static void send_query(struct apply *a, const char *schema, const char *text)
{
    uint8_t body[1024] = {0};
    struct writer w = writer_of(body, sizeof(body));

    put_u64(&w, 0);
    put_u8(&w, (uint8_t)strlen(schema));
    put_u32(&w, 0);
    put_zero(&w, slice_of(schema));
    put_slice(&w, slice_of(text));
    assert_int_equal(send(a, BINLOG_QUERY, body, w.len), 0);
}

static void send_xid(struct apply *a, uint64_t xid)
{
    uint8_t body[8];
    struct writer w = writer_of(body, sizeof(body));

    put_u64(&w, xid);
    assert_int_equal(send(a, BINLOG_XID, body, sizeof(body)), 0);
}

/* (int, varchar(20)) */
static void send_table(struct apply *a, uint8_t id, const char *name)
{
    uint8_t body[256];
    struct writer w = writer_of(body, sizeof(body));

    put_u32(&w, id);
    put_u32(&w, 0);
    put_u8(&w, 1);
    put_zero(&w, SLICE("s"));
    put_u8(&w, (uint8_t)strlen(name));
    put_zero(&w, slice_of(name));
    put_bytes(&w, "\x02\x03\x0f\x02\x50\x00\x02", 7);
    assert_int_equal(send(a, BINLOG_TABLE_MAP, body, w.len), 0);
}

static void put_row(struct writer *w, const char *name)
{
    put_u8(w, name == NULL ? 0xfe : 0xfc);
    put_u32(w, 1);
    if (name != NULL) {
        put_u8(w, (uint8_t)strlen(name));
        put_slice(w, slice_of(name));
    }
}

static void send_rows(struct apply *a, uint8_t type, uint8_t id, const char *const *names, size_t n)
{
    static uint8_t body[1 << 15];
    struct writer w = writer_of(body, sizeof(body));

    put_u32(&w, id);
    put_u32(&w, 0x00010000);
    put_u8(&w, 2);
    put_u8(&w, 0xff);
    if (type == BINLOG_UPDATE_ROWS_V1) {
        put_u8(&w, 0xff);
    }
    for (size_t i = 0; i < n; i++) {
        put_row(&w, names[i]);
    }
    assert_false(w.failed);
    assert_int_equal(send(a, type, body, w.len), 0);
}

static void send_insert(struct apply *a, const char *table, const char *name, uint64_t seqno)
{
    send_gtid(a, seqno, 0);
    send_table(a, 1, table);
    send_rows(a, BINLOG_WRITE_ROWS_V1, 1, &name, 1);
    send_xid(a, seqno);
}

#define ASSERT_TOLD(text)                \
    do {                                 \
        assert_string_equal(told, text); \
        told[0] = '\0';                  \
    } while (0)

/* --- streams of a node ------------------------------------------------------------------------ */

static void play(struct apply *a, const char *path)
{
    static uint8_t bytes[1 << 16];
    FILE *file = fopen(path, "rb");
    struct reader r;

    assert_non_null(file);
    r = reader_of(bytes, fread(bytes, 1, sizeof(bytes), file));
    (void)fclose(file);
    while (reader_left(&r) > 0) {
        size_t len = get_u16(&r);
        struct slice event = get_bytes(&r, len);

        assert_false(r.failed);
        assert_int_equal(apply_event(a, event.data, event.len, 5), 0);
    }
}

static const char played[] = "\nshop" /* DROP, CREATE DATABASE, CREATE TABLE */
                             "\nshop"
                             "\nshop"
                             "\nshop.all_" /* INSERT, UPDATE, DELETE */
                             "\nshop.all_"
                             "\nshop.all_"
                             "\nshop" /* CREATE TABLE */
                             "\nshop.wp_options option_name=home"
                             "\nshop.wp_options option_name=yes"
                             "\nshop.wp_options option_name=home"
                             "\nshop.wp_options option_name=yes"
                             "\nshop.wp_options option_name=home"
                             "\nshop.wp_options option_name=yes";

TEST(apply_of_a_node_tells_its_writes)
{
    static const char *const files[] = {"tests/fuzz/corpus/binlog/rows",
                                        "tests/fuzz/corpus/binlog/packed"};

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct apply *a = new_apply();
        char text[BINLOG_GTIDS_TEXT];

        play(a, files[i]);
        assert_memory_equal(told, played, sizeof(played) - 1);
        assert_null(strstr(told, "gap"));
        assert_non_null(strstr(told, "\nmysql\nshop"));       /* use mysql; TRUNCATE shop.all_ */
        assert_non_null(strstr(told, "\nshop.wp_options\n")); /* binlog_row_image=MINIMAL */
        assert_null(strstr(told, "away"));                    /* the old name is not known */
        assert_false(a->is_in_group);
        assert_true(a->seqno > 0);
        binlog_gtids_format(&a->position, text);
        assert_memory_equal(text, "7-1-", 4);
        free_apply(a);
    }
}

/* --- what is told ----------------------------------------------------------------------------- */

TEST(apply_tells_a_row_by_its_key_where_a_pattern_says_so)
{
    static const char *const change[] = {"Site URL", "home  "};
    struct apply *a = new_apply();

    send_insert(a, "wp_options", "_transient_x", 10);
    ASSERT_TOLD("\ns.wp_options option_name=_transient_x");
    send_insert(a, "wp_posts", "home", 11);
    ASSERT_TOLD("\ns.wp_posts");
    send_gtid(a, 12, 0);
    send_table(a, 1, "wp_options");
    send_rows(a, BINLOG_UPDATE_ROWS_V1, 1, change, 2);
    ASSERT_TOLD("\ns.wp_options option_name=site url\ns.wp_options option_name=home");
    free_apply(a);
}

TEST(apply_tells_the_table_when_a_key_is_not_plain)
{
    static const char *const names[] = {"h\xc3\xa4me", "1st", "", "a'b", "a\\b", "(x)", NULL};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct apply *a = new_apply();

        send_insert(a, "wp_options", names[i], 10);
        ASSERT_TOLD("\ns.wp_options");
        free_apply(a);
    }
}

TEST(apply_tells_the_table_when_one_event_has_too_many_keys)
{
    static char names[300][8];
    const char *rows[300];
    struct apply *a = new_apply();

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        (void)snprintf(names[i], sizeof(names[i]), "k%zu", i);
        rows[i] = names[i];
    }
    send_gtid(a, 1, 0);
    send_table(a, 1, "wp_options");
    send_rows(a, BINLOG_WRITE_ROWS_V1, 1, rows, ARRAY_SIZE(rows));
    ASSERT_TOLD("\ns.wp_options");
    send_table(a, 1, "wp_options");
    send_rows(a, BINLOG_WRITE_ROWS_V1, 1, rows, 200);
    assert_int_equal(a->counts.row_keys, 200);
    free_apply(a);
}

TEST(apply_tells_a_gap_for_what_it_does_not_know)
{
    static const char *const one[] = {"x"};
    static const uint8_t strange[] = {BINLOG_INCIDENT, BINLOG_EXECUTE_LOAD, 40, 250};
    static const uint8_t quiet[] = {BINLOG_ROTATE, BINLOG_HEARTBEAT, BINLOG_ANNOTATE, BINLOG_STOP};
    struct apply *a = new_apply();

    for (size_t i = 0; i < ARRAY_SIZE(strange); i++) {
        assert_int_equal(send(a, strange[i], "\0\0\0\0", 4), 0);
        ASSERT_TOLD("\ngap");
    }
    for (size_t i = 0; i < ARRAY_SIZE(quiet); i++) {
        assert_int_equal(send(a, quiet[i], "\0\0\0\0", 4), 0);
        ASSERT_TOLD("");
    }
    send_rows(a, BINLOG_WRITE_ROWS_V1, 9, one, 1); /* a table that was not mapped */
    ASSERT_TOLD("\ngap");
    send_query(a, "s", "XA COMMIT 'x'");
    ASSERT_TOLD("\ngap");
    send_query(a, "", "DROP USER x");
    ASSERT_TOLD("\ngap\nrights");
    free_apply(a);
}

TEST(apply_tells_of_rights_once)
{
    struct apply *a = new_apply();

    send_query(a, "s", "GRANT SELECT ON s.* TO x");
    ASSERT_TOLD("\nrights");
    apply_settle_all(a);
    ASSERT_TOLD("");
    free_apply(a);
}

TEST(apply_forgets_tables_at_the_end_of_a_statement)
{
    static const char *const one[] = {"x"};
    struct apply *a = new_apply();

    send_gtid(a, 1, 0);
    send_table(a, 1, "a");
    send_table(a, 2, "b");
    send_rows(a, BINLOG_DELETE_ROWS_V1, 2, one, 1);
    send_rows(a, BINLOG_DELETE_ROWS_V1, 1, one, 1);
    ASSERT_TOLD("\ns.b\ngap"); /* the first one ended the statement */
    free_apply(a);
}

TEST(apply_of_too_many_tables_tells_a_gap)
{
    static const char *const one[] = {"x"};
    struct apply *a = new_apply();

    send_gtid(a, 1, 0);
    for (unsigned i = 0; i < APPLY_TABLES_MAX; i++) {
        send_table(a, (uint8_t)(i % 200), "t");
    }
    send_table(a, 250, "last");
    send_rows(a, BINLOG_DELETE_ROWS_V1, 250, one, 1);
    ASSERT_TOLD("\ngap");
    free_apply(a);
}

TEST(apply_of_malformed_events_fails)
{
    struct apply *a = new_apply();

    assert_int_equal(send(a, BINLOG_GTID, "x", 1), ERR_MALFORMED);
    assert_int_equal(send(a, BINLOG_QUERY, "x", 1), ERR_MALFORMED);
    assert_int_equal(send(a, BINLOG_XID, "x", 1), ERR_MALFORMED);
    assert_int_equal(send(a, BINLOG_TABLE_MAP, "x", 1), ERR_MALFORMED);
    assert_int_equal(send(a, BINLOG_WRITE_ROWS_V1, "x", 1), ERR_MALFORMED);
    assert_int_equal(send(a, BINLOG_FORMAT, "x", 1), ERR_MALFORMED);
    assert_int_equal(apply_event(a, "x", 1, 1), ERR_MALFORMED);
    free_apply(a);
}

/* --- told again ------------------------------------------------------------------------------- */

TEST(apply_tells_again_when_the_node_has_committed)
{
    struct apply *a = new_apply();

    send_insert(a, "t", "x", 10);
    send_insert(a, "u", "x", 11);
    send_insert(a, "t", "x", 12); /* told each time, but again only once */
    ASSERT_TOLD("\ns.t\ns.u\ns.t");
    assert_int_equal(apply_waits_us(a), 5);
    apply_settle(a, 11);
    ASSERT_TOLD("");
    send_insert(a, "v", "x", 13);
    ASSERT_TOLD("\ns.v");
    apply_settle(a, 12); /* those that waited first; the next waits for the next */
    ASSERT_TOLD("\ns.t\ns.u");
    apply_settle(a, 13);
    ASSERT_TOLD("\ns.v");
    assert_int_equal(apply_waits_us(a), 0);
    apply_settle(a, 14);
    ASSERT_TOLD("");
    free_apply(a);
}

TEST(apply_does_not_tell_again_within_a_group)
{
    struct apply *a = new_apply();
    static const char *const one[] = {"x"};

    send_insert(a, "t", "x", 10);
    send_gtid(a, 11, 0);
    send_table(a, 1, "u");
    send_rows(a, BINLOG_WRITE_ROWS_V1, 1, one, 1);
    ASSERT_TOLD("\ns.t\ns.u");
    apply_settle(a, 10); /* of the group the number is not known yet */
    ASSERT_TOLD("");
    send_xid(a, 11);
    apply_settle(a, 11);
    ASSERT_TOLD("\ns.t\ns.u");
    free_apply(a);
}

TEST(apply_tells_again_what_has_no_number_one_question_later)
{
    struct apply *a = new_apply();

    send_gtid(a, 10, BINLOG_GTID_STANDALONE | BINLOG_GTID_DDL);
    send_query(a, "s", "TRUNCATE t");
    assert_false(a->is_in_group);
    ASSERT_TOLD("\ns");
    apply_settle(a, 10);
    ASSERT_TOLD("");
    apply_settle(a, 10);
    ASSERT_TOLD("\ns");
    apply_gap(a, 7);
    ASSERT_TOLD("\ngap");
    assert_int_equal(apply_waits_us(a), 7);
    apply_settle(a, 10);
    ASSERT_TOLD("");
    apply_settle(a, 10);
    ASSERT_TOLD("\ngap");
    free_apply(a);
}

TEST(apply_settle_all_tells_everything_that_waits)
{
    struct apply *a = new_apply();

    send_insert(a, "t", "x", 1000000); /* not of wsrep: never committed as one of its numbers */
    apply_settle(a, 10);
    send_insert(a, "u", "x", 11);
    told[0] = '\0';
    apply_settle_all(a);
    ASSERT_TOLD("\ns.t\ns.u");
    assert_int_equal(apply_waits_us(a), 0);
    free_apply(a);
}

TEST(apply_with_no_room_for_names_tells_a_gap_again)
{
    struct apply *a = new_apply();
    char name[64];

    for (unsigned i = 0; i < 40000; i++) {
        (void)snprintf(name, sizeof(name), "t%u", i);
        send_insert(a, name, "x", i + 1);
        told[0] = '\0';
        assert_true(!apply_is_full(a) || i > 5000);
    }
    assert_true(apply_is_full(a));
    apply_settle(a, 40000);
    ASSERT_TOLD("\ngap");
    assert_false(apply_is_full(a));
    send_insert(a, "t1", "x", 40001);
    apply_settle(a, 40001);
    ASSERT_TOLD("\ns.t1\ns.t1");
    free_apply(a);
}

/* --- position --------------------------------------------------------------------------------- */

TEST(apply_position_moves_with_the_end_of_a_group)
{
    struct apply *a = new_apply();
    struct binlog_gtids from;

    assert_int_equal(binlog_gtids_parse(&from, SLICE("0-1-5,7-1-9")), 0);
    apply_begin(a, &from, true, 3);
    ASSERT_TOLD("\ngap");
    send_gtid(a, 10, 0);
    assert_int_equal(binlog_gtids_get(&a->position, 7)->sequence, 9);
    send_xid(a, 77);
    assert_int_equal(binlog_gtids_get(&a->position, 7)->sequence, 10);
    assert_int_equal(a->seqno, 77);
    send_gtid(a, 11, 0); /* ended by COMMIT, not by a number */
    send_query(a, "s", "COMMIT");
    assert_int_equal(binlog_gtids_get(&a->position, 7)->sequence, 11);
    assert_int_equal(a->n_elsewhere, 2);
    a->domain = 7;
    send_gtid(a, 12, 0); /* cut off: the stream goes on behind 11 */
    apply_begin(a, &a->position, false, 3);
    assert_int_equal(binlog_gtids_get(&a->position, 7)->sequence, 11);
    assert_int_equal(binlog_gtids_get(&a->position, 0)->sequence, 5);
    free_apply(a);
}
