/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page - WordPress pages: each connects anew, prepares its session, reads its site and leaves.
 */
#include <stdlib.h>

#include "tests/bench/loadgen/wp.h"

static struct visitor *visitor_of(struct client *client)
{
    return (struct visitor *)(void *)((char *)client - offsetof(struct visitor, client));
}

static const struct client_events page_events;

static void start_page(struct visitor *visitor, struct bench *bench)
{
    const struct options *options = &bench->options;

    if (!bench_goes_on(bench)) {
        return;
    }
    visitor->writes = rng_below(&bench->rng, 100) < options->write_percent;
    visitor->probes = rng_below(&bench->rng, 100) < options->probe_percent;
    (void)wp_open(visitor, bench, 1 + rng_below(&bench->rng, options->sites), &page_events);
}

static void on_login(struct client *client)
{
    (void)wp_ask(visitor_of(client), 0);
}

static void on_reply(struct client *client, const struct wire_reply *reply)
{
    struct visitor *visitor = visitor_of(client);
    unsigned next = visitor->step + 1;

    wp_check(visitor, reply);
    if (next == WP_WRITE && !visitor->writes) {
        next++;
    }
    if (next == WP_PROBE && !visitor->probes) {
        next++;
    }
    if (next < WP_STEPS) {
        (void)wp_ask(visitor, next);
        return;
    }
    bench_done(visitor->bench, visitor->begun_ns);
    client_quit(client);
    start_page(visitor, visitor->bench);
}

static void on_fail(struct client *client, const char *why)
{
    struct visitor *visitor = visitor_of(client);

    wp_lost(visitor, why);
    start_page(visitor, visitor->bench);
}

static const struct client_events page_events = {
    .on_login = on_login, .on_reply = on_reply, .on_fail = on_fail, .on_row = wp_on_row};

void page_run(struct bench *bench)
{
    struct visitor *visitors = calloc(bench->options.clients, sizeof(*visitors));

    if (visitors == NULL) {
        bench_wrong(bench, "out of memory");
        return;
    }
    for (unsigned i = 0; i < bench->options.clients; i++) {
        start_page(&visitors[i], bench);
    }
    bench_run_until_closed(bench);
    for (unsigned i = 0; i < bench->options.clients; i++) {
        client_close(&visitors[i].client);
    }
    free(visitors);
}
