/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_compile.c - rows of mysql_query_rules to rules, and what is wrong with them.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/json.h"
#include "router/rules_inside.h"

struct compiler {
    struct rules *rules;
    const struct conf *conf;
    struct faults *faults;
    int *flags_in; /* owned: those of rules and fast routes, sorted */
    size_t n_flags_in;
};

#define RULE_ERROR(c, rule, ...) \
    fault_error((c)->faults, (rule)->row->place.file, (rule)->row->place.line, __VA_ARGS__)
#define RULE_WARNING(c, rule, ...) \
    fault_warning((c)->faults, (rule)->row->place.file, (rule)->row->place.line, __VA_ARGS__)

/* --- flags ----------------------------------------------------------------------------------- */

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

static void collect_flags(struct compiler *c)
{
    size_t n = c->rules->n + c->conf->n_fast_routes;

    c->flags_in = mem_new(MEM_ROUTER, MAX(n, 1) * sizeof(int));
    for (size_t i = 0; i < c->rules->n; i++) {
        c->flags_in[c->n_flags_in++] = c->rules->items[i].flag_in;
    }
    for (size_t i = 0; i < c->conf->n_fast_routes; i++) {
        c->flags_in[c->n_flags_in++] = c->conf->fast_routes[i].flag_in;
    }
    qsort(c->flags_in, c->n_flags_in, sizeof(int), compare_ints);
}

static bool is_read(const struct compiler *c, int flag)
{
    return bsearch(&flag, c->flags_in, c->n_flags_in, sizeof(int), compare_ints) != NULL;
}

static void check_flag_out(struct compiler *c, const struct rule *rule, int flag)
{
    if (!rule->apply && !is_read(c, flag)) {
        RULE_ERROR(c, rule,
                   "mysql_query_rules: rule_id %d: flagOUT %d is the flagIN of no active rule and "
                   "of no fast routing",
                   rule->row->rule_id, flag);
    }
}

static void check_flags(struct compiler *c, const struct rule *rule)
{
    const struct conf_rule *row = rule->row;

    if (rule->n_weights == 0 && rule->flag_out >= 0) {
        check_flag_out(c, rule, rule->flag_out);
    }
    for (uint32_t i = 0; i < rule->n_weights; i++) {
        check_flag_out(c, rule, rule->weights[i].flag);
    }
    if (row->next_query_flag_in > 0 && !is_read(c, row->next_query_flag_in)) {
        RULE_WARNING(c, rule,
                     "mysql_query_rules: rule_id %d: next_query_flagIN %d is the flagIN of no "
                     "active rule: no rule will match the next statement",
                     row->rule_id, row->next_query_flag_in);
    }
}

/* --- attributes: {"flagOUTs":[{"id":101,"weight":9},{"id":102,"weight":1}]} ------------------ */

static bool number_of(struct slice text, int64_t max, int64_t *out)
{
    int64_t number = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || number > max) {
            return false;
        }
        number = number * 10 + (text.data[i] - '0');
    }
    *out = number;
    return number <= max;
}

/* The members of one object of the list. */
static bool read_flag(struct json *json, int64_t *id, int64_t *weight)
{
    enum json_kind kind;

    *id = *weight = -1;
    while ((kind = json_next(json)) == JSON_KEY) {
        bool is_id = slice_eq(json->text, SLICE("id"));
        bool is_weight = slice_eq(json->text, SLICE("weight"));

        if (json_next(json) != JSON_NUMBER || !(is_id || is_weight) ||
            !number_of(json->text, is_id ? INT32_MAX : 1000000, is_id ? id : weight)) {
            return false;
        }
    }
    return kind == JSON_OBJECT_END && *id >= 0 && *weight >= 0;
}

static bool add_weight(struct rule *rule, int64_t id, int64_t weight)
{
    size_t size = (rule->n_weights + 1) * sizeof(*rule->weights);
    struct weighted_flag *grown = mem_try_grow(MEM_ROUTER, rule->weights, size);

    if (grown == NULL) {
        return false;
    }
    rule->weights = grown;
    rule->total_weight += (uint32_t)weight;
    grown[rule->n_weights++] = (struct weighted_flag){(int)id, rule->total_weight};
    return rule->n_weights <= 1000; /* times 1000000 is less than 2 to the 32nd */
}

static bool read_flags(struct rule *rule, struct json *json)
{
    enum json_kind kind;
    int64_t id, weight;

    if (json_next(json) != JSON_ARRAY) {
        return false;
    }
    while ((kind = json_next(json)) == JSON_OBJECT) {
        if (!read_flag(json, &id, &weight) || !add_weight(rule, id, weight)) {
            return false;
        }
    }
    return kind == JSON_ARRAY_END && rule->total_weight > 0;
}

/* Members that are not known are somebody else's. */
static bool read_attributes(struct rule *rule)
{
    struct json json;
    enum json_kind kind;

    json_init(&json, slice_of(rule->row->attributes));
    if (json_next(&json) != JSON_OBJECT) {
        return false;
    }
    while ((kind = json_next(&json)) == JSON_KEY) {
        if (slice_eq(json.text, SLICE("flagOUTs"))) {
            if (!read_flags(rule, &json)) {
                return false;
            }
            continue;
        }
        kind = json_next(&json);
        if ((kind == JSON_OBJECT || kind == JSON_ARRAY) && !json_skip(&json)) {
            return false;
        }
    }
    return kind == JSON_OBJECT_END;
}

/* --- one rule -------------------------------------------------------------------------------- */

static struct regex *compile_regex(struct compiler *c, const struct rule *rule, const char *column,
                                   const char *pattern)
{
    bool caseless = (rule->row->re_modifiers & CONF_RE_CASELESS) != 0;
    char why[REGEX_WHY];
    struct regex *regex;

    if (pattern == NULL || pattern[0] == '\0') {
        return NULL;
    }
    regex = regex_new(pattern, caseless, why);
    if (regex == NULL) {
        RULE_ERROR(c, rule, "mysql_query_rules: rule_id %d: %s \"%.200s\": %s", rule->row->rule_id,
                   column, pattern, why);
    }
    return regex;
}

static void check_hostgroup(struct compiler *c, const struct rule *rule, const char *column,
                            int hostgroup)
{
    if (hostgroup != CONF_UNSET && !conf_is_served(c->conf, hostgroup)) {
        RULE_ERROR(c, rule, "mysql_query_rules: rule_id %d: %s %d has no server in mysql_servers",
                   rule->row->rule_id, column, hostgroup);
    }
}

static void set_conditions(struct rules *rules, struct rule *rule)
{
    const struct conf_rule *row = rule->row;

    rule->flag_in = row->flag_in;
    rule->proxy_port = row->proxy_port;
    rule->digest = row->digest;
    rule->username = slice_of(row->username);
    rule->schemaname = slice_of(row->schemaname);
    rule->proxy_addr = slice_of(row->proxy_addr);
    rule->client_addr = slice_of(row->client_addr);
    rule->negate = row->negate_match_pattern;
    rule->global = (row->re_modifiers & CONF_RE_GLOBAL) != 0;
    rule->apply = row->apply;
    rule->flag_out = row->flag_out;
    rules->any_client_addr |= rule->client_addr.len > 0;
    rules->any_proxy_addr |= rule->proxy_addr.len > 0 || rule->proxy_port != RULES_UNSET;
    if (rule->client_addr.len > 0 && rule->client_addr.data[rule->client_addr.len - 1] == '%') {
        rule->client_addr.len--;
        rule->client_is_prefix = true;
    }
}

static void compile_rule(struct compiler *c, struct rule *rule)
{
    const struct conf_rule *row = rule->row;

    set_conditions(c->rules, rule);
    rule->match_digest = compile_regex(c, rule, "match_digest", row->match_digest);
    rule->match_pattern = compile_regex(c, rule, "match_pattern", row->match_pattern);
    if (row->replace_pattern != NULL && rule->match_pattern != NULL) {
        const char *wrong = regex_check_replacement(rule->match_pattern, row->replace_pattern);

        if (wrong != NULL) {
            RULE_ERROR(c, rule, "mysql_query_rules: rule_id %d: replace_pattern \"%.200s\" %s",
                       row->rule_id, row->replace_pattern, wrong);
        }
    }
    if (row->attributes[0] != '\0' && !read_attributes(rule)) {
        RULE_ERROR(c, rule,
                   "mysql_query_rules: rule_id %d: attributes are not as in "
                   "{\"flagOUTs\":[{\"id\":101,\"weight\":9},{\"id\":102,\"weight\":1}]}",
                   row->rule_id);
    }
    check_hostgroup(c, rule, "destination_hostgroup", row->destination_hostgroup);
    check_hostgroup(c, rule, "mirror_hostgroup", row->mirror_hostgroup);
}

static int compare_rules(const void *a, const void *b)
{
    return compare_ints(&((const struct rule *)a)->row->rule_id,
                        &((const struct rule *)b)->row->rule_id);
}

int rules_compile(struct rules *rules, const struct conf *conf, struct faults *faults)
{
    struct compiler c = {.rules = rules, .conf = conf, .faults = faults};
    size_t errors_before = faults->errors;

    rules->items = mem_new(MEM_ROUTER, MAX(conf->n_rules, 1) * sizeof(*rules->items));
    for (size_t i = 0; i < conf->n_rules; i++) {
        if (conf->rules[i].active) {
            rules->items[rules->n++].row = &conf->rules[i];
        }
    }
    qsort(rules->items, rules->n, sizeof(*rules->items), compare_rules);
    for (size_t i = 0; i < rules->n; i++) {
        compile_rule(&c, &rules->items[i]);
    }
    collect_flags(&c);
    for (size_t i = 0; i < rules->n; i++) {
        check_flags(&c, &rules->items[i]);
    }
    mem_free(MEM_ROUTER, c.flags_in);
    return faults->errors > errors_before ? ERR_CONFIG : 0;
}
