# SPDX-License-Identifier: Apache-2.0
"""drill.sh's program: one drill after the other, a verdict for each, a table at the end."""

import argparse
import os
import subprocess
import sys
import traceback

import pymysql

import drills
import report
import test_verdict
from nodes import Cluster
import program
from proxies import TARGETS
from run import Run, Skipped
from targets import BenchError
from verdict import Limits, Result
import wordpress  # noqa: F401 (it registers its drill)


def read_arguments():
    parser = argparse.ArgumentParser(prog="drill.sh", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", choices=list(drills.DRILLS),
                        help="this drill; may be given again")
    parser.add_argument("--target", choices=list(TARGETS), default="galeway")
    parser.add_argument("--list", action="store_true", help="the names of the drills")
    parser.add_argument("--smoke", action="store_true",
                        help="kill9-reader without limits of time; the last line counts")
    parser.add_argument("--base-port", type=int,
                        default=int(os.environ.get("DRILL_BASE_PORT", "5011")))
    return parser.parse_args()


def one(cluster, target, name, limits):
    """A Result, or raises Skipped or BenchError."""
    print(f"{name}:", flush=True)
    cluster.heal()
    cluster.set_up()
    run = Run(cluster, target, name)
    try:
        drills.DRILLS[name][0](run)
        run.end()
    except BaseException:
        run.abandon()
        raise
    run.reasons += drills.check_return(run, run.ops)
    result = Result(name, target.name, run, limits)
    report.print_result(result)
    return result


def all_of(cluster, target, names, smoke):
    results, skipped, broken = [], [], []
    for name in names:
        limits = Limits() if smoke else drills.DRILLS[name][1]
        try:
            result = one(cluster, target, name, limits)
            results.append(result)
            print(f"  {os.path.relpath(report.plot(result))}", flush=True)
        except Skipped as why:
            skipped.append((name, f"skipped: {why}"))
            print(f"  skipped: {why}", flush=True)
        except (BenchError, OSError, pymysql.Error, subprocess.SubprocessError) as error:
            broken.append((name, f"broken: {error}"))
            traceback.print_exc()
    return results, skipped, broken


def main():
    arguments = read_arguments()
    if arguments.list:
        print("\n".join(drills.DRILLS))
        return 0
    program.begin("drill", alone=True)
    names = arguments.only or list(drills.DRILLS)
    if arguments.smoke:
        names = ["kill9-reader"]
    cluster = Cluster(arguments.base_port)
    target = TARGETS[arguments.target](cluster)
    try:
        # Nodes of an earlier run that was killed may live in another network namespace.
        cluster.script("stop")
        results, skipped, broken = all_of(cluster, target, names, arguments.smoke)
    finally:
        cluster.script("stop", check=False)
    report.print_table(target.name, results, skipped + broken)
    report.write_csv(target.name, results)
    failed = sum(result.verdict == "FAIL" for result in results) + len(broken)
    if arguments.smoke:
        good, bad = program.run_tests(test_verdict)
        print(f"{good + len(results) + len(broken) - failed} passed, {bad + failed} failed")
        failed += bad
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
