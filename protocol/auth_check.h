/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth_check.h - the server's side of a login, from the salt to the verdict.
 *
 *   GREETED --> RESPONSE
 *   RESPONSE --> (right plugin) check --> verdict
 *            --> (other plugin) switch --> SWITCHED --> check --> verdict
 *   caching_sha2_password: fast path --> verdict; else FULL --> (clear over a private line) verdict
 *            --> KEY (public key asked for) --> verdict
 *
 * Each plugin is asked for once. client_ed25519 is only right behind a switch, which brings the
 * nonce that is signed; it shows nothing that would serve for a login elsewhere. So over a private
 * line, who has no other password is asked for it in clear (mysql_clear_password), as long as what
 * it is expanded to is not known. On a line that others can read a clear password is never asked
 * for, and not looked at.
 *
 * No I/O: what is to be sent is appended to a writer of AUTH_SENT_MAX bytes.
 */
#ifndef PROTOCOL_AUTH_CHECK_H
#define PROTOCOL_AUTH_CHECK_H

#include "protocol/auth.h"

#define AUTH_SENT_MAX 1024

enum auth_step {
    AUTH_GREETED,  /* the login itself is expected */
    AUTH_RESPONSE, /* it named a plugin and brought a response */
    AUTH_SWITCHED, /* another plugin was asked for */
    AUTH_FULL,     /* caching_sha2_password: the clear password, or a request for the key */
    AUTH_KEY       /* the key was sent: the encrypted password */
};

enum auth_verdict { AUTH_MORE, AUTH_RIGHT, AUTH_WRONG };

/* One login; zeroed at the start, but for the salt of a connection that has one. */
struct auth_check {
    uint8_t salt[SALT_LEN];           /* one for all that the connection is asked, as MariaDB's */
    uint8_t nonce[ED25519_NONCE_LEN]; /* of the last switch to client_ed25519 */
    uint8_t step;                     /* enum auth_step */
    uint8_t asked;                    /* bits: plugins that were asked for, or have failed */
    const char *plugin; /* static: the one that was asked for last; NULL = one we do not know */
};

/* What the connection is. */
struct auth_line {
    bool is_private;           /* nobody else can read it: a clear password may come */
    const struct rsa_key *rsa; /* NULL = none: a clear password cannot come another way */
};

/* What an answer told of the password. */
struct auth_learnt {
    bool with_password; /* for the text of a refusal */
    bool has_stage1;
    uint8_t stage1[SHA1_LEN];
    struct slice clear; /* proven right; in the response or in bytes; empty = not seen */
    uint8_t bytes[RSA_BLOCK_MAX];
};

/* auth_check_salt - a fresh one, for the greeting. */
void auth_check_salt(struct auth_check *a);

/* auth_check_named - what the login (or COM_CHANGE_USER) named; nothing = mysql_native_password. */
void auth_check_named(struct auth_check *a, struct slice plugin);

/*
 * auth_check_switch - ask for a plugin with the connection's salt (COM_CHANGE_USER): the one that
 * was named, if it serves; secret: NULL = not known (yet). Connector/C 3.3 reads no other salt
 * there than that of the greeting, whatever the switch brings.
 */
void auth_check_switch(struct auth_check *a, const struct secret *secret,
                       const struct auth_line *line, struct writer *out, uint8_t *sequence);

/*
 * auth_check_answer - the client's response to what it was sent last. Gives the verdict; AUTH_MORE:
 * send what is in out and wait. With AUTH_RIGHT, out may hold a packet that goes before the OK.
 * learnt is filled, and to be wiped by auth_learnt_wipe.
 */
enum auth_verdict auth_check_answer(struct auth_check *check, const struct secret *secret,
                                    const struct auth_line *line, struct slice response,
                                    struct writer *out, uint8_t *sequence,
                                    struct auth_learnt *learnt) MUST_CHECK;
void auth_learnt_wipe(struct auth_learnt *learnt);

#endif
