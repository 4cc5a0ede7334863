/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.c - see address.h.
 */
#include "base/address.h"

#include <arpa/inet.h>

#include "base/err.h"

static unsigned bits_of(enum address_family family)
{
    return family == ADDRESS_V4 ? 32 : 128;
}

struct address address_of_bytes(enum address_family family, const uint8_t *bytes, uint16_t port)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct address a = {.family = (uint8_t)family, .port = port};

    if (family == ADDRESS_V6 && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        a.family = ADDRESS_V4;
        bytes += sizeof(mapped);
    }
    memcpy(a.bytes, bytes, bits_of((enum address_family)a.family) / 8);
    return a;
}

struct address address_of(const struct sockaddr *sockaddr)
{
    if (sockaddr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sockaddr;

        return address_of_bytes(ADDRESS_V4, (const uint8_t *)&in->sin_addr, ntohs(in->sin_port));
    }
    if (sockaddr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)sockaddr;

        return address_of_bytes(ADDRESS_V6, in->sin6_addr.s6_addr, ntohs(in->sin6_port));
    }
    return (struct address){.family = ADDRESS_NONE};
}

int address_parse(struct address *out, struct slice text)
{
    char copy[ADDRESS_TEXT_MAX];
    uint8_t bytes[16];

    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, '\0', text.len) != NULL) {
        return ERR_MALFORMED;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, bytes) == 1) {
        *out = address_of_bytes(ADDRESS_V4, bytes, 0);
        return 0;
    }
    if (inet_pton(AF_INET6, copy, bytes) == 1) {
        *out = address_of_bytes(ADDRESS_V6, bytes, 0);
        return 0;
    }
    return ERR_MALFORMED;
}

const char *address_text(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    if (a->family == ADDRESS_NONE) {
        memcpy(out, "localhost", sizeof("localhost"));
    } else {
        CHECK(inet_ntop(a->family == ADDRESS_V4 ? AF_INET : AF_INET6, a->bytes, out,
                        ADDRESS_TEXT_MAX) != NULL);
    }
    return out;
}

bool address_is_same(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* "8" of "10.0.0.0/8"; what is above any family's is taken for the largest, and refused there. */
static int bits_parse(unsigned *out, struct slice digits)
{
    unsigned bits = 0;

    if (digits.len == 0 || digits.len > 3) {
        return ERR_MALFORMED;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return ERR_MALFORMED;
        }
        bits = bits * 10 + (unsigned)(digits.data[i] - '0');
    }
    *out = bits;
    return 0;
}

int network_parse(struct network *out, struct slice text)
{
    const char *slash = text.len == 0 ? NULL : memchr(text.data, '/', text.len);
    size_t len = slash == NULL ? text.len : (size_t)(slash - text.data);
    struct address written;
    unsigned max;

    if (address_parse(&out->base, (struct slice){text.data, len}) != 0) {
        return ERR_MALFORMED;
    }
    written = out->base;
    max = bits_of((enum address_family)written.family);
    out->bits = max;
    if (slash == NULL) {
        return 0;
    }
    if (bits_parse(&out->bits, (struct slice){slash + 1, text.len - len - 1}) != 0) {
        return ERR_MALFORMED;
    }
    if (memchr(text.data, ':', len) != NULL && written.family == ADDRESS_V4) {
        if (out->bits < 96) { /* ::ffff:0:0/95 has addresses that are no IPv4 */
            return ERR_MALFORMED;
        }
        out->bits -= 96;
    }
    return out->bits <= max ? 0 : ERR_MALFORMED;
}

bool network_has(const struct network *network, const struct address *a)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;

    if (network->base.family != a->family || memcmp(network->base.bytes, a->bytes, whole) != 0) {
        return false;
    }
    return rest == 0 || ((network->base.bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}
