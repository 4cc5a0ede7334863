/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.h - TLS 1.2 and 1.3 between bytes: OpenSSL on memory, without a socket.
 *
 *   tls_new --> tls_shake (until 0) --> tls_open, tls_seal --> tls_goodbye --> tls_free
 *
 * What came from the peer is given with tls_give and taken by the call that follows; what is to be
 * sent goes to the sink, in order, before the call returns. Nothing is kept while nothing is in
 * flight: OpenSSL gives its buffers back.
 *
 * A context holds certificates and settings; it is immutable and may be used by all threads. A
 * connection belongs to one thread at a time.
 */
#ifndef PROTOCOL_TLS_H
#define PROTOCOL_TLS_H

#include "conf/tls_need.h"

#define TLS_WHY_MAX    256
#define TLS_RECORD_MAX 16384                  /* bytes of one record, before it is encrypted */
#define TLS_SEALED_MAX (TLS_RECORD_MAX + 512) /* and after */
#define TLS_CERT_YEARS 10                     /* how long those made here are good */
#define TLS_NAME_MAX   256

struct tls;
struct tls_context;

/* "" = none, or OpenSSL's default. All borrowed for the call. */
struct tls_settings {
    bool is_server;
    const char *cert, *key;   /* files; the chain may be behind the certificate */
    const char *ca, *ca_path; /* who signs the peer's; none = the peer's is not looked at */
    const char *crl, *crl_path;
    const char *ciphers;  /* OpenSSL's list; names that begin with TLS_ are those of 1.3 */
    const char *versions; /* "TLSv1.2,TLSv1.3" */
    unsigned session_s;   /* server: how long a session may be resumed; 0 = not at all */
    bool checks_name;     /* client: the certificate must be that of the host; needs ca */
    bool logs_keys;       /* see tls_keylog_use */
};

/*
 * tls_context_new - read the files. A server asks its clients for a certificate when ca or ca_path
 * is set, and takes those who have none.
 *
 * why: TLS_WHY_MAX bytes, what is wrong and where.
 * Returns 0 and a context with one reference, or ERR_CONFIG.
 */
int tls_context_new(struct tls_context **out, const struct tls_settings *settings,
                    char why[TLS_WHY_MAX]) MUST_CHECK;

/* tls_versions_are_good - is it a list as struct tls_settings takes it? */
bool tls_versions_are_good(const char *versions);

/* tls_context_ref, tls_context_unref - any thread. NULL is fine. */
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

/* tls_context_days - until its certificate expires; negative = it has. */
int tls_context_days(const struct tls_context *context);

/*
 * tls_keylog_open - a descriptor of the file (made with mode 0600, appended to), or a negative
 * errno.
 * tls_keylog_use - the secrets of connections whose context logs them go there from now on; takes
 * fd; -1 = nowhere. Any thread.
 */
int tls_keylog_open(const char *path) MUST_CHECK;
void tls_keylog_use(int fd);

/* A self-signed authority and a certificate of its, as PEM. Its key is not kept by anybody. */
struct tls_made {
    char *ca, *cert, *key; /* owned */
};

/*
 * tls_make - for this machine: host is its name; localhost and the loopback addresses are in
 * it too. 0 or ERR_LIMIT (OpenSSL refuses). tls_made_free wipes the key.
 */
int tls_make(struct tls_made *made, const char *host) MUST_CHECK;
void tls_made_free(struct tls_made *made);

/* tls_sink_fn - 0, or a negative code: the call that wrote fails with it. */
typedef int tls_sink_fn(void *arg, const uint8_t *data, size_t len);

/*
 * tls_new - the server's end or the client's, as the context is. host: of the node, "" = not
 * checked and not told. NULL = no memory. Takes a reference.
 */
struct tls *tls_new(struct tls_context *context, const char *host) MUST_CHECK;
void tls_free(struct tls *t); /* NULL is fine */

/* tls_use_sink - before anything else, and when it comes to another thread. */
void tls_use_sink(struct tls *t, tls_sink_fn *sink, void *arg);

/*
 * tls_give - bytes from the peer; lent until all are taken (tls_has_input) or dropped, after which
 * nothing of them is looked at.
 */
void tls_give(struct tls *t, const uint8_t *data, size_t len);
bool tls_has_input(const struct tls *t);
void tls_drop_input(struct tls *t);

/*
 * tls_shake - go on with the handshake. 0 = it is done, 1 = more bytes are needed, ERR_TLS (see
 * tls_why; an alert is in the sink), or the sink's error.
 */
int tls_shake(struct tls *t) MUST_CHECK;

/*
 * tls_open - decrypt. Bytes put to out; 0 = more are needed; TLS_END = the peer said goodbye;
 * ERR_TLS, or the sink's error.
 */
#define TLS_END (-1)
int64_t tls_open(struct tls *t, uint8_t *out, size_t cap) MUST_CHECK;

/* tls_seal - encrypt all of it. 0, ERR_TLS, or the sink's error. */
int tls_seal(struct tls *t, const uint8_t *data, size_t len) MUST_CHECK;

/* tls_goodbye - tell the peer that nothing more comes. */
void tls_goodbye(struct tls *t);

/* tls_why - what went wrong; "" = nothing. */
const char *tls_why(const struct tls *t);

/* After the handshake. Static texts. */
const char *tls_version(const struct tls *t);
const char *tls_cipher(const struct tls *t);
bool tls_was_resumed(const struct tls *t);
bool tls_has_peer_certificate(const struct tls *t);

/*
 * tls_lacks - what of a need the peer has not shown, as words that follow "without"; NULL =
 * nothing.
 * t: after the handshake, or NULL: plain. A certificate that was shown is one that was checked.
 */
const char *tls_lacks(const struct tls *t, const struct tls_need *need);

#endif
