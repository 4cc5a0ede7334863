/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.h - what one statement is: digest, verb, flags, tables. One pass over its bytes, no string made.
 *
 * Pure. When in doubt a statement is a write and its state unknown: a wrong "read" may lose data, a
 * wrong "write" costs a little time on the writer.
 */
#ifndef ROUTER_FACTS_H
#define ROUTER_FACTS_H

#include "base/base.h"

#define FACTS_MAX_TABLES 16

enum verb {
    VERB_UNKNOWN,
    VERB_EMPTY, /* nothing but comments and white space */
    VERB_SELECT,
    VERB_SHOW,
    VERB_DESCRIBE,
    VERB_EXPLAIN,
    VERB_WITH,
    VERB_VALUES,
    VERB_TABLE_EXPR,
    VERB_INSERT,
    VERB_REPLACE,
    VERB_UPDATE,
    VERB_DELETE,
    VERB_LOAD,
    VERB_CALL,
    VERB_DO,
    VERB_HANDLER,
    VERB_SET,
    VERB_USE,
    VERB_BEGIN,
    VERB_COMMIT,
    VERB_ROLLBACK,
    VERB_SAVEPOINT,
    VERB_RELEASE_SAVEPOINT,
    VERB_XA,
    VERB_LOCK_TABLES,
    VERB_UNLOCK_TABLES,
    VERB_PREPARE,
    VERB_EXECUTE,
    VERB_DEALLOCATE,
    VERB_KILL,
    VERB_CREATE,
    VERB_ALTER,
    VERB_DROP,
    VERB_TRUNCATE,
    VERB_RENAME,
    VERB_GRANT,
    VERB_REVOKE,
    VERB_FLUSH,
    VERB_ANALYZE,
    VERB_CHECK,
    VERB_OPTIMIZE,
    VERB_REPAIR,
    VERB_CHECKSUM,
    VERB_HELP,
    VERB_GET_DIAGNOSTICS,
    VERB_SIGNAL,
    VERB_BINLOG,
    VERB_OTHER /* a verb we know to exist and treat as a write */
};

/* Facts as bits. "Fn" ones are set where the name stands as a function call or variable in code, never
 * inside a string, a quoted identifier or a comment. */
#define FACT_READ              BIT(0) /* provably cannot write, lock or leave state: may go to a reader */
#define FACT_MULTI             BIT(1) /* more than one statement */
#define FACT_USER_VARIABLE     BIT(2) /* @x (not @@x) anywhere */
#define FACT_SYSTEM_VARIABLE   BIT(3) /* @@x anywhere */
#define FACT_GET_LOCK          BIT(4)
#define FACT_RELEASE_LOCK      BIT(5)
#define FACT_RELEASE_ALL_LOCKS BIT(6)
#define FACT_CALC_FOUND_ROWS   BIT(7)
#define FACT_FOUND_ROWS        BIT(8) /* FOUND_ROWS() */
#define FACT_LAST_INSERT_ID \
    BIT(9) /* LAST_INSERT_ID() without argument, @@last_insert_id, @@identity */
#define FACT_SETS_INSERT_ID BIT(10) /* LAST_INSERT_ID(expr) */
#define FACT_ROW_COUNT      BIT(11) /* ROW_COUNT() */
#define FACT_DIAGNOSTICS \
    BIT(12) /* SHOW WARNINGS/ERRORS, SHOW COUNT(*) .., GET DIAGNOSTICS, @@warning_count, @@error_count */
#define FACT_CREATES_TEMPORARY  BIT(13)
#define FACT_DROPS_TABLE        BIT(14) /* DROP [TEMPORARY] TABLE: tables[] are what it drops */
#define FACT_LOCKING_READ       BIT(15) /* FOR UPDATE, LOCK IN SHARE MODE */
#define FACT_INTO               BIT(16) /* SELECT ... INTO */
#define FACT_EXECUTABLE_COMMENT BIT(17) /* any comment opened with / * ! or / * M ! */
#define FACT_LOCAL_INFILE       BIT(18) /* LOAD DATA/XML LOCAL */
#define FACT_CONNECTION_ID      BIT(19) /* CONNECTION_ID(), @@pseudo_thread_id */
#define FACT_SYNC_WAIT          BIT(20) /* wsrep_sync_wait or wsrep_causal_reads named */
#define FACT_DDL                BIT(21) /* changes the schema; commits implicitly */
#define FACT_MAY_RETURN_ROWS    BIT(22)
#define FACT_VOLATILE \
    BIT(23) /* calls something of time, chance, session or lock: NOW, RAND, UUID, USER, ... (for the cache) */
#define FACT_TABLES_UNKNOWN   BIT(24) /* tables[] is not complete */
#define FACT_DROPS_SCHEMA     BIT(25) /* DROP/CREATE DATABASE: tables[0].schema is its name */
#define FACT_NEXT_TRANSACTION BIT(26) /* SET TRANSACTION ... without SESSION or GLOBAL */
#define FACT_UNTERMINATED     BIT(27) /* a string, identifier or comment does not end */
#define FACT_HOLDS_LOCK \
    BIT(28) /* LOCK TABLES, FLUSH TABLES .. WITH READ LOCK / FOR EXPORT, BACKUP: no status bit tells */
#define FACT_UNKNOWN_CALL \
    BIT(29) /* calls a function that is not built in: it may write and may leave state */
/*
 * SET @@name = ...: the scope is left out. MariaDB 10.11 obeys and its session tracking says nothing, neither the
 * variable nor "state changed" (measured; @@SESSION.name and plain name are reported).
 */
#define FACT_UNTRACKED_SET BIT(30)
#define FACT_TRACKING_VARIABLE \
    BIT(31) /* names a session_track_* variable: a server connection's own */

struct table_name {
    struct slice
        schema; /* empty = the session's schema; quotes stripped, doubled quotes left as they are */
    struct slice name;
};

/* Simple forms that the session answers itself; recognised exactly, whole statement, any case and spacing,
 * optional alias, optional trailing ';'. */
enum local_form {
    LOCAL_NONE,
    LOCAL_FOUND_ROWS, /* SELECT FOUND_ROWS() [[AS] alias] */
    LOCAL_LAST_INSERT_ID, /* SELECT LAST_INSERT_ID() [[AS] alias] and SELECT @@last_insert_id | @@identity */
    LOCAL_ROW_COUNT,     /* SELECT ROW_COUNT() [[AS] alias] */
    LOCAL_CONNECTION_ID, /* SELECT CONNECTION_ID() [[AS] alias] */
    LOCAL_VARIABLES, /* SELECT @@[SESSION.|LOCAL.]name [[AS] alias] [, ...] [LIMIT n], each name of a kind that only
                             SET changes (the table in facts_words), and VERSION(); answer may be learnt per profile */
    LOCAL_DO /* DO <number> */
};

struct facts {
    uint64_t
        digest; /* XXH3 of the normalised text: literals to ?, lists grouped, comments dropped, case kept */
    uint32_t flags; /* FACT_* */
    uint8_t verb;   /* enum verb, of the first statement */
    uint8_t local;  /* enum local_form */
    uint8_t n_tables;
    struct table_name tables[FACTS_MAX_TABLES]; /* borrowed from the statement's bytes */
    struct slice
        column_name; /* LOCAL_* but VARIABLES: the name the result's column will have (alias or text) */
    struct slice
        body; /* the first statement without leading comments and spaces, trailing ; and spaces */
    uint64_t number; /* KILL: the id */
    bool kill_query; /* KILL [SOFT|HARD] QUERY id, else the connection */
};

#define FACTS_LOCAL_LONGEST 4096 /* longer statements are no local form */

/* sql_mode's bits that change how bytes are read. */
#define FACTS_NO_BACKSLASH_ESCAPES BIT(0)
#define FACTS_ANSI_QUOTES          BIT(1)

/*
 * facts_scan - look at a whole statement. mode: FACTS_* bits of the session's sql_mode.
 * Any bytes are allowed; never fails. Charset: ASCII-compatible ones (utf8mb4, latin1, ...).
 */
void facts_scan(struct facts *f, struct slice sql, uint32_t mode);

/*
 * facts_scan_head - the same for a statement of which only the first bytes are here: never FACT_READ, and
 * FACT_TABLES_UNKNOWN is set.
 */
void facts_scan_head(struct facts *f, struct slice head, uint32_t mode);

const char *verb_name(enum verb verb);

#endif
