/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/loadgen/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES    (1u << 20) /* no packet of these loads is longer */
#define COMMAND_BYTES   4096u
#define EVENTS_PER_TURN 256

int loop_init(struct loop *loop, uint16_t port)
{
    *loop = (struct loop){
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC), .port = port, .address = htonl(INADDR_LOOPBACK)};
    if (loop->epoll_fd < 0) {
        return -errno;
    }
    loop->buffer = malloc(BUFFER_BYTES);
    if (loop->buffer == NULL) {
        (void)close(loop->epoll_fd);
        return -ENOMEM;
    }
    return 0;
}

void loop_fini(struct loop *loop)
{
    free(loop->buffer);
    loop->buffer = NULL;
    (void)close(loop->epoll_fd);
    loop->epoll_fd = -1;
}

void loop_turn(struct loop *loop, int wait_ms)
{
    struct epoll_event events[EVENTS_PER_TURN];
    const int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, wait_ms);

    for (int i = 0; i < n; i++) {
        client_read(events[i].data.ptr, BUFFER_BYTES);
    }
}

void client_close(struct client *client)
{
    if (client->state == CLIENT_CLOSED) {
        return;
    }
    (void)close(client->fd);
    free(client->partial);
    client->partial = NULL;
    client->partial_len = 0;
    client->state = CLIENT_CLOSED;
    client->loop->n_open--;
}

static void fail(struct client *client, const char *why)
{
    client_close(client);
    client->events->on_fail(client, why);
}

int client_open(struct client *client, struct loop *loop, const struct client_events *events,
                const struct wire_account *account)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(loop->port), .sin_addr = {loop->address}};
    struct epoll_event interest = {.events = EPOLLIN, .data = {.ptr = client}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    int error;

    if (fd < 0) {
        return -errno;
    }
    /* The server speaks first, so the end of connect() shows as something to read. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        (connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS) ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &interest) != 0) {
        error = -errno;
        (void)close(fd);
        return error;
    }
    *client = (struct client){
        .state = CLIENT_GREETING, .fd = fd, .loop = loop, .events = events, .account = *account};
    loop->n_open++;
    return 0;
}

/* send_packet - the payload stands behind WIRE_HEADER bytes that are free. */
static int send_packet(struct client *client, uint8_t *packet, size_t len, uint8_t sequence)
{
    ssize_t sent;

    wire_put_header(packet, len, sequence);
    sent = send(client->fd, packet, WIRE_HEADER + len, MSG_NOSIGNAL);
    if (sent < 0) {
        return -errno;
    }
    client->sequence = (uint8_t)(sequence + 1);
    /* The peer has answered everything before, so there is room for so little. */
    return (size_t)sent == WIRE_HEADER + len ? 0 : -ENOBUFS;
}

int client_command(struct client *client, enum wire_command command, const char *text, size_t len)
{
    uint8_t packet[WIRE_HEADER + 1 + COMMAND_BYTES];
    int rc;

    if (client->state != CLIENT_IDLE || len > COMMAND_BYTES) {
        rc = -EINVAL;
    } else {
        packet[WIRE_HEADER] = (uint8_t)command;
        memcpy(packet + WIRE_HEADER + 1, text, len);
        rc = send_packet(client, packet, 1 + len, 0);
    }
    if (rc < 0) {
        client_close(client);
        return rc;
    }
    client->state = CLIENT_REPLY;
    client->reply = (struct wire_reply){.is_prepare = command == WIRE_COM_STMT_PREPARE};
    return 0;
}

void client_quit(struct client *client)
{
    uint8_t packet[WIRE_HEADER + 1];

    packet[WIRE_HEADER] = WIRE_COM_QUIT;
    if (client->state == CLIENT_IDLE) {
        (void)send_packet(client, packet, 1, 0);
    }
    client_close(client);
}

static void on_greeting(struct client *client, const uint8_t *packet, size_t len)
{
    uint8_t login[WIRE_HEADER + 512];
    struct wire_greeting greeting;
    size_t login_len;

    if (!wire_read_greeting(packet, len, &greeting)) {
        wire_read_error(packet, len, &client->reply);
        fail(client, client->reply.message[0] != '\0' ? client->reply.message : "no greeting");
        return;
    }
    login_len = wire_build_login(login + WIRE_HEADER, sizeof(login) - WIRE_HEADER, &greeting,
                                 &client->account);
    client->state = CLIENT_LOGIN;
    if (login_len == 0 || send_packet(client, login, login_len, client->sequence) < 0) {
        fail(client, "cannot send the login");
    }
}

static void on_login_answer(struct client *client, const uint8_t *packet, size_t len)
{
    uint8_t salt[WIRE_SALT];
    uint8_t proof[WIRE_HEADER + 64];
    size_t proof_len;

    if (len > 0 && packet[0] == 0x00) {
        client->state = CLIENT_IDLE;
        client->events->on_login(client);
        return;
    }
    if (wire_read_switch(packet, len, salt)) {
        proof_len = wire_scramble(proof + WIRE_HEADER, salt, client->account.password);
        if (send_packet(client, proof, proof_len, client->sequence) < 0) {
            fail(client, "cannot send the password");
        }
        return;
    }
    if (len > 0 && packet[0] == 0xff) {
        wire_read_error(packet, len, &client->reply);
        fail(client, client->reply.message);
        return;
    }
    fail(client, "an answer to the login that is not understood");
}

/* on_packet - returns true if the bytes behind this packet are still this answer's. */
static bool on_packet(struct client *client, const uint8_t *packet, size_t len, bool is_last)
{
    struct wire_reply reply;

    if (client->state != CLIENT_REPLY && !is_last) {
        fail(client, "more bytes than the login needs");
        return false;
    }
    switch (client->state) {
    case CLIENT_CLOSED: return false;
    case CLIENT_GREETING: on_greeting(client, packet, len); return false;
    case CLIENT_LOGIN: on_login_answer(client, packet, len); return false;
    case CLIENT_IDLE:
        wire_read_error(packet, len, &client->reply);
        fail(client, client->reply.message[0] != '\0' ? client->reply.message : "unasked bytes");
        return false;
    case CLIENT_REPLY: break;
    }
    switch (wire_feed(&client->reply, packet, len)) {
    case WIRE_MORE: return true;
    case WIRE_ROW: client->events->on_row(client, packet, len); return true;
    case WIRE_BAD: fail(client, "a malformed answer"); return false;
    case WIRE_END: break;
    }
    if (!is_last) {
        fail(client, "bytes behind the end of an answer");
        return false;
    }
    client->state = CLIENT_IDLE;
    reply = client->reply; /* the next command overwrites it */
    client->events->on_reply(client, &reply);
    return false;
}

/* keep_partial - set aside the bytes of a packet that goes on in the next read. */
static void keep_partial(struct client *client, const uint8_t *at, size_t len)
{
    if (len == 0) {
        return;
    }
    client->partial = malloc(len);
    if (client->partial == NULL) {
        fail(client, "out of memory");
        return;
    }
    memcpy(client->partial, at, len);
    client->partial_len = len;
}

void client_read(struct client *client, size_t max_bytes)
{
    const uint8_t *at = client->loop->buffer;
    size_t left = client->partial_len;
    ssize_t got;

    if (client->state == CLIENT_CLOSED) {
        return;
    }
    if (left > 0) {
        memcpy(client->loop->buffer, client->partial, left);
        free(client->partial);
        client->partial = NULL;
        client->partial_len = 0;
    }
    max_bytes = max_bytes < BUFFER_BYTES - left ? max_bytes : BUFFER_BYTES - left;
    got = recv(client->fd, client->loop->buffer + left, max_bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        keep_partial(client, at, left);
        return;
    }
    if (got <= 0) {
        fail(client, got == 0 ? "closed by the peer" : strerror(errno));
        return;
    }
    client->loop->n_bytes += (uint64_t)got;
    left += (size_t)got;
    while (left >= WIRE_HEADER && wire_length(at) <= left - WIRE_HEADER) {
        const size_t len = wire_length(at);

        if (at[3] != client->sequence) {
            fail(client, "a packet out of sequence");
            return;
        }
        client->sequence++;
        left -= WIRE_HEADER + len;
        if (!on_packet(client, at + WIRE_HEADER, len, left == 0)) {
            return;
        }
        at += WIRE_HEADER + len;
    }
    if (left >= WIRE_HEADER && wire_length(at) > BUFFER_BYTES - WIRE_HEADER) {
        fail(client, "a packet longer than any of this load");
        return;
    }
    keep_partial(client, at, left);
}
