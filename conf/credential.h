/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential.h - who may use the console: "user:password;user2:password2" taken apart.
 */
#ifndef CONF_CREDENTIAL_H
#define CONF_CREDENTIAL_H

#include "base/base.h"

struct credential {
    struct slice user;     /* borrowed from the list; never empty */
    struct slice password; /* the rest behind the first colon; may be empty */
};

/*
 * credential_next - take the first entry off the list. Spaces around an entry are not part of it;
 * empty entries are left out.
 *
 * Returns 1 with *out, 0 at the end, ERR_CONFIG for an entry without a colon or without a user; the
 * list goes on behind it in all cases.
 */
int credential_next(struct slice *list, struct credential *out) MUST_CHECK;

/* credential_find - the first good entry of this user. */
bool credential_find(struct slice list, struct slice user, struct credential *out);

#endif
