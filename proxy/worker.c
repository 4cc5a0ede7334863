/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - see worker.h.
 */
#include "proxy/worker.h"

#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "proxy/client_cache.h"
#include "proxy/events_log.h"
#include "proxy/failover.h"
#include "proxy/figures_read.h"
#include "proxy/pause.h"
#include "proxy/rules_apply.h"
#include "proxy/warnings.h"

#define CLIENTS_MAX        1000000
#define CLIENTS_PER_WORKER 1000 /* idle ones cost nothing, but all may become busy */

/* --- mail ------------------------------------------------------------------------------------- */

struct mail *mail_new(enum mail_kind kind)
{
    struct mail *mail = mem_new(MEM_OTHER, sizeof(*mail));

    mail->kind = kind;
    return mail;
}

void worker_post(struct worker *w, struct mail *mail)
{
    mail->next = NULL;
    CHECK(pthread_mutex_lock(&w->mailbox.lock) == 0);
    *w->mailbox.last = mail;
    w->mailbox.last = &mail->next;
    CHECK(pthread_mutex_unlock(&w->mailbox.lock) == 0);
    CHECK(uv_async_send(&w->async) == 0);
}

static struct mail *take_mail(struct worker *w)
{
    struct mail *first;

    CHECK(pthread_mutex_lock(&w->mailbox.lock) == 0);
    first = w->mailbox.first;
    w->mailbox.first = NULL;
    w->mailbox.last = &w->mailbox.first;
    CHECK(pthread_mutex_unlock(&w->mailbox.lock) == 0);
    return first;
}

/*
 * A connection from another worker, for a client of ours that waits (or has left meanwhile: then
 * for the pool).
 */
static void take_server(struct worker *w, const struct mail *mail)
{
    struct client *c = worker_find_client(w, mail->client_id);
    struct server *s = server_adopt(&w->pool, &mail->move);

    if (s == NULL) {
        if (c != NULL && c->state == CLIENT_WAITING) {
            client_retry(c);
        }
        return;
    }
    stat_add(&w->stats, STAT_SERVERS_MOVED, 1);
    if (c != NULL && c->state == CLIENT_WAITING) {
        client_serve(c, s);
    } else {
        pool_give(&w->pool, s);
    }
}

/*
 * Answers that were bound to rows by other columns are not made void by writes that are bound by
 * these. The last worker that takes over the configuration voids the last of them.
 */
static bool binds_otherwise(const struct snapshot *a, const struct snapshot *b)
{
    return strcmp(a->conf->vars.mysql_query_cache_row_keys,
                  b->conf->vars.mysql_query_cache_row_keys) != 0;
}

static void take_config(struct worker *w)
{
    struct snapshot *old = w->snapshot;

    w->snapshot = galeway_snapshot(w->galeway);
    w->pool.conf = w->snapshot->conf;
    w->version[0] = '\0'; /* mysql-server_version may have changed */
    rules_new_snapshot(w);
    if (binds_otherwise(old, w->snapshot)) {
        causal_mark_missed(&w->galeway->causal);
    }
    snapshot_unref(old);
    pool_config_changed(&w->pool);
    failover_nodes_changed(w);
}

/*
 * Only an open transaction is worth waiting for: whatever else a session has, its end is not in
 * sight.
 */
static bool is_at_rest(const struct client *c)
{
    return client_is_logging_in(c) ||
           (c->state == CLIENT_IDLE && (c->session.status & STATUS_IN_TRANS) == 0);
}

/*
 * Draining: who has nothing under way goes at once, the others when they have; all at the deadline.
 */
static void drain(struct worker *w)
{
    bool is_late = w->now_ms >= w->drain_deadline_ms;

    LIST_FOREACH_SAFE (it, next, &w->clients) {
        struct client *c = CONTAINER_OF(it, struct client, in_worker);

        if (c->state != CLIENT_CLOSING && (is_late || is_at_rest(c))) {
            client_close(c, CLOSE_SHUTDOWN, 0);
        }
    }
    if (list_is_empty(&w->clients) && !w->is_stopping) {
        w->is_stopping = true;
        uv_stop(&w->loop);
    }
}

static void begin_drain(struct worker *w, bool now)
{
    if (!w->is_draining) {
        w->is_draining = true;
        w->drain_deadline_ms = w->now_ms + (uint64_t)worker_vars(w)->mysql_shutdown_timeout_ms;
        listeners_close(w);
    }
    if (now) {
        w->drain_deadline_ms = w->now_ms;
    }
    drain(w);
}

/* From now on this worker takes clients too. */
static void join_listeners(struct worker *w)
{
    if (!w->is_draining && w->listeners == NULL && !atomic_load(&w->galeway->is_paused) &&
        listeners_open(w) == 0) {
        log_info(NULL, "worker %u takes clients too", w->index);
    }
}

static void read_mail(struct worker *w, struct mail *mail)
{
    struct client *c;

    switch (mail->kind) {
    case MAIL_SERVER: take_server(w, mail); break;
    case MAIL_WAKE:
        c = worker_find_client(w, mail->client_id);
        if (c != NULL) {
            client_retry(c);
        }
        break;
    case MAIL_ANSWER:
        c = worker_find_client(w, mail->client_id);
        if (c != NULL) {
            client_cache_woken(c, mail->flight);
        }
        break;
    case MAIL_LOGIN:
        client_login_asked(worker_find_client(w, mail->client_id), mail->is_known);
        break;
    case MAIL_SERVE: pool_serve_waiters(&w->pool); break;
    case MAIL_KILL: kill_client(w, mail->client_id, mail->kill_query, mail->account); break;
    case MAIL_CONFIG: take_config(w); break;
    case MAIL_NODES: failover_nodes_changed(w); break;
    case MAIL_READ: figures_answer(w, mail->request); break;
    case MAIL_LISTEN: join_listeners(w); break;
    case MAIL_PAUSE: pause_worker(w); break;
    case MAIL_RESUME: resume_worker(w); break;
    case MAIL_DRAIN: begin_drain(w, false); break;
    case MAIL_STOP: begin_drain(w, true); break;
    }
}

static void set_now(struct worker *w)
{
    w->now_ms = uv_now(&w->loop);
    w->pool.now_ms = w->now_ms;
}

static void on_async(uv_async_t *async)
{
    struct worker *w = CONTAINER_OF(async, struct worker, async);
    struct mail *mail = take_mail(w);

    set_now(w);
    while (mail != NULL) {
        struct mail *next = mail->next;

        read_mail(w, mail);
        mem_free(MEM_OTHER, mail);
        mail = next;
    }
}

/* --- what the pool asks for ------------------------------------------------------------------- */

static struct worker *worker_of(struct pool *pool)
{
    return CONTAINER_OF(pool, struct worker, pool);
}

static void give_away(struct pool *pool, struct server *s, const struct waiter *to)
{
    struct worker *w = worker_of(pool);
    struct server_move move;
    struct mail *mail;
    int rc = server_depart(s, &move);

    if (rc != 0) { /* out of descriptors: closing it makes room for one over there */
        server_close(s, "cannot be handed over", rc);
        mail = mail_new(MAIL_WAKE);
        mail->client_id = to->client_id;
        worker_post(w->galeway->workers[to->worker], mail);
        return;
    }
    mail = mail_new(MAIL_SERVER);
    mail->client_id = to->client_id;
    mail->move = move;
    worker_post(w->galeway->workers[to->worker], mail);
}

static void serve(struct pool *pool, struct server *s, uint64_t client_id)
{
    struct client *c = worker_find_client(worker_of(pool), client_id);

    if (c != NULL && c->state == CLIENT_WAITING) {
        client_serve(c, s);
    } else {
        pool_put(pool, s);
    }
}

static void wake(struct pool *pool, const struct waiter *to)
{
    struct mail *mail =
        mail_new(MAIL_WAKE); /* by mail even when it is ours: never from inside another callback */

    mail->client_id = to->client_id;
    worker_post(worker_of(pool)->galeway->workers[to->worker], mail);
}

static void learn_version(struct pool *pool, struct slice version, uint8_t charset)
{
    galeway_learn_version(worker_of(pool)->galeway, version, charset);
}

/* --- upkeep ----------------------------------------------------------------------------------- */

/*
 * It tries again, although no change was announced: nodes come back without a word when there is no
 * monitor.
 */
static void try_again(struct worker *w, struct client *c)
{
    bool had_none = c->task->route.n == 0;

    client_retry(c);
    if (had_none && (c->state != CLIENT_WAITING || c->task->route.n > 0)) {
        failover_wake(w); /* so have the others */
    }
}

/*
 * Who waited too long is told; one of those who wait tries again. Whoever is told may at once send
 * what serves, or sends away, others of the list: so each is taken from its front and put to its
 * end, which is the order they had.
 */
static void check_waiting(struct worker *w)
{
    uint64_t limit = (uint64_t)worker_vars(w)->mysql_connect_timeout_server_max;
    bool has_tried = false;

    for (size_t n = w->waiting.count; n > 0 && !list_is_empty(&w->waiting); n--) {
        struct list_node *it = w->waiting.head.next;
        struct client *c = CONTAINER_OF(it, struct client, in_waiting);

        list_remove(&w->waiting, it);
        list_push_back(&w->waiting, it);
        if (w->now_ms - c->task->queued_ms > limit) {
            client_queue_timeout(c);
        } else if (!has_tried && (c->task->route.n == 0 || w->now_ms - c->since_ms > 500)) {
            has_tried = true;
            try_again(w, c);
        }
    }
}

static void check_clients(struct worker *w)
{
    LIST_FOREACH_SAFE (it, next, &w->clients) {
        client_check_time(CONTAINER_OF(it, struct client, in_worker));
    }
}

/* How much of a core this thread used over the last second or so. */
static void update_busy(struct worker *w)
{
    struct timespec ts;
    uint64_t now = clock_now_us(), cpu;

    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0);
    cpu = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
    if (w->looked_us != 0 && now > w->looked_us) {
        atomic_store(&w->busy_percent, (unsigned)((cpu - w->cpu_us) * 100 / (now - w->looked_us)));
    }
    w->cpu_us = cpu;
    w->looked_us = now;
}

/*
 * One busy worker does more with less than two that sleep and wake all the time (measured on 2
 * cores: 0.7 x the CPU for each statement, 1.4 x the throughput). So a worker takes clients only
 * when those that do are busy or have many.
 */
static void consider_another(struct worker *w)
{
    struct galeway *g = w->galeway;
    unsigned n = atomic_load(&g->n_listening);
    unsigned busy = 0;

    if (w->index != 0 || n == g->n_workers || w->is_draining) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        busy += atomic_load(&g->workers[i]->busy_percent);
    }
    if (busy > (unsigned)worker_vars(w)->mysql_worker_busy_percent * n ||
        atomic_load(&g->n_clients) > (int)(CLIENTS_PER_WORKER * n)) {
        atomic_store(&g->n_listening, n + 1);
        worker_post(g->workers[n], mail_new(MAIL_LISTEN));
    }
}

/* What is of all workers: the first looks after it, and has its counters. */
static void tick_shared(struct worker *w)
{
    if (w->index == 0) {
        hosts_tick(&w->galeway->hosts, w->now_ms);
        stat_set_to(&w->stats, STAT_EVENTS_LOST, events_log_dropped(w->galeway->events));
        stat_set_to(&w->stats, STAT_AUDIT_LOST, events_log_dropped(w->galeway->audit.log));
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct worker *w = CONTAINER_OF(timer, struct worker, timer);

    set_now(w);
    check_waiting(w);
    failover_tick(w);
    warnings_tick(w);
    mirror_tick(w);
    pool_tick(&w->pool);
    listeners_tick(w);
    atomic_fetch_add_explicit(&w->shown_ticks, 1, memory_order_relaxed);
    if (++w->ticks % 10 == 0) {
        check_clients(w);
        update_busy(w);
        figures_tick(&w->figures);
        tick_shared(w);
        consider_another(w);
    }
    if (w->is_draining) {
        drain(w);
    }
}

/*
 * The loop's time is read once a turn, by libuv, after it has waited; everything in the turn uses
 * it.
 */
/*
 * Before the loop waits: let others run first if there was something to do, so that what they send
 * is read in one turn. On a busy machine this saves sleeping and being woken; on an idle one it is
 * a system call that returns at once.
 */
static void on_prepare(uv_prepare_t *prepare)
{
    struct worker *w = CONTAINER_OF(prepare, struct worker, prepare);

    if (w->streams.n_reads != w->turn_reads) {
        w->turn_reads = w->streams.n_reads;
        (void)sched_yield();
    }
}

static void on_check(uv_check_t *check)
{
    struct worker *w = CONTAINER_OF(check, struct worker, check);

    set_now(w);
    if (UNLIKELY(atomic_load_explicit(&w->galeway->nodes.draining, memory_order_relaxed) != 0)) {
        failover_count_writing(w);
    }
}

static void on_alarm(struct alarms *alarms, struct alarm *alarm)
{
    struct worker *w = CONTAINER_OF(alarms, struct worker, alarms);

    set_now(w);
    client_on_alarm(CONTAINER_OF(alarm, struct client, alarm));
}

/* --- life ------------------------------------------------------------------------------------- */

struct client *worker_find_client(struct worker *w, uint64_t id)
{
    return map_get(&w->clients_by_id, (struct slice){(const char *)&id, sizeof(id)});
}

static int init_loop(struct worker *w)
{
    int rc = uv_loop_init(&w->loop);

    if (rc != 0) {
        return rc;
    }
    CHECK(uv_async_init(&w->loop, &w->async, on_async) == 0);
    CHECK(uv_timer_init(&w->loop, &w->timer) == 0);
    CHECK(uv_timer_start(&w->timer, on_timer, WORKER_TICK_MS, WORKER_TICK_MS) == 0);
    CHECK(uv_prepare_init(&w->loop, &w->prepare) == 0);
    CHECK(uv_prepare_start(&w->prepare, on_prepare) == 0);
    CHECK(uv_check_init(&w->loop, &w->check) == 0);
    CHECK(uv_check_start(&w->check, on_check) == 0);
    alarms_init(&w->alarms, &w->loop, on_alarm);
    return 0;
}

static void init_pool(struct worker *w)
{
    struct galeway *g = w->galeway;

    pool_init(&w->pool, w->index);
    w->pool.streams = &w->streams;
    w->pool.stats = &w->stats;
    w->pool.conf = w->snapshot->conf;
    w->pool.nodes = &g->nodes;
    w->pool.queue = &g->queue;
    w->pool.schema_changes = &g->schema_changes;
    w->pool.give_away = give_away;
    w->pool.serve = serve;
    w->pool.wake = wake;
    w->pool.learn_version = learn_version;
}

static void close_handles(struct worker *w)
{
    listeners_close(w);
    uv_close((uv_handle_t *)&w->async, NULL);
    uv_close((uv_handle_t *)&w->timer, NULL);
    uv_close((uv_handle_t *)&w->prepare, NULL);
    uv_close((uv_handle_t *)&w->check, NULL);
    alarms_close(&w->alarms);
}

/*
 * All clients have left: close what is left, let libuv run the close callbacks, take everything
 * apart.
 */
static void finish(struct worker *w)
{
    struct mail *mail;

    learnt_fini(&w->learnt);
    mirror_close(w);
    pool_close(&w->pool);
    close_handles(w);
    CHECK(uv_run(&w->loop, UV_RUN_DEFAULT) == 0);
    CHECK(pool_is_empty(&w->pool) && list_is_empty(&w->clients));
    CHECK(uv_loop_close(&w->loop) == 0);
    while ((mail = take_mail(w)) != NULL) {
        while (mail != NULL) {
            struct mail *next = mail->next;

            if (mail->kind == MAIL_SERVER) {
                server_move_drop(&mail->move);
            } else if (mail->kind == MAIL_READ) {
                figures_request_unref(mail->request);
            }
            mem_free(MEM_OTHER, mail);
            mail = next;
        }
    }
    pool_fini(&w->pool);
    tasks_fini(&w->tasks);
    figures_fini(&w->figures);
    alarms_fini(&w->alarms);
    rules_worker_fini(w);
    stream_loop_fini(&w->streams);
    map_fini(&w->clients_by_id);
    tls_context_unref(w->tls);
    snapshot_unref(w->snapshot);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    char name[16];

    (void)snprintf(name, sizeof(name), "worker-%u", w->index);
    (void)pthread_setname_np(pthread_self(), name);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    atomic_store(&w->has_ended, true);
    return NULL;
}

int worker_init(struct worker *w, struct galeway *g, unsigned index)
{
    int rc;

    *w = (struct worker){.index = index, .galeway = g};
    CHECK(pthread_mutex_init(&w->mailbox.lock, NULL) == 0);
    w->mailbox.last = &w->mailbox.first;
    list_init(&w->clients);
    list_init(&w->waiting);
    list_init(&w->warned);
    map_init(&w->clients_by_id, MEM_CLIENT, CLIENTS_MAX);
    w->snapshot = galeway_snapshot(g);
    figures_init(&w->figures, (size_t)worker_vars(w)->mysql_query_digests_max_entries, &w->now_ms,
                 &w->stats);
    rc = init_loop(w);
    if (rc != 0) {
        return rc;
    }
    stream_loop_init(&w->streams, &w->loop);
    w->streams.stats = &w->stats;
    init_pool(w);
    learnt_init(&w->learnt, &w->pool.profiles);
    mirror_init(&w->mirror);
    rules_new_snapshot(w);
    set_now(w);
    return index == 0 ? listeners_open(w) : 0;
}

int worker_start(struct worker *w)
{
    return -pthread_create(&w->thread, NULL, run, w);
}

void worker_join(struct worker *w)
{
    CHECK(pthread_join(w->thread, NULL) == 0);
}

void worker_fini(struct worker *w)
{
    finish(w);
    (void)pthread_mutex_destroy(&w->mailbox.lock);
}
