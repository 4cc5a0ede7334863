/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - lines for people: time, level, who, what.
 *
 * error = an operator must act; warn = degraded; info = life of the process, one line when a
 * connection closes abnormally; debug = off by default. One call site writes at most 10 lines a
 * second, then says how many it suppressed. Arguments are not evaluated when the level is off.
 * Any thread. Nothing secret; no statement text above debug.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>

#include "base/base.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Whose line it is. Zero and empty fields are left out. Borrowed while the call runs. */
struct log_who {
    uint64_t client_id;
    uint64_t server_id;
    const char *user;  /* terminated, or NULL */
    const char *peer;  /* "10.0.0.7:53122", or NULL */
    const char *node;  /* "db2:3306", or NULL */
    const char *doing; /* "logging in", or NULL */
};

/* One for each call site: how many lines this second. */
struct log_site {
    _Atomic uint64_t second;
    _Atomic uint32_t lines;
    _Atomic uint32_t suppressed;
};

extern _Atomic int log_level_now; /* enum log_level: what is written */

/*
 * log_open - write to the file at path (appended, mode 0640), or to stderr when path is NULL.
 * Returns 0 or a negative errno. log_reopen opens the same path again (after rotation), while other
 * threads write. log_open and log_close are for the start and the end, with one thread.
 */
int log_open(const char *path) MUST_CHECK;
int log_reopen(void) MUST_CHECK;
void log_close(void);

/*
 * log_fatal - write the line to the log, and to stderr when that is another place, and abort. For
 * bugs of ours and for memory that is out; never for what a peer, a file or the system sends.
 */
NO_RETURN void log_fatal(const char *format, ...) PRINTF_LIKE(1, 2);

/* log_line - use the macros below. who may be NULL; so may site: then there is no limit. */
void log_line(struct log_site *site, enum log_level level, const struct log_who *who,
              const char *format, ...) PRINTF_LIKE(4, 5);

#define LOG_AT(level, who, ...)                                                           \
    do {                                                                                  \
        if ((int)(level) <= atomic_load_explicit(&log_level_now, memory_order_relaxed)) { \
            static struct log_site log_site_here;                                         \
            log_line(&log_site_here, (level), (who), __VA_ARGS__);                        \
        }                                                                                 \
    } while (0)

#define log_error(who, ...) LOG_AT(LOG_ERROR, who, __VA_ARGS__)
#define log_warn(who, ...)  LOG_AT(LOG_WARN, who, __VA_ARGS__)
#define log_info(who, ...)  LOG_AT(LOG_INFO, who, __VA_ARGS__)
#define log_debug(who, ...) LOG_AT(LOG_DEBUG, who, __VA_ARGS__)

#endif
