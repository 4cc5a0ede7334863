/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_session.c - which statements pin a session to its connection, and which let it go again.
 */
#include "protocol/command.h"
#include "tests/unit/session_ran.h"

TEST(session_plain_statements_do_not_pin)
{
    static const char *const plain[] = {
        "SELECT 1",
        "SELECT a FROM t WHERE b = 'GET_LOCK(1)'",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "CREATE TABLE t (a INT)",
        "DROP TABLE t",
        "ALTER TABLE t ADD b INT",
        "USE other",
        "SHOW TABLES",
        "COMMIT",
        "ROLLBACK",
        "UNLOCK TABLES",
    };
    struct ran r;

    ran_make(&r);
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        ran(&r, plain[i]);
        assert_int_equal(r.session.pins, 0);
    }
    assert_false(session_is_pinned(&r.session));
    ran_done(&r);
}

/* Statements after which the session keeps its connection, whatever it does next. */
TEST(session_state_that_no_other_connection_has_pins)
{
    static const struct {
        const char *sql;
        enum pin pin;
    } rows[] = {
        {"SELECT @a := 1", PIN_USER_VARIABLE},
        {"SET @a = 1", PIN_USER_VARIABLE},
        {"SELECT * FROM t WHERE b = @a", PIN_USER_VARIABLE},
        {"PREPARE p FROM 'SELECT 1'", PIN_SQL_PREPARE},
        {"LOCK TABLES t READ", PIN_TABLE_LOCK},
        {"FLUSH TABLES WITH READ LOCK", PIN_TABLE_LOCK},
        {"FLUSH TABLES t FOR EXPORT", PIN_TABLE_LOCK},
        {"HANDLER t OPEN", PIN_ROUTINE},
        {"BINLOG 'xx'", PIN_ROUTINE},
        {"EXECUTE IMMEDIATE 'SET @@sql_mode=1'", PIN_ROUTINE},
        {"BEGIN NOT ATOMIC SELECT 1; END", PIN_ROUTINE},
        {"SELECT 1; CALL p", PIN_ROUTINE},
        {"SELECT 1; PREPARE p FROM 'SELECT 1'", PIN_ROUTINE},
        {"label: LOOP LEAVE label; END LOOP", PIN_ROUTINE},
        {"CREATE TEMPORARY TABLE t (a INT)", PIN_TEMPORARY_TABLE},
        {"SET TRANSACTION READ ONLY", PIN_NEXT_TRANSACTION},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ran r;

        ran_make(&r);
        ran(&r, rows[i].sql);
        assert_int_equal(r.session.pins, BIT(rows[i].pin));
        if (rows[i].pin != PIN_NEXT_TRANSACTION) {
            ran(&r, "SELECT a FROM u");
            ran(&r, "INSERT INTO u VALUES (1)");
            assert_true(ran_has(&r, rows[i].pin));
        }
        ran_done(&r);
    }
}

TEST(session_pin_remembers_its_first_statement)
{
    struct ran r;
    struct pin_origin first;

    ran_make(&r);
    ran(&r, "SELECT @a := 1");
    first = r.session.pin_details->origins[PIN_USER_VARIABLE];
    assert_int_equal(first.since_ms, 1000);
    assert_int_not_equal(first.digest, 0);
    r.pool->now_ms = 2000;
    ran(&r, "SELECT @b := a FROM t");
    assert_int_equal(r.session.pin_details->origins[PIN_USER_VARIABLE].since_ms, 1000);
    assert_int_equal(r.session.pin_details->origins[PIN_USER_VARIABLE].digest, first.digest);
    session_unpin(&r.session, PIN_USER_VARIABLE);
    ran(&r, "SELECT @b := a FROM t"); /* a new one */
    assert_int_equal(r.session.pin_details->origins[PIN_USER_VARIABLE].since_ms, 2000);
    ran_done(&r);
}

TEST(session_reset_is_a_fresh_session)
{
    struct ran r;

    ran_make(&r);
    ran(&r, "SELECT @a := 1");
    ran_value(&r, "SELECT GET_LOCK('a', 1)", "1");
    r.session.last_insert_id = 5;
    session_reset(&r.session, &r.pool->profiles, profile_ref(r.pool->base_profile),
                  STATUS_AUTOCOMMIT);
    assert_int_equal(r.session.pins, 0);
    assert_null(r.session.pin_details);
    assert_ptr_equal(r.session.profile, r.pool->base_profile);
    assert_int_equal(r.session.last_insert_id, 0);
    assert_int_equal(r.session.written, 0);
    assert_int_equal(r.session.status, STATUS_AUTOCOMMIT);
    ran_value(&r, "SELECT RELEASE_LOCK('a')", "1"); /* forgotten: not below none */
    assert_false(ran_has(&r, PIN_USER_LOCK));
    ran_done(&r);
}

/* --- transactions ----------------------------------------------------------------------------- */

TEST(session_transaction_pins_by_the_status_of_the_reply)
{
    struct ran r;

    ran_make(&r);
    r.status = STATUS_AUTOCOMMIT | STATUS_IN_TRANS;
    ran(&r, "START TRANSACTION");
    assert_int_equal(r.session.pins, BIT(PIN_TRANSACTION));
    assert_true(session_in_transaction(&r.session));
    ran_error(&r, "SELEC"); /* an ERR has no status: it goes on */
    assert_true(ran_has(&r, PIN_TRANSACTION));
    assert_true(session_in_transaction(&r.session));
    r.status = STATUS_AUTOCOMMIT;
    ran(&r, "CREATE TABLE t (a INT)"); /* commits */
    assert_int_equal(r.session.pins, 0);
    assert_false(session_in_transaction(&r.session));
    ran_done(&r);
}

TEST(session_autocommit_off_pins_until_it_is_on)
{
    struct ran r;

    ran_make(&r);
    r.status = 0;
    ran_track_variable(&r, "autocommit", "OFF");
    ran_track_state(&r);
    ran(&r, "SET autocommit = 0");
    assert_int_equal(r.session.pins, BIT(PIN_AUTOCOMMIT));
    assert_true(session_in_transaction(&r.session));
    r.status = STATUS_AUTOCOMMIT;
    ran_track_variable(&r, "autocommit", "ON");
    ran_track_state(&r);
    ran(&r, "SET autocommit = 1");
    assert_int_equal(r.session.pins, 0);
    ran_done(&r);
}

TEST(session_set_transaction_holds_for_the_next_one)
{
    struct ran r;

    ran_make(&r);
    ran_error(&r, "SET TRANSACTION READ ONLY");
    assert_false(ran_has(&r, PIN_NEXT_TRANSACTION));
    ran(&r, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    assert_true(ran_has(&r, PIN_NEXT_TRANSACTION));
    ran(&r, "SET TRANSACTION READ ONLY");
    assert_true(ran_has(&r, PIN_NEXT_TRANSACTION));
    r.status |= STATUS_IN_TRANS;
    ran(&r, "BEGIN");
    assert_true(ran_has(&r, PIN_NEXT_TRANSACTION));
    r.status &= (uint16_t)~STATUS_IN_TRANS;
    ran(&r, "COMMIT");
    assert_false(ran_has(&r, PIN_NEXT_TRANSACTION));
    ran_error(&r, "SET TRANSACTION READ ONLY; SELECT nothing"); /* the first of them was done */
    assert_true(ran_has(&r, PIN_NEXT_TRANSACTION));
    ran_done(&r);
}

/* --- warnings --------------------------------------------------------------------------------- */

TEST(session_warnings_pin_until_a_statement_clears_them)
{
    struct ran r;

    ran_make(&r);
    ran_warned(&r, "INSERT INTO t VALUES (1)");
    assert_int_equal(r.session.pins, BIT(PIN_WARNINGS));
    ran_value(&r, "SHOW WARNINGS", "x");
    assert_int_equal(r.session.pins, BIT(PIN_WARNINGS)); /* and may be shown again */
    ran(&r, "INSERT INTO t VALUES (2)");
    assert_int_equal(r.session.pins, 0);
    ran_error(&r, "SELECT a FROM missing");
    assert_int_equal(r.session.pins, BIT(PIN_WARNINGS));
    ran_value(&r, "SELECT a FROM t", "1");
    assert_int_equal(r.session.pins, 0);
    ran_done(&r);
}

/* --- locks ------------------------------------------------------------------------------------ */

TEST(session_table_locks_pin_until_unlock)
{
    struct ran r;

    ran_make(&r);
    ran(&r, "LOCK TABLES t WRITE");
    ran_error(&r, "UNLOCK TABLES");
    assert_true(ran_has(&r, PIN_TABLE_LOCK));
    ran(&r, "UNLOCK TABLES");
    assert_false(ran_has(&r, PIN_TABLE_LOCK));
    ran(&r, "FLUSH TABLES WITH READ LOCK");
    ran(&r, "UNLOCK TABLES");
    assert_false(ran_has(&r, PIN_TABLE_LOCK));
    ran_done(&r);
}

TEST(session_user_lock_pins_when_it_was_taken)
{
    struct ran r;

    ran_make(&r);
    ran_value(&r, "SELECT GET_LOCK('a', 0)", "0"); /* somebody else has it */
    assert_false(ran_has(&r, PIN_USER_LOCK));
    ran_value(&r, "SELECT GET_LOCK('a', 0)", NULL);
    assert_false(ran_has(&r, PIN_USER_LOCK));
    ran_error(&r, "SELECT GET_LOCK('a')");
    assert_false(ran_has(&r, PIN_USER_LOCK));
    ran_value(&r, "SELECT GET_LOCK('a', 0)", "1");
    assert_true(ran_has(&r, PIN_USER_LOCK));
    ran_value(&r, "SELECT GET_LOCK('b', 0)", "1");
    ran_value(&r, "SELECT RELEASE_LOCK('b')", "1");
    assert_true(ran_has(&r, PIN_USER_LOCK)); /* one is left */
    ran_value(&r, "SELECT RELEASE_LOCK('c')", "0");
    ran_value(&r, "SELECT RELEASE_LOCK('c')", NULL);
    ran_error(&r, "SELECT RELEASE_LOCK(");
    assert_true(ran_has(&r, PIN_USER_LOCK));
    ran_value(&r, "SELECT RELEASE_LOCK('a')", "1");
    assert_false(ran_has(&r, PIN_USER_LOCK));
    ran_done(&r);
}

TEST(session_release_all_locks_lets_go)
{
    struct ran r;

    ran_make(&r);
    ran_value(&r, "SELECT GET_LOCK('a', 0)", "1");
    ran_value(&r, "SELECT GET_LOCK('b', 0)", "1");
    ran_value(&r, "SELECT RELEASE_ALL_LOCKS()", "2");
    assert_false(ran_has(&r, PIN_USER_LOCK));
    ran_done(&r);
}

TEST(session_user_lock_in_a_binary_reply_cannot_be_counted)
{
    struct ran r;

    ran_make(&r);
    r.command = COM_STMT_EXECUTE;
    ran_value(&r, "SELECT GET_LOCK('a', 0)", "0");
    assert_true(ran_has(&r, PIN_USER_LOCK));
    ran_value(&r, "SELECT RELEASE_LOCK('a')", "1");
    assert_true(ran_has(&r, PIN_USER_LOCK)); /* there may be others */
    ran_value(&r, "SELECT RELEASE_ALL_LOCKS()", "1");
    assert_false(ran_has(&r, PIN_USER_LOCK));
    ran_done(&r);
}

/* --- temporary tables ------------------------------------------------------------------------- */

TEST(session_temporary_table_pins_until_it_is_dropped)
{
    struct ran r;

    ran_make(&r);
    ran(&r, "CREATE TEMPORARY TABLE a (i INT)");
    ran(&r, "DROP TABLE b");
    assert_true(ran_has(&r, PIN_TEMPORARY_TABLE));
    ran_error(&r, "DROP TABLE a");
    assert_true(ran_has(&r, PIN_TEMPORARY_TABLE));
    ran(&r, "DROP TABLE x.a"); /* another schema's */
    assert_true(ran_has(&r, PIN_TEMPORARY_TABLE));
    ran(&r, "DROP TEMPORARY TABLE IF EXISTS s.a");
    assert_false(ran_has(&r, PIN_TEMPORARY_TABLE));
    ran_done(&r);
}

TEST(session_temporary_tables_are_told_apart)
{
    struct ran r;

    ran_make(&r);
    ran(&r, "CREATE TEMPORARY TABLE a (i INT)");
    ran(&r, "CREATE TEMPORARY TABLE x.a (i INT)");
    ran(&r, "CREATE OR REPLACE TEMPORARY TABLE a (i INT)"); /* still one */
    ran(&r, "CREATE TEMPORARY TABLE IF NOT EXISTS b (i INT)");
    ran(&r, "DROP TABLE a");
    assert_true(ran_has(&r, PIN_TEMPORARY_TABLE));
    ran(&r, "DROP TABLE unknown, b, x.a");
    assert_false(ran_has(&r, PIN_TEMPORARY_TABLE));
    ran(&r, "CREATE TEMPORARY TABLE a (i INT)");
    ran(&r, "CREATE TEMPORARY TABLE A (i INT)"); /* may be another */
    ran(&r, "DROP TABLE a");
    assert_true(ran_has(&r, PIN_TEMPORARY_TABLE));
    ran_done(&r);
}

TEST(session_temporary_table_that_failed_may_be_there)
{
    struct ran r;

    ran_make(&r);
    ran_error(&r, "CREATE TEMPORARY TABLE a SELECT 1 UNION SELECT f FROM g");
    assert_true(ran_has(&r, PIN_TEMPORARY_TABLE));
    ran(&r, "DROP TABLE IF EXISTS a");
    assert_false(ran_has(&r, PIN_TEMPORARY_TABLE));
    ran_done(&r);
}

TEST(session_more_temporary_tables_than_are_remembered_pin_for_good)
{
    char create[] = "CREATE TEMPORARY TABLE t00 (i INT)";
    char drop[] = "DROP TABLE t00";
    struct ran r;

    ran_make(&r);
    for (unsigned i = 0; i <= SESSION_TEMPORARY_MAX; i++) {
        create[24] = (char)('0' + i / 10);
        create[25] = (char)('0' + i % 10);
        ran(&r, create);
    }
    for (unsigned i = 0; i <= SESSION_TEMPORARY_MAX; i++) {
        drop[12] = (char)('0' + i / 10);
        drop[13] = (char)('0' + i % 10);
        ran(&r, drop);
        assert_true(ran_has(&r, PIN_TEMPORARY_TABLE));
    }
    ran_done(&r);
}

/* --- what is not understood ------------------------------------------------------------------- */

TEST(session_change_that_nothing_explains_pins)
{
    struct ran r;

    ran_make(&r);
    ran_track_state(&r);
    ran(&r, "UPDATE t SET a=1"); /* a trigger */
    assert_int_equal(r.session.pins, BIT(PIN_UNKNOWN_STATE));
    ran(&r, "SELECT a FROM t");
    assert_int_equal(r.session.pins, BIT(PIN_UNKNOWN_STATE));
    ran_done(&r);
}

TEST(session_change_in_an_eof_that_nothing_explains_pins)
{
    struct ran r;

    ran_make(&r);
    r.state_changed = true;
    ran_value(&r, "SELECT a FROM v", "1"); /* a view that calls a function */
    assert_int_equal(r.session.pins, BIT(PIN_UNKNOWN_STATE));
    ran_done(&r);
}

TEST(session_stored_routine_pins)
{
    struct ran r;

    ran_make(&r);
    ran_value(&r, "SELECT f()", "1");
    assert_int_equal(r.session.pins, BIT(PIN_ROUTINE));
    ran_done(&r);
}

TEST(session_lock_inside_an_expression_is_not_counted_away)
{
    static const char *const statements[] = {
        "SELECT IF(GET_LOCK('a', 1), 0, 1)", "SELECT GET_LOCK('a', 1) = 0",
        "SELECT GET_LOCK('a', 1), GET_LOCK('b', 1)", "SELECT 0 FROM t WHERE GET_LOCK('a', 1)"};

    for (unsigned i = 0; i < ARRAY_SIZE(statements); i++) {
        struct ran r;

        ran_make(&r);
        ran_value(&r, statements[i], "0");
        assert_true(ran_has(&r, PIN_USER_LOCK));
        ran_value(&r, "SELECT RELEASE_LOCK('a')", "1");
        assert_true(ran_has(&r, PIN_USER_LOCK));
        ran_done(&r);
    }
}

TEST(session_change_that_the_statement_explains_does_not)
{
    struct ran r;

    ran_make(&r);
    ran_track_schema(&r, "other");
    ran_track_state(&r);
    ran(&r, "USE other");
    assert_int_equal(r.session.pins, 0);
    assert_true(slice_eq(session_schema_name(&r.session), SLICE("other")));
    ran_track_variable(&r, "time_zone", "UTC");
    ran_track_state(&r);
    ran(&r, "SET time_zone = 'UTC'");
    assert_int_equal(r.session.pins, 0);
    ran_track_state(&r);
    ran(&r, "DROP TABLE t");
    assert_int_equal(r.session.pins, 0);
    ran_track_state(&r);
    ran(&r, "SET GLOBAL x = 1"); /* a change, and no variable that is known */
    assert_int_equal(r.session.pins, BIT(PIN_UNKNOWN_STATE));
    ran_done(&r);
}

TEST(session_statement_too_long_to_be_scanned_pins)
{
    struct ran r;

    ran_make(&r);
    r.is_unseen = true;
    ran(&r, "INSERT INTO t VALUES ('...");
    assert_true(ran_has(&r, PIN_UNSEEN_TEXT));
    ran(&r, "INSERT INTO t VALUES (1)");
    assert_true(ran_has(&r, PIN_UNSEEN_TEXT));
    ran_done(&r);
}

/* --- status ----------------------------------------------------------------------------------- */

/* Which replies do not tell the session's status: with the bits of another mode, or as an ERR. */
TEST(session_status_is_asked_for_where_the_reply_cannot_tell)
{
    static const struct {
        const char *sql;
        bool other_mode, error;
    } rows[] = {
        {"SET STATEMENT a=1 FOR SELECT 1; SET sql_mode=''", true, true},
        {"SELECT 1; SET STATEMENT a=1 FOR SELECT 1", true, true},
        {"SELECT 1 FROM t FOR UPDATE NOWAIT; SELECT 1", true, true},
        {"SET STATEMENT a=1 FOR SET sql_mode=''", true, true},
        {"SET STATEMENT a=1 FOR EXECUTE IMMEDIATE 'SELECT 1'", true, true},
        {"EXECUTE IMMEDIATE 'SELECT 1'", true, true},
        {"BEGIN NOT ATOMIC SELECT 1; END", true, true},
        {"CALL p()", true, true},
        {"SET STATEMENT sql_mode='' FOR SELECT 1", false, false},
        {"SELECT 1 FROM t FOR UPDATE NOWAIT", false, false},
        {"SET sql_mode=''", false, false},
        {"SET sql_mode=''; SELECT 1", false, false},
        {"SELEC 1", true, false}, /* a node ran it: new grammar */
    };
    struct session s = {.status = STATUS_AUTOCOMMIT};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct task task = {.command = COM_QUERY};
        struct follow same = {.results = 1, .status = STATUS_AUTOCOMMIT};
        struct follow other = {.results = 1, .status = STATUS_NO_BACKSLASH_ESCAPES};
        struct follow error = {.is_error = true};

        facts_scan(&task.facts, slice_of(rows[i].sql), 0);
        assert_int_equal(session_doubts_status(&s, &task, &other), rows[i].other_mode);
        assert_int_equal(session_doubts_status(&s, &task, &error), rows[i].error);
        assert_int_equal(session_doubts_status(&s, &task, &same),
                         task.facts.sets_back && rows[i].error);
    }
}

/* FLUSH ends one behind its answer; what commits first may fail. */
TEST(session_status_is_asked_for_where_a_transaction_may_have_ended)
{
    static const struct {
        const char *sql;
        uint16_t error;
        bool asked;
    } rows[] = {
        {"FLUSH TABLES", 0, true},        {"CREATE TABLE t (a INT)", 1050, true},
        {"UPDATE t SET a=1", 1213, true}, {"UPDATE t SET a=1", 1062, false},
        {"UPDATE t SET a=1", 0, false},   {"SELECT 1", 0, false},
        {"ROLLBACK TO x", 1305, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct session s = {.status = STATUS_AUTOCOMMIT};
        struct task task = {.command = COM_QUERY};
        struct follow f = {.results = 1, .error = rows[i].error, .is_error = rows[i].error != 0};

        facts_scan(&task.facts, slice_of(rows[i].sql), 0);
        assert_false(session_doubts_status(&s, &task, &f));
        s.status |= STATUS_IN_TRANS;
        assert_int_equal(session_doubts_status(&s, &task, &f), rows[i].asked);
    }
}

TEST(session_status_is_that_of_a_question_behind_the_reply)
{
    struct ran r;

    ran_make(&r);
    r.server.status = STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES;
    r.server.status_is_late = true;
    ran(&r, "SELECT 1; SET STATEMENT sql_mode='' FOR SELECT 1");
    assert_int_equal(r.session.status, STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES);
    r.server.status_is_late = false;
    ran(&r, "SET STATEMENT sql_mode='' FOR SELECT 1"); /* what it sets is set back */
    assert_int_equal(r.session.status, STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES);
    ran(&r, "SET sql_mode=''");
    assert_int_equal(r.session.status, STATUS_AUTOCOMMIT);
    ran_done(&r);
}
