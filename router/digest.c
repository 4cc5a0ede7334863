/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.c - writes the normalised text into a piece of memory and hashes the pieces.
 *
 * Nothing is looked at twice: what may turn out to be part of a list is held back as a state and
 * written when the next token decides.
 *
 *   list   LIST_NONE -( -> LIST_OPEN -1-> LIST_ONE -,-> LIST_ONE_COMMA -1-> LIST_MANY
 *          -,-> LIST_MANY_COMMA
 *   row    ROW_NONE -first row closed-> ROW_CLOSED -,-> ROW_COMMA -( -> ROW_OPEN -1-> ROW_VALUE
 *          -,-> ROW_VALUE_COMMA ...; a second row that is closed as well is written as ",..."
 */
#include "router/digest.h"

#include <xxhash.h>

#include "router/words.h"

enum previous {
    PREVIOUS_NONE,
    PREVIOUS_WORD,
    PREVIOUS_OPEN,
    PREVIOUS_CLOSE,
    PREVIOUS_TIGHT,
    PREVIOUS_LOOSE
};
enum list { LIST_NONE, LIST_OPEN, LIST_ONE, LIST_ONE_COMMA, LIST_MANY, LIST_MANY_COMMA };
enum row { ROW_NONE, ROW_CLOSED, ROW_COMMA, ROW_OPEN, ROW_VALUE, ROW_VALUE_COMMA };

void digest_init(struct digest *digest, char *out, size_t cap)
{
    memset(digest, 0, offsetof(struct digest, piece));
    digest->out = out;
    digest->out_cap = out == NULL ? 0 : cap;
}

static void flush(struct digest *digest)
{
    size_t room = digest->out_cap - digest->out_len;
    size_t n = MIN((size_t)digest->len, room);

    digest->hash = XXH3_64bits_withSeed(digest->piece, digest->len, digest->hash);
    if (n > 0) {
        memcpy(digest->out + digest->out_len, digest->piece, n);
        digest->out_len += n;
    }
    digest->len = 0;
}

static void put_in_pieces(struct digest *digest, const char *text, size_t len)
{
    while (len > DIGEST_PIECE - digest->len) {
        size_t n = DIGEST_PIECE - digest->len;

        memcpy(digest->piece + digest->len, text, n);
        digest->len = DIGEST_PIECE;
        text += n;
        len -= n;
        flush(digest);
    }
    memcpy(digest->piece + digest->len, text, len);
    digest->len += (uint32_t)len;
}

/* put - words are short: two copies of a fixed size that may overlap cost less than a call. */
static inline void put(struct digest *digest, const char *text, size_t len)
{
    char *to = digest->piece + digest->len;

    if (UNLIKELY(len > 16 || len > DIGEST_PIECE - digest->len)) {
        put_in_pieces(digest, text, len);
        return;
    }
    if (len >= 8) {
        memcpy(to, text, 8);
        memcpy(to + (len - 8), text + (len - 8), 8);
    } else if (len >= 4) {
        memcpy(to, text, 4);
        memcpy(to + (len - 4), text + (len - 4), 4);
    } else if (len > 0) {
        to[0] = text[0];
        to[len / 2] = text[len / 2];
        to[len - 1] = text[len - 1];
    }
    digest->len += (uint32_t)len;
}

static inline void put_char(struct digest *digest, char c)
{
    if (UNLIKELY(digest->len == DIGEST_PIECE)) {
        flush(digest);
    }
    digest->piece[digest->len++] = c;
}

/*
 * put_space - one space where two words would run into one, and where there was one by a
 * parenthesis.
 */
static inline void put_space(struct digest *digest, enum previous next, bool gap)
{
    enum previous before = (enum previous)digest->previous;
    bool words = before == PREVIOUS_WORD && next == PREVIOUS_WORD;
    bool seen = gap && before != PREVIOUS_NONE && before != PREVIOUS_TIGHT &&
                before != PREVIOUS_OPEN && next != PREVIOUS_TIGHT && next != PREVIOUS_CLOSE;

    if (words || seen) {
        put_char(digest, ' ');
    }
    digest->previous = (uint8_t)next;
}

static void put_literal(struct digest *digest, bool gap)
{
    put_space(digest, PREVIOUS_WORD, gap);
    put_char(digest, '?');
}

static inline void put_tight(struct digest *digest, char c)
{
    put_char(digest, c);
    digest->previous = PREVIOUS_TIGHT;
}

/*
 * give_open_row - the row held back is not like the first: write it and go on in the list it
 * has.
 */
static void give_open_row(struct digest *digest)
{
    enum row row = (enum row)digest->row;

    digest->row = ROW_NONE;
    digest->rows_dots = false;
    if (row < ROW_COMMA) {
        return;
    }
    put_tight(digest, ',');
    if (row == ROW_COMMA) {
        return;
    }
    put_char(digest, '(');
    digest->previous = PREVIOUS_OPEN;
    digest->list = LIST_OPEN;
    if (row == ROW_OPEN) {
        return;
    }
    put(digest, digest->held_many ? "?,..." : "?", digest->held_many ? 5 : 1);
    digest->previous = PREVIOUS_WORD;
    digest->list = digest->held_many ? LIST_MANY : LIST_ONE;
    if (row == ROW_VALUE_COMMA) {
        digest->list++;
    }
}

static inline void give_row(struct digest *digest)
{
    if (digest->row != ROW_NONE) {
        give_open_row(digest);
    }
}

static inline void give_comma(struct digest *digest)
{
    if (digest->list == LIST_ONE_COMMA || digest->list == LIST_MANY_COMMA) {
        put_tight(digest, ',');
    }
}

/* expects_literal - a sign here belongs to the literal behind it. */
static bool expects_literal(const struct digest *digest)
{
    if (digest->row >= ROW_COMMA) {
        return digest->row == ROW_OPEN || digest->row == ROW_VALUE_COMMA;
    }
    return digest->list == LIST_OPEN || digest->list == LIST_ONE_COMMA ||
           digest->list == LIST_MANY_COMMA || digest->previous == PREVIOUS_TIGHT;
}

/* give_sign - the sign was an operator after all. */
static inline void give_sign(struct digest *digest)
{
    if (UNLIKELY(digest->sign != 0)) {
        char sign = digest->sign;

        digest->sign = 0;
        give_row(digest);
        give_comma(digest);
        digest->list = LIST_NONE;
        put_tight(digest, sign);
    }
}

static void add_literal(struct digest *digest, bool gap)
{
    digest->sign = 0;
    if (digest->row == ROW_OPEN || digest->row == ROW_VALUE_COMMA) {
        digest->held_many = digest->row == ROW_VALUE_COMMA;
        digest->row = ROW_VALUE;
        return;
    }
    give_row(digest);
    if (digest->list == LIST_ONE_COMMA) {
        put(digest, ",...", 4);
        digest->list = LIST_MANY;
    } else if (digest->list == LIST_MANY_COMMA) {
        digest->list = LIST_MANY;
    } else {
        put_literal(digest, gap);
        digest->list = digest->list == LIST_OPEN ? LIST_ONE : LIST_NONE;
    }
    digest->previous = PREVIOUS_WORD;
}

static void add_comma(struct digest *digest)
{
    if (digest->row == ROW_CLOSED || digest->row == ROW_VALUE) {
        digest->row++;
    } else if (digest->row == ROW_NONE && (digest->list == LIST_ONE || digest->list == LIST_MANY)) {
        digest->list++;
    } else {
        give_row(digest);
        give_comma(digest);
        digest->list = LIST_NONE;
        put_tight(digest, ',');
    }
}

static void add_open(struct digest *digest, bool gap)
{
    bool is_rows =
        digest->word == W_VALUES || digest->word == W_VALUE || digest->previous == PREVIOUS_OPEN;

    if (digest->row == ROW_COMMA) {
        digest->row = ROW_OPEN;
        digest->held_many = false;
        return;
    }
    give_row(digest);
    give_comma(digest);
    put_space(digest, PREVIOUS_OPEN, gap);
    put_char(digest, '(');
    digest->list = LIST_OPEN;
    digest->rows_open = is_rows;
}

static void add_close(struct digest *digest)
{
    bool is_row = digest->list == LIST_ONE || digest->list == LIST_MANY;

    if (digest->row == ROW_VALUE) {
        if (!digest->rows_dots) {
            put(digest, ",...", 4);
            digest->rows_dots = true;
        }
        digest->row = ROW_CLOSED;
        return;
    }
    give_row(digest);
    give_comma(digest);
    put_char(digest, ')');
    digest->previous = PREVIOUS_CLOSE;
    digest->list = LIST_NONE;
    digest->row = is_row && digest->rows_open ? ROW_CLOSED : ROW_NONE;
    digest->rows_open = false;
}

static void add_punct(struct digest *digest, const struct token *token)
{
    char c = token->punct;
    bool gap = (token->flags & TOKEN_GAP) != 0;

    if (c == '?') {
        add_literal(digest, gap);
        return;
    }
    if ((c == '-' || c == '+') && digest->sign == 0 && expects_literal(digest)) {
        digest->sign = c;
        return;
    }
    give_sign(digest);
    if (c == ',') {
        add_comma(digest);
    } else if (c == '(') {
        add_open(digest, gap);
    } else if (c == ')') {
        add_close(digest);
    } else {
        give_row(digest);
        give_comma(digest);
        digest->list = LIST_NONE;
        if (c == ';') {
            digest->held_end = true;
        } else if (c == '*' || c == '{' || c == '}') {
            put_space(digest, PREVIOUS_LOOSE, gap);
            put_char(digest, c);
        } else {
            put_tight(digest, c);
        }
    }
}

static void add_word(struct digest *digest, const struct token *token)
{
    if (token->word == W_NULL && expects_literal(digest) && digest->previous != PREVIOUS_TIGHT) {
        add_literal(digest, (token->flags & TOKEN_GAP) != 0);
        return;
    }
    give_sign(digest);
    give_row(digest);
    give_comma(digest);
    digest->list = LIST_NONE;
    put_space(digest, PREVIOUS_WORD, (token->flags & TOKEN_GAP) != 0);
    put(digest, token->start, (size_t)(token->end - token->start));
    if (token->kind == TOKEN_SYSTEM_VARIABLE) {
        digest->previous = PREVIOUS_TIGHT;
    }
}

void digest_add(struct digest *digest, const struct token *token)
{
    if (UNLIKELY(digest->held_end) && token->punct != ';') {
        digest->held_end = false;
        put_tight(digest, ';');
    }
    if (token->kind == TOKEN_PUNCT) {
        add_punct(digest, token);
    } else if (token->kind == TOKEN_NUMBER || token->kind == TOKEN_STRING) {
        add_literal(digest, (token->flags & TOKEN_GAP) != 0);
    } else {
        add_word(digest, token);
    }
    digest->word = token->word;
}

uint64_t digest_end(struct digest *digest)
{
    give_sign(digest);
    give_row(digest);
    give_comma(digest);
    flush(digest);
    return digest->hash;
}

size_t digest_text(struct slice sql, uint32_t mode, char *out, size_t cap, uint64_t *hash)
{
    struct digest digest;
    struct lexer lexer;
    struct token token;
    uint64_t end;

    digest_init(&digest, out, cap);
    lexer_init(&lexer, sql, mode);
    for (lexer_next(&lexer, &token); token.kind != TOKEN_END; lexer_next(&lexer, &token)) {
        digest_add(&digest, &token);
    }
    end = digest_end(&digest);
    if (hash != NULL) {
        *hash = end;
    }
    return digest.out_len;
}

uint32_t digest_mode(const struct conf_vars *vars)
{
    uint32_t mode = 0;

    mode |= vars->mysql_query_digests_lowercase ? DIGEST_LOWERCASE : 0;
    mode |= vars->mysql_query_digests_no_digits ? DIGEST_NO_DIGITS : 0;
    mode |= vars->mysql_query_digests_replace_null ? DIGEST_REPLACE_NULL : 0;
    mode |= vars->mysql_query_digests_keep_comment ? DIGEST_KEEP_COMMENT : 0;
    if (vars->mysql_query_digests_grouping_limit != DIGEST_LIST_DEFAULT) {
        mode |= (uint32_t)vars->mysql_query_digests_grouping_limit << DIGEST_LIST_SHIFT;
    }
    if (vars->mysql_query_digests_groups_grouping_limit != DIGEST_ROWS_DEFAULT) {
        /* One more than it is: 0 is the default, and no limit is a setting, too. */
        mode |= (uint32_t)(vars->mysql_query_digests_groups_grouping_limit + 1)
                << DIGEST_ROWS_SHIFT;
    }
    return mode;
}
