/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause.h - close the ports for new clients and open them again; those connected go on.
 *
 * Control thread; both wait until the workers have done it.
 */
#ifndef PROXY_PAUSE_H
#define PROXY_PAUSE_H

#include "proxy/worker.h"

#define PAUSE_WAIT_MS 5000 /* for the workers */

/*
 * pause_listeners - 0, or ERR_INTERRUPTED when a worker has not closed its ports in time (it will).
 */
int pause_listeners(struct galeway *g) MUST_CHECK;

/* resume_listeners - 0, or why a port cannot be opened: then none is. */
int resume_listeners(struct galeway *g) MUST_CHECK;

/* pause_worker, resume_worker - what a worker does when it is told. Its own thread. */
void pause_worker(struct worker *w);
void resume_worker(struct worker *w);

#endif
