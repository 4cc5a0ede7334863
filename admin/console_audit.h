/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_audit.h - the console's part of the audit log (proxy/audit.h). Thread: the control
 * thread.
 */
#ifndef ADMIN_CONSOLE_AUDIT_H
#define ADMIN_CONSOLE_AUDIT_H

#include "admin/console_client.h"

#define CONSOLE_AUDIT_STATEMENT_MAX 2048 /* bytes of a statement that are logged */

/*
 * console_audit_statement - a statement as it may be kept: values are ?, and what is behind a word
 * of passwords is left out, as it might be one without quotes. Returns its length in out.
 */
size_t console_audit_statement(struct slice sql, char out[CONSOLE_AUDIT_STATEMENT_MAX]);

enum console_audit {
    CONSOLE_AUDIT_CONNECT_OK,
    CONSOLE_AUDIT_CONNECT_ERR,
    CONSOLE_AUDIT_QUIT,
    CONSOLE_AUDIT_CLOSE
};

/* console_audit - user: NULL = the session's. */
void console_audit(const struct console_client *c, enum console_audit what, const char *user,
                   const char *extra_info);

/* console_audit_run - it was run, and this is the answer. */
void console_audit_run(const struct console_client *c, struct slice sql, const struct reply *reply);

#endif
