/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - what Galeway remembers of a client between statements.
 *
 * The rule: whatever a client can observe is as with a direct connection, or the session is pinned.
 */
#ifndef PROXY_SESSION_H
#define PROXY_SESSION_H

#include "base/map.h"
#include "pool/account.h"
#include "pool/profile.h"
#include "pool/schema.h"
#include "pool/server_stmt.h"
#include "proxy/pin.h"
#include "proxy/task.h"
#include "router/causal.h"
#include "router/set.h"

#define SESSION_DOUBT_MS      60000 /* so long a write in doubt may still be done */
#define SESSION_TEMPORARY_MAX 32    /* names remembered; more: pinned until the end */

/* Made when a session pins for the first time: most never do. */
struct session_pins {
    struct pin_origin origins[PIN_COUNT];
    unsigned n_user_locks;
    bool locks_unknown; /* it cannot be told which are held */
    unsigned n_temporary;
    bool temporary_unknown;
    struct causal_marks written;               /* in the transaction: marked again when it ends */
    uint64_t temporary[SESSION_TEMPORARY_MAX]; /* hashes of schema and name */
};

struct session {
    struct figures *figures;          /* of its worker: where pins are counted; NULL = nowhere */
    struct account *account;          /* borrowed */
    struct schema *schema;            /* borrowed from the worker; NULL = none */
    struct profile *profile;          /* a reference */
    struct session_pins *pin_details; /* owned, or NULL */
    struct map *stmts;                /* prepared statements by id; owned, or NULL */
    uint64_t rights_us; /* rights.h: changes of them until then hold for it; 0 = there were none */
    uint64_t last_insert_id;
    uint64_t found_rows;
    int64_t row_count;       /* what ROW_COUNT() would say */
    uint64_t written;        /* bloom of the tables it wrote (causal.h) */
    uint64_t written_ms;     /* when it did so last */
    uint64_t last_id_server; /* id of the server connection that has our last_insert_id; 0 = none */
    uint64_t
        numbers_server;   /* id of the one that has our FOUND_ROWS() and ROW_COUNT(), 0 = none, */
    uint64_t numbers_at;  /* as long as it was sent no more than so many commands */
    uint64_t gtid_server; /* id of the one that has our WSREP_LAST_WRITTEN_GTID(), 0 = none */
    uint32_t pins;        /* BIT(enum pin) */
    uint64_t caps;        /* agreed with the client */
    uint32_t next_stmt_id;
    uint32_t last_stmt_id; /* what STMT_ID_LAST stands for; 0 = nothing */
    int default_hostgroup; /* at login: of a user that is no longer configured */
    uint16_t status;       /* STATUS_* bits of the session, as the client last saw them or would */
    uint8_t charset;       /* collation id named at login: COM_RESET_CONNECTION goes back to it */
    bool
        last_id_unknown; /* an insert made an id: ask the server connection before it is given back */
    bool last_id_lost; /* it was unknown when its connection was lost: last_insert_id is a guess */
    bool found_rows_known;
    bool completion_unknown; /* @@completion_type was set: COMMIT may be COMMIT RELEASE */
    bool multiplex_off;      /* rules said multiplex=0, or 1: until they say otherwise */
    bool multiplex_on;
    int flag_in;             /* next_query_flagIN of the statement before; 0 = none */
    bool gtid_awaits_commit; /* what was written gets one then */
    bool lacks_memory;       /* something of it was forgotten: its client is to be closed */
    bool must_set_password;  /* it has expired: nothing else may be done (client_user.h) */
    bool
        is_untracked; /* its connection reports nothing any more, as the client is to find it: pinned */
    bool is_tracking_unknown; /* untracked, and its own values may have changed: to be asked for */
};

static inline bool session_is_pinned(const struct session *s)
{
    return s->pins != 0;
}

static inline bool session_in_transaction(const struct session *s)
{
    return (s->status & STATUS_IN_TRANS) != 0 || (s->status & STATUS_AUTOCOMMIT) == 0;
}

/* The connection is gone, and with it what only it knew of LAST_INSERT_ID(). */
static inline void session_loses_last_id(struct session *s)
{
    s->last_id_lost |= s->last_id_unknown;
    s->last_id_unknown = false;
}

/* sql_mode's bits for the lexer. */
static inline uint32_t session_sql_mode(const struct session *s)
{
    return ((s->status & STATUS_NO_BACKSLASH_ESCAPES) != 0 ? FACTS_NO_BACKSLASH_ESCAPES : 0) |
           ((s->status & STATUS_ANSI_QUOTES) != 0 ? FACTS_ANSI_QUOTES : 0);
}

static inline struct slice session_schema_name(const struct session *s)
{
    return s->schema == NULL ? (struct slice){"", 0} : s->schema->name;
}

/*
 * session_details - made when there are none yet. Owner: the session. Without memory what is
 * written there is forgotten, and lacks_memory tells that the session must end.
 */
struct session_pins *session_details(struct session *s);

/* session_pin, session_unpin - idempotent; the first time of each pin is remembered. */
void session_pin(struct session *s, enum pin pin, uint64_t digest, uint64_t now_ms);
void session_unpin(struct session *s, enum pin pin);
void session_unpin_all(struct session *s, uint32_t pins); /* BIT(pin) of each */

/*
 * session_counted_rows - is FOUND_ROWS() of the connection now the task's? A procedure without a
 * result set has most likely counted nothing: the number is another session's.
 */
bool session_counted_rows(const struct task *task, const struct follow *outcome);

/*
 * session_said - an answer made here: what ROW_COUNT() is behind it; FOUND_ROWS() is 1 behind rows,
 * else as it was.
 */
void session_said(struct session *s, int64_t row_count, bool rows);

/*
 * session_reset - as after COM_RESET_CONNECTION: takes over profile's reference. Statements are
 * dropped by the caller.
 */
void session_reset(struct session *s, struct profiles *profiles, struct profile *profile,
                   uint16_t status);

/*
 * session_after - a reply is complete: pins, status, FOUND_ROWS, LAST_INSERT_ID, ROW_COUNT as they
 * now are. Session changes that the node reported were applied by session_track before.
 */
void session_after(struct session *s, struct server *server, struct task *task,
                   const struct follow *f);

/*
 * session_doubts_status - the reply is complete, but the status in it may not be the session's: SET
 * STATEMENT sql_mode='...' FOR ... is answered with bits that hold for that statement only, and an
 * ERR has none (10.11). Then a question behind it must tell before session_after is called
 * (server->status_is_late): a wrong NO_BACKSLASH_ESCAPES is an SQL injection.
 */
bool session_doubts_status(const struct session *s, const struct task *task,
                           const struct follow *f);

/*
 * session_leaves - the task is about to be sent: what it may leave on its connection that a reset
 * does not take away is noted there, as its client may be gone before the reply.
 */
void session_leaves(struct server *server, const struct task *task);

/*
 * session_track - apply what the node reports: variables, the schema. The caller then makes the
 * server connection's profile and schema the same.
 */
void session_track(struct session *s, struct pool *pool, struct task *task, const struct ok *ok);

/* session_is_charset - one of those that session_after_set() takes from the statement. */
bool session_is_charset(int variable);

/*
 * A SET that names virtual variables (variable.h) was done, on a connection that had the client's:
 *
 * session_tracking - what they are now: session_track_schema and _state_change as 0 or 1, then
 * _system_variables. session_settled - the OK that reports what it did to others.
 */
void session_tracking(struct session *s, struct pool *pool, struct task *task, struct slice values);
void session_settled(struct session *s, struct pool *pool, struct task *task, const struct ok *ok);

/*
 * session_after_set - a SET was done, or a statement that changed a charset: take over what the
 * node does not report, and mark the task (tracked_other) when the session's variables cannot be
 * known or carried.
 */
void session_after_set(struct session *s, struct pool *pool, struct task *task);

/*
 * A write of the session, as causal.h wants to know of it:
 *
 * session_writes - the task is about to be sent.
 * session_answers - bytes of its reply are here, and the client gets them next.
 * session_wrote - its reply is complete, and session_after was called.
 * session_wrote_in_doubt - there will be no reply to what was sent, or none that says whether it
 * was done: the connection or the client is lost. task NULL: none was under way.
 *
 * Any task may be given; reads do nothing.
 */
void session_writes(struct session *s, struct causal *causal,
                    const struct row_key_patterns *patterns, struct task *task, uint64_t now_ms);
void session_answers(struct session *s, struct causal *causal, struct task *task);
void session_wrote(struct session *s, struct causal *causal, struct task *task, bool is_error,
                   uint64_t now_ms);
void session_wrote_in_doubt(struct session *s, struct causal *causal, const struct task *task);

/*
 * session_wrote_gtid - WSREP_LAST_WRITTEN_GTID() of a connection is that of its last write, whoever
 * had it then (10.11; also behind a reset): from when a session writes it is the session's, as long
 * as it has the connection.
 */
void session_wrote_gtid(struct session *s, const struct task *task, const struct follow *f,
                        uint64_t server_id);

/*
 * session_written - the bloom of what it wrote, for causal_follow_us(). life_ms: 0 when the last
 * write is older (mysql-causal_session_ms); 0 = it never is.
 */
uint64_t session_written(const struct session *s, uint64_t now_ms, uint64_t life_ms);

/*
 * session_window_us - how long reads of the user follow the writes of others: as the rule says, the
 * user's attributes, or mysql-causal_window_ms; 0 = they do not. Any thread.
 */
uint64_t session_window_us(const struct account *account, int64_t rule_ms, int64_t default_ms);

/* session_apply - one variable of the profile changes. False when it cannot be carried (pin). */
bool session_apply(struct session *s, struct profiles *profiles, int variable, struct slice value);

#endif
