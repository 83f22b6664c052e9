#!/usr/bin/env python3
"""Compares examples/kv with redis-server, under redis-benchmark, and prints a table: called by tests/bench/run.

usage: kv.py KV REDIS JSON    JSON is a file to write to, or empty; REDIS is redis-server, or the file that it links to

A figure is the CPU time of the server for each request, as the kernel accounts for it. Both servers are pinned to one
core and the load to another. The servers take turns, and each ratio is within one round.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import table
from running import CORES, Failure, cpu_ns, end, free_port, start

RUNS = int(os.environ.get("RUNS", "5"))
TESTS = ("ping_inline", "ping_mbulk", "set", "get", "incr", "mset")
PIPELINES = {1: 30000, 16: 150000, 64: 300000}  # requests in flight for each connection: requests in a slice
CONNECTIONS = 50
KEYS = 1000000  # of the rows with many keys


def wait_for(port, process):
    for _ in range(1000):
        if process.poll() is not None:
            raise Failure("a server ended with status %d" % process.returncode)
        if subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True).stdout == b"PONG\n":
            return
        time.sleep(0.01)
    raise Failure("a server does not listen")


@contextlib.contextmanager
def servers(kv, redis, folder, ring=False):
    """Returns for each name the process and its port. With `ring` there is a kv by io_uring as well."""
    commands = {"redis": lambda port: (["redis-server", "--port", port, "--dir", folder, "--save", "", "--appendonly", "no"], redis),
                "kv": lambda port: (["kv", "--port", port], kv)}
    if ring:
        commands["ring"] = lambda port: (["kv", "--port", port, "--io-uring"], kv)
    with contextlib.ExitStack() as stack:
        found = {}
        for name, make in commands.items():
            port = free_port()
            command, program = make(str(port))
            process = start(command, CORES[0], executable=program, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            stack.callback(end, process)
            wait_for(port, process)
            found[name] = process, port
        yield found


def slice_of(process, port, test, pipeline, count, *options):
    """All requests are answered without an error, since redis-benchmark ends at an error."""
    before = cpu_ns(process)
    load = start(["redis-benchmark", "-p", str(port), "-c", str(CONNECTIONS), "-P", str(pipeline), "-n", str(count), "-t", test,
                  "-q", *options], CORES[-1], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = load.communicate()[0]
    rate = re.search(r"([\d.]+) requests per second, p50", said)
    if load.returncode or not rate or "Error" in said:
        raise Failure("redis-benchmark, %s: %s" % (test, said[-300:]))
    return {"figure": (cpu_ns(process) - before) / count, "rate": float(rate[1])}


def measure(found, test, pipeline, *options):
    """The first round does not count; it only warms up."""
    count = PIPELINES[pipeline] // (4 if test == "mset" and pipeline > 1 else 1)
    rounds = {name: [] for name in found}
    for number in range(RUNS + 1):
        for name in sorted(found, reverse=number % 2 > 0):
            sample = slice_of(*found[name], test, pipeline, count, *options)
            if number > 0:
                rounds[name].append(sample)
    return rounds


def fill(process, port):
    """All keys, with values of 32 bytes. Returns how many bytes the process has for each key."""
    resident = resident_of(process)
    requests = b"".join(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$32\r\n%032d\r\n" % (i, i) for i in range(KEYS))
    subprocess.run(["redis-cli", "-p", str(port), "--pipe"], input=requests, stdout=subprocess.DEVNULL, check=True)
    return (resident_of(process) - resident) / KEYS


def resident_of(process):
    with open("/proc/%d/statm" % process.pid) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def print_row(name, pipeline, rounds):
    ratio = table.ratios(rounds, "kv", "redis", "figure")
    figure = {name: table.spread([s["figure"] for s in samples]) for name, samples in rounds.items()}
    print("%-12s%3d%9.0f%9.0f   %s" % (name, pipeline, figure["kv"]["median"], figure["redis"]["median"], table.ratio_text(ratio)),
          flush=True)
    return {"rounds": rounds, "ratio": ratio}


def main(kv, redis, path):
    if RUNS < 5:
        sys.exit("RUNS is 5 at least")
    if len(CORES) < 2:
        sys.exit("it takes two cores, one for the load")
    results = {}
    print("%d rounds in turns, %d connections; CPU ns of the server for each request" % (RUNS, CONNECTIONS))
    print("%-12s%3s%9s%9s   %s" % ("", "-P", "kv", "redis", "kv to redis: median (least, quartiles, most)"))
    with tempfile.TemporaryDirectory() as folder, servers(kv, redis, folder) as found:
        for test in TESTS:
            for pipeline in PIPELINES:
                results["%s-%d" % (test, pipeline)] = print_row(test, pipeline, measure(found, test, pipeline))
        print("with %d keys:" % KEYS)
        bytes_for_key = {name: fill(*server) for name, server in found.items()}
        for test in ("set", "get"):
            rounds = measure(found, test, 64, "-r", str(KEYS), "-d", "32")
            results["%s-64-%d" % (test, KEYS)] = print_row(test, 64, rounds)
        print("bytes for a key of 16 bytes with a value of 32: kv %(kv).0f, redis %(redis).0f" % bytes_for_key)
        results["bytes"] = bytes_for_key
    if path:
        with open(path, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Failure as failure:
        sys.exit("FAILED: %s" % failure)
