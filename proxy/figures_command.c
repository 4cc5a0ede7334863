/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures_command.c - under which of ProxySQL's names a statement is counted.
 */
#include "proxy/figures.h"

#define WORDS_MAX 32 /* of a statement that are looked at */

const char *figures_command_name(enum figures_command command)
{
    static const char *const names[] = {
#define X(name) [FIGURES_##name] = #name,
        FIGURES_COMMANDS(X)
#undef X
    };

    return names[command];
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The next word of a statement; empty where something else stands. */
static struct slice next_word(struct slice *rest)
{
    struct slice word;

    while (rest->len > 0 && is_space(rest->data[0])) {
        rest->data++;
        rest->len--;
    }
    word = (struct slice){rest->data, 0};
    while (rest->len > 0 && is_word(rest->data[0])) {
        rest->data++;
        rest->len--;
        word.len++;
    }
    return word;
}

struct kind {
    const char *word; /* NULL: the end of the list, and what holds when none is there */
    enum figures_command command;
};

/*
 * The first word behind the verb that is in the list: CREATE OR REPLACE TABLE, CREATE DEFINER=..
 * VIEW, DROP TEMPORARY ..
 */
static enum figures_command by_words(const struct facts *facts, const struct kind *kinds)
{
    struct slice rest = facts->body;
    const struct kind *kind = kinds;

    (void)next_word(&rest);
    for (unsigned n = 0; n < WORDS_MAX && rest.len > 0 && rest.data[0] != ';'; n++) {
        struct slice word = next_word(&rest);

        for (kind = kinds; kind->word != NULL; kind++) {
            if (slice_eq_nocase(word, slice_of(kind->word))) {
                return kind->command;
            }
        }
        if (word.len == 0 && rest.len > 0 && rest.data[0] != ';') { /* some other character */
            rest.data++;
            rest.len--;
        }
    }
    while (kind->word != NULL) {
        kind++;
    }
    return kind->command;
}

static const struct kind create_kinds[] = {{"TEMPORARY", FIGURES_CREATE_TEMPORARY},
                                           {"TABLE", FIGURES_CREATE_TABLE},
                                           {"DATABASE", FIGURES_CREATE_DATABASE},
                                           {"SCHEMA", FIGURES_CREATE_DATABASE},
                                           {"INDEX", FIGURES_CREATE_INDEX},
                                           {"TRIGGER", FIGURES_CREATE_TRIGGER},
                                           {"USER", FIGURES_CREATE_USER},
                                           {"VIEW", FIGURES_CREATE_VIEW},
                                           {NULL, FIGURES_UNKNOWN}};
static const struct kind drop_kinds[] = {{"TABLE", FIGURES_DROP_TABLE},
                                         {"DATABASE", FIGURES_DROP_DATABASE},
                                         {"SCHEMA", FIGURES_DROP_DATABASE},
                                         {"INDEX", FIGURES_DROP_INDEX},
                                         {"TRIGGER", FIGURES_DROP_TRIGGER},
                                         {"USER", FIGURES_DROP_USER},
                                         {"VIEW", FIGURES_DROP_VIEW},
                                         {"PREPARE", FIGURES_DEALLOCATE},
                                         {NULL, FIGURES_UNKNOWN}};
static const struct kind alter_kinds[] = {
    {"TABLE", FIGURES_ALTER_TABLE}, {"VIEW", FIGURES_ALTER_VIEW}, {NULL, FIGURES_UNKNOWN}};
static const struct kind other_kinds[] = {
    {"MASTER", FIGURES_RESET_MASTER}, {"SLAVE", FIGURES_RESET_SLAVE}, {NULL, FIGURES_UNKNOWN}};
static const struct kind begin_kinds[] = {{"TRANSACTION", FIGURES_START_TRANSACTION},
                                          {NULL, FIGURES_BEGIN}};
static const struct kind rollback_kinds[] = {{"TO", FIGURES_ROLLBACK_SAVEPOINT},
                                             {NULL, FIGURES_ROLLBACK}};

static enum figures_command show_kind(const struct facts *facts)
{
    struct slice rest = facts->body;

    (void)next_word(&rest);
    return slice_eq_nocase(next_word(&rest), SLICE("TABLE")) &&
                   slice_eq_nocase(next_word(&rest), SLICE("STATUS"))
               ? FIGURES_SHOW_TABLE_STATUS
               : FIGURES_SHOW;
}

/* Verbs that the lexer has no need to tell apart. */
static enum figures_command other_kind(const struct facts *facts)
{
    struct slice rest = facts->body;
    struct slice verb = next_word(&rest);

    if (slice_eq_nocase(verb, SLICE("CHANGE"))) {
        return FIGURES_CHANGE_MASTER;
    }
    if (slice_eq_nocase(verb, SLICE("PURGE"))) {
        return FIGURES_PURGE;
    }
    return slice_eq_nocase(verb, SLICE("RESET")) ? by_words(facts, other_kinds) : FIGURES_UNKNOWN;
}

/* Verbs with one name. */
static const uint8_t plain[] = {
    [VERB_SELECT] = FIGURES_SELECT,
    [VERB_DESCRIBE] = FIGURES_DESCRIBE,
    [VERB_EXPLAIN] = FIGURES_EXPLAIN,
    [VERB_WITH] = FIGURES_SELECT,
    [VERB_VALUES] = FIGURES_SELECT,
    [VERB_TABLE_EXPR] = FIGURES_SELECT,
    [VERB_INSERT] = FIGURES_INSERT,
    [VERB_REPLACE] = FIGURES_REPLACE,
    [VERB_UPDATE] = FIGURES_UPDATE,
    [VERB_DELETE] = FIGURES_DELETE,
    [VERB_LOAD] = FIGURES_LOAD,
    [VERB_CALL] = FIGURES_CALL,
    [VERB_SET] = FIGURES_SET,
    [VERB_USE] = FIGURES_USE,
    [VERB_COMMIT] = FIGURES_COMMIT,
    [VERB_SAVEPOINT] = FIGURES_SAVEPOINT,
    [VERB_RELEASE_SAVEPOINT] = FIGURES_RELEASE_SAVEPOINT,
    [VERB_LOCK_TABLES] = FIGURES_LOCK_TABLE,
    [VERB_UNLOCK_TABLES] = FIGURES_UNLOCK_TABLES,
    [VERB_PREPARE] = FIGURES_PREPARE,
    [VERB_EXECUTE] = FIGURES_EXECUTE,
    [VERB_DEALLOCATE] = FIGURES_DEALLOCATE,
    [VERB_KILL] = FIGURES_KILL,
    [VERB_TRUNCATE] = FIGURES_TRUNCATE_TABLE,
    [VERB_RENAME] = FIGURES_RENAME_TABLE,
    [VERB_GRANT] = FIGURES_GRANT,
    [VERB_REVOKE] = FIGURES_REVOKE,
    [VERB_FLUSH] = FIGURES_FLUSH,
    [VERB_ANALYZE] = FIGURES_ANALYZE_TABLE,
    [VERB_OPTIMIZE] = FIGURES_OPTIMIZE,
    [VERB_OTHER] = 0,
};

enum figures_command figures_command_of(const struct facts *facts)
{
    enum verb verb = (enum verb)facts->verb;

    if (verb == VERB_SELECT && (facts->flags & FACT_LOCKING_READ) != 0) {
        return FIGURES_SELECT_FOR_UPDATE;
    }
    if (plain[verb] != 0) { /* FIGURES_ALTER_TABLE is 0, and not in the table */
        return (enum figures_command)plain[verb];
    }
    if (verb == VERB_SHOW) {
        return show_kind(facts);
    }
    if (verb == VERB_BEGIN) {
        return by_words(facts, begin_kinds);
    }
    if (verb == VERB_ROLLBACK) {
        return by_words(facts, rollback_kinds);
    }
    if (verb == VERB_CREATE) {
        return by_words(facts, create_kinds);
    }
    if (verb == VERB_ALTER) {
        return by_words(facts, alter_kinds);
    }
    if (verb == VERB_DROP) {
        return by_words(facts, drop_kinds);
    }
    return other_kind(facts);
}
