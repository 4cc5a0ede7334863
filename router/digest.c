/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.c - writes the normalised text into a piece of memory and hashes the pieces.
 *
 * Nothing is looked at twice. The first list_limit literals of a list are written as they come;
 * from there on it is counted, and written when it is known how long the list is. A row like
 * rows_limit ones before it is read without writing (is_muted), and written after all when it turns
 * out to be different.
 *
 *   run    RUN_NONE -literal-> RUN_LITERAL -,-> RUN_COMMA -literal-> RUN_LITERAL ...
 *   rows   ROWS_NONE -row closed-> ROWS_CLOSED -,-> ROWS_COMMA -( -> ROWS_OPEN -like the one before-> ROWS_CLOSED
 */
#include "router/digest.h"

#include <xxhash.h>

#include "router/words.h"

enum previous {
    PREVIOUS_NONE,
    PREVIOUS_WORD,
    PREVIOUS_QUOTED,
    PREVIOUS_LITERAL,
    PREVIOUS_OPEN,
    PREVIOUS_CLOSE,
    PREVIOUS_COMMA,
    PREVIOUS_SIGN, /* + - * / % */
    PREVIOUS_OTHER
};
enum run { RUN_NONE, RUN_LITERAL, RUN_COMMA };
enum rows { ROWS_NONE, ROWS_CLOSED, ROWS_COMMA, ROWS_OPEN };

void digest_init(struct digest *digest, struct slice sql, uint32_t mode, char *out, size_t cap)
{
    uint32_t list = mode >> DIGEST_LIST_SHIFT & DIGEST_BITS;
    uint32_t rows = mode >> DIGEST_ROWS_SHIFT & DIGEST_BITS;

    memset(digest, 0, offsetof(struct digest, piece));
    digest->mode = mode;
    digest->list_limit = list == 0 ? DIGEST_LIST_DEFAULT : list;
    digest->rows_limit = rows == 0 ? DIGEST_ROWS_DEFAULT : rows - 1;
    digest->last_end = sql.data;
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

/* put_space - white space shows as one blank, but for places where nobody needs it. */
static inline void put_space(struct digest *digest, enum previous next, bool gap)
{
    enum previous before = (enum previous)digest->previous;

    digest->previous = (uint8_t)next;
    if (!gap || before == PREVIOUS_NONE || before == PREVIOUS_OPEN || before == PREVIOUS_COMMA ||
        next == PREVIOUS_CLOSE || next == PREVIOUS_COMMA ||
        (before == PREVIOUS_SIGN && next == PREVIOUS_LITERAL) ||
        (before == PREVIOUS_LITERAL && next == PREVIOUS_SIGN)) {
        return;
    }
    put_char(digest, ' ');
}

/* --- lists ----------------------------------------------------------------------------------- */

/* What of a list was held back, now that it goes on with something that is not part of it. */
static void end_run(struct digest *digest)
{
    uint32_t n = digest->n_literals, limit = digest->list_limit;
    bool is_open = digest->run == RUN_LITERAL; /* the last literal has no comma */

    digest->run = RUN_NONE;
    if (n >= limit + 2) {
        put_char(digest, ','); /* behind the dots */
        if (is_open) {
            put_char(digest, '?');
        }
        return;
    }
    if (n > limit) {
        put(digest, "?,", 2);
    }
    if (is_open && n >= limit) {
        put_char(digest, '?');
    }
}

/* The same at a closing parenthesis, which makes the last literal one of the list. */
static void close_run(struct digest *digest)
{
    uint32_t n = digest->n_literals, limit = digest->list_limit;

    digest->run = RUN_NONE;
    if (n == limit) {
        put_char(digest, '?');
    } else if (n == limit + 1) {
        put(digest, "...", 3);
    }
}

static void add_to_run(struct digest *digest)
{
    digest->run = RUN_LITERAL;
    digest->previous = PREVIOUS_LITERAL;
    if (digest->n_literals < digest->list_limit && !digest->is_muted) {
        put_char(digest, '?');
    }
}

static void count_comma(struct digest *digest)
{
    uint32_t n = ++digest->n_literals;

    digest->run = RUN_COMMA;
    digest->previous = PREVIOUS_COMMA;
    if (digest->is_muted) {
        return;
    }
    if (n <= digest->list_limit) {
        put_char(digest, ',');
    } else if (n == digest->list_limit + 2) {
        put(digest, "...", 3);
    }
}

/* --- rows ------------------------------------------------------------------------------------ */

/* The row being read, or the comma in front of it, is written after all, as far as it was read. */
static void unmute(struct digest *digest)
{
    uint32_t n = digest->n_literals, limit = digest->list_limit;

    digest->is_muted = false;
    put_char(digest, ',');
    if (digest->rows != ROWS_OPEN) {
        return;
    }
    put_char(digest, '(');
    if (digest->run == RUN_NONE) {
        return;
    }
    for (uint32_t i = 0; i < MIN(n, limit); i++) {
        put(digest, "?,", 2);
    }
    if (digest->run == RUN_LITERAL && n < limit) {
        put_char(digest, '?');
    }
    if (n >= limit + 2) {
        put(digest, "...", 3);
    }
}

/* Something comes that is not part of rows and lists. */
static void settle_lists(struct digest *digest)
{
    if (digest->is_muted) {
        unmute(digest);
    }
    digest->rows = ROWS_NONE;
    if (digest->run != RUN_NONE) {
        end_run(digest);
    }
}

/*
 * A list ends and with it a row, which may be like those before it. Returns whether it went away.
 */
static bool close_row(struct digest *digest)
{
    uint32_t size = MIN(digest->n_literals + 1, digest->list_limit + 2);
    bool is_like = digest->rows == ROWS_OPEN && digest->is_row && size == digest->row_size;

    if (digest->is_muted && !is_like) {
        unmute(digest);
    }
    digest->n_rows = is_like ? digest->n_rows + 1 : 1;
    digest->row_size = size;
    digest->rows = digest->is_row ? ROWS_CLOSED : ROWS_NONE;
    if (!digest->is_muted) {
        return false;
    }
    if (digest->n_rows == digest->rows_limit + 1) {
        put(digest, ",...", 4);
    }
    digest->is_muted = false;
    digest->run = RUN_NONE;
    return true;
}

/* --- tokens ---------------------------------------------------------------------------------- */

/*
 * Does a sign in front of a literal belong to it? As ProxySQL has it, a blank between a name and
 * the sign is enough.
 */
static bool is_of_literal(const struct digest *digest)
{
    switch ((enum previous)digest->previous) {
    case PREVIOUS_WORD: return digest->sign_gap;
    case PREVIOUS_NONE:
    case PREVIOUS_QUOTED:
    case PREVIOUS_LITERAL:
    case PREVIOUS_CLOSE: return false;
    case PREVIOUS_OPEN:
    case PREVIOUS_COMMA:
    case PREVIOUS_SIGN:
    case PREVIOUS_OTHER: return true;
    }
    UNREACHABLE();
}

static void give_sign(struct digest *digest)
{
    char sign = digest->sign;

    digest->sign = 0;
    settle_lists(digest);
    put_space(digest, PREVIOUS_SIGN, digest->sign_gap);
    put_char(digest, sign);
}

static void give_ends(struct digest *digest)
{
    settle_lists(digest);
    put_space(digest, PREVIOUS_OTHER, digest->end_gap);
    for (; digest->ends > 0; digest->ends--) {
        put_char(digest, ';');
    }
}

/* What is held back goes out: a word or an operator comes. */
static inline void settle(struct digest *digest)
{
    if (UNLIKELY((digest->run | digest->rows | (uint8_t)digest->sign) != 0)) {
        if (digest->sign != 0) {
            give_sign(digest);
        } else {
            settle_lists(digest);
        }
    }
}

static void add_literal(struct digest *digest, bool gap)
{
    if (digest->sign != 0) {
        if (is_of_literal(digest)) {
            digest->sign = 0;
            gap = digest->sign_gap;
        } else {
            give_sign(digest);
        }
    }
    if (digest->run == RUN_COMMA) {
        add_to_run(digest);
        return;
    }
    if (digest->run != RUN_NONE || (digest->rows != ROWS_NONE && digest->rows != ROWS_OPEN)) {
        settle_lists(digest);
    }
    if (digest->shortens && digest->previous != PREVIOUS_SIGN) {
        digest->is_row = digest->previous == PREVIOUS_OPEN;
        digest->n_literals = 0;
        if (!digest->is_muted) {
            put_space(digest, PREVIOUS_LITERAL, gap);
        }
        add_to_run(digest);
        return;
    }
    put_space(digest, PREVIOUS_LITERAL, gap);
    put_char(digest, '?');
}

static void add_comma(struct digest *digest)
{
    if (digest->sign != 0) {
        give_sign(digest);
    }
    if (digest->run == RUN_LITERAL) {
        count_comma(digest);
    } else if (digest->rows == ROWS_CLOSED) {
        digest->rows = ROWS_COMMA;
        digest->previous = PREVIOUS_COMMA;
        digest->is_muted = digest->rows_limit != 0 && digest->n_rows >= digest->rows_limit;
        if (!digest->is_muted) {
            put_char(digest, ',');
        }
    } else {
        settle_lists(digest);
        put_space(digest, PREVIOUS_COMMA, false);
        put_char(digest, ',');
    }
}

static void add_open(struct digest *digest, bool gap)
{
    digest->shortens = true;
    if (digest->sign != 0) {
        give_sign(digest);
    }
    if (digest->rows == ROWS_COMMA) {
        digest->rows = ROWS_OPEN;
        digest->previous = PREVIOUS_OPEN;
        if (!digest->is_muted) {
            put_char(digest, '(');
        }
        return;
    }
    settle_lists(digest);
    put_space(digest, PREVIOUS_OPEN, gap);
    put_char(digest, '(');
}

static void add_close(struct digest *digest)
{
    digest->shortens = false;
    if (digest->sign != 0) {
        give_sign(digest);
    }
    if (digest->run == RUN_LITERAL) {
        if (close_row(digest)) {
            digest->previous = PREVIOUS_CLOSE;
            return;
        }
        close_run(digest);
    } else {
        settle_lists(digest);
    }
    put_space(digest, PREVIOUS_CLOSE, false);
    put_char(digest, ')');
}

static void add_end(struct digest *digest, bool gap)
{
    settle(digest);
    if (digest->ends == 0) {
        digest->end_gap = gap;
    }
    if (digest->ends < UINT8_MAX) {
        digest->ends++;
    }
}

static void add_punct(struct digest *digest, char c, bool gap)
{
    switch (c) {
    case '?': add_literal(digest, gap); break;
    case ',': add_comma(digest); break;
    case '(': add_open(digest, gap); break;
    case ')': add_close(digest); break;
    case ';': add_end(digest, gap); break;
    case '-':
    case '+':
        if (digest->sign != 0) {
            give_sign(digest);
        }
        digest->sign = c;
        digest->sign_gap = gap;
        break;
    default:
        settle(digest);
        put_space(digest, c == '*' || c == '/' || c == '%' ? PREVIOUS_SIGN : PREVIOUS_OTHER, gap);
        put_char(digest, c);
        break;
    }
}

/* put_changed - letters in lower case, digits as one ?, as the settings say. */
static void put_changed(struct digest *digest, const char *text, size_t len)
{
    bool in_digits = false;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if ((digest->mode & DIGEST_NO_DIGITS) != 0 && c >= '0' && c <= '9') {
            if (!in_digits) {
                put_char(digest, '?');
            }
            in_digits = true;
            continue;
        }
        in_digits = false;
        if ((digest->mode & DIGEST_LOWERCASE) != 0 && c >= 'A' && c <= 'Z') {
            c = (char)(c | 0x20);
        }
        put_char(digest, c);
    }
}

static inline void put_name(struct digest *digest, const char *text, size_t len)
{
    if (UNLIKELY((digest->mode & (DIGEST_LOWERCASE | DIGEST_NO_DIGITS)) != 0)) {
        put_changed(digest, text, len);
    } else {
        put(digest, text, len);
    }
}

/* N'..', x'..', b'..': the letter shows. */
static void add_string(struct digest *digest, const struct token *token, bool gap)
{
    char first = *token->start;

    if (first != '\'' && first != '"' && first != '\\') {
        settle(digest);
        put_space(digest, PREVIOUS_WORD, gap);
        put_name(digest, &first, 1);
        gap = false;
    }
    add_literal(digest, gap);
}

static inline void add_word(struct digest *digest, const struct token *token, bool gap)
{
    enum previous kind = PREVIOUS_WORD;

    if (UNLIKELY(token->word == W_NULL) && (digest->mode & DIGEST_REPLACE_NULL) != 0) {
        add_literal(digest, gap);
        return;
    }
    if (token->kind == TOKEN_QUOTED) {
        kind = PREVIOUS_QUOTED;
    } else if (token->kind == TOKEN_SYSTEM_VARIABLE) {
        kind = PREVIOUS_OTHER;
    }
    settle(digest);
    put_space(digest, kind, gap);
    put_name(digest, token->start, (size_t)(token->end - token->start));
}

/* --- comments that stay ---------------------------------------------------------------------- */

static void add_comment(struct digest *digest, struct slice comment)
{
    settle(digest);
    put_space(digest, PREVIOUS_OTHER, true);
    put_name(digest, comment.data, comment.len);
}

/* What stands between two tokens: white space, comments, the ends of comments that are code. */
static void add_gap(struct digest *digest, const char *p, const char *end)
{
    while (p < end) {
        size_t left = (size_t)(end - p);
        const char *behind = NULL;

        if (*p == '#' || (left >= 2 && p[0] == '-' && p[1] == '-')) {
            behind = memchr(p, '\n', left);
            p = behind == NULL ? end : behind + 1;
        } else if (left >= 4 && p[0] == '/' && p[1] == '*' && p[2] != '!' &&
                   !(p[2] == 'M' && p[3] == '!')) {
            behind = memmem(p + 2, left - 2, "*/", 2);
            behind = behind == NULL ? end : behind + 2;
            add_comment(digest, (struct slice){p, (size_t)(behind - p)});
            p = behind;
        } else {
            p++;
        }
    }
}

void digest_add(struct digest *digest, const struct token *token)
{
    bool gap = (token->flags & TOKEN_GAP) != 0;

    if (UNLIKELY(digest->ends != 0) && token->punct != ';') {
        give_ends(digest);
    }
    if (UNLIKELY((digest->mode & DIGEST_KEEP_COMMENT) != 0)) {
        if ((token->flags & TOKEN_COMMENT) != 0) {
            add_gap(digest, digest->last_end, token->start);
        }
        digest->last_end = token->end;
    }
    if (token->kind == TOKEN_PUNCT) {
        add_punct(digest, token->punct, gap);
    } else if (token->kind == TOKEN_NUMBER) {
        add_literal(digest, gap);
    } else if (token->kind == TOKEN_STRING) {
        add_string(digest, token, gap);
    } else {
        add_word(digest, token, gap);
    }
}

uint64_t digest_end(struct digest *digest)
{
    settle(digest);
    flush(digest);
    return digest->hash;
}

size_t digest_text(struct slice sql, uint32_t mode, char *out, size_t cap, uint64_t *hash)
{
    struct digest digest;
    struct lexer lexer;
    struct token token;
    uint64_t end;

    digest_init(&digest, sql, mode, out, cap);
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
