/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause.c - see pause.h.
 *
 * Worker 0 binds a port alone, the others join it (listener.c): so all must have closed before it
 * opens again, and it goes first. Each worker says what it has done in galeway.pause.
 */
#include "proxy/pause.h"

#include <errno.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"

/* Until `done` workers of this turn have answered; false = not in time. */
static bool wait_for(struct galeway *g, unsigned done)
{
    struct timespec until;
    int rc = 0;
    bool good;

    CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_sec += PAUSE_WAIT_MS / 1000;
    CHECK(pthread_mutex_lock(&g->pause.lock) == 0);
    while (g->pause.n_done < done && rc == 0) {
        rc = pthread_cond_timedwait(&g->pause.changed, &g->pause.lock, &until);
    }
    good = g->pause.n_done >= done;
    CHECK(pthread_mutex_unlock(&g->pause.lock) == 0);
    return good;
}

static void begin(struct galeway *g)
{
    CHECK(pthread_mutex_lock(&g->pause.lock) == 0);
    g->pause.n_done = 0;
    g->pause.rc = 0;
    CHECK(pthread_mutex_unlock(&g->pause.lock) == 0);
}

static void say_done(struct galeway *g, int rc)
{
    CHECK(pthread_mutex_lock(&g->pause.lock) == 0);
    g->pause.n_done++;
    g->pause.rc = g->pause.rc != 0 ? g->pause.rc : rc;
    CHECK(pthread_cond_broadcast(&g->pause.changed) == 0);
    CHECK(pthread_mutex_unlock(&g->pause.lock) == 0);
}

static int close_all(struct galeway *g)
{
    atomic_store(&g->is_paused, true);
    begin(g);
    for (unsigned i = 0; i < g->n_workers; i++) {
        worker_post(g->workers[i], mail_new(MAIL_PAUSE));
    }
    return wait_for(g, g->n_workers) ? 0 : ERR_INTERRUPTED;
}

int pause_listeners(struct galeway *g)
{
    log_info(NULL, "paused: no new clients");
    return close_all(g);
}

int resume_listeners(struct galeway *g)
{
    int rc = close_all(g); /* nobody may have a port open when worker 0 takes it */

    begin(g);
    atomic_store(&g->is_paused, false);
    for (unsigned i = 0; i < g->n_workers && rc == 0; i++) {
        worker_post(g->workers[i], mail_new(MAIL_RESUME));
        rc = wait_for(g, i + 1) ? g->pause.rc : ERR_INTERRUPTED;
    }
    if (rc != 0) {
        (void)!close_all(g);
    } else {
        log_info(NULL, "resumed: clients are taken again");
    }
    return rc;
}

void pause_worker(struct worker *w)
{
    listeners_close(w);
    say_done(w->galeway, 0);
}

void resume_worker(struct worker *w)
{
    bool takes_clients = w->index < atomic_load(&w->galeway->n_listening) && !w->is_draining;

    say_done(w->galeway, takes_clients ? listeners_open(w) : 0);
}
