/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layers.c - the tables, the file of DISK, rows from one layer to another. See layers.h.
 */
#include "admin/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "admin/history.h"
#include "admin/store_sql.h"
#include "admin/variables.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "protocol/collation.h"

/* --- what there is ---------------------------------------------------------------------------- */

/* A filter is part of the table: global_variables is there once for each of its two modules. */
static const struct config_table tables[] = {
#define TABLE(module_, name_, filter_, order_, columns_) \
    {.module = (module_),                                \
     .name = #name_,                                     \
     .filter = (filter_),                                \
     .order = (order_),                                  \
     .columns = (columns_),                              \
     .in = {"main." #name_, "main.runtime_" #name_, "disk." #name_}},
#include "admin/tables.def"
#undef TABLE
};

static const char *const module_names[MODULE_COUNT] = {
    [MODULE_MYSQL_VARIABLES] = "MYSQL VARIABLES",
    [MODULE_ADMIN_VARIABLES] = "ADMIN VARIABLES",
    [MODULE_SERVERS] = "MYSQL SERVERS",
    [MODULE_USERS] = "MYSQL USERS",
    [MODULE_RULES] = "MYSQL QUERY RULES",
    [MODULE_FIREWALL] = "MYSQL FIREWALL",
    [MODULE_SCHEDULER] = "SCHEDULER",
    [MODULE_PROXYSQL] = "PROXYSQL SERVERS",
};

/* What runtime_checksums_values, galeway_saved and clusters call them. */
static const char *const checksum_names[MODULE_COUNT] = {
    [MODULE_MYSQL_VARIABLES] = "mysql_variables",
    [MODULE_ADMIN_VARIABLES] = "admin_variables",
    [MODULE_SERVERS] = "mysql_servers",
    [MODULE_USERS] = "mysql_users",
    [MODULE_RULES] = "mysql_query_rules",
    [MODULE_FIREWALL] = "mysql_firewall",
    [MODULE_SCHEDULER] = "scheduler",
    [MODULE_PROXYSQL] = "proxysql_servers",
};

size_t config_tables_count(void)
{
    return ARRAY_SIZE(tables);
}

const struct config_table *config_table_at(size_t i)
{
    return &tables[i];
}

const struct config_table *config_table_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        if (slice_eq_nocase(name, slice_of(tables[i].name))) {
            return &tables[i];
        }
    }
    return NULL;
}

const char *module_name(enum module module)
{
    return module_names[module];
}

const char *layer_prefix(enum layer layer)
{
    static const char *const prefixes[] = {"main.", "main.runtime_", "disk."};

    return prefixes[layer];
}

const char *layer_table(const struct config_table *table, enum layer layer)
{
    if (layer == LAYER_RUNTIME && strcmp(table->name, "mysql_servers") == 0) {
        return "main._loaded_mysql_servers";
    }
    if (layer == LAYER_RUNTIME && strcmp(table->name, "mysql_users") == 0) {
        return "main._loaded_mysql_users";
    }
    return table->in[layer];
}

static int create_tables(struct store *store, enum layer layer)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; i < ARRAY_SIZE(tables) && rc == SQLITE_OK; i++) {
        rc = sql_exec(store, "CREATE TABLE IF NOT EXISTS %s (\n    %s\n)",
                      layer_table(&tables[i], layer), tables[i].columns);
    }
    return rc;
}

static int fill_collations(struct store *store)
{
    int rc = sql_exec(store, "CREATE TABLE main.mysql_collations (\n"
                             "    Id INTEGER NOT NULL PRIMARY KEY,\n"
                             "    Collation VARCHAR NOT NULL,\n"
                             "    Charset VARCHAR NOT NULL,\n"
                             "    `Default` VARCHAR NOT NULL\n)");

    for (int id = 0; id < 256 && rc == SQLITE_OK; id++) {
        const struct collation *c = collation_by_id((uint8_t)id);

        if (c != NULL) {
            rc = sql_exec(store, "INSERT INTO mysql_collations VALUES (%d, %Q, %Q, %Q)", id,
                          c->name, c->charset, c->is_default ? "Yes" : "");
        }
    }
    return rc;
}

int layers_create(struct store *store)
{
    int rc = create_tables(store, LAYER_MEMORY);

    if (rc == SQLITE_OK) {
        rc = create_tables(store, LAYER_RUNTIME);
    }
    if (rc == SQLITE_OK) {
        rc = fill_collations(store);
    }
    if (rc == SQLITE_OK) {
        rc = sql_exec(store, "CREATE TABLE main.runtime_checksums_values (\n"
                             "    name VARCHAR NOT NULL PRIMARY KEY,\n"
                             "    version INT NOT NULL,\n"
                             "    epoch INT NOT NULL,\n"
                             "    checksum VARCHAR NOT NULL\n)");
    }
    if (rc != SQLITE_OK) {
        log_error(NULL, "the console's tables cannot be made: %s", sqlite3_errmsg(store->db));
        return ERR_MEMORY;
    }
    return 0;
}

/* --- DISK ------------------------------------------------------------------------------------- */

/* The file is made here because SQLite would make it readable for all, and it has passwords. */
static const char *make_file(const char *datadir, const char *path)
{
    int fd;

    if (mkdir(datadir, 0750) != 0 && errno != EEXIST) {
        return err_text(-errno);
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return err_text(-errno);
    }
    (void)close(fd);
    return NULL;
}

static void set_fault(struct store *store, const char *why)
{
    mem_free(MEM_ADMIN, store->disk_fault);
    store->disk_fault = why == NULL ? NULL : mem_copy(MEM_ADMIN, slice_of(why));
}

/* Older files lack columns that came later: those get their defaults. */
static int upgrade_table(struct store *store, const struct config_table *table)
{
    sqlite3_stmt *stmt;
    sqlite3_str *names = sqlite3_str_new(store->db);
    int rc = sql_prepare(store, &stmt,
                         "SELECT n.name FROM pragma_table_info(%Q, 'main') n JOIN "
                         "pragma_table_info(%Q, 'disk') o ON o.name = n.name",
                         table->name, table->name);
    char *list;

    while (rc == SQLITE_OK && (rc = sql_step(store, stmt)) == SQLITE_ROW) {
        sqlite3_str_appendf(names, "%s\"%w\"", sqlite3_str_length(names) > 0 ? ", " : "",
                            sqlite3_column_text(stmt, 0));
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(stmt);
    list = sqlite3_str_finish(names);
    if (rc == SQLITE_DONE && list != NULL) {
        rc = sql_exec(store,
                      "SAVEPOINT upgrade; ALTER TABLE disk.%s RENAME TO _old;"
                      "CREATE TABLE disk.%s (\n    %s\n);"
                      "INSERT INTO disk.%s (%s) SELECT %s FROM disk._old; DROP TABLE disk._old;"
                      "RELEASE upgrade",
                      table->name, table->name, table->columns, table->name, list, list);
        if (rc != SQLITE_OK) {
            (void)!sql_exec(store, "ROLLBACK TO upgrade; RELEASE upgrade");
        }
    }
    sqlite3_free(list);
    return rc;
}

static int upgrade_tables(struct store *store)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; i < ARRAY_SIZE(tables) && rc == SQLITE_OK; i++) {
        int64_t differs = sql_number(
            store, 0,
            "SELECT (SELECT sql FROM main.sqlite_master WHERE name = %Q AND type = 'table') IS NOT "
            "(SELECT sql FROM disk.sqlite_master WHERE name = %Q AND type = 'table')",
            tables[i].name, tables[i].name);

        if (differs != 0) {
            rc = upgrade_table(store, &tables[i]);
        }
    }
    return rc;
}

/* One transaction: a file is complete or empty, and the disk is waited for once. */
static int prepare_disk(struct store *store)
{
    int rc = sql_exec(store, "BEGIN IMMEDIATE");

    if (rc == SQLITE_OK) {
        rc = create_tables(store, LAYER_DISK);
    }
    if (rc == SQLITE_OK) {
        rc = sql_exec(store, "CREATE TABLE IF NOT EXISTS disk.galeway_history ("
                             "n INTEGER PRIMARY KEY AUTOINCREMENT, applied_at INT NOT NULL, "
                             "username VARCHAR NOT NULL, modules VARCHAR NOT NULL, "
                             "config VARCHAR NOT NULL)");
    }
    if (rc == SQLITE_OK) { /* a module that was saved empty is not one that was never saved */
        rc = sql_exec(store, "CREATE TABLE IF NOT EXISTS disk.galeway_saved ("
                             "module VARCHAR NOT NULL PRIMARY KEY)");
    }
    if (rc == SQLITE_OK) {
        rc = upgrade_tables(store);
    }
    if (rc == SQLITE_OK) {
        rc = history_open(store);
    }
    return rc == SQLITE_OK ? sql_exec(store, "COMMIT") : rc;
}

int layers_attach_disk(struct store *store)
{
    struct snapshot *snapshot = galeway_snapshot(store->galeway);
    const char *datadir = snapshot->conf->datadir;
    const char *why;
    int rc = SQLITE_ERROR;

    sqlite3_free(store->disk_path);
    store->disk_path = sqlite3_mprintf("%s/galeway.db", datadir);
    why = store->disk_path == NULL ? err_text(ERR_MEMORY) : make_file(datadir, store->disk_path);
    snapshot_unref(snapshot);
    if (why == NULL) {
        rc = sql_exec(store, "ATTACH %Q AS disk", store->disk_path);
        if (rc == SQLITE_OK) {
            rc = prepare_disk(store);
            why = rc == SQLITE_OK ? NULL : sqlite3_errmsg(store->db);
        } else {
            why = sqlite3_errmsg(store->db);
        }
    }
    set_fault(store, why);
    if (why == NULL) {
        return 0;
    }
    log_warn(NULL, "no DISK layer: %s: %s", store->disk_path, store->disk_fault);
    if (sqlite3_get_autocommit(store->db) == 0) {
        (void)!sql_exec(store, "ROLLBACK");
    }
    (void)!sql_exec(store, "DETACH disk"); /* when it was the content that is damaged */
    rc = sql_exec(store, "ATTACH ':memory:' AS disk");
    return rc == SQLITE_OK && prepare_disk(store) == SQLITE_OK ? 0 : ERR_FILE;
}

void layers_detach_disk(struct store *store)
{
    (void)!sql_exec(store, "DETACH disk");
}

/* --- rows from one layer to another ----------------------------------------------------------- */

static int copy_table(struct store *store, const struct config_table *table, enum layer from,
                      enum layer to)
{
    int rc = sql_exec(store, "DELETE FROM %s WHERE %s", layer_table(table, to), table->filter);

    if (rc == SQLITE_OK) {
        rc = sql_exec(store, "INSERT INTO %s SELECT * FROM %s WHERE %s", layer_table(table, to),
                      layer_table(table, from), table->filter);
    }
    return rc;
}

static bool has_disk(struct store *store, struct reply *reply)
{
    if (store->disk_fault != NULL) {
        reply_error(reply, err_number(ERR_FILE), err_sqlstate(ERR_FILE),
                    "There is no DISK layer: %s: %s (PROXYSQL FLUSH CONFIGDB tries again)",
                    store->disk_path, store->disk_fault);
    }
    return store->disk_fault == NULL;
}

int layers_copy(struct store *store, unsigned modules, enum layer from, enum layer to,
                struct reply *reply)
{
    int rc;

    if ((from == LAYER_DISK || to == LAYER_DISK) && !has_disk(store, reply)) {
        return ERR_FILE;
    }
    rc = to == LAYER_DISK ? sql_exec(store, "BEGIN IMMEDIATE") : sql_savepoint(store, "copy");
    for (size_t i = 0; i < ARRAY_SIZE(tables) && rc == SQLITE_OK; i++) {
        if ((modules & BIT(tables[i].module)) != 0) {
            rc = copy_table(store, &tables[i], from, to);
        }
    }
    for (size_t i = 0; i < MODULE_COUNT && rc == SQLITE_OK && to == LAYER_DISK; i++) {
        if ((modules & BIT(i)) != 0) {
            rc = sql_exec(store, "INSERT OR IGNORE INTO disk.galeway_saved VALUES (%Q)",
                          checksum_names[i]);
        }
    }
    if (rc == SQLITE_OK && to != LAYER_DISK && variables_fill(store, to) != 0) {
        rc = SQLITE_ERROR;
    }
    if (rc == SQLITE_OK) {
        rc = to == LAYER_DISK ? sql_exec(store, "COMMIT") : sql_release(store, "copy", true);
    }
    if (rc != SQLITE_OK) {
        sql_error(store, reply);
        if (to != LAYER_DISK) {
            (void)sql_release(store, "copy", false);
        } else if (sqlite3_get_autocommit(store->db) == 0) {
            (void)!sql_exec(store, "ROLLBACK");
        }
        return ERR_FILE;
    }
    return 0;
}

unsigned layers_saved(struct store *store)
{
    unsigned modules = 0;

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        if (sql_number(store, 0,
                       "SELECT EXISTS (SELECT 1 FROM disk.%s WHERE %s) OR EXISTS (SELECT 1 FROM "
                       "disk.galeway_saved WHERE module = %Q)",
                       tables[i].name, tables[i].filter, checksum_names[tables[i].module]) != 0) {
            modules |= BIT(tables[i].module);
        }
    }
    return modules;
}

/* --- checksums -------------------------------------------------------------------------------- */

static void hash_row(XXH64_state_t *state, sqlite3_stmt *stmt)
{
    int n = sqlite3_column_count(stmt);

    for (int i = 0; i < n; i++) {
        struct slice value = sql_text(stmt, i);
        uint64_t len = value.data == NULL ? UINT64_MAX : value.len;

        (void)XXH64_update(state, &len, sizeof(len));
        (void)XXH64_update(state, value.data == NULL ? "" : value.data, value.len);
    }
}

static int hash_table(struct store *store, const struct config_table *table, enum layer layer,
                      XXH64_state_t *state)
{
    sqlite3_stmt *stmt;
    int rc = sql_prepare(store, &stmt, "SELECT * FROM %s WHERE %s ORDER BY %s",
                         layer_table(table, layer), table->filter, table->order);

    (void)XXH64_update(state, table->name, strlen(table->name));
    while (rc == SQLITE_OK && (rc = sql_step(store, stmt)) == SQLITE_ROW) {
        hash_row(state, stmt);
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int layers_table_checksum(struct store *store, const struct config_table *table, enum layer layer,
                          uint64_t *out, struct reply *reply)
{
    XXH64_state_t *state = XXH64_createState();
    int rc;

    CHECK(state != NULL);
    (void)XXH64_reset(state, 0);
    rc = hash_table(store, table, layer, state);
    *out = XXH64_digest(state);
    (void)XXH64_freeState(state);
    if (rc != SQLITE_OK) {
        sql_error(store, reply);
        return ERR_FILE;
    }
    return 0;
}

int layers_checksum(struct store *store, enum module module, enum layer layer, uint64_t *out,
                    struct reply *reply)
{
    uint64_t sums[ARRAY_SIZE(tables)];
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(tables) && rc == 0; i++) {
        if (tables[i].module == module) {
            rc = layers_table_checksum(store, &tables[i], layer, &sums[n++], reply);
        }
    }
    *out = XXH64(sums, n * sizeof(sums[0]), 0);
    return rc;
}

void layers_note_applied(struct store *store, unsigned modules)
{
    struct reply reply = {0};

    for (size_t i = 0; i < MODULE_COUNT; i++) {
        uint64_t sum;

        if ((modules & BIT(i)) != 0 &&
            layers_checksum(store, (enum module)i, LAYER_RUNTIME, &sum, &reply) == 0) {
            (void)!sql_exec(store,
                            "INSERT OR REPLACE INTO runtime_checksums_values VALUES "
                            "(%Q, %u, CAST(STRFTIME('%%s', 'now') AS INT), '0x%016llX')",
                            checksum_names[i], ++store->versions[i], (unsigned long long)sum);
        }
    }
    reply_fini(&reply);
}
