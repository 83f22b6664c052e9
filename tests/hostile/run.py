#!/usr/bin/env python3
"""Hostile clients against hostile_server, beside honest ones: run.py HOSTILE_SERVER [WITHOUT].
SPDX-License-Identifier: BSD-3-Clause

Each of two rounds has three phases. First there are honest clients alone. Then comes the storm: all kinds of hostile
clients, a flood of connections from few addresses, and a torrent of lines, all at once. Then comes the crowd: a flood
from enough addresses to fill the server. Every honest answer is compared. The counts of the server show that each
hostile connection was ended by the limit that is meant for it. When all clients are gone, the server has as many
descriptors as at first, and the same heap as after the first round. With WITHOUT this limit is off, and the run
succeeds if that was noticed.

Times are printed. They decide only one thing: in the median an exchange may take at most SLOWER times as long as
alone. The server and all clients share the cores with each other and with other programs, so a factor of a few is
normal. A larger factor means that honest clients were not served until the hostile ones were done.
"""
import json
import os
import re
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ALONE, STORM, CROWD = 3, 10, 3  # seconds
GENERATIONS, SPACING = 3, 4  # generations of hostile clients in a storm, and seconds between them
WAIT = 12  # seconds within which the server must end connections
SLOWER = 100

# The server's limits, and how many clients of each kind attack.py makes at a time.
MAX_CONNECTIONS, MAX_PER_ADDRESS = 1500, 50
MESSAGE_LIMIT, OUTPUT_LIMIT = 8192, 262144
EACH = 15
FEW, MANY = 10, 40  # addresses of a flood: too few, and enough, to fill the server
OTHERS = 23  # connections beside those of the kinds and of the flood

# The counts of the server, and the kinds of clients that it must have ended with each.
ENDS = {"slow_login": ["slowloris"], "slow_upload": ["dribbling"], "stalled": ["stuck"], "full": ["greedy"],
        "timed_out": ["leaving"], "too_long": ["endless"], "reset": ["resetting"],
        "idle": ["silent", "vanishing", "held"], "turned_away": ["turned_away"], "ended": ["honest", "torrent"]}
KINDS = ["slowloris", "dribbling", "stuck", "greedy", "leaving", "endless", "resetting", "silent", "vanishing"]

# How the test notices that a limit is off.
FINDS = {"message_time": "slow_login", "min_rate": "slow_upload", "write_idle": "stalled", "output_limit": "full",
         "linger": "timed_out", "message_limit": "too_long", "idle": "idle",
         "max_per_address": "most in the storm", "max_connections": "most in the crowd"}

# The library keeps memory for the next messages, and libevent tables.
HEAP_ROOM = 4 * MESSAGE_LIMIT + 16384
# The most memory that may be in use: the queues of clients that do not read, incomplete messages, and the connections
# themselves. Each generation is gone before the next.
MEMORY_ROOM = (3 * EACH * (OUTPUT_LIMIT + 65536) + len(KINDS) * EACH * 2 * MESSAGE_LIMIT + MAX_CONNECTIONS * 4096)


class Failure(Exception):
    pass


class Server:
    def __init__(self, program, without):
        # Without a cache for each thread, malloc counts the memory in use exactly.
        environment = dict(os.environ, GLIBC_TUNABLES="glibc.malloc.tcache_count=0")
        self.process = subprocess.Popen([program, without], stdout=subprocess.PIPE, text=True, env=environment)
        self.port = int(self.process.stdout.readline())
        self.peak = 0

    def counts(self):
        self.process.send_signal(signal.SIGUSR1)
        words = self.process.stdout.readline().split()
        if not words:
            raise Failure("the server has ended")
        counts = dict(zip(words[::2], map(int, words[1::2])))
        self.peak = max(self.peak, counts["peak"])
        return counts

    def resident(self, which):
        with open("/proc/%d/status" % self.process.pid) as file:
            return int(re.search(which + r":\s*(\d+)", file.read()).group(1)) * 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "unknown, for something is left in its loop"


class Clients:
    """A process of honest or hostile clients."""

    def __init__(self, name, port, *arguments):
        words = [str(port)] + [str(a) for a in arguments]
        self.name = " ".join([name] + words[1:2])
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, name + ".py")] + words, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(self, text):
        """Tells the process the phase, and waits until it has begun."""
        try:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        if self.process.stdout.readline() != text + "\n":
            raise Failure(self.name)  # the process has printed the reason

    def result(self):
        self.process.stdin.close()
        said = self.process.stdout.readline()
        if self.process.wait(30):
            raise Failure(self.name)
        return json.loads(said)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Round:
    def __init__(self, server):
        self.server = server
        self.before = server.counts()
        self.clients = []
        self.there = {}  # how many connections of each kind there are
        self.most = {}
        self.wrong = {}

    def start(self, name, *arguments):
        self.clients.append(Clients(name, self.server.port, *arguments))
        return self.clients[-1]

    def add(self, **counts):
        for kind, count in counts.items():
            self.there[kind] = self.there.get(kind, 0) + count

    def expected(self, key):
        return sum(self.there.get(kind, 0) for kind in ENDS[key])

    def gained(self):
        now = self.server.counts()
        return {key: now[key] - self.before[key] for key in ENDS}

    def wait_for(self, *keys):
        """Waits until the server has ended these clients, or long enough. Missing ones are reported at the end."""
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            gained = self.gained()
            if all(gained[key] >= self.expected(key) for key in keys):
                return
            time.sleep(0.2)

    # --- phases ---

    def flood(self, phase, addresses, seconds):
        result = self.start("attack", "flood", addresses, seconds).result()
        self.add(turned_away=result["turned_away"], held=result["held"])
        self.same(phase + ": connections that failed, or were not ended", result["failed"] + result["left"], 0)
        print("%s: a flood of %d connections a second; %d turned away, %d held" % (
            phase, result["rate"], result["turned_away"], result["held"]), flush=True)

    def begin_kinds(self, generations):
        self.add(**{kind: generations * EACH for kind in KINDS})
        return self.start("attack", "kinds", generations, SPACING)

    def end_kinds(self, kinds):
        """Waits until the server has ended them."""
        self.wait_for(*[key for key, whom in ENDS.items() if set(whom) & set(KINDS)])
        for kind, count in kinds.result().items():
            self.same("begun of " + kind, count, self.there[kind])

    def storm(self):
        kinds = self.begin_kinds(GENERATIONS)
        torrent = self.start("attack", "torrent", STORM)
        self.flood("storm", FEW, STORM)
        print("storm: a torrent of %d lines" % torrent.result()["lines"])
        self.add(torrent=1)
        self.honest.say("calm")
        self.end_kinds(kinds)

    def crowd(self):
        self.flood("crowd", MANY, CROWD)
        self.wait_for("idle")

    def phase(self, name, run):
        """The largest number of connections is counted for each phase."""
        self.server.counts()
        self.server.peak = 0
        self.honest.say(name)
        run()
        self.server.counts()
        self.most[name] = self.server.peak

    def run(self):
        self.honest = self.start("honest")
        self.phase("alone", lambda: time.sleep(ALONE))
        self.phase("storm", self.storm)
        self.phase("crowd-", self.crowd)
        result = self.honest.result()
        self.add(honest=result["connections"])
        self.tell_times(result)
        self.wait_for("ended")
        self.check()

    # --- what came of them ---

    def same(self, what, have, expected):
        if have != expected:
            self.wrong[what] = "%d, and not %d" % (have, expected)

    def bound(self, what, have, most):
        if have > most:
            self.wrong[what] = "%.4g, and not %.4g at most" % (have, most)

    def tell_times(self, result):
        print("honest: %d exchanges, %d visits, every answer right" % (result["exchanges"], result["visits"]))
        alone = result["times"]["alone"]["median"]
        for phase, ms in result["times"].items():
            print("  %-8s median %.2f ms, %.1f times as alone; 99 %% %.1f ms, most %.1f ms" % (
                phase.strip("-"), ms["median"], ms["median"] / alone, ms["p99"], ms["most"]))
        self.bound("times as slow in the storm", result["times"]["storm"]["median"] / alone, SLOWER)

    def check(self):
        now, gained = self.server.counts(), self.gained()
        for key in ENDS:
            self.same(key, gained[key], self.expected(key))
        self.bound("most in the storm", self.most["storm"],
                   FEW * MAX_PER_ADDRESS + len(KINDS) * GENERATIONS * EACH + OTHERS)
        self.same("most in the crowd", self.most["crowd-"], MAX_CONNECTIONS)
        self.same("connections left", now["open"], 0)
        self.same("ended by the peer", now["eof"], 0)
        self.same("against the manual", now["wrong"], 0)
        self.same("descriptors", now["descriptors"], self.before["descriptors"])
        print("ended: " + ", ".join("%d %s" % (count, key) for key, count in gained.items()))
        print("connections at most: %d in the storm, %d in the crowd" % (self.most["storm"], self.most["crowd-"]))
        self.heap = now["heap"]

    def end(self):
        for clients in self.clients:
            clients.kill()


class OneLess(Round):
    """A shorter run with a limit off: the checks that must notice it."""

    def __init__(self, server, without):
        super().__init__(server)
        self.without = without

    def run(self):
        self.honest = self.start("honest")
        key = FINDS[self.without]
        if self.without == "max_connections":
            self.phase("crowd-", lambda: self.flood("crowd", MANY, 2))
            found = self.most["crowd-"] > MAX_CONNECTIONS
        elif self.without == "max_per_address":
            self.phase("storm-", lambda: self.flood("storm", FEW, 2))
            found = self.most["storm-"] > FEW * MAX_PER_ADDRESS + OTHERS
        else:
            self.phase("storm", lambda: self.end_kinds(self.begin_kinds(1)))
            found = self.gained()[key] == 0
        self.honest.result()
        print("without %s: %s" % (self.without, "found by " + key if found else "FAILED: not found"))
        if not found:
            self.wrong[key] = "not found"


def run_rounds(server, rounds):
    resident = server.resident("VmRSS")
    for _ in range(2):
        rounds.append(Round(server))
        rounds[-1].run()
    first, last = rounds
    last.bound("heap", last.heap, first.heap + HEAP_ROOM)
    most = server.resident("VmHWM") - resident
    last.bound("resident memory", most, MEMORY_ROOM)
    print("heap after each round: %d and %d bytes; resident memory: %d KiB more at most, of %d allowed" % (
        first.heap, last.heap, most // 1024, MEMORY_ROOM // 1024))


def main(program, without=""):
    global WAIT
    server = Server(program, without)
    rounds = []
    try:
        if without:
            WAIT = 6
            rounds = [OneLess(server, without)]
            rounds[0].run()
        else:
            run_rounds(server, rounds)
    except Failure as failure:
        print("FAILED:", failure)
        return 1
    finally:
        for r in rounds:
            r.end()
        status = server.stop()
    wrong = [pair for r in rounds for pair in r.wrong.items()]
    if status != 0 and not without:  # otherwise some clients would never be ended
        wrong.append(("the server's exit status", status))
    for what, text in wrong:
        print("FAILED: %s: %s" % (what, text))
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
