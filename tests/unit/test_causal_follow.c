/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_causal_follow.c - reads that follow for longer than a while: nodes that are behind, writes
 * that did not run on the writer, rights that changed.
 */
#include "tests/unit/causal_scene.h"

/* A node that is known to be behind for longer than the window is not to be read from. */
TEST(causal_writes_that_are_older_than_the_window_are_told_apart)
{
    struct causal *c = causal_new();
    struct facts f = facts_of_text("SELECT a FROM t, u");
    uint64_t mine = 0;
    uint8_t flags;

    assert_int_equal(
        causal_follow_us(c, &(struct causal_read){&f, SLICE("s"), false, 0, 900000, 1000, false, 0},
                         &flags),
        0);
    assert_int_equal(flags, 0);
    write_at(c, &mine, "INSERT INTO t VALUES (1)", "s", 1000);
    write_at(c, &mine, "INSERT INTO u VALUES (1)", "s", 2000);
    assert_int_equal(
        causal_follow_us(
            c, &(struct causal_read){&f, SLICE("s"), false, 0, 2001000, 1000, false, 0}, &flags),
        2000000);
    assert_int_equal(flags, 0);
    assert_int_equal(
        causal_follow_us(
            c, &(struct causal_read){&f, SLICE("s"), false, 0, 2001001, 1000, false, 0}, &flags),
        2000000);
    assert_int_equal(flags, CAUSAL_OVER);
    assert_true(causal_follow_us(
                    c, &(struct causal_read){&f, SLICE("s"), false, mine, 9000000, 1000, false, 0},
                    &flags) == CAUSAL_THE_WRITER);
    assert_int_equal(flags, 0);
    assert_int_equal(
        causal_follow_us(c, &(struct causal_read){&f, SLICE("s"), false, 0, 2001001, 0, false, 0},
                         &flags),
        0);
    assert_int_equal(flags, 0);
    assert_int_equal(causal_follow_us(c,
                                      &(struct causal_read){&f, SLICE("s"), false, 0, 2001001,
                                                            CAUSAL_EVER, false, 0},
                                      &flags),
                     2000000);
    assert_int_equal(flags, 0);
    mem_free(MEM_ROUTER, c);
}

/* Who may read what, in any schema: whatever schema the statement came from. */
TEST(causal_rights_that_may_have_changed_void_everything)
{
    static const char *const changes[] = {"GRANT SELECT ON a.b TO c",
                                          "REVOKE ALL ON a.b FROM c",
                                          "DROP USER c",
                                          "CREATE OR REPLACE USER c IDENTIFIED BY 'd'",
                                          "RENAME USER c TO d",
                                          "DROP ROLE c",
                                          "FLUSH PRIVILEGES",
                                          "UPDATE mysql.global_priv SET Priv = '{}'",
                                          "DELETE FROM MySQL.db"};
    static const char *const others[] = {"UPDATE u SET a = 1", "CREATE TABLE u (a INT)",
                                         "ALTER TABLE u ADD b INT", "DROP TABLE u",
                                         "CREATE DATABASE u"};

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct causal *c = causal_new();
        struct causal_deps deps = deps_of(c, "SELECT b FROM t", "s", NULL);
        bool foreign;
        uint64_t mine = 0;

        write_at(c, &mine, changes[i], "other", 5000);
        assert_false(causal_deps_hold(c, &deps));
        assert_int_equal(causal_deps_written_us(c, &deps, &foreign), 5000000);
        assert_int_equal(follow_us(c, 0, "SELECT b FROM t", "s", 5100), 5000000);
        mem_free(MEM_ROUTER, c);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct causal *c = causal_new();
        struct causal_deps deps = deps_of(c, "SELECT b FROM t", "s", NULL);
        uint64_t mine = 0;

        write_at(c, &mine, others[i], "other", 5000);
        assert_true(causal_deps_hold(c, &deps));
        mem_free(MEM_ROUTER, c);
    }
}

/* What shows tables of another schema follows its DDL; so does what shows those of all. */
TEST(causal_reads_of_the_catalog_follow_ddl)
{
    static const struct {
        const char *read;
        bool of_b, of_c; /* DDL in b, in c */
    } rows[] = {
        {"SHOW TABLES FROM b LIKE 'x'", true, false},
        {"SHOW FULL TABLES IN b", true, false},
        {"SHOW COLUMNS FROM cols FROM b", true, false},
        {"SHOW INDEX FROM t IN b", true, false},
        {"SHOW TRIGGERS FROM b", true, false},
        {"SHOW EVENTS FROM b", true, false},
        {"SHOW TABLE STATUS FROM b", true, false},
        {"SHOW DATABASES", true, true},
        {"SHOW PROCEDURE STATUS", true, true},
        {"SELECT 1 FROM information_schema.tables WHERE table_schema = 'b'", true, true},
        {"SELECT 1 FROM t JOIN INFORMATION_SCHEMA.columns c", true, true},
        {"SELECT 1 FROM sys.x", true, true},
        {"SELECT 1 FROM performance_schema.x", true, true},
        {"SELECT 1 FROM t", false, false},
        {"SELECT 1 FROM b.t", true, false},
        {"SHOW COLUMNS FROM t", false, false},
        {"SHOW VARIABLES", false, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct causal *b = causal_new(), *c = causal_new();
        uint64_t mine = 0, other = 0;

        write_at(b, &mine, "ALTER TABLE b.cols ADD x INT", "d", 5000);
        write_at(c, &other, "CREATE TABLE x (a INT)", "c", 5000);
        if (follows(b, 0, rows[i].read, "s", 5100) != rows[i].of_b ||
            follows(c, 0, rows[i].read, "s", 5100) != rows[i].of_c) {
            fail_msg("%s", rows[i].read);
        }
        assert_true(!rows[i].of_b ||
                    follow_us(b, mine, rows[i].read, "s", 90000) == CAUSAL_THE_WRITER);
        mem_free(MEM_ROUTER, b);
        mem_free(MEM_ROUTER, c);
    }
}

/* A statement on the session's schema alone, and one whose tables are not all known. */
TEST(causal_reads_of_a_system_schema_and_of_unknown_tables_are_broad)
{
    struct causal *c = causal_new();
    struct facts f = facts_of_text("SELECT a FROM b.t");
    uint64_t mine = 0, other = 0;
    uint8_t flags;

    write_at(c, &mine, "CREATE TABLE x (a INT)", "c", 5000);
    assert_true(follows(c, 0, "SELECT 1 FROM tables", "information_schema", 5100));
    assert_false(follows(c, 0, "SELECT 1 FROM information_schema.tables", "s", 5001 + WINDOW));
    write_at(c, &other, "INSERT INTO b.u VALUES (1)", "s", 8000);
    assert_false(follows(c, 0, "SELECT a FROM b.t", "s", 8100));
    f.flags |= FACT_TABLES_UNKNOWN;
    assert_int_equal(causal_follow_us(c,
                                      &(struct causal_read){&f, SLICE("s"), false, 0, 8100000,
                                                            WINDOW * 1000, false, 0},
                                      &flags),
                     8000000);
    mem_free(MEM_ROUTER, c);
}

/*
 * DDL elsewhere, seen in a binary log or remembered by a transaction: reads of the catalog alone.
 */
TEST(causal_ddl_elsewhere_voids_no_answer)
{
    struct causal *c = causal_new();
    struct causal_deps deps = deps_of(c, "SELECT b FROM t", "s", NULL);
    struct facts show = facts_of_text("SHOW COLUMNS FROM t");
    struct causal_marks marks = {.n = 0};
    struct causal_deps out;

    clock_set_us(5000000);
    causal_mark_foreign(c, SLICE("x"), SLICE(""), NULL);
    clock_set_us(0);
    assert_int_equal(follow_us(c, 0, "SHOW DATABASES", "s", 5100), 5000000);
    clock_set_us(9000000);
    causal_remember_schema(&marks, SLICE("y"));
    causal_mark_again(c, &marks);
    clock_set_us(0);
    assert_int_equal(follow_us(c, 0, "SHOW DATABASES", "s", 9100), 9000000);
    assert_true(causal_deps_hold(c, &deps));
    show.tables[0].name.len = 0; /* any of the schema */
    assert_false(causal_deps_of(c, &show, SLICE("s"), false, NULL, 0, &out));
    mem_free(MEM_ROUTER, c);
}

static void write_stray_at(struct causal *c, uint64_t *bloom, const char *sql, uint64_t now_ms)
{
    struct facts f = facts_of_text(sql);
    struct causal_write write = {&f, SLICE("s"), NULL, true, false, 0};

    clock_set_us(now_ms * 1000);
    causal_mark(c, bloom, &write);
    clock_set_us(0);
}

/* Where reads of t of a session with this bloom may go; the flags of it. */
static uint64_t stray_follow_us(const struct causal *c, uint64_t bloom, uint64_t now_ms,
                                uint8_t *flags)
{
    struct facts f = facts_of_text("SELECT a FROM t");

    return causal_follow_us(
        c,
        &(struct causal_read){&f, SLICE("s"), false, bloom, now_ms * 1000, WINDOW * 1000, false, 0},
        flags);
}

TEST(causal_stray_write_asks_the_writer_for_a_proof_for_a_minute)
{
    struct causal *c = causal_new();
    uint64_t mine = 0, other = 0;
    uint8_t flags;

    assert_false(causal_has_strays(c, 1000));
    write_stray_at(c, &mine, "INSERT INTO t VALUES (1)", 5000);
    assert_true(causal_has_strays(c, 5000000));
    assert_int_equal(stray_follow_us(c, 0, 5100, &flags), 5000000);
    assert_int_equal(flags, CAUSAL_STRAY);
    assert_int_equal(stray_follow_us(c, mine, 5100, &flags), 5000000); /* not: the writer */
    assert_int_equal(flags, CAUSAL_STRAY);
    write_at(c, &other, "UPDATE t SET a = 2", "s", 6000); /* at the writer: it hides nothing */
    assert_int_equal(stray_follow_us(c, 0, 6100, &flags), 6000000);
    assert_int_equal(flags, CAUSAL_STRAY);
    assert_int_equal(stray_follow_us(c, mine, 60000, &flags), 6000000); /* past the window */
    assert_int_equal(stray_follow_us(c, 0, 60000, &flags), 6000000);
    assert_int_equal(flags, CAUSAL_STRAY | CAUSAL_OVER);
    write_at(c, &other, "UPDATE t SET a = 2", "s", 65001); /* the minute is over */
    assert_false(causal_has_strays(c, 65000001));
    assert_true(stray_follow_us(c, mine, 65001, &flags) == CAUSAL_THE_WRITER);
    assert_int_equal(flags, 0);
    assert_int_equal(stray_follow_us(c, 0, 65001, &flags), 65001000);
    assert_int_equal(flags, 0);
    mem_free(MEM_ROUTER, c);
}

TEST(causal_stray_write_asks_nothing_of_reads_of_other_tables)
{
    struct causal *c = causal_new();
    uint64_t mine = 0;
    uint8_t flags;

    write_stray_at(c, &mine, "INSERT INTO z VALUES (1)", 5000);
    write_at(c, &mine, "INSERT INTO t VALUES (1)", "s", 5000);
    assert_true(stray_follow_us(c, mine, 5100, &flags) == CAUSAL_THE_WRITER);
    assert_int_equal(flags, 0);
    mem_free(MEM_ROUTER, c);
}

TEST(causal_stray_write_of_a_transaction_counts_when_it_ends)
{
    struct facts f = facts_of_text("INSERT INTO t VALUES (1)");
    struct causal_write write = {&f, SLICE("s"), NULL, true, false, 0};
    struct causal *c = causal_new();
    struct causal_marks marks = {.n = 0};
    uint8_t flags;

    causal_remember(&marks, &write);
    assert_true(marks.is_stray);
    clock_set_us(7000000);
    causal_mark_again(c, &marks);
    clock_set_us(0);
    assert_int_equal(stray_follow_us(c, 0, 7100, &flags), 7000000);
    assert_int_equal(flags, CAUSAL_STRAY);
    mem_free(MEM_ROUTER, c);
}

/* --- what may be anywhere --------------------------------------------------------------------- */

static uint64_t follow_of(const struct causal *c, const char *sql, uint32_t account, bool is_opaque)
{
    struct facts f = facts_of_text(sql);
    const struct causal_read read = {
        .facts = &f,
        .schema = SLICE("b"),
        .is_broad = is_opaque,
        .is_opaque = is_opaque,
        .now_us = 1001000,
        .window_us = WINDOW * 1000,
        .account = account,
    };
    uint8_t flags;

    return causal_follow_us(c, &read, &flags);
}

static void write_of(struct causal *c, struct causal_marks *marks, const char *sql, bool reaches)
{
    struct facts f = facts_of_text(sql);
    const struct causal_write write = {
        .facts = &f, .schema = SLICE("a"), .reaches = reaches, .account = 7};

    if (marks != NULL) {
        causal_remember(marks, &write);
        return;
    }
    clock_set_us(1000000);
    causal_mark(c, NULL, &write);
    clock_set_us(0);
}

TEST(causal_unseen_writes_are_followed_by_all_reads_of_their_account)
{
    static const char *const unseen[] = {"CALL p()", "EXECUTE s", "SELECT f() FROM t"};

    for (size_t i = 0; i < ARRAY_SIZE(unseen); i++) {
        struct causal *c = causal_new();
        struct facts read = facts_of_text("SELECT v FROM t");
        struct causal_deps deps, others;

        assert_true(causal_deps_of(c, &read, SLICE("b"), false, NULL, 7, &deps));
        assert_true(causal_deps_of(c, &read, SLICE("b"), false, NULL, 8, &others));
        assert_int_equal(follow_of(c, "SELECT v FROM t", 7, false), 0);
        write_of(c, NULL, unseen[i], false);
        assert_int_equal(follow_of(c, "SELECT v FROM t", 7, false), 1000000);
        assert_int_equal(follow_of(c, "SELECT v FROM t", 8, false), 0);
        assert_false(causal_deps_hold(c, &deps));
        assert_true(causal_deps_hold(c, &others));
        mem_free(MEM_ROUTER, c);
    }
}

TEST(causal_writes_whose_triggers_reach_other_schemas_are_followed)
{
    struct causal *c = causal_new();

    write_of(c, NULL, "INSERT INTO t VALUES (1)", false);
    assert_int_equal(follow_of(c, "SELECT v FROM u", 7, false), 0);
    write_of(c, NULL, "INSERT INTO t VALUES (1)", true);
    assert_int_equal(follow_of(c, "SELECT v FROM u", 7, false), 1000000);
    mem_free(MEM_ROUTER, c);
}

TEST(causal_reads_of_who_knows_what_follow_all_that_their_account_wrote)
{
    struct causal *c = causal_new();

    write_of(c, NULL, "INSERT INTO t VALUES (1)", false);
    assert_int_equal(follow_of(c, "SELECT v FROM view", 7, true), 1000000);
    assert_int_equal(follow_of(c, "SELECT v FROM view", 8, true), 0);
    assert_int_equal(follow_of(c, "SELECT v FROM view", 7, false), 0);
    mem_free(MEM_ROUTER, c);
}

TEST(causal_what_may_be_anywhere_counts_again_at_the_end_of_its_transaction)
{
    struct causal *c = causal_new();
    struct causal_marks marks = {.n = 0};
    char sql[64];

    for (unsigned i = 0; i < 2 * CAUSAL_MARKS_MAX;
         i++) { /* more than can be remembered one by one */
        (void)snprintf(sql, sizeof(sql), "INSERT INTO t%u VALUES (1)", i);
        write_of(c, &marks, sql, false);
    }
    write_of(c, &marks, "CALL p()", false);
    clock_set_us(1000000);
    causal_mark_again(c, &marks);
    clock_set_us(0);
    assert_int_equal(follow_of(c, "SELECT v FROM t", 7, false), 1000000);
    assert_int_equal(follow_of(c, "SELECT v FROM t", 8, false), 0);
    mem_free(MEM_ROUTER, c);
}

/* The look at a schema's triggers holds until DDL, or what may be some. */
TEST(causal_made_version_is_raised_by_ddl_alone)
{
    static const struct {
        const char *sql;
        bool makes;
    } cases[] = {
        {"CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1", true},
        {"CREATE TABLE u (a INT)", true},
        {"ALTER TABLE t ADD b INT", true},
        {"DROP VIEW v", true},
        {"CALL p()", true},
        {"EXECUTE s", true},
        {"EXECUTE IMMEDIATE 'CREATE VIEW v AS SELECT 1'", true},
        {"SELECT 1; CREATE TABLE u (a INT)", true},
        {"INSERT INTO t VALUES (1)", false},
        {"SELECT GET_LOCK('x', 1)", false},
        {"SELECT @a := 1", false},
        {"SELECT a FROM t FOR UPDATE", false},
        {"CREATE TEMPORARY TABLE u (a INT)", false},
        {"TRUNCATE t", false},
        {"GRANT SELECT ON t TO u", true}, /* what its user is shown may be another */
        {"COMMIT", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct causal *c = causal_new();

        write_of(c, NULL, cases[i].sql, false);
        if ((causal_made_version(c, SLICE("a")) != 0) != cases[i].makes) {
            fail_msg("%s", cases[i].sql);
        }
        mem_free(MEM_ROUTER, c);
    }
}
