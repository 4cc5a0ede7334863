/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.c - secrets, mysql_native_password, and the fast path of caching_sha2_password.
 */
/* The digests that take no memory, and so cannot fail: EVP's ask for some at each call. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "protocol/auth.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sodium.h>
#include <sys/random.h>

#include "base/err.h"

#define STAGE2_TEXT_LEN 41 /* '*' and 40 hex digits */

static void sha1(uint8_t out[SHA1_LEN], const void *data, size_t len)
{
    SHA_CTX ctx;

    (void)SHA1_Init(&ctx);
    (void)SHA1_Update(&ctx, len == 0 ? "" : data, len);
    (void)SHA1_Final(out, &ctx);
    OPENSSL_cleanse(&ctx, sizeof(ctx));
}

static void sha256(uint8_t out[SHA256_LEN], const void *data, size_t len)
{
    (void)crypto_hash_sha256(out, len == 0 ? (const uint8_t *)"" : data, len);
}

static void xor_into(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = a[i] ^ b[i];
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_stage2(struct secret *s, struct slice text)
{
    if (text.len != STAGE2_TEXT_LEN) {
        return ERR_CONFIG;
    }
    for (size_t i = 0; i < SHA1_LEN; i++) {
        int high = hex_digit(text.data[1 + 2 * i]);
        int low = hex_digit(text.data[2 + 2 * i]);

        if (high < 0 || low < 0) {
            return ERR_CONFIG;
        }
        s->stage2[i] = (uint8_t)(high << 4 | low);
    }
    s->has_stage2 = true;
    return 0;
}

void secret_learn(struct secret *s, struct slice clear)
{
    uint8_t once[SHA256_LEN];

    if (clear.len == 0) {
        return;
    }
    sha1(s->stage1, clear.data, clear.len);
    sha1(s->stage2, s->stage1, SHA1_LEN);
    sha256(once, clear.data, clear.len);
    sha256(s->sha2_fast, once, SHA256_LEN);
    s->has_stage1 = s->has_stage2 = s->has_sha2_fast = true;
    OPENSSL_cleanse(once, sizeof(once));
}

int secret_parse(struct secret *s, struct slice text)
{
    *s = (struct secret){0};
    if (text.len == 0) {
        s->is_empty = true;
        return 0;
    }
    if (memchr(text.data, 0, text.len) != NULL) {
        return ERR_CONFIG;
    }
    if (text.data[0] == '*') {
        return parse_stage2(s, text);
    }
    if (text.len >= 3 && memcmp(text.data, "$A$", 3) == 0) {
        if (!sha2_is_stored_form(text) || text.len >= sizeof(s->sha2)) {
            return ERR_CONFIG;
        }
        memcpy(s->sha2, text.data, text.len);
        s->has_sha2 = true;
        return 0;
    }
    if (text.len >= sizeof(s->clear)) {
        return ERR_CONFIG;
    }
    memcpy(s->clear, text.data, text.len);
    s->has_clear = true;
    secret_learn(s, text);
    return 0;
}

void secret_of_nobody(struct secret *s)
{
    *s = (struct secret){.has_stage2 = true};
    auth_random(s->stage2, SHA1_LEN);
}

void secret_wipe(struct secret *s)
{
    OPENSSL_cleanse(s, sizeof(*s));
}

static bool stage2_fits(const uint8_t stage2[SHA1_LEN], struct slice clear)
{
    uint8_t stage1[SHA1_LEN];
    bool fits;

    sha1(stage1, clear.data, clear.len);
    fits = native_stage1_fits(stage1, stage2);
    OPENSSL_cleanse(stage1, sizeof(stage1));
    return fits;
}

bool secret_fits_clear(const struct secret *s, struct slice clear)
{
    if (clear.len == 0) {
        return s->is_empty;
    }
    if (s->has_clear) {
        return clear.len == strlen(s->clear) && CRYPTO_memcmp(clear.data, s->clear, clear.len) == 0;
    }
    return (s->has_stage2 && stage2_fits(s->stage2, clear)) ||
           (s->has_ed25519_key && ed25519_clear_fits(s->ed25519_key, clear)) ||
           (s->has_sha2 && sha2_check_full(s->sha2, clear));
}

/* SHA1(salt + stage2): what stage1 is hidden with. */
static void native_mask(uint8_t out[SHA1_LEN], const uint8_t stage2[SHA1_LEN],
                        const uint8_t salt[SALT_LEN])
{
    uint8_t both[SALT_LEN + SHA1_LEN];

    memcpy(both, salt, SALT_LEN);
    memcpy(both + SALT_LEN, stage2, SHA1_LEN);
    sha1(out, both, sizeof(both));
}

bool native_stage1_fits(const uint8_t stage1[SHA1_LEN], const uint8_t stage2[SHA1_LEN])
{
    uint8_t hash[SHA1_LEN];

    sha1(hash, stage1, SHA1_LEN);
    return CRYPTO_memcmp(hash, stage2, SHA1_LEN) == 0;
}

void native_response(uint8_t out[SHA1_LEN], const uint8_t stage1[SHA1_LEN],
                     const uint8_t salt[SALT_LEN])
{
    uint8_t stage2[SHA1_LEN], mask[SHA1_LEN];

    sha1(stage2, stage1, SHA1_LEN);
    native_mask(mask, stage2, salt);
    xor_into(out, stage1, mask, SHA1_LEN);
}

bool native_check(uint8_t stage1[SHA1_LEN], const uint8_t stage2[SHA1_LEN],
                  const uint8_t salt[SALT_LEN], struct slice response)
{
    uint8_t mask[SHA1_LEN], again[SHA1_LEN];

    memset(stage1, 0, SHA1_LEN);
    if (response.len != SHA1_LEN) {
        return false;
    }
    native_mask(mask, stage2, salt);
    xor_into(stage1, (const uint8_t *)response.data, mask, SHA1_LEN);
    sha1(again, stage1, SHA1_LEN);
    if (CRYPTO_memcmp(again, stage2, SHA1_LEN) != 0) {
        OPENSSL_cleanse(stage1, SHA1_LEN);
        return false;
    }
    return true;
}

/* SHA256(SHA256(SHA256(pw)) + salt): what SHA256(pw) is hidden with. */
static void sha2_mask(uint8_t out[SHA256_LEN], const uint8_t sha2_fast[SHA256_LEN],
                      const uint8_t salt[SALT_LEN])
{
    uint8_t both[SHA256_LEN + SALT_LEN];

    memcpy(both, sha2_fast, SHA256_LEN);
    memcpy(both + SHA256_LEN, salt, SALT_LEN);
    sha256(out, both, sizeof(both));
}

void sha2_response(uint8_t out[SHA256_LEN], struct slice clear, const uint8_t salt[SALT_LEN])
{
    uint8_t once[SHA256_LEN], twice[SHA256_LEN], mask[SHA256_LEN];

    sha256(once, clear.data, clear.len);
    sha256(twice, once, SHA256_LEN);
    sha2_mask(mask, twice, salt);
    xor_into(out, once, mask, SHA256_LEN);
    OPENSSL_cleanse(once, sizeof(once));
}

bool sha2_check_fast(const uint8_t sha2_fast[SHA256_LEN], const uint8_t salt[SALT_LEN],
                     struct slice response)
{
    uint8_t once[SHA256_LEN], mask[SHA256_LEN], twice[SHA256_LEN];

    if (response.len != SHA256_LEN) {
        return false;
    }
    sha2_mask(mask, sha2_fast, salt);
    xor_into(once, (const uint8_t *)response.data, mask, SHA256_LEN);
    sha256(twice, once, SHA256_LEN);
    OPENSSL_cleanse(once, sizeof(once));
    return CRYPTO_memcmp(twice, sha2_fast, SHA256_LEN) == 0;
}

void sha2_unmask(uint8_t *data, size_t len, const uint8_t salt[SALT_LEN])
{
    for (size_t i = 0; i < len; i++) {
        data[i] ^= salt[i % SALT_LEN];
    }
}

void auth_random(uint8_t *out, size_t n)
{
    /* A salt that can be guessed lets a recorded login be used again: rather no process at all. */
    CHECK(n <= 256 &&
          getrandom(out, n, 0) == (ssize_t)n); /* so few come whole, and no memory is asked for */
}

void auth_random_salt(uint8_t salt[SALT_LEN])
{
    auth_random(salt, SALT_LEN);
    for (size_t i = 0; i < SALT_LEN; i++) {
        salt[i] &= 0x7f; /* clients read the salt as text: no zero; and '$' divides stored forms */
        if (salt[i] == 0 || salt[i] == '$') {
            salt[i]++;
        }
    }
}
