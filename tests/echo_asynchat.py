"""Both sides of echo_server and echo_client in CPython's own asynchat, for test_examples.py.

usage: echo_asynchat.py client HOST PORT < message    prints what comes back
       echo_asynchat.py server HOST                   prints its port, and serves until it is killed
"""
import socket
import sys
import warnings

warnings.simplefilter("ignore")
import asynchat
import asyncore


class EchoClient(asynchat.async_chat):
    def __init__(self, host, port, message):
        asynchat.async_chat.__init__(self)
        self.message = message
        self.create_socket(socket.AF_INET, socket.SOCK_STREAM)
        self.connect((host, port))

    def handle_connect(self):
        self.push(b"ECHO %d\n" % len(self.message))
        self.push_with_producer(asynchat.simple_producer(self.message))
        self.set_terminator(len(self.message))
        if not self.message:
            self.close_when_done()

    def collect_incoming_data(self, data):
        sys.stdout.buffer.write(data)

    def found_terminator(self):
        self.close_when_done()


class EchoHandler(asynchat.async_chat):
    def __init__(self, sock):
        asynchat.async_chat.__init__(self, sock)
        self.received = []
        self.set_terminator(b"\n")

    def collect_incoming_data(self, data):
        self.received.append(data)

    def found_terminator(self):
        received = b"".join(self.received)
        self.received = []
        if self.get_terminator() == b"\n":
            self.set_terminator(int(received.split()[1]) or b"\n")
        else:
            self.push(received)
            self.set_terminator(b"\n")


class EchoServer(asyncore.dispatcher):
    def __init__(self, host):
        asyncore.dispatcher.__init__(self)
        self.create_socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self.bind((host, 0))
        self.listen(5)
        print(self.socket.getsockname()[1], flush=True)

    def handle_accepted(self, sock, address):
        EchoHandler(sock)


if sys.argv[1] == "client":
    EchoClient(sys.argv[2], int(sys.argv[3]), sys.stdin.buffer.read())
else:
    EchoServer(sys.argv[2])
asyncore.loop()
