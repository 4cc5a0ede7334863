/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watchdog.c - see watchdog.h.
 */
#include "proxy/watchdog.h"

#include "base/log.h"
#include "proxy/worker.h"

bool watchdog_look(struct watchdog *dog, struct galeway *g)
{
    bool all_turn = true;

    for (unsigned i = 0; i < g->n_workers; i++) {
        struct worker *w = g->workers[i];
        unsigned ticks = atomic_load(&w->shown_ticks);

        if (ticks == dog->seen[i] && !atomic_load(&w->has_ended)) {
            log_error(NULL, "worker %u is stuck: it serves nobody", i);
            all_turn = false;
        }
        dog->seen[i] = ticks;
    }
    return all_turn;
}
