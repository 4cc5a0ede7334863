# SPDX-License-Identifier: Apache-2.0
"""The nodes' global sql_mode: a client escapes by the status bits of its login, before any statement."""
import subprocess

import pytest

import wire

BITS = wire.STATUS_NO_BACKSLASH_ESCAPES | 0x8000  # and MariaDB's ANSI_QUOTES
TENANT = {"user": "tenant", "password": "tenant", "timeout": 20}
ESCAPE = """mysqli_report(MYSQLI_REPORT_OFF);
$db = mysqli_init(); $db->real_connect("127.0.0.1", "tenant", "tenant", "", {port});
echo $db->real_escape_string("a'b"), " ", $db->query("SELECT '" . $db->real_escape_string("a\\\\'b") . "'")->fetch_row()[0];"""


@pytest.fixture
def odd_nodes(fragile_cluster):
    """Nodes whose sql_mode is not MariaDB's."""
    ((before,),) = fragile_cluster.sql(1, "SELECT @@GLOBAL.sql_mode")
    for n in (1, 2, 3):
        fragile_cluster.sql(n, "SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',ANSI_QUOTES,NO_BACKSLASH_ESCAPES')")
    yield fragile_cluster
    for n in (1, 2, 3):
        fragile_cluster.sql(n, f"SET GLOBAL sql_mode = '{before}'")


def bits(packet):
    return wire.parse_ok(packet.payload)[2] & BITS


@pytest.mark.parametrize("monitored", [True, False])
def test_a_fresh_session_has_the_bits_of_its_nodes(galeway, odd_nodes, monitored):
    proxy = galeway(odd_nodes, variables={"threads": 1, "monitor_enabled": monitored})
    for _ in range(2):  # the second one's answers are known already
        with wire.Client(port=proxy.port, **TENANT) as client:
            assert client.login_packets[-1].payload[0] == 0
            assert bits(client.login_packets[-1]) == BITS
            client.send(bytes([wire.COM_PING]))
            assert bits(client.read_one()[-1]) == BITS
            assert bits(client.query("SET sql_mode = ''")[0]) == 0
            assert bits(client.query("DO 1")[0]) == 0
            client.send(bytes([wire.COM_RESET_CONNECTION]))
            assert bits(client.read_one()[-1]) == BITS
            client.query("SET sql_mode = ''")
            assert bits(client.change_user("tenant", "tenant")[-1]) == BITS


def test_php_escapes_as_the_node_reads(galeway, odd_nodes):
    proxy = galeway(odd_nodes)
    told = {}
    for port in (proxy.port, odd_nodes.port(1)):
        done = subprocess.run(["php", "-r", ESCAPE.replace("{port}", str(port))], capture_output=True, text=True, check=True,
                              timeout=60)
        told[port] = done.stdout
    assert told[proxy.port] == told[odd_nodes.port(1)] == "a''b a\\'b"
