/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold - many clients that log in, prepare their session as WordPress does, read once and wait.
 *
 * When all are in, it prints "held=N" and waits for SIGTERM. Then each asks once more who it is:
 * the session must be what it was.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/loadgen/wp.h"

#define AT_ONCE 32u

struct crowd {
    struct visitor *visitors;
    unsigned n;
    unsigned n_started; /* of this pass */
    unsigned n_ready;   /* of this pass */
    bool leaving;       /* the second pass */
};

/* One crowd in a process: the events of a client carry nothing else. */
static struct crowd crowd;

static struct visitor *visitor_of(struct client *client)
{
    return (struct visitor *)(void *)((char *)client - offsetof(struct visitor, client));
}

static const struct client_events hold_events;

/* start_next - the next client of this pass begins. */
static void start_next(struct bench *bench)
{
    struct visitor *visitor;

    while (crowd.n_started < crowd.n) {
        visitor = &crowd.visitors[crowd.n_started++];
        if (!crowd.leaving) {
            if (wp_open(visitor, bench, 1 + crowd.n_started % bench->options.sites, &hold_events)) {
                return;
            }
        } else if (visitor->client.state == CLIENT_IDLE) {
            visitor->begun_ns = stats_now_ns();
            if (wp_ask(visitor, bench->options.bare ? 0 : WP_PROBE)) {
                return;
            }
        }
        crowd.n_ready++; /* failed, and counted as wrong */
    }
}

static void ready(struct visitor *visitor)
{
    crowd.n_ready++;
    bench_done(visitor->bench, visitor->begun_ns);
    start_next(visitor->bench);
}

static void on_login(struct client *client)
{
    struct visitor *visitor = visitor_of(client);

    if (visitor->bench->options.bare) {
        ready(visitor);
    } else {
        (void)wp_ask(visitor, 0);
    }
}

static void on_reply(struct client *client, const struct wire_reply *reply)
{
    struct visitor *visitor = visitor_of(client);

    wp_check(visitor, reply);
    if (crowd.leaving) {
        client_quit(client);
        ready(visitor);
    } else if (visitor->step + 1 <= WP_OPTIONS + 1) {
        (void)wp_ask(visitor, visitor->step + 1);
    } else {
        ready(visitor);
    }
}

static void on_fail(struct client *client, const char *why)
{
    struct visitor *visitor = visitor_of(client);

    wp_lost(visitor, why);
    if (crowd.n_ready < crowd.n_started) {
        crowd.n_ready++;
        start_next(visitor->bench);
    }
}

static const struct client_events hold_events = {
    .on_login = on_login, .on_reply = on_reply, .on_fail = on_fail, .on_row = wp_on_row};

/* pass - bring every client through its part, AT_ONCE at a time. */
static void pass(struct bench *bench, bool leaving)
{
    crowd.leaving = leaving;
    crowd.n_started = 0;
    crowd.n_ready = 0;
    bench->progress_ns = stats_now_ns();
    for (unsigned i = 0; i < AT_ONCE; i++) {
        start_next(bench);
    }
    while (crowd.n_ready < crowd.n) {
        loop_turn(&bench->loop, 100);
        if (bench_is_stuck(bench)) {
            bench_wrong(bench, "%u clients did not get through", crowd.n - crowd.n_ready);
            return;
        }
    }
}

void hold_run(struct bench *bench)
{
    crowd.n = bench->options.clients;
    crowd.visitors = calloc(crowd.n, sizeof(*crowd.visitors));
    if (crowd.visitors == NULL) {
        bench_wrong(bench, "out of memory");
        return;
    }
    pass(bench, false);
    (void)printf("held=%u errors=%llu\n", bench->loop.n_open, (unsigned long long)bench->n_wrong);
    (void)fflush(stdout);
    while (!bench_interrupted) {
        loop_turn(&bench->loop, 1000);
    }
    pass(bench, true);
    for (unsigned i = 0; i < crowd.n; i++) {
        client_close(&crowd.visitors[i].client);
    }
    free(crowd.visitors);
}
