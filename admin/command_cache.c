/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_cache.c - SHOW QUERY CACHE, FLUSH QUERY CACHE.
 */
#include <errno.h>
#include <stdlib.h>

#include "admin/command.h"
#include "admin/store_sql.h"
#include "base/mem.h"

/* --- SHOW ------------------------------------------------------------------------------------- */

#define SUMS                                                                                   \
    "SUM(entries) AS entries, SUM(bytes) AS bytes, SUM(hits) AS hits, SUM(misses) AS misses, " \
    "SUM(waits) AS waits, "                                                                    \
    "ROUND(100.0 * SUM(hits + shared) / MAX(1, SUM(hits + misses + waits)), 1) AS hit_pct, "   \
    "SUM(saved_us) / 1000 AS saved_ms, SUM(stored) AS stored, "                                \
    "SUM(not_stored_write) AS lost_write, "                                                    \
    "SUM(not_stored_unfit + not_stored_large + not_stored_room) AS not_stored, "               \
    "SUM(gone_write) AS \"write\", SUM(gone_foreign) AS \"foreign\", SUM(gone_ttl) AS ttl, "   \
    "SUM(gone_evicted) AS evicted, SUM(gone_flushed) AS flushed "                              \
    "FROM stats.stats_query_cache"

void command_show_cache(struct run *run, size_t at)
{
    if (!words_at_end(&run->words, at)) {
        command_syntax(run, at, "the end of the command; stats_query_cache has each digest");
        return;
    }
    sql_runf(run->store, run->reply,
             "SELECT * FROM (SELECT user, schema, " SUMS " GROUP BY user, schema ORDER BY hits "
             "DESC, user, schema) UNION ALL SELECT '(all)', '(all)', " SUMS);
}

/* --- FLUSH ------------------------------------------------------------------------------------ */

static void say(struct run *run, uint64_t n)
{
    reply_info(run->reply, n, "%llu answers removed", (unsigned long long)n);
}

/*
 * As if the table had been written past Galeway: reads under way keep nothing either, and the next
 * ones follow.
 */
static void flush_table(struct run *run, size_t at, const char *name)
{
    struct galeway *g = run->store->galeway;
    const char *dot = strchr(name, '.');

    if (dot == NULL || dot == name || dot[1] == '\0') {
        command_syntax(run, at, "the name of a table with its schema: 'schema.table'");
        return;
    }
    causal_mark_foreign(&g->causal, (struct slice){name, (size_t)(dot - name)}, slice_of(dot + 1),
                        NULL);
    say(run, cache_flush(g->cache, &(struct cache_filter){.unless_hold = true}));
}

static void flush_site(struct run *run, size_t at, const char *name)
{
    (void)at;
    say(run,
        cache_flush(run->store->galeway->cache, &(struct cache_filter){.schema = slice_of(name)}));
}

/* 0x and up to 16 digits, as the column digest has it. */
static void flush_digest(struct run *run, size_t at, const char *name)
{
    char *end = NULL;
    uint64_t digest;

    errno = 0;
    digest = strtoull(name, &end, 16);
    if (strncmp(name, "0x", 2) != 0 || name[2] == '\0' || *end != '\0' || errno != 0) {
        command_syntax(run, at, "a digest of stats_query_cache: '0x...'");
        return;
    }
    say(run, cache_flush(run->store->galeway->cache,
                         &(struct cache_filter){.has_digest = true, .digest = digest}));
}

static const struct flush {
    const char *word;
    void (*act)(struct run *run, size_t at, const char *name);
} flushes[] = {{"SITE", flush_site}, {"TABLE", flush_table}, {"DIGEST", flush_digest}};

static bool flush_some(struct run *run, size_t at)
{
    for (size_t i = 0; i < ARRAY_SIZE(flushes); i++) {
        char *name;

        if (!word_is(&run->words, at, flushes[i].word) || !words_at_end(&run->words, at + 2)) {
            continue;
        }
        name = word_value(&run->words, at + 1);
        if (name != NULL) {
            flushes[i].act(run, at + 1, name);
            mem_free(MEM_ADMIN, name);
            return true;
        }
    }
    return false;
}

void command_flush_cache(struct run *run, size_t at)
{
    if (words_at_end(&run->words, at)) {
        say(run, cache_flush(run->store->galeway->cache, NULL));
    } else if (!flush_some(run, at)) {
        command_syntax(run, at,
                       "SITE 'schema', TABLE 'schema.table', DIGEST '0x...' or the end of the "
                       "command");
    }
}
