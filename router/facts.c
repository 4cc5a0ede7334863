/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.c - the pass over a statement's tokens: parentheses, calls, variables, and what comes of
 * it.
 *
 * It does not parse SQL. It knows where the names of tables stand, which words make a read a write,
 * and that everything else is a write.
 */
#include "router/facts.h"

#include "router/scan.h"

static void push(struct scan *s, uint8_t level)
{
    s->depth++;
    if (s->depth < SCAN_DEPTH) {
        s->levels[s->depth] = level;
        return;
    }
    s->not_read = true;
    scan_flag(s, FACT_TABLES_UNKNOWN);
}

static bool is_call_of_id(uint16_t id, uint32_t *flags)
{
    switch (id) {
    case W_GET_LOCK: *flags = FACT_GET_LOCK; return true;
    case W_RELEASE_LOCK: *flags = FACT_RELEASE_LOCK; return true;
    case W_RELEASE_ALL_LOCKS: *flags = FACT_RELEASE_ALL_LOCKS; return true;
    case W_FOUND_ROWS: *flags = FACT_FOUND_ROWS; return true;
    case W_ROW_COUNT: *flags = FACT_ROW_COUNT; return true;
    case W_CONNECTION_ID: *flags = FACT_CONNECTION_ID; return true;
    default: return false;
    }
}

/* call_native - a function that is built in. */
static void call_native(struct scan *s, struct word word)
{
    uint32_t flags = 0;

    if ((word.flags & WORD_VOLATILE) != 0) {
        scan_flag(s, FACT_VOLATILE);
    }
    if ((word.flags & WORD_NOT_READ) != 0) {
        s->not_read = true;
    }
    if (is_call_of_id(word.id, &flags)) {
        scan_flag(s, flags);
    } else if (word.id == W_LAST_INSERT_ID) {
        s->last_insert_id = true;
    } else if (word.id == W_NEXTVAL) {
        scan_flag(s, FACT_TABLES_UNKNOWN | FACT_RUNS_UNSEEN); /* LASTVAL() is of the session */
    } else if (word.id == W_WSREP_SYNC_WAIT_UPTO_GTID) {
        scan_flag(s, FACT_TABLES_UNKNOWN); /* reads behind it see what it waited for */
    } else if (word.id == W_WSREP_LAST_WRITTEN_GTID) {
        s->facts->asks_gtid = true;
    }
}

/* may_call - false where a name in front of a parenthesis cannot be a function. */
static bool may_call(const struct scan *s)
{
    const struct token *before = s->before;

    switch (before->kind) {
    case TOKEN_STRING:
    case TOKEN_NUMBER: return false; /* JSON_TABLE(x, '$' COLUMNS (...)) */
    case TOKEN_WORD:
        if (before->word == W_AS || before->word == W_PROCEDURE) {
            return false; /* CAST(x AS DATETIME(6)), PROCEDURE ANALYSE() */
        }
        break;
    case TOKEN_PUNCT:
        if (before->punct == ')') {
            return false; /* MATCH (a) AGAINST (...) */
        }
        break;
    default: break;
    }
    /* Columns, keys and types are not calls. */
    return s->saw_select || (s->verb != VERB_CREATE && s->verb != VERB_ALTER &&
                             s->verb != VERB_GRANT && s->verb != VERB_REVOKE);
}

/*
 * word_of_quoted - the native function that a name in quotes calls. Not so a name with other bytes:
 * word_find() takes some of them for letters of a word.
 */
static struct word word_of_quoted(struct slice name)
{
    struct word word = word_find(name.data, name.len);

    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];

        if (c < '0' || c > 'z') {
            return (struct word){WORD_NONE, 0};
        }
    }
    return (word.flags & WORD_NATIVE) != 0 ? word : (struct word){WORD_NONE, 0};
}

/* on_call - an opening parenthesis behind a word or quoted name. */
static void on_call(struct scan *s)
{
    const struct token *name = s->prev;
    struct word word = {name->word, name->word_flags};

    if (UNLIKELY(token_is_punct(s->before, '.'))) {
        word = (struct word){WORD_NONE, 0}; /* db. concat(...), too: a function of the schema */
    } else if (name->kind == TOKEN_QUOTED) {
        word = word_of_quoted(token_inner(name)); /* `get_lock`(...) is the built-in one */
    }
    if ((word.flags & WORD_NOT_CALL) != 0) {
        call_native(s, word);
        return;
    }
    if ((word.flags & WORD_TIGHT) != 0 && (s->token->flags & TOKEN_GAP) == 0) {
        call_native(s, word);
        return;
    }
    if (may_call(s)) {
        s->not_read = true;
        scan_flag(s, FACT_RUNS_UNSEEN | FACT_TABLES_UNKNOWN | FACT_VOLATILE);
    }
}

static void on_open(struct scan *s)
{
    uint8_t *level = scan_level(s);

    if (s->expect == EXPECT_TABLE) {
        push(s, LEVEL_LIST); /* a join in parentheses or a derived table: still expected */
        return;
    }
    if (s->stage == STAGE_VERB) {
        push(s, 0);
        return;
    }
    if (s->stage == STAGE_HEAD &&
        (s->verb == VERB_EXPLAIN || s->verb == VERB_DESCRIBE || s->verb == VERB_ANALYZE)) {
        s->verb_fixed = true;
        s->stage = STAGE_VERB;
        push(s, 0);
        return;
    }
    if (s->prev->word == W_VALUES) {
        s->saw_select = true; /* CREATE TABLE t AS VALUES (f()): calls, no columns */
    }
    if (s->behind == BEHIND_TABLE) {
        s->not_read = true; /* INSERT INTO t (a); in a SELECT nothing that we know of */
    } else if (s->behind == BEHIND_NOTHING && token_is_name(s->prev)) {
        on_call(s);
    }
    if (token_is_punct(s->prev, ')') || s->prev->word == W_RESTRICT) {
        *level &= (uint8_t)~LEVEL_WITH; /* WITH x AS (...) (SELECT ...) */
    }
    push(s, 0);
}

static void on_close(struct scan *s)
{
    if (s->stage == STAGE_VERB) {
        s->stage = STAGE_BODY;
        s->not_read = true;
    }
    if (s->depth == 0) {
        s->not_read = true;
        return;
    }
    s->depth--;
}

static void on_punct(struct scan *s)
{
    switch (s->token->punct) {
    case '(': on_open(s); break;
    case ')': on_close(s); break;
    case ',':
        if ((*scan_level(s) & LEVEL_WITH) != 0) {
            s->expect = EXPECT_CTE;
        } else if ((*scan_level(s) & LEVEL_LIST) != 0) {
            s->expect = EXPECT_TABLE;
        }
        break;
    case ';': s->ended = true; break;
    default: break;
    }
}

/* on_user_variable - in 'u'@'host' it is the host. */
static void on_user_variable(struct scan *s)
{
    bool is_account = false;

    if (s->stage == STAGE_OPAQUE && s->verb == VERB_CREATE) {
        return; /* in a trigger's body; it does not run now */
    }
    if (token_is_name(s->prev) || s->prev->kind == TOKEN_STRING) {
        switch (s->verb) {
        case VERB_GRANT:
        case VERB_REVOKE:
        case VERB_CREATE:
        case VERB_ALTER:
        case VERB_DROP:
        case VERB_RENAME:
        case VERB_SET:
        case VERB_SHOW:
            /*
             * FROM @x, AS @x: behind a keyword it is a variable. SELECT SQL_NO_CACHE @x: in a
             * query, too; GRANT SELECT is none.
             */
            is_account =
                (s->prev->kind != TOKEN_WORD || (s->prev->word_flags & WORD_RESERVED) == 0) &&
                (!s->saw_select || s->verb == VERB_GRANT || s->verb == VERB_REVOKE);
            break;
        default: break;
        }
    }
    if (!is_account) {
        scan_flag(s, FACT_USER_VARIABLE);
    }
}

/* on_next_statement - there is something behind a semicolon. */
static void on_next_statement(struct scan *s)
{
    scan_flag(s, FACT_MULTI);
    s->ended = false;
    s->verb_fixed = true;
    s->stage = STAGE_VERB;
    s->verb = VERB_UNKNOWN;
    s->expect = EXPECT_NOTHING;
    s->behind = BEHIND_NOTHING;
    s->depth = 0;
    s->levels[0] = 0;
    s->saw_select = s->saw_into = s->temporary = s->index = false;
    s->show_from = SHOW_NOTHING;
    s->set_statement = false;
    s->n_ctes = 0;
}

static void end_body(struct scan *s)
{
    const char *end = s->prev->end != NULL ? s->prev->end : s->token->start;

    if (s->lexer.executable_end != NULL && s->lexer.executable_end > end) {
        end = s->lexer.executable_end;
    }
    s->body_end = end;
}

/* on_waiting - what the tokens before left open; returns whether the token is dealt with. */
static bool on_waiting(struct scan *s)
{
    const struct token *t = s->token;

    s->behind = BEHIND_NOTHING;
    if (s->expect == EXPECT_DOT && t->punct == '.') {
        s->expect = EXPECT_NAME;
        return true;
    }
    if (s->expect == EXPECT_DOT || s->expect == EXPECT_CTE_END) {
        scan_name_end(s);
    }
    if (UNLIKELY(s->last_insert_id)) {
        s->last_insert_id = false;
        scan_flag(s, t->punct == ')' ? FACT_LAST_INSERT_ID : FACT_SETS_INSERT_ID);
    }
    if (t->punct == ';') {
        if (s->body_end == NULL) {
            end_body(s);
        }
    } else if (UNLIKELY(s->stage == STAGE_KILL)) {
        scan_kill(s);
    }
    return false;
}

static void on_system_variable(struct scan *s)
{
    s->system_variable = true;
    s->assigns_variable = s->prev->word == W_SET ||
                          (s->verb == VERB_SET && s->depth == 0 && token_is_punct(s->prev, ','));
    scan_flag(s, FACT_SYSTEM_VARIABLE | FACT_VOLATILE);
}

/* on_other - no name. */
static void on_other(struct scan *s)
{
    const struct token *t = s->token;

    if (t->punct != '.') {
        s->system_variable = false;
    }
    if (s->expect != EXPECT_NOTHING && scan_expected_other(s)) {
        return;
    }
    if (t->kind == TOKEN_PUNCT) {
        on_punct(s);
    } else if (t->kind == TOKEN_USER_VARIABLE) {
        on_user_variable(s);
    } else if (t->kind == TOKEN_SYSTEM_VARIABLE) {
        on_system_variable(s);
    }
    if (s->stage == STAGE_HEAD && s->verb == VERB_SET) {
        s->stage = STAGE_BODY;
    }
    if (s->stage == STAGE_VERB && t->punct != '(' && t->punct != ';') {
        scan_verb(s);
    }
}

/* on_token - all but the end. */
static void on_token(struct scan *s)
{
    if (UNLIKELY(s->ended) && s->token->punct != ';') {
        on_next_statement(s);
    }
    if (on_waiting(s)) {
        return;
    }
    if (token_is_name(s->token)) {
        scan_word(s);
    } else {
        on_other(s);
    }
}

static bool is_query(uint8_t verb)
{
    return verb == VERB_SELECT || verb == VERB_WITH || verb == VERB_VALUES;
}

/* is_read - what may go to a reader; see facts.h. */
static bool is_read(const struct scan *s)
{
    const uint32_t never = FACT_MULTI | FACT_USER_VARIABLE | FACT_GET_LOCK | FACT_RELEASE_LOCK |
                           FACT_RELEASE_ALL_LOCKS | FACT_SETS_INSERT_ID | FACT_LOCKING_READ |
                           FACT_INTO | FACT_EXECUTABLE_COMMENT | FACT_UNTERMINATED |
                           FACT_RUNS_UNSEEN;

    if (s->not_read || (s->facts->flags & never) != 0 || (s->lexer.flags & LEXER_BAD_BYTES) != 0 ||
        s->depth != 0) {
        return false;
    }
    switch (s->facts->verb) {
    case VERB_SELECT:
    case VERB_WITH:
    case VERB_VALUES:
    case VERB_ANALYZE: return is_query(s->verb);
    case VERB_DESCRIBE:
    case VERB_EXPLAIN:
        return is_query(s->verb) || s->verb == VERB_DESCRIBE || s->verb == VERB_EXPLAIN;
    case VERB_SHOW:
    case VERB_HELP: return true;
    default: return false;
    }
}

static void finish(struct scan *s, const char *first)
{
    struct facts *f = s->facts;
    const char *start = first;

    if (s->body_end == NULL) {
        end_body(s);
    }
    if (s->lexer.executable_start != NULL && s->lexer.executable_start < start) {
        start = s->lexer.executable_start;
    }
    if (first != NULL && s->body_end > start) {
        f->body = (struct slice){start, (size_t)(s->body_end - start)};
    }
    scan_verb_flags(s);
    if ((s->lexer.flags & LEXER_EXECUTABLE) != 0) {
        f->flags |= FACT_EXECUTABLE_COMMENT;
    }
    if ((s->lexer.flags & LEXER_UNTERMINATED) != 0) {
        f->flags |= FACT_UNTERMINATED;
    }
    if ((s->lexer.flags & (LEXER_CONDITIONAL | LEXER_UNTERMINATED | LEXER_BAD_BYTES)) != 0) {
        f->flags |= FACT_TABLES_UNKNOWN;
    }
    /*
     * A quote in what a server passes over, a byte that is a space to it: what it ran was not seen.
     */
    if ((s->lexer.flags & (LEXER_CONDITIONAL | LEXER_BAD_BYTES)) != 0) {
        f->flags |= FACT_RUNS_UNSEEN;
    }
    f->runs = s->verb;
    if (is_read(s)) {
        f->flags |= FACT_READ;
    }
    f->digest = digest_end(&s->digest);
}

/*
 * clear - all but the names of tables: they are many bytes, and n_tables says that there are
 * none.
 */
static void clear(struct facts *f)
{
    f->digest = 0;
    f->flags = 0;
    f->verb = VERB_EMPTY;
    f->runs = VERB_EMPTY;
    f->sets_back = f->asks_gtid = f->has_select = false;
    f->local = LOCAL_NONE;
    f->n_tables = 0;
    f->column_name = (struct slice){NULL, 0};
    f->body = (struct slice){NULL, 0};
    f->number = 0;
    f->kill_query = false;
    f->has_kill = false;
    f->changes_rights = false;
}

void facts_scan(struct facts *f, struct slice sql, uint32_t mode)
{
    struct scan s;
    const char *first;

    clear(f);
    memset(&s, 0, offsetof(struct scan, levels));
    s.levels[0] = 0;
    s.facts = f;
    s.token = &s.ring[0];
    s.prev = &s.ring[1];
    s.before = &s.ring[2];
    lexer_init(&s.lexer, sql, mode);
    digest_init(&s.digest, sql, mode, NULL, 0);
    lexer_next(&s.lexer, s.token);
    first = s.token->start;
    while (s.token->kind != TOKEN_END) {
        struct token *oldest = s.before;

        digest_add(&s.digest, s.token);
        on_token(&s);
        s.before = s.prev;
        s.prev = s.token;
        s.token = oldest;
        lexer_next(&s.lexer, s.token);
    }
    if (s.expect != EXPECT_NOTHING) {
        s.behind = BEHIND_NOTHING;
        if (s.expect == EXPECT_DOT || s.expect == EXPECT_CTE_END) {
            scan_name_end(&s);
        } else {
            scan_flag(&s, FACT_TABLES_UNKNOWN);
        }
    }
    finish(&s, first);
    if ((f->verb == VERB_SELECT || f->verb == VERB_DO || f->verb == VERB_SHOW) &&
        f->body.len <= FACTS_LOCAL_LONGEST) {
        scan_local(f, mode);
    }
}

void facts_scan_head(struct facts *f, struct slice head, uint32_t mode)
{
    facts_scan(f, head, mode);
    f->flags &= ~(uint32_t)FACT_READ;
    f->flags |= FACT_TABLES_UNKNOWN | FACT_MAY_RETURN_ROWS;
    f->local = LOCAL_NONE;
    f->number = 0;
}
