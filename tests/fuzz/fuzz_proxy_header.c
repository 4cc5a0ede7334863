/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_proxy_header.c - the header of the PROXY protocol; what decodes does so from its own bytes
 * alone, with the same result, and none of its cuts does.
 *
 * Input: the bytes.
 */
#include <stdlib.h>

#include "base/err.h"
#include "protocol/proxy_header.h"

#define CUTS_MAX 256 /* bytes of which every cut is tried */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool header_is_same(const struct proxy_header *a, const struct proxy_header *b)
{
    return a->len == b->len && a->version == b->version && a->is_own == b->is_own &&
           address_is_same(&a->client, &b->client) && address_is_same(&a->reached, &b->reached) &&
           a->client.port == b->client.port && a->reached.port == b->reached.port;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header h, again;
    char text[ADDRESS_TEXT_MAX];
    int rc = proxy_header_decode(&h, data, size);

    CHECK(rc == 0 || rc == ERR_INCOMPLETE || rc == ERR_NOT_FOUND || rc == ERR_MALFORMED);
    if (rc != 0) {
        CHECK(rc != ERR_INCOMPLETE || size < PROXY_HEADER_MAX);
        return 0;
    }
    CHECK(h.len > 0 && h.len <= size && h.len <= PROXY_HEADER_MAX);
    CHECK(address_text(&h.client, text) == text && address_text(&h.reached, text) == text);
    CHECK(proxy_header_decode(&again, data, h.len) == 0 && header_is_same(&h, &again));
    for (size_t i = 0; i < MIN(h.len, (size_t)CUTS_MAX); i++) {
        CHECK(proxy_header_decode(&again, data, i) == ERR_INCOMPLETE);
    }
    return 0;
}
