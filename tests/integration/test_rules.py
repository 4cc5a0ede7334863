# SPDX-License-Identifier: Apache-2.0
"""Query rules and hints on live traffic: what each column does to statements of both protocols."""
import json
import os
import random
import struct
import time

import pytest

import wire
from util import NODES, PATIENCE, Background, wait_until

RELOADS = int(os.environ.get("RULE_RELOADS", "500"))  # 2000 was tried by hand
TENANT = {"user": "tenant", "password": "tenant"}


@pytest.fixture
def ruled(galeway, cluster):
    """ruled([rule, ...]) is a proxy with these rules; hostgroup 50 is node 3, 51 is node 2."""
    def make(rules, variables=None, **tables):
        servers = [{"address": "127.0.0.1", "port": cluster.port(n), "hostgroup": 10,
                    "max_connections": 50, "weight": 1100 - 100 * n} for n in NODES]
        servers += [{"address": "127.0.0.1", "port": cluster.port(n), "hostgroup": group,
                     "max_connections": 50} for group, n in ((50, 3), (51, 2))]
        servers += [{"address": "127.0.0.1", "port": cluster.port(3), "hostgroup": 60,
                     "status": "OFFLINE_SOFT"}]
        return galeway(variables=variables, servers=servers,
                       mysql_query_rules=numbered(rules), **tables)
    return make


def numbered(rules):
    return [{"rule_id": 10 * i, "active": 1, **rule} for i, rule in enumerate(rules, 1)]


def connect(proxy, db=None, **options):
    return wire.Client(port=proxy.port, db=db, **TENANT, **options)


def where(tag):
    """A read that tells its node; its alias is what rules match."""
    return f"SELECT @@wsrep_node_name AS {tag} FROM DUAL"


def to(tag, **columns):
    return {"match_digest": tag, "apply": 1, **columns}


def error_of(packets):
    """Of an answer that fails at once, or in the middle of its rows."""
    assert packets[-1].payload[0] == 0xFF, wire.describe(packets[-1])
    return wire.parse_error(packets[-1].payload)


def ok_text(packet):
    assert packet.payload[0] == 0, wire.describe(packet)
    rest = wire.parse_ok(packet.payload)[4]
    return rest[wire.lenenc(rest, 0)[1]:].decode() if rest else ""


class Prepared:
    """A statement of the binary protocol without parameters."""

    def __init__(self, client, sql):
        self.client = client
        client.send(bytes([wire.COM_STMT_PREPARE]) + sql.encode())
        self.packets = client.read_prepare()
        assert self.packets[0].payload[0] == 0, wire.describe(self.packets[0])
        self.id, = struct.unpack_from("<I", self.packets[0].payload, 1)

    def run(self, *values):
        self.client.send(wire.execute_packet(self.id, values))
        return self.client.read_query()

    def text(self, *values):
        """The first value of the first row, a string."""
        packets = self.run(*values)
        assert packets[0].payload[0] == 1, wire.describe(packets[0])
        length, at = wire.lenenc(packets[3].payload, 2)
        return packets[3].payload[at:at + length].decode()


# ---------------------------------------------------------------- where statements go

def test_hostgroup_is_where_it_goes(ruled, schema):
    proxy = ruled([to("to50", destination_hostgroup=50), to("to51", destination_hostgroup=51),
                   to("to10", destination_hostgroup=10), to("to20", destination_hostgroup=20),
                   to("via50", destination_hostgroup=50)])
    with connect(proxy, schema) as client:
        client.rows("CREATE TABLE via (node VARCHAR(64))")
        for _ in range(5):
            assert client.value(where("to50")) == "node3"
            assert client.value(where("to51")) == "node2"
            assert client.value(where("to10")) == "node1"
            assert client.value(where("to20")) in ("node2", "node3")
        # a write, too: the rule's word is final
        assert ok_text(client.query("INSERT INTO via SELECT @@wsrep_node_name AS via50")[0]) \
            .startswith("Records: 1")
        client.rows("INSERT INTO via SELECT @@wsrep_node_name AS unruled")
        rows = client.rows("SELECT node FROM via ORDER BY node LOCK IN SHARE MODE")
        assert rows in ([["node1"], ["node3"]], [["node1"]]), rows
        wait_until(lambda: len(client.rows("SELECT node FROM via")) == 2, 10, "both rows")


def test_hostgroup_of_prepared_statements(ruled):
    rules = [to("moves", destination_hostgroup=50)]
    proxy = ruled(rules)
    with connect(proxy) as client:
        statement = Prepared(client, where("moves"))
        assert [statement.text() for _ in range(3)] == ["node3"] * 3
        # It is decided again when the rules have changed.
        proxy.data["mysql_query_rules"] = numbered([to("moves", destination_hostgroup=51)])
        proxy.reload()
        wait_until(lambda: statement.text() == "node2", 10, "the new rule")
        proxy.data["mysql_query_rules"] = []
        proxy.reload()
        wait_until(lambda: client.query("SELECT 1"), 10, "an answer")


def test_prepared_statement_is_decided_anew_when_it_must_be(ruled):
    """The statement before may have set a flag, and a lot is drawn for each execution."""
    lots = json.dumps({"flagOUTs": [{"id": 1, "weight": 50}, {"id": 2, "weight": 50}]})
    proxy = ruled([
        {"match_digest": "opens", "next_query_flagIN": 7, "apply": 1},
        {"flagIN": 7, "match_digest": "followed", "destination_hostgroup": 50, "apply": 1},
        to("followed", destination_hostgroup=51),
        {"match_digest": "lottery", "attributes": lots},
        {"flagIN": 1, "destination_hostgroup": 50, "apply": 1},
        {"flagIN": 2, "destination_hostgroup": 51, "apply": 1}])
    with connect(proxy) as client:
        followed = Prepared(client, where("followed"))
        for _ in range(2):
            assert followed.text() == "node2"
            client.rows("SELECT 1 AS opens")
            assert followed.text() == "node3"
        lottery = Prepared(client, where("lottery"))
        seen = [lottery.text() for _ in range(200)]
    assert set(seen) == {"node2", "node3"}
    assert 50 < seen.count("node3") < 150


def test_long_data_goes_where_its_statement_will(ruled):
    proxy = ruled([to("moves", destination_hostgroup=50)])
    with connect(proxy) as client:
        statement = client.prepare("SELECT CONCAT(?, @@wsrep_node_name) AS moves")
        for part in (b"a", b"b "):
            client.send(bytes([wire.COM_STMT_SEND_LONG_DATA]) +
                        struct.pack("<IH", statement, 0) + part)
        client.send(wire.execute_packet(statement, [wire.LONG_DATA]))
        assert b"ab node3" in client.read_query()[3].payload


def test_transaction_stays_on_its_node(ruled):
    proxy = ruled([to("to50", destination_hostgroup=50)])
    with connect(proxy) as client:
        client.rows("BEGIN")
        assert client.value(where("unruled")) == "node1"
        assert client.value(where("to50")) == "node1"
        client.rows("COMMIT")
        assert client.value(where("to50")) == "node3"
        client.rows("SET @pinned = 1")
        assert client.value(where("to50")) == "node1"  # pinned to where its variable is


def test_transaction_persistent_0_is_told_and_acts_as_1(ruled, schema):
    """A read of a transaction that went where a rule says would miss what the transaction wrote."""
    proxy = ruled([to("to50", destination_hostgroup=50)])
    with wire.Client(port=proxy.admin_port, user="admin", password="admin") as admin:
        admin.rows("UPDATE mysql_users SET transaction_persistent=0 WHERE username='tenant'")
        admin.rows("LOAD MYSQL USERS TO RUNTIME")
        told = [row[2] for row in admin.rows("SHOW WARNINGS")]
        assert sum('transaction_persistent=0 of "tenant" acts as 1' in line for line in told) == 1
    with connect(proxy, schema) as client:
        client.rows("CREATE TABLE kept (id INT PRIMARY KEY)")
        client.rows("BEGIN")
        client.rows("INSERT INTO kept VALUES (1)")
        assert client.rows("SELECT id, @@wsrep_node_name AS to50 FROM kept") == [["1", "node1"]]
        client.rows("COMMIT")


def test_hostgroup_without_servers_names_rule_and_hostgroup(ruled):
    proxy = ruled([to("offline", destination_hostgroup=60)])
    with connect(proxy) as client:
        number, _, text = error_of(client.query(where("offline")))
        assert number == 9001 and "ostgroup 60" in text and "rule 10" in text, text
        number, _, text = error_of(client.query("/* hostgroup=77 */ SELECT 1 FROM DUAL"))
        assert number == 9001 and "ostgroup 77" in text and "hint" in text, text
        assert client.value("SELECT 1") == "1"


def test_chains_and_overrides(ruled):
    """flagOUT leads on, a later rule overrides, apply ends; what has no rule is split as ever."""
    proxy = ruled([
        {"match_digest": "chain", "flagOUT": 5, "destination_hostgroup": 51},
        {"flagIN": 5, "match_digest": "chain_end", "destination_hostgroup": 50, "apply": 1},
        {"flagIN": 5, "match_digest": "chain", "error_msg": "not reached by chain_end"},
        {"match_digest": "elsewhere", "destination_hostgroup": 51, "apply": 1},
        {"match_digest": "elsewhere", "destination_hostgroup": 50, "apply": 1},
    ])
    with connect(proxy) as client:
        assert client.value(where("chain_end")) == "node3"
        assert error_of(client.query(where("chain_other")))[2] == "not reached by chain_end"
        assert client.value(where("elsewhere")) == "node2"
        assert client.value(where("unruled")) in ("node2", "node3")


def test_next_query_flag_holds_for_one_statement(ruled):
    proxy = ruled([
        {"match_digest": "opens", "next_query_flagIN": 7, "apply": 1},
        {"flagIN": 7, "match_digest": "wsrep_node_name", "destination_hostgroup": 50, "apply": 1},
    ])
    with connect(proxy) as client, connect(proxy) as other:
        for _ in range(3):
            client.rows("SELECT 1 AS opens")
            assert other.value("SELECT @@wsrep_node_name FROM DUAL FOR UPDATE") == "node1"
            assert client.value("SELECT @@wsrep_node_name FROM DUAL FOR UPDATE") == "node3"
            assert client.value("SELECT @@wsrep_node_name FROM DUAL FOR UPDATE") == "node1"


# ---------------------------------------------------------------- which statements

SELECTORS = [
    ("by user", {"username": "tenant"}, {"username": "tenant2"}),
    ("by schema", {"schemaname": "information_schema"}, {"schemaname": "other"}),
    ("by address", {"client_addr": "127.0.0.1"}, {"client_addr": "127.0.0.2"}),
    ("by network", {"client_addr": "127.0.%"}, {"client_addr": "10.%"}),
    ("by where it came in", {"proxy_addr": "127.0.0.1"}, {"proxy_addr": "127.0.0.2"}),
    ("by digest text", {"match_digest": r"FROM dual WHERE \? ?= ?\? AND"}, {"match_digest": "17"}),
    ("by text", {"match_pattern": "17 = 17"}, {"match_pattern": "18 = 18"}),
    ("case", {"match_digest": "from dual", "re_modifiers": "CASELESS"},
     {"match_digest": "from dual", "re_modifiers": ""}),
    ("not", {"match_digest": "nothing like it", "negate_match_pattern": 1},
     {"match_digest": "FROM dual", "negate_match_pattern": 1}),
]


@pytest.mark.parametrize("yes, no", [row[1:] for row in SELECTORS],
                         ids=[row[0] for row in SELECTORS])
def test_what_a_rule_looks_at(ruled, yes, no):
    proxy = ruled([{**no, "error_msg": "the wrong one", "apply": 1},
                   {**yes, "error_msg": "the right one", "apply": 1}])
    with connect(proxy, "information_schema") as client:
        assert error_of(client.query("SELECT 1 FROM dual WHERE 17 = 17 AND 1"))[2] == \
            "the right one"


def test_rules_by_port_and_digest(ruled):
    """What is known only once the proxy runs: its port, and a digest as its log shows it."""
    proxy = ruled([], variables={"eventslog_filename": "e.log", "eventslog_default_log": 1})
    sql = "SELECT 'a' FROM DUAL WHERE 1 IN (2,3,4)"
    with connect(proxy) as client, wire.Client(unix=proxy.unix, **TENANT) as local:
        assert client.rows(sql) == []
        seen = wait_until(lambda: [e for e in events(proxy, "e.log") if e["query"] == sql], 10,
                          "the event")
        proxy.data["mysql_query_rules"] = numbered([
            {"digest": seen[0]["digest"], "proxy_port": proxy.port, "error_msg": "found"},
            {"digest": seen[0]["digest"], "client_addr": "127.0.0.1", "error_msg": "overruled"},
            {"digest": seen[0]["digest"], "proxy_port": proxy.port, "error_msg": "found"}])
        proxy.reload()
        wait_until(lambda: client.query(sql)[0].payload[0] == 0xFF, 10, "the rules")
        for _ in range(2):
            assert error_of(client.query(sql.replace("2,3", "7,8")))[2] == "found"
            assert local.rows(sql) == []  # over the socket: no port, no address
            assert client.rows("SELECT 'a' FROM DUAL WHERE 1 NOT IN (2)") == [["a"]]


def test_weighted_flag_outs(ruled):
    """attributes: part of the statements takes another chain."""
    proxy = ruled([
        {"match_digest": "lottery",
         "attributes": json.dumps({"flagOUTs": [{"id": 1, "weight": 50}, {"id": 2, "weight": 50}]})},
        {"flagIN": 1, "destination_hostgroup": 50, "apply": 1},
        {"flagIN": 2, "destination_hostgroup": 51, "apply": 1}])
    with connect(proxy) as client:
        seen = [client.value(where("lottery")) for _ in range(200)]
    assert set(seen) == {"node2", "node3"}
    assert 50 < seen.count("node3") < 150


def test_fast_routing(ruled):
    proxy = ruled([to("elsewhere", destination_hostgroup=51)],
                  mysql_query_rules_fast_routing=[
                      {"username": "tenant", "schemaname": "information_schema", "flagIN": 0,
                       "destination_hostgroup": 50}])
    with connect(proxy, "information_schema") as client, connect(proxy) as other:
        assert client.value(where("x") + " FOR UPDATE") == "node3"
        assert client.value(where("elsewhere")) == "node2"
        assert client.value("/* hostgroup=10 */ " + where("x")) in ("node1", "node3")
        assert other.value(where("x") + " FOR UPDATE") == "node1"


def test_firewall(ruled):
    """PROTECTING lets only listed statements pass; DETECTING and OFF let all."""
    proxy = ruled([], variables={"firewall_whitelist_enabled": True,
                                 "firewall_whitelist_errormsg": "not on the list",
                                 "eventslog_filename": "e.log", "eventslog_default_log": 1},
                  mysql_firewall_whitelist_users=[
                      {"active": 1, "username": "tenant", "client_address": "", "mode": "OFF"},
                      {"active": 1, "username": "tenant2", "client_address": "",
                       "mode": "DETECTING"}])
    listed = "SELECT 1 AS listed FROM DUAL"
    with connect(proxy) as client, \
            wire.Client(port=proxy.port, user="tenant2", password="tenant2") as watched:
        assert client.value(listed) == watched.value(listed) == "1"
        seen = wait_until(lambda: [e for e in events(proxy, "e.log") if e["query"] == listed], 10,
                          "the event")
        proxy.data["mysql_firewall_whitelist_users"][0]["mode"] = "PROTECTING"
        proxy.data["mysql_firewall_whitelist_rules"] = [
            {"active": 1, "username": "tenant", "client_address": "", "schemaname": "",
             "flagIN": 0, "digest": seen[0]["digest"]}]
        proxy.reload()
        wait_until(lambda: client.query("SELECT 2 AS unlisted")[0].payload[0] == 0xFF, 10,
                   "the firewall")
        assert error_of(client.query("SELECT 2 AS unlisted")) == (1148, "42000", "not on the list")
        assert client.value(listed) == "1"
        assert watched.value("SELECT 2 AS unlisted") == "2"


# ---------------------------------------------------------------- answers made here

def test_error_msg(ruled):
    proxy = ruled([to("forbidden", error_msg="not on this farm")])
    with connect(proxy) as client:
        for _ in range(2):
            assert error_of(client.query("SELECT 1 AS forbidden")) == \
                (1148, "42000", "not on this farm")
        client.send(bytes([wire.COM_STMT_PREPARE]) + b"SELECT ? AS forbidden")
        assert error_of(client.read_prepare())[:2] == (1148, "42000")
        assert client.value("SELECT 1") == "1"
        assert client.rows("SHOW WARNINGS")[0][1:] == ["1148", "not on this farm"]


def test_statement_prepared_before_the_rule_is_refused(ruled):
    proxy = ruled([])
    with connect(proxy) as client:
        statement = Prepared(client, "SELECT 'x' AS forbidden")
        assert statement.text() == "x"
        proxy.data["mysql_query_rules"] = numbered([to("forbidden", error_msg="gone")])
        proxy.reload()
        wait_until(lambda: statement.run()[0].payload[0] == 0xFF, 10, "the new rule")
        assert error_of(statement.run()) == (1148, "42000", "gone")


def test_what_is_learnt_does_not_bypass_rules(ruled):
    """SET and reads of variables are answered here once a node has answered them."""
    statements = ["SET SESSION sort_buffer_size=300000", "SELECT @@version_comment LIMIT 1"]
    proxy = ruled([])
    with connect(proxy) as client:
        for sql in statements * 3:
            assert client.query(sql)[0].payload[0] != 0xFF
        proxy.data["mysql_query_rules"] = numbered([
            {"match_pattern": "sort_buffer_size|version_comment", "error_msg": "no", "apply": 1}])
        proxy.reload()
        for sql in statements:
            wait_until(lambda: client.query(sql)[0].payload[0] == 0xFF, 10, "the new rule")


def test_ok_msg(ruled):
    proxy = ruled([to("swallowed", OK_msg="done, believe me"), to("longer", OK_msg="x" * 4000)])
    with connect(proxy) as client:
        packets = client.query("DELETE FROM there_is.no_such_table WHERE 1 = swallowed")
        assert len(packets) == 1 and ok_text(packets[0]) == "done, believe me"
        assert packets[0].seq == 1
        assert ok_text(client.query("DELETE FROM longer")[0]) == "x" * 4000
        statement = Prepared(client, "SELECT 1 AS swallowed")
        packets = statement.run()
        assert len(packets) == 1 and ok_text(packets[0]) == "done, believe me"
        assert client.value("SELECT 2") == "2"


def test_long_statement_refused_before_all_of_it_has_come(ruled):
    proxy = ruled([{"match_pattern": "^INSERT INTO refused", "error_msg": "too much", "apply": 1}],
                  variables={"threshold_query_length": 65536})
    with connect(proxy) as client:
        for size in (100_000, 3_000_000, 20_000_000):
            packets = client.query(b"INSERT INTO refused VALUES ('" + b"x" * size + b"')")
            assert error_of(packets) == (1148, "42000", "too much")
            assert client.value("SELECT 1") == "1"


# ---------------------------------------------------------------- rewriting

def test_rewritten_statement_is_what_runs(ruled, schema):
    proxy = ruled([
        {"match_pattern": r"'old_(\w+)'", "replace_pattern": r"'new_\1'"},
        {"match_pattern": "^SELECT writes_now$",
         "replace_pattern": "INSERT INTO rewritten SELECT @@wsrep_node_name", "apply": 1},
        {"match_pattern": "^SELECT locks_now$",
         "replace_pattern": "SELECT GET_LOCK('rewritten', 1)", "apply": 1},
    ])
    with connect(proxy, schema) as client:
        assert client.value("SELECT 'old_shoes' FROM DUAL") == "new_shoes"
        packets = client.query("SELECT 'old_shoes' FROM DUAL")
        assert [packet.seq for packet in packets] == [1, 2, 3, 4, 5]
        client.rows("CREATE TABLE rewritten (node VARCHAR(64))")
        # Its facts are those of what runs: it writes, so it goes to the writer ...
        assert client.query("SELECT writes_now")[0].payload[0] == 0
        assert client.value("SELECT node FROM rewritten") == "node1"
        # ... and takes a lock, so the session is pinned to where the lock is.
        assert client.value("SELECT locks_now") == "1"
        holder = client.value("SELECT IS_USED_LOCK('rewritten')")
        assert holder is not None
        client.rows("SELECT RELEASE_LOCK('rewritten')")
        assert Prepared(client, "SELECT 'old_hat' FROM DUAL").text() == "new_hat"


def test_rewritten_prepared_statement_has_its_parameters(ruled):
    proxy = ruled([{"match_pattern": "AS plus_one", "replace_pattern": "AS plus_one, 'extra' AS e",
                    "destination_hostgroup": 50, "apply": 1}])
    with connect(proxy) as client:
        client.send(bytes([wire.COM_STMT_PREPARE]) +
                    b"SELECT CONCAT(?, @@wsrep_node_name) AS plus_one")
        packets = client.read_prepare()
        columns, params = struct.unpack_from("<HH", packets[0].payload, 5)
        assert (columns, params) == (2, 1)
        statement, = struct.unpack_from("<I", packets[0].payload, 1)
        client.send(wire.execute_packet(statement, ["on "]))
        row = client.read_query()[4].payload
        assert b"on node3" in row and b"extra" in row, row


# ---------------------------------------------------------------- time

def running(cluster, tag):
    return [n for n in NODES for _, _, info in cluster.threads(n, "tenant") if info and tag in info]


def test_timeout_kills_the_statement_and_nothing_else(ruled, cluster):
    proxy = ruled([to("too_slow", timeout=300)])
    with connect(proxy) as client, connect(proxy) as other:
        other.send(b"\x03SELECT SLEEP(2) AS may_take_long")
        for _ in range(2):
            began = time.monotonic()
            packets = client.query("SELECT SLEEP(30) AS too_slow")
            assert time.monotonic() - began < 15 * PATIENCE
            assert error_of(packets)[0] == 1317
            assert error_of(packets)[-1].endswith("longer than the 300 ms of the rule with "
                                                  "rule_id 10")
        assert error_of(Prepared(client, "SELECT SLEEP(30) AS too_slow").run())[0] == 1317
        wait_until(lambda: not running(cluster, "too_slow"), 10, "the statement to be gone")
        assert client.value("SELECT 5") == "5"
        assert client.value("SELECT 6 AS too_slow FROM DUAL") == "6"  # in time: nothing happens
        assert wire.text_row(other.read_query()[3].payload, 1) == ["0"]


def test_timeout_of_a_statement_that_is_not_killed_by_it(ruled, schema):
    """A write is killed and undone; the transaction it belongs to goes on."""
    proxy = ruled([to("too_slow", timeout=300)])
    with connect(proxy, schema) as client:
        client.rows("CREATE TABLE t (a INT PRIMARY KEY)")
        client.rows("BEGIN")
        client.rows("INSERT INTO t VALUES (1)")
        error_of(client.query("INSERT INTO t SELECT 2 + SLEEP(30) AS too_slow"))
        client.rows("COMMIT")
        assert client.rows("SELECT a FROM t") == [["1"]]


def test_default_query_timeout(ruled):
    proxy = ruled([to("own", timeout=60000)], variables={"default_query_timeout": 1000})
    with connect(proxy) as client, connect(proxy) as own:
        own.send(b"\x03SELECT SLEEP(4) AS own")
        error = error_of(client.query("SELECT SLEEP(30) AS plain"))
        assert error[0] == 1317
        assert error[-1].endswith("longer than mysql-default_query_timeout")
        assert wire.text_row(own.read_query()[3].payload, 1) == ["0"]


def test_delay_is_of_its_statement_alone(ruled):
    proxy = ruled([to("later", delay=1500)])
    with connect(proxy) as late, connect(proxy) as early:
        late.send(b"\x03SELECT 'a' AS later")
        for i in range(20):
            assert early.value(f"SELECT {i}") == str(i)
        assert not late.readable(), "it was not delayed"
        assert wire.text_row(late.read_query()[3].payload, 1) == ["a"]
        statement = Prepared(late, "SELECT 'b' AS later")
        late.send(wire.execute_packet(statement.id, []))
        for i in range(20):
            assert early.value(f"SELECT {i}") == str(i)
        assert not late.readable(), "it was not delayed"
        late.read_query()


def test_delayed_client_may_send_ahead_be_killed_or_leave(ruled):
    proxy = ruled([to("later", delay=1000), to("never", delay=3600000)],
                  variables={"shutdown_timeout_ms": 1000})
    with connect(proxy) as client, connect(proxy) as killer:
        client.send(b"\x03SELECT 'a' AS later")
        client.send(b"\x03SELECT 'b'")
        assert wire.text_row(client.read_query()[3].payload, 1) == ["a"]
        assert wire.text_row(client.read_query()[3].payload, 1) == ["b"]
        client.send(b"\x03SELECT 1 AS never")
        wait_until(lambda: kill_answer(killer, client) and client.readable(0.1), 10, "the kill")
        assert error_of(client.read_query())[0] == 1317
        assert client.value("SELECT 7") == "7"
        leaver = connect(proxy)
        leaver.send(b"\x03SELECT 1 AS never")
        leaver.abort()
        client.send(b"\x03SELECT 1 AS never")  # is cut off by the end of the proxy
        proxy.stop()


def kill_answer(killer, victim):
    return killer.query(f"KILL QUERY {victim.thread_id}")[0].payload[0] == 0


def test_default_query_delay(ruled):
    proxy = ruled([to("at_once", delay=0)], variables={"default_query_delay": 1000})
    with connect(proxy) as late, connect(proxy) as early:
        late.send(b"\x03SELECT 'a'")
        for _ in range(10):
            early.value("SELECT 1 AS at_once")
        assert not late.readable(), "it was not delayed"
        late.read_query()


@pytest.mark.parametrize("variable", ["max_transaction_time", "max_transaction_idle_time"])
def test_long_transaction_is_ended(ruled, variable, schema):
    proxy = ruled([], variables={variable: 1000})
    with connect(proxy, schema) as other:
        other.rows("CREATE TABLE t (a INT PRIMARY KEY)")
        client = connect(proxy, schema)
        client.rows("BEGIN")
        client.rows("INSERT INTO t VALUES (1)")
        assert client.at_end()
        assert other.rows("SELECT a FROM t FOR UPDATE") == []


# ---------------------------------------------------------------- connections

def test_multiplex(ruled):
    proxy = ruled([to("stay", multiplex=0, destination_hostgroup=10), to("let_go", multiplex=1),
                   to("to50", destination_hostgroup=50), to("dirty", multiplex=2)])
    with connect(proxy) as client:
        assert client.value(where("to50")) == "node3"
        client.rows("SELECT 1 AS stay")
        for _ in range(3):
            assert client.value(where("to50")) == "node1"
        client.rows("SELECT 1 AS let_go FROM DUAL")
        assert client.value(where("to50")) == "node3"
        client.rows("SELECT @x := 1 AS dirty")
        assert client.value(where("to50")) == "node3"
        client.rows("SELECT @x := 1 AS pins")
        assert client.value(where("to50")) == "node1"


def test_multiplex_1_where_multiplexing_is_off(ruled):
    proxy = ruled([to("let_go", multiplex=1), to("to50", destination_hostgroup=50)],
                  variables={"multiplexing": False})
    with connect(proxy) as client:
        client.rows("SELECT 1 FROM DUAL FOR UPDATE")
        assert client.value(where("to50")) == "node1"
        client.rows("SELECT 1 AS let_go FROM DUAL")
        assert client.value(where("to50")) == "node3"


def test_sticky_conn(ruled):
    proxy = ruled([to("glue", sticky_conn=1, destination_hostgroup=51),
                   to("solvent", sticky_conn=0), to("to50", destination_hostgroup=50)])
    with connect(proxy) as client:
        client.rows("SELECT 1 AS glue")
        assert client.value(where("to50")) == "node2"
        assert client.value(where("unruled") + " FOR UPDATE") == "node2"
        client.rows("SELECT 1 AS solvent FROM DUAL")
        assert client.value(where("to50")) == "node3"


def test_retries(ruled, cluster):
    """A read whose connection is lost is sent again, unless the rule says retries=0."""
    proxy = ruled([to("once", retries=0, destination_hostgroup=50),
                   to("again", destination_hostgroup=50)])

    def kill(tag):
        return [cluster.sql(3, f"KILL CONNECTION {thread}")
                for thread, _, info in cluster.threads(3, "tenant") if info and tag in info]

    with connect(proxy) as client:
        client.send(b"\x03SELECT SLEEP(3) AS again")
        wait_until(lambda: kill("again"), 10, "the statement on node 3")
        assert wire.text_row(client.read_query()[3].payload, 1) == ["0"]
        client.send(b"\x03SELECT SLEEP(3) AS once")
        wait_until(lambda: kill("once"), 10, "the statement on node 3")
        assert error_of(client.read_query())[0] in (2013, 1927)
        assert client.value("SELECT 1") == "1"


# ---------------------------------------------------------------- mirrors

def nodes_of(client, table):
    return sorted(row[0] for row in client.rows(f"SELECT node FROM {table} FOR UPDATE"))


def test_mirror(ruled, schema):
    proxy = ruled([
        to("INTO twice", mirror_hostgroup=50),
        to("INTO original", mirror_hostgroup=51, mirror_flagOUT=9),
        {"flagIN": 9, "match_pattern": "INTO original", "replace_pattern": "INTO copies",
         "apply": 1},
        to("INTO hinted", mirror_hostgroup=50, mirror_flagOUT=7),
        to("INTO refused", mirror_flagOUT=8, mirror_hostgroup=50),
        {"flagIN": 8, "match_digest": ".", "error_msg": "no copy", "apply": 1},
    ])
    with connect(proxy, schema) as client:
        for table in ("twice", "original", "copies", "refused", "hinted"):
            client.rows(f"CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, "
                        "node VARCHAR(64))")
        for table in ("twice", "original", "refused"):
            insert = f"INSERT INTO {table} (node) VALUES (@@wsrep_node_name)"
            # DDL may not have reached the other nodes when the first copy runs there
            client.rows(insert)
        wait_until(lambda: nodes_of(client, "twice") == ["node1", "node3"] or
                   client.query("INSERT INTO twice (node) VALUES (@@wsrep_node_name)") and
                   "node3" in nodes_of(client, "twice"), 10, "the copy on node 3")
        wait_until(lambda: nodes_of(client, "copies") == ["node2"] or
                   client.query("INSERT INTO original (node) VALUES (@@wsrep_node_name)") and
                   "node2" in nodes_of(client, "copies"), 10, "the rewritten copy on node 2")
        assert set(nodes_of(client, "original")) == {"node1"}
        # A hint is for the statement: its copy goes where the rule says.
        hinted = "/* hostgroup=51 */ INSERT INTO hinted (node) VALUES (@@wsrep_node_name)"
        client.rows(hinted)
        wait_until(lambda: nodes_of(client, "hinted") == ["node2", "node3"] or
                   client.query(hinted) and "node3" in nodes_of(client, "hinted"), 10,
                   "the copy on node 3")
        assert nodes_of(client, "hinted").count("node2") >= 1
        assert nodes_of(client, "refused") == ["node1"]
    with wire.Client(port=proxy.admin_port, user="admin", password="admin") as admin:
        # Copies are counted as statements of their hostgroup.
        for hostgroup in (50, 51):
            assert int(admin.value("SELECT SUM(Queries) FROM stats_mysql_connection_pool "
                                   f"WHERE hostgroup={hostgroup}")) > 0
            assert int(admin.value("SELECT SUM(count_star) FROM stats_mysql_query_digest WHERE "
                                   f"hostgroup={hostgroup} AND digest_text LIKE 'INSERT%'")) > 0
        assert int(admin.value("SELECT COUNT(*) FROM stats_mysql_query_digest WHERE hostgroup=51 "
                               "AND digest_text LIKE 'INSERT INTO copies%'")) == 1


def test_mirror_never_delays_the_client(ruled):
    proxy = ruled([to("quick", mirror_flagOUT=9, mirror_hostgroup=50),
                   {"flagIN": 9, "match_pattern": "^.*$", "replace_pattern": "SELECT SLEEP(5)",
                    "apply": 1}],
                  variables={"mirror_max_concurrency": 2, "mirror_max_queue_length": 10})
    with connect(proxy) as client:
        began = time.monotonic()
        for i in range(200):
            assert client.value(f"SELECT {i} AS quick FROM DUAL") == str(i)
        assert time.monotonic() - began < 5 * PATIENCE


# ---------------------------------------------------------------- the statement log

def events(proxy, name="events.log"):
    lines = []
    for path in sorted(proxy.folder.glob(f"{name}.*")):
        lines += [json.loads(line) for line in path.read_text().splitlines()]
    return lines


def test_log(ruled, schema):
    proxy = ruled([to("logged", log=1, destination_hostgroup=51), to("swallowed", log=1, OK_msg="x")],
                  variables={"eventslog_filename": "events.log"})
    with connect(proxy, schema) as client:
        client.rows("SELECT 'é' AS logged UNION SELECT 'b'")
        client.rows("SELECT 1 AS unruled")
        client.rows("DELETE FROM swallowed")
        Prepared(client, "SELECT 1 AS logged").run()
        seen = wait_until(lambda: len(events(proxy)) >= 4 and events(proxy), 10, "four events")
    assert [e["event"] for e in seen] == ["COM_QUERY", "COM_QUERY", "COM_STMT_PREPARE",
                                          "COM_STMT_EXECUTE"]
    first = seen[0]
    assert first["query"] == "SELECT 'é' AS logged UNION SELECT 'b'"
    assert first["hostgroup_id"] == 51 and first["username"] == "tenant"
    assert first["schemaname"] == schema and first["rows_sent"] == 2
    assert first["client"] == "127.0.0.1" and "server" in first
    assert first["duration_us"] >= 0 and len(first["digest"]) == 18
    assert seen[1]["hostgroup_id"] == -1 and "server" not in seen[1]


def test_default_log_and_new_files(ruled):
    proxy = ruled([to("secret", log=0)],
                  variables={"eventslog_filename": "all.log", "eventslog_default_log": 1,
                             "eventslog_filesize": 1048576})
    filler = "x" * 60000
    with connect(proxy) as client:
        for i in range(60):
            client.rows(f"SELECT {i}, LENGTH('{filler}') FROM DUAL")
            client.rows("SELECT 1 AS secret")
        wait_until(lambda: len(events(proxy, "all.log")) >= 60, 10, "sixty events")
    seen = events(proxy, "all.log")
    assert not [e for e in seen if "secret" in e["query"]]
    assert len(list(proxy.folder.glob("all.log.*"))) >= 2


# ---------------------------------------------------------------- hints

def test_hints_need_no_rule(ruled):
    proxy = ruled([])
    with connect(proxy) as client:
        for _ in range(3):
            assert client.value("/* hostgroup=50 */ " + where("x")) == "node3"
            assert client.value("/*hostgroup=10;*/" + where("x")) == "node1"
        assert client.value(where("x")) in ("node2", "node3")
        packets = client.query("/* query_timeout=300; hostgroup=51 */ SELECT SLEEP(30)")
        assert error_of(packets)[0] == 1317
        with connect(proxy) as early:
            client.send(b"\x03/* query_delay=1000 */ SELECT 1")
            early.value("SELECT 1")
            assert not client.readable(), "it was not delayed"
            client.read_query()
        # a comment that is no hint, and one that is not the first
        assert client.value("/* hello */ " + where("x") + " /* hostgroup=10 */") != "node1"


def test_hint_for_a_new_connection(ruled):
    """What a connection has been asked so far tells how old it is."""
    proxy = ruled([])
    asked = ("SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS "
             "WHERE VARIABLE_NAME = 'QUESTIONS'")
    with connect(proxy) as client:
        fresh = [int(client.value("/* create_new_connection=1; hostgroup=50 */ " + asked))
                 for _ in range(3)]
        used = [int(client.value("/* hostgroup=50 */ " + asked)) for _ in range(3)]
    assert len(set(fresh)) == 1, fresh
    assert used[0] < used[1] < used[2], used
    assert used[0] > fresh[0]


# ---------------------------------------------------------------- reloads

class Load(Background):
    """Clients whose statements are ruled; each answer is checked."""

    def __init__(self, proxy, schema, clients=6):
        super().__init__(clients)
        self.proxy, self.schema = proxy, schema
        self.counts = [0] * clients

    def work(self, number):
        rng = random.Random(number)
        with connect(self.proxy, self.schema, timeout=60) as client:
            prepared = Prepared(client, where("to51"))
            steps = [lambda: client.value(where("to50")) == "node3",
                     lambda: prepared.text() == "node2",
                     lambda: error_of(client.query("SELECT 1 AS forbidden"))[2] == "never",
                     lambda: client.value("SELECT 'old' AS renamed FROM DUAL") == "new",
                     lambda: client.value("SELECT 'plain' FROM DUAL") == "plain",
                     lambda: self.add(client, number)]
            while self.goes_on():
                step = rng.randrange(len(steps))
                if not steps[step]():
                    raise AssertionError(f"step {step} went wrong")

    def add(self, client, number):
        packets = client.query(f"UPDATE counters SET n = n + 1 WHERE id = {number}")
        self.counts[number] += 1
        return wire.parse_ok(packets[0].payload)[0] == 1


def reload_rules(generation):
    """Always the same for the load; what tells the generations apart comes and goes."""
    rules = [to("to50", destination_hostgroup=50), to("to51", destination_hostgroup=51),
             to("forbidden", error_msg="never"),
             {"match_pattern": "'old' AS renamed", "replace_pattern": "'new' AS renamed"},
             to("generation", OK_msg=str(generation))]
    rules += [{"match_digest": f"^UPDATE nothing_{i} ", "destination_hostgroup": 10}
              for i in range(generation % 20)]
    random.Random(generation).shuffle(rules)
    return numbered(rules)


def test_reloads_under_load(ruled, schema):
    """Not one statement fails or is decided by half of a configuration."""
    proxy = ruled(reload_rules(0))
    with connect(proxy, schema) as client:
        client.rows("CREATE TABLE counters (id INT PRIMARY KEY, n INT NOT NULL)")
        client.rows("INSERT INTO counters VALUES " + ",".join(f"({i},0)" for i in range(6)))
        generation = 0
        with Load(proxy, schema) as load:
            while generation < RELOADS and not load.faults:
                generation += 1
                proxy.data["mysql_query_rules"] = reload_rules(generation)
                proxy.reload()
                wait_until(lambda: ok_text(client.query("SELECT generation")[0]) ==
                           str(generation), 20, f"generation {generation}", every=0.0005)
        assert not load.faults, load.faults
        rows = client.rows("SELECT n FROM counters ORDER BY id FOR UPDATE")
        assert [int(row[0]) for row in rows] == load.counts
        print(f"{generation} reloads, {sum(load.counts)} writes")
    proxy.check_alive()
