/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_binlog.c - events of a replication stream. The bytes are those that MariaDB 10.11 sent.
 */
#include <stdio.h>
#include <zlib.h>

#include "base/err.h"
#include "protocol/binlog.h"
#include "tests/unit/cuts.h"

/* CREATE TABLE wp_options(option_id int, option_name varchar(191), option_value longtext,
 * autoload varchar(20)) in schema x, utf8mb4; without header and checksum. */
static const uint8_t options_map[] =
    "\x22\x00\x00\x00\x00\x00\x01\x00\x01x\x00\x0awp_options\x00\x04\x03\x0f\xfc\x0f\x05\xfc\x02"
    "\x04\x50\x00\x0e";
/* INSERT: 1, 'Home', 'http://x', 'yes' */
static const uint8_t options_insert[] =
    "\x22\x00\x00\x00\x00\x00\x05\x00\x04\x0f\xf0\x01\x00\x00\x00\x04\x00Home\x08\x00\x00\x00"
    "http://x\x03yes";
/* UPDATE with binlog_row_image=MINIMAL: where 3; option_name = 'away' */
static const uint8_t options_minimal[] =
    "\x22\x00\x00\x00\x00\x00\x01\x00\x04\x01\x02\xfe\x03\x00\x00\x00\xfe\x04\x00"
    "away";

/* A zero of C ends them, that is not of the event. */
#define BODY(bytes) ((struct slice){(const char *)(bytes), sizeof(bytes) - 1})

/* All types that a column may have: 41 columns, and a row of each with all and with no values. */
static const char all_map_hex[] =
    "1a0000000000010001780004616c6c5f002901020903080405f6f610100a1313121211110dfefefe0f0f0ffcfcfcfc"
    "fcfefefcfffffefefe8d8c0f3304081e0a050005010002000600030006fe28cefcfe055000b004090001020304"
    "02f701f801040404fe10fe10fe04910102fc02ffffffffff01";
static const char all_insert_hex[] =
    "1a0000000000050029ffffffffff010000000000fe0102000300000400000005000000000000000000d04000000000"
    "00001e4080000004d221d950cb0ee6b280008000630005012c22d40f80a2cc80a2cc01e24099b8c4310599b8c4"
    "31051a7c6b02720b6b02720b0a20667e036368720200636202626e0276630200766c0276620274740200747802"
    "00006d74020000006c740200626c0205020000007b7d19000000000000000101000000000000000000f03f0000"
    "00000000004019000000000000000101000000000000000000084000000000000010400e123e4567e89b12d3a4"
    "5642665544100000000000000000000000000000000104010203040f00007061636b656420766172636861720c"
    "00007061636b656420746578740400686f6d65fffffffffffe06007365636f6e64";

static size_t unhex(const char *hex, uint8_t *out, size_t cap)
{
    size_t n = strlen(hex) / 2;

    assert_true(n <= cap);
    for (size_t i = 0; i < n; i++) {
        const char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'};

        out[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return n;
}

/* --- events ----------------------------------------------------------------------------------- */

static const uint8_t xid_event[] =
    "\xff\x6e\x02\x6b\x10\x01\x00\x00\x00\x1f\x00\x00\x00\x0d\x07\x00\x00\x00\x00"
    "\x1e\x00\x00\x00\x00\x00\x00\x00\x43\x1b\x9c\x5a";

static int decode_event(const uint8_t *data, size_t len)
{
    struct binlog_event e;
    int rc = binlog_event_decode(&e, data, len, true);

    if (rc == 0) {
        cuts_assert_inside(e.body, data, len);
    }
    return rc;
}

TEST(binlog_event_has_a_header_a_body_and_a_checksum)
{
    struct binlog_event e;

    assert_int_equal(binlog_event_decode(&e, xid_event, sizeof(xid_event) - 1, true), 0);
    assert_int_equal(e.type, BINLOG_XID);
    assert_int_equal(e.server_id, 1);
    assert_int_equal(e.body.len, 8);
    assert_int_equal(binlog_event_decode(&e, xid_event, sizeof(xid_event) - 1, false), 0);
    assert_int_equal(e.body.len, 12);
    cuts_check(decode_event, xid_event, sizeof(xid_event) - 1, sizeof(xid_event) - 1);
}

TEST(binlog_format_says_whether_events_have_checksums)
{
    uint8_t body[98] = {4, 0};
    struct slice s = {(const char *)body, sizeof(body)};
    bool has_checksum = false;

    body[93] = 1;
    assert_int_equal(binlog_format_decode(&has_checksum, s), 0);
    assert_true(has_checksum);
    body[93] = 0;
    assert_int_equal(binlog_format_decode(&has_checksum, s), 0);
    assert_false(has_checksum);
    body[93] = 2;
    assert_int_equal(binlog_format_decode(&has_checksum, s), ERR_MALFORMED);
    s.len = 60;
    assert_int_equal(binlog_format_decode(&has_checksum, s), ERR_MALFORMED);
    body[0] = 3;
    s.len = sizeof(body);
    assert_int_equal(binlog_format_decode(&has_checksum, s), ERR_MALFORMED);
}

/* --- positions -------------------------------------------------------------------------------- */

TEST(binlog_gtids_are_read_as_they_are_written)
{
    static const char *const good[] = {"", "0-1-5", "0-1-16,7-1-28",
                                       "4294967295-4294967295-18446744073709551615"};
    static const char *const bad[] = {"0-1",
                                      "0-1-",
                                      "x",
                                      "0-1-5,",
                                      ",0-1-5",
                                      "0-1-5 ",
                                      "4294967296-1-1",
                                      "0-1-18446744073709551616",
                                      "0-1-5-6"};
    struct binlog_gtids gtids;
    char text[BINLOG_GTIDS_TEXT];

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(binlog_gtids_parse(&gtids, slice_of(good[i])), 0);
        binlog_gtids_format(&gtids, text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (binlog_gtids_parse(&gtids, slice_of(bad[i])) != ERR_MALFORMED) {
            fail_msg("\"%s\" is taken", bad[i]);
        }
    }
}

TEST(binlog_gtids_keep_the_last_of_each_domain_up_to_a_cap)
{
    struct binlog_gtids gtids = {0};
    struct binlog_gtid g = {UINT32_MAX, UINT32_MAX, UINT64_MAX};
    char text[BINLOG_GTIDS_TEXT];

    for (unsigned i = 0; i < BINLOG_DOMAINS_MAX; i++, g.domain--) {
        assert_true(binlog_gtids_put(&gtids, &g));
    }
    assert_false(binlog_gtids_put(&gtids, &g));
    binlog_gtids_format(&gtids, text); /* the longest there are */
    assert_int_equal(gtids.n, BINLOG_DOMAINS_MAX);
    g = (struct binlog_gtid){UINT32_MAX, 1, 2};
    assert_true(binlog_gtids_put(&gtids, &g));
    assert_int_equal(binlog_gtids_get(&gtids, UINT32_MAX)->sequence, 2);
    assert_null(binlog_gtids_get(&gtids, 1));
}

/* --- statements ------------------------------------------------------------------------------- */

static const char *const does_words[] = {"nothing", "commit", "write", "anything"};

/* "write a,b" */
static const char *does(const char *schema, const char *text)
{
    static char out[512];
    struct binlog_query query = {slice_of(schema), slice_of(text)};
    struct binlog_schemas schemas;
    enum binlog_does what = binlog_query_does(&query, &schemas);
    int len = snprintf(out, sizeof(out), "%s", does_words[what]);

    for (unsigned i = 0; i < schemas.n && what == BINLOG_DOES_WRITE; i++) {
        len += snprintf(out + len, sizeof(out) - (size_t)len, "%s%.*s", i == 0 ? " " : ",",
                        SLICE_ARGS(schemas.items[i]));
    }
    return out;
}

TEST(binlog_query_names_the_schemas_it_may_have_changed)
{
    assert_string_equal(does("a", "TRUNCATE t"), "write a");
    assert_string_equal(does("mysql", "truncate x.t"), "write mysql,x");
    assert_string_equal(does("", "create table `my db` . `t`(a int)"), "write my db");
    assert_string_equal(does("a", "DROP TABLE `x`.`t`,b.c /* generated by server */"),
                        "write a,x,b");
    assert_string_equal(does("", "create database y"), "write y");
    assert_string_equal(does("y", "drop database y"), "write y");
    assert_string_equal(does("", "CREATE OR REPLACE SCHEMA IF NOT EXISTS `q` CHARSET utf8"),
                        "write q");
    assert_string_equal(does("a", "rename table t to b.t"), "write a,b");
    assert_string_equal(does("a", "ALTER TABLE t COMMENT 'x.y', ADD c INT"), "write a");
    assert_string_equal(does("a", "ALTER TABLE t COMMENT 'it''s x.y'"), "write a");
    assert_string_equal(does("a", "CREATE /*!50000 TABLE b.t */ (a int)"), "write a,b");
    assert_string_equal(does("a", "CREATE /*M! TABLE b.t */ (a int)"), "write a,b");
    assert_string_equal(does("a", "CREATE TABLE t(a int) -- b.c\n"), "write a");
    assert_string_equal(does("a", "CREATE TABLE t(a int) /* b.c */ # d.e"), "write a");
    assert_string_equal(does("a", "INSERT INTO \"b\".t VALUES('\\\\')"), "write a,b");
}

TEST(binlog_query_that_is_not_sure_may_have_done_anything)
{
    assert_string_equal(does("a", "XA COMMIT 'x'"), "anything");
    assert_string_equal(does("a", "ALTER TABLE t COMMENT 'it\\'s b.c'"), "anything");
    assert_string_equal(does("a", "CREATE TABLE `a``b`.t(a int)"), "anything");
    assert_string_equal(does("", "DROP TABLE a.t,b.t,c.t,d.t,e.t,f.t,g.t,h.t,i.t,j.t,k.t,l.t,m.t,"
                                 "n.t,o.t,p.t,q.t"),
                        "anything");
}

TEST(binlog_query_without_a_write)
{
    assert_string_equal(does("a", "BEGIN"), "nothing");
    assert_string_equal(does("a", "# Dummy event replacing event type 160"), "nothing");
    assert_string_equal(does("a", "SAVEPOINT `x`"), "nothing");
    assert_string_equal(does("a", ""), "nothing");
    assert_string_equal(does("", "GRANT ALL ON *.* TO x"), "nothing");
    assert_string_equal(does("", "create user x@'%' identified by 'y.z'"), "nothing");
    assert_string_equal(does("a", "CREATE ROLE r"), "nothing");
    assert_string_equal(does("a", "OPTIMIZE TABLE t"), "nothing");
    assert_string_equal(does("a", "ANALYZE TABLE b.t"), "nothing");
    assert_string_equal(does("a", "ANALYZE UPDATE b.t SET c = 1"), "write a,b");
    assert_string_equal(does("a", "FLUSH TABLES"), "nothing");
    assert_string_equal(does("a", "COMMIT"), "commit");
    assert_string_equal(does("a", "ROLLBACK"), "commit");
}

TEST(binlog_query_that_changes_rights)
{
    static const char *const rows[] = {
        "GRANT ALL ON *.* TO x",
        "/* x */ revoke r from x",
        "create user x@'%' identified by 'y.z'",
        "CREATE OR REPLACE ROLE r",
        "ALTER USER x ACCOUNT LOCK",
        "DROP USER IF EXISTS x",
        "RENAME USER x TO y",
        "SET PASSWORD FOR 'x'@'%'='*00'",
        "SET DEFAULT ROLE r FOR x",
        "FLUSH PRIVILEGES",
    };
    static const char *const others[] = {
        "",
        "BEGIN",
        "CREATE TABLE user(a INT)",
        "CREATE OR REPLACE VIEW role AS SELECT 1",
        "FLUSH",
        "FLUSH TABLES",
        "SET",
        "DROP TABLE `user`",
        "or",
        "CREATE OR",
        "CREATE OR REPLACE",
        "TRUNCATE user",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows) + ARRAY_SIZE(others); i++) {
        bool is_one = i < ARRAY_SIZE(rows);
        const char *text = is_one ? rows[i] : others[i - ARRAY_SIZE(rows)];
        struct binlog_query query = {slice_of("a"), slice_of(text)};

        if (binlog_query_changes_rights(&query) != is_one) {
            fail_msg("%s", text);
        }
    }
}

static int decode_does(const uint8_t *data, size_t len)
{
    struct binlog_query query;
    struct binlog_schemas schemas;
    int rc = binlog_query_decode(&query, (struct slice){(const char *)data, len});

    (void)!(rc == 0 && binlog_query_changes_rights(&query));
    if (rc == 0 && binlog_query_does(&query, &schemas) == BINLOG_DOES_WRITE) {
        for (unsigned i = 0; i < schemas.n; i++) {
            cuts_assert_inside(schemas.items[i], data, len);
        }
    }
    return rc;
}

TEST(binlog_query_decode_every_cut)
{
    static const uint8_t body[] = "\x01\x00\x00\x00\x02\x00\x00\x00\x05\x00\x00\x03\x00vvvmysql\x00"
                                  "CREATE TABLE `x`.\"t\" /*! 'q\\' */ (a int) -- c";
    struct binlog_query query;

    assert_int_equal(binlog_query_decode(&query, BODY(body)), 0);
    assert_slice_equal(query.schema, "mysql");
    cuts_check(decode_does, body, sizeof(body) - 1, 22);
}

/* --- rows ------------------------------------------------------------------------------------- */

static int decode_table(const uint8_t *data, size_t len)
{
    struct binlog_table table;
    int rc = binlog_table_decode(&table, (struct slice){(const char *)data, len});

    if (rc == 0) {
        cuts_assert_inside(table.schema, data, len);
        cuts_assert_inside(table.name, data, len);
        cuts_assert_inside(table.types, data, len);
        cuts_assert_inside(table.meta, data, len);
        assert_int_equal(table.types.len, table.n_columns);
    }
    return rc;
}

TEST(binlog_table_decode_every_cut)
{
    struct binlog_table table;

    assert_int_equal(binlog_table_decode(&table, BODY(options_map)), 0);
    assert_int_equal(table.id, 0x22);
    assert_int_equal(table.n_columns, 4);
    assert_slice_equal(table.schema, "x");
    assert_slice_equal(table.name, "wp_options");
    cuts_check(decode_table, options_map, sizeof(options_map) - 1, sizeof(options_map) - 1);
}

static struct binlog_table table_of;
static uint8_t type_of;

/* All images of the rows, or why not. */
static int decode_images(const uint8_t *data, size_t len)
{
    struct binlog_rows rows;
    struct binlog_image image;
    struct reader r;
    int rc = binlog_rows_decode(&rows, type_of, (struct slice){(const char *)data, len});

    if (rc != 0) {
        return rc;
    }
    cuts_assert_inside(rows.data, data, len);
    r = reader_of(rows.data.data, rows.data.len);
    for (unsigned nth = 0; rc == 0 && reader_left(&r) > 0; nth++) {
        rc = binlog_image_decode(&image, &r, &rows, &table_of, nth);
        for (unsigned i = 0; rc == 0 && i < image.n; i++) {
            cuts_assert_inside(image.strings[i], data, len);
        }
    }
    return rc;
}

TEST(binlog_rows_every_cut_and_every_change)
{
    static uint8_t map[512], rows[1024];
    size_t map_len = unhex(all_map_hex, map, sizeof(map));
    size_t rows_len = unhex(all_insert_hex, rows, sizeof(rows));

    type_of = BINLOG_WRITE_ROWS_V1;
    assert_int_equal(binlog_table_decode(&table_of, BODY(options_map)), 0);
    cuts_check(decode_images, options_insert, sizeof(options_insert) - 1, 10);
    assert_int_equal(binlog_table_decode(&table_of, (struct slice){(const char *)map, map_len}), 0);
    cuts_check(decode_images, rows, rows_len, 15);
}

TEST(binlog_rows_of_all_types_have_the_length_they_have)
{
    static uint8_t map[512], bytes[1024];
    struct slice body = {(const char *)bytes, unhex(all_insert_hex, bytes, sizeof(bytes))};
    struct binlog_table table;
    struct binlog_rows rows;
    struct binlog_image image;
    struct reader r;

    body.len = unhex(all_insert_hex, bytes, sizeof(bytes));
    assert_int_equal(
        binlog_table_decode(
            &table, (struct slice){(const char *)map, unhex(all_map_hex, map, sizeof(map))}),
        0);
    assert_int_equal(binlog_rows_decode(&rows, BINLOG_WRITE_ROWS_V1, body), 0);
    r = reader_of(rows.data.data, rows.data.len);
    assert_int_equal(binlog_image_decode(&image, &r, &rows, &table, 0), 0);
    assert_true(image.is_cut); /* one is packed, and there are more than are given */
    assert_false(image.is_whole);
    assert_slice_equal(image.strings[0], "chr");
    assert_slice_equal(image.strings[1], "cb");
    assert_slice_equal(image.strings[3], "vc");
    assert_int_equal(binlog_image_decode(&image, &r, &rows, &table, 1), 0);
    assert_int_equal(reader_left(&r), 0);
    assert_true(image.is_whole); /* of what is NULL nothing is missing */
    assert_int_equal(image.n, 1);
    assert_slice_equal(image.strings[0], "second");
}

TEST(binlog_image_gives_character_columns_and_says_when_one_is_missing)
{
    struct binlog_table table;
    struct binlog_rows rows;
    struct binlog_image image;
    struct reader r;

    assert_int_equal(binlog_table_decode(&table, BODY(options_map)), 0);
    assert_int_equal(binlog_rows_decode(&rows, BINLOG_WRITE_ROWS_V1, BODY(options_insert)), 0);
    assert_true(rows.ends_statement);
    r = reader_of(rows.data.data, rows.data.len);
    assert_int_equal(binlog_image_decode(&image, &r, &rows, &table, 0), 0);
    assert_int_equal(reader_left(&r), 0);
    assert_true(image.is_whole);
    assert_int_equal(image.n, 2);
    assert_slice_equal(image.strings[0], "Home");
    assert_slice_equal(image.strings[1], "yes");
    assert_int_equal(binlog_rows_decode(&rows, BINLOG_UPDATE_ROWS_V1, BODY(options_minimal)), 0);
    r = reader_of(rows.data.data, rows.data.len);
    assert_int_equal(binlog_image_decode(&image, &r, &rows, &table, 0), 0);
    assert_false(image.is_whole);
    assert_false(image.is_cut);
    assert_int_equal(image.n, 0);
    assert_int_equal(binlog_image_decode(&image, &r, &rows, &table, 1), 0);
    assert_slice_equal(image.strings[0], "away");
    assert_int_equal(reader_left(&r), 0);
}

TEST(binlog_rows_of_version_two_have_more_before_them)
{
    static const uint8_t body[] = "\x22\x00\x00\x00\x00\x00\x01\x00\x05\x00"
                                  "abc\x04\x0f\xf0\x01\x00\x00\x00\x04\x00Home\x00\x00\x00\x00\x00";
    struct binlog_rows rows;

    assert_int_equal(binlog_rows_decode(&rows, BINLOG_WRITE_ROWS, BODY(body)), 0);
    assert_int_equal(rows.n_columns, 4);
    assert_int_equal(rows.data.data[0], (char)0xf0);
    assert_false(rows.is_update);
}

/* --- packed parts ----------------------------------------------------------------------------- */

TEST(binlog_unpack_gives_what_was_packed)
{
    static const char text[] = "create table t(a int, b int, c int, d int, e int, f int, g int)";
    uint8_t packed[256] = {0x81, sizeof(text)};
    uLongf len = sizeof(packed) - 2;
    char out[sizeof(text)];
    struct slice s = {(const char *)packed, 0};

    assert_int_equal(compress(packed + 2, &len, (const Bytef *)text, sizeof(text)), Z_OK);
    s.len = len + 2;
    assert_int_equal(binlog_unpacked_len(s), sizeof(text));
    assert_int_equal(binlog_unpack(out, sizeof(out), s), 0);
    assert_string_equal(out, text);
    s.len--;
    assert_int_equal(binlog_unpack(out, sizeof(out), s), ERR_MALFORMED);
    packed[1]--;
    s.len++;
    assert_int_equal(binlog_unpack(out, sizeof(text) - 1, s), ERR_MALFORMED);
    packed[0] = 0x91; /* not by zlib */
    assert_int_equal(binlog_unpacked_len(s), 0);
}

TEST(binlog_unpacked_len_is_not_believed_beyond_what_zlib_can)
{
    struct slice bomb = {"\x84\xff\xff\xff\xff"
                         "x",
                         6};

    assert_int_equal(binlog_unpacked_len(bomb), 0);
}
