# SPDX-License-Identifier: Apache-2.0
"""The audit log: who came, was refused, changed and went, as lines of JSON; no password in it."""
import json
import signal

import pymysql
import pytest

import wire
from console import Console
from util import account, wait_until

TENANT = {"user": "tenant", "password": "tenant"}
SECRETS = ("hush", "tenant-secret", "monitor2")


@pytest.fixture
def make(galeway):
    def make_one(**variables):
        proxy = galeway(variables={"threads": 1, "failed_login_delay_ms": 0,
                                   "auditlog_filename": "audit.log", **variables},
                        users=[account("tenant", default_schema=""), account("tenant2"),
                               account("narrow", "narrow", max_connections=1)])
        proxy.console = Console(proxy)
        return proxy
    return make_one


def events(proxy, prefix="MySQL", number=1):
    path = proxy.folder / f"audit.log.{number:08d}"
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line["event"].startswith(prefix) and line["username"]]


def names(proxy, prefix="MySQL", number=1):
    return [event["event"].split("_", 2 if prefix == "MySQL" else 1)[-1]
            for event in events(proxy, prefix, number)]


def connect(proxy, **options):
    return wire.Client(port=proxy.port, **{**TENANT, **options})


def wait_for(proxy, wanted, prefix="MySQL", number=1):
    wait_until(lambda: names(proxy, prefix, number) == wanted,
               what=f"the events {wanted}")


def test_a_client_comes_and_goes(make, schema):
    proxy = make()
    with connect(proxy) as db:
        own = "127.0.0.1:%d" % db.sock.getsockname()[1]
        db.send(bytes([wire.COM_INIT_DB]) + schema.encode())
        assert db.read_packet().payload[0] == 0
        assert db.change_user("tenant2", "tenant2", schema)[-1].payload[0] == 0
        assert wire.parse_error(db.change_user("tenant", "hush")[-1].payload)[0] == 1045
        assert db.value("SELECT 1") == "1"
    wait_for(proxy, ["Connect_OK", "Init_DB", "Change_User_OK", "Change_User_ERR", "Quit", "Close"])
    came, used, changed, failed, _, closed = events(proxy)
    assert came["client_addr"] == own and came["proxy_addr"] == f"127.0.0.1:{proxy.port}"
    assert came["username"] == "tenant" and came["ssl"] is False
    assert used["schemaname"] == schema
    assert changed["username"] == "tenant2" and changed["schemaname"] == schema
    assert failed["username"] == "tenant"
    assert closed["username"] == "tenant2" and closed["extra_info"] == "client: it said goodbye"
    assert float(closed["duration"][:-2]) >= 0 and closed["creation_time"] <= closed["time"]
    assert len({event["thread_id"] for event in events(proxy)}) == 1


def test_who_is_refused(make):
    proxy = make()
    with connect(proxy, user="narrow", password="narrow"):
        for options in ({"password": "hush"}, {"user": "nobody"}, {"db": "no_such_schema_"},
                        {"user": "narrow", "password": "narrow"}):
            with pytest.raises(wire.ServerError):
                connect(proxy, **options)
        wait_for(proxy, ["Connect_OK"] + ["Connect_ERR"] * 4)
        told = [(event["username"], event["extra_info"]) for event in events(proxy)[1:]]
        assert [user for user, _ in told] == ["tenant", "nobody", "tenant", "narrow"]
        assert "access denied" in told[0][1] and "max_user_connections" in told[3][1]


def test_reset_client_has_its_address(make):
    proxy = make()
    db = connect(proxy, source="127.0.0.7")
    db.abort()
    wait_for(proxy, ["Connect_OK", "Close"])
    assert events(proxy)[1]["client_addr"].startswith("127.0.0.7:")


def test_behind_a_balancer(make):
    proxy = make(proxy_protocol_networks="127.0.0.2")
    with connect(proxy, source="127.0.0.2",
                 ahead=b"PROXY TCP4 192.0.2.10 10.1.1.1 56324 3306\r\n"):
        wait_for(proxy, ["Connect_OK"])
    event = events(proxy)[0]
    assert event["client_addr"] == "192.0.2.10:56324"
    assert event["balancer_addr"].startswith("127.0.0.2:")


def test_unix_socket(make):
    proxy = make()
    with wire.Client(unix=proxy.unix, **TENANT):
        wait_for(proxy, ["Connect_OK"])
    assert events(proxy)[0]["client_addr"] == "localhost"
    assert events(proxy)[0]["proxy_addr"] == proxy.unix


def test_console(make):
    proxy = make()
    for sql in ("SET mysql-monitor_password='hush'", "SELECT 'hush' FROM nowhere",
                "INSERT INTO mysql_users (username, password) VALUES ('u', 'tenant-secret')"):
        try:
            proxy.console.run(sql)
        except pymysql.Error:
            pass
    with pytest.raises(pymysql.Error):
        pymysql.connect(host="127.0.0.1", port=proxy.admin_port, user="admin", password="hush")
    proxy.console.db.close()
    wait_until(lambda: names(proxy, "Admin")[-2:] == ["Quit", "Close"], what="the end")
    seen = events(proxy, "Admin")
    assert seen[0]["event"] == "Admin_Connect_OK" and seen[0]["username"] == "admin"
    assert [event["event"] for event in seen].count("Admin_Connect_ERR") == 1
    told = [(event["statement"], event.get("error")) for event in seen if "statement" in event]
    assert ("SET mysql-monitor_password...", None) in told
    assert ("SELECT ? FROM nowhere", 1146) in told
    assert ("INSERT INTO mysql_users...", None) in told


def test_no_password_is_ever_in_it(make):
    proxy = make()
    proxy.console.run("SET admin-admin_credentials='admin:admin;second:tenant-secret'")
    proxy.console.run("LOAD ADMIN VARIABLES TO RUNTIME")
    proxy.console.run("UPDATE mysql_users SET password='monitor2' WHERE username='tenant2'")
    with connect(proxy, caps=wire.DEFAULT_CAPS, user="tenant2", password="tenant2"):
        pass
    with pytest.raises(wire.ServerError):
        connect(proxy, password="hush")
    wait_until(lambda: "Connect_ERR" in names(proxy), what="the refusal")
    text = "".join(path.read_text() for path in proxy.folder.glob("audit.log.*"))
    for secret in SECRETS:
        assert secret not in text


def test_rotation_and_flush(make):
    proxy = make()
    connect(proxy).close()
    wait_for(proxy, ["Connect_OK", "Quit", "Close"])
    proxy.console.run("PROXYSQL FLUSH LOGS")
    connect(proxy).close()
    wait_for(proxy, ["Connect_OK", "Quit", "Close"], number=2)
    proxy.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: connect(proxy).close() or names(proxy, number=3), what="the third file")
    second = names(proxy, number=2)  # the last of its clients may have left in the third file
    assert second == (["Connect_OK", "Quit", "Close"] * len(second))[:len(second)]


def test_off_and_on(make):
    proxy = make(auditlog_filename="")
    connect(proxy).close()
    wait_until(lambda: proxy.console.status("Client_Connections_connected") == 0, what="its end")
    proxy.console.run("SET mysql-auditlog_filename='audit.log'")
    proxy.console.run("LOAD MYSQL VARIABLES TO RUNTIME")
    with connect(proxy, user="tenant2", password="tenant2"):
        wait_until(lambda: "Connect_OK" in names(proxy), what="the log to begin")
    assert {event["username"] for event in events(proxy)} == {"tenant2"}
    assert proxy.console.status("Auditlog_lost") == 0


def test_that_it_cannot_be_written_harms_nobody(make):
    proxy = make(auditlog_filename="no/such/folder/audit.log")
    connect(proxy).close()
    wait_until(lambda: proxy.console.status("Auditlog_lost") > 0, what="lines to be lost")
    with connect(proxy) as db:
        assert db.value("SELECT 1") == "1"
    assert "(mysql-auditlog_filename)" in proxy.log_path.read_text()
