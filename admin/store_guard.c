/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_guard.c - who may do what in SQLite, and what its errors are called in MySQL.
 *
 * SQLite asks while it compiles a statement, for each table and function: what is not allowed here
 * never runs.
 */
#include <stdio.h>

#include "admin/layers.h"
#include "admin/stats.h"
#include "admin/store_sql.h"

/* --- rights ----------------------------------------------------------------------------------- */

static int deny(struct store *store, const char *why)
{
    store->denied = why;
    return SQLITE_DENY;
}

static bool is_one_of(const char *text, const char *const *list, size_t n)
{
    for (size_t i = 0; text != NULL && i < n; i++) {
        if (sqlite3_stricmp(text, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Is this a name of a table in main or disk? Without a column, SQLite does not tell the schema:
 * SELECT 1 FROM x.
 */
static bool is_closed_name(const char *table)
{
    return config_table_find(slice_of(table)) != NULL || table[0] == '_' ||
           sqlite3_strnicmp(table, "runtime_", 8) == 0 ||
           sqlite3_strnicmp(table, "galeway_", 8) == 0;
}

static bool is_statistics(const char *table, const char *schema)
{
    static const char *const open[] = {"stats", "monitor", "stats_history", "temp",
                                       "information_schema"};

    return schema == NULL ? !is_closed_name(table) : is_one_of(schema, open, ARRAY_SIZE(open));
}

/*
 * What SHOW needs: names of schemas and tables, collations. Where the files are is nobody's
 * business.
 */
static bool is_public(const char *table, const char *column)
{
    static const char *const tables[] = {"sqlite_master", "sqlite_schema", "pragma_database_list",
                                         "mysql_collations"};

    return is_one_of(table, tables, ARRAY_SIZE(tables)) && sqlite3_stricmp(column, "file") != 0;
}

static int guard_read(struct store *store, const char *table, const char *column,
                      const char *schema)
{
    if (!store->who->is_admin && !is_statistics(table, schema) && !is_public(table, column)) {
        return deny(store, "a statistics user reads the schemas stats, monitor and stats_history "
                           "only");
    }
    if (!store->who->is_admin && stats_resets(table)) {
        return deny(store, "a statistics user changes nothing: reading a table _reset does");
    }
    stats_note(&store->named, table, false);
    return SQLITE_OK;
}

static int guard_write(struct store *store, const char *table, const char *schema)
{
    static const char *const schemas[] = {"sqlite_master", "sqlite_schema", "sqlite_temp_master"};
    bool is_config = config_table_find(slice_of(table)) != NULL &&
                     (sqlite3_stricmp(schema, "main") == 0 || sqlite3_stricmp(schema, "disk") == 0);

    /*
     * SQLite asks this too when it makes a virtual table known; by statements it lets nobody write
     * there.
     */
    if (is_one_of(table, schemas, ARRAY_SIZE(schemas))) {
        return SQLITE_OK;
    }
    if (!store->who->is_admin) {
        return deny(store, "a statistics user changes nothing");
    }
    if (store->read_only) {
        return deny(store, "the console is read only: PROXYSQL READWRITE makes it writable");
    }
    if (!is_config) {
        return deny(store, sqlite3_strnicmp(table, "runtime_", 8) == 0
                               ? "runtime_ tables show what runs: change the table without "
                                 "runtime_ and LOAD ... TO RUNTIME"
                               : "this table is filled by Galeway; it can only be read");
    }
    if (sqlite3_stricmp(schema, "disk") == 0 && store->disk_fault != NULL) {
        return deny(store, "there is no galeway.db: see the log");
    }
    (void)snprintf(store->write_table, sizeof(store->write_table), "%s", table);
    return SQLITE_OK;
}

/* TRUNCATE of statistics that can start from zero. */
static int guard_delete(struct store *store, const char *table, const char *schema)
{
    if (store->who->is_admin && !store->read_only && sqlite3_stricmp(schema, "stats") == 0 &&
        stats_can_be_emptied(table)) {
        stats_note(&store->named, table, true);
        return SQLITE_OK;
    }
    return guard_write(store, table, schema);
}

static int guard_pragma(struct store *store, const char *name, const char *value)
{
    static const char *const harmless[] = {
        "table_info",    "table_xinfo",     "table_list",      "index_list",
        "index_info",    "index_xinfo",     "database_list",   "collation_list",
        "function_list", "compile_options", "integrity_check", "quick_check",
    };

    (void)value;
    if (!is_one_of(name, harmless, ARRAY_SIZE(harmless)) ||
        (!store->who->is_admin && sqlite3_stricmp(name, "database_list") != 0)) {
        return deny(store, "this PRAGMA is not for the console");
    }
    return SQLITE_OK;
}

static int guard_function(struct store *store, const char *name)
{
    static const char *const harmful[] = {"load_extension", "fts3_tokenizer", "writefile",
                                          "readfile", "edit"};

    if (is_one_of(name, harmful, ARRAY_SIZE(harmful))) {
        return deny(store, "this function is not for the console");
    }
    return SQLITE_OK;
}

int sql_guard(void *ctx, int action, const char *one, const char *two, const char *schema,
              const char *by)
{
    struct store *store = ctx;

    (void)
        by; /* a trigger's name, or one that the session gave to a subquery: no reason to trust it */
    if (store->is_internal > 0 || store->who == NULL) {
        return SQLITE_OK;
    }
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_READ: return guard_read(store, one == NULL ? "" : one, two, schema);
    case SQLITE_INSERT:
    case SQLITE_UPDATE: return guard_write(store, one, schema);
    case SQLITE_DELETE: return guard_delete(store, one, schema);
    case SQLITE_FUNCTION: return guard_function(store, two);
    case SQLITE_PRAGMA: return guard_pragma(store, one, two);
    default:
        return deny(store, "the console's tables are fixed: only SELECT, INSERT, UPDATE, DELETE "
                           "and the commands of SHOW COMMANDS");
    }
}

/* --- errors ----------------------------------------------------------------------------------- */

/* What SQLite's text begins with -> MySQL's number. */
static const struct known_text {
    const char *start;
    uint16_t number;
    const char *sqlstate;
} known_texts[] = {
    {"no such table", 1146, "42S02"},
    {"no such column", 1054, "42S22"},
    {"ambiguous column name", 1052, "23000"},
    {"no such function", 1305, "42000"},
    {"wrong number of arguments", 1582, "42000"},
    {"unknown database", 1049, "42000"},
    {"no such view", 1146, "42S02"},
    {"too many", 1070, "42000"},
    {"string or blob too big", 1153, "08S01"},
    {"near \"", 1064, "42000"},
    {"unrecognized token", 1064, "42000"},
    {"incomplete input", 1064, "42000"},
    {"cannot modify", 1290, "HY000"}, /* a view */
    {"not authorized", 1290, "HY000"},
};

static void say_plain(struct store *store, struct reply *reply)
{
    const char *text = sqlite3_errmsg(store->db);

    for (size_t i = 0; i < ARRAY_SIZE(known_texts); i++) {
        const struct known_text *known = &known_texts[i];

        if (strncmp(text, known->start, strlen(known->start)) == 0) {
            reply_error(reply, known->number, known->sqlstate, "%s", text);
            return;
        }
    }
    if (strstr(text, " has no column named ") != NULL) {
        reply_error(reply, 1054, "42S22", "%s", text);
    } else if (strstr(text, "syntax error") != NULL) {
        reply_error(reply, 1064, "42000", "%s", text);
    } else if (strncmp(text, "Variable ", 9) == 0) { /* from our own trigger */
        reply_error(reply, 1231, "42000", "%s", text + 9);
    } else if (strncmp(text, "Unknown ", 8) == 0) {
        reply_error(reply, 1193, "HY000", "%s", text);
    } else {
        reply_error(reply, 1105, "HY000", "%s", text);
    }
}

static const char *behind_colon(const char *text)
{
    const char *colon = strstr(text, ": ");

    return colon == NULL ? text : colon + 2;
}

static void say_constraint(struct store *store, int extended, struct reply *reply)
{
    const char *text = sqlite3_errmsg(store->db);
    const char *what = behind_colon(text);

    switch (extended) {
    case SQLITE_CONSTRAINT_CHECK:
        reply_error(reply, 3819, "HY000", "%s: a value is not allowed; this must be true: %s",
                    store->write_table[0] != '\0' ? store->write_table : "CHECK", what);
        break;
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        reply_error(reply, 1062, "23000", "Duplicate entry: a row with the same %s is there", what);
        break;
    case SQLITE_CONSTRAINT_NOTNULL:
        reply_error(reply, 1048, "23000", "Column '%s' cannot be null and has no default", what);
        break;
    default: reply_error(reply, 1105, "HY000", "%s", text);
    }
}

static void say_denied(struct store *store, struct reply *reply)
{
    const char *why = store->denied != NULL ? store->denied : sqlite3_errmsg(store->db);

    if (store->who != NULL && !store->who->is_admin) {
        reply_error(reply, 1227, "42000", "Access denied: %s", why);
    } else {
        reply_error(reply, 1290, "HY000", "Not possible: %s", why);
    }
}

void sql_error(struct store *store, struct reply *reply)
{
    int rc = sqlite3_errcode(store->db);

    switch (rc & 0xff) {
    case SQLITE_AUTH: say_denied(store, reply); break;
    case SQLITE_CONSTRAINT:
        say_constraint(store, sqlite3_extended_errcode(store->db), reply);
        break;
    case SQLITE_MISMATCH:
        reply_error(reply, 1366, "22007", "A value is no number: %s", sqlite3_errmsg(store->db));
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        reply_error(reply, 1205, "HY000", "%s is locked by another process: nothing was changed",
                    store->disk_path != NULL ? store->disk_path : "the database");
        break;
    case SQLITE_FULL:
        reply_error(reply, 1021, "HY000", "The disk is full: %s is as it was",
                    store->disk_path != NULL ? store->disk_path : "the database");
        break;
    case SQLITE_IOERR:
        reply_error(reply, 1026, "HY000", "%s cannot be read or written (%s): it is as it was",
                    store->disk_path != NULL ? store->disk_path : "the database",
                    sqlite3_errmsg(store->db));
        break;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        reply_error(reply, 1290, "HY000", "%s cannot be written: %s",
                    store->disk_path != NULL ? store->disk_path : "the database",
                    sqlite3_errmsg(store->db));
        break;
    case SQLITE_INTERRUPT:
        reply_error(reply, 3024, "HY000",
                    store->is_late ? "The statement ran for more than %d seconds and was ended"
                                   : "The statement ran for more than %d seconds while another "
                                     "client of the console waited, and was ended",
                    store->is_late ? SQL_SECONDS_MAX : SQL_SECONDS_SHARED);
        break;
    case SQLITE_NOMEM:
        reply_error(reply, 1041, "HY000",
                    "The statement needs more memory than the console may use");
        break;
    case SQLITE_TOOBIG:
        reply_error(reply, 1153, "08S01", "A value or statement is too long");
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        reply_error(reply, 1034, "HY000", "%s is damaged: %s",
                    store->disk_path != NULL ? store->disk_path : "the database",
                    sqlite3_errmsg(store->db));
        break;
    default: say_plain(store, reply);
    }
}
