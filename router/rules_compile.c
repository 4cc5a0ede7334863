/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_compile.c - rows of mysql_query_rules to rules, and what is wrong with them.
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/attributes.h"
#include "router/rules_inside.h"

#define WEIGHT_MAX  1000000
#define WEIGHTS_MAX 1000 /* times WEIGHT_MAX is less than 2 to the 32nd */

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

/*
 * --- attributes: {"flagOUTs":[{"id":101,"weight":9},{"id":102,"weight":1}]},
 * {"causal_window_ms":0}
 */

/* An object of the list: these two members, and no other. */
static bool read_flag(struct rule *rule, json_t *flag)
{
    json_int_t id, weight;

    if (json_unpack(flag, "{s:I, s:I !}", "id", &id, "weight", &weight) != 0 || id < 0 ||
        id > INT32_MAX || weight < 0 || weight > WEIGHT_MAX) {
        return false;
    }
    rule->total_weight += (uint32_t)weight;
    rule->weights[rule->n_weights++] = (struct weighted_flag){(int)id, rule->total_weight};
    return true;
}

static bool read_flags(struct rule *rule, const json_t *flags)
{
    size_t n = json_array_size(flags); /* 0 = no list, too */

    if (n == 0 || n > WEIGHTS_MAX) {
        return false;
    }
    rule->weights = mem_new(MEM_ROUTER, n * sizeof(*rule->weights));
    for (size_t i = 0; i < n; i++) {
        if (!read_flag(rule, json_array_get(flags, i))) {
            return false;
        }
    }
    return rule->total_weight > 0;
}

/* Members that are not known are somebody else's. */
static bool read_attributes(struct rule *rule)
{
    json_t *root = json_loads(rule->row->attributes, 0, NULL);
    const json_t *flags = json_object_get(root, "flagOUTs");
    bool is_good = json_is_object(root) && (flags == NULL || read_flags(rule, flags)) &&
                   attributes_causal_window(rule->row->attributes, &rule->causal_window_ms);

    json_decref(root);
    return is_good;
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
    rule->causal_window_ms = RULES_UNSET;
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
