/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users_inside.h - shared by users.c (what is known, who waits; no I/O) and users_thread.c (reads
 * it from nodes).
 */
#ifndef POOL_USERS_INSIDE_H
#define POOL_USERS_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "pool/users.h"

#define USERS_SEEN_SLOTS 4096

struct user_account {
    struct user_record *record; /* owned */
};

/* A name and its accounts. */
struct user {
    size_t n;
    struct user_account *accounts; /* owned; who is asked first comes first; never empty */
};

/* What a node said, while it is read. */
struct user_list {
    struct user_account *items; /* owned */
    size_t n, cap;
    size_t n_malformed;
    uint64_t sum; /* of all rows, those passed over too, in any order */
    int rc;       /* ERR_LIMIT, ERR_MEMORY: it is not whole */
};

/* Settings of the node. */
struct users_server {
    int64_t default_days; /* default_password_lifetime */
    bool cuts_expired;    /* disconnect_on_expired_password */
    bool resolves;        /* skip_name_resolve is off */
};

struct users_asked {
    uint64_t batch;
    size_t n;
    char names[USERS_NAMES_MAX][USER_NAME_MAX + 1];
};

struct users {
    pthread_mutex_t lock; /* for all but what is named below */
    struct users_events events;
    /* what the nodes said */
    int hostgroup;      /* -1 = not followed */
    struct map by_name; /* owns struct user */
    struct users_server server;
    struct users_view view;
    /* who asks */
    struct users_asked asked; /* the next question */
    struct {
        struct users_waiter who;
        uint64_t batch;
    } waiting[USERS_WAITING_MAX];
    size_t n_waiting;
    uint64_t seed;         /* of the hashes */
    uint64_t expect_until; /* clock_now_ms(); nothing counts as seen until then */
    struct {
        uint64_t hash, until_ms;
    } seen[USERS_SEEN_SLOTS]; /* by hash: a later name takes the place of an earlier one */
    /* mail for the thread */
    struct conf *next_conf; /* a reference, or NULL */
    bool is_poked;
    bool is_stopping;
    int wake_fd;
    /* the thread's own */
    bool is_running; /* users_configure(), users_free() */
    pthread_t thread;
};

/*
 * user_list_add - a row; one that is nobody's, or malformed, is passed over. user_list_fini: frees.
 */
void user_list_add(struct user_list *list, const char *host, const char *name, const char *priv);
void user_list_fini(struct user_list *list);

/*
 * users_set - all users, instead of those known; users_set_asked - of the names that were asked
 * for, these are the accounts. Both take what is in the list, and pass it over when it is of
 * another hostgroup than the one that is followed by now.
 */
void users_set(struct users *users, int hostgroup, struct user_list *list,
               const struct users_server *server);
void users_set_asked(struct users *users, int hostgroup, const struct users_asked *asked,
                     struct user_list *list);

/* users_take_asked - the names to ask for; false = none. */
bool users_take_asked(struct users *users, struct users_asked *out);

/* users_end_wait - who waits for this batch, or an earlier one, is told. */
void users_end_wait(struct users *users, uint64_t batch, bool is_known);

/* users_wake - the thread has mail. */
void users_wake(struct users *users);

/* users_run - users_thread.c: the thread; arg: struct users. */
void *users_run(void *arg);

#endif
