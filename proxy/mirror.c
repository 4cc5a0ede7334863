/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mirror.c - see mirror.h.
 *
 *   mirror_send --> waiting --> running: connect or take an idle connection, fit, send, drop the reply --> gone
 */
#include "proxy/mirror.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "pool/pool.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/worker.h"

#define PREFIX_BYTES 16384

/* One copy. */
struct mirrored {
    struct list_node in_list; /* of the mirror: waiting or running */
    struct mirror_input want; /* want.profile is a reference */
    struct mirror_server *on; /* running: borrowed */
    uint32_t flags;           /* FACT_* */
    uint64_t digest;
    enum figures_command command;
    uint64_t since_ms;
    uint64_t sent_us; /* clock_now_us() */
    bool is_sent;
    size_t len;
    uint8_t bytes[]; /* a whole COM_QUERY packet */
};

/* A connection for copies: owner of a struct server. */
struct mirror_server {
    struct list_node in_idle;
    struct worker *worker;
    struct server *server;
    struct mirrored *job; /* NULL = idle */
    uint64_t idle_since_ms;
};

void mirror_init(struct mirror *m)
{
    *m = (struct mirror){.n_bytes = 0};
    list_init(&m->waiting);
    list_init(&m->running);
    list_init(&m->idle);
}

static void job_free(struct worker *w, struct mirrored *job)
{
    w->mirror.n_bytes -= job->len;
    profile_unref(&w->pool.profiles, job->want.profile);
    mem_free(MEM_PENDING, job);
}

static void job_drop(struct worker *w, struct mirrored *job)
{
    stat_add(&w->stats, STAT_MIRROR_DROPPED, 1);
    job_free(w, job);
}

static void unlink_idle(struct worker *w, struct mirror_server *ms)
{
    list_remove(&w->mirror.idle, &ms->in_idle);
    w->mirror.n_idle[ms->server->node->index]--;
}

/* Its connection is gone, or must go: with what it was doing. */
static void forget_server(struct worker *w, struct mirror_server *ms)
{
    if (ms->job != NULL) {
        list_remove(&w->mirror.running, &ms->job->in_list);
        if (ms->job->is_sent) {
            job_free(w, ms->job);
        } else {
            job_drop(w, ms->job);
        }
    } else {
        unlink_idle(w, ms);
    }
    mem_free(MEM_POOL, ms);
}

static void close_server(struct mirror_server *ms, const char *why)
{
    struct server *s = ms->server;

    forget_server(ms->worker, ms);
    server_close(s, why, 0);
}

static void go_on(struct worker *w);

/* --- what the connection tells ---------------------------------------------------------------- */

static void send_job(struct server *s, struct mirrored *job, struct writer *prefix)
{
    uv_buf_t bufs[2];
    unsigned n = 0;

    if (prefix->len > 0) {
        bufs[n++] = uv_buf_init((char *)prefix->base, (unsigned)prefix->len);
    }
    bufs[n++] = uv_buf_init((char *)job->bytes, (unsigned)job->len);
    server_expect(s, EXPECT_REPLY, FOLLOW_RESULT);
    job->is_sent = true;
    job->sent_us = clock_now_us();
    s->statements++;
    s->traffic->statements++;
    stat_add(s->pool->stats, STAT_MIRRORED, 1);
    if (server_write(s, bufs, n) < 0) {
        server_lost(s, ERR_NODE_LOST, NULL);
    }
}

static void on_ready(struct server *s)
{
    struct mirror_server *ms = s->owner;
    struct mirrored *job = ms->job;
    struct worker *w = ms->worker;
    uint8_t bytes[PREFIX_BYTES];
    struct writer prefix = writer_of(bytes, sizeof(bytes));
    struct want want = {.account = job->want.account,
                        .schema = job->want.schema,
                        .profile = job->want.profile,
                        .caps = job->want.caps,
                        .multi_statements = job->want.multi_statements};
    int rc = server_fit(s, &want, &prefix);

    if (rc < 0) { /* it is closed, and nobody was told */
        forget_server(w, ms);
        go_on(w);
    } else if (rc == 0) {
        send_job(s, job, &prefix);
    }
}

static void on_unfit(struct server *s, const struct err *err)
{
    struct mirror_server *ms = s->owner;
    struct worker *w = ms->worker;

    (void)err;
    close_server(ms, "a mirrored statement's schema is refused");
    go_on(w);
}

/* As for a client's statement; whose client it was is not known any more. */
static void count(struct worker *w, const struct server *s, const struct mirrored *job)
{
    const struct figures_statement statement = {
        .account = job->want.account->shown,
        .schema = job->want.schema,
        .sql = job->want.text,
        .mode = job->want.sql_mode | w->snapshot->digest_mode,
        .digest = job->digest,
        .command = job->command,
        .hostgroup = s->traffic->hostgroup,
        .began_us = job->sent_us,
        .ended_us = clock_now_us(),
        .rows_affected = s->outcome.affected,
        .rows_sent = s->outcome.rows,
        .is_error = s->outcome.is_error,
        .is_copy = true,
    };

    figures_count(&w->figures, &statement, worker_vars(w));
}

static void on_done(struct server *s)
{
    struct mirror_server *ms = s->owner;
    struct worker *w = ms->worker;
    struct mirrored *job = ms->job;

    count(w, s, job);
    list_remove(&w->mirror.running, &job->in_list);
    s->must_reset |= (job->flags & FACT_READ) == 0 || (s->status & STATUS_IN_TRANS) != 0;
    job_free(w, job);
    ms->job = NULL;
    ms->idle_since_ms = w->now_ms;
    list_push_front(&w->mirror.idle, &ms->in_idle);
    w->mirror.n_idle[s->node->index]++;
    go_on(w);
}

static void on_lost(struct server *s, int rc, const struct err *err)
{
    struct mirror_server *ms = s->owner;
    struct worker *w = ms->worker;

    (void)rc;
    (void)err;
    forget_server(w, ms);
    if (!w->pool.is_closing) {
        go_on(w);
    }
}

static const struct server_events mirror_events = {
    .on_ready = on_ready,
    .on_unfit = on_unfit,
    .on_done = on_done,
    .on_lost = on_lost,
};

/* --- copies ----------------------------------------------------------------------------------- */

static unsigned load_of(const void *owner, const struct node *node)
{
    const struct worker *w = owner;

    return w->pool.per_node[node->index].n_lent;
}

static struct mirror_server *find_idle(struct worker *w, const struct node *node,
                                       const struct mirrored *job)
{
    struct mirror_server *other = NULL;

    LIST_FOREACH (it, &w->mirror.idle) {
        struct mirror_server *ms = CONTAINER_OF(it, struct mirror_server, in_idle);

        if (ms->server->node == node && ms->server->caps == job->want.caps &&
            pool_may_serve(ms->server, job->want.account)) {
            if (ms->server->account == job->want.account) {
                return ms;
            }
            other = other == NULL ? ms : other;
        }
    }
    return other;
}

/* More than may run at a time are never open: the one that was idle longest makes room. */
static void make_room(struct worker *w)
{
    size_t most = (size_t)worker_vars(w)->mysql_mirror_max_concurrency;

    while (w->mirror.idle.count > 0 && w->mirror.idle.count + w->mirror.running.count >= most) {
        close_server(CONTAINER_OF(list_back(&w->mirror.idle), struct mirror_server, in_idle),
                     "makes room for another mirrored statement's");
    }
}

static void begin_on(struct worker *w, struct node *node, int hostgroup, struct mirrored *job)
{
    struct mirror_server *ms = find_idle(w, node, job);
    struct want want = {.hostgroup = hostgroup,
                        .account = job->want.account,
                        .caps = job->want.caps,
                        .is_side = true};

    if (ms != NULL) {
        unlink_idle(w, ms);
        ms->server->must_reset |= ms->server->rights_us < atomic_load(&w->galeway->rights_us);
        server_serves(ms->server, hostgroup);
        ms->job = job;
        job->on = ms;
        list_push_back(&w->mirror.running, &job->in_list);
        on_ready(ms->server);
        return;
    }
    make_room(w);
    ms = mem_new(MEM_POOL, sizeof(*ms));
    *ms = (struct mirror_server){.worker = w, .job = job};
    ms->server = server_open(&w->pool, node, &want, ms, &mirror_events);
    if (ms->server == NULL) {
        mem_free(MEM_POOL, ms);
        job_drop(w, job);
        return;
    }
    job->on = ms;
    list_push_back(&w->mirror.running, &job->in_list);
}

static void begin(struct worker *w, struct mirrored *job)
{
    struct facts facts;
    struct route route = {.n = 0};
    struct route_input in = {
        .facts = &facts, .site = job->want.site, .now_ms = w->now_ms, .load = load_of, .owner = w};

    facts_scan(&facts, job->want.text, job->want.sql_mode | w->snapshot->digest_mode);
    job->flags = facts.flags;
    job->digest = facts.digest;
    job->command = figures_command_of(&facts);
    if (route_find_roles(&in, w->snapshot->topology, job->want.default_hostgroup,
                         job->want.hostgroup)) {
        route_choose(&route, &in);
    }
    if (route.n == 0) {
        job_drop(w, job);
        return;
    }
    begin_on(w, route.nodes[0], route.hostgroup, job);
}

static void go_on(struct worker *w)
{
    size_t most = (size_t)worker_vars(w)->mysql_mirror_max_concurrency;

    struct list_node *first;

    while (w->mirror.running.count < most && (first = list_pop_front(&w->mirror.waiting)) != NULL) {
        begin(w, CONTAINER_OF(first, struct mirrored, in_list));
    }
}

void mirror_send(struct worker *w, const struct mirror_input *in)
{
    const struct conf_vars *vars = worker_vars(w);
    struct mirror *m = &w->mirror;
    size_t len = PACKET_HEADER + 1 + in->text.len;
    bool fits = m->n_bytes + len <= MIRROR_BYTES_MAX && in->text.len + 1 < PACKET_MAX &&
                (m->running.count < (size_t)vars->mysql_mirror_max_concurrency ||
                 m->waiting.count < (size_t)vars->mysql_mirror_max_queue_length);
    struct mirrored *job = fits ? mem_try(MEM_PENDING, sizeof(*job) + len) : NULL;

    if (job == NULL) {
        stat_add(&w->stats, STAT_MIRROR_DROPPED, 1);
        return;
    }
    *job = (struct mirrored){.want = *in, .since_ms = w->now_ms, .len = len};
    packet_write_header(job->bytes, (uint32_t)in->text.len + 1, 0);
    job->bytes[PACKET_HEADER] = COM_QUERY;
    memcpy(job->bytes + PACKET_HEADER + 1, in->text.data, in->text.len);
    job->want.text.data = (const char *)job->bytes + PACKET_HEADER + 1;
    (void)profile_ref(job->want.profile);
    m->n_bytes += len;
    list_push_back(&m->waiting, &job->in_list);
    go_on(w);
}

void mirror_tick(struct worker *w)
{
    uint64_t limit = (uint64_t)worker_vars(w)->mysql_default_query_timeout;

    LIST_FOREACH_SAFE (it, next, &w->mirror.idle) {
        struct mirror_server *ms = CONTAINER_OF(it, struct mirror_server, in_idle);

        if (w->now_ms - ms->idle_since_ms > MIRROR_IDLE_MS) {
            close_server(ms, "no statement to mirror");
        }
    }
    LIST_FOREACH_SAFE (it, next, &w->mirror.running) {
        struct mirrored *job = CONTAINER_OF(it, struct mirrored, in_list);

        if (w->now_ms - job->since_ms > limit) {
            close_server(job->on, "a mirrored statement ran too long");
        }
    }
    go_on(w);
}

void mirror_close(struct worker *w)
{
    LIST_FOREACH_SAFE (it, next, &w->mirror.waiting) {
        list_remove(&w->mirror.waiting, it);
        job_free(w, CONTAINER_OF(it, struct mirrored, in_list));
    }
    LIST_FOREACH_SAFE (it, next, &w->mirror.running) {
        close_server(CONTAINER_OF(it, struct mirrored, in_list)->on, "shutdown");
    }
    LIST_FOREACH_SAFE (it, next, &w->mirror.idle) {
        close_server(CONTAINER_OF(it, struct mirror_server, in_idle), "shutdown");
    }
}
