/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_made.c - certificates for a first start. See tls.h.
 *
 * Elliptic keys (P-256): made in a moment, and a handshake costs a tenth of one with RSA. The
 * authority's key is forgotten: it signs one certificate and no other.
 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/tls.h"

#define SKEW_S    86400L /* clocks of clients may be behind */
#define VERSION_3 2      /* as it is written */
#define KEY_CURVE "P-256"

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool done;

    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    done = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

static bool set_number(X509 *cert)
{
    uint8_t bytes[16];
    BIGNUM *number;
    bool done;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return false;
    }
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, and always as long */
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    done = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return done;
}

/* A certificate without extensions and signature. */
static X509 *new_certificate(EVP_PKEY *key, const char *name, X509 *issuer)
{
    X509 *cert = X509_new();
    X509_NAME *subject = cert == NULL ? NULL : X509_get_subject_name(cert);
    bool done =
        subject != NULL && X509_set_version(cert, VERSION_3) == 1 && set_number(cert) &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -SKEW_S) != NULL &&
        X509_time_adj_ex(X509_getm_notAfter(cert), TLS_CERT_YEARS * 365, 0, NULL) != NULL &&
        X509_set_pubkey(cert, key) == 1 &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0) ==
            1 &&
        X509_set_issuer_name(cert, issuer == NULL ? subject : X509_get_subject_name(issuer)) == 1;

    if (!done) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static X509 *new_authority(EVP_PKEY *key)
{
    char name[64];
    uint8_t id[4];
    X509 *ca;

    if (RAND_bytes(id, sizeof(id)) != 1) {
        return NULL;
    }
    /* Its own name: one with the name of another but a new key confuses who has both. */
    (void)snprintf(name, sizeof(name), "Galeway CA %02x%02x%02x%02x", id[0], id[1], id[2], id[3]);
    ca = new_certificate(key, name, NULL);
    if (ca != NULL && add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(ca, ca, NID_subject_key_identifier, "hash") &&
        X509_sign(ca, key, EVP_sha256()) > 0) {
        return ca;
    }
    X509_free(ca);
    return NULL;
}

/* A host's name as a certificate may have it: whatever is no name is left out. */
static bool is_name(const char *host)
{
    size_t len = strlen(host);

    return len > 0 && len <= 64 &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == len;
}

static X509 *new_server(EVP_PKEY *key, const char *host, X509 *ca, EVP_PKEY *ca_key)
{
    const char *name = is_name(host) ? host : "galeway";
    X509 *cert = new_certificate(key, name, ca);
    char names[160];

    (void)snprintf(names, sizeof(names), "DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", name);
    if (cert != NULL && add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(cert, ca, NID_key_usage, "critical,digitalSignature") &&
        add_extension(cert, ca, NID_ext_key_usage, "serverAuth") &&
        add_extension(cert, ca, NID_subject_key_identifier, "hash") &&
        add_extension(cert, ca, NID_authority_key_identifier, "keyid") &&
        add_extension(cert, ca, NID_subject_alt_name, names) &&
        X509_sign(cert, ca_key, EVP_sha256()) > 0) {
        return cert;
    }
    X509_free(cert);
    return NULL;
}

static char *text_of(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);

    return mem_copy(MEM_TLS, (struct slice){data, (size_t)len});
}

static char *certificate_text(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    if (bio != NULL && PEM_write_bio_X509(bio, cert) == 1) {
        text = text_of(bio);
    }
    BIO_free(bio);
    return text;
}

static char *key_text(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when it is freed */
    char *text = NULL;

    if (bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        text = text_of(bio);
    }
    BIO_free(bio);
    return text;
}

int tls_make(struct tls_made *made, const char *host)
{
    EVP_PKEY *ca_key = EVP_EC_gen(KEY_CURVE);
    EVP_PKEY *key = EVP_EC_gen(KEY_CURVE);
    X509 *ca = ca_key == NULL ? NULL : new_authority(ca_key);
    X509 *cert = ca == NULL || key == NULL ? NULL : new_server(key, host, ca, ca_key);

    *made = (struct tls_made){0};
    if (cert != NULL) {
        made->ca = certificate_text(ca);
        made->cert = certificate_text(cert);
        made->key = key_text(key);
    }
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (made->ca == NULL || made->cert == NULL || made->key == NULL) {
        tls_made_free(made);
        return ERR_LIMIT;
    }
    return 0;
}

void tls_made_free(struct tls_made *made)
{
    if (made->key != NULL) {
        OPENSSL_cleanse(made->key, strlen(made->key));
    }
    mem_free(MEM_TLS, made->ca);
    mem_free(MEM_TLS, made->cert);
    mem_free(MEM_TLS, made->key);
    *made = (struct tls_made){0};
}
