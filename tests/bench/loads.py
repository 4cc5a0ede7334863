# SPDX-License-Identifier: Apache-2.0
"""The loads. Each takes a target and returns its numbers; a wrong answer is an exception."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time

from targets import OUT, BenchError, die_with_parent

LOADGEN = os.path.join(OUT, "loadgen")
BIG_ROWS = 1060000  # of 1000 bytes and some: 1 GiB
HELD = 5000
FIRST = 2000  # of those: most sites are known then, and what each worker has once
RULES = (0, 10, 1000, 5000)


def loadgen(port, mode, **options):
    """Run the load generator to its end; its key=value line as a dict of numbers."""
    command = [LOADGEN, mode, "--port", str(port)]
    for key, value in options.items():
        command += ["--" + key.replace("_", "-"), str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          preexec_fn=die_with_parent)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command[1:])}: wrong answers\n{done.stderr}{done.stdout}")
    return numbers(done.stdout)


def numbers(text):
    pairs = (word.split("=", 1) for word in text.split() if "=" in word)
    return {key: float(value) for key, value in pairs if key != "mode"}


def stale(result):
    """Values that were older than a write acknowledged before they were asked for."""
    return result["stale"] + result["stale_new"] + result["stale_other"]


def sysbench(port, script, seconds, ps_mode, threads=16):
    command = ["sysbench", script, "--db-driver=mysql", "--mysql-host=127.0.0.1",
               f"--mysql-port={port}", "--mysql-user=bench", "--mysql-password=bench",
               "--mysql-db=bench", "--tables=1", "--table-size=100000", f"--threads={threads}",
               f"--time={seconds}", f"--db-ps-mode={ps_mode}", "--rand-type=uniform",
               "--histogram=on", "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          preexec_fn=die_with_parent)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)}:\n{done.stdout[-1500:]}{done.stderr}")
    return parse_sysbench(done.stdout)


def parse_sysbench(text):
    histogram = [(float(value), int(count)) for value, count in
                 re.findall(r"^\s+([\d.]+) \|\**\s+(\d+)$", text, re.M)]
    total = sum(count for _, count in histogram)

    def quantile(share):
        below = 0
        for value, count in histogram:
            below += count
            if below >= share * total:
                return value * 1000
        return 0.0

    queries = re.search(r"queries:\s+(\d+)\s+\(([\d.]+) per sec", text)
    events = re.search(r"transactions:\s+(\d+)\s+\(([\d.]+) per sec", text)
    if queries is None or events is None or total == 0:
        raise BenchError("sysbench's output is not understood:\n" + text[-1500:])
    return {"stmts": float(queries.group(1)), "throughput": float(queries.group(2)),
            "p50_us": quantile(0.5), "p99_us": quantile(0.99)}


class Sampler:
    """Looks at something every interval until it is closed; keeps the largest."""

    def __init__(self, look, interval):
        self.look, self.interval = look, interval
        self.largest = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while True:
            self.largest = max(self.largest, self.look())
            if self.over.wait(self.interval):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.thread.join()


def measured(target, node, run):
    """Run a load and add what it cost: CPU, memory, server connections."""
    before = target.cpu_seconds()
    with Sampler(node.connections, 0.7) as sampler:
        result = run()
    after = target.cpu_seconds()
    result["connections"] = sampler.largest
    if before is not None:
        result["cpu_us"] = (after - before) * 1e6 / result["stmts"]
        result["rss_mb"] = target.rss_kb() / 1024
    return result


def sysbench_load(script, ps_mode):
    def load(target, node, seconds):
        sysbench(target.port, script, 1, ps_mode)
        return measured(target, node, lambda: sysbench(target.port, script, seconds, ps_mode))
    return load


def loadgen_load(mode, **options):
    def load(target, node, seconds):
        seed = int(time.monotonic()) % 100000
        loadgen(target.port, mode, seconds=1, seed=seed, **options)
        return measured(target, node, lambda: loadgen(target.port, mode, seconds=seconds,
                                                      seed=seed + 1, **options))
    return load


def cached_load(mode, **options):
    """The same with Galeway's cache, which has been filled before."""
    load = loadgen_load(mode, **options)

    def with_hits(target, node, seconds):
        loadgen(target.port, mode, count=4 * options.get("sites", options.get("rows")), **options)
        before = target.cache_counts()
        result = load(target, node, seconds)
        after = target.cache_counts()
        if before is not None:
            result["hits"] = (after[0] - before[0]) / max(1, after[1] - before[1])
        return result
    return with_hits


def calm(target):
    """Wait until it does nothing any more: what follows a burst of logins is not idle yet."""
    before = target.cpu_seconds()
    if before is None:
        return
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        time.sleep(0.25)
        now = target.cpu_seconds()
        if now - before <= 0.01:
            return
        before = now
    raise BenchError(f"{target.name} does not come to rest")


@contextlib.contextmanager
def holding(target, clients):
    """So many clients, logged in and idle; the target is at rest when they come and when they are here."""
    calm(target)
    with subprocess.Popen([LOADGEN, "hold", "--port", str(target.port), "--clients", str(clients),
                           "--sites", "500"], stdout=subprocess.PIPE, text=True,
                          preexec_fn=die_with_parent) as crowd:
        try:
            line = crowd.stdout.readline()
            if numbers(line) != {"held": clients, "errors": 0}:
                raise BenchError(f"not all clients could be held: {line}")
            calm(target)
            yield
        finally:
            crowd.send_signal(signal.SIGTERM)
            rest = crowd.communicate()[0]
    if crowd.returncode != 0:
        raise BenchError(f"a held client was not what it had been: {rest}")


def held(target, node, seconds):
    """Point SELECTs by 64 clients, without and with 5000 more that are logged in and idle."""
    def busy():
        return loadgen(target.port, "point", clients=64, seconds=seconds)

    busy()
    alone = busy()["p50_us"]
    alone_kb = target.rss_kb()
    with holding(target, FIRST):
        first_kb, first_site_kb = target.rss_kb(), target.site_kb()
    with holding(target, HELD):
        held_kb, site_kb = target.rss_kb(), target.site_kb()
        warm = node.connections()
        result = measured(target, node, busy)
    alone = (alone + busy()["p50_us"]) / 2
    result["p50_alone_us"] = alone
    result["warm"] = warm
    if alone_kb is not None:
        grown_kb = held_kb - first_kb - (site_kb - first_site_kb)
        result["held_bytes"] = grown_kb * 1024 / (HELD - FIRST)
        result["site_bytes"] = (held_kb - alone_kb) * 1024 / HELD
    return result


def big(**options):
    """One result of 1 GiB; growth of the proxy's memory while it passes."""
    def load(target, node, seconds):
        rows = BIG_ROWS if seconds > 2 else BIG_ROWS // 4
        loadgen(target.port, "point", clients=1, count=100)
        before_kb = target.rss_kb()
        target.reset_peak()
        if before_kb is None:
            result = measured(target, node, lambda: big_read(target, rows, options))
        else:
            with Sampler(target.status_rss_kb, 0.02) as sampler:
                result = measured(target, node, lambda: big_read(target, rows, options))
            # The kernel's own high-water mark sees what falls between two samples.
            peak_kb = max(sampler.largest, target.peak_kb())
            result["growth_mb"] = max(0.0, (peak_kb - before_kb) / 1024)
        return result
    return load


def big_read(target, rows, options):
    result = loadgen(target.port, "big", rows=rows, **options)
    result["throughput"] = result["bytes"] / result["seconds"] / 1e6
    result["stmts"] = result["bytes"] / 1e6  # so the CPU is per megabyte
    return result


AUTO = {"variables": {"query_cache_auto": "true"}}  # all else as it is by default
CACHED = {"variables": {"query_cache_auto": "true", "query_cache_auto_ttl_ms": "3600000"}}

# name: (what it does, unit of its throughput, settings of the proxy, load)
LOADS = {
    "point": ("oltp_point_select, 16 threads, text", "stmt/s", {},
              sysbench_load("oltp_point_select", "disable")),
    "point-ps": ("oltp_point_select, prepared", "stmt/s", {},
                 sysbench_load("oltp_point_select", "auto")),
    "ro": ("oltp_read_only, text", "stmt/s", {}, sysbench_load("oltp_read_only", "disable")),
    "ro-ps": ("oltp_read_only, prepared", "stmt/s", {}, sysbench_load("oltp_read_only", "auto")),
    "rw": ("oltp_read_write, text", "stmt/s", {}, sysbench_load("oltp_read_write", "disable")),
    "rw-ps": ("oltp_read_write, prepared", "stmt/s", {},
              sysbench_load("oltp_read_write", "auto")),
    "page": ("WordPress pages, 100 sites, 16 at a time", "page/s", {},
             loadgen_load("page", sites=100, clients=16)),
    "cached-point": ("point SELECTs of 1000 rows, all cached", "stmt/s", CACHED,
                     cached_load("point", rows=1000, clients=16)),
    "cached-64k": ("results of 64 KB, all cached", "stmt/s", CACHED,
                   cached_load("point", rows=100, clients=16, wide=1)),
    "page-cached": ("WordPress pages, 100 sites, cached", "page/s", AUTO,
                    cached_load("page", sites=100, clients=16)),
    "page-500": ("WordPress pages, 500 sites, cached", "page/s", AUTO,
                 cached_load("page", sites=500, clients=16)),
    "held": ("64 busy clients among 5000 held ones", "stmt/s", {}, held),
    "big": ("one 1 GiB result, fast reader", "MB/s", {}, big()),
    "big-slow": ("one 1 GiB result, slow reader", "MB/s", {}, big(rate_mb=100, pause_ms=1000)),
    "many": ("500 users, 64 clients, new connections", "stmt/s", {"server_connections": 100},
             loadgen_load("many", sites=500, clients=64)),
    "many-long": ("500 long connections, 64 busy", "stmt/s", {"server_connections": 100},
                  loadgen_load("many", sites=500, clients=64, per_conn=0)),
    **{f"rules-{n}": (f"oltp_point_select, {n} rules on digests", "stmt/s", {"digest_rules": n},
                      sysbench_load("oltp_point_select", "disable")) for n in RULES},
    "rules-raw": ("oltp_point_select, 50 rules on raw text", "stmt/s", {"text_rules": 50},
                  sysbench_load("oltp_point_select", "disable")),
}
