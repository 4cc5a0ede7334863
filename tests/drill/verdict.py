# SPDX-License-Identifier: Apache-2.0
"""From what clients were told and what the tables hold to a verdict. No clock, no process."""

import collections

READS = ("read", "connect", "page")
WRITES = ("insert", "count", "ryw", "post")
TRX = ("trx",)
COMMIT = 3  # the step of a transaction

Op = collections.namedtuple("Op", "begun ended visitor kind id step outcome code text")


def read_record(path):
    ops = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.rstrip("\n").split(",")
            ops.append(Op(int(fields[0]), int(fields[1]), int(fields[2]), fields[3],
                          int(fields[4]), int(fields[5]), fields[6], int(fields[7]), fields[8]))
    return ops


def pause_s(ops, kinds, begin_us, end_us):
    """
    The longest time in which nothing of these kinds succeeded, or that one client waited for one
    operation, whatever came of it; within begin_us to end_us. None if there is nothing to see.
    """
    mine = [op for op in ops if op.kind in kinds and op.ended > begin_us and op.begun < end_us]
    if not mine:
        return None
    moments = sorted(op.ended for op in mine if op.outcome == "ok" and op.ended <= end_us)
    moments = [begin_us] + moments + [end_us]
    gap = max(b - a for a, b in zip(moments, moments[1:]))
    # What an operation waited outside of the window is not this window's.
    longest = max(min(op.ended, end_us) - max(op.begun, begin_us) for op in mine)
    return max(gap, longest) / 1e6


class Integrity:
    """Nothing acknowledged is missing, nothing ran twice, transactions are whole."""

    def __init__(self, ops, tables):
        self.faults = []
        self._log(ops, tables["log"])
        self._pairs(ops, tables["pairs"])
        self._counters(ops, tables["counters"])
        for op in ops:
            if op.outcome in ("wrong", "stale"):
                self._add(op.outcome, f"{op.kind} {op.id}")

    def _add(self, name, detail):
        self.faults.append((name, detail))

    def count(self, *names):
        return sum(name in names for name, _ in self.faults)

    def _log(self, ops, rows):
        asked = set()
        for op in ops:
            if op.kind in ("insert", "ryw"):
                asked.add(op.id)
                if op.outcome == "ok" and op.id not in rows:
                    self._add("missing", f"{op.kind} {op.id}")
        for write, n in rows.items():
            if n > 1:
                self._add("doubled", f"write {write} is there {n} times")
            if write not in asked:
                self._add("foreign", f"write {write} was never recorded")

    def _pairs(self, ops, rows):
        may_be = set()
        for op in ops:
            if op.kind != "trx":
                continue
            if op.outcome == "ok" and op.id not in rows:
                self._add("missing", f"transaction {op.id}")
            if op.outcome == "ok" or op.step >= COMMIT:
                may_be.add(op.id)
        for trx, (n, halves) in rows.items():
            if (n, halves) == (2, 3):
                if trx not in may_be:
                    self._add("torn", f"transaction {trx} is there, and no COMMIT was sent")
            else:
                self._add("doubled" if n > 2 else "torn", f"transaction {trx} has {n} rows")

    def _counters(self, ops, rows):
        acknowledged = collections.Counter()
        doubtful = collections.Counter()
        for op in ops:
            if op.kind == "count":
                (acknowledged if op.outcome in ("ok", "wrong") else doubtful)[op.visitor] += 1
        for visitor in set(acknowledged) | set(doubtful):
            n, least = rows[visitor], acknowledged[visitor]
            most = least + doubtful[visitor]
            if n < least:
                self._add("missing", f"counter {visitor}: {n}, acknowledged {least}")
            if n > most:
                self._add("doubled", f"counter {visitor}: {n}, at most {most} asked for")


class Limits:
    """What a drill must show. None: not looked at."""

    def __init__(self, reads=None, writes=None, over_own=None, errors="none", trx_errors=0,
                 own_needed=True):
        self.reads = reads            # s, the longest pause of reads
        self.writes = writes          # s, of writes and transactions
        self.over_own = over_own      # s, the same beyond what a direct writer sees
        self.errors = errors          # none; doubt: one for each writer at most; any
        self.trx_errors = trx_errors  # for each visitor at most
        self.own_needed = own_needed


class Result:
    """One drill, judged."""

    def __init__(self, name, target, run, limits):
        self.name, self.target, self.run = name, target, run
        self.fault_us, self.end_us = run.fault_us, run.end_us
        self.ops, self.direct = run.ops, run.direct_ops
        self.reads = self._pause(self.ops, READS)
        self.writes = self._pause(self.ops, WRITES)
        self.trx = self._pause(self.ops, TRX)
        self.own = self._pause(self.direct, WRITES + TRX)
        self.quiet = {kinds: pause_s(self.ops, kinds, run.quiet_us, run.fault_us)
                      for kinds in (READS, WRITES, TRX)}
        self.integrity = Integrity(self.ops + self.direct, run.tables)
        bad = [op for op in self.ops if op.outcome in ("error", "lost", "unanswered")]
        self.errors = [op for op in bad if op.outcome == "error"]
        self.lost = [op for op in bad if op.outcome == "lost"]
        self.unanswered = [op for op in bad if op.outcome == "unanswered"]
        self.reasons = []  # why it failed
        self.noise = []    # what the machine's own jitter explains
        self._judge(limits)

    def _pause(self, ops, kinds):
        return pause_s(ops, kinds, self.fault_us, self.end_us)

    @property
    def verdict(self):
        return "FAIL" if self.reasons else "noisy" if self.noise else "pass"

    def _judge(self, limits):
        self._judge_pause("reads", self.reads, limits.reads, READS)
        for what, pause, kinds in (("writes", self.writes, WRITES), ("trx", self.trx, TRX)):
            self._judge_pause(what, pause, limits.writes, kinds)
            if limits.over_own is not None:
                if self.own is None:
                    self.reasons.append("no direct writer to compare with")
                else:
                    self._judge_pause(what, pause, self.own + limits.over_own, kinds)
        self._judge_errors(limits)
        for name, n in collections.Counter(name for name, _ in self.integrity.faults).items():
            first = next(text for fault, text in self.integrity.faults if fault == name)
            self.reasons.append(f"{n} {name} ({first})")
        if self.lost:
            self.reasons.append(f"{len(self.lost)} connections lost ({self.lost[0].kind}: "
                                f"{self.lost[0].text})")
        if self.unanswered:
            self.reasons.append(f"{len(self.unanswered)} never answered "
                                f"({self.unanswered[0].kind})")
        self.reasons += self.run.reasons

    def _judge_pause(self, what, pause, limit, kinds):
        if limit is None or (pause is not None and pause <= limit):
            return
        if pause is None:
            if any(op.kind in kinds for op in self.ops):
                self.reasons.append(f"{what}: none went on after the fault")
            return
        text = f"{what} paused {pause:.2f} s, limit {limit:.2f}"
        # What the same clients waited before anything was broken is the machine's doing.
        quiet = self.quiet[kinds]
        if quiet is not None and pause <= limit + quiet:
            self.noise.append(f"{text}, {quiet:.2f} before the fault")
        else:
            self.reasons.append(text)

    def _judge_errors(self, limits):
        if limits.errors == "any":
            return
        each = collections.Counter()
        for op in self.errors:
            if op.kind in TRX:
                allowed = limits.trx_errors
            else:
                allowed = int(limits.errors == "doubt" and op.kind in WRITES)
            each[op.visitor, op.kind] += 1
            if each[op.visitor, op.kind] == allowed + 1:
                each["too many", op.kind] += 1
        for (who, kind), n in each.items():
            if who == "too many":
                self.reasons.append(f"{kind}: {n} clients with an error too many")

    def error_table(self):
        """(count, outcome, kind, code, text), most frequent first."""
        counts = collections.Counter((op.outcome, op.kind, op.code, op.text) for op in
                                     self.errors + self.lost + self.unanswered)
        return [(n, *what) for what, n in counts.most_common()]
