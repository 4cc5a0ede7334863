/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_admit.h - is there room for one more client, and for one of this address? What its logins
 * told about the address.
 *
 * Refused before the greeting where the address is known by then. Of a client behind a load
 * balancer it is known when the header is there, which may be behind the greeting: it takes its
 * place then, or is told in place of an answer to its login that there is none. Thread: the
 * worker's.
 */
#ifndef PROXY_CLIENT_ADMIT_H
#define PROXY_CLIENT_ADMIT_H

#include "proxy/client.h"

/*
 * client_admit_any - whatever address it has; before anything else is done. client_admit - its
 * address is known. client_admit_rate - one more of this second, of all that are not refused for
 * their address: who is blocked must not keep the others out. False: it has its error, and is
 * closing.
 */
bool client_admit_any(struct client *c);
bool client_admit_rate(struct client *c);
bool client_admit(struct client *c);

/*
 * client_admit_header - the PROXY header named its address. client_admit_is_late - it is refused
 * for that, and its login, which would be answered by it, has not come since: it is to be closed.
 */
void client_admit_header(struct client *c);
bool client_admit_is_late(const struct client *c, uint64_t since_ms);

/*
 * client_admit_login - its password is to be looked at: has its address been blocked since it came?
 * Not of COM_CHANGE_USER: connections that are in use do not end by what others of their address
 * do. False: it has its error, and is closing.
 */
bool client_admit_login(struct client *c);

/*
 * client_admit_failed, client_admit_succeeded - a password was wrong, was right; that ends no
 * block.
 */
void client_admit_failed(struct client *c);
void client_admit_succeeded(struct client *c);

/* client_admit_closing - why it goes: a login that never came counts as one that failed. */
void client_admit_closing(struct client *c, enum close_reason reason);

/* client_admit_end - its place at its address is free. Idempotent. */
void client_admit_end(struct client *c);

#endif
