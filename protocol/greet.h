/* SPDX-License-Identifier: Apache-2.0 */
/*
 * greet.h - the messages of a login, for both roles: greeting, login, authentication switch,
 * COM_CHANGE_USER (MariaDB documentation, "Connection"; seen with MariaDB 10.11).
 *
 * All decode functions take one whole payload (no header). Slices they give point into it.
 * Encode functions append one packet with its header to w.
 */
#ifndef PROTOCOL_GREET_H
#define PROTOCOL_GREET_H

#include "protocol/bytes.h"

#define SALT_LEN 20

#define PLUGIN_NATIVE  "mysql_native_password"
#define PLUGIN_SHA2    "caching_sha2_password"
#define PLUGIN_ED25519 "client_ed25519"
#define PLUGIN_CLEAR   "mysql_clear_password"

struct greeting {
    struct slice version; /* with MariaDB's "5.5.5-" prefix if it was sent */
    uint32_t thread_id;
    uint64_t caps; /* CAP_*; extended bits only when CAP_LONG_PASSWORD is off */
    uint16_t status;
    uint8_t charset;
    uint8_t salt[SALT_LEN];
    struct slice plugin;
};

struct login {
    uint64_t caps; /* as in a greeting */
    uint32_t max_packet;
    uint8_t charset;
    struct slice user;
    struct slice response; /* of the authentication plugin; may be empty */
    struct slice schema;   /* empty = none */
    struct slice plugin;   /* empty = none named */
    struct slice attrs;    /* raw key/value block, empty = none */
};

/*
 * greeting_encode, greeting_decode - a failure to decode gives ERR_MALFORMED (also for protocol
 * versions other than 10). An ERR packet in place of a greeting is the caller's to recognise
 * (0xff).
 */
void greeting_encode(struct writer *w, const struct greeting *g, uint8_t sequence);
int greeting_decode(struct greeting *g, const uint8_t *payload, size_t len) MUST_CHECK;

#define TLS_REQUEST_LENGTH 32 /* a login up to the user; a request for TLS is no more than that */

/*
 * login_decode - a client's login. Returns 0, ERR_HANDSHAKE (no CAP_PROTOCOL_41 or a malformed
 *                body). A message of 32 bytes with CAP_SSL is a request for TLS: caps are set, user
 *                empty.
 * login_encode - our login to a node. Sends schema, plugin and attributes when their caps are set.
 * tls_request_encode - the first 32 bytes of it with CAP_SSL, sent before TLS begins.
 */
int login_decode(struct login *l, const uint8_t *payload, size_t len) MUST_CHECK;

/*
 * login_old_decode - a login of before 4.1: caps (16 bits), user, response; such a client can only
 * be refused, in its own form. Returns 0 or ERR_HANDSHAKE (it is none, or malformed).
 */
int login_old_decode(struct login *l, const uint8_t *payload, size_t len) MUST_CHECK;
void login_encode(struct writer *w, const struct login *l, uint8_t sequence);
void tls_request_encode(struct writer *w, const struct login *l, uint8_t sequence);

/*
 * change_user_decode, change_user_encode - COM_CHANGE_USER; caps are those agreed at login. Returns
 * 0 or ERR_HANDSHAKE. charset is 0 when none was sent, or one above 255, which no login can name.
 */
int change_user_decode(struct login *l, uint64_t caps, const uint8_t *payload,
                       size_t len) MUST_CHECK;
void change_user_encode(struct writer *w, const struct login *l);

/*
 * auth_switch_encode, auth_switch_decode - 0xfe, plugin, salt (20 bytes and a zero). salt may be
 * NULL: then no data is sent. auth_switch_encode_data: other data, as it is. What is decoded may
 * have any length; a salt is given without its final zero, other data (32 bytes of ed25519, of
 * which the last may be 0) as they are.
 */
void auth_switch_encode(struct writer *w, struct slice plugin, const uint8_t salt[SALT_LEN],
                        uint8_t sequence);
void auth_switch_encode_data(struct writer *w, struct slice plugin, struct slice data,
                             uint8_t sequence);
int auth_switch_decode(struct slice *plugin, struct slice *data, const uint8_t *payload,
                       size_t len) MUST_CHECK;

/* auth_more_encode - 0x01 and data (caching_sha2: 3 = fast path taken, 4 = send the password). */
void auth_more_encode(struct writer *w, struct slice data, uint8_t sequence);

#endif
