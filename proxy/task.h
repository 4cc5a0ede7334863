/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task.h - one command of a client while it is worked on: its bytes, its facts, where it goes.
 *
 * The bytes are kept until the reply has begun, so that a read can be sent again to another node.
 * Small tasks come from a free list of the worker: nothing is allocated for a usual statement.
 */
#ifndef PROXY_TASK_H
#define PROXY_TASK_H

#include "base/base.h"
#include "protocol/command.h"
#include "protocol/follow.h"
#include "proxy/verdict.h"
#include "router/facts.h"
#include "router/route.h"
#include "router/row_key.h"

#define TASK_INLINE_BYTES 4096
#define TASKS_KEPT        256  /* free ones a worker keeps */
#define TASK_PEEK_BYTES   1024 /* of the reply, for what is learnt from it */

struct client_stmt;
struct gathered;

struct task {
    struct task *next_free;
    /* what the client sent */
    uint8_t command;    /* enum command */
    uint8_t follow;     /* enum follow_kind */
    bool is_streaming;  /* more of it follows than is here */
    bool reads_rest;    /* that is being read, or was */
    bool is_open_ended; /* sent: its rest is to come, or a file, perhaps: nothing may follow it */
    bool hides_found_rows; /* it counts rows, and may not be asked how many behind it */
    bool is_unseen;        /* only its head was looked at, or its numbers cannot be asked for */
    bool is_capture;       /* ours: the reply is kept, the client does not see it (warnings.h) */
    bool warnings_asked;   /* it waited for the session's warnings to be fetched */
    bool is_fit_only;      /* a connection that fits is all: USE, the schema of a login */
    bool
        is_wipe; /* COM_RESET_CONNECTION, COM_CHANGE_USER: what the session has on its connection goes first */
    bool schema_asked; /* is_fit_only: the node was asked for it */
    bool wants_cursor; /* COM_STMT_EXECUTE asks for one */
    bool is_ready;     /* what goes ahead of it in a transaction was sent */
    bool opens; /* what its session has open (PIN_CURSOR, PIN_LONG_DATA) is there when it is sent */
    bool is_heap;         /* bytes is an allocation of its own */
    uint32_t payload;     /* of the (first) packet as the client framed it */
    uint64_t upload_left; /* bytes of that packet that are not here */
    size_t len;           /* header included */
    uint8_t *bytes;       /* one or more whole packets with headers, or the head of one */
    struct facts facts;
    struct row_keys rows;      /* of a write: what it is bound to */
    struct schema *new_schema; /* is_fit_only: borrowed */
    struct client_stmt *stmt;  /* borrowed from the session: the statement executed */
    struct rules_result *said; /* COM_STMT_PREPARE: what the rules say; owned, or NULL */
    struct verdict verdict;
    uint64_t said_by;          /* version of the configuration that said it */
    struct gathered *gathered; /* owned, or NULL: its answer may be kept; client_cache.h */
    /* where it goes */
    struct route route;
    uint64_t since_ms;
    uint64_t sent_ms;
    bool is_marked; /* of a write: the client has had no byte of the reply since (session.h) */
    bool follow_is_known; /* what follows is: client_causal.h */
    uint8_t follow_flags; /* CAUSAL_* of router/causal.h */
    uint64_t follow_us;
    uint64_t began_us;  /* clock_now_us() when it came from the client; 0 = it is ours */
    uint64_t queued_ms; /* when it began to wait; 0 = did not */
    unsigned retries;
    unsigned reruns; /* those of them that count for mysql-query_retries_on_failure: it had run */
    uint64_t unsent_ms;  /* since when its connections break before it is sent; 0 = they do not */
    uint64_t lost_nodes; /* a mask: they were lost with it; the last to be tried again */
    bool waits_for_id;   /* for the session's LAST_INSERT_ID() from the connection it leaves */
    bool runs_again;     /* in the next turn of the loop */
    bool is_stray;       /* it writes at a node that is not the writer */
    bool timed_out;      /* ran too long: it is being killed */
    bool lacks_file;     /* its node asked for one that its client does not read */
    bool said_no_file;   /* so the client has an error, and nothing more of the reply */
    uint16_t
        refused; /* the error by which a node said that it did not run: it runs again when the reply has ended */
    uint8_t decision;        /* enum ledger_decision, with refused */
    uint8_t confirms;        /* enum confirm: this is being made sure of before it runs again */
    struct node *refused_by; /* borrowed */
    uint64_t
        confirm_since_us; /* clock_now_us(); 0 = the refusal is not complete, or there is none */
    uint64_t view;        /* of its node when it was sent: node.h */
    bool not_ready;       /* its node is in no primary component */
    bool sent_ahead;      /* not_ready: its client had sent more by then */
    /* what is known of the reply */
    bool reply_begun; /* the client has had bytes of it */
    bool sent;        /* bytes of it were written to a node */
    bool is_killed;   /* KILL QUERY came before it was sent */
    bool is_counted;  /* in the figures of statements (figures_client.h) */
    bool is_error_counted;
    bool was_in_transaction; /* when it was sent */
    bool status_asked;       /* behind its reply, as that could not tell */
    bool had_numbers;        /* FOUND_ROWS() and ROW_COUNT() of the session were there before it */
    uint64_t numbers_at;     /* commands the connection was sent up to it (session.h) */
    bool state_changed;      /* the node reported "something changed" */
    bool tracked_known;      /* and named variables that a profile carries */
    bool tracked_other;      /* and named one that it does not carry */
    bool tracked_charset;
    uint8_t tracked_mb3; /* the charset variables that it said are utf8mb3, BIT(variable) */
    uint8_t tracked_mb4;
    bool is_tracked;     /* its last OK had a block of changes; of a SET it is in peek */
    bool is_lent_values; /* its connection has the client's session_track_*: client_track.h */
    bool tracked_profiling;
    uint8_t hides; /* enum schema_hides: what its triggers and views leave: schema_look.h */
    bool reaches;  /* its triggers may write to other schemas */
    bool may_hide; /* a view or a trigger may have changed the session as well: client_send.c */
    uint64_t tracked[2]; /* the variables it named, a bit each (enum variable_id) */
    size_t peek_len;
    uint8_t peek[TASK_PEEK_BYTES];
    uint8_t inline_bytes[TASK_INLINE_BYTES];
};

struct tasks {
    struct task *free; /* owned */
    unsigned n_free;
};

/* task_new - zeroed but for the bytes' content; NULL when there is no memory. */
struct task *task_new(struct tasks *tasks, size_t len) MUST_CHECK;

/*
 * task_replace_text - the statement of a COM_QUERY or COM_STMT_PREPARE is another one now; text is
 * not the task's. The facts are the caller's to scan again. Returns 0 or ERR_MEMORY (nothing
 * changed).
 */
int task_replace_text(struct task *task, struct slice text) MUST_CHECK;

/*
 * task_text - the whole statement of a COM_QUERY, as far as it is here; of other commands what
 * facts.body has.
 */
struct slice task_text(const struct task *task);

/* task_is_dynamic - does it run text that is made when it runs? */
static inline bool task_is_dynamic(const struct task *task)
{
    return task->facts.runs == VERB_EXECUTE || task->facts.verb == VERB_EXECUTE;
}

/* task_executes - it runs a prepared statement, once or for many rows. */
static inline bool task_executes(const struct task *task)
{
    return task->command == COM_STMT_EXECUTE || task->command == COM_STMT_BULK_EXECUTE;
}

/* task_has_reply - does a node answer it? */
bool task_has_reply(const struct task *task);

/* task_is_statement - it runs one; not a ping, a preparation, a wipe, ... */
bool task_is_statement(const struct task *task);

/*
 * task_may_commit - what is seen of it may commit the transaction that it runs in: COMMIT, a
 * procedure, DDL, SET autocommit, ... Functions and triggers cannot (error 1422).
 */
bool task_may_commit(const struct task *task);

/* task_is_plain_rollback - ROLLBACK, and nothing more: not to a savepoint, no chain, no release. */
bool task_is_plain_rollback(const struct task *task);

/* task_ends_with_release - its last word is RELEASE, and not of NO RELEASE. */
bool task_ends_with_release(const struct task *task);

/* task_sets_completion - SET @@completion_type = ..., of which session tracking says nothing. */
bool task_sets_completion(const struct task *task);
void task_free(struct tasks *tasks, struct task *task);
void tasks_fini(struct tasks *tasks);

#endif
