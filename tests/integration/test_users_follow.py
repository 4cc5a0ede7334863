# SPDX-License-Identifier: Apache-2.0
"""Users of the nodes log in without a row of mysql_users (mysql-users_from_hostgroup)."""
import contextlib
import itertools
import os
import socket
import threading
import time

import pymysql
import pytest

import wire
from util import DEFAULT_ACCOUNTS, account, run, wait_until

ADMIN = {"user": "admin", "password": "admin"}
_numbers = itertools.count(1)


@pytest.fixture
def follows(cluster, galeway):
    """follows(interval=...) is a Galeway that knows no user but those of the nodes."""
    may_read(cluster, True)

    def make(interval=60000, users=None, **variables):
        return galeway(users=users or [account("galeway")],
                       variables={"users_from_hostgroup": 10, "users_refresh_interval": interval,
                                  **variables})

    return make


def may_read(cluster, allowed):
    verb, to = ("GRANT", "TO") if allowed else ("REVOKE", "FROM")
    with contextlib.suppress(pymysql.err.OperationalError):  # there is no such grant
        cluster.sql(1, f"{verb} SELECT ON mysql.global_priv {to} 'monitor'@'%'")


@pytest.fixture
def users(cluster):
    """users.create("'%'", "IDENTIFIED BY 'x'") makes an account and gives its name."""
    made = Users(cluster)
    yield made
    made.drop()


class Users:
    def __init__(self, cluster):
        self.cluster = cluster
        self.accounts = []

    def create(self, how, host="%", name=None):
        name = name or f"uf_{os.getpid()}_{next(_numbers)}"
        self.cluster.sql(1, f"CREATE USER '{name}'@'{host}' {how}")
        self.accounts.append((name, host))
        return name

    def drop(self):
        for name, host in self.accounts:
            self.cluster.sql(1, f"DROP USER IF EXISTS '{name}'@'{host}'")


def login(proxy, user, password, **options):
    return wire.Client(port=proxy.port, user=user, password=password, **options)


def refused(port, user, password, **options):
    """The error of a login, as a text; None = it was let in."""
    try:
        wire.Client(port=port, user=user, password=password, **options).close()
    except wire.ServerError as error:
        return str(error)
    return None


def admin(proxy, sql):
    with pymysql.connect(host="127.0.0.1", port=proxy.admin_port, **ADMIN) as db, \
            db.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def state(proxy):
    rows = admin(proxy, "SELECT * FROM stats_users_follow")
    return rows[0] if rows else None


def test_new_user_logs_in_at_once(follows, users):
    """Made on a node after Galeway has read its users; by three clients."""
    proxy = follows()
    wait_until(lambda: state(proxy)["state"] == "current", 10, "users read")
    name = users.create("IDENTIFIED BY 'x'")
    with login(proxy, name, "x") as client:
        assert client.value("SELECT CURRENT_USER()") == f"{name}@%"
    with pymysql.connect(host="127.0.0.1", port=proxy.port, user=name, password="x") as db, \
            db.cursor() as cursor:
        cursor.execute("SELECT USER()")
        assert cursor.fetchone()[0].startswith(name + "@")
    done = run(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{proxy.port}", f"-u{name}", "-px",
                "-Ne", "SELECT CURRENT_USER()"])
    assert done.stdout.strip() == f"{name}@%"
    assert "1045" in refused(proxy.port, name, "y")
    assert "1045" in refused(proxy.port, name, "")


def test_words_are_the_nodes(cluster, follows, users):
    """Who is refused hears what a node says."""
    proxy = follows()
    cases = [(users.create("IDENTIFIED BY 'x'"), "wrong"),
             (users.create("IDENTIFIED BY 'x' ACCOUNT LOCK"), "x"),
             (users.create("IDENTIFIED BY 'x' ACCOUNT LOCK"), "wrong"),
             (users.create("IDENTIFIED BY 'x' ACCOUNT LOCK PASSWORD EXPIRE"), "x"),
             (users.create("IDENTIFIED BY 'x' REQUIRE SSL"), "x"),
             (users.create("IDENTIFIED VIA mysql_native_password USING 'invalid'"), "invalid"),
             (users.create("IDENTIFIED BY 'x'", host="10.9.%"), "x"),
             (users.create("IDENTIFIED BY 'x' PASSWORD EXPIRE"), "wrong"),
             ("no_such_user", "x"), ("no_such_user", "")]
    for name, password in cases:
        want = refused(cluster.port(1), name, password)
        assert want and refused(proxy.port, name, password) == want
