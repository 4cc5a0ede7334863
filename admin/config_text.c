/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_text.c - see config_text.h.
 */
#include "admin/config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/store_sql.h"
#include "base/err.h"
#include "base/mem.h"

struct making {
    struct store *store;
    struct config_text *out;
    sqlite3_str *text;
    int line; /* of the next byte */
};

static void end_line(struct making *m)
{
    sqlite3_str_appendchar(m->text, 1, '\n');
    m->line++;
}

/* --- values ----------------------------------------------------------------------------------- */

static void put_quoted(sqlite3_str *text, struct slice value)
{
    sqlite3_str_appendchar(text, 1, '"');
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];

        if (c == '"' || c == '\\') {
            sqlite3_str_appendchar(text, 1, '\\');
            sqlite3_str_appendchar(text, 1, (char)c);
        } else if (c == '\n') {
            sqlite3_str_append(text, "\\n", 2);
        } else if (c < ' ' || c == 0x7f) {
            sqlite3_str_appendf(text, "\\x%02x", c);
        } else {
            sqlite3_str_appendchar(text, 1, (char)c);
        }
    }
    sqlite3_str_appendchar(text, 1, '"');
}

static void put_number(sqlite3_str *text, int64_t number)
{
    bool is_long = number > INT32_MAX || number < INT32_MIN;

    sqlite3_str_appendf(text, "%lld%s", (long long)number, is_long ? "L" : "");
}

/* A number in a text column is a text for the reader of files. */
static void put_value(sqlite3_str *text, sqlite3_stmt *stmt, int column)
{
    const char *type = sqlite3_column_decltype(stmt, column);
    bool is_number_column = type != NULL && sqlite3_strnicmp(type, "INT", 3) == 0;

    if (is_number_column && sqlite3_column_type(stmt, column) == SQLITE_INTEGER) {
        put_number(text, sqlite3_column_int64(stmt, column));
    } else {
        put_quoted(text, sql_text(stmt, column));
    }
}

/* --- sections --------------------------------------------------------------------------------- */

static void put_row(struct making *m, sqlite3_stmt *stmt, bool is_first)
{
    int n = sqlite3_column_count(stmt);

    sqlite3_str_appendall(m->text, is_first ? "    { " : "  , { ");
    for (int i = 0; i < n; i++) {
        if (sqlite3_column_type(stmt, i) != SQLITE_NULL) {
            sqlite3_str_appendf(m->text, "%s=", sqlite3_column_name(stmt, i));
            put_value(m->text, stmt, i);
            sqlite3_str_appendall(m->text, "; ");
        }
    }
    sqlite3_str_appendall(m->text, "}");
    end_line(m);
}

static int put_table(struct making *m, struct config_part *part)
{
    const struct config_table *table = part->table;
    sqlite3_stmt *stmt;
    int rc = sql_prepare(m->store, &stmt, "SELECT * FROM %s WHERE %s ORDER BY %s",
                         layer_table(table, part->layer), table->filter, table->order);

    while (rc == SQLITE_OK && (rc = sql_step(m->store, stmt)) == SQLITE_ROW) {
        if (part->n_rows == 0) {
            sqlite3_str_appendf(m->text, "\n%s=\n(\n", table->name);
            m->line += 3;
            part->first_line = m->line;
        }
        put_row(m, stmt, part->n_rows++ == 0);
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(stmt);
    if (part->n_rows > 0) {
        part->end_line = m->line;
        sqlite3_str_appendall(m->text, ")");
        end_line(m);
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static bool is_plain(struct slice value)
{
    size_t i = value.len > 0 && value.data[0] == '-' ? 1 : 0;

    if (slice_eq(value, SLICE("true")) || slice_eq(value, SLICE("false"))) {
        return true;
    }
    if (value.len == i || value.len - i > 9) {
        return false;
    }
    while (i < value.len && value.data[i] >= '0' && value.data[i] <= '9') {
        i++;
    }
    return i == value.len;
}

/* What Galeway does not act on is only written when it says something. */
static void put_variable(struct making *m, sqlite3_stmt *stmt)
{
    struct slice name = sql_text(stmt, 0), value = sql_text(stmt, 1);
    const struct key *key = key_find(name);
    bool is_text = key == NULL || key->type == KEY_STRING || key->type == KEY_CHOICE;

    if (key != NULL && !key_is_acted_on(key) && slice_eq(value, slice_of(key->preset))) {
        return;
    }
    sqlite3_str_appendf(m->text, "    %.*s=", (int)MAX(name.len, 6u) - 6, name.data + 6);
    if (is_text || !is_plain(value)) {
        put_quoted(m->text, value);
    } else {
        sqlite3_str_append(m->text, value.data, (int)value.len);
    }
    end_line(m);
}

static int put_variables(struct making *m, struct config_part *part)
{
    const char *group = part->table->module == MODULE_ADMIN_VARIABLES ? "admin" : "mysql";
    sqlite3_stmt *stmt;
    int rc = sql_prepare(m->store, &stmt,
                         "SELECT variable_name, variable_value FROM %sglobal_variables WHERE %s "
                         "ORDER BY 1",
                         layer_prefix(part->layer), part->table->filter);

    sqlite3_str_appendf(m->text, "\n%s_variables=\n{\n", group);
    m->line += 3;
    part->first_line = m->line;
    while (rc == SQLITE_OK && (rc = sql_step(m->store, stmt)) == SQLITE_ROW) {
        put_variable(m, stmt);
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(stmt);
    part->end_line = m->line;
    sqlite3_str_appendall(m->text, "}");
    end_line(m);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void put_head(struct making *m)
{
    struct snapshot *snapshot = galeway_snapshot(m->store->galeway);

    sqlite3_str_appendall(m->text, "# Written by the console.");
    end_line(m);
    sqlite3_str_appendall(m->text, "datadir=");
    put_quoted(m->text, slice_of(snapshot->conf->datadir));
    end_line(m);
    snapshot_unref(snapshot);
}

int config_text_make(struct store *store, unsigned from_memory, struct config_text *out,
                     struct reply *reply)
{
    struct making m = {.store = store, .out = out, .text = sqlite3_str_new(store->db), .line = 1};
    int rc = SQLITE_OK;

    *out = (struct config_text){0};
    put_head(&m);
    for (size_t i = 0; i < config_tables_count() && rc == SQLITE_OK; i++) {
        struct config_part *part = &out->parts[out->n_parts++];
        const struct config_table *table = config_table_at(i);

        CHECK(out->n_parts <= CONFIG_PARTS_MAX);
        *part = (struct config_part){.table = table, .layer = LAYER_RUNTIME};
        if ((from_memory & BIT(table->module)) != 0) {
            part->layer = LAYER_MEMORY;
        }
        rc = strcmp(table->name, "global_variables") == 0 ? put_variables(&m, part)
                                                          : put_table(&m, part);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_str_errcode(m.text);
    }
    out->len = (size_t)sqlite3_str_length(m.text);
    out->text = sqlite3_str_finish(m.text);
    if (rc != SQLITE_OK || out->text == NULL) {
        config_text_fini(out);
        reply_error(reply, err_number(ERR_MEMORY), err_sqlstate(ERR_MEMORY),
                    "The configuration cannot be written as a text: %s", sqlite3_errstr(rc));
        return ERR_MEMORY;
    }
    return 0;
}

void config_text_fini(struct config_text *text)
{
    sqlite3_free(text->text);
    *text = (struct config_text){0};
}

/* --- from lines to rows ----------------------------------------------------------------------- */

/* What is said of no line begins with the name of a table or of a variable. */
static enum module module_of_text(const char *text)
{
    const struct config_table *table;

    if (strncmp(text, "mysql-", 6) == 0) {
        return MODULE_MYSQL_VARIABLES;
    }
    if (strncmp(text, "admin-", 6) == 0) {
        return MODULE_ADMIN_VARIABLES;
    }
    table = config_table_find((struct slice){text, strcspn(text, ":")});
    return table == NULL ? MODULE_COUNT : table->module;
}

enum module config_text_module(const struct config_text *text, const struct fault *fault)
{
    const struct config_table *table = config_table_find(slice_of(fault->file));

    if (table != NULL) {
        return table->module;
    }
    for (size_t i = 0; i < text->n_parts; i++) {
        const struct config_part *part = &text->parts[i];

        if (fault->line >= part->first_line && fault->line < part->end_line) {
            return part->table->module;
        }
    }
    return module_of_text(fault->text);
}

static void put_key(sqlite3_str *text, sqlite3_stmt *stmt)
{
    int n = sqlite3_column_count(stmt);

    sqlite3_str_appendall(text, " (");
    for (int i = 0; i < n; i++) {
        bool is_number = sqlite3_column_type(stmt, i) == SQLITE_INTEGER;

        sqlite3_str_appendf(text, is_number ? "%s%s=%s" : "%s%s='%s'", i == 0 ? "" : ", ",
                            sqlite3_column_name(stmt, i), sqlite3_column_text(stmt, i));
    }
    sqlite3_str_appendall(text, ")");
}

/* "mysql_users (username='a', backend=1)"; nothing when the line is no row. */
static bool put_place(struct store *store, sqlite3_str *text, const struct config_text *config,
                      int line)
{
    for (size_t i = 0; i < config->n_parts; i++) {
        const struct config_part *part = &config->parts[i];
        sqlite3_stmt *stmt;
        bool found;

        if (part->n_rows == 0 || line < part->first_line ||
            line >= part->first_line + part->n_rows) {
            continue;
        }
        found = sql_prepare(
                    store, &stmt, "SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT 1 OFFSET %d",
                    part->table->order, layer_table(part->table, part->layer), part->table->filter,
                    part->table->order, line - part->first_line) == SQLITE_OK &&
                sql_step(store, stmt) == SQLITE_ROW;
        sqlite3_str_appendall(text, part->table->name);
        if (found) {
            put_key(text, stmt);
        }
        (void)sqlite3_finalize(stmt);
        return true;
    }
    return false;
}

/* The text of a fault may name another line: "first at console::12". */
static void put_text(struct store *store, sqlite3_str *text, const struct config_text *config,
                     const char *from)
{
    const char *hit;

    while ((hit = strstr(from, CONFIG_TEXT_NAME ":")) != NULL) {
        char *end;
        long line = strtol(hit + sizeof(CONFIG_TEXT_NAME), &end, 10);

        sqlite3_str_append(text, from, (int)(hit - from));
        if (!put_place(store, text, config, (int)line)) {
            sqlite3_str_appendf(text, "line %d", (int)line);
        }
        from = end;
    }
    sqlite3_str_appendall(text, from);
}

/* "rule_id 7: ": the row is named already. */
static const char *skip_rule(const char *text)
{
    static const char word[] = "rule_id ";
    const char *at = text + sizeof(word) - 1;
    size_t digits;

    if (strncmp(text, word, sizeof(word) - 1) != 0) {
        return text;
    }
    digits = strspn(at, "0123456789");
    at += digits;
    at += *at == ':' ? 1 : 0;
    return digits > 0 && *at == ' ' ? at + 1 : text;
}

char *config_text_fault(struct store *store, const struct config_text *text,
                        const struct fault *fault)
{
    sqlite3_str *out = sqlite3_str_new(store->db);
    const char *rest = fault->text;

    if (strcmp(fault->file, CONFIG_TEXT_NAME) == 0 && put_place(store, out, text, fault->line)) {
        const char *table_end = strstr(rest, ": ");
        size_t n = table_end == NULL ? 0 : (size_t)(table_end - rest);

        sqlite3_str_appendall(out, ": ");
        if (n > 0 && strncmp(sqlite3_str_value(out), rest, n) == 0) {
            rest = skip_rule(rest + n + 2); /* the table's name once is enough */
        }
    }
    put_text(store, out, text, rest);
    return sqlite3_str_finish(out);
}

/* --- to a file -------------------------------------------------------------------------------- */

static int write_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, data, n);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return -errno;
        }
        data += done;
        n -= (size_t)done;
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

int config_text_write(const struct config_text *text, const char *path, struct reply *reply)
{
    char *fresh = sqlite3_mprintf("%s.XXXXXX", path);
    int fd = -1, rc;

    if (fresh == NULL) {
        rc = ERR_MEMORY;
    } else if ((fd = mkostemp(fresh, O_CLOEXEC)) < 0) { /* mode 0600: it has passwords */
        rc = -errno;
    } else {
        rc = write_all(fd, text->text, text->len);
        if (close(fd) != 0 && rc == 0) {
            rc = -errno;
        }
        if (rc == 0 && rename(fresh, path) != 0) {
            rc = -errno;
        }
        if (rc != 0) {
            (void)unlink(fresh);
        }
    }
    sqlite3_free(fresh);
    if (rc != 0) {
        reply_error(reply, rc == -ENOSPC ? 1021 : err_number(ERR_FILE), "HY000",
                    "The file %s cannot be written: %s", path, err_text(rc));
    }
    return rc;
}
