#!/usr/bin/env python3
"""Asks kv the same as redis-server, and compares the answers, byte by byte.

usage: compare.py KV             compares with the recorded answers of redis-server, in answers.json
       compare.py KV REDIS       compares with its answers now, and these with answers.json
       compare.py --record REDIS writes answers.json
       compare.py --cli KV REDIS [OPTION...] compares the answers to the same words by redis-cli with options

KV and REDIS are the programs; REDIS is redis-server 7.0, or the file that it links to. cases.py has the questions. Each
conversation is sent as arrays and as lines; at once, byte by byte, and cut at random. Every cut is a read of its own.
SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import fcntl
import hashlib
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

import cases

HERE = os.path.dirname(os.path.abspath(__file__))
ANSWERS = os.path.join(HERE, "answers.json")
TIMEOUT = 20  # seconds; reached only when something hangs
SEED = int(os.environ.get("KV_SEED", random.randrange(1 << 32)))


class Wrong(Exception):
    pass


def expect(got, wanted):
    if got != wanted:
        raise Wrong(f"{got!r:.500} instead of {wanted!r:.500}")


# --- servers, on a Unix socket ---

@contextlib.contextmanager
def started(command, program, path, errors=""):
    """A server that listens at a path. It must exit cleanly when told to. `errors` is a pattern of what it says."""
    process = subprocess.Popen(command, executable=program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        for _ in range(TIMEOUT * 100):
            with contextlib.suppress(OSError):
                connect(path).close()
                break
            if process.poll() is not None:
                raise Wrong(f"{command[0]}: {process.communicate()}")
            time.sleep(0.01)
        yield process
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=TIMEOUT)[1].decode()
        expect((bool(re.fullmatch(errors, said)) or said, process.returncode), (True, 0))
    finally:
        process.kill()
        process.communicate()


def read_all(s):
    """Reads until the end."""
    got = bytearray()
    read_on(s, got, lambda _: False)
    return bytes(got)


def kv_server(program, folder, *options, errors=""):
    path = os.path.join(folder, "kv")
    return started(["kv", "--unix", path, *options], program, path, errors), path


def redis_server(program, folder, *options):
    """Starts it under the name redis-server, since one file may be several programs."""
    path = os.path.join(folder, "redis")
    return started(["redis-server", "--port", "0", "--unixsocket", path, "--dir", folder, "--save", "", "--appendonly", "no",
                    *options], program, path), path


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(TIMEOUT)
    s.connect(path)
    return s


# --- sending ---

def wait_until_read(s):
    """Waits, so that the next bytes come in another read."""
    unread = b"\0\0\0\0"
    while struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, unread))[0] > 0:
        time.sleep(0)


def send(s, data, cuts):
    """Sends pieces that end at the cuts. A server may close before it has everything."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for begin, end in zip([0, *cuts], [*cuts, len(data)]):
            s.sendall(data[begin:end])
            if end < len(data):
                wait_until_read(s)


def read_on(s, got, done):
    """Reads until it is done, or the end. Bytes sent before a reset come before it."""
    while not done(got):
        try:
            part = s.recv(1 << 20)
        except ConnectionResetError:
            part = b""
        if not part:
            return False
        got += part
    return True


TOKEN = b"7e6f0d1c-that-is-all"


def finish(s, got):
    """Returns all answers so far, and whether the end came."""
    send(s, b"PING " + TOKEN + b"\r\n", [])
    marks = (b"$%d\r\n%s\r\n" % (len(TOKEN), TOKEN), b"*2\r\n$4\r\npong\r\n$%d\r\n%s\r\n" % (len(TOKEN), TOKEN))
    open_ = read_on(s, got, lambda got: got.endswith(marks[0]))
    for mark in reversed(marks):
        if open_ and got.endswith(mark):
            del got[-len(mark):]
            break
    return open_


# --- what an answer is ---

def parse(data, at):
    """Returns the value that begins here, and where it ends."""
    end = data.index(b"\r\n", at)
    kind, rest, end = data[at:at + 1], data[at + 1:end], end + 2
    if kind == b"$" and int(rest) >= 0:
        return bytes(data[end:end + int(rest)]), end + int(rest) + 2
    if kind == b"=":
        return bytes(data[end + 4:end + int(rest)]), end + int(rest) + 2
    if kind in b"*%~>" and int(rest) >= 0:
        values = []
        for _ in range(int(rest) * (2 if kind == b"%" else 1)):
            value, end = parse(data, end)
            values.append(value)
        return values, end
    return (int(rest) if kind == b":" else None if kind in b"$*_" else (kind + rest).decode("latin1")), end


def within(value, most, least):
    return "in time" if isinstance(value, int) and least <= value <= most else value


def info(text):
    values = dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)
    values["used_memory"] = values["used_memory"].isdigit()
    wanted = ("redis_version", "redis_mode", "connected_clients", "maxmemory", "used_memory")
    return sorted((name, values.get(name)) for name in wanted)


def section(text):
    """The headlines, in order, and what is known of each section."""
    lines = text.decode().split("\r\n")
    known = ("redis_version", "redis_mode", "role", "connected_slaves", "maxmemory", "db0")
    wanted = ("# Server", "# Clients", "# Memory", "# Replication", "# Keyspace")
    return [line for line in lines if line in wanted or line.split(":")[0] in known]


def command(values):
    """The commands of kv must be as in Redis, and these must exist."""
    names = ("append client command config dbsize decr del echo exists expire flushall get getset hello incr incrby info keys mget "
             "mset multi exec discard watch unwatch reset setex psetex setnx decrby type "
             "persist pexpire ping psubscribe pttl publish punsubscribe quit scan select set strlen subscribe ttl "
             "unsubscribe").split()
    rows = {v[0].decode(): [v[1], v[3], v[4], v[5]] for v in values}
    return [[name, rows.get(name)] for name in names]


def hello(values):
    values[values.index(b"id") + 1] = isinstance(values[values.index(b"id") + 1], int)
    return values


def in_any_order(values):
    return sorted([v[0], v[1]] for v in values), [v[2] for v in values]


# For each rule: how to change the values of a reply so that they are the same each time. A number may follow the name.
RULES = {
    "seconds": lambda values, n: within(values[0], n, n - 60),
    "milliseconds": lambda values, n: within(values[0], n, n - 60000),
    "sorted": lambda values, _: sorted(values[0]) if isinstance(values[0], list) else values,
    "scan": lambda values, _: [values[0][0], sorted(values[0][1])],
    "id": lambda values, _: isinstance(values[0], int) and values[0] > 0,
    "sorted map": lambda values, _: sorted(zip(values[0][::2], values[0][1::2])),
    "far": lambda values, _: values[0] > 90000000000 or values[0],
    "section": lambda values, _: section(values[0]),
    "pushes": lambda values, _: values,
    "info": lambda values, _: info(values[0]),
    "command": lambda values, _: command(values[0]),
    "hello": lambda values, _: hello(values[0]),
    "in any order": lambda values, _: in_any_order(values),
}


def apply_rule(name, values):
    name, _, number = re.fullmatch(r"(\D+?)( (\d+))?", name).groups()
    return RULES[name](values, int(number or 0))


def replies_of(request):
    """Counts the names: there is one for each subscription."""
    words = words_of(request)
    name = words[0].upper()
    if name in (b"SUBSCRIBE", b"PSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE") and len(words) > 1:
        return len(words) - 1
    return 1


def normal(requests, data, open_):
    """The answers, each as it came or as its rule changes it, and whether the end came. Long answers are given by a
    hash."""
    parts, at = [], 0
    for request in requests:
        ruled = isinstance(request, cases.Ruled)
        begin, values = at, []
        for _ in range(request.replies if ruled else replies_of(request)):
            if at == len(data):
                break
            value, at = parse(data, at)
            values.append(value)
        raw = bytes(data[begin:at])
        name = request.name if ruled else "sorted" if words_of(request)[0].upper() == b"KEYS" else None
        parts.append(repr(apply_rule(name, values)) if name and values else written(raw))
    return parts + [written(bytes(data[at:])), "open" if open_ else "end"]


def written(raw):
    text = raw.decode("latin1")
    return text if len(text) < 1000 else f"{len(text)} bytes, SHA-256 {hashlib.sha256(raw).hexdigest()}"


# --- requests as bytes ---

def words_of(request):
    request = request.request if isinstance(request, cases.Ruled) else request
    if isinstance(request, str):
        return request.encode().split()
    return [word.encode() if isinstance(word, str) else word for word in request]


def as_array(request):
    return cases.array(*words_of(request))


def as_line(request):
    text = request.request if isinstance(request, cases.Ruled) else request
    return text.encode() + b"\r\n" if isinstance(text, str) and len(text) < 60000 else as_array(request)


# --- the comparisons ---

def cuts_of(how, length):
    if how == "byte by byte" and length < 3000:
        return list(range(1, length))
    if how == "at once":
        return []
    rng = random.Random(f"{SEED} {how} {length}")
    return sorted(rng.sample(range(1, length), min(length - 1, rng.randrange(1, 40))))


HOW = ("at once", "byte by byte", "cut at random")


def ask_raw(path, data, how):
    with connect(path) as s:
        got = bytearray()
        send(s, data, cuts_of(how, len(data)))
        wait_until_read(s)  # otherwise a line without an end would take the end of the next line
        return got, finish(s, got)


def flush(path):
    expect(bytes(ask_raw(path, b"FLUSHALL\r\n", "at once")[0]), b"+OK\r\n")


def ask_talk(path, requests, encode, how):
    flush(path)
    got, open_ = ask_raw(path, b"".join(map(encode, requests)), how)
    return normal(requests, got, open_)


def ask_bytes(path, data, how):
    flush(path)
    got, open_ = ask_raw(path, data, how)
    return [written(bytes(got)), "open" if open_ else "end"]


def ask_together(path, steps):
    flush(path)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(connect(path)) for _ in range(1 + max(who for who, _ in steps))]
        got = [bytearray() for _ in peers]
        for who, what in steps:
            if isinstance(what, bytes):
                send(peers[who], what, [])
                wait_until_read(peers[who])
            else:
                send(peers[who], as_array(what), [])
                finish(peers[who], got[who])
        for data in got:
            data[:] = re.sub(rb"(\$2\r\nid\r\n):\d+", rb"\1", data)
        return [[written(bytes(data)), finish(peer, data)] for peer, data in zip(peers, got) if finish(peer, data) or True]


def ask_silent(path, data):
    """Sends to a server that may not answer at all: when another client has been answered, nothing more comes."""
    flush(path)
    with connect(path) as s:
        send(s, data, [])
        wait_until_read(s)
        for _ in range(3):
            ask_raw(path, b"PING\r\n", "at once")
        s.setblocking(False)
        got = b""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while part := s.recv(1 << 20):
                got += part
        return got


def questions(full_path):
    """All comparisons: a name, and a function that takes a path and returns the answers."""
    for name, requests in cases.TALKS.items():
        for encode in (as_array, as_line):
            for how in HOW:
                yield name, f"{encode.__name__}, {how}", lambda path, r=requests, e=encode, h=how: ask_talk(path, r, e, h)
    for name, data in cases.RAW.items():
        for how in HOW:
            yield name, how, lambda path, d=data, h=how: ask_bytes(path, d, h)
    for name, data in cases.SILENT.items():
        yield name + ": silent", "silent", lambda path, d=data: written(ask_silent(path, d))
    for name, steps in cases.TOGETHER.items():
        yield name, "together", lambda path, s=steps: ask_together(path, s)
    yield "without memory", "full", lambda path: ask_talk(full_path[path], cases.FULL, as_array, "at once")


@contextlib.contextmanager
def both(make, program):
    """A server, and a server without memory, as {path: path of the second}."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        os.mkdir(os.path.join(folder, "full"))
        server, path = make(program, folder)
        full, full_path = make(program, os.path.join(folder, "full"), "--maxmemory", "1")
        stack.enter_context(server)
        stack.enter_context(full)
        yield {path: full_path}, path


def answers_of(make, program):
    """The answer of a server to each question, which is the same for every way to ask it."""
    answers = {}
    with both(make, program) as (full, path):
        for name, how, ask in questions(full):
            try:
                answer = json.loads(json.dumps(ask(path)))
            except (OSError, ValueError) as failure:
                raise Wrong(f"{name}: {how}: {type(failure).__name__}: {failure}")
            if answers.setdefault(name, answer) != answer:
                raise Wrong(f"{name}: {how}: {answer} and not {answers[name]}")
        for name, (_, data, _) in cases.DIFFERENCES.items():
            answers["difference: " + name] = written(ask_silent(path, data))
    return answers


def recorded():
    with open(ANSWERS) as file:
        return json.load(file)


def difference_between(got, wanted):
    for i, (a, b) in enumerate(zip(got, wanted)):
        if a != b:
            return f"part {i}: {a!r:.300} instead of {b!r:.300}"
    return f"{got!r:.300} instead of {wanted!r:.300}"


def compare_with(answers, program, say):
    """How many questions were asked, and how many answers differed."""
    asked = wrong = 0
    with both(kv_server, program) as (full, path):
        for name, how, ask in questions(full):
            asked += 1
            try:
                got = json.loads(json.dumps(ask(path)))
                problem = None if got == answers[name] else difference_between(got, answers[name])
            except Exception as failure:
                problem = f"{type(failure).__name__}: {failure}"
            if problem:
                wrong += 1
                say(f"{name}: {how}: {problem}")
        for name, (_, data, answer) in cases.DIFFERENCES.items():
            asked += 1
            got, redis = written(ask_silent(path, data)), answers["difference: " + name]
            if got == redis or got != (got if answer is None else written(answer)):
                wrong += 1
                say(f"difference: {name}: {got!r:.300}, and Redis {redis!r:.300}")
    return asked, wrong


# --- by redis-cli ---

def cli(path, options, words):
    done = subprocess.run(["redis-cli", *options, "-s", path, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
    return done.stdout, done.returncode


def cli_subscriber(path, options, name):
    """The output of a client that gets two messages; it does not end by itself."""
    with subprocess.Popen(["redis-cli", *options, "-s", path, name, "a", "b"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        lines = [process.stdout.readline() for _ in range(6)]
        expect(cli(path, options, [b"PUBLISH", b"b", b"hello"]), (b"1\n", 0))
        expect(cli(path, options, [b"PUBLISH", b"a", b"world"]), (b"1\n", 0))
        lines += [process.stdout.readline() for _ in range(6 if name == "SUBSCRIBE" else 8)]
        process.kill()
    return lines


def compare_cli(kv, redis, *options):
    """All requests without a rule; of the subscriptions, one of each kind."""
    endless = (b"UNSUBSCRIBE", b"PUNSUBSCRIBE") if "-3" in options else ()  # it waits for more than the push
    asked = 0
    with both(kv_server, kv) as (_, ours), both(redis_server, redis) as (_, theirs):
        for name, requests in cases.TALKS.items():
            flush(ours), flush(theirs)
            for request in requests:
                words = words_of(request)
                if isinstance(request, cases.Ruled) or any(b"\0" in word or len(word) > 100000 for word in words) or words == [b""]:
                    continue
                if words[0].upper() in (b"SUBSCRIBE", b"PSUBSCRIBE", *endless):
                    continue
                got, wanted = cli(ours, options, words), cli(theirs, options, words)
                if words[0].upper() == b"KEYS":
                    got, wanted = sorted(got[0].split(b"\n")), sorted(wanted[0].split(b"\n"))
                asked += 1
                if got != wanted:
                    raise Wrong(f"redis-cli, {name}: {words!r:.200}: {got!r:.300} and not {wanted!r:.300}")
        for name in ("SUBSCRIBE", "PSUBSCRIBE"):
            expect(cli_subscriber(ours, options, name), cli_subscriber(theirs, options, name))
            asked += 1
    print(f"{' '.join(['redis-cli', *options])}: {asked} commands, the same as with redis-server")


# --- all of it ---

def main(arguments):
    if arguments[0] == "--record":
        answers = answers_of(redis_server, arguments[1])
        with open(ANSWERS, "w") as file:
            json.dump(answers, file, indent=0, sort_keys=True)
            file.write("\n")
        return 0
    if arguments[0] == "--cli":
        compare_cli(*arguments[1:])
        return 0
    answers = recorded()
    if len(arguments) > 1:
        live = answers_of(redis_server, arguments[1])
        changing = {"difference: " + name for name, (_, _, answer) in cases.DIFFERENCES.items() if answer is None}
        for name in sorted((live.keys() | answers.keys()) - changing):
            if live.get(name) != answers.get(name):
                raise Wrong(f"what is recorded is not what Redis answers: {name}: {live.get(name)!r:.300}")
        answers = live
    asked, wrong = compare_with(answers, arguments[0], print)
    print(f"kv: {asked} conversations{' with redis-server' if len(arguments) > 1 else ''}, {wrong} answered otherwise, "
          f"{len(cases.DIFFERENCES)} differences on purpose; seed {SEED}")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Wrong as wrong:
        sys.exit(f"compare.py: {wrong}")
