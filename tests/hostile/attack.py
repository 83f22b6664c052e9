"""Hostile clients: attack.py PORT kinds GENERATIONS SECONDS | flood ADDRESSES SECONDS | torrent SECONDS.
SPDX-License-Identifier: BSD-3-Clause

    kinds    some of each kind below, and again every SECONDS, until the end of input
    flood    silent connections, as many as this machine can make, from ADDRESSES addresses
    torrent  lines without a pause, whose answers are read and counted

The result says how many connections there were.
"""
import errno
import heapq
import json
import resource
import select
import socket
import struct
import sys
import time

EACH = 15  # clients of each kind in a generation
WAIT = 6  # seconds that a flood waits for its last connections to be ended
TCP_REPAIR = 19


def connect(port, address, receive_buffer=0):
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.bind((address, 0))
    s.connect(("127.0.0.1", port))
    s.setblocking(False)
    return s


def can_vanish():
    """Otherwise these clients would only be silent."""
    with socket.socket() as s:
        try:
            s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except OSError:
            return False
    return True


# --- kinds: each sends, and gives the seconds until it goes on ---

def slowloris(s):
    while True:
        s.send(b"x")
        yield 1


def dribbling(s):
    """An upload after a login."""
    s.send(b"login\r\n")
    while True:
        s.send(b"xxxx")
        yield 0.2


def stuck(s):
    """Sends lines and never reads the answers."""
    for _ in range(40):
        s.send(b"x" * 5000 + b"\r\n")
        yield 0.01


def greedy(s):
    """Asks for an endless feed and never reads it."""
    s.send(b"feed\r\n")
    yield 0


def leaving(s):
    """Never reads the last answer."""
    s.send(b"big x\r\n" * 3 + b"bye\r\n")
    yield 0


def endless(s):
    while True:
        s.send(b"x" * 3000)
        yield 0.01


def silent(s):
    yield 0


def resetting(s):
    """Stops in the middle of a message."""
    s.send(b"a line\r\nand the beginning of")
    yield 0.1
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def vanishing(s):
    """Half-open: this side is gone without telling the server."""
    s.send(b"a line\r\n")
    yield 0.2
    if can_vanish():
        s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        s.close()


KINDS = (slowloris, dribbling, stuck, greedy, leaving, endless, silent, resetting, vanishing)


class Kinds:
    def __init__(self, port):
        self.port = port
        self.begun = {kind.__name__: 0 for kind in KINDS}
        self.sockets = []
        self.due = []  # (when, number, script)

    def begin(self, number, kind):
        s = connect(self.port, "127.2.%d.1" % number, 4096 if kind in (stuck, greedy, leaving) else 0)
        self.sockets.append(s)
        self.begun[kind.__name__] += 1
        heapq.heappush(self.due, (time.monotonic(), len(self.sockets), kind(s)))

    def proceed(self):
        """Runs the scripts that are due. A script whose connection has ended gets an error, or a full socket, and
        stops."""
        now = time.monotonic()
        while self.due and self.due[0][0] <= now:
            _, number, script = heapq.heappop(self.due)
            try:
                heapq.heappush(self.due, (now + next(script), number, script))
            except (StopIteration, OSError):
                pass

    def run(self, generations, seconds):
        if not can_vanish():
            print("TCP_REPAIR is not permitted: half-open peers are only silent", file=sys.stderr)
        began = time.monotonic()
        while not select.select([sys.stdin], [], [], 0.005)[0]:
            if generations and time.monotonic() >= began:
                for number, kind in enumerate(KINDS * EACH):
                    self.begin(number % len(KINDS), kind)
                generations -= 1
                began += seconds
            self.proceed()
        for s in self.sockets:
            s.close()
        return self.begun


# --- the flood ---

class Flood:
    def __init__(self, port, addresses):
        self.port = port
        self.addresses = addresses
        self.open = {}
        self.poll = select.epoll()
        self.counts = {"connected": 0, "turned_away": 0, "held": 0, "failed": 0}
        self.most = addresses * 50 + 1000  # further connections would only wait to be accepted

    def connect(self):
        s = socket.socket()
        s.setblocking(False)
        s.bind(("127.3.0.%d" % (1 + self.counts["connected"] % self.addresses), 0))
        self.counts["connected"] += 1
        if s.connect_ex(("127.0.0.1", self.port)) not in (0, errno.EINPROGRESS):
            self.counts["failed"] += 1
            return
        self.open[s.fileno()] = s
        self.poll.register(s, select.EPOLLIN)

    def look(self, seconds):
        """A client whose connection is over was told so, or was held until its time ran out."""
        for fd, _ in self.poll.poll(seconds):
            s = self.open.pop(fd)
            try:
                kind = "turned_away" if s.recv(16) == b"busy\r\n" else "held"
            except OSError:
                kind = "failed"
            self.counts[kind] += 1
            s.close()

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(16 if len(self.open) < self.most else 0):
                self.connect()
            self.look(0 if len(self.open) < self.most else 0.001)
        last = time.monotonic() + WAIT
        while self.open and time.monotonic() < last:
            self.look(0.1)
        return {**self.counts, "left": len(self.open), "rate": self.counts["connected"] / seconds}


# --- the torrent ---

def torrent(port, seconds):
    s = connect(port, "127.4.0.1")
    s.settimeout(WAIT)
    block = b"torrent\r\n" * 1000
    sent = received = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        s.sendall(block)
        sent += 1000
        while received < sent - 3000:
            received += s.recv(65536).count(b"\n")
    s.sendall(b"bye\r\n")
    tail = b""
    while data := s.recv(65536):
        received += data.count(b"\n")
        tail = (tail + data)[-40:]
    if received != sent + 1 or not tail.endswith(b"%d bye\r\n" % received):
        sys.exit("torrent: %d answers for %d lines, and at the end %r" % (received, sent + 1, tail))
    return {"lines": received}


def main(port, what, *arguments):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if what == "kinds":
        result = Kinds(port).run(*arguments)
    elif what == "flood":
        result = Flood(port, arguments[0]).run(arguments[1])
    else:
        result = torrent(port, *arguments)
    print(json.dumps(result))


main(int(sys.argv[1]), sys.argv[2], *[int(argument) for argument in sys.argv[3:]])
