# SPDX-License-Identifier: Apache-2.0
"""What a drill's results look like: lines, table, CSV, a plot for each."""

import csv
import os

from nodes import OUT
from verdict import READS, TRX, WRITES

PANELS = (("reads", READS, "#2c7fb8"), ("writes", WRITES, "#d95f0e"), ("transactions", TRX,
                                                                      "#756bb1"))
BIN_US = 100000
HEAD = ("drill", "reads", "writes", "trx", "own", "errors", "lost", "missing", "doubled", "torn",
        "wrong", "verdict")


def seconds(value):
    return "-" if value is None else f"{value:.2f}"


def row(result):
    count = result.integrity.count
    return (result.name, seconds(result.reads), seconds(result.writes), seconds(result.trx),
            seconds(result.own), len(result.errors), len(result.lost) + len(result.unanswered),
            count("missing"), count("doubled"), count("torn", "foreign"), count("wrong", "stale"),
            result.verdict)


def print_result(result):
    for n, outcome, kind, code, text in result.error_table()[:8]:
        print(f"    {n:>6} {outcome:<11}{kind:<9}{code or '':<6}{text[:90]}")
    for note in result.run.notes:
        print(f"    {note}")
    for what in result.noise:
        print(f"    noise: {what}")
    for reason in result.reasons:
        print(f"    FAIL:  {reason}")
    print(f"  {result.name}: {result.verdict}", flush=True)


def print_table(target, results, skipped):
    print(f"\n{target}: longest pauses in s (own: of a direct writer), then what clients saw")
    print(f"{HEAD[0]:<17}" + "".join(f"{name:>9}" for name in HEAD[1:]))
    for result in results:
        cells = row(result)
        print(f"{cells[0]:<17}" + "".join(f"{cell:>9}" for cell in cells[1:]))
    for name, why in skipped:
        print(f"{name:<17}  {why}")
    for result in results:
        for reason in result.reasons:
            print(f"{result.name}: {reason}")


def write_csv(target, results):
    with open(os.path.join(OUT, f"{target}-result.csv"), "w", newline="",
              encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEAD + ("reasons",))
        for result in results:
            writer.writerow(row(result) + ("; ".join(result.reasons),))


def plot(result):
    """Operations per second and failures over time, for each kind; returns the file."""
    import matplotlib  # here, so that a drill on a bare machine runs to its end first
    matplotlib.use("Agg")
    from matplotlib import pyplot

    begin, end = result.run.quiet_us, result.end_us
    figure, axes = pyplot.subplots(len(PANELS), 1, figsize=(11, 8), sharex=True)
    for axis, (title, kinds, colour) in zip(axes, PANELS):
        draw(axis, result.ops, kinds, colour, (begin, result.fault_us, end))
        if kinds == WRITES:
            draw(axis, result.direct, kinds + TRX, "#999999", (begin, result.fault_us, end),
                 "direct")
        for moment, _ in result.run.marks:
            axis.axvline((moment - result.fault_us) / 1e6, color="#cc0000", linewidth=0.9)
        axis.set_title(f"{title} per second", loc="left", fontsize=10)
        axis.set_ylim(bottom=0)
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
        axis.legend(frameon=False, fontsize=8, loc="upper right")
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    for i, (moment, text) in enumerate(result.run.marks):
        axes[0].annotate(text, ((moment - result.fault_us) / 1e6, 1.18 + 0.1 * (i % 3)),
                         xycoords=("data", "axes fraction"), fontsize=8, color="#cc0000",
                         annotation_clip=False)
    axes[-1].set_xlabel("seconds since the fault")
    figure.suptitle(f"{result.target}: {result.name} ({result.verdict})", x=0.08, ha="left")
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    path = os.path.join(OUT, f"{result.target}-{result.name}.png")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    return path


def draw(axis, ops, kinds, colour, window, label="served"):
    begin, fault, end = window
    n_bins = max(1, (end - begin) // BIN_US)
    good, bad = [0] * n_bins, [0] * n_bins
    for op in ops:
        place = (op.ended - begin) // BIN_US
        if op.kind in kinds and 0 <= place < n_bins:
            (good if op.outcome == "ok" else bad)[place] += 1
    times = [(begin + (i + 0.5) * BIN_US - fault) / 1e6 for i in range(n_bins)]
    rate = 1e6 / BIN_US
    axis.plot(times, [n * rate for n in good], color=colour, linewidth=1.2, label=label)
    if any(bad):
        axis.plot([t for t, n in zip(times, bad) if n], [n * rate for n in bad if n], "x",
                  color="#cc0000", markersize=5, label=f"failed ({label})")
