# SPDX-License-Identifier: Apache-2.0
"""The greeting, passwords and their forms in the configuration, limits on connections."""
import concurrent.futures
import hashlib

import pymysql
import pytest

import wire
from util import account, free_port, run, wait_until

# Bits of the node's greeting that the proxy need not offer, and why.
NOT_OFFERED = (wire.COMPRESS  # frames between two local programs gain nothing from zlib
               | wire.SSL  # TLS is configured at each side for itself
               | wire.SESSION_TRACK)
NOT_OFFERED_EXTENDED = (wire.PROGRESS | wire.CACHE_METADATA) >> 32  # protocol/caps.h says why


def test_greeting_is_the_nodes(cluster, galeway):
    """Also the first one, before a node was needed."""
    proxy = galeway()
    with wire.Client(port=cluster.port(1), login=False) as node:
        want = node.greeting
    with wire.Client(port=proxy.port, login=False) as client:
        got = client.greeting
    assert got.protocol == 10
    assert got.version == want.version, "features are chosen by the version"
    assert got.charset == want.charset
    assert got.status == want.status
    assert got.plugin in (b"mysql_native_password", b"caching_sha2_password")
    assert len(got.salt) == 20 and b"\0" not in got.salt
    assert got.caps & ~(want.caps | wire.SSL) == 0, hex(got.caps & ~want.caps)
    assert want.caps & ~got.caps & ~NOT_OFFERED == 0, hex(want.caps & ~got.caps)
    assert got.mariadb_caps == want.mariadb_caps & ~NOT_OFFERED_EXTENDED


def test_greeting_without_a_node(galeway):
    """A version of the same line until a node was seen; a variable can set it."""
    nowhere = [{"address": "127.0.0.1", "port": free_port(), "hostgroup": 10}]
    for version in ("", "5.5.5-10.11.99-MariaDB"):
        proxy = galeway(servers=nowhere, variables={"server_version": version} if version else {})
        with wire.Client(port=proxy.port, login=False) as client:
            assert client.greeting.version.startswith(version.encode() or b"5.5.5-10.11.")
            assert client.greeting.caps & wire.DEPRECATE_EOF == 0, "no node has shown that it can"
            assert client.greeting.mariadb_caps == 0


def test_salts_and_thread_ids_differ(proxy):
    clients = [wire.Client(port=proxy.port, login=False) for _ in range(20)]
    assert len({c.greeting.salt for c in clients}) == 20
    assert len({c.greeting.thread_id for c in clients}) == 20
    for client in clients:
        client.close()


def test_change_user_asks_about_the_salt_of_the_greeting(target, schema):
    """Connector/C 3.3 answers the switch by the greeting's salt, as MariaDB repeats it; each time."""
    with wire.Client(port=target.port, user="tenant", password="tenant", db=schema) as client:
        for user in ("tenant2", "tenant", "tenant"):
            switch = client.change_user(user, user)[0].payload
            assert switch == b"\xfemysql_native_password\0" + client.greeting.salt + b"\0"


def native_hash(password):
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()


def sha2_hash(password, salt=b"abcdefghijklmnopqrst"):
    """The stored form of caching_sha2_password: $A$005$, salt, SHA-256 crypt of 5000 rounds."""
    key = password.encode()

    def sha(*parts):
        return hashlib.sha256(b"".join(parts)).digest()

    def repeat(digest, length):
        return (digest * (length // 32 + 1))[:length]

    inner = sha(key, salt, key)
    bits = []
    n = len(key)
    while n:
        bits.append(inner if n & 1 else key)
        n >>= 1
    digest = sha(key, salt, repeat(inner, len(key)), *bits)
    p = repeat(sha(key * len(key)), len(key))
    s = repeat(sha(salt * (16 + digest[0])), len(salt))
    for i in range(5000):
        digest = sha(p if i & 1 else digest, s if i % 3 else b"", p if i % 7 else b"",
                     digest if i & 1 else p)
    return f"$A$005${salt.decode()}{_crypt_base64(digest)}"


def _crypt_base64(digest):
    letters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    order = [(0, 10, 20), (21, 1, 11), (12, 22, 2), (3, 13, 23), (24, 4, 14), (15, 25, 5),
             (6, 16, 26), (27, 7, 17), (18, 28, 8), (9, 19, 29)]
    text = ""
    for a, b, c in order:
        word = digest[a] << 16 | digest[b] << 8 | digest[c]
        text += "".join(letters[word >> 6 * i & 63] for i in range(4))
    word = digest[31] << 8 | digest[30]
    return text + "".join(letters[word >> 6 * i & 63] for i in range(3))


def test_sha2_hash_is_right():
    """Against the documented example of SHA-256 crypt with 5000 rounds (16 bytes of salt)."""
    crypt = pytest.importorskip("crypt", reason="this Python has no crypt module")
    want = crypt.crypt("Hello world!", "$5$saltstring").split("$")[-1]
    assert sha2_hash("Hello world!", b"saltstring").endswith("saltstring" + want)


FORMS = {
    "clear": lambda password: password,
    "native-hash": native_hash,
    "sha2-hash": sha2_hash,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_password_forms(galeway, form, way):
    """PyMySQL logs in whatever the plugin; a statement proves that the node was reached, too."""
    proxy = galeway(users=[account("tenant", FORMS[form]("tenant"))])
    where = {"unix_socket": proxy.unix} if way == "unix" else {"host": "127.0.0.1", "port": proxy.port}
    for _ in range(3):  # the first caching_sha2 login is the long one, later ones the fast one
        with pymysql.connect(user="tenant", password="tenant", **where) as db, db.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER(), ENGINE FROM information_schema.ENGINES "
                           "WHERE ENGINE = 'InnoDB'")
            assert cursor.fetchone() == ("tenant@%", "InnoDB")
    for wrong in ("", "wrong", "Tenant"):
        with pytest.raises(pymysql.err.OperationalError) as error:
            pymysql.connect(user="tenant", password=wrong, **where)
        assert error.value.args[0] == 1045


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("first", ["mysql_native_password", "caching_sha2_password"])
def test_password_forms_of_php(galeway, form, first):
    """mysqlnd follows the plugin of the greeting, or the switch; without TLS it asks for the RSA key."""
    proxy = galeway(users=[account("tenant", FORMS[form]("tenant"))],
                    variables={"default_authentication_plugin": first})
    program = """mysqli_report(MYSQLI_REPORT_OFF);
        foreach (['tenant', 'tenant', 'wrong', ''] as $password) {
            $db = @mysqli_connect('127.0.0.1', 'tenant', $password, '', (int)$argv[1]);
            echo $db ? mysqli_query($db, 'SELECT CURRENT_USER()')->fetch_row()[0] : mysqli_connect_errno(), ' ';
        }"""
    done = run(["php", "-r", program, str(proxy.port)])
    assert done.stdout.split() == ["tenant@%", "tenant@%", "1045", "1045"], done.stdout


def test_unknown_user_looks_like_a_wrong_password(proxy):
    errors = []
    for user in ("nobody_here", "tenant"):
        with pytest.raises(pymysql.err.OperationalError) as error:
            pymysql.connect(host="127.0.0.1", port=proxy.port, user=user, password="wrong")
        errors.append(error.value.args[1].replace(user, "X"))
    assert errors[0] == errors[1]


def test_total_limit(galeway):
    proxy = galeway(variables={"max_connections": 5})
    clients = []
    with pytest.raises(wire.ServerError) as error:
        for _ in range(7):
            clients.append(wire.Client(port=proxy.port, user="tenant", password="tenant"))
    assert len(clients) == 5
    assert error.value.errno == 1040
    clients.pop().close()
    clients.append(_login_when_possible(proxy, "tenant"))
    assert clients[-1].value("SELECT 5") == "5"
    for client in clients:
        client.close()


def test_limit_of_a_user(galeway):
    proxy = galeway(users=[account("tenant", max_connections=3), account("tenant2")])
    clients = [wire.Client(port=proxy.port, user="tenant", password="tenant") for _ in range(3)]
    with pytest.raises(wire.ServerError) as error:
        wire.Client(port=proxy.port, user="tenant", password="tenant")
    assert error.value.errno == 1226
    with wire.Client(port=proxy.port, user="tenant2", password="tenant2") as other:
        assert other.value("SELECT 1") == "1"
    clients.pop().close()
    clients.append(_login_when_possible(proxy, "tenant"))
    for client in clients:
        client.close()


def test_limit_of_a_user_is_exact(galeway):
    """Many at once, on all workers: never one too many, and nobody is refused while there is room."""
    proxy = galeway(users=[account("tenant", max_connections=10)], variables={"threads": 4})

    def attempt(_):
        try:
            return wire.Client(port=proxy.port, user="tenant", password="tenant")
        except wire.ServerError as error:
            assert error.errno == 1226
            return None

    for turn in range(5):
        with concurrent.futures.ThreadPoolExecutor(30) as threads:
            clients = [client for client in threads.map(attempt, range(30)) if client]
        # In later turns one that left may still be counted for a moment.
        assert len(clients) <= 10 and (turn > 0 or len(clients) == 10)
        for client in clients:
            client.close()
        wait_until(lambda: _has_room(proxy), 5, "ten free places")


def _has_room(proxy):
    """Ten places are free again."""
    clients = []
    try:
        for _ in range(10):
            clients.append(wire.Client(port=proxy.port, user="tenant", password="tenant"))
        return True
    except wire.ServerError:
        return False
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("user", ["tenant", "galeway"])
@pytest.mark.parametrize("name", ["nosuch_db", "mysql", "x" * 64, "x" * 65, "y" * 101, "z" * 300, "a`b", "..", " "])
def test_schema_of_a_login(cluster, proxy, user, name):
    """One that is not there, not granted, or no name at all: the node's answer."""
    answers = []
    for port in (cluster.port(1), proxy.port):
        try:
            with wire.Client(port=port, user=user, password=user, db=name) as client:
                answers.append(client.value("SELECT DATABASE()"))
        except wire.ServerError as error:
            answers.append(str(error))
    assert answers[0] == answers[1]


def _login_when_possible(proxy, user):
    def attempt():
        try:
            return wire.Client(port=proxy.port, user=user, password=user)
        except wire.ServerError:
            return None
    return wait_until(attempt, 5, "a place for one more client")


def test_inactive_user(galeway):
    proxy = galeway(users=[account("tenant", active=0), account("tenant2")])
    with pytest.raises(wire.ServerError) as error:
        wire.Client(port=proxy.port, user="tenant", password="tenant")
    assert error.value.errno == 1045


def test_deprecate_eof_and_session_track(cluster, proxy, schema):
    """A client may ask for the newer framing if it is offered; then it gets it as on a node."""
    with wire.Client(port=proxy.port, login=False) as client:
        offered = client.greeting.caps & (wire.DEPRECATE_EOF | wire.SESSION_TRACK)
    if not offered & wire.DEPRECATE_EOF:
        pytest.skip("the proxy does not offer CLIENT_DEPRECATE_EOF")
    caps = wire.DEFAULT_CAPS | wire.MULTI_STATEMENTS | wire.DEPRECATE_EOF
    answers = []
    for port in (cluster.port(1), proxy.port):
        with wire.Client(port=port, user="tenant", password="tenant", db=schema, caps=caps) as client:
            answers.append([client.query(sql) for sql in (
                "SELECT 1", "SELECT * FROM seq_1_to_100", "SELECT 1 WHERE 0", "SET @a=1",
                "SELECT 1; SELECT 2; SET @b=1", "BEGIN", "SELECT 1", "COMMIT", "SELECT 1/0",
                "SET sql_mode='NO_BACKSLASH_ESCAPES'", "SELECT 1", "SELECT DATABASE()", "SHOW TABLES",
                "SELECT @@sql_mode", "SELECT nothing", "SELECT LAST_INSERT_ID()")])
    assert answers[0] == answers[1]
