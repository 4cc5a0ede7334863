/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_answer.c - statements are run, and what comes of them is sent as fast as the client takes
 * it.
 */
#include <stdarg.h>
#include <stdio.h>

#include "admin/console_audit.h"
#include "admin/wire_sql.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/caps.h"
#include "protocol/reply.h"

/* Strings are SQLite's: clients must double quotes and leave backslashes alone. */
#define CONSOLE_STATUS (STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES)
#define STATEMENT_MAX  ((size_t)2048) /* of one that is made here */
#define ERROR_MAX      1024

bool console_write(struct console_client *c, const void *data, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, (unsigned)len);
    int rc = stream_write(&c->stream, &buf, 1);

    if (rc < 0) {
        console_close(c, err_text(rc));
        return false;
    }
    return true;
}

void console_ok(struct console_client *c)
{
    struct reply reply = {.kind = REPLY_OK};

    console_answer(c, &reply, WIRE_TEXT);
}

void console_errorf(struct console_client *c, uint16_t number, const char *sqlstate,
                    const char *format, ...)
{
    struct reply reply = {.kind = REPLY_OK};
    char text[ERROR_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    reply_error(&reply, number, sqlstate, "%s", text);
    console_answer(c, &reply, WIRE_TEXT);
}

void console_error(struct console_client *c, int rc)
{
    console_errorf(c, err_number(rc), err_sqlstate(rc), "%s", err_text(rc));
}

/* --- sending ---------------------------------------------------------------------------------- */

static void drop_text(struct console_client *c)
{
    mem_free(MEM_ADMIN, c->text);
    c->text = NULL;
    c->rest = (struct slice){NULL, 0};
}

static bool has_more(const struct console_client *c)
{
    struct slice rest = c->rest;

    return rest.len > 0 && sql_next(&rest).len > 0;
}

/* One large answer for each of many clients that do not read them would be the end of memory. */
static bool is_too_much(const struct console_client *c, const struct reply *reply)
{
    size_t bytes = reply->bytes;

    LIST_FOREACH (it, &c->core->clients) {
        bytes += CONTAINER_OF(it, struct console_client, in_core)->wire.reply.bytes;
    }
    return bytes > c->core->answers_max;
}

static void begin_answer(struct console_client *c, struct reply *reply, enum wire_form form)
{
    uint16_t status = CONSOLE_STATUS;

    if (reply->kind == REPLY_ROWS && is_too_much(c, reply)) {
        reply_error(reply, err_number(ERR_LIMIT), err_sqlstate(ERR_LIMIT),
                    "Clients have not yet read %zu MiB of answers: try again later",
                    c->core->answers_max >> 20);
    }
    if (reply->kind == REPLY_ERROR || reply->too_large) {
        drop_text(c); /* what stands behind a statement that failed is not run */
    } else if (has_more(c)) {
        status |= STATUS_MORE_RESULTS;
    }
    wire_init(&c->wire, reply, form, status, c->sequence);
    c->wire.caps = c->caps;
}

/* A piece that is longer than the scratch buffer: a row. */
static int send_long(struct console_client *c, size_t need)
{
    uint8_t *bytes = mem_try(MEM_BUFFER, need);
    struct writer w = writer_of(bytes, need);
    uv_buf_t buf;
    int rc;

    if (bytes == NULL) {
        return UV_ENOMEM;
    }
    wire_fill(&c->wire, &w);
    buf = uv_buf_init((char *)bytes, (unsigned)w.len);
    rc = stream_write(&c->stream, &buf, 1);
    mem_free(MEM_BUFFER, bytes);
    return rc;
}

static int send_piece(struct console_client *c, size_t need)
{
    struct writer w = writer_of(c->core->scratch, sizeof(c->core->scratch));
    uv_buf_t buf;

    if (need > w.cap) {
        return send_long(c, need);
    }
    wire_fill(&c->wire, &w);
    buf = uv_buf_init((char *)w.base, (unsigned)w.len);
    return stream_write(&c->stream, &buf, 1);
}

/*
 * True when all of the answer has left; else the client has to read first, or is closing. Nothing
 * more is done for a client that does not read: what waits for it is bounded by one piece.
 */
static bool send_answer(struct console_client *c)
{
    size_t need;
    int rc = 0;

    while (rc == 0 && (need = wire_need(&c->wire)) > 0) {
        rc = send_piece(c, need);
    }
    if (rc < 0) {
        console_close(c, err_text(rc));
        return false;
    }
    return rc == 0;
}

void console_send(struct console_client *c)
{
    while (send_answer(c)) {
        struct reply reply = {.kind = REPLY_OK};
        struct slice sql = sql_next(&c->rest);

        c->sequence = c->wire.sequence;
        wire_fini(&c->wire);
        if (sql.len == 0) {
            drop_text(c);
            if (c->state == CONSOLE_ANSWERING) {
                console_client_to(c, CONSOLE_IDLE);
            }
            return;
        }
        console_engine_run(c, sql, &reply);
        if (reply.job != NULL) {
            console_job_begin(c, reply.job, WIRE_TEXT);
            return;
        }
        begin_answer(c, &reply, WIRE_TEXT);
    }
    if (c->state == CONSOLE_IDLE) {
        console_client_to(c, CONSOLE_ANSWERING);
    }
}

void console_answer(struct console_client *c, struct reply *reply, enum wire_form form)
{
    if (c->state == CONSOLE_CLOSING) {
        reply_fini(reply);
        return;
    }
    c->since_ms = uv_now(c->core->streams.uv);
    if (reply->job != NULL) {
        console_job_begin(c, reply->job, form);
        return;
    }
    begin_answer(c, reply, form);
    console_send(c);
}

/* --- running ---------------------------------------------------------------------------------- */

void console_engine_run(struct console_client *c, struct slice sql, struct reply *reply)
{
    c->core->running = c;
    c->core->engine.run(c->core->engine.store, &c->session, sql, reply);
    c->core->running = NULL;
    console_audit_run(c, sql, reply);
}

void console_run(struct console_client *c, struct slice sql, enum wire_form form)
{
    struct reply reply = {.kind = REPLY_OK};

    console_engine_run(c, sql, &reply);
    console_answer(c, &reply, form);
}

void console_runf(struct console_client *c, enum wire_form form, const char *format, ...)
{
    char text[STATEMENT_MAX];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    CHECK(n >= 0 && (size_t)n < sizeof(text));
    console_run(c, (struct slice){text, (size_t)n}, form);
}

bool console_quote_name(char out[CONSOLE_QUOTED_MAX], struct slice name)
{
    size_t n = 0;

    if (name.len > CONSOLE_NAME_MAX ||
        (name.len > 0 && memchr(name.data, '\0', name.len) != NULL)) {
        return false;
    }
    out[n++] = '`';
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '`') {
            out[n++] = '`';
        }
        out[n++] = name.data[i];
    }
    out[n++] = '`';
    out[n] = '\0';
    return true;
}

void console_run_text(struct console_client *c, struct slice text)
{
    struct slice rest = text;
    struct slice first = sql_next(&rest);
    struct slice second = sql_next(&rest);

    if (first.len == 0) {
        console_errorf(c, 1065, "42000", "%s", sql_empty_reason(text));
    } else if (second.len == 0) {
        console_run(c, first, WIRE_TEXT);
    } else if (!c->multi_statements) {
        console_errorf(c, 1064, "42000",
                       "Several statements in one, and the client did not say that it can take "
                       "several results; the second begins at '%.*s'",
                       (int)MIN(second.len, (size_t)80), second.data);
    } else {
        struct reply reply = {.kind = REPLY_OK};

        c->text = mem_try(MEM_ADMIN, text.len);
        if (c->text == NULL) {
            console_error(c, ERR_MEMORY);
            return;
        }
        memcpy(c->text, text.data, text.len);
        c->rest = (struct slice){c->text, text.len};
        first = sql_next(&c->rest);
        console_engine_run(c, first, &reply);
        console_answer(c, &reply, WIRE_TEXT);
    }
}
