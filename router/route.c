/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.c - see route.h.
 */
#include "router/route.h"

#define AWAY_FROM_HOME \
    2 /* statements a site's own reader may be ahead before another one is better */

struct choice {
    struct node *node;
    uint64_t score; /* lower is better */
};

struct choices {
    struct choice items[NODES_MAX];
    size_t n;
    uint64_t mask;
};

static void add(struct choices *c, struct node *node, uint64_t score)
{
    size_t at = c->n;

    for (size_t i = 0; i < c->n; i++) {
        if (c->items[i].node == node) {
            return;
        }
    }
    if (c->n == NODES_MAX) {
        return;
    }
    while (at > 0 && c->items[at - 1].score > score) { /* few: insertion keeps them in order */
        c->items[at] = c->items[at - 1];
        at--;
    }
    c->items[at] = (struct choice){node, score};
    c->n++;
}

static bool takes_traffic(const struct member *m, uint64_t now_ms)
{
    return m->status == SERVER_ONLINE && node_is_up(m->node, now_ms);
}

/* The writers: of those that are up the max_writers of highest weight. The same on every Galeway. */
static bool is_elected(const struct role_set *roles, const struct member *m, uint64_t now_ms)
{
    uint32_t n = 0;

    for (size_t i = 0; i < roles->writers->n && n < roles->max_writers; i++) {
        const struct member *other = &roles->writers->members[i];

        if (takes_traffic(other, now_ms)) {
            if (other == m) {
                return true;
            }
            n++;
        }
    }
    return false;
}

/* Rendezvous: each site draws a number for each node, the highest is its home; a lost node moves only its own sites. */
static uint64_t draw(const struct route_input *in, const struct member *m)
{
    uint64_t mixed = (in->site ^ (m->node->index + 1) * UINT64_C(0x9e3779b97f4a7c15)) *
                     UINT64_C(0xff51afd7ed558ccd);

    return (mixed >> 33) * MAX(m->weight, 1u);
}

static void add_writers(struct choices *c, const struct route_input *in)
{
    const struct hostgroup *group = in->roles->writers;

    for (size_t i = 0; group != NULL && i < group->n; i++) {
        const struct member *m = &group->members[i];

        if (m->status == SERVER_ONLINE) {
            c->mask |= UINT64_C(1) << m->node->index;
        }
        if (takes_traffic(m, in->now_ms) && is_elected(in->roles, m, in->now_ms)) {
            /* several writers: each site keeps to one of them, so that sites do not conflict */
            add(c, m->node, in->roles->max_writers == 1 ? i : UINT64_MAX - draw(in, m));
        }
    }
}

/* Weighted: (load + 1) / weight, in 1024ths; the site's home gets a start of some statements. */
static uint64_t reader_score(const struct route_input *in, const struct member *m,
                             const struct node *home)
{
    uint64_t load = 1 + in->load(in->owner, m->node) + (m->node == home ? 0 : AWAY_FROM_HOME);

    return load * 1024 / (m->weight == 0 ? 1 : m->weight);
}

struct readers {
    const struct member *items[NODES_MAX];
    size_t n;
};

static void collect_readers(struct readers *readers, struct choices *c,
                            const struct route_input *in)
{
    const struct role_set *roles = in->roles;

    for (size_t i = 0; roles->readers != NULL && i < roles->readers->n && readers->n < NODES_MAX;
         i++) {
        const struct member *m = &roles->readers->members[i];

        c->mask |= m->status == SERVER_ONLINE ? UINT64_C(1) << m->node->index : 0;
        if (takes_traffic(m, in->now_ms)) {
            readers->items[readers->n++] = m;
        }
    }
    for (size_t i = 0; roles->writers != NULL && i < roles->writers->n && readers->n < NODES_MAX;
         i++) {
        const struct member *m = &roles->writers->members[i];
        bool reads = roles->writer_is_also_reader == 1 || !is_elected(roles, m, in->now_ms);

        c->mask |= reads && m->status == SERVER_ONLINE ? UINT64_C(1) << m->node->index : 0;
        if (reads && takes_traffic(m, in->now_ms)) {
            readers->items[readers->n++] = m;
        }
    }
}

static void add_by_load(struct choices *c, const struct route_input *in,
                        const struct readers *readers)
{
    const struct node *home = NULL;
    uint64_t best = 0;

    for (size_t i = 0; i < readers->n; i++) {
        uint64_t drawn = draw(in, readers->items[i]);

        if (home == NULL || drawn > best) {
            home = readers->items[i]->node;
            best = drawn;
        }
    }
    for (size_t i = 0; i < readers->n; i++) {
        add(c, readers->items[i]->node, reader_score(in, readers->items[i], home));
    }
}

static void add_readers(struct choices *c, const struct route_input *in)
{
    struct readers readers = {.n = 0};

    collect_readers(&readers, c, in);
    add_by_load(c, in, &readers);
}

/* A hostgroup without roles: reads spread over all of it. */
static void add_members(struct choices *c, const struct route_input *in)
{
    const struct hostgroup *group = in->roles->writers;
    struct readers readers = {.n = 0};

    for (size_t i = 0; group != NULL && i < group->n && readers.n < NODES_MAX; i++) {
        const struct member *m = &group->members[i];

        c->mask |= m->status == SERVER_ONLINE ? UINT64_C(1) << m->node->index : 0;
        if (takes_traffic(m, in->now_ms)) {
            readers.items[readers.n++] = m;
        }
    }
    add_by_load(c, in, &readers);
}

static void choose_named(struct route *route, struct choices *c, const struct route_input *in)
{
    const struct role_set *roles = in->roles;
    bool has_roles = roles->writer_hostgroup != roles->reader_hostgroup;

    route->reason = ROUTE_NAMED;
    if (in->side == ROUTE_READERS) {
        add_readers(c, in);
        return;
    }
    route->is_writer = true;
    route->hostgroup = roles->writer_hostgroup;
    if (!has_roles && (in->facts->flags & FACT_READ) != 0) {
        add_members(c, in);
    } else {
        add_writers(c, in);
    }
}

static bool has_readers(const struct role_set *roles)
{
    return roles->readers != NULL ||
           (roles->writer_hostgroup != roles->reader_hostgroup && roles->writers != NULL);
}

static uint8_t writer_reason(const struct route_input *in)
{
    if ((in->facts->flags & FACT_READ) == 0) {
        return ROUTE_WRITE;
    }
    if (in->in_transaction) {
        return ROUTE_TRANSACTION;
    }
    return in->must_follow ? ROUTE_CAUSAL : ROUTE_NO_SPLIT;
}

bool route_find_roles(struct route_input *in, const struct topology *topology,
                      int default_hostgroup, int named)
{
    bool reads = false;

    if (named < 0) {
        in->roles = topology_roles(topology, default_hostgroup);
        in->side = ROUTE_SPLIT;
    } else {
        in->roles = topology_named(topology, named, &reads);
        in->side = reads ? ROUTE_READERS : ROUTE_WRITERS;
    }
    return in->roles != NULL;
}

void route_choose(struct route *route, const struct route_input *in)
{
    struct choices c = {.n = 0, .mask = 0};
    bool read = (in->facts->flags & FACT_READ) != 0 && !in->in_transaction && !in->must_follow;

    *route = (struct route){.hostgroup = in->roles->reader_hostgroup, .reason = ROUTE_READ};
    if (in->side != ROUTE_SPLIT) {
        choose_named(route, &c, in);
    } else if (read && has_readers(in->roles)) {
        add_readers(&c, in);
    }
    if (c.n == 0 && in->side == ROUTE_SPLIT) { /* not a read, or no reader is up */
        route->is_writer = true;
        route->hostgroup = in->roles->writer_hostgroup;
        route->reason = read && has_readers(in->roles) ? ROUTE_NO_READER : writer_reason(in);
        add_writers(&c, in);
    }
    route->mask = c.mask;
    route->n = MIN(c.n, (size_t)ROUTE_MAX_NODES);
    for (size_t i = 0; i < route->n; i++) {
        route->nodes[i] = c.items[i].node;
    }
}

const char *route_reason_text(enum route_reason reason)
{
    static const char *const texts[] = {
#define X(name, text) [name] = text,
        ROUTE_REASONS(X)
#undef X
    };

    return texts[reason];
}
