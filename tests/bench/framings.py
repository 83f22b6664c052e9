"""Compares libasynchat's framings with its string terminator, and with the same protocols by hand on bare epoll: called
by tests/bench/run.

usage: framings.py JSON [WORKLOAD...]    JSON is a file to write to, or empty

Each bar is the most that libasynchat may need; the exit status is 1 if one is not met.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import sys

from bars import MIB, Workload, compare, main

OUT = os.environ["BENCH_OUT"]
ASYNCHAT = [OUT + "/library/tests/bench/asynchat_framings"]
EPOLL = [OUT + "/epoll"]


def echo(framing):
    return ["echo", 50, 16, 32, framing]


def framed(title, framing, bar):
    """Messages of 32 bytes, with all that belongs to them."""
    peers = {framing: (ASYNCHAT, framing, echo(framing)),
             "string": (ASYNCHAT, "string", echo("string")),
             "epoll": (EPOLL, framing, echo(framing))}
    return Workload(title + ": 32 B, 16 in flight, 50 connections", peers, 800, "message",
                    {"string": bar, "epoll": 1.10})


def mails(title, dots):
    peers = {"dotted": (ASYNCHAT, "dotted", ["mail", "dotted", dots]),
             "undotted": (ASYNCHAT, "undotted", ["mail", "undotted", dots]),
             "epoll": (EPOLL, "dotted", ["mail", "dotted", dots])}
    return Workload(title, peers, MIB, "MiB", {"undotted": 1.10, "epoll": 1.10})


def tell(size):
    load = ["tell", 1000, size]
    peers = {"shared": (ASYNCHAT, "tell-shared", load), "pushed": (ASYNCHAT, "tell", load)}
    return Workload("A line of %d B to 1000 channels, by asynchat_push_shared" % size, peers, 1000, "message",
                    {"pushed": 0.90})


WORKLOADS = {
    "framings-block": framed("Blocks", "block", 1.00),
    "framings-prefix": framed("A length in 4 bytes", "prefix", 1.00),
    "framings-kept": framed("A length in 4 bytes, kept in front", "kept", 1.00),
    "framings-varint": framed("A varint", "varint", 1.00),
    "framings-netstring": framed("Netstrings", "netstring", 1.00),
    "framings-lines": framed("Lines, CR LF or LF", "lines", 1.05),
    "framings-strict": framed("Lines, CR LF alone", "strict", 1.05),
    "framings-alternatives": framed("Four alternatives", "alternatives", 1.25),
    "framings-dotted": mails("Mails of 16 lines of 4 kB, without dots", 0),
    "framings-dots": mails("Mails of 16 lines of 4 kB that begin with a dot", 1),
    "framings-tell": tell(128),
}


def run_workload(key, words):
    return compare(WORKLOADS[key], words)


main("framings", list(WORKLOADS), run_workload, sys.argv[1], sys.argv[2:])
