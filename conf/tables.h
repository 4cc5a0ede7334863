/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables.h - the rows of a configuration: one struct for each table, one field for each column.
 *
 * Texts belong to the snapshot. A column that may be NULL in ProxySQL's schema is NULL (texts) or
 * CONF_UNSET (numbers) when it was left out; all other texts are never NULL, "" means none. Part of
 * conf.h.
 */
#ifndef CONF_TABLES_H
#define CONF_TABLES_H

#include "base/base.h"

#define CONF_UNSET (-1)

/* Where a row was written. The name belongs to the snapshot. */
struct conf_place {
    const char *file;
    int line;
};

enum conf_server_status { SERVER_ONLINE, SERVER_SHUNNED, SERVER_OFFLINE_SOFT, SERVER_OFFLINE_HARD };

struct conf_server { /* mysql_servers */
    int hostgroup;
    char *address; /* owned; a host name, an IP address, or a path of a unix socket with port 0 */
    uint16_t port;
    uint16_t gtid_port;
    uint8_t status; /* enum conf_server_status */
    uint32_t weight;
    bool compression;
    uint32_t max_connections;
    uint32_t max_replication_lag;
    bool use_ssl;
    uint32_t max_latency_ms;
    char *comment;
    struct conf_place place;
};

struct conf_user { /* mysql_users */
    char *username;
    char *password; /* as configured: "", clear, *HEX40, $A$... */
    bool active;
    bool use_ssl;
    int default_hostgroup;
    char *default_schema; /* "" = none */
    bool schema_locked;
    bool transaction_persistent;
    bool fast_forward;
    bool backend, frontend;
    uint32_t max_connections;
    char *attributes;
    char *comment;
    struct conf_place place;
};

struct conf_galera { /* mysql_galera_hostgroups */
    int writer_hostgroup, backup_writer_hostgroup, reader_hostgroup, offline_hostgroup;
    bool active;
    uint32_t max_writers;
    uint8_t writer_is_also_reader; /* who reads: 0, 2 = those that do not write; 1 = all */
    uint32_t max_transactions_behind;
    char *comment;
    struct conf_place place;
};

#define CONF_RE_CASELESS 0x01
#define CONF_RE_GLOBAL   0x02

/* The order is that of the columns, for readers. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct conf_rule { /* mysql_query_rules */
    int rule_id;
    bool active;
    /* what it looks at; NULL, "", 0 (digest) or CONF_UNSET = any */
    char *username, *schemaname;
    int flag_in;
    char *client_addr; /* with % at its end: a prefix */
    char *proxy_addr;
    int proxy_port;
    uint64_t digest;
    char *match_digest, *match_pattern;
    bool negate_match_pattern;
    uint8_t re_modifiers; /* CONF_RE_* */
    /* what it does; NULL or CONF_UNSET = nothing */
    int flag_out;
    char *replace_pattern; /* "" = what matched goes away */
    int destination_hostgroup;
    int64_t cache_ttl_ms;
    int cache_empty_result, cache_timeout, reconnect;
    int64_t timeout_ms;
    int retries;
    int64_t delay_ms;
    int next_query_flag_in, mirror_flag_out, mirror_hostgroup;
    char *error_msg, *ok_msg;
    int sticky_conn, multiplex, gtid_from_hostgroup, log;
    bool apply;
    char *attributes; /* "" or JSON */
    char *comment;
    struct conf_place place;
};

struct conf_fast_route { /* mysql_query_rules_fast_routing */
    char *username;      /* "" = any */
    char *schemaname;
    int flag_in;
    int destination_hostgroup;
    char *comment;
    struct conf_place place;
};

enum conf_firewall_mode { FIREWALL_OFF, FIREWALL_DETECTING, FIREWALL_PROTECTING };

struct conf_firewall_user { /* mysql_firewall_whitelist_users */
    bool active;
    char *username;
    char *client_address; /* "" = any */
    uint8_t mode;         /* enum conf_firewall_mode */
    char *comment;
    struct conf_place place;
};

struct conf_firewall_rule { /* mysql_firewall_whitelist_rules */
    bool active;
    char *username;
    char *client_address; /* as in the user's row */
    char *schemaname;
    int flag_in;
    uint64_t digest;
    char *comment;
    struct conf_place place;
};

struct conf_fingerprint { /* mysql_firewall_whitelist_sqli_fingerprints */
    bool active;
    char *fingerprint;
    struct conf_place place;
};

struct conf_hostgroup { /* mysql_hostgroup_attributes */
    int hostgroup;
    uint32_t max_num_online_servers;
    int autocommit;
    uint32_t free_connections_pct;
    char *init_connect;
    bool multiplex, connection_warming;
    uint32_t throttle_connections_per_sec;
    char *ignore_session_variables; /* "" or JSON, as the next two */
    char *hostgroup_settings, *servers_defaults;
    char *comment;
    struct conf_place place;
};

struct conf_replication { /* mysql_replication_hostgroups */
    int writer_hostgroup, reader_hostgroup;
    uint8_t check_type; /* index of the word in the table of columns */
    char *comment;
    struct conf_place place;
};

struct conf_ssl_params { /* mysql_servers_ssl_params */
    char *hostname;
    uint16_t port;
    char *username;
    char *ssl_ca, *ssl_cert, *ssl_key, *ssl_capath, *ssl_crl, *ssl_crlpath, *ssl_cipher;
    char *tls_version;
    char *comment;
    struct conf_place place;
};

struct conf_collation { /* mysql_collations */
    int id;
    char *collation, *charset, *is_default;
    struct conf_place place;
};

struct conf_scheduler { /* scheduler */
    int id;
    bool active;
    uint32_t interval_ms;
    char *filename;
    char *arg1, *arg2, *arg3, *arg4, *arg5;
    char *comment;
    struct conf_place place;
};

struct conf_proxy { /* proxysql_servers */
    char *hostname;
    uint16_t port;
    uint32_t weight;
    char *comment;
    struct conf_place place;
};

#endif
