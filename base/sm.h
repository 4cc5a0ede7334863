/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sm.h - a state machine is a table: the name of each state and the states that may follow.
 */
#ifndef BASE_SM_H
#define BASE_SM_H

#include "base/base.h"

struct sm_state {
    const char *name;
    uint32_t next; /* BIT(state) of each state that may follow */
};

/*
 * sm_move - go from *state to next; a move the table does not have is a bug of ours and aborts,
 * saying both names.
 */
void sm_move(const struct sm_state *table, size_t n_states, uint8_t *state, uint8_t next);

#define SM_MOVE(table, state, next) sm_move((table), ARRAY_SIZE(table), (state), (uint8_t)(next))

#endif
