/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_record.h - a row of a node's mysql.global_priv: who may log in from where, and how. Pure.
 *
 * Of the JSON of MariaDB 10.11: plugin, authentication_string, auth_or (an array of these, in which
 * {} stands for the ones outside), account_locked, password_last_changed (0 = expired),
 * password_lifetime (days; -1 = the server's, 0 = never), max_user_connections, is_role, and what
 * REQUIRE says: ssl_type (1 = SSL, 2 = X509, 3 = what follows), ssl_cipher, x509_issuer,
 * x509_subject.
 */
#ifndef POOL_USER_RECORD_H
#define POOL_USER_RECORD_H

#include "conf/tls_need.h"
#include "pool/user_host.h"
#include "protocol/auth.h"

#define USER_NAME_MAX   512 /* bytes: 128 characters */
#define USER_PLUGIN_MAX 64

struct user_record {
    char *name; /* owned, terminated */
    char *host_text;
    struct user_host host;
    /* passwords: any of them is right */
    bool is_empty;
    bool has_stage2;
    bool has_ed25519_key;
    uint8_t stage2[SHA1_LEN];
    uint8_t ed25519_key[ED25519_KEY_LEN];
    char *sha2;                     /* owned; NULL = none */
    char unserved[USER_PLUGIN_MAX]; /* a plugin that is not served here; "" = none */
    /* conditions */
    bool is_locked;
    struct tls_need *need;    /* owned; REQUIRE; NULL = nothing */
    int64_t changed_s;        /* time of day; 0 = expired */
    int64_t lifetime_days;    /* -1 = the server's, 0 = for ever */
    uint32_t max_connections; /* 0 = any number */
    bool is_shut;             /* max_user_connections = -1: none at all */
};

/*
 * user_record_new - all texts are a peer's. Returns 0; ERR_NOT_FOUND: nobody who logs in by a name
 * of his own (a role, the anonymous user); ERR_MALFORMED; ERR_MEMORY.
 */
int user_record_new(struct user_record **out, const char *host, const char *name,
                    const char *priv) MUST_CHECK;
void user_record_free(struct user_record *record); /* NULL is fine */

/* user_record_secret - to be wiped by the caller. */
void user_record_secret(const struct user_record *record, struct secret *out);

/* user_record_is_same_password - of both, as far as the node tells. */
bool user_record_is_same_password(const struct user_record *a, const struct user_record *b);

/* user_record_is_served - is there a password that can be checked here? */
bool user_record_is_served(const struct user_record *record);

/* user_record_is_expired - now_s: time of day; default_days: default_password_lifetime. */
bool user_record_is_expired(const struct user_record *record, int64_t now_s, int64_t default_days);

#endif
