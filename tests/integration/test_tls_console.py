# SPDX-License-Identifier: Apache-2.0
"""TLS on the console: the certificates of the traffic ports, and who must come with it."""
import json
import os
import ssl
import struct

import pymysql
import pytest

import wire
from certs import Authority
from console import Console
from test_tls import TLS_REQUEST, own_ca, trusting
from util import GALEWAY_BIN, run, wait_until

ADMIN = {"user": "admin", "password": "admin"}


def secured(proxy, context=None, **options):
    return wire.Client(port=proxy.admin_port, tls=context or trusting(own_ca(proxy)),
                       **{**ADMIN, **options})


def cli(proxy, *options, user="admin", check=True):
    return run(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{proxy.admin_port}", f"-u{user}",
                f"-p{user}", *options, "-e", "SELECT 40 + 2; \\s"], check=check)


@pytest.mark.parametrize("user", ["admin", "stats"])
def test_the_client_program_checks_the_certificate(galeway, tmp_path, user):
    proxy = galeway()
    done = cli(proxy, f"--ssl-ca={own_ca(proxy)}", "--ssl-verify-server-cert", user=user)
    assert "42" in done.stdout and "Cipher in use is TLS_" in done.stdout
    other = Authority(tmp_path / "certs", "other")
    done = cli(proxy, f"--ssl-ca={other.file}", "--ssl-verify-server-cert", user=user, check=False)
    assert done.returncode == 1 and "ERROR 2026" in done.stdout
    wait_until(lambda: "no TLS handshake: tlsv1 alert unknown ca" in proxy.tail(), what="its line")
    done = cli(proxy, "--skip-ssl", user=user)
    assert "Not in use" in done.stdout


def test_other_clients(galeway):
    proxy = galeway()
    with pymysql.connect(host="127.0.0.1", port=proxy.admin_port, ssl={"ca": own_ca(proxy)},
                         **ADMIN) as db, db.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM runtime_mysql_servers")
        assert int(cursor.fetchone()[0]) > 0
    program = """mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
        $db = mysqli_init();
        mysqli_ssl_set($db, null, null, $argv[2], null, null);
        mysqli_real_connect($db, '127.0.0.1', 'admin', 'admin', '', (int)$argv[1], null,
                            MYSQLI_CLIENT_SSL);
        echo mysqli_query($db, 'SELECT 40 + 2')->fetch_row()[0];"""
    assert run(["php", "-r", program, str(proxy.admin_port), own_ca(proxy)]).stdout == "42"


def test_without_tls_for_clients_there_is_none_here(galeway):
    proxy = galeway(variables={"have_ssl": False})
    with wire.Client(port=proxy.admin_port, login=False) as client:
        assert client.greeting.caps & wire.SSL == 0
        client.caps |= wire.SSL
        client.send_packet(TLS_REQUEST)
        assert wire.parse_error(client.read_packet().payload)[0] == 1043
        assert client.at_end()


def test_long_answers_and_statements(galeway):
    proxy = galeway()
    with secured(proxy) as client:
        text = "x" * 900000
        assert client.value(f"SELECT LENGTH('{text}')") == str(len(text))
        rows = client.rows("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                           "WHERE i < 20000) SELECT i, printf('%200s', i) FROM n")
        assert len(rows) == 20000 and rows[-1][0] == "20000"
        assert client.change_user("stats", "stats")[-1].payload[0] == 0
        assert client.value("SELECT 2") == "2"


def test_sessions_are_resumed_and_certificates_replaced(galeway, tmp_path):
    authority = Authority(tmp_path / "certs", "authority")
    cert, key = authority.issue("server", hosts=["localhost"])
    proxy = galeway(variables={"ssl_cert": cert, "ssl_key": key})
    context = trusting(authority.file)
    with secured(proxy, context) as client:
        client.value("SELECT 1")
        session = client.sock.session
    with secured(proxy, context, tls_session=session) as client:
        assert client.sock.session_reused
        assert Authority(authority.folder, "second").issue("server", hosts=["localhost"])[0] == cert
        client.rows("PROXYSQL RELOAD TLS")
        with pytest.raises(ssl.SSLCertVerificationError):
            secured(proxy, trusting(authority.file))
        with secured(proxy, trusting(str(authority.folder / "second.pem"))) as other:
            assert other.value("SELECT 1") == "1"
        assert client.value("SELECT 3") == "3"


def test_require_ssl(galeway):
    proxy = galeway()
    socket = f"/tmp/galeway-test-admin-{proxy.admin_port}.sock"
    proxy.stop()
    proxy.data["admin_variables"].update(
        require_ssl=True, mysql_ifaces=f"127.0.0.1:{proxy.admin_port};{socket}")
    proxy.data["mysql_variables"]["auditlog_filename"] = "audit"
    proxy.start()
    try:
        for user in ("admin", "stats"):
            done = cli(proxy, "--skip-ssl", user=user, check=False)
            assert done.returncode == 1
            assert "ERROR 3159" in done.stdout and "admin-require_ssl" in done.stdout
            assert "42" in cli(proxy, "--ssl", user=user).stdout
        with wire.Client(unix=socket, **ADMIN) as client:  # nobody can listen there
            assert client.value("SELECT 1") == "1"
            client.rows("SET admin-require_ssl='false'")
            client.rows("LOAD ADMIN VARIABLES TO RUNTIME")
        with wire.Client(port=proxy.admin_port, **ADMIN) as client:
            assert client.value("SELECT 1") == "1"
            client.rows("SET admin-require_ssl='true'")
            client.rows("LOAD ADMIN VARIABLES TO RUNTIME")
            assert client.value("SELECT 2") == "2", "who is there may stay"
        with pytest.raises(wire.ServerError) as error:
            wire.Client(port=proxy.admin_port, **ADMIN)
        assert error.value.errno == 3159
    finally:
        proxy.stop()
        if os.path.exists(socket):
            os.unlink(socket)
    events = [json.loads(line) for file in proxy.folder.glob("audit*")
              for line in file.read_text().splitlines()]
    refused = [e for e in events if e["event"] == "Admin_Connect_ERR"]
    assert refused and all(e["extra_info"] == "without TLS" and not e["ssl"] for e in refused)
    assert any(e["ssl"] for e in events if e["event"] == "Admin_Connect_OK")


def test_require_ssl_without_tls_is_an_error(galeway):
    proxy = galeway()
    proxy.data["mysql_variables"]["have_ssl"] = False
    proxy.data["admin_variables"]["require_ssl"] = True
    proxy.write_config()
    done = run([GALEWAY_BIN, "--check", "-c", proxy.config_path], check=False)
    assert done.returncode == 1 and "admin-require_ssl: TLS is not offered" in done.stdout
    console = Console(proxy)
    console.run("SET admin-require_ssl='true'")
    console.run("LOAD ADMIN VARIABLES TO RUNTIME")  # TLS is on: this is fine
    console.run("SET mysql-have_ssl='false'")
    with pytest.raises(pymysql.MySQLError) as error:
        console.run("LOAD MYSQL VARIABLES TO RUNTIME")
    assert "admin-require_ssl" in str(error.value)
    console.db.close()


def test_handshakes_that_fail_or_do_not_end(galeway):
    proxy = galeway(variables={"connect_timeout_client": 1000})
    with secured(proxy) as client:
        client.value("SELECT 1")
    descriptors = proxy.descriptors()
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 40
    for sent in (b"", b"\x16", hello[:7], hello, b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100):
        client = wire.Client(port=proxy.admin_port, login=False)
        client.send_packet(TLS_REQUEST)
        client.sock.sendall(sent)
        if sent == hello[:7]:
            client.abort()
            continue
        assert client.at_end() or True
        client.sock.close()
    inside = wire.Client(port=proxy.admin_port, login=False, tls=trusting(own_ca(proxy)))
    inside.send_packet(TLS_REQUEST)
    assert wire.parse_error(inside.read_packet().payload)[0] == 1043
    inside.sock.close()
    with pytest.raises(wire.ServerError):  # says TLS without a handshake
        wire.Client(port=proxy.admin_port, caps=wire.DEFAULT_CAPS | wire.SSL, **ADMIN)
    wait_until(lambda: proxy.descriptors() <= descriptors, what="descriptors to be closed")
    with secured(proxy) as client:
        assert client.value("SELECT 1") == "1"


def test_slow_clients_come_one_byte_at_a_time(galeway):
    proxy = galeway()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(own_ca(proxy)).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    client = wire.Client(port=proxy.admin_port, login=False, **ADMIN)
    request = struct.pack("<I", len(TLS_REQUEST))[:3] + b"\x01" + TLS_REQUEST
    for byte in request + outgoing.read():
        client.sock.sendall(bytes([byte]))
    while True:
        incoming.write(client.sock.recv(100))
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            pass
    client.caps |= wire.SSL
    client.seq = 2
    login = client.handshake_response()
    tls.write(struct.pack("<I", len(login))[:3] + b"\x02" + login)
    for byte in outgoing.read():
        client.sock.sendall(bytes([byte]))
    answer = b""
    while len(answer) < 5:
        incoming.write(client.sock.recv(100))
        try:
            answer += tls.read(100)
        except ssl.SSLWantReadError:
            pass
    assert answer[3:5] == b"\x03\x00", answer
    client.sock.close()


# ---------------------------------------------------------------- admin-ssl_keylog_file

def secrets(path):
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def test_keylog(galeway, tmp_path):
    """As Wireshark reads it: what the client says of its connection is in the file, and only while it is on."""
    proxy = galeway()
    path, of_client = proxy.folder / "keys", tmp_path / "of_client"

    def connect(port=proxy.port, **options):
        of_client.unlink(missing_ok=True)
        context = trusting(own_ca(proxy))
        context.keylog_filename = str(of_client)
        with wire.Client(port=port, tls=context, **options) as client:
            assert client.value("SELECT 1") == "1"
        return [line for line in secrets(of_client) if not line[0].startswith("#")]

    tenant = {"user": "tenant", "password": "tenant"}
    console = Console(proxy)
    connect(**tenant)
    assert not path.exists()
    console.run("SET admin-ssl_keylog_file='keys'")
    console.run("LOAD ADMIN VARIABLES TO RUNTIME")
    for options in ({"port": proxy.port, **tenant}, {"port": proxy.admin_port, **ADMIN}):
        expected = connect(**options)
        assert len(expected) >= 4
        wait_until(lambda: all(line in secrets(path) for line in expected), what="its secrets")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "secrets of TLS connections are written to" in proxy.tail()
    path.rename(tmp_path / "rotated")
    console.run("PROXYSQL FLUSH LOGS")
    expected = connect(**tenant)
    wait_until(lambda: all(line in secrets(path) for line in expected), what="a new file")
    console.run("SET admin-ssl_keylog_file='/nowhere/keys'")
    with pytest.raises(pymysql.MySQLError) as error:
        console.run("LOAD ADMIN VARIABLES TO RUNTIME")
    assert "admin-ssl_keylog_file" in str(error.value)
    n = len(secrets(path))
    console.run("SET admin-ssl_keylog_file=''")
    console.run("LOAD ADMIN VARIABLES TO RUNTIME")
    connect(**tenant)
    assert len(secrets(path)) == n
    console.db.close()
    proxy.stop()
    proxy.data["admin_variables"]["ssl_keylog_file"] = str(path)
    path.unlink()
    proxy.write_config()
    run([GALEWAY_BIN, "--check", "-c", proxy.config_path])
    assert not path.exists()
    proxy.start()
    expected = connect(**tenant)
    wait_until(lambda: all(line in secrets(path) for line in expected), what="its secrets")
