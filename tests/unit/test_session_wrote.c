/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_session_wrote.c - what a session writes, and when others must know.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "tests/unit/session_ran.h"
#include "tests/unit/test.h"

#define WINDOW_US 1000000

struct wrote {
    struct ran ran;
    struct causal *causal;
    struct row_key_patterns patterns;
    struct task task;
    uint8_t packet[400]; /* of the task */
};

static void wrote_make(struct wrote *w)
{
    ran_make(&w->ran);
    w->causal = mem_new(MEM_ROUTER, sizeof(*w->causal));
    w->patterns = (struct row_key_patterns){1, {{SLICE("%options"), SLICE("option_name")}}};
}

static void wrote_done(struct wrote *w)
{
    clock_set_us(0);
    mem_free(MEM_ROUTER, w->causal);
    ran_done(&w->ran);
}

static void at(uint64_t ms)
{
    clock_set_us(ms * 1000);
}

static void sent_as(struct wrote *w, uint8_t command, const char *sql, uint64_t now_ms)
{
    size_t len = strlen(sql);

    assert_true(PACKET_HEADER + 1 + len <= sizeof(w->packet));
    memcpy(w->packet + PACKET_HEADER + 1, sql, len);
    w->task = (struct task){
        .command = command, .sent = true, .bytes = w->packet, .len = PACKET_HEADER + 1 + len};
    facts_scan(&w->task.facts, task_text(&w->task).len == 0 ? slice_of(sql) : task_text(&w->task),
               0);
    at(now_ms);
    session_writes(&w->ran.session, w->causal, &w->patterns, &w->task, now_ms);
}

static void sent(struct wrote *w, const char *sql, uint64_t now_ms)
{
    sent_as(w, COM_QUERY, sql, now_ms);
}

static void answered(struct wrote *w, uint64_t now_ms)
{
    at(now_ms);
    session_answers(&w->ran.session, w->causal, &w->task);
}

static void done(struct wrote *w, bool is_error, uint64_t now_ms)
{
    at(now_ms);
    session_wrote(&w->ran.session, w->causal, &w->task, is_error, now_ms);
}

/* Sent, answered and done at once; in_trans: as its reply says. */
static void wrote(struct wrote *w, const char *sql, bool in_trans, uint64_t now_ms)
{
    sent(w, sql, now_ms);
    answered(w, now_ms);
    w->ran.session.status = in_trans ? STATUS_AUTOCOMMIT | STATUS_IN_TRANS : STATUS_AUTOCOMMIT;
    done(w, false, now_ms);
}

/* Another session's read of the site: the time it must follow within the window, 0 = none. */
static uint64_t follows_in(const struct wrote *w, const char *schema, const char *sql,
                           uint64_t now_ms)
{
    struct facts f;
    uint64_t us;
    uint8_t flags;

    facts_scan(&f, slice_of(sql), 0);
    us = causal_follow_us(
        w->causal,
        &(struct causal_read){&f, slice_of(schema), false, 0, now_ms * 1000, WINDOW_US, false, 0},
        &flags);
    return (flags & CAUSAL_OVER) != 0 ? 0 : us;
}

static uint64_t follows(const struct wrote *w, const char *sql, uint64_t now_ms)
{
    return follows_in(w, "s", sql, now_ms);
}

TEST(session_wrote_marks_writes_and_no_reads)
{
    static const char *const reads[] = {"SELECT a FROM t", "SET autocommit = 1", "COMMIT",
                                        "BEGIN",           "SAVEPOINT x",        "USE s",
                                        "/* nothing */"};
    struct wrote w;

    wrote_make(&w);
    for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
        wrote(&w, reads[i], false, 5000);
        assert_int_equal(w.ran.session.written, 0);
    }
    assert_int_equal(follows(&w, "SELECT a FROM t", 5001), 0);
    wrote(&w, "INSERT INTO t VALUES (1)", false, 5000);
    assert_int_not_equal(w.ran.session.written, 0);
    assert_int_equal(follows(&w, "SELECT a FROM t", 5001), 5000000);
    assert_int_equal(follows(&w, "SELECT a FROM u", 5001), 0);
    wrote(&w, "COMMIT; INSERT INTO u VALUES (1)", false, 5000);
    assert_int_not_equal(follows(&w, "SELECT a FROM u", 5001), 0);
    wrote_done(&w);
}

TEST(session_wrote_sees_the_write_behind_set)
{
    static const char *const writes[] = {
        "SET STATEMENT max_statement_time=1 FOR UPDATE t SET a = 1",
        "SET @x = my_function(1)",
        "DO my_function(1)",
    };

    for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
        struct wrote w;

        wrote_make(&w);
        wrote(&w, writes[i], false, 5000);
        assert_int_not_equal(follows(&w, "SELECT a FROM t", 5001), 0);
        wrote_done(&w);
    }
}

/* In gbk the string may end before the function: SET @x = '\xbf\\', @y = f() -- '. */
TEST(session_wrote_sees_the_worst_in_what_was_not_seen)
{
    struct wrote w;

    wrote_make(&w);
    sent(&w, "SET @x = 'y'", 5000);
    w.task.is_unseen = true;
    w.task.facts.flags |= FACT_TABLES_UNKNOWN;
    session_writes(&w.ran.session, w.causal, &w.patterns, &w.task, 5000);
    assert_int_equal(follows(&w, "SELECT a FROM t", 5001), 5000000);
    answered(&w, 6000);
    assert_int_equal(follows(&w, "SELECT a FROM t", 6001), 6000000);
    wrote_done(&w);
}

TEST(session_wrote_is_not_what_is_only_prepared)
{
    static const uint8_t commands[] = {COM_STMT_PREPARE, COM_STMT_CLOSE, COM_STMT_FETCH,
                                       COM_STMT_SEND_LONG_DATA, COM_FIELD_LIST};

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        struct wrote w;

        wrote_make(&w);
        sent_as(&w, commands[i], "INSERT INTO t VALUES (1)", 5000);
        answered(&w, 5000);
        done(&w, false, 5000);
        assert_int_equal(w.ran.session.written, 0);
        assert_int_equal(follows(&w, "SELECT a FROM t", 5001), 0);
        wrote_done(&w);
    }
}

/* The client may tell others as soon as it has the answer. */
TEST(session_wrote_is_marked_before_the_client_has_the_answer)
{
    struct wrote w;
    struct facts read;
    struct causal_deps deps;

    wrote_make(&w);
    facts_scan(&read, SLICE("SELECT a FROM t"), 0);
    sent(&w, "UPDATE t SET a = 1", 5000);
    assert_true(causal_deps_of(w.causal, &read, SLICE("s"), false, NULL, 0, &deps));
    answered(&w, 5100);
    assert_false(causal_deps_hold(w.causal, &deps));
    assert_int_equal(follows(&w, "SELECT a FROM t", 5101), 5100000);
    assert_true(causal_deps_of(w.causal, &read, SLICE("s"), false, NULL, 0, &deps));
    done(&w, false, 5200); /* it was said once */
    assert_true(causal_deps_hold(w.causal, &deps));
    wrote_done(&w);
}

/* Others see the write when the transaction ends: the window starts then. */
TEST(session_wrote_of_a_transaction_counts_again_at_its_end)
{
    struct wrote w;

    wrote_make(&w);
    wrote(&w, "BEGIN", true, 5000);
    wrote(&w, "INSERT INTO t VALUES (1)", true, 5000);
    wrote(&w, "UPDATE x.u SET a = 1", true, 5000);
    wrote(&w, "SELECT a FROM unrelated", true, 5000);
    assert_int_equal(follows(&w, "SELECT a FROM t", 9000), 0);
    sent(&w, "COMMIT", 9000);
    answered(&w, 9000);
    assert_int_equal(follows(&w, "SELECT a FROM t", 9500), 9000000);
    assert_int_equal(follows(&w, "SELECT a FROM x.u", 9500), 9000000);
    assert_int_equal(follows(&w, "SELECT a FROM unrelated", 9500), 0);
    w.ran.session.status = STATUS_AUTOCOMMIT;
    done(&w, false, 9100);
    assert_int_equal(follows(&w, "SELECT a FROM t", 9500), 9000000);
    wrote(&w, "COMMIT", false, 20000); /* only once */
    assert_int_equal(follows(&w, "SELECT a FROM t", 20000), 0);
    wrote_done(&w);
}

/* What ends a transaction without leaving one: a chain, a second BEGIN, DDL. */
TEST(session_wrote_of_a_transaction_counts_when_another_follows_at_once)
{
    static const char *const ends[] = {"COMMIT AND CHAIN",
                                       "BEGIN",
                                       "START TRANSACTION",
                                       "CREATE TABLE x.y (a INT)",
                                       "SET autocommit = 1",
                                       "LOCK TABLES x.y WRITE",
                                       "CALL p()"};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct wrote w;

        wrote_make(&w);
        wrote(&w, "BEGIN", true, 5000);
        wrote(&w, "INSERT INTO z.t VALUES (1)", true, 5000);
        wrote(&w, ends[i], true, 9000);
        assert_int_equal(follows(&w, "SELECT a FROM z.t", 9500), 9000000);
        wrote_done(&w);
    }
}

static bool needs_proof(const struct wrote *w, const char *sql, uint64_t now_ms)
{
    struct facts f;
    uint8_t flags;

    facts_scan(&f, slice_of(sql), 0);
    (void)causal_follow_us(
        w->causal,
        &(struct causal_read){&f, SLICE("s"), false, 0, now_ms * 1000, WINDOW_US, false, 0},
        &flags);
    return (flags & CAUSAL_STRAY) != 0;
}

/* The writer changed between its writes and its COMMIT: others read at the new one. */
TEST(session_wrote_of_a_transaction_that_ends_where_nobody_writes_needs_a_proof)
{
    struct wrote w;

    wrote_make(&w);
    w.ran.session.status |= STATUS_IN_TRANS;
    sent(&w, "INSERT INTO t VALUES (1)", 100);
    answered(&w, 101);
    done(&w, false, 101);
    assert_false(needs_proof(&w, "SELECT a FROM t", 102));
    sent(&w, "COMMIT", 5000);
    w.task.is_stray = true;
    answered(&w, 5001);
    assert_true(needs_proof(&w, "SELECT a FROM t", 5002));
    assert_false(needs_proof(&w, "SELECT a FROM u", 5002));
    wrote_done(&w);
}

TEST(session_wrote_of_many_tables_in_a_transaction_counts_for_the_schema)
{
    char sql[] = "INSERT INTO t000 VALUES (1)";
    struct wrote w;

    wrote_make(&w);
    wrote(&w, "BEGIN", true, 5000);
    for (unsigned i = 0; i < CAUSAL_MARKS_MAX + 5; i++) {
        sql[13] = (char)('0' + i / 100);
        sql[14] = (char)('0' + i / 10 % 10);
        sql[15] = (char)('0' + i % 10);
        wrote(&w, sql, true, 5000);
    }
    wrote(&w, "COMMIT", false, 9000);
    for (unsigned i = 0; i < CAUSAL_MARKS_MAX + 5; i++) {
        char read[] = "SELECT a FROM t000";

        read[15] = (char)('0' + i / 100);
        read[16] = (char)('0' + i / 10 % 10);
        read[17] = (char)('0' + i % 10);
        assert_int_equal(follows(&w, read, 9500), 9000000);
    }
    assert_int_equal(follows_in(&w, "other", "SELECT a FROM t", 9500), 0);
    wrote_done(&w);
}

/* Names of nothing cannot fill what is remembered. */
TEST(session_wrote_of_a_statement_that_failed_is_not_remembered)
{
    struct wrote w;

    wrote_make(&w);
    wrote(&w, "BEGIN", true, 5000);
    sent(&w, "INSERT INTO t VALUES (1)", 5000);
    answered(&w, 5000);
    done(&w, true, 5000);
    wrote(&w, "COMMIT", false, 9000);
    assert_int_equal(follows(&w, "SELECT a FROM t", 9000), 0);
    wrote(&w, "BEGIN", true, 10000);
    sent(&w, "CALL p()", 10000); /* what it did before is not undone */
    answered(&w, 10000);
    done(&w, true, 10000);
    wrote(&w, "COMMIT", false, 19000);
    assert_int_not_equal(follows(&w, "SELECT a FROM t", 19000), 0);
    wrote_done(&w);
}

/* CALL, and a USE in front of the write: the session's schema is not all. */
TEST(session_wrote_counts_for_schemas_that_are_named)
{
    static const char *const writes[] = {
        "CALL other.p()", "USE other; UPDATE t SET a = 1", "USE `other`; UPDATE t SET a = 1; USE s",
        "SELECT other . f(1)", "EXECUTE IMMEDIATE CONCAT('UPDATE other.', 't SET a = 1')"};

    for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
        struct wrote w;

        wrote_make(&w);
        wrote(&w, writes[i], false, 5000);
        assert_int_not_equal(follows_in(&w, "other", "SELECT a FROM t", 5001), 0);
        assert_int_equal(follows_in(&w, "third", "SELECT a FROM t", 5001), 0);
        wrote(&w, "BEGIN", true, 10000);
        wrote(&w, writes[i], true, 10000);
        wrote(&w, "COMMIT", false, 19000);
        assert_int_equal(follows_in(&w, "other", "SELECT a FROM t", 19001), 19000000);
        wrote_done(&w);
    }
}

static bool is_kept(const struct wrote *w, const char *sql)
{
    struct causal_deps deps;
    struct facts f;

    facts_scan(&f, slice_of(sql), 0);
    return causal_deps_of(w->causal, &f, SLICE("s"), false, NULL, 0, &deps);
}

/* One option's write leaves the answers about the others. */
TEST(session_wrote_is_told_to_rows)
{
    static const uint8_t commands[] = {COM_QUERY, COM_STMT_EXECUTE};
    const char *sql = "UPDATE wp_options SET option_value = 'x' WHERE option_name = 'one'";

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        struct row_keys one = {.n = 0}, two = {.n = 0};
        struct causal_deps of_one, of_two;
        struct wrote w;
        struct facts f;

        wrote_make(&w);
        facts_scan(&f, SLICE("SELECT 1 FROM wp_options"), 0);
        assert_true(row_keys_add(&one, SLICE("option_name"), SLICE("one")));
        assert_true(row_keys_add(&two, SLICE("option_name"), SLICE("two")));
        assert_true(causal_deps_of(w.causal, &f, SLICE("s"), false, &one, 0, &of_one));
        assert_true(causal_deps_of(w.causal, &f, SLICE("s"), false, &two, 0, &of_two));
        sent_as(&w, commands[i], sql, 5000);
        answered(&w, 5000);
        done(&w, false, 5000);
        assert_false(causal_deps_hold(w.causal, &of_one));
        assert_int_equal(causal_deps_hold(w.causal, &of_two), commands[i] == COM_QUERY);
        wrote_done(&w);
    }
}

/* ... and so at the end of a transaction. */
TEST(session_wrote_of_a_transaction_is_told_to_rows)
{
    struct row_keys one = {.n = 0}, two = {.n = 0};
    struct causal_deps of_one, of_two;
    struct wrote w;
    struct facts f;

    wrote_make(&w);
    facts_scan(&f, SLICE("SELECT 1 FROM wp_options"), 0);
    assert_true(row_keys_add(&one, SLICE("option_name"), SLICE("one")));
    assert_true(row_keys_add(&two, SLICE("option_name"), SLICE("two")));
    wrote(&w, "BEGIN", true, 5000);
    wrote(&w, "DELETE FROM wp_options WHERE option_name = 'one'", true, 5000);
    assert_true(causal_deps_of(w.causal, &f, SLICE("s"), false, &one, 0, &of_one));
    assert_true(causal_deps_of(w.causal, &f, SLICE("s"), false, &two, 0, &of_two));
    wrote(&w, "COMMIT", false, 6000);
    assert_false(causal_deps_hold(w.causal, &of_one));
    assert_true(causal_deps_hold(w.causal, &of_two));
    wrote_done(&w);
}

TEST(session_wrote_in_doubt_keeps_nothing_for_a_while)
{
    struct wrote w;

    wrote_make(&w);
    sent(&w, "UPDATE t SET a = 1", 5000);
    assert_true(is_kept(&w, "SELECT a FROM t"));
    session_wrote_in_doubt(&w.ran.session, w.causal, &w.task);
    assert_false(is_kept(&w, "SELECT a FROM t"));
    assert_true(is_kept(&w, "SELECT a FROM u"));
    at(5000 + SESSION_DOUBT_MS - 1);
    assert_false(is_kept(&w, "SELECT a FROM t"));
    assert_int_not_equal(follows(&w, "SELECT a FROM t", 5000 + SESSION_DOUBT_MS - 1), 0);
    at(5000 + SESSION_DOUBT_MS);
    assert_true(is_kept(&w, "SELECT a FROM t"));
    wrote_done(&w);
}

TEST(session_wrote_in_doubt_is_not_what_was_never_sent)
{
    struct wrote w;

    wrote_make(&w);
    sent(&w, "UPDATE t SET a = 1", 5000);
    w.task.sent = false;
    session_wrote_in_doubt(&w.ran.session, w.causal, &w.task);
    session_wrote_in_doubt(&w.ran.session, w.causal, NULL);
    assert_true(is_kept(&w, "SELECT a FROM t"));
    sent(&w, "SELECT a FROM t", 5000);
    session_wrote_in_doubt(&w.ran.session, w.causal, &w.task);
    assert_true(is_kept(&w, "SELECT a FROM t"));
    wrote_done(&w);
}

/* A transaction that is lost is rolled back, unless it was just being committed. */
TEST(session_wrote_in_doubt_of_a_transaction_is_its_commit)
{
    for (unsigned committed = 0; committed < 2; committed++) {
        struct wrote w;
        struct facts read;
        struct causal_deps deps;

        wrote_make(&w);
        facts_scan(&read, SLICE("SELECT a FROM t"), 0);
        wrote(&w, "BEGIN", true, 5000);
        wrote(&w, "INSERT INTO t VALUES (1)", true, 5000);
        sent(&w, committed != 0 ? "COMMIT" : "INSERT INTO u VALUES (1)", 6000);
        assert_true(causal_deps_of(w.causal, &read, SLICE("s"), false, NULL, 0, &deps));
        session_wrote_in_doubt(&w.ran.session, w.causal, &w.task);
        assert_false(causal_deps_hold(w.causal, &deps));
        assert_int_equal(is_kept(&w, "SELECT a FROM t"), committed == 0);
        wrote_done(&w);
    }
}

TEST(session_wrote_long_ago_is_forgotten)
{
    struct wrote w;

    wrote_make(&w);
    wrote(&w, "INSERT INTO t VALUES (1)", false, 5000);
    assert_int_not_equal(session_written(&w.ran.session, 1000000, 0), 0);
    assert_int_not_equal(session_written(&w.ran.session, 6000, 1000), 0);
    assert_int_equal(session_written(&w.ran.session, 6001, 1000), 0);
    wrote(&w, "BEGIN", true, 7000);
    wrote(&w, "INSERT INTO t VALUES (1)", true, 7000);
    assert_int_not_equal(session_written(&w.ran.session, 20000, 1000), 0);
    wrote(&w, "COMMIT", false, 20000);
    assert_int_not_equal(session_written(&w.ran.session, 21000, 1000), 0);
    assert_int_equal(session_written(&w.ran.session, 21001, 1000), 0);
    wrote_done(&w);
}

TEST(session_window_is_the_rules_the_users_or_the_default)
{
    struct account account = {.causal_window_ms = CONF_UNSET};

    assert_int_equal(session_window_us(&account, RULES_UNSET, 2000), 2000000);
    assert_int_equal(session_window_us(&account, 0, 2000), 0);
    account.causal_window_ms = 0;
    assert_int_equal(session_window_us(&account, RULES_UNSET, 2000), 0);
    assert_int_equal(session_window_us(&account, 5, 2000), 5000);
    account.causal_window_ms = 70;
    assert_int_equal(session_window_us(&account, RULES_UNSET, 2000), 70000);
}
