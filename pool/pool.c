/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c - see pool.h.
 */
#include "pool/pool.h"

#include "base/clock.h"
#include "base/err.h"
#include "pool/node_tls.h"
#include "pool/server_stmt.h"

#define BASE_CHARSET          45 /* what server_login.c logs in with: utf8mb4_general_ci */
#define ACCOUNTS_PER_NODE_MAX 200000
#define LOGIN_AGAIN_US        100000
#define LOOK_AT               8 /* free connections of an account looked at for an exact fit */
#define TAKE_AFTER_MS \
    100 /* another account's connection is taken when it was free that long, else a new one opened */

void pool_init(struct pool *pool, unsigned worker)
{
    *pool = (struct pool){.worker = worker, .next_server_id = 1};
    list_init(&pool->all);
    profiles_init(&pool->profiles);
    schemas_init(&pool->schemas);
    map_init(&pool->stmt_texts, MEM_STMT, STMT_TEXTS_MAX);
    for (unsigned i = 0; i < NODES_MAX; i++) {
        list_init(&pool->per_node[i].free);
        map_init(&pool->per_node[i].accounts, MEM_POOL, ACCOUNTS_PER_NODE_MAX);
    }
    pool->base_profile = profile_of_charset(&pool->profiles, BASE_CHARSET);
    CHECK(pool->base_profile != NULL);
}

void pool_close(struct pool *pool)
{
    pool->is_closing = true;
    LIST_FOREACH_SAFE (it, next, &pool->all) {
        struct server *s = CONTAINER_OF(it, struct server, in_all);

        if (s->events != NULL) { /* not of a client, these have left: of a kill, a mirror, a look */
            s->events->on_lost(s, ERR_SHUTDOWN, NULL);
        }
        server_quit(s, "shutdown");
    }
}

bool pool_is_empty(const struct pool *pool)
{
    return list_is_empty(&pool->all);
}

void pool_fini(struct pool *pool)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct account_servers *set;
        size_t pos = 0;

        while ((set = map_next(&pool->per_node[i].accounts, &pos)) != NULL) {
            mem_free(MEM_POOL, set);
        }
        map_fini(&pool->per_node[i].accounts);
    }
    profile_unref(&pool->profiles, pool->base_profile);
    CHECK(pool->stmt_texts.count == 0);
    map_fini(&pool->stmt_texts);
    profiles_fini(&pool->profiles);
    schemas_fini(&pool->schemas);
}

struct traffic *pool_traffic(struct pool *pool, struct node *node, int hostgroup)
{
    size_t i = 0;

    while (i < pool->n_traffic &&
           (pool->traffic[i].node != node || pool->traffic[i].hostgroup != hostgroup)) {
        i++;
    }
    if (i == pool->n_traffic) {
        if (i == TRAFFIC_MAX) {
            return &pool->traffic[TRAFFIC_MAX - 1];
        }
        pool->traffic[pool->n_traffic++] = (struct traffic){.node = node, .hostgroup = hostgroup};
    }
    return &pool->traffic[i];
}

/* --- free connections ------------------------------------------------------------------------ */

static struct account_servers *account_set(struct pool_node *pn, struct account *account, bool make)
{
    const uintptr_t id = (uintptr_t)account;
    struct account_servers *set =
        map_get(&pn->accounts, (struct slice){(const char *)&id, sizeof(id)});

    if (set == NULL && make) {
        set = mem_try(MEM_POOL, sizeof(*set));
        if (set == NULL) {
            return NULL;
        }
        *set = (struct account_servers){.account = id};
        list_init(&set->servers);
        if (map_put(&pn->accounts,
                    (struct slice){(const char *)&set->account, sizeof(set->account)}, set) != 0) {
            mem_free(MEM_POOL, set);
            return NULL;
        }
    }
    return set;
}

static struct pool_node *node_of(struct pool *pool, const struct node *node)
{
    return &pool->per_node[node->index];
}

static void share_free_count(struct pool_node *pn)
{
    atomic_store(&pn->n_free_shared, (unsigned)pn->free.count);
}

void pool_unlink_free(struct pool *pool, struct server *s)
{
    struct pool_node *pn = node_of(pool, s->node);

    list_remove(&pn->free, &s->in_free);
    list_remove(&s->siblings->servers, &s->in_account);
    s->siblings = NULL;
    share_free_count(pn);
}

static void link_free(struct pool *pool, struct server *s)
{
    struct pool_node *pn = node_of(pool, s->node);
    struct account_servers *set = account_set(pn, s->account, true);

    if (set == NULL) {
        server_close(s, "too many accounts, or no memory", ERR_LIMIT);
        return;
    }
    server_to(s, SERVER_FREE);
    s->siblings = set;
    list_push_front(&set->servers, &s->in_account);
    list_push_front(&pn->free, &s->in_free);
    share_free_count(pn);
}

void pool_forget(struct pool *pool, struct server *s)
{
    list_remove(&pool->all, &s->in_all);
    atomic_fetch_sub(&s->account->n_servers, 1);
    stat_sub(pool->stats, STAT_SERVERS_CONNECTED, 1);
    mem_free(MEM_SERVER, s);
}

/* --- lending ---------------------------------------------------------------------------------- */

/*
 * Its schema may have another character set than when it came to it. COM_INIT_DB with the schema
 * that is current does not look again (10.11).
 */
static bool is_schema_stale(const struct server *s)
{
    return s->schema != NULL && s->schema_changes != atomic_load(s->pool->schema_changes);
}

/* Where they may change for a while to come, each login would be too early. */
static bool may_know_more(const struct server *s, const struct want *want)
{
    uint64_t now = clock_now_us();

    return want->rights_us <= now + RIGHTS_SOON_US || now - s->login_us >= LOGIN_AGAIN_US;
}

/*
 * It logged in with another password than the user has now: he may be somebody else who got the
 * name. Or before rights were changed that hold for who wants it: a node keeps the global ones,
 * those on the current schema and the role for a connection. It asks the node again.
 */
static bool is_login_stale(const struct server *s, const struct want *want)
{
    return UNLIKELY(s->rights_us < want->rights_us && may_know_more(s, want)) ||
           s->login_version != atomic_load(&s->account->followed_version);
}

static enum stat_id fit_stat(const struct server *s, const struct want *want)
{
    if (s->account != want->account || is_login_stale(s, want)) {
        return STAT_POOL_FIT_CHANGE_USER;
    }
    return s->schema == want->schema && s->profile == want->profile ? STAT_POOL_FIT_EXACT
                                                                    : STAT_POOL_FIT_SET;
}

static void hand_over(struct server *s, const struct want *want, void *owner,
                      const struct server_events *events)
{
    s->owner = owner;
    s->events = events;
    /* Only now: a session's own connection stays as it is. */
    s->must_reset |= is_schema_stale(s) || is_login_stale(s, want);
}

static struct server *lend(struct pool *pool, struct server *s, const struct want *want,
                           void *owner, const struct server_events *events)
{
    stat_add(pool->stats, fit_stat(s, want), 1);
    pool_unlink_free(pool, s);
    server_to(s, SERVER_LENT);
    hand_over(s, want, owner, events);
    return s;
}

void pool_lend(struct server *s, const struct want *want, void *owner,
               const struct server_events *events)
{
    CHECK(s->state == SERVER_LENT && s->owner == NULL);
    hand_over(s, want, owner, events);
}

/*
 * What CAPS_UNTIL_RESET gave it at login another session has set, and SET ... = DEFAULT does not
 * bring back.
 */
static bool lost_login_values(const struct server *s, const struct want *want)
{
    static const enum variable_id given[] = {VAR_SQL_MODE, VAR_WAIT_TIMEOUT};

    for (size_t i = 0; (s->caps & CAPS_UNTIL_RESET) != 0 && i < ARRAY_SIZE(given); i++) {
        if (s->profile->values[given[i]].data != NULL &&
            want->profile->values[given[i]].data == NULL) {
            return true;
        }
    }
    return false;
}

bool pool_may_serve(const struct server *s, const struct account *account)
{
    return s->account == account ? s->has_own_tls == node_tls_is_own(s->node, account->name)
                                 : !s->has_own_tls && !node_tls_is_own(s->node, account->name);
}

static bool is_usable(const struct server *s, const struct want *want)
{
    return s->caps == want->caps && !want->is_new && pool_may_serve(s, want->account) &&
           !(want->fresh && (s->was_reset || is_schema_stale(s) || is_login_stale(s, want) ||
                             lost_login_values(s, want)));
}

/* A free connection of the same account; exact: nothing would have to be changed. */
static struct server *find_of_account(struct pool *pool, const struct node *node,
                                      const struct want *want, bool exact)
{
    struct account_servers *set = account_set(node_of(pool, node), want->account, false);
    unsigned seen = 0;

    if (set == NULL) {
        return NULL;
    }
    LIST_FOREACH (it, &set->servers) {
        struct server *s = CONTAINER_OF(it, struct server, in_account);

        if (is_usable(s, want) &&
            (!exact || (s->schema == want->schema && s->profile == want->profile))) {
            return s;
        }
        if (++seen == LOOK_AT) {
            break;
        }
    }
    return NULL;
}

/* The connection that was free longest, whoever's it is. */
static struct server *find_longest_free(struct pool *pool, const struct node *node,
                                        const struct want *want, uint64_t min_free_ms)
{
    struct list_node *last = list_back(&node_of(pool, node)->free);
    struct server *s = last == NULL ? NULL : CONTAINER_OF(last, struct server, in_free);

    if (s == NULL || want->fresh || want->is_new || s->caps != want->caps ||
        !pool_may_serve(s, want->account) || pool->now_ms - s->since_ms < min_free_ms) {
        return NULL;
    }
    return s;
}

static bool may_connect(const struct pool *pool, const struct node *node)
{
    return atomic_load(&node->shared.n_connecting) <
           (unsigned)pool->conf->vars.mysql_pending_connects_per_node;
}

/*
 * The last way: a connection of another kind must leave so that one of this kind may come. The
 * statement waits until the node has closed it: pool_room then wakes who waits.
 */
static void make_room(struct pool *pool, struct node *node)
{
    struct list_node *last = list_back(&node_of(pool, node)->free);

    if (last != NULL) {
        server_quit(CONTAINER_OF(last, struct server, in_free),
                    "makes room for another kind of connection");
    }
}

bool pool_suits(const struct server *s, const struct want *want)
{
    return is_usable(s, want) && !(want->fresh && (s->must_reset || s->account != want->account));
}

void pool_discard(struct pool *pool, struct server *s)
{
    s->owner = NULL;
    s->events = NULL;
    link_free(pool, s);
    server_quit(s, "is of a kind that who waits cannot use");
}

static struct server *find_free(struct pool *pool, const struct want *want,
                                struct node *const *nodes, size_t n)
{
    struct server *s = NULL;

    for (size_t i = 0; i < n && s == NULL; i++) {
        s = find_of_account(pool, nodes[i], want, true);
    }
    for (size_t i = 0; i < n && s == NULL; i++) {
        s = find_of_account(pool, nodes[i], want, false);
    }
    for (size_t i = 0; i < n && s == NULL; i++) {
        s = find_longest_free(pool, nodes[i], want, TAKE_AFTER_MS);
    }
    return s;
}

static struct server *open_new(struct pool *pool, const struct want *want,
                               struct node *const *nodes, size_t n, void *owner,
                               const struct server_events *events)
{
    for (size_t i = 0; i < n; i++) {
        struct server *s =
            may_connect(pool, nodes[i]) ? server_open(pool, nodes[i], want, owner, events) : NULL;

        if (s != NULL) {
            stat_add(pool->stats, STAT_POOL_FIT_NEW, 1);
            return s;
        }
    }
    return NULL;
}

/*
 * The node that is best has hardly any connections: it is new, or it was lost and is back. Without
 * this it would stay so, since a free connection elsewhere is always at hand. After a failure one
 * attempt at a time finds out.
 */
static bool is_behind(const struct node *best, const struct node *other)
{
    return best != other &&
           atomic_load(&best->shared.n_connections) * 2 <
               atomic_load(&other->shared.n_connections) &&
           (atomic_load(&best->shared.n_failures) == 0 ||
            atomic_load(&best->shared.n_connecting) == 0);
}

int pool_acquire(struct pool *pool, const struct want *want, struct node *const *nodes, size_t n,
                 void *owner, const struct server_events *events, struct server **out)
{
    struct server *s;

    *out = NULL;
    if (n == 0) {
        return ERR_NO_NODE;
    }
    s = find_free(pool, want, nodes, n);
    if (s == NULL || is_behind(nodes[0], s->node)) {
        *out = open_new(pool, want, nodes, s == NULL ? n : 1, owner, events);
        if (*out != NULL) {
            return 0;
        }
    }
    for (size_t i = 0; i < n && s == NULL; i++) {
        s = find_longest_free(pool, nodes[i], want, 0);
    }
    if (s != NULL) {
        *out = lend(pool, s, want, owner, events);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        make_room(pool, nodes[i]);
    }
    return ERR_POOL_FULL;
}

/* --- giving back ------------------------------------------------------------------------------ */

/*
 * Who waits for a connection to this node gets s (LENT to nobody). True when somebody did. Not
 * within itself: who is served may give it back at once, to the next, and to the next.
 */
static bool hand_on(struct pool *pool, struct server *s)
{
    struct waiter to;

    if (!queue_has_waiters(pool->queue) || pool->is_closing || pool->is_serving ||
        !queue_pop(pool->queue, s->node->index, pool->now_ms, &to)) {
        return false;
    }
    s->owner = NULL;
    s->events = NULL;
    if (to.worker == pool->worker) {
        pool->is_serving = true;
        pool->serve(pool, s, to.client_id);
        pool->is_serving = false;
    } else {
        pool->give_away(pool, s, &to);
    }
    return true;
}

static bool is_retired(const struct pool *pool, const struct server *s)
{
    uint64_t max_age = (uint64_t)pool->conf->vars.mysql_connection_max_age_ms;

    if (s->tls_changes !=
        atomic_load_explicit(&s->node->shared.tls_changes, memory_order_relaxed)) {
        return true; /* encrypted otherwise than new ones, or not at all */
    }
    /* +-10 % by id, so that connections opened together do not leave together */
    return max_age != 0 &&
           pool->now_ms - s->created_ms > max_age + max_age / 10 * (s->id % 20) / 10 - max_age / 10;
}

void pool_put(struct pool *pool, struct server *s)
{
    CHECK(s->n_expects == 0 && !s->kill_pending);
    s->owner = NULL;
    s->events = NULL;
    if (s->is_side || pool->is_closing || is_retired(pool, s)) {
        server_close(s, "too old", 0);
        return;
    }
    if (s->must_close) { /* its session ended with a reset of its own */
        server_close(s, "has state that no reset takes away", 0);
        return;
    }
    if (s->state != SERVER_LENT && queue_has_waiters(pool->queue)) {
        server_to(s, SERVER_LENT);
    }
    if (hand_on(pool, s)) {
        pool_serve_waiters(pool); /* those that are free since, by who was served */
    } else if (s->state != SERVER_CLOSING) {
        link_free(pool, s);
    }
}

void pool_give(struct pool *pool, struct server *s)
{
    if (s->state == SERVER_CLOSING) {
        return;
    }
    CHECK(s->state == SERVER_LENT);
    if (s->said_more) { /* the next one would take it for his answer */
        s->owner = NULL;
        s->events = NULL;
        server_lost(s, ERR_NODE_PROTOCOL, NULL);
        return;
    }
    if (stream_read_start(&s->stream) != 0) { /* its last client may have been slow */
        server_close(s, "cannot be read", ERR_NODE_LOST);
        return;
    }
    if (s->n_expects > 0 || s->kill_pending) { /* its reply is still coming */
        server_to(s, SERVER_DRAINING);
        s->owner = NULL;
        s->events = NULL;
        s->must_reset = true;
    } else if (s->must_reset || s->ran_unseen) {
        server_reset(s);
    } else {
        pool_put(pool, s);
    }
}

void pool_serve_waiters(struct pool *pool)
{
    for (unsigned i = 0; i < atomic_load(&pool->nodes->count); i++) {
        struct list_node *last;

        while (queue_has_waiters(pool->queue) &&
               (last = list_back(&pool->per_node[i].free)) != NULL) {
            struct server *s = CONTAINER_OF(last, struct server, in_free);

            pool_unlink_free(pool, s);
            server_to(s, SERVER_LENT);
            if (!hand_on(pool, s)) {
                link_free(pool, s);
                break;
            }
        }
    }
}

void pool_room(struct pool *pool, struct node *node)
{
    struct waiter to;

    if (queue_has_waiters(pool->queue) && !pool->is_closing &&
        queue_pop(pool->queue, node->index, pool->now_ms, &to)) {
        pool->wake(pool, &to);
    }
}

/* --- upkeep ----------------------------------------------------------------------------------- */

static void trim_node(struct pool *pool, unsigned index)
{
    struct pool_node *pn = &pool->per_node[index];
    uint64_t idle_ms = (uint64_t)pool->conf->vars.mysql_idle_timeout_server_ms;
    size_t keep = (size_t)pool->conf->vars.mysql_min_idle_per_node;
    size_t most = (size_t)pool->conf->vars.mysql_max_idle_per_node;

    while (pn->free.count > 0) { /* the last one is the one that was free longest */
        struct server *s = CONTAINER_OF(list_back(&pn->free), struct server, in_free);
        bool is_idle =
            idle_ms != 0 && pool->now_ms - s->since_ms > idle_ms && pn->free.count > keep;

        if (!is_idle && !(most != 0 && pn->free.count > most) && !is_retired(pool, s)) {
            break;
        }
        server_quit(s, "idle");
    }
}

void pool_config_changed(struct pool *pool)
{
    LIST_FOREACH_SAFE (it, next, &pool->all) {
        struct server *s = CONTAINER_OF(it, struct server, in_all);

        if (s->state == SERVER_FREE && is_retired(pool, s)) {
            server_quit(s, "too old");
        }
    }
}

/* What it owes is an answer to us, or to nobody any more. */
static bool owes_us(const struct server *s)
{
    return s->state == SERVER_DRAINING ||
           (s->state == SERVER_LENT && s->n_expects > 0 && (s->is_side || !s->statement_sent));
}

/*
 * Of what no client waits for in vain: a statement's own timeout is its client's (client_time.c).
 */
static bool is_overdue(const struct pool *pool, const struct server *s, uint64_t limit)
{
    if (s->state == SERVER_CONNECTING || s->state == SERVER_LOGIN) {
        return pool->now_ms - s->created_ms > limit;
    }
    return owes_us(s) && pool->now_ms - MAX(s->asked_ms, s->since_ms) > 10 * limit;
}

static void check_timeouts(struct pool *pool)
{
    uint64_t limit = (uint64_t)pool->conf->vars.mysql_connect_timeout_server;

    LIST_FOREACH_SAFE (it, next, &pool->all) {
        struct server *s = CONTAINER_OF(it, struct server, in_all);

        if (is_overdue(pool, s, limit)) {
            server_lost(s, ERR_NODE_TIMEOUT, NULL);
        } else if (s->state == SERVER_RESETTING && pool->now_ms - s->since_ms > 10 * limit) {
            server_close(s, "its reset takes too long", ERR_NODE_TIMEOUT);
        } else if (s->is_quitting && pool->now_ms - s->since_ms > limit) {
            server_quit_timeout(s);
        }
    }
}

void pool_tick(struct pool *pool)
{
    check_timeouts(pool);
    for (unsigned i = 0; i < atomic_load(&pool->nodes->count); i++) {
        trim_node(pool, i);
    }
    pool_serve_waiters(pool);
}
