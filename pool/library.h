/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.h - what both users of the client library, monitor_sql.c and follower_link.c, begin with.
 */
#ifndef POOL_LIBRARY_H
#define POOL_LIBRARY_H

#include "base/base.h"
#include "pool/node.h"

/*
 * library_new - a handle (MYSQL) of calls that do not block, utf8mb4, which sends no file of ours
 * and no password in the clear, whatever the node asks for.
 *
 * packet_max: bytes of the longest packet that it takes behind the login. Free it with
 * mysql_close(); NULL when there is no memory.
 */
struct st_mysql *library_new(unsigned long packet_max);

/* library_why - the text of the last error; borrowed. */
const char *library_why(struct st_mysql *mysql);

/*
 * library_host - the address of a node as digits: the library would ask for a name and wait.
 *
 * Returns false when it was not found. Not for a node behind a socket file (port 0).
 */
bool library_host(const struct node *node, char *out, size_t cap);

#endif
