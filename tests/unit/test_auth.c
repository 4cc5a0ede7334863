/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_auth.c - password arithmetic, against values computed with Python's hashlib, and both roles
 * against each other.
 *
 *   stage1 = sha1(pw)   stage2 = sha1(stage1)   native = stage1 ^ sha1(salt + stage2)
 *   once = sha256(pw)   fast = sha256(once)     response = once ^ sha256(fast + salt)
 *
 * The slow hashes: SHA-crypt written down in Python from the paper, compared there with libcrypt
 * for 16 bytes of salt; the one with the salt of other people is from hashcat's published examples.
 */
#include "base/err.h"
#include "protocol/auth.h"
#include "tests/unit/cuts.h"

static const uint8_t salt[SALT_LEN + 1] = "abcdefghijklmnopqrst";

static const uint8_t galeway_stage2[SHA1_LEN] = {0xbb, 0xe7, 0x43, 0x00, 0x1c, 0xe2, 0xd6,
                                                 0x5e, 0x8e, 0xef, 0xfa, 0xc2, 0x9b, 0xdc,
                                                 0x95, 0xda, 0xf2, 0xc4, 0xb3, 0xee};
static const char galeway_native[] =
    "\xc8\x91\x1c\x0a\xb0\x5b\xb1\xd9\xee\xd8\x5d\xa3\xf4\x76\xe4\x76\x53\x28\x9c\x31";
static const char galeway_fast[] =
    "\xd6\x99\x78\x38\xa9\x5d\x03\xdd\x7e\x64\xd5\xd8\x1d\x97\x31\xdb"
    "\x07\xce\x0d\x99\x06\x0f\x09\x4a\x53\x47\x08\x16\xdf\x86\xb6\xb0";
static const char galeway_sha2[] =
    "\xcd\x3e\xaf\x9a\xf5\xfc\x19\xae\xdd\xcf\x43\x8f\x97\xd5\xd1\x89"
    "\xe0\x66\x07\x19\x53\x76\x51\xcf\x59\x06\xca\xc4\x03\xcd\xa2\x01";

#define SALT_1_TO_20 \
    "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14"
#define GALEWAY_STORED "$A$005$" SALT_1_TO_20 "jb4yf9/mt6RJxviHeOr2EEmzKRh8Ayonb8Aw8Df2k9B"

static struct secret parsed(struct slice text)
{
    struct secret s;

    assert_int_equal(secret_parse(&s, text), 0);
    return s;
}

TEST(secret_of_clear_text_has_all)
{
    struct secret s = parsed(SLICE("galeway"));

    assert_true(s.has_clear && s.has_stage1 && s.has_stage2 && s.has_sha2_fast);
    assert_false(s.is_empty || s.has_sha2);
    assert_string_equal(s.clear, "galeway");
    assert_memory_equal(s.stage2, galeway_stage2, SHA1_LEN);
    assert_memory_equal(s.sha2_fast, galeway_fast, SHA256_LEN);
    secret_wipe(&s);
    assert_false(s.has_clear);
    assert_int_equal(s.clear[0], 0);
}

TEST(secret_of_hashes)
{
    struct secret s = parsed(SLICE("*BBE743001ce2d65e8eeffac29bdc95daf2c4b3ee"));

    assert_true(s.has_stage2);
    assert_false(s.has_stage1 || s.has_clear || s.has_sha2 || s.has_sha2_fast || s.is_empty);
    assert_memory_equal(s.stage2, galeway_stage2, SHA1_LEN);
    s = parsed(SLICE(GALEWAY_STORED));
    assert_true(s.has_sha2);
    assert_false(s.has_stage1 || s.has_stage2 || s.has_clear || s.has_sha2_fast);
    assert_true(sha2_check_full(s.sha2, SLICE("galeway")));
    s = parsed(SLICE(""));
    assert_true(s.is_empty);
    assert_false(s.has_stage1 || s.has_stage2 || s.has_clear || s.has_sha2);
}

TEST(secret_refuses_what_is_malformed)
{
    char longest[128];
    struct secret s;

    memset(longest, 'x', sizeof(longest));
    assert_int_equal(secret_parse(&s, (struct slice){longest, 127}), 0);
    assert_int_equal(strlen(s.clear), 127);
    assert_int_equal(secret_parse(&s, (struct slice){longest, 128}), ERR_CONFIG);
    assert_int_equal(secret_parse(&s, SLICE("a\0b")), ERR_CONFIG);
    assert_int_equal(secret_parse(&s, SLICE("*")), ERR_CONFIG);
    assert_int_equal(secret_parse(&s, SLICE("*bbe743001ce2d65e8eeffac29bdc95daf2c4b3e")),
                     ERR_CONFIG);
    assert_int_equal(secret_parse(&s, SLICE("*gbe743001ce2d65e8eeffac29bdc95daf2c4b3ee")),
                     ERR_CONFIG);
    assert_int_equal(secret_parse(&s, SLICE("$A$005$short")), ERR_CONFIG);
    assert_int_equal(secret_parse(&s, SLICE(GALEWAY_STORED "x")), ERR_CONFIG);
}

TEST(secret_learn_keeps_hashes_only)
{
    struct secret s = parsed(SLICE(GALEWAY_STORED));

    secret_learn(&s, SLICE("galeway"));
    assert_true(s.has_stage1 && s.has_stage2 && s.has_sha2_fast && s.has_sha2);
    assert_false(s.has_clear);
    assert_memory_equal(s.stage2, galeway_stage2, SHA1_LEN);
    assert_memory_equal(s.sha2_fast, galeway_fast, SHA256_LEN);
}

TEST(native_response_is_as_computed_elsewhere)
{
    struct secret s = parsed(SLICE("galeway"));
    uint8_t out[SHA1_LEN];

    native_response(out, s.stage1, salt);
    assert_memory_equal(out, galeway_native, SHA1_LEN);
}

TEST(native_check_learns_stage1)
{
    static const uint8_t none[SHA1_LEN];
    struct secret s = parsed(SLICE("galeway"));
    uint8_t stage1[SHA1_LEN], response[SHA1_LEN];
    struct slice sent = {(const char *)response, sizeof(response)};

    native_response(response, s.stage1, salt);
    assert_true(native_check(stage1, galeway_stage2, salt, sent));
    assert_memory_equal(stage1, s.stage1, SHA1_LEN);
    for (size_t i = 0; i < sizeof(response); i++) {
        response[i] ^= 0x10;
        assert_false(native_check(stage1, galeway_stage2, salt, sent));
        assert_memory_equal(stage1, none, SHA1_LEN);
        response[i] ^= 0x10;
    }
    assert_false(native_check(stage1, galeway_stage2, salt, (struct slice){sent.data, 19}));
    assert_false(native_check(stage1, galeway_stage2, salt, (struct slice){NULL, 0}));
    assert_false(native_check(stage1, s.stage1, salt, sent));
    assert_false(native_check(stage1, galeway_stage2, s.stage1, sent));
}

TEST(sha2_fast_path_of_both_roles)
{
    struct secret s = parsed(SLICE("galeway"));
    uint8_t response[SHA256_LEN];
    struct slice sent = {(const char *)response, sizeof(response)};

    sha2_response(response, SLICE("galeway"), salt);
    assert_memory_equal(response, galeway_sha2, SHA256_LEN);
    assert_true(sha2_check_fast(s.sha2_fast, salt, sent));
    for (size_t i = 0; i < sizeof(response); i++) {
        response[i] ^= 1;
        assert_false(sha2_check_fast(s.sha2_fast, salt, sent));
        response[i] ^= 1;
    }
    assert_false(sha2_check_fast(s.sha2_fast, salt, (struct slice){sent.data, 31}));
    assert_false(sha2_check_fast(s.sha2_fast, salt, (struct slice){NULL, 0}));
}

TEST(sha2_slow_hash_is_as_computed_elsewhere)
{
    char p64[64], q256[256], s32[32], umlauts[100];
    const struct {
        const char *stored;
        struct slice clear;
    } cases[] = {
        {GALEWAY_STORED, SLICE("galeway")},
        {"$A$005$" SALT_1_TO_20 "xMXlymJwadgDPZouWR.cGPsuDw8SrJsOFfITbdWaB94", SLICE("a")},
        {"$A$005$" SALT_1_TO_20 "rGq5Fq/bs553Stq1Aha8pe/w25e5zlK0iKxPa1.067B", {p64, 64}},
        {"$A$007$" SALT_1_TO_20 "bzEQVOhw/AuEEXzbhQHpnmmIsG2kPQpVomkCFSdHV54", {umlauts, 100}},
        {"$A$005$" SALT_1_TO_20 "XTwVAzGtFgyMoz.qLzXBuBha.I6eqNAiNoQLSqcEMq0", {q256, 256}},
        {"$A$005$" SALT_1_TO_20 "o1voKEizGOD7AKsivCPogsp8ROa9.jIyyzGYRhaEof7", {NULL, 0}},
        {"$A$00a$" SALT_1_TO_20 "jViAADg4CqWo8AV1gXWdP0FWQLQJKH0SRGjbifnYM5B", {s32, 32}},
        {"$A$005$\xF9\xCC\x98\xCE\x08\x89\x29\x24\xF5\x0A\x21\x3B\x6B\xC5\x71\xA2\xC1\x17\x78\xC5"
         "bTy95Y99eAME1dwEkHOA1ndHGBWz.1bxSSRkuTXFGV/",
         SLICE("hashcat")},
    };

    memset(p64, 'p', sizeof(p64));
    memset(q256, 'q', sizeof(q256));
    memset(s32, 's', sizeof(s32));
    for (size_t i = 0; i < sizeof(umlauts); i++) {
        umlauts[i] = "\xc3\xa4"[i % 2];
    }
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_true(sha2_check_full(cases[i].stored, cases[i].clear));
        assert_false(sha2_check_full(cases[i].stored, SLICE("other")));
    }
}

TEST(sha2_slow_hash_refuses_what_is_malformed)
{
    const char *const stored[] = {
        "",
        "$A$005$",
        "$A$000$" SALT_1_TO_20 "jb4yf9/mt6RJxviHeOr2EEmzKRh8Ayonb8Aw8Df2k9B",
        "$B$005$" SALT_1_TO_20 "jb4yf9/mt6RJxviHeOr2EEmzKRh8Ayonb8Aw8Df2k9B",
        "$A$0x5$" SALT_1_TO_20 "jb4yf9/mt6RJxviHeOr2EEmzKRh8Ayonb8Aw8Df2k9B",
        "$A$005-" SALT_1_TO_20 "jb4yf9/mt6RJxviHeOr2EEmzKRh8Ayonb8Aw8Df2k9B",
        "$A$005$" SALT_1_TO_20 "jb4yf9/mt6RJxviHeOr2EEmzKRh8Ayonb8Aw8Df2k9-",
        "$A$005$" SALT_1_TO_20 "jb4yf9/mt6RJxviHeOr2EEmzKRh8Ayonb8Aw8Df2k9"};
    char too_long[257] = {0};

    for (size_t i = 0; i < ARRAY_SIZE(stored); i++) {
        assert_false(sha2_check_full(stored[i], SLICE("galeway")));
    }
    assert_false(sha2_check_full(GALEWAY_STORED, (struct slice){too_long, sizeof(too_long)}));
}

TEST(sha2_full_path_by_rsa_there_and_back)
{
    struct rsa_key *key = rsa_key_new();
    uint8_t block[] = "galeway"; /* with its zero */
    uint8_t sent[RSA_BLOCK_MAX], got[RSA_BLOCK_MAX];
    size_t sent_len, got_len;

    assert_non_null(key);
    assert_memory_equal(rsa_key_pem(key).data, "-----BEGIN PUBLIC KEY-----", 26);
    sha2_unmask(block, sizeof(block), salt);
    assert_int_equal(rsa_encrypt(rsa_key_pem(key), (struct slice){(char *)block, sizeof(block)},
                                 sent, sizeof(sent), &sent_len),
                     0);
    assert_int_equal(sent_len, RSA_BLOCK_MAX);
    assert_int_equal(rsa_decrypt(key, (struct slice){(char *)sent, sent_len}, got, &got_len), 0);
    assert_int_equal(got_len, sizeof(block));
    sha2_unmask(got, got_len, salt);
    assert_memory_equal(got, "galeway", 8);
    sent[7] ^= 1;
    assert_int_equal(rsa_decrypt(key, (struct slice){(char *)sent, sent_len}, got, &got_len),
                     ERR_MALFORMED);
    for (size_t i = 0; i < RSA_BLOCK_MAX; i += 17) {
        assert_int_equal(rsa_decrypt(key, (struct slice){(char *)sent, i}, got, &got_len),
                         ERR_MALFORMED);
    }
    rsa_key_free(key);
    rsa_key_free(NULL);
}

TEST(rsa_encrypt_refuses_what_does_not_fit)
{
    struct rsa_key *key = rsa_key_new();
    char clear[300] = {0};
    uint8_t out[RSA_BLOCK_MAX];
    size_t len;

    assert_int_equal(rsa_encrypt(SLICE("no key"), SLICE("x"), out, sizeof(out), &len),
                     ERR_MALFORMED);
    assert_int_equal(rsa_encrypt((struct slice){NULL, 0}, SLICE("x"), out, sizeof(out), &len),
                     ERR_MALFORMED);
    assert_int_equal(
        rsa_encrypt(rsa_key_pem(key), (struct slice){clear, sizeof(clear)}, out, sizeof(out), &len),
        ERR_MALFORMED);
    assert_int_equal(rsa_encrypt(rsa_key_pem(key), SLICE("x"), out, 255, &len), ERR_MALFORMED);
    rsa_key_free(key);
}

TEST(random_salt_is_text_and_differs)
{
    uint8_t last[SALT_LEN] = {0};

    for (int n = 0; n < 2000; n++) {
        uint8_t fresh[SALT_LEN];

        auth_random_salt(fresh);
        for (size_t i = 0; i < SALT_LEN; i++) {
            assert_true(fresh[i] >= 1 && fresh[i] <= 127 && fresh[i] != '$');
        }
        assert_memory_not_equal(fresh, last, SALT_LEN);
        memcpy(last, fresh, SALT_LEN);
    }
}
