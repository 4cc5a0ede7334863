/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_group.c - see monitor_inside.h: one cluster.
 *
 * How a writer is followed by another:
 *   decided --> the old one, when it is up, ends what it has begun --> the new one applies all --> published
 * and until then nobody writes. At the first decision nobody wrote here before: it is published at
 * once.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/monitor_inside.h"

#define FIRST_LOOK_MS 2000 /* the first decision waits so long for the first checks of all nodes */

static struct watch *watch_of(const struct group *g, unsigned index)
{
    return g->monitor->watches[index];
}

/* --- configuration ---------------------------------------------------------------------------- */

struct group *group_get(struct monitor *m, int writer_hostgroup)
{
    struct cluster *cluster;
    struct group *g;

    for (unsigned i = 0; i < m->n_groups; i++) {
        if (m->groups[i]->writer_hostgroup == writer_hostgroup) {
            return m->groups[i];
        }
    }
    cluster = cluster_get(m->nodes, writer_hostgroup);
    if (cluster == NULL) {
        log_error(NULL, "more than %d clusters since the start: hostgroup %d stays as configured",
                  CLUSTERS_MAX, writer_hostgroup);
        return NULL;
    }
    g = mem_new(MEM_POOL, sizeof(*g));
    g->monitor = m;
    g->writer_hostgroup = writer_hostgroup;
    g->cluster = cluster;
    g->conf_id = UINT64_MAX;
    g->drain_ms = FAILOVER_DRAIN_MS;
    CHECK(pthread_mutex_lock(&m->lock) == 0);
    m->groups[m->n_groups++] = g;
    CHECK(pthread_mutex_unlock(&m->lock) == 0);
    return g;
}

void group_free(struct group *g)
{
    mem_free(MEM_POOL, g);
}

/*
 * A node that stands in several counts as in the first: the same order as in a topology (to_write).
 */
static void list_hostgroups(const struct group *g, int out[4])
{
    const struct conf_galera *row = g->galera;

    out[0] = g->writer_hostgroup;
    out[1] = row != NULL ? row->backup_writer_hostgroup : g->replication->reader_hostgroup;
    out[2] = row != NULL ? row->reader_hostgroup : -1;
    out[3] = row != NULL ? row->offline_hostgroup : -1;
}

static void add_member(struct group *g, const struct conf_server *server)
{
    const struct node *node = monitor_find(g->monitor->nodes, server->address, server->port);

    if (node == NULL || watch_of(g, node->index) == NULL || (g->members & MASK(node->index)) != 0) {
        return;
    }
    g->members |= MASK(node->index);
    g->nodes[g->n++] = (struct roles_node){.index = node->index,
                                           .weight = server->weight,
                                           .status = server->status,
                                           .is_resolved = node->is_resolved,
                                           .max_latency_ms = server->max_latency_ms,
                                           .report = &watch_of(g, node->index)->report};
}

void group_configure(struct group *g, const struct conf_galera *galera,
                     const struct conf_replication *replication)
{
    const struct conf *conf = g->monitor->conf;
    int hostgroups[4];

    g->galera = galera;
    g->replication = replication;
    g->n = 0;
    g->members = 0;
    g->homes.wants = galera != NULL && conf_has_homes(conf, g->writer_hostgroup);
    list_hostgroups(g, hostgroups);
    for (size_t i = 0; i < ARRAY_SIZE(hostgroups) * conf->n_servers; i++) {
        const struct conf_server *server = &conf->servers[i % conf->n_servers];

        if (server->hostgroup == hostgroups[i / conf->n_servers]) {
            add_member(g, server);
        }
    }
    if (!g->is_on) {
        g->is_on = true;
        g->is_decided = false;
        g->first_by_ms = clock_now_ms() + FIRST_LOOK_MS;
    }
}

void group_off(struct group *g)
{
    struct monitor *m = g->monitor;

    if (!g->is_on) {
        return;
    }
    g->is_on = g->is_decided = false;
    g->n = 0;
    g->members = g->ready = g->previous = g->wanted = g->leaving = g->elect_ms = 0;
    g->conf_id = UINT64_MAX;
    g->galera = NULL;
    g->replication = NULL;
    homes_off(g);
    CHECK(pthread_mutex_lock(&m->lock) == 0);
    g->published = (struct monitor_roles){0};
    CHECK(pthread_mutex_unlock(&m->lock) == 0);
    cluster_unpublish(g->cluster);
    m->has_changed = true;
}

/* --- deciding --------------------------------------------------------------------------------- */

static uint64_t serving(const struct roles *roles)
{
    return roles->writers | roles->backups | roles->readers;
}

/* With homes every node writes that may, and reads. */
static struct conf_galera row_with_homes(const struct conf_galera *row)
{
    struct conf_galera all = *row;

    all.max_writers = UINT32_MAX;
    all.writer_is_also_reader = 1;
    return all;
}

static void decide(struct group *g, bool with_homes, struct roles *out)
{
    struct conf_galera all;
    struct roles_input in = {.row = g->galera,
                             .nodes = g->nodes,
                             .n = g->n,
                             .previous = g->previous,
                             .wanted = g->wanted,
                             .failback =
                                 monitor_vars(g->monitor)->mysql_monitor_galera_writer_failback};

    *out = (struct roles){0};
    for (size_t i = 0; i < g->n; i++) {
        const struct watch *w = watch_of(g, g->nodes[i].index);

        g->nodes[i].health = (uint8_t)w->state.health;
        in.lame |= clock_now_ms() < w->lame_until_ms ? MASK(g->nodes[i].index) : 0;
    }
    if (g->galera == NULL) {
        roles_decide_replication(out, g->replication, g->nodes, g->n);
        return;
    }
    if (with_homes) {
        all = row_with_homes(g->galera);
        in.row = &all;
    }
    roles_decide(out, &in);
}

uint64_t group_plain_writers(struct group *g)
{
    struct roles roles;

    decide(g, false, &roles);
    return roles.writers;
}

/* Nodes that serve again after they did not are given little at first. */
static void note_returns(struct group *g, const struct roles *before)
{
    uint64_t back = serving(&g->decided) & ~serving(before);

    for (size_t i = 0; i < g->n; i++) {
        if ((back & MASK(g->nodes[i].index)) != 0) {
            watch_of(g, g->nodes[i].index)->back_ms = clock_now_ms();
        }
    }
}

static bool can_commit(enum role_why why)
{
    return why != WHY_OLD_VIEW && why != WHY_LEFT && why != WHY_OTHER_CLUSTER && why != WHY_SPLIT &&
           why != WHY_NOT_PRIMARY && why != WHY_NOT_READY;
}

/*
 * It believes to be in the group, and the group has gone on without it: what is under way there has
 * no end.
 */
static bool is_cut_off(enum role_why why)
{
    return why == WHY_OLD_VIEW || why == WHY_OTHER_CLUSTER || why == WHY_SPLIT;
}

/*
 * Which of these can end what they have begun? Who has left the configuration may, and nobody looks
 * at it any more.
 */
static uint64_t that_can_end(const struct group *g, uint64_t mask)
{
    uint64_t can = 0;

    for (unsigned i = 0; i < NODES_MAX; i++) {
        bool is_member = (g->members & MASK(i)) != 0;

        if ((mask & MASK(i)) != 0 &&
            (!is_member || (watch_of(g, i)->state.health == HEALTH_UP &&
                            can_commit((enum role_why)g->decided.why[i])))) {
            can |= MASK(i);
        }
    }
    return can;
}

/* What may be said of a node that has left, until it is seen in the group again. */
static bool is_away(enum role_why why)
{
    return why == WHY_LEFT || why == WHY_OLD_VIEW || why == WHY_NOT_PRIMARY || why == WHY_SILENT ||
           why == WHY_REFUSED;
}

static void note_left(const struct group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        unsigned index = g->nodes[i].index;
        atomic_ullong *left_ms = &watch_of(g, index)->node->shared.left_ms;

        if (g->decided.why[index] == WHY_LEFT && atomic_load(left_ms) == 0) {
            atomic_store(left_ms, clock_now_ms());
        } else if (!is_away((enum role_why)g->decided.why[index])) {
            atomic_store(left_ms, 0);
        }
    }
}

static void take_decision(struct group *g, const struct roles *fresh)
{
    struct roles before = g->decided;
    bool is_first = !g->is_decided;
    uint64_t gone = before.writers & g->ready & ~fresh->writers; /* others never wrote */

    g->decided = *fresh;
    g->is_decided = true;
    note_left(g);
    g->ready = is_first ? fresh->writers : g->ready & fresh->writers;
    if (!is_first && (fresh->writers & ~g->ready) != 0) {
        g->leaving = (g->leaving | that_can_end(g, gone)) & ~fresh->writers;
        g->leave_by_ms = clock_now_ms() + g->drain_ms;
        g->left_ms = clock_now_ms();
        g->is_announced = false;
        g->monitor->has_changed = true; /* so that it will be */
    }
    g->drain_ms = FAILOVER_DRAIN_MS;
    if (fresh->writers != 0) {
        g->previous = fresh->writers;
    }
    if ((fresh->writers & g->wanted) != g->wanted) {
        g->wanted = 0;
    }
    if (!is_first) {
        note_returns(g, &before);
    }
    tell_roles(g, &before, is_first);
}

/* --- publishing ------------------------------------------------------------------------------- */

static void stamp_changes(struct monitor_roles *now, const struct monitor_roles *before)
{
    uint64_t ms = clock_now_ms();

    for (unsigned i = 0; i < NODES_MAX; i++) {
        uint64_t bit = MASK(i);
        bool same = (now->roles.writers & bit) == (before->roles.writers & bit) &&
                    (now->roles.backups & bit) == (before->roles.backups & bit) &&
                    (now->roles.readers & bit) == (before->roles.readers & bit) &&
                    (now->members & bit) == (before->members & bit);

        now->since_ms[i] = same && before->since_ms[i] != 0 ? before->since_ms[i] : ms;
    }
}

/*
 * Who is to write goes on reading until it does. Who has written takes no reads while its
 * statements are waited for: they would be waited for, too.
 */
static uint64_t readers_of(const struct group *g, uint64_t before)
{
    uint64_t missing = g->decided.writers & ~g->ready;
    uint64_t readers = (g->decided.readers & ~g->leaving) | (missing & before);

    return readers != 0 ? readers : g->decided.readers;
}

/* Those whose connections are closed at once. */
static uint64_t cut_off(const struct monitor_roles *roles)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < NODES_MAX; i++) {
        mask |= is_cut_off((enum role_why)roles->roles.why[i]) ? MASK(i) : 0;
    }
    return mask;
}

static void tell_writers(struct group *g, uint64_t before, uint64_t now, bool is_first)
{
    for (size_t i = 0; i < g->n; i++) {
        if ((now & ~before & MASK(g->nodes[i].index)) != 0) {
            tell_writer(g, watch_of(g, g->nodes[i].index), is_first);
        }
    }
}

static bool are_same_masks(const struct roles *a, const struct roles *b)
{
    return a->writers == b->writers && a->backups == b->backups && a->readers == b->readers &&
           a->offline == b->offline;
}

static bool is_same(const struct monitor_roles *a, const struct monitor_roles *b)
{
    return memcmp(&a->roles, &b->roles, sizeof(a->roles)) == 0 && a->members == b->members &&
           a->is_holding == b->is_holding;
}

static void publish(struct group *g)
{
    struct monitor *m = g->monitor;
    struct monitor_roles before = g->published; /* only this thread writes it */
    struct monitor_roles now = {.roles = g->decided, .members = g->members};
    bool is_first = before.members == 0;

    now.roles.writers = g->decided.writers & g->ready;
    now.roles.readers = readers_of(g, before.roles.readers);
    now.roles.offline &= ~now.roles.readers;
    now.is_holding = g->decided.writers != 0 && now.roles.writers == 0;
    stamp_changes(&now, &before);
    if (is_same(&now, &before)) {
        return;
    }
    CHECK(pthread_mutex_lock(&m->lock) == 0);
    g->published = now;
    CHECK(pthread_mutex_unlock(&m->lock) == 0);
    if (is_first || !are_same_masks(&now.roles, &before.roles) || now.members != before.members ||
        now.is_holding != before.is_holding || cut_off(&now) != cut_off(&before)) {
        /* not only a reason */
        cluster_publish(g->cluster, &now.roles, now.is_holding);
        m->has_changed = true;
    }
    tell_writers(g, before.roles.writers, now.roles.writers, is_first);
}

/* --- from one writer to the next -------------------------------------------------------------- */

static unsigned n_writing(const struct nodes *nodes, const struct node *node)
{
    return nodes->n_writing == NULL ? 0 : nodes->n_writing(nodes->n_writing_arg, node);
}

/*
 * Have the old writers ended what they had begun? Only to be asked when all know that nobody begins
 * anything there.
 */
static bool have_left(struct group *g)
{
    uint64_t now = clock_now_ms();

    g->leaving = that_can_end(g, g->leaving);
    if (now >= g->leave_by_ms) {
        g->leaving = 0;
    }
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if ((g->leaving & MASK(i)) != 0 &&
            n_writing(g->monitor->nodes, watch_of(g, i)->node) == 0) {
            g->leaving &= ~MASK(i);
        }
    }
    if (g->leaving != 0) {
        g->left_ms = now + 1;
    }
    return g->leaving == 0;
}

static void catch_up(struct group *g, uint64_t missing)
{
    uint64_t now = clock_now_ms();

    for (size_t i = 0; i < g->n; i++) {
        struct watch *w = watch_of(g, g->nodes[i].index);

        if ((missing & MASK(g->nodes[i].index)) == 0) {
            continue;
        }
        if (watch_cannot_be_asked(w)) {
            g->ready |= MASK(g->nodes[i].index);
        } else if (!w->is_catching && now >= w->catch_again_ms) {
            watch_catch_up(w);
        }
    }
}

void group_caught_up(struct group *g, struct watch *w, bool good)
{
    uint64_t bit = MASK(w->node->index);

    if (good && g->is_decided && (g->decided.writers & ~g->ready & bit) != 0 && g->leaving == 0 &&
        w->catch_began_ms >= g->left_ms) {
        g->ready |= bit;
        publish(g);
    }
}

/* --- looking ---------------------------------------------------------------------------------- */

/*
 * Somebody is in a view that is new: the others are in it, too, or are about to be asked why not.
 */
static void look_at_view(struct group *g)
{
    uint64_t conf_id = UINT64_MAX;
    unsigned size = 0;

    for (size_t i = 0; i < g->n; i++) {
        const struct watch *w = watch_of(g, g->nodes[i].index);
        const struct node_report *r = &w->report;

        if (w->state.health == HEALTH_UP && r->kind == REPORT_OK && r->is_galera && r->primary &&
            r->conf_id != UINT64_MAX && (conf_id == UINT64_MAX || r->conf_id > conf_id)) {
            conf_id = r->conf_id;
            size = r->cluster_size;
        }
    }
    if (conf_id == UINT64_MAX || conf_id == g->conf_id) {
        return;
    }
    if (g->conf_id != UINT64_MAX) {
        tell_view(g, conf_id, size);
        for (size_t i = 0; i < g->n; i++) {
            watch_poke(watch_of(g, g->nodes[i].index));
        }
    }
    g->conf_id = conf_id;
    g->cluster_size = size;
}

static bool waits_for_first_checks(const struct group *g)
{
    if (g->is_decided || clock_now_ms() >= g->first_by_ms) {
        return false;
    }
    for (size_t i = 0; i < g->n; i++) {
        if (!watch_of(g, g->nodes[i].index)->has_result) {
            return true;
        }
    }
    return false;
}

/*
 * Nobody is elected by what nodes said a second ago: after an outage the first that answers would
 * be the only one. Asks those whose reports are old; true = all have answered, or do not in time.
 */
static bool are_reports_fresh(struct group *g)
{
    uint64_t now = clock_now_ms();
    bool is_fresh = true;
    bool is_new = g->elect_ms == 0;

    g->elect_ms = is_new ? now : g->elect_ms;
    for (size_t i = 0; i < g->n; i++) {
        struct watch *w = watch_of(g, g->nodes[i].index);

        if (w->state.health == HEALTH_UP && w->report.at_ms + ELECT_FRESH_MS < g->elect_ms) {
            is_fresh = false;
            if (is_new) {
                watch_poke(w);
            }
        }
    }
    return is_fresh || now >= g->elect_ms + ELECT_WAIT_MS;
}

/* Is this decision to be taken now? */
static bool may_take(struct group *g, const struct roles *fresh)
{
    uint64_t elected = fresh->writers & ~g->decided.writers;

    /* Who was asked for by name is no election; who was so long ago says nothing of others. */
    if (g->is_decided && elected != 0 && (elected & g->wanted) == 0 && !are_reports_fresh(g)) {
        return false;
    }
    g->elect_ms = 0;
    return !g->is_decided || memcmp(fresh, &g->decided, sizeof(*fresh)) != 0;
}

static void look(struct group *g)
{
    struct roles fresh;
    uint64_t missing;

    look_at_view(g);
    decide(g, g->homes.is_on, &fresh);
    if (may_take(g, &fresh)) {
        take_decision(g, &fresh);
    }
    missing = g->decided.writers & ~g->ready;
    if (missing == 0 && g->leaving != 0) { /* nobody waits for it any more */
        g->leaving = 0;
        g->monitor->has_changed = true;
    }
    publish(g);
    if (missing == 0 || (g->leaving != 0 && !g->is_announced)) {
        return; /* first all have to know that they hold */
    }
    if (have_left(g)) {
        catch_up(g, missing);
        publish(g);
    }
}

void group_look(struct group *g)
{
    if (g->is_on && !waits_for_first_checks(g)) {
        homes_turn(g);
        look(g);
        homes_look(g);
    }
}

void group_announced(struct group *g)
{
    g->is_announced = true;
    homes_announced(g);
}

bool group_serves(const struct group *g, uint64_t bit)
{
    return (serving(&g->decided) & bit) != 0;
}

bool group_cuts(const struct group *g, unsigned index)
{
    return is_cut_off((enum role_why)g->decided.why[index]);
}

bool group_waits(const struct group *g)
{
    return g->is_on && (!g->is_decided || g->elect_ms != 0 ||
                        (g->decided.writers & ~g->ready) != 0 || homes_wait(g));
}

bool group_has_writer(const struct group *g)
{
    return !g->is_decided || g->decided.writers != 0;
}

void group_switch(struct group *g, const struct switch_request *request)
{
    struct watch *w = watch_of(g, request->node_index);
    uint64_t before = g->wanted;

    if (!g->is_decided || w == NULL) {
        return;
    }
    g->wanted = MASK(request->node_index);
    g->drain_ms = request->drain_ms;
    tell_switch(g, w, "new statements for the writer wait until it has taken over");
    group_look(g);
    if ((g->decided.writers & MASK(request->node_index)) == 0) {
        tell_switch(g, w, "it is not fit to write any more: the writer stays");
        g->wanted = before & g->decided.writers; /* nor does it take over when it is fit again */
    }
    g->drain_ms = FAILOVER_DRAIN_MS;
}
