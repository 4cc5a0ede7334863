/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts_verb.c - the first words of a statement: its verb and what it is about.
 */
#include "router/scan.h"

/* What a verb alone tells. */
#define RULE_ROWS    0x01 /* may return rows */
#define RULE_UNKNOWN 0x02 /* may touch any table */
#define RULE_TABLE   0x04 /* a table's name follows */
#define RULE_LIST    0x08 /* ... or a list of them */
#define RULE_HEAD    0x10 /* the next words decide */
#define RULE_DDL     0x20
#define RULE_QUERY   0x40 /* FROM at the outermost level leads to tables */
#define RULE_UNSEEN  0x80 /* runs what is not seen here: a routine, dynamic SQL, a program */

struct verb_rule {
    const char *name;
    uint8_t flags; /* RULE_* */
};

static const struct verb_rule verb_rules[] = {
    [VERB_UNKNOWN] = {"UNKNOWN", RULE_ROWS | RULE_UNKNOWN},
    [VERB_EMPTY] = {"EMPTY", 0},
    [VERB_SELECT] = {"SELECT", RULE_ROWS | RULE_QUERY},
    [VERB_SHOW] = {"SHOW", RULE_ROWS | RULE_HEAD},
    [VERB_DESCRIBE] = {"DESCRIBE", RULE_ROWS | RULE_HEAD},
    [VERB_EXPLAIN] = {"EXPLAIN", RULE_ROWS | RULE_HEAD},
    [VERB_WITH] = {"WITH", RULE_ROWS},
    [VERB_VALUES] = {"VALUES", RULE_ROWS},
    [VERB_TABLE_EXPR] = {"TABLE", RULE_ROWS | RULE_TABLE},
    [VERB_INSERT] = {"INSERT", RULE_TABLE},
    [VERB_REPLACE] = {"REPLACE", RULE_TABLE},
    [VERB_UPDATE] = {"UPDATE", RULE_TABLE | RULE_LIST},
    [VERB_DELETE] = {"DELETE", RULE_TABLE | RULE_LIST | RULE_QUERY},
    [VERB_LOAD] = {"LOAD", 0},
    [VERB_CALL] = {"CALL", RULE_ROWS | RULE_UNKNOWN | RULE_UNSEEN},
    [VERB_DO] = {"DO", 0},
    [VERB_HANDLER] = {"HANDLER", RULE_ROWS | RULE_TABLE | RULE_UNSEEN},
    [VERB_SET] = {"SET", RULE_HEAD},
    [VERB_USE] = {"USE", 0},
    [VERB_BEGIN] = {"BEGIN", RULE_HEAD},
    [VERB_COMMIT] = {"COMMIT", 0},
    [VERB_ROLLBACK] = {"ROLLBACK", 0},
    [VERB_SAVEPOINT] = {"SAVEPOINT", 0},
    [VERB_RELEASE_SAVEPOINT] = {"RELEASE SAVEPOINT", 0},
    [VERB_XA] = {"XA", RULE_ROWS},
    [VERB_LOCK_TABLES] = {"LOCK TABLES", RULE_HEAD | RULE_LIST},
    [VERB_UNLOCK_TABLES] = {"UNLOCK TABLES", 0},
    [VERB_PREPARE] = {"PREPARE", 0},
    [VERB_EXECUTE] = {"EXECUTE", RULE_ROWS | RULE_UNKNOWN | RULE_UNSEEN},
    [VERB_DEALLOCATE] = {"DEALLOCATE", 0},
    [VERB_KILL] = {"KILL", 0},
    [VERB_CREATE] = {"CREATE", RULE_HEAD | RULE_DDL},
    [VERB_ALTER] = {"ALTER", RULE_HEAD | RULE_DDL | RULE_ROWS},
    [VERB_DROP] = {"DROP", RULE_HEAD | RULE_DDL | RULE_LIST},
    [VERB_TRUNCATE] = {"TRUNCATE", RULE_TABLE | RULE_DDL},
    [VERB_RENAME] = {"RENAME", RULE_HEAD | RULE_DDL | RULE_LIST},
    [VERB_GRANT] = {"GRANT", RULE_DDL},
    [VERB_REVOKE] = {"REVOKE", RULE_DDL},
    [VERB_FLUSH] = {"FLUSH", RULE_HEAD | RULE_LIST},
    [VERB_ANALYZE] = {"ANALYZE", RULE_ROWS | RULE_HEAD | RULE_LIST},
    [VERB_CHECK] = {"CHECK", RULE_ROWS | RULE_HEAD | RULE_LIST},
    [VERB_OPTIMIZE] = {"OPTIMIZE", RULE_ROWS | RULE_HEAD | RULE_LIST},
    [VERB_REPAIR] = {"REPAIR", RULE_ROWS | RULE_HEAD | RULE_LIST},
    [VERB_CHECKSUM] = {"CHECKSUM", RULE_ROWS | RULE_HEAD | RULE_LIST},
    [VERB_HELP] = {"HELP", RULE_ROWS},
    [VERB_GET_DIAGNOSTICS] = {"GET DIAGNOSTICS", 0},
    [VERB_SIGNAL] = {"SIGNAL", 0},
    [VERB_BINLOG] = {"BINLOG", RULE_UNKNOWN | RULE_UNSEEN},
    [VERB_OTHER] = {"OTHER", RULE_ROWS | RULE_UNKNOWN | RULE_UNSEEN},
};

static const uint8_t verb_of_word[WORD_ID_COUNT] = {
    [W_SELECT] = VERB_SELECT,
    [W_INSERT] = VERB_INSERT,
    [W_UPDATE] = VERB_UPDATE,
    [W_DELETE] = VERB_DELETE,
    [W_REPLACE] = VERB_REPLACE,
    [W_SET] = VERB_SET,
    [W_SHOW] = VERB_SHOW,
    [W_USE] = VERB_USE,
    [W_BEGIN] = VERB_BEGIN,
    [W_START] = VERB_OTHER,
    [W_COMMIT] = VERB_COMMIT,
    [W_ROLLBACK] = VERB_ROLLBACK,
    [W_DESCRIBE] = VERB_DESCRIBE,
    [W_DESC] = VERB_DESCRIBE,
    [W_EXPLAIN] = VERB_EXPLAIN,
    [W_WITH] = VERB_WITH,
    [W_VALUES] = VERB_VALUES,
    [W_TABLE] = VERB_TABLE_EXPR,
    [W_LOAD] = VERB_LOAD,
    [W_CALL] = VERB_CALL,
    [W_DO] = VERB_DO,
    [W_HANDLER] = VERB_HANDLER,
    [W_SAVEPOINT] = VERB_SAVEPOINT,
    [W_RELEASE] = VERB_RELEASE_SAVEPOINT,
    [W_XA] = VERB_XA,
    [W_LOCK] = VERB_LOCK_TABLES,
    [W_UNLOCK] = VERB_UNLOCK_TABLES,
    [W_PREPARE] = VERB_PREPARE,
    [W_EXECUTE] = VERB_EXECUTE,
    [W_DEALLOCATE] = VERB_DEALLOCATE,
    [W_KILL] = VERB_KILL,
    [W_CREATE] = VERB_CREATE,
    [W_ALTER] = VERB_ALTER,
    [W_DROP] = VERB_DROP,
    [W_TRUNCATE] = VERB_TRUNCATE,
    [W_RENAME] = VERB_RENAME,
    [W_GRANT] = VERB_GRANT,
    [W_REVOKE] = VERB_REVOKE,
    [W_FLUSH] = VERB_FLUSH,
    [W_ANALYZE] = VERB_ANALYZE,
    [W_CHECK] = VERB_CHECK,
    [W_OPTIMIZE] = VERB_OPTIMIZE,
    [W_REPAIR] = VERB_REPAIR,
    [W_CHECKSUM] = VERB_CHECKSUM,
    [W_HELP] = VERB_HELP,
    [W_GET] = VERB_GET_DIAGNOSTICS,
    [W_SIGNAL] = VERB_SIGNAL,
    [W_RESIGNAL] = VERB_SIGNAL,
    [W_BINLOG] = VERB_BINLOG,
    [W_BACKUP] = VERB_OTHER,
    [W_CACHE] = VERB_OTHER,
    [W_CHANGE] = VERB_OTHER,
    [W_IF] = VERB_OTHER,
    [W_INSTALL] = VERB_OTHER,
    [W_UNINSTALL] = VERB_OTHER,
    [W_PURGE] = VERB_OTHER,
    [W_RESET] = VERB_OTHER,
    [W_SHUTDOWN] = VERB_OTHER,
    [W_STOP] = VERB_OTHER,
    [W_CASE] = VERB_OTHER,
    [W_LOOP] = VERB_OTHER,
    [W_WHILE] = VERB_OTHER,
    [W_REPEAT] = VERB_OTHER,
    [W_FOR] = VERB_OTHER,
};

_Static_assert(ARRAY_SIZE(verb_rules) == VERB_OTHER + 1, "a rule for each verb");

const char *verb_name(enum verb verb)
{
    return (size_t)verb < ARRAY_SIZE(verb_rules) ? verb_rules[verb].name : "UNKNOWN";
}

static void set_verb(struct scan *s, enum verb verb)
{
    s->verb = (uint8_t)verb;
    if (!s->verb_fixed) {
        s->facts->verb = (uint8_t)verb;
    }
}

/*
 * Behind another statement, or SET STATEMENT .. FOR, the verb that counts for the session is not
 * this one.
 */
static bool is_unseen(const struct scan *s, enum verb verb, uint8_t flags)
{
    return (flags & RULE_UNSEEN) != 0 || (s->verb_fixed && verb == VERB_PREPARE);
}

/* What holds for the verb; START: the word behind it tells (head_start). */
static uint8_t flags_of(enum verb verb, uint16_t word)
{
    uint8_t not_yet = word == W_START ? RULE_UNKNOWN | RULE_UNSEEN : 0;

    return verb_rules[verb].flags & (uint8_t)~not_yet;
}

/* scan_verb_special - flags and stages that the table of rules cannot say. */
static void scan_verb_special(struct scan *s)
{
    switch (s->token->word) {
    case W_WITH:
        *scan_level(s) = LEVEL_WITH;
        s->expect = EXPECT_CTE;
        break;
    case W_SELECT: s->saw_select = true; break;
    case W_KILL:
        s->stage = STAGE_KILL;
        s->facts->has_kill = true;
        break;
    case W_GET: scan_flag(s, FACT_DIAGNOSTICS); break;
    case W_GRANT:
    case W_REVOKE: s->facts->changes_rights = true; break;
    case W_BACKUP: scan_flag(s, FACT_HOLDS_LOCK); break;
    case W_START: s->stage = STAGE_HEAD; break;
    case W_IF:
    case W_CASE:
    case W_LOOP:
    case W_WHILE:
    case W_REPEAT:
    case W_FOR: s->stage = STAGE_OPAQUE; break;
    default: break;
    }
}

void scan_verb(struct scan *s)
{
    enum verb verb = (enum verb)verb_of_word[s->token->word];
    uint8_t flags = flags_of(verb, s->token->word);
    uint8_t *level = scan_level(s);

    set_verb(s, verb);
    s->stage = (flags & RULE_HEAD) != 0 ? STAGE_HEAD : STAGE_BODY;
    s->expect = (flags & RULE_TABLE) != 0 ? EXPECT_TABLE : EXPECT_NOTHING;
    *level = 0;
    if ((flags & RULE_QUERY) != 0) {
        *level |= LEVEL_QUERY;
    }
    if ((flags & RULE_LIST) != 0 && s->stage == STAGE_BODY) {
        *level |= LEVEL_LIST;
    }
    if ((flags & RULE_UNKNOWN) != 0) {
        scan_flag(s, FACT_TABLES_UNKNOWN);
    }
    if ((flags & RULE_ROWS) != 0) {
        scan_flag(s, FACT_MAY_RETURN_ROWS);
    }
    if ((flags & RULE_DDL) != 0) {
        scan_flag(s, FACT_DDL);
    }
    if (verb == VERB_SHOW) {
        scan_flag(s, FACT_VOLATILE);
    }
    if (is_unseen(s, verb, flags)) {
        scan_flag(s, FACT_RUNS_UNSEEN);
    }
    scan_verb_special(s);
}

/* inner_verb - the statement that EXPLAIN or ANALYZE is about. */
static bool inner_verb(struct scan *s)
{
    switch (s->token->word) {
    case W_SELECT:
    case W_INSERT:
    case W_REPLACE:
    case W_UPDATE:
    case W_DELETE:
    case W_WITH:
    case W_VALUES:
        s->verb_fixed = true;
        scan_verb(s);
        return true;
    default: return false;
    }
}

/* head_explain - EXPLAIN [EXTENDED|PARTITIONS|FORMAT=x] statement, or DESCRIBE table. */
static bool head_explain(struct scan *s)
{
    if (inner_verb(s)) {
        return true;
    }
    if (s->prev->punct == '=') {
        return true; /* FORMAT=JSON */
    }
    switch (s->token->word) {
    case W_EXTENDED:
    case W_PARTITIONS:
    case W_FORMAT:
        return true; /* also names of tables; then the end comes and tables are unknown */
    case W_ANALYZE:
    case W_FOR:
        s->not_read = true; /* FOR CONNECTION: a thread of one node */
        scan_flag(s, FACT_TABLES_UNKNOWN);
        s->stage = STAGE_BODY;
        return true;
    default:
        s->stage = STAGE_BODY;
        s->expect = EXPECT_TABLE;
        return scan_expected_word(s);
    }
}

static bool head_show(struct scan *s)
{
    switch (s->token->word) {
    case W_FULL:
    case W_EXTENDED:
    case W_SESSION:
    case W_GLOBAL:
    case W_LOCAL: return true;
    case W_COLUMNS:
    case W_FIELDS:
    case W_INDEX:
    case W_INDEXES:
    case W_KEYS:
        s->show_from = SHOW_TABLE;
        s->facts->flags &= ~(uint32_t)FACT_VOLATILE;
        break;
    case W_CREATE: return true;
    case W_EXPLAIN:
    case W_ANALYZE:
        s->not_read = true; /* of a thread, which is on one node */
        break;
    case W_TABLE:
    case W_VIEW:
    case W_SEQUENCE:
        if (s->prev->word == W_CREATE) {
            s->expect = EXPECT_TABLE;
            s->facts->flags &= ~(uint32_t)FACT_VOLATILE;
        } else {
            s->show_from = SHOW_SCHEMA; /* SHOW TABLE STATUS */
            scan_flag(s, FACT_TABLES_UNKNOWN);
        }
        break;
    case W_WARNINGS:
    case W_ERRORS:
    case W_COUNT: scan_flag(s, FACT_DIAGNOSTICS); break;
    case W_TABLES:
    case W_OPEN:
    case W_TRIGGERS:
    case W_EVENTS:
        s->show_from = SHOW_SCHEMA;
        scan_flag(s, FACT_TABLES_UNKNOWN);
        break;
    case W_TRIGGER:
    case W_EVENT:
    case W_DATABASE:
    case W_DATABASES:
    case W_SCHEMA:
    case W_SCHEMAS:
    case W_FUNCTION:
    case W_PROCEDURE:
    case W_PACKAGE: scan_flag(s, FACT_TABLES_UNKNOWN); break;
    default: break;
    }
    s->stage = STAGE_BODY;
    return true;
}

static bool head_set(struct scan *s)
{
    s->stage = STAGE_BODY;
    if (s->token->word == W_TRANSACTION) {
        scan_flag(s, FACT_NEXT_TRANSACTION);
    } else if (s->token->word == W_STATEMENT) {
        s->set_statement = s->facts->sets_back = true;
        s->not_read = true;
        scan_flag(s, FACT_MAY_RETURN_ROWS);
    }
    return false; /* it may be a variable's name that matters */
}

/* head_begin - BEGIN [WORK], or BEGIN NOT ATOMIC and its program. */
static bool head_begin(struct scan *s)
{
    s->stage = STAGE_BODY;
    if (s->token->word != W_WORK) {
        set_verb(s, VERB_OTHER);
        scan_flag(s, FACT_TABLES_UNKNOWN | FACT_MAY_RETURN_ROWS | FACT_RUNS_UNSEEN);
        s->stage = STAGE_OPAQUE;
    }
    return true;
}

/* head_start - START TRANSACTION, or START SLAVE. */
static bool head_start(struct scan *s)
{
    s->stage = STAGE_BODY;
    if (s->token->word == W_TRANSACTION) {
        set_verb(s, VERB_BEGIN);
        s->facts->flags &= ~(uint32_t)FACT_MAY_RETURN_ROWS;
    } else {
        scan_flag(s, FACT_TABLES_UNKNOWN | FACT_RUNS_UNSEEN);
    }
    return true;
}

/* head_table - TABLE, VIEW, SEQUENCE: names follow. */
static void head_table(struct scan *s)
{
    uint16_t word = s->token->word;

    s->stage = STAGE_BODY;
    s->expect = EXPECT_TABLE;
    if ((verb_rules[s->verb].flags & RULE_LIST) != 0) {
        *scan_level(s) |= LEVEL_LIST;
    }
    if (s->temporary && word != W_VIEW) {
        scan_flag(s, FACT_CREATES_TEMPORARY);
    }
    if (s->verb == VERB_DROP && (word == W_TABLE || word == W_TABLES)) {
        scan_flag(s, FACT_DROPS_TABLE);
    }
    if (s->verb == VERB_LOCK_TABLES) {
        scan_flag(s, FACT_HOLDS_LOCK);
    }
}

/* head_other - FLUSH [LOCAL] LOGS, PRIVILEGES; CREATE OR REPLACE. */
static bool head_other(struct scan *s)
{
    if (s->verb != VERB_FLUSH) {
        return true;
    }
    if (slice_eq_nocase(token_text(s->token), SLICE("PRIVILEGES"))) {
        s->facts->changes_rights = true;
    }
    return false;
}

/* head_object - the word that says what is created, changed, dropped, checked, ... */
static bool head_object(struct scan *s)
{
    switch (s->token->word) {
    case W_TABLE:
    case W_TABLES:
    case W_VIEW:
    case W_SEQUENCE: head_table(s); return true;
    case W_TEMPORARY: s->temporary = s->verb == VERB_CREATE; return true;
    case W_INDEX:
        s->index = true;
        s->stage = STAGE_BODY;
        return true;
    case W_DATABASE:
    case W_SCHEMA:
        s->stage = STAGE_BODY;
        if (s->verb == VERB_CREATE || s->verb == VERB_DROP) {
            s->expect = EXPECT_SCHEMA;
        }
        if (s->expect == EXPECT_SCHEMA || s->verb == VERB_ALTER) { /* which may have no name */
            scan_flag(s, FACT_CHANGES_SCHEMA);
        }
        return true;
    case W_TRIGGER:
    case W_PROCEDURE:
    case W_FUNCTION:
    case W_EVENT:
    case W_PACKAGE:
    case W_AGGREGATE:
        s->stage = STAGE_OPAQUE;
        scan_flag(s, FACT_TABLES_UNKNOWN);
        return true;
    case W_USER:
    case W_ROLE:
        s->facts->changes_rights = true;
        s->stage = STAGE_BODY;
        return true;
    case W_SERVER:
    case W_TABLESPACE:
    case W_LOGFILE: s->stage = STAGE_BODY; return true;
    case W_PREPARE:
        set_verb(s, VERB_DEALLOCATE); /* DROP PREPARE */
        s->facts->flags &= ~(uint32_t)FACT_DDL;
        s->stage = STAGE_BODY;
        return true;
    case W_LOCK: return false; /* FLUSH ... LOCK */
    default: return head_other(s);
    }
}

bool scan_head_word(struct scan *s)
{
    switch (s->verb) {
    case VERB_DESCRIBE:
    case VERB_EXPLAIN: return head_explain(s);
    case VERB_SHOW: return head_show(s);
    case VERB_SET: return head_set(s);
    case VERB_BEGIN: return head_begin(s);
    case VERB_OTHER: return head_start(s);
    case VERB_ANALYZE: return inner_verb(s) || s->prev->punct == '=' || head_object(s);
    default: return head_object(s);
    }
}

/* parse_id - a thread's id: decimal digits; 0 = none. */
static uint64_t parse_id(struct slice text)
{
    uint64_t id = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || id > (UINT64_MAX - 9) / 10) {
            return 0;
        }
        id = id * 10 + (uint64_t)(text.data[i] - '0');
    }
    return id;
}

/* scan_kill - KILL [HARD|SOFT] [CONNECTION|QUERY] id; all else is no plain id. */
void scan_kill(struct scan *s)
{
    struct facts *f = s->facts;

    if (s->verb_fixed) {
        return; /* not the first statement */
    }
    switch (s->token->word) {
    case W_HARD:
    case W_SOFT:
    case W_CONNECTION: return;
    case W_QUERY: f->kill_query = true; return;
    default: break;
    }
    if (s->token->kind == TOKEN_NUMBER && !s->kill_done) {
        f->number = parse_id(token_text(s->token));
    } else {
        f->number = 0;
    }
    s->kill_done = true;
}

void scan_verb_flags(struct scan *s)
{
    struct facts *f = s->facts;

    if (s->stage == STAGE_HEAD &&
        (s->verb == VERB_DESCRIBE || s->verb == VERB_EXPLAIN || s->verb == VERB_OTHER)) {
        f->flags |= FACT_TABLES_UNKNOWN; /* DESCRIBE partitions */
    }
    if ((f->verb == VERB_KILL && f->number == 0) || (f->verb == VERB_LOAD && f->n_tables == 0)) {
        f->flags |= FACT_TABLES_UNKNOWN;
    }
    if (s->saw_returning || (f->flags & FACT_MULTI) != 0) {
        f->flags |= FACT_MAY_RETURN_ROWS;
    }
}
