#!/usr/bin/env python3
"""Tests of kv besides its answers: times, limits, and how it ends.

usage: behaviour.py KV
SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import ring
from cases import array
from compare import TIMEOUT, Wrong, connect, expect, kv_server, parse, read_all, read_on, send, wait_until_read

KV = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20


@contextlib.contextmanager
def server(*options, errors=""):
    """Starts kv. Gives its path and the process. kv must exit cleanly at the end, whatever is still connected."""
    with tempfile.TemporaryDirectory() as folder:
        context, path = kv_server(KV, folder, *options, errors=errors)
        with context as process:
            yield path, process


class Client:
    def __init__(self, path):
        self.s = connect(path)
        self.got = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()

    def send(self, *words):
        send(self.s, array(*[word.encode() if isinstance(word, str) else word for word in words]), [])

    def reply(self):
        def complete(got):
            try:
                parse(got, 0)
            except (ValueError, IndexError):
                return False
            return True
        if not read_on(self.s, self.got, complete):
            raise Wrong(f"it has closed, and said {bytes(self.got)!r:.200}")
        value, end = parse(self.got, 0)
        del self.got[:end]
        return value

    def ask(self, *words):
        self.send(*words)
        return self.reply()

    def bulk(self, length):
        """A long line, which would be slow to parse while it comes."""
        head = b"$%d\r\n" % length
        read_on(self.s, self.got, lambda got: len(got) >= len(head) + length + 2)
        expect(bytes(self.got[:len(head)]), head)
        value = bytes(self.got[len(head):len(head) + length])
        del self.got[:len(head) + length + 2]
        return value


def until(done):
    """Asks again and again until it is so. If it never is, the time runs out."""
    end = time.monotonic() + TIMEOUT
    while not done():
        if time.monotonic() > end:
            raise Wrong("it never is so")


# --- start ---

def it_says_where_it_listens():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        for options, count in ((["--port", "0"], 1), (["--unix", path], 1), (["--port", "0", "--unix", path], 2)):
            with subprocess.Popen([KV, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                said = [process.stdout.readline().decode() for _ in range(count)]
                for line in said:
                    where = re.fullmatch(r"listening on (?:127\.0\.0\.1:(\d+)|unix:(.*))\n", line)
                    with (socket.create_connection(("127.0.0.1", int(where[1]))) if where[1] else connect(where[2])) as s:
                        s.sendall(b"PING\r\nQUIT\r\n")
                        expect(read_all(s), b"+PONG\r\n+OK\r\n")
                process.terminate()
                expect((*process.communicate(timeout=TIMEOUT), process.returncode), (b"", b"", 0))
            expect(os.path.exists(path), False)


def connections_are_kept_alive():
    """The kernel's table of connections shows the timer of SO_KEEPALIVE."""
    with subprocess.Popen([KV, "--port", "0"], stdout=subprocess.PIPE) as process:
        port = int(process.stdout.readline().decode().rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(b"PING\r\n")
            expect(s.recv(100), b"+PONG\r\n")
            here = ":%04X" % port, ":%04X" % s.getsockname()[1]

            def timer():
                with open("/proc/net/tcp") as table:
                    rows = [row.split() for row in table]
                return [row[5][:2] for row in rows if (row[1][8:], row[2][8:]) == here]
            until(lambda: timer() == ["02"])
        process.terminate()
        expect(process.wait(TIMEOUT), 0)


def what_cannot_be_is_said():
    no_address = "not an address like 192.0.2.1:25, [2001:db8::1]:25 or unix:/run/x (host names are not looked up)"
    cases = {("--port",): "kv: Missing argument for --port; see --help\n",
             ("--nosuch", "1"): "kv: Unknown option --nosuch; see --help\n", ("--io-uring", "x"): "kv: x; see --help\n",
             ("--maxmemory", "x"): "kv: Cannot parse integer value “x” for --maxmemory; see --help\n",
             ("--maxmemory", "-1"): "kv: --maxmemory; see --help\n",
             ("--port", "x"): "kv: 127.0.0.1:x: %s\n" % no_address, ("--port", "65536"): "kv: 127.0.0.1:65536: %s\n" % no_address,
             ("--unix", "/nosuch/kv"): "kv: unix:/nosuch/kv: No such file or directory\n"}
    for options, errors in cases.items():
        done = subprocess.run([KV, *options], capture_output=True, timeout=TIMEOUT, env={**os.environ, "LC_ALL": "C.UTF-8"})
        expect((done.stdout, done.stderr.decode(), done.returncode), (b"", errors, 1))


def many_are_answered_by_a_ring():
    """Where there can be none, there is a warning, and they are answered by plain calls."""
    with server("--io-uring", errors=r"(kv: .*io_uring.*\n)?") as (path, process), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(path)) for _ in range(50)]
        for client in clients:
            expect(client.ask("PING"), "+PONG")
        with ring.paused(process):
            for client in clients:
                client.send("INCR", "n")
        expect(sorted(client.reply() for client in clients), list(range(1, 51)))
        if ring.expected():
            expect((ring.calls(process) or 0) > len(clients), True)


# --- the end ---

def idle_clients_are_sent_away_at_SIGTERM():
    for number in (signal.SIGTERM, signal.SIGINT):
        with server() as (path, process), contextlib.ExitStack() as stack:
            idle, asking, listening = [stack.enter_context(Client(path)) for _ in range(3)]
            send(asking.s, b"GET half", [])
            listening.ask("SUBSCRIBE", "news")
            wait_until_read(asking.s)
            process.send_signal(number)
            for client in (idle, asking, listening):
                expect(read_all(client.s), b"")
            expect(process.wait(TIMEOUT), 0)


def a_request_that_has_begun_is_finished_at_SIGTERM():
    """This is the last test. When the first and the last client are gone, all have been told, in whatever order."""
    with server() as (path, process), Client(path) as first, Client(path) as client, Client(path) as last:
        send(client.s, b"*2\r\n$4\r\nECHO\r\n$5\r\nhe", [])
        for one in (first, client, last):
            wait_until_read(one.s)
        first.ask("PING"), last.ask("PING")
        process.send_signal(signal.SIGTERM)
        for idle in (first, last):
            expect(read_all(idle.s), b"")
        send(client.s, b"llo\r\nPING\r\n", [])
        expect(read_all(client.s), b"$5\r\nhello\r\n")
        expect(process.wait(TIMEOUT), 0)


def the_words_of_a_count_come_after_SIGTERM():
    """The stop comes in the middle of the count, between it and its words, and in a line that is blank."""
    for sent, rest, answer in ((b"*1\r", b"\n$4\r\nPING\r\n", b"+PONG\r\n"), (b"*1\r\n", b"$4\r\nPING\r\nPING\r\n", b"+PONG\r\n"),
                               (b" ", b" \r\n", b""), (b"*0\r", b"\n", b"")):
        with server() as (path, process), Client(path) as client, Client(path) as other:
            send(client.s, sent, [])
            wait_until_read(client.s)
            client_ready = other.ask("PING")
            expect(client_ready, "+PONG")
            process.send_signal(signal.SIGTERM)
            expect(read_all(other.s), b"")
            send(client.s, rest, [])
            expect(read_all(client.s), answer)
            expect(process.wait(TIMEOUT), 0)


def one_that_never_is_finished_has_a_grace():
    with server() as (path, process), Client(path) as client:
        send(client.s, b"*2\r\n$4\r\nECHO\r\n$5\r\nhe", [])
        wait_until_read(client.s)
        process.send_signal(signal.SIGTERM)
        expect(read_all(client.s), b"")
        expect(process.wait(TIMEOUT), 0)


def keys_and_timers_are_freed_at_the_end():
    with server() as (path, _), Client(path) as client:
        for i in range(1000):
            client.ask("SET", f"k{i}", "x" * i, "EX", "1000")
        client.ask("PSUBSCRIBE", "a*", "b*")


# --- times ---

def keys_expire_though_nobody_asks_for_them():
    with server() as (path, _), Client(path) as client:
        for i in range(100):
            expect(client.ask("SET", f"k{i}", "x", "PX", f"{1 + i % 7}"), "+OK")
        client.ask("SET", "stays", "x", "EX", "1000")
        client.ask("SET", "too", "x")
        until(lambda: client.ask("DBSIZE") == 2)
        expect(sorted(client.ask("KEYS", "*")), [b"stays", b"too"])


def an_expired_key_is_none_for_any_command():
    with server() as (path, _), Client(path) as client:
        for _ in range(20):
            client.ask("SET", "k", "5", "PX", "1")
            until(lambda: client.ask("GET", "k") is None)
            expect([client.ask(*words) for words in (["EXISTS", "k"], ["TTL", "k"], ["STRLEN", "k"], ["DEL", "k"], ["INCR", "k"],
                                                     ["TTL", "k"])], [0, -2, 0, 0, 1, -1])


def an_expired_key_is_none_before_its_timer_has_its_turn():
    """Everything is in one read, and so before any timer. It is not known how long the rest takes, so it is tried until
    it is enough."""
    with server() as (path, _), Client(path) as client:
        client.ask("MSET", *("a" * 1000 + f"{i}" for i in range(1000)))

        def gone():
            send(client.s, array(b"SET", b"k", b"5", b"PX", b"1") + array(b"KEYS", b"a*a*a*b") * 50 + array(b"GET", b"k"), [])
            return [client.reply() for _ in range(52)][-1] is None
        until(gone)


def a_key_that_loses_its_time_does_not_count_as_one_that_has_one():
    """INFO says how many keys have a time."""
    with server() as (path, _), Client(path) as client:
        for words in (["PERSIST", "k"], ["SET", "k", "2"], ["GETSET", "k", "2"], ["MSET", "k", "2"]):
            client.ask("SET", "k", "1", "EX", "1000")
            client.ask(*words)
            expect(client.ask("INFO", "keyspace"), b"# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n")


# --- steps ---

def fill(client, count, *more):
    """Sets many keys."""
    for begin in range(0, count, 10000):
        requests = [array(b"SET", b"key%d" % i, b"x", *more) for i in range(begin, min(count, begin + 10000))]
        send(client.s, b"".join(requests), [])
        read_on(client.s, client.got, lambda got, n=len(requests): len(got) >= 5 * n)
        client.got.clear()


def another_is_answered_first(path, one, other, request):
    """The other's PING is sent behind the last byte of a long request, and answered before it."""
    send(one.s, request[:-1], [])
    wait_until_read(one.s)
    other.ask("PING")
    send(one.s, request[-1:], [])
    wait_until_read(one.s)
    for _ in range(3):
        expect(other.ask("PING"), "+PONG")
    one.s.setblocking(False)
    try:
        one.got += one.s.recv(1)
    except BlockingIOError:
        return True
    finally:
        one.s.settimeout(TIMEOUT)
    return False


def much_is_done_in_steps():
    """On a busy machine all steps may be over before this program looks, so it looks several times."""
    count = 100000
    names = [b"key%d" % i for i in range(count)]
    fill_all = array(b"MSET", *[word for name in names for word in (name, b"1")])
    with server() as (path, _), Client(path) as one, Client(path) as other:
        def steps(request, answer, before=None):
            for _ in range(8):
                first = another_is_answered_first(path, one, other, request)
                expect(one.reply(), answer)
                if first:
                    return
                if before:
                    send(one.s, before, [])
                    expect(one.reply(), "+OK")
            raise Wrong(f"{request[:30]!r} is not done in steps")
        steps(fill_all, "+OK")
        expect(one.ask("DBSIZE"), count)
        steps(array(b"EXISTS", *names), count)
        keys = one.ask("KEYS", "*")
        expect(set(keys), set(names))
        steps(array(b"KEYS", b"*"), keys)
        steps(array(b"DEL", *names), count, before=fill_all)
        expect(one.ask("DBSIZE"), 0)


def what_is_flushed_is_freed_in_steps():
    """FLUSHALL is answered, and the memory goes little by little."""
    with server() as (path, _), Client(path) as client:
        before = used(client)
        fill(client, 100000)
        send(client.s, b"FLUSHALL\r\nDBSIZE\r\nINFO memory\r\n", [])
        expect([client.reply(), client.reply()], ["+OK", 0])
        at_once = int(re.search(rb"used_memory:(\d+)", client.reply())[1])
        expect(at_once > before + 1000000, True)
        until(lambda: used(client) == before)


def requests_behind_a_long_one_wait_for_it():
    names = [b"key%d" % i for i in range(5000)]
    with server() as (path, _), Client(path) as client:
        send(client.s, array(b"MSET", *[word for name in names for word in (name, b"1")]) + array(b"DEL", *names) + array(b"DBSIZE"), [])
        expect([client.reply() for _ in range(3)], ["+OK", 5000, 0])


def a_transaction_has_no_steps():
    names = [b"key%d" % i for i in range(20000)]
    with server() as (path, _), Client(path) as client, Client(path) as other:
        client.ask("MULTI")
        client.ask("MSET", *[word for name in names for word in (name, b"1")])
        client.ask("DEL", *names)
        send(client.s, array(b"EXEC"), [])
        expect(other.ask("DBSIZE"), 0)
        expect(client.reply(), ["+OK", 20000])


def a_client_may_leave_in_the_middle_of_steps():
    names = [b"key%d" % i for i in range(20000)]
    with server() as (path, process), Client(path) as client:
        before = used(client)
        for request in (array(b"MSET", *[word for name in names for word in (name, b"1")]), array(b"KEYS", b"*"), array(b"DEL", *names)):
            with connect(path) as s:
                send(s, request, [])
                wait_until_read(s)
        until(lambda: b"connected_clients:1\r" in client.ask("INFO"))
        client.ask("FLUSHALL")
        expect(used(client), before)


def keys_that_expire_together_keep_nobody_waiting():
    """Another client is answered while some of them are gone and some are not. They have to be there before their time
    comes, which is later each time that this is tried."""
    with server() as (path, _), Client(path) as client:
        before, count, milliseconds = used(client), 50000, 500

        def some_are_left():
            nonlocal milliseconds
            milliseconds *= 2
            fill(client, count, b"PXAT", b"%d" % (time.time() * 1000 + milliseconds))
            seen = [client.ask("DBSIZE")]
            while seen[-1] > 0:
                seen.append(client.ask("DBSIZE"))
            return seen[0] == count and any(0 < n < count for n in seen)
        until(some_are_left)
        expect(used(client), before)


def what_is_published_comes_in_one_order_to_very_many():
    """More than a step has: the second message waits behind the first, and who leaves meanwhile is not missed."""
    with server() as (path, _), contextlib.ExitStack() as stack:
        subscribers = [stack.enter_context(Client(path)) for _ in range(300)]
        one, two = [stack.enter_context(Client(path)) for _ in range(2)]
        patterns = [b"n*", b"ne*", b"new*", b"news*", b"n?ws"]
        for subscriber in subscribers:
            send(subscriber.s, array(b"PSUBSCRIBE", *patterns), [])
            for _ in patterns:
                subscriber.reply()
        one.send("PUBLISH", "news", "1")
        two.send("PUBLISH", "news", "2")
        subscribers[-1].s.close()
        counts = [one.reply(), two.reply()]
        expect([1494 < count <= 1500 for count in counts], [True, True])
        orders = set()
        for subscriber in subscribers[:-1]:
            orders.add(tuple(subscriber.reply()[3] for _ in range(2 * len(patterns))))
        expect(len(orders), 1)


# --- clients that broke the protocol ---

def linger_most():
    """What the library drops at most before it gives such a client up."""
    with open(os.path.join(HERE, "../../include/asynchat/channel.h")) as header:
        return int(re.search(r"#define ASYNCHAT_LINGER_MOST (\d+)", header.read())[1])


def taken(s, piece, each_is_read):
    """Sends until kv has closed. Returns how many bytes were taken."""
    count, end = 0, time.monotonic() + TIMEOUT
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while time.monotonic() < end:
            count += s.send(piece)
            if each_is_read:
                wait_until_read(s)
        raise Wrong(f"it still takes bytes, after {count}")
    return count


BROKEN = b"*x\r\n", b"*1\r\n$x\r\n", b"*1\r\nPING\r\n", b"ECHO \"\r\n", b"x" * 100000, array(b"ECHO", b"x" * 4 * MIB) + b"*x\r\n"


def who_broke_the_protocol_and_writes_on_is_given_up():
    """The client never reads. kv drops no more than it should, however much comes; and where little comes at a time, the
    connection's time ends first, which is a hundredth of what the library would wait."""
    with server() as (path, _):
        for broken in BROKEN:
            with connect(path) as s:
                send(s, broken, [])
                count = taken(s, b"x" * 65536, False)
                if count > linger_most() + MIB:  # what the system holds is below a MiB
                    raise Wrong(f"{broken[:20]!r}: it has taken {count} bytes")
            with connect(path) as s:
                send(s, broken, [])
                count = taken(s, b"payload", True)
                if count > linger_most() / 8:
                    raise Wrong(f"{broken[:20]!r}: it has taken {count} bytes, 7 at a time")


def who_broke_the_protocol_and_is_silent_is_given_up():
    """Unless kv sets a time, the library waits for longer than these tests."""
    with server() as (path, _):
        for broken in BROKEN:
            with connect(path) as s:
                send(s, broken, [])
                expect(bool(re.search(rb"-ERR Protocol error: [^\r\n]*\r\n$", read_all(s))), True)


# --- tables ---

def a_scan_sees_all_that_stays_while_others_come():
    with server() as (path, _), Client(path) as client:
        stay = {b"stay%d" % i for i in range(500)}
        for key in stay:
            client.ask("SET", key, "1")
        seen, cursor, turns = set(), b"0", 0
        while turns == 0 or cursor != b"0":
            cursor, keys = client.ask("SCAN", cursor, "COUNT", "7")
            seen.update(keys)
            for i in range(30 if turns < 50 else 0):
                client.ask("SET", f"new{turns}.{i}", "1")
            turns += 1
        expect(stay - seen, set())
        if turns < 50:
            raise Wrong(f"it was over in {turns} turns, too few for the table to grow")


def used(client):
    """The figure when it has stopped changing: kv may notice a little later that a client has left."""
    figures = []
    while len(figures) < 5 or len(set(figures[-5:])) > 1:
        figures.append(int(re.search(rb"used_memory:(\d+)", client.ask("INFO"))[1]))
    return figures[-1]


def memory_is_counted_exactly():
    with server() as (path, _), Client(path) as client:
        before = used(client)
        client.ask("MSET", "a", "1", "b", "x" * 100000, "c", "3")
        expect(used(client) > before + 100000, True)
        for words in (["APPEND", "a", "more"], ["APPEND", "b", "more"], ["INCR", "c"], ["SET", "b", "2", "EX", "100"], ["GETSET", "a", "x" * 999],
                      ["SUBSCRIBE", "x", "y"], ["PSUBSCRIBE", "x"], ["PUNSUBSCRIBE", "x"], ["UNSUBSCRIBE", "x"], ["UNSUBSCRIBE", "y"]):
            client.ask(*words)
            for _ in words[2:] if words[0].endswith("SUBSCRIBE") else ():
                client.reply()
        client.ask("DEL", "a")
        client.ask("FLUSHALL")
        expect(used(client), before)


def over_the_memory_limit_only_what_fills_is_refused():
    with server("--maxmemory", "1000000") as (path, _), Client(path) as client:
        count = 0
        while client.ask("SET", f"k{count}", "x" * 10000) == "+OK":
            count += 1
        expect(95 <= count <= 100, True)
        oom = "-OOM command not allowed when used memory > 'maxmemory'."
        expect([client.ask("APPEND", "k0", "x"), client.ask("SUBSCRIBE", "a"), client.ask("GET", "k1"), client.ask("DEL", "k0", "k1")],
               [oom, oom, b"x" * 10000, 2])
        expect(client.ask("SET", "k0", "1"), "+OK")


def what_clients_hold_counts_for_the_limit():
    """The client that holds most is ended, and the others go on."""
    def half_a_request(client):
        send(client.s, b"*2\r\n$4\r\nECHO\r\n$30000000\r\n" + b"x" * 20 * MIB, [])

    def answers_unread(client):
        send(client.s, array(b"GET", b"k") * 300, [])

    def many_words(client):
        send(client.s, b"*1000000\r\n" + b"$1\r\nx\r\n" * 900000, [])

    def transaction(client):
        send(client.s, b"MULTI\r\n" + array(b"ECHO", b"x" * 4000) * 5000, [])
    for hold in (half_a_request, answers_unread, many_words, transaction):
        with server("--maxmemory", "8000000", errors=r"kv: client \d+ is ended: it holds \d+ bytes\n") as (path, _), \
                Client(path) as client, Client(path) as other:
            other.ask("SET", "k", "x" * 100000)
            hold(client)
            until(lambda: b"connected_clients:1\r" in other.ask("INFO", "clients"))
            until(lambda: other.ask("SET", "a", "1") == "+OK")


# --- large values, and clients that do not read ---

def a_client_may_say_much_before_it_reads():
    count, word = 18000, b"x" * 20000
    with server() as (path, _), Client(path) as client:
        for _ in range(count // 100):
            send(client.s, array(b"ECHO", word) * 100, [])
        wanted, got = count * (len(b"$20000\r\n") + len(word) + 2), 0
        while got < wanted:
            part = client.s.recv(4 * MIB)
            if not part:
                raise Wrong(f"it has closed after {got} bytes of {wanted}")
            got += len(part)
        expect(client.ask("PING"), "+PONG")


def a_value_stays_for_who_is_being_sent_it():
    value = os.urandom(8 * MIB)
    with server() as (path, _), Client(path) as reader, Client(path) as other:
        other.ask("SET", "big", value)
        reader.send("GET", "big")
        reader.send("MGET", "big", "big")
        wait_until_read(reader.s)
        other.ask("PING")
        expect(other.ask("APPEND", "big", "more"), len(value) + 4)
        expect(other.ask("SET", "big", "other"), "+OK")
        expect(other.ask("DEL", "big"), 1)
        expect(reader.bulk(len(value)) == value, True)
        read_on(reader.s, reader.got, lambda got: len(got) >= 4)
        expect(bytes(reader.got[:4]), b"*2\r\n")
        del reader.got[:4]
        expect([reader.bulk(len(value)) == value for _ in range(2)], [True, True])


def a_client_may_ask_for_much_before_it_reads():
    """Asks for more than the queue may hold. Meanwhile kv does not read from the client; then the client gets
    everything."""
    count = 1100
    with server() as (path, _), Client(path) as client:
        client.ask("SET", "big", b"x" * MIB)
        send(client.s, array(b"GET", b"big") * count + array(b"PING"), [])
        wanted, got = count * (len(b"$1048576\r\n") + MIB + 2) + len(b"+PONG\r\n"), 0
        while got < wanted:
            part = client.s.recv(4 * MIB)
            if not part:
                raise Wrong(f"it has closed after {got} bytes of {wanted}")
            got += len(part)
        expect(client.ask("PING"), "+PONG")


def a_subscriber_that_does_not_read_is_given_up():
    with server() as (path, _), Client(path) as subscriber, Client(path) as client:
        subscriber.ask("SUBSCRIBE", "news")
        counts = [client.ask("PUBLISH", "news", b"x" * MIB) for _ in range(60)]
        expect((counts[0], counts[-1]), (1, 0))
        expect(30 <= sum(counts) <= 40, True)
        if len(read_all(subscriber.s)) >= 60 * MIB:
            raise Wrong("it got all of it")


def a_client_that_leaves_in_the_middle_leaves_nothing():
    with server() as (path, _), Client(path) as client:
        before = used(client)
        for data in (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n" + b"x" * 5000, b"SET a", b"*1000\r\n" + b"$1\r\nx\r\n" * 500,
                     b"SUBSCRIBE a\r\nPSUBSCRIBE b\r\n*1\r\n"):
            with connect(path) as s:
                send(s, data, [])
                wait_until_read(s)
        until(lambda: b"connected_clients:1\r" in client.ask("INFO"))
        expect(client.ask("PUBLISH", "a", "x"), 0)
        expect(used(client), before)


CHECKS = [
    it_says_where_it_listens,
    connections_are_kept_alive,
    what_cannot_be_is_said,
    many_are_answered_by_a_ring,
    idle_clients_are_sent_away_at_SIGTERM,
    a_request_that_has_begun_is_finished_at_SIGTERM,
    the_words_of_a_count_come_after_SIGTERM,
    one_that_never_is_finished_has_a_grace,
    keys_and_timers_are_freed_at_the_end,
    keys_expire_though_nobody_asks_for_them,
    an_expired_key_is_none_for_any_command,
    an_expired_key_is_none_before_its_timer_has_its_turn,
    a_key_that_loses_its_time_does_not_count_as_one_that_has_one,
    much_is_done_in_steps,
    what_is_flushed_is_freed_in_steps,
    requests_behind_a_long_one_wait_for_it,
    a_transaction_has_no_steps,
    a_client_may_leave_in_the_middle_of_steps,
    keys_that_expire_together_keep_nobody_waiting,
    what_is_published_comes_in_one_order_to_very_many,
    who_broke_the_protocol_and_writes_on_is_given_up,
    who_broke_the_protocol_and_is_silent_is_given_up,
    a_scan_sees_all_that_stays_while_others_come,
    memory_is_counted_exactly,
    over_the_memory_limit_only_what_fills_is_refused,
    what_clients_hold_counts_for_the_limit,
    a_client_may_say_much_before_it_reads,
    a_value_stays_for_who_is_being_sent_it,
    a_client_may_ask_for_much_before_it_reads,
    a_subscriber_that_does_not_read_is_given_up,
    a_client_that_leaves_in_the_middle_leaves_nothing,
]

failed = 0
left_out = os.environ.get("LEAVE_OUT", "").split()
for check in CHECKS:
    if check.__name__ in left_out:
        continue
    try:
        check()
    except Exception as problem:  # a failure prints a line, and the other tests go on
        failed += 1
        print(f"failed: {check.__name__}: {type(problem).__name__}: {problem}")
print(f"kv: {len(CHECKS) - len(left_out)} checks, {failed} failed, {len(left_out)} left out")
sys.exit(1 if failed else 0)
