#!/usr/bin/env python3
"""The example smtpd over loopback: with smtplib and with bare sockets, with TLS, users, another server behind it and a
balancer in front of it, while it is told to stop, restarted and killed.

usage: test_smtpd.py PROGRAM [SEED [TEST...]]

SMTPD_FAILING names the library of failing.c; without it, no single calls fail.
SPDX-License-Identifier: BSD-3-Clause
"""
import base64
import contextlib
import email.utils
import errno
import os
import random
import re
import resource
import signal
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import ring

PROGRAM = os.path.abspath(sys.argv[1])
FAILING = os.environ.get("SMTPD_FAILING")
TIMEOUT = 20  # seconds; reached only when something hangs
MAIL = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\n"
checks = 0


def expect(got, wanted, what=""):
    global checks
    checks += 1
    if got != wanted:
        raise AssertionError(f"{what}: {got!r:.400} instead of {wanted!r:.400}")


def until(what, done):
    end = time.monotonic() + TIMEOUT
    while not done():
        if time.monotonic() > end:
            raise AssertionError(f"it never is so: {what}")
        time.sleep(0.01)


# --- the server ---

class Server:
    """A server that has started. `say` is what it says of mails."""

    def __init__(self, folder, *options, listens=1, setup=None, **more):
        self.folder = folder
        self.log = open(folder + "/log", "a+b")
        self.mail = folder + "/mail"
        self.process = subprocess.Popen([PROGRAM, *options, self.mail], stdin=subprocess.DEVNULL, stderr=self.log,
                                        stdout=subprocess.PIPE, preexec_fn=setup, **more)
        self.ports = [int(self.process.stdout.readline().split(b":")[1]) for _ in range(listens)]
        self.port = self.ports[0]

    def said(self):
        self.log.seek(0)
        return self.log.read().decode()

    def stored(self):
        """The data of the mails, without the lines in front."""
        found = []
        for name in sorted(os.listdir(self.mail + "/new")):
            with open(f"{self.mail}/new/{name}", "rb") as file:
                head, body = re.fullmatch(rb"(Return-Path: <[^>]*>\r\nReceived: from [^\r]*\r\n\tby [^\r]*\r\n)(.*)",
                                          file.read(), re.DOTALL).groups()
                found.append(body)
                expect(f" id {name};".encode() in head, True, head)
                when = email.utils.parsedate_to_datetime(head.decode().rsplit(";", 1)[1].strip()).timestamp()
                expect((when == int(name.split(".")[0]), abs(when - time.time()) < 1000), (True, True), head)
        return found

    def clear(self):
        """Nothing is left of mails that were not stored."""
        expect(os.listdir(self.mail + "/tmp"), [], "in tmp")
        for name in os.listdir(self.mail + "/new"):
            os.unlink(f"{self.mail}/new/{name}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        expect(self.process.wait(TIMEOUT), 0, self.said()[-1000:])


@contextlib.contextmanager
def server(*options, **more):
    with tempfile.TemporaryDirectory() as folder:
        s = Server(folder, *options, **more)
        try:
            yield s
            if s.process.poll() is None:
                s.stop()
        finally:
            s.process.kill()
            s.process.wait()
            s.log.close()


class Client:
    def __init__(self, port, wrap=None, hello=True):
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if wrap:
            self.socket = wrap.wrap_socket(self.socket, server_hostname="localhost")
        self.got = b""
        if hello:
            expect(self.code(), 220)
            self.ask(b"EHLO x\r\n", 250)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def answer(self):
        """The next answer, of one or more lines; b"" at the end."""
        while not (found := re.match(rb"(\d\d\d-[^\r\n]*\r\n)*\d\d\d [^\r\n]*\r\n", self.got)):
            more = self.socket.recv(65536)
            if not more:
                expect(self.got, b"", "the last bytes")
                return b""
            self.got += more
        self.got = self.got[found.end():]
        return found[0]

    def code(self):
        return int(self.answer()[:3] or 0)

    def ask(self, data, *codes):
        self.send(data)
        expect([self.code() for _ in codes], list(codes), data[:100])

    def rest(self):
        """The codes up to the end."""
        self.socket.settimeout(TIMEOUT)
        return list(iter(self.code, 0))

    def end(self):
        self.socket.shutdown(socket.SHUT_WR)


def chunks(rng, data):
    """Random pieces, each of which is a read of its own."""
    places = sorted(rng.sample(range(len(data) + 1), min(5, len(data))))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)]) if a < b]


def options_that_are_wrong(rng):
    for words in ([], ["a", "b"], ["--port"], ["--port", "x", "a"], ["--max-size", "0", "a"], ["--tls", "a"], ["--what", "a"],
                  ["--tls-port", "0", "a"], ["--tls", "nothing", "there", "/nowhere/a"]):
        run = subprocess.run([PROGRAM, *words], capture_output=True, timeout=TIMEOUT, check=False)
        expect((run.returncode in (1, 2), run.stdout, run.stderr.startswith(b"smtpd: ")), (True, b"", True), words)


# --- mails ---

def mails_of_smtplib(rng):
    with server() as s, smtplib.SMTP("127.0.0.1", s.port, timeout=TIMEOUT) as c:
        bodies = [b"", b"\r\n", b".\r\n", b"..\r\n.a\r\n\r\n", b"x" * 5_000_000 + b"\r\n", rng.randbytes(99).hex().encode()]
        for body in bodies:
            expect(c.sendmail("a@x.example", ["b@x.example", "postmaster"], b"Subject: t\r\n\r\n" + body), {})
        tail = [body if body.endswith(b"\r\n") or not body else body + b"\r\n" for body in bodies]
        expect(sorted(s.stored()), sorted(b"Subject: t\r\n\r\n" + body for body in tail), "what was stored")
        s.clear()
        expect(s.said().count("from=<a@x.example> to=<b@x.example> to=<postmaster> size="), len(bodies), "the log")
        with contextlib.suppress(smtplib.SMTPSenderRefused):
            c.mail("\xe4@x.example", ["SMTPUTF8"])
        expect(c.verify("b")[0], 252)
        c.rset()
        expect(c.sendmail("\xe4@x.example", "b@x.example", "hi\r\n", ["SMTPUTF8", "BODY=8BITMIME"]), {})


SESSION = (b"EHLO x\r\n" + MAIL + b"DATA\r\none\r\n..\r\n.\r\nNOOP\r\n" + MAIL + b"BDAT 3\r\ntwoBDAT 2 LAST\r\n\r\n" + MAIL +
           b"DATA\r\nth\nree\r\n.\r\nRSET\r\nBDAT 4 LAST\r\nQUITMAIL FROM:<>\r\nQUIT\r\n")
SESSION_CODES = [220, 250, 250, 250, 354, 250, 250, 250, 250, 250, 250, 250, 250, 354, 554, 250, 503, 250, 221]


def all_of_a_session_at_once(rng):
    """Also if the client ends its side at once, and says no QUIT."""
    with server() as s:
        for session, codes in ((SESSION, SESSION_CODES), (SESSION[:-6], SESSION_CODES[:-1])):
            for data in ([session], [bytes([b]) for b in session], *(chunks(rng, session) for _ in range(20))):
                with Client(s.port, hello=False) as c:
                    for piece in data:
                        c.send(piece)
                    c.end()
                    expect(c.rest(), codes, data)
                expect(sorted(s.stored()), [b"one\r\n.\r\n", b"two\r\n"], "what was stored")
                s.clear()


def many_mails_at_once(rng):
    """Each thread gets several, and has one fsync for them."""
    with server() as s:
        clients = [Client(s.port) for _ in range(100)]
        for c in clients:
            c.ask(MAIL + b"DATA\r\n", 250, 250, 354)
        for c in clients:
            c.send(b"hello\r\n.\r\n")
        for c in clients:
            expect(c.code(), 250)
            c.socket.close()
        expect(s.stored(), [b"hello\r\n"] * 100)


def chunks_with_any_bytes(rng):
    """Dots and line ends are stored as they are."""
    body = b"..a\r\n.\r\n..b\r\n\n\0" + bytes(range(256))
    with server() as s, Client(s.port, hello=False) as c:
        c.ask(b"RSET\r\nMAIL FROM:<a@x>\r\nHELP\r\nEHLO x\r\n", 220, 250, 503, 214, 250)
        c.ask(MAIL + b"BDAT %d LAST\r\n" % len(body) + body + b"NOOP\r\n", 250, 250, 250, 250)
        expect(s.stored(), [body])
        c.ask(b"BDAT x\r\n", 501)
        expect(c.rest(), [])


def mails_that_are_cut_off(rng):
    with server() as s:
        for data in (MAIL, MAIL + b"DATA\r\n", MAIL + b"DATA\r\nhello\r\n", MAIL + b"DATA\r\nhello\r\n.\r", MAIL + b"BDAT 5\r\n",
                     MAIL + b"BDAT 5 LAST\r\nabcd", MAIL + b"BDAT 5\r\nabcde"):
            for linger in (False, True):
                with Client(s.port) as c:
                    c.send(data)
                    if linger:
                        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    else:
                        c.end()
                        c.rest()
        until("tmp is empty", lambda: not os.listdir(s.mail + "/tmp"))
        expect(s.stored(), [], "what was stored")


# --- limits ---

def sizes(rng):
    with server("--max-size", "1000", "--max-recipients", "2") as s, Client(s.port) as c:
        c.ask(b"MAIL FROM:<a@x> SIZE=1001\r\n", 552)
        c.ask(b"MAIL FROM:<a@x> SIZE=5\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nDATA\r\n", 250, 250, 250, 452, 354)
        for _ in range(500):
            c.send(b"x" * 98 + b"\r\n" * 1000)
        c.ask(b".\r\nNOOP\r\n", 552, 250)
        s.clear()
        c.ask(MAIL + b"DATA\r\n" + b"x" * 998 + b"\r\n.\r\n", 250, 250, 354, 250)
        expect(len(s.stored()[0]), 1000)


def memory_stays_small(rng):
    with server() as s:
        clients = [Client(s.port) for _ in range(20)]
        for c in clients:
            c.ask(MAIL + b"DATA\r\n", 250, 250, 354)
        piece = (b"x" * 1022 + b"\r\n") * 1024
        for _ in range(10):
            for c in clients:
                c.send(piece)
        for c in clients:
            c.ask(b".\r\n", 250)
            c.socket.close()
        with open(f"/proc/{s.process.pid}/status", encoding="ascii") as status:
            most = int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])
        with open(f"/proc/{s.process.pid}/exe", "rb") as program:
            sanitized = re.search(rb"__[at]san_init", program.read())
        if not sanitized:
            expect(most < 20_000, True, f"{most} kB for 200 MB of mail")


def many_connections(rng):
    for option, text in (("--max-connections", b"421 "), ("--max-per-address", b"421 ")):
        with server(option, "2") as s:
            with Client(s.port), Client(s.port), Client(s.port, hello=False) as c:
                expect(c.answer()[:4], text)
                expect(c.rest(), [])
            until("there is room", lambda: ask_once(s.port) == 220)


def ask_once(port):
    with Client(port, hello=False) as c:
        return c.code()


def many_at_once_by_a_ring(rng):
    """Where there can be no ring, there is a warning, and they are answered by plain calls."""
    with server("--io-uring") as s, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(s.port)) for _ in range(50)]
        before = ring.calls(s.process) or 0
        with ring.paused(s.process):
            for c in clients:
                c.send(b"NOOP\r\n")
        expect([c.code() for c in clients], [250] * len(clients))
        if ring.expected():
            expect((ring.calls(s.process) or 0) - before > len(clients), True)


def slow_clients(rng):
    with server("--command-time", "300", "--data-time", "300") as s:
        for said, codes in ((b"", []), (MAIL, [250, 250]), (MAIL + b"DATA\r\nx", [250, 250, 354]), (b"BDAT 5\r\n", [503])):
            with Client(s.port) as c:
                c.send(said)
                expect(c.rest(), [*codes, 421], said)
        s.clear()


def a_client_of_many_errors(rng):
    with server() as s, Client(s.port) as c:
        c.send(b"MAIL FROM:<a@x>\r\nRCPT TO:<b>\r\nDATA\r\n" + b"a line of the mail\r\n" * 100)
        expect(c.rest(), [250, 553, 554] + [500] * 18 + [421])
    with server() as s, Client(s.port) as c:  # it is still sending when it is told to go, and hears it
        sender = threading.Thread(target=c.send, args=(b"a line of the mail\r\n" * 200_000,))
        sender.start()
        time.sleep(0.1)
        expect(c.rest(), [500] * 20 + [421])
        sender.join()


# --- the disk ---

def a_disk_that_fails(rng):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
    # Python ignores SIGXFSZ, and so does the server then.
    with server(setup=small_files, restore_signals=False) as s, Client(s.port) as c:
        for end in (b".\r\n", b"x" * 100_000 + b"\r\n.\r\n"):
            c.ask(MAIL + b"DATA\r\n" + b"x" * 20_000 + b"\r\n" + end, 250, 250, 354, 451)
        c.ask(MAIL + b"BDAT 20000\r\n" + b"x" * 20_000 + b"BDAT 0 LAST\r\nNOOP\r\n", 250, 250, 451, 451, 250)
        s.clear()
        c.ask(MAIL + b"DATA\r\nsmall\r\n.\r\n", 250, 250, 354, 250)
        expect(s.stored(), [b"small\r\n"])
        s.clear()
        os.rmdir(s.mail + "/new")
        c.ask(MAIL + b"DATA\r\nsmall\r\n.\r\n", 250, 250, 354, 451)
        expect(os.listdir(s.mail + "/tmp"), [], "in tmp")
        os.rmdir(s.mail + "/tmp")
        c.ask(MAIL + b"DATA\r\nRSET\r\n" + MAIL + b"BDAT 4 LAST\r\nNOOPNOOP\r\n", 250, 250, 451, 250, 250, 250, 451, 250)


def what_is_left_in_tmp(rng):
    """What a killed process has left goes after 36 hours, and nothing else; the server may listen on another address."""
    with tempfile.TemporaryDirectory() as folder:
        for name, hours in (("old", 37), ("young", 35)):
            os.makedirs(f"{folder}/mail/tmp", exist_ok=True)
            open(f"{folder}/mail/tmp/{name}", "w").close()
            os.utime(f"{folder}/mail/tmp/{name}", (time.time() - hours * 3600,) * 2)
        s = Server(folder, "--listen", "127.0.0.2")
        expect(os.listdir(folder + "/mail/tmp"), ["young"])
        socket.create_connection(("127.0.0.2", s.port), TIMEOUT).close()
        s.stop()


def calls_that_fail(rng):
    """Each call that stores a mail fails in turn: no mail is there without 250, and the next one is stored."""
    if not FAILING:
        return
    for call, error, code, count in (("fsync", "EIO", 451, 2), ("fsync", "ENOSPC", 452, 2), ("renameat2", "EIO", 451, 1),
                                     ("openat", "EMFILE", 451, 1), ("openat", "EDQUOT", 452, 1)):
        for number in range(1, 4):
            with tempfile.TemporaryDirectory() as orders:
                def told(order=""):
                    with open(orders + "/order.new", "w", encoding="ascii") as file:
                        file.write(order)
                    os.rename(orders + "/order.new", orders + "/order")
                told()
                with server(env={**os.environ, "LD_PRELOAD": FAILING, "FAIL_ORDER": orders + "/order"}) as s, Client(s.port) as c:
                    told(f"{call} {getattr(errno, error)} {number}")
                    c.send(MAIL + b"DATA\r\n")
                    expect([c.code() for _ in range(2)], [250, 250])
                    if (got := c.code()) == 354:
                        c.send(b"x" * 5000 + b"\r\n.\r\n")
                        got = c.code()
                    fails = not os.path.getsize(orders + "/order")
                    told()
                    expect(fails, number <= count, (call, number))
                    expect(got, code if fails else 250, (call, error, number))
                    expect(len(s.stored()), 0 if fails else 1, (call, error, number))
                    s.clear()
                    c.ask(b"RSET\r\n" + MAIL + b"DATA\r\nnext\r\n.\r\n", 250, 250, 250, 354, 250)
                    expect(s.stored(), [b"next\r\n"])


# --- TLS and users ---

def certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost", "-keyout",
                    folder + "/key.pem", "-out", folder + "/cert.pem"], check=True, stderr=subprocess.DEVNULL)
    return ssl.create_default_context(cafile=folder + "/cert.pem")


def subject(context, port):
    with Client(port, context, hello=False) as c:
        expect(c.code(), 220)
        return c.socket.getpeercert()["subject"][0][0][1]


def hashed(password):
    return subprocess.run(["openssl", "passwd", "-6", password], check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def tls_server(*options):
    with tempfile.TemporaryDirectory() as files:
        context = certificate(files, "first")
        with open(files + "/users", "w", encoding="utf-8") as users:
            users.write(f"zoe:{hashed('other')}\nann:{hashed('s3cret')}:1000\n")
        with server("--tls", files + "/cert.pem", files + "/key.pem", "--tls-port", "0", *options, listens=2) as s:
            s.files, s.context = files, context
            yield s


def starttls(c, context):
    c.ask(b"STARTTLS\r\n", 220)
    c.socket = context.wrap_socket(c.socket, server_hostname="localhost")


def tls(rng):
    with tls_server() as s:
        with smtplib.SMTP("localhost", s.port, timeout=TIMEOUT) as c:
            c.starttls(context=s.context)
            c.sendmail("a@x.example", "b@x.example", "one\r\n")
        with smtplib.SMTP_SSL("localhost", s.ports[1], timeout=TIMEOUT, context=s.context) as c:
            c.sendmail("a@x.example", "b@x.example", "two\r\n")
        expect(s.stored(), [b"one\r\n", b"two\r\n"])
        with Client(s.port) as c:
            c.ask(MAIL, 250, 250)
            starttls(c, s.context)
            c.ask(b"MAIL FROM:<a@x>\r\nRSET\r\nSTARTTLS\r\n", 503, 250, 503)
            c.ask(b"EHLO x\r\nRCPT TO:<b@x>\r\nSTARTTLS\r\n", 250, 503, 502)
        with Client(s.port) as c:
            c.ask(MAIL + b"BDAT 3\r\nabc", 250, 250, 250)
            starttls(c, s.context)
            c.ask(b"BDAT 2 LAST\r\n\r\nDATA\r\n", 503, 503)
        expect(len(s.stored()), 2)
        for early in (b"NOOP\r\n", b"EHLO x\r\n" + MAIL + b"DATA\r\nx\r\n.\r\n"):
            with Client(s.port) as c:
                c.send(b"STARTTLS\r\n" + early)
                expect(c.code(), 220)
                with contextlib.suppress(ConnectionResetError):
                    while more := c.socket.recv(1000):
                        expect(b"250" in more, False, more)


def a_new_certificate(rng):
    with tls_server() as s:
        expect(subject(s.context, s.ports[1]), "first")
        for name, text in (("cert.pem", "no certificate"), ("key.pem", "")):
            with open(f"{s.files}/{name}", "r+", encoding="utf-8") as file:
                good = file.read()
                file.seek(0)
                file.truncate()
                file.write(text)
                file.flush()
                count = s.said().count("the old certificate stays")
                s.process.send_signal(signal.SIGHUP)
                until("SIGHUP", lambda: s.said().count("the old certificate stays") > count)
                expect(subject(s.context, s.ports[1]), "first", name)
                file.seek(0)
                file.truncate()
                file.write(good)
        context = certificate(s.files, "second")
        s.process.send_signal(signal.SIGHUP)

        def is_new():
            with contextlib.suppress(ssl.SSLError):
                return subject(context, s.ports[1]) == "second"
        until("the new certificate", is_new)


def users(rng):
    with tempfile.TemporaryDirectory() as folder, tls_server("--users", folder + "/users") as s:
        os.link(s.files + "/users", folder + "/users")
        secret = base64.b64encode(b"\0ann\0s3cret")
        with Client(s.port, hello=False) as c:
            expect(c.code(), 220)
            c.send(b"EHLO x\r\n")
            expect(b"AUTH" in c.answer(), False)
            c.ask(b"AUTH PLAIN " + secret + b"\r\nMAIL FROM:<a@x>\r\n", 538, 530)
            starttls(c, s.context)
            c.send(b"EHLO x\r\n")
            expect(b"250-AUTH PLAIN LOGIN\r\n" in c.answer(), True)
            c.ask(b"AUTH PLAIN " + secret + b"\r\nNOOP\r\n" + MAIL + b"BDAT 3 LAST\r\nabc", 235, 250, 250, 250, 250)
        with Client(s.ports[1], s.context) as c:
            c.ask(b"AUTH LOGIN\r\n" + b"a" * 20_000 + b"NOOP\r\nNOOP\r\nMAIL FROM:<a@x>\r\n", 334, 500, 250, 530)
        with smtplib.SMTP_SSL("localhost", s.ports[1], timeout=TIMEOUT, context=s.context) as c:
            for name, password in (("ann", "other"), ("bob", "s3cret"), ("ann", "")):
                try:
                    c.login(name, password)
                    raise AssertionError(f"{name} has logged in with {password}")
                except smtplib.SMTPAuthenticationError as error:
                    expect(error.smtp_code, 535)
                c.close()
                c.connect("localhost", s.ports[1])
                c.ehlo()
            c.login("ann", "s3cret")
            c.sendmail("a@x.example", "b@x.example", "two\r\n")
        with server("--users", s.files + "/users", "--plain-auth", "--tls", s.files + "/cert.pem", s.files + "/key.pem") as t:
            with Client(t.port) as c:
                c.ask(b"AUTH PLAIN " + secret + b"\r\n", 235)
                starttls(c, s.context)
                c.ask(b"EHLO x\r\nMAIL FROM:<a@x>\r\n", 250, 530)
        with Client(s.ports[1], s.context) as c:  # the answer comes although the client has ended its side
            c.send(b"AUTH PLAIN " + secret + b"\r\nNOOP\r\nQUIT\r\n")
            expect(c.rest(), [235, 250, 221])
        expect([word for word in (secret.decode(), "s3cret", "AUTH") if word in s.said()], [], "the log")


# --- another server, and a balancer ---

class Lmtp(threading.Thread):
    """A server that answers what the recipients ask for: "c450@x" gets 450. `seen` has what it got as data."""

    def __init__(self, listener):
        super().__init__(daemon=True)
        self.listener, self.seen = listener, []
        self.start()

    def run(self):
        while True:
            with self.listener.accept()[0] as peer, peer.makefile("rwb", 0) as file:
                self.talk(file)

    def talk(self, file):
        file.write(b"220 lmtp\r\n")
        accepted = []
        for line in iter(file.readline, b""):
            code = int((re.search(rb"<\D*(\d+)@", line) or [0, 250])[1])
            if line.startswith(b"RCPT") and code != 450:
                accepted.append(code)
            if line.startswith(b"DATA"):
                file.write(b"354 go\r\n")
                self.seen.append(b"".join(iter(file.readline, b".\r\n")))
                for code in accepted:
                    file.write(b"%d-more\r\n%d verdict\r\n" % (code, code))
            else:
                file.write(b"450 not now\r\n" if code == 450 else b"250 fine\r\n")
            if line.startswith(b"QUIT"):
                break


def another_server(rng):
    with tempfile.TemporaryDirectory() as folder:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(folder + "/lmtp")
        listener.listen()
        lmtp = Lmtp(listener)
        with server("--lmtp", f"unix:{folder}/lmtp") as s, Client(s.port) as c:
            for names, code in (("b", 250), ("b c d", 250), ("b c550", 550), ("b c451 d550", 451), ("b c450", 450),
                                ("c450 d450", 450), ("c550 d550", 550), ("b", 250)):
                rcpts = b"".join(b"RCPT TO:<%s@x>\r\n" % name.encode() for name in names.split())
                c.ask(b"MAIL FROM:<a@x>\r\n" + rcpts + b"DATA\r\n..a\r\n" + b"x" * 100_000 + b"\r\n.\r\nNOOP\r\n", 250,
                      *[250] * len(names.split()), 354, code, 250)
            expect(len(lmtp.seen), 7, "mails with a recipient")
            for mail in lmtp.seen:
                expect(mail.endswith(b"\r\n..a\r\n" + b"x" * 100_000 + b"\r\n"), True, mail[:200])
            expect("to=<b@x> 250 to=<c451@x> 451 to=<d550@x> 550 size=" in s.said(), True, s.said())
            expect(os.listdir(s.mail + "/tmp") + os.listdir(s.mail + "/new"), [])
        with server("--lmtp", f"unix:{folder}/nobody") as s, Client(s.port) as c:
            c.ask(MAIL + b"RCPT TO:<c@x>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n", 250, 250, 250, 354, 451, 221)
            expect("to=<b@x.example> 451 to=<c@x> 451 size=" in s.said(), True, s.said())
            expect(os.listdir(s.mail + "/tmp"), [])


def a_balancer(rng):
    v2 = b"\r\n\r\n\0\r\nQUIT\n" + b"\x21\x11" + struct.pack(">H", 12) + bytes([192, 0, 2, 7, 127, 0, 0, 1]) + b"\x10\xe1\0\x19"
    local = b"\r\n\r\n\0\r\nQUIT\n" + b"\x20\x11" + struct.pack(">H", 12) + bytes(12)
    with server("--proxy-protocol") as s:
        for header, peer in ((b"PROXY TCP4 192.0.2.7 127.0.0.1 4321 25\r\n", "192.0.2.7:4321"), (v2, "192.0.2.7:4321"),
                             (local, "127.0.0.1:")):
            for data in (header, *(chunks(rng, header) for _ in range(5))):
                with Client(s.port, hello=False) as c:
                    for piece in [data] if isinstance(data, bytes) else data:
                        c.send(piece)
                    expect(c.code(), 220)
                    c.ask(b"EHLO x\r\nPROXY TCP4 192.0.2.8 127.0.0.1 1 2\r\n", 250, 500)
                    c.ask(MAIL + b"BDAT 1 LAST\r\nx", 250, 250, 250)
                    expect(s.said().splitlines()[-1].split(": ")[1].startswith(peer), True, s.said())
        with Client(s.port, hello=False) as c:
            c.send(b"EHLO x\r\n")
            expect(c.rest(), [])


# --- the end ---

def stopping(rng):
    """A mail whose data has begun is finished; nothing else is stored, and everybody is told."""
    with server() as s:
        idle, mail, data, part = clients = [Client(s.port) for _ in range(4)]
        mail.ask(MAIL, 250, 250)
        data.ask(MAIL + b"DATA\r\none\r\n", 250, 250, 354)
        part.ask(MAIL + b"BDAT 3\r\ntwo", 250, 250, 250)
        s.process.send_signal(signal.SIGTERM)
        for c in (idle, mail):
            expect(c.rest(), [421])
        data.send(b"more\r\n.\r\nMAIL FROM:<a@x>\r\n")
        expect(data.rest(), [250, 250, 421])
        part.send(b"BDAT 2 LAST\r\n\r\n")
        expect(part.rest(), [250, 421])
        for c in clients:
            c.socket.close()
        expect(s.process.wait(TIMEOUT), 0)
        expect(sorted(s.stored()), [b"one\r\nmore\r\n", b"two\r\n"])


class Sender(threading.Thread):
    """Sends mails, one after the other, and again if there is no answer. Knows which of them got 250."""

    def __init__(self, port, name, count, strict):
        super().__init__(daemon=True)
        self.port, self.name, self.count, self.strict = port, name, count, strict
        self.accepted, self.problem = [], None
        self.start()

    def send(self, c, body):
        if c.code() != 220:
            return 0
        c.send(b"EHLO x\r\n")
        if c.code() != 250:
            return 0
        c.send(MAIL + b"DATA\r\n" + body + b".\r\nQUIT\r\n")
        return [c.code() for _ in range(4)][3]

    def run(self):
        for number in range(self.count):
            body = f"{self.name} {number}\r\n".encode() + b"x" * 998 + b"\r\n"
            while not self.problem:
                try:
                    with Client(self.port, hello=False) as c:
                        if self.send(c, body) == 250:
                            self.accepted.append(body)
                            break
                except (OSError, AssertionError) as problem:
                    if self.strict:
                        self.problem = problem
                    time.sleep(0.01)


def processes(s):
    """The numbers of those that serve this folder; one that has ended has no command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            if s.mail.encode() in file.read().split(b"\0"):
                found.append(int(pid))
    return found


def restarts(rng):
    """While mails come, new processes replace the old ones. No connection is refused or reset."""
    with server() as s:
        senders = [Sender(s.port, f"sender{i}", 200, True) for i in range(4)]
        pid = s.process.pid
        for _ in range(5):
            os.kill(pid, signal.SIGUSR2)
            until("a new process", lambda: (found := processes(s)) and len(found) == 1 and found[0] != pid)
            pid, = processes(s)
        for sender in senders:
            sender.join()
            expect(sender.problem, None)
        expect(sorted(s.stored()), sorted(sum((sender.accepted for sender in senders), [])))
        os.kill(pid, signal.SIGTERM)
        until("the end", lambda: not processes(s))
        expect(s.process.wait(TIMEOUT), 0)


def a_restart_that_fails(rng):
    """Without its certificate another process cannot start. This one goes on, and another attempt succeeds."""
    with tls_server() as s:
        os.rename(s.files + "/cert.pem", s.files + "/away")
        s.process.send_signal(signal.SIGUSR2)
        until("the other process says why", lambda: "cert.pem" in s.said())
        until("the other process is gone", lambda: processes(s) == [s.process.pid])
        expect(ask_once(s.port), 220)
        with open(f"/proc/{s.process.pid}/task/{s.process.pid}/children", encoding="ascii") as children:
            until("nothing is left of it", lambda: children.seek(0) or children.read() == "")
        os.rename(s.files + "/away", s.files + "/cert.pem")
        s.process.send_signal(signal.SIGUSR2)
        until("a new process", lambda: (found := processes(s)) and s.process.pid not in found)
        expect((ask_once(s.port), subject(s.context, s.ports[1])), (220, "first"))
        expect(s.process.wait(TIMEOUT), 0)
        os.kill(processes(s)[0], signal.SIGTERM)
        until("the end", lambda: not processes(s))


def kills(rng):
    """Each mail that got 250 is there once and whole, although the server is killed."""
    with tempfile.TemporaryDirectory() as folder:
        s = Server(folder, "--port", "0")
        port = str(s.port)
        senders = [Sender(s.port, f"sender{i}", 75, False) for i in range(4)]
        for _ in range(3):
            before = len(s.stored())
            until("more mails", lambda: len(s.stored()) > before + rng.randrange(10, 50))
            s.process.kill()
            s.process.wait()
            s = Server(folder, "--port", port)
        for sender in senders:
            sender.join()
        stored = s.stored()
        for sender in senders:
            for body in sender.accepted:
                expect(stored.count(body) >= 1, True, body[:20])
        s.stop()


TESTS = [options_that_are_wrong, mails_of_smtplib, all_of_a_session_at_once, many_mails_at_once, chunks_with_any_bytes,
         mails_that_are_cut_off, sizes, memory_stays_small, many_connections, many_at_once_by_a_ring, slow_clients,
         a_client_of_many_errors, a_disk_that_fails, what_is_left_in_tmp, calls_that_fail, tls, a_new_certificate, users,
         another_server, a_balancer, stopping, restarts, a_restart_that_fails, kills]


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    for test in TESTS:
        if len(sys.argv) > 3 and test.__name__ not in sys.argv[3:]:
            continue
        try:
            test(random.Random(seed))
        except BaseException:
            print(f"{test.__name__}, seed {seed}:", flush=True)
            raise
    print(f"{checks} checks")


if __name__ == "__main__":
    main()
