"""Compares libasynchat-openssl with bufferevents and with epoll, both with OpenSSL by hand: called by tests/bench/run.

usage: tls.py JSON [WORKLOAD...]    JSON is a file to write to, or empty

TLS 1.3, TLS_AES_256_GCM_SHA384, X25519 and a certificate of P-256. Each bar is the most that libasynchat may need; the
exit status is 1 if one is not met.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

import table
from running import CORES, SLICE, Failure, Load, Server, calibrate, in_turns, start

OUT = os.environ["BENCH_OUT"]
VERSIONS = os.environ["BENCH_VERSIONS"]
RUNS = int(os.environ.get("RUNS", "9"))
ROUNDS = 3  # of the same processes
FILES = [OUT + "/tls/certificate.pem", OUT + "/tls/key.pem"]
OURS = "asynchat_tls"
PEERS = {
    "bufferevent_tls": [OUT + "/bufferevent_tls"],
    "epoll_tls": [OUT + "/epoll_tls"],
    OURS: [OUT + "/library/tests/bench/asynchat_tls"],
}
OTHERS = [name for name in PEERS if name != OURS]
NAME = "%-18s"
MIB = 1 << 20

# title; mode of the peers; the load and its arguments; the least work of a slice; the unit; for each of the other peers
# the bar: the largest ratio of CPU time
Timed = namedtuple("Timed", "title mode load least unit bars")
TIMED = {
    "tls-32-1": Timed("32 B, 1 in flight, 50 connections", "line", ["echo", 50, 1, 32], 50, "message", (0.70, 0.85)),
    "tls-32-16": Timed("32 B, 16 in flight, 50 connections", "line", ["echo", 50, 16, 32], 800, "message", (0.70, 0.90)),
    "tls-4k-1": Timed("4 kB, 1 in flight, 50 connections", "line", ["echo", 50, 1, 4000], 50, "message", (0.70, 0.92)),
    "tls-1k-16": Timed("1 kB, 16 in flight, 4 connections", "line", ["echo", 4, 16, 1000], 64, "message", (0.40, 0.95)),
    "tls-sink": Timed("Upload, a string terminator every 64 kB", "sink", ["sink"], MIB, "MiB", (0.68, 0.88)),
    "tls-source": Timed("Download from memory", "source", ["source"], MIB, "MiB", (0.88, 0.93)),
    "tls-connect": Timed("Full handshake, 32 B there and back, close; 16 at a time", "line",
                         ["connect", "full", 16, 32], 16, "connection", (1.00, 1.10)),
    "tls-resumed": Timed("Resumed session, 32 B there and back, close; 16 at a time", "line",
                         ["connect", "resumed", 16, 32], 16, "connection", (0.97, 1.05)),
}

# What is counted for each peer, with a bar for libasynchat.
CALLS = "tls-calls"
Counted = namedtuple("Counted", "title mode load work unit bar")
COUNTED = [
    Counted("an exchange of 32 B", "line", ["echo", 1, 1, 32], 2000, 1, 3),
    Counted("upload, a MiB", "sink", ["sink"], 64 * MIB, MIB, 33),
    Counted("download, a MiB", "source", ["source"], 64 * MIB, MIB, 18),
    Counted("full handshake, a line, close", "line", ["connect", "full", 16, 32], 320, 1, 16),
]
COUNTING = 0.01  # share of calls that are not the work's: the tracer interrupts a wait, the last wait is not over
OPENSSL_OWN = "getpid"  # nine in each handshake

IDLE, CONNECTIONS, IDLE_BAR = "tls-idle", 1000, 17000
RECORDS, PIECES, PIECE = "tls-records", 100, 41  # PIECE is SMALL of peers/asynchat.h

ALL = [*TIMED, IDLE, CALLS, RECORDS]


def progress(text):
    """A line that is written over, on a terminal."""
    if sys.stderr.isatty():
        print("\r\033[K" + text, end="", file=sys.stderr, flush=True)


def start_server(stack, name, mode, options=()):
    server = Server(name, PEERS[name] + list(options), mode, FILES)
    stack.callback(server.close)
    return server


def start_load(stack, server, arguments):
    load = Load(OUT + "/load_tls", server, arguments)
    stack.callback(load.close)
    return load


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
    "connection": ("CPU µs per connection", 1, 1000, "connections/s"),
    "MiB": ("CPU µs per MiB", MIB, 1000, "MiB/s"),
}


def sample(unit, r):
    _, count, ns, _ = UNITS[unit]
    return {**r, "figure": r["cpu_ns"] / ns / (r["count"] / count), "rate": r["count"] / count / r["seconds"]}


def measure_slices(w, rounds, numbers, head):
    """All peers run at once, and get short slices of work in turns."""
    with contextlib.ExitStack() as stack:
        loads = {name: start_load(stack, start_server(stack, name, w.mode), w.load) for name in PEERS}
        work = {name: calibrate(loads[name], w.least) for name in PEERS}
        for number in numbers:
            progress("%s, round %d of %d" % (head, number + 1, RUNS))
            for name in in_turns(list(PEERS), number):
                rounds[name].append(sample(w.unit, loads[name].slice(work[name])))


def measure(w, head):
    """The servers are started anew from time to time, since two processes of the same program may differ by 0.1, all
    their lives."""
    rounds = {name: [] for name in PEERS}
    for first in range(0, RUNS, ROUNDS):
        measure_slices(w, rounds, range(first, min(first + ROUNDS, RUNS)), head)
    return rounds


def timed_row(rounds, name):
    figure = table.spread([s["figure"] for s in rounds[name]])
    row = NAME % name + "%9s%9s%9s" % tuple(table.number(figure[key]) for key in ("median", "least", "most"))
    row += "%15.0f" % statistics.median(s["rate"] for s in rounds[name])
    for other in OTHERS:
        ratio = "" if other == name else table.ratio_text(table.ratios(rounds, name, other, "figure"))
        row += "   %-32s" % ratio
    return row.rstrip()


def timed(key, head):
    w = TIMED[key]
    rounds = measure(w, head)
    words, _, _, rate = UNITS[w.unit]
    verdicts = [verdict("%s, to %s" % (w.title, other), table.ratios(rounds, OURS, other, "figure")["median"], bar)
                for other, bar in zip(OTHERS, w.bars)]
    rows = ["%s: %s" % (w.title, words),
            NAME % "" + "%9s%9s%9s%15s" % ("median", "least", "most", rate) +
            "".join("   %-32s" % ("to " + other) for other in OTHERS).rstrip(),
            *(timed_row(rounds, name) for name in PEERS),
            (NAME % "bar" + " " * 42 + "".join("   %-32s" % said(v) for v in verdicts)).rstrip()]
    return {"rounds": rounds, "rows": rows, "verdicts": verdicts}


# --- memory ---

def resident_each(name):
    """Bytes for each connection after a handshake and one exchange. Of a fresh server, since an old one would use its
    old memory again."""
    with contextlib.ExitStack() as stack:
        server = start_server(stack, name, "line")
        start_load(stack, server, ["echo", 1, 1, 32]).slice(1)
        before = server.resident_bytes()
        start_load(stack, server, ["echo", CONNECTIONS, 1, 32]).slice(0)
        return (server.resident_bytes() - before) / CONNECTIONS


def idle(_, head):
    """Three rounds are enough, since this figure has no noise."""
    figures = {name: [] for name in PEERS}
    for number in range(3):
        progress("%s, round %d of 3" % (head, number + 1))
        for name in in_turns(list(PEERS), number):
            figures[name].append(resident_each(name))
    title = "Idle after a handshake and an exchange of 32 B, %d connections: resident bytes per connection" % CONNECTIONS
    v = verdict("Idle, resident bytes per connection", statistics.median(figures[OURS]), IDLE_BAR, 0)
    rows = [title, NAME % "" + "%9s%9s%9s" % ("median", "least", "most")]
    rows += [NAME % name + "%9.0f%9.0f%9.0f" % (statistics.median(f), min(f), max(f)) for name, f in figures.items()]
    return {"rounds": figures, "rows": rows + [NAME % "bar" + " " * 3 + said(v)], "verdicts": [v]}


# --- system calls ---

def wait_until_traced(process, tracer):
    for _ in range(1000):
        with open("/proc/%d/status" % process.pid) as file:
            if "TracerPid:\t0" not in file.read():
                return
        if tracer.poll() is not None:
            break
        time.sleep(0.01)
    raise Failure("strace does not work")


def system_calls(server, load, work):
    """The number of each call that the server makes for some work."""
    with tempfile.TemporaryDirectory() as folder:
        out = folder + "/calls"
        tracer = start(["strace", "-q", "-f", "-c", "-o", out, "-p", str(server.process.pid)], CORES[0],
                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until_traced(server.process, tracer)
            load.slice(work)
            tracer.send_signal(signal.SIGINT)
            tracer.wait(20)
        finally:
            tracer.kill()
            tracer.wait()
        with open(out) as file:
            found = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", file.read(), re.M)
    return {name: int(count) for count, name in found if name != "total"}


def count_calls(name, c):
    """For one unit of work. Everything is warm."""
    with contextlib.ExitStack() as stack:
        server = start_server(stack, name, c.mode)
        load = start_load(stack, server, c.load)
        load.slice(c.work // 4)
        found = system_calls(server, load, c.work)
    return {call: count * c.unit / c.work for call, count in found.items() if count * c.unit / c.work >= 0.005}


def without_openssls_own(calls):
    return sum(count for call, count in calls.items() if call != OPENSSL_OWN)


def calls(_, head):
    rows, verdicts, found = [], [], {}
    for number, c in enumerate(COUNTED):
        rows.append("System calls: " + c.title)
        for name in PEERS:
            progress("%s, %d of %d, %s" % (head, number + 1, len(COUNTED), name))
            each = found[c.title + ", " + name] = count_calls(name, c)
            listed = ", ".join("%s %.2f" % (call, each[call]) for call in sorted(each, key=each.get, reverse=True))
            rows.append(NAME % name + "%9.2f   %s" % (without_openssls_own(each), listed))
        verdicts.append(verdict("System calls, " + c.title, without_openssls_own(each), c.bar, share=COUNTING))
        rows.append(NAME % "bar" + "   " + said(verdicts[-1]))
    return {"rounds": found, "rows": rows, "verdicts": verdicts}


# --- records ---

def records(_, head):
    progress(head)
    with contextlib.ExitStack() as stack:
        server = start_server(stack, OURS, "source", ["small"])
        each = start_load(stack, server, ["records", PIECES * PIECE]).slice(100)["delays_us"][0]
    v = verdict("Records for %d pieces" % PIECES, each, 1)
    title = "Records in which %d pieces of %d B leave that were pushed by reference" % (PIECES, PIECE)
    rows = [title, NAME % OURS + "%9.2f" % each, NAME % "bar" + "   " + said(v)]
    return {"rounds": each, "rows": rows, "verdicts": [v]}


# --- all of them ---

def run_workload(key, head):
    return {IDLE: idle, CALLS: calls, RECORDS: records}.get(key, timed)(key, head)


def run_all(keys):
    results = {}
    for number, key in enumerate(keys):
        since = time.monotonic()
        head = "%2d of %d  %-12s" % (number + 1, len(keys), key)
        results[key] = run_workload(key, head)
        progress("")
        print("%s%4.0f s" % (head, time.monotonic() - since), file=sys.stderr, flush=True)
    return results


def print_all(results, seconds):
    print("%d rounds in turns of slices of %.1f s; %d min %d s in all" % (RUNS, SLICE, *divmod(int(seconds), 60)))
    print("%d cores; Linux %s; %s" % (os.cpu_count(), os.uname().release, VERSIONS))
    print("Of a figure: median, least and most. Of a ratio, round by round: median (least, quartiles, most).")
    for result in results.values():
        print("", *result["rows"], sep="\n")
    verdicts = [v for result in results.values() for v in result["verdicts"]]
    print("\n%-76s%9s" % (OURS, "figure"))
    for v in verdicts:
        print("%-76s%9s   %s" % (v["title"], v["figure"], said(v)))
    missed = sum(not v["met"] for v in verdicts)
    print("%d of %d bars are met" % (len(verdicts) - missed, len(verdicts)))
    return 1 if missed else 0


def main(json_path, keys):
    if "tls" in keys or not keys:
        keys = ALL
    unknown = [key for key in keys if key not in ALL]
    if unknown or RUNS < 5:
        sys.exit("RUNS is 5 at least, and workloads with TLS are: tls (all), " + ", ".join(ALL))
    if len(CORES) < 2:
        sys.exit("it takes two cores, one for the load")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("tls.py: terminated"))
    began = time.monotonic()
    try:
        results = run_all(keys)
    except Failure as failure:
        sys.exit("FAILED: %s" % failure)
    if json_path:
        with open(json_path, "w") as file:
            json.dump(results, file, indent=1)
    return print_all(results, time.monotonic() - began)


sys.exit(main(sys.argv[1], sys.argv[2:]))
