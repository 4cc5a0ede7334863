/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_question.h - what schema_look.c asks a node, in two statements. %.*s: the schema's name,
 * each time.
 */
#ifndef PROXY_SCHEMA_QUESTION_H
#define PROXY_SCHEMA_QUESTION_H

/* clang-format off */
#define CHANGING_KEYS                                                               \
    "(SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE "       \
    "CONSTRAINT_SCHEMA='%.*s' AND (DELETE_RULE NOT IN ('RESTRICT','NO ACTION') OR " \
    "UPDATE_RULE NOT IN ('RESTRICT','NO ACTION'))"

/*
 * Opaque: views, which may show other schemas, clocks, what functions make; foreign keys into
 * another schema that change rows; columns that are made when they are read, of more than their
 * row. Else a number: sequences and versioned tables; foreign keys that change rows of another
 * table.
 */
#define QUESTION                                                                                  \
    "SELECT CONCAT(IF((SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='%.*s' " \
    "AND TABLE_TYPE LIKE '%%VIEW')+" CHANGING_KEYS                                                \
    " AND UNIQUE_CONSTRAINT_SCHEMA<>CONSTRAINT_SCHEMA)+"                                          \
    "(SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='%.*s' AND "             \
    "EXTRA LIKE 'VIRTUAL%%' AND GENERATION_EXPRESSION RLIKE '" VOLATILE "')>0,'opaque',"          \
    "(SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='%.*s' AND "              \
    "TABLE_TYPE<>'BASE TABLE')+" CHANGING_KEYS "))," HIDING ")"

/*
 * Behind it a digit each. Triggers: 1 some, 2 of which one is not shown, 3 one leaves state; 1 one
 * reaches another schema, or is not shown. Functions and procedures: 1 one is not shown, 2 one
 * leaves state; 1 one reaches another schema, or is not shown. Views: 1 one calls a stored
 * function, 2 one takes a lock.
 */
#define HIDING        HIDING_TRIGGER "," HIDING_ROUTINE "," HIDING_VIEW
#define HIDING_DIGITS 5

#define HIDING_TRIGGER                                                                          \
    "(SELECT CONCAT(COALESCE(MAX(IF(ACTION_STATEMENT RLIKE '" LEAVES                            \
    "',3,1+(ACTION_STATEMENT IS NULL))),0),COALESCE(MAX(COALESCE(" REACHES("ACTION_STATEMENT") \
    ",1)),0)) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='%.*s')"
#define HIDING_ROUTINE                                                                             \
    "(SELECT CONCAT(COALESCE(MAX(IF(ROUTINE_DEFINITION RLIKE '" LEAVES                             \
    "',2,ROUTINE_DEFINITION IS NULL)),0),COALESCE(MAX(COALESCE(" REACHES("ROUTINE_DEFINITION") \
    ",1)),0)) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='%.*s')"
#define HIDING_VIEW                                                                        \
    "(SELECT COALESCE(MAX(IF(VIEW_DEFINITION RLIKE 'get_lock[(]',2,VIEW_DEFINITION RLIKE " \
    "'`[(]')),0) FROM information_schema.VIEWS WHERE TABLE_SCHEMA='%.*s')"

/* The places of the digits. */
enum hiding { HIDING_TRIGGERS, HIDING_REACH, HIDING_ROUTINES, HIDING_CALLS, HIDING_VIEWS };

/*
 * In a body: a variable, a lock, a role, a sequence's next value; what is called or written in
 * another schema, where nobody looks.
 */
#define LEAVES                                                                           \
    "@|lock[[:space:]]*[(]|set[[:space:]]+role|nextval[[:space:]]*[(]|value[[:space:]]+" \
    "for[[:space:]]|call[[:space:]]+[^[:space:];(]*[.]|"                                 \
    "[.][[:space:]]*[^[:space:](.,;=]+[[:space:]]*[(]"

/*
 * Does a body name something with another name in front of it, which is a schema if it is no alias?
 * A dot that is not a number's, without those of NEW and OLD; unless these stand where only a
 * schema can.
 */
#define REACHES(body)                                                                            \
    "(REGEXP_REPLACE(" body ",'(?<![a-z0-9_$.])[`\"]?(new|old)[`\"]?[[:space:]]*[.]','') RLIKE " \
    "'[^0-9[:space:]][[:space:]]*[.]|[.][[:space:]]*[^0-9[:space:]]' OR " body " RLIKE "         \
    "'(into|update|from|join|table)[[:space:]]+[`\"]?(new|old)[`\"]?[[:space:]]*[.]')"

/*
 * As 10.11 shows functions of time, of chance, of a session and of a node in the expression of a
 * column.
 */
#define VOLATILE                                                                             \
    "(uuid|guid|rand|now|cur|local|sysdate|utc_|unix_|user|role|connection|database|schema|" \
    "version|sleep|benchmark|lock|load_file|encrypt)[a-z0-9_]*[(]|@"

/*
 * Nothing was found: is it that nothing is shown? Triggers and keys are only seen by who may write
 * their tables (10.11: INSERT on the schema is enough). Who may write a table that is not there may
 * write them all, by whatever grant or role; others are denied before the node looks for it.
 */
#define MAY_WRITE "EXPLAIN INSERT INTO `%.*s`.`galeway: may all tables be written?` VALUES (1)"
/* clang-format on */

#endif
