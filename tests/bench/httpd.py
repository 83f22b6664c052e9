"""Compares the example httpd with nginx and evhttp, under wrk: called by tests/bench/run.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

import table
from running import CORES, Failure, cpu_ns, end, free_port, start

OUT = os.environ["BENCH_OUT"]
NGINX = os.environ["BENCH_NGINX"]
RUNS = int(os.environ.get("RUNS", "9"))
SECONDS = 1  # seconds of load for each server in a round
FOLDER = OUT + "/www"
CONNECTIONS = 50
FILES = {"1k": 1024, "1m": 1 << 20}

# title, path; the largest CPU time for a request, as a ratio to nginx and to evhttp; the least rate, as a ratio to
# nginx
WORKLOADS = [
    ("13 bytes from memory", "/hello", 1.0, 0.6, None),
    ("a file of 1 KiB", "/1k", 1.0, 0.6, None),
    ("a file of 1 MiB", "/1m", None, None, 1.0),
]

# No master: a single process, which ends with this one.
NGINX_CONFIG = """
master_process off; daemon off; pid %(prefix)s/pid; error_log stderr warn;
events { worker_connections 1024; }
http {
    access_log off; sendfile on; keepalive_requests 2000000000;
    client_body_temp_path %(prefix)s/t; proxy_temp_path %(prefix)s/t; fastcgi_temp_path %(prefix)s/t;
    uwsgi_temp_path %(prefix)s/t; scgi_temp_path %(prefix)s/t;
    default_type application/octet-stream;
    server {
        listen 127.0.0.1:%(port)d;
        root %(folder)s;
        location = /hello { default_type text/plain; return 200 "Hello, World!"; }
    }
}
"""


def nginx_command(port):
    prefix = OUT + "/nginx-prefix"
    os.makedirs(prefix, exist_ok=True)
    with open(prefix + "/nginx.conf", "w") as file:
        file.write(NGINX_CONFIG % {"prefix": prefix, "port": port, "folder": FOLDER})
    return [NGINX, "-p", prefix, "-c", prefix + "/nginx.conf", "-e", "stderr"]


COMMANDS = {
    "nginx": nginx_command,
    "evhttp": lambda port: [OUT + "/evhttp", str(port), FOLDER],
    "httpd": lambda port: [OUT + "/library/examples/httpd", "--port", str(port), FOLDER],
    "on a ring": lambda port: [OUT + "/library/examples/httpd", "--port", str(port), "--io-uring", FOLDER],
}


class Server:
    def __init__(self, name):
        self.name = name
        self.port = free_port()
        self.process = start(COMMANDS[name](self.port), CORES[0], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.01)
        raise Failure(f"{name}: it does not listen")

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path):
        with urllib.request.urlopen(self.url(path), timeout=20) as answer:
            return answer.status, answer.headers["Content-Length"], answer.headers["Content-Type"], answer.read()

    def sample(self, path):
        """A slice of load. Every answer must be good."""
        before = cpu_ns(self.process)
        wrk = start(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", self.url(path)], CORES[-1], text=True,
                    stdout=subprocess.PIPE)
        said = wrk.communicate(timeout=60)[0]
        cpu = cpu_ns(self.process) - before
        count = re.search(r"(\d+) requests in", said)
        if not count or re.search("Non-2xx|Socket errors", said):
            raise Failure(f"{self.name}: {said}")
        return {"figure": cpu / int(count[1]), "rate": float(re.search(r"Requests/sec: *([\d.]+)", said)[1])}


def same_answers(servers, path):
    answers = [server.get(path) for server in servers]
    if any(answer != answers[0] for answer in answers) or answers[0][0] != 200:
        raise Failure(f"{path}: they do not answer the same: {[answer[:3] for answer in answers]}")


def measure(servers, path):
    rounds = {server.name: [] for server in servers}
    for number in range(-1, RUNS):
        first = number % len(servers)
        for server in servers[first:] + servers[:first]:
            one = server.sample(path)
            if number >= 0:  # the first round only warms up
                rounds[server.name].append(one)
    return rounds


def verdict(what, ratio, bar, most):
    good = ratio["median"] <= bar if most else ratio["median"] >= bar
    print(f"{what:28}{table.ratio_text(ratio):34} {'at most' if most else 'at least'} {bar}: {'yes' if good else 'NO'}")
    return good


def show(workload, rounds):
    title, _, to_nginx, to_evhttp, rate = workload
    print(f"\n{title}: CPU µs for a request, and requests/s")
    for name, samples in rounds.items():
        cpu, speed = table.spread([s["figure"] / 1000 for s in samples]), table.spread([s["rate"] for s in samples])
        print(f"{name:10}{cpu['median']:9.2f} ({cpu['least']:.2f} to {cpu['most']:.2f}){speed['median']:12.0f}")
    good = True
    for what, name, to, key, bar, most in (("CPU to nginx", "httpd", "nginx", "figure", to_nginx, True),
                                           ("CPU to evhttp", "httpd", "evhttp", "figure", to_evhttp, True),
                                           ("rate to nginx", "httpd", "nginx", "rate", rate, False),
                                           ("CPU on a ring to nginx", "on a ring", "nginx", "figure", None, True)):
        ratio = table.ratios(rounds, name, to, key)
        if bar is None:
            print(f"{what:28}{table.ratio_text(ratio)}")
        else:
            good = verdict(what, ratio, bar, most) and good
    return good


def make_files():
    os.makedirs(FOLDER, exist_ok=True)
    for name, size in FILES.items():
        with open(os.path.join(FOLDER, name), "wb") as file:
            file.write(bytes(i * 7 % 251 for i in range(size)))


def main():
    make_files()
    servers = []
    good = True
    try:
        for name in COMMANDS:
            servers.append(Server(name))
        print(f"{RUNS} rounds in turns of {SECONDS} s, wrk -t1 -c{CONNECTIONS}. Of a ratio: median (least, quartiles, most).")
        for workload in WORKLOADS:
            same_answers(servers, workload[1])
            good = show(workload, measure(servers, workload[1])) and good
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
    finally:
        for server in servers:
            end(server.process)
    return 0 if good else 1


sys.exit(main())
