/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_peer.c - see client_peer.h.
 */
#include "proxy/client_peer.h"

#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/proxy_header.h"
#include "proxy/client_admit.h"
#include "proxy/worker.h"

struct client_peer {
    struct address client;
    struct address balancer;
    char text[2 * (ADDRESS_TEXT_MAX + 8) + 16];
};

/* --- addresses -------------------------------------------------------------------------------- */

static struct address socket_address(const struct client *c)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    struct sockaddr *to = (struct sockaddr *)(void *)&address;
    int len = sizeof(address);

    if (c->stream.u.handle.type == UV_TCP && uv_tcp_getpeername(&c->stream.u.tcp, to, &len) == 0) {
        return address_of(to);
    }
    if (c->host != NULL && c->peer == NULL) { /* the socket was reset, and does not know it */
        return host_address(c->host);
    }
    return (struct address){.family = ADDRESS_NONE};
}

struct address client_address(const struct client *c)
{
    return c->peer != NULL ? c->peer->client : socket_address(c);
}

struct address client_balancer(const struct client *c)
{
    return c->peer != NULL ? c->peer->balancer : (struct address){.family = ADDRESS_NONE};
}

const char *client_peer_name(const struct client *c, char out[ADDRESS_TEXT_MAX])
{
    struct address a = client_address(c);

    return address_text(&a, out);
}

const char *client_peer_text(const struct client *c)
{
    return c->peer != NULL ? c->peer->text : NULL;
}

/* --- the header ------------------------------------------------------------------------------- */

void client_peer_begin(struct client *c)
{
    const struct networks *balancers = &c->worker->snapshot->balancers;

    if (UNLIKELY(balancers->n > 0 || balancers->is_any)) {
        struct address a = socket_address(c);

        c->awaits_header = networks_have(balancers, &a);
    }
}

static bool keep_peer(struct client *c, const struct proxy_header *h)
{
    char client[ADDRESS_TEXT_MAX], balancer[ADDRESS_TEXT_MAX];
    struct client_peer *p = mem_try(MEM_CLIENT, sizeof(*p));

    if (p == NULL) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return false;
    }
    p->client = h->client;
    p->balancer = socket_address(c);
    (void)snprintf(p->text, sizeof(p->text), "%s:%u through %s:%u",
                   address_text(&p->client, client), p->client.port,
                   address_text(&p->balancer, balancer), p->balancer.port);
    c->peer = p;
    return true;
}

static void say_malformed(struct client *c)
{
    char peer[ADDRESS_TEXT_MAX];
    struct log_who who = client_who(c, "logging in");

    stat_add(&c->worker->stats, STAT_PROXY_REFUSED, 1);
    log_warn(&who, "%s sent a malformed PROXY header: the connection is closed",
             client_peer_name(c, peer));
    client_close(c, CLOSE_PROTOCOL, ERR_MALFORMED);
}

size_t client_peer_header(struct client *c, const uint8_t *data, size_t len)
{
    struct proxy_header h;
    int rc = proxy_header_decode(&h, data, len);

    if (rc == ERR_INCOMPLETE) {
        return 0;
    }
    c->awaits_header = false;
    if (rc == ERR_NOT_FOUND) {
        c->login->lacks_header = worker_vars(c->worker)->mysql_proxy_protocol_required;
        return 0;
    }
    if (rc != 0) {
        say_malformed(c);
        return len;
    }
    stat_add(&c->worker->stats, STAT_PROXY_HEADERS, 1);
    if (h.is_own) { /* the balancer asks whether we live: with a login, if it has one */
        return h.len;
    }
    if (!keep_peer(c, &h)) {
        return len;
    }
    client_admit_header(c);
    return h.len;
}

void client_peer_refuse(struct client *c)
{
    char peer[ADDRESS_TEXT_MAX];
    struct log_who who = client_who(c, "logging in");

    stat_add(&c->worker->stats, STAT_PROXY_REFUSED, 1);
    log_warn(&who, "%s sent no PROXY header, and must (mysql-proxy_protocol_required)",
             client_peer_name(c, peer));
    if (client_errorf(c, ERR_HANDSHAKE,
                      "A PROXY header is needed from this address (mysql-proxy_protocol_networks, "
                      "mysql-proxy_protocol_required)")) {
        client_close_because(c, CLOSE_PROTOCOL, ERR_HANDSHAKE);
    }
}

void client_peer_hint(const struct client *c, const uint8_t *data, size_t len)
{
    char peer[ADDRESS_TEXT_MAX];
    struct log_who who = client_who(c, "logging in");
    struct proxy_header h;

    if (c->state == CLIENT_LOGIN && c->login->auth.step == AUTH_GREETED && c->peer == NULL &&
        proxy_header_decode(&h, data, len) != ERR_NOT_FOUND) {
        stat_add(&c->worker->stats, STAT_PROXY_REFUSED, 1);
        log_warn(&who,
                 "%s sent a PROXY header, which is not believed: mysql-proxy_protocol_networks "
                 "does not have it",
                 client_peer_name(c, peer));
    }
}
