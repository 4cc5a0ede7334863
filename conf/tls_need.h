/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_need.h - what a user must come with: encryption, a certificate, or a certain one, as
 * MariaDB's REQUIRE says it.
 */
#ifndef CONF_TLS_NEED_H
#define CONF_TLS_NEED_H

#include <stdio.h>

#include "base/base.h"

#define TLS_NEED_NAME_MAX   1024
#define TLS_NEED_CIPHER_MAX 128

/* Zeroed = nothing. "" = any. */
struct tls_need {
    bool tls;
    bool certificate; /* one that mysql-ssl_ca has signed */
    char cipher[TLS_NEED_CIPHER_MAX];
    char subject[TLS_NEED_NAME_MAX], issuer[TLS_NEED_NAME_MAX]; /* /C=DE/CN=site1 */
};

/*
 * tls_need_set - one of its texts. One that is too long is a text that nobody has: no name begins
 * so.
 */
static inline void tls_need_set(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", strlen(text) < size ? text : "?");
}

#endif
