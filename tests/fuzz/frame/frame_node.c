/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame_node.c - scripted nodes: they answer as a node does, or as the script has planned.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/caps.h"
#include "protocol/command.h"
#include "protocol/greet.h"
#include "protocol/packet.h"
#include "tests/fuzz/frame/frame.h"

static const uint8_t salt[SALT_LEN] = "abcdefghijklmnopqrst";

/* --- up and down ------------------------------------------------------------------------------ */

void frame_node_listen(struct frame_node *n)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    if (n->listener >= 0) {
        return;
    }
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", n->path);
    (void)unlink(n->path);
    n->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(n->listener >= 0);
    CHECK(bind(n->listener, (const struct sockaddr *)(const void *)&at, sizeof(at)) == 0);
    CHECK(listen(n->listener, 64) == 0);
}

void frame_node_down(struct frame *f, unsigned node)
{
    struct frame_node *n = &f->nodes[node];

    if (n->listener >= 0) {
        (void)close(n->listener);
        n->listener = -1;
    }
    for (unsigned i = 0; i < FRAME_LINKS; i++) {
        if (f->links[i].fd >= 0 && f->links[i].node == node) {
            frame_link_close(f, &f->links[i]);
        }
    }
}

void frame_link_close(struct frame *f, struct frame_link *link)
{
    f->n_moved++;
    (void)close(link->fd);
    link->fd = -1;
}

void frame_link_send(struct frame *f, struct frame_link *link, const uint8_t *data, size_t len)
{
    ssize_t n = send(link->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

    f->n_moved += n > 0 ? (uint64_t)n : 0;
    if (n >= 0 && (size_t)n < len) { /* the socket is full: it ends within its answer */
        (void)shutdown(link->fd, SHUT_WR);
    }
}

/*
 * What a node begins with: 0 a greeting, 1 one that asks by caching_sha2_password, 2 an error, 3 an
 * old protocol, 4 bytes of no greeting, 5 one that is cut, 6 nothing, 7 one and more.
 */
static void greet(struct frame *f, struct frame_link *link)
{
    uint8_t bytes[512];
    struct writer w = writer_of(bytes, sizeof(bytes));
    unsigned how = f->nodes[link->node].greeting;
    struct greeting g = {.version = SLICE("5.5.5-10.11.6-MariaDB"),
                         .thread_id = 1 + (uint32_t)(link - f->links),
                         .caps = CAPS_SERVED | CAP_LOCAL_FILES | CAP_SESSION_TRACK,
                         .status = STATUS_AUTOCOMMIT,
                         .charset = 45,
                         .plugin = how == 1 ? SLICE(PLUGIN_SHA2) : SLICE(PLUGIN_NATIVE)};

    memcpy(g.salt, salt, SALT_LEN);
    if (how == 2) {
        static const uint8_t blocked[] = "\x0c\0\0\0\xff\x69\x04 blocked";

        put_bytes(&w, blocked, sizeof(blocked) - 1);
    } else {
        greeting_encode(&w, &g, 0);
        bytes[PACKET_HEADER] = how == 3 ? 9 : bytes[PACKET_HEADER];
    }
    if (how == 4) {
        memset(bytes + PACKET_HEADER + 1, 'x', w.len - PACKET_HEADER - 1);
    } else if (how == 7) {
        put_bytes(&w, "\x07\0\0\2\0\0\0\2\0\0\0", 11);
    }
    if (how != 6) {
        frame_link_send(f, link, bytes, how == 5 ? w.len / 2 : w.len);
    }
}

bool frame_node_pump(struct frame *f, unsigned node)
{
    struct frame_node *n = &f->nodes[node];
    struct frame_link *link = NULL;
    int fd;

    fd = n->listener < 0 || n->is_silent
             ? -1
             : accept4(n->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    for (unsigned i = 0; i < FRAME_LINKS && link == NULL; i++) {
        link = f->links[i].fd < 0 ? &f->links[i] : NULL;
    }
    if (link == NULL) {
        (void)close(fd);
        return true;
    }
    link->fd = fd;
    link->node = node;
    link->phase = LINK_GREETED;
    link->status = STATUS_AUTOCOMMIT;
    link->n_in = link->skips = 0;
    link->takes_file = false;
    link->n_commands = 0;
    link->n_stmts = 0;
    memset(link->stmt_marks, 0, sizeof(link->stmt_marks));
    greet(f, link);
    return true;
}

/* --- commands --------------------------------------------------------------------------------- */

static void copy_mark(char *out, const uint8_t *data, size_t len)
{
    const uint8_t *at = memmem(data, len, FRAME_MARK, FRAME_MARK_LEN - 2);

    out[0] = '\0';
    if (at != NULL && at + FRAME_MARK_LEN <= data + len &&
        at[FRAME_MARK_LEN - 1] == FRAME_MARK_END) {
        memcpy(out, at, FRAME_MARK_LEN);
        out[FRAME_MARK_LEN] = '\0';
    }
}

void frame_plan(struct frame *f, unsigned node, const struct answer *answer)
{
    struct frame_node *n = &f->nodes[node];

    if (n->n_plans < FRAME_PLANS) {
        n->plans[(n->first_plan + n->n_plans++) % FRAME_PLANS] = *answer;
    }
}

/* The answer to one command: as planned, or the usual one. */
static struct answer next_plan(struct frame *f, const struct frame_link *link,
                               const struct link_command *c)
{
    struct frame_node *n = &f->nodes[link->node];
    struct answer usual = {.kind = ANSWER_USUAL};

    if (n->n_plans == 0 ||
        (c->mark[0] == '\0' && (n->plans[n->first_plan].flags & ANSWER_FOR_ANY) == 0)) {
        return usual;
    }
    n->n_plans--;
    n->first_plan = (n->first_plan + 1) % FRAME_PLANS;
    return n->plans[(n->first_plan + FRAME_PLANS - 1) % FRAME_PLANS];
}

static bool has_no_answer(uint8_t command)
{
    return command == COM_STMT_CLOSE || command == COM_STMT_SEND_LONG_DATA || command == COM_QUIT;
}

static void answer_one(struct frame *f, struct frame_link *link, struct link_command *c)
{
    static uint8_t bytes[FRAME_BYTES];
    struct answer a;

    do {
        size_t n;

        a = next_plan(f, link, c);
        n = frame_answer_make(link, &a, c, bytes, sizeof(bytes));
        if ((a.flags & ANSWER_IN_PIECES) != 0 && n > 1) {
            size_t half = a.raw[0] % n;

            frame_link_send(f, link, bytes, half);
            (void)uv_run(&f->w->loop, UV_RUN_NOWAIT);
            if (link->fd >= 0) {
                frame_link_send(f, link, bytes + half, n - half);
            }
        } else {
            frame_link_send(f, link, bytes, n);
        }
    } while (a.kind == ANSWER_MORE && link->fd >= 0);
    if ((a.flags & ANSWER_THEN_MORE) != 0 && link->fd >= 0) {
        frame_link_send(f, link, a.raw, a.n_raw);
    }
    if ((a.flags & ANSWER_THEN_CLOSE) != 0 && link->fd >= 0) {
        frame_link_close(f, link);
    }
}

static void command_of(struct frame_link *link, struct link_command *c, const uint8_t *packet,
                       size_t len)
{
    const uint8_t *payload = packet + PACKET_HEADER;
    size_t n = MIN(len - 1, sizeof(c->text) - 1);

    *c = (struct link_command){.command = payload[0], .sequence = 1};
    copy_mark(c->mark, payload, len);
    for (size_t i = 0; i < n; i++) {
        c->text[i] = payload[1 + i] == '\0' ? ' ' : (char)payload[1 + i];
    }
    if (c->command == COM_STMT_PREPARE) {
        for (size_t i = 1; i < len; i++) {
            c->n_params += payload[i] == '?' ? 1 : 0;
        }
        c->stmt = ++link->n_stmts;
        memcpy(link->stmt_marks[c->stmt % FRAME_STMTS], c->mark, sizeof(c->mark));
    } else if (c->command == COM_STMT_EXECUTE && len >= 5) {
        c->stmt = peek_u32(payload + 1);
        memcpy(c->mark, link->stmt_marks[c->stmt % FRAME_STMTS], sizeof(c->mark));
    }
}

/* A packet of the login, or of a change of user. */
static bool dialog(struct frame *f, struct frame_link *link, const uint8_t *packet)
{
    struct link_command c = {.sequence = (uint8_t)(packet_sequence(packet) + 1)};

    if (link->phase == LINK_READY) {
        return false;
    }
    link->phase = LINK_READY;
    answer_one(f, link, &c);
    return true;
}

static void packet_came(struct frame *f, struct frame_link *link, const uint8_t *packet, size_t len)
{
    struct link_command c;

    if (dialog(f, link, packet)) {
        return;
    }
    if (link->takes_file) {
        if (len == 0) {
            link->takes_file = false;
            c = (struct link_command){.sequence = (uint8_t)(packet_sequence(packet) + 1)};
            answer_one(f, link, &c);
        }
        return;
    }
    if (len == 0) {
        return;
    }
    command_of(link, &c, packet, len);
    if (c.command == COM_QUIT) {
        frame_link_close(f, link);
    } else if (!has_no_answer(c.command)) {
        answer_one(f, link, &c);
    }
}

static void take_packets(struct frame *f, struct frame_link *link)
{
    size_t at = 0;

    while (link->fd >= 0 && link->n_in - at >= PACKET_HEADER) {
        size_t len = packet_length(link->in + at);

        if (PACKET_HEADER + len > sizeof(link->in)) {
            link->skips = PACKET_HEADER + len - (link->n_in - at);
            link->n_in = at = 0;
            break;
        }
        if (link->n_in - at < PACKET_HEADER + len) {
            break;
        }
        packet_came(f, link, link->in + at, len);
        at += PACKET_HEADER + len;
    }
    memmove(link->in, link->in + at, link->n_in - at);
    link->n_in -= at;
}

bool frame_link_pump(struct frame *f, struct frame_link *link)
{
    ssize_t n;

    if (f->nodes[link->node].is_silent) {
        return false;
    }
    n = recv(link->fd, link->in + link->n_in, sizeof(link->in) - link->n_in, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) {
        return false;
    }
    if (n <= 0) {
        frame_link_close(f, link);
        return true;
    }
    f->n_moved += (uint64_t)n;
    if (link->skips > 0) { /* of a packet that is too long */
        size_t skipped = MIN(link->skips, (size_t)n);

        link->skips -= skipped;
        n -= (ssize_t)skipped;
        memmove(link->in, link->in + skipped, (size_t)n);
    }
    link->n_in += (size_t)n;
    take_packets(f, link);
    return true;
}
