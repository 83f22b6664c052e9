#!/usr/bin/env python3
"""Run output scripts against CPython's own asynchat, over a socket that takes k bytes, and print what it did.

usage: oracle_output.py [FILE ...]          run scripts (standard input without FILE)
       oracle_output.py --random SEED COUNT print COUNT random scripts, separated by lines of '---'

Needs a Python that still has asynchat (3.11 or older). The format and the rules are in README.md.
"""
import errno
import random
import sys
import warnings

warnings.simplefilter("ignore")
import asynchat

SHOWN = 32  # bytes; of longer output, the length and a hash are printed


class Socket:
    """A socket that takes as many bytes as its budget says, and then none. It can be read for one byte, or the end."""

    def __init__(self):
        self.budget, self.wire, self.refused, self.input, self.closed_at = 0, bytearray(), False, None, None

    def setblocking(self, flag):
        pass

    def fileno(self):
        return 1000

    def getpeername(self):
        return "fake"

    def send(self, data):
        taken = min(len(data), self.budget)
        if data and not taken:
            self.refused = True
            raise BlockingIOError(errno.EWOULDBLOCK, "it takes no more")
        self.budget -= taken
        self.wire += data[:taken]
        return taken

    def recv(self, size):
        if self.input is None:
            raise BlockingIOError(errno.EWOULDBLOCK, "nothing to read")
        data, self.input = self.input, None
        return data

    def close(self):
        if self.closed_at is None:
            self.closed_at = len(self.wire)


class Producer:
    """Returns one of its pieces each time it is asked, and runs the commands before a piece."""

    def __init__(self, chat, line, name, words):
        self.chat, self.line, self.name, self.words = chat, line, name, words

    def more(self):
        chat = self.chat
        chat.asking, chat.dropped = True, False
        piece = self.answer()
        chat.asking = False
        if not piece and self.name[0] == "d":
            chat.rule("done-with-the-last")
        else:
            chat.lines.append("ask %s %d" % (self.name, len(piece)))
        if chat.dropped:  # CPython would now send the piece, or raise IndexError
            chat.rule("discard-inside-more")
            chat.producer_fifo.appendleft(self)
            return b""
        return piece

    def answer(self):
        while self.words:
            word = self.words.pop(0)
            if word[0] != "!":
                return data(word)
            self.chat.do(self.line, word[1:].split("="))
        return b""


class Recorder(asynchat.async_chat):
    def __init__(self):
        self.asking = self.sending = self.dropped = self.told = self.reported = False
        self.peer_ends = self.peer_ended = False
        self.lines, self.inside = [], []
        super().__init__(Socket(), map={})
        self.set_terminator(None)

    def rule(self, name):
        if "# rule " + name not in self.lines:
            self.lines.append("# rule " + name)

    def closed(self):
        return self.socket.closed_at is not None

    # --- what is bent ---

    def initiate_send(self):
        if self.sending and not self.asking:
            super().initiate_send()
        elif self.producer_fifo and not self.closed():
            self.rule("push-inside-more" if self.asking else "from-the-loop")

    def recv(self, size):
        if self.socket.input == b"" and self.producer_fifo:
            self.rule("eof-sends")
            self.socket.input, self.peer_ended = None, True
            self.close_when_done()
            return b""
        return super().recv(size)

    def end_when_sent(self):
        """The end of the peer also counts after discard_buffers."""
        if self.peer_ended and None not in self.producer_fifo:
            self.close_when_done()

    # --- what is recorded ---

    def handle_close(self):
        self.told = True
        super().handle_close()

    def handle_error(self):
        raise

    def collect_incoming_data(self, _):
        commands, self.inside = self.inside, []
        for line, words in commands:
            self.do(line, words)

    # --- the script ---

    def do(self, line, words):
        if words[0] in ("push", "producer", "simple"):
            if self.closed() or None in self.producer_fifo:
                self.rule("push-refused")
                self.lines.append("late %d" % line)
            self.do_push(line, *words)
        elif words[0] == "cwd":
            self.close_when_done()
        elif words[0] == "discard":
            self.discard_buffers()
            self.dropped = True
        elif words[0] == "close":
            self.close()
        else:
            raise SystemExit("bad command: " + " ".join(words))

    def do_push(self, line, kind, *words):
        """Leaves out an empty push. asynchat would take a turn for it that sends nothing, and end_when_sent() would
        then come before the next producer is asked."""
        if kind == "push":
            if data(words[0]):
                self.push(data(words[0]))
        elif kind == "producer":
            self.push_with_producer(Producer(self, line, words[0], list(words[1:])))
        else:
            self.push_with_producer(asynchat.simple_producer(data(words[1]), int(words[0])))

    def read(self, what):
        self.socket.input = what
        if not self.closed() and not self.peer_ended:
            self.handle_read()

    def go(self, budget):
        sock = self.socket
        begin, sock.budget = len(sock.wire), budget
        if self.inside:
            self.read(b"x")
        self.inside = []
        if self.peer_ends:
            self.read(b"")
        if not self.producer_fifo:
            self.end_when_sent()
        sock.refused, self.sending = False, True
        while self.connected and self.writable() and not sock.refused:
            self.handle_write()
            self.end_when_sent()
        self.sending, sock.budget = False, 0
        self.lines.append("sent " + show(bytes(sock.wire[begin:])))
        self.report_close()

    def report_close(self):
        if self.closed() and not self.reported:
            self.reported = True
            if not self.told:
                self.rule("close-is-told")
            self.lines.append("closed %d" % self.socket.closed_at)


def data(word):
    if word == "-":
        return b""
    unit, _, times = word.partition("*")
    return bytes.fromhex(unit) * int(times or 1)


def show(sent):
    if len(sent) <= SHOWN:
        return sent.hex() or "-"
    value = 0xCBF29CE484222325
    for byte in sent:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return "#%d:%016x" % (len(sent), value)


def run(text):
    chat = Recorder()
    for line, words in enumerate(text.splitlines(), 1):
        words = words.split("#")[0].split()
        if not words:
            continue
        if words[0] == "out":
            chat.ac_out_buffer_size = int(words[1])
        elif words[0] == "in":
            chat.inside.append((line, words[1:]))
        elif words[0] == "eof":
            chat.peer_ends = True
        elif words[0] == "go":
            chat.go(int(words[1]))
        else:
            chat.do(line, words)
    return "\n".join(chat.lines)


class Author:
    """Writes one random script. Producers that call something must be asked at the same moment on both sides. Then
    out_buffer_size is 1 or 2 (see the rule half-a-write), and actions of the peer come in a turn of their own."""

    def __init__(self, rng):
        self.rng, self.producers, self.letter = rng, 0, 0
        self.calls = rng.random() < 0.25
        self.out = rng.choice([1, 2]) if self.calls else rng.choice([1, 2, 3, 4, 7, 16, 100, 65536])
        self.large = self.out == 65536 and rng.random() < 0.3

    def word(self, low, high):
        """Every byte differs from its neighbours, so that a lost or misplaced byte is noticed."""
        size = self.rng.randint(low, high)
        self.letter += size
        if self.large and self.rng.random() < 0.3:
            return "%s*%d" % (bytes(self.rng.sample(range(256), 7)).hex(), self.rng.choice([4000, 9363, 12000]))
        return bytes((self.letter - size + i) % 251 for i in range(size)).hex() or "-"

    def action(self):
        chance = self.rng.random()
        if chance < 0.6:
            return "!push=" + self.word(1, 4)
        return "!" + ("cwd" if chance < 0.8 else "discard" if chance < 0.93 else "close")

    def producer(self):
        rng = self.rng
        done = not self.calls and rng.random() < 0.25
        self.producers += 1
        words = ["producer", "%s%d" % ("d" if done else "p", self.producers)]
        for _ in range(rng.randint(1, rng.choice([1, 3, 6]))):
            if self.calls and rng.random() < 0.3:
                words.append(self.action())
            words.append(self.word(1, rng.choice([1, 3, 9, 20])))
        if not done and rng.random() < 0.1:
            words.append("-")
        elif self.calls and rng.random() < 0.2:
            words.append(self.action())
        return " ".join(words)

    def command(self):
        rng = self.rng
        chance = rng.random()
        if chance < 0.5:
            return "push " + self.word(rng.choice([0, 1]), rng.choice([1, 4, 12, 60]))
        if chance < 0.75:
            return self.producer()
        if chance < 0.88:
            return "simple %d %s" % (rng.choice([1, 2, 8, 512]), self.word(1, 30))
        return "discard" if chance < 0.94 else "cwd" if chance < 0.98 else "close"

    def turn(self):
        rng = self.rng
        lines = []
        for _ in range(rng.randint(0, 4)):
            inside = not self.calls and rng.random() < 0.35
            lines.append(inside * "in " + self.command())
        if rng.random() < 0.03:
            lines = ["eof", "go 0"] + lines if self.calls else lines + ["eof"]
        most = rng.choice([0, 1, 5, 20, 100] + [200000] * self.large)
        return lines + ["go %d" % rng.randint(0, most)]

    def script(self):
        lines = ["out %d" % self.out]
        for _ in range(self.rng.randint(2, 14)):
            lines += self.turn()
        if self.rng.random() < 0.5:
            lines.append("cwd")
        return "\n".join(lines + ["go 1000000", "go 5"])


def main(arguments):
    if arguments[:1] == ["--random"]:
        rng = random.Random(int(arguments[1]))
        print("\n---\n".join(Author(rng).script() for _ in range(int(arguments[2]))))
        return
    texts = [open(name).read() for name in arguments] or [sys.stdin.read()]
    for text in texts:
        print("\n---\n".join(run(part) for part in text.split("---\n")))


if __name__ == "__main__":
    main(sys.argv[1:])
