/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_bytes.c - wire integers and strings, there and back, and what does not fit.
 */
#include "protocol/bytes.h"
#include "protocol/packet.h"
#include "tests/unit/cuts.h"

TEST(bytes_integers_there_and_back)
{
    uint8_t data[64];
    struct writer w = writer_of(data, sizeof(data));
    struct reader r;

    put_u8(&w, 0xfe);
    put_u16(&w, 0x1234);
    put_u24(&w, 0xabcdef);
    put_u32(&w, 0x89abcdef);
    put_u64(&w, UINT64_C(0x0123456789abcdef));
    assert_false(w.failed);
    assert_int_equal(w.len, 18);
    assert_memory_equal(data, "\xfe\x34\x12\xef\xcd\xab\xef\xcd\xab\x89", 10);
    r = reader_of(data, w.len);
    assert_int_equal(get_u8(&r), 0xfe);
    assert_int_equal(get_u16(&r), 0x1234);
    assert_int_equal(get_u24(&r), 0xabcdef);
    assert_int_equal(get_u32(&r), 0x89abcdef);
    assert_true(get_u64(&r) == UINT64_C(0x0123456789abcdef));
    assert_false(r.failed);
    assert_int_equal(reader_left(&r), 0);
}

TEST(bytes_lenenc_at_each_bound)
{
    const struct {
        uint64_t value;
        size_t bytes;
    } cases[] = {{0, 1},         {1, 1},          {250, 1},           {251, 3},   {252, 3},
                 {255, 3},       {256, 3},        {65535, 3},         {65536, 4}, {0xffffff, 4},
                 {0x1000000, 9}, {UINT32_MAX, 9}, {UINT64_MAX - 1, 9}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t data[LENENC_MAX];
        struct writer w = writer_of(data, sizeof(data));
        struct reader r;

        put_lenenc(&w, cases[i].value);
        assert_int_equal(w.len, cases[i].bytes);
        r = reader_of(data, w.len);
        assert_true(get_lenenc(&r) == cases[i].value);
        assert_false(r.failed);
        for (size_t cut = 0; cut < w.len; cut++) {
            uint8_t *copy = malloc(cut + 1);

            memcpy(copy + 1, data, cut);
            r = reader_of(copy + 1, cut);
            assert_int_equal(get_lenenc(&r), 0);
            assert_true(r.failed);
            free(copy);
            w = writer_of(data, cut);
            put_lenenc(&w, cases[i].value);
            assert_true(w.failed);
        }
    }
}

TEST(bytes_lenenc_null_and_bad_first_byte)
{
    struct reader r = reader_of("\xfb", 1);

    assert_true(get_lenenc(&r) == LENENC_NULL);
    assert_false(r.failed);
    r = reader_of("\xfb", 1);
    assert_int_equal(get_lenenc_bytes(&r).len, 0);
    assert_true(r.failed);
    r = reader_of("\xff\xff\xff", 3);
    assert_int_equal(get_lenenc(&r), 0);
    assert_true(r.failed);
    /* A length of 2^64 - 1 is not NULL, and no slice is that long. */
    r = reader_of("\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    assert_int_equal(get_lenenc_bytes(&r).len, 0);
    assert_true(r.failed);
}

TEST(bytes_strings_there_and_back)
{
    uint8_t data[32];
    struct writer w = writer_of(data, sizeof(data));
    struct reader r;

    put_zero(&w, SLICE("abc"));
    put_lenenc_slice(&w, SLICE("de"));
    put_lenenc_slice(&w, (struct slice){NULL, 0});
    put_zero(&w, (struct slice){NULL, 0});
    put_bytes(&w, NULL, 0);
    put_fill(&w, 'x', 3);
    put_fill(&w, 'x', 0);
    put_slice(&w, SLICE("rest"));
    assert_false(w.failed);
    r = reader_of(data, w.len);
    assert_slice_equal(get_zero(&r), "abc");
    assert_slice_equal(get_lenenc_bytes(&r), "de");
    assert_slice_equal(get_lenenc_bytes(&r), "");
    assert_slice_equal(get_zero(&r), "");
    assert_slice_equal(get_bytes(&r, 0), "");
    assert_slice_equal(get_bytes(&r, 3), "xxx");
    assert_slice_equal(get_rest(&r), "rest");
    assert_slice_equal(get_rest(&r), "");
    assert_false(r.failed);
}

TEST(bytes_zero_or_rest_takes_either_end)
{
    struct reader r = reader_of("ab\0cd", 5);

    assert_slice_equal(get_zero_or_rest(&r), "ab");
    assert_slice_equal(get_zero_or_rest(&r), "cd");
    assert_slice_equal(get_zero_or_rest(&r), "");
    assert_false(r.failed);
    r = reader_of("cd", 2);
    assert_slice_equal(get_zero(&r), "");
    assert_true(r.failed);
    assert_slice_equal(get_zero_or_rest(&r), "");
}

TEST(bytes_failure_of_a_reader_sticks)
{
    struct reader r = reader_of("abc", 3);

    assert_int_equal(get_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(get_u8(&r), 0);
    assert_int_equal(get_u64(&r), 0);
    assert_int_equal(get_lenenc(&r), 0);
    assert_null(get_bytes(&r, 1).data);
    assert_null(get_bytes(&r, 0).data);
    assert_int_equal(get_zero(&r).len, 0);
    assert_int_equal(get_rest(&r).len, 0);
    r = reader_of("abc", 3);
    assert_int_equal(get_bytes(&r, SIZE_MAX).len, 0);
    assert_true(r.failed);
}

TEST(bytes_failure_of_a_writer_sticks)
{
    uint8_t data[4] = {9, 9, 9, 9};
    struct writer w = writer_of(data, 3);

    put_u32(&w, 0);
    assert_true(w.failed);
    put_u8(&w, 1);
    put_slice(&w, SLICE("ab"));
    put_fill(&w, 1, 1);
    put_u64(&w, 0);
    assert_int_equal(w.len, 0);
    assert_memory_equal(data, "\x09\x09\x09\x09", 4);
    w = writer_of(NULL, 0);
    put_u8(&w, 1);
    assert_true(w.failed);
}

TEST(bytes_reader_of_nothing)
{
    struct reader r = reader_of(NULL, 0);

    assert_int_equal(reader_left(&r), 0);
    assert_int_equal(get_rest(&r).len, 0);
    assert_int_equal(get_zero_or_rest(&r).len, 0);
    assert_false(r.failed);
    assert_int_equal(get_zero(&r).len, 0);
    assert_true(r.failed);
}

TEST(packet_is_framed)
{
    uint8_t data[16];
    struct writer w = writer_of(data, sizeof(data));
    size_t at;

    put_u8(&w, 0xaa);
    at = packet_begin(&w);
    put_slice(&w, SLICE("abc"));
    packet_end(&w, at, 7);
    assert_false(w.failed);
    assert_memory_equal(data,
                        "\xaa\x03\x00\x00\x07"
                        "abc",
                        8);
    assert_int_equal(packet_length(data + 1), 3);
    assert_int_equal(packet_sequence(data + 1), 7);
}

TEST(packet_that_does_not_fit_fails)
{
    uint8_t data[6];

    for (size_t cap = 0; cap <= sizeof(data); cap++) {
        struct writer w = writer_of(data, cap);
        size_t at = packet_begin(&w);

        put_u16(&w, 1);
        packet_end(&w, at, 0);
        assert_int_equal(w.failed, cap < sizeof(data));
    }
}

TEST(packet_of_16_mib_fails)
{
    uint8_t *data = malloc(PACKET_MAX + PACKET_HEADER);
    struct writer w = writer_of(data, PACKET_MAX + PACKET_HEADER);
    size_t at = packet_begin(&w);

    put_fill(&w, 1, PACKET_MAX - 1);
    packet_end(&w, at, 0);
    assert_false(w.failed);
    assert_int_equal(packet_length(data), PACKET_MAX - 1);
    put_u8(&w, 1);
    packet_end(&w, at, 0);
    assert_true(w.failed);
    free(data);
}
