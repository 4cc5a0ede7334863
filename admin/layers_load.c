/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layers_load.c - CONFIG FILE to MEMORY, MEMORY to RUNTIME.
 */
#include <stdio.h>

#include "admin/config_text.h"
#include "admin/history.h"
#include "admin/layers.h"
#include "admin/store_sql.h"
#include "admin/variables.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/walk.h"
#include "pool/node_tls.h"
#include "proxy/galeway.h"
#include "router/rules.h"

#define NOTHING         "Nothing was changed"
#define TEXT_FAULTS_MAX 5 /* in the text of the error; SHOW WARNINGS has all */

/* --- faults ----------------------------------------------------------------------------------- */

/*
 * A LOAD of a module tells what that module says; an error of any module is its business. text:
 * NULL = of a file.
 */
static bool concerns(const struct config_text *text, unsigned modules, const struct fault *fault)
{
    enum module module = text == NULL ? MODULE_COUNT : config_text_module(text, fault);

    return fault->is_error || module == MODULE_COUNT || (modules & BIT(module)) != 0;
}

/* They become warnings of the statement; the first errors become its error. */
static void say_faults(struct store *store, const struct config_text *text, unsigned modules,
                       const struct faults *faults, struct reply *reply)
{
    sqlite3_str *said = sqlite3_str_new(NULL);
    size_t n = 0;
    char *list;

    for (size_t i = 0; i < faults->count; i++) {
        const struct fault *fault = &faults->items[i];
        char *line;

        if (!concerns(text, modules, fault)) {
            continue;
        }
        line = text != NULL ? config_text_fault(store, text, fault)
                            : sqlite3_mprintf("%s:%d: %s", fault->file, fault->line, fault->text);
        store_warn(store, fault->is_error ? "Error" : "Warning", fault->is_error ? 1231 : 1287,
                   "%s", line == NULL ? fault->text : line);
        if (fault->is_error && n++ < TEXT_FAULTS_MAX) {
            sqlite3_str_appendf(said, "; %s", line == NULL ? fault->text : line);
        }
        sqlite3_free(line);
    }
    list = sqlite3_str_finish(said);
    if (faults->errors > 0 && reply != NULL) {
        reply_error(reply, err_number(ERR_CONFIG), err_sqlstate(ERR_CONFIG),
                    NOTHING ", %zu fault%s%s%s", faults->errors, faults->errors == 1 ? "" : "s",
                    list == NULL ? "" : list,
                    faults->errors > TEXT_FAULTS_MAX ? "; SHOW WARNINGS has all" : "");
    }
    sqlite3_free(list);
}

const char *layers_why(const struct reply *reply)
{
    const char *message = reply->kind == REPLY_ERROR ? reply->message : "";
    const char *list =
        strncmp(message, NOTHING, sizeof(NOTHING) - 1) == 0 ? strstr(message, "; ") : NULL;

    return list == NULL ? message : list + 2;
}

/* --- from a file ------------------------------------------------------------------------------ */

struct reading {
    struct store *store;
    unsigned modules;
    int rc; /* SQLite's */
    const struct config_table *table;
    sqlite3_str *names, *values; /* of the row being read; NULL = none */
};

/* The file has ProxySQL's other names for two columns. */
static const char *column_name(const char *section, const char *name)
{
    if (strcmp(section, "mysql_servers") == 0 && strcmp(name, "address") == 0) {
        return "hostname";
    }
    if (strcmp(section, "mysql_servers") == 0 && strcmp(name, "hostgroup") == 0) {
        return "hostgroup_id";
    }
    return name;
}

static void read_column(struct reading *r, const char *section, const char *name,
                        struct slice value)
{
    if (r->names == NULL) {
        r->names = sqlite3_str_new(r->store->db);
        r->values = sqlite3_str_new(r->store->db);
    }
    /* A column of a later release is refused by SQLite, by name. */
    sqlite3_str_appendf(r->names, "%s\"%w\"", sqlite3_str_length(r->names) > 0 ? ", " : "",
                        column_name(section, name));
    if (slice_eq(value, SLICE("true")) || slice_eq(value, SLICE("false"))) {
        value = slice_eq(value, SLICE("true")) ? SLICE("1") : SLICE("0");
    }
    sqlite3_str_appendf(r->values, "%s'%.*q'", sqlite3_str_length(r->values) > 0 ? ", " : "",
                        (int)value.len, value.data);
}

static void end_row(struct reading *r)
{
    char *names = r->names == NULL ? NULL : sqlite3_str_finish(r->names);
    char *values = r->values == NULL ? NULL : sqlite3_str_finish(r->values);

    if (names != NULL && values != NULL && r->rc == SQLITE_OK) {
        r->rc = sql_exec(r->store, "INSERT OR REPLACE INTO main.%s (%s) VALUES (%s)",
                         r->table->name, names, values);
        (void)snprintf(r->store->write_table, sizeof(r->store->write_table), "%s", r->table->name);
    }
    sqlite3_free(names);
    sqlite3_free(values);
    r->names = r->values = NULL;
}

static void read_variable(struct reading *r, const char *group, const char *name,
                          struct slice value)
{
    if (r->rc == SQLITE_OK) {
        r->rc = sql_exec(r->store,
                         "INSERT OR REPLACE INTO main.global_variables VALUES ('%s-%q', '%.*q')",
                         group, name, (int)value.len, value.data);
    }
}

static void on_value(void *ctx, const char *section, size_t row, const char *name,
                     struct slice value)
{
    struct reading *r = ctx;

    (void)row;
    if (strcmp(section, "mysql_variables") == 0 || strcmp(section, "admin_variables") == 0) {
        enum module module = section[0] == 'm' ? MODULE_MYSQL_VARIABLES : MODULE_ADMIN_VARIABLES;

        if ((r->modules & BIT(module)) != 0 && name != NULL) {
            read_variable(r, section[0] == 'm' ? "mysql" : "admin", name, value);
        }
        return;
    }
    r->table = config_table_find(slice_of(section));
    if (r->table == NULL || (r->modules & BIT(r->table->module)) == 0) {
        return;
    }
    if (name != NULL) {
        read_column(r, section, name, value);
    } else {
        end_row(r);
    }
}

static int empty_memory(struct store *store, unsigned modules)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; i < config_tables_count() && rc == SQLITE_OK; i++) {
        const struct config_table *table = config_table_at(i);

        if ((modules & BIT(table->module)) != 0) {
            rc = sql_exec(store, "DELETE FROM main.%s WHERE %s", table->name, table->filter);
        }
    }
    return rc;
}

/* path or text: one is NULL. */
static int read_rows(struct store *store, unsigned modules, const char *path, struct slice text,
                     bool merge, struct reply *reply)
{
    struct reading r = {.store = store, .modules = modules};
    struct faults faults = {0};
    int rc;

    r.rc = sql_savepoint(store, "reading");
    if (r.rc == SQLITE_OK && !merge) {
        r.rc = empty_memory(store, modules);
    }
    rc = path != NULL ? conf_walk(path, &faults, on_value, &r)
                      : conf_walk_text("history", text, &faults, on_value, &r);
    faults_fini(&faults); /* it was checked before: said there */
    end_row(&r);
    if (rc == 0 && r.rc == SQLITE_OK) {
        rc = variables_fill(store, LAYER_MEMORY);
        r.rc = sql_release(store, "reading", true);
    }
    if (r.rc != SQLITE_OK) {
        sql_error(store, reply);
        rc = ERR_CONFIG;
    } else if (rc != 0) {
        reply_error(reply, err_number(ERR_FILE), err_sqlstate(ERR_FILE),
                    "The configuration file changed while it was read");
    }
    if (rc != 0) {
        (void)sql_release(store, "reading", false);
    }
    return rc;
}

int layers_read_text(struct store *store, unsigned modules, struct slice text, struct reply *reply)
{
    return read_rows(store, modules, NULL, text, false, reply);
}

int layers_read_file(struct store *store, unsigned modules, const char *path, bool merge,
                     struct reply *reply)
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    int rc = conf_load(&conf, path, &faults);

    say_faults(store, NULL, modules, &faults, reply);
    if (rc == 0) {
        rc = read_rows(store, modules, path, SLICE(""), merge, reply);
    } else if (faults.errors == 0) {
        reply_error(reply, err_number(rc), err_sqlstate(rc), "%s: %s", path, err_text(rc));
    }
    faults_fini(&faults);
    conf_unref(conf);
    return rc;
}

/* --- to RUNTIME ------------------------------------------------------------------------------- */

static void set_applied(struct store *store, struct conf *conf)
{
    conf_unref(store->applied);
    store->applied = conf_ref(conf);
}

static void say_dry(struct store *store, const struct config_text *text, unsigned modules,
                    const struct faults *faults, struct reply *reply)
{
    static const char *const columns[] = {"level", "message"};

    reply_columns(reply, ARRAY_SIZE(columns), columns);
    for (size_t i = 0; i < faults->count; i++) {
        char *line;

        if (!concerns(text, modules, &faults->items[i])) {
            continue;
        }
        line = config_text_fault(store, text, &faults->items[i]);
        reply_text(reply, faults->items[i].is_error ? "Error" : "Warning");
        reply_text(reply, line == NULL ? faults->items[i].text : line);
        sqlite3_free(line);
    }
    if (faults->errors == 0) {
        reply_text(reply, "Note");
        reply_text(reply, "It would be applied.");
    }
}

/*
 * Not with LOAD MYSQL USERS: who loads variables is told what waits for a restart. conf: NULL = it
 * is refused.
 */
static void say_restart(const struct store *store, unsigned modules, const struct conf *conf,
                        struct faults *faults)
{
    if (conf != NULL &&
        (modules & (BIT(MODULE_MYSQL_VARIABLES) | BIT(MODULE_ADMIN_VARIABLES))) != 0) {
        galeway_say_restart(store->galeway, conf, faults);
    }
}

/* Takes conf. */
static int publish(struct store *store, unsigned modules, struct conf *conf,
                   const struct config_text *text, struct faults *faults, struct reply *reply)
{
    int rc;

    (void)conf_ref(conf); /* one for galeway_apply, one for us */
    rc = galeway_apply(store->galeway, conf, faults);
    say_restart(store, modules, rc == 0 ? conf : NULL, faults);
    say_faults(store, text, modules, faults, reply);
    if (rc != 0) {
        conf_unref(conf);
        conf_unref(conf);
        if (reply->kind != REPLY_ERROR) {
            reply_error(reply, err_number(rc), err_sqlstate(rc), "Nothing was changed: %s",
                        err_text(rc));
        }
        return rc;
    }
    set_applied(store, conf);
    conf_unref(conf);
    rc = layers_copy(store, modules, LAYER_MEMORY, LAYER_RUNTIME, reply);
    layers_note_applied(store, modules);
    if (store->who != NULL) { /* else it is the start, which is noted when it is over */
        history_add(store, modules, text);
    }
    return rc;
}

/* galeway_apply() does; the rest of it cannot fail for what a row says. */
static void check_more(struct galeway *g, const struct conf *conf, struct faults *faults)
{
    struct certificates_read certificates;
    struct rules *rules = NULL;

    if (conf == NULL) {
        return;
    }
    if (certificates_read(&g->certificates, conf, false, false, &certificates, faults) == 0) {
        certificates_drop(&certificates);
    }
    node_tls_judge(conf, faults);
    if (rules_new(&rules, conf, faults) == 0) {
        rules_free(rules);
    }
}

int layers_apply(struct store *store, unsigned modules, bool dry, struct reply *reply)
{
    struct config_text text = {0};
    struct faults faults = {0};
    struct conf *conf = NULL;
    int rc = config_text_make(store, modules, &text, reply);

    if (rc != 0) {
        return rc;
    }
    rc = conf_judge_text(&conf, CONFIG_TEXT_NAME, (struct slice){text.text, text.len}, &faults);
    if (dry || rc != 0) {
        check_more(store->galeway, conf, &faults);
    }
    if (dry) {
        say_restart(store, modules, rc == 0 ? conf : NULL, &faults);
        say_dry(store, &text, modules, &faults, reply);
        conf_unref(conf);
        rc = 0;
    } else if (rc != 0) {
        conf_unref(conf);
        say_faults(store, &text, modules, &faults, reply);
        if (reply->kind != REPLY_ERROR) {
            reply_error(reply, err_number(rc), err_sqlstate(rc), "Nothing was changed: %s",
                        err_text(rc));
        }
    } else {
        rc = publish(store, modules, conf, &text, &faults, reply);
    }
    faults_fini(&faults);
    config_text_fini(&text);
    return rc;
}

/* --- the next start --------------------------------------------------------------------------- */

/*
 * What a start would take, for the time of a savepoint, in MEMORY. Returns 0 or an error in reply.
 */
static int take_as_start(struct store *store, struct reply *reply)
{
    int rc = 0;

    if (store->config_file != NULL) {
        rc = layers_read_file(store, MODULES_ALL, store->config_file, false, reply);
    }
    return rc == 0 ? layers_copy(store, layers_saved(store), LAYER_DISK, LAYER_MEMORY, reply) : rc;
}

static void judge_start(struct store *store, const struct config_text *text)
{
    struct faults faults = {0};
    struct conf *conf = NULL;

    (void)!conf_judge_text(&conf, CONFIG_TEXT_NAME, (struct slice){text->text, text->len}, &faults);
    check_more(store->galeway, conf, &faults);
    if (faults.errors > 0) {
        store_warn(store, "Warning", 1231,
                   "Saved, but the next start would apply nothing of DISK: %s would run",
                   store->config_file == NULL ? "no configuration" : store->config_file);
    }
    for (size_t i = 0; i < faults.count; i++) {
        char *line =
            faults.items[i].is_error ? config_text_fault(store, text, &faults.items[i]) : NULL;

        if (line != NULL) {
            store_warn(store, "Warning", 1231, "%s", line);
        }
        sqlite3_free(line);
    }
    conf_unref(conf);
    faults_fini(&faults);
}

void layers_say_start(struct store *store)
{
    struct store_session *who = store->who;
    struct config_text text = {0};
    struct reply reply = {0};
    int rc;

    if (sql_savepoint(store, "judged") != SQLITE_OK) {
        return;
    }
    store->who = NULL; /* what the file says is not about what was saved */
    rc = take_as_start(store, &reply);
    store->who = who;
    if (rc == 0) {
        rc = config_text_make(store, MODULES_ALL, &text, &reply);
    }
    if (rc == 0) {
        judge_start(store, &text);
    } else {
        store_warn(store, "Warning", 1231, "Saved, but the next start would fail: %s",
                   layers_why(&reply));
    }
    (void)sql_release(store, "judged", false);
    config_text_fini(&text);
    reply_fini(&reply);
}

void layers_follow(struct store *store)
{
    struct snapshot *snapshot = galeway_snapshot(store->galeway);
    struct reply reply = {0};
    bool is_same = snapshot->conf == store->applied;

    if (!is_same) {
        set_applied(store, snapshot->conf);
    }
    snapshot_unref(snapshot);
    if (is_same) {
        return;
    }
    if (layers_read_file(store, MODULES_ALL, store->config_file, false, &reply) != 0 ||
        layers_copy(store, MODULES_ALL, LAYER_MEMORY, LAYER_RUNTIME, &reply) != 0) {
        log_warn(NULL, "the console does not show the configuration that was read again: %s",
                 reply.kind == REPLY_ERROR ? reply.message : "");
    }
    layers_note_applied(store, MODULES_ALL);
    history_note(store, "(file)");
    reply_fini(&reply);
}
