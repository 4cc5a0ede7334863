/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_upload.c - bytes that only pass through: the rest of a long command, a file for LOAD DATA
 * LOCAL.
 *
 * The packets' headers are read to know where the message ends; everything is passed on in the
 * buffer it came in. When the node is slower than the client, reading from the client stops.
 */
#include "base/err.h"
#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_run.h"
#include "proxy/worker.h"

#define ERROR_MAX 320

struct upload_error {
    uint16_t number;
    char sqlstate[6];
    size_t len;
    char text[ERROR_MAX];
};

bool client_upload_fail(struct client *c, uint16_t number, const char *sqlstate, struct slice text)
{
    struct upload_error *error = mem_try(MEM_CLIENT, sizeof(*error));

    if (error == NULL || stream_read_start(&c->stream) != 0) {
        mem_free(MEM_CLIENT, error);
        return false;
    }
    *error = (struct upload_error){.number = number, .len = MIN(text.len, (size_t)ERROR_MAX)};
    memcpy(error->sqlstate, sqlstate, sizeof(error->sqlstate));
    memcpy(error->text, text.data, error->len);
    c->upload_error = error;
    c->upload_discards = true;
    c->since_ms = c->worker->now_ms;
    return true;
}

void client_upload_forget(struct client *c)
{
    mem_free(MEM_CLIENT, c->upload_error);
    c->upload_error = NULL;
}

static void say_error(struct client *c)
{
    struct upload_error error = *c->upload_error;

    client_upload_forget(c);
    c->sequence = c->upload_sequence;
    client_end_with_error(c, error.number, error.sqlstate, (struct slice){error.text, error.len});
}

static void finish(struct client *c)
{
    bool discards = c->upload_discards, closes = c->loses_ahead && client_sent_ahead(c);

    c->upload_discards = c->loses_ahead = false;
    c->close_when_drained |= closes;
    if (c->upload_error != NULL) {
        say_error(c);
    } else if (discards /* the node answered before all of it had come */ ||
               c->task->command == COM_STMT_SEND_LONG_DATA) {
        client_task_end(c);
    } else {
        if (c->server != NULL) {
            server_sent_up_to(c->server, c->upload_sequence);
        }
        c->sequence = c->upload_sequence; /* of an error, should the node be lost */
        client_to(c, CLIENT_RUNNING);
    }
    if (closes && c->state != CLIENT_CLOSING) {
        client_close_after_write(c, CLOSE_NODE);
    }
}

/* A header is complete: what follows it. Returns false when the message ends here. */
static bool next_packet(struct client *c)
{
    uint32_t payload = packet_length(c->upload_head);
    bool continued = c->upload_continues;

    c->upload_head_len = 0;
    c->upload_sequence++;
    c->upload_left = payload;
    c->upload_continues = payload == PACKET_MAX;
    return payload > 0 ||
           (c->upload_is_file && continued); /* an empty one may only end a long one */
}

static bool expects_header(const struct client *c)
{
    return c->upload_left == 0 &&
           (c->upload_is_file || c->upload_continues || c->upload_head_len > 0);
}

enum upload_event { UPLOAD_MORE, UPLOAD_ENDED, UPLOAD_BROKEN };

/*
 * How many bytes of data belong to the message, which is complete behind them or has a wrong
 * sequence number.
 */
static size_t message_bytes(struct client *c, uint8_t *data, size_t len, enum upload_event *event)
{
    size_t at = 0;

    *event = UPLOAD_MORE;
    while (at < len) {
        if (c->upload_left > 0) {
            size_t n = (size_t)MIN((uint64_t)(len - at), c->upload_left);

            c->upload_left -= n;
            at += n;
        } else if (expects_header(c)) {
            c->upload_head[c->upload_head_len++] = data[at++];
            if (c->upload_head_len < PACKET_HEADER) {
                continue;
            }
            if (UNLIKELY(stream_is_compressed(&c->stream))) { /* the header's last byte */
                data[at - 1] = c->upload_sequence;
            } else if (packet_sequence(c->upload_head) != c->upload_sequence) {
                *event = UPLOAD_BROKEN;
                return at;
            }
            if (!next_packet(c)) {
                *event = UPLOAD_ENDED;
                return at;
            }
        }
        if (c->upload_left == 0 && !expects_header(c)) {
            *event = UPLOAD_ENDED;
            return at;
        }
    }
    return at;
}

static bool is_too_long(const struct client *c)
{
    return !c->upload_is_file &&
           c->upload_total > (uint64_t)worker_vars(c->worker)->mysql_max_allowed_packet;
}

static void keep_ahead(struct client *c, uint8_t *data, size_t len)
{
    if (len > 0) {
        client_keep_input(c, data, len);
    }
}

void client_upload_bytes(struct client *c, uint8_t *data, size_t len)
{
    enum upload_event event;
    size_t n = message_bytes(c, data, len, &event);
    uv_buf_t buf = uv_buf_init((char *)data, (unsigned)n);
    int rc = 0;

    c->upload_total += n;
    if (event == UPLOAD_BROKEN || is_too_long(c)) {
        c->sequence = c->upload_sequence;
        client_refuse(c, event == UPLOAD_BROKEN ? ERR_SEQUENCE : ERR_PACKET_TOO_LARGE,
                      CLOSE_PROTOCOL);
        return;
    }
    if (c->server != NULL && !c->upload_discards) {
        rc = server_write(c->server, &buf, 1);
    }
    if (rc == 1) {
        stream_read_stop(&c->stream);
    }
    if (rc < 0) {
        server_lost(c->server, ERR_NODE_LOST, NULL);
    }
    if (c->state == CLIENT_CLOSING) {
        return;
    }
    keep_ahead(c, data + n, len - n);
    if (event == UPLOAD_ENDED && c->state == CLIENT_UPLOADING) {
        if (stream_read_start(&c->stream) != 0) {
            client_close(c, CLOSE_RESET, UV_EPIPE);
            return;
        }
        finish(c);
    }
}

void client_upload_begin(struct client *c, uint64_t left, bool continues)
{
    c->upload_left = left;
    c->upload_continues = continues;
    c->upload_is_file = false;
    c->upload_head_len = 0;
    c->upload_total = c->task->len;
    c->upload_sequence = 1;
    c->task->reads_rest = true;
    c->loses_ahead &= c->upload_discards;
    c->has_more = false; /* it may have been more of this command */
    if (c->server != NULL && c->server->n_expects > 0 && !c->upload_discards && continues &&
        task_has_reply(c->task)) {
        server_sends_more(c->server);
    }
    client_to(c, CLIENT_UPLOADING);
    if (left == 0 && !continues) {
        finish(c);
        return;
    }
    client_upload_kept(c);
}

bool client_drops_rest(const struct client *c)
{
    return c->state == CLIENT_UPLOADING && c->upload_discards;
}

void client_upload_file(struct client *c)
{
    c->upload_left = 0;
    c->upload_continues = false;
    c->upload_is_file = true;
    c->upload_head_len = 0;
    c->upload_total = 0;
    c->upload_sequence = c->server->follow.next_sequence;
    client_to(c, CLIENT_UPLOADING);
}
