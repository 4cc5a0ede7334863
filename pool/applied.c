/* SPDX-License-Identifier: Apache-2.0 */
/*
 * applied.c - see applied.h.
 */
#include "pool/applied.h"

#include <stdio.h>

/* All that was acknowledged before a time has no higher number than this. */
struct mark {
    uint64_t us; /* 0 = none */
    uint64_t committed;
};

static bool is_number(uint64_t committed)
{
    return committed != 0 && committed <= INT64_MAX; /* -1 = it has none */
}

/* A node without a state has one of zeros. */
static bool names_cluster(const struct node_report *figures)
{
    return figures->is_galera && figures->state_uuid[0] != '\0' &&
           strspn(figures->state_uuid, "0-") != strlen(figures->state_uuid);
}

static bool is_same_cluster(const struct applied_node *a, const struct applied_node *b)
{
    return b->uuid[0] != '\0' && strcmp(a->uuid, b->uuid) == 0;
}

/* The newest proof; the highest number of all. */
static struct mark proof_of(const struct applied *a, const struct applied_node *n)
{
    struct mark proof = {0, 0};

    for (unsigned i = 0; i < NODES_MAX; i++) {
        const struct applied_node *other = &a->nodes[i];

        if (other->proved_us != 0 && is_same_cluster(n, other)) {
            proof.us = MAX(proof.us, other->proved_us);
            proof.committed = MAX(proof.committed, other->proved_committed);
        }
    }
    return proof;
}

/* Does a proof from this time cover what the node's own number may not? */
static bool is_covered(const struct applied_node *n, uint64_t proved_us)
{
    return n->broke_us <= proved_us && n->named_us <= proved_us;
}

/* What the numbers say without a proof that is newer; us is 0 when they say nothing. */
static struct mark said_of(const struct applied *a, const struct applied_node *n, struct mark proof)
{
    struct mark said = {UINT64_MAX, proof.committed};

    if (proof.us == 0 || a->left_us > proof.us) {
        return (struct mark){0, 0};
    }
    for (unsigned i = 0; i < NODES_MAX; i++) {
        const struct applied_node *other = &a->nodes[i];
        bool is_elsewhere = other->asked_us != 0 && !is_same_cluster(n, other);

        if (!other->may_commit || (is_elsewhere && other->named_us <= proof.us)) {
            continue;
        }
        if (is_elsewhere || !other->is_in || !is_covered(other, proof.us)) {
            return (struct mark){0, 0};
        }
        said.us = MIN(said.us, other->asked_us);
        said.committed = MAX(said.committed, other->committed);
    }
    return said.us == UINT64_MAX ? (struct mark){0, 0} : said;
}

static struct mark newest_mark(const struct applied *a, const struct applied_node *n)
{
    struct mark proof = proof_of(a, n);
    struct mark said = said_of(a, n, proof);

    return said.us > proof.us ? said : proof;
}

/*
 * What was acknowledged in the very microsecond may have come after the question: it is not
 * counted.
 */
static void reach(struct applied_node *n, struct mark mark)
{
    n->applied_us = MAX(n->applied_us, mark.us - 1);
}

/* A target that moves with each answer is never reached by who is a little behind: it stays. */
static void settle(struct applied *a, const struct applied_node *n)
{
    struct mark mark = newest_mark(a, n);

    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct applied_node *other = &a->nodes[i];

        if (!other->is_in || !is_same_cluster(n, other)) {
            continue;
        }
        if (other->target_us != 0 && other->committed >= other->target_committed) {
            reach(other, (struct mark){other->target_us, other->target_committed});
            other->target_us = 0;
        }
        if (mark.us == 0) {
            continue;
        }
        if (other->committed >= mark.committed) {
            reach(other, mark);
            other->target_us = other->target_us <= mark.us ? 0 : other->target_us;
        } else if (other->target_us == 0) {
            other->target_us = mark.us;
            other->target_committed = mark.committed;
        }
    }
}

/* Nothing that was reached, or is to be, holds for it any more. */
static void forget(struct applied_node *n)
{
    n->is_in = false;
    n->target_us = n->applied_us = 0;
}

/* It says less than before: what counts is what it has now, and what others had of it is void. */
static void go_back(struct applied *a, struct applied_node *n, uint64_t now_us)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if (is_same_cluster(n, &a->nodes[i])) {
            a->nodes[i].target_us = 0;
        }
    }
    n->proved_us = n->applied_us = 0;
    n->broke_us = now_us;
}

/* Two questions may be under way over two connections: their answers come in any order. */
static void take_number(struct applied *a, struct applied_node *n, uint64_t committed,
                        uint64_t asked_us, uint64_t now_us)
{
    if (committed < n->committed && asked_us > n->said_us) {
        go_back(a, n, now_us);
        n->committed = 0;
    }
    n->committed = MAX(n->committed, committed);
    n->asked_us = MAX(n->asked_us, asked_us);
    n->said_us = now_us;
}

void applied_join(struct applied *a, unsigned node)
{
    if (!a->nodes[node].may_commit) {
        a->nodes[node] = (struct applied_node){.may_commit = true};
    }
}

void applied_leave(struct applied *a, unsigned node, uint64_t now_us)
{
    if (a->nodes[node].may_commit) {
        a->nodes[node] = (struct applied_node){.may_commit = false};
        a->left_us = now_us;
    }
}

void applied_broke(struct applied *a, unsigned node, uint64_t now_us)
{
    forget(&a->nodes[node]);
    a->nodes[node].broke_us = now_us;
}

void applied_checked(struct applied *a, unsigned node, const struct node_report *figures,
                     uint64_t asked_us, uint64_t now_us)
{
    struct applied_node *n = &a->nodes[node];
    bool is_named = names_cluster(figures);
    bool is_none = !figures->is_galera;

    if (!n->may_commit) {
        return;
    }
    if ((is_named && strcmp(n->uuid, figures->state_uuid) != 0) ||
        (is_none && (n->uuid[0] != '\0' || n->asked_us == 0))) { /* another cluster, or none */
        *n = (struct applied_node){.may_commit = true, .named_us = now_us, .broke_us = now_us};
        (void)snprintf(n->uuid, sizeof(n->uuid), "%s", is_none ? "" : figures->state_uuid);
    }
    if (is_none) {
        n->asked_us = asked_us;
        return;
    }
    if (!is_named || !figures->primary || !is_number(figures->last_committed) ||
        (figures->local_state != WSREP_SYNCED && figures->local_state != WSREP_DONOR)) {
        forget(n);
        return;
    }
    n->is_in = true;
    take_number(a, n, figures->last_committed, asked_us, now_us);
    settle(a, n);
}

void applied_answered(struct applied *a, unsigned node, uint64_t committed, uint64_t asked_us,
                      uint64_t now_us)
{
    struct applied_node *n = &a->nodes[node];

    if (n->is_in && is_number(committed)) {
        take_number(a, n, committed, asked_us, now_us);
        settle(a, n);
    }
}

void applied_proved(struct applied *a, unsigned node, uint64_t committed, uint64_t asked_us,
                    uint64_t now_us)
{
    struct applied_node *n = &a->nodes[node];

    if (!n->is_in || !is_number(committed)) {
        return;
    }
    take_number(a, n, committed, asked_us, now_us);
    if (asked_us > n->proved_us) {
        n->proved_us = asked_us;
        n->proved_committed = committed;
    }
    reach(n, (struct mark){asked_us, committed});
    settle(a, n);
}

bool applied_needs_proof(const struct applied *a, unsigned node, uint64_t since_us)
{
    const struct applied_node *n = &a->nodes[node];

    return n->is_in && said_of(a, n, proof_of(a, n)).us < since_us;
}

bool applied_is_behind(const struct applied *a, unsigned node)
{
    return a->nodes[node].target_us != 0;
}

uint64_t applied_us(const struct applied *a, unsigned node)
{
    return a->nodes[node].applied_us;
}
