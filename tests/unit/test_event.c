/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_event.c - a statement as a line of the statement log, and the file it goes to.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "proxy/event.h"
#include "proxy/events_log.h"
#include "tests/unit/test.h"

static char line[EVENT_QUERY_MAX * 6 + 4096];

static const char *write_line(struct slice query)
{
    const struct event e = {
        .kind = "COM_QUERY",
        .thread_id = 7,
        .username = SLICE("u\"x"),
        .schemaname = SLICE("s"),
        .client = SLICE("10.0.0.1"),
        .server = SLICE("n:3306"),
        .hostgroup = 20,
        .rows_affected = 1,
        .last_insert_id = 2,
        .rows_sent = 3,
        .digest = 0xab,
        .start_us = 1000000,
        .end_us = 1000250,
        .query = query,
    };
    size_t len;

    assert_true(event_room(&e) <= sizeof(line));
    len = event_write(&e, line, event_room(&e));
    assert_true(len < event_room(&e));
    assert_int_equal(line[len - 1], '\n');
    line[len - 1] = '\0';
    return line;
}

TEST(event_has_the_fields_that_proxysql_has)
{
    static const char *const fields[] = {
        "{\"hostgroup_id\":20,\"thread_id\":7,\"event\":\"COM_QUERY\"",
        ",\"username\":\"u\\\"x\"",
        ",\"schemaname\":\"s\",\"client\":\"10.0.0.1\",\"server\":\"n:3306\"",
        ",\"rows_affected\":1,\"last_insert_id\":2,\"rows_sent\":3",
        ",\"query\":\"SELECT 1\"",
        "\"starttime_timestamp_us\":1000000",
        "\"endtime_timestamp_us\":1000250",
        "\"duration_us\":250,\"digest\":\"0x00000000000000AB\"}",
    };
    const char *text = write_line(SLICE("SELECT 1"));

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        assert_non_null(strstr(text, fields[i]));
    }
}

TEST(event_text_is_json_whatever_it_is)
{
    static const struct {
        const char *sql;
        const char *json;
    } rows[] = {
        {"a\"b\\c", "\"query\":\"a\\\"b\\\\c\""},
        {"a\n\tb\x7f", "\"query\":\"a\\u000a\\u0009b\\u007f\""},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
         "\"query\":\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {"\xe9", "\"query\":\"\\u00e9\""},
        {"\xc3", "\"query\":\"\\u00c3\""},
        {"\xc0\xaf", "\"query\":\"\\u00c0\\u00af\""},
        {"\xed\xa0\x80", "\"query\":\"\\u00ed\\u00a0\\u0080\""},
        {"\xf4\x90\x80\x80", "\"query\":\"\\u00f4\\u0090\\u0080\\u0080\""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_non_null(strstr(write_line(slice_of(rows[i].sql)), rows[i].json));
    }
}

TEST(event_longest_and_worst_text_fits)
{
    static char worst[EVENT_QUERY_MAX + 100];

    memset(worst, 1, sizeof(worst));
    assert_true(strlen(write_line((struct slice){worst, sizeof(worst)})) > 6 * EVENT_QUERY_MAX);
}

/* --- the file --------------------------------------------------------------------------------- */

static char folder[] = "/tmp/galeway-events-XXXXXX";

static long size_of(const char *name)
{
    char path[128];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static void forget(const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)unlink(path);
}

TEST(events_log_writes_what_was_added_before_it_ends)
{
    struct events_log *log = events_log_new("mysql-eventslog_filename", "events");

    assert_non_null(mkdtemp(folder));
    events_log_configure(log, folder, "e.log", 1 << 20);
    for (unsigned i = 0; i < 1000; i++) {
        events_log_add(log, "0123456789\n", 11);
    }
    assert_int_equal(events_log_dropped(log), 0);
    events_log_free(log);
    assert_int_equal(size_of("e.log.00000001"), 11000);
    forget("e.log.00000001");
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mem_blocks(MEM_LOG), 0);
}

TEST(events_log_begins_new_files_and_never_an_old_one)
{
    struct events_log *log = events_log_new("mysql-eventslog_filename", "events");

    assert_non_null(mkdtemp(folder));
    events_log_configure(log, folder, "e.log", 1 << 20);
    events_log_add(log, "first\n", 6);
    events_log_free(log);
    log = events_log_new("mysql-eventslog_filename", "events");
    events_log_configure(log, folder, "e.log", 1 << 20);
    events_log_add(log, "second\n", 7);
    events_log_free(log);
    assert_int_equal(size_of("e.log.00000001"), 6);
    assert_int_equal(size_of("e.log.00000002"), 7);
    forget("e.log.00000001");
    forget("e.log.00000002");
    assert_int_equal(rmdir(folder), 0);
}

TEST(events_log_that_cannot_be_written_counts_what_is_lost)
{
    struct events_log *log = events_log_new("mysql-eventslog_filename", "events");
    char path[64];

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/none/e.log", folder);
    events_log_configure(log, "", path, 1 << 20);
    for (unsigned i = 0; i < 5; i++) {
        events_log_add(log, "x\n", 2);
    }
    events_log_stop(log);
    assert_int_equal(events_log_dropped(log), 5);
    events_log_add(log, "x\n", 2);
    assert_int_equal(events_log_dropped(log), 6);
    events_log_free(log);
    assert_int_equal(rmdir(folder), 0);
}
