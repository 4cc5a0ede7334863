/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users.h - users that the nodes have: read from mysql.global_priv of a node of
 * mysql-users_from_hostgroup and kept fresh, by a thread of its own.
 *
 *   OFF --> STARTING --> CURRENT <--> BROKEN, DENIED     any --> OFF
 *
 * All of them are read every mysql-users_refresh_interval, and soon after a statement that changes
 * users was seen (users_poke). A name that is not known is asked for at once, at most
 * USERS_NAMES_MAX in one question and one question in USERS_ASK_GAP_MS; it is not asked for again
 * for USERS_SEEN_MS, found or not. So who logs in by made-up names costs the node and this process
 * a fixed amount and no more.
 *
 * Read by the monitor's account, which needs SELECT on mysql.global_priv, with wsrep_sync_wait: an
 * account that any node has acknowledged is seen. What was read stays in use when no node can be
 * asked.
 */
#ifndef POOL_USERS_H
#define POOL_USERS_H

#include "conf/conf.h"
#include "pool/follower_link.h"
#include "pool/node.h"
#include "pool/user_record.h"

#define USERS_RECORDS_MAX 200000 /* accounts: names and hosts */
#define USERS_NAMES_MAX   64     /* asked for at once */
#define USERS_WAITING_MAX 1024   /* logins that wait for an answer */
#define USERS_ASK_GAP_MS  50
#define USERS_SEEN_MS     1000
#define USERS_EXPECT_MS   5000
#define USERS_NODE_MAX    288

/* code, word for tables */
#define USERS_STATES(X)           \
    X(USERS_OFF, "off")           \
    X(USERS_STARTING, "starting") \
    X(USERS_CURRENT, "current")   \
    X(USERS_BROKEN, "broken")     \
    X(USERS_DENIED, "denied")

enum users_state {
#define X(code, word) code,
    USERS_STATES(X)
#undef X
        USERS_STATE_COUNT
};

struct users;

/* A client whose login waits. */
struct users_waiter {
    unsigned worker;
    uint64_t client_id;
};

/* Called from the thread. */
struct users_events {
    void *arg;
    /* the nodes to ask, best first; returns how many */
    size_t (*nodes)(void *arg, int hostgroup, struct node *out[NODES_MAX]);
    /* what it waits for is over; is_known: a node has answered */
    void (*on_asked)(void *arg, const struct users_waiter *waiter, bool is_known);
    /* rights have changed since the reading before */
    void (*on_rights)(void *arg);
};

/* users_new - nothing is followed yet. users_free: ends the thread; NULL is fine. */
struct users *users_new(const struct users_events *events);
void users_free(struct users *users);

/*
 * users_configure - this configuration is in use; begins with the first that has
 * mysql-users_from_hostgroup. The console's thread, or the main thread before it.
 */
void users_configure(struct users *users, struct conf *conf);

/*
 * users_expect - a statement that changes users is about to run: until USERS_EXPECT_MS from now
 * each login of an unknown name asks a node. Its answer may reach a client before users_poke() is
 * called. Any thread.
 */
void users_expect(struct users *users);

/* users_poke - a statement that changes users has run: read them again soon. Any thread. */
void users_poke(struct users *users);

/* What is known of a user who comes from an address. */
struct users_found {
    struct secret secret; /* to be wiped */
    bool is_served;       /* false = only by the plugin unserved, which is not served here */
    bool is_locked;
    bool is_expired;
    bool cuts_expired; /* disconnect_on_expired_password: an expired one may not log in at all */
    struct tls_need need;
    uint32_t max_connections; /* 0 = any number */
    bool is_shut;             /* none at all */
    int hostgroup;            /* mysql-users_from_hostgroup */
    char unserved[USER_PLUGIN_MAX];
    char host[USER_HOST_MAX + 1]; /* of the last of his name's accounts with the same password */
};

enum users_answer {
    USERS_NOT_FOLLOWED,
    USERS_FOUND,
    USERS_NONE,   /* a node said so a moment ago */
    USERS_UNKNOWN /* to be asked for */
};

/* users_find - peer: as in user_host_fits(). users may be NULL. Any thread; a short lock. */
enum users_answer users_find(struct users *users, struct slice name, const char *peer,
                             struct users_found *found);

enum users_ask {
    USERS_ASK_WAIT,  /* on_asked() comes, once */
    USERS_ASK_FRESH, /* it was read a moment ago */
    USERS_ASK_FULL   /* too many are asked for */
};

/* users_ask - have this name read. Any thread. */
enum users_ask users_ask(struct users *users, struct slice name, struct users_waiter waiter);

/* users_has - is the name known, from whatever host? users may be NULL. Any thread. */
bool users_has(struct users *users, struct slice name);

/* What an administrator is shown; a copy. */
struct users_view {
    int hostgroup;
    uint8_t state; /* enum users_state */
    uint64_t since_ms;
    char node[USERS_NODE_MAX]; /* "" = none */
    uint64_t n_users, n_accounts;
    uint64_t n_malformed;          /* rows of the last reading that cannot be understood */
    uint64_t read_ms;              /* clock_now_ms() of the last reading; 0 = none */
    uint64_t n_reads, n_questions; /* of all users; of unknown names */
    uint64_t n_names;              /* asked for in these */
    uint64_t n_refused;            /* not asked for: too many at once */
    uint64_t n_waiting;
    char error[FOLLOW_ERROR_MAX];
};

/* users_view - false = they were never followed. users may be NULL. Any thread. */
bool users_view(struct users *users, struct users_view *out);
const char *users_state_word(enum users_state state); /* static */

/*
 * users_walk - each name, with its accounts as a text ("'%', '10.0.%' (locked)"), in no order.
 * Under the lock: each() does not come back here. users may be NULL. Any thread.
 */
struct users_row {
    const char *name;     /* borrowed until each() returns */
    const char *accounts; /* the same */
    uint32_t max_connections;
    int hostgroup;
};
void users_walk(struct users *users, void (*each)(void *arg, const struct users_row *row),
                void *arg);

#endif
