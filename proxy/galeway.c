/* SPDX-License-Identifier: Apache-2.0 */
/*
 * galeway.c - see galeway.h.
 */
#include "proxy/galeway.h"

#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/monitor.h"
#include "pool/node_tls.h"
#include "pool/users.h"
#include "proxy/events_log.h"
#include "proxy/foreign.h"
#include "proxy/worker.h"
#include "router/digest.h"

void galeway_init(struct galeway *g)
{
    nodes_init(&g->nodes);
    accounts_init(&g->accounts);
    schema_looks_init(&g->schema_looks);
    CHECK(pthread_mutex_init(&g->snapshot_lock, NULL) == 0);
    CHECK(pthread_mutex_init(&g->node_facts.lock, NULL) == 0);
    CHECK(pthread_mutex_init(&g->clients.lock, NULL) == 0);
    CHECK(pthread_mutex_init(&g->pause.lock, NULL) == 0);
    CHECK(pthread_mutex_init(&g->listeners_lock, NULL) == 0);
    CHECK(pthread_cond_init(&g->pause.changed, NULL) == 0);
    hosts_init(&g->hosts);
    g->events = events_log_new("mysql-eventslog_filename", "events");
    g->audit.log = events_log_new("mysql-auditlog_filename", "audit");
    certificates_init(&g->certificates);
    g->cache = cache_new(&(struct cache_limits){0}); /* galeway_apply() says how large */
    map_init(&g->clients.accounts, MEM_CLIENT, 1u << 24);
}

void galeway_fini(struct galeway *g)
{
    events_log_free(g->events);
    events_log_free(g->audit.log);
    cache_free(g->cache);
    snapshot_unref(g->snapshot);
    conf_unref(g->started);
    schema_looks_fini(&g->schema_looks);
    accounts_fini(&g->accounts);
    nodes_fini(&g->nodes);
    rsa_key_free(g->rsa);
    certificates_fini(&g->certificates);
    map_fini(&g->clients.accounts);
    hosts_fini(&g->hosts);
    (void)pthread_mutex_destroy(&g->snapshot_lock);
    (void)pthread_mutex_destroy(&g->listeners_lock);
    (void)pthread_mutex_destroy(&g->node_facts.lock);
    (void)pthread_mutex_destroy(&g->clients.lock);
    (void)pthread_mutex_destroy(&g->pause.lock);
    (void)pthread_cond_destroy(&g->pause.changed);
}

#define FALLBACK_VERSION "5.5.5-10.11.0-MariaDB" /* until a node was seen */
#define FALLBACK_CHARSET 45

#define KEYLOG_PATH_MAX 8300 /* of the data directory and a name */
#define KEYLOG_SAME     (-2)

#define RESTART_VALUE_MAX 4200 /* more than any value that counts at a start */

struct snapshot *snapshot_ref(struct snapshot *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (s != NULL && atomic_fetch_sub(&s->refs, 1) == 1) {
        topology_free(s->topology);
        rules_free(s->rules);
        conf_unref(s->conf);
        mem_free(MEM_CONF, s);
    }
}

struct snapshot *galeway_snapshot(struct galeway *g)
{
    struct snapshot *s;

    CHECK(pthread_mutex_lock(&g->snapshot_lock) == 0);
    s = snapshot_ref(g->snapshot);
    CHECK(pthread_mutex_unlock(&g->snapshot_lock) == 0);
    return s;
}

static void publish(struct galeway *g, struct snapshot *fresh)
{
    struct snapshot *old;

    CHECK(pthread_mutex_lock(&g->snapshot_lock) == 0);
    old = g->snapshot;
    g->snapshot = fresh;
    atomic_fetch_add(&g->snapshot_number, 1);
    CHECK(pthread_mutex_unlock(&g->snapshot_lock) == 0);
    snapshot_unref(old);
}

static void tell_workers(struct galeway *g)
{
    for (unsigned i = 0; i < g->n_workers; i++) {
        worker_post(g->workers[i], mail_new(MAIL_CONFIG));
    }
}

static enum log_level level_of(const char *name)
{
    return strcmp(name, "error") == 0   ? LOG_ERROR
           : strcmp(name, "warn") == 0  ? LOG_WARN
           : strcmp(name, "debug") == 0 ? LOG_DEBUG
                                        : LOG_INFO;
}

/* Smaller: answers go at once. */
static void limit_cache(struct galeway *g, const struct conf_vars *vars)
{
    const struct cache_limits limits = {
        .max_bytes = (size_t)vars->mysql_query_cache_size_MB << 20,
        .max_entry_bytes = (size_t)vars->mysql_query_cache_max_result_bytes,
        .site_share_percent = (unsigned)vars->mysql_query_cache_site_share_pct,
        .wait_us = (uint64_t)vars->mysql_query_cache_wait_ms * 1000,
    };

    if (g->cache != NULL) {
        cache_limit(g->cache, &limits);
    }
}

/* Answers that were told to rows by other columns are not made stale by writes told by these. */
static bool has_other_rows(const struct galeway *g, const struct conf *conf)
{
    return g->snapshot != NULL && strcmp(g->snapshot->conf->vars.mysql_query_cache_row_keys,
                                         conf->vars.mysql_query_cache_row_keys) != 0;
}

static void configure_logs(struct galeway *g, const struct conf *conf)
{
    if (g->events != NULL) {
        events_log_configure(g->events, conf->datadir, conf->vars.mysql_eventslog_filename,
                             (uint64_t)conf->vars.mysql_eventslog_filesize);
    }
    if (g->audit.log != NULL) {
        events_log_configure(g->audit.log, conf->datadir, conf->vars.mysql_auditlog_filename,
                             (uint64_t)conf->vars.mysql_auditlog_filesize);
        atomic_store(&g->audit.is_on, conf->vars.mysql_auditlog_filename[0] != '\0');
    }
}

static int keylog_open(const struct conf *conf, int *fd)
{
    const char *name = conf->vars.admin_ssl_keylog_file;
    char path[KEYLOG_PATH_MAX];

    *fd = -1;
    if (name[0] == '\0') {
        return 0;
    }
    (void)snprintf(path, sizeof(path), "%s%s%s", name[0] == '/' ? "" : conf->datadir,
                   name[0] == '/' ? "" : "/", name);
    *fd = tls_keylog_open(path);
    if (*fd >= 0) {
        log_warn(NULL, "secrets of TLS connections are written to %s (admin-ssl_keylog_file)",
                 path);
        return 0;
    }
    return *fd;
}

int galeway_open_keylog(const struct conf *conf)
{
    int fd, rc = keylog_open(conf, &fd);

    tls_keylog_use(rc == 0 ? fd : -1);
    return rc;
}

/* The file of another configuration, when it is another one. */
static int keylog_read(const struct galeway *g, const struct conf *conf, int *fd,
                       struct faults *faults)
{
    int rc = 0;

    *fd = KEYLOG_SAME;
    if (g->started != NULL && strcmp(g->snapshot->conf->vars.admin_ssl_keylog_file,
                                     conf->vars.admin_ssl_keylog_file) != 0) {
        rc = keylog_open(conf, fd);
    }
    if (rc != 0) {
        fault_error(faults, conf->n_files > 0 ? conf->files[0] : "", 0,
                    "admin-ssl_keylog_file: %s cannot be written: %s",
                    conf->vars.admin_ssl_keylog_file, err_text(rc));
    }
    return rc == 0 ? 0 : ERR_CONFIG;
}

static void keylog_use(int fd)
{
    if (fd != KEYLOG_SAME) {
        tls_keylog_use(fd);
    }
}

static void keylog_drop(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

int galeway_apply(struct galeway *g, struct conf *conf, struct faults *faults)
{
    struct topology *topology;
    struct snapshot *fresh;
    struct rules *rules = NULL;
    struct row_key_patterns row_patterns;
    struct certificates_read certificates = {.context = NULL};
    struct node_tls_set node_tls = {{NULL}};
    struct networks balancers;
    const char *why = ""; /* was said when the configuration was checked */
    bool is_told_otherwise = has_other_rows(g, conf);
    int keylog = KEYLOG_SAME;
    int rc =
        row_key_patterns_read(&row_patterns, slice_of(conf->vars.mysql_query_cache_row_keys), &why);

    rc = rc != 0
             ? rc
             : networks_read(&balancers, slice_of(conf->vars.mysql_proxy_protocol_networks), &why);
    rc = rc != 0 ? rc : rules_new(&rules, conf, faults);
    if (rc != 0) {
        return rc;
    }
    topology = topology_new(&g->nodes, conf, faults);
    rc = topology == NULL ? ERR_CONFIG : 0;
    if (rc == 0) {
        rc = certificates_read(&g->certificates, conf, false, g->started != NULL, &certificates,
                               faults);
    }
    rc = rc != 0 ? rc : node_tls_read(&g->nodes, conf, false, &node_tls, faults);
    rc = rc != 0 ? rc : keylog_read(g, conf, &keylog, faults);
    rc = rc != 0 ? rc : accounts_load(&g->accounts, conf);
    if (rc != 0) {
        keylog_drop(keylog);
        node_tls_drop(&node_tls);
        certificates_drop(&certificates);
        topology_free(topology);
        rules_free(rules);
        return rc;
    }
    fresh = mem_new(MEM_CONF, sizeof(*fresh));
    atomic_store(&fresh->refs, 1);
    fresh->conf = conf;
    fresh->topology = topology;
    topology_use(&g->nodes, topology);
    fresh->rules = rules;
    fresh->row_patterns = row_patterns;
    fresh->balancers = balancers;
    fresh->digest_mode = digest_mode(&conf->vars);
    configure_logs(g, conf);
    publish(g, fresh);
    keylog_use(keylog);
    certificates_use(&g->certificates, &certificates);
    node_tls_use(&g->nodes, conf, &node_tls);
    atomic_store(&g->queue.max_waiting, (size_t)conf->vars.mysql_queue_max_length);
    atomic_store(&g->queue.max_bytes, (size_t)conf->vars.mysql_queue_max_bytes);
    limit_cache(g, &conf->vars);
    atomic_store(&log_level_now, level_of(conf->vars.mysql_log_level));
    tell_workers(g);
    if (is_told_otherwise) {
        causal_mark_missed(&g->causal);
    }
    if (g->monitor != NULL) {
        monitor_configure(g->monitor, conf);
        foreign_configure(g, conf);
        users_configure(g->users, conf);
    }
    return 0;
}

int galeway_read_tls(struct galeway *g, bool makes, struct faults *faults)
{
    const struct conf *conf = g->snapshot->conf;
    struct certificates_read certificates;
    struct node_tls_set node_tls = {{NULL}};
    int rc = certificates_read(&g->certificates, conf, true, makes, &certificates, faults);

    rc = rc != 0 ? rc : node_tls_read(&g->nodes, conf, true, &node_tls, faults);
    if (rc != 0) {
        certificates_drop(&certificates);
        return rc;
    }
    certificates_use(&g->certificates, &certificates);
    node_tls_use(&g->nodes, conf, &node_tls);
    return 0;
}

static bool is_same(const struct key *key, const struct conf_vars *a, const struct conf_vars *b)
{
    char text_a[RESTART_VALUE_MAX], text_b[RESTART_VALUE_MAX];

    (void)key_format(a, key, text_a, sizeof(text_a));
    (void)key_format(b, key, text_b, sizeof(text_b));
    return strcmp(text_a, text_b) == 0;
}

void galeway_say_restart(const struct galeway *g, const struct conf *conf, struct faults *faults)
{
    for (size_t i = 0; g->started != NULL && i < KEY_COUNT; i++) {
        const struct key *key = key_at((enum key_id)i);

        if (key->reload == KEY_RELOAD_RESTART && key_is_acted_on(key) &&
            !is_same(key, &g->started->vars, &conf->vars)) {
            fault_warning(faults, conf->files[0], 0,
                          "%s counts after a restart: until then it stays as it was at the start",
                          key->name);
        }
    }
}

int galeway_load(struct galeway *g, const char *path, struct faults *faults)
{
    struct conf *conf = NULL;
    int rc = conf_load(&conf, path, faults);

    if (rc == 0) {
        rc = galeway_apply(g, conf, faults);
        if (rc != 0) {
            conf_unref(conf);
        } else {
            galeway_say_restart(g, conf, faults);
        }
    }
    return rc;
}

int galeway_rotate_logs(struct galeway *g)
{
    struct snapshot *s;
    int keylog, rc;

    events_log_rotate(g->events);
    events_log_rotate(g->audit.log);
    s = galeway_snapshot(g);
    keylog = galeway_open_keylog(s->conf);
    snapshot_unref(s);
    rc = log_reopen();
    return rc != 0 ? rc : keylog;
}

void galeway_learn_version(struct galeway *g, struct slice version, uint8_t charset)
{
    struct node_facts *f = &g->node_facts;
    char text[VERSION_TEXT_MAX];

    (void)snprintf(text, sizeof(text), "%.*s", SLICE_ARGS(version));
    CHECK(pthread_mutex_lock(&f->lock) == 0);
    if (strcmp(text, f->version) != 0 || f->charset != charset) {
        log_info(NULL, "the nodes are %s", text);
        memcpy(f->version, text, sizeof(text));
        f->charset = charset;
        atomic_fetch_add(&f->changes, 1);
    }
    CHECK(pthread_mutex_unlock(&f->lock) == 0);
}

void galeway_version(struct galeway *g, const struct conf *conf, char out[VERSION_TEXT_MAX],
                     uint8_t *charset)
{
    struct node_facts *f = &g->node_facts;

    CHECK(pthread_mutex_lock(&f->lock) == 0);
    *charset = f->charset != 0 ? f->charset : FALLBACK_CHARSET;
    if (conf->vars.mysql_server_version[0] != '\0') {
        (void)snprintf(out, VERSION_TEXT_MAX, "%s", conf->vars.mysql_server_version);
    } else {
        (void)snprintf(out, VERSION_TEXT_MAX, "%s",
                       f->version[0] != '\0' ? f->version : FALLBACK_VERSION);
    }
    CHECK(pthread_mutex_unlock(&f->lock) == 0);
}
