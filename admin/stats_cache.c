/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats_cache.c - the query cache by site and digest, and its sums under ProxySQL's names.
 */
#include "admin/stats_table.h"

static void fill_figures(void *arg, const struct cache_figures *figures)
{
    struct stats_fill *f = arg;

    fill_slice(f, figures->account_name);
    fill_slice(f, figures->schema);
    fill_digest(f, figures->digest);
    fill_number(f, figures->entries);
    fill_number(f, figures->bytes);
    for (unsigned i = 0; i < CACHE_COUNTS_N; i++) {
        fill_number(f, figures->counts[i]);
    }
    fill_row(f);
}

void stats_fill_query_cache(struct stats_fill *f)
{
    if (f->g->cache != NULL) {
        cache_read_figures(f->g->cache, fill_figures, f);
    }
}

/* What dashboards for ProxySQL ask for. */
void stats_add_query_cache(struct stats_fill *f)
{
    struct cache_figures sum = {0};
    const uint64_t *n = sum.counts;

    if (f->g->cache != NULL) {
        cache_sum_figures(f->g->cache, &sum);
    }
    fill_named(f, "Query_Cache_Memory_bytes", sum.bytes);
    fill_named(f, "Query_Cache_Entries", sum.entries);
    fill_named(f, "Query_Cache_count_GET", n[CACHE_HITS] + n[CACHE_MISSES] + n[CACHE_WAITS]);
    fill_named(f, "Query_Cache_count_GET_OK", n[CACHE_HITS] + n[CACHE_SHARED]);
    fill_named(f, "Query_Cache_count_SET", n[CACHE_STORED]);
    fill_named(f, "Query_Cache_bytes_IN", n[CACHE_BYTES_IN]);
    fill_named(f, "Query_Cache_bytes_OUT", n[CACHE_BYTES_OUT]);
    fill_named(f, "Query_Cache_Purged",
               n[CACHE_GONE_WRITE] + n[CACHE_GONE_FOREIGN] + n[CACHE_GONE_TTL] +
                   n[CACHE_GONE_EVICTED] + n[CACHE_GONE_FLUSHED]);
}
