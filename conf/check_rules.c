/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_rules.c - mysql_query_rules and most other tables: keys that are there twice, columns that
 * go together.
 *
 * What a rule means as a whole (regexes, chains, hostgroups) is checked where rules are compiled,
 * in router/.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "conf/attributes.h"
#include "conf/check.h"

#define KEY_TEXT 320

/* What makes a row of a table the only one of its kind. */
struct key_rule {
    const char *table;
    size_t row_size;
    size_t place_offset;
    int (*compare)(const void *a, const void *b); /* pointers to pointers to rows */
    void (*say)(const void *row, char *out, size_t size);
};

#define ROW(type, pointer) (*(const type *const *)(pointer))
#define BY_NUMBER(a, b)    (((a) > (b)) - ((a) < (b)))
#define FIRST_OF(x, y)     ((x) != 0 ? (x) : (y))
#define KEY_RULE(name, type, compare_, say_)                            \
    {                                                                   \
        (name), sizeof(type), offsetof(type, place), (compare_), (say_) \
    }

/* --- the keys -------------------------------------------------------------------------------- */

static int compare_rules(const void *a, const void *b)
{
    return BY_NUMBER(ROW(struct conf_rule, a)->rule_id, ROW(struct conf_rule, b)->rule_id);
}

static void say_rule(const void *row, char *out, size_t size)
{
    (void)snprintf(out, size, "rule_id %d", ((const struct conf_rule *)row)->rule_id);
}

static int compare_routes(const void *a, const void *b)
{
    const struct conf_fast_route *x = ROW(struct conf_fast_route, a);
    const struct conf_fast_route *y = ROW(struct conf_fast_route, b);
    int user = strcmp(x->username, y->username), schema = strcmp(x->schemaname, y->schemaname);

    return FIRST_OF(user, FIRST_OF(schema, BY_NUMBER(x->flag_in, y->flag_in)));
}

static void say_route(const void *row, char *out, size_t size)
{
    const struct conf_fast_route *x = row;

    (void)snprintf(out, size, "username \"%s\", schemaname \"%s\", flagIN %d", x->username,
                   x->schemaname, x->flag_in);
}

static int compare_firewall_users(const void *a, const void *b)
{
    const struct conf_firewall_user *x = ROW(struct conf_firewall_user, a);
    const struct conf_firewall_user *y = ROW(struct conf_firewall_user, b);
    int user = strcmp(x->username, y->username);

    return FIRST_OF(user, strcmp(x->client_address, y->client_address));
}

static void say_firewall_user(const void *row, char *out, size_t size)
{
    const struct conf_firewall_user *x = row;

    (void)snprintf(out, size, "username \"%s\", client_address \"%s\"", x->username,
                   x->client_address);
}

static int compare_firewall_rules(const void *a, const void *b)
{
    const struct conf_firewall_rule *x = ROW(struct conf_firewall_rule, a);
    const struct conf_firewall_rule *y = ROW(struct conf_firewall_rule, b);
    int user = strcmp(x->username, y->username);
    int address = strcmp(x->client_address, y->client_address);
    int schema = strcmp(x->schemaname, y->schemaname), flag = BY_NUMBER(x->flag_in, y->flag_in);
    int digest = BY_NUMBER(x->digest, y->digest);

    return FIRST_OF(user, FIRST_OF(address, FIRST_OF(schema, FIRST_OF(flag, digest))));
}

static void say_firewall_rule(const void *row, char *out, size_t size)
{
    const struct conf_firewall_rule *x = row;

    (void)snprintf(out, size, "username \"%s\", schemaname \"%s\", digest 0x%016llX", x->username,
                   x->schemaname, (unsigned long long)x->digest);
}

static int compare_fingerprints(const void *a, const void *b)
{
    return strcmp(ROW(struct conf_fingerprint, a)->fingerprint,
                  ROW(struct conf_fingerprint, b)->fingerprint);
}

static void say_fingerprint(const void *row, char *out, size_t size)
{
    (void)snprintf(out, size, "fingerprint \"%s\"",
                   ((const struct conf_fingerprint *)row)->fingerprint);
}

static int compare_hostgroups(const void *a, const void *b)
{
    return BY_NUMBER(ROW(struct conf_hostgroup, a)->hostgroup,
                     ROW(struct conf_hostgroup, b)->hostgroup);
}

static void say_hostgroup(const void *row, char *out, size_t size)
{
    (void)snprintf(out, size, "hostgroup_id %d", ((const struct conf_hostgroup *)row)->hostgroup);
}

static int compare_writers(const void *a, const void *b)
{
    return BY_NUMBER(ROW(struct conf_replication, a)->writer_hostgroup,
                     ROW(struct conf_replication, b)->writer_hostgroup);
}

static void say_writer(const void *row, char *out, size_t size)
{
    (void)snprintf(out, size, "writer_hostgroup %d",
                   ((const struct conf_replication *)row)->writer_hostgroup);
}

static int compare_readers(const void *a, const void *b)
{
    return BY_NUMBER(ROW(struct conf_replication, a)->reader_hostgroup,
                     ROW(struct conf_replication, b)->reader_hostgroup);
}

static void say_reader(const void *row, char *out, size_t size)
{
    (void)snprintf(out, size, "reader_hostgroup %d",
                   ((const struct conf_replication *)row)->reader_hostgroup);
}

static int compare_ssl_params(const void *a, const void *b)
{
    const struct conf_ssl_params *x = ROW(struct conf_ssl_params, a);
    const struct conf_ssl_params *y = ROW(struct conf_ssl_params, b);
    int host = strcmp(x->hostname, y->hostname), port = BY_NUMBER(x->port, y->port);

    return FIRST_OF(host, FIRST_OF(port, strcmp(x->username, y->username)));
}

static void say_ssl_params(const void *row, char *out, size_t size)
{
    const struct conf_ssl_params *x = row;

    (void)snprintf(out, size, "%s:%u, username \"%s\"", x->hostname, x->port, x->username);
}

static int compare_collations(const void *a, const void *b)
{
    return BY_NUMBER(ROW(struct conf_collation, a)->id, ROW(struct conf_collation, b)->id);
}

static void say_collation(const void *row, char *out, size_t size)
{
    (void)snprintf(out, size, "Id %d", ((const struct conf_collation *)row)->id);
}

static int compare_schedulers(const void *a, const void *b)
{
    return BY_NUMBER(ROW(struct conf_scheduler, a)->id, ROW(struct conf_scheduler, b)->id);
}

static void say_scheduler(const void *row, char *out, size_t size)
{
    (void)snprintf(out, size, "id %d", ((const struct conf_scheduler *)row)->id);
}

static int compare_proxies(const void *a, const void *b)
{
    const struct conf_proxy *x = ROW(struct conf_proxy, a);
    const struct conf_proxy *y = ROW(struct conf_proxy, b);
    int host = strcmp(x->hostname, y->hostname);

    return FIRST_OF(host, BY_NUMBER(x->port, y->port));
}

static void say_proxy(const void *row, char *out, size_t size)
{
    const struct conf_proxy *x = row;

    (void)snprintf(out, size, "%s:%u", x->hostname, x->port);
}

/* --- twice ----------------------------------------------------------------------------------- */

static const struct conf_place *place_of(const struct key_rule *key, const void *row)
{
    return (const struct conf_place *)(const void *)((const char *)row + key->place_offset);
}

static void say_twice(const struct key_rule *key, const void *first, const void *second,
                      struct faults *faults)
{
    const struct conf_place *at = place_of(key, MAX(first, second));
    const struct conf_place *before = place_of(key, MIN(first, second));
    char text[KEY_TEXT];

    key->say(first, text, sizeof(text));
    fault_error(faults, at->file, at->line, "%s: %s is there twice; first at %s:%d", key->table,
                text, before->file, before->line);
}

static void check_unique(const struct key_rule *key, const void *rows, size_t n,
                         struct faults *faults)
{
    const void **sorted;

    if (n < 2) {
        return;
    }
    sorted = mem_new(MEM_CONF, n * sizeof(*sorted));
    for (size_t i = 0; i < n; i++) {
        sorted[i] = (const char *)rows + i * key->row_size;
    }
    qsort(sorted, n, sizeof(*sorted), key->compare);
    for (size_t i = 1; i < n; i++) {
        if (key->compare(&sorted[i - 1], &sorted[i]) == 0) {
            say_twice(key, sorted[i - 1], sorted[i], faults);
        }
    }
    mem_free(MEM_CONF, sorted);
}

static void check_keys(const struct conf *conf, struct faults *faults)
{
    const struct {
        struct key_rule key;
        const void *rows;
        size_t n;
    } keys[] = {
        {KEY_RULE("mysql_query_rules", struct conf_rule, compare_rules, say_rule), conf->rules,
         conf->n_rules},
        {KEY_RULE("mysql_query_rules_fast_routing", struct conf_fast_route, compare_routes,
                  say_route),
         conf->fast_routes, conf->n_fast_routes},
        {KEY_RULE("mysql_firewall_whitelist_users", struct conf_firewall_user,
                  compare_firewall_users, say_firewall_user),
         conf->firewall_users, conf->n_firewall_users},
        {KEY_RULE("mysql_firewall_whitelist_rules", struct conf_firewall_rule,
                  compare_firewall_rules, say_firewall_rule),
         conf->firewall_rules, conf->n_firewall_rules},
        {KEY_RULE("mysql_firewall_whitelist_sqli_fingerprints", struct conf_fingerprint,
                  compare_fingerprints, say_fingerprint),
         conf->fingerprints, conf->n_fingerprints},
        {KEY_RULE("mysql_hostgroup_attributes", struct conf_hostgroup, compare_hostgroups,
                  say_hostgroup),
         conf->hostgroups, conf->n_hostgroups},
        {KEY_RULE("mysql_replication_hostgroups", struct conf_replication, compare_writers,
                  say_writer),
         conf->replications, conf->n_replications},
        {KEY_RULE("mysql_replication_hostgroups", struct conf_replication, compare_readers,
                  say_reader),
         conf->replications, conf->n_replications},
        {KEY_RULE("mysql_servers_ssl_params", struct conf_ssl_params, compare_ssl_params,
                  say_ssl_params),
         conf->ssl_params, conf->n_ssl_params},
        {KEY_RULE("mysql_collations", struct conf_collation, compare_collations, say_collation),
         conf->collations, conf->n_collations},
        {KEY_RULE("scheduler", struct conf_scheduler, compare_schedulers, say_scheduler),
         conf->schedulers, conf->n_schedulers},
        {KEY_RULE("proxysql_servers", struct conf_proxy, compare_proxies, say_proxy), conf->proxies,
         conf->n_proxies},
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        check_unique(&keys[i].key, keys[i].rows, keys[i].n, faults);
    }
}

/* --- columns --------------------------------------------------------------------------------- */

static void check_json(const char *table, const char *column, const char *text,
                       struct conf_place at, struct faults *faults)
{
    json_error_t error;
    json_t *json;

    if (text[0] == '\0') {
        return;
    }
    json = json_loads(text, JSON_DECODE_ANY, &error);
    if (json == NULL) {
        fault_error(faults, at.file, at.line,
                    "%s: %s: is not JSON (at byte %d: %s); allowed: JSON or nothing", table, column,
                    error.position, error.text);
    }
    json_decref(json);
}

/* Of users and rules. */
static void check_attributes(const char *table, const char *text, struct conf_place at,
                             struct faults *faults)
{
    int64_t window_ms;

    check_json(table, "attributes", text, at, faults);
    if (!attributes_causal_window(text, &window_ms)) {
        fault_error(
            faults, at.file, at.line,
            "%s: attributes: causal_window_ms is not a whole number of ms from 0 to 3600000 "
            "(0 = off)",
            table);
    }
}

/* What TLS a user must come with: can anybody? */
static void check_need(const struct conf *conf, const struct conf_user *user, struct faults *faults)
{
    struct conf_place at = user->place;
    struct tls_need need;

    if (!attributes_tls_need(user->attributes, &need)) {
        fault_error(
            faults, at.file, at.line,
            "mysql_users: attributes of \"%s\": require_x509 is true or false; "
            "x509_subject, x509_issuer and ssl_cipher are texts of up to %d, %d and %d bytes",
            user->username, TLS_NEED_NAME_MAX - 1, TLS_NEED_NAME_MAX - 1, TLS_NEED_CIPHER_MAX - 1);
    } else if (user->active && user->frontend && need.certificate &&
               conf->vars.mysql_ssl_ca[0] == '\0') {
        fault_warning(faults, at.file, at.line,
                      "mysql_users: attributes of \"%s\" need a certificate, but clients are not "
                      "asked for one (mysql-ssl_ca): it cannot log in",
                      user->username);
    }
}

static void check_homes(const struct conf_hostgroup *row, struct faults *faults)
{
    json_t *json = json_loads(row->hostgroup_settings, 0, NULL);
    const json_t *value = json_object_get(json, "site_home_nodes");

    if (value != NULL && !json_is_boolean(value)) {
        fault_error(faults, row->place.file, row->place.line,
                    "mysql_hostgroup_attributes: hostgroup_settings: site_home_nodes of hostgroup "
                    "%d is no boolean; allowed: true or false",
                    row->hostgroup);
    }
    json_decref(json);
}

static void check_percent(const char *table, const char *column, const char *text,
                          struct conf_place at, struct faults *faults)
{
    const char *percent = text == NULL ? NULL : strchr(text, '%');

    if (percent != NULL && percent[1] != '\0') {
        fault_error(faults, at.file, at.line,
                    "%s: %s: \"%s\" has a %% that is not its last character", table, column, text);
    }
}

/* What may stand in front of a %: digits of an address, and no number that is in none. */
static bool is_prefix(const char *text, size_t n)
{
    bool is_v6 = memchr(text, ':', n) != NULL;
    unsigned number = 0;

    if (strspn(text, is_v6 ? "0123456789abcdefABCDEF.:" : "0123456789.") < n) {
        return false;
    }
    for (size_t i = 0; i < n && !is_v6; i++) {
        number = text[i] == '.' ? 0 : number * 10 + (unsigned)(text[i] - '0');
        if (number > 255) {
            return false;
        }
    }
    return true;
}

/* Clients are known by their address, those of a unix socket as localhost. */
static void check_client(const char *table, const char *column, const char *text,
                         struct conf_place at, struct faults *faults)
{
    uint8_t address[16];
    size_t n = text == NULL ? 0 : strlen(text);
    size_t percent = text == NULL ? 0 : strcspn(text, "%");

    if (n == 0 || percent + 1 < n || /* that is said elsewhere */ strcmp(text, "localhost") == 0 ||
        inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1 ||
        (percent < n && is_prefix(text, percent))) {
        return;
    }
    fault_warning(faults, at.file, at.line,
                  "%s: %s: \"%.60s\" is no address and not the beginning of one with %% behind it: "
                  "it fits no client",
                  table, column, text);
}

static void check_rule(const struct conf_rule *rule, struct faults *faults)
{
    struct conf_place at = rule->place;

    check_percent("mysql_query_rules", "client_addr", rule->client_addr, at, faults);
    if (rule->active) {
        check_client("mysql_query_rules", "client_addr", rule->client_addr, at, faults);
    }
    check_attributes("mysql_query_rules", rule->attributes, at, faults);
    if (rule->replace_pattern != NULL && rule->match_pattern == NULL) {
        fault_error(faults, at.file, at.line,
                    "mysql_query_rules: rule_id %d has a replace_pattern and no match_pattern",
                    rule->rule_id);
    }
}

void conf_check_rules(const struct conf *conf, struct faults *faults)
{
    check_keys(conf, faults);
    for (size_t i = 0; i < conf->n_rules; i++) {
        check_rule(&conf->rules[i], faults);
    }
    for (size_t i = 0; i < conf->n_firewall_users; i++) {
        const struct conf_firewall_user *row = &conf->firewall_users[i];

        if (row->active) {
            check_client("mysql_firewall_whitelist_users", "client_address", row->client_address,
                         row->place, faults);
        }
    }
    for (size_t i = 0; i < conf->n_users; i++) {
        check_attributes("mysql_users", conf->users[i].attributes, conf->users[i].place, faults);
        check_need(conf, &conf->users[i], faults);
    }
    for (size_t i = 0; i < conf->n_hostgroups; i++) {
        const struct conf_hostgroup *row = &conf->hostgroups[i];
        const char *table = "mysql_hostgroup_attributes";

        check_json(table, "ignore_session_variables", row->ignore_session_variables, row->place,
                   faults);
        check_json(table, "hostgroup_settings", row->hostgroup_settings, row->place, faults);
        check_homes(row, faults);
        check_json(table, "servers_defaults", row->servers_defaults, row->place, faults);
    }
    for (size_t i = 0; i < conf->n_replications; i++) {
        const struct conf_replication *row = &conf->replications[i];

        if (row->writer_hostgroup == row->reader_hostgroup) {
            fault_error(faults, row->place.file, row->place.line,
                        "mysql_replication_hostgroups: writer_hostgroup and reader_hostgroup are "
                        "both %d",
                        row->writer_hostgroup);
        }
    }
}
