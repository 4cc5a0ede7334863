# SPDX-License-Identifier: Apache-2.0
"""Character sets, collations and sql_mode as the client sees them, escaping above all."""
import wire
from . import on, seq

MULTI = wire.MULTI_STATEMENTS
SEE = ("SELECT @@character_set_client, @@character_set_connection, @@character_set_results, "
       "@@collation_connection")
MODES = ("ANSI_QUOTES", "PIPES_AS_CONCAT", "NO_BACKSLASH_ESCAPES", "IGNORE_SPACE", "HIGH_NOT_PRECEDENCE",
         "NO_ZERO_DATE", "NO_ZERO_IN_DATE", "ALLOW_INVALID_DATES", "STRICT_TRANS_TABLES",
         "STRICT_ALL_TABLES", "ERROR_FOR_DIVISION_BY_ZERO", "ONLY_FULL_GROUP_BY", "NO_AUTO_VALUE_ON_ZERO",
         "REAL_AS_FLOAT", "NO_UNSIGNED_SUBTRACTION", "PAD_CHAR_TO_FULL_LENGTH", "EMPTY_STRING_IS_NULL",
         "SIMULTANEOUS_ASSIGNMENT", "TIME_ROUND_FRACTIONAL", "ORACLE", "MSSQL", "TRADITIONAL", "ANSI")


def with_mode(mode):
    return seq(f"mode-{mode.lower()}", f"SET sql_mode='{mode}'", "SELECT @@sql_mode", "SELECT 'a' || 'b'",
               'SELECT "id" FROM t', "SELECT 'a\\nb', '\\''" if mode != "NO_BACKSLASH_ESCAPES" else "SELECT 'a\\nb', '\\'",
               "SELECT NOT 1 BETWEEN -5 AND 5", "SELECT CAST(0 AS UNSIGNED) - 1",
               "INSERT INTO t (id, a) VALUES (0, 'abc')", "SHOW WARNINGS",
               "INSERT INTO d VALUES ('0000-00-00'), ('2024-02-31')", "SHOW WARNINGS",
               "SELECT 1/0", "SHOW WARNINGS", "SELECT a, s FROM t GROUP BY a", "SELECT '' IS NULL",
               "SELECT TIME('12:00:00.9'), CAST('x' AS CHAR(3))", ("prepare", "s", "SELECT 'p' || ?"),
               ("execute", "s", ["q"]), "SHOW CREATE TABLE d", "SET sql_mode=DEFAULT", "SELECT @@sql_mode",
               setup=("CREATE TABLE d (x DATE)",))


# Numbers that 10.11 does not know: the server's defaults hold.
UNKNOWN_CHARSETS = (0, 255)
LEFT_BEHIND = (rb".*", "COM_RESET_CONNECTION takes the charset that the last connection served by the "
                       "same thread of the node had named at its login")


def login_charset(number, name):
    after_reset = ("masked", *LEFT_BEHIND, SEE) if number in UNKNOWN_CHARSETS else SEE
    return seq(f"login-charset-{name}", SEE, b"SELECT 'a\xc3\xa9'", "SET NAMES utf8mb4", SEE,
               ("reset_connection",), after_reset, ("change_user", "tenant", "tenant", "$db"), SEE, charset=number)


ESCAPES = "SET sql_mode='NO_BACKSLASH_ESCAPES'"
FOR_ONE = "SET STATEMENT sql_mode='NO_BACKSLASH_ESCAPES' FOR SELECT 1"
FOR_NONE = "SET STATEMENT sql_mode='' FOR SELECT 1"
TIMEOUT = "SET STATEMENT lock_wait_timeout=5 FOR"


def bits(name, *steps, **options):
    """The status bits of what Galeway answers itself, behind statements that set back what they set."""
    looks = [look for step in steps for look in
             (step, ("ping",), "SELECT FOUND_ROWS(), ROW_COUNT()", "SELECT @@sql_mode", ("set_option", 0), ("init_db", "$db"))]
    return seq(f"escaping-bit-{name}", "SELECT 1 UNION SELECT 2", *looks, caps=MULTI, **options)


def utf8(name, *steps):
    """Which charset utf8 is depends on old_mode when it was set, and another's connection has another one."""
    others = ("SET NAMES latin1", "SET old_mode='NO_PROGRESS_INFO'", "SET old_mode=''", "SET old_mode='UTF8_IS_UTF8MB3'")
    looks = [look for i, step in enumerate(steps) for look in
             (step, *on("b", others[i % 4], "BEGIN"), f"{SEE}, COLLATION('x')", *on("b", "COMMIT", "SELECT 1 FROM t LIMIT 1"),
              f"{SEE}, @@old_mode")]
    return seq(f"utf8-{name}", *looks)


def wide(name):
    """Numbers that Galeway asks for itself, and locks that it counts, where results are of more bytes."""
    return seq(f"results-{name}", f"SET character_set_results={name}", "INSERT INTO t (a) VALUES (1)",
               ("on", "b", "INSERT INTO t (a) VALUES (1)"), "SELECT LAST_INSERT_ID()", "SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1",
               ("on", "b", "SELECT id FROM t LIMIT 1"), "SELECT FOUND_ROWS()", "SELECT ROW_COUNT()", "SELECT GET_LOCK('$db',0)",
               ("on", "b", "SELECT IS_FREE_LOCK('$db')"), "SELECT RELEASE_LOCK('$db')", "SET character_set_results=utf8mb4",
               "SELECT LAST_INSERT_ID()")


SEQUENCES = [with_mode(mode) for mode in MODES] + [
    login_charset(*c) for c in ((8, "latin1"), (33, "utf8mb3"), (45, "utf8mb4"), (46, "utf8mb4-bin"),
                                (224, "utf8mb4-unicode"), (63, "binary"), (28, "gbk"), (192, "utf8mb3-unicode"),
                                (0, "zero"), (255, "mysql8-default"), (47, "latin1-bin"), (1, "big5"))] + [
    seq("login-charset-ucs2", charset=35, login_fails=True),
    *(wide(name) for name in ("ucs2", "utf16", "utf16le", "utf32")),
    seq("escaping-bit", "SET sql_mode='NO_BACKSLASH_ESCAPES'", ("ping",), ("init_db", "$db"), "SELECT '\\'",
        "SET NAMES utf8mb4", "SELECT @@sql_mode", "USE $db", "BEGIN", "COMMIT", "SET @a='\\'", "SELECT @a",
        "SET sql_mode=''", ("ping",), "SELECT '\\''", ("init_db", "$db"), "SET time_zone='+01:00'"),
    seq("escaping-bit-apart", "SET sql_mode='NO_BACKSLASH_ESCAPES'", ("on", "b", "SELECT 1"), ("on", "b", ("ping",)),
        "SELECT 1", ("on", "b", "SET sql_mode='NO_BACKSLASH_ESCAPES'"), "SET sql_mode=''", ("on", "b", ("ping",)),
        ("ping",), "SELECT 1", ("on", "b", "SELECT 1")),
    seq("escaping-bit-survives", "SET sql_mode=CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')", ("ping",), "SELECT 1",
        "SELECT nothing", ("ping",), "SHOW WARNINGS", ("reset_connection",), ("ping",), "SELECT 1"),
    bits("behind-set-statement", f"{TIMEOUT} SELECT 1; {ESCAPES}"),
    bits("behind-set-statement-back", ESCAPES, f"{FOR_NONE}; SET sql_mode=''"),
    bits("behind-nowait", f"SELECT 1 FROM t FOR UPDATE NOWAIT; {ESCAPES}"),
    bits("behind-alter-wait", f"ALTER TABLE t WAIT 5 ADD x INT; {ESCAPES}; SELECT 1"),
    bits("before-set-statement", f"{ESCAPES}; {FOR_NONE}"),
    bits("before-nowait", f"{ESCAPES}; SELECT 1 FROM t FOR UPDATE NOWAIT"),
    bits("behind-error", f"{FOR_ONE}; SELECT nothing"),
    bits("behind-error-kept", f"{FOR_NONE}; {ESCAPES}; {FOR_NONE}; SELECT nothing"),
    bits("before-error", f"{ESCAPES}; {TIMEOUT} SELECT nothing"),
    bits("of-set-for", f"{TIMEOUT} {ESCAPES}"),
    bits("of-set-for-set-back", f"SET STATEMENT sql_mode='' FOR {ESCAPES}"),
    bits("of-text-for", f'{TIMEOUT} EXECUTE IMMEDIATE "{ESCAPES}"'),
    bits("of-text", f'EXECUTE IMMEDIATE "{FOR_ONE}"', f'EXECUTE IMMEDIATE "{ESCAPES}"',
         f'EXECUTE IMMEDIATE "{FOR_NONE}"'),
    bits("of-text-in-multi", f'SELECT 1; EXECUTE IMMEDIATE "{FOR_ONE}"'),
    bits("of-sql-prepare", f'PREPARE s FROM "{FOR_ONE}"', "EXECUTE s"),
    bits("of-prepared", ("prepare", "s", FOR_ONE), ("execute", "s"), ("prepare", "t", f"{TIMEOUT} {ESCAPES}"),
         ("execute", "t")),
    bits("of-procedure", "CALL p()", setup=(f"CREATE PROCEDURE p() {FOR_ONE}",)),
    bits("of-procedure-that-sets", "CALL p()", setup=(f"CREATE PROCEDURE p() {ESCAPES}",)),
    bits("of-program", f"BEGIN NOT ATOMIC {ESCAPES}; {FOR_NONE}; END"),
    utf8("new", "SET old_mode=''", "SET NAMES utf8", "SET old_mode=DEFAULT"),
    utf8("old", "SET NAMES utf8", "SET old_mode=''", "SET NAMES latin1"),
    utf8("both-in-one", "SET old_mode='', NAMES utf8", "SET old_mode='UTF8_IS_UTF8MB3', NAMES utf8"),
    utf8("collation", "SET old_mode=''", "SET NAMES UTF8 COLLATE utf8_unicode_ci", "SET old_mode=DEFAULT",
         "SET NAMES 'utf8' COLLATE 'utf8_bin'", "SET old_mode=''"),
    utf8("collation-alone", "SET old_mode=''", "SET collation_connection=utf8_bin", "SET old_mode=DEFAULT",
         "SET @@SESSION.collation_connection='utf8_unicode_ci'", "SET old_mode=''"),
    utf8("parts", "SET old_mode=''", "SET character_set_results=utf8", "SET character_set_client='utf8'",
         "SET character_set_connection=utf8", "SET old_mode=DEFAULT", "SET character_set_client=utf8",
         "SET character_set_connection=utf8, character_set_results=utf8", "SET old_mode=''"),
    utf8("mixed", "SET old_mode=''", "SET NAMES utf8mb3, character_set_client=utf8", "SET old_mode=DEFAULT",
         "SET NAMES utf8, character_set_results=utf8mb4", "SET character_set_connection=utf8, collation_connection=utf8mb4_bin",
         "SET collation_connection=utf8mb4_bin, character_set_connection=utf8", "SET NAMES utf8, NAMES utf8mb4", "SET old_mode=''"),
    utf8("charset", "SET old_mode=''", "SET CHARACTER SET utf8", "SET old_mode=DEFAULT"),
    utf8("prepared", ("prepare", "s", "SET NAMES utf8"), ("prepare", "o", "SET old_mode=''"), ("execute", "o"),
         ("execute", "s"), "SET old_mode=DEFAULT"),
    seq("ansi-quotes-prepared", "SET sql_mode='ANSI_QUOTES'", 'SELECT "id", \'x\' FROM "t"',
        ("prepare", "s", 'SELECT "id" FROM "t"'), ("execute", "s"), "SET sql_mode=''", 'SELECT "id" FROM t'),
    seq("collations-compare", "SET NAMES utf8mb4", "SELECT 'a'='A', 'e'='é', 'ss'='ß'",
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin", "SELECT 'a'='A', 'e'='é', 'ss'='ß'",
        "SET NAMES utf8mb4 COLLATE utf8mb4_unicode_520_ci", "SELECT 'a'='A', 'e'='é', 'ss'='ß'",
        "SET NAMES utf8mb4 COLLATE utf8mb4_german2_ci", "SELECT 'ae'='ä'",
        "SET NAMES latin1 COLLATE latin1_german1_ci", "SELECT @@collation_connection",
        "SELECT COLLATION('x'), CHARSET('x'), COERCIBILITY('x')"),
    seq("collation-alone", "SET collation_connection='utf8mb4_unicode_520_ci'", SEE, "SELECT COLLATION('x')",
        "SET character_set_results=latin1", "SELECT 'é'", SEE, "SET character_set_client=latin1",
        b"SELECT '\xe9', HEX('\xe9')", SEE),
    seq("results-null", "SET character_set_results=NULL", "SELECT 'é', s FROM t", SEE, "SET NAMES DEFAULT", SEE),
    seq("names-then-use", "SET NAMES latin1", ("init_db", "$db"), SEE, "USE $db", SEE, "BEGIN", SEE, "COMMIT"),
    seq("conversion", "INSERT INTO t (s) VALUES ('é😀')", "SELECT s, HEX(s) FROM t WHERE id>3", "SET NAMES latin1",
        "SELECT s, HEX(s) FROM t WHERE id>3", "SET NAMES utf8mb3", "SELECT s FROM t WHERE id>3", "SET NAMES binary",
        "SELECT s FROM t WHERE id>3", "SET NAMES utf8mb4", b"INSERT INTO t (s) VALUES ('\xff')", "SHOW WARNINGS"),
    seq("gbk", "SET NAMES gbk", b"SELECT '\xbf\x5c', HEX('\xbf\x5c')", b"SELECT '\xbf''", SEE, "SET NAMES utf8mb4",
        b"SELECT '\xbf\x5c''"),
    seq("sjis", "SET NAMES sjis", b"SELECT '\x83\x5c', LENGTH('\x83\x5c')", "SET NAMES utf8mb4", "SELECT 1"),
    seq("introducers", "SELECT _latin1 x'E9', _utf8mb4 x'C3A9', _binary'abc', N'x'",
        "SELECT CONVERT(_latin1 x'E9' USING utf8mb4)"),
]
