/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.c - see reply.h.
 */
#include "admin/reply.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

#define TEXT_MAX 4096 /* of a message; the rest is cut */

void reply_fini(struct reply *r)
{
    for (size_t i = 0; i < r->n_columns; i++) {
        mem_free(MEM_ADMIN, r->columns[i]);
    }
    for (size_t i = 0; i < r->n_values; i++) {
        mem_free(MEM_ADMIN, (void *)(uintptr_t)r->values[i].data);
    }
    mem_free(MEM_ADMIN, r->columns);
    mem_free(MEM_ADMIN, r->values);
    mem_free(MEM_ADMIN, r->info);
    mem_free(MEM_ADMIN, r->message);
    if (r->job != NULL) {
        r->job->free(r->job);
    }
    *r = (struct reply){0};
}

static PRINTF_LIKE(1, 0) char *format_text(const char *format, va_list args)
{
    char text[TEXT_MAX];
    int n = vsnprintf(text, sizeof(text), format, args);

    return mem_copy(MEM_ADMIN, (struct slice){text, n < 0 ? 0 : MIN((size_t)n, sizeof(text) - 1)});
}

void reply_error(struct reply *r, uint16_t number, const char *sqlstate, const char *format, ...)
{
    va_list args;
    char *message;

    va_start(args, format);
    message = format_text(format, args);
    va_end(args);
    reply_fini(r); /* behind the text: it may be made of what the reply holds */
    r->kind = REPLY_ERROR;
    r->number = number;
    memcpy(r->sqlstate, sqlstate, 5);
    r->message = message;
}

void reply_info(struct reply *r, uint64_t affected, const char *format, ...)
{
    va_list args;
    char *info = NULL;

    if (format != NULL) {
        va_start(args, format);
        info = format_text(format, args);
        va_end(args);
    }
    reply_fini(r);
    r->affected = affected;
    r->info = info;
}

void reply_later(struct reply *r, struct reply_job *job)
{
    reply_fini(r);
    r->job = job;
}

void reply_columns(struct reply *r, size_t n, const char *const *names)
{
    reply_fini(r);
    r->kind = REPLY_ROWS;
    r->n_columns = n;
    r->columns = mem_new(MEM_ADMIN, n * sizeof(*r->columns));
    for (size_t i = 0; i < n; i++) {
        r->columns[i] = mem_copy(MEM_ADMIN, slice_of(names[i]));
    }
}

static bool make_room(struct reply *r)
{
    size_t room = MAX(r->room * 2, (size_t)64);
    struct slice *grown;

    if (r->n_values < r->room) {
        return true;
    }
    grown = mem_try_grow(MEM_ADMIN, r->values, room * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    r->values = grown;
    r->room = room;
    return true;
}

void reply_value(struct reply *r, struct slice value)
{
    size_t bytes = value.len + sizeof(value);
    char *data = NULL;

    if (r->too_large || r->bytes + bytes > REPLY_BYTES_MAX || !make_room(r)) {
        r->too_large = true;
        return;
    }
    if (value.data != NULL) {
        data = mem_try(MEM_ADMIN, value.len + 1);
        if (data == NULL) {
            r->too_large = true;
            return;
        }
        memcpy(data, value.data, value.len);
        data[value.len] = '\0';
    }
    r->bytes += bytes;
    r->values[r->n_values++] = (struct slice){data, value.len};
}

void reply_text(struct reply *r, const char *text)
{
    reply_value(r, text == NULL ? (struct slice){NULL, 0} : slice_of(text));
}

void reply_number(struct reply *r, int64_t number)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)number);

    reply_value(r, (struct slice){text, (size_t)n});
}
