# SPDX-License-Identifier: Apache-2.0
"""What a node is shown of the monitor's account, by the monitor, the follower, the reader of users, CHECK CLUSTER."""
import contextlib
import os
import socket
import sys
import threading

import pymysql
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from console import Console
from util import NODES, ROOT, wait_until

sys.path.insert(0, str(ROOT / "tests" / "fake"))
import bad_node  # noqa: E402

PASSWORD = "pass-of-the-monitor"
SSL_REQUEST = 32  # bytes of the packet that asks for TLS: a login is longer


class Gone(Exception):
    """Galeway has left."""


class Asking:
    """A node that goes as far as the login; heard has the packets of each connection.

    login(connection, seq, first) goes on from the packet behind the greeting.
    """

    def __init__(self, login, greeting=bad_node.greeting()):
        self.login, self.greeting, self.heard = login, greeting, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        heard = []
        self.heard.append(heard)
        with contextlib.suppress(OSError, Gone), connection:
            connection.settimeout(20)
            connection.sendall(self.greeting)
            self.login(self, connection, heard)

    @staticmethod
    def receive(connection, heard):
        """(sequence, payload) of the next packet."""
        def take(count):
            data = b""
            while len(data) < count:
                part = connection.recv(count - len(data))
                if not part:
                    raise Gone
                data += part
            return data

        head = take(4)
        heard.append(take(int.from_bytes(head[:3], "little")))
        return head[3], heard[-1]

    def row(self, **more):
        return {"address": "127.0.0.1", "port": self.port, "hostgroup": 10, **more}

    def close(self):
        self.listener.close()


@pytest.fixture
def asking():
    made = []

    def make(*args, **options):
        made.append(Asking(*args, **options))
        return made[-1]

    yield make
    for node in made:
        node.close()


def check_cluster(console):
    return {row["check"]: row for row in console.rows("CHECK CLUSTER")}


# ---------------------------------------------------------------- TLS

def test_check_cluster_comes_with_tls(galeway, tls_cluster):
    """The account must come so, and the nodes take nobody else."""
    servers = [{"address": "127.0.0.1", "port": tls_cluster.port(n), "hostgroup": 10, "use_ssl": 1}
               for n in NODES]
    tls_cluster.sql(1, "ALTER USER 'monitor'@'%' REQUIRE SSL")
    try:
        proxy = galeway(nodes=tls_cluster, servers=servers,
                        variables={"ssl_p2s_ca": tls_cluster.authority.file})
        console = Console(proxy)
        with contextlib.ExitStack() as stack:
            for n in NODES:
                db = stack.enter_context(tls_cluster.connect(n))
                db.cursor().execute("SET GLOBAL require_secure_transport = ON")
                stack.callback(db.cursor().execute, "SET GLOBAL require_secure_transport = OFF")
            rows = check_cluster(console)
        assert rows["nodes"]["result"] == "ok", rows["nodes"]
        assert rows["version"]["result"] == "ok", rows["version"]
        assert rows["clocks"]["result"] == "ok", rows["clocks"]
        console.db.close()
    finally:
        tls_cluster.sql(1, "ALTER USER 'monitor'@'%' REQUIRE NONE")


def leave(node, connection, heard):
    node.receive(connection, heard)


def test_no_login_comes_in_the_clear(galeway, cluster, asking):
    """Each connection to a node with use_ssl=1 begins with the request for TLS."""
    node = asking(leave, bad_node.greeting(caps=bad_node.CAPS | bad_node.CAP_SSL))
    proxy = galeway(servers=[node.row(use_ssl=1)],
                    variables={"monitor_username": "monitor", "monitor_password": PASSWORD,
                               "query_cache_auto": True, "users_from_hostgroup": 10})
    console = Console(proxy)
    wait_until(lambda: node.heard, what="the monitor")
    n = len(node.heard)
    rows = check_cluster(console)
    assert rows["nodes"]["result"] == "error" and len(node.heard) > n, rows["nodes"]
    for heard in list(node.heard):
        assert not heard or len(heard[0]) == SSL_REQUEST, heard
    console.db.close()


def test_check_cluster_finds_no_tls(galeway, cluster):
    """Not offered: it does not go on without."""
    proxy = galeway(servers=[{"address": "127.0.0.1", "port": cluster.port(n), "hostgroup": 10, "use_ssl": 1}
                             for n in NODES])
    console = Console(proxy)
    rows = check_cluster(console)
    assert rows["nodes"]["result"] == "error" and "does not offer TLS" in rows["nodes"]["detail"]
    console.db.close()


# ---------------------------------------------------------------- plugins

REFUSED = [b"mysql_clear_password", b"dialog", b"sha256_password", b"mysql_old_password"]
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SWITCH_SALT = b"lkji87654321hgfedcba"


def monitored(galeway, node):
    return galeway(servers=[node.row()], variables={"monitor_username": "monitor", "monitor_password": PASSWORD})


def switch_to(plugin, salt):
    def login(node, connection, heard):
        seq, _ = node.receive(connection, heard)
        connection.sendall(bad_node.auth_switch(seq + 1, plugin, salt))
        node.receive(connection, heard)
    return login


def show_key(node, connection, heard, pem):
    """A node that wants the password in full, by this key."""
    seq, _ = node.receive(connection, heard)
    connection.sendall(bad_node.auth_switch(seq + 1, bad_node.PLUGIN_SHA2, SWITCH_SALT))
    seq, _ = node.receive(connection, heard)
    connection.sendall(bad_node.packet(b"\1\4", seq + 1))
    seq, asked = node.receive(connection, heard)
    assert asked == b"\2"
    connection.sendall(bad_node.packet(b"\1" + pem, seq + 1))


def told_by_greeting(node, connection, heard):
    seq, _ = node.receive(connection, heard)
    connection.sendall(bad_node.packet(b"\1more", seq + 1))
    node.receive(connection, heard)


@pytest.mark.parametrize("way", ["switch", "long switch", "greeting"])
@pytest.mark.parametrize("plugin", REFUSED)
def test_no_password_for_who_asks_for_it(galeway, asking, plugin, way):
    """The monitor says why, and CHECK CLUSTER does. A long switch writes over the greeting's plugin."""
    salt = SWITCH_SALT if way == "switch" else b"x" * 8100
    node = (asking(told_by_greeting, bad_node.greeting(plugin)) if way == "greeting" else
            asking(switch_to(plugin, salt)))
    proxy = monitored(galeway, node)
    console = Console(proxy)
    want = "it wants the login by another plugin than mysql_native_password,client_ed25519,caching_sha2_password"

    def told():
        return console.rows("SELECT * FROM monitor.mysql_server_connect_log WHERE connect_error IS NOT NULL")

    row = wait_until(told, what="an error of the monitor")[0]
    nodes = check_cluster(console)["nodes"]
    for heard in list(node.heard):
        assert PASSWORD.encode() not in b"".join(heard), heard
        assert len(heard) <= 1, heard  # nor a weak hash of it
    assert want in row["connect_error"], row
    assert want in proxy.log_path.read_text()
    assert nodes["result"] == "error" and want in nodes["detail"], nodes
    console.db.close()


@pytest.mark.parametrize("size, want", [(8192, "another plugin"), (1000000, "another plugin"), (1100000, "reading authorization packet")])
def test_refused_by_a_long_packet(galeway, asking, size, want):
    """The client library must not read the buffer that was too short for it (the address sanitizer sees that)."""
    node = asking(switch_to(b"mysql_clear_password", b"x" * size))
    proxy = monitored(galeway, node)
    console = Console(proxy)
    errors = "SELECT connect_error FROM monitor.mysql_server_connect_log WHERE connect_error IS NOT NULL"
    row = wait_until(lambda: console.rows(errors), what="an error of the monitor")[0]
    nodes = check_cluster(console)["nodes"]
    assert want in row["connect_error"], row
    assert nodes["result"] == "error" and want in nodes["detail"], nodes
    console.db.close()


def test_by_caching_sha2(galeway, asking):
    """In full, by the key that the node shows: it reads the password."""
    passwords = []

    def login(node, connection, heard):
        show_key(node, connection, heard, KEY.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        _, block = node.receive(connection, heard)
        masked = KEY.decrypt(block, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
        passwords.append(bytes(c ^ SWITCH_SALT[i % 20] for i, c in enumerate(masked)))

    node = asking(login)
    proxy = monitored(galeway, node)
    wait_until(lambda: passwords, what="the monitor's login")
    console = Console(proxy)
    n = len(passwords)
    check_cluster(console)
    assert len(passwords) > n and set(passwords) == {PASSWORD.encode() + b"\0"}
    console.db.close()


def test_by_ed25519(galeway, cluster):
    name = f"me_{os.getpid()}"
    with contextlib.suppress(pymysql.Error):  # it is there
        cluster.sql(1, "INSTALL SONAME 'auth_ed25519'")
    cluster.sql(1, f"CREATE USER '{name}'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x')")
    try:
        cluster.sql(1, f"GRANT BINLOG MONITOR ON *.* TO '{name}'@'%'")
        proxy = galeway(variables={"monitor_username": name, "monitor_password": "x"})
        console = Console(proxy)
        ups = "SELECT COUNT(*) FROM stats_galera_nodes WHERE health = 'up'"
        wait_until(lambda: int(console.value(ups)) >= len(NODES), what="the monitor")
        assert check_cluster(console)["nodes"]["result"] == "ok"
        console.db.close()
    finally:
        cluster.sql(1, f"DROP USER '{name}'@'%'")


# ---------------------------------------------------------------- locked keys

LOCKED = b"""-----BEGIN PUBLIC KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF

MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAMIIBIjANBgkqhkiG9w0B
AQEFAAOCAQ8AMIIBCgKCAQEA
-----END PUBLIC KEY-----
"""


def by_locked_key(node, connection, heard):
    show_key(node, connection, heard, LOCKED)
    node.receive(connection, heard)


@pytest.mark.parametrize("monitored_too", [True, False])
def test_a_locked_key_asks_for_no_pass_phrase(galeway, cluster, asking, tmp_path, monitored_too):
    """The monitor and the workers go on. Without a terminal OpenSSL would read stdin, where nobody types."""
    node = asking(by_locked_key)
    stdin = tmp_path / "stdin"
    os.mkfifo(stdin)
    servers = [node.row()]
    if monitored_too:
        servers += [{"address": "127.0.0.1", "port": cluster.port(n), "hostgroup": 10} for n in NODES]
    proxy = galeway(servers=servers, variables={"monitor_enabled": monitored_too,
                                                "connect_timeout_server_max": 2000})
    proxy.stop()
    proxy.prefix = ["bash", "-c", f'exec setsid "$0" "$@" <> {stdin}']
    proxy.start()
    console = Console(proxy)
    n = len(node.heard)
    if monitored_too:
        checks = "SELECT COUNT(*) FROM monitor.mysql_server_galera_log WHERE error IS NULL"
        wait_until(lambda: len(node.heard) > n + 3, what="the monitor to ask it again")
        before = int(console.value(checks))
        wait_until(lambda: int(console.value(checks)) > before + 3, what="checks of the others")
        errors = console.rows("SELECT connect_error FROM monitor.mysql_server_connect_log "
                              f"WHERE port = {node.port} AND connect_error IS NOT NULL")
        assert errors
    else:
        for _ in range(4):  # more than there are workers
            with pytest.raises(pymysql.err.MySQLError):
                with pymysql.connect(host="127.0.0.1", port=proxy.port, user="tenant", password="tenant",
                                     read_timeout=10) as db:
                    db.cursor().execute("SELECT 1 FROM DUAL")
        assert any(heard[-1:] == [b"\2"] for heard in node.heard)
        proxy.check_alive()
    console.db.close()
