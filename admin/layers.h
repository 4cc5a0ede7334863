/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layers.h - the configuration tables and what LOAD and SAVE do: move modules between the layers.
 *
 * For the files of the store. All on the control thread.
 */
#ifndef ADMIN_LAYERS_H
#define ADMIN_LAYERS_H

#include "admin/store_data.h"
#include "conf/faults.h"

/* One configuration table, or the part of global_variables that belongs to a module. */
struct config_table {
    enum module module;
    const char *name;
    const char *filter; /* an SQL condition; "1" = all rows */
    const char *order;
    const char *columns; /* for CREATE TABLE */
    const char *in[3];   /* its name in each layer: layer_table() */
};

/* config_tables_count, config_table_at - all parts, in the order of the configuration file. */
size_t config_tables_count(void);
const struct config_table *config_table_at(size_t i);

/* config_table_find - by name, case ignored; NULL when it is no configuration table. */
const struct config_table *config_table_find(struct slice name);

/* module_name - "MYSQL SERVERS". */
const char *module_name(enum module module);

/*
 * layer_table - where a layer has a table's rows. RUNTIME's are in main.runtime_x, but of
 * mysql_servers and mysql_users in tables of their own: runtime_mysql_servers shows where the nodes
 * are now (runtime_servers.c), runtime_mysql_users those of the nodes, too (users_table.c).
 */
const char *layer_table(const struct config_table *table, enum layer layer);

/*
 * layer_prefix - what stands before the name global_variables: "main.", "main.runtime_", "disk.".
 */
const char *layer_prefix(enum layer layer);

/* layers_create - the tables of MEMORY and RUNTIME. Returns 0 or an error that is logged. */
int layers_create(struct store *store) MUST_CHECK;

/*
 * layers_attach_disk - open galeway.db in the data directory; without one DISK is empty and in
 * memory, and store->disk_fault says why. layers_detach_disk - before it is opened again.
 */
int layers_attach_disk(struct store *store) MUST_CHECK;
void layers_detach_disk(struct store *store);

/*
 * layers_copy - replace the rows of these modules (BITs) in one transaction. Returns 0, or an error
 * in reply: the target is as it was.
 */
int layers_copy(struct store *store, unsigned modules, enum layer from, enum layer to,
                struct reply *reply) MUST_CHECK;

/*
 * layers_saved - the modules (BITs) that were saved, if only empty, or have rows on DISK: a start
 * takes those from there, the others from the file.
 */
unsigned layers_saved(struct store *store);

/*
 * layers_read_file - CONFIG FILE to MEMORY; the file is checked whole before a row is touched.
 * merge: rows that the file does not name stay, as in ProxySQL; else they go.
 */
int layers_read_file(struct store *store, unsigned modules, const char *path, bool merge,
                     struct reply *reply) MUST_CHECK;

/*
 * layers_read_text - the same from a text that was checked before. Returns 0 or an error in reply.
 */
int layers_read_text(struct store *store, unsigned modules, struct slice text,
                     struct reply *reply) MUST_CHECK;

/* layers_apply - MEMORY to RUNTIME: validated whole, published, remembered. dry: only tell. */
int layers_apply(struct store *store, unsigned modules, bool dry, struct reply *reply) MUST_CHECK;

/*
 * layers_say_start - warnings about what the next start would find: each fault of DISK (and of the
 * file for modules that were never saved), for which it would refuse DISK as a whole.
 */
void layers_say_start(struct store *store);

/*
 * layers_why - the faults alone of an error that a LOAD has given: it lives as long as the reply.
 */
const char *layers_why(const struct reply *reply);

/*
 * layers_follow - somebody else (SIGHUP) has applied the configuration file: MEMORY and RUNTIME
 * follow.
 */
void layers_follow(struct store *store);

/* layers_checksum - of a module in a layer: the same rows give the same number. */
int layers_checksum(struct store *store, enum module module, enum layer layer, uint64_t *out,
                    struct reply *reply) MUST_CHECK;
int layers_table_checksum(struct store *store, const struct config_table *table, enum layer layer,
                          uint64_t *out, struct reply *reply) MUST_CHECK;

/* layers_note_applied - the row of runtime_checksums_values of each of these modules. */
void layers_note_applied(struct store *store, unsigned modules);

#endif
