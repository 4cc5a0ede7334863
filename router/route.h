/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.h - the decision for one statement: which nodes may serve it, best first, and why.
 *
 * Pure: plain values in, a decision with its reason out. The plain values of a cluster are its
 * masks of roles and the nodes' health, read when the decision is taken.
 *
 * Writers are those that the monitor has decided on (cluster.h), or as configured until it has.
 * With nobody to write (during a failover or a switch) a statement for a writer has no node and
 * waits, and so does a read that has to see what was written when no reader is known to have
 * applied it; other reads go on. Of readers the best is that of the least (statements under way +
 * 1) x latency x load_factor / weight; a site's own reader has a start, and above four readers only
 * it and two others are weighed. A node that is slower than its max_latency_ms comes behind those
 * that are not, one of weight 0 behind these, a suspect one last.
 *
 * Where sites have home nodes (homes.h), the home of a statement's schema is the writer, and reads
 * as well; while it has none, or its home is suspect, reads may go to any node that has applied
 * what they have to see. A statement that names several schemas waits until the home has applied
 * what the others had written at theirs when it came; what is written all the time is never applied
 * to the last.
 */
#ifndef ROUTER_ROUTE_H
#define ROUTER_ROUTE_H

#include "pool/homes.h"
#include "pool/node.h"
#include "router/causal.h"

#define ROUTE_MAX_NODES 8

#define ROUTE_REASONS(X)                                            \
    X(ROUTE_READ, "a read: to a reader")                            \
    X(ROUTE_WRITE, "not provably a read: to the writer")            \
    X(ROUTE_TRANSACTION, "in a transaction: to the writer")         \
    X(ROUTE_CAUSAL, "a read of what the site wrote: to the writer") \
    X(ROUTE_NO_SPLIT, "the hostgroup has no readers of its own")    \
    X(ROUTE_NO_READER, "no reader is up: to the writer")            \
    X(ROUTE_HOME, "to the home node of its schema")                 \
    X(ROUTE_NAMED, "a rule or a hint names the hostgroup")

enum route_reason {
#define X(name, text) name,
    ROUTE_REASONS(X)
#undef X
};

/* Who of a role set is meant. */
enum route_side {
    ROUTE_SPLIT,   /* reads to the readers, the rest to the writers */
    ROUTE_READERS, /* the statement goes there, whatever it is */
    ROUTE_WRITERS
};

/* What the decision depends on. */
struct route_input {
    const struct role_set *roles; /* by route_find_roles */
    uint8_t side;                 /* enum route_side */
    const struct facts *facts;
    bool in_transaction; /* or autocommit is off, or pinned for another reason */
    /*
     * A read of what was written (causal.h): nodes that have applied all up to then, else the
     * writer. 0 = any reader; UINT64_MAX = the writer.
     */
    uint64_t follow_us;
    uint8_t follow_flags; /* CAUSAL_* of it */
    /* where sites have home nodes (homes.h) */
    uint16_t bucket;        /* of the schema that the statement is about */
    struct homes_also also; /* of others that it names, and that may be at home elsewhere */
    uint64_t asked_us; /* what was acknowledged before is to be seen, but no more; clock_now_us().
                          0 = all that was written so far */
    uint32_t site;     /* hash of the site: its reads stay on one reader while that is not busier */
    uint64_t
        avoid; /* a mask: a read that may choose goes to the writer rather than to these readers */
    uint64_t now_ms;
    unsigned (*load)(const void *owner,
                     const struct node *node); /* statements running there from here */
    const void *owner;
};

struct route {
    struct node *nodes[ROUTE_MAX_NODES]; /* best first */
    size_t n;                            /* 0 = none is up */
    uint64_t mask; /* of the nodes that could serve it if they were up and had the role */
    int hostgroup;
    bool is_writer;
    uint8_t reason;  /* enum route_reason */
    uint16_t bucket; /* as asked for */
};

/* route_site - what stands for a site: account's number, hash of the schema (0 = none). */
static inline uint32_t route_site(uint32_t account, uint32_t schema_hash)
{
    return account * 2654435761u ^ schema_hash;
}

/*
 * route_find_roles - set roles and side: those of hostgroup named if it is not negative (a rule's
 * word is final), else those of users whose default hostgroup it is. False = there is no such
 * hostgroup.
 */
bool route_find_roles(struct route_input *in, const struct topology *topology,
                      int default_hostgroup, int named) MUST_CHECK;

/*
 * route_choose - never fails; route->n is 0 when nobody is up, route->mask is 0 when nobody could
 * be.
 */
void route_choose(struct route *route, const struct route_input *in);

/* route_writes - may writes be sent to the node? Then they are seen where reads follow them. */
bool route_writes(const struct role_set *roles, const struct node *node);

/*
 * route_may_stay - may a statement that is bound to a connection be served at its node? Not before
 * the node has applied what was written elsewhere until it came. follow_us is a time, or 0.
 */
bool route_may_stay(const struct route_input *in, const struct node *node);
const char *route_reason_text(enum route_reason reason);

/* route_role - what the node is in the cluster of this role set now, for people. Static text. */
const char *route_role(const struct role_set *roles, const struct node *node);

/*
 * route_why_not - why a node is not among those of a route that was just chosen; NULL = it is.
 * in->now_ms as it was then. Static text.
 */
const char *route_why_not(const struct route_input *in, const struct route *route,
                          const struct node *node);

#endif
