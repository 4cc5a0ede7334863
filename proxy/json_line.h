/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_line.h - an object of JSON as one line, made in a buffer of the caller's: for the logs that
 * programs read.
 *
 * Pure. The caller gives room enough (json_room), so nothing here fails.
 */
#ifndef PROXY_JSON_LINE_H
#define PROXY_JSON_LINE_H

#include "base/base.h"

struct json_line {
    char *base; /* borrowed */
    size_t len, cap;
};

/* json_room - bytes that a text may need, its name and quotes left out. */
size_t json_room(struct slice text);

/* json_line_in - an empty one. */
static inline struct json_line json_line_in(void *out, size_t cap)
{
    return (struct json_line){.base = out, .cap = cap};
}

/* json_add - as it is: the caller sees to it that it is JSON. */
void json_add(struct json_line *line, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * json_text - ,"name":"text". What is no UTF-8 is taken for Latin 1: the line stays JSON whatever a
 * client sends.
 */
void json_text(struct json_line *line, const char *name, struct slice text);

/* json_time - ,"name":"2019-05-20 18:48:47.631": local time, to the millisecond or microsecond. */
void json_time(struct json_line *line, const char *name, uint64_t unix_us, bool is_ms);

#endif
