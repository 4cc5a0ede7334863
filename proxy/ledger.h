/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger.h - every statement that lost its node or was refused by it: what was known, and what was
 * decided.
 *
 * A statement runs again only when that cannot be seen: it is a read and its client has had no byte
 * of the answer; or it provably did not run (no byte of it was sent, or the node said so: 1047,
 * 1213 for a statement of its own transaction). All else is told to the client. One book for each
 * worker; the newest LEDGER_MAX entries and counters by decision. Thread: the worker's.
 */
#ifndef PROXY_LEDGER_H
#define PROXY_LEDGER_H

#include "base/base.h"

#define LEDGER_MAX 256

/* Decision: code, word, whether it ran again, text. */
#define LEDGER_DECISIONS(X)                                                                    \
    X(LEDGER_NOT_SENT, "not-sent", true, "no byte of it had been sent: to another connection") \
    X(LEDGER_READ, "read", true, "a read without a byte of its answer: run again")             \
    X(LEDGER_HARMLESS, "harmless", true,                                                       \
      "it begins or ends nothing that could be lost: run again")                               \
    X(LEDGER_ROLLED_BACK, "rolled-back", false, "a ROLLBACK: the node did it; answered OK")    \
    X(LEDGER_NOT_READY, "not-ready", true,                                                     \
      "the node refused it (1047, or 1180 as it shut down): to another node")                  \
    X(LEDGER_DEADLOCK, "deadlock", true, "rolled back by the cluster (1213): run again")       \
    X(LEDGER_IN_DOUBT, "in-doubt", false, "sent, not answered: it may have run; error 2013")   \
    X(LEDGER_TRANSACTION, "transaction", false, "its transaction is lost; error 2013")         \
    X(LEDGER_REPLY_CUT, "reply-cut", false, "the client has had a part of its answer")         \
    X(LEDGER_PINNED, "pinned", false, "the session's state was on that connection")            \
    X(LEDGER_NO_RETRIES, "no-retries", false, "as often as mysql-query_retries_on_failure allows")

enum ledger_decision {
#define X(code, word, again, text) code,
    LEDGER_DECISIONS(X)
#undef X
        LEDGER_DECISION_COUNT
};

struct account;
struct node;

struct ledger_entry {
    uint64_t number;  /* 1, 2, ... of this worker */
    uint64_t time_us; /* since the epoch */
    uint64_t digest;  /* of the statement; 0 = none */
    const struct node *node;
    const struct account *account;
    uint64_t client_id;
    uint64_t ran_us; /* since it came from the client */
    uint32_t bytes_sent;
    int hostgroup;
    uint16_t error;   /* of the node's reply; 0 = the connection broke without one */
    uint8_t decision; /* enum ledger_decision */
    uint8_t retries;  /* before this */
};

struct ledger {
    uint64_t n; /* entries ever made */
    uint64_t counts[LEDGER_DECISION_COUNT];
    struct ledger_entry entries[LEDGER_MAX]; /* a ring: entry number i is at (i - 1) % LEDGER_MAX */
};

/* ledger_add - sets number and time. */
void ledger_add(struct ledger *ledger, const struct ledger_entry *entry);

const char *ledger_word(enum ledger_decision decision); /* static */
const char *ledger_text(enum ledger_decision decision); /* static */
bool ledger_ran_again(enum ledger_decision decision);

#endif
