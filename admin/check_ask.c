/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_ask.c - see cluster_check.h: a short-lived connection to one node, questions that block for
 * a while.
 */
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/cluster_check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "pool/follower_link.h"

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

static void say_error(const struct follow_error *error, char out[CHECK_TEXT_MAX])
{
    (void)snprintf(out, CHECK_TEXT_MAX, "error %u: %s", error->number, error->text);
}

static bool run(struct follow_link *link, const char *sql, struct follow_error *error)
{
    return follow_link_ask(link, sql, NULL, NULL, error);
}

/* --- the connection --------------------------------------------------------------------------- */

/*
 * The follower's: encrypted as mysql_servers says, with a deadline, and an answer takes no memory.
 */
struct follow_link *check_connect(const struct check_ask *question, struct check_facts *facts)
{
    uint64_t now = clock_now_ms();
    uint64_t left = question->until_ms > now ? question->until_ms - now : 0;
    unsigned step_ms = (unsigned)MIN(left, (uint64_t)CHECK_STEP_MS);
    const struct follow_target target = {.node = question->node,
                                         .user = question->user,
                                         .password = question->password,
                                         .connect_ms = step_ms,
                                         .answer_ms = step_ms,
                                         .wake_fd = -1};
    struct follow_error error = {0};
    struct follow_link *link;

    if (step_ms == 0) {
        copy(facts->fault, "there was no time left to ask it");
        return NULL;
    }
    link = follow_link_open(&target, &error);
    if (link == NULL) {
        say_error(&error, facts->fault);
    }
    return link;
}

void check_close(struct follow_link *link)
{
    follow_link_close(link);
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

static void on_value(void *facts, char *const *columns, unsigned n)
{
    if (n == 2 && columns[0] != NULL && columns[1] != NULL) {
        take_value(facts, columns[0], columns[1]);
    }
}

static bool read_values(struct follow_link *link, const char *kind, struct check_facts *facts,
                        struct follow_error *error)
{
    char sql[SQL_MAX];
    int n = snprintf(sql, sizeof(sql), "SHOW GLOBAL %s WHERE Variable_name IN ('max_connections'",
                     kind);

    for (unsigned i = 0; i < CHECK_VALUE_COUNT; i++) {
        n += snprintf(sql + n, sizeof(sql) - (size_t)n, ",'%s'", value_names[i]);
    }
    (void)snprintf(sql + n, sizeof(sql) - (size_t)n, ")");
    return follow_link_ask(link, sql, on_value, facts, error);
}

struct clock_row {
    int64_t ms;
    char account[CHECK_TEXT_MAX];
    bool is_there;
};

static void on_clock(void *arg, char *const *columns, unsigned n)
{
    struct clock_row *row = arg;

    if (n == 2 && columns[0] != NULL) {
        row->ms = strtoll(columns[0], NULL, 10);
        row->is_there = true;
        copy(row->account, columns[1]);
    }
}

/* The moment of the node's clock is taken to be in the middle of the question. */
static bool read_clock(struct follow_link *link, struct check_facts *facts,
                       struct follow_error *error)
{
    uint64_t began = clock_unix_us();
    struct clock_row row = {.is_there = false};

    if (!follow_link_ask(link,
                         "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000 AS SIGNED), "
                         "CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')",
                         on_clock, &row, error)) {
        return false;
    }
    if (!row.is_there) {
        *error = (struct follow_error){.text = "it does not tell its clock"};
        return false;
    }
    facts->skew_ms = row.ms - (int64_t)((began + clock_unix_us()) / 2000);
    copy(facts->account, row.account);
    return true;
}

/* --- users ------------------------------------------------------------------------------------ */

static int compare_users(const void *a, const void *b)
{
    return strcmp(((const struct check_user *)a)->name, ((const struct check_user *)b)->name);
}

struct reading {
    struct check_facts *facts;
    size_t room;
    bool has_no_memory;
};

static char *copy_short(const char *text)
{
    text = text == NULL ? "" : text;
    return mem_copy(MEM_ADMIN, (struct slice){text, strnlen(text, CHECK_TEXT_MAX)});
}

static void on_user(void *arg, char *const *columns, unsigned n)
{
    struct reading *r = arg;
    struct check_facts *facts = r->facts;

    if (n != 2 || r->has_no_memory || facts->n_users == CHECK_USERS_MAX) {
        return;
    }
    if (facts->n_users == r->room) {
        size_t room = MAX(2 * r->room, (size_t)64);
        struct check_user *grown =
            mem_try_grow(MEM_ADMIN, facts->users, room * sizeof(*facts->users));

        r->has_no_memory = grown == NULL;
        if (grown == NULL) {
            return;
        }
        facts->users = grown;
        r->room = room;
    }
    facts->users[facts->n_users++] =
        (struct check_user){.name = copy_short(columns[0]), .what = copy_short(columns[1])};
}

static void read_users(struct follow_link *link, struct check_facts *facts)
{
    struct reading r = {.facts = facts};
    struct follow_error error = {0};

    if (!follow_link_ask(link,
                         "SELECT User, MD5(GROUP_CONCAT(Host, ' ', COALESCE(JSON_VALUE(Priv, "
                         "'$.plugin'), ''), ' ', COALESCE(JSON_VALUE(Priv, "
                         "'$.authentication_string'), ''), ' ', COALESCE(JSON_VALUE(Priv, "
                         "'$.access'), '') ORDER BY Host SEPARATOR '\\n')) "
                         "FROM mysql.global_priv GROUP BY User",
                         on_user, &r, &error)) {
        say_error(&error, facts->users_fault);
    } else if (r.has_no_memory) {
        copy(facts->users_fault, "there is no memory for its users");
    } else if (facts->n_users > 0) {
        qsort(facts->users, facts->n_users, sizeof(*facts->users), compare_users);
    }
}

void check_read(struct follow_link *link, bool is_galera, struct check_facts *facts)
{
    struct follow_error error = {0};

    if (!read_values(link, "VARIABLES", facts, &error) ||
        (is_galera && !read_values(link, "STATUS", facts, &error)) ||
        !read_clock(link, facts, &error)) {
        say_error(&error, facts->fault);
        return;
    }
    read_users(link, facts);
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

static void probe_failed(const struct follow_error *error, struct check_facts *facts)
{
    facts->probe_is_right = follow_error_is_denied(error);
    say_error(error, facts->probe_fault);
}

static bool write_mark(struct follow_link *link, uint64_t mark, struct follow_error *error)
{
    char sql[256];

    (void)snprintf(sql, sizeof(sql), "REPLACE INTO galeway_probe.probe VALUES (1, %llu)",
                   (unsigned long long)mark);
    return run(link, sql, error);
}

/* DDL stops the whole cluster for a moment: only when the table is not there. */
void check_probe_write(struct follow_link *link, uint64_t mark, struct check_facts *facts)
{
    uint64_t began = clock_now_ms();
    struct follow_error error = {0};
    bool good = write_mark(link, mark, &error);

    if (!good && (error.number == ER_NO_SUCH_TABLE || error.number == ER_BAD_DB_ERROR)) {
        good = run(link, "CREATE SCHEMA IF NOT EXISTS galeway_probe", &error) &&
               run(link,
                   "CREATE TABLE IF NOT EXISTS galeway_probe.probe (id INT PRIMARY KEY, "
                   "mark BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB",
                   &error) &&
               write_mark(link, mark, &error);
    }
    if (!good) {
        probe_failed(&error, facts);
        return;
    }
    facts->has_probe = true;
    facts->probe_ms = clock_now_ms() - began;
}

static void on_mark(void *mark, char *const *columns, unsigned n)
{
    if (n == 1 && columns[0] != NULL) {
        *(uint64_t *)mark = strtoull(columns[0], NULL, 10);
    }
}

void check_probe_read(struct follow_link *link, uint64_t mark, struct check_facts *facts)
{
    uint64_t began = clock_now_ms(), got = 0;
    struct follow_error error = {0};

    if (!run(link, "SET SESSION wsrep_sync_wait=1", &error) ||
        !follow_link_ask(link, "SELECT mark FROM galeway_probe.probe WHERE id=1", on_mark, &got,
                         &error)) {
        probe_failed(&error, facts);
        return;
    }
    facts->has_probe = got >= mark;
    facts->probe_ms = clock_now_ms() - began;
    if (!facts->has_probe) {
        copy(facts->probe_fault, "a row written on the writer is not read here, with "
                                 "wsrep_sync_wait=1");
    }
}
