/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan.h - inside of facts_scan(): the state that one pass over the tokens carries. For
 * router/facts*.c.
 *
 * Flow: facts.c cuts tokens and gives each to the digest and to on_token(); facts_verb.c looks at
 * the first words of a statement, facts_word.c at the others, facts_table.c at names of tables,
 * facts_local.c at the forms that a session answers.
 */
#ifndef ROUTER_SCAN_H
#define ROUTER_SCAN_H

#include "router/digest.h"
#include "router/facts.h"
#include "router/token.h"
#include "router/words.h"

#define SCAN_DEPTH 64 /* parentheses deeper than this: tables unknown, not a read */
#define SCAN_CTES  8

/* What a pair of parentheses (or the statement itself) is. */
#define LEVEL_QUERY 0x01 /* SELECT was seen: FROM names tables and is not EXTRACT's or TRIM's */
#define LEVEL_LIST  0x02 /* in a list of tables: a comma leads to the next one */
#define LEVEL_WITH  0x04 /* in front of the query that WITH belongs to: a comma leads to a name */
#define LEVEL_CYCLE 0x08 /* in CYCLE a, b RESTRICT behind one of WITH: the names are columns */

enum scan_stage {
    STAGE_VERB, /* the verb is next */
    STAGE_HEAD, /* words behind the verb decide what it is about */
    STAGE_BODY,
    STAGE_KILL,  /* KILL's few words */
    STAGE_OPAQUE /* a program: names in it are not looked at */
};

enum scan_expect {
    EXPECT_NOTHING,
    EXPECT_TABLE,
    EXPECT_DOT,  /* a table's name was read; a dot makes it the schema's */
    EXPECT_NAME, /* behind that dot */
    EXPECT_SCHEMA,
    EXPECT_CTE,
    EXPECT_CTE_END
};

/* What FROM or IN leads to, in SHOW. */
enum scan_show {
    SHOW_NOTHING,
    SHOW_TABLE, /* and another one behind it to a schema */
    SHOW_SCHEMA
};

enum scan_behind { BEHIND_NOTHING, BEHIND_TABLE, BEHIND_CTE };

struct scan {
    struct facts *facts;
    struct lexer lexer;

    /* The token, the one before it and the one before that: a ring. */
    struct token ring[3];
    struct token *token;
    struct token *prev;
    struct token *before;

    /* The statement; the inner one of EXPLAIN, ANALYZE, SET STATEMENT and WITH. */
    uint8_t verb;      /* enum verb */
    uint8_t stage;     /* enum scan_stage */
    uint8_t expect;    /* enum scan_expect */
    uint8_t behind;    /* enum scan_behind: what ended directly in front of the token */
    uint8_t show_from; /* enum scan_show */
    bool verb_fixed;   /* facts->verb is decided */
    bool not_read;     /* something was seen that forbids a reader */
    bool saw_select;
    bool saw_returning;
    bool saw_into;      /* LOAD: from here LOCAL is no keyword */
    bool temporary;     /* CREATE TEMPORARY */
    bool index;         /* CREATE INDEX, DROP INDEX: ON leads to the table */
    bool set_statement; /* SET STATEMENT ... FOR */
    bool kill_done;
    bool ended;            /* behind the semicolon of the statement */
    bool system_variable;  /* behind @@ */
    bool assigns_variable; /* ... that SET gives a value to */
    bool last_insert_id;   /* behind LAST_INSERT_ID( */

    struct table_name name; /* the name being read */
    struct slice ctes[SCAN_CTES];
    uint8_t n_ctes;

    const char *body_end;
    uint32_t depth;
    uint8_t levels[SCAN_DEPTH];

    struct digest digest; /* last: it is large and not set to zero */
};

static inline uint8_t *scan_level(struct scan *scan)
{
    return &scan->levels[MIN(scan->depth, (uint32_t)SCAN_DEPTH - 1)];
}

static inline void scan_flag(struct scan *scan, uint32_t flags)
{
    scan->facts->flags |= flags;
}

/* facts_word.c */

/* scan_word - an unquoted or quoted name, anywhere. */
void scan_word(struct scan *scan);

/* facts_verb.c */

/* scan_verb - the token is the first of a statement, but for parentheses. */
void scan_verb(struct scan *scan);
/* scan_head_word - a word or quoted name in STAGE_HEAD. Returns whether it is dealt with. */
bool scan_head_word(struct scan *scan);
/* scan_kill - any token in STAGE_KILL. */
void scan_kill(struct scan *scan);
/* scan_verb_flags - at the end: what follows from the verbs alone. */
void scan_verb_flags(struct scan *scan);

/* facts_table.c */

/*
 * scan_expected_word - a word or quoted name while something is expected; returns whether it
 * is dealt with.
 */
bool scan_expected_word(struct scan *scan);
/* scan_expected_other - the same for other tokens. */
bool scan_expected_other(struct scan *scan);
/* scan_name_end - a token other than a dot comes behind a name. */
void scan_name_end(struct scan *scan);

/* facts_local.c */

/* scan_local - facts->local and column_name, from facts->body. */
void scan_local(struct facts *facts, uint32_t mode);

#endif
