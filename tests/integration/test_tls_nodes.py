# SPDX-License-Identifier: Apache-2.0
"""TLS to the nodes: by traffic, the monitor and the follower; what they check, and what is told."""
import contextlib
import shutil
import socket
import threading

import pymysql
import pytest

import wire
from certs import Authority
from console import Console
from util import NODES, account, wait_until

TENANT = {"user": "tenant", "password": "tenant"}


def servers(cluster, address="127.0.0.1", **more):
    return [{"address": address, "port": cluster.port(n), "hostgroup": 10, "use_ssl": 1,
             "max_connections": 50, "weight": 1100 - 100 * n, **more} for n in NODES]


def start(galeway, cluster, variables=None, **options):
    options.setdefault("servers", servers(cluster))
    return galeway(nodes=cluster, variables={"ssl_p2s_ca": cluster.authority.file,
                                             **(variables or {})}, **options)


# A node's; SHOW STATUS LIKE 'Ssl_version' is answered of the client's own link.
STATUS = "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS"


def status(proxy, name, node=None):
    """A status variable of the connection that serves it."""
    with wire.Client(port=proxy.port, **TENANT) as client:
        hint = "" if node is None else f"/* node={node} */ "
        return client.value(f"{hint}{STATUS} WHERE VARIABLE_NAME = '{name}'")


def health(console, port):
    return console.value(f"SELECT DISTINCT health FROM stats_galera_nodes WHERE srv_port = {port}")


def login_error(proxy, **options):
    """What a client is told whose statement needs a node."""
    with pytest.raises(pymysql.err.MySQLError) as error:
        with pymysql.connect(host="127.0.0.1", port=proxy.port, **TENANT, **options) as db:
            with db.cursor() as cursor:
                cursor.execute("SELECT 1 FROM DUAL")
    return error.value.args


def flush(cluster, n):
    """Node n reads its certificate again; the others do not (FLUSH is replicated, LOCAL or not)."""
    with cluster.connect(n) as db, db.cursor() as cursor:
        cursor.execute("SET SESSION wsrep_on = OFF")
        cursor.execute("FLUSH SSL")


@contextlib.contextmanager
def shown(cluster, n, cert, key):
    """Node n shows another certificate meanwhile."""
    own = [cluster.certs / name for name in ("node-cert.pem", "node-key.pem")]
    kept = [file.read_bytes() for file in own]
    try:
        shutil.copyfile(cert, own[0])
        shutil.copyfile(key, own[1])
        flush(cluster, n)
        yield
    finally:
        for file, data in zip(own, kept):
            file.write_bytes(data)
        flush(cluster, n)


def test_statements_monitor_and_follower(galeway, tls_cluster):
    """All accounts must come with TLS: whatever works came so."""
    for user in ("tenant", "monitor"):
        tls_cluster.sql(1, f"ALTER USER '{user}'@'%' REQUIRE SSL")
    try:
        proxy = start(galeway, tls_cluster, {"query_cache_auto": True})
        console = Console(proxy)
        with wire.Client(port=proxy.port, **TENANT) as client:
            assert client.value(f"{STATUS} WHERE VARIABLE_NAME = 'Ssl_version'") == "TLSv1.3"
            assert len(client.value(f"SELECT REPEAT('x', {17 << 20})")) == 17 << 20
            assert client.value(f"SELECT LENGTH('{'y' * (3 << 20)}')") == str(3 << 20)
        threads = {n: wait_until(lambda n=n: tls_cluster.threads(n, "monitor"), 10, "the monitor")
                   for n in NODES}
        wait_until(lambda: console.rows("SELECT * FROM stats_query_cache_follower "
                                        "WHERE state = 'current'"), 30, "the follower")
        assert {health(console, tls_cluster.port(n)) for n in NODES} == {"up"}
        assert console.status("Tls_server_handshakes") > 0
        assert console.status("Tls_server_failed") == 0
        for n in NODES:  # connections are kept
            assert {t[0] for t in threads[n]} <= {t[0] for t in tls_cluster.threads(n, "monitor")}
        console.db.close()
    finally:
        for user in ("tenant", "monitor"):
            tls_cluster.sql(1, f"ALTER USER '{user}'@'%' REQUIRE NONE")


def test_connections_move_between_workers(galeway, tls_cluster):
    proxy = start(galeway, tls_cluster, servers=servers(tls_cluster, max_connections=1))
    clients = [wire.Client(port=proxy.port, **TENANT) for _ in range(8)]
    console = Console(proxy)

    def work(client):
        for n in range(150):
            assert client.value(f"SELECT {n}, REPEAT('x', {n * 10})") == str(n)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert console.status("Server_Connections_moved") > 0
    assert console.status("Server_Connections_aborted") == 0
    for client in clients:
        client.close()
    console.db.close()


def test_a_statement_is_killed(galeway, tls_cluster):
    proxy = start(galeway, tls_cluster)
    client = wire.Client(port=proxy.port, **TENANT)
    client.send(b"\x03SELECT SLEEP(60)")

    def sleepers():
        return [t for n in NODES for t in tls_cluster.threads(n, "tenant") if "SLEEP" in str(t[2])]

    wait_until(sleepers, what="the statement to run")
    client.abort()
    wait_until(lambda: not sleepers(), what="it to be killed")


def test_without_an_authority_nothing_is_checked(galeway, tls_cluster):
    proxy = start(galeway, tls_cluster, {"ssl_p2s_ca": ""})
    assert status(proxy, "Ssl_version") == "TLSv1.3"
    assert "whose certificate it shows is not checked" in proxy.log_path.read_text()


@pytest.mark.parametrize("monitored", [True, False])
def test_a_wrong_authority_is_told(galeway, tls_cluster, tmp_path, monitored):
    other = Authority(tmp_path, "other")
    proxy = start(galeway, tls_cluster, {"ssl_p2s_ca": other.file, "monitor_enabled": monitored,
                                         "connect_timeout_server_max": 2000})
    number, text = login_error(proxy)
    if monitored:
        assert number == 9001 and "tls-failed" in text, text
    else:
        assert number == 2026 and "certificate verify failed" in text, text
    assert "certificate verify failed" in proxy.tail()


def test_a_node_with_an_expired_certificate_is_left_out(galeway, tls_cluster):
    """Traffic finds it first: the monitor's connection is older, and open."""
    proxy = start(galeway, tls_cluster)
    console = Console(proxy)
    cert, key = tls_cluster.authority.issue("expired", ["127.0.0.1"], days=-1)
    told = []

    def is_left_out():
        try:
            with wire.Client(port=proxy.port, **TENANT) as client:
                assert client.value("SELECT GET_LOCK('tls', 0)") == "1"  # by the writer
        except wire.ServerError as error:
            told.append((error.errno, error.text))
        return health(console, tls_cluster.port(1)) == "down"

    with shown(tls_cluster, 1, cert, key):
        wait_until(is_left_out, 20, "node 1 to be down")
        assert all(number == 2026 and "certificate" in text for number, text in told), told
        assert "certificate verify failed: certificate has expired" in proxy.log_path.read_text()
        for _ in range(5):
            assert status(proxy, "Ssl_version") == "TLSv1.3"
    wait_until(lambda: health(console, tls_cluster.port(1)) == "up", 20, "node 1 to be up again")
    console.db.close()


def test_a_reader_with_a_wrong_certificate_is_passed_by(galeway, tls_cluster):
    """Without a monitor, too: nobody is told as long as another node serves it."""
    cert, key = tls_cluster.authority.issue("expired", ["127.0.0.1"], days=-1)
    failed = 0
    for n in NODES:  # its site's reader is one of them
        proxy = start(galeway, tls_cluster, {"monitor_enabled": False})
        with shown(tls_cluster, n, cert, key):
            for _ in range(10):
                with wire.Client(port=proxy.port, **TENANT) as client:
                    assert client.value("SELECT 1 FROM (SELECT 2) t") == "1"
        failed += Console(proxy).status("Tls_server_failed")
    assert failed > 0


def test_the_name_is_checked_when_asked_for(galeway, tls_cluster):
    named = {"ssl_p2s_verify_name": True, "connect_timeout_server_max": 2000}
    proxy = start(galeway, tls_cluster, named)  # the certificate is for 127.0.0.1
    assert status(proxy, "Ssl_version") == "TLSv1.3"
    proxy = start(galeway, tls_cluster, named, servers=servers(tls_cluster, "localhost"))
    number, text = login_error(proxy)
    assert number == 9001, text
    assert "ostname mismatch" in proxy.log_path.read_text()
    proxy = start(galeway, tls_cluster, {**named, "monitor_enabled": False},
                  servers=servers(tls_cluster, "localhost"))
    number, text = login_error(proxy)
    assert number == 2026 and "ostname mismatch" in text, text


def test_a_node_without_tls_is_told(galeway, cluster):
    for monitored, number, why in ((True, 9001, "tls-failed"), (False, 2026, "does not offer TLS")):
        proxy = galeway(servers=servers(cluster),
                        variables={"monitor_enabled": monitored,
                                   "connect_timeout_server_max": 2000})
        got, text = login_error(proxy)
        assert got == number and why in text, text


def test_certificates_for_nodes(galeway, tls_cluster):
    """A row of mysql_servers_ssl_params counts instead of the variables, for its node."""
    tls_cluster.sql(1, "ALTER USER 'tenant'@'%' REQUIRE X509")
    cert, key = tls_cluster.authority.issue("galeway")
    try:
        proxy = start(galeway, tls_cluster)
        number, text = login_error(proxy)
        assert number == 1045, text
        proxy = start(galeway, tls_cluster, {"ssl_p2s_cert": cert, "ssl_p2s_key": key})
        assert status(proxy, "Ssl_version") == "TLSv1.3"
        rows = [{"hostname": "127.0.0.1", "port": tls_cluster.port(n), "username": "",
                 "ssl_ca": tls_cluster.authority.file, "ssl_cert": cert, "ssl_key": key,
                 "tls_version": "TLSv1.2", "ssl_cipher": "ECDHE-ECDSA-AES128-GCM-SHA256"}
                for n in NODES]
        proxy = start(galeway, tls_cluster, {"ssl_p2s_ca": "/nowhere.pem"},
                      mysql_servers_ssl_params=rows)
        assert status(proxy, "Ssl_version") == "TLSv1.2"
        assert status(proxy, "Ssl_cipher") == "ECDHE-ECDSA-AES128-GCM-SHA256"
    finally:
        tls_cluster.sql(1, "ALTER USER 'tenant'@'%' REQUIRE NONE")


def test_certificates_of_users(galeway, tls_cluster):
    """
    A user's row is for his connections alone: another's are not his, nor his another's, whatever is
    free. So the REQUIRE SUBJECT of a user can be met by him.
    """
    rows, users = [], ("tenant", "tenant2")
    for user in users:
        cert, key = tls_cluster.authority.issue(f"of-{user}")
        rows += [{"hostname": "127.0.0.1", "port": tls_cluster.port(n), "username": user,
                  "ssl_ca": tls_cluster.authority.file, "ssl_cert": cert, "ssl_key": key}
                 for n in NODES]
    try:
        for user in users:
            tls_cluster.sql(1, f"ALTER USER '{user}'@'%' REQUIRE SUBJECT '/CN=of-{user}'")
        everybody = [account(user) for user in (*users, "site1")]
        proxy = start(galeway, tls_cluster, users=everybody)
        number, text = login_error(proxy)
        assert number == 1045, text
        # One connection for each node: each statement but the first finds another's.
        proxy = start(galeway, tls_cluster, {"threads": 1, "min_idle_per_node": 1},
                      servers=servers(tls_cluster, max_connections=1), users=everybody,
                      mysql_servers_ssl_params=rows)
        asked = "SELECT USER() FROM information_schema.ENGINES LIMIT 1"
        clients = {user: wire.Client(port=proxy.port, user=user, password=user, timeout=30)
                   for user in (*users, "site1")}
        for _ in range(5):
            for user, client in clients.items():
                assert client.value(asked).startswith(f"{user}@")
        errors = []

        def work(user):
            try:
                with wire.Client(port=proxy.port, user=user, password=user, timeout=60) as client:
                    for _ in range(30):
                        assert client.value(asked).startswith(f"{user}@")
            except Exception as error:  # whatever it is, the test shows it
                errors.append(repr(error))

        threads = [threading.Thread(target=work, args=(user,)) for user in clients for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors, errors
        # His row goes: what was open with it serves him no more.
        console = Console(proxy)
        console.run("DELETE FROM mysql_servers_ssl_params WHERE username = 'tenant2'")
        console.run("LOAD MYSQL SERVERS TO RUNTIME")
        error = clients["tenant2"].query(asked)[-1].payload
        assert error[0] == 0xFF and wire.parse_error(error)[0] == 1045
        assert clients["tenant"].value(asked).startswith("tenant@")
        console.run("UPDATE mysql_servers_ssl_params SET ssl_cert = '/nowhere' WHERE username = 'tenant'")
        with pytest.raises(pymysql.MySQLError) as refused:
            console.run("LOAD MYSQL SERVERS TO RUNTIME")
        assert "/nowhere" in str(refused.value)
        console.db.close()
        for client in clients.values():
            client.close()
    finally:
        for user in users:
            tls_cluster.sql(1, f"ALTER USER '{user}'@'%' REQUIRE NONE")


def test_a_certificate_that_nodes_do_not_trust_is_told(galeway, tls_cluster, tmp_path):
    cert, key = Authority(tmp_path, "stranger").issue("galeway")
    proxy = start(galeway, tls_cluster, {"ssl_p2s_cert": cert, "ssl_p2s_key": key,
                                         "monitor_enabled": False})
    number, text = login_error(proxy)
    assert number == 2026 and "TLS with node" in text, text


def test_switched_on_and_off_while_running(galeway, tls_cluster):
    proxy = start(galeway, tls_cluster, servers=servers(tls_cluster, use_ssl=0))
    console = Console(proxy)
    assert status(proxy, "Ssl_version") == ""
    for value, want in ((1, "TLSv1.3"), (0, "")):
        console.run(f"UPDATE mysql_servers SET use_ssl={value}")
        console.run("LOAD MYSQL SERVERS TO RUNTIME")
        wait_until(lambda: all(status(proxy, "Ssl_version") == want for _ in range(6)),
                   what=f"connections with Ssl_version = '{want}'")
    console.run("UPDATE mysql_servers SET use_ssl=1")
    console.run("SET mysql-ssl_p2s_ca='/nowhere.pem'")
    console.run("LOAD MYSQL VARIABLES TO RUNTIME")
    with pytest.raises(pymysql.err.MySQLError) as error:
        console.run("LOAD MYSQL SERVERS TO RUNTIME")
    assert "/nowhere.pem" in str(error.value)
    assert status(proxy, "Ssl_version") == ""
    console.db.close()


def test_a_node_that_stalls_in_the_handshake_holds_nobody_up(galeway, tls_cluster):
    with wire.Client(port=tls_cluster.port(1), login=False) as client:
        greeting = client.login_packets[0].payload
    listener = socket.create_server(("127.0.0.1", 0))
    taken = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.sendall(len(greeting).to_bytes(3, "little") + b"\0" + greeting)
                taken.append(connection)

    threading.Thread(target=accept, daemon=True).start()
    stalling = {"address": "127.0.0.1", "port": listener.getsockname()[1], "hostgroup": 10,
                "use_ssl": 1, "weight": 1}
    proxy = start(galeway, tls_cluster, servers=servers(tls_cluster) + [stalling])
    console = Console(proxy)
    wait_until(lambda: len(taken) > 2, 30, "several attempts")

    def checks():
        return console.value("SELECT COUNT(*) FROM monitor.mysql_server_galera_log "
                             f"WHERE port = {tls_cluster.port(1)} AND error IS NULL")

    before = checks()
    wait_until(lambda: checks() > before + 3, 10, "checks of the others to go on")
    assert status(proxy, "Ssl_version") == "TLSv1.3"
    wait_until(lambda: health(console, stalling["port"]) == "down", what="it to be down")
    listener.close()
    for connection in taken:
        connection.close()
    console.db.close()


@pytest.mark.parametrize("monitored", [True, False])
@pytest.mark.parametrize("more", [b"\x07\0\0\1\0\0\0\2\0\0\0", b"\x07\0\0", b"\xff" * 3000,
                                  b"\x15\x03\x03\x00\x02\x02\x28"])
def test_a_node_that_says_more_before_the_handshake(galeway, tls_cluster, more, monitored):
    """What anybody could have put in is not taken for the node's."""
    with wire.Client(port=tls_cluster.port(1), login=False) as client:
        greeting = client.login_packets[0].payload
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.sendall(len(greeting).to_bytes(3, "little") + b"\0" + greeting + more)
                connection.recv(65536)
                connection.close()

    threading.Thread(target=accept, daemon=True).start()
    proxy = galeway(nodes=tls_cluster, variables={"monitor_enabled": monitored,
                                                  "connect_timeout_server_max": 1000},
                    users=[account("tenant")],
                    servers=[{"address": "127.0.0.1", "port": listener.getsockname()[1],
                              "hostgroup": 10, "use_ssl": 1}])
    number, _ = login_error(proxy)
    assert number in (2013, 2026, 2027, 9001)
    proxy.check_alive()
    listener.close()


def cutting(port, size):
    """A way to the node on which everything comes in pieces of that many bytes; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pass_on(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                for at in range(0, len(data), size):
                    sink.sendall(data[at:at + size])
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pass_on, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_what_comes_in_pieces(galeway, tls_cluster, size):
    listener = cutting(tls_cluster.port(1), size)
    proxy = start(galeway, tls_cluster, servers=[
        {"address": "127.0.0.1", "port": listener.getsockname()[1], "hostgroup": 10, "use_ssl": 1}])
    console = Console(proxy)
    assert status(proxy, "Ssl_version") == "TLSv1.3"
    with wire.Client(port=proxy.port, **TENANT) as client:
        assert client.value("SELECT REPEAT('x', 20000)") == "x" * 20000
    assert health(console, listener.getsockname()[1]) == "up"
    assert console.status("Tls_server_failed") == 0
    console.db.close()
    proxy.stop()
    listener.close()
