/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.h - the commands that are no SQL: words, the table of commands (commands.def), who may
 * run which.
 *
 * For the files of the store.
 */
#ifndef ADMIN_COMMAND_H
#define ADMIN_COMMAND_H

#include "admin/store_data.h"

#define WORDS_MAX 256 /* of a statement; only SET may have more */

struct word {
    struct slice text; /* between the quotes, if there are any; a doubled quote is still doubled */
    char quote;        /* ' " ` or 0 */
    size_t offset;     /* in the statement, with the quote */
};

struct words {
    size_t n;
    bool is_cut; /* the statement has more */
    struct word at[WORDS_MAX];
};

/* One statement that is run. */
struct run {
    struct store *store;
    struct store_session *who;
    struct slice sql;
    struct words words;
    struct reply *reply;
};

enum command_rights { COMMAND_ANYBODY, COMMAND_ADMIN, COMMAND_WRITER };

/* at: the index of the first word behind those that named the command. */
typedef void (*command_fn)(struct run *run, size_t at);

/* words_split - comments and blanks are left out. */
void words_split(struct slice sql, struct words *out);

/* words_are - the words from *at on are these; then *at is moved behind them. Case is ignored. */
bool words_are(const struct words *words, size_t *at, const char *wanted);

/* words_at_end - nothing but semicolons from there on. */
bool words_at_end(const struct words *words, size_t at);

/* word_is - this one word; a quoted one is never it. */
bool word_is(const struct words *words, size_t at, const char *wanted);

/*
 * word_value - a name or a value without its quotes; owner: the caller, mem_free(MEM_ADMIN). NULL
 * when there is none at that place.
 */
char *word_value(const struct words *words, size_t at);

/* word_number - a whole number; false = it is none. */
bool word_number(const struct words *words, size_t at, int64_t *out);

/*
 * run_rest - the statement from a word on, as it was written, without semicolons and blanks at its
 * end.
 */
struct slice run_rest(const struct run *run, size_t at);

/* command_run - true when it was a command of ours (then the reply is made). */
bool command_run(struct run *run);

/* command_syntax - "near ...": the error for a command that goes on in an unknown way. */
void command_syntax(struct run *run, size_t at, const char *expected);

/* The handlers, by file. */
#define COMMAND(words, handler, rights, usage, help) void handler(struct run *run, size_t at);
#define ALIAS(words, handler, rights)
#include "admin/commands.def"
#undef COMMAND
#undef ALIAS

#endif
