/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth_ed25519.c - MariaDB's plugin ed25519: the signature of RFC 8032 over a nonce of the server.
 *
 * The one difference: what RFC 8032 makes of a seed of 32 bytes, MariaDB makes of the password,
 * whatever its length: SHA-512 of it gives the scalar and the prefix. So a signature is checked as
 * any other (OpenSSL), but keys cannot be given to a library that begins with a seed: libsodium's
 * scalars do it.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "base/err.h"
#include "protocol/auth.h"

#define SCALAR_LEN      32
#define STORED_TEXT_LEN 43 /* base64 without its last '=' */

_Static_assert(ED25519_HASH_LEN == crypto_hash_sha512_BYTES, "SHA-512");

void ed25519_expand(uint8_t hash[ED25519_HASH_LEN], struct slice clear)
{
    CHECK(sodium_init() >= 0); /* cheap from the second time on */
    (void)crypto_hash_sha512(hash, (const uint8_t *)(clear.len == 0 ? "" : clear.data), clear.len);
    hash[0] &= 0xf8; /* the scalar of RFC 8032, 5.1.5 */
    hash[31] &= 0x7f;
    hash[31] |= 0x40;
}

void ed25519_public(uint8_t key[ED25519_KEY_LEN], const uint8_t hash[ED25519_HASH_LEN])
{
    CHECK(crypto_scalarmult_ed25519_base_noclamp(key, hash) == 0); /* never 0: bit 254 is set */
}

/* SHA-512 of up to three parts, as a scalar. */
static void hash_to_scalar(uint8_t out[SCALAR_LEN], struct slice a, struct slice b, struct slice c)
{
    crypto_hash_sha512_state state;
    uint8_t wide[crypto_hash_sha512_BYTES];

    (void)crypto_hash_sha512_init(&state);
    (void)crypto_hash_sha512_update(&state, (const uint8_t *)a.data, a.len);
    (void)crypto_hash_sha512_update(&state, (const uint8_t *)b.data, b.len);
    if (c.len > 0) {
        (void)crypto_hash_sha512_update(&state, (const uint8_t *)c.data, c.len);
    }
    (void)crypto_hash_sha512_final(&state, wide);
    crypto_core_ed25519_scalar_reduce(out, wide);
    OPENSSL_cleanse(wide, sizeof(wide));
    OPENSSL_cleanse(&state, sizeof(state));
}

static struct slice bytes_of(const uint8_t *data, size_t len)
{
    return (struct slice){(const char *)data, len};
}

void ed25519_sign(uint8_t signature[ED25519_SIGNATURE_LEN], const uint8_t hash[ED25519_HASH_LEN],
                  const uint8_t nonce[ED25519_NONCE_LEN])
{
    struct slice message = bytes_of(nonce, ED25519_NONCE_LEN), none = {NULL, 0};
    uint8_t key[ED25519_KEY_LEN], r[SCALAR_LEN], k[SCALAR_LEN];

    ed25519_public(key, hash);
    hash_to_scalar(r, bytes_of(hash + SCALAR_LEN, SCALAR_LEN), message, none);
    /* r is 0 for one message of 2^252: then there is no signature, and the login is refused. */
    if (crypto_scalarmult_ed25519_base_noclamp(signature, r) != 0) {
        memset(signature, 0, ED25519_SIGNATURE_LEN);
    }
    hash_to_scalar(k, bytes_of(signature, SCALAR_LEN), bytes_of(key, sizeof(key)), message);
    crypto_core_ed25519_scalar_mul(k, k, hash);
    crypto_core_ed25519_scalar_add(signature + SCALAR_LEN, k, r);
    OPENSSL_cleanse(r, sizeof(r));
    OPENSSL_cleanse(k, sizeof(k));
}

bool ed25519_check(const uint8_t key[ED25519_KEY_LEN], const uint8_t nonce[ED25519_NONCE_LEN],
                   struct slice signature)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, ED25519_KEY_LEN);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_right = pkey != NULL && ctx != NULL && signature.len == ED25519_SIGNATURE_LEN &&
                    EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
                    EVP_DigestVerify(ctx, (const uint8_t *)signature.data, signature.len, nonce,
                                     ED25519_NONCE_LEN) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return is_right;
}

int ed25519_parse(uint8_t key[ED25519_KEY_LEN], struct slice text)
{
    char padded[STORED_TEXT_LEN + 1];
    uint8_t raw[STORED_TEXT_LEN];

    if (text.len != STORED_TEXT_LEN || memchr(text.data, '=', text.len) != NULL) {
        return ERR_MALFORMED;
    }
    memcpy(padded, text.data, STORED_TEXT_LEN);
    padded[STORED_TEXT_LEN] = '=';
    if (EVP_DecodeBlock(raw, (const uint8_t *)padded, sizeof(padded)) != ED25519_KEY_LEN + 1) {
        return ERR_MALFORMED;
    }
    memcpy(key, raw, ED25519_KEY_LEN);
    return 0;
}

void ed25519_random_nonce(uint8_t nonce[ED25519_NONCE_LEN])
{
    auth_random(nonce, ED25519_NONCE_LEN);
}

void secret_learn_ed25519(struct secret *s, struct slice clear)
{
    ed25519_expand(s->ed25519_hash, clear);
    ed25519_public(s->ed25519_key, s->ed25519_hash);
    s->has_ed25519_hash = s->has_ed25519_key = true;
}

bool ed25519_clear_fits(const uint8_t key[ED25519_KEY_LEN], struct slice clear)
{
    uint8_t hash[ED25519_HASH_LEN], own[ED25519_KEY_LEN];
    bool fits;

    ed25519_expand(hash, clear);
    ed25519_public(own, hash);
    fits = CRYPTO_memcmp(own, key, sizeof(own)) == 0;
    OPENSSL_cleanse(hash, sizeof(hash));
    return fits;
}
