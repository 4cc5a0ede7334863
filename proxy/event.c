/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - see event.h.
 */
#include "proxy/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define FIXED_BYTES 1024 /* names of fields, numbers, times */
#define ESCAPED_MAX 6    /* bytes that one byte may need: \u00ff */

struct out {
    char *base;
    size_t len, cap;
};

PRINTF_LIKE(2, 3)
static void add(struct out *o, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(o->base + o->len, o->cap - o->len, format, args);
    va_end(args);
    CHECK(n >= 0 && (size_t)n < o->cap - o->len);
    o->len += (size_t)n;
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

/* What is no UTF-8 is taken for Latin 1: the line stays JSON whatever a client sends. */
static void add_text(struct out *o, const char *name, struct slice text)
{
    const unsigned char *p = (const unsigned char *)text.data;

    add(o, ",\"%s\":\"", name);
    for (size_t i = 0; i < text.len;) {
        size_t len = p[i] < 0x20 || p[i] == 0x7f ? 0 : utf8_length(p + i, text.len - i);

        if (len == 0) {
            add(o, "\\u%04x", p[i]);
            i++;
        } else {
            if (p[i] == '"' || p[i] == '\\') {
                o->base[o->len++] = '\\';
            }
            memcpy(o->base + o->len, p + i, len);
            o->len += len;
            i += len;
        }
    }
    add(o, "\"");
}

static void add_time(struct out *o, const char *name, uint64_t us)
{
    time_t seconds = (time_t)(us / 1000000);
    char text[32];
    struct tm tm;

    (void)localtime_r(&seconds, &tm);
    (void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    add(o, ",\"%s\":\"%s.%06u\",\"%s_timestamp_us\":%llu", name, text, (unsigned)(us % 1000000),
        name, (unsigned long long)us);
}

static struct slice cut(struct slice query)
{
    return (struct slice){query.data, MIN(query.len, EVENT_QUERY_MAX)};
}

size_t event_room(const struct event *e)
{
    return FIXED_BYTES + ESCAPED_MAX * (e->username.len + e->schemaname.len + e->client.len +
                                        e->server.len + cut(e->query).len);
}

size_t event_write(const struct event *e, char *out, size_t cap)
{
    struct out o = {.cap = cap};

    o.base = out;
    add(&o, "{\"hostgroup_id\":%d,\"thread_id\":%llu,\"event\":\"%s\"", e->hostgroup,
        (unsigned long long)e->thread_id, e->kind);
    add_text(&o, "username", e->username);
    add_text(&o, "schemaname", e->schemaname);
    add_text(&o, "client", e->client);
    if (e->server.len > 0) {
        add_text(&o, "server", e->server);
    }
    if (e->client_stmt_id != 0) {
        add(&o, ",\"client_stmt_id\":%u", e->client_stmt_id);
    }
    add(&o, ",\"rows_affected\":%llu,\"last_insert_id\":%llu,\"rows_sent\":%llu",
        (unsigned long long)e->rows_affected, (unsigned long long)e->last_insert_id,
        (unsigned long long)e->rows_sent);
    add_text(&o, "query", cut(e->query));
    add_time(&o, "starttime", e->start_us);
    add_time(&o, "endtime", e->end_us);
    add(&o, ",\"duration_us\":%llu,\"digest\":\"0x%016llX\"}\n",
        (unsigned long long)(e->end_us - e->start_us), (unsigned long long)e->digest);
    return o.len;
}
