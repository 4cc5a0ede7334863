# SPDX-License-Identifier: Apache-2.0
"""How the programs of bench, drill and stale begin; how the judges among them are judged."""

import fcntl
import os
import signal
import subprocess
import sys
import traceback

from targets import HERE, TOP

_locks = []  # held until the process ends


def begin(name, alone=False):
    """
    Makes build/<name> with its load client. From here a SIGTERM unwinds like an exception, so that
    everything is stopped. alone: another run that uses the folder, too, ends this one.
    """
    out = os.path.join(TOP, "build", name)
    os.makedirs(out, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if alone:
        _locks.append(open(os.path.join(out, "lock"), "w", encoding="ascii"))
        try:
            fcntl.flock(_locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(f"{name}: another run uses build/{name}")
            sys.exit(2)
    subprocess.run([os.path.join(HERE, "build.sh"), name], check=True)


def run_tests(module):
    """The tests of a module without pytest: (passed, failed)."""
    good = bad = 0
    for name, test in list(vars(module).items()):
        if name.startswith("test_"):
            try:
                test()
                good += 1
            except AssertionError:
                bad += 1
                traceback.print_exc()
    return good, bad
