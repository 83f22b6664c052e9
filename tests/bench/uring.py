"""Compares batches by io_uring with bare epoll, with plain calls, and with redis-server: called by tests/bench/run.

usage: uring.py JSON KV REDIS [WORKLOAD...]    JSON is a file to write to, or empty; KV and REDIS as for kv.py

What a batch saves are system calls, so the gain depends on their price, which is printed. Each bar is the most that the
ring may need; the exit status is 1 if one is not met.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import os
import subprocess
import sys
import tempfile

import kv
import table
from bars import NAME, OUT, Workload, compare, main, measure, progress, said, started, timed_rows, verdict
from calls import count_at_speed, system_calls
from running import CORES, calibrate, raise_descriptors, start

EPOLL = [OUT + "/epoll"]
PIECES = [OUT + "/library/tests/bench/asynchat_pieces"]
FRAMINGS = [OUT + "/library/tests/bench/asynchat_framings"]
RING = "--io-uring"
KV, REDIS = sys.argv[2:4]


def echo(title, connections, in_flight, size, **bars):
    load = ["echo", connections, in_flight, size]
    peers = {"ring": ([*PIECES, RING], "line", load), "plain": (PIECES, "line", load), "epoll": (EPOLL, "line", load)}
    return Workload(title, peers, connections * in_flight, "message", bars, ["plain", "epoll"])


def many(connections):
    return echo("32 B, 1 in flight, %d connections" % connections, connections, 1, 32, epoll=0.85)


def few(connections):
    return echo("32 B, 1 in flight, %d connection%s" % (connections, "s"[:connections > 1]), connections, 1, 32, plain=1.02)


def tell(channels):
    load = ["tell", channels, 128]
    peers = {"ring": ([*FRAMINGS, RING], "tell-shared", load), "plain": (FRAMINGS, "tell-shared", load),
             "epoll": (EPOLL, "tell", load)}
    return Workload("A line of 128 B to %d channels, for each" % channels, peers, channels, "message", {"epoll": 0.65},
                    ["plain"])


TIMED = {
    "uring-32-1": echo("32 B, 1 in flight, 50 connections", 50, 1, 32, epoll=0.95),
    "uring-32-16": echo("32 B, 16 in flight, 50 connections", 50, 16, 32, epoll=0.95),
    "uring-4k-1": echo("4 kB, 1 in flight, 50 connections", 50, 1, 4000, epoll=0.97),
    "uring-1000": many(1000),
    "uring-9000": many(9000),
    "uring-few-1": few(1),
    "uring-few-4": few(4),
    "uring-few-8": few(8),
    "uring-1k-16": echo("1 kB, 16 in flight, 4 connections", 4, 16, 1000, plain=1.02),
    "uring-tell-1000": tell(1000),
    "uring-tell-10000": tell(10000),
}
CONNECTIONS = 50
BUSY = ["echo", CONNECTIONS, 1, 32]
PEERS = TIMED["uring-32-1"].peers
CALLS_BAR, CALLS_WORK = 0.8, 200000
KV_BAR, KV_TESTS = 0.85, ("set", "get", "incr")
DELAY_BAR = 1.05


# --- the price of a system call ---

def price(_, head):
    progress(head)
    process = start([OUT + "/price"], CORES[0], stdout=subprocess.PIPE, text=True)
    text = "A system call, getppid, takes %s ns of CPU here. The load average at the start is %.1f, on %d cores."
    return {"rows": [text % (process.communicate()[0].strip(), os.getloadavg()[0], os.cpu_count())], "verdicts": []}


# --- system calls ---

def count(name):
    """For a message. Gives the number, and what has counted."""
    with contextlib.ExitStack() as stack:
        load = started(PEERS[name][0], "line", BUSY)(stack)
        load.slice(CALLS_WORK // 4)
        found = count_at_speed(load.server, load, CALLS_WORK)
        if found is not None:
            return found / CALLS_WORK, "perf"
        return sum(system_calls(load.server, load, CALLS_WORK).values()) / CALLS_WORK, "strace, which slows the server"


def calls(_, head):
    found = {}
    for name in PEERS:
        progress("%s, %s" % (head, name))
        found[name], by = count(name)
    title = "System calls for a message"
    v = verdict("%s, %d connections" % (title, CONNECTIONS), found["ring"], CALLS_BAR)
    rows = ["%s of 32 B, 1 in flight, %d connections, counted by %s" % (title, CONNECTIONS, by)]
    rows += [NAME % name + "%9.2f" % each for name, each in found.items()]
    return {"rounds": found, "rows": [*rows, NAME % "bar" + "   " + said(v)], "verdicts": [v]}


# --- kv and redis-server ---

def kv_to_redis(_, head):
    rows, verdicts, results = [], [], {}
    with tempfile.TemporaryDirectory() as folder, kv.servers(KV, REDIS, folder, ring=True) as found:
        for test in KV_TESTS:
            progress("%s, %s" % (head, test))
            results[test] = rounds = kv.measure(found, test, 1)
            title = "kv, %s, %d connections, 1 in flight" % (test, kv.CONNECTIONS)
            verdicts.append(verdict(title + ", to redis", table.ratios(rounds, "ring", "redis", "figure")["median"], KV_BAR))
            rows += ["", *timed_rows(title, "request", rounds, ["redis", "kv"], verdicts[-1:])]
    return {"rounds": results, "rows": rows[1:], "verdicts": verdicts}


# --- delays ---

def half_load():
    """Half of the messages in a second that the plain path answers if the next ones wait for the answers."""
    with contextlib.ExitStack() as stack:
        load = started(*PEERS["plain"])(stack)
        r = load.slice(calibrate(load, CONNECTIONS))
        return r["count"] / r["seconds"] / 2


def delays(_, head):
    rate = half_load()
    load = ["pace", CONNECTIONS, 32, 0, rate]
    rounds = measure({name: started(PEERS[name][0], "line", load) for name in ("ring", "plain")}, CONNECTIONS, "message", head)
    rows = ["Delay of an answer in µs: 32 B, %d connections, %.0f messages/s, half of what the plain path takes" %
            (CONNECTIONS, rate), NAME % "" + "%9s%9s%9s   %s" % ("median", "least", "most", "to plain")]
    verdicts = []
    for place, words in enumerate(("p50", "p99")):
        figures = {name: [{"figure": s["delays_us"][place]} for s in samples] for name, samples in rounds.items()}
        ratio = table.ratios(figures, "ring", "plain", "figure")
        verdicts.append(verdict("Delay, %s, half load, to plain" % words, ratio["median"], DELAY_BAR))
        for name, samples in figures.items():
            f = table.spread([s["figure"] for s in samples])
            row = NAME % (name + ", " + words) + "%9s%9s%9s" % tuple(table.number(f[key]) for key in ("median", "least", "most"))
            rows.append(row + ("   " + table.ratio_text(ratio) if name == "ring" else ""))
        rows.append(NAME % "bar" + " " * 30 + said(verdicts[-1]))
    rows += ["", *timed_rows("The same", "message", rounds, ["plain"], [])]
    return {"rounds": rounds, "rows": rows, "verdicts": verdicts}


# --- all of them ---

PARTS = {"uring-calls": calls, "uring-kv": kv_to_redis, "uring-delay": delays}


def run_workload(key, head):
    if key in TIMED:
        return compare(TIMED[key], head)
    return {"uring-price": price, **PARTS}[key](key, head)


raise_descriptors()
main("uring", ["uring-price", *TIMED, *PARTS], run_workload, sys.argv[1], sys.argv[4:])
