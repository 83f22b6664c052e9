"""Starts servers and loads, each on a core of its own, gives them work, and ends them again: for measure.py.

SPDX-License-Identifier: BSD-3-Clause
"""
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time

LIBC = ctypes.CDLL(None)
CORES = sorted(os.sched_getaffinity(0))
PR_SET_PDEATHSIG = 1
SLICE = 0.2  # seconds of work
SETTLE = SLICE / 4  # from a slice of at least this length the amount of work is computed


class Failure(Exception):
    """A server or a load did not do what it should."""


def start(command, core, **options):
    """Runs a command on one core. It is killed when this program is, however that ends."""

    def prepare():
        os.sched_setaffinity(0, {core})
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    return subprocess.Popen(command, preexec_fn=prepare, **options)


def end(process):
    process.kill()
    process.wait()


def cpu_ns(process):
    """The CPU time of a process, of all its threads, in nanoseconds."""
    total = 0
    for task in os.listdir("/proc/%d/task" % process.pid):
        with open("/proc/%d/task/%s/schedstat" % (process.pid, task)) as file:
            total += int(file.read().split()[0])
    return total


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def resident_bytes(process):
    with open("/proc/%d/smaps_rollup" % process.pid) as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Rss:"))


def raise_descriptors():
    """As many descriptors as the hard limit permits, for this program and what it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def lack_of_descriptors(needed):
    """Why what needs so many descriptors in a process is skipped, or None."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < needed:
        return "skipped: it takes %d descriptors, and the hard limit is %d" % (needed, hard)
    return None


class Server:
    """A peer that listens."""

    def __init__(self, name, command, mode, files=()):
        self.name = name
        self.port = free_port()
        self.process = start(command + [mode, str(self.port), *files], CORES[0], stdin=subprocess.DEVNULL)
        try:
            self.wait_until_it_listens()
        except BaseException:
            self.close()
            raise

    def wait_until_it_listens(self):
        for _ in range(1000):
            if self.process.poll() is not None:
                raise Failure("%s: the server ended with status %d" % (self.name, self.process.returncode))
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.01)
        raise Failure("%s: the server does not listen" % self.name)

    def resident_bytes(self):
        return resident_bytes(self.process)

    def close(self):
        end(self.process)


class Load:
    """A load that is connected to a server."""

    def __init__(self, program, server, arguments):
        self.server = server
        command = [program, str(server.port), str(server.process.pid)] + [str(a) for a in arguments]
        self.process = start(command, CORES[-1], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def begin(self, work):
        """Gives the load some work."""
        try:
            self.process.stdin.write("%d\n" % work)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # finish() reports the reason

    def finish(self):
        """Returns the measurements when the work is done."""
        said = self.process.stdout.readline().split()
        if not said:
            self.fail()
        count, cpu, seconds, *delays = [float(word) for word in said]
        return {"count": count, "cpu_ns": cpu, "seconds": seconds, "delays_us": delays}

    def slice(self, work):
        self.begin(work)
        return self.finish()

    def fail(self):
        why = self.process.stderr.read().strip() or "load: ended with status %s" % self.process.wait()
        time.sleep(0.1)  # a server that is dying
        status = self.server.process.poll()
        died = "" if status is None else " (the server ended with status %d)" % status
        raise Failure("%s: %s%s" % (self.server.name, why, died))

    def close(self):
        end(self.process)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


# --- slices of work ---

def calibrate(load, least):
    """Finds how much work takes SLICE. Before anything is timed, answers are checked and everything is warm."""
    work = least
    while True:
        seconds = load.slice(work)["seconds"]
        if seconds > SETTLE:
            return max(least, int(work * SLICE / seconds))
        work *= 4


def in_turns(names, number):
    """Each round begins with another peer."""
    first = number % len(names)
    return names[first:] + names[:first]
