/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_header.h - the header of the PROXY protocol, versions 1 (a line) and 2 (binary), that a
 * load balancer sends ahead of a client's bytes.
 *
 * Neither can be the beginning of a MySQL client's first packet: the fourth byte of that is 1.
 */
#ifndef PROTOCOL_PROXY_HEADER_H
#define PROTOCOL_PROXY_HEADER_H

#include "base/address.h"

#define PROXY_HEADER_MAX 16384 /* bytes; version 2 allows four times as much, nobody sends it */

struct proxy_header {
    size_t len;             /* bytes of the header */
    uint8_t version;        /* 1 or 2 */
    bool is_own;            /* it speaks for itself, or for a client without an address */
    struct address client;  /* unless is_own */
    struct address reached; /* likewise: the balancer's address that the client connected to */
};

/*
 * proxy_header_decode - what data begins with. Returns 0, ERR_INCOMPLETE (what is there may become
 * a header), ERR_NOT_FOUND (something else), ERR_MALFORMED (it begins as a header and is none).
 */
int proxy_header_decode(struct proxy_header *out, const uint8_t *data, size_t len) MUST_CHECK;

#endif
