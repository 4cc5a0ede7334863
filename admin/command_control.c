/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_control.c - the process and its clients: PROXYSQL, FLUSH, KILL.
 */
#include <signal.h>
#include <unistd.h>

#include "admin/command.h"
#include "admin/explain.h"
#include "admin/layers.h"
#include "admin/store_sql.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "proxy/pause.h"
#include "proxy/worker.h"

/* --- KILL ------------------------------------------------------------------------------------- */

static bool client_is_there(struct galeway *g, uint64_t id)
{
    return g->n_workers > 0 && kill_account_of(g->workers[0], id) != NULL;
}

void command_kill(struct run *run, size_t at)
{
    struct galeway *g = run->store->galeway;
    bool query_only = word_is(&run->words, at, "QUERY");
    struct mail *mail;
    unsigned owner;
    int64_t id;

    at += query_only || word_is(&run->words, at, "CONNECTION") ? 1 : 0;
    if (!word_number(&run->words, at, &id) || !words_at_end(&run->words, at + 1)) {
        command_syntax(run, at, "[CONNECTION | QUERY] and a SessionID of SHOW PROCESSLIST");
        return;
    }
    owner = (unsigned)((uint64_t)id & ((1u << WORKER_BITS) - 1));
    if (owner >= g->n_workers || !client_is_there(g, (uint64_t)id)) {
        reply_error(run->reply, err_number(ERR_NO_THREAD), err_sqlstate(ERR_NO_THREAD),
                    "Unknown thread id: %lld", (long long)id);
        return;
    }
    mail = mail_new(MAIL_KILL);
    mail->client_id = (uint64_t)id;
    mail->kill_query = query_only;
    worker_post(g->workers[owner], mail);
    reply_info(run->reply, 0, NULL);
}

/* --- EXPLAIN ROUTE ---------------------------------------------------------------------------- */

/* FOR 'user'@'schema' or FOR 'user': both are mem_free'd by the caller. */
static bool read_site(struct run *run, size_t *at, char **user, char **schema)
{
    *user = word_value(&run->words, *at);
    (*at)++;
    if (*user != NULL && word_is(&run->words, *at, "@")) {
        *schema = word_value(&run->words, *at + 1);
        *at += 2;
        return *schema != NULL;
    }
    return *user != NULL;
}

/* The first user that clients may be. */
static char *first_user(struct galeway *g)
{
    struct snapshot *snapshot = galeway_snapshot(g);
    char *name = NULL;

    for (size_t i = 0; i < snapshot->conf->n_users && name == NULL; i++) {
        const struct conf_user *user = &snapshot->conf->users[i];

        if (user->active && user->frontend) {
            name = mem_copy(MEM_ADMIN, slice_of(user->username));
        }
    }
    snapshot_unref(snapshot);
    return name;
}

/* The statement is one text in quotes, or all that follows. */
static char *read_statement(struct run *run, size_t at)
{
    bool is_text = at < run->words.n && run->words.at[at].quote != '\0';

    if (is_text && words_at_end(&run->words, at + 1)) {
        return word_value(&run->words, at);
    }
    return mem_copy(MEM_ADMIN, run_rest(run, at));
}

void command_explain_route(struct run *run, size_t at)
{
    bool has_site = words_are(&run->words, &at, "FOR");
    char *user = NULL, *schema = NULL, *sql = NULL;
    bool good = !has_site || read_site(run, &at, &user, &schema);

    if (!has_site) {
        user = first_user(run->store->galeway);
    }
    sql = good ? read_statement(run, at) : NULL;
    if (sql == NULL || sql[0] == '\0') {
        command_syntax(run, at, "FOR 'user'@'schema' and a statement in quotes");
    } else {
        explain_route(run->store->galeway, slice_of(user == NULL ? "" : user),
                      slice_of(schema == NULL ? "" : schema), slice_of(sql), run->reply);
    }
    mem_free(MEM_ADMIN, user);
    mem_free(MEM_ADMIN, schema);
    mem_free(MEM_ADMIN, sql);
}

/* --- PROXYSQL --------------------------------------------------------------------------------- */

static void say_ok(struct run *run)
{
    reply_info(run->reply, 0, NULL);
}

static void do_pause(struct run *run)
{
    if (run->store->galeway->n_workers == 0 || pause_listeners(run->store->galeway) == 0) {
        say_ok(run);
    } else {
        reply_error(run->reply, 1105, "HY000", "Not all workers have closed their ports in time");
    }
}

static void do_resume(struct run *run)
{
    int rc = run->store->galeway->n_workers == 0 ? 0 : resume_listeners(run->store->galeway);

    if (rc == 0) {
        say_ok(run);
    } else {
        reply_error(run->reply, 1105, "HY000", "The ports cannot be opened: %s; see the log",
                    err_text(rc));
    }
}

static void do_read_only(struct run *run)
{
    run->store->read_only = true;
    say_ok(run);
}

static void do_read_write(struct run *run)
{
    run->store->read_only = false;
    say_ok(run);
}

static void do_flush_logs(struct run *run)
{
    int rc = galeway_rotate_logs(run->store->galeway);

    if (rc == 0) {
        say_ok(run);
    } else {
        reply_error(run->reply, err_number(ERR_FILE), err_sqlstate(ERR_FILE),
                    "The log cannot be opened again: %s", err_text(rc));
    }
}

static void do_flush_configdb(struct run *run)
{
    layers_detach_disk(run->store);
    if (layers_attach_disk(run->store) != 0 || run->store->disk_fault != NULL) {
        reply_error(run->reply, err_number(ERR_FILE), err_sqlstate(ERR_FILE),
                    "%s cannot be opened: %s", run->store->disk_path, run->store->disk_fault);
    } else {
        say_ok(run);
    }
}

/* Whole or not at all: all files that were read must be good. */
static void do_reload_tls(struct run *run)
{
    struct faults faults = {0};
    int rc = galeway_read_tls(run->store->galeway, true, &faults);

    if (rc == 0) {
        say_ok(run);
    } else {
        reply_error(run->reply, err_number(rc), err_sqlstate(rc), "Nothing was changed: %s",
                    faults.count > 0 ? faults.items[0].text : err_text(rc));
    }
    faults_fini(&faults);
}

static void do_flush_hosts(struct run *run)
{
    hosts_flush(&run->store->galeway->hosts);
    say_ok(run);
}

static void do_not_here(struct run *run)
{
    reply_error(run->reply, 1235, "42000",
                "Not supported: a service manager restarts processes; PAUSE and RESUME close and "
                "open the ports");
}

/* The first signal drains, a second one ends at once: see main.c. */
static void do_shutdown_slow(struct run *run)
{
    log_info(NULL, "shutdown by '%s' on the console", run->who->user);
    (void)kill(getpid(), SIGTERM);
    say_ok(run);
}

static void do_shutdown(struct run *run)
{
    do_shutdown_slow(run);
    (void)kill(getpid(), SIGINT);
}

static const struct control {
    const char *words;
    void (*act)(struct run *run);
    bool changes; /* not while the console is read only */
} controls[] = {
    {"SHUTDOWN SLOW", do_shutdown_slow, false},
    {"SHUTDOWN", do_shutdown, false},
    {"KILL", do_shutdown, false},
    {"RESTART", do_not_here, false},
    {"START", do_not_here, false},
    {"STOP", do_not_here, false},
    {"PAUSE", do_pause, false},
    {"RESUME", do_resume, false},
    {"READONLY", do_read_only, false},
    {"READWRITE", do_read_write, false},
    {"FLUSH LOGS", do_flush_logs, false},
    {"FLUSH MYSQL CLIENT HOSTS", do_flush_hosts, false},
    {"FLUSH CONFIGDB", do_flush_configdb, true},
    {"RELOAD TLS", do_reload_tls, false},
};

void command_proxysql(struct run *run, size_t at)
{
    for (size_t i = 0; i < ARRAY_SIZE(controls); i++) {
        size_t end = at;

        if (words_are(&run->words, &end, controls[i].words) && words_at_end(&run->words, end)) {
            if (controls[i].changes && run->store->read_only) {
                reply_error(run->reply, 1290, "HY000", "Not possible: the console is read only");
            } else {
                controls[i].act(run);
            }
            return;
        }
    }
    command_syntax(run, at,
                   "PAUSE, RESUME, READONLY, READWRITE, FLUSH LOGS, FLUSH QUERY CACHE, "
                   "FLUSH MYSQL CLIENT HOSTS, FLUSH CONFIGDB, RELOAD TLS, SHUTDOWN [SLOW] or KILL");
}

/* FLUSH LOGS without PROXYSQL in front. */
void command_flush(struct run *run, size_t at)
{
    command_proxysql(run, at - 1);
}
