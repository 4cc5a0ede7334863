/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pin.h - why a session keeps its server connection between statements: one code for each reason.
 */
#ifndef PROXY_PIN_H
#define PROXY_PIN_H

#include <stdint.h>

/* code, name, needs a reset before the connection serves another session */
#define PIN_TABLE(X)                                           \
    X(PIN_TRANSACTION, "transaction", 1)                       \
    X(PIN_AUTOCOMMIT, "autocommit=0", 1)                       \
    X(PIN_NEXT_TRANSACTION, "set transaction", 1)              \
    X(PIN_TABLE_LOCK, "lock tables", 1)                        \
    X(PIN_USER_LOCK, "get_lock", 1)                            \
    X(PIN_TEMPORARY_TABLE, "temporary table", 1)               \
    X(PIN_USER_VARIABLE, "user variable", 1)                   \
    X(PIN_SQL_PREPARE, "prepare", 1)                           \
    X(PIN_CURSOR, "cursor", 1)                                 \
    X(PIN_LONG_DATA, "long data", 1)                           \
    X(PIN_WARNINGS, "warnings", 0)                             \
    X(PIN_VARIABLE, "session variable that is not carried", 1) \
    X(PIN_ROUTINE, "routine, program or dynamic SQL", 1)       \
    X(PIN_TRIGGER, "trigger or view that leaves state", 1)     \
    X(PIN_UNKNOWN_STATE, "unknown state change", 1)            \
    X(PIN_UNSEEN_TEXT, "statement too long to be scanned", 1)  \
    X(PIN_NO_MULTIPLEXING, "multiplexing is off", 1)           \
    X(PIN_STICKY, "sticky_conn", 1)                            \
    X(PIN_PASSWORD, "password changed", 0)

enum pin {
#define X(code, name, reset) code,
    PIN_TABLE(X)
#undef X
        PIN_COUNT
};

/* How a pin came to be, for who asks why. */
struct pin_origin {
    uint64_t digest; /* of the statement */
    uint64_t since_ms;
};

const char *pin_name(enum pin pin);
uint32_t pins_that_reset(void); /* BIT(pin) of each that needs a reset */

#endif
