# SPDX-License-Identifier: Apache-2.0
"""util - the cluster, the proxy and small things that every integration test needs."""
import contextlib
import fcntl
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pymysql

import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "tests" / "clients"
CLUSTER_SH = ROOT / "tests" / "setup" / "cluster.sh"
BASE_PORT = int(os.environ.get("TEST_BASE_PORT", "3711"))
GALEWAY_BIN = pathlib.Path(os.environ.get("GALEWAY_BIN", ROOT / "build" / "galeway")).absolute()

# More variables for every proxy, as "query_cache_auto=true,query_cache_size_MB=8": what holds of
# the tests must hold then, too.
VARIABLES = {name: {"true": True, "false": False}.get(value, value) for name, value in
             (pair.split("=") for pair in os.environ.get("TEST_VARIABLES", "").split(",") if pair)}

# Connections to nodes are compressed, too.
NODE_COMPRESSION = {"compression": 1} if "TEST_NODE_COMPRESSION" in os.environ else {}

# A sanitizer makes everything slower by a factor; deadlines follow.
SLOWNESS = {"asan": 3, "tsan": 6}
PATIENCE = float(os.environ.get("TEST_PATIENCE", SLOWNESS.get(os.environ.get("MODE"), 1)))

NODES = (1, 2, 3)

# Accounts of the tests, password = name, and the schemas they may use.
TENANTS = {"tenant": r"cmp\_%", "tenant2": r"cmp\_%", "site1": r"site1\_%", "site2": r"site2\_%"}


def wait_until(condition, timeout=10, what="condition", every=0.02):
    """Poll condition() until it is true; its value is returned. No test sleeps for luck."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout * PATIENCE:g} s: {what}")
        time.sleep(every)


def run(command, timeout=120, check=True, **options):
    """Run a program; when it fails, the exception shows all that it printed."""
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout * PATIENCE, text=True,
                          errors="replace", **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n"
                             f"{done.stdout[-8000:]}")
    return done


class Background:
    """Threads that work while the block runs: a subclass has work(number), which goes on while self.goes_on().

    The block fails when one of them did, or does not end.
    """

    def __init__(self, count):
        self.stopping = threading.Event()
        self.faults = []
        self.threads = [threading.Thread(target=self._run, args=(number,), daemon=True)
                        for number in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, raised, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
        if raised is None:
            assert not self.faults, self.faults
            assert not any(thread.is_alive() for thread in self.threads), "it does not end"

    def goes_on(self):
        return not self.stopping.is_set()

    def work(self, number):
        raise NotImplementedError

    def _run(self, number):
        try:
            self.work(number)
        except Exception as fault:  # told to the main thread, which fails the test with it
            self.faults.append(repr(fault))


# ---------------------------------------------------------------- locks and ports

class FileLock:
    """An exclusive or shared lock between processes, freed by the kernel when one dies."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def acquire(self, shared=False):
        fcntl.flock(self.fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)

    def release(self):
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def held(self, shared=False):
        self.acquire(shared)
        try:
            yield
        finally:
            self.release()


_port_locks = []


def free_port():
    """A port that no other test process takes while this one lives (below the ephemeral range)."""
    base = 20000 + os.getpid() * 37 % 9000
    for port in list(range(base, 29900)) + list(range(20000, base)):
        fd = os.open(f"/tmp/galeway-test-port-{port}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(fd)
            continue
        _port_locks.append((fd, port))
        return port
    raise AssertionError("no free port between 20000 and 29900")


def drop_port_locks():
    while _port_locks:
        fd, port = _port_locks.pop()
        os.unlink(f"/tmp/galeway-test-port-{port}.lock")
        os.close(fd)


# ---------------------------------------------------------------- the cluster

class Cluster:
    """Three nodes, shared by all test processes of a run; the last one to leave stops them."""

    def __init__(self, name="test-cluster", base_port=BASE_PORT, config=()):
        self.folder = ROOT / "build" / name
        self.base_port = base_port
        self.config = "\n".join(config)  # more lines for the my.cnf of every node
        self.users = self.folder / "users"
        self.lock = FileLock(self.folder / "users.lock")
        self.use = FileLock(self.folder / "use.lock")
        self.facts = {}

    def script(self, *command):
        return run([CLUSTER_SH, *command, self.folder], timeout=300,
                   env={**os.environ, "BASE_PORT": str(self.base_port),
                        "NODE_CONFIG": self.config})

    def join(self):
        with self.lock.held():
            self.users.mkdir(parents=True, exist_ok=True)
            (self.users / str(os.getpid())).touch()
            self.script("start")
            self._read_facts()
            self._make_accounts()
            self._sweep()
        return self

    def _sweep(self):
        """Drop what test processes left that were killed; schemas carry the process's number."""
        for (name,) in self.sql(1, "SHOW DATABASES"):
            owner = re.match(r"(?:cmp|site1|site2)_(\d+)", name)
            if owner and not pathlib.Path("/proc", owner.group(1)).exists():
                self.sql(1, f"DROP DATABASE {name}")

    def leave(self):
        with self.lock.held():
            (self.users / str(os.getpid())).unlink()
            others = [f for f in self.users.iterdir() if self._alive(f)]
            if not others and "TEST_KEEP_CLUSTER" not in os.environ:
                self.script("stop")

    @staticmethod
    def _alive(entry):
        if pathlib.Path("/proc", entry.name).exists():
            return True
        entry.unlink()
        return False

    def _read_facts(self):
        lines = (self.folder / "cluster.env").read_text().splitlines()
        self.facts = dict(line.split("=", 1) for line in lines)

    def _make_accounts(self):
        """The tenants of the comparison and two sites: rights on their schemas, none elsewhere."""
        with self.connect(1) as db, db.cursor() as cursor:
            for name, schemas in TENANTS.items():
                cursor.execute(f"CREATE USER IF NOT EXISTS '{name}'@'%' IDENTIFIED VIA "
                               f"mysql_native_password USING PASSWORD('{name}')")
                cursor.execute(f"ALTER USER '{name}'@'%' IDENTIFIED VIA "
                               f"mysql_native_password USING PASSWORD('{name}')")
                cursor.execute(f"GRANT ALL PRIVILEGES ON `{schemas}`.* TO '{name}'@'%'")

    def heal(self):
        """After a test that broke nodes: three synced nodes again."""
        for n in NODES:
            with contextlib.suppress(AssertionError):
                self.script("thaw", str(n))
        self.script("start")
        wait_until(lambda: all(self.is_synced(n) for n in NODES), 60, "three synced nodes")

    def is_synced(self, n):
        try:
            with self.connect(n, connect_timeout=2, read_timeout=2) as db, db.cursor() as cursor:
                cursor.execute("SHOW STATUS LIKE 'wsrep_cluster_size'")
                return cursor.fetchone()[1] == "3"
        except pymysql.Error:
            return False

    def port(self, n):
        return int(self.facts[f"NODE{n}_PORT"])

    def unix(self, n):
        return self.facts[f"NODE{n}_SOCKET"]

    def log(self, n):
        return pathlib.Path(self.facts[f"NODE{n}_LOG"])

    def connect(self, n, user="root", **options):
        """PyMySQL on node n: root over the node's socket, others over TCP."""
        if user == "root":
            options["unix_socket"] = self.unix(n)
        else:
            options.setdefault("password", user)
            options.update(host="127.0.0.1", port=self.port(n))
        options.setdefault("autocommit", True)
        return pymysql.connect(user=user, **options)

    def sql(self, n, statement, args=None):
        """Run one statement as root on node n, in a connection of its own."""
        with self.connect(n) as db, db.cursor() as cursor:
            cursor.execute(statement, args)
            return cursor.fetchall()

    @contextlib.contextmanager
    def user_with(self, name, rights, schema):
        """A user of these rights in one schema, on every node: how to log in."""
        self.sql(1, f"CREATE OR REPLACE USER {name}@'%' IDENTIFIED BY '{name}'")
        try:
            self.sql(1, f"GRANT {rights} ON {schema}.* TO {name}@'%'")
            self.catch_up()
            yield {"user": name, "password": name}
        finally:
            self.sql(1, f"DROP USER {name}@'%'")

    def trust_creators(self):
        """Nodes with a binary log let only administrators make triggers, unless told so."""
        for n in (1, 2, 3):
            self.sql(n, "SET GLOBAL log_bin_trust_function_creators = 1")

    def catch_up(self):
        """Wait until every node has applied what any node had committed."""
        for n in NODES:
            with self.connect(n) as db, db.cursor() as cursor:
                cursor.execute("SET SESSION wsrep_sync_wait=15")
                cursor.execute("SELECT 1")
                cursor.execute("SHOW TABLES IN mysql LIKE 'none'")

    def make_schema(self, name):
        """A schema with t: two rows whose a is 0, on every node."""
        self.sql(1, f"CREATE OR REPLACE DATABASE {name}")
        self.sql(1, f"CREATE TABLE {name}.t (id INT PRIMARY KEY, a INT)")
        self.sql(1, f"INSERT INTO {name}.t VALUES (1, 0), (2, 0)")
        self.catch_up()
        return name

    def threads(self, n, user):
        """The connections of a user on node n: [(id, command, info)]; others' statements may be of any bytes."""
        rows = self.sql(n, "SELECT ID, COMMAND, CAST(INFO AS BINARY) FROM information_schema.PROCESSLIST "
                           "WHERE USER = %s", (user,))
        return [(i, command, info and info.decode(errors="replace")) for i, command, info in rows]


# ---------------------------------------------------------------- the configuration

def libconfig(value, indent=""):
    """Python data as libconfig: dict = group, list = list of groups, the rest scalars."""
    deeper = indent + "    "
    if isinstance(value, dict):
        body = "".join(f"{deeper}{k}={libconfig(v, deeper)}\n" for k, v in value.items())
        return "{\n" + body + indent + "}"
    if isinstance(value, (list, tuple)):
        return "(\n" + ",\n".join(deeper + libconfig(v, deeper) for v in value) + f"\n{indent})"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def account(username, password=None, **more):
    return {"username": username, "password": username if password is None else password,
            "default_hostgroup": 10, "active": 1, **more}


DEFAULT_ACCOUNTS = [account("galeway"), account("wp_1", "password"), *map(account, TENANTS)]

GALERA_ROW = {"writer_hostgroup": 10, "backup_writer_hostgroup": 30, "reader_hostgroup": 20,
              "offline_hostgroup": 40, "active": 1, "max_writers": 1,
              "writer_is_also_reader": 2, "max_transactions_behind": 100}


# ---------------------------------------------------------------- the proxy

BAD_WORDS = re.compile(r"Sanitizer|runtime error:|CHECK failed|CHECK\(|Segmentation fault|"
                       r"core dumped|stack smashing")


class Galeway:
    """One running proxy with its configuration, log and ports."""

    def __init__(self, cluster, folder, variables=None, users=None, servers=None, galera=None,
                 connections=50, **tables):
        self.folder = folder
        self.port = free_port()
        self.admin_port = free_port()
        # sun_path ends after 107 bytes, and pytest's folders are long.
        self.unix = f"/tmp/galeway-test-{self.port}.sock"
        self.log_path = folder / "galeway.log"
        self.config_path = folder / "galeway.cnf"
        self.data = {
            "datadir": str(folder),
            "mysql_variables": {
                "threads": 2,
                "worker_busy_percent": 0,  # both take clients: what passes between them is tested
                "interfaces": f"127.0.0.1:{self.port};{self.unix}",
                "max_connections": 6000,
                "monitor_username": "monitor",
                "monitor_password": "monitor",
                **VARIABLES,
                **(variables or {}),
            },
            "admin_variables": {"mysql_ifaces": f"127.0.0.1:{self.admin_port}"},
            "mysql_servers": servers or [
                {"address": "127.0.0.1", "port": cluster.port(n), "hostgroup": 10,
                 "max_connections": connections, "weight": 1100 - 100 * n, **NODE_COMPRESSION}
                for n in NODES],
            "mysql_galera_hostgroups": [{**GALERA_ROW, **(galera or {})}],
            "mysql_users": [dict(user) for user in users or DEFAULT_ACCOUNTS],
            **tables,
        }
        self.process = None
        self.program = GALEWAY_BIN
        self.prefix = []  # a program that starts it, as prlimit

    def write_config(self):
        text = "".join(f"{k}={libconfig(v)}\n" for k, v in self.data.items())
        fresh = self.config_path.with_suffix(".new")  # a reload never sees half a file
        fresh.write_text(text)
        fresh.rename(self.config_path)

    def start(self):
        assert self.program.exists(), f"there is no {self.program}; run make, or set GALEWAY_BIN"
        self.write_config()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.prefix, self.program, "-c", self.config_path],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(self.answers, 20, f"galeway to accept on port {self.port}")
        except AssertionError:
            self.kill()
            raise AssertionError("galeway did not start\n" + self.tail()) from None
        return self

    def answers(self):
        assert self.process.poll() is None, \
            f"galeway ended with {self.process.returncode}\n{self.tail()}"
        try:
            with wire.Client(port=self.port, login=False, timeout=5):
                return True
        except (OSError, wire.Closed, wire.ServerError):
            return False

    def reload(self):
        self.write_config()
        self.process.send_signal(signal.SIGHUP)

    def stop(self, timeout=20):
        """Let it drain; its exit code and its log must be clean."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"galeway did not drain in {timeout} s\n{self.tail()}") from None
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.unix)
        self.process = None
        self.check_log()
        assert code == 0, f"galeway ended with {code}\n{self.tail()}"

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def tail(self, lines=60):
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return f"--- {self.log_path}\n" + "\n".join(text.splitlines()[-lines:])

    def check_log(self):
        text = self.log_path.read_text(errors="replace")
        found = BAD_WORDS.search(text)
        assert not found, "galeway's log has a report:\n" + text[found.start() - 200:][:6000]

    def check_alive(self):
        assert self.process.poll() is None, \
            f"galeway died with {self.process.returncode}\n{self.tail()}"
        self.check_log()

    def rss_kb(self):
        return self.status_kb("VmRSS")

    def status_kb(self, name):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(name + r":\s+(\d+)", status).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Direct:
    """A node in the place of the proxy, for tests that run against both."""

    def __init__(self, cluster):
        self.port = cluster.port(1)
        self.unix = cluster.unix(1)

    def check_alive(self):
        pass

    def tail(self):
        return ""
