/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variables.c - session variables by name.
 */
#include "pool/variable.h"

struct variable_row {
    const char *name;
    uint8_t len;
    uint8_t kind;
};

static const struct variable_row rows[VARIABLE_COUNT] = {
#define X(id, name, kind) [id] = {name, sizeof(name) - 1, kind},
    VARIABLE_TABLE(X)
#undef X
};

struct alias {
    const char *name;
    int variable;
};

/* Two names of one variable; both may be reported by session tracking. */
static const struct alias aliases[] = {
    {"storage_engine", VAR_DEFAULT_STORAGE_ENGINE},
    {"old_alter_table", VAR_ALTER_ALGORITHM},
    {"tmp_memory_table_size", VAR_TMP_TABLE_SIZE},
    {"log_slow_query", VAR_SLOW_QUERY_LOG},
    {"log_slow_query_time", VAR_LONG_QUERY_TIME},
    {"log_slow_min_examined_row_limit", VAR_MIN_EXAMINED_ROW_LIMIT},
};

/*
 * Not of a session, and nobody changes them while the servers run; the same on all nodes of a
 * cluster.
 */
static const char *const constants[] = {
    "version",
    "version_comment",
    "version_compile_machine",
    "version_compile_os",
    "version_ssl_library",
    "max_allowed_packet",
    "net_buffer_length",
    "lower_case_table_names",
    "lower_case_file_system",
    "character_set_system",
    "system_time_zone",
    "license",
    "protocol_version",
    "innodb_version",
    "innodb_page_size",
    "innodb_file_per_table",
    "init_connect",
    "query_cache_size",
    "performance_schema",
    "have_ssl",
    "have_openssl",
    "have_profiling",
    "have_query_cache",
    "have_symlink",
};

const char *variable_name(int id)
{
    return id >= 0 && id < VARIABLE_COUNT ? rows[id].name : "";
}

enum variable_kind variable_kind(int id)
{
    return id >= 0 && id < VARIABLE_COUNT ? (enum variable_kind)rows[id].kind : VALUE_TEXT;
}

int variable_find(struct slice name)
{
    for (int i = 0; i < VARIABLE_COUNT; i++) {
        if (rows[i].len == name.len &&
            slice_eq_nocase((struct slice){rows[i].name, rows[i].len}, name)) {
            return i;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
        if (slice_eq_nocase(slice_of(aliases[i].name), name)) {
            return aliases[i].variable;
        }
    }
    return VARIABLE_NONE;
}

bool variable_is_constant(struct slice name)
{
    int id = variable_find(name);

    if (id != VARIABLE_NONE) {
        return id != VAR_MAX_STATEMENT_TIME; /* a user may have one of his own */
    }
    for (size_t i = 0; i < ARRAY_SIZE(constants); i++) {
        if (slice_eq_nocase(slice_of(constants[i]), name)) {
            return true;
        }
    }
    return false;
}

bool variable_empty_is_null(int id)
{
    return id == VAR_CHARACTER_SET_RESULTS || id == VAR_DEFAULT_TMP_STORAGE_ENGINE ||
           id == VAR_ENFORCE_STORAGE_ENGINE;
}
