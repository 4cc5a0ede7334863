/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_ends.c - see console_ends.h.
 */
#include "tests/unit/console_ends.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "protocol/auth.h"
#include "protocol/command.h"
#include "protocol/packet.h"

struct seen seen;

/* --- the stand-in ----------------------------------------------------------------------------- */

static void begin(struct store_session *s, const char *user, bool is_admin)
{
    *s = (struct store_session){.is_admin = is_admin};
    (void)snprintf(s->user, sizeof(s->user), "%.64s", user);
    seen.begun++;
    seen.was_admin = is_admin;
    (void)snprintf(seen.user, sizeof(seen.user), "%.79s", user);
}

static void end(struct store_session *s)
{
    *s = (struct store_session){0};
    seen.ended++;
}

/* "ROWS 3 100" */
static bool read_numbers(const char *text, const char *word, unsigned *first, unsigned *second)
{
    size_t n = strlen(word);
    char *end;

    if (strncmp(text, word, n) != 0) {
        return false;
    }
    *first = (unsigned)strtoul(text + n, &end, 10);
    *second = (unsigned)strtoul(end, &end, 10);
    return *end == '\0';
}

/* "LATER": a job that waits until the test lets it go on, or nobody waits for it. */
atomic_bool later_may_end;

static void run_later(struct reply_job *job, struct reply *out)
{
    static const char *const names[] = {"late"};

    while (!atomic_load(&later_may_end) && !atomic_load(&job->is_abandoned)) {
        (void)sched_yield();
    }
    reply_columns(out, 1, names);
    reply_text(out, "x");
}

static void free_later(struct reply_job *job)
{
    mem_free(MEM_ADMIN, job);
}

static void answer_later(struct reply *reply)
{
    struct reply_job *job = mem_new(MEM_ADMIN, sizeof(*job));

    job->run = run_later;
    job->free = free_later;
    reply_later(reply, job);
}

static void run(struct store *store, struct store_session *who, struct slice sql,
                struct reply *reply)
{
    static const char *const names[] = {"a", "b"};
    char *text = strndup(sql.data, sql.len);
    unsigned rows = 0, bytes = 0;

    (void)store;
    (void)who;
    assert_true(seen.n < SEEN_MAX);
    assert_non_null(text);
    seen.sql[seen.n++] = text;
    if (strcmp(text, "FAIL") == 0) {
        reply_error(reply, 1146, "42S02", "no such table: %s", "x");
    } else if (strcmp(text, "HUGE") == 0) {
        reply_columns(reply, 2, names);
        reply->too_large = true;
    } else if (strcmp(text, "LATER") == 0) {
        answer_later(reply);
    } else if (read_numbers(text, "ROWS ", &rows, &bytes)) {
        char *value = malloc(bytes + 1);

        assert_non_null(value);
        memset(value, 'x', bytes);
        reply_columns(reply, 2, names);
        for (unsigned i = 0; i < rows; i++) {
            reply_value(reply, (struct slice){value, bytes});
            reply_text(reply, NULL);
        }
        free(value);
    } else {
        reply_info(reply, 3, NULL);
    }
}

const char *seen_sql(size_t n)
{
    assert_true(n < seen.n);
    return seen.sql[n];
}

void seen_forget(void)
{
    for (size_t i = 0; i < seen.n; i++) {
        free(seen.sql[i]);
    }
    seen = (struct seen){0};
}

/* --- the console ------------------------------------------------------------------------------ */

void console_make(struct console_fix *f, const char *variables)
{
    struct console_engine engine = {.begin = begin, .end = end, .run = run};
    struct faults faults = {0};
    char text[2048];

    (void)signal(SIGPIPE, SIG_IGN);
    *f = (struct console_fix){.g = {.n_workers = 0}};
    (void)snprintf(text, sizeof(text),
                   "mysql_variables={failed_login_delay_ms=0};admin_variables={%s}", variables);
    assert_int_equal(conf_load_text(&f->snapshot.conf, "t.cnf", slice_of(text), &faults), 0);
    faults_fini(&faults);
    atomic_store(&f->snapshot.refs, 100); /* is never freed: it is no block of its own */
    f->g.snapshot = &f->snapshot;
    assert_int_equal(pthread_mutex_init(&f->g.snapshot_lock, NULL), 0);
    assert_int_equal(pthread_mutex_init(&f->g.node_facts.lock, NULL), 0);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    console_core_init(&f->core, &f->g, &f->loop, &engine);
}

void console_done(struct console_fix *f)
{
    console_core_close(&f->core);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->core.n_served, 0);
    console_core_fini(&f->core);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    conf_unref(f->snapshot.conf);
    assert_int_equal(seen.begun, seen.ended);
    seen_forget();
    assert_int_equal(mem_blocks(MEM_ADMIN), 0);
    assert_int_equal(mem_blocks(MEM_BUFFER), 0);
}

/* --- an end ----------------------------------------------------------------------------------- */

void end_connect(struct console_fix *f, struct console_end *e)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    *e = (struct console_end){.fix = f, .fd = fds[1]};
    assert_int_equal(fcntl(e->fd, F_SETFL, O_NONBLOCK), 0);
    console_open(&f->core, fds[0]);
}

void end_close(struct console_end *e)
{
    (void)close(e->fd);
    free(e->got);
    e->got = NULL;
    (void)uv_run(&e->fix->loop, UV_RUN_NOWAIT);
    (void)uv_run(&e->fix->loop, UV_RUN_NOWAIT);
}

static void fill(struct console_end *e)
{
    static uint8_t bytes[65536];
    ssize_t n;

    (void)uv_run(&e->fix->loop, UV_RUN_NOWAIT);
    n = read(e->fd, bytes, sizeof(bytes));
    if (n > 0) {
        e->got = realloc(e->got, e->n_got + (size_t)n);
        assert_non_null(e->got);
        memcpy(e->got + e->n_got, bytes, (size_t)n);
        e->n_got += (size_t)n;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        e->is_closed = true;
    }
}

void end_send(struct console_end *e, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    while (len > 0) {
        ssize_t n = write(e->fd, bytes, len);

        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (n < 0 && errno != EAGAIN) {
            return; /* closed: the caller looks for that */
        }
        (void)uv_run(&e->fix->loop, UV_RUN_NOWAIT);
    }
}

void end_command(struct console_end *e, uint8_t command, const void *body, size_t len)
{
    uint8_t head[PACKET_HEADER + 1];

    packet_write_header(head, (uint32_t)len + 1, 0);
    head[PACKET_HEADER] = command;
    end_send(e, head, sizeof(head));
    end_send(e, body, len);
}

void end_query(struct console_end *e, const char *sql)
{
    end_command(e, COM_QUERY, sql, strlen(sql));
}

struct slice end_packet(struct console_end *e)
{
    static uint8_t *last;
    size_t n;

    while (!e->is_closed &&
           (e->n_got < PACKET_HEADER || e->n_got < PACKET_HEADER + packet_length(e->got))) {
        fill(e);
    }
    if (e->n_got < PACKET_HEADER || e->n_got < PACKET_HEADER + packet_length(e->got)) {
        e->n_got = 0; /* closed in the middle of a packet */
        return (struct slice){NULL, 0};
    }
    n = packet_length(e->got);
    e->packet_seq = packet_sequence(e->got);
    free(last);
    last = malloc(n + 1);
    assert_non_null(last);
    memcpy(last, e->got + PACKET_HEADER, n);
    e->n_got -= PACKET_HEADER + n;
    memmove(e->got, e->got + PACKET_HEADER + n, e->n_got);
    return (struct slice){(const char *)last, n};
}

void end_expect_ok(struct console_end *e)
{
    struct slice p = end_packet(e);

    assert_true(p.data != NULL && p.data[0] == 0);
}

void end_expect_error(struct console_end *e, uint16_t number)
{
    struct slice p = end_packet(e);
    struct err err;

    assert_non_null(p.data);
    assert_int_equal(err_decode(&err, (const uint8_t *)p.data, p.len), 0);
    assert_int_equal(err.number, number);
}

void end_expect_closed(struct console_end *e)
{
    while (!e->is_closed) {
        fill(e);
    }
    assert_int_equal(e->n_got, 0);
}

size_t end_rows(struct console_end *e, uint16_t *status)
{
    struct slice p = end_packet(e);
    size_t n_columns, n = 0;

    assert_int_equal(p.len, 1);
    n_columns = (size_t)p.data[0];
    for (size_t i = 0; i < n_columns; i++) {
        struct column column;

        p = end_packet(e);
        assert_int_equal(column_decode(&column, 0, (const uint8_t *)p.data, p.len), 0);
        assert_int_equal(column.type, TYPE_VAR_STRING);
    }
    p = end_packet(e);
    assert_int_equal((uint8_t)p.data[0], 0xfe);
    for (;; n++) {
        p = end_packet(e);
        assert_non_null(p.data);
        if (p.len == 5 && (uint8_t)p.data[0] == 0xfe) {
            *status = peek_u16((const uint8_t *)p.data + 3);
            return n;
        }
    }
}

void end_greeting(struct console_end *e)
{
    struct slice p = end_packet(e);
    struct greeting g;

    assert_int_equal(greeting_decode(&g, (const uint8_t *)p.data, p.len), 0);
    memcpy(e->salt, g.salt, SALT_LEN);
    e->thread_id = g.thread_id;
    assert_true((g.status & STATUS_NO_BACKSLASH_ESCAPES) != 0);
}

size_t end_login_bytes(struct console_end *e, uint8_t *out, size_t cap, const char *user,
                       const char *password, uint32_t more_caps)
{
    struct writer w = writer_of(out, cap);
    uint8_t response[SHA1_LEN];
    struct secret secret;
    struct login l = {.caps = CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH | more_caps,
                      .charset = 45,
                      .user = slice_of(user),
                      .plugin = SLICE(PLUGIN_NATIVE)};

    assert_int_equal(secret_parse(&secret, slice_of(password)), 0);
    native_response(response, secret.stage1, e->salt);
    if (password[0] != '\0') {
        l.response = (struct slice){(const char *)response, sizeof(response)};
    }
    login_encode(&w, &l, 1);
    assert_false(w.failed);
    return w.len;
}

void end_login(struct console_end *e, const char *user, const char *password, uint32_t more_caps)
{
    uint8_t bytes[512];

    end_send(e, bytes, end_login_bytes(e, bytes, sizeof(bytes), user, password, more_caps));
}

void end_open(struct console_fix *f, struct console_end *e)
{
    end_connect(f, e);
    end_greeting(e);
    end_login(e, "admin", "admin", CAP_MULTI_STATEMENTS);
    end_expect_ok(e);
}
