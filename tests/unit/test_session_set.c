/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_session_set.c - variables, charsets and schema of a session; numbers; what it wrote.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "protocol/command.h"
#include "tests/unit/session_ran.h"

/* The session has exactly the charset of a login with this collation. */
static void assert_collation(struct ran *r, uint8_t id)
{
    struct profile *p = profile_of_charset(&r->pool->profiles, id);

    assert_ptr_equal(r->session.profile, p);
    profile_unref(&r->pool->profiles, p);
}

static void set_names(struct ran *r, const char *sql, const char *charset)
{
    ran_track_variable(r, "character_set_client", charset);
    ran_track_variable(r, "character_set_connection", charset);
    ran_track_variable(r, "character_set_results", charset);
    ran_track_state(r);
    ran(r, sql);
}

static struct slice value_of(const struct ran *r, int variable)
{
    return r->session.profile->values[variable];
}

/* --- SET NAMES -------------------------------------------------------------------------------- */

TEST(session_set_names_is_the_charset_of_a_login)
{
    struct ran r;

    ran_make(&r);
    set_names(&r, "SET NAMES utf8mb4", "utf8mb4");
    assert_collation(&r, 45);
    set_names(&r, "set names 'latin1'", "latin1");
    assert_collation(&r, 8);
    assert_int_equal(r.session.pins, 0);
    ran_done(&r);
}

TEST(session_set_names_with_collate_keeps_the_collation)
{
    struct ran r;

    ran_make(&r);
    set_names(&r, "SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci", "utf8mb4");
    assert_collation(&r, 224);
    set_names(&r, "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'", "utf8mb4");
    assert_collation(&r, 46);
    set_names(&r, "SET NAMES utf8mb4", "utf8mb4"); /* the charset's default again */
    assert_collation(&r, 45);
    assert_int_equal(r.session.pins, 0);
    ran_done(&r);
}

/* By old_mode, which may be another one on the connection that gets it. */
TEST(session_utf8_is_what_the_node_took_it_for)
{
    struct ran r;

    ran_make(&r);
    set_names(&r, "SET NAMES UTF8", "utf8mb4");
    assert_collation(&r, 45);
    set_names(&r, "SET NAMES 'utf8' COLLATE utf8_unicode_ci", "utf8mb3");
    assert_collation(&r, 192);
    set_names(&r, "SET NAMES utf8, NAMES utf8_not_a_name, NAMES utf8mb4", "utf8mb4");
    assert_int_equal(r.session.pins, BIT(PIN_VARIABLE)); /* it does not say what the others are */
    ran_done(&r);
    ran_make(&r);
    ran_track_variable(&r, "collation_connection", "utf8mb4_bin");
    ran(&r, "SET collation_connection = utf8_bin");
    assert_true(slice_eq(value_of(&r, VAR_COLLATION_CONNECTION), SLICE("utf8mb4_bin")));
    ran_track_variable(&r, "character_set_client", "utf8mb3");
    ran(&r, "SET character_set_client = 'utf8', collation_connection=utf8mb4_bin");
    assert_true(slice_eq(value_of(&r, VAR_CHARACTER_SET_CLIENT), SLICE("utf8mb3")));
    assert_int_equal(r.session.pins, 0);
    set_names(&r, "SET NAMES utf8", "utf8");
    assert_int_equal(r.session.pins, BIT(PIN_VARIABLE));
    ran_done(&r);
}

TEST(session_set_names_replaces_single_charsets)
{
    struct ran r;

    ran_make(&r);
    ran_track_variable(&r, "character_set_results", "");
    ran_track_state(&r);
    ran(&r, "SET character_set_results = NULL");
    assert_non_null(value_of(&r, VAR_CHARACTER_SET_RESULTS).data);
    assert_int_equal(value_of(&r, VAR_CHARACTER_SET_RESULTS).len, 0);
    ran_track_variable(&r, "character_set_client", "latin1");
    ran_track_state(&r);
    ran(&r, "SET character_set_client = latin1");
    assert_true(slice_eq(value_of(&r, VAR_CHARACTER_SET_CLIENT), SLICE("latin1")));
    set_names(&r, "SET NAMES utf8mb4", "utf8mb4");
    assert_collation(&r, 45);
    assert_int_equal(r.session.pins, 0);
    ran_done(&r);
}

TEST(session_charset_set_after_names_comes_on_top)
{
    struct ran r;

    ran_make(&r);
    set_names(&r, "SET NAMES utf8mb4", "utf8mb4");
    ran_track_variable(&r, "character_set_results", "latin1");
    ran_track_state(&r);
    ran(&r, "SET character_set_results = 'latin1'");
    assert_true(slice_eq(value_of(&r, PROFILE_NAMES), SLICE("utf8mb4")));
    assert_true(slice_eq(value_of(&r, VAR_CHARACTER_SET_RESULTS), SLICE("latin1")));
    assert_int_equal(r.session.pins, 0);
    ran_done(&r);
}

/* The node does not report the collation, and its charset takes the collation along. */
TEST(session_collation_is_taken_from_the_statement)
{
    struct ran r;

    ran_make(&r);
    ran_track_state(&r);
    ran_track_variable(&r, "character_set_connection", "utf8mb4");
    ran(&r, "SET collation_connection = utf8mb4_bin");
    assert_true(slice_eq(value_of(&r, VAR_COLLATION_CONNECTION), SLICE("utf8mb4_bin")));
    ran_track_state(&r);
    ran_track_variable(&r, "character_set_connection", "latin1");
    ran(&r, "SET character_set_connection = latin1");
    assert_null(value_of(&r, VAR_COLLATION_CONNECTION).data);
    assert_true(slice_eq(value_of(&r, VAR_CHARACTER_SET_CONNECTION), SLICE("latin1")));
    assert_int_equal(r.session.pins, 0);
    ran_done(&r);
}

TEST(session_set_names_in_a_list)
{
    struct ran r;

    ran_make(&r);
    ran_track_variable(&r, "time_zone", "UTC");
    ran_track_variable(&r, "wait_timeout", "5");
    set_names(&r, "SET time_zone = 'UTC', NAMES utf8mb4, wait_timeout = 5", "utf8mb4");
    assert_true(slice_eq(value_of(&r, PROFILE_NAMES), SLICE("utf8mb4")));
    assert_true(slice_eq(value_of(&r, VAR_TIME_ZONE), SLICE("UTC")));
    assert_int_equal(r.session.pins, 0);
    ran_done(&r);
}

/* Tracking was turned off where it was not seen: what the connection has is not known. */
TEST(session_set_that_the_node_does_not_report_pins)
{
    struct ran r;

    ran_make(&r);
    ran_track_variable(&r, "time_zone", "UTC");
    ran(&r, "SET time_zone = 'UTC', sql_mode = 'ANSI'");
    assert_int_equal(r.session.pins, BIT(PIN_VARIABLE));
    ran_done(&r);
    ran_make(&r);
    ran(&r, "SET NAMES latin1");
    assert_int_equal(r.session.pins, BIT(PIN_VARIABLE));
    ran_done(&r);
}

TEST(session_refused_set_names_changes_nothing)
{
    struct ran r;

    ran_make(&r);
    set_names(&r, "SET NAMES utf8mb4", "utf8mb4");
    ran_error(&r, "SET NAMES nonsense");
    assert_collation(&r, 45);
    ran_done(&r);
}

TEST(session_charset_that_cannot_be_carried_pins)
{
    static const char *const statements[] = {
        "SET CHARACTER SET latin1",
        "CALL p()",
        "SET NAMES latin1, @x = 1",
        "SET character_set_results = (SELECT 'latin1')",
    };

    for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
        struct ran r;

        ran_make(&r);
        set_names(&r, statements[i], "latin1");
        assert_true(ran_has(&r, PIN_VARIABLE));
        ran_done(&r);
    }
}

TEST(session_names_longer_than_any_pin)
{
    char sql[600] = "SET NAMES ";
    struct ran r;

    memset(sql + 10, 'n', 500);
    ran_make(&r);
    set_names(&r, sql, "latin1");
    assert_true(ran_has(&r, PIN_VARIABLE));
    ran_done(&r);
}

/* --- variables that the node reports ---------------------------------------------------------- */

TEST(session_reported_variable_is_carried)
{
    struct ran r;

    ran_make(&r);
    ran_track_variable(&r, "sql_mode", "STRICT_TRANS_TABLES");
    ran_track_variable(&r, "time_zone", "+02:00");
    ran_track_state(&r);
    ran(&r, "SET sql_mode = CONCAT(@@sql_mode), time_zone = '+02:00'");
    assert_true(slice_eq(value_of(&r, VAR_SQL_MODE), SLICE("STRICT_TRANS_TABLES")));
    assert_true(slice_eq(value_of(&r, VAR_TIME_ZONE), SLICE("+02:00")));
    assert_int_equal(r.session.pins, 0);
    ran_done(&r);
}

TEST(session_reported_variable_that_is_not_carried_pins)
{
    struct ran r;

    ran_make(&r);
    ran_track_variable(&r, "timestamp", "1.000000");
    ran_track_state(&r);
    ran(&r, "SET timestamp = 1");
    assert_true(ran_has(&r, PIN_VARIABLE));
    ran_track_variable(&r, "time_zone", "UTC");
    ran(&r, "SET time_zone = 'UTC'");
    assert_true(ran_has(&r, PIN_VARIABLE)); /* once and for all */
    ran_done(&r);
}

TEST(session_value_that_reads_two_ways_pins)
{
    struct ran r;

    ran_make(&r);
    ran_track_variable(&r, "default_regex_flags", "a\\b");
    ran_track_state(&r);
    ran(&r, "SET default_regex_flags = 'a'");
    assert_true(ran_has(&r, PIN_VARIABLE));
    assert_null(value_of(&r, VAR_DEFAULT_REGEX_FLAGS).data);
    ran_done(&r);
}

TEST(session_sql_mode_sets_the_status_bits)
{
    struct ran r;

    ran_make(&r);
    r.status = STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES;
    ran_track_variable(&r, "sql_mode", "NO_BACKSLASH_ESCAPES");
    ran_track_state(&r);
    ran(&r, "SET sql_mode = 'NO_BACKSLASH_ESCAPES'");
    assert_int_equal(r.session.status, STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES);
    assert_int_equal(session_sql_mode(&r.session), FACTS_NO_BACKSLASH_ESCAPES);
    assert_true(session_apply(&r.session, &r.pool->profiles, VAR_SQL_MODE, SLICE("ANSI_QUOTES")));
    assert_int_equal(r.session.status, STATUS_AUTOCOMMIT | STATUS_ANSI_QUOTES);
    assert_int_equal(session_sql_mode(&r.session), FACTS_ANSI_QUOTES);
    assert_true(session_apply(&r.session, &r.pool->profiles, VAR_SQL_MODE, SLICE("")));
    assert_int_equal(r.session.status, STATUS_AUTOCOMMIT);
    ran_done(&r);
}

TEST(session_status_of_a_reply_is_the_sessions)
{
    struct ran r;

    ran_make(&r);
    r.status = STATUS_AUTOCOMMIT | STATUS_ANSI_QUOTES | STATUS_IN_TRANS | STATUS_IN_TRANS_READONLY |
               STATUS_NO_INDEX | STATUS_QUERY_WAS_SLOW;
    ran(&r, "START TRANSACTION READ ONLY");
    assert_int_equal(r.session.status, STATUS_AUTOCOMMIT | STATUS_ANSI_QUOTES | STATUS_IN_TRANS |
                                           STATUS_IN_TRANS_READONLY);
    ran_done(&r);
}

TEST(session_reset_has_the_status_of_its_profile)
{
    struct ran r;

    ran_make(&r);
    session_reset(&r.session, &r.pool->profiles,
                  profile_with(&r.pool->profiles, r.pool->profiles.empty, VAR_SQL_MODE,
                               SLICE("NO_BACKSLASH_ESCAPES")),
                  STATUS_AUTOCOMMIT);
    assert_int_equal(r.session.status, STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES);
    ran_done(&r);
}

TEST(session_apply_that_is_refused_changes_nothing)
{
    char *value = malloc(PROFILE_VALUE_MAX + 1);
    struct ran r;

    assert_non_null(value);
    memset(value, 'v', PROFILE_VALUE_MAX + 1);
    ran_make(&r);
    assert_false(session_apply(&r.session, &r.pool->profiles, VAR_SQL_MODE,
                               (struct slice){value, PROFILE_VALUE_MAX + 1}));
    assert_ptr_equal(r.session.profile, r.pool->profiles.empty);
    free(value);
    ran_done(&r);
}

/* --- schema ----------------------------------------------------------------------------------- */

TEST(session_schema_follows_the_node)
{
    struct ran r;

    ran_make(&r);
    r.command = COM_INIT_DB;
    ran_track_schema(&r, "wp_2");
    ran_track_state(&r);
    ran(&r, "USE");
    assert_true(slice_eq(session_schema_name(&r.session), SLICE("wp_2")));
    assert_ptr_equal(r.session.schema, schema_get(&r.pool->schemas, &r.account, SLICE("wp_2")));
    assert_int_equal(r.session.pins, 0);
    ran_done(&r);
}

TEST(session_whose_schema_was_dropped_is_pinned)
{
    struct ran r;

    ran_make(&r);
    ran_track_schema(&r, "");
    ran_track_state(&r);
    ran(&r, "DROP DATABASE s");
    assert_true(session_is_pinned(&r.session)); /* no other connection can be without a schema */
    ran_done(&r);
}

/* --- numbers ---------------------------------------------------------------------------------- */

TEST(session_row_count_is_what_the_statement_did)
{
    struct ran r;

    ran_make(&r);
    r.affected = 7;
    ran(&r, "UPDATE t SET a = 1");
    assert_int_equal(r.session.row_count, 7);
    ran_value(&r, "SELECT a FROM t", "x");
    assert_int_equal(r.session.row_count, -1);
    ran(&r, "SET @a = 1");
    assert_int_equal(r.session.row_count, 0);
    ran_error(&r, "UPDATE");
    assert_int_equal(r.session.row_count, -1);
    ran_done(&r);
}

TEST(session_found_rows_are_those_of_the_last_select)
{
    struct ran r;

    ran_make(&r);
    ran_value(&r, "SELECT a FROM t", "x");
    assert_true(r.session.found_rows_known);
    assert_int_equal(r.session.found_rows, 1);
    ran(&r, "UPDATE t SET a = 1");
    assert_int_equal(r.session.found_rows, 1);
    r.rows = 12;
    ran(&r, "SELECT a FROM t LIMIT 12");
    assert_int_equal(r.session.found_rows, 12);
    ran_done(&r);
}

/* With DEPRECATE_EOF: what a procedure had set when it sent rows may be set back by now. */
TEST(session_set_told_in_the_middle_of_a_procedure_pins)
{
    const struct profile *before;
    struct ran r;

    ran_make(&r);
    before = r.session.profile;
    ran_track_variable(&r, "sql_mode", "ANSI_QUOTES");
    ran_track_state(&r);
    r.told_early = true;
    ran(&r, "CALL sets()");
    assert_true(ran_has(&r, PIN_VARIABLE));
    assert_ptr_equal(r.session.profile, before);
    ran_done(&r);
}
