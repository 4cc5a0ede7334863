/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.h - the normalised text of a statement and its hash, made token by token.
 *
 * The text is the one that ProxySQL 2.6 shows, so that its match_digest patterns fit: literals are
 * ?; a list of them keeps three and becomes (?,?,?,...) when it has five or more; of rows that are
 * alike ten are kept; comments are gone, white space is one blank where there was some, and none by
 * parentheses, commas, and between a literal and an arithmetic sign; a sign that belongs to a
 * literal is gone; the case is kept. See mysql-query_digests_* for what can be changed.
 */
#ifndef ROUTER_DIGEST_H
#define ROUTER_DIGEST_H

#include "base/base.h"
#include "conf/keys.h"
#include "router/facts.h"
#include "router/token.h"

/* Text is hashed in pieces of this size: the digest of a shorter text is XXH3_64bits() of it. */
#define DIGEST_PIECE 1024

struct digest {
    uint64_t hash;
    uint32_t len;     /* bytes in piece */
    uint8_t previous; /* what the last token was: decides about the space */
    uint8_t run;      /* in a list of literals: where */
    uint8_t rows;     /* between or in rows of literals: where */
    char sign;        /* that may belong to a literal: held back */
    uint8_t ends;     /* semicolons held back: the last ones are not part of the digest */
    bool sign_gap, end_gap;
    bool shortens;       /* behind an opening parenthesis, with no closing one in between */
    bool is_row;         /* the list being read began directly behind its parenthesis */
    bool is_muted;       /* the row being read may go away: nothing is written */
    uint32_t n_literals; /* of the list, each with a comma behind it */
    uint32_t n_rows;     /* that were alike */
    uint32_t row_size;   /* literals of each, as many as show */
    uint32_t mode;
    uint32_t list_limit, rows_limit;
    const char *last_end; /* of the token before: comments are behind it */
    char *out;            /* the text's copy, or NULL */
    size_t out_cap;
    size_t out_len;
    char piece[DIGEST_PIECE];
};

/*
 * digest_init - sql, mode: as for facts_scan. out: where the text is copied to as far as it fits,
 * or NULL.
 */
void digest_init(struct digest *digest, struct slice sql, uint32_t mode, char *out, size_t cap);
void digest_add(struct digest *digest, const struct token *token);
uint64_t digest_end(struct digest *digest);

/* The part of a mode that is the session's; the rest are settings of digests. */
#define DIGEST_SESSION_MODE (FACTS_NO_BACKSLASH_ESCAPES | FACTS_ANSI_QUOTES)

/*
 * digest_mode - mysql-query_digests_* as bits to be added to a session's mode wherever a digest is
 * made. 0 = all at their defaults.
 */
uint32_t digest_mode(const struct conf_vars *vars);

/*
 * digest_text - the normalised text of a statement; cut at cap bytes, no zero behind it. Returns
 * its length in out. mode: as in facts.h. hash: the digest is stored there, or NULL.
 */
size_t digest_text(struct slice sql, uint32_t mode, char *out, size_t cap, uint64_t *hash);

#endif
