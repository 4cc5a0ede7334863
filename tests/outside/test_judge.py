# SPDX-License-Identifier: Apache-2.0
"""judge.py is shown each thing that it must see."""
import pytest

from judge import BadList, judge, read_known

KNOWN = {("s", "b"): "a reason", ("other", "a"): "another"}


def test_all_pass():
    verdict = judge("s", {"a": "ok", "c": "skip", "d": "fail"}, {"a": "ok", "c": "ok", "d": "ok"}, {})
    assert (verdict.cases, verdict.direct, verdict.through) == (3, 1, 1)
    assert verdict.is_good


@pytest.mark.parametrize("outcome", ["fail", "skip"])
def test_what_passes_on_the_node_only_is_seen(outcome):
    verdict = judge("s", {"a": "ok"}, {"a": outcome}, KNOWN)
    assert verdict.differ == ["a"] and not verdict.is_good


def test_a_case_that_vanishes_is_seen():
    assert judge("s", {"a": "ok"}, {}, {}).differ == ["a"]


def test_a_listed_case():
    verdict = judge("s", {"a": "ok", "b": "ok"}, {"a": "ok", "b": "fail"}, KNOWN)
    assert verdict.listed == ["b"] and verdict.is_good


@pytest.mark.parametrize("direct, through", [("ok", "ok"), ("fail", "fail"), ("skip", "fail")])
def test_a_line_without_need_is_seen(direct, through):
    verdict = judge("s", {"a": "ok", "b": direct}, {"a": "ok", "b": through}, KNOWN)
    assert verdict.stale == ["b"] and not verdict.is_good


@pytest.mark.parametrize("outcome", ["ok", "fail"])
def test_a_case_that_fails_at_times(outcome):
    known = read_known("s | b | at times: a reason")
    verdict = judge("s", {"a": "ok", "b": "ok"}, {"a": "ok", "b": outcome}, known)
    assert verdict.is_good and verdict.listed == ([] if outcome == "ok" else ["b"])


def test_a_beginning_stands_for_all_cases_that_have_it():
    known = read_known("s | f.t:* | one reason")
    verdict = judge("s", {"a": "ok", "f.t:1": "ok", "f.t:2": "ok"}, {"a": "ok"}, known)
    assert verdict.listed == ["f.t:1", "f.t:2"] and verdict.is_good


def test_a_suite_of_which_nothing_runs_is_seen():
    assert not judge("s", {"a": "fail"}, {"a": "fail"}, {}).is_good
    assert not judge("s", {}, {}, {}).is_good


@pytest.mark.parametrize("text", ["s | b", "s b reason", "s |  | reason", "s | b | x\ns | b | y"])
def test_a_bad_list_is_refused(text):
    with pytest.raises(BadList):
        read_known(text)


def test_a_list():
    assert read_known("# words\n\ns | b c | a | b\n") == {("s", "b c"): "a | b"}
