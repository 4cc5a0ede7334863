/* SPDX-License-Identifier: Apache-2.0 */
/*
 * learn.h - what nodes have answered once and would answer the same again: SET statements and reads
 * of variables.
 *
 * Nothing is guessed: an answer is the bytes a node sent for the same text under the same
 * variables, and is asked for again after LEARN_TTL_MS. One table for each worker, bounded; full =
 * emptied.
 */
#ifndef PROXY_LEARN_H
#define PROXY_LEARN_H

#include "base/map.h"
#include "pool/profile.h"

#define LEARN_TTL_MS     10000
#define LEARN_MAX        20000
#define LEARN_ANSWER_MAX 1024 /* bytes */

/* What the OK to it reported. */
struct set_said {
    struct slice changes; /* block of session changes (protocol/reply.h) */
    bool is_known;        /* all of it is here */
    bool is_told;         /* it is what the client was told: the connection had its values */
};

/* SET that a node accepted without a warning: from one profile to another. */
struct learnt_set {
    struct profile *from; /* references */
    struct profile *to;
    uint64_t until_ms;
    struct set_said said; /* slices behind the key, in the same block */
    size_t key_len;
    char key[]; /* account, no form, profile, text */
};

struct learnt_answer {
    uint64_t until_ms;
    size_t len;
    uint8_t n_status;      /* 2; of clients with DEPRECATE_EOF 1 */
    uint16_t status_at[2]; /* offsets of the status words, in EOF packets or the last OK */
    uint8_t *bytes;        /* behind the key, in the same block */
    size_t key_len;
    char key[]; /* no account, form, profile, text */
};

struct learnt {
    struct map sets;
    struct map answers;
    struct profiles *profiles; /* borrowed */
};

void learnt_init(struct learnt *l, struct profiles *profiles);
void learnt_fini(struct learnt *l);

/* learnt_set_find - what came of this SET (borrowed), or NULL: a node must run it. */
const struct learnt_set *learnt_set_find(struct learnt *l, const void *account,
                                         const struct profile *from, struct slice text,
                                         uint64_t now_ms);
void learnt_set_keep(struct learnt *l, const void *account, struct profile *from, struct slice text,
                     struct profile *to, struct set_said said, uint64_t now_ms);

/*
 * learnt_answer_find - the reply to this read of variables; its status words must be set by the
 * caller. hostgroup: who asks has it by default; another may be another cluster. caps: what differs
 * in CAPS_OF_FORM has other answers.
 */
const struct learnt_answer *learnt_answer_find(struct learnt *l, int hostgroup, uint64_t caps,
                                               const struct profile *profile, struct slice text,
                                               uint64_t now_ms);
/*
 * learnt_answer_keep - reply: one whole text result set; kept only when it has the expected form.
 */
void learnt_answer_keep(struct learnt *l, int hostgroup, uint64_t caps,
                        const struct profile *profile, struct slice text, struct slice reply,
                        uint64_t now_ms);

#endif
