# SPDX-License-Identifier: Apache-2.0
"""Memory, descriptors and disk that are not to be had: the process stays, who is there is served,
and when there is some again all is as before."""
import contextlib
import mmap
import os
import resource
import signal
import struct
import time

import pymysql
import pytest

import util
import wire
from console import Console
from test_storm import cpu_seconds, nothing_is_left, blocks, serves
from util import Galeway, PATIENCE, wait_until

TENANT = {"user": "tenant", "password": "tenant"}
LIBRARY = util.ROOT / "build" / os.environ.get("MODE", "release") / "faults.so"
IS_SANITIZED = os.environ.get("MODE") in ("asan", "tsan")
FIELDS = ("fail_at", "n_allocs", "n_failed", "disk_full", "n_refused", "takes_fatal", "fail_all",
          "broken_port")


class Faults:
    """What tests/faults/faults.c does in the process."""

    def __init__(self, path):
        path.write_bytes(bytes(64))
        self.path = path
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 64)

    def __getattr__(self, name):
        return struct.unpack_from("<q", self.page, 8 * FIELDS.index(name))[0]

    def put(self, **values):
        for name, value in values.items():
            struct.pack_into("<q", self.page, 8 * FIELDS.index(name), value)


@pytest.fixture
def faulty(cluster, tmp_path):
    """Makes a proxy that has .faults; the shipped program, so no sanitizer."""
    if IS_SANITIZED:
        pytest.skip("a sanitizer has an allocator of its own")
    assert LIBRARY.exists(), f"there is no {LIBRARY}: make tools"
    made = []

    def make(**options):
        options.setdefault("variables", {}).setdefault("threads", 2)
        proxy = Galeway(cluster, tmp_path, **options)
        proxy.faults = Faults(tmp_path / "faults")
        proxy.prefix = ["env", f"LD_PRELOAD={LIBRARY}", f"FAULTS_FILE={proxy.faults.path}"]
        made.append(proxy.start())
        proxy.console = Console(proxy)
        return proxy

    yield make
    for proxy in made:
        proxy.faults.put(fail_at=0, disk_full=0, broken_port=0)
        proxy.stop()


# ---------------------------------------------------------------- memory

@contextlib.contextmanager
def whatever():
    """It may work, or be refused, or end: without memory all of that is right."""
    with contextlib.suppress(OSError, wire.Closed, wire.ServerError, AssertionError,
                             pymysql.Error):
        yield


def client_things(proxy, tls):
    with whatever():
        with wire.Client(port=proxy.port, timeout=5, tls=tls, **TENANT) as db:
            db.value("SELECT 1")
            db.rows("SET SESSION sql_mode='ANSI_QUOTES', @a=1")
            db.rows("BEGIN")
            db.rows("SELECT @a, GET_LOCK('faults', 0)")
            db.value("SELECT LENGTH(REPEAT('x', 200000))")
            db.rows("ROLLBACK")
            db.send(bytes([wire.COM_STMT_PREPARE]) + b"SELECT ?")
            db.read_packet()


def console_things(proxy):
    with whatever():
        db = pymysql.connect(host="127.0.0.1", port=proxy.admin_port, user="admin",
                             password="admin", read_timeout=10)
        with contextlib.closing(db), db.cursor() as cursor:
            for sql in ("SELECT * FROM stats_mysql_query_digest", "SHOW CLUSTER",
                        "SELECT * FROM stats_pins", "UPDATE mysql_users SET comment='x'",
                        "SAVE MYSQL USERS TO DISK", "PROXYSQL RELOAD TLS",
                        "EXPLAIN ROUTE FOR 'tenant' 'SELECT a FROM b'",
                        "SELECT * FROM stats_memory_metrics", "LOAD MYSQL USERS TO RUNTIME"):
                with whatever():
                    cursor.execute(sql)
                    cursor.fetchall()


@pytest.mark.parametrize("things", ["clients", "tls", "console"])
def test_each_allocation_fails_once(faulty, things):
    """Of what is done once is counted how often memory is asked for; then it is done again and
    again, and another one of these fails each time."""
    proxy = faulty()
    faults = proxy.faults
    tls = wire.unchecked() if things == "tls" else None

    def run():
        if things == "console":
            console_things(proxy)
        else:
            client_things(proxy, tls)

    run()
    serves(proxy)
    before = blocks(proxy)
    begun = faults.n_allocs
    run()
    total = faults.n_allocs - begun
    assert total > 10
    tries = 0
    deadline = time.monotonic() + 20 * PATIENCE
    for n in sorted({1 + i * total // 120 for i in range(120)}):
        faults.put(fail_at=n)
        run()
        faults.put(fail_at=0)
        proxy.check_alive()
        Console(proxy).db.close()  # it may have closed its port for a moment
        tries += 1
        if time.monotonic() > deadline:
            break
    assert tries > 10 and faults.n_failed > tries / 2
    assert serves(proxy) < 5 * PATIENCE
    if things != "console":
        nothing_is_left(proxy, before)


def test_no_memory_at_all_for_a_while(faulty):
    """Who comes meanwhile is turned away or finds the port closed; then all is well again."""
    proxy = faulty()
    faults = proxy.faults
    serves(proxy)
    before = blocks(proxy)
    faults.put(fail_all=1, fail_at=1)
    for _ in range(20):
        with whatever():
            wire.Client(port=proxy.port, timeout=0.2, **TENANT).abort()
    faults.put(fail_at=0, fail_all=0)
    assert faults.n_failed > 0
    proxy.check_alive()

    def served():
        with whatever():
            serves(proxy, 1)
            return True
        return False

    wait_until(served, 20, "clients to be served again")
    with whatever():
        proxy.console.rows("SELECT 1")
    proxy.console = Console(proxy)  # it was closed, perhaps
    nothing_is_left(proxy, before)


def test_memory_of_ours_is_out(faulty):
    """What the process has by its configuration cannot be gone without: it says so, and ends."""
    proxy = faulty()
    proxy.faults.put(takes_fatal=1, fail_all=1, fail_at=1)
    with whatever():
        proxy.console.run("LOAD MYSQL SERVERS TO RUNTIME")
    with whatever():
        serves(proxy)
    try:
        assert proxy.process.wait(10 * PATIENCE) == -signal.SIGABRT
        assert "error out of memory: " in proxy.log_path.read_text()
    finally:
        proxy.kill()


# ---------------------------------------------------------------- descriptors

@contextlib.contextmanager
def no_descriptors(proxy):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(map(int, os.listdir(f"/proc/{proxy.process.pid}/fd"))) + 1
    holes = used - proxy.descriptors()
    limit = used - holes if holes else used
    resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (hard, hard))


def console_says(proxy, sql):
    """The error of a statement, or None."""
    try:
        proxy.console.run(sql)
    except pymysql.Error as error:
        return error.args
    return None


def test_what_needs_a_descriptor_says_so(galeway, tmp_path):
    """The log, the configuration file, galeway.db, certificates, more server connections."""
    proxy = galeway(variables={"log_file": str(tmp_path / "own.log"), "min_idle_per_node": 1,
                               "connect_timeout_server_max": 1500, "auditlog_filename": "audit",
                               "threads": 1})
    proxy.console = Console(proxy)
    own_log = tmp_path / "own.log"
    saved = tmp_path / "saved.cnf"
    serves(proxy)
    with wire.Client(port=proxy.port, **TENANT) as db, no_descriptors(proxy):
        assert db.value("SELECT 1") == "1"
        proxy.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: "the log cannot be opened again" in own_log.read_text(), 10, "the line")
        assert console_says(proxy, f"SAVE CONFIG TO FILE '{saved}'") is not None
        assert console_says(proxy, "LOAD MYSQL USERS FROM CONFIG") is not None
        assert console_says(proxy, "PROXYSQL RELOAD TLS") is not None
        proxy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "the configuration stays as it was" in own_log.read_text(), 10,
                   "the reload to be refused")
        with contextlib.suppress(OSError, pymysql.Error):  # of the console: closed at once
            pymysql.connect(host="127.0.0.1", port=proxy.admin_port, user="admin",
                            password="admin", connect_timeout=1, read_timeout=1).close()
        used = cpu_seconds(proxy)
        assert db.value("SELECT SLEEP(1)") == "0"
        assert cpu_seconds(proxy) - used < 0.3 * PATIENCE  # nobody spins
        for n in range(20):
            assert db.value(f"SELECT {n}") == str(n)
        proxy.check_alive()
    proxy.console = Console(proxy)
    assert console_says(proxy, f"SAVE CONFIG TO FILE '{saved}'") is None
    assert console_says(proxy, "PROXYSQL RELOAD TLS") is None
    assert console_says(proxy, "SAVE MYSQL USERS TO DISK") is None
    proxy.process.send_signal(signal.SIGUSR1)
    proxy.reload()
    wait_until(lambda: "configuration read again" in own_log.read_text(), 10, "the reload")
    assert serves(proxy) < 3 * PATIENCE
    assert "CHECK failed" not in own_log.read_text()


def test_a_server_connection_needs_a_descriptor(galeway):
    """A statement that would need another one waits, and is told; the monitor goes on."""
    proxy = galeway(variables={"threads": 1, "connect_timeout_server_max": 1000},
                    connections=20)
    proxy.console = Console(proxy)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(wire.Client(port=proxy.port, **TENANT)) for _ in range(12)]
        for db in clients:
            db.sock.settimeout(30)
        with no_descriptors(proxy):
            answers = []
            for db in clients:
                try:
                    db.rows("BEGIN")
                    db.rows("SELECT 1")
                    answers.append("served")
                except wire.ServerError as error:
                    answers.append(error.errno)
            assert "served" in answers or set(answers) == {9001} or len(set(answers)) <= 2, answers
            states = {row["health"] for row in proxy.console.rows(
                "SELECT health FROM stats_galera_nodes")}
            assert states == {"up"}, states
            proxy.check_alive()
        for db in clients:
            with contextlib.suppress(wire.ServerError):
                db.rows("ROLLBACK")
            assert db.value("SELECT 7") == "7"


# ---------------------------------------------------------------- the disk

def test_disk_is_full(faulty, tmp_path):
    """Logs lose lines, which are counted; galeway.db and files say no; then they go on, whole."""
    own_log = tmp_path / "own.log"
    proxy = faulty(variables={"log_file": str(own_log), "auditlog_filename": "audit",
                              "eventslog_filename": "events", "eventslog_default_log": 1})
    serves(proxy)
    wait_until(lambda: (tmp_path / "events.00000001").exists(), 10, "a log of statements")
    size = own_log.stat().st_size
    proxy.faults.put(disk_full=1)
    for _ in range(5):
        assert serves(proxy) < 3 * PATIENCE
        wait_until(lambda: proxy.faults.n_refused > 0, 10, "a refused write")
        proxy.faults.put(n_refused=0)
    assert console_says(proxy, "SAVE MYSQL USERS TO DISK") is not None
    assert console_says(proxy, f"SAVE CONFIG TO FILE '{tmp_path}/saved.cnf'") is not None
    assert not (tmp_path / "saved.cnf").exists()
    wait_until(lambda: proxy.console.status("Eventslog_lost") > 0, 10, "lost lines")
    assert proxy.console.status("Auditlog_lost") > 0
    assert own_log.stat().st_size == size
    proxy.faults.put(disk_full=0)
    assert console_says(proxy, "SAVE MYSQL USERS TO DISK") is None
    assert console_says(proxy, f"SAVE CONFIG TO FILE '{tmp_path}/saved.cnf'") is None
    events = sorted(path.name for path in tmp_path.glob("events.*"))
    assert events == ["events.00000001"], events  # not one for each attempt
    before = (tmp_path / events[0]).stat().st_size
    serves(proxy)
    wait_until(lambda: (tmp_path / events[0]).stat().st_size > before, 10, "lines again")
    for line in (tmp_path / events[0]).read_text().splitlines():
        assert line.startswith("{") and line.endswith("}"), line


# ---------------------------------------------------------------- a node that cannot be written to

def frame(payload, seq=0):
    return struct.pack("<I", len(payload))[:3] + bytes([seq]) + payload


COMMANDS = {
    "query": lambda s: b"\x03SELECT 3 FROM seq_1_to_1", "write": lambda s: b"\x03INSERT INTO t VALUES (1)",
    "commit": lambda s: b"\x03COMMIT", "use": lambda s: b"\x02mysql", "fields": lambda s: b"\x04t\0",
    "prepare": lambda s: b"\x16SELECT 2 FROM t", "reset": lambda s: b"\x1a" + s,
    "execute": lambda s: wire.execute_packet(int.from_bytes(s, "little"), ["1"]),
    "fetch": lambda s: b"\x1c" + s + b"\1\0\0\0", "reset connection": lambda s: b"\x1f",
    "quit": lambda s: b"\x01", "close": lambda s: b"\x19" + s,
    "long data": lambda s: b"\x18" + s + b"\0\0yyy",
}
WITHOUT_ANSWER = ("close", "long data")


@pytest.fixture
def breaking(faulty, cluster, schema):
    """A proxy of one node; breaking.breaks(True): what is written to the node fails from now on."""
    cluster.sql(1, f"CREATE TABLE {schema}.t (k INT)")
    proxy = faulty(variables={"threads": 1, "monitor_enabled": False,
                              "connect_timeout_server_max": 1000},
                   servers=[{"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10}])
    proxy.breaks = lambda on: proxy.faults.put(broken_port=cluster.port(1) if on else 0)
    return proxy


@pytest.mark.parametrize("pin", ["SELECT 1", "BEGIN", "SET @a=1", "SELECT GET_LOCK('{schema}', 1)",
                                 "INSERT INTO t VALUES (2)"])
def test_commands_to_a_node_that_cannot_be_written_to(breaking, schema, pin):
    """Each is answered or ends the connection; so does a ping behind those that have no answer."""
    for name, make in COMMANDS.items():
        with wire.Client(port=breaking.port, db=schema, timeout=5, **TENANT) as client:
            client.query(pin.format(schema=schema))
            client.send(b"\x16SELECT ? FROM seq_1_to_3")
            statement = client.read_prepare()[0].payload[1:5]
            client.send(wire.execute_packet(int.from_bytes(statement, "little"), ["1"], cursor=1))
            client.read_query(cursor=True)
            breaking.breaks(True)
            try:
                client.sock.sendall(frame(make(statement)) + (frame(b"\x0e") if name in WITHOUT_ANSWER else b""))
                client.seq = 1
                with contextlib.suppress(wire.Closed, ConnectionError):
                    client.read_packet()
            finally:
                breaking.breaks(False)
        with wire.Client(port=breaking.port, db=schema, timeout=5, **TENANT) as other:
            assert other.value("SELECT 1 FROM seq_1_to_1") == "1"


@pytest.mark.parametrize("left", [10, 3000, 200000])
@pytest.mark.parametrize("pin", ["SELECT 1", "BEGIN"])
def test_the_end_of_a_long_statement_cannot_be_written(breaking, schema, pin, left):
    sent = breaking.console.status("Queries_backends_bytes_sent")
    with wire.Client(port=breaking.port, db=schema, timeout=5, **TENANT) as client:
        client.query(pin)
        statement = frame(b"\x03SELECT LENGTH('" + b"x" * 2000000 + b"')")
        client.sock.sendall(statement[:-left])
        wait_until(lambda: breaking.console.status("Queries_backends_bytes_sent") - sent
                   >= len(statement) - left, what="the node to have all but the end")
        breaking.breaks(True)
        try:
            client.sock.sendall(statement[-left:])
            client.seq = 1
            assert wire.parse_error(client.read_packet().payload)[0] == 2013
        finally:
            breaking.breaks(False)
        assert client.value("SELECT 1 FROM seq_1_to_1") == "1"


@pytest.mark.parametrize("ahead", [b"\x0e", b"\x03SELECT 5 FROM seq_1_to_1", b"\x03INSERT INTO a VALUES (NULL)"])
def test_what_is_asked_behind_an_answer_cannot_be_written(breaking, cluster, schema, ahead):
    """LAST_INSERT_ID() is asked for when a session gives its connection back."""
    cluster.sql(1, f"CREATE TABLE {schema}.a (k INT AUTO_INCREMENT PRIMARY KEY)")
    for _ in range(3):
        with wire.Client(port=breaking.port, db=schema, timeout=5, **TENANT) as client:
            refused = breaking.faults.n_refused
            client.sock.sendall(frame(b"\x03INSERT INTO a SELECT NULL FROM (SELECT SLEEP(0.3)) s") + frame(ahead))
            wait_until(lambda: any(info and "SLEEP(0.3)" in info
                                   for _, _, info in cluster.threads(1, "tenant")), what="it to run")
            breaking.breaks(True)
            try:
                client.seq = 1
                assert client.read_packet().payload[0] == 0
                wait_until(lambda: breaking.faults.n_refused > refused, what="the question")
            finally:
                breaking.breaks(False)
            client.seq = 1
            with contextlib.suppress(wire.Closed, ConnectionError):
                client.read_query()
            with contextlib.suppress(wire.Closed, ConnectionError):
                client.query("SELECT 1 FROM seq_1_to_1")
        with wire.Client(port=breaking.port, db=schema, timeout=5, **TENANT) as other:
            assert other.value("SELECT 1 FROM seq_1_to_1") == "1"
