# SPDX-License-Identifier: Apache-2.0
"""Clients with SESSION_TRACK are told what a node would tell them, whoever else uses their connections.

sequences/session_track.py has what one session is told; here several share one server connection, are answered without
a node, lose theirs; and real clients that live by it.
"""
import shutil

import pytest

import wire
from conftest import need
from test_clients import environment
from util import CLIENTS, Direct, run, wait_until

TRACK = wire.DEFAULT_CAPS | wire.SESSION_TRACK
EOFLESS = TRACK | wire.DEPRECATE_EOF
ALL = "SET session_track_system_variables='*'"
LETTERS = "SET session_track_transaction_info='STATE'"
STATEMENTS_TO_RESET = "SET time_zone='SYSTEM', sql_mode=DEFAULT, lock_wait_timeout=86400"


def one_connection(cluster, **variables):
    """Options of a proxy whose clients all use the same server connection."""
    server = {"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10, "max_connections": 1,
              "weight": 1000}
    return {"servers": [server],
            "variables": {"threads": 1, "connect_timeout_server_max": 5000, **variables}}


def answer(client, statement):
    if statement == "reset":
        client.send(bytes([wire.COM_RESET_CONNECTION]))
        return client.read_one()
    if statement.startswith("init_db "):
        client.send(bytes([wire.COM_INIT_DB]) + statement[8:].encode())
        return client.read_one()
    if statement.startswith("execute "):  # its parameter is longer than what is kept of a command
        client.send(wire.execute_packet(client.prepare(statement[8:]), ["x" * LONG]))
        return client.read_query(infile=b"7\n8\n")
    return client.query(statement, infile=b"7\n8\n")


def play(port, schema, clients, script):
    """clients: {name: capabilities}; script: [(name, statement)]: [(name, statement, packets)], logins first."""
    opened, said = {}, []
    try:
        for name, caps in clients.items():
            opened[name] = wire.Client(port=port, user="tenant", password="tenant", db=schema, caps=caps)
            said.append((name, "login", [wire.in_order(p) for p in opened[name].login_packets[1:]]))
        for name, statement in script:
            said.append((name, statement, [wire.in_order(p) for p in answer(opened[name], statement)]))
    finally:
        for client in opened.values():
            client.close()
    return said


def same(expected, got):
    for want, have in zip(expected, got, strict=True):
        assert want == have, "\n".join([f"{want[:2]}", *map(wire.describe, want[2]), "but",
                                        *map(wire.describe, have[2])])


def told(packets):
    """What the last packet says, {type: data} with variables as a dictionary under 0."""
    found = wire.ok_changes(packets[-1].payload)
    changes = {}
    for kind, data in wire.changes_of(found[1]) if found else []:
        if kind == 0:
            changes.setdefault(0, {})[data[0].decode()] = data[1].decode()
        else:
            changes[kind] = data
    return changes


LONG = 900000
LONG_REST = f" /* {'x' * LONG} */"


@pytest.mark.parametrize("caps", [TRACK, TRACK | wire.MULTI_STATEMENTS | wire.PS_MULTI_RESULTS], ids=["one", "several"])
@pytest.mark.parametrize("statement", [
    "SET session_track_state_change=1" + LONG_REST,
    "SET session_track_schema=0, session_track_system_variables='time_zone'" + LONG_REST,
    "SELECT @@session_track_schema" + LONG_REST,
    "EXECUTE IMMEDIATE 'SET session_track_schema=0'" + LONG_REST,
    "execute SELECT @@session_track_schema, LENGTH(?)",
    "execute SET @a=CONCAT(@@session_track_schema, ?)",
    "EXECUTE IMMEDIATE 'SET session_track_schema=0'",
    "LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE tracked (id) SET a=@@session_track_schema",
    "LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE tracked (id) SET a=@@session_track_schema" + LONG_REST,
    "execute LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE tracked (id) SET a=@@session_track_schema+LENGTH(?)",
    "EXECUTE IMMEDIATE \"LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE tracked (id) SET a=@@session_track_schema\"",
], ids=lambda statement: statement[:50])
def test_nothing_is_asked_before_a_command_has_ended(cluster, galeway, schema, statement, caps):
    """Its rest, or a file, is still to come: a question of ours would be taken for that."""
    clients = {"main": caps | wire.LOCAL_FILES, "other": TRACK}
    again = ("main", f"USE {schema}"), ("main", "SET time_zone='+01:00'"), ("main", "SELECT @@session_track_schema")
    script = [("main", "CREATE OR REPLACE TABLE tracked (id INT PRIMARY KEY, a INT)"), ("main", statement), *again,
              ("main", "EXECUTE IMMEDIATE 'SET session_track_schema=1'"), ("main", statement), *again,
              ("main", "SELECT id, a FROM tracked ORDER BY id"), ("main", "reset"), ("other", f"USE {schema}"),
              ("main", f"USE {schema}")]
    expected = play(cluster.port(1), schema, clients, script)
    options = one_connection(cluster)
    options["variables"]["enable_load_data_local_infile"] = True
    same(expected, play(galeway(**options).port, schema, clients, script))


# ---------------------------------------------------------------- several on one connection

def test_each_is_told_its_own(cluster, galeway, schema):
    clients = {"all": TRACK, "usual": TRACK, "eofless": EOFLESS, "nothing": TRACK, "plain": wire.DEFAULT_CAPS}
    script = [("all", ALL), ("nothing", "SET session_track_system_variables='', session_track_schema=OFF"),
              ("eofless", LETTERS), ("all", "SET session_track_state_change=1")]
    everyone = ("SET sql_mode='ANSI'", f"USE {schema}", "SET lock_wait_timeout=9", "SELECT 1",
                "SET time_zone='+01:00'", "SET NAMES latin1", "CREATE OR REPLACE TABLE w (a INT)",
                "INSERT INTO w VALUES (1)", "SELECT * FROM w", "init_db information_schema", "DO 0",
                "SELECT @@session_track_schema, @@session_track_system_variables",
                "SELECT @@time_zone, @@sql_mode", f"USE {schema}", STATEMENTS_TO_RESET)
    script += [(name, statement) for statement in everyone for name in clients]
    script += [("eofless", "BEGIN"), ("eofless", "INSERT INTO w VALUES (2)"), ("eofless", "SELECT * FROM w"),
               ("eofless", "COMMIT"), ("usual", "BEGIN"), ("usual", "COMMIT"), ("all", "reset"), ("all", everyone[0]),
               ("all", everyone[4]), ("nothing", "reset"), ("nothing", everyone[4]), ("eofless", "BEGIN"),
               ("eofless", "COMMIT")]
    expected = play(cluster.port(1), schema, clients, script)
    same(expected, play(galeway(**one_connection(cluster)).port, schema, clients, script))


def test_what_a_statement_owes_is_not_told_to_another(cluster, galeway, schema):
    """With the next OK that reports something a node tells what SET STATEMENT set back."""
    proxy = galeway(**one_connection(cluster))
    with wire.Client(port=proxy.port, user="tenant", password="tenant", caps=TRACK) as other:
        other.query(ALL)
        for caps in (wire.DEFAULT_CAPS, TRACK):
            with wire.Client(port=proxy.port, user="tenant", password="tenant", db=schema, caps=caps) as client:
                client.query("CREATE TABLE IF NOT EXISTS w (a INT)")
                for statement in ("SET STATEMENT lock_wait_timeout=5 FOR SELECT 1",
                                  "SET STATEMENT lock_wait_timeout=5 FOR DO 0",
                                  "SET STATEMENT lock_wait_timeout=5 FOR INSERT INTO w VALUES (1)"):
                    client.query(statement)
                    assert told(other.query("SET time_zone='+02:00'")) == {0: {"time_zone": "+02:00"}}, statement


# ---------------------------------------------------------------- answered without a node

LOGIN = ("SET autocommit=1, session_track_schema=1, sql_mode=CONCAT(@@sql_mode,',STRICT_TRANS_TABLES'), "
         "session_track_system_variables=CONCAT(@@session_track_system_variables,',tx_isolation')")


@pytest.mark.parametrize("caps", [TRACK, EOFLESS, wire.DEFAULT_CAPS], ids=["eofs", "eofless", "not-asked"])
def test_a_login_like_a_drivers_needs_no_node(cluster, site, schema, caps):
    here = site(**one_connection(cluster))
    script = [("main", s) for s in (LOGIN, "SET NAMES utf8mb4", f"USE {schema}", "init_db information_schema",
                                    "SELECT @@session_track_system_variables", "SET time_zone='+01:00'")]
    expected = play(cluster.port(1), schema, {"main": caps}, script)
    for _ in range(3):
        same(expected, play(here.proxy.port, schema, {"main": caps}, script))
    before = here.console.status("Answered_here")
    same(expected, play(here.proxy.port, schema, {"main": caps}, script))
    assert here.console.status("Answered_here") - before >= len(script)


def test_who_sets_them_shares_connections(cluster, site):
    """A SET of session_track_* kept the connection for the session's life."""
    here = site(**one_connection(cluster))
    clients = [here.client(caps=TRACK) for _ in range(3)]
    for client in clients:
        assert told(client.query(LOGIN)) == {}  # the list is set last
    for client in clients:
        assert client.value("SELECT @@session_track_system_variables").endswith("time_zone,tx_isolation")
        assert told(client.query("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE")) == {
            0: {"tx_isolation": "SERIALIZABLE"}}
    assert here.console.rows("SELECT * FROM stats_pins") == []


@pytest.mark.parametrize("caps", [TRACK, EOFLESS], ids=["eofs", "eofless"])
def test_cached_answers(cluster, galeway, schema, caps):
    cluster.sql(1, f"CREATE TABLE {schema}.kept (a INT)")
    cluster.sql(1, f"INSERT INTO {schema}.kept VALUES (1)")
    cluster.catch_up()
    proxy = galeway(connections=4, variables={"query_cache_auto": True, "query_cache_size_MB": 8})
    clients = {"first": caps, "second": caps, "plain": caps & ~wire.SESSION_TRACK}
    script = [("first", LETTERS), ("second", ALL)]
    script += [(name, "SELECT * FROM kept") for _ in range(4) for name in clients]
    script += [("first", "BEGIN"), ("first", "SELECT * FROM kept"), ("first", "COMMIT")]
    script += [(name, "SELECT * FROM kept") for name in clients]
    same(play(cluster.port(1), schema, clients, script), play(proxy.port, schema, clients, script))


# ---------------------------------------------------------------- a connection is lost

def kill_connections(cluster, schema):
    """Those of one test: others use the node, too."""
    def threads():
        return cluster.sql(1, "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = %s", (schema,))

    assert threads()
    for (thread,) in threads():
        cluster.sql(1, f"KILL {thread}")
    wait_until(lambda: not threads(), what="the test's connections to end")


def test_another_connection_tells_as_before(cluster, galeway, schema):
    before = ("SET session_track_system_variables='sql_mode,session_track_schema', session_track_state_change=1",
              LETTERS, "SET sql_mode='ANSI'")
    after = ("SET time_zone='+01:00'", "SET sql_mode=''", f"USE {schema}", "BEGIN", "COMMIT", "SET session_track_schema=0",
             f"USE {schema}", "SELECT @@session_track_system_variables, @@session_track_transaction_info")
    expected = play(cluster.port(1), schema, {"main": TRACK}, [("main", s) for s in before + after])[1 + len(before):]
    proxy = galeway(**one_connection(cluster))
    with wire.Client(port=proxy.port, user="tenant", password="tenant", db=schema, caps=TRACK) as client:
        for statement in before:
            answer(client, statement)
        kill_connections(cluster, schema)
        for (_, _, want), statement in zip(expected, after, strict=True):
            assert [wire.in_order(p) for p in answer(client, statement)] == want, statement


def test_a_lost_transaction_is_told_to_be_over(fragile_cluster, galeway):
    """Its ROLLBACK is answered here: the node is gone."""
    nodes = fragile_cluster
    schema = nodes.make_schema("cmp_lost_transaction")
    proxy = galeway(nodes=nodes)
    changes = {"STATE": {5: b"\x08________"}, "CHARACTERISTICS": {5: b"\x08________", 4: b"\0"}, "OFF": {}}
    clients = {value: wire.Client(port=proxy.port, user="tenant", password="tenant", db=schema, caps=TRACK)
               for value in changes}
    for value, client in clients.items():
        client.query(f"SET session_track_transaction_info='{value}'")
        client.query("BEGIN")
        client.query(f"INSERT INTO t VALUES ({len(value) + 10}, 0)")
    nodes.script("freeze", "1")
    for client in clients.values():
        client.send(bytes([wire.COM_QUERY]) + b"ROLLBACK")
    nodes.script("kill", "1")
    for value, client in clients.items():
        said = client.read_query()
        assert said[0].payload[0] == 0, wire.describe(said[0])
        assert told(said) == changes[value], value
        assert client.value("SELECT COUNT(*) FROM t") == "2"
        client.close()


# ---------------------------------------------------------------- real clients

def both(cluster, proxy, schema, command, **more):
    """What the program prints on a node and through the proxy, twice: learnt answers are the same."""
    direct = run(command, env={**environment(Direct(cluster), schema), **more}).stdout
    for _ in range(2):
        assert run(command, env={**environment(proxy, schema), **more}).stdout == direct
    return direct


def in_blocks(text):
    """Each statement with what is printed of it, sorted: a node's order of variables is its own."""
    blocks = []
    for line in text.splitlines():
        if not line.startswith(" "):
            blocks.append([line])
        else:
            blocks[-1].append(line)
    return [[block[0], *sorted(block[1:])] for block in blocks]


def test_connector_c(cluster, proxy, schema, tmp_path):
    need("mariadb_config", "libmariadb-dev")
    program = tmp_path / "track"
    flags = run(["mariadb_config", "--cflags", "--libs"]).stdout.split()
    run(["cc", "-Wall", "-Wextra", "-Werror", CLIENTS / "c" / "track.c", "-o", program, *flags])
    expected = in_blocks(run([program], env=environment(Direct(cluster), schema)).stdout)
    assert ["SET time_zone='+01:00'", "  0: +01:00", "  0: time_zone"] in expected, expected
    for _ in range(2):  # the second time it is answered without a node
        assert in_blocks(run([program], env=environment(proxy, schema)).stdout) == expected


def test_node_js(cluster, proxy, schema, node_modules):
    printed = both(cluster, proxy, schema, ["node", CLIENTS / "node" / "track.js"], NODE_PATH=str(node_modules))
    assert '["time_zone","+01:00"]' in printed, printed


def test_connector_j(cluster, proxy, schema):
    need("java", "default-jre-headless")
    if not shutil.which("javac"):
        pytest.skip("there is no Java compiler (a JRE alone cannot run Track.java)")
    printed = both(cluster, proxy, schema, ["java", "-Xmx256m", "-cp", "/usr/share/java/mariadb-java-client.jar",
                                            CLIENTS / "java" / "Track.java"])
    assert "USE information_schema: information_schema true" in printed, printed
