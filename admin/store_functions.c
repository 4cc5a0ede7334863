/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_functions.c - MySQL's functions and variables in SQLite.
 */
#include <stdio.h>
#include <time.h>

#include "admin/store_sql.h"
#include "admin/variables.h"
#include "base/clock.h"
#include "base/version.h"
#include "router/regex.h"

struct sysvar {
    const char *name, *value;
    bool is_settable;
};

static const struct sysvar sysvars[] = {
#define SYSVAR(name, value) {name, value, true},
#define FIXED(name, value)  {name, value, false},
#include "admin/sysvars.def"
#undef SYSVAR
#undef FIXED
};

size_t sysvars_count(void)
{
    return ARRAY_SIZE(sysvars);
}

const char *sysvar_name(size_t i)
{
    return sysvars[i].name;
}

const char *sysvar_value(size_t i)
{
    return sysvars[i].value;
}

struct slice sysvar_plain_name(struct slice name)
{
    static const char *const scopes[] = {"session.", "global.", "local."};

    while (name.len > 0 && name.data[0] == '@') {
        name = (struct slice){name.data + 1, name.len - 1};
    }
    for (size_t i = 0; i < ARRAY_SIZE(scopes); i++) {
        size_t n = strlen(scopes[i]);

        if (name.len > n && sqlite3_strnicmp(name.data, scopes[i], (int)n) == 0) {
            return (struct slice){name.data + n, name.len - n};
        }
    }
    return name;
}

bool sysvar_is_settable(struct slice name)
{
    for (size_t i = 0; i < ARRAY_SIZE(sysvars); i++) {
        if (slice_eq_nocase(name, slice_of(sysvars[i].name))) {
            return sysvars[i].is_settable;
        }
    }
    return false;
}

/* --- functions -------------------------------------------------------------------------------- */

static struct store *store_of(sqlite3_context *context)
{
    return sqlite3_user_data(context);
}

static struct slice argument(sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);

    return (struct slice){text, text == NULL ? 0 : (size_t)sqlite3_value_bytes(value)};
}

/* mysql-... and admin-...: those in MEMORY, for administrators. */
static bool put_our_variable(sqlite3_context *context, struct slice name)
{
    struct store *store = store_of(context);
    const struct key *key = name.data == NULL ? NULL : key_find(name);
    sqlite3_stmt *stmt = NULL;
    bool found;

    if (key == NULL || store->who == NULL || !store->who->is_admin) {
        return false;
    }
    if (key == key_at(KEY_admin_version)) {
        sqlite3_result_text(context, GALEWAY_VERSION "-Galeway", -1, SQLITE_STATIC);
        return true;
    }
    found = sql_prepare(store, &stmt,
                        "SELECT variable_value FROM main.global_variables WHERE variable_name = %Q",
                        key->name) == SQLITE_OK &&
            sql_step(store, stmt) == SQLITE_ROW;
    if (found) {
        sqlite3_result_value(context, sqlite3_column_value(stmt, 0));
    }
    (void)sqlite3_finalize(stmt);
    return found;
}

static void fn_sysvar(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct slice name = sysvar_plain_name(argument(values[0]));
    char why[160];

    (void)n;
    for (size_t i = 0; i < ARRAY_SIZE(sysvars); i++) {
        if (slice_eq_nocase(name, slice_of(sysvars[i].name))) {
            sqlite3_result_text(context, sysvars[i].value, -1, SQLITE_STATIC);
            return;
        }
    }
    if (put_our_variable(context, name)) {
        return;
    }
    (void)snprintf(why, sizeof(why), "Unknown system variable '%.*s'", (int)MIN(name.len, 64u),
                   name.data == NULL ? "" : name.data);
    sqlite3_result_error(context, why, -1);
}

static void fn_database(sqlite3_context *context, int n, sqlite3_value **values)
{
    const struct store_session *who = store_of(context)->who;

    (void)n;
    (void)values;
    sqlite3_result_text(context, who == NULL ? "main" : who->schema, -1, SQLITE_TRANSIENT);
}

static void fn_user(sqlite3_context *context, int n, sqlite3_value **values)
{
    const struct store_session *who = store_of(context)->who;
    char text[STORE_NAME_MAX + 8];
    int len = snprintf(text, sizeof(text), "%s@%%", who == NULL ? "" : who->user);

    (void)n;
    (void)values;
    sqlite3_result_text(context, text, len, SQLITE_TRANSIENT);
}

static void fn_connection_id(sqlite3_context *context, int n, sqlite3_value **values)
{
    const struct store_session *who = store_of(context)->who;

    (void)n;
    (void)values;
    sqlite3_result_int64(context, who == NULL ? 0 : who->id);
}

static void fn_version(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    (void)values;
    sqlite3_result_text(context, GALEWAY_VERSION "-Galeway", -1, SQLITE_STATIC);
}

static void fn_row_count(sqlite3_context *context, int n, sqlite3_value **values)
{
    const struct store_session *who = store_of(context)->who;

    (void)n;
    (void)values;
    sqlite3_result_int64(context, who == NULL ? 0 : (int64_t)who->last_changes);
}

static void fn_zero(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    (void)values;
    sqlite3_result_int(context, 0);
}

static void say_time(sqlite3_context *context, time_t seconds)
{
    struct tm tm;
    char text[32];
    size_t len;

    if (gmtime_r(&seconds, &tm) == NULL) {
        sqlite3_result_null(context);
        return;
    }
    len = strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    sqlite3_result_text(context, text, (int)len, SQLITE_TRANSIENT);
}

static void fn_now(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    (void)values;
    say_time(context, (time_t)(clock_unix_us() / 1000000));
}

static void fn_unix_timestamp(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    (void)values;
    sqlite3_result_int64(context, (int64_t)(clock_unix_us() / 1000000));
}

static void fn_from_unixtime(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    if (sqlite3_value_type(values[0]) == SQLITE_NULL) {
        sqlite3_result_null(context);
    } else {
        say_time(context, (time_t)sqlite3_value_int64(values[0]));
    }
}

/* CONCAT: NULL when one is NULL. */
static void fn_concat(sqlite3_context *context, int n, sqlite3_value **values)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    int len;

    for (int i = 0; i < n; i++) {
        struct slice part = argument(values[i]);

        if (part.data == NULL) {
            sqlite3_free(sqlite3_str_finish(text));
            sqlite3_result_null(context);
            return;
        }
        sqlite3_str_append(text, part.data, (int)part.len);
    }
    len = sqlite3_str_length(text);
    sqlite3_result_text(context, sqlite3_str_finish(text), len, sqlite3_free);
}

static void fn_if(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    sqlite3_result_value(context, sqlite3_value_double(values[0]) != 0 ? values[1] : values[2]);
}

static void free_regex(void *regex)
{
    regex_free(regex);
}

/*
 * x REGEXP 'pattern': the regular expressions of rules, so that patterns can be tried here; case is
 * ignored.
 */
static void fn_regexp(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct slice pattern = argument(values[0]), text = argument(values[1]);
    struct regex *regex = sqlite3_get_auxdata(context, 0);
    char why[REGEX_WHY];

    (void)n;
    if (pattern.data == NULL || text.data == NULL) {
        sqlite3_result_null(context);
        return;
    }
    if (regex == NULL) {
        regex = regex_new(pattern.data, true, why);
        if (regex == NULL) {
            sqlite3_result_error(context, why, -1);
            return;
        }
        sqlite3_set_auxdata(context, 0, regex, free_regex);
        regex = sqlite3_get_auxdata(context, 0); /* NULL when it could not be kept */
    }
    if (regex == NULL) {
        sqlite3_result_error_nomem(context);
    } else {
        sqlite3_result_int(context,
                           regex_match(regex, store_of(context)->scratch, text) == REGEX_YES);
    }
}

/*
 * Of the trigger on global_variables: the value as it is kept, or an error that says what is
 * allowed.
 */
static void fn_variable(sqlite3_context *context, int n, sqlite3_value **values)
{
    char *why = NULL;
    char *value;

    (void)n;
    value = variable_checked(store_of(context), argument(values[0]), argument(values[1]), &why);
    if (value == NULL) {
        sqlite3_result_error(context, why == NULL ? "Out of memory" : why, -1);
    } else {
        sqlite3_result_text(context, value, -1, SQLITE_TRANSIENT);
    }
    sqlite3_free(value);
    sqlite3_free(why);
}

typedef void (*function_fn)(sqlite3_context *context, int n, sqlite3_value **values);

static const struct function {
    const char *name;
    int arguments; /* -1 = any number */
    bool same;     /* the same arguments give the same result */
    function_fn call;
} functions[] = {
    {"sysvar", 1, false, fn_sysvar},
    {"database", 0, false, fn_database},
    {"schema", 0, false, fn_database},
    {"user", 0, false, fn_user},
    {"current_user", 0, false, fn_user},
    {"session_user", 0, false, fn_user},
    {"system_user", 0, false, fn_user},
    {"connection_id", 0, false, fn_connection_id},
    {"version", 0, true, fn_version},
    {"row_count", 0, false, fn_row_count},
    {"found_rows", 0, false, fn_zero},
    {"last_insert_id", 0, false, fn_zero},
    {"now", 0, false, fn_now},
    {"sysdate", 0, false, fn_now},
    {"unix_timestamp", 0, false, fn_unix_timestamp},
    {"from_unixtime", 1, true, fn_from_unixtime},
    {"concat", -1, true, fn_concat},
    {"if", 3, true, fn_if},
    {"regexp", 2, true, fn_regexp},
    {"galeway_variable", 2, false, fn_variable},
};

int sql_functions(struct store *store)
{
    int rc = SQLITE_OK;

    store->scratch = regex_scratch_new();
    for (size_t i = 0; i < ARRAY_SIZE(functions) && rc == SQLITE_OK; i++) {
        const struct function *f = &functions[i];
        int flags = SQLITE_UTF8 | SQLITE_INNOCUOUS | (f->same ? SQLITE_DETERMINISTIC : 0);

        rc = sqlite3_create_function_v2(store->db, f->name, f->arguments, flags, store, f->call,
                                        NULL, NULL, NULL);
    }
    return rc;
}
