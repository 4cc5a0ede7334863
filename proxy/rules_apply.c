/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_apply.c - see rules_apply.h.
 *
 *   decide --> refuse (firewall, error_msg) | answer (OK_msg) | rewrite --> mirror --> verdict --> delay --> on with it
 */
#include "proxy/rules_apply.h"

#include <stdio.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_cache.h"
#include "proxy/client_confirm.h"
#include "proxy/client_lost.h"
#include "proxy/client_peer.h"
#include "proxy/client_run.h"
#include "proxy/client_stmt.h"
#include "proxy/event.h"
#include "proxy/events_log.h"
#include "proxy/worker.h"
#include "router/secret_text.h"

#define ER_NOT_ALLOWED       1148 /* what ProxySQL refuses with */
#define ER_NOT_ALLOWED_STATE "42000"
#define KILL_GRACE_MS        5000 /* a statement that does not end when killed loses its connection */

/* --- what rules look at ----------------------------------------------------------------------- */

static const struct client_place *place_of(struct client *c)
{
    static _Thread_local struct client_place not_kept; /* without memory: made each time */
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    struct sockaddr *to = (struct sockaddr *)(void *)&address;
    int len = sizeof(address);
    struct client_place *place = c->place;
    struct address client, reached;

    if (place != NULL) {
        return place;
    }
    c->place = mem_try(MEM_CLIENT, sizeof(*place));
    place = c->place != NULL ? c->place : &not_kept;
    memset(place, 0, sizeof(*place));
    client = client_address(c);
    if (client.family != ADDRESS_NONE) {
        (void)address_text(&client, place->client_addr);
    }
    if (c->stream.u.handle.type == UV_TCP) {
        (void)uv_tcp_getsockname(&c->stream.u.tcp, to, &len);
        reached = address_of(to);
        place->proxy_port = reached.port;
        if (reached.family != ADDRESS_NONE) {
            (void)address_text(&reached, place->proxy_addr);
        }
    } else {
        size_t room = sizeof(place->proxy_addr) - 1;

        (void)uv_pipe_getsockname(&c->stream.u.pipe, place->proxy_addr, &room);
    }
    return place;
}

/* xorshift: which of weighted flagOUTs is taken is no secret. */
static uint32_t next_random(struct worker *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 17;
    w->random ^= w->random << 5;
    return w->random;
}

/* Where rewritten statements are made: one buffer for each worker, only where there are rules. */
static char *rewrite_buffer(struct worker *w)
{
    if (w->rewritten == NULL) {
        w->rewritten = mem_new(MEM_ROUTER, RULES_REWRITE_MAX);
    }
    return w->rewritten;
}

/* is_copy: for a mirror. */
static void match(struct client *c, struct slice text, uint64_t digest, int flag_in, bool is_copy,
                  struct rules_result *r)
{
    struct worker *w = c->worker;
    const struct rules *rules = w->snapshot->rules;
    const struct client_place *place = place_of(c);
    const struct rules_input in = {
        .username = slice_of(c->session.account->name),
        .schemaname = session_schema_name(&c->session),
        .client_addr = slice_of(place->client_addr),
        .proxy_addr = slice_of(place->proxy_addr),
        .proxy_port = place->proxy_port,
        .is_copy = is_copy,
        .flag_in = flag_in,
        .digest = digest,
        .mode = client_mode(c),
        .text = text,
        .chance = next_random(w),
    };

    rules_match(rules, w->rules_cache, &in, r, rewrite_buffer(w), RULES_REWRITE_MAX, NULL);
}

static void count_hits(const struct client *c, const struct rules_result *r)
{
    for (size_t i = 0; i < r->n_hits; i++) {
        rules_hit(c->worker->snapshot->rules, r->hits[i]);
    }
}

static void decide(struct client *c, struct slice text, uint64_t digest, struct rules_result *r)
{
    match(c, text, digest, c->session.flag_in, false, r);
    count_hits(c, r);
    c->session.flag_in = r->next_flag_in < 0 ? 0 : r->next_flag_in;
}

struct verdict rules_verdict(const struct rules *rules, const struct rules_result *r)
{
    return (struct verdict){
        .rule_id = r->n_hits == 0 ? 0 : rules_id(rules, r->hits[r->n_hits - 1]),
        .hostgroup = r->hostgroup,
        .retries = r->retries,
        .timeout_ms = r->timeout_ms,
        .delay_ms = r->delay_ms,
        .causal_window_ms = r->causal_window_ms,
        .multiplex = r->multiplex,
        .sticky_conn = r->sticky_conn,
        .log = r->log,
        .cache_ttl_ms = r->cache_ttl_ms,
        .cache_empty_result = r->cache_empty_result,
        .new_connection = r->new_connection,
    };
}

/* --- answers ---------------------------------------------------------------------------------- */

/* True: it was refused, and the task is over. */
static bool refused(struct client *c, const struct rules_result *r)
{
    const char *text = r->firewall_text != NULL ? r->firewall_text : r->error_msg;

    if (r->firewall_detected) {
        stat_add(&c->worker->stats, STAT_FIREWALL_DETECTED, 1);
    }
    if (text == NULL) {
        return false;
    }
    stat_add(&c->worker->stats, STAT_RULE_REFUSED, 1);
    rules_log(c);
    if (client_error(c, ER_NOT_ALLOWED, ER_NOT_ALLOWED_STATE, slice_of(text))) {
        client_task_end(c);
    }
    return true;
}

static bool answered(struct client *c, const struct rules_result *r)
{
    if (r->ok_msg == NULL) {
        return false;
    }
    stat_add(&c->worker->stats, STAT_RULE_ANSWERED, 1);
    rules_log(c);
    session_said(&c->session, 0, false);
    if (client_ok_text(c, slice_of(r->ok_msg))) {
        client_task_end(c);
    }
    return true;
}

/* --- rewriting and mirrors -------------------------------------------------------------------- */

/* False: there is no memory, and the client is closing. */
static bool rewrite(struct client *c, struct slice text)
{
    struct task *task = c->task;

    if (task_replace_text(task, text) != 0) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return false;
    }
    stat_add(&c->worker->stats, STAT_RULE_REWRITTEN, 1);
    client_scan(c, task, (struct slice){(const char *)task->bytes + PACKET_HEADER + 1, text.len});
    if (task->command == COM_STMT_PREPARE) {
        task->facts.local = LOCAL_NONE;
    }
    return true;
}

/*
 * The copy goes through the rules from mirror_flagOUT on, if that is set: they may send it
 * elsewhere or rewrite it.
 */
static void mirror(struct client *c, const struct rules_result *r)
{
    const struct session *s = &c->session;
    const struct task *task = c->task;
    struct slice text = {(const char *)task->bytes + PACKET_HEADER + 1,
                         task->len - PACKET_HEADER - 1};
    struct mirror_input in = {
        .account = s->account,
        .schema = s->schema,
        .profile = s->profile,
        .caps = s->caps & CAPS_OF_IDENTITY,
        .multi_statements = (s->caps & CAP_MULTI_STATEMENTS) != 0,
        .site = client_site(c),
        .sql_mode = session_sql_mode(s),
        .default_hostgroup = client_default_hostgroup(c),
        .hostgroup = r->mirror_hostgroup,
        .text = text,
    };

    if (r->mirror_flag_out >= 0) {
        struct rules_result copy;

        match(c, text, task->facts.digest, r->mirror_flag_out, true, &copy);
        count_hits(c, &copy);
        if (copy.error_msg != NULL || copy.ok_msg != NULL || copy.firewall_text != NULL) {
            return;
        }
        in.hostgroup = copy.hostgroup >= 0 ? copy.hostgroup : in.hostgroup;
        in.text = copy.is_rewritten ? copy.rewritten : text;
    }
    mirror_send(c->worker, &in);
}

static bool wants_mirror(const struct task *task, const struct rules_result *r)
{
    return (r->mirror_hostgroup >= 0 || r->mirror_flag_out >= 0) && task->command == COM_QUERY &&
           !task->is_streaming;
}

/* --- entries ---------------------------------------------------------------------------------- */

/*
 * What the rules say of a prepared statement is kept with it. False: no memory, the client is
 * closing.
 */
static bool keep_said(struct client *c, struct rules_result **said, uint64_t *said_by,
                      const struct rules_result *r)
{
    if (*said == NULL) {
        *said = mem_try(MEM_STMT, sizeof(**said));
    }
    if (*said == NULL) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return false;
    }
    **said = *r;
    *said_by = c->worker->snapshot->conf->version;
    return true;
}

bool rules_apply(struct client *c, struct slice text)
{
    struct task *task = c->task;
    bool prepares = task->command == COM_STMT_PREPARE;
    struct rules_result r;

    decide(c, text, task->facts.digest, &r);
    task->verdict = rules_verdict(c->worker->snapshot->rules, &r);
    if (refused(c, &r) || (!prepares && answered(c, &r))) {
        return true;
    }
    if (r.is_rewritten && !task->is_streaming && !rewrite(c, r.rewritten)) {
        return true;
    }
    if (prepares) {
        return !keep_said(c, &task->said, &task->said_by, &r);
    }
    if (wants_mirror(task, &r)) {
        mirror(c, &r);
    }
    return false;
}

/* Would the rules say the same again of a prepared statement? */
static bool still_holds(const struct client *c, const struct client_stmt *stmt)
{
    return stmt->said != NULL && stmt->said_by == c->worker->snapshot->conf->version &&
           stmt->said->flag_in == c->session.flag_in && !stmt->said->is_by_lot;
}

bool rules_apply_execute(struct client *c, struct client_stmt *stmt)
{
    if (!still_holds(c, stmt)) {
        struct rules_result r; /* its text stays as it was prepared */

        decide(c, (struct slice){stmt->text->text, stmt->text->len}, c->task->facts.digest, &r);
        if (!keep_said(c, &stmt->said, &stmt->said_by, &r)) {
            return true;
        }
    } else {
        count_hits(c, stmt->said);
        c->session.flag_in = stmt->said->next_flag_in < 0 ? 0 : stmt->said->next_flag_in;
    }
    c->task->verdict = rules_verdict(c->worker->snapshot->rules, stmt->said);
    return refused(c, stmt->said) || answered(c, stmt->said);
}

void rules_apply_long_data(struct client *c, const struct client_stmt *stmt)
{
    const struct snapshot *snapshot = c->worker->snapshot;

    if (stmt->said != NULL && stmt->said_by == snapshot->conf->version) {
        struct verdict v = rules_verdict(snapshot->rules, stmt->said);

        c->task->verdict.hostgroup = v.hostgroup;
        c->task->verdict.rule_id = v.rule_id;
    }
}

/* --- delay ------------------------------------------------------------------------------------ */

static void too_many(struct client *c)
{
    char text[160];

    (void)snprintf(text, sizeof(text),
                   "Too many statements are delayed: %u (mysql-queue_max_length)",
                   c->worker->n_delayed);
    client_end_with_error(c, err_number(ERR_POOL_FULL), err_sqlstate(ERR_POOL_FULL),
                          slice_of(text));
}

bool rules_delay(struct client *c)
{
    struct worker *w = c->worker;
    const struct conf_vars *vars = worker_vars(w);
    int64_t delay =
        c->task->verdict.delay_ms < 0 ? vars->mysql_default_query_delay : c->task->verdict.delay_ms;

    if (LIKELY(delay == 0)) {
        return false;
    }
    if (w->n_delayed >= (unsigned)vars->mysql_queue_max_length) {
        too_many(c);
    } else if (alarm_set(&w->alarms, &c->alarm, w->now_ms + (uint64_t)delay) != 0) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
    } else {
        stat_add(&w->stats, STAT_RULE_DELAYED, 1);
        w->n_delayed++;
        client_to(c, CLIENT_DELAYED);
    }
    return true;
}

void rules_delay_end(struct client *c)
{
    if (c->state == CLIENT_DELAYED) {
        alarm_clear(&c->worker->alarms, &c->alarm);
        c->worker->n_delayed--;
        client_to(c, CLIENT_IDLE);
    }
}

void rules_on_alarm(struct client *c)
{
    if (c->state == CLIENT_DELAYED) {
        rules_delay_end(c);
        client_go_on(c);
    } else if (c->state == CLIENT_JOINED) {
        client_cache_late(c);
    } else if (c->task != NULL && client_is_confirming(c->task)) {
        client_confirm_look(c);
    } else if (c->task != NULL && c->task->runs_again) {
        client_go_again(c);
    } else if (c->task != NULL && c->server != NULL) {
        rules_timed_out(c);
    }
}

void rules_timeout_text(const struct task *task, char *out, size_t cap)
{
    const struct verdict *v = &task->verdict;

    if (v->timeout_ms <= 0) {
        (void)snprintf(out, cap, "%s: it ran longer than mysql-default_query_timeout",
                       err_text(ERR_INTERRUPTED));
    } else if (v->rule_id == 0) {
        (void)snprintf(out, cap, "%s: it ran longer than the %lld ms of its hint",
                       err_text(ERR_INTERRUPTED), (long long)v->timeout_ms);
    } else {
        (void)snprintf(out, cap, "%s: it ran longer than the %lld ms of the rule with rule_id %d",
                       err_text(ERR_INTERRUPTED), (long long)v->timeout_ms, v->rule_id);
    }
}

void rules_timed_out(struct client *c)
{
    struct worker *w = c->worker;

    if (c->task->timed_out) { /* it was killed, and goes on all the same */
        server_lost(c->server, ERR_NODE_TIMEOUT, NULL);
        return;
    }
    c->task->timed_out = true;
    stat_add(&w->stats, STAT_QUERY_TIMEOUTS, 1);
    kill_statement(w, c->server);
    if (alarm_set(&w->alarms, &c->alarm, w->now_ms + KILL_GRACE_MS) != 0) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
    }
}

/* --- afterwards ------------------------------------------------------------------------------- */

void rules_pin(struct session *s, const struct verdict *v, bool multiplexing, uint64_t digest,
               uint64_t now_ms)
{
    if (v->multiplex == 0 || v->multiplex == 1) {
        s->multiplex_off = v->multiplex == 0;
        s->multiplex_on = v->multiplex == 1;
    }
    if (s->multiplex_off || (!multiplexing && !s->multiplex_on)) {
        session_pin(s, PIN_NO_MULTIPLEXING, digest, now_ms);
    } else if (s->multiplex_on) {
        session_unpin(s, PIN_NO_MULTIPLEXING);
    }
    if (v->sticky_conn == 1) {
        session_pin(s, PIN_STICKY, digest, now_ms);
    } else if (v->sticky_conn == 0) {
        session_unpin(s, PIN_STICKY);
    }
}

static const char *kind_of(uint8_t command)
{
    return command == COM_STMT_PREPARE        ? "COM_STMT_PREPARE"
           : command == COM_STMT_EXECUTE      ? "COM_STMT_EXECUTE"
           : command == COM_STMT_BULK_EXECUTE ? "COM_STMT_BULK_EXECUTE"
                                              : "COM_QUERY";
}

static bool is_logged(const struct client *c)
{
    const struct task *task = c->task;
    int log = task->verdict.log;

    return c->worker->logs_events && task->began_us != 0 &&
           (task->command == COM_QUERY || task->command == COM_STMT_PREPARE ||
            task_executes(task)) &&
           (log == 1 || (log < 0 && worker_vars(c->worker)->mysql_eventslog_default_log == 1));
}

static void write_event(struct client *c, struct event *e)
{
    const struct task *task = c->task;
    const struct client_place *place = place_of(c);
    char hidden[SECRET_TEXT_MAX];
    char *line;

    e->kind = kind_of(task->command);
    e->thread_id = c->id;
    e->username = slice_of(c->session.account->name);
    e->schemaname = session_schema_name(&c->session);
    e->client = slice_of(place->client_addr[0] != '\0' ? place->client_addr : "localhost");
    e->digest = task->facts.digest;
    e->end_us = clock_unix_us();
    e->start_us = e->end_us - (clock_now_us() - task->began_us);
    if (task->stmt != NULL) {
        e->client_stmt_id = task->stmt->id;
        e->query = (struct slice){task->stmt->text->text, task->stmt->text->len};
    } else {
        e->query = (struct slice){(const char *)task->bytes + PACKET_HEADER + 1,
                                  task->len - PACKET_HEADER - 1};
    }
    e->query = secret_hide(e->query, client_mode(c), hidden);
    line = mem_try(MEM_LOG, event_room(e));
    if (line != NULL) {
        events_log_add(c->worker->galeway->events, line, event_write(e, line, event_room(e)));
        mem_free(MEM_LOG, line);
    }
}

void rules_log(struct client *c)
{
    struct event e = {.hostgroup = -1};

    if (UNLIKELY(is_logged(c))) {
        write_event(c, &e);
    }
}

void rules_after(struct client *c, const struct server *s)
{
    struct worker *w = c->worker;
    const struct conf_vars *vars = worker_vars(w);
    const struct task *task = c->task;

    rules_pin(&c->session, &task->verdict, vars->mysql_multiplexing, task->facts.digest, w->now_ms);
    if (UNLIKELY(is_logged(c))) {
        struct event e = {
            .hostgroup = task->route.hostgroup,
            .server = slice_of(s->node->text),
            .rows_affected = s->outcome.affected,
            .last_insert_id = s->outcome.last_insert_id,
            .rows_sent = s->outcome.rows,
        };

        write_event(c, &e);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

void rules_new_snapshot(struct worker *w)
{
    w->has_rules = !rules_is_empty(w->snapshot->rules);
    w->logs_events = worker_vars(w)->mysql_eventslog_filename[0] != '\0';
    if (w->random == 0) {
        w->random = (uint32_t)clock_now_us() | 1;
    }
    if (w->rules_cache == NULL && w->has_rules) {
        w->rules_cache = rules_cache_new(&w->stats);
    }
}

void rules_worker_fini(struct worker *w)
{
    rules_cache_free(w->rules_cache);
    mem_free(MEM_ROUTER, w->rewritten);
    w->rules_cache = NULL;
    w->rewritten = NULL;
}
