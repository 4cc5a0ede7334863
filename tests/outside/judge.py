# SPDX-License-Identifier: Apache-2.0
"""judge - what a suite's cases did directly and through Galeway, held against the list; pure."""
import dataclasses

OK, FAIL, SKIP = "ok", "fail", "skip"
AT_TIMES = "at times: "  # a reason that begins so needs no case that fails


class BadList(Exception):
    pass


def read_known(text):
    """{(suite, case): reason} of lines 'suite | case | reason'; a * at the end of a case: all that begin so."""
    known = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split(" | ", 2)]
        if len(fields) != 3 or not all(fields):
            raise BadList(f"line {number} is not 'suite | case | reason': {line}")
        if tuple(fields[:2]) in known:
            raise BadList(f"line {number}: {fields[0]} {fields[1]} is listed twice")
        known[fields[0], fields[1]] = fields[2]
    return known


def matches(listed, case):
    return case.startswith(listed[:-1]) if listed.endswith("*") else case == listed


@dataclasses.dataclass
class Verdict:
    cases: int = 0
    direct: int = 0       # passed on the node
    through: int = 0      # of these, passed through Galeway
    listed: list = dataclasses.field(default_factory=list)  # passed on the node only, with a reason
    differ: list = dataclasses.field(default_factory=list)  # the same without one
    stale: list = dataclasses.field(default_factory=list)   # lines of the list that say nothing true

    @property
    def is_good(self):
        return self.direct > 0 and not self.differ and not self.stale


def judge(suite, direct, through, known):
    """direct, through: {case: outcome}. A case that is missing through Galeway did not pass there."""
    verdict = Verdict(cases=len(direct))
    lines = [case for name, case in known if name == suite]
    needed = set()
    for case, outcome in direct.items():
        if outcome != OK:
            continue
        verdict.direct += 1
        if through.get(case) == OK:
            verdict.through += 1
            continue
        line = next((line for line in lines if matches(line, case)), None)
        if line is None:
            verdict.differ.append(case)
        else:
            needed.add(line)
            verdict.listed.append(case)
    verdict.stale = [line for line in lines
                     if line not in needed and not known[suite, line].startswith(AT_TIMES)]
    return verdict
