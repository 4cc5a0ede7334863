/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_confirm.c - see client_confirm.h.
 */
#include "proxy/client_confirm.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "proxy/client_lost.h"
#include "proxy/worker.h"

#define LOOK_MS        5
#define CONFIRM_MAX_US (CONFIRM_MAX_MS * 1000ULL)

static void look_again(struct client *c)
{
    if (alarm_set(&c->worker->alarms, &c->alarm, c->worker->now_ms + LOOK_MS) != 0) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
    }
}

/* --- the view --------------------------------------------------------------------------------- */

/* Has the node been asked since, and is it where it was? */
static void look_at_view(struct client *c)
{
    const struct task *task = c->task;
    const struct node *node = task->refused_by;

    if (atomic_load(&node->shared.checked_us) <= task->confirm_since_us) {
        return;
    }
    if (task->view != 0 && atomic_load(&node->shared.view) == task->view) {
        client_confirmed(c);
    } else {
        client_refuted(c);
    }
}

/* Do the others go on without it, since before the statement could have reached them? */
static bool has_left_before(const struct task *task)
{
    uint64_t left_ms = atomic_load(&task->refused_by->shared.left_ms);

    return left_ms != 0 && left_ms < task->sent_ms + CONFIRM_LEAVE_MS;
}

/* --- the port --------------------------------------------------------------------------------- */

/* A connection to a port that should be closed. Owned by its callbacks. */
struct probe {
    struct worker *worker;
    uint64_t client_id;
    uint64_t since_us; /* task->confirm_since_us of the statement it is for */
};

static void probe_ended(struct probe *p, bool is_refused, bool is_open)
{
    struct client *c = worker_find_client(p->worker, p->client_id);
    bool is_awaited = c != NULL && c->task != NULL && c->task->confirms == CONFIRM_SHUTDOWN &&
                      c->task->confirm_since_us == p->since_us;

    mem_free(MEM_OTHER, p);
    if (!is_awaited) {
        return; /* it left, or waited too long; maybe for another node by now */
    }
    if (is_refused || has_left_before(c->task)) {
        client_confirmed(c);
    } else if (is_open) {
        client_refuted(c);
    } /* else the node is about to go: time will tell */
}

static void on_ready(struct server *s)
{
    struct probe *p = s->owner;

    server_close(s, "its port is open", 0);
    probe_ended(p, false, true);
}

static void on_lost(struct server *s, int rc, const struct err *err)
{
    (void)err;
    probe_ended(s->owner, rc == ERR_NODE_REFUSED, false);
}

static const struct server_events probe_events = {.on_ready = on_ready, .on_lost = on_lost};

static void probe_port(struct client *c)
{
    struct want want = {
        .hostgroup = c->task->route.hostgroup, .account = c->session.account, .is_side = true};
    struct probe *p = mem_try(MEM_OTHER, sizeof(*p));

    if (p == NULL) {
        client_refuted(c);
        return;
    }
    *p = (struct probe){c->worker, c->id, c->task->confirm_since_us};
    if (server_open(&c->worker->pool, c->task->refused_by, &want, p, &probe_events) == NULL) {
        mem_free(MEM_OTHER, p);
        client_refuted(c);
    }
}

/* ---------------------------------------------------------------------------------------------- */

void client_confirm_begin(struct client *c)
{
    c->task->confirm_since_us = clock_now_us();
    client_to(c, CLIENT_FITTING);
    look_again(c);
    if (c->state == CLIENT_CLOSING) {
        return;
    }
    nodes_poke(&c->worker->galeway->nodes, c->task->refused_by);
    if (c->task->confirms == CONFIRM_SHUTDOWN) {
        probe_port(c);
    }
}

void client_confirm_look(struct client *c)
{
    if (clock_now_us() - c->task->confirm_since_us > CONFIRM_MAX_US) {
        client_refuted(c);
        return;
    }
    look_again(c);
    if (c->state == CLIENT_CLOSING) {
        return;
    }
    if (c->task->confirms == CONFIRM_VIEW) {
        look_at_view(c);
    } else if (has_left_before(c->task)) {
        client_confirmed(c);
    }
}
