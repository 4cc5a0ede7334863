# SPDX-License-Identifier: Apache-2.0
"""Three nodes for the loads that need more than one, and Galeway in front of them."""

import os
import subprocess

from targets import HERE, OUT, TOP, BenchError, Galeway, Node


class Cluster(Node):
    """Three nodes; .port is that of the first one, which is the writer."""

    def __init__(self, port):
        super().__init__(port, True, "cluster")
        self.script = os.path.join(TOP, "tests", "setup", "cluster.sh")

    def _run(self, command):
        os.makedirs(OUT, exist_ok=True)
        with open(os.path.join(OUT, "cluster.log"), "ab") as log:
            done = subprocess.run([self.script, command, self.dir], stdout=log, stderr=log,
                                  stdin=subprocess.DEVNULL, check=False,
                                  env={**os.environ, "BASE_PORT": str(self.port)})
        if done.returncode != 0:
            raise BenchError(f"cluster.sh {command} failed; see build/bench/cluster.log")

    def start(self, sites):
        self._run("start")
        subprocess.run([os.path.join(HERE, "setup.sh"), str(self.port), str(sites)], check=True)
        # What was asked of each node with a causal read has been applied there.
        for n in (1, 2):
            self._on(n, "SET SESSION wsrep_sync_wait = 1; SELECT COUNT(*) FROM bench.made")

    def stop(self):
        if os.path.isdir(self.dir):
            self._run("stop")

    def _on(self, n, statement):
        other = Node(self.port + n, False)
        return other.sql(statement)


class ClusterGaleway(Galeway):
    """One writer, two readers; the writer reads only if nobody else can."""

    def servers(self, connections):
        servers = ",\n".join(
            f'    {{ address = "127.0.0.1"; port = {self.node.port + n}; hostgroup = 10; '
            f"max_connections = {connections}; weight = {1000 - 100 * n}; }}" for n in range(3))
        return f"""mysql_servers = (
{servers}
);
mysql_galera_hostgroups = (
    {{ writer_hostgroup = 10; backup_writer_hostgroup = 30; reader_hostgroup = 20;
      offline_hostgroup = 40; active = 1; max_writers = 1; writer_is_also_reader = 2;
      max_transactions_behind = 100; }}
);"""

    def queries(self):
        """Statements that each node got, in the order of the nodes."""
        rows = (line.split("\t") for line in self.console(
            "SELECT srv_port, SUM(Queries) FROM stats.stats_mysql_connection_pool"
            " GROUP BY srv_port ORDER BY srv_port"))
        return [int(float(n)) for _, n in rows]
