/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_ends.h - clients of a console in one thread: a real loop, socket pairs, and a stand-in
 * for the store that remembers what it was told to run.
 */
#ifndef TESTS_UNIT_CONSOLE_ENDS_H
#define TESTS_UNIT_CONSOLE_ENDS_H

#include "admin/console_client.h"
#include "protocol/caps.h"
#include "protocol/greet.h"
#include "protocol/reply.h"
#include "tests/unit/test.h"

#define SEEN_MAX 512

/*
 * What the stand-in answers: "ROWS n bytes" rows of two columns, "FAIL" an error, "HUGE" a reply
 * that is too large, "LATER" a row from another thread when later_may_end is true, anything else
 * OK.
 */
struct seen {
    size_t n;
    char *sql[SEEN_MAX]; /* owned */
    unsigned begun, ended;
    bool was_admin;
    char user[80];
};

extern struct seen seen;
extern atomic_bool later_may_end;

struct console_fix {
    uv_loop_t loop;
    struct galeway g;
    struct snapshot snapshot;
    struct console_core core;
};

/* The other end of one connection. */
struct console_end {
    struct console_fix *fix;
    int fd;
    uint8_t *got; /* owned: what was read and not taken */
    size_t n_got;
    bool is_closed; /* by the console */
    uint8_t salt[SALT_LEN];
    uint32_t thread_id;
    uint8_t packet_seq; /* of the last packet taken */
};

/*
 * console_make - a console with these admin variables (libconfig text). console_done - nothing is
 * left of it.
 */
void console_make(struct console_fix *f, const char *variables);
void console_done(struct console_fix *f);

/*
 * end_connect - a connection; nothing is read yet. end_close - close it and wait until the console
 * has noticed.
 */
void end_connect(struct console_fix *f, struct console_end *e);
void end_close(struct console_end *e);

void end_send(struct console_end *e, const void *data, size_t len);
/* end_command - one packet: the command byte and the body. */
void end_command(struct console_end *e, uint8_t command, const void *body, size_t len);
void end_query(struct console_end *e, const char *sql);

/*
 * end_packet - the next packet's payload (valid until the next call on e); {NULL, 0} when the
 * console has closed.
 */
struct slice end_packet(struct console_end *e);
void end_expect_ok(struct console_end *e);
void end_expect_error(struct console_end *e, uint16_t number);
void end_expect_closed(struct console_end *e);
/* end_rows - reads a whole result; gives its number of rows and the status of its end. */
size_t end_rows(struct console_end *e, uint16_t *status);

/*
 * end_greeting - read it. end_login - answer it by the native plugin. end_open - connect and log
 * in.
 */
void end_greeting(struct console_end *e);
void end_login(struct console_end *e, const char *user, const char *password, uint32_t more_caps);
void end_open(struct console_fix *f, struct console_end *e);
/* end_login_bytes - the packet that end_login sends. */
size_t end_login_bytes(struct console_end *e, uint8_t *out, size_t cap, const char *user,
                       const char *password, uint32_t more_caps);

/* the n-th statement that was run */
const char *seen_sql(size_t n);
void seen_forget(void);

#endif
