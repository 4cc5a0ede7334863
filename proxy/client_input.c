/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_input.c - what a client sends: packets taken one after the other, and what is kept until
 * their turn comes.
 */
#include "base/err.h"
#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client.h"
#include "proxy/client_peer.h"
#include "proxy/worker.h"

#define IN_FIRST         512          /* bytes of the first buffer for an incomplete packet */
#define COMMANDS_A_TURN  256          /* of one client; then others have their turn */
#define AHEAD_MAX        (256 * 1024) /* bytes a client may send ahead of a reply before reading stops */
#define LOGIN_PACKET_MAX (65536 + 2048) /* its attributes alone may be 65535 */
#define EXECUTE_HEAD_MAX (144 * 1024)   /* 65535 parameters: a bit and a type of two bytes each */

static size_t packet_limit(const struct client *c)
{
    return client_is_logging_in(c) || c->state == CLIENT_VERIFY
               ? LOGIN_PACKET_MAX
               : (size_t)worker_vars(c->worker)->mysql_max_allowed_packet;
}

static bool in_reserve(struct client *c, size_t need)
{
    uint8_t *grown;
    size_t cap = MAX((size_t)c->in_cap, (size_t)IN_FIRST);

    if (need <= c->in_cap) {
        return true;
    }
    while (cap < need) {
        cap *= 2;
    }
    grown = mem_try_grow(MEM_BUFFER, c->in, cap);
    if (grown == NULL) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return false;
    }
    c->in = grown;
    c->in_cap = (uint32_t)cap;
    return true;
}

static void in_drop(struct client *c)
{
    mem_free(MEM_BUFFER, c->in);
    c->in = NULL;
    c->in_len = c->in_cap = 0;
}

/*
 * The header of a packet is looked at as on a node: its number first (a command begins with 0),
 * then its length.
 */
static bool is_header_good(struct client *c, const uint8_t *packet, size_t len)
{
    uint8_t due = c->state == CLIENT_LOGIN ? c->sequence : 0;
    int rc = 0;

    if (packet_sequence(packet) != due) {
        rc = ERR_SEQUENCE;
        c->sequence = due;
    } else if (packet_length(packet) > packet_limit(c)) {
        rc = ERR_PACKET_TOO_LARGE;
        c->sequence = (uint8_t)(due + 1);
    }
    if (rc != 0) {
        client_peer_hint(c, packet, len);
        client_refuse(c, rc, CLOSE_PROTOCOL);
    }
    return rc == 0;
}

/* A timer of 0 ms would fire in the same turn. */
void client_wait_turn(struct client *c)
{
    struct worker *w = c->worker;

    if (alarm_set(&w->alarms, &c->alarm, w->now_ms + 1) != 0) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return;
    }
    c->waits_turn = true;
    c->is_read_paused = true;
    stream_read_stop(&c->stream);
}

/*
 * Is the next command's turn? Not before the answers to those before it have left, and what has no
 * answer is with the node: who sends without reading waits here, where nothing grows for it.
 */
static bool may_take(const struct client *c)
{
    return (c->state == CLIENT_IDLE || c->state == CLIENT_LOGIN) && !c->waits_turn &&
           stream_is_drained(&c->stream) &&
           (c->server == NULL || stream_is_drained(&c->server->stream));
}

/* One packet of a login. Returns its bytes, all when the rest is TLS, 0 when it is not whole. */
static size_t take_login(struct client *c, const uint8_t *data, size_t len)
{
    size_t payload = packet_length(data), whole = PACKET_HEADER + payload;

    if (len < whole) {
        return 0;
    }
    c->sequence++;
    client_login_packet(c, data + PACKET_HEADER, payload);
    if (c->login != NULL && c->login->wants_tls) {
        client_login_secure(c, data + whole, len - whole);
        return len;
    }
    return whole;
}

/*
 * So much of a command is waited for before its rest streams: never more than a packet, as what
 * continues that is no part of the head. Where it must be there as a whole, or (of an execution) to
 * the end of its parameters' types, a low threshold does not count.
 */
static size_t head_bytes(const struct client *c, const uint8_t *packet, size_t len)
{
    size_t threshold =
        MIN((size_t)worker_vars(c->worker)->mysql_threshold_query_length, (size_t)PACKET_MAX);

    if (LIKELY(threshold >= EXECUTE_HEAD_MAX) || len == PACKET_HEADER) {
        return threshold;
    }
    switch (packet[PACKET_HEADER]) {
    case COM_QUERY:
    case COM_STMT_PREPARE:
    case COM_STMT_SEND_LONG_DATA: return threshold;
    case COM_STMT_EXECUTE:
    case COM_STMT_BULK_EXECUTE: return EXECUTE_HEAD_MAX;
    default: return MAX(threshold, (size_t)LOGIN_PACKET_MAX);
    }
}

/* A command, or the head of a long one. Returns its bytes, 0 when there are too few. */
static size_t take_command(struct client *c, uint8_t *data, size_t len, bool *is_long)
{
    size_t payload = packet_length(data), whole = PACKET_HEADER + payload;

    *is_long = len < whole || payload == PACKET_MAX;
    if (*is_long && len <= head_bytes(c, data, len)) {
        return 0;
    }
    c->has_more = len > whole;
    stream_command(&c->stream);
    client_command(c, data, MIN(len, whole), !*is_long); /* of a long one the rest streams behind */
    return MIN(len, whole);
}

/* What came behind a login is compressed, if that has begun it (as on a node). */
static void unread(struct client *c, const uint8_t *data, size_t len)
{
    if (stream_unread(&c->stream, data, len) != 0) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
    }
}

void client_unread_kept(struct client *c)
{
    uint8_t *data = c->in;
    size_t len = c->in_len;

    c->in = NULL;
    c->in_len = c->in_cap = 0;
    unread(c, data, len);
    mem_free(MEM_BUFFER, data);
}

size_t client_take_packets(struct client *c, uint8_t *data, size_t len)
{
    size_t at = UNLIKELY(c->awaits_header) ? client_peer_header(c, data, len) : 0;
    unsigned n = 0;

    while (len - at >= PACKET_HEADER && may_take(c) && !c->awaits_header &&
           !c->close_when_drained) {
        bool is_login = c->state == CLIENT_LOGIN, is_long = false;
        bool is_packed = stream_is_compressed(&c->stream);
        size_t taken;

        if (UNLIKELY(n++ == COMMANDS_A_TURN)) { /* it has had its share */
            client_wait_turn(c);
            break;
        }
        if (UNLIKELY(is_packed)) { /* as on a node: it says nothing there */
            packet_set_sequence(data + at, is_login ? c->sequence : 0);
        }
        if (!is_header_good(c, data + at, len - at)) {
            return len;
        }
        taken = is_login ? take_login(c, data + at, len - at)
                         : take_command(c, data + at, len - at, &is_long);
        at += taken;
        if (taken == 0 || is_long) {
            break;
        }
        if (UNLIKELY(is_login && !is_packed && stream_is_compressed(&c->stream))) {
            unread(c, data + at, len - at);
            return len;
        }
    }
    return c->state == CLIENT_CLOSING || c->close_when_drained ? len : at;
}

bool client_sent_ahead(const struct client *c)
{
    return c->has_more || c->in_len > 0 || stream_has_unread(&c->stream);
}

/* Deal with what was kept: called whenever the client becomes idle again. */
void client_input(struct client *c)
{
    if (c->waits_turn) {
        c->waits_turn = false;
        alarm_clear(&c->worker->alarms, &c->alarm);
    }
    while (c->in_len > 0 && may_take(c)) {
        uint8_t *data = c->in;
        size_t len = c->in_len, cap = c->in_cap, used;

        c->in = NULL; /* the commands may keep bytes of their own meanwhile */
        c->in_len = c->in_cap = 0;
        used = client_take_packets(c, data, len);
        if (c->state == CLIENT_CLOSING || c->close_when_drained) {
            mem_free(MEM_BUFFER, data);
            return;
        }
        CHECK(c->in == NULL);
        memmove(data, data + used, len - used);
        c->in = data;
        c->in_len = (uint32_t)(len - used);
        c->in_cap = (uint32_t)cap;
        if (used == 0) {
            break;
        }
    }
    if (c->state == CLIENT_CLOSING) {
        return;
    }
    if (c->in_len == 0 && c->in != NULL) {
        in_drop(c);
    }
    if (c->state == CLIENT_UPLOADING && c->in_len > 0) { /* behind the first packet of a long one */
        client_upload_kept(c);
        return;
    }
    if (c->is_read_paused && !c->waits_turn && (c->in_len < AHEAD_MAX || may_take(c)) &&
        stream_is_drained(&c->stream)) { /* what may be taken and was not is not whole */
        c->is_read_paused = false;
        if (stream_read_start(&c->stream) != 0) {
            client_close(c, CLOSE_RESET, UV_EPIPE);
        }
    }
}

void client_keep_input(struct client *c, const uint8_t *data, size_t len)
{
    if (len == 0 || !in_reserve(c, c->in_len + len)) {
        return;
    }
    memcpy(c->in + c->in_len, data, len);
    c->in_len += (uint32_t)len;
    if (c->in_len >= AHEAD_MAX && !may_take(c)) {
        c->is_read_paused = true;
        stream_read_stop(&c->stream);
    }
}

void client_upload_kept(struct client *c)
{
    uint8_t *data = c->in;
    size_t len = c->in_len;

    if (len == 0) {
        return;
    }
    c->in = NULL;
    c->in_len = c->in_cap = 0;
    c->is_read_paused = false;
    client_upload_bytes(c, data, len);
    mem_free(MEM_BUFFER, data);
    if (c->state == CLIENT_UPLOADING &&
        (c->server == NULL || stream_is_drained(&c->server->stream)) &&
        stream_read_start(&c->stream) != 0) {
        client_close(c, CLOSE_RESET, UV_EPIPE);
    }
}
