/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_monitor_log.c - the rings of events and checks, and the program that is run for an event.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/monitor_hook.h"
#include "pool/monitor_log.h"
#include "tests/unit/test.h"

struct seen {
    uint64_t n;
    uint64_t first, last;
};

static void see_event(void *arg, const struct monitor_event *event)
{
    struct seen *s = arg;

    s->first = s->n++ == 0 ? event->number : s->first;
    assert_true(s->last < event->number);
    s->last = event->number;
}

static void see_check(void *arg, const struct monitor_check *check)
{
    struct seen *s = arg;

    s->first = s->n++ == 0 ? check->time_us : s->first;
    s->last = check->time_us;
}

TEST(monitor_log_keeps_the_newest_events)
{
    struct monitor_log *log = monitor_log_new();
    struct monitor_event e = {.kind = EVENT_NODE_DOWN, .hostgroup = -1, .cause = "a test"};
    struct seen seen = {0};

    atomic_store(&log_level_now, LOG_ERROR);
    for (int i = 0; i < MONITOR_EVENTS_MAX + 10; i++) {
        monitor_log_event(log, &e);
    }
    assert_int_equal(e.number, MONITOR_EVENTS_MAX + 10);
    assert_true(e.time_us > 0);
    monitor_log_events(log, see_event, &seen);
    assert_int_equal(seen.n, MONITOR_EVENTS_MAX);
    assert_int_equal(seen.first, 11);
    assert_int_equal(seen.last, MONITOR_EVENTS_MAX + 10);
    assert_int_equal(monitor_log_dropped(log), 10);
    monitor_log_free(log);
}

TEST(monitor_log_gives_each_event_once)
{
    struct monitor_log *log = monitor_log_new();
    struct monitor_event e = {.kind = EVENT_WRITER, .hostgroup = 10};
    struct monitor_event out;

    atomic_store(&log_level_now, LOG_ERROR);
    assert_false(monitor_log_next(log, &out));
    monitor_log_event(log, &e);
    monitor_log_event(log, &e);
    assert_true(monitor_log_next(log, &out));
    assert_int_equal(out.number, 1);
    assert_true(monitor_log_next(log, &out));
    assert_int_equal(out.number, 2);
    assert_false(monitor_log_next(log, &out));
    for (int i = 0; i < MONITOR_EVENTS_MAX + 5; i++) {
        monitor_log_event(log, &e);
    }
    assert_true(monitor_log_next(log, &out));
    assert_int_equal(out.number, 8); /* those before are gone */
    monitor_log_free(log);
}

TEST(monitor_log_keeps_the_newest_checks_by_kind)
{
    struct monitor_log *log = monitor_log_new();
    struct seen galera = {0}, connects = {0}, pings = {0}, read_only = {0};

    for (uint64_t i = 1; i <= MONITOR_CHECKS_MAX + 2; i++) {
        struct monitor_check c = {.time_us = i, .kind = i % 2 == 0 ? CHECK_GALERA : CHECK_CONNECT};

        monitor_log_check(log, &c);
    }
    monitor_log_checks(log, CHECK_GALERA, see_check, &galera);
    monitor_log_checks(log, CHECK_CONNECT, see_check, &connects);
    monitor_log_checks(log, CHECK_PING, see_check, &pings);
    monitor_log_checks(log, CHECK_READ_ONLY, see_check, &read_only);
    assert_int_equal(galera.n, MONITOR_CHECKS_MAX / 2);
    assert_int_equal(galera.first, 4);
    assert_int_equal(connects.first, 3);
    assert_int_equal(pings.n, galera.n); /* a check is a ping, a connect is none */
    assert_int_equal(read_only.n, 0);
    assert_int_equal(monitor_log_dropped(log), 2);
    monitor_log_keep(log, 1000); /* they are of 1970 */
    galera = (struct seen){0};
    monitor_log_checks(log, CHECK_GALERA, see_check, &galera);
    assert_int_equal(galera.n, 0);
    monitor_log_check(log,
                      &(struct monitor_check){.time_us = clock_unix_us(), .kind = CHECK_GALERA});
    monitor_log_checks(log, CHECK_GALERA, see_check, &galera);
    assert_int_equal(galera.n, 1);
    monitor_log_free(log);
}

/* --- the hook --------------------------------------------------------------------------------- */

struct script {
    char folder[64];
    char path[96];
    char out[96];
};

static struct script write_script(const char *body)
{
    struct script s = {.folder = "/tmp/galeway-hook-XXXXXX"};
    FILE *f;

    assert_non_null(mkdtemp(s.folder));
    (void)snprintf(s.path, sizeof(s.path), "%s/hook", s.folder);
    (void)snprintf(s.out, sizeof(s.out), "%s/out", s.folder);
    f = fopen(s.path, "w");
    assert_non_null(f);
    assert_true(fprintf(f, "#!/bin/sh\n%s\n", body) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(s.path, 0700), 0);
    return s;
}

static void remove_script(const struct script *s)
{
    (void)unlink(s->path);
    (void)unlink(s->out);
    assert_int_equal(rmdir(s->folder), 0);
}

static const struct monitor_event event = {.number = 7,
                                           .time_us = 1700000000123456,
                                           .kind = EVENT_NODE_DOWN,
                                           .hostgroup = 10,
                                           .address = "10.0.0.2",
                                           .port = 3306,
                                           .cause = "refused; \"$(reboot)\" 'x'"};

TEST(monitor_hook_gets_the_event_in_its_environment)
{
    struct script s = write_script("env | grep ^GALEWAY_ | sort >$(dirname $0)/out");
    uv_loop_t loop;
    struct hooks *hooks;
    char text[1024] = "";
    FILE *f;

    assert_int_equal(uv_loop_init(&loop), 0);
    hooks = hooks_new(&loop, 10000);
    hooks_run(hooks, s.path, &event);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(hooks_counts(hooks).n_started, 1);
    assert_int_equal(hooks_counts(hooks).n_failed, 0);
    f = fopen(s.out, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
    (void)fclose(f);
    assert_string_equal(text, "GALEWAY_CAUSE=refused; \"$(reboot)\" 'x'\n"
                              "GALEWAY_EVENT=node_down\n"
                              "GALEWAY_HOSTGROUP=10\n"
                              "GALEWAY_NODE=10.0.0.2:3306\n"
                              "GALEWAY_NUMBER=7\n"
                              "GALEWAY_TIME=2023-11-14T22:13:20.123Z\n");
    hooks_close(hooks);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    remove_script(&s);
}

TEST(monitor_hook_that_fails_or_is_missing_is_counted)
{
    struct script s = write_script("exit 3");
    uv_loop_t loop;
    struct hooks *hooks;

    assert_int_equal(uv_loop_init(&loop), 0);
    hooks = hooks_new(&loop, 10000);
    hooks_run(hooks, "", &event);
    hooks_run(hooks, s.path, &event);
    hooks_run(hooks, "/nonexistent/hook", &event);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(hooks_counts(hooks).n_started, 1);
    assert_int_equal(hooks_counts(hooks).n_failed, 2);
    hooks_close(hooks);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    remove_script(&s);
}

TEST(monitor_hook_that_hangs_is_killed)
{
    struct script s = write_script("exec sleep 1000");
    uv_loop_t loop;
    struct hooks *hooks;

    assert_int_equal(uv_loop_init(&loop), 0);
    hooks = hooks_new(&loop, 50);
    hooks_run(hooks, s.path, &event);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0); /* ends: the program has */
    assert_int_equal(hooks_counts(hooks).n_failed, 1);
    hooks_close(hooks);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    remove_script(&s);
}

TEST(monitor_hook_beyond_the_cap_is_dropped)
{
    struct script s = write_script("exec sleep 1000");
    uv_loop_t loop;
    struct hooks *hooks;

    assert_int_equal(uv_loop_init(&loop), 0);
    hooks = hooks_new(&loop, 10000);
    for (int i = 0; i < HOOKS_MAX + 2; i++) {
        hooks_run(hooks, s.path, &event);
    }
    assert_int_equal(hooks_counts(hooks).n_started, HOOKS_MAX);
    assert_int_equal(hooks_counts(hooks).n_dropped, 2);
    hooks_close(hooks);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    remove_script(&s);
}

TEST(monitor_log_counts_checks_and_what_left)
{
    struct monitor_log *log = monitor_log_new();
    struct monitor_check c = {.kind = CHECK_GALERA, .report.kind = REPORT_OK};
    struct monitor_counts counts;

    for (int i = 0; i < MONITOR_CHECKS_MAX; i++) {
        monitor_log_check(log, &c);
    }
    c.report.kind = REPORT_TIMEOUT;
    monitor_log_check(log, &c);
    c.kind = CHECK_CONNECT;
    c.report.kind = REPORT_OK;
    monitor_log_check(log, &c);
    monitor_log_counts(log, &counts);
    assert_int_equal(counts.good[CHECK_GALERA], MONITOR_CHECKS_MAX);
    assert_int_equal(counts.good[CHECK_PING], MONITOR_CHECKS_MAX);
    assert_int_equal(counts.good[CHECK_CONNECT], 1);
    assert_int_equal(counts.failed[CHECK_GALERA], 1);
    assert_int_equal(counts.failed[CHECK_PING], 1);
    assert_int_equal(counts.timeouts, 1);
    assert_int_equal(counts.events, 0);
    assert_int_equal(counts.dropped, 2);
    monitor_log_free(log);
}
