/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attributes.h - what Galeway reads in the attributes (JSON) of users and rules.
 */
#ifndef CONF_ATTRIBUTES_H
#define CONF_ATTRIBUTES_H

#include "base/base.h"

/*
 * attributes_causal_window - {"causal_window_ms": n}: *window_ms is n, or CONF_UNSET when it is not
 * there. attributes: "" or JSON. Returns false when n is no whole number in the bounds of
 * mysql-causal_window_ms; *window_ms is CONF_UNSET then.
 */
bool attributes_causal_window(const char *attributes, int64_t *window_ms) MUST_CHECK;

#endif
