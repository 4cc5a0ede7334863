/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_inside.h - what the files of tls.h share.
 */
#ifndef PROTOCOL_TLS_INSIDE_H
#define PROTOCOL_TLS_INSIDE_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "protocol/tls.h"

struct tls_context {
    atomic_uint refs;
    SSL_CTX *ssl;
    bool is_server;
    bool checks_name;
};

/* tls_last_error - OpenSSL's, as text; its queue of this thread is empty then. */
void tls_last_error(char *out, size_t cap);

/* tls_keylog_write - OpenSSL's callback: one line of secrets. Any thread. */
void tls_keylog_write(const SSL *ssl, const char *line);

#endif
