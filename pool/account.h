/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account.h - a database user as the whole process knows it: its password's forms, how many clients
 * and server connections it has.
 *
 * Accounts are made when a configuration with the user is loaded, or when a user of the nodes has
 * logged in, and live as long as the process; workers hold plain pointers. The password is behind a
 * lock (logins only), the counters are atomic.
 *
 * To a node 'app'@'10.0.%' and 'app'@'%' are two users, whose passwords and rights may differ. So
 * they have accounts of their own here, too: none gets a connection that was opened with the
 * other's password.
 */
#ifndef POOL_ACCOUNT_H
#define POOL_ACCOUNT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/base.h"
#include "base/map.h"
#include "conf/conf.h"
#include "protocol/auth.h"

#define ACCOUNTS_MAX 200000

struct account {
    char *name;                    /* owned */
    char *host;                    /* owned: of a user of the nodes; NULL = configured */
    struct account *twin;          /* the next one of this name; accounts.lock */
    const struct account *shown;   /* the one of this name that statistics count for */
    uint32_t id;                   /* 1, 2, ... */
    atomic_llong causal_window_ms; /* of its attributes, or CONF_UNSET */
    atomic_int n_clients;
    atomic_int n_servers;
    atomic_uint n_schemas; /* names it has used, in all workers: schema.h */
    atomic_uint
        n_stmts; /* prepared statements of its clients, in all workers: proxy/stmt_limits.h */
    atomic_ullong stmt_bytes;     /* of their texts */
    atomic_uint followed_version; /* account_log_in_again() */
    atomic_bool asks_otherwise;   /* a node was seen that asks it by a plugin that is not native */
    struct {
        pthread_mutex_t lock;
        struct secret secret;
        char *configured;       /* owned: the text the secret was made from; NULL = of a node */
        struct secret followed; /* what the node had of it, before anything was learnt */
    } shared;
};

struct accounts {
    pthread_mutex_t lock;
    struct map by_name; /* owns the accounts: the first of each name */
    uint32_t next_id;
};

void accounts_init(struct accounts *a);
void accounts_fini(struct accounts *a);

/*
 * accounts_load - make or update the accounts of a snapshot's users. Returns 0 or ERR_CONFIG,
 * ERR_LIMIT: then none has another password than before.
 */
int accounts_load(struct accounts *a, const struct conf *conf) MUST_CHECK;

/*
 * account_find - the configured one; else any of that name who has logged in; NULL = none. Any
 * thread.
 */
struct account *account_find(struct accounts *a, struct slice name);

/* accounts_clients - of all of that name. Returns false when there is none. Any thread. */
bool accounts_clients(struct accounts *a, struct slice name, int *n);

/*
 * account_follow - the account of a user that is not configured but that a node has: made when it
 * is new. host: tells him from others of his name (users_found.host). secret: what the node has of
 * his password; what was learnt is kept as long as it stays the same. NULL: more than ACCOUNTS_MAX.
 * Any thread; once the user was proven to be who he says.
 */
struct account *account_follow(struct accounts *a, struct slice name, const char *host,
                               const struct secret *secret);

/* account_can_log_in - is enough known of the password for a login to a node? Any thread. */
bool account_can_log_in(struct account *account);

/* account_secret - a copy, to be wiped by the caller (secret_wipe). Any thread. */
void account_secret(struct account *account, struct secret *copy);

/*
 * account_learn_stage1, account_learn_clear - a login proved it: keep it for logins to nodes. Any
 * thread.
 */
void account_learn_stage1(struct account *account, const uint8_t stage1[SHA1_LEN]);
void account_learn_clear(struct account *account, struct slice clear);

/*
 * account_log_in_again - its connections do before they serve another session: its user of the
 * nodes showed another password, or they may have state of a session that was not known of. Thread:
 * any.
 */
static inline void account_log_in_again(struct account *account)
{
    (void)atomic_fetch_add(&account->followed_version, 1);
}

#endif
