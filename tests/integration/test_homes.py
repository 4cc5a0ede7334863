# SPDX-License-Identifier: Apache-2.0
"""Home nodes: each site on one node, all nodes take writes, and nothing acknowledged is read older or lost."""
import contextlib
import threading

import pymysql
import pytest

import util
import wire
from util import NODES, wait_until

TENANT = {"user": "tenant", "password": "tenant"}
HOMES = {"site_home_nodes": True, "slow_start_ms": 500, "monitor_galera_healthcheck_interval": 200}
SITES = [f"cmp_home{i}" for i in range(12)]
WHERE = "SELECT a, @@port FROM t WHERE id = 1"


@pytest.fixture
def sites(fragile_cluster):
    return [fragile_cluster.make_schema(site) for site in SITES]


def homes_of(galeway, cluster, **variables):
    return galeway(nodes=cluster, variables={**HOMES, **variables})


def connect(proxy, site):
    return wire.Client(port=proxy.port, db=site, timeout=20, **TENANT)


def read(proxy, site):
    """The value that a new connection sees, and the node that gave it."""
    with connect(proxy, site) as client:
        (value, port), = client.rows(WHERE)
        return int(value), int(port)


def map_of(proxy, sites):
    return {site: read(proxy, site)[1] for site in sites}


class Writers(util.Background):
    """A thread for each of some sites: counts, and reads over other connections what it was acknowledged."""

    def __init__(self, proxy, sites):
        super().__init__(len(sites))
        self.proxy, self.sites, self.lock = proxy, sites, threading.Lock()
        self.acknowledged = dict.fromkeys(sites, 0)
        self.old, self.failures, self.ports = [], [], {site: [] for site in sites}

    def work(self, number):
        site, value, doubt = self.sites[number], 0, 0
        while self.goes_on():
            try:
                with connect(self.proxy, site) as client:
                    client.rows(f"UPDATE t SET a = {value + 1} WHERE id = 1")
                value, doubt = value + 1, 0
                self.acknowledged[site] = value
            except (wire.ServerError, wire.Closed, OSError) as failure:
                doubt = 1  # it may have been done
                with self.lock:
                    self.failures.append((site, value + 1, str(failure)))
            try:
                seen, port = read(self.proxy, site)
            except (wire.ServerError, wire.Closed, OSError) as failure:
                with self.lock:
                    self.failures.append((site, "read", str(failure)))
                continue
            with self.lock:
                if not self.ports[site] or self.ports[site][-1] != port:
                    self.ports[site].append(port)
                if not value <= seen <= value + doubt:
                    self.old.append((site, seen, value, port))
            value, doubt = seen, 0


def test_each_site_is_read_and_written_on_one_node(fragile_cluster, galeway, sites):
    proxy = homes_of(galeway, fragile_cluster)
    homes = map_of(proxy, sites)
    assert set(homes.values()) == {fragile_cluster.port(n) for n in NODES}
    for site in sites:
        with connect(proxy, site) as client:
            for _ in range(3):
                client.rows("UPDATE t SET a = @@port WHERE id = 1")
                assert client.rows(WHERE) == [[str(homes[site])] * 2]
                assert read(proxy, site) == (homes[site], homes[site])
            client.rows("BEGIN")
            assert client.rows(WHERE) == [[str(homes[site])] * 2]
            client.rows("UPDATE t SET a = @@port + 1 WHERE id = 1")
            client.rows("COMMIT")
        assert read(proxy, site) == (homes[site] + 1, homes[site])
    again = homes_of(galeway, fragile_cluster)  # another Galeway agrees
    assert map_of(again, sites) == homes


def test_the_console_shows_them(fragile_cluster, galeway, sites):
    proxy = homes_of(galeway, fragile_cluster)
    homes = map_of(proxy, sites)
    with contextlib.closing(pymysql.connect(
            host="127.0.0.1", port=proxy.admin_port, user="admin", password="admin")) as console, \
            console.cursor() as cursor:
        cursor.execute("SELECT schema, home FROM stats.stats_sites WHERE user = 'tenant'")
        shown = dict(cursor.fetchall())
        assert {site: shown[site] for site in sites} == \
            {site: f"127.0.0.1:{port}" for site, port in homes.items()}
        cursor.execute("SHOW CLUSTER")
        names = [column[0] for column in cursor.description]
        shares = [int(row[names.index("homes")]) for row in cursor.fetchall()]
        assert 98 <= sum(shares) <= 102 and min(shares) > 20, shares
        cursor.execute(f"EXPLAIN ROUTE FOR 'tenant'@'{sites[0]}' 'SELECT a FROM t WHERE id = 1'")
        steps = cursor.fetchall()
        assert any("to the home node of its schema" in step for step in steps), steps
        assert any(f"127.0.0.1:{homes[sites[0]]}" in str(step) and "candidate" in str(step)
                   for step in steps), steps


def test_a_statement_that_names_another_schema_goes_to_its_home(fragile_cluster, galeway, sites):
    proxy = homes_of(galeway, fragile_cluster)
    homes = map_of(proxy, sites)
    here, there = next((a, b) for a in sites for b in sites if homes[a] != homes[b])
    with connect(proxy, here) as client:
        for value in range(1, 30):
            client.rows(f"UPDATE {there}.t SET a = {value} WHERE id = 1")
            assert client.rows(f"SELECT a, @@port FROM {there}.t WHERE id = 1") == \
                [[str(value), str(homes[there])]]
            assert read(proxy, there) == (value, homes[there])
        for value in range(100, 110):  # in a transaction it is written at home here
            client.rows("BEGIN")
            client.rows(f"UPDATE t SET a = {value} WHERE id = 1")
            client.rows(f"UPDATE {there}.t SET a = {value} WHERE id = 1")
            client.rows("COMMIT")
            assert read(proxy, there)[0] == value
            assert read(proxy, here)[0] == value
        for value in range(200, 210):  # and so it is by a statement that names both
            with connect(proxy, there) as other:
                other.rows(f"UPDATE t SET a = {value} WHERE id = 2")
            client.rows(f"INSERT INTO {there}.t SELECT {value}, a FROM t WHERE id = 1")
            assert client.rows("SELECT x.a, y.a FROM t AS x JOIN "
                               f"{there}.t AS y ON y.id = 2 WHERE x.id = 1") == [["109", str(value)]]
            with connect(proxy, there) as other:
                assert other.rows(f"SELECT a FROM t WHERE id = {value}") == [["109"]]


def test_a_node_is_lost_and_comes_back_under_writing(fragile_cluster, galeway, sites):
    cluster = fragile_cluster
    proxy = homes_of(galeway, cluster)
    homes = map_of(proxy, sites)
    lost = cluster.port(2)
    assert lost in homes.values()
    busy = [site for site in sites if homes[site] == lost][:2] + \
           [site for site in sites if homes[site] != lost][:2]
    with Writers(proxy, busy) as writers:
        wait_until(lambda: min(writers.acknowledged.values()) > 20, timeout=20)
        cluster.script("kill", 2)
        wait_until(lambda: lost not in map_of(proxy, sites).values(), timeout=20)
        for site in sites:  # the others' stay
            assert homes[site] == lost or read(proxy, site)[1] == homes[site]
        marks = dict(writers.acknowledged)
        wait_until(lambda: all(writers.acknowledged[s] > marks[s] + 20 for s in busy), timeout=20)
        n_failures = len(writers.failures)
        assert n_failures <= 4, writers.failures  # what was under way there
        cluster.script("restart", 2)
        wait_until(lambda: map_of(proxy, sites) == homes, timeout=60, what="it has its share again")
        marks = dict(writers.acknowledged)
        wait_until(lambda: all(writers.acknowledged[s] > marks[s] + 20 for s in busy), timeout=20)
        assert len(writers.failures) == n_failures, writers.failures
    assert writers.old == []
    for site in busy:
        assert read(proxy, site)[0] >= writers.acknowledged[site]


def test_a_bucket_does_not_move_under_a_transaction(fragile_cluster, galeway, sites):
    cluster = fragile_cluster
    proxy = homes_of(galeway, cluster)
    homes = map_of(proxy, sites)
    site = next(s for s in sites if homes[s] == cluster.port(3))
    others = [s for s in sites if s != site]
    cluster.script("shut", 3)
    wait_until(lambda: cluster.port(3) not in map_of(proxy, sites).values(), timeout=20)
    with connect(proxy, site) as client:
        client.rows("BEGIN")
        client.rows("UPDATE t SET a = 1 WHERE id = 1")
        cluster.script("restart", 3)
        wait_until(lambda: {s: read(proxy, s)[1] for s in others} ==
                   {s: homes[s] for s in others}, timeout=60, what="the others are back")
        assert read(proxy, site) == (0, read(proxy, site)[1])
        assert read(proxy, site)[1] != homes[site]
        client.rows("COMMIT")
        assert read(proxy, site)[0] == 1
    wait_until(lambda: read(proxy, site) == (1, homes[site]), timeout=60, what="it is home")


def test_they_are_turned_on_and_off_under_writing(fragile_cluster, galeway, sites):
    cluster = fragile_cluster
    proxy = galeway(nodes=cluster, variables={**HOMES, "site_home_nodes": False})

    def configure(is_on):
        proxy.data["mysql_hostgroup_attributes"] = [
            {"hostgroup_id": 10, "hostgroup_settings": '{"site_home_nodes": %s}' % is_on}]
        proxy.reload()

    def written():
        ports = set()
        for site in sites:
            with connect(proxy, site) as client:
                client.rows("UPDATE t SET a = @@port WHERE id = 2")
                ports.add(client.rows("SELECT a FROM t WHERE id = 2")[0][0])
        return ports

    assert written() == {str(cluster.port(1))}
    with Writers(proxy, sites[:4]) as writers:
        for _ in range(2):
            configure("true")
            wait_until(lambda: len(written()) == 3, timeout=30, what="all nodes take writes")
            configure("false")
            wait_until(lambda: len(written()) == 1, timeout=30, what="one node takes writes")
    assert writers.old == []
    assert writers.failures == []


def test_a_home_that_is_silent_is_not_read(fragile_cluster, galeway, sites):
    """Reads of what was not just written go elsewhere, the rest waits; then it goes on at home."""
    cluster = fragile_cluster
    proxy = homes_of(galeway, cluster)
    homes = map_of(proxy, sites)
    site = next(s for s in sites if homes[s] == cluster.port(2))
    cluster.script("freeze", 2)
    try:
        wait_until(lambda: read(proxy, site)[1] != homes[site], timeout=20)
    finally:
        cluster.script("thaw", 2)
    with connect(proxy, site) as client:
        client.rows("UPDATE t SET a = 5 WHERE id = 1")
    assert read(proxy, site)[0] == 5
    wait_until(lambda: read(proxy, site) == (5, homes[site]), timeout=60)
    with contextlib.closing(pymysql.connect(
            host="127.0.0.1", port=proxy.port, user="tenant", password="tenant")) as db, \
            db.cursor() as cursor:
        cursor.execute(f"SELECT a FROM {site}.t WHERE id = 1")  # no schema of its own
        assert cursor.fetchone() == (5,)
