#!/usr/bin/env python3
"""Random conversations of the library with CPython's own asynchat, over TCP. Each side must receive what the other
sent.

usage: live.py CONVERSE [SEED [COUNT]]

Needs a Python that still has asynchat (3.11 or older). The scripts are described in README.md.
"""
import random
import socket
import subprocess
import sys
import time
import warnings

warnings.simplefilter("ignore")
import asynchat
import asyncore

SECONDS = 30  # reached only when something hangs


class Side(asynchat.async_chat):
    """Runs a script until it waits for a message, and goes on when the message has come."""

    def __init__(self, script, sock=None):
        super().__init__(sock)
        self.rest, self.heard, self.report, self.status = iter(script), [], [], -10001
        if sock:
            self.go_on()

    def handle_connect(self):
        self.go_on()

    def collect_incoming_data(self, data):
        self.heard.append(data)

    def report_heard(self, what):
        self.report.append(what + " " + b"".join(self.heard).hex())
        self.heard = []

    def found_terminator(self):
        self.report_heard("message")
        self.go_on()

    def handle_close(self):
        self.report_heard("rest")
        self.report.append("closed %d" % self.status)
        self.close()

    def handle_error(self):
        raise

    def go_on(self):
        for line in self.rest:
            words = line.split(" ")
            if words[0] == "term":
                self.set_terminator(terminator(words[1:]))
                return
            if words[0] == "push":
                self.push(bytes.fromhex(words[1]))
            elif words[0] == "simple":
                self.push_with_producer(asynchat.simple_producer(bytes.fromhex(words[2]), int(words[1])))
            elif words[0] == "cwd":
                self.status = 0
                self.close_when_done()


def terminator(words):
    if words[0] == "none":
        return None
    return int(words[1]) if words[0] == "num" else bytes.fromhex(words[1])


# --- what is said ---

def word(rng, low, high):
    return bytes(rng.choice(b"ab\r\n") for _ in range(rng.randint(low, high)))


def message(rng):
    """Returns the terminator, the message, and the bytes that are sent."""
    if rng.random() < 0.4:
        body = word(rng, 1, rng.choice([1, 5, 100, 20000]))
        return "num %d" % len(body), body, body
    end = b"\r\n" if rng.random() < 0.3 else word(rng, 1, rng.choice([1, 2, 3, 6, 40]))
    body = word(rng, 0, rng.choice([1, 5, 50, 3000]))
    sent = body + end
    body = sent[:sent.index(end)]
    return "str " + end.hex(), body, body + end


def pieces(rng, sent):
    """The lines of a script that push a message."""
    lines = []
    while sent:
        size = rng.choice([1, 2, 7, 300, 70000])
        kind = "push" if rng.random() < 0.7 else "simple %d" % rng.choice([1, 5, 512])
        lines.append(kind + " " + sent[:size].hex())
        sent = sent[size:]
    return lines


def interleaved(rng, waits, lines):
    """Puts the waits for messages of the other side at random places among the lines."""
    result = list(lines)
    places = sorted(rng.randint(0, len(lines)) for _ in waits)
    for place, wait in reversed(list(zip(places, waits))):
        result.insert(place, wait)
    return result


def conversation(rng):
    """Two scripts, and the report of each side. The side that speaks last sends a tail without an end, and closes."""
    scripts, reports, waits = ([], []), ([], []), []
    who = rng.randrange(2)
    for _ in range(rng.randint(1, 6)):
        batch = [message(rng) for _ in range(rng.randint(1, 5))]
        scripts[who].extend(interleaved(rng, waits, pieces(rng, b"".join(sent for _, _, sent in batch))))
        reports[1 - who].extend("message " + body.hex() for _, body, _ in batch)
        waits = ["term " + end for end, _, _ in batch]
        who = 1 - who
    tail = word(rng, 0, 2000)
    scripts[who].extend(interleaved(rng, waits, pieces(rng, tail)) + ["cwd"])
    scripts[1 - who].append("term none")
    reports[who].extend(["rest ", "closed 0"])
    reports[1 - who].extend(["rest " + tail.hex(), "closed -10001"])
    return scripts, reports


# --- both sides ---

def loop_until(done):
    end = time.monotonic() + SECONDS
    while not done():
        asyncore.loop(1, count=1)
        if time.monotonic() > end:
            raise SystemExit("it hangs")


def connect(port, scripts):
    """Runs the conversations one after the other."""
    for script in scripts:
        side = Side(script)
        side.create_socket(socket.AF_INET, socket.SOCK_STREAM)
        side.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        side.connect(("127.0.0.1", port))
        loop_until(lambda: not side.connected and side.report)
        yield side.report


class Server(asyncore.dispatcher):
    def __init__(self, scripts):
        super().__init__()
        self.scripts, self.sides = iter(scripts), []
        self.create_socket(socket.AF_INET, socket.SOCK_STREAM)
        self.bind(("127.0.0.1", 0))
        self.listen(5)

    def port(self):
        return str(self.socket.getsockname()[1])

    def handle_accepted(self, sock, address):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sides.append(Side(next(self.scripts), sock))


def serve(server, count):
    loop_until(lambda: len(server.sides) == count and not any(side.connected for side in server.sides))
    server.close()
    return [side.report for side in server.sides]


class Ours(asyncore.file_dispatcher):
    """A process of the library, whose reports are read as they come."""

    def __init__(self, arguments, scripts):
        text = "---\n".join("".join(line + "\n" for line in script) for script in scripts)
        self.process = subprocess.Popen(arguments, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write(text.encode())
        self.process.stdin.close()
        self.port = int(self.process.stdout.readline()) if arguments[2] == "server" else None
        self.output, self.ended = b"", False
        super().__init__(self.process.stdout)

    def writable(self):
        return False

    def handle_read(self):
        self.output += self.recv(65536)

    def handle_close(self):
        self.ended = True
        self.close()

    def reports(self):
        loop_until(lambda: self.ended)
        if self.process.wait() != 0:
            raise SystemExit("converse has failed")
        reports = [report.split("\n") for report in self.output.decode().split("conversation ")[1:]]
        return [lines[1:-1] for lines in sorted(reports, key=lambda lines: int(lines[0]))]


def run(converse, kind, role, conversations):
    """The reports of the library's side and of CPython's side."""
    scripts = [[both[side] for both, _ in conversations] for side in range(2)]
    server = Server(scripts[1]) if role == "client" else None
    ours = Ours([converse, kind, role] + ([server.port()] if server else []), scripts[0])
    try:
        theirs = serve(server, len(conversations)) if server else list(connect(ours.port, scripts[1]))
        return ours.reports(), theirs
    finally:
        ours.process.kill()
        ours.process.wait()


def compare(name, got, wanted):
    if got == wanted:
        return True
    for number, (one, other) in enumerate(zip(got, wanted), 1):
        if one != other:
            print(f"{name}, conversation {number}:\n  {one!r:.300}\n  instead of\n  {other!r:.300}")
    print(f"{name}: {len(got)} conversations of {len(wanted)}")
    return False


def main(converse, seed=None, count=15):
    seed = int(seed) if seed else random.randrange(2**30)
    print(f"seed {seed}", flush=True)
    rng = random.Random(seed)
    good, messages = True, 0
    for kind in ("pieces", "whole"):
        for role in ("server", "client"):
            conversations = [conversation(rng) for _ in range(int(count))]
            wanted = [[reports[side] for _, reports in conversations] for side in range(2)]
            heard = run(converse, kind, role, conversations)
            for side, name in enumerate(("ours", "theirs")):
                good = compare(f"{kind}, {role}, {name}", heard[side], wanted[side]) and good
                messages += sum(len(report) - 2 for report in wanted[side])
    print(f"{4 * int(count)} conversations, {messages} messages")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
