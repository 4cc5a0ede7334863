/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_status.h - SHOW STATUS of the link itself: a node would tell of our connection to it.
 */
#ifndef PROXY_LINK_STATUS_H
#define PROXY_LINK_STATUS_H

#include "proxy/client.h"

/*
 * link_status_answer - SHOW [SESSION|LOCAL] STATUS LIKE 'Ssl_cipher', 'Ssl_version' or
 * 'Compression' (facts->local == LOCAL_LINK_STATUS) of the client's own connection, as MariaDB
 * 10.11.19 sends it.
 *
 * False = the session's results are in a charset of which the width is not known here: then a node
 * answers, of Galeway's connection to it.
 */
bool link_status_answer(struct client *c, const struct facts *f);

#endif
