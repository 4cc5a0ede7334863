/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.c - see command.h.
 */
#include "admin/command.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

static const struct command {
    const char *words;
    command_fn handler;
    enum command_rights rights;
    const char *usage, *help;
} commands[] = {
#define COMMAND(words, handler, rights, usage, help) {words, handler, rights, usage, help},
#define ALIAS(words, handler, rights)                {words, handler, rights, "", ""},
#include "admin/commands.def"
#undef COMMAND
#undef ALIAS
};

/* --- words ------------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || c == '.' || c == '-' || (unsigned char)c >= 0x80;
}

static const char *skip_comment(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));

    if (*at != '/') {
        return newline == NULL ? end : newline;
    }
    for (at += 2; at + 1 < end; at++) {
        if (at[0] == '*' && at[1] == '/') {
            return at + 2;
        }
    }
    return end;
}

/* The text of a versioned comment counts: only its marks are skipped. */
static const char *skip_blank(const char *at, const char *end)
{
    while (at < end) {
        char next = at + 1 < end ? at[1] : '\0';

        if (is_blank(*at) || (*at == '*' && next == '/')) {
            at += is_blank(*at) ? 1 : 2;
        } else if (*at == '/' && next == '*' && at + 2 < end && at[2] == '!') {
            for (at += 3; at < end && *at >= '0' && *at <= '9'; at++) {
            }
        } else if (*at == '#' || (*at == '-' && next == '-') || (*at == '/' && next == '*')) {
            at = skip_comment(at, end);
        } else {
            break;
        }
    }
    return at;
}

static const char *read_quoted(const char *at, const char *end, struct word *out)
{
    const char *from = at + 1;

    out->quote = *at;
    for (at = from; at < end; at++) {
        if (*at == out->quote && at + 1 < end && at[1] == out->quote) {
            at++;
        } else if (*at == out->quote) {
            break;
        }
    }
    out->text = (struct slice){from, (size_t)(at - from)};
    return at < end ? at + 1 : end;
}

static const char *read_word(const char *at, const char *end, struct word *out)
{
    const char *from = at;

    if (*at == '\'' || *at == '"' || *at == '`') {
        return read_quoted(at, end, out);
    }
    while (at < end && is_word(*at)) {
        at++;
    }
    at = at == from ? at + 1 : at; /* a sign is a word of its own */
    out->text = (struct slice){from, (size_t)(at - from)};
    return at;
}

void words_split(struct slice sql, struct words *out)
{
    const char *at = sql.data, *end = sql.data + sql.len;

    out->n = 0;
    while (out->n < WORDS_MAX && (at = skip_blank(at, end)) < end) {
        struct word *word = &out->at[out->n++];

        *word = (struct word){.offset = (size_t)(at - sql.data)};
        at = read_word(at, end, word);
    }
    out->is_cut = out->n == WORDS_MAX && skip_blank(at, end) < end;
}

bool word_is(const struct words *words, size_t at, const char *wanted)
{
    return at < words->n && words->at[at].quote == '\0' &&
           slice_eq_nocase(words->at[at].text, slice_of(wanted));
}

bool words_are(const struct words *words, size_t *at, const char *wanted)
{
    size_t i = *at;

    while (*wanted != '\0') {
        size_t n = strcspn(wanted, " ");

        if (i >= words->n || words->at[i].quote != '\0' ||
            !slice_eq_nocase(words->at[i].text, (struct slice){wanted, n})) {
            return false;
        }
        i++;
        wanted += n;
        wanted += *wanted == ' ' ? 1 : 0;
    }
    *at = i;
    return true;
}

bool words_at_end(const struct words *words, size_t at)
{
    while (word_is(words, at, ";")) {
        at++;
    }
    /* \G of the mysql client */
    return at >= words->n || (word_is(words, at, "\\") && at + 2 == words->n);
}

char *word_value(const struct words *words, size_t at)
{
    const struct word *word = &words->at[at];
    char *out;
    size_t n = 0;

    if (at >= words->n || word_is(words, at, ";")) {
        return NULL;
    }
    out = mem_try(MEM_ADMIN, word->text.len + 1);
    for (size_t i = 0; out != NULL && i < word->text.len; i++) {
        out[n++] = word->text.data[i];
        i += word->quote != '\0' && word->text.data[i] == word->quote ? 1 : 0;
    }
    if (out != NULL) {
        out[n] = '\0';
    }
    return out;
}

bool word_number(const struct words *words, size_t at, int64_t *out)
{
    char *text = word_value(words, at);
    char *end = NULL;
    bool good;

    if (text == NULL) {
        return false;
    }
    errno = 0;
    *out = strtoll(text, &end, 10);
    good = errno == 0 && end != text && *end == '\0';
    mem_free(MEM_ADMIN, text);
    return good;
}

struct slice run_rest(const struct run *run, size_t at)
{
    size_t from = at < run->words.n ? run->words.at[at].offset : run->sql.len;
    struct slice rest = {run->sql.data + from, run->sql.len - from};

    while (rest.len > 0 && (is_blank(rest.data[rest.len - 1]) || rest.data[rest.len - 1] == ';')) {
        rest.len--;
    }
    return rest;
}

/* --- commands --------------------------------------------------------------------------------- */

static const struct command *find(const struct words *words, size_t *at)
{
    const struct command *best = NULL;

    *at = 0;
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        size_t end = 0;

        if (words_are(words, &end, commands[i].words) && end > *at) {
            best = &commands[i];
            *at = end;
        }
    }
    return best;
}

static bool may_run(struct run *run, const struct command *command)
{
    if (command->rights == COMMAND_ANYBODY) {
        return true;
    }
    if (!run->who->is_admin) {
        reply_error(run->reply, 1227, "42000", "Access denied: %s is not for a statistics user",
                    command->words);
        return false;
    }
    if (command->rights == COMMAND_WRITER && run->store->read_only) {
        reply_error(run->reply, 1290, "HY000",
                    "Not possible: the console is read only: PROXYSQL READWRITE makes it writable");
        return false;
    }
    return true;
}

bool command_run(struct run *run)
{
    size_t at;
    const struct command *command = find(&run->words, &at);

    if (command == NULL) {
        return false;
    }
    if (may_run(run, command)) {
        command->handler(run, at);
    }
    return true;
}

void command_syntax(struct run *run, size_t at, const char *expected)
{
    struct slice rest = run_rest(run, at);

    if (rest.len == 0) {
        reply_error(run->reply, 1064, "42000", "The command is not complete; expected: %s",
                    expected);
    } else {
        reply_error(run->reply, 1064, "42000", "near \"%.*s\": expected: %s",
                    (int)MIN(rest.len, (size_t)60), rest.data, expected);
    }
}

void command_show_commands(struct run *run, size_t at)
{
    static const char *const columns[] = {"command", "what"};

    (void)at;
    reply_columns(run->reply, ARRAY_SIZE(columns), columns);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (commands[i].usage[0] != '\0') {
            reply_text(run->reply, commands[i].usage);
            reply_text(run->reply, commands[i].help);
        }
    }
}
