/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_admit.c - see client_admit.h.
 */
#include "proxy/client_admit.h"

#include <stdio.h>

#include "base/err.h"
#include "proxy/client_peer.h"
#include "proxy/worker.h"

#define REFUSAL_MAX 256
#define REFUSED_MS  1000 /* so long who is refused behind a load balancer may take for his login */

/* The greeting's place, or that of the answer to a login. */
static bool refuse(struct client *c, int rc, const char *text)
{
    struct log_who who = client_who(c, "connecting");
    bool is_greeted = c->sequence > 0;

    log_info(&who, "refused: %s", text);
    if (is_greeted ? client_error(c, err_number(rc), err_sqlstate(rc), slice_of(text))
                   : client_error_early(c, rc, text)) {
        client_close_because(c, CLOSE_LIMIT, rc);
    }
    return false;
}

static bool is_above(const struct galeway *g, int max)
{
    return max > 0 && atomic_load(&g->n_clients) > max;
}

bool client_admit_any(struct client *c)
{
    struct worker *w = c->worker;
    const struct conf_vars *vars = worker_vars(w);

    if (is_above(w->galeway, vars->mysql_max_connections)) {
        stat_add(&w->stats, STAT_REFUSED_MAX_CONNECTIONS, 1);
        return refuse(c, ERR_TOO_MANY_CONNECTIONS, err_text(ERR_TOO_MANY_CONNECTIONS));
    }
    if (is_above(w->galeway, w->galeway->max_clients)) {
        stat_add(&w->stats, STAT_REFUSED_DESCRIPTORS, 1);
        return refuse(c, ERR_TOO_MANY_CONNECTIONS, "Too many connections: too few descriptors");
    }
    return true;
}

bool client_admit_rate(struct client *c)
{
    struct worker *w = c->worker;
    const struct conf_vars *vars = worker_vars(w);

    if (!hosts_connect(&w->galeway->hosts, (unsigned)vars->mysql_max_connects_per_sec, w->now_ms)) {
        stat_add(&w->stats, STAT_REFUSED_RATE, 1);
        return refuse(c, ERR_CONNECT_RATE,
                      "Too many connections a second (mysql-max_connects_per_sec)");
    }
    return true;
}

/* Each with what is to be changed, and where; what the address is the client knows. */
static bool refuse_address(struct client *c, int rc)
{
    const struct conf_vars *vars = worker_vars(c->worker);
    char text[REFUSAL_MAX], peer[ADDRESS_TEXT_MAX];
    const char *name = client_peer_name(c, peer);

    if (rc == ERR_HOST_BLOCKED) {
        (void)snprintf(text, sizeof(text),
                       "Host '%s' is blocked: %d of its logins failed "
                       "(mysql-client_host_error_counts); unblock with "
                       "'PROXYSQL FLUSH MYSQL CLIENT HOSTS'",
                       name, vars->mysql_client_host_error_counts);
    } else if (rc == ERR_HOST_CLIENTS) {
        (void)snprintf(text, sizeof(text),
                       "Too many connections from '%s': %d (mysql-max_connections_per_address)",
                       name, vars->mysql_max_connections_per_address);
    } else if (rc == ERR_HOST_RATE) {
        (void)snprintf(text, sizeof(text),
                       "Too many connections a second from '%s': %d "
                       "(mysql-max_connects_per_sec_per_address)",
                       name, vars->mysql_max_connects_per_sec_per_address);
    } else {
        client_close(c, CLOSE_MEMORY, rc);
        return false;
    }
    return refuse(c, rc, text);
}

static void count_refused(struct client *c, int rc)
{
    enum stat_id id = rc == ERR_HOST_BLOCKED   ? STAT_REFUSED_BLOCKED
                      : rc == ERR_HOST_CLIENTS ? STAT_REFUSED_HOST_CLIENTS
                                               : STAT_REFUSED_RATE;

    if (rc != ERR_MEMORY) {
        stat_add(&c->worker->stats, id, 1);
    }
}

static struct hosts_limits limits_of(const struct worker *w)
{
    const struct conf_vars *vars = worker_vars(w);

    return (struct hosts_limits){
        .clients = (unsigned)vars->mysql_max_connections_per_address,
        .connects_per_sec = (unsigned)vars->mysql_max_connects_per_sec_per_address,
        .errors = (unsigned)vars->mysql_client_host_error_counts,
        .block_ms = (uint64_t)vars->mysql_client_host_block_ms,
        .v6_bits = (unsigned)vars->mysql_client_host_ipv6_prefix,
    };
}

/* Takes a place at its address, which is known now. Returns 0, or why there is none. */
static int enter(struct client *c)
{
    struct worker *w = c->worker;
    const struct hosts_limits limits = limits_of(w);
    struct address address = client_address(c);
    int rc = 0;

    if (address.family != ADDRESS_NONE) {
        rc = hosts_enter(&w->galeway->hosts, &address, &limits, w->now_ms, &c->host);
    }
    c->is_admitted = rc == 0;
    if (rc != 0) {
        count_refused(c, rc);
    }
    return rc;
}

void client_admit_header(struct client *c)
{
    c->login->refused = enter(c);
    if (c->login->refused != 0) {
        c->since_ms = c->worker->now_ms; /* client_admit_is_late() */
    }
}

bool client_admit(struct client *c)
{
    int rc;

    if (c->is_admitted) {
        return true;
    }
    if (c->login->lacks_header) {
        client_peer_refuse(c);
        return false;
    }
    rc = c->login->refused != 0 ? c->login->refused : enter(c);
    return rc == 0 || refuse_address(c, rc);
}

bool client_admit_is_late(const struct client *c, uint64_t since_ms)
{
    return client_is_logging_in(c) && c->login->refused != 0 && since_ms > REFUSED_MS;
}

static bool is_blocked(const struct client *c)
{
    const struct hosts_limits limits = limits_of(c->worker);

    return c->host != NULL &&
           hosts_blocks(&c->worker->galeway->hosts, c->host, &limits, c->worker->now_ms);
}

bool client_admit_login(struct client *c)
{
    if (c->login->is_change_user || !is_blocked(c)) { /* who changes has a limit of his own */
        return true;
    }
    count_refused(c, ERR_HOST_BLOCKED);
    return refuse_address(c, ERR_HOST_BLOCKED);
}

void client_admit_failed(struct client *c)
{
    if (c->host != NULL) {
        hosts_failed(&c->worker->galeway->hosts, c->host,
                     (size_t)worker_vars(c->worker)->mysql_client_host_cache_size,
                     c->worker->now_ms);
    }
}

void client_admit_succeeded(struct client *c)
{
    if (c->host != NULL && !is_blocked(c)) {
        hosts_succeeded(&c->worker->galeway->hosts, c->host);
    }
}

void client_admit_closing(struct client *c, enum close_reason reason)
{
    struct stat_set *stats = &c->worker->stats;

    stat_add(stats, STAT_LOGIN_TIMEOUTS, reason == CLOSE_LOGIN_TIMEOUT ? 1 : 0);
    stat_add(stats, STAT_IDLE_TIMEOUTS,
             reason == CLOSE_IDLE_TIMEOUT || reason == CLOSE_SESSION_TIMEOUT ? 1 : 0);
    stat_add(stats, STAT_WRITE_TIMEOUTS, reason == CLOSE_WRITE_TIMEOUT ? 1 : 0);
    stat_add(stats, STAT_READ_TIMEOUTS, reason == CLOSE_READ_TIMEOUT ? 1 : 0);
    if (c->state == CLIENT_LOGIN && reason == CLOSE_LOGIN_TIMEOUT) {
        client_admit_failed(c);
    }
}

void client_admit_end(struct client *c)
{
    if (c->host != NULL) {
        hosts_leave(&c->worker->galeway->hosts, c->host, c->worker->now_ms);
        c->host = NULL;
    }
}
