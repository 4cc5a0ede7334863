# SPDX-License-Identifier: Apache-2.0
"""WSREP_LAST_WRITTEN_GTID() and its like: of the session that asks, or an error."""
import pytest

import wire

WRITTEN = "SELECT WSREP_LAST_WRITTEN_GTID()"
SEEN = "SELECT WSREP_LAST_SEEN_GTID()"


def number(client, sql):
    return int(client.value(sql).rsplit("-", 1)[1])


@pytest.fixture
def two(site, cluster):
    """A site with a table and one server connection to each node, and two clients of it."""
    s = site(connections=1)
    s.client().rows("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
    cluster.catch_up()
    return s, s.client(), s.client()


def refused(client, sql=WRITTEN):
    with pytest.raises(wire.ServerError, match="another session's") as caught:
        client.rows(sql)
    assert caught.value.errno == 1235


def test_it_is_never_that_of_another(two):
    _, one, other = two
    refused(one)
    one.rows("INSERT INTO t (v) VALUES (1)")
    other.rows("INSERT INTO t (v) VALUES (2)")
    refused(one)
    refused(one, f"{WRITTEN} + 0")
    refused(one, "DO wsrep_last_written_gtid()")
    refused(one, "INSERT INTO t (v) SELECT LENGTH(`WSREP_LAST_WRITTEN_GTID`())")


def test_who_keeps_the_connection_is_told(site, cluster):
    s = site()
    one, other = s.client(), s.client()
    one.rows("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
    one.rows("SET @keep = 1")
    refused(one)  # it has the connection, but did not write there
    one.rows("UPDATE t SET v = 1")
    refused(one)
    one.rows("INSERT INTO t (v) VALUES (1)")
    first = number(one, WRITTEN)
    other.rows("INSERT INTO t (v) VALUES (2)")
    assert number(one, WRITTEN) == first
    one.rows("BEGIN")
    one.rows("INSERT INTO t (v) VALUES (3)")
    assert number(one, WRITTEN) == first
    one.rows("COMMIT")
    assert number(one, WRITTEN) > first


def test_a_write_gets_it_with_its_commit(two):
    _, one, other = two
    other.rows("INSERT INTO t (v) VALUES (1)")
    one.rows("BEGIN")
    one.rows("INSERT INTO t (v) VALUES (1)")
    refused(one)
    one.rows("SET @keep = 1")
    one.rows("COMMIT")
    assert number(one, WRITTEN) > 0


def test_what_the_node_has_seen_is_asked_where_writes_go(two):
    s, one, other = two
    for _ in range(10):
        before = number(one, SEEN)
        other.rows("INSERT INTO t (v) VALUES (1)")
        assert number(one, SEEN) > before


def test_reads_behind_a_wait_see_what_it_waited_for(site, cluster):
    s = site(connections=2, variables={"causal_window_ms": 0})
    one, other = s.client(), s.client()
    one.rows("CREATE TABLE t (v INT)")
    one.rows("INSERT INTO t VALUES (0)")
    cluster.catch_up()
    for i in range(20):
        one.rows(f"UPDATE t SET v = {i}")
        gtid = one.value(SEEN)
        assert other.value(f"SELECT WSREP_SYNC_WAIT_UPTO_GTID('{gtid}', 5)") == "1"
        assert other.value("SELECT v FROM t") == str(i)
