/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict.h - what the rules say about one statement, as far as it is still needed once it is on
 * its way.
 *
 * Numbers only: a task may outlive the snapshot whose rules spoke.
 */
#ifndef PROXY_VERDICT_H
#define PROXY_VERDICT_H

#include "router/rules.h"

struct verdict {
    int rule_id;   /* the last rule that matched, for people; 0 = none: fast routing or a hint */
    int hostgroup; /* RULES_UNSET: the built-in split decides; so for the numbers below */
    int retries;
    int64_t timeout_ms;
    int64_t delay_ms;
    int64_t causal_window_ms;
    int multiplex;
    int sticky_conn;
    int log;
    int64_t cache_ttl_ms;
    int cache_empty_result;
    bool new_connection;
};

/* clang-format off */
#define VERDICT_NONE                                                                               \
    ((struct verdict){.hostgroup = RULES_UNSET, .retries = RULES_UNSET, .timeout_ms = RULES_UNSET, \
                      .delay_ms = RULES_UNSET, .multiplex = RULES_UNSET,                           \
                      .sticky_conn = RULES_UNSET, .log = RULES_UNSET,                              \
                      .cache_ttl_ms = RULES_UNSET, .cache_empty_result = RULES_UNSET,          \
                      .causal_window_ms = RULES_UNSET})
/* clang-format on */

#endif
