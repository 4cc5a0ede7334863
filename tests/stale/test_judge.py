# SPDX-License-Identifier: Apache-2.0
"""The judge is judged: each fault that it must see, made by hand, and what it must let pass."""

from judge import Judge, Record

MS = 1000


def judged(*lines, lag_us=0):
    """Lines of a record, times in ms."""
    record = Record()
    for line in lines:
        fields = line.split()
        for place in (1, 2) if fields[0] != "E" else (1,):
            fields[place] = str(int(float(fields[place]) * MS))
        record.take_line(fields)
    return Judge(record, lag_us)


def faults(*lines, lag_us=0):
    return [fault.what for fault in judged(*lines, lag_us=lag_us).faults]


WROTE = ("W 10 12 1 update ok 1.o1 7", "W 20 22 1 update ok 1.o1 8")


def test_last_write_is_seen():
    assert not faults(*WROTE, "R 23 24 2 option 1.o1=8")
    assert not faults("R 1 2 2 option 1.o1=0"), "what every register begins with"


def test_older_is_stale():
    judge = judged(*WROTE, "R 23 24 2 option 1.o1=7")
    assert [fault.what for fault in judge.faults] == ["stale"]
    assert judge.faults[0].age_us == 1 * MS, "since the write of 8 was acknowledged"
    assert len(judge.faults[0].text) >= 3, "with the history of the row"
    assert faults(*WROTE, "R 23 24 2 option 1.o1=0") == ["stale"]


def test_read_that_began_before_may_see_either():
    for value in (7, 8):
        assert not faults(*WROTE, f"R 21.5 30 2 option 1.o1={value}")
    assert faults(*WROTE, "R 21.5 30 2 option 1.o1=0") == ["stale"]


def test_not_yet_written():
    assert faults(*WROTE, "R 13 14 2 option 1.o1=8") == ["unknown"]
    assert faults(*WROTE, "R 23 24 2 option 1.o1=99") == ["unknown"]


def test_rows_that_are_gone():
    lines = ("W 10 12 1 update ok 1.p1 7", "W 20 22 1 delete ok 1.p1 -")
    assert not faults(*lines, "R 23 24 2 posts 1.p1=-")
    assert faults(*lines, "R 23 24 2 posts 1.p1=7") == ["stale"]
    assert faults(*lines, "R 13 14 2 posts 1.p1=-") == ["unknown"]
    back = (*lines, "W 30 32 1 insert ok 1.p1 9")
    assert faults(*back, "R 33 34 2 posts 1.p1=-") == ["stale"]


def test_doubt_widens():
    lines = (*WROTE, "W 30 40 1 update doubt 1.o1 9")
    for value in (8, 9):
        assert not faults(*lines, f"R 50 51 2 option 1.o1={value}")
    assert faults(*lines, "R 50 51 2 option 1.o1=7") == ["stale"]
    assert faults(*lines, "R 25 26 2 option 1.o1=9") == ["unknown"], "it was not sent yet"
    later = (*lines, "W 60 61 1 update ok 1.o1 10")
    assert faults(*later, "R 62 63 2 option 1.o1=8") == ["stale"]
    assert not faults(*later, "R 62 63 2 option 1.o1=9"), "a node may run it late"


def test_rolled_back():
    lines = (*WROTE, "W 30 40 1 rollback undone 1.o1 9")
    assert faults(*lines, "R 35 36 2 option 1.o1=9") == ["undone"]
    assert faults(*lines, "R 50 51 2 option 1.o1=9") == ["undone"]
    assert not faults(*lines, "R 50 51 2 option 1.o1=8")


def test_own_read_of_a_transaction():
    assert not faults("O 1 2 1 rollback 1.o1 9 9")
    assert faults("O 1 2 1 rollback 1.o1 9 8") == ["own"]
    assert faults("O 1 2 1 rollback 1.o1 9 -1") == ["own"]


def test_one_register_is_not_another():
    assert faults(*WROTE, "W 20 22 1 update ok 1.o2 9",
                  "R 23 24 2 options 1.o1=8 1.o2=0") == ["stale"]


def test_foreign_lag():
    lines = ("W 10 12 1 update ok 1.x1 7", "R 500 501 2 option 1.x1=0")
    assert faults(*lines) == ["stale"]
    assert not faults(*lines, lag_us=1000 * MS)
    assert judged(*lines, lag_us=1000 * MS).lag_seen_us == 488 * MS
    assert faults(*lines, lag_us=400 * MS) == ["stale"]
    ours = ("W 10 12 1 update ok 1.o1 7", "R 500 501 2 option 1.o1=0")
    assert faults(*ours, lag_us=1000 * MS) == ["stale"], "only writes that pass by may lag"


def test_count():
    gone = "W 10 12 1 delete ok 1.p1 -"
    assert not faults(gone, "R 20 21 2 found 1.p0=0 1.count=9")
    assert faults(gone, "R 20 21 2 found 1.p0=0 1.count=10") == ["count"]
    assert not faults(gone, "R 11 21 2 found 1.p0=0 1.count=10")
    assert faults(gone, "R 11 21 2 found 1.p0=0 1.count=8") == ["count"]


def test_never_done():
    failed = [f"E {30 + i} 1 1064 call syntax" for i in range(5)]
    assert not judged(*WROTE, *failed[:4]).never_done, "that may be a node's fault"
    assert judged(*WROTE, *failed).never_done == ["call"]
    for outcome in ("doubt", "undone"):
        assert judged(*WROTE, f"W 40 41 1 call {outcome} 1.o1 9", *failed).never_done == ["call"]
    for done in ("W 40 41 1 call,other ok 1.o1 9", "R 40 41 1 call 1.o1=8"):
        assert not judged(*WROTE, done, *failed).never_done
