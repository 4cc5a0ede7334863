/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - runs the unit tests: unit [-l] [part of a name or file ...]
 *
 * Each test is a child process with a time limit; its output is shown only when it fails. The last
 * line is "N passed, N failed", and the exit status is 1 when any failed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/test.h"

#define TEST_LIMIT_S  20
#define STATUS_PASSED 42 /* not 0: a test whose code calls exit() must not pass */

static struct test *tests; /* in the order of file and line */

void test_register(struct test *test)
{
    struct test **at = &tests;

    while (*at != NULL) {
        int order = strcmp((*at)->file, test->file);

        if (order > 0 || (order == 0 && (*at)->line > test->line)) {
            break;
        }
        at = &(*at)->next;
    }
    test->next = *at;
    *at = test;
}

static bool is_wanted(const struct test *test, char **filters)
{
    if (*filters == NULL) {
        return true;
    }
    for (; *filters != NULL; filters++) {
        if (strstr(test->name, *filters) != NULL || strstr(test->file, *filters) != NULL) {
            return true;
        }
    }
    return false;
}

/* A child whose stdout and stderr go to fd and that leaves no core file. Returns like fork(). */
static pid_t fork_into(int fd)
{
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        const struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none);
        if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0) {
            _exit(125);
        }
    }
    return pid;
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    return status;
}

const char *test_abort_text(void (*fn)(void *arg), void *arg)
{
    static char text[4096];
    FILE *out = tmpfile();
    pid_t pid;
    int status;
    size_t n;

    assert_non_null(out);
    pid = fork_into(fileno(out));
    assert_true(pid >= 0);
    if (pid == 0) {
        fn(arg);
        _exit(0);
    }
    status = wait_for(pid);
    rewind(out);
    n = fread(text, 1, sizeof(text) - 1, out);
    text[n] = '\0';
    (void)fclose(out);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) {
        fail_msg("expected an abort, got wait status %d and: %s", status, text);
    }
    return text;
}

/* The child's part: exit() and not _exit(), so that a leak checker has its say. */
NO_RETURN static void run_here(const struct test *test)
{
    const struct CMUnitTest group[] = {{.name = test->name, .test_func = test->run}};

    (void)alarm(TEST_LIMIT_S);
    exit(cmocka_run_group_tests(group, NULL, NULL) == 0 ? STATUS_PASSED : 1);
}

static void show(FILE *out)
{
    char buffer[4096];
    size_t n;

    rewind(out);
    while ((n = fread(buffer, 1, sizeof(buffer), out)) > 0) {
        (void)fwrite(buffer, 1, n, stdout);
    }
}

static bool passes(const struct test *test)
{
    FILE *out = tmpfile();
    int status = -1;
    bool passed;
    pid_t pid;

    if (out == NULL) {
        perror("tmpfile");
        return false;
    }
    pid = fork_into(fileno(out));
    if (pid == 0) {
        run_here(test);
    }
    if (pid > 0) {
        status = wait_for(pid);
    }
    passed = WIFEXITED(status) && WEXITSTATUS(status) == STATUS_PASSED;
    if (!passed) {
        show(out);
        printf("FAILED %s (%s:%d)", test->name, test->file, test->line);
        if (WIFSIGNALED(status)) {
            bool late = WTERMSIG(status) == SIGALRM;

            printf(": %s", late ? "took too long" : strsignal(WTERMSIG(status)));
        } else if (WEXITSTATUS(status) == 0) {
            printf(": called exit()");
        }
        printf("\n");
    }
    (void)fclose(out);
    return passed;
}

int main(int argc, char **argv)
{
    bool only_list = argc > 1 && strcmp(argv[1], "-l") == 0;
    char **filters = argv + (only_list ? 2 : MIN(argc, 1));
    unsigned n_passed = 0;
    unsigned n_failed = 0;

    for (const struct test *test = tests; test != NULL; test = test->next) {
        uint64_t start_ms = clock_now_ms();

        if (!is_wanted(test, filters)) {
            continue;
        }
        if (only_list) {
            printf("%s\n", test->name);
        } else if (passes(test)) {
            uint64_t took_ms = clock_now_ms() - start_ms;

            n_passed++;
            if (took_ms > 1000) {
                printf("slow   %s: %llu ms\n", test->name, (unsigned long long)took_ms);
            }
        } else {
            n_failed++;
        }
    }
    if (!only_list) {
        printf("%u passed, %u failed\n", n_passed, n_failed);
    }
    return n_failed == 0 && (only_list || n_passed > 0) ? 0 : 1;
}
