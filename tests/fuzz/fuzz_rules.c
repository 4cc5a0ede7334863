/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_rules.c - any bytes as patterns, replacement, attributes and statement of two rules.
 *
 * The parts of the input end with a zero. What must hold: rules are made or a fault is said; a
 * cache decides as no cache does; what a regex matches, its sieve lets through; nothing leaks.
 */
#include "base/mem.h"
#include "conf/conf.h"
#include "router/facts.h"
#include "router/regex.h"
#include "router/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char base[] =
    "mysql_servers=({address=\"a\"; hostgroup=1}, {address=\"b\"; hostgroup=2})\n"
    "mysql_variables={query_processor_iterations=2}\n"
    "mysql_query_rules=({rule_id=1; active=1; destination_hostgroup=1; flagOUT=0},\n"
    "{rule_id=2; active=1; destination_hostgroup=2})\n";

/* The next part of the input. */
static struct slice take(const uint8_t **data, size_t *size)
{
    const uint8_t *end = memchr(*data, 0, *size);
    struct slice part = {(const char *)*data, end == NULL ? *size : (size_t)(end - *data)};
    size_t n = part.len + (end == NULL ? 0 : 1);

    *data += n;
    *size -= n;
    return part;
}

/* An empty part is a column that was left out. */
static void set(char **column, struct slice text)
{
    if (text.len > 0) {
        mem_free(MEM_CONF, *column);
        *column = mem_copy(MEM_CONF, text);
    }
}

static void check_sieve(const char *pattern, bool caseless, struct slice text)
{
    char why[REGEX_WHY];
    struct regex *regex = pattern == NULL ? NULL : regex_new(pattern, caseless, why);
    struct regex_scratch *scratch = regex_scratch_new();
    struct regex_sieve sieve;

    if (regex != NULL) {
        regex_sieve_fill(&sieve, text);
        CHECK(regex_match(regex, scratch, text) != REGEX_YES || regex_may_match(regex, &sieve));
    }
    regex_free(regex);
    regex_scratch_free(scratch);
}

static void check_same(const struct rules_result *a, const struct rules_result *b)
{
    CHECK(a->hostgroup == b->hostgroup && a->applied == b->applied && a->n_hits == b->n_hits);
    CHECK(memcmp(a->hits, b->hits, a->n_hits * sizeof(a->hits[0])) == 0);
    CHECK(a->is_rewritten == b->is_rewritten && slice_eq(a->rewritten, b->rewritten));
}

static void match(const struct rules *rules, struct slice sql, uint8_t flags)
{
    static char texts[2][8192];
    static struct stat_set stats;
    struct rules_result plain, cached;
    struct rules_trace trace = {0};
    struct rules_cache *cache = rules_cache_new(&stats);
    struct facts facts;
    struct rules_input in = {.username = SLICE("u"), .text = sql, .mode = flags & 3U};

    facts_scan(&facts, sql, in.mode);
    in.digest = facts.digest;
    in.chance = flags * UINT32_C(0x01010101);
    rules_match(rules, NULL, &in, &plain, texts[0], sizeof(texts[0]), &trace);
    for (int i = 0; i < 2; i++) {
        rules_match(rules, cache, &in, &cached, texts[1], sizeof(texts[1]), NULL);
        check_same(&plain, &cached);
    }
    rules_trace_fini(&trace);
    rules_cache_free(cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    struct rules *rules = NULL;
    uint8_t flags = size == 0 ? 0 : data[0];
    int rc = conf_load_text(&conf, "fuzz", slice_of(base), &faults);

    CHECK(rc == 0);
    data += size == 0 ? 0 : 1;
    size -= size == 0 ? 0 : 1;
    for (int i = 0; i < 2; i++) {
        struct conf_rule *rule = &conf->rules[i];

        set(&rule->match_digest, take(&data, &size));
        set(&rule->match_pattern, take(&data, &size));
        set(&rule->replace_pattern, take(&data, &size));
        set(&rule->attributes, take(&data, &size));
        rule->re_modifiers = flags >> (2 * i) & 3;
        rule->negate_match_pattern = (flags >> (4 + i) & 1) != 0;
    }
    rc = rules_new(&rules, conf, &faults);
    CHECK((rc == 0) == (rules != NULL) && (rc == 0) == (faults.errors == 0));
    if (rules != NULL) {
        struct slice sql = {(const char *)data, MIN(size, (size_t)4096)};

        match(rules, sql, flags);
        check_sieve(conf->rules[0].match_pattern, (flags & 1) != 0, sql);
        check_sieve(conf->rules[1].match_pattern, (flags & 4) != 0, sql);
    }
    rules_free(rules);
    conf_unref(conf);
    faults_fini(&faults);
    CHECK(mem_blocks(MEM_ROUTER) == 0 && mem_blocks(MEM_CONF) == 0);
    return 0;
}
