/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_set.c - SET and USE taken apart; expressions; names of variables.
 */
#include "router/set.h"
#include "tests/unit/test.h"

#define ROOM 1024

/* show - "name=T[text], ..." with T of TNWDXF (text, number, word, default, null, function). */
static void show(const struct set_statement *set, char *out)
{
    static const char kinds[] = "TNWDXF";
    size_t len = 0;

    len += (size_t)snprintf(out, ROOM, "%s",
                            set->form == SET_OPAQUE      ? "opaque"
                            : set->form == SET_VARIABLES ? ""
                                                         : "transaction ");
    for (size_t i = 0; i < set->n && len < ROOM; i++) {
        const struct assignment *a = &set->assignments[i];
        const char *name = variable_name(a->variable);

        len += (size_t)snprintf(out + len, ROOM - len, "%s%s%.*s=%c[%.*s]", i > 0 ? ", " : "",
                                a->variable == VARIABLE_NONE ? "?" : name,
                                a->variable == VARIABLE_NONE ? (int)a->name.len : 0, a->name.data,
                                kinds[a->value], SLICE_ARGS(a->text));
    }
}

struct row {
    const char *sql;
    const char *shown;
};

static void check_row(const struct row *row)
{
    struct set_statement set;
    char shown[ROOM];

    set_parse(&set, slice_of(row->sql), 0);
    show(&set, shown);
    if (strcmp(shown, row->shown) != 0) {
        fail_msg("%s\n  gives %s\n  not   %s", row->sql, shown, row->shown);
    }
}

/*
 * check_prefixes - from memory of exactly the size, so that a sanitizer sees a read behind the
 * end.
 */
static void check_prefixes(const char *sql)
{
    for (size_t i = 0; i <= strlen(sql); i++) {
        char *copy = malloc(i == 0 ? 1 : i);
        struct set_statement set;

        memcpy(copy, sql, i);
        for (uint32_t mode = 0; mode < 4; mode++) {
            set_parse(&set, (struct slice){copy, i}, mode);
            assert_true(set.n <= SET_MAX_ASSIGNMENTS);
            assert_true((set.form == SET_OPAQUE) == (set.n == 0));
        }
        (void)use_parse((struct slice){copy, i});
        free(copy);
    }
}

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check_row(&rows[i]);
        check_prefixes(rows[i].sql);
    }
}

#define NAMES(kind, charset)                                                                 \
    "character_set_client=" kind "[" charset "], character_set_connection=" kind "[" charset \
    "], character_set_results=" kind "[" charset "], "

TEST(set_names_gives_charsets_and_collation)
{
    static const struct row rows[] = {
        {"SET NAMES utf8mb4", NAMES("W", "utf8mb4") "collation_connection=D[]"},
        {"set names 'utf8' ;", NAMES("T", "utf8") "collation_connection=D[]"},
        {"SET NAMES \"latin1\"", NAMES("T", "latin1") "collation_connection=D[]"},
        {"SET NAMES `utf8mb4`", NAMES("W", "utf8mb4") "collation_connection=D[]"},
        {"SET NAMES binary", NAMES("W", "binary") "collation_connection=D[]"},
        {"SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_520_ci'",
         NAMES("T", "utf8mb4") "collation_connection=T[utf8mb4_unicode_520_ci]"},
        {"SET /* a */ NAMES utf8mb4 COLLATE utf8mb4_bin -- b",
         NAMES("W", "utf8mb4") "collation_connection=W[utf8mb4_bin]"},
        {"/*!40101 SET NAMES utf8 */", NAMES("W", "utf8") "collation_connection=D[]"},
        {"/*!40101 SET NAMES utf8 */;", NAMES("W", "utf8") "collation_connection=D[]"},
        {"SET NAMES DEFAULT", "opaque"},
        {"SET NAMES", "opaque"},
        {"SET NAMES 0", "opaque"},
        {"SET NAMES (utf8)", "opaque"},
        {"SET NAMES utf8mb4 COLLATE DEFAULT", "opaque"},
        {"SET NAMES utf8mb4 COLLATE", "opaque"},
        {"SET NAMES utf8mb4 = 1", "opaque"},
        {"SET NAMES 'a''b'", "opaque"},
        {"SET NAMES N'utf8'", "opaque"},
        {"SET NAMES ''", "opaque"},
        {"SET NAMES @x", "opaque"},
        {"SET SESSION NAMES utf8", "opaque"},
        {"SET CHARACTER SET utf8", "opaque"},
        {"SET CHARSET utf8", "opaque"},
        {"SET CHAR SET utf8", "opaque"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

TEST(set_variables_give_name_and_value)
{
    static const struct row rows[] = {
        {"SET sql_mode=''", "sql_mode=T[]"},
        {"SET SESSION sql_mode='ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER'",
         "sql_mode=T[ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER]"},
        {"SET LOCAL SQL_MODE = \"ansi\"", "sql_mode=T[ansi]"},
        {"SET @@session.sql_mode := ''", "sql_mode=T[]"},
        {"SET @@sql_mode=ANSI", "sql_mode=W[ANSI]"},
        {"SET @@local . sql_mode = `ansi`", "sql_mode=W[ansi]"},
        {"SET @@session.`sql_mode`=''", "sql_mode=T[]"},
        {"SET `sql_mode`=''", "sql_mode=T[]"},
        {"/*!40100 SET @@SQL_MODE='' */", "sql_mode=T[]"},
        {"SET autocommit=1", "autocommit=N[1]"},
        {"SET AUTOCOMMIT = 0", "autocommit=N[0]"},
        {"SET autocommit=ON", "autocommit=W[ON]"},
        {"SET autocommit='off'", "autocommit=T[off]"},
        {"SET autocommit=TRUE", "autocommit=N[1]"},
        {"SET foreign_key_checks=false", "foreign_key_checks=N[0]"},
        {"SET SESSION wait_timeout=500", "wait_timeout=N[500]"},
        {"SET wait_timeout=+500", "wait_timeout=N[500]"},
        {"SET wait_timeout=-5", "wait_timeout=N[-5]"},
        {"SET max_statement_time=0.5", "max_statement_time=N[0.5]"},
        {"SET sql_select_limit=DEFAULT", "sql_select_limit=D[]"},
        {"SET character_set_results = NULL", "character_set_results=X[]"},
        {"SET character_set_results = binary", "character_set_results=W[binary]"},
        {"SET time_zone='+00:00'", "time_zone=T[+00:00]"},
        {"SET time_zone=SYSTEM", "time_zone=W[SYSTEM]"},
        {"SET tx_isolation='READ-COMMITTED'", "tx_isolation=T[READ-COMMITTED]"},
        {"SET storage_engine=InnoDB", "default_storage_engine=W[InnoDB]"},
        {"SET SESSION NET_READ_TIMEOUT= 86400, SESSION NET_WRITE_TIMEOUT= 86400",
         "net_read_timeout=N[86400], net_write_timeout=N[86400]"},
        {"SET SQL_BIG_SELECTS=1", "sql_big_selects=N[1]"},
        {"SET SESSION group_concat_max_len = 1000000", "group_concat_max_len=N[1000000]"},
        {"SET foo = 1, bar = 'x', sql_mode = ''", "?foo=N[1], ?bar=T[x], sql_mode=T[]"},
        {"SET transaction_isolation = 'SERIALIZABLE'", "?transaction_isolation=T[SERIALIZABLE]"},
        {"SET timestamp = DEFAULT", "?timestamp=D[]"},
        {"SET sql_notes=0 , NAMES utf8, sql_warnings=1",
         "sql_notes=N[0], " NAMES("W", "utf8") "collation_connection=D[], sql_warnings=N[1]"},
        {"SET /* x */ sql_notes /* y */ = /* z */ 0 # t", "sql_notes=N[0]"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

TEST(set_functions_are_found_where_the_type_fits)
{
    static const struct row rows[] = {
        {"SET time_zone='+00:00', sql_mode=REPLACE(@@sql_mode,'ONLY_FULL_GROUP_BY',''), "
         "wait_timeout=GREATEST(500, @@wait_timeout), NAMES utf8mb4",
         "time_zone=T[+00:00], sql_mode=F[REPLACE(@@sql_mode,'ONLY_FULL_GROUP_BY','')], "
         "wait_timeout=F[GREATEST(500, @@wait_timeout)], " NAMES(
             "W", "utf8mb4") "collation_connection=D[]"},
        {"SET  @@SESSION.sql_mode = CONCAT(CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), ',X'),  "
         "@@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483",
         "sql_mode=F[CONCAT(CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), ',X')], "
         "sql_auto_is_null=N[0], wait_timeout=N[2147483]"},
        {"set autocommit=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')",
         "autocommit=N[1], sql_mode=F[concat(@@sql_mode,',STRICT_TRANS_TABLES')]"},
        {"SET sql_mode=@@sql_mode", "sql_mode=F[@@sql_mode]"},
        {"SET lock_wait_timeout=@@session.wait_timeout",
         "lock_wait_timeout=F[@@session.wait_timeout]"},
        {"SET wait_timeout=LEAST(@@wait_timeout,-5)", "wait_timeout=F[LEAST(@@wait_timeout,-5)]"},
        {"SET sql_mode=IFNULL(@@sql_mode,'')", "sql_mode=F[IFNULL(@@sql_mode,'')]"},
        {"SET wait_timeout=COALESCE(7)", "wait_timeout=F[COALESCE(7)]"},
        {"SET wait_timeout=CONCAT('5')", "opaque"},
        {"SET sql_mode=GREATEST(1,2)", "opaque"},
        {"SET sql_mode=GREATEST('a','b')", "opaque"},
        {"SET wait_timeout=GREATEST('5',6)", "opaque"},
        {"SET wait_timeout=GREATEST(5)", "opaque"},
        {"SET wait_timeout=GREATEST(5,1.5)", "opaque"},
        {"SET wait_timeout=GREATEST(5,007)", "opaque"},
        {"SET sql_mode=IFNULL(@@sql_mode,5)", "opaque"},
        {"SET sql_mode=IFNULL(@@sql_mode)", "opaque"},
        {"SET sql_mode=IFNULL(NULL,'')", "opaque"},
        {"SET sql_mode=REPLACE(@@sql_mode,'a')", "opaque"},
        {"SET sql_mode=REPLACE(@@sql_mode,'it''s','')", "opaque"},
        {"SET sql_mode=REPLACE(@@sql_mode,'a\\\\b','')", "opaque"},
        {"SET sql_mode=REPLACE(@@global.sql_mode,'a','')", "opaque"},
        {"SET sql_mode=REPLACE(@@foo,'a','')", "opaque"},
        {"SET sql_mode=REPLACE(@x,'a','')", "opaque"},
        {"SET sql_mode=REPLACE(@@sql_mode,/*a*/'a','')", "opaque"},
        {"SET sql_mode=CONCAT(@@sql_mode,'a' 'b')", "opaque"},
        {"SET sql_mode=CONCAT(@@sql_mode,(SELECT 1))", "opaque"},
        {"SET sql_mode=CONCAT(@@sql_notes)", "opaque"},
        {"SET sql_mode=CONCAT()", "opaque"},
        {"SET sql_mode=LOWER(@@sql_mode)", "opaque"},
        {"SET sql_notes=GREATEST(0,1)", "opaque"},
        {"SET foo=CONCAT('a')", "opaque"},
        {"SET sql_mode=CONCAT(CONCAT(CONCAT(CONCAT(CONCAT(CONCAT(CONCAT(CONCAT('a'))))))))",
         "opaque"},
        {"SET sql_mode=CONCAT('1','2','3','4','5','6','7','8','9')", "opaque"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

TEST(set_session_transaction_is_two_variables)
{
    static const struct row rows[] = {
        {"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
         "transaction tx_isolation=T[READ-COMMITTED]"},
        {"SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
         "transaction tx_isolation=T[READ-UNCOMMITTED]"},
        {"set local transaction isolation level repeatable read , read only;",
         "transaction tx_isolation=T[REPEATABLE-READ], tx_read_only=W[ON]"},
        {"SET SESSION TRANSACTION READ WRITE, ISOLATION LEVEL SERIALIZABLE",
         "transaction tx_read_only=W[OFF], tx_isolation=T[SERIALIZABLE]"},
        {"SET SESSION TRANSACTION READ ONLY, READ WRITE", "opaque"},
        {"SET SESSION TRANSACTION ISOLATION LEVEL READ", "opaque"},
        {"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE", "opaque"},
        {"SET SESSION TRANSACTION ISOLATION SERIALIZABLE", "opaque"},
        {"SET SESSION TRANSACTION", "opaque"},
        {"SET SESSION TRANSACTION READ ONLY, sql_mode=''", "opaque"},
        {"SET sql_mode='', SESSION TRANSACTION READ ONLY", "opaque"},
        {"SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "opaque"},
        {"SET TRANSACTION READ ONLY", "opaque"},
        {"SET GLOBAL TRANSACTION READ ONLY", "opaque"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

TEST(set_other_forms_are_opaque)
{
    static const char *const rows[] = {
        "",
        "SET",
        "SELECT 1",
        "SET @a=1",
        "SET sql_mode='', @a=1",
        "SET GLOBAL sql_mode=''",
        "SET sql_mode='', GLOBAL wait_timeout=5",
        "SET @@global.sql_mode=''",
        "SET PERSIST sql_mode=''",
        "SET PASSWORD='x'",
        "SET PASSWORD FOR 'a'@'b' = PASSWORD('x')",
        "SET ROLE x",
        "SET DEFAULT ROLE x",
        "SET STATEMENT sql_mode='' FOR SELECT 1",
        "SET SESSION SESSION sql_mode=''",
        "SET session sql_mode",
        "SET sql_mode=''; SELECT 1",
        "SET sql_mode='',",
        "SET ,",
        "SET sql_mode==''",
        "SET sql_mode: =''",
        "SET sql_mode=''''",
        "SET sql_mode='a' 'b'",
        "SET sql_mode='a\\'b'",
        "SET sql_mode='a\\\\b'",
        "SET sql_mode=N'x'",
        "SET sql_mode=_utf8'x'",
        "SET sql_mode=x'41'",
        "SET sql_mode=('')",
        "SET sql_mode=5",
        "SET sql_mode=a.b",
        "SET sql_mode=select",
        "SET sql_mode=NULL",
        "SET sql_mode='abc",
        "SET sql_mode=/*!99999 'x', */ ''",
        "SET sql_mode=IF(1,'a','b')",
        "SET a.b=1",
        "SET @@hot.key_buffer_size=1",
        "SET @@session.a.b=1",
        "SET @@ sql_mode=''",
        "SET @@``=1",
        "SET @@`a``b`=1",
        "SET ``=1",
        "SET time_zone=CURRENT_USER",
        "SET wait_timeout='500'",
        "SET wait_timeout=1e3",
        "SET wait_timeout=0x10",
        "SET wait_timeout=5+5",
        "SET wait_timeout=- 5",
        "SET wait_timeout=abc",
        "SET wait_timeout=NULL",
        "SET sql_notes='1'",
        "SET sql_notes=''",
        "SET select=1",
        "SET sql_notes=0 sql_warnings=1",
        "SET a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1,l=1,m=1,n=1,o=1,p=1,q=1",
        "SET \xa0=1",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        check_row(&(struct row){rows[i], "opaque"});
        check_prefixes(rows[i]);
    }
}

/*
 * With NO_BACKSLASH_ESCAPES a text may hold a backslash, but what writes it back may not have
 * it.
 */
TEST(set_text_with_a_backslash_is_opaque_in_each_mode)
{
    struct set_statement set;

    for (uint32_t mode = 0; mode < 4; mode++) {
        set_parse(&set, SLICE("SET time_zone='a\\b'"), mode);
        assert_int_equal(set.form, SET_OPAQUE);
    }
}

TEST(set_ansi_quotes_makes_double_quotes_names)
{
    struct set_statement set;

    set_parse(&set, SLICE("SET \"sql_mode\" = \"ansi\""), 2);
    assert_int_equal(set.form, SET_VARIABLES);
    assert_int_equal(set.assignments[0].variable, VAR_SQL_MODE);
    assert_int_equal(set.assignments[0].value, SET_WORD);
    set_parse(&set, SLICE("SET sql_mode = CONCAT(\"a\")"), 2);
    assert_int_equal(set.form, SET_OPAQUE);
}

static struct slice get(void *owner, int variable)
{
    if (owner == NULL) {
        return (struct slice){NULL, 0};
    }
    switch (variable) {
    case VAR_SQL_MODE: return SLICE("ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY");
    case VAR_WAIT_TIMEOUT: return SLICE("28800");
    case VAR_MAX_STATEMENT_TIME: return SLICE("5.000000");
    case VAR_TIME_ZONE:
    case VAR_CHARACTER_SET_RESULTS: return SLICE(""); /* the one empty, the other NULL */
    default: return (struct slice){NULL, 0};
    }
}

TEST(set_evaluate_gives_what_the_node_would)
{
    static const struct row rows[] = {
        {"REPLACE(@@sql_mode,'ONLY_FULL_GROUP_BY','')", ",STRICT_TRANS_TABLES,"},
        {"REPLACE(@@sql_mode,'only_full_group_by','')",
         "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY"},
        {"REPLACE('aBb','b','')", "aB"},
        {"REPLACE('aaa','a','bb')", "bbbbbb"},
        {"REPLACE('abc','','x')", "abc"},
        {"REPLACE('','a','x')", ""},
        {"REPLACE(REPLACE('abcd','b',''),'c','')", "ad"},
        {"CONCAT('a','',\"b\",5)", "ab5"},
        {"CONCAT(@@time_zone)", ""},
        {"CONCAT(CONCAT('a','b'),CONCAT('c','d'))", "abcd"},
        {"concat (@@session.sql_mode, ',ANSI')",
         "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY,ANSI"},
        {"GREATEST(500, @@wait_timeout)", "28800"},
        {"GREATEST(50000, @@wait_timeout, 7)", "50000"},
        {"LEAST(500, @@wait_timeout)", "500"},
        {"LEAST(-5, -6, 0)", "-6"},
        {"IFNULL(@@sql_mode,'x')", "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY"},
        {"COALESCE(7, 8)", "7"},
        {"@@wait_timeout", "28800"},
        {"@@time_zone", ""},
    };
    int known = 1;
    char out[256];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct slice expression = slice_of(rows[i].sql);
        int len = set_evaluate(expression, get, &known, out, sizeof(out));

        if (len < 0 || !slice_eq((struct slice){out, (size_t)len}, slice_of(rows[i].shown))) {
            fail_msg("%s gives %.*s", rows[i].sql, len, out);
        }
        for (size_t cap = 0; cap < (size_t)len; cap++) {
            assert_int_equal(set_evaluate(expression, get, &known, out, cap), -1);
        }
        for (size_t cut = 0; cut < expression.len; cut++) {
            (void)set_evaluate((struct slice){expression.data, cut}, get, &known, out, sizeof(out));
        }
    }
}

TEST(set_evaluate_says_when_it_cannot_tell)
{
    static const char *const rows[] = {
        "",
        "@@lc_messages",
        "CONCAT(@@lc_messages)",
        "CONCAT(@@character_set_results)",
        "GREATEST(@@max_statement_time, 1)",
        "GREATEST(1, 9999999999999999999)",
        "GREATEST('a', 'b')",
        "CONCAT('a') x",
        "CONCAT('a'",
        "CONCAT",
        "FOO('a')",
        "1.5",
    };
    int known = 1;
    char out[64];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(set_evaluate(slice_of(rows[i]), get, &known, out, sizeof(out)), -1);
    }
    assert_int_equal(set_evaluate(SLICE("@@sql_mode"), get, NULL, out, sizeof(out)), -1);
}

TEST(set_evaluate_has_a_bound)
{
    static char sql[8192];
    static char text[8000];
    static char out[8192];
    int known = 1;
    int len;

    for (size_t n = 4000; n < 4200; n++) {
        memset(text, 'a', n);
        text[n] = '\0';
        (void)snprintf(sql, sizeof(sql), "CONCAT('%s')", text);
        len = set_evaluate((struct slice){sql, n + 10}, get, &known, out, sizeof(out));
        assert_int_equal(len, n <= 4096 ? (int)n : -1);
    }
}

TEST(set_use_gives_the_schema)
{
    static const struct row rows[] = {
        {"USE db", "db"},         {"use `my db` ;", "my db"},
        {"USE/**/db -- x", "db"}, {"USE 1db", "1db"},
        {"USE wp_1", "wp_1"},     {"USE", ""},
        {"USE `a``b`", ""},       {"USE 'db'", ""},
        {"USE \"db\"", ""},       {"USE a.b", ""},
        {"USE db x", ""},         {"USE db; SELECT 1", ""},
        {"USE select", ""},       {"USE @x", ""},
        {"USE /*! db */", ""},    {"USE d\xa0", ""},
        {"SELECT 1", ""},         {"", ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct slice schema = use_parse(slice_of(rows[i].sql));

        if (!slice_eq(schema, slice_of(rows[i].shown))) {
            fail_msg("%s gives %.*s", rows[i].sql, SLICE_ARGS(schema));
        }
    }
}

TEST(set_variables_are_found_by_name)
{
    for (int i = 0; i < VARIABLE_COUNT; i++) {
        assert_int_equal(variable_find(slice_of(variable_name(i))), i);
        assert_int_equal(variable_is_constant(slice_of(variable_name(i))),
                         i != VAR_MAX_STATEMENT_TIME);
        (void)variable_kind(i);
    }
    assert_int_equal(variable_find(SLICE("SQL_Mode")), VAR_SQL_MODE);
    assert_int_equal(variable_find(SLICE("wsrep_OSU_method")), VAR_WSREP_OSU_METHOD);
    assert_int_equal(variable_find(SLICE("storage_engine")), VAR_DEFAULT_STORAGE_ENGINE);
    assert_int_equal(variable_find(SLICE("transaction_isolation")), VARIABLE_NONE);
    assert_int_equal(variable_find(SLICE("sql_mod")), VARIABLE_NONE);
    assert_int_equal(variable_find(SLICE("")), VARIABLE_NONE);
    assert_string_equal(variable_name(VARIABLE_NONE), "");
    assert_true(variable_is_constant(SLICE("VERSION_comment")));
    assert_false(variable_is_constant(SLICE("timestamp")));
    assert_false(variable_is_constant(SLICE("hostname")));
    assert_true(variable_empty_is_null(VAR_CHARACTER_SET_RESULTS));
    assert_false(variable_empty_is_null(VAR_SQL_MODE));
}
