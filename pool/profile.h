/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.h - the set of session variables that differ from a fresh server connection's, interned.
 *
 * Equal sets are the same pointer, so "does this connection fit" is one compare. A worker has its
 * own table: its clients and server connections share it without a lock.
 */
#ifndef POOL_PROFILE_H
#define POOL_PROFILE_H

#include "base/base.h"
#include "base/map.h"
#include "pool/variable.h"
#include "protocol/track.h"

/*
 * SET NAMES is more than its parts: with COLLATE, results are declared in that collation too (seen
 * with 10.11). It is carried as one value, "charset" or "charset collation"; single charset
 * variables set after it come on top. Never utf8 alone, which old_mode makes utf8mb3 or utf8mb4.
 */
#define PROFILE_NAMES  VARIABLE_COUNT
#define PROFILE_VALUES (VARIABLE_COUNT + 1)

#define PROFILE_VALUE_MAX \
    4096 /* bytes of one value; longer ones are not carried (the session is pinned) */
#define PROFILES_MAX 100000 /* of one worker */

struct profile {
    unsigned refs;
    uint32_t id;       /* unique in the worker while the profile lives */
    uint16_t status;   /* STATUS_NO_BACKSLASH_ESCAPES, STATUS_ANSI_QUOTES as its sql_mode says */
    bool has_sql_mode; /* status says something; else the nodes' default holds */
    bool
        is_charset_unsafe; /* of character_set_client: what is a string and what is not cannot be told */
    bool wants_fresh; /* wsrep_sync_wait is set: MariaDB 10.11 ignores it on reset connections */
    struct track_wish wish; /* what a client with these is told; slices into key, or static */
    struct slice key;       /* owned: "variable=value\0" for each, in order */
    struct slice
        values[PROFILE_VALUES]; /* into key; data NULL = the node's default; len 0 = NULL */
};

/* profile_names_charset - of a value of PROFILE_NAMES, what stands before a collation. */
struct slice profile_names_charset(struct slice names);

struct profiles {
    struct map by_key;
    struct profile *empty; /* the defaults; owned */
    uint32_t next_id;
};

void profiles_init(struct profiles *t);
void profiles_fini(struct profiles *t);

/* profile_ref, profile_unref - unref may free. */
struct profile *profile_ref(struct profile *p);
void profile_unref(struct profiles *t, struct profile *p);

/*
 * profile_with - p with one variable (or PROFILE_NAMES) changed (value.data NULL = back to the
 * default).
 *
 * Returns a profile with a reference of its own (p's is not touched), or NULL when the value or the
 * table is too large.
 */
struct profile *profile_with(struct profiles *t, const struct profile *p, int variable,
                             struct slice value) MUST_CHECK;

/* profile_of_charset - the defaults but for the charset a client named at login (collation id). */
struct profile *profile_of_charset(struct profiles *t, uint8_t collation_id) MUST_CHECK;

/*
 * profile_write_set - append the text of the SET statement that brings a connection from one
 * profile to another ("SET a='x',b=DEFAULT"); nothing when there is no difference that SET can
 * express.
 */
void profile_write_set(struct writer *w, const struct profile *from, const struct profile *to);

/*
 * profile_write_tracking - the SET statement that gives a connection the virtual ones (variable.h).
 */
void profile_write_tracking(struct writer *w, const struct profile *p);

#endif
