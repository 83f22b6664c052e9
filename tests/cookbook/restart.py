#!/usr/bin/env python3
"""The recipe for restarts: restart.py PROGRAM

Clients connect, ask and leave while the server is replaced again and again. None of them is refused, each gets its
answers, and in the end nobody is left. SPDX-License-Identifier: BSD-3-Clause"""
import os
import signal
import socket
import subprocess
import sys
import threading
import time

TIMES = 20
LIMIT = 30  # seconds for one step
ANSWERS = b"220 hello\r\n250 3 bytes\r\n221 bye\r\n"


def connect(name):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(LIMIT)
    peer.connect("\0" + name)
    return peer


def listens(name):
    try:
        connect(name).close()
    except ConnectionRefusedError:
        return False
    return True


def finish(peer, said):
    peer.sendall(b"abc\r\nQUIT\r\n")
    said += b"".join(iter(lambda: peer.recv(100), b""))
    if said != ANSWERS:
        raise AssertionError(f"a client got {said!r}")


class Client(threading.Thread):
    def __init__(self, name):
        super().__init__(daemon=True)
        self.address, self.count, self.problem, self.stopped = name, 0, None, False

    def run(self):
        try:
            while not self.stopped:
                with connect(self.address) as peer:
                    finish(peer, b"")
                self.count += 1
        except (AssertionError, OSError) as problem:
            self.problem = problem

    def more(self):
        """Waits for another conversation, all of it from now on."""
        until = self.count + 2
        while self.count < until and not self.problem:
            time.sleep(0.001)
        if self.problem:
            raise self.problem


def expect(line, *words):
    said = line.split()
    if said[:len(words)] != list(words):
        raise AssertionError(f"expected {' '.join(words)}, got {line!r}")
    return said[-1]


def begin(name, program):
    server = subprocess.Popen([program, "unix:@" + name], stdout=subprocess.PIPE, text=True)
    version = expect(server.stdout.readline(), "begins")
    while not listens(name):
        time.sleep(0.001)
    return server, int(version)


def restart(server, version, clients, name):
    """One more client is in the middle of its conversation meanwhile."""
    with connect(name) as peer:
        said = peer.recv(11, socket.MSG_WAITALL)
        os.kill(version, signal.SIGHUP)
        after = expect(server.stdout.readline(), "begins")
        for client in clients:
            client.more()
        finish(peer, said)
    expect(server.stdout.readline(), "ends", str(version), "0")
    return int(after)


def main(program, name):
    server, version = begin(name, program)
    clients = [Client(name) for _ in range(3)]
    try:
        for client in clients:
            client.start()
        for _ in range(TIMES):
            version = restart(server, version, clients, name)
        for client in clients:
            client.more()
            client.stopped = True
            client.join(LIMIT)
    finally:
        os.kill(version, signal.SIGTERM)
    expect(server.stdout.readline(), "ends", str(version), "0")
    if server.stdout.read() or server.wait(LIMIT) != 0 or listens(name):
        raise AssertionError("something is left")
    print(f"{TIMES} restarts, {sum(client.count for client in clients)} conversations")


signal.alarm(100)
main(sys.argv[1], f"asynchat-restart-{os.getpid()}")
