/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth_sha2.c - the slow hash of caching_sha2_password: SHA-crypt with SHA-256.
 *
 * The algorithm is Ulrich Drepper's "Unix crypt using SHA-256 and SHA-512" (2007), step numbers
 * below are his. libcrypt's has a salt of 16 bytes at most, MySQL's stored form has 20:
 *
 *     $A$ rounds/1000 (3 hex digits) $ salt (20 raw bytes) hash (43 characters)
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "protocol/auth.h"

#define STORED_SALT_LEN 20
#define STORED_HASH_LEN 43
#define STORED_SALT_AT  7
#define STORED_HASH_AT  (STORED_SALT_AT + STORED_SALT_LEN)
#define STORED_LEN      (STORED_HASH_AT + STORED_HASH_LEN)
#define ROUNDS_UNIT     1000
#define CLEAR_MAX       256 /* as MySQL; bounds the time a client can cost */

static const char alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* One context for thousands of digests; the first failure sticks. */
struct hasher {
    EVP_MD_CTX *ctx;
    bool failed;
};

static void start(struct hasher *h)
{
    h->failed = h->failed || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1;
}

static void add(struct hasher *h, const void *data, size_t len)
{
    h->failed = h->failed || (len > 0 && EVP_DigestUpdate(h->ctx, data, len) != 1);
}

static void end(struct hasher *h, uint8_t out[SHA256_LEN])
{
    memset(out, 0, SHA256_LEN); /* something defined, should it fail */
    h->failed = h->failed || EVP_DigestFinal_ex(h->ctx, out, NULL) != 1;
}

/* len bytes of a digest repeated. */
static void add_repeated(struct hasher *h, const uint8_t block[SHA256_LEN], size_t len)
{
    for (; len > SHA256_LEN; len -= SHA256_LEN) {
        add(h, block, SHA256_LEN);
    }
    add(h, block, len);
}

static void repeat(uint8_t *out, size_t len, const uint8_t block[SHA256_LEN])
{
    for (size_t i = 0; i < len; i++) {
        out[i] = block[i % SHA256_LEN];
    }
}

/* Steps 1-12: the digest that the rounds start from. */
static void first_digest(struct hasher *h, uint8_t out[SHA256_LEN], struct slice clear,
                         const uint8_t *salt)
{
    uint8_t b[SHA256_LEN];

    start(h);
    add(h, clear.data, clear.len);
    add(h, salt, STORED_SALT_LEN);
    add(h, clear.data, clear.len);
    end(h, b);
    start(h);
    add(h, clear.data, clear.len);
    add(h, salt, STORED_SALT_LEN);
    add_repeated(h, b, clear.len);
    for (size_t bits = clear.len; bits > 0; bits >>= 1) {
        if ((bits & 1) != 0) {
            add(h, b, SHA256_LEN);
        } else {
            add(h, clear.data, clear.len);
        }
    }
    end(h, out);
}

/* Steps 13-20: the strings P and S, which stand for password and salt in the rounds. */
static void stand_ins(struct hasher *h, uint8_t *p, uint8_t *s, struct slice clear,
                      const uint8_t *salt, uint8_t a0)
{
    uint8_t d[SHA256_LEN];

    start(h);
    for (size_t i = 0; i < clear.len; i++) {
        add(h, clear.data, clear.len);
    }
    end(h, d);
    repeat(p, clear.len, d);
    start(h);
    for (unsigned i = 0; i < 16u + a0; i++) {
        add(h, salt, STORED_SALT_LEN);
    }
    end(h, d);
    repeat(s, STORED_SALT_LEN, d);
    OPENSSL_cleanse(d, sizeof(d));
}

/* Step 21. */
static void rounds_over(struct hasher *h, uint8_t digest[SHA256_LEN], const uint8_t *p,
                        size_t p_len, const uint8_t *s, unsigned n_rounds)
{
    for (unsigned i = 0; i < n_rounds && !h->failed; i++) {
        bool odd = (i & 1) != 0;

        start(h);
        add(h, odd ? p : digest, odd ? p_len : SHA256_LEN);
        if (i % 3 != 0) {
            add(h, s, STORED_SALT_LEN);
        }
        if (i % 7 != 0) {
            add(h, p, p_len);
        }
        add(h, odd ? digest : p, odd ? SHA256_LEN : p_len);
        end(h, digest);
    }
}

static size_t put_text(char *out, uint32_t bits, size_t n)
{
    for (size_t i = 0; i < n; i++, bits >>= 6) {
        out[i] = alphabet[bits & 0x3f];
    }
    return n;
}

/* Step 22: groups of three bytes, one of each third, in turn; the last two bytes are left over. */
static void to_text(char out[STORED_HASH_LEN], const uint8_t digest[SHA256_LEN])
{
    unsigned a = 0, b = 10, c = 20;

    for (unsigned i = 0; i < 10; i++) {
        uint32_t bits = (uint32_t)digest[a] << 16 | (uint32_t)digest[b] << 8 | digest[c];
        unsigned first = a;

        out += put_text(out, bits, 4);
        a = c + 1;
        c = b + 1;
        b = first + 1;
    }
    (void)put_text(out, (uint32_t)digest[31] << 8 | digest[30], 3);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

bool sha2_is_stored_form(struct slice text)
{
    if (text.len != STORED_LEN || memcmp(text.data, "$A$", 3) != 0 || text.data[6] != '$') {
        return false;
    }
    for (size_t i = 3; i < 6; i++) {
        if (!is_hex(text.data[i])) {
            return false;
        }
    }
    for (size_t i = STORED_HASH_AT; i < STORED_LEN; i++) {
        if (memchr(alphabet, text.data[i], sizeof(alphabet) - 1) == NULL) {
            return false;
        }
    }
    return memcmp(text.data + 3, "000", 3) != 0;
}

static unsigned stored_rounds(const char *stored)
{
    unsigned n = 0;

    for (size_t i = 3; i < 6; i++) {
        unsigned c = (unsigned char)stored[i];

        n = n * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return n * ROUNDS_UNIT;
}

static bool hash_clear(char out[STORED_HASH_LEN], const char *stored, struct slice clear)
{
    const uint8_t *salt = (const uint8_t *)stored + STORED_SALT_AT;
    uint8_t digest[SHA256_LEN], s[STORED_SALT_LEN], p[CLEAR_MAX];
    struct hasher h = {.ctx = EVP_MD_CTX_new()};

    h.failed = h.ctx == NULL;
    first_digest(&h, digest, clear, salt);
    if (!h.failed) {
        stand_ins(&h, p, s, clear, salt, digest[0]);
        rounds_over(&h, digest, p, clear.len, s, stored_rounds(stored));
    }
    if (!h.failed) {
        to_text(out, digest);
    }
    OPENSSL_cleanse(p, sizeof(p));
    OPENSSL_cleanse(digest, sizeof(digest));
    EVP_MD_CTX_free(h.ctx);
    return !h.failed;
}

bool sha2_check_full(const char *stored, struct slice clear)
{
    char hash[STORED_HASH_LEN];

    return sha2_is_stored_form(slice_of(stored)) && clear.len <= CLEAR_MAX &&
           hash_clear(hash, stored, clear) &&
           CRYPTO_memcmp(hash, stored + STORED_HASH_AT, STORED_HASH_LEN) == 0;
}
