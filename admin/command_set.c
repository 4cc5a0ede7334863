/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_set.c - SET, USE, TRUNCATE and what is accepted without effect.
 */
#include "admin/command.h"
#include "admin/layers.h"
#include "admin/store_sql.h"
#include "admin/variables.h"
#include "base/mem.h"

void command_nothing(struct run *run, size_t at)
{
    (void)at; /* each statement is its own transaction */
    reply_info(run->reply, 0, NULL);
}

/* --- SET -------------------------------------------------------------------------------------- */

/* The words of clients that are no variables. */
static bool is_client_word(struct slice name)
{
    static const char *const words[] = {"names",    "character", "charset", "transaction",
                                        "password", "session",   "global"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (slice_eq_nocase(name, slice_of(words[i]))) {
            return true;
        }
    }
    return sysvar_is_settable(name);
}

/* A value: one word or text; of several assignments, up to the comma. */
static bool read_value(struct run *run, size_t *at, char **out)
{
    if (word_is(&run->words, *at, ":")) {
        (*at)++;
    }
    if (!word_is(&run->words, *at, "=") && !words_are(&run->words, at, "TO")) {
        return false;
    }
    *at += word_is(&run->words, *at, "=") ? 1 : 0;
    *out = word_value(&run->words, *at);
    (*at)++;
    return *out != NULL && (words_at_end(&run->words, *at) || word_is(&run->words, *at, ","));
}

/* One of ours: mysql-... or admin-... */
static bool set_ours(struct run *run, struct slice name, size_t *at)
{
    char *value = NULL;
    bool good = read_value(run, at, &value);

    if (!good) {
        command_syntax(run, *at, "= and a value; texts of more than one word in quotes");
    } else {
        variable_set(run->store, name, slice_of(value), run->reply);
        good = run->reply->kind != REPLY_ERROR;
    }
    mem_free(MEM_ADMIN, value);
    return good;
}

static bool is_ours(struct slice name)
{
    return name.len > 5 && (sqlite3_strnicmp(name.data, "mysql", 5) == 0 ||
                            sqlite3_strnicmp(name.data, "admin", 5) == 0 || key_find(name) != NULL);
}

/* What clients set goes up to the next comma outside of brackets; it has no effect. */
static void skip_assignment(struct run *run, size_t *at)
{
    int depth = 0;

    while (*at < run->words.n && !(depth == 0 && word_is(&run->words, *at, ","))) {
        depth += word_is(&run->words, *at, "(") ? 1 : 0;
        depth -= word_is(&run->words, *at, ")") ? 1 : 0;
        (*at)++;
    }
}

/* @@session.x, @@x, SESSION x, GLOBAL x: the scope is left out; @x is the client's own. */
static struct slice read_name(struct run *run, size_t *at, bool *is_user)
{
    *is_user = false;
    if (word_is(&run->words, *at, "@")) {
        (*at)++;
        *is_user = !word_is(&run->words, *at, "@");
        *at += *is_user ? 0 : 1;
    } else if (!words_are(&run->words, at, "SESSION") && !words_are(&run->words, at, "GLOBAL")) {
        (void)words_are(&run->words, at, "LOCAL");
    }
    if (*at >= run->words.n) {
        return (struct slice){NULL, 0};
    }
    return sysvar_plain_name(run->words.at[(*at)++].text);
}

static bool set_one(struct run *run, size_t *at)
{
    char unknown[256];
    bool is_user;
    struct slice name = read_name(run, at, &is_user);

    if (name.len == 0) {
        command_syntax(run, *at, "the name of a variable");
        return false;
    }
    if (!is_user && is_ours(name)) {
        return set_ours(run, name, at);
    }
    if (!is_user && !is_client_word(name)) {
        variable_unknown(name, unknown, sizeof(unknown));
        reply_error(run->reply, 1193, "HY000", "%s", unknown);
        return false;
    }
    skip_assignment(run, at);
    return true;
}

static bool set_all(struct run *run, size_t at, uint64_t *affected)
{
    do {
        reply_info(run->reply, 0, NULL); /* of the assignment before */
        if (!set_one(run, &at)) {
            return false;
        }
        *affected += run->reply->affected;
    } while (words_are(&run->words, &at, ","));
    return true;
}

/* All of its assignments, or none. */
void command_set(struct run *run, size_t at)
{
    uint64_t affected = 0;
    int rc;

    if (run->words.is_cut) {
        reply_error(run->reply, 1064, "42000",
                    "SET has more than %d words: write several statements", WORDS_MAX);
        return;
    }
    rc = sql_exec(run->store, "SAVEPOINT console_set");
    if (rc == SQLITE_OK && !set_all(run, at, &affected)) {
        (void)!sql_exec(run->store, "ROLLBACK TO console_set; RELEASE console_set");
        return;
    }
    if (rc == SQLITE_OK) {
        rc = sql_exec(run->store, "RELEASE console_set");
    }
    if (rc != SQLITE_OK) {
        sql_error(run->store, run->reply);
    } else {
        reply_info(run->reply, affected, NULL);
    }
}

/* --- USE, TRUNCATE ---------------------------------------------------------------------------- */

void command_use(struct run *run, size_t at)
{
    char *name = word_value(&run->words, at);

    if (name == NULL || strlen(name) > STORE_NAME_MAX || !words_at_end(&run->words, at + 1)) {
        command_syntax(run, at, "the name of a schema");
    } else if (sql_number(run->store, 0,
                          "SELECT COUNT(*) FROM pragma_database_list WHERE name = LOWER(%Q)",
                          name) == 0) {
        reply_error(run->reply, 1049, "42000", "Unknown database '%s'; see SHOW DATABASES", name);
    } else {
        memcpy(run->who->schema, name, strlen(name) + 1);
        reply_info(run->reply, 0, NULL);
    }
    mem_free(MEM_ADMIN, name);
}

void command_truncate(struct run *run, size_t at)
{
    (void)words_are(&run->words, &at, "TABLE");
    if (at >= run->words.n || !words_at_end(&run->words, at + 1)) {
        command_syntax(run, at, "the name of a table");
        return;
    }
    sql_runf(run->store, run->reply, "DELETE FROM %.*s", (int)run_rest(run, at).len,
             run_rest(run, at).data);
}
