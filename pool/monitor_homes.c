/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_homes.c - see monitor_inside.h: the home nodes of a cluster (homes.h).
 *
 * How buckets move:
 *   NONE --held--> TOLD --workers know--> EMPTIES --what had begun has ended--> APPLIES --applied--> NONE
 *   a planned move that takes too long: the buckets stay, and are tried again later
 * A node that does not write any more forces its buckets to move: they wait until they can. One
 * that is back gets its own in steps, when it is warm. A step in which something does not end is
 * tried again with half as many, until it is known which bucket it is.
 */
#include "base/clock.h"
#include "base/log.h"
#include "pool/homes.h"
#include "pool/monitor_inside.h"

#define STEP_SHARE     20   /* of all buckets move in one step */
#define STEP_MS        200  /* from one step to the next */
#define STEP_AGAIN_MS  1000 /* after one that did not come to its end */
#define STUBBORN_S     30   /* a bucket whose transaction does not end is left alone for so long */
#define APPLIES_MAX_MS 3000 /* the same */

static struct watch *watch_of(const struct group *g, unsigned index)
{
    return g->monitor->watches[index];
}

/* Who may be a home: whoever writes. */
static uint64_t writers_of(const struct group *g)
{
    return g->published.roles.writers;
}

static bool is_in(uint64_t mask, unsigned node)
{
    return node < NODES_MAX && (mask & MASK(node)) != 0;
}

/* --- who is to be at home where --------------------------------------------------------------- */

/* Back for long enough to be given more than a little; who has buckets is. */
static bool is_warm(const struct group *g, unsigned node)
{
    const struct watch *w = watch_of(g, node);
    uint64_t slow = (uint64_t)monitor_vars(g->monitor)->mysql_slow_start_ms;

    return w->back_ms == 0 || clock_now_ms() - w->back_ms >= slow || g->homes.n_at[node] > 0;
}

static uint64_t warm_of(const struct group *g, uint64_t writers)
{
    uint64_t warm = 0;

    for (size_t i = 0; i < g->n; i++) {
        unsigned node = g->nodes[i].index;

        warm |= is_in(writers, node) && is_warm(g, node) ? MASK(node) : 0;
    }
    return warm != 0 ? warm : writers;
}

/* The whole table for these nodes. */
static void choose_all(const struct group *g, uint64_t among, uint8_t out[HOMES_BUCKETS])
{
    struct homes_node nodes[NODES_MAX];
    uint8_t index[NODES_MAX + 1];
    size_t n = 0;

    for (size_t i = 0; i < g->n; i++) {
        if (is_in(among, g->nodes[i].index)) {
            nodes[n].seed = homes_seed(watch_of(g, g->nodes[i].index)->node->text);
            nodes[n].weight = g->nodes[i].weight;
            index[n++] = (uint8_t)g->nodes[i].index;
        }
    }
    index[n] = HOME_NONE;
    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        out[b] = index[homes_choose(b, nodes, n)];
    }
}

/* As choose_all of those that are warm; made again only when they, or a weight, have changed. */
static const uint8_t *wanted_of(struct group *g)
{
    struct group_homes *h = &g->homes;
    uint64_t warm = warm_of(g, writers_of(g));
    uint64_t key = warm;

    for (size_t i = 0; i < g->n; i++) {
        key = (key ^ g->nodes[i].index ^ (uint64_t)g->nodes[i].weight << 8) *
              UINT64_C(0x9e3779b97f4a7c15);
    }
    if (h->is_ending) {
        memset(h->wanted, (int)h->last, sizeof(h->wanted));
        h->wanted_key = 0;
    } else if (h->wanted_key != key) {
        choose_all(g, warm, h->wanted);
        h->wanted_key = key;
    }
    return h->wanted;
}

static void count_at(struct group_homes *h)
{
    memset(h->n_at, 0, sizeof(h->n_at));
    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        h->n_at[h->at[b] < NODES_MAX ? h->at[b] : NODES_MAX]++;
    }
}

/* --- publishing ------------------------------------------------------------------------------- */

static void publish_homes(struct group *g)
{
    struct group_homes *h = &g->homes;
    struct homes *homes = homes_make(g->cluster);
    bool is_changed = false;

    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        bool is_held = h->to[b] != HOME_NONE || !is_in(writers_of(g), h->at[b]);

        is_changed |= homes_set(homes, b, is_held ? HOME_NONE : h->at[b]);
    }
    is_changed |= !atomic_exchange(&homes->is_on, true);
    if (is_changed) {
        g->monitor->has_changed = true;
    }
}

/* --- moving ----------------------------------------------------------------------------------- */

static void begin_move(struct group *g, bool is_forced)
{
    struct group_homes *h = &g->homes;

    h->step = MOVE_TOLD;
    h->is_forced = is_forced;
    h->began_ms = clock_now_ms();
    publish_homes(g);
    g->monitor->has_changed = true; /* also when nothing had to be held any more */
}

/* Those that have not moved stay where they are. */
static void end_move(struct group *g, uint64_t pause_ms)
{
    struct group_homes *h = &g->homes;

    memset(h->to, HOME_NONE, sizeof(h->to));
    h->step = MOVE_NONE;
    h->next_ms = clock_now_ms() + pause_ms;
    count_at(h);
    publish_homes(g);
}

/*
 * Is a bucket at a node that does not write, or about to go to one, and nothing is done about it?
 */
static bool has_lost(const struct group *g)
{
    const struct group_homes *h = &g->homes;
    uint64_t writers = writers_of(g);

    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        bool is_done_about = h->step != MOVE_NONE && h->is_forced && is_in(writers, h->to[b]);
        bool is_lost = !is_in(writers, h->at[b]) ||
                       (h->step != MOVE_NONE && h->to[b] != HOME_NONE && !is_in(writers, h->to[b]));

        if (is_lost && !is_done_about) {
            return true;
        }
    }
    return false;
}

static void force(struct group *g)
{
    struct group_homes *h = &g->homes;
    const uint8_t *wanted = wanted_of(g);
    unsigned n = 0;

    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        bool goes = !is_in(writers_of(g), h->at[b]) || (h->is_ending && h->at[b] != h->last);

        h->to[b] = goes ? wanted[b] : HOME_NONE;
        n += goes ? 1 : 0;
    }
    log_info(NULL, "hostgroup %d: %u of %d buckets of sites get another home", g->writer_hostgroup,
             n, HOMES_BUCKETS);
    begin_move(g, true);
}

static bool may_move(const struct group *g, unsigned bucket, unsigned to)
{
    const struct group_homes *h = &g->homes;
    const struct watch *from_watch = watch_of(g, h->at[bucket]);
    const struct watch *to_watch = watch_of(g, to);

    return h->at[bucket] != to && from_watch->state.health == HEALTH_UP &&
           to_watch->state.health == HEALTH_UP && !watch_cannot_be_asked(to_watch) &&
           clock_now_ms() / 1000 >= h->again_s[bucket];
}

/* Some of those that are not where they should be. */
static void plan(struct group *g)
{
    struct group_homes *h = &g->homes;
    const uint8_t *wanted = wanted_of(g);
    unsigned step = MAX((unsigned)(HOMES_BUCKETS / STEP_SHARE) >> h->n_halved, 1u);
    unsigned n = 0;

    h->has_more = false;
    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        if (!may_move(g, b, wanted[b])) {
            continue;
        }
        if (n == step) {
            h->has_more = true;
            break;
        }
        h->to[b] = wanted[b];
        n++;
    }
    if (n > 0) {
        begin_move(g, false);
    }
}

/* One of those that were to move has something that does not end. */
static void note_stubborn(struct group_homes *h)
{
    unsigned n = 0, last = 0;

    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        if (h->to[b] != HOME_NONE) {
            n++;
            last = b;
        }
    }
    if (n > 1) {
        h->n_halved++;
    } else {
        h->again_s[last] = (uint32_t)(clock_now_ms() / 1000) + STUBBORN_S;
    }
}

static void look_at_empties(struct group *g)
{
    struct group_homes *h = &g->homes;
    const struct nodes *nodes = g->monitor->nodes;
    unsigned n = nodes->n_held == NULL ? 0 : nodes->n_held(nodes->n_writing_arg);

    if (n > 0 && clock_now_ms() < h->began_ms + FAILOVER_DRAIN_MS) {
        return;
    }
    if (n > 0 && !h->is_forced) {
        note_stubborn(h);
        h->has_more = true;
        end_move(g, STEP_AGAIN_MS);
        return;
    }
    h->n_halved -= h->n_halved > 0 ? 1 : 0;
    h->empty_us = clock_now_us();
    h->step = MOVE_APPLIES;
}

/* Has the node all that was acknowledged before the old homes were empty? */
static bool has_caught_up(const struct group *g, unsigned node)
{
    const struct watch *w = watch_of(g, node);

    return (g->homes.is_forced && watch_cannot_be_asked(w)) ||
           applied_us(&g->monitor->applied, node) >= g->homes.empty_us;
}

static void look_at_applies(struct group *g)
{
    struct group_homes *h = &g->homes;
    uint64_t caught_up = 0, behind = 0;
    bool has_moved = false;

    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        unsigned to = h->to[b];

        if (to == HOME_NONE) {
            continue;
        }
        if (((caught_up | behind) & MASK(to)) == 0) {
            *(has_caught_up(g, to) ? &caught_up : &behind) |= MASK(to);
        }
        if ((caught_up & MASK(to)) != 0) {
            h->at[b] = (uint8_t)to;
            h->to[b] = HOME_NONE;
            has_moved = true;
        }
    }
    if (behind == 0) {
        end_move(g, STEP_MS);
    } else if (!h->is_forced && clock_now_ms() >= h->began_ms + APPLIES_MAX_MS) {
        h->has_more = true;
        end_move(g, STEP_AGAIN_MS);
    } else if (has_moved) {
        publish_homes(g);
    }
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if (is_in(behind, i)) {
            numbers_prove(watch_of(g, i));
        }
    }
}

/* --- on and off ------------------------------------------------------------------------------- */

static unsigned first_of(uint64_t mask)
{
    return mask == 0 ? HOME_NONE : (unsigned)__builtin_ctzll(mask);
}

void homes_turn(struct group *g)
{
    struct group_homes *h = &g->homes;
    uint64_t writers = writers_of(g);
    bool is_one = writers != 0 && (writers & (writers - 1)) == 0;

    if (!h->wants || h->is_on) {
        return;
    }
    *h = (struct group_homes){.wants = true, .is_on = true, .is_new = !g->is_decided};
    memset(h->to, HOME_NONE, sizeof(h->to));
    memset(h->at, (int)(g->is_decided && is_one ? first_of(writers) : HOME_NONE), sizeof(h->at));
    count_at(h);
    publish_homes(g); /* before others may write */
}

/*
 * All sites are at one node: the next decision is as without homes, and the others, when they are
 * to write again, have to catch up as any new writer.
 */
static void turn_off(struct group *g)
{
    struct group_homes *h = &g->homes;

    g->previous = MASK(h->last);
    g->ready &= MASK(h->last);
    h->is_on = h->is_ending = false;
    h->is_over = true;
}

/* The decision without homes is published: nobody needs to know where they were. */
static void forget_homes(struct group *g)
{
    unsigned n = (unsigned)__builtin_popcountll(writers_of(g));

    if (g->galera == NULL || n <= g->galera->max_writers) {
        atomic_store(&homes_make(g->cluster)->is_on, false);
        g->homes.is_over = false;
        g->monitor->has_changed = true;
    }
}

static void begin_end(struct group *g)
{
    struct group_homes *h = &g->homes;

    if (!h->is_ending || !is_in(writers_of(g), h->last)) {
        h->is_ending = true;
        h->last = first_of(group_plain_writers(g) & writers_of(g));
        h->last = h->last == HOME_NONE ? first_of(writers_of(g)) : h->last;
        if (h->last != HOME_NONE) {
            force(g);
        }
    } else if (h->step == MOVE_NONE) {
        turn_off(g);
    }
}

void homes_off(struct group *g)
{
    bool wants = g->homes.wants;

    if (g->homes.is_on || g->homes.is_over) {
        atomic_store(&homes_make(g->cluster)->is_on, false);
    }
    g->homes = (struct group_homes){.wants = wants};
}

/* --- looking ---------------------------------------------------------------------------------- */

/* Nobody wrote here before: all are at home at once. */
static void begin_new(struct group *g)
{
    struct group_homes *h = &g->homes;

    h->is_new = false;
    choose_all(g, writers_of(g), h->at);
    count_at(h);
    publish_homes(g);
}

static void look(struct group *g)
{
    struct group_homes *h = &g->homes;

    if (writers_of(g) == 0) {
        publish_homes(g); /* all wait */
        return;
    }
    if (h->is_new) {
        begin_new(g);
    }
    if (has_lost(g) && !h->is_ending) {
        force(g);
    } else if (!h->wants && (h->step == MOVE_NONE || !is_in(writers_of(g), h->last))) {
        begin_end(g);
    } else if (h->step == MOVE_NONE && clock_now_ms() >= h->next_ms) {
        plan(g);
    }
    if (h->step == MOVE_EMPTIES) {
        look_at_empties(g);
    }
    if (h->step == MOVE_APPLIES) {
        look_at_applies(g);
    }
}

void homes_look(struct group *g)
{
    if (g->homes.is_over && g->is_decided) {
        forget_homes(g);
    }
    if (g->homes.is_on && g->is_decided) {
        g->homes.is_ending = g->homes.is_ending && !g->homes.wants;
        look(g);
    }
}

void homes_announced(struct group *g)
{
    if (g->homes.step == MOVE_TOLD) {
        g->homes.step = MOVE_EMPTIES;
    }
}

bool homes_wait(const struct group *g)
{
    const struct group_homes *h = &g->homes;

    return h->is_over || (h->is_on && (h->step != MOVE_NONE || h->has_more));
}

uint64_t homes_leaving(const struct group *g)
{
    bool counts = g->homes.step == MOVE_TOLD || g->homes.step == MOVE_EMPTIES;

    return counts ? g->members : 0;
}
