/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - snapshots: built from a file, shared, freed.
 */
#include "conf/conf.h"

#include "base/err.h"
#include "base/mem.h"
#include "conf/check.h"
#include "conf/cnf.h"
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
    return conf;
}

static void free_users(struct conf *conf)
{
    map_fini(&conf->users_by_name);
    for (size_t i = 0; i < conf->n_users; i++) {
        mem_free(MEM_CONF, conf->users[i].username);
        mem_free(MEM_CONF, conf->users[i].password);
        mem_free(MEM_CONF, conf->users[i].default_schema);
        mem_free(MEM_CONF, conf->users[i].attributes);
        mem_free(MEM_CONF, conf->users[i].comment);
    }
    mem_free(MEM_CONF, conf->users);
}

static void free_rows(struct conf_row *rows, size_t n_rows)
{
    for (size_t i = 0; i < n_rows; i++) {
        for (size_t j = 0; j < rows[i].n; j++) {
            mem_free(MEM_CONF, rows[i].names[j]);
            mem_free(MEM_CONF, rows[i].values[j]);
        }
        mem_free(MEM_CONF, rows[i].names);
        mem_free(MEM_CONF, rows[i].values);
    }
    mem_free(MEM_CONF, rows);
}

static void conf_free(struct conf *conf)
{
    for (size_t i = 0; i < conf->n_servers; i++) {
        mem_free(MEM_CONF, conf->servers[i].address);
        mem_free(MEM_CONF, conf->servers[i].comment);
    }
    mem_free(MEM_CONF, conf->servers);
    for (size_t i = 0; i < conf->n_galera; i++) {
        mem_free(MEM_CONF, conf->galera[i].comment);
    }
    mem_free(MEM_CONF, conf->galera);
    free_users(conf);
    free_rows(conf->query_rules, conf->n_query_rules);
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

static int index_users(struct conf *conf)
{
    for (size_t i = 0; i < conf->n_users; i++) {
        struct conf_user *user = &conf->users[i];

        if (user->active && user->frontend) {
            int rc = map_put(&conf->users_by_name, slice_of(user->username), user);

            if (rc != 0) {
                return rc;
            }
        }
    }
    return 0;
}

/* Takes the names of files out of source. */
static int build(struct conf **out, struct source *source, struct faults *faults)
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
    conf_check(conf, keys, faults);
    mem_free(MEM_CONF, keys);
    if (faults->errors > errors_before) {
        rc = ERR_CONFIG;
    } else if (index_users(conf) != 0) {
        fault_error(faults, conf->files[0], 0, "out of memory");
        rc = ERR_MEMORY;
    }
    if (rc != 0) {
        conf_unref(conf);
        return rc;
    }
    conf->version = atomic_fetch_add(&last_version, 1) + 1;
    *out = conf;
    return 0;
}

int conf_load(struct conf **out, const char *path, struct faults *faults)
{
    struct source source = {0};
    int rc = source_read(&source, path, faults);

    if (rc == 0) {
        rc = build(out, &source, faults);
    }
    source_fini(&source);
    return rc;
}

int conf_load_text(struct conf **out, const char *name, struct slice text, struct faults *faults)
{
    struct source source = {0};
    int rc = source_take_text(&source, name, text, faults);

    if (rc == 0) {
        rc = build(out, &source, faults);
    }
    source_fini(&source);
    return rc;
}

const struct conf_user *conf_user_find(const struct conf *conf, struct slice name)
{
    return map_get(&conf->users_by_name, name);
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
