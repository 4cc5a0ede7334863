/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreign.c - see foreign.h.
 */
#include "proxy/foreign.h"

#include "pool/follower.h"
#include "pool/monitor.h"
#include "proxy/galeway.h"
#include "proxy/rights.h"

/* From a follower's thread. */
static void on_write(void *arg, struct slice schema, struct slice table, struct slice column,
                     struct slice key)
{
    struct galeway *g = arg;
    struct row_keys rows = {.n = 0};
    bool is_row = column.data != NULL && row_keys_add(&rows, column, key);

    causal_mark_foreign(&g->causal, schema, table, is_row ? &rows : NULL);
}

static void on_gap(void *arg)
{
    struct galeway *g = arg;

    causal_mark_missed(&g->causal);
}

static void on_rights(void *arg)
{
    rights_seen(arg);
}

static bool is_cache_used(const struct conf *conf)
{
    if (conf->vars.mysql_query_cache_size_MB == 0) {
        return false;
    }
    for (size_t i = 0; i < conf->n_rules; i++) {
        if (conf->rules[i].active && conf->rules[i].cache_ttl_ms > 0) {
            return true;
        }
    }
    return conf->vars.mysql_query_cache_auto;
}

void foreign_configure(struct galeway *g, struct conf *conf)
{
    const char *row_keys = conf->vars.mysql_query_cache_row_keys;
    const struct follower_events events = {
        .arg = g, .on_write = on_write, .on_gap = on_gap, .on_rights = on_rights};
    struct follower *f = atomic_load(&g->follower);

    if (f != NULL) {
        follower_configure(f, conf, row_keys);
    } else if (is_cache_used(conf)) {
        follower_start(&f, &g->nodes, conf, row_keys, monitor_log_of(g->monitor), &events);
        atomic_store(&g->follower, f);
    }
}

void foreign_stop(struct galeway *g)
{
    follower_stop(atomic_exchange(&g->follower, NULL));
}
