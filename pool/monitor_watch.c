/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_watch.c - see monitor_inside.h: one node.
 *
 * One timer: to the next check while none is under way, to suspicion while one is.
 */
#include <mysqld_error.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pool/monitor_check.h"
#include "pool/monitor_inside.h"

#define LATE_GRACE_MS 50

static void on_timer(uv_timer_t *timer);

static void start_timer(struct watch *w, uint64_t ms)
{
    uv_update_time(&w->monitor->loop);
    w->timer_due_ms = clock_now_ms() + ms;
    CHECK(uv_timer_start(&w->timer, on_timer, ms, 0) == 0);
}

void watch_ask(const struct watch *w, struct sql_link *link, const char *sql, unsigned answer_ms)
{
    const struct conf_vars *vars = monitor_vars(w->monitor);
    struct sql_target target = {.node = w->node,
                                .user = vars->mysql_monitor_username,
                                .password = vars->mysql_monitor_password,
                                .sql = sql,
                                .connect_ms = (unsigned)vars->mysql_monitor_connect_timeout,
                                .answer_ms = answer_ms};

    sql_link_ask(link, &target);
}

static void start_check(struct watch *w)
{
    const struct conf_vars *vars = monitor_vars(w->monitor);

    if (atomic_load(&w->node->shared.n_failures) != 0) {
        sql_link_drop(w->link); /* traffic could not connect: can we? */
    }
    w->wants_another = false;
    w->was_late = false;
    w->began_ms = clock_now_ms();
    w->began_us = clock_now_us();
    w->began_unix_us = clock_unix_us();
    watch_ask(w, w->link, check_sql, (unsigned)vars->mysql_monitor_galera_healthcheck_timeout);
    start_timer(w, JUDGE_SUSPECT_MS);
}

/* For other threads: what monitor_view() gives. */
static void publish_view(struct watch *w)
{
    struct monitor *m = w->monitor;
    struct monitor_view *view = &m->views[w->node->index];

    CHECK(pthread_mutex_lock(&m->lock) == 0);
    view->report = w->report;
    view->health = (unsigned)w->state.health;
    view->health_since_ms = w->health_since_ms;
    m->has_view[w->node->index] = true;
    CHECK(pthread_mutex_unlock(&m->lock) == 0);
}

static void judge(struct watch *w, enum judge_event event)
{
    enum node_health before = w->state.health;
    uint64_t since = w->health_since_ms;
    unsigned seen;

    w->state = judge_next(
        w->state, event,
        (unsigned)monitor_vars(w->monitor)->mysql_monitor_galera_healthcheck_max_timeout_count);
    if (w->state.health != before) {
        w->health_since_ms = clock_now_ms();
        if (before == HEALTH_DOWN) {
            w->back_ms = w->health_since_ms;
        }
        tell_health(w, event, before, since);
    }
    /* Workers that were refused have a say, too: so compare with what all see. */
    seen = atomic_exchange(&w->node->shared.health, (unsigned)w->state.health);
    if (seen != (unsigned)w->state.health) {
        w->monitor->has_changed = true;
    }
}

static void update_share(struct watch *w, const struct node_report *before)
{
    uint64_t now = clock_now_ms();
    uint64_t back = w->back_ms == 0 ? UINT64_MAX : now - w->back_ms;
    unsigned latency = atomic_load(&w->node->shared.latency_us);

    atomic_store(&w->node->shared.latency_us, judge_latency_us(latency, w->report.took_us));
    atomic_store(&w->node->shared.load_factor,
                 judge_load(before, &w->report, back,
                            (uint64_t)monitor_vars(w->monitor)->mysql_slow_start_ms));
}

/* Clients wait while nobody may write: the end of that is looked for more often. */
static uint64_t interval_of(const struct watch *w)
{
    const struct monitor *m = w->monitor;
    uint64_t interval = (uint64_t)monitor_vars(m)->mysql_monitor_galera_healthcheck_interval;

    for (unsigned i = 0; i < m->n_groups; i++) {
        if ((m->groups[i]->members & MASK(w->node->index)) != 0 &&
            !group_has_writer(m->groups[i])) {
            return MIN(interval, (uint64_t)NO_WRITER_MS);
        }
    }
    return interval;
}

/*
 * Of an answer: for who has to know in which view the node is. What is not Galera is always in the
 * same.
 */
static void publish_figures(struct watch *w)
{
    const struct node_report *r = &w->report;
    bool is_member = r->is_galera && r->primary && r->ready && r->conf_id != UINT64_MAX;

    atomic_store(&w->node->shared.view, !r->is_galera ? UINT64_MAX
                                        : is_member   ? r->conf_id + 1
                                                      : 0);
    atomic_store(&w->node->shared.checked_us, w->began_us);
}

static void schedule(struct watch *w, enum judge_event event)
{
    uint64_t delay = w->wants_another ? 0 : judge_delay_ms(&w->state, event, interval_of(w));
    uint64_t passed = clock_now_ms() - w->began_ms;

    if (event == JUDGE_ANSWERED && delay > 0) { /* from beginning to beginning */
        delay -= MIN(passed, delay);
    }
    start_timer(w, delay);
}

/* --- the connection's callbacks --------------------------------------------------------------- */

static void on_begin(void *arg)
{
    struct watch *w = arg;

    check_begin(&w->figures);
}

static void on_row(void *arg, char *const *columns, unsigned n)
{
    struct watch *w = arg;

    if (n == 2) {
        check_figure(&w->figures, columns[0], columns[1]);
    }
}

static void on_done(void *arg, const struct sql_result *result)
{
    struct watch *w = arg;
    struct node_report before = w->report;
    enum judge_event event;

    if (w->drops || !w->is_on) {
        w->drops = false;
        sql_link_drop(w->link);
    }
    if (!w->is_on) {
        return;
    }
    check_end(&w->report, &w->figures, result, clock_now_ms());
    node_offers(w->node, result->caps);
    if (result->caps != 0) {
        node_says_mode(w->node, result->status);
    }
    tell_check(w, result);
    event = judge_event_of((enum report_kind)w->report.kind);
    if (event == JUDGE_DENIED) {
        tell_denied(w);
    } else if (event == JUDGE_ANSWERED) {
        w->denied_told = false;
    }
    if (result->kind == REPORT_OK) {
        numbers_checked(w, result->connect_us != 0);
    } else {
        numbers_broke(w);
    }
    judge(w, event);
    if (event == JUDGE_ANSWERED) {
        if (result->connect_us != 0) { /* a kept connection says nothing of new ones */
            node_answered(w->node);
        } else if (atomic_load(&w->node->shared.n_failures) != 0) {
            w->wants_another = true; /* over a new one */
        }
        update_share(w, &before);
        publish_figures(w);
    }
    w->has_result |= event != JUDGE_LOST || w->state.health == HEALTH_DOWN;
    publish_view(w);
    schedule(w, event);
    monitor_look(w->monitor, w);
}

/*
 * The node closed the connection: it ends, or it was told to. Ask at once, but not faster than it
 * closes them.
 */
static void on_lost(void *arg)
{
    struct watch *w = arg;

    numbers_broke(w);
    if (w->is_on && clock_now_ms() - w->began_ms > POKE_FRESH_MS) {
        start_check(w);
    } else if (w->is_on) {
        start_timer(w, POKE_FRESH_MS);
    }
}

static const struct sql_handler check_handler = {on_begin, on_row, on_done, on_lost};

/* --- time ------------------------------------------------------------------------------------- */

/*
 * A check is under way for long. Who has answered, or was asked by a thread that was late itself,
 * is not suspected.
 */
static void suspect(struct watch *w)
{
    if (sql_link_has_input(w->link)) {
        start_timer(w, LATE_GRACE_MS);
    } else if (!w->was_late && clock_now_ms() > w->timer_due_ms + JUDGE_SUSPECT_MS / 4) {
        w->was_late = true;
        start_timer(w, JUDGE_SUSPECT_MS);
    } else {
        judge(w, JUDGE_LATE);
        publish_view(w);
        monitor_look(w->monitor, w);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct watch *w = CONTAINER_OF(timer, struct watch, timer);

    if (sql_link_is_busy(w->link)) {
        suspect(w);
    } else {
        start_check(w);
    }
}

void watch_poke(struct watch *w)
{
    uint64_t now = clock_now_ms();
    uint64_t passed = now - w->began_ms;

    if (!w->is_on) {
        return;
    }
    if (!sql_link_is_busy(w->link) && passed >= POKE_GAP_MS) {
        start_check(w);
    } else if (!sql_link_is_busy(w->link)) {
        if (w->timer_due_ms > now + POKE_GAP_MS - passed) {
            start_timer(w, POKE_GAP_MS - passed);
        }
    } else if (passed > POKE_FRESH_MS) {
        w->wants_another = true;
    }
}

/* --- catching up ------------------------------------------------------------------------------ */

static void on_catch_begin(void *arg)
{
    struct watch *w = arg;

    w->catch_began_ms = clock_now_ms();
}

static void on_catch_row(void *arg, char *const *columns, unsigned n)
{
    (void)arg;
    (void)columns;
    (void)n;
}

/*
 * A login of ours that is refused: it is full, or our account is. Nothing that speaks against the
 * node.
 */
static bool is_login_refused(const struct sql_result *result)
{
    return result->error == ER_CON_COUNT_ERROR || result->error == ER_ACCESS_DENIED_ERROR ||
           result->error == ER_TOO_MANY_USER_CONNECTIONS || result->error == ER_USER_LIMIT_REACHED;
}

/* Clients wait meanwhile: so not for ever. */
static void note_catch_up(struct watch *w, const struct sql_result *result)
{
    uint64_t now = clock_now_ms();

    w->is_catch_denied = false;
    if (result->kind == REPORT_OK) {
        w->catch_again_ms = now;
        w->catch_failed_ms = w->lame_until_ms = 0;
        return;
    }
    if (w->catch_failed_ms == 0 || w->catch_began_ms > w->catch_again_ms + CATCH_UP_FAILS_MS) {
        w->catch_failed_ms = w->catch_began_ms; /* or what failed before was for another time */
    }
    w->catch_again_ms = now + CATCH_UP_AGAIN_MS;
    if (is_login_refused(result)) {
        w->is_catch_denied = now - w->catch_failed_ms >= CATCH_DENIED_MS;
    } else if (now - w->catch_failed_ms >= CATCH_UP_FAILS_MS) {
        w->lame_until_ms = now + LAME_MS;
        w->catch_failed_ms = 0;
    }
}

static void on_catch_done(void *arg, const struct sql_result *result)
{
    struct watch *w = arg;
    struct monitor *m = w->monitor;
    uint64_t now = clock_now_ms();

    w->is_catching = false;
    w->caught_ms = now - w->catch_began_ms;
    if (w->catch_drops || !w->is_on) {
        w->catch_drops = false;
        sql_link_drop(w->catch_link);
    }
    note_catch_up(w, result);
    for (unsigned i = 0; i < m->n_groups; i++) {
        group_caught_up(m->groups[i], w, result->kind == REPORT_OK || w->is_catch_denied);
    }
    monitor_look(m, w);
}

static void on_catch_lost(void *arg)
{
    (void)arg; /* the other connection says why */
}

static const struct sql_handler catch_handler = {on_catch_begin, on_catch_row, on_catch_done,
                                                 on_catch_lost};

bool watch_cannot_be_asked(const struct watch *w)
{
    return w->state.health == HEALTH_UNCHECKED || w->report.kind == REPORT_DENIED ||
           !w->report.is_galera;
}

void watch_catch_up(struct watch *w)
{
    if (w->catch_link == NULL) {
        w->catch_link = sql_link_new(&w->monitor->loop, &catch_handler, w);
    }
    w->is_catching = true;
    w->catch_began_ms = clock_now_ms();
    watch_ask(w, w->catch_link, check_catch_up_sql, CATCH_UP_MS);
}

/* --- life ------------------------------------------------------------------------------------- */

struct watch *watch_new(struct monitor *m, struct node *node)
{
    struct watch *w = mem_new(MEM_POOL, sizeof(*w));

    w->monitor = m;
    w->node = node;
    w->health_since_ms = clock_now_ms();
    w->link = sql_link_new(&m->loop, &check_handler, w);
    CHECK(uv_timer_init(&m->loop, &w->timer) == 0);
    return w;
}

static void on_timer_closed(uv_handle_t *handle)
{
    mem_free(MEM_POOL, CONTAINER_OF(handle, struct watch, timer));
}

void watch_close(struct watch *w)
{
    sql_link_close(w->link);
    sql_link_close(w->catch_link);
    numbers_close(w);
    uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}

void watch_forget_account(struct watch *w)
{
    w->denied_told = false;
    if (sql_link_is_busy(w->link)) {
        w->drops = true;
        w->wants_another = true;
    } else {
        sql_link_drop(w->link);
        if (w->is_on) {
            start_check(w);
        }
    }
    if (w->is_catching) {
        w->catch_drops = true;
    } else if (w->catch_link != NULL) {
        sql_link_drop(w->catch_link);
    }
    numbers_forget_account(w);
}

static void turn_off(struct watch *w)
{
    CHECK(uv_timer_stop(&w->timer) == 0);
    if (!sql_link_is_busy(w->link)) {
        sql_link_drop(w->link);
    }
    if (w->catch_link != NULL && !w->is_catching) {
        sql_link_drop(w->catch_link);
    }
    w->state = (struct judge_state){0};
    w->health_since_ms = clock_now_ms();
    w->report = (struct node_report){0};
    w->back_ms = 0;
    numbers_broke(w);
    numbers_forget_account(w);
    w->catch_failed_ms = w->lame_until_ms = 0;
    atomic_store(&w->node->shared.health, (unsigned)HEALTH_UNCHECKED);
    atomic_store(&w->node->shared.latency_us, 0);
    atomic_store(&w->node->shared.load_factor, JUDGE_LOAD_ONE);
    publish_view(w);
    w->monitor->has_changed = true;
}

void watch_set(struct watch *w, bool is_on)
{
    if (w->is_on == is_on) {
        return;
    }
    w->is_on = is_on;
    w->has_result = false;
    if (!is_on) {
        turn_off(w);
    } else if (sql_link_is_busy(w->link)) { /* of before it was turned off: ask again after it */
        w->wants_another = true;
    } else {
        start_check(w);
    }
}
