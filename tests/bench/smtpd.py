#!/usr/bin/env python3
"""Compares examples/smtpd with Postfix's smtp-sink, under smtp-source, and with aiosmtpd; called by tests/bench/run.

usage: smtpd.py SMTPD PEERS JSON    PEERS has Postfix and aiosmtpd, unpacked; JSON is a file to write to, or empty

A figure is the CPU time of the server for each mail of 1 kB, as the kernel accounts for it. Both servers are pinned to
one core and the load to another. The servers take turns, and each ratio is within one round.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import json
import os
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time

import table
from running import CORES, Failure, cpu_ns, end, free_port, start

RUNS = int(os.environ.get("RUNS", "9"))
MAILS = 5000
SECURE = 100  # of these, each on a connection of its own with STARTTLS
LARGE, LARGE_MAILS = 50 << 20, 100
AIOSMTPD = """
import asyncio, ssl, sys
from aiosmtpd.smtp import SMTP
class Handler:
    async def handle_DATA(self, server, session, envelope):
        return '250 ok'
async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), tls_context=context, loop=loop), '127.0.0.1', int(sys.argv[1]))
    await server.serve_forever()
asyncio.run(main())
"""


def wait_for(port, process):
    for _ in range(1000):
        if process.poll() is not None:
            raise Failure("a server ended with status %d" % process.returncode)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as c:
            c.recv(1000)
            return
        time.sleep(0.01)
    raise Failure("a server does not listen")


class Peers:
    def __init__(self, smtpd, peers, folder):
        self.smtpd, self.root, self.folder = smtpd, peers + "/root", folder
        self.files = [folder + "/cert.pem", folder + "/key.pem"]
        libraries = ["%s/usr/lib/%s" % (self.root, name) for name in ("postfix", "x86_64-linux-gnu")]
        self.env = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries),
                    "PYTHONPATH": self.root + "/usr/lib/python3/dist-packages"}
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", "/CN=localhost", "-keyout", self.files[1], "-out", self.files[0]], check=True,
                       stderr=subprocess.DEVNULL)

    def command(self, name, how):
        """Gives the command of a server up to its port, and what follows the port."""
        if name == "smtpd":
            options = {"files": ["--no-fsync"], "secure": ["--discard", "--tls", *self.files]}.get(how, ["--discard"])
            return [self.smtpd, *options, "--port"], [self.folder + "/mail"]
        if name == "aiosmtpd":
            return ["/usr/bin/python3", "-c", AIOSMTPD], self.files
        os.makedirs(self.folder + "/sink", exist_ok=True)
        dump = ["-d", self.folder + "/sink/%M."] if how == "files" else []
        return [self.root + "/usr/sbin/smtp-sink", "-u", "root", *dump], ["1000"]

    @contextlib.contextmanager
    def server(self, name, how):
        port = free_port()
        before, after = self.command(name, how)
        where = "127.0.0.1:%d" % port if name == "smtp-sink" else str(port)
        env = self.env if name != "smtpd" else None
        process = start([*before, where, *after], CORES[0], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)
        try:
            wait_for(port, process)
            yield process, port
        finally:
            end(process)

    def load(self, port, options):
        """All mails are accepted, since smtp-source ends at an answer that it does not expect."""
        source = start([self.root + "/usr/sbin/smtp-source", "-s", "20", "-l", "1000", "-m", str(MAILS), *options,
                        "127.0.0.1:%d" % port], CORES[-1], env=self.env, stderr=subprocess.PIPE)
        if source.communicate()[1] or source.returncode:
            raise Failure("smtp-source ended with status %d" % source.returncode)
        return MAILS

    def secure_load(self, port):
        context = ssl._create_unverified_context()
        os.sched_setaffinity(0, {CORES[-1]})
        for _ in range(SECURE):
            with smtplib.SMTP("127.0.0.1", port) as c:
                c.starttls(context=context)
                c.sendmail("a@x.example", "b@x.example", ("x" * 98 + "\r\n") * 10)
        os.sched_setaffinity(0, set(CORES))
        return SECURE

    def slice_of(self, name, how):
        with self.server(name, how) as (process, port):
            before, began = cpu_ns(process), time.monotonic()
            count = self.secure_load(port) if how == "secure" else self.load(port, [] if how == "connections" else ["-d"])
            seconds = time.monotonic() - began
            figure = (cpu_ns(process) - before) / count
        for folder in ("mail", "sink"):
            shutil.rmtree("%s/%s" % (self.folder, folder), ignore_errors=True)
        return {"figure": figure, "rate": count / seconds}


def measure(peers, how, bar):
    """The first round does not count; it only warms up."""
    rounds = {"smtpd": [], bar: []}
    for number in range(RUNS + 1):
        for name in sorted(rounds, reverse=number % 2 > 0):
            sample = peers.slice_of(name, how)
            if number > 0:
                rounds[name].append(sample)
    return rounds


def print_row(title, bar, rounds):
    ratio = table.ratios(rounds, "smtpd", bar, "figure")
    figure = {name: table.spread([s["figure"] for s in samples])["median"] for name, samples in rounds.items()}
    print("%-34s%9.0f%9.0f %-10s%s" % (title, figure["smtpd"], figure[bar], bar, table.ratio_text(ratio)), flush=True)
    return {"title": title, "peer": bar, "rounds": rounds, "ratio": ratio}


def large_mails(peers):
    """Returns how many bytes the server has at most while large mails arrive, all at once."""
    with peers.server("smtpd", "files") as (process, port):
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(LARGE_MAILS)]
        piece = (b"x" * 1022 + b"\r\n") * 512
        for c in clients:
            c.sendall(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n")
        for _ in range(LARGE // len(piece) - 1):
            for c in clients:
                c.sendall(piece)
        with open("/proc/%d/status" % process.pid) as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


ROWS = (("files", "20 sessions, into files, no fsync", "smtp-sink"), ("discard", "20 sessions, dropped", "smtp-sink"),
        ("connections", "a connection for each mail", "smtp-sink"), ("secure", "the same, with STARTTLS", "aiosmtpd"))


def main(smtpd, folder, path):
    if len(CORES) < 2:
        sys.exit("it takes two cores, one for the load")
    results = []
    print("%d rounds in turns; CPU ns of the server for each mail of 1 kB" % RUNS)
    print("%-34s%9s%9s %-10s%s" % ("", "smtpd", "peer", "", "ratio: median (least, quartiles, most)"))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        peers = Peers(smtpd, folder, memory)
        for how, title, bar in ROWS:
            results.append(print_row(title, bar, measure(peers, how, bar)))
    with tempfile.TemporaryDirectory() as disk:
        large = large_mails(Peers(smtpd, folder, disk))
        print("bytes while %d mails of %d MiB arrive: %d" % (LARGE_MAILS, LARGE >> 20, large))
    if path:
        with open(path, "w") as file:
            json.dump({"results": results, "large": large}, file, indent=1)


try:
    main(*sys.argv[1:])
except Failure as failure:
    sys.exit("FAILED: %s" % failure)
