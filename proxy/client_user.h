/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_user.h - who a login names: a row of mysql_users, which comes first whatever it says, or a
 * user that the nodes have (pool/users.h).
 */
#ifndef PROXY_CLIENT_USER_H
#define PROXY_CLIENT_USER_H

#include "conf/conf.h"
#include "pool/account.h"
#include "pool/users.h"

struct auth_learnt;
struct client;
struct galeway;

enum user_source {
    USER_NONE,       /* nobody, or a row that is not for clients */
    USER_UNKNOWN,    /* a node is to be asked (client_user_ask) */
    USER_CONFIGURED, /* a row of mysql_users */
    USER_FOLLOWED    /* of the nodes */
};

struct login_user {
    enum user_source source;
    const struct tls *tls;     /* borrowed: the line of his login; NULL = plain */
    struct accounts *accounts; /* borrowed */
    struct account *account;   /* of a FOLLOWED one: NULL until the password was right */
    struct conf_user row;      /* texts are borrowed; of a FOLLOWED one as if it had one */
    struct secret secret;
    struct users_found found; /* FOLLOWED; its secret is moved to the one above */
    const char *lacks;        /* what client_user_accept() has found to be missing of his line */
};

/* client_user_find - whom c->login names. out: to be wiped by login_user_wipe(). */
void client_user_find(const struct client *c, struct login_user *out);
void login_user_wipe(struct login_user *user);

/*
 * client_user_ask - have a node asked for him; once for each login. USERS_ASK_WAIT:
 * client_login_asked() comes.
 */
enum users_ask client_user_ask(struct client *c);

/*
 * client_user_accept - the password was right: keep what was learnt, make the account of a FOLLOWED
 * one. Returns 0, or why he may not log in: ERR_ACCESS_DENIED (lacks says why), ERR_ACCOUNT_LOCKED,
 * ERR_PASSWORD_EXPIRED, ERR_USER_LIMIT, ERR_LIMIT; ERR_NODE_LOGIN: no login to a node can be made
 * of the password.
 */
int client_user_accept(struct login_user *user, const struct auth_learnt *learnt) MUST_CHECK;

/*
 * client_user_may_send - is the command one that an expired password is changed with? If not, a
 * node answers it with 1820 (10.11).
 */
bool client_user_may_send(const struct client *c, uint8_t command);

/*
 * client_user_may_run - the same of the statement that is c->task; if it may change users, that is
 * expected from now on.
 */
bool client_user_may_run(struct client *c);

/* client_user_after - the statement of c->task has succeeded: it may have changed users. */
void client_user_after(struct client *c);

/* client_users_new - what galeway.users begins with. */
struct users *client_users_new(struct galeway *g);

#endif
