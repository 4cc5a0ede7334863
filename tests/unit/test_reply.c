/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_reply.c - OK, ERR, EOF and result sets against bytes that MariaDB 10.11 sent.
 */
#include "base/err.h"
#include "protocol/caps.h"
#include "protocol/packet.h"
#include "protocol/reply.h"
#include "tests/unit/cuts.h"

#define MESSAGE "Records: 3  Duplicates: 0  Warnings: 0"

/* SET NAMES utf8mb4, one of its three variables, with session tracking. */
static const char ok_track[] = "\x00\x00\x00\x02\x40\x00\x00\x00\x22\x00\x1d\x14"
                               "character_set_client"
                               "\x07"
                               "utf8mb4"
                               "\x02\x01\x31";
static const char ok_message[] = "\x00\x03\x02\x02\x00\x00\x00\x26" MESSAGE;
static const char ok_both[] = "\x00\x03\x02\x02\x40\x00\x00\x02hi\x05\x01\x03\x02"
                              "db";
static const char column_one[] = "\x03"
                                 "def"
                                 "\x00\x00\x00\x01"
                                 "1"
                                 "\x00\x0c\x3f\x00\x01\x00\x00\x00\x03\x81\x00\x00\x00\x00";

static int decode_ok_tracked(const uint8_t *data, size_t len)
{
    struct ok ok;
    int rc = ok_decode(&ok, true, data, len);

    cuts_assert_inside(ok.message, data, len);
    cuts_assert_inside(ok.track, data, len);
    return rc;
}

static int decode_ok_plain(const uint8_t *data, size_t len)
{
    struct ok ok;
    int rc = ok_decode(&ok, false, data, len);

    cuts_assert_inside(ok.message, data, len);
    assert_int_equal(ok.track.len, 0);
    return rc;
}

TEST(ok_decode_every_cut)
{
    cuts_check(decode_ok_tracked, ok_track, sizeof(ok_track) - 1, sizeof(ok_track) - 1);
    cuts_check(decode_ok_tracked, ok_both, sizeof(ok_both) - 1, sizeof(ok_both) - 1);
    /* Without its message an OK is one, too. */
    cuts_check(decode_ok_tracked, ok_message, sizeof(ok_message) - 1, 7);
    cuts_check(decode_ok_plain, ok_message, sizeof(ok_message) - 1, 7);
    for (size_t i = 8; i < sizeof(ok_message) - 1; i++) {
        assert_int_equal(cuts_run(decode_ok_plain, ok_message, i), ERR_MALFORMED);
    }
}

TEST(ok_decode_gives_the_fields)
{
    struct ok ok;

    assert_int_equal(ok_decode(&ok, true, (const uint8_t *)ok_both, sizeof(ok_both) - 1), 0);
    assert_int_equal(ok.affected, 3);
    assert_int_equal(ok.last_insert_id, 2);
    assert_int_equal(ok.status, STATUS_AUTOCOMMIT | STATUS_SESSION_STATE_CHANGED);
    assert_slice_equal(ok.message, "hi");
    assert_slice_equal(ok.track, "\x01\x03\x02"
                                 "db");
    assert_int_equal(ok_decode(&ok, false, (const uint8_t *)ok_message, sizeof(ok_message) - 1), 0);
    assert_slice_equal(ok.message, MESSAGE);
    assert_false(ok.ends_rows);
    assert_int_equal(ok_decode(&ok, false, (const uint8_t *)"\xfe\x00\x00\x02\x00\x03\x00", 7), 0);
    assert_true(ok.ends_rows);
    assert_int_equal(ok.status, STATUS_AUTOCOMMIT);
    assert_int_equal(ok.warnings, 3);
    assert_int_equal(ok_decode(&ok, false, (const uint8_t *)"\xfd\x00\x00\x02\x00\x03\x00", 7),
                     ERR_MALFORMED);
}

TEST(ok_encode_as_the_server_does)
{
    uint8_t data[128];
    struct writer w = writer_of(data, sizeof(data));
    struct ok ok = {.status = STATUS_AUTOCOMMIT | STATUS_SESSION_STATE_CHANGED};

    assert_int_equal(ok_encode(&w, &ok, 1), 2);
    assert_int_equal(w.len, 11);
    assert_memory_equal(data, "\x07\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00", 11);
    w = writer_of(data, sizeof(data));
    ok = (struct ok){
        .affected = 3, .last_insert_id = 2, .status = STATUS_AUTOCOMMIT, .message = SLICE(MESSAGE)};
    assert_int_equal(ok_encode(&w, &ok, 255), 0);
    assert_int_equal(w.len, PACKET_HEADER + sizeof(ok_message) - 1);
    assert_memory_equal(data + PACKET_HEADER, ok_message, sizeof(ok_message) - 1);
    w = writer_of(data, sizeof(data));
    ok = (struct ok){.status = STATUS_AUTOCOMMIT, .track = SLICE("\x02\x01\x31")};
    assert_int_equal(ok_encode(&w, &ok, 1), 2);
    assert_int_equal(w.len, 16);
    assert_memory_equal(data, "\x0c\0\0\x01\0\0\0\x02\x40\0\0\0\x03\x02\x01\x31", 16);
    w = writer_of(data, 10);
    (void)ok_encode(&w, &ok, 1);
    assert_true(w.failed);
}

static int decode_err(const uint8_t *data, size_t len)
{
    struct err err;
    int rc = err_decode(&err, data, len);

    cuts_assert_inside(err.message, data, len);
    assert_int_equal(strlen(err.sqlstate) <= 5, 1);
    return rc;
}

/* It is put into packets and into SQL: only what is one is taken for one. */
TEST(err_sqlstate_that_is_none_is_the_general_one)
{
    static const uint8_t bad[][13] = {"\xff\x69\x04#\0\0\0\0\0no", "\xff\x69\x04#42\0S2no",
                                      "\xff\x69\x04#42'S2no", "\xff\x69\x04#42s02no"};
    struct err err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(err_decode(&err, bad[i], 11), 0);
        assert_string_equal(err.sqlstate, "HY000");
        assert_true(slice_eq(err.message, SLICE("no")));
    }
    assert_int_equal(err_decode(&err, (const uint8_t *)"\xff\x69\x04#42S02no", 11), 0);
    assert_string_equal(err.sqlstate, "42S02");
}

TEST(err_there_and_back)
{
    uint8_t data[64];
    struct writer w = writer_of(data, sizeof(data));
    struct err err;

    assert_int_equal(err_encode(&w, 1045, "28000", SLICE("no"), 2), 3);
    assert_memory_equal(data, "\x0b\x00\x00\x02\xff\x15\x04#28000no", 15);
    assert_int_equal(err_decode(&err, data + 4, w.len - 4), 0);
    assert_int_equal(err.number, 1045);
    assert_string_equal(err.sqlstate, "28000");
    assert_slice_equal(err.message, "no");
    cuts_check(decode_err, data + 4, w.len - 4, 3);
    w = writer_of(data, sizeof(data));
    assert_int_equal(err_encode_early(&w, 1040, SLICE("Too many connections"), 0), 1);
    assert_int_equal(err_decode(&err, data + 4, w.len - 4), 0);
    assert_int_equal(err.number, 1040);
    assert_string_equal(err.sqlstate, "HY000");
    assert_slice_equal(err.message, "Too many connections");
    cuts_check(decode_err, data + 4, w.len - 4, 3);
}

TEST(ends_of_columns_and_rows_as_the_server_does)
{
    const uint16_t status = STATUS_SESSION_STATE_CHANGED | STATUS_AUTOCOMMIT;
    uint8_t data[16];
    struct writer w = writer_of(data, sizeof(data));

    assert_int_equal(rows_end_encode(&w, CAP_EXTENDED_METADATA, 1, status, 5), 6);
    assert_int_equal(w.len, 9);
    assert_memory_equal(data, "\x05\x00\x00\x05\xfe\x01\x00\x02\x00", 9);
    w = writer_of(data, sizeof(data));
    assert_int_equal(columns_end_encode(&w, 0, status, 5), 6);
    assert_memory_equal(data, "\x05\x00\x00\x05\xfe\x00\x00\x02\x00", 9);
    w = writer_of(data, sizeof(data));
    assert_int_equal(columns_end_encode(&w, CAP_DEPRECATE_EOF, status, 5), 5);
    assert_int_equal(w.len, 0);
    assert_int_equal(rows_end_encode(&w, CAP_DEPRECATE_EOF, 1, status, 5), 6);
    assert_int_equal(w.len, 11);
    assert_memory_equal(data, "\x07\x00\x00\x05\xfe\x00\x00\x02\x00\x01\x00", 11);
}

static uint64_t column_caps; /* what decode_column takes for the connection's */

static int decode_column(const uint8_t *data, size_t len)
{
    struct column c;
    int rc = column_decode(&c, column_caps, data, len);

    cuts_assert_inside(c.schema, data, len);
    cuts_assert_inside(c.table, data, len);
    cuts_assert_inside(c.org_table, data, len);
    cuts_assert_inside(c.name, data, len);
    cuts_assert_inside(c.org_name, data, len);
    return rc;
}

TEST(column_there_and_back)
{
    struct column c;
    uint8_t data[64];
    struct writer w = writer_of(data, sizeof(data));

    assert_int_equal(column_decode(&c, 0, (const uint8_t *)column_one, sizeof(column_one) - 1), 0);
    assert_slice_equal(c.name, "1");
    assert_int_equal(c.charset, 63);
    assert_int_equal(c.length, 1);
    assert_int_equal(c.type, TYPE_LONG);
    assert_int_equal(c.flags, FLAG_NOT_NULL | FLAG_BINARY);
    assert_int_equal(column_encode(&w, 0, &c, 2), 3);
    assert_int_equal(w.len, PACKET_HEADER + sizeof(column_one) - 1);
    assert_memory_equal(data + PACKET_HEADER, column_one, sizeof(column_one) - 1);
    cuts_check(decode_column, column_one, sizeof(column_one) - 1, sizeof(column_one) - 1);
}

/* Of a column of JSON, and of one that has no more to say (10.11). */
TEST(column_with_extended_metadata)
{
    static const char json[] =
        "\x03"
        "def\x01m\x01j\x01j\x01j\x01j\x06\x01\x04json\x0c-\x00\xff\xff\xff\xff\xfc\x90\x00"
        "\x00\x00\x00";
    static const char empty[] = "\x03"
                                "def\x00\x00\x00\x01"
                                "1\x00\x00\x0c?\x00\x01\x00\x00\x00\x03\x81\x00\x00\x00\x00";
    uint8_t data[64];
    struct writer w = writer_of(data, sizeof(data));
    struct column c;

    column_caps = CAP_EXTENDED_METADATA;
    cuts_check(decode_column, json, sizeof(json) - 1, sizeof(json) - 1);
    assert_int_equal(column_decode(&c, column_caps, (const uint8_t *)json, sizeof(json) - 1), 0);
    assert_int_equal(c.type, 0xfc);
    assert_int_equal(column_decode(&c, 0, (const uint8_t *)json, sizeof(json) - 1), ERR_MALFORMED);
    assert_int_equal(column_decode(&c, column_caps, (const uint8_t *)empty, sizeof(empty) - 1), 0);
    assert_int_equal(column_encode(&w, column_caps, &c, 2), 3);
    assert_int_equal(w.len, PACKET_HEADER + sizeof(empty) - 1);
    assert_memory_equal(data + PACKET_HEADER, empty, sizeof(empty) - 1);
}

TEST(row_there_and_back)
{
    const struct slice fields[] = {SLICE("one"), {NULL, 0}, {"", 0}};
    uint8_t data[32];
    struct writer w = writer_of(data, sizeof(data));
    struct reader r;
    bool is_null;

    assert_int_equal(result_begin(&w, 3, 1), 2);
    assert_int_equal(row_encode(&w, fields, 3, 9), 10);
    assert_memory_equal(data, "\x01\x00\x00\x01\x03\x06\x00\x00\x09\x03one\xfb\x00", 15);
    r = reader_of(data + 9, w.len - 9);
    assert_slice_equal(row_next(&r, &is_null), "one");
    assert_false(is_null);
    assert_null(row_next(&r, &is_null).data);
    assert_true(is_null);
    assert_slice_equal(row_next(&r, &is_null), "");
    assert_false(is_null || r.failed);
    (void)row_next(&r, &is_null);
    assert_true(r.failed && !is_null);
    (void)row_next(&r, &is_null);
    assert_true(r.failed && !is_null);
}

static size_t strip(const char *payload, size_t len, uint8_t *packet)
{
    int64_t n;

    packet_write_header(packet, (uint32_t)len, 5);
    memcpy(packet + PACKET_HEADER, payload, len);
    n = ok_strip_track(packet, len + PACKET_HEADER);
    assert_true(n >= PACKET_HEADER);
    assert_int_equal(packet_length(packet), n - PACKET_HEADER);
    assert_int_equal(packet_sequence(packet), 5);
    return (size_t)n;
}

TEST(strip_gives_what_an_untracked_client_gets)
{
    uint8_t packet[128];

    assert_int_equal(strip(ok_track, sizeof(ok_track) - 1, packet), 11);
    assert_memory_equal(packet + 4, "\x00\x00\x00\x02\x00\x00\x00", 7);
    assert_int_equal(strip(ok_both, sizeof(ok_both) - 1, packet), 14);
    assert_memory_equal(packet + 4, "\x00\x03\x02\x02\x00\x00\x00\x02hi", 10);
    /* What ends the rows of SELECT f(), where f sets a variable (10.11). */
    assert_int_equal(strip("\xfe\x00\x00\x02\x40\x00\x00\x00\x05\x02\x01\x31\x02\x00", 14, packet),
                     11);
    assert_memory_equal(packet + 4, "\xfe\x00\x00\x02\x00\x00\x00", 7);
    assert_int_equal(strip(ok_message, sizeof(ok_message) - 1, packet), sizeof(ok_message) + 3);
    assert_memory_equal(packet + 4, ok_message, sizeof(ok_message) - 1);
}

static int decode_strip(const uint8_t *data, size_t len)
{
    uint8_t *packet = malloc(len + PACKET_HEADER);
    int64_t n;

    packet_write_header(packet, (uint32_t)len, 1);
    memcpy(packet + PACKET_HEADER, data, len);
    n = ok_strip_track(packet, len + PACKET_HEADER);
    if (n >= 0) {
        struct ok ok;

        assert_true((size_t)n <= len + PACKET_HEADER);
        assert_int_equal(ok_decode(&ok, false, packet + PACKET_HEADER, (size_t)n - 4), 0);
    }
    free(packet);
    return (int)MIN(n, 0);
}

TEST(strip_every_cut)
{
    uint8_t wrong[] = {8, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0};

    cuts_check(decode_strip, ok_track, sizeof(ok_track) - 1, sizeof(ok_track) - 1);
    cuts_check(decode_strip, ok_both, sizeof(ok_both) - 1, sizeof(ok_both) - 1);
    assert_int_equal(ok_strip_track(wrong, sizeof(wrong)), ERR_MALFORMED);
    assert_int_equal(ok_strip_track(wrong, 3), ERR_MALFORMED);
}
