#!/usr/bin/env python3
"""libasynchat-openssl with other implementations of TLS on the other side.

usage: judges.py JUDGE EXAMPLES [WHO...]    JUDGE is the program of judge.c, EXAMPLES the folder of the examples

WHO is one of the names in JUDGES below; unless given, all of them. Those that are not installed are left out.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import itertools
import os
import pty
import re
import select
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import certificates

JUDGE, EXAMPLES = (os.path.abspath(path) for path in sys.argv[1:3])
TIMEOUT = 30  # seconds; reached only when something hangs
SOON = 5  # seconds, where our linger time of 30 must not be waited for
MIB = bytes(range(256)) * 4096
SENT = bytes(i % 251 for i in range(len(MIB)))  # what "send 1048576" sends
VERSIONS = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
CUT_OFF = "error the connection was cut off"
EOF = "close the peer ended the connection"


def expect(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r:.400} instead of {wanted!r:.400}")


def expect_in(part, text):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r:.1500}")


# --- our programs ---

def example(name):
    return os.path.join(EXAMPLES, name)


@contextlib.contextmanager
def started(*command):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process):
    return process.stdout.readline().decode().rstrip("\n")


def lines_until(process, beginning):
    """What a program says, up to a line that begins like this."""
    said = [line(process)]
    while said[-1] and not said[-1].startswith(beginning):
        said.append(line(process))
    return said


@contextlib.contextmanager
def serving(*command):
    """A server of ours that prints its port first. It ends in order at SIGTERM."""
    with started(*command) as process:
        first = line(process)
        if not re.search(r"\d+$", first):
            raise AssertionError(f"{command[0]} says {first!r}")
        process.port = int(re.search(r"\d+$", first)[0])
        yield process
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=TIMEOUT)
        expect((process.returncode, "ERROR" in said.decode()), (0, False))


def our_server(files, *options):
    return serving(JUDGE, "serve", "0", "certificate=" + files.certificate, "key=" + files.key, *options)


def our_client(files, port, *options, commands=()):
    """What a client of ours says."""
    return run(JUDGE, "connect", str(port), "trust=" + files.trust, "name=localhost", *options, "--", *commands)


def echo_server(files):
    return serving(example("echo_server"), "--tls", files.certificate, files.key, "0")


def web_server(files):
    return serving(example("httpd"), "--tls", files.certificate, files.key, files.folder)


def run(*command, message=b"", status=0, error=subprocess.STDOUT):
    """What a program says to this input. All of these programs end by themselves."""
    done = subprocess.run(command, input=message, stdout=subprocess.PIPE, stderr=error, timeout=TIMEOUT)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{command} ends with {done.returncode}: {done.stdout[-1500:]!r}")
    return done.stdout.decode("latin-1")


# --- what all judges use ---

class Files:
    """An authority, and certificates and keys for localhost and for a client."""

    def __init__(self, folder):
        self.folder = folder
        authority = certificates.Authority(folder)
        self.trust = authority.certificate
        self.certificate, self.key = authority.issue("server")
        self.client = authority.issue("client", "DNS:client.example")
        with open(os.path.join(folder, "big"), "wb") as file:
            file.write(MIB)

    def context(self, version, server=False):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        made.load_verify_locations(self.trust)
        if server:
            made.load_cert_chain(self.certificate, self.key)
        made.minimum_version = made.maximum_version = version
        return made


# --- Python's ssl as the client ---

def connect(port):
    return socket.create_connection(("127.0.0.1", port), TIMEOUT)


def wrapped(context, plain, **options):
    return context.wrap_socket(plain, suppress_ragged_eofs=False, **options)


def secure(files, server, version, **options):
    return wrapped(files.context(version), connect(server.port), server_hostname="localhost", **options)


def received(peer, length):
    """That many bytes, or everything up to the end."""
    got = bytearray()
    while len(got) < length:
        part = peer.recv(length - len(got))
        if not part:
            break
        got += part
    return bytes(got)


class Halves:
    """A peer that decides when to read and when to write, which an SSLSocket does by itself."""

    def __init__(self, plain, context, **options):
        self.plain, self.incoming, self.outgoing = plain, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, **options)
        self.read(self.tls.do_handshake)

    def flush(self):
        self.plain.sendall(self.outgoing.read())

    def read(self, call, *arguments):
        """Calls until it does not want to read any more."""
        while True:
            try:
                return call(*arguments)
            except ssl.SSLWantReadError:
                self.flush()
                data = self.plain.recv(65536)
                self.incoming.write(data) if data else self.incoming.write_eof()
            finally:
                self.flush()

    def say(self, data):
        self.tls.write(data)
        self.flush()

    def end(self):
        """close_notify, without a look at what comes."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.flush()

    def rest(self):
        """Everything up to the peer's close_notify, which is an error if the own one was sent before."""
        got = part = b"-"
        with contextlib.suppress(ssl.SSLZeroReturnError):
            while part:
                part = self.read(self.tls.read, 65536)
                got += part
        return got[1:]


def a_megabyte_there_and_back(files, version):
    with echo_server(files) as server, secure(files, server, version) as peer:
        peer.sendall(b"ECHO 1048576\n" + MIB)
        expect(received(peer, len(MIB)) == MIB, True)
        expect(received(peer.unwrap(), 1), b"")


def close_notify_of_a_client_is_answered(files, version):
    """unwrap() fails without the server's close_notify. The FIN comes as well, although the client waits for it."""
    with our_server(files) as server, secure(files, server, version) as peer:
        peer.sendall(b"say hello\n")
        expect(received(peer, 6), b"hello\n")
        plain = peer.unwrap()
        plain.settimeout(SOON)
        expect(plain.recv(1), b"")
        expect(lines_until(server, "close"), ["connect", "eof", EOF])


def close_notify_of_a_server_is_the_end(files, version):
    with our_server(files) as server, secure(files, server, version) as peer:
        peer.sendall(b"say hello\ndone\n")
        expect(received(peer, 100), b"hello\n")
        peer.unwrap().close()
        expect(lines_until(server, "close"), ["connect", "close success"])


def a_client_ends_its_half_first(files, version):
    with our_server(files) as server, connect(server.port) as plain:
        peer = Halves(plain, files.context(version), server_hostname="localhost")
        peer.say(b"send 1048576\ncount\n" + MIB)
        peer.end()
        expect(peer.rest() == SENT + b"1048576\n", True)
        expect(lines_until(server, "close"), ["connect", "counted 1048576", "eof", EOF])


def a_server_ends_its_half_first(files, version):
    with our_server(files) as server, connect(server.port) as plain:
        peer = Halves(plain, files.context(version), server_hostname="localhost")
        peer.say(b"say bye\nshut\nshow\n")
        expect(peer.rest(), b"bye\n")
        peer.say(b"still here\n")
        expect(lines_until(server, "line"), ["connect", "line still here"])
        peer.end()
        expect(lines_until(server, "close"), ["eof", EOF])


def an_end_without_close_notify_is_cut_off(files, version):
    with our_server(files) as server, secure(files, server, version) as peer:
        peer.sendall(b"say hello\nshow\nlast\n")
        expect(received(peer, 6), b"hello\n")
        peer.close()
        said = lines_until(server, "close")
        expect((said[:2], said[2].startswith(CUT_OFF)), (["connect", "line last"], True))


def a_client_that_only_writes_loses_nothing(files, version):
    """It closes without a look at tickets. If the server had sent some, the close would be a reset."""
    with our_server(files) as server:
        for _ in range(40):
            with connect(server.port) as plain:
                peer = Halves(plain, files.context(version), server_hostname="localhost")
                peer.say(b"count\n" + MIB + MIB)
                peer.end()
            expect(lines_until(server, "counted"), ["connect", "counted 2097152"])
            lines_until(server, "close")


def an_end_that_drops_output_is_no_clean_one(files, version):
    """The client reads only when the server has closed."""
    with our_server(files) as server, secure(files, server, version) as peer:
        peer.sendall(b"drop 16000000\n")
        expect(lines_until(server, "close"), ["connect", "close success"])
        try:
            got = received(peer, 16000000)
        except (ssl.SSLEOFError, ConnectionResetError):
            return
        raise AssertionError(f"a clean end after {len(got)} bytes")


def who_is_turned_away_reads_no_plain_text(files, version):
    with our_server(files, "limit=1") as server, secure(files, server, version) as first:
        first.sendall(b"say hello\n")
        expect(received(first, 6), b"hello\n")
        with connect(server.port) as plain, contextlib.suppress(ConnectionResetError):
            expect(b"busy" in received(plain, 1000), False)
        try:
            with secure(files, server, version):
                raise AssertionError("there are two")
        except (ssl.SSLError, ConnectionResetError) as error:
            expect("WRONG_VERSION" in str(error), False)


def a_client_resumes_a_session(files, version):
    with our_server(files) as server:
        context, session, wanted = files.context(version), None, [False, True, True]
        for resumed in wanted:
            with wrapped(context, connect(server.port), server_hostname="localhost", session=session) as peer:
                peer.sendall(b"info\nsay hello\n")
                expect(received(peer, 6), b"hello\n")
                session = peer.session
                expect(peer.session_reused, resumed)
                peer.unwrap()
            expect(lines_until(server, "info")[-1].endswith(" resumed"), resumed)


def a_client_without_a_certificate_is_told(files, version):
    with our_server(files, "trust=" + files.trust, "demand") as server:
        try:
            with secure(files, server, version) as peer:
                peer.recv(1)
            raise AssertionError("it is let in")
        except ssl.SSLError as error:
            expect_in("CERTIFICATE_REQUIRED" if version == VERSIONS[1] else "HANDSHAKE_FAILURE", str(error))


def a_client_with_a_certificate_is_verified(files, version):
    context = files.context(version)
    context.load_cert_chain(*files.client)
    with our_server(files, "trust=" + files.trust, "demand") as server:
        with wrapped(context, connect(server.port), server_hostname="localhost") as peer:
            peer.sendall(b"info\ndone\n")
            expect(peer.recv(1), b"")
        expect_in(" verified", lines_until(server, "close")[1])


def a_protocol_is_agreed_on(files, version):
    with our_server(files, "alpn=b,a") as server:
        for offered, agreed in ((["a", "b"], "b"), (["c", "a"], "a"), (None, None)):
            context = files.context(version)
            if offered:
                context.set_alpn_protocols(offered)
            with wrapped(context, connect(server.port), server_hostname="localhost") as peer:
                expect(peer.selected_alpn_protocol(), agreed)


def at_a_terminal(*command):
    """What a program says that could ask somebody."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    said = b""
    with contextlib.suppress(OSError):  # the program has ended
        while select.select([terminal], [], [], SOON)[0]:
            said += os.read(terminal, 4096)
    os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    return os.waitpid(pid, 0)[1], said.decode()


def nobody_is_asked_at_the_terminal(files, version):
    """OpenSSL asks for the passphrase of a key, and of anything else that is encrypted in the way of PEM."""
    locked = os.path.join(files.folder, "locked.pem")
    run("openssl", "ec", "-in", files.key, "-aes128", "-passout", "pass:secret", "-out", locked)
    with open(locked) as file:
        text = file.read()
    other = os.path.join(files.folder, "locked_certificate.pem")
    with open(other, "w") as file:
        file.write(text.replace("EC PRIVATE KEY", "CERTIFICATE"))
    for certificate, key, trust in ((files.certificate, locked, files.trust), (other, files.key, files.trust),
                                    (files.certificate, files.key, other)):
        status, said = at_a_terminal(JUDGE, "serve", "0", "certificate=" + certificate, "key=" + key, "trust=" + trust)
        expect((os.WIFEXITED(status), said.startswith("tls_judge: "), "Enter" in said), (True, True, False))


def mail_over_starttls(files, version):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started(example("starttls"), str(port), files.certificate, files.key):
        wait_for(port)
        with contextlib.closing(smtplib.SMTP("127.0.0.1", port, timeout=TIMEOUT)) as mail:
            mail._host = "localhost"  # the name that the certificate is for
            expect(mail.docmd("NOOP"), (250, b"for all to read: NOOP"))
            expect(mail.starttls(context=files.context(version))[0], 220)
            expect(mail.docmd("NOOP"), (250, b"between us: NOOP"))


def wait_for(port):
    for _ in range(TIMEOUT * 50):
        with contextlib.suppress(ConnectionRefusedError):
            connect(port).close()
            return
        threading.Event().wait(0.02)
    raise AssertionError("it does not listen")


# --- Python's ssl as the server ---

@contextlib.contextmanager
def python_server(context, serve, times=1, wrap=True):
    """Serves that many connections in a thread, and fails as the thread fails."""
    failures = []

    def accept():
        try:
            for _ in range(times):
                plain, _ = listener.accept()
                plain.settimeout(TIMEOUT)
                with (wrapped(context, plain, server_side=True) if wrap else plain) as peer:
                    serve(peer)
        except Exception as error:
            failures.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        thread = threading.Thread(target=accept)
        thread.start()
        problem = None
        try:
            yield listener.getsockname()[1]
        except AssertionError as error:  # of the other side, which may follow from a failure of this one
            problem = error
        thread.join()
    if failures:
        raise AssertionError(f"{failures[0]!r} ({problem})")
    if problem:
        raise problem


def a_line(peer):
    got = b""
    while not got.endswith(b"\n"):
        part = peer.recv(1)
        expect(bool(part), True)
        got += part
    return got


def an_echo(peer):
    length = int(a_line(peer).split()[1])
    peer.sendall(received(peer, length))
    expect(peer.recv(1), b"")
    peer.unwrap()


def our_client_gets_its_megabyte(files, version):
    with python_server(files.context(version, server=True), an_echo) as port:
        done = subprocess.run([example("echo_client"), "--tls", files.trust, "localhost", "127.0.0.1", str(port)],
                              input=MIB, stdout=subprocess.PIPE, timeout=TIMEOUT)
        expect((done.returncode, done.stdout == MIB), (0, True))


def our_client_ends_its_half_first(files, version):
    def serve(peer):
        expect(received(peer, 2000000), b"hello\n" + SENT)
        peer.sendall(b"an answer\n")
        peer.unwrap()
    with python_server(files.context(version, server=True), serve) as port:
        said = our_client(files, port, commands=["say hello", "send 1048576", "shut"])
        expect(said, f"line an answer\neof\n{EOF}\n")


def our_client_that_only_writes_loses_nothing(files, version):
    """It closes with tickets and more that it has not read. If that were a reset, the server would not get all."""
    def serve(peer):
        peer.sendall(b"x" * 10000)
        expect(received(peer, 2000000) == SENT, True)
    runs = 20
    with python_server(files.context(version, server=True), serve, runs) as port:
        for _ in range(runs):
            expect_in("close success", our_client(files, port, commands=["send 1048576", "done"]))


def a_python_server_ends_its_half_first(files, version):
    def serve(plain):
        peer = Halves(plain, files.context(version, server=True), server_side=True)
        peer.say(b"hello\n")
        peer.end()
        expect(peer.rest(), b"so long\n")
    with python_server(None, serve, wrap=False) as port:
        expect(our_client(files, port, "last=so long"), f"line hello\neof\n{EOF}\n")


def a_python_server_is_cut_off(files, version):
    def serve(peer):
        expect(a_line(peer), b"hello\n")
        peer.sendall(b"one\ntw")
    with python_server(files.context(version, server=True), serve) as port:
        said = our_client(files, port, commands=["say hello"]).split("\n")
        expect((said[0], said[1].startswith(CUT_OFF)), ("line one", True))


def our_client_without_a_certificate_is_told_why(files, version):
    """The alert counts, although writing fails first: TLS 1.3 tells a client after its handshake."""
    context = files.context(version, server=True)
    context.verify_mode = ssl.CERT_REQUIRED

    def serve(plain):
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            context.wrap_socket(plain, server_side=True)
    runs = 40
    with python_server(None, serve, runs, wrap=False) as port:
        for _ in range(runs):
            said = our_client(files, port, commands=["send 1000000"])
            if version == VERSIONS[1]:
                expect_in("error the certificate is not good", said)
                expect_in("certificate required", said)
            else:
                expect_in("handshake failure", said)


def our_client_shows_its_certificate(files, version):
    context = files.context(version, server=True)
    context.verify_mode = ssl.CERT_REQUIRED

    def serve(peer):
        expect(peer.getpeercert()["subjectAltName"], (("DNS", "client.example"),))
        peer.unwrap()
    with python_server(context, serve) as port:
        certificate, key = files.client
        expect(our_client(files, port, "certificate=" + certificate, "key=" + key), f"eof\n{EOF}\n")


def our_client_resumes_a_session(files, version):
    reused = []

    def serve(peer):
        expect(a_line(peer), b"hello\n")
        peer.sendall(b"hello\n")
        reused.append(peer.session_reused)
        expect(peer.recv(1), b"")
        peer.unwrap()
    with python_server(files.context(version, server=True), serve, 3) as port:
        said = our_client(files, port, "times=3", commands=["info", "say hello", "shut"])
        expect(said.count(" resumed"), 2)
    expect(reused, [False, True, True])


def our_client_begins_with_starttls(files, version):
    def serve(plain):
        plain.sendall(b"220 go\n")
        expect(a_line(plain), b"STARTTLS\n")
        with wrapped(files.context(version, server=True), plain, server_side=True) as peer:
            expect(a_line(peer), b"hello\n")
            peer.sendall(b"secret\n")
            expect(peer.recv(1), b"")
            peer.unwrap()
    with python_server(None, serve, wrap=False) as port:
        said = our_client(files, port, "starttls", commands=["say hello", "shut"])
        expect(said, f"line 220 go\nline secret\neof\n{EOF}\n")


def bytes_behind_the_answer_to_starttls_are_not_delivered(files, version):
    def serve(plain):
        expect(a_line(plain), b"STARTTLS\n")
        plain.sendall(b"220 go\n250 forged\n")
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            wrapped(files.context(version, server=True), plain, server_side=True)
    with python_server(None, serve, wrap=False) as port:
        said = our_client(files, port, "starttls", commands=["say hello"])
        expect("forged" in said, False)
        expect_in("error the peer does not speak what was agreed", said)


def our_client_refuses_another_name(files, version):
    def serve(plain):
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            wrapped(files.context(version, server=True), plain, server_side=True)
    with python_server(None, serve, wrap=False) as port:
        expect_in("hostname mismatch", our_client(files, port, "name=b.example"))


# --- openssl ---

def option(version):
    return "-tls1_2" if version == VERSIONS[0] else "-tls1_3"


def s_client(files, port, version, *options, message=b""):
    """-quiet goes on when the input has ended, so the message must make the server end."""
    return run("timeout", str(TIMEOUT), "openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", files.trust,
               "-verify_return_error", option(version), *options, message=message)


def s_client_gets_its_lines(files, version):
    text = "".join(f"line {i}\n" for i in range(10000))
    commands = "".join(f"say {line}\n" for line in text.splitlines()) + "done\n"
    with our_server(files) as server:
        expect_in(text, s_client(files, server.port, version, "-quiet", message=commands.encode()))


def s_client_resumes_a_session(files, version):
    kept = os.path.join(files.folder, "session")
    with our_server(files) as server:
        for where, wanted in (("-sess_out", "New, "), ("-sess_in", "Reused, ")):
            said = s_client(files, server.port, version, where, kept, "-ign_eof", message=b"say hello\ndone\n")
            expect_in(wanted, said)


def s_client_reconnects(files, version):
    with our_server(files) as server:
        said = s_client(files, server.port, version, "-reconnect", "-ign_eof", message=b"done\n")
        expect(len(re.findall(r"^(?:New|Reused), TLS", said, re.M)), 6)
        if version == VERSIONS[0]:
            expect(len(re.findall(r"^Reused, TLS", said, re.M)), 5)


def s_client_asks_for_a_name_and_a_protocol(files, version):
    with our_server(files, "alpn=one,two") as server:
        said = s_client(files, server.port, version, "-servername", "localhost", "-alpn", "two,three", "-ign_eof",
                        message=b"info\ndone\n")
        expect_in("ALPN protocol: two", said)
        expect_in("alpn two name localhost", lines_until(server, "info")[-1])


def s_client_begins_with_starttls(files, version):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started(example("starttls"), str(port), files.certificate, files.key):
        wait_for(port)
        said = s_client(files, port, version, "-starttls", "smtp", message=b"hello\r\n")
        expect_in("Verify return code: 0 (ok)", said)


def s_server_turns_lines_round(files, version):
    with started("openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", files.certificate, "-key", files.key, "-rev",
                 option(version)) as process:
        port = re.search(r"\d+$", lines_until(process, "ACCEPT")[-1])[0]
        said = our_client(files, port, "times=2", commands=["info", "say hello", "shut"])
        expect(re.findall("line .*", said), ["line olleh"] * 2)
        expect(said.count("resumed"), 1)


# --- GnuTLS ---

def gnutls(files, port, version, *options, message):
    priority = "NORMAL:-VERS-ALL:+VERS-TLS" + ("1.2" if version == VERSIONS[0] else "1.3")
    return run("gnutls-cli", "--x509cafile", files.trust, "--priority", priority, "-p", str(port), *options,
               "localhost", message=message)


def gnutls_gets_its_lines(files, version):
    """It ends its half behind its input."""
    text = "".join(f"line {i}\n" for i in range(5000))
    commands = "".join(f"say {line}\n" for line in text.splitlines())
    with our_server(files) as server:
        expect_in(text, gnutls(files, server.port, version, message=commands.encode()))
        expect(lines_until(server, "close"), ["connect", "eof", EOF])


def gnutls_resumes_a_session(files, version):
    """It waits for a ticket, which comes with the first output of ours."""
    with our_server(files, "greeting=welcome") as server:
        said = gnutls(files, server.port, version, "--resume", "--waitresumption", message=b"info\nsay hello\n")
        expect_in("This is a resumed session", said)
        expect_in("resumed", lines_until(server, "info")[-1])


def gnutls_begins_with_starttls(files, version):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started(example("starttls"), str(port), files.certificate, files.key):
        wait_for(port)
        expect_in("between us: hello", gnutls(files, port, version, "--starttls-proto=smtp", message=b"hello\r\n"))


# --- curl, h2load and wrk on httpd ---

def curl(files, version, *arguments):
    which = "1.2" if version == VERSIONS[0] else "1.3"
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "--cacert", files.trust, "--tlsv" + which, "--tls-max",
                           which, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT, check=True)
    return done.stdout


def curl_gets_and_posts(files, version):
    with web_server(files) as server:
        url = f"https://localhost:{server.port}"
        big = os.path.join(files.folder, "big")
        expect(curl(files, version, f"{url}/big", f"{url}/hello", f"{url}/big") == MIB + b"Hello, World!" + MIB, True)
        expect(curl(files, version, "-r", "1000-1999", f"{url}/big"), MIB[1000:2000])
        expect(curl(files, version, "--data-binary", "@" + big, f"{url}/echo") == MIB, True)
        expect(curl(files, version, "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "--data-binary",
                    "@" + big, f"{url}/echo") == MIB, True)
        curl(files, version, "-Z", "--parallel-max", "20", "-o", "/dev/null", f"{url}/big?[1-50]")


def h2load_counts_no_failure(files, version):
    with web_server(files) as server:
        url = f"https://127.0.0.1:{server.port}"
        said = run("h2load", "--h1", "-n", "2000", "-c", "20", "-m", "10", url + "/hello", url + "/big?x")
        expect_in("2000 done, 2000 succeeded, 0 failed", said)


def wrk_sees_no_error(files, version):
    with web_server(files) as server:
        for path in "/hello", "/big":
            said = run("wrk", "-t1", "-c50", "-d1s", f"https://127.0.0.1:{server.port}{path}")
            expect(("Socket errors" in said, "Non-2xx" in said), (False, False))
            expect(int(re.search(r"(\d+) requests in", said)[1]) > 0, True)


# --- Node ---

def node(files, version, *arguments):
    return ["node", os.path.join(HERE, "judge.js"), "TLSv1.2" if version == VERSIONS[0] else "TLSv1.3", *arguments]


def node_is_the_client(files, version):
    with our_server(files, "alpn=one,two") as server:
        said = run(*node(files, version, "connect", str(server.port), files.trust))
        expect(said, "a megabyte came back\nfresh, alpn two\nresumed, alpn two\n1048576 counted\ncut off\n")


def node_is_the_server(files, version):
    with started(*node(files, version, "serve", files.certificate, files.key)) as process:
        port = line(process)
        done = subprocess.run([example("echo_client"), "--tls", files.trust, "localhost", "127.0.0.1", port], input=MIB,
                              stdout=subprocess.PIPE, timeout=TIMEOUT)
        expect((done.returncode, done.stdout == MIB), (0, True))
        said = our_client(files, port, "alpn=two", "times=2", commands=["info", "say ECHO 6", "say hello", "shut"])
        expect(re.sub("info.*alpn two name localhost", "info", said),
               f"info verified\nline hello\neof\n{EOF}\ninfo resumed verified\nline hello\neof\n{EOF}\n")


JUDGES = {
    "python": ("python3", VERSIONS, [
        a_megabyte_there_and_back, close_notify_of_a_client_is_answered, close_notify_of_a_server_is_the_end,
        a_client_ends_its_half_first, a_server_ends_its_half_first, an_end_without_close_notify_is_cut_off,
        a_client_that_only_writes_loses_nothing, an_end_that_drops_output_is_no_clean_one,
        who_is_turned_away_reads_no_plain_text, a_client_resumes_a_session, a_client_without_a_certificate_is_told,
        a_client_with_a_certificate_is_verified, a_protocol_is_agreed_on, nobody_is_asked_at_the_terminal,
        mail_over_starttls, our_client_that_only_writes_loses_nothing,
        our_client_gets_its_megabyte, our_client_ends_its_half_first, a_python_server_ends_its_half_first,
        a_python_server_is_cut_off, our_client_without_a_certificate_is_told_why, our_client_shows_its_certificate,
        our_client_resumes_a_session, our_client_begins_with_starttls,
        bytes_behind_the_answer_to_starttls_are_not_delivered, our_client_refuses_another_name]),
    "openssl": ("openssl", VERSIONS, [
        s_client_gets_its_lines, s_client_resumes_a_session, s_client_reconnects,
        s_client_asks_for_a_name_and_a_protocol, s_client_begins_with_starttls, s_server_turns_lines_round]),
    "gnutls": ("gnutls-cli", VERSIONS, [gnutls_gets_its_lines, gnutls_resumes_a_session, gnutls_begins_with_starttls]),
    "curl": ("curl", VERSIONS, [curl_gets_and_posts]),
    "node": ("node", VERSIONS, [node_is_the_client, node_is_the_server]),
    "h2load": ("h2load", VERSIONS[1:], [h2load_counts_no_failure]),
    "wrk": ("wrk", VERSIONS[1:], [wrk_sees_no_error]),
}


def fails(test, files, version):
    """Whether it fails; then a line says why."""
    try:
        test(files, version)
    except Exception as problem:  # the other tests go on
        print(f"FAILED: {test.__name__}, {version.name}: {type(problem).__name__}: {problem}", flush=True)
        return True
    return False


def main():
    ran = failed = left_out = 0
    if not certificates.can_be_made():
        print("left out: all, since there is no openssl")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        files = Files(folder)
        for name in sys.argv[3:] or JUDGES:
            program, versions, tests = JUDGES[name]
            if name != "python" and not shutil.which(program):
                print(f"left out: {name} is not installed")
                left_out += 1
                continue
            for test, version in itertools.product(tests, versions):
                failed += fails(test, files, version)
                ran += 1
    print(f"judges: {ran} checks, {failed} failed, {left_out} judges left out; {ssl.OPENSSL_VERSION}")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
