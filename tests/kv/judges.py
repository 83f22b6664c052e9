#!/usr/bin/env python3
"""Clients of redis-server, as they come, with kv: each must see there what it sees with redis-server.

usage: judges.py KV REDIS NAME=COMMAND...    COMMAND is a client's program with its arguments; the port follows

KV and REDIS are as in compare.py. A client says in lines what it gets. A line of one word asks for something, and is
answered with an empty line when it is done: "stop" and "kill" end the server, "start" starts it on the same port.
Its last line is "done". All that a client says must be the same with both servers.
SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import difflib
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from compare import TIMEOUT, Wrong, expect

CLIENT_TIMEOUT = 60  # seconds; reached only when something hangs
LEAST = 40           # lines of a client; fewer prove little


def free_port():
    """Below the ports that the system gives to clients: one that comes back may not connect to itself."""
    while True:
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", random.randrange(20000, 32000)))
            return s.getsockname()[1]


class Server:
    """kv or redis-server, on one port, any number of times."""

    def __init__(self, program, options):
        self.port, self.program = free_port(), program
        self.command = [*options, "--port", str(self.port)]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, executable=self.program, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(TIMEOUT * 100):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise Wrong(f"{self.command} does not start")

    def end(self, number, status):
        self.process.send_signal(number)
        expect((self.process.communicate(timeout=TIMEOUT)[1], self.process.returncode), (b"", status))
        self.process = None

    def stop(self):
        self.end(signal.SIGTERM, 0)

    def kill(self):
        self.end(signal.SIGKILL, -signal.SIGKILL)


@contextlib.contextmanager
def running(program, options):
    server = Server(program, options)
    try:
        server.start()
        yield server
        if server.process:
            server.stop()
    finally:
        if server.process:
            server.process.kill()
            server.process.communicate()


def said_to(server, command):
    """What a client says to this server, with names for what differs."""
    said = []
    with subprocess.Popen([*command, str(server.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="backslashreplace") as client:
        limit = threading.Timer(CLIENT_TIMEOUT, client.kill)
        limit.start()
        for line in client.stdout:
            line = re.sub(rf"\b{server.port}\b", "PORT", line.rstrip("\n"))
            said.append(line)
            if line in ("stop", "kill", "start"):
                getattr(server, line)()
                client.stdin.write("\n")
                client.stdin.flush()
        status = client.wait()
        limit.cancel()
    said.append(f"exit status {status}")
    return said


def judge(kv, redis, name, command):
    """How many lines both servers got said, and whether these are the same and complete."""
    with tempfile.TemporaryDirectory() as folder:
        redis_options = ["redis-server", "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"]
        with running(redis, redis_options) as server:
            wanted = said_to(server, command)
    with running(kv, ["kv"]) as server:
        got = said_to(server, command)
    complete = wanted[-2:] == ["done", "exit status 0"] and len(wanted) >= LEAST
    if os.environ.get("KV_SHOW"):
        print("\n".join(wanted))
    for line in difflib.unified_diff(wanted, got, "redis-server", "kv", n=0, lineterm=""):
        print(f"{name}: {line:.400}")
    if not complete:
        print(f"{name}: it is not complete with redis-server:", *wanted[-3:], sep="\n")
    return len(wanted), complete and got == wanted


def main(kv, redis, *clients):
    good = True
    for client in clients:
        name, _, command = client.partition("=")
        begin = time.monotonic()
        lines, same = judge(os.path.abspath(kv), redis, name, shlex.split(command))
        print(f"{name}: {lines} lines, {'the same' if same else 'NOT the same'} as with redis-server ({time.monotonic() - begin:.1f} s)")
        good = good and same
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except Wrong as wrong:
        sys.exit(f"judges.py: {wrong}")
