/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_header.c - see proxy_header.h.
 */
#include "protocol/proxy_header.h"

#include "base/err.h"
#include "protocol/bytes.h"

#define LINE_MAX_BYTES 107 /* of version 1, with its end */
#define V2_FIXED       16  /* signature, version and command, family, length */

static const char v1_begin[] = "PROXY ";
static const uint8_t v2_begin[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                     0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

/* Does data begin with this, as far as it goes? */
static bool may_begin(const uint8_t *data, size_t len, const void *with, size_t with_len)
{
    return memcmp(data, with, MIN(len, with_len)) == 0;
}

/* --- version 1 -------------------------------------------------------------------------------- */

/* Up to the next blank, which is taken too; the last word ends with the line. */
static struct slice next_word(struct slice *rest)
{
    const char *end = rest->len == 0 ? NULL : memchr(rest->data, ' ', rest->len);
    size_t n = end == NULL ? rest->len : (size_t)(end - rest->data);
    struct slice word = {rest->data, n};

    n += end == NULL ? 0 : 1;
    *rest = (struct slice){rest->data + n, rest->len - n};
    return word;
}

static bool port_parse(struct slice digits, uint16_t *out)
{
    unsigned port = 0;

    if (digits.len == 0 || digits.len > 5 || (digits.len > 1 && digits.data[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        port = port * 10 + (unsigned)(digits.data[i] - '0');
    }
    *out = (uint16_t)port;
    return port <= UINT16_MAX;
}

/* The text must be of the family that the line names. */
static bool word_address(struct slice word, bool is_v6, struct address *out)
{
    bool has_colon = word.len > 0 && memchr(word.data, ':', word.len) != NULL;

    return has_colon == is_v6 && address_parse(out, word) == 0;
}

/* What is between "PROXY " and the end of the line. */
static int line_decode(struct proxy_header *out, struct slice line)
{
    struct slice family = next_word(&line);
    bool is_v6 = slice_eq(family, SLICE("TCP6"));
    bool is_good;

    if (slice_eq(family, SLICE("UNKNOWN"))) { /* whatever follows */
        out->is_own = true;
        return 0;
    }
    if (!is_v6 && !slice_eq(family, SLICE("TCP4"))) {
        return ERR_MALFORMED;
    }
    is_good = word_address(next_word(&line), is_v6, &out->client) &&
              word_address(next_word(&line), is_v6, &out->reached) &&
              port_parse(next_word(&line), &out->client.port) &&
              port_parse(next_word(&line), &out->reached.port);
    return is_good && line.len == 0 ? 0 : ERR_MALFORMED;
}

static int v1_decode(struct proxy_header *out, const uint8_t *data, size_t len)
{
    size_t begin = sizeof(v1_begin) - 1;
    size_t seen = MIN(len, (size_t)LINE_MAX_BYTES);
    const uint8_t *end = seen <= begin ? NULL : memchr(data + begin, '\n', seen - begin);

    if (end == NULL) {
        return len < LINE_MAX_BYTES ? ERR_INCOMPLETE : ERR_MALFORMED;
    }
    out->len = (size_t)(end - data) + 1;
    out->version = 1;
    if (out->len < begin + 2 || end[-1] != '\r') {
        return ERR_MALFORMED;
    }
    return line_decode(out, (struct slice){(const char *)data + begin, out->len - begin - 2});
}

/* --- version 2 -------------------------------------------------------------------------------- */

/* Both addresses, then both ports. */
static int addresses_decode(struct proxy_header *out, struct reader *r, enum address_family family)
{
    size_t size = family == ADDRESS_V4 ? 4 : 16;
    struct slice from = get_bytes(r, size), to = get_bytes(r, size);
    struct slice ports = get_bytes(r, 4);
    const uint8_t *p = (const uint8_t *)ports.data;

    if (r->failed) {
        return ERR_MALFORMED;
    }
    out->client = address_of_bytes(family, (const uint8_t *)from.data,
                                   (uint16_t)(p[0] << 8 | p[1])); /* the network's order */
    out->reached = address_of_bytes(family, (const uint8_t *)to.data, (uint16_t)(p[2] << 8 | p[3]));
    return 0;
}

/* What follows the addresses (TLVs) is within the length, and passed over. */
static int v2_decode(struct proxy_header *out, const uint8_t *data, size_t len)
{
    struct reader r;
    unsigned command, family, protocol;
    size_t body;

    if (len < V2_FIXED) {
        return ERR_INCOMPLETE;
    }
    command = data[12] & 0xf;
    family = data[13] >> 4;
    protocol = data[13] & 0xf;
    body = (size_t)data[14] << 8 | data[15];
    if (data[12] >> 4 != 2 || command > 1 || family > 3 || protocol > 2 ||
        body > PROXY_HEADER_MAX - V2_FIXED) {
        return ERR_MALFORMED;
    }
    if (len - V2_FIXED < body) {
        return ERR_INCOMPLETE;
    }
    out->len = V2_FIXED + body;
    out->version = 2;
    r = reader_of(data + V2_FIXED, body);
    if (command == 0 || family == 0) {
        out->is_own = true;
        return 0;
    }
    if (protocol != 1) { /* what is relayed is a stream */
        return ERR_MALFORMED;
    }
    if (family == 3) { /* unix sockets: two paths of 108 bytes */
        out->is_own = true;
        return body >= 216 ? 0 : ERR_MALFORMED;
    }
    return addresses_decode(out, &r, family == 1 ? ADDRESS_V4 : ADDRESS_V6);
}

int proxy_header_decode(struct proxy_header *out, const uint8_t *data, size_t len)
{
    *out = (struct proxy_header){.len = 0};
    if (may_begin(data, len, v1_begin, sizeof(v1_begin) - 1)) {
        return v1_decode(out, data, len);
    }
    if (may_begin(data, len, v2_begin, sizeof(v2_begin))) {
        return v2_decode(out, data, len);
    }
    return ERR_NOT_FOUND;
}
