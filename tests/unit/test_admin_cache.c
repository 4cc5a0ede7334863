/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admin_cache.c - the query cache on the console: SHOW, FLUSH, tables, variables.
 */
#include <stdio.h>
#include <xxhash.h>

#include "tests/unit/admin_store.h"
#include "tests/unit/test.h"

#define CONFIG                                                                    \
    "mysql_variables = { query_cache_size_MB = 8 }\n"                             \
    "mysql_servers = ({ address=\"127.0.0.1\", port=3306, hostgroup=0 })\n"       \
    "mysql_users = ({ username=\"wp1\", password=\"x\", default_hostgroup=0 },\n" \
    "               { username=\"wp2\", password=\"x\", default_hostgroup=0 })\n"

/* One more read of a site through the cache. */
static enum cache_found ask(struct desk *d, const char *site, const char *sql,
                            struct cache_look *look)
{
    struct galeway *g = &d->galeway;
    struct cache_key key = {.bytes = slice_of(sql),
                            .hash = XXH3_64bits(sql, strlen(sql)) + (uint64_t)site[2],
                            .account_name = slice_of(site),
                            .schema = slice_of(site)};
    struct causal_deps deps;
    struct facts facts;

    facts_scan(&facts, slice_of(sql), 0);
    key.digest = facts.digest;
    assert_true(causal_deps_of(&g->causal, &facts, slice_of(site), false, NULL, 0, &deps));
    return cache_find(g->cache, &key, &g->causal, &deps, 1000, NULL, look);
}

static void keep(struct desk *d, const char *site, const char *sql)
{
    const struct iovec part = {(void *)(uintptr_t) "0123456789", 10};
    const struct cache_result result = {
        .parts = &part, .n_parts = 1, .len = 10, .ttl_us = 1000000, .took_us = 2000};
    struct cache_look look;

    assert_int_equal(ask(d, site, sql, &look), CACHE_LEAD);
    cache_end(d->galeway.cache, look.flight, &result, 1000);
}

static bool is_there(struct desk *d, const char *site, const char *sql)
{
    struct cache_look look;

    if (ask(d, site, sql, &look) == CACHE_HIT) {
        cache_entry_unref(d->galeway.cache, look.entry);
        return true;
    }
    cache_end(d->galeway.cache, look.flight, NULL, 1000);
    return false;
}

TEST(admin_store_shows_the_query_cache_by_site)
{
    struct desk d;

    desk_open(&d, CONFIG);
    keep(&d, "wp1", "SELECT 1 FROM t");
    keep(&d, "wp1", "SELECT a FROM u");
    keep(&d, "wp2", "SELECT 1 FROM t");
    assert_true(is_there(&d, "wp1", "SELECT 1 FROM t"));
    assert_true(is_there(&d, "wp1", "SELECT a FROM u"));
    assert_int_equal(desk_rows(&d, "SHOW QUERY CACHE"), 3);
    assert_string_equal(desk_cell(&d, 0, 0), "wp1");
    assert_string_equal(desk_cell(&d, 0, 2), "2");    /* entries */
    assert_string_equal(desk_cell(&d, 0, 4), "2");    /* hits */
    assert_string_equal(desk_cell(&d, 0, 7), "50.0"); /* hit_pct */
    assert_string_equal(desk_cell(&d, 0, 8), "4");    /* saved_ms */
    assert_string_equal(desk_cell(&d, 1, 0), "wp2");
    assert_string_equal(desk_cell(&d, 2, 0), "(all)");
    assert_string_equal(desk_cell(&d, 2, 2), "3");
    desk_run(&d, &d.guest, "SHOW QUERY CACHE");
    assert_int_equal(d.reply.kind, REPLY_ROWS);
    desk_is(&d, "SELECT COUNT(*) FROM stats_query_cache WHERE user = 'wp1' AND hits = 1", "2");
    desk_is(&d, "SELECT cache_hits FROM stats_sites WHERE user = 'wp1' AND schema = 'wp1'", "2");
    desk_error(&d, "SHOW QUERY CACHE x", 1064, "stats_query_cache");
    desk_close(&d);
}

TEST(admin_store_has_the_query_cache_in_its_counters)
{
    struct desk d;

#define GLOBAL "SELECT Variable_Value FROM stats_mysql_global WHERE Variable_Name = 'Query_Cache_"
#define MEMORY "SELECT Variable_Value FROM stats_memory_metrics WHERE Variable_Name = 'query_cache_"
    desk_open(&d, CONFIG);
    keep(&d, "wp1", "SELECT 1 FROM t");
    assert_true(is_there(&d, "wp1", "SELECT 1 FROM t"));
    desk_is(&d, GLOBAL "Entries'", "1");
    desk_is(&d, GLOBAL "count_GET'", "2");
    desk_is(&d, GLOBAL "count_GET_OK'", "1");
    desk_is(&d, GLOBAL "count_SET'", "1");
    desk_is(&d, GLOBAL "bytes_IN'", "10");
    desk_is(&d, GLOBAL "bytes_OUT'", "10");
    desk_is(&d, GLOBAL "Purged'", "0");
    desk_ok(&d, "PROXYSQL FLUSH QUERY CACHE");
    desk_is(&d, GLOBAL "Purged'", "1");
    desk_is(&d, MEMORY "memory_max'", "8388608");
    desk_is(&d,
            "SELECT a.Variable_Value = b.Variable_Value FROM stats_memory_metrics a, "
            "stats_mysql_global b WHERE a.Variable_Name = 'query_cache_memory_used' AND "
            "b.Variable_Name = 'Query_Cache_Memory_bytes'",
            "1");
    desk_close(&d);
}

TEST(admin_store_flushes_the_query_cache_or_parts_of_it)
{
    struct desk d;

    desk_open(&d, CONFIG);
    keep(&d, "wp1", "SELECT 1 FROM t");
    keep(&d, "wp1", "SELECT a FROM u");
    keep(&d, "wp2", "SELECT 1 FROM t");
    desk_ok(&d, "FLUSH QUERY CACHE TABLE 'wp1.t'");
    assert_string_equal(d.reply.info, "1 answers removed");
    assert_false(is_there(&d, "wp1", "SELECT 1 FROM t"));
    assert_true(is_there(&d, "wp1", "SELECT a FROM u"));
    assert_true(is_there(&d, "wp2", "SELECT 1 FROM t"));
    desk_ok(&d, "flush query cache site 'wp1'");
    assert_false(is_there(&d, "wp1", "SELECT a FROM u"));
    assert_true(is_there(&d, "wp2", "SELECT 1 FROM t"));
    desk_close(&d);
}

TEST(admin_store_flushes_the_query_cache_by_digest)
{
    char sql[128];
    struct desk d;

    desk_open(&d, CONFIG);
    keep(&d, "wp1", "SELECT 1 FROM t");
    keep(&d, "wp1", "SELECT a FROM u");
    assert_int_equal(desk_rows(&d, "SELECT 'FLUSH QUERY CACHE DIGEST ''' || digest || '''' FROM "
                                   "stats_query_cache ORDER BY hits, digest"),
                     2);
    (void)snprintf(sql, sizeof(sql), "%s", desk_cell(&d, 0, 0));
    desk_ok(&d, sql);
    assert_int_equal(d.reply.affected, 1);
    desk_ok(&d, "FLUSH QUERY CACHE");
    assert_int_equal(d.reply.affected, 1);
    desk_close(&d);
}

TEST(admin_store_says_what_can_be_flushed)
{
    static const char *const wrong[] = {
        "FLUSH QUERY CACHE SITE",
        "FLUSH QUERY CACHE SITE 'a' 'b'",
        "FLUSH QUERY CACHE TABLE 't'",
        "FLUSH QUERY CACHE TABLE '.t'",
        "FLUSH QUERY CACHE TABLE 'a.'",
        "FLUSH QUERY CACHE DIGEST '12'",
        "FLUSH QUERY CACHE DIGEST '0x'",
        "FLUSH QUERY CACHE DIGEST '0x1z'",
        "FLUSH QUERY CACHE DIGEST '0x11111111111111111'",
    };
    struct desk d;

    desk_open(&d, CONFIG);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        desk_error(&d, wrong[i], 1064, "");
    }
    desk_run(&d, &d.guest, "FLUSH QUERY CACHE");
    assert_int_equal(d.reply.kind, REPLY_ERROR);
    desk_close(&d);
}

TEST(admin_store_limits_the_query_cache)
{
    struct desk d;

    desk_open(&d, CONFIG);
    keep(&d, "wp1", "SELECT 1 FROM t");
    desk_ok(&d, "SET mysql-query_cache_size_MB = 0");
    desk_ok(&d, "LOAD MYSQL VARIABLES TO RUNTIME");
    desk_is(&d,
            "SELECT Variable_Value FROM stats_mysql_global WHERE Variable_Name = "
            "'Query_Cache_Entries'",
            "0");
    assert_int_equal(cache_max_bytes(d.galeway.cache), 0);
    desk_error(&d, "SET mysql-query_cache_site_share_pct = 101", 1231, "");
    desk_close(&d);
}

/* Writes are told to rows by another column from now on: what was told by the old one is void. */
TEST(admin_store_forgets_the_query_cache_with_its_row_keys)
{
    struct desk d;

    desk_open(&d, CONFIG);
    keep(&d, "wp1", "SELECT 1 FROM t");
    desk_ok(&d, "LOAD MYSQL VARIABLES TO RUNTIME");
    assert_true(is_there(&d, "wp1", "SELECT 1 FROM t"));
    desk_ok(&d, "SET mysql-query_cache_row_keys = '%postmeta.meta_key'");
    desk_ok(&d, "LOAD MYSQL VARIABLES TO RUNTIME");
    assert_false(is_there(&d, "wp1", "SELECT 1 FROM t"));
    desk_close(&d);
}
