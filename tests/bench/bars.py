"""Bars: the most that libasynchat may need, in tables of tests/bench. For tls.py, framings.py and uring.py.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import json
import os
import signal
import statistics
import sys
import time
from collections import namedtuple

import table
from running import CORES, SLICE, Failure, Load, Server, calibrate, in_turns, lack_of_descriptors

OUT = os.environ["BENCH_OUT"]
RUNS = int(os.environ.get("RUNS", "9"))
ROUNDS = 3  # of the same processes
NAME = "%-18s"
MIB = 1 << 20


def progress(text):
    """A line that is written over, on a terminal."""
    if sys.stderr.isatty():
        print("\r\033[K" + text, end="", file=sys.stderr, flush=True)


# A workload's result: "rows" of text, and "verdicts", each a title, the figure, the bar, and whether it is met.

def verdict(title, figure, bar, digits=2, share=0.0):
    """What is printed is compared, so that 0.90 meets 0.90."""
    text = "%.*f" % (digits, figure)
    return {"title": title, "figure": text, "bar": bar, "met": float(text) <= bar * (1 + share)}


def said(v):
    return "at most %-6s %s" % (("%.2f" if v["bar"] < 3 else "%d") % v["bar"], "met" if v["met"] else "NOT MET")


# --- CPU time ---

UNITS = {  # words for the figure, the number of counts and of CPU nanoseconds in a unit, words for the rate
    "message": ("CPU ns per message", 1, 1, "messages/s"),
    "request": ("CPU ns per request", 1, 1, "requests/s"),
    "connection": ("CPU µs per connection", 1, 1000, "connections/s"),
    "MiB": ("CPU µs per MiB", MIB, 1000, "MiB/s"),
}


def sample(unit, r):
    _, count, ns, _ = UNITS[unit]
    return {**r, "figure": r["cpu_ns"] / ns / (r["count"] / count), "rate": r["count"] / count / r["seconds"]}


def measure_slices(starts, least, unit, rounds, numbers, head):
    """All peers run at once, and get short slices of work in turns."""
    with contextlib.ExitStack() as stack:
        loads = {name: start(stack) for name, start in starts.items()}
        work = {name: calibrate(loads[name], least) for name in loads}
        for number in numbers:
            progress("%s, round %d of %d" % (head, number + 1, RUNS))
            for name in in_turns(list(loads), number):
                rounds[name].append(sample(unit, loads[name].slice(work[name])))


def measure(starts, least, unit, head):
    """`starts` has a function for each peer, which starts a server, and a load, which it returns. The servers are
    started anew from time to time, since two processes of the same program may differ by 0.1, all their lives."""
    rounds = {name: [] for name in starts}
    for first in range(0, RUNS, ROUNDS):
        measure_slices(starts, least, unit, rounds, range(first, min(first + ROUNDS, RUNS)), head)
    return rounds


def timed_row(rounds, name, others):
    figure = table.spread([s["figure"] for s in rounds[name]])
    row = NAME % name + "%9s%9s%9s" % tuple(table.number(figure[key]) for key in ("median", "least", "most"))
    row += "%15.0f" % statistics.median(s["rate"] for s in rounds[name])
    for other in others:
        ratio = "" if other == name else table.ratio_text(table.ratios(rounds, name, other, "figure"))
        row += "   %-32s" % ratio
    return row.rstrip()


def timed_rows(title, unit, rounds, others, verdicts):
    """A table of all peers, with their ratios to the others; `verdicts` has one for each of the first of
    these."""
    words, _, _, rate = UNITS[unit]
    bar = [(NAME % "bar" + " " * 42 + "".join("   %-32s" % said(v) for v in verdicts)).rstrip()] if verdicts else []
    return ["%s: %s" % (title, words),
            NAME % "" + "%9s%9s%9s%15s" % ("median", "least", "most", rate) +
            "".join("   %-32s" % ("to " + other) for other in others).rstrip(),
            *(timed_row(rounds, name, others) for name in rounds), *bar]


# title; for each peer its command, mode, and load; the least work of a slice; the unit; bars: for each of the peers
# with which the first one is compared, the largest ratio of CPU time; other peers with which it is compared
Workload = namedtuple("Workload", "title peers least unit bars others", defaults=[()])


def started(command, mode, load):
    def start(stack):
        server = Server(mode, command, mode)
        stack.callback(server.close)
        made = Load(OUT + "/load", server, load)
        stack.callback(made.close)
        return made
    return start


def skipped(title, why):
    return {"rows": ["%s: %s" % (title, why)], "verdicts": []}


def compare(w, words):
    """Runs a workload that is a Workload."""
    lack = lack_of_descriptors(max([load[1] + 100 for _, _, load in w.peers.values() if load[0] in ("echo", "tell")] or [0]))
    if lack:
        return skipped(w.title, lack)
    rounds = measure({name: started(*peer) for name, peer in w.peers.items()}, w.least, w.unit, words)
    ours = next(iter(w.peers))
    verdicts = [verdict("%s, to %s" % (w.title, other), table.ratios(rounds, ours, other, "figure")["median"], bar)
                for other, bar in w.bars.items()]
    others = [*w.bars, *(other for other in w.others if other not in w.bars)]
    return {"rounds": rounds, "rows": timed_rows(w.title, w.unit, rounds, others, verdicts), "verdicts": verdicts}


# --- all workloads ---

def head(seconds):
    return ["%d rounds in turns of slices of %.1f s; %d min %d s in all" % (RUNS, SLICE, *divmod(int(seconds), 60)),
            "%d cores; Linux %s; %s" % (os.cpu_count(), os.uname().release, os.environ["BENCH_VERSIONS"]),
            "Of a figure: median, least and most. Of a ratio, round by round: median (least, quartiles, most)."]


def run_all(keys, run_workload):
    results = {}
    for number, key in enumerate(keys):
        since = time.monotonic()
        head = "%2d of %d  %-12s" % (number + 1, len(keys), key)
        results[key] = run_workload(key, head)
        progress("")
        print("%s%4.0f s" % (head, time.monotonic() - since), file=sys.stderr, flush=True)
    return results


def print_all(head, name, results):
    """Returns the status of the program."""
    print(*head, sep="\n")
    for result in results.values():
        print("", *result["rows"], sep="\n")
    verdicts = [v for result in results.values() for v in result["verdicts"]]
    print("\n%-84s%9s" % (name, "figure"))
    for v in verdicts:
        print("%-84s%9s   %s" % (v["title"], v["figure"], said(v)))
    missed = sum(not v["met"] for v in verdicts)
    print("%d of %d bars are met" % (len(verdicts) - missed, len(verdicts)))
    return 1 if missed else 0


def main(name, every, run_workload, json_path, keys):
    """Runs the workloads `keys` out of `every`. `name` is the program's, and stands for all. Ends the program."""
    if name in keys or not keys:
        keys = every
    unknown = [key for key in keys if key not in every]
    if unknown or RUNS < 5:
        sys.exit("RUNS is 5 at least, and workloads are: %s (all), " % name + ", ".join(every))
    if len(CORES) < 2:
        sys.exit("it takes two cores, one for the load")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("%s: terminated" % name))
    began = time.monotonic()
    try:
        results = run_all(keys, run_workload)
    except Failure as failure:
        sys.exit("FAILED: %s" % failure)
    if json_path:
        with open(json_path, "w") as file:
            json.dump(results, file, indent=1)
    sys.exit(print_all(head(time.monotonic() - began), name, results))
