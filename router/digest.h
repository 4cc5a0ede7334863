/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.h - the normalised text of a statement and its hash, made token by token.
 *
 * Normalised as ProxySQL users know it: literals are ?, a list of literals is (?,...), rows of
 * literals behind the first are one "...", comments are gone, white space is one space or none. The
 * case of words is kept. Two statements with the same tokens but for literals have the same digest.
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
    uint8_t previous; /* what was written last: decides about the space */
    uint8_t list;     /* where in a list of literals we are */
    uint8_t row;      /* where in a row behind the first */
    char sign;        /* a sign that may belong to a literal, held back */
    bool sign_gap;
    bool rows_open; /* the parenthesis being read is a first row */
    bool rows_dots; /* "..." for the other rows is written */
    bool held_many; /* the row held back has several literals */
    bool held_end;  /* a semicolon is held back: the last one is not part of the digest */
    uint16_t word;  /* enum word_id of the last token */
    char *out;      /* the text's copy, or NULL */
    size_t out_cap;
    size_t out_len;
    char piece[DIGEST_PIECE];
};

/* digest_init - out: where the text is copied to as far as it fits, or NULL. */
void digest_init(struct digest *digest, char *out, size_t cap);
void digest_add(struct digest *digest, const struct token *token);
uint64_t digest_end(struct digest *digest);

/* The part of a mode that is the session's; the rest are settings of digests. */
#define DIGEST_SESSION_MODE (FACTS_NO_BACKSLASH_ESCAPES | FACTS_ANSI_QUOTES)

/*
 * digest_mode - mysql-query_digests_* as bits to be added to a session's mode wherever a digest is made. 0 = all at
 * their defaults.
 */
uint32_t digest_mode(const struct conf_vars *vars);

/*
 * digest_text - the normalised text of a statement; cut at cap bytes, no zero behind it. Returns
 * its length in out. mode: as in facts.h. hash: the digest is stored there, or NULL.
 */
size_t digest_text(struct slice sql, uint32_t mode, char *out, size_t cap, uint64_t *hash);

#endif
