/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables.c - each column of each table is a row here.
 *
 * Two columns with the same target are two names of one thing (address, hostname).
 */
#include "base/mem.h"
#include "conf/columns.h"

#define HOSTGROUP_MAX INT32_MAX
#define FLAG_MAX      INT32_MAX
#define COUNT_MAX     1000000
#define TIME_MAX      INT64_C(1728000000) /* ms: 20 days, as the variables have it */
#define PATTERN_MAX   65535
#define COMMENT_MAX   4096
#define PATH_LONGEST  4095
#define MESSAGE_MAX   4096

const char column_null[] = "NULL";

#define S(field) offsetof(struct conf_server, field)
static const struct column server_columns[] = {
    {"address", COL_TEXT, S(address), 1, 255, NULL, false, NULL},
    {"hostname", COL_TEXT, S(address), 1, 255, NULL, false, NULL},
    {"port", COL_U16, S(port), 0, 65535, "3306", false, NULL},
    {"hostgroup", COL_INT, S(hostgroup), 0, HOSTGROUP_MAX, "0", false, NULL},
    {"hostgroup_id", COL_INT, S(hostgroup), 0, HOSTGROUP_MAX, "0", false, NULL},
    {"gtid_port", COL_U16, S(gtid_port), 0, 65535, "0", true, NULL},
    {"status", COL_WORD, S(status), 0, 0, "ONLINE", false,
     "ONLINE SHUNNED OFFLINE_SOFT OFFLINE_HARD"},
    {"weight", COL_U32, S(weight), 0, 10000000, "1", false, NULL},
    {"compression", COL_BOOL, S(compression), 0, 1, "0", false, NULL},
    {"max_connections", COL_U32, S(max_connections), 0, COUNT_MAX, "1000", false, NULL},
    {"max_replication_lag", COL_U32, S(max_replication_lag), 0, 126144000, "0", true, NULL},
    {"use_ssl", COL_BOOL, S(use_ssl), 0, 1, "0", false, NULL},
    {"max_latency_ms", COL_U32, S(max_latency_ms), 0, INT32_MAX, "0", false, NULL},
    {"comment", COL_TEXT, S(comment), 0, COMMENT_MAX, "", false, NULL},
};
#undef S

#define U(field) offsetof(struct conf_user, field)
static const struct column user_columns[] = {
    {"username", COL_TEXT, U(username), 1, 128, NULL, false, NULL},
    {"password", COL_TEXT, U(password), 0, 256, "", false, NULL},
    {"active", COL_BOOL, U(active), 0, 1, "1", false, NULL},
    {"use_ssl", COL_BOOL, U(use_ssl), 0, 1, "0", false, NULL},
    {"default_hostgroup", COL_INT, U(default_hostgroup), 0, HOSTGROUP_MAX, "0", false, NULL},
    {"default_schema", COL_TEXT, U(default_schema), 0, 64, "", false, NULL},
    {"schema_locked", COL_BOOL, U(schema_locked), 0, 1, "0", true, NULL},
    {"transaction_persistent", COL_BOOL, U(transaction_persistent), 0, 1, "1", false, NULL},
    {"fast_forward", COL_BOOL, U(fast_forward), 0, 1, "0", true, NULL},
    {"backend", COL_BOOL, U(backend), 0, 1, "1", false, NULL},
    {"frontend", COL_BOOL, U(frontend), 0, 1, "1", false, NULL},
    {"max_connections", COL_U32, U(max_connections), 0, COUNT_MAX, "10000", false, NULL},
    {"attributes", COL_TEXT, U(attributes), 0, 65535, "", true, NULL},
    {"comment", COL_TEXT, U(comment), 0, COMMENT_MAX, "", false, NULL},
};
#undef U

#define G(field) offsetof(struct conf_galera, field)
static const struct column galera_columns[] = {
    {"writer_hostgroup", COL_INT, G(writer_hostgroup), 0, HOSTGROUP_MAX, NULL, false, NULL},
    {"backup_writer_hostgroup", COL_INT, G(backup_writer_hostgroup), 0, HOSTGROUP_MAX, NULL, false,
     NULL},
    {"reader_hostgroup", COL_INT, G(reader_hostgroup), 0, HOSTGROUP_MAX, NULL, false, NULL},
    {"offline_hostgroup", COL_INT, G(offline_hostgroup), 0, HOSTGROUP_MAX, NULL, false, NULL},
    {"active", COL_BOOL, G(active), 0, 1, "1", false, NULL},
    {"max_writers", COL_U32, G(max_writers), 0, COUNT_MAX, "1", false, NULL},
    {"writer_is_also_reader", COL_U8, G(writer_is_also_reader), 0, 2, "0", false, NULL},
    {"max_transactions_behind", COL_U32, G(max_transactions_behind), 0, INT32_MAX, "0", false,
     NULL},
    {"comment", COL_TEXT, G(comment), 0, COMMENT_MAX, "", false, NULL},
};
#undef G

#define R(field) offsetof(struct conf_rule, field)
static const struct column rule_columns[] = {
    {"rule_id", COL_INT, R(rule_id), 0, INT32_MAX, NULL, false, NULL},
    {"active", COL_BOOL, R(active), 0, 1, "0", false, NULL},
    {"username", COL_TEXT, R(username), 0, 128, column_null, false, NULL},
    {"schemaname", COL_TEXT, R(schemaname), 0, 64, column_null, false, NULL},
    {"flagIN", COL_INT, R(flag_in), 0, FLAG_MAX, "0", false, NULL},
    {"client_addr", COL_TEXT, R(client_addr), 0, 255, column_null, false, NULL},
    {"proxy_addr", COL_TEXT, R(proxy_addr), 0, 255, column_null, false, NULL},
    {"proxy_port", COL_INT, R(proxy_port), 0, 65535, column_null, false, NULL},
    {"digest", COL_DIGEST, R(digest), 0, 0, column_null, false, NULL},
    {"match_digest", COL_TEXT, R(match_digest), 0, PATTERN_MAX, column_null, false, NULL},
    {"match_pattern", COL_TEXT, R(match_pattern), 0, PATTERN_MAX, column_null, false, NULL},
    {"negate_match_pattern", COL_BOOL, R(negate_match_pattern), 0, 1, "0", false, NULL},
    {"re_modifiers", COL_MODIFIERS, R(re_modifiers), 0, 0, "CASELESS", false, NULL},
    {"flagOUT", COL_INT, R(flag_out), 0, FLAG_MAX, column_null, false, NULL},
    {"replace_pattern", COL_TEXT, R(replace_pattern), 0, PATTERN_MAX, column_null, false, NULL},
    {"destination_hostgroup", COL_INT, R(destination_hostgroup), 0, HOSTGROUP_MAX, column_null,
     false, NULL},
    {"cache_ttl", COL_I64, R(cache_ttl_ms), 1, INT32_MAX, column_null, true, NULL},
    {"cache_empty_result", COL_INT, R(cache_empty_result), 0, 1, column_null, true, NULL},
    {"cache_timeout", COL_INT, R(cache_timeout), 0, INT32_MAX, column_null, true, NULL},
    {"reconnect", COL_INT, R(reconnect), 0, 1, column_null, true, NULL},
    {"timeout", COL_I64, R(timeout_ms), 0, TIME_MAX, column_null, false, NULL},
    {"retries", COL_INT, R(retries), 0, 1000, column_null, false, NULL},
    {"delay", COL_I64, R(delay_ms), 0, TIME_MAX, column_null, false, NULL},
    {"next_query_flagIN", COL_INT, R(next_query_flag_in), 0, FLAG_MAX, column_null, false, NULL},
    {"mirror_flagOUT", COL_INT, R(mirror_flag_out), 0, FLAG_MAX, column_null, false, NULL},
    {"mirror_hostgroup", COL_INT, R(mirror_hostgroup), 0, HOSTGROUP_MAX, column_null, false, NULL},
    {"error_msg", COL_TEXT, R(error_msg), 0, MESSAGE_MAX, column_null, false, NULL},
    {"OK_msg", COL_TEXT, R(ok_msg), 0, MESSAGE_MAX, column_null, false, NULL},
    {"sticky_conn", COL_INT, R(sticky_conn), 0, 1, column_null, false, NULL},
    {"multiplex", COL_INT, R(multiplex), 0, 2, column_null, false, NULL},
    {"gtid_from_hostgroup", COL_INT, R(gtid_from_hostgroup), 0, HOSTGROUP_MAX, column_null, true,
     NULL},
    {"log", COL_INT, R(log), 0, 1, column_null, false, NULL},
    {"apply", COL_BOOL, R(apply), 0, 1, "0", false, NULL},
    {"attributes", COL_TEXT, R(attributes), 0, 65535, "", false, NULL},
    {"comment", COL_TEXT, R(comment), 0, COMMENT_MAX, "", false, NULL},
};
#undef R

#define F(field) offsetof(struct conf_fast_route, field)
static const struct column fast_route_columns[] = {
    {"username", COL_TEXT, F(username), 0, 128, NULL, false, NULL},
    {"schemaname", COL_TEXT, F(schemaname), 0, 64, NULL, false, NULL},
    {"flagIN", COL_INT, F(flag_in), 0, FLAG_MAX, "0", false, NULL},
    {"destination_hostgroup", COL_INT, F(destination_hostgroup), 0, HOSTGROUP_MAX, NULL, false,
     NULL},
    {"comment", COL_TEXT, F(comment), 0, COMMENT_MAX, "", false, NULL},
};
#undef F

#define U(field) offsetof(struct conf_firewall_user, field)
static const struct column firewall_user_columns[] = {
    {"active", COL_BOOL, U(active), 0, 1, "1", false, NULL},
    {"username", COL_TEXT, U(username), 0, 128, NULL, false, NULL},
    {"client_address", COL_TEXT, U(client_address), 0, 255, NULL, false, NULL},
    {"mode", COL_WORD, U(mode), 0, 0, "OFF", false, "OFF DETECTING PROTECTING"},
    {"comment", COL_TEXT, U(comment), 0, COMMENT_MAX, "", false, NULL},
};
#undef U

#define F(field) offsetof(struct conf_firewall_rule, field)
static const struct column firewall_rule_columns[] = {
    {"active", COL_BOOL, F(active), 0, 1, "1", false, NULL},
    {"username", COL_TEXT, F(username), 0, 128, NULL, false, NULL},
    {"client_address", COL_TEXT, F(client_address), 0, 255, NULL, false, NULL},
    {"schemaname", COL_TEXT, F(schemaname), 0, 64, NULL, false, NULL},
    {"flagIN", COL_INT, F(flag_in), 0, FLAG_MAX, "0", false, NULL},
    {"digest", COL_DIGEST, F(digest), 0, 0, NULL, false, NULL},
    {"comment", COL_TEXT, F(comment), 0, COMMENT_MAX, "", false, NULL},
};
#undef F

static const struct column fingerprint_columns[] = {
    {"active", COL_BOOL, offsetof(struct conf_fingerprint, active), 0, 1, "1", false, NULL},
    {"fingerprint", COL_TEXT, offsetof(struct conf_fingerprint, fingerprint), 1, 255, NULL, false,
     NULL},
};

#define H(field) offsetof(struct conf_hostgroup, field)
static const struct column hostgroup_columns[] = {
    {"hostgroup_id", COL_INT, H(hostgroup), 0, HOSTGROUP_MAX, NULL, false, NULL},
    {"max_num_online_servers", COL_U32, H(max_num_online_servers), 0, 1000000, "1000000", true,
     NULL},
    {"autocommit", COL_INT, H(autocommit), -1, 1, "-1", true, NULL},
    {"free_connections_pct", COL_U32, H(free_connections_pct), 0, 100, "10", true, NULL},
    {"init_connect", COL_TEXT, H(init_connect), 0, 65535, "", true, NULL},
    {"multiplex", COL_BOOL, H(multiplex), 0, 1, "1", true, NULL},
    {"connection_warming", COL_BOOL, H(connection_warming), 0, 1, "0", true, NULL},
    {"throttle_connections_per_sec", COL_U32, H(throttle_connections_per_sec), 1, 1000000,
     "1000000", false, NULL},
    {"ignore_session_variables", COL_TEXT, H(ignore_session_variables), 0, 65535, "", true, NULL},
    {"hostgroup_settings", COL_TEXT, H(hostgroup_settings), 0, 65535, "", true, NULL},
    {"servers_defaults", COL_TEXT, H(servers_defaults), 0, 65535, "", true, NULL},
    {"comment", COL_TEXT, H(comment), 0, COMMENT_MAX, "", false, NULL},
};
#undef H

#define R(field) offsetof(struct conf_replication, field)
static const struct column replication_columns[] = {
    {"writer_hostgroup", COL_INT, R(writer_hostgroup), 0, HOSTGROUP_MAX, NULL, false, NULL},
    {"reader_hostgroup", COL_INT, R(reader_hostgroup), 0, HOSTGROUP_MAX, NULL, false, NULL},
    {"check_type", COL_WORD, R(check_type), 0, 0, "read_only", false,
     "read_only innodb_read_only super_read_only read_only|innodb_read_only "
     "read_only&innodb_read_only"},
    {"comment", COL_TEXT, R(comment), 0, COMMENT_MAX, "", false, NULL},
};
#undef R

#define P(field) offsetof(struct conf_ssl_params, field)
static const struct column ssl_params_columns[] = {
    {"hostname", COL_TEXT, P(hostname), 1, 255, NULL, false, NULL},
    {"port", COL_U16, P(port), 0, 65535, "3306", false, NULL},
    {"username", COL_TEXT, P(username), 0, 128, "", false, NULL},
    {"ssl_ca", COL_TEXT, P(ssl_ca), 0, PATH_LONGEST, "", false, NULL},
    {"ssl_cert", COL_TEXT, P(ssl_cert), 0, PATH_LONGEST, "", false, NULL},
    {"ssl_key", COL_TEXT, P(ssl_key), 0, PATH_LONGEST, "", false, NULL},
    {"ssl_capath", COL_TEXT, P(ssl_capath), 0, PATH_LONGEST, "", false, NULL},
    {"ssl_crl", COL_TEXT, P(ssl_crl), 0, PATH_LONGEST, "", false, NULL},
    {"ssl_crlpath", COL_TEXT, P(ssl_crlpath), 0, PATH_LONGEST, "", false, NULL},
    {"ssl_cipher", COL_TEXT, P(ssl_cipher), 0, 1024, "", false, NULL},
    {"tls_version", COL_TEXT, P(tls_version), 0, 64, "", false, NULL},
    {"comment", COL_TEXT, P(comment), 0, COMMENT_MAX, "", false, NULL},
};
#undef P

#define C(field) offsetof(struct conf_collation, field)
static const struct column collation_columns[] = {
    {"Id", COL_INT, C(id), 0, 65535, NULL, false, NULL},
    {"Collation", COL_TEXT, C(collation), 1, 64, NULL, false, NULL},
    {"Charset", COL_TEXT, C(charset), 1, 64, NULL, false, NULL},
    {"Default", COL_TEXT, C(is_default), 0, 16, "", false, NULL},
};
#undef C

#define S(field) offsetof(struct conf_scheduler, field)
static const struct column scheduler_columns[] = {
    {"id", COL_INT, S(id), 0, INT32_MAX, NULL, false, NULL},
    {"active", COL_BOOL, S(active), 0, 1, "1", false, NULL},
    {"interval_ms", COL_U32, S(interval_ms), 100, 100000000, NULL, false, NULL},
    {"filename", COL_TEXT, S(filename), 1, PATH_LONGEST, NULL, false, NULL},
    {"arg1", COL_TEXT, S(arg1), 0, 4096, column_null, false, NULL},
    {"arg2", COL_TEXT, S(arg2), 0, 4096, column_null, false, NULL},
    {"arg3", COL_TEXT, S(arg3), 0, 4096, column_null, false, NULL},
    {"arg4", COL_TEXT, S(arg4), 0, 4096, column_null, false, NULL},
    {"arg5", COL_TEXT, S(arg5), 0, 4096, column_null, false, NULL},
    {"comment", COL_TEXT, S(comment), 0, COMMENT_MAX, "", false, NULL},
};
#undef S

#define P(field) offsetof(struct conf_proxy, field)
static const struct column proxy_columns[] = {
    {"hostname", COL_TEXT, P(hostname), 1, 255, NULL, false, NULL},
    {"port", COL_U16, P(port), 1, 65535, "6032", false, NULL},
    {"weight", COL_U32, P(weight), 0, INT32_MAX, "0", false, NULL},
    {"comment", COL_TEXT, P(comment), 0, COMMENT_MAX, "", false, NULL},
};
#undef P

#define TABLE(section, list, type, most, field, not_yet)                                           \
    {                                                                                              \
        .name = (section), .columns = (list), .n_columns = ARRAY_SIZE(list),                       \
        .row_size = sizeof(type), .place_offset = offsetof(type, place), .max_rows = (most),       \
        .rows_offset = offsetof(struct conf, field), .n_offset = offsetof(struct conf, n_##field), \
        .later = (not_yet),                                                                        \
    }

/* clang-format off */
static const struct table tables[] = {
    TABLE("mysql_servers", server_columns, struct conf_server, CONF_SERVERS_MAX, servers, false),
    TABLE("mysql_users", user_columns, struct conf_user, CONF_USERS_MAX, users, false),
    TABLE("mysql_galera_hostgroups", galera_columns, struct conf_galera, CONF_GALERA_MAX, galera,
          false),
    TABLE("mysql_query_rules", rule_columns, struct conf_rule, CONF_RULES_MAX, rules, false),
    TABLE("mysql_query_rules_fast_routing", fast_route_columns, struct conf_fast_route,
          CONF_FAST_ROUTES_MAX, fast_routes, false),
    TABLE("mysql_firewall_whitelist_users", firewall_user_columns, struct conf_firewall_user,
          CONF_USERS_MAX, firewall_users, false),
    TABLE("mysql_firewall_whitelist_rules", firewall_rule_columns, struct conf_firewall_rule,
          CONF_FIREWALL_RULES_MAX, firewall_rules, false),
    TABLE("mysql_firewall_whitelist_sqli_fingerprints", fingerprint_columns,
          struct conf_fingerprint, CONF_OTHER_MAX, fingerprints, true),
    TABLE("mysql_hostgroup_attributes", hostgroup_columns, struct conf_hostgroup, CONF_OTHER_MAX,
          hostgroups, false),
    TABLE("mysql_replication_hostgroups", replication_columns, struct conf_replication,
          CONF_OTHER_MAX, replications, true),
    TABLE("mysql_servers_ssl_params", ssl_params_columns, struct conf_ssl_params,
          CONF_SERVERS_MAX, ssl_params, false),
    TABLE("mysql_collations", collation_columns, struct conf_collation, CONF_OTHER_MAX,
          collations, true),
    TABLE("scheduler", scheduler_columns, struct conf_scheduler, CONF_OTHER_MAX, schedulers, true),
    TABLE("proxysql_servers", proxy_columns, struct conf_proxy, CONF_OTHER_MAX, proxies, true),
};
/* clang-format on */

const struct table *table_at(size_t i)
{
    return i < ARRAY_SIZE(tables) ? &tables[i] : NULL;
}

const struct table *table_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        if (strcmp(tables[i].name, name) == 0) {
            return &tables[i];
        }
    }
    return NULL;
}

const struct column *table_column(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        if (strcmp(table->columns[i].name, name) == 0) {
            return &table->columns[i];
        }
    }
    return NULL;
}

size_t column_first(const struct table *table, const struct column *column)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        if (table->columns[i].offset == column->offset) {
            return i;
        }
    }
    UNREACHABLE();
}

static void free_texts(const struct table *table, const char *row)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct column *column = &table->columns[i];

        if (column->type == COL_TEXT && column_first(table, column) == i) {
            mem_free(MEM_CONF, *(char *const *)(const void *)(row + column->offset));
        }
    }
}

void tables_free(struct conf *conf)
{
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        const struct table *table = &tables[i];
        char *rows = *(char **)(void *)((char *)conf + table->rows_offset);
        size_t n = *(size_t *)(void *)((char *)conf + table->n_offset);

        for (size_t row = 0; row < n; row++) {
            free_texts(table, rows + row * table->row_size);
        }
        mem_free(MEM_CONF, rows);
    }
}
