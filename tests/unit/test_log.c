/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log.c - what lines look like, and that a site cannot flood the file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/test.h"

static char folder[] = "/tmp/galeway-log-XXXXXX";
static char path[64];
static char text[65536];

static void open_log(void)
{
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/log", folder);
    assert_int_equal(log_open(path), 0);
}

/* What the file has now. */
static const char *read_log(const char *from)
{
    FILE *file = fopen(from, "r");
    size_t n;

    assert_non_null(file);
    n = fread(text, 1, sizeof(text) - 1, file);
    text[n] = '\0';
    (void)fclose(file);
    return text;
}

static void remove_log(void)
{
    log_close();
    (void)unlink(path);
    (void)rmdir(folder);
}

static unsigned count_of(const char *in, const char *what)
{
    unsigned n = 0;

    for (; (in = strstr(in, what)) != NULL; in++) {
        n++;
    }
    return n;
}

TEST(log_line_has_time_level_who_and_what)
{
    const struct log_who who = {
        .client_id = 4711,
        .server_id = 88,
        .user = "app",
        .peer = "10.0.0.7:53122",
        .node = "db2:3306",
        .doing = "logging in",
    };
    const char *line;
    int year;
    int us;

    open_log();
    log_warn(&who, "login failed: %s", "no");
    line = read_log(path);
    /* NOLINTNEXTLINE(cert-err34-c): a test that reads its own output */
    assert_int_equal(sscanf(line, "%d-%*d-%*dT%*d:%*d:%*d.%6dZ", &year, &us), 2);
    assert_true(year >= 2024);
    assert_string_equal(line + strlen("2024-01-01T00:00:00.000000Z"),
                        " warn client#4711 app@10.0.0.7:53122 server#88 db2:3306 | logging in: "
                        "login failed: no\n");
    remove_log();
}

TEST(log_leaves_out_empty_fields)
{
    const struct log_who nobody = {.client_id = 0};
    const struct log_who node = {.node = "db1:3306"};
    const struct log_who user = {.client_id = 1, .user = "app"};

    open_log();
    log_error(NULL, "one");
    log_error(&nobody, "two");
    log_error(&node, "three");
    log_error(&user, "four");
    assert_non_null(strstr(read_log(path), "Z error one\n"));
    assert_non_null(strstr(text, "Z error two\n"));
    assert_non_null(strstr(text, "Z error db1:3306: three\n"));
    assert_non_null(strstr(text, "Z error client#1 app: four\n"));
    remove_log();
}

static int calls;

static int counted_call(void)
{
    return ++calls;
}

TEST(log_below_the_level_evaluates_nothing)
{
    open_log();
    log_debug(NULL, "call %d", counted_call());
    assert_int_equal(calls, 0);
    log_level_now = LOG_DEBUG;
    log_debug(NULL, "call %d", counted_call());
    assert_int_equal(calls, 1);
    assert_int_equal(count_of(read_log(path), "call"), 1);
    remove_log();
}

TEST(log_site_writes_ten_lines_a_second_then_says_how_many_it_kept_back)
{
    open_log();
    clock_set_us(5000000);
    for (int second = 0; second < 2; second++) {
        for (int i = 0; i < 35; i++) {
            log_info(NULL, "flood");
        }
        clock_set_us(6000000);
    }
    assert_int_equal(count_of(read_log(path), "flood"), 20);
    assert_int_equal(count_of(text, "flood (suppressed 25)\n"), 1);
    log_info(NULL, "another site");
    assert_int_equal(count_of(read_log(path), "another site\n"), 1);
    remove_log();
}

TEST(log_line_cannot_be_forged_or_endless)
{
    const struct log_who who = {.user = "a\nb\x1b[1m"};
    static char longer[5000];

    open_log();
    memset(longer, 'x', sizeof(longer) - 1);
    log_error(&who, "first\nsecond \xc3\xa4");
    log_error(NULL, "%s", longer);
    assert_non_null(strstr(read_log(path), " a?b?[1m: first?second \xc3\xa4\n"));
    assert_int_equal(count_of(text, "\n"), 2);
    assert_true(strlen(text) < 4096);
    remove_log();
}

TEST(log_reopen_follows_rotation)
{
    char rotated[80];
    struct stat st;

    open_log();
    log_error(NULL, "before");
    (void)snprintf(rotated, sizeof(rotated), "%s.1", path);
    assert_int_equal(rename(path, rotated), 0);
    log_error(NULL, "between");
    assert_int_equal(log_reopen(), 0);
    log_error(NULL, "after");
    assert_int_equal(count_of(read_log(rotated), "error"), 2);
    assert_int_equal(count_of(read_log(path), "after"), 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07, 0);
    (void)unlink(rotated);
    remove_log();
    assert_int_equal(log_reopen(), 0);
}

TEST(log_open_says_why_not)
{
    assert_int_equal(log_open("/nonexistent/galeway.log"), -ENOENT);
    assert_int_equal(log_open(NULL), 0);
}

static void die(void *arg)
{
    open_log();
    log_fatal("the end of %s", (const char *)arg);
}

TEST(log_fatal_tells_stderr_too)
{
    char who[] = "it";

    assert_non_null(strstr(test_abort_text(die, who), " error the end of it\n"));
    assert_int_equal(system("rm -rf /tmp/galeway-log-??????"), 0); /* NOLINT(cert-env33-c) */
}
