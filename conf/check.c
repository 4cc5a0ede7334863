/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - servers, users, hostgroups and limits against each other.
 */
#include "conf/check.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/credential.h"
#include "conf/iface.h"
#include "conf/networks.h"
#include "conf/row_pattern.h"

#define CONNECTIONS_MAX 1000000 /* of all nodes together: what one process can hold */
#define NATIVE_HASH_LEN 41      /* * and 40 hex digits */
#define SHA2_HASH_LEN   70      /* $A$005$, 20 bytes of salt, 43 characters */
#define SHA2_SALT       7
#define SHA2_DIGEST     27

struct check {
    const struct conf *conf;
    const struct conf_place *keys;
    struct faults *faults;
};

/* --- variables ------------------------------------------------------------------------------- */

static struct conf_place key_place(const struct check *check, enum key_id id)
{
    struct conf_place at = check->keys[id];

    if (at.file == NULL) {
        at.file = check->conf->n_files > 0 ? check->conf->files[0] : "";
    }
    return at;
}

static bool same_iface(const struct iface *a, const struct iface *b)
{
    return a->port == b->port && slice_eq(a->host, b->host);
}

/* Gives how many there are. */
static size_t check_interfaces(struct check *check, enum key_id id, const char *value)
{
    struct conf_place at = key_place(check, id);
    const char *name = key_at(id)->name;
    struct slice list = slice_of(value);
    struct slice rest = list;
    struct iface iface, other;
    const char *why = "";
    size_t n = 0;
    int rc;

    while ((rc = iface_next(&rest, &iface, &why)) != 0) {
        struct slice before = list;

        n++;
        if (rc < 0) {
            fault_error(check->faults, at.file, at.line, "%s: no. %zu %s", name, n, why);
            continue;
        }
        for (size_t i = 1; i < n; i++) {
            if (iface_next(&before, &other, &why) == 1 && same_iface(&iface, &other)) {
                fault_error(check->faults, at.file, at.line, "%s: no. %zu is the same as no. %zu",
                            name, n, i);
                break;
            }
        }
    }
    return n;
}

static void check_row_keys(struct check *check)
{
    struct conf_place at = key_place(check, KEY_mysql_query_cache_row_keys);
    const char *text = check->conf->vars.mysql_query_cache_row_keys;
    struct row_key_patterns patterns;
    const char *why = "";

    if (row_key_patterns_read(&patterns, slice_of(text), &why) != 0) {
        fault_error(check->faults, at.file, at.line,
                    "mysql-query_cache_row_keys: \"%.200s\": no. %u %s", text, patterns.n + 1, why);
    }
}

static void check_networks(struct check *check)
{
    struct conf_place at = key_place(check, KEY_mysql_proxy_protocol_networks);
    struct networks networks;
    const char *why = "";

    if (networks_read(&networks, slice_of(check->conf->vars.mysql_proxy_protocol_networks), &why) !=
        0) {
        fault_error(check->faults, at.file, at.line, "mysql-proxy_protocol_networks: no. %u %s",
                    networks.n + 1, why);
    } else if (networks.is_any) {
        fault_warning(check->faults, at.file, at.line,
                      "mysql-proxy_protocol_networks: * lets every client say which address it "
                      "has%s: name the load balancers",
                      check->conf->vars.mysql_proxy_protocol_required
                          ? ", and refuses who says none (mysql-proxy_protocol_required)"
                          : "");
    }
}

static void check_variables(struct check *check)
{
    const struct conf_vars *vars = &check->conf->vars;
    struct conf_place at = key_place(check, KEY_mysql_max_idle_per_node);

    if (vars->mysql_max_idle_per_node != 0 &&
        vars->mysql_max_idle_per_node < vars->mysql_min_idle_per_node) {
        fault_error(check->faults, at.file, at.line,
                    "mysql-max_idle_per_node: %d is less than mysql-min_idle_per_node, %d",
                    vars->mysql_max_idle_per_node, vars->mysql_min_idle_per_node);
    }
    at = key_place(check, KEY_mysql_connect_timeout_server);
    if (vars->mysql_connect_timeout_server > vars->mysql_connect_timeout_server_max) {
        fault_warning(check->faults, at.file, at.line,
                      "mysql-connect_timeout_server: %d is more than "
                      "mysql-connect_timeout_server_max, %d: no second attempt will be made",
                      vars->mysql_connect_timeout_server, vars->mysql_connect_timeout_server_max);
    }
    check_row_keys(check);
    check_networks(check);
    if (check_interfaces(check, KEY_mysql_interfaces, vars->mysql_interfaces) == 0) {
        at = key_place(check, KEY_mysql_interfaces);
        fault_error(check->faults, at.file, at.line, "mysql-interfaces: names no interface");
    }
}

/* --- servers --------------------------------------------------------------------------------- */

static bool is_address(const char *text)
{
    for (; *text != '\0'; text++) {
        char c = *text;

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              c == '.' || c == '-' || c == '_' || c == ':' || c == '%')) {
            return false;
        }
    }
    return true;
}

static void check_server(struct check *check, const struct conf_server *server)
{
    struct conf_place at = server->place;
    struct faults *faults = check->faults;

    if (server->address[0] == '/') {
        if (server->port != 0) {
            fault_error(faults, at.file, at.line,
                        "mysql_servers: \"%s\" is the path of a socket: its port must be 0",
                        server->address);
        }
        if (strlen(server->address) > IFACE_PATH_MAX) {
            fault_error(faults, at.file, at.line,
                        "mysql_servers: the path of a socket has at most %d bytes", IFACE_PATH_MAX);
        }
    } else if (!is_address(server->address)) {
        fault_error(faults, at.file, at.line,
                    "mysql_servers: \"%s\" is no name, no address and no path", server->address);
    } else if (server->port == 0) {
        fault_error(
            faults, at.file, at.line,
            "mysql_servers: %s: the port must be 1 to 65535 (0 is for the path of a socket)",
            server->address);
    }
    if (server->max_connections == 0) {
        fault_warning(faults, at.file, at.line,
                      "mysql_servers: %s: max_connections=0: this server is never used",
                      server->address);
    }
}

static bool is_same_node(const struct conf_server *a, const struct conf_server *b)
{
    return a->port == b->port && strcmp(a->address, b->address) == 0;
}

/* What topology_use() makes of all rows of the node; 0 = all are OFFLINE_HARD. */
static uint32_t node_limit(const struct conf *conf, const struct conf_server *server)
{
    uint32_t limit = 0;

    for (size_t i = 0; i < conf->n_servers; i++) {
        if (is_same_node(server, &conf->servers[i]) &&
            conf->servers[i].status != SERVER_OFFLINE_HARD) {
            limit = MAX(limit, conf->servers[i].max_connections);
        }
    }
    return limit;
}

/* Against the rows before it. Returns whether the node is a new one. */
static bool check_against(struct check *check, size_t index)
{
    const struct conf_server *servers = check->conf->servers;
    const struct conf_server *server = &servers[index];
    bool is_new = true;

    for (size_t i = 0; i < index; i++) {
        if (!is_same_node(server, &servers[i])) {
            continue;
        }
        if (server->hostgroup == servers[i].hostgroup) {
            fault_error(check->faults, server->place.file, server->place.line,
                        "mysql_servers: %s:%u is in hostgroup %d twice; first at %s:%d",
                        server->address, server->port, server->hostgroup, servers[i].place.file,
                        servers[i].place.line);
            return false;
        }
        if (is_new && server->max_connections != servers[i].max_connections) {
            fault_warning(
                check->faults, server->place.file, server->place.line,
                "mysql_servers: %s:%u: max_connections=%u here and %u at %s:%d: the limit "
                "of the node, in all hostgroups, is the highest of its rows that are not "
                "OFFLINE_HARD: %u",
                server->address, server->port, server->max_connections, servers[i].max_connections,
                servers[i].place.file, servers[i].place.line, node_limit(check->conf, server));
        }
        if (is_new && server->use_ssl != servers[i].use_ssl) {
            fault_warning(check->faults, server->place.file, server->place.line,
                          "mysql_servers: %s:%u: use_ssl=%d here and %d at %s:%d: its connections "
                          "serve all hostgroups, so all are encrypted",
                          server->address, server->port, server->use_ssl, servers[i].use_ssl,
                          servers[i].place.file, servers[i].place.line);
        }
        is_new = false;
    }
    return is_new;
}

static void check_servers(struct check *check)
{
    const struct conf *conf = check->conf;
    uint64_t connections = 0;

    for (size_t i = 0; i < conf->n_servers; i++) {
        check_server(check, &conf->servers[i]);
        connections += check_against(check, i) ? node_limit(conf, &conf->servers[i]) : 0;
    }
    if (connections > CONNECTIONS_MAX) {
        fault_error(check->faults, conf->servers[0].place.file, conf->servers[0].place.line,
                    "mysql_servers: max_connections of all nodes is %llu, more than %d",
                    (unsigned long long)connections, CONNECTIONS_MAX);
    }
    if (conf->n_servers == 0 && check->faults->errors == 0) {
        fault_warning(check->faults, conf->n_files > 0 ? conf->files[0] : "", 0,
                      "mysql_servers: there are no servers");
    }
}

static bool is_server(const struct conf *conf, const struct conf_ssl_params *row)
{
    for (size_t i = 0; i < conf->n_servers; i++) {
        if (conf->servers[i].port == row->port &&
            strcmp(conf->servers[i].address, row->hostname) == 0) {
            return true;
        }
    }
    return false;
}

/* A row that nobody meets is a slip of the pen, or is there before its server. */
static void check_ssl_params(struct check *check)
{
    const struct conf *conf = check->conf;

    for (size_t i = 0; i < conf->n_ssl_params; i++) {
        const struct conf_ssl_params *row = &conf->ssl_params[i];

        if (!is_server(conf, row)) {
            fault_warning(check->faults, row->place.file, row->place.line,
                          "mysql_servers_ssl_params: %s:%u is no server of mysql_servers: the row "
                          "means nothing",
                          row->hostname, row->port);
        }
    }
}

/* --- galera ---------------------------------------------------------------------------------- */

static const char *const role_names[] = {"writer_hostgroup", "backup_writer_hostgroup",
                                         "reader_hostgroup", "offline_hostgroup"};

static int role(const struct conf_galera *row, size_t i)
{
    const int hostgroups[] = {row->writer_hostgroup, row->backup_writer_hostgroup,
                              row->reader_hostgroup, row->offline_hostgroup};

    return hostgroups[i];
}

/* The roles of a row against its own (a == b) or those of an earlier row. */
static void check_overlap(struct check *check, const struct conf_galera *a,
                          const struct conf_galera *b)
{
    for (size_t i = 0; i < ARRAY_SIZE(role_names); i++) {
        for (size_t j = 0; j < (a == b ? i : ARRAY_SIZE(role_names)); j++) {
            if (role(a, i) == role(b, j)) {
                fault_error(check->faults, a->place.file, a->place.line,
                            "mysql_galera_hostgroups: %s %d is %s of the row at %s:%d too",
                            role_names[i], role(a, i), role_names[j], b->place.file, b->place.line);
            }
        }
    }
}

static void check_galera(struct check *check)
{
    const struct conf *conf = check->conf;

    for (size_t i = 0; i < conf->n_galera; i++) {
        const struct conf_galera *row = &conf->galera[i];

        for (size_t j = 0; j <= i; j++) {
            check_overlap(check, row, &conf->galera[j]);
        }
        if (row->active && !conf_has_servers(check->conf, row->writer_hostgroup)) {
            fault_error(check->faults, row->place.file, row->place.line,
                        "mysql_galera_hostgroups: writer_hostgroup %d has no server in "
                        "mysql_servers",
                        row->writer_hostgroup);
        }
        if (row->active && row->max_writers == 0) {
            fault_error(check->faults, row->place.file, row->place.line,
                        "mysql_galera_hostgroups: max_writers is 0: no node could write");
        }
    }
}

/* --- users ----------------------------------------------------------------------------------- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static bool is_crypt_digit(char c)
{
    return (c >= '.' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool all_of(const char *text, size_t n, bool (*is)(char c))
{
    for (size_t i = 0; i < n; i++) {
        if (!is(text[i])) {
            return false;
        }
    }
    return true;
}

/* NULL when the password is clear text or a good hash. The password itself is never repeated. */
static const char *bad_password(const char *password)
{
    size_t n = strlen(password);

    if (password[0] == '*' &&
        (n != NATIVE_HASH_LEN || !all_of(password + 1, NATIVE_HASH_LEN - 1, is_hex))) {
        return "begins with *, but is not * and 40 hex digits (mysql_native_password)";
    }
    if (strncmp(password, "$A$", 3) == 0 &&
        (n != SHA2_HASH_LEN || !all_of(password + 3, 3, is_hex) || password[6] != '$' ||
         !all_of(password + SHA2_DIGEST, SHA2_HASH_LEN - SHA2_DIGEST, is_crypt_digit))) {
        return "begins with $A$, but is not $A$, 3 hex digits, $, 20 bytes of salt and 43 "
               "characters (caching_sha2_password)";
    }
    return NULL;
}

static void check_user(struct check *check, const struct conf_user *user)
{
    struct conf_place at = user->place;
    const char *bad = bad_password(user->password);

    if (bad != NULL) {
        fault_error(check->faults, at.file, at.line, "mysql_users: the password of \"%s\" %s",
                    user->username, bad);
    }
    if (user->active && !conf_is_served(check->conf, user->default_hostgroup)) {
        fault_error(check->faults, at.file, at.line,
                    "mysql_users: default_hostgroup %d of \"%s\" has no server in mysql_servers",
                    user->default_hostgroup, user->username);
    }
    if (user->active && user->frontend && user->use_ssl && !check->conf->vars.mysql_have_ssl) {
        fault_warning(check->faults, at.file, at.line,
                      "mysql_users: \"%s\" has use_ssl=1, but clients are not offered TLS "
                      "(mysql-have_ssl): it cannot log in",
                      user->username);
    }
    if (user->active && !user->transaction_persistent) {
        /*
         * With 0 a read of a transaction that ran elsewhere would miss what the transaction wrote.
         */
        fault_warning(check->faults, at.file, at.line,
                      "mysql_users: transaction_persistent=0 of \"%s\" acts as 1: a transaction "
                      "stays on its connection, where alone its own writes are seen",
                      user->username);
    }
    if (!user->frontend && !user->backend) {
        fault_warning(check->faults, at.file, at.line,
                      "mysql_users: \"%s\" is neither frontend nor backend: it is never used",
                      user->username);
    }
}

/* ProxySQL's key is (username, backend), with one row for both roles or one for each. */
static void check_twice(struct check *check, struct map *names, const struct conf_user *user)
{
    struct slice name = slice_of(user->username);
    const struct conf_user *first = map_get(names, name);

    if (first != NULL) {
        fault_error(check->faults, user->place.file, user->place.line,
                    "mysql_users: \"%s\" is there twice; first at %s:%d", user->username,
                    first->place.file, first->place.line);
    } else if (map_put(names, name, (void *)(uintptr_t)user) != 0) {
        fault_error(check->faults, user->place.file, user->place.line,
                    "mysql_users: out of memory while checking");
    }
}

static void check_users(struct check *check)
{
    struct conf_place at = key_place(check, KEY_mysql_users_from_hostgroup);
    int hostgroup = check->conf->vars.mysql_users_from_hostgroup;
    struct map frontends, backends;

    if (hostgroup >= 0 && !conf_is_served(check->conf, hostgroup)) {
        fault_error(check->faults, at.file, at.line,
                    "mysql-users_from_hostgroup: hostgroup %d has no server in mysql_servers",
                    hostgroup);
    }
    map_init(&frontends, MEM_CONF, CONF_USERS_MAX);
    map_init(&backends, MEM_CONF, CONF_USERS_MAX);
    for (size_t i = 0; i < check->conf->n_users; i++) {
        const struct conf_user *user = &check->conf->users[i];

        check_user(check, user);
        if (user->frontend) {
            check_twice(check, &frontends, user);
        } else if (user->backend) {
            check_twice(check, &backends, user);
        }
    }
    map_fini(&frontends);
    map_fini(&backends);
}

/* --- console ---------------------------------------------------------------------------------- */

static void check_credential(struct check *check, enum key_id id, size_t n,
                             const struct credential *credential)
{
    struct conf_place at = key_place(check, id);
    char *password = mem_copy(MEM_CONF, credential->password);
    const char *bad = bad_password(password);

    if (bad != NULL) {
        fault_error(check->faults, at.file, at.line, "%s: the password of no. %zu, \"%.*s\", %s",
                    key_at(id)->name, n, SLICE_ARGS(credential->user), bad);
    }
    mem_free(MEM_CONF, password);
}

static void check_credentials(struct check *check, enum key_id id, const char *value)
{
    struct conf_place at = key_place(check, id);
    struct slice list = slice_of(value);
    struct credential credential;
    int rc;

    for (size_t n = 1; (rc = credential_next(&list, &credential)) != 0; n++) {
        if (rc > 0) {
            check_credential(check, id, n, &credential);
        } else {
            fault_error(check->faults, at.file, at.line,
                        "%s: no. %zu is not of the form user:password", key_at(id)->name, n);
        }
    }
}

static void check_console(struct check *check)
{
    const struct conf_vars *vars = &check->conf->vars;

    (void)check_interfaces(check, KEY_admin_mysql_ifaces, vars->admin_mysql_ifaces);
    check_credentials(check, KEY_admin_admin_credentials, vars->admin_admin_credentials);
    check_credentials(check, KEY_admin_stats_credentials, vars->admin_stats_credentials);
    if (vars->admin_require_ssl && !vars->mysql_have_ssl) {
        struct conf_place at = key_place(check, KEY_admin_require_ssl);

        fault_error(check->faults, at.file, at.line,
                    "admin-require_ssl: TLS is not offered (mysql-have_ssl): nobody could come");
    }
}

void conf_check(const struct conf *conf, const struct conf_place *keys, struct faults *faults)
{
    struct check check = {.conf = conf, .keys = keys, .faults = faults};

    check_variables(&check);
    check_servers(&check);
    check_ssl_params(&check);
    check_galera(&check);
    check_users(&check);
    conf_check_rules(conf, faults);
    check_console(&check);
}
