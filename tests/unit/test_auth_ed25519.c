/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_auth_ed25519.c - ed25519 of MariaDB: against OpenSSL's own signatures (a password of 32
 * bytes is the seed of RFC 8032), against what MariaDB 10.11 stores, and in a login.
 */
#include <openssl/evp.h>

#include "base/err.h"
#include "protocol/auth_check.h"
#include "tests/unit/test.h"

/* IDENTIFIED VIA ed25519 USING PASSWORD('x'), as mysql.global_priv has it. */
#define STORED_X "Gv2JI8Env2fd5YGonZ082tX3UAW+yJYldOlj4R1bfK4"

/* RFC 8032, 7.1, test 1. */
static const uint8_t seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
                                 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
                                 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
static const uint8_t seed_key[32] = {
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};

static const struct slice seed_password = {(const char *)seed, sizeof(seed)};

TEST(ed25519_key_is_the_one_of_the_rfc)
{
    uint8_t hash[ED25519_HASH_LEN], key[ED25519_KEY_LEN];

    ed25519_expand(hash, seed_password);
    ed25519_public(key, hash);
    assert_memory_equal(key, seed_key, sizeof(key));
}

TEST(ed25519_signature_is_the_one_of_openssl)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
    uint8_t hash[ED25519_HASH_LEN], nonce[ED25519_NONCE_LEN];

    ed25519_expand(hash, seed_password);
    for (int i = 0; i < 50; i++) {
        uint8_t ours[ED25519_SIGNATURE_LEN], theirs[ED25519_SIGNATURE_LEN];
        size_t len = sizeof(theirs);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        ed25519_random_nonce(nonce);
        ed25519_sign(ours, hash, nonce);
        assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey), 1);
        assert_int_equal(EVP_DigestSign(ctx, theirs, &len, nonce, sizeof(nonce)), 1);
        assert_memory_equal(ours, theirs, sizeof(ours));
        EVP_MD_CTX_free(ctx);
    }
    EVP_PKEY_free(pkey);
}

TEST(ed25519_stored_form_is_mariadbs)
{
    static const char *const malformed[] = {"",
                                            "Gv2JI8",
                                            "Gv2JI8Env2fd5YGonZ082tX3UAW+yJYldOlj4R1bfK4=",
                                            "=v2JI8Env2fd5YGonZ082tX3UAW+yJYldOlj4R1bfK4",
                                            "Gv2JI8Env2fd5YGonZ082tX3UAW+yJYldOlj4R1bfK=",
                                            "Gv2JI8Env2fd5YGonZ082tX3UAW yJYldOlj4R1bfK4",
                                            "Gv2JI8Env2fd5YGonZ082tX3UAW\377yJYldOlj4R1bfK4"};
    uint8_t key[ED25519_KEY_LEN], hash[ED25519_HASH_LEN], own[ED25519_KEY_LEN];

    assert_int_equal(ed25519_parse(key, SLICE(STORED_X)), 0);
    ed25519_expand(hash, SLICE("x"));
    ed25519_public(own, hash);
    assert_memory_equal(key, own, sizeof(key));
    assert_true(ed25519_clear_fits(key, SLICE("x")));
    assert_false(ed25519_clear_fits(key, SLICE("y")));
    assert_false(ed25519_clear_fits(key, SLICE("")));
    for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
        assert_int_equal(ed25519_parse(key, slice_of(malformed[i])), ERR_MALFORMED);
    }
}

TEST(ed25519_check_refuses_any_changed_bit)
{
    uint8_t hash[ED25519_HASH_LEN], key[ED25519_KEY_LEN], nonce[ED25519_NONCE_LEN];
    uint8_t signature[ED25519_SIGNATURE_LEN];
    struct slice made = {(const char *)signature, sizeof(signature)};

    ed25519_expand(hash, SLICE("a password that is longer than the thirty-two bytes of a seed"));
    ed25519_public(key, hash);
    ed25519_random_nonce(nonce);
    ed25519_sign(signature, hash, nonce);
    assert_true(ed25519_check(key, nonce, made));
    for (size_t bit = 0; bit < sizeof(signature) * 8; bit++) {
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(ed25519_check(key, nonce, made));
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    nonce[31] ^= 1;
    assert_false(ed25519_check(key, nonce, made));
    for (size_t len = 0; len < sizeof(signature); len++) {
        assert_false(ed25519_check(key, nonce, (struct slice){made.data, len}));
    }
    memset(signature, 0, sizeof(signature)); /* the zero key has a signature of zeros elsewhere */
    assert_false(ed25519_check(key, nonce, made));
}

/* --- in a login ------------------------------------------------------------------------------- */

struct exam {
    struct auth_check auth;
    struct secret secret;
    struct auth_line line;
    struct auth_learnt learnt;
    uint8_t sequence;
    uint8_t bytes[AUTH_SENT_MAX];
    struct writer out;
};

static void begin(struct exam *e, const char *stored, const char *plugin)
{
    *e = (struct exam){.auth.step = AUTH_RESPONSE, .sequence = 2};
    assert_int_equal(ed25519_parse(e->secret.ed25519_key, slice_of(stored)), 0);
    e->secret.has_ed25519_key = true;
    auth_check_salt(&e->auth);
    auth_check_named(&e->auth, slice_of(plugin));
}

static enum auth_verdict answer(struct exam *e, const void *data, size_t len)
{
    e->out = writer_of(e->bytes, sizeof(e->bytes));
    return auth_check_answer(&e->auth, &e->secret, &e->line,
                             (struct slice){(const char *)data, len}, &e->out, &e->sequence,
                             &e->learnt);
}

/* The switch that was sent: its plugin and what it brings. */
static struct slice asked(const struct exam *e, const char *plugin)
{
    struct slice name, data;

    assert_int_equal(auth_switch_decode(&name, &data, e->bytes + 4, e->out.len - 4), 0);
    assert_true(slice_eq(name, slice_of(plugin)));
    return data;
}

static enum auth_verdict sign(struct exam *e, const char *password, struct slice nonce)
{
    uint8_t hash[ED25519_HASH_LEN], signature[ED25519_SIGNATURE_LEN], kept[ED25519_NONCE_LEN];

    assert_int_equal(nonce.len, ED25519_NONCE_LEN);
    memcpy(kept, nonce.data, sizeof(kept));
    ed25519_expand(hash, slice_of(password));
    ed25519_sign(signature, hash, kept);
    return answer(e, signature, sizeof(signature));
}

TEST(auth_check_ed25519_signs_a_nonce_of_its_own)
{
    static const char *const named[] = {PLUGIN_ED25519, PLUGIN_NATIVE, "no_such_plugin",
                                        PLUGIN_SHA2};
    struct exam e;

    for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
        begin(&e, STORED_X, named[i]);
        assert_int_equal(answer(&e, "12345678901234567890", 20), AUTH_MORE);
        assert_int_equal(sign(&e, "x", asked(&e, PLUGIN_ED25519)), AUTH_RIGHT);
        assert_int_equal(e.learnt.clear.len, 0);
        begin(&e, STORED_X, named[i]);
        assert_int_equal(answer(&e, "", 0), AUTH_MORE);
        assert_int_equal(sign(&e, "y", asked(&e, PLUGIN_ED25519)), AUTH_WRONG);
        assert_int_equal(answer(&e, "", 0), AUTH_WRONG);
    }
}

TEST(auth_check_ed25519_of_a_clear_password)
{
    struct exam e;

    begin(&e, STORED_X, PLUGIN_ED25519);
    assert_int_equal(secret_parse(&e.secret, SLICE("galeway")), 0);
    assert_int_equal(answer(&e, "", 0), AUTH_MORE);
    assert_int_equal(sign(&e, "galeway", asked(&e, PLUGIN_ED25519)), AUTH_RIGHT);
    assert_int_equal(sign(&e, "other", (struct slice){(const char *)e.auth.nonce, 32}), AUTH_WRONG);
}

TEST(auth_check_ed25519_asks_for_a_clear_password_over_a_private_line)
{
    struct exam e;

    begin(&e, STORED_X, PLUGIN_ED25519);
    e.line.is_private = true;
    assert_int_equal(answer(&e, "", 0), AUTH_MORE);
    (void)asked(&e, PLUGIN_CLEAR);
    assert_int_equal(answer(&e, "x", 2), AUTH_RIGHT);
    assert_true(slice_eq(e.learnt.clear, SLICE("x")));
    begin(&e, STORED_X, PLUGIN_ED25519);
    e.line.is_private = true;
    secret_learn_ed25519(&e.secret, SLICE("x")); /* known by now: no need to ask */
    assert_int_equal(answer(&e, "", 0), AUTH_MORE);
    assert_int_equal(sign(&e, "x", asked(&e, PLUGIN_ED25519)), AUTH_RIGHT);
}

TEST(auth_check_clear_is_only_looked_at_over_a_private_line)
{
    static const char *const stored[] = {"galeway", "*BBE743001CE2D65E8EEFFAC29BDC95DAF2C4B3EE"};
    struct exam e;

    for (size_t i = 0; i < ARRAY_SIZE(stored); i++) {
        begin(&e, STORED_X, PLUGIN_CLEAR);
        assert_int_equal(secret_parse(&e.secret, slice_of(stored[i])), 0);
        e.line.is_private = true;
        assert_int_equal(answer(&e, "galeway", 8), AUTH_RIGHT);
        assert_true(slice_eq(e.learnt.clear, SLICE("galeway")));
        assert_int_equal(answer(&e, "Galeway", 8), AUTH_WRONG);
        assert_int_equal(e.learnt.clear.len, 0);
        assert_int_equal(answer(&e, "", 1), AUTH_WRONG);
        assert_false(e.learnt.with_password);
        e.line.is_private = false;
        assert_int_equal(answer(&e, "galeway", 8), AUTH_MORE);
        (void)asked(&e, PLUGIN_NATIVE);
        auth_check_named(&e.auth, SLICE(PLUGIN_CLEAR)); /* as a COM_CHANGE_USER does */
        e.out = writer_of(e.bytes, sizeof(e.bytes));
        auth_check_switch(&e.auth, NULL, &e.line, &e.out, &e.sequence);
        (void)asked(&e, PLUGIN_NATIVE);
    }
}

TEST(auth_check_asks_each_of_several_passwords)
{
    uint8_t response[SHA1_LEN];
    struct secret own;
    struct exam e;

    for (int i = 0; i < 2; i++) { /* the native password is y, that of ed25519 x */
        begin(&e, STORED_X, PLUGIN_NATIVE);
        e.secret.is_either = e.secret.has_stage2 = true;
        assert_int_equal(secret_parse(&own, slice_of(i == 0 ? "x" : "y")), 0);
        memcpy(e.secret.stage2, own.stage2, SHA1_LEN);
        assert_int_equal(secret_parse(&own, SLICE("y")), 0);
        native_response(response, own.stage1, e.auth.salt);
        if (i == 1) {
            assert_int_equal(answer(&e, response, sizeof(response)), AUTH_RIGHT);
            continue;
        }
        assert_int_equal(answer(&e, response, sizeof(response)), AUTH_MORE);
        assert_int_equal(sign(&e, "y", asked(&e, PLUGIN_ED25519)), AUTH_WRONG);
        assert_int_equal(answer(&e, response, sizeof(response)), AUTH_WRONG); /* each once */
    }
}

TEST(auth_check_switch_asks_for_what_serves)
{
    struct exam e;

    begin(&e, STORED_X, PLUGIN_NATIVE);
    e.out = writer_of(e.bytes, sizeof(e.bytes));
    auth_check_switch(&e.auth, &e.secret, &e.line, &e.out, &e.sequence);
    assert_int_equal(sign(&e, "x", asked(&e, PLUGIN_ED25519)), AUTH_RIGHT);
    begin(&e, STORED_X, PLUGIN_ED25519);
    e.out = writer_of(e.bytes, sizeof(e.bytes));
    auth_check_switch(&e.auth, NULL, &e.line, &e.out, &e.sequence);
    assert_int_equal(asked(&e, PLUGIN_ED25519).len, ED25519_NONCE_LEN);
}
