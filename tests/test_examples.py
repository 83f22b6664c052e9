#!/usr/bin/env python3
"""Runs the examples as a user would: against each other, nc, and CPython's asynchat.

usage: test_examples.py FOLDER [PYTHON]    FOLDER has the programs; PYTHON is one that has asynchat
"""
import contextlib
import http.client
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/openssl")
sys.dont_write_bytecode = True
import certificates
FOLDER = os.path.abspath(sys.argv[1])
PYTHON = sys.argv[2] if len(sys.argv) > 2 else ""
TIMEOUT = 20  # seconds; reached only when something hangs
MIB = bytes(range(256)) * 4096
BIG = MIB[::-1]


class Skipped(Exception):
    pass


def program(name):
    return os.path.join(FOLDER, name)


def run(arguments, message=b""):
    """The result of a program for an input: its output, its error output, its status."""
    done = subprocess.run(arguments, input=message, capture_output=True, timeout=TIMEOUT)
    return done.stdout, done.stderr.decode(), done.returncode


def expect(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r:.300} instead of {wanted!r:.300}")


@contextlib.contextmanager
def started(arguments):
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def listening(name, *arguments, end=signal.SIGTERM):
    """Starts a server and gives its port and its process. At the end it must exit cleanly, whatever is connected."""
    with started([program(name), *arguments]) as process:
        line = process.stdout.readline().decode()
        port = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)
        if not port:
            raise AssertionError(f"{name} says {line!r}")
        yield int(port[1]), process
        process.send_signal(end)
        output, errors = process.communicate(timeout=TIMEOUT)
        expect((output, errors.decode(), process.returncode), (b"", "", 0))


@contextlib.contextmanager
def echo_server(end=signal.SIGTERM):
    with listening("echo_server", "0", end=end) as (port, _):
        yield port


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def connected(port):
    """Connects to a program that is about to listen."""
    for _ in range(TIMEOUT * 100):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), TIMEOUT)
        time.sleep(0.01)
    raise AssertionError("it does not listen")


@contextlib.contextmanager
def chat():
    """Connects to a server. At the end it must exit cleanly, and close the remaining connections."""
    port = free_port()
    with started([program("workers"), f"127.0.0.1:{port}"]) as process, contextlib.ExitStack() as peers:
        yield lambda: peers.enter_context(connected(port))
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=TIMEOUT)
        expect((output, errors.decode(), process.returncode), (b"", "", 0))


@contextlib.contextmanager
def asynchat_server(host):
    if not PYTHON:
        raise Skipped("no Python with asynchat")
    with started([PYTHON, HERE + "/echo_asynchat.py", "server", host]) as process:
        yield int(process.stdout.readline())


@contextlib.contextmanager
def answering(answer):
    """A server that answers its one client with `answer`, and closes."""
    def serve():
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(answer)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def talk(port, data):
    """Everything that the server sends back for `data` and the end of file."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: peer.recv(65536), b""))


def client(port, message, host="127.0.0.1"):
    return run([program("echo_client"), host, str(port)], message)


# --- echo ---

def by_party(transcript):
    """The lines of each side, in order."""
    blocks = re.split(rb"^(?=Echo)", transcript, flags=re.M)
    return sorted(blocks, key=lambda block: block.partition(b":")[0])


def echo_prints_the_transcript():
    """If two sides are ready, the order in which epoll reports them decides which is first."""
    with open(HERE + "/data/transcript.txt", "rb") as file:
        transcript = file.read()
    output, errors, status = run([program("echo")])
    said = re.sub(rb"(?<=127\.0\.0\.1', )\d+", b"PORT", output, count=1)
    if "EVENT_NOEPOLL" in os.environ or "EVENT_EPOLL_USE_CHANGELIST" in os.environ:
        said, transcript = by_party(said), by_party(transcript)
    expect((said, errors, status), (transcript, "", 0))


# --- echo_server and echo_client ---

def messages_of_every_size_come_back():
    with echo_server() as port:
        for message in (b"", b"x", b"hello\n", MIB, BIG):
            expect(client(port, message), (message, "", 0))


def several_clients_at_once():
    with echo_server() as port, socket.create_connection(("127.0.0.1", port)) as idle:
        idle.sendall(b"ECHO 10\nhalf")
        with ThreadPoolExecutor(8) as pool:
            messages = [b"%d" % i * 20000 for i in range(8)]
            results = pool.map(lambda message: client(port, message), messages)
            expect(list(results), [(message, "", 0) for message in messages])
        idle.sendall(b"..done")
        expect(idle.recv(100), b"half..done")


def a_client_whose_server_is_not_there():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        expect(client(nobody.getsockname()[1], b"x"), (b"", "echo_client: Connection refused\n", 1))


def a_client_whose_server_answers_something_else():
    with answering(b"hullo") as port:
        expect(client(port, b"hello"), (b"hullo", "echo_client: what came back is not the message\n", 1))
    with answering(b"hell") as port:
        expect(client(port, b"hello"), (b"hell", "echo_client: the peer ended the connection\n", 1))
    with answering(b"hello, too much") as port:
        expect(client(port, b"hello"), (b"hello", "", 0))
    with answering(b"x") as port:
        expect(client(port, b"")[2], 0)


def a_client_takes_names():
    with echo_server() as port:
        expect(client(port, b"hello", "localhost"), (b"hello", "", 0))


def a_client_with_a_message_too_long_is_told():
    with echo_server() as port:
        output, errors, status = client(port, MIB + b"x")
        expect((output, status), (b"bad command: more than 1048576 bytes\n", 1))


NO_ADDRESS = "not an address like 192.0.2.1:25, [2001:db8::1]:25 or unix:/run/x (host names are not looked up)"


ECHO_USAGE = "usage: echo_server [--tls CERT KEY] [--proxy-protocol[=NETWORK]] PORT\n"


def arguments_are_checked():
    usage = "usage: echo_client [--tls CA NAME] HOST PORT < message\n"
    for arguments in ([], ["1"], ["1", "2", "3"], ["--tls", "1", "2", "3"], ["1", "2", "3", "4", "5"]):
        expect(run([program("echo_client"), *arguments]), (b"", usage, 1))
    for host in ("::g", ""):
        expect(client(80, b"", host), (b"", "echo_client: %s\n" % NO_ADDRESS, 1))
    expect(run([program("echo_server")]), (b"", ECHO_USAGE, 1))
    expect(run([program("echo_server"), "--tls", "1", "2"]), (b"", ECHO_USAGE, 1))
    expect(run([program("echo_server"), "65536"]), (b"", "echo_server: 127.0.0.1:65536: %s\n" % NO_ADDRESS, 1))
    with echo_server() as port:
        expect(run([program("echo_server"), str(port)]),
               (b"", f"echo_server: 127.0.0.1:{port}: Address already in use\n", 1))


# --- echo_server and others ---

def commands_follow_each_other():
    with echo_server() as port:
        expect(talk(port, b"ECHO 2\nhiECHO 0\nECHO 3\r\n\n\r\nECHO 00000000001\r\nx"), b"hi\n\r\nx")
        expect(talk(port, b"ECHO 5\nhel"), b"")
        expect(talk(port, b""), b"")
        expect(talk(port, b"ECHO " + b"0" * 58 + b"1\nx"), b"x")


def a_bad_command_is_answered_and_ends_the_connection():
    bad, much, long = (b"bad command: " + text + b"\n" for text in
                       (b"not ECHO and a number", b"more than 1048576 bytes", b"more than 64 bytes"))
    answers = {
        b"": bad, b"\r": bad, b"ECHO": bad, b"ECHO ": bad, b"ECHO x": bad, b"ECHO 5x": bad, b"ECHO 5 ": bad,
        b"ECHO -1": bad, b"ECHO +1": bad, b"ECHO  1": bad, b"echo 1": bad, b"ECHO 1\0": bad, b"ECHO 1\r\r": bad,
        b"\xff\xfe": bad, b"x" * 64: bad, b"x" * 65: long, b"ECHO " + b"0" * 60: long, b"x" * 1000000: long,
        b"ECHO 1048577": much, b"ECHO 18446744073709551617": much, b"ECHO " + b"9" * 50: much,
    }
    with echo_server() as port:
        for command, answer in answers.items():
            expect(talk(port, b"ECHO 2\nhi" + command + b"\nECHO 1\nx"), b"hi" + answer)


def nc_gets_its_echo():
    if not shutil.which("nc") or "-N" not in run(["nc", "-h"])[1]:
        raise Skipped("no nc of OpenBSD's")
    with echo_server() as port:
        expect(run(["nc", "-N", "127.0.0.1", str(port)], b"ECHO 5\nhello"), (b"hello", "", 0))
        expect(run(["nc", "-N", "127.0.0.1", str(port)], b"ECHO 1048576\r\n" + MIB), (MIB, "", 0))


def it_ends_at_SIGINT_as_well():
    with echo_server(signal.SIGINT) as port:
        expect(talk(port, b"ECHO 2\nhi"), b"hi")


def it_ends_while_clients_are_connected():
    with contextlib.ExitStack() as peers:
        with echo_server() as port:
            for data in (b"", b"ECHO", b"ECHO 5\nhe", b"ECHO 1048576\n" + MIB + b"ECHO 1"):
                peer = peers.enter_context(socket.create_connection(("127.0.0.1", port), TIMEOUT))
                peer.sendall(data)
            peer.recv(1)


# --- workers ---

def received(peer, length):
    """Receives `length` bytes, or everything up to the end."""
    got = b""
    while len(got) < length:
        part = peer.recv(length - len(got))
        if not part:
            break
        got += part
    return got


def there(peer, name):
    """Waits until the client is in the room: then it gets its own line."""
    peer.sendall(name + b"\n")
    text = b""
    while name + b"\n" not in text:
        text += peer.recv(4096)


def a_line_reaches_the_clients_of_all_workers():
    with chat() as join:
        peers = [join() for _ in range(20)]
        for i, peer in enumerate(peers):
            there(peer, b"%d" % i)
        peers[3].sendall(b"hello, all\n")
        for i, peer in enumerate(peers):
            rest = b"".join(b"%d\n" % j for j in range(i + 1, 20)) + b"hello, all\n"
            expect(received(peer, len(rest)), rest)
        peers[4].close()
        peers[5].sendall(b"still\n")
        for peer in peers[:4] + peers[5:]:
            expect(received(peer, 6), b"still\n")


def a_chat_ends_cleanly_while_clients_are_talking():
    for _ in range(5):
        with chat() as join:
            peers = [join() for _ in range(8)]
            for peer in peers:
                there(peer, b"x")
                peer.sendall(b"on\n" * 10000)
        for peer in peers:
            peer.close()


def a_chat_says_why_it_cannot_be():
    expect(run([program("workers")]), (b"", "workers: Invalid argument\n", 1))
    expect(run([program("workers"), "192.0.2.1:0"]), (b"", "workers: Cannot assign requested address\n", 1))


# --- CPython's asynchat on the other side ---

def an_asynchat_client_gets_its_echo():
    if not PYTHON:
        raise Skipped("no Python with asynchat")
    with echo_server() as port:
        for message in (b"", b"x", MIB):
            command = [PYTHON, HERE + "/echo_asynchat.py", "client", "127.0.0.1", str(port)]
            expect(run(command, message), (message, "", 0))


def an_asynchat_server_serves_the_client():
    with asynchat_server("127.0.0.1") as port:
        for message in (b"", b"x", MIB):
            expect(client(port, message), (message, "", 0))


def an_asynchat_server_serves_the_client_over_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        raise Skipped("no ::1")
    with asynchat_server("::1") as port:
        expect(client(port, b"hello\n", "::1"), (b"hello\n", "", 0))


# --- all of them ---

def outcome(check):
    """Returns None, or the line to print and whether the test was only skipped."""
    try:
        check()
    except Skipped as reason:
        return f"skipped: {check.__name__}: {reason}", True
    except Exception as problem:  # a failure prints a line, and the other tests go on
        return f"failed: {check.__name__}: {type(problem).__name__}: {problem}", False
    return None


# --- proxy ---

def talk_over(path, data):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(TIMEOUT)
        peer.connect(path)
        sender = threading.Thread(target=lambda: (peer.sendall(data), peer.shutdown(socket.SHUT_WR)))
        sender.start()
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
        sender.join()
        return answer


def a_proxy_passes_everything_on_and_ends():
    with tempfile.TemporaryDirectory() as folder, echo_server() as port:
        path = os.path.join(folder, "socket")
        with started([program("proxy"), "unix:" + path, f"127.0.0.1:{port}"]) as process:
            for _ in range(TIMEOUT * 100):
                with contextlib.suppress(OSError):
                    expect(talk_over(path, b"ECHO 5\nhello"), b"hello")
                    break
                time.sleep(0.01)
            expect(talk_over(path, b"ECHO 1048576\n" + BIG + b"ECHO 2\nok"), BIG + b"ok")
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=TIMEOUT)
            expect((output, errors.decode(), process.returncode), (b"", "", 0))


LINE = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n"


def talk_from(host, port, data):
    """What a server answers to these bytes of a client with that address."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT, (host, 0)) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            return b"".join(iter(lambda: peer.recv(65536), b""))
        return b""


def a_server_behind_a_balancer_wants_headers():
    with listening("echo_server", "--proxy-protocol", "0") as (port, _):
        expect(talk_from("127.0.0.1", port, LINE + b"ECHO 2\nok"), b"ok")
        expect(talk_from("127.0.0.2", port, b"ECHO 2\nok"), b"")
    with listening("echo_server", "--proxy-protocol=127.0.0.2/32", "0") as (port, _):
        expect(talk_from("127.0.0.2", port, LINE + b"ECHO 2\nok"), b"ok")
        expect(talk_from("127.0.0.2", port, b"ECHO 2\nok"), b"")
        expect(talk_from("127.0.0.1", port, b"ECHO 2\nok"), b"ok")  # a monitor on this machine
        expect(talk_from("127.0.0.1", port, LINE), b"bad command: not ECHO and a number\n")


@contextlib.contextmanager
def proxied(*arguments, host="127.0.0.1"):
    """A proxy in front of a listening socket: gives the socket, and the port of the proxy."""
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(TIMEOUT)
        with started([program("proxy"), *arguments, f"127.0.0.1:{port}", f"{host}:{server.getsockname()[1]}"]) as process:
            connected(port).close()
            server.accept()[0].close()
            yield server, port
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=TIMEOUT)
            expect(process.returncode, 0)


def a_proxy_tells_whom_a_connection_is_from():
    """Each client has a connection of its own to the server, with its own address in front."""
    begin = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
    for version in "1", "2":
        with proxied("--proxy-protocol", version) as (server, port):
            for number in range(30):
                host = f"127.0.0.{2 + number % 3}"
                with socket.create_connection(("127.0.0.1", port), TIMEOUT, (host, 0)) as client:
                    client.sendall(b"hello")
                    mine = client.getsockname()[1]
                    peer, _ = server.accept()
                    with peer:
                        if version == "1":
                            header = f"PROXY TCP4 {host} 127.0.0.1 {mine} {port}\r\n".encode()
                        else:
                            header = begin + socket.inet_aton(host) + socket.inet_aton("127.0.0.1")
                            header += mine.to_bytes(2, "big") + port.to_bytes(2, "big")
                        peer.settimeout(TIMEOUT)
                        got = b""
                        while len(got) < len(header) + 5:
                            got += peer.recv(4096)
                        expect(got, header + b"hello")


def a_proxy_takes_names():
    """A header comes in front of everything then, too."""
    for arguments, header in ((), b""), (("--proxy-protocol", "1"), b"PROXY TCP4 127.0.0.1 127.0.0.1 "):
        with proxied(*arguments, host="localhost") as (server, port):
            with connected(port) as client, server.accept()[0] as peer:
                client.sendall(b"hello")
                client.shutdown(socket.SHUT_WR)
                peer.settimeout(TIMEOUT)
                got = b"".join(iter(lambda: peer.recv(4096), b""))
                expect((got[:len(header)], got[-5:]), (header, b"hello"))
                peer.sendall(b"bye")
                peer.close()
                client.settimeout(TIMEOUT)
                expect(b"".join(iter(lambda: client.recv(4096), b"")), b"bye")


def a_proxy_gives_up_half_of_a_connection_that_is_silent():
    with proxied("--silence", "1") as (server, port):
        with connected(port) as client, server.accept()[0] as peer:
            client.sendall(b"hello")
            client.shutdown(socket.SHUT_WR)
            peer.settimeout(TIMEOUT)
            expect(b"".join(iter(lambda: peer.recv(4096), b"")), b"hello")
            for _ in range(4):  # something moves
                peer.sendall(b"x")
                expect(client.recv(1), b"x")
                time.sleep(0.4)
            client.settimeout(TIMEOUT)
            with contextlib.suppress(ConnectionResetError):  # this was no orderly end
                expect(client.recv(1), b"")


# --- split ---

def messages_become_lines_without_an_event_library():
    expect(run([program("split"), r"\r\n"], b"a\r\n\r\nb\rc\r\nd\r"), (b"a\n\nb\rc\nd\r\n", "", 0))
    expect(run([program("split"), "--"], b"-" * 9), (4 * b"\n" + b"-\n", "", 0))
    expect(run([program("split"), ""], BIG), (BIG + b"\n", "", 0))
    expect(run([program("split")]), (b"", "usage: split TERMINATOR\n", 2))
    libraries, _, status = run(["ldd", program("split")])
    if status == 0 and b"event" in libraries:
        raise AssertionError(f"split needs an event library: {libraries!r}")


# --- TLS ---

class Files:
    """An authority, and a server's certificate and key, which can be renewed."""

    def __init__(self, folder):
        self.authority = certificates.Authority(folder)
        self.trust = self.authority.certificate
        self.certificate, self.key = self.authority.issue("server")
        self.context = ssl.create_default_context(cafile=self.trust)

    def renew(self):
        self.authority.issue("server")

    def spoil(self):
        with open(self.certificate, "w") as file:
            file.write("this is no certificate\n")

    def connect(self, port):
        plain = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        return self.context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)

    def serial(self, port):
        with self.connect(port) as peer:
            return peer.getpeercert()["serialNumber"]


@contextlib.contextmanager
def tls_files():
    if not os.path.exists(program("starttls")) or not certificates.can_be_made():
        raise Skipped("no libasynchat-openssl, or no openssl")
    with tempfile.TemporaryDirectory() as folder:
        yield Files(folder)


def until(condition):
    for _ in range(TIMEOUT * 50):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it does not happen")


def renewed_at_SIGHUP(files, port, process, name):
    """A new certificate holds from the next connection on; one that is not good changes nothing."""
    first = files.serial(port)
    files.renew()
    expect(files.serial(port), first)
    process.send_signal(signal.SIGHUP)
    until(lambda: files.serial(port) != first)
    second = files.serial(port)
    files.spoil()
    process.send_signal(signal.SIGHUP)
    said = process.stderr.readline().decode()
    if not said.startswith(f"{name}: TLS: the old certificate stays: {files.certificate}: "):
        raise AssertionError(f"it says {said!r}")
    expect(files.serial(port), second)


def tls_behind(peer, context, header, cut):
    """Shakes hands behind a header, which comes with the first words in two pieces, and has one message echoed."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")

    def wait_for(step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                words = header.pop() + outgoing.read() if header else outgoing.read()
                peer.sendall(words[:cut])
                time.sleep(0.002)
                peer.sendall(words[cut:])
                incoming.write(peer.recv(65536))
    wait_for(tls.do_handshake)
    tls.write(b"ECHO 2\nok")
    return wait_for(lambda: tls.read(2))


def tls_comes_behind_a_header():
    with tls_files() as files, listening("echo_server", "--tls", files.certificate, files.key, "--proxy-protocol",
                                         "0") as (port, _):
        for cut in (0, 1, len(LINE) - 1, len(LINE), len(LINE) + 1, len(LINE) + 5, len(LINE) + 100, 10000):
            with socket.create_connection(("127.0.0.1", port), TIMEOUT) as peer:
                expect(tls_behind(peer, files.context, [LINE], cut), b"ok")


def an_echo_over_tls():
    with tls_files() as files, listening("echo_server", "--tls", files.certificate, files.key, "0") as (port, process):
        with files.connect(port) as old:
            old.sendall(b"ECHO 10\nhalf")
            renewed_at_SIGHUP(files, port, process, "echo_server")
            old.sendall(b"..done")
            expect(received(old, 10), b"half..done")
            expect(received(old.unwrap(), 1), b"")
        for message in (b"", b"hello\n", BIG):
            expect(run([program("echo_client"), "--tls", files.trust, "localhost", "127.0.0.1", str(port)], message),
                   (message, "", 0))
        for name, why in ((b"b.example", "certificate verify failed: hostname mismatch"), (b"", "not the name")):
            output, errors, status = run([program("echo_client"), "--tls", files.trust, name, "127.0.0.1", str(port)])
            expect((output, errors.startswith("echo_client: " + why), status), (b"", True, 1))
        expect(talk(port, b"ECHO 2\nhi")[:2] != b"hi", True)


def a_web_server_over_tls():
    with tls_files() as files, tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "big"), "wb") as file:
            file.write(BIG)
        with listening("httpd", "--tls", files.certificate, files.key, folder) as (port, process):
            for nonsense in (b"", b"\x16", b"GET / HTTP/1.0\r\n\r\n"):
                talk(port, nonsense)
            web = http.client.HTTPSConnection("localhost", port, timeout=TIMEOUT, context=files.context)
            for _ in range(2):
                web.request("GET", "/big")
                expect(web.getresponse().read(), BIG)
            renewed_at_SIGHUP(files, port, process, "httpd")
            web.request("POST", "/echo", body=BIG)
            expect(web.getresponse().read(), BIG)
            web.request("GET", "/echo", headers={"Connection": "Upgrade", "Upgrade": "echo"})
            answer = web.getresponse()
            expect((answer.status, answer.read()), (405, b"405 Method Not Allowed\n"))
            web.close()
            if shutil.which("curl"):
                expect(run(["curl", "-sS", "--noproxy", "*", "--cacert", files.trust, f"https://localhost:{port}/big"]), (BIG, "", 0))


def mail_over_starttls():
    with tls_files() as files:
        port = free_port()
        with started([program("starttls"), str(port), files.certificate, files.key]):
            connected(port).close()
            with contextlib.closing(smtplib.SMTP("127.0.0.1", port, timeout=TIMEOUT)) as mail:
                mail._host = "localhost"  # the name that the certificate is for
                expect(mail.docmd("NOOP"), (250, b"for all to read: NOOP"))
                expect(mail.starttls(context=files.context)[0], 220)
                expect(mail.has_extn("starttls"), False)
                expect(mail.docmd("NOOP"), (250, b"between us: NOOP"))


CHECKS = [
    an_echo_over_tls,
    a_web_server_over_tls,
    mail_over_starttls,
    messages_become_lines_without_an_event_library,
    a_proxy_passes_everything_on_and_ends,
    a_server_behind_a_balancer_wants_headers,
    tls_comes_behind_a_header,
    a_proxy_tells_whom_a_connection_is_from,
    a_proxy_takes_names,
    a_proxy_gives_up_half_of_a_connection_that_is_silent,
    an_asynchat_client_gets_its_echo,
    an_asynchat_server_serves_the_client,
    an_asynchat_server_serves_the_client_over_ipv6,
    messages_of_every_size_come_back,
    several_clients_at_once,
    a_client_whose_server_is_not_there,
    a_client_whose_server_answers_something_else,
    a_client_with_a_message_too_long_is_told,
    arguments_are_checked,
    commands_follow_each_other,
    a_bad_command_is_answered_and_ends_the_connection,
    nc_gets_its_echo,
    it_ends_at_SIGINT_as_well,
    it_ends_while_clients_are_connected,
    a_line_reaches_the_clients_of_all_workers,
    a_chat_ends_cleanly_while_clients_are_talking,
    a_chat_says_why_it_cannot_be,
] + int(os.environ.get("ECHO_RUNS", 100)) * [echo_prints_the_transcript]

with ThreadPoolExecutor(4) as pool:
    outcomes = [line for line in pool.map(outcome, CHECKS) if line]
for line, _ in outcomes:
    print(line)
skipped = sum(only for _, only in outcomes)
failed = len(outcomes) - skipped
print(f"examples: {len(CHECKS)} checks, {failed} failed, {skipped} skipped")
sys.exit(1 if failed else 0)
