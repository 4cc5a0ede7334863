# SPDX-License-Identifier: Apache-2.0
"""Clients with SESSION_TRACK: what they are told of their session, under each of their own settings."""
import wire
from . import on, seq

ROUTINES = (
    "CREATE FUNCTION f() RETURNS INT BEGIN SET SESSION time_zone='+03:00'; RETURN 1; END",
    "CREATE PROCEDURE p() BEGIN SELECT 1; SET SESSION time_zone='+04:00'; SELECT 2; END",
    "CREATE PROCEDURE q() BEGIN SET @from_q=1, SESSION sql_mode='ANSI'; END",
    "CREATE TABLE w (a INT)",
    "CREATE TRIGGER w_sets BEFORE INSERT ON w FOR EACH ROW SET @from_trigger=NEW.a",
)

SETTINGS = {
    "default": (),
    "all": ("SET session_track_system_variables='*'",),
    "none": ("SET session_track_system_variables='', session_track_schema=0",),
    "some": ("SET session_track_system_variables=' time_zone , sql_mode,AUTOCOMMIT'",),
    "no-schema": ("SET session_track_schema=OFF",),
    "changes": ("SET session_track_state_change=ON",),
    "state": ("SET session_track_transaction_info='STATE'",),
    "characteristics": ("SET session_track_transaction_info='CHARACTERISTICS'",
                        "SET SESSION session_track_state_change=1"),
    "everything": ("SET session_track_system_variables='*', session_track_schema=1, "
                   "session_track_state_change=1, session_track_transaction_info='CHARACTERISTICS'",),
}

# Each plays under each of the settings, the short ones in one session.
VARIABLES = (
    "SET sql_mode=''", "SET sql_mode='ANSI'", "SET autocommit=1", "SET autocommit=1, time_zone='+01:00'",
    "SET time_zone='+01:00', autocommit=ON, character_set_results=utf8mb4",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin", "SET NAMES latin1", "SET NAMES DEFAULT",
    "SET CHARACTER SET utf8mb4", "SET collation_connection=utf8mb4_bin",
    "SET character_set_connection=latin1", "SET character_set_results=NULL",
    "SET sql_mode='nonsense'", "SET autocommit=1, sql_mode='nonsense'", "SET SESSION sql_mode=DEFAULT",
    "SET sql_mode=CONCAT(@@sql_mode,',ANSI'), autocommit=1", "SET foreign_key_checks=0, unique_checks=0",
    "SET LOCAL lock_wait_timeout=7", "SET GLOBAL max_connections=500", "SET @a=1", "DO 0",
    "SET time_zone='SYSTEM'", "SELECT @@time_zone, @a", ("ping",), "SET last_insert_id=5",
    "SELECT LAST_INSERT_ID()", "SET max_statement_time=3", "SET wait_timeout=100", "SELECT 1",
    "SET sql_mode=''", "SET sql_mode='ANSI'", "SET sql_mode=''", "SET sql_mode='ANSI'",
)
SCHEMAS = (
    "USE $db", "USE $db", ("init_db", "$db"), ("init_db", "$db_missing"), "USE information_schema",
    ("init_db", "INFORMATION_SCHEMA"), "SELECT DATABASE()", "USE $db", "DO 1",
)
TRANSACTIONS = (
    "SELECT * FROM t", "BEGIN", "SELECT * FROM t", "DO 0", "UPDATE t SET a=a+1", "SELECT * FROM t WHERE id=1",
    "COMMIT", "START TRANSACTION READ ONLY", "SELECT 1", "ROLLBACK", "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    "COMMIT AND CHAIN", "DO 0", "ROLLBACK AND NO CHAIN", "BEGIN", "SAVEPOINT s", "INSERT INTO t (a) VALUES (7)",
    "ROLLBACK TO s", "RELEASE SAVEPOINT s", "ROLLBACK", "SET autocommit=0", "SELECT 1", "SELECT * FROM t",
    "SELECT * FROM t FOR UPDATE", "UPDATE t SET a=7", "COMMIT", "SET autocommit=1",
    "SET TRANSACTION READ ONLY", "BEGIN", "SELECT * FROM t", "COMMIT",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN", "SELECT * FROM t", "COMMIT",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET tx_read_only=1", "BEGIN", "COMMIT",
    "SET tx_read_only=0", "LOCK TABLES t WRITE", "UNLOCK TABLES", "BEGIN", "DROP TABLE IF EXISTS none",
    "SELECT * FROM t FOR UPDATE NOWAIT", "INSERT INTO t (a) VALUES (1),(2)", "DELETE FROM t WHERE a=2",
)
OBJECTS = (
    "CREATE TEMPORARY TABLE x (a INT)", "INSERT INTO x VALUES (1)", "SELECT * FROM x", "DROP TEMPORARY TABLE x",
    "PREPARE s FROM 'DO 1'", "EXECUTE s", "DEALLOCATE PREPARE s", "SET ROLE NONE",
    "CREATE TEMPORARY TABLE y SELECT 1 a", "DROP TABLE y", "DROP TABLE none", "SELECT @b:=5",
    ("prepare", "s", "SET time_zone=?"), ("execute", "s", ["+02:00"]), ("stmt_close", "s"),
    ("prepare", "i", "INSERT INTO t (a) VALUES (?)"), ("execute", "i", [5]), ("execute", "i", [6]),
    ("prepare", "r", "SELECT a FROM t WHERE id=?"), ("execute", "r", [1]), ("execute", "r", [2]),
    "CREATE TABLE z (a INT)", "ALTER TABLE z COMMENT 'z'", "DROP TABLE z", "INSERT INTO w VALUES (3)",
    "SELECT @from_trigger",
)
MULTI = (
    "SET autocommit=1;SELECT 1;USE $db;DO 0", "SELECT 1;SET time_zone='SYSTEM'", "SET autocommit=1;nonsense",
    "BEGIN;SELECT * FROM t;UPDATE t SET a=a+1;COMMIT", "SELECT 1;SELECT 2",
)
RESETS = (
    "SET time_zone='+01:00'", ("reset_connection",), "SET sql_mode=''", "SET time_zone='SYSTEM'", "USE $db", "BEGIN",
    ("reset_connection",), "BEGIN", "COMMIT",
)

TRACK = wire.SESSION_TRACK
PLAYED = {"variables": VARIABLES, "schemas": SCHEMAS, "transactions": TRANSACTIONS, "objects": OBJECTS,
          "resets": RESETS}
CALLS = ("SELECT f()", "DO 0", "SET autocommit=1", "CALL p()", "DO 0", "CALL q()", "SELECT @from_q, @@sql_mode",
         "SET @x=(SELECT f())", "SET time_zone='SYSTEM'")
# With EOFs a function's changes are told later, and it cannot be known which they are.
TELL_ALL = ("all", "changes", "everything")


def under_each(ends, caps):
    """Everything above under each setting; ends: of the names."""
    return [
        *(seq(f"{topic}-{name}{ends}", *setting, *steps, caps=TRACK | caps, setup=ROUTINES)
          for topic, steps in PLAYED.items() for name, setting in SETTINGS.items()),
        *(seq(f"multi-{name}{ends}", *setting, *MULTI, caps=TRACK | wire.MULTI_STATEMENTS | caps)
          for name, setting in SETTINGS.items()),
        *(seq(f"routines-{name}{ends}", *setting, *CALLS, caps=TRACK | caps, setup=ROUTINES)
          for name, setting in SETTINGS.items() if caps & wire.DEPRECATE_EOF or name in TELL_ALL),
    ]


SEQUENCES = [
    *under_each("", 0),
    *under_each("-without-eofs", wire.DEPRECATE_EOF),
    *(seq(f"change-user-{name}", *setting, ("change_user", "tenant", "tenant", "$db"), "SET time_zone='+01:00'",
          "SET sql_mode=''", ("change_user", "tenant2", "tenant2", ""), "USE $db", "BEGIN",
          ("change_user", "tenant", "wrong", "$db"), caps=TRACK)
      for name, setting in SETTINGS.items()),

    # Logins, and what needs no node the second time.
    seq("login-without-a-schema", "SET autocommit=1", "USE $db", caps=TRACK, db=None),
    seq("login-with-a-charset", "SET NAMES utf8mb4", "SET NAMES utf8mb4", "SET NAMES utf8mb4", caps=TRACK, charset=8),
    seq("learnt", *("SET sql_mode='ANSI'", "SET NAMES latin1", "SET sql_mode=''", "SET NAMES utf8mb4") * 3, caps=TRACK),
    seq("learnt-under-others", *on("b", "SET session_track_system_variables='*'", "SET NAMES latin1",
                                   "SET sql_mode=''"),
        *("SET NAMES latin1", "SET sql_mode=''"),
        *on("b", "SET NAMES latin1", "SET sql_mode=''", "SET session_track_system_variables='sql_mode'"),
        "SET NAMES latin1", "SET sql_mode=''", *on("b", "SET NAMES latin1", "SET sql_mode=''"), caps=TRACK),
    seq("learnt-without", ("connect", "plain", {"caps": wire.DEFAULT_CAPS}),
        *on("plain", "SET NAMES latin1", "SET time_zone='+01:00'", "USE $db"), "SET NAMES latin1",
        "SET time_zone='+01:00'", "USE $db", *on("plain", "SET NAMES latin1", "SET time_zone='+01:00'", "USE $db"),
        caps=TRACK),

    # The variables themselves.
    seq("values", "SELECT @@session_track_system_variables, @@session_track_schema, @@session_track_state_change, "
        "@@session_track_transaction_info", "SHOW VARIABLES LIKE 'session_track%'",
        "SET session_track_system_variables='time_zone, sql_mode,autocommit , character_set_results'",
        "SELECT @@session_track_system_variables", "SET session_track_system_variables='Time_Zone,nonsense'",
        "SHOW WARNINGS", "SELECT @@session_track_system_variables", "SET session_track_system_variables='*,a'",
        "SET session_track_system_variables=NULL", "SET session_track_system_variables=''",
        "SELECT @@session_track_system_variables", "SET session_track_system_variables=DEFAULT",
        "SELECT @@session_track_system_variables", "SET session_track_schema=0",
        "SELECT @@session_track_schema", "SELECT @@SESSION.session_track_schema", "SELECT @@GLOBAL.session_track_schema",
        "SET session_track_schema=DEFAULT", "SET session_track_schema=2", "SET session_track_schema='nonsense'",
        "SELECT @@session_track_schema, @@session_track_state_change", caps=TRACK),
    seq("set-together", "SET autocommit=1, session_track_system_variables='time_zone', time_zone='SYSTEM'",
        "SET time_zone='+01:00', sql_mode='ANSI', session_track_system_variables='sql_mode,session_track_schema'",
        "SELECT @@sql_mode, @@time_zone", "SET session_track_schema=0, NAMES latin1", "SELECT @@character_set_client",
        "SET session_track_system_variables='', session_track_schema=1, sql_mode=''", "SELECT @@sql_mode",
        "SET session_track_schema=1, max_join_size=1000, sql_big_selects=1", "SELECT @@max_join_size, @@sql_big_selects",
        "SET session_track_schema=1, collation_connection=utf8mb4_bin", "SELECT @@collation_connection",
        "SET session_track_schema=1, sql_mode='nonsense'", "SHOW WARNINGS", "SELECT @@error_count",
        "SET session_track_system_variables=CONCAT(@@session_track_system_variables,'time_zone')",
        "SELECT @@session_track_system_variables", "SET time_zone='SYSTEM'", caps=TRACK),
    seq("driver", "SET autocommit=1, sql_mode=CONCAT(@@sql_mode,',STRICT_TRANS_TABLES'), session_track_schema=1, "
        "session_track_system_variables=CONCAT(@@session_track_system_variables,',tx_isolation')",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SELECT @@tx_isolation", "BEGIN",
        "INSERT INTO t (a) VALUES (1)", "COMMIT", "SELECT @@session_track_system_variables", caps=TRACK),
    seq("in-a-transaction", "BEGIN", "INSERT INTO t (a) VALUES (1)", "SET session_track_transaction_info='STATE'",
        "SET session_track_state_change=1", "UPDATE t SET a=2", "SELECT @@session_track_schema", "ROLLBACK",
        "SELECT COUNT(*) FROM t", caps=TRACK),
    seq("transaction-info-values", *("SET session_track_transaction_info=" + v for v in
                                     ("2", "'STATE'", "1", "'state'", "0", "'off'", "DEFAULT", "'nonsense'", "2")),
        "SELECT @@session_track_transaction_info", "BEGIN", "SET session_track_transaction_info='OFF'", "COMMIT",
        "SHOW VARIABLES LIKE 'session_track_t%'", caps=TRACK),
    seq("text", "EXECUTE IMMEDIATE \"SET session_track_system_variables='sql_mode', session_track_state_change=1\"",
        "SET sql_mode='ANSI'", "SET time_zone='+01:00'", "USE $db", "SELECT @@session_track_system_variables", caps=TRACK),
    seq("prepared-text", "PREPARE s FROM 'SET session_track_schema=?'", "EXECUTE s USING 0", "USE $db",
        ("reset_connection",), "USE $db", caps=TRACK),
    seq("of-a-statement", "SET STATEMENT session_track_schema=0 FOR SELECT @@session_track_schema",
        "SELECT @@session_track_schema", "USE $db", caps=TRACK),
    seq("set-statement", "SET STATEMENT max_statement_time=10 FOR SELECT 1", "SET STATEMENT time_zone='+01:00' FOR SELECT 1",
        caps=TRACK),
    seq("nowait", "SET session_track_system_variables='lock_wait_timeout'", "SELECT id FROM t LIMIT 1 FOR UPDATE NOWAIT", "DO 1",
        "SET session_track_system_variables='innodb_lock_wait_timeout'", "SELECT id FROM t LIMIT 1 FOR UPDATE WAIT 2", "SELECT 1",
        "SET session_track_system_variables='time_zone'", "SELECT id FROM t LIMIT 1 FOR UPDATE NOWAIT", "SELECT 1", caps=TRACK),
    seq("set-statement-of-a-write", "SET STATEMENT max_statement_time=10 FOR UPDATE t SET a=1",
        "SET STATEMENT time_zone='+01:00' FOR UPDATE t SET a=2", caps=TRACK),
    seq("deep-setting", "SET session_track_system_variables='*'", ("prepare", "s", "SELECT @@session_track_schema"),
        ("execute", "s", []), "SET session_track_schema=0", ("execute", "s", []), "USE $db", caps=TRACK),

    # Not for who did not ask, whatever its variables say.
    *(seq(f"not-asked-{name}", *setting, "SET time_zone='+01:00'", "USE $db", "SET @a=1", "SHOW VARIABLES LIKE 'session_track%'",
          "SELECT 1", "SET NAMES latin1", ("reset_connection",), "SET time_zone='+02:00'")
      for name, setting in SETTINGS.items() if "state" not in name and name not in ("characteristics", "everything")),
]
