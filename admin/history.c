/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.c - see history.h.
 */
#include "admin/history.h"

#include "admin/store_sql.h"
#include "base/err.h"
#include "base/log.h"

#define DIFF_COLUMNS_MAX 64

/* --- history ---------------------------------------------------------------------------------- */

static char *module_list(unsigned modules)
{
    sqlite3_str *text = sqlite3_str_new(NULL);

    for (size_t i = 0; i < MODULE_COUNT; i++) {
        if ((modules & BIT(i)) != 0) {
            sqlite3_str_appendf(text, "%s%s", sqlite3_str_length(text) > 0 ? ", " : "",
                                module_name((enum module)i));
        }
    }
    return sqlite3_str_finish(text);
}

static int insert_state(struct store *store, const char *modules, const struct config_text *text)
{
    sqlite3_stmt *stmt;
    int rc = sql_prepare(store, &stmt,
                         "INSERT INTO main._history (applied_at, username, modules, config) "
                         "SELECT CAST(STRFTIME('%%s', 'now') AS INT), ?, ?, ? WHERE ?3 IS NOT "
                         "(SELECT config FROM main._history ORDER BY n DESC LIMIT 1)");

    if (rc == SQLITE_OK) {
        (void)sqlite3_bind_text(stmt, 1, store->who == NULL ? "" : store->who->user, -1,
                                SQLITE_TRANSIENT);
        (void)sqlite3_bind_text(stmt, 2, modules, -1, SQLITE_TRANSIENT);
        (void)sqlite3_bind_text64(stmt, 3, text->text, text->len, SQLITE_STATIC, SQLITE_UTF8);
        rc = sql_step(store, stmt);
    }
    (void)sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The newest HISTORY_MAX, and of these what fits; the newest always. */
static int drop_old(struct store *store)
{
    return sql_exec(store,
                    "DELETE FROM main._history WHERE n NOT IN (SELECT n FROM ("
                    "SELECT n, ROW_NUMBER() OVER newest AS place, SUM(LENGTH(config)) OVER newest "
                    "AS total FROM main._history WINDOW newest AS (ORDER BY n DESC ROWS "
                    "UNBOUNDED PRECEDING)) WHERE place = 1 OR (place <= %d AND total <= %lld))",
                    HISTORY_MAX, (long long)HISTORY_BYTES_MAX);
}

int history_open(struct store *store)
{
    int rc = sql_exec(store, "CREATE TABLE IF NOT EXISTS main._history (n INTEGER PRIMARY KEY "
                             "AUTOINCREMENT, applied_at INT, username VARCHAR, modules VARCHAR, "
                             "config VARCHAR);"
                             "INSERT OR IGNORE INTO main._history SELECT n, applied_at, username, "
                             "modules, config FROM disk.galeway_history");

    return rc == SQLITE_OK ? drop_old(store) : rc;
}

static void add_state(struct store *store, const char *modules, const struct config_text *text)
{
    int rc = insert_state(store, modules, text);

    if (rc == SQLITE_OK) {
        rc = drop_old(store);
    }
    if (rc != SQLITE_OK) {
        store_warn(store, "Warning", 1105, "applied, but not kept for SHOW CONFIG HISTORY: %s",
                   sqlite3_errmsg(store->db));
    }
    store->history_changed = true;
}

void history_add(struct store *store, unsigned modules, const struct config_text *text)
{
    char *list = module_list(modules);

    add_state(store, list == NULL ? "" : list, text);
    sqlite3_free(list);
}

void history_note(struct store *store, const char *why)
{
    struct config_text text = {0};
    struct reply reply = {0};

    if (config_text_make(store, 0, &text, &reply) == 0) {
        add_state(store, why, &text);
    } else {
        log_warn(NULL, "what runs is not in the history: %s", reply.message);
    }
    config_text_fini(&text);
    reply_fini(&reply);
}

void history_flush(struct store *store)
{
    int rc;

    if (!store->history_changed || store->disk_fault != NULL) {
        return;
    }
    store->history_changed = false;
    rc = sql_exec(store, "BEGIN IMMEDIATE;"
                         "DELETE FROM disk.galeway_history WHERE n NOT IN (SELECT n FROM "
                         "main._history);"
                         "INSERT INTO disk.galeway_history SELECT * FROM main._history WHERE n NOT "
                         "IN (SELECT n FROM disk.galeway_history);"
                         "COMMIT");
    if (rc != SQLITE_OK) {
        log_warn(NULL, "the last configurations are not kept in %s: %s", store->disk_path,
                 sqlite3_errmsg(store->db));
        if (sqlite3_get_autocommit(store->db) == 0) {
            (void)!sql_exec(store, "ROLLBACK");
        }
    }
}

void history_show(struct store *store, struct reply *reply)
{
    sql_rows(store, reply,
             "SELECT n, DATETIME(applied_at, 'unixepoch') AS applied_at, username, modules, "
             "LENGTH(CAST(config AS BLOB)) AS bytes FROM main._history ORDER BY n DESC");
}

int history_load(struct store *store, int64_t n, struct reply *reply)
{
    sqlite3_stmt *stmt;
    int rc =
        sql_prepare(store, &stmt, "SELECT config FROM main._history WHERE n = %lld", (long long)n);

    if (rc != SQLITE_OK) {
        sql_error(store, reply);
        return ERR_FILE;
    }
    if (sql_step(store, stmt) == SQLITE_ROW) {
        rc = layers_read_text(store, MODULES_ALL, sql_text(stmt, 0), reply);
    } else {
        reply_error(reply, err_number(ERR_NOT_FOUND), err_sqlstate(ERR_NOT_FOUND),
                    "There is no state %lld in the history: see SHOW CONFIG HISTORY", (long long)n);
        rc = ERR_NOT_FOUND;
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}

/* --- differences ------------------------------------------------------------------------------ */

struct columns {
    char *key[DIFF_COLUMNS_MAX]; /* SQLite's memory */
    char *other[DIFF_COLUMNS_MAX];
    size_t n_key, n_other;
};

static int read_columns(struct store *store, const struct config_table *table, struct columns *out)
{
    sqlite3_stmt *stmt;
    int rc = sql_prepare(store, &stmt, "SELECT name, pk FROM pragma_table_info(%Q, 'main')",
                         table->name);

    while (rc == SQLITE_OK && (rc = sql_step(store, stmt)) == SQLITE_ROW) {
        char *name = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));

        CHECK(out->n_key + out->n_other < DIFF_COLUMNS_MAX);
        if (sqlite3_column_int(stmt, 1) > 0) {
            out->key[out->n_key++] = name;
        } else {
            out->other[out->n_other++] = name;
        }
        rc = name == NULL ? SQLITE_NOMEM : SQLITE_OK;
    }
    (void)sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void free_columns(struct columns *c)
{
    for (size_t i = 0; i < c->n_key; i++) {
        sqlite3_free(c->key[i]);
    }
    for (size_t i = 0; i < c->n_other; i++) {
        sqlite3_free(c->other[i]);
    }
}

static char *join_keys(const struct columns *c, const char *format, const char *between)
{
    sqlite3_str *text = sqlite3_str_new(NULL);

    for (size_t i = 0; i < c->n_key; i++) {
        sqlite3_str_appendall(text, i == 0 ? "" : between);
        sqlite3_str_appendf(text, format, c->key[i], c->key[i]);
    }
    return sqlite3_str_finish(text);
}

/*
 * One SELECT for the rows that are not in all layers, and one for each column of those in more than
 * one. Names of columns are our own.
 */
static void put_select(sqlite3_str *sql, const struct config_table *table, const struct columns *c,
                       const char *column, bool is_saved)
{
    char *keys = join_keys(c, "%s", ", ");
    char *shown = join_keys(c, "'%s=' || k.%s", " || ', ' || ");
    char *on_m = join_keys(c, "m.%s = k.%s", " AND ");
    char *on_r = join_keys(c, "r.%s = k.%s", " AND ");
    char *on_d = join_keys(c, "d.%s = k.%s", " AND ");

    sqlite3_str_appendf(
        sql, "%sSELECT '%s' AS module, '%s' AS \"table\", %s AS key, '%s' AS column",
        sqlite3_str_length(sql) > 0 ? " UNION ALL " : "", module_name(table->module), table->name,
        shown, column == NULL ? "(row)" : column);
    if (column == NULL) {
        sqlite3_str_appendall(sql, ", IIF(m.rowid IS NULL, 'missing', 'present') AS memory,"
                                   " IIF(r.rowid IS NULL, 'missing', 'present') AS runtime,"
                                   " IIF(d.rowid IS NULL, 'missing', 'present') AS disk");
    } else {
        sqlite3_str_appendf(sql, ", m.%s AS memory, r.%s AS runtime, d.%s AS disk", column, column,
                            column);
    }
    sqlite3_str_appendf(sql, " FROM (SELECT %s FROM main.%s WHERE %s", keys, table->name,
                        table->filter);
    sqlite3_str_appendf(sql, " UNION SELECT %s FROM %s WHERE %s", keys,
                        layer_table(table, LAYER_RUNTIME), table->filter);
    sqlite3_str_appendf(sql, " UNION SELECT %s FROM disk.%s WHERE %s) k", keys, table->name,
                        table->filter);
    sqlite3_str_appendf(sql, " LEFT JOIN main.%s m ON %s LEFT JOIN %s r ON %s", table->name, on_m,
                        layer_table(table, LAYER_RUNTIME), on_r);
    sqlite3_str_appendf(sql, " LEFT JOIN disk.%s d ON %s", table->name, on_d);
    if (column == NULL) {
        sqlite3_str_appendf(sql, " WHERE m.rowid IS NULL OR r.rowid IS NULL%s",
                            is_saved ? " OR d.rowid IS NULL" : "");
    } else {
        sqlite3_str_appendf(
            sql,
            " WHERE (m.rowid IS NOT NULL AND r.rowid IS NOT NULL AND m.%s IS NOT r.%s)"
            " OR (r.rowid IS NOT NULL AND d.rowid IS NOT NULL AND r.%s IS NOT d.%s)"
            " OR (m.rowid IS NOT NULL AND d.rowid IS NOT NULL AND m.%s IS NOT d.%s)",
            column, column, column, column, column, column);
    }
    sqlite3_free(keys);
    sqlite3_free(shown);
    sqlite3_free(on_m);
    sqlite3_free(on_r);
    sqlite3_free(on_d);
}

static int count_rows(struct store *store, enum layer layer, const struct config_table *table,
                      int64_t *out)
{
    sqlite3_stmt *stmt;
    int rc = sql_prepare(store, &stmt, "SELECT COUNT(*) FROM %s WHERE %s",
                         layer_table(table, layer), table->filter);

    if (rc == SQLITE_OK) {
        rc = sql_step(store, stmt);
        *out = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    }
    (void)sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* What was never saved is one line, not a line for each of 250 variables. */
static int diff_unsaved(struct store *store, const struct config_table *table, bool *is_saved)
{
    int64_t n[3] = {0};
    int rc = count_rows(store, LAYER_MEMORY, table, &n[0]);

    if (rc == SQLITE_OK) {
        rc = count_rows(store, LAYER_RUNTIME, table, &n[1]);
    }
    if (rc == SQLITE_OK) {
        rc = count_rows(store, LAYER_DISK, table, &n[2]);
    }
    *is_saved = n[2] > 0;
    if (rc == SQLITE_OK && !*is_saved && n[0] + n[1] > 0) {
        rc = sql_exec(store,
                      "INSERT INTO temp.diff VALUES ('%s', '%s', '(all)', '(rows)', %lld, %lld, "
                      "'never saved')",
                      module_name(table->module), table->name, n[0], n[1]);
    }
    return rc;
}

static int diff_table(struct store *store, const struct config_table *table)
{
    struct columns c = {0};
    bool is_saved = true;
    int rc = diff_unsaved(store, table, &is_saved);

    if (rc == SQLITE_OK) {
        rc = read_columns(store, table, &c);
    }

    for (size_t i = 0; i <= c.n_other && rc == SQLITE_OK; i++) {
        sqlite3_str *sql = sqlite3_str_new(NULL);
        char *text;

        put_select(sql, table, &c, i == 0 ? NULL : c.other[i - 1], is_saved);
        text = sqlite3_str_finish(sql);
        rc = text == NULL ? SQLITE_NOMEM : sql_exec(store, "INSERT INTO temp.diff %s", text);
        sqlite3_free(text);
    }
    free_columns(&c);
    return rc;
}

void diff_show(struct store *store, struct reply *reply)
{
    int rc =
        sql_exec(store, "CREATE TEMP TABLE IF NOT EXISTS diff (module, \"table\", key, column, "
                        "memory, runtime, disk); DELETE FROM temp.diff");

    for (size_t i = 0; i < config_tables_count() && rc == SQLITE_OK; i++) {
        rc = diff_table(store, config_table_at(i));
    }
    if (rc != SQLITE_OK) {
        sql_error(store, reply);
    } else {
        sql_rows(store, reply, "SELECT * FROM temp.diff ORDER BY rowid");
    }
    (void)!sql_exec(store, "DELETE FROM temp.diff");
}
