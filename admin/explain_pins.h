/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_pins.h - which pins a statement would set: a session of ours runs it against a node that
 * says yes to all.
 */
#ifndef ADMIN_EXPLAIN_PINS_H
#define ADMIN_EXPLAIN_PINS_H

#include "pool/account.h"
#include "proxy/pin.h"
#include "proxy/verdict.h"

/*
 * explain_pins - BIT(enum pin) of each. What only a node can tell (state changed by a routine) is
 * not among them.
 */
uint32_t explain_pins(struct account *account, struct slice schema, struct slice sql,
                      const struct verdict *verdict, bool multiplexing);

#endif
