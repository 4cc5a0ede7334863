# SPDX-License-Identifier: Apache-2.0
"""From a record of writes and reads to what may not have been. No clock, no process."""

import bisect
import collections

ABSENT = None
START = 0  # the number that every register begins with
HISTORY = 8
NEVER = 5  # errors of a kind that never succeeded: not the faults' doing

Write = collections.namedtuple("Write", "begun ended client kind outcome value")
Read = collections.namedtuple("Read", "begun ended client kind seen count")
Own = collections.namedtuple("Own", "ended client register value own")
Error = collections.namedtuple("Error", "when client code kind text")


def number(text):
    return ABSENT if text == "-" else int(text)


class Record:
    """What load's processes have written down, see load/record.c."""

    def __init__(self):
        self.writes = collections.defaultdict(list)  # of each register
        self.reads, self.owns, self.errors = [], [], []

    def take(self, path):
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                self.take_line(line.rstrip("\n").split("\t"))
        return self

    def take_line(self, fields):
        letter, rest = fields[0], fields[1:]
        if letter == "W":
            self.writes[rest[5]].append(Write(int(rest[0]), int(rest[1]), int(rest[2]), rest[3],
                                              rest[4], number(rest[6])))
        elif letter == "R":
            seen = [pair.split("=") for pair in rest[4:]]
            counts = [int(text) for name, text in seen if name.endswith(".count")]
            self.reads.append(Read(int(rest[0]), int(rest[1]), int(rest[2]), rest[3],
                                   [(name, number(text)) for name, text in seen
                                    if not name.endswith(".count")],
                                   counts[0] if counts else None))
        elif letter == "O":
            self.owns.append(Own(int(rest[1]), int(rest[2]), rest[4], int(rest[5]),
                                 number(rest[6].replace("-1", "-"))))
        elif letter == "E":
            self.errors.append(Error(int(rest[0]), int(rest[1]), int(rest[2]), rest[3], rest[4]))


class Register:
    """What a row was, and may be taken for."""

    def __init__(self, writes):
        # One client at a time writes it, so the order in which they ended is their order.
        self.writes = [Write(0, 0, -1, "start", "ok", START)] + sorted(
            writes, key=lambda write: write.ended)
        self.sure = [write for write in self.writes if write.outcome == "ok"]
        self.ended = [write.ended for write in self.sure]
        self.begun = [write.begun for write in self.sure]
        self.doubtful = [write for write in self.writes if write.outcome == "doubt"]
        self.undone = {write.value for write in self.writes if write.outcome == "undone"}

    def allowed(self, begun, ended, lag=0):
        """
        The states that a read may see: the last one acknowledged before it began (or, for writes
        that pass by the proxy, before lag), and each later one that was sent before it ended. A
        write in doubt may hold at any time from then on, as nobody knows when a node runs it.
        """
        first = bisect.bisect_right(self.ended, begun - lag) - 1
        last = bisect.bisect_right(self.begun, ended)
        states = {write.value for write in self.sure[max(0, first):max(last, first + 1)]}
        states.update(write.value for write in self.doubtful if write.begun < ended)
        return states

    def age_us(self, value, begun):
        """How old a state that is too old was, at the beginning of the read: since when it had been
        known to be replaced. None: no sure write has left it."""
        place = bisect.bisect_right(self.ended, begun) - 1
        while place >= 0 and self.sure[place].value != value:
            place -= 1
        if place < 0 or place + 1 >= len(self.sure):
            return None
        return begun - self.sure[place + 1].ended

    def history(self, begun):
        """The writes around a moment, as text; times in ms before (-) and after it."""
        place = bisect.bisect_right([write.ended for write in self.writes], begun)
        lines = []
        for write in self.writes[max(0, place - HISTORY):place + 3]:
            value = "no row" if write.value is ABSENT else str(write.value)
            lines.append(f"    write {value:<8} {write.kind:<20}{write.outcome:<7}"
                         f"sent {(write.begun - begun) / 1000:+10.2f} ms, answered "
                         f"{(write.ended - begun) / 1000:+10.2f} ms, client {write.client}"
                         if write.kind != "start" else f"    start {value}")
        return lines


Fault = collections.namedtuple("Fault", "what kind register age_us text")


class Judge:
    """
    All faults of a record. lag_us: allowed for registers that are written past the proxy;
    zero_us: from when times are told.
    """

    def __init__(self, record, lag_us=0, zero_us=0):
        self.record, self.lag_us, self.zero_us = record, lag_us, zero_us
        self.registers = {name: Register(writes) for name, writes in record.writes.items()}
        self.unwritten = Register([])
        self.faults = []
        self.n_values = 0
        self.lag_seen_us = 0  # of foreign registers
        self.by_kind = collections.Counter()
        self.never_done = self._never_done()
        for read in record.reads:
            self._judge_read(read)
        for own in record.owns:
            if own.own != own.value:
                self.faults.append(Fault("own", "rollback", own.register, None,
                                         [f"a transaction wrote {own.value} and read {own.own}"]))

    def _never_done(self):
        """Kinds of operations that always fail, so that nothing is known of what they would do."""
        done = {read.kind for read in self.record.reads}
        done |= {write.kind for writes in self.record.writes.values() for write in writes
                 if write.outcome == "ok"}
        done = {kind.split(",")[0] for kind in done} | ({"rollback"} if self.record.owns else set())
        failed = collections.Counter(error.kind for error in self.record.errors)
        return sorted(kind for kind, n in failed.items() if n >= NEVER and kind not in done)

    def _register(self, name):
        return self.registers.get(name, self.unwritten)

    @staticmethod
    def is_foreign(name):
        return name.split(".")[1][0] in "xy"

    def _judge_read(self, read):
        self.by_kind[read.kind] += 1
        for name, value in read.seen:
            self.n_values += 1
            register = self._register(name)
            if value in register.allowed(read.begun, read.ended):
                continue
            age = register.age_us(value, read.begun)
            if self.is_foreign(name) and age is not None:
                self.lag_seen_us = max(self.lag_seen_us, age)
                if value in register.allowed(read.begun, read.ended, self.lag_us):
                    continue
            self._add(read, name, value, register, age)
        if read.count is not None:
            self._judge_count(read)

    def _add(self, read, name, value, register, age):
        what = "stale" if age is not None else "undone" if value in register.undone else "unknown"
        seen = "no row" if value is ABSENT else str(value)
        older = f", {age / 1000:.2f} ms too old" if age is not None else ""
        text = [f"{what}: at {(read.begun - self.zero_us) / 1e6:.3f} s register {name}, client"
                f" {read.client} by {read.kind} saw {seen}{older}; the read took"
                f" {(read.ended - read.begun) / 1000:.2f} ms"]
        self.faults.append(Fault(what, read.kind, name, age, text + register.history(read.begun)))

    def _judge_count(self, read):
        """FOUND_ROWS() lies between the rows that must be there and those that may be."""
        site = read.seen[0][0].split(".")[0]
        least = most = 0
        for name in [f"{site}.p{i}" for i in range(8)] + [f"{site}.y{i}" for i in range(2)]:
            states = self._register(name).allowed(
                read.begun, read.ended, self.lag_us if self.is_foreign(name) else 0)
            least += ABSENT not in states
            most += states != {ABSENT}
        if not least <= read.count <= most:
            self.faults.append(Fault("count", read.kind, f"{site}.count", None, [
                f"FOUND_ROWS() of site {site} was {read.count}, not {least} to {most}"]))
