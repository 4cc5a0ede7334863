/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stmt_limits.h - how many prepared statements may be held: by one client, by all of one user, by
 * all.
 *
 * They live as long as their clients want, with their texts: one user must not take the memory of
 * all. Thread: the client's worker.
 */
#ifndef PROXY_STMT_LIMITS_H
#define PROXY_STMT_LIMITS_H

#include "base/base.h"

struct account;
struct client;

/*
 * stmt_limits_allow - one more of this text. False: the client has its error, and its task has
 * ended.
 */
bool stmt_limits_allow(struct client *c, struct slice text);

/* stmt_limits_took, stmt_limits_gave - one of a text of len bytes is held, is held no more. */
void stmt_limits_took(struct account *account, size_t len);
void stmt_limits_gave(struct account *account, size_t len);

#endif
