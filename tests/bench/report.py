# SPDX-License-Identifier: Apache-2.0
"""Medians, the table, the verdicts, the CSV file and the plot."""

import csv
import os
import statistics

from loads import LOADS

METRICS = ("throughput", "p50_us", "p99_us", "cpu_us", "rss_mb", "connections", "p50_alone_us",
           "warm", "held_bytes", "site_bytes", "growth_mb", "hits")
COLOURS = {"direct": "#8a8a8a", "haproxy": "#3b75af", "galeway": "#c8553d"}


def by_metric(rounds):
    """{load: {target: {metric: [value of each round]}}} of a list of (load, target, result)."""
    table = {}
    for load, target, result in rounds:
        for metric in METRICS:
            if metric in result:
                table.setdefault(load, {}).setdefault(target, {}).setdefault(
                    metric, []).append(result[metric])
    return table


def values(table, load, metric, target):
    return table.get(load, {}).get(target, {}).get(metric, [])


def value(table, load, metric, target):
    """The median over the rounds, or None."""
    all_values = values(table, load, metric, target)
    return statistics.median(all_values) if all_values else None


def ratio(table, load, metric, target, base):
    """The median over the rounds of target's value over base's, or None if either is missing.

    Pairs of one round were measured next to each other, so what else the machine did is in both.
    """
    ours = values(table, load, metric, target)
    theirs = values(table, load, metric, base)
    if not ours or not all(theirs) or not theirs:
        return None
    if len(ours) != len(theirs):  # a round failed
        return statistics.median(ours) / statistics.median(theirs)
    return statistics.median(our / their for our, their in zip(ours, theirs))


def cell(number, width, digits=0):
    return "-".rjust(width) if number is None else f"{number:{width}.{digits}f}"


def print_table(table):
    print(f"\n{'load':<13}{'target':<9}{'rate':>9} {'unit':<7}{'/direct':>8}{'p50 us':>9}"
          f"{'p99 us':>9}{'CPU us':>8}{'/haproxy':>9}{'RSS MB':>8}{'conns':>7}")
    for load, targets in table.items():
        for target in targets:
            row = {metric: value(table, load, metric, target) for metric in METRICS}
            print(f"{load:<13}{target:<9}{cell(row['throughput'], 9)} {LOADS[load][1]:<7}"
                  f"{cell(ratio(table, load, 'throughput', target, 'direct'), 8, 2)}"
                  f"{cell(row['p50_us'], 9)}{cell(row['p99_us'], 9)}{cell(row['cpu_us'], 8, 1)}"
                  f"{cell(ratio(table, load, 'cpu_us', target, 'haproxy'), 9, 2)}"
                  f"{cell(row['rss_mb'], 8, 1)}{cell(row['connections'], 7)}")
    print("CPU us: of the proxy, user and system, for each statement (big: for each MB)\n")


def verdicts(table, target="galeway"):
    """(what, measured or None, must reach, whether it is at least that, digits)."""
    def cpu(load):
        return ratio(table, load, "cpu_us", target, "haproxy")

    def loss(load):
        pairs = zip(values(table, load, "p50_us", target),
                    values(table, load, "p50_alone_us", target))
        ratios = [with_held / alone for with_held, alone in pairs]
        return statistics.median(ratios) if ratios else None

    def against_no_rules(load):
        pairs = list(zip(values(table, load, "cpu_us", target),
                         values(table, "rules-0", "cpu_us", target)))
        return statistics.median(with_rules / none for with_rules, none in pairs) if pairs else None

    spare = value(table, "held", "connections", target)
    if spare is not None:
        spare -= value(table, "held", "warm", target)
    return [
        ("CPU per point SELECT / HAProxy", cpu("point"), 0.77, False, 2),
        ("CPU per statement / HAProxy, read_only", cpu("ro"), 0.9, False, 2),
        ("CPU per statement / HAProxy, read_only prepared", cpu("ro-ps"), 0.9, False, 2),
        ("CPU per statement / HAProxy, read_write", cpu("rw"), 0.9, False, 2),
        ("CPU per statement / HAProxy, read_write prepared", cpu("rw-ps"), 0.9, False, 2),
        ("CPU per statement / HAProxy, pages", cpu("page"), 0.5, False, 2),
        ("pages per second / direct", ratio(table, "page", "throughput", target, "direct"), 1.0,
         True, 2),
        ("CPU per cached point SELECT / HAProxy's relayed", cpu("cached-point"), 0.25, False, 2),
        ("CPU per cached 64 KB result / HAProxy's relayed", cpu("cached-64k"), 0.25, False, 2),
        ("pages per second with the cache / direct",
         ratio(table, "page-cached", "throughput", target, "direct"), 1.5, True, 2),
        ("share of SELECTs cached, point", value(table, "cached-point", "hits", target), 0.95, True,
         3),
        ("share of SELECTs cached, 64 KB", value(table, "cached-64k", "hits", target), 0.95, True,
         3),
        ("share of SELECTs cached, pages of 100 sites",
         value(table, "page-cached", "hits", target), 0.8, True, 3),
        ("share of SELECTs cached, pages of 500 sites", value(table, "page-500", "hits", target),
         0.8, True, 3),
        ("p50 with 5000 held clients / without", loss("held"), 1.05, False, 2),
        ("bytes of memory per held client", value(table, "held", "held_bytes", target), 2048,
         False, 0),
        ("the same with what is kept of their 500 sites", value(table, "held", "site_bytes", target),
         None, False, 0),
        ("server connections, 5000 clients and 64 busy", value(table, "held", "connections",
                                                               target), 150, False, 0),
        ("of those, beyond the ones warm before", spare, 64, False, 0),
        ("MB of growth, 1 GiB result", value(table, "big", "growth_mb", target), 2, False, 1),
        ("MB of growth, 1 GiB result, slow reader", value(table, "big-slow", "growth_mb", target),
         2, False, 1),
        ("CPU / HAProxy, 1 GiB result", cpu("big"), 1.2, False, 2),
        ("CPU / HAProxy, 1 GiB result, slow reader", cpu("big-slow"), 1.2, False, 2),
        ("CPU per statement, 5000 rules on digests / none", against_no_rules("rules-5000"), 1.05,
         False, 2),
        ("CPU per statement, 1000 rules on digests / none", against_no_rules("rules-1000"), 1.05,
         False, 2),
        ("server connections, 64 clients of 500 users", value(table, "many", "connections",
                                                              target), 100, False, 0),
        ("server connections, 500 long connections", value(table, "many-long", "connections",
                                                           target), 100, False, 0),
    ]


def print_verdicts(table):
    """Also returns how many were missed."""
    missed = 0
    print(f"{'galeway':<52}{'measured':>10}{'must reach':>14}   ok")
    for what, number, limit, at_least, digits in verdicts(table):
        if number is None:
            continue
        if limit is None:
            print(f"{what:<52}{cell(number, 10, digits)}{'-':>14}")
            continue
        reached = number >= limit if at_least else number <= limit
        missed += not reached
        bound = f"{'>=' if at_least else '<='} {limit:g}"
        print(f"{what:<52}{cell(number, 10, digits)}{bound:>14}   {'yes' if reached else 'NO'}")
    return missed


def write_csv(rounds, table, path):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("load", "target", "round", "unit") + METRICS)
        seen = {}
        for load, target, result in rounds:
            seen[load, target] = seen.get((load, target), 0) + 1
            writer.writerow((load, target, seen[load, target], LOADS[load][1]) +
                            tuple(rounded(result.get(metric)) for metric in METRICS))
        for load, targets in table.items():
            for target in targets:
                writer.writerow((load, target, "median", LOADS[load][1]) +
                                tuple(rounded(value(table, load, metric, target))
                                      for metric in METRICS))


def rounded(number):
    return "" if number is None else f"{number:.3f}"


def plot(table, path):
    import matplotlib  # here, so that --quick on a bare machine fails late and says why
    matplotlib.use("Agg")
    from matplotlib import patches, pyplot

    panels = (("throughput / direct", "throughput", "direct"),
              ("p50 latency / direct", "p50_us", "direct"),
              ("p99 latency / direct", "p99_us", "direct"),
              ("CPU of the proxy / HAProxy", "cpu_us", "haproxy"))
    targets = [name for name in COLOURS if any(name in row for row in table.values())]
    figure, axes = pyplot.subplots(len(panels), 1, figsize=(12, 13), sharex=True)
    for axis, (title, metric, base) in zip(axes, panels):
        draw_bars(axis, table, targets, metric, base)
        axis.set_title(title, loc="left", fontsize=11)
        axis.axhline(1, color="#444444", linewidth=0.8)
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    # Not from the bars: what ran alone has none in the panels that compare.
    axes[0].legend(handles=[patches.Patch(color=COLOURS[name], label=name) for name in targets],
                   ncol=3, frameon=False, loc="upper right", bbox_to_anchor=(1, 1.25))
    axes[-1].set_xticks(range(len(table)), list(table))
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_bars(axis, table, targets, metric, base):
    width = 0.8 / len(targets)
    for place, target in enumerate(targets):
        for x, load in enumerate(table):
            height = ratio(table, load, metric, target, base)
            if height is None:
                continue
            left = x - 0.4 + (place + 0.5) * width
            axis.bar(left, height, width * 0.92, color=COLOURS[target])
            axis.annotate(f"{height:.2f}", (left, height), ha="center", va="bottom", fontsize=7)
    top = axis.get_ylim()[1]
    axis.set_ylim(0, top * 1.1)


def finish(rounds, out):
    """Everything that is shown and written at the end; how many targets were missed."""
    table = by_metric(rounds)
    print_table(table)
    missed = print_verdicts(table)
    write_csv(rounds, table, os.path.join(out, "result.csv"))
    plot(table, os.path.join(out, "result.png"))
    return missed
