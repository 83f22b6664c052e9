"""Honest clients: honest.py PORT. SPDX-License-Identifier: BSD-3-Clause

CLIENTS clients stay, and exchange messages one after the other, or all at once. Visitors come, send some lines, and
leave. Every answer is compared: it has its number in the connection, and a text that nobody else has sent.

A line of input is the name of the next phase, with "-" at its end if no visitors come. The name is printed when the
phase has begun. At the end of input all clients leave, and the result is printed: what was done, and the times of
single exchanges in each phase, in milliseconds.
"""
import json
import random
import select
import socket
import statistics
import sys
import time

CLIENTS = 20
TIMEOUT = 20
PAUSE = 0.001


class Client:
    """A connection, and the bytes expected on it."""

    def __init__(self, port, number, rng):
        self.rng = rng
        self.number = number
        self.lines = 0
        self.expected = b""
        self.socket = socket.socket()
        self.socket.settimeout(TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.bind(("127.1.0.%d" % (1 + number % 200), 0))
        self.socket.connect(("127.0.0.1", port))

    def send(self, *texts):
        data = b""
        for text in texts:
            self.lines += 1
            self.expected += b"%d %s\r\n" % (self.lines, text)
            data += text + b"\r\n"
        self.socket.sendall(data)

    def text(self):
        return b"%d.%x" % (self.number, self.rng.getrandbits(64)) + b"." * self.rng.choice((0, 10, 100, 3000))

    def receive(self):
        while self.expected:
            data = self.socket.recv(len(self.expected))
            if not data or not self.expected.startswith(data):
                sys.exit("honest: %r came, and not %r" % (data[:60], self.expected[:60]))
            self.expected = self.expected[len(data):]

    def leave(self):
        self.send(b"bye")
        self.receive()
        if self.socket.recv(1):
            sys.exit("honest: more came than was asked for")
        self.socket.close()


class Honest:
    def __init__(self, port):
        self.port = port
        self.rng = random.Random(1)
        self.clients = [Client(port, number, self.rng) for number in range(CLIENTS)]
        self.visits = 0
        self.exchanges = 0
        self.times = {}

    def exchange(self, client, phase):
        began = time.perf_counter()
        client.send(client.text())
        client.receive()
        self.times.setdefault(phase, []).append((time.perf_counter() - began) * 1000)
        self.exchanges += 1

    def together(self):
        """All clients send, and then all receive."""
        for client in self.clients:
            client.send(*[client.text() for _ in range(5)])
        for client in self.clients:
            client.receive()
            self.exchanges += 5

    def visit(self):
        visitor = Client(self.port, CLIENTS + self.visits, self.rng)
        visitor.send(visitor.text(), visitor.text())
        visitor.leave()
        self.visits += 1

    def round(self, phase):
        for client in self.clients:
            self.exchange(client, phase)
            time.sleep(PAUSE)
        self.together()
        if not phase.endswith("-"):
            self.visit()

    def result(self):
        times = {phase: {"median": statistics.median(ms), "p99": sorted(ms)[len(ms) * 99 // 100], "most": max(ms),
                         "count": len(ms)} for phase, ms in self.times.items()}
        return {"connections": CLIENTS + self.visits, "exchanges": self.exchanges, "visits": self.visits,
                "times": times}


def next_phase():
    phase = sys.stdin.readline().strip()
    if phase:
        print(phase, flush=True)
    return phase


def main(port):
    honest = Honest(port)
    phase = next_phase()
    while phase:
        honest.round(phase)
        if select.select([sys.stdin], [], [], 0)[0]:
            phase = next_phase()
    for client in honest.clients:
        client.leave()
    print(json.dumps(honest.result()))


main(int(sys.argv[1]))
