# SPDX-License-Identifier: Apache-2.0
"""What a session leaves on its connection and no node tells: it must not come to another session, nor be lost."""
import wire
from . import on, seq

MULTI = wire.MULTI_STATEMENTS
WAITS = "SELECT @@lock_wait_timeout, @@innodb_lock_wait_timeout"
LIMIT = "SELECT @@sql_select_limit+0"  # with +0 no answer that was learnt
MODES = "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"


def var(name, *steps, **options):
    """A user variable @a that one session has, and the other has not."""
    return seq(name, *steps, *on("b", "SELECT @a FOR UPDATE"), "SELECT @a", **options)


SEQUENCES = [
    # The node says "something changed", and no more.
    var("variable-of-a-trigger", "INSERT INTO t (a) VALUES (1)",
        setup=("CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @a=5",)),
    # A server passes over what is in a comment for other versions, quotes and all.
    var("variable-behind-comment-for-mysql", "SELECT 1 /*!50701 ' */, @a:=5 /*!50701 ' */"),
    seq("lock-behind-comment-for-mysql", "SELECT 1 /*!50701 ' */, GET_LOCK('l1',0) /*!50701 ' */",
        *on("b", "SELECT GET_LOCK('l1',0)"), "SELECT IS_USED_LOCK('l1')=CONNECTION_ID()"),
    var("variable-in-nested-comment", "SELECT 1 /*!99999 /* ' */ ' */, @a:=5 /*!99999 /* ' */ ' */"),
    # In these charsets a backslash may be the second byte of a character.
    var("variable-in-gbk", ("on", "b", "SET NAMES gbk"), "SET NAMES gbk", b"SELECT '\xbf\\', @a:=5, '\xbf\\'"),
    var("variable-in-gbk-of-login", b"SELECT '\xbf\\', @a:=5, '\xbf\\'", charset=28),
    var("variable-in-sjis", ("on", "b", "SET character_set_client=sjis"), "SET character_set_client=sjis", b"SELECT '\x83\\', @a:=5, '\x83\\'"),
    var("variable-in-gbk-prepared", ("on", "b", "SET NAMES gbk"), "SET NAMES gbk",
        ("prepare", "s", b"SELECT '\xbf\\', @a:=5, '\xbf\\'"), ("execute", "s")),
    seq("space-of-latin1", ("on", "b", "SET NAMES latin1"), "SET NAMES latin1", b"SET sql_mode='',\xa0@@sql_select_limit=3",
        ("on", "b", LIMIT), LIMIT),
    # Names of built-in functions and keywords, which here are a stored function's.
    var("variable-in-function-in-quotes", "SELECT `language`(5)",
        setup=("CREATE FUNCTION `language`(x INT) RETURNS INT BEGIN SET @a=x; RETURN x; END",)),
    var("variable-in-function-behind-a-space", "SELECT $db. concat(5)",
        setup=("CREATE FUNCTION `concat`(x INT) RETURNS INT BEGIN SET @a=x; RETURN x; END",)),
    var("variable-in-set-in-gbk", ("on", "b", "SET NAMES gbk"), "SET NAMES gbk", b"SET @b='\xbf\\', @a:=5 -- '"),
    # Words in front of an @ that are not an account's name.
    var("variable-in-create-select", "CREATE TABLE cs AS SELECT SQL_NO_CACHE @a:=5 AS x"),
    var("variable-in-show", "SHOW STATUS WHERE Variable_name=(SELECT SQL_NO_CACHE @a:='x')"),
    # Temporary tables under other names.
    seq("temporary-renamed", "CREATE TEMPORARY TABLE x (a INT)", "RENAME TABLE x TO y",
        "CREATE TABLE x (b INT)", "DROP TABLE x", ("on", "b", "SELECT * FROM y"), "SELECT * FROM y"),
    seq("temporary-and-drop-of-another", "CREATE TEMPORARY TABLE x (a INT)", "CREATE TABLE y (a INT)",
        "SELECT * FROM x; DROP TABLE y", ("on", "b", "SELECT * FROM x"), "SELECT * FROM x", caps=MULTI),
    seq("lock-in-lock", "SELECT GET_LOCK('a2',(SELECT GET_LOCK('b2',0)))", "SELECT RELEASE_LOCK('a2')",
        *on("b", "SELECT GET_LOCK('b2',0)"), "SELECT IS_FREE_LOCK('b2')"),
    seq("lock-read-in-another-mode", "SET sql_mode='NO_BACKSLASH_ESCAPES'",
        ("prepare", "s", "SELECT '\\', GET_LOCK('a3',0), '\\'"), "SELECT RELEASE_ALL_LOCKS()",
        "SET sql_mode=''", ("execute", "s"), *on("b", "SELECT GET_LOCK('a3',0)")),
    seq("lastval", "SELECT NEXTVAL(q)", *on("b", "SELECT LASTVAL(q)", "SELECT NEXTVAL(q)"),
        "SELECT LASTVAL(q)", setup=("CREATE SEQUENCE q START WITH 5 CACHE 0",)),
    # What holds for one statement only.
    seq("set-statement-is-over", "SET STATEMENT sql_select_limit=1 FOR DO 1",
        "SET STATEMENT foreign_key_checks=0 FOR INSERT INTO u VALUES (9,9)", *on("b", "DO 1+1"), LIMIT,
        "SELECT @@sql_select_limit, @@foreign_key_checks", "SELECT @@foreign_key_checks+0"),
    seq("set-statement-prepared", ("prepare", "s", "SET STATEMENT sql_select_limit=1 FOR DO 1"),
        ("execute", "s"), *on("b", "DO 1+1"), LIMIT),
    seq("set-statement-of-set", "SET STATEMENT sql_select_limit=1 FOR SET SESSION max_sort_length=70",
        *on("b", "SELECT @@max_sort_length+0"), LIMIT, "SELECT @@max_sort_length+0"),
    seq("set-statement-in-multi", "SELECT 1; SET STATEMENT sql_select_limit=1 FOR DO 1", *on("b", LIMIT),
        LIMIT, caps=MULTI),
    seq("set-statement-mode-spaces", f"SET  STATEMENT sql_mode={MODES} FOR DO 1", ("ping",), "DO 1",
        "SELECT '\\', @a:=5, '\\''", *on("b", "SELECT @a FOR UPDATE")),
    seq("set-statement-mode-comment", f"SET /* x */ STATEMENT sql_mode={MODES} FOR DO 1", ("ping",),
        "DO 1"),
    seq("set-statement-mode-multi", f"SELECT 1; SET STATEMENT sql_mode={MODES} FOR DO 1", ("ping",),
        "DO 1", caps=MULTI),
    seq("set-statement-insert", "SET STATEMENT max_statement_time=10 FOR INSERT INTO t(a) VALUES (1)",
        *on("b", "SELECT LAST_INSERT_ID()+0"), "SELECT LAST_INSERT_ID()", "SELECT LAST_INSERT_ID()+0"),
    # NOWAIT and WAIT n set two variables for the statement and set them back, told with the next answer.
    seq("nowait", "BEGIN", "SELECT id FROM t WHERE id=1 FOR UPDATE NOWAIT", "COMMIT", *on("b", "DO 1", WAITS), WAITS,
        "SELECT id FROM t LIMIT 1 FOR UPDATE NOWAIT", *on("b", "DO 1", WAITS),
        "SELECT id FROM t LIMIT 1 LOCK IN SHARE MODE WAIT 3", "DO 1", WAITS),
    seq("nowait-of-own-values", "SET lock_wait_timeout=77, innodb_lock_wait_timeout=7",
        "SELECT id FROM t LIMIT 1 FOR UPDATE WAIT 2", *on("b", "DO 1", WAITS), "DO 1", WAITS,
        "SELECT id FROM t LIMIT 1 FOR UPDATE NOWAIT", "SET lock_wait_timeout=78", *on("b", "DO 1", WAITS), WAITS),
    seq("nowait-refused", "BEGIN", "SELECT id FROM t WHERE id=1 FOR UPDATE",
        *on("b", "SELECT id FROM t WHERE id=1 FOR UPDATE NOWAIT", WAITS, "DO 1"), "ROLLBACK", WAITS, *on("b", WAITS)),
    seq("nowait-prepared", ("prepare", "s", "SELECT id FROM t WHERE id=1 FOR UPDATE NOWAIT"), ("execute", "s"),
        *on("b", "DO 1", WAITS), ("execute", "s"), WAITS),
    seq("nowait-with-unseen", "SELECT id, hidden() FROM t LIMIT 1 FOR UPDATE NOWAIT", *on("b", "SELECT @h"), "SELECT @h",
        setup=("CREATE FUNCTION hidden() RETURNS INT BEGIN SET @h=5; RETURN 1; END",)),
    # Behind EXPLAIN with LIMIT 0 it is what the connection had before, in a new one what its thread served (10.11).
    seq("found-rows-of-explain", "SELECT id FROM t", "/* c */ EXPLAIN SELECT id FROM t", "SELECT FOUND_ROWS()",
        "SELECT id FROM t", "EXPLAIN SELECT id FROM t", "SELECT FOUND_ROWS()",
        "EXPLAIN SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1", "SELECT FOUND_ROWS()",
        "EXPLAIN FORMAT=JSON SELECT 1", "SELECT FOUND_ROWS()", "EXPLAIN UPDATE t SET a=1", "SELECT FOUND_ROWS()"),
    seq("analyze-insert", "ANALYZE INSERT INTO t(a) VALUES (1)",
        *on("b", "SELECT LAST_INSERT_ID()+0"), "SELECT LAST_INSERT_ID()", "SELECT LAST_INSERT_ID()+0"),
    seq("found-rows-of-inner", "SELECT 1 UNION SELECT 2",
        "SET STATEMENT max_statement_time=10 FOR SELECT id FROM t", "SELECT FOUND_ROWS()",
        "ANALYZE SELECT id FROM t", "SELECT FOUND_ROWS()"),
    seq("next-transaction-waits", "SET TRANSACTION READ ONLY", "SELECT 1",
        *on("b", "INSERT INTO t(a) VALUES(5)"), "INSERT INTO t(a) VALUES(6)",
        "INSERT INTO t(a) VALUES(7)"),
    seq("next-transaction-comes", "SET TRANSACTION READ ONLY", "SELECT 1", *on("b", "SELECT 1"),
        "BEGIN", "INSERT INTO t(a) VALUES(7)", "COMMIT", "INSERT INTO t(a) VALUES(7)"),
    # Numbers are not brought along where that would clear the warnings.
    seq("diagnostics-and-numbers", "INSERT IGNORE INTO u VALUES (1,1),(77,1)",
        "GET DIAGNOSTICS CONDITION 1 @n=MESSAGE_TEXT", "SELECT ROW_COUNT()", "SELECT @n", "UPDATE t SET a=5",
        "GET DIAGNOSTICS @n=NUMBER", "SELECT ROW_COUNT()", "GET DIAGNOSTICS CONDITION 1 @n=MESSAGE_TEXT",
        "SELECT ROW_COUNT()"),
    seq("diagnostics-of-an-error-before", "SELECT 1; SET nothing=1", "EXECUTE IMMEDIATE 'SHOW WARNINGS'",
        "SET nothing=1", "SELECT ROW_COUNT()", "SELECT @x:=FOUND_ROWS()", "SHOW WARNINGS", caps=MULTI),
    # The report of the one hides the other.
    seq("role-and-variable", "SET ROLE cmp_role, sql_mode='ANSI'",
        *on("b", "SELECT CURRENT_ROLE() FOR UPDATE"), "SELECT CURRENT_ROLE()",
        setup=("CREATE ROLE IF NOT EXISTS cmp_role", "GRANT cmp_role TO tenant@'%'")),
    seq("variable-and-role", "SET sql_mode='ANSI', ROLE cmp_role",
        *on("b", "SELECT CURRENT_ROLE() FOR UPDATE"), "SELECT CURRENT_ROLE()",
        setup=("CREATE ROLE IF NOT EXISTS cmp_role", "GRANT cmp_role TO tenant@'%'")),
    # Variables that are another's on this connection, in names that SHOW takes in any case.
    seq("tracking-shown-in-capitals", "SHOW VARIABLES LIKE 'SESSION_TRACK%'", "SHOW SESSION VARIABLES WHERE Variable_name='Session_Track_Schema'"),
    seq("last-id-shown", "INSERT INTO t(a) VALUES(1)", *on("b", "SELECT 1 FROM t LIMIT 1"),
        "SHOW SESSION VARIABLES LIKE 'last_insert_id'", "SHOW VARIABLES LIKE 'Identity'", "SHOW LOCAL VARIABLES LIKE 'last_ins%'",
        "SELECT VARIABLE_VALUE FROM information_schema.SESSION_VARIABLES WHERE VARIABLE_NAME='LAST_INSERT_ID'",
        "SHOW GLOBAL VARIABLES LIKE 'last_insert_id'"),
    # A connection has a schema's character set from when it came to the schema.
    seq("schema-altered", "BEGIN", *on("b", "SELECT 1 FROM t LIMIT 1"), "COMMIT", "ALTER DATABASE $db CHARACTER SET latin1",
        "SELECT @@character_set_database, @@collation_database", "BEGIN", ("connect", "c", {}),
        *on("c", "SELECT @@collation_database+0, @@character_set_database", "CREATE TABLE altered (s CHAR(1))",
            "SHOW CREATE TABLE altered", "BEGIN"), "COMMIT", "SELECT @@character_set_database", ("on", "c", "COMMIT")),
    seq("schema-altered-without-a-name", "BEGIN", *on("b", "SELECT 1 FROM t LIMIT 1"), "COMMIT",
        "ALTER DATABASE COLLATE 'latin1_bin'", "SELECT @@collation_database", "BEGIN", ("connect", "c", {}),
        *on("c", "SELECT CONCAT(@@collation_database)"), "COMMIT"),
    seq("schema-altered-and-reset", "ALTER DATABASE $db CHARACTER SET latin1", "SET @a=1", ("quit",), ("connect", "b", {}),
        *on("b", "SELECT @@character_set_database", "BEGIN"), ("connect", "c", {}),
        *on("c", "SELECT CONCAT(@@collation_database)", "SHOW WARNINGS"), ("on", "b", "COMMIT")),
    seq("schema-made-again", "BEGIN", *on("b", "SELECT 1 FROM t LIMIT 1"), "COMMIT",
        "CREATE OR REPLACE DATABASE $db CHARACTER SET latin1", ("init_db", "$db"), "SELECT @@character_set_database",
        "BEGIN", ("connect", "c", {}), *on("c", "SELECT CONCAT(@@character_set_database)"), "COMMIT"),
    # What no reset takes away.
    seq("profiles", "SET profiling=1", "SELECT 1+1", "SET profiling=0", ("quit",),
        *on("b", "SHOW PROFILES")),
    seq("profiles-of-another-user", *on("c", "BEGIN", "SELECT id FROM t"), "SET @@profiling=1", "SELECT 1+1", ("quit",),
        ("connect", "b", {"user": "tenant2"}), *on("b", "SHOW PROFILES")),
    seq("mode-of-ignore-space", "SELECT @@sql_mode",
        ("connect", "b", {"caps": wire.DEFAULT_CAPS | wire.IGNORE_SPACE}),
        *on("b", "SELECT @@sql_mode", "SET sql_mode=CONCAT(@@sql_mode,',ANSI_QUOTES')", "SELECT @@sql_mode"),
        "SET sql_mode=CONCAT(@@sql_mode,',ANSI_QUOTES')", "SELECT @@sql_mode"),
    seq("schema-dropped-under-another", *on("b", "SELECT 1 FROM t LIMIT 1"), "DROP DATABASE $db",
        "SELECT DATABASE()", "CREATE DATABASE $db", "SELECT DATABASE()", "CREATE TABLE $db.t (a INT)",
        ("quit",), *on("b", "SELECT DATABASE()", "SELECT * FROM t")),
    seq("completion-release", "SET completion_type='RELEASE'", "BEGIN", "INSERT INTO t(a) VALUES(1)",
        "COMMIT", "SELECT 1"),
    seq("completion-release-untracked", "SET @@completion_type=2", "BEGIN", "INSERT INTO t(a) VALUES(1)", "COMMIT", "SELECT 1"),
    seq("completion-release-untracked-prepared", "SET @@completion_type=2", ("prepare", "s", "COMMIT"), ("execute", "s"),
        "SELECT 1"),
    seq("completion-release-in-multi", "SET @@completion_type=2; COMMIT", "SELECT 1", caps=MULTI),
    seq("release-in-multi", "SELECT 1; COMMIT RELEASE", "SELECT 1", caps=MULTI),
    seq("release-of-nothing", "ROLLBACK RELEASE", "SELECT 1"),
    seq("completion-release-prepared", "SET completion_type=2", ("prepare", "s", "ROLLBACK"),
        ("execute", "s"), "SELECT 1"),
]
