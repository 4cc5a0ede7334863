/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route_sight.h - what route.c and route_why.c both look at.
 */
#ifndef ROUTER_ROUTE_SIGHT_H
#define ROUTER_ROUTE_SIGHT_H

#include "pool/cluster.h"
#include "router/route.h"

/* Who may do what at this moment. */
struct sight {
    bool is_decided; /* by the monitor; else as configured */
    uint64_t writers, readers;
    const struct homes *homes; /* NULL = sites have no home nodes */
};

static inline uint64_t bit_of(const struct node *node)
{
    return UINT64_C(1) << node->index;
}

static inline uint64_t mask_of(const atomic_ullong *mask)
{
    return atomic_load_explicit(mask, memory_order_relaxed);
}

static inline unsigned health_of(const struct node *node)
{
    return atomic_load_explicit(&node->shared.health, memory_order_relaxed);
}

static inline bool is_numbered(const struct node *node)
{
    return atomic_load_explicit(&node->shared.is_numbered, memory_order_relaxed);
}

/* Has it applied what the read has to see? */
static inline bool has_applied(const struct route_input *in, const struct node *node)
{
    return in->follow_us == 0 ||
           atomic_load_explicit(&node->shared.applied_us, memory_order_acquire) >= in->follow_us ||
           ((in->follow_flags & CAUSAL_OVER) != 0 && !is_numbered(node));
}

/* route_look - now. */
struct sight route_look(const struct role_set *roles);

#endif
