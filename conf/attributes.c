/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attributes.c - see attributes.h.
 */
#include "conf/attributes.h"

#include <jansson.h>

#include "conf/keys.h"
#include "conf/tables.h"

bool attributes_causal_window(const char *attributes, int64_t *window_ms)
{
    const struct key *key = key_at(KEY_mysql_causal_window_ms);
    json_t *root = attributes[0] == '\0' ? NULL : json_loads(attributes, 0, NULL);
    const json_t *window = json_object_get(root, "causal_window_ms"); /* NULL: no object */
    json_int_t n = json_integer_value(window);
    bool is_good = window == NULL || (json_is_integer(window) && n >= key->min && n <= key->max);

    *window_ms = window != NULL && is_good ? (int64_t)n : CONF_UNSET;
    json_decref(root);
    return is_good;
}
