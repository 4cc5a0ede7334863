/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_sql.c - see store_sql.h.
 */
#include "admin/store_sql.h"

#include <stdarg.h>

#include "admin/stats.h"
#include "admin/wire_sql.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#define PROGRESS_STEPS 2000  /* of SQLite's machine between two looks at the clock */
#define LOOK_US        50000 /* between two looks at who waits */
#define COLUMNS_MAX    2000  /* SQLite's own limit */
#define NAME_CAP       512

/* SQLite runs a statement to its end: all other clients of the console stand still meanwhile. */
static bool is_in_the_way(struct store *store, uint64_t now_us)
{
    if (store->is_waited == NULL ||
        now_us - store->began_us < (uint64_t)SQL_SECONDS_SHARED * 1000000 ||
        now_us - store->looked_us < LOOK_US) {
        return false;
    }
    store->looked_us = now_us;
    return store->is_waited(store->waited_ctx);
}

static int on_progress(void *ctx)
{
    struct store *store = ctx;
    uint64_t now_us;

    if (store->is_internal > 0 || store->deadline_us == 0) {
        return 0;
    }
    now_us = clock_now_us();
    if (is_in_the_way(store, now_us)) {
        return 1;
    }
    store->is_late = now_us > store->deadline_us;
    return store->is_late ? 1 : 0;
}

static int set_limits(struct store *store)
{
    int rc = sqlite3_exec(store->db,
                          "PRAGMA temp_store = MEMORY;"
                          "PRAGMA recursive_triggers = OFF;"
                          "PRAGMA trusted_schema = ON;"
                          "ATTACH ':memory:' AS stats;"
                          "ATTACH ':memory:' AS monitor;"
                          "ATTACH ':memory:' AS stats_history;"
                          "ATTACH ':memory:' AS information_schema;"
                          "CREATE TEMP TABLE dual (dummy);"
                          "INSERT INTO dual VALUES ('X');",
                          NULL, NULL, NULL);

    (void)sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, SQL_VALUE_MAX);
    (void)sqlite3_limit(store->db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000);
    (void)sqlite3_limit(store->db, SQLITE_LIMIT_EXPR_DEPTH, 500);
    (void)sqlite3_limit(store->db, SQLITE_LIMIT_WORKER_THREADS, 0);
    (void)sqlite3_busy_timeout(store->db, 1000);
    return rc;
}

int sql_open(struct store *store)
{
    int rc;

    (void)sqlite3_hard_heap_limit64(SQL_HEAP_MAX);
    rc = sqlite3_open_v2(":memory:", &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc == SQLITE_OK) {
        rc = set_limits(store);
    }
    if (rc == SQLITE_OK) {
        rc = sql_functions(store);
    }
    if (rc != SQLITE_OK) {
        log_error(NULL, "the console's database cannot be made: %s", sqlite3_errstr(rc));
        return ERR_MEMORY;
    }
    sqlite3_progress_handler(store->db, PROGRESS_STEPS, on_progress, store);
    (void)sqlite3_set_authorizer(store->db, sql_guard, store);
    return 0;
}

/* --- our own SQL ------------------------------------------------------------------------------ */

static int prepare(struct store *store, sqlite3_stmt **out, const char *format, va_list args)
{
    char *text = sqlite3_vmprintf(format, args);
    int rc = SQLITE_NOMEM;

    *out = NULL;
    if (text != NULL) {
        store->is_internal++;
        rc = sqlite3_prepare_v2(store->db, text, -1, out, NULL);
        store->is_internal--;
    }
    sqlite3_free(text);
    return rc;
}

int sql_prepare(struct store *store, sqlite3_stmt **out, const char *format, ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = prepare(store, out, format, args);
    va_end(args);
    return rc;
}

int sql_step(struct store *store, sqlite3_stmt *stmt)
{
    int rc;

    store->is_internal++; /* SQLite may compile the statement again */
    rc = sqlite3_step(stmt);
    store->is_internal--;
    return rc;
}

int sql_exec(struct store *store, const char *format, ...)
{
    va_list args;
    char *text;
    int rc;

    va_start(args, format);
    text = sqlite3_vmprintf(format, args);
    va_end(args);
    if (text == NULL) {
        return SQLITE_NOMEM;
    }
    store->is_internal++;
    rc = sqlite3_exec(store->db, text, NULL, NULL, NULL);
    store->is_internal--;
    sqlite3_free(text);
    return rc;
}

int sql_savepoint(struct store *store, const char *name)
{
    return sql_exec(store, "SAVEPOINT %s", name);
}

/* An error may have ended the whole transaction: then there is nothing left to go back to. */
int sql_release(struct store *store, const char *name, bool keep)
{
    if (keep) {
        return sql_exec(store, "RELEASE %s", name);
    }
    return sqlite3_get_autocommit(store->db) != 0
               ? SQLITE_OK
               : sql_exec(store, "ROLLBACK TO %s; RELEASE %s", name, name);
}

int64_t sql_number(struct store *store, int64_t fallback, const char *format, ...)
{
    sqlite3_stmt *stmt;
    int64_t number = fallback;
    va_list args;

    va_start(args, format);
    if (prepare(store, &stmt, format, args) == SQLITE_OK && sql_step(store, stmt) == SQLITE_ROW) {
        number = sqlite3_column_int64(stmt, 0);
    }
    va_end(args);
    (void)sqlite3_finalize(stmt);
    return number;
}

struct slice sql_text(sqlite3_stmt *stmt, int column)
{
    const char *data = (const char *)sqlite3_column_text(stmt, column);

    return (struct slice){data, data == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt, column)};
}

/* --- rows ------------------------------------------------------------------------------------- */

static void put_columns(sqlite3_stmt *stmt, struct reply *reply)
{
    int n = sqlite3_column_count(stmt);
    const char **names = mem_new(MEM_ADMIN, (size_t)n * sizeof(*names));
    char(*buffers)[NAME_CAP] = mem_new(MEM_ADMIN, (size_t)n * sizeof(*buffers));

    for (int i = 0; i < n; i++) {
        const char *name = sqlite3_column_name(stmt, i);

        names[i] = sql_column_name(name == NULL ? "?" : name, buffers[i], sizeof(buffers[i]));
    }
    reply_columns(reply, (size_t)n, names);
    mem_free(MEM_ADMIN, buffers);
    mem_free(MEM_ADMIN, names);
}

/* All rows of a statement, or its effect. Ends the statement. */
static void finish(struct store *store, sqlite3_stmt *stmt, struct reply *reply)
{
    int n = sqlite3_column_count(stmt);
    int64_t before = sqlite3_total_changes64(store->db);
    int rc;

    if (n > 0) {
        put_columns(stmt, reply);
    }
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && !reply->too_large) {
        for (int i = 0; i < n; i++) {
            reply_value(reply, sql_text(stmt, i));
        }
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
        sql_error(store, reply);
        (void)sqlite3_finalize(stmt);
        return;
    }
    if (reply->too_large) {
        reply_error(reply, 1153, "08S01", "The result is larger than %zu bytes; use LIMIT",
                    REPLY_BYTES_MAX);
    } else if (n == 0) {
        int64_t changes =
            sqlite3_total_changes64(store->db) == before ? 0 : sqlite3_changes64(store->db);

        reply_info(reply, (uint64_t)changes, NULL);
    }
    (void)sqlite3_finalize(stmt);
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n;")] == '\0';
}

/* The statement is known to be allowed, and will run. */
static void refresh_statistics(struct store *store)
{
    unsigned missing;

    store->is_internal++;
    missing = stats_refresh(store->galeway, store->db, &store->named);
    store->is_internal--;
    if (missing > 0) {
        store_warn(store, "Warning", 1105,
                   "%u of %u workers did not answer in time: what they counted is missing", missing,
                   store->galeway->n_workers);
    }
}

void sql_run(struct store *store, struct slice sql, struct reply *reply)
{
    char *text = sql_translate(sql);
    sqlite3_stmt *stmt = NULL;
    const char *tail = NULL;

    store->denied = NULL;
    store->write_table[0] = '\0';
    store->named = (struct stats_named){0};
    if (text == NULL) {
        reply_error(reply, err_number(ERR_MEMORY), err_sqlstate(ERR_MEMORY), "Out of memory");
        return;
    }
    if (sqlite3_prepare_v2(store->db, text, -1, &stmt, &tail) != SQLITE_OK) {
        sql_error(store, reply);
    } else if (stmt == NULL) {
        reply_error(reply, 1065, "42000", "%s", sql_empty_reason(sql));
    } else if (!is_blank(tail)) {
        reply_error(reply, 1064, "42000", "More than one statement: \"%.60s\" is left over", tail);
        (void)sqlite3_finalize(stmt);
    } else if (!sql_guard_joins(store, text)) {
        reply_error(reply, 1227, "42000", "Access denied: %s", store->denied);
        (void)sqlite3_finalize(stmt);
    } else {
        if (sqlite3_stmt_isexplain(stmt) == 0) {
            refresh_statistics(store);
        }
        finish(store, stmt, reply);
    }
    mem_free(MEM_ADMIN, text);
}

static void run_format(struct store *store, struct reply *reply, const char *format, va_list args)
{
    char *text = sqlite3_vmprintf(format, args);

    if (text == NULL) {
        reply_error(reply, err_number(ERR_MEMORY), err_sqlstate(ERR_MEMORY), "Out of memory");
    } else {
        sql_run(store, slice_of(text), reply);
    }
    sqlite3_free(text);
}

void sql_runf(struct store *store, struct reply *reply, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    run_format(store, reply, format, args);
    va_end(args);
}

void sql_rows(struct store *store, struct reply *reply, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    store->is_internal++;
    run_format(store, reply, format, args);
    store->is_internal--;
    va_end(args);
}
