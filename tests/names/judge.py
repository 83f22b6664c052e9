#!/usr/bin/env python3
"""Names and addresses as they are out there, and what becomes of a client that connects to them.

    judge.py [--others] DIAL [CASE...|compare TIMES]

It makes network and mount namespaces of its own, with a DNS server that answers as each case says, and addresses that
refuse, say nothing, come up late, or vanish. The program keep, beside DIAL, keeps a connection. curl, Python's asyncio
and Node, where they are installed, connect to the same names, so that it shows what others do; only DIAL and keep have
to do what the case expects. Root only.

SPDX-License-Identifier: BSD-3-Clause"""
import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

A, AAAA = 1, 28
NXDOMAIN, SERVFAIL = 3, 2
DROP = object()


# --- a DNS server ---

class Dns(threading.Thread):
    """Answers by `zone`: {name: {type: [address...] | rcode | DROP}}. What is not there has no address."""

    def __init__(self):
        super().__init__(daemon=True)
        self.zone, self.asked, self.up = {}, [], True
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))

    def run(self):
        while True:
            query, peer = self.socket.recvfrom(512)
            if query == b"end":
                self.socket.close()
                return
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            kind = struct.unpack("!H", query[at + 1:at + 3])[0]
            name = ".".join(labels).lower()
            self.asked.append((name, kind))
            answer = self.zone.get(name, {}).get(kind, NXDOMAIN if name not in self.zone else [])
            if answer is DROP:
                continue
            code = answer if isinstance(answer, int) else 0
            records = b"" if code else b"".join(
                struct.pack("!HHHIH", 0xc00c, kind, 1, 0, len(data)) + data for data in
                (socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, text) for text in answer))
            count = 0 if code else len(answer)
            self.socket.sendto(query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, count, 0, 0) + query[12:at + 5] +
                               records, peer)


dns = None


# --- addresses ---

def listening(address, port=7000, backlog=100):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(backlog)
    return s


@contextlib.contextmanager
def accepting(*addresses):
    """Accepts, and drains what comes."""
    sockets = [listening(address) for address in addresses]
    try:
        yield sockets
    finally:
        for s in sockets:
            s.close()


@contextlib.contextmanager
def late(address, seconds):
    """An address whose queue is full for some time, so that the connection is up only when the system tries again."""
    s = listening(address, backlog=0)
    filler = socket.socket(s.family)
    filler.connect((address, 7000))

    def make_room():
        time.sleep(seconds)
        s.accept()[0].close()

    thread = threading.Thread(target=make_room)
    thread.start()
    try:
        yield s
    finally:
        thread.join()
        filler.close()
        s.close()


# --- clients ---

def dial(name, *options, wait=60):
    """(word, milliseconds, rest) of each line."""
    run = subprocess.run([DIAL, *options, name, "7000"], capture_output=True, text=True, timeout=wait)
    if run.returncode != 0:
        return [("exit", 0.0, "%d %s" % (run.returncode, run.stderr))]
    return [(line.split()[0], float(line.split()[1]), line.split(" ", 2)[2]) for line in run.stdout.splitlines()]


def timed(command, wait=60):
    begin = time.monotonic()
    try:
        status = subprocess.run(command, capture_output=True, timeout=wait).returncode
    except subprocess.TimeoutExpired:
        return "nothing in %d s" % wait
    return "%s, %.2f s" % ("status %d" % status if status else "ok", time.monotonic() - begin)


ASYNCIO = "import asyncio,sys\n" \
    "async def main():\n" \
    "    await asyncio.open_connection(sys.argv[1], 7000, happy_eyeballs_delay=0.25)\n" \
    "asyncio.run(main())\n"
NODE = "require('net').connect({host: process.argv[1], port: 7000}, () => process.exit(0))" \
    ".on('error', () => process.exit(1))"


def others(name, wait=20):
    """What others do, in a line. curl has connected when it waits for an answer."""
    said = []
    if shutil.which("curl"):
        run = subprocess.run(["curl", "-s", "-o", os.devnull, "-w", "%{time_connect}", "--max-time", str(wait),
                              "--happy-eyeballs-timeout-ms", "250", "http://%s:7000/" % name, "-m", str(wait),
                              "--http0.9"], capture_output=True, text=True, timeout=wait + 5)
        said.append("curl " + run.stdout)
    said.append("asyncio " + timed([sys.executable, "-c", ASYNCIO, name], wait))
    if shutil.which("node"):
        said.append("node " + timed(["node", "-e", NODE, name], wait))
    return "; ".join(said)


# --- cases ---

failed = 0
show_others = False


def expect(case, results, word, least, most, rest=""):
    """One result, of this kind, within these milliseconds. The machine may be busy, so bounds are wide."""
    global failed
    ok = len(results) == 1 and results[0][0] == word and least <= results[0][1] <= most and rest in results[0][2]
    print("%s: %s%s" % (case, " ".join(map(str, results[0])) if results else "nothing", "" if ok else
                        "  FAILED: not %s in %s to %s ms, %r" % (word, least, most, rest)), flush=True)
    failed += not ok


def check(what, ok):
    global failed
    print(what + ("" if ok else "  FAILED"), flush=True)
    failed += not ok


def case_both_families():
    dns.zone["two.test"] = {A: ["127.0.0.1"], AAAA: ["::1"]}
    with accepting("127.0.0.1", "::1"):
        expect("both families", dial("two.test"), "up", 0, 900, "[::1]:7000")


def case_one_family():
    dns.zone["four.test"] = {A: ["127.0.0.1"]}
    dns.zone["six.test"] = {AAAA: ["::1"]}
    with accepting("127.0.0.1", "::1"):
        expect("IPv4 only", dial("four.test"), "up", 0, 900, "127.0.0.1:7000")
        expect("IPv6 only", dial("six.test"), "up", 0, 900, "[::1]:7000")


def case_answers_for_ipv6_get_lost():
    dns.zone["lost.test"] = {A: ["127.0.0.1"], AAAA: DROP}
    with accepting("127.0.0.1"):
        expect("answers for IPv6 get lost", dial("lost.test"), "up", 900, 4000, "127.0.0.1:7000")


def case_errors_for_ipv6():
    dns.zone["fail6.test"] = {A: ["127.0.0.1"], AAAA: SERVFAIL}
    dns.zone["nx6.test"] = {A: ["127.0.0.1"], AAAA: NXDOMAIN}
    with accepting("127.0.0.1"):
        expect("IPv6 fails", dial("fail6.test"), "up", 0, 4000, "127.0.0.1:7000")
        expect("IPv6 says no such name", dial("nx6.test"), "up", 0, 4000, "127.0.0.1:7000")


def case_no_such_name():
    expect("no such name", dial("nowhere.test"), "error", 0, 4000, "no such")


def case_no_address():
    dns.zone["empty.test"] = {}
    expect("a name without an address", dial("empty.test"), "error", 0, 4000, "address")


def case_the_resolver_fails():
    dns.zone["broken.test"] = {A: SERVFAIL, AAAA: SERVFAIL}
    expect("the resolver fails", dial("broken.test"), "error", 0, 15000, "at the moment")


def case_silence_and_a_time():
    dns.zone["silent.test"] = {A: DROP, AAAA: DROP}
    expect("no resolver answers, within a time", dial("silent.test", "-t", "1500"), "error", 1490, 3000, "timed out")


def case_hosts_file():
    with accepting("127.0.0.1"):
        expect("the hosts file", dial("local.test"), "up", 0, 900, "127.0.0.1:7000")
        expect("localhost, which refuses by IPv6", dial("localhost"), "up", 0, 900, "127.0.0.1:7000")


def case_a_thread_that_hangs():
    """The program ends although a look-up goes on for a long time."""
    global failed
    dns.zone["silent.test"] = {A: DROP, AAAA: DROP}
    begin = time.monotonic()
    run = subprocess.run([DIAL, "-x", "silent.test", "7000"], timeout=60)
    took = time.monotonic() - begin
    ok = run.returncode == 0 and took < 2
    print("a look-up hangs, and the program ends: %.3f s%s" % (took, "" if ok else "  FAILED"), flush=True)
    failed += not ok


def case_the_first_is_silent():
    dns.zone["hole.test"] = {A: ["127.0.0.1"], AAAA: ["2001:db8:77::1"]}
    with accepting("127.0.0.1"):
        expect("the first address is silent", dial("hole.test"), "up", 240, 1500, "127.0.0.1:7000")
        if show_others:
            print("  " + others("hole.test"))


def case_the_first_refuses():
    dns.zone["two.test"] = {A: ["127.0.0.1"], AAAA: ["::1"]}
    with accepting("127.0.0.1"):
        expect("the first address refuses", dial("two.test"), "up", 0, 900, "127.0.0.1:7000")


def case_a_slow_one_wins():
    dns.zone["two.test"] = {A: ["127.0.0.1"], AAAA: ["::1"]}
    with late("::1", 0.5):
        expect("the first is slow and the second refuses", dial("two.test"), "up", 900, 4000, "[::1]:7000")
    if show_others:
        with late("::1", 0.5):
            print("  " + others("two.test"))


def case_eight_of_nine_are_silent():
    dns.zone["nine.test"] = {AAAA: ["2001:db8:77::%d" % i for i in range(1, 9)], A: ["127.0.0.1"]}
    with accepting("127.0.0.1"):
        expect("eight of one family are silent", dial("nine.test"), "up", 240, 3000, "127.0.0.1:7000")
    results = dial("nine.test", "-t", "2300", "-v")
    expect("all of nine are silent or refuse", results, "error", 2290, 4000, "timed out")


def case_all_refuse():
    dns.zone["four.test"] = {A: ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"]}
    expect("all refuse", dial("four.test"), "error", 0, 700, "refused")


def case_never_to_oneself():
    """A port of the range that the system gives, on which nobody listens: every other time a client would get it."""
    global failed
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as f:
        f.write("6990 7017")
    results = dial("local.test", "-n", "3000")
    words = [word for word, _, _ in results]
    ok = len(words) == 3000 and set(words) == {"error"} and {rest for _, _, rest in results} == {"Connection refused"}
    print("3000 times to a port that may become one's own: %d up%s" % (words.count("up"), "" if ok else "  FAILED"),
          flush=True)
    failed += not ok
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as f:
        f.write("32768 60999")


# --- a client that comes back ---

def keep(*options):
    return subprocess.Popen([os.path.join(os.path.dirname(DIAL), "keep"), *options], stdout=subprocess.PIPE, text=True)


def case_a_name_that_comes_later():
    dns.zone.pop("later.test", None)
    with accepting("127.0.0.1"):
        run = keep("-w", "300", "-u", "later.test", "7000")
        time.sleep(1)
        dns.zone["later.test"] = {A: ["127.0.0.1"]}
        words = [line.split()[0] for line in run.communicate(timeout=60)[0].splitlines()]
    check("a name that comes later: %s" % " ".join(words), len(words) > 1 and words[-1] == "up" and
          set(words[:-1]) == {"failed"})


FAR = "import socket,sys\n" \
    "s = socket.create_server(('', 7000))\n" \
    "print(flush=True)\n" \
    "all = [s.accept() for i in range(4)]\n" \
    "sys.stdin.read()\n"


@contextlib.contextmanager
def far_machine():
    """A machine at 10.77.0.1, which accepts four connections. Yields what makes it vanish, without a word."""
    far = subprocess.Popen(["unshare", "-n", sys.executable, "-c", FAR], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    inside = ["nsenter", "-t", str(far.pid), "-n", "ip"]
    far.stdout.readline()
    for command in (["ip", "link", "add", "far0", "type", "veth", "peer", "name", "far1", "netns", str(far.pid)],
                    ["ip", "addr", "add", "10.77.0.2/24", "dev", "far0"], ["ip", "link", "set", "far0", "up"],
                    [*inside, "addr", "add", "10.77.0.1/24", "dev", "far1"],
                    [*inside, "link", "set", "far1", "address", "02:00:00:00:00:02", "up"],
                    ["ip", "neigh", "add", "10.77.0.1", "lladdr", "02:00:00:00:00:02", "dev", "far0"]):
        subprocess.run(command, check=True)
    try:
        yield lambda: subprocess.run([*inside, "addr", "del", "10.77.0.1/24", "dev", "far1"], check=True)
    finally:
        far.stdin.close()
        far.wait()


def case_the_peer_vanishes():
    """With nothing to send, and with a byte that is never acknowledged."""
    with far_machine() as vanish:
        runs = [(limit, push, keep("-v", str(limit), *(["-p", str(push)] if push else []), "10.77.0.1", "7000"))
                for limit in (2000, 5000) for push in (0, 1000)]
        up = [float(run.stdout.readline().split()[1]) for _, _, run in runs]
        vanish()
        for (limit, push, run), begin in zip(runs, up):
            line = run.communicate(timeout=60)[0].strip()
            after = float(line.split()[1]) - begin - push if line else 0.0
            check("the peer vanishes, %s: noticed after %.0f ms of %d, %s" %
                  ("a byte is sent" if push else "nothing is sent", after, limit, line),
                  line.endswith("timed out") and limit - 300 <= after <= limit + 1500)


def case_no_server_of_names():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"end", ("127.0.0.1", 53))
    dns.join()
    expect("nobody at port 53", dial("four.test"), "error", 0, 4000, "at the moment")


# --- the namespaces ---

def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    subprocess.run(["mount", "--bind", path, "/etc/" + name], check=True)


def prepare(folder):
    """Packets to 2001:db8:77:: go to a link where nobody is."""
    global dns
    for command in ("link set lo up", "link add hole0 type veth peer name hole1", "link set hole0 up",
                    "link set hole1 up", "addr add 2001:db8:77::ff/64 dev hole0 nodad"):
        subprocess.run(["ip", *command.split()], check=True)
    for i in range(1, 10):  # nobody answers, but the link needs no neighbour to be asked
        subprocess.run(["ip", "neigh", "add", "2001:db8:77::%d" % i, "lladdr", "02:00:00:00:00:01", "dev", "hole0"],
                       check=True)
    write(folder, "resolv.conf", "nameserver 127.0.0.1\n")
    write(folder, "hosts", "127.0.0.1 localhost local.test\n::1 localhost\n127.0.0.1 local.test\n")
    write(folder, "nsswitch.conf", "hosts: files dns\nservices: files\n")
    dns = Dns()
    dns.start()


def compare(times):
    """The time to a connection when the first family is silent, beside curl's, in turn: medians, and their ratio."""
    dns.zone["hole.test"] = {A: ["127.0.0.1"], AAAA: ["2001:db8:77::1"]}
    ours, theirs = [], []
    with accepting("127.0.0.1") as sockets:
        for i in range(times):
            ours.append(dial("hole.test")[0][1])
            run = subprocess.run(["curl", "-s", "-o", os.devnull, "-w", "%{time_connect}", "--max-time", "0.4",
                                  "--happy-eyeballs-timeout-ms", "250", "http://hole.test:7000/"],
                                 capture_output=True, text=True)
            theirs.append(float(run.stdout) * 1000)
            sockets[0].accept()[0].close()
            sockets[0].accept()[0].close()
            print("\r%d of %d" % (i + 1, times), end="", file=sys.stderr, flush=True)
    ours.sort()
    theirs.sort()
    middle = times // 2
    print("\rfirst family silent: %.1f ms, curl %.1f ms, ratio of medians of %d %.3f "
          "(ours %.1f to %.1f, curl %.1f to %.1f)" % (
              ours[middle], theirs[middle], times, ours[middle] / theirs[middle], ours[0], ours[-1], theirs[0],
              theirs[-1]))


CASES = [value for key, value in list(globals().items()) if key.startswith("case_")]


def main():
    global DIAL, show_others
    if os.environ.get("ASYNCHAT_NAMES") != "inside":
        os.environ["ASYNCHAT_NAMES"] = "inside"
        os.execvp("unshare", ["unshare", "-nm", "--propagation", "private", sys.executable, *sys.argv])
    arguments = sys.argv[1:]
    if arguments and arguments[0] == "--others":
        show_others = True
        del arguments[0]
    if not arguments:
        sys.exit("usage: judge.py [--others] DIAL [CASE...|compare TIMES]")
    DIAL, wanted = arguments[0], arguments[1:]
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder)
        if wanted[:1] == ["compare"]:
            compare(int(wanted[1]))
            CASES.clear()
        for case in CASES:
            if not wanted or case.__name__[5:] in wanted:
                case()
        for name in ("resolv.conf", "hosts", "nsswitch.conf"):
            subprocess.run(["umount", "/etc/" + name], check=True)
    print("names: %d failed" % failed)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
