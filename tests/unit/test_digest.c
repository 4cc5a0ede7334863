/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_digest.c - the normalised text and its hash.
 */
#include <xxhash.h>

#include "router/digest.h"
#include "tests/unit/facts_rows.h"

static void assert_text(const char *sql, const char *text)
{
    char out[2048];
    uint64_t hash;
    size_t len = digest_text(slice_of(sql), 0, out, sizeof(out), &hash);

    if (len != strlen(text) || memcmp(out, text, len) != 0) {
        fail_msg("%s\n  gives \"%.*s\", not \"%s\"", sql, (int)len, out, text);
    }
    assert_true(hash == XXH3_64bits(text, len));
    assert_true(hash == facts_of(sql).digest);
}

TEST(digest_literals_are_question_marks)
{
    assert_text("SELECT c FROM sbtest1 WHERE id=12345", "SELECT c FROM sbtest1 WHERE id=?");
    assert_text("SELECT 'a', \"b\", N'c', x'41', 0x41, 1.5e-3, .5, \\N, ?",
                "SELECT ?,?,?,?,?,?,?,?,?");
    assert_text("SELECT 1 + -1, a - 1, a-1", "SELECT ?+?,a-?,a-?");
    assert_text("SELECT a FROM t WHERE b = -5 AND c > +5", "SELECT a FROM t WHERE b=? AND c>?");
    assert_text("SELECT a FROM t LIMIT 0, 10", "SELECT a FROM t LIMIT ?,?");
    assert_text("SELECT a FROM t WHERE b IS NULL AND c = NULL",
                "SELECT a FROM t WHERE b IS NULL AND c=NULL");
    assert_text("SELECT _utf8mb4'x'", "SELECT _utf8mb4 ?");
}

TEST(digest_lists_of_literals_are_one)
{
    assert_text("SELECT a IN (1)", "SELECT a IN (?)");
    assert_text("SELECT a IN (1, 2)", "SELECT a IN (?,...)");
    assert_text("SELECT a IN ( 1,2 , 3,'x' , -4 )", "SELECT a IN (?,...)");
    assert_text("SELECT a IN(1,2)", "SELECT a IN(?,...)");
    assert_text("SELECT f(a, 1, 2), g(1, 2, a, 3), h(1, NULL, 2)",
                "SELECT f(a,?,?),g(?,...,a,?),h(?,...)");
    assert_text("SELECT (1 + 2), (1, 2 + 3), (-a), (1, -a)", "SELECT (?+?),(?,...+?),(-a),(?,-a)");
    assert_text("SELECT (1,", "SELECT (?,");
    assert_text("SELECT (1,2,", "SELECT (?,...,");
    assert_text("SELECT (1,-", "SELECT (?,-");
}

TEST(digest_rows_of_literals_are_one)
{
    assert_text("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (?)");
    assert_text("INSERT INTO t VALUES (1),(2)", "INSERT INTO t VALUES (?),...");
    assert_text("INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y'), (3, NULL), (-1, +2)",
                "INSERT INTO t (a,b) VALUES (?,...),...");
    assert_text("INSERT INTO t VALUES (1, 2), (3, NOW())",
                "INSERT INTO t VALUES (?,...),(?,NOW())");
    assert_text("INSERT INTO t VALUES (1, 2), (3, 4), (3, 4, NOW())",
                "INSERT INTO t VALUES (?,...),...,(?,...,NOW())");
    assert_text("INSERT INTO t VALUES (NOW(), 1), (NOW(), 2)",
                "INSERT INTO t VALUES (NOW(),?),(NOW(),?)");
    assert_text("INSERT INTO t VALUES (1,2),(3,4) ON DUPLICATE KEY UPDATE a = 5",
                "INSERT INTO t VALUES (?,...),... ON DUPLICATE KEY UPDATE a=?");
    assert_text("SELECT (a, b) IN ((1, 2), (3, 4), (5, 6))", "SELECT (a,b) IN ((?,...),...)");
    assert_text("INSERT INTO t VALUES (1),", "INSERT INTO t VALUES (?),");
    assert_text("INSERT INTO t VALUES (1),(", "INSERT INTO t VALUES (?),(");
    assert_text("INSERT INTO t VALUES (1),(2", "INSERT INTO t VALUES (?),(?");
    assert_text("INSERT INTO t VALUES (1),(2,", "INSERT INTO t VALUES (?),(?,");
    assert_text("INSERT INTO t VALUES (1),(2,3", "INSERT INTO t VALUES (?),(?,...");
    assert_text("INSERT INTO t VALUES (1),(-", "INSERT INTO t VALUES (?),(-");
    assert_text("INSERT INTO t VALUES (1),a", "INSERT INTO t VALUES (?),a");
    assert_text("INSERT INTO t VALUES (1),(a)", "INSERT INTO t VALUES (?),(a)");
    assert_text("INSERT INTO t VALUES (1),()", "INSERT INTO t VALUES (?),()");
}

TEST(digest_spaces_and_comments_do_not_count)
{
    assert_text("SELECT\n\ta  ,b FROM   t", "SELECT a,b FROM t");
    assert_text("/* x */ SELECT /* y */ a -- z\n FROM t # u", "SELECT a FROM t");
    assert_text("SELECT a FROM t;", "SELECT a FROM t");
    assert_text("SELECT a FROM t ; ; ", "SELECT a FROM t");
    assert_text("SELECT 1;; SELECT 2", "SELECT ?;SELECT ?");
    assert_text("SELECT 1; SELECT 2", "SELECT ?;SELECT ?");
    assert_text("SELECT * FROM t WHERE a = 1 AND ( b = 2 )", "SELECT * FROM t WHERE a=? AND (b=?)");
    assert_text("SELECT count( * ), t.* , db . t", "SELECT count(*),t.*,db.t");
    assert_text("SELECT @a := @@session.x, @@y", "SELECT @a:=@@session.x,@@y");
    assert_text("SELECT a<=b, a < = b, a!=b", "SELECT a<=b,a<=b,a!=b");
    assert_text("", "");
    assert_text("  /* x */ ", "");
}

TEST(digest_case_and_names_count)
{
    assert_text("select A from `T x`", "select A from `T x`");
    assert_true(facts_of("SELECT a FROM t").digest != facts_of("SELECT a FROM T").digest);
    assert_true(facts_of("SELECT a FROM t").digest != facts_of("SELECT b FROM t").digest);
    assert_true(facts_of("SELECT 1").digest != facts_of("SELECT a").digest);
    assert_true(facts_of("SELECT a IN (1)").digest != facts_of("SELECT a IN (1,2)").digest);
}

TEST(digest_of_the_same_with_other_literals_is_the_same)
{
    static const char *const same[][2] = {
        {"SELECT a FROM t WHERE id = 5", "SELECT a  FROM t WHERE id='x' -- y"},
        {"SELECT a FROM t WHERE id IN (1,2,3)", "SELECT a FROM t WHERE id IN ('a', 'b')"},
        {"INSERT INTO t VALUES (1,2)", "INSERT INTO t VALUES ('it''s', NULL);"},
        {"INSERT INTO t VALUES (1,2),(3,4)", "INSERT INTO t VALUES (1,2),(3,4),(5,6)"},
        {"UPDATE t SET a = -1", "UPDATE t SET a = 1"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        assert_true(facts_of(same[i][0]).digest == facts_of(same[i][1]).digest);
    }
}

/* Texts that are longer than a piece are hashed piece by piece, wherever the tokens are cut. */
TEST(digest_of_a_long_text_is_that_of_its_pieces)
{
    static char sql[3 * DIGEST_PIECE];
    static char out[sizeof(sql)];

    for (size_t len = 8; len < sizeof(sql); len++) {
        struct slice text = {sql, len};
        uint64_t expected = 0;
        uint64_t hash;

        memset(sql, 'a', len);
        for (size_t i = 5; i < len - 1; i += 2 + i % 37) {
            sql[i] = ' ';
            sql[i + 1] = 'b';
        }
        sql[len - 1] = 'c';
        assert_int_equal(digest_text(text, 0, out, sizeof(out), &hash), len);
        assert_memory_equal(out, sql, len);
        for (size_t at = 0; at < len; at += DIGEST_PIECE) {
            expected =
                XXH3_64bits_withSeed(sql + at, MIN(len - at, (size_t)DIGEST_PIECE), expected);
        }
        assert_true(hash == expected);
    }
}

TEST(digest_text_is_cut_at_the_end_of_the_buffer)
{
    char out[16];

    for (size_t cap = 0; cap < sizeof(out); cap++) {
        char *exact = malloc(cap == 0 ? 1 : cap);
        uint64_t hash;

        assert_int_equal(digest_text(SLICE("SELECT abcdef FROM t"), 0, exact, cap, &hash), cap);
        assert_memory_equal(exact, "SELECT abcdef FROM t", cap);
        assert_true(hash == XXH3_64bits("SELECT abcdef FROM t", 20));
        free(exact);
    }
}
