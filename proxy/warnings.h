/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warnings.h - what SHOW WARNINGS would say, kept for a session that has let its connection go.
 *
 * On 10.11 only a statement with tables clears the diagnostics, so a session with warnings is
 * pinned until then. One that stays idle would hold its connection for nothing: after
 * WARNINGS_PIN_MS the answer to SHOW WARNINGS is fetched and kept here, and the connection goes
 * back.
 */
#ifndef PROXY_WARNINGS_H
#define PROXY_WARNINGS_H

#include "proxy/client.h"

#define WARNINGS_PIN_MS    1000
#define SAID_MAX           512   /* bytes of MESSAGE_TEXT */
#define WARNINGS_MAX_BYTES 16384 /* a longer answer is not kept: the session stays pinned */

struct kept_warnings {
    bool is_complete;
    bool is_too_long;
    bool has_other; /* rows that SHOW ERRORS does not show */
    size_t len;
    uint8_t bytes[WARNINGS_MAX_BYTES];
};

/* The last error, when it was made here. */
struct said_error {
    uint16_t number;
    char sqlstate[6]; /* terminated */
    size_t len;
    char text[SAID_MAX];
};

/*
 * warnings_watch - the client is idle and pinned by its warnings only: fetch them when it stays so.
 */
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

/*
 * warnings_said - an ERR packet was made here: SHOW WARNINGS is to tell it as if a node had said
 * it.
 * warnings_raise - append to w a statement that gives s the diagnostics which no connection has.
 * False = there are none, or more than one statement can raise.
 */
void warnings_said(struct client *c, uint16_t number, const char *sqlstate, struct slice text);
bool warnings_raise(struct client *c, struct server *s, struct writer *w);

/* warnings_drop - another statement cleared them, or the session ended. */
void warnings_drop(struct client *c);

#endif
