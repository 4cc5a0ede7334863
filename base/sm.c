/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sm.c - the one place where a state changes.
 */
#include "base/sm.h"

#include "base/log.h"

void sm_move(const struct sm_state *table, size_t n_states, uint8_t *state, uint8_t next)
{
    CHECK(n_states <= 32 && *state < n_states && next < n_states);
    if ((table[*state].next & BIT(next)) == 0) {
        log_fatal("no move from state %s to %s", table[*state].name, table[next].name);
    }
    *state = next;
}
