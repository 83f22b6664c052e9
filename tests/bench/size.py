"""Measures the cost of a connection and of a message for a growing number of connections: called by tests/bench/run.

SPDX-License-Identifier: BSD-3-Clause

Every connection sends one message of 32 bytes a second. The server has all its limits and timeouts on. The load runs in
processes of its own and compares every answer. Several servers listen on one port. All servers are on one core, all
loads on another.
"""
import contextlib
import os
import resource
import signal
import statistics
import subprocess
import sys
import time

from running import (CORES, Failure, Load, end, free_port, lack_of_descriptors, raise_descriptors, resident_bytes,
                     start)

OUT = os.environ["BENCH_OUT"]
PEER = OUT + "/library/tests/bench/asynchat_pieces"
RUNS = int(os.environ.get("RUNS", "9"))
SECONDS = 3  # of one run
SIZE = 32
FOR_A_LOAD = 18000  # connections, at most
SPARE = 300  # room for descriptors that are not connections, and for an uneven sharing by the kernel
ROWS = ((1000, 1), (4000, 1), (9000, 1), (18000, 1), (18000, 2), (18000, 4), (36000, 2), (36000, 4))

# A socket has an object in each of these. A connection has two sockets, since both ends are on this machine.
# Other programs' sockets and files come and go meanwhile. With few connections they would be most of the figure.
CACHES = ("TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_epi", "ep_head", "lsm_inode_cache", "lsm_file_cache")
ENOUGH = 4000
FLAT = 1.1  # a connection may take at most this factor of the memory in the first row


# --- servers and loads ---

class Servers:
    """Processes that listen on one port."""

    def __init__(self, stack, count):
        self.name = "asynchat"
        self.port = free_port()
        self.processes = []
        for _ in range(count):
            command = [PEER, "limits", "shared", "line", str(self.port)]
            self.processes.append(start(command, CORES[0], stdin=subprocess.DEVNULL))
            stack.callback(end, self.processes[-1])
        self.process = self.processes[0]
        wait_until(lambda: listeners(self.port) == count, "the servers do not listen")

    def descriptors(self):
        """The connections of each process: its descriptors beyond those at the start."""
        return [len(os.listdir("/proc/%d/fd" % process.pid)) for process in self.processes]

    def resident(self):
        return sum(resident_bytes(process) for process in self.processes)

    def cpu_ns(self):
        return sum(cpu_ns(process.pid) for process in self.processes)


def cpu_ns(pid):
    with open("/proc/%d/schedstat" % pid) as file:
        return int(file.read().split()[0])


def listeners(port):
    with open("/proc/net/tcp") as file:
        return sum(line.split()[1].endswith(":%04X" % port) and line.split()[3] == "0A" for line in file)


def wait_until(condition, otherwise):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise Failure(otherwise)


def connect(stack, servers, connections):
    """Returns the loads after the servers have accepted all their connections."""
    before = sum(servers.descriptors())
    parts = -(-connections // FOR_A_LOAD)
    loads = []
    for number in range(parts):
        loads.append(Load(OUT + "/load", servers, ["pace", connections // parts, SIZE, number + 1]))
        stack.callback(loads[-1].close)
    wait_until(lambda: sum(servers.descriptors()) == before + connections or any(l.process.poll() for l in loads),
               "not every connection was accepted")
    return loads


def run(servers, loads, connections):
    """One run: returns CPU nanoseconds for a message, and delays in microseconds."""
    before = servers.cpu_ns()
    for load in loads:
        load.begin(connections // len(loads) * SECONDS)
    results = [load.finish() for load in loads]
    time.sleep(0.02)  # the kernel brings the figure up to date when a process sleeps
    messages = sum(result["count"] for result in results)
    delays = [max(result["delays_us"][i] for result in results) for i in range(3)]
    return (servers.cpu_ns() - before) / messages, delays


# --- memory of the kernel ---

def slab_bytes():
    """The memory in the kernel's caches of sockets, or None if the system does not tell."""
    try:
        with open("/proc/slabinfo") as file:
            words = [line.split() for line in file]
    except OSError:
        return None
    return sum(int(w[1]) * int(w[3]) for w in words if w[0] in CACHES)


def socket_buffers():
    """The bytes in the buffers of all TCP sockets of the machine. Idle sockets have none."""
    with open("/proc/net/sockstat") as file:
        words = next(line for line in file if line.startswith("TCP:")).split()
    return int(words[words.index("mem") + 1]) * resource.getpagesize()


def kernel_bytes(before, connections):
    """The cost of one end of a connection, as text."""
    now = slab_bytes()
    if now is None or before is None or connections < ENOUGH:
        return "-"
    return "%.0f" % ((now - before) / connections / 2)


# --- the table ---

def warm_up(servers):
    """One exchange in each process, so that code and shared memory do not count for a connection."""
    count = len(servers.processes)
    with contextlib.ExitStack() as stack:
        run(servers, connect(stack, servers, 1 if count == 1 else 16 * count), 1)


def measure(connections, processes):
    with contextlib.ExitStack() as stack:
        servers = Servers(stack, processes)
        empty = servers.descriptors()
        warm_up(servers)
        wait_until(lambda: servers.descriptors() == empty, "connections are left")
        before, slab = servers.resident(), slab_bytes()
        loads = connect(stack, servers, connections)
        idle = servers.resident()
        spread = [now - then for now, then in zip(servers.descriptors(), empty)]
        runs = [run(servers, loads, connections) for _ in range(RUNS)]
        return {"spread": spread, "idle": (idle - before) / connections,
                "after": (servers.resident() - before) / connections,
                "kernel": kernel_bytes(slab, connections), "buffers": socket_buffers() / 1024,
                "cpu": [cpu for cpu, _ in runs],
                "delays": [statistics.median(delays[i] for _, delays in runs) / 1000 for i in range(3)]}


def reason_to_skip(connections, processes):
    return lack_of_descriptors(max(connections // processes, min(connections, FOR_A_LOAD)) + SPARE)


HEAD = """
Connections with a message of %d B each a second, all limits and timeouts on; %d runs of %d s
Ratios are to the first row. The kernel's bytes are those of one end of two; its buffers are the whole machine's.
Delays are from when a message was due, by a load that wakes once in a millisecond.
connec-  pro-  resident B for each   kernel's  buffers   CPU ns for a message         delay in ms
 tions cesses  idle   after  ratio  B for each  in KiB  median  least   most ratio  median     p99    most  each process"""


def row(connections, processes, r, first):
    cpu = statistics.median(r["cpu"])
    return "%6d%7d%6.0f%8.0f%7.2f%12s%8.0f%8.0f%7.0f%7.0f%6.2f%8.2f%8.2f%8.2f  %s" % (
        connections, processes, r["idle"], r["after"], r["after"] / first["after"],
        r["kernel"], r["buffers"], cpu, min(r["cpu"]), max(r["cpu"]), cpu / statistics.median(first["cpu"]), *r["delays"],
        "+".join(str(n) for n in r["spread"]))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("size.py: terminated"))
    raise_descriptors()
    first = None
    print(HEAD % (SIZE, RUNS, SECONDS), flush=True)
    for connections, processes in ROWS:
        skipped = reason_to_skip(connections, processes)
        if skipped:
            print("%7d%4d  %s" % (connections, processes, skipped))
            continue
        r = measure(connections, processes)
        first = first or r
        print(row(connections, processes, r, first), flush=True)
        if r["after"] > FLAT * first["after"]:
            raise Failure("a connection takes more memory when there are more")


try:
    main()
except Failure as failure:
    sys.exit("FAILED: %s" % failure)
