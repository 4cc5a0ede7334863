/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pass_phrase.c - a key that is locked is an error: what is on stdin stays there.
 *
 * Without a terminal OpenSSL asks on stdin. Each test is a process of its own (main.c).
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/err.h"
#include "protocol/auth.h"
#include "protocol/pass_phrase.h"
#include "tests/unit/test.h"

#define TYPED "secret\n"

static const char locked[] = "-----BEGIN PUBLIC KEY-----\n"
                             "Proc-Type: 4,ENCRYPTED\n"
                             "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n"
                             "\n"
                             "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAMIIBIjANBgkqhkiG9w0B\n"
                             "AQEFAAOCAQ8AMIIBCgKCAQEA\n"
                             "-----END PUBLIC KEY-----\n";

/* No terminal, and an answer on stdin for who asks. */
static void type_ahead(void)
{
    int ends[2];

    assert_true(setsid() > 0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], TYPED, strlen(TYPED)), strlen(TYPED));
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
}

static void assert_nobody_asked(void)
{
    int n = 0;

    assert_int_equal(ioctl(STDIN_FILENO, FIONREAD, &n), 0);
    assert_int_equal(n, strlen(TYPED));
}

TEST(rsa_encrypt_asks_for_no_pass_phrase)
{
    uint8_t out[RSA_BLOCK_MAX];
    size_t len;

    type_ahead();
    assert_int_equal(rsa_encrypt(slice_of(locked), SLICE("x"), out, sizeof(out), &len),
                     ERR_MALFORMED);
    assert_nobody_asked();
}

/* As plugins of the client library do. */
TEST(pass_phrase_is_not_asked_for_without_a_callback)
{
    BIO *bio = BIO_new_mem_buf(locked, -1);

    type_ahead();
    pass_phrase_never_ask();
    pass_phrase_never_ask();
    assert_null(PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL));
    assert_nobody_asked();
    BIO_free(bio);
    ERR_clear_error();
}
