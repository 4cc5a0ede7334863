# SPDX-License-Identifier: Apache-2.0
"""The PROXY protocol: who is behind a load balancer, and who only says so."""
import json
import socket
import struct
import time

import pytest

import wire
from console import Console
from util import free_port, wait_until

TENANT = {"user": "tenant", "password": "tenant"}
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT, PORT = "192.0.2.10", 56324


def v1(client=CLIENT, family="TCP4", reached="10.1.1.1"):
    return f"PROXY {family} {client} {reached} {PORT} 3306\r\n".encode()


def v2(client=CLIENT, command=1, tlvs=b""):
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    reached = "::1" if ":" in client else "10.1.1.1"
    body = (socket.inet_pton(family, client) + socket.inet_pton(family, reached)
            + struct.pack("!HH", PORT, 3306) + tlvs)
    kind = 0x21 if ":" in client else 0x11
    return SIGNATURE + bytes([0x20 | command, kind]) + struct.pack("!H", len(body)) + body


@pytest.fixture
def make(galeway):
    """A proxy that believes the balancers at these addresses."""
    def make_one(networks="127.0.0.2, 127.0.1.0/24", **variables):
        proxy = galeway(variables={"proxy_protocol_networks": networks, "threads": 1,
                                   "query_digests_track_hostname": True, **variables})
        proxy.console = Console(proxy)
        return proxy
    return make_one


def connect(proxy, ahead=b"", source="127.0.0.2", **options):
    return wire.Client(port=proxy.port, source=source, ahead=ahead, **{**TENANT, **options})


def shown(proxy):
    """The one client in the process list."""
    row = proxy.console.row("SELECT * FROM stats_mysql_processlist WHERE user = 'tenant'")
    return row["cli_host"], row["cli_port"], json.loads(row["extended_info"]).get("balancer")


@pytest.mark.parametrize("ahead, client", [
    (v1(), CLIENT), (v2(), CLIENT), (v2(tlvs=b"\x04\0\x04wxyz" * 300), CLIENT),
    (v1("2001:db8::7", "TCP6", "::1"), "2001:db8::7"), (v2("2001:db8::7"), "2001:db8::7"),
    (v2("::ffff:192.0.2.10"), CLIENT)],
    ids=["v1", "v2", "tlvs", "v1-ipv6", "v2-ipv6", "mapped"])
def test_header_tells_the_client(make, ahead, client):
    proxy = make()
    with connect(proxy, ahead) as db:
        assert db.value("SELECT 5 + 5") == "10"
        host, port, balancer = shown(proxy)
        assert (host, port) == (client, PORT) and balancer.startswith("127.0.0.2:")
        with pytest.raises(wire.ServerError) as denied:
            connect(proxy, ahead, password="wrong")
        assert denied.value.errno == 1045 and f"'tenant'@'{client}'" in denied.value.text
    assert f"{client}:{PORT} through 127.0.0.2:" in proxy.log_path.read_text()
    digests = proxy.console.rows("SELECT client_address FROM stats_mysql_query_digest "
                                 "WHERE username = 'tenant'")
    assert digests == [{"client_address": client}]
    assert proxy.console.status("Proxy_headers") == 2


@pytest.mark.parametrize("ahead", [b"PROXY UNKNOWN\r\n", v2(command=0)], ids=["unknown", "local"])
def test_balancer_speaks_for_itself(make, ahead):
    proxy = make()
    with connect(proxy, ahead) as db:
        assert db.value("SELECT 1") == "1"
        host, port, balancer = shown(proxy)
        assert host == "127.0.0.2" and port == db.sock.getsockname()[1] and balancer is None


def test_rules_see_the_client(make):
    proxy = make()
    proxy.console.run("INSERT INTO mysql_query_rules (rule_id, active, client_addr, match_pattern, "
                      f"error_msg) VALUES (1, 1, '{CLIENT}', 'forbidden', 'not from there')")
    proxy.console.run("LOAD MYSQL QUERY RULES TO RUNTIME")
    with connect(proxy, v1()) as db, connect(proxy, v1("192.0.2.11")) as other:
        assert wire.parse_error(db.query("SELECT 'forbidden'")[0].payload)[2] == "not from there"
        assert other.value("SELECT 'forbidden'") == "forbidden"


def test_header_comes_in_pieces(make):
    proxy = make()
    for ahead in (v1(), v2()):
        with connect(proxy, login=False, db=None) as db:
            response = db.handshake_response(None)
            for byte in ahead + len(response).to_bytes(3, "little") + b"\1" + response:
                db.sock.sendall(bytes([byte]))
            assert db.read_packet().payload[0] == 0
            assert shown(proxy)[0] == CLIENT


def test_header_and_login_in_one_piece(make):
    proxy = make()
    with connect(proxy, login=False) as db:
        response = db.handshake_response(None)
        db.sock.sendall(v2() + len(response).to_bytes(3, "little") + b"\1" + response)
        assert db.read_packet().payload[0] == 0
        assert shown(proxy)[0] == CLIENT


@pytest.mark.parametrize("ahead", [
    v1("300.0.2.10"), b"PROXY TCP4 192.0.2.10 10.1.1.1 1 2 3\r\n", b"PROXY " + b"x" * 120,
    SIGNATURE + b"\x11\x11\0\x0c" + b"x" * 12, SIGNATURE + b"\x21\x11\xff\xff",
    SIGNATURE + b"\x21\x11\0\x04wxyz"],
    ids=["address", "ports", "endless", "version", "too-long", "too-short"])
def test_malformed_header(make, ahead):
    proxy = make()
    with connect(proxy, ahead, login=False) as db:
        with pytest.raises((wire.Closed, ConnectionResetError)):
            db.read_packet()
    assert "127.0.0.2 sent a malformed PROXY header" in proxy.log_path.read_text()
    assert proxy.console.status("Proxy_headers_refused") == 1
    assert proxy.console.status("Client_Connections_connected") == 0


def test_header_is_needed(make):
    proxy = make()
    with pytest.raises(wire.ServerError) as refused:
        connect(proxy)
    assert refused.value.errno == 1043 and "mysql-proxy_protocol_required" in refused.value.text
    assert "127.0.0.2 sent no PROXY header" in proxy.log_path.read_text()
    with connect(proxy, source="127.0.0.3") as db:  # not a balancer
        assert db.value("SELECT 1") == "1" and shown(proxy)[0] == "127.0.0.3"
    with wire.Client(unix=proxy.unix, **TENANT) as db:
        assert db.value("SELECT 1") == "1" and shown(proxy)[0] == "localhost"


def test_header_may_be_left_out(make):
    proxy = make(proxy_protocol_required=False)
    with connect(proxy) as db:
        assert db.value("SELECT 1") == "1" and shown(proxy) == ("127.0.0.2", db.sock.getsockname()[1],
                                                               None)
    with connect(proxy, v1()) as db:
        assert shown(proxy)[0] == CLIENT


@pytest.mark.parametrize("ahead", [v1(), v2()], ids=["v1", "v2"])
def test_header_from_elsewhere_is_not_believed(make, ahead):
    proxy = make()
    with connect(proxy, ahead, login=False, source="127.0.0.9") as db:
        assert db.read_packet().payload[0] == 0xFF
        with pytest.raises((wire.Closed, ConnectionResetError)):
            db.read_packet()
    assert "127.0.0.9 sent a PROXY header, which is not believed" in proxy.log_path.read_text()
    assert proxy.console.status("Proxy_headers") == 0


def test_second_header_is_not_believed(make):
    """A client cannot speak for the balancer: what follows the header is its own."""
    proxy = make()
    with connect(proxy, v1() + v1("192.0.2.99"), login=False) as db:
        assert db.read_packet().payload[0] == 0xFF
    assert "192.0.2.99" not in proxy.log_path.read_text()


def test_waiting_for_a_header_has_an_end(make):
    proxy = make(connect_timeout_client=1000)
    began = time.monotonic()
    with connect(proxy, v1()[:10], login=False) as db:
        with pytest.raises((wire.Closed, ConnectionResetError)):
            while time.monotonic() - began < 20:
                db.read_packet()
    assert "the login took too long" in proxy.log_path.read_text()


def test_every_cut_leaves_nothing(make):
    """A balancer that dies in the middle of its header."""
    proxy = make()
    for ahead in (v1(), v2()):
        for cut in range(len(ahead)):
            client = connect(proxy, ahead[:cut], login=False)
            client.abort() if cut % 2 else client.sock.close()
    wait_until(lambda: proxy.console.status("Client_Connections_connected") == 0,
               what="all of them to be gone")


def test_any_network_over_ipv6(make):
    port = free_port()
    proxy = make("*", proxy_protocol_required=False)
    proxy.stop()
    proxy.data["mysql_variables"]["interfaces"] += f";[::1]:{port}"
    proxy.start()
    proxy.console = Console(proxy)
    with wire.Client(host="::1", port=port, ahead=v1(), **TENANT) as db:
        assert db.value("SELECT 1") == "1"
        host, _, balancer = shown(proxy)
        assert host == CLIENT and balancer.startswith("::1:")


def test_networks_are_checked(make):
    proxy = make()
    proxy.console.run("SET mysql-proxy_protocol_networks='10.0.0.0/8,10.0.0.0/40'")
    with pytest.raises(Exception, match="mysql-proxy_protocol_networks: no. 2 is no network"):
        proxy.console.run("LOAD MYSQL VARIABLES TO RUNTIME")


def test_ipv6_networks_are_counted_as_one_address(make):
    proxy = make(max_connections_per_address=1, client_host_error_counts=2, failed_login_delay_ms=0,
                 client_host_cache_size=10)
    with connect(proxy, v2("2001:db8:0:1::1")):
        with pytest.raises(wire.ServerError) as full:
            connect(proxy, v2("2001:db8:0:1:abcd::2"))
        assert full.value.errno == 1040 and "2001:db8:0:1:abcd::2" in full.value.text
        with connect(proxy, v2("2001:db8:0:2::1")) as other:
            assert other.value("SELECT 1") == "1"
    for last in (1, 2):
        with pytest.raises(wire.ServerError):
            connect(proxy, v2(f"2001:db8:0:3::{last}"), password="wrong")
    row = proxy.console.row("SELECT client_address, error_count FROM stats_mysql_client_host_cache")
    assert row == {"client_address": "2001:db8:0:3::/64", "error_count": 2}
    with pytest.raises(wire.ServerError) as blocked:
        connect(proxy, v2("2001:db8:0:3::3"))
    assert blocked.value.errno == 1129
