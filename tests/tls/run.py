#!/usr/bin/env python3
"""The end of TLS between a channel over bufferevent_openssl and CPython's ssl, whichever side ends it, and however.

usage: run.py ENDS FOLDER    ENDS is the program of ends.c; in FOLDER it makes a certificate

SPDX-License-Identifier: BSD-3-Clause"""
import contextlib
import itertools
import os
import socket
import ssl
import subprocess
import sys
import tempfile

TIMEOUT = 30  # seconds; reached only when something hangs
EOF, TOO_LONG, IDLE, EIO = -10001, -10003, -10006, -5
VERSIONS = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def expect(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r:.300} instead of {wanted!r:.300}")


class Server:
    """The program. `how` is what it runs TLS over, `version` is the version of TLS of its peers."""

    def __init__(self, process, certificate, how, version):
        self.process, self.how = process, how
        port, self.libevent = process.stdout.readline().split()
        self.port = int(port)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.load_verify_locations(certificate)
        self.context.minimum_version = self.context.maximum_version = version

    def said(self):
        """The result of a channel."""
        return self.process.stdout.readline().rstrip()

    def failed(self, why):
        """The reason of a channel that OpenSSL ended. In libevent 2.2 bufferevent_get_openssl_error() returns 0 for
        every bufferevent of TLS, since its check for TLS is the wrong way round."""
        if not self.libevent.startswith("2.1."):
            why = "Input/output error"
        return f"error {EIO}, {why}; closed {EIO}"

    @contextlib.contextmanager
    def peer(self):
        """A connection that was greeted. An end without close_notify is an error."""
        with socket.create_connection(("127.0.0.1", self.port), TIMEOUT) as plain, \
                self.context.wrap_socket(plain, suppress_ragged_eofs=False) as tls:
            expect(received(tls, 6), b"hello\n")
            yield tls


@contextlib.contextmanager
def started(program, folder, how, eof, version):
    certificate = os.path.join(folder, "certificate.pem")
    with subprocess.Popen([program, certificate, how, eof], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            yield Server(process, certificate, how, version)
            process.stdin.close()
            expect(process.wait(TIMEOUT), 0)
        finally:
            process.kill()


def received(tls, most=None):
    """Receives bytes up to the end, or at most `most`."""
    data = b""
    while len(data) != most:
        piece = tls.recv(65536 if most is None else most - len(data))
        if not piece:
            break
        data += piece
    return data


# --- the channel ends it ---

def ended(server, first, answer, said):
    """After `first` the channel ends TLS in order. The bytes sent are one record, so that nothing is unread when the
    channel closes, and the system does not reset the connection."""
    with server.peer() as tls:
        tls.sendall(first)
        expect(received(tls), answer)
        tls.unwrap()
    expect(server.said(), said)


def close_when_done_ends_tls(server):
    ended(server, b"done\n", b"bye\n", "closed 0")


def close_when_done_ends_tls_after_much(server):
    ended(server, b"much\n", b"bye\n" + 999999 * b"x" + b"\n", "closed 0")


def close_in_stages_ends_tls(server):
    ended(server, b"stages\n", b"bye\n", "closed 0")


def close_between_messages_ends_tls(server):
    ended(server, b"between\n", b"bye\n", "closed 0")


def a_message_in_progress_comes_before_the_end(server):
    with server.peer() as tls:
        tls.sendall(b"between\nan")
        expect(received(tls, 4), b"bye\n")
        tls.sendall(b"other\n")
        expect(received(tls), b"bye\n")
        tls.unwrap()
    expect(server.said(), "closed 0")


def a_message_that_is_too_long_ends_tls(server):
    ended(server, 200 * b"x", b"sorry\n", f"error {TOO_LONG}, the message is too long; closed {TOO_LONG}")


def a_time_that_is_over_ends_tls(server):
    ended(server, b"idle\n", b"bye\nsorry\n", f"error {IDLE}, the connection was idle for too long; closed {IDLE}")


# --- the peer ends it ---

class Halves:
    """A peer that may end its own half first. unwrap() of a socket would drop the bytes that come before the answer."""

    def __init__(self, plain, context):
        self.plain, self.incoming, self.outgoing = plain, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)

    def do(self, call, *arguments):
        """Runs an operation until it is done."""
        while True:
            try:
                return call(*arguments)
            except ssl.SSLWantReadError:
                self.plain.sendall(self.outgoing.read())
                data = self.plain.recv(65536)
                self.incoming.write(data) if data else self.incoming.write_eof()

    def begin(self, call, *arguments):
        """Sends everything that is ready to be sent."""
        with contextlib.suppress(ssl.SSLWantReadError):
            call(*arguments)
        self.plain.sendall(self.outgoing.read())


def close_notify_is_the_end_of_file(server):
    """close_notify is answered with close_notify, after the bytes that handle_eof pushes."""
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as plain:
        peer = Halves(plain, server.context)
        peer.do(peer.tls.do_handshake)
        got = peer.do(peer.tls.read)  # it may have come with the handshake, and unwrap() takes no data
        peer.begin(peer.tls.write, b"x\n")
        peer.begin(peer.tls.unwrap)
        try:
            while True:
                got += peer.do(peer.tls.read)
        except ssl.SSLZeroReturnError:
            expect(got, b"hello\nbye\nall\n")
    expect(server.said(), f"eof; closed {EOF}")


def without_close_notify_it_is_an_error(server):
    with server.peer() as tls:
        tls.sendall(b"x\n")
        expect(received(tls, 4), b"bye\n")
    why = {"socket": "unexpected eof while reading", "filter": "Input/output error"}[server.how]
    expect(server.said(), server.failed(why))


def without_close_notify_it_is_the_end_of_file(server):
    with server.peer() as tls:
        tls.sendall(b"x\n")
        expect(received(tls, 4), b"bye\n")
    expect(server.said(), f"eof; closed {EOF}")


def a_peer_that_speaks_no_tls_is_an_error(server):
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        expect(server.said(), server.failed("http request"))


BOTH = (close_when_done_ends_tls, close_when_done_ends_tls_after_much, close_in_stages_ends_tls,
        close_between_messages_ends_tls, a_message_in_progress_comes_before_the_end, a_message_that_is_too_long_ends_tls,
        a_time_that_is_over_ends_tls, close_notify_is_the_end_of_file, a_peer_that_speaks_no_tls_is_an_error)
TESTS = {"strict": BOTH + (without_close_notify_it_is_an_error,),
         "ignore": BOTH + (without_close_notify_it_is_the_end_of_file,)}


def fails(test, *server):
    """Returns what went wrong. Each test has a server of its own."""
    try:
        with started(*server) as running:
            test(running)
    except Exception as error:
        return repr(error)
    return ""


def main():
    program, folder = sys.argv[1:]
    run = failed = 0
    with tempfile.TemporaryDirectory(dir=folder) as own:
        for how, (eof, tests), version in itertools.product(("socket", "filter"), TESTS.items(), VERSIONS):
            for test in tests:
                why = fails(test, program, own, how, eof, version)
                if why:
                    print(f"FAILED: {test.__name__}, {how}, {eof}, {version.name}: {why}")
                run, failed = run + 1, failed + bool(why)
    print(f"{run} run, {failed} failed")
    return failed > 0 or run == 0


if __name__ == "__main__":
    sys.exit(main())
