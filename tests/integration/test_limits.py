# SPDX-License-Identifier: Apache-2.0
"""Limits on clients: each has its error, its counter, its line; who is refused takes no place."""
import contextlib
import time

import pymysql
import pytest

import wire
from console import Console
from util import PATIENCE, account, wait_until

TENANT = {"user": "tenant", "password": "tenant"}
HOSTS = "stats_mysql_client_host_cache"


@pytest.fixture
def make(galeway):
    def make_one(users=None, **variables):
        proxy = galeway(users=users, variables={"threads": 1, "failed_login_delay_ms": 0,
                                                **variables})
        proxy.console = Console(proxy)
        return proxy
    return make_one


def connect(proxy, source="127.0.0.1", **options):
    return wire.Client(port=proxy.port, source=source, **{**TENANT, **options})


def error_of(proxy, **options):
    with pytest.raises(wire.ServerError) as error:
        connect(proxy, **options)
    return error.value


def set_variable(proxy, name, value):
    proxy.console.run(f"SET mysql-{name}={value}")
    proxy.console.run("LOAD MYSQL VARIABLES TO RUNTIME")


def test_clients_of_an_address(make):
    proxy = make(max_connections_per_address=2)
    clients = [connect(proxy, "127.0.0.5") for _ in range(2)]
    error = error_of(proxy, source="127.0.0.5")
    assert error.errno == 1040 and "'127.0.0.5': 2" in error.text
    with connect(proxy, "127.0.0.6") as other, wire.Client(unix=proxy.unix, **TENANT):
        assert other.value("SELECT 1") == "1"
    assert proxy.console.status("Access_Denied_Max_Address_Connections") == 1
    assert "refused: Too many connections from '127.0.0.5': 2" in proxy.log_path.read_text()
    clients.pop().close()
    # Its place is free when its end was read.
    clients.append(wait_until(lambda: try_connect(proxy, "127.0.0.5"), what="a free place"))
    assert clients[-1].value("SELECT 1") == "1"
    set_variable(proxy, "max_connections_per_address", 0)
    clients.append(connect(proxy, "127.0.0.5"))
    for client in clients:
        client.close()


def try_connect(proxy, source):
    try:
        return connect(proxy, source)
    except wire.ServerError:
        return None


def test_clients_of_an_address_behind_a_balancer(make):
    """The address that counts is the client's; the refusal comes as the answer to its login."""
    proxy = make(max_connections_per_address=1, proxy_protocol_networks="127.0.0.2")

    def behind(client):
        ahead = f"PROXY TCP4 {client} 10.1.1.1 5000 3306\r\n".encode()
        return wire.Client(port=proxy.port, source="127.0.0.2", ahead=ahead, **TENANT)

    with behind("192.0.2.1"), behind("192.0.2.2") as second:
        with pytest.raises(wire.ServerError) as refused:
            behind("192.0.2.1")
        assert (refused.value.errno, refused.value.sqlstate) == (1040, "08004")
        assert "'192.0.2.1'" in refused.value.text
        assert second.value("SELECT 1") == "1"


def test_who_names_an_address_and_no_user_has_a_place_at_it(make):
    """Behind a balancer, too: it has none beyond the limit for long, and a login that never comes counts."""
    proxy = make(max_connections_per_address=2, proxy_protocol_networks="127.0.0.2", client_host_cache_size=5,
                 connect_timeout_client=int(4000 * PATIENCE))
    ahead = b"PROXY TCP4 192.0.2.1 10.1.1.1 5000 3306\r\n"
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(wire.Client(port=proxy.port, source="127.0.0.2", ahead=ahead, login=False, **TENANT))
                  for _ in range(20)]
        wait_until(lambda: proxy.console.status("Access_Denied_Max_Address_Connections") == 18, what="18 to be refused")
        wait_until(lambda: proxy.console.status("Client_Connections_connected") == 2, 10, "18 to be closed")
        wait_until(lambda: proxy.console.status("Client_Connections_connected") == 0, 10, "all to be closed")
        row = proxy.console.row(f"SELECT * FROM {HOSTS}")
        assert (row["client_address"], row["error_count"]) == ("192.0.2.1", 2)
        assert all(client.sock.recv(1) == b"" for client in silent)


@pytest.mark.parametrize("name", ["max_connects_per_sec", "max_connects_per_sec_per_address"])
def test_connects_a_second(make, name):
    proxy = make()
    set_variable(proxy, name, 5)
    refused = []

    def storm():
        """In one second of the proxy's clock, wherever it begins: eleven are too many."""
        for _ in range(11):
            try:
                connect(proxy, "127.0.0.5").close()
            except wire.ServerError as error:
                refused.append(error)
        return refused

    wait_until(storm, 10, "a refusal")
    assert {error.errno for error in refused} == {1040}
    assert f"mysql-{name}" in refused[0].text
    assert proxy.console.status("Access_Denied_Max_Connects_Per_Sec") == len(refused)
    wait_until(lambda: try_connect(proxy, "127.0.0.5"), 5, "the next second").close()


def test_blocked_after_failed_logins(make):
    proxy = make(client_host_cache_size=10, client_host_error_counts=3)
    for n in range(3):
        assert error_of(proxy, source="127.0.0.5", password="wrong").errno == 1045
        row = proxy.console.row(f"SELECT * FROM {HOSTS}")
        assert (row["client_address"], row["error_count"]) == ("127.0.0.5", n + 1)
        assert abs(row["last_updated"] - time.time()) < 5
    error = error_of(proxy, source="127.0.0.5")
    assert error.errno == 1129 and "'127.0.0.5' is blocked" in error.text
    assert "PROXYSQL FLUSH MYSQL CLIENT HOSTS" in error.text
    assert proxy.console.status("Access_Denied_Blocked_Host") == 1
    connect(proxy, "127.0.0.6").close()  # another address is not concerned
    proxy.console.run("PROXYSQL FLUSH MYSQL CLIENT HOSTS")
    assert proxy.console.rows(f"SELECT * FROM {HOSTS}") == []
    connect(proxy, "127.0.0.5").close()


def test_who_is_blocked_keeps_no_others_out(make):
    proxy = make(client_host_cache_size=10, client_host_error_counts=1, max_connects_per_sec=20)
    assert error_of(proxy, source="127.0.0.5", password="wrong").errno == 1045
    assert {error_of(proxy, source="127.0.0.5").errno for _ in range(300)} == {1129}
    assert proxy.console.status("Access_Denied_Max_Connects_Per_Sec") == 0
    connect(proxy, "127.0.0.6").close()


def test_blocked_on_connections_that_were_open(make):
    """An address does not get as many guesses as it opens connections at once."""
    proxy = make(client_host_cache_size=10, client_host_error_counts=3)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(proxy, "127.0.0.5", login=False, password=password))
                   for password in ["wrong"] * 6 + ["tenant"]]
        changing = stack.enter_context(connect(proxy, "127.0.0.5"))
        numbers = []
        for client in clients:
            with pytest.raises(wire.ServerError) as error:
                client.log_in()
            numbers.append(error.value.errno)
        assert numbers == [1045] * 3 + [1129] * 4
        assert changing.value("SELECT 1") == "1"
        assert changing.change_user("tenant", "tenant")[-1].payload[0] == 0  # and does not end the block
        assert error_of(proxy, source="127.0.0.5").errno == 1129
    assert proxy.console.status("Access_Denied_Blocked_Host") == 5
    assert proxy.console.value(f"SELECT error_count FROM {HOSTS}") == 3


def test_right_login_forgets_the_errors(make):
    proxy = make(client_host_cache_size=10, client_host_error_counts=3)
    for _ in range(4):
        for _ in range(2):
            assert error_of(proxy, password="wrong").errno == 1045
        connect(proxy).close()
    assert proxy.console.rows(f"SELECT * FROM {HOSTS}") == []


def test_block_has_an_end(make):
    proxy = make(client_host_cache_size=10, client_host_error_counts=1, client_host_block_ms=1000)
    assert error_of(proxy, password="wrong").errno == 1045
    assert error_of(proxy).errno == 1129
    wait_until(lambda: try_connect(proxy, "127.0.0.1"), 5, "the block to end").close()
    assert proxy.console.rows(f"SELECT * FROM {HOSTS}") == []


def test_table_of_hosts_is_bounded_and_reset(make):
    proxy = make(client_host_cache_size=3, client_host_error_counts=9)
    for n in range(1, 6):
        assert error_of(proxy, source=f"127.0.0.{n}", user="nobody").errno == 1045
    shown = [row["client_address"] for row in proxy.console.rows(f"SELECT * FROM {HOSTS}_reset")]
    assert shown == ["127.0.0.3", "127.0.0.4", "127.0.0.5"]
    assert proxy.console.rows(f"SELECT * FROM {HOSTS}") == []
    guest = Console(proxy, "stats")
    with pytest.raises(pymysql.err.MySQLError, match="_reset does"):
        guest.rows(f"SELECT * FROM {HOSTS}_reset")


def test_hosts_are_off_as_in_proxysql(make):
    proxy = make()
    for _ in range(5):
        assert error_of(proxy, password="wrong").errno == 1045
    connect(proxy).close()
    assert proxy.console.rows(f"SELECT * FROM {HOSTS}") == []


def test_failed_login_is_delayed_and_holds_nobody(make):
    proxy = make(failed_login_delay_ms=1500)
    with connect(proxy) as db:
        failing = connect(proxy, login=False)
        response = failing.handshake_response(None)[:-1] + b"x"  # the plugin's name is another
        began = time.monotonic()
        failing.sock.sendall((len(response)).to_bytes(3, "little") + b"\1" + response)
        while failing.read_packet().payload[0] == 0xFE:  # asked to use the usual plugin
            failing.send_packet(b"y" * 20)
            served = time.monotonic()
            for _ in range(20):
                assert db.value("SELECT 1") == "1"
            served = time.monotonic() - served
        waited = time.monotonic() - began
        assert 1.4 < waited < 1.5 + 3 * PATIENCE and served < 1.2, (waited, served)


def test_client_that_leaves_while_its_refusal_waits(make):
    proxy = make(failed_login_delay_ms=10000, client_host_cache_size=5)
    for refused, kind in enumerate(("close", "abort"), 1):
        client = connect(proxy, login=False)
        response = client.handshake_response(None)
        client.sock.sendall(len(response).to_bytes(3, "little") + b"\1"
                            + response.replace(b"tenant\0", b"nobody\0", 1))
        wait_until(lambda: proxy.console.status("Access_Denied_Wrong_Password") == refused,
                   what="a refusal")
        assert proxy.console.value("SELECT extended_info FROM stats_mysql_processlist LIMIT 1"
                                   ).startswith('{"state":"denied"')
        client.sock.close() if kind == "close" else client.abort()
        wait_until(lambda: proxy.console.status("Client_Connections_connected") == 0,
                   5, "it to be gone")


def test_refused_change_user_is_delayed_too(make):
    proxy = make(failed_login_delay_ms=500)
    with connect(proxy) as db:
        assert db.value("SELECT 1") == "1"
        began = time.monotonic()
        answer = db.change_user("tenant2", "wrong")[-1]
        assert wire.parse_error(answer.payload)[0] == 1045 and time.monotonic() - began > 0.4
        assert db.value("SELECT 1") == "1"


def test_drain_does_not_wait_for_refusals(make):
    proxy = make(failed_login_delay_ms=10000)
    client = connect(proxy, login=False)
    response = client.handshake_response(None).replace(b"tenant\0", b"nobody\0", 1)
    client.sock.sendall(len(response).to_bytes(3, "little") + b"\1" + response)
    wait_until(lambda: proxy.console.status("Access_Denied_Wrong_Password"), what="a refusal")
    began = time.monotonic()
    proxy.stop()
    assert time.monotonic() - began < 5 * PATIENCE


def test_login_has_its_time(make):
    """One byte at a time does not make it longer, and counts as a failed login."""
    proxy = make(connect_timeout_client=1500, client_host_cache_size=5, client_host_error_counts=1)
    with connect(proxy, "127.0.0.5", login=False) as client:
        began = time.monotonic()
        with pytest.raises((wire.Closed, OSError)):
            for byte in (b"\x60\0\0\1" + b"x" * 1000):
                client.sock.sendall(bytes([byte]))
                client.sock.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    client.read_packet()
        assert time.monotonic() - began < 6 * PATIENCE
    assert proxy.console.status("Login_timeouts") == 1
    assert proxy.console.value(f"SELECT error_count FROM {HOSTS}") == 1
    assert error_of(proxy, source="127.0.0.5").errno == 1129


def test_part_of_a_command(make):
    """Each byte more gives it the time again; who is idle has none to give."""
    proxy = make(net_read_timeout=int(4000 * PATIENCE))
    with connect(proxy) as slow, connect(proxy) as own, connect(proxy) as idle:
        own.query("SET net_read_timeout = 3600")
        packet = b"\x0c\0\0\0\x03SELECT 12+3"
        for client in (slow, own):
            client.sock.sendall(packet[:6])
        for byte in packet[6:9]:
            time.sleep(1.5 * PATIENCE)  # the stimulus: each is well below the limit, all of them are above it
            slow.sock.sendall(bytes([byte]))
        with pytest.raises((wire.Closed, OSError)):
            slow.read_packet()
        assert proxy.console.status("Read_timeouts") == 1
        own.sock.sendall(packet[6:])
        assert own.read_query()[-2].payload == b"\x0215"
        assert idle.value("SELECT 1") == "1"
    assert "it sent nothing more of its command for mysql-net_read_timeout" in proxy.tail()


def test_idle_client(make):
    proxy = make(wait_timeout=1000)
    with connect(proxy) as client:
        assert client.value("SELECT 1") == "1"
        with pytest.raises((wire.Closed, ConnectionResetError)):
            client.read_packet()
    assert Console(proxy).status("Idle_timeouts") == 1  # the first console was idle, too


@pytest.mark.parametrize("what", ["ping", "learnt", "set", "use", "number", "cached"])
def test_whoever_is_answered_here_is_not_idle(make, cluster, schema, what):
    """No server connection is taken, and no state left: it is activity all the same, as on a node."""
    cluster.sql(1, f"CREATE TABLE {schema}.t (a INT)")
    cluster.catch_up()
    proxy = make(wait_timeout=2000, query_cache_size_MB=1)
    proxy.console.run("INSERT INTO mysql_query_rules (rule_id, active, match_digest, cache_ttl, apply) "
                      "VALUES (1, 1, 'SELECT a FROM t', 60000, 1)")
    proxy.console.run("LOAD MYSQL QUERY RULES TO RUNTIME")
    packet = {"ping": b"\x0e", "learnt": b"\x03SELECT @@sql_mode", "set": b"\x03SET NAMES utf8mb4",
              "use": b"\x02" + schema.encode(), "number": b"\x03SELECT CONNECTION_ID()",
              "cached": b"\x03SELECT a FROM t"}[what]
    with connect(proxy, db=schema) as client:
        for _ in range(9):
            client.send(packet)
            assert client.read_query()[0].payload[0] != 0xff
            time.sleep(0.5)
        assert client.value("SELECT 1") == "1"


def test_wait_timeout_of_a_session(make, cluster):
    """As on a node: wait_timeout ends an idle client, interactive_timeout does not, and no word is said."""
    proxy = make()
    for port in (cluster.port(1), proxy.port):
        clients = {}
        for sql in ("SET interactive_timeout=1", "SET wait_timeout=1", "SET @@session.wait_timeout=1, @a=1",
                    "SET wait_timeout=1; BEGIN; SELECT 1", "SET wait_timeout=1; SET wait_timeout=DEFAULT",
                    "SET wait_timeout=31536000"):
            clients[sql] = wire.Client(port=port, user="tenant", password="tenant", timeout=30)
            for statement in sql.split("; "):
                clients[sql].rows(statement)
        for sql, client in clients.items():
            if sql.endswith("=1") and "interactive" not in sql or "BEGIN" in sql or "@a" in sql:
                with pytest.raises((wire.Closed, ConnectionResetError)):
                    client.read_packet()
                client.sock.close()
        for sql, client in clients.items():
            if client.sock.fileno() >= 0:
                assert client.value("SELECT 5") == "5", sql
                client.close()
    assert "idle for the wait_timeout that it has set" in proxy.tail(200)
    # A statement that takes longer is not idle, and neither is who sends one in time.
    with connect(proxy) as client:
        client.rows("SET wait_timeout=1")
        assert client.value("SELECT SLEEP(2.5)") == "0"
        assert client.value("SELECT @@wait_timeout") == "1"
    # Of who has a connection of his own, the node may be the one who ends it.
    assert proxy.console.status("Idle_timeouts") in (1, 2, 3)


def test_packet_too_large(make):
    proxy = make(max_allowed_packet=8192)
    with connect(proxy) as client:
        assert client.value("SELECT LENGTH('" + "x" * 8000 + "')") == "8000"
        error = wire.parse_error(client.query("SELECT LENGTH('" + "x" * 8200 + "')")[0].payload)
        assert error[:2] == (1153, "08S01")
    assert proxy.console.status("Packets_refused") == 1


def test_prepared_statements_of_a_client(make):
    proxy = make(stmts_per_client=2)
    with connect(proxy) as client:
        for n in range(2):
            client.send(bytes([wire.COM_STMT_PREPARE]) + f"SELECT {n}".encode())
            assert client.read_prepare()[0].payload[0] == 0
        client.send(bytes([wire.COM_STMT_PREPARE]) + b"SELECT 2")
        assert wire.parse_error(client.read_packet().payload)[:2] == (1461, "42000")
        assert client.value("SELECT 1") == "1"
    assert proxy.console.status("Com_stmt_prepare_refused") == 1
    assert "no more prepared statements (mysql-stmts_per_client): it has 2" in proxy.log_path.read_text()


def test_what_is_executed_behind_a_refused_prepare_is_no_other_statement(make):
    """MariaDB's clients send EXECUTE of the last one (-1) before they know its id."""
    proxy = make(stmts_per_client=1)
    with connect(proxy) as client:
        client.prepare(b"SELECT ?, 'another'")
        for payload in (b"\x16SELECT ?", wire.execute_packet(0xFFFFFFFF, ["x"])):
            client.sock.sendall(len(payload).to_bytes(3, "little") + b"\0" + payload)
        for number in (1461, 1243):
            client.seq = 1
            assert wire.parse_error(client.read_packet().payload)[0] == number


@pytest.mark.parametrize("limit,value", [("stmts_per_user", 3), ("stmt_bytes_per_user", 3500)])
def test_prepared_statements_of_a_user(make, limit, value):
    """Of all his clients; another user has his own, and what is closed makes room."""
    proxy = make(users=[account("tenant"), account("tenant2")], **{limit: value})

    def prepare(client, n):
        client.send(bytes([wire.COM_STMT_PREPARE]) + f"SELECT {n}".encode().ljust(1000))
        return client.read_prepare()[0].payload

    with connect(proxy) as one, connect(proxy, user="tenant2", password="tenant2") as other:
        with connect(proxy) as two:
            numbers = [prepare(one, 1)[1:5], prepare(one, 2)[1:5], prepare(two, 2)[1:5]]
            for client in (one, two):
                error = wire.parse_error(prepare(client, 4))
                assert error[:2] == (1461, "42000") and f"mysql-{limit}" in error[2]
            assert all(prepare(other, n)[0] == 0 for n in range(3))
            one.send(bytes([wire.COM_STMT_CLOSE]) + numbers[0])
            assert prepare(one, 5)[0] == 0
            assert wire.parse_error(prepare(one, 6))[0] == 1461
        wait_until(lambda: prepare(one, 7)[0] == 0, what="the end of the other client")
        one.send(bytes([wire.COM_RESET_CONNECTION]))
        assert one.read_one()[-1].payload[0] == 0
        assert all(prepare(one, n)[0] == 0 for n in range(3))
        assert one.change_user("tenant2", "tenant2")[-1].payload[0] == 0
        with connect(proxy) as two:
            assert all(prepare(two, n)[0] == 0 for n in range(3))


def test_connections_of_a_user_and_in_all(make):
    proxy = make(users=[account("tenant", max_connections=1), account("tenant2")],
                 max_connections=2)
    with connect(proxy):
        error = error_of(proxy)
        assert error.errno == 1226 and "'tenant'" in error.text
        with connect(proxy, user="tenant2", password="tenant2"):
            assert error_of(proxy, user="tenant2", password="tenant2").errno == 1040
    assert proxy.console.status("Access_Denied_Max_User_Connections") == 1
    assert proxy.console.status("Access_Denied_Max_Connections") == 1
    text = proxy.log_path.read_text()
    assert "refused: it has 1 connections" in text and "refused: Too many connections" in text


def test_server_connections_a_second(make):
    """What is more waits, and fails nobody."""
    proxy = make(throttle_connections_per_sec_to_hostgroup=2)
    clients = [connect(proxy) for _ in range(6)]
    began = time.monotonic()
    for client in clients:  # each needs a connection of its own
        client.send(b"\x03BEGIN")
    for client in clients:
        assert client.read_packet().payload[0] == 0
    assert time.monotonic() - began > 1
    assert proxy.console.status("Server_Connections_throttled") > 0
    assert "hostgroup 10: 2 connections were opened in this second" in proxy.log_path.read_text()
    for client in clients:
        client.close()
