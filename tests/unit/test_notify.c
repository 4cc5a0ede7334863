/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_notify.c - what the service manager is told, and when it is not told that all is well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/notify.h"
#include "proxy/watchdog.h"
#include "proxy/worker.h"
#include "tests/unit/test.h"

/* A socket without a file; its name is put into the environment. */
static int listen_as_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    char name[64];
    int n = snprintf(name, sizeof(name), "@galeway-unit-%d", (int)getpid());

    assert_true(fd >= 0);
    memcpy(address.sun_path + 1, name + 1, (size_t)n - 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
                     0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void assert_told(int fd, const char *expected)
{
    char text[1024] = "";
    ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    assert_true(n > 0);
    assert_string_equal(text, expected);
}

static void assert_told_nothing(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
}

TEST(notify_tells_the_socket_of_the_environment_and_forgets_it)
{
    int fd = listen_as_manager();
    struct notify n;

    assert_int_equal(setenv("WATCHDOG_USEC", "3000000", 1), 0);
    notify_open(&n);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_int_equal(n.watchdog_us, 3000000);
    clock_set_us(77);
    notify_ready(&n, "on 6033");
    assert_told(fd, "READY=1\nSTATUS=on 6033");
    notify_reloading(&n);
    assert_told(fd, "RELOADING=1\nMONOTONIC_USEC=77\nSTATUS=reading the configuration again");
    notify_stopping(&n, 5000);
    assert_told(fd, "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\nSTATUS=draining: what runs may end");
    notify_close(&n);
    notify_tell(&n, "after the end");
    assert_told_nothing(fd);
    (void)close(fd);
}

TEST(notify_watchdog_of_another_process_is_not_ours)
{
    int fd = listen_as_manager();
    struct notify n;

    assert_int_equal(setenv("WATCHDOG_USEC", "3000000", 1), 0);
    assert_int_equal(setenv("WATCHDOG_PID", "1", 1), 0);
    notify_open(&n);
    assert_true(n.fd >= 0);
    assert_int_equal(n.watchdog_us, 0);
    notify_close(&n);
    (void)close(fd);
}

TEST(notify_without_a_socket_or_with_a_bad_one_says_nothing)
{
    static const char *const names[] = {NULL, "", "@", "/", "relative", "/nowhere/at/all"};
    char longest[300];
    struct notify n;

    atomic_store(&log_level_now, LOG_ERROR);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i] != NULL) {
            assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        }
        notify_open(&n);
        assert_int_equal(n.fd, -1);
        notify_ready(&n, "");
        notify_close(&n);
    }
    memset(longest, 'x', sizeof(longest) - 1);
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(setenv("NOTIFY_SOCKET", longest, 1), 0);
    notify_open(&n);
    assert_int_equal(n.fd, -1);
}

TEST(watchdog_sees_the_worker_that_does_not_turn)
{
    static struct worker first, second;
    static struct galeway g;
    struct watchdog dog = {{0}};

    atomic_store(&log_level_now, LOG_ERROR);
    g.n_workers = 2;
    g.workers[0] = &first;
    g.workers[1] = &second;
    assert_false(watchdog_look(&dog, &g)); /* none has turned yet */
    atomic_store(&first.shown_ticks, 10);
    assert_false(watchdog_look(&dog, &g));
    atomic_store(&first.shown_ticks, 20);
    atomic_store(&second.shown_ticks, 1);
    assert_true(watchdog_look(&dog, &g));
    atomic_store(&second.shown_ticks, 2);
    assert_false(watchdog_look(&dog, &g));
    atomic_store(&first.has_ended, true); /* drained: it need not turn */
    atomic_store(&second.shown_ticks, 3);
    assert_true(watchdog_look(&dog, &g));
}
