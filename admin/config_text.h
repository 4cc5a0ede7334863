/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_text.h - the tables as the text of a configuration file, and back from its lines to rows.
 *
 * The one text that is checked by LOAD ... TO RUNTIME is also what SAVE CONFIG TO FILE writes: what
 * loads here loads from the file. For the files of the store.
 */
#ifndef ADMIN_CONFIG_TEXT_H
#define ADMIN_CONFIG_TEXT_H

#include "admin/layers.h"

#define CONFIG_TEXT_NAME "console:" /* what faults call the text; never a file */
#define CONFIG_PARTS_MAX 32

/* Where the rows of a table stand: one row on each line. */
struct config_part {
    const struct config_table *table;
    enum layer layer;
    int first_line; /* of its first row; of variables: of the section */
    int end_line;   /* behind the last */
    int n_rows;
};

struct config_text {
    char *text; /* owned (SQLite's memory) */
    size_t len;
    struct config_part parts[CONFIG_PARTS_MAX];
    size_t n_parts;
};

/*
 * config_text_make - modules of these BITs from MEMORY, the others from RUNTIME. Returns 0 or an
 * error in reply.
 * config_text_fini - zeroed is fine.
 */
int config_text_make(struct store *store, unsigned from_memory, struct config_text *out,
                     struct reply *reply) MUST_CHECK;
void config_text_fini(struct config_text *text);

/*
 * config_text_fault - a fault with rows named instead of lines: "mysql_users (username='a',
 * backend=1): ...". Owner: the caller, sqlite3_free(); NULL = no memory.
 */
char *config_text_fault(struct store *store, const struct config_text *text,
                        const struct fault *fault);

/* config_text_module - whose fault it is; MODULE_COUNT = that of no module. */
enum module config_text_module(const struct config_text *text, const struct fault *fault);

/*
 * config_text_write - to a file, whole or not at all (written beside it, then renamed). 0 or an
 * error in reply.
 */
int config_text_write(const struct config_text *text, const char *path,
                      struct reply *reply) MUST_CHECK;

#endif
