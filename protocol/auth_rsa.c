/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth_rsa.c - the RSA part of caching_sha2_password without TLS: OAEP padding with SHA-1, as
 * MySQL's clients use it.
 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/auth.h"
#include "protocol/pass_phrase.h"

#define KEY_BITS (8 * RSA_BLOCK_MAX)

struct rsa_key {
    EVP_PKEY *pkey; /* owned */
    BIO *pem;       /* owned: the public part as text */
};

struct rsa_key *rsa_key_new(void)
{
    struct rsa_key *key = mem_new(MEM_OTHER, sizeof(*key));

    key->pkey = EVP_RSA_gen(KEY_BITS);
    key->pem = BIO_new(BIO_s_mem());
    if (key->pkey == NULL || key->pem == NULL || PEM_write_bio_PUBKEY(key->pem, key->pkey) != 1) {
        ERR_clear_error();
        rsa_key_free(key);
        return NULL;
    }
    return key;
}

void rsa_key_free(struct rsa_key *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->pkey);
        BIO_free(key->pem);
        mem_free(MEM_OTHER, key);
    }
}

struct slice rsa_key_pem(const struct rsa_key *key)
{
    char *text = NULL;
    long len = BIO_get_mem_data(key->pem, &text);

    return (struct slice){text, len > 0 ? (size_t)len : 0};
}

int rsa_decrypt(const struct rsa_key *key, struct slice in, uint8_t *out, size_t *out_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
    size_t n = RSA_BLOCK_MAX;
    int rc = ERR_MALFORMED;

    *out_len = 0;
    if (ctx != NULL && EVP_PKEY_decrypt_init(ctx) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
        EVP_PKEY_decrypt(ctx, out, &n, (const uint8_t *)in.data, in.len) == 1) {
        *out_len = n;
        rc = 0;
    }
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error(); /* what stays in the thread's queue would be read as an error of TLS */
    return rc;
}

int rsa_encrypt(struct slice pem, struct slice in, uint8_t *out, size_t cap, size_t *out_len)
{
    BIO *bio = pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, pass_phrase_none, NULL);
    EVP_PKEY_CTX *ctx = pkey == NULL ? NULL : EVP_PKEY_CTX_new(pkey, NULL);
    size_t n = cap;
    int rc = ERR_MALFORMED;

    *out_len = 0;
    if (ctx != NULL && EVP_PKEY_encrypt_init(ctx) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
        EVP_PKEY_encrypt(ctx, out, &n, (const uint8_t *)in.data, in.len) == 1) {
        *out_len = n;
        rc = 0;
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    ERR_clear_error();
    return rc;
}
