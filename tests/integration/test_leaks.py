# SPDX-License-Identifier: Apache-2.0
"""Two sessions on two server connections of one node: each has what the other had a moment ago.

The comparison plays these sequences among many connections; here they cannot but meet.
"""
import pytest

import sequences
from conftest import need_proxy, worker_name
from player import Player, difference
from sequences import leaks
from test_compare import prepare_schema
from util import Direct, Galeway


def two_connections(cluster, folder):
    server = {"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10,
              "max_connections": 2, "weight": 1000}
    return Galeway(cluster, folder, servers=[server],
                   variables={"threads": 1, "connect_timeout_server_max": 5000})


@pytest.fixture(scope="module")
def narrow(cluster, tmp_path_factory):
    need_proxy()
    proxy = two_connections(cluster, tmp_path_factory.mktemp("narrow")).start()
    try:
        yield proxy
    finally:
        proxy.stop()


@pytest.mark.parametrize("sequence", leaks.SEQUENCES, ids=lambda s: s.name)
def test_leaks(cluster, narrow, sequence):
    name = f"cmp_{worker_name()}"
    records = []
    try:
        for target in (Direct(cluster), narrow):
            prepare_schema(cluster, name, sequence)
            records.append(Player(cluster, target, name, sequence).play())
            narrow.check_alive()
    finally:
        cluster.sql(1, f"DROP DATABASE IF EXISTS {name}")
    fault = difference(*records)
    assert fault is None, fault


def test_leaks_are_compared_among_many_connections_too():
    assert "leaks" in sequences.all_topics()
