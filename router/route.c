/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.c - see route.h.
 */
#include "router/route.h"

#include "pool/homes.h"
#include "router/route_sight.h"

#define AWAY_FROM_HOME \
    2 /* statements a site's own reader may be ahead before another one is better */
#define ALL_ARE_WEIGHED \
    4 /* up to so many readers; of more some, so that not all find the same one */

#define UNKNOWN_US UINT64_C(2000000)

/* A score is a tier, and what tells nodes of a tier apart: lower is better. */
#define TIER(n)      ((uint64_t)(n) << 56)
#define TIER_SLOW    TIER(1) /* above max_latency_ms */
#define TIER_LAST    TIER(2) /* of weight 0 */
#define TIER_SUSPECT TIER(4)
#define WEIGHED_MAX  ((UINT64_C(1) << 55) - 1)

struct choice {
    struct node *node;
    uint64_t score;
};

struct choices {
    struct choice items[NODES_MAX];
    size_t n;
    uint64_t mask;  /* of those that could be chosen */
    bool is_behind; /* one could, but has not applied what the read has to see */
    uint64_t added; /* of items */
};

struct sight route_look(const struct role_set *roles)
{
    const struct cluster *c = roles->cluster;
    struct sight sight = {.is_decided = c != NULL && atomic_load_explicit(&c->shared.is_decided,
                                                                          memory_order_acquire)};

    if (!sight.is_decided) {
        return sight;
    }
    if (roles->part == PART_WHOLE) {
        sight.writers = mask_of(&c->shared.writers);
        sight.readers = mask_of(&c->shared.readers);
        sight.readers |= roles->writer_is_also_reader == 1 ? sight.writers : 0;
        sight.homes = homes_of(c);
    } else {
        sight.writers = sight.readers =
            mask_of(roles->part == PART_READERS ? &c->shared.readers : &c->shared.backups);
    }
    return sight;
}

static void add(struct choices *c, struct node *node, uint64_t score)
{
    size_t at = c->n;

    if ((c->added & bit_of(node)) != 0) {
        return; /* it stands in both hostgroups */
    }
    c->added |= bit_of(node);
    while (at > 0 && c->items[at - 1].score > score) { /* few: insertion keeps them in order */
        c->items[at] = c->items[at - 1];
        at--;
    }
    c->items[at] = (struct choice){node, score};
    c->n++;
}

static bool takes_traffic(const struct member *m, uint64_t now_ms)
{
    return m->status == SERVER_ONLINE && node_is_up(m->node, now_ms) &&
           health_of(m->node) != HEALTH_DOWN;
}

static uint64_t suspect_tier(const struct node *node)
{
    return health_of(node) == HEALTH_SUSPECT ? TIER_SUSPECT : 0;
}

/*
 * As configured: of those that are up the max_writers of highest weight. The same on every Galeway.
 */
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

/*
 * Rendezvous: each site draws a number for each node, the highest is its home; a lost node moves
 * only its own sites.
 */
static uint64_t draw(const struct route_input *in, const struct member *m)
{
    uint64_t mixed = (in->site ^ (m->node->index + 1) * UINT64_C(0x9e3779b97f4a7c15)) *
                     UINT64_C(0xff51afd7ed558ccd);

    return (mixed >> 33) * MIN(MAX(m->weight, 1u), UINT32_C(1) << 24);
}

/* A writer of which nothing can be known (the monitor may not log in) serves after a while. */
static bool has_applied_or_is_unknown(const struct node *node, uint64_t needed_us, uint64_t now_ms)
{
    uint64_t applied = atomic_load_explicit(&node->shared.applied_us, memory_order_acquire);

    return applied >= needed_us || (applied == 0 && now_ms * 1000 > needed_us + UNKNOWN_US);
}

static bool is_behind_strays(const struct route_input *in, const struct node *node)
{
    return UNLIKELY((in->follow_flags & CAUSAL_STRAY) != 0) &&
           (in->facts->flags & FACT_READ) != 0 &&
           !has_applied_or_is_unknown(node, in->follow_us, in->now_ms);
}

static void add_writers(struct choices *c, const struct route_input *in, const struct sight *sight)
{
    const struct role_set *roles = in->roles;
    const struct hostgroup *group = sight->is_decided ? roles->to_write : roles->writers;

    for (size_t i = 0; group != NULL && i < group->n; i++) {
        const struct member *m = &group->members[i];
        bool writes = sight->is_decided ? (sight->writers & bit_of(m->node)) != 0
                                        : is_elected(roles, m, in->now_ms);

        c->mask |= m->status == SERVER_ONLINE ? bit_of(m->node) : 0;
        /*
         * What is sent to a writer that is silent may be lost in doubt: it waits, for this one or
         * the next.
         */
        if (sight->is_decided && health_of(m->node) == HEALTH_SUSPECT) {
            continue;
        }
        if (writes && takes_traffic(m, in->now_ms) && !is_behind_strays(in, m->node)) {
            /* several writers: each site keeps to one of them, so that sites do not conflict */
            add(c, m->node,
                suspect_tier(m->node) | (roles->max_writers == 1 ? i : WEIGHED_MAX - draw(in, m)));
        }
    }
}

/* --- readers ---------------------------------------------------------------------------------- */

struct readers {
    const struct member *items[NODES_MAX];
    size_t n;
};

static void collect(struct readers *readers, struct choices *c, const struct route_input *in,
                    const struct member *m)
{
    c->mask |= m->status == SERVER_ONLINE ? bit_of(m->node) : 0;
    if (readers->n == NODES_MAX || !takes_traffic(m, in->now_ms)) {
        return;
    }
    if (in->side == ROUTE_SPLIT && !has_applied(in, m->node)) {
        c->is_behind = true;
        return;
    }
    if (in->side == ROUTE_SPLIT && UNLIKELY((in->avoid & bit_of(m->node)) != 0)) {
        return;
    }
    readers->items[readers->n++] = m;
}

static void collect_decided(struct readers *readers, struct choices *c,
                            const struct route_input *in, uint64_t reading)
{
    const struct hostgroup *all = in->roles->to_read;

    for (size_t i = 0; i < all->n; i++) {
        const struct member *m = &all->members[i];

        if ((reading & bit_of(m->node)) != 0) {
            collect(readers, c, in, m);
        } else if (m->status == SERVER_ONLINE) {
            c->mask |= bit_of(m->node); /* it may have the role in a moment */
        }
    }
}

static void collect_configured(struct readers *readers, struct choices *c,
                               const struct route_input *in)
{
    const struct role_set *roles = in->roles;

    for (size_t i = 0; roles->readers != NULL && i < roles->readers->n; i++) {
        collect(readers, c, in, &roles->readers->members[i]);
    }
    for (size_t i = 0; roles->writers != NULL && i < roles->writers->n; i++) {
        const struct member *m = &roles->writers->members[i];

        if (roles->writer_is_also_reader == 1 || !is_elected(roles, m, in->now_ms)) {
            collect(readers, c, in, m);
        }
    }
}

/* Latency in steps that the jitter of a local network stays below. */
static uint64_t latency_ms(const struct node *node)
{
    return MAX(atomic_load_explicit(&node->shared.latency_us, memory_order_relaxed) / 1000, 1u);
}

static uint64_t reader_tier(const struct member *m)
{
    uint64_t latency_us = atomic_load_explicit(&m->node->shared.latency_us, memory_order_relaxed);
    bool is_slow = m->max_latency_ms != 0 && latency_us > (uint64_t)m->max_latency_ms * 1000;

    return suspect_tier(m->node) | (m->weight == 0 ? TIER_LAST : 0) | (is_slow ? TIER_SLOW : 0);
}

/* (load + 1) x latency x load_factor / weight; the site's home gets a start of some statements. */
static uint64_t weigh(const struct route_input *in, const struct member *m, const struct node *home)
{
    uint64_t load = 1 + in->load(in->owner, m->node) + (m->node == home ? 0 : AWAY_FROM_HOME);
    uint64_t factor = atomic_load_explicit(&m->node->shared.load_factor, memory_order_relaxed);
    /* all bounded, so that the product is */
    uint64_t product = MIN(load, UINT64_C(1) << 16) * MIN(latency_ms(m->node), UINT64_C(1) << 14) *
                       MIN(MAX(factor, UINT64_C(1)), UINT64_C(1) << 18);

    return MIN(product * 1024 / MAX(m->weight, 1u), WEIGHED_MAX);
}

/*
 * Which of many are weighed: the home and two others, by a number that differs from statement to
 * statement.
 */
struct sample {
    size_t n;
    size_t first, second;
};

static struct sample take_sample(const struct route_input *in, size_t n)
{
    uint64_t mixed =
        (in->facts->digest ^ in->site ^ (uint64_t)in->now_ms << 32) * UINT64_C(0x9e3779b97f4a7c15);
    struct sample sample = {.n = n};

    mixed = (mixed ^ mixed >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    sample.first = (size_t)(mixed >> 40) % n;
    sample.second = (sample.first + 1 + (size_t)(mixed >> 8 & 0xffffff) % (n - 1)) % n;
    return sample;
}

static uint64_t score_of(const struct route_input *in, const struct readers *readers, size_t i,
                         const struct node *home, const struct sample *sample)
{
    const struct member *m = readers->items[i];

    if (sample->n == 0 || m->node == home || i == sample->first || i == sample->second) {
        return reader_tier(m) | weigh(in, m, home);
    }
    return reader_tier(m) | (WEIGHED_MAX + 1 + (i + sample->n - sample->first) % sample->n);
}

static void add_by_load(struct choices *c, const struct route_input *in,
                        const struct readers *readers)
{
    struct sample sample = {.n = 0};
    const struct node *home = NULL;
    uint64_t best = 0;

    for (size_t i = 0; i < readers->n; i++) {
        uint64_t drawn = draw(in, readers->items[i]);

        if (home == NULL || drawn > best) {
            home = readers->items[i]->node;
            best = drawn;
        }
    }
    if (readers->n > ALL_ARE_WEIGHED) {
        sample = take_sample(in, readers->n);
    }
    for (size_t i = 0; i < readers->n; i++) {
        add(c, readers->items[i]->node, score_of(in, readers, i, home, &sample));
    }
}

static void add_readers(struct choices *c, const struct route_input *in, const struct sight *sight)
{
    struct readers readers;

    readers.n = 0; /* the rest is not looked at: no need to clear it for each statement */
    if (sight->is_decided) {
        collect_decided(&readers, c, in, sight->readers);
    } else {
        collect_configured(&readers, c, in);
    }
    add_by_load(c, in, &readers);
}

/* A hostgroup without roles: reads spread over all of it. */
static void add_members(struct choices *c, const struct route_input *in, const struct sight *sight)
{
    const struct hostgroup *group = in->roles->writers;
    struct readers readers;

    readers.n = 0;
    if (sight->is_decided) {
        collect_decided(&readers, c, in, sight->readers);
    }
    for (size_t i = 0; !sight->is_decided && group != NULL && i < group->n; i++) {
        collect(&readers, c, in, &group->members[i]);
    }
    add_by_load(c, in, &readers);
}

/*
 * --- home nodes ---------------------------------------------------------------------------------
 */

/* Nobody has to see more than what was acknowledged before his statement came. */
static uint64_t as_it_came(const struct route_input *in, uint64_t us)
{
    return in->asked_us == 0 ? us : MIN(us, in->asked_us);
}

/*
 * What a node must have applied to serve the statement, though it is at home there: what was
 * written elsewhere, or did not pass through here.
 */
static uint64_t needed_at(const struct route_input *in, const struct homes *homes, unsigned node,
                          bool read)
{
    uint64_t needed = homes_needed_us(homes, node, in->bucket, &in->also);
    bool is_foreign =
        read && in->follow_us != UINT64_MAX && (in->follow_flags & CAUSAL_FOREIGN) != 0;

    return as_it_came(in, is_foreign ? MAX(needed, in->follow_us) : needed);
}

static void add_home(struct choices *c, const struct route_input *in, const struct sight *sight,
                     unsigned home, uint64_t needed_us)
{
    const struct hostgroup *group = in->roles->to_write;

    for (size_t i = 0; group != NULL && i < group->n; i++) {
        const struct member *m = &group->members[i];

        c->mask |= m->status == SERVER_ONLINE ? bit_of(m->node) : 0;
        if (m->node->index == home && (sight->writers & bit_of(m->node)) != 0 &&
            health_of(m->node) != HEALTH_SUSPECT && takes_traffic(m, in->now_ms) &&
            has_applied_or_is_unknown(m->node, needed_us, in->now_ms)) {
            add(c, m->node, 0);
        }
    }
}

static void choose_at_home(struct route *route, struct choices *c, const struct route_input *in,
                           const struct sight *sight, bool read)
{
    unsigned home = homes_at(sight->homes, in->bucket);

    route->reason = ROUTE_HOME;
    route->is_writer = !read;
    add_home(c, in, sight, home, needed_at(in, sight->homes, home, read));
    if (c->n == 0 && read && in->follow_us != UINT64_MAX && in->side == ROUTE_SPLIT) {
        struct route_input elsewhere = *in;

        /* however long ago: who reads at home has no window */
        elsewhere.follow_flags &= (uint8_t)~CAUSAL_OVER;
        elsewhere.follow_us =
            as_it_came(in, MAX(in->follow_us, needed_at(in, sight->homes, HOME_NONE, read)));
        add_readers(c, &elsewhere, sight);
        route->reason = ROUTE_READ;
    }
    route->is_writer = !read || c->n == 0;
    route->hostgroup = route->is_writer || in->roles->reader_hostgroup < 0
                           ? in->roles->writer_hostgroup
                           : in->roles->reader_hostgroup;
}

/* --- the decision ----------------------------------------------------------------------------- */

static void choose_named(struct route *route, struct choices *c, const struct route_input *in,
                         const struct sight *sight)
{
    const struct role_set *roles = in->roles;
    bool has_roles = roles->writer_hostgroup != roles->reader_hostgroup;

    route->reason = ROUTE_NAMED;
    if (in->side == ROUTE_READERS) {
        add_readers(c, in, sight);
        return;
    }
    route->is_writer = true;
    route->hostgroup = roles->writer_hostgroup;
    if (!has_roles && (in->facts->flags & FACT_READ) != 0) {
        add_members(c, in, sight);
    } else {
        add_writers(c, in, sight);
    }
}

static bool has_readers(const struct role_set *roles)
{
    return roles->writer_hostgroup != roles->reader_hostgroup &&
           (roles->readers != NULL || roles->writers != NULL || roles->to_read != NULL);
}

static uint8_t writer_reason(const struct route_input *in)
{
    if ((in->facts->flags & FACT_READ) == 0) {
        return ROUTE_WRITE;
    }
    if (in->in_transaction) {
        return ROUTE_TRANSACTION;
    }
    return in->follow_us != 0 ? ROUTE_CAUSAL : ROUTE_NO_SPLIT;
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
    const struct sight sight = route_look(in->roles);
    struct choices c;
    bool read =
        (in->facts->flags & FACT_READ) != 0 && !in->in_transaction && in->follow_us != UINT64_MAX;
    bool follows;

    c.n = 0; /* the items are not looked at: no need to clear them for each statement */
    c.mask = c.added = 0;
    c.is_behind = false;
    *route = (struct route){
        .hostgroup = in->roles->reader_hostgroup, .reason = ROUTE_READ, .bucket = in->bucket};
    if (sight.homes != NULL && in->side != ROUTE_READERS) {
        choose_at_home(route, &c, in, &sight,
                       (in->facts->flags & FACT_READ) != 0 && !in->in_transaction);
    } else if (in->side != ROUTE_SPLIT) {
        choose_named(route, &c, in, &sight);
    } else if (read && has_readers(in->roles)) {
        add_readers(&c, in, &sight);
    }
    if (c.n == 0 && in->side == ROUTE_SPLIT &&
        sight.homes == NULL) { /* not a read, or no reader is up */
        route->is_writer = true;
        route->hostgroup = in->roles->writer_hostgroup;
        follows = in->follow_us != 0 && ((in->follow_flags & CAUSAL_OVER) == 0 || c.is_behind);
        route->reason =
            read && !follows && has_readers(in->roles) ? ROUTE_NO_READER : writer_reason(in);
        add_writers(&c, in, &sight);
    }
    route->mask = c.mask;
    route->n = MIN(c.n, (size_t)ROUTE_MAX_NODES);
    for (size_t i = 0; i < route->n; i++) {
        route->nodes[i] = c.items[i].node;
    }
}

bool route_writes(const struct role_set *roles, const struct node *node)
{
    const struct cluster *c = roles->cluster;

    return !route_look(roles).is_decided || (mask_of(&c->shared.writers) & bit_of(node)) != 0;
}

bool route_may_stay(const struct route_input *in, const struct node *node)
{
    const struct sight sight = route_look(in->roles);
    bool read = (in->facts->flags & FACT_READ) != 0;
    uint64_t needed = 0;

    if (sight.homes != NULL) {
        needed = needed_at(in, sight.homes, node->index, read);
    } else if (read && in->side != ROUTE_READERS && is_numbered(node) &&
               ((in->follow_flags & CAUSAL_STRAY) != 0 || !route_writes(in->roles, node))) {
        needed = as_it_came(in, in->follow_us);
    }
    return has_applied_or_is_unknown(node, needed, in->now_ms);
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
