/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - one validated configuration, immutable once built and counted by references.
 *
 * The control thread builds a new snapshot from a file, validates it whole, and hands it to the
 * workers; a worker switches between two statements. Everything in a snapshot is read only.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/map.h"
#include "conf/faults.h"
#include "conf/keys.h"

#define CONF_FILE_MAX    ((size_t)64 << 20) /* bytes of a file and all it includes */
#define CONF_USERS_MAX   100000
#define CONF_SERVERS_MAX 4096
#define CONF_GALERA_MAX  1024
#define CONF_RULES_MAX   100000

/* Where a row was written. The name belongs to the snapshot. */
struct conf_place {
    const char *file;
    int line;
};

enum conf_server_status { SERVER_ONLINE, SERVER_SHUNNED, SERVER_OFFLINE_SOFT, SERVER_OFFLINE_HARD };

struct conf_server { /* mysql_servers */
    int hostgroup;
    char *address; /* owned; a host name, an IP address, or a path of a unix socket with port 0 */
    uint16_t port;
    uint16_t gtid_port;
    uint8_t status; /* enum conf_server_status */
    uint32_t weight;
    bool compression;
    uint32_t max_connections;
    uint32_t max_replication_lag;
    bool use_ssl;
    uint32_t max_latency_ms;
    char *comment;
    struct conf_place place;
};

struct conf_user { /* mysql_users */
    char *username;
    char *password; /* as configured: "", clear, *HEX40, $A$... */
    bool active;
    bool use_ssl;
    int default_hostgroup;
    char *default_schema; /* "" = none */
    bool schema_locked;
    bool transaction_persistent;
    bool fast_forward;
    bool backend, frontend;
    uint32_t max_connections;
    char *attributes;
    char *comment;
    struct conf_place place;
};

struct conf_galera { /* mysql_galera_hostgroups */
    int writer_hostgroup, backup_writer_hostgroup, reader_hostgroup, offline_hostgroup;
    bool active;
    uint32_t max_writers;
    uint8_t writer_is_also_reader; /* who reads: 0, 2 = those that do not write; 1 = all */
    uint32_t max_transactions_behind;
    char *comment;
    struct conf_place place;
};

/* A table that is stored and shown but not acted on yet: rows of key = value, as in the file. */
struct conf_row {
    size_t n;
    char **names;
    char **values;
    struct conf_place place;
};

struct conf {
    atomic_uint refs;
    uint64_t version;      /* 1, 2, ... in this process */
    struct conf_vars vars; /* keys.h: one field for each variable */
    char **files;          /* the names of the file and of those it includes */
    size_t n_files;
    char *datadir;
    struct conf_server *servers;
    size_t n_servers;
    struct conf_user *users;
    size_t n_users;
    struct map users_by_name; /* -> struct conf_user: active ones for clients */
    struct conf_galera *galera;
    size_t n_galera;
    struct conf_row *query_rules;
    size_t n_query_rules;
};

/*
 * conf_load - read a libconfig file, check everything, say every fault.
 *
 * faults: zeroed or in use; gets each error and each warning (variables of ProxySQL that are not
 *         acted on) with file and line. Free it with faults_fini().
 * Returns 0 and a snapshot with one reference in *out, or ERR_CONFIG / ERR_FILE (*out untouched).
 * Thread: any (blocks on the file).
 */
int conf_load(struct conf **out, const char *path, struct faults *faults) MUST_CHECK;

/* conf_load_text - the same from memory; name is what faults call it. It may not include files. */
int conf_load_text(struct conf **out, const char *name, struct slice text,
                   struct faults *faults) MUST_CHECK;

/* conf_ref, conf_unref - any thread. The last unref frees it. */
struct conf *conf_ref(struct conf *conf);
void conf_unref(struct conf *conf);

/* conf_user_find - an active user that clients may be, or NULL. */
const struct conf_user *conf_user_find(const struct conf *conf, struct slice name);

/* conf_galera_of_writer - the active row whose writer_hostgroup is hg, or NULL. */
const struct conf_galera *conf_galera_of_writer(const struct conf *conf, int hostgroup);

#endif
