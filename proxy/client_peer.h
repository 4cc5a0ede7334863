/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_peer.h - which address a client has: its own, or the one that a load balancer tells in a
 * PROXY header.
 *
 * A header is believed from mysql-proxy_protocol_networks only. The greeting goes out at once, as a
 * client that came directly waits for it; the first bytes then are a header or they are not, and a
 * login cannot be mistaken for one (protocol/proxy_header.h). How long that may take is the login's
 * time. Thread: the worker's.
 */
#ifndef PROXY_CLIENT_PEER_H
#define PROXY_CLIENT_PEER_H

#include "proxy/client.h"

/* client_peer_begin - it was accepted: may it bring a header? */
void client_peer_begin(struct client *c);

/*
 * client_peer_header - its first bytes. Returns those dealt with: all when it is closing, 0 when
 * more are needed (it awaits the header still) or there is no header.
 */
size_t client_peer_header(struct client *c, const uint8_t *data, size_t len);

/* client_peer_refuse - it came without the header that it must have: an error, and the end. */
void client_peer_refuse(struct client *c);

/* client_peer_hint - these bytes are no packet: for the log, if they are a header not believed. */
void client_peer_hint(const struct client *c, const uint8_t *data, size_t len);

/* client_address - the client's own; NONE for a unix socket. */
struct address client_address(const struct client *c);

/* client_balancer - the load balancer's; NONE when there is none. */
struct address client_balancer(const struct client *c);

/* client_peer_name - client_address() as text, without port; "localhost" for NONE. */
const char *client_peer_name(const struct client *c, char out[ADDRESS_TEXT_MAX]);

/* client_peer_text - "10.0.0.7:53122 through 10.1.1.1:4711" for the log; NULL = no balancer. */
const char *client_peer_text(const struct client *c);

#endif
