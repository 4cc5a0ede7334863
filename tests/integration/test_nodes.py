# SPDX-License-Identifier: Apache-2.0
"""A node is lost: reads go on. These tests break the nodes of a cluster of their own."""
import collections

import wire
from util import Background, wait_until

TENANT = {"user": "tenant", "password": "tenant"}
# It names a table, so that nobody but a node can answer.
WHERE = "SELECT @@wsrep_node_name, ENGINE FROM information_schema.ENGINES WHERE ENGINE = 'InnoDB'"


# A site keeps to one reader while that is not much busier than others: it takes several to see all.
SITES = [{"user": user, "password": user, "db": schema}
         for user in ("tenant", "tenant2", "site1", "site2", "galeway")
         for schema in (None, "information_schema")]


class Readers(Background):
    """Clients of several sites that keep reading."""

    def __init__(self, port):
        super().__init__(len(SITES))
        self.port = port
        self.seen = collections.Counter()

    def work(self, number):
        with wire.Client(port=self.port, **SITES[number]) as client:
            while self.goes_on():
                self.seen[client.rows(WHERE)[0][0]] += 1

    def progress(self, node=None, count=50, timeout=20):
        """Wait until so many more answers came, from that node or from any."""
        def total():
            return self.seen[node] if node else sum(self.seen.values())
        before = total()
        wait_until(lambda: self.faults or total() >= before + count, timeout,
                   f"{count} answers of {node or 'any node'}; so far {dict(self.seen)}")


def test_reads_are_spread(fragile_cluster, galeway):
    proxy = galeway(nodes=fragile_cluster)
    with Readers(proxy.port) as readers:
        readers.progress("node2")
        readers.progress("node3")
    assert not readers.faults, readers.faults
    assert not readers.seen["node1"], "the writer takes no reads while there are others"


def test_reader_node_killed(fragile_cluster, galeway):
    proxy = galeway(nodes=fragile_cluster)
    with Readers(proxy.port) as readers:
        readers.progress("node3")
        fragile_cluster.script("kill", "3")
        readers.progress("node2", 200)
        assert not readers.faults, readers.faults
        fragile_cluster.script("restart", "3")
        readers.progress("node3", timeout=60)
    assert not readers.faults, readers.faults


def test_reader_node_killed_new_clients(fragile_cluster, galeway):
    """Logins and first statements while a node is missing."""
    proxy = galeway(nodes=fragile_cluster)
    fragile_cluster.script("kill", "2")
    for _ in range(50):
        with wire.Client(port=proxy.port, **TENANT) as client:
            assert client.rows(WHERE)[0] == ["node3", "InnoDB"]


def test_start_without_a_node(fragile_cluster, galeway):
    """The proxy starts while a node is down, and uses it when it comes."""
    fragile_cluster.script("kill", "3")
    proxy = galeway(nodes=fragile_cluster)
    with wire.Client(port=proxy.port, **TENANT) as client:
        assert client.rows(WHERE)[0] == ["node2", "InnoDB"]
    fragile_cluster.script("restart", "3")
    with Readers(proxy.port) as readers:
        readers.progress("node3", timeout=60)
    assert not readers.faults, readers.faults


def test_both_readers_killed(fragile_cluster, galeway):
    """The last two nodes were lost without a goodbye, so the writer has no quorum: an error, no hang."""
    proxy = galeway(nodes=fragile_cluster)
    with wire.Client(port=proxy.port, timeout=60, **TENANT) as client:
        assert client.rows(WHERE)
        fragile_cluster.script("kill", "2")
        fragile_cluster.script("kill", "3")
        packet = client.query("SELECT COUNT(*) FROM wp_1.no_such_table")[0].payload
        assert packet[0] == 0xFF, "an answer of a node without quorum"
