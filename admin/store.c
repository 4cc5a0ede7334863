/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.c - see store.h.
 */
#include "admin/store.h"

#include <stdarg.h>
#include <stdio.h>

#include "admin/command.h"
#include "admin/history.h"
#include "admin/layers.h"
#include "admin/stats.h"
#include "admin/store_schema.h"
#include "admin/store_sql.h"
#include "admin/suggest.h"
#include "admin/variables.h"
#include "admin/wire_sql.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "router/regex.h"

#define WARNING_MAX 2048 /* bytes of one */

/* --- sessions --------------------------------------------------------------------------------- */

void store_session_init(struct store_session *s, const char *user, bool is_admin)
{
    *s = (struct store_session){.is_admin = is_admin, .schema = "main"};
    (void)snprintf(s->user, sizeof(s->user), "%s", user);
}

static void drop_warnings(struct store_session *s)
{
    for (size_t i = 0; i < s->n_warnings; i++) {
        mem_free(MEM_ADMIN, s->warnings[i].text);
    }
    mem_free(MEM_ADMIN, s->warnings);
    s->warnings = NULL;
    s->n_warnings = s->warnings_dropped = 0;
}

void store_session_fini(struct store_session *s)
{
    drop_warnings(s);
}

static void add_warning(struct store_session *s, const char *level, uint16_t number,
                        const char *text)
{
    size_t n = s->n_warnings;

    if (n >= STORE_WARNINGS_MAX) {
        s->warnings_dropped++;
        return;
    }
    if (n > 0 && strcmp(s->warnings[n - 1].text, text) == 0) {
        return; /* said already */
    }
    if ((n & (n - 1)) == 0) { /* 0, 1, 2, 4, ...: room for as many again */
        struct store_warning *grown =
            mem_try_grow(MEM_ADMIN, s->warnings, MAX(n * 2, (size_t)1) * sizeof(*grown));

        if (grown == NULL) {
            s->warnings_dropped++;
            return;
        }
        s->warnings = grown;
    }
    s->warnings[n] = (struct store_warning){level, number, mem_copy(MEM_ADMIN, slice_of(text))};
    s->n_warnings++;
}

void store_warn(struct store *store, const char *level, uint16_t number, const char *format, ...)
{
    char text[WARNING_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (store->who != NULL) {
        add_warning(store->who, level, number, text);
    } else if (strcmp(level, "Error") == 0) { /* main.c has logged the warnings of the file */
        log_error(NULL, "%s", text);
    }
}

/* --- start and end ---------------------------------------------------------------------------- */

/* What runs is what the process was started with: the file. */
static int begin_with_file(struct store *store)
{
    struct snapshot *snapshot = galeway_snapshot(store->galeway);
    struct reply reply = {0};
    int rc = 0;

    store->applied = conf_ref(snapshot->conf);
    snapshot_unref(snapshot);
    if (store->config_file != NULL) {
        rc = layers_read_file(store, MODULES_ALL, store->config_file, false, &reply);
    }
    if (rc == 0) {
        rc = layers_copy(store, MODULES_ALL, LAYER_MEMORY, LAYER_RUNTIME, &reply);
    }
    if (rc != 0) {
        log_error(NULL, "the console cannot show the configuration: %s",
                  reply.kind == REPLY_ERROR ? reply.message : err_text(rc));
    }
    layers_note_applied(store, MODULES_ALL);
    reply_fini(&reply);
    return rc;
}

/*
 * A configuration that was saved counts more than the file, as in ProxySQL. Modules that were never
 * saved have nothing on DISK: they stay as the file says.
 */
static void go_on_with_disk(struct store *store)
{
    struct reply reply = {0};
    unsigned modules = store->disk_fault != NULL ? 0 : layers_saved(store);

    if (modules == 0) {
        return;
    }
    if (layers_copy(store, modules, LAYER_DISK, LAYER_MEMORY, &reply) != 0 ||
        layers_apply(store, modules, false, &reply) != 0) {
        log_error(
            NULL,
            "nothing of %s is applied, what runs is the file %s. Faults: %s. To mend it: its rows "
            "are in MEMORY (LOAD CONFIG FROM DISK brings them back); LOAD CONFIG TO RUNTIME DRY "
            "RUN names each fault; then SAVE CONFIG TO DISK",
            store->disk_path, store->config_file == NULL ? "" : store->config_file,
            layers_why(&reply));
    } else {
        log_info(NULL, "configuration from %s", store->disk_path);
    }
    reply_fini(&reply);
}

static int open_store(struct store **out, struct galeway *g, const char *config_file)
{
    struct store *store = mem_new(MEM_ADMIN, sizeof(*store));
    int rc;

    store->galeway = g;
    store->config_file = config_file;
    rc = sql_open(store);
    if (rc == 0) {
        rc = layers_create(store);
    }
    if (rc == 0) {
        rc = variables_create(store);
    }
    if (rc == 0) {
        rc = layers_attach_disk(store);
    }
    if (rc == 0) {
        rc = stats_create(g, store->db);
    }
    if (rc == 0) {
        rc = store_schema_fill(store);
    }
    if (rc == 0) {
        rc = begin_with_file(store);
    }
    if (rc != 0) {
        store_close(store);
        return rc;
    }
    go_on_with_disk(store);
    *out = store;
    return 0;
}

int store_open(struct store **out, struct galeway *g, const char *config_file)
{
    int rc = open_store(out, g, config_file);

    if (rc == 0) {
        history_note(*out, "(start)");
    }
    return rc;
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    if (store->db != NULL) {
        history_flush(store);
    }
    (void)sqlite3_close_v2(store->db);
    regex_scratch_free(store->scratch);
    sqlite3_free(store->disk_path);
    mem_free(MEM_ADMIN, store->disk_fault);
    conf_unref(store->applied);
    mem_free(MEM_ADMIN, store);
}

/* Nothing is written, so that no start waits for a disk here. */
void store_boot(struct galeway *g, const char *config_file)
{
    struct store *store = NULL;

    if (open_store(&store, g, config_file) == 0) {
        store_close(store);
    }
}

/* --- statements ------------------------------------------------------------------------------- */

static bool keeps_warnings(const struct words *words)
{
    size_t at = 0;

    return words_are(words, &at, "SHOW WARNINGS") || words_are(words, &at, "SHOW ERRORS") ||
           words_are(words, &at, "SHOW COUNT");
}

/* Some clients send the end of their string, too. */
static bool has_zero(struct slice sql)
{
    while (sql.len > 0 && sql.data[sql.len - 1] == '\0') {
        sql.len--;
    }
    return sql.len > 0 && memchr(sql.data, '\0', sql.len) != NULL;
}

static void run_statement(struct run *run)
{
    words_split(run->sql, &run->words);
    if (has_zero(run->sql)) {
        reply_error(run->reply, 1064, "42000", "The statement is no text: byte %zu is a zero",
                    strlen(run->sql.data) + 1);
        return;
    }
    if (words_at_end(&run->words, 0)) {
        reply_error(run->reply, 1065, "42000", "%s", sql_empty_reason(run->sql));
        return;
    }
    if (!keeps_warnings(&run->words)) {
        drop_warnings(run->who);
    }
    if (!command_run(run)) {
        sql_run(run->store, run->sql, run->reply);
    }
    suggest_add(run);
}

void store_run(struct store *store, struct store_session *who, struct slice sql,
               struct reply *reply)
{
    struct run *run = mem_new(MEM_ADMIN, sizeof(*run));

    run->store = store;
    run->who = who;
    run->sql = sql;
    run->reply = reply;
    store->who = who;
    store->is_late = false;
    store->began_us = store->looked_us = clock_now_us();
    store->deadline_us = store->began_us + (uint64_t)SQL_SECONDS_MAX * 1000000;
    layers_follow(store);
    run_statement(run);
    store->deadline_us = 0;
    if (reply->kind == REPLY_ERROR && who->n_warnings == 0) {
        add_warning(who, "Error", reply->number, reply->message);
    }
    who->last_changes = reply->kind == REPLY_OK ? reply->affected : 0;
    reply->warnings = (uint16_t)MIN(who->n_warnings + who->warnings_dropped, (size_t)UINT16_MAX);
    store->who = NULL;
    mem_free(MEM_ADMIN, run);
}

void store_share(struct store *store, bool (*is_waited)(void *ctx), void *ctx)
{
    store->is_waited = is_waited;
    store->waited_ctx = ctx;
}

void store_tick(struct store *store)
{
    layers_follow(store);
    history_flush(store);
}
