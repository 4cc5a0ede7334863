# SPDX-License-Identifier: Apache-2.0
"""sequences - what clients say, as plain data; test_compare.py plays it on two targets.

A topic is a module with a list SEQUENCES of seq(name, step, ...). A step is one of

    "SQL"                              COM_QUERY, answer recorded (bytes for any encoding)
    ("prepare", s, "SQL")              s: the client's name for the statement
    ("execute", s, [values], options)  options: cursor=1, bind=False (types not sent again)
    ("fetch", s, rows) ("long_data", s, parameter, bytes) ("stmt_reset", s) ("stmt_close", s)
    ("init_db", name) ("field_list", table, wildcard) ("ping",) ("statistics",)
    ("set_option", 0 | 1) ("reset_connection",) ("change_user", user, password, schema)
    ("raw", bytes)                     any packet; one packet is read back
    ("infile", "SQL", bytes)           LOCAL INFILE with that content
    ("send", step) ("receive",)        the two halves of a step, to do something in between
    ("until_running", "text")          wait until a node runs a statement with that text
    ("on", connection, step)           on another connection (opened when first named)
    ("connect", connection, options)   open it with options of its own
    ("quit",)                          close the connection
    ("masked", pattern, reason, step)  what the pattern matches is not compared, and why

In SQL and names, $db is the schema of the test, $id the thread id of the main connection and
$id(b) that of connection b.

The tables t and u exist in $db:
    t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(100)), rows (1,10,'one'),
      (2,20,'two'), (3,30,'three');   u (id INT PRIMARY KEY, b INT), rows (1,100), (2,200)

No difference of status flags between a node and the proxy is expected anywhere.
"""
import dataclasses
import importlib
import pkgutil

TABLES = (
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(100))",
    "INSERT INTO t (id, a, s) VALUES (1,10,'one'),(2,20,'two'),(3,30,'three')",
    "CREATE TABLE u (id INT PRIMARY KEY, b INT)",
    "INSERT INTO u VALUES (1,100),(2,200)",
)


@dataclasses.dataclass(frozen=True)
class Sequence:
    name: str
    steps: tuple
    setup: tuple = ()        # SQL as root before the client connects, after TABLES
    caps: int = 0            # capability bits besides wire.DEFAULT_CAPS
    db: object = "$db"       # the schema asked for at login; None: none
    user: str = "tenant"
    charset: int = 45
    tables: bool = True      # TABLES are wanted
    login_fails: bool = False


def seq(name, *steps, **options):
    return Sequence(name, steps, **options)


def on(connection, *steps):
    """Several steps on another connection."""
    return tuple(("on", connection, step) for step in steps)


# The bit SESSION_STATE_CHANGED of an EOF's status, in its high byte.
STATE_BIT = (rb"^(\xfe...)[\x00\x40]$",
             "10.11 sets the bit in EOF also for clients without SESSION_TRACK; the proxy clears it, "
             "as tracking is its own")


def all_topics():
    """{topic: [Sequence]} of every module of this package; names must be unique."""
    topics = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        topic = importlib.import_module(f"{__name__}.{module}").SEQUENCES
        names = [s.name for s in topic]
        twice = {n for n in names if names.count(n) > 1}
        assert not twice, f"{module}: names used twice: {twice}"
        topics[module] = topic
    return topics
