# SPDX-License-Identifier: Apache-2.0
"""What is measured: a node directly, HAProxy in TCP mode, Galeway; each proxy a process."""

import ctypes
import os
import signal
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(TOP, "build", "bench")
GALEWAY = os.path.join(TOP, os.environ.get("GALEWAY_BIN", "build/galeway"))
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_KB = os.sysconf("SC_PAGESIZE") / 1024
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """Something that makes a measurement worthless."""


def die_with_parent():
    """In a child: end when the benchmark ends, however that happens, and not by a Ctrl-C before."""
    os.setpgid(0, 0)
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def read(path):
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def tail(log):
    with open(log, encoding="utf-8", errors="replace") as file:
        return f"the end of {os.path.relpath(log, TOP)}:\n" + "".join(file.readlines()[-15:])


def wait_for_port(port, process, log):
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise BenchError(f"nothing listens on port {port}; {tail(log)}")


class Node:
    """The database server: our own with its data in a folder of OUT, or one that runs already."""

    def __init__(self, port, own, folder="node"):
        self.port = port
        self.own = own
        self.dir = os.path.join(OUT, folder)
        self.script = os.path.join(HERE, "node.sh")

    def start(self, sites):
        if self.own:
            self.stop()
            subprocess.run([self.script, "start", self.dir, str(self.port)], check=True)
        subprocess.run([os.path.join(HERE, "setup.sh"), str(self.port), str(sites)], check=True)

    def stop(self):
        if self.own and os.path.isdir(self.dir):
            subprocess.run([self.script, "stop", self.dir], check=False)

    def sql(self, statement):
        command = ["mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1",
                   f"--port={self.port}", "--user=galeway", "--password=galeway", "-BNe",
                   statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def connections(self):
        """Connections of the load's users, so neither a monitor's nor our own."""
        return int(self.sql("SELECT COUNT(*) FROM information_schema.processlist"
                            " WHERE user LIKE 'site%' OR user = 'bench'"))


class Direct:
    """The node itself."""

    name = "direct"

    def __init__(self, node, ports):
        del ports
        self.port = node.port

    def start(self, **settings):
        pass

    def stop(self):
        pass

    def kill(self):
        pass

    def cpu_seconds(self):
        return None

    def rss_kb(self):
        return None

    def cache_counts(self):
        return None

    def site_kb(self):
        return None

    def peak_kb(self):
        return None

    def reset_peak(self):
        pass


class Proxy:
    """A proxy in front of the node; a fresh process for each load."""

    name = ""
    good_ends = (0,)  # exit statuses after SIGTERM

    def __init__(self, node, ports):
        self.node = node
        self.ports = ports
        self.port = 0
        self.process = None
        self.log = os.path.join(OUT, f"{self.name}.log")

    def command(self, **settings):
        raise NotImplementedError

    def start(self, **settings):
        command = self.command(**settings)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=die_with_parent)
        wait_for_port(self.port, self.process, self.log)

    def kill(self):
        """For an end in disorder: no questions asked."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        """An end in order; a BenchError if it was none."""
        process, self.process = self.process, None
        died = process.poll() is not None
        process.terminate()
        try:
            process.wait(10)  # all clients have left, so there is nothing to wait for
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if died or process.returncode not in self.good_ends:
            when = "under the load" if died else "at its end"
            raise BenchError(f"{self.name} ended with status {process.returncode} {when}; "
                             f"{tail(self.log)}")

    def cpu_seconds(self):
        fields = read(f"/proc/{self.process.pid}/stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_kb(self):
        # smaps_rollup is exact; the counters in status may lag by some pages for each core.
        for line in read(f"/proc/{self.process.pid}/smaps_rollup").splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1])
        raise BenchError("no Rss in smaps_rollup")

    def status_rss_kb(self):
        return int(read(f"/proc/{self.process.pid}/statm").split()[1]) * PAGE_KB

    def peak_kb(self):
        for line in read(f"/proc/{self.process.pid}/status").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        raise BenchError("no VmHWM in status")

    def reset_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def cache_counts(self):
        """(hits, looked for) of a query cache, or None if there is none."""
        return None

    def site_kb(self):
        """Memory that is kept of sites and of the statements seen, however many clients there are."""
        return 0


class Haproxy(Proxy):
    """The cost of a proxy that understands nothing."""

    name = "haproxy"
    good_ends = (0, 143, -signal.SIGTERM)

    def command(self, **settings):
        del settings
        self.port = self.ports
        config = os.path.join(OUT, "haproxy.cfg")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"""global
    nbthread 2
    maxconn 9000
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    maxconn 9000
listen bench
    bind 127.0.0.1:{self.port}
    server node 127.0.0.1:{self.node.port}
""")
        return ["haproxy", "-db", "-f", config]


class Galeway(Proxy):
    """What this repository builds."""

    name = "galeway"

    def command(self, **settings):
        self.port = self.ports + 3
        config = os.path.join(OUT, "galeway.cnf")
        users = ['{ username = "bench"; password = "bench"; default_hostgroup = 10; }']
        for i in range(1, settings.get("sites", 500) + 1):
            users.append(f'{{ username = "site_{i}"; password = "secret_{i}"; '
                         "default_hostgroup = 10; }")
        rules = [f'{{ rule_id = {i + 1}; active = 1; match_digest = "^SELECT .* FROM t_{i} ";'
                 " destination_hostgroup = 10; apply = 1; }"
                 for i in range(settings.get("digest_rules", 0))]
        rules += [f'{{ rule_id = {i + 1}; active = 1; match_pattern = "FROM t_{i} WHERE .*= *[0-9]+";'
                  " destination_hostgroup = 10; apply = 1; }"
                  for i in range(settings.get("text_rules", 0))]
        variables = "\n    ".join(f"{name} = {value};"
                                  for name, value in settings.get("variables", {}).items())
        with open(config, "w", encoding="ascii") as file:
            file.write(f"""datadir = "{OUT}";
admin_variables = {{ admin_credentials = "admin:admin";
    mysql_ifaces = "127.0.0.1:{self.ports + 2}"; }};
mysql_variables = {{
    threads = 0;
    interfaces = "127.0.0.1:{self.port}";
    max_connections = 10000;
    monitor_username = "galeway";
    monitor_password = "galeway";
    {variables}
}};
{self.servers(settings.get("server_connections", 150))}
mysql_users = (
    {", ".join(users)}
);
mysql_query_rules = (
    {", ".join(rules)}
);
""")
        return [GALEWAY, "-c", config]

    def start(self, **settings):
        super().start(**settings)
        wait_for_port(self.ports + 2, self.process, self.log)  # the console comes a moment later

    def servers(self, connections):
        """The part of the configuration that names the nodes."""
        return f"""mysql_servers = (
    {{ address = "127.0.0.1"; port = {self.node.port}; hostgroup = 10;
      max_connections = {connections}; }}
);"""

    def console(self, statement):
        """Rows of the admin console, tab-separated lines."""
        command = ["mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1",
                   f"--port={self.ports + 2}", "--user=admin", "--password=admin", "-BNe", statement]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"the console answers {statement}: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def cache_counts(self):
        counts = self.statistics()
        return (counts.get("Query_Cache_count_GET_OK", 0), counts.get("Query_Cache_count_GET", 0))

    def site_kb(self):
        kept = self.numbers_of("stats_memory_metrics")
        kinds = ("statistics", "learnt_answers", "profiles", "pool")
        return sum(kept[f"{kind}_bytes"] for kind in kinds) / 1024

    def statistics(self):
        """stats_mysql_global: {name: number}."""
        return self.numbers_of("stats_mysql_global")

    def numbers_of(self, table):
        rows = (line.split("\t") for line in
                self.console(f"SELECT Variable_Name, Variable_Value FROM stats.{table}"))
        return {name: int(value) for name, value in rows if value.isdigit()}


def available(node, port_base, names):
    """The targets to measure, in this order; says which are left out and why."""
    targets = []
    for kind in (Direct, Haproxy, Galeway):
        if names and kind.name not in names:
            continue
        if kind is Galeway and not os.access(GALEWAY, os.X_OK):
            print(f"note: {os.path.relpath(GALEWAY, TOP)} is missing, so its column stays empty")
            continue
        targets.append(kind(node, port_base))
    return targets
