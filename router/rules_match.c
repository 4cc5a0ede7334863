/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_match.c - the walk over the rules.
 *
 * Rules are looked at in the order of rule_id. One whose flagIN is the current flag and whose
 * conditions all hold matches: it says what is to be done, over what rules before it said, may set
 * the flag (flagOUT), and ends the walk (apply). The walk goes on behind the rule, or from the
 * first rule again while mysql-query_processor_iterations lasts.
 *
 * With a cache the walk is the same, over the few rules whose conditions hold for this digest,
 * user, schema and address. What is left to ask of these is the flag and match_pattern.
 */
#include "base/mem.h"
#include "router/digest.h"
#include "router/rules_inside.h"

/* What of a rule a statement does not meet. */
enum condition {
    COND_NONE,
    COND_USERNAME,
    COND_SCHEMANAME,
    COND_CLIENT_ADDR,
    COND_PROXY_ADDR,
    COND_PROXY_PORT,
    COND_DIGEST
};

static bool meets_client(const struct rule *rule, struct slice addr)
{
    if (rule->client_is_prefix) {
        return addr.len >= rule->client_addr.len &&
               slice_eq((struct slice){addr.data, rule->client_addr.len}, rule->client_addr);
    }
    return rule->client_addr.len == 0 || slice_eq(rule->client_addr, addr);
}

static bool meets_text(struct slice wanted, struct slice given)
{
    return wanted.len == 0 || slice_eq(wanted, given);
}

/* The order is ProxySQL's but for the digest: it is cheap and seldom met. */
static enum condition mismatch(const struct rule *rule, const struct rules_input *in)
{
    if (rule->digest != 0 && rule->digest != in->digest) {
        return COND_DIGEST;
    }
    if (!meets_text(rule->username, in->username)) {
        return COND_USERNAME;
    }
    if (!meets_text(rule->schemaname, in->schemaname)) {
        return COND_SCHEMANAME;
    }
    if (!meets_client(rule, in->client_addr)) {
        return COND_CLIENT_ADDR;
    }
    if (!meets_text(rule->proxy_addr, in->proxy_addr)) {
        return COND_PROXY_ADDR;
    }
    if (rule->proxy_port != RULES_UNSET && rule->proxy_port != in->proxy_port) {
        return COND_PROXY_PORT;
    }
    return COND_NONE;
}

bool rules_meets(const struct rule *rule, const struct rules_input *in)
{
    return mismatch(rule, in) == COND_NONE;
}

static void say_mismatch(const struct rules_walk *walk, const struct rule *rule, enum condition why)
{
    const struct rules_input *in = walk->in;
    struct slice given = {NULL, 0};
    const char *column = NULL, *wanted = NULL;

    switch (why) {
    case COND_NONE: return;
    case COND_DIGEST:
        rules_say(walk->trace, rule->row->rule_id, false, "digest: 0x%016llX is not 0x%016llX",
                  (unsigned long long)in->digest, (unsigned long long)rule->digest);
        return;
    case COND_PROXY_PORT:
        rules_say(walk->trace, rule->row->rule_id, false, "proxy_port: %u is not %d",
                  in->proxy_port, rule->proxy_port);
        return;
    case COND_USERNAME:
        column = "username";
        given = in->username;
        wanted = rule->row->username;
        break;
    case COND_SCHEMANAME:
        column = "schemaname";
        given = in->schemaname;
        wanted = rule->row->schemaname;
        break;
    case COND_CLIENT_ADDR:
        column = "client_addr";
        given = in->client_addr;
        wanted = rule->row->client_addr;
        break;
    case COND_PROXY_ADDR:
        column = "proxy_addr";
        given = in->proxy_addr;
        wanted = rule->row->proxy_addr;
        break;
    }
    rules_say(walk->trace, rule->row->rule_id, false, "%s: '%.*s' is not '%s'", column,
              SLICE_ARGS(given), wanted);
}

/* --- regexes --------------------------------------------------------------------------------- */

/* The digest's text, made when the first rule asks for it; no longer than the statement. */
static bool make_digest_text(struct rules_walk *walk)
{
    struct slice text = walk->in->text;
    uint32_t mode = (walk->in->mode & DIGEST_SESSION_MODE) | walk->rules->mode;

    text.len = MIN(text.len, walk->rules->query_longest);
    if (walk->digest_text.data != NULL || walk->no_room) {
        return !walk->no_room;
    }
    if (*walk->room_size < text.len + 1) {
        char *grown = mem_try_grow(MEM_ROUTER, *walk->room, text.len + 1);

        walk->no_room = grown == NULL;
        if (grown == NULL) {
            return false;
        }
        *walk->room = grown;
        *walk->room_size = text.len + 1;
    }
    walk->digest_text.len = digest_text(text, mode, *walk->room, *walk->room_size, NULL);
    walk->digest_text.data = *walk->room;
    return true;
}

static void count_limit(const struct rules_walk *walk, enum stat_id id)
{
    if (walk->stats != NULL) {
        stat_add(walk->stats, id, 1);
    }
}

/* A regex that ran into its limits does not match, negated or not. */
static bool judge(const struct rules_walk *walk, const struct rule *rule, enum regex_result found)
{
    if (found == REGEX_LIMIT) {
        count_limit(walk, STAT_RULE_REGEX_LIMITS);
        return false;
    }
    return (found == REGEX_YES) != rule->negate;
}

bool rules_digest_matches(struct rules_walk *walk, const struct rule *rule)
{
    if (rule->match_digest == NULL) {
        return true;
    }
    return make_digest_text(walk) &&
           judge(walk, rule, regex_match(rule->match_digest, walk->scratch, walk->digest_text));
}

static bool pattern_matches(struct rules_walk *walk, const struct rule *rule)
{
    enum regex_result found = REGEX_NO;

    if (rule->match_pattern == NULL) {
        return true;
    }
    if (!walk->sieve_is_full) {
        regex_sieve_fill(walk->sieve, walk->text);
        walk->sieve_is_full = true;
    }
    if (regex_may_match(rule->match_pattern, walk->sieve)) {
        found = regex_match(rule->match_pattern, walk->scratch, walk->text);
    }
    return judge(walk, rule, found);
}

/* --- what a rule that matched does ----------------------------------------------------------- */

/*
 * From what a rule before it made, or from the statement; a text that does not fit stays as it is.
 */
static void rewrite(struct rules_walk *walk, const struct rule *rule)
{
    struct slice from = walk->text;
    struct regex_edit edit;
    char *copy = NULL;
    enum regex_result found;
    size_t cap = MIN(walk->cap, (size_t)RULES_REWRITE_MAX), n;

    if (rule->row->replace_pattern == NULL || rule->match_pattern == NULL || cap == 0) {
        return;
    }
    if (walk->out->is_rewritten) {
        copy = mem_try(MEM_ROUTER, from.len + 1);
        if (copy == NULL) {
            return;
        }
        if (from.len > 0) {
            memcpy(copy, from.data, from.len);
        }
        from.data = copy;
    }
    edit = (struct regex_edit){rule->row->replace_pattern, rule->global, walk->out_text, cap};
    n = regex_replace(rule->match_pattern, walk->scratch, from, &edit, &found);
    if (n > 0) {
        walk->text = (struct slice){walk->out_text, n};
        walk->out->rewritten = walk->text;
        walk->out->is_rewritten = true;
        walk->sieve_is_full = false;
        mem_free(MEM_ROUTER, copy);
        return;
    }
    if (found != REGEX_NO) {
        count_limit(walk, found == REGEX_LIMIT ? STAT_RULE_REGEX_LIMITS : STAT_RULE_REWRITE_LIMITS);
    }
    if (copy != NULL) {
        memcpy(walk->out_text, copy, from.len); /* a try that did not fit may have written there */
    }
    mem_free(MEM_ROUTER, copy);
}

static void set_int(int *to, int value)
{
    if (value != CONF_UNSET) {
        *to = value;
    }
}

static void set_i64(int64_t *to, int64_t value)
{
    if (value != CONF_UNSET) {
        *to = value;
    }
}

static void take_over(struct rules_result *out, const struct rule *rule)
{
    const struct conf_rule *row = rule->row;

    set_int(&out->hostgroup, row->destination_hostgroup);
    set_i64(&out->cache_ttl_ms, row->cache_ttl_ms);
    set_int(&out->cache_empty_result, row->cache_empty_result);
    set_i64(&out->timeout_ms, row->timeout_ms);
    set_int(&out->retries, row->retries);
    set_i64(&out->delay_ms, row->delay_ms);
    set_i64(&out->causal_window_ms, rule->causal_window_ms);
    set_int(&out->next_flag_in, row->next_query_flag_in);
    set_int(&out->mirror_hostgroup, row->mirror_hostgroup);
    set_int(&out->mirror_flag_out, row->mirror_flag_out);
    set_int(&out->multiplex, row->multiplex);
    set_int(&out->sticky_conn, row->sticky_conn);
    set_int(&out->log, row->log);
    out->error_msg = row->error_msg != NULL ? row->error_msg : out->error_msg;
    out->ok_msg = row->ok_msg != NULL ? row->ok_msg : out->ok_msg;
}

/* A number for each weighted rule of a statement, from its one chance. */
static uint32_t chance_of(const struct rules_walk *walk, uint32_t index)
{
    uint64_t x = ((uint64_t)walk->in->chance << 32 | index) * UINT64_C(0x9e3779b97f4a7c15);

    x ^= x >> 29;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(x >> 32);
}

/* The flag that a rule sets, or CONF_UNSET. */
static int next_flag(const struct rules_walk *walk, const struct rule *rule, uint32_t index)
{
    uint32_t at;

    if (rule->n_weights == 0) {
        return rule->flag_out;
    }
    walk->out->is_by_lot = true;
    at = (uint32_t)((uint64_t)chance_of(walk, index) * rule->total_weight >> 32);
    for (uint32_t i = 0; i < rule->n_weights; i++) {
        if (at < rule->weights[i].upto) {
            return rule->weights[i].flag;
        }
    }
    UNREACHABLE();
}

static void say_match(const struct rules_walk *walk, const struct rule *rule, int flag)
{
    char flag_text[32] = "", hostgroup[48] = "";

    if (flag != CONF_UNSET) {
        (void)snprintf(flag_text, sizeof(flag_text), ", flagOUT=%d", flag);
    }
    if (rule->row->destination_hostgroup != CONF_UNSET) {
        (void)snprintf(hostgroup, sizeof(hostgroup), ", destination_hostgroup=%d",
                       rule->row->destination_hostgroup);
    }
    rules_say(walk->trace, rule->row->rule_id, true, "matches%s%s%s%s%s%s%s", hostgroup, flag_text,
              rule->row->replace_pattern != NULL ? ", rewrites" : "",
              rule->row->error_msg != NULL ? ", error_msg" : "",
              rule->row->ok_msg != NULL ? ", OK_msg" : "",
              rule->row->mirror_hostgroup != CONF_UNSET ? ", mirrors" : "",
              rule->apply ? ", apply" : "");
}

/* Returns whether the flag was set. */
static bool act(struct rules_walk *walk, const struct rule *rule, uint32_t index)
{
    struct rules_result *out = walk->out;
    int flag = next_flag(walk, rule, index);

    if (out->n_hits < RULES_HITS_MAX) {
        out->hits[out->n_hits++] = index;
    }
    take_over(out, rule);
    rewrite(walk, rule);
    out->applied = rule->apply;
    if (walk->trace != NULL) {
        say_match(walk, rule, flag);
    }
    if (flag == CONF_UNSET) {
        return false;
    }
    walk->flag = flag;
    walk->jumps++;
    return true;
}

/* --- the walk -------------------------------------------------------------------------------- */

/* Does the rule match? is_candidate: the cache knows that all holds but flag and match_pattern. */
static bool look(struct rules_walk *walk, const struct rule *rule, bool is_candidate)
{
    int id = rule->row->rule_id;
    enum condition why;

    if (rule->flag_in != walk->flag) {
        if (walk->trace != NULL) {
            rules_say(walk->trace, id, false, "flagIN: %d is not %d", walk->flag, rule->flag_in);
        }
        return false;
    }
    if (!is_candidate) {
        why = mismatch(rule, walk->in);
        if (why != COND_NONE) {
            say_mismatch(walk, rule, walk->trace == NULL ? COND_NONE : why);
            return false;
        }
        if (!rules_digest_matches(walk, rule)) {
            rules_say(walk->trace, id, false, "match_digest: %s%s", rule->row->match_digest,
                      rule->negate ? " matches (negate_match_pattern=1)" : " does not match");
            return false;
        }
    }
    if (!pattern_matches(walk, rule)) {
        rules_say(walk->trace, id, false, "match_pattern: %s%s", rule->row->match_pattern,
                  rule->negate ? " matches (negate_match_pattern=1)" : " does not match");
        return false;
    }
    return true;
}

static void clear(struct rules_result *out)
{
    /* All but the hits, which are many bytes. */
    out->hostgroup = RULES_UNSET;
    out->applied = false;
    out->cache_ttl_ms = RULES_UNSET;
    out->cache_empty_result = RULES_UNSET;
    out->timeout_ms = RULES_UNSET;
    out->retries = RULES_UNSET;
    out->delay_ms = RULES_UNSET;
    out->causal_window_ms = RULES_UNSET;
    out->next_flag_in = RULES_UNSET;
    out->mirror_hostgroup = RULES_UNSET;
    out->mirror_flag_out = RULES_UNSET;
    out->multiplex = RULES_UNSET;
    out->sticky_conn = RULES_UNSET;
    out->log = RULES_UNSET;
    out->is_by_lot = false;
    out->new_connection = false;
    out->error_msg = NULL;
    out->ok_msg = NULL;
    out->firewall_text = NULL;
    out->firewall_detected = false;
    out->is_rewritten = false;
    out->rewritten = (struct slice){NULL, 0};
    out->n_hits = 0;
}

/* list: indexes of the candidates, or NULL: all rules. */
static void walk_rules(struct rules_walk *walk, const uint32_t *list, size_t n)
{
    size_t i = 0;

    while (i < n) {
        uint32_t index = list == NULL ? (uint32_t)i : list[i];
        const struct rule *rule = &walk->rules->items[index];

        i++;
        if (!look(walk, rule, list != NULL)) {
            continue;
        }
        if (act(walk, rule, index) && walk->iterations > 0) {
            walk->iterations--;
            i = 0;
        }
        if (walk->out->applied) {
            return;
        }
        if (walk->jumps > RULES_CHAIN_MAX) {
            count_limit(walk, STAT_RULE_CHAIN_LIMITS);
            rules_say(walk->trace, rule->row->rule_id, false,
                      "the chain has more than %d jumps: it counts as if no rule had matched",
                      RULES_CHAIN_MAX);
            clear(walk->out);
            walk->flag = walk->in->flag_in;
            return;
        }
    }
}

static void add_hint(const struct rules_input *in, struct rules_result *out,
                     struct rules_trace *trace)
{
    if (!in->is_copy) {
        rules_hint(in, out, trace);
    }
}

static void finish(struct rules_walk *walk, struct rules_entry *entry)
{
    const struct rules *rules = walk->rules;
    struct rules_result *out = walk->out;
    int fast = RULES_UNSET;
    enum rules_verdict verdict = VERDICT_PASS;

    if (entry != NULL && entry->knows_flag && entry->flag == walk->flag) {
        fast = entry->fast_hostgroup;
        verdict = (enum rules_verdict)entry->verdict;
    } else {
        fast = rules_fast_route(rules, walk->in, walk->flag);
        verdict = rules_firewall(rules, walk->in, walk->flag);
        if (entry != NULL) {
            entry->knows_flag = true;
            entry->flag = walk->flag;
            entry->fast_hostgroup = fast;
            entry->verdict = (uint8_t)verdict;
        }
    }
    if (!out->applied && fast != RULES_UNSET) {
        out->hostgroup = fast;
        rules_say(walk->trace, 0, true, "fast routing: destination_hostgroup=%d", fast);
    }
    add_hint(walk->in, out, walk->trace);
    if (verdict == VERDICT_REFUSE) {
        out->firewall_text = rules->firewall_text;
    }
    out->firewall_detected = verdict == VERDICT_DETECT;
    if (walk->trace != NULL && rules->has_firewall) {
        static const char *const words[] = {"passes", "not on the list: detected",
                                            "not on the list: refused"};

        rules_say(walk->trace, -2, verdict != VERDICT_PASS, "firewall: %s", words[verdict]);
    }
}

static void match_cached(struct rules_walk *walk, struct rules_cache *cache)
{
    struct rules_entry *entry;
    const uint32_t *list = NULL;

    walk->stats = rules_cache_stats(cache);
    walk->scratch = rules_cache_scratch(cache);
    walk->sieve = rules_cache_sieve(cache);
    walk->room = rules_cache_room(cache, &walk->room_size);
    entry = rules_cache_find(cache, walk, &list);
    if (entry != NULL) {
        walk_rules(walk, list, entry->n);
    } else {
        walk_rules(walk, NULL, walk->rules->n);
    }
    finish(walk, entry);
}

static void match_uncached(struct rules_walk *walk)
{
    struct regex_sieve sieve;
    char *room = NULL;
    size_t room_size = 0;

    walk->stats = NULL;
    walk->scratch = regex_scratch_new();
    walk->sieve = &sieve;
    walk->room = &room;
    walk->room_size = &room_size;
    walk_rules(walk, NULL, walk->rules->n);
    finish(walk, NULL);
    regex_scratch_free(walk->scratch);
    mem_free(MEM_ROUTER, room);
    walk->scratch = NULL;
    walk->sieve = NULL;
    walk->room = NULL;
    walk->room_size = NULL;
}

void rules_match(const struct rules *rules, struct rules_cache *cache, const struct rules_input *in,
                 struct rules_result *out, char *out_text, size_t cap, struct rules_trace *trace)
{
    struct rules_walk walk;

    clear(out);
    out->flag_in = in->flag_in;
    if (rules_is_empty(rules)) {
        add_hint(in, out, trace);
        return;
    }
    walk.rules = rules;
    walk.in = in;
    walk.out = out;
    walk.trace = trace;
    walk.out_text = out_text;
    walk.cap = out_text == NULL ? 0 : cap;
    walk.text = in->text;
    walk.digest_text = (struct slice){NULL, 0};
    walk.no_room = false;
    walk.sieve_is_full = false;
    walk.flag = in->flag_in;
    walk.iterations = rules->iterations;
    walk.jumps = 0;
    if (cache != NULL && trace == NULL) {
        match_cached(&walk, cache);
    } else {
        match_uncached(&walk);
    }
}
