"""A peer on CPython's own asynchat: see peer.h. SPDX-License-Identifier: BSD-3-Clause"""
import socket
import sys
import warnings

warnings.simplefilter("ignore")
import asynchat
import asyncore

MODE, PORT, FILE = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
BLOCK = 4 * bytes(i % 251 for i in range(65536))


class Line(asynchat.async_chat):
    def __init__(self, sock):
        asynchat.async_chat.__init__(self, sock)
        self.pieces = []
        self.set_terminator(b"\r\n")

    def collect_incoming_data(self, data):
        self.pieces.append(data)

    def found_terminator(self):
        self.pieces.append(b"\r\n")
        self.push(b"".join(self.pieces))
        self.pieces = []


class Length(asynchat.async_chat):
    def __init__(self, sock):
        asynchat.async_chat.__init__(self, sock)
        self.set_terminator(1000000)

    def collect_incoming_data(self, data):
        self.push(data)

    def found_terminator(self):
        self.set_terminator(1000000)


class Sink(asynchat.async_chat):
    def __init__(self, sock):
        asynchat.async_chat.__init__(self, sock)
        self.lines = self.bytes = self.length = 0
        self.set_terminator(b"\r\n")

    def collect_incoming_data(self, data):
        self.length += len(data)

    def found_terminator(self):
        if self.length:
            self.lines += 1
            self.bytes += self.length
            self.length = 0
            return
        self.push(b"%d %d\r\n" % (self.lines, self.bytes))
        self.lines = self.bytes = 0


class Memory:
    def __init__(self, left):
        self.left = left

    def more(self):
        data = BLOCK[:self.left]
        self.left -= len(data)
        return data


class File:
    def __init__(self, left):
        self.file = open(FILE[0], "rb", buffering=0)
        self.left = left

    def more(self):
        data = self.file.read(min(self.left, len(BLOCK)))
        self.left -= len(data)
        return data


class Source(Line):
    ac_out_buffer_size = len(BLOCK)

    def found_terminator(self):
        left = int(b"".join(self.pieces))
        self.pieces = []
        self.push_with_producer(File(left) if FILE else Memory(left))


class Server(asyncore.dispatcher):
    def __init__(self):
        asyncore.dispatcher.__init__(self)
        self.create_socket(socket.AF_INET, socket.SOCK_STREAM)
        self.set_reuse_addr()
        self.bind(("127.0.0.1", PORT))
        self.listen(4096)

    def handle_accept(self):
        # Accepts all that wait, since each pass of the loop looks at every connection.
        while (accepted := self.accept()) is not None:
            self.handle_accepted(*accepted)

    def handle_accepted(self, sock, address):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        MODES[MODE](sock)


MODES = {"line": Line, "length": Length, "sink": Sink, "source": Source, "file": Source}
Server()
asyncore.loop(use_poll=True)
