/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_row_key.c - which rows a statement is bound to, and that in doubt it is to none.
 */
#include "router/row_key.h"
#include "tests/unit/test.h"

static struct row_key_patterns patterns_of(const char *text)
{
    struct row_key_patterns patterns;
    const char *why = "";

    assert_int_equal(row_key_patterns_read(&patterns, slice_of(text), &why), 0);
    return patterns;
}

static struct row_keys keys_in(const char *sql, uint32_t mode)
{
    struct row_key_patterns patterns = patterns_of("%options.option_name");
    struct row_keys keys;
    struct facts f;
    bool is_bound;

    facts_scan(&f, slice_of(sql), mode);
    is_bound = row_keys_of(&f, slice_of(sql), mode, &patterns, &keys);
    assert_int_equal(is_bound, keys.n > 0);
    return keys;
}

/* The values, as a node's binary log would give them. */
static struct row_keys keys_made(const char *const *values)
{
    struct row_keys keys = {.n = 0};

    for (size_t i = 0; i < 8 && values[i] != NULL; i++) {
        assert_true(row_keys_add(&keys, SLICE("option_name"), slice_of(values[i])));
    }
    return keys;
}

struct row {
    const char *sql;
    const char *values[8];
};

static const struct row bound[] = {
    {"SELECT option_value FROM wp_options WHERE option_name = 'siteurl' LIMIT 1", {"siteurl"}},
    {"select * from `wp_options` where `option_name`='siteurl'", {"siteurl"}},
    {"SELECT option_value FROM wp_options WHERE option_name = 'Siteurl  ';", {"siteurl"}},
    {"SELECT o.option_value FROM s.wp_options AS o WHERE o.option_name = \"a\"", {"a"}},
    {"SELECT s.wp_options.option_value FROM s.wp_options WHERE s.wp_options.option_name = 'a'",
     {"a"}},
    {"SELECT option_value FROM wp_options o WHERE autoload = 'yes' AND option_name = 'a'", {"a"}},
    {"SELECT a FROM wp_options WHERE option_name = 'a' AND b <> 1 AND c LIKE 'x\\'%' AND d IS NOT "
     "NULL AND 1 = 1 AND e IN (1, 'x') AND f >= 2 AND g != 3 AND h NOT LIKE 'y' ORDER BY a, b DESC "
     "LIMIT 1, 2",
     {"a"}},
    {"SELECT option_name, COUNT(*) FROM wp_options WHERE option_name IN ('a','b' , 'c') GROUP BY "
     "option_name HAVING COUNT(*) > 0",
     {"a", "b", "c"}},
    {"SELECT a FROM wp_options WHERE option_name = 'a' AND option_name = 'b'", {"a"}},
    {"SELECT a FROM wp_options WHERE option_name = 1 AND option_name IN ('_a.b-c:d/e f')",
     {"_a.b-c:d/e f"}},
    {"SELECT EXTRACT(YEAR FROM a), TRIM(LEADING 'x' FROM b) FROM wp_options WHERE option_name='a'",
     {"a"}},
    {"SELECT a FROM wp_options WHERE option_name = 'a' LIMIT 1 FOR UPDATE", {"a"}},
    {"SELECT a /* WHERE */ FROM wp_options -- x\n WHERE option_name = 'a' # AND\n", {"a"}},
    {"UPDATE `wp_options` SET `option_value` = 'it\\'s, WHERE', `autoload` = 'no' WHERE "
     "`option_name` = 'cron'",
     {"cron"}},
    {"UPDATE LOW_PRIORITY IGNORE s.wp_options AS o SET o.option_value = CONCAT(o.option_value, "
     "'x', (1)) WHERE o.option_name = 'a' ORDER BY x LIMIT 1",
     {"a"}},
    {"DELETE FROM `wp_options` WHERE `option_name` = '_transient_x'", {"_transient_x"}},
    {"DELETE LOW_PRIORITY IGNORE FROM wp_options WHERE option_name IN ('a', 'b') LIMIT 2",
     {"a", "b"}},
    {"INSERT INTO `wp_options` (`option_name`, `option_value`, `autoload`) VALUES ('a', 'b(', "
     "'yes') ON DUPLICATE KEY UPDATE `option_name` = VALUES(`option_name`), `option_value` = "
     "VALUES(`option_value`), `autoload` = VALUES(`autoload`)",
     {"a"}},
    {"INSERT IGNORE INTO `wp_options` ( `option_name`, `option_value`, `autoload` ) VALUES "
     "('core_updater.lock', '1', 'no') /* LOCK */",
     {"core_updater.lock"}},
    {"INSERT wp_options (option_id, option_value, option_name) VALUE (1, NOW(), 'a'), (2, "
     "CONCAT('x', ')'), 'b');",
     {"a", "b"}},
    {"REPLACE INTO wp_options (option_name, option_value) VALUES ('a', 1)", {"a"}},
    {"INSERT INTO wp_options (option_name) VALUES ('a'), ('A'), ('a ')", {"a"}},
    {"INSERT INTO x_options (a, option_name) VALUES (1, 'a') ON DUPLICATE KEY UPDATE a = a + 1",
     {"a"}},
};

TEST(row_keys_of_statements_that_are_bound)
{
    for (size_t i = 0; i < ARRAY_SIZE(bound); i++) {
        struct row_keys keys = keys_in(bound[i].sql, 0);
        struct row_keys wanted = keys_made(bound[i].values);

        if (keys.n != wanted.n ||
            memcmp(keys.hash, wanted.hash, keys.n * sizeof(keys.hash[0])) != 0) {
            fail_msg("%s: %u rows", bound[i].sql, keys.n);
        }
    }
}

static const struct {
    const char *sql;
} unbound[] = {
    /* another table, another column, none */
    {"SELECT a FROM wp_posts WHERE option_name = 'a'"},
    {"SELECT a FROM wp_options WHERE option_value = 'a'"},
    {"SELECT a FROM wp_options"},
    {"SELECT 1"},
    {"SELECT a FROM wp_options WHERE option_name"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' FOR UPDATE"},
    /* conditions that are not what they seem */
    {"SELECT a FROM wp_options WHERE option_name = 'a' OR 1 = 1"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' || 1"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' XOR 1 = 1"},
    {"SELECT a FROM wp_options WHERE NOT option_name = 'a'"},
    {"SELECT a FROM wp_options WHERE ! option_name = 'a'"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' = 0"},
    {"SELECT a FROM wp_options WHERE 0 = option_name = 'a'"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' IS FALSE"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' < 1"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' 'b'"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' COLLATE utf8mb4_bin"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' + 0"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' IN (0)"},
    {"SELECT a FROM wp_options WHERE option_name = ('a')"},
    {"SELECT a FROM wp_options WHERE (option_name = 'a')"},
    {"SELECT a FROM wp_options WHERE option_name = -'a'"},
    {"SELECT a FROM wp_options WHERE option_name = BINARY 'a'"},
    {"SELECT a FROM wp_options WHERE BINARY option_name = 'a'"},
    {"SELECT a FROM wp_options WHERE option_name = _latin1'a'"},
    {"SELECT a FROM wp_options WHERE option_name = N'a'"},
    {"SELECT a FROM wp_options WHERE option_name = x'61'"},
    {"SELECT a FROM wp_options WHERE option_name = 0x61"},
    {"SELECT a FROM wp_options WHERE option_name = CONCAT('a', 'b')"},
    {"SELECT a FROM wp_options WHERE option_name = ?"},
    {"SELECT a FROM wp_options WHERE option_name = @a"},
    {"SELECT a FROM wp_options WHERE option_name = a"},
    {"SELECT a FROM wp_options WHERE option_name = NULL"},
    {"SELECT a FROM wp_options WHERE option_name <=> 'a'"},
    {"SELECT a FROM wp_options WHERE option_name != 'a'"},
    {"SELECT a FROM wp_options WHERE option_name >= 'a'"},
    {"SELECT a FROM wp_options WHERE option_name LIKE 'a'"},
    {"SELECT a FROM wp_options WHERE option_name NOT IN ('a')"},
    {"SELECT a FROM wp_options WHERE option_name IN ('a') = 0"},
    {"SELECT a FROM wp_options WHERE option_name IN ('a', b)"},
    {"SELECT a FROM wp_options WHERE option_name IN ('a', '1')"},
    {"SELECT a FROM wp_options WHERE option_name IN ()"},
    {"SELECT a FROM wp_options WHERE option_name IN ('a','b','c','d','e','f','g','h','k')"},
    {"SELECT a FROM wp_options WHERE LOWER(option_name) = 'a'"},
    {"SELECT a FROM wp_options WHERE b BETWEEN 1 AND option_name = 'a'"},
    {"SELECT a FROM wp_options WHERE CASE WHEN 1 AND option_name = 'a' AND 1 THEN 0 ELSE 1 END"},
    {"SELECT a FROM wp_options WHERE b > c + INTERVAL 1 AND option_name = 'a' AND 1 DAY"},
    {"SELECT a FROM wp_options WHERE b LIKE 'x' ESCAPE '|' AND option_name = 'a' OR 1"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' AND (b = 1 OR c = 2)"},
    {"SELECT a FROM wp_options WHERE 'a' = option_name"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' AND b = 'x' OR 'y'"},
    /* values that may be the same as others, or may be cut */
    {"SELECT a FROM wp_options WHERE option_name = '1a'"},
    {"SELECT a FROM wp_options WHERE option_name = ' a'"},
    {"SELECT a FROM wp_options WHERE option_name = ''"},
    {"SELECT a FROM wp_options WHERE option_name = ' '"},
    {"SELECT a FROM wp_options WHERE option_name = 'a\\nb'"},
    {"SELECT a FROM wp_options WHERE option_name = 'a''b'"},
    {"SELECT a FROM wp_options WHERE option_name = 'a%'"},
    {"SELECT a FROM wp_options WHERE option_name = 'a@b'"},
    {"SELECT a FROM wp_options WHERE option_name = '\xc3\xa9'"},
    {"SELECT a FROM wp_options WHERE option_name = 'a\tb'"},
    /* other rows are read */
    {"SELECT a FROM wp_options, wp_options b WHERE option_name = 'a'"},
    {"SELECT a FROM wp_options a JOIN wp_options b WHERE option_name = 'a'"},
    {"SELECT a FROM wp_options NATURAL JOIN wp_options b WHERE option_name = 'a'"},
    {"SELECT a FROM (wp_options) WHERE option_name = 'a'"},
    {"SELECT a FROM (SELECT * FROM wp_options) x WHERE option_name = 'a'"},
    {"SELECT a FROM wp_options PARTITION (p) WHERE option_name = 'a'"},
    {"SELECT a FROM wp_options FOR SYSTEM_TIME ALL WHERE option_name = 'a'"},
    {"SELECT (SELECT COUNT(*) FROM wp_options) FROM wp_options WHERE option_name = 'a'"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' AND b IN (SELECT b FROM wp_options)"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' ORDER BY (SELECT MAX(b) FROM wp_options)"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' UNION SELECT a FROM wp_options"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' LIMIT 1 UNION ALL SELECT a FROM wp_options"},
    {"(SELECT a FROM wp_options WHERE option_name = 'a')"},
    {"(SELECT a FROM wp_options WHERE option_name = 'a') UNION SELECT a FROM wp_options"},
    {"SELECT a FROM wp_options UNION SELECT a FROM wp_options WHERE option_name = 'a'"},
    {"WITH x AS (SELECT 1) SELECT a FROM wp_options WHERE option_name = 'a'"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' INTO OUTFILE 'x'"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' PROCEDURE ANALYSE()"},
    {"SELECT f(a) FROM wp_options WHERE option_name = 'a'"},
    {"EXPLAIN SELECT a FROM wp_options WHERE option_name = 'a'"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' /*! OR 1 */"},
    {"SELECT a FROM wp_options /*M! , wp_options b */ WHERE option_name = 'a'"},
    {"SELECT a FROM wp_options WHERE option_name = 'a'; DELETE FROM wp_options"},
    {"SELECT a FROM wp_options WHERE option_name = 'a"},
    {"SELECT a FROM wp_options WHERE option_name = 'a')"},
    {"SELECT a FROM wp_options WHERE option_name = 'a' )"},
    /* writes of other rows */
    {"UPDATE wp_options SET option_value = 1"},
    {"UPDATE wp_options SET option_name = 'b' WHERE option_name = 'a'"},
    {"UPDATE wp_options SET option_value = 1, `OPTION_NAME` = 'b' WHERE option_name = 'a'"},
    {"UPDATE wp_options o SET o.option_name = 'b' WHERE option_name = 'a'"},
    {"UPDATE wp_options SET option_value = 1 WHERE option_name = 'a' OR 1"},
    {"UPDATE wp_options a, wp_options b SET a.x = 1 WHERE option_name = 'a'"},
    {"UPDATE wp_options a JOIN wp_options b SET a.x = 1 WHERE option_name = 'a'"},
    {"UPDATE wp_options SET x = (SELECT MAX(x) FROM wp_options) WHERE option_name = 'a'"},
    {"UPDATE wp_options SET x = f(1) WHERE option_name = 'a'"},
    {"UPDATE wp_options SET x = @a WHERE option_name = 'a'"},
    {"UPDATE wp_options PARTITION (p) SET x = 1 WHERE option_name = 'a'"},
    {"UPDATE wp_options SET x = 1 LIMIT 5"},
    {"UPDATE wp_options FOR PORTION OF p FROM 1 TO 2 SET x = 1 WHERE option_name = 'a'"},
    {"SET STATEMENT max_statement_time=1 FOR UPDATE wp_options SET x = 1 WHERE option_name = 'a'"},
    {"DELETE FROM wp_options"},
    {"DELETE a, b FROM wp_options a, wp_options b WHERE option_name = 'a'"},
    {"DELETE FROM wp_options USING wp_options WHERE option_name = 'a'"},
    {"DELETE wp_options FROM wp_options WHERE option_name = 'a'"},
    {"DELETE FROM wp_options WHERE option_name = 'a' RETURNING *"},
    {"DELETE HISTORY FROM wp_options BEFORE SYSTEM_TIME 'a'"},
    {"DELETE QUICK FROM wp_options WHERE option_name LIKE 'a%'"},
    {"TRUNCATE wp_options"},
    {"INSERT INTO wp_options VALUES ('a', 'b')"},
    {"INSERT INTO wp_options SET option_name = 'a'"},
    {"INSERT INTO wp_options (option_value) VALUES ('a')"},
    {"INSERT INTO wp_options (option_name, option_name) VALUES ('a', 'b')"},
    {"INSERT INTO wp_options (option_name) VALUES (CONCAT('a'))"},
    {"INSERT INTO wp_options (option_name) VALUES ('a' 'b')"},
    {"INSERT INTO wp_options (option_name) VALUES ('a'), (DEFAULT)"},
    {"INSERT INTO wp_options (a, option_name) VALUES (1)"},
    {"INSERT INTO wp_options (option_name) VALUES ()"},
    {"INSERT INTO wp_options (option_name) SELECT 'a'"},
    {"INSERT INTO wp_options (option_name, a) VALUES ('a', (SELECT 1))"},
    {"INSERT INTO wp_options (option_name) VALUES ('a') RETURNING option_id"},
    {"INSERT DELAYED INTO wp_options (option_name) VALUES ('a')"},
    {"INSERT INTO wp_options PARTITION (p) (option_name) VALUES ('a')"},
    {"INSERT INTO wp_options (option_name) VALUES ('a') ON DUPLICATE KEY UPDATE option_name = 'b'"},
    {"INSERT INTO wp_options (option_name) VALUES ('a') ON DUPLICATE KEY UPDATE option_name = "
     "CONCAT(VALUES(option_name), 'x')"},
    {"INSERT INTO wp_options (option_name) VALUES ('a') ON DUPLICATE KEY UPDATE option_name = "
     "VALUES(option_name) + 1"},
    {"INSERT INTO wp_options (option_name, v) VALUES ('a', 'b') ON DUPLICATE KEY UPDATE "
     "option_name "
     "= VALUES(v)"},
    {"INSERT INTO wp_options (option_id, option_name) VALUES (1, 'a') ON DUPLICATE KEY UPDATE v = "
     "1"},
    {"INSERT INTO wp_options (`ID`, option_name) VALUES (1, 'a') ON DUPLICATE KEY UPDATE v = 1"},
    {"REPLACE INTO wp_options (option_id, option_name) VALUES (1, 'a')"},
    {"REPLACE INTO wp_options (option_name) VALUES ('a') ON DUPLICATE KEY UPDATE v = 1"},
    {"INSERT INTO wp_options (option_name) VALUES "
     "('a'),('b'),('c'),('d'),('e'),('f'),('g'),('h'),('k')"},
    {"LOAD DATA INFILE 'a' INTO TABLE wp_options (option_name)"},
    {"CALL p('a')"},
    {"ALTER TABLE wp_options DROP COLUMN option_name"},
};

TEST(row_keys_of_statements_that_are_not_bound)
{
    for (size_t i = 0; i < ARRAY_SIZE(unbound); i++) {
        if (keys_in(unbound[i].sql, 0).n != 0) {
            fail_msg("%s", unbound[i].sql);
        }
    }
}

/* A statement that ends anywhere, or is of any bytes, is read within its bounds. */
TEST(row_keys_of_each_prefix_are_read_within_bounds)
{
    struct row_key_patterns patterns = patterns_of("%options.option_name");

    for (size_t i = 0; i < ARRAY_SIZE(bound); i++) {
        size_t len = strlen(bound[i].sql);

        for (size_t n = 0; n <= len; n++) {
            char *copy = malloc(n == 0 ? 1 : n);
            struct slice text = {copy, n};
            struct row_keys keys;
            struct facts f;

            assert_non_null(copy);
            memcpy(copy, bound[i].sql, n);
            facts_scan(&f, text, 0);
            (void)row_keys_of(&f, text, 0, &patterns, &keys);
            assert_in_range(keys.n, 0, ROW_KEYS_MAX);
            free(copy);
        }
    }
}

TEST(row_keys_of_double_quotes_depend_on_sql_mode)
{
    const char *sql = "SELECT a FROM wp_options WHERE \"option_name\" = 'a'";
    const char *value = "SELECT a FROM wp_options WHERE option_name = \"a\"";

    assert_int_equal(keys_in(sql, 0).n, 0);
    assert_int_equal(keys_in(sql, FACTS_ANSI_QUOTES).n, 1);
    assert_int_equal(keys_in(value, 0).n, 1);
    assert_int_equal(keys_in(value, FACTS_ANSI_QUOTES).n, 0);
}

static uint64_t hash_of(const char *column, const char *value)
{
    struct row_keys keys = {.n = 0};

    assert_true(row_keys_add(&keys, slice_of(column), slice_of(value)));
    return keys.hash[0];
}

/* Equal in some collation of MariaDB 10.11: the same row. */
TEST(row_keys_of_values_that_may_be_equal_are_the_same)
{
    static const char *const same[][2] = {
        {"a", "A"}, {"a", "a  "}, {"i", "y"},    {"i", "J"},
        {"u", "v"}, {"m", "N"},   {"xch", "xc"}, {"wp_Cron", "WP_CRON "},
    };
    static const char *const others[][2] = {
        {"a", "b"}, {"a_b", "a-b"}, {"ab", "a b"}, {"a1", "a2"}, {"c", "h"}, {"a", "aa"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        assert_true(hash_of("c", same[i][0]) == hash_of("C", same[i][1]));
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        assert_true(hash_of("c", others[i][0]) != hash_of("c", others[i][1]));
    }
    assert_true(hash_of("c", "a") != hash_of("d", "a"));
}

/* A column may cut a longer one, and then it is another row. */
TEST(row_keys_of_long_values_are_not_told_apart)
{
    char text[ROW_KEY_LONGEST + 1];
    struct row_keys keys = {.n = 0};

    memset(text, 'a', sizeof(text));
    assert_false(row_keys_add(&keys, SLICE("c"), (struct slice){text, sizeof(text)}));
    assert_int_equal(keys.n, 0);
    assert_true(row_keys_add(&keys, SLICE("c"), (struct slice){text, ROW_KEY_LONGEST}));
}

TEST(row_keys_are_eight_and_no_more)
{
    struct row_keys keys = {.n = 0};
    char value[] = "ka";

    for (unsigned i = 0; i < ROW_KEYS_MAX; i++) {
        value[1] = (char)('0' + i);
        assert_true(row_keys_add(&keys, SLICE("c"), slice_of(value)));
    }
    assert_true(row_keys_add(&keys, SLICE("c"), SLICE("K7"))); /* is there */
    assert_false(row_keys_add(&keys, SLICE("c"), SLICE("k8")));
    assert_int_equal(keys.n, ROW_KEYS_MAX);
}
