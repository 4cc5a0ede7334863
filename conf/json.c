/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.c - one piece of JSON after the other.
 *
 *   EXPECT_VALUE -value-> EXPECT_MORE -,-> EXPECT_VALUE or EXPECT_KEY
 *   EXPECT_FIRST (behind an opening bracket): as above, or the closing one
 *   EXPECT_MORE at depth 0: nothing but white space
 */
#include "conf/json.h"

enum expect { EXPECT_VALUE, EXPECT_FIRST, EXPECT_MORE, EXPECT_KEY, EXPECT_NOTHING };

void json_init(struct json *json, struct slice text)
{
    *json = (struct json){.pos = text.data, .end = text.data, .expect = EXPECT_VALUE};
    if (text.len > 0) {
        json->end = text.data + text.len;
    }
}

static enum json_kind bad(struct json *json)
{
    json->expect = EXPECT_NOTHING;
    json->pos = json->end;
    return JSON_BAD;
}

static bool in_object(const struct json *json)
{
    return json->depth > 0 && (json->objects & BIT(json->depth - 1)) != 0;
}

static void skip_space(struct json *json)
{
    while (json->pos < json->end && strchr(" \t\r\n", *json->pos) != NULL && *json->pos != '\0') {
        json->pos++;
    }
}

static bool is_digit(const struct json *json)
{
    return json->pos < json->end && *json->pos >= '0' && *json->pos <= '9';
}

static bool skip_digits(struct json *json)
{
    bool any = is_digit(json);

    while (is_digit(json)) {
        json->pos++;
    }
    return any;
}

static bool take(struct json *json, char c)
{
    if (json->pos < json->end && *json->pos == c) {
        json->pos++;
        return true;
    }
    return false;
}

static bool read_number(struct json *json)
{
    const char *start = json->pos;

    (void)take(json, '-');
    if (!take(json, '0') && !skip_digits(json)) {
        return false;
    }
    if (take(json, '.') && !skip_digits(json)) {
        return false;
    }
    if (take(json, 'e') || take(json, 'E')) {
        if (!take(json, '+')) {
            (void)take(json, '-');
        }
        if (!skip_digits(json)) {
            return false;
        }
    }
    json->text = (struct slice){start, (size_t)(json->pos - start)};
    return true;
}

static bool read_hex(struct json *json)
{
    for (int i = 0; i < 4; i++) {
        if (json->pos == json->end || *json->pos == '\0' ||
            strchr("0123456789abcdefABCDEF", *json->pos) == NULL) {
            return false;
        }
        json->pos++;
    }
    return true;
}

/* The opening quote is read. */
static bool read_string(struct json *json)
{
    const char *start = json->pos;

    while (json->pos < json->end) {
        char c = *json->pos++;

        if (c == '"') {
            json->text = (struct slice){start, (size_t)(json->pos - 1 - start)};
            return true;
        }
        if ((unsigned char)c < 0x20) {
            return false;
        }
        if (c == '\\') {
            if (json->pos == json->end || *json->pos == '\0' ||
                strchr("\"\\/bfnrtu", *json->pos) == NULL) {
                return false;
            }
            if (*json->pos++ == 'u' && !read_hex(json)) {
                return false;
            }
        }
    }
    return false;
}

static bool read_word(struct json *json, struct slice word)
{
    if ((size_t)(json->end - json->pos) < word.len || memcmp(json->pos, word.data, word.len) != 0) {
        return false;
    }
    json->pos += word.len;
    return true;
}

static enum json_kind open(struct json *json, bool is_object)
{
    if (json->depth == JSON_DEPTH) {
        return bad(json);
    }
    json->objects &= ~BIT(json->depth);
    json->objects |= is_object ? BIT(json->depth) : 0;
    json->depth++;
    json->expect = EXPECT_FIRST;
    return is_object ? JSON_OBJECT : JSON_ARRAY;
}

static enum json_kind read_value(struct json *json)
{
    json->expect = EXPECT_MORE;
    if (take(json, '{')) {
        return open(json, true);
    }
    if (take(json, '[')) {
        return open(json, false);
    }
    if (take(json, '"')) {
        return read_string(json) ? JSON_STRING : bad(json);
    }
    if (read_word(json, SLICE("true"))) {
        return JSON_TRUE;
    }
    if (read_word(json, SLICE("false"))) {
        return JSON_FALSE;
    }
    if (read_word(json, SLICE("null"))) {
        return JSON_NULL;
    }
    return read_number(json) ? JSON_NUMBER : bad(json);
}

static enum json_kind read_key(struct json *json)
{
    if (!take(json, '"') || !read_string(json)) {
        return bad(json);
    }
    skip_space(json);
    if (!take(json, ':')) {
        return bad(json);
    }
    json->expect = EXPECT_VALUE;
    return JSON_KEY;
}

/* Inside of an object or array: may it end here? */
static bool ends(struct json *json)
{
    return json->depth > 0 && (json->expect == EXPECT_FIRST || json->expect == EXPECT_MORE) &&
           take(json, in_object(json) ? '}' : ']');
}

enum json_kind json_next(struct json *json)
{
    skip_space(json);
    if (json->expect == EXPECT_NOTHING) {
        return JSON_BAD;
    }
    if (json->expect == EXPECT_MORE && json->depth == 0) {
        return json->pos == json->end ? JSON_END : bad(json);
    }
    if (ends(json)) {
        enum json_kind kind = in_object(json) ? JSON_OBJECT_END : JSON_ARRAY_END;

        json->depth--;
        json->expect = EXPECT_MORE;
        return kind;
    }
    if (json->expect == EXPECT_MORE) {
        if (!take(json, ',')) {
            return bad(json);
        }
        json->expect = in_object(json) ? EXPECT_KEY : EXPECT_VALUE;
        skip_space(json);
    }
    if (json->expect == EXPECT_KEY || (json->expect == EXPECT_FIRST && in_object(json))) {
        return read_key(json);
    }
    return read_value(json);
}

bool json_skip(struct json *json)
{
    unsigned depth = json->depth;

    while (json->depth >= depth) {
        enum json_kind kind = json_next(json);

        if (kind == JSON_BAD || kind == JSON_END) {
            return false;
        }
    }
    return true;
}

bool json_is_valid(struct slice text)
{
    struct json json;
    enum json_kind kind;

    json_init(&json, text);
    do {
        kind = json_next(&json);
    } while (kind != JSON_BAD && kind != JSON_END);
    return kind == JSON_END;
}
