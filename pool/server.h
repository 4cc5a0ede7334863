/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - one connection to a node: log in, make it fit for a session, send, follow the replies,
 * reset.
 *
 *   CONNECTING --> LOGIN --> IDLE <--> LENT --> RESETTING --> IDLE
 *        |           |         |        |  \--> DRAINING (its client left) --> RESETTING
 *        +-----------+---------+--------+------------------------------------> CLOSING
 *
 * Commands are pipelined; `expects` holds what each outstanding reply is for, oldest first. The
 * replies to a client's commands are handed to the owner as bytes; all others are dealt with here.
 *
 * Owner of the memory: the pool that opened it. Thread: the pool's worker.
 */
#ifndef POOL_SERVER_H
#define POOL_SERVER_H

#include "base/list.h"
#include "base/log.h"
#include "pool/account.h"
#include "pool/node.h"
#include "pool/profile.h"
#include "pool/schema.h"
#include "protocol/caps.h"
#include "protocol/follow.h"
#include "protocol/reply.h"
#include "protocol/stream.h"

struct pool;
struct server;
struct traffic;
struct server_stmt;

enum server_state {
    SERVER_CONNECTING,
    SERVER_LOGIN,
    SERVER_FREE,
    SERVER_LENT,
    SERVER_DRAINING,
    SERVER_RESETTING,
    SERVER_CLOSING,
    SERVER_STATE_COUNT
};

/* What an outstanding reply is for. */
enum expect_what {
    EXPECT_GREETING,
    EXPECT_LOGIN,
    EXPECT_SETUP, /* session tracking switched on */
    EXPECT_CHANGE_USER,
    EXPECT_INIT_DB,
    EXPECT_RESET,
    EXPECT_SET, /* a profile's variables: known to be accepted */
    EXPECT_SET_OPTION,
    EXPECT_PREPARE,  /* a statement of a client prepared again here */
    EXPECT_PRIME,    /* brings a number of the session to the connection, ends a role; may fail */
    EXPECT_RAISED,   /* SIGNAL: an error, or a warning, of the session is there again */
    EXPECT_TRACKING, /* the values of the virtual variables (variable.h) behind a SET of them */
    EXPECT_SETTLED,  /* and those of others that it set, as they are reported; may fail */
    EXPECT_TRANSACTION, /* COM_PING in a transaction: is it still there? */
    EXPECT_FOUND_ROWS,  /* SELECT FOUND_ROWS() and LAST_INSERT_ID() behind a client's statement */
    EXPECT_LAST_ID,
    EXPECT_REPLY /* the client's command */
};

#define SERVER_MAX_EXPECTS 16
#define SERVER_ERROR_MAX   512
#define SERVER_WROTE_MAX   4

/* Capabilities that change what statements mean or answers are: a connection has them for life. */
#define CAPS_OF_IDENTITY                                                       \
    (CAP_FOUND_ROWS | CAP_IGNORE_SPACE | CAP_INTERACTIVE | CAP_MULTI_RESULTS | \
     CAP_PS_MULTI_RESULTS | CAPS_OF_NODES)

/* What a statement needs its connection to be. */
struct want {
    int hostgroup; /* for whom it is counted */
    struct account *account;
    struct schema *schema; /* NULL = none */
    struct profile *profile;
    uint64_t caps; /* of CAPS_OF_IDENTITY */
    bool multi_statements;
    bool is_side;    /* a connection of ours to kill with: beyond the node's limit, never pooled */
    bool ask_schema; /* also when the connection has it: it may be gone */
    bool is_new;     /* opened for this statement, as a hint asks */
    bool fresh;      /* never reset: wsrep_sync_wait works on no other (MariaDB 10.11) */
    uint64_t
        rights_us; /* with the rights of then at least: it logs in again if it has older ones */
};

/* What the owner says to a node that asks for a file. */
enum server_file {
    SERVER_FILE_PASSED, /* bytes follow */
    SERVER_FILE_EMPTY,
    SERVER_FILE_REFUSED, /* the connection ends: what stands behind the statement must not run */
};

/*
 * How a server tells its owner (the client it is lent to). Called from the loop. In on_ready,
 * on_done and on_lost the owner may give the server back, close it, or send again. on_lost: the
 * server is closing; forget it.
 *
 * on_ready, on_done and on_lost are there; on_unfit too for who uses server_fit(). What else is
 * NULL is passed over.
 */
struct server_events {
    /* connected, logged in, or a step of making it fit is done: ask server_fit() again. */
    void (*on_ready)(struct server *s);
    /* the node refuses the schema: err is its answer; the server is still LENT. */
    void (*on_unfit)(struct server *s, const struct err *err);
    /*
     * the node has aborted the transaction (1213), and said so to a command of ours: it says it
     * once. Returns true when the owner is done with what it wanted; the server is still LENT, or
     * given back.
     */
    bool (*on_aborted)(struct server *s, const struct err *err);
    /* bytes of the reply, whole or in part; data may be kept only as stream_write() keeps it. */
    void (*on_bytes)(struct server *s, const uv_buf_t *bufs, unsigned n);
    /*
     * session changes that the node reports; before the OK is passed on. What the client is to be
     * told of them (NULL = nothing), valid until the next call.
     */
    const struct track_wish *(*on_track)(struct server *s, const struct ok *ok);
    /* the first packet of a prepare reply: the owner writes the client's id into it. */
    void (*on_prepared)(struct server *s, uint8_t *payload, size_t len);
    /* the node asks for a file; NULL = it gets an empty one. */
    enum server_file (*on_infile)(struct server *s);
    /* the answer to EXPECT_FOUND_ROWS or EXPECT_LAST_ID; 0 when the node refused. */
    void (*on_number)(struct server *s, enum expect_what what, uint64_t number);
    /* the answer to EXPECT_TRACKING: a text row; empty when the node refused. */
    void (*on_tracking)(struct server *s, struct slice row);
    /* the answer to EXPECT_SETTLED, when it reports something. */
    void (*on_settled)(struct server *s, const struct ok *ok);
    /* all replies are in; s->follow tells the outcome. */
    void (*on_done)(struct server *s);
    void (*on_lost)(struct server *s, int rc, const struct err *err);
    /* the queue of bytes to the node is empty again. */
    void (*on_drained)(struct server *s);
};

struct expect {
    uint8_t what;    /* enum expect_what */
    uint8_t follow;  /* enum follow_kind */
    uint8_t first;   /* sequence number of the reply's first packet, where it is made anew */
    bool sends_more; /* the command has more packets than one: a node's may have any number */
};

struct server {
    /* identity */
    uint64_t id;
    struct node *node;
    struct account *account; /* whose login it is */
    uint32_t login_version;  /* account->followed_version when it logged in */
    uint64_t rights_us;      /* its rights are those of then at least; clock_now_us() */
    uint64_t login_us;       /* when it logged in */
    uint32_t thread_id;      /* on the node */
    uint64_t caps;           /* of CAPS_OF_IDENTITY */
    bool is_quitting;        /* CLOSING, and COM_QUIT was sent: the node's end is awaited */
    bool is_side;            /* for KILL only: never pooled */
    /* state */
    uint8_t state; /* enum server_state */
    bool was_reset;
    bool multi_statements; /* COM_SET_OPTION state on the node */
    bool offers_files;     /* by its login: its node may ask it for one (LOCAL_FILES) */
    bool is_counted;       /* in node->n_connections */
    bool is_connecting;    /* in node->n_connecting */
    bool unfit_seen;       /* a pipelined SET failed: the reply behind it must not be trusted */
    bool kill_pending;     /* a side connection is killing its statement */
    bool statement_sent;   /* the client's command is among what was sent; its reply is awaited */
    bool is_passing;       /* the owner has had bytes of that reply */
    bool has_replied;      /* that reply is whole: only questions of ours are still open */
    bool status_is_late;   /* status is the node's behind that reply: a question was answered */
    bool said_more;        /* more than it was asked: nothing is sent on it any more */
    bool is_stepwise;      /* COM_CHANGE_USER: nothing was sent along (server_login.c) */
    bool was_unserved;     /* the node asked by a plugin that was answered with nothing */
    bool must_reset;       /* has state of a session: reset before it serves another */
    bool must_close;       /* has state that neither a reset nor a change of user takes away */
    bool ran_unseen;       /* what it ran was not seen: it may have such state */
    bool shows_changes;    /* the client sees STATUS_SESSION_STATE_CHANGED in EOFs */
    bool owes_changes; /* its next OK reports changes of a statement before, perhaps another's */
    bool asks_compression;  /* in its login */
    bool login_by_sha2;     /* the plugin that the node has named last */
    uint8_t login_sequence; /* of the next packet of the login's dialog, whoever sends it */
    uint8_t login_packets;  /* of the node, in that dialog */
    unsigned tls_changes;   /* of its node when it was opened */
    bool has_own_tls;       /* of its account, for which alone it is (node_tls.h) */
    uint64_t created_ms;
    uint64_t opened_us;
    uint64_t since_ms;  /* of the state */
    uint64_t asked_ms;  /* when it began to owe replies */
    uint64_t retire_ms; /* too old after this */
    /* borrowed */
    struct pool *pool;
    struct traffic *traffic; /* of its node and the hostgroup it serves, or served last */
    void *owner;             /* while LENT */
    const struct server_events *events;
    struct schema *schema;        /* what the node has as current schema; NULL = none */
    unsigned schema_changes;      /* of the process when it came to the schema */
    struct schema *schema_before; /* while EXPECT_INIT_DB: what it stays if the node refuses */
    /* owned */
    struct profile *profile; /* a reference */
    struct stream stream;
    uv_connect_t connect;
    uint8_t *carry; /* bytes of an incomplete packet */
    size_t carry_len, carry_cap;
    struct list stmts; /* prepared here, most recently used first */
    struct list_node in_all;
    struct list_node in_free;         /* of its pool node, while FREE */
    struct list_node in_account;      /* of its (node, account), while FREE */
    struct account_servers *siblings; /* borrowed: where in_account is linked */
    uint8_t salt[SALT_LEN];
    uint16_t status; /* of the last reply, also to a number asked for behind it */
    /* schemas that the transaction under way wrote, by bucket (homes.h); client_homes.h */
    uint16_t wrote[SERVER_WROTE_MAX];
    uint8_t n_wrote; /* more than SERVER_WROTE_MAX = some that are not here, too */
    /* replies to come */
    struct expect expects[SERVER_MAX_EXPECTS];
    uint8_t first_expect, n_expects;
    struct follow follow;  /* of the first expect */
    struct follow outcome; /* of the client's reply, when done */
    uint64_t number;
    struct server_stmt *preparing; /* borrowed from stmts: prepared again, its reply is awaited */
    /* counters */
    uint64_t statements;
    uint64_t n_commands; /* sent in all, ours too */
};

/* A connection on its way from one worker to another: what the other must know. */
struct server_move {
    struct node *node;
    struct account *account;
    uint32_t thread_id;
    uint64_t caps;
    bool multi_statements;
    bool offers_files;
    bool must_reset; /* a reset alone may not do: a role of its user may be gone */
    uint8_t salt[SALT_LEN];
    uint64_t created_ms;
    int hostgroup;   /* it served last */
    int fd;          /* owned by the message, as is tls */
    struct tls *tls; /* NULL = plain */
    bool is_compressed;
    unsigned tls_changes;
    bool has_own_tls;
};

/*
 * server_open - begin to connect and log in as account. NULL when there is no memory or the limit
 * of the node is reached. The server is LENT to owner from the start: on_ready or on_lost follows.
 */
struct server *server_open(struct pool *pool, struct node *node, const struct want *want,
                           void *owner, const struct server_events *events) MUST_CHECK;

/*
 * server_adopt - a logged in connection that another worker gave away: as server_open; it is reset
 * first.
 */
struct server *server_adopt(struct pool *pool, const struct server_move *move) MUST_CHECK;

/*
 * server_fit - bring a LENT server to what is wanted.
 *
 * prefix: gets the bytes that must be written right before the statement (in the same write).
 * Returns 0 (fits, or will with prefix), 1 (a step is under way: on_ready or on_unfit follows;
 * prefix is empty), or a negative code (the connection is broken; it is closing, on_lost is not
 * called).
 */
int server_fit(struct server *s, const struct want *want, struct writer *prefix) MUST_CHECK;

/* server_asks_schema - the step under way is COM_INIT_DB. */
static inline bool server_asks_schema(const struct server *s)
{
    return s->n_expects > 0 && s->expects[s->first_expect].what == EXPECT_INIT_DB;
}

/* server_expect - a command was (or is just being) sent whose reply is for what. */
void server_expect(struct server *s, enum expect_what what, enum follow_kind follow);

/* server_expect_first - of a command that goes ahead of those that were not written yet. */
void server_expect_first(struct server *s, enum expect_what what, enum follow_kind follow);

static inline struct expect *server_last_expect(struct server *s)
{
    CHECK(s->n_expects > 0);
    return &s->expects[(s->first_expect + s->n_expects - 1) % SERVER_MAX_EXPECTS];
}

/* server_sends_more - the command behind server_expect() has more packets than one. */
static inline void server_sends_more(struct server *s)
{
    server_last_expect(s)->sends_more = true;
    if (s->n_expects == 1) {
        follow_any_sequence(&s->follow);
    }
}

/*
 * server_sent_up_to - the long command, or the file, that the last of its expected replies is for
 * has ended: its packets were numbered up to here.
 */
void server_sent_up_to(struct server *s, uint8_t next_sequence);

/* server_follow_next - the reply to the first expected one begins. */
void server_follow_next(struct server *s);

/*
 * server_write - bytes to the node. As stream_write; ERR_NODE_PROTOCOL when it said more than it
 * was asked. On an error the caller closes the server.
 */
int server_write(struct server *s, const uv_buf_t *bufs, unsigned n) MUST_CHECK;

/* server_wipe - COM_RESET_CONNECTION while LENT: on_ready follows. */
int server_wipe(struct server *s) MUST_CHECK;

/* server_reset - the same, back to a fresh session; state RESETTING, then to the pool. */
void server_reset(struct server *s);

/* server_serves - from now on it counts for this hostgroup. */
void server_serves(struct server *s, int hostgroup);

/* server_to - the only way to another state. */
void server_to(struct server *s, enum server_state next);

/* server_close - idempotent. reason: for the log; rc: 0 or why. The owner is not told. */
void server_close(struct server *s, const char *reason, int rc);

/*
 * server_quit - a FREE connection is not needed any more: say goodbye (a node logs anything else as
 * an aborted connection) and count it until the node has closed it, so that the node never has more
 * than the limit.
 * server_quit_timeout - the node does not answer: close it all the same.
 */
void server_quit(struct server *s, const char *reason);
void server_quit_timeout(struct server *s);

/*
 * server_depart - to another worker, which takes it with server_adopt: the node's count goes along,
 * ours is closed. Returns 0 and what the other needs in *move, or a negative errno: nothing
 * happened. server_move_drop - nobody takes it.
 */
int server_depart(struct server *s, struct server_move *move) MUST_CHECK;
void server_move_drop(const struct server_move *move);

/* server_lost - close it and tell the owner (on_lost), if there is one. err may be NULL. */
void server_lost(struct server *s, int rc, const struct err *err);

/* server_who - for log lines. */
struct log_who server_who(const struct server *s, const char *doing);

/*
 * used by server_login.c and server.c; is_last: nothing else came with the packet.
 */
void server_on_login_packet(struct server *s, const uint8_t *payload, size_t len, uint8_t sequence,
                            bool is_last);
int server_change_user(struct server *s, const struct want *want) MUST_CHECK;
bool server_dialog_done(struct server *s);
void server_secured(struct server *s, int rc);
void server_on_bytes(struct stream *stream, uint8_t *data, size_t len);
void server_connecting_ended(struct server *s);
int server_setup_text(struct writer *w);

#endif
