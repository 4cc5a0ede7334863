/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pass_phrase.h - keys that are locked: nobody is there who could be asked for a pass phrase.
 *
 * OpenSSL asks on the terminal, or on stdin, and waits: whoever gives us a key could so hold up the
 * thread that reads it.
 */
#ifndef PROTOCOL_PASS_PHRASE_H
#define PROTOCOL_PASS_PHRASE_H

/* pass_phrase_none - for calls of OpenSSL that take a callback: there is none. Any thread. */
int pass_phrase_none(char *buf, int size, int is_writing, void *arg);

/*
 * pass_phrase_never_ask - nor for calls that were given no callback, as those of the client library
 * and its plugins. Once, before any other thread.
 */
void pass_phrase_never_ask(void);

#endif
