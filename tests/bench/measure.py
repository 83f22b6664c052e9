"""Runs each server under each workload, in turns, and prints the table: called by tests/bench/run."""
import json
import os
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
OUT, RUNS, JSON = sys.argv[1], int(sys.argv[2]), sys.argv[3]

PEERS = {
    "epoll": [OUT + "/epoll"],
    "libuv": [OUT + "/uv"],
    "bufferevent": [OUT + "/bufferevent"],
    "asynchat": [OUT + "/library/tests/bench/asynchat_pieces"],
    "asynchat, whole": [OUT + "/library/tests/bench/asynchat_whole"],
}

# connections, in flight, bytes, messages
WORKLOADS = {
    "32-1": ("32 B, 1 in flight, 50 connections", 50, 1, 32, 100000),
    "32-16": ("32 B, 16 in flight, 50 connections", 50, 16, 32, 1000000),
    "4k-1": ("4 kB, 1 in flight, 50 connections", 50, 1, 4000, 100000),
    "1k-16": ("1 kB, 16 in flight, 4 connections", 4, 16, 1000, 400000),
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.01)
    raise SystemExit("a server does not listen")


def cores():
    available = sorted(os.sched_getaffinity(0))
    return {available[0]}, {available[-1]}


def measure(command, shape):
    port = free_port()
    one, other = cores()
    server = subprocess.Popen(command + ["line", str(port)], preexec_fn=lambda: os.sched_setaffinity(0, one))
    try:
        wait_for(port)
        load = [OUT + "/load", str(port), str(server.pid)] + [str(n) for n in shape]
        said = subprocess.run(load, capture_output=True, text=True, timeout=300,
                              preexec_fn=lambda: os.sched_setaffinity(0, other))
        if said.returncode:
            raise SystemExit("%s: %s" % (command[0], said.stderr))
        return [float(word) for word in said.stdout.split()]
    finally:
        server.kill()
        server.wait()


def row(name, figures, reference):
    cpu = [f[0] for f in figures]
    ratios = [f[0] / r[0] for f, r in zip(figures, reference)]
    return {"server": name, "cpu_ns": cpu, "per_second": [f[1] for f in figures],
            "median": statistics.median(cpu), "ratio": statistics.median(ratios),
            "ratio_min": min(ratios), "ratio_max": max(ratios)}


def run_workload(title, shape):
    figures = {name: [] for name in PEERS}
    for _ in range(RUNS):
        for name, command in PEERS.items():
            figures[name].append(measure(command, shape))
    rows = [row(name, figures[name], figures["epoll"]) for name in PEERS]
    print("\n%s\n%-16s %8s %8s %8s %10s  %s" % (title, "", "median", "least", "most", "messages/s", "to epoll"))
    for r in rows:
        print("%-16s %8.0f %8.0f %8.0f %10.0f  %.2f (%.2f to %.2f)" % (
            r["server"], r["median"], min(r["cpu_ns"]), max(r["cpu_ns"]), statistics.median(r["per_second"]),
            r["ratio"], r["ratio_min"], r["ratio_max"]), flush=True)
    return {"workload": title, "rows": rows}


def main(names):
    print("CPU nanoseconds of the server per message, %d alternating runs" % RUNS)
    results = [run_workload(WORKLOADS[n][0], WORKLOADS[n][1:]) for n in names or WORKLOADS]
    if JSON:
        with open(JSON, "w") as file:
            json.dump(results, file, indent=1)


main(sys.argv[4:])
