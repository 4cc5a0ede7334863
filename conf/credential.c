/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential.c - see credential.h.
 */
#include "conf/credential.h"

#include "base/err.h"
#include "conf/items.h"

int credential_next(struct slice *list, struct credential *out)
{
    while (list->len > 0) {
        struct slice item = items_next(list, ';');
        const char *colon = item.len == 0 ? NULL : memchr(item.data, ':', item.len);

        if (item.len == 0) {
            continue;
        }
        if (colon == NULL || colon == item.data) {
            return ERR_CONFIG;
        }
        out->user = (struct slice){item.data, (size_t)(colon - item.data)};
        out->password = (struct slice){colon + 1, item.len - out->user.len - 1};
        return 1;
    }
    return 0;
}

bool credential_find(struct slice list, struct slice user, struct credential *out)
{
    int rc;

    while ((rc = credential_next(&list, out)) != 0) {
        if (rc == 1 && slice_eq(out->user, user)) {
            return true;
        }
    }
    return false;
}
