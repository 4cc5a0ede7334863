/* SPDX-License-Identifier: Apache-2.0 */
/*
 * binlog.c - see binlog.h: headers, positions, packed parts.
 */
#include "protocol/binlog.h"

#include <stdio.h>
#include <zlib.h>

#include "base/err.h"

enum { FORMAT_VERSION = 4, FORMAT_FIXED_LEN = 2 + 50 + 4 + 1 };
enum { CHECKSUM_OFF = 0, CHECKSUM_CRC32 = 1 };
enum { PACKED_LEN_MASK = 0x07, PACKED_LEN_MAX = 4, PACKED_HOW_MASK = 0x70 };
enum { PACKED_RATIO_MAX = 1040 }; /* zlib's best is below */

int binlog_event_decode(struct binlog_event *out, const void *data, size_t len, bool has_checksum)
{
    struct reader r = reader_of(data, len);
    size_t tail = has_checksum ? BINLOG_CHECKSUM_LEN : 0;
    uint32_t event_len;

    out->time_s = get_u32(&r);
    out->type = get_u8(&r);
    out->server_id = get_u32(&r);
    event_len = get_u32(&r);
    (void)get_u32(&r); /* where the next one begins */
    out->flags = get_u16(&r);
    if (r.failed || event_len != len) {
        return ERR_MALFORMED;
    }
    if (out->type == BINLOG_FORMAT) {
        tail = 0; /* it says itself whether it has one */
    }
    if (reader_left(&r) < tail) {
        return ERR_MALFORMED;
    }
    out->body = get_bytes(&r, reader_left(&r) - tail);
    return 0;
}

int binlog_format_decode(bool *has_checksum, struct slice body)
{
    struct reader r = reader_of(body.data, body.len);
    const uint8_t *how;

    if (get_u16(&r) != FORMAT_VERSION || body.len < FORMAT_FIXED_LEN + 1 + BINLOG_CHECKSUM_LEN) {
        return ERR_MALFORMED;
    }
    /* The byte before the checksum: nodes that know of checksums always send both here. */
    how = (const uint8_t *)body.data + body.len - BINLOG_CHECKSUM_LEN - 1;
    if (*how != CHECKSUM_OFF && *how != CHECKSUM_CRC32) {
        return ERR_MALFORMED;
    }
    *has_checksum = *how == CHECKSUM_CRC32;
    return 0;
}

/* --- positions -------------------------------------------------------------------------------- */

int binlog_gtid_decode(struct binlog_gtid *out, uint8_t *flags, const struct binlog_event *event)
{
    struct reader r = reader_of(event->body.data, event->body.len);

    out->sequence = get_u64(&r);
    out->domain = get_u32(&r);
    out->server_id = event->server_id;
    *flags = get_u8(&r);
    return r.failed ? ERR_MALFORMED : 0;
}

/* A number and the character behind it ('\0' = the text's end). false = there is none. */
static bool parse_number(struct slice *text, uint64_t max, uint64_t *out, char *end)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < text->len && text->data[i] >= '0' && text->data[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(text->data[i] - '0');

        if (value > (max - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    if (i == 0) {
        return false;
    }
    *out = value;
    *end = i < text->len ? text->data[i] : '\0';
    i = MIN(i + 1, text->len);
    *text = (struct slice){text->data + i, text->len - i};
    return true;
}

int binlog_gtids_parse(struct binlog_gtids *out, struct slice text)
{
    char end = text.len > 0 ? ',' : '\0';

    *out = (struct binlog_gtids){0};
    while (end == ',') {
        uint64_t domain, server_id, sequence;
        struct binlog_gtid gtid;

        if (!parse_number(&text, UINT32_MAX, &domain, &end) || end != '-' ||
            !parse_number(&text, UINT32_MAX, &server_id, &end) || end != '-' ||
            !parse_number(&text, UINT64_MAX, &sequence, &end)) {
            return ERR_MALFORMED;
        }
        gtid = (struct binlog_gtid){(uint32_t)domain, (uint32_t)server_id, sequence};
        if (!binlog_gtids_put(out, &gtid)) {
            return ERR_LIMIT;
        }
    }
    return end == '\0' && text.len == 0 ? 0 : ERR_MALFORMED;
}

bool binlog_gtids_put(struct binlog_gtids *gtids, const struct binlog_gtid *gtid)
{
    unsigned i = 0;

    while (i < gtids->n && gtids->items[i].domain != gtid->domain) {
        i++;
    }
    if (i == BINLOG_DOMAINS_MAX) {
        return false;
    }
    gtids->items[i] = *gtid;
    gtids->n = MAX(gtids->n, i + 1);
    return true;
}

const struct binlog_gtid *binlog_gtids_get(const struct binlog_gtids *gtids, uint32_t domain)
{
    for (unsigned i = 0; i < gtids->n; i++) {
        if (gtids->items[i].domain == domain) {
            return &gtids->items[i];
        }
    }
    return NULL;
}

void binlog_gtids_format(const struct binlog_gtids *gtids, char out[BINLOG_GTIDS_TEXT])
{
    size_t len = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < gtids->n; i++) {
        const struct binlog_gtid *g = &gtids->items[i];

        len +=
            (size_t)snprintf(out + len, BINLOG_GTIDS_TEXT - len, "%s%u-%u-%llu", i == 0 ? "" : ",",
                             g->domain, g->server_id, (unsigned long long)g->sequence);
    }
}

/* --- packed parts ----------------------------------------------------------------------------- */

/* A byte that says how and how many bytes the length has, the length (big endian), the rest. */
static size_t read_packed(struct slice packed, struct slice *rest)
{
    struct reader r = reader_of(packed.data, packed.len);
    uint8_t how = get_u8(&r);
    unsigned n = how & PACKED_LEN_MASK;
    size_t len = 0;

    if ((how & PACKED_HOW_MASK) != 0 || n == 0 || n > PACKED_LEN_MAX) {
        return 0; /* not by zlib */
    }
    for (unsigned i = 0; i < n; i++) {
        len = len << 8 | get_u8(&r);
    }
    *rest = get_rest(&r);
    return r.failed || len / PACKED_RATIO_MAX > rest->len ? 0 : len;
}

size_t binlog_unpacked_len(struct slice packed)
{
    struct slice rest;

    return read_packed(packed, &rest);
}

int binlog_unpack(void *out, size_t len, struct slice packed)
{
    struct slice rest;
    uLongf got = len;

    if (len == 0 || read_packed(packed, &rest) != len) {
        return ERR_MALFORMED;
    }
    if (uncompress(out, &got, (const Bytef *)rest.data, rest.len) != Z_OK || got != len) {
        return ERR_MALFORMED;
    }
    return 0;
}
