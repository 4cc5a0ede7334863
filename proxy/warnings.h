/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warnings.h - what SHOW WARNINGS would say, kept for a session that has let its connection go.
 *
 * On 10.11 only a statement with tables clears the diagnostics, so a session with warnings is pinned until then. One that
 * stays idle would hold its connection for nothing: after WARNINGS_PIN_MS the answer to SHOW WARNINGS is fetched and
 * kept here, and the connection goes back.
 */
#ifndef PROXY_WARNINGS_H
#define PROXY_WARNINGS_H

#include "proxy/client.h"

#define WARNINGS_PIN_MS    1000
#define WARNINGS_MAX_BYTES 16384 /* a longer answer is not kept: the session stays pinned */

struct kept_warnings {
    bool is_complete;
    bool is_too_long;
    bool has_other; /* rows that SHOW ERRORS does not show */
    size_t len;
    uint8_t bytes[WARNINGS_MAX_BYTES];
};

/* warnings_watch - the client is idle and pinned by its warnings only: fetch them when it stays so. */
void warnings_watch(struct client *c);

/* warnings_fetch - the client is to have no task: fetch them now, on the connection it has. */
void warnings_fetch(struct client *c);

/* warnings_tick - fetch for those that stayed idle. Called a few times a second. */
void warnings_tick(struct worker *w);

/* warnings_fetched - bytes of the answer; its end. */
void warnings_add(struct client *c, const uv_buf_t *bufs, unsigned n);
void warnings_fetched(struct client *c, bool failed);

/* warnings_answer - SHOW WARNINGS or SHOW ERRORS from what was kept. False = a node must answer. */
bool warnings_answer(struct client *c, const struct facts *f);

/* warnings_drop - another statement cleared them, or the session ended. */
void warnings_drop(struct client *c);

#endif
