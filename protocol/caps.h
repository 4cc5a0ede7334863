/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caps.h - capability and status bits (MariaDB documentation, "Connection" and "OK_Packet").
 */
#ifndef PROTOCOL_CAPS_H
#define PROTOCOL_CAPS_H

#include <stdint.h>

#define CAP(bit) (UINT64_C(1) << (bit))

#define CAP_LONG_PASSWORD          CAP(0)
#define CAP_FOUND_ROWS             CAP(1)
#define CAP_LONG_FLAG              CAP(2)
#define CAP_CONNECT_WITH_DB        CAP(3)
#define CAP_NO_SCHEMA              CAP(4)
#define CAP_COMPRESS               CAP(5)
#define CAP_ODBC                   CAP(6)
#define CAP_LOCAL_FILES            CAP(7)
#define CAP_IGNORE_SPACE           CAP(8)
#define CAP_PROTOCOL_41            CAP(9)
#define CAP_INTERACTIVE            CAP(10)
#define CAP_SSL                    CAP(11)
#define CAP_IGNORE_SIGPIPE         CAP(12)
#define CAP_TRANSACTIONS           CAP(13)
#define CAP_RESERVED               CAP(14)
#define CAP_SECURE_CONNECTION      CAP(15)
#define CAP_MULTI_STATEMENTS       CAP(16)
#define CAP_MULTI_RESULTS          CAP(17)
#define CAP_PS_MULTI_RESULTS       CAP(18)
#define CAP_PLUGIN_AUTH            CAP(19)
#define CAP_CONNECT_ATTRS          CAP(20)
#define CAP_PLUGIN_AUTH_LENENC     CAP(21)
#define CAP_EXPIRED_PASSWORDS      CAP(22)
#define CAP_SESSION_TRACK          CAP(23)
#define CAP_DEPRECATE_EOF          CAP(24)
#define CAP_OPTIONAL_METADATA      CAP(25)
#define CAP_SSL_VERIFY_SERVER_CERT CAP(30)
#define CAP_REMEMBER_OPTIONS       CAP(31)

/*
 * The extended bits of MariaDB, above those of the first 32: a server that has them does not offer
 * CAP_LONG_PASSWORD ("CLIENT_MYSQL"), and a client that uses them does not set it.
 */
#define CAPS_EXTENDED         (UINT64_C(0xffffffff) << 32)
#define CAP_PROGRESS          CAP(32)
#define CAP_STMT_BULK         CAP(34)
#define CAP_EXTENDED_METADATA CAP(35)
#define CAP_CACHE_METADATA    CAP(36)

/* What our servers offer, whatever the nodes are; CAPS_OF_NODES and CAP_LOCAL_FILES come on top. */
#define CAPS_SERVED                                                                    \
    (CAP_FOUND_ROWS | CAP_LONG_FLAG | CAP_CONNECT_WITH_DB | CAP_NO_SCHEMA | CAP_ODBC | \
     CAP_IGNORE_SPACE | CAP_PROTOCOL_41 | CAP_INTERACTIVE | CAP_IGNORE_SIGPIPE |       \
     CAP_TRANSACTIONS | CAP_RESERVED | CAP_SECURE_CONNECTION | CAP_MULTI_STATEMENTS |  \
     CAP_MULTI_RESULTS | CAP_PS_MULTI_RESULTS | CAP_PLUGIN_AUTH | CAP_CONNECT_ATTRS |  \
     CAP_PLUGIN_AUTH_LENENC | CAP_EXPIRED_PASSWORDS | CAP_REMEMBER_OPTIONS)

/*
 * What a client for traffic may use only when the nodes have it: no result is converted on its way.
 * A bit is offered as long as every node of which a greeting was seen offers it, so none before the
 * first was seen (nodes_caps() in pool/node.h). A node that lacks one all the same - it was
 * replaced by an older one, or was seen last - is not logged in to for a client that uses it: the
 * statement goes to another node, or fails with ERR_NODE_CAPS (server_login.c).
 *
 * Not offered: CAP_PROGRESS (an ERR packet in the middle of a reply: it could not be run again on
 * another node behind it); CAP_CACHE_METADATA (a statement that is prepared again elsewhere is said
 * to have the columns of that second preparation, which the client has not seen: they may be others
 * since an ALTER TABLE); what only MySQL has (optional metadata, query attributes, zstd, more than
 * one factor). What is not offered and set all the same is ignored, as by MariaDB.
 */
#define CAPS_OF_NODES (CAP_DEPRECATE_EOF | CAP_STMT_BULK | CAP_EXTENDED_METADATA)

/*
 * What these do at login - IGNORE_SPACE in sql_mode, interactive_timeout for wait_timeout - a reset
 * or another user takes away for good (10.11).
 */
#define CAPS_UNTIL_RESET (CAP_IGNORE_SPACE | CAP_INTERACTIVE)

/* The bits that change the bytes of an answer: how results end, what a column definition has. */
#define CAPS_OF_FORM (CAP_DEPRECATE_EOF | CAP_EXTENDED_METADATA)

#define STATUS_IN_TRANS              0x0001u
#define STATUS_AUTOCOMMIT            0x0002u
#define STATUS_MORE_RESULTS          0x0008u
#define STATUS_NO_GOOD_INDEX         0x0010u
#define STATUS_NO_INDEX              0x0020u
#define STATUS_CURSOR_EXISTS         0x0040u
#define STATUS_LAST_ROW_SENT         0x0080u
#define STATUS_DB_DROPPED            0x0100u
#define STATUS_NO_BACKSLASH_ESCAPES  0x0200u
#define STATUS_METADATA_CHANGED      0x0400u
#define STATUS_QUERY_WAS_SLOW        0x0800u
#define STATUS_PS_OUT_PARAMS         0x1000u
#define STATUS_IN_TRANS_READONLY     0x2000u
#define STATUS_SESSION_STATE_CHANGED 0x4000u
#define STATUS_ANSI_QUOTES           0x8000u /* MariaDB: sql_mode has ANSI_QUOTES */

/* The bits that belong to the session and must be true in every answer made here. */
#define STATUS_OF_SESSION                                                \
    (STATUS_IN_TRANS | STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES | \
     STATUS_IN_TRANS_READONLY | STATUS_ANSI_QUOTES)

#endif
