/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.h - an internet address as a value, and networks of them.
 *
 * An IPv4 address that is written as IPv6 (::ffff:10.0.0.1) is the IPv4 address.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/base.h"

#define ADDRESS_TEXT_MAX 46 /* of an address with its final zero */

enum address_family { ADDRESS_NONE = 0, ADDRESS_V4 = 4, ADDRESS_V6 = 6 };

struct address {
    uint8_t family;    /* enum address_family; NONE = a unix socket, or not known */
    uint8_t bytes[16]; /* in the network's order; of IPv4 the first four, the rest is 0 */
    uint16_t port;
};

struct network {
    struct address base;
    unsigned bits; /* of base that count */
};

/* address_of - the same of a socket's address; NONE for other families. */
struct address address_of(const struct sockaddr *sockaddr);

/* address_of_bytes - four or sixteen bytes in the network's order. */
struct address address_of_bytes(enum address_family family, const uint8_t *bytes, uint16_t port);

/* address_parse - without port. Returns 0 or ERR_MALFORMED. */
int address_parse(struct address *out, struct slice text) MUST_CHECK;

/* address_text - without port, terminated; "localhost" for NONE. Returns out. */
const char *address_text(const struct address *a, char out[ADDRESS_TEXT_MAX]);

/* address_is_same - ports are not compared. */
bool address_is_same(const struct address *a, const struct address *b);

/* network_parse - "10.0.0.0/8", or an address alone. Returns 0 or ERR_MALFORMED. */
int network_parse(struct network *out, struct slice text) MUST_CHECK;
bool network_has(const struct network *network, const struct address *a);

#endif
