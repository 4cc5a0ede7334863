/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - options, signals, wiring: the configuration, the workers, the console, and waiting for
 * the end.
 *
 * The main thread waits for signals; what changes while workers run is changed by the console's
 * thread.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "admin/console.h"
#include "admin/store.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/version.h"
#include "pool/monitor.h"
#include "pool/users.h"
#include "protocol/pass_phrase.h"
#include "proxy/client_user.h"
#include "proxy/events_log.h"
#include "proxy/failover.h"
#include "proxy/foreign.h"
#include "proxy/notify.h"
#include "proxy/watchdog.h"
#include "proxy/worker.h"

#define DESCRIPTORS_KEPT_MAX ((rlim_t)1000) /* for all but clients */

struct options {
    const char *file;
    bool check_only;
};

static void print_usage(FILE *out)
{
    (void)fprintf(
        out, "usage: galeway -c FILE [--check]\n"
             "\n"
             "  -c, --config FILE   the configuration (libconfig, as ProxySQL's)\n"
             "      --check         say what is wrong with it, start nothing; exit 1 on an error\n"
             "  -V, --version       print the version\n"
             "  -h, --help          print this\n"
             "\n"
             "SIGTERM, SIGINT: drain and end; a second one ends at once. SIGHUP: read FILE again.\n"
             "SIGUSR1: open the log files again.\n");
}

/* Returns -1 to go on, else the exit code. */
static int read_options(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
                                          {"check", no_argument, NULL, 'k'},
                                          {"version", no_argument, NULL, 'V'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int c;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): before there is another thread */
    while ((c = getopt_long(argc, argv, "c:fVh", longs, NULL)) != -1) {
        switch (c) {
        case 'c': o->file = optarg; break;
        case 'f': /* in the foreground: as always; ProxySQL's scripts give it */ break;
        case 'k': o->check_only = true; break;
        case 'V': (void)printf("galeway %s\n", GALEWAY_VERSION); return 0;
        case 'h': print_usage(stdout); return 0;
        default: print_usage(stderr); return 2;
        }
    }
    if (o->file == NULL || optind != argc) {
        print_usage(stderr);
        return 2;
    }
    return -1;
}

static void print_faults(const struct faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        const struct fault *f = &faults->items[i];

        (void)fprintf(stderr, "%s:%d: %s: %s\n", f->file, f->line,
                      f->is_error ? "error" : "warning", f->text);
    }
    if (faults->dropped > 0) {
        (void)fprintf(stderr, "and %zu more\n", faults->dropped);
    }
}

static void log_faults(const struct faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        const struct fault *f = &faults->items[i];

        LOG_AT(f->is_error ? LOG_ERROR : LOG_WARN, NULL, "%s:%d: %s", f->file, f->line, f->text);
    }
}

/*
 * Each client is a descriptor: as many as the system gives. Some are kept for server connections,
 * files and the console, so that a client too many is told so, and nothing else fails for want of
 * one.
 */
static void raise_descriptors(struct galeway *g, const struct conf *conf)
{
    struct rlimit limit;
    rlim_t kept;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    kept = MIN(DESCRIPTORS_KEPT_MAX, limit.rlim_cur / 4);
    if (limit.rlim_cur - kept < (rlim_t)conf->vars.mysql_max_connections) {
        g->max_clients = (int)(limit.rlim_cur - kept);
        log_warn(NULL,
                 "only %llu descriptors may be open (ulimit -n): there will be %d clients at most, "
                 "not the %d of mysql-max_connections",
                 (unsigned long long)limit.rlim_cur, g->max_clients,
                 conf->vars.mysql_max_connections);
    }
}

static unsigned count_workers(const struct conf *conf)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = (unsigned)conf->vars.mysql_threads;

    if (n == 0) {
        n = cores < 1 ? 1 : (unsigned)cores;
    }
    return MIN(n, (unsigned)WORKERS_MAX);
}

static void free_workers(struct galeway *g, unsigned n)
{
    for (unsigned i = n; i-- > 0;) {
        worker_fini(g->workers[i]);
    }
    for (unsigned i = n; i-- > 0;) {
        free(g->workers[i]);
    }
}

static int listen_on_all(struct galeway *g)
{
    int rc = 0;

    for (unsigned i = 1; i < g->n_workers && rc == 0; i++) {
        rc = listeners_open(g->workers[i]);
    }
    atomic_store(&g->n_listening, g->n_workers);
    return rc;
}

static int init_workers(struct galeway *g)
{
    unsigned n = count_workers(g->snapshot->conf);
    int rc;

    for (unsigned i = 0; i < n; i++) {
        size_t size = (sizeof(struct worker) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;

        g->workers[i] = aligned_alloc(CACHE_LINE, size);
        CHECK(g->workers[i] != NULL);
        g->pools[i] = &g->workers[i]->pool;
        rc = worker_init(g->workers[i], g, i);
        if (rc != 0) {
            free_workers(g, i + 1);
            return rc;
        }
    }
    g->n_workers = n;
    atomic_store(&g->n_listening, 1);
    rc = g->snapshot->conf->vars.mysql_worker_busy_percent == 0 ? listen_on_all(g) : 0;
    if (rc != 0) {
        free_workers(g, n);
    }
    return rc;
}

static void post_all(struct galeway *g, enum mail_kind kind)
{
    for (unsigned i = 0; i < g->n_workers; i++) {
        worker_post(g->workers[i], mail_new(kind));
    }
}

struct process {
    struct galeway *galeway;
    const char *file;
    struct console *console;
    struct notify notify;
};

static void say_ready(const struct process *p, const char *prefix)
{
    struct snapshot *s = galeway_snapshot(p->galeway);
    char text[256];

    (void)snprintf(text, sizeof(text), "%s%.200s, %u workers", prefix,
                   s->conf->vars.mysql_interfaces, p->galeway->n_workers);
    snapshot_unref(s);
    notify_ready(&p->notify, text);
}

/* On the console's thread, as all that applies a configuration while workers run. */
static void reload(void *arg)
{
    struct process *p = arg;
    struct faults faults = {0};
    int rc = galeway_load(p->galeway, p->file, &faults);

    log_faults(&faults);
    faults_fini(&faults);
    if (rc != 0) {
        log_error(NULL, "%s is not valid: the configuration stays as it was", p->file);
        say_ready(p, "the file is not valid, the configuration as it was: ");
        return;
    }
    log_info(NULL, "configuration read again from %s", p->file);
    say_ready(p, "");
}

struct waiter_thread {
    struct galeway *galeway;
    pthread_t main_thread;
};

static void *join_workers(void *arg)
{
    struct waiter_thread *t = arg;

    for (unsigned i = 0; i < t->galeway->n_workers; i++) {
        worker_join(t->galeway->workers[i]);
    }
    (void)pthread_kill(t->main_thread, SIGUSR2); /* all have ended: the control thread may go */
    return NULL;
}

static void rotate_logs(struct galeway *g)
{
    int rc = galeway_rotate_logs(g);

    if (rc != 0) {
        log_error(NULL, "the log cannot be opened again, it goes on where it was: %s",
                  err_text(rc));
    }
}

static void end_workers(struct process *p, bool at_once)
{
    struct galeway *g = p->galeway;
    struct snapshot *s = galeway_snapshot(g);

    notify_stopping(&p->notify, at_once ? 0 : (uint64_t)s->conf->vars.mysql_shutdown_timeout_ms);
    snapshot_unref(s);
    log_info(NULL, at_once ? "stopping at once" : "draining: no new clients, what runs may end");
    post_all(g, at_once ? MAIL_STOP : MAIL_DRAIN);
}

/*
 * The next signal. Meanwhile the service manager is told in time, as long as the workers turn:
 * twice as often as it asks for, so that one late look is none too many.
 */
static int next_signal(struct process *p, struct watchdog *dog, const sigset_t *signals)
{
    const uint64_t pause_us = p->notify.watchdog_us / 2;
    const struct timespec pause = {.tv_sec = (time_t)(pause_us / 1000000),
                                   .tv_nsec = (long)(pause_us % 1000000) * 1000};

    for (;;) {
        int sig = sigtimedwait(signals, NULL, pause_us > 0 ? &pause : NULL);

        if (sig > 0) {
            return sig;
        }
        if (errno == EAGAIN && watchdog_look(dog, p->galeway)) {
            notify_tell(&p->notify, "WATCHDOG=1");
        }
    }
}

/* Signals until the workers have ended. */
static void control(struct process *p, const sigset_t *signals)
{
    struct waiter_thread t = {p->galeway, pthread_self()};
    struct watchdog dog = {{0}};
    pthread_t joiner;
    bool draining = false;

    CHECK(pthread_create(&joiner, NULL, join_workers, &t) == 0);
    for (;;) {
        int sig = next_signal(p, &dog, signals);

        if (sig == SIGUSR2) {
            break;
        }
        if (sig == SIGHUP) {
            notify_reloading(&p->notify);
            console_call(p->console, reload, p);
        } else if (sig == SIGUSR1) {
            rotate_logs(p->galeway);
        } else {
            end_workers(p, draining);
            draining = true;
        }
    }
    CHECK(pthread_join(joiner, NULL) == 0);
}

static void block_signals(sigset_t *signals)
{
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGTERM);
    (void)sigaddset(signals, SIGINT);
    (void)sigaddset(signals, SIGHUP);
    (void)sigaddset(signals, SIGUSR1);
    (void)sigaddset(signals, SIGUSR2);
    CHECK(pthread_sigmask(SIG_BLOCK, signals, NULL) == 0); /* inherited by the workers */
    (void)signal(SIGPIPE, SIG_IGN);
}

#define FIRST_CHECKS_MS 1500 /* the first client finds roles, when the nodes answer */

/* On the monitor's thread: workers look at who waits and at their connections. */
static void on_nodes(void *arg)
{
    post_all(arg, MAIL_NODES);
}

static unsigned n_writing(void *arg, const struct node *node)
{
    return failover_n_writing(arg, node);
}

static unsigned n_held(void *arg)
{
    return failover_n_held(arg);
}

static int start_monitor(struct galeway *g)
{
    struct snapshot *s = galeway_snapshot(g);
    int rc;

    g->nodes.n_writing = n_writing;
    g->nodes.n_held = n_held;
    g->nodes.n_writing_arg = g;
    rc = monitor_start(&g->monitor, &g->nodes, s->conf, FIRST_CHECKS_MS, on_nodes, g);
    if (rc == 0) {
        foreign_configure(g, s->conf);
        users_configure(g->users, s->conf);
    }
    snapshot_unref(s);
    return rc;
}

/*
 * The nodes are checked, then the workers listen. The console begins before they do, so that who
 * has been answered on a port for traffic finds it on its own, and the configuration that it shows
 * is the one they begin with. Then signals until the end.
 */
static int run(struct process *p, const sigset_t *signals)
{
    struct galeway *g = p->galeway;
    int rc = start_monitor(g);

    rc = rc != 0 ? rc : console_start(&p->console, g, p->file);
    if (rc == 0) {
        struct snapshot *s = galeway_snapshot(g);

        log_info(NULL, "galeway %s ready on %s with %u workers", GALEWAY_VERSION,
                 s->conf->vars.mysql_interfaces, g->n_workers);
        snapshot_unref(s);
        for (unsigned i = 0; i < g->n_workers; i++) {
            CHECK(worker_start(g->workers[i]) == 0);
        }
        say_ready(p, "");
        control(p, signals);
        console_stop(p->console);
    }
    foreign_stop(g);
    users_free(g->users); /* before the workers that it writes to */
    g->users = NULL;
    monitor_stop(g->monitor);
    g->monitor = NULL;
    free_workers(g, g->n_workers);
    return rc;
}

/* What --check does not do: make certificates when there are none. */
static void start_tls(struct galeway *g)
{
    struct faults faults = {0};
    int rc = galeway_open_keylog(g->snapshot->conf);

    if (rc != 0) {
        log_error(NULL, "admin-ssl_keylog_file: %s cannot be written: %s",
                  g->snapshot->conf->vars.admin_ssl_keylog_file, err_text(rc));
    }

    if (g->certificates.context == NULL && galeway_read_tls(g, true, &faults) != 0) {
        log_faults(&faults);
    }
    faults_fini(&faults);
}

static int serve(struct galeway *g, const char *file)
{
    struct process process = {.galeway = g, .file = file};
    const struct conf *conf;
    const char *log_file;
    sigset_t signals;
    int rc;

    store_boot(g, file);
    conf = g->started = conf_ref(g->snapshot->conf);
    log_file = conf->vars.mysql_log_file;
    rc = log_open(log_file[0] != '\0' ? log_file : NULL);
    if (rc != 0) {
        (void)fprintf(stderr, "galeway: cannot write %s (mysql-log_file): %s\n", log_file,
                      err_text(rc));
        return 1;
    }
    block_signals(&signals);
    notify_open(&process.notify);
    raise_descriptors(g, conf);
    queue_init(&g->queue, (size_t)conf->vars.mysql_queue_max_length,
               (size_t)conf->vars.mysql_queue_max_bytes);
    g->rsa = rsa_key_new();
    start_tls(g);
    galeway_first_look(g);
    rc = init_workers(g);
    rc = rc != 0 ? rc : run(&process, &signals);
    if (rc != 0) {
        log_error(NULL, "cannot start: %s", err_text(rc));
    } else {
        log_info(NULL, "ended");
    }
    queue_fini(&g->queue);
    notify_close(&process.notify);
    return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct galeway galeway;
    struct options options = {0};
    struct faults faults = {0};
    int rc = read_options(&options, argc, argv);

    if (rc >= 0) {
        return rc;
    }
    mem_begin();
    pass_phrase_never_ask();
    galeway = (struct galeway){.started_ms = clock_now_ms()};
    galeway_init(&galeway);
    galeway.users = client_users_new(&galeway);
    rc = galeway_load(&galeway, options.file, &faults);
    print_faults(&faults);
    faults_fini(&faults);
    if (rc == 0 && !options.check_only) {
        rc = serve(&galeway, options.file);
    } else if (rc == 0) {
        (void)printf("%s: ok\n", options.file);
    } else {
        (void)fprintf(stderr, "galeway: %s is not valid\n", options.file);
        rc = 1;
    }
    users_free(galeway.users);
    galeway_fini(&galeway);
    log_close();
    return rc;
}
