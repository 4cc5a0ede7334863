/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_digest.c - the normalised text and its hash.
 */
#include <xxhash.h>

#include "router/digest.h"
#include "tests/unit/facts_rows.h"

/* The text with some settings; the hash is that of the text, whoever makes it. */
static void assert_text_of(uint32_t mode, const char *sql, const char *text)
{
    char out[2048];
    struct facts facts;
    uint64_t hash;
    size_t len = digest_text(slice_of(sql), mode, out, sizeof(out), &hash);

    if (len != strlen(text) || memcmp(out, text, len) != 0) {
        fail_msg("%s\n  gives \"%.*s\", not \"%s\"", sql, (int)len, out, text);
    }
    facts_scan(&facts, slice_of(sql), mode);
    assert_true(hash == XXH3_64bits(text, len));
    assert_true(hash == facts.digest);
}

static void assert_text(const char *sql, const char *text)
{
    assert_text_of(0, sql, text);
}

struct row {
    const char *sql;
    const char *text;
};

static void assert_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_text(rows[i].sql, rows[i].text);
    }
}

/*
 * What a user of ProxySQL 2.6 sees in stats_mysql_query_digest, with all settings at their
 * defaults.
 */
static const struct row usual[] = {
    /* statements as sysbench, WordPress and people write them */
    {"SELECT c FROM sbtest1 WHERE id=12345", "SELECT c FROM sbtest1 WHERE id=?"},
    {"SELECT c FROM sbtest1 WHERE id BETWEEN 5 AND 105 ORDER BY c",
     "SELECT c FROM sbtest1 WHERE id BETWEEN ? AND ? ORDER BY c"},
    {"SELECT SUM(k) FROM sbtest1 WHERE id BETWEEN 1 AND 2",
     "SELECT SUM(k) FROM sbtest1 WHERE id BETWEEN ? AND ?"},
    {"UPDATE sbtest1 SET k=k+1 WHERE id=7", "UPDATE sbtest1 SET k=k+? WHERE id=?"},
    {"INSERT INTO sbtest1 (id, k, c, pad) VALUES (1, 2, 'a', 'b')",
     "INSERT INTO sbtest1 (id,k,c,pad) VALUES (?,?,?,?)"},
    {"SELECT option_name, option_value FROM wp_options WHERE autoload = 'yes'",
     "SELECT option_name,option_value FROM wp_options WHERE autoload = ?"},
    {"SELECT option_value FROM wp_options WHERE option_name = 'x' LIMIT 1",
     "SELECT option_value FROM wp_options WHERE option_name = ? LIMIT ?"},
    {"SELECT SQL_CALC_FOUND_ROWS  wp_posts.ID FROM wp_posts  WHERE 1=1  AND a LIMIT 0, 10",
     "SELECT SQL_CALC_FOUND_ROWS wp_posts.ID FROM wp_posts WHERE ?=? AND a LIMIT ?,?"},
    {"SELECT wp_posts.* FROM wp_posts WHERE ID IN (67,64,5,9,11,13)",
     "SELECT wp_posts.* FROM wp_posts WHERE ID IN (?,?,?,...)"},
    {"SELECT post_id, meta_key FROM m WHERE post_id IN (1,2) ORDER BY meta_id ASC",
     "SELECT post_id,meta_key FROM m WHERE post_id IN (?,?) ORDER BY meta_id ASC"},
    {"INSERT INTO `wp_options` (`option_name`, `option_value`, `autoload`) VALUES "
     "('a', 'b', 'no') ON DUPLICATE KEY UPDATE `option_name` = VALUES(`option_name`), "
     "`option_value` = VALUES(`option_value`)",
     "INSERT INTO `wp_options` (`option_name`,`option_value`,`autoload`) VALUES (?,?,?) ON "
     "DUPLICATE KEY UPDATE `option_name` = VALUES(`option_name`),`option_value` = "
     "VALUES(`option_value`)"},
    {"SET NAMES utf8mb4", "SET NAMES utf8mb4"},
    {"SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_520_ci'", "SET NAMES ? COLLATE ?"},
    {"SET SESSION sql_mode='ANSI'", "SET SESSION sql_mode=?"},
    {"SELECT @@SESSION.sql_mode", "SELECT @@SESSION.sql_mode"},
    {"SELECT FOUND_ROWS()", "SELECT FOUND_ROWS()"},
    {"select * from t where t = \"foo\"", "select * from t where t = ?"},
    {"SELECT COUNT( * ) FROM t", "SELECT COUNT(*) FROM t"},
    {"BEGIN", "BEGIN"},
    {"SHOW TABLES LIKE 'wp\\_%'", "SHOW TABLES LIKE ?"},
    {"CALL p(1, 'x')", "CALL p(?,?)"},
    /* literals */
    {"select 1", "select ?"},
    {"select 1.1e-9", "select ?"},
    {"select 0x100", "select ?"},
    {"select 99.1929", "select ?"},
    {"select ''", "select ?"},
    {"select '\\''", "select ?"},
    {"select '', '\\'', 'foo''bar\\''", "select ?,?,?"},
    {"SELECT N'string', _utf8'str\\'i\nng'", "SELECT N?,_utf8?"},
    {"SELECT x'4d', b'01'", "SELECT x?,b?"},
    {"select NULL", "select NULL"},
    {"select a from t where b is null and c = ?", "select a from t where b is null and c = ?"},
    {"select * from 1_value", "select * from 1_value"},
    /* signs and arithmetic */
    {"select 1 +1", "select ?+?"},
    {"select 1+ 1,'1 -1', 1 * 1 , '1/1 ',100 % 3", "select ?+?,?,?*?,?,?%?"},
    {"select  + 1", "select ?"},
    {"select  + 1, - 2", "select ?,?"},
    {"select -\"1\"", "select ?"},
    {"select (-'89')", "select (?)"},
    {"select  10, -'89 ',+'5'", "select ?,?,?"},
    {"select CONCAT(  -'89'   +  '10' )", "select CONCAT(?+?)"},
    {"select CONCAT(- '89')", "select CONCAT(?)"},
    {"SELECT a FROM t WHERE b = -5 AND c > +5", "SELECT a FROM t WHERE b = ? AND c > ?"},
    {"SELECT (a) - 1, a-1, 1-a", "SELECT (a) -?,a-?,?-a"},
    {"SELECT a * b, 2 * a", "SELECT a * b,?* a"},
    /* white space and comments */
    {"select /* COMMENT */ 1", "select ?"},
    {"select/* COMMENT */1", "select ?"},
    {"/* COMMENT */ select 1 ", "select ?"},
    {"select 1/* COMMENT */  ", "select ?"},
    {"# random_comment \n   select 1.1", "select ?"},
    {"-- random_comment\n select 1.1-- final_comment   \n", "select ?"},
    {"SELECT\n\ta  ,b FROM   t", "SELECT a,b FROM t"},
    {"SELECT * FROM t t1, t t2 ,t t3,t t4 LIMIT 0", "SELECT * FROM t t1,t t2,t t3,t t4 LIMIT ?"},
    {"SELECT a FROM t;", "SELECT a FROM t"},
    {"SELECT a FROM t ; ; ", "SELECT a FROM t"},
    {"SELECT 1; SELECT 2", "SELECT ?; SELECT ?"},
    {"INSERT INTO db.table( col1) VALUES ( 'val' )", "INSERT INTO db.table(col1) VALUES (?)"},
    {"INSERT INTO db.table  ( col1 )  VALUES ( 'val' )", "INSERT INTO db.table (col1) VALUES (?)"},
    {"SELECT @a := @@session.x, @@y", "SELECT @a := @@session.x,@@y"},
    {"SELECT a<=b, a < = b, a!=b", "SELECT a<=b,a < = b,a!=b"},
    /* lists */
    {"SELECT * FROM tablename WHERE id IN (1,2,3,4)",
     "SELECT * FROM tablename WHERE id IN (?,?,?,?)"},
    {"SELECT * FROM tablename WHERE id IN (1,2,3,4,5)",
     "SELECT * FROM tablename WHERE id IN (?,?,?,...)"},
    {"SELECT * FROM tablename WHERE id IN ( 1 ,-2, 'x' ,4,5,6,7,8,9,10 )",
     "SELECT * FROM tablename WHERE id IN (?,?,?,...)"},
    {"SELECT 1,2,3,4,5,6,7", "SELECT ?,?,?,?,?,?,?"},
    {"SELECT f(a, 1,2,3,4,5,6), 1,2,3,4,5,6", "SELECT f(a,?,?,?,...),?,?,?,?,?,?"},
    {"SELECT a IN (1,2,3,4,5,6,7,NULL8,9,10)", "SELECT a IN (?,?,?,...,NULL8,?,?)"},
    {"SELECT a IN (1,2,3,4,NULL8,9)", "SELECT a IN (?,?,?,?,NULL8,?)"},
    {"INSERT INTO t (a) VALUES ('val',1, 2,3,'foo', 5 + 10, 6 - 9, 12, 3, 4, 5, 4,5,6)",
     "INSERT INTO t (a) VALUES (?,?,?,...,?+?,?-?,?,?,?,...)"},
    {"INSERT INTO t (a) VALUES ('val',2,3,'foo', 5 + 10, 6 - 9)",
     "INSERT INTO t (a) VALUES (?,?,?,?,?+?,?-?)"},
    {"SELECT * t where id IN (1,2,3,4,5,6,7,8,  AND j in (1,2,3,4,5,6  and k=1",
     "SELECT * t where id IN (?,?,?,...,AND j in (?,?,?,...,? and k=?"},
    {"INSERT INTO t VALUES (NOW(), 1, 2, 3, 4, 5)", "INSERT INTO t VALUES (NOW(),?,?,?,?,?)"},
    {"CREATE TABLE t (a decimal(40, 20), b varchar(20), c enum('a','b','c','d','e','f'))",
     "CREATE TABLE t (a decimal(?,?),b varchar(?),c enum(?,?,?,...))"},
    /* rows */
    {"INSERT INTO t VALUES (1,2),(3,4)", "INSERT INTO t VALUES (?,?),(?,?)"},
    {"INSERT INTO t VALUES (1,2,3,4,5), (1,2,3,4,5)",
     "INSERT INTO t VALUES (?,?,?,...),(?,?,?,...)"},
};

TEST(digest_texts_are_those_of_proxysql)
{
    assert_rows(usual, ARRAY_SIZE(usual));
}

#define TEN(x) x "," x "," x "," x "," x "," x "," x "," x "," x "," x

TEST(digest_keeps_ten_rows)
{
    static const struct row rows[] = {
        {"INSERT INTO t VALUES " TEN("(1,2,3,4,5)"), "INSERT INTO t VALUES " TEN("(?,?,?,...)")},
        {"INSERT INTO t VALUES " TEN("(1,2,3,4,5)") ", (6,7,8,9,0)",
         "INSERT INTO t VALUES " TEN("(?,?,?,...)") ",..."},
        {"INSERT INTO t VALUES " TEN(
             "(1,2,3,4,5)") " , ( 6,7,8,9,0,1,2 ) ,(6,7,8,9,0) ON DUPLICATE "
                            "KEY UPDATE a = 5",
         "INSERT INTO t VALUES " TEN("(?,?,?,...)") ",... ON DUPLICATE KEY UPDATE a = ?"},
        {"INSERT INTO t VALUES " TEN("(1)") ",(2),(3)", "INSERT INTO t VALUES " TEN("(?)") ",..."},
        {"INSERT INTO t VALUES " TEN("(1)") ",", "INSERT INTO t VALUES " TEN("(?)") ","},
        {"INSERT INTO t VALUES " TEN("(1)") ",(", "INSERT INTO t VALUES " TEN("(?)") ",("},
        {"INSERT INTO t VALUES " TEN("(1)") ",(2", "INSERT INTO t VALUES " TEN("(?)") ",(?"},
        {"INSERT INTO t VALUES " TEN("(1)") ",(2,", "INSERT INTO t VALUES " TEN("(?)") ",(?,"},
        {"INSERT INTO t VALUES " TEN("(1)") ",(-", "INSERT INTO t VALUES " TEN("(?)") ",(-"},
        {"INSERT INTO t VALUES " TEN("(1)") ",()", "INSERT INTO t VALUES " TEN("(?)") ",()"},
        {"INSERT INTO t VALUES " TEN("(1)") ",a", "INSERT INTO t VALUES " TEN("(?)") ",a"},
        {"INSERT INTO t VALUES " TEN("(1)") ",5", "INSERT INTO t VALUES " TEN("(?)") ",?"},
        {"INSERT INTO t VALUES " TEN("(1)") ",(a)", "INSERT INTO t VALUES " TEN("(?)") ",(a)"},
        {"INSERT INTO t VALUES " TEN("(1)") ",(2+3)", "INSERT INTO t VALUES " TEN("(?)") ",(?+?)"},
        {"INSERT INTO t VALUES " TEN("(1)") ",(2,3,4,5,6)",
         "INSERT INTO t VALUES " TEN("(?)") ",(?,?,?,...)"},
        {"INSERT INTO t VALUES " TEN("(1)") ",(2,3,4,5)",
         "INSERT INTO t VALUES " TEN("(?)") ",(?,?,?,?)"},
        {"INSERT INTO t VALUES " TEN("(1)") ",(2,3,4,5,NOW())",
         "INSERT INTO t VALUES " TEN("(?)") ",(?,?,?,?,NOW())"},
        {"INSERT INTO t VALUES " TEN("(1)") ",(2,3,4,5,6,NOW())",
         "INSERT INTO t VALUES " TEN("(?)") ",(?,?,?,...,NOW())"},
        {"INSERT INTO t VALUES " TEN("(1)") ",(2,3,4,5,6,7+8)",
         "INSERT INTO t VALUES " TEN("(?)") ",(?,?,?,...,?+?)"},
        {"INSERT INTO t VALUES " TEN("(1)") ",(2,3,4,5,6,7",
         "INSERT INTO t VALUES " TEN("(?)") ",(?,?,?,...,?"},
        {"INSERT INTO t VALUES " TEN("(1)") ",(2),(3),(4, NOW())",
         "INSERT INTO t VALUES " TEN("(?)") ",...,(?,NOW())"},
        {"INSERT INTO t VALUES " TEN("(NOW(),1)"), "INSERT INTO t VALUES " TEN("(NOW(),?)")},
        {"SELECT (a, b) IN (" TEN("(1, 2)") ", (3, 4))", "SELECT (a,b) IN (" TEN("(?,?)") ",...)"},
    };

    assert_rows(rows, ARRAY_SIZE(rows));
}

/* The settings of mysql_variables as bits of a mode. */
static uint32_t mode_of(int list_limit, int rows_limit)
{
    struct conf_vars vars;
    uint32_t mode;

    conf_vars_init(&vars);
    assert_int_equal(digest_mode(&vars), 0);
    vars.mysql_query_digests_grouping_limit = list_limit;
    vars.mysql_query_digests_groups_grouping_limit = rows_limit;
    mode = digest_mode(&vars);
    conf_vars_fini(&vars);
    return mode;
}

TEST(digest_settings_change_the_text)
{
    assert_text_of(DIGEST_LOWERCASE, "SELECT A, `B` FROM T1 WHERE C = 'X'",
                   "select a,`b` from t1 where c = ?");
    assert_text_of(DIGEST_NO_DIGITS, "SELECT col_121, c12_3 FROM wp_25.t9 WHERE x1 = 12",
                   "SELECT col_?,c?_? FROM wp_?.t? WHERE x? = ?");
    assert_text_of(DIGEST_REPLACE_NULL, "SELECT a IN (NULL, 2,3, nUlL ,5), NULL8, `NULL`",
                   "SELECT a IN (?,?,?,...),NULL8,`NULL`");
    assert_text("SELECT a IN (NULL, 2,3)", "SELECT a IN (NULL,?,?)");
    assert_text_of(DIGEST_KEEP_COMMENT, "/* a */ SELECT /* b */ 1 -- /* c */\n, 2 # /* d */",
                   "/* a */ SELECT /* b */ ?,?");
    assert_text_of(DIGEST_KEEP_COMMENT, "SELECT /*!40000 1 */ + 2 /*! , 3 */", "SELECT ?+?,?");
    assert_text_of(mode_of(1, 10), "SELECT a IN (1,2), b IN (1,2,3)",
                   "SELECT a IN (?,?),b IN (?,...)");
    assert_text_of(mode_of(8, 10), "SELECT a IN (1,2,3,4,5,6,7,8,9), b IN (1,2,3,4,5,6,7,8,9,0)",
                   "SELECT a IN (?,?,?,?,?,?,?,?,?),b IN (?,?,?,?,?,?,?,?,...)");
    assert_text_of(mode_of(1, 1), "INSERT INTO t VALUES (1,2,3),(4,5,6),(7,8,9) ON DUPLICATE KEY",
                   "INSERT INTO t VALUES (?,...),... ON DUPLICATE KEY");
    assert_text_of(mode_of(3, 0), "INSERT INTO t VALUES " TEN("(1)") "," TEN("(2)"),
                   "INSERT INTO t VALUES " TEN("(?)") "," TEN("(?)"));
    assert_text_of(mode_of(2089, 2089), "SELECT a IN (1,2,3,4,5,6)", "SELECT a IN (?,?,?,?,?,?)");
}

TEST(digest_of_nothing_is_empty)
{
    assert_text("", "");
    assert_text("  /* x */ ", "");
    assert_text(" ;; ", "");
    assert_text("-", "-");
    assert_text("(1,", "(?,");
    assert_text("(1,2,3,4,5,6", "(?,?,?,...,?");
    assert_text("(1,-", "(?,-");
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
        {"SELECT a FROM t WHERE id = 5", "SELECT a  FROM t WHERE id = 'x' -- y"},
        {"SELECT a FROM t WHERE id IN (1,2,3,4,5)",
         "SELECT a FROM t WHERE id IN ('a', 'b',3,4,5,6)"},
        {"INSERT INTO t VALUES (1,2)", "INSERT INTO t VALUES ('it''s', -2);"},
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
