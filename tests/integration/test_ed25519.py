# SPDX-License-Identifier: Apache-2.0
"""ed25519 and mysql_clear_password: clients to Galeway, Galeway to nodes, COM_CHANGE_USER."""
import contextlib
import itertools
import os

import pymysql
import pytest
from pymysql import _auth

import wire
from util import account, run

NATIVE, ED25519, CLEAR = "mysql_native_password", "client_ed25519", "mysql_clear_password"
_numbers = itertools.count(1)


@pytest.fixture
def make_user(cluster):
    """make_user("ed25519 USING PASSWORD('x')") makes an account on the nodes and gives its name."""
    made = []
    with contextlib.suppress(pymysql.Error):  # it is there
        cluster.sql(1, "INSTALL SONAME 'auth_ed25519'")

    def make(how):
        made.append(f"ue_{os.getpid()}_{next(_numbers)}")
        cluster.sql(1, f"CREATE USER '{made[-1]}'@'%' IDENTIFIED VIA {how}")
        return made[-1]

    yield make
    for name in made:
        cluster.sql(1, f"DROP USER '{name}'@'%'")


def by_ed25519(password):
    return f"ed25519 USING PASSWORD('{password}')"


class Client(wire.Client):
    """Names a plugin, answers whatever is asked for, and remembers what that was."""

    def __init__(self, plugin=NATIVE, may_ask=(NATIVE, ED25519, CLEAR), **options):
        self.plugin, self.may_ask, self.asked = plugin, may_ask, []
        super().__init__(**options)

    def answer(self, plugin, data):
        if plugin == NATIVE:
            return wire.native_scramble(self.password, data[:20])
        if plugin == ED25519:
            assert len(data) == 32
            return _auth.ed25519_password(self.password.encode(), data)
        assert plugin == CLEAR, plugin
        return self.password.encode() + b"\0"

    def handshake_response(self, db=None, attrs=None):
        # As Connector/C: ed25519 has nothing to sign yet.
        first = b"" if self.plugin == ED25519 else self.answer(self.plugin, self.greeting.salt)
        return b"".join([
            wire.struct.pack("<IIB23x", self.caps, 1 << 30, self.charset), self.user.encode() + b"\0",
            wire.put_string(first), self.plugin.encode() + b"\0"])

    def _read_auth(self):
        packets = []
        while True:
            packets.append(self.read_packet())
            payload = packets[-1].payload
            if payload[0] in (0x00, 0xFF):
                return packets
            assert payload[0] == 0xFE
            plugin, _, data = payload[1:].partition(b"\0")
            self.asked.append(plugin.decode())
            assert self.asked[-1] in self.may_ask, self.asked
            self.send_packet(self.answer(self.asked[-1], data))

    def change_to(self, user, password, plugin):
        """COM_CHANGE_USER; the error's number or None."""
        self.user, self.password, self.plugin, self.asked = user, password, plugin, []
        self.send(bytes([wire.COM_CHANGE_USER]) + user.encode() + b"\0" + b"\0" + b"\0"
                  + wire.struct.pack("<H", 45) + plugin.encode() + b"\0")
        payload = self._read_auth()[-1].payload
        return wire.parse_error(payload)[0] if payload[0] == 0xFF else None


def whole(client):
    """On the writer and on a reader."""
    return client.value("SELECT CURRENT_USER()"), client.value("SELECT CURRENT_USER() FOR UPDATE")


# ---------------------------------------------------------------- to the nodes

@pytest.mark.parametrize("password", ["x", "p" * 31, "p" * 32, "p" * 33, "p" * 100, "p\u00e4\u00df \u20ac"])
def test_nodes_by_ed25519(galeway, make_user, password):
    """The password is known in clear; its length is not that of a seed."""
    name = make_user(by_ed25519(password))
    proxy = galeway(users=[account(name, password)])
    with wire.Client(port=proxy.port, user=name, password=password) as client:
        assert whole(client) == (f"{name}@%", f"{name}@%")


def test_wrong_password_for_the_nodes(galeway, make_user):
    """The node's refusal is told, and Galeway stays."""
    name = make_user(by_ed25519("x"))
    proxy = galeway(users=[account(name, "y"), account("tenant")])
    with wire.Client(port=proxy.port, user=name, password="y") as client:
        with pytest.raises(wire.ServerError) as error:
            client.value("SELECT 1")
        assert error.value.errno == 1045
    with wire.Client(port=proxy.port, user="tenant", password="tenant") as client:
        assert client.value("SELECT 1") == "1"


def test_hash_that_cannot_serve(galeway, make_user):
    """Only the native hash is known: a clear error, on the client's side and in the log."""
    name = make_user(by_ed25519("x"))
    proxy = galeway(users=[account(name, "*B69027D44F6E5EDC07F1AEAD1477967B16F28227")])
    with wire.Client(port=proxy.port, user=name, password="x") as client:
        with pytest.raises(wire.ServerError) as error:
            client.value("SELECT 1")
        assert error.value.errno == 1045 and "plugin" in error.value.text
    assert "plugin that the account's password cannot serve" in proxy.log_path.read_text()


def test_connections_change_between_plugins(galeway, make_user):
    """One connection to each node: COM_CHANGE_USER there and back, pipelined and stepwise."""
    signed, several = make_user(by_ed25519("x")), make_user(
        "ed25519 USING PASSWORD('other') OR mysql_native_password USING PASSWORD('y')")
    proxy = galeway(users=[account(signed, "x"), account(several, "y"), account("tenant")],
                    connections=1, variables={"threads": 1})
    who = [(signed, "x"), ("tenant", "tenant"), (several, "y"), ("tenant", "tenant"), (signed, "x"),
           (several, "y")]
    clients = [wire.Client(port=proxy.port, user=user, password=password) for user, password in who]
    for _ in range(3):
        for client, (user, _) in zip(clients, who):
            assert whole(client) == (f"{user}@%", f"{user}@%")
    for client in clients:
        client.close()


# ---------------------------------------------------------------- clients

def test_clients_by_ed25519(galeway):
    """A row with a clear password serves every plugin; who names ed25519 signs a nonce."""
    proxy = galeway(users=[account("tenant")])
    for plugin, asked in ((NATIVE, []), (ED25519, [ED25519]), (CLEAR, [NATIVE])):
        with Client(plugin, (NATIVE, ED25519), port=proxy.port, user="tenant",
                    password="tenant") as client:
            assert client.asked == asked
            assert client.value("SELECT CURRENT_USER()") == "tenant@%"
        with pytest.raises(wire.ServerError) as error:
            Client(plugin, (NATIVE, ED25519), port=proxy.port, user="tenant", password="wrong")
        assert error.value.errno == 1045
    done = run(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{proxy.port}", "-utenant", "-ptenant",
                "--default-auth=client_ed25519", "-Ne", "SELECT CURRENT_USER()"])
    assert done.stdout.strip() == "tenant@%"


def test_clear_password_over_a_unix_socket(cluster, galeway):
    """Whatever form the configuration has; the native hash of a node is one."""
    ((stored,),) = cluster.sql(1, "SELECT PASSWORD('tenant')")
    for form in ("tenant", stored):
        proxy = galeway(users=[account("tenant", form)])
        with Client(CLEAR, (), unix=proxy.unix, user="tenant", password="tenant") as client:
            assert client.value("SELECT CURRENT_USER()") == "tenant@%"
        for wrong in ("", "tenan", "tenantt"):
            with pytest.raises(wire.ServerError) as error:
                Client(CLEAR, (), unix=proxy.unix, user="tenant", password=wrong)
            assert error.value.errno == 1045


def test_change_of_user_by_each_plugin(galeway):
    proxy = galeway(users=[account("tenant"), account("tenant2")])
    for where in ({"port": proxy.port}, {"unix": proxy.unix}):
        is_private = "unix" in where
        for plugin in (NATIVE, ED25519, CLEAR, "no_such_plugin", ED25519):
            # One for each: after three refusals a connection may not change its user any more.
            with Client(NATIVE, user="tenant", password="tenant", **where) as client:
                for user in ("tenant2", "tenant"):
                    assert client.change_to(user, user, plugin) is None
                    assert client.asked == [plugin if plugin in (NATIVE, ED25519) or
                                            (plugin == CLEAR and is_private) else NATIVE]
                    assert client.value("SELECT CURRENT_USER()") == f"{user}@%"
                assert client.change_to("tenant2", "wrong", plugin) == 1045
                assert client.value("SELECT CURRENT_USER()") == "tenant@%"
                assert client.change_to("nobody_here", "x", plugin) == 1045


# ---------------------------------------------------------------- users of the nodes

@pytest.fixture
def follows(galeway, users_monitor):
    return lambda: galeway(users=[account("galeway")],
                           variables={"users_from_hostgroup": 10, "users_refresh_interval": 60000,
                                      **users_monitor})


def refusal(**options):
    with pytest.raises(wire.ServerError) as error:
        Client(**options)
    return error.value


def test_followed_user_by_ed25519(follows, make_user):
    """An open line proves who he is, but not more; once the password came by a private one, it does."""
    name = make_user(by_ed25519("x"))
    proxy = follows()
    for plugin in (NATIVE, ED25519, CLEAR):
        said = refusal(plugin=plugin, may_ask=(ED25519,), port=proxy.port, user=name, password="x")
        assert said.errno == 1045 and "ed25519" in said.text and "unix socket" in said.text
        said = refusal(plugin=plugin, may_ask=(ED25519,), port=proxy.port, user=name, password="y")
        assert said.errno == 1045 and "ed25519" not in said.text
    said = refusal(unix=proxy.unix, user=name, password="y")
    assert said.errno == 1045 and "ed25519" not in said.text
    with Client(unix=proxy.unix, user=name, password="x") as client:
        assert client.asked == [CLEAR]
        assert whole(client) == (f"{name}@%", f"{name}@%")
    with Client(ED25519, (ED25519,), port=proxy.port, user=name, password="x") as client:
        assert whole(client) == (f"{name}@%", f"{name}@%")
    with pymysql.connect(host="127.0.0.1", port=proxy.port, user=name, password="x") as db, \
            db.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        assert cursor.fetchone() == (f"{name}@%",)
    done = run(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{proxy.port}", f"-u{name}", "-px",
                "-Ne", "SELECT CURRENT_USER()"])
    assert done.stdout.strip() == f"{name}@%"
    with Client(NATIVE, port=proxy.port, user="galeway", password="galeway") as client:
        for plugin in (NATIVE, ED25519):
            assert client.change_to(name, "y", plugin) == 1045
            assert client.change_to(name, "x", plugin) is None
            assert whole(client) == (f"{name}@%", f"{name}@%")


def test_followed_user_with_two_passwords(cluster, follows, make_user):
    """Either is right, as on a node; for the nodes the native one, which was shown."""
    name = make_user("ed25519 USING PASSWORD('x') OR mysql_native_password USING PASSWORD('y')")
    proxy = follows()
    for password, port in itertools.product("xyz", (cluster.port(1), proxy.port)):
        if password == "x" and port == proxy.port:
            assert "ed25519" in refusal(port=port, user=name, password="x").text
        elif password == "z":
            assert refusal(port=port, user=name, password="z").errno == 1045
        else:
            with Client(port=port, user=name, password=password) as client:
                assert client.value("SELECT CURRENT_USER()") == f"{name}@%"
    with Client(port=proxy.port, user=name, password="x") as client:  # by now the nodes are served
        assert whole(client) == (f"{name}@%", f"{name}@%")


def test_followed_user_of_a_plugin_that_is_not_served(follows, make_user):
    name = make_user("unix_socket")
    proxy = follows()
    for where in ({"port": proxy.port}, {"unix": proxy.unix}):
        said = refusal(user=name, password="", **where)
        assert said.errno == 1045 and "plugin 'unix_socket'" in said.text
