/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.c - look-ups in the table of errors.
 */
#include "base/err.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* libuv's codes that are no errno; base/ does not know libuv, and these numbers are its ABI. */
#define UV_END_OF_FILE       (-4095)
#define UV_UNKNOWN           (-4094)
#define UV_NAME_LOOKUP_FIRST (-3000)
#define UV_NAME_LOOKUP_LAST  (-3014)

struct err_entry {
    const char *name;
    const char *text;
    const char *sqlstate;
    uint16_t number;
};

static const struct err_entry table[ERR_COUNT] = {
#define X(name, number, sqlstate, text) [name##_INDEX] = {#name, text, sqlstate, number},
    ERR_TABLE(X)
#undef X
};

/* The entry of a code of ours, or NULL. */
static const struct err_entry *entry_of(int rc)
{
    if (rc > ERR_FIRST || rc <= ERR_FIRST - (int)ERR_COUNT) {
        return NULL;
    }
    return &table[ERR_FIRST - rc];
}

/* The name (or text) of a code that is not ours: 0, an errno, one of libuv's extra codes. */
static const char *foreign(int rc, const char *(*of_errno)(int), const char *zero, const char *eof,
                           const char *lookup, const char *unknown)
{
    const char *known = NULL;

    if (rc == 0) {
        return zero;
    }
    if (rc == UV_END_OF_FILE) {
        return eof;
    }
    if (rc <= UV_NAME_LOOKUP_FIRST && rc >= UV_NAME_LOOKUP_LAST) {
        return lookup;
    }
    if (rc < 0 && rc > UV_UNKNOWN) {
        known = of_errno(-rc);
    }
    return known != NULL ? known : unknown;
}

const char *err_text(int rc)
{
    const struct err_entry *entry = entry_of(rc);

    if (entry != NULL) {
        return entry->text;
    }
    return foreign(rc, strerrordesc_np, "Success", "End of file", "Name lookup failed",
                   "Unknown error");
}

const char *err_name(int rc)
{
    const struct err_entry *entry = entry_of(rc);

    if (entry != NULL) {
        return entry->name;
    }
    return foreign(rc, strerrorname_np, "OK", "EOF", "EAI", "UNKNOWN");
}

uint16_t err_number(int rc)
{
    const struct err_entry *entry = entry_of(rc);

    return entry != NULL ? entry->number : 1105;
}

const char *err_sqlstate(int rc)
{
    const struct err_entry *entry = entry_of(rc);

    return entry != NULL ? entry->sqlstate : "HY000";
}
