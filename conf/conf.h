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
#include "conf/tables.h"

#define CONF_FILE_MAX           ((size_t)64 << 20) /* bytes of a file and all it includes */
#define CONF_USERS_MAX          100000
#define CONF_SERVERS_MAX        4096
#define CONF_GALERA_MAX         1024
#define CONF_RULES_MAX          100000
#define CONF_FAST_ROUTES_MAX    1000000
#define CONF_FIREWALL_RULES_MAX 1000000
#define CONF_OTHER_MAX          10000 /* rows of each of the other tables */

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
    struct map users_by_name;         /* -> struct conf_user: active ones for clients */
    struct map users_not_for_clients; /* the same of the others */
    struct conf_galera *galera;
    size_t n_galera;
    struct conf_rule *rules; /* as written: not in the order of rule_id */
    size_t n_rules;
    struct conf_fast_route *fast_routes;
    size_t n_fast_routes;
    struct conf_firewall_user *firewall_users;
    size_t n_firewall_users;
    struct conf_firewall_rule *firewall_rules;
    size_t n_firewall_rules;
    struct conf_ssl_params *ssl_params;
    size_t n_ssl_params;
    /* accepted and checked, not acted on */
    struct conf_fingerprint *fingerprints;
    size_t n_fingerprints;
    struct conf_hostgroup *hostgroups;
    size_t n_hostgroups;
    struct conf_replication *replications;
    size_t n_replications;
    struct conf_collation *collations;
    size_t n_collations;
    struct conf_scheduler *schedulers;
    size_t n_schedulers;
    struct conf_proxy *proxies;
    size_t n_proxies;
    /* made of the above */
    int *served; /* hostgroups with servers, sorted */
    size_t n_served;
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

/*
 * conf_judge_text - the same, but *out is given with faults too: for the checks of higher folders,
 * so that all faults are named at once. Never to be used when the result is not 0. *out is NULL
 * when the text could not be read.
 */
int conf_judge_text(struct conf **out, const char *name, struct slice text,
                    struct faults *faults) MUST_CHECK;

/* conf_ref, conf_unref - any thread. The last unref frees it. */
struct conf *conf_ref(struct conf *conf);
void conf_unref(struct conf *conf);

/* conf_user_find - an active user that clients may be, or NULL. */
const struct conf_user *conf_user_find(const struct conf *conf, struct slice name);

/* conf_user_is_named - has mysql_users a row of this name, be it active and for clients or not? */
bool conf_user_is_named(const struct conf *conf, struct slice name);

/* conf_galera_of_writer - the active row whose writer_hostgroup is hg, or NULL. */
const struct conf_galera *conf_galera_of_writer(const struct conf *conf, int hostgroup);

/*
 * conf_has_homes - has each site a home node (mysql-site_home_nodes, or {"site_home_nodes": true}
 * in the hostgroup_settings of this writer hostgroup, which wins)?
 */
bool conf_has_homes(const struct conf *conf, int writer_hostgroup);

/* conf_has_servers - does mysql_servers name a server of this hostgroup? */
bool conf_has_servers(const struct conf *conf, int hostgroup);

/*
 * conf_is_served - has it servers of its own, or from a cluster's writer hostgroup, or from
 * replication roles?
 */
bool conf_is_served(const struct conf *conf, int hostgroup);

#endif
