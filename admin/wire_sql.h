/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire_sql.h - as much of SQL's text as the console needs: where a statement ends, where a
 * parameter stands, and how a parameter's value is written.
 *
 * The text is SQLite's: quotes are doubled, a backslash is a character like any other, `--` needs
 * no space behind it. The console tells its clients so by STATUS_NO_BACKSLASH_ESCAPES. `#` comments
 * of MySQL's scripts are known too.
 */
#ifndef ADMIN_WIRE_SQL_H
#define ADMIN_WIRE_SQL_H

#include "protocol/bytes.h"

#define SQL_PARAMS_MAX 65535 /* what a prepare reply can say */

/*
 * sql_next - take the first statement off a text, without the space and comments around it and its
 * semicolon. Empty statements are left out. Gives the empty slice when there is none left; *rest is
 * then empty.
 */
struct slice sql_next(struct slice *rest);

/* sql_empty_reason - what to say of a text without a statement: a static text. */
const char *sql_empty_reason(struct slice text);

/* sql_params - the question marks that stand for parameters. */
size_t sql_params(struct slice sql);

/* One parameter's value, as COM_STMT_EXECUTE has it. */
struct sql_param {
    uint16_t type;     /* the type byte, and SQL_UNSIGNED */
    bool is_null;      /* no value follows */
    bool is_long_data; /* bytes came ahead by COM_STMT_SEND_LONG_DATA; no value follows */
    struct slice bytes;
};

#define SQL_UNSIGNED 0x8000

/*
 * sql_param_read - the value of one parameter; type, is_null and is_long_data are set by the
 * caller. bytes points into the packet. Returns 0, ERR_MALFORMED (cut, or a type that no client
 * sends).
 */
int sql_param_read(struct sql_param *p, struct reader *r) MUST_CHECK;

/*
 * sql_bind - the statement with each parameter's value written in its place. params: as many as
 * sql_params() says, read by sql_param_read(). max: bytes the text may have.
 * Returns 0, ERR_PACKET_TOO_LARGE, ERR_MEMORY.
 * Owner:   the caller frees *out with mem_free(MEM_ADMIN, ...).
 */
int sql_bind(char **out, size_t *out_len, struct slice sql, const struct sql_param *params,
             size_t max) MUST_CHECK;

#endif
