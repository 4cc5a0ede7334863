/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users.c - see users.h: what is known of the nodes' users, and which logins wait to know more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/err.h"
#include "pool/users_inside.h"

#define ACCOUNTS_TEXT_MAX 1024

static void lock(struct users *u)
{
    CHECK(pthread_mutex_lock(&u->lock) == 0);
}

static void unlock(struct users *u)
{
    CHECK(pthread_mutex_unlock(&u->lock) == 0);
}

/* --- lists ------------------------------------------------------------------------------------ */

/* Room for one more. */
static int list_reserve(struct user_list *list)
{
    size_t cap = MAX(list->cap * 2, (size_t)64);
    struct user_account *grown;

    if (list->n < list->cap) {
        return 0;
    }
    grown = mem_try_grow(MEM_POOL, list->items, cap * sizeof(*grown));
    if (grown == NULL) {
        return ERR_MEMORY;
    }
    list->items = grown;
    list->cap = cap;
    return 0;
}

/* An empty text too tells the next one from the one before. */
static uint64_t sum_of(const char *host, const char *name, const char *priv)
{
    uint64_t sum = XXH3_64bits(host, strlen(host) + 1);

    sum = XXH3_64bits_withSeed(name, strlen(name) + 1, sum);
    return XXH3_64bits_withSeed(priv, strlen(priv) + 1, sum);
}

void user_list_add(struct user_list *list, const char *host, const char *name, const char *priv)
{
    struct user_record *record = NULL;
    int rc = user_record_new(&record, host, name, priv);

    list->sum += sum_of(host, name, priv);
    if (rc == ERR_NOT_FOUND || rc == ERR_MALFORMED) {
        list->n_malformed += rc == ERR_MALFORMED;
        return;
    }
    if (rc == 0) {
        rc = list->n == USERS_RECORDS_MAX ? ERR_LIMIT : list_reserve(list);
    }
    if (rc != 0) {
        list->rc = rc;
        user_record_free(record);
        return;
    }
    list->items[list->n++].record = record;
}

void user_list_fini(struct user_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        user_record_free(list->items[i].record);
    }
    mem_free(MEM_POOL, list->items);
    *list = (struct user_list){0};
}

static int compare(const void *a, const void *b)
{
    const struct user_record *x = ((const struct user_account *)a)->record;
    const struct user_record *y = ((const struct user_account *)b)->record;
    int order = strcmp(x->name, y->name);

    return order != 0 ? order : user_host_compare(&x->host, &y->host);
}

static void user_free(struct user *user)
{
    for (size_t i = 0; i < user->n; i++) {
        user_record_free(user->accounts[i].record);
    }
    mem_free(MEM_POOL, user->accounts);
    mem_free(MEM_POOL, user);
}

static bool is_same_name(const struct user_list *list, size_t a, size_t b)
{
    return strcmp(list->items[a].record->name, list->items[b].record->name) == 0;
}

/* The accounts of the list by name, most specific first; the list is empty then. */
static void group(struct user_list *list, struct map *by_name)
{
    if (list->n > 0) {
        qsort(list->items, list->n, sizeof(*list->items), compare);
    }
    for (size_t i = 0, n; i < list->n; i += n) {
        struct user *user = mem_new(MEM_POOL, sizeof(*user));

        for (n = 1; i + n < list->n && is_same_name(list, i, i + n); n++) {
        }
        user->n = n;
        user->accounts = mem_new(MEM_POOL, n * sizeof(*user->accounts));
        memcpy(user->accounts, list->items + i, n * sizeof(*user->accounts));
        if (map_put(by_name, slice_of(user->accounts[0].record->name), user) != 0) {
            user_free(user); /* no memory, or too many with those that were asked for */
        }
    }
    list->n = 0;
    user_list_fini(list);
}

static void free_all(struct map *by_name)
{
    struct user *user;
    size_t pos = 0;

    while ((user = map_next(by_name, &pos)) != NULL) {
        user_free(user);
    }
    map_fini(by_name);
}

/* --- what is known ---------------------------------------------------------------------------- */

/* Under the lock. */
static void set_counts(struct users *u)
{
    const struct user *user;
    size_t pos = 0;

    u->view.n_users = u->by_name.count;
    u->view.n_accounts = 0;
    while ((user = map_next(&u->by_name, &pos)) != NULL) {
        u->view.n_accounts += user->n;
    }
}

void users_set(struct users *u, int hostgroup, struct user_list *list,
               const struct users_server *server)
{
    struct map fresh, old;

    map_init(&fresh, MEM_POOL, USERS_RECORDS_MAX);
    group(list, &fresh);
    lock(u);
    old = fresh;
    if (u->hostgroup == hostgroup) {
        old = u->by_name;
        u->by_name = fresh;
        u->server = *server;
        set_counts(u);
    }
    unlock(u);
    free_all(&old);
}

static uint64_t hash_of(const struct users *u, struct slice name)
{
    return XXH3_64bits_withSeed(name.data, name.len, u->seed);
}

/* Under the lock. */
static bool was_seen(const struct users *u, struct slice name)
{
    uint64_t hash = hash_of(u, name);
    size_t slot = hash % USERS_SEEN_SLOTS;

    uint64_t now = clock_now_ms();

    return u->seen[slot].hash == hash && now < u->seen[slot].until_ms && now >= u->expect_until;
}

/* Under the lock. */
static void forget(struct users *u, struct slice name)
{
    struct user *user = map_remove(&u->by_name, name);

    if (user != NULL) {
        user_free(user);
    }
}

void users_set_asked(struct users *u, int hostgroup, const struct users_asked *asked,
                     struct user_list *list)
{
    uint64_t until = clock_now_ms() + USERS_SEEN_MS;

    lock(u);
    if (u->hostgroup != hostgroup) {
        unlock(u);
        user_list_fini(list);
        return;
    }
    for (size_t i = 0; i < asked->n; i++) {
        uint64_t hash = hash_of(u, slice_of(asked->names[i]));

        forget(u, slice_of(asked->names[i]));
        u->seen[hash % USERS_SEEN_SLOTS].hash = hash;
        u->seen[hash % USERS_SEEN_SLOTS].until_ms = until;
    }
    for (size_t i = 0; i < list->n; i++) { /* a name that compares equal on the node only */
        forget(u, slice_of(list->items[i].record->name));
    }
    group(list, &u->by_name);
    set_counts(u);
    unlock(u);
}

/*
 * Who has the same password may use the same connections: the nodes see Galeway's address, and take
 * all of them for one account.
 */
static const char *host_of(const struct user *user, const struct user_record *r)
{
    size_t i = user->n;

    while (!user_record_is_same_password(user->accounts[--i].record, r)) {
    }
    return user->accounts[i].record->host_text;
}

static void fill_found(const struct users *u, const struct user *user, const struct user_record *r,
                       struct users_found *out)
{
    *out = (struct users_found){
        .is_served = user_record_is_served(r),
        .is_locked = r->is_locked,
        .is_expired = user_record_is_expired(r, (int64_t)time(NULL), u->server.default_days),
        .cuts_expired = u->server.cuts_expired,
        .need = r->need != NULL ? *r->need : (struct tls_need){.tls = false},
        .max_connections = r->max_connections,
        .is_shut = r->is_shut,
        .hostgroup = u->hostgroup,
    };
    user_record_secret(r, &out->secret);
    memcpy(out->unserved, r->unserved, sizeof(out->unserved));
    (void)snprintf(out->host, sizeof(out->host), "%s", host_of(user, r));
}

enum users_answer users_find(struct users *u, struct slice name, const char *peer,
                             struct users_found *found)
{
    enum users_answer answer;
    const struct user *user;

    if (u == NULL) {
        return USERS_NOT_FOLLOWED;
    }
    lock(u);
    user = u->hostgroup < 0 ? NULL : map_get(&u->by_name, name);
    answer = u->hostgroup < 0 ? USERS_NOT_FOLLOWED : was_seen(u, name) ? USERS_NONE : USERS_UNKNOWN;
    for (size_t i = 0; user != NULL && i < user->n && answer != USERS_FOUND; i++) {
        if (user_host_fits(&user->accounts[i].record->host, peer, u->server.resolves)) {
            fill_found(u, user, user->accounts[i].record, found);
            answer = USERS_FOUND;
        }
    }
    unlock(u);
    return answer;
}

bool users_has(struct users *u, struct slice name)
{
    bool has;

    if (u == NULL) {
        return false;
    }
    lock(u);
    has = u->hostgroup >= 0 && map_get(&u->by_name, name) != NULL;
    unlock(u);
    return has;
}

/* --- who waits -------------------------------------------------------------------------------- */

/* Under the lock. Is the name among those of the next question, or does it get there? */
static bool put_name(struct users_asked *asked, struct slice name)
{
    for (size_t i = 0; i < asked->n; i++) {
        if (slice_eq(name, slice_of(asked->names[i]))) {
            return true;
        }
    }
    if (asked->n == USERS_NAMES_MAX || name.len > USER_NAME_MAX || name.len == 0) {
        return false;
    }
    (void)snprintf(asked->names[asked->n++], sizeof(asked->names[0]), "%.*s", SLICE_ARGS(name));
    return true;
}

enum users_ask users_ask(struct users *u, struct slice name, struct users_waiter waiter)
{
    enum users_ask ask = USERS_ASK_FRESH;

    lock(u);
    if (!was_seen(u, name) && u->hostgroup >= 0) {
        ask = u->n_waiting < USERS_WAITING_MAX && put_name(&u->asked, name) ? USERS_ASK_WAIT
                                                                            : USERS_ASK_FULL;
    }
    if (ask == USERS_ASK_WAIT) {
        u->waiting[u->n_waiting].who = waiter;
        u->waiting[u->n_waiting++].batch = u->asked.batch;
    }
    u->view.n_refused += ask == USERS_ASK_FULL;
    unlock(u);
    if (ask == USERS_ASK_WAIT) {
        users_wake(u);
    }
    return ask;
}

bool users_take_asked(struct users *u, struct users_asked *out)
{
    bool has;

    lock(u);
    has = u->asked.n > 0;
    if (has) {
        *out = u->asked;
        u->view.n_questions++;
        u->view.n_names += out->n;
        u->asked.n = 0;
        u->asked.batch++;
    }
    unlock(u);
    return has;
}

void users_end_wait(struct users *u, uint64_t batch, bool is_known)
{
    struct users_waiter over[USERS_WAITING_MAX];
    size_t n = 0, kept = 0;

    lock(u);
    for (size_t i = 0; i < u->n_waiting; i++) {
        if (u->waiting[i].batch <= batch) {
            over[n++] = u->waiting[i].who;
        } else {
            u->waiting[kept++] = u->waiting[i];
        }
    }
    u->n_waiting = kept;
    unlock(u);
    for (size_t i = 0; i < n; i++) {
        u->events.on_asked(u->events.arg, &over[i], is_known);
    }
}

/* --- for who looks ---------------------------------------------------------------------------- */

bool users_view(struct users *u, struct users_view *out)
{
    if (u == NULL) {
        return false;
    }
    lock(u);
    *out = u->view;
    out->hostgroup = u->hostgroup;
    out->n_waiting = u->n_waiting;
    unlock(u);
    return out->state != USERS_OFF || out->since_ms != 0;
}

const char *users_state_word(enum users_state state)
{
    static const char *const words[] = {
#define X(code, word) word,
        USERS_STATES(X)
#undef X
    };

    CHECK(state < ARRAY_SIZE(words));
    return words[state];
}

static void write_accounts(const struct user *user, char text[ACCOUNTS_TEXT_MAX])
{
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < user->n && len < ACCOUNTS_TEXT_MAX; i++) {
        const struct user_record *r = user->accounts[i].record;
        int n = snprintf(
            text + len, ACCOUNTS_TEXT_MAX - len, "%s'%s'%s%s%s%s", i == 0 ? "" : ", ", r->host_text,
            r->is_locked ? " (locked)" : "", user_record_is_served(r) ? "" : " (only by plugin ",
            user_record_is_served(r) ? "" : r->unserved, user_record_is_served(r) ? "" : ")");

        len += n < 0 ? 0 : (size_t)n;
    }
}

void users_walk(struct users *u, void (*each)(void *arg, const struct users_row *row), void *arg)
{
    char accounts[ACCOUNTS_TEXT_MAX];
    const struct user *user;
    size_t pos = 0;

    if (u == NULL) {
        return;
    }
    lock(u);
    while (u->hostgroup >= 0 && (user = map_next(&u->by_name, &pos)) != NULL) {
        struct users_row row = {.name = user->accounts[0].record->name,
                                .accounts = accounts,
                                .max_connections = user->accounts[0].record->max_connections,
                                .hostgroup = u->hostgroup};

        write_accounts(user, accounts);
        each(arg, &row);
    }
    unlock(u);
}

/* --- life ------------------------------------------------------------------------------------- */

struct users *users_new(const struct users_events *events)
{
    struct users *u = mem_new(MEM_POOL, sizeof(*u));

    u->events = *events;
    u->hostgroup = -1;
    u->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(u->wake_fd >= 0);
    CHECK(getrandom(&u->seed, sizeof(u->seed), 0) == (ssize_t)sizeof(u->seed));
    CHECK(pthread_mutex_init(&u->lock, NULL) == 0);
    map_init(&u->by_name, MEM_POOL, USERS_RECORDS_MAX);
    return u;
}

void users_wake(struct users *u)
{
    uint64_t one = 1;

    (void)!write(u->wake_fd, &one, sizeof(one)); /* full: it is awake already */
}

void users_configure(struct users *u, struct conf *conf)
{
    int hostgroup = conf->vars.mysql_users_from_hostgroup;
    struct map old = {0};
    struct conf *skipped;

    if (!u->is_running && hostgroup < 0) {
        return;
    }
    lock(u);
    skipped = u->next_conf;
    u->next_conf = conf_ref(conf);
    if (u->hostgroup != hostgroup) { /* who is known is of another one */
        old = u->by_name;
        map_init(&u->by_name, MEM_POOL, USERS_RECORDS_MAX);
        memset(u->seen, 0, sizeof(u->seen));
        u->hostgroup = hostgroup;
        set_counts(u);
    }
    unlock(u);
    free_all(&old);
    conf_unref(skipped);
    if (!u->is_running) {
        u->is_running = true;
        CHECK(pthread_create(&u->thread, NULL, users_run, u) == 0);
    }
    users_wake(u);
}

void users_expect(struct users *u)
{
    lock(u);
    u->expect_until = clock_now_ms() + USERS_EXPECT_MS;
    unlock(u);
}

void users_poke(struct users *u)
{
    lock(u);
    u->is_poked = true;
    memset(u->seen, 0, sizeof(u->seen));
    unlock(u);
    users_wake(u);
}

void users_free(struct users *u)
{
    if (u == NULL) {
        return;
    }
    lock(u);
    u->is_stopping = true;
    unlock(u);
    users_wake(u);
    if (u->is_running) {
        CHECK(pthread_join(u->thread, NULL) == 0);
    }
    free_all(&u->by_name);
    conf_unref(u->next_conf);
    (void)close(u->wake_fd);
    (void)pthread_mutex_destroy(&u->lock);
    mem_free(MEM_POOL, u);
}
