/* SPDX-License-Identifier: Apache-2.0 */
/*
 * set.h - SET and USE taken apart: which session variables get which values.
 *
 * Pure. What it does not understand it says so (SET_OPAQUE): then a node runs it and the node's
 * session tracking tells what it did.
 */
#ifndef ROUTER_SET_H
#define ROUTER_SET_H

#include "base/base.h"
#include "pool/variable.h"

#define SET_MAX_ASSIGNMENTS 16

/*
 * A value is only given with a type that the variable takes: SET wait_timeout='100' and SET
 * sql_mode=5 are SET_OPAQUE (the node refuses the one and has its own meaning for the other).
 */
enum set_value {
    SET_TEXT,    /* what is between the quotes, '' or ""; never with an escape or a doubled quote */
    SET_NUMBER,  /* digits, one dot, a minus, as written; TRUE and FALSE are 1 and 0 */
    SET_WORD,    /* a bare word: ON, utf8mb4, ANSI */
    SET_DEFAULT, /* DEFAULT; text is empty */
    SET_NULL,    /* NULL; text is empty */
    /* REPLACE, CONCAT, GREATEST, LEAST, IFNULL, COALESCE over @@variables and literals, or one
       @@variable: text is the expression, for set_evaluate(). The type of what it gives fits. */
    SET_FUNCTION
};

struct assignment {
    int variable;      /* enum variable_id, or VARIABLE_NONE: then name tells */
    struct slice name; /* as written, without @@, scope and backticks */
    uint8_t value;     /* enum set_value */
    struct slice text;
};

enum set_form {
    SET_OPAQUE, /* let a node run it: PASSWORD, GLOBAL, ROLE, STATEMENT, CHARACTER SET, @x, ... */
    SET_VARIABLES,          /* assignments[], each a session variable, in the statement's order */
    SET_TRANSACTION_SESSION /* SET SESSION TRANSACTION: tx_isolation and tx_read_only */
};

struct set_statement {
    uint8_t form; /* enum set_form */
    uint8_t n;    /* 0 when opaque */
    /* SET NAMES x [COLLATE y] gives client, connection, results and collation_connection: y, or
       SET_DEFAULT for "the charset's default". */
    struct assignment assignments[SET_MAX_ASSIGNMENTS];
};

/*
 * set_parse - take a SET statement apart (facts.body; a semicolon at the end is fine). mode as in
 * facts.h. Slices point into sql, or are static. Executable comments that every MariaDB looks into
 * are looked into.
 */
void set_parse(struct set_statement *s, struct slice sql, uint32_t mode);

/*
 * set_evaluate - the value of a SET_FUNCTION. get: the session's value of a variable as session
 * tracking has it (data NULL = not known here). All expressions of one SET see the values from
 * before it: MariaDB evaluates them all, then assigns. Returns the length in out, or -1 when it
 * cannot be told here (or is longer than cap, or than 4096 bytes on the way).
 */
typedef struct slice (*set_get_fn)(void *owner, int variable);
int set_evaluate(struct slice expression, set_get_fn get, void *owner, char *out, size_t cap);

/*
 * use_parse - USE name: the schema (backticks stripped), empty when the statement is not a
 * plain USE.
 */
struct slice use_parse(struct slice body);

#endif
