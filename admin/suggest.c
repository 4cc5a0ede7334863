/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest.c - see suggest.h.
 */
#include "admin/suggest.h"

#include <stdio.h>

#include "admin/store_sql.h"
#include "base/mem.h"
#include "conf/near.h"

#define NAMES_MAX   2000
#define NAME_CAP    128
#define MESSAGE_MAX 1024
#define SQL_LOOKED  4000 /* bytes of a statement that are looked at for names of tables */

/* --- names of the database -------------------------------------------------------------------- */

struct names {
    size_t n;
    char (*at)[NAME_CAP];
};

static const char *name_at(const void *ctx, size_t i)
{
    return ((const struct names *)ctx)->at[i];
}

static const char all_tables[] =
    "SELECT 'main' AS s, name FROM main.sqlite_master WHERE type IN ('table', 'view') UNION "
    "SELECT 'stats', name FROM stats.sqlite_master WHERE type = 'table' UNION "
    "SELECT 'information_schema', name FROM information_schema.sqlite_master";

/* The nearest of the names that the query gives, in out. */
static bool nearest(struct store *store, sqlite3_stmt *stmt, struct slice wrong, char out[NAME_CAP])
{
    struct names names = {.at = mem_try(MEM_ADMIN, (size_t)NAMES_MAX * NAME_CAP)};
    const char *near;

    while (names.at != NULL && names.n < NAMES_MAX && sql_step(store, stmt) == SQLITE_ROW) {
        struct slice name = sql_text(stmt, 0);

        (void)snprintf(names.at[names.n++], NAME_CAP, "%.*s", SLICE_ARGS(name));
    }
    near = names.at == NULL ? NULL : near_find(wrong, name_at, &names, names.n);
    if (near != NULL) {
        (void)snprintf(out, NAME_CAP, "%s", near);
    }
    mem_free(MEM_ADMIN, names.at);
    return near != NULL;
}

static bool nearest_table(struct store *store, struct slice wrong, char out[NAME_CAP])
{
    sqlite3_stmt *stmt;
    bool found = sql_prepare(store, &stmt, "SELECT name FROM (%s) WHERE SUBSTR(name, 1, 1) <> '_'",
                             all_tables) == SQLITE_OK &&
                 nearest(store, stmt, wrong, out);

    (void)sqlite3_finalize(stmt);
    return found;
}

/* Of the tables that the statement names. */
static bool nearest_column(struct store *store, struct slice sql, struct slice wrong,
                           char out[NAME_CAP])
{
    sqlite3_stmt *stmt;
    bool found =
        sql_prepare(store, &stmt,
                    "SELECT DISTINCT c.name FROM (%s) t, pragma_table_info(t.name, t.s) c "
                    "WHERE INSTR(LOWER('%.*q'), LOWER(t.name)) > 0",
                    all_tables, (int)MIN(sql.len, (size_t)SQL_LOOKED), sql.data) == SQLITE_OK &&
        nearest(store, stmt, wrong, out);

    (void)sqlite3_finalize(stmt);
    return found;
}

/* --- commands --------------------------------------------------------------------------------- */

static const char *const commands[] = {
#define COMMAND(words, handler, rights, usage, help) words,
#define ALIAS(words, handler, rights)                words,
#include "admin/commands.def"
#undef COMMAND
#undef ALIAS
    "SELECT", "INSERT INTO", "UPDATE", "DELETE FROM", "REPLACE INTO",
};

struct one_word {
    char text[NAME_CAP];
};

static const char *that_word(const void *ctx, size_t i)
{
    (void)i;
    return ((const struct one_word *)ctx)->text;
}

/*
 * How many words of the command are not those of the statement, only near; -1 = one is not even
 * that.
 */
static int count_wrong(const struct words *words, const char *command, size_t *n_words)
{
    int n_wrong = 0;
    size_t i = 0;

    for (; *command != '\0'; i++) {
        size_t n = strcspn(command, " ");
        struct one_word word;

        (void)snprintf(word.text, sizeof(word.text), "%.*s", (int)n, command);
        if (i >= words->n || words->at[i].quote != '\0') {
            return -1;
        }
        if (!slice_eq_nocase(words->at[i].text, slice_of(word.text))) {
            if (near_find(words->at[i].text, that_word, &word, 1) == NULL) {
                return -1;
            }
            n_wrong++;
        }
        command += n;
        command += *command == ' ' ? 1 : 0;
    }
    *n_words = i;
    return n_wrong;
}

/* The first words of the statement, with single blanks. */
static struct slice join_words(const struct words *words, size_t n, char out[NAME_CAP])
{
    size_t len = 0;

    for (size_t i = 0; i < n && len < NAME_CAP; i++) {
        len += (size_t)snprintf(out + len, NAME_CAP - len, "%s%.*s", i == 0 ? "" : " ",
                                SLICE_ARGS(words->at[i].text));
    }
    return (struct slice){out, MIN(len, (size_t)NAME_CAP - 1)};
}

struct candidates {
    const struct words *words;
    size_t longest;
};

static const char *candidate_at(const void *ctx, size_t i)
{
    const struct candidates *c = ctx;
    size_t n = 0;

    return count_wrong(c->words, commands[i], &n) == 1 && n == c->longest ? commands[i] : NULL;
}

/*
 * The nearest of the longest that fit with one wrong word; none when one as long is right as it is.
 */
static bool nearest_command(const struct words *words, char out[NAME_CAP])
{
    struct candidates c = {.words = words};
    char joined[NAME_CAP];
    const char *near;
    bool is_right = true;

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        size_t n = 0;
        int n_wrong = count_wrong(words, commands[i], &n);

        if ((n_wrong == 0 || n_wrong == 1) && n >= c.longest) {
            is_right = n_wrong == 0 || (is_right && n == c.longest);
            c.longest = n;
        }
    }
    near = is_right ? NULL
                    : near_find(join_words(words, c.longest, joined), candidate_at, &c,
                                ARRAY_SIZE(commands));
    if (near != NULL) {
        (void)snprintf(out, NAME_CAP, "%s", near);
    }
    return near != NULL;
}

/* --- errors ----------------------------------------------------------------------------------- */

/*
 * The name behind these words of a message, without its schema; {NULL, 0} when they are not there.
 */
static struct slice name_behind(const char *message, const char *words)
{
    const char *at = strstr(message, words);
    const char *dot;
    size_t n;

    if (at == NULL) {
        return (struct slice){NULL, 0};
    }
    at += strlen(words);
    n = strcspn(at, " '\";");
    dot = memrchr(at, '.', n);
    return dot == NULL ? (struct slice){at, n}
                       : (struct slice){dot + 1, n - (size_t)(dot + 1 - at)};
}

static bool find_near(struct run *run, char out[NAME_CAP])
{
    static const char *const tables[] = {"no such table: ", "Table '"};
    static const char *const columns[] = {"no such column: ", " has no column named "};
    const char *message = run->reply->message;
    bool is_unknown;

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        struct slice wrong = name_behind(message, tables[i]);

        if (run->reply->number == 1146 && wrong.len > 0) {
            return nearest_table(run->store, wrong, out);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        struct slice wrong = name_behind(message, columns[i]);

        if (run->reply->number == 1054 && wrong.len > 0) {
            return nearest_column(run->store, run->sql, wrong, out);
        }
    }
    /* A command that is known says itself how it goes on. */
    is_unknown =
        strstr(message, ": syntax error") != NULL || strstr(message, "SHOW COMMANDS") != NULL;
    return run->reply->number == 1064 && strncmp(message, "near \"", 6) == 0 && is_unknown &&
           nearest_command(&run->words, out);
}

void suggest_add(struct run *run)
{
    struct reply *reply = run->reply;
    char near[NAME_CAP], message[MESSAGE_MAX], sqlstate[6];
    uint16_t number = reply->number;

    if (reply->kind == REPLY_ERROR && find_near(run, near)) {
        (void)snprintf(message, sizeof(message), "%.800s; did you mean '%s'?", reply->message,
                       near);
        (void)snprintf(sqlstate, sizeof(sqlstate), "%s", reply->sqlstate);
        reply_error(reply, number, sqlstate, "%s", message);
    }
}
