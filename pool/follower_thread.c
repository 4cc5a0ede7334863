/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_thread.c - see follower_inside.h: the thread of one cluster.
 */
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/cluster.h"
#include "pool/follower_inside.h"

#define FAILURES_BEFORE_ANOTHER 3 /* another node means a gap, as a rule */

static const struct sm_state follow_states[FOLLOW_STATE_COUNT] = {
    [FOLLOW_OFF] = {"off", BIT(FOLLOW_CONNECTING)},
    [FOLLOW_CONNECTING] = {"connecting", BIT(FOLLOW_OFF) | BIT(FOLLOW_NO_LOG) | BIT(FOLLOW_DENIED) |
                                             BIT(FOLLOW_BEHIND)},
    [FOLLOW_NO_LOG] = {"no_log", BIT(FOLLOW_OFF) | BIT(FOLLOW_CONNECTING)},
    [FOLLOW_DENIED] = {"denied", BIT(FOLLOW_OFF) | BIT(FOLLOW_CONNECTING)},
    [FOLLOW_BEHIND] = {"behind", BIT(FOLLOW_OFF) | BIT(FOLLOW_CURRENT) | BIT(FOLLOW_BROKEN)},
    [FOLLOW_CURRENT] = {"current", BIT(FOLLOW_OFF) | BIT(FOLLOW_BEHIND) | BIT(FOLLOW_BROKEN)},
    [FOLLOW_BROKEN] = {"broken", BIT(FOLLOW_OFF) | BIT(FOLLOW_CONNECTING)},
};

static const bool is_usable[] = {
#define X(code, word, usable, text) usable,
    FOLLOW_STATES(X)
#undef X
};

/* --- states ----------------------------------------------------------------------------------- */

static void tell_event(const struct follow_cluster *c, enum monitor_event_kind kind,
                       const char *cause)
{
    struct monitor_event e = {.kind = (uint8_t)kind, .hostgroup = c->writer_hostgroup};

    if (c->place.node != NULL) {
        (void)snprintf(e.address, sizeof(e.address), "%s", c->place.node->address);
        e.port = c->place.node->port;
    }
    (void)snprintf(e.cause, sizeof(e.cause), "%s", cause);
    if (c->follower->log != NULL) {
        monitor_log_event(c->follower->log, &e);
    }
}

/* Between current and not: one line and one event. */
static void tell_change(struct follow_cluster *c, const char *why)
{
    char text[MONITOR_EVENT_TEXT], position[BINLOG_GTIDS_TEXT];

    if (c->state == FOLLOW_CURRENT && !c->was_current) {
        binlog_gtids_format(&c->apply->position, position);
        (void)snprintf(text, sizeof(text), "position %.200s, %llu writes told, %llu gaps", position,
                       (unsigned long long)c->apply->counts.writes,
                       (unsigned long long)c->apply->counts.gaps);
        tell_event(c, EVENT_FOLLOWED, text);
        c->was_current = true;
    } else if (c->was_current && (c->state == FOLLOW_BEHIND || c->state == FOLLOW_BROKEN)) {
        tell_event(c, EVENT_NOT_FOLLOWED, why);
        c->was_current = false;
    } else if (c->state == FOLLOW_DENIED) {
        log_warn(NULL,
                 "hostgroup %d: writes that pass by Galeway are not seen: %s (the monitor's user "
                 "needs REPLICATION SLAVE and BINLOG MONITOR)",
                 c->writer_hostgroup, why);
        c->was_current = false;
    } else if (c->state == FOLLOW_NO_LOG) {
        log_info(NULL, "hostgroup %d: writes that pass by Galeway are not seen: %s",
                 c->writer_hostgroup, why);
        c->was_current = false;
    } else if (c->state == FOLLOW_OFF) {
        c->was_current = false;
    }
}

static void set_state(struct follow_cluster *c, enum follow_state state, const char *why)
{
    if (c->state == state) {
        return;
    }
    SM_MOVE(follow_states, &c->state, state);
    c->since_ms = clock_now_ms();
    if (state == FOLLOW_BEHIND || state == FOLLOW_CURRENT) {
        c->error[0] = '\0';
    } else {
        (void)snprintf(c->error, sizeof(c->error), "%s", why);
    }
    tell_change(c, why);
    if (state != FOLLOW_CURRENT && state != FOLLOW_BEHIND) {
        atomic_store_explicit(&c->current_until_us, is_usable[state] ? UINT64_MAX : 0,
                              memory_order_release);
    }
    follow_publish(c);
}

/* From wherever it is. */
static void come_to(struct follow_cluster *c, enum follow_state state, const char *why)
{
    if (c->state == state) {
        return;
    }
    if (state != FOLLOW_OFF && state != FOLLOW_BROKEN &&
        (c->state == FOLLOW_OFF || c->state == FOLLOW_NO_LOG || c->state == FOLLOW_DENIED ||
         c->state == FOLLOW_BROKEN)) {
        set_state(c, FOLLOW_CONNECTING, why);
    } else if (state != FOLLOW_BROKEN && state != FOLLOW_OFF && state != FOLLOW_CURRENT &&
               (c->state == FOLLOW_BEHIND || c->state == FOLLOW_CURRENT) &&
               state != FOLLOW_BEHIND) {
        set_state(c, FOLLOW_BROKEN, why);
        set_state(c, FOLLOW_CONNECTING, why);
    }
    set_state(c, state, why);
}

unsigned follow_max_lag_ms(const struct follow_cluster *c)
{
    return (unsigned)c->conf->vars.mysql_query_cache_follow_max_lag_ms;
}

void follow_judge(struct follow_cluster *c)
{
    uint64_t lag_us = (uint64_t)follow_max_lag_ms(c) * 1000;
    uint64_t now = clock_now_us(), waits = apply_waits_us(c->apply), oldest = c->told_us;
    char why[FOLLOW_ERROR_MAX];

    if (c->n_settled < 2 || c->told_us == 0) { /* what was told at the beginning is told twice */
        oldest = 0;
    } else if (waits != 0) {
        oldest = MIN(oldest, waits);
    }
    atomic_store_explicit(&c->current_until_us, oldest == 0 ? 0 : oldest + lag_us,
                          memory_order_release);
    if (oldest != 0 && now <= oldest + lag_us) {
        c->n_failures = 0;
        come_to(c, FOLLOW_CURRENT, "");
    } else {
        (void)snprintf(why, sizeof(why), "it is behind by %llu ms%s%.100s%s",
                       oldest == 0 ? 0ULL : (unsigned long long)(now - oldest) / 1000,
                       c->missing == NULL ? "" : ": ", c->missing == NULL ? "" : c->missing->text,
                       c->missing == NULL ? "" : " does not answer, and may have committed more");
        come_to(c, FOLLOW_BEHIND, why);
    }
}

/* --- which node ------------------------------------------------------------------------------- */

static const struct cluster *find_cluster(const struct follow_cluster *c)
{
    const struct nodes *nodes = c->follower->nodes;
    unsigned n = atomic_load(&nodes->n_clusters);

    for (unsigned i = 0; i < n; i++) {
        if (nodes->clusters[i]->writer_hostgroup == c->writer_hostgroup) {
            return atomic_load(&nodes->clusters[i]->shared.is_decided) ? nodes->clusters[i] : NULL;
        }
    }
    return NULL;
}

static uint64_t serving(const struct cluster *cluster)
{
    return atomic_load(&cluster->shared.readers) | atomic_load(&cluster->shared.backups) |
           atomic_load(&cluster->shared.writers);
}

bool follow_serves(const struct follow_cluster *c, const struct node *node)
{
    const struct cluster *cluster = find_cluster(c);

    return cluster != NULL && (serving(cluster) >> node->index & 1) != 0 &&
           atomic_load(&node->shared.health) != HEALTH_DOWN;
}

/* The first of a mask that may be tried now; NULL = none. */
static const struct node *first_of(const struct follow_cluster *c, uint64_t mask, uint64_t now)
{
    unsigned n = atomic_load(&c->follower->nodes->count);

    for (unsigned i = 0; i < n; i++) {
        const struct node *node = c->follower->nodes->items[i];

        if ((mask >> i & 1) != 0 && c->again_ms[i] <= now && follow_serves(c, node)) {
            return node;
        }
    }
    return NULL;
}

static const struct node *choose(const struct follow_cluster *c)
{
    const struct cluster *cluster = find_cluster(c);
    uint64_t now = clock_now_ms();
    const struct node *node = c->place.node;
    uint64_t readers, writers;

    if (cluster == NULL) {
        return NULL;
    }
    if (node != NULL && follow_serves(c, node) && c->refused[node->index] == 0 &&
        (c->again_ms[node->index] <= now || c->n_failures < FAILURES_BEFORE_ANOTHER)) {
        return c->again_ms[node->index] <= now ? node : NULL;
    }
    readers = atomic_load(&cluster->shared.readers);
    writers = atomic_load(&cluster->shared.writers);
    node = first_of(c, readers & ~writers, now);
    node = node != NULL ? node : first_of(c, serving(cluster) & ~writers, now);
    return node != NULL ? node : first_of(c, writers, now);
}

/* Nobody can be tried: because none of those that serve can be followed, or for now. */
static void say_nobody(struct follow_cluster *c)
{
    const struct cluster *cluster = find_cluster(c);
    uint64_t mask = cluster == NULL ? 0 : serving(cluster);
    bool is_denied = false, are_all = mask != 0;

    for (unsigned i = 0; i < NODES_MAX; i++) {
        if ((mask >> i & 1) != 0) {
            are_all &= c->refused[i] != 0;
            is_denied |= c->refused[i] == FOLLOW_END_DENIED;
        }
    }
    if (are_all) {
        come_to(c, is_denied ? FOLLOW_DENIED : FOLLOW_NO_LOG, c->last_error);
    } else if (c->state == FOLLOW_BEHIND || c->state == FOLLOW_CURRENT) {
        come_to(c, FOLLOW_BROKEN, mask == 0 ? "no node serves" : c->last_error);
    } else if (c->state != FOLLOW_BROKEN) {
        come_to(c, FOLLOW_CONNECTING, c->last_error);
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

struct follow_target follow_target_of(const struct follow_cluster *c, const struct node *node)
{
    return (struct follow_target){.node = node,
                                  .user = c->conf->vars.mysql_monitor_username,
                                  .password = c->conf->vars.mysql_monitor_password,
                                  .connect_ms = FOLLOW_CONNECT_MS,
                                  .answer_ms = FOLLOW_ANSWER_MS,
                                  .wake_fd = c->wake_fd};
}

void follow_publish(struct follow_cluster *c)
{
    struct follower *f = c->follower;
    uint64_t now = clock_now_us();
    bool is_following = c->state == FOLLOW_CURRENT || c->state == FOLLOW_BEHIND;
    struct follower_view *v = &c->view;

    CHECK(pthread_mutex_lock(&f->lock) == 0);
    v->state = c->state;
    v->since_ms = c->since_ms;
    (void)snprintf(v->node, sizeof(v->node), "%s",
                   c->place.node == NULL ? "" : c->place.node->text);
    binlog_gtids_format(&c->apply->position, v->position);
    v->lag_ms = is_following && c->told_us != 0 ? (now - c->told_us) / 1000 : 0;
    v->counts = c->apply->counts;
    v->connects = c->n_connects;
    (void)snprintf(v->error, sizeof(v->error), "%s", c->error);
    CHECK(pthread_mutex_unlock(&f->lock) == 0);
}

static void try_again(struct follow_cluster *c, const struct node *node, unsigned ms)
{
    c->again_ms[node->index] = clock_now_ms() + ms;
}

static void stream_over(struct follow_cluster *c, const struct node *node, enum follow_end end,
                        const struct follow_error *error)
{
    unsigned shift = MIN(c->n_failures, 8U);

    if (end == FOLLOW_END_ASKED) {
        return;
    }
    (void)snprintf(c->last_error, sizeof(c->last_error), "%s: %.160s", node->text, error->text);
    log_debug(NULL, "the log of %s is not followed any more: %s", node->text, error->text);
    c->n_failures++;
    if (end == FOLLOW_END_REFUSED || end == FOLLOW_END_DENIED) {
        c->refused[node->index] = (uint8_t)end;
        try_again(c, node, FOLLOW_REFUSED_MS);
    } else {
        c->refused[node->index] = 0;
        try_again(c, node, MIN(FOLLOW_AGAIN_MIN << shift, FOLLOW_AGAIN_MAX));
    }
    if (end == FOLLOW_END_PASSED) {
        c->place.node = NULL;
    }
    say_nobody(c);
    (void)snprintf(c->error, sizeof(c->error), "%s", c->last_error);
    follow_publish(c);
}

static void wait_for_mail(const struct follow_cluster *c, unsigned ms)
{
    struct pollfd p = {.fd = c->wake_fd, .events = POLLIN};

    (void)poll(&p, 1, (int)ms);
}

static void one_turn(struct follow_cluster *c)
{
    struct follow_error error = {0};
    const struct node *node;

    if (!c->is_on) {
        c->place.node = NULL; /* what is written from now on is missed */
        c->told_us = 0;
        come_to(c, FOLLOW_OFF, "");
        wait_for_mail(c, FOLLOW_OFF_MS);
        return;
    }
    node = choose(c);
    if (node == NULL) {
        say_nobody(c);
        wait_for_mail(c, FOLLOW_IDLE_MS);
        return;
    }
    stream_over(c, node, follow_stream(c, node, &error), &error);
}

void *follow_run(void *arg)
{
    struct follow_cluster *c = arg;

    (void)pthread_setname_np(pthread_self(), "follower");
    while (follow_take_mail(c)) {
        one_turn(c);
    }
    return NULL;
}
