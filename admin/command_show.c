/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_show.c - SHOW and DESCRIBE: most are a SELECT with the session's own rights.
 */
#include <stdio.h>

#include "admin/command.h"
#include "admin/store_sql.h"
#include "admin/variables.h"
#include "base/mem.h"

/*
 * LIKE 'pattern' or WHERE condition behind a SHOW, as SQL. NULL = there is something else, and the
 * reply says so. Free with sqlite3_free.
 */
static char *read_filter(struct run *run, size_t at, const char *column)
{
    char *out = NULL, *pattern;

    if (words_at_end(&run->words, at)) {
        return sqlite3_mprintf("");
    }
    if (word_is(&run->words, at, "LIKE") && words_at_end(&run->words, at + 2) &&
        (pattern = word_value(&run->words, at + 1)) != NULL) {
        out = sqlite3_mprintf(" WHERE %s LIKE %Q ESCAPE '\\'", column, pattern);
        mem_free(MEM_ADMIN, pattern);
    } else if (word_is(&run->words, at, "WHERE") && at + 1 < run->words.n) {
        struct slice rest = run_rest(run, at);

        out = sqlite3_mprintf(" %.*s", (int)rest.len, rest.data);
    } else {
        command_syntax(run, at, "LIKE 'pattern', WHERE condition or the end of the command");
    }
    return out;
}

/*
 * SELECT * FROM (inner) [filter] [order]; what makes inner's rows is checked against the session's
 * rights.
 */
static void show(struct run *run, size_t at, const char *column, const char *inner,
                 const char *order)
{
    char *filter = inner == NULL ? NULL : read_filter(run, at, column);

    if (filter != NULL) {
        sql_runf(run->store, run->reply, "SELECT * FROM (%s)%s%s", inner, filter, order);
    }
    sqlite3_free(filter);
}

void command_show_unknown(struct run *run, size_t at)
{
    command_syntax(run, at, "what SHOW COMMANDS lists");
}

void command_show_nothing(struct run *run, size_t at)
{
    static const char *const columns[] = {"Name"};

    (void)at;
    reply_columns(run->reply, 1, columns);
}

/* --- schemas and tables ----------------------------------------------------------------------- */

void command_show_databases(struct run *run, size_t at)
{
    char *filter = read_filter(run, at, "name");

    if (filter != NULL) {
        sql_runf(run->store, run->reply,
                 "SELECT * FROM (SELECT seq, name, %s AS file FROM pragma_database_list WHERE name "
                 "<> 'temp')%s",
                 run->who->is_admin ? "file" : "''", filter);
    }
    sqlite3_free(filter);
}

static const char *own_schema(const struct run *run)
{
    bool is_main = strcmp(run->who->schema, "main") == 0;

    return !run->who->is_admin && is_main ? "stats" : run->who->schema;
}

/* FROM x or IN x, else the session's. NULL = unknown, and the reply says so. Free with mem_free. */
static char *read_schema(struct run *run, size_t *at)
{
    char *name;

    if (!word_is(&run->words, *at, "FROM") && !word_is(&run->words, *at, "IN")) {
        return mem_copy(MEM_ADMIN, slice_of(own_schema(run)));
    }
    name = word_value(&run->words, *at + 1);
    *at += 2;
    if (name == NULL ||
        sql_number(run->store, 0,
                   "SELECT COUNT(*) FROM pragma_database_list WHERE name = LOWER(%Q)", name) == 0) {
        reply_error(run->reply, 1049, "42000", "Unknown database '%s'; see SHOW DATABASES",
                    name == NULL ? "" : name);
        mem_free(MEM_ADMIN, name);
        return NULL;
    }
    return name;
}

void command_show_tables(struct run *run, size_t at)
{
    bool is_full = word_is(&run->words, 1, "FULL");
    char *schema = read_schema(run, &at);
    char *filter = schema == NULL ? NULL : read_filter(run, at, "tables");

    if (filter != NULL) {
        sql_runf(run->store, run->reply,
                 "SELECT * FROM (SELECT name AS tables%s FROM \"%w\".sqlite_master WHERE type IN "
                 "('table', 'view') AND SUBSTR(name, 1, 1) <> '_' AND name NOT LIKE 'sqlite%%')%s "
                 "ORDER BY tables",
                 is_full ? ", IIF(type = 'view', 'VIEW', 'BASE TABLE') AS Table_type" : "", schema,
                 filter);
    }
    sqlite3_free(filter);
    mem_free(MEM_ADMIN, schema);
}

/* Where a name without a schema is found; as SQLite does: main first. */
static const char *const search_order[] = {
    "main", "stats", "monitor", "stats_history", "information_schema", "disk", "temp"};

/* [schema.]table: false = there is none, and the reply says so. */
static bool find_table(struct run *run, size_t at, char **schema, char **table)
{
    char *name = word_value(&run->words, at);
    char *dot = name == NULL ? NULL : strchr(name, '.');

    *schema = *table = NULL;
    if (name == NULL) {
        command_syntax(run, at, "the name of a table");
        return false;
    }
    if (dot != NULL) {
        *dot = '\0';
    }
    for (size_t i = 0; i < ARRAY_SIZE(search_order) && *table == NULL; i++) {
        bool may = run->who->is_admin || (i > 0 && i < 5);

        if (may && (dot == NULL || sqlite3_stricmp(name, search_order[i]) == 0) &&
            sql_number(run->store, 0,
                       "SELECT COUNT(*) FROM %s.sqlite_master WHERE type IN ('table', 'view') AND "
                       "name = %Q COLLATE NOCASE",
                       search_order[i], dot == NULL ? name : dot + 1) > 0) {
            *schema = mem_copy(MEM_ADMIN, slice_of(search_order[i]));
            *table = mem_copy(MEM_ADMIN, slice_of(dot == NULL ? name : dot + 1));
        }
    }
    if (*table == NULL) {
        reply_error(run->reply, 1146, "42S02", "Table '%s%s%s' doesn't exist", name,
                    dot == NULL ? "" : ".", dot == NULL ? "" : dot + 1);
    }
    mem_free(MEM_ADMIN, name);
    return *table != NULL;
}

void command_show_create(struct run *run, size_t at)
{
    char *schema, *table;

    if (find_table(run, at, &schema, &table)) {
        sql_rows(run->store, run->reply,
                 "SELECT name AS \"Table\", sql AS \"Create Table\" FROM %s.sqlite_master WHERE "
                 "name = %Q COLLATE NOCASE",
                 schema, table);
    }
    mem_free(MEM_ADMIN, schema);
    mem_free(MEM_ADMIN, table);
}

static void describe(struct run *run, size_t at)
{
    char *schema, *table;

    if (find_table(run, at, &schema, &table)) {
        sql_rows(run->store, run->reply,
                 "SELECT name AS Field, LOWER(type) AS Type, IIF(\"notnull\" OR pk, 'NO', 'YES') "
                 "AS \"Null\", IIF(pk, 'PRI', '') AS Key, dflt_value AS \"Default\", '' AS Extra "
                 "FROM pragma_table_info(%Q, %Q)",
                 table, schema);
    }
    mem_free(MEM_ADMIN, schema);
    mem_free(MEM_ADMIN, table);
}

void command_describe(struct run *run, size_t at)
{
    describe(run, at);
}

void command_show_columns(struct run *run, size_t at)
{
    if (!word_is(&run->words, at, "FROM") && !word_is(&run->words, at, "IN")) {
        command_syntax(run, at, "FROM and the name of a table");
    } else {
        describe(run, at + 1);
    }
}

void command_show_table_status(struct run *run, size_t at)
{
    char *schema = read_schema(run, &at);

    if (schema != NULL) {
        sql_rows(run->store, run->reply,
                 "SELECT name AS Name, 'SQLite' AS Engine, '' AS Comment FROM "
                 "\"%w\".sqlite_master WHERE type = 'table' AND SUBSTR(name, 1, 1) <> '_' AND name "
                 "NOT LIKE 'sqlite%%' ORDER BY 1",
                 schema);
    }
    mem_free(MEM_ADMIN, schema);
}

/* --- variables and counters ------------------------------------------------------------------- */

static char *sysvar_rows(void)
{
    sqlite3_str *text = sqlite3_str_new(NULL);

    sqlite3_str_appendall(text, "SELECT column1 AS Variable_name, column2 AS Value FROM (VALUES ");
    for (size_t i = 0; i < sysvars_count(); i++) {
        sqlite3_str_appendf(text, "%s(%Q, %Q)", i == 0 ? "" : ", ", sysvar_name(i),
                            sysvar_value(i));
    }
    sqlite3_str_appendall(text, ")");
    return sqlite3_str_finish(text);
}

/* As show(); a condition may name the columns as the table does, too. */
static void show_named(struct run *run, size_t at, const char *inner)
{
    char *filter = inner == NULL ? NULL : read_filter(run, at, "Variable_name");

    if (filter != NULL) {
        sql_runf(run->store, run->reply,
                 "SELECT Variable_name, Value FROM (SELECT Variable_name, Value, Value AS "
                 "variable_value FROM (%s))%s ORDER BY Variable_name",
                 inner, filter);
    }
    sqlite3_free(filter);
}

static void show_variables(struct run *run, size_t at, const char *prefix)
{
    char *inner = sqlite3_mprintf("SELECT variable_name AS Variable_name, variable_value AS Value "
                                  "FROM main.global_variables WHERE variable_name LIKE '%s%%'",
                                  prefix);

    show_named(run, at, inner);
    sqlite3_free(inner);
}

/* Clients ask for a server's variables by name; all of them without a name are Galeway's. */
void command_show_variables(struct run *run, size_t at)
{
    char *rows, *inner;

    if (words_at_end(&run->words, at) && run->who->is_admin) {
        show_variables(run, at, "");
        return;
    }
    rows = sysvar_rows();
    inner = rows == NULL ? NULL
                         : sqlite3_mprintf("%s%s", rows,
                                           run->who->is_admin
                                               ? " UNION ALL SELECT variable_name, variable_value "
                                                 "FROM main.global_variables"
                                               : "");
    show_named(run, at, inner);
    sqlite3_free(inner);
    sqlite3_free(rows);
}

void command_show_admin_variables(struct run *run, size_t at)
{
    show_variables(run, at, "admin-");
}

void command_show_mysql_variables(struct run *run, size_t at)
{
    show_variables(run, at, "mysql-");
}

void command_show_status(struct run *run, size_t at)
{
    show(run, at, "Variable_name",
         "SELECT Variable_Name AS Variable_name, Variable_Value AS Value FROM "
         "stats.stats_mysql_global",
         " ORDER BY Variable_name");
}

/* --- rows of tables --------------------------------------------------------------------------- */

void command_show_users(struct run *run, size_t at)
{
    show(run, at, "username", "SELECT * FROM main.mysql_users", " ORDER BY username, active DESC");
}

void command_show_servers(struct run *run, size_t at)
{
    show(run, at, "hostname", "SELECT * FROM main.mysql_servers",
         " ORDER BY hostgroup_id, hostname, port");
}

void command_show_processlist(struct run *run, size_t at)
{
    show(run, at, "user",
         "SELECT SessionID, user, db, hostgroup, command, time_ms, SUBSTR(info, 1, 100) AS info "
         "FROM stats.stats_mysql_processlist",
         "");
}

void command_show_full_processlist(struct run *run, size_t at)
{
    show(run, at, "user",
         "SELECT SessionID, user, db, hostgroup, command, time_ms, info FROM "
         "stats.stats_mysql_processlist",
         "");
}

void command_show_charset(struct run *run, size_t at)
{
    static const char inner[] =
        "SELECT c.Charset AS Charset, c.Charset AS Description, c.Collation AS "
        "\"Default collation\", CASE WHEN c.Charset = 'utf8mb4' OR c.Charset LIKE 'utf16%' OR "
        "c.Charset = 'utf32' THEN 4 WHEN c.Charset LIKE 'utf8%' OR c.Charset IN ('ujis', "
        "'eucjpms') "
        "THEN 3 WHEN c.Charset IN ('big5', 'sjis', 'euckr', 'gb2312', 'gbk', 'ucs2', 'cp932') THEN "
        "2 ELSE 1 END AS Maxlen FROM main.mysql_collations c WHERE c.\"Default\" = 'Yes'";

    show(run, at, "Charset", inner, " ORDER BY Charset");
}

void command_show_collation(struct run *run, size_t at)
{
    show(run, at, "Collation",
         "SELECT Collation, Charset, Id, \"Default\", 'Yes' AS Compiled, 1 AS Sortlen FROM "
         "main.mysql_collations",
         " ORDER BY Collation");
}

void command_show_engines(struct run *run, size_t at)
{
    (void)at;
    sql_rows(run->store, run->reply,
             "SELECT 'SQLite' AS Engine, 'DEFAULT' AS Support, 'The tables of the console' AS "
             "Comment, 'NO' AS Transactions, 'NO' AS XA, 'NO' AS Savepoints");
}

void command_show_grants(struct run *run, size_t at)
{
    static const char *const columns[] = {"Grants"};
    char text[STORE_NAME_MAX + 64];

    (void)at;
    (void)snprintf(text, sizeof(text), "GRANT %s TO '%s'@'%%'",
                   run->who->is_admin ? "ALL PRIVILEGES ON *.*" : "SELECT ON stats.*",
                   run->who->user);
    reply_columns(run->reply, 1, columns);
    reply_text(run->reply, text);
}

/* --- warnings --------------------------------------------------------------------------------- */

static void show_warnings(struct run *run, bool errors_only)
{
    static const char *const columns[] = {"Level", "Code", "Message"};

    reply_columns(run->reply, ARRAY_SIZE(columns), columns);
    for (size_t i = 0; i < run->who->n_warnings; i++) {
        const struct store_warning *w = &run->who->warnings[i];

        if (!errors_only || strcmp(w->level, "Error") == 0) {
            reply_text(run->reply, w->level);
            reply_number(run->reply, w->number);
            reply_text(run->reply, w->text);
        }
    }
}

static void count_warnings(struct run *run, bool errors_only, const char *column)
{
    int64_t n = errors_only ? 0 : (int64_t)run->who->warnings_dropped;

    for (size_t i = 0; i < run->who->n_warnings; i++) {
        n += !errors_only || strcmp(run->who->warnings[i].level, "Error") == 0 ? 1 : 0;
    }
    reply_columns(run->reply, 1, &column);
    reply_number(run->reply, n);
}

void command_show_warnings(struct run *run, size_t at)
{
    (void)at;
    show_warnings(run, false);
}

void command_show_errors(struct run *run, size_t at)
{
    (void)at;
    show_warnings(run, true);
}

void command_count_warnings(struct run *run, size_t at)
{
    (void)at;
    count_warnings(run, false, "@@session.warning_count");
}

void command_count_errors(struct run *run, size_t at)
{
    (void)at;
    count_warnings(run, true, "@@session.error_count");
}
