/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_denied.h - logins that are refused: what is counted, logged and said.
 *
 * Each ends the connection, or the COM_CHANGE_USER. Thread: the worker's.
 */
#ifndef PROXY_CLIENT_DENIED_H
#define PROXY_CLIENT_DENIED_H

#include "proxy/client.h"

struct login_user;

/* client_login_refused - it was told why. */
void client_login_refused(struct client *c, enum close_reason reason);

/* client_login_deny - a wrong password, or nobody: counted at once, told after a while. */
void client_login_deny(struct client *c, bool with_password);

/*
 * client_login_deny_line - the password was right, but his line lacks what he must come with. A
 * user of the nodes hears what a node says, which does not tell it from a wrong password.
 */
void client_login_deny_line(struct client *c, const struct login_user *user, bool with_password);

/* client_login_refuse - for another reason: an error of err.h, in these words. */
void client_login_refuse(struct client *c, int rc, const char *text);

/* client_login_refuse_plugin - his account is of a plugin that is not served here. */
void client_login_refuse_plugin(struct client *c, const struct login_user *user);

/*
 * client_login_refuse_unusable - he has proved himself, but with nothing that a node would take
 * from us.
 */
void client_login_refuse_unusable(struct client *c);

#endif
