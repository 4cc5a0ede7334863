/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_sql.h - SQLite behind an authorizer and a clock; its errors as MySQL numbers.
 *
 * For the files of the store. Formats are SQLite's: %q, %Q, %w.
 */
#ifndef ADMIN_STORE_SQL_H
#define ADMIN_STORE_SQL_H

#include "admin/store_data.h"

#ifdef FUZZING
#define SQL_SECONDS_MAX 1
#else
#define SQL_SECONDS_MAX 10
#endif
#define SQL_SECONDS_SHARED 2 /* while another client waits */
#define SQL_HEAP_MAX       ((sqlite3_int64)256 << 20)
#define SQL_VALUE_MAX      (64 << 20)

/* sql_open - an empty database in memory with our functions. Returns 0 or an error. */
int sql_open(struct store *store) MUST_CHECK;

/*
 * sql_exec - our own SQL, without rows. Returns SQLite's code: SQLITE_OK or what sql_error() will
 * explain.
 */
int sql_exec(struct store *store, const char *format, ...) MUST_CHECK;

/*
 * sql_prepare - our own SQL; *out is NULL on an error. Step it with sql_step, end it with
 * sqlite3_finalize.
 */
int sql_prepare(struct store *store, sqlite3_stmt **out, const char *format, ...) MUST_CHECK;
int sql_step(struct store *store, sqlite3_stmt *stmt);

/*
 * sql_savepoint - begin what happens whole or not at all; may stand inside another. name: an SQL
 * name of ours.
 * sql_release - end it: keep says whether the changes stay. Returns SQLite's code.
 */
int sql_savepoint(struct store *store, const char *name) MUST_CHECK;
int sql_release(struct store *store, const char *name, bool keep);

/* sql_number - the first value of the first row of our own SQL, or fallback. */
int64_t sql_number(struct store *store, int64_t fallback, const char *format, ...);

/* sql_error - the last error as a MySQL error. */
void sql_error(struct store *store, struct reply *reply);

/*
 * sql_run - a statement of the session, with its rights; what MySQL writes and SQLite does not know
 * is translated.
 * sql_runf - the same from a format, for commands that are made of a SELECT.
 */
void sql_run(struct store *store, struct slice sql, struct reply *reply);
void sql_runf(struct store *store, struct reply *reply, const char *format, ...);

/* sql_rows - the rows of our own SQL. */
void sql_rows(struct store *store, struct reply *reply, const char *format, ...);

/* sql_guard - the authorizer: what the session may do (store_guard.c). */
int sql_guard(void *ctx, int action, const char *one, const char *two, const char *schema,
              const char *by);

/*
 * sql_guard_joins - the same for what SQLite does not ask about (store_joins.c): notes the
 * statistics that a compiled statement names; false = store->denied says why it may not run.
 */
bool sql_guard_joins(struct store *store, const char *text);

/* sql_functions - makes MySQL's functions and variables known to SQLite (store_functions.c). */
int sql_functions(struct store *store) MUST_CHECK;

/*
 * sql_translate - a copy in SQLite's words: @@variables, # comments, versioned comments, a final \G
 * (store_translate.c). Returns NULL when there is no memory; free with mem_free(MEM_ADMIN).
 */
char *sql_translate(struct slice sql);

/*
 * sql_column_name - what the client wrote, for a column whose name holds a translated @@variable.
 * Cut to the buffer.
 */
const char *sql_column_name(const char *name, char *out, size_t cap);

/* sql_text - a column as a slice; NULL is {NULL, 0}. */
struct slice sql_text(sqlite3_stmt *stmt, int column);

#endif
