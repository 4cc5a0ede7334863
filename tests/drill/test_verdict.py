# SPDX-License-Identifier: Apache-2.0
"""The judge is judged: each fault that a drill must see, made by hand."""

from verdict import READS, Integrity, Limits, Op, Result, pause_s

S = 1000000  # us


def op(kind="insert", number=1, outcome="ok", **fields):
    """One operation of client 7, a moment after second 1 unless told otherwise."""
    begun = fields.get("begun", 1.0)
    return Op(int(begun * S), int(fields.get("ended", begun + 0.001) * S), 7, kind, number,
              fields.get("step", 3 if kind == "trx" else 0), outcome,
              0 if outcome == "ok" else 1105, "")


def faults(ops, log=None, pairs=None, counters=None):
    tables = {"log": log or {}, "pairs": pairs or {}, "counters": counters or {7: 0}}
    return sorted(name for name, _ in Integrity(ops, tables).faults)


class FakeRun:
    """A drill whose fault came at second 2 and that ended at second 4."""

    quiet_us, fault_us, end_us = 0, 2 * S, 4 * S

    def __init__(self, ops):
        self.ops, self.direct_ops, self.reasons = ops, [], []
        self.tables = {"log": {o.id: 1 for o in ops if o.kind == "insert"}, "pairs": {},
                       "counters": {}}


def judged(ops, **limits):
    return Result("x", "galeway", FakeRun(ops), Limits(**limits))


def busy(kind, until=4.0, begin=0.0):
    """One success every 10 ms."""
    n = int((until - begin) * 100)
    return [op(kind, i, begun=begin + i / 100) for i in range(n)]


def test_writes():
    assert not faults([op()], log={1: 1})
    assert faults([op()]) == ["missing"]
    assert faults([op()], log={1: 2}) == ["doubled"]
    assert faults([op()], log={1: 1, 2: 1}) == ["foreign"]


def test_write_in_doubt():
    for outcome in ("error", "lost", "unanswered"):
        assert not faults([op(outcome=outcome)])
        assert not faults([op(outcome=outcome)], log={1: 1})
        assert faults([op(outcome=outcome)], log={1: 2}) == ["doubled"]


def test_transactions():
    assert not faults([op("trx")], pairs={1: (2, 3)})
    assert faults([op("trx")]) == ["missing"]
    assert faults([op("trx")], pairs={1: (1, 1)}) == ["torn"]
    assert faults([op("trx")], pairs={1: (2, 2)}) == ["torn"]
    assert faults([op("trx")], pairs={1: (4, 6)}) == ["doubled"]
    assert not faults([op("trx", outcome="error")], pairs={1: (2, 3)})
    assert faults([op("trx", outcome="error", step=2)], pairs={1: (2, 3)}) == ["torn"]


def test_counters():
    ops = [op("count", 1), op("count", 2), op("count", 3, "error")]
    assert faults(ops, counters={7: 1}) == ["missing"]
    assert not faults(ops, counters={7: 2})
    assert not faults(ops, counters={7: 3})
    assert faults(ops, counters={7: 4}) == ["doubled"]


def test_answers():
    assert faults([op("read", outcome="wrong")]) == ["wrong"]
    assert faults([op("rywread", outcome="stale")]) == ["stale"]


def test_pause():
    assert pause_s(busy("read"), READS, 2 * S, 4 * S) < 0.02
    assert pause_s(busy("read", 3), READS, 2 * S, 4 * S) > 0.99, "it never went on"
    assert pause_s([], READS, 2 * S, 4 * S) is None
    slow = op("read", begun=2.5, ended=3.5, outcome="error")
    assert pause_s(busy("read") + [slow], READS, 2 * S, 4 * S) == 1.0, "one client waited"


def test_limits():
    reads = busy("read")
    assert judged(reads, reads=0.1).verdict == "pass"
    assert judged(busy("read", 3), reads=0.1).verdict == "FAIL"
    gap = busy("read", 2) + busy("read", begin=2.2)
    assert judged(gap, reads=0.1).verdict == "FAIL"
    jitter = busy("read", 1) + busy("read", 2, 1.5) + busy("read", begin=2.2)
    assert judged(jitter, reads=0.1).verdict == "noisy"
    assert judged(busy("insert"), over_own=0.1).verdict == "FAIL", "nothing to compare with"


def test_errors():
    error = op("insert", 5000, "error", begun=2.1)
    assert judged([error]).verdict == "FAIL"
    assert judged([error], errors="doubt").verdict == "pass"
    again = op("insert", 5001, "error", begun=2.2)
    assert judged([error, again], errors="doubt").verdict == "FAIL"
    assert judged([op("read", 1, "error")], errors="doubt").verdict == "FAIL"
    assert judged([op("trx", 1, "error")], trx_errors=1).verdict == "pass"
    assert judged([op("trx", 1, "error"), op("rollback", 1, "error")],
                  trx_errors=1).verdict == "FAIL"
    for outcome in ("lost", "unanswered"):
        assert judged([op("read", 1, outcome)], errors="any").verdict == "FAIL"
