# SPDX-License-Identifier: Apache-2.0
"""What is done to the nodes while clients write and read."""

import random
import time

import pymysql

NOT_READY = 1047


class Faults:
    """One fault after the other, on nodes chosen at random; each is mended before the next."""

    def __init__(self, cluster, target, seed, spared, say):
        self.cluster, self.target, self.say = cluster, target, say
        self.random = random.Random(seed)
        self.nodes = [n for n in (1, 2, 3) if n != spared]

    def run(self, names, until):
        """Until a moment of time.monotonic(); returns how many there were."""
        done = 0
        order = []
        while names and time.monotonic() < until - 1:
            if not order:
                order = self.random.sample(names, len(names))
            name = order.pop()
            node = self.random.choice(self.nodes)
            self.say(f"{name} of node {node}")
            getattr(self, name)(node)
            done += 1
            # Measured, not waited for: clients read and write on three sound nodes.
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))
        time.sleep(max(0.0, until - time.monotonic()))  # the rest of the length asked for
        return done

    def _hold(self, least, most):
        """How long a node is as it is: chance, so that faults meet all moments of an operation."""
        time.sleep(self.random.uniform(least, most))

    def kill(self, n):
        self.cluster.kill(n)
        self._hold(0.5, 3)
        self.cluster.heal()

    def restart(self, n):
        self.cluster.script("shut", n)
        self.cluster.heal()

    def freeze(self, n):
        """Long enough for its group to go on without it, or not."""
        self.cluster.freeze(n)
        self._hold(0.5, 5)
        self.cluster.thaw(n)
        self.cluster.heal()

    def stutter(self, n):
        """So short that nobody notices; it serves, and has not applied what the others have."""
        for _ in range(10):
            self.cluster.freeze(n)
            self._hold(0.02, 0.2)
            self.cluster.thaw(n)
            self._hold(0.02, 0.2)

    def slow(self, n):
        """It applies nothing for a while: a table is locked by a statement of a client."""
        with self.cluster.connect(n, 10) as connection, connection.cursor() as cursor:
            try:
                cursor.execute("FLUSH TABLES WITH READ LOCK")
                self._hold(0.1, 0.6)
                cursor.execute("UNLOCK TABLES")
            except pymysql.err.OperationalError as error:  # the fault before this one is not over
                if error.args[0] != NOT_READY:
                    raise
                self.say(f"  node {n} is not ready: {error.args[1]}")

    def switch(self, n):
        """SWITCH WRITER, a few times."""
        for _ in range(3):
            _, refused = self.target.console(
                f"SWITCH WRITER TO '{self.cluster.host(n)}':{self.cluster.port(n)}")
            if refused:
                self.say(f"  the console says: {refused}")
            self._hold(0.1, 0.6)
            n = self.random.choice(self.nodes)

    def partition(self, n):
        """Its group cannot reach it, clients can."""
        try:
            self.cluster.sql(n, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'",
                             timeout=20)
        except pymysql.Error as error:
            self.say(f"  {error}")
        self._hold(0.5, 6)
        self.cluster.heal()


ALL = ("kill", "restart", "freeze", "stutter", "slow", "switch", "partition")
