/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.c - see tls.h: one connection.
 *
 * OpenSSL reads from the bytes that were given and writes to the sink through a BIO of ours, which
 * keeps nothing: OpenSSL's own memory BIOs would copy each byte once more and keep what they grew
 * to. The thread's queue of errors is emptied before each call, as SSL_get_error() looks at it.
 */
#include "protocol/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/tls_inside.h"

struct tls {
    SSL *ssl;
    struct tls_context *context; /* a reference */
    tls_sink_fn *sink;
    void *sink_arg;
    const uint8_t *in; /* lent */
    size_t in_len;
    int sink_rc; /* of the sink, when it failed */
    bool is_broken;
    char why[TLS_WHY_MAX];
};

static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

static int bio_read(BIO *bio, char *out, size_t cap, size_t *n)
{
    struct tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *n = MIN(cap, t->in_len);
    if (*n == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(out, t->in, *n);
    t->in += *n;
    t->in_len -= *n;
    return 1;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *n)
{
    struct tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    t->sink_rc = t->sink(t->sink_arg, (const uint8_t *)data, len);
    *n = t->sink_rc == 0 ? len : 0;
    return t->sink_rc == 0;
}

static long bio_ctrl(BIO *bio, int what, long number, void *arg)
{
    (void)bio;
    (void)number;
    (void)arg;
    return what == BIO_CTRL_FLUSH;
}

static void make_method(void)
{
    method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "lent bytes");
    CHECK(method != NULL && BIO_meth_set_read_ex(method, bio_read) == 1 &&
          BIO_meth_set_write_ex(method, bio_write) == 1 &&
          BIO_meth_set_ctrl(method, bio_ctrl) == 1);
}

/* The name told to the server is a name; what is checked may be an address. */
static bool set_host(SSL *ssl, const char *host, bool checks_name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    bool is_address = X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;

    if (is_address && !checks_name) {
        return X509_VERIFY_PARAM_set1_ip(param, NULL, 0) == 1;
    }
    if (is_address) {
        return true;
    }
    /* SSL_set_tlsext_host_name() without its cast, which takes const away. */
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)host) == 1 &&
           (!checks_name || X509_VERIFY_PARAM_set1_host(param, host, 0) == 1);
}

struct tls *tls_new(struct tls_context *context, const char *host)
{
    struct tls *t = mem_try(MEM_TLS, sizeof(*t));
    BIO *bio;

    CHECK(pthread_once(&method_once, make_method) == 0);
    if (t == NULL) {
        return NULL;
    }
    *t = (struct tls){.context = tls_context_ref(context), .ssl = SSL_new(context->ssl)};
    bio = t->ssl == NULL ? NULL : BIO_new(method);
    if (bio == NULL) {
        tls_free(t);
        return NULL;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    if (context->is_server) {
        SSL_set_accept_state(t->ssl);
    } else {
        SSL_set_connect_state(t->ssl);
    }
    if (host[0] != '\0' && !set_host(t->ssl, host, context->checks_name)) {
        tls_free(t);
        return NULL;
    }
    return t;
}

void tls_free(struct tls *t)
{
    if (t != NULL) {
        SSL_free(t->ssl);
        tls_context_unref(t->context);
        ERR_clear_error(); /* what is left would be read as another connection's */
        mem_free(MEM_TLS, t);
    }
}

void tls_use_sink(struct tls *t, tls_sink_fn *sink, void *arg)
{
    t->sink = sink;
    t->sink_arg = arg;
}

void tls_give(struct tls *t, const uint8_t *data, size_t len)
{
    CHECK(t->in_len == 0);
    t->in = data;
    t->in_len = len;
}

bool tls_has_input(const struct tls *t)
{
    return t->in_len > 0;
}

void tls_drop_input(struct tls *t)
{
    t->in = NULL;
    t->in_len = 0;
}

/* What a call that did not work means: 0 = it needs more bytes. */
static int outcome(struct tls *t, int result)
{
    int error = SSL_get_error(t->ssl, result);
    long verified;

    if (error == SSL_ERROR_WANT_READ) {
        return 0;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        return TLS_END;
    }
    t->is_broken = true;
    t->in_len = 0;
    verified = SSL_get_verify_result(t->ssl);
    tls_last_error(t->why, sizeof(t->why));
    if (verified != X509_V_OK) {
        size_t len = strlen(t->why);

        (void)snprintf(t->why + len, sizeof(t->why) - len, ": %s",
                       X509_verify_cert_error_string(verified));
    }
    if (t->sink_rc != 0) {
        return t->sink_rc;
    }
    return ERR_TLS;
}

int tls_shake(struct tls *t)
{
    int rc;

    if (t->is_broken) {
        return ERR_TLS;
    }
    ERR_clear_error();
    rc = SSL_do_handshake(t->ssl);
    if (rc == 1) {
        return 0;
    }
    rc = outcome(t, rc);
    return rc == 0 ? 1 : rc == TLS_END ? ERR_TLS : rc;
}

int64_t tls_open(struct tls *t, uint8_t *out, size_t cap)
{
    size_t n = 0;
    int rc;

    if (t->is_broken) {
        return ERR_TLS;
    }
    ERR_clear_error();
    rc = SSL_read_ex(t->ssl, out, cap, &n);
    return rc == 1 ? (int64_t)n : outcome(t, rc);
}

int tls_seal(struct tls *t, const uint8_t *data, size_t len)
{
    size_t n = 0;
    int rc;

    if (t->is_broken) {
        return ERR_TLS;
    }
    if (len == 0) {
        return 0;
    }
    ERR_clear_error();
    rc = SSL_write_ex(t->ssl, data, len, &n);
    if (rc == 1) {
        return 0;
    }
    rc = outcome(t, rc);
    return rc == 0 || rc == TLS_END ? ERR_TLS : rc;
}

void tls_goodbye(struct tls *t)
{
    if (!t->is_broken && SSL_is_init_finished(t->ssl) &&
        (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN) == 0) {
        ERR_clear_error();
        (void)SSL_shutdown(t->ssl); /* the peer's is not waited for */
    }
}

const char *tls_why(const struct tls *t)
{
    return t->why;
}

const char *tls_version(const struct tls *t)
{
    return SSL_get_version(t->ssl);
}

const char *tls_cipher(const struct tls *t)
{
    return SSL_get_cipher_name(t->ssl);
}

bool tls_was_resumed(const struct tls *t)
{
    return SSL_session_reused(t->ssl) == 1;
}

bool tls_has_peer_certificate(const struct tls *t)
{
    return SSL_get0_peer_certificate(t->ssl) != NULL;
}

/* As MariaDB compares names: the texts that OpenSSL makes of them. */
static bool has_name(X509_NAME *name, const char *expected)
{
    char *text = expected[0] == '\0' ? NULL : X509_NAME_oneline(name, NULL, 0);
    bool is_same = expected[0] == '\0' || (text != NULL && strcmp(text, expected) == 0);

    OPENSSL_free(text);
    return is_same;
}

/* It was when it was verified; a session that is resumed brings what was found then. */
static bool is_valid_now(const X509 *cert)
{
    return X509_cmp_current_time(X509_get0_notBefore(cert)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

const char *tls_lacks(const struct tls *t, const struct tls_need *need)
{
    X509 *cert;

    if (!need->tls) {
        return NULL;
    }
    if (t == NULL || !SSL_is_init_finished(t->ssl)) {
        return "TLS";
    }
    if (need->cipher[0] != '\0' && strcmp(tls_cipher(t), need->cipher) != 0) {
        return "the cipher that is required";
    }
    if (!need->certificate) {
        return NULL;
    }
    cert = SSL_get0_peer_certificate(t->ssl);
    if (cert == NULL || SSL_get_verify_result(t->ssl) != X509_V_OK) {
        return "a certificate";
    }
    if (!is_valid_now(cert)) {
        return "a certificate that is valid now";
    }
    if (!has_name(X509_get_issuer_name(cert), need->issuer)) {
        return "a certificate of the issuer that is required";
    }
    return has_name(X509_get_subject_name(cert), need->subject)
               ? NULL
               : "a certificate of the subject that is required";
}
