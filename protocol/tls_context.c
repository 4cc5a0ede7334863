/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_context.c - certificates and settings that connections share. See tls.h.
 *
 * Sessions are resumed by tickets, which hold all that is needed: there is no cache of sessions and
 * no lock around one, and all workers take what any of them gave. The keys of tickets are made with
 * the context: certificates that are read again make all tickets void.
 */
#include <openssl/err.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/pass_phrase.h"
#include "protocol/tls_inside.h"

#define CIPHERS_MAX 2048

static const uint8_t session_context[] = "galeway";

/* The first one is nearest to the cause. */
void tls_last_error(char *out, size_t cap)
{
    unsigned long code = ERR_peek_error();
    const char *text = code == 0                ? "the connection broke"
                       : ERR_SYSTEM_ERROR(code) ? err_text(-ERR_GET_REASON(code))
                                                : ERR_reason_error_string(code);

    (void)snprintf(out, cap, "%s", text == NULL ? "TLS failed" : text);
    ERR_clear_error();
}

/* --- settings --------------------------------------------------------------------------------- */

/* Which of OpenSSL's versions a list has; false = an unknown word, or none. */
static bool read_versions(const char *versions, bool *has_12, bool *has_13)
{
    const char *at = versions;

    *has_12 = *has_13 = false;
    while (*at != '\0') {
        size_t len = strcspn(at, ", ");
        struct slice word = {at, len};

        if (slice_eq(word, SLICE("TLSv1.2"))) {
            *has_12 = true;
        } else if (slice_eq(word, SLICE("TLSv1.3"))) {
            *has_13 = true;
        } else if (len > 0) {
            return false;
        }
        at += len;
        at += *at != '\0';
    }
    return *has_12 || *has_13;
}

bool tls_versions_are_good(const char *versions)
{
    bool has_12, has_13;

    return versions[0] == '\0' || read_versions(versions, &has_12, &has_13);
}

static bool set_versions(SSL_CTX *ssl, const char *versions)
{
    bool has_12 = true, has_13 = true;

    if (versions[0] != '\0' && !read_versions(versions, &has_12, &has_13)) {
        return false;
    }
    return SSL_CTX_set_min_proto_version(ssl, has_12 ? TLS1_2_VERSION : TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl, has_13 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1;
}

static void append(char *list, struct slice name)
{
    size_t len = strlen(list);

    (void)snprintf(list + len, CIPHERS_MAX - len, "%s%.*s", len > 0 ? ":" : "", SLICE_ARGS(name));
}

/* OpenSSL has a list for 1.2 and one for 1.3; a DBA writes one. */
static bool set_ciphers(SSL_CTX *ssl, const char *ciphers)
{
    char of_12[CIPHERS_MAX] = "", of_13[CIPHERS_MAX] = "";
    const char *at = ciphers;

    if (strlen(ciphers) >= CIPHERS_MAX) {
        return false;
    }
    while (*at != '\0') {
        size_t len = strcspn(at, ":, ");
        struct slice name = {at, len};

        if (len > 4 && strncmp(at, "TLS_", 4) == 0) {
            append(of_13, name);
        } else if (len > 0) {
            append(of_12, name);
        }
        at += len;
        at += *at != '\0';
    }
    return (of_12[0] == '\0' || SSL_CTX_set_cipher_list(ssl, of_12) == 1) &&
           (of_13[0] == '\0' || SSL_CTX_set_ciphersuites(ssl, of_13) == 1);
}

static bool fail(char why[TLS_WHY_MAX], const char *what, const char *value)
{
    char text[TLS_WHY_MAX / 2];

    tls_last_error(text, sizeof(text));
    (void)snprintf(why, TLS_WHY_MAX, "%s %.100s: %s", what, value, text);
    return false;
}

static bool use_certificate(SSL_CTX *ssl, const struct tls_settings *s, char why[TLS_WHY_MAX])
{
    if (s->cert[0] == '\0' && s->key[0] == '\0') {
        return true;
    }
    if (s->cert[0] == '\0' || s->key[0] == '\0') {
        (void)snprintf(why, TLS_WHY_MAX, "a certificate needs its key, and a key its certificate");
        return false;
    }
    if (SSL_CTX_use_certificate_chain_file(ssl, s->cert) != 1) {
        return fail(why, "certificate", s->cert);
    }
    if (SSL_CTX_use_PrivateKey_file(ssl, s->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ssl) != 1) {
        return fail(why, "key", s->key);
    }
    return true;
}

static bool use_revoked(SSL_CTX *ssl, const struct tls_settings *s, char why[TLS_WHY_MAX])
{
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    X509_LOOKUP *lookup;

    if (s->crl[0] != '\0') {
        lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
        if (lookup == NULL || X509_load_crl_file(lookup, s->crl, X509_FILETYPE_PEM) < 1) {
            return fail(why, "revoked certificates", s->crl);
        }
    }
    if (s->crl_path[0] != '\0') {
        lookup = X509_STORE_add_lookup(store, X509_LOOKUP_hash_dir());
        if (lookup == NULL || X509_LOOKUP_add_dir(lookup, s->crl_path, X509_FILETYPE_PEM) != 1) {
            return fail(why, "revoked certificates", s->crl_path);
        }
    }
    if (s->crl[0] != '\0' || s->crl_path[0] != '\0') {
        (void)X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    }
    return true;
}

static bool use_authorities(SSL_CTX *ssl, const struct tls_settings *s, char why[TLS_WHY_MAX])
{
    const char *file = s->ca[0] != '\0' ? s->ca : NULL;
    const char *folder = s->ca_path[0] != '\0' ? s->ca_path : NULL;

    if (file == NULL && folder == NULL) {
        SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
        return true;
    }
    if (SSL_CTX_load_verify_locations(ssl, file, folder) != 1) {
        return fail(why, "authorities", file != NULL ? file : folder);
    }
    if (s->is_server && file != NULL) { /* clients with several certificates choose by it */
        SSL_CTX_set_client_CA_list(ssl, SSL_load_client_CA_file(file));
    }
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL); /* of a server: those who have none may enter */
    return use_revoked(ssl, s, why);
}

/*
 * Each session that is resumed gets a new ticket (TLS 1.3), which OpenSSL would take for as long
 * again: in a ticket is when its first handshake was, which is what counts.
 */
static int give_ticket(SSL *ssl, void *arg)
{
    SSL_SESSION *session = SSL_get_session(ssl);
    int64_t first = (int64_t)time(NULL);
    void *kept;
    size_t len;

    (void)arg;
    if (SSL_session_reused(ssl) == 1 &&
        SSL_SESSION_get0_ticket_appdata(session, &kept, &len) == 1 && len == sizeof(first)) {
        return 1; /* it stays as it is */
    }
    return SSL_SESSION_set1_ticket_appdata(session, &first, sizeof(first));
}

static SSL_TICKET_RETURN take_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                     size_t name_len, SSL_TICKET_STATUS status, void *arg)
{
    int64_t first, limit = SSL_CTX_get_timeout(SSL_get_SSL_CTX(ssl));
    void *kept;
    size_t len;

    (void)name;
    (void)name_len;
    (void)arg;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    if (SSL_SESSION_get0_ticket_appdata(session, &kept, &len) != 1 || len != sizeof(first)) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    memcpy(&first, kept, sizeof(first));
    if ((int64_t)time(NULL) - first > limit) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

static bool use_sessions(SSL_CTX *ssl, unsigned seconds)
{
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    if (seconds == 0) {
        (void)SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
        return SSL_CTX_set_num_tickets(ssl, 0) == 1;
    }
    (void)SSL_CTX_set_timeout(ssl, (long)seconds);
    return SSL_CTX_set_session_ticket_cb(ssl, give_ticket, take_ticket, NULL) == 1 &&
           SSL_CTX_set_num_tickets(ssl, 1) == 1 && /* more are work for clients that keep none */
           SSL_CTX_set_session_id_context(ssl, session_context, sizeof(session_context)) == 1;
}

static bool configure(SSL_CTX *ssl, const struct tls_settings *s, char why[TLS_WHY_MAX])
{
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(ssl, pass_phrase_none);
    SSL_CTX_set_keylog_callback(ssl, s->logs_keys ? tls_keylog_write : NULL);
    (void)SSL_CTX_set_dh_auto(ssl, 1);
    if (!set_versions(ssl, s->versions)) {
        (void)snprintf(why, TLS_WHY_MAX, "versions %.100s: none, TLSv1.2 or TLSv1.3", s->versions);
        return false;
    }
    if (!set_ciphers(ssl, s->ciphers)) {
        return fail(why, "ciphers", s->ciphers);
    }
    if (s->is_server && !use_sessions(ssl, s->session_s)) {
        return fail(why, "sessions", "");
    }
    return use_certificate(ssl, s, why) && use_authorities(ssl, s, why);
}

int tls_context_new(struct tls_context **out, const struct tls_settings *settings,
                    char why[TLS_WHY_MAX])
{
    SSL_CTX *ssl = SSL_CTX_new(settings->is_server ? TLS_server_method() : TLS_client_method());
    struct tls_context *context;

    ERR_clear_error();
    if (ssl == NULL || !configure(ssl, settings, why)) {
        if (ssl == NULL) {
            (void)fail(why, "OpenSSL", "");
        }
        SSL_CTX_free(ssl);
        return ERR_CONFIG;
    }
    context = mem_new(MEM_TLS, sizeof(*context));
    atomic_store(&context->refs, 1);
    context->ssl = ssl;
    context->is_server = settings->is_server;
    context->checks_name = settings->checks_name;
    *out = context;
    return 0;
}

int tls_context_days(const struct tls_context *context)
{
    const X509 *cert = SSL_CTX_get0_certificate(context->ssl);
    int days = 0, seconds = 0;

    if (cert == NULL || ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) != 1) {
        return 0;
    }
    return days == 0 && seconds < 0 ? -1 : days;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    if (context != NULL) {
        atomic_fetch_add(&context->refs, 1);
    }
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (context != NULL && atomic_fetch_sub(&context->refs, 1) == 1) {
        SSL_CTX_free(context->ssl);
        mem_free(MEM_TLS, context);
    }
}
