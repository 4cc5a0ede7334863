/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events_log.c - see events_log.h. Two buffers: one is filled while the other is written.
 */
#include "proxy/events_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#define NUMBER_MAX 99999999u /* eight digits, as ProxySQL names its files */

struct events_log {
    const char *variable, *name; /* static */
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_t thread;
    bool is_running;
    bool is_stopping;
    bool wants_new_file;
    char path[PATH_MAX]; /* "" = nowhere */
    uint64_t file_size;
    uint64_t dropped;
    char *filling; /* owned; NULL until the first line */
    size_t len;
    /* the thread's own */
    char *writing;
    int fd; /* -1 = none open */
    unsigned number;
    uint64_t written; /* bytes in the open file */
    char open_path[PATH_MAX];
};

struct events_log *events_log_new(const char *variable, const char *name)
{
    struct events_log *log = mem_new(MEM_LOG, sizeof(*log));

    log->variable = variable;
    log->name = name;
    log->fd = -1;
    CHECK(pthread_mutex_init(&log->lock, NULL) == 0);
    CHECK(pthread_cond_init(&log->filled, NULL) == 0);
    return log;
}

void events_log_stop(struct events_log *log)
{
    bool was_running;

    CHECK(pthread_mutex_lock(&log->lock) == 0);
    was_running = log->is_running;
    log->is_running = false; /* what is added from here on is lost */
    log->is_stopping = true;
    CHECK(pthread_cond_signal(&log->filled) == 0);
    CHECK(pthread_mutex_unlock(&log->lock) == 0);
    if (was_running) {
        CHECK(pthread_join(log->thread, NULL) == 0);
    }
}

void events_log_free(struct events_log *log)
{
    if (log == NULL) {
        return;
    }
    events_log_stop(log);
    (void)pthread_cond_destroy(&log->filled);
    (void)pthread_mutex_destroy(&log->lock);
    mem_free(MEM_LOG, log->filling);
    mem_free(MEM_LOG, log->writing);
    mem_free(MEM_LOG, log);
}

void events_log_configure(struct events_log *log, const char *folder, const char *file,
                          uint64_t file_size)
{
    char path[PATH_MAX] = "";
    int n = 0;

    if (file[0] == '/' || folder[0] == '\0') {
        n = snprintf(path, sizeof(path), "%s", file);
    } else if (file[0] != '\0') {
        n = snprintf(path, sizeof(path), "%s/%s", folder, file);
    }
    if (n < 0 || (size_t)n >= sizeof(path)) {
        log_error(NULL, "%s: the path is too long: nothing is logged", log->variable);
        path[0] = '\0';
    }
    CHECK(pthread_mutex_lock(&log->lock) == 0);
    memcpy(log->path, path, sizeof(path));
    log->file_size = file_size;
    CHECK(pthread_mutex_unlock(&log->lock) == 0);
}

void events_log_rotate(struct events_log *log)
{
    CHECK(pthread_mutex_lock(&log->lock) == 0);
    log->wants_new_file = true;
    CHECK(pthread_mutex_unlock(&log->lock) == 0);
}

void events_log_lost(struct events_log *log)
{
    CHECK(pthread_mutex_lock(&log->lock) == 0);
    log->dropped++;
    CHECK(pthread_mutex_unlock(&log->lock) == 0);
}

uint64_t events_log_dropped(struct events_log *log)
{
    uint64_t dropped;

    CHECK(pthread_mutex_lock(&log->lock) == 0);
    dropped = log->dropped;
    CHECK(pthread_mutex_unlock(&log->lock) == 0);
    return dropped;
}

/* --- the thread ------------------------------------------------------------------------------- */

static void close_file(struct events_log *log)
{
    if (log->fd >= 0) {
        (void)close(log->fd);
        log->fd = -1;
    }
}

static void say_not_written(const struct events_log *log, const char *path, int rc)
{
    log_error(NULL, "cannot write %s (%s): %s", path, log->variable, err_text(rc));
}

/* The next number that no file has: what is there is never written to again. */
static void open_file(struct events_log *log)
{
    char name[PATH_MAX + 16];

    while (log->fd < 0 && log->number < NUMBER_MAX) {
        (void)snprintf(name, sizeof(name), "%s.%08u", log->open_path, ++log->number);
        log->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
        if (log->fd < 0 && errno != EEXIST) {
            say_not_written(log, name, -errno);
            log->number--;
            return;
        }
    }
    log->written = 0;
}

/* Bytes of the whole lines in the first len bytes. */
static size_t whole_lines(const char *text, size_t len)
{
    while (len > 0 && text[len - 1] != '\n') {
        len--;
    }
    return len;
}

/*
 * How many bytes were written, whole lines. When the disk is full what follows goes to the same
 * file as soon as it takes it: a new one with each attempt would be a folder of empty ones.
 */
static size_t write_all(struct events_log *log, size_t len)
{
    size_t at = 0, whole;

    while (log->fd >= 0 && at < len) {
        ssize_t n = write(log->fd, log->writing + at, len - at);

        if (n > 0) {
            at += (size_t)n;
        } else if (errno != EINTR) {
            say_not_written(log, log->open_path, -errno);
            break;
        }
    }
    whole = whole_lines(log->writing, at);
    log->written += whole;
    if (whole < at && ftruncate(log->fd, (off_t)log->written) != 0) {
        close_file(log);
    }
    return whole;
}

static size_t count_lines(const char *text, size_t len)
{
    size_t lines = 0;

    for (size_t i = 0; i < len; i++) {
        lines += text[i] == '\n' ? 1 : 0;
    }
    return lines;
}

/* What waits, to the file. Called with the lock held, which is not held while it is written. */
static void write_out(struct events_log *log)
{
    size_t len = log->len;
    uint64_t limit = log->file_size;
    char *swap = log->writing;
    size_t written;

    log->writing = log->filling;
    log->filling = swap;
    log->len = 0;
    if (log->wants_new_file || strcmp(log->open_path, log->path) != 0) {
        close_file(log);
        log->number = strcmp(log->open_path, log->path) != 0 ? 0 : log->number;
        memcpy(log->open_path, log->path, sizeof(log->path));
        log->wants_new_file = false;
    }
    CHECK(pthread_mutex_unlock(&log->lock) == 0);
    if (log->fd >= 0 && log->written >= limit) {
        close_file(log);
    }
    if (log->fd < 0 && log->open_path[0] != '\0') {
        open_file(log);
    }
    written = write_all(log, len);
    CHECK(pthread_mutex_lock(&log->lock) == 0);
    log->dropped += count_lines(log->writing + written, len - written);
}

static void *run(void *arg)
{
    struct events_log *log = arg;

    (void)pthread_setname_np(pthread_self(), log->name);
    CHECK(pthread_mutex_lock(&log->lock) == 0);
    while (!log->is_stopping || log->len > 0) {
        if (log->len > 0) {
            write_out(log);
        } else {
            CHECK(pthread_cond_wait(&log->filled, &log->lock) == 0);
        }
    }
    CHECK(pthread_mutex_unlock(&log->lock) == 0);
    close_file(log);
    return NULL;
}

/*
 * The caller's thread has the signals blocked that are the main thread's, and so has the new one.
 */
static void start(struct events_log *log)
{
    log->filling = mem_new(MEM_LOG, EVENTS_BUFFER);
    log->writing = mem_new(MEM_LOG, EVENTS_BUFFER);
    log->is_running = pthread_create(&log->thread, NULL, run, log) == 0;
    if (!log->is_running) {
        log_error(NULL, "%s: no thread for it: nothing is logged", log->variable);
    }
}

void events_log_add(struct events_log *log, const char *line, size_t len)
{
    CHECK(pthread_mutex_lock(&log->lock) == 0);
    if (log->filling == NULL && !log->is_stopping) {
        start(log);
    }
    if (!log->is_running || log->is_stopping || len > EVENTS_BUFFER - log->len) {
        log->dropped++;
    } else {
        memcpy(log->filling + log->len, line, len);
        log->len += len;
        if (log->len == len) {
            CHECK(pthread_cond_signal(&log->filled) == 0);
        }
    }
    CHECK(pthread_mutex_unlock(&log->lock) == 0);
}
