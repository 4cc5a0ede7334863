/* SPDX-License-Identifier: Apache-2.0 */
/*
 * near.c - the distance of two names: letters added, left out, changed, or two swapped.
 */
#include "conf/near.h"

#define NAME_MAX_LEN 80 /* no known name is longer */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    return MIN(MIN(a, b), c);
}

/* Both at most NAME_MAX_LEN long. Three rows of the usual table: two back for swapped letters. */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned rows[3][NAME_MAX_LEN + 1];

    for (size_t j = 0; j <= b.len; j++) {
        rows[0][j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        unsigned *now = rows[i % 3];
        const unsigned *before = rows[(i + 2) % 3];
        const unsigned *two_before = rows[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = lower(a.data[i - 1]), y = lower(b.data[j - 1]);

            now[j] = least(before[j] + 1, now[j - 1] + 1, before[j - 1] + (x == y ? 0 : 1));
            if (i > 1 && j > 1 && x == lower(b.data[j - 2]) && y == lower(a.data[i - 2])) {
                now[j] = MIN(now[j], two_before[j - 2] + 1);
            }
        }
    }
    return rows[a.len % 3][b.len];
}

const char *near_find(struct slice wrong, near_name_fn name, const void *ctx, size_t n)
{
    const char *best = NULL;
    /* A third of the letters may be wrong: more would suggest names that only look alike. */
    unsigned limit = 1 + (unsigned)MIN(wrong.len, 12) / 3;

    if (wrong.len == 0 || wrong.len > NAME_MAX_LEN) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        struct slice known = slice_of(name(ctx, i));

        if (known.len == 0 || known.len > NAME_MAX_LEN) {
            continue;
        }
        unsigned d = distance(wrong, known);

        if (d <= limit) {
            best = known.data;
            limit = d - (d > 0 ? 1 : 0); /* the next one must be nearer */
            if (d == 0) {
                break;
            }
        }
    }
    return best;
}
