/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_record.c - see user_record.h.
 */
#include "pool/user_record.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"

#define PRIV_MAX    65536 /* bytes of a row's JSON */
#define DAY_S       86400
#define PLUGINS_MAX 32 /* of one account */

static int64_t number_of(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    double number = json_number_value(value);

    if (!json_is_number(value) || number < -9e15 || number > 9e15) {
        return otherwise;
    }
    return (int64_t)number;
}

/* What is there, but no text, is no password and no plugin that we know. */
static const char *text_of(const json_t *object, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(object, key);

    return value == NULL ? otherwise : json_is_string(value) ? json_string_value(value) : "?";
}

static void read_native(struct user_record *r, const char *stored)
{
    struct secret secret;

    if (stored[0] == '\0') {
        r->is_empty = true;
    } else if (stored[0] == '*' && secret_parse(&secret, slice_of(stored)) == 0) {
        r->has_stage2 = true; /* anything else ("invalid") is a password that nobody has */
        memcpy(r->stage2, secret.stage2, SHA1_LEN);
        secret_wipe(&secret);
    }
}

/* One plugin of an account. Of two of a kind the first holds. */
static void read_plugin(struct user_record *r, const json_t *object)
{
    struct slice plugin = slice_of(text_of(object, "plugin", PLUGIN_NATIVE));
    const char *stored = text_of(object, "authentication_string", "");

    if (slice_eq_nocase(plugin, SLICE(PLUGIN_NATIVE)) && !r->has_stage2) {
        read_native(r, stored);
    } else if (slice_eq_nocase(plugin, SLICE("ed25519")) && !r->has_ed25519_key) {
        r->has_ed25519_key = ed25519_parse(r->ed25519_key, slice_of(stored)) == 0;
    } else if (slice_eq_nocase(plugin, SLICE(PLUGIN_SHA2)) && r->sha2 == NULL &&
               sha2_is_stored_form(slice_of(stored))) {
        r->sha2 = mem_copy(MEM_POOL, slice_of(stored));
    } else if (r->unserved[0] == '\0') {
        (void)snprintf(r->unserved, sizeof(r->unserved), "%.*s", (int)MIN(plugin.len, 60),
                       plugin.data);
    }
}

static void read_plugins(struct user_record *r, const json_t *root)
{
    const json_t *others = json_object_get(root, "auth_or");
    size_t n = json_array_size(others);

    if (n == 0) {
        read_plugin(r, root);
        return;
    }
    for (size_t i = 0; i < MIN(n, (size_t)PLUGINS_MAX); i++) {
        const json_t *other = json_array_get(others, i);

        if (json_is_object(other)) {
            read_plugin(r, json_object_get(other, "plugin") == NULL ? root : other);
        }
    }
}

static struct tls_need *read_need(const json_t *root)
{
    int64_t type = number_of(root, "ssl_type", 0);
    struct tls_need *need;

    if (type <= 0) {
        return NULL;
    }
    need = mem_new(MEM_POOL, sizeof(*need));
    need->tls = true;
    if (type > 2) {
        tls_need_set(need->cipher, sizeof(need->cipher), text_of(root, "ssl_cipher", ""));
        tls_need_set(need->subject, sizeof(need->subject), text_of(root, "x509_subject", ""));
        tls_need_set(need->issuer, sizeof(need->issuer), text_of(root, "x509_issuer", ""));
    }
    need->certificate = type == 2 || need->subject[0] != '\0' || need->issuer[0] != '\0';
    return need;
}

static void read_conditions(struct user_record *r, const json_t *root)
{
    int64_t max = number_of(root, "max_user_connections", 0);

    r->is_locked = json_is_true(json_object_get(root, "account_locked"));
    r->need = read_need(root);
    r->changed_s = number_of(root, "password_last_changed", -1);
    r->lifetime_days = number_of(root, "password_lifetime", -1);
    r->is_shut = max < 0;
    r->max_connections = max > 0 && max <= INT32_MAX ? (uint32_t)max : 0;
}

/* Names are cut nowhere: one that is too long is none. */
static int check_names(const char *host, const char *name)
{
    if (strlen(host) > USER_HOST_MAX || strlen(name) > USER_NAME_MAX) {
        return ERR_MALFORMED;
    }
    return name[0] == '\0' ? ERR_NOT_FOUND : 0;
}

int user_record_new(struct user_record **out, const char *host, const char *name, const char *priv)
{
    int rc = check_names(host, name);
    size_t len = strnlen(priv, PRIV_MAX);
    struct user_record *r;
    json_t *root;

    if (rc != 0 || len == PRIV_MAX) {
        return rc != 0 ? rc : ERR_MALFORMED;
    }
    root = json_loadb(priv, len, JSON_DECODE_INT_AS_REAL, NULL); /* access has 64 bits */
    if (!json_is_object(root) || json_is_true(json_object_get(root, "is_role"))) {
        rc = json_is_object(root) ? ERR_NOT_FOUND : ERR_MALFORMED;
        json_decref(root);
        return rc;
    }
    r = mem_try(MEM_POOL, sizeof(*r));
    if (r != NULL) {
        *r = (struct user_record){.name = mem_copy(MEM_POOL, slice_of(name)),
                                  .host_text = mem_copy(MEM_POOL, slice_of(host))};
        user_host_read(&r->host, r->host_text);
        read_plugins(r, root);
        read_conditions(r, root);
    }
    json_decref(root);
    *out = r;
    return r == NULL ? ERR_MEMORY : 0;
}

void user_record_free(struct user_record *record)
{
    if (record == NULL) {
        return;
    }
    if (record->sha2 != NULL) {
        OPENSSL_cleanse(record->sha2, strlen(record->sha2));
    }
    mem_free(MEM_POOL, record->sha2);
    mem_free(MEM_POOL, record->need);
    mem_free(MEM_POOL, record->name);
    mem_free(MEM_POOL, record->host_text);
    OPENSSL_cleanse(record, sizeof(*record));
    mem_free(MEM_POOL, record);
}

void user_record_secret(const struct user_record *r, struct secret *out)
{
    unsigned n = (r->is_empty ? 1u : 0) + (r->has_stage2 ? 1u : 0) + (r->has_ed25519_key ? 1u : 0) +
                 (r->sha2 != NULL ? 1u : 0);

    *out = (struct secret){.is_empty = r->is_empty,
                           .is_either = n > 1,
                           .has_stage2 = r->has_stage2,
                           .has_ed25519_key = r->has_ed25519_key};
    memcpy(out->stage2, r->stage2, SHA1_LEN);
    memcpy(out->ed25519_key, r->ed25519_key, ED25519_KEY_LEN);
    if (r->sha2 != NULL) {
        out->has_sha2 = true;
        (void)snprintf(out->sha2, sizeof(out->sha2), "%s", r->sha2);
    }
}

bool user_record_is_same_password(const struct user_record *a, const struct user_record *b)
{
    if (a->is_empty != b->is_empty || a->has_stage2 != b->has_stage2 ||
        a->has_ed25519_key != b->has_ed25519_key || (a->sha2 == NULL) != (b->sha2 == NULL)) {
        return false;
    }
    return (!a->has_stage2 || CRYPTO_memcmp(a->stage2, b->stage2, SHA1_LEN) == 0) &&
           (!a->has_ed25519_key ||
            CRYPTO_memcmp(a->ed25519_key, b->ed25519_key, ED25519_KEY_LEN) == 0) &&
           (a->sha2 == NULL || strcmp(a->sha2, b->sha2) == 0);
}

bool user_record_is_served(const struct user_record *r)
{
    return r->is_empty || r->has_stage2 || r->has_ed25519_key || r->sha2 != NULL ||
           r->unserved[0] == '\0';
}

bool user_record_is_expired(const struct user_record *r, int64_t now_s, int64_t default_days)
{
    int64_t days = r->lifetime_days < 0 ? default_days : r->lifetime_days;

    if (r->changed_s == 0) {
        return true;
    }
    return days > 0 && days < INT64_MAX / DAY_S && now_s - r->changed_s > days * DAY_S;
}
