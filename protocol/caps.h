/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caps.h - capability and status bits (MariaDB documentation, "Connection" and "OK_Packet").
 */
#ifndef PROTOCOL_CAPS_H
#define PROTOCOL_CAPS_H

#include <stdint.h>

#define CAP_LONG_PASSWORD          (1u << 0) /* "CLIENT_MYSQL": MariaDB clears it to offer extended bits */
#define CAP_FOUND_ROWS             (1u << 1)
#define CAP_LONG_FLAG              (1u << 2)
#define CAP_CONNECT_WITH_DB        (1u << 3)
#define CAP_NO_SCHEMA              (1u << 4)
#define CAP_COMPRESS               (1u << 5)
#define CAP_ODBC                   (1u << 6)
#define CAP_LOCAL_FILES            (1u << 7)
#define CAP_IGNORE_SPACE           (1u << 8)
#define CAP_PROTOCOL_41            (1u << 9)
#define CAP_INTERACTIVE            (1u << 10)
#define CAP_SSL                    (1u << 11)
#define CAP_IGNORE_SIGPIPE         (1u << 12)
#define CAP_TRANSACTIONS           (1u << 13)
#define CAP_RESERVED               (1u << 14)
#define CAP_SECURE_CONNECTION      (1u << 15)
#define CAP_MULTI_STATEMENTS       (1u << 16)
#define CAP_MULTI_RESULTS          (1u << 17)
#define CAP_PS_MULTI_RESULTS       (1u << 18)
#define CAP_PLUGIN_AUTH            (1u << 19)
#define CAP_CONNECT_ATTRS          (1u << 20)
#define CAP_PLUGIN_AUTH_LENENC     (1u << 21)
#define CAP_EXPIRED_PASSWORDS      (1u << 22)
#define CAP_SESSION_TRACK          (1u << 23)
#define CAP_DEPRECATE_EOF          (1u << 24)
#define CAP_OPTIONAL_METADATA      (1u << 25)
#define CAP_SSL_VERIFY_SERVER_CERT (1u << 30)
#define CAP_REMEMBER_OPTIONS       (1u << 31)

/*
 * What our servers offer; the one for traffic adds CAP_LOCAL_FILES. A MariaDB server does not offer
 * CAP_LONG_PASSWORD: that says that it has extended bits, of which here are none.
 */
#define CAPS_SERVED                                                                    \
    (CAP_FOUND_ROWS | CAP_LONG_FLAG | CAP_CONNECT_WITH_DB | CAP_NO_SCHEMA | CAP_ODBC | \
     CAP_IGNORE_SPACE | CAP_PROTOCOL_41 | CAP_INTERACTIVE | CAP_IGNORE_SIGPIPE |       \
     CAP_TRANSACTIONS | CAP_RESERVED | CAP_SECURE_CONNECTION | CAP_MULTI_STATEMENTS |  \
     CAP_MULTI_RESULTS | CAP_PS_MULTI_RESULTS | CAP_PLUGIN_AUTH | CAP_CONNECT_ATTRS |  \
     CAP_PLUGIN_AUTH_LENENC)

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
