# SPDX-License-Identifier: Apache-2.0
"""Who must come with which certificate: mysql_users.attributes, and REQUIRE of users of the nodes."""
import json
import os
import ssl

import pytest

import wire
from certs import Authority
from console import Console
from test_tls import own_ca, trusting
from util import GALEWAY_BIN, account, run, wait_until

CIPHERS = ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256")


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """Two that are trusted, in one file, and certificates of theirs."""
    folder = tmp_path_factory.mktemp("certs")
    first, second = Authority(folder, "first"), Authority(folder / "second", "second")
    both = folder / "both.pem"
    both.write_text(open(first.file, encoding="ascii").read()
                    + open(second.file, encoding="ascii").read())
    certs = {"site1": first.issue("site1"), "site2": first.issue("site2"),
             "other": second.issue("site1")}
    return str(both), {name: certs[name] for name in certs} | {"none": None}


def of_any_name(ca, cert):
    context = trusting(ca, cert)
    context.check_hostname = False
    return context


def tries(port, context_of, user, certs):
    """By which certificates he gets in."""
    taken = set()
    for name, cert in certs.items():
        try:
            with wire.Client(port=port, user=user, password=user, tls=context_of(cert)) as client:
                assert client.value("SELECT 1") == "1"
                taken.add(name)
        except wire.ServerError as error:
            assert error.errno == 1045, error
    try:
        wire.Client(port=port, user=user, password=user).close()
        taken.add("plain")
    except wire.ServerError as error:
        assert error.errno == 1045, error
    return taken


@pytest.mark.parametrize("attributes,taken", [
    ({}, {"plain", "none", "site1", "site2", "other"}),
    ({"require_x509": True}, {"site1", "site2", "other"}),
    ({"x509_subject": "/CN=site1"}, {"site1", "other"}),
    ({"x509_issuer": "/CN=first"}, {"site1", "site2"}),
    ({"x509_subject": "/CN=site1", "x509_issuer": "/CN=first"}, {"site1"}),
    ({"x509_subject": "/CN=nobody"}, set()),
    ({"ssl_cipher": CIPHERS[0]}, {"none", "site1", "site2", "other"}),
    ({"ssl_cipher": CIPHERS[1]}, set()),
])
def test_attributes(galeway, authorities, attributes, taken):
    both, certs = authorities
    proxy = galeway(variables={"ssl_ca": both, "ssl_cipher": CIPHERS[0]},
                    users=[account("tenant", attributes=json.dumps(attributes))])
    assert tries(proxy.port, lambda cert: trusting(own_ca(proxy), cert), "tenant", certs) == taken


def test_what_is_missing_is_told_to_who_knows_the_password(galeway, authorities):
    both, certs = authorities
    proxy = galeway(variables={"ssl_ca": both}, users=[
        account("tenant", attributes='{"x509_subject": "/CN=site1"}'), account("tenant2")])
    for cert, lacks in ((None, "without a certificate"),
                        (certs["site2"], "without a certificate of the subject that is required")):
        with pytest.raises(wire.ServerError) as error:
            wire.Client(port=proxy.port, user="tenant", password="tenant",
                        tls=trusting(own_ca(proxy), cert))
        assert error.value.text.endswith(lacks), error.value.text
    with pytest.raises(wire.ServerError) as error:
        wire.Client(port=proxy.port, user="tenant", password="wrong", tls=trusting(own_ca(proxy)))
    assert "certificate" not in error.value.text
    # Another user of the same connection needs what a new one does.
    for cert, errors in ((certs["site2"], True), (certs["site1"], False)):
        with wire.Client(port=proxy.port, user="tenant2", password="tenant2",
                         tls=trusting(own_ca(proxy), cert)) as client:
            assert (client.change_user("tenant", "tenant")[-1].payload[0] == 0xFF) == errors
            assert client.value("SELECT 1") == "1"
    # A session that is resumed has its certificate still.
    context = trusting(own_ca(proxy), certs["site1"])
    with wire.Client(port=proxy.port, user="tenant", password="tenant", tls=context) as client:
        client.value("SELECT 1")
        session = client.sock.session
    with wire.Client(port=proxy.port, user="tenant", password="tenant", tls=context,
                     tls_session=session) as client:
        assert client.sock.session_reused and client.value("SELECT 1") == "1"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_ends_with_its_certificate(galeway, tmp_path, version):
    first = Authority(tmp_path, "first")
    cert = first.issue("site1", days=0, seconds=5)
    proxy = galeway(variables={"ssl_ca": first.file}, users=[
        account("tenant", attributes='{"require_x509": true}')])
    context = trusting(own_ca(proxy), cert, version=version)
    reused = []

    def log_in(session=None):
        with wire.Client(port=proxy.port, user="tenant", password="tenant", tls=context, tls_session=session) as client:
            client.value("SELECT 1")
            reused.append(client.sock.session_reused)
            return client.sock.session

    session = log_in()
    session = log_in(session)
    assert reused == [False, True]

    def is_refused():
        try:
            log_in(session)
        except wire.ServerError as error:
            return error
        return None

    error = wait_until(is_refused, 20, "the certificate to end", every=0.5)
    assert error.errno == 1045 and error.text.endswith("without a certificate that is valid now")


def test_faults(galeway):
    proxy = galeway()
    for attributes, text in (('{"require_x509": 1}', "require_x509 is true or false"),
                             ('{"x509_subject": 1}', "x509_subject, x509_issuer and ssl_cipher are"),
                             ('{"require_x509": true}', "clients are not asked for one")):
        proxy.data["mysql_users"] = [account("tenant", attributes=attributes)]
        proxy.write_config()
        done = run([GALEWAY_BIN, "--check", "-c", proxy.config_path], check=False)
        assert text in done.stdout
        assert done.returncode == (0 if "asked" in text else 1)


# ---------------------------------------------------------------- users of the nodes

REQUIRE = [("SSL", {"none", "site1", "site2", "other"}),
           ("X509", {"site1", "site2", "other"}),
           ("SUBJECT '/CN=site1'", {"site1", "other"}),
           ("ISSUER '/CN=first'", {"site1", "site2"}),
           ("SUBJECT '/CN=site1' AND ISSUER '/CN=first'", {"site1"}),
           (f"CIPHER '{CIPHERS[0]}'", {"none", "site1", "site2", "other"}),
           ("CIPHER 'AES128-SHA'", set())]


def test_require_of_users_who_follow_the_cluster(tls_cluster, galeway):
    """As on a node: it is asked by the same certificates. On the other side all is encrypted."""
    first = tls_cluster.authority
    certs = {"none": None, "site1": first.issue("site1"), "site2": first.issue("site2")}
    users, monitor = {}, f"rq_{os.getpid()}"
    try:
        tls_cluster.sql(1, f"CREATE USER {monitor} IDENTIFIED BY '{monitor}'")
        tls_cluster.sql(1, f"GRANT BINLOG MONITOR ON *.* TO {monitor}")
        tls_cluster.sql(1, f"GRANT SELECT ON mysql.global_priv TO {monitor}")
        for n, (how, _) in enumerate(REQUIRE):
            how = how.replace("/CN=first", "/CN=authority")
            users[how] = f"rq_{os.getpid()}_{n}"
            tls_cluster.sql(1, f"CREATE USER {users[how]} IDENTIFIED BY '{users[how]}' REQUIRE {how}")
        tls_cluster.catch_up()
        expected = {}
        for (how, user), (_, taken) in zip(users.items(), REQUIRE):
            expected[how] = taken - {"other"}
            direct = tries(tls_cluster.port(1), lambda cert: of_any_name(first.file, cert), user,
                           certs)
            # A node's cipher is its own.
            assert direct == expected[how] or "CIPHER" in how, how
        proxy = galeway(tls_cluster, users=[account("nobody")], servers=[
            {"address": "127.0.0.1", "port": tls_cluster.port(n), "hostgroup": 10, "use_ssl": 1}
            for n in (1, 2, 3)], variables={
                "ssl_ca": first.file, "ssl_cipher": CIPHERS[0], "users_from_hostgroup": 10,
                "monitor_username": monitor, "monitor_password": monitor})
        for how, user in users.items():
            got = set()
            for name, cert in certs.items():
                try:
                    with wire.Client(port=proxy.port, user=user, password=user,
                                     tls=trusting(own_ca(proxy), cert)):
                        got.add(name)  # logged in: here, that is what is asked
                except wire.ServerError as error:
                    assert error.errno == 1045 and "using password: YES" in error.text, error
            assert got == expected[how], how
            with pytest.raises(wire.ServerError) as error:
                wire.Client(port=proxy.port, user=user, password=user)
            assert error.value.errno == 1045
        assert "may not log in without a certificate of the subject" in proxy.log_path.read_text()
        console = Console(proxy)
        assert console.value("SELECT COUNT(*) FROM runtime_mysql_users WHERE username LIKE 'rq_%'") >= 7
        console.db.close()
    finally:
        for user in [*users.values(), monitor]:
            tls_cluster.sql(1, f"DROP USER IF EXISTS {user}")
