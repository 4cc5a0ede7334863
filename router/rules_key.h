/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_key.h - names and numbers as one key: each text with its length, so that no two lists of
 * texts are alike.
 */
#ifndef ROUTER_RULES_KEY_H
#define ROUTER_RULES_KEY_H

#include "base/base.h"

#define RULES_KEY_MAX 1024

struct rules_key {
    size_t len;
    bool is_too_long; /* for the names that there may be: what was added last is not in it */
    char bytes[RULES_KEY_MAX];
};

/* rules_key_begin - an empty key; the bytes are left as they are, this runs for each statement. */
static inline void rules_key_begin(struct rules_key *key)
{
    key->len = 0;
    key->is_too_long = false;
}

static inline void rules_key_add(struct rules_key *key, const void *bytes, size_t n)
{
    if (n > sizeof(key->bytes) - key->len) {
        key->is_too_long = true;
        return;
    }
    if (n > 0) {
        memcpy(key->bytes + key->len, bytes, n);
        key->len += n;
    }
}

static inline void rules_key_add_text(struct rules_key *key, struct slice text)
{
    uint32_t len = (uint32_t)text.len;

    rules_key_add(key, &len, sizeof(len));
    rules_key_add(key, text.data, text.len);
}

#endif
