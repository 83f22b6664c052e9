"""Compares libasynchat-openssl with bufferevents and with epoll, both with OpenSSL by hand: called by tests/bench/run.

usage: tls.py JSON [WORKLOAD...]    JSON is a file to write to, or empty

TLS 1.3, TLS_AES_256_GCM_SHA384, X25519 and a certificate of P-256. Each bar is the most that libasynchat may need; the
exit status is 1 if one is not met.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import os
import statistics
import sys
from collections import namedtuple

import table
from bars import MIB, NAME, main, measure, progress, said, timed_rows, verdict
from calls import system_calls
from running import Load, Server, in_turns

OUT = os.environ["BENCH_OUT"]
FILES = [OUT + "/tls/certificate.pem", OUT + "/tls/key.pem"]
OURS = "asynchat_tls"
PEERS = {
    "bufferevent_tls": [OUT + "/bufferevent_tls"],
    "epoll_tls": [OUT + "/epoll_tls"],
    OURS: [OUT + "/library/tests/bench/asynchat_tls"],
}
OTHERS = [name for name in PEERS if name != OURS]

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


def start_server(stack, name, mode, options=()):
    server = Server(name, PEERS[name] + list(options), mode, FILES)
    stack.callback(server.close)
    return server


def start_load(stack, server, arguments):
    load = Load(OUT + "/load_tls", server, arguments)
    stack.callback(load.close)
    return load


# --- CPU time ---

def timed(key, head):
    w = TIMED[key]

    def started(name):
        return lambda stack: start_load(stack, start_server(stack, name, w.mode), w.load)

    rounds = measure({name: started(name) for name in PEERS}, w.least, w.unit, head)
    verdicts = [verdict("%s, to %s" % (w.title, other), table.ratios(rounds, OURS, other, "figure")["median"], bar)
                for other, bar in zip(OTHERS, w.bars)]
    return {"rounds": rounds, "rows": timed_rows(w.title, w.unit, rounds, OTHERS, verdicts), "verdicts": verdicts}


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


main("tls", ALL, run_workload, sys.argv[1], sys.argv[2:])
