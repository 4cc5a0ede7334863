/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - JSON taken apart, piece by piece, without memory: the columns that hold it are short.
 */
#ifndef CONF_JSON_H
#define CONF_JSON_H

#include "base/base.h"

#define JSON_DEPTH 32 /* deeper is refused */

enum json_kind {
    JSON_END, /* the whole text was read and is well formed */
    JSON_BAD,
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_KEY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL
};

struct json {
    const char *pos;
    const char *end;
    struct slice
        text; /* JSON_KEY, JSON_STRING: between the quotes, escapes as written; JSON_NUMBER */
    uint32_t objects; /* a bit for each depth: an object, not an array */
    uint8_t depth;
    uint8_t expect; /* what may come next */
};

void json_init(struct json *json, struct slice text);

/* json_next - the next piece; JSON_BAD or JSON_END again and again. */
enum json_kind json_next(struct json *json);

/* json_skip - the rest of the object or array that json_next has just begun. Returns false when it is bad. */
bool json_skip(struct json *json);

/* json_is_valid - is it one well-formed value? */
bool json_is_valid(struct slice text);

#endif
