/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower.c - see follower.h and follower_inside.h: the threads, their mail, what others may ask.
 */
#include "pool/follower.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/follower_inside.h"

static void lock(struct follower *f)
{
    CHECK(pthread_mutex_lock(&f->lock) == 0);
}

static void unlock(struct follower *f)
{
    CHECK(pthread_mutex_unlock(&f->lock) == 0);
}

/* --- mail ------------------------------------------------------------------------------------- */

static void wake(struct follow_cluster *c)
{
    uint64_t one = 1;

    CHECK(write(c->wake_fd, &one, sizeof(one)) == sizeof(one));
}

bool follow_has_mail(struct follow_cluster *c)
{
    bool has;

    lock(c->follower);
    has = c->is_stopping || c->next_conf != NULL;
    unlock(c->follower);
    return has;
}

static void use_row_keys(struct follow_cluster *c, char *row_keys)
{
    const char *why;

    mem_free(MEM_POOL, c->row_keys);
    c->row_keys = row_keys;
    /* What is wrong was said when the configuration was checked; such a table counts as a whole. */
    (void)!row_key_patterns_read(&c->apply->patterns, slice_of(row_keys), &why);
}

bool follow_take_mail(struct follow_cluster *c)
{
    struct conf *conf;
    char *row_keys;
    bool goes_on, is_on;
    uint64_t n;

    if (read(c->wake_fd, &n, sizeof(n)) < 0) { /* nothing was written: it came by itself */
        n = 0;
    }
    lock(c->follower);
    conf = c->next_conf;
    row_keys = c->next_row_keys;
    is_on = c->next_is_on;
    c->next_conf = NULL;
    c->next_row_keys = NULL;
    goes_on = !c->is_stopping;
    unlock(c->follower);
    if (conf != NULL) {
        conf_unref(c->conf);
        c->conf = conf;
        c->is_on = is_on;
        use_row_keys(c, row_keys);
        memset(c->again_ms, 0, sizeof(c->again_ms));
        memset(c->refused, 0, sizeof(c->refused));
    }
    return goes_on;
}

/* --- configuration ---------------------------------------------------------------------------- */

static struct follow_cluster *cluster_new(struct follower *f, int writer_hostgroup)
{
    struct follow_cluster *c = mem_new(MEM_POOL, sizeof(*c));

    c->follower = f;
    c->writer_hostgroup = writer_hostgroup;
    c->state = FOLLOW_CONNECTING;
    c->since_ms = clock_now_ms();
    c->view = (struct follower_view){
        .writer_hostgroup = writer_hostgroup, .state = c->state, .since_ms = c->since_ms};
    c->apply = mem_new(MEM_POOL, sizeof(*c->apply));
    apply_init(c->apply, &f->events);
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(c->wake_fd >= 0);
    return c;
}

static void configure_cluster(struct follow_cluster *c, struct conf *conf, const char *row_keys,
                              bool is_on)
{
    struct conf *skipped;
    char *old;

    lock(c->follower);
    skipped = c->next_conf;
    old = c->next_row_keys;
    c->next_conf = conf_ref(conf);
    c->next_row_keys = mem_copy(MEM_POOL, slice_of(row_keys));
    c->next_is_on = is_on;
    unlock(c->follower);
    conf_unref(skipped);
    mem_free(MEM_POOL, old);
    wake(c);
}

static bool is_wanted(const struct conf *conf)
{
    return strcmp(conf->vars.mysql_query_cache_follow, "off") != 0 &&
           conf->vars.mysql_monitor_enabled;
}

static bool is_in(const struct conf *conf, int writer_hostgroup)
{
    return conf_galera_of_writer(conf, writer_hostgroup) != NULL;
}

static bool is_followed(const struct follower *f, int writer_hostgroup)
{
    unsigned n = atomic_load(&f->n_clusters);

    for (unsigned i = 0; i < n; i++) {
        if (f->clusters[i]->writer_hostgroup == writer_hostgroup) {
            return true;
        }
    }
    return false;
}

static void add_cluster(struct follower *f, int writer_hostgroup, struct conf *conf,
                        const char *row_keys)
{
    unsigned n = atomic_load(&f->n_clusters);

    f->clusters[n] = cluster_new(f, writer_hostgroup);
    configure_cluster(f->clusters[n], conf, row_keys, true);
    CHECK(pthread_create(&f->clusters[n]->thread, NULL, follow_run, f->clusters[n]) == 0);
    atomic_store(&f->n_clusters, n + 1);
}

/* A place is never given to another cluster: a configuration that names many is not usual. */
void follower_configure(struct follower *f, struct conf *conf, const char *row_keys)
{
    unsigned n = atomic_load(&f->n_clusters);
    bool wanted = is_wanted(conf), is_overfull = false;

    for (unsigned i = 0; i < n; i++) {
        configure_cluster(f->clusters[i], conf, row_keys,
                          wanted && is_in(conf, f->clusters[i]->writer_hostgroup));
    }
    for (size_t i = 0; i < conf->n_galera && wanted; i++) {
        const struct conf_galera *row = &conf->galera[i];

        if (!row->active || is_followed(f, row->writer_hostgroup)) {
            continue;
        }
        if (atomic_load(&f->n_clusters) == FOLLOW_CLUSTERS_MAX) {
            is_overfull = true;
            continue;
        }
        add_cluster(f, row->writer_hostgroup, conf, row_keys);
    }
    if (is_overfull) {
        log_warn(NULL, "more than %d clusters cannot be followed: the query cache is not used",
                 FOLLOW_CLUSTERS_MAX);
    }
    atomic_store(&f->is_overfull, is_overfull);
}

/* --- life ------------------------------------------------------------------------------------- */

/* A node ends the stream of who has the same number. Small ones are those of servers. */
static uint32_t choose_server_id(void)
{
    uint32_t id = 0;

    if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id)) {
        id = (uint32_t)getpid();
    }
    return id | UINT32_C(1) << 31;
}

void follower_start(struct follower **out, struct nodes *nodes, struct conf *conf,
                    const char *row_keys, struct monitor_log *log,
                    const struct follower_events *events)
{
    struct follower *f = mem_new(MEM_POOL, sizeof(*f));

    f->nodes = nodes;
    f->log = log;
    f->events = *events;
    f->server_id = choose_server_id();
    CHECK(pthread_mutex_init(&f->lock, NULL) == 0);
    follower_configure(f, conf, row_keys);
    *out = f;
}

static void cluster_free(struct follow_cluster *c)
{
    conf_unref(c->conf);
    conf_unref(c->next_conf);
    mem_free(MEM_POOL, c->row_keys);
    mem_free(MEM_POOL, c->next_row_keys);
    apply_fini(c->apply);
    mem_free(MEM_POOL, c->apply);
    (void)close(c->wake_fd);
    mem_free(MEM_POOL, c);
}

void follower_stop(struct follower *f)
{
    unsigned n = f == NULL ? 0 : atomic_load(&f->n_clusters);

    for (unsigned i = 0; i < n; i++) {
        lock(f);
        f->clusters[i]->is_stopping = true;
        unlock(f);
        wake(f->clusters[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        CHECK(pthread_join(f->clusters[i]->thread, NULL) == 0);
        cluster_free(f->clusters[i]);
    }
    if (f != NULL) {
        (void)pthread_mutex_destroy(&f->lock);
        mem_free(MEM_POOL, f);
    }
}

/* --- for other threads ------------------------------------------------------------------------ */

bool follower_is_current(const struct follower *f, uint64_t now_us)
{
    unsigned n = atomic_load_explicit(&f->n_clusters, memory_order_acquire);

    for (unsigned i = 0; i < n; i++) {
        if (atomic_load_explicit(&f->clusters[i]->current_until_us, memory_order_acquire) <
            now_us) {
            return false;
        }
    }
    return !atomic_load_explicit(&f->is_overfull, memory_order_relaxed);
}

bool follower_view(struct follower *f, unsigned i, struct follower_view *out)
{
    if (f == NULL || i >= atomic_load(&f->n_clusters)) {
        return false;
    }
    lock(f);
    *out = f->clusters[i]->view;
    unlock(f);
    return true;
}

const char *follow_state_word(enum follow_state state)
{
    static const char *const words[] = {
#define X(code, word, usable, text) word,
        FOLLOW_STATES(X)
#undef X
    };

    CHECK(state < ARRAY_SIZE(words));
    return words[state];
}

const char *follow_state_text(enum follow_state state)
{
    static const char *const texts[] = {
#define X(code, word, usable, text) text,
        FOLLOW_STATES(X)
#undef X
    };

    CHECK(state < ARRAY_SIZE(texts));
    return texts[state];
}
