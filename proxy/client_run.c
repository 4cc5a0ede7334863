/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_run.c - a task on its way: route, connection, fit, send; its reply; what happens when the
 * node is lost.
 *
 *   client_run --> (connection free) --> fit --> send --> on_bytes ... --> on_done --> client_task_end
 *              --> (none free) --> queue --> client_serve | client_retry | client_queue_timeout
 *   on_lost: nothing of the reply was sent and it is a read (or no byte was sent) --> client_run again; else ERR
 */
#include "proxy/client_run.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "pool/homes.h"
#include "pool/monitor.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_again.h"
#include "proxy/client_causal.h"
#include "proxy/client_homes.h"
#include "proxy/client_stmt.h"
#include "proxy/figures_client.h"
#include "proxy/local.h"
#include "proxy/schema_look.h"
#include "proxy/warnings.h"
#include "proxy/worker.h"

#define APPLIED_AGAIN_MS 5 /* who is bound to a node that is behind looks again after */

static unsigned load_of(const void *owner, const struct node *node)
{
    const struct worker *w = owner;

    return w->pool.per_node[node->index].n_lent - w->mirror.n_idle[node->index];
}

uint32_t client_site(const struct client *c)
{
    const struct session *s = &c->session;

    return route_site(s->account->id, s->schema == NULL ? 0 : s->schema->hash);
}

int client_default_hostgroup(const struct client *c)
{
    const struct session *s = &c->session;
    const struct conf_user *user =
        conf_user_find(c->worker->snapshot->conf, slice_of(s->account->name));

    return user != NULL ? user->default_hostgroup : s->default_hostgroup;
}

bool client_choose_writer(const struct client *c, uint32_t schema_hash, struct route *route)
{
    struct facts facts = {.verb = VERB_OTHER};
    struct route_input in = {.facts = &facts,
                             .bucket = (uint16_t)homes_bucket(schema_hash),
                             .site = client_site(c),
                             .now_ms = c->worker->now_ms,
                             .load = load_of,
                             .owner = c->worker};

    if (!route_find_roles(&in, c->worker->snapshot->topology, client_default_hostgroup(c),
                          RULES_UNSET)) {
        return false;
    }
    route_choose(route, &in);
    return route->n > 0;
}

uint16_t client_fresh_status(const struct client *c)
{
    struct route route;
    bool is_found = client_choose_writer(c, 0, &route);

    return STATUS_AUTOCOMMIT |
           nodes_mode(&c->worker->galeway->nodes, is_found ? route.nodes[0] : NULL);
}

bool client_choose(const struct client *c, struct route *route)
{
    const struct worker *w = c->worker;
    const struct session *s = &c->session;
    struct route_input in = {
        .facts = &c->task->facts,
        .in_transaction = session_in_transaction(s) || s->pins != 0,
        .site = client_site(c),
        .avoid = c->task->lost_nodes,
        .now_ms = w->now_ms,
        .load = load_of,
        .owner = w,
    };

    client_causal_route(c, &in);
    client_homes_route(c, &in);
    if (!route_find_roles(&in, w->snapshot->topology, client_default_hostgroup(c),
                          c->task->verdict.hostgroup)) {
        return false;
    }
    route_choose(route, &in);
    if (UNLIKELY(route->n == 0 && in.avoid != 0)) { /* rather one of them than none */
        in.avoid = 0;
        route_choose(route, &in);
    }
    return in.side == ROUTE_SPLIT || route->mask != 0;
}

/* Who named the hostgroup, for people. */
static const char *named_by(const struct verdict *v, char *out, size_t cap)
{
    if (v->hostgroup < 0) {
        (void)snprintf(out, cap, "default_hostgroup");
    } else if (v->rule_id > 0) {
        (void)snprintf(out, cap, "query rule %d", v->rule_id);
    } else {
        (void)snprintf(out, cap, "fast routing or a hint");
    }
    return out;
}

static void no_hostgroup(struct client *c)
{
    const struct verdict *v = &c->task->verdict;
    char text[400], by[40];

    if (v->hostgroup < 0) {
        (void)snprintf(text, sizeof(text), "User '%s' has no default hostgroup with servers",
                       c->session.account->name);
    } else {
        (void)snprintf(text, sizeof(text), "Hostgroup %d, named by %s, has no servers",
                       v->hostgroup, named_by(v, by, sizeof(by)));
    }
    client_end_with_error(c, err_number(ERR_NO_NODE), err_sqlstate(ERR_NO_NODE), slice_of(text));
}

/* --- waiting --------------------------------------------------------------------------------- */

static void ask_other_workers(struct client *c)
{
    struct galeway *g = c->worker->galeway;

    for (unsigned i = 0; i < g->n_workers; i++) {
        for (unsigned n = 0; i != c->worker->index && n < atomic_load(&g->nodes.count); n++) {
            if ((c->waiter.nodes & UINT64_C(1) << n) != 0 &&
                atomic_load(&g->pools[i]->per_node[n].n_free_shared) > 0) {
                worker_post(g->workers[i], mail_new(MAIL_SERVE));
                break;
            }
        }
    }
}

/*
 * Only what was chosen: a connection to another node that could be a writer may not serve a write
 * now. None is up: it is tried again a few times a second.
 */
static uint64_t chosen_nodes(const struct route *route)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < route->n; i++) {
        mask |= UINT64_C(1) << route->nodes[i]->index;
    }
    return mask;
}

void client_wait_in_queue(struct client *c)
{
    struct worker *w = c->worker;
    int rc;

    if (c->task->queued_ms == 0) {
        c->task->queued_ms = w->now_ms;
        stat_add(&w->stats, STAT_POOL_WAITS, 1);
    }
    c->waiter.nodes = chosen_nodes(&c->task->route);
    c->waiter.since_ms = c->task->queued_ms;
    c->waiter.bytes = c->task->len;
    rc = queue_push(&w->galeway->queue, &c->waiter, c->session.account);
    if (rc != 0) {
        struct log_who who = client_who(c, "waiting");
        char text[200];

        (void)snprintf(text, sizeof(text),
                       "Too many statements wait for a server connection: %zu with %zu bytes "
                       "(mysql-queue_max_length, mysql-queue_max_bytes)",
                       atomic_load(&w->galeway->queue.n_waiting),
                       atomic_load(&w->galeway->queue.n_bytes));
        stat_add(&w->stats, STAT_QUEUE_REFUSED, 1);
        log_warn(&who, "%s", text);
        client_end_with_error(c, err_number(rc), err_sqlstate(rc), slice_of(text));
        return;
    }
    client_to(c, CLIENT_WAITING);
    list_push_back(&w->waiting, &c->in_waiting);
    ask_other_workers(c);
}

/* A read waits for nodes that run: how far they are. */
static size_t how_far(const struct client *c, const struct node *node, char *out, size_t cap)
{
    uint64_t applied = atomic_load_explicit(&node->shared.applied_us, memory_order_relaxed);
    uint64_t now = clock_now_us();

    if (c->task->follow_us == 0 || c->task->follow_us == CAUSAL_THE_WRITER) {
        return 0;
    }
    if (applied == 0) {
        return (size_t)snprintf(out, cap, " (not known what it has applied)");
    }
    return (size_t)snprintf(out, cap, " (has applied all until %.1f s ago)",
                            (double)(now - MIN(applied, now)) / 1e6);
}

/* Nobody may serve it: what each node that could says of itself, or what is known of it. */
static void why_no_node(const struct client *c, char *out, size_t cap)
{
    struct galeway *g = c->worker->galeway;
    struct monitor_roles roles = {.members = 0};
    size_t len = 0;

    if (g->monitor != NULL) {
        (void)monitor_roles(g->monitor, c->task->route.hostgroup, &roles);
    }
    for (unsigned i = 0; i < atomic_load(&g->nodes.count) && len < cap; i++) {
        uint64_t bit = UINT64_C(1) << i;
        enum role_why why = (enum role_why)roles.roles.why[i];

        if (((roles.members != 0 ? roles.members : c->task->route.mask) & bit) != 0) {
            len += (size_t)snprintf(out + len, cap - len, "%s%s %s", len == 0 ? "" : ", ",
                                    g->nodes.items[i]->text,
                                    roles.members != 0 ? role_why_word(why) : "not up");
            len += len < cap ? how_far(c, g->nodes.items[i], out + len, cap - len) : 0;
        }
    }
    if (c->task->follow_us != 0 && c->task->follow_us != CAUSAL_THE_WRITER && len < cap) {
        uint64_t now = clock_now_us();

        len += (size_t)snprintf(out + len, cap - len, "; it follows what was written %.1f s ago",
                                (double)(now - MIN(c->task->follow_us, now)) / 1e6);
    }
    if (roles.is_holding && len < cap) {
        (void)snprintf(out + len, cap - len, "; the next writer has not applied everything yet");
    }
}

void client_queue_timeout(struct client *c)
{
    struct worker *w = c->worker;
    const struct task *task = c->task;
    char text[900], by[40], why[500] = "";

    if (!queue_remove(&w->galeway->queue, &c->waiter)) {
        return; /* a connection is on its way: it will be served */
    }
    figures_stop_waiting(c);
    stat_add(&w->stats, STAT_POOL_WAIT_TIMEOUTS, 1);
    if (task->route.n == 0) {
        why_no_node(c, why, sizeof(why));
        (void)snprintf(text, sizeof(text),
                       "No usable node for user '%s' in hostgroup %d (%s) after %llu ms "
                       "(mysql-connect_timeout_server_max): %s",
                       c->session.account->name, task->route.hostgroup,
                       named_by(&task->verdict, by, sizeof(by)),
                       (unsigned long long)(w->now_ms - task->queued_ms), why);
    } else {
        (void)snprintf(text, sizeof(text),
                       "No server connection for user '%s' in hostgroup %d (%s) after %llu ms "
                       "(mysql-connect_timeout_server_max): "
                       "%zu node(s) up, %d connections of the user, %zu statements wait",
                       c->session.account->name, task->route.hostgroup,
                       named_by(&task->verdict, by, sizeof(by)),
                       (unsigned long long)(w->now_ms - task->queued_ms), task->route.n,
                       atomic_load(&c->session.account->n_servers),
                       atomic_load(&w->galeway->queue.n_waiting));
    }
    log_warn(NULL, "%s", text);
    client_end_with_error(c, err_number(ERR_POOL_TIMEOUT), err_sqlstate(ERR_POOL_TIMEOUT),
                          slice_of(text));
}

/*
 * A statement with tables clears the diagnostics (10.11), so it may go elsewhere; others go where
 * the warnings are.
 */
void client_let_warnings_go(struct client *c)
{
    if ((c->session.pins & BIT(PIN_WARNINGS)) == 0 || !task_has_reply(c->task) /* runs nothing */ ||
        (c->task->facts.flags & FACT_DIAGNOSTICS) != 0 ||
        (c->task->facts.n_tables == 0 && c->task->facts.local != LOCAL_LINK_STATUS)) {
        return;
    }
    session_unpin(&c->session, PIN_WARNINGS);
    if (c->server != NULL && c->server->n_expects == 0 && c->session.pins == 0 &&
        !client_ask_last_id(c)) {
        client_give_server(c);
    }
}

/*
 * Does the task have to go where the session's state is? Warnings alone do not keep a write on a
 * reader.
 */
static bool is_bound(const struct client *c)
{
    const struct session *s = &c->session;
    const struct task *task = c->task;

    return (s->pins & ~BIT(PIN_WARNINGS)) != 0 || s->last_id_unknown || task->is_capture ||
           task->is_wipe ||
           (s->pins != 0 && (task->facts.flags & (FACT_READ | FACT_DIAGNOSTICS)) != 0);
}

static bool is_chosen(const struct route *route, const struct node *node)
{
    for (size_t i = 0; i < route->n; i++) {
        if (route->nodes[i] == node) {
            return true;
        }
    }
    return false;
}

/*
 * The connection is kept for warnings, or because a reply to us is still to come: the task may use
 * it when it goes to that node anyway. Else its warnings are fetched, and it goes. False = the task
 * is on its way.
 */
static bool leave_server(struct client *c)
{
    struct task *task = c->task;

    if (is_chosen(&task->route, c->server->node)) {
        client_fit_and_send(c);
        return false;
    }
    if ((c->session.pins & BIT(PIN_WARNINGS)) != 0 && c->held == NULL && !task->warnings_asked) {
        task->warnings_asked = true;
        c->held = task;
        c->task = NULL;
        warnings_fetch(c);
        if (c->task != NULL || c->held == NULL) {
            return false;
        }
        c->task = c->held; /* no memory: without them */
        c->held = NULL;
    }
    session_unpin(&c->session, PIN_WARNINGS);
    client_give_server(c);
    return true;
}

/*
 * A node that is just dying has many connections, each of which looks well until it is used: who
 * was lost with one of them goes elsewhere first.
 */
static void avoid_lost(const struct task *task, struct route *route)
{
    struct node *lost[ROUTE_MAX_NODES];
    size_t n = 0, n_lost = 0;

    for (size_t i = 0; i < route->n; i++) {
        struct node *node = route->nodes[i];

        if ((task->lost_nodes & UINT64_C(1) << node->index) != 0) {
            lost[n_lost++] = node;
        } else {
            route->nodes[n++] = node;
        }
    }
    for (size_t i = 0; i < n_lost; i++) {
        route->nodes[n + i] = lost[i];
    }
}

/*
 * Only a question about LAST_INSERT_ID() keeps the session on its connection, and the task does not
 * belong there: a write on a reader would be read on the writer before it is there. The answer is
 * waited for. True: it is on its way, client_run follows.
 */
static bool waits_for_id(struct client *c)
{
    const struct session *s = &c->session;
    struct task *task = c->task;

    if (LIKELY(c->server == NULL || !s->last_id_unknown) || (s->pins & ~BIT(PIN_WARNINGS)) != 0 ||
        task->is_capture || task->is_wipe || (task->facts.flags & FACT_DIAGNOSTICS) != 0 ||
        c->server->state != SERVER_LENT || !client_choose(c, &task->route) ||
        is_chosen(&task->route, c->server->node)) {
        return false;
    }
    if (c->server->n_expects == 0 && !client_ask_last_id(c)) {
        session_loses_last_id(&c->session);
        return false;
    }
    task->waits_for_id = true;
    if (c->state != CLIENT_CLOSING && c->state != CLIENT_FITTING && c->server != NULL) {
        client_to(c, CLIENT_FITTING);
    }
    return true;
}

/*
 * It cannot go elsewhere: it waits for its node, which is asked again and again as long as somebody
 * writes.
 */
static bool waits_for_node(struct client *c)
{
    struct worker *w = c->worker;
    struct task *task = c->task;
    struct route_input in = {.facts = &task->facts, .now_ms = w->now_ms};

    if ((task->facts.flags & FACT_READ) == 0 && !homes_are_on(&w->galeway->nodes)) {
        return false;
    }
    if (!route_find_roles(&in, w->snapshot->topology, client_default_hostgroup(c),
                          task->verdict.hostgroup) ||
        client_causal_stays(c, &in)) {
        return false;
    }
    task->queued_ms = task->queued_ms == 0 ? w->now_ms : task->queued_ms;
    if (client_is_over(c, task->queued_ms)) {
        client_task_failed(c, ERR_POOL_TIMEOUT);
        return true;
    }
    (void)nodes_want_applied(&w->galeway->nodes);
    client_to(c, CLIENT_FITTING);
    task->runs_again = true;
    if (alarm_set(&w->alarms, &c->alarm, w->now_ms + APPLIED_AGAIN_MS) != 0) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
    }
    return true;
}

/* False: no hostgroup. Whoever finds no node is told when one has applied more. */
static bool choose(struct client *c)
{
    struct route *route = &c->task->route;

    if (!client_choose(c, route)) {
        return false;
    }
    return route->n > 0 || !nodes_want_applied(&c->worker->galeway->nodes) ||
           client_choose(c, route);
}

void client_run(struct client *c)
{
    struct worker *w = c->worker;
    struct want want;
    int rc;

    if (c->task->is_killed) { /* while a connection was made for it */
        client_task_failed(c, ERR_INTERRUPTED);
        return;
    }
    client_let_warnings_go(c);
    if (waits_for_id(c)) {
        return;
    }
    if (c->server != NULL && is_bound(c)) {
        if (waits_for_node(c)) {
            return;
        }
        c->task->route.is_writer = true;
        c->task->route.hostgroup = c->server->traffic->hostgroup;
        client_fit_and_send(c);
        return;
    }
    if (c->task->facts.n_tables > 0 && client_follow_us(c) != 0) { /* it matters what they show */
        schemas_look(c);
    }
    if (!choose(c)) {
        no_hostgroup(c);
        return;
    }
    if (UNLIKELY(c->task->lost_nodes != 0)) {
        avoid_lost(c->task, &c->task->route);
    }
    if (c->task->route.reason == ROUTE_CAUSAL) {
        stat_add(&w->stats, STAT_CAUSAL_READS, 1);
    }
    if (c->server != NULL && !leave_server(c)) {
        return;
    }
    if (queue_has_waiters(&w->galeway->queue) && c->task->queued_ms == 0 && c->task->route.n > 0) {
        pool_serve_waiters(&w->pool); /* first come, first served: who waits already goes before */
    }
    want = client_want(c);
    rc = pool_acquire(&w->pool, &want, c->task->route.nodes, c->task->route.n, c,
                      &client_server_events, &c->server);
    if (rc != 0) {
        client_wait_in_queue(c);
        return;
    }
    client_fit_and_send(c);
}

void client_serve(struct client *c, struct server *s)
{
    struct want want = client_want(c);

    /* It may have tried again meanwhile. */
    (void)queue_remove(&c->worker->galeway->queue, &c->waiter);
    figures_stop_waiting(c);
    client_to(c, CLIENT_FITTING);
    /* Nodes may have changed while it waited. */
    if (!pool_suits(s, &want) || !client_choose(c, &c->task->route) ||
        !is_chosen(&c->task->route, s->node)) {
        pool_discard(&c->worker->pool, s);
        client_run(c);
        return;
    }
    pool_lend(s, &want, c, &client_server_events);
    c->server = s;
    client_fit_and_send(c);
}

/* It waits, and something changed: a node came back, a connection was closed. */
void client_retry(struct client *c)
{
    struct worker *w = c->worker;

    if (c->state != CLIENT_WAITING) {
        return;
    }
    (void)queue_remove(&w->galeway->queue, &c->waiter);
    figures_stop_waiting(c);
    client_to(c, CLIENT_FITTING);
    client_run(c);
}
