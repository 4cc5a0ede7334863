/* SPDX-License-Identifier: Apache-2.0 */
/*
 * galeway.h - what all threads of the process share.
 *
 * Owner: main.c. Everything here is atomic, behind its own lock, or set before the workers start.
 */
#ifndef PROXY_GALEWAY_H
#define PROXY_GALEWAY_H

#include <pthread.h>
#include <stdatomic.h>

#include "conf/conf.h"
#include "conf/networks.h"
#include "pool/account.h"
#include "pool/node.h"
#include "pool/queue.h"
#include "protocol/auth.h"
#include "proxy/certificates.h"
#include "proxy/hosts.h"
#include "proxy/schema_look.h"
#include "router/cache.h"
#include "router/causal.h"
#include "router/rules.h"

#define WORKERS_MAX      64
#define VERSION_TEXT_MAX 96

struct events_log;
struct follower;
struct monitor;
struct users;
struct worker;

/* One configuration and the topology made of it; workers switch between two statements. */
struct snapshot {
    atomic_uint refs;
    struct conf *conf;                    /* a reference */
    struct topology *topology;            /* owned */
    struct rules *rules;                  /* owned; of conf */
    struct row_key_patterns row_patterns; /* of conf: mysql-query_cache_row_keys */
    struct networks balancers;            /* of conf: mysql-proxy_protocol_networks */
    uint32_t digest_mode;                 /* to be added to a session's mode for facts_scan() */
};

struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);

/* What the greeting says of the nodes; learnt from their greetings. */
struct node_facts {
    pthread_mutex_t lock;
    char version[VERSION_TEXT_MAX]; /* as the client is to see it; "" = no node seen yet */
    uint8_t charset;
    atomic_uint changes; /* raised with each change: workers keep copies */
};

struct client_index {
    pthread_mutex_t lock;
    struct map accounts; /* client id -> struct account */
};

struct galeway {
    struct nodes nodes;
    struct accounts accounts;
    struct wait_queue queue;
    struct causal causal;
    struct schema_looks schema_looks;
    struct cache *cache; /* owned by main.c; NULL only in tests */
    struct node_facts node_facts;
    struct monitor *monitor;             /* owned by main.c; NULL until it runs */
    _Atomic(struct follower *) follower; /* foreign.h; NULL until the cache is in use */
    struct users *users;       /* owned by main.c: those of the nodes; NULL only in tests */
    struct events_log *events; /* owned: statements that rules log */
    struct {
        struct events_log *log; /* owned */
        atomic_bool is_on;
    } audit;                          /* audit.h */
    struct rsa_key *rsa;              /* for caching_sha2_password without TLS */
    struct certificates certificates; /* for TLS with clients */
    /* configuration: replaced under the lock by the control thread */
    pthread_mutex_t snapshot_lock;
    struct snapshot *snapshot; /* a reference */
    atomic_uint snapshot_number;
    struct conf *started; /* a reference: what the workers were started with; NULL = not yet */
    /* workers */
    unsigned n_workers;
    pthread_mutex_t listeners_lock; /* their lists of listeners: unix sockets are shared */
    atomic_uint n_listening; /* workers 0..n-1 take clients; others join when these are busy */
    struct worker *workers[WORKERS_MAX];
    struct pool *pools[WORKERS_MAX];
    /* clients of all workers */
    struct client_index clients; /* whose is which id: for KILL */
    atomic_int n_clients;
    int max_clients; /* as many as descriptors allow, whatever mysql-max_connections says; 0 = all */
    struct hosts hosts;
    atomic_uint
        schema_epoch; /* raised by DROP DATABASE, GRANT, ...: what was learnt of schemas is void */
    atomic_ullong rights_us;    /* when rights were changed last: rights.h; 0 = never */
    atomic_uint schema_changes; /* raised by CREATE and ALTER DATABASE: pool.h */
    atomic_bool is_draining;
    atomic_bool is_paused; /* the ports are closed for new clients: pause.h */
    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned n_done; /* workers that have done it */
        int rc;          /* of the first that could not */
    } pause;
    uint64_t started_ms;
};

/* galeway_snapshot - the current one, with a reference. Any thread. */
struct snapshot *galeway_snapshot(struct galeway *g);

/*
 * galeway_apply - make a validated configuration the snapshot, whole or not at all, and tell the
 * workers. Takes over the caller's reference when it returns 0; ERR_CONFIG: nothing changed, faults
 * says why. The main thread before any other runs, then the console's alone (a reload by signal is
 * passed to it): hence no lock.
 */
int galeway_apply(struct galeway *g, struct conf *conf, struct faults *faults) MUST_CHECK;

/*
 * galeway_say_restart - a warning for each variable that conf has another value for than the
 * process was started with, and that counts at a start only. Control thread.
 */
void galeway_say_restart(const struct galeway *g, const struct conf *conf, struct faults *faults);

/*
 * galeway_load - read and check a file and apply it. 0 or ERR_CONFIG, ERR_FILE: nothing changed.
 * faults also says what counts after a restart only.
 */
int galeway_load(struct galeway *g, const char *path, struct faults *faults) MUST_CHECK;

/*
 * galeway_read_tls - read the files of certificates again, those for clients and those for nodes.
 * makes: see certificates_read. 0, or ERR_CONFIG: nothing changed, faults says why. Control thread.
 */
int galeway_read_tls(struct galeway *g, bool makes, struct faults *faults) MUST_CHECK;

/*
 * galeway_open_keylog - begin with the file of admin-ssl_keylog_file, or go on with it after a
 * rotation. 0 or a negative errno: no secrets are written. At the start, and by galeway_apply()
 * later.
 */
int galeway_open_keylog(const struct conf *conf) MUST_CHECK;

/*
 * galeway_first_look - ask the nodes for their version, before the workers start. Blocks for a
 * moment.
 */
void galeway_first_look(struct galeway *g);

/*
 * galeway_rotate_logs - all logs go on in new files. 0 or a negative errno of the log's. Any
 * thread.
 */
int galeway_rotate_logs(struct galeway *g) MUST_CHECK;

/* galeway_learn_version - a node's greeting said so. Any thread. */
void galeway_learn_version(struct galeway *g, struct slice version, uint8_t charset);

/* galeway_version - a terminated copy of what clients are to be told. Any thread. */
void galeway_version(struct galeway *g, const struct conf *conf, char out[VERSION_TEXT_MAX],
                     uint8_t *charset);

/*
 * galeway_init - what all threads share, empty; g is zeroed. galeway_fini - when no thread is left.
 * users and queue are their owner's.
 */
void galeway_init(struct galeway *g);
void galeway_fini(struct galeway *g);

#endif
