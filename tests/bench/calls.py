"""Counts the system calls of a server: for tls.py and uring.py. SPDX-License-Identifier: BSD-3-Clause"""
import re
import signal
import subprocess
import tempfile
import time

from running import CORES, Failure, start


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


def count_at_speed(server, load, work):
    """How many system calls the server makes for some work, by perf, which hardly slows it; or None if there is no perf,
    or if it may not count them."""
    with tempfile.NamedTemporaryFile("r") as out:
        command = ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-o", out.name, "-p", str(server.process.pid)]
        try:
            counter = start(command, CORES[0], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            return None
        try:
            time.sleep(1)  # until it counts; the server has nothing to do
            load.slice(work)
            counter.send_signal(signal.SIGINT)
            counter.wait(20)
        finally:
            counter.kill()
            counter.wait()
        found = re.search(r"^(\d+),", out.read(), re.M)
        return int(found[1]) if found else None
