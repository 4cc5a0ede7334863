# SPDX-License-Identifier: Apache-2.0
"""Reads of what a site wrote: never older than the write, and back on readers that have applied it."""
import contextlib
import random
import threading
import time

import pytest

import util
import wire
from causal import TENANT, WINDOW, behind, read, read_at, two_nodes, write
from util import wait_until


@pytest.fixture
def table(fragile_cluster):
    return fragile_cluster.make_schema("cmp_applied")


def proxy_of(galeway, cluster, **variables):
    return galeway(nodes=cluster, servers=two_nodes(cluster),
                   variables={"causal_window_ms": WINDOW, **variables})


def test_a_reader_that_is_behind_gives_no_old_row_and_serves_when_it_is_not(
        fragile_cluster, galeway, table):
    cluster = fragile_cluster
    proxy = proxy_of(galeway, cluster)
    writer, reader = cluster.port(1), cluster.port(2)
    assert read_at(proxy, table, reader) == 0
    with behind(cluster, 2):
        write(proxy, table, 1)
        with contextlib.closing(cluster.connect(2, database=table)) as direct, \
                direct.cursor() as cursor:
            until = time.monotonic() + 2.5  # measured: some checks of the monitor pass meanwhile
            while time.monotonic() < until:
                assert read(proxy, table) == (1, writer)
                cursor.execute("SELECT a FROM t WHERE id = 1")
                assert cursor.fetchone() == (0,), "the reader was not behind: nothing is shown"
    began = time.monotonic()
    seen = []

    def is_back():
        seen.append(read(proxy, table))
        return seen[-1][1] == reader

    wait_until(is_back, timeout=5, what="reads are back on the reader")
    assert {value for value, _ in seen} == {1}
    assert time.monotonic() - began < WINDOW / 1000 / 4


# Asked in one schema, of what was made in another.
OF_ANOTHER = ("SHOW TABLES FROM $b LIKE 'fresh'", "SHOW FULL TABLES IN $b LIKE 'fresh'", "SHOW COLUMNS FROM fresh FROM $b",
              "SHOW INDEX FROM fresh IN $b", "SHOW TABLE STATUS FROM $b LIKE 'fresh'",
              "SHOW DATABASES LIKE '$b\\_c'",
              "SELECT 1 FROM information_schema.tables WHERE table_schema = '$b' AND table_name = 'fresh'",
              "SELECT 1 FROM information_schema.schemata WHERE schema_name = '$b_c'")


def shown(proxy, schema, sql):
    with wire.Client(port=proxy.port, db=schema, **TENANT) as client:
        try:
            return client.rows(sql)
        except wire.ServerError:
            return []


def test_what_another_connection_made_in_another_schema_is_shown(fragile_cluster, galeway, table):
    cluster = fragile_cluster
    cluster.sql(1, f"DROP DATABASE IF EXISTS {table}_b_c")
    other = cluster.make_schema(f"{table}_b")
    proxy = proxy_of(galeway, cluster)
    assert read_at(proxy, table, cluster.port(2)) == 0
    with behind(cluster, 2):
        with wire.Client(port=proxy.port, db=other, **TENANT) as maker:
            maker.rows("CREATE TABLE fresh (id INT, KEY (id))")
            maker.rows(f"CREATE DATABASE {other}_c")
        assert not [sql for sql in OF_ANOTHER if not shown(proxy, table, sql.replace("$b", other))]
    cluster.sql(1, f"DROP DATABASE {other}_c")
    cluster.sql(1, f"DROP DATABASE {other}")


# Its DDL, the session's schema and what it runs there, and a read of another connection in another schema that must show it.
ELSEWHERE = {
    "procedure": (["CREATE PROCEDURE $a.p() UPDATE $b.t SET a = 1 WHERE id = 1"], "$a", ["CALL p()"], "$b", "SELECT a FROM t"),
    "prepared": ([], None, ["PREPARE s FROM 'UPDATE $b.t SET a = 1 WHERE id = 1'", "EXECUTE s"], "$b", "SELECT a FROM t"),
    "in-transaction": (["CREATE PROCEDURE $a.p() UPDATE $b.t SET a = 1 WHERE id = 1"], "$a", ["BEGIN", "CALL p()", "COMMIT"],
                       "$b", "SELECT a FROM t"),
    "trigger": (["CREATE TRIGGER $a.tr AFTER INSERT ON $a.t FOR EACH ROW UPDATE $b.t SET a = 1 WHERE id = 1"], "$a",
                ["INSERT INTO t VALUES (9, 9)"], "$b", "SELECT a FROM t"),
    "routine-of-a-trigger": (["CREATE PROCEDURE $a.p() UPDATE $b.t SET a = 1 WHERE id = 1",
                              "CREATE TRIGGER $a.tr AFTER INSERT ON $a.t FOR EACH ROW CALL p()"], "$a",
                             ["INSERT INTO t VALUES (9, 9)"], "$b", "SELECT a FROM t"),
    "view": (["CREATE VIEW $b.v AS SELECT id, a FROM $a.t"], "$a", ["UPDATE t SET a = 1 WHERE id = 1"], "$b", "SELECT a FROM v"),
}


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("case", ELSEWHERE)
def test_what_was_written_to_a_schema_that_nothing_named_is_shown(fragile_cluster, galeway, table, case, is_known):
    """is_known: the schemas were looked at before."""
    ddl, home, statements, schema, sql = ELSEWHERE[case]
    cluster, other = fragile_cluster, fragile_cluster.make_schema(f"{table}_b")
    cluster.trust_creators()

    def named(text):
        return text and text.replace("$a", table).replace("$b", other)

    for statement in ddl:
        cluster.sql(1, named(statement))
    cluster.catch_up()
    proxy = proxy_of(galeway, cluster)
    assert read_at(proxy, table, cluster.port(2)) == 0
    if is_known:
        for one in (table, other):
            write(proxy, one, 0)
            read_at(proxy, one, cluster.port(2))
    with behind(cluster, 2):
        with wire.Client(port=proxy.port, db=named(home), **TENANT) as writer:
            for statement in statements:
                writer.rows(named(statement))
        with wire.Client(port=proxy.port, db=named(schema), **TENANT) as client:
            assert client.rows(sql)[0][0] == "1"
    cluster.sql(1, f"DROP DATABASE {other}")


def test_without_questions_in_between_each_check_tells(fragile_cluster, galeway, table):
    proxy = proxy_of(galeway, fragile_cluster, causal_check_interval_ms=0)
    reader = fragile_cluster.port(2)
    read_at(proxy, table, reader)
    for value in (1, 2):
        write(proxy, table, value)
        assert read(proxy, table)[0] == value
        assert read_at(proxy, table, reader) == value


class Site(util.Background):
    """Each thread writes a row of its own and reads it over other connections."""

    def __init__(self, proxy, schema, count):
        super().__init__(count)
        self.proxy, self.schema = proxy, schema
        self.reads, self.old, self.lock = {}, [], threading.Lock()

    def work(self, number):
        chance, value = random.Random(number), 0
        with wire.Client(port=self.proxy.port, db=self.schema, **TENANT) as writer:
            writer.rows(f"INSERT INTO t VALUES ({number + 10}, 0)")
            while self.goes_on():
                if chance.random() < 0.05:
                    value += 1
                    writer.rows(f"UPDATE t SET a = {value} WHERE id = {number + 10}")
                with wire.Client(port=self.proxy.port, db=self.schema, **TENANT) as reader:
                    (seen, port), = reader.rows(
                        f"SELECT a, @@port FROM t WHERE id = {number + 10}")
                with self.lock:
                    self.reads[int(port)] = self.reads.get(int(port), 0) + 1
                    if int(seen) != value:
                        self.old.append((number, int(seen), value, port))


def test_nothing_is_read_old_while_a_reader_falls_behind_again_and_again(
        fragile_cluster, galeway, table):
    cluster = fragile_cluster
    proxy = proxy_of(galeway, cluster)
    chance = random.Random(5)
    with Site(proxy, table, 3) as site:
        for _ in range(8):
            # Stimulus, no wait: chance, so that it falls behind at any moment of a check.
            with behind(cluster, 2):
                time.sleep(chance.uniform(0.05, 0.6))
            time.sleep(chance.uniform(0.05, 0.8))
    assert site.old == []
    assert site.reads[cluster.port(2)] > 50, site.reads


def test_reads_go_on_to_readers_after_the_writer_is_lost(fragile_cluster, galeway, table):
    """What the lost one acknowledged last may lie in queues: a proof tells who has applied it."""
    cluster = fragile_cluster
    proxy = galeway(nodes=cluster, variables={"causal_window_ms": WINDOW}, servers=[
        {"address": "127.0.0.1", "port": cluster.port(n), "hostgroup": 10, "weight": 4 - n}
        for n in (1, 2, 3)])
    value = 0
    wait_until(lambda: read(proxy, table)[1] != cluster.port(1), what="reads go to readers")
    with behind(cluster, 3):
        for value in range(1, 30):
            write(proxy, table, value)
        cluster.script("kill", 1)
        for _ in range(20):
            assert read(proxy, table)[0] == value
    ports = set()

    def both():
        seen, port = read(proxy, table)
        assert seen == value
        ports.add(port)
        return cluster.port(3) in ports

    wait_until(both, timeout=20, what="the third node reads")
    write(proxy, table, 1000)
    wait_until(lambda: read(proxy, table) == (1000, cluster.port(3)), timeout=10,
               what="the third node reads what was written after the loss")


SLOW = "SELECT a, COUNT(*) FROM t JOIN n x JOIN n y WHERE t.id = 1 AND x.b + y.b > 0"


def is_running(cluster, n, sql):
    ((count,),) = cluster.sql(n, f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO = '{sql}'")
    return count > 0


def test_nobody_shares_the_read_of_one_who_may_see_old_rows(fragile_cluster, galeway, table):
    """A rule lets one client read behind; another that sends the same meanwhile does not get his answer."""
    cluster = fragile_cluster
    proxy = galeway(nodes=cluster, servers=two_nodes(cluster), mysql_query_rules=[
        {"rule_id": 1, "active": 1, "client_addr": "127.0.0.2", "attributes": '{"causal_window_ms": 0}', "apply": 1}],
        variables={"threads": 1, "causal_window_ms": WINDOW, "query_cache_auto": True})
    with wire.Client(port=proxy.port, db=table, **TENANT) as maker:
        maker.rows("CREATE TABLE n (b INT)")
        maker.rows("INSERT INTO n SELECT seq FROM seq_1_to_4000")
    assert read_at(proxy, table, cluster.port(2)) == 0
    cluster.catch_up()
    with behind(cluster, 2):
        write(proxy, table, 1)
        with wire.Client(port=proxy.port, db=table, source="127.0.0.2", **TENANT) as behind_all, \
                wire.Client(port=proxy.port, db=table, **TENANT) as other:
            behind_all.send(b"\x03" + SLOW.encode())
            wait_until(lambda: is_running(cluster, 2, SLOW), what="the read to run on the reader")
            assert other.rows(SLOW)[0][0] == "1"
            assert behind_all.read_query()[-2].payload[1:2] == b"0"
