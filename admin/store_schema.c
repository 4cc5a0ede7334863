/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_schema.c - see store_schema.h.
 *
 * The tables of the console are fixed when it has started, so these are filled once.
 */
#include "admin/store_schema.h"

#include "admin/store_sql.h"
#include "base/err.h"
#include "base/log.h"

static const char create[] =
    "CREATE TABLE information_schema.SCHEMATA (CATALOG_NAME, SCHEMA_NAME, "
    "DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, SQL_PATH);"
    "CREATE TABLE information_schema.TABLES (TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, "
    "ENGINE, VERSION, ROW_FORMAT, TABLE_ROWS, AVG_ROW_LENGTH, DATA_LENGTH, MAX_DATA_LENGTH, "
    "INDEX_LENGTH, DATA_FREE, AUTO_INCREMENT, CREATE_TIME, UPDATE_TIME, CHECK_TIME, "
    "TABLE_COLLATION, CHECKSUM, CREATE_OPTIONS, TABLE_COMMENT);"
    "CREATE TABLE information_schema.COLUMNS (TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, "
    "COLUMN_NAME, ORDINAL_POSITION, COLUMN_DEFAULT, IS_NULLABLE, DATA_TYPE, "
    "CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, CHARACTER_SET_NAME, "
    "COLLATION_NAME, COLUMN_TYPE, COLUMN_KEY, EXTRA, PRIVILEGES, COLUMN_COMMENT, "
    "GENERATION_EXPRESSION);"
    /* what dumps look for, and the console has none of */
    "CREATE TABLE information_schema.FILES (FILE_NAME, FILE_TYPE, TABLESPACE_NAME, "
    "LOGFILE_GROUP_NAME, TOTAL_EXTENTS, EXTENT_SIZE, INITIAL_SIZE, ENGINE, EXTRA);"
    "CREATE TABLE information_schema.PARTITIONS (TABLE_SCHEMA, TABLE_NAME, TABLESPACE_NAME);"
    "CREATE TABLE information_schema.VIEWS (TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION);"
    "CREATE TABLE information_schema.ROUTINES (ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE);"
    "CREATE TABLE information_schema.TRIGGERS (TRIGGER_SCHEMA, TRIGGER_NAME, "
    "EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING);"
    "CREATE TABLE information_schema.EVENTS (EVENT_SCHEMA, EVENT_NAME);"
    "INSERT INTO information_schema.SCHEMATA SELECT 'def', name, 'utf8mb4', "
    "'utf8mb4_general_ci', NULL FROM pragma_database_list WHERE name <> 'temp';";

/* Names that begin with _ are ours, as for SHOW TABLES. */
static int fill(struct store *store, const char *schema)
{
    int rc = sql_exec(store,
                      "INSERT INTO information_schema.TABLES SELECT 'def', '%s', name, "
                      "IIF(type = 'view', 'VIEW', 'BASE TABLE'), 'SQLite', 10, 'Dynamic', NULL, 0, "
                      "0, 0, 0, 0, NULL, NULL, NULL, NULL, 'utf8mb4_general_ci', NULL, '', '' "
                      "FROM %s.sqlite_master WHERE type IN ('table', 'view') AND "
                      "SUBSTR(name, 1, 1) <> '_' AND name NOT LIKE 'sqlite%%'",
                      schema, schema);

    if (rc == SQLITE_OK) {
        rc = sql_exec(store,
                      "INSERT INTO information_schema.COLUMNS SELECT 'def', t.TABLE_SCHEMA, "
                      "t.TABLE_NAME, c.name, c.cid + 1, c.dflt_value, "
                      "IIF(c.\"notnull\" OR c.pk, 'NO', 'YES'), LOWER(c.type), NULL, NULL, NULL, "
                      "'utf8mb4', 'utf8mb4_general_ci', LOWER(c.type), IIF(c.pk, 'PRI', ''), '', "
                      "'', '', NULL FROM information_schema.TABLES t, "
                      "pragma_table_info(t.TABLE_NAME, t.TABLE_SCHEMA) c "
                      "WHERE t.TABLE_SCHEMA = '%s'",
                      schema);
    }
    return rc;
}

int store_schema_fill(struct store *store)
{
    static const char *const schemas[] = {"main", "disk", "stats", "monitor", "stats_history"};
    int rc = sql_exec(store, "%s", create);

    for (size_t i = 0; i < ARRAY_SIZE(schemas) && rc == SQLITE_OK; i++) {
        rc = fill(store, schemas[i]);
    }
    if (rc != SQLITE_OK) {
        log_error(NULL, "information_schema cannot be made: %s", sqlite3_errmsg(store->db));
        return ERR_MEMORY;
    }
    return 0;
}
