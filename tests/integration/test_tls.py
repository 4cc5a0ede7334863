# SPDX-License-Identifier: Apache-2.0
"""TLS with clients: certificates, who must use it, sessions, reload, and clients that misbehave."""
import contextlib
import socket
import ssl
import stat
import struct
import time

import pymysql
import pytest

import wire
from certs import Authority
from console import Console
from test_login import sha2_hash
from util import GALEWAY_BIN, account, run, wait_until

TENANT = {"user": "tenant", "password": "tenant"}
TLS_REQUEST = struct.pack("<IIB23x", wire.DEFAULT_CAPS | wire.SSL, 1 << 30, 45)


def trusting(ca, cert=None, version=None):
    context = ssl.create_default_context(cafile=ca)
    if cert:
        context.load_cert_chain(*cert)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def own_ca(proxy):
    return str(proxy.folder / "galeway-ca.pem")


def secured(proxy, context=None, **options):
    return wire.Client(port=proxy.port, tls=context or trusting(own_ca(proxy)), **TENANT, **options)


def counter(proxy, name):
    console = Console(proxy)
    with contextlib.closing(console.db):
        return console.status("Tls_client_" + name)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "certs", "authority")


# ---------------------------------------------------------------- certificates

def test_certificates_are_made_at_the_first_start_and_kept(galeway):
    proxy = galeway()
    files = {name: proxy.folder / f"galeway-{name}.pem" for name in ("ca", "cert", "key")}
    before = {name: file.read_bytes() for name, file in files.items()}
    assert stat.S_IMODE(files["key"].stat().st_mode) == 0o600
    with secured(proxy) as client:
        assert client.sock.version() == "TLSv1.3"
        assert client.value("SELECT 1") == "1"
    proxy.stop()
    proxy.start()
    assert {name: file.read_bytes() for name, file in files.items()} == before
    with secured(proxy) as client:
        assert client.value("SELECT 2") == "2"
    assert counter(proxy, "handshakes") == 1


def test_check_makes_no_files(galeway):
    proxy = galeway(variables={"have_ssl": False})
    assert not (proxy.folder / "galeway-key.pem").exists()
    with wire.Client(port=proxy.port, login=False) as client:
        assert client.greeting.caps & wire.SSL == 0
        client.caps |= wire.SSL
        client.send_packet(TLS_REQUEST)
        assert wire.parse_error(client.read_packet().payload)[0] == 1043
        assert client.at_end()
    proxy.data["mysql_variables"]["have_ssl"] = True
    proxy.write_config()
    run([GALEWAY_BIN, "-c", proxy.config_path, "--check"])
    assert not (proxy.folder / "galeway-key.pem").exists()
    proxy.reload()
    wait_until(lambda: (proxy.folder / "galeway-cert.pem").exists(), what="certificates")
    wait_until(lambda: wire.Client(port=proxy.port, login=False).greeting.caps & wire.SSL,
               what="TLS to be offered")


def test_without_a_place_for_certificates_clients_come_without_tls(galeway):
    proxy = galeway(variables={"ssl_cert": "", "ssl_key": ""})
    proxy.stop()
    proxy.data["datadir"] = "/proc/nowhere"
    proxy.start()
    assert "clients are not offered TLS: cannot make" in proxy.tail()
    with wire.Client(port=proxy.port, **TENANT) as client:
        assert client.greeting.caps & wire.SSL == 0
        assert client.value("SELECT 1") == "1"


def own_files(proxy):
    return {name: proxy.folder / f"galeway-{name}.pem" for name in ("key", "ca", "cert")}


def starts_with_its_own(proxy):
    """It makes its certificates, and keeps them."""
    proxy.start()
    with secured(proxy) as client:
        assert client.value("SELECT 1") == "1"
    files = own_files(proxy)
    assert stat.S_IMODE(files["key"].stat().st_mode) == 0o600
    made = {name: file.read_bytes() for name, file in files.items()}
    proxy.stop()
    proxy.start()
    assert {name: file.read_bytes() for name, file in files.items()} == made


def without_certificates(galeway):
    proxy = galeway(variables={"have_ssl": False})
    proxy.stop()
    proxy.data["mysql_variables"]["have_ssl"] = True
    return proxy


def test_a_start_that_cannot_write_all_certificates_spoils_no_later_one(galeway):
    proxy = without_certificates(galeway)
    ca = own_files(proxy)["ca"]
    ca.mkdir()
    proxy.start()
    assert "clients are not offered TLS: cannot make" in proxy.tail()
    assert not list(proxy.folder.glob("*.new"))
    proxy.stop()
    ca.rmdir()
    starts_with_its_own(proxy)


@pytest.mark.parametrize("left", [["key"], ["key", "ca"], ["ca"]])
def test_a_start_that_was_killed_between_certificates_spoils_no_later_one(galeway, left):
    proxy = without_certificates(galeway)
    for name in left:
        own_files(proxy)[name].write_text("of a certificate that is not there")
    starts_with_its_own(proxy)
    old = proxy.folder / "galeway-key.pem.old"  # it may be somebody's who waits for his certificate
    assert old.exists() == ("key" in left)
    assert not old.exists() or old.read_text() == "of a certificate that is not there"


@pytest.mark.parametrize("left", ["cert", "key"])
def test_half_of_the_certificates_in_use_is_an_error(galeway, left):
    """A certificate without its key at a start, and each without the other while they are used."""
    proxy = galeway()
    gone = proxy.folder / f"galeway-{'key' if left == 'cert' else 'cert'}.pem"
    ca = (proxy.folder / "galeway-ca.pem").read_bytes()
    gone.unlink()
    console = Console(proxy)
    with contextlib.closing(console.db), pytest.raises(pymysql.MySQLError) as error:
        console.run("PROXYSQL RELOAD TLS")
    assert gone.name in str(error.value)
    if left == "cert":
        done = run([GALEWAY_BIN, "-c", proxy.config_path, "--check"], check=False)
        assert done.returncode == 1 and gone.name in done.stdout + (done.stderr or "")
    assert not gone.exists() and (proxy.folder / "galeway-ca.pem").read_bytes() == ca


def test_certificates_of_the_configuration(galeway, authority):
    cert, key = authority.issue("server", hosts=["localhost"])
    proxy = galeway(variables={"ssl_cert": cert, "ssl_key": key})
    with secured(proxy, trusting(authority.file)) as client:
        assert client.value("SELECT 1") == "1"
    assert not (proxy.folder / "galeway-key.pem").exists()
    other = Authority(authority.folder, "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        secured(proxy, trusting(other.file))
    wait_until(lambda: counter(proxy, "failed") == 1, what="the failed handshake to be counted")
    assert "no TLS handshake: tlsv1 alert unknown ca" in proxy.tail()


def test_certificates_that_cannot_be_used_stop_the_start(galeway, authority, tmp_path):
    cert, key = authority.issue("server")
    other = authority.issue("other")[1]
    proxy = galeway()
    for variables, text in (({"ssl_cert": cert, "ssl_key": other}, "key values mismatch"),
                            ({"ssl_cert": "/nowhere.pem", "ssl_key": key}, "No such file"),
                            ({"ssl_cert": cert}, "a certificate needs its key"),
                            ({"tls_version": "TLSv1.1"}, "TLSv1.1"),
                            ({"ssl_cipher": "NO-SUCH"}, "NO-SUCH")):
        proxy.data["mysql_variables"] = {**variables}
        proxy.write_config()
        done = run([GALEWAY_BIN, "-c", proxy.config_path, "--check"], check=False)
        assert done.returncode == 1
        assert text in done.stdout + (done.stderr or "")


# ---------------------------------------------------------------- clients

def test_real_clients_come_with_tls(galeway):
    proxy = galeway(users=[account("tenant"), account("wp_1", sha2_hash("password"))])
    cli = ["mariadb", "-h127.0.0.1", f"-P{proxy.port}", "-utenant", "-ptenant",
           f"--ssl-ca={own_ca(proxy)}", "--ssl-verify-server-cert", "-e", "SELECT 40 + 2; \\s"]
    done = run(cli)
    assert "42" in done.stdout
    assert "Cipher in use is TLS_" in done.stdout
    program = """mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
        $db = mysqli_init();
        mysqli_ssl_set($db, null, null, $argv[2], null, null);
        mysqli_real_connect($db, '127.0.0.1', 'tenant', 'tenant', '', (int)$argv[1], null,
                            MYSQLI_CLIENT_SSL);
        echo mysqli_query($db, 'SELECT 40 + 2')->fetch_row()[0], ' ',
             mysqli_query($db, "SELECT LENGTH(REPEAT('x', 5000000))")->fetch_row()[0];"""
    done = run(["php", "-r", program, str(proxy.port), own_ca(proxy)])
    assert done.stdout == "42 5000000"
    for user, password in (("tenant", "tenant"), ("wp_1", "password"), ("wp_1", "password")):
        with pymysql.connect(host="127.0.0.1", port=proxy.port, user=user, password=password,
                             ssl={"ca": own_ca(proxy)}) as db, db.cursor() as cursor:
            cursor.execute("SELECT 40 + 2")
            assert cursor.fetchone() == (42,)
    assert counter(proxy, "handshakes") == 5


def test_a_wrong_password_is_told_inside(galeway):
    proxy = galeway()
    with pytest.raises(wire.ServerError) as error:
        wire.Client(port=proxy.port, tls=trusting(own_ca(proxy)), user="tenant", password="x")
    assert error.value.errno == 1045


def test_large_results_and_uploads(galeway, schema):
    """Slow readers, too: what is not read waits in the node, not here."""
    proxy = galeway()
    text = "x" * (17 << 20)
    with secured(proxy, db=schema) as client:
        assert client.value(f"SELECT LENGTH('{text}')") == str(len(text))
        assert len(client.value(f"SELECT REPEAT('y', {20 << 20})")) == 20 << 20
        before = proxy.rss_kb()
        client.send(b"\x03SELECT REPEAT('z', 10000) FROM seq_1_to_20000")
        with secured(proxy) as other:
            for n in range(100):
                assert other.value(f"SELECT {n}") == str(n)
        assert proxy.rss_kb() - before < 20000
        packets = client.read_query()
        assert sum(len(p.payload) > 10000 for p in packets) == 20000


def test_unix_sockets_too(galeway):
    proxy = galeway()
    with wire.Client(unix=proxy.unix, tls=trusting(own_ca(proxy)), **TENANT) as client:
        assert client.value("SELECT 1") == "1"


def test_users_who_must_come_with_tls(galeway):
    proxy = galeway(users=[account("tenant", use_ssl=1), account("tenant2")])
    for where in ({"port": proxy.port}, {"unix": proxy.unix}):
        with pytest.raises(wire.ServerError) as error:
            wire.Client(**where, **TENANT)
        assert error.value.errno == 1045
        assert "without TLS" in error.value.text
    with pytest.raises(wire.ServerError) as error:
        wire.Client(port=proxy.port, user="tenant", password="wrong")
    assert "TLS" not in error.value.text  # who knows no password is told nothing
    assert counter(proxy, "refused") == 2
    with secured(proxy) as client:
        assert client.value("SELECT USER()").startswith("tenant@")
    with wire.Client(port=proxy.port, user="tenant2", password="tenant2") as client:
        packets = client.change_user("tenant", "tenant")
        assert wire.parse_error(packets[-1].payload)[0] == 1045
        assert client.value("SELECT 1") == "1"
    with wire.Client(port=proxy.port, tls=trusting(own_ca(proxy)), user="tenant2",
                     password="tenant2") as client:
        assert client.change_user("tenant", "tenant")[-1].payload[0] == 0
        assert client.value("SELECT USER()").startswith("tenant@")


def test_certificates_of_clients(galeway, authority):
    """Nobody needs one; one that is shown must be good."""
    good = authority.issue("good")
    expired = authority.issue("expired", days=-1)
    revoked = authority.issue("revoked")
    foreign = Authority(authority.folder, "foreign").issue("stranger")
    proxy = galeway(variables={"ssl_ca": authority.file, "ssl_crl": authority.revoke(revoked[0])})
    for cert in (None, good):
        with secured(proxy, trusting(own_ca(proxy), cert)) as client:
            assert client.value("SELECT 1") == "1"
    for cert, why in ((expired, "certificate has expired"), (revoked, "certificate revoked"),
                      (foreign, "unable to get local issuer certificate")):
        with pytest.raises((ssl.SSLError, wire.Closed, ConnectionResetError)):
            secured(proxy, trusting(own_ca(proxy), cert))
        wait_until(lambda: why in proxy.tail(), what=why)
    assert counter(proxy, "failed") == 3


def test_versions_and_ciphers(galeway):
    proxy = galeway(variables={"tls_version": "TLSv1.3",
                               "ssl_cipher": "TLS_AES_128_GCM_SHA256"})
    with secured(proxy) as client:
        assert client.sock.cipher()[0] == "TLS_AES_128_GCM_SHA256"
    with pytest.raises(ssl.SSLError):
        secured(proxy, trusting(own_ca(proxy), version=ssl.TLSVersion.TLSv1_2))
    wait_until(lambda: "unsupported protocol" in proxy.tail(), what="the reason in the log")
    proxy.data["mysql_variables"].update(tls_version="TLSv1.2", ssl_cipher="")
    proxy.reload()
    wait_until(lambda: "configuration read again" in proxy.tail(), what="the reload")
    with secured(proxy) as client:
        assert client.sock.version() == "TLSv1.2"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_status_tells_of_the_clients_own_link(galeway, version):
    """The nodes have no TLS; what they would tell is of Galeway's connection to them."""
    proxy = galeway(variables={"have_compress": True})
    with secured(proxy, trusting(own_ca(proxy), version=version), compress=True) as client:
        assert client.rows("SHOW STATUS LIKE 'Ssl_cipher'") == [["Ssl_cipher", client.sock.cipher()[0]]]
        assert client.rows("SHOW SESSION STATUS LIKE 'ssl_version'") == [["Ssl_version", client.sock.version()]]
        assert client.rows("SHOW STATUS LIKE 'compression'") == [["Compression", "ON"]]
        client.rows("SET NAMES latin1")
        assert client.value("SHOW STATUS LIKE 'Ssl_version'") == "Ssl_version"
    with wire.Client(port=proxy.port, compress=False, **TENANT) as client:
        if not wire.TLS_EVERYWHERE:
            assert client.rows("SHOW STATUS LIKE 'Ssl_cipher'") == [["Ssl_cipher", ""]]
        assert client.rows("SHOW STATUS LIKE 'compression'") == [["Compression", "OFF"]]


# ---------------------------------------------------------------- sessions

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_by_any_worker(galeway, version):
    proxy = galeway()
    context = trusting(own_ca(proxy), version=version)
    with secured(proxy, context) as client:
        assert client.value("SELECT 1") == "1"  # 1.3: the ticket comes with it
        session = client.sock.session
    assert counter(proxy, "resumed") == 0
    for n in range(1, 13):  # two workers: both have one of them, or the machine is a strange one
        with secured(proxy, context, tls_session=session) as client:
            assert client.sock.session_reused
            assert client.value("SELECT 1") == "1"
            session = client.sock.session
        assert counter(proxy, "resumed") == n
    assert counter(proxy, "handshakes") == 13


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_end_that_are_resumed_again_and_again(galeway, version):
    """TLS 1.3 gives a new ticket each time; what counts is when the first handshake was."""
    proxy = galeway(variables={"ssl_session_timeout": 3})
    context = trusting(own_ca(proxy), version=version)
    with secured(proxy, context) as client:
        client.value("SELECT 1")
        session = client.sock.session
    began = time.monotonic()

    def is_over():
        nonlocal session
        asked = time.monotonic()
        with secured(proxy, context, tls_session=session) as client:
            client.value("SELECT 1")
            session = client.sock.session
            assert not client.sock.session_reused or asked < began + 6  # times are whole seconds
            return not client.sock.session_reused

    wait_until(is_over, 20, "a whole handshake", every=0.7)
    assert counter(proxy, "resumed") >= 1


def test_sessions_are_not_resumed_when_that_is_off_or_after_a_reload(galeway):
    proxy = galeway()
    context = trusting(own_ca(proxy))
    with secured(proxy, context) as client:
        client.value("SELECT 1")
        session = client.sock.session
    console = Console(proxy)
    console.run("PROXYSQL RELOAD TLS")
    with secured(proxy, context, tls_session=session) as client:
        assert not client.sock.session_reused
        client.value("SELECT 1")
        session = client.sock.session
    console.run("SET mysql-ssl_session_timeout=0")
    console.run("LOAD MYSQL VARIABLES TO RUNTIME")
    with secured(proxy, context, tls_session=session) as client:
        assert not client.sock.session_reused
        client.value("SELECT 1")
        assert not client.sock.session or not client.sock.session.has_ticket
    assert counter(proxy, "resumed") == 0
    console.db.close()


# ---------------------------------------------------------------- reload

def test_certificates_are_read_again_without_a_restart(galeway, authority):
    first, second = Authority(authority.folder, "first"), Authority(authority.folder, "second")
    cert, key = first.issue("server", hosts=["localhost"])
    proxy = galeway(variables={"ssl_cert": cert, "ssl_key": key})
    console = Console(proxy)
    with secured(proxy, trusting(first.file)) as old:
        new_cert, new_key = second.issue("server", hosts=["localhost"])
        assert (new_cert, new_key) == (cert, key)
        with secured(proxy, trusting(first.file)) as client:  # files alone change nothing
            assert client.value("SELECT 1") == "1"
        console.run("PROXYSQL RELOAD TLS")
        with secured(proxy, trusting(second.file)) as client:
            assert client.value("SELECT 1") == "1"
        with open(cert, "w", encoding="ascii") as f:
            f.write("no certificate")
        with pytest.raises(pymysql.err.MySQLError) as error:
            console.run("PROXYSQL RELOAD TLS")
        assert "Nothing was changed" in str(error.value) and cert in str(error.value)
        with pytest.raises(pymysql.err.MySQLError) as error:
            console.run("SET mysql-ssl_key='/nowhere'")
            console.run("LOAD MYSQL VARIABLES TO RUNTIME")
        assert "/nowhere" in str(error.value) or cert in str(error.value)
        with secured(proxy, trusting(second.file)) as client:
            assert client.value("SELECT 1") == "1"
        assert old.value("SELECT 2") == "2"
    console.db.close()


# ---------------------------------------------------------------- clients that misbehave

def half_handshake(proxy, sent):
    """Asks for TLS and sends that many bytes of a ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(own_ca(proxy)).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    client = wire.Client(port=proxy.port, login=False)
    client.send_packet(TLS_REQUEST)
    client.sock.sendall(outgoing.read()[:sent])
    return client


def test_handshakes_that_are_not_ended(galeway):
    proxy = galeway()
    with secured(proxy) as client:
        client.value("SELECT 1")
    descriptors = proxy.descriptors()
    for round_ in range(60):
        client = half_handshake(proxy, round_ * 9)
        if round_ % 2:
            client.abort()
        else:
            client.sock.close()
    wait_until(lambda: counter(proxy, "failed") == 60, what="60 failed handshakes")
    wait_until(lambda: proxy.descriptors() <= descriptors, what="descriptors to be closed")
    with secured(proxy) as client:
        assert client.value("SELECT 1") == "1"


def test_handshakes_that_take_too_long(galeway):
    proxy = galeway(variables={"connect_timeout_client": 500})
    client = half_handshake(proxy, 50)
    assert client.at_end()
    assert "the login took too long" in proxy.tail()
    client.sock.close()


@pytest.mark.parametrize("what", [b"\0" * 300, b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff",
                                  b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", bytes(range(256)) * 64])
def test_garbage_instead_of_a_handshake(galeway, what):
    proxy = galeway()
    client = wire.Client(port=proxy.port, login=False)
    client.send_packet(TLS_REQUEST)
    client.sock.sendall(what)
    client.sock.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionResetError):
        while client.sock.recv(4096):
            pass
    client.sock.close()
    wait_until(lambda: counter(proxy, "failed") == 1, what="the failed handshake")
    with secured(proxy) as other:
        assert other.value("SELECT 1") == "1"


def test_what_comes_before_the_handshake_is_not_taken_for_inside(galeway):
    """A login that is sent in the clear behind the request must not be looked at."""
    proxy = galeway()
    client = wire.Client(port=proxy.port, login=False, **TENANT)
    login = client.handshake_response()
    client.sock.sendall(struct.pack("<I", len(TLS_REQUEST))[:3] + b"\x01" + TLS_REQUEST +
                        struct.pack("<I", len(login))[:3] + b"\x02" + login)
    client.sock.shutdown(socket.SHUT_WR)
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.sock.recv(4096):
            answer += part
    assert not answer.startswith(b"\x07") and answer[:1] in (b"", b"\x15")  # an alert at most
    client.sock.close()
    wait_until(lambda: counter(proxy, "failed") == 1, what="the failed handshake")


def test_the_request_and_the_handshake_in_one_piece_and_byte_by_byte(galeway):
    proxy = galeway()
    for size in (1, 7, 4096):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = trusting(own_ca(proxy)).wrap_bio(incoming, outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        client = wire.Client(port=proxy.port, login=False, **TENANT)
        client.caps |= wire.SSL
        waiting = struct.pack("<I", len(TLS_REQUEST))[:3] + b"\x01" + TLS_REQUEST + outgoing.read()
        for at in range(0, len(waiting), size):
            client.sock.sendall(waiting[at:at + size])
        while True:
            incoming.write(client.sock.recv(100))
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
        client.seq = 2
        login = client.handshake_response()
        tls.write(struct.pack("<I", len(login))[:3] + b"\x02" + login)
        waiting = outgoing.read()
        for at in range(0, len(waiting), size):
            client.sock.sendall(waiting[at:at + size])
        answer = b""
        while len(answer) < 5:
            incoming.write(client.sock.recv(100))
            with contextlib.suppress(ssl.SSLWantReadError):
                answer += tls.read(100)
        assert answer[3:5] == b"\x03\x00", answer
        client.sock.close()


def test_a_request_for_tls_inside_tls_is_refused(galeway):
    proxy = galeway()
    client = wire.Client(port=proxy.port, login=False, tls=trusting(own_ca(proxy)))
    client.send_packet(TLS_REQUEST)
    assert wire.parse_error(client.read_packet().payload)[0] == 1043
    assert client.at_end()
    client.sock.close()


def test_a_login_that_says_tls_but_is_none_is_refused(galeway):
    proxy = galeway()
    with pytest.raises(wire.ServerError) as error:
        wire.Client(port=proxy.port, caps=wire.DEFAULT_CAPS | wire.SSL, **TENANT)
    assert error.value.errno == 1043


def test_records_that_were_changed_end_the_connection(galeway):
    proxy = galeway()
    client = secured(proxy)
    assert client.value("SELECT 1") == "1"
    raw = socket.socket(fileno=client.sock.detach())
    raw.settimeout(30)
    raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    with contextlib.suppress(ConnectionResetError):
        while raw.recv(4096):
            pass
    raw.close()
    with secured(proxy) as other:
        assert other.value("SELECT 1") == "1"
