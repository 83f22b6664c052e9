"""Clients that only shake hands, beside one that has a session: shake.py SERVER [BUDGET]. SERVER is the program shaken.
SPDX-License-Identifier: BSD-3-Clause

A handshake takes a server as long as a hundred exchanges. In each round CROWD clients, which are connected already, send
their ClientHello at once. Counted is how often the honest client gets an answer before the last of them has got one: with
a budget for each pass of the loop many times; without one (a BUDGET of a minute) a few times, and the result says so.
"""
import os
import select
import socket
import ssl
import subprocess
import sys
import tempfile

CROWD = 300
ROUNDS = 5
LEAST = 4  # answers in a round, in the median; 15 to 25 where a handshake takes 0.3 ms


def make_certificate(folder):
    certificate, key = os.path.join(folder, "certificate"), os.path.join(folder, "key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out",
                    certificate], check=True, stderr=subprocess.DEVNULL)
    return certificate, key


def client_hello(context):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def one_round(port, hello, honest):
    """How many answers the honest client gets."""
    crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(CROWD)]
    exchange(honest)  # by now all are accepted
    for s in crowd:
        s.sendall(hello)
    poll = select.poll()
    for s in crowd:
        poll.register(s, select.POLLIN)
    left, answers = {s.fileno() for s in crowd}, 0
    while left:
        exchange(honest)
        answers += 1
        for number, _ in poll.poll(0):
            left.discard(number)
            poll.unregister(number)
    for s in crowd:
        s.close()
    return answers


def exchange(honest):
    honest.sendall(b"x" * 31 + b"\n")
    got = b""
    while len(got) < 32:
        got += honest.recv(32)
    if got != b"x" * 31 + b"\n":
        sys.exit("shake: a wrong answer")


def main():
    program, budget = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "0"
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = make_certificate(folder)
        server = subprocess.Popen([program, certificate, key, budget], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True)
        port = int(server.stdout.readline())
        context = ssl.create_default_context(cafile=certificate)
        honest = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
        answers = sorted(one_round(port, client_hello(context), honest) for _ in range(ROUNDS))
        honest.close()
        server.stdin.close()
        done, failed = map(int, server.stdout.read().split())
        server.wait()
    median = answers[ROUNDS // 2]
    print(f"shaken: {ROUNDS} times {CROWD} handshakes at once, {done} done, {failed} given up; "
          f"answers meanwhile: {answers[0]} to {answers[-1]}, median {median}")
    if done != 1 or server.returncode != 0:
        sys.exit("shake: the server went wrong")
    return median < LEAST


if __name__ == "__main__":
    sys.exit(main())
