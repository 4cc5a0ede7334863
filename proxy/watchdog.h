/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watchdog.h - are the workers alive? Each counts its ticks; one whose count stands still is stuck
 * in a turn of its loop, and no client of it is served.
 *
 * The console is no part of it: a statement of a DBA may take long, and hinders no client.
 */
#ifndef PROXY_WATCHDOG_H
#define PROXY_WATCHDOG_H

#include "proxy/galeway.h"

struct watchdog {
    unsigned seen[WORKERS_MAX]; /* ticks, at the last look */
};

/*
 * watchdog_look - has each worker that has not ended turned since the last look, which was more
 * than a few ticks ago? One that has not is logged. One thread, from when the workers are started.
 */
bool watchdog_look(struct watchdog *dog, struct galeway *g) MUST_CHECK;

#endif
