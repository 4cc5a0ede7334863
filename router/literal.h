/* SPDX-License-Identifier: Apache-2.0 */
/*
 * literal.h - a piece of text that every match of a regular expression has, read off the
 * expression.
 */
#ifndef ROUTER_LITERAL_H
#define ROUTER_LITERAL_H

#include "base/base.h"

#define LITERAL_MAX 32

/*
 * literal_of - the longest such piece that can be seen without understanding all of the pattern.
 * Returns its length, 0 when there is none or the pattern has something that is not understood.
 */
size_t literal_of(const char *pattern, char out[LITERAL_MAX]);

#endif
