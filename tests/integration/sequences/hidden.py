# SPDX-License-Identifier: Apache-2.0
"""State that a statement leaves though its text does not show it: views, triggers, defaults, what no reset takes away."""
import wire

from . import STATE_BIT, on, seq

MULTI = wire.MULTI_STATEMENTS
HIDDEN = "CREATE FUNCTION hidden() RETURNS INT BEGIN SET @h=5; RETURN 1; END"
VIEW = "CREATE VIEW v AS SELECT id, hidden() AS h FROM t"
ROLE = ("CREATE ROLE IF NOT EXISTS cmp_role", "GRANT cmp_role TO tenant@'%'")
SEE_ROLE = "SELECT CURRENT_ROLE() FOR UPDATE"


def var(name, *steps, ddl=(), **options):
    """A user variable @h that one session has, and the other has not. ddl: as DDL that does not pass through is seen late."""
    return seq(name, *ddl, *steps, *on("b", "SELECT @h FOR UPDATE"), "SELECT @h", *on("b", "SELECT @h FOR UPDATE"), **options)


def role(name, *steps, **options):
    """A role that no reset takes away."""
    return seq(name, *steps, ("quit",), *on("b", SEE_ROLE, "SELECT CURRENT_ROLE()"), *on("c", SEE_ROLE), setup=ROLE, **options)


def trigger(body):
    return f"CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW {body}"


def function(body):
    return f"CREATE FUNCTION hidden() RETURNS INT BEGIN {body}; RETURN 1; END"


def left(name, *steps, then, setup=()):
    """The session ends; another comes to its connection."""
    return seq(name, *on("b", "BEGIN", "SELECT 1 FROM t LIMIT 1"), *steps, ("quit",), ("connect", "c", {}), *on("c", *then),
               setup=setup)


SEQUENCES = [
    # A change that the statement explains, and one that it does not.
    var("temporary-of-a-view", "CREATE TEMPORARY TABLE x SELECT * FROM v", "SELECT COUNT(*) FROM x", "DROP TEMPORARY TABLE x",
        ddl=(HIDDEN, VIEW)),
    var("temporary-of-values", "CREATE TEMPORARY TABLE x AS VALUES (hidden())", "DROP TABLE x", setup=(HIDDEN,)),
    var("table-of-values", "CREATE TABLE x AS VALUES (hidden())", setup=(HIDDEN,)),
    var("set-of-a-view", "SET sql_select_limit=(SELECT h FROM v LIMIT 1)", "SET sql_select_limit=DEFAULT", ddl=(HIDDEN, VIEW)),
    var("set-of-a-function", "SET sql_select_limit=hidden()", "SET sql_select_limit=DEFAULT", setup=(HIDDEN,)),
    var("set-statement-and-trigger", "SET STATEMENT max_statement_time=9 FOR INSERT INTO t (a) VALUES (1)",
        ddl=(trigger("SET @h=5"),)),
    var("set-statement-and-view", "SET STATEMENT max_statement_time=9 FOR SELECT * FROM v", ddl=(HIDDEN, VIEW)),
    var("set-statement-of-a-view", "SET STATEMENT max_statement_time=(SELECT h FROM v LIMIT 1) FOR SELECT 1", ddl=(HIDDEN, VIEW)),
    var("set-statement-of-a-function", "SET STATEMENT max_statement_time=hidden() FOR SELECT 1", setup=(HIDDEN,)),
    var("nowait-of-a-view", "SELECT * FROM v LIMIT 1 FOR UPDATE NOWAIT", ddl=(HIDDEN, VIEW)),
    var("prepare-of-a-function", "PREPARE p FROM 'SELECT hidden()'", "DEALLOCATE PREPARE p", "EXECUTE IMMEDIATE 'DO hidden()'",
        setup=(HIDDEN,)),
    # Views and triggers that leave something.
    var("view", "SELECT * FROM v", setup=(HIDDEN, VIEW)),
    var("view-without-rows", "SELECT * FROM v WHERE 0", setup=(HIDDEN, VIEW)),
    var("view-described", "DESCRIBE v", "SHOW COLUMNS FROM v", "EXPLAIN SELECT * FROM v", setup=(HIDDEN, VIEW)),
    var("view-prepared", ("prepare", "s", "SELECT * FROM v"), ("execute", "s"), setup=(HIDDEN, VIEW)),
    var("view-and-cursor", ("prepare", "s", "SELECT * FROM v"), ("execute", "s", [], {"cursor": 1}), ("fetch", "s", 1),
        ("stmt_close", "s"), setup=(HIDDEN, VIEW)),
    var("function-assigns", "SELECT hidden()", setup=(function("DO @h:=5"),)),
    var("check-calls", "INSERT INTO k VALUES (1)", setup=("CREATE TABLE k (a INT CHECK (a<5))",)),
    seq("trigger-makes-temporary", "INSERT INTO t (a) VALUES (1)", *on("b", "SELECT * FROM x"), "SELECT * FROM x",
        setup=(trigger("CREATE TEMPORARY TABLE IF NOT EXISTS x (b INT)"),)),
    seq("trigger-drops-temporary", "CREATE TEMPORARY TABLE x (b INT)", "INSERT INTO t (a) VALUES (1)", "SELECT * FROM x",
        *on("b", "SELECT * FROM x"), setup=("CREATE TEMPORARY TABLE x (b INT)", trigger("DROP TEMPORARY TABLE IF EXISTS x"),)),
    seq("trigger-sets-mode", "INSERT INTO t (a) VALUES (1)", *on("b", "SELECT CONCAT(@@sql_mode) FOR UPDATE"),
        "SELECT CONCAT(@@sql_mode) FOR UPDATE", setup=(trigger("SET SESSION sql_mode='ANSI'"),)),
    seq("trigger-sets-time", "INSERT INTO t (a) VALUES (1)", *on("b", "SELECT YEAR(NOW())<2005 FOR UPDATE"),
        "SELECT YEAR(NOW())<2005 FOR UPDATE", setup=(trigger("SET timestamp=1000000000"),)),
    seq("function-sets-mode", "SELECT hidden()", *on("b", "SELECT CONCAT(@@sql_mode) FOR UPDATE"),
        "SELECT CONCAT(@@sql_mode) FOR UPDATE", setup=(function("SET SESSION sql_mode='ANSI'"),)),
    seq("view-sets-mode", "SELECT * FROM v", *on("b", "SELECT CONCAT(@@sql_mode) FOR UPDATE"),
        "SELECT CONCAT(@@sql_mode) FOR UPDATE", setup=(function("SET SESSION sql_mode='ANSI'"), VIEW)),
    seq("last-id-of-a-program", "BEGIN NOT ATOMIC INSERT INTO t (a) VALUES (1); SELECT 1; END", "SELECT LAST_INSERT_ID()",
        *on("b", "SELECT LAST_INSERT_ID()", "INSERT INTO t (a) VALUES (1)"), "SELECT LAST_INSERT_ID()"),
    seq("last-id-in-a-program", "INSERT INTO t (a) VALUES (1)", *on("b", "INSERT INTO t (a) VALUES (1)"),
        "BEGIN NOT ATOMIC UPDATE u SET b=LAST_INSERT_ID(); END", "SELECT b FROM u"),
    seq("view-of-another-schema", "CREATE OR REPLACE DATABASE $db_b", "CREATE TABLE $db_b.t (x INT)", "INSERT INTO $db_b.t VALUES (7)",
        "CREATE VIEW w AS SELECT x FROM $db_b.t", "CREATE VIEW v2 AS SELECT id FROM t", "SELECT * FROM w", *(
            step for i in range(20) for step in (f"UPDATE $db_b.t SET x={i}", "SELECT * FROM w",
                                                 f"INSERT INTO t (id) VALUES ({i + 10})", "SELECT MAX(id) FROM v2")),
        "DROP DATABASE $db_b"),
    # Numbers of the session in views.
    seq("view-of-last-id", "CREATE VIEW n AS SELECT LAST_INSERT_ID() AS i", "INSERT INTO t (a) VALUES (1)",
        *on("b", "SELECT * FROM n", "INSERT INTO t (a) VALUES (1),(2)"), "SELECT * FROM n", *on("b", "SELECT * FROM n")),
    seq("view-of-connection", "SELECT c=CONNECTION_ID() FROM n", "SELECT d FROM n", "USE information_schema",
        ("masked", *STATE_BIT, "SELECT d FROM $db.n"),
        setup=("CREATE VIEW n AS SELECT CONNECTION_ID() AS c, DATABASE() AS d",)),
    seq("function-of-last-id", "INSERT INTO t (a) VALUES (1)", *on("b", "SELECT ids()", "INSERT INTO t (a) VALUES (1),(2)"),
        "SELECT ids()", *on("b", "SELECT ids()"), setup=(
            "CREATE FUNCTION ids() RETURNS INT RETURN LAST_INSERT_ID()",)),
    seq("trigger-of-last-id", "CREATE TRIGGER tr BEFORE INSERT ON u FOR EACH ROW SET NEW.b=LAST_INSERT_ID()",
        "CREATE TRIGGER tu BEFORE UPDATE ON u FOR EACH ROW SET NEW.b=LAST_INSERT_ID()+1000", "INSERT INTO t (a) VALUES (1)",
        *on("b", "INSERT INTO u (id) VALUES (7)", "SELECT b FROM u WHERE id=7"), "INSERT INTO u (id) VALUES (8)",
        "SELECT b FROM u WHERE id=8", "UPDATE u SET id=9 WHERE id=8", "SELECT b FROM u WHERE id=9"),
    seq("update-of-last-id", "INSERT INTO t (a) VALUES (1)", *on("b", "UPDATE u SET b=LAST_INSERT_ID()", "SELECT b FROM u"),
        "UPDATE u SET b=LAST_INSERT_ID()", "SELECT b FROM u", "DELETE FROM t WHERE id=LAST_INSERT_ID()", "SELECT COUNT(*) FROM t"),
    # Sequences behind defaults.
    left("lastval-is-over", "SELECT NEXTVAL(q)", then=("SELECT LASTVAL(q)",), setup=("CREATE SEQUENCE q START WITH 5 NOCACHE",)),
    # Several statements, and one of them fails.
    seq("next-transaction-and-an-error", "SET TRANSACTION READ ONLY; SELECT nothing",
        "SELECT 1", *on("b", "INSERT INTO t (a) VALUES (5)", "SELECT COUNT(*) FROM t"), "INSERT INTO t (a) VALUES (6)",
        "SELECT COUNT(*) FROM t", caps=MULTI),
    seq("next-transaction-and-an-error-of-set", "SET TRANSACTION READ ONLY; SET nothing=1", *on("b", "BEGIN", "INSERT INTO t (a) VALUES (5)", "COMMIT"),
        "BEGIN", "INSERT INTO t (a) VALUES (6)", "COMMIT", caps=MULTI),
    seq("isolation-and-an-error", "SET SESSION TRANSACTION READ ONLY; SET nothing=1", *on("b", "INSERT INTO t (a) VALUES (5)"),
        "INSERT INTO t (a) VALUES (6)", "SELECT @@tx_read_only", caps=MULTI),
    seq("variable-and-an-error", "SET sql_select_limit=2; SELECT nothing",
        *on("b", "SELECT id FROM t"), "SELECT id FROM t", caps=MULTI),
    seq("untracked-and-an-error", "SET @@sql_select_limit=2; SELECT nothing",
        *on("b", "SELECT id FROM t"), "SELECT id FROM t", caps=MULTI),
    seq("names-and-an-error", "SET NAMES latin1; SELECT nothing",
        *on("b", "SELECT @@character_set_client FOR UPDATE"), "SELECT @@character_set_client FOR UPDATE", caps=MULTI),
    seq("use-and-an-error", "USE information_schema; SELECT nothing",
        *on("b", "SELECT DATABASE() FOR UPDATE"), "SELECT DATABASE() FOR UPDATE", caps=MULTI),
    seq("set-and-an-error-in-set", "SET sql_select_limit=2, nothing=1",
        "SET sql_select_limit=2, time_zone='nowhere'", *on("b", "SELECT id FROM t"), "SELECT id FROM t"),
    seq("lock-tables-and-an-error", "LOCK TABLES t READ; SELECT nothing", *on("b", "SELECT id FROM u"), "SELECT id FROM u",
        "UNLOCK TABLES", caps=MULTI),
    seq("unlock-in-the-middle", "LOCK TABLES t READ", "SELECT 1; UNLOCK TABLES; LOCK TABLES u READ", "SELECT id FROM t",
        *on("b", "SELECT id FROM t"), "UNLOCK TABLES", "SELECT id FROM t", caps=MULTI),
    var("variable-of-insert-and-an-error", "INSERT INTO t (a) VALUES (1); SELECT nothing", "SELECT id FROM t LIMIT 1",
        setup=(trigger("SET @h=5"),), caps=MULTI),
    seq("begin-and-an-error", "BEGIN; INSERT INTO t (a) VALUES (1); SELECT nothing", *on("b", "SELECT COUNT(*) FROM t"),
        "SELECT COUNT(*) FROM t", "ROLLBACK", "SELECT COUNT(*) FROM t", caps=MULTI),
    seq("temporary-and-an-error", "CREATE TEMPORARY TABLE x (a INT); SELECT nothing",
        *on("b", "SELECT * FROM x"), "SELECT * FROM x", caps=MULTI),
    seq("temporary-dropped-and-an-error", "CREATE TEMPORARY TABLE x (a INT)", "CREATE TEMPORARY TABLE y (a INT)", "DROP TABLE x, nothing",
        "DROP TABLE x", *on("b", "SELECT * FROM y"), "SELECT * FROM y", "DROP TABLE y", *on("b", "SELECT * FROM y")),
    seq("temporary-dropped-by-schema", "CREATE TEMPORARY TABLE $db.x (a INT)", "DROP TABLE x", *on("b", "SELECT * FROM x"),
        "CREATE TEMPORARY TABLE x (a INT)", "CREATE TEMPORARY TABLE information_schema.x (a INT)", "DROP TABLE `x`",
        *on("b", "SELECT * FROM x")),
    seq("temporary-of-two-schemas", "CREATE TEMPORARY TABLE x (a INT)", "USE information_schema", "DROP TABLE IF EXISTS x", "USE $db",
        "SELECT * FROM x", *on("b", "SELECT * FROM x")),
    seq("temporary-and-case", "CREATE TEMPORARY TABLE x (a INT)", "CREATE TEMPORARY TABLE X (a INT)", "DROP TABLE x",
        "SELECT * FROM X", *on("b", "SELECT * FROM X")),
    seq("temporary-sequence", "CREATE TEMPORARY SEQUENCE q START WITH 7", "SELECT NEXTVAL(q)", *on("b", "SELECT NEXTVAL(q)"),
        "SELECT NEXTVAL(q)", "DROP SEQUENCE q", *on("b", "SELECT LASTVAL(q)")),
    # What no reset takes away.
    role("role-immediate", "EXECUTE IMMEDIATE 'SET ROLE cmp_role'", "SELECT CURRENT_ROLE()"),
    role("role-of-prepare", "PREPARE p FROM 'SET ROLE cmp_role'", "EXECUTE p", "SELECT CURRENT_ROLE()"),
    role("role-prepared", ("prepare", "s", "SET ROLE cmp_role"), ("execute", "s"), "SELECT CURRENT_ROLE()"),
    role("role-of-a-program", "BEGIN NOT ATOMIC SET ROLE cmp_role; END", "SELECT CURRENT_ROLE()"),
    role("role-of-an-if", "IF 1 THEN SET ROLE cmp_role; END IF", "SELECT CURRENT_ROLE()"),
    role("role-in-comment", "/*!50701 SET ROLE */ /*M!100100 SET ROLE cmp_role */", "SELECT CURRENT_ROLE()"),
    role("role-in-multi", "SELECT 1; SET ROLE cmp_role; SELECT nothing", caps=MULTI),
    role("role-of-set-statement", "SET STATEMENT max_statement_time=5 FOR SET ROLE cmp_role", "SELECT CURRENT_ROLE()"),
    role("role-and-reset", "EXECUTE IMMEDIATE 'SET ROLE cmp_role'", ("reset_connection",), "SELECT 1",
         "EXECUTE IMMEDIATE 'SET ROLE cmp_role'", ("change_user", "tenant", "tenant", "$db"), "SELECT 1"),
    seq("role-of-a-procedure", "CALL p()", "SELECT CURRENT_ROLE()", ("quit",), *on("b", SEE_ROLE), *on("c", SEE_ROLE),
        setup=(*ROLE, "CREATE PROCEDURE p() SQL SECURITY INVOKER SET ROLE cmp_role")),
    left("profiles-immediate", "EXECUTE IMMEDIATE 'SET profiling=1'", "SELECT 1+1", "SELECT 'secret'", then=("SHOW PROFILES",)),
    left("profiles-untracked-immediate", "EXECUTE IMMEDIATE 'SET @@profiling=1'", "SELECT 1+1", "SELECT 'secret'",
         then=("SHOW PROFILES",)),
    left("profiles-untracked-program", "BEGIN NOT ATOMIC SET @@profiling=1; END", "SELECT 1+1", "SELECT 'secret'",
         then=("SHOW PROFILES",)),
    left("profiles-of-a-procedure", "CALL p()", "SELECT 1+1", "SELECT 'secret'", then=("SHOW PROFILES",),
         setup=("CREATE PROCEDURE p() SET @@profiling=1",)),
    left("rand-seeds", "SET rand_seed1=10, rand_seed2=20", then=("SELECT RAND()<0.0000005 FOR UPDATE",)),
    left("rand-seeds-untracked", "SET @@rand_seed1=10, @@rand_seed2=20", then=("SELECT RAND()<0.0000005 FOR UPDATE",)),
    left("timestamp", "SET timestamp=1000000000", then=("SELECT YEAR(NOW())<2005 FOR UPDATE",)),
    left("insert-id", "SET insert_id=500", then=("INSERT INTO t (a) VALUES (1)", "SELECT id FROM t ORDER BY id")),
    left("next-transaction", "SET TRANSACTION READ ONLY", then=("INSERT INTO t (a) VALUES (1)",)),
    left("default-collation", "SET collation_server=latin1_bin, character_set_database=latin1", then=(
        "SELECT CONCAT(@@collation_server), @@character_set_database FOR UPDATE",)),
    left("user-lock", "SELECT GET_LOCK('$db', 0)", then=("SELECT GET_LOCK('$db', 9)", "DO RELEASE_ALL_LOCKS()")),
    left("handler", "HANDLER t OPEN AS h", "HANDLER h READ FIRST", then=("HANDLER h READ NEXT",)),
    left("sql-prepare", "PREPARE p FROM 'SELECT 1'", then=("EXECUTE p",)),
    left("variable-of-a-trigger", "INSERT INTO t (a) VALUES (1)", then=("SELECT @h FOR UPDATE",), setup=(trigger("SET @h=5"),)),
    left("statement-limit", "SET max_session_mem_used=9000000, @@max_join_size=1", then=(
        "SELECT COUNT(*) FROM t a JOIN t b JOIN t c",)),
]
