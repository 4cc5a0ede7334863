/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.c - slices, and the end of a process that found a bug in itself.
 */
#include "base/base.h"

#include "base/log.h"

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

struct slice slice_behind_nocase(struct slice s, struct slice part)
{
    for (size_t i = 0; i + part.len <= s.len; i++) {
        size_t end = i + part.len;

        if (slice_eq_nocase((struct slice){s.data + i, part.len}, part)) {
            return (struct slice){s.data + end, s.len - end};
        }
    }
    return (struct slice){NULL, 0};
}

void base_check_failed(const char *expr, const char *file, int line, const char *func)
{
    log_fatal("CHECK failed: %s in %s() at %s:%d", expr, func, file, line);
}
