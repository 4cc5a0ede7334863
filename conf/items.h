/* SPDX-License-Identifier: Apache-2.0 */
/*
 * items.h - a list in one text, as "a; b; c", taken apart.
 */
#ifndef CONF_ITEMS_H
#define CONF_ITEMS_H

#include "base/base.h"

/*
 * items_next - take the first item off the list, and the separator behind it. Spaces around it are
 * not part of it.
 */
static inline struct slice items_next(struct slice *list, char separator)
{
    const char *end = list->len == 0 ? NULL : memchr(list->data, separator, list->len);
    size_t n = end == NULL ? list->len : (size_t)(end - list->data);
    struct slice item = {list->data, n};

    n += end == NULL ? 0 : 1;
    *list = (struct slice){list->data + n, list->len - n};
    while (item.len > 0 && item.data[0] == ' ') {
        item = (struct slice){item.data + 1, item.len - 1};
    }
    while (item.len > 0 && item.data[item.len - 1] == ' ') {
        item.len--;
    }
    return item;
}

#endif
