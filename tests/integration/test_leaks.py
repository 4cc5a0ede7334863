# SPDX-License-Identifier: Apache-2.0
"""Two sessions on two server connections of one node: each has what the other had a moment ago.

The comparison plays these sequences among many connections; here they cannot but meet.
"""
import pytest

import sequences
from conftest import need_proxy, worker_name
from player import compare
from sequences import hidden, leaks
from util import Galeway


def two_connections(cluster, folder):
    server = {"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10,
              "max_connections": 2, "weight": 1000}
    return Galeway(cluster, folder, servers=[server],
                   variables={"threads": 1, "connect_timeout_server_max": 5000,
                              "enable_load_data_local_infile": True})


@pytest.fixture(scope="module")
def narrow(cluster, tmp_path_factory):
    need_proxy()
    proxy = two_connections(cluster, tmp_path_factory.mktemp("narrow")).start()
    try:
        yield proxy
    finally:
        proxy.stop()


@pytest.mark.parametrize("sequence", [*leaks.SEQUENCES, *hidden.SEQUENCES], ids=lambda s: s.name)
def test_leaks(cluster, narrow, sequence):
    fault = compare(cluster, narrow, f"cmp_{worker_name()}", sequence)
    assert fault is None, fault


def test_leaks_are_compared_among_many_connections_too():
    assert {"hidden", "leaks"} <= set(sequences.all_topics())
