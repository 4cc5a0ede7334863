/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures_read.h - what the workers have counted and what they are doing, for other threads to
 * read.
 *
 * Who asks sends mail to each worker; a worker copies what is asked for between two events of its
 * loop. Nothing is locked while statements run. Texts are shared by reference; names of users and
 * schemas are borrowed, so a report must be freed before the workers are.
 */
#ifndef PROXY_FIGURES_READ_H
#define PROXY_FIGURES_READ_H

#include "pool/pool.h"
#include "proxy/figures.h"
#include "proxy/galeway.h"
#include "proxy/ledger.h"

#define FIGURES_READ_MS       1000  /* how long is waited for a worker that is busy */
#define FIGURES_STMTS_MAX     20000 /* different prepared statements of one worker in a report */
#define FIGURES_STMT_TEXT_MAX 65536
#define FIGURES_ROWS_MAX      200000 /* clients or connections of one worker in a report */
#define FIGURES_INFO_MAX      2048   /* bytes of a running statement */
#define FIGURES_VALUE_MAX     256    /* bytes of a variable's value */

/* What is asked for. */
#define READ_DIGESTS  BIT(0)
#define READ_COMMANDS BIT(1)
#define READ_ERRORS   BIT(2)
#define READ_PINS     BIT(3)
#define READ_SITES    BIT(4)
#define READ_QUEUE    BIT(5)
#define READ_TRAFFIC  BIT(6)
#define READ_CLIENTS  BIT(7) /* one row for each: the process list */
#define READ_SERVERS  BIT(8) /* free server connections */
#define READ_STMTS    BIT(9) /* prepared statements */
#define READ_TOTALS   BIT(10)
#define READ_LEDGER   BIT(11) /* statements that lost their node */

/* One client. */
struct figures_client {
    uint64_t id;
    const struct account *account; /* NULL: it has not logged in */
    const struct schema *schema;
    const struct node *node; /* of its server connection; NULL = it has none */
    const char *command;     /* static */
    const char *state;       /* static */
    int hostgroup;           /* FIGURES_HERE when it has no server connection */
    uint16_t port, local_port;
    uint32_t server_thread; /* on the node */
    uint32_t pins;
    uint16_t status;
    uint64_t time_ms; /* of the statement, or idle */
    uint64_t questions;
    struct figures_text *info; /* a reference, or NULL */
    char address[FIGURES_ADDRESS_MAX], local_address[FIGURES_ADDRESS_MAX];
    bool is_compressed;
    struct address balancer; /* that told the address; NONE = it connected itself */
};

/* One free server connection. */
struct figures_server {
    const struct node *node;
    const struct account *account;
    const struct schema *schema;
    int hostgroup;
    int fd;
    uint32_t thread_id;
    uint64_t idle_ms, age_ms;
    uint64_t statements;
    char time_zone[FIGURES_VALUE_MAX], sql_mode[FIGURES_VALUE_MAX];
};

/* A prepared statement, and how many clients and server connections have it. */
struct figures_stmt {
    struct figure head;
    const void *key; /* its text in the worker */
    const struct account *account;
    const struct schema *schema;
    struct figures_text *text; /* a reference, or NULL */
    uint16_t n_params, n_columns;
    uint64_t n_clients, n_servers;
};

/* What a site has now, beside its figures. */
struct figures_site_now {
    const struct account *account;
    const struct schema *schema;
    uint64_t waiting, servers, pinned;
};

struct figures_traffic {
    struct traffic traffic;
    unsigned n_free;
    unsigned n_busy; /* a statement of a client is under way */
};

struct figures_totals {
    uint64_t clients_busy, transactions, pinned, waiting;
    uint64_t stmts_of_clients, stmts_on_servers, stmt_texts, stmt_last_id;
    uint64_t digests, digests_evicted, digests_max;
    uint64_t sites, sites_evicted, errors, errors_evicted, pins, pins_evicted;
    uint64_t nodes_us;
    uint64_t profiles, schemas;
    uint64_t retries[LEDGER_DECISION_COUNT];
};

/* Rows of one kind. */
struct figures_list {
    void *items; /* owned */
    size_t n, room;
};

/* The part of one worker. */
struct figures_copy {
    uint64_t now_ms;               /* the worker's */
    struct figures_list digests;   /* of struct figures_digest */
    struct figures_list errors;    /* of struct figures_error */
    struct figures_list pins;      /* of struct figures_pin */
    struct figures_list sites;     /* of struct figures_site */
    uint32_t *steps;               /* owned: what sites[].steps point into */
    struct figures_list sites_now; /* of struct figures_site_now */
    struct figures_list waits;     /* of struct figures_wait: the longest since the start */
    struct figures_list waits_now; /* of struct figures_wait: one for each who waits */
    struct figures_list traffic;   /* of struct figures_traffic */
    struct figures_list clients;   /* of struct figures_client */
    struct figures_list servers;   /* of struct figures_server */
    struct figures_list stmts;     /* of struct figures_stmt */
    struct figures_list ledger;    /* of struct ledger_entry, oldest first */
    struct figures_counter commands[FIGURES_COMMAND_COUNT];
    struct figures_totals totals;
};

struct figures_report {
    unsigned n_workers;
    unsigned n_missing;                       /* did not answer in time: their part is missing */
    struct figures_copy *copies[WORKERS_MAX]; /* owned; NULL: missing */
};

/*
 * figures_read - ask all workers. parts: READ_*. reset: of READ_DIGESTS, READ_ERRORS, READ_TRAFFIC:
 * what is read is zero after it. Waits FIGURES_READ_MS at most. Thread: any but the workers'.
 */
void figures_read(struct galeway *g, uint32_t parts, uint32_t reset, struct figures_report *report);
void figures_report_fini(struct figures_report *report);

/* for worker.c: answer a request that came by mail (takes over its reference), or drop it */
struct figures_request;
struct worker;
void figures_answer(struct worker *w, struct figures_request *request);
void figures_request_unref(struct figures_request *request);

/*
 * figures_copy_live - the parts that are not counted but looked at: figures_live.c. Worker's
 * thread.
 */
void figures_copy_live(struct worker *w, uint32_t parts, struct figures_copy *copy);

/* figures_list_add - room for one more row, zeroed; NULL: FIGURES_ROWS_MAX, or no memory. */
void *figures_list_add(struct figures_list *list, size_t size);

#endif
