/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - the one table of errors: code, MySQL number, SQLSTATE, text.
 *
 * A function returns 0 or a negative code. libuv's codes (negative errno) and ours (from -10000
 * downwards) share the number line, so a result travels unchanged to the client's error packet.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdint.h>

/*
 *     name                    MySQL number, SQLSTATE, text (numbers and texts as MariaDB 10.11
 * sends them)
 */
#define ERR_TABLE(X)                                                                              \
    X(ERR_MEMORY, 1041, "HY000", "Out of memory")                                                 \
    X(ERR_LIMIT, 1235, "42000", "A limit was reached")                                            \
    X(ERR_MALFORMED, 1835, "HY000", "Malformed communication packet")                             \
    X(ERR_SEQUENCE, 1156, "08S01", "Got packets out of order")                                    \
    X(ERR_UNCOMPRESS, 1157, "08S01", "Couldn't uncompress communication packet")                  \
    X(ERR_PACKET_TOO_LARGE, 1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes") \
    X(ERR_UNKNOWN_COMMAND, 1047, "08S01", "Unknown command")                                      \
    X(ERR_HANDSHAKE, 1043, "08S01", "Bad handshake")                                              \
    X(ERR_OLD_CLIENT, 1251, "08004",                                                              \
      "Client does not support authentication protocol requested by server; consider upgrading "  \
      "MariaDB client")                                                                           \
    X(ERR_ACCESS_DENIED, 1045, "28000", "Access denied")                                          \
    X(ERR_ACCOUNT_LOCKED, 4151, "HY000", "Access denied, this account is locked")                 \
    X(ERR_PASSWORD_EXPIRED, 1862, "HY000",                                                        \
      "Your password has expired. To log in you must change it using a client that supports "     \
      "expired passwords")                                                                        \
    X(ERR_MUST_SET_PASSWORD, 1820, "HY000",                                                       \
      "You must SET PASSWORD before executing this statement")                                    \
    X(ERR_USERS_UNREADABLE, 9001, "HY000",                                                        \
      "The user is not known here, and no node can be asked for him now")                         \
    X(ERR_TOO_MANY_CONNECTIONS, 1040, "08004", "Too many connections")                            \
    X(ERR_HOST_CLIENTS, 1040, "08004", "Too many connections from this address")                  \
    X(ERR_HOST_RATE, 1040, "08004", "Too many connections a second from this address")            \
    X(ERR_CONNECT_RATE, 1040, "08004", "Too many connections a second")                           \
    X(ERR_HOST_BLOCKED, 1129, "HY000", "The address is blocked: too many of its logins failed")   \
    X(ERR_USER_LIMIT, 1226, "42000", "User has exceeded the 'max_user_connections' resource")     \
    X(ERR_NODE_LOST, 2013, "HY000", "Lost connection to server during query")                     \
    X(ERR_NODE_REFUSED, 2003, "HY000", "Can't connect to server")                                 \
    X(ERR_NODE_UNREACHABLE, 2003, "HY000", "Can't connect to server: no way to its node")         \
    X(ERR_NODE_TIMEOUT, 2013, "HY000", "Lost connection to server: timeout")                      \
    X(ERR_NODE_DOWN, 2013, "HY000", "Lost connection to server during query: its node is out")    \
    X(ERR_NODE_SILENT, 2013, "HY000", "Lost connection to server: its node is silent")            \
    X(ERR_NODE_NOT_READY, 1047, "08S01", "The node is not ready for statements")                  \
    X(ERR_NODE_PROTOCOL, 2027, "HY000", "Malformed packet from a node")                           \
    X(ERR_NODE_LOGIN, 1045, "28000", "A node refused the login")                                  \
    X(ERR_NO_NODE, 9001, "HY000", "No node can serve the statement")                              \
    X(ERR_POOL_TIMEOUT, 9001, "HY000", "No server connection became free in time")                \
    X(ERR_POOL_FULL, 9001, "HY000", "The queue for server connections is full")                   \
    X(ERR_SHUTDOWN, 1053, "08S01", "Server shutdown in progress")                                 \
    X(ERR_ABORTED, 1213, "40001",                                                                 \
      "Deadlock found when trying to get lock; try restarting transaction")                       \
    X(ERR_INTERRUPTED, 1317, "70100", "Query execution was interrupted")                          \
    X(ERR_KILLED, 1927, "70100", "Connection was killed")                                         \
    X(ERR_LOCAL_INFILE, 4166, "HY000",                                                            \
      "The used command is not allowed because the MariaDB server or client has disabled the "    \
      "local infile capability")                                                                  \
    X(ERR_NO_SCHEMA, 1102, "42000", "Incorrect database name")                                    \
    X(ERR_NO_SCHEMA_CHOSEN, 1046, "3D000", "No database selected")                                \
    X(ERR_SCHEMAS_FULL, 1102, "42000", "Too many database names, of its user or of all")          \
    X(ERR_KILL_AMONG_OTHERS, 1235, "42000",                                                       \
      "KILL among several statements or behind SET STATEMENT is not served: a node would take "   \
      "its id for one of its own threads")                                                        \
    X(ERR_NO_WRITTEN_GTID, 1235, "42000",                                                         \
      "WSREP_LAST_WRITTEN_GTID() is another session's where this one has not written since it "   \
      "has its connection: a rule with multiplex=0 keeps that")                                   \
    X(ERR_NO_THREAD, 1094, "HY000", "Unknown thread id")                                          \
    X(ERR_NOT_OWNER, 1095, "HY000", "You are not owner of this thread")                           \
    X(ERR_PRIVILEGE, 1227, "42000", "Access denied; you need more privileges")                    \
    X(ERR_NOT_PREPARABLE, 1295, "HY000",                                                          \
      "This command is not supported in the prepared statement protocol yet")                     \
    X(ERR_TOO_MANY_STMTS, 1461, "42000", "Can't create more prepared statements")                 \
    X(ERR_NO_CURSOR, 1421, "HY000", "The statement has no open cursor")                           \
    X(ERR_CONFIG, 1231, "42000", "The configuration is not valid")                                \
    X(ERR_TLS, 2026, "HY000", "TLS connection error")                                             \
    X(ERR_NEEDS_TLS, 3159, "HY000", "Connections without TLS are refused (admin-require_ssl)")    \
    X(ERR_NODE_TLS, 2026, "HY000", "TLS connection error: no secure way to its node")             \
    X(ERR_NODE_CAPS, 1235, "42000", "The node lacks a capability that the client uses")           \
    X(ERR_FILE, 29, "HY000", "A file could not be read or written")                               \
    X(ERR_NOT_FOUND, 1032, "HY000", "Not found")                                                  \
    X(ERR_INCOMPLETE, 1835, "HY000", "More bytes are needed")

enum err_index {
#define X(name, number, sqlstate, text) name##_INDEX,
    ERR_TABLE(X)
#undef X
        ERR_COUNT
};

#define ERR_FIRST (-10000) /* what is above it is libuv's */

enum err_code {
#define X(name, number, sqlstate, text) name = ERR_FIRST - name##_INDEX,
    ERR_TABLE(X)
#undef X
};

/*
 * err_text, err_name - the text or the name of a result: ours, libuv's (any negative errno) or 0.
 * Never NULL; the string is static.
 */
const char *err_text(int rc);
const char *err_name(int rc);

/*
 * err_number, err_sqlstate - what a client is told; unknown codes give 1105 and "HY000".
 */
uint16_t err_number(int rc);
const char *err_sqlstate(int rc);

#endif
