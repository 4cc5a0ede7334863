/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_inside.h - what the monitor's files share. Everything here belongs to the monitor's
 * thread but what stands behind the lock.
 *
 *   monitor.c        the thread, its mail, the configuration
 *   monitor_watch.c  one node: when it is checked, its health, its share
 *   monitor_group.c  one cluster: its roles, and how a writer is followed by another
 *   monitor_applied.c  what the nodes have applied (applied.h)
 *   monitor_homes.c  the home nodes of a cluster (homes.h)
 *   monitor_tell.c   the words of events
 */
#ifndef POOL_MONITOR_INSIDE_H
#define POOL_MONITOR_INSIDE_H

#include <pthread.h>
#include <uv.h>

#include "pool/applied.h"
#include "pool/homes.h"
#include "pool/monitor.h"
#include "pool/monitor_hook.h"
#include "pool/monitor_judge.h"
#include "pool/monitor_sql.h"

#define MONITOR_TICK_MS 10 /* while a cluster waits for something that nobody announces */
#define CATCH_UP_MS \
    10000 /* a group that loses a node blocks for seconds: that is not the fault of who is to write */
#define CATCH_UP_AGAIN_MS 100
#define CATCH_UP_FAILS_MS 2000 /* who could not for so long is not the one */
#define CATCH_DENIED_MS   500  /* who refuses our login for so long is not asked */
#define LAME_MS           5000 /* another is preferred for so long */
#define FAILOVER_DRAIN_MS 500  /* for an old writer that is up; SWITCH WRITER brings its own */
#define ELECT_FRESH_MS    20 /* reports that are older are not good enough to elect a new writer by */
#define ELECT_WAIT_MS     100 /* for newer ones */
#define NO_WRITER_MS      200 /* between two checks while nobody may write */
#define POKE_FRESH_MS     50  /* a check that began less long ago serves who pokes */
#define POKE_GAP_MS       10  /* between two checks, however often somebody pokes */
#define SWITCHES_MAX      16  /* asked for and not taken by the thread yet */
#define MASK(index)       (UINT64_C(1) << (index))

struct watch {
    struct monitor *monitor;
    struct node *node;
    /* state */
    bool is_on;         /* in the configuration, and the monitor is enabled */
    bool has_result;    /* of a check since it is on */
    bool wants_another; /* another check when this one has ended */
    bool drops;         /* this one's connection is for another account: close it then */
    bool was_late;      /* the timer came late once: it is given again */
    bool denied_told;
    struct judge_state state;
    uint64_t began_ms;      /* of the check */
    uint64_t began_us;      /* the same */
    uint64_t began_unix_us; /* the same, since the epoch */
    uint64_t timer_due_ms;  /* clock_now_ms() */
    uint64_t back_ms;       /* when it came back after it was out; 0 = it never was */
    uint64_t health_since_ms;
    struct node_report report;
    struct node_report figures; /* of the answer that is being read */
    /* catching up as a new writer */
    bool is_catching;
    bool catch_drops;         /* its connection is for another account: close it then */
    bool is_catch_denied;     /* it was taken without having been asked */
    uint64_t catch_failed_ms; /* since when it fails; 0 = it does not */
    uint64_t lame_until_ms;   /* it could not in time */
    uint64_t catch_began_ms;
    uint64_t catch_again_ms; /* not before */
    uint64_t caught_ms;      /* how long the last one took */
    /* what it has applied */
    bool number_proves;       /* the question that is under way is a proof */
    bool number_is_open;      /* its connection was open after the last question */
    bool number_drops;        /* its connection is for another account: close it then */
    uint64_t number_began_us; /* of the question */
    uint64_t number;          /* of the answer that is being read; 0 = none */
    /* owned */
    struct sql_link *link;
    struct sql_link *catch_link;  /* NULL until it is needed */
    struct sql_link *number_link; /* the same */
    uv_timer_t timer;
};

enum move_step {
    MOVE_NONE,
    MOVE_TOLD,    /* published as held; the workers are about to be told */
    MOVE_EMPTIES, /* what had begun at the old homes ends */
    MOVE_APPLIES  /* the new homes apply it */
};

/* The home nodes of a cluster. */
struct group_homes {
    bool wants;     /* configuration */
    bool is_on;     /* all nodes write; while they end, too */
    bool is_new;    /* nobody was at home anywhere before */
    bool is_ending; /* all go to one node, and then there are no homes */
    bool is_over;   /* they are off; the decision without them is not published yet */
    bool is_forced; /* the move: there is no way back */
    bool has_more;  /* a step is to follow */
    enum move_step step;
    unsigned last;             /* is_ending: the one node */
    uint8_t at[HOMES_BUCKETS]; /* node index: where it is, or was; HOME_NONE = anywhere */
    uint8_t to[HOMES_BUCKETS]; /* where it goes to; HOME_NONE = it does not move */
    uint8_t wanted[HOMES_BUCKETS];
    uint32_t again_s[HOMES_BUCKETS]; /* clock_now_ms() / 1000: it is not planned to move before */
    unsigned n_halved;               /* so many times smaller is the next step */
    uint64_t wanted_key;             /* of what wanted was made of */
    unsigned n_at[NODES_MAX + 1];    /* buckets by node; the last: anywhere */
    uint64_t began_ms;
    uint64_t empty_us; /* clock_now_us(): when what had begun had ended */
    uint64_t next_ms;  /* the next step comes not before */
};

/* A cluster: a row of mysql_galera_hostgroups or mysql_replication_hostgroups. */
struct group {
    struct monitor *monitor;
    int writer_hostgroup;
    struct cluster *cluster; /* borrowed; as long as the process */
    /* configuration */
    bool is_on;
    const struct conf_galera *galera; /* one of the two; of monitor->conf */
    const struct conf_replication *replication;
    size_t n;
    struct roles_node nodes[NODES_MAX];
    uint64_t members;
    uint64_t
        first_by_ms; /* the first decision waits for all nodes' first checks, at most until then */
    /* state */
    bool is_decided;
    struct roles decided; /* last */
    uint64_t ready;       /* of decided.writers: those that have applied all */
    uint64_t previous;    /* who wrote last */
    uint64_t wanted;      /* SWITCH WRITER */
    uint64_t elect_ms;    /* when an election began that waits for fresh reports; 0 = none does */
    uint64_t leaving;     /* old writers whose statements may end first */
    uint64_t leave_by_ms;
    uint64_t left_ms;  /* when they had; a catch-up has to begin later */
    bool is_announced; /* workers were told that nobody writes for now */
    unsigned drain_ms;
    uint64_t conf_id;      /* of the newest view seen; UINT64_MAX = none */
    unsigned cluster_size; /* in it */
    struct group_homes homes;
    /* published; behind monitor->lock */
    struct monitor_roles published;
};

struct switch_request {
    int writer_hostgroup;
    unsigned node_index;
    unsigned drain_ms;
};

struct monitor {
    /* borrowed */
    struct nodes *nodes;
    void (*on_change)(void *arg);
    void *on_change_arg;
    /* thread */
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t async;
    uv_timer_t tick;
    uv_timer_t number_timer;
    bool asks_again;  /* the timer is for those that were behind */
    bool has_changed; /* on_change has to be called */
    struct applied applied;
    /* owned */
    struct conf *conf; /* a reference */
    struct watch *watches[NODES_MAX];
    struct group *groups[CLUSTERS_MAX];
    unsigned n_groups;
    struct monitor_log *log;
    struct hooks *hooks;
    /* mail */
    atomic_ullong pokes; /* mask of nodes */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct conf *next_conf; /* NULL = none */
    struct switch_request switches[SWITCHES_MAX];
    unsigned n_switches;
    bool is_stopping;
    bool is_first_over; /* every node was checked once, or the time for that is over */
    struct monitor_view views[NODES_MAX];
    bool has_view[NODES_MAX];
};

/* --- monitor_watch.c */
struct watch *watch_new(struct monitor *m, struct node *node);
void watch_close(struct watch *w);           /* its handles; the memory goes from the loop */
void watch_set(struct watch *w, bool is_on); /* in the configuration or not */
void watch_forget_account(struct watch *w);  /* the monitor's account has changed */
void watch_poke(struct watch *w);
/* One more question to its node, over a link that is not busy; sql is static. */
void watch_ask(const struct watch *w, struct sql_link *link, const char *sql, unsigned answer_ms);
bool watch_cannot_be_asked(
    const struct watch *w);           /* what it has applied: it is used as configured */
void watch_catch_up(struct watch *w); /* group_caught_up() when it has; not while it is catching */

/* --- monitor_group.c */
struct group *group_get(struct monitor *m, int writer_hostgroup); /* NULL = too many */
void group_configure(struct group *g, const struct conf_galera *galera,
                     const struct conf_replication *replication);
void group_off(struct group *g);
void group_free(struct group *g);
bool group_has_writer(const struct group *g);
void group_look(struct group *g); /* nodes may have changed: decide, go on */
void group_switch(struct group *g, const struct switch_request *request);
void group_caught_up(struct group *g, struct watch *w, bool good);
void group_announced(struct group *g); /* what it has published was told to all */
bool group_serves(const struct group *g,
                  uint64_t bit); /* has the node a role in it that takes statements? */
bool group_cuts(const struct group *g, unsigned index); /* is it where nothing can be committed? */
uint64_t group_plain_writers(struct group *g);          /* who would write if there were no homes */
bool group_waits(const struct group *g); /* for something that only the clock tells */

/* --- monitor_applied.c */
void numbers_start(struct monitor *m); /* ask, as often as the configuration says */
void numbers_checked(struct watch *w,
                     bool is_new);   /* a check was answered, over a new connection */
void numbers_broke(struct watch *w); /* nothing is known of it for now */
void numbers_forget_account(struct watch *w);
void numbers_close(struct watch *w);
void numbers_prove(struct watch *w); /* ask it for a proof now, unless it is being asked */

/* --- monitor_homes.c */
void homes_turn(struct group *g); /* before a decision: turn them on if they are wanted */
void homes_look(struct group *g);
void homes_off(struct group *g); /* nobody decides on the cluster any more */
void homes_announced(struct group *g);
bool homes_wait(const struct group *g);        /* for something that only the clock tells */
uint64_t homes_leaving(const struct group *g); /* nodes at which workers have to count */

/* --- monitor.c */
void monitor_look(struct monitor *m, const struct watch *w); /* something is new of this node */
const struct conf_vars *monitor_vars(const struct monitor *m);
struct node *monitor_find(const struct nodes *nodes, const char *address, uint16_t port);

/* --- monitor_tell.c */
void tell_health(struct watch *w, enum judge_event event, enum node_health before,
                 uint64_t before_since_ms);
void tell_denied(struct watch *w);
void tell_roles(struct group *g, const struct roles *before, bool is_first);
void tell_writer(struct group *g, const struct watch *w, bool is_first);
void tell_switch(struct group *g, const struct watch *w, const char *what);
void tell_view(struct group *g, uint64_t conf_id, unsigned size);
void tell_check(struct watch *w, const struct sql_result *result);

#endif
