/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures_live.c - what a worker's clients and server connections are doing at this moment.
 */
#include <stdio.h>
#include <xxhash.h>

#include "base/mem.h"
#include "pool/server_stmt.h"
#include "protocol/command.h"
#include "proxy/client_peer.h"
#include "proxy/client_stmt.h"
#include "proxy/figures_client.h"
#include "proxy/figures_read.h"
#include "proxy/worker.h"
#include "router/secret_text.h"

/* As a node's process list calls it. */
static const char *command_name(const struct client *c)
{
    if (c->session.account == NULL || c->login != NULL) {
        return "Connect";
    }
    if (c->task == NULL) {
        return "Sleep";
    }
    switch (c->task->command) {
    case COM_QUERY: return "Query";
    case COM_INIT_DB: return "Init DB";
    case COM_PING: return "Ping";
    case COM_FIELD_LIST: return "Field List";
    case COM_STMT_PREPARE: return "Prepare";
    case COM_STMT_EXECUTE:
    case COM_STMT_BULK_EXECUTE: return "Execute";
    case COM_STMT_SEND_LONG_DATA: return "Long Data";
    case COM_STMT_CLOSE: return "Close stmt";
    case COM_STMT_RESET: return "Reset stmt";
    case COM_STMT_FETCH: return "Fetch";
    case COM_CHANGE_USER: return "Change user";
    case COM_RESET_CONNECTION: return "Reset connection";
    default: return "Query";
    }
}

/* --- clients --------------------------------------------------------------------------------- */

/* Our end of a server connection; "localhost" and no port when it is a unix socket. */
static struct address local_end(const struct stream *stream)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    struct sockaddr *to = (struct sockaddr *)(void *)&address;
    int len = sizeof(address);

    if (stream->u.handle.type == UV_TCP && uv_tcp_getsockname(&stream->u.tcp, to, &len) == 0) {
        return address_of(to);
    }
    return (struct address){.family = ADDRESS_NONE};
}

static struct figures_text *info_of(const struct client *c)
{
    char hidden[SECRET_TEXT_MAX];
    struct slice sql = secret_hide(figures_sql(c->task), client_mode(c), hidden);

    sql.len = MIN(sql.len, (size_t)FIGURES_INFO_MAX);
    return sql.len == 0 ? NULL : figures_text_new(sql);
}

static void add_client(const struct client *c, struct figures_copy *copy)
{
    const struct session *s = &c->session;
    struct figures_client *row = figures_list_add(&copy->clients, sizeof(*row));
    struct address address = client_address(c);

    if (row == NULL) {
        return;
    }
    row->id = c->id;
    row->account = s->account;
    row->schema = s->schema;
    row->command = command_name(c);
    row->state = client_state_name(c);
    row->hostgroup = FIGURES_HERE;
    row->pins = s->pins;
    row->status = s->status;
    row->questions = c->questions;
    row->time_ms = c->worker->now_ms - (c->task != NULL ? c->task->since_ms : c->since_ms);
    row->port = address.port;
    row->balancer = client_balancer(c);
    row->is_compressed = stream_is_compressed(&c->stream);
    (void)address_text(&address, row->address);
    if (c->task != NULL) {
        row->info = info_of(c);
        row->hostgroup = c->task->route.hostgroup;
    }
    if (c->server != NULL) {
        row->node = c->server->node;
        row->hostgroup = c->server->traffic->hostgroup;
        row->server_thread = c->server->thread_id;
        address = local_end(&c->server->stream);
        row->local_port = address.port;
        (void)address_text(&address, row->local_address);
    }
}

/* A row for each client that uses anything; who reads adds them up. */
static void add_site(const struct client *c, struct figures_copy *copy)
{
    struct figures_site_now *row;

    if (c->session.account == NULL ||
        (c->state != CLIENT_WAITING && c->server == NULL && c->session.pins == 0)) {
        return;
    }
    row = figures_list_add(&copy->sites_now, sizeof(*row));
    if (row != NULL) {
        row->account = c->session.account->shown;
        row->schema = c->session.schema;
        row->waiting = c->state == CLIENT_WAITING ? 1 : 0;
        row->servers = c->server != NULL ? 1 : 0;
        row->pinned = c->session.pins != 0 ? 1 : 0;
    }
}

static bool stmt_is_of(const void *record, const void *key)
{
    const struct figures_stmt *row = record;
    const struct figures_stmt *k = key;

    return row->key == k->key && row->account == k->account && row->schema == k->schema;
}

static bool stmt_may_leave(const void *record)
{
    (void)record;
    return false;
}

static const struct figures_kind stmt_kind = {
    .size = sizeof(struct figures_stmt), .is_of = stmt_is_of, .may_leave = stmt_may_leave};

/* NULL: there are too many. */
static struct figures_stmt *stmt_row(struct figures_table *table, const struct account *account,
                                     const struct schema *schema, const struct stmt_text *text)
{
    const struct figures_stmt key = {.key = text, .account = account, .schema = schema};
    uint64_t hash = XXH3_64bits(&key.key, offsetof(struct figures_stmt, text) -
                                              offsetof(struct figures_stmt, key));
    struct figures_stmt *row;
    bool is_new;

    row = figures_table_get(table, hash, &key, &is_new);
    if (row != NULL && is_new) {
        row->key = text;
        row->account = account;
        row->schema = schema;
        row->text = figures_text_new(
            (struct slice){text->text, MIN(text->len, (size_t)FIGURES_STMT_TEXT_MAX)});
    }
    return row;
}

static void add_stmts(const struct client *c, struct figures_table *table)
{
    const struct client_stmt *stmt;
    size_t pos = 0;

    while (c->session.stmts != NULL && (stmt = map_next(c->session.stmts, &pos)) != NULL) {
        struct figures_stmt *row =
            stmt_row(table, c->session.account->shown, stmt->schema, stmt->text);

        if (row != NULL) {
            row->n_params = stmt->n_params;
            row->n_columns = stmt->n_columns;
            row->n_clients++;
        }
    }
}

static void add_server_stmts(const struct server *s, struct figures_table *table)
{
    LIST_FOREACH (it, &s->stmts) {
        const struct server_stmt *stmt = CONTAINER_OF(it, struct server_stmt, in_server);
        struct figures_stmt *row = stmt_row(table, s->account->shown, stmt->schema, stmt->text);

        if (row != NULL) {
            row->n_servers++;
        }
    }
}

static void copy_stmts(const struct worker *w, struct figures_copy *copy)
{
    struct figures_table table;

    figures_table_init(&table, &stmt_kind, FIGURES_STMTS_MAX);
    LIST_FOREACH (it, &w->clients) {
        add_stmts(CONTAINER_OF(it, struct client, in_worker), &table);
    }
    LIST_FOREACH (it, &w->pool.all) {
        add_server_stmts(CONTAINER_OF(it, struct server, in_all), &table);
    }
    copy->stmts.n = copy->stmts.room = table.count;
    copy->stmts.items = table.records; /* not released: the texts go along */
    table.records = NULL;
    table.count = 0;
    figures_table_fini(&table);
}

static void add_up(const struct client *c, struct figures_totals *totals)
{
    totals->clients_busy += c->state != CLIENT_IDLE && c->state != CLIENT_CLOSING ? 1 : 0;
    totals->transactions += (c->session.status & STATUS_IN_TRANS) != 0 ? 1 : 0;
    totals->pinned += c->session.pins != 0 ? 1 : 0;
    totals->waiting += c->state == CLIENT_WAITING ? 1 : 0;
    totals->stmts_of_clients += c->session.stmts == NULL ? 0 : c->session.stmts->count;
    totals->stmt_last_id = MAX(totals->stmt_last_id, (uint64_t)c->session.next_stmt_id);
}

/* --- server connections ---------------------------------------------------------------------- */

/* What the connection's session has; empty = the node's default. */
static void put_value(const struct server *s, int variable, char out[FIGURES_VALUE_MAX])
{
    (void)snprintf(out, FIGURES_VALUE_MAX, "%.*s", SLICE_ARGS(s->profile->values[variable]));
}

static void add_server(const struct server *s, uint64_t now_ms, struct figures_copy *copy)
{
    struct figures_server *row;
    uv_os_fd_t fd = -1;

    if (s->state != SERVER_FREE) {
        return;
    }
    row = figures_list_add(&copy->servers, sizeof(*row));
    if (row == NULL) {
        return;
    }
    (void)uv_fileno(&s->stream.u.handle, &fd);
    row->fd = fd;
    row->node = s->node;
    row->account = s->account;
    row->schema = s->schema;
    row->hostgroup = s->traffic->hostgroup;
    row->thread_id = s->thread_id;
    row->idle_ms = now_ms - s->since_ms;
    row->age_ms = now_ms - s->created_ms;
    row->statements = s->statements;
    put_value(s, VAR_TIME_ZONE, row->time_zone);
    put_value(s, VAR_SQL_MODE, row->sql_mode);
}

/* --- all of it ------------------------------------------------------------------------------- */

static void copy_clients(const struct worker *w, uint32_t parts, struct figures_copy *copy)
{
    LIST_FOREACH (it, &w->clients) {
        const struct client *c = CONTAINER_OF(it, struct client, in_worker);

        if (c->state == CLIENT_CLOSING) {
            continue;
        }
        if ((parts & READ_CLIENTS) != 0) {
            add_client(c, copy);
        }
        if ((parts & READ_SITES) != 0) {
            add_site(c, copy);
        }
        if ((parts & READ_TOTALS) != 0) {
            add_up(c, &copy->totals);
        }
    }
}

static void copy_servers(const struct worker *w, uint32_t parts, struct figures_copy *copy)
{
    LIST_FOREACH (it, &w->pool.all) {
        const struct server *s = CONTAINER_OF(it, struct server, in_all);

        if ((parts & READ_SERVERS) != 0) {
            add_server(s, w->now_ms, copy);
        }
        copy->totals.stmts_on_servers += s->stmts.count;
    }
}

static void copy_waiting(const struct worker *w, struct figures_copy *copy)
{
    LIST_FOREACH (it, &w->waiting) {
        const struct client *c = CONTAINER_OF(it, struct client, in_waiting);
        struct figures_wait *row = figures_list_add(&copy->waits_now, sizeof(*row));

        if (row != NULL) {
            row->hostgroup = c->task->route.hostgroup;
            row->longest_ms = w->now_ms - c->task->queued_ms;
        }
    }
}

static void copy_totals(const struct worker *w, struct figures_totals *totals)
{
    const struct figures *f = &w->figures;

    totals->stmt_texts = w->pool.stmt_texts.count;
    totals->digests = f->digests.count;
    totals->digests_evicted = f->digests.evicted;
    totals->digests_max = f->digests.max;
    totals->sites = f->sites.count;
    totals->sites_evicted = f->sites.evicted;
    totals->errors = f->errors.count;
    totals->errors_evicted = f->errors.evicted;
    totals->pins = f->pins.count;
    totals->pins_evicted = f->pins.evicted + f->pins.refused;
    totals->nodes_us = f->nodes_us;
    totals->profiles = w->pool.profiles.by_key.count;
    totals->schemas = w->pool.schemas.by_key.count;
    memcpy(totals->retries, w->ledger.counts, sizeof(totals->retries));
}

void figures_copy_live(struct worker *w, uint32_t parts, struct figures_copy *copy)
{
    if ((parts & (READ_CLIENTS | READ_SITES | READ_TOTALS)) != 0) {
        copy_clients(w, parts, copy);
    }
    if ((parts & (READ_SERVERS | READ_TOTALS)) != 0) {
        copy_servers(w, parts, copy);
    }
    if ((parts & READ_STMTS) != 0) {
        copy_stmts(w, copy);
    }
    if ((parts & READ_QUEUE) != 0) {
        copy_waiting(w, copy);
    }
    if ((parts & READ_TOTALS) != 0) {
        copy_totals(w, &copy->totals);
    }
}
