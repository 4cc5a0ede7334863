# SPDX-License-Identifier: Apache-2.0
"""The query cache on real nodes: what is asked by many at once runs once; memory has its cap."""
import os
import threading

import pymysql
import pytest

from util import NODES, PATIENCE, wait_until

ROWS = 1500  # a join of the table with itself takes a good part of a second
SLOW = "SELECT COUNT(*), SUM(a.n * b.n) FROM numbers AS a INNER JOIN numbers AS b ON a.n <> b.n + {}"
CLIENTS = 64
CAP_MB = 16


@pytest.fixture
def counted(cluster, schema):
    """A table whose rows read are counted by each node: counted() is their sum."""
    for n in NODES:
        cluster.sql(n, "SET GLOBAL userstat = ON")  # it stays: another test may be counting
    cluster.sql(1, f"CREATE TABLE {schema}.numbers (n INT PRIMARY KEY, pad VARCHAR(12000))")
    cluster.sql(1, f"INSERT INTO {schema}.numbers SELECT seq, '' FROM {schema}.seq_1_to_{ROWS}")
    cluster.catch_up()

    def rows_read():
        return sum(int(row[0]) for n in NODES for row in cluster.sql(
            n, "SELECT ROWS_READ FROM information_schema.TABLE_STATISTICS"
               " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = 'numbers'", (schema,)))

    return rows_read


def answer_of(connection, sql):
    """Rows, or the number of the error."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    except pymysql.MySQLError as error:
        return error.args[0]


def all_at_once(port, schema, sql):
    """What each of many clients was told, when all of them ask at the same time."""
    connections = [pymysql.connect(host="127.0.0.1", port=port, user="tenant", password="tenant",
                                   database=schema, autocommit=True, read_timeout=60)
                   for _ in range(CLIENTS)]
    together = threading.Barrier(CLIENTS)
    answers = [None] * CLIENTS

    def ask(i):
        together.wait(30)
        answers[i] = answer_of(connections[i], sql)

    threads = [threading.Thread(target=ask, args=(i,), daemon=True) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60 * PATIENCE)
    for connection in connections:
        connection.close()
    return answers


@pytest.fixture
def cached(galeway):
    def make(**variables):
        return galeway(variables={"query_cache_auto": True, "query_cache_wait_ms": 30000,
                                  "query_cache_auto_ttl_ms": 600000, **variables})
    return make


def cost_of(cluster, counted, schema, sql):
    """Rows that one run of a statement reads, and its answer, on a node without a proxy."""
    before = counted()
    with cluster.connect(1, database=schema) as db:
        answer = answer_of(db, sql)
    return counted() - before, answer


def test_slow_select_of_many_runs_once(cluster, schema, counted, cached):
    cost, answer = cost_of(cluster, counted, schema, SLOW.format(1))
    assert cost >= 2 * ROWS
    proxy = cached()
    before = counted()
    answers = all_at_once(proxy.port, schema, SLOW.format(1))
    assert answers == [answer] * CLIENTS
    assert counted() - before == cost, "the node ran it more than once"


def test_without_the_cache_each_runs(cluster, schema, counted, cached):
    """What the test above looks at can be seen."""
    cost, answer = cost_of(cluster, counted, schema, "SELECT COUNT(pad) FROM numbers")
    proxy = cached(query_cache_auto=False)
    before = counted()
    assert all_at_once(proxy.port, schema, "SELECT COUNT(pad) FROM numbers") == [answer] * CLIENTS
    assert counted() - before == CLIENTS * cost


def test_error_of_one_run_goes_to_all(cluster, schema, counted, cached):
    sql = SLOW.format(2) + " UNION ALL SELECT 1, (SELECT n FROM numbers)"
    cost, answer = cost_of(cluster, counted, schema, sql)
    assert answer == 1242 and cost >= 2 * ROWS
    proxy = cached()
    before = counted()
    assert all_at_once(proxy.port, schema, sql) == [1242] * CLIENTS
    assert counted() - before == cost, "the node ran it more than once"
    before = counted()
    assert all_at_once(proxy.port, schema, sql) == [1242] * CLIENTS
    assert counted() - before == cost, "an error is not kept"


def cache_bytes(proxy):
    with pymysql.connect(host="127.0.0.1", port=proxy.admin_port, user="admin", password="admin",
                         autocommit=True) as db, db.cursor() as cursor:
        cursor.execute("SELECT variable_value FROM stats_mysql_global WHERE variable_name = "
                       "'Query_Cache_Memory_bytes'")
        return int(cursor.fetchone()[0])


def flood(port, schema, worker, statements):
    with pymysql.connect(host="127.0.0.1", port=port, user="tenant", password="tenant",
                         database=schema, autocommit=True) as db, db.cursor() as cursor:
        for sql, wanted in statements(worker):
            cursor.execute(sql)
            row = cursor.fetchone()
            assert row == wanted, (sql, row)


def small(worker):
    for i in range(14000):
        n = 1 + i % ROWS
        yield f"SELECT n, {worker}, {i} FROM numbers WHERE n = {n}", (n, worker, i)


def large(worker):
    for i in range(2500):
        n = 1 + i % ROWS
        yield (f"SELECT pad, {worker}, {i} FROM numbers WHERE n = {n}",
               ("p" * 12000, worker, i))


@pytest.mark.parametrize("statements", [small, large])
def test_flood_of_distinct_selects_stays_under_the_cap(cluster, schema, cached, statements):
    cluster.sql(1, f"CREATE TABLE {schema}.numbers (n INT PRIMARY KEY, pad VARCHAR(12000))")
    cluster.sql(1, f"INSERT INTO {schema}.numbers SELECT seq, REPEAT('p', 12000) FROM"
                   f" {schema}.seq_1_to_{ROWS}")
    cluster.catch_up()
    proxy = cached(query_cache_size_MB=CAP_MB, query_cache_site_share_pct=100)

    def first(worker):
        return list(statements(worker))[:50]

    flood(proxy.port, schema, 0, first)  # buffers and connections are there before it counts
    start_kb = proxy.rss_kb()
    faults = []

    def run(worker):
        try:
            flood(proxy.port, schema, worker, statements)
        except Exception as fault:  # told to the main thread
            faults.append(repr(fault))

    threads = [threading.Thread(target=run, args=(worker,), daemon=True) for worker in (1, 2, 3)]
    for thread in threads:
        thread.start()
    highest = []
    wait_until(lambda: highest.append(proxy.rss_kb()) or
               not any(thread.is_alive() for thread in threads), 120, "the flood to end")
    assert not faults, faults
    kept = cache_bytes(proxy) / (1 << 20)
    assert CAP_MB / 8 < kept <= CAP_MB, f"{kept:.1f} MB are kept, the cap is {CAP_MB}"
    if os.environ.get("MODE", "release") != "release":
        return  # a sanitizer keeps freed memory
    grown = (max(highest) - start_kb) / 1024
    assert grown <= CAP_MB, f"it grew by {grown:.1f} MB, the cap is {CAP_MB}"
    assert grown > CAP_MB / 8, f"it grew by {grown:.1f} MB: nothing was kept"
