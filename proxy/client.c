/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - life of a client: accept, read, write, close. See client.h.
 */
#include "proxy/client.h"

#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/sm.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/audit.h"
#include "proxy/client_admit.h"
#include "proxy/client_cache.h"
#include "proxy/client_peer.h"
#include "proxy/client_stmt.h"
#include "proxy/figures_client.h"
#include "proxy/rights.h"
#include "proxy/rules_apply.h"
#include "proxy/warnings.h"
#include "proxy/worker.h"

static const struct sm_state client_states[CLIENT_STATE_COUNT] = {
    [CLIENT_LOGIN] = {"login", BIT(CLIENT_LOOKUP) | BIT(CLIENT_DENIED) | BIT(CLIENT_VERIFY) |
                                   BIT(CLIENT_IDLE) | BIT(CLIENT_CLOSING)},
    [CLIENT_LOOKUP] = {"lookup", BIT(CLIENT_LOGIN) | BIT(CLIENT_CLOSING)},
    [CLIENT_DENIED] = {"denied", BIT(CLIENT_IDLE) | BIT(CLIENT_CLOSING)},
    [CLIENT_VERIFY] = {"verify", BIT(CLIENT_IDLE) | BIT(CLIENT_WAITING) | BIT(CLIENT_FITTING) |
                                     BIT(CLIENT_CLOSING)},
    [CLIENT_DELAYED] = {"delayed", BIT(CLIENT_IDLE) | BIT(CLIENT_CLOSING)},
    [CLIENT_JOINED] = {"joined", BIT(CLIENT_IDLE) | BIT(CLIENT_CLOSING)},
    [CLIENT_IDLE] = {"idle", BIT(CLIENT_LOGIN) | BIT(CLIENT_DELAYED) | BIT(CLIENT_JOINED) |
                                 BIT(CLIENT_WAITING) | BIT(CLIENT_FITTING) | BIT(CLIENT_RUNNING) |
                                 BIT(CLIENT_UPLOADING) | BIT(CLIENT_CLOSING)},
    [CLIENT_WAITING] = {"waiting", BIT(CLIENT_IDLE) | BIT(CLIENT_FITTING) | BIT(CLIENT_CLOSING)},
    [CLIENT_FITTING] = {"fitting", BIT(CLIENT_IDLE) | BIT(CLIENT_WAITING) | BIT(CLIENT_RUNNING) |
                                       BIT(CLIENT_UPLOADING) | BIT(CLIENT_CLOSING)},
    [CLIENT_RUNNING] = {"running", BIT(CLIENT_IDLE) | BIT(CLIENT_WAITING) | BIT(CLIENT_FITTING) |
                                       BIT(CLIENT_UPLOADING) | BIT(CLIENT_CLOSING)},
    [CLIENT_UPLOADING] = {"uploading",
                          BIT(CLIENT_IDLE) | BIT(CLIENT_RUNNING) | BIT(CLIENT_CLOSING)},
    [CLIENT_CLOSING] = {"closing", 0},
};

void client_to(struct client *c, enum client_state next)
{
    if (c->state == next) {
        return;
    }
    SM_MOVE(client_states, &c->state, next);
    c->since_ms = c->worker->now_ms;
}

const char *client_state_name(const struct client *c)
{
    return client_states[c->state].name;
}

uint32_t client_mode(const struct client *c)
{
    return session_sql_mode(&c->session) | c->worker->snapshot->digest_mode;
}

static const char *user_name(const struct client *c)
{
    if (c->login != NULL && c->login->user[0] != '\0') {
        return c->login->user;
    }
    return c->session.account == NULL ? NULL : c->session.account->name;
}

struct log_who client_who(const struct client *c, const char *doing)
{
    return (struct log_who){.client_id = c->id,
                            .server_id = c->server == NULL ? 0 : c->server->id,
                            .user = user_name(c),
                            .peer = client_peer_text(c),
                            .doing = doing};
}

void client_on_alarm(struct client *c)
{
    if (c->waits_turn) {
        client_input(c);
    } else if (c->state == CLIENT_DENIED) {
        client_login_denied(c);
    } else {
        rules_on_alarm(c);
    }
}

/* --- closing --------------------------------------------------------------------------------- */

static const char *reason_text(enum close_reason reason)
{
    static const char *const texts[] = {
#define X(code, who, text) [code] = who ": " text,
        CLOSE_REASONS(X)
#undef X
    };

    return texts[reason];
}

static void audit_end(const struct client *c, enum close_reason reason, int rc)
{
    bool is_refused = reason == CLOSE_LIMIT || reason == CLOSE_PROTOCOL;
    struct slice why = slice_of(rc != 0 && is_refused ? err_text(rc) : reason_text(reason));

    if (reason == CLOSE_QUIT && c->is_logged_in) {
        audit_client(c, AUDIT_QUIT, (struct slice){"", 0});
    }
    audit_client(c, c->is_logged_in ? AUDIT_CLOSE : AUDIT_CONNECT_ERR, why);
}

static void log_end(const struct client *c, enum close_reason reason, int rc)
{
    struct log_who who = client_who(c, NULL);
    unsigned long long age = (unsigned long long)(c->worker->now_ms - c->created_ms);

    bool is_usual = reason == CLOSE_QUIT || reason == CLOSE_GONE || reason == CLOSE_SHUTDOWN;

    stat_add(&c->worker->stats, STAT_CLIENTS_ABORTED, is_usual ? 0 : 1);
    if (is_usual || reason == CLOSE_DENIED || reason == CLOSE_TLS || reason == CLOSE_LIMIT) {
        /* refused: has its line */
        log_debug(&who, "closing: %s (age %llums, %llu commands)", reason_text(reason), age,
                  (unsigned long long)c->questions);
        return;
    }
    log_info(&who, "closing: %s%s%s (age %llums, %llu commands)", reason_text(reason),
             rc != 0 ? ": " : "", rc != 0 ? err_text(rc) : "", age,
             (unsigned long long)c->questions);
}

/* The server connection of a client that leaves: its statement is interrupted, its state wiped. */
static void drop_server(struct client *c)
{
    struct server *s = c->server;

    if (s == NULL) {
        return;
    }
    c->server = NULL;
    if (c->state == CLIENT_FITTING || s->state != SERVER_LENT) {
        server_close(s, "its client left before it was ready", 0);
        return;
    }
    if (c->state == CLIENT_UPLOADING) { /* the node waits for bytes that will not come */
        server_close(s, "its client left while it sent", 0);
        return;
    }
    s->must_reset |= c->session.last_id_server == s->id; /* its LAST_INSERT_ID() may be there */
    s->must_reset |= (c->session.pins & pins_that_reset()) != 0 ||
                     (s->status & STATUS_IN_TRANS) != 0 || s->n_expects > 0;
    if (s->n_expects > 0 && worker_vars(c->worker)->mysql_kill_backend_connection_when_disconnect) {
        kill_statement(c->worker, s);
    }
    pool_give(&c->worker->pool, s);
}

static void release_counts(struct client *c)
{
    (void)atomic_fetch_sub(&c->worker->galeway->n_clients, 1);
    client_admit_end(c);
    if (c->session.account != NULL) {
        (void)atomic_fetch_sub(&c->session.account->n_clients, 1);
    }
    stat_sub(&c->worker->stats, STAT_CLIENTS_CONNECTED, 1);
}

void client_close(struct client *c, enum close_reason reason, int rc)
{
    struct worker *w = c->worker;

    if (c->state == CLIENT_CLOSING) {
        return;
    }
    log_end(c, reason, rc);
    audit_end(c, reason, rc);
    client_admit_closing(c, reason);
    (void)queue_remove(&w->galeway->queue, &c->waiter);
    figures_stop_waiting(c);
    if (list_is_linked(&c->in_warned)) {
        list_remove(&w->warned, &c->in_warned);
    }
    rules_delay_end(c);
    client_cache_leave(c);
    alarm_clear(&w->alarms, &c->alarm);
    warnings_drop(c);
    session_wrote_in_doubt(&c->session, &w->galeway->causal, c->task);
    rights_in_doubt(c);
    drop_server(c);
    if (c->task != NULL) {
        task_free(&w->tasks, c->task);
        c->task = NULL;
    }
    if (c->held != NULL) {
        task_free(&w->tasks, c->held);
        c->held = NULL;
    }
    client_to(c, CLIENT_CLOSING);
    client_stmts_drop(c);
    session_reset(&c->session, &w->pool.profiles, NULL, 0);
    kill_unregister(c);
    release_counts(c);
    client_login_free(c);
    mem_free(MEM_CLIENT, c->peer);
    c->peer = NULL;
    mem_free(MEM_CLIENT, c->place);
    c->place = NULL;
    mem_free(MEM_BUFFER, c->in);
    client_upload_forget(c);
    c->in = NULL;
    CHECK(map_remove(&w->clients_by_id, (struct slice){(const char *)&c->id, sizeof(c->id)}) == c);
    stream_close(&c->stream);
}

void client_close_because(struct client *c, enum close_reason reason, int rc)
{
    if (c->state == CLIENT_CLOSING) {
        return;
    }
    if (stream_is_drained(&c->stream)) {
        client_close(c, reason, rc);
        return;
    }
    c->close_when_drained = true;
    c->close_reason = (uint8_t)reason;
    c->close_rc = rc;
    stream_read_stop(&c->stream);
}

void client_close_after_write(struct client *c, enum close_reason reason)
{
    client_close_because(c, reason, 0);
}

void client_refuse(struct client *c, int rc, enum close_reason reason)
{
    if (reason == CLOSE_PROTOCOL) {
        stat_add(&c->worker->stats, STAT_PROTOCOL_ERRORS, 1);
    }
    stat_add(&c->worker->stats, STAT_PACKETS_REFUSED, rc == ERR_PACKET_TOO_LARGE ? 1 : 0);
    if (client_error_rc(c, rc)) {
        client_close_because(c, reason, rc);
    }
}

/* --- reading --------------------------------------------------------------------------------- */

static void on_bytes(struct stream *stream, uint8_t *data, size_t len)
{
    struct client *c = CONTAINER_OF(stream, struct client, stream);
    size_t used = 0;

    stat_add(&c->worker->stats, STAT_BYTES_FROM_CLIENTS, len);
    if (c->close_when_drained) {
        return;
    }
    if (c->state == CLIENT_UPLOADING) {
        client_upload_bytes(c, data, len);
        return;
    }
    if (c->in_len == 0) {
        used = client_take_packets(c, data, len);
        if (c->state == CLIENT_CLOSING) {
            return;
        }
        client_keep_input(c, data + used, len - used);
    } else {
        client_keep_input(c, data, len);
        if (c->state == CLIENT_IDLE || c->state == CLIENT_LOGIN) {
            client_input(c);
        }
    }
}

/* Told where an answer is awaited; within a reply it could not be told from it. */
static void on_bad_packing(struct client *c, int rc)
{
    if (c->state == CLIENT_IDLE && !c->close_when_drained) {
        c->sequence = 0;
        client_refuse(c, rc, CLOSE_PROTOCOL);
    } else {
        stat_add(&c->worker->stats, STAT_PROTOCOL_ERRORS, 1);
        client_close(c, CLOSE_PROTOCOL, rc);
    }
}

static void on_end(struct stream *stream, int rc)
{
    struct client *c = CONTAINER_OF(stream, struct client, stream);

    if (rc == ERR_UNCOMPRESS || rc == ERR_SEQUENCE) {
        on_bad_packing(c, rc);
    } else if (client_is_logging_in(c) && c->state != CLIENT_DENIED) {
        client_close(c, CLOSE_LOGIN_GONE, 0);
    } else if (rc == UV_EOF) {
        client_close(c, CLOSE_GONE, 0);
    } else {
        client_close(c, CLOSE_RESET, rc);
    }
}

static void on_drained(struct stream *stream)
{
    struct client *c = CONTAINER_OF(stream, struct client, stream);

    if (c->close_when_drained) {
        client_close(c, (enum close_reason)c->close_reason, c->close_rc);
        return;
    }
    if (c->server != NULL && c->server->state == SERVER_LENT &&
        stream_read_start(&c->server->stream) != 0) {
        server_lost(c->server, ERR_NODE_LOST, NULL);
        return;
    }
    if (c->state == CLIENT_IDLE || c->state == CLIENT_LOGIN) {
        client_input(c);
    }
}

static void on_secured(struct stream *stream, int rc)
{
    client_login_secured(CONTAINER_OF(stream, struct client, stream), rc);
}

static void on_closed(struct stream *stream)
{
    struct client *c = CONTAINER_OF(stream, struct client, stream);

    list_remove(&c->worker->clients, &c->in_worker);
    mem_free(MEM_CLIENT, c);
}

static const struct stream_events client_stream_events = {
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_secured = on_secured,
    .on_closed = on_closed,
};

/* --- accepting ------------------------------------------------------------------------------- */

/*
 * 32 bits, as in MySQL's greeting: a counter and the worker. Wraps after 2^26 clients of a worker.
 */
static uint64_t next_id(struct worker *w)
{
    uint64_t id;

    do {
        id = ((++w->next_client << WORKER_BITS) | w->index) & UINT32_MAX;
    } while (id < (1u << WORKER_BITS) || worker_find_client(w, id) != NULL);
    return id;
}

static struct client *client_new(struct worker *w)
{
    struct client *c = mem_try(MEM_CLIENT, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    *c = (struct client){
        .worker = w, .state = CLIENT_LOGIN, .created_ms = w->now_ms, .since_ms = w->now_ms};
    c->id = next_id(w);
    if (map_put(&w->clients_by_id, (struct slice){(const char *)&c->id, sizeof(c->id)}, c) != 0) {
        mem_free(MEM_CLIENT, c);
        return NULL;
    }
    c->waiter = (struct waiter){.client_id = c->id, .worker = w->index};
    c->session.figures = &w->figures;
    list_push_back(&w->clients, &c->in_worker);
    (void)atomic_fetch_add(&w->galeway->n_clients, 1);
    stat_add(&w->stats, STAT_CLIENTS_ACCEPTED, 1);
    stat_add(&w->stats, STAT_CLIENTS_CONNECTED, 1);
    return c;
}

int client_accept(struct worker *w, uv_stream_t *listener)
{
    struct client *c = client_new(w);
    int rc;

    if (c == NULL) {
        return ERR_MEMORY;
    }
    rc = stream_accept(&c->stream, &w->streams, &client_stream_events, listener);
    if (rc == 0) {
        rc = stream_read_start(&c->stream);
    }
    if (rc != 0) {
        if (c->stream.is_open) {
            client_close(c, CLOSE_RESET, rc);
        } else { /* no handle: nothing to wait for */
            (void)map_remove(&w->clients_by_id,
                             (struct slice){(const char *)&c->id, sizeof(c->id)});
            release_counts(c);
            list_remove(&w->clients, &c->in_worker);
            mem_free(MEM_CLIENT, c);
            return rc;
        }
        return 0;
    }
    client_peer_begin(c);
    client_login_begin(c);
    return 0;
}
