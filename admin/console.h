/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.h - the server on admin-mysql_ifaces: the control thread and its loop.
 *
 * It speaks MySQL's protocol to many clients at once, checks who they are, and gives each statement
 * to the store. A statement runs to its end before the next one of any client begins; its answer is
 * sent as the client takes it.
 */
#ifndef ADMIN_CONSOLE_H
#define ADMIN_CONSOLE_H

#include "base/base.h"

struct console;
struct galeway;

/*
 * console_start - open the store and the interfaces, and begin to serve in a thread of its own,
 * which inherits the caller's signal mask.
 *
 * config_file: the file the process was started with; borrowed, outlives the console.
 * Returns 0, or an error that is logged: an interface cannot be bound, the store cannot be opened.
 */
int console_start(struct console **out, struct galeway *g, const char *config_file) MUST_CHECK;

/*
 * console_stop - closes everything, waits for the thread and frees the console. NULL is fine. Any
 * other thread.
 */
void console_stop(struct console *c);

/*
 * console_call - run fn(arg) on the control thread, soon. Asked for again before it has begun, it
 * runs once. There is one such call at a time: fn and arg must be the same each time. Any thread.
 */
void console_call(struct console *c, void (*fn)(void *arg), void *arg);

#endif
