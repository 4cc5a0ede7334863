/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.c - see audit.h.
 */
#include "proxy/audit.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proxy/client_peer.h"
#include "proxy/events_log.h"
#include "proxy/json_line.h"
#include "proxy/worker.h"

#define FIXED_BYTES 1024 /* names of fields, numbers, times */

static void optional(struct json_line *line, const char *name, struct slice text)
{
    if (text.len > 0) {
        json_text(line, name, text);
    }
}

size_t audit_room(const struct audit_event *e)
{
    return FIXED_BYTES + json_room(e->username) + json_room(e->schemaname) +
           json_room(e->client_addr) + json_room(e->balancer) + json_room(e->proxy_addr) +
           json_room(e->extra_info) + json_room(e->statement);
}

size_t audit_format(const struct audit_event *e, char *out, size_t cap)
{
    struct json_line line = json_line_in(out, cap);

    json_add(&line, "{\"event\":\"%s\"", e->event);
    json_time(&line, "time", e->now_us, true);
    json_add(&line, ",\"timestamp\":%llu,\"thread_id\":%llu", (unsigned long long)e->now_us / 1000,
             (unsigned long long)e->thread_id);
    json_text(&line, "username", e->username);
    json_text(&line, "schemaname", e->schemaname);
    optional(&line, "client_addr", e->client_addr);
    optional(&line, "balancer_addr", e->balancer);
    optional(&line, "proxy_addr", e->proxy_addr);
    json_add(&line, ",\"ssl\":%s", e->is_tls ? "true" : "false");
    if (e->has_age) {
        json_time(&line, "creation_time", e->now_us - e->age_us, true);
        json_add(&line, ",\"duration\":\"%llu.%03ums\"", (unsigned long long)e->age_us / 1000,
                 (unsigned)(e->age_us % 1000));
    }
    optional(&line, "extra_info", e->extra_info);
    optional(&line, "statement", e->statement);
    if (e->error != 0) {
        json_add(&line, ",\"error\":%u", e->error);
    }
    json_add(&line, "}\n");
    return line.len;
}

void audit_write(struct galeway *g, const struct audit_event *e)
{
    size_t room = audit_room(e);
    char *line = mem_try(MEM_LOG, room);

    if (line == NULL) {
        events_log_lost(g->audit.log);
        return;
    }
    events_log_add(g->audit.log, line, audit_format(e, line, room));
    mem_free(MEM_LOG, line);
}

/* --- clients ---------------------------------------------------------------------------------- */

static void put_name(const struct address *a, char *out, size_t cap)
{
    char text[ADDRESS_TEXT_MAX];

    if (a->family == ADDRESS_NONE) {
        (void)snprintf(out, cap, "localhost");
    } else {
        (void)snprintf(out, cap, a->family == ADDRESS_V6 ? "[%s]:%u" : "%s:%u",
                       address_text(a, text), a->port);
    }
}

void audit_socket_name(const uv_stream_t *stream, bool is_peer, char *out, size_t cap)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    struct sockaddr *to = (struct sockaddr *)(void *)&storage;
    const uv_tcp_t *tcp = (const uv_tcp_t *)(const void *)stream;
    struct address a = {.family = ADDRESS_NONE};
    int len = sizeof(storage);
    size_t room = cap - 1;

    memset(out, 0, cap);
    if (stream->type != UV_TCP && !is_peer) {
        (void)uv_pipe_getsockname((const uv_pipe_t *)(const void *)stream, out, &room);
        return;
    }
    if (stream->type == UV_TCP &&
        (is_peer ? uv_tcp_getpeername(tcp, to, &len) : uv_tcp_getsockname(tcp, to, &len)) == 0) {
        a = address_of(to);
    }
    put_name(&a, out, cap);
}

static struct slice user_of(const struct client *c)
{
    if (c->login != NULL && c->login->user[0] != '\0') {
        return slice_of(c->login->user);
    }
    return slice_of(c->session.account == NULL ? "" : c->session.account->name);
}

static struct slice schema_of(const struct client *c)
{
    if (c->login != NULL && c->login->schema[0] != '\0') {
        return slice_of(c->login->schema);
    }
    return session_schema_name(&c->session);
}

void audit_client(const struct client *c, enum audit_what what, struct slice extra_info)
{
    static const char *const names[] = {
        [AUDIT_CONNECT_OK] = "MySQL_Client_Connect_OK",
        [AUDIT_CONNECT_ERR] = "MySQL_Client_Connect_ERR",
        [AUDIT_CHANGE_USER_OK] = "MySQL_Client_Change_User_OK",
        [AUDIT_CHANGE_USER_ERR] = "MySQL_Client_Change_User_ERR",
        [AUDIT_INIT_DB] = "MySQL_Client_Init_DB",
        [AUDIT_QUIT] = "MySQL_Client_Quit",
        [AUDIT_CLOSE] = "MySQL_Client_Close",
    };
    struct galeway *g = c->worker->galeway;
    char client[AUDIT_NAME_MAX], balancer[AUDIT_NAME_MAX] = "", proxy[AUDIT_NAME_MAX];
    struct address address, of_balancer;

    if (!audit_is_on(g)) {
        return;
    }
    address = client_address(c);
    of_balancer = client_balancer(c);
    put_name(&address, client, sizeof(client));
    if (of_balancer.family != ADDRESS_NONE) {
        put_name(&of_balancer, balancer, sizeof(balancer));
    }
    audit_socket_name(&c->stream.u.uv, false, proxy, sizeof(proxy));
    audit_write(g, &(struct audit_event){
                       .event = names[what],
                       .thread_id = c->id,
                       .is_tls = c->stream.tls != NULL,
                       .username = user_of(c),
                       .schemaname = schema_of(c),
                       .client_addr = slice_of(client),
                       .balancer = slice_of(balancer),
                       .proxy_addr = slice_of(proxy),
                       .now_us = clock_unix_us(),
                       .age_us = (c->worker->now_ms - c->created_ms) * 1000,
                       .has_age = what == AUDIT_CLOSE || what == AUDIT_CONNECT_ERR,
                       .extra_info = extra_info,
                   });
}
