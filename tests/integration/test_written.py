# SPDX-License-Identifier: Apache-2.0
"""Reads follow the writes of their session and their site, on real nodes: who goes where is counted."""
import json
import time

import pymysql
import pytest

from util import account, wait_until


def went(s, client, sql):
    """Where one statement goes: "writer" or "reader"."""
    before = {name: s.console.status(name) for name in ("To_writer", "To_reader")}
    client.rows(sql)
    after = {name: s.console.status(name) for name in before}
    ways = [name for name in before for _ in range(after[name] - before[name])]
    assert len(ways) == 1, ways
    return ways[0][3:]


@pytest.fixture
def two(site, cluster):
    """A site with a table, and two clients of it, of which neither has written."""

    def make(**options):
        s = site(**options)
        setup = s.client()
        setup.rows("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
        setup.rows("CREATE TABLE u (id INT PRIMARY KEY, v INT)")
        setup.rows("INSERT INTO t VALUES (1, 1)")
        cluster.catch_up()
        return s, s.client(), s.client()

    return make


def settled(s, client, table="t"):
    """Until what was written before counts no more."""
    wait_until(lambda: went(s, client, f"SELECT v FROM {table}") == "reader", what="the window to end")


def test_reads_of_what_another_wrote_follow_for_the_window(two):
    s, one, other = two(variables={"causal_window_ms": 3600000})
    one.rows("UPDATE t SET v = 2")
    assert other.value("SELECT v FROM t") == "2"
    assert went(s, one, "SELECT v FROM t") == "writer"


def test_a_user_may_do_without(two):
    attributes = json.dumps({"causal_window_ms": 0})
    s, one, other = two(users=[account("tenant", attributes=attributes)])
    one.rows("UPDATE t SET v = 2")
    assert went(s, other, "SELECT v FROM t") == "reader"
    assert went(s, one, "SELECT v FROM t") == "writer"  # its own write


def test_a_rule_wins_over_the_user(two):
    rules = [{"rule_id": 1, "active": 1, "match_digest": "stale_is_fine",
              "attributes": json.dumps({"causal_window_ms": 0})}]
    s, one, other = two(variables={"causal_window_ms": 3600000}, mysql_query_rules=rules)
    one.rows("UPDATE t SET v = 2")
    assert went(s, other, "SELECT v AS stale_is_fine FROM t") == "reader"


def test_a_session_follows_itself_for_a_while(two):
    s, one, other = two(variables={"causal_window_ms": 0, "causal_session_ms": 500})
    one.rows("UPDATE t SET v = 2")
    assert went(s, one, "SELECT v FROM t") == "writer"
    assert went(s, one, "SELECT v FROM u") in ("writer", "reader")  # the bloom may say yes
    assert went(s, other, "SELECT v FROM t") == "reader"
    settled(s, one)


def test_a_wrong_window_is_refused(two):
    s, _, _ = two()
    s.console.run("UPDATE mysql_users SET attributes = '{\"causal_window_ms\": \"soon\"}'")
    with pytest.raises(pymysql.Error, match="causal_window_ms is not a whole number"):
        s.console.run("LOAD MYSQL USERS TO RUNTIME")
    s.console.run("SET mysql-query_cache_row_keys = 'options'")
    with pytest.raises(pymysql.Error, match="is not table.column"):
        s.console.run("LOAD MYSQL VARIABLES TO RUNTIME")


@pytest.mark.parametrize("begin, end", [
    ("BEGIN", "COMMIT"), ("BEGIN", "COMMIT AND CHAIN"), ("START TRANSACTION", "BEGIN"),
    ("SET autocommit = 0", "SET autocommit = 1"), ("SET autocommit = 0", "COMMIT")])
def test_no_read_is_older_than_a_transaction_that_ended(two, begin, end):
    """Whatever ends it, the next read of another connection sees it."""
    s, one, other = two()
    for n in range(2, 40):
        one.rows(begin)
        one.rows(f"UPDATE t SET v = {n}")
        one.rows(end)
        assert other.value("SELECT v FROM t") == str(n)


@pytest.mark.parametrize("write", [
    "UPDATE t SET v = {}",
    "SET STATEMENT max_statement_time = 10 FOR UPDATE t SET v = {}",
    "INSERT INTO t VALUES (1, {0}) ON DUPLICATE KEY UPDATE v = {0}",
    "REPLACE INTO t VALUES (1, {})",
])
def test_no_read_is_older_than_a_write_that_was_answered(two, write):
    s, one, other = two()
    for n in range(2, 60):
        one.rows(write.format(n))
        assert other.value("SELECT v FROM t") == str(n)


def test_reads_go_back_to_readers(two):
    s, one, other = two(variables={"causal_window_ms": 300})
    one.rows("UPDATE t SET v = 2")
    began = time.monotonic()
    settled(s, other)
    assert time.monotonic() - began < 5
    assert other.value("SELECT v FROM t") == "2"
