/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_facts.c - the parts of struct facts that rows do not show: body, column names, KILL, modes.
 */
#include "tests/unit/facts_rows.h"

struct text_row {
    const char *sql;
    const char *text;
};

static void assert_slice(struct slice s, const char *text, const char *sql)
{
    if (!slice_eq(s, slice_of(text))) {
        fail_msg("%s: \"%.*s\", not \"%s\"", sql, SLICE_ARGS(s), text);
    }
}

TEST(facts_body_is_the_first_statement_alone)
{
    static const struct text_row rows[] = {
        {"SELECT 1", "SELECT 1"},
        {"  SELECT 1 ; ", "SELECT 1"},
        {"/* a */ SELECT 1 /* b */;", "SELECT 1"},
        {"-- a\n# b\nSELECT /* c */ 1 -- d", "SELECT /* c */ 1"},
        {"SELECT 1; SELECT 2", "SELECT 1"},
        {"SELECT 1;;", "SELECT 1"},
        {"(SELECT 1)", "(SELECT 1)"},
        {"/*!40101 SET NAMES utf8 */;", "/*!40101 SET NAMES utf8 */"},
        {"/* x */ /*!40101 SET */ NAMES utf8 ;", "/*!40101 SET */ NAMES utf8"},
        {"SET /*!40101 NAMES utf8 */ ; x", "SET /*!40101 NAMES utf8 */"},
        {"", ""},
        {" ; ", ""},
        {"/* x */", ""},
        {"SELECT 'a;b' ; ", "SELECT 'a;b'"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_slice(facts_of(rows[i].sql).body, rows[i].text, rows[i].sql);
    }
}

/* As MariaDB 10.11 names them. */
TEST(facts_column_name_is_the_text_or_the_alias)
{
    static const struct text_row rows[] = {
        {"SELECT FOUND_ROWS()", "FOUND_ROWS()"},
        {"select  found_rows ( ) ", "found_rows ( )"},
        {"select found_rows( )x", "x"},
        {"SELECT FOUND_ROWS() AS 'tot al'", "tot al"},
        {"SELECT FOUND_ROWS() \"x y\"", "x y"},
        {"select found_rows() as  foo ;", "foo"},
        {"select found_rows()/*c*/", "found_rows()"},
        {"select found_rows() name", "name"},
        {"select found_rows() `count(*)`", "count(*)"},
        {"select\tfound_rows(\n)", "found_rows(\n)"},
        {"select @@last_insert_id", "@@last_insert_id"},
        {"select @@session.last_insert_id", "@@session.last_insert_id"},
        {"select @@SESSION . last_insert_id", "@@SESSION . last_insert_id"},
        {"select @@`identity`", "@@`identity`"},
        {"select @@local.identity  as `id`", "id"},
        {"select LAST_INSERT_ID( )", "LAST_INSERT_ID( )"},
        {"select connection_id()", "connection_id()"},
        {"select row_count()", "row_count()"},
        {"select @@sql_mode", ""},
        {"do 1", ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct facts f = facts_of(rows[i].sql);

        assert_int_not_equal(f.local, LOCAL_NONE);
        assert_slice(f.column_name, rows[i].text, rows[i].sql);
    }
}

TEST(facts_forms_that_are_not_exact_are_left_to_a_node)
{
    static const char *const rows[] = {
        "SELECT FOUND_ROWS() AS 'a' 'b'",
        "SELECT FOUND_ROWS() AS ' x'",
        "SELECT FOUND_ROWS() AS 'x '",
        "SELECT FOUND_ROWS() AS 'it''s'",
        "SELECT FOUND_ROWS() AS N'x'",
        "SELECT FOUND_ROWS() AS a.b",
        "SELECT FOUND_ROWS() AS",
        "SELECT FOUND_ROWS() AS order",
        "SELECT FOUND_ROWS() AS 5",
        "SELECT FOUND_ROWS() AS \xc3\xa4",
        "SELECT FOUND_ROWS() AS `\xc3\xa4`",
        "SELECT SQL_NO_CACHE FOUND_ROWS()",
        "SELECT ALL FOUND_ROWS()",
        "SELECT FOUND_ROWS(), ROW_COUNT()",
        "SELECT FOUND_ROWS() UNION SELECT 1",
        "SELECT FOUND_ROWS() FROM DUAL",
        "SELECT /*! FOUND_ROWS() */",
        "SELECT FOUND_ROWS() /* x */ AS y",
        "SELECT FOUND_ROWS(); SELECT 1",
        "SELECT @@ sql_mode",
        "SELECT @@global.last_insert_id",
        "SELECT @@sql_mode LIMIT x",
        "SELECT @@sql_mode LIMIT 1, 2",
        "SELECT @@sql_mode, @@timestamp",
        "SELECT @@sql_mode, @@hostname",
        "SELECT @@character_set_database",
        "SELECT @@in_transaction",
        "SELECT @@rand_seed1",
        "SELECT @@sql_mode.x",
        "SELECT `VERSION`()",
        "SELECT VERSION(1)",
        "SELECT VERSION",
        "DO 1 AS x",
        "DO -1",
        "DO 'a'",
        "DO",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (facts_of(rows[i]).local != LOCAL_NONE) {
            fail_msg("%s", rows[i]);
        }
    }
}

TEST(facts_variables_are_local_in_any_number)
{
    assert_int_equal(
        facts_of("SELECT @@session.auto_increment_increment AS aii, @@max_allowed_packet, "
                 "@@sql_mode, @@time_zone x, @@tx_isolation AS `y`, version()")
            .local,
        LOCAL_VARIABLES);
    assert_int_equal(facts_of("select @@version_comment limit 1").local, LOCAL_VARIABLES);
}

TEST(facts_kill_gives_the_id)
{
    static const struct {
        const char *sql;
        uint64_t number;
        bool query;
    } rows[] = {
        {"KILL 5", 5, false},
        {"kill query 77;", 77, true},
        {"KILL HARD CONNECTION 12", 12, false},
        {"KILL SOFT QUERY 3", 3, true},
        {"KILL 18446744073709551615", 0, false},
        {"KILL 1844674407370955160", UINT64_C(1844674407370955160), false},
        {"KILL QUERY ID 5", 0, true},
        {"KILL USER root", 0, false},
        {"KILL (5)", 0, false},
        {"KILL '5'", 0, false},
        {"KILL 5 + 1", 0, false},
        {"KILL 1e3", 0, false},
        {"KILL", 0, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct facts f = facts_of(rows[i].sql);

        assert_int_equal(f.verb, VERB_KILL);
        assert_int_equal(f.number, rows[i].number);
        assert_int_equal(f.kill_query, rows[i].query);
        assert_int_equal((f.flags & FACT_TABLES_UNKNOWN) != 0, rows[i].number == 0);
    }
    assert_int_equal(facts_of("KILL 5; KILL 6").number, 5);
}

TEST(facts_see_a_kill_among_others)
{
    static const char *const rows[] = {
        "KILL 5",
        "KILL 5; SELECT 1",
        "SELECT 1; KILL QUERY 5",
        "SELECT 1; KILL USER x; SELECT 2",
        "SELECT 1;/*!KILL 5*/;SELECT 2",
        "SELECT 1;/*M!100100 KILL 5*/;SELECT 2",
        "SET STATEMENT max_statement_time = 9 FOR KILL 5",
        "SELECT 1; SET STATEMENT max_statement_time = 9 FOR KILL 5; DO 1",
    };
    static const char *const others[] = {
        "SELECT `kill` FROM kill",
        "SELECT 1; SELECT 'KILL 5'; SELECT 2",
        "/* KILL 5 */ DO 1; DO 2",
        "UPDATE t SET `kill` = 5",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!facts_of(rows[i]).has_kill) {
            fail_msg("%s", rows[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        if (facts_of(others[i]).has_kill) {
            fail_msg("%s", others[i]);
        }
    }
}

TEST(facts_see_a_change_of_rights_among_others)
{
    static const char *const rows[] = {
        "GRANT SELECT ON *.* TO a",
        "REVOKE r FROM a",
        "CREATE USER a",
        "CREATE /* x */ OR REPLACE USER IF NOT EXISTS a",
        "ALTER USER a ACCOUNT LOCK",
        "DROP USER a",
        "rename user a to b",
        "CREATE ROLE r",
        "DROP ROLE IF EXISTS r",
        "SET PASSWORD = PASSWORD('x')",
        "SET sql_mode = '', PASSWORD FOR a = PASSWORD('x')",
        "SET DEFAULT ROLE r FOR a",
        "FLUSH PRIVILEGES",
        "FLUSH NO_WRITE_TO_BINLOG LOGS, PRIVILEGES",
        "/*!50000 DROP USER a */",
        "SELECT 1; GRANT r TO a; SELECT 2",
        "SELECT 1;/*M!100100 REVOKE r FROM a*/;SELECT 2",
        "SET STATEMENT max_statement_time = 9 FOR GRANT r TO a",
    };
    static const char *const others[] = {
        "SELECT `grant` FROM t",
        "SHOW GRANTS FOR a",
        "SHOW CREATE USER a",
        "/* GRANT */ DO 1",
        "SELECT 1; SELECT 'GRANT'; SELECT 2",
        "CREATE TABLE user (user INT, role INT, password INT)",
        "DROP TABLE IF EXISTS role",
        "ALTER TABLE t ADD user INT",
        "RENAME TABLE t TO user",
        "SET ROLE r",
        "SET @password = DEFAULT",
        "UPDATE t SET password = 'x', role = DEFAULT",
        "INSERT INTO t SET user = 'x', password = 'y'",
        "FLUSH TABLES privileges",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!facts_of(rows[i]).changes_rights) {
            fail_msg("%s", rows[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        if (facts_of(others[i]).changes_rights) {
            fail_msg("%s", others[i]);
        }
    }
}

TEST(facts_no_backslash_escapes_ends_a_string_at_the_quote)
{
    struct slice sql = SLICE("SELECT '\\' FROM a -- ' FROM b");
    struct facts f;

    facts_scan(&f, sql, 0);
    assert_int_equal(f.n_tables, 1);
    assert_slice(f.tables[0].name, "b", sql.data);
    facts_scan(&f, sql, FACTS_NO_BACKSLASH_ESCAPES);
    assert_int_equal(f.n_tables, 1);
    assert_slice(f.tables[0].name, "a", sql.data);
}

TEST(facts_ansi_quotes_makes_double_quotes_names)
{
    struct slice sql = SLICE("SELECT \"a\"\"b\" FROM \"t\" WHERE \"f\"(1)");
    struct facts f;

    facts_scan(&f, sql, 0);
    assert_int_equal(f.n_tables, 0);
    assert_true((f.flags & FACT_TABLES_UNKNOWN) != 0);
    facts_scan(&f, sql, FACTS_ANSI_QUOTES);
    assert_int_equal(f.n_tables, 1);
    assert_slice(f.tables[0].name, "t", sql.data);
    assert_true((f.flags & FACT_RUNS_UNSEEN) != 0);
}

/* In latin1 0xa0 is a space: what looks like one name may be two words. */
TEST(facts_names_that_are_not_utf8_are_no_reads)
{
    assert_true((facts_of("SELECT gr\xc3\xb6\xc3\x9f\x65 FROM t\xc3\xa4g").flags & FACT_READ) != 0);
    assert_true((facts_of("SELECT \xf0\x9f\x98\x80 FROM t").flags & FACT_READ) != 0);
    assert_true((facts_of("SELECT 1 FOR\xa0UPDATE").flags & FACT_READ) == 0);
    assert_true((facts_of("SELECT 1 FROM\xa0t").flags & FACT_TABLES_UNKNOWN) != 0);
    assert_true((facts_of("SELECT a\xc3 FROM t").flags & FACT_READ) == 0);
    assert_true((facts_of("SELECT '\xa0' FROM t").flags & FACT_READ) != 0);
    assert_true((facts_of("SELECT 1 \x01").flags & FACT_READ) == 0);
}

TEST(facts_zero_bytes_are_no_reads)
{
    struct facts f;

    facts_scan(&f, SLICE("SELECT 1\0"), 0);
    assert_true((f.flags & FACT_READ) == 0);
    facts_scan(&f, SLICE("SELECT '\0' FROM t"), 0);
    assert_true((f.flags & FACT_READ) != 0);
    facts_scan(&f, (struct slice){NULL, 0}, 0);
    assert_int_equal(f.verb, VERB_EMPTY);
}

TEST(facts_deep_parentheses_are_no_reads)
{
    char sql[1024];
    struct facts f;

    for (size_t depth = 1; depth < 300; depth++) {
        size_t len = (size_t)snprintf(sql, sizeof(sql), "SELECT ");

        memset(sql + len, '(', depth);
        len += depth;
        sql[len++] = '1';
        memset(sql + len, ')', depth);
        len += depth;
        facts_scan(&f, (struct slice){sql, len}, 0);
        assert_int_equal((f.flags & FACT_READ) != 0, depth < 64);
    }
}

TEST(facts_of_a_head_promise_nothing)
{
    struct facts f;

    facts_scan_head(&f, SLICE("SELECT FOUND_ROWS()"), 0);
    assert_int_equal(f.verb, VERB_SELECT);
    assert_int_equal(f.local, LOCAL_NONE);
    assert_true((f.flags & FACT_READ) == 0);
    assert_true((f.flags & FACT_TABLES_UNKNOWN) != 0);
    facts_scan_head(&f, SLICE("INSERT INTO t VALUES ('abc"), 0);
    assert_int_equal(f.verb, VERB_INSERT);
    assert_int_equal(f.n_tables, 1);
}

TEST(facts_every_verb_has_a_name)
{
    for (int verb = VERB_UNKNOWN; verb <= VERB_OTHER; verb++) {
        assert_non_null(verb_name((enum verb)verb));
    }
    assert_string_equal(verb_name((enum verb)200), "UNKNOWN");
}

TEST(facts_query_inside_is_seen_for_what_it_counts)
{
    struct facts f;

    facts_scan(&f, SLICE("INSERT INTO t (a) SELECT a FROM t"), 0);
    assert_true(f.has_select);
    facts_scan(&f, SLICE("REPLACE INTO t SET a = (SELECT 1)"), 0);
    assert_true(f.has_select);
    facts_scan(&f, SLICE("INSERT INTO t VALUES ('SELECT', `select`)"), 0);
    assert_false(f.has_select);
}

TEST(facts_gtid_of_the_last_write_is_seen_wherever_it_is_asked_for)
{
    static const struct {
        const char *sql;
        bool asks;
    } rows[] = {
        {"SELECT WSREP_LAST_WRITTEN_GTID()", true},
        {"SELECT 1; DO `wsrep_last_written_gtid` ()", true},
        {"INSERT INTO t SELECT 1, CONCAT(wsrep_last_written_gtid())", true},
        {"SELECT wsrep_last_written_gtid FROM t", false},
        {"SELECT 'WSREP_LAST_WRITTEN_GTID()', WSREP_LAST_SEEN_GTID()", false},
    };
    struct facts f;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        facts_scan(&f, slice_of(rows[i].sql), 0);
        assert_int_equal(f.asks_gtid, rows[i].asks);
    }
}
