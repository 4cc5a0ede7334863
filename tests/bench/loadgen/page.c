/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page - WordPress pages: each connects anew, prepares its session, reads its site and leaves.
 *
 * A page that writes reads back what it wrote; the visitor's next page is one of the same site on
 * a new connection, at once, as after the redirect that WordPress answers a POST with. All pages
 * look whether what they read is as new as the site's last write.
 */
#include <stdlib.h>

#include "tests/bench/loadgen/wp.h"

static struct visitor *visitor_of(struct client *client)
{
    return (struct visitor *)(void *)((char *)client - offsetof(struct visitor, client));
}

static const struct client_events page_events;

/* Of all sites; of site i from COUNTERS * i. */
static struct counter *counters;

static struct counter *counters_of(unsigned site)
{
    return &counters[(size_t)COUNTERS * site];
}

/* free_site - a site for a page that writes: one that no other page is about to write; or 0. */
static unsigned free_site(struct bench *bench)
{
    const unsigned sites = bench->options.sites;
    const unsigned first = rng_below(&bench->rng, sites);

    for (unsigned i = 0; i < sites; i++) {
        const unsigned site = 1 + (first + i) % sites;

        if (!counters_of(site)->claimed) {
            return site;
        }
    }
    return 0;
}

static void open_page(struct visitor *visitor, struct bench *bench, unsigned site)
{
    visitor->counters = counters_of(site);
    if (!wp_open(visitor, bench, site, &page_events) && visitor->writes) {
        visitor->counters->claimed = false;
    }
}

static void start_page(struct visitor *visitor, struct bench *bench)
{
    const struct options *options = &bench->options;
    unsigned site = 0;

    if (!bench_goes_on(bench)) {
        return;
    }
    visitor->place = COUNTER_OTHER;
    visitor->probes = rng_below(&bench->rng, 100) < options->probe_percent;
    if (rng_below(&bench->rng, 100) < options->write_percent) {
        site = free_site(bench);
    }
    visitor->writes = site != 0;
    if (visitor->writes) {
        counters_of(site)->claimed = true;
    } else {
        site = 1 + rng_below(&bench->rng, options->sites);
    }
    open_page(visitor, bench, site);
}

/* end_page - after a page that wrote comes one that reads the same site. */
static void end_page(struct visitor *visitor)
{
    if (!visitor->writes) {
        start_page(visitor, visitor->bench);
        return;
    }
    visitor->counters->claimed = false;
    visitor->writes = false;
    visitor->place = COUNTER_NEW;
    open_page(visitor, visitor->bench, visitor->site);
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
    if (visitor->step == WP_WRITE_POST) {
        visitor->place = COUNTER_SAME;
    }
    if (next == WP_WRITE && !visitor->writes) {
        next = WP_PROBE;
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
    end_page(visitor);
}

static void on_fail(struct client *client, const char *why)
{
    struct visitor *visitor = visitor_of(client);

    wp_lost(visitor, why);
    if (visitor->writes) {
        visitor->counters->claimed = false;
    }
    start_page(visitor, visitor->bench);
}

static const struct client_events page_events = {
    .on_login = on_login, .on_reply = on_reply, .on_fail = on_fail, .on_row = wp_on_row};

void page_run(struct bench *bench)
{
    struct visitor *visitors = calloc(bench->options.clients, sizeof(*visitors));
    const unsigned n_counters = COUNTERS * (bench->options.sites + 1);

    counters = calloc(n_counters, sizeof(*counters));
    if (visitors == NULL || counters == NULL) {
        bench_wrong(bench, "out of memory");
        free(visitors);
        free(counters);
        return;
    }
    counter_init(counters, n_counters);
    for (unsigned i = 0; i < bench->options.clients; i++) {
        start_page(&visitors[i], bench);
    }
    bench_run_until_closed(bench);
    for (unsigned i = 0; i < bench->options.clients; i++) {
        client_close(&visitors[i].client);
    }
    free(visitors);
    free(counters);
}
