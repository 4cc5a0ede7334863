/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variables.h - global_variables: their names and values checked, the table `variables`, SET.
 *
 * For the files of the store.
 */
#ifndef ADMIN_VARIABLES_H
#define ADMIN_VARIABLES_H

#include "admin/store_data.h"
#include "conf/keys.h"

/*
 * variables_create - the triggers, the table of what is known of each, every variable at its
 * default.
 */
int variables_create(struct store *store) MUST_CHECK;

/*
 * variables_fill - rows that are missing in global_variables of MEMORY or its runtime_ twin: the
 * default.
 */
int variables_fill(struct store *store, enum layer layer) MUST_CHECK;

/*
 * variable_checked - the value in its usual form, to be freed with sqlite3_free. A value that has
 * no effect is warned about. NULL: *why says what is wrong and what is allowed (also to be freed).
 */
char *variable_checked(struct store *store, struct slice name, struct slice value, char **why);

/* variable_unknown - "Unknown variable ...; did you mean ...?", in out. */
void variable_unknown(struct slice name, char *out, size_t cap);

/* variable_set - SET name = value in MEMORY. */
void variable_set(struct store *store, struct slice name, struct slice value, struct reply *reply);

/* sysvars: what clients ask of any server (sysvars.def). */
size_t sysvars_count(void);
const char *sysvar_name(size_t i);
const char *sysvar_value(size_t i);
bool sysvar_is_settable(struct slice name);

/* sysvar_plain_name - without @@ and its scope. */
struct slice sysvar_plain_name(struct slice name);

#endif
