/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_text.h - statements that name passwords, as logs and tables may show them. Pure.
 *
 * CREATE USER, ALTER USER, SET PASSWORD, GRANT .. IDENTIFIED, CHANGE MASTER, CREATE SERVER, and
 * what prepares or wraps these. Judged by verb and words, so that a wrong spelling, for which a
 * node has an error only, counts too: better one statement too many without its literals.
 */
#ifndef ROUTER_SECRET_TEXT_H
#define ROUTER_SECRET_TEXT_H

#include "base/base.h"

#define SECRET_TEXT_MAX 4096 /* bytes that are shown of such a statement */

/* secret_is_in - may the statement name a password? mode: as for facts_scan(). */
bool secret_is_in(struct slice sql, uint32_t mode);

/*
 * secret_hide - the statement as it may be shown: itself, or without its literals in buf, cut at
 * SECRET_TEXT_MAX bytes.
 */
struct slice secret_hide(struct slice sql, uint32_t mode, char buf[SECRET_TEXT_MAX]);

/*
 * secret_hide_error - a node's text about it as it may be shown. number: of the error; that of the
 * parser (1064) repeats what stands behind the place it stumbled at, and is cut before that.
 */
struct slice secret_hide_error(struct slice sql, uint32_t mode, uint16_t number, struct slice text);

#endif
