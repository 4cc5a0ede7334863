# SPDX-License-Identifier: Apache-2.0
"""The cluster that is broken: start, faults, repair, and what its tables say in the end."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pymysql

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "bench"))
from targets import TOP, BenchError, die_with_parent  # noqa: E402 (the path comes first)

OUT = os.path.join(TOP, "build", "drill")
SCRIPT = os.path.join(TOP, "tests", "setup", "cluster.sh")
USERS = 8
POINTS = 1000  # as load.h has it
VISITORS = 3000


def now_us():
    """The clock of the load client's records."""
    return time.monotonic_ns() // 1000


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise BenchError(f"waited {seconds} s in vain for {what}")


def user_sql(name, password, schemas):
    """Makes a user who may do anything in these schemas, and nothing elsewhere."""
    return [f"CREATE OR REPLACE USER {name}@'%' IDENTIFIED BY '{password}'",
            f"GRANT ALL PRIVILEGES ON {schemas}.* TO {name}@'%'"]


class Cluster:
    """Three nodes in build/drill/cluster, or in another folder's."""

    def __init__(self, base_port, out=OUT, name="cluster"):
        self.out = out
        self.dir = os.path.join(out, name)
        self.base_port = base_port

    def port(self, n):
        return self.base_port + n - 1

    def host(self, n):
        """An address of its own if drill.sh could make one."""
        net = os.environ.get("NODE_NET")
        return f"{net}{n}" if net else "127.0.0.1"

    def unplug(self, n, pulled=True):
        """From now on packets of clients to this node, and its own to them, vanish."""
        if "NODE_NET" not in os.environ:
            raise BenchError("no network namespace, no wire to cut")
        subprocess.run(["ip", "addr", "del" if pulled else "replace", f"{self.host(n)}/32", "dev",
                        "lo"], check=True)
        return now_us()

    def folder(self, n):
        return os.path.join(self.dir, f"node{n}")

    def script(self, *words, check=True, **environment):
        with open(os.path.join(self.out, "cluster.log"), "ab") as log:
            done = subprocess.run([SCRIPT, *[str(word) for word in words], self.dir], stdout=log,
                                  stderr=log, stdin=subprocess.DEVNULL, check=False,
                                  env={**os.environ, "BASE_PORT": str(self.base_port),
                                       **environment})
        if check and done.returncode != 0:
            raise BenchError(f"cluster.sh {' '.join(map(str, words))} failed; see "
                             f"{os.path.relpath(self.out, TOP)}/cluster.log")

    def in_background(self, *words, **environment):
        """The same while a drill goes on; .join() it."""
        thread = threading.Thread(target=self.script, args=words,
                                  kwargs={"check": False, **environment})
        thread.start()
        return thread

    def pid(self, n):
        try:
            with open(os.path.join(self.folder(n), "pid"), encoding="ascii") as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                return pid if os.path.join(self.folder(n), "my.cnf") in file.read() else None
        except (OSError, ValueError):
            return None

    def kill(self, n):
        """No script: the moment counts. Returns it."""
        os.killpg(self.pid(n), signal.SIGKILL)
        return now_us()

    def freeze(self, n):
        os.kill(self.pid(n), signal.SIGSTOP)
        return now_us()

    def thaw(self, n):
        os.kill(self.pid(n), signal.SIGCONT)
        return now_us()

    def connect(self, n, timeout=5):
        """By the socket: it is there when no wire is."""
        return pymysql.connect(unix_socket=os.path.join(self._sockets(), f"n{n}.sock"),
                               user="galeway", password="galeway", autocommit=None,
                               connect_timeout=timeout, read_timeout=timeout,
                               write_timeout=timeout)

    def _sockets(self):
        """Where cluster.sh put them: a long folder gets a short one."""
        try:
            with open(os.path.join(self.dir, "socket_dir"), encoding="utf-8") as file:
                return file.read().strip()
        except OSError:
            return self.dir

    def sql(self, n, *statements, timeout=5):
        """Rows of the last statement."""
        connection = self.connect(n, timeout)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    def status(self, n, name):
        """One status value as text; None if the node does not answer."""
        try:
            rows = self.sql(n, f"SHOW GLOBAL STATUS LIKE '{name}'", timeout=1)
        except (pymysql.Error, OSError):
            return None
        return rows[0][1] if rows else None

    def synced(self, n):
        return self.status(n, "wsrep_local_state") == "4"

    def heal(self):
        """Whatever a drill left: three nodes, all synced, no setting of a drill."""
        for n in (1, 2, 3):
            if "NODE_NET" in os.environ:
                self.unplug(n, False)
            if self.pid(n) is not None:
                self.thaw(n)
        if not any(self.pid(n) for n in (1, 2, 3)):
            self.script("start")
        # A component without quorum would let no other node in.
        self._mend_group()
        for n in (1, 2, 3):
            if self.pid(n) is None:
                self.script("restart", n)
        wait_until(lambda: all(self.synced(n) for n in (1, 2, 3)), 60, "three synced nodes")
        for n in (1, 2, 3):
            self.sql(n, "SET GLOBAL general_log = OFF")

    def _mend_group(self):
        for n in (1, 2, 3):
            if self.pid(n) is None:
                continue
            self.sql(n, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'",
                     "SET GLOBAL wsrep_reject_queries = NONE", timeout=10)
            if self.sql(n, "SELECT @@GLOBAL.wsrep_desync")[0][0]:
                self.sql(n, "SET GLOBAL wsrep_desync = OFF", timeout=10)
        alive = [n for n in (1, 2, 3) if self.pid(n) is not None]
        try:
            wait_until(lambda: any(self.status(n, "wsrep_cluster_status") == "Primary"
                                   for n in alive), 20, "a primary component")
        except BenchError:
            for n in alive:
                self.script("kill", n)
            self.script("start")

    def _end_leftovers(self):
        """Statements that were on their way to a node while it could not be reached run when it can be, unless the
        connection is gone: they must not meet the tables of another drill."""
        for n in (1, 2, 3):
            for row in self.sql(n, "SELECT id FROM information_schema.PROCESSLIST WHERE user LIKE 'drill\\_%'"):
                with contextlib.suppress(pymysql.Error):  # it has just ended
                    self.sql(n, f"KILL {row[0]}")
            wait_until(lambda n=n: not self.sql(
                n, "SELECT id FROM information_schema.PROCESSLIST WHERE user LIKE 'drill\\_%'"), 20,
                "the clients of the drill before to be gone")

    def catch_up(self, table):
        """Wait until each node has what the first one has: a causal read of a table waits for that."""
        for n in (2, 3):
            self.sql(n, "SET SESSION wsrep_sync_wait = 1", f"SELECT COUNT(*) FROM {table}",
                     timeout=30)

    def set_up(self):
        """Users and tables, empty."""
        self._end_leftovers()
        grants = []
        for i in range(1, USERS + 1):
            grants += user_sql(f"drill_{i}", "drill", "drill")
        self.sql(1, "CREATE OR REPLACE DATABASE drill", *grants, "USE drill",
                 "CREATE TABLE points (id INT PRIMARY KEY, v VARCHAR(20) NOT NULL)",
                 # No unique key on id: what runs twice must show.
                 "CREATE TABLE log (seq BIGINT AUTO_INCREMENT PRIMARY KEY, id BIGINT NOT NULL,"
                 " visitor INT NOT NULL, KEY (id))",
                 "CREATE TABLE pairs (seq BIGINT AUTO_INCREMENT PRIMARY KEY, id BIGINT NOT NULL,"
                 " half INT NOT NULL, KEY (id))",
                 "CREATE TABLE counters (visitor INT PRIMARY KEY, n BIGINT NOT NULL)",
                 f"INSERT INTO points SELECT seq, CONCAT('v', seq, ';') FROM seq_1_to_{POINTS}",
                 f"INSERT INTO counters SELECT seq, 0 FROM seq_0_to_{VISITORS}", timeout=30)
        self.catch_up("drill.counters")

    def tables(self, n):
        """What a node has of the clients' writes, after everything else was applied."""
        def read(statement):
            return self.sql(n, "SET SESSION wsrep_sync_wait = 7", statement, timeout=30)

        return {"log": dict(read("SELECT id, COUNT(*) FROM drill.log GROUP BY id")),
                "pairs": {row[0]: (int(row[1]), int(row[2])) for row in read(
                    "SELECT id, COUNT(*), SUM(half) FROM drill.pairs GROUP BY id")},
                "counters": dict(read("SELECT visitor, n FROM drill.counters"))}


class StatementWatch:
    """When statements of clients came to a node: its general log, read as it grows."""

    def __init__(self, cluster, n, switch_on=True):
        self.path = os.path.join(cluster.folder(n), "tmp", "general.log")
        if switch_on:
            if os.path.exists(self.path):
                os.remove(self.path)
            cluster.sql(n, f"SET GLOBAL general_log_file = '{self.path}'",
                        "SET GLOBAL general_log = ON")
        self.times = []
        self.stopping = False
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self):
        position = 0
        while not self.stopping:
            try:
                with open(self.path, "rb") as file:
                    file.seek(position)
                    text = file.read()
            except OSError:
                text = b""
            position += len(text)
            self.times += [now_us()] * sum(text.count(mark) for mark in
                                           (b"drill.points", b"drill.log", b"drill.pairs",
                                            b"drill.counters"))
            time.sleep(0.02)

    def stop(self):
        self.stopping = True
        self.thread.join()

    def after(self, moment_us, until_us=None):
        return [t for t in self.times if t > moment_us and (until_us is None or t < until_us)]


class Load:
    """A load client, the load of its folder in build, as a process with its record."""

    def __init__(self, out, record, host, port, *options):
        self.path = os.path.join(out, record)
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.path)  # the record of another run says nothing of this one
        self.process = subprocess.Popen(
            [os.path.join(out, "load"), "-a", host, "-p", str(port), "-o", self.path,
             *[str(option) for option in options]],
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def stop(self):
        self.process.terminate()

    def wait(self):
        if self.process.wait(60) != 0:
            raise BenchError(f"the load client failed; see {os.path.relpath(self.path)}")

    def kill(self):
        self.process.kill()
        self.process.wait()


class Visitors(Load):
    """The drills' load: so many visitors of each role."""

    def __init__(self, name, host, port, roles, first, think_ms):
        words = ",".join(f"{role}={n}" for role, n in roles.items())
        self.n_visitors = sum(roles.values())
        super().__init__(OUT, f"{name}.csv", host, port, "-r", words, "-n", first, "-t", think_ms,
                         "-u", USERS)

    def has_answers(self):
        """Was every visitor served at least once?"""
        served = set()
        with contextlib.suppress(FileNotFoundError), open(self.path, encoding="utf-8",
                                                          errors="replace") as file:
            for line in file:
                _, _, visitor, kind, _, _, outcome, *_ = line.split(",")
                if kind != "login" and outcome == "ok":
                    served.add(visitor)
        return len(served) == self.n_visitors
