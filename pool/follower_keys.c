/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_keys.c - see follower_keys.h.
 */
#include "pool/follower_keys.h"

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool is_plain(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || (c != '\0' && strchr("_-.:/@ ", c) != NULL);
}

bool row_key_plain(char out[ROW_KEY_MAX], size_t *len, struct slice value)
{
    while (value.len > 0 && value.data[value.len - 1] == ' ') {
        value.len--;
    }
    if (value.len == 0 || value.len > ROW_KEY_MAX ||
        (!is_letter(value.data[0]) && value.data[0] != '_')) {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (!is_plain(value.data[i])) {
            return false;
        }
        out[i] = lower(value.data[i]);
    }
    *len = value.len;
    return true;
}
