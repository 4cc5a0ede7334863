/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - a thread with an event loop, its clients and its server connections.
 *
 * Other threads reach it by mail only (worker_post).
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <pthread.h>
#include <uv.h>

#include "base/list.h"
#include "base/stat.h"
#include "pool/pool.h"
#include "proxy/client.h"
#include "proxy/figures.h"
#include "proxy/galeway.h"
#include "proxy/learn.h"
#include "proxy/ledger.h"
#include "proxy/mirror.h"

#define WORKER_TICK_MS 100
#define WORKER_BITS    6 /* of a client's id */

enum mail_kind {
    MAIL_SERVER, /* a server connection for a client that waits */
    MAIL_WAKE,   /* a client that waits may try again */
    MAIL_LOGIN,  /* what is to be known of the user of a login is read (client_user.h) */
    MAIL_ANSWER, /* the statement that a client waits for is over (client_cache.h) */
    MAIL_SERVE,  /* others wait: give what is free */
    MAIL_KILL,   /* KILL [QUERY] of a client of this worker */
    MAIL_CONFIG, /* a new snapshot */
    MAIL_NODES,  /* the health or a role of a node changed */
    MAIL_READ,   /* a copy of the figures is asked for */
    MAIL_LISTEN, /* the workers that take clients have enough to do: join them */
    MAIL_PAUSE,  /* close the ports */
    MAIL_RESUME, /* open them again */
    MAIL_DRAIN,  /* no new clients; end when the last has left or at the deadline */
    MAIL_STOP    /* end now */
};

struct mail {
    struct mail *next;
    enum mail_kind kind;
    uint64_t client_id;
    struct server_move move;         /* MAIL_SERVER */
    const void *flight;              /* MAIL_ANSWER: which, compared only */
    bool kill_query;                 /* MAIL_KILL */
    bool is_known;                   /* MAIL_LOGIN: a node has answered */
    struct account *account;         /* MAIL_KILL: whose clients it may kill; NULL = any */
    struct figures_request *request; /* MAIL_READ: a reference */
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): ordered by meaning */
struct worker {
    struct stat_set stats; /* first: it starts a cache line */
    /* identity */
    unsigned index;
    struct galeway *galeway; /* borrowed */
    /* thread and loop */
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t async;
    uv_timer_t timer;
    uv_check_t check;
    uv_prepare_t prepare;
    uint64_t turn_reads; /* streams.n_reads when the turn began */
    uint64_t cpu_us;     /* of the thread, at the last look */
    uint64_t looked_us;
    _Atomic unsigned busy_percent; /* of a core, over the last second */
    uint64_t ticks;
    _Atomic unsigned shown_ticks; /* for the watchdog */
    atomic_bool has_ended;        /* the thread */
    struct stream_loop streams;
    uint64_t now_ms;
    bool is_draining;
    bool is_stopping;
    uint64_t drain_deadline_ms;
    struct listener *listeners; /* owned: listener.c */
    uint64_t listen_again_ms;   /* they are closed until then; 0 = no */
    /* configuration */
    struct snapshot *snapshot; /* a reference */
    char version[VERSION_TEXT_MAX];
    uint8_t charset;
    unsigned version_changes;
    struct tls_context *tls; /* a reference, or NULL: see certificates.h */
    unsigned tls_changes;
    /* clients and server connections */
    struct list clients;
    struct list waiting; /* clients in the queue, oldest first */
    struct list warned;  /* clients that idle with warnings on their connection */
    struct map clients_by_id;
    uint64_t next_client;
    struct pool pool;
    struct tasks tasks;
    struct learnt learnt;
    struct figures figures;
    struct alarms alarms;
    unsigned n_delayed; /* clients in state DELAYED */
    unsigned n_looks;   /* questions about schemas under way (schema_look.h) */
    size_t gathering;   /* bytes of answers that are being gathered for the cache */
    struct ledger ledger;
    _Atomic unsigned nodes_seen; /* galeway.nodes.n_changes, as of the last look (failover.h) */
    /* query rules: rules_apply.c */
    bool has_rules;                  /* of the snapshot */
    bool logs_events;                /* mysql-eventslog_filename is set */
    uint32_t random;                 /* for weighted flagOUTs */
    struct rules_cache *rules_cache; /* owned; NULL until there are rules */
    char *rewritten; /* owned; NULL until there are rules or hints: RULES_REWRITE_MAX bytes */
    struct mirror mirror;
    /* shared */
    struct {
        pthread_mutex_t lock;
        struct mail *first;
        struct mail **last;
    } mailbox;
};

/*
 * worker_init - make the loop and open the listeners (worker 0 first). worker_start - begin to run,
 * in a thread of its own.
 * worker_join - wait until it has stopped. worker_fini - take it apart, when all have stopped (also
 * after a failed init).
 */
int worker_init(struct worker *w, struct galeway *g, unsigned index) MUST_CHECK;
int worker_start(struct worker *w) MUST_CHECK;
void worker_join(struct worker *w);
void worker_fini(struct worker *w);

/* worker_post - any thread; takes the mail. */
void worker_post(struct worker *w, struct mail *mail);
struct mail *mail_new(enum mail_kind kind);

/* worker_find_client - NULL when it is gone. Own thread. */
struct client *worker_find_client(struct worker *w, uint64_t id);

static inline const struct conf_vars *worker_vars(const struct worker *w)
{
    return &w->snapshot->conf->vars;
}

/* listener.c */
int listeners_open(struct worker *w) MUST_CHECK;
void listeners_close(struct worker *w);
void listeners_tick(struct worker *w); /* open them again, when they had to be closed */

/* kill.c: interrupt what runs for a client that left, or that KILL names. */
void kill_statement(struct worker *w, struct server *victim);
void kill_client(struct worker *w, uint64_t id, bool query_only, const struct account *by);
/* kill_register, kill_unregister - a client has logged in, has left: who may kill it. */
void kill_register(struct client *c);
void kill_unregister(struct client *c);
/* kill_account_of - whose the client of this id is; NULL = there is none. */
const struct account *kill_account_of(struct worker *w, uint64_t id);

#endif
