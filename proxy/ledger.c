/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger.c - see ledger.h.
 */
#include "proxy/ledger.h"

#include "base/clock.h"

static const struct {
    const char *word;
    bool again;
    const char *text;
} decisions[LEDGER_DECISION_COUNT] = {
#define X(code, word, again, text) {word, again, text},
    LEDGER_DECISIONS(X)
#undef X
};

void ledger_add(struct ledger *ledger, const struct ledger_entry *entry)
{
    struct ledger_entry *slot = &ledger->entries[ledger->n % LEDGER_MAX];

    *slot = *entry;
    slot->number = ++ledger->n;
    slot->time_us = clock_unix_us();
    ledger->counts[entry->decision]++;
}

const char *ledger_word(enum ledger_decision decision)
{
    return decisions[decision].word;
}

const char *ledger_text(enum ledger_decision decision)
{
    return decisions[decision].text;
}

bool ledger_ran_again(enum ledger_decision decision)
{
    return decisions[decision].again;
}
