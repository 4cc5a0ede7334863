/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_line.c - see json_line.h.
 */
#include "proxy/json_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define ESCAPED_MAX 6 /* bytes that one byte may need: \u00ff */

size_t json_room(struct slice text)
{
    return ESCAPED_MAX * text.len;
}

void json_add(struct json_line *line, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line->base + line->len, line->cap - line->len, format, args);
    va_end(args);
    CHECK(n >= 0 && (size_t)n < line->cap - line->len);
    line->len += (size_t)n;
}

/* The length of the well-formed UTF-8 character at p; 0 = it is none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    uint32_t code = p[0] & (0xffu >> (len == 1 ? 0 : len + 1));

    if (len > left || (p[0] >= 0x80 && p[0] < 0xc2) || p[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (p[i] & 0x3fu);
    }
    return code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : len;
}

void json_text(struct json_line *line, const char *name, struct slice text)
{
    const unsigned char *p = (const unsigned char *)text.data;

    json_add(line, ",\"%s\":\"", name);
    for (size_t i = 0; i < text.len;) {
        size_t len = p[i] < 0x20 || p[i] == 0x7f ? 0 : utf8_length(p + i, text.len - i);

        if (len == 0) {
            json_add(line, "\\u%04x", p[i]);
            i++;
        } else {
            if (p[i] == '"' || p[i] == '\\') {
                line->base[line->len++] = '\\';
            }
            memcpy(line->base + line->len, p + i, len);
            line->len += len;
            i += len;
        }
    }
    json_add(line, "\"");
}

void json_time(struct json_line *line, const char *name, uint64_t unix_us, bool is_ms)
{
    time_t seconds = (time_t)(unix_us / 1000000);
    unsigned us = (unsigned)(unix_us % 1000000);
    char text[32];
    struct tm tm;

    (void)localtime_r(&seconds, &tm);
    (void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    json_add(line, ",\"%s\":\"%s.%0*u\"", name, text, is_ms ? 3 : 6, is_ms ? us / 1000 : us);
}
