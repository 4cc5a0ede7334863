/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_data.h - what the files of the store share; others include store.h.
 */
#ifndef ADMIN_STORE_DATA_H
#define ADMIN_STORE_DATA_H

#include <sqlite3.h>

#include "admin/reply.h"
#include "admin/stats.h"
#include "admin/store.h"
#include "conf/conf.h"
#include "proxy/galeway.h"

/* What LOAD and SAVE move together. */
enum module {
    MODULE_MYSQL_VARIABLES,
    MODULE_ADMIN_VARIABLES,
    MODULE_SERVERS,
    MODULE_USERS,
    MODULE_RULES,
    MODULE_FIREWALL,
    MODULE_SCHEDULER,
    MODULE_PROXYSQL,
    MODULE_COUNT
};

#define MODULES_ALL (BIT(MODULE_COUNT) - 1)

enum layer { LAYER_MEMORY, LAYER_RUNTIME, LAYER_DISK };

struct store_warning {
    const char *level; /* "Note", "Warning" or "Error" */
    uint16_t number;
    char *text; /* owned */
};

struct regex_scratch;

struct store {
    /* borrowed */
    struct galeway *galeway;
    const char *config_file;
    /* owned */
    sqlite3 *db;
    struct regex_scratch *scratch; /* for REGEXP */
    char *disk_path;
    char *disk_fault;     /* NULL, or why DISK cannot be written */
    struct conf *applied; /* a reference: what the tables of RUNTIME stand for */
    bool (*is_waited)(
        void *ctx); /* does somebody wait for the statement to end? NULL = nobody can */
    void *waited_ctx;
    /* state */
    bool read_only;       /* PROXYSQL READONLY */
    bool history_changed; /* and not yet written */
    unsigned versions[MODULE_COUNT];
    /* of the statement that runs */
    struct store_session *who; /* NULL = nobody: at the start */
    unsigned is_internal;      /* > 0: our own SQL, which may do everything */
    uint64_t began_us;
    uint64_t deadline_us;
    uint64_t looked_us; /* when others were looked at last */
    bool is_late;
    const char *denied;                   /* why the authorizer said no; static */
    char write_table[STORE_NAME_MAX * 2]; /* the last table that the statement writes to */
    struct stats_named named;             /* the statistics that it names */
};

/*
 * store_warn - for SHOW WARNINGS; with nobody to tell, errors go to the log. level: "Note",
 * "Warning", "Error".
 */
void store_warn(struct store *store, const char *level, uint16_t number, const char *format, ...)
    PRINTF_LIKE(4, 5);

#endif
