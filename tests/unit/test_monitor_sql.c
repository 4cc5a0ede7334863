/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_monitor_sql.c - the monitor's connection to servers that are not there, say no, or say
 * nothing.
 *
 * The server is a listening socket of this process; what real nodes answer is tested in
 * tests/integration/.
 */
#include <arpa/inet.h>
#include <errmsg.h>
#include <fcntl.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "pool/monitor_sql.h"
#include "tests/unit/test.h"

struct fixture {
    struct node node; /* the widest alignment first */
    uv_loop_t loop;
    struct sql_link *link;
    struct sql_result result;
    unsigned n_done;
    int listener;
    int peer;
};

static void on_begin(void *arg)
{
    (void)arg;
}

static void on_row(void *arg, char *const *columns, unsigned n)
{
    (void)arg;
    (void)columns;
    (void)n;
}

static void on_done(void *arg, const struct sql_result *result)
{
    struct fixture *f = arg;

    f->result = *result;
    f->n_done++;
}

static const struct sql_handler handler = {on_begin, on_row, on_done, on_begin};

static void begin(struct fixture *f)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&f->node.sockaddr;
    socklen_t len = sizeof(*in);

    *f = (struct fixture){.peer = -1};
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->listener = socket(AF_INET, SOCK_STREAM, 0);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(f->listener, (struct sockaddr *)in, len), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)in, &len), 0);
    f->node.port = ntohs(in->sin_port);
    f->node.is_resolved = true;
    f->link = sql_link_new(&f->loop, &handler, f);
}

static void ask(struct fixture *f, unsigned connect_ms)
{
    struct sql_target target = {.node = &f->node,
                                .user = "monitor",
                                .password = "monitor",
                                .sql = "SELECT 1",
                                .connect_ms = connect_ms,
                                .answer_ms = 1000};

    sql_link_ask(f->link, &target);
}

static void run_until_done(struct fixture *f)
{
    unsigned n = f->n_done;

    while (f->n_done == n) {
        assert_true(uv_run(&f->loop, UV_RUN_ONCE) != 0 || f->n_done != n);
    }
    assert_false(sql_link_is_busy(f->link));
}

static void end(struct fixture *f)
{
    sql_link_close(f->link);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    if (f->peer >= 0) {
        (void)close(f->peer);
    }
    if (f->listener >= 0) {
        (void)close(f->listener);
    }
}

/* Instead of a greeting: error 1040. */
static void say_full(struct fixture *f)
{
    static const char packet[] = "\x17\0\0\0\xff\x10\x04Too many connections";

    f->peer = accept(f->listener, NULL, NULL);
    assert_true(f->peer >= 0);
    assert_int_equal(write(f->peer, packet, sizeof(packet) - 1), sizeof(packet) - 1);
}

/* This thread is late: nothing runs on the loop meanwhile. */
static void be_late(unsigned ms)
{
    struct timespec ts = {.tv_nsec = (long)ms * 1000000};

    (void)nanosleep(&ts, NULL);
}

TEST(monitor_sql_refused_is_broken)
{
    struct fixture f;

    begin(&f);
    (void)close(f.listener);
    f.listener = -1;
    ask(&f, 1000);
    assert_int_equal(f.n_done, 0); /* never from inside the call */
    run_until_done(&f);
    assert_int_equal(f.result.kind, REPORT_BROKEN);
    assert_int_equal(f.result.error, CR_CONNECTION_ERROR);
    assert_true(f.result.connect_us > 0);
    end(&f);
}

TEST(monitor_sql_a_socket_file_that_is_not_there_is_broken)
{
    char path[] = "/nonexistent/galeway.sock";
    struct fixture f;

    begin(&f);
    f.node.port = 0;
    f.node.address = path;
    ask(&f, 1000);
    run_until_done(&f);
    assert_int_equal(f.result.kind, REPORT_BROKEN);
    end(&f);
}

TEST(monitor_sql_an_address_without_a_number_is_broken)
{
    struct fixture f;

    begin(&f);
    f.node.is_resolved = false;
    ask(&f, 1000);
    run_until_done(&f);
    assert_int_equal(f.result.kind, REPORT_BROKEN);
    assert_int_equal(f.result.error, CR_UNKNOWN_HOST);
    end(&f);
}

TEST(monitor_sql_a_silent_server_is_a_timeout_each_time)
{
    struct fixture f;

    begin(&f);
    for (int i = 0; i < 3; i++) {
        uint64_t began = clock_now_ms();

        ask(&f, 60);
        run_until_done(&f);
        assert_int_equal(f.result.kind, REPORT_TIMEOUT);
        assert_string_equal(f.result.text, "no login within 60 ms");
        assert_true(clock_now_ms() - began >= 60);
    }
    end(&f);
}

TEST(monitor_sql_a_server_that_hangs_up_is_lost)
{
    struct fixture f;

    begin(&f);
    ask(&f, 1000);
    assert_true(uv_run(&f.loop, UV_RUN_ONCE) != 0); /* the connect is on its way */
    f.peer = accept(f.listener, NULL, NULL);
    (void)close(f.peer);
    f.peer = -1;
    run_until_done(&f);
    assert_int_equal(f.result.kind, REPORT_LOST);
    end(&f);
}

TEST(monitor_sql_a_full_server_is_there)
{
    struct fixture f;

    begin(&f);
    ask(&f, 1000);
    assert_true(uv_run(&f.loop, UV_RUN_ONCE) != 0);
    say_full(&f);
    run_until_done(&f);
    assert_int_equal(f.result.kind, REPORT_DENIED);
    assert_int_equal(f.result.error, ER_CON_COUNT_ERROR);
    end(&f);
}

TEST(monitor_sql_an_answer_that_lies_in_the_socket_counts_however_late_we_are)
{
    struct fixture f;

    begin(&f);
    ask(&f, 40);
    assert_true(uv_run(&f.loop, UV_RUN_ONCE) != 0);
    say_full(&f);
    be_late(200);
    run_until_done(&f);
    assert_int_equal(f.result.kind, REPORT_DENIED); /* and not a timeout */
    end(&f);
}

TEST(monitor_sql_a_deadline_that_comes_late_is_given_again)
{
    struct fixture f;
    uint64_t began;

    begin(&f);
    ask(&f, 100);
    assert_true(uv_run(&f.loop, UV_RUN_ONCE) != 0); /* it waits for the greeting */
    be_late(300);
    began = clock_now_ms();
    run_until_done(&f);
    assert_int_equal(f.result.kind, REPORT_TIMEOUT);
    assert_true(clock_now_ms() - began >= 100);
    end(&f);
}

/* The greeting is a packet of this length, as its header says, that begins so. */
static enum report_kind greet(uint32_t len, const char *text)
{
    uint8_t packet[65536 + 8] = {(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16)};
    struct fixture f;
    size_t n = MIN((size_t)len + 4, sizeof(packet));

    begin(&f);
    (void)snprintf((char *)packet + 4, 64, "%s", text);
    ask(&f, 300);
    (void)uv_run(&f.loop, UV_RUN_NOWAIT);
    f.peer = accept(f.listener, NULL, NULL);
    assert_true(f.peer >= 0);
    assert_int_equal(write(f.peer, packet, n), n);
    run_until_done(&f);
    end(&f);
    return f.result.kind;
}

TEST(monitor_sql_what_is_no_database_is_broken)
{
    assert_int_equal(greet(20, "\x09 no such protocol"), REPORT_BROKEN);
    assert_int_equal(greet(12000000, "\x0a"
                                     "10.11"),
                     REPORT_LOST); /* an endless greeting: the library gives up */
}

/* The descriptor of this process that is connected to the listener; -1 = none. */
static int find_connection(const struct fixture *f)
{
    for (int fd = 0; fd < 256; fd++) {
        struct sockaddr_in in = {0};
        socklen_t len = sizeof(in);

        if (getpeername(fd, (struct sockaddr *)&in, &len) == 0 && in.sin_family == AF_INET &&
            ntohs(in.sin_port) == f->node.port) {
            return fd;
        }
    }
    return -1;
}

TEST(monitor_sql_no_program_that_is_run_gets_the_connection)
{
    struct fixture f;
    int fd;

    begin(&f);
    ask(&f, 2000);
    while ((fd = find_connection(&f)) < 0) {
        assert_int_not_equal(uv_run(&f.loop, UV_RUN_ONCE), 0);
    }
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    end(&f);
}

TEST(monitor_sql_may_be_closed_at_any_time)
{
    struct fixture f;

    begin(&f); /* never asked */
    end(&f);
    begin(&f); /* not begun */
    ask(&f, 1000);
    end(&f);
    begin(&f); /* on its way */
    ask(&f, 1000);
    assert_true(uv_run(&f.loop, UV_RUN_ONCE) != 0);
    end(&f);
    assert_int_equal(f.n_done, 0);
}

TEST(monitor_sql_errors_tell_who_is_there)
{
    assert_int_equal(sql_kind_of(0), REPORT_OK);
    assert_int_equal(sql_kind_of(CR_SERVER_LOST), REPORT_LOST);
    assert_int_equal(sql_kind_of(CR_SERVER_GONE_ERROR), REPORT_LOST);
    assert_int_equal(sql_kind_of(ER_SERVER_SHUTDOWN), REPORT_BROKEN);
    assert_int_equal(sql_kind_of(ER_CON_COUNT_ERROR), REPORT_DENIED);
    assert_int_equal(sql_kind_of(ER_ACCESS_DENIED_ERROR), REPORT_DENIED);
    assert_int_equal(sql_kind_of(ER_TOO_MANY_USER_CONNECTIONS), REPORT_DENIED);
    assert_int_equal(sql_kind_of(ER_USER_LIMIT_REACHED), REPORT_DENIED);
    assert_int_equal(sql_kind_of(ER_HOST_IS_BLOCKED), REPORT_DENIED);
    assert_int_equal(sql_kind_of(CR_VERSION_ERROR), REPORT_BROKEN);
    assert_int_equal(sql_kind_of(CR_SERVER_HANDSHAKE_ERR), REPORT_BROKEN);
}
