/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill.c - interrupt statements on nodes: of clients that left, of clients that KILL names.
 *
 * A side connection of the same user sends KILL QUERY. The victim is not used again before the node
 * has answered both: the kill can so never hit the next client's statement.
 */
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_cache.h"
#include "proxy/figures_client.h"
#include "proxy/rules_apply.h"

/* One kill on its way. Owned by the side connection's callbacks. */
struct killer {
    struct worker *worker;
    uint64_t victim_id;
    uint32_t thread_id;
};

static struct server *find_server(struct worker *w, uint64_t id)
{
    LIST_FOREACH (it, &w->pool.all) {
        struct server *s = CONTAINER_OF(it, struct server, in_all);

        if (s->id == id && s->state != SERVER_CLOSING) {
            return s;
        }
    }
    return NULL;
}

static void finished(struct killer *k, bool worked)
{
    struct server *victim = find_server(k->worker, k->victim_id);

    mem_free(MEM_OTHER, k);
    if (victim == NULL) {
        return;
    }
    victim->kill_pending = false;
    if (!worked && victim->state == SERVER_DRAINING) {
        server_close(victim, "its statement could not be interrupted", 0);
    } else if (victim->state == SERVER_DRAINING && victim->n_expects == 0) {
        server_reset(victim);
    } else if (victim->state == SERVER_LENT && victim->n_expects == 0 && victim->owner != NULL) {
        victim->events->on_ready(victim); /* its client's next statement has waited */
    }
}

static void on_ready(struct server *s)
{
    struct killer *k = s->owner;
    char bytes[64];
    int n = snprintf(bytes + PACKET_HEADER + 1, sizeof(bytes) - PACKET_HEADER - 1, "KILL QUERY %u",
                     k->thread_id);
    uv_buf_t buf = uv_buf_init(bytes, (unsigned)n + PACKET_HEADER + 1);

    packet_write_header((uint8_t *)bytes, (uint32_t)n + 1, 0);
    bytes[PACKET_HEADER] = COM_QUERY;
    server_expect(s, EXPECT_REPLY, FOLLOW_RESULT);
    if (server_write(s, &buf, 1) < 0) {
        server_lost(s, ERR_NODE_LOST, NULL);
    }
}

static void on_done(struct server *s)
{
    struct killer *k = s->owner;

    stat_add(&k->worker->stats, STAT_KILLS, 1);
    server_close(s, "has done its kill", 0);
    finished(k, true);
}

static void on_lost(struct server *s, int rc, const struct err *err)
{
    (void)rc;
    (void)err;
    finished(s->owner, false);
}

static const struct server_events killer_events = {
    .on_ready = on_ready,
    .on_done = on_done,
    .on_lost = on_lost,
};

void kill_statement(struct worker *w, struct server *victim)
{
    struct want want = {
        .hostgroup = victim->traffic->hostgroup, .account = victim->account, .is_side = true};
    struct killer *k;

    if (victim->kill_pending || w->pool.is_closing) {
        return;
    }
    k = mem_try(MEM_OTHER, sizeof(*k));
    if (k == NULL) { /* it runs to its end */
        return;
    }
    *k = (struct killer){w, victim->id, victim->thread_id};
    if (server_open(&w->pool, victim->node, &want, k, &killer_events) == NULL) {
        mem_free(MEM_OTHER, k);
        return;
    }
    victim->kill_pending = true;
}

/* --- whose is which client -------------------------------------------------------------------- */

void kill_register(struct client *c)
{
    struct client_index *index = &c->worker->galeway->clients;

    CHECK(pthread_mutex_lock(&index->lock) == 0);
    (void)!map_put(&index->accounts, (struct slice){(const char *)&c->id, sizeof(c->id)},
                   c->session.account);
    CHECK(pthread_mutex_unlock(&index->lock) == 0);
}

void kill_unregister(struct client *c)
{
    struct client_index *index = &c->worker->galeway->clients;

    CHECK(pthread_mutex_lock(&index->lock) == 0);
    (void)map_remove(&index->accounts, (struct slice){(const char *)&c->id, sizeof(c->id)});
    CHECK(pthread_mutex_unlock(&index->lock) == 0);
}

const struct account *kill_account_of(struct worker *w, uint64_t id)
{
    struct client_index *index = &w->galeway->clients;
    const struct account *account;

    CHECK(pthread_mutex_lock(&index->lock) == 0);
    account = map_get(&index->accounts, (struct slice){(const char *)&id, sizeof(id)});
    CHECK(pthread_mutex_unlock(&index->lock) == 0);
    return account;
}

void kill_client(struct worker *w, uint64_t id, bool query_only, const struct account *by)
{
    struct client *c = worker_find_client(w, id);

    if (c == NULL || (by != NULL && c->session.account != by)) {
        return;
    }
    if (!query_only) {
        client_close(c, CLOSE_KILLED, 0);
    } else if (c->server != NULL && (c->state == CLIENT_RUNNING || c->state == CLIENT_UPLOADING)) {
        c->task->is_killed = true; /* also on another node, should it go on there */
        kill_statement(w, c->server);
    } else if (c->state == CLIENT_WAITING && queue_remove(&w->galeway->queue, &c->waiter)) {
        figures_stop_waiting(c);
        client_task_failed(c, ERR_INTERRUPTED);
    } else if (c->state == CLIENT_FITTING && c->login == NULL && c->task != NULL &&
               !c->task->is_capture) { /* the connection has nothing of it yet */
        c->task->is_killed = true;
    } else if (c->state == CLIENT_DELAYED) {
        rules_delay_end(c);
        client_task_failed(c, ERR_INTERRUPTED);
    } else if (c->state == CLIENT_JOINED) {
        client_cache_leave(c);
        client_task_failed(c, ERR_INTERRUPTED);
    }
}
