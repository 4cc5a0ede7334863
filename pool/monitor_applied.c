/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_applied.c - see monitor_inside.h: what the nodes have applied, by applied.h.
 *
 * Each check tells. While there are writes that not all have applied, each node is asked for its
 * number alone, and more often; for a proof when the numbers do not tell (a node does not answer,
 * or was started again). Over a connection of its own: an answer that takes long delays no check,
 * and is no failure of the node.
 */
#include "base/clock.h"
#include "pool/monitor_check.h"
#include "pool/monitor_inside.h"

#define AGAIN_SHARE  8 /* of the interval: who was a little behind is asked once more after it */
#define AGAIN_MIN_MS 10

static struct applied_node *applied_of(const struct watch *w)
{
    return &w->monitor->applied.nodes[w->node->index];
}

/* Who has connections may acknowledge, whether we watch it or not. */
static void count_members(struct monitor *m)
{
    unsigned n = atomic_load(&m->nodes->count);

    for (unsigned i = 0; i < n; i++) {
        bool is_watched = m->watches[i] != NULL && m->watches[i]->is_on;

        if (is_watched || atomic_load(&m->nodes->items[i]->shared.n_connections) > 0) {
            applied_join(&m->applied, i);
        } else {
            applied_leave(&m->applied, i, clock_now_us());
        }
    }
}

static bool is_numbered(const struct monitor *m, unsigned node)
{
    const struct watch *w = m->watches[node];
    bool is_watched = w != NULL && w->is_on && !w->denied_told;

    return is_watched && (m->applied.nodes[node].is_in ||
                          atomic_load_explicit(&w->node->shared.is_numbered, memory_order_relaxed));
}

/* Who waits for a node to apply something looks again as soon as one has. */
static void publish_numbers(struct monitor *m)
{
    unsigned n = atomic_load(&m->nodes->count);
    uint64_t all_us = UINT64_MAX;
    bool has_risen = false;

    for (unsigned i = 0; i < n; i++) {
        struct node *node = m->nodes->items[i];
        uint64_t us = applied_us(&m->applied, i);

        has_risen |= atomic_exchange(&node->shared.applied_us, us) < us;
        atomic_store_explicit(&node->shared.is_numbered, is_numbered(m, i), memory_order_relaxed);
        all_us = is_numbered(m, i) ? MIN(all_us, us) : all_us;
    }
    atomic_store_explicit(&m->nodes->applied_by_all_us, all_us == UINT64_MAX ? 0 : all_us,
                          memory_order_release);
    if (has_risen && atomic_exchange(&m->nodes->wants_applied, false)) {
        m->on_change(m->on_change_arg);
    }
}

void numbers_broke(struct watch *w)
{
    applied_broke(&w->monitor->applied, w->node->index, clock_now_us());
    publish_numbers(w->monitor);
}

/* --- the connection's callbacks --------------------------------------------------------------- */

static void on_begin(void *arg)
{
    struct watch *w = arg;

    w->number = 0;
}

static void on_row(void *arg, char *const *columns, unsigned n)
{
    struct watch *w = arg;
    struct node_report figures;

    if (n == 2) { /* a proof has a line of one column before it */
        check_begin(&figures);
        check_figure(&figures, columns[0], columns[1]);
        w->number = figures.last_committed;
    }
}

static void drop(struct watch *w)
{
    w->number_drops = false;
    w->number_is_open = false;
    sql_link_drop(w->number_link);
}

static void take_answer(struct watch *w)
{
    struct applied *a = &w->monitor->applied;
    unsigned index = w->node->index;
    uint64_t now = clock_now_us();

    count_members(w->monitor);
    if (w->number_proves) {
        applied_proved(a, index, w->number, w->number_began_us, now);
    } else {
        applied_answered(a, index, w->number, w->number_began_us, now);
    }
}

static void on_done(void *arg, const struct sql_result *result)
{
    struct watch *w = arg;
    bool was_open = w->number_is_open;

    w->number_is_open = result->kind == REPORT_OK;
    if (was_open && (result->connect_us != 0 || report_is_broken(result->kind))) {
        numbers_broke(w); /* it was lost on the way: by whom? The next check tells */
    }
    if (w->is_on && result->kind == REPORT_OK) {
        take_answer(w);
        publish_numbers(w->monitor);
    }
    if (w->number_drops) {
        drop(w);
    }
}

static void on_lost(void *arg)
{
    struct watch *w = arg;

    w->number_is_open = false;
    numbers_broke(w);
}

static const struct sql_handler number_handler = {on_begin, on_row, on_done, on_lost};

/* --- asking ----------------------------------------------------------------------------------- */

static void ask(struct watch *w, bool proves)
{
    const struct conf_vars *vars = monitor_vars(w->monitor);

    if (w->number_link == NULL) {
        w->number_link = sql_link_new(&w->monitor->loop, &number_handler, w);
    }
    w->number_proves = proves;
    w->number_began_us = clock_now_us();
    watch_ask(w, w->number_link, proves ? check_proof_sql : check_number_sql,
              proves ? CATCH_UP_MS : (unsigned)vars->mysql_monitor_galera_healthcheck_timeout);
}

static bool can_be_asked(const struct watch *w)
{
    return w->is_on && w->state.health == HEALTH_UP && applied_of(w)->is_in &&
           (w->number_link == NULL || !sql_link_is_busy(w->number_link));
}

/* Has every node that can be asked applied what was written until then? */
static bool have_all_applied(const struct monitor *m, uint64_t written_us)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        const struct watch *w = m->watches[i];

        if (w != NULL && w->is_on && applied_of(w)->is_in &&
            applied_of(w)->applied_us < written_us) {
            return false;
        }
    }
    return true;
}

static uint64_t interval_ms(const struct monitor *m)
{
    return (uint64_t)monitor_vars(m)->mysql_causal_check_interval_ms;
}

static bool is_to_ask(const struct monitor *m)
{
    uint64_t written = atomic_load_explicit(&m->nodes->written_us, memory_order_relaxed);

    return written != 0 && !have_all_applied(m, written + NODES_WROTE_US);
}

/* --- by checks -------------------------------------------------------------------------------- */

void numbers_checked(struct watch *w, bool is_new)
{
    struct monitor *m = w->monitor;
    uint64_t now = clock_now_us();

    count_members(m);
    if (is_new) {
        applied_broke(&m->applied, w->node->index, now);
    }
    applied_checked(&m->applied, w->node->index, &w->report, w->began_us, now);
    publish_numbers(m);
    if (interval_ms(m) == 0 && is_to_ask(m) && can_be_asked(w) &&
        applied_needs_proof(
            &m->applied, w->node->index,
            now - 2000 * (uint64_t)monitor_vars(m)->mysql_monitor_galera_healthcheck_interval)) {
        ask(w, true);
    }
}

static void ask_all(struct monitor *m)
{
    uint64_t fresh_us = clock_now_us() - 2 * interval_ms(m) * 1000;

    count_members(m);
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct watch *w = m->watches[i];

        if (w != NULL && can_be_asked(w)) {
            ask(w, applied_needs_proof(&m->applied, i, fresh_us));
        }
    }
}

/* Who was asked a moment before the others has a lower number: the next one may be high enough. */
static void ask_those_behind(struct monitor *m)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct watch *w = m->watches[i];

        if (w != NULL && can_be_asked(w) && applied_is_behind(&m->applied, i)) {
            ask(w, false);
        }
    }
}

static void on_number_timer(uv_timer_t *timer)
{
    struct monitor *m = CONTAINER_OF(timer, struct monitor, number_timer);
    uint64_t interval = interval_ms(m);
    uint64_t again = MAX(interval / AGAIN_SHARE, (uint64_t)AGAIN_MIN_MS);

    if (m->asks_again) {
        m->asks_again = false;
        ask_those_behind(m);
        CHECK(uv_timer_start(timer, on_number_timer, interval - MIN(again, interval), 0) == 0);
    } else if (is_to_ask(m)) {
        m->asks_again = true;
        ask_all(m);
        CHECK(uv_timer_start(timer, on_number_timer, again, 0) == 0);
    } else {
        CHECK(uv_timer_start(timer, on_number_timer, interval, 0) == 0);
    }
}

void numbers_prove(struct watch *w)
{
    if (can_be_asked(w)) {
        ask(w, true);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

void numbers_start(struct monitor *m)
{
    if (interval_ms(m) == 0) {
        CHECK(uv_timer_stop(&m->number_timer) == 0);
    } else {
        m->asks_again = false;
        CHECK(uv_timer_start(&m->number_timer, on_number_timer, interval_ms(m), 0) == 0);
    }
}

void numbers_forget_account(struct watch *w)
{
    if (w->number_link != NULL && sql_link_is_busy(w->number_link)) {
        w->number_drops = true;
    } else if (w->number_link != NULL) {
        drop(w);
    }
}

void numbers_close(struct watch *w)
{
    sql_link_close(w->number_link);
}
