/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.c - see monitor.h and monitor_inside.h: the thread, its mail, the configuration, and what
 * others may ask.
 */
#include "pool/monitor.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/monitor_inside.h"

static void lock(struct monitor *m)
{
    CHECK(pthread_mutex_lock(&m->lock) == 0);
}

static void unlock(struct monitor *m)
{
    CHECK(pthread_mutex_unlock(&m->lock) == 0);
}

const struct conf_vars *monitor_vars(const struct monitor *m)
{
    return &m->conf->vars;
}

struct node *monitor_find(const struct nodes *nodes, const char *address, uint16_t port)
{
    unsigned n = atomic_load(&nodes->count);

    for (unsigned i = 0; i < n; i++) {
        if (nodes->items[i]->port == port && strcmp(nodes->items[i]->address, address) == 0) {
            return nodes->items[i];
        }
    }
    return NULL;
}

/* --- after each turn -------------------------------------------------------------------------- */

static void run_hooks(struct monitor *m)
{
    struct monitor_event event;

    while (monitor_log_next(m->log, &event)) {
        hooks_run(m->hooks, monitor_vars(m)->mysql_galera_event_hook, &event);
    }
}

/* Was every node checked once, and every cluster decided? */
static bool is_first_over(const struct monitor *m)
{
    for (size_t i = 0; i < NODES_MAX; i++) {
        if (m->watches[i] != NULL && m->watches[i]->is_on && !m->watches[i]->has_result) {
            return false;
        }
    }
    for (unsigned i = 0; i < m->n_groups; i++) {
        if (m->groups[i]->is_on && !m->groups[i]->is_decided) {
            return false;
        }
    }
    return true;
}

static void on_tick(uv_timer_t *timer);

/* A node that no cluster of its own wants any more takes no statements: what it has may end. */
static void set_drains(struct monitor *m)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        bool is_member = false, serves = false, cuts = true;

        for (unsigned j = 0; j < m->n_groups; j++) {
            const struct group *g = m->groups[j];

            if (g->is_on && g->is_decided && (g->members & MASK(i)) != 0) {
                is_member = true;
                serves |= group_serves(g, MASK(i));
                cuts &= group_cuts(g, i);
            }
        }
        if (m->watches[i] != NULL) {
            atomic_store(&m->watches[i]->node->shared.role_drain, !is_member || serves ? DRAIN_NONE
                                                                  : cuts               ? DRAIN_HARD
                                                                         : DRAIN_SOFT);
        }
    }
}

/* Before they look: who is to be counted, and that what they have seen so far is old. */
static void announce(struct monitor *m)
{
    uint64_t leaving = 0;

    for (unsigned i = 0; i < m->n_groups; i++) {
        leaving |= m->groups[i]->leaving | homes_leaving(m->groups[i]);
    }
    set_drains(m);
    atomic_store(&m->nodes->draining, leaving);
    atomic_fetch_add(&m->nodes->n_changes, 1);
    m->on_change(m->on_change_arg);
    for (unsigned i = 0; i < m->n_groups; i++) {
        group_announced(m->groups[i]);
    }
}

static void settle(struct monitor *m)
{
    bool waits = false;

    run_hooks(m);
    if (m->has_changed) {
        m->has_changed = false;
        announce(m);
    }
    for (unsigned i = 0; i < m->n_groups; i++) {
        waits |= group_waits(m->groups[i]);
    }
    if (!waits) {
        CHECK(uv_timer_stop(&m->tick) == 0);
    } else if (!uv_is_active((uv_handle_t *)&m->tick)) {
        CHECK(uv_timer_start(&m->tick, on_tick, MONITOR_TICK_MS, MONITOR_TICK_MS) == 0);
    }
    lock(m);
    if (!m->is_first_over && is_first_over(m)) {
        m->is_first_over = true;
        CHECK(pthread_cond_broadcast(&m->changed) == 0);
    }
    unlock(m);
}

void monitor_look(struct monitor *m, const struct watch *w)
{
    for (unsigned i = 0; i < m->n_groups; i++) {
        if ((m->groups[i]->members & MASK(w->node->index)) != 0) {
            group_look(m->groups[i]);
        }
    }
    settle(m);
}

static void on_tick(uv_timer_t *timer)
{
    struct monitor *m = CONTAINER_OF(timer, struct monitor, tick);

    for (unsigned i = 0; i < m->n_groups; i++) {
        if (group_waits(m->groups[i])) {
            group_look(m->groups[i]);
        }
    }
    settle(m);
}

/* --- configuration ---------------------------------------------------------------------------- */

static uint64_t watch_servers(struct monitor *m)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < m->conf->n_servers; i++) {
        struct node *node =
            monitor_find(m->nodes, m->conf->servers[i].address, m->conf->servers[i].port);

        if (node == NULL) {
            continue; /* of a configuration that is newer than the topology: it comes again */
        }
        mask |= MASK(node->index);
        if (m->watches[node->index] == NULL) {
            m->watches[node->index] = watch_new(m, node);
        }
    }
    return mask;
}

static void configure_group(struct monitor *m, int writer_hostgroup,
                            const struct conf_galera *galera,
                            const struct conf_replication *replication, bool is_named[CLUSTERS_MAX])
{
    struct group *g = group_get(m, writer_hostgroup);

    for (unsigned i = 0; g != NULL && i < m->n_groups; i++) {
        if (m->groups[i] == g && !is_named[i]) { /* of two rows the first holds, as in a topology */
            is_named[i] = true;
            group_configure(g, galera, replication);
        }
    }
}

static void configure_groups(struct monitor *m, bool is_enabled)
{
    bool is_named[CLUSTERS_MAX] = {false};

    for (size_t i = 0; i < m->conf->n_galera && is_enabled; i++) {
        if (m->conf->galera[i].active) {
            configure_group(m, m->conf->galera[i].writer_hostgroup, &m->conf->galera[i], NULL,
                            is_named);
        }
    }
    for (size_t i = 0; i < m->conf->n_replications && is_enabled; i++) {
        configure_group(m, m->conf->replications[i].writer_hostgroup, NULL,
                        &m->conf->replications[i], is_named);
    }
    for (unsigned i = 0; i < m->n_groups; i++) {
        if (!is_named[i]) {
            group_off(m->groups[i]);
        }
    }
}

static bool is_same_account(const struct conf_vars *a, const struct conf_vars *b)
{
    return strcmp(a->mysql_monitor_username, b->mysql_monitor_username) == 0 &&
           strcmp(a->mysql_monitor_password, b->mysql_monitor_password) == 0;
}

/* Takes the reference. */
static void use_conf(struct monitor *m, struct conf *conf)
{
    struct conf *old = m->conf;
    bool is_enabled = conf->vars.mysql_monitor_enabled;
    uint64_t mask;

    m->conf = conf;
    monitor_log_keep(m->log, (uint64_t)conf->vars.mysql_monitor_history);
    mask = watch_servers(m);
    configure_groups(m, is_enabled);
    for (size_t i = 0; i < NODES_MAX; i++) {
        struct watch *w = m->watches[i];

        if (w != NULL) {
            watch_set(w, is_enabled && (mask & MASK(i)) != 0);
            if (old != NULL && !is_same_account(&old->vars, &conf->vars)) {
                watch_forget_account(w);
            }
            watch_poke(w); /* its interval may be another */
        }
    }
    for (unsigned i = 0; i < m->n_groups; i++) {
        group_look(m->groups[i]);
    }
    numbers_start(m);
    conf_unref(old);
}

/* --- mail ------------------------------------------------------------------------------------- */

static void close_all(struct monitor *m)
{
    for (size_t i = 0; i < NODES_MAX; i++) {
        if (m->watches[i] != NULL) {
            watch_close(m->watches[i]);
            m->watches[i] = NULL;
        }
    }
    hooks_close(m->hooks);
    uv_close((uv_handle_t *)&m->async, NULL);
    uv_close((uv_handle_t *)&m->tick, NULL);
    uv_close((uv_handle_t *)&m->number_timer, NULL);
}

/* Trouble with one node may be one of its group: the others know. */
static uint64_t with_others(const struct monitor *m, uint64_t mask)
{
    uint64_t all = mask;

    for (unsigned i = 0; i < m->n_groups; i++) {
        all |= (m->groups[i]->members & mask) != 0 ? m->groups[i]->members : 0;
    }
    return all;
}

static void poke_all(struct monitor *m, uint64_t mask)
{
    for (size_t i = 0; i < NODES_MAX; i++) {
        if ((mask & MASK(i)) != 0 && m->watches[i] != NULL) {
            watch_poke(m->watches[i]);
        }
    }
}

static void switch_all(struct monitor *m, const struct switch_request *requests, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = 0; j < m->n_groups; j++) {
            if (m->groups[j]->writer_hostgroup == requests[i].writer_hostgroup) {
                group_switch(m->groups[j], &requests[i]);
            }
        }
    }
}

static void on_async(uv_async_t *async)
{
    struct monitor *m = CONTAINER_OF(async, struct monitor, async);
    struct switch_request switches[SWITCHES_MAX];
    struct conf *conf;
    unsigned n_switches;
    bool is_stopping;

    lock(m);
    conf = m->next_conf;
    m->next_conf = NULL;
    n_switches = m->n_switches;
    memcpy(switches, m->switches, n_switches * sizeof(switches[0]));
    m->n_switches = 0;
    is_stopping = m->is_stopping;
    unlock(m);
    if (conf != NULL) {
        use_conf(m, conf);
    }
    if (is_stopping) {
        close_all(m);
        return;
    }
    poke_all(m, with_others(m, atomic_exchange(&m->pokes, 0)));
    switch_all(m, switches, n_switches);
    settle(m);
}

static void wake(struct monitor *m)
{
    CHECK(uv_async_send(&m->async) == 0);
}

/* --- life ------------------------------------------------------------------------------------- */

static void *run(void *arg)
{
    struct monitor *m = arg;

    (void)pthread_setname_np(pthread_self(), "monitor");
    CHECK(uv_run(&m->loop, UV_RUN_DEFAULT) == 0);
    CHECK(uv_loop_close(&m->loop) == 0);
    return NULL;
}

static void on_poke(void *arg, const struct node *node)
{
    monitor_poke(arg, node);
}

/* Waited for by a clock that nobody sets. */
static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attr;

    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(condition, &attr) == 0);
    (void)pthread_condattr_destroy(&attr);
}

/* Until the first round is over, or it has taken too long. */
static void wait_for_first(struct monitor *m, unsigned first_ms)
{
    struct timespec until;
    int rc = 0;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += first_ms / 1000;
    until.tv_nsec += (long)(first_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    lock(m);
    while (!m->is_first_over && rc == 0) {
        rc = pthread_cond_timedwait(&m->changed, &m->lock, &until);
    }
    unlock(m);
}

static void free_all(struct monitor *m)
{
    for (unsigned i = 0; i < m->n_groups; i++) {
        group_free(m->groups[i]);
    }
    conf_unref(m->conf);
    conf_unref(m->next_conf);
    monitor_log_free(m->log);
    (void)pthread_mutex_destroy(&m->lock);
    (void)pthread_cond_destroy(&m->changed);
    mem_free(MEM_POOL, m);
}

int monitor_start(struct monitor **out, struct nodes *nodes, struct conf *conf, unsigned first_ms,
                  void (*on_change)(void *arg), void *arg)
{
    struct monitor *m = mem_new(MEM_POOL, sizeof(*m));
    int rc = uv_loop_init(&m->loop);

    if (rc != 0) {
        log_error(NULL, "the monitor cannot start: %s", err_text(rc));
        mem_free(MEM_POOL, m);
        return rc;
    }
    m->nodes = nodes;
    m->on_change = on_change;
    m->on_change_arg = arg;
    m->log = monitor_log_new();
    m->hooks = hooks_new(&m->loop, HOOK_LIMIT_MS);
    m->next_conf = conf_ref(conf);
    CHECK(pthread_mutex_init(&m->lock, NULL) == 0);
    init_condition(&m->changed);
    CHECK(uv_async_init(&m->loop, &m->async, on_async) == 0);
    CHECK(uv_timer_init(&m->loop, &m->tick) == 0);
    CHECK(uv_timer_init(&m->loop, &m->number_timer) == 0);
    nodes->poke = on_poke;
    nodes->poke_arg = m;
    wake(m);
    CHECK(pthread_create(&m->thread, NULL, run, m) == 0);
    wait_for_first(m, first_ms);
    *out = m;
    return 0;
}

void monitor_stop(struct monitor *m)
{
    if (m == NULL) {
        return;
    }
    m->nodes->poke = NULL;
    lock(m);
    m->is_stopping = true;
    unlock(m);
    wake(m);
    CHECK(pthread_join(m->thread, NULL) == 0);
    free_all(m);
}

/* --- for other threads ------------------------------------------------------------------------ */

void monitor_configure(struct monitor *m, struct conf *conf)
{
    struct conf *skipped;

    lock(m);
    skipped = m->next_conf;
    m->next_conf = conf_ref(conf);
    unlock(m);
    conf_unref(skipped);
    wake(m);
}

void monitor_poke(struct monitor *m, const struct node *node)
{
    uint64_t bit = MASK(node->index);

    if ((atomic_fetch_or(&m->pokes, bit) & bit) == 0) {
        wake(m);
    }
}

/* Under the lock. */
static const struct group *find_group(const struct monitor *m, int writer_hostgroup)
{
    for (unsigned i = 0; i < m->n_groups; i++) {
        if (m->groups[i]->writer_hostgroup == writer_hostgroup &&
            m->groups[i]->published.members != 0) {
            return m->groups[i];
        }
    }
    return NULL;
}

/* Under the lock. Why it cannot be the writer: NULL = it can. */
static const char *refuse_switch(const struct monitor *m, const struct group *g,
                                 const struct node *node)
{
    enum role_why why;

    if (g == NULL) {
        return "the monitor has not decided on the roles of this hostgroup";
    }
    if (node == NULL || (g->published.members & MASK(node->index)) == 0) {
        return "this node is not a server of the cluster";
    }
    why = (enum role_why)g->published.roles.why[node->index];
    if ((g->published.roles.writers & MASK(node->index)) != 0) {
        return "it is the writer already";
    }
    if (m->views[node->index].health != HEALTH_UP) {
        return "it does not answer";
    }
    if (why != WHY_FIT && why != WHY_WRITER && why != WHY_SLOW) {
        return role_why_text(why);
    }
    return m->n_switches == SWITCHES_MAX ? "too many switches at once" : NULL;
}

int monitor_switch(struct monitor *m, int writer_hostgroup, const char *address, uint16_t port,
                   unsigned drain_ms, char *error, size_t cap)
{
    const struct node *node = monitor_find(m->nodes, address, port);
    const char *why;

    lock(m);
    why = refuse_switch(m, find_group(m, writer_hostgroup), node);
    if (why == NULL) {
        m->switches[m->n_switches++] = (struct switch_request){
            .writer_hostgroup = writer_hostgroup, .node_index = node->index, .drain_ms = drain_ms};
    }
    unlock(m);
    if (why != NULL) {
        (void)snprintf(error, cap, "%s:%u cannot be the writer of hostgroup %d: %s", address, port,
                       writer_hostgroup, why);
        return ERR_CONFIG;
    }
    wake(m);
    return 0;
}

bool monitor_view(struct monitor *m, unsigned node_index, struct monitor_view *out)
{
    bool found = false;

    lock(m);
    if (node_index < NODES_MAX && m->has_view[node_index]) {
        *out = m->views[node_index];
        found = true;
    }
    unlock(m);
    return found;
}

bool monitor_roles(struct monitor *m, int writer_hostgroup, struct monitor_roles *out)
{
    const struct group *g;

    lock(m);
    g = find_group(m, writer_hostgroup);
    if (g != NULL) {
        *out = g->published;
    }
    unlock(m);
    return g != NULL;
}

struct monitor_log *monitor_log_of(struct monitor *m)
{
    return m->log;
}
