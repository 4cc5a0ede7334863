/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h - the arithmetic of mysql_native_password, caching_sha2_password and ed25519, both roles.
 *
 * No I/O, no state. Compares take constant time. Facts: MariaDB documentation ("Authentication
 * plugin - mysql_native_password"), MySQL 8.0 documentation ("Caching SHA-2 Pluggable
 * Authentication"); the stored form of caching_sha2 is $A$<rounds/1000, 3 hex digits>$<20 bytes of
 * salt><43 characters>, SHA-crypt with 5000 rounds by default.
 */
#ifndef PROTOCOL_AUTH_H
#define PROTOCOL_AUTH_H

#include "base/base.h"
#include "protocol/greet.h"

#define SHA1_LEN              20
#define SHA256_LEN            32
#define ED25519_NONCE_LEN     32
#define ED25519_KEY_LEN       32
#define ED25519_SIGNATURE_LEN 64
#define ED25519_HASH_LEN      64
#define RESPONSE_MAX          64 /* bytes of the longest answer of ours to a challenge */

/* A password as the configuration has it. What is not known is marked so. */
struct secret {
    bool is_empty;         /* no password */
    bool is_either;        /* what is set below may be of different passwords: each is right */
    bool has_clear;        /* clear is set */
    bool has_stage1;       /* stage1 = SHA1(password): enough to log in to nodes by native */
    bool has_stage2;       /* stage2 = SHA1(SHA1(password)): enough to check a native login */
    bool has_sha2;         /* sha2 = stored form of caching_sha2 */
    bool has_sha2_fast;    /* sha2_fast = SHA256(SHA256(password)): the fast path's cache */
    bool has_ed25519_key;  /* ed25519_key, the public one: enough to check a login by ed25519 */
    bool has_ed25519_hash; /* ed25519_hash = what a password is expanded to: enough to log in */
    uint8_t stage1[SHA1_LEN];
    uint8_t stage2[SHA1_LEN];
    uint8_t sha2_fast[SHA256_LEN];
    uint8_t ed25519_key[ED25519_KEY_LEN];
    uint8_t ed25519_hash[ED25519_HASH_LEN];
    char sha2[80];   /* terminated */
    char clear[128]; /* terminated */
};

/*
 * secret_parse - from the configuration's text: "" (empty), "*HEX40", "$A$...", else clear text;
 * derives all that follows from it. Returns 0 or ERR_CONFIG (too long, a zero byte, malformed
 * hash). What begins with '*' or "$A$" is never taken as clear text, or half a hash would be a
 * password.
 */
int secret_parse(struct secret *s, struct slice text) MUST_CHECK;

/*
 * secret_learn - a clear password was proven right: keep the hashes that follow from it, which is
 * enough for logging in to nodes and for the next clients. The clear text itself is not kept.
 */
void secret_learn(struct secret *s, struct slice clear);

/* secret_learn_ed25519 - the same for ed25519, apart because its point costs 50 us. */
void secret_learn_ed25519(struct secret *s, struct slice clear);

/*
 * secret_of_nobody - a password that nothing fits: so who is not known is asked as others are, and
 * cannot be told from who has another password.
 */
void secret_of_nobody(struct secret *s);

/* secret_wipe - zero it in a way the compiler keeps. */
void secret_wipe(struct secret *s);

/* secret_fits_clear - is the clear password right, by whatever is known of it? May be slow. */
bool secret_fits_clear(const struct secret *s, struct slice clear);

/* native_response - what a client sends: SHA1(pw) XOR SHA1(salt + SHA1(SHA1(pw))). */
void native_response(uint8_t out[SHA1_LEN], const uint8_t stage1[SHA1_LEN],
                     const uint8_t salt[SALT_LEN]);

/*
 * native_check - is response right for stage2? On success gives stage1 (= SHA1(password)), learnt
 * from the response.
 */
bool native_check(uint8_t stage1[SHA1_LEN], const uint8_t stage2[SHA1_LEN],
                  const uint8_t salt[SALT_LEN], struct slice response);

/* native_stage1_fits - is stage2 the hash of stage1? */
bool native_stage1_fits(const uint8_t stage1[SHA1_LEN], const uint8_t stage2[SHA1_LEN]);

/*
 * sha2_response, sha2_check_fast - the fast path: XOR(SHA256(pw), SHA256(SHA256(SHA256(pw)) +
 * salt)).
 */
void sha2_response(uint8_t out[SHA256_LEN], struct slice clear, const uint8_t salt[SALT_LEN]);
bool sha2_check_fast(const uint8_t sha2_fast[SHA256_LEN], const uint8_t salt[SALT_LEN],
                     struct slice response);

/*
 * sha2_check_full - is the clear password right for the stored form? Slow: thousands of rounds, a
 * few milliseconds. sha2_is_stored_form - does text look like one?
 */
bool sha2_check_full(const char *stored, struct slice clear);
bool sha2_is_stored_form(struct slice text);

/*
 * sha2_unmask - the full path without TLS: XOR of the decrypted RSA block with the salt, in place;
 * the same call masks. The password's final zero is part of the block.
 */
void sha2_unmask(uint8_t *data, size_t len, const uint8_t salt[SALT_LEN]);

/*
 * RSA keys for it: rsa_key_new makes one (2048 bit; NULL when OpenSSL cannot, takes up to a
 * second), rsa_key_pem gives the public part, which lives as long as the key. rsa_decrypt opens
 * OAEP-padded data; out has RSA_BLOCK_MAX bytes. rsa_encrypt is the client's side of it; out of cap
 * bytes. Both return 0, or ERR_MALFORMED for data or a key that does not fit. Any thread.
 */
#define RSA_BLOCK_MAX 256
struct rsa_key;
struct rsa_key *rsa_key_new(void);
void rsa_key_free(struct rsa_key *key);
struct slice rsa_key_pem(const struct rsa_key *key);
int rsa_decrypt(const struct rsa_key *key, struct slice in, uint8_t *out,
                size_t *out_len) MUST_CHECK;
int rsa_encrypt(struct slice pem, struct slice in, uint8_t *out, size_t cap,
                size_t *out_len) MUST_CHECK;

/*
 * ed25519 of MariaDB. ed25519_expand: from a password of any length (a secret as the password is);
 * ed25519_public: the key that a server stores, ed25519_parse takes it from its stored text (43
 * characters; else ERR_MALFORMED). ed25519_sign: a client's answer; ed25519_check: is it right?
 * ed25519_clear_fits: is the password the one of this key? Any thread.
 */
void ed25519_expand(uint8_t hash[ED25519_HASH_LEN], struct slice clear);
void ed25519_public(uint8_t key[ED25519_KEY_LEN], const uint8_t hash[ED25519_HASH_LEN]);
int ed25519_parse(uint8_t key[ED25519_KEY_LEN], struct slice text) MUST_CHECK;
void ed25519_sign(uint8_t signature[ED25519_SIGNATURE_LEN], const uint8_t hash[ED25519_HASH_LEN],
                  const uint8_t nonce[ED25519_NONCE_LEN]);
bool ed25519_check(const uint8_t key[ED25519_KEY_LEN], const uint8_t nonce[ED25519_NONCE_LEN],
                   struct slice signature);
bool ed25519_clear_fits(const uint8_t key[ED25519_KEY_LEN], struct slice clear);

/* ed25519_random_nonce - what a client is to sign. */
void ed25519_random_nonce(uint8_t nonce[ED25519_NONCE_LEN]);

/* auth_random - n bytes, at most 256, from a cryptographic random source. */
void auth_random(uint8_t *out, size_t n);

/*
 * auth_random_salt - SALT_LEN bytes (1..127, no '$', no zero) from a cryptographic random source.
 */
void auth_random_salt(uint8_t salt[SALT_LEN]);

#endif
