# SPDX-License-Identifier: Apache-2.0
"""What is drilled: Galeway, or HAProxy with a health check of wsrep's state."""

import collections
import os
import subprocess
import sys

import pymysql

from nodes import HERE, USERS
from targets import GALEWAY, BenchError, die_with_parent, tail, wait_for_port

class Target:
    """A proxy as a process of its own; write_port and read_port may be one."""

    name = ""
    password = "drill"  # users are drill_1, ...
    n_users = USERS
    extra_users = ("wp_drill",)

    def __init__(self, cluster):
        self.cluster = cluster
        self.write_port = self.read_port = cluster.base_port + 5
        self.admin_port = cluster.base_port + 7
        self.processes = []
        self.log = os.path.join(cluster.out, f"{self.name}.log")

    def start(self):
        with open(self.log, "wb") as log:
            for command, port in self.commands():
                self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                                       stdout=log, stderr=log,
                                                       preexec_fn=die_with_parent))
                wait_for_port(port, self.processes[-1], self.log)

    def stop(self):
        """Returns what was wrong with its life, or None."""
        fault = None
        for process in self.processes:
            if process.poll() is not None:
                fault = f"{self.name} ended by itself with status {process.returncode}; "
                fault += tail(self.log)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                fault = fault or f"{self.name} had to be killed at its end"
        self.processes = []
        return fault

    def writer(self):
        """The node that a transaction runs on: it says so itself."""
        return self._ask(self.write_port, 1, "BEGIN", "SELECT @@port")

    def serves(self):
        try:
            return self.writer() > 0
        except (pymysql.Error, OSError):
            return False

    def readers(self):
        """How often each node answered a few reads of every user."""
        return collections.Counter(
            self._ask(self.read_port, 1 + i % USERS,
                      "SELECT @@port FROM drill.points WHERE id = 1") for i in range(3 * USERS))

    def _ask(self, port, number, *statements):
        connection = pymysql.connect(host="127.0.0.1", port=port, password=self.password,
                                     user=f"{self.password}_{number}", autocommit=None,
                                     connect_timeout=10, read_timeout=10)
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchone()[0] - self.cluster.base_port + 1

    def commands(self):
        """[(command, port that it listens on when it is ready)], in the order of their start."""
        raise NotImplementedError


class Galeway(Target):
    """What this repository builds."""

    name = "galeway"
    variables = {}  # more of mysql_variables

    def commands(self):
        if not os.access(GALEWAY, os.X_OK):
            raise BenchError(f"there is no {GALEWAY}: run make, or set GALEWAY_BIN")
        servers = ",\n".join(
            f'    {{ address = "{self.cluster.host(n)}"; port = {self.cluster.port(n)}; '
            f"hostgroup = 10; max_connections = 100; weight = {1100 - 100 * n}; }}"
            for n in (1, 2, 3))
        users = ",\n".join(f'    {{ username = "{user}"; password = "{password}"; '
                           "default_hostgroup = 10; }" for user, password in self._users())
        path = os.path.join(self.cluster.out, "galeway.cnf")
        data = os.path.join(self.cluster.out, "data")
        os.makedirs(data, exist_ok=True)
        for name in os.listdir(data):
            os.remove(os.path.join(data, name))  # a fresh process knows only its file
        more = "\n".join(f"    {name} = {value};" for name, value in self.variables.items())
        with open(path, "w", encoding="ascii") as file:
            file.write(f"""datadir = "{data}";
admin_variables = {{ admin_credentials = "admin:admin";
    mysql_ifaces = "127.0.0.1:{self.admin_port}"; }};
mysql_variables = {{
    threads = 2;
    interfaces = "127.0.0.1:{self.write_port}";
    max_connections = 2000;
    monitor_username = "monitor";
    monitor_password = "monitor";
{more}
}};
mysql_servers = (
{servers}
);
mysql_galera_hostgroups = (
    {{ writer_hostgroup = 10; backup_writer_hostgroup = 30; reader_hostgroup = 20;
      offline_hostgroup = 40; active = 1; max_writers = 1; writer_is_also_reader = 2;
      max_transactions_behind = 100; }}
);
mysql_users = (
{users}
);
""")
        return [([GALEWAY, "-c", path], self.write_port)]

    def _users(self):
        numbered = [f"{self.password}_{i}" for i in range(1, self.n_users + 1)]
        return [(user, self.password) for user in (*numbered, *self.extra_users)]

    def console(self, command):
        """(output, None) or (None, what the console answered instead)."""
        done = subprocess.run(
            ["mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1",
             f"--port={self.admin_port}", "--user=admin", "--password=admin", "-BNe", command],
            capture_output=True, text=True, timeout=60, check=False)
        return (done.stdout, None) if done.returncode == 0 else (
            None, done.stderr.strip().splitlines()[-1])


class Haproxy(Target):
    """TCP mode: one writer with two backups, reads to all, and an HTTP check for each node."""

    name = "haproxy"

    def __init__(self, cluster):
        super().__init__(cluster)
        self.read_port = cluster.base_port + 6

    def check_port(self, n):
        return self.cluster.base_port + 34 + n

    def commands(self):
        def server(n, options=""):
            return (f"    server node{n} {self.cluster.host(n)}:{self.cluster.port(n)} "
                    f"check addr 127.0.0.1 port {self.check_port(n)} {options}")

        path = os.path.join(self.cluster.out, "haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"""global
    maxconn 4000
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    timeout check 800ms
    option httpchk GET /
    option redispatch
    retries 3
    default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
listen writes
    bind 127.0.0.1:{self.write_port}
{server(1)}
{server(2, "backup")}
{server(3, "backup")}
listen reads
    bind 127.0.0.1:{self.read_port}
    balance leastconn
{server(1)}
{server(2)}
{server(3)}
""")
        checks = [str(word) for n in (1, 2, 3)
                  for word in (self.check_port(n), self.cluster.host(n),
                               self.cluster.port(n))]
        # A check that fails at the start would send the first clients to a backup, for ever.
        return [(["/usr/bin/python3", os.path.join(HERE, "wsrep_check.py"), *checks],
                 self.check_port(3)),
                ([haproxy_binary(), "-db", "-f", path], self.write_port)]

    def console(self, command):
        del command
        return None, "haproxy has no such console"


def haproxy_binary():
    for folder in (*os.environ.get("PATH", "").split(":"), "/usr/sbin"):
        path = os.path.join(folder, "haproxy")
        if os.access(path, os.X_OK):
            return path
    sys.exit("haproxy is not installed")


TARGETS = {"galeway": Galeway, "haproxy": Haproxy}
