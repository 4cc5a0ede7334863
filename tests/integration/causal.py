# SPDX-License-Identifier: Apache-2.0
"""One site on a writer and a reader: its writes, its reads, and nodes that have not applied them."""
import contextlib

import wire
from console import Console
from util import wait_until

TENANT = {"user": "tenant", "password": "tenant"}
READ = "SELECT a, @@port FROM t WHERE id = 1"
WINDOW = 60000  # ms: no test waits for its end


def two_nodes(cluster):
    """Node 1 writes, node 2 reads, also while it is not Synced: there is no other."""
    return [{"address": "127.0.0.1", "port": cluster.port(n), "hostgroup": 10, "weight": 3 - n}
            for n in (1, 2)]


def write(proxy, schema, value):
    with wire.Client(port=proxy.port, db=schema, **TENANT) as client:
        client.rows(f"UPDATE t SET a = {value} WHERE id = 1")


def read(proxy, schema):
    """The value that another connection of the site sees, and the port of the node that gave it."""
    with wire.Client(port=proxy.port, db=schema, **TENANT) as client:
        (value, port), = client.rows(READ)
        return int(value), int(port)


def read_at(proxy, schema, port):
    """The value, when reads go to that node; where they go instead, and why, is shown with the failure."""
    try:
        return wait_until(lambda: [value for value, at in [read(proxy, schema)] if at == port],
                          what=f"reads go to the node of port {port}")[0]
    except AssertionError as e:
        console = Console(proxy)
        asked = (f"EXPLAIN ROUTE FOR 'tenant'@'{schema}' '{READ}'", "SELECT * FROM stats_galera_nodes",
                 "SELECT * FROM runtime_mysql_servers")
        shown = [f"{sql}: {console.rows(sql)}" for sql in asked]
        console.db.close()
        raise AssertionError("\n".join([str(e), *shown])) from None


@contextlib.contextmanager
def behind(cluster, n):
    """The node applies nothing meanwhile; it answers."""
    with contextlib.closing(cluster.connect(n)) as lock:
        with lock.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
            yield
            cursor.execute("UNLOCK TABLES")
