# SPDX-License-Identifier: Apache-2.0
"""Whatever a client can see through the proxy is the same, byte for byte, as on a node.

Each sequence is played on a node, then through a proxy whose few connections are churned by
other clients of the same user, each time in a fresh schema of the same name.

COMPARE_WITH=direct plays both on the node: that is the test of the harness itself.
"""
import contextlib
import os
import subprocess
import sys

import pytest

import sequences
from conftest import need_proxy, worker_name
from player import compare
from util import Direct, Galeway

COMPARE_WITH = os.environ.get("COMPARE_WITH", "galeway")
CHURNERS = 2  # processes, two clients each
TOPICS = sequences.all_topics()
ALL = [pytest.param(sequence, id=f"{topic}-{sequence.name}")
       for topic, topical in TOPICS.items() for sequence in topical]


@contextlib.contextmanager
def churn(cluster, port):
    """Background clients of the same user; a wrong answer to one of them fails the test."""
    schema = f"cmp_{worker_name()}_churn"
    cluster.sql(1, f"CREATE OR REPLACE DATABASE {schema}")
    cluster.sql(1, f"CREATE TABLE {schema}.churn (id INT AUTO_INCREMENT PRIMARY KEY, n INT)")
    cluster.catch_up()
    command = [sys.executable, os.path.join(os.path.dirname(__file__), "churn.py"), str(port),
               "tenant", "tenant", schema]
    running = [subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True) for seed in range(CHURNERS)]
    try:
        for process in running:
            if process.stdout.readline() != "ready\n":
                raise AssertionError("churn.py did not start: " + process.stderr.read())
        yield running
        for process in running:
            assert process.poll() is None, "churn.py failed: " + process.stderr.read()
    finally:
        for process in running:
            process.terminate()
            process.communicate()
        cluster.sql(1, f"DROP DATABASE {schema}")


@pytest.fixture(scope="module")
def busy_target(cluster, tmp_path_factory):
    """What the node is compared with."""
    if COMPARE_WITH == "direct":
        with churn(cluster, cluster.port(1)):
            yield Direct(cluster)
        return
    need_proxy()
    proxy = Galeway(cluster, tmp_path_factory.mktemp("busy"), connections=8,
                    variables={"enable_load_data_local_infile": True}).start()
    try:
        with churn(cluster, proxy.port):
            yield proxy
    finally:
        proxy.stop()


@pytest.mark.parametrize("sequence", ALL)
def test_compare(cluster, busy_target, sequence):
    fault = compare(cluster, busy_target, f"cmp_{worker_name()}", sequence)
    assert fault is None, fault


def test_there_are_enough_sequences():
    assert sum(len(topical) for topical in TOPICS.values()) >= 250
