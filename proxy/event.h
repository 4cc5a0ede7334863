/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.h - one statement as a line of JSON for the statement log, with the fields ProxySQL gives
 * it.
 *
 * Pure: plain values in, bytes out.
 */
#ifndef PROXY_EVENT_H
#define PROXY_EVENT_H

#include "base/base.h"

#define EVENT_QUERY_MAX ((size_t)65536) /* bytes of a statement that are logged */

struct event {
    const char *kind; /* "COM_QUERY" */
    uint64_t thread_id;
    struct slice username, schemaname, client;
    struct slice server; /* empty: answered here */
    int hostgroup;       /* -1: answered here */
    uint64_t rows_affected, last_insert_id, rows_sent;
    uint64_t digest;
    uint64_t start_us, end_us; /* since 1970 */
    uint32_t client_stmt_id;   /* 0 = none */
    struct slice query;
};

/* event_room - bytes that event_write may need for it. */
size_t event_room(const struct event *e);

/* event_write - the line with its end; returns its length. out has event_room(e) bytes. */
size_t event_write(const struct event *e, char *out, size_t cap);

#endif
