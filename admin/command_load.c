/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_load.c - LOAD, SAVE, CHECKSUM, the configuration as a text, its history and its
 * differences.
 */
#include <stdio.h>

#include "admin/command.h"
#include "admin/config_text.h"
#include "admin/history.h"
#include "admin/store_sql.h"
#include "base/err.h"
#include "base/mem.h"

/* How a module may be written. */
static const struct module_words {
    const char *words;
    unsigned modules;
} module_words[] = {
    {"MYSQL SERVERS", BIT(MODULE_SERVERS)},
    {"MYSQL SSL", BIT(MODULE_SERVERS)},
    {"MYSQL SSL PARAMS", BIT(MODULE_SERVERS)},
    {"MYSQL SERVERS SSL PARAMS", BIT(MODULE_SERVERS)},
    {"MYSQL USERS", BIT(MODULE_USERS)},
    {"MYSQL QUERY RULES", BIT(MODULE_RULES)},
    {"MYSQL VARIABLES", BIT(MODULE_MYSQL_VARIABLES)},
    {"MYSQL FIREWALL", BIT(MODULE_FIREWALL)},
    {"ADMIN VARIABLES", BIT(MODULE_ADMIN_VARIABLES)},
    {"SCHEDULER", BIT(MODULE_SCHEDULER)},
    {"PROXYSQL SERVERS", BIT(MODULE_PROXYSQL)},
    {"CONFIG", MODULES_ALL},
    {"ALL", MODULES_ALL},
};

enum action {
    MEMORY_TO_RUNTIME,
    RUNTIME_TO_MEMORY,
    MEMORY_TO_DISK,
    DISK_TO_MEMORY,
    FILE_TO_MEMORY
};

/* LOAD goes towards RUNTIME, SAVE away from it; so TO MEMORY is not the same in both. */
static const struct direction {
    const char *words;
    enum action action;
    bool is_save;
} directions[] = {
    {"TO RUNTIME", MEMORY_TO_RUNTIME, false},  {"TO RUN", MEMORY_TO_RUNTIME, false},
    {"FROM MEMORY", MEMORY_TO_RUNTIME, false}, {"FROM MEM", MEMORY_TO_RUNTIME, false},
    {"TO MEMORY", DISK_TO_MEMORY, false},      {"TO MEM", DISK_TO_MEMORY, false},
    {"FROM DISK", DISK_TO_MEMORY, false},      {"FROM CONFIG", FILE_TO_MEMORY, false},
    {"TO MEMORY", RUNTIME_TO_MEMORY, true},    {"TO MEM", RUNTIME_TO_MEMORY, true},
    {"FROM RUNTIME", RUNTIME_TO_MEMORY, true}, {"FROM RUN", RUNTIME_TO_MEMORY, true},
    {"FROM MEMORY", MEMORY_TO_DISK, true},     {"FROM MEM", MEMORY_TO_DISK, true},
    {"TO DISK", MEMORY_TO_DISK, true},
};

/* The longest that fits. */
static unsigned read_modules(const struct words *words, size_t *at)
{
    unsigned modules = 0;
    size_t best = *at;

    for (size_t i = 0; i < ARRAY_SIZE(module_words); i++) {
        size_t end = *at;

        if (words_are(words, &end, module_words[i].words) && end > best) {
            modules = module_words[i].modules;
            best = end;
        }
    }
    *at = best;
    return modules;
}

static const struct direction *read_direction(const struct words *words, size_t *at, bool is_save)
{
    for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
        if (directions[i].is_save == is_save && words_are(words, at, directions[i].words)) {
            return &directions[i];
        }
    }
    return NULL;
}

/* It is saved whatever it says, as in ProxySQL: half of a change may be on its way. */
static int save_to_disk(struct run *run, unsigned modules)
{
    int rc = layers_copy(run->store, modules, LAYER_MEMORY, LAYER_DISK, run->reply);

    if (rc == 0) {
        layers_say_start(run->store);
    }
    return rc;
}

static int act(struct run *run, unsigned modules, enum action action)
{
    struct store *store = run->store;

    switch (action) {
    case MEMORY_TO_RUNTIME: return layers_apply(store, modules, false, run->reply);
    case RUNTIME_TO_MEMORY:
        return layers_copy(store, modules, LAYER_RUNTIME, LAYER_MEMORY, run->reply);
    case MEMORY_TO_DISK: return save_to_disk(run, modules);
    case DISK_TO_MEMORY: return layers_copy(store, modules, LAYER_DISK, LAYER_MEMORY, run->reply);
    case FILE_TO_MEMORY:
        return layers_read_file(store, modules, store->config_file, true, run->reply);
    }
    UNREACHABLE();
}

static void load_or_save(struct run *run, size_t at, bool is_save)
{
    unsigned modules = read_modules(&run->words, &at);
    const struct direction *direction;
    bool dry;

    if (modules == 0) {
        command_syntax(run, at,
                       "MYSQL SERVERS, MYSQL USERS, MYSQL QUERY RULES, MYSQL VARIABLES, "
                       "ADMIN VARIABLES, MYSQL FIREWALL, SCHEDULER, PROXYSQL SERVERS or "
                       "CONFIG");
        return;
    }
    direction = read_direction(&run->words, &at, is_save);
    if (direction == NULL) {
        command_syntax(run, at,
                       is_save ? "TO MEMORY (= FROM RUNTIME) or TO DISK (= FROM MEMORY)"
                               : "TO RUNTIME (= FROM MEMORY), TO MEMORY (= FROM DISK) or "
                                 "FROM CONFIG");
        return;
    }
    dry = direction->action == MEMORY_TO_RUNTIME && words_are(&run->words, &at, "DRY RUN");
    if (!words_at_end(&run->words, at)) {
        command_syntax(run, at, "the end of the command");
    } else if (dry) {
        (void)!layers_apply(run->store, modules, true, run->reply);
    } else if (act(run, modules, direction->action) == 0) {
        reply_info(run->reply, 0, NULL);
    }
}

void command_load(struct run *run, size_t at)
{
    load_or_save(run, at, false);
}

void command_save(struct run *run, size_t at)
{
    load_or_save(run, at, true);
}

/* --- one user --------------------------------------------------------------------------------- */

/*
 * MEMORY as RUNTIME, but for the rows of this user; a savepoint brings the rest back. Returns
 * SQLite's code.
 */
static int leave_one_user(struct store *store, const char *name)
{
    return sql_exec(store,
                    "CREATE TEMP TABLE IF NOT EXISTS kept AS SELECT * FROM main.mysql_users "
                    "WHERE 0; INSERT INTO temp.kept SELECT * FROM main.mysql_users;"
                    "DELETE FROM main.mysql_users WHERE username <> %Q;"
                    "INSERT INTO main.mysql_users SELECT * FROM main._loaded_mysql_users "
                    "WHERE username <> %Q",
                    name, name);
}

static int bring_users_back(struct store *store)
{
    return sql_exec(store, "DELETE FROM main.mysql_users; INSERT INTO main.mysql_users SELECT * "
                           "FROM temp.kept; DELETE FROM temp.kept");
}

void command_load_user(struct run *run, size_t at)
{
    struct store *store = run->store;
    char *name = word_value(&run->words, at);
    bool dry;

    at++;
    if (name == NULL ||
        (!words_are(&run->words, &at, "TO RUNTIME") && !words_are(&run->words, &at, "TO RUN") &&
         !words_are(&run->words, &at, "FROM MEMORY") && !words_are(&run->words, &at, "FROM MEM"))) {
        command_syntax(run, at - 1, "a username and TO RUNTIME; all of them: LOAD MYSQL USERS");
        mem_free(MEM_ADMIN, name);
        return;
    }
    dry = words_are(&run->words, &at, "DRY RUN");
    if (!words_at_end(&run->words, at)) {
        command_syntax(run, at, "the end of the command");
    } else if (sql_savepoint(store, "one_user") != SQLITE_OK ||
               leave_one_user(store, name) != SQLITE_OK) {
        sql_error(store, run->reply);
        (void)sql_release(store, "one_user", false);
    } else {
        bool good = layers_apply(store, BIT(MODULE_USERS), dry, run->reply) == 0;

        (void)sql_release(store, "one_user", bring_users_back(store) == SQLITE_OK);
        if (good && !dry) {
            reply_info(run->reply, 0, NULL);
        }
    }
    mem_free(MEM_ADMIN, name);
}

/* --- history ---------------------------------------------------------------------------------- */

void command_load_history(struct run *run, size_t at)
{
    int64_t n;
    bool to_runtime;

    if (!word_number(&run->words, at, &n)) {
        command_syntax(run, at, "a number of SHOW CONFIG HISTORY");
        return;
    }
    at++;
    to_runtime = words_are(&run->words, &at, "TO RUNTIME");
    if (!words_at_end(&run->words, at)) {
        command_syntax(run, at, "TO RUNTIME or the end of the command");
        return;
    }
    if (history_load(run->store, n, run->reply) != 0) {
        return;
    }
    if (!to_runtime) {
        reply_info(run->reply, 0, "State %lld is in MEMORY; LOAD CONFIG TO RUNTIME applies it",
                   (long long)n);
    } else if (layers_apply(run->store, MODULES_ALL, false, run->reply) == 0) {
        reply_info(run->reply, 0, "State %lld runs", (long long)n);
    }
}

void command_show_history(struct run *run, size_t at)
{
    (void)at;
    history_show(run->store, run->reply);
}

void command_show_diff(struct run *run, size_t at)
{
    (void)at;
    diff_show(run->store, run->reply);
}

/* --- a file ----------------------------------------------------------------------------------- */

void command_show_file(struct run *run, size_t at)
{
    static const char *const columns[] = {"Data"};
    struct config_text text = {0};

    (void)at;
    if (config_text_make(run->store, MODULES_ALL, &text, run->reply) == 0) {
        reply_columns(run->reply, 1, columns);
        reply_value(run->reply, (struct slice){text.text, text.len});
    }
    config_text_fini(&text);
}

/* A path without quotes goes to the end of the statement. */
static char *read_path(struct run *run, size_t at)
{
    struct slice rest = run_rest(run, at);

    if (at < run->words.n && run->words.at[at].quote != '\0') {
        return words_at_end(&run->words, at + 1) ? word_value(&run->words, at) : NULL;
    }
    if (rest.len == 0 || rest.len > 4000 || memchr(rest.data, ' ', rest.len) != NULL) {
        return NULL;
    }
    return mem_copy(MEM_ADMIN, rest);
}

/*
 * Where the process was started is nothing a DBA sees: a relative path is one below the data
 * directory. Takes path.
 */
static char *below_datadir(struct run *run, char *path)
{
    struct snapshot *snapshot;
    const char *folder;
    char *whole;
    size_t size;

    if (path == NULL || path[0] == '/' || path[0] == '\0') {
        return path;
    }
    snapshot = galeway_snapshot(run->store->galeway);
    folder = snapshot->conf->datadir;
    size = strlen(folder) + strlen(path) + 2;
    whole = mem_new(MEM_ADMIN, size);
    (void)snprintf(whole, size, "%s/%s", folder, path);
    snapshot_unref(snapshot);
    mem_free(MEM_ADMIN, path);
    return whole;
}

void command_save_file(struct run *run, size_t at)
{
    struct config_text text = {0};
    char *path = below_datadir(run, read_path(run, at));

    if (path == NULL || path[0] == '\0') {
        command_syntax(run, at, "the path of a file");
    } else if (config_text_make(run->store, MODULES_ALL, &text, run->reply) == 0 &&
               config_text_write(&text, path, run->reply) == 0) {
        reply_info(run->reply, 0, "File %s is written", path);
    }
    config_text_fini(&text);
    mem_free(MEM_ADMIN, path);
}

/* --- checksums -------------------------------------------------------------------------------- */

/* MYSQL GALERA HOSTGROUPS is mysql_galera_hostgroups. NULL = no such table. */
static const struct config_table *read_table(struct run *run, size_t at)
{
    struct slice rest = run_rest(run, at);
    const struct config_table *table;
    char name[STORE_NAME_MAX];

    if (rest.len >= sizeof(name)) {
        return NULL;
    }
    for (size_t i = 0; i < rest.len; i++) {
        name[i] = (char)(rest.data[i] == ' ' ? '_' : rest.data[i]);
    }
    table = config_table_find((struct slice){name, rest.len});
    return table == NULL || strcmp(table->name, "global_variables") == 0 ? NULL : table;
}

static bool put_checksum(struct run *run, const struct config_table *table, enum layer layer)
{
    char text[24];
    uint64_t sum;

    if (layers_table_checksum(run->store, table, layer, &sum, run->reply) != 0) {
        return false;
    }
    (void)snprintf(text, sizeof(text), "0x%016llX", (unsigned long long)sum);
    reply_text(run->reply, table->name);
    reply_text(run->reply, text);
    return true;
}

void command_checksum(struct run *run, size_t at)
{
    static const char *const columns[] = {"table", "checksum"};
    enum layer layer = LAYER_MEMORY;
    const struct config_table *one;
    unsigned modules;
    size_t end;

    if (words_are(&run->words, &at, "DISK")) {
        layer = LAYER_DISK;
    } else if (words_are(&run->words, &at, "RUNTIME")) {
        layer = LAYER_RUNTIME;
    } else if (!words_are(&run->words, &at, "MEMORY")) {
        (void)words_are(&run->words, &at, "MEM");
    }
    end = at;
    modules = read_modules(&run->words, &end);
    one = modules != 0 && words_at_end(&run->words, end) ? NULL : read_table(run, at);
    if (one == NULL && (modules == 0 || !words_at_end(&run->words, end))) {
        command_syntax(run, modules == 0 ? at : end,
                       "DISK, MEMORY or RUNTIME and a module or a table: CHECKSUM DISK MYSQL "
                       "SERVERS, CHECKSUM MEMORY MYSQL GALERA HOSTGROUPS");
        return;
    }
    reply_columns(run->reply, ARRAY_SIZE(columns), columns);
    for (size_t i = 0; i < config_tables_count(); i++) {
        const struct config_table *table = config_table_at(i);
        bool is_meant = one != NULL ? table == one : (modules & BIT(table->module)) != 0;

        if (is_meant && !put_checksum(run, table, layer)) {
            return;
        }
    }
}
