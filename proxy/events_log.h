/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events_log.h - a file that events are logged to (statements, or who came and went): lines from
 * all workers, written by a thread of its own.
 *
 * Nobody waits for the disk: lines go to a buffer of fixed size, and when the disk cannot follow
 * they are dropped and counted. Files are named FILE.00000001, FILE.00000002, ...; a new one is
 * begun when the size is reached.
 */
#ifndef PROXY_EVENTS_LOG_H
#define PROXY_EVENTS_LOG_H

#include "base/base.h"

#define EVENTS_BUFFER ((size_t)1 << 20) /* bytes of lines that wait for the disk */

struct events_log;

/* events_log_new - variable: that names the file, for messages; name: of the thread. Static. */
struct events_log *events_log_new(const char *variable, const char *name);

/*
 * events_log_stop - writes what waits and ends the thread; what is added later is lost. Twice is
 * fine.
 */
void events_log_stop(struct events_log *log);

/* events_log_free - stops it first; NULL is fine. */
void events_log_free(struct events_log *log);

/*
 * events_log_configure - where to (a path that is not absolute is below folder; "" = nowhere), and
 * bytes of one file.
 */
void events_log_configure(struct events_log *log, const char *folder, const char *file,
                          uint64_t file_size);

/* events_log_rotate - go on in a new file. Any thread. */
void events_log_rotate(struct events_log *log);

/* events_log_add - a whole line with its end. The first one starts the thread. Any thread. */
void events_log_add(struct events_log *log, const char *line, size_t len);

/* events_log_lost - a line could not even be made. Any thread. */
void events_log_lost(struct events_log *log);

/* events_log_dropped - lines that were not written since the start. Any thread. */
uint64_t events_log_dropped(struct events_log *log);

#endif
