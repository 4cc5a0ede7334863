/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential.c - see credential.h.
 */
#include "conf/credential.h"

#include "base/err.h"

static struct slice trim(struct slice s)
{
    while (s.len > 0 && s.data[0] == ' ') {
        s = (struct slice){s.data + 1, s.len - 1};
    }
    while (s.len > 0 && s.data[s.len - 1] == ' ') {
        s.len--;
    }
    return s;
}

/* Up to the next ; which is taken off too. */
static struct slice cut(struct slice *list)
{
    const char *end = memchr(list->data, ';', list->len);
    size_t n = end == NULL ? list->len : (size_t)(end - list->data);
    struct slice item = {list->data, n};

    n += end == NULL ? 0 : 1;
    *list = (struct slice){list->data + n, list->len - n};
    return trim(item);
}

int credential_next(struct slice *list, struct credential *out)
{
    while (list->len > 0) {
        struct slice item = cut(list);
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
