# SPDX-License-Identifier: Apache-2.0
"""Random sequences of two sessions give the same packets on a node and through a narrow proxy.

RANDOM_SEED=n begins elsewhere, RANDOM_SEQUENCES=n makes it longer. A sequence that fails is made as short as can be.
"""
import os
import random
import re
import warnings

import pytest

import wire
from conftest import need_proxy, worker_name
from player import Player, compare
from sequences import seq
from test_leaks import two_connections
from wire import Packet

SEQUENCES = int(os.environ.get("RANDOM_SEQUENCES", "60"))
STEPS = 14
SHRINKS = 60  # tries to make a failing sequence shorter

NUMBERS = ("0", "1", "3", "7")
MODES = ("''", "'ANSI_QUOTES'", "'NO_BACKSLASH_ESCAPES'", "'ANSI'", "'TRADITIONAL'", "DEFAULT",
         "CONCAT(@@sql_mode,',PIPES_AS_CONCAT')", "(SELECT 'ANSI_QUOTES')")
VARIABLES = {
    "sql_mode": MODES,
    "sql_select_limit": ("2", "1000", "DEFAULT"),
    "max_sort_length": ("64", "1024", "(SELECT 99)"),
    "group_concat_max_len": ("4", "1024"),
    "time_zone": ("'+01:00'", "'SYSTEM'"),
    "foreign_key_checks": ("0", "1", "OFF"),
    "div_precision_increment": ("2", "4"),
    "collation_connection": ("utf8mb4_bin", "latin1_swedish_ci"),
    "character_set_results": ("latin1", "utf8mb4", "NULL"),
    "tx_isolation": ("'READ-COMMITTED'", "'REPEATABLE-READ'"),
    "lc_time_names": ("'de_DE'", "'en_US'"),
    "insert_id": ("700", "800"),
    "last_insert_id": ("33", "44"),
    "timestamp": ("1000000000", "DEFAULT"),
    "sql_auto_is_null": ("0", "1"),
    "completion_type": ("0", "1"),
    "session_track_system_variables": ("'*'", "''", "'sql_mode,time_zone'", "DEFAULT"),
    "session_track_schema": ("0", "1"),
    "session_track_state_change": ("0", "1"),
    "session_track_transaction_info": ("'STATE'", "'CHARACTERISTICS'", "'OFF'"),
}
SCOPES = ("", "SESSION ", "@@", "@@SESSION.", "LOCAL ")


def assignment(r):
    name = r.choice(list(VARIABLES))
    scopes = SCOPES
    if name == "session_track_transaction_info":
        scopes = [s for s in SCOPES if s != "@@"]  # raises the bit and reports nothing: it is not told
    return f"{r.choice(scopes)}{name}={r.choice(VARIABLES[name])}"


def session_name(r):
    """For SET STATEMENT, which takes no scope."""
    name = r.choice(list(VARIABLES))
    return f"{name}={r.choice(VARIABLES[name])}"


def set_variables(r):
    items = [assignment(r) for _ in range(r.choice((1, 1, 1, 2, 3)))]
    if r.random() < 0.1:
        items.append("nothing=1")  # fails half-way
    if r.random() < 0.1:
        items.append(f"@{r.choice('xy')}={r.choice(NUMBERS)}")
    return "SET " + ", ".join(items)


def set_names(r):
    return r.choice(("SET NAMES utf8mb4", "SET NAMES latin1", "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
                     "SET NAMES DEFAULT", "SET CHARACTER SET utf8mb4", "SET CHARACTER SET DEFAULT"))


def read_variables(r):
    name = r.choice(list(VARIABLES))
    if name in ("timestamp", "insert_id", "last_insert_id"):
        name = "sql_mode"
    return r.choice((f"SELECT @@{name}", f"SELECT @@SESSION.{name}",
                     f"SELECT CONCAT(@@{name},'')", f"SHOW VARIABLES LIKE '{name}'"))


def select(r):
    table = r.choice(("t", "t", "u", "tmp", "base", "nowhere"))
    return r.choice((
        f"SELECT * FROM {table}", f"SELECT id FROM {table} WHERE id={r.choice(NUMBERS)}",
        f"SELECT SQL_CALC_FOUND_ROWS * FROM {table} LIMIT 1", f"(SELECT 1) UNION SELECT id FROM {table}",
        f"SELECT COUNT(*) FROM {table}", f"SELECT id FROM {table} LIMIT 1 FOR UPDATE",
        "SELECT 1/0", "SELECT CAST('x' AS INT)", "SELECT 'a\\'b', \"x\"", "SELECT 1, 'two'",
        "SELECT id FROM t WHERE id IS NULL", "SELECT NOW()='2001-09-09 01:46:40'",
        f"ANALYZE TABLE {table}", f"EXPLAIN SELECT 1 FROM {table} LIMIT 0", "SHOW TABLES",
        "SELECT GROUP_CONCAT(s) FROM t", "SELECT 1/3", "VALUES (1),(2)",
        f"SELECT 1 INTO @{r.choice('xy')}", f"SELECT @{r.choice('xy')}:={r.choice(NUMBERS)}"))


def write(r):
    n = r.choice(NUMBERS)
    return r.choice((
        f"INSERT INTO t(a) VALUES ({n})", f"INSERT INTO t(a) VALUES ({n}),({n}+1)",
        f"INSERT INTO u VALUES ({n},1)", f"INSERT IGNORE INTO u VALUES ({n},1)",
        f"INSERT INTO u VALUES ({n},1) ON DUPLICATE KEY UPDATE b=b+1, id=LAST_INSERT_ID(id)",
        f"INSERT INTO t(a) VALUES ({n}) RETURNING id, a", f"REPLACE INTO u VALUES ({n},2)",
        f"UPDATE t SET a={n} WHERE id<3", f"UPDATE t SET a=LAST_INSERT_ID({n}+60) LIMIT 1",
        f"DELETE FROM u WHERE id={n}", "INSERT INTO t(a) SELECT b FROM u",
        "INSERT INTO tmp VALUES (1)", "INSERT INTO base VALUES (1)",
        f"INSERT INTO u VALUES ({n}+50, LAST_INSERT_ID())",
        "INSERT INTO t(a,s) VALUES (FOUND_ROWS(), ROW_COUNT())"))


def counts(r):
    return r.choice(("SELECT FOUND_ROWS()", "SELECT ROW_COUNT()", "SELECT LAST_INSERT_ID()",
                     "SELECT LAST_INSERT_ID()+0", "SELECT @@last_insert_id", "SELECT @@identity+0",
                     "SELECT FOUND_ROWS(), ROW_COUNT(), LAST_INSERT_ID()", "SHOW WARNINGS", "SHOW ERRORS",
                     "SHOW COUNT(*) WARNINGS", "SELECT @@warning_count, @@error_count",
                     "SELECT @x, @y", "SELECT @x:=FOUND_ROWS()",
                     "GET DIAGNOSTICS CONDITION 1 @x=MESSAGE_TEXT", "EXECUTE IMMEDIATE 'SHOW WARNINGS'"))


def transaction(r):
    return r.choice(("BEGIN", "START TRANSACTION READ ONLY", "COMMIT", "ROLLBACK", "COMMIT AND CHAIN",
                     "SET autocommit=0", "SET autocommit=1", "SAVEPOINT a", "ROLLBACK TO a",
                     "RELEASE SAVEPOINT a", "SET TRANSACTION READ ONLY",
                     "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "SELECT @@in_transaction",
                     "SET @@autocommit=1", "SELECT @@autocommit"))


def objects(r):
    return r.choice(("CREATE TEMPORARY TABLE tmp (id INT)", "DROP TABLE tmp", "DROP TABLE IF EXISTS tmp",
                     "DROP TEMPORARY TABLE IF EXISTS tmp, tmp2", "RENAME TABLE tmp TO tmp2",
                     "ALTER TABLE tmp RENAME TO tmp2", "CREATE TABLE base (id INT)", "DROP TABLE base",
                     "CREATE TEMPORARY TABLE base LIKE u", "SELECT * FROM tmp2", "TRUNCATE u",
                     "SELECT GET_LOCK('$db.a',0)", "SELECT RELEASE_LOCK('$db.a')", "DO GET_LOCK('$db.b',0)",
                     "SELECT GET_LOCK('$db.b',0)", "SELECT RELEASE_ALL_LOCKS()", "SELECT IS_FREE_LOCK('$db.a')",
                     "PREPARE p FROM 'SELECT ?'", "EXECUTE p USING 5", "DEALLOCATE PREPARE p",
                     "HANDLER t OPEN", "HANDLER t READ FIRST", "HANDLER t CLOSE",
                     "USE $db", "USE information_schema", "SELECT DATABASE()", "USE nowhere"))


def wrapped(r):
    inner = r.choice((select, write, set_variables))(r)
    text = inner.replace("\\", "\\\\").replace("'", "\\'")
    # What SET STATEMENT sets back a node tells with a later OK, and Galeway does not.
    statement = "SET STATEMENT" if not wire.TRACK_EVERYWHERE else "/* SET STATEMENT */ SET"
    return r.choice((f"{statement} {session_name(r)} FOR {inner}",
                     f"{statement} max_statement_time=9 FOR {inner}", f"/*!50000 {inner} */",
                     f"{inner} -- done", f"SELECT 1; {inner}", f"{inner}; SELECT 2", f"/* c */ {inner};",
                     f"EXECUTE IMMEDIATE '{text}'", f"BEGIN NOT ATOMIC {inner}; END"))


def command(r):
    return r.choice((("ping",), ("reset_connection",), ("init_db", "$db"), ("set_option", 0),
                     ("set_option", 1), ("change_user", "tenant", "tenant", "$db"),
                     ("prepared", r.choice((select, write, counts, set_variables))(r))))


KINDS = ((set_variables, 5), (set_names, 1), (read_variables, 4), (select, 6), (write, 6), (counts, 6),
         (transaction, 4), (objects, 6), (wrapped, 4), (command, 2))


def steps_of(r):
    """[step]: those of main, and of b, each whole: a part of a prepared one cannot be left out."""
    steps = []
    for _ in range(STEPS):
        kind = r.choices([k for k, _ in KINDS], [w for _, w in KINDS])[0]
        steps.append((r.random() < 0.4, kind(r)))
    return steps


# The sessions may wait for each other's locks.
IMPATIENT = "SET innodb_lock_wait_timeout=1, lock_wait_timeout=1"


def sequence_of(steps):
    # A node's FOUND_ROWS() begins with what the thread had that served another client before (10.11).
    flat = [IMPATIENT, "SELECT 1", ("on", "b", IMPATIENT), ("on", "b", "SELECT 1")]
    for number, (is_b, step) in enumerate(steps):
        parts = [step]
        if isinstance(step, tuple) and step[0] == "prepared":
            parts = [("prepare", f"s{number}", step[1]), ("execute_if", f"s{number}")]
        elif isinstance(step, tuple) and step[0] in ("reset_connection", "change_user"):
            parts = [step, IMPATIENT]
        flat += [("on", "b", part) if is_b else part for part in parts]
    return seq("random", *flat, caps=wire.MULTI_STATEMENTS)


class RandomPlayer(Player):
    """Executes only what could be prepared; both targets agree on that, or differ in that step."""

    def _step(self, name, step, label, masks):
        if step[0] == "execute_if":
            if step[1] not in self._connection(name).statements:
                return None
            step = ("execute", step[1])
        super()._step(name, step, label, masks)
        self.records[-1].packets = [_without_time(_without_state(p)) for p in self.records[-1].packets]
        return None


def _without_state(packet):
    """The bit SESSION_STATE_CHANGED of an EOF: sequences.STATE_BIT says why it differs."""
    payload = packet.payload
    if len(payload) == 5 and payload[0] == 0xFE:
        payload = payload[:4] + bytes([payload[4] & 0xBF])
    return Packet(packet.seq, payload)


def _without_time(packet):
    """What SET timestamp=DEFAULT reports to a client with SESSION_TRACK."""
    return Packet(packet.seq, re.sub(rb"(\ttimestamp\x11)[0-9.]{17}", rb"\1<masked>", packet.payload))


def shortest(fault_of, steps):
    """Leave out what is not needed for the difference."""
    tries, at = 0, 0
    while at < len(steps) and tries < SHRINKS:
        fewer = steps[:at] + steps[at + 1:]
        tries += 1
        if fault_of(fewer) is not None:
            steps = fewer
        else:
            at += 1
    return steps


@pytest.fixture(scope="module")
def narrow(cluster, tmp_path_factory):
    need_proxy()
    proxy = two_connections(cluster, tmp_path_factory.mktemp("random")).start()
    try:
        yield proxy
    finally:
        proxy.stop()


def text_of(steps):
    return "\n".join(f"  {'b' if is_b else 'main'}: {step}" for is_b, step in steps)


def test_random_sequences(cluster, narrow):
    seed = int(os.environ.get("RANDOM_SEED", "7"))
    print(f"RANDOM_SEED={seed}")

    def fault_of(steps):
        return compare(cluster, narrow, f"cmp_{worker_name()}", sequence_of(steps), RandomPlayer)

    r = random.Random(seed)
    for played in range(SEQUENCES):
        steps = steps_of(r)
        fault = fault_of(steps)
        if fault is None:
            continue
        if fault_of(steps) is None:  # a lock waited for, a second that passed: shown, for who sees it often
            warnings.warn(f"RANDOM_SEED={seed}, sequence {played} did not repeat:\n{text_of(steps)}\n{fault}")
            continue
        steps = shortest(fault_of, steps)
        pytest.fail(f"RANDOM_SEED={seed}, sequence {played}, as short as could be:\n{text_of(steps)}\n"
                    f"{fault_of(steps)}")
