/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_auth_check.c - the server's side of a login, against the client's arithmetic of auth.h.
 */
#include "base/err.h"
#include "protocol/auth_check.h"
#include "tests/unit/test.h"

#define STORED                                                                            \
    "$A$005$\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13" \
    "\x14jb4yf9/mt6RJxviHeOr2EEmzKRh8Ayonb8Aw8Df2k9B" /* of "galeway" */

/* A server in the middle of a login, and what it sent. */
struct exam {
    struct auth_check auth;
    struct secret secret;
    struct auth_line line;
    struct auth_learnt learnt;
    uint8_t sequence;
    uint8_t bytes[AUTH_SENT_MAX];
    struct writer out;
};

static void begin(struct exam *e, struct slice stored, const char *plugin)
{
    *e = (struct exam){.auth.step = AUTH_RESPONSE, .sequence = 2};
    assert_int_equal(secret_parse(&e->secret, stored), 0);
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

static enum auth_verdict by_native(struct exam *e, const char *password)
{
    struct secret own;
    uint8_t response[SHA1_LEN];

    assert_int_equal(secret_parse(&own, slice_of(password)), 0);
    native_response(response, own.stage1, e->auth.salt);
    return answer(e, response, own.is_empty ? 0 : sizeof(response));
}

static enum auth_verdict by_sha2(struct exam *e, const char *password)
{
    uint8_t response[SHA256_LEN];

    if (password[0] == '\0') {
        return answer(e, "", 1);
    }
    sha2_response(response, slice_of(password), e->auth.salt);
    return answer(e, response, sizeof(response));
}

TEST(auth_check_native)
{
    struct exam e;

    begin(&e, SLICE("galeway"), PLUGIN_NATIVE);
    assert_int_equal(by_native(&e, "galeway"), AUTH_RIGHT);
    assert_true(e.learnt.has_stage1 && e.learnt.with_password);
    assert_memory_equal(e.learnt.stage1, e.secret.stage1, SHA1_LEN);
    assert_int_equal(e.out.len, 0);
    assert_int_equal(by_native(&e, "Galeway"), AUTH_WRONG);
    assert_false(e.learnt.has_stage1);
    assert_int_equal(by_native(&e, ""), AUTH_WRONG);
    assert_false(e.learnt.with_password);
    begin(&e, SLICE(""), "");
    assert_int_equal(by_native(&e, ""), AUTH_RIGHT);
    assert_int_equal(by_native(&e, "x"), AUTH_WRONG);
}

TEST(auth_check_sha2_fast_path)
{
    struct exam e;

    begin(&e, SLICE("galeway"), PLUGIN_SHA2);
    assert_int_equal(by_sha2(&e, "galeway"), AUTH_RIGHT);
    assert_int_equal(e.out.len, 6);
    assert_memory_equal(e.bytes, "\x02\x00\x00\x02\x01\x03", 6);
    assert_int_equal(by_sha2(&e, "x"), AUTH_WRONG);
    assert_int_equal(e.out.len, 0);
    assert_int_equal(by_sha2(&e, ""), AUTH_WRONG);
    begin(&e, SLICE(""), PLUGIN_SHA2);
    assert_int_equal(by_sha2(&e, ""), AUTH_RIGHT);
    assert_int_equal(by_sha2(&e, "x"), AUTH_WRONG);
}

TEST(auth_check_who_sent_nothing_along_is_asked)
{
    struct exam e;

    begin(&e, SLICE("galeway"), PLUGIN_SHA2);
    assert_int_equal(answer(&e, "", 0), AUTH_MORE);
    assert_int_equal(e.bytes[4], 0xfe);
    assert_string_equal((const char *)e.bytes + 5, PLUGIN_SHA2);
    assert_int_equal(by_sha2(&e, "galeway"), AUTH_RIGHT);
    begin(&e, SLICE("galeway"), PLUGIN_SHA2);
    assert_int_equal(answer(&e, "", 0), AUTH_MORE);
    assert_int_equal(answer(&e, "", 0), AUTH_WRONG);
    assert_false(e.learnt.with_password);
    begin(&e, SLICE(""), PLUGIN_SHA2);
    assert_int_equal(answer(&e, "", 0), AUTH_RIGHT);
}

TEST(auth_check_asks_for_another_plugin_once)
{
    static const struct {
        const char *stored, *named, *asked;
    } cases[] = {{"galeway", "dialog", PLUGIN_NATIVE},
                 {STORED, PLUGIN_NATIVE, PLUGIN_SHA2},
                 {"*BBE743001CE2D65E8EEFFAC29BDC95DAF2C4B3EE", PLUGIN_SHA2, PLUGIN_NATIVE}};
    struct exam e;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t first[SALT_LEN];

        begin(&e, slice_of(cases[i].stored), cases[i].named);
        memcpy(first, e.auth.salt, SALT_LEN);
        assert_int_equal(answer(&e, "?", 1), AUTH_MORE);
        assert_int_equal(e.bytes[4], 0xfe);
        assert_string_equal((const char *)e.bytes + 5, cases[i].asked);
        assert_memory_equal(e.auth.salt, first, SALT_LEN);
        assert_memory_equal(e.bytes + 5 + strlen(cases[i].asked) + 1, first, SALT_LEN);
        assert_int_equal(e.auth.step, AUTH_SWITCHED);
        assert_int_equal(answer(&e, "?", 1), AUTH_WRONG);
    }
}

TEST(auth_check_sha2_full_path_over_a_private_line)
{
    struct exam e;

    begin(&e, SLICE(STORED), PLUGIN_SHA2);
    e.line.is_private = true;
    assert_int_equal(by_sha2(&e, "galeway"), AUTH_MORE);
    assert_memory_equal(e.bytes, "\x02\x00\x00\x02\x01\x04", 6);
    assert_int_equal(answer(&e, "wrong", 6), AUTH_WRONG);
    assert_int_equal(e.learnt.clear.len, 0);
    assert_int_equal(answer(&e, "galeway", 8), AUTH_RIGHT);
    assert_true(slice_eq(e.learnt.clear, SLICE("galeway")));
    assert_int_equal(secret_parse(&e.secret, SLICE("other")), 0); /* changed meanwhile */
    assert_int_equal(answer(&e, "galeway", 8), AUTH_WRONG);
    assert_int_equal(answer(&e, "other", 6), AUTH_RIGHT);
}

static enum auth_verdict encrypted(struct exam *e, const char *password)
{
    uint8_t block[64], sent[RSA_BLOCK_MAX];
    size_t len = strlen(password) + 1, sent_len;

    memcpy(block, password, len);
    sha2_unmask(block, len, e->auth.salt);
    assert_int_equal(rsa_encrypt(rsa_key_pem(e->line.rsa), (struct slice){(const char *)block, len},
                                 sent, sizeof(sent), &sent_len),
                     0);
    return answer(e, sent, sent_len);
}

TEST(auth_check_sha2_full_path_with_a_key)
{
    struct rsa_key *key = rsa_key_new();
    struct exam e;

    assert_non_null(key);
    begin(&e, SLICE(STORED), PLUGIN_SHA2);
    e.line.rsa = key;
    assert_int_equal(by_sha2(&e, "galeway"), AUTH_MORE);
    assert_int_equal(answer(&e, "\x02", 1), AUTH_MORE);
    assert_int_equal(e.auth.step, AUTH_KEY);
    assert_memory_equal(e.bytes + 5, rsa_key_pem(key).data, rsa_key_pem(key).len);
    assert_int_equal(encrypted(&e, "wrong"), AUTH_WRONG);
    assert_int_equal(encrypted(&e, "galeway"), AUTH_RIGHT);
    assert_true(slice_eq(e.learnt.clear, SLICE("galeway")));
    assert_int_equal(answer(&e, "galeway", 8), AUTH_WRONG); /* clear on an open line */
    auth_learnt_wipe(&e.learnt);
    assert_int_equal(e.learnt.bytes[0], 0);
    rsa_key_free(key);
}

TEST(auth_check_without_a_key_refuses)
{
    struct exam e;

    begin(&e, SLICE(STORED), PLUGIN_SHA2);
    assert_int_equal(by_sha2(&e, "galeway"), AUTH_MORE);
    assert_int_equal(answer(&e, "\x02", 1), AUTH_WRONG);
    assert_int_equal(answer(&e, "galeway", 8), AUTH_WRONG);
}
