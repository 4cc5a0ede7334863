/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - snapshots: built from a file, shared, freed.
 */
#include "conf/conf.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/check.h"
#include "conf/cnf.h"
#include "conf/columns.h"
#include "conf/source.h"

#define DEFAULT_DATADIR "/var/lib/galeway"

static atomic_ullong last_version;

static struct conf *conf_new(void)
{
    struct conf *conf = mem_new(MEM_CONF, sizeof(*conf));

    atomic_init(&conf->refs, 1);
    conf_vars_init(&conf->vars);
    conf->datadir = mem_copy(MEM_CONF, SLICE(DEFAULT_DATADIR));
    map_init(&conf->users_by_name, MEM_CONF, CONF_USERS_MAX);
    map_init(&conf->users_not_for_clients, MEM_CONF, CONF_USERS_MAX);
    return conf;
}

static void conf_free(struct conf *conf)
{
    map_fini(&conf->users_by_name);
    map_fini(&conf->users_not_for_clients);
    tables_free(conf);
    mem_free(MEM_CONF, conf->served);
    for (size_t i = 0; i < conf->n_files; i++) {
        mem_free(MEM_CONF, conf->files[i]);
    }
    mem_free(MEM_CONF, conf->files);
    mem_free(MEM_CONF, conf->datadir);
    conf_vars_fini(&conf->vars);
    mem_free(MEM_CONF, conf);
}

struct conf *conf_ref(struct conf *conf)
{
    unsigned before = atomic_fetch_add_explicit(&conf->refs, 1, memory_order_relaxed);

    CHECK(before > 0 && before < UINT32_MAX);
    return conf;
}

void conf_unref(struct conf *conf)
{
    unsigned before;

    if (conf == NULL) {
        return;
    }
    /* Release: what this thread read happens before the last one frees. Acquire: the last one. */
    before = atomic_fetch_sub_explicit(&conf->refs, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before == 1) {
        conf_free(conf);
    }
}

/* The port of a row that names none is 3306, which is none for the path of a socket. */
static void settle_sockets(struct conf *conf)
{
    for (size_t i = 0; i < conf->n_servers; i++) {
        if (conf->servers[i].address[0] == '/' && conf->servers[i].port == 3306) {
            conf->servers[i].port = 0;
        }
    }
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

static void collect_served(struct conf *conf)
{
    size_t n = conf->n_servers, kept = 0;

    conf->served = mem_new(MEM_CONF, MAX(n, 1) * sizeof(int));
    for (size_t i = 0; i < n; i++) {
        conf->served[i] = conf->servers[i].hostgroup;
    }
    qsort(conf->served, n, sizeof(int), compare_ints);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || conf->served[kept - 1] != conf->served[i]) {
            conf->served[kept++] = conf->served[i];
        }
    }
    conf->n_served = kept;
}

static int index_users(struct conf *conf)
{
    for (size_t i = 0; i < conf->n_users; i++) {
        struct conf_user *user = &conf->users[i];
        bool is_for_clients = user->active && user->frontend;
        int rc = map_put(is_for_clients ? &conf->users_by_name : &conf->users_not_for_clients,
                         slice_of(user->username), user);

        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/*
 * Takes the names of files out of source. is_judged: what has faults is given to the caller all the
 * same.
 */
static int build(struct conf **out, struct source *source, bool is_judged, struct faults *faults)
{
    struct conf_place *keys = mem_new(MEM_CONF, KEY_COUNT * sizeof(*keys));
    struct conf *conf = conf_new();
    struct cnf cnf = {.conf = conf, .faults = faults, .source = source, .keys = keys};
    size_t errors_before = faults->errors;
    int rc = 0;

    cnf_read(&cnf);
    conf->files = source->files;
    conf->n_files = source->n_files;
    source->files = NULL;
    settle_sockets(conf);
    collect_served(conf);
    conf_check(conf, keys, faults);
    mem_free(MEM_CONF, keys);
    if (faults->errors > errors_before) {
        rc = ERR_CONFIG;
    } else if (index_users(conf) != 0) {
        fault_error(faults, conf->files[0], 0, "out of memory");
        rc = ERR_MEMORY;
    }
    if (rc != 0 && !is_judged) {
        conf_unref(conf);
        return rc;
    }
    conf->version = atomic_fetch_add(&last_version, 1) + 1;
    *out = conf;
    return rc;
}

int conf_load(struct conf **out, const char *path, struct faults *faults)
{
    struct source source = {0};
    int rc = source_read(&source, path, faults);

    if (rc == 0) {
        rc = build(out, &source, false, faults);
    }
    source_fini(&source);
    return rc;
}

static int load_text(struct conf **out, const char *name, struct slice text, bool is_judged,
                     struct faults *faults)
{
    struct source source = {0};
    int rc = source_take_text(&source, name, text, faults);

    if (rc == 0) {
        rc = build(out, &source, is_judged, faults);
    }
    source_fini(&source);
    return rc;
}

int conf_load_text(struct conf **out, const char *name, struct slice text, struct faults *faults)
{
    return load_text(out, name, text, false, faults);
}

int conf_judge_text(struct conf **out, const char *name, struct slice text, struct faults *faults)
{
    *out = NULL;
    return load_text(out, name, text, true, faults);
}

const struct conf_user *conf_user_find(const struct conf *conf, struct slice name)
{
    return map_get(&conf->users_by_name, name);
}

bool conf_user_is_named(const struct conf *conf, struct slice name)
{
    return conf_user_find(conf, name) != NULL ||
           map_get(&conf->users_not_for_clients, name) != NULL;
}

const struct conf_galera *conf_galera_of_writer(const struct conf *conf, int hostgroup)
{
    for (size_t i = 0; i < conf->n_galera; i++) {
        if (conf->galera[i].active && conf->galera[i].writer_hostgroup == hostgroup) {
            return &conf->galera[i];
        }
    }
    return NULL;
}

bool conf_has_servers(const struct conf *conf, int hostgroup)
{
    return bsearch(&hostgroup, conf->served, conf->n_served, sizeof(int), compare_ints) != NULL;
}

bool conf_is_served(const struct conf *conf, int hostgroup)
{
    if (conf_has_servers(conf, hostgroup)) {
        return true;
    }
    for (size_t i = 0; i < conf->n_galera; i++) {
        const struct conf_galera *row = &conf->galera[i];

        if (row->active &&
            (row->reader_hostgroup == hostgroup || row->backup_writer_hostgroup == hostgroup)) {
            return conf_has_servers(conf, row->writer_hostgroup);
        }
    }
    for (size_t i = 0; i < conf->n_replications; i++) {
        const struct conf_replication *row = &conf->replications[i];

        if (row->reader_hostgroup == hostgroup || row->writer_hostgroup == hostgroup) {
            return conf_has_servers(conf, row->writer_hostgroup) ||
                   conf_has_servers(conf, row->reader_hostgroup);
        }
    }
    return false;
}
