/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - see event.h.
 */
#include "proxy/event.h"

#include "proxy/json_line.h"

#define FIXED_BYTES 1024 /* names of fields, numbers, times */

static void add_time(struct json_line *o, const char *name, uint64_t us)
{
    json_time(o, name, us, false);
    json_add(o, ",\"%s_timestamp_us\":%llu", name, (unsigned long long)us);
}

static struct slice cut(struct slice query)
{
    return (struct slice){query.data, MIN(query.len, EVENT_QUERY_MAX)};
}

size_t event_room(const struct event *e)
{
    return FIXED_BYTES + json_room(e->username) + json_room(e->schemaname) + json_room(e->client) +
           json_room(e->server) + json_room(cut(e->query));
}

size_t event_write(const struct event *e, char *out, size_t cap)
{
    struct json_line o = json_line_in(out, cap);

    json_add(&o, "{\"hostgroup_id\":%d,\"thread_id\":%llu,\"event\":\"%s\"", e->hostgroup,
             (unsigned long long)e->thread_id, e->kind);
    json_text(&o, "username", e->username);
    json_text(&o, "schemaname", e->schemaname);
    json_text(&o, "client", e->client);
    if (e->server.len > 0) {
        json_text(&o, "server", e->server);
    }
    if (e->client_stmt_id != 0) {
        json_add(&o, ",\"client_stmt_id\":%u", e->client_stmt_id);
    }
    json_add(&o, ",\"rows_affected\":%llu,\"last_insert_id\":%llu,\"rows_sent\":%llu",
             (unsigned long long)e->rows_affected, (unsigned long long)e->last_insert_id,
             (unsigned long long)e->rows_sent);
    json_text(&o, "query", cut(e->query));
    add_time(&o, "starttime", e->start_us);
    add_time(&o, "endtime", e->end_us);
    json_add(&o, ",\"duration_us\":%llu,\"digest\":\"0x%016llX\"}\n",
             (unsigned long long)(e->end_us - e->start_us), (unsigned long long)e->digest);
    return o.len;
}
