/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watchdog.c - see watchdog.h.
 */
#include "proxy/watchdog.h"

#include "base/log.h"
#include "proxy/worker.h"

static bool turns(const struct worker *w, unsigned *seen)
{
    unsigned ticks = atomic_load(&w->shown_ticks);
    bool has_turned = ticks != *seen || atomic_load(&w->has_ended);

    *seen = ticks;
    if (!has_turned) {
        log_error(NULL, "worker %u is stuck: it serves nobody", w->index);
    }
    return has_turned;
}

bool watchdog_look(struct watchdog *dog, struct galeway *g)
{
    bool all_turn = true;

    for (unsigned i = 0; i < g->n_workers; i++) {
        all_turn &= turns(g->workers[i], &dog->seen[i]);
    }
    return all_turn;
}
