"""Runs each peer under each workload, in turns, and prints the tables: called by tests/bench/run.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import json
import os
import platform
import signal
import sys
import time
from collections import namedtuple

import table
from running import SLICE, Failure, Load, Server, calibrate, in_turns, lack_of_descriptors, raise_descriptors

HERE = os.path.dirname(os.path.abspath(__file__))
OUT, PYTHON = os.environ["BENCH_OUT"], os.environ["BENCH_PYTHON"]
VERSIONS = os.environ["BENCH_VERSIONS"]
RUNS = int(os.environ.get("RUNS", "9"))
FILE = OUT + "/file"
FILE_SIZE = 64 << 20  # bytes sent at once: load_stream.c

# The modes of each peer. Memory and files are sent in the same way with whole messages and with pieces.
PEERS = {
    "epoll": ([OUT + "/epoll"], "line length sink source file"),
    "libuv": ([OUT + "/uv"], "line length sink source file"),
    "bufferevent": ([OUT + "/bufferevent"], "line length sink source file"),
    "asynchat": ([OUT + "/library/tests/bench/asynchat_pieces"], "line length sink source file"),
    "asynchat, whole": ([OUT + "/library/tests/bench/asynchat_whole"], "line length sink"),
    "asynchat, 1 worker": ([OUT + "/library/tests/bench/asynchat_pieces", "1"], ""),
    "asynchat, 2 workers": ([OUT + "/library/tests/bench/asynchat_pieces", "2"], ""),
    "asynchat, PROXY": ([OUT + "/library/tests/bench/asynchat_pieces", "proxied"], ""),
    "asynchat, limits": ([OUT + "/library/tests/bench/asynchat_pieces", "limits"], ""),
    "CPython asynchat": ([PYTHON, HERE + "/peers/cpython_asynchat.py"], "line length sink source file"),
    "asyncio streams": ([PYTHON, HERE + "/peers/asyncio_streams.py"], "line length sink source file"),
}

# title; mode of the peers; the load and its arguments; the least work of a slice; unit; the peers, unless all with the
# mode
Workload = namedtuple("Workload", "title mode load least unit only", defaults=[()])

MIB = 1 << 20
WORKERS = ("asynchat", "asynchat, 1 worker", "asynchat, 2 workers")
LIMITS = ("asynchat", "asynchat, limits")
PROXY = ("asynchat", "asynchat, PROXY")


def echo(title, connections, in_flight, size, mode="line"):
    return Workload(title, mode, ["echo", connections, in_flight, size], connections * in_flight, "message")


def active(connections):
    return echo("32 B, 1 in flight, %d connection%s" % (connections, "s"[:connections > 1]), connections, 1, 32)


WORKLOADS = {
    "32-1": echo("32 B, 1 in flight, 50 connections", 50, 1, 32),
    "32-16": echo("32 B, 16 in flight, 50 connections", 50, 16, 32),
    "4k-1": echo("4 kB, 1 in flight, 50 connections", 50, 1, 4000),
    "1k-16": echo("1 kB, 16 in flight, 4 connections", 4, 16, 1000),
    "1m": echo("1 MB by a number, 1 in flight, 4 connections", 4, 1, 1000000, "length"),
    "sink": Workload("Upload, a string terminator every 64 kB", "sink", ["sink"], MIB, "MiB"),
    "source": Workload("Download from memory", "source", ["source"], MIB, "MiB"),
    "file": Workload("Download of a file", "file", ["source"], MIB, "MiB"),
    "connect": Workload("Connect, 32 B there and back, close; 50 at a time", "line", ["connect", 50, 32], 50,
                        "connection"),
    "proxy": Workload("Connect, 32 B there and back, close; behind a PROXY header", "line", ["connect", 50, 32], 50,
                      "header", PROXY),
    "active-1": active(1),
    "active-10": active(10),
    "active-100": active(100),
    "active-1000": active(1000),
    "active-9000": active(9000),
    "workers": Workload("32 B, 16 in flight, 50 connections, the server on one core", "line", ["echo", 50, 16, 32], 800,
                        "worker", WORKERS),
    "workers-1": Workload("32 B, 1 in flight, 50 connections, the server on one core", "line", ["echo", 50, 1, 32], 50,
                          "worker", WORKERS),
    "timeouts": Workload("32 B, 16 in flight, 50 connections, with all limits and timeouts", "line",
                         ["echo", 50, 16, 32], 800, "limits", LIMITS),
    "timeouts-1": Workload("32 B, 1 in flight, 50 connections, with all limits and timeouts", "line",
                           ["echo", 50, 1, 32], 50, "limits", LIMITS),
    "timeouts-1000": Workload("32 B, 1 in flight, 1000 connections, with all limits and timeouts", "line",
                              ["echo", 1000, 1, 32], 1000, "limits", LIMITS),
    "idle": Workload("Idle after one exchange of 32 B, 9000 connections", "line", ["echo", 9000, 1, 32], 9000,
                     "memory"),
    "fair": Workload("A line of 32 B beside a stream of pipelined ones, 256 KiB in flight", "line", ["fair", 32], 20,
                     "delay"),
}

# For each unit: the figures of a sample (key, words), its rate, and the reference.
UNITS = {
    "message": ([("figure", "CPU ns per message")], "messages/s", "epoll"),
    "worker": ([("figure", "CPU ns per message")], "messages/s", "asynchat, 1 worker"),
    "limits": ([("figure", "CPU ns per message")], "messages/s", "asynchat"),
    "connection": ([("figure", "CPU ns per connection")], "connections/s", "epoll"),
    "header": ([("figure", "CPU ns per connection")], "connections/s", "asynchat"),
    "MiB": ([("figure", "CPU µs per MiB")], "MiB/s", "epoll"),
    "memory": ([("figure", "resident bytes per connection")], "connections", "bufferevent"),
    "delay": ([("median", "delay in µs, median"), ("p99", "delay in µs, 99th percentile"),
               ("most", "delay in µs, most")], "its lines/s", "epoll"),
}


# --- one workload ---

def sample(unit, r):
    """The figures that are kept of a slice."""
    if unit == "delay":
        figures = dict(zip(("median", "p99", "most"), r["delays_us"]))
    elif unit == "MiB":
        figures = {"figure": r["cpu_ns"] / r["count"] * MIB / 1000}
    else:
        figures = {"figure": r["cpu_ns"] / r["count"]}
    return {**r, **figures, "rate": r["count"] / (MIB if unit == "MiB" else 1) / r["seconds"]}


def start_server(stack, name, mode):
    server = Server(name, PEERS[name][0], mode, [FILE] if mode == "file" else [])
    stack.callback(server.close)
    return server


def start_load(stack, server, arguments):
    if server.name == "asynchat, PROXY":
        arguments = ["proxied", *arguments[1:]]
    load = Load(OUT + "/load", server, arguments)
    stack.callback(load.close)
    return load


def measure_slices(w, names):
    """All peers run at once, and get short slices of work in turns."""
    rounds = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        loads = {name: start_load(stack, start_server(stack, name, w.mode), w.load) for name in names}
        work = {name: calibrate(loads[name], w.least) for name in names}
        for number in range(RUNS):
            for name in in_turns(names, number):
                rounds[name].append(sample(w.unit, loads[name].slice(work[name])))
    return rounds


def measure_memory_of(name, w):
    """Uses a fresh server, since an old one would use its old memory again."""
    with contextlib.ExitStack() as stack:
        server = start_server(stack, name, w.mode)
        start_load(stack, server, ["echo", 1, 1, 32]).slice(1)
        before = server.resident_bytes()
        r = start_load(stack, server, w.load).slice(w.least)
        return {**r, "figure": (server.resident_bytes() - before) / w.least, "rate": w.least}


def measure_memory(w, names):
    """Three rounds are enough, since this figure has no noise."""
    rounds = {name: [] for name in names}
    for number in range(3):
        for name in in_turns(names, number):
            rounds[name].append(measure_memory_of(name, w))
    return rounds


def reason_to_skip(w):
    return lack_of_descriptors(w.load[1] + 100 if w.load[0] == "echo" else 0)


def run_workload(key):
    w = WORKLOADS[key]
    result = {"workload": key, "title": w.title, "unit": w.unit, "skipped": reason_to_skip(w)}
    if result["skipped"]:
        return result
    names = list(w.only) or [name for name, (_, modes) in PEERS.items() if w.mode in modes.split()]
    result["rounds"] = (measure_memory if w.unit == "memory" else measure_slices)(w, names)
    figures, _, reference = UNITS[w.unit]
    result["summary"] = {figure: table.summary(result["rounds"], figure, reference) for figure, _ in figures}
    return result


# --- all of them ---

def print_result(result):
    figures, rate, reference = UNITS[result["unit"]]
    if result["skipped"]:
        print("\n%s: %s" % (result["title"], result["skipped"]))
        return
    for figure, words in figures:
        print()
        print(table.text("%s: %s" % (result["title"], words), result["summary"][figure], rate, reference))


def cpu_model():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "CPU unknown")


def congestion_control():
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as file:
        return file.read().strip()


def head(seconds):
    return ["%d rounds in turns of slices of %.1f s; %d min %d s in all" % (RUNS, SLICE, *divmod(int(seconds), 60)),
            "%s, %d cores; Linux %s, TCP %s; %s" % (cpu_model(), os.cpu_count(), platform.release(), congestion_control(),
                                                 VERSIONS),
            "Of a figure: median, least and most. Of a ratio, round by round: median (least, quartiles, most)."]


def make_file():
    with open(FILE, "wb") as file:
        for _ in range(FILE_SIZE // 65536):
            file.write(bytes(i % 251 for i in range(65536)))


def run_all(keys):
    began = time.monotonic()
    results = []
    for key in keys:
        since = time.monotonic()
        results.append(run_workload(key))
        print("%-12s%4.0f s" % (key, time.monotonic() - since), file=sys.stderr, flush=True)
    return {"head": head(time.monotonic() - began), "results": results}


def prepare():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("measure.py: terminated"))
    raise_descriptors()
    make_file()
    if not PYTHON:
        for name in ("CPython asynchat", "asyncio streams"):
            del PEERS[name]


def main(json_path, keys):
    unknown = [key for key in keys if key not in WORKLOADS]
    if unknown or RUNS < 5:
        sys.exit("RUNS is 5 at least, and workloads are: " + " ".join(WORKLOADS))
    prepare()
    try:
        everything = run_all(keys or WORKLOADS)
    except Failure as failure:
        sys.exit("FAILED: %s" % failure)
    print(*everything["head"], sep="\n")
    for result in everything["results"]:
        print_result(result)
    if json_path:
        with open(json_path, "w") as file:
            json.dump(everything, file, indent=1)


main(sys.argv[1], sys.argv[2:])
