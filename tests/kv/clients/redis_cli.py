"""redis-cli that is given lines: redis_cli.py [OPTION...] PORT. SPDX-License-Identifier: BSD-3-Clause"""
import subprocess
import sys

from judge import tell

COMMAND = ["redis-cli", *sys.argv[1:-1], "-p", sys.argv[-1]]
SESSION = r"""
PING
SET a 1
GET a
GET none
MGET a none
SET a 2 NX
SET bytes "\x00\r\n\xff\""
GET bytes
INCR bytes
NOSUCH a b
GET
CONFIG GET appendonly
KEYS a*
SCAN 0 MATCH a*
MULTI; SET n 1; INCR n; MGET n none; EXEC
MULTI; NOSUCH; EXEC
WATCH n; SET n 2; MULTI; GET n; EXEC
MULTI; DISCARD
CLIENT GETNAME
PUBLISH a nobody
""".strip().split("\n")


class Cli:
    def __init__(self, *words):
        self.process = subprocess.Popen([*COMMAND, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="backslashreplace")

    def read(self):
        line = self.process.stdout.readline()
        print("  " + line.rstrip("\n"), flush=True)
        return line

    def write(self, requests):
        print(requests, flush=True)
        self.process.stdin.write(requests.replace("; ", "\n") + "\n")
        self.process.stdin.flush()

    def ask(self, requests):
        """Says the answers, and that to an ECHO behind them."""
        self.write(requests + "; ECHO that-is-all")
        while self.read() not in ("that-is-all\n", ""):
            pass

    def end(self):
        self.process.stdin.close()
        while self.read():
            pass
        print(f"it ends with {self.process.wait()}")


def pushed():
    """Pushes come to who listens, until it is ended."""
    listener, publisher = Cli("SUBSCRIBE", "a", "b"), Cli()
    for _ in range(6):
        listener.read()
    publisher.ask("PUBLISH b hello")
    for _ in range(3):
        listener.read()
    listener.process.terminate()
    listener.process.communicate()
    publisher.end()


def main():
    subprocess.run([*COMMAND, "FLUSHALL"], check=True)
    cli = Cli()
    for request in SESSION:
        cli.ask(request)
    for how in ("stop", "kill"):
        tell(how)
        cli.write("GET a")
        cli.read()
        tell("start")
        cli.ask("GET a")
        cli.ask("SET a 1")
    cli.end()
    pushed()
    print("done")


main()
