#!/usr/bin/env python3
"""PROXY headers with HAProxy and nginx, which send them to our server, and get them from our client: over TCP, IPv6 and
Unix sockets, with TLS behind them, and for checks.

usage: judges.py JUDGE PROXY [SECONDS]    JUDGE is the program of judge.c, PROXY the example; checks last SECONDS

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/../openssl")
import certificates

JUDGE, PROXY = (os.path.abspath(path) for path in sys.argv[1:3])
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 3
MANY = 1000  # connections through each receiver, with each version
TIMEOUT = 20  # seconds; reached only when something hangs
MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
checks = 0


def expect(got, wanted, what):
    global checks
    checks += 1
    if got != wanted:
        raise AssertionError(f"{what}: {got!r:.400} instead of {wanted!r:.400}")


# --- programs ---

class Judge:
    """Our server. `said` is what it logs."""

    def __init__(self, stack, address, *tls):
        self.process = subprocess.Popen([JUDGE, address, *tls], stdout=subprocess.PIPE, text=True)
        stack.callback(self.end)
        first = self.process.stdout.readline()
        if not first.startswith("listening on "):
            raise AssertionError(f"the judge says {first!r}")
        self.address = first.removeprefix("listening on ").strip()
        self.said = []
        threading.Thread(target=lambda: self.said.extend(self.process.stdout), daemon=True).start()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(TIMEOUT):
            raise AssertionError(f"the judge at {self.address} ends with {self.process.returncode}")


def start(stack, log, *command):
    output = stack.enter_context(open(log, "w"))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def end():
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    stack.callback(end)
    return process


ports = set()


def free_port():
    """A port that is free for both families, and was not given before."""
    while True:
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as free:
            port = free.getsockname()[1]
        if port not in ports:
            ports.add(port)
            return port


# --- clients ---

def dial(where, own=None):
    """Connects to "unix:PATH", "[::1]:PORT" or "HOST:PORT", and waits until somebody listens."""
    for _ in range(TIMEOUT * 100):
        try:
            if where.startswith("unix:"):
                peer = socket.socket(socket.AF_UNIX)
                peer.settimeout(TIMEOUT)
                peer.connect(where.removeprefix("unix:"))
                return peer
            host, port = where.rsplit(":", 1)
            return socket.create_connection((host.strip("[]"), int(port)), TIMEOUT, (own, 0) if own else None)
        except (ConnectionRefusedError, FileNotFoundError):
            time.sleep(0.01)
    raise AssertionError(f"nobody listens at {where}")


def read_line(peer):
    line = b""
    while not line.endswith(b"\n"):
        part = peer.recv(4096)
        if not part:
            break
        line += part
    return line.decode(errors="replace")


def fields(line):
    return dict(re.findall(r"(\w+)=(\S+)", line))


def name_of(peer):
    """The client's own address, as our server writes it; None: it has none."""
    if peer.family == socket.AF_UNIX:
        return None
    host, port = peer.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ask(peer, line="who"):
    peer.sendall(line.encode() + b"\n")
    return read_line(peer)


def check_told(where, what, own=None, version=None, wrap=None):
    """Whoever is at `where` passes a connection on to our server, which hears who it is."""
    with dial(where, own) as plain:
        mine = name_of(plain)
        with wrap(plain) if wrap else contextlib.nullcontext(plain) as peer:
            said = fields(ask(peer))
    expect(said.get("local"), "0" if mine else "1", what)
    if mine:
        expect(said.get("peer"), mine, what)
    if version:
        expect(said.get("version"), version, what)
    return said


# --- the balancers ---

class World:
    def __init__(self, stack, folder):
        self.stack, self.folder = stack, folder
        authority = certificates.Authority(folder)
        self.trust = authority.certificate
        certificate, key = authority.issue("server")
        client = authority.issue("client")
        self.both, self.client = folder + "/both.pem", client
        with open(self.both, "w") as both:
            both.write(open(certificate).read() + open(key).read())
        self.context = ssl.create_default_context(cafile=self.trust)
        self.tcp = Judge(stack, "127.0.0.1:0")
        self.six = Judge(stack, "[::1]:0")
        self.unix = Judge(stack, f"unix:{folder}/judge")
        self.tls = Judge(stack, "127.0.0.1:0", certificate, key, self.trust)
        self.checked = Judge(stack, "127.0.0.1:0")
        self.checked_tls = Judge(stack, "127.0.0.1:0", certificate, key, self.trust)
        self.judges = {"TCP": self.tcp, "IPv6": self.six, "Unix": self.unix}
        self.listening = {}  # (who, what): the ways to it

    def ways(self, key):
        port, path = free_port(), f"{self.folder}/{len(self.listening)}"
        self.listening[key] = [f"127.0.0.1:{port}", f"[::1]:{port}", f"unix:{path}"]
        return port, path


def haproxy_address(address):
    return address.replace("unix:", "unix@").replace("[::1]", "ipv6@::1")


def haproxy_listen(w, key, server, options="", more=""):
    port, path = w.ways(("haproxy", key))
    w.haproxy += f"""
listen {re.sub(r"[^a-z0-9]+", "_", str(key).lower())}
    bind 127.0.0.1:{port} {options}
    bind ipv6@::1:{port} {options}
    bind unix@{path} {options}
    {more}
    server judge {server}
"""


SENDING = {"version 1": "send-proxy", "version 2": "send-proxy-v2",
           "version 2, more": "send-proxy-v2 proxy-v2-options crc32c,unique-id"}


def start_haproxy(w):
    w.haproxy = f"""
global
    stats socket {w.folder}/stats
defaults
    mode tcp
    timeout connect 5s
    timeout client 10s
    timeout server 10s
"""
    for how, option in SENDING.items():
        for judge, server in w.judges.items():
            haproxy_listen(w, (how, judge), f"{haproxy_address(server.address)} {option}",
                           more='unique-id-format id%pid%rt' if "unique" in option else "")
    haproxy_listen(w, "through", f"{w.tls.address} send-proxy-v2")
    haproxy_listen(w, "ends TLS", f"{w.tcp.address} send-proxy-v2-ssl-cn proxy-v2-options authority,crc32c",
                   f"ssl crt {w.both} alpn x,y ca-file {w.trust} verify optional")
    haproxy_listen(w, "receives", f"{w.tcp.address} send-proxy-v2", "accept-proxy")
    haproxy_listen(w, "receives TLS", f"{w.tcp.address} send-proxy-v2", f"accept-proxy ssl crt {w.both}")
    w.haproxy += f"""
backend checks
    server one {w.checked.address} check inter 100ms send-proxy
    server two {w.checked.address} check inter 100ms send-proxy-v2
    server three {w.checked.address} check inter 100ms
    server four {w.checked_tls.address} check inter 100ms send-proxy-v2 check-ssl verify none
"""
    with open(w.folder + "/haproxy.cfg", "w") as file:
        file.write(w.haproxy)
    w.haproxy_process = start(w.stack, w.folder + "/haproxy.log", "haproxy", "-db", "-f", w.folder + "/haproxy.cfg")


def nginx_listen(w, key, server, options="", more=""):
    port, path = w.ways(("nginx", key))
    w.nginx += f"""
    server {{
        listen 127.0.0.1:{port} {options}; listen [::1]:{port} {options}; listen unix:{path} {options};
        proxy_pass {server}; proxy_protocol on; {more}
    }}
"""


def start_nginx(w):
    w.nginx = f"""
load_module {MODULE};
user root; daemon off; pid {w.folder}/nginx.pid; error_log {w.folder}/nginx.error;
events {{ }}
stream {{"""
    real = "set_real_ip_from 127.0.0.0/8; set_real_ip_from ::1; set_real_ip_from unix:;"
    for judge, server in w.judges.items():
        nginx_listen(w, ("version 1", judge), server.address)
    nginx_listen(w, "through", w.tls.address)
    nginx_listen(w, "receives", w.tcp.address, "proxy_protocol", real)
    # nginx 1.22 would tell of its own path as if it were an address
    w.listening["nginx", "receives"].pop()
    w.nginx += "}\n"
    with open(w.folder + "/nginx.conf", "w") as file:
        file.write(w.nginx)
    w.nginx_process = start(w.stack, w.folder + "/nginx.log", "nginx", "-p", w.folder, "-c", w.folder + "/nginx.conf")


# --- what is checked ---

def headers_come(w):
    """From each balancer, in each way."""
    for (who, key), ways in w.listening.items():
        if isinstance(key, tuple):
            for way in ways:
                said = check_told(way, f"{who} {key} from {way}", version="1" if "1" in key[0] else "2")
                if "more" in key[0] and not way.startswith("unix:"):
                    expect((said["id"][:2], said["tlvs"]), ("id", "1"), who)


def nginx_tells_of_two_families(w):
    for address in "127.0.0.1", "::ffff:127.0.0.1":
        with dial(w.listening["nginx", "receives"][0]) as peer:
            peer.sendall(f"PROXY TCP6 2001:db8::1 {address} 5555 22012\r\n".encode())
            expect(fields(ask(peer))["peer"], "[2001:db8::1]:5555", "nginx, mixed")


def tls_goes_through(w):
    def wrap(plain):
        return w.context.wrap_socket(plain, server_hostname="localhost")
    for who in "haproxy", "nginx":
        for way in w.listening[who, "through"]:
            check_told(way, f"TLS through {who} from {way}", wrap=wrap)


def balancers_tell_of_tls(w):
    context = ssl.create_default_context(cafile=w.trust)
    context.load_cert_chain(*w.client)
    context.set_alpn_protocols(["y"])
    said = check_told(w.listening["haproxy", "ends TLS"][0], "HAProxy's TLS", version="2",
                      wrap=lambda plain: context.wrap_socket(plain, server_hostname="localhost"))
    expect([said.get(key) for key in ("alpn", "authority", "tls", "name", "ssl", "verified")],
           ["y", "localhost", "TLSv1.3", "client", "7", "1"], "what HAProxy tells of TLS")


def headers_are_taken(w):
    """Each receiver takes each header, and understands it."""
    for who in "haproxy", "nginx":
        for version in "1", "2":
            for to in w.listening[who, "receives"]:
                port = free_port()
                for own in f"127.0.0.1:{port}", f"[::1]:{port}", f"unix:{w.folder}/own":
                    with contextlib.ExitStack() as stack:
                        start(stack, w.folder + "/proxy.log", PROXY, "--proxy-protocol", version, own, to)
                        what = f"version {version} of {own} to {who} at {to}"
                        with dial(own) as peer:
                            mine, said = name_of(peer), fields(ask(peer))
                        if mine:
                            expect(said.get("peer"), mine, what)
                        else:
                            expect("peer" in said, True, what)


def many_are_taken(w):
    for who in "haproxy", "nginx":
        for version in "1", "2":
            own, taken = f"127.0.0.1:{free_port()}", 0
            with contextlib.ExitStack() as stack:
                start(stack, w.folder + "/proxy.log", PROXY, "--proxy-protocol", version, own,
                      w.listening[who, "receives"][0])
                for number in range(MANY):
                    with dial(own, f"127.0.0.{2 + number % 3}") as peer:
                        taken += fields(ask(peer)).get("peer") == name_of(peer)
            expect(taken, MANY, f"version {version} to {who}")


def a_header_that_came_is_told(w):
    lines = {"PROXY TCP6 2001:db8::1 127.0.0.1 5555 22012": "[2001:db8::1]:5555",
             "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 1 2": "192.0.2.7:1",
             "PROXY TCP4 192.0.2.7 192.0.2.1 1 2": "192.0.2.7:1"}
    for who in "haproxy", "nginx":
        for line, peer in lines.items():
            for version in "1", "2":
                for to in w.listening[who, "receives"]:
                    with dial(w.tcp.address) as client:
                        said = ask(client, f"{line}\r\ntell {version} {to}")
                        expect(fields(said).get("peer"), peer, f"{line} to {who}, version {version}: {said}")


def tls_comes_behind_a_header(w):
    for version in "1", "2":
        with dial(w.tls.address) as plain:
            plain.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n")
            with w.context.wrap_socket(plain, server_hostname="localhost") as peer:
                said = ask(peer, f"tell-tls {version} {w.listening['haproxy', 'receives TLS'][0]}")
                expect(fields(said).get("peer"), "192.0.2.7:1", f"TLS behind version {version}: {said}")


def checks_are_quiet(w):
    """A check each 100 ms, with each kind of header and without: the servers are up, and nothing is logged."""
    time.sleep(SECONDS)
    with dial(f"unix:{w.folder}/stats") as peer:
        peer.sendall(b"show servers state checks\n")
        state = b"".join(iter(lambda: peer.recv(65536), b"")).decode()
    up = [row.split()[5] for row in state.splitlines() if " checks " in row and not row.startswith("#")]
    expect(up, ["2"] * 4, "the servers that are up: " + state)
    expect(w.checked.said + w.checked_tls.said, [], "what is logged of checks")


def main():
    with contextlib.ExitStack() as stack:
        w = World(stack, stack.enter_context(tempfile.TemporaryDirectory()))
        start_haproxy(w)
        start_nginx(w)
        begin = time.monotonic()
        try:
            for test in (headers_come, nginx_tells_of_two_families, tls_goes_through, balancers_tell_of_tls,
                         headers_are_taken, many_are_taken, a_header_that_came_is_told, tls_comes_behind_a_header,
                         checks_are_quiet):
                test(w)
            expect([line for judge in (w.tcp, w.six, w.unix) for line in judge.said], [], "what is logged")
        except (AssertionError, OSError) as error:
            logs = [open(w.folder + name).read()[-2000:] for name in ("/haproxy.log", "/nginx.log", "/nginx.error")]
            sys.exit(f"FAILED: {test.__name__}: {error}\n" + "\n".join(logs))
        print(f"{checks} checks with HAProxy and nginx, {4 * MANY} headers to them in {time.monotonic() - begin:.1f} s")


main()
