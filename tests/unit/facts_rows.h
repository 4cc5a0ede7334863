/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts_rows.h - tables of statements and what facts_scan() is to say of them.
 */
#ifndef TESTS_UNIT_FACTS_ROWS_H
#define TESTS_UNIT_FACTS_ROWS_H

#include "router/facts.h"
#include "tests/unit/test.h"

/* FACT_* without the prefix: most rows have three or four. */
#define READ              FACT_READ
#define MULTI             FACT_MULTI
#define USER_VARIABLE     FACT_USER_VARIABLE
#define SYSTEM_VARIABLE   FACT_SYSTEM_VARIABLE
#define GET_LOCK          FACT_GET_LOCK
#define RELEASE_LOCK      FACT_RELEASE_LOCK
#define RELEASE_ALL_LOCKS FACT_RELEASE_ALL_LOCKS
#define CALC_FOUND_ROWS   FACT_CALC_FOUND_ROWS
#define FOUND_ROWS        FACT_FOUND_ROWS
#define LAST_INSERT_ID    FACT_LAST_INSERT_ID
#define SETS_INSERT_ID    FACT_SETS_INSERT_ID
#define ROW_COUNT         FACT_ROW_COUNT
#define DIAGNOSTICS       FACT_DIAGNOSTICS
#define CREATES_TEMPORARY FACT_CREATES_TEMPORARY
#define DROPS_TABLE       FACT_DROPS_TABLE
#define LOCKING_READ      FACT_LOCKING_READ
#define INTO              FACT_INTO
#define EXECUTABLE        FACT_EXECUTABLE_COMMENT
#define LOCAL_INFILE      FACT_LOCAL_INFILE
#define CONNECTION_ID     FACT_CONNECTION_ID
#define SYNC_WAIT         FACT_SYNC_WAIT
#define DDL               FACT_DDL
#define ROWS              FACT_MAY_RETURN_ROWS
#define VOLATILE          FACT_VOLATILE
#define UNKNOWN           FACT_TABLES_UNKNOWN
#define CHANGES_SCHEMA    FACT_CHANGES_SCHEMA
#define NEXT_TRANSACTION  FACT_NEXT_TRANSACTION
#define UNTERMINATED      FACT_UNTERMINATED
#define HOLDS_LOCK        FACT_HOLDS_LOCK
#define RUNS_UNSEEN       FACT_RUNS_UNSEEN
#define UNTRACKED_SET     FACT_UNTRACKED_SET
#define TRACKING          FACT_TRACKING_VARIABLE

struct facts_row {
    const char *sql;
    enum verb verb;
    uint32_t flags;
    const char *tables; /* "a, schema.b" */
    enum local_form local;
};

/*
 * facts_rows_check - each row is scanned as a whole, and each prefix of it from memory of exactly
 * its size, so that a sanitizer sees a read behind the end. No prefix that cuts a string is a
 * read.
 */
void facts_rows_check(const struct facts_row *rows, size_t n);

/* facts_of - the facts of a text; mode 0. */
struct facts facts_of(const char *sql);

#endif
