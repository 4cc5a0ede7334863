/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_compress.c - packets of the compressed protocol.
 */
#include <stdlib.h>
#include <zlib.h>

#include "base/mem.h"
#include "protocol/packet.h"
#include "tests/fuzz/unpack_pieces.h"
#include "tests/unit/test.h"

#define ROOM (64 * 1024)

/* A packet of what zlib makes of text, with these lengths in its header; returns its length. */
static size_t packet_of(uint8_t *out, const char *text, size_t len, uint32_t before, size_t tail)
{
    uLongf n = 4096;

    assert_int_equal(compress(out + COMPRESS_HEADER, &n, (const Bytef *)text, len), Z_OK);
    memset(out + COMPRESS_HEADER + n, 'x', tail);
    n += tail;
    packet_write_header(out, (uint32_t)n, 0);
    out[4] = (uint8_t)before;
    out[5] = (uint8_t)(before >> 8);
    out[6] = (uint8_t)(before >> 16);
    return COMPRESS_HEADER + n;
}

static struct unpacked unpack_all(const uint8_t *data, size_t len)
{
    static uint8_t bytes[ROOM];
    struct unpacked out = {.bytes = bytes, .cap = ROOM};

    unpack_pieces(&out, data, len, len, ROOM);
    return out;
}

TEST(compress_as_in_the_documentation)
{
    /* The example of MySQL's "Compressed Packet": a COM_QUERY of 46 bytes. */
    static const uint8_t packet[] = {
        0x22, 0x00, 0x00, 0x00, 0x32, 0x00, 0x00, 0x78, 0x9c, 0xd3, 0x63, 0x60, 0x60, 0x60,
        0x2e, 0x4e, 0xcd, 0x49, 0x4d, 0x2e, 0x51, 0x50, 0x32, 0x30, 0x34, 0x32, 0x36, 0x31,
        0x35, 0x33, 0xb7, 0xb0, 0xc4, 0xcd, 0x52, 0x02, 0x00, 0x0c, 0xd1, 0x0a, 0x6c};
    static const char plain[] = "\x2e\0\0\0\x03select \"012345678901234567890123456789012345\"";
    struct unpacked out = unpack_all(packet, sizeof(packet));

    assert_int_equal(out.rc, 0);
    assert_int_equal(out.len, sizeof(plain) - 1);
    assert_memory_equal(out.bytes, plain, out.len);
    assert_false(out.is_inside);
}

TEST(compress_pieces_come_out_again)
{
    struct deflater *d = deflater_new();
    uint8_t *packed = malloc(COMPRESS_HEADER + COMPRESS_BLOCK);
    char *text = malloc(COMPRESS_BLOCK);
    static const size_t sizes[] = {1, 49, 50, 51, 1000, 16384, COMPRESS_BLOCK};

    for (unsigned kind = 0; kind < 2; kind++) {
        uint64_t random = 5;

        for (size_t i = 0; i < COMPRESS_BLOCK; i++) {
            text[i] = kind == 0 ? (char)('a' + i % 7) : (char)test_random(&random);
        }
        for (int level = COMPRESS_LEVEL_MIN; level <= COMPRESS_LEVEL_MAX; level++) {
            for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
                size_t n = sizes[i], third = n / 3;
                struct slice pieces[3] = {
                    {text, third}, {text + third, third}, {text + 2 * third, n - 2 * third}};
                size_t len = compress_encode(d, level, pieces, 3, 7, packed);
                struct unpacked out = unpack_all(packed, len);
                bool is_deflated = packet_length(packed + 4) != 0;

                assert_int_equal(out.rc, 0);
                assert_int_equal(out.len, n);
                assert_memory_equal(out.bytes, text, n);
                assert_int_equal(packet_sequence(packed), 7);
                assert_int_equal(is_deflated, n >= COMPRESS_MIN && kind == 0 && level != 0);
            }
        }
    }
    free(text);
    free(packed);
    deflater_free(d);
    assert_int_equal(mem_blocks(MEM_BUFFER), 0);
}

/* Each cut waits for more, each piece and each room gives the same. */
TEST(compress_every_cut)
{
    static const uint8_t behind[] = {0, 0, 0, 'h', 'e', 'l', 'l', 'o'};
    char text[300];
    uint8_t packet[4096], bytes[ROOM];
    size_t len;

    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(i * i % 61);
    }
    len = packet_of(packet, text, sizeof(text), sizeof(text), 0);
    packet_write_header(packet + len, 5, 1); /* a plain one behind it */
    memcpy(packet + len + PACKET_HEADER, behind, sizeof(behind));
    len += COMPRESS_HEADER + 5;
    for (size_t cut = 0; cut <= len; cut++) {
        uint8_t *exact = malloc(cut + 1);
        struct unpacked out;

        memcpy(exact + 1, packet, cut);
        out = unpack_all(exact + 1, cut);
        assert_int_equal(out.rc, 0);
        assert_int_equal(out.len == sizeof(text) + 5, cut == len);
        assert_int_equal(out.is_inside, cut != 0 && cut != len && cut != len - 12);
        free(exact);
    }
    for (size_t piece = 1; piece < 40; piece++) {
        for (size_t room = 1; room < 40; room++) {
            struct unpacked out = {.bytes = bytes, .cap = ROOM};

            unpack_pieces(&out, packet, len, piece, room);
            assert_int_equal(out.rc, 0);
            assert_int_equal(out.len, sizeof(text) + 5);
            assert_memory_equal(bytes, text, sizeof(text));
            assert_memory_equal(bytes + sizeof(text), "hello", 5);
            assert_int_equal(out.n_packets, 2);
        }
    }
}

TEST(compress_every_change_of_a_byte)
{
    char text[200];
    uint8_t packet[4096], changed[4096];
    size_t len;
    unsigned refused = 0;

    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(i % 11 * (i % 7));
    }
    len = packet_of(packet, text, sizeof(text), sizeof(text), 0);
    for (size_t i = 0; i < len; i++) {
        for (unsigned value = 0; value < 256; value++) {
            struct unpacked out;

            memcpy(changed, packet, len);
            changed[i] = (uint8_t)value;
            out = unpack_all(changed, len);
            assert_true(out.rc == 0 || out.rc == ERR_UNCOMPRESS);
            refused += out.rc != 0;
            if (i >= COMPRESS_HEADER && out.rc == 0) { /* a bit that fills up a byte */
                assert_int_equal(out.len, sizeof(text));
                assert_memory_equal(out.bytes, text, sizeof(text));
            }
        }
    }
    assert_true(refused > len * 250);
}

TEST(compress_what_is_refused)
{
    static const char text[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789";
    static const uint8_t empty[] = {0, 0, 0, 0, 0, 0, 0};
    static const uint8_t empty_deflated[] = {0, 0, 0, 0, 5, 0, 0};
    const uint32_t n = sizeof(text);
    uint8_t packet[4096];

    assert_int_equal(unpack_all(empty, sizeof(empty)).rc, ERR_UNCOMPRESS);
    assert_int_equal(unpack_all(empty_deflated, sizeof(empty_deflated)).rc, ERR_UNCOMPRESS);
    for (uint32_t before = 1; before < 3 * n; before++) {
        struct unpacked out = unpack_all(packet, packet_of(packet, text, n, before, 0));

        assert_int_equal(out.rc, before == n ? 0 : ERR_UNCOMPRESS);
        assert_true(out.len <= before);
    }
    assert_int_equal(unpack_all(packet, packet_of(packet, text, n, COMPRESS_MAX, 0)).rc,
                     ERR_UNCOMPRESS);
    assert_int_equal(unpack_all(packet, packet_of(packet, text, n, n, 1)).rc, ERR_UNCOMPRESS);
}

/* 16 MiB - 1 zeros: they come in as many steps as there is room for, and not one byte more. */
TEST(compress_largest_packet_in_steps)
{
    uLongf n = compressBound(COMPRESS_MAX);
    uint8_t *zeros = calloc(1, COMPRESS_MAX), *packet = malloc(COMPRESS_HEADER + n);
    struct inflater *inflater = inflater_new();
    struct unpack u = {.is_open = false};
    uint8_t out[4096];
    size_t used, total = 0, at = COMPRESS_HEADER;

    assert_int_equal(compress(packet + COMPRESS_HEADER, &n, zeros, COMPRESS_MAX), Z_OK);
    packet_write_header(packet, (uint32_t)n, 0);
    memset(packet + 4, 0xff, 3);
    assert_int_equal(unpack_header(&u, packet, COMPRESS_HEADER, &used), 1);
    unpack_lend(&u, inflater);
    while (u.is_open) {
        int64_t got =
            unpack_body(&u, packet + at, COMPRESS_HEADER + n - at, &used, out, sizeof(out));

        assert_true(got >= 0);
        at += used;
        total += (size_t)got;
    }
    assert_int_equal(total, COMPRESS_MAX);
    assert_int_equal(at, COMPRESS_HEADER + n);
    inflater_free(inflater);
    free(packet);
    free(zeros);
    assert_int_equal(mem_blocks(MEM_BUFFER), 0);
}

TEST(compress_without_memory)
{
    for (unsigned n = 1; n <= 5; n++) {
        struct deflater *d;

        mem_fail_at(n);
        d = deflater_new();
        mem_fail_at(0);
        deflater_free(d);
        assert_int_equal(mem_blocks(MEM_BUFFER), 0);
    }
    mem_fail_at(1);
    assert_null(inflater_new());
    mem_fail_at(2);
    assert_null(inflater_new());
    mem_fail_at(0);
    assert_int_equal(mem_blocks(MEM_BUFFER), 0);
}

TEST(compress_walk_finds_the_borders)
{
    static const uint8_t bytes[] = {2, 0, 0, 0, 'a', 'b', 0, 0, 0, 1, 1, 0, 0, 2, 'c'};
    static const bool is_between[] = {true,  false, false, false, false, false, true,  false,
                                      false, false, true,  false, false, false, false, true};

    for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
        for (size_t middle = 0; middle <= cut; middle++) {
            struct packet_walk w = {.left = 0};

            packet_walk(&w, bytes, middle);
            packet_walk(&w, bytes + middle, cut - middle);
            assert_int_equal(packet_walk_is_between(&w), is_between[cut]);
        }
    }
}
