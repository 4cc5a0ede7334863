/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_write.c - what is made here for a client: OK, errors, bytes. See client.h.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "protocol/reply.h"
#include "proxy/client.h"
#include "proxy/figures_client.h"
#include "proxy/warnings.h"
#include "proxy/worker.h"

#define TEXT_MAX 4096 /* bytes of an error, or of the text with an OK */

bool client_write(struct client *c, const void *data, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, (unsigned)len);
    int rc = stream_write(&c->stream, &buf, 1);

    stat_add(&c->worker->stats, STAT_BYTES_TO_CLIENTS, len);
    if (rc < 0) {
        client_close(c, CLOSE_RESET, rc);
        return false;
    }
    return true;
}

bool client_error(struct client *c, uint16_t number, const char *sqlstate, struct slice text)
{
    uint8_t bytes[TEXT_MAX + 64];
    struct writer w = writer_of(bytes, sizeof(bytes));

    text.len = MIN(text.len, (size_t)TEXT_MAX);
    stat_add(&c->worker->stats, STAT_ERRORS_MADE, 1);
    figures_refused(c, number, text);
    session_said(&c->session, -1, false);
    if (c->login == NULL) {
        warnings_said(c, number, sqlstate, text);
    }
    c->sequence = err_encode(&w, number, sqlstate, text, c->sequence);
    return client_write(c, bytes, w.len);
}

bool client_error_rc(struct client *c, int rc)
{
    return client_error(c, err_number(rc), err_sqlstate(rc), slice_of(err_text(rc)));
}

bool client_errorf(struct client *c, int rc, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return client_error(c, err_number(rc), err_sqlstate(rc), slice_of(text));
}

bool client_ok(struct client *c)
{
    return client_ok_text(c, (struct slice){NULL, 0});
}

bool client_ok_text(struct client *c, struct slice text)
{
    uint8_t bytes[TEXT_MAX + 64];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct ok ok = {.status = c->session.status,
                    .message = {text.data, MIN(text.len, (size_t)TEXT_MAX)}};

    c->sequence = ok_encode(&w, &ok, c->sequence);
    return client_write(c, bytes, w.len);
}
