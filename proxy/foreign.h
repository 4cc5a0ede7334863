/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreign.h - writes that do not pass through here (another proxy, a program on a node): what the
 * followers read in binary logs (pool/follower.h) becomes versions and times of tables
 * (router/causal.h), as if it had passed.
 */
#ifndef PROXY_FOREIGN_H
#define PROXY_FOREIGN_H

struct conf;
struct galeway;

/*
 * foreign_configure - follow as this configuration says; nothing is followed before the cache is in
 * use for the first time. After the monitor was started; one thread at a time.
 */
void foreign_configure(struct galeway *g, struct conf *conf);

/* foreign_stop - before the monitor ends, when the workers have. */
void foreign_stop(struct galeway *g);

#endif
