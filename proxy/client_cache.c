/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_cache.c - see client_cache.h.
 */
#include "proxy/client_cache.h"

#include <xxhash.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "pool/follower.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_causal.h"
#include "proxy/client_run.h"
#include "proxy/client_stmt.h"
#include "proxy/rules_apply.h"
#include "proxy/schema_look.h"
#include "proxy/warnings.h"
#include "proxy/worker.h"
#include "router/cache.h"

#define KEY_MAX       16384 /* bytes of all that makes two answers differ; longer: not kept */
#define GATHER_FIRST  4096
#define GATHER_MAX    (16u << 20) /* bytes of answers a worker gathers at a time */
#define STATEMENT_MAX 8192        /* a longer one is hardly asked twice */

/* A read whose answer others may have. Owned by its task. */
struct gathered {
    struct worker *worker;
    struct cache_flight *flight; /* ours to end */
    struct causal_deps deps;
    uint64_t began_us;
    uint64_t ttl_us, soft_us;
    bool keeps_empty;
    bool is_of_site; /* it names no schema but the session's: all was written where it is written */
    bool is_seen;    /* what its tables show is known, or a rule wants it kept */
    bool is_fresh;   /* the node has applied all that was written */
    bool is_whole;   /* all of the answer is in bytes */
    size_t len, cap, max;
    uint8_t *bytes; /* owned */
};

/* What follows the bytes of an answer in its block: what the session has to know of it. */
struct answer_end {
    uint64_t rows;
    uint64_t found_rows; /* of SQL_CALC_FOUND_ROWS, else rows */
};

/* --- what may be kept ------------------------------------------------------------------------- */

#define FACTS_NOT_KEPT                                                                             \
    (FACT_MULTI | FACT_USER_VARIABLE | FACT_SYSTEM_VARIABLE | FACT_GET_LOCK | FACT_RELEASE_LOCK |  \
     FACT_RELEASE_ALL_LOCKS | FACT_FOUND_ROWS | FACT_LAST_INSERT_ID | FACT_SETS_INSERT_ID |        \
     FACT_ROW_COUNT | FACT_DIAGNOSTICS | FACT_LOCKING_READ | FACT_INTO | FACT_EXECUTABLE_COMMENT | \
     FACT_CONNECTION_ID | FACT_SYNC_WAIT | FACT_VOLATILE | FACT_TABLES_UNKNOWN |                   \
     FACT_UNTERMINATED | FACT_RUNS_UNSEEN | FACT_UNTRACKED_SET | FACT_TRACKING_VARIABLE)

static bool is_kept_kind(const struct facts *f)
{
    return (f->flags & FACT_READ) != 0 && (f->flags & FACTS_NOT_KEPT) == 0 && !f->sets_back &&
           f->n_tables > 0 && (f->verb == VERB_SELECT || f->verb == VERB_WITH) &&
           f->runs == VERB_SELECT;
}

static bool names_system_schema(const struct facts *f, struct slice schema)
{
    for (unsigned i = 0; i < f->n_tables; i++) {
        if (facts_is_system_schema(f->tables[i].schema.len > 0 ? f->tables[i].schema : schema)) {
            return true;
        }
    }
    return false;
}

static bool names_other_schema(const struct facts *f, struct slice schema)
{
    for (unsigned i = 0; i < f->n_tables; i++) {
        if (f->tables[i].schema.len > 0 && !slice_eq(f->tables[i].schema, schema)) {
            return true;
        }
    }
    return false;
}

/* Nothing of the session shows in its answers but what the key has. */
static bool is_plain_session(const struct client *c)
{
    const struct session *s = &c->session;

    return s->pins == 0 && c->server == NULL && !session_in_transaction(s) && !s->last_id_unknown &&
           !s->is_untracked && !s->completion_unknown && s->schema != NULL &&
           !s->profile->is_charset_unsafe && !s->profile->wants_fresh && c->n_cursors == 0 &&
           c->n_long_data == 0 && worker_vars(c->worker)->mysql_multiplexing;
}

static bool is_plain_task(const struct client *c)
{
    const struct task *task = c->task;
    const struct client_stmt *stmt = task->stmt;

    if (task->is_streaming || task->is_unseen || task->wants_cursor ||
        task->follow != FOLLOW_RESULT || task->len > STATEMENT_MAX || task->began_us == 0 ||
        task->verdict.multiplex != RULES_UNSET || task->verdict.sticky_conn != RULES_UNSET ||
        task->verdict.new_connection || !is_kept_kind(&task->facts)) {
        return false;
    }
    return stmt == NULL || (stmt->schema == c->session.schema &&
                            stmt->profile == c->session.profile && !stmt->has_long_data);
}

/* For how long: as a rule says, or for all that can be proven; 0 = not at all. */
static uint64_t ttl_of(struct client *c)
{
    const struct conf_vars *vars = worker_vars(c->worker);
    const struct task *task = c->task;
    struct slice schema = session_schema_name(&c->session);

    if (vars->mysql_query_cache_size_MB == 0 ||
        (task->verdict.cache_ttl_ms <= 0 && !vars->mysql_query_cache_auto) || !is_plain_task(c)) {
        return 0;
    }
    client_let_warnings_go(c);
    if (!is_plain_session(c) || names_system_schema(&task->facts, schema)) {
        return 0;
    }
    if (task->verdict.cache_ttl_ms > 0) {
        return (uint64_t)task->verdict.cache_ttl_ms * 1000;
    }
    return (uint64_t)vars->mysql_query_cache_auto_ttl_ms * 1000;
}

/* --- the key ---------------------------------------------------------------------------------- */

/*
 * All that makes two answers differ. Lengths stand before what is of any length, so that two keys
 * never run together. The epoch: after GRANT, REVOKE, DROP nobody gets what he may not see any
 * more. The window, and who may share: a rule may give them to some clients of an account only, and
 * who waits for another's answer gets what that one may see.
 */
static bool write_key(struct client *c, struct writer *w)
{
    const struct session *s = &c->session;
    const struct task *task = c->task;

    put_u32(w, s->account->id);
    put_u32(w, atomic_load(&c->worker->galeway->schema_epoch));
    put_u64(w, s->rights_us); /* who logged in before may see more */
    put_u64(w, s->caps & CAPS_OF_IDENTITY & ~CAP_STMT_BULK);
    put_u32(w, (uint32_t)task->verdict.hostgroup);
    put_u64(w, session_window_us(s->account, task->verdict.causal_window_ms,
                                 worker_vars(c->worker)->mysql_causal_window_ms));
    put_u8(w, task->verdict.cache_ttl_ms > 0);
    put_u16(w, s->status);
    put_u8(w, task->command);
    put_u32(w, (uint32_t)s->schema->name.len);
    put_slice(w, s->schema->name);
    put_u32(w, (uint32_t)s->profile->key.len);
    put_slice(w, s->profile->key);
    if (task->stmt != NULL) {
        return client_stmt_key(c, w) && !w->failed;
    }
    put_bytes(w, task->bytes + PACKET_HEADER + 1, task->len - PACKET_HEADER - 1);
    return !w->failed;
}

static struct cache_key key_of(const struct client *c, const struct writer *w)
{
    struct slice bytes = {(const char *)w->base, w->len};

    return (struct cache_key){.bytes = bytes,
                              .hash = XXH3_64bits(bytes.data, bytes.len),
                              .account_name = slice_of(c->session.account->name),
                              .schema = c->session.schema->name,
                              .digest = c->task->facts.digest};
}

static bool deps_of(const struct client *c, struct causal_deps *deps)
{
    const struct task *task = c->task;
    const struct causal *causal = &c->worker->galeway->causal;
    struct row_keys rows;
    bool is_bound = task->stmt == NULL && row_keys_of(&task->facts, task_text(task), client_mode(c),
                                                      &c->worker->snapshot->row_patterns, &rows);

    struct slice schema = session_schema_name(&c->session);
    bool is_broad = !schemas_are_plain(c);

    return causal_deps_of(causal, &task->facts, schema, is_broad, is_bound ? &rows : NULL,
                          c->session.account->id, deps);
}

/* --- an answer from the cache ----------------------------------------------------------------- */

/* The session is as behind the statement itself. */
static void session_was_answered(struct client *c, const struct answer_end *end)
{
    session_said(&c->session, -1, true);
    c->session.found_rows = end->found_rows;
    if (c->warnings != NULL || c->said != NULL) {
        warnings_drop(c);
    }
}

static void answer(struct client *c, struct cache_entry *entry)
{
    struct cache *cache = c->worker->galeway->cache;
    struct slice bytes = cache_entry_bytes(entry);
    struct answer_end end;
    size_t len = bytes.len - sizeof(end);
    bool is_error = (uint8_t)bytes.data[PACKET_HEADER] == 0xff;

    memcpy(&end, bytes.data + len, sizeof(end));
    if (is_error) {
        struct err err;

        if (err_decode(&err, (const uint8_t *)bytes.data + PACKET_HEADER, len - PACKET_HEADER) ==
            0) {
            client_end_with_error(c, err.number, err.sqlstate, err.message);
        } else {
            client_task_failed(c, ERR_NODE_PROTOCOL);
        }
    } else if (client_write(c, bytes.data, len)) {
        session_was_answered(c, &end);
        stat_add(&c->worker->stats, STAT_ANSWERED_HERE, 1);
        rules_log(c);
        client_task_end(c);
    }
    cache_entry_unref(cache, entry);
}

/* --- waiting for another's -------------------------------------------------------------------- */

/* From the leader's thread. */
static void wake(struct cache_waiter *waiter, struct cache_flight *flight)
{
    const struct client *c = CONTAINER_OF(waiter, struct client, cache_waiter);
    struct mail *mail = mail_new(MAIL_ANSWER);

    mail->client_id = c->id;
    mail->flight = flight;
    worker_post(c->worker, mail);
}

static bool join(struct client *c, struct cache_flight *flight)
{
    struct worker *w = c->worker;

    c->flight = flight;
    client_to(c, CLIENT_JOINED);
    if (alarm_set(&w->alarms, &c->alarm,
                  w->now_ms + (uint64_t)worker_vars(w)->mysql_query_cache_wait_ms) != 0) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
    }
    return true;
}

void client_cache_leave(struct client *c)
{
    struct cache *cache = c->worker->galeway->cache;

    if (c->flight == NULL) {
        return;
    }
    cache_leave(cache, c->flight, &c->cache_waiter);
    cache_flight_unref(cache, c->flight);
    c->flight = NULL;
    alarm_clear(&c->worker->alarms, &c->alarm);
    client_to(c, CLIENT_IDLE);
}

void client_cache_late(struct client *c)
{
    client_cache_leave(c);
    client_run(c);
}

void client_cache_woken(struct client *c, const void *flight)
{
    struct cache_entry *entry;

    if (c->flight == NULL || (const void *)c->flight != flight) {
        return; /* it waits no more, or for another by now */
    }
    entry = cache_flight_entry(c->flight);
    client_cache_leave(c);
    if (entry != NULL) {
        answer(c, entry);
    } else {
        client_run(c);
    }
}

/* --- an answer to be kept --------------------------------------------------------------------- */

/* It runs, and its answer is gathered. Without memory it only runs. */
static void lead(struct client *c, struct cache_flight *flight, const struct causal_deps *deps,
                 uint64_t ttl_us, uint64_t now_us)
{
    struct worker *w = c->worker;
    const struct conf_vars *vars = worker_vars(w);
    const struct verdict *v = &c->task->verdict;
    struct gathered *g = mem_try(MEM_CACHE, sizeof(*g));

    if (g == NULL) {
        cache_end(w->galeway->cache, flight, NULL, now_us);
        return;
    }
    *g = (struct gathered){
        .worker = w,
        .flight = flight,
        .deps = *deps,
        .began_us = now_us,
        .ttl_us = ttl_us,
        .soft_us = ttl_us * (uint64_t)vars->mysql_query_cache_soft_ttl_pct / 100,
        .keeps_empty = v->cache_empty_result < 0 ? vars->mysql_query_cache_stores_empty_result
                                                 : v->cache_empty_result == 1,
        .is_of_site = !names_other_schema(&c->task->facts, session_schema_name(&c->session)),
        .is_seen = v->cache_ttl_ms > 0 || schemas_are_seen(c),
        .is_whole = true,
        .max = (size_t)vars->mysql_query_cache_max_result_bytes,
    };
    c->task->gathered = g;
}

/* Is all told that others wrote, but for what is allowed to be late? */
static bool is_followed(const struct client *c, uint64_t now_us)
{
    const struct follower *f =
        atomic_load_explicit(&c->worker->galeway->follower, memory_order_acquire);

    return f == NULL || follower_is_current(f, now_us);
}

bool client_cache_answer(struct client *c)
{
    uint8_t bytes[KEY_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct worker *worker = c->worker;
    struct cache *cache = worker->galeway->cache;
    uint64_t now_us = c->task->began_us;
    uint64_t ttl_us = ttl_of(c);
    struct causal_deps deps;
    struct cache_key key;
    struct cache_look look;
    bool waits;

    if (LIKELY(ttl_us == 0) || !is_followed(c, now_us)) {
        return false;
    }
    schemas_look(c);
    if (c->task->verdict.cache_ttl_ms <= 0 && schemas_are_opaque(c)) {
        return false;
    }
    if (!deps_of(c, &deps) || !write_key(c, &w)) {
        return false;
    }
    key = key_of(c, &w);
    c->cache_waiter.wake = wake;
    /* What it wrote itself it reads where it wrote: another's answer may come from elsewhere. */
    waits = client_follow_us(c) != CAUSAL_THE_WRITER && (c->task->follow_flags & CAUSAL_STRAY) == 0;
    switch (cache_find(cache, &key, &worker->galeway->causal, &deps, now_us,
                       waits ? &c->cache_waiter : NULL, &look)) {
    case CACHE_HIT: answer(c, look.entry); return true;
    case CACHE_WAIT: return join(c, look.flight);
    case CACHE_HIT_REFRESH: cache_entry_unref(cache, look.entry); break;
    case CACHE_LEAD: break;
    case CACHE_NONE: return false;
    }
    lead(c, look.flight, &deps, ttl_us, now_us);
    return false;
}

/*
 * Has the node applied every write of what the answer depends on? Writes before our start are not
 * known: it has to be seen once since. The writer, too: what another node had begun before a switch
 * may end after it. Where nobody knows what nodes have applied (no Galera, no monitor) it is the
 * writer that has what passed through here.
 */
static bool is_fresh_at(const struct client *c, const struct gathered *g, const struct node *node)
{
    const struct galeway *galeway = c->worker->galeway;
    uint64_t applied = atomic_load_explicit(&node->shared.applied_us, memory_order_acquire);
    bool is_foreign;
    uint64_t written = causal_deps_written_us(&galeway->causal, &g->deps, &is_foreign);

    if (atomic_load_explicit(&node->shared.is_numbered, memory_order_relaxed)) {
        return applied >= MAX(written, galeway->started_ms * 1000);
    }
    return c->task->route.is_writer && g->is_of_site && !is_foreign;
}

void client_cache_sent(struct client *c, const struct server *s)
{
    struct gathered *g = c->task->gathered;

    if (LIKELY(g == NULL)) {
        return;
    }
    g->is_fresh = is_fresh_at(c, g, s->node) && s->rights_us >= c->session.rights_us;
    if (!g->is_fresh) { /* the monitor finds out */
        nodes_wrote(&c->worker->galeway->nodes, g->began_us);
    }
}

static bool gather_grow(struct gathered *g, size_t need)
{
    struct worker *w = g->worker;
    size_t cap = MAX(g->cap, (size_t)GATHER_FIRST);
    uint8_t *grown;

    while (cap < need) {
        cap *= 2;
    }
    if (need > g->max || w->gathering + cap - g->cap > GATHER_MAX) {
        return false;
    }
    grown = mem_try_grow(MEM_CACHE, g->bytes, cap);
    if (grown == NULL) {
        return false;
    }
    w->gathering += cap - g->cap;
    g->bytes = grown;
    g->cap = cap;
    return true;
}

static void gather_forget(struct gathered *g)
{
    g->worker->gathering -= g->cap;
    mem_free(MEM_CACHE, g->bytes);
    g->bytes = NULL;
    g->len = g->cap = 0;
}

void client_cache_bytes(struct client *c, const uv_buf_t *bufs, unsigned n)
{
    struct gathered *g = c->task->gathered;

    for (unsigned i = 0; i < n && g->is_whole; i++) {
        if (g->len + bufs[i].len > g->cap && !gather_grow(g, g->len + bufs[i].len)) {
            g->is_whole = false;
            gather_forget(g);
            return;
        }
        memcpy(g->bytes + g->len, bufs[i].base, bufs[i].len);
        g->len += bufs[i].len;
    }
}

/* An error that any run of the statement would meet; not one of this connection or this moment. */
static bool is_lasting(uint16_t error)
{
    enum { ER_DEADLOCK = 1213, ER_LOCK_WAIT = 1205, ER_FIRST_OF_MARIADB = 1900 };

    return error >= 1054 && error < ER_FIRST_OF_MARIADB && error != ER_DEADLOCK &&
           error != ER_LOCK_WAIT && error != err_number(ERR_INTERRUPTED);
}

/*
 * A view of UUID() has another answer for each: by the end of the first one its schema has been
 * looked at (by another worker, maybe), or those who wait ask for themselves.
 */
static bool is_seen_by_now(struct client *c)
{
    if (c->task->gathered->is_seen || schemas_are_seen(c)) {
        return true;
    }
    schemas_look(c);
    return schemas_are_seen(c);
}

/* False: nobody else may have it. */
static bool may_share(struct client *c, const struct follow *f)
{
    const struct task *task = c->task;

    if (!task->gathered->is_whole || task->timed_out || task->is_killed) {
        return false;
    }
    if (f->is_error) {
        return is_lasting(f->error);
    }
    return f->has_result && f->results == 1 && !f->state_changed && !f->is_tracked &&
           !task->state_changed && c->session.pins == 0 &&
           ((task->facts.flags & FACT_CALC_FOUND_ROWS) == 0 || c->session.found_rows_known) &&
           is_seen_by_now(c);
}

static bool may_keep(const struct client *c, const struct follow *f)
{
    const struct gathered *g = c->task->gathered;

    return !f->is_error && g->is_fresh && g->is_seen &&
           (f->warnings == 0 || worker_vars(c->worker)->mysql_query_cache_handle_warnings == 1);
}

static void end(struct task *task, const struct cache_result *result)
{
    struct gathered *g = task->gathered;

    cache_end(g->worker->galeway->cache, g->flight, result, clock_now_us());
    gather_forget(g);
    mem_free(MEM_CACHE, g);
    task->gathered = NULL;
}

void client_cache_done(struct client *c, const struct server *s)
{
    const struct follow *f = &s->outcome;
    struct gathered *g = c->task->gathered;
    struct answer_end tail = {.rows = f->rows, .found_rows = f->rows};
    struct cache_result result;
    struct iovec parts[2];

    if (!may_share(c, f)) {
        end(c->task, NULL);
        return;
    }
    if ((c->task->facts.flags & FACT_CALC_FOUND_ROWS) != 0) {
        tail.found_rows = c->session.found_rows;
    }
    parts[0] = (struct iovec){g->bytes, g->len};
    parts[1] = (struct iovec){&tail, sizeof(tail)};
    result = (struct cache_result){.parts = parts,
                                   .n_parts = 2,
                                   .len = g->len + sizeof(tail),
                                   .ttl_us = may_keep(c, f) ? g->ttl_us : 0,
                                   .soft_us = g->soft_us,
                                   .took_us = clock_now_us() - g->began_us,
                                   .is_error = f->is_error,
                                   .is_empty = f->rows == 0 && !g->keeps_empty};
    end(c->task, &result);
}

void client_cache_again(struct task *task)
{
    struct gathered *g = task->gathered;

    if (g != NULL) {
        g->len = 0;
        g->is_fresh = false;
    }
}

void client_cache_drop(struct task *task)
{
    if (task->gathered != NULL) {
        end(task, NULL);
    }
}
