/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame_client.c - scripted clients: what they send is counted, what they get is looked at.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/auth.h"
#include "protocol/command.h"
#include "protocol/greet.h"
#include "protocol/packet.h"
#include "tests/fuzz/frame/frame.h"

#define MARKS_MAX 60
#define CURSOR_AT 5 /* the flags of COM_STMT_EXECUTE, behind command and id */

static void fail(const struct frame_client *c, const char *what)
{
    (void)fprintf(stderr, "client %s (%u commands, %u answers): %s\n", c->mark, c->n_commands,
                  c->n_answers, what);
    abort();
}

/* --- what it sends ---------------------------------------------------------------------------- */

/* A whole command has been sent: what answers it? */
static void count_command(struct frame_client *c)
{
    uint8_t command = c->n_head > PACKET_HEADER ? c->head[PACKET_HEADER] : 0;
    bool has_cursor = c->n_head == sizeof(c->head) && c->head[PACKET_HEADER + CURSOR_AT] != 0;
    uint8_t kind = FOLLOW_RESULT;

    if (c->head[3] != 0 || command == COM_CHANGE_USER || c->n_kinds == FRAME_COMMANDS) {
        c->is_unchecked = true;
        return;
    }
    switch (command) {
    case COM_STMT_CLOSE:
    case COM_STMT_SEND_LONG_DATA:
    case COM_QUIT: return;
    case COM_STMT_PREPARE: kind = FOLLOW_PREPARE; break;
    case COM_STMT_EXECUTE: kind = has_cursor ? FOLLOW_CURSOR : FOLLOW_RESULT; break;
    case COM_STMT_FETCH: kind = FOLLOW_ROWS; break;
    case COM_FIELD_LIST: kind = FOLLOW_FIELD_LIST; break;
    case COM_STATISTICS:
    case COM_SET_OPTION: kind = FOLLOW_ONE; break;
    default: break;
    }
    c->kinds[(c->first_kind + c->n_kinds++) % FRAME_COMMANDS] = kind;
    c->n_commands++;
}

/* The packets in what is sent, whoever made it. */
static void count_sent(struct frame_client *c, const uint8_t *data, size_t len)
{
    while (len > 0 && !c->is_unchecked) {
        size_t n;

        if (c->n_head < PACKET_HEADER) {
            c->head[c->n_head++] = *data++;
            len--;
            c->left = c->n_head == PACKET_HEADER ? packet_length(c->head) : 1;
        } else {
            n = MIN(len, c->left);
            for (size_t i = 0; i < n && c->n_head < sizeof(c->head); i++) {
                c->head[c->n_head++] = data[i];
            }
            data += n;
            len -= n;
            c->left -= n;
        }
        if (c->n_head >= PACKET_HEADER && c->left == 0) {
            if (c->is_file) { /* until an empty one */
                c->is_file = c->n_head > PACKET_HEADER;
            } else {
                count_command(c);
            }
            c->n_head = 0;
        }
    }
}

void frame_client_send(struct frame *f, struct frame_client *c, const uint8_t *data, size_t len)
{
    ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

    f->n_moved += n > 0 ? (uint64_t)n : 0;
    if (n > 0 && c->is_greeted) {
        count_sent(c, data, (size_t)n);
    }
    if (n >= 0 && (size_t)n < len) { /* the socket is full: the rest is never sent */
        (void)shutdown(c->fd, SHUT_WR);
    }
}

void frame_client_command(struct frame *f, struct frame_client *c, uint8_t command,
                          const void *data, size_t len, size_t cut)
{
    static uint8_t bytes[FRAME_BYTES];

    len = MIN(len, sizeof(bytes) - PACKET_HEADER - 1);
    packet_write_header(bytes, (uint32_t)len + 1, 0);
    bytes[PACKET_HEADER] = command;
    if (len > 0) {
        memcpy(bytes + PACKET_HEADER + 1, data, len);
    }
    frame_client_send(f, c, bytes, MIN(cut, len + PACKET_HEADER + 1));
}

void frame_client_query(struct frame *f, struct frame_client *c, const char *text)
{
    frame_client_command(f, c, COM_QUERY, text, strlen(text), SIZE_MAX);
}

/* --- what it gets ----------------------------------------------------------------------------- */

static void look_for_marks(const struct frame_client *c, const uint8_t *data, size_t len)
{
    const uint8_t *end = data + len;

    while (len > FRAME_MARK_LEN - 1) {
        const uint8_t *at = memmem(data, len, FRAME_MARK, FRAME_MARK_LEN - 2);

        if (at == NULL || at + FRAME_MARK_LEN > end) {
            return;
        }
        if (at[FRAME_MARK_LEN - 1] == FRAME_MARK_END &&
            at[FRAME_MARK_LEN - 2] != (uint8_t)c->mark[FRAME_MARK_LEN - 2]) {
            fail(c, "it got bytes of another client");
        }
        data = at + 1;
        len = (size_t)(end - data);
    }
}

/* The node wants a file: some bytes of one, and its end. */
static void send_file(struct frame *f, struct frame_client *c)
{
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof(bytes));
    uint8_t sequence = c->follow.next_sequence;
    size_t at = packet_begin(&w);

    c->is_file = true;
    if (c->keeps_file != 0) {
        c->keeps_file--;
        return;
    }
    put_bytes(&w, c->mark, FRAME_MARK_LEN);
    packet_end(&w, at, sequence++);
    at = packet_begin(&w);
    packet_end(&w, at, sequence);
    frame_client_send(f, c, bytes, w.len);
}

/* A packet was handed out. Returns false when nothing more can be said of what follows. */
static bool step_over(struct frame *f, struct frame_client *c, enum follow_event event,
                      const uint8_t *packet)
{
    if (event == FOLLOW_OK_TRACK && !c->tracks) {
        fail(c, "it sees session changes that it did not ask for");
    } else if (event == FOLLOW_PREPARED) {
        c->last_stmt = peek_u32(packet + PACKET_HEADER + 1);
    } else if (event == FOLLOW_INFILE) {
        send_file(f, c);
    }
    return c->fd >= 0;
}

static void answered(struct frame_client *c)
{
    c->is_in_reply = false;
    c->first_kind = (c->first_kind + 1) % FRAME_COMMANDS;
    c->n_kinds--;
    if (++c->n_answers > c->n_commands) {
        fail(c, "more answers than commands");
    }
}

/* Nothing is owed: an error may be said, once, before the end. */
static size_t take_last_word(struct frame_client *c, const uint8_t *data, size_t len)
{
    size_t whole = len < PACKET_HEADER ? SIZE_MAX : PACKET_HEADER + packet_length(data);

    if (len <= PACKET_HEADER || whole > len) {
        return 0;
    }
    if (data[PACKET_HEADER] != 0xff || c->said_last) {
        fail(c, "an answer that nobody asked for");
    }
    c->said_last = true;
    return whole;
}

/* The replies in what has come; how many bytes are dealt with. */
static size_t take_replies(struct frame *f, struct frame_client *c, uint8_t *data, size_t len)
{
    size_t at = 0;

    while (at < len && !c->is_unchecked) {
        size_t used = 0, packet = 0;
        enum follow_event event;

        if (c->n_kinds == 0) {
            used = take_last_word(c, data + at, len - at);
            if (used == 0) {
                break;
            }
            at += used;
            continue;
        }
        if (!c->is_in_reply) {
            follow_begin(&c->follow, c->kinds[c->first_kind], false);
            follow_any_sequence(&c->follow); /* its command may have been a long one */
            c->is_in_reply = true;
        }
        event = follow_feed(&c->follow, data + at, len - at, &used, &packet);
        at += used;
        if (event == FOLLOW_OK_TRACK || event == FOLLOW_PREPARED || event == FOLLOW_INFILE) {
            if (!step_over(f, c, event, data + at)) {
                return len;
            }
            at += packet;
            event = follow_skip_packet(&c->follow);
        }
        if (event == FOLLOW_DONE) {
            answered(c);
        } else if (event == FOLLOW_MALFORMED) {
            c->is_unchecked = true;
        } else if (used == 0 && packet == 0) {
            break;
        }
    }
    return c->is_unchecked ? len : at;
}

bool frame_client_pump(struct frame *f, struct frame_client *c)
{
    ssize_t n;
    size_t used;

    if (!c->reads || c->has_ended) {
        return false;
    }
    n = recv(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in, MSG_DONTWAIT);
    if (n <= 0) {
        c->has_ended = n == 0 || errno != EAGAIN;
        return c->has_ended;
    }
    f->n_moved += (uint64_t)n;
    c->n_in += (size_t)n;
    if (!c->is_greeted) {
        return true; /* frame_client_open() looks at it; of others nothing is known */
    }
    look_for_marks(c, c->in, c->n_in);
    used = take_replies(f, c, c->in, c->n_in);
    if (used == 0 && c->n_in == sizeof(c->in)) {
        used = c->n_in - FRAME_MARK_LEN; /* one huge packet */
        c->is_unchecked = true;
    }
    if (c->fd >= 0) {
        /* The end of it again: a mark may be cut. Replies are followed from where they were. */
        memmove(c->in, c->in + used, c->n_in - used);
        c->n_in -= used;
    }
    return true;
}

/* --- coming and going ------------------------------------------------------------------------- */

static int connect_unix(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    if (connect(fd, (const struct sockaddr *)(const void *)&to, sizeof(to)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* It leaves by a reset, so that no port is kept. */
static int connect_tcp(void)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    struct sockaddr_in to;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    frame_tcp_address(&to);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    if (connect(fd, (const struct sockaddr *)(const void *)&to, sizeof(to)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

struct frame_client *frame_client_take(struct frame *f, int fd)
{
    struct frame_client *c = NULL;

    for (unsigned i = 0; i < FRAME_CLIENTS && c == NULL; i++) {
        c = f->clients[i].fd < 0 ? &f->clients[i] : NULL;
    }
    if (fd < 0 || c == NULL || f->n_marks >= MARKS_MAX) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return NULL;
    }
    memset(c, 0, offsetof(struct frame_client, in));
    c->n_in = 0;
    c->reads = true;
    (void)snprintf(c->mark, sizeof(c->mark), "%s%c%c", FRAME_MARK, 'A' + (char)f->n_marks++,
                   FRAME_MARK_END);
    c->fd = fd;
    return c;
}

struct frame_client *frame_client_connect(struct frame *f, bool by_tcp)
{
    return frame_client_take(f, by_tcp ? connect_tcp() : connect_unix(f->client_path));
}

void frame_client_login(struct frame *f, struct frame_client *c, const char *user,
                        const char *password, const char *schema, uint32_t caps)
{
    struct login login = {.caps = CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH | caps,
                          .max_packet = 1u << 24,
                          .charset = 45,
                          .user = slice_of(user),
                          .schema = slice_of(schema),
                          .plugin = SLICE(PLUGIN_NATIVE)};
    uint8_t bytes[512], response[SHA1_LEN];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct secret secret;
    struct greeting g;

    frame_run(f);
    login.caps |= schema[0] != '\0' ? CAP_CONNECT_WITH_DB : 0;
    if (c->n_in > PACKET_HEADER &&
        greeting_decode(&g, c->in + PACKET_HEADER, c->n_in - PACKET_HEADER) == 0) {
        CHECK(secret_parse(&secret, slice_of(password)) == 0);
        if (password[0] != '\0') {
            native_response(response, secret.stage1, g.salt);
            login.response = (struct slice){(const char *)response, sizeof(response)};
        }
        login_encode(&w, &login, 1);
        frame_client_send(f, c, bytes, w.len);
    }
    c->n_in = 0;
    c->is_greeted = true;
    c->tracks = (caps & CAP_SESSION_TRACK) != 0;
    /* The answer to the login is an answer, too. */
    c->kinds[0] = FOLLOW_ONE;
    c->n_kinds = c->n_commands = 1;
    frame_run(f);
}

struct frame_client *frame_client_open(struct frame *f, const char *user, const char *schema,
                                       uint32_t caps)
{
    struct frame_client *c = frame_client_connect(f, false);

    if (c != NULL) {
        frame_client_login(f, c, user, strcmp(user, "u2") == 0 ? "pass" : "", schema, caps);
    }
    return c;
}

void frame_client_close(struct frame *f, struct frame_client *c)
{
    f->n_moved++;
    (void)close(c->fd);
    c->fd = -1;
}
