/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_ask.c - see cluster_check.h: a short-lived connection to one node, questions that block for
 * a while.
 */
#include <mysql.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/cluster_check.h"
#include "base/clock.h"
#include "base/mem.h"

#define SQL_MAX 4096

static const char *const value_names[] = {
#define X(code, name, wanted, galera, result, why) name,
    CHECK_VALUES(X)
#undef X
};

static void copy(char out[CHECK_TEXT_MAX], const char *text)
{
    (void)snprintf(out, CHECK_TEXT_MAX, "%s", text == NULL ? "" : text);
}

static void say_error(MYSQL *db, char out[CHECK_TEXT_MAX])
{
    (void)snprintf(out, CHECK_TEXT_MAX, "error %u: %s", mysql_errno(db), mysql_error(db));
}

/* NULL: mysql_errno(db). */
static MYSQL_RES *ask(MYSQL *db, const char *sql)
{
    return mysql_query(db, sql) == 0 ? mysql_store_result(db) : NULL;
}

/* --- the connection --------------------------------------------------------------------------- */

struct st_mysql *check_connect(const struct check_ask *question, struct check_facts *facts)
{
    uint64_t now = clock_now_ms();
    uint64_t left = question->until_ms > now ? question->until_ms - now : 0;
    unsigned seconds = (unsigned)(MIN(left, (uint64_t)CHECK_STEP_MS) / 1000);
    bool is_path = question->node->port == 0;
    MYSQL *db;

    if (seconds == 0) {
        copy(facts->fault, "there was no time left to ask it");
        return NULL;
    }
    db = mysql_init(NULL);
    CHECK(db != NULL);
    (void)mysql_optionsv(db, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    (void)mysql_optionsv(db, MYSQL_OPT_READ_TIMEOUT, &seconds);
    (void)mysql_optionsv(db, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
    (void)mysql_optionsv(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (mysql_real_connect(db, is_path ? NULL : question->node->address, question->user,
                           question->password, NULL, question->node->port,
                           is_path ? question->node->address : NULL, 0) == NULL) {
        say_error(db, facts->fault);
        mysql_close(db);
        return NULL;
    }
    return db;
}

void check_close(struct st_mysql *db)
{
    mysql_close(db);
}

/* --- values ----------------------------------------------------------------------------------- */

static void take_value(struct check_facts *facts, const char *name, const char *value)
{
    for (unsigned i = 0; i < CHECK_VALUE_COUNT; i++) {
        if (strcasecmp(name, value_names[i]) == 0) {
            copy(facts->values[i], value);
        }
    }
    if (strcasecmp(name, "max_connections") == 0) {
        facts->max_connections = strtoull(value, NULL, 10);
    }
}

static bool read_values(MYSQL *db, const char *kind, struct check_facts *facts)
{
    char sql[SQL_MAX];
    int n = snprintf(sql, sizeof(sql), "SHOW GLOBAL %s WHERE Variable_name IN ('max_connections'",
                     kind);
    MYSQL_RES *rows;
    MYSQL_ROW row;

    for (unsigned i = 0; i < CHECK_VALUE_COUNT; i++) {
        n += snprintf(sql + n, sizeof(sql) - (size_t)n, ",'%s'", value_names[i]);
    }
    (void)snprintf(sql + n, sizeof(sql) - (size_t)n, ")");
    rows = ask(db, sql);
    while (rows != NULL && (row = mysql_fetch_row(rows)) != NULL) {
        take_value(facts, row[0], row[1]);
    }
    mysql_free_result(rows);
    return rows != NULL;
}

/* The moment of the node's clock is taken to be in the middle of the question. */
static bool read_clock(MYSQL *db, struct check_facts *facts)
{
    uint64_t began = clock_unix_us();
    MYSQL_RES *rows = ask(db, "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000 AS SIGNED), "
                              "CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')");
    uint64_t here = (began + clock_unix_us()) / 2000;
    MYSQL_ROW row = rows == NULL ? NULL : mysql_fetch_row(rows);

    if (row != NULL && row[0] != NULL) {
        facts->skew_ms = strtoll(row[0], NULL, 10) - (int64_t)here;
        copy(facts->account, row[1]);
    }
    mysql_free_result(rows);
    return row != NULL;
}

/* --- users ------------------------------------------------------------------------------------ */

static int compare_users(const void *a, const void *b)
{
    return strcmp(((const struct check_user *)a)->name, ((const struct check_user *)b)->name);
}

static void take_users(MYSQL_RES *rows, struct check_facts *facts)
{
    size_t n = MIN((size_t)mysql_num_rows(rows), (size_t)CHECK_USERS_MAX);
    MYSQL_ROW row;

    facts->users = mem_try(MEM_ADMIN, MAX(n, (size_t)1) * sizeof(*facts->users));
    if (facts->users == NULL) {
        copy(facts->users_fault, "there is no memory for its users");
        return;
    }
    while (facts->n_users < n && (row = mysql_fetch_row(rows)) != NULL) {
        facts->users[facts->n_users++] = (struct check_user){
            .name = mem_copy(MEM_ADMIN, slice_of(row[0] == NULL ? "" : row[0])),
            .what = mem_copy(MEM_ADMIN, slice_of(row[1] == NULL ? "" : row[1]))};
    }
    qsort(facts->users, facts->n_users, sizeof(*facts->users), compare_users);
}

static void read_users(MYSQL *db, struct check_facts *facts)
{
    MYSQL_RES *rows =
        ask(db, "SELECT User, MD5(GROUP_CONCAT(Host, ' ', COALESCE(JSON_VALUE(Priv, '$.plugin'), "
                "''), ' ', COALESCE(JSON_VALUE(Priv, '$.authentication_string'), ''), ' ', "
                "COALESCE(JSON_VALUE(Priv, '$.access'), '') ORDER BY Host SEPARATOR '\\n')) "
                "FROM mysql.global_priv GROUP BY User");

    if (rows == NULL) {
        say_error(db, facts->users_fault);
        return;
    }
    take_users(rows, facts);
    mysql_free_result(rows);
}

void check_read(struct st_mysql *db, bool is_galera, struct check_facts *facts)
{
    bool good = read_values(db, "VARIABLES", facts) &&
                (!is_galera || read_values(db, "STATUS", facts)) && read_clock(db, facts);

    if (!good) {
        say_error(db, facts->fault);
        return;
    }
    read_users(db, facts);
}

void check_facts_fini(struct check_facts *facts)
{
    for (size_t i = 0; i < facts->n_users; i++) {
        mem_free(MEM_ADMIN, facts->users[i].name);
        mem_free(MEM_ADMIN, facts->users[i].what);
    }
    mem_free(MEM_ADMIN, facts->users);
    facts->users = NULL;
    facts->n_users = 0;
}

/* --- the probe -------------------------------------------------------------------------------- */

static bool is_of_rights(unsigned error)
{
    return error == ER_DBACCESS_DENIED_ERROR || error == ER_TABLEACCESS_DENIED_ERROR ||
           error == ER_ACCESS_DENIED_ERROR || error == ER_SPECIFIC_ACCESS_DENIED_ERROR;
}

static void probe_failed(MYSQL *db, struct check_facts *facts)
{
    facts->probe_is_right = is_of_rights(mysql_errno(db));
    say_error(db, facts->probe_fault);
}

static bool write_mark(MYSQL *db, uint64_t mark)
{
    char sql[256];

    (void)snprintf(sql, sizeof(sql), "REPLACE INTO galeway_probe.probe VALUES (1, %llu)",
                   (unsigned long long)mark);
    return mysql_query(db, sql) == 0;
}

/* DDL stops the whole cluster for a moment: only when the table is not there. */
void check_probe_write(struct st_mysql *db, uint64_t mark, struct check_facts *facts)
{
    uint64_t began = clock_now_ms();
    bool good = write_mark(db, mark);

    if (!good && (mysql_errno(db) == ER_NO_SUCH_TABLE || mysql_errno(db) == ER_BAD_DB_ERROR)) {
        good = mysql_query(db, "CREATE SCHEMA IF NOT EXISTS galeway_probe") == 0 &&
               mysql_query(db, "CREATE TABLE IF NOT EXISTS galeway_probe.probe (id INT PRIMARY "
                               "KEY, mark BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB") == 0 &&
               write_mark(db, mark);
    }
    if (!good) {
        probe_failed(db, facts);
        return;
    }
    facts->has_probe = true;
    facts->probe_ms = clock_now_ms() - began;
}

void check_probe_read(struct st_mysql *db, uint64_t mark, struct check_facts *facts)
{
    uint64_t began = clock_now_ms();
    MYSQL_RES *rows = mysql_query(db, "SET SESSION wsrep_sync_wait=1") == 0
                          ? ask(db, "SELECT mark FROM galeway_probe.probe WHERE id=1")
                          : NULL;
    MYSQL_ROW row;

    if (rows == NULL) {
        probe_failed(db, facts);
        return;
    }
    row = mysql_fetch_row(rows);
    facts->has_probe = row != NULL && row[0] != NULL && strtoull(row[0], NULL, 10) >= mark;
    facts->probe_ms = clock_now_ms() - began;
    if (!facts->has_probe) {
        copy(facts->probe_fault, "a row written on the writer is not read here, with "
                                 "wsrep_sync_wait=1");
    }
    mysql_free_result(rows);
}
