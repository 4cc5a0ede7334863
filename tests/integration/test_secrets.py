# SPDX-License-Identifier: Apache-2.0
"""What guesses and logs tell: unknown users, COM_CHANGE_USER, passwords in statements."""
import hashlib
import os

import pymysql
import pytest

import wire
from util import account, wait_until

ADMIN = {"user": "admin", "password": "admin"}
PLUGINS = ["mysql_native_password", "caching_sha2_password", "client_ed25519", "dialog"]


def asked(port, user, plugin):
    """What a login that names a plugin hears: the plugins it is asked by, and the error."""
    client = wire.Client(port=port, login=False, user=user)
    heard = []
    try:
        client.send_packet(client._login_head() + user.encode() + b"\0" + wire.put_string(b"x" * 20)
                           + plugin.encode() + b"\0")
        while not heard or not heard[-1].startswith("1045"):
            payload = client.read_packet().payload
            if payload[0] == 0xFF:
                heard.append(str(wire.ServerError(payload)).replace(user, "?"))
            else:
                heard.append(payload[1:].split(b"\0")[0].decode())
                client.send_packet(b"y" * 20)
    finally:
        client.sock.close()
    return heard


@pytest.mark.parametrize("plugin", PLUGINS)
def test_unknown_user_is_asked_as_others(cluster, galeway, plugin):
    """As on a node: by the native plugin, whatever he names. A row that is not active is nobody."""
    proxy = galeway(users=[account("known", native_hash("tenant")), account("off", active=0)])
    want = asked(cluster.port(1), "nobody_here", plugin)
    for user in ("known", "nobody_here", "off"):
        assert asked(proxy.port, user, plugin) == want, user


def native_hash(password):
    """*HEX40 of the native plugin."""
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()


def test_change_user_cannot_be_guessed_by(cluster, proxy):
    """Three wrong ones in the life of a connection, right ones between them; as on a node."""
    heard = []
    for port in (cluster.port(1), proxy.port):
        with wire.Client(port=port, user="tenant", password="tenant") as client:
            answers = []
            for password in ("wrong", "tenant", "wrong", "no", "tenant", "tenant"):
                client.query("SET @kept=1")
                packet = client.change_user("tenant", password)[-1]
                answers.append(wire.describe(packet))
                answers.append(client.value("SELECT @kept"))
            heard.append(answers)
    assert heard[0] == heard[1]
    assert "1047" in str(heard[1][-2])


SECRETS = ["ALTER USER {0} IDENTIFIED BY 'sekret1'", "SET PASSWORD FOR {0} = PASSWORD('sekret2')",
           "PREPARE s FROM \"SET PASSWORD FOR {0} = PASSWORD('sekret3')\"",
           "EXECUTE IMMEDIATE \"ALTER USER {0} IDENTIFIED BY 'sekret4'\"",
           "GRANT USAGE ON *.* TO {0} IDENTIFIED BY 'sekret5'",
           "SET STATEMENT max_statement_time=9 FOR SET PASSWORD FOR {0}=PASSWORD('sekret6')",
           "BEGIN NOT ATOMIC ALTER USER {0} IDENTIFIED BY 'sekret7'; END",
           "ALTER USER {0} IDENTIFED BY 'sekret8'"]


def test_passwords_of_statements_are_logged_nowhere(cluster, galeway):
    """Events, audit, tables of statistics, the process list; the statement itself runs."""
    proxy = galeway(users=[account("galeway")],
                    variables={"eventslog_filename": "events.log", "eventslog_default_log": 1,
                               "auditlog_filename": "audit.log"})
    name = f"sec_{os.getpid()}"
    cluster.sql(1, f"CREATE OR REPLACE USER {name}")
    try:
        with wire.Client(port=proxy.port, user="galeway", password="galeway") as client:
            for sql in SECRETS:
                client.query(sql.format(name))
            client.send(bytes([wire.COM_STMT_PREPARE])
                        + f"ALTER USER {name} IDENTIFIED BY 'sekret9'".encode())
            client.read_prepare()
            client.query(f"SELECT 'shown', '{name}'")
            shown = tables(proxy)
        files = wait_until(lambda: "'shown'" in logs(proxy) and logs(proxy), 10, "events")
    finally:
        cluster.sql(1, f"DROP USER {name}")
    assert "ALTER USER" in shown and "IDENTIFIED BY ?" in shown and "1064" in shown
    assert "sekret" not in shown, [line for line in shown.splitlines() if "sekret" in line]
    assert f"ALTER USER {name} IDENTIFIED BY ?" in files
    assert "sekret" not in files, [line for line in files.splitlines() if "sekret" in line]


def tables(proxy):
    with pymysql.connect(host="127.0.0.1", port=proxy.admin_port, **ADMIN) as db, \
            db.cursor() as cursor:
        rows = []
        for table in ("stats_mysql_errors", "stats_mysql_query_digest", "stats_mysql_processlist",
                      "stats_mysql_prepared_statements_info"):
            cursor.execute(f"SELECT * FROM {table}")
            rows += cursor.fetchall()
    return "\n".join(map(str, rows))


def logs(proxy):
    return "".join(file.read_text(errors="replace") for file in proxy.folder.rglob("*")
                   if file.is_file() and ".log" in file.name)
