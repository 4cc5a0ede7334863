/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - one line, one write(2).
 *
 *   2024-05-17T09:30:00.123456Z warn client#4711 app@10.0.0.7:53122 | logging in: no such user
 *
 * A line is built on the stack and written at once, so lines of threads never mix and no lock is
 * taken. Control characters become '?': what a client calls itself cannot forge a line.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_MAX_BYTES   2048
#define TAIL_BYTES       32 /* kept free for "(suppressed n)" and the end of the line */
#define LINES_PER_SECOND 10

_Atomic int log_level_now = LOG_INFO;

static _Atomic int log_fd = STDERR_FILENO;
static char log_path[PATH_MAX]; /* empty = stderr */

static const char *const level_names[] = {"error", "warn", "info", "debug"};

struct line {
    size_t len;
    char text[LINE_MAX_BYTES];
};

PRINTF_LIKE(3, 0)
static void line_vadd(struct line *line, size_t limit, const char *format, va_list args)
{
    int n = vsnprintf(line->text + line->len, limit - line->len, format, args);

    if (n > 0) {
        line->len = MIN(line->len + (size_t)n, limit - 1);
    }
}

PRINTF_LIKE(2, 3)
static void line_add(struct line *line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    line_vadd(line, sizeof(line->text) - TAIL_BYTES, format, args);
    va_end(args);
}

static void line_add_time(struct line *line)
{
    uint64_t now_us = clock_unix_us();
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    line->len = strftime(line->text, sizeof(line->text), "%Y-%m-%dT%H:%M:%S", &tm);
    line_add(line, ".%06uZ", (unsigned)(now_us % 1000000));
}

static void line_add_who(struct line *line, const struct log_who *who)
{
    size_t before = line->len;

    if (who->client_id != 0) {
        line_add(line, " client#%llu", (unsigned long long)who->client_id);
    }
    if (who->user != NULL || who->peer != NULL) {
        line_add(line, " %s%s%s", who->user == NULL ? "" : who->user,
                 who->user == NULL || who->peer == NULL ? "" : "@",
                 who->peer == NULL ? "" : who->peer);
    }
    if (who->server_id != 0) {
        line_add(line, " server#%llu", (unsigned long long)who->server_id);
    }
    if (who->node != NULL) {
        line_add(line, " %s", who->node);
    }
    if (who->doing != NULL) {
        line_add(line, " | %s", who->doing);
    }
    if (line->len > before) {
        line_add(line, ":");
    }
}

static void line_end(struct line *line, uint32_t suppressed)
{
    for (size_t i = 0; i < line->len; i++) {
        unsigned char c = (unsigned char)line->text[i];

        if (c < 0x20 || c == 0x7f) {
            line->text[i] = '?';
        }
    }
    if (suppressed > 0) {
        int n = snprintf(line->text + line->len, sizeof(line->text) - line->len - 1,
                         " (suppressed %u)", suppressed);

        line->len += n > 0 ? (size_t)n : 0;
    }
    line->text[line->len++] = '\n';
}

/* A log that cannot be written has nowhere to complain: the line is lost. */
static void line_write(const struct line *line, int fd)
{
    ssize_t n;

    do {
        n = write(fd, line->text, line->len);
    } while (n < 0 && errno == EINTR);
}

/* May this site write now? Then *suppressed is what it kept back before. */
static bool site_may_write(struct log_site *site, uint32_t *suppressed)
{
    uint64_t second = clock_now_us() / 1000000;

    if (atomic_exchange_explicit(&site->second, second, memory_order_relaxed) != second) {
        atomic_store_explicit(&site->lines, 0, memory_order_relaxed);
    }
    if (atomic_fetch_add_explicit(&site->lines, 1, memory_order_relaxed) >= LINES_PER_SECOND) {
        atomic_fetch_add_explicit(&site->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *suppressed = atomic_exchange_explicit(&site->suppressed, 0, memory_order_relaxed);
    return true;
}

static int open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    return fd < 0 ? -errno : fd;
}

int log_open(const char *path)
{
    int fd;

    log_close();
    if (path == NULL) {
        return 0;
    }
    if (strlen(path) >= sizeof(log_path)) {
        return -ENAMETOOLONG;
    }
    fd = open_file(path);
    if (fd < 0) {
        return fd;
    }
    memcpy(log_path, path, strlen(path) + 1);
    atomic_store(&log_fd, fd);
    return 0;
}

int log_reopen(void)
{
    int fd;
    int rc = 0;

    if (log_path[0] == '\0') {
        return 0;
    }
    fd = open_file(log_path);
    if (fd < 0) {
        return fd;
    }
    /* The number stays the same, so a thread in the middle of a line never meets a closed one. */
    if (dup3(fd, atomic_load(&log_fd), O_CLOEXEC) < 0) {
        rc = -errno;
    }
    (void)close(fd);
    return rc;
}

void log_close(void)
{
    int fd = atomic_exchange(&log_fd, STDERR_FILENO);

    if (fd != STDERR_FILENO) {
        (void)close(fd);
    }
    log_path[0] = '\0';
}

void log_line(struct log_site *site, enum log_level level, const struct log_who *who,
              const char *format, ...)
{
    struct line line = {.len = 0};
    uint32_t suppressed = 0;
    va_list args;

    if (site != NULL && !site_may_write(site, &suppressed)) {
        return;
    }
    line_add_time(&line);
    line_add(&line, " %s", level_names[level]);
    if (who != NULL) {
        line_add_who(&line, who);
    }
    line_add(&line, " ");
    va_start(args, format);
    line_vadd(&line, sizeof(line.text) - TAIL_BYTES, format, args);
    va_end(args);
    line_end(&line, suppressed);
    line_write(&line, atomic_load_explicit(&log_fd, memory_order_relaxed));
}

void log_fatal(const char *format, ...)
{
    struct line line = {.len = 0};
    int fd = atomic_load(&log_fd);
    va_list args;

    line_add_time(&line);
    line_add(&line, " %s ", level_names[LOG_ERROR]);
    va_start(args, format);
    line_vadd(&line, sizeof(line.text) - TAIL_BYTES, format, args);
    va_end(args);
    line_end(&line, 0);
    line_write(&line, fd);
    if (fd != STDERR_FILENO) {
        line_write(&line, STDERR_FILENO);
    }
    abort();
}
