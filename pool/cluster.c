/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster.c - see cluster.h.
 */
#include "pool/cluster.h"

#include <stdlib.h>

#include "pool/roles.h"

static struct cluster *cluster_new(int writer_hostgroup)
{
    struct cluster *cluster =
        aligned_alloc(CACHE_LINE, (sizeof(*cluster) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);

    CHECK(cluster != NULL);
    *cluster = (struct cluster){.writer_hostgroup = writer_hostgroup};
    return cluster;
}

struct cluster *cluster_get(struct nodes *nodes, int writer_hostgroup)
{
    struct cluster *cluster = NULL;
    unsigned n;

    CHECK(pthread_mutex_lock(&nodes->lock) == 0);
    n = atomic_load(&nodes->n_clusters);
    for (unsigned i = 0; i < n && cluster == NULL; i++) {
        if (nodes->clusters[i]->writer_hostgroup == writer_hostgroup) {
            cluster = nodes->clusters[i];
        }
    }
    if (cluster == NULL && n < CLUSTERS_MAX) {
        cluster = cluster_new(writer_hostgroup);
        nodes->clusters[n] = cluster;
        atomic_store(&nodes->n_clusters, n + 1);
    }
    CHECK(pthread_mutex_unlock(&nodes->lock) == 0);
    return cluster;
}

static bool change(atomic_ullong *mask, uint64_t to)
{
    return atomic_exchange(mask, to) != to;
}

void cluster_publish(struct cluster *cluster, const struct roles *roles, bool hold)
{
    bool is_changed = !atomic_load(&cluster->shared.is_decided);

    /*
     * Who writes comes first: between two of these lines no second node may be taken for a writer.
     */
    is_changed |= change(&cluster->shared.writers, hold ? 0 : roles->writers);
    is_changed |= change(&cluster->shared.backups, roles->backups);
    is_changed |= change(&cluster->shared.readers, roles->readers);
    is_changed |= change(&cluster->shared.offline, roles->offline);
    atomic_store(&cluster->shared.is_decided, true);
    if (is_changed) {
        atomic_fetch_add(&cluster->shared.version, 1);
    }
}

void cluster_unpublish(struct cluster *cluster)
{
    if (atomic_exchange(&cluster->shared.is_decided, false)) {
        atomic_fetch_add(&cluster->shared.version, 1);
    }
}
