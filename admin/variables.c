/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variables.c - see variables.h. What a value may be is known in conf/keys.def and nowhere else.
 */
#include "admin/variables.h"

#include <stdio.h>

#include "admin/layers.h"
#include "admin/store_sql.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

/* --- values ----------------------------------------------------------------------------------- */

void variable_unknown(struct slice name, char *out, size_t cap)
{
    size_t group = name.data == NULL ? 0 : strcspn(name.data, "-_");
    const struct key *near = NULL;
    struct slice shown = {name.data == NULL ? "" : name.data, MIN(name.len, (size_t)100)};

    for (size_t i = 0; i < 2 && near == NULL; i++) {
        const char *prefix = i == 0 ? "mysql" : "admin";
        struct slice rest = name;

        if (group == 5 && name.len > 6 && sqlite3_strnicmp(name.data, prefix, 5) == 0) {
            rest = (struct slice){name.data + 6, name.len - 6};
        } else if (group == 5 && name.len > 6 &&
                   sqlite3_strnicmp(name.data, i == 0 ? "admin" : "mysql", 5) == 0) {
            continue;
        }
        near = key_nearest(prefix, rest);
    }
    (void)snprintf(out, cap, "Unknown variable '%.*s'%s%s%s", SLICE_ARGS(shown),
                   near == NULL ? "" : "; did you mean '", near == NULL ? "" : near->name,
                   near == NULL ? "" : "'?");
}

static char *format_value(const struct conf_vars *vars, const struct key *key)
{
    size_t len = key_format(vars, key, NULL, 0);
    char *out = sqlite3_malloc64(len + 1);

    if (out != NULL) {
        (void)key_format(vars, key, out, len + 1);
    }
    return out;
}

char *variable_checked(struct store *store, struct slice name, struct slice value, char **why)
{
    const struct key *key = name.data == NULL ? NULL : key_find(name);
    struct conf_vars *vars;
    char text[1024];
    char *out = NULL;

    if (key == NULL) {
        variable_unknown(name, text, sizeof(text));
        *why = sqlite3_mprintf("%s", text);
        return NULL;
    }
    if (value.len > KEY_TEXT_MAX) {
        *why = sqlite3_mprintf("Variable %s: the value is longer than %d bytes", key->name,
                               KEY_TEXT_MAX);
        return NULL;
    }
    /*
     * Files of ProxySQL's have it, which is fine; who sets it on the console expects what will not
     * happen.
     */
    if (key == key_at(KEY_admin_version) && value.len > 0 && store->is_internal == 0 &&
        store->who != NULL) {
        *why = sqlite3_mprintf("Variable %s: is read only: what Galeway is", key->name);
        return NULL;
    }
    vars = mem_new(MEM_ADMIN, sizeof(*vars));
    if (key_set(vars, key, value.data == NULL ? SLICE("") : value, text, sizeof(text)) != 0) {
        *why = sqlite3_mprintf("Variable %s", text);
    } else {
        out = format_value(vars, key);
    }
    conf_vars_fini(vars);
    mem_free(MEM_ADMIN, vars);
    if (out != NULL && !key_is_acted_on(key) && strcmp(out, key->preset) != 0) {
        store_warn(store, "Warning", 1287, "%s is accepted, but Galeway does not act on it (yet)",
                   key->name);
    }
    return out;
}

void variable_set(struct store *store, struct slice name, struct slice value, struct reply *reply)
{
    const struct key *key = key_find(name);
    char text[1024];

    if (key == NULL) {
        variable_unknown(name, text, sizeof(text));
        reply_error(reply, 1193, "HY000", "%s", text);
        return;
    }
    sql_runf(store, reply,
             "INSERT OR REPLACE INTO main.global_variables (variable_name, variable_value) "
             "VALUES (%Q, '%.*q')",
             key->name, (int)value.len, value.data == NULL ? "" : value.data);
}

/* --- tables ----------------------------------------------------------------------------------- */

static const char *status_of(const struct key *key)
{
    switch (key->use) {
    case KEY_ACTED: return "acted on";
    case KEY_OURS: return "ours";
    case KEY_LATER: return "accepted";
    }
    UNREACHABLE();
}

static int describe(struct store *store, const struct key *key)
{
    int has_range = key->type == KEY_INT || key->type == KEY_INT64 || key->type == KEY_STRING;
    const char *unit = key->type == KEY_BOOL ? "true or false" : key->what;

    return sql_exec(store,
                    "INSERT INTO _variables VALUES (%Q, %Q, %Q, CASE %d WHEN 1 THEN %lld END,"
                    " CASE %d WHEN 1 THEN %lld END, %Q, %Q, %Q)",
                    key->name, key->preset, unit, has_range, (long long)key->min, has_range,
                    (long long)key->max, status_of(key), key_reload_text(key), key->help);
}

int variables_fill(struct store *store, enum layer layer)
{
    int rc = sql_exec(store,
                      "INSERT OR IGNORE INTO %sglobal_variables "
                      "SELECT variable_name, default_value FROM main._variables",
                      layer_prefix(layer));

    return rc == SQLITE_OK ? 0 : ERR_MEMORY;
}

int variables_create(struct store *store)
{
    int rc = sql_exec(
        store,
        /* An insert goes through the other trigger; triggers do not fire themselves. */
        "CREATE TRIGGER main.galeway_inserted AFTER INSERT ON main.global_variables BEGIN"
        " UPDATE global_variables SET variable_value = NEW.variable_value"
        "  WHERE variable_name = NEW.variable_name; END;"
        "CREATE TRIGGER main.galeway_updated AFTER UPDATE ON main.global_variables BEGIN"
        " UPDATE global_variables SET variable_value ="
        "  galeway_variable(NEW.variable_name, NEW.variable_value)"
        "  WHERE variable_name = NEW.variable_name; END;"
        "CREATE TABLE main._variables (variable_name VARCHAR PRIMARY KEY, default_value VARCHAR,"
        " unit VARCHAR, min INT, max INT, status VARCHAR, takes_effect VARCHAR, help VARCHAR);"
        "CREATE VIEW main.variables AS SELECT k.variable_name, g.variable_value AS value,"
        " k.default_value, k.unit, k.min, k.max, k.status, k.takes_effect, k.help"
        " FROM _variables k LEFT JOIN global_variables g USING (variable_name)");

    for (size_t i = 0; i < KEY_COUNT && rc == SQLITE_OK; i++) {
        rc = describe(store, key_at((enum key_id)i));
    }
    return rc == SQLITE_OK ? variables_fill(store, LAYER_MEMORY) : ERR_MEMORY;
}
