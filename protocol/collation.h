/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collation.h - the collations a client can name at login by one byte, as MariaDB 10.11 numbers
 * them.
 */
#ifndef PROTOCOL_COLLATION_H
#define PROTOCOL_COLLATION_H

#include "base/base.h"

struct collation {
    const char *charset;
    const char *name;
    bool is_default; /* of its charset */
};

/*
 * collation_is_wide - more than a byte for each ASCII character: a node takes no statements in it.
 */
bool collation_is_wide(const struct collation *c);

/*
 * collation_find - the number of a collation by its name, or of a charset's default one when the
 * name is empty; any case, "utf8" is utf8mb3. 0 = none that has a number of one byte.
 */
uint8_t collation_find(struct slice charset, struct slice name);

/* collation_by_id - NULL for numbers that 10.11 does not know. */
const struct collation *collation_by_id(uint8_t id);

#endif
