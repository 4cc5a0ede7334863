/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.h - the words of SQL that mean something here: keywords and the functions built into
 * MariaDB.
 *
 * One hash table, made by words.py. An ordinary identifier is not in it.
 */
#ifndef ROUTER_WORDS_H
#define ROUTER_WORDS_H

#include "base/base.h"

#define WORD_RESERVED      0x01 /* cannot name a column, table, alias or function unless quoted */
#define WORD_NOT_CALL      0x02 /* `word(` never calls a stored function: built in, or syntax */
#define WORD_TIGHT         0x04 /* ... only with no space in front of the parenthesis */
#define WORD_VOLATILE      0x08 /* calling it gives something of time, chance, session or node */
#define WORD_VOLATILE_BARE 0x10 /* so does naming it without parentheses (CURRENT_TIMESTAMP) */
#define WORD_NOT_READ      0x20 /* calling it locks, waits or writes */
#define WORD_NATIVE        0x40 /* NOT_CALL, and so it is in quotes */
#define WORD_LONGEST       30

struct word {
    uint16_t id;   /* enum word_id; WORD_PLAIN when only the flags matter */
    uint8_t flags; /* WORD_* */
};

/* The words that code names; words.py reads this list. */
/* clang-format off */
enum word_id {
    WORD_NONE,  /* not in the table */
    WORD_PLAIN, /* in the table, for its flags */
    /* verbs */
    W_SELECT, W_INSERT, W_UPDATE, W_DELETE, W_REPLACE, W_SET, W_SHOW, W_USE, W_BEGIN, W_START,
    W_COMMIT, W_ROLLBACK, W_DESCRIBE, W_DESC, W_EXPLAIN, W_WITH, W_VALUES, W_TABLE, W_LOAD,
    W_CALL, W_DO, W_HANDLER, W_SAVEPOINT, W_RELEASE, W_XA, W_LOCK, W_UNLOCK, W_PREPARE,
    W_EXECUTE, W_DEALLOCATE, W_KILL, W_CREATE, W_ALTER, W_DROP, W_TRUNCATE, W_RENAME, W_GRANT,
    W_REVOKE, W_FLUSH, W_ANALYZE, W_CHECK, W_OPTIMIZE, W_REPAIR, W_CHECKSUM, W_HELP, W_GET,
    W_SIGNAL, W_RESIGNAL, W_BINLOG, W_BACKUP, W_CACHE, W_CHANGE, W_IF, W_INSTALL, W_UNINSTALL,
    W_PURGE, W_RESET, W_SHUTDOWN, W_STOP, W_CASE, W_LOOP, W_WHILE, W_REPEAT, W_FOR,
    /* clauses */
    W_FROM, W_JOIN, W_STRAIGHT_JOIN, W_INTO, W_WHERE, W_GROUP, W_ORDER, W_HAVING, W_LIMIT,
    W_UNION, W_EXCEPT, W_INTERSECT, W_PROCEDURE, W_RETURNING, W_USING, W_ON, W_IN, W_AS, W_LIKE,
    W_TO, W_SHARE, W_NOWAIT, W_WAIT, W_VALUE, W_NEXT, W_PREVIOUS, W_RECURSIVE, W_CYCLE,
    W_RESTRICT, W_NOT, W_EXISTS,
    W_IGNORE, W_LOW_PRIORITY, W_HIGH_PRIORITY, W_DELAYED, W_QUICK, W_DUAL, W_OJ, W_NULL, W_DEFAULT, W_ALL,
    W_BINARY, W_TRUE, W_FALSE, W_OUTFILE, W_FETCH, W_COLUMN, W_READ, W_EXPORT, W_ATOMIC, W_WORK,
    W_OR, W_TRANSACTION, W_LOCAL, W_SESSION, W_GLOBAL, W_STATUS, W_STATEMENT, W_FORMAT, W_EXTENDED,
    W_PARTITIONS, W_CONNECTION, W_QUERY, W_HARD, W_SOFT, W_ID, W_USER, W_COLLATE, W_NAMES,
    W_CHARACTER, W_CHARSET, W_CHAR, W_ISOLATION, W_LEVEL, W_COMMITTED, W_UNCOMMITTED,
    W_REPEATABLE, W_SERIALIZABLE, W_ONLY, W_WRITE, W_PASSWORD, W_ROLE, W_PERSIST,
    /* objects */
    W_TABLES, W_TEMPORARY, W_VIEW, W_SEQUENCE, W_INDEX, W_INDEXES, W_KEY, W_KEYS, W_COLUMNS,
    W_FIELDS, W_DATABASE, W_SCHEMA, W_DATABASES, W_SCHEMAS, W_TRIGGER, W_TRIGGERS, W_FUNCTION,
    W_EVENT, W_EVENTS, W_PACKAGE, W_AGGREGATE, W_SERVER, W_FULL, W_OPEN, W_WARNINGS, W_ERRORS,
    W_COUNT, W_DIAGNOSTICS, W_CURRENT, W_STACKED, W_UNIQUE, W_FULLTEXT, W_SPATIAL,
    W_SQL_CALC_FOUND_ROWS, W_JSON_TABLE, W_NO_WRITE_TO_BINLOG, W_TABLESPACE, W_LOGFILE,
    /* functions and variables */
    W_GET_LOCK, W_RELEASE_LOCK, W_RELEASE_ALL_LOCKS, W_FOUND_ROWS, W_ROW_COUNT, W_CONNECTION_ID,
    W_LAST_INSERT_ID, W_VERSION, W_IDENTITY, W_WARNING_COUNT, W_ERROR_COUNT, W_PSEUDO_THREAD_ID,
    W_WSREP_SYNC_WAIT, W_WSREP_CAUSAL_READS, W_NEXTVAL, W_CURRVAL, W_CONCAT, W_GREATEST,
    W_LEAST, W_IFNULL, W_COALESCE, W_SESSION_TRACK_SCHEMA, W_SESSION_TRACK_STATE_CHANGE,
    W_SESSION_TRACK_SYSTEM_VARIABLES, W_WSREP_LAST_WRITTEN_GTID, W_WSREP_SYNC_WAIT_UPTO_GTID,
    WORD_ID_COUNT
};
/* clang-format on */

/* word_find - id WORD_NONE when it is not in the table. Any case. */
struct word word_find(const char *text, size_t len);

#endif
