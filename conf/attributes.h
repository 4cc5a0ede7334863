/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attributes.h - what Galeway reads in the attributes (JSON) of users and rules.
 */
#ifndef CONF_ATTRIBUTES_H
#define CONF_ATTRIBUTES_H

#include "conf/tls_need.h"

/*
 * attributes_causal_window - {"causal_window_ms": n}: *window_ms is n, or CONF_UNSET when it is not
 * there. attributes: "" or JSON. Returns false when n is no whole number in the bounds of
 * mysql-causal_window_ms; *window_ms is CONF_UNSET then.
 */
bool attributes_causal_window(const char *attributes, int64_t *window_ms) MUST_CHECK;

/*
 * attributes_tls_need - of a user: {"require_x509": true, "x509_subject": "...", "x509_issuer":
 * "...", "ssl_cipher": "..."}; each needs TLS, each but the last a certificate. Returns false when
 * one of them is of another type or too long; then nobody has what *need says.
 */
bool attributes_tls_need(const char *attributes, struct tls_need *need) MUST_CHECK;

#endif
