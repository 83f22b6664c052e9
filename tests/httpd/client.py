"""A client that sends given bytes, and reads answers strictly: for test_httpd.py.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import ring

TIMEOUT = int(os.environ.get("HTTPD_TIMEOUT", 30))  # seconds; reached only when something hangs
RING = "HTTPD_RING" in os.environ  # the server works by io_uring


@contextlib.contextmanager
def serving(program, folder, *options, end=signal.SIGTERM, env=None):
    """Starts a server. Gives its port, its output, and its process. At the end the server must exit cleanly, whatever
    is still connected. With `end` None it was told to end before."""
    process = subprocess.Popen([program, *["--io-uring"] * RING, *options, folder], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=env)
    try:
        first = process.stdout.readline().decode()
        port = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", first)
        if not port:
            raise AssertionError(first + process.stderr.read().decode())
        if RING and ring.calls(process) is None:
            raise AssertionError("the server has no ring")
        said = []
        yield int(port[1]), said, process
        if end:
            process.send_signal(end)
        out, errors = process.communicate(timeout=TIMEOUT)
        said.append(out.decode())
        if (errors, process.returncode) != (b"", 0):
            raise AssertionError(f"the server ended with {process.returncode}: {errors.decode()}")
    finally:
        process.kill()
        process.communicate()


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def same(self):
        """The parts of an answer that must be the same for the same request."""
        return self.status, {k: v for k, v in self.fields.items() if k != "date"}, self.body

    def __repr__(self):
        return f"{self.status} {self.fields} {self.body[:60]!r}"


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def more(self):
        data = self.socket.recv(1 << 20)
        self.got += data
        return bool(data)

    def take(self, size):
        while len(self.got) < size:
            if not self.more():
                raise AssertionError(f"the connection ended after {self.got!r:.200}")
        data, self.got = self.got[:size], self.got[size:]
        return data

    def ended(self):
        """Whether nothing comes but the end."""
        return not self.got and not self.more()

    def answer(self, method="GET"):
        """Reads one answer: its head strictly, its body by the length."""
        while b"\r\n\r\n" not in self.got:
            if not self.more():
                raise AssertionError(f"the connection ended after {self.got!r:.200}")
        head = self.take(self.got.index(b"\r\n\r\n") + 4).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        status = re.fullmatch(r"HTTP/1\.1 (\d{3}) [ -~]+", first)
        fields = [re.fullmatch(r"([!-9;-~]+): ([ -~]*)", line) for line in lines]
        if not status or not all(fields):
            raise AssertionError(f"no proper head: {head!r:.300}")
        fields = {name.lower(): value for name, value in (field.groups() for field in fields)}
        if len(fields) != len(lines):
            raise AssertionError(f"a field is there twice: {head!r:.300}")
        status = int(status[1])
        has_body = method != "HEAD" and status >= 200 and status not in (204, 304)
        return Answer(status, fields, self.take(int(fields["content-length"])) if has_body else b"")

    def end(self):
        self.socket.shutdown(socket.SHUT_WR)


def whole(_, request):
    return [request]


def byte_by_byte(_, request):
    """The server reads it a byte at a time, by the option with which it was started."""
    return [request]


def random_pieces(random, request):
    pieces, at = [], 0
    while at < len(request):
        size = random.choice((1, 2, 3, 10, 100, 1000, 20000))
        pieces.append(request[at:at + size])
        at += size
    return pieces


# How a request is cut, and the server's options for that.
CUTS = {whole: [], byte_by_byte: ["--read", "1"], random_pieces: ["--read", "1000"]}


def usable(cut, request):
    """Sends byte by byte only if the request is not mostly filling."""
    return cut is not byte_by_byte or len(request) < 100000


def send(connection, pieces):
    """A server that has refused may end before everything is sent."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for piece in pieces:
            connection.socket.sendall(piece)


def make_folder(folder):
    """Makes the files that the tests ask for, and others beside them."""
    www = os.path.join(folder, "www")
    os.makedirs(www + "/sub/deep")
    os.makedirs(www + "/<b>&\"'")
    files = {"hello.txt": b"hello, world\n", "empty": b"", "page.html": b"<p>page\n", "sub/a b%.txt": b"odd\n",
             "sub/x": b"x" * 1000, "sub/deep/y": b"y\n", "32k": bytes(range(256)) * 128,
             "32k+1": bytes(range(256)) * 128 + b"!", "large": bytes(i * i % 251 for i in range(251)) * 8000,
             "../secret": b"secret\n"}
    for name, content in files.items():
        with open(os.path.join(www, name), "wb") as file:
            file.write(content)
    os.utime(www + "/hello.txt", (784111777, 784111777))  # Sun, 06 Nov 1994 08:49:37 GMT
    os.symlink("../secret", www + "/out")
    os.symlink("/etc", www + "/etc")
    os.symlink("/proc/self/root/etc", www + "/magic")
    os.symlink("hello.txt", www + "/in")
    os.symlink("loop", www + "/loop")
    os.mkfifo(www + "/pipe")
    return www, files
