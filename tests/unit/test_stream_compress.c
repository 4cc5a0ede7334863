/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stream_compress.c - compressed streams: all bytes in order in steps, the numbers, peers that
 * are slow or say nonsense.
 */
#include <stdlib.h>
#include <zlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/stat.h"
#include "protocol/packet.h"
#include "tests/fuzz/unpack_pieces.h"
#include "tests/unit/stream_ends.h"

#define LARGE (10u << 20)
#define LEVEL 3

/* a speaks as to a node, b as to a client; what one of them gets plain is seen by c and d. */
struct pair {
    struct ends_loop f;
    struct end a, b;
    struct stat_set stats;
};

static void begin(struct pair *p)
{
    *p = (struct pair){.stats = {{0}}};
    ends_make(&p->f);
    p->f.loop.stats = &p->stats;
    ends_open_pair(&p->f, &p->a, &p->b);
}

static void compress_both(struct pair *p)
{
    assert_int_equal(stream_compress(&p->a.stream, STREAM_NODE, LEVEL), 0);
    assert_int_equal(stream_compress(&p->b.stream, STREAM_CLIENT, LEVEL), 0);
}

static uint64_t stat_of(const struct pair *p, enum stat_id id)
{
    return atomic_load(&p->stats.values[id]);
}

static void end_all(struct pair *p)
{
    ends_close(&p->f, &p->a);
    ends_close(&p->f, &p->b);
    (void)uv_run(&p->f.uv, UV_RUN_NOWAIT); /* the pumps, too */
    ends_done(&p->f);
    assert_int_equal(stat_of(p, STAT_PACKED_CLIENTS), 0);
    assert_int_equal(stat_of(p, STAT_PACKED_SERVERS), 0);
}

/* One packet of a message at out; returns its length. */
static size_t inner(uint8_t *out, uint32_t len, uint8_t sequence)
{
    packet_write_header(out, len, sequence);
    for (uint32_t i = 0; i < len; i++) {
        out[PACKET_HEADER + i] = (uint8_t)('a' + i % 23);
    }
    return PACKET_HEADER + len;
}

/* A plain packet of the compressed protocol that holds these bytes. */
static size_t outer(uint8_t *out, uint8_t sequence, const void *bytes, uint32_t len)
{
    packet_write_header(out, len, sequence);
    memset(out + PACKET_HEADER, 0, 3);
    memcpy(out + COMPRESS_HEADER, bytes, len);
    return COMPRESS_HEADER + len;
}

/* The numbers of the compressed packets that e got, as text; e is plain. */
static const char *numbers(const struct end *e)
{
    static char text[4096];
    size_t n = 0;

    text[0] = '\0';
    for (size_t at = 0; at + COMPRESS_HEADER <= e->n_got;) {
        int put = snprintf(text + n, sizeof(text) - n, "%s%u", n > 0 ? " " : "",
                           packet_sequence(e->got + at));

        assert_true(put > 0 && n + (size_t)put < sizeof(text));
        n += (size_t)put;
        at += COMPRESS_HEADER + packet_length(e->got + at);
    }
    return text;
}

static void run_some(struct pair *p)
{
    for (unsigned i = 0; i < 20; i++) {
        (void)uv_run(&p->f.uv, UV_RUN_NOWAIT);
    }
}

/* --- bytes ------------------------------------------------------------------------------------ */

TEST(stream_compress_pieces_of_all_sizes_keep_their_order)
{
    static const uint32_t sizes[] = {1, 40, 60, 5000, 61440, 61441, 200000, 3, 1000000, 0};
    size_t total = 0;
    uint8_t *bytes = malloc(2u << 20);
    struct pair p;

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        total += inner(bytes + total, sizes[i], (uint8_t)i);
    }
    begin(&p);
    compress_both(&p);
    assert_true(ends_write(&p.a, bytes, total) >= 0);
    ends_read_until(&p.f, &p.b, total);
    assert_memory_equal(p.b.got, bytes, total);
    for (size_t at = 0; at < total;) { /* and back, as replies come */
        size_t n = MIN((size_t)30011, total - at);

        assert_true(ends_write(&p.b, bytes + at, n) >= 0);
        at += n;
    }
    ends_read_until(&p.f, &p.a, total);
    assert_memory_equal(p.a.got, bytes, total);
    assert_true(stat_of(&p, STAT_PACKED_TO_NODES) < total / 10);
    assert_int_equal(stat_of(&p, STAT_UNPACKED_TO_NODES), total);
    assert_int_equal(stat_of(&p, STAT_UNPACKED_FROM_CLIENTS), total);
    assert_int_equal(stat_of(&p, STAT_PACKED_TO_NODES), stat_of(&p, STAT_PACKED_FROM_CLIENTS));
    assert_int_equal(stat_of(&p, STAT_PACKED_TO_CLIENTS), stat_of(&p, STAT_PACKED_FROM_NODES));
    assert_int_equal(stat_of(&p, STAT_PACKED_CLIENTS), 1);
    free(bytes);
    end_all(&p);
}

/* What becomes very long is not unpacked before there is room for it. */
TEST(stream_compress_with_back_pressure_keeps_all_bytes)
{
    uint8_t *bytes = malloc(LARGE);
    struct pair p;
    struct end c;
    struct end d;

    for (size_t at = 0; at < LARGE; at += 1u << 20) {
        (void)inner(bytes + at, (1u << 20) - PACKET_HEADER, (uint8_t)(at >> 20));
    }
    begin(&p);
    compress_both(&p);
    ends_open_pair(&p.f, &c, &d);
    p.b.sink = &c;
    assert_int_equal(stream_read_start(&p.b.stream), 0);
    assert_true(ends_write(&p.a, bytes, LARGE) >= 0);
    while (stream_is_drained(&c.stream)) {
        (void)uv_run(&p.f.uv, UV_RUN_ONCE);
    }
    run_some(&p);
    assert_false(p.b.stream.is_reading);
    assert_true(stat_of(&p, STAT_UNPACKED_FROM_CLIENTS) < 2u << 20);
    assert_int_equal(stream_read_start(&d.stream), 0);
    while (d.n_got < LARGE) {
        (void)uv_run(&p.f.uv, UV_RUN_ONCE);
        assert_true(c.stream.queued_bytes <= 2 * STREAM_CHUNK_BYTES);
        assert_true(mem_bytes(MEM_BUFFER) < 4u << 20);
        if (stream_is_drained(&c.stream)) {
            assert_int_equal(stream_read_start(&p.b.stream), 0);
        }
    }
    assert_memory_equal(d.got, bytes, LARGE);
    free(bytes);
    ends_close(&p.f, &c);
    ends_close(&p.f, &d);
    end_all(&p);
}

/* A packet that becomes 4 MiB: others have their turn in between. */
TEST(stream_compress_one_packet_takes_many_turns)
{
    static uint8_t zeros[4 << 20], packet[1 << 20];
    uLongf n = sizeof(packet) - COMPRESS_HEADER;
    struct pair p;
    size_t most = 0;

    assert_int_equal(compress(packet + COMPRESS_HEADER, &n, zeros, sizeof(zeros)), Z_OK);
    packet_write_header(packet, (uint32_t)n, 0);
    memcpy(packet + 4, "\0\0\x40", 3);
    begin(&p);
    assert_int_equal(stream_compress(&p.b.stream, STREAM_CLIENT, LEVEL), 0);
    assert_true(ends_write(&p.a, packet, COMPRESS_HEADER + n) >= 0);
    assert_int_equal(stream_read_start(&p.b.stream), 0);
    while (p.b.n_got < sizeof(zeros)) {
        size_t before = p.b.n_got;

        (void)uv_run(&p.f.uv, UV_RUN_ONCE);
        most = MAX(most, p.b.n_got - before);
    }
    assert_true(most <= 20 * STREAM_CHUNK_BYTES);
    assert_memory_equal(p.b.got, zeros, sizeof(zeros));
    run_some(&p);
    assert_int_equal(p.b.n_got, sizeof(zeros));
    end_all(&p);
}

TEST(stream_compress_idle_keeps_no_buffer)
{
    uint8_t bytes[1000];
    size_t len = inner(bytes, 900, 0);
    struct pair p;
    struct pair q;
    uint64_t blocks;

    begin(&p);
    compress_both(&p);
    assert_int_equal(ends_write(&p.a, bytes, len), 0);
    ends_read_until(&p.f, &p.b, len);
    assert_int_equal(ends_write(&p.a, bytes, len), 0); /* now the loop has all it wants */
    ends_read_until(&p.f, &p.b, 2 * len);
    blocks = mem_blocks(MEM_BUFFER);
    ends_open_pair(&p.f, &q.a, &q.b);
    assert_int_equal(stream_compress(&q.a.stream, STREAM_NODE, LEVEL), 0);
    assert_int_equal(stream_compress(&q.b.stream, STREAM_CLIENT, LEVEL), 0);
    assert_int_equal(ends_write(&q.a, bytes, len), 0);
    ends_read_until(&p.f, &q.b, len);
    assert_int_equal(mem_blocks(MEM_BUFFER), blocks + 2); /* what a stream knows, no more */
    ends_close(&p.f, &q.a);
    ends_close(&p.f, &q.b);
    end_all(&p);
}

TEST(stream_compress_closed_while_bytes_wait)
{
    uint8_t *bytes = malloc(4u << 20);
    struct pair p;
    struct end c;
    struct end d;

    for (size_t at = 0; at < 4u << 20; at += 1u << 20) {
        (void)inner(bytes + at, (1u << 20) - PACKET_HEADER, (uint8_t)(at >> 20));
    }
    begin(&p);
    compress_both(&p);
    ends_open_pair(&p.f, &c, &d);
    p.b.sink = &c;
    assert_true(ends_write(&p.a, bytes, 4u << 20) >= 0);
    assert_int_equal(stream_read_start(&p.b.stream), 0);
    while (stream_is_drained(&c.stream)) {
        (void)uv_run(&p.f.uv, UV_RUN_ONCE);
    }
    run_some(&p);
    ends_close(&p.f, &c);
    ends_close(&p.f, &d);
    free(bytes);
    end_all(&p);
}

/* It writes back to where it came from, and closes that. */
TEST(stream_compress_closed_by_its_owner_who_is_told)
{
    uint8_t *bytes = malloc(1u << 20);
    size_t len = inner(bytes, 900000, 0);
    struct pair p;

    begin(&p);
    compress_both(&p);
    p.b.sink = &p.b;
    p.b.close_after_sink = true;
    assert_true(ends_write(&p.a, bytes, len) >= 0);
    assert_int_equal(stream_read_start(&p.b.stream), 0);
    ends_run_until_closed(&p.f, &p.b);
    assert_int_equal(p.b.n_bytes, 1);
    free(bytes);
    end_all(&p);
}

TEST(stream_compress_without_memory)
{
    uint8_t bytes[1000];
    size_t len = inner(bytes, 900, 0);

    for (unsigned n = 1; n < 12; n++) {
        struct pair p;
        int rc;

        begin(&p);
        mem_fail_at(n);
        rc = stream_compress(&p.a.stream, STREAM_NODE, LEVEL);
        rc = rc == 0 ? stream_compress(&p.b.stream, STREAM_CLIENT, LEVEL) : rc;
        rc = rc == 0 ? ends_write(&p.a, bytes, len) : rc;
        if (rc == 0) {
            assert_int_equal(stream_read_start(&p.b.stream), 0);
            while (p.b.n_end == 0 && p.b.n_got < len) {
                (void)uv_run(&p.f.uv, UV_RUN_ONCE);
            }
        }
        mem_fail_at(0);
        assert_true(rc == 0 || rc == UV_ENOMEM);
        assert_null(p.f.loop.out);
        end_all(&p);
    }
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void answer(struct end *e, size_t len)
{
    static uint8_t bytes[1 << 20];

    assert_true(len <= sizeof(bytes));
    stream_command(&e->stream);
    assert_true(ends_write(e, bytes, inner(bytes, (uint32_t)len - PACKET_HEADER, 1)) >= 0);
}

TEST(stream_compress_answers_count_on_from_the_command)
{
    uint8_t command[100], packets[4096];
    uint32_t len = (uint32_t)inner(command, 60, 0);
    size_t n = 0;
    struct pair p;

    begin(&p);
    assert_int_equal(stream_compress(&p.b.stream, STREAM_CLIENT, LEVEL), 0);
    n = outer(packets, 0, command, len);
    assert_int_equal(ends_write(&p.a, packets, n), 0);
    ends_read_until(&p.f, &p.b, len);
    answer(&p.b, 200000);
    n = outer(packets, 0, command, 10); /* in three pieces */
    n += outer(packets + n, 1, command + 10, 20);
    n += outer(packets + n, 2, command + 30, len - 30);
    assert_int_equal(ends_write(&p.a, packets, n), 0);
    ends_read_until(&p.f, &p.b, 2 * len);
    answer(&p.b, 10);
    n = outer(packets, 0, command, len); /* three at once */
    n += outer(packets + n, 0, command, len);
    n += outer(packets + n, 0, command, len);
    assert_int_equal(ends_write(&p.a, packets, n), 0);
    ends_read_until(&p.f, &p.b, 5 * len);
    answer(&p.b, 100000);
    answer(&p.b, 10);
    answer(&p.b, 10);
    assert_int_equal(stream_read_start(&p.a.stream), 0);
    run_some(&p);
    assert_string_equal(numbers(&p.a), "1 2 3 4 3 1 2 1 1");
    end_all(&p);
}

/* A client that is far ahead: each answer begins with 1, however many commands wait. */
TEST(stream_compress_many_commands_ahead)
{
    enum { N = 1000 };
    static uint8_t packets[N * 32];
    uint8_t command[16];
    uint32_t len = (uint32_t)inner(command, 3, 0);
    size_t n = 0;
    struct pair p;

    begin(&p);
    assert_int_equal(stream_compress(&p.b.stream, STREAM_CLIENT, LEVEL), 0);
    for (unsigned i = 0; i < N; i++) {
        n += outer(packets + n, 0, command, len);
    }
    assert_int_equal(ends_write(&p.a, packets, n), 0);
    ends_read_until(&p.f, &p.b, (size_t)N * len);
    assert_int_equal(stream_read_start(&p.a.stream), 0);
    for (unsigned i = 0; i < N; i++) {
        p.a.n_got = 0;
        answer(&p.b, 10);
        run_some(&p);
        assert_string_equal(numbers(&p.a), "1");
    }
    end_all(&p);
}

/* What was read with a login and lies behind it: packed, before what comes later. */
TEST(stream_compress_what_was_read_before_is_read_again)
{
    static uint8_t packets[200000], bytes[100000];
    uint32_t len = (uint32_t)inner(bytes, sizeof(bytes) - PACKET_HEADER, 0);
    size_t n, first;
    struct pair p;

    for (unsigned paused = 0; paused < 2; paused++) {
        begin(&p);
        n = outer(packets, 0, bytes, len / 2);
        n += outer(packets + n, 1, bytes + len / 2, len - len / 2);
        first = n - 1000;
        assert_int_equal(ends_write(&p.a, packets, 10), 0);
        ends_read_until(&p.f, &p.b, 10);
        if (paused == 1) {
            stream_read_stop(&p.b.stream);
        }
        p.b.n_got = 0;
        assert_int_equal(stream_compress(&p.b.stream, STREAM_CLIENT, LEVEL), 0);
        assert_int_equal(stream_unread(&p.b.stream, packets, first), 0);
        assert_int_equal(ends_write(&p.a, packets + first, n - first), 0);
        run_some(&p);
        assert_int_equal(p.b.n_got, paused == 1 ? 0 : len);
        ends_read_until(&p.f, &p.b, len);
        assert_memory_equal(p.b.got, bytes, len);
        end_all(&p);
    }
}

TEST(stream_compress_unread_without_memory)
{
    static uint8_t bytes[200000];
    struct pair p;

    begin(&p);
    assert_int_equal(stream_compress(&p.b.stream, STREAM_CLIENT, LEVEL), 0);
    mem_fail_at(2);
    assert_int_equal(stream_unread(&p.b.stream, bytes, sizeof(bytes)), UV_ENOMEM);
    mem_fail_at(0);
    assert_int_equal(p.b.n_bytes, 0);
    end_all(&p);
}

/* A file behind our request for it; the answer behind that. Numbers wrap on the way. */
TEST(stream_compress_dialogs_count_on)
{
    uint8_t command[100], packet[200];
    uint32_t len = (uint32_t)inner(command, 60, 0);
    struct pair p;

    begin(&p);
    assert_int_equal(stream_compress(&p.b.stream, STREAM_CLIENT, LEVEL), 0);
    assert_int_equal(ends_write(&p.a, packet, outer(packet, 0, command, len)), 0);
    ends_read_until(&p.f, &p.b, len);
    answer(&p.b, 10);
    for (unsigned i = 2; i <= 256; i++) { /* the last one is 0 again, and begins no command */
        assert_int_equal(ends_write(&p.a, packet, outer(packet, (uint8_t)i, command, len)), 0);
    }
    ends_read_until(&p.f, &p.b, 256 * len);
    assert_true(ends_write(&p.b, command, len) >= 0);
    assert_int_equal(ends_write(&p.a, packet, outer(packet, 0, command, len)), 0);
    ends_read_until(&p.f, &p.b, 257 * len);
    answer(&p.b, 10);
    assert_int_equal(stream_read_start(&p.a.stream), 0);
    run_some(&p);
    assert_string_equal(numbers(&p.a), "1 1 1");
    assert_int_equal(p.b.n_end, 0);
    end_all(&p);
}

TEST(stream_compress_commands_to_a_node_are_packets_of_their_own)
{
    static const uint8_t sequences[] = {0, 0, 2, 0, 0, 1, 0};
    uint8_t bytes[1000], reply[100], packet[200];
    uint32_t len = (uint32_t)inner(reply, 20, 1);
    size_t n = 0;
    struct pair p;

    for (unsigned i = 0; i < ARRAY_SIZE(sequences); i++) {
        n += inner(bytes + n, 10 + i, sequences[i]);
    }
    begin(&p);
    assert_int_equal(stream_compress(&p.a.stream, STREAM_NODE, LEVEL), 0);
    assert_int_equal(ends_write(&p.a, bytes, n), 0);
    assert_int_equal(stream_read_start(&p.b.stream), 0);
    run_some(&p);
    assert_string_equal(numbers(&p.b), "0 0 2 0 0 0"); /* 0 and 1 are one message */
    /* The node asks for a file, with a number of its own inside: we count on from its packet. */
    assert_int_equal(ends_write(&p.b, packet, outer(packet, 1, reply, len)), 0);
    ends_read_until(&p.f, &p.a, len);
    p.b.n_got = 0;
    for (unsigned i = 2; i < 2 + 600; i++) { /* byte by byte, as a slow client's comes */
        n = inner(bytes, 1, (uint8_t)i);
        for (size_t at = 0; at < (i < 10 ? n : 0); at++) {
            assert_int_equal(ends_write(&p.a, bytes + at, 1), 0);
        }
        if (i >= 10) {
            assert_int_equal(ends_write(&p.a, bytes, n), 0);
        }
        run_some(&p);
    }
    for (size_t at = 0, i = 2; at < p.b.n_got; i++) {
        assert_int_equal(packet_sequence(p.b.got + at), (uint8_t)i);
        at += COMPRESS_HEADER + packet_length(p.b.got + at);
    }
    assert_int_equal(ends_write(&p.b, packet, outer(packet, 99, reply, len)), 0);
    ends_read_until(&p.f, &p.a, 2 * len);
    p.b.n_got = 0;
    assert_int_equal(ends_write(&p.a, bytes, inner(bytes, 5, 0)), 0);
    run_some(&p);
    assert_string_equal(numbers(&p.b), "0");
    end_all(&p);
}

/* --- nonsense --------------------------------------------------------------------------------- */

/* How the stream ends that reads these packets; what is written then is still sent. */
static int end_of(enum stream_peer peer, const uint8_t *packets, size_t n)
{
    static const uint8_t farewell[] = {1, 0, 0, 0, 'x'};
    struct pair p;
    int rc;

    begin(&p);
    assert_int_equal(stream_compress(&p.b.stream, peer, LEVEL), 0);
    assert_int_equal(ends_write(&p.a, packets, n), 0);
    assert_int_equal(stream_read_start(&p.b.stream), 0);
    run_some(&p);
    rc = p.b.n_end > 0 ? p.b.end_rc : 0;
    assert_true(p.b.n_end <= 1);
    assert_int_equal(stat_of(&p, STAT_PACKED_MALFORMED), rc != 0);
    if (rc != 0) {
        assert_int_equal(ends_write(&p.a, packets, n), 0); /* is not looked at */
        assert_int_equal(ends_write(&p.b, farewell, sizeof(farewell)), 0);
        ends_read_until(&p.f, &p.a, COMPRESS_HEADER + sizeof(farewell));
        assert_int_equal(p.b.n_end, 1);
    }
    end_all(&p);
    return rc;
}

TEST(stream_compress_nonsense_ends_it)
{
    static const uint8_t empty[COMPRESS_HEADER] = {0};
    static const uint8_t garbage[] = "\x10\0\0\0\x64\0\0gggggggggggggggg";
    uint8_t command[100], packets[400];
    uint32_t len = (uint32_t)inner(command, 60, 0);
    size_t n;

    assert_int_equal(end_of(STREAM_CLIENT, empty, sizeof(empty)), ERR_UNCOMPRESS);
    assert_int_equal(end_of(STREAM_CLIENT, garbage, sizeof(garbage) - 1), ERR_UNCOMPRESS);
    assert_int_equal(end_of(STREAM_NODE, garbage, sizeof(garbage) - 1), ERR_UNCOMPRESS);
    for (unsigned i = 0; i < 256; i++) { /* the first one is 0 */
        n = outer(packets, (uint8_t)i, command, len);
        assert_int_equal(end_of(STREAM_CLIENT, packets, n), i <= 0 ? 0 : ERR_SEQUENCE);
        assert_int_equal(end_of(STREAM_NODE, packets, n),
                         0);                /* of a long command that went ahead */
        n = outer(packets, 0, command, 30); /* then 1: it is not at its end */
        n += outer(packets + n, (uint8_t)i, command + 30, len - 30);
        assert_int_equal(end_of(STREAM_CLIENT, packets, n), i == 1 ? 0 : ERR_SEQUENCE);
        assert_int_equal(end_of(STREAM_NODE, packets, n), i == 1 ? 0 : ERR_SEQUENCE);
        n = outer(packets, 0, command, len); /* then 1, or another command */
        n += outer(packets + n, (uint8_t)i, command, len);
        assert_int_equal(end_of(STREAM_CLIENT, packets, n), i <= 1 ? 0 : ERR_SEQUENCE);
    }
}

TEST(stream_compress_cut_anywhere_is_an_end_like_others)
{
    uint8_t command[400], packets[400];
    uint32_t len = (uint32_t)inner(command, 300, 0);
    struct deflater *d = deflater_new();
    const struct slice piece = {(const char *)command, len};
    size_t n = compress_encode(d, LEVEL, &piece, 1, 0, packets);

    deflater_free(d);
    for (size_t cut = 1; cut <= n; cut++) {
        struct pair p;

        begin(&p);
        assert_int_equal(stream_compress(&p.b.stream, STREAM_CLIENT, LEVEL), 0);
        assert_int_equal(stream_read_start(&p.b.stream), 0);
        for (size_t at = 0; at < cut; at++) {
            assert_int_equal(ends_write(&p.a, packets + at, 1), 0);
            (void)uv_run(&p.f.uv, UV_RUN_NOWAIT);
        }
        ends_close(&p.f, &p.a);
        while (p.b.n_end == 0) {
            (void)uv_run(&p.f.uv, UV_RUN_ONCE);
        }
        assert_int_equal(p.b.end_rc, UV_EOF);
        assert_int_equal(p.b.n_got == len, cut == n);
        p.a = (struct end){.n_closed = 1};
        end_all(&p);
    }
}
