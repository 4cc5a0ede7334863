/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - one connection of an application: life and state.
 *
 *   LOGIN --> LOOKUP (a node is asked about the user) --> LOGIN
 *   LOGIN --> VERIFY (a node is asked about the schema) --> IDLE
 *   LOGIN --> DENIED (its refusal waits) --> CLOSING, or IDLE after COM_CHANGE_USER
 *   IDLE --> WAITING (for a server connection) --> FITTING --> RUNNING --> IDLE
 *   IDLE --> ANSWERING (a reply made here is not yet written) --> IDLE
 *   IDLE --> DELAYED (a rule lets it wait) --> IDLE, and on with the command
 *   IDLE --> JOINED (the same read is under way for another) --> IDLE, answered or on with it
 *   RUNNING --> UPLOADING (a long statement or a file passes) --> RUNNING
 *   RUNNING --> FITTING (its node was lost or refused it: it is made sure of, goes again) --> RUNNING
 *   any --> CLOSING
 *
 * An idle client holds its descriptor and this struct. Thread: its worker's.
 */
#ifndef PROXY_CLIENT_H
#define PROXY_CLIENT_H

#include "base/address.h"
#include "base/list.h"
#include "base/log.h"
#include "pool/queue.h"
#include "pool/server.h"
#include "protocol/auth_check.h"
#include "protocol/stream.h"
#include "proxy/alarm.h"
#include "proxy/session.h"
#include "proxy/task.h"
#include "router/cache.h"

struct client_peer;
struct client_place;
struct kept_warnings;
struct said_error;
struct worker;

enum client_state {
    CLIENT_LOGIN,
    CLIENT_LOOKUP,
    CLIENT_DENIED,
    CLIENT_VERIFY,
    CLIENT_IDLE,
    CLIENT_DELAYED,
    CLIENT_JOINED,
    CLIENT_WAITING,
    CLIENT_FITTING,
    CLIENT_RUNNING,
    CLIENT_UPLOADING,
    CLIENT_CLOSING,
    CLIENT_STATE_COUNT
};

/* Why a client connection ended: code, who, text. */
#define CLOSE_REASONS(X)                                                                           \
    X(CLOSE_QUIT, "client", "it said goodbye")                                                     \
    X(CLOSE_GONE, "client", "it closed the connection")                                            \
    X(CLOSE_RESET, "client", "the connection broke")                                               \
    X(CLOSE_LOGIN_GONE, "client", "it left during the login")                                      \
    X(CLOSE_TLS, "client", "the TLS handshake failed")                                             \
    X(CLOSE_DENIED, "proxy", "access denied")                                                      \
    X(CLOSE_LIMIT, "proxy", "a connection limit")                                                  \
    X(CLOSE_PROTOCOL, "proxy", "a malformed packet")                                               \
    X(CLOSE_LOGIN_TIMEOUT, "timeout", "the login took too long")                                   \
    X(CLOSE_IDLE_TIMEOUT, "timeout", "idle for mysql-wait_timeout")                                \
    X(CLOSE_SESSION_TIMEOUT, "timeout", "idle for the wait_timeout that it has set")               \
    X(CLOSE_WRITE_TIMEOUT, "timeout", "it took nothing of its answer for mysql-net_write_timeout") \
    X(CLOSE_READ_TIMEOUT, "timeout",                                                               \
      "it sent nothing more of its command for mysql-net_read_timeout")                            \
    X(CLOSE_TRANSACTION, "timeout", "a transaction longer than mysql-max_transaction_time")        \
    X(CLOSE_TRANSACTION_IDLE, "timeout",                                                           \
      "idle in a transaction for mysql-max_transaction_idle_time")                                 \
    X(CLOSE_NODE, "server", "its node was lost while it sent or received")                         \
    X(CLOSE_KILLED, "admin", "killed")                                                             \
    X(CLOSE_SHUTDOWN, "admin", "shutdown")                                                         \
    X(CLOSE_MEMORY, "proxy", "no memory")

enum close_reason {
#define X(code, who, text) code,
    CLOSE_REASONS(X)
#undef X
};

#define LOGIN_RESPONSE_MAX RSA_BLOCK_MAX

/* Whose session it is. */
struct session_user {
    struct account *account; /* counted in its n_clients; NULL = none */
    struct schema *schema;
    uint64_t caps;
    int default_hostgroup;
    uint8_t charset;
    bool must_set_password;
};

/* Lives only while a client logs in (or changes its user). */
struct client_login {
    struct auth_check auth;
    bool is_change_user;
    bool wants_tls;     /* it has just asked for it */
    bool lacks_header;  /* of the PROXY protocol, and must have one */
    int refused;        /* ERR_* for its address; its login is answered by it (client_admit.h) */
    bool with_password; /* DENIED: for the text */
    bool has_asked;     /* a node was asked about the user (client_user.h) */
    uint16_t response_len;
    uint8_t *response; /* owned; LOOKUP: what is looked at when the node has answered */
    uint8_t charset;
    uint64_t offered; /* CAP_* of the greeting */
    uint64_t caps;    /* of them, what the client uses */
    char *user;       /* terminated; "" until it is named, then owned, with the schema behind it */
    char *schema;     /* terminated, in the same block */
    struct session_user before; /* COM_CHANGE_USER that may fail still: whose session it was */
};

struct client {
    /* identity */
    uint64_t id;            /* what CONNECTION_ID() says: worker in the low bits, below 2^32 */
    uint8_t salt[SALT_LEN]; /* of its greeting; COM_CHANGE_USER is asked about it again */
    struct list_node in_worker;
    /* state */
    uint8_t state;    /* enum client_state */
    uint8_t sequence; /* of the next packet made here */
    bool is_read_paused;
    bool waits_turn; /* the alarm is set: what it sent is dealt with in the loop's next turn */
    bool close_when_drained;
    bool has_more;            /* more came with the command than that */
    bool loses_ahead;         /* what comes behind the command counts on what was lost under it */
    bool is_logged_in;        /* once; COM_CHANGE_USER changes nothing */
    bool is_admitted;         /* client_admit.h */
    uint8_t n_changes_failed; /* COM_CHANGE_USER that were refused, ever */
    bool awaits_header;       /* its first bytes may be, or must be, a PROXY header */
    uint8_t close_reason;
    int close_rc;      /* what the log says besides */
    bool session_lost; /* the node that held its transaction is gone: the next command is told */
    bool is_aborted;   /* the node has aborted its transaction, and told us only: as session_lost */
    uint64_t since_ms; /* of the state; IDLE: of the last command */
    uint64_t created_ms;
    uint64_t unsent_since_ms; /* so long it has taken nothing of the unsent bytes */
    size_t unsent;            /* stream_unsent(), 0 = nothing is queued */
    uint64_t unread_since_ms; /* so long no byte was added to the part of a command that is here */
    size_t unread;            /* its bytes, 0 = none */
    /* borrowed */
    struct worker *worker;
    struct host *host;     /* a reference, once it was let in; NULL: by a unix socket */
    struct server *server; /* lent to it; NULL = none */
    struct task *task;     /* the command that is worked on */
    /* owned */
    struct client_login *login;
    struct client_peer *peer; /* who is behind a load balancer; NULL = it connected itself */
    struct stream stream;
    uint8_t *in; /* bytes not dealt with: an incomplete packet, or commands sent ahead */
    uint32_t in_len, in_cap;
    uint64_t upload_left;   /* UPLOADING: bytes of the current packet still to pass */
    bool upload_continues;  /* the packet is PACKET_MAX long: another follows */
    bool upload_is_file;    /* LOCAL INFILE: until an empty packet */
    bool upload_discards;   /* the node has answered already: the rest goes nowhere */
    uint64_t upload_total;  /* bytes of the message so far */
    uint8_t upload_head[4]; /* of a packet header that is not whole */
    uint8_t upload_head_len;
    uint8_t upload_sequence;           /* of the next packet */
    struct upload_error *upload_error; /* what is said when all of it has come; NULL = nothing */
    struct waiter waiter;
    struct cache_waiter cache_waiter;
    struct cache_flight *flight; /* JOINED: a reference, else NULL */
    struct alarm alarm;          /* DELAYED, DENIED: until when; RUNNING: the statement's timeout */
    struct client_place *place;  /* owned, or NULL: see rules_apply.h */
    struct kept_warnings *warnings; /* owned, or NULL: see warnings.h */
    struct said_error *said;        /* owned, or NULL: see warnings.h */
    struct task *held;              /* owned, or NULL: comes when the warnings are fetched */
    struct list_node in_warned;     /* of the worker, while idle with warnings */
    struct list_node in_waiting;    /* of the worker, while WAITING */
    struct session session;
    unsigned n_cursors, n_long_data; /* prepared statements with something open on the connection */
    uint64_t questions;
};

/*
 * client_mode - how its statements are scanned (facts.h): its sql_mode, and the settings of
 * digests.
 */
uint32_t client_mode(const struct client *c);

/*
 * client_accept - take the next connection of a listener. An error: it was not taken, and libuv
 * lets no other come before it is: the listener is to be closed.
 */
int client_accept(struct worker *worker, uv_stream_t *listener) MUST_CHECK;

/* client_is_logging_in - nothing but the user and the password matters yet. */
static inline bool client_is_logging_in(const struct client *c)
{
    return c->state == CLIENT_LOGIN || c->state == CLIENT_LOOKUP || c->state == CLIENT_DENIED;
}

void client_to(struct client *c, enum client_state next);
const char *client_state_name(const struct client *c); /* static */
struct log_who client_who(const struct client *c, const char *doing);

void client_on_alarm(struct client *c);

/* client_check_time - close it, or its statement, when a time limit is over (client_time.c). */
void client_check_time(struct client *c);

/*
 * client_close - idempotent; the server connection goes back (or is drained), the statement is
 * killed on the node. rc: what broke, for the log.
 */
void client_close(struct client *c, enum close_reason reason, int rc);

/* client_close_after_write - the same when what was written has left. */
void client_close_after_write(struct client *c, enum close_reason reason);

void client_close_because(struct client *c, enum close_reason reason,
                          int rc); /* rc: what broke, for the log */

/*
 * client_refuse - an ERR packet, and the end for this reason. A misbehaved packet counts as a
 * protocol error.
 */
void client_refuse(struct client *c, int rc, enum close_reason reason);

/*
 * client_write - bytes to the client; a broken connection closes it (then returns false and c must
 * be left alone).
 */
bool client_write(struct client *c, const void *data, size_t len) MUST_CHECK;

/* client_error - an ERR packet with the next sequence number. False = c is closing. */
bool client_error(struct client *c, uint16_t number, const char *sqlstate, struct slice text);
bool client_error_rc(struct client *c, int rc);
bool client_errorf(struct client *c, int rc, const char *format, ...) PRINTF_LIKE(3, 4);
bool client_error_early(struct client *c, int rc, const char *text); /* without SQLSTATE */
bool client_ok(struct client *c);
bool client_ok_text(struct client *c, struct slice text);

/* client_login.c */
void client_login_begin(struct client *c);
void client_login_packet(struct client *c, const uint8_t *payload, size_t len);
/*
 * client_login_secure - it has asked for TLS; data: what came behind. client_login_secured - the
 * handshake has ended.
 */
void client_login_secure(struct client *c, const uint8_t *data, size_t len);
void client_login_secured(struct client *c, int rc);
void client_change_user(struct client *c, const uint8_t *payload, size_t len);
void client_login_verified(struct client *c, const struct err *err);
void client_login_denied(struct client *c); /* DENIED long enough: it is told */
void client_login_asked(struct client *c,
                        bool is_known);   /* a node was asked about the user; NULL = it has left */
void client_login_free(struct client *c); /* wiped: it had passwords */

/* client_command.c: one whole command (header included), or the head of a long one. */
void client_command(struct client *c, uint8_t *packet, size_t len, bool is_whole);

/* client_go_on - the task was delayed: on with it. */
void client_go_on(struct client *c);

/*
 * client_command.c: client_scan - the facts of a text that the client sent; _as: under this
 * profile.
 * client_may_load_files - LOAD DATA LOCAL is served. client_refuses_file - it is not, and the task
 * would be one: told so.
 */
void client_scan_as(struct task *task, struct slice sql, const struct profile *profile,
                    uint32_t mode);
void client_scan(const struct client *c, struct task *task, struct slice sql);
bool client_may_load_files(const struct client *c);
bool client_refuses_file(struct client *c);

/* client_run.c */
extern const struct server_events client_server_events;
void client_run(struct client *c); /* c->task is set: route it, get a connection, send it */
void client_give_server(struct client *c);
void client_serve(struct client *c, struct server *server); /* it waited, here is one */
void client_retry(struct client *c);                        /* it waits: try again */
void client_queue_timeout(struct client *c);

/*
 * client_end.c: client_use_schema - make it the session's: known, or a node is asked.
 * client_task_end - the task has had its answer: free it, and on with what came behind. Of a long
 * command the rest is dropped first. client_task_failed - the same, answered by an error of err.h.
 */
void client_use_schema(struct client *c, struct slice name);
void client_task_end(struct client *c);
void client_task_failed(struct client *c, int rc);

/*
 * client_input.c: client_take_packets - the commands in data, one after the other, as long as each
 * is answered at once; not too many in one turn of the loop. Returns the bytes dealt with.
 * client_input - on with what was kept: whenever it is idle again, or has its turn.
 * client_sent_ahead - has it sent more than the command that is worked on?
 * client_wait_turn - the same in the loop's next turn; nothing is read meanwhile.
 */
size_t client_take_packets(struct client *c, uint8_t *data, size_t len) MUST_CHECK;
void client_input(struct client *c);
bool client_sent_ahead(const struct client *c) MUST_CHECK;
void client_wait_turn(struct client *c);

/*
 * client_keep_input - bytes for later; client_upload_kept - what was kept belongs to the upload.
 * client_unread_kept - it came behind a login and is compressed.
 */
void client_keep_input(struct client *c, const uint8_t *data, size_t len);
void client_upload_kept(struct client *c);
void client_unread_kept(struct client *c);

/* client_upload.c */
void client_upload_begin(struct client *c, uint64_t left, bool continues);
bool client_drops_rest(const struct client *c); /* its command is over, but not read to its end */
void client_upload_file(struct client *c);
void client_upload_bytes(struct client *c, uint8_t *data, size_t len);

/*
 * client_upload_fail - its node is lost: the rest goes nowhere, and when all of it has come (a
 * client reads when it has written) this is said. Returns false when there is no memory for that.
 */
bool client_upload_fail(struct client *c, uint16_t number, const char *sqlstate, struct slice text);
void client_upload_forget(struct client *c);

#endif
