/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_after.c - what comes behind the rules: fast routing, the firewall's lists, the hint in the
 * first comment.
 */
#include "base/err.h"
#include "base/mem.h"
#include "router/rules_inside.h"
#include "router/rules_key.h"

/* --- keys ------------------------------------------------------------------------------------ */

static void route_key(struct rules_key *key, struct slice user, struct slice schema, int flag)
{
    rules_key_begin(key);
    rules_key_add_text(key, user);
    rules_key_add_text(key, schema);
    rules_key_add(key, &flag, sizeof(flag));
}

static void user_key(struct rules_key *key, struct slice user, struct slice address)
{
    rules_key_begin(key);
    rules_key_add_text(key, user);
    rules_key_add_text(key, address);
}

static void rule_key(struct rules_key *key, struct slice user, struct slice address,
                     struct slice schema, int flag, uint64_t digest)
{
    user_key(key, user, address);
    rules_key_add_text(key, schema);
    rules_key_add(key, &flag, sizeof(flag));
    rules_key_add(key, &digest, sizeof(digest));
}

/* NULL: not there, or a name too long to be there. */
static const void *find(const struct rules_index *index, const struct rules_key *key)
{
    return key->is_too_long ? NULL : map_get(&index->map, (struct slice){key->bytes, key->len});
}

/* The keys of an index, one behind the other. */
struct builder {
    struct rules_index *index;
    size_t room, used;
    int rc;
};

static void begin(struct builder *builder, struct rules_index *index, size_t n)
{
    *builder = (struct builder){.index = index};
    map_init(&index->map, MEM_ROUTER, MAX(n, 1));
}

/* Twice over the rows: first their keys are measured, then they are put in. */
static void add(struct builder *builder, const struct rules_key *key, const void *row)
{
    char *at;

    if (builder->index->keys == NULL) {
        builder->room += key->len;
        return;
    }
    at = builder->index->keys + builder->used;
    CHECK(!key->is_too_long && builder->used + key->len <= builder->room);
    memcpy(at, key->bytes, key->len);
    builder->used += key->len;
    if (builder->rc == 0) {
        builder->rc =
            map_put(&builder->index->map, (struct slice){at, key->len}, (void *)(uintptr_t)row);
    }
}

static void take_room(struct builder *builder)
{
    builder->index->keys = mem_new(MEM_ROUTER, MAX(builder->room, 1));
}

/* --- fast routing ---------------------------------------------------------------------------- */

static void add_routes(struct builder *builder, const struct conf *conf)
{
    struct rules_key key;

    for (size_t i = 0; i < conf->n_fast_routes; i++) {
        const struct conf_fast_route *row = &conf->fast_routes[i];

        route_key(&key, slice_of(row->username), slice_of(row->schemaname), row->flag_in);
        add(builder, &key, row);
    }
}

static void check_routes(const struct conf *conf, struct faults *faults)
{
    int last = CONF_UNSET;

    for (size_t i = 0; i < conf->n_fast_routes; i++) {
        const struct conf_fast_route *row = &conf->fast_routes[i];

        if (row->destination_hostgroup != last &&
            !conf_is_served(conf, row->destination_hostgroup)) {
            fault_error(faults, row->place.file, row->place.line,
                        "mysql_query_rules_fast_routing: destination_hostgroup %d of username "
                        "\"%s\", schemaname \"%s\" has no server in mysql_servers",
                        row->destination_hostgroup, row->username, row->schemaname);
        } else {
            last = row->destination_hostgroup; /* most rows are alike */
        }
    }
}

int rules_fast_route(const struct rules *rules, const struct rules_input *in, int flag)
{
    const struct conf_fast_route *row;
    struct rules_key key;

    if (rules->fast.map.count == 0) {
        return RULES_UNSET;
    }
    route_key(&key, in->username, in->schemaname, flag);
    row = find(&rules->fast, &key);
    if (row == NULL) {
        route_key(&key, (struct slice){NULL, 0}, in->schemaname, flag); /* of any user */
        row = find(&rules->fast, &key);
    }
    return row == NULL ? RULES_UNSET : row->destination_hostgroup;
}

/* --- the firewall ---------------------------------------------------------------------------- */

static void add_firewall_users(struct builder *builder, const struct conf *conf)
{
    struct rules_key key;

    for (size_t i = 0; i < conf->n_firewall_users; i++) {
        const struct conf_firewall_user *row = &conf->firewall_users[i];

        if (row->active) {
            user_key(&key, slice_of(row->username), slice_of(row->client_address));
            add(builder, &key, row);
        }
    }
}

static void add_firewall_rules(struct builder *builder, const struct conf *conf)
{
    struct rules_key key;

    for (size_t i = 0; i < conf->n_firewall_rules; i++) {
        const struct conf_firewall_rule *row = &conf->firewall_rules[i];

        if (row->active) {
            rule_key(&key, slice_of(row->username), slice_of(row->client_address),
                     slice_of(row->schemaname), row->flag_in, row->digest);
            add(builder, &key, row);
        }
    }
}

/*
 * As in ProxySQL: the row of (user, address), or else of (user, any address); a user without a row
 * is protected. The list of statements is looked at with the address that the user's row has.
 */
enum rules_verdict rules_firewall(const struct rules *rules, const struct rules_input *in, int flag)
{
    const struct conf_firewall_user *user;
    struct slice address = in->client_addr;
    uint8_t mode;
    struct rules_key key;

    if (!rules->has_firewall) {
        return VERDICT_PASS;
    }
    user_key(&key, in->username, address);
    user = find(&rules->firewall_users, &key);
    if (user == NULL) {
        address = (struct slice){NULL, 0};
        user_key(&key, in->username, address);
        user = find(&rules->firewall_users, &key);
    }
    mode = user == NULL ? (uint8_t)FIREWALL_PROTECTING : user->mode;
    if (mode == FIREWALL_OFF) {
        return VERDICT_PASS;
    }
    rule_key(&key, in->username, address, in->schemaname, flag, in->digest);
    if (find(&rules->firewall_rules, &key) != NULL) {
        return VERDICT_PASS;
    }
    return mode == FIREWALL_DETECTING ? VERDICT_DETECT : VERDICT_REFUSE;
}

/* --- made, freed ----------------------------------------------------------------------------- */

static int make_index(struct rules_index *index, size_t n, const struct conf *conf,
                      void (*add_rows)(struct builder *builder, const struct conf *conf))
{
    struct builder builder;

    begin(&builder, index, n);
    add_rows(&builder, conf);
    take_room(&builder);
    add_rows(&builder, conf);
    return builder.rc;
}

int rules_after_new(struct rules *rules, const struct conf *conf, struct faults *faults)
{
    size_t errors_before = faults->errors;

    check_routes(conf, faults);
    rules->has_firewall = conf->vars.mysql_firewall_whitelist_enabled;
    rules->firewall_text = conf->vars.mysql_firewall_whitelist_errormsg;
    rules->any_client_addr |= rules->has_firewall;
    if (make_index(&rules->fast, conf->n_fast_routes, conf, add_routes) != 0 ||
        make_index(&rules->firewall_users, conf->n_firewall_users, conf, add_firewall_users) != 0 ||
        make_index(&rules->firewall_rules, conf->n_firewall_rules, conf, add_firewall_rules) != 0) {
        fault_error(faults, conf->n_files > 0 ? conf->files[0] : "", 0,
                    "mysql_query_rules: out of memory");
    }
    return faults->errors > errors_before ? ERR_CONFIG : 0;
}

static void free_index(struct rules_index *index)
{
    map_fini(&index->map);
    mem_free(MEM_ROUTER, index->keys);
}

void rules_after_free(struct rules *rules)
{
    free_index(&rules->fast);
    free_index(&rules->firewall_users);
    free_index(&rules->firewall_rules);
}

/* --- the hint -------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct slice skip(struct slice text, size_t n)
{
    return (struct slice){text.data + n, text.len - n};
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && is_space(text.data[0])) {
        text = skip(text, 1);
    }
    while (text.len > 0 && is_space(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* A comment that is one for every server: not the kind that is run. */
static bool begins_comment(struct slice text)
{
    return text.len >= 4 && text.data[0] == '/' && text.data[1] == '*' && text.data[2] != '!' &&
           !(text.data[2] == 'M' && text.data[3] == '!');
}

/* What stands in the comment at the start or behind the first word; empty when there is none. */
static struct slice first_comment(struct slice text)
{
    const struct slice none = {NULL, 0};
    bool behind_word = false;

    while (text.len > 0) {
        char c = text.data[0];

        if (is_space(c)) {
            text = skip(text, 1);
        } else if (begins_comment(text)) {
            const char *end = memmem(text.data + 2, text.len - 2, "*/", 2);

            return end == NULL ? none
                               : (struct slice){text.data + 2, (size_t)(end - text.data) - 2};
        } else if (!behind_word && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) {
            behind_word = true;
            while (text.len > 0 && ((text.data[0] | 0x20) >= 'a' && (text.data[0] | 0x20) <= 'z')) {
                text = skip(text, 1);
            }
        } else {
            return none;
        }
    }
    return none;
}

bool rules_has_hint(struct slice text)
{
    return first_comment(text).len > 0;
}

/* A number of digits only, at most max; false for anything else. */
static bool number_of(struct slice text, int64_t max, int64_t *out)
{
    int64_t number = 0;

    if (text.len == 0 || text.len > 18) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        number = number * 10 + (text.data[i] - '0');
    }
    *out = number;
    return number <= max;
}

#define TIME_MAX INT64_C(1728000000) /* ms */

/* One key=value. What is not known, or not a number, is a comment like any other. */
static bool obey(struct slice key, struct slice value, struct rules_result *out)
{
    int64_t n;

    if (slice_eq_nocase(key, SLICE("hostgroup")) && number_of(value, INT32_MAX, &n)) {
        out->hostgroup = (int)n;
    } else if (slice_eq_nocase(key, SLICE("query_timeout")) && number_of(value, TIME_MAX, &n)) {
        out->timeout_ms = n;
    } else if (slice_eq_nocase(key, SLICE("query_delay")) && number_of(value, TIME_MAX, &n)) {
        out->delay_ms = n;
    } else if (slice_eq_nocase(key, SLICE("query_retries")) && number_of(value, 1000, &n)) {
        out->retries = (int)n;
    } else if (slice_eq_nocase(key, SLICE("cache_ttl")) && number_of(value, INT32_MAX, &n)) {
        out->cache_ttl_ms = n;
    } else if (slice_eq_nocase(key, SLICE("mirror")) && number_of(value, INT32_MAX, &n)) {
        out->mirror_hostgroup = (int)n;
    } else if (slice_eq_nocase(key, SLICE("create_new_connection")) && number_of(value, 1, &n)) {
        out->new_connection = n == 1;
    } else {
        return false;
    }
    return true;
}

void rules_hint(const struct rules_input *in, struct rules_result *out, struct rules_trace *trace)
{
    struct slice rest = first_comment(in->text);

    while (rest.len > 0) {
        const char *semicolon = memchr(rest.data, ';', rest.len);
        size_t n = semicolon == NULL ? rest.len : (size_t)(semicolon - rest.data);
        struct slice part = trim((struct slice){rest.data, n});
        const char *equals = part.len == 0 ? NULL : memchr(part.data, '=', part.len);

        rest = skip(rest, n + (semicolon == NULL ? 0 : 1));
        if (equals != NULL) {
            size_t at = (size_t)(equals - part.data);

            if (obey(trim((struct slice){part.data, at}), trim(skip(part, at + 1)), out)) {
                rules_say(trace, -1, true, "hint: %.*s", (int)MIN(part.len, 120), part.data);
            }
        }
    }
}
