/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster.c - see cluster.h.
 */
#include "pool/cluster.h"

#include <stdlib.h>

#include "pool/roles.h"

static struct cluster *cluster_new(int writer_hostgroup)
{
    struct cluster *c =
        aligned_alloc(CACHE_LINE, (sizeof(*c) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);

    CHECK(c != NULL);
    *c = (struct cluster){.writer_hostgroup = writer_hostgroup};
    return c;
}

struct cluster *cluster_get(struct nodes *nodes, int writer_hostgroup)
{
    struct cluster *found = NULL;
    unsigned n;

    CHECK(pthread_mutex_lock(&nodes->lock) == 0);
    n = atomic_load(&nodes->n_clusters);
    for (unsigned i = 0; i < n && found == NULL; i++) {
        if (nodes->clusters[i]->writer_hostgroup == writer_hostgroup) {
            found = nodes->clusters[i];
        }
    }
    if (found == NULL && n < CLUSTERS_MAX) {
        found = nodes->clusters[n] = cluster_new(writer_hostgroup);
        atomic_store(&nodes->n_clusters, n + 1);
    }
    CHECK(pthread_mutex_unlock(&nodes->lock) == 0);
    return found;
}

void cluster_publish(struct cluster *cluster, const struct roles *roles, bool hold)
{
    atomic_store(&cluster->shared.writers, hold ? 0 : roles->writers);
    atomic_store(&cluster->shared.backups, roles->backups);
    atomic_store(&cluster->shared.readers, roles->readers);
    atomic_store(&cluster->shared.offline, roles->offline);
    atomic_store(&cluster->shared.is_decided, true);
    atomic_fetch_add(&cluster->shared.version, 1);
}

void cluster_unpublish(struct cluster *cluster)
{
    atomic_store(&cluster->shared.is_decided, false);
    atomic_fetch_add(&cluster->shared.version, 1);
}
