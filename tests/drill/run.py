# SPDX-License-Identifier: Apache-2.0
"""One drill as it goes on: proxy, load, direct writer, the fault, the end."""

import time

from nodes import Visitors, now_us, wait_until
from verdict import read_record

# 64 visitors; the load leaves room on the machine, or its jitter would hide what is looked for.
READERS = {"read": 24, "connect": 4}
WRITERS = {"insert": 12, "count": 6, "trx": 12, "ryw": 6}
DIRECT = {"insert": 3, "count": 1}
THINK_MS = 40
LOCAL = "127.0.0.1"
FIRST_DIRECT = 1000  # numbers of visitors

# Stretches of load, in seconds, not waits for something to be ready: how long visitors are served
# before it is asked which nodes do so, since reads go where less is under way; the baseline.
LOADED_S = 1.0
QUIET_S = 2.0
ANSWERED_S = 20


class Skipped(Exception):
    """A drill that cannot be done here, and why."""


class Run:
    """What a drill's steps act on, and what they leave for the verdict."""

    def __init__(self, cluster, target, name):
        self.cluster, self.target, self.name = cluster, target, name
        self.quiet_us = self.fault_us = self.end_us = None
        self.writer = self.reader = self.survivor = None
        self.ops, self.direct_ops, self.tables = [], [], None
        self.reasons = []  # of a failure, beyond what the record shows
        self.notes = []
        self.marks = []    # (moment, what happened), for the plot
        self.loads, self.directs = [], []
        self.began = time.monotonic()

    def say(self, text):
        print(f"  {time.monotonic() - self.began:5.1f} s  {text}", flush=True)

    def mark(self, text, moment_us=None):
        self.marks.append((moment_us or now_us(), text))
        self.say(text)

    def start_proxy(self):
        self.target.start()
        self.say(f"{self.target.name} listens")

    def start_load(self):
        name = f"{self.target.name}-{self.name}"
        if self.target.read_port == self.target.write_port:
            self.loads.append(Visitors(name, LOCAL, self.target.write_port,
                                       {**READERS, **WRITERS}, 1, THINK_MS))
        else:
            self.loads.append(Visitors(name + "-reads", LOCAL, self.target.read_port, READERS, 1,
                                       THINK_MS))
            self.loads.append(Visitors(name, LOCAL, self.target.write_port, WRITERS, 500,
                                       THINK_MS))

    def find_roles(self):
        """Who is writer, and who of the others answers most reads: asked under the load."""
        wait_until(lambda: all(load.has_answers() for load in self.loads), ANSWERED_S,
                   "an answer to every visitor")
        self.hold(LOADED_S)
        self.writer = self.target.writer()
        answers = self.target.readers()
        others = [n for n in (1, 2, 3) if n != self.writer]
        self.reader = max(others, key=lambda n: answers[n])
        self.survivor = next(n for n in others if n != self.reader)
        shares = ", ".join(f"node {n}: {answers[n]}" for n in sorted(answers))
        self.say(f"node {self.writer} is the writer; reads of {answers.total()}: {shares}")

    def start_direct(self):
        name = f"{self.target.name}-{self.name}-direct"
        self.directs.append(Visitors(name, self.cluster.host(self.survivor),
                                     self.cluster.port(self.survivor), DIRECT, FIRST_DIRECT,
                                     THINK_MS // 2))
        wait_until(self.directs[-1].has_answers, ANSWERED_S, "an answer to every direct writer")
        self.say(f"a direct writer on node {self.survivor}")

    def begin(self, direct=True):
        """Everything until the moment before the fault."""
        self.start_proxy()
        # A health check needs a moment before it has seen the nodes.
        wait_until(self.target.serves, 15, f"{self.target.name} to serve")
        self.start_load()
        self.find_roles()
        if direct:
            self.start_direct()
        self.quiet_us = now_us()
        self.hold(QUIET_S)

    def fault(self, text, moment_us=None):
        """The fault is this: from here pauses count."""
        self.fault_us = moment_us or now_us()
        self.mark(text, self.fault_us)

    def hold(self, seconds):
        """A stretch of the record, no wait: what the load sees in this time is what is measured."""
        time.sleep(seconds)

    def end(self):
        """Stop everything, read what was recorded and what is in the tables."""
        self.end_us = now_us()
        for load in self.loads + self.directs:
            load.stop()
        for load in self.loads + self.directs:
            load.wait()
        for load in self.loads:
            self.ops += read_record(load.path)
        for load in self.directs:
            self.direct_ops += read_record(load.path)
        fault = self.target.stop()
        if fault:
            self.reasons.append(fault)
        if self.loads or self.directs:
            self.tables = self.cluster.tables(self.survivor)
            self.say(f"{len(self.ops)} operations recorded, {len(self.direct_ops)} direct")

    def abandon(self):
        for load in self.loads + self.directs:
            load.kill()
        self.target.stop()
