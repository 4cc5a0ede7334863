/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex.h - the regular expressions of rules: compiled once, matched by many threads, never for
 * long.
 *
 * Whoever writes a pattern is trusted, the text it meets is not. What one match may cost is
 * bounded: by steps, by bytes of text, and by the choice between JIT (which does not count every
 * step) and the interpreter (which does).
 */
#ifndef ROUTER_REGEX_H
#define ROUTER_REGEX_H

#include "base/base.h"

#define REGEX_TEXT_MAX   65536 /* bytes of a text that are looked at */
#define REGEX_GROUPS     10    /* \0 to \9 */
#define REGEX_WHY        320
#define REGEX_PROBES     8 /* pairs of bytes that a text must have */
#define REGEX_SIEVE_BITS 4096

struct regex;

/*
 * regex_new - compile with JIT. caseless: without regard to case. Bytes, not characters, as
 * ProxySQL has it. Returns NULL with the reason and the place in why.
 */
struct regex *regex_new(const char *pattern, bool caseless, char why[REGEX_WHY]);
void regex_free(struct regex *regex);

/* What one thread needs to match. */
struct regex_scratch;
struct regex_scratch *regex_scratch_new(void);
void regex_scratch_free(struct regex_scratch *scratch);

/* A text's pairs of bytes, case folded: who asks for one that is not there needs no regex. */
struct regex_sieve {
    uint64_t bits[REGEX_SIEVE_BITS / 64];
};

void regex_sieve_fill(struct regex_sieve *sieve, struct slice text);

/* regex_may_match - false: the text has not what every match must have. */
bool regex_may_match(const struct regex *regex, const struct regex_sieve *sieve);

enum regex_result { REGEX_NO, REGEX_YES, REGEX_LIMIT };

/* regex_match - does it match anywhere? REGEX_LIMIT: it took too long to say. */
enum regex_result regex_match(const struct regex *regex, struct regex_scratch *scratch,
                              struct slice text);

/*
 * regex_check_replacement - may the pattern be used with the groups there are? Returns NULL, or
 * what is wrong with it.
 */
const char *regex_check_replacement(const struct regex *regex, const char *replacement);

/*
 * How to replace: \0 to \9 are groups, \\ a backslash; all matches or the first one; where the text
 * goes.
 */
struct regex_edit {
    const char *replacement;
    bool global;
    char *out;
    size_t cap;
};

/*
 * regex_replace - returns the number of bytes in out; 0 = nothing matched, a limit was met, or out
 * is too small (*result says which; REGEX_YES with 0 bytes: too small, or all is gone).
 */
size_t regex_replace(const struct regex *regex, struct regex_scratch *scratch, struct slice text,
                     const struct regex_edit *edit, enum regex_result *result);

#endif
