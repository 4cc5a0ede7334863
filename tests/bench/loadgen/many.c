/* SPDX-License-Identifier: Apache-2.0 */
/*
 * many - short statements of many users, and each answer says for whom it was made.
 *
 * Either each visit is a new connection of a user chosen at random and asks per_conn times, or
 * (per_conn 0) every user has one long connection and as many as there are clients are busy:
 * when one has its answer, another idle one, chosen at random, asks next.
 */
#include <stdlib.h>

#include "tests/bench/loadgen/wp.h"

struct audience {
    struct visitor *visitors;
    struct visitor **idle; /* long connections without a question */
    unsigned n_idle;
    unsigned n_getting_ready; /* long connections that still set up their session */
};

/* One audience in a process: the events of a client carry nothing else. */
static struct audience audience;

static struct visitor *visitor_of(struct client *client)
{
    return (struct visitor *)(void *)((char *)client - offsetof(struct visitor, client));
}

/* ask_something - who am I, or something that only the own tables know. */
static void ask_something(struct visitor *visitor)
{
    (void)wp_ask(visitor, rng_below(&visitor->bench->rng, 2) == 0 ? WP_PROBE : WP_OPTIONS + 1);
}

/* ---- new connections ---- */

static const struct client_events short_events;

static void start_visit(struct visitor *visitor, struct bench *bench)
{
    visitor->left = bench->options.per_conn;
    if (bench_goes_on(bench)) {
        (void)wp_open(visitor, bench, 1 + rng_below(&bench->rng, bench->options.sites),
                      &short_events);
    }
}

static void on_login(struct client *client)
{
    (void)wp_ask(visitor_of(client), 0);
}

static void on_short_reply(struct client *client, const struct wire_reply *reply)
{
    struct visitor *visitor = visitor_of(client);

    wp_check(visitor, reply);
    if (visitor->step + 1 < WP_SESSION_STEPS) {
        (void)wp_ask(visitor, visitor->step + 1);
        return;
    }
    if (visitor->step >= WP_SESSION_STEPS) {
        bench_done(visitor->bench, visitor->asked_ns);
        visitor->left--;
    }
    if (visitor->left > 0) {
        ask_something(visitor);
        return;
    }
    client_quit(client);
    start_visit(visitor, visitor->bench);
}

static void on_short_fail(struct client *client, const char *why)
{
    struct visitor *visitor = visitor_of(client);

    wp_lost(visitor, why);
    start_visit(visitor, visitor->bench);
}

static const struct client_events short_events = {.on_login = on_login,
                                                  .on_reply = on_short_reply,
                                                  .on_fail = on_short_fail,
                                                  .on_row = wp_on_row};

static void run_short(struct bench *bench)
{
    for (unsigned i = 0; i < bench->options.clients; i++) {
        start_visit(&audience.visitors[i], bench);
    }
    bench_run_until_closed(bench);
}

/* ---- long connections ---- */

static void rest(struct visitor *visitor)
{
    audience.idle[audience.n_idle++] = visitor;
}

/* wake_one - an idle connection, chosen at random, asks. */
static void wake_one(struct bench *bench)
{
    unsigned chosen;
    struct visitor *visitor;

    if (audience.n_idle == 0) {
        return;
    }
    chosen = rng_below(&bench->rng, audience.n_idle);
    visitor = audience.idle[chosen];
    audience.idle[chosen] = audience.idle[--audience.n_idle];
    ask_something(visitor);
}

static void on_long_reply(struct client *client, const struct wire_reply *reply)
{
    struct visitor *visitor = visitor_of(client);
    struct bench *bench = visitor->bench;

    wp_check(visitor, reply);
    if (visitor->step + 1 < WP_SESSION_STEPS) {
        (void)wp_ask(visitor, visitor->step + 1);
        return;
    }
    if (visitor->step + 1 == WP_SESSION_STEPS) {
        audience.n_getting_ready--;
        rest(visitor);
        return;
    }
    bench_done(bench, visitor->asked_ns);
    if (bench_goes_on(bench)) {
        rest(visitor);
        wake_one(bench);
    } else {
        client_quit(client);
    }
}

static void on_long_fail(struct client *client, const char *why)
{
    struct visitor *visitor = visitor_of(client);

    wp_lost(visitor, why);
    if (visitor->step < WP_SESSION_STEPS) {
        audience.n_getting_ready--;
    }
    for (unsigned i = 0; i < audience.n_idle; i++) {
        if (audience.idle[i] == visitor) {
            audience.idle[i] = audience.idle[--audience.n_idle];
            return;
        }
    }
}

static void run_long(struct bench *bench)
{
    static const struct client_events events = {.on_login = on_login,
                                                .on_reply = on_long_reply,
                                                .on_fail = on_long_fail,
                                                .on_row = wp_on_row};

    for (unsigned i = 0; i < bench->options.sites; i++) {
        if (wp_open(&audience.visitors[i], bench, 1 + i, &events)) {
            audience.n_getting_ready++;
        }
    }
    while (audience.n_getting_ready > 0 && !bench_is_stuck(bench)) {
        loop_turn(&bench->loop, 100);
    }
    bench_begin(bench);
    for (unsigned i = 0; i < bench->options.clients; i++) {
        wake_one(bench);
    }
    while (bench->loop.n_open > 0 && bench_goes_on(bench) && !bench_is_stuck(bench)) {
        loop_turn(&bench->loop, 100);
    }
    while (audience.n_idle > 0) {
        client_quit(&audience.idle[--audience.n_idle]->client);
    }
    bench_run_until_closed(bench);
}

void many_run(struct bench *bench)
{
    const struct options *options = &bench->options;
    const unsigned n = options->clients > options->sites ? options->clients : options->sites;

    audience.visitors = calloc(n, sizeof(*audience.visitors));
    audience.idle = calloc(n, sizeof(struct visitor *));
    if (audience.visitors == NULL || audience.idle == NULL) {
        bench_wrong(bench, "out of memory");
    } else if (options->per_conn > 0) {
        run_short(bench);
    } else {
        run_long(bench);
    }
    for (unsigned i = 0; audience.visitors != NULL && i < n; i++) {
        client_close(&audience.visitors[i].client);
    }
    free(audience.visitors);
    free(audience.idle);
}
