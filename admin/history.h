/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.h - the states that were applied last, kept in galeway.db, and what differs between the
 * layers.
 *
 * For the files of the store.
 */
#ifndef ADMIN_HISTORY_H
#define ADMIN_HISTORY_H

#include "admin/config_text.h"

#define HISTORY_MAX       20
#define HISTORY_BYTES_MAX ((int64_t)32 << 20) /* of all states; older ones go first */

/* history_open - those of galeway.db, once it is attached. Returns SQLite's code. */
int history_open(struct store *store) MUST_CHECK;

/*
 * history_add - remember a state; failing is a warning: the state runs. history_flush writes it to
 * the file.
 */
void history_add(struct store *store, unsigned modules, const struct config_text *text);

/* history_flush - from time to time: LOAD does not wait for a disk. */
void history_flush(struct store *store);

/*
 * history_note - remember what runs, which no LOAD has made: why is "(start)" or "(file)". So the
 * first mistake can be undone, too.
 */
void history_note(struct store *store, const char *why);

/* history_show - SHOW CONFIG HISTORY. */
void history_show(struct store *store, struct reply *reply);

/* history_load - LOAD CONFIG FROM HISTORY n: to MEMORY. Returns 0 or an error in reply. */
int history_load(struct store *store, int64_t n, struct reply *reply) MUST_CHECK;

/*
 * diff_show - SHOW CONFIG DIFF: each column of each row that differs between MEMORY, RUNTIME and
 * DISK.
 */
void diff_show(struct store *store, struct reply *reply);

#endif
