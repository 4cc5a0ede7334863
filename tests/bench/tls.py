#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What TLS and compression cost: CPU time of Galeway for a page (a new connection and 18 statements), and memory of a held
client.

    tests/bench/tls.py [--pages 1500] [--held 500]

On the integration tests' cluster. The load is a Python client, so only Galeway's own CPU time means
something, not the rate.
"""
import argparse
import os
import pathlib
import resource
import ssl
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

import wire  # noqa: E402
from util import Cluster, Galeway  # noqa: E402

TENANT = {"user": "tenant", "password": "tenant"}
PAGE = ["SET NAMES utf8mb4", "SELECT @@SESSION.sql_mode"] + [
    f"SELECT {n}, REPEAT('x', 500)" for n in range(16)]


def cpu_us(proxy):
    fields = pathlib.Path(f"/proc/{proxy.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000000 // os.sysconf("SC_CLK_TCK")


def context(proxy, version):
    made = ssl.create_default_context(cafile=str(proxy.folder / "galeway-ca.pem"))
    made.minimum_version = made.maximum_version = version
    return made


def play(proxy, pages, tls=None, resumes=False, compress=False):
    session = None
    before = cpu_us(proxy)
    for _ in range(pages):
        with wire.Client(port=proxy.port, tls=tls, tls_session=session, compress=compress,
                         **TENANT) as client:
            for sql in PAGE:
                client.query(sql)
            assert session is None or client.sock.session_reused
            session = client.sock.session if resumes else None
    return (cpu_us(proxy) - before) / pages


def hold(proxy, count, tls=None, compress=False):
    before = proxy.rss_kb()
    clients = [wire.Client(port=proxy.port, tls=tls, compress=compress, **TENANT)
               for _ in range(count)]
    for client in clients:
        client.query("SELECT 1")
    grown = proxy.rss_kb() - before
    for client in clients:
        client.close()
    return grown * 1024 / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=1500)
    parser.add_argument("--held", type=int, default=500)
    chosen = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    cluster = Cluster().join()
    try:
        with tempfile.TemporaryDirectory() as folder:
            proxy = Galeway(cluster, pathlib.Path(folder), {"have_compress": True}).start()
            new, old = (context(proxy, v) for v in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2))
            play(proxy, chosen.pages // 5)
            for name, options in (("plain", {}), ("TLS 1.3", {"tls": new}),
                                  ("TLS 1.3, resumed", {"tls": new, "resumes": True}),
                                  ("TLS 1.2", {"tls": old}),
                                  ("TLS 1.2, resumed", {"tls": old, "resumes": True}),
                                  ("compressed", {"compress": True}),
                                  ("TLS, compressed", {"tls": new, "compress": True})):
                print(f"{name:<18}{play(proxy, chosen.pages, **options):8.0f} us of CPU a page")
            hold(proxy, 50, new)
            for name, tls, compress in (("plain", None, False), ("TLS 1.3", new, False),
                                        ("compressed", None, True)):
                grown = hold(proxy, chosen.held, tls, compress)
                print(f"{name:<18}{grown:8.0f} bytes a held client")
            proxy.stop()
    finally:
        cluster.leave()


if __name__ == "__main__":
    main()
