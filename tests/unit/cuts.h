/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cuts.h - run a decoder on every cut of its input and on every change of one byte.
 *
 * The decoder gets a copy of exactly the bytes it may read, so a sanitizer sees each byte too far.
 */
#ifndef TESTS_UNIT_CUTS_H
#define TESTS_UNIT_CUTS_H

#include <stdlib.h>

#include "tests/unit/test.h"

/*
 * Decodes and checks that the result is sane (slices inside the input); gives the decoder's result.
 */
typedef int (*cuts_decode_fn)(const uint8_t *data, size_t len);

static inline int cuts_run(cuts_decode_fn decode, const void *data, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    int rc;

    assert_non_null(copy);
    if (len > 0) {
        memcpy(copy, data, len);
    }
    rc = decode(copy, len);
    free(copy);
    return rc;
}

/* cuts_check - the whole decodes; cuts shorter than valid_from do not, longer ones may. */
static inline void cuts_check(cuts_decode_fn decode, const void *data, size_t len,
                              size_t valid_from)
{
    uint8_t *changed = malloc(len);

    assert_non_null(changed);
    memcpy(changed, data, len);
    assert_int_equal(cuts_run(decode, data, len), 0);
    for (size_t i = 0; i < len; i++) {
        int rc = cuts_run(decode, data, i);

        if (i < valid_from && rc == 0) {
            fail_msg("decodes with %zu of %zu bytes", i, len);
        }
        for (unsigned value = 0; value < 256; value++) {
            changed[i] = (uint8_t)value;
            (void)cuts_run(decode, changed, len);
        }
        changed[i] = ((const uint8_t *)data)[i];
    }
    free(changed);
}

/* cuts_assert_inside - a slice that a decoder gave points into its input. */
static inline void cuts_assert_inside(struct slice s, const uint8_t *data, size_t len)
{
    const char *start = (const char *)data;

    if (s.len > 0) {
        assert_true(s.data >= start && s.len <= len && s.data + s.len <= start + len);
    }
}

static inline void assert_slice_equal(struct slice s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.len == 0 ? "" : s.data, text, s.len);
}

#endif
