/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_link.h - a connection of the follower to a node, by the client library: questions, and
 * a replication stream. For a thread of its own: it blocks, but no longer than it is told, and not
 * when it is interrupted.
 */
#ifndef POOL_FOLLOWER_LINK_H
#define POOL_FOLLOWER_LINK_H

#include "base/base.h"
#include "pool/node.h"

#define FOLLOW_ERROR_MAX 200
#define FOLLOW_EVENT_MAX (64u << 20) /* bytes of an event */

struct follow_link;

struct follow_target {
    const struct node *node;
    const char *user;
    const char *password;
    unsigned connect_ms;
    unsigned answer_ms;
    int wake_fd; /* readable = interrupted; -1 = never */
};

/* What went wrong last. */
struct follow_error {
    unsigned number; /* of the library or the node; 0 = a text of ours */
    char text[FOLLOW_ERROR_MAX];
};

/*
 * follow_link_open - connect and log in. NULL and why not; ERR_INTERRUPTED's text when wake_fd
 * became readable.
 */
struct follow_link *follow_link_open(const struct follow_target *target,
                                     struct follow_error *error) MUST_CHECK;

/* follow_link_close - NULL is fine. */
void follow_link_close(struct follow_link *link);

/*
 * follow_link_ask - one statement; on_row for each row: n columns, terminated or NULL, borrowed.
 * on_row may be NULL. Not interrupted: takes answer_ms at most. false = see error; the connection
 * is of no more use, unless the node refused the statement.
 */
bool follow_link_ask(struct follow_link *link, const char *sql,
                     void (*on_row)(void *arg, char *const *columns, unsigned n), void *arg,
                     struct follow_error *error) MUST_CHECK;

/*
 * follow_link_stream - from now on the connection gives the node's log, from the position that
 * @slave_connect_state has, or when that is NULL from an offset of a file. server_id: unlike that
 * of any other that follows the node. file: "" and 4 with @slave_connect_state.
 */
bool follow_link_stream(struct follow_link *link, uint32_t server_id, const char *file,
                        uint64_t offset, struct follow_error *error) MUST_CHECK;

enum follow_read {
    FOLLOW_EVENT,
    FOLLOW_SILENCE, /* nothing came in wait_ms, or it was interrupted */
    FOLLOW_LOST     /* see error */
};

/* follow_link_read - the next event; valid until the next call. */
enum follow_read follow_link_read(struct follow_link *link, unsigned wait_ms, struct slice *event,
                                  struct follow_error *error);

/* follow_error_is_denied - the account may not log in, or lacks a right. */
bool follow_error_is_denied(const struct follow_error *error);

#endif
