/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - what the console's statements run on: SQLite, the layers, the commands.
 *
 *     CONFIG FILE <-> MEMORY (schema main) <-> DISK (schema disk, galeway.db)
 *                       |  LOAD ... TO RUNTIME: validated whole, then published
 *                     RUNTIME (tables runtime_...: what was last applied)
 *
 * A statement is either a command of ours or goes to SQLite behind an authorizer: nobody attaches
 * files, loads extensions or runs without bound, and a statistics user only reads. Control thread
 * only.
 */
#ifndef ADMIN_STORE_H
#define ADMIN_STORE_H

#include "base/base.h"

struct galeway;
struct reply;
struct store;

#define STORE_NAME_MAX     64
#define STORE_WARNINGS_MAX 1000 /* kept for SHOW WARNINGS; more are counted only */

struct store_warning;

/* One for each console client. */
struct store_session {
    /* identity: set by the console */
    uint32_t id; /* what CONNECTION_ID() answers */
    bool is_admin;
    char user[STORE_NAME_MAX + 1];
    char schema[STORE_NAME_MAX + 1]; /* USE; starts as "main" */

    /* state: the store's */
    struct store_warning *warnings; /* owned: of the last statement */
    size_t n_warnings;
    size_t warnings_dropped;
    uint64_t last_changes; /* ROW_COUNT() */
};

/*
 * store_open - makes the tables, opens galeway.db, fills MEMORY and RUNTIME.
 *
 * config_file: the file the process was started with; borrowed, outlives the store.
 * Returns 0, or an error that is logged.
 */
int store_open(struct store **out, struct galeway *g, const char *config_file) MUST_CHECK;
void store_close(struct store *store); /* NULL is fine */

/*
 * store_boot - before the workers start: what galeway.db says becomes the configuration, so that
 * variables which need a restart count, too. A file that is not valid is an error in the log, and
 * changes nothing.
 */
void store_boot(struct galeway *g, const char *config_file);

/* store_session_init - user is copied, cut at 64 bytes. */
void store_session_init(struct store_session *s, const char *user, bool is_admin);
void store_session_fini(struct store_session *s);

/*
 * store_run - one statement, without a multi-statement split; a trailing ';' is fine.
 *
 * reply: zeroed by the caller, who frees it with reply_fini(). Every outcome is in it, errors too.
 */
void store_run(struct store *store, struct store_session *who, struct slice sql,
               struct reply *reply);

/*
 * store_share - is_waited(ctx) is asked now and then while a statement runs: one that is waited for
 * ends earlier.
 */
void store_share(struct store *store, bool (*is_waited)(void *ctx), void *ctx);

/* store_tick - once a second: what waits for time. */
void store_tick(struct store *store);

#endif
