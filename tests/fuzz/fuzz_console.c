/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_console.c - the dialogue with clients of the console: logins, commands, prepared statements,
 * answers that they do not read. What runs their statements is a stand-in (fuzz_admin.c has the
 * store). What must hold is in frame/frame.h.
 *
 * Input: when memory is not to be had (1; below 128: never), then steps: what (1), and what it
 * needs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "admin/console_client.h"
#include "protocol/caps.h"
#include "protocol/command.h"
#include "tests/fuzz/frame/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 60

static struct console_core core;

/* --- what runs statements --------------------------------------------------------------------- */

static void session_begin(struct store_session *s, const char *user, bool is_admin)
{
    *s = (struct store_session){.is_admin = is_admin};
    (void)snprintf(s->user, sizeof(s->user), "%.64s", user);
}

static void session_end(struct store_session *s)
{
    *s = (struct store_session){0};
}

/* "R" and two digits: so many rows of so many kilobytes. "F" fails, "H" is too large. */
static void run(struct store *store, struct store_session *who, struct slice sql,
                struct reply *reply)
{
    static const char *const names[] = {"a", "b"};
    static const char text[9000] = {0};

    (void)store;
    (void)who;
    if (sql.len > 2 && sql.data[0] == 'R') {
        reply_columns(reply, 2, names);
        for (int i = 0; i < (sql.data[1] & 0x3f); i++) {
            reply_value(reply, (struct slice){text, (size_t)(sql.data[2] & 7) * 1000});
            reply_text(reply, NULL);
        }
    } else if (sql.len > 0 && sql.data[0] == 'F') {
        reply_error(reply, 1146, "42S02", "no such table: %.*s", (int)MIN(sql.len, (size_t)200),
                    sql.data);
    } else if (sql.len > 0 && sql.data[0] == 'H') {
        reply_columns(reply, 2, names);
        reply->too_large = true;
    } else {
        reply_info(reply, 3, NULL);
    }
}

/* --- steps ------------------------------------------------------------------------------------ */

static void come(struct frame *f, struct script *s)
{
    uint8_t how = script_u8(s);
    struct frame_client *c;
    int fds[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    c = frame_client_take(f, fds[0]);
    console_open(&core, fds[1]);
    if (c == NULL) {
        frame_run(f);
    } else if ((how & 0x80) == 0) {
        frame_client_login(f, c, (how & 1) != 0 ? "stats" : "admin",
                           (how & 1) != 0   ? "stats"
                           : (how & 2) != 0 ? "wrong"
                                            : "admin",
                           (how & 4) != 0 ? "main" : "", (how & 8) != 0 ? CAP_MULTI_STATEMENTS : 0);
    }
}

static void send_text(struct frame *f, struct script *s, struct frame_client *c, uint8_t command)
{
    static const char *const texts[] = {"R33",        "SELECT 1; R33; F",
                                        "F",          "H",
                                        "",           ";;;",
                                        "R?7",        "SELECT ?",
                                        "R3? ? ?",    "INSERT INTO a VALUES(?,?)",
                                        "/* c",       "SELECT ';' -- ?",
                                        "R1; R2; R3", "a'b",
                                        "R97"};
    char text[128];
    uint8_t which = script_u8(s);
    size_t n;

    if (which < 128) {
        n = (size_t)snprintf(text, sizeof(text), "%s", texts[which % 15]);
    } else {
        n = script_bytes(s, (uint8_t *)text, which & 0x3f);
    }
    frame_client_command(f, c, command, text, n,
                         (which & 0x40) != 0 ? (size_t)script_u8(s) : SIZE_MAX);
}

static void send_stmt(struct frame *f, struct script *s, struct frame_client *c)
{
    static const uint8_t commands[] = {COM_STMT_EXECUTE, COM_STMT_SEND_LONG_DATA, COM_STMT_CLOSE,
                                       COM_STMT_RESET,   COM_STMT_FETCH,          COM_STMT_EXECUTE};
    uint8_t command = commands[script_u8(s) % 6];
    uint8_t id = script_u8(s);
    uint8_t bytes[128] = {id < 200 ? (uint8_t)c->last_stmt : id};
    size_t n = 4;

    if (command == COM_STMT_EXECUTE) {
        bytes[n] = script_u8(s) & 1;
        bytes[n + 1] = 1;
        n += 5;
    }
    n += script_bytes(s, bytes + n, script_u8(s) % 100);
    frame_client_command(f, c, command, bytes, n, SIZE_MAX);
}

static void send_any(struct frame *f, struct script *s, struct frame_client *c)
{
    uint8_t bytes[128];
    uint8_t command = script_u8(s);
    size_t n = script_bytes(s, bytes, script_u8(s) % sizeof(bytes));

    frame_client_command(f, c, command, bytes, n, SIZE_MAX);
}

static void send_raw(struct frame *f, struct script *s, struct frame_client *c)
{
    uint8_t bytes[256];
    size_t n = script_bytes(s, bytes, script_u8(s));

    if (n > 0) {
        frame_client_send(f, c, bytes, n);
    }
}

static void pass(struct frame *f, struct script *s)
{
    static const uint64_t times[] = {10, 1000, 11000, 30000000};

    frame_pass(f, times[script_u8(s) & 3]);
    console_core_tick(&core);
}

static void step(struct frame *f, struct script *s)
{
    uint8_t what = script_u8(s) & 0x0f;
    struct frame_client *c = what == 0 ? NULL : frame_client_find(f, script_u8(s));

    if (c == NULL) {
        come(f, s);
    } else if (what < 4) {
        send_text(f, s, c, COM_QUERY);
    } else {
        switch (what) {
        case 4:
        case 5: send_text(f, s, c, COM_STMT_PREPARE); break;
        case 6:
        case 7: send_stmt(f, s, c); break;
        case 8: send_any(f, s, c); break;
        case 9: send_raw(f, s, c); break;
        case 10: c->reads = !c->reads; break;
        case 11: (void)shutdown(c->fd, SHUT_WR); break;
        case 12: frame_client_close(f, c); break;
        case 13: pass(f, s); break;
        case 14: send_text(f, s, c, COM_INIT_DB); break;
        default: send_text(f, s, c, COM_FIELD_LIST); break;
        }
    }
    frame_run(f);
}

static void expect_nobody(struct frame *f)
{
    for (unsigned i = 0; i < FRAME_CLIENTS; i++) {
        if (f->clients[i].fd >= 0) {
            frame_client_close(f, &f->clients[i]);
        }
    }
    frame_run(f);
    CHECK(list_is_empty(&core.clients) && core.n_served == 0);
    CHECK(core.streams.queued_bytes == 0 && core.running == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct console_engine engine = {.begin = session_begin, .end = session_end, .run = run};
    struct script s = {data, data + size};
    unsigned fail_at = script_u8(&s);
    struct frame *f = frame_begin(0, fail_at < 128 ? 0 : fail_at - 127u);

    console_core_init(&core, f->g, &f->w->loop, &engine);
    core.answers_max = 200000;
    for (unsigned i = 0; i < STEPS_MAX && !script_is_over(&s); i++) {
        step(f, &s);
    }
    expect_nobody(f);
    console_core_fini(&core);
    frame_end(f);
    return 0;
}
