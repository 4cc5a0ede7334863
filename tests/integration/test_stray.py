# SPDX-License-Identifier: Apache-2.0
"""A session that is bound to a reader: what it writes there, and what it reads there."""
import contextlib

import pytest

import wire
from causal import READ, TENANT, WINDOW, behind, read, read_at, two_nodes, write
from util import wait_until

PINS = f"{READ} /* stay */"


@pytest.fixture
def table(fragile_cluster):
    return fragile_cluster.make_schema("cmp_stray")


@pytest.fixture
def proxy(fragile_cluster, galeway):
    """Who runs PINS stays at the reader; what the nodes are is looked at once, at the start."""
    return galeway(nodes=fragile_cluster, servers=two_nodes(fragile_cluster),
                   variables={"causal_window_ms": WINDOW, "connect_timeout_server_max": 400,
                              "monitor_galera_healthcheck_interval": 600000},
                   mysql_query_rules=[{"rule_id": 1, "active": 1, "match_pattern": "stay",
                                       "multiplex": 0, "apply": 1}])


@contextlib.contextmanager
def bound(proxy, cluster, schema):
    """A session at the reader."""
    read_at(proxy, schema, cluster.port(2))
    with wire.Client(port=proxy.port, db=schema, **TENANT) as client:
        (_, port), = client.rows(PINS)
        assert int(port) == cluster.port(2)
        yield client


def value_at(cluster, n, schema):
    with contextlib.closing(cluster.connect(n, database=schema)) as direct, \
            direct.cursor() as cursor:
        cursor.execute("SELECT a FROM t WHERE id = 1")
        return cursor.fetchone()[0]


def test_what_it_writes_at_a_reader_is_not_read_at_a_writer_that_has_not_applied_it(
        fragile_cluster, proxy, table):
    cluster = fragile_cluster
    with bound(proxy, cluster, table) as client:
        with behind(cluster, 1):
            client.rows("UPDATE t SET a = 1 WHERE id = 1")
            assert client.rows("SELECT @@port") == [[str(cluster.port(2))]]
            for _ in range(20):
                assert read(proxy, table) == (1, cluster.port(2))
            client.rows("BEGIN")
            client.rows("UPDATE t SET a = 2 WHERE id = 1")
            client.rows("COMMIT")
            for _ in range(20):
                assert read(proxy, table) == (2, cluster.port(2))
            assert value_at(cluster, 1, table) == 0, "the writer was not behind: nothing is shown"


def test_it_does_not_read_old_rows_at_its_reader(fragile_cluster, proxy, table):
    cluster = fragile_cluster
    with bound(proxy, cluster, table) as client:
        with behind(cluster, 2):
            write(proxy, table, 1)
            with pytest.raises(wire.ServerError) as error:
                client.rows("SELECT a FROM t WHERE id = 1")
            assert error.value.errno == 9001
            assert value_at(cluster, 2, table) == 0, "the reader was not behind: nothing is shown"
        wait_until(lambda: client.rows(PINS) == [["1", str(cluster.port(2))]],
                   what="it reads when its node has applied it")
