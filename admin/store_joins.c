/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_joins.c - what SQLite's authorizer is not asked about: columns that only USING or a NATURAL
 * join compares.
 *
 * In such a statement a table counts as read when its name stands in the text, be it in a literal.
 */
#include "admin/store_sql.h"

#define DENIED                                                                          \
    "a statistics user joins with ON: with USING or NATURAL the names of these tables " \
    "may not stand in the statement"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = text; (at = strcasestr(at, word)) != NULL; at++) {
        if ((at == text || !is_word(at[-1])) && !is_word(at[n])) {
            return true;
        }
    }
    return false;
}

/*
 * For a statistics user: is a table of the configuration, or one that is reset when it is read,
 * among them?
 */
static bool names_closed(struct store *store, const char *text)
{
    sqlite3_stmt *stmt;
    bool found = false;

    if (sql_prepare(
            store, &stmt,
            "SELECT name FROM main.sqlite_master WHERE name <> 'mysql_collations' UNION "
            "SELECT name FROM disk.sqlite_master UNION "
            "SELECT name FROM stats.sqlite_master WHERE name LIKE '%%\\_reset' ESCAPE '\\'") !=
        SQLITE_OK) {
        return true;
    }
    while (!found && sql_step(store, stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);

        found = name == NULL || has_word(text, name);
    }
    (void)sqlite3_finalize(stmt);
    return found;
}

bool sql_guard_joins(struct store *store, const char *text)
{
    if (store->is_internal > 0 || store->who == NULL ||
        (!has_word(text, "USING") && !has_word(text, "NATURAL"))) {
        return true;
    }
    if (!store->who->is_admin && names_closed(store, text)) {
        store->denied = DENIED;
        return false;
    }
    for (size_t i = 0; i < stats_count(); i++) {
        if (!stats_resets(stats_name(i)) && has_word(text, stats_name(i))) {
            stats_note(&store->named, stats_name(i), false);
        }
    }
    return true;
}
