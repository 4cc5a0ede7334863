/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client - one connection of the load, and the loop that drives thousands of them.
 *
 *   closed -> greeting -> login -> idle <-> reply
 *      ^__________|__________|_______|_______|
 *
 * One command is under way at a time. Every packet's sequence number is checked, and not one byte
 * may follow the end of an answer.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "tests/bench/loadgen/wire.h"

enum client_state {
    CLIENT_CLOSED,
    CLIENT_GREETING,
    CLIENT_LOGIN,
    CLIENT_IDLE,
    CLIENT_REPLY,
};

struct client;

/* Each is called as the last act of handling what came in; it may send, close or open again. */
struct client_events {
    void (*on_login)(struct client *client);
    void (*on_reply)(struct client *client, const struct wire_reply *reply);
    void (*on_fail)(struct client *client, const char *why); /* it is closed already */
    /* The exception: may not send or close. */
    void (*on_row)(struct client *client, const uint8_t *packet, size_t len);
};

struct loop {
    int epoll_fd;
    uint16_t port;
    uint32_t address; /* in network order; loop_init() sets 127.0.0.1 */
    uint8_t *buffer;  /* what is being read now, of whichever client */
    uint64_t n_bytes; /* read so far */
    unsigned n_open;  /* clients not closed */
};

struct client {
    /* state */
    enum client_state state;
    int fd;
    uint8_t sequence; /* the next packet must carry it */
    struct wire_reply reply;
    /* borrowed */
    struct loop *loop;
    const struct client_events *events;
    struct wire_account account;
    /* owned: the beginning of a packet that has not come in completely */
    uint8_t *partial;
    size_t partial_len;
};

/* loop_init - 0 or a negative errno. */
int loop_init(struct loop *loop, uint16_t port);

void loop_fini(struct loop *loop);

/* loop_turn - wait at most wait_ms for something to happen and handle all of it. */
void loop_turn(struct loop *loop, int wait_ms);

/*
 * client_open - connect and log in; then comes on_login, or on_fail.
 *
 * The client is closed (or zeroed) before. The texts of the account stay where they are until
 * on_login. Returns 0 or a negative errno; on an error no event comes.
 */
int client_open(struct client *client, struct loop *loop, const struct client_events *events,
                const struct wire_account *account);

/*
 * client_command - send one command; then comes on_reply, or on_fail.
 *
 * Returns 0 or a negative errno; on an error no event comes and the client is closed.
 */
int client_command(struct client *client, enum wire_command command, const char *text, size_t len);

/* client_read - handle at most max_bytes of what has come in. For on_fail and pacing see above. */
void client_read(struct client *client, size_t max_bytes);

/* client_quit - COM_QUIT and close at once, as PHP does. */
void client_quit(struct client *client);

void client_close(struct client *client);

#endif
