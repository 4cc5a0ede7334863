/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warnings.c - see warnings.h.
 */
#include "proxy/warnings.h"

#include <stdio.h>

#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/worker.h"

static const char show_warnings[] = "\x0e\0\0\0\x03SHOW WARNINGS";

void warnings_watch(struct client *c)
{
    if (c->session.pins == BIT(PIN_WARNINGS) && !list_is_linked(&c->in_warned)) {
        list_push_back(&c->worker->warned, &c->in_warned);
    }
}

void warnings_fetch(struct client *c)
{
    struct worker *w = c->worker;
    struct task *task = task_new(&w->tasks, sizeof(show_warnings) - 1);
    struct kept_warnings *kept = mem_try(MEM_CLIENT, sizeof(*kept));

    if (task == NULL || kept == NULL) { /* it stays pinned, which is right too */
        if (task != NULL) {
            task_free(&w->tasks, task);
        }
        mem_free(MEM_CLIENT, kept);
        return;
    }
    memset(kept, 0, offsetof(struct kept_warnings, bytes));
    warnings_drop(c);
    c->warnings = kept;
    memcpy(task->bytes, show_warnings, task->len);
    task->command = COM_QUERY;
    task->follow = FOLLOW_RESULT;
    task->is_capture = true;
    task->since_ms = w->now_ms;
    facts_scan(&task->facts,
               (struct slice){(const char *)task->bytes + PACKET_HEADER + 1,
                              task->len - PACKET_HEADER - 1},
               0);
    c->task = task;
    client_run(c);
}

void warnings_tick(struct worker *w)
{
    LIST_FOREACH_SAFE (it, next, &w->warned) {
        struct client *c = CONTAINER_OF(it, struct client, in_warned);
        bool idle = c->state == CLIENT_IDLE && c->session.pins == BIT(PIN_WARNINGS) &&
                    c->server != NULL && c->server->n_expects == 0;

        if (!idle) {
            list_remove(&w->warned, it);
        } else if (w->now_ms - c->since_ms >= WARNINGS_PIN_MS) {
            list_remove(&w->warned, it);
            warnings_fetch(c);
        }
    }
}

void warnings_add(struct client *c, const uv_buf_t *bufs, unsigned n)
{
    struct kept_warnings *kept = c->warnings;

    for (unsigned i = 0; i < n && !kept->is_too_long; i++) {
        if (bufs[i].len > sizeof(kept->bytes) - kept->len) {
            kept->is_too_long = true;
        } else {
            memcpy(kept->bytes + kept->len, bufs[i].base, bufs[i].len);
            kept->len += bufs[i].len;
        }
    }
}

/* No row of SHOW WARNINGS begins so: an EOF, or the OK that ends rows (CAP_DEPRECATE_EOF). */
static bool is_end(const uint8_t *payload)
{
    return payload[0] == 0xfe;
}

/* Rows stand behind a column count, three columns, and EOF where there is one. */
static unsigned first_row(const struct client *c)
{
    return (c->session.caps & CAP_DEPRECATE_EOF) != 0 ? 4 : 5;
}

/* Does each row have the level Error? */
static bool has_other(const struct client *c)
{
    const struct kept_warnings *kept = c->warnings;
    size_t at = 0;

    for (unsigned packet = 0; at + PACKET_HEADER < kept->len; packet++) {
        uint32_t payload = packet_length(kept->bytes + at);
        const uint8_t *data = kept->bytes + at + PACKET_HEADER;

        if (packet >= first_row(c) && !is_end(data) &&
            (payload < 6 || memcmp(data,
                                   "\x05"
                                   "Error",
                                   6) != 0)) {
            return true;
        }
        at += PACKET_HEADER + payload;
    }
    return false;
}

void warnings_fetched(struct client *c, bool failed)
{
    struct kept_warnings *kept = c->warnings;

    if (failed || kept->is_too_long) {
        warnings_drop(c);
        return;
    }
    kept->is_complete = true;
    kept->has_other = has_other(c);
    session_unpin(&c->session, PIN_WARNINGS);
}

/* The status words become the session's: in both forms as far behind the first byte. */
static void write_status(uint8_t *bytes, size_t len, uint16_t status)
{
    size_t at = 0;

    while (at + PACKET_HEADER < len) {
        uint32_t payload = packet_length(bytes + at);

        if (is_end(bytes + at + PACKET_HEADER)) {
            bytes[at + PACKET_HEADER + 3] = (uint8_t)status;
            bytes[at + PACKET_HEADER + 4] = (uint8_t)(status >> 8);
        }
        at += PACKET_HEADER + payload;
    }
}

bool warnings_answer(struct client *c, const struct facts *f)
{
    struct kept_warnings *kept = c->warnings;

    if (kept == NULL || !kept->is_complete || (c->session.pins & BIT(PIN_WARNINGS)) != 0) {
        return false;
    }
    if (!slice_eq_nocase(f->body, SLICE("SHOW WARNINGS")) &&
        !(slice_eq_nocase(f->body, SLICE("SHOW ERRORS")) && !kept->has_other)) {
        return false;
    }
    write_status(kept->bytes, kept->len, c->session.status);
    (void)!client_write(c, kept->bytes, kept->len);
    return true;
}

/* --- errors that were made here --------------------------------------------------------------- */

void warnings_said(struct client *c, uint16_t number, const char *sqlstate, struct slice text)
{
    struct said_error *said;

    warnings_drop(c);
    session_unpin(&c->session, PIN_WARNINGS);
    said = mem_try(MEM_CLIENT, sizeof(*said));
    if (said == NULL) {
        return; /* SHOW WARNINGS will say nothing */
    }
    said->number = number;
    memcpy(said->sqlstate, sqlstate, sizeof(said->sqlstate) - 1);
    said->sqlstate[sizeof(said->sqlstate) - 1] = '\0';
    said->len = MIN(text.len, sizeof(said->text));
    memcpy(said->text, text.data, said->len);
    c->said = said;
}

static void put_quoted(struct writer *w, struct slice text, bool backslashes)
{
    put_u8(w, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\'' || (text.data[i] == '\\' && backslashes)) {
            put_u8(w, (uint8_t)text.data[i]);
        }
        put_u8(w, (uint8_t)text.data[i]);
    }
    put_u8(w, '\'');
}

static void put_signal(struct writer *w, const char *sqlstate, struct slice number,
                       struct slice text, bool backslashes)
{
    size_t at = packet_begin(w);

    put_u8(w, COM_QUERY);
    put_slice(w, SLICE("SIGNAL SQLSTATE '"));
    put_slice(w, slice_of(sqlstate));
    put_slice(w, SLICE("' SET MYSQL_ERRNO="));
    put_slice(w, number);
    put_slice(w, SLICE(",MESSAGE_TEXT="));
    put_quoted(w, text, backslashes);
    packet_end(w, at, 0);
}

/*
 * The only condition that was kept: level, code, message. Several cannot be raised: each SIGNAL
 * drops those before it.
 */
static bool only_condition(const struct client *c, struct slice out[3])
{
    const struct kept_warnings *kept = c->warnings;
    unsigned n = 0;
    size_t at = 0;

    for (unsigned packet = 0; at + PACKET_HEADER < kept->len; packet++) {
        uint32_t payload = packet_length(kept->bytes + at);
        const uint8_t *data = kept->bytes + at + PACKET_HEADER;

        if (packet >= first_row(c) && !is_end(data)) {
            struct reader r = reader_of(data, payload);

            for (unsigned i = 0; i < 3; i++) {
                out[i] = get_lenenc_bytes(&r);
            }
            n += r.failed ? 2 : 1;
        }
        at += PACKET_HEADER + payload;
    }
    return n == 1 && out[2].len <= SAID_MAX &&
           (slice_eq(out[0], SLICE("Error")) || slice_eq(out[0], SLICE("Warning")));
}

bool warnings_raise(struct client *c, struct server *s, struct writer *w)
{
    bool backslashes = (c->session.status & STATUS_NO_BACKSLASH_ESCAPES) == 0;
    struct slice condition[3];
    char number[8];

    if (c->said != NULL) {
        int n = snprintf(number, sizeof(number), "%u", c->said->number);

        put_signal(w, c->said->sqlstate, (struct slice){number, (size_t)n},
                   (struct slice){c->said->text, c->said->len}, backslashes);
    } else if (c->warnings != NULL && c->warnings->is_complete && only_condition(c, condition)) {
        put_signal(w, slice_eq(condition[0], SLICE("Error")) ? "HY000" : "01000", condition[1],
                   condition[2], backslashes);
    } else {
        return false;
    }
    server_expect(s, EXPECT_RAISED, FOLLOW_RESULT);
    warnings_drop(c);
    session_pin(&c->session, PIN_WARNINGS, c->task->facts.digest, c->worker->now_ms);
    return true;
}

void warnings_drop(struct client *c)
{
    mem_free(MEM_CLIENT, c->said);
    c->said = NULL;
    mem_free(MEM_CLIENT, c->warnings);
    c->warnings = NULL;
}
