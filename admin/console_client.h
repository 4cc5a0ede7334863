/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_client.h - one client of the console, and what all of them share.
 *
 *   LOGIN --> IDLE <--> ANSWERING (an answer is being made on another thread, or the client has not taken all of it)
 *   IDLE --> LOGIN (COM_CHANGE_USER)          any --> CLOSING
 *
 * Included by the console's own files only. Thread: the control thread.
 */
#ifndef ADMIN_CONSOLE_CLIENT_H
#define ADMIN_CONSOLE_CLIENT_H

#include "admin/store.h"
#include "admin/wire.h"
#include "base/list.h"
#include "base/log.h"
#include "protocol/greet.h"
#include "protocol/stream.h"
#include "proxy/galeway.h"

#define CONSOLE_CLIENTS_MAX 100
#define CONSOLE_STMTS_MAX   100 /* prepared statements of one client, and the bytes they take */
#define CONSOLE_STMT_BYTES  ((size_t)32 << 20)
#define CONSOLE_ANSWERS_MAX \
    ((size_t)1 << 30) /* bytes of all answers that clients have not yet taken */

struct console_job;
struct console_listener;
struct console_login;
struct console_stmt;

/* What runs the statements: the store, or a test's stand-in. */
struct console_engine {
    struct store *store; /* borrowed */
    void (*begin)(struct store_session *s, const char *user, bool is_admin);
    void (*end)(struct store_session *s);
    void (*run)(struct store *store, struct store_session *who, struct slice sql,
                struct reply *reply);
};

/* What the clients share. */
struct console_core {
    struct galeway *galeway; /* borrowed */
    struct console_engine engine;
    struct stream_loop streams;
    struct snapshot *snapshot; /* a reference */
    unsigned snapshot_number;
    struct list clients; /* all, also those that are being closed */
    size_t n_served;     /* those that count for CONSOLE_CLIENTS_MAX */
    uint32_t last_id;
    uint64_t questions;
    const struct console_client *running; /* whose statement the store runs, or NULL */
    size_t answers_max;                   /* CONSOLE_ANSWERS_MAX; tests set less */
    struct console_listener *listeners;   /* owned: console_listen.c */
    char *ifaces;                         /* owned: what they were made from */
    bool is_starved;                      /* listeners are closed, as nothing could be accepted */
    struct tls_context *tls;              /* a reference, or NULL: see proxy/certificates.h */
    unsigned tls_changes;
    uint8_t scratch[WIRE_BUFFER_BYTES]; /* where packets are made */
};

enum console_client_state {
    CONSOLE_LOGIN,
    CONSOLE_IDLE,
    CONSOLE_ANSWERING,
    CONSOLE_CLOSING,
    CONSOLE_STATE_COUNT
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): ordered by meaning */
struct console_client {
    /* identity */
    uint32_t id;   /* what CONNECTION_ID() says */
    char peer[64]; /* the address it comes from, or "localhost" */
    bool is_local; /* from this machine */
    struct list_node in_core;
    /* state */
    uint8_t state;    /* enum console_client_state */
    uint8_t sequence; /* of the next packet made here */
    bool is_served;   /* counts for the limit */
    bool has_session;
    bool close_when_drained;
    bool wants_tls;         /* what follows is a TLS handshake */
    bool is_denied;         /* and is told in a while (mysql-failed_login_delay_ms) */
    bool multi_statements;  /* CLIENT_MULTI_STATEMENTS, or COM_SET_OPTION said so */
    uint8_t salt[SALT_LEN]; /* of the greeting: what COM_CHANGE_USER has answered again */
    uint64_t caps;
    uint64_t since_ms; /* of the state */
    uint64_t created_ms;
    const char *close_reason; /* with close_when_drained */
    /* borrowed */
    struct console_core *core;
    /* owned */
    struct console_login *login; /* while it logs in */
    struct stream stream;
    uint8_t *in; /* bytes not dealt with */
    size_t in_len, in_cap;
    struct wire wire;        /* the answer that is being sent */
    struct console_job *job; /* it is being made; NULL = nothing is. Frees itself */
    char *text;              /* of a COM_QUERY with several statements, or NULL */
    struct slice rest;       /* of it: what was not run yet */
    struct store_session session;
    struct list stmts; /* prepared statements, the one used last in front */
    size_t stmt_bytes; /* of them, and of what was sent ahead for them */
    uint32_t last_stmt_id;
};

/*
 * console_core_init - takes a reference to the current configuration. console_core_fini - when all
 * have left.
 */
void console_core_init(struct console_core *core, struct galeway *g, uv_loop_t *loop,
                       const struct console_engine *engine);
void console_core_fini(struct console_core *core);

/* console_vars - the variables as they are now; valid until the next call. */
const struct conf_vars *console_vars(struct console_core *core);

/* console_core_tick - once a second: who took too long or was silent too long is closed. */
void console_core_tick(struct console_core *core);

/* console_core_close - closes all clients; the loop runs until they are gone. */
void console_core_close(struct console_core *core);

/*
 * console_accept - take the next connection of a listening handle; greet it, or refuse it with
 * 1040. An error: it was not taken, and no other comes before the listener is closed.
 */
int console_accept(struct console_core *core, uv_stream_t *listener) MUST_CHECK;

/* console_open - the same with a connected descriptor, which the client then owns. */
void console_open(struct console_core *core, int fd);

void console_client_to(struct console_client *c, enum console_client_state next);
struct log_who console_client_who(const struct console_client *c);

/* console_address_is_local - is it a loopback address? */
bool console_address_is_local(const struct sockaddr *address);

/*
 * console_close - idempotent. reason: a static text for the log; NULL = an end that needs no line.
 * The client's memory goes later, from the loop.
 */
void console_close(struct console_client *c, const char *reason);

/*
 * console_is_waited - does another client than the running one have bytes for us, or one a
 * connection? ctx: the core.
 */
bool console_is_waited(void *ctx);

/* console_write - false when it broke; then the client is closing. */
bool console_write(struct console_client *c, const void *data, size_t len) MUST_CHECK;

/* console_refuse - an ERR packet, then the end. */
void console_refuse(struct console_client *c, int rc, const char *reason);
void console_close_when_sent(struct console_client *c, const char *reason);

/* console_ok, console_error - one packet. */
void console_ok(struct console_client *c);
void console_error(struct console_client *c, int rc);
void console_errorf(struct console_client *c, uint16_t number, const char *sqlstate,
                    const char *format, ...) PRINTF_LIKE(4, 5);

/* console_send - go on with the answer; the next statement follows when all of it is written. */
void console_send(struct console_client *c);

/*
 * console_answer - send a reply (taken over); the client is IDLE behind it or ANSWERING until it is
 * sent.
 */
void console_answer(struct console_client *c, struct reply *reply, enum wire_form form);

/*
 * console_run, console_runf - one statement, answered. console_run_text - one or several, one
 * answer for each.
 */
void console_run(struct console_client *c, struct slice sql, enum wire_form form);
void console_runf(struct console_client *c, enum wire_form form, const char *format, ...)
    PRINTF_LIKE(3, 4);
void console_run_text(struct console_client *c, struct slice text);

/* console_engine_run - one statement by the store; reply as there. */
void console_engine_run(struct console_client *c, struct slice sql, struct reply *reply);

/* console_input - deal with what came while an answer was on its way, and read again. */
void console_input(struct console_client *c);

/*
 * console_job.c: make an answer on another thread, then go on as console_answer() does. Takes over
 * the job. The client is ANSWERING until then. console_job_leave - the client is going: nobody
 * waits for its answer.
 */
void console_job_begin(struct console_client *c, struct reply_job *work, enum wire_form form);
void console_job_leave(struct console_client *c);

/*
 * console_quote_name - `name`, its own ` doubled, terminated. False when it is too long or has a
 * zero.
 */
#define CONSOLE_NAME_MAX   256
#define CONSOLE_QUOTED_MAX (2 * CONSOLE_NAME_MAX + 3)
bool console_quote_name(char out[CONSOLE_QUOTED_MAX], struct slice name) MUST_CHECK;

/* console_login.c */
void console_login_begin(struct console_client *c);
void console_login_packet(struct console_client *c, const uint8_t *payload, size_t len);
/* console_login_tick - once a second: who was denied is told when it is time. */
void console_login_tick(struct console_client *c, uint64_t since_ms);
void console_change_user(struct console_client *c, const uint8_t *payload, size_t len);
void console_login_free(struct console_client *c);
/* A request for TLS was the last packet: data is what came behind it. The handshake has ended. */
void console_login_secure(struct console_client *c, const uint8_t *data, size_t len);
void console_login_secured(struct console_client *c, int rc);

/* console_command.c */
void console_command(struct console_client *c, const uint8_t *payload, size_t len);

/* console_stmt.c: payload is the whole command, its first byte included */
void console_stmt_prepare(struct console_client *c, struct slice sql);
void console_stmt_execute(struct console_client *c, const uint8_t *payload, size_t len);
void console_stmt_long_data(struct console_client *c, const uint8_t *payload, size_t len);
void console_stmt_reset(struct console_client *c, const uint8_t *payload, size_t len);
void console_stmt_close(struct console_client *c, const uint8_t *payload, size_t len);
void console_stmt_drop_all(struct console_client *c);

/*
 * console_listen.c: open what admin-mysql_ifaces names (once; after an error some may be open); do
 * what a change of it asks for, and open what had to be closed for want of descriptors; close all.
 */
int console_listen(struct console_core *core) MUST_CHECK;
void console_listen_again(struct console_core *core);
void console_listen_close(struct console_core *core);

/*
 * console_descriptor_is_ready - has something arrived that was not read yet (and is not just the
 * end)?
 */
bool console_descriptor_is_ready(const uv_handle_t *handle);
bool console_listen_is_waited(const struct console_core *core);

#endif
