/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.h - the tokens of a statement, as MariaDB's own lexer cuts them.
 *
 * Comments and white space become TOKEN_GAP of the token behind them. What stands in an executable
 * comment is tokens like any other. Never reads past the end, never fails: what does not end is
 * told by LEXER_UNTERMINATED.
 */
#ifndef ROUTER_TOKEN_H
#define ROUTER_TOKEN_H

#include "base/base.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,            /* unquoted identifier or keyword */
    TOKEN_QUOTED,          /* `x`, and "x" with ANSI_QUOTES */
    TOKEN_STRING,          /* '', "", N'', x'', b'', \N */
    TOKEN_NUMBER,          /* 1 .5 1e5 0x1f 0b1 */
    TOKEN_USER_VARIABLE,   /* @x @'x' @`x`; also the host of an account name */
    TOKEN_SYSTEM_VARIABLE, /* the two characters @@ */
    TOKEN_PUNCT            /* one character, also of an operator of several */
};

#define TOKEN_GAP     0x01 /* white space or a comment stands in front */
#define TOKEN_PLAIN   0x02 /* string, quoted: the bytes between the quotes are the value */
#define TOKEN_DOTTED  0x04 /* word or quoted: directly behind a dot, so never a keyword */
#define TOKEN_COMMENT 0x08 /* the gap has a comment */

struct token {
    const char *start;
    const char *end;
    uint16_t word;      /* enum word_id of a word that may be a keyword */
    uint8_t word_flags; /* WORD_* */
    uint8_t kind;       /* enum token_kind */
    uint8_t flags;      /* TOKEN_* */
    char punct;         /* TOKEN_PUNCT: the character, else 0 */
};

#define LEXER_EXECUTABLE   0x01 /* there is an executable comment */
#define LEXER_CONDITIONAL  0x02 /* ... that some servers skip because of its version */
#define LEXER_UNTERMINATED 0x04
#define LEXER_BAD_BYTES    0x08 /* an identifier's bytes are not UTF-8, or control characters */

struct lexer {
    const char *pos;
    const char *end;
    const char *executable_start; /* the first executable comment, or NULL */
    const char *executable_end;   /* behind the last that was closed, or NULL */
    uint32_t mode;                /* FACTS_* */
    uint8_t flags;                /* LEXER_* */
    bool in_executable;
    bool behind_name; /* the last token was an identifier: a dot belongs to it */
    bool behind_dot;
};

/* lexer_init - mode: FACTS_* bits (facts.h) of the session's sql_mode. */
void lexer_init(struct lexer *lexer, struct slice sql, uint32_t mode);

/* lexer_next - the next token; TOKEN_END again and again at the end. */
void lexer_next(struct lexer *lexer, struct token *token);

static inline struct slice token_text(const struct token *token)
{
    return (struct slice){token->start, (size_t)(token->end - token->start)};
}

/* token_inner - quoted and string tokens: what is between the quotes; words: the word. */
struct slice token_inner(const struct token *token);

static inline bool token_is_punct(const struct token *token, char punct)
{
    return token->kind == TOKEN_PUNCT && token->punct == punct;
}

static inline bool token_is_name(const struct token *token)
{
    return token->kind == TOKEN_WORD || token->kind == TOKEN_QUOTED;
}

#endif
