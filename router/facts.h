/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.h - what one statement is: digest, verb, flags, tables. One pass over its bytes, no
 * string made.
 *
 * Pure. When in doubt a statement is a write and its state unknown: a wrong "read" may lose data, a
 * wrong "write" costs a little time on the writer.
 */
#ifndef ROUTER_FACTS_H
#define ROUTER_FACTS_H

#include "base/base.h"

#define FACTS_MAX_TABLES    16
#define FACTS_LOCAL_LONGEST 4096 /* longer statements are no local form */

/* clang-format off */
enum verb {
    VERB_UNKNOWN,
    VERB_EMPTY, /* nothing but comments and white space */
    VERB_SELECT, VERB_SHOW, VERB_DESCRIBE, VERB_EXPLAIN, VERB_WITH, VERB_VALUES, VERB_TABLE_EXPR,
    VERB_INSERT, VERB_REPLACE, VERB_UPDATE, VERB_DELETE, VERB_LOAD, VERB_CALL, VERB_DO,
    VERB_HANDLER, VERB_SET, VERB_USE, VERB_BEGIN, VERB_COMMIT, VERB_ROLLBACK, VERB_SAVEPOINT,
    VERB_RELEASE_SAVEPOINT, VERB_XA, VERB_LOCK_TABLES, VERB_UNLOCK_TABLES, VERB_PREPARE,
    VERB_EXECUTE, VERB_DEALLOCATE, VERB_KILL, VERB_CREATE, VERB_ALTER, VERB_DROP, VERB_TRUNCATE,
    VERB_RENAME, VERB_GRANT, VERB_REVOKE, VERB_FLUSH, VERB_ANALYZE, VERB_CHECK, VERB_OPTIMIZE,
    VERB_REPAIR, VERB_CHECKSUM, VERB_HELP, VERB_GET_DIAGNOSTICS, VERB_SIGNAL, VERB_BINLOG,
    VERB_OTHER /* a verb we know to exist and treat as a write */
};

/*
 * Facts as bits. Names count where they stand in code, also as a quoted function (`get_lock`(..) is
 * the built-in one), never inside a string or a comment. What an executable comment holds is code.
 */
#define FACT_READ              BIT(0)  /* provably cannot write, lock or leave state */
#define FACT_MULTI             BIT(1)  /* more than one statement */
#define FACT_USER_VARIABLE     BIT(2)  /* @x (not @@x, not the host of an account) */
#define FACT_SYSTEM_VARIABLE   BIT(3)  /* @@x */
#define FACT_GET_LOCK          BIT(4)
#define FACT_RELEASE_LOCK      BIT(5)
#define FACT_RELEASE_ALL_LOCKS BIT(6)
#define FACT_CALC_FOUND_ROWS   BIT(7)
#define FACT_FOUND_ROWS        BIT(8)  /* FOUND_ROWS() */
#define FACT_LAST_INSERT_ID    BIT(9)  /* LAST_INSERT_ID(), @@last_insert_id, @@identity */
#define FACT_SETS_INSERT_ID    BIT(10) /* LAST_INSERT_ID(expr), SET last_insert_id */
#define FACT_ROW_COUNT         BIT(11) /* ROW_COUNT() */
#define FACT_DIAGNOSTICS       BIT(12) /* SHOW WARNINGS, ERRORS, COUNT(*); GET DIAGNOSTICS;
                                          @@warning_count, @@error_count */
#define FACT_CREATES_TEMPORARY BIT(13)
#define FACT_DROPS_TABLE       BIT(14) /* DROP [TEMPORARY] TABLE: tables[] are what it drops */
#define FACT_LOCKING_READ      BIT(15) /* FOR UPDATE, LOCK IN SHARE MODE */
#define FACT_INTO              BIT(16) /* SELECT ... INTO */
#define FACT_EXECUTABLE_COMMENT BIT(17) /* any comment opened with an exclamation mark */
#define FACT_LOCAL_INFILE      BIT(18) /* LOAD DATA/XML LOCAL */
#define FACT_CONNECTION_ID     BIT(19) /* CONNECTION_ID(), @@pseudo_thread_id */
#define FACT_SYNC_WAIT         BIT(20) /* wsrep_sync_wait or wsrep_causal_reads named */
#define FACT_DDL               BIT(21) /* changes the schema or rights; commits implicitly */
#define FACT_MAY_RETURN_ROWS   BIT(22)
#define FACT_VOLATILE          BIT(23) /* of time, chance, session, node: no cache */
#define FACT_TABLES_UNKNOWN    BIT(24) /* tables[] is not complete; KILL: not a plain id */
#define FACT_CHANGES_SCHEMA    BIT(25) /* CREATE, DROP, ALTER DATABASE: tables[0].schema is the name, but
                                          of ALTER */
#define FACT_NEXT_TRANSACTION  BIT(26) /* SET TRANSACTION ... without SESSION or GLOBAL */
#define FACT_UNTERMINATED      BIT(27) /* a string, identifier or comment does not end */
#define FACT_HOLDS_LOCK        BIT(28) /* LOCK TABLES; FLUSH TABLES .. WITH READ LOCK or FOR EXPORT,
                                          BACKUP: no status bit tells of these */
#define FACT_RUNS_UNSEEN       BIT(29) /* runs what is not seen: a function not built in, a routine,
                                          dynamic SQL, a program, HANDLER, a sequence, text that
                                          cannot be read for certain: may write, leave state */
/*
 * SET @@name = ...: the scope is left out. MariaDB 10.11 obeys and its session tracking says
 * nothing, neither the variable nor "state changed" (measured; @@SESSION.name and the plain name
 * are reported).
 */
#define FACT_UNTRACKED_SET     BIT(30)
#define FACT_TRACKING_VARIABLE BIT(31) /* names one that variable_is_virtual() */
/* clang-format on */

struct table_name {
    struct slice schema; /* empty = the session's schema */
    struct slice name;   /* both without quotes; doubled quotes are left as they are; empty = of the
                            schema as a whole */
};

/*
 * Simple forms that the session answers itself; recognised exactly, whole statement, any case and
 * spacing, optional alias ([AS] alias), optional semicolon at the end. No comments inside.
 */
enum local_form {
    LOCAL_NONE,
    LOCAL_FOUND_ROWS,     /* SELECT FOUND_ROWS() */
    LOCAL_LAST_INSERT_ID, /* SELECT LAST_INSERT_ID(), @@last_insert_id or @@identity */
    LOCAL_ROW_COUNT,      /* SELECT ROW_COUNT() */
    LOCAL_CONNECTION_ID,  /* SELECT CONNECTION_ID() */
    /* SELECT @@[SESSION.|LOCAL.]name or VERSION() [, ...] [LIMIT n], each variable_is_constant()
       (set.h): the answer may be learnt for a profile. It changes when an operator uses SET GLOBAL
       on max_allowed_packet and the like: learnt answers need an end. */
    LOCAL_VARIABLES,
    LOCAL_DO,         /* DO number */
    LOCAL_LINK_STATUS /* SHOW [SESSION|LOCAL] STATUS LIKE 'Ssl_cipher', 'Ssl_version', 'Compression' */
};

struct facts {
    uint64_t digest; /* of the normalised text, see digest.h; all statements of a multi-statement */
    uint32_t flags;  /* FACT_*, of all statements */
    uint8_t verb;    /* enum verb, of the first statement */
    uint8_t runs;    /* enum verb: behind SET STATEMENT .. FOR, ANALYZE, EXPLAIN, WITH; of the last
                        statement */
    bool sets_back;  /* it sets variables for its own time: SET STATEMENT .. FOR, be it the first
                       statement or another; a locking SELECT or DDL with NOWAIT or WAIT n
                       (lock_wait_timeout; 10.11) */
    bool asks_gtid;  /* WSREP_LAST_WRITTEN_GTID() */
    bool has_select; /* the word is in it */
    uint8_t local;   /* enum local_form */
    uint8_t n_tables;
    struct table_name tables[FACTS_MAX_TABLES]; /* borrowed from the statement's bytes */
    struct slice
        column_name; /* LOCAL_* but VARIABLES and DO: the name the result's column will have; of
                        LINK_STATUS: what is asked for, in any case */
    struct slice
        body; /* the first statement without comments and spaces around it and ; at the end */
    uint64_t number; /* KILL: the id; 0 = not a plain id: KILL USER x, KILL QUERY ID n, KILL @x */
    bool kill_query; /* KILL [HARD|SOFT] QUERY id, else the connection */
    bool has_kill;   /* one of the statements is a KILL */
    bool changes_rights; /* one of them changes users or rights: GRANT, DROP ROLE, SET PASSWORD,
                            SET DEFAULT ROLE, FLUSH PRIVILEGES, ... */
};

/* sql_mode's bits that change how bytes are read. */
#define FACTS_NO_BACKSLASH_ESCAPES BIT(0)
#define FACTS_ANSI_QUOTES          BIT(1)

/* Settings of digests in a mode: digest_mode(). 0 = ProxySQL's defaults. */
#define DIGEST_LOWERCASE    BIT(2)
#define DIGEST_NO_DIGITS    BIT(3) /* digits in names are ? */
#define DIGEST_REPLACE_NULL BIT(4) /* NULL is a literal */
#define DIGEST_KEEP_COMMENT BIT(5)
#define DIGEST_LIST_SHIFT   8  /* 12 bits: literals of a list that are kept; 0 = the default */
#define DIGEST_ROWS_SHIFT   20 /* 12 bits: rows that are kept, and one; 0 = the default */
#define DIGEST_BITS         0xfffU
#define DIGEST_LIST_DEFAULT 3
#define DIGEST_ROWS_DEFAULT 10

/*
 * facts_scan - look at a whole statement. mode: FACTS_* bits of the session's sql_mode, and those
 * of digest_mode(). Any bytes are allowed; never fails. For character_set_client big5, cp932, gbk
 * and sjis, whose characters may end with a byte of ASCII, use facts_scan_head().
 */
void facts_scan(struct facts *f, struct slice sql, uint32_t mode);

/*
 * facts_scan_head - the same for a statement of which only the first bytes are here, or whose bytes
 * cannot be trusted: never FACT_READ, and FACT_TABLES_UNKNOWN is set.
 */
void facts_scan_head(struct facts *f, struct slice head, uint32_t mode);

/*
 * facts_is_system_schema - information_schema, performance_schema, mysql, sys: the nodes' own. No
 * write that passes through here tells all that changes in them.
 */
bool facts_is_system_schema(struct slice schema);

const char *verb_name(enum verb verb);

#endif
