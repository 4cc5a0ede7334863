/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.c - cuts a statement into tokens.
 *
 * The rules are MariaDB 10.11's, measured: `--` needs a space or control character (or the end)
 * behind it, 1e is an identifier and 1e5 a number, a word in front of a dot or behind one is
 * never a keyword, comments do not nest.
 */
#include "router/token.h"

#include "router/facts.h"
#include "router/words.h"

enum char_class {
    C_SPACE = 0x01,
    C_IDENT = 0x02, /* may stand in an unquoted identifier */
    C_DIGIT = 0x04,
    C_HIGH = 0x08,    /* a byte of a multi-byte character */
    C_COMMENT = 0x10, /* may open or close a comment */
    C_HEX = 0x20,
    C_BINARY = 0x40
};

#define I       C_IDENT
#define D       (C_IDENT | C_DIGIT | C_HEX)
#define B       (C_IDENT | C_DIGIT | C_HEX | C_BINARY)
#define X       (C_IDENT | C_HEX)
#define H       (C_IDENT | C_HIGH)
#define S       C_SPACE
#define C       C_COMMENT
#define HIGH_16 H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H

/* clang-format off */
static const uint8_t class_of[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, S, S, S, S, S, 0, 0, /* tab to return */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    S, 0, 0, C, I, 0, 0, 0, 0, 0, C, 0, 0, C, 0, C, /* space # $ * - / */
    B, B, D, D, D, D, D, D, D, D, 0, 0, 0, 0, 0, 0, /* digits */
    0, X, X, X, X, X, X, I, I, I, I, I, I, I, I, I, /* A to O */
    I, I, I, I, I, I, I, I, I, I, I, 0, 0, 0, 0, I, /* P to Z, _ */
    0, X, X, X, X, X, X, I, I, I, I, I, I, I, I, I, /* a to o */
    I, I, I, I, I, I, I, I, I, I, I, 0, 0, 0, 0, 0, /* p to z */
    HIGH_16, HIGH_16, HIGH_16, HIGH_16, HIGH_16, HIGH_16, HIGH_16, HIGH_16,
};
/* clang-format on */

#undef I
#undef D
#undef B
#undef B
#undef X
#undef H
#undef S
#undef C
#undef HIGH_16

static inline bool is_class(char c, enum char_class mask)
{
    return (class_of[(unsigned char)c] & mask) != 0;
}

/* at - the byte n behind p, or 0 at the end: MariaDB sees a zero there as well. */
static inline char at(const struct lexer *lexer, const char *p, ptrdiff_t n)
{
    return lexer->end - p > n ? p[n] : '\0';
}

static const char *skip_class(const struct lexer *lexer, const char *p, enum char_class mask)
{
    while (p < lexer->end && is_class(*p, mask)) {
        p++;
    }
    return p;
}

void lexer_init(struct lexer *lexer, struct slice sql, uint32_t mode)
{
    *lexer = (struct lexer){.pos = sql.data, .end = sql.data, .mode = mode};
    if (sql.len > 0) {
        lexer->end = sql.data + sql.len;
    }
}

/* skip_comment - p is behind the opener. */
static const char *skip_comment(struct lexer *lexer, const char *p)
{
    while (p < lexer->end) {
        const char *star = memchr(p, '*', (size_t)(lexer->end - p));

        if (star == NULL) {
            break;
        }
        p = star + 1;
        if (at(lexer, p, 0) == '/') {
            return p + 1;
        }
    }
    lexer->flags |= LEXER_UNTERMINATED;
    return lexer->end;
}

/*
 * open_executable - p is behind the '!'. Its version decides whether a server looks inside: 5.7
 * to 10.0 is MySQL's own. As we do not ask which server it will be, we always look, and say so.
 */
static const char *open_executable(struct lexer *lexer, const char *opener, const char *p)
{
    int digits = 0;
    uint32_t version = 0;

    while (digits < 6 && is_class(at(lexer, p, digits), C_DIGIT)) {
        version = version * 10 + (uint32_t)(p[digits] - '0');
        digits++;
    }
    if (digits >= 5) {
        p += digits;
        if (version >= 50700) {
            lexer->flags |= LEXER_CONDITIONAL;
        }
    }
    if (lexer->executable_start == NULL) {
        lexer->executable_start = opener;
    }
    if (lexer->in_executable) {
        lexer->flags |= LEXER_CONDITIONAL; /* nobody nests them; who does gets no promises */
    }
    lexer->flags |= LEXER_EXECUTABLE;
    lexer->in_executable = true;
    return p;
}

/* comment - p is at a C_COMMENT byte: behind the comment, or p when it is none. */
static const char *comment(struct lexer *lexer, const char *p)
{
    char next = at(lexer, p, 1);
    char third = at(lexer, p, 2);

    if (*p == '#' || (*p == '-' && next == '-' &&
                      (is_class(third, C_SPACE) || (unsigned char)third < 0x20 || third == 0x7f))) {
        const char *line = memchr(p, '\n', (size_t)(lexer->end - p));

        return line == NULL ? lexer->end : line + 1;
    }
    if (*p == '/' && next == '*') {
        if (third == '!') {
            return open_executable(lexer, p, p + 3);
        }
        if (third == 'M' && at(lexer, p, 3) == '!') {
            return open_executable(lexer, p, p + 4);
        }
        return skip_comment(lexer, p + 2);
    }
    if (*p == '*' && next == '/' && lexer->in_executable) {
        lexer->in_executable = false;
        lexer->executable_end = p + 2;
        return p + 2;
    }
    return p;
}

/* skip_gap - white space and comments; returns TOKEN_GAP and TOKEN_COMMENT. */
static uint8_t skip_gap(struct lexer *lexer)
{
    const char *p = lexer->pos;
    const char *end = lexer->end;
    uint8_t flags = 0;

    for (; p < end; p++) {
        if (is_class(*p, C_SPACE)) {
            flags |= TOKEN_GAP;
        } else if (UNLIKELY(is_class(*p, C_COMMENT))) {
            const char *behind = comment(lexer, p);

            if (behind == p) {
                break;
            }
            flags |= TOKEN_GAP | TOKEN_COMMENT;
            p = behind - 1;
        } else {
            break;
        }
    }
    lexer->pos = p;
    return flags;
}

/*
 * has_either - is one of 8 bytes equal to a or b? May say yes for nothing, never no for
 * something.
 */
static bool has_either(uint64_t bytes, uint64_t a, uint64_t b)
{
    const uint64_t low = UINT64_C(0x0101010101010101);
    const uint64_t high = UINT64_C(0x8080808080808080);
    uint64_t x = bytes ^ a;
    uint64_t y = bytes ^ b;

    return ((((x - low) & ~x) | ((y - low) & ~y)) & high) != 0;
}

/* scan_quoted - p is behind the opening quote; returns the place behind the closing one. */
static const char *scan_quoted(struct lexer *lexer, const char *p, char quote, bool escapes,
                               uint8_t *flags)
{
    const uint64_t every = UINT64_C(0x0101010101010101);
    const uint64_t quotes = (unsigned char)quote * every;
    const uint64_t slashes = escapes ? '\\' * every : quotes;

    *flags |= TOKEN_PLAIN;
    for (;;) {
        uint64_t bytes;

        while (lexer->end - p >= 8) {
            memcpy(&bytes, p, sizeof(bytes));
            if (has_either(bytes, quotes, slashes)) {
                break;
            }
            p += 8;
        }
        while (p < lexer->end && *p != quote && (*p != '\\' || !escapes)) {
            p++;
        }
        if (p >= lexer->end) {
            break;
        }
        if (*p == quote && at(lexer, p, 1) != quote) {
            return p + 1;
        }
        *flags &= (uint8_t)~TOKEN_PLAIN;
        if (lexer->end - p < 2) {
            break;
        }
        p += 2;
    }
    *flags &= (uint8_t)~TOKEN_PLAIN;
    lexer->flags |= LEXER_UNTERMINATED;
    return lexer->end;
}

static const char *scan_string(struct lexer *lexer, struct token *token, const char *p)
{
    token->kind = TOKEN_STRING;
    return scan_quoted(lexer, p + 1, *p, (lexer->mode & FACTS_NO_BACKSLASH_ESCAPES) == 0,
                       &token->flags);
}

static const char *scan_quoted_name(struct lexer *lexer, struct token *token, const char *p)
{
    token->kind = TOKEN_QUOTED;
    lexer->behind_name = true;
    return scan_quoted(lexer, p + 1, *p, false, &token->flags);
}

/* check_high - identifiers with other bytes than ASCII: in latin1 such a byte may be a space. */
static void check_high(struct lexer *lexer, const char *p, const char *end)
{
    while (p < end) {
        unsigned char lead = (unsigned char)*p++;
        int tail = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;

        while (tail > 0 && p < end && ((unsigned char)*p & 0xc0) == 0x80) {
            tail--;
            p++;
        }
        if (tail != 0 || lead > 0xf4) {
            lexer->flags |= LEXER_BAD_BYTES;
            return;
        }
    }
}

/* is_part_of_name - "word." and a name behind it, with no space: then the word is not a keyword. */
static bool is_part_of_name(const struct lexer *lexer, const char *p)
{
    return p < lexer->end && *p == '.' && is_class(at(lexer, p, 1), C_IDENT);
}

static const char *scan_word(struct lexer *lexer, struct token *token, const char *start,
                             const char *p)
{
    uint8_t seen = 0;

    while (p < lexer->end && is_class(*p, C_IDENT)) {
        seen |= class_of[(unsigned char)*p];
        p++;
    }
    token->kind = TOKEN_WORD;
    lexer->behind_name = true;
    if ((seen & C_HIGH) != 0) {
        check_high(lexer, start, p);
    } else if ((token->flags & TOKEN_DOTTED) == 0 && !is_part_of_name(lexer, p)) {
        struct word word = word_find(start, (size_t)(p - start));

        token->word = word.id;
        token->word_flags = word.flags;
    }
    return p;
}

/* scan_exponent - p is at e or E: the place behind the exponent, or NULL when there is none. */
static const char *scan_exponent(const struct lexer *lexer, const char *p)
{
    char sign = at(lexer, p, 1);
    ptrdiff_t skip = sign == '+' || sign == '-' ? 2 : 1;

    if (!is_class(at(lexer, p, skip), C_DIGIT)) {
        return NULL;
    }
    return skip_class(lexer, p + skip, C_DIGIT);
}

/*
 * scan_number - p is at a digit. It may turn out to be a word: identifiers may begin with
 * digits.
 */
static const char *scan_number(struct lexer *lexer, struct token *token, const char *start)
{
    const char *p = skip_class(lexer, start, C_DIGIT);
    const char *behind;

    token->kind = TOKEN_NUMBER;
    if (p - start == 1 && *start == '0' && (at(lexer, p, 0) == 'x' || at(lexer, p, 0) == 'b')) {
        behind = skip_class(lexer, p + 1, *p == 'x' ? C_HEX : C_BINARY);
        return behind == p + 1 || is_class(at(lexer, behind, 0), C_IDENT)
                   ? scan_word(lexer, token, start, p)
                   : behind;
    }
    if (at(lexer, p, 0) == '.') {
        p = skip_class(lexer, p + 1, C_DIGIT);
        if ((at(lexer, p, 0) | 0x20) == 'e') {
            behind = scan_exponent(lexer, p);
            return behind != NULL ? behind : p;
        }
        return p;
    }
    if ((at(lexer, p, 0) | 0x20) == 'e') {
        behind = scan_exponent(lexer, p);
        if (behind != NULL) {
            return behind;
        }
    }
    return is_class(at(lexer, p, 0), C_IDENT) ? scan_word(lexer, token, start, p) : p;
}

/* scan_dot - .5 is a number, but behind a name the dot leads to another name. */
static const char *scan_dot(struct lexer *lexer, struct token *token, const char *p,
                            bool behind_name)
{
    const char *behind;

    if (behind_name || !is_class(at(lexer, p, 1), C_DIGIT)) {
        token->kind = TOKEN_PUNCT;
        token->punct = '.';
        lexer->behind_dot = true;
        return p + 1;
    }
    token->kind = TOKEN_NUMBER;
    p = skip_class(lexer, p + 1, C_DIGIT);
    if ((at(lexer, p, 0) | 0x20) == 'e') {
        behind = scan_exponent(lexer, p);
        p = behind != NULL ? behind : p;
    }
    return p;
}

static const char *scan_at(struct lexer *lexer, struct token *token, const char *p)
{
    uint8_t ignored = 0;
    char next = at(lexer, p, 1);

    if (next == '@') {
        token->kind = TOKEN_SYSTEM_VARIABLE;
        return p + 2;
    }
    token->kind = TOKEN_USER_VARIABLE;
    p++;
    if (next == '\'' || next == '"' || next == '`') {
        bool escapes = next != '`' && (lexer->mode & FACTS_NO_BACKSLASH_ESCAPES) == 0;

        return scan_quoted(lexer, p + 1, next, escapes, &ignored);
    }
    while (p < lexer->end && (is_class(*p, C_IDENT) || *p == '.')) {
        p++;
    }
    return p;
}

/* is_string_prefix - N'..', x'..', b'..' with nothing in between. */
static bool is_string_prefix(const struct lexer *lexer, const char *p)
{
    char letter = (char)(*p | 0x20);

    return (letter == 'n' || letter == 'x' || letter == 'b') && at(lexer, p, 1) == '\'';
}

static const char *scan_name(struct lexer *lexer, struct token *token, const char *p)
{
    if ((token->flags & TOKEN_DOTTED) != 0) {
        return scan_word(lexer, token, p, p);
    }
    if (is_class(*p, C_DIGIT)) {
        return scan_number(lexer, token, p);
    }
    if (is_string_prefix(lexer, p)) {
        p = scan_string(lexer, token, p + 1);
        token->flags &= (uint8_t)~TOKEN_PLAIN;
        return p;
    }
    return scan_word(lexer, token, p, p);
}

static const char *scan_punct(struct lexer *lexer, struct token *token, const char *p)
{
    token->kind = TOKEN_PUNCT;
    token->punct = *p;
    if (*p == '\\' && at(lexer, p, 1) == 'N') {
        token->kind = TOKEN_STRING; /* the old way to write NULL */
        token->punct = 0;
        return p + 2;
    }
    if ((unsigned char)*p < 0x20 || *p == 0x7f) {
        lexer->flags |= LEXER_BAD_BYTES;
    }
    return p + 1;
}

void lexer_next(struct lexer *lexer, struct token *token)
{
    uint8_t gap = skip_gap(lexer);
    bool behind_name = lexer->behind_name && gap == 0;
    bool behind_dot = lexer->behind_dot && gap == 0;
    const char *p = lexer->pos;

    *token = (struct token){.start = p, .end = p, .flags = gap};
    lexer->behind_name = false;
    lexer->behind_dot = false;
    if (p >= lexer->end) {
        if (lexer->in_executable) {
            lexer->flags |= LEXER_UNTERMINATED;
        }
        return;
    }
    if (is_class(*p, C_IDENT)) {
        token->flags |= behind_dot ? TOKEN_DOTTED : 0;
        p = scan_name(lexer, token, p);
    } else if (*p == '.') {
        p = scan_dot(lexer, token, p, behind_name);
    } else if (*p == '`' || (*p == '"' && (lexer->mode & FACTS_ANSI_QUOTES) != 0)) {
        token->flags |= behind_dot ? TOKEN_DOTTED : 0;
        p = scan_quoted_name(lexer, token, p);
    } else if (*p == '\'' || *p == '"') {
        p = scan_string(lexer, token, p);
    } else if (*p == '@') {
        p = scan_at(lexer, token, p);
    } else {
        p = scan_punct(lexer, token, p);
    }
    token->end = p;
    lexer->pos = p;
}

struct slice token_inner(const struct token *token)
{
    struct slice text = token_text(token);

    if ((token->kind == TOKEN_QUOTED || token->kind == TOKEN_STRING) && text.len >= 2 &&
        (text.data[0] == '`' || text.data[0] == '"' || text.data[0] == '\'') &&
        text.data[text.len - 1] == text.data[0]) {
        text.data++;
        text.len -= 2;
    }
    return text;
}
