/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.h - the few words every file uses: CHECK, MUST_CHECK, CONTAINER_OF, BIT, slices.
 *
 * CHECK is for bugs of ours and is on in every build. What a peer, a file or the system sends is
 * never checked with it: that is an error result.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK                      __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args)          __attribute__((format(printf, fmt, args)))
#define NO_RETURN                       __attribute__((noreturn))
#define LIKELY(x)                       __builtin_expect(!!(x), 1)
#define UNLIKELY(x)                     __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))
#define BIT(n)                          (UINT32_C(1) << (n))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
/* uv.h brings in sys/param.h, which has them too, with the same meaning. */
#undef MIN
#undef MAX
#define MIN(a, b)  ((a) < (b) ? (a) : (b))
#define MAX(a, b)  ((a) > (b) ? (a) : (b))
#define CACHE_LINE 64

#define CHECK(expr) \
    (LIKELY(expr) ? (void)0 : base_check_failed(#expr, __FILE__, __LINE__, __func__))
#define UNREACHABLE() base_check_failed("unreachable", __FILE__, __LINE__, __func__)

/* Bytes that somebody else owns; not terminated by zero. {NULL, 0} is the empty slice. */
struct slice {
    const char *data;
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
#define SLICE_ARGS(s)  (int)(s).len, (s).data /* for "%.*s" */

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* slice_eq_nocase - equal but for the case of ASCII letters. */
bool slice_eq_nocase(struct slice a, struct slice b);

/*
 * slice_behind_nocase - what follows the first place of part (not empty) in s; data NULL = part is
 * not in s.
 */
struct slice slice_behind_nocase(struct slice s, struct slice part);

/*
 * base_check_failed - say which CHECK failed, where, and abort.
 */
NO_RETURN void base_check_failed(const char *expr, const char *file, int line, const char *func);

#endif
