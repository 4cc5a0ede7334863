/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats_clients.c - who is connected and what keeps him: the process list, users, pins, sites.
 */
#include <stdio.h>

#include "admin/stats_table.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "pool/homes.h"
#include "pool/schema.h"
#include "proxy/worker.h"

#define INFO_BYTES 1024

/* --- the process list ------------------------------------------------------------------------ */

/* What ProxySQL has no column for, as JSON. */
static void fill_extended(struct stats_fill *f, const struct figures_client *c)
{
    char text[INFO_BYTES];
    int n = snprintf(text, sizeof(text), "{\"state\":\"%s\",\"questions\":%llu,\"pins\":[",
                     c->state, (unsigned long long)c->questions);
    const char *comma = "";

    for (unsigned pin = 0; pin < PIN_COUNT; pin++) {
        if ((c->pins & BIT(pin)) != 0) {
            n += snprintf(text + n, sizeof(text) - (size_t)n, "%s\"%s\"", comma,
                          pin_name((enum pin)pin));
            comma = ",";
        }
    }
    n += snprintf(text + n, sizeof(text) - (size_t)n, "]");
    if (c->node != NULL) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, ",\"server_thread_id\":%u",
                      c->server_thread);
    }
    if (c->is_compressed) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, ",\"compressed\":true");
    }
    if (c->balancer.family != ADDRESS_NONE) {
        char balancer[ADDRESS_TEXT_MAX];

        n += snprintf(text + n, sizeof(text) - (size_t)n, ",\"balancer\":\"%s:%u\"",
                      address_text(&c->balancer, balancer), c->balancer.port);
    }
    (void)snprintf(text + n, sizeof(text) - (size_t)n, "}");
    fill_text(f, text);
}

static void add_client(struct stats_fill *f, const struct figures_client *c)
{
    fill_number(f, c->id & ((1u << WORKER_BITS) - 1));
    fill_number(f, c->id);
    fill_text(f, c->account == NULL ? "unauthenticated user" : c->account->name);
    fill_schema(f, c->schema);
    fill_text(f, c->address);
    fill_number(f, c->port);
    fill_signed(f, c->hostgroup);
    fill_text(f, c->local_address);
    fill_number(f, c->local_port);
    fill_node(f, c->node);
    fill_text(f, c->command);
    fill_number(f, c->time_ms);
    fill_slice(f, c->info == NULL ? (struct slice){"", 0}
                                  : (struct slice){c->info->bytes, c->info->len});
    fill_number(f, c->status);
    fill_extended(f, c);
    fill_row(f);
}

void stats_fill_processlist(struct stats_fill *f)
{
    ROWS(f, copy, clients, struct figures_client, client)
    {
        add_client(f, client);
    }
}

/* --- users ----------------------------------------------------------------------------------- */

void stats_fill_users(struct stats_fill *f)
{
    const struct conf *conf = f->snapshot->conf;

    for (size_t i = 0; i < conf->n_users; i++) {
        const struct conf_user *user = &conf->users[i];
        const struct account *account;

        if (conf_user_find(conf, slice_of(user->username)) != user) {
            continue; /* not active, or not for clients */
        }
        account = account_find(&f->g->accounts, slice_of(user->username));
        fill_text(f, user->username);
        fill_signed(f, account == NULL ? 0 : atomic_load(&account->n_clients));
        fill_number(f, user->max_connections);
        fill_row(f);
    }
    stats_add_followed_users(f);
}

/* --- pins ------------------------------------------------------------------------------------ */

void stats_fill_pins(struct stats_fill *f)
{
    ROWS(f, copy, pins, struct figures_pin, p)
    {
        fill_user(f, p->account);
        fill_text(f, pin_name((enum pin)p->pin));
        fill_digest(f, p->digest);
        fill_number(f, p->count);
        fill_number(f, p->ended_ms + p->now * copy->now_ms - p->began_ms);
        fill_number(f, p->now);
        fill_row(f);
    }
}

/* --- sites ----------------------------------------------------------------------------------- */

/* A site over all workers. */
struct site {
    const struct account *account;
    struct slice schema; /* borrowed */
    uint64_t statements, errors, queued_ms, waiting, servers, pinned, cache_hits;
    uint64_t steps[FIGURES_STEPS];
    size_t key_len;
    char key[sizeof(uintptr_t) + SCHEMA_NAME_MAX];
};

/* NULL: no memory. */
static struct site *site_of(struct map *sites, const struct account *account, struct slice name)
{
    const uintptr_t id = (uintptr_t)account;
    char key[sizeof(id) + SCHEMA_NAME_MAX];
    struct slice whole = {key, sizeof(id) + name.len};
    struct site *site;

    memcpy(key, &id, sizeof(id));
    memcpy(key + sizeof(id), name.data, name.len);
    site = map_get(sites, whole);
    if (site != NULL) {
        return site;
    }
    site = mem_try(MEM_ADMIN, sizeof(*site));
    if (site == NULL) {
        return NULL;
    }
    *site = (struct site){.account = account, .schema = name, .key_len = whole.len};
    memcpy(site->key, key, whole.len);
    if (map_put(sites, (struct slice){site->key, site->key_len}, site) != 0) {
        mem_free(MEM_ADMIN, site);
        return NULL;
    }
    return site;
}

static struct slice name_of(const struct schema *schema)
{
    return schema == NULL ? (struct slice){"", 0} : schema->name;
}

static void add_counted(struct map *sites, const struct figures_site *row)
{
    struct site *site = site_of(sites, row->account, name_of(row->schema));

    if (site == NULL) {
        return;
    }
    site->statements += row->statements;
    site->errors += row->errors;
    site->queued_ms += row->queued_ms;
    for (size_t i = 0; row->steps != NULL && i < FIGURES_STEPS; i++) {
        site->steps[i] += row->steps[i];
    }
}

static void add_now(struct map *sites, const struct figures_site_now *row)
{
    struct site *site = site_of(sites, row->account, name_of(row->schema));

    if (site != NULL) {
        site->waiting += row->waiting;
        site->servers += row->servers;
        site->pinned += row->pinned;
    }
}

struct cached {
    struct galeway *g;
    struct map *sites;
};

static void add_cached(void *arg, const struct cache_figures *row)
{
    const struct cached *cached = arg;
    struct account *account = account_find(&cached->g->accounts, row->account_name);
    struct site *site;

    if (account == NULL || row->schema.len > SCHEMA_NAME_MAX) {
        return;
    }
    site = site_of(cached->sites, account, row->schema);
    if (site != NULL) {
        site->cache_hits += row->counts[CACHE_HITS] + row->counts[CACHE_SHARED];
    }
}

static void collect_sites(const struct stats_fill *f, struct map *sites)
{
    ROWS(f, copy, sites, struct figures_site, counted)
    {
        add_counted(sites, counted);
    }
    ROWS(f, copy, sites_now, struct figures_site_now, now)
    {
        add_now(sites, now);
    }
    if (f->g->cache != NULL) {
        cache_read_figures(f->g->cache, add_cached, &(struct cached){f->g, sites});
    }
}

/* "10.0.0.1:3306"; empty when sites have no homes, or this one's is moving. */
static void fill_home(struct stats_fill *f, const struct site *site)
{
    const struct conf_user *user = conf_user_find(f->snapshot->conf, slice_of(site->account->name));
    const struct role_set *roles =
        user == NULL ? NULL : topology_roles(f->snapshot->topology, user->default_hostgroup);
    const struct homes *homes = homes_of(roles == NULL ? NULL : roles->cluster);
    unsigned node =
        homes == NULL ? HOME_NONE : homes_at(homes, homes_bucket(schema_hash(site->schema)));

    fill_text(f, node == HOME_NONE ? "" : f->g->nodes.items[node]->text);
}

void stats_fill_sites(struct stats_fill *f)
{
    struct map sites;
    struct site *site;
    size_t pos = 0;

    map_init(&sites, MEM_ADMIN, (size_t)WORKERS_MAX * FIGURES_SITES_MAX);
    collect_sites(f, &sites);
    while ((site = map_next(&sites, &pos)) != NULL) {
        fill_user(f, site->account);
        fill_slice(f, site->schema);
        fill_number(f, site->statements);
        fill_number(f, figures_percentile(site->steps, 50));
        fill_number(f, figures_percentile(site->steps, 95));
        fill_number(f, figures_percentile(site->steps, 99));
        fill_number(f, site->waiting);
        fill_number(f, site->queued_ms);
        fill_number(f, site->servers);
        fill_number(f, site->pinned);
        fill_number(f, site->cache_hits);
        fill_number(f, site->errors);
        fill_home(f, site);
        fill_row(f);
        (void)map_remove(&sites, (struct slice){site->key, site->key_len});
        mem_free(MEM_ADMIN, site);
    }
    map_fini(&sites);
}
