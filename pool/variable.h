/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variable.h - the session variables that are known by name.
 */
#ifndef POOL_VARIABLE_H
#define POOL_VARIABLE_H

#include "base/base.h"

/* Session variables that a profile carries. kind: how a value is written back in SET. */
enum variable_kind {
    VALUE_TEXT,   /* quoted */
    VALUE_NUMBER, /* bare, as session tracking reports it: "5.000000" is accepted */
    VALUE_WORD    /* ON and OFF, enumerations: quoted */
};

/*
 * name (lower case), kind. Measured on MariaDB 10.11: an ordinary user may set each of them (but
 * some wsrep_* and sql_log_bin, which need a privilege), and what session tracking reports is
 * accepted again and gives the same. When several are written back, in this order, as some change
 * another one and do not report it: character_set_connection the collation (to the charset's
 * default), max_join_size sql_big_selects (which a session with the first always has, too).
 *
 * Not in the list, so that setting them is a change that cannot be carried: timestamp (SET
 * timestamp=DEFAULT is reported with the old value), character_set_database and
 * collation_database (USE changes them unreported), character_set_server and collation_server
 * (each changes the other unreported), wsrep_causal_reads (changes wsrep_sync_wait unreported),
 * profiling, insert_id, last_insert_id, rand_seed*. max_allowed_packet and net_buffer_length
 * cannot be set in a session.
 */
#define VARIABLE_TABLE(X)                                                                       \
    X(VAR_CHARACTER_SET_CLIENT, "character_set_client", VALUE_TEXT)                             \
    X(VAR_CHARACTER_SET_CONNECTION, "character_set_connection", VALUE_TEXT)                     \
    X(VAR_CHARACTER_SET_RESULTS, "character_set_results", VALUE_TEXT)                           \
    X(VAR_COLLATION_CONNECTION, "collation_connection", VALUE_TEXT)                             \
    X(VAR_SQL_MODE, "sql_mode", VALUE_TEXT)                                                     \
    X(VAR_AUTOCOMMIT, "autocommit", VALUE_WORD)                                                 \
    X(VAR_TIME_ZONE, "time_zone", VALUE_TEXT)                                                   \
    X(VAR_TX_ISOLATION, "tx_isolation", VALUE_WORD)                                             \
    X(VAR_TX_READ_ONLY, "tx_read_only", VALUE_WORD)                                             \
    X(VAR_FOREIGN_KEY_CHECKS, "foreign_key_checks", VALUE_WORD)                                 \
    X(VAR_UNIQUE_CHECKS, "unique_checks", VALUE_WORD)                                           \
    X(VAR_CHECK_CONSTRAINT_CHECKS, "check_constraint_checks", VALUE_WORD)                       \
    X(VAR_SQL_NOTES, "sql_notes", VALUE_WORD)                                                   \
    X(VAR_SQL_WARNINGS, "sql_warnings", VALUE_WORD)                                             \
    X(VAR_SQL_QUOTE_SHOW_CREATE, "sql_quote_show_create", VALUE_WORD)                           \
    X(VAR_SQL_SAFE_UPDATES, "sql_safe_updates", VALUE_WORD)                                     \
    X(VAR_MAX_JOIN_SIZE, "max_join_size", VALUE_NUMBER)                                         \
    X(VAR_SQL_BIG_SELECTS, "sql_big_selects", VALUE_WORD)                                       \
    X(VAR_SQL_AUTO_IS_NULL, "sql_auto_is_null", VALUE_WORD)                                     \
    X(VAR_SQL_BUFFER_RESULT, "sql_buffer_result", VALUE_WORD)                                   \
    X(VAR_SQL_IF_EXISTS, "sql_if_exists", VALUE_WORD)                                           \
    X(VAR_SQL_SELECT_LIMIT, "sql_select_limit", VALUE_NUMBER)                                   \
    X(VAR_MAX_STATEMENT_TIME, "max_statement_time", VALUE_NUMBER)                               \
    X(VAR_GROUP_CONCAT_MAX_LEN, "group_concat_max_len", VALUE_NUMBER)                           \
    X(VAR_WAIT_TIMEOUT, "wait_timeout", VALUE_NUMBER)                                           \
    X(VAR_INTERACTIVE_TIMEOUT, "interactive_timeout", VALUE_NUMBER)                             \
    X(VAR_IDLE_TRANSACTION_TIMEOUT, "idle_transaction_timeout", VALUE_NUMBER)                   \
    X(VAR_IDLE_READONLY_TRANSACTION_TIMEOUT, "idle_readonly_transaction_timeout", VALUE_NUMBER) \
    X(VAR_IDLE_WRITE_TRANSACTION_TIMEOUT, "idle_write_transaction_timeout", VALUE_NUMBER)       \
    X(VAR_LOCK_WAIT_TIMEOUT, "lock_wait_timeout", VALUE_NUMBER)                                 \
    X(VAR_INNODB_LOCK_WAIT_TIMEOUT, "innodb_lock_wait_timeout", VALUE_NUMBER)                   \
    X(VAR_NET_READ_TIMEOUT, "net_read_timeout", VALUE_NUMBER)                                   \
    X(VAR_NET_WRITE_TIMEOUT, "net_write_timeout", VALUE_NUMBER)                                 \
    X(VAR_NET_RETRY_COUNT, "net_retry_count", VALUE_NUMBER)                                     \
    X(VAR_BIG_TABLES, "big_tables", VALUE_WORD)                                                 \
    X(VAR_MAX_SORT_LENGTH, "max_sort_length", VALUE_NUMBER)                                     \
    X(VAR_MAX_LENGTH_FOR_SORT_DATA, "max_length_for_sort_data", VALUE_NUMBER)                   \
    X(VAR_MAX_HEAP_TABLE_SIZE, "max_heap_table_size", VALUE_NUMBER)                             \
    X(VAR_TMP_TABLE_SIZE, "tmp_table_size", VALUE_NUMBER)                                       \
    X(VAR_TMP_DISK_TABLE_SIZE, "tmp_disk_table_size", VALUE_NUMBER)                             \
    X(VAR_SORT_BUFFER_SIZE, "sort_buffer_size", VALUE_NUMBER)                                   \
    X(VAR_JOIN_BUFFER_SIZE, "join_buffer_size", VALUE_NUMBER)                                   \
    X(VAR_JOIN_BUFFER_SPACE_LIMIT, "join_buffer_space_limit", VALUE_NUMBER)                     \
    X(VAR_JOIN_CACHE_LEVEL, "join_cache_level", VALUE_NUMBER)                                   \
    X(VAR_MRR_BUFFER_SIZE, "mrr_buffer_size", VALUE_NUMBER)                                     \
    X(VAR_READ_BUFFER_SIZE, "read_buffer_size", VALUE_NUMBER)                                   \
    X(VAR_READ_RND_BUFFER_SIZE, "read_rnd_buffer_size", VALUE_NUMBER)                           \
    X(VAR_BULK_INSERT_BUFFER_SIZE, "bulk_insert_buffer_size", VALUE_NUMBER)                     \
    X(VAR_MYISAM_SORT_BUFFER_SIZE, "myisam_sort_buffer_size", VALUE_NUMBER)                     \
    X(VAR_MAX_SESSION_MEM_USED, "max_session_mem_used", VALUE_NUMBER)                           \
    X(VAR_MAX_ERROR_COUNT, "max_error_count", VALUE_NUMBER)                                     \
    X(VAR_MAX_RECURSIVE_ITERATIONS, "max_recursive_iterations", VALUE_NUMBER)                   \
    X(VAR_MAX_SP_RECURSION_DEPTH, "max_sp_recursion_depth", VALUE_NUMBER)                       \
    X(VAR_AUTO_INCREMENT_INCREMENT, "auto_increment_increment", VALUE_NUMBER)                   \
    X(VAR_AUTO_INCREMENT_OFFSET, "auto_increment_offset", VALUE_NUMBER)                         \
    X(VAR_DIV_PRECISION_INCREMENT, "div_precision_increment", VALUE_NUMBER)                     \
    X(VAR_DEFAULT_WEEK_FORMAT, "default_week_format", VALUE_NUMBER)                             \
    X(VAR_LC_TIME_NAMES, "lc_time_names", VALUE_TEXT)                                           \
    X(VAR_LC_MESSAGES, "lc_messages", VALUE_TEXT)                                               \
    X(VAR_CHARACTER_SET_FILESYSTEM, "character_set_filesystem", VALUE_TEXT)                     \
    X(VAR_DEFAULT_STORAGE_ENGINE, "default_storage_engine", VALUE_WORD)                         \
    X(VAR_DEFAULT_TMP_STORAGE_ENGINE, "default_tmp_storage_engine", VALUE_WORD)                 \
    X(VAR_ENFORCE_STORAGE_ENGINE, "enforce_storage_engine", VALUE_WORD)                         \
    X(VAR_DEFAULT_REGEX_FLAGS, "default_regex_flags", VALUE_TEXT)                               \
    X(VAR_EXPLICIT_DEFAULTS_FOR_TIMESTAMP, "explicit_defaults_for_timestamp", VALUE_WORD)       \
    X(VAR_STANDARD_COMPLIANT_CTE, "standard_compliant_cte", VALUE_WORD)                         \
    X(VAR_UPDATABLE_VIEWS_WITH_LIMIT, "updatable_views_with_limit", VALUE_WORD)                 \
    X(VAR_OLD_MODE, "old_mode", VALUE_TEXT)                                                     \
    X(VAR_COMPLETION_TYPE, "completion_type", VALUE_WORD)                                       \
    X(VAR_LOW_PRIORITY_UPDATES, "low_priority_updates", VALUE_WORD)                             \
    X(VAR_ALTER_ALGORITHM, "alter_algorithm", VALUE_WORD)                                       \
    X(VAR_INNODB_STRICT_MODE, "innodb_strict_mode", VALUE_WORD)                                 \
    X(VAR_INNODB_TABLE_LOCKS, "innodb_table_locks", VALUE_WORD)                                 \
    X(VAR_INNODB_SNAPSHOT_ISOLATION, "innodb_snapshot_isolation", VALUE_WORD)                   \
    X(VAR_INNODB_FT_ENABLE_STOPWORD, "innodb_ft_enable_stopword", VALUE_WORD)                   \
    X(VAR_OPTIMIZER_SWITCH, "optimizer_switch", VALUE_TEXT)                                     \
    X(VAR_OPTIMIZER_SEARCH_DEPTH, "optimizer_search_depth", VALUE_NUMBER)                       \
    X(VAR_OPTIMIZER_PRUNE_LEVEL, "optimizer_prune_level", VALUE_NUMBER)                         \
    X(VAR_OPTIMIZER_USE_CONDITION_SELECTIVITY, "optimizer_use_condition_selectivity",           \
      VALUE_NUMBER)                                                                             \
    X(VAR_EQ_RANGE_INDEX_DIVE_LIMIT, "eq_range_index_dive_limit", VALUE_NUMBER)                 \
    X(VAR_IN_PREDICATE_CONVERSION_THRESHOLD, "in_predicate_conversion_threshold", VALUE_NUMBER) \
    X(VAR_MAX_SEEKS_FOR_KEY, "max_seeks_for_key", VALUE_NUMBER)                                 \
    X(VAR_USE_STAT_TABLES, "use_stat_tables", VALUE_WORD)                                       \
    X(VAR_HISTOGRAM_SIZE, "histogram_size", VALUE_NUMBER)                                       \
    X(VAR_HISTOGRAM_TYPE, "histogram_type", VALUE_WORD)                                         \
    X(VAR_QUERY_CACHE_TYPE, "query_cache_type", VALUE_WORD)                                     \
    X(VAR_LONG_QUERY_TIME, "long_query_time", VALUE_NUMBER)                                     \
    X(VAR_MIN_EXAMINED_ROW_LIMIT, "min_examined_row_limit", VALUE_NUMBER)                       \
    X(VAR_SLOW_QUERY_LOG, "slow_query_log", VALUE_WORD)                                         \
    X(VAR_LOG_SLOW_VERBOSITY, "log_slow_verbosity", VALUE_TEXT)                                 \
    X(VAR_LOG_SLOW_FILTER, "log_slow_filter", VALUE_TEXT)                                       \
    X(VAR_SQL_LOG_BIN, "sql_log_bin", VALUE_WORD)                                               \
    X(VAR_WSREP_SYNC_WAIT, "wsrep_sync_wait", VALUE_NUMBER)                                     \
    X(VAR_WSREP_ON, "wsrep_on", VALUE_WORD)                                                     \
    X(VAR_WSREP_OSU_METHOD, "wsrep_osu_method", VALUE_WORD)                                     \
    X(VAR_WSREP_DIRTY_READS, "wsrep_dirty_reads", VALUE_WORD)                                   \
    X(VAR_WSREP_RETRY_AUTOCOMMIT, "wsrep_retry_autocommit", VALUE_NUMBER)                       \
    X(VAR_WSREP_TRX_FRAGMENT_SIZE, "wsrep_trx_fragment_size", VALUE_NUMBER)                     \
    X(VAR_WSREP_TRX_FRAGMENT_UNIT, "wsrep_trx_fragment_unit", VALUE_WORD)                       \
    X(VAR_SESSION_TRACK_SYSTEM_VARIABLES, "session_track_system_variables", VALUE_TEXT)         \
    X(VAR_SESSION_TRACK_SCHEMA, "session_track_schema", VALUE_WORD)                             \
    X(VAR_SESSION_TRACK_STATE_CHANGE, "session_track_state_change", VALUE_WORD)                 \
    X(VAR_SESSION_TRACK_TRANSACTION_INFO, "session_track_transaction_info", VALUE_WORD)

enum variable_id {
#define X(id, name, kind) id,
    VARIABLE_TABLE(X)
#undef X
        VARIABLE_COUNT
};

#define VARIABLE_NONE (-1)

/*
 * variable_is_virtual - the first three of session_track_*: server connections have values of ours,
 * and what the client gave them is only kept, for what it is told (protocol/track.h). Its
 * connection has them while a statement runs that names them (proxy/client_track.h).
 */
static inline bool variable_is_virtual(int id)
{
    return id >= VAR_SESSION_TRACK_SYSTEM_VARIABLES && id <= VAR_SESSION_TRACK_STATE_CHANGE;
}

const char *variable_name(int id);
enum variable_kind variable_kind(int id);
/*
 * variable_find - by name in any case, or VARIABLE_NONE. Also the other names that 10.11 has for
 * one: storage_engine, old_alter_table, tmp_memory_table_size, log_slow_query,
 * log_slow_query_time, log_slow_min_examined_row_limit. Not transaction_isolation: 10.11 refuses it
 * (1193).
 */
int variable_find(struct slice name);

/*
 * variable_is_constant - SELECT @@name gives the same on each node and at each time for sessions
 * with the same profile: the variables above, and those that nobody changes while a server runs
 * (version, max_allowed_packet, ...).
 */
bool variable_is_constant(struct slice name);

/*
 * variable_empty_is_null - session tracking reports NULL as an empty value; it is written back as
 * NULL, as '' is refused: character_set_results, default_tmp_storage_engine,
 * enforce_storage_engine.
 */
bool variable_empty_is_null(int id);

#endif
