/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.h - a configuration as it is written: each value of each row, for those who keep tables of
 * texts.
 *
 * Says nothing about what the values may be: conf_load() does. Rows come in the order of the file.
 */
#ifndef CONF_WALK_H
#define CONF_WALK_H

#include "base/base.h"
#include "conf/faults.h"

/*
 * One value. section: "mysql_servers"; row: 0, 1, ... in a list, 0 in a group; name: the column or
 * the short name of the variable, NULL = the row has ended (row ends come for lists only).
 * All texts are borrowed for the call.
 */
typedef void (*conf_walk_fn)(void *ctx, const char *section, size_t row, const char *name,
                             struct slice value);

/*
 * conf_walk - each value of a file and what it includes. conf_walk_text - of a text in memory; name
 * is what faults call it. Returns 0, ERR_FILE or ERR_CONFIG (faults says why; nothing or all of it
 * was walked).
 */
int conf_walk(const char *path, struct faults *faults, conf_walk_fn fn, void *ctx) MUST_CHECK;
int conf_walk_text(const char *name, struct slice text, struct faults *faults, conf_walk_fn fn,
                   void *ctx) MUST_CHECK;

#endif
