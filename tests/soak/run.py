#!/usr/bin/env python3
"""Random clients against soak_server: run.py SOAK_SERVER SECONDS [SEED [CERTIFICATE KEY]]. With a certificate, all speak
TLS. SPDX-License-Identifier: BSD-3-Clause

The time is cut into rounds. After each round all clients are gone. Then the server must have the same descriptors, heap
and resident memory as after the first round. Clients that are served to the end check every answer, and their lines are
counted on both sides.
"""
import os
import random
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

CLIENTS = 12
ROUNDS = 6
LIMIT = 65536  # the server's message limit
LINGER = 2.0  # the server's linger time
STUCK = 2.5 * LINGER
SPARES = 4  # how many message buffers the library keeps for the next connections
HEAP_ROOM = 16384  # how much the heap may exceed that after the first round: libevent's tables
RESIDENT_ROOM = 1 << 18


class Wrong(Exception):
    pass


class Conversation:
    """A connection, and the answers expected on it."""

    def __init__(self, soak, rng, receive_buffer=0):
        self.soak, self.rng = soak, rng
        family, address = rng.choice(soak.addresses)
        self.socket = socket.socket(family)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect(address)
        if soak.context:
            self.socket = soak.context.wrap_socket(self.socket, server_hostname="localhost")
        self.lines = 0
        self.expected = bytearray()

    def line(self, mark, size):
        text = mark + b"%x" % self.rng.getrandbits(64) + self.rng.choice((b"", b"\r", b"\n", b"\r\r")) + b"x" * size
        return self.expect(text)

    def expect(self, text):
        self.lines += 1
        self.expected += b"%d %s\r\n" % (self.lines, text)
        return text + b"\r\n"

    def some_lines(self, mark=b"+"):
        rng = self.rng
        sizes = [rng.choice((0, 10, 200, 3000)) for _ in range(rng.randrange(1, 40))] + [rng.randrange(LIMIT - 40)]
        return b"".join(self.line(mark, size) for size in rng.sample(sizes, len(sizes)))

    def check(self, size=65536, pause=0.0):
        """Everything expected comes, and nothing else."""
        while self.expected:
            data = self.socket.recv(min(size, len(self.expected)))
            if not data or not self.expected.startswith(data):
                raise Wrong("%r came, and not %r" % (data[:60], bytes(self.expected[:60])))
            del self.expected[:len(data)]
            time.sleep(pause)

    def check_end(self):
        data = self.socket.recv(100)
        if data:
            raise Wrong("%r came after the end" % data)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# --- kinds of clients ---

def pipelining(soak, rng):
    c = Conversation(soak, rng)
    for _ in range(rng.randrange(1, 4)):
        c.socket.sendall(c.some_lines())
        c.check()
    c.socket.sendall(c.expect(b"bye"))
    c.check()
    c.check_end()
    return c


def dribbling(soak, rng):
    c = Conversation(soak, rng)
    data = b"".join(c.line(b"+", rng.randrange(40)) for _ in range(3)) + c.expect(b"bye")
    while data:
        size = rng.choice((1, 1, 1, 2, 7))
        c.socket.sendall(data[:size])
        data = data[size:]
        time.sleep(rng.choice((0, 0.001, 0.003)))
    c.check()
    c.check_end()
    return c


def slow(soak, rng):
    c = Conversation(soak, rng, receive_buffer=4096)
    c.socket.sendall(c.some_lines() + c.some_lines() + c.expect(b"bye"))
    c.check(4096, 0.01)
    c.check_end()
    return c


def half_closing(soak, rng):
    c = Conversation(soak, rng)
    c.socket.sendall(c.some_lines() + rng.choice((b"", b"\r", b"cut off")))
    socket.socket.shutdown(c.socket, socket.SHUT_WR)  # TLS, if any, goes on in the other direction
    c.check()
    c.check_end()
    return c


def huge(soak, rng):
    c = Conversation(soak, rng)
    c.socket.sendall(c.some_lines() + b"h" * (LIMIT + 1))
    time.sleep(rng.choice((0, 0.01)))  # in the middle of it
    c.socket.sendall(b"h" * rng.randrange(10 * LIMIT) + b"\r\nnothing\r\n")
    c.expected += b"too long\r\n"
    c.check()
    c.check_end()
    return c


def stuck(soak, rng):
    c = Conversation(soak, rng, receive_buffer=4096)
    c.socket.sendall(b"".join(c.line(b"+", 30000) for _ in range(40)) + c.expect(b"bye"))
    time.sleep(STUCK)
    return c


def resetting(soak, rng):
    c = Conversation(soak, rng)
    c.socket.sendall(c.some_lines(b"-")[:rng.randrange(1, 20000)])
    time.sleep(rng.choice((0, 0, 0.002)))
    c.reset()
    return c


def vanishing(soak, rng):
    c = Conversation(soak, rng)
    c.socket.sendall(c.some_lines(b"-")[:rng.randrange(0, 20000)])
    time.sleep(rng.choice((0, 0, 0.002)))
    return c


def silent(soak, rng):
    c = Conversation(soak, rng)
    time.sleep(rng.random() / 10)
    return c


KINDS = {pipelining: 8, dribbling: 4, slow: 2, half_closing: 6, huge: 4, stuck: 0.2, resetting: 6, vanishing: 6,
         silent: 2}
TOLD = (pipelining, dribbling, slow, half_closing, huge, stuck)
BYES = (pipelining, dribbling, slow, stuck)


class Soak:
    def __init__(self, program, folder, tls):
        self.context = ssl.create_default_context(cafile=tls[0]) if tls else None
        path = os.path.join(folder, "socket")
        # Without a cache for each thread, malloc counts the memory in use exactly.
        environment = dict(os.environ, GLIBC_TUNABLES="glibc.malloc.tcache_count=0")
        self.server = subprocess.Popen([program, path, *tls], stdout=subprocess.PIPE, text=True, env=environment)
        port = int(self.server.stdout.readline())
        self.addresses = [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_UNIX, path)]
        self.lock = threading.Lock()
        self.told = 0
        self.done = {kind: 0 for kind in KINDS}
        self.wrong = []

    def counts(self):
        self.server.send_signal(10)
        words = self.server.stdout.readline().split()
        counts = dict(zip(words[::2], map(int, words[1::2])))
        with open("/proc/%d/status" % self.server.pid) as file:
            counts["resident"] = int(re.search(r"VmRSS:\s*(\d+)", file.read()).group(1)) * 1024
        return counts

    def converse(self, rng, left):
        kind = rng.choices(list(KINDS), KINDS.values())[0]
        if kind is stuck and left < STUCK:
            kind = silent
        c = kind(self, rng)
        c.socket.close()
        with self.lock:
            self.done[kind] += 1
            self.told += c.lines - (kind in BYES) if kind in TOLD else 0

    def client(self, rng, end):
        try:
            while time.monotonic() < end and not self.wrong:
                self.converse(rng, end - time.monotonic())
                time.sleep(rng.random() / 25)
        except (Wrong, OSError) as error:
            frame = error.__traceback__
            while frame.tb_next:
                frame = frame.tb_next
            self.wrong.append("%s: line %d: %s" % (type(error).__name__, frame.tb_lineno, error))

    def settle(self):
        """Makes all the memory that the library keeps for messages as large as a message may be."""
        rng = random.Random(0)
        conversations = [Conversation(self, rng) for _ in range(SPARES)]
        lines = [c.line(b"-", LIMIT - 60) for c in conversations]
        for c, line in zip(conversations, lines):
            c.socket.sendall(line[:-1])
        time.sleep(0.2)
        for c, line in zip(conversations, lines):
            c.socket.sendall(line[-1:])
            c.check()
        for c in conversations:
            c.socket.close()

    def round(self, seed, seconds):
        """The counts of the server when all clients are gone."""
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self.client, args=(random.Random("%d.%d" % (seed, i)), end))
                   for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not self.wrong:
            self.settle()
        until = time.monotonic() + 5 * LINGER
        counts = self.counts()
        while counts["open"] and time.monotonic() < until:
            time.sleep(0.1)
            counts = self.counts()
        return counts

    def compare(self, what, have, bound):
        if not have <= bound:
            self.wrong.append("%s: %d, and not %d at most" % (what, have, bound))

    def same(self, what, have, expected):
        if have != expected:
            self.wrong.append("%s: %d, and not %d" % (what, have, expected))

    def check_round(self, begin, now):
        self.same("channels left", now["open"], 0)
        self.same("descriptors", now["descriptors"], begin["descriptors"])
        self.same("lines", now["told"], self.told)
        self.same("against the manual", now["wrong"], 0)
        self.same("too long", now["too_long"], self.done[huge])
        self.same("timed out", now["timed_out"], self.done[stuck])

    def check_memory(self, first, last):
        self.compare("heap", last["heap"], first["heap"] + HEAP_ROOM)
        self.compare("resident memory", last["resident"], first["resident"] + RESIDENT_ROOM)
        print("heap %d to %d bytes, resident %d to %d KiB" % (first["heap"], last["heap"], first["resident"] // 1024,
                                                             last["resident"] // 1024))

    def stop(self):
        self.server.send_signal(15)
        try:
            self.same("the server's exit status", self.server.wait(10), 0)
        except subprocess.TimeoutExpired:
            self.wrong.append("the server does not end: something is left in its loop")
            self.server.kill()


def main(program, seconds, seed, *tls):
    print("seed", seed, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(program, folder, tls)
        try:
            begin = soak.counts()
            rounds = []
            while len(rounds) < ROUNDS and not soak.wrong:
                rounds.append(soak.round(seed * ROUNDS + len(rounds), seconds / ROUNDS))
                soak.check_round(begin, rounds[-1])
            soak.check_memory(rounds[0], rounds[-1])
        finally:
            soak.stop()
    print(", ".join("%d %s" % (count, kind.__name__) for kind, count in soak.done.items()))
    print(", ".join("%s %d" % pair for pair in rounds[-1].items() if pair[0] not in ("heap", "resident")))
    for text in soak.wrong:
        print("FAILED:", text)
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else random.randrange(1 << 30),
                  *sys.argv[4:]))
