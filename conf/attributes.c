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

/* False = it is there, and no text that could be meant. */
static bool read_text(const json_t *root, const char *key, char *out, size_t size)
{
    const json_t *value = json_object_get(root, key);
    const char *text = value == NULL ? "" : json_string_value(value);

    tls_need_set(out, size, text != NULL ? text : "?");
    return text != NULL && strlen(text) < size;
}

bool attributes_tls_need(const char *attributes, struct tls_need *need)
{
    json_t *root = attributes[0] == '\0' ? NULL : json_loads(attributes, 0, NULL);
    const json_t *x509 = json_object_get(root, "require_x509");
    bool is_good = x509 == NULL || json_is_boolean(x509);

    *need = (struct tls_need){.certificate = x509 != NULL && !json_is_false(x509)};
    is_good &= read_text(root, "x509_subject", need->subject, sizeof(need->subject));
    is_good &= read_text(root, "x509_issuer", need->issuer, sizeof(need->issuer));
    is_good &= read_text(root, "ssl_cipher", need->cipher, sizeof(need->cipher));
    need->certificate |= need->subject[0] != '\0' || need->issuer[0] != '\0';
    need->tls = need->certificate || need->cipher[0] != '\0';
    json_decref(root);
    return is_good;
}
