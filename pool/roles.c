/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roles.c - see roles.h.
 *
 *   judge each node alone --> put out who is behind --> elect writers --> choose readers --> the rest is offline
 */
#include "pool/roles.h"

#define VIEW_SETTLE_MS \
    200 /* nodes enter a view within milliseconds of each other, and are asked one by one */

/* How good a node is for a role: lower is better, and only the best that are there get it. */
enum writer_tier { WRITES_SYNCED, WRITES_DONOR, WRITES_UNCHECKED };
enum reader_tier { READS_FIT, READS_SLOW, READS_DONOR, READS_SUSPECT };

struct judged {
    const struct roles_node *node;
    uint8_t why;         /* enum role_why */
    uint8_t writer_tier; /* enum writer_tier */
    uint8_t reader_tier; /* enum reader_tier */
    bool serves;         /* takes statements of some kind */
    bool writes;         /* is not read_only */
};

/* The view that counts. */
struct view {
    const char *uuid; /* NULL = nobody is in one */
    uint64_t conf_id;
    size_t n;          /* nodes that say it; 0 = nobody */
    unsigned size;     /* as they say */
    bool wrote;        /* one of the previous writers is in it */
    uint64_t seen_ms;  /* when the first of its nodes was seen in it */
    uint64_t asked_ms; /* when the last of them was asked, the longest ago */
};

struct decision {
    const struct roles_input *in;
    struct view view;
    struct judged nodes[NODES_MAX];
    size_t n;
};

static uint64_t bit_of(const struct roles_node *node)
{
    return UINT64_C(1) << node->index;
}

/* Are there figures that hold? */
static bool is_checked(const struct roles_node *node)
{
    const struct node_report *r = node->report;

    return r != NULL && r->answered_ms != 0 && r->kind != REPORT_DENIED &&
           node->health != HEALTH_UNCHECKED;
}

/* --- the view --------------------------------------------------------------------------------- */

/* What a silent node said last is no evidence against those that answer. */
static bool tells_view(const struct roles_node *node)
{
    return is_checked(node) && node->health == HEALTH_UP && node->report->is_galera &&
           node->report->primary;
}

struct group {
    const char *uuid;
    size_t n;
    unsigned size; /* the largest wsrep_cluster_size */
    bool wrote;    /* one of the previous writers is in it */
};

static struct group group_of(const struct roles_input *in, const char *uuid)
{
    struct group g = {.uuid = uuid};

    for (size_t i = 0; i < in->n; i++) {
        const struct roles_node *node = &in->nodes[i];

        if (tells_view(node) && strcmp(node->report->state_uuid, uuid) == 0) {
            g.n += node->status == SERVER_ONLINE; /* what an admin took out has no voice in this */
            g.size = MAX(g.size, node->report->cluster_size);
            g.wrote |= (in->previous & bit_of(node)) != 0;
        }
    }
    return g;
}

static bool is_larger(const struct group *a, const struct group *b)
{
    if (a->n != b->n) {
        return a->n > b->n;
    }
    if (a->size != b->size) {
        return a->size > b->size;
    }
    if (a->wrote != b->wrote) {
        return a->wrote;
    }
    return strcmp(a->uuid, b->uuid) < 0; /* any, but the same on every Galeway */
}

/* What its nodes say of it: a view has one size, too. */
static struct view view_of(const struct roles_input *in, const struct node_report *said)
{
    struct view view = {said->state_uuid, said->conf_id, .size = said->cluster_size,
                        .seen_ms = UINT64_MAX, .asked_ms = UINT64_MAX};

    for (size_t i = 0; i < in->n; i++) {
        const struct node_report *r = in->nodes[i].report;

        if (tells_view(&in->nodes[i]) && r->conf_id == view.conf_id &&
            r->cluster_size == view.size && strcmp(r->state_uuid, view.uuid) == 0) {
            view.n++;
            view.wrote |= (in->previous & bit_of(&in->nodes[i])) != 0;
            view.seen_ms = MIN(view.seen_ms, r->view_ms != 0 ? r->view_ms : r->answered_ms);
            view.asked_ms = MIN(view.asked_ms, r->answered_ms);
        }
    }
    return view;
}

static bool is_newer(const struct view *a, const struct view *b)
{
    return a->conf_id != b->conf_id ? a->conf_id > b->conf_id : a->size > b->size;
}

static bool is_asked_after(uint64_t asked_ms, const struct view *view)
{
    return asked_ms > view->seen_ms && asked_ms - view->seen_ms > VIEW_SETTLE_MS;
}

/*
 * A component of its own: all its members are here, and say so after the newer view was seen. Who
 * only has not noticed that others have left misses them.
 */
static bool is_rival(const struct view *a, const struct view *newest)
{
    return is_newer(newest, a) && a->n == a->size && is_asked_after(a->asked_ms, newest) &&
           (a->size > newest->size || (a->size == newest->size && a->wrote && !newest->wrote));
}

static bool is_larger_rival(const struct view *a, const struct view *b)
{
    return a->size != b->size ? a->size > b->size : is_newer(a, b);
}

/* Of the nodes with this uuid: the newest view, or a larger one that stands beside it. */
static struct view view_of_group(const struct roles_input *in, const char *uuid)
{
    struct view newest = {.uuid = uuid, .seen_ms = UINT64_MAX};
    struct view rival = {.uuid = NULL};

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < in->n; i++) {
            const struct node_report *r = in->nodes[i].report;
            struct view view;

            if (!tells_view(&in->nodes[i]) || r->conf_id == UINT64_MAX ||
                strcmp(r->state_uuid, uuid) != 0) {
                continue;
            }
            view = view_of(in, r);
            if (pass == 0 && (newest.n == 0 || is_newer(&view, &newest))) {
                newest = view;
            } else if (pass == 1 && is_rival(&view, &newest) &&
                       (rival.uuid == NULL || is_larger_rival(&view, &rival))) {
                rival = view;
            }
        }
    }
    return rival.uuid != NULL ? rival : newest;
}

static struct view view_that_counts(const struct roles_input *in)
{
    struct group largest = {.uuid = NULL};

    for (size_t i = 0; i < in->n; i++) {
        if (tells_view(&in->nodes[i])) {
            struct group g = group_of(in, in->nodes[i].report->state_uuid);

            if (largest.uuid == NULL || is_larger(&g, &largest)) {
                largest = g;
            }
        }
    }
    return largest.uuid != NULL ? view_of_group(in, largest.uuid) : (struct view){.uuid = NULL};
}

static bool is_in_old_view(const struct view *view, const struct node_report *r)
{
    return r->conf_id != UINT64_MAX && r->conf_id < view->conf_id &&
           is_asked_after(r->answered_ms, view);
}

/*
 * All members of the newer view are here and say so: who is not one of them is not in it, however
 * long ago he was asked. A node that shuts down answers no check for a second before it is gone,
 * but it still answers statements.
 */
static bool has_left(const struct view *view, const struct node_report *r)
{
    return r->conf_id != UINT64_MAX && r->conf_id < view->conf_id && view->size != 0 &&
           view->n == view->size;
}

/* In a newer one than the one that counts, or in one of the same number: the cluster is split. */
static bool is_in_other_view(const struct view *view, const struct node_report *r)
{
    if (view->n == 0 || r->conf_id == UINT64_MAX) {
        return false;
    }
    return r->conf_id > view->conf_id ||
           (r->conf_id == view->conf_id && r->cluster_size != view->size &&
            is_asked_after(r->answered_ms, view));
}

/* --- one node alone --------------------------------------------------------------------------- */

static enum role_why why_down(const struct node_report *report)
{
    if (report != NULL && report->kind == REPORT_TIMEOUT) {
        return WHY_SILENT;
    }
    return report != NULL && report->error == REPORT_TLS_ERROR ? WHY_TLS : WHY_REFUSED;
}

/* WHY_FIT, or what puts it out whatever it is used for. */
static enum role_why why_not_reached(const struct roles_node *node)
{
    if (node->status == SERVER_OFFLINE_HARD) {
        return WHY_ADMIN_HARD;
    }
    if (node->status == SERVER_OFFLINE_SOFT) {
        return WHY_ADMIN_SOFT;
    }
    if (node->status == SERVER_SHUNNED) {
        return WHY_ADMIN_SHUNNED;
    }
    if (!node->is_resolved) {
        return WHY_NOT_RESOLVED;
    }
    if (node->health == HEALTH_DOWN) {
        return why_down(node->report);
    }
    return WHY_FIT;
}

/* The cause comes before what follows from it: wsrep_ready is OFF for most of the others, too. */
static enum role_why why_not_synced(const struct view *view, const struct node_report *r)
{
    if (!r->is_galera) {
        return WHY_NO_WSREP;
    }
    if (!r->primary) {
        return WHY_NOT_PRIMARY;
    }
    if (view->uuid != NULL && strcmp(view->uuid, r->state_uuid) != 0) {
        return WHY_OTHER_CLUSTER;
    }
    if (is_in_old_view(view, r)) {
        return WHY_OLD_VIEW;
    }
    if (has_left(view, r)) {
        return WHY_LEFT;
    }
    if (is_in_other_view(view, r)) {
        return WHY_SPLIT;
    }
    if (r->desync) { /* before the donor: wsrep_local_state is the same */
        return WHY_DESYNC;
    }
    if (r->rejects) {
        return WHY_REJECTS;
    }
    if (r->local_state == WSREP_DONOR && r->donor_rejects) {
        return WHY_DONOR_REJECTS;
    }
    if (r->local_state != WSREP_SYNCED && r->local_state != WSREP_DONOR) {
        return WHY_JOINING;
    }
    return r->ready && r->connected ? WHY_FIT : WHY_NOT_READY;
}

static bool is_slow(const struct roles_node *node)
{
    return node->max_latency_ms != 0 &&
           node->report->took_us > (uint64_t)node->max_latency_ms * 1000;
}

/* What reached nodes differ in while they serve. */
static void rank(struct judged *j, bool is_donor)
{
    const struct roles_node *node = j->node;

    if (!is_checked(node)) {
        bool is_denied = node->report != NULL && node->report->kind == REPORT_DENIED;

        j->why = is_denied ? WHY_DENIED : WHY_UNCHECKED;
        j->writer_tier = WRITES_UNCHECKED;
    } else if (is_donor) {
        j->why = WHY_DONOR;
        j->writer_tier = WRITES_DONOR;
        j->reader_tier = READS_DONOR;
    } else if (is_slow(node)) {
        j->why = WHY_SLOW;
        j->reader_tier = READS_SLOW;
    } else if (node->report->read_only) {
        j->why = WHY_READ_ONLY;
    }
    if (node->health == HEALTH_SUSPECT) {
        j->why = WHY_SILENT;
        j->reader_tier = READS_SUSPECT;
    }
}

static struct judged judge(const struct roles_node *node, const struct view *view)
{
    struct judged j = {.node = node, .why = (uint8_t)why_not_reached(node)};
    bool is_donor = false;

    if (j.why == WHY_FIT && view != NULL && is_checked(node)) {
        j.why = (uint8_t)why_not_synced(view, node->report);
        is_donor = node->report->local_state == WSREP_DONOR;
    }
    j.serves = j.why == WHY_FIT;
    if (j.serves) {
        j.writes = !is_checked(node) || !node->report->read_only;
        rank(&j, is_donor);
    }
    return j;
}

/* --- writers ---------------------------------------------------------------------------------- */

static int by_size(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* Is a the better writer? A total order, so that the order of the input does not matter. */
static bool is_better(const struct judged *a, const struct judged *b, const struct roles_input *in)
{
    const struct roles_node *x = a->node;
    const struct roles_node *y = b->node;
    int lame = by_size((in->lame & bit_of(x)) != 0, (in->lame & bit_of(y)) != 0);
    int wanted = by_size((in->wanted & bit_of(y)) != 0, (in->wanted & bit_of(x)) != 0);
    int tier = by_size(a->writer_tier, b->writer_tier);
    int wrote = by_size((in->previous & bit_of(y)) != 0, (in->previous & bit_of(x)) != 0);
    int weight = by_size(y->weight, x->weight);
    unsigned x_index = is_checked(x) ? x->report->local_index : UINT32_MAX;
    unsigned y_index = is_checked(y) ? y->report->local_index : UINT32_MAX;
    const int order[] = {lame,
                         wanted,
                         tier,
                         in->failback ? weight : wrote,
                         in->failback ? wrote : weight,
                         by_size(x_index, y_index),
                         by_size(x->index, y->index)};

    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        if (order[i] != 0) {
            return order[i] < 0;
        }
    }
    return false;
}

static bool is_electable(const struct judged *j, const struct roles_input *in)
{
    return j->serves && j->writes &&
           (j->node->health != HEALTH_SUSPECT || (in->previous & bit_of(j->node)) != 0);
}

static void elect(struct roles *out, const struct decision *d)
{
    const struct judged *sorted[NODES_MAX];
    uint8_t best_tier = WRITES_UNCHECKED;
    size_t n = 0;

    for (size_t i = 0; i < d->n; i++) {
        const struct judged *j = &d->nodes[i];
        size_t at = n;

        if (!is_electable(j, d->in)) {
            continue;
        }
        while (at > 0 && is_better(j, sorted[at - 1], d->in)) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = j;
        n++;
        best_tier = MIN(best_tier, j->writer_tier);
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t bit = bit_of(sorted[i]->node);

        if (i < d->in->row->max_writers &&
            (sorted[i]->writer_tier == best_tier || (d->in->wanted & bit) != 0)) {
            out->writers |= bit;
        } else {
            out->backups |= bit;
        }
    }
}

/* --- behind ----------------------------------------------------------------------------------- */

/* A suspect one's figure is old, an unchecked one has none. */
static bool is_measured(const struct judged *j)
{
    return j->serves && is_checked(j->node) && j->node->health == HEALTH_UP;
}

static uint64_t queue_of(const struct judged *j, const struct roles_input *in)
{
    bool wrote = (in->previous & bit_of(j->node)) != 0;

    return wrote ? j->node->report->recv_queue / 2 : j->node->report->recv_queue;
}

/*
 * The one that stays when all are behind: of those that may write, or else of all. NULL = one is
 * not behind.
 */
static const struct judged *least_behind(const struct decision *d, bool of_writers)
{
    const struct judged *least = NULL;

    for (size_t i = 0; i < d->n; i++) {
        const struct judged *j = &d->nodes[i];

        if (!is_measured(j) || (of_writers && !j->writes)) {
            continue;
        }
        if (j->node->report->recv_queue <= d->in->row->max_transactions_behind) {
            return NULL;
        }
        if (least == NULL || queue_of(j, d->in) < queue_of(least, d->in) ||
            (queue_of(j, d->in) == queue_of(least, d->in) && is_better(j, least, d->in))) {
            least = j;
        }
    }
    return least;
}

static void put_out_behind(struct decision *d)
{
    const struct judged *writer = least_behind(d, true);
    const struct judged *stays = writer != NULL ? writer : least_behind(d, false);

    for (size_t i = 0; i < d->n && d->in->row->max_transactions_behind > 0; i++) {
        struct judged *j = &d->nodes[i];

        if (is_measured(j) && j->node->report->recv_queue > d->in->row->max_transactions_behind) {
            j->why = WHY_BEHIND;
            j->serves = j == stays;
        }
    }
}

/* --- readers ---------------------------------------------------------------------------------- */

static void choose_readers(struct roles *out, const struct decision *d)
{
    uint8_t best_tier = READS_SUSPECT;
    uint64_t suspects = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < d->n; i++) {
            const struct judged *j = &d->nodes[i];
            uint64_t bit = bit_of(j->node);

            suspects |= j->node->health == HEALTH_SUSPECT ? bit : 0;
            if (!j->serves ||
                ((out->writers & bit) != 0 && d->in->row->writer_is_also_reader != 1)) {
                continue;
            }
            if (pass == 0) {
                best_tier = MIN(best_tier, j->reader_tier);
            } else if (j->reader_tier == best_tier) {
                out->readers |= bit;
            }
        }
    }
    if (best_tier == READS_SUSPECT && (out->writers & ~suspects) != 0) {
        out->readers = 0; /* the writer can, and it answers */
    }
}

/* --- all -------------------------------------------------------------------------------------- */

static void decide(struct roles *out, struct decision *d)
{
    uint64_t all = 0;

    *out = (struct roles){0};
    elect(out, d);
    choose_readers(out, d);
    for (size_t i = 0; i < d->n; i++) {
        const struct judged *j = &d->nodes[i];
        uint64_t bit = bit_of(j->node);
        bool chosen = (out->writers & bit) != 0 && (j->why == WHY_FIT || j->why == WHY_SLOW);

        all |= bit;
        out->why[j->node->index] = chosen ? WHY_WRITER : j->why;
    }
    out->offline = all & ~(out->writers | out->backups | out->readers);
}

void roles_decide(struct roles *out, const struct roles_input *in)
{
    struct decision d = {.in = in, .view = view_that_counts(in), .n = in->n};

    CHECK(in->n <= NODES_MAX);
    for (size_t i = 0; i < d.n; i++) {
        d.nodes[i] = judge(&in->nodes[i], &d.view);
    }
    put_out_behind(&d);
    decide(out, &d);
}

void roles_decide_replication(struct roles *out, const struct conf_replication *row,
                              const struct roles_node *nodes, size_t n)
{
    struct conf_galera rules = {.max_writers = 1};
    struct roles_input in = {.row = &rules, .nodes = nodes, .n = n};
    struct decision d = {.in = &in, .n = n};
    uint64_t suspects = 0;
    bool one_is_up = false;

    (void)row; /* MariaDB has one read_only only */
    CHECK(n <= NODES_MAX);
    for (size_t i = 0; i < n; i++) {
        struct judged *j = &d.nodes[i];

        *j = judge(&nodes[i], NULL);
        if (j->serves && j->writes && is_checked(&nodes[i])) {
            rules.max_writers = UINT32_MAX;
            one_is_up |= nodes[i].health == HEALTH_UP;
            suspects |= nodes[i].health == HEALTH_SUSPECT ? bit_of(&nodes[i]) : 0;
        }
    }
    in.previous =
        one_is_up ? 0
                  : suspects; /* a primary that was replaced does not come back when it wakes up */
    decide(out, &d);
}

/* --- words ------------------------------------------------------------------------------------ */

const char *role_why_word(enum role_why why)
{
    static const char *const words[] = {
#define X(code, word, text) word,
        ROLE_WHYS(X)
#undef X
    };

    return words[why];
}

const char *role_why_text(enum role_why why)
{
    static const char *const texts[] = {
#define X(code, word, text) text,
        ROLE_WHYS(X)
#undef X
    };

    return texts[why];
}
