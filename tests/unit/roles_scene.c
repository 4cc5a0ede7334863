/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roles_scene.c - see roles_scene.h.
 */
#include "tests/unit/roles_scene.h"

void roles_make(struct scene *s, unsigned n)
{
    memset(s, 0, sizeof(*s));
    s->row = (struct conf_galera){.active = true, .max_writers = 1};
    for (unsigned i = 0; i < n; i++) {
        s->reports[i] = (struct node_report){.kind = REPORT_OK,
                                             .at_ms = NOW,
                                             .took_us = 300,
                                             .answered_ms = NOW,
                                             .is_galera = true,
                                             .ready = true,
                                             .connected = true,
                                             .primary = true,
                                             .local_state = WSREP_SYNCED,
                                             .local_index = i,
                                             .cluster_size = n,
                                             .conf_id = 7,
                                             .view_ms = NOW - 50000,
                                             .state_uuid = "uuid-1"};
        s->nodes[i] = (struct roles_node){.index = i,
                                          .weight = 100,
                                          .status = SERVER_ONLINE,
                                          .health = HEALTH_UP,
                                          .is_resolved = true,
                                          .report = &s->reports[i]};
    }
    s->in = (struct roles_input){.row = &s->row, .nodes = s->nodes, .n = n};
}

void roles_assert_sets(const struct roles *r, const struct roles_input *in)
{
    uint64_t all = 0;

    for (size_t i = 0; i < in->n; i++) {
        all |= UINT64_C(1) << in->nodes[i].index;
    }
    assert_int_equal(r->writers | r->backups | r->readers | r->offline, all);
    assert_int_equal(r->writers & r->backups, 0);
    assert_int_equal(r->offline & (r->writers | r->backups | r->readers), 0);
}

static const char *uuid_of(const struct roles_node *node)
{
    return node->report == NULL ? "" : node->report->state_uuid;
}

static bool is_one_cluster(const struct roles_input *in)
{
    for (size_t i = 1; i < in->n; i++) {
        if (strcmp(uuid_of(&in->nodes[i]), uuid_of(&in->nodes[0])) != 0) {
            return false;
        }
    }
    return true;
}

/*
 * Of two clusters of equal size the one that wrote counts: writers that nobody checked, or silent
 * ones, are in none.
 */
static bool are_checked(const struct roles *r, const struct roles_input *in)
{
    for (size_t i = 0; i < in->n; i++) {
        unsigned node = in->nodes[i].index;

        if ((r->writers & UINT64_C(1) << node) != 0 &&
            (r->why[node] == WHY_UNCHECKED || r->why[node] == WHY_DENIED ||
             r->why[node] == WHY_SILENT)) {
            return false;
        }
    }
    return true;
}

struct roles roles_of(const struct scene *s)
{
    struct roles_node turned[NODES_MAX];
    struct roles_input in = s->in;
    struct roles first, other;

    memset(&first, 0xee, sizeof(first));
    roles_decide(&first, &in);
    roles_assert_sets(&first, &in);
    assert_true((unsigned)__builtin_popcountll(first.writers) <= s->row.max_writers);
    assert_true(s->row.writer_is_also_reader == 1 || (first.readers & first.writers) == 0);
    in.nodes = turned;
    for (size_t by = 0; by < in.n; by++) {
        for (size_t i = 0; i < in.n; i++) {
            turned[i] = s->nodes[by % 2 == 0 ? (i + by) % in.n : (in.n + by - i) % in.n];
        }
        roles_decide(&other, &in);
        assert_memory_equal(&first, &other, sizeof(first));
    }
    in.nodes = s->nodes;
    if (first.writers != 0 && (is_one_cluster(&in) || are_checked(&first, &in))) {
        in.previous = first.writers;
        roles_decide(&other, &in);
        assert_int_equal(other.writers, first.writers);
    }
    return first;
}

void assert_roles(const struct roles *r, uint64_t writers, uint64_t backups, uint64_t readers,
                  uint64_t offline)
{
    assert_int_equal(r->writers, writers);
    assert_int_equal(r->backups, backups);
    assert_int_equal(r->readers, readers);
    assert_int_equal(r->offline, offline);
}

void roles_uncheck(struct scene *s, unsigned node)
{
    s->nodes[node].health = HEALTH_UNCHECKED;
    s->reports[node] = (struct node_report){.kind = REPORT_NONE};
}
