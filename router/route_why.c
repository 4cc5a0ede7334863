/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route_why.c - a decision for people; see route.h.
 */
#include "router/route_sight.h"

const char *route_role(const struct role_set *roles, const struct node *node)
{
    const struct cluster *c = roles->cluster;
    uint64_t bit = bit_of(node);

    if (!route_look(roles).is_decided) {
        return "as configured";
    }
    if ((mask_of(&c->shared.writers) & bit) != 0) {
        return (mask_of(&c->shared.readers) & bit) != 0 ? "writer and reader" : "writer";
    }
    if ((mask_of(&c->shared.backups) & bit) != 0) {
        return (mask_of(&c->shared.readers) & bit) != 0 ? "backup writer and reader"
                                                        : "backup writer";
    }
    return (mask_of(&c->shared.readers) & bit) != 0 ? "reader" : "offline";
}

static const struct member *member_in(const struct hostgroup *group, const struct node *node)
{
    for (size_t i = 0; group != NULL && i < group->n; i++) {
        if (group->members[i].node == node) {
            return &group->members[i];
        }
    }
    return NULL;
}

/* As the decision sees it: in the list that it is taken from. */
static const struct member *member_of(const struct route_input *in, const struct route *route,
                                      const struct node *node)
{
    const struct role_set *roles = in->roles;
    const struct member *m;

    if (route_look(roles).is_decided) {
        return member_in(route->is_writer ? roles->to_write : roles->to_read, node);
    }
    m = route->is_writer ? NULL : member_in(roles->readers, node);
    return m != NULL ? m : member_in(roles->writers, node);
}

const char *route_why_not(const struct route_input *in, const struct route *route,
                          const struct node *node)
{
    static const char *const statuses[] = {[SERVER_ONLINE] = NULL,
                                           [SERVER_SHUNNED] = "SHUNNED in mysql_servers",
                                           [SERVER_OFFLINE_SOFT] = "OFFLINE_SOFT in mysql_servers",
                                           [SERVER_OFFLINE_HARD] = "OFFLINE_HARD in mysql_servers"};
    const struct member *m = member_of(in, route, node);

    for (size_t i = 0; i < route->n; i++) {
        if (route->nodes[i] == node) {
            return NULL;
        }
    }
    if (m == NULL) {
        return "it is in none of the hostgroups that are asked";
    }
    if (statuses[m->status] != NULL) {
        return statuses[m->status];
    }
    if (!node->is_resolved) {
        return "its address cannot be resolved";
    }
    if (health_of(node) == HEALTH_DOWN) {
        return "down: the monitor or traffic found it so";
    }
    if (!node_is_up(node, in->now_ms)) {
        return "down: connecting to it failed, it is tried again soon";
    }
    if (route->n == ROUTE_MAX_NODES) {
        return "others are better, and no more are tried";
    }
    if (in->follow_us != UINT64_MAX && in->side == ROUTE_SPLIT && !has_applied(in, node)) {
        return "up, but it is not known to have applied what was written";
    }
    if (route->reason == ROUTE_HOME) {
        return "up, but another node is the home of the schema";
    }
    return route->is_writer ? "up, but another node has the role" : "up, but it does not read";
}
