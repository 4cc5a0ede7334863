/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures.h - what one worker has counted: digests, commands, errors, pins, sites.
 *
 * Owner: the worker; only its thread touches it, so counting takes no lock. Others ask for a copy
 * (figures_read.h). Accounts and schemas are borrowed: they live as long as the process or the
 * worker.
 */
#ifndef PROXY_FIGURES_H
#define PROXY_FIGURES_H

#include <stdatomic.h>

#include "base/stat.h"
#include "conf/keys.h"
#include "pool/account.h"
#include "pool/node.h"
#include "pool/schema.h"
#include "proxy/figures_table.h"
#include "proxy/pin.h"
#include "router/facts.h"

#define FIGURES_ERRORS_MAX     1024  /* different errors of a worker */
#define FIGURES_PINS_MAX       4096  /* different (user, reason, digest) */
#define FIGURES_SITES_MAX      10000 /* different (user, schema) */
#define FIGURES_HOSTGROUPS_MAX 256
#define FIGURES_ERROR_TEXT_MAX 256
#define FIGURES_ADDRESS_MAX    48 /* of an IPv6 address, terminated */
#define FIGURES_HERE           (-1) /* the "hostgroup" of a statement that was answered without a node */

/* The names of ProxySQL's stats_mysql_commands_counters. */
/* clang-format off */
#define FIGURES_COMMANDS(X)                                                                   \
    X(ALTER_TABLE) X(ALTER_VIEW) X(ANALYZE_TABLE) X(BEGIN) X(CALL) X(CHANGE_MASTER)           \
    X(COMMIT) X(CREATE_DATABASE) X(CREATE_INDEX) X(CREATE_TABLE) X(CREATE_TEMPORARY)          \
    X(CREATE_TRIGGER) X(CREATE_USER) X(CREATE_VIEW) X(DEALLOCATE) X(DELETE) X(DESCRIBE)       \
    X(DROP_DATABASE) X(DROP_INDEX) X(DROP_TABLE) X(DROP_TRIGGER) X(DROP_USER) X(DROP_VIEW)    \
    X(GRANT) X(EXECUTE) X(EXPLAIN) X(FLUSH) X(INSERT) X(KILL) X(LOAD) X(LOCK_TABLE)           \
    X(OPTIMIZE) X(PREPARE) X(PURGE) X(RELEASE_SAVEPOINT) X(RENAME_TABLE) X(RESET_MASTER)      \
    X(RESET_SLAVE) X(REPLACE) X(REVOKE) X(ROLLBACK) X(ROLLBACK_SAVEPOINT) X(SAVEPOINT)        \
    X(SELECT) X(SELECT_FOR_UPDATE) X(SET) X(SHOW_TABLE_STATUS) X(START_TRANSACTION)           \
    X(TRUNCATE_TABLE) X(UNLOCK_TABLES) X(UPDATE) X(USE) X(SHOW) X(UNKNOWN)
/* clang-format on */

enum figures_command {
#define X(name) FIGURES_##name,
    FIGURES_COMMANDS(X)
#undef X
        FIGURES_COMMAND_COUNT
};

#define FIGURES_BUCKETS 12 /* cnt_100us ... cnt_10s, cnt_INFs */

struct figures_counter {
    uint64_t total_us, count;
    uint64_t buckets[FIGURES_BUCKETS];
};

/* A text that readers share with the worker. */
struct figures_text {
    atomic_uint refs;
    uint32_t len;
    char bytes[];
};

/*
 * figures_text_new - a copy with one reference; NULL when there is no memory. unref: NULL is fine.
 * Any thread.
 */
struct figures_text *figures_text_new(struct slice text) MUST_CHECK;
struct figures_text *figures_text_ref(struct figures_text *text);
void figures_text_unref(struct figures_text *text);

struct figures_digest {
    struct figure head;
    uint64_t digest;
    const struct account *account;
    const struct schema *schema;  /* NULL = none */
    struct figures_text *address; /* a reference; NULL = not told apart */
    struct figures_text *text;    /* a reference; NULL = there was no memory */
    int hostgroup;
    uint64_t count;
    uint64_t first_us, last_us; /* since 1970 */
    uint64_t sum_us, min_us, max_us;
    uint64_t rows_affected, rows_sent;
};

struct figures_error {
    struct figure head;
    const struct node *node; /* NULL = said by Galeway */
    const struct account *account;
    const struct schema *schema;
    int hostgroup;
    uint16_t number;
    uint64_t count;
    uint64_t first_us, last_us;
    char address[FIGURES_ADDRESS_MAX];
    char last[FIGURES_ERROR_TEXT_MAX];
};

struct figures_pin {
    struct figure head;
    const struct account *account;
    uint64_t digest;
    uint8_t pin; /* enum pin */
    uint64_t count;
    uint64_t ended_ms; /* of those that are over */
    uint64_t now;      /* in force; the sum of when they began: */
    uint64_t began_ms;
};

/*
 * Times by size: eight steps for each power of two, so what is read back is at most a sixteenth
 * off. The last one has all above.
 */
#define FIGURES_STEPS 272

struct figures_site {
    struct figure head;
    const struct account *account;
    const struct schema *schema;
    uint64_t statements;
    uint64_t errors;
    uint64_t queued_ms;
    uint32_t *steps; /* owned: FIGURES_STEPS counts; NULL = there was no memory */
};

struct figures_wait {
    int hostgroup;
    uint64_t longest_ms;
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): ordered by meaning */
struct figures {
    struct figures_table digests; /* of struct figures_digest */
    struct figures_table errors;
    struct figures_table pins;
    struct figures_table sites;
    struct figures_counter commands[FIGURES_COMMAND_COUNT];
    struct figures_wait waits[FIGURES_HOSTGROUPS_MAX];
    size_t n_waits;
    uint64_t nodes_us;      /* statements spent on nodes */
    uint64_t to_unix_us;    /* to be added to clock_now_us() */
    const uint64_t *now_ms; /* borrowed: the worker's time */
    struct stat_set *stats; /* borrowed */
};

/* figures_init - now_ms, stats: of the worker. */
void figures_init(struct figures *f, size_t max_digests, const uint64_t *now_ms,
                  struct stat_set *stats);
void figures_fini(struct figures *f);

/* figures_tick - once a second or so: the calendar may have been set. */
void figures_tick(struct figures *f);

/* A statement that is over. Slices are borrowed for the call. */
struct figures_statement {
    const struct account *account;
    const struct schema *schema;
    struct slice address; /* of the client; empty = not to be told apart */
    struct slice sql;
    uint32_t mode; /* as in facts.h */
    uint64_t digest;
    enum figures_command command;
    int hostgroup;     /* FIGURES_HERE: no node has seen it */
    uint64_t began_us; /* clock_now_us() */
    uint64_t ended_us;
    uint64_t rows_affected, rows_sent;
    bool is_error;
    bool is_copy; /* mirrored: no client waited for it, so it is nothing of its site */
};

/* figures_count - count it, as mysql-query_digests and mysql-commands_stats say. */
void figures_count(struct figures *f, const struct figures_statement *s,
                   const struct conf_vars *vars);

/* figures_failed - an error that a node (NULL = Galeway) answered a statement with. */
void figures_failed(struct figures *f, const struct figures_statement *s, const struct node *node,
                    uint16_t number, struct slice text);

/* figures_queued - a statement has waited for a connection, or is still waiting. */
void figures_queued(struct figures *f, const struct account *account, const struct schema *schema,
                    uint64_t ms);
void figures_waited(struct figures *f, int hostgroup, uint64_t ms);

/*
 * figures_pinned, figures_unpinned - a pin of a session begins; it ends. began_ms: when it began.
 */
void figures_pinned(struct figures *f, const struct account *account, enum pin pin, uint64_t digest,
                    uint64_t began_ms);
void figures_unpinned(struct figures *f, const struct account *account, enum pin pin,
                      uint64_t digest, uint64_t began_ms);

/* figures_command_of - under which name a statement is counted. figures_command_name - static. */
enum figures_command figures_command_of(const struct facts *facts);
const char *figures_command_name(enum figures_command command);

/*
 * figures_bucket - where a time is counted: 0 up to 100 us, ... figures_bucket_us - the limit;
 * UINT64_MAX: the last.
 */
size_t figures_bucket(uint64_t us);
uint64_t figures_bucket_us(size_t bucket);

/*
 * figures_step - where a time is counted in a site. figures_percentile - the time that percent of
 * the counts reach.
 */
size_t figures_step(uint64_t us);
uint64_t figures_percentile(const uint64_t steps[FIGURES_STEPS], unsigned percent);

#endif
