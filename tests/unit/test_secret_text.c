/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_secret_text.c - statements that name passwords are shown without them; others as they are.
 */
#include "router/facts.h"
#include "router/secret_text.h"
#include "tests/unit/test.h"

TEST(secret_text_hides_passwords)
{
    static const char *const statements[] = {
        "CREATE USER a@'%' IDENTIFIED BY 'sekret'",
        "create or replace user a identified via ed25519 using password('sekret')",
        "ALTER USER a IDENTIFIED BY \"sekret\"",
        "ALTER USER a IDENTIFED BY 'sekret'",
        "ALTER /*!50000 USER a IDENTIFIED BY 'sekret' */",
        "/* x */ ALTER USER a IDENTIFIED BY PASSWORD 'sekret'",
        "SET PASSWORD = PASSWORD('sekret')",
        "SET PASSWORD FOR a = 'sekret'",
        "SET STATEMENT max_statement_time=1 FOR SET PASSWORD=PASSWORD('sekret')",
        "GRANT ALL ON *.* TO a IDENTIFIED BY 'sekret'",
        "CHANGE MASTER TO MASTER_HOST='h', MASTER_PASSWORD='sekret'",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (PASSWORD 'sekret')",
        "PREPARE s FROM \"SET PASSWORD=PASSWORD('sekret')\"",
        "EXECUTE IMMEDIATE 'ALTER USER a IDENTIFIED BY ''sekret'''",
        "BEGIN NOT ATOMIC ALTER USER a IDENTIFIED BY 'sekret'; END",
        "SELECT 1; ALTER USER a IDENTIFIED BY 'sekret'",
        "ALTER USER a IDENTIFIED BY 'sekret",
        "ALTER USER a IDENTIFIED BY 'it\\'s sekret'",
    };
    const uint32_t modes[] = {0, FACTS_ANSI_QUOTES};
    char buf[SECRET_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
        for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
            struct slice shown = secret_hide(slice_of(statements[i]), modes[m], buf);

            if (slice_behind_nocase(shown, SLICE("sekret")).data != NULL || shown.len == 0) {
                fail_msg("%s is shown as %.*s", statements[i], SLICE_ARGS(shown));
            }
        }
    }
}

TEST(secret_text_leaves_others)
{
    static const char *const statements[] = {
        "",
        "SELECT 'x'",
        "SELECT password FROM users WHERE id=1",
        "UPDATE wp_users SET user_pass='x' WHERE id=1",
        "INSERT INTO t VALUES ('identified by')",
        "SET NAMES utf8mb4",
        "SET @user='x'",
        "CREATE TABLE t (a INT DEFAULT '1')",
    };
    char buf[SECRET_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
        struct slice sql = slice_of(statements[i]);

        assert_ptr_equal(secret_hide(sql, 0, buf).data, sql.data);
        assert_int_equal(secret_hide(sql, 0, buf).len, sql.len);
    }
}

TEST(secret_text_cuts_the_error_of_the_parser)
{
    struct slice sql = SLICE("ALTER USER a IDENTIFED BY 'sekret'");
    struct slice text = SLICE("You have an error in your SQL syntax; use near 'IDENTIFED BY "
                              "'sekret'' at line 1");
    struct slice other = SLICE("Operation ALTER USER failed for 'a'@'%'");
    struct slice shown = secret_hide_error(sql, 0, 1064, text);

    assert_true(slice_eq(shown, SLICE("You have an error in your SQL syntax; use near ")));
    assert_true(slice_eq(secret_hide_error(SLICE("SELECT"), 0, 1064, text), text));
    assert_true(slice_eq(secret_hide_error(sql, 0, 1396, other), other));
    assert_int_equal(secret_hide_error(sql, 0, 1064, (struct slice){"", 0}).len, 0);
}
