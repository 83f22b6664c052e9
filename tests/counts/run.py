"""Counts instructions and system calls, and compares them with recorded figures: run.py COUNT ECHO_SERVER [--record]

valgrind counts the instructions inside the functions COUNTED of the program COUNT. Their numbers are the same in each
run of the same binary. Another compiler, libc or libevent gives other numbers. So the recorded figures name theirs, and
elsewhere only proportions are checked. strace counts the system calls, for 1000 exchanges with ECHO_SERVER. The exit
status is 77 if one of the tools does not work: an older valgrind does not work with libevent 2.2, which waits in a
system call that valgrind does not know.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
FIGURES = os.path.join(HERE, "figures.json")
ROOM = 1.04  # the factor by which a figure may grow
LIMITS_MOST = 200  # more instructions than without limits; a wake-up with one message has some 1,460
EXCHANGES = 1000

# scenario: the number of units by which its figure is divided
MIB = 1 << 20
SCENARIOS = {
    "match_lines_32": MIB // 32,
    "match_lines_4096": MIB // 4096,
    "match_run_of_cr": MIB,
    "match_run_of_a": MIB,
    "match_boundary": MIB,
    "match_single_bytes": MIB,
    "pair_lines_2_in_1_mib": MIB // 2,
    "pair_lines_2_in_4_mib": 4 * MIB // 2,
    "pair_lines_32": MIB // 32,
    "pair_lines_and_lengths_8": MIB // 8,
    "pair_lines_32_whole": MIB // 32,
    "pair_lines_32_by_bytes": MIB,
    "socket_echo_1": 1000,
    "socket_echo_16": 16000,
    "socket_echo_1_limits": 1000,
    "socket_echo_16_limits": 16000,
    **{"framed_" + kind: MIB // 32 for kind in ("string", "block", "prefix", "kept", "varint", "netstring", "lines",
                                                "strict", "alternatives")},
    **{"framed_" + kind: MIB // 4096 for kind in ("undotted", "dotted", "dots")},
    "tell_pushed": 1000,
    "tell_shared": 1000,
}
COUNTED = ("counted_match", "counted_loop", "counted_tell")

# The most that a message of a framing may cost, as a ratio to one that a string ends; a dotted line of 4 kB, and one
# that begins with a dot, to an undotted line; and a line to a channel as a block, to a push.
PROPORTIONS = [
    ("framed_block", "framed_string", 1.10),
    ("framed_prefix", "framed_string", 1.00),
    ("framed_kept", "framed_string", 1.00),
    ("framed_varint", "framed_string", 1.00),
    ("framed_netstring", "framed_string", 1.25),
    ("framed_lines", "framed_string", 1.25),
    ("framed_strict", "framed_string", 1.60),
    ("framed_alternatives", "framed_string", 3.60),
    ("framed_dotted", "framed_undotted", 1.40),
    ("framed_dots", "framed_undotted", 2.50),
    ("tell_shared", "tell_pushed", 0.65),
]

# Functions that are never called: for any message, and for a message that comes and goes through a socket.
LOCKS = r"\w*(?:mutex|rwlock|spin|sem|lll)_\w*lock\w*|\w*sem_(?:wait|post)\w*"
MEMORY_AND_TIMERS = r"\w*(?:malloc|calloc|realloc|free|event_add|event_del|event_remove_timer)\w*"


class CannotCount(Exception):
    pass


def fail(text):
    print("FAILED:", text)
    sys.exit(1)


# --- instructions ---

def instructions(count, scenario):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        said = subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=" + out, "--collect-atstart=no",
             *("--toggle-collect=" + name for name in COUNTED), count, scenario],
            capture_output=True, text=True, timeout=200)
        if said.returncode and re.search("unhandled .* syscall", said.stderr):
            raise CannotCount("valgrind does not know a system call that %s makes" % scenario)
        if said.returncode:
            fail("%s: %s" % (scenario, said.stderr[-2000:]))
        with open(out) as file:
            text = file.read()
        total = int(re.search(r"^(?:summary|totals): (\d+)", text, re.M).group(1))
        if total == 0:
            fail("%s: nothing was counted" % scenario)
        check_calls(scenario, text)
        return total


def check_calls(scenario, text):
    """A message touches nothing of another thread. A message over a socket allocates no memory and sets no timer, with
    or without all timeouts."""
    never = LOCKS + ("|" + MEMORY_AND_TIMERS if scenario.startswith("socket_") else "")
    called = re.findall(r"fn=\(\d+\) (%s)(?=[@\s])" % never, text)
    if called:
        fail("%s: calls %s" % (scenario, ", ".join(sorted(set(called)))))
    if "counted_" not in text:
        fail("%s: the functions have no names" % scenario)


def check_proportions(figures):
    """Checks that hold for every compiler. Each is a promise of its own."""
    one, four = figures["pair_lines_2_in_1_mib"], figures["pair_lines_2_in_4_mib"]
    print("many 2-byte lines in one read, 4 MiB / 1 MiB: %.4f" % (4 * four / one))
    if 4 * four / one > 4.1:
        fail("the work for many short lines in one read is not linear")
    if figures["pair_lines_32_whole"] > 1.05 * figures["pair_lines_32"]:
        fail("whole messages cost more than 1.05 of streaming ones")
    check_limits(figures)
    for name, to, most in PROPORTIONS:
        print("%s / %s: %.3f" % (name, to, figures[name] / figures[to]))
        if figures[name] > most * figures[to]:
            fail("%s costs more than %.2f of %s" % (name, most, to))
    for name in "match_run_of_cr", "match_run_of_a", "match_boundary":
        if figures[name] > 12:
            fail("%s: %.1f instructions for each byte" % (name, figures[name]))


def check_limits(figures):
    """All limits and timeouts, except rates, cost something for each wake-up, and nothing for each message in it."""
    one, sixteen = [n * (figures["socket_echo_%d_limits" % n] - figures["socket_echo_%d" % n]) for n in (1, 16)]
    print("all limits and timeouts: %.1f instructions for a wake-up with 1 message, %.1f with 16" % (one, sixteen))
    if one > LIMITS_MOST or sixteen > LIMITS_MOST:
        fail("limits and timeouts cost a wake-up more than %d instructions" % LIMITS_MOST)


def check_figures(figures, recorded):
    for name, now in figures.items():
        then = recorded[name]
        print("%-24s %10.3f instructions, recorded %10.3f" % (name, now, then))
    worse = [name for name in figures if figures[name] > ROOM * recorded[name]]
    better = [name for name in figures if figures[name] < recorded[name] / ROOM]
    if better:
        print("better than recorded, to be recorded anew:", *better)
    if worse:
        fail("more instructions than recorded: " + ", ".join(worse))


# --- system calls ---

def exchange(port):
    message = b"x" * 30 + b"\r\n"
    with socket.create_connection(("127.0.0.1", port)) as s:
        for _ in range(EXCHANGES):
            s.sendall(message)
            got = b""
            while len(got) < len(message):
                part = s.recv(len(message))
                if not part:
                    fail("the server has closed")
                got += part
            if got != message:
                fail("a wrong answer")


def wait_for(port, server):
    for _ in range(500):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            time.sleep(0.01)
    server.kill()
    fail("the server does not listen")


def system_calls(echo_server, *options):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        tracer = subprocess.Popen(["strace", "-f", "-o", out, echo_server, *options, "line", str(port)])
        wait_for(port, tracer).close()
        exchange(port)
        children = "/proc/%d/task/%d/children" % (tracer.pid, tracer.pid)
        with open(children) as file:
            os.kill(int(file.read().split()[0]), 15)
        tracer.wait(20)
        with open(out) as file:
            return re.findall(r"^\d+ +(\w+)\(", file.read(), re.M)


def check_system_calls(what, calls):
    # The calls of the start and of the two connections are not subtracted; they are few among thousands.
    moving = [c for c in calls if c in ("epoll_wait", "epoll_pwait", "epoll_pwait2", "recvfrom", "sendto", "sendmsg",
                                        "readv", "writev", "read", "write", "ioctl", "epoll_ctl", "recvmsg",
                                        "timerfd_settime", "setitimer", "timer_settime", "brk", "mmap", "munmap")]
    each = len(moving) / EXCHANGES
    print("system calls for each ping-pong, %s: %.3f; epoll_ctl in all: %d" % (what, each, calls.count("epoll_ctl")))
    if len(moving) < 3 * EXCHANGES:
        fail("the trace is not whole")
    if each > 3.1 or calls.count("epoll_ctl") > 20:
        fail("more than 3.1 system calls for each exchange, or epoll_ctl among them")


def can_trace():
    return shutil.which("strace") and subprocess.run(["strace", "-o", os.devnull, "true"],
                                                     stderr=subprocess.DEVNULL).returncode == 0


def platform(count):
    with open(count, "rb") as file:
        compiler = re.search(rb"GCC: \([^)]*\) [0-9.]+", file.read())
    libevent = re.findall(r"libevent_core\S* => (\S+)", subprocess.run(["ldd", count], capture_output=True,
                                                                       text=True).stdout)
    return [compiler.group(0).decode() if compiler else "", os.confstr("CS_GNU_LIBC_VERSION"), os.uname().machine,
            os.path.basename(os.path.realpath(libevent[0])) if libevent else "",
            "avx2" in open("/proc/cpuinfo").read()]


def main(count, echo_server, record):
    done = 0
    if can_trace():
        check_system_calls("without limits", system_calls(echo_server))
        check_system_calls("with all limits and timeouts", system_calls(echo_server, "limits"))
        done += 1
    if shutil.which("valgrind"):
        try:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                counted = pool.map(lambda name: instructions(count, name), SCENARIOS)
                figures = {name: n / units for (name, units), n in zip(SCENARIOS.items(), counted)}
        except CannotCount as why:
            print(why)
            sys.exit(77)
        if record:
            with open(FIGURES, "w") as file:
                json.dump({"platform": platform(count), "instructions": figures}, file, indent=1)
                file.write("\n")
        check_proportions(figures)
        with open(FIGURES) as file:
            recorded = json.load(file)
        if recorded["platform"] == platform(count):
            check_figures(figures, recorded["instructions"])
        else:
            print("figures were recorded on %s; here is %s" % (recorded["platform"], platform(count)))
        done += 1
    sys.exit(0 if done == 2 else 77)


main(sys.argv[1], sys.argv[2], "--record" in sys.argv[3:])
